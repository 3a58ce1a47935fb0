/*-------------------------------------------------------------------------
 *
 * dunning.c
 *	  Notices for invoices that are past due.
 *
 * An invoice is given one level at a time, each level once, as soon as it is
 * past due by the days of the level.  Notices are decided here and sent by
 * whoever reads the outbox.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/payment.h"

PG_FUNCTION_INFO_V1(finops_set_dunning_level);
PG_FUNCTION_INFO_V1(finops_block_dunning);
PG_FUNCTION_INFO_V1(finops_unblock_dunning);
PG_FUNCTION_INFO_V1(finops_run_dunning);

/*
 * finops.set_dunning_level(level integer, days_overdue integer, fee numeric
 *	DEFAULT 0, minimum numeric DEFAULT 0, severity text DEFAULT 'info',
 *	charge_fee boolean DEFAULT true)
 *
 * Errors: 22004; 22023 for values out of range.
 */
Datum
finops_set_dunning_level(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"level", "days_overdue", "fee", "minimum", "severity", "charge_fee"};
	FinopsSession session;
	FinopsArg	fee = InvoiceDatumArg(fcinfo, 2, NUMERICOID);
	FinopsArg	minimum = InvoiceDatumArg(fcinfo, 3, NUMERICOID);
	char	   *severity = InvoiceTextArg(fcinfo, 4);

	for (int i = 0; i < 6; i++)
		FinopsRequireArg(fcinfo, i, names[i]);
	FinopsRequireWritable("finops.set_dunning_level()");
	FinopsBegin(&session);
	if (FINOPS_RUN("SELECT WHERE $1 BETWEEN 1 AND 99 AND $2 >= 1 AND $3 >= 0 AND $3 < 'Infinity' AND $4 >= 0 AND $4 < 'Infinity' AND $5 IN ('info', 'warning', 'critical')",
				   ARG_INT4(PG_GETARG_INT32(0)), ARG_INT4(PG_GETARG_INT32(1)), fee, minimum,
				   ARG_TEXT(severity)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a level of dunning is out of range"),
				 errhint("Levels are 1 to 99, days at least 1, amounts not negative, severity info, warning or critical.")));
	FINOPS_RUN("INSERT INTO finops.dunning_policy AS d (level, days_overdue, fee, minimum, severity, charge_fee) VALUES ($1, $2, $3, $4, $5, $6)"
			   " ON CONFLICT (level) DO UPDATE SET days_overdue = $2, fee = $3, minimum = $4, severity = $5, charge_fee = $6 RETURNING d.*",
			   ARG_INT4(PG_GETARG_INT32(0)), ARG_INT4(PG_GETARG_INT32(1)), fee, minimum, ARG_TEXT(severity),
			   ARG_BOOL(PG_GETARG_BOOL(5)));
	FinopsReturnRows(fcinfo);
	FINOPS_RUN("SELECT jsonb_build_object('days_overdue', $1, 'fee', $2)::text", ARG_INT4(PG_GETARG_INT32(1)), fee);
	FinopsAudit(&session, "set_dunning_level", "dunning_policy", psprintf("%d", PG_GETARG_INT32(0)), FinopsText(0, 1));
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.block_dunning(tenant_id text, invoice_id text, reason text,
 *	until_date date, kind text) → bigint
 *
 * Errors: 22004, 22023 for anything but one of tenant and invoice, an unknown
 * kind or no reason; P0002 for an unknown tenant or invoice.
 */
Datum
finops_block_dunning(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tenant = InvoiceTextArg(fcinfo, 0);
	char	   *invoice = InvoiceTextArg(fcinfo, 1);
	char	   *reason = InvoiceRequiredText(fcinfo, 2, "reason");
	char	   *kind = InvoiceRequiredText(fcinfo, 4, "kind");
	int64		id;

	if ((tenant == NULL) == (invoice == NULL) || (strcmp(kind, "block") != 0 && strcmp(kind, "dispute") != 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a block is of one tenant or one invoice, of kind block or dispute"),
				 errhint("SELECT finops.block_dunning(invoice_id => 'INV-202509-TEN00123', reason => 'disputed', kind => 'dispute')")));
	FinopsRequireWritable("finops.block_dunning()");
	FinopsBegin(&session);
	if (tenant != NULL)
		InvoiceRequireTenant(tenant);
	else
		(void) InvoiceLockDocument(invoice);
	FINOPS_RUN("INSERT INTO finops.dunning_block (tenant_id, invoice_id, kind, reason, until_date, blocked_by) VALUES ($1, $2, $3, $4, $5, $6) RETURNING block_id",
			   ARG_TEXT(tenant), ARG_TEXT(invoice), ARG_TEXT(kind), ARG_TEXT(reason),
			   InvoiceDatumArg(fcinfo, 3, DATEOID), ARG_TEXT(FinopsCallerName(&session)));
	id = FinopsInt64(0, 1);
	FINOPS_RUN("SELECT jsonb_build_object('block_id', $1, 'kind', $2, 'reason', $3)::text", ARG_INT8(id), ARG_TEXT(kind), ARG_TEXT(reason));
	FinopsAudit(&session, "block_dunning", tenant != NULL ? "tenant" : "invoice", tenant != NULL ? tenant : invoice, FinopsText(0, 1));
	FinopsEnd(&session);
	PG_RETURN_INT64(id);
}

/*
 * finops.unblock_dunning(block_id bigint)
 */
Datum
finops_unblock_dunning(PG_FUNCTION_ARGS)
{
	FinopsSession session;

	FinopsRequireArg(fcinfo, 0, "block_id");
	FinopsRequireWritable("finops.unblock_dunning()");
	FinopsBegin(&session);
	if (FINOPS_RUN("DELETE FROM finops.dunning_block b WHERE b.block_id = $1 RETURNING to_jsonb(b.*)::text, coalesce(b.invoice_id, b.tenant_id)",
				   ARG_INT8(PG_GETARG_INT64(0))) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("there is no block %lld", (long long) PG_GETARG_INT64(0)),
				 errhint("SELECT * FROM finops.dunning_block lists them.")));
	FinopsAudit(&session, "unblock_dunning", "dunning_block", FinopsText(0, 2), FinopsText(0, 1));
	FinopsEnd(&session);
	PG_RETURN_VOID();
}

/*
 * Relation dunning_due: the next level of each invoice that is overdue by
 * its days at the end of day $1.
 */
static const char *const due_sql =
"WITH open AS (SELECT h.invoice_id, h.tenant_id, h.currency, $1 - " INVOICE_DUE_DAY_SQL " AS late,"
"   h.total + coalesce((SELECT sum(n.total) FROM @s@.invoice_header n WHERE n.original_invoice_id = h.invoice_id AND n.status IN ('issued', 'paid')), 0)"
"   - coalesce((SELECT sum(a.invoice_amount) FROM finops.payment_application a WHERE a.invoice_id = h.invoice_id), 0)"
"   - coalesce((SELECT sum(j.amount) FROM finops.receivable_adjustment j WHERE j.invoice_id = h.invoice_id), 0) AS open"
"  FROM @s@.invoice_header h" INVOICE_DAYS_FROM " WHERE h.kind = 'invoice' AND h.status = 'issued' AND " INVOICE_DUE_DAY_SQL " < $1),"
" next AS (SELECT o.*, (SELECT min(d.level) FROM finops.dunning_policy d WHERE d.level > coalesce((SELECT max(n.level) FROM finops.dunning_notice n"
"   WHERE n.invoice_id = o.invoice_id), 0)) AS level FROM open o WHERE o.open > 0)"
" SELECT n.*, d.fee, d.severity, d.charge_fee FROM next n JOIN finops.dunning_policy d USING (level)"
" WHERE n.late >= d.days_overdue AND n.open >= d.minimum"
"  AND NOT EXISTS (SELECT FROM finops.dunning_notice x WHERE x.invoice_id = n.invoice_id AND x.as_of >= $1)"
"  AND NOT EXISTS (SELECT FROM finops.dunning_block b WHERE (b.invoice_id = n.invoice_id OR b.tenant_id = n.tenant_id) AND (b.until_date IS NULL OR b.until_date >= $1))";

/*
 * finops.run_dunning(as_of date DEFAULT CURRENT_DATE) → dunning_notice
 *
 * Errors: 22004; 22023 for a day that is infinite or has not begun.
 */
Datum
finops_run_dunning(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		as_of;
	char	   *zone;

	FinopsRequireArg(fcinfo, 0, "as_of");
	as_of = PG_GETARG_DATEADT(0);
	FinopsCheckDay(as_of, "as_of");
	FinopsRequireWritable("finops.run_dunning()");
	FinopsBegin(&session);
	FinopsLock(FINOPS_LOCK_SETTLEMENT, 0);
	FINOPS_RUN0("SELECT " ISSUER_ZONE_SQL);
	zone = FinopsText(0, 1);
	if (FINOPS_RUN("SELECT WHERE $1 > (now() AT TIME ZONE $2)::date", ARG_DATE(as_of), ARG_TEXT(zone)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("as_of has not begun"),
				 errhint("Days are those of the issuer's time zone, %s.", zone)));
	FINOPS_STAGE("dunning_due", due_sql, ARG_DATE(as_of));
	FINOPS_RUN("INSERT INTO finops.outbox (topic, dedup_key, severity, payload)"
			   " SELECT 'dunning', tenant_id || ' ' || currency || ' ' || $1, CASE max(array_position(ARRAY['info', 'warning', 'critical'], severity))"
			   "   WHEN 1 THEN 'info' WHEN 2 THEN 'warning' ELSE 'critical' END,"
			   "  jsonb_build_object('tenant_id', tenant_id, 'currency', currency, 'as_of', $1, 'open_amount', sum(open), 'fee', sum(fee), 'invoices',"
			   "   jsonb_agg(jsonb_build_object('invoice_id', invoice_id, 'level', level, 'open_amount', open, 'days_overdue', late) ORDER BY invoice_id COLLATE \"C\"))"
			   " FROM dunning_due GROUP BY tenant_id, currency ON CONFLICT (topic, dedup_key) DO NOTHING", ARG_DATE(as_of));
	FINOPS_RUN("INSERT INTO finops.dunning_notice AS n (invoice_id, level, tenant_id, as_of, currency, open_amount, fee, days_overdue, created_by, billed_in)"
			   " SELECT d.invoice_id, d.level, d.tenant_id, $1, d.currency, d.open, d.fee, d.late, $2, CASE WHEN d.fee > 0 AND d.charge_fee THEN"
			   "   CASE WHEN EXISTS (SELECT FROM @s@.invoice_header h WHERE h.tenant_id = d.tenant_id AND h.period_start = m.month AND h.kind = 'invoice' AND h.status IN ('issued', 'paid'))"
			   "    OR EXISTS (SELECT FROM @s@.period_lock l WHERE l.period_start = m.month AND l.state = 'LOCKED') THEN date_trunc('month', now() AT TIME ZONE $3)::date ELSE m.month END END"
			   " FROM dunning_due d, LATERAL (SELECT date_trunc('month', $1::timestamp)::date AS month) m ORDER BY d.tenant_id, d.invoice_id COLLATE \"C\" RETURNING n.*",
			   ARG_DATE(as_of), ARG_TEXT(FinopsCallerName(&session)), ARG_TEXT(zone));
	FinopsReturnRows(fcinfo);
	FINOPS_RUN("SELECT jsonb_build_object('as_of', $1, 'notices', (SELECT count(*) FROM dunning_due))::text", ARG_DATE(as_of));
	FinopsAudit(&session, "run_dunning", "dunning", "*", FinopsText(0, 1));
	FinopsEnd(&session);
	return (Datum) 0;
}
