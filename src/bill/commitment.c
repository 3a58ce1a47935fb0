/*-------------------------------------------------------------------------
 *
 * commitment.c
 *	  Reservations and savings plans: what their fee bought.
 *
 * The fee of a commitment for a billing period is its recurring fee and the
 * part of its upfront fee that belongs to the period.  Amortised, it is
 * either used, in the effective cost of covered lines, or unused, in that of
 * the fee lines (AWS) or of lines of their own (FOCUS, Azure):
 *
 *	fee = used + unused
 *
 * Providers round each line to some eight decimals, so the identity holds up
 * to a unit there for each line.  A bill without the fee (it was paid at
 * once, or stands in another bill) cannot be checked.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/bill.h"

#include "catalog/pg_type.h"

#define FEE \
	"(charge_category = 'Purchase' AND charge_frequency = 'Recurring'" \
	" AND commitment_discount_status IS NULL)"

/* One row per commitment; facts that the condition takes. */
#define IDENTITY(condition) \
	"WITH c AS (SELECT source, provider, commitment_discount_id," \
	" coalesce(max(commitment_discount_type)," \
	" CASE WHEN max(savings_plan_arn) IS NOT NULL THEN 'Savings Plan'" \
	" WHEN max(reservation_arn) IS NOT NULL THEN 'Reservation' END) AS kind," \
	" line_item_currency_code AS currency," \
	" sum(billed_cost + coalesce(amortised_upfront_fee, 0)) FILTER (WHERE " FEE ") AS fee," \
	" coalesce(sum(effective_cost) FILTER (WHERE commitment_discount_status = 'Used'), 0) AS used," \
	" coalesce(sum(effective_cost) FILTER (WHERE commitment_discount_status = 'Unused' OR " FEE "), 0) AS unused," \
	" count(*) AS line_items" \
	" FROM @s@.fact_cost_raw WHERE bill_billing_period_start_date = $1" \
	" AND commitment_discount_id IS NOT NULL AND " condition \
	" GROUP BY source, provider, commitment_discount_id, line_item_currency_code)," \
	" i AS (SELECT *, fee - used - unused AS difference," \
	" greatest(0.00001, 0.00000001 * line_items) AS tolerance FROM c)," \
	" s AS (SELECT *, CASE WHEN fee IS NULL THEN 'no fee'" \
	" WHEN abs(difference) <= tolerance THEN 'ok'" \
	" WHEN $1 + interval '1 month' > timezone('UTC', now()) THEN 'month not over'" \
	" ELSE 'differs' END AS status FROM i)"

PG_FUNCTION_INFO_V1(finops_commitment_identity);

/*
 * finops.commitment_identity(period date) → source, provider,
 * commitment_discount_id, commitment_discount_type, currency, fee, used,
 * unused, difference, tolerance, line_items, status (ok, differs, month not
 * over, no fee): amounts unrounded, in the currency of the bill; a row per
 * commitment.  22004, 22023 for the period argument.
 */
Datum
finops_commitment_identity(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;

	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	FINOPS_RUN(IDENTITY("true")
			   " SELECT source, provider, commitment_discount_id, kind, currency,"
			   " fee, used, unused, difference, tolerance, line_items, status"
			   " FROM s ORDER BY source, commitment_discount_id, currency",
			   ARG_DATE(period));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * Check the commitments of a delivery that has taken its place: what differs
 * is flagged, and the ingestion log says how many there are.
 */
void
BillCheckCommitments(const BillDelivery *d)
{
	const char *lines = d->commitments != NULL ?
		IDENTITY("delivery_id = $2 AND row_id = ANY ($3)") :
		IDENTITY("delivery_id = $2 AND $3 IS NULL");
	int64		differ = 0;
	uint64		n;

	n = FINOPS_RUN(psprintf("%s%s", lines,
			   ", f AS (INSERT INTO finops.delivery_flag (delivery_id, source, billing_period,"
			   " flag, currency, amount, detail)"
			   " SELECT $2, source, $1, 'commitment_differs', currency, difference,"
			   " format('%s: fee %s, used %s, unused %s', commitment_discount_id,"
			   " trim_scale(fee), trim_scale(used), trim_scale(unused))"
			   " FROM s WHERE status = 'differs'),"
			   " n AS (SELECT count(fee) AS checked, count(*) FILTER (WHERE status = 'differs') AS differ FROM s)"
			   " UPDATE @s@.cur_ingestion_log SET detail = detail || jsonb_build_object("
			   "'commitments', jsonb_build_object('checked', checked, 'differ', differ))"
			   " FROM n WHERE delivery_id = $2 AND cur_ingestion_log.status = 'completed'"
			   " RETURNING differ"),
			   ARG_DATE(d->period), ARG_INT8(d->delivery_id),
			   ARG_DATUM(INT8ARRAYOID, PointerGetDatum(d->commitments), d->commitments == NULL));
	if (n > 0)
		differ = FinopsInt64(0, 1);
	if (differ > 0)
		ereport(WARNING,
				(errmsg("%lld commitment%s of %s do%s not add up", (long long) differ,
						differ == 1 ? "" : "s", FinopsPeriodText(d->period), differ == 1 ? "es" : ""),
				 strcmp(d->format, "focus") == 0 ?
				 errdetail("The recurring fee is not the cost used and unused; what was paid upfront, a bill in FOCUS does not say.") :
				 errdetail("The fee is not the cost used and unused."),
				 errhint("Look at SELECT * FROM finops.commitment_identity('%s-01') WHERE status = 'differs'.",
						 FinopsPeriodText(d->period))));
}
