/*-------------------------------------------------------------------------
 *
 * restate.c
 *	  A bill for a locked month: its difference, in the open month.
 *
 * A locked month never changes.  The lines of a bill for it are read into a
 * temporary table and compared with what stands for its source: the locked
 * facts, and corrections posted since.  Lines are grouped by everything that
 * anybody sums cost by (charge period, account, service, region, resource,
 * usage, commitment, tenant, tags, currency), not by line id, which is not
 * the same from one delivery to the next.  Where the sums of a group differ,
 * a reversal (what stood, negated) and a correction (what is said now) go to
 * the first open month after it, with their origin period.  So
 *
 *	  locked facts + corrections of the origin = the restated bill
 *
 * holds exactly, in total and by each of these keys.
 *
 * The corrections of a source and origin are one delivery of the open month,
 * worked out anew by each restatement; those in months that have been locked
 * since stay, and count as what stands.  A bill of the open month itself
 * leaves them alone: they have a source of their own.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/load.h"

#include "catalog/namespace.h"
#include "utils/lsyscache.h"

/* Everything by which cost is summed; the rest is carried along. */
#define GROUP_COLUMNS \
	"provider", "service", "bill_payer_account_id", "line_item_usage_account_id", \
	"line_item_usage_start_date", "line_item_usage_end_date", "line_item_line_item_type", \
	"product_region", "line_item_resource_id", "line_item_usage_type", "line_item_operation", \
	"line_item_currency_code", "charge_category", "commitment_discount_id", \
	"commitment_discount_status", "tenant_id", "resource_tags"

static const char *const group_columns[] = {GROUP_COLUMNS};

/* A group has changed where one of these has. */
static const char *const compared_columns[] = {
	"billed_cost", "effective_cost", "list_cost", "contracted_cost", "line_item_usage_amount",
};

/* ---------------------------------------------------------------------
 * While the bill is read
 * ---------------------------------------------------------------------
 */

/* Within a session: take the month's writer lock; is it closed? */
bool
BillPeriodIsClosed(DateADT period)
{
	FinopsLock(FINOPS_LOCK_PERIOD, period);
	return FinopsPeriodIsLocked(period);
}

/* Where the lines of a closed month wait for their comparison. */
Oid
BillRestatedTable(const BillTarget *target)
{
	char	   *name = psprintf("finops_restated_" INT64_FORMAT, target->delivery_id);
	Oid			table;

	FINOPS_RUN0(psprintf("CREATE TEMPORARY TABLE %s (LIKE @s@.fact_cost_raw INCLUDING DEFAULTS)"
						 " ON COMMIT DROP", name));
	table = RelnameGetRelid(name);
	if (!OidIsValid(table))
		table = get_relname_relid(name, LookupNamespaceNoError("pg_temp"));
	return table;
}

void
BillDropRestated(BillTarget *target)
{
	FINOPS_RUN0(psprintf("DROP TABLE %s", BillTargetRelation(target)));
	target->partition = InvalidOid;
}

/* ---------------------------------------------------------------------
 * Which month takes the corrections
 * ---------------------------------------------------------------------
 */

/* The first month after the origin that is not locked and has begun. */
DateADT
BillOpenMonthAfter(DateADT origin)
{
	DateADT		month = FinopsPeriodEnd(origin);

	for (; FinopsPeriodHasBegun(month); month = FinopsPeriodEnd(month))
		if (!FinopsPeriodIsLocked(month))
		{
			FinopsOpenPeriod(month);
			return month;
		}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("billing period %s is locked, and no later month is open",
					FinopsPeriodText(origin)),
			 errdetail("The difference to a closed month is posted in the first open month after it."),
			 errhint("Load the bill again when %s has begun.", FinopsPeriodText(month))));
}

/*
 * A bill that is not known under this source may be one that is known under
 * another: then everything in it would count twice.
 */
static void
check_source(const BillLoad *load, const BillTarget *target)
{
	if (FINOPS_RUN("SELECT FROM finops.delivery WHERE billing_period = $1 AND source = $2"
				   " AND status = 'current' AND kind = 'bill'",
				   ARG_DATE(target->period), ARG_TEXT(target->source)) > 0)
		return;
	/* an address names nobody: any bill of the month may be this one */
	if (FINOPS_RUN("SELECT source FROM finops.delivery WHERE billing_period = $1"
				   " AND status = 'current' AND kind = 'bill'"
				   " AND ($4 OR (provider = $2 AND account_id = $3)) ORDER BY source LIMIT 1",
				   ARG_DATE(target->period), ARG_TEXT(load->provider), ARG_TEXT(load->account_id),
				   ARG_BOOL((load->mixed || load->by_invoice) && load->source_id == NULL)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("billing period %s is locked and has a bill of source \"%s\"",
						FinopsPeriodText(target->period), FinopsText(0, 1)),
				 errdetail("As source \"%s\" all of this bill would be posted once more.", target->source),
				 errhint("Give source_id => %s if it is that bill, a source_id of its own if it is another.",
						 quote_literal_cstr(FinopsText(0, 1)))));
	FINOPS_RUN("INSERT INTO finops.delivery_flag (delivery_id, source, billing_period,"
			   " origin_period, flag, detail) VALUES ($1, $2, $3, $3, 'unknown_source', $4)",
			   ARG_INT8(target->delivery_id), ARG_TEXT(target->source), ARG_DATE(target->period),
			   ARG_TEXT("the locked month had no bill of this source; all of it is posted as corrections"));
	ereport(WARNING,
			(errmsg("billing period %s is locked and had no bill of %s",
					FinopsPeriodText(target->period), target->source),
			 errdetail("All of it is posted as corrections in the open month.")));
}

/* ---------------------------------------------------------------------
 * The difference
 * ---------------------------------------------------------------------
 */

typedef struct FactColumns
{
	char	   *groups;			/* list */
	char	   *sums;			/* list of sums, n_<column> and o_<column> */
	char	   *differ;			/* condition */
	char	   *names;			/* every column to be written */
	char	   *corrected;		/* their values for what is said now */
	char	   *reversed;		/* for what stood */
	char	   *negated;		/* of a line f, other sign */
	char	   *plain;			/* of a line f as it is */
} FactColumns;

static void
append(StringInfo list, const char *text)
{
	appendStringInfo(list, "%s%s", list->len == 0 ? "" : ", ", text);
}

/* $1 the open month, $2 the source, $3 the delivery, $4 the origin */
static const char *
written_value(const char *column)
{
	static const char *const given[][2] = {
		{"bill_billing_period_start_date", "$1"},
		{"bill_billing_period_end_date", "($1 + interval '1 month')::date"},
		{"charge_class", "'Correction'"},
		{"source", "$2"},
		{"delivery_id", "$3"},
		{"origin_period", "$4"},
	};

	for (size_t i = 0; i < lengthof(given); i++)
		if (strcmp(column, given[i][0]) == 0)
			return given[i][1];
	return NULL;
}

/* Amounts add up; rates and unit prices do not. */
#define ADDITIVE \
	"a.atttypid = 'numeric'::regtype AND a.attname NOT LIKE '%rate' AND a.attname NOT LIKE '%unit\\_price'"

static FactColumns
fact_columns(void)
{
	StringInfoData groups, sums, differ, names, corrected, reversed, negated, plain;
	uint64		n;

	initStringInfo(&groups);
	initStringInfo(&sums);
	initStringInfo(&differ);
	initStringInfo(&names);
	initStringInfo(&corrected);
	initStringInfo(&reversed);
	initStringInfo(&negated);
	initStringInfo(&plain);
	for (size_t i = 0; i < lengthof(group_columns); i++)
		append(&groups, group_columns[i]);
	for (size_t i = 0; i < lengthof(compared_columns); i++)
		appendStringInfo(&differ, "%scoalesce(sum(%s) FILTER (WHERE said), 0)"
						 " <> coalesce(sum(%s) FILTER (WHERE NOT said), 0)",
						 i == 0 ? "" : " OR ", compared_columns[i], compared_columns[i]);
	n = FINOPS_RUN0("SELECT a.attname::text, " ADDITIVE
					" FROM pg_attribute a WHERE a.attrelid = '@s@.fact_cost_raw'::regclass AND a.attnum > 0"
					" AND NOT a.attisdropped AND a.attname NOT IN ('row_id', 'ingested_at') ORDER BY a.attnum");
	for (uint64 i = 0; i < n; i++)
	{
		const char *name = quote_identifier(FinopsText(i, 1));
		const char *given = written_value(name);
		bool		additive = FinopsText(i, 2)[0] == 't';

		append(&names, name);
		append(&corrected, given != NULL ? given : psprintf(additive ? "c.n_%s" : "f.%s", name));
		append(&reversed, given != NULL ? given : psprintf(additive ? "- c.o_%s" : "f.%s", name));
		append(&negated, given != NULL ? given : psprintf(additive ? "- f.%s" : "f.%s", name));
		append(&plain, given != NULL ? given : psprintf("f.%s", name));
		if (additive)
			append(&sums, psprintf("sum(%1$s) FILTER (WHERE said) AS n_%1$s,"
								   " sum(%1$s) FILTER (WHERE NOT said) AS o_%1$s", name));
	}
	return (FactColumns) {groups.data, sums.data, differ.data, names.data, corrected.data,
		reversed.data, negated.data, plain.data};
}

/* The columns of a fact and what they are for its negation; settle.c */
void
BillNegatedColumns(char **names, char **values)
{
	FactColumns columns = fact_columns();

	*names = columns.names;
	*values = columns.negated;
}

/*
 * Deliveries that stand for a source ($1) and origin ($2), but the
 * corrections that are worked out anew ($3 their source, $4 their month).
 */
#define STANDING \
	"SELECT d.delivery_id FROM finops.delivery d WHERE d.status = 'current'" \
	" AND coalesce(d.base_source, d.source) = $1 AND d.kind <> 'offset'" \
	" AND coalesce(d.origin_period, d.billing_period) = $2" \
	" AND NOT (d.source = $3 AND d.billing_period = $4)"

/* Stage "changed": the groups that differ.  Returns how many. */
static uint64
find_difference(const BillTarget *target, const FactColumns *columns,
				const char *source, DateADT month)
{
	return FINOPS_STAGE("changed",
						psprintf("SELECT %1$s, min(row_id) FILTER (WHERE said) AS n_row,"
								 " min(row_id) FILTER (WHERE NOT said) AS o_row"
								 " FROM (SELECT true AS said, f.* FROM %2$s f"
								 "  UNION ALL SELECT false, f.* FROM @s@.fact_cost_raw f"
								 "   WHERE f.bill_billing_period_start_date >= $2 AND f.delivery_id IN (%3$s)) u"
								 " GROUP BY %4$s HAVING %5$s",
								 columns->sums, BillTargetRelation(target), STANDING,
								 columns->groups, columns->differ),
						ARG_TEXT(target->source), ARG_DATE(target->period), ARG_TEXT(source),
						ARG_DATE(month));
}

/* Write reversals and corrections of the staged groups. */
static void
write_difference(const BillTarget *target, const FactColumns *columns,
				 const char *source, DateADT month)
{
	Oid			partition = BillEnsurePartition(month);

	FINOPS_RUN(psprintf("INSERT INTO finops.%1$s (%2$s)"
						" SELECT %3$s FROM changed c JOIN @s@.fact_cost_raw f ON f.row_id = c.o_row"
						"  AND f.bill_billing_period_start_date >= $4"
						" UNION ALL SELECT %4$s FROM changed c JOIN %5$s f ON f.row_id = c.n_row",
						quote_identifier(get_rel_name(partition)), columns->names,
						columns->reversed, columns->corrected, BillTargetRelation(target)),
			   ARG_DATE(month), ARG_TEXT(source), ARG_INT8(target->delivery_id),
			   ARG_DATE(target->period));
}

/* The lines come on top of the month: they are corrections as they are. */
static void
write_increment(const BillTarget *target, const FactColumns *columns,
				const char *source, DateADT month)
{
	Oid			partition = BillEnsurePartition(month);

	FINOPS_RUN(psprintf("INSERT INTO finops.%s (%s) SELECT %s FROM %s f",
						quote_identifier(get_rel_name(partition)), columns->names,
						columns->plain, BillTargetRelation(target)),
			   ARG_DATE(month), ARG_TEXT(source), ARG_INT8(target->delivery_id),
			   ARG_DATE(target->period));
}

/* ---------------------------------------------------------------------
 * The delivery
 * ---------------------------------------------------------------------
 */

/* What the bill says in all, and what it is in the open month. */
static void
describe(const BillTarget *target)
{
	FINOPS_RUN(psprintf("UPDATE finops.delivery d SET kind = $2, base_source = $3, origin_period = $4,"
						" delivered_lines = t.n, delivered_billed_cost = t.billed,"
						" delivered_effective_cost = t.effective"
						" FROM (SELECT count(*) AS n, coalesce(sum(billed_cost), 0) AS billed,"
						"  coalesce(sum(effective_cost), 0) AS effective FROM %s) t"
						" WHERE d.delivery_id = $1", BillTargetRelation(target)),
			   ARG_INT8(target->delivery_id), ARG_TEXT(target->kind),
			   ARG_TEXT(target->base_source), ARG_DATE(target->period));
	FINOPS_RUN("UPDATE @s@.cur_ingestion_log l SET detail = coalesce(l.detail, '{}') || jsonb_build_object("
			   "'origin_period', to_char(d.origin_period::timestamp, 'YYYY-MM'),"
			   " 'delivered_lines', d.delivered_lines, 'delivered_billed_cost', d.delivered_billed_cost,"
			   " 'delivered_effective_cost', d.delivered_effective_cost)"
			   " FROM finops.delivery d WHERE d.delivery_id = $1 AND l.delivery_id = $1",
			   ARG_INT8(target->delivery_id));
}

/* Locked facts and corrections of the origin are the bill, to the last digit. */
static void
check_control_total(const BillTarget *target)
{
	FINOPS_RUN(psprintf("SELECT a.total, b.total, a.total = b.total FROM"
						" (SELECT coalesce(sum(billed_cost), 0) AS total FROM %s) a,"
						" (SELECT coalesce(sum(billed_cost), 0) AS total FROM @s@.fact_cost_raw f"
						"  WHERE f.bill_billing_period_start_date >= $2 AND f.delivery_id IN (%s)) b",
						BillTargetRelation(target), STANDING),
			   ARG_TEXT(target->base_source), ARG_DATE(target->period), ARG_TEXT(""),
			   ARG_DATE(target->period));
	if (strcmp(FinopsText(0, 3), "t") != 0)
		elog(ERROR, "corrections of %s do not lead to %s but to %s",
			 FinopsPeriodText(target->period), FinopsText(0, 1), FinopsText(0, 2));
}

/*
 * The restated bill says what stands already.  The delivery is recorded, so
 * that the same bytes are known; the open month is left alone.
 */
static void
record_unchanged(const FinopsSession *session, const BillDelivery *d)
{
	int64		run_id = FinopsStartRun(session, "load", d->period);

	FINOPS_RUN("UPDATE finops.delivery SET status = 'superseded', superseded_by = $3,"
			   " superseded_at = clock_timestamp()"
			   " WHERE source = $1 AND billing_period = $2 AND status = 'current'",
			   ARG_TEXT(d->source), ARG_DATE(d->period), ARG_INT8(d->delivery_id));
	FINOPS_RUN("INSERT INTO finops.delivery (delivery_id, source, billing_period, digest, format,"
			   " address, provider, account_id, run_id, line_items, billed_cost, effective_cost)"
			   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, 0)",
			   ARG_INT8(d->delivery_id), ARG_TEXT(d->source), ARG_DATE(d->period),
			   ARG_TEXT(d->digest), ARG_TEXT(d->format), ARG_TEXT(d->address),
			   ARG_TEXT(d->provider), ARG_TEXT(d->account_id), ARG_INT8(run_id));
	FINOPS_RUN("INSERT INTO @s@.cur_ingestion_log (run_id, delivery_id, source, address, format,"
			   " period_start, period_end, status, row_count, rejected_count, duration_sec,"
			   " source_digest, executed_by, started_at, detail)"
			   " VALUES ($1, $2, $3, $4, $5, $6, $7 - 1, 'completed', 0, 0,"
			   " round(extract(epoch FROM clock_timestamp() - $8), 3), $9, $10, $8, $11::jsonb)",
			   ARG_INT8(run_id), ARG_INT8(d->delivery_id), ARG_TEXT(d->source),
			   ARG_TEXT(d->address), ARG_TEXT(d->format), ARG_DATE(d->period),
			   ARG_DATE(FinopsPeriodEnd(d->period)),
			   ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(d->started_at), false),
			   ARG_TEXT(d->digest), ARG_TEXT(FinopsCallerName(session)), ARG_TEXT(d->detail));
	FinopsFinishRun(run_id, "completed", NULL);
}

/* Corrections of this source that the open month has already. */
static bool
has_corrections(const BillDelivery *d)
{
	return FINOPS_RUN("SELECT FROM finops.delivery WHERE source = $1 AND billing_period = $2"
					  " AND status = 'current' AND line_items > 0",
					  ARG_TEXT(d->source), ARG_DATE(d->period)) > 0;
}

void
BillCorrectPeriod(const FinopsSession *session, BillLoad *load,
				  BillTarget *target, BillDelivery *delivery)
{
	bool		increment = BillIsIncrement(load, target);
	DateADT		month = BillOpenMonthAfter(target->period);
	FactColumns columns = fact_columns();
	uint64		changed;

	target->base_source = target->source;
	target->kind = increment ? "increment" : "correction";
	delivery->period = month;
	delivery->source = increment ? BillIncrementSource(load, target->source) :
		psprintf("%s#corrections/%s", target->source, FinopsPeriodText(target->period));
	if (increment)
	{
		write_increment(target, &columns, delivery->source, month);
		changed = 1;
	}
	else
	{
		check_source(load, target);
		changed = find_difference(target, &columns, delivery->source, month);
		write_difference(target, &columns, delivery->source, month);
		FinopsEndStage("changed");
	}
	delivery->derived = true;
	if (changed > 0 || has_corrections(delivery))
	{
		BillPlaceDelivery(session, delivery);
		target->status = "corrected";
	}
	else
	{
		record_unchanged(session, delivery);
		target->status = "unchanged";
	}
	describe(target);
	if (!increment)
		check_control_total(target);
	BillDropRestated(target);
}
