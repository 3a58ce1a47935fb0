/*-------------------------------------------------------------------------
 *
 * lines.c
 *	  finops.entry_lines, finops.entry_cost_daily: the bill lines behind an
 *	  allocation entry, and what they come to by day.
 *
 * An origin names provider, service, charge category, currency and rule; the
 * lines are those the rule took, found by the same predicates over the facts
 * as when the run was made, from the rule versions pinned with it.  A small
 * origin names its lines.  Where nothing but these names and the tenant tells
 * the lines of an origin from others, the roll-up knows its days.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/allocate.h"

PG_FUNCTION_INFO_V1(finops_entry_lines);
PG_FUNCTION_INFO_V1(finops_entry_cost_daily);
PG_FUNCTION_INFO_V1(finops_index_lines);

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
 * Whose lines of the service they are, which stands by itself for an index to
 * be used; and which of these.
 */
static const char *
owner_of_lines(const char *rule_id)
{
	if (strcmp(rule_id, "direct-tag") == 0)
		return "f.tenant_id = $7";
	return strcmp(rule_id, "input-tax") == 0 ? "true" : "f.tenant_id IS NULL";
}

static char *
lines_of_rule(const char *rule_id, const AllocateColumns *columns)
{
	char	   *rules;

	if (strcmp(rule_id, "direct-tag") == 0 || strcmp(rule_id, "input-tax") == 0 ||
		strcmp(rule_id, "origin-period") == 0)
		return "true";
	if (strcmp(rule_id, "unused-commitment") == 0)
		return "f.commitment_discount_status = 'Unused'";
	if (strcmp(rule_id, "discount") == 0)
		return "f.line_item_line_item_type LIKE '%Discount'";
	rules = rules_asked();
	return psprintf("NOT ($8 AND coalesce(f.line_item_line_item_type, '') LIKE '%%Discount')"
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

/* Arguments of a statement over the lines of the entry's origin. */
#define LINE_ARGS	10

typedef struct LineQuery
{
	char	   *condition;		/* over a line f */
	FinopsArg	args[LINE_ARGS];	/* the last is for the caller */
} LineQuery;

/* Lines of a month from which on reading them all takes longer than one waits for. */
#define MANY_LINES	"1000000"

/* Once per session and month: how to make the next call fast. */
static void
tell_of_index(DateADT period)
{
	static DateADT told = DATEVAL_NOBEGIN;
	char	   *month = FinopsPeriodText(period);

	month[4] = '_';
	if (told == period ||
		FINOPS_RUN("SELECT FROM pg_class c WHERE c.oid = to_regclass($1) AND c.reltuples >= " MANY_LINES
				   " AND to_regclass($1 || '_lines_idx') IS NULL",
				   ARG_TEXT(psprintf("finops.fact_cost_raw_%s", month))) == 0)
		return;
	told = period;
	month[4] = '-';
	ereport(NOTICE,
			(errmsg("the lines of %s have no index, so all of them are read", month),
			 errhint("Make it: SELECT finops.index_lines('%s-01').", month)));
}

static void
find_lines(DateADT period, LineQuery *q)
{
	AllocateColumns columns;
	char	   *rule;
	int			n = 0;

	tell_of_index(period);

	AllocateCompile(&columns, (int) FINOPS_STAGE0("finops_rule",
		"SELECT i.position AS no, i.name AS rule_id, i.detail ->> 'provider' AS provider,"
		" i.detail ->> 'service_match' AS service_match, i.detail ->> 'usage_type_like' AS usage_type_like,"
		" i.detail ->> 'charge_category' AS charge_category, nullif(i.detail -> 'match', 'null') AS match"
		" FROM finops_asked e JOIN finops.allocation_input i ON i.run_id = e.inputs_of AND i.part = 'rule'"));
	FINOPS_RUN0("SELECT e.provider, e.service, e.charge_category, e.currency, e.origin_period::text, e.tenant_id, e.rule_id,"
				" EXISTS (SELECT FROM finops.allocation_input i WHERE i.run_id = e.inputs_of"
				"  AND i.part = 'node' AND i.name = 'discount' AND i.detail ->> 'anchor' = concat_ws('|', e.provider, e.service))::text"
				" FROM finops_asked e");
	q->args[n++] = ARG_DATE(period);
	for (int col = 1; col <= 6; col++)
		q->args[n++] = ARG_TEXT(FinopsText(0, col));
	rule = FinopsText(0, 7);
	q->args[n++] = ARG_BOOL(FinopsText(0, 8)[0] == 't');
	q->args[n++] = ARG_BOOL(AllocatePolicyIs(period, "unused_commitment", "operator"));
	q->args[n] = ARG_TEXT(NULL);
	/*
	 * What the planner would take for independent of one another, and come to
	 * expect a single line, is one condition to it.
	 */
	q->condition = psprintf("f.bill_billing_period_start_date = $1 AND f.service = $3 AND %s AND CASE WHEN"
							" f.provider = $2 AND f.charge_category = $4 AND f.line_item_currency_code = $5"
							" AND f.origin_period IS NOT DISTINCT FROM $6::date AND %s THEN true ELSE false END",
							owner_of_lines(rule), lines_of_rule(rule, &columns));
}

/* The period of the entry, which is staged, and its cost basis. */
static DateADT
ask_entry(FunctionCallInfo fcinfo, const char **basis)
{
	bool		isnull;
	DateADT		period;

	find_entry(PG_GETARG_INT64(0));
	FINOPS_RUN0("SELECT e.period_start FROM finops_asked e");
	period = DatumGetDateADT(FinopsValue(0, 1, &isnull));
	*basis = FinopsBasisName(FinopsPeriodBasis(period, false));
	return period;
}

/*
 * finops.entry_lines(entry_id bigint, max_lines bigint DEFAULT NULL) -> TABLE
 * (row_id, identity_line_item_id, service, usage_type, resource_id,
 * usage_start, cost, currency)
 *
 * The lines of the entry's origin, with all of their cost on the cost basis
 * of the period, in no particular order; at most max_lines of them, NULL is
 * all.  22004 for NULL, 22023 for an unknown entry and max_lines below zero.
 */
Datum
finops_entry_lines(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		period;
	const char *basis;
	LineQuery	q;

	FinopsRequireArg(fcinfo, 0, "entry_id");
	if (!PG_ARGISNULL(1) && PG_GETARG_INT64(1) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_lines must not be negative")));
	FinopsBegin(&session);
	period = ask_entry(fcinfo, &basis);
	if (PG_ARGISNULL(1) && named_lines(period, basis))
		FinopsReturnRows(fcinfo);
	else
	{
		find_lines(period, &q);
		q.args[LINE_ARGS - 1] = ARG_DATUM(INT8OID, PG_GETARG_DATUM(1), PG_ARGISNULL(1));
		FinopsReturnQuery(fcinfo, psprintf("SELECT " LINE_COLUMNS("%s") " FROM @s@.fact_cost_raw f WHERE %s LIMIT $10",
										   basis, q.condition), LINE_ARGS, q.args);
	}
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * Stage finops_days from the roll-up, if it knows the origin: no other origin
 * of the run has lines of the same names and the same tenant, or absence of
 * one, and the cost is that from which the entries were made.
 */
static bool
days_of_rollup(DateADT period, const char *basis)
{
	if (FINOPS_RUN0("SELECT 1 FROM finops_asked e WHERE e.origin_period IS NULL"
					" AND NOT EXISTS (SELECT FROM finops.allocation_input i WHERE i.run_id = e.inputs_of"
					"  AND i.part = CASE WHEN e.rule_id = 'direct-tag' THEN 'direct' ELSE 'bucket' END"
					"  AND starts_with(i.name, array_to_string((string_to_array(e.origin, '|'))[1:4], '|'))"
					"  AND (i.name <> e.origin AND e.rule_id <> 'direct-tag' OR i.detail ->> 'origin_period' IS NOT NULL))"
					" AND e.rule_id NOT IN ('" ALLOCATE_PACKED_RULE "', 'input-tax')") == 0)
		return false;
	FINOPS_STAGE("finops_days",
				 psprintf("SELECT x.usage_date, x.account_id, x.region, sum(x.line_items)::bigint AS line_items, sum(x.%s_cost) AS cost, x.currency"
						  " FROM finops_asked e JOIN finops.cost_daily x ON x.billing_period = $1 AND x.provider = e.provider"
						  "  AND x.service = e.service AND x.charge_category = e.charge_category AND x.currency = e.currency"
						  "  AND x.tenant_id IS NOT DISTINCT FROM CASE WHEN e.rule_id = 'direct-tag' THEN e.tenant_id END"
						  " GROUP BY 1, 2, 3, 6", basis), ARG_DATE(period));
	return FINOPS_RUN0("SELECT 1 FROM finops_asked e WHERE (SELECT sum(d.cost) FROM finops_days d)"
					   " = (SELECT sum(CASE WHEN i.part = 'bucket' THEN i.amounts[1]"
					   "   ELSE i.amounts[array_position(i.targets, e.tenant_id)] END)"
					   "  FROM finops.allocation_input i WHERE i.run_id = e.inputs_of"
					   "  AND (i.part = 'bucket' AND i.name = e.origin OR i.part = 'direct' AND e.rule_id = 'direct-tag'"
					   "   AND i.name = array_to_string((string_to_array(e.origin, '|'))[1:4], '|')))") > 0;
}

#define DAY_OF_LINE		"coalesce(f.line_item_usage_start_date::date, $1)"
#define ACCOUNT_OF_LINE	"coalesce(f.line_item_usage_account_id, f.bill_payer_account_id)"

/*
 * Stage finops_days from the lines: in blocks of the workers, or by hand where
 * these do not hold them.
 */
static void
days_of_lines(DateADT period, const char *basis)
{
	LineQuery	q;

	find_lines(period, &q);
	FinopsStage("finops_day_sums",
				psprintf("SELECT finops.line_sums(NULL, finops.pack_texts((" DAY_OF_LINE " - date '2000-01-01')::text,"
						 " " ACCOUNT_OF_LINE ", f.product_region, f.line_item_currency_code), f.%s_cost, f.row_id) AS sums"
						 " FROM @s@.fact_cost_raw f WHERE $10 IS NULL AND %s", basis, q.condition),
				LINE_ARGS, q.args);
	if (FINOPS_RUN0("SELECT 1 FROM finops_day_sums s WHERE s.sums = ''") == 0)
		FINOPS_STAGE0("finops_days",
					  "SELECT date '2000-01-01' + k.texts[1]::integer AS usage_date, k.texts[2] AS account_id, k.texts[3] AS region,"
					  " k.n AS line_items, a.cost, k.texts[4] AS currency FROM finops_day_sums s"
					  " CROSS JOIN LATERAL finops.line_sums_keys(s.sums) k CROSS JOIN LATERAL finops.line_sums_amounts(s.sums) a"
					  " WHERE a.key_no = k.key_no");
	else
		FinopsStage("finops_days",
					psprintf("SELECT " DAY_OF_LINE " AS usage_date, " ACCOUNT_OF_LINE " AS account_id, f.product_region AS region,"
							 " count(*) AS line_items, sum(f.%s_cost) AS cost, f.line_item_currency_code AS currency"
							 " FROM @s@.fact_cost_raw f WHERE $10 IS NULL AND %s GROUP BY 1, 2, 3, 6", basis, q.condition),
					LINE_ARGS, q.args);
}

/*
 * finops.entry_cost_daily(entry_id bigint) -> TABLE (usage_date, account_id,
 * region, line_items, cost, currency)
 *
 * What the lines of the entry's origin come to by day, account and region, on
 * the cost basis of the period; from the roll-up where it can tell them, else
 * from the lines.  Errors as finops.entry_lines.
 */
Datum
finops_entry_cost_daily(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		period;
	const char *basis;

	FinopsRequireArg(fcinfo, 0, "entry_id");
	FinopsBegin(&session);
	period = ask_entry(fcinfo, &basis);
	if (!days_of_rollup(period, basis))
	{
		FinopsEndStage("finops_days");
		days_of_lines(period, basis);
	}
	FINOPS_RUN0("SELECT d.* FROM finops_days d ORDER BY d.usage_date, d.account_id, d.region");
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

/*
 * finops.index_lines(period date) -> boolean
 *
 * Makes the index by which lines of an entry are found, before the month is
 * closed; false where it is there.  22004 and 22023 for a period that is
 * none, 55000 where no bill is loaded for it.
 */
Datum
finops_index_lines(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;
	char	   *month = FinopsPeriodText(period);
	char	   *partition;
	bool		made;

	FinopsRequireWritable("finops.index_lines()");
	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	FinopsLock(FINOPS_LOCK_PERIOD, period);
	month[4] = '_';
	partition = psprintf("finops.fact_cost_raw_%s", month);
	FINOPS_RUN("SELECT to_regclass($1) IS NULL, to_regclass($1 || '_lines_idx') IS NULL", ARG_TEXT(partition));
	if (FinopsText(0, 1)[0] == 't')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no bill is loaded for billing period %s", FinopsPeriodText(period)),
				 errhint("Load it: SELECT * FROM finops.load_bill('/path/to/bill.csv.gz').")));
	made = FinopsText(0, 2)[0] == 't';
	AllocateIndexLines(partition, period);
	FinopsEnd(&session);
	PG_RETURN_BOOL(made);
}
