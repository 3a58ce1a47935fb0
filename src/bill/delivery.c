/*-------------------------------------------------------------------------
 *
 * delivery.c
 *	  Put a delivery in the place of the one it restates.
 *
 * The new facts stand in the partition beside the old ones when this begins;
 * nobody else sees either change before the transaction commits, so readers
 * keep the old delivery until then and never see both.  Everything that is
 * derived from the facts is written here in the same transaction: the daily
 * roll-up, unseen tenants, the gates of the close, the logs.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/facts.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#define STATISTICS_TARGET	"10"

int64
BillNewDeliveryId(void)
{
	Oid			sequence = get_relname_relid("delivery_delivery_id_seq",
											 get_namespace_oid("finops", false));

	return nextval_internal(sequence, false);
}

static char *
partition_name(DateADT period)
{
	return quote_qualified_identifier("finops",
									  get_rel_name(BillEnsurePartition(period)));
}

Oid
BillEnsurePartition(DateADT period)
{
	static const FinopsPartitioned facts = {
		"fact_cost_raw", "row_id", {NULL}, "delivery_id",
		"finops.year_text(bill_billing_period_start_date)",
		"finops.month_text(bill_billing_period_start_date)"
	};

	return FinopsEnsurePartition(&facts, period);
}

/* ---------------------------------------------------------------------
 * Roll-up
 * ---------------------------------------------------------------------
 */

static void
clear_rollup(DateADT period, const char *source)
{
	FINOPS_RUN("WITH kinds AS (DELETE FROM finops.cost_kind"
			   "  WHERE billing_period = $1 AND (source = $2 OR $2 IS NULL))"
			   " DELETE FROM finops.cost_daily"
			   " WHERE billing_period = $1 AND (source = $2 OR $2 IS NULL)",
			   ARG_DATE(period), ARG_TEXT(source));
}

static int64
rollup_by_sql(DateADT period, const char *source)
{
	FINOPS_RUN("INSERT INTO finops.cost_kind (line_type, commitment_status, reserved, savings_plan, split, free,"
			   " billing_period, source, currency, billed_cost, effective_cost, line_items)"
			   " SELECT " BILL_KIND_OF_LINE ", f.bill_billing_period_start_date, f.source,"
			   " f.line_item_currency_code, sum(f.billed_cost), sum(f.effective_cost), count(*)"
			   " FROM @s@.fact_cost_raw f WHERE f.bill_billing_period_start_date = $1"
			   " AND (f.source = $2 OR $2 IS NULL) GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9",
			   ARG_DATE(period), ARG_TEXT(source));
	return (int64)
		FINOPS_RUN("INSERT INTO finops.cost_daily"
				   " (billing_period, usage_date, source, provider, account_id,"
				   " service, region, tenant_id, charge_category, currency,"
				   " billed_cost, effective_cost, list_cost, line_items)"
				   " SELECT bill_billing_period_start_date,"
				   " coalesce(line_item_usage_start_date::date, bill_billing_period_start_date),"
				   " source, provider,"
				   " coalesce(line_item_usage_account_id, bill_payer_account_id),"
				   " service, product_region, tenant_id, charge_category,"
				   " line_item_currency_code, sum(billed_cost), sum(effective_cost),"
				   " sum(list_cost), count(*)"
				   " FROM @s@.fact_cost_raw"
				   " WHERE bill_billing_period_start_date = $1"
				   " AND (source = $2 OR $2 IS NULL)"
				   " GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10",
				   ARG_DATE(period), ARG_TEXT(source));
}

typedef struct RollupScan
{
	FactRollup *rollup;
	DateADT		period;
	const char *source;
} RollupScan;

static void
visit_for_rollup(void *arg, const FactLine *line)
{
	RollupScan *scan = arg;

	if (scan->source == NULL || strcmp(scan->source, line->source) == 0)
		FactRollupAdd(scan->rollup, scan->period, line->source, line->values);
}

static int64
write_rollup(FactRollup *rollup, DateADT period, const char *source)
{
	if (FactRollupComplete(rollup))
	{
		int64		rows = FactRollupWrite(rollup, period);

		if (FactRollupComplete(rollup))
			return rows;
		clear_rollup(period, source);
	}
	return rollup_by_sql(period, source);
}

int64
BillRebuildRollup(DateADT period, const char *source)
{
	RollupScan	scan = {FactRollupNew(CurrentMemoryContext), period, source};

	FactScan(BillEnsurePartition(period), visit_for_rollup, &scan);
	clear_rollup(period, source);
	return write_rollup(scan.rollup, period, source);
}

/*
 * The sums that were made while the lines were read stand for the source's
 * month, unless it has lines of other deliveries too.
 */
static void
roll_up(const BillDelivery *d, int64 old)
{
	bool		alone = d->rollup != NULL &&
		FINOPS_RUN("SELECT 1 FROM finops.cost_daily c"
								   " WHERE c.billing_period = $1 AND c.source = $2"
								   " HAVING coalesce(sum(c.line_items), 0)"
								   " = coalesce((SELECT o.line_items FROM finops.delivery o"
								   " WHERE o.delivery_id = $3), 0)",
								   ARG_DATE(d->period), ARG_TEXT(d->source),
								   ARG_INT8(old)) > 0;

	if (!alone)
	{
		(void) BillRebuildRollup(d->period, d->source);
		return;
	}
	clear_rollup(d->period, d->source);
	(void) write_rollup(d->rollup, d->period, d->source);
}

PG_FUNCTION_INFO_V1(finops_rebuild_rollup);

/*
 * finops.rebuild_rollup(period date) → bigint: write the daily roll-up of a
 * period anew from its facts; returns its rows.  22004, 22023 for the period
 * argument, 55000 for a locked period.
 */
Datum
finops_rebuild_rollup(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;
	int64		rows;

	FinopsCheckPeriodNotFuture(period);
	FinopsRequireWritable("finops.rebuild_rollup");
	FinopsBegin(&session);
	FinopsOpenPeriod(period);
	rows = BillRebuildRollup(period, NULL);
	FinopsEnd(&session);
	PG_RETURN_INT64(rows);
}

/* ---------------------------------------------------------------------
 * Restatement
 * ---------------------------------------------------------------------
 */

int64
BillCurrentDelivery(const char *source, DateADT period)
{
	uint64		n = FINOPS_RUN("SELECT delivery_id FROM finops.delivery"
							   " WHERE source = $1 AND billing_period = $2"
							   " AND status = 'current'",
							   ARG_TEXT(source), ARG_DATE(period));

	return n > 0 ? FinopsInt64(0, 1) : 0;
}

/* What difference.c counts, by SQL, where amounts do not fit its sums. */
static void
log_difference_by_sql(const BillDelivery *d, int64 old)
{
	BillOutColumn columns[BILL_MAX_COLUMNS];
	int			n = ProjectedColumns(columns);
	StringInfoData content;

	initStringInfo(&content);
	for (int i = 0; i < n; i++)
		if (FactIsContent(columns[i].name) && columns[i].kind != BILL_OUT_PERIOD)
			appendStringInfo(&content, "%s%s", content.len > 0 ? ", " : "",
							 quote_identifier(columns[i].name));
	FINOPS_RUN(psprintf("WITH line AS ("
						" SELECT identity_line_item_id AS id, identity_time_interval AS span,"
						" ROW(%s) AS content,"
						" count(*) FILTER (WHERE delivery_id = $1)"
						" - count(*) FILTER (WHERE delivery_id = $2) AS more,"
						" coalesce(sum(billed_cost) FILTER (WHERE delivery_id = $1), 0)"
						" - coalesce(sum(billed_cost) FILTER (WHERE delivery_id = $2), 0) AS billed,"
						" coalesce(sum(effective_cost) FILTER (WHERE delivery_id = $1), 0)"
						" - coalesce(sum(effective_cost) FILTER (WHERE delivery_id = $2), 0) AS effective"
						" FROM %s WHERE delivery_id = $1 OR delivery_id = $2 GROUP BY 1, 2, 3),"
						" keyed AS ("
						" SELECT sum(greatest(more, 0)) AS n, sum(greatest(- more, 0)) AS o,"
						" sum(billed) AS billed, sum(effective) AS effective"
						" FROM line WHERE more <> 0"
						" GROUP BY id, span, CASE WHEN id IS NULL THEN content END)"
						" INSERT INTO @s@.fact_cost_delta (bill_period, source, change_type,"
						" delivery_id, previous_delivery_id, source_digest, record_count,"
						" billed_cost_difference, effective_cost_difference, applied_at)"
						" SELECT to_char($3::timestamp, 'YYYY-MM'), $4, c.change_type, $1, $2, $5,"
						" coalesce(sum(CASE c.change_type WHEN 'new' THEN greatest(n - o, 0)"
						" WHEN 'delete' THEN greatest(o - n, 0)"
						" ELSE least(n, o) END), 0),"
						" trim_scale(coalesce(sum(billed) FILTER (WHERE c.change_type = k.owner), 0)),"
						" trim_scale(coalesce(sum(effective) FILTER (WHERE c.change_type = k.owner), 0)),"
						" clock_timestamp()"
						" FROM (VALUES ('new'), ('update'), ('delete')) AS c(change_type)"
						" LEFT JOIN (SELECT *, CASE WHEN n > o THEN 'new' WHEN o > n THEN 'delete'"
						" ELSE 'update' END AS owner FROM keyed) AS k ON true"
						" GROUP BY c.change_type",
						content.data, partition_name(d->period)),
			   ARG_INT8(d->delivery_id), ARG_INT8(old), ARG_DATE(d->period),
			   ARG_TEXT(d->source), ARG_TEXT(d->digest));
}

/* New, changed and vanished lines, and their cost. */
static void
log_difference(const BillDelivery *d, int64 old)
{
	static const char *const types[FACT_CHANGES] = {"new", "update", "delete"};
	FactChange	changes[FACT_CHANGES];

	if (d->match == NULL || d->restates != old || !FactMatchResult(d->match, d->delivery_id, changes))
	{
		log_difference_by_sql(d, old);
		return;
	}
	for (int i = (int) FACT_CHANGES - 1; i >= 0; i--)
		FINOPS_RUN("INSERT INTO @s@.fact_cost_delta (bill_period, source, change_type,"
				   " delivery_id, previous_delivery_id, source_digest, record_count,"
				   " billed_cost_difference, effective_cost_difference, applied_at)"
				   " VALUES (to_char($1::timestamp, 'YYYY-MM'), $2, $3, $4, $5, $6, $7,"
				   " trim_scale($8), trim_scale($9), clock_timestamp())",
				   ARG_DATE(d->period), ARG_TEXT(d->source), ARG_TEXT(types[i]),
				   ARG_INT8(d->delivery_id), ARG_INT8(old), ARG_TEXT(d->digest),
				   ARG_INT8(changes[i].lines),
				   ARG_DATUM(NUMERICOID, FactNumeric(changes[i].billed, FIXED_SCALE), false),
				   ARG_DATUM(NUMERICOID, FactNumeric(changes[i].effective, FIXED_SCALE), false));
}

/*
 * A restated bill has most lines of the one before.  Where it has none, it
 * may be another part of the same bill, and half of the month is gone.
 */
static void
warn_of_strangers(const BillDelivery *d, int64 old)
{
	if (d->derived || strcmp(d->format, "generated") == 0 ||
		FINOPS_RUN("SELECT o.line_items FROM @s@.fact_cost_delta c"
				   " JOIN finops.delivery o ON o.delivery_id = c.previous_delivery_id"
				   " WHERE c.delivery_id = $1 AND o.delivery_id = $2 AND c.change_type = 'delete'"
				   " AND c.record_count = o.line_items AND o.line_items > 1",
				   ARG_INT8(d->delivery_id), ARG_INT8(old)) == 0)
		return;
	ereport(WARNING,
			(errmsg("the bill has no line of the one that it replaces"),
			 errdetail("All %s lines of %s for %s are gone.", FinopsText(0, 1),
					   d->source, FinopsPeriodText(d->period)),
			 errhint("If both are parts of one bill, load each with a source_id of its own.")));
}

static void
supersede(const BillDelivery *d, int64 old)
{
	int64		gone = 0;

	log_difference(d, old);
	warn_of_strangers(d, old);
	if (d->match != NULL && d->restates == old)
		gone = FactMatchDelete(d->match);
	/* somebody may have updated a line, which then stands elsewhere */
	if (FINOPS_RUN("SELECT FROM finops.delivery WHERE delivery_id = $1 AND line_items = $2",
				   ARG_INT8(old), ARG_INT8(gone)) == 0)
		FINOPS_RUN(psprintf("DELETE FROM %s WHERE delivery_id = $1", partition_name(d->period)),
				   ARG_INT8(old));
	FINOPS_RUN("UPDATE finops.delivery SET status = 'superseded',"
			   " superseded_by = $2, superseded_at = clock_timestamp()"
			   " WHERE delivery_id = $1",
			   ARG_INT8(old), ARG_INT8(d->delivery_id));
}

/* ---------------------------------------------------------------------
 * A delivery takes its place
 * ---------------------------------------------------------------------
 */

static void
insert_delivery(BillDelivery *d)
{
	FINOPS_RUN("INSERT INTO finops.delivery (delivery_id, source, billing_period,"
			   " digest, format, address, provider, account_id, run_id,"
			   " line_items, billed_cost, effective_cost)"
			   " SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9,"
			   " coalesce(sum(line_items), 0), coalesce(sum(billed_cost), 0),"
			   " coalesce(sum(effective_cost), 0) FROM finops.cost_daily"
			   " WHERE billing_period = $3 AND source = $2"
			   " RETURNING line_items, billed_cost, effective_cost",
			   ARG_INT8(d->delivery_id), ARG_TEXT(d->source), ARG_DATE(d->period),
			   ARG_TEXT(d->digest), ARG_TEXT(d->format), ARG_TEXT(d->address),
			   ARG_TEXT(d->provider), ARG_TEXT(d->account_id), ARG_INT8(d->run_id));
	d->line_items = FinopsInt64(0, 1);
	d->billed_cost = FinopsText(0, 2);
	d->effective_cost = FinopsText(0, 3);
}

/*
 * Values of the tenant tag that nobody registered: shown, never invoiced.  In
 * the order of their ids, and once per load: two loads that find the same
 * tenants wait for each other's rows.
 */
void
BillRegisterTenants(const int64 *delivery_ids, int n)
{
	Datum	   *ids = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		ids[i] = Int64GetDatum(delivery_ids[i]);
	FINOPS_RUN("INSERT INTO @s@.tenant_master"
			   " (tenant_id, tenant_name, status, billing_mode)"
			   " SELECT DISTINCT c.tenant_id, c.tenant_id, 'unregistered', 'showback'"
			   " FROM finops.delivery d JOIN finops.cost_daily c"
			   " ON c.billing_period = d.billing_period AND c.source = d.source"
			   " WHERE d.delivery_id = ANY ($1) AND c.tenant_id IS NOT NULL"
			   " ORDER BY c.tenant_id ON CONFLICT (tenant_id) DO NOTHING",
			   ARG_DATUM(INT8ARRAYOID,
						 PointerGetDatum(construct_array(ids, n, INT8OID, sizeof(int64),
														 FLOAT8PASSBYVAL, TYPALIGN_DOUBLE)),
						 false));
}

static void
write_log(const FinopsSession *session, const BillDelivery *d)
{
	FINOPS_RUN("INSERT INTO @s@.cur_ingestion_log (run_id, delivery_id, source,"
			   " address, format, period_start, period_end, status, row_count,"
			   " rejected_count, duration_sec, source_digest, executed_by,"
			   " started_at, detail)"
			   " VALUES ($1, $2, $3, $4, $5, $6, $7 - 1, 'completed', $8, 0,"
			   " round(extract(epoch FROM clock_timestamp() - $9), 3), $10, $11, $9,"
			   " $12::jsonb)",
			   ARG_INT8(d->run_id), ARG_INT8(d->delivery_id), ARG_TEXT(d->source),
			   ARG_TEXT(d->address), ARG_TEXT(d->format), ARG_DATE(d->period),
			   ARG_DATE(FinopsPeriodEnd(d->period)), ARG_INT8(d->line_items),
			   ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(d->started_at), false),
			   ARG_TEXT(d->digest), ARG_TEXT(FinopsCallerName(session)),
			   ARG_TEXT(d->detail));
}

static char *
summary_json(const BillDelivery *d)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"delivery_id\": " INT64_FORMAT ", \"source\": ",
					 d->delivery_id);
	escape_json(&buf, d->source);
	appendStringInfo(&buf, ", \"status\": \"%s\", \"line_items\": " INT64_FORMAT
					 ", \"billed_cost\": %s, \"effective_cost\": %s}",
					 d->status, d->line_items, d->billed_cost, d->effective_cost);
	return buf.data;
}

/*
 * Statistics for the columns by which facts are grouped and joined, from a
 * small sample: the usual one over all columns would cost as much as a third
 * of the load, and autovacuum takes it later.  ANALYZE keeps its lock until
 * the end of the transaction: where another load holds that of the roll-up,
 * this one does not wait for it.
 */
static void
analyze(const BillDelivery *d)
{
	int			level = NewGUCNestLevel();

	(void) set_config_option("default_statistics_target", STATISTICS_TARGET,
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	FINOPS_RUN0(psprintf("ANALYZE %s (bill_billing_period_start_date, delivery_id, source, provider, service,"
						 " charge_category, tenant_id, line_item_usage_account_id,"
						 " line_item_product_code, line_item_line_item_type,"
						 " line_item_usage_start_date, line_item_currency_code)",
						 partition_name(d->period)));
	if (ConditionalLockRelationOid(get_relname_relid("cost_daily",
													 get_namespace_oid("finops", false)),
								   ShareUpdateExclusiveLock))
		FINOPS_RUN0("ANALYZE finops.cost_daily");
	AtEOXact_GUC(true, level);
}

void
BillPlaceDelivery(const FinopsSession *session, BillDelivery *d)
{
	int64		old = BillCurrentDelivery(d->source, d->period);
	char	   *summary;

	d->run_id = FinopsStartRun(session, "load", d->period);
	d->status = old != 0 ? "replaced" : "loaded";
	if (old != 0)
		supersede(d, old);
	roll_up(d, old);
	insert_delivery(d);
	if (!d->read)
		BillRegisterTenants(&d->delivery_id, 1);
	write_log(session, d);

	FinopsClearGates(d->period, FINOPS_GATE_TAGS);
	FinopsSetGate(d->period, FINOPS_GATE_LOAD, "completed",
				  psprintf(INT64_FORMAT " line%s of %s %s", d->line_items,
						   d->line_items == 1 ? "" : "s",
						   d->source, d->status), d->run_id);
	summary = summary_json(d);
	FinopsFinishRun(d->run_id, "completed", summary);
	FinopsAudit(session, "bill_load", "delivery",
				psprintf(INT64_FORMAT, d->delivery_id), summary);
	analyze(d);
}
