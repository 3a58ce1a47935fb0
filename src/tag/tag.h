/*-------------------------------------------------------------------------
 *
 * tag.h
 *	  Room tag: what its files share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_TAG_H
#define FINOPS_TAG_H

#include "core/core.h"

/* A tag value without blanks around it; NULL when nothing else is there. */
#define TAG_VALUE(text) "nullif(btrim(" text ", E' \\t\\n\\013\\f\\r'), '')"

/*
 * The tenant that tag key $1 gives to a line "f" as delivered.  The key
 * tenant_id means that tag in any spelling, as the loader has put it into its
 * own column.  As for the loader, an object or an array is nobody's name.
 */
#define TAG_DELIVERED_TENANT_OF_LINE \
	TAG_VALUE("CASE WHEN $1 = 'tenant_id' THEN" \
			  " coalesce(f.resource_tags_user_tenant_id, f.resource_tags ->> 'tenant_id')" \
			  " WHEN jsonb_typeof(f.resource_tags -> $1) NOT IN ('object', 'array') THEN f.resource_tags ->> $1 END")

/* The same, where a virtual tag comes before the delivered one. */
#define TAG_TENANT_OF_LINE \
	"coalesce(" TAG_VALUE("f.virtual_tags ->> $1") ", " TAG_DELIVERED_TENANT_OF_LINE ")"

/* Tags in effect on a line "f". */
#define TAG_EFFECTIVE "finops.effective_tags(f.resource_tags, f.virtual_tags)"

/* Within a session: refuse a period of which no bill is loaded (55000). */
extern void TagRequireBill(DateADT period);

/* The chosen tenant tag key, or tenant_id. */
extern char *TagTenantKey(void);

/* Values that nobody registered become tenants that are only shown; tag.c */
extern int64 TagRegisterUnseenTenants(void);

/*
 * Within a session, of an open period: virtual tags and tenants of its lines
 * by registry and rules, roll-up and gates in step; returns changed lines.
 * sync.c
 */
extern int64 TagSync(DateADT period);

#endif							/* FINOPS_TAG_H */
