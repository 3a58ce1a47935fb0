/*-------------------------------------------------------------------------
 *
 * allocate.h
 *	  Room allocate: what other rooms may call, and what its files share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_ALLOCATE_H
#define FINOPS_ALLOCATE_H

#include "core/core.h"

/*
 * Within a session: refuse rules in force in the period that cannot be
 * carried out (55000).
 */
extern void AllocateCheckRules(DateADT period);

/* A rule of allocation_rules "r" is in force on the day $1. */
#define ALLOCATE_IN_FORCE \
	"r.effective_from <= $1 AND (r.effective_to IS NULL OR r.effective_to > $1)"

/* A rule "r" matches the cost of "c". */
#define ALLOCATE_MATCHES \
	"(r.provider IS NULL OR r.provider = c.provider)" \
	" AND (r.service_match IS NULL OR c.service LIKE r.service_match)" \
	" AND (r.usage_type_like IS NULL OR c.usage_type LIKE r.usage_type_like)" \
	" AND (r.charge_category IS NULL OR r.charge_category = c.charge_category)"

#endif							/* FINOPS_ALLOCATE_H */
