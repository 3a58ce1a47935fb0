/*-------------------------------------------------------------------------
 *
 * lines.c
 *	  finops.entry_lines: the bill lines behind an allocation entry.
 *
 * An origin names provider, service, charge category, currency and rule; the
 * lines are those the rule took, found by the same predicates over the facts
 * as when the run was made, from the rule versions pinned with it.  A small
 * origin names its lines.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/allocate.h"

PG_FUNCTION_INFO_V1(finops_entry_lines);

/* Stage finops_asked: the entry, which may be packed or the sum of such. */
static void
find_entry(int64 entry_id)
{
	if (FINOPS_STAGE("finops_asked",
		"SELECT a.period_start, a.rule_id, a.currency, a.service, a.origin_period, a.origin, a.source_line_ids,"
		" replace(replace(split_part(a.origin, '|', 1), '%7C', '|'), '%25', '%') AS provider,"
		" split_part(a.origin, '|', 3) AS charge_category,"
		" replace(replace(split_part(a.origin, '|', 6), '%7C', '|'), '%25', '%') AS tenant_id,"
		" (SELECT max(i.run_id) FROM finops.allocation_input i WHERE i.period_start = a.period_start"
		"  AND i.run_id <= a.run_id) AS inputs_of"
		" FROM (SELECT e.period_start, e.rule_id, e.currency, e.service, e.origin_period, e.origin, e.source_line_ids, e.run_id"
		"   FROM @s@.fact_cost_allocated e WHERE e.id = $1"
		"  UNION ALL SELECT p.period_start, p.rule_id, p.currency, p.service, NULL, p.origin, p.source_line_ids, p.run_id"
		"   FROM finops.allocation_packed p WHERE p.id = $1) a", ARG_INT8(entry_id)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("allocation entry %lld is unknown", (long long) entry_id),
				 errhint("SELECT id, tenant_id, service FROM fact_cost_allocated lists them.")));
}

/* The numbers of the rules whose lines are asked for, a list; NULL: of none. */
static char *
rules_asked(void)
{
	FINOPS_RUN0("SELECT string_agg(r.no::text, ', ') FROM finops_asked e JOIN finops_rule r"
				" ON r.rule_id = e.rule_id OR e.rule_id = '" ALLOCATE_PACKED_RULE "' AND r.rule_id IN (SELECT p.rule_id"
				"  FROM finops.allocation_packed p WHERE p.period_start = e.period_start"
				"  AND starts_with(p.origin, left(e.origin, -length('" ALLOCATE_PACKED_RULE "'))))");
	return FinopsText(0, 1);
}

/*
 * Which lines of the provider, service, charge category and currency they are;
 * what says the tenant stands by itself, for an index to be used.
 */
static char *
lines_of_rule(const char *rule_id, const AllocateColumns *columns)
{
	char	   *rules;

	if (strcmp(rule_id, "direct-tag") == 0)
		return "f.tenant_id = $7";
	if (strcmp(rule_id, "input-tax") == 0)
		return "true";
	if (strcmp(rule_id, "origin-period") == 0)
		return "f.tenant_id IS NULL";
	if (strcmp(rule_id, "unused-commitment") == 0)
		return "f.tenant_id IS NULL AND f.commitment_discount_status = 'Unused'";
	if (strcmp(rule_id, "discount") == 0)
		return "f.tenant_id IS NULL AND f.line_item_line_item_type LIKE '%Discount'";
	rules = rules_asked();
	return psprintf("f.tenant_id IS NULL AND NOT ($8 AND coalesce(f.line_item_line_item_type, '') LIKE '%%Discount')"
					" AND NOT ($9 AND coalesce(f.commitment_discount_status, '') = 'Unused') AND (%s) %s",
					AllocateFirstMatch(columns, true),
					rules == NULL ? "IS NULL" : psprintf("IN (%s)", rules));
}

#define LINE_COLUMNS(basis) \
	"f.row_id, f.identity_line_item_id, f.service, f.line_item_usage_type, f.line_item_resource_id," \
	" f.line_item_usage_start_date, f." basis "_cost, f.line_item_currency_code"

/* The lines an entry names, as long as all of them are still there. */
static bool
named_lines(DateADT period, const char *basis)
{
	FINOPS_RUN0("SELECT cardinality(e.source_line_ids) FROM finops_asked e WHERE e.source_line_ids <> '{}'");
	if (SPI_processed == 0)
		return false;
	return (uint64) FinopsInt64(0, 1) ==
		FINOPS_RUN(psprintf("SELECT " LINE_COLUMNS("%s") " FROM @s@.fact_cost_raw f WHERE f.bill_billing_period_start_date = $1"
							" AND f.row_id = ANY ((SELECT e.source_line_ids::bigint[] FROM finops_asked e)::bigint[]) ORDER BY 1",
							basis), ARG_DATE(period));
}

static void
matching_lines(DateADT period, const char *basis)
{
	AllocateColumns columns;
	char	   *provider;
	char	   *service;
	char	   *category;
	char	   *currency;
	char	   *tenant;
	char	   *rule;
	char	   *origin_period;
	bool		follows;

	AllocateCompile(&columns, (int) FINOPS_STAGE0("finops_rule",
		"SELECT i.position AS no, i.name AS rule_id, i.detail ->> 'provider' AS provider,"
		" i.detail ->> 'service_match' AS service_match, i.detail ->> 'usage_type_like' AS usage_type_like,"
		" i.detail ->> 'charge_category' AS charge_category, nullif(i.detail -> 'match', 'null') AS match"
		" FROM finops_asked e JOIN finops.allocation_input i ON i.run_id = e.inputs_of AND i.part = 'rule'"));
	FINOPS_RUN0("SELECT e.provider, e.service, e.charge_category, e.currency, e.origin_period::text, e.tenant_id, e.rule_id,"
				" EXISTS (SELECT FROM finops.allocation_input i WHERE i.run_id = e.inputs_of"
				"  AND i.part = 'node' AND i.name = 'discount' AND i.detail ->> 'anchor' = concat_ws('|', e.provider, e.service))::text"
				" FROM finops_asked e");
	provider = FinopsText(0, 1);
	service = FinopsText(0, 2);
	category = FinopsText(0, 3);
	currency = FinopsText(0, 4);
	origin_period = FinopsText(0, 5);
	tenant = FinopsText(0, 6);
	rule = FinopsText(0, 7);
	follows = FinopsText(0, 8)[0] == 't';
	FINOPS_RUN(psprintf("SELECT " LINE_COLUMNS("%s") " FROM @s@.fact_cost_raw f WHERE f.bill_billing_period_start_date = $1"
						" AND f.provider = $2 AND f.service = $3 AND f.charge_category = $4 AND f.line_item_currency_code = $5"
						" AND f.origin_period IS NOT DISTINCT FROM $6::date AND %s ORDER BY 1",
						basis, lines_of_rule(rule, &columns)),
			   ARG_DATE(period), ARG_TEXT(provider), ARG_TEXT(service), ARG_TEXT(category),
			   ARG_TEXT(currency), ARG_TEXT(origin_period), ARG_TEXT(tenant), ARG_BOOL(follows),
			   ARG_BOOL(AllocatePolicyIs(period, "unused_commitment", "operator")));
}

/*
 * finops.entry_lines(entry_id bigint) -> TABLE (row_id,
 * identity_line_item_id, service, usage_type, resource_id, usage_start, cost,
 * currency)
 *
 * The lines of the entry's origin, with all of their cost on the cost basis
 * of the period.  22004 for NULL, 22023 for an unknown entry.
 */
Datum
finops_entry_lines(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	bool		isnull;
	DateADT		period;
	const char *basis;

	FinopsRequireArg(fcinfo, 0, "entry_id");
	FinopsBegin(&session);
	find_entry(PG_GETARG_INT64(0));
	FINOPS_RUN0("SELECT e.period_start FROM finops_asked e");
	period = DatumGetDateADT(FinopsValue(0, 1, &isnull));
	basis = FinopsBasisName(FinopsPeriodBasis(period, false));
	if (!named_lines(period, basis))
		matching_lines(period, basis);
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * Within a session: an index over the lines of a month, by tenant and service,
 * for what asks after the lines of an entry once the month is closed.  None is
 * kept while bills are loaded.
 */
void
AllocateIndexLines(const char *partition, DateADT period)
{
	FINOPS_RUN0(psprintf("CREATE INDEX IF NOT EXISTS fact_cost_raw_%.4s_%.2s_lines_idx ON %s (tenant_id, service)",
						 FinopsPeriodText(period), FinopsPeriodText(period) + 5, partition));
}
