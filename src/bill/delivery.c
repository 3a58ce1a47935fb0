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
#include "bill/bill.h"

#include "catalog/namespace.h"
#include "commands/sequence.h"
#include "storage/lmgr.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

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
	static const FinopsPartitioned facts = {"fact_cost_raw", "row_id", {"delivery_id"}};

	return FinopsEnsurePartition(&facts, period);
}

/* ---------------------------------------------------------------------
 * Roll-up
 * ---------------------------------------------------------------------
 */

int64
BillRebuildRollup(DateADT period, const char *source)
{
	FINOPS_RUN("DELETE FROM finops.cost_daily"
			   " WHERE billing_period = $1 AND (source = $2 OR $2 IS NULL)",
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

/* The delivery of this source and period that is current so far, or 0. */
static int64
current_delivery(const BillDelivery *d)
{
	uint64		n = FINOPS_RUN("SELECT delivery_id FROM finops.delivery"
							   " WHERE source = $1 AND billing_period = $2"
							   " AND status = 'current'",
							   ARG_TEXT(d->source), ARG_DATE(d->period));

	return n > 0 ? FinopsInt64(0, 1) : 0;
}

/*
 * Compare the old and the new lines of a period and log the difference.
 *
 * A line is known by line item id and interval where it has an id, else by
 * its content; many lines may share one key.  Per key, lines in excess on the
 * new side are new, on the old side vanished; those that are on both sides
 * and differ are changed.  The cost difference of a key goes to one of the
 * three, so that they add up to the difference of the deliveries.
 */
static void
log_difference(const BillDelivery *d, int64 old)
{
	char	   *sql;

	sql = psprintf("WITH line AS ("
				   " SELECT identity_line_item_id AS id, identity_time_interval AS span,"
				   " delivery_id = $1 AS is_new, billed_cost, effective_cost,"
				   " hash_record_extended(ROW(bill_invoice_id, bill_type,"
				   " line_item_usage_account_id, line_item_usage_start_date,"
				   " line_item_usage_end_date, line_item_line_item_type, service,"
				   " product_region, line_item_resource_id, line_item_usage_type,"
				   " line_item_operation, line_item_line_item_description,"
				   " line_item_usage_amount, line_item_unblended_cost,"
				   " line_item_currency_code, charge_category, charge_class,"
				   " commitment_discount_id, commitment_discount_status,"
				   " list_cost, contracted_cost, billed_cost, effective_cost,"
				   " resource_tags), 0) AS content"
				   " FROM %s WHERE delivery_id = $1 OR delivery_id = $2),"
				   " keyed AS ("
				   " SELECT count(*) FILTER (WHERE is_new) AS n,"
				   " count(*) FILTER (WHERE NOT is_new) AS o,"
				   " coalesce(sum(content) FILTER (WHERE is_new), 0)"
				   " <> coalesce(sum(content) FILTER (WHERE NOT is_new), 0) AS differs,"
				   " coalesce(sum(billed_cost) FILTER (WHERE is_new), 0)"
				   " - coalesce(sum(billed_cost) FILTER (WHERE NOT is_new), 0) AS billed,"
				   " coalesce(sum(effective_cost) FILTER (WHERE is_new), 0)"
				   " - coalesce(sum(effective_cost) FILTER (WHERE NOT is_new), 0) AS effective"
				   " FROM line GROUP BY id, span, CASE WHEN id IS NULL THEN content END)"
				   " INSERT INTO @s@.fact_cost_delta (bill_period, source, change_type,"
				   " delivery_id, previous_delivery_id, source_digest, record_count,"
				   " billed_cost_difference, effective_cost_difference, applied_at)"
				   " SELECT to_char($3::timestamp, 'YYYY-MM'), $4, c.change_type, $1, $2, $5,"
				   " coalesce(sum(CASE c.change_type WHEN 'new' THEN greatest(n - o, 0)"
				   " WHEN 'delete' THEN greatest(o - n, 0)"
				   " ELSE CASE WHEN differs THEN least(n, o) ELSE 0 END END), 0),"
				   " coalesce(sum(billed) FILTER (WHERE c.change_type = k.owner), 0),"
				   " coalesce(sum(effective) FILTER (WHERE c.change_type = k.owner), 0),"
				   " clock_timestamp()"
				   " FROM (VALUES ('new'), ('update'), ('delete')) AS c(change_type)"
				   " LEFT JOIN (SELECT *, CASE WHEN n > o THEN 'new' WHEN o > n THEN 'delete'"
				   " ELSE 'update' END AS owner FROM keyed WHERE differs OR n <> o) AS k ON true"
				   " GROUP BY c.change_type",
				   partition_name(d->period));
	FINOPS_RUN(sql, ARG_INT8(d->delivery_id), ARG_INT8(old), ARG_DATE(d->period),
			   ARG_TEXT(d->source), ARG_TEXT(d->digest));
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
	log_difference(d, old);
	warn_of_strangers(d, old);
	FINOPS_RUN(psprintf("DELETE FROM %s WHERE delivery_id = $1",
						partition_name(d->period)), ARG_INT8(old));
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

/* Values of the tenant tag that nobody registered: shown, never invoiced. */
static void
register_unseen_tenants(const BillDelivery *d)
{
	FINOPS_RUN("INSERT INTO @s@.tenant_master"
			   " (tenant_id, tenant_name, status, billing_mode)"
			   " SELECT DISTINCT tenant_id, tenant_id, 'unregistered', 'showback'"
			   " FROM finops.cost_daily WHERE billing_period = $1 AND source = $2"
			   " AND tenant_id IS NOT NULL ON CONFLICT (tenant_id) DO NOTHING",
			   ARG_DATE(d->period), ARG_TEXT(d->source));
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
 * Statistics for the columns by which facts are grouped and joined; all of
 * them would cost as much as a third of the load, and autovacuum adds them.
 * ANALYZE keeps its lock until the end of the transaction: where another
 * load holds that of the roll-up, this one does not wait for it.
 */
static void
analyze(const BillDelivery *d)
{
	FINOPS_RUN0(psprintf("ANALYZE %s (delivery_id, source, provider, service,"
						 " charge_category, tenant_id, line_item_usage_account_id,"
						 " line_item_product_code, line_item_line_item_type,"
						 " line_item_usage_start_date, line_item_currency_code)",
						 partition_name(d->period)));
	if (ConditionalLockRelationOid(get_relname_relid("cost_daily",
													 get_namespace_oid("finops", false)),
								   ShareUpdateExclusiveLock))
		FINOPS_RUN0("ANALYZE finops.cost_daily");
}

void
BillPlaceDelivery(const FinopsSession *session, BillDelivery *d)
{
	int64		old = current_delivery(d);
	char	   *summary;

	d->run_id = FinopsStartRun(session, "load", d->period);
	d->status = old != 0 ? "replaced" : "loaded";
	if (old != 0)
		supersede(d, old);
	(void) BillRebuildRollup(d->period, d->source);
	insert_delivery(d);
	register_unseen_tenants(d);
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
