/*-------------------------------------------------------------------------
 *
 * sync.c
 *	  finops.tag_sync: virtual tags and tenants of a billing period.
 *
 * A bill has far fewer kinds of charges than lines, a kind being what the
 * rules look at.  The rules are applied once per kind; the lines are then
 * brought up to date in one statement that writes only those that differ.
 * Kinds are joined by a 64-bit hash, and compared in full where it agrees: by
 * the image of the row in one call, for the planner takes a list of
 * columns that are equal or both null for a rare match and joins by a loop.
 *
 *-------------------------------------------------------------------------
 */
#include "tag/tag.h"

#include "bill/bill.h"

PG_FUNCTION_INFO_V1(finops_tag_sync);

/* Rules in force on $1, as finops.virtual_tags takes them. */
#define RULES_IN_FORCE \
	"SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(r) - 'tag_conditions')" \
	"  || CASE WHEN r.tag_conditions IS NULL THEN '{}' ELSE jsonb_build_object('tag_conditions', r.tag_conditions) END" \
	"  ORDER BY r.\"position\", r.rule_id COLLATE \"C\"), '[]')," \
	" bool_or(r.usage_type_pattern IS NOT NULL), bool_or(r.resource_pattern IS NOT NULL)," \
	" EXISTS (SELECT FROM finops.resource_tag t WHERE t.valid_from <= $1 AND (t.valid_to > $1 OR t.valid_to IS NULL))" \
	" FROM finops.virtual_tag_rule r WHERE r.valid_from <= $1 AND (r.valid_to > $1 OR r.valid_to IS NULL)"

/*
 * What the rules look at in a line "f".  Usage types and resources make many
 * kinds, so they count only where a rule or the registry asks for them.
 */
typedef struct Kind
{
	bool		usage_type;
	bool		resource;
	bool		registry;
	Datum		rules;			/* jsonb */
	bool		any;
} Kind;

static Kind
read_kind(DateADT period)
{
	Kind		kind = {0};
	bool		isnull;

	FINOPS_RUN(RULES_IN_FORCE, ARG_DATE(period));
	kind.rules = FinopsValue(0, 1, &isnull);
	kind.usage_type = DatumGetBool(FinopsValue(0, 2, &isnull)) && !isnull;
	kind.resource = DatumGetBool(FinopsValue(0, 3, &isnull)) && !isnull;
	kind.any = !isnull;
	kind.registry = DatumGetBool(FinopsValue(0, 4, &isnull));
	kind.resource = kind.resource || kind.registry;
	kind.any = kind.any || kind.registry;
	return kind;
}

static const char *
kind_columns(const Kind *kind)
{
	return psprintf("f.resource_tags, f.provider,"
					" coalesce(f.line_item_usage_account_id, f.bill_payer_account_id),"
					" f.service, f.product_region, %s, %s",
					kind->usage_type ? "f.line_item_usage_type" : "NULL::text",
					kind->resource ? "f.line_item_resource_id" : "NULL::text");
}

/* Kinds of which the rules make something. */
static void
stage_kinds(DateADT period, const Kind *kind)
{
	char	   *sql = psprintf("WITH k AS MATERIALIZED ("
							   " SELECT DISTINCT %s FROM @s@.fact_cost_raw f"
							   " WHERE f.bill_billing_period_start_date = $1),"
							   " registry AS MATERIALIZED ("
							   " SELECT t.resource_id, jsonb_object_agg(t.tag_key, t.tag_value) AS tags"
							   " FROM finops.resource_tag t WHERE t.valid_from <= $1"
							   " AND (t.valid_to > $1 OR t.valid_to IS NULL) GROUP BY 1)"
							   " SELECT hash_record_extended(ROW(c.*), 0) AS hash, c.*, v.tags AS virtual"
							   " FROM k AS c (tags, provider, account_id, service, region, usage_type, resource_id)"
							   " LEFT JOIN registry r ON r.resource_id = c.resource_id"
							   " CROSS JOIN LATERAL (SELECT finops.virtual_tags($2, c.tags, r.tags, c.provider,"
							   "  c.account_id, c.service, c.region, c.usage_type, c.resource_id) AS tags OFFSET 0) v"
							   " WHERE v.tags IS NOT NULL", kind_columns(kind));

	FINOPS_STAGE("finops_tag_kind", sql, ARG_DATE(period),
				 ARG_DATUM(JSONBOID, kind->rules, false));
}

static int64
update_lines(DateADT period, const Kind *kind, const char *tenant_key)
{
	const char *columns = kind_columns(kind);
	int64		changed;

	changed = (int64)
		FINOPS_RUN(psprintf("UPDATE @s@.fact_cost_raw f SET virtual_tags = k.virtual,"
							" tenant_id = coalesce(" TAG_VALUE("k.virtual ->> $1") ", " TAG_DELIVERED_TENANT_OF_LINE ")"
							" FROM finops_tag_kind k WHERE f.bill_billing_period_start_date = $2"
							" AND k.hash = hash_record_extended(ROW(%s), 0)"
							" AND record_image_eq(ROW(k.tags, k.provider, k.account_id, k.service, k.region,"
							"  k.usage_type, k.resource_id), ROW(%s))"
							" AND f.virtual_tags IS DISTINCT FROM k.virtual", columns, columns),
				   ARG_TEXT(tenant_key), ARG_DATE(period));
	changed += (int64)
		FINOPS_RUN(psprintf("UPDATE @s@.fact_cost_raw f SET virtual_tags = NULL,"
							" tenant_id = " TAG_DELIVERED_TENANT_OF_LINE
							" WHERE f.bill_billing_period_start_date = $2 AND f.virtual_tags IS NOT NULL"
							" AND NOT EXISTS (SELECT FROM finops_tag_kind k"
							"  WHERE k.hash = hash_record_extended(ROW(%s), 0)"
							"  AND record_image_eq(ROW(k.tags, k.provider, k.account_id, k.service, k.region,"
							"   k.usage_type, k.resource_id), ROW(%s)))", columns, columns),
				   ARG_TEXT(tenant_key), ARG_DATE(period));
	return changed;
}

/* Looked for in the whole month by all workers: mostly there are none. */
static bool
has_virtual_tags(DateADT period)
{
	FINOPS_STAGE("finops_virtual",
				 "SELECT count(f.virtual_tags) > 0 AS any FROM @s@.fact_cost_raw f WHERE f.bill_billing_period_start_date = $1",
				 ARG_DATE(period));
	return FINOPS_RUN0("SELECT FROM finops_virtual v WHERE v.any") > 0;
}

/*
 * Without rules and registry there is nothing to do, except where earlier
 * ones have left something.
 */
int64
TagSync(DateADT period)
{
	Kind		kind = read_kind(period);
	char	   *tenant_key;
	int64		changed;

	if (!kind.any && !has_virtual_tags(period))
		return 0;
	tenant_key = TagTenantKey();
	stage_kinds(period, &kind);
	changed = update_lines(period, &kind, tenant_key);
	if (changed > 0)
	{
		(void) BillRebuildRollup(period, NULL);
		(void) TagRegisterUnseenTenants();
		FinopsClearGates(period, FINOPS_GATE_TAGS);
	}
	return changed;
}

/*
 * finops.tag_sync(period date) -> bigint
 *
 * Applies registry and rules to the lines of an open billing period, derives
 * their tenants, brings the roll-up into step and clears the gates when
 * something changed.  Returns the lines whose virtual tags changed; calling
 * it again returns 0.  22004 and 22023 for a period that is none, 55000 for a
 * locked one and for one of which no bill is loaded.
 */
Datum
finops_tag_sync(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;
	int64		changed;
	int64		run_id;

	FinopsRequireWritable("finops.tag_sync()");
	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	FinopsOpenPeriod(period);
	TagRequireBill(period);
	run_id = FinopsStartRun(&session, "tag_sync", period);
	changed = TagSync(period);
	FinopsFinishRun(run_id, "completed",
					psprintf("{\"lines_changed\": " INT64_FORMAT "}", changed));
	FinopsEnd(&session);
	PG_RETURN_INT64(changed);
}
