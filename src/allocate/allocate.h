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
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

/*
 * Within a session: refuse rules in force in the period that cannot be
 * carried out (55000).
 */
extern void AllocateCheckRules(DateADT period);

/* Within a session: refuse a version just written that has a fault (22023). */
extern void AllocateCheckVersion(const char *rule_id, int32 version);

/* A rule of allocation_rules "r" is in force on the day $1. */
#define ALLOCATE_IN_FORCE \
	"r.effective_from <= $1 AND (r.effective_to IS NULL OR r.effective_to > $1)"

/* The value of a policy on the day $1. */
#define ALLOCATE_POLICY(name) \
	"(SELECT p.value FROM finops.allocation_policy p WHERE p.policy = '" name "'" \
	" AND p.effective_from <= $1 ORDER BY p.shipped, p.effective_from DESC LIMIT 1)"

/* Numbers of the rules that are built in; those of allocation_rules are > 0. */
#define ALLOCATE_INPUT_TAX		-1
#define ALLOCATE_UNUSED			-2
#define ALLOCATE_DISCOUNT		-3
#define ALLOCATE_CREDIT			-4
#define ALLOCATE_ORIGIN_PERIOD	-5
#define ALLOCATE_UNALLOCATED	-6

/* Predicates compiled to SQL; predicate.c. */
typedef struct AllocateColumns
{
	List	   *expressions;	/* char *, over a line f: columns d1, d2, ... */
	List	   *conditions;		/* int: numbers of those that are true or false */
	int			n_rules;
	StringInfoData *quals;		/* over the sums c; from 1 */
	StringInfoData *line_quals; /* over a line f; from 1 */
} AllocateColumns;

extern void AllocateCompile(AllocateColumns *columns, int n_rules);
extern char *AllocateFirstMatch(const AllocateColumns *columns, bool of_lines);
extern char *AllocateAllMatches(const AllocateColumns *columns);

/* cost.c: stages finops_group, finops_cost and finops_tenant, sums of the facts */
extern void AllocateHashSums(bool hash);
extern void AllocateStageCost(DateADT period, FinopsCostBasis basis,
							  const AllocateColumns *columns);

/*
 * gather.c: stage finops_rule (the rules in force, numbered in the order in
 * which they match), and stage finops_input, all an allocation is made from
 * (see finops.allocation_input).
 */
extern bool AllocatePolicyIs(DateADT period, const char *policy,
							 const char *value);
extern int	AllocateStageRules(DateADT period);
extern void AllocateStageCharges(void);
extern void AllocateGather(DateADT period, FinopsCostBasis basis);

/*
 * engine.c: makes the entries from the rows of a relation of the form of
 * finops_input, into a table or, without one, into stage finops_entry.  With
 * may_pack those of large systems of pools go into stages finops_packed and
 * finops_packed_target, and only their sums into the former.
 */
typedef struct AllocateResult
{
	uint64		entries;		/* packed ones included */
	uint64		rows;			/* written */
	uint64		packed;			/* rows of stage finops_packed */
	char	   *digest;
	int			findings;
	char	   *findings_json;
} AllocateResult;

/* Where entries go that nothing has to be compared with. */
typedef struct AllocateTable
{
	Oid			partition;
	DateADT		period;
	int64		run_id;
	bool		skip_indexes;	/* the caller builds them afterwards */
} AllocateTable;

extern void AllocateMakeEntries(const char *from, int64 run_id,
								const AllocateTable *table, bool may_pack,
								AllocateResult *result);

/*
 * Packed entries, packed.c.  Their sums stand in fact_cost_allocated under
 * this rule; finops.allocation_entry has each of them.
 */
#define ALLOCATE_PACKED_RULE	"packed-pools"

/* lines.c */
extern void AllocateIndexLines(const char *partition, DateADT period);

extern int64 AllocatePostPacked(DateADT period, int64 run_id, bool packed);

#endif							/* FINOPS_ALLOCATE_H */
