/*-------------------------------------------------------------------------
 *
 * topup.c
 *	  Prepaid usage that is bought: by hand, each month again, or when a cap
 *	  is reached and the tenant has agreed.
 *
 * Each purchase is a row of topup_ledger with its price and, once active, a
 * lot in the ledger of balances.  Purchases of a month are made one after
 * the other under the lock of its period, so that two sessions never both
 * find room for the last automatic one.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"
#include "invoice/plan.h"
#include "invoice/usage.h"

#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_set_topup_sku);
PG_FUNCTION_INFO_V1(finops_consent_topup);
PG_FUNCTION_INFO_V1(finops_top_up);
PG_FUNCTION_INFO_V1(finops_settle_topup);

static void
require_sku(const char *sku)
{
	if (FINOPS_RUN("SELECT FROM @s@.topup_catalog WHERE sku_code = $1", ARG_TEXT(sku)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("unknown top-up \"%s\"", FinopsQuoteForMessage(sku)),
				 errhint("Offer it with finops.set_topup_sku().")));
}

/* What was bought keeps its size and price. */
static void
refuse_change_of_bought(FunctionCallInfo fcinfo, const char *sku, const char *metric, const char *currency)
{
	if (FINOPS_RUN("SELECT FROM @s@.topup_catalog k WHERE k.sku_code = $1"
				   " AND (k.metric_code, k.size, k.price, k.currency) IS DISTINCT FROM ($2, $3, $4, coalesce($5, k.currency))"
				   " AND EXISTS (SELECT FROM @s@.topup_ledger l WHERE l.sku_code = k.sku_code)",
				   ARG_TEXT(sku), ARG_TEXT(metric), InvoiceDatumArg(fcinfo, 2, NUMERICOID),
				   InvoiceDatumArg(fcinfo, 3, NUMERICOID), ARG_TEXT(currency)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("top-up \"%s\" has been bought", FinopsQuoteForMessage(sku)),
				 errhint("Offer the new size or price under a new sku_code.")));
}

/*
 * finops.set_topup_sku(sku_code text, metric_code text, size numeric,
 *	price numeric, currency text, recurring boolean, operator_only boolean,
 *	rollover_months int, effective_from date, effective_to date)
 *	-> topup_catalog
 */
Datum
finops_set_topup_sku(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *sku = InvoiceRequiredText(fcinfo, 0, "sku_code");
	char	   *metric = InvoiceRequiredText(fcinfo, 1, "metric_code");
	char	   *currency = InvoiceTextArg(fcinfo, 4);

	for (int i = 2; i < 9; i++)
		if (i != 4)
			FinopsRequireArg(fcinfo, i, i == 2 ? "size" : i == 3 ? "price" : i == 8 ? "effective_from" : "the option");
	FinopsCheckDay(PG_GETARG_DATEADT(8), "effective_from");
	if (PG_GETARG_INT32(7) < 0 || PG_GETARG_INT32(7) > 120)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rollover_months must be from 0 to 120")));
	if (!PG_ARGISNULL(9) && PG_GETARG_DATEADT(9) < PG_GETARG_DATEADT(8))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("effective_to must not be before effective_from")));
	FinopsBegin(&session);
	InvoiceCheckNumber(fcinfo, 2, "size", "0.000000000001", "1000000000000000000");
	InvoiceCheckNumber(fcinfo, 3, "price", "0", "1000000000000000");
	PlanRequireMetric(metric);
	if (currency != NULL)
		(void) InvoiceCurrencyDigits(currency);
	refuse_change_of_bought(fcinfo, sku, metric, currency);
	if (FINOPS_RUN("INSERT INTO @s@.topup_catalog AS k (sku_code, metric_code, size, price, currency, recurring, operator_only,"
				   " rollover_months, effective_from, effective_to)"
				   " VALUES ($1, $2, $3, $4, coalesce($5, (SELECT currency FROM finops.issuer WHERE issuer_id = 'default'), $11), $6, $7, $8, $9, $10)"
				   " ON CONFLICT (sku_code) DO UPDATE SET metric_code = EXCLUDED.metric_code, size = EXCLUDED.size, price = EXCLUDED.price,"
				   " currency = coalesce($5, k.currency), recurring = EXCLUDED.recurring, operator_only = EXCLUDED.operator_only,"
				   " rollover_months = EXCLUDED.rollover_months, effective_from = EXCLUDED.effective_from, effective_to = EXCLUDED.effective_to"
				   " RETURNING to_jsonb(k.*)::text",
				   ARG_TEXT(sku), ARG_TEXT(metric), InvoiceDatumArg(fcinfo, 2, NUMERICOID),
					InvoiceDatumArg(fcinfo, 3, NUMERICOID),
				   ARG_TEXT(currency), InvoiceDatumArg(fcinfo, 5, BOOLOID), InvoiceDatumArg(fcinfo,
					6, BOOLOID),
				   InvoiceDatumArg(fcinfo, 7, INT4OID), InvoiceDatumArg(fcinfo, 8, DATEOID),
					InvoiceDatumArg(fcinfo, 9, DATEOID),
				   ARG_TEXT(finops_reporting_currency)) > 0)
		FinopsAudit(&session, "topup_offer", "topup", sku, FinopsText(0, 1));
	FINOPS_RUN("SELECT * FROM @s@.topup_catalog WHERE sku_code = $1", ARG_TEXT(sku));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.consent_topup(tenant_id text, sku_code text, max_per_period int)
 *	-> finops.topup_consent
 *
 * Errors: 22004, 22023, P0002, 55000.
 */
Datum
finops_consent_topup(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tenant = InvoiceRequiredText(fcinfo, 0, "tenant_id");
	char	   *sku = InvoiceRequiredText(fcinfo, 1, "sku_code");

	FinopsRequireArg(fcinfo, 2, "max_per_period");
	if (PG_GETARG_INT32(2) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_per_period must not be negative")));
	FinopsBegin(&session);
	PlanLockTenant(tenant);
	require_sku(sku);
	if (PG_GETARG_INT32(2) == 0)
		FINOPS_RUN("UPDATE finops.topup_consent SET revoked_at = now() WHERE tenant_id = $1 AND sku_code = $2 AND revoked_at IS NULL",
				   ARG_TEXT(tenant), ARG_TEXT(sku));
	else
		FINOPS_RUN("INSERT INTO finops.topup_consent AS c (tenant_id, sku_code, max_per_period, granted_by) VALUES ($1, $2, $3, $4)"
				   " ON CONFLICT (tenant_id, sku_code) DO UPDATE SET max_per_period = $3, granted_by = $4, granted_at = now(), revoked_at = NULL"
				   " WHERE c.max_per_period <> $3 OR c.revoked_at IS NOT NULL",
				   ARG_TEXT(tenant), ARG_TEXT(sku), ARG_INT4(PG_GETARG_INT32(2)),
					ARG_TEXT(FinopsCallerName(&session)));
	if (SPI_processed > 0)
		FinopsAudit(&session, "topup_consent", "tenant", tenant,
					psprintf("{\"max_per_period\": %d}", PG_GETARG_INT32(2)));
	FINOPS_RUN("SELECT * FROM finops.topup_consent WHERE tenant_id = $1 AND sku_code = $2", ARG_TEXT(tenant), ARG_TEXT(sku));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* ---------------------------------------------------------------------
 * Purchases
 * ---------------------------------------------------------------------
 */

/* Lots of purchases that are active and have none; $1 an id or NULL. */
static const char *const lot_sql =
	"INSERT INTO finops.usage_balance_entry (tenant_id, metric_code, lot_id, kind, quantity, period_start, valid_from, valid_to)"
	" SELECT l.tenant_id, l.metric_code, l.topup_id, 'purchase', l.topup_value, date_trunc('month', l.effective_from::timestamp)::date,"
	" l.effective_from, l.effective_to FROM @s@.topup_ledger l"
	" WHERE l.topup_id IN (SELECT topup_id FROM topup_new) AND l.status = 'active'"
	" AND NOT EXISTS (SELECT FROM finops.usage_balance_entry e WHERE e.tenant_id = l.tenant_id AND e.metric_code = l.metric_code"
	"  AND e.lot_id = l.topup_id AND e.kind = 'purchase') ORDER BY l.topup_id COLLATE \"C\"";

int64
TopupBuy(const FinopsSession *session)
{
	uint64		n = FINOPS_RUN0("INSERT INTO @s@.topup_ledger (topup_id, tenant_id, metric_code, sku_code, quantity, topup_value, unit_price,"
								" amount, currency, status, purchase_time, effective_from, effective_to, actor, payment_reference, automatic)"
								" SELECT n.topup_id, n.tenant_id, k.metric_code, k.sku_code, n.quantity, n.quantity * k.size, k.price,"
								" n.quantity * k.price, k.currency, n.status, n.at, n.day,"
								" (date_trunc('month', n.day::timestamp) + (1 + k.rollover_months) * interval '1 month')::date - 1,"
								" n.actor, n.payment_reference, n.automatic"
								" FROM topup_new n JOIN @s@.topup_catalog k USING (sku_code) ORDER BY n.topup_id COLLATE \"C\""
								" ON CONFLICT (topup_id) DO NOTHING"
								" RETURNING tenant_id, jsonb_build_object('topup_id', topup_id, 'sku_code', sku_code, 'quantity', quantity, 'automatic', automatic)::text");
	SPITupleTable *bought = SPI_tuptable;

	for (uint64 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		FinopsAudit(session, "topup", "tenant", SPI_getvalue(bought->vals[i], bought->tupdesc, 1),
					SPI_getvalue(bought->vals[i], bought->tupdesc, 2));
	}
	FINOPS_RUN0(lot_sql);
	return (int64) n;
}

static int64
buy_staged(const FinopsSession *session)
{
	int64		n = TopupBuy(session);

	FinopsEndStage("topup_new");
	return n;
}

/* What a recurring top-up bought in the month before. */
int64
TopupRecurring(const FinopsSession *session, DateADT period, const char *tenant)
{
	if (FINOPS_STAGE("topup_new",
					 "SELECT format('REC-%s-%s-%s', l.tenant_id, l.sku_code, to_char($1, 'YYYYMM')) AS topup_id, l.tenant_id, l.sku_code,"
					 " sum(l.quantity)::integer AS quantity, 'active' AS status, $1::timestamp AT TIME ZONE 'UTC' AS at, $1 AS day,"
					 " $4 AS actor, NULL::text AS payment_reference, true AS automatic"
					 " FROM @s@.topup_ledger l JOIN @s@.topup_catalog k USING (sku_code)"
					 " WHERE k.recurring AND l.status = 'active' AND l.effective_from >= ($1 - interval '1 month')::date AND l.effective_from < $1"
					 " AND k.effective_from <= $1 AND coalesce(k.effective_to, 'infinity') >= $1 AND ($3 IS NULL OR l.tenant_id = $3)"
					 " AND EXISTS (SELECT FROM @s@.tenant_plan_binding b WHERE b.tenant_id = l.tenant_id AND b.period_start < $2"
					 "  AND coalesce(b.period_end, 'infinity') >= $1) GROUP BY l.tenant_id, l.sku_code",
					 ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)), ARG_TEXT(tenant),
					 ARG_TEXT(FinopsCallerName(session))) == 0)
	{
		FinopsEndStage("topup_new");
		return 0;
	}
	return buy_staged(session);
}

/*
 * For metrics at their cap whose plan asks for a top-up and whose tenant has
 * agreed to one: as many as bring the month below the cap, up to the number
 * agreed.  The smallest size that is offered comes first.
 */
int64
TopupAutomatic(const FinopsSession *session, DateADT period)
{
	if (FINOPS_STAGE("topup_new",
					 "SELECT format('AUTO-%s-%s-%s-%s', n.tenant_id, n.sku_code, to_char($1, 'YYYYMM'), n.bought + 1) AS topup_id,"
					 " n.tenant_id, n.sku_code, n.quantity, 'active' AS status, n.usage_date::timestamp AT TIME ZONE 'UTC' AS at,"
					 " n.usage_date AS day, $2 AS actor, NULL::text AS payment_reference, true AS automatic"
					 " FROM (SELECT DISTINCT ON (v.tenant_id, v.metric_code) v.tenant_id, v.usage_date, k.sku_code, o.bought,"
					 "  least(floor((v.running - v.cap) / k.size) + 1, c.max_per_period - o.quantity)::integer AS quantity"
					 "  FROM usage_level v JOIN @s@.topup_catalog k ON k.metric_code = v.metric_code AND NOT k.operator_only"
					 "   AND k.effective_from <= v.usage_date AND coalesce(k.effective_to, 'infinity') >= v.usage_date"
					 "  JOIN finops.topup_consent c ON c.tenant_id = v.tenant_id AND c.sku_code = k.sku_code AND c.revoked_at IS NULL"
					 "  CROSS JOIN LATERAL (SELECT count(*) AS bought, coalesce(sum(l.quantity), 0) AS quantity FROM @s@.topup_ledger l"
					 "   WHERE l.tenant_id = v.tenant_id AND l.sku_code = k.sku_code AND l.automatic AND l.topup_id LIKE 'AUTO-%'"
					 "   AND l.effective_from >= $1 AND l.effective_from < $1 + interval '1 month') o"
					 "  WHERE v.is_last AND v.level = 100 AND v.action_on_100 = 'topup' AND o.quantity < c.max_per_period"
					 "  ORDER BY v.tenant_id, v.metric_code, k.size, k.sku_code COLLATE \"C\") n",
					 ARG_DATE(period), ARG_TEXT(FinopsCallerName(session))) == 0)
	{
		FinopsEndStage("topup_new");
		return 0;
	}
	return buy_staged(session);
}

static void
open_month_of(DateADT day)
{
	bool		isnull;

	FINOPS_RUN("SELECT date_trunc('month', $1::timestamp)::date", ARG_DATE(day));
	FinopsOpenPeriod(DatumGetDateADT(FinopsValue(0, 1, &isnull)));
}

/* The day of the purchase in the tenant's time zone, while the top-up is offered. */
static DateADT
purchase_day(const char *tenant, const char *sku, TimestampTz at)
{
	bool		isnull;

	FINOPS_RUN("SELECT d.day, k.effective_from <= d.day AND coalesce(k.effective_to, 'infinity') >= d.day"
			   " FROM (SELECT ($2 AT TIME ZONE " PLAN_ZONE ")::date AS day FROM (SELECT) one" PLAN_ZONE_JOIN("$1") ") d"
			   " JOIN @s@.topup_catalog k ON k.sku_code = $3",
			   ARG_TEXT(tenant), ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(at), false), ARG_TEXT(sku));
	if (strcmp(FinopsText(0, 2), "t") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("top-up \"%s\" is not offered on %s", FinopsQuoteForMessage(sku), FinopsText(0, 1)),
				 errhint("See effective_from and effective_to of topup_catalog.")));
	return DatumGetDateADT(FinopsValue(0, 1, &isnull));
}

/* The same id again stands for the same purchase. */
static void
refuse_other_purchase(const char *id, const char *tenant, const char *sku, int32 quantity)
{
	if (FINOPS_RUN("SELECT FROM @s@.topup_ledger WHERE topup_id = $1 AND (tenant_id, sku_code, quantity) <> ($2, $3, $4)",
				   ARG_TEXT(id), ARG_TEXT(tenant), ARG_TEXT(sku), ARG_INT4(quantity)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("top-up \"%s\" is another purchase", FinopsQuoteForMessage(id)),
				 errhint("Give each purchase an id of its own.")));
}

/*
 * finops.top_up(tenant_id text, sku_code text, quantity int, topup_id text,
 *	payment_reference text, at timestamptz, pending boolean) -> topup_ledger
 *
 * Errors: 22004, 22023, P0002, 23505 for an id of another purchase, 55000 for
 * a top-up that is not offered then or a locked month.
 */
Datum
finops_top_up(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tenant = InvoiceRequiredText(fcinfo, 0, "tenant_id");
	char	   *sku = InvoiceRequiredText(fcinfo, 1, "sku_code");
	char	   *id = InvoiceTextArg(fcinfo, 3);
	DateADT		day;

	FinopsRequireArg(fcinfo, 2, "quantity");
	FinopsRequireArg(fcinfo, 5, "at");
	FinopsRequireArg(fcinfo, 6, "pending");
	if (PG_GETARG_INT32(2) <= 0 || PG_GETARG_INT32(2) > 1000000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("quantity must be from 1 to 1000000")));
	if (TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(5)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("at must be a finite instant")));
	FinopsBegin(&session);
	PlanLockTenant(tenant);
	require_sku(sku);
	day = purchase_day(tenant, sku, PG_GETARG_TIMESTAMPTZ(5));
	open_month_of(day);
	if (id == NULL)
	{
		FINOPS_RUN0("SELECT 'TOP-' || gen_random_uuid()");
		id = FinopsText(0, 1);
	}
	refuse_other_purchase(id, tenant, sku, PG_GETARG_INT32(2));
	FINOPS_STAGE("topup_new",
				 "SELECT $1::text AS topup_id, $2::text AS tenant_id, $3::text AS sku_code, $4::integer AS quantity,"
				 " CASE WHEN $5 THEN 'pending' ELSE 'active' END AS status, $6::timestamptz AS at, $7::date AS day,"
				 " $8::text AS actor, $9::text AS payment_reference, false AS automatic",
				 ARG_TEXT(id), ARG_TEXT(tenant), ARG_TEXT(sku), ARG_INT4(PG_GETARG_INT32(2)),
					ARG_BOOL(PG_GETARG_BOOL(6)),
				 InvoiceDatumArg(fcinfo, 5, TIMESTAMPTZOID), ARG_DATE(day),
					ARG_TEXT(FinopsCallerName(&session)),
				 ARG_TEXT(InvoiceTextArg(fcinfo, 4)));
	(void) TopupBuy(&session);
	FINOPS_RUN("SELECT * FROM @s@.topup_ledger WHERE topup_id = $1", ARG_TEXT(id));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* Take a lot back of which nothing was used. */
static void
reverse_lot(const char *id)
{
	if (FINOPS_RUN("SELECT FROM finops.usage_balance_entry WHERE lot_id = $1 AND kind = 'drawdown'"
				   " GROUP BY lot_id HAVING sum(quantity) <> 0", ARG_TEXT(id)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("top-up \"%s\" has been used", FinopsQuoteForMessage(id)),
				 errhint("Credit the invoice instead: see finops.credit_invoice().")));
	FINOPS_RUN("INSERT INTO finops.usage_balance_entry (tenant_id, metric_code, lot_id, kind, quantity, period_start, valid_from, valid_to)"
			   " SELECT tenant_id, metric_code, lot_id, 'reversal', -sum(quantity), min(period_start), min(valid_from), max(valid_to)"
			   " FROM finops.usage_balance_entry WHERE lot_id = $1 GROUP BY 1, 2, 3 HAVING sum(quantity) <> 0", ARG_TEXT(id));
}

static void
refuse_status(const char *id, const char *from, const char *to)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("top-up \"%s\" is %s and cannot become %s", FinopsQuoteForMessage(id), from, FinopsQuoteForMessage(to)),
			 errhint("Pending ones become active or failed, active ones reversed.")));
}

/*
 * finops.settle_topup(topup_id text, status text) -> topup_ledger
 *
 * Errors: 22004, 22023, P0002, 55000 for a change that is not possible.
 */
Datum
finops_settle_topup(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *id = InvoiceRequiredText(fcinfo, 0, "topup_id");
	char	   *status = InvoiceRequiredText(fcinfo, 1, "status");
	char	   *old;
	bool		isnull;

	FinopsBegin(&session);
	if (FINOPS_RUN("SELECT effective_from FROM @s@.topup_ledger WHERE topup_id = $1", ARG_TEXT(id)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("unknown top-up \"%s\"", FinopsQuoteForMessage(id)),
				 errhint("Buy it with finops.top_up().")));
	open_month_of(DatumGetDateADT(FinopsValue(0, 1, &isnull)));
	FINOPS_RUN("SELECT status FROM @s@.topup_ledger WHERE topup_id = $1 FOR UPDATE", ARG_TEXT(id));
	old = FinopsText(0, 1);
	if (strcmp(old, status) != 0)
	{
		bool		settles = strcmp(old, "pending") == 0 &&
			(strcmp(status, "active") == 0 || strcmp(status, "failed") == 0);
		bool		reverses = strcmp(old, "active") == 0 && strcmp(status, "reversed") == 0;

		if (!settles && !reverses)
			refuse_status(id, old, status);
		if (reverses)
			reverse_lot(id);
		FINOPS_RUN("UPDATE @s@.topup_ledger SET status = $2 WHERE topup_id = $1", ARG_TEXT(id), ARG_TEXT(status));
		FINOPS_STAGE("topup_new", "SELECT $1::text AS topup_id", ARG_TEXT(id));
		FINOPS_RUN0(lot_sql);
		FinopsAudit(&session, "topup_settle", "topup", id, psprintf("{\"from\": \"%s\"}", old));
	}
	FINOPS_RUN("SELECT * FROM @s@.topup_ledger WHERE topup_id = $1", ARG_TEXT(id));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
