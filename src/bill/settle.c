/*-------------------------------------------------------------------------
 *
 * settle.c
 *	  What a provider restates and credits as well, counted once.
 *
 * A provider that finds a mistake in a closed month may deliver the month
 * again, or credit the amount in a later bill, or both.  The restatement is
 * posted as corrections (restate.c); the credit is a line of the later bill,
 * which must keep its total.  Where both say the same amount, the credit is
 * taken back by an offset: the negation of its lines, with all that they say,
 * as a delivery of its own beside the bill.  The bill, the corrections and
 * the control total of the restated month all stay true, and the amount
 * counts once.
 *
 * Credits are lines of category Credit or Adjustment, or of class Correction,
 * in a later bill of the same source, whose charge period begins in the
 * restated month.  Their sum per service, account and currency is compared
 * with that of the corrections: equal, or equal when rounded to the minor
 * unit of the currency, is the same amount.  Anything else counts as it is
 * and is flagged.  Offsets are worked out anew whenever one of the bills
 * comes again; those in months that have been locked since stay.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/load.h"

#include "utils/lsyscache.h"

/* $1 source, $2 origin */
#define CREDIT_LINES \
	"f.bill_billing_period_start_date > $2 AND f.delivery_id IN" \
	" (SELECT d.delivery_id FROM finops.delivery d WHERE d.status = 'current'" \
	"  AND coalesce(d.base_source, d.source) = $1 AND d.origin_period IS NULL" \
	"  AND d.billing_period > $2)" \
	" AND f.line_item_usage_start_date >= $2" \
	" AND f.line_item_usage_start_date < $2 + interval '1 month'" \
	" AND (f.charge_category IN ('Credit', 'Adjustment') OR f.charge_class = 'Correction')"

#define OF_DELIVERIES(condition) \
	"f.bill_billing_period_start_date > $2 AND f.delivery_id IN" \
	" (SELECT d.delivery_id FROM finops.delivery d WHERE d.status = 'current'" \
	"  AND d.base_source = $1 AND d.origin_period = $2 AND " condition ")"

#define KEY \
	"f.service, coalesce(f.line_item_usage_account_id, f.bill_payer_account_id) AS account_id," \
	" f.line_item_currency_code AS currency"

#define IS_LOCKED(month) \
	"EXISTS (SELECT FROM @s@.period_lock l WHERE l.period_start = " month " AND l.state = 'LOCKED')"

/*
 * Stage "settled": per service, account and currency what was corrected, what
 * was credited since the last offset in a locked month, and whether the two
 * are one.  Returns the number of rows.
 */
static uint64
compare_amounts(const char *source, DateADT origin)
{
	return FINOPS_STAGE("settled",
						"WITH corrected AS (SELECT " KEY ", sum(f.billed_cost) AS amount FROM @s@.fact_cost_raw f"
						"  WHERE " OF_DELIVERIES("d.kind <> 'offset'") " GROUP BY 1, 2, 3),"
						" covered AS (SELECT " KEY ", sum(f.billed_cost) AS amount,"
						"   max(f.bill_billing_period_start_date) AS until FROM @s@.fact_cost_raw f"
						"  WHERE " OF_DELIVERIES("d.kind = 'offset'")
						"  AND " IS_LOCKED("f.bill_billing_period_start_date") " GROUP BY 1, 2, 3),"
						" credit AS (SELECT " KEY ", f.bill_billing_period_start_date AS month,"
						"   sum(f.billed_cost) AS amount FROM @s@.fact_cost_raw f"
						"  WHERE " CREDIT_LINES " GROUP BY 1, 2, 3, 4)"
						" SELECT t.*, t.credited = t.corrected OR"
						"  t.credited = round(t.corrected, coalesce(finops.currency_minor_unit(t.currency), 2)) AS same"
						" FROM (SELECT c.service, c.account_id, c.currency, v.until,"
						"   c.amount + coalesce(v.amount, 0) AS corrected, sum(k.amount) AS credited"
						"  FROM corrected c LEFT JOIN covered v ON (v.service, v.currency) = (c.service, c.currency)"
						"    AND v.account_id IS NOT DISTINCT FROM c.account_id"
						"  JOIN credit k ON (k.service, k.currency) = (c.service, c.currency)"
						"    AND k.account_id IS NOT DISTINCT FROM c.account_id"
						"    AND (v.until IS NULL OR k.month > v.until)"
						"  GROUP BY c.service, c.account_id, c.currency, v.until, c.amount, v.amount) t"
						" WHERE t.corrected <> 0 AND t.credited <> 0",
						ARG_TEXT(source), ARG_DATE(origin));
}

/* Stage "wanted": the lines to be taken back, and the month that takes them. */
static void
find_wanted(const char *source, DateADT origin, DateADT open_month)
{
	FINOPS_STAGE("wanted",
				 "SELECT f.row_id, f.bill_billing_period_start_date AS month,"
				 " CASE WHEN " IS_LOCKED("f.bill_billing_period_start_date")
				 "  THEN $3 ELSE f.bill_billing_period_start_date END AS target,"
				 " f.billed_cost, f.effective_cost FROM @s@.fact_cost_raw f"
				 " JOIN settled s ON s.same AND (s.service, s.currency) = (f.service, f.line_item_currency_code)"
				 "  AND s.account_id IS NOT DISTINCT FROM"
				 "   coalesce(f.line_item_usage_account_id, f.bill_payer_account_id)"
				 "  AND (s.until IS NULL OR f.bill_billing_period_start_date > s.until)"
				 " WHERE " CREDIT_LINES,
				 ARG_TEXT(source), ARG_DATE(origin), ARG_DATE(open_month));
}

static void
flag_settled(const BillDelivery *delivery, const char *source, DateADT origin)
{
	uint64		n;

	FINOPS_RUN("INSERT INTO finops.delivery_flag (delivery_id, source, billing_period, origin_period,"
			   " flag, service, account_id, currency, amount, detail)"
			   " SELECT $1, $2, $3, $4, 'credited_twice', s.service, s.account_id, s.currency, s.credited,"
			   " 'restated, and credited in a later bill: counted once' FROM settled s WHERE s.same"
			   " AND EXISTS (SELECT FROM @s@.fact_cost_raw f WHERE f.bill_billing_period_start_date = $3"
			   "  AND f.delivery_id = $1 AND (f.service, f.line_item_currency_code) = (s.service, s.currency)"
			   "  AND s.account_id IS NOT DISTINCT FROM"
			   "   coalesce(f.line_item_usage_account_id, f.bill_payer_account_id))",
			   ARG_INT8(delivery->delivery_id), ARG_TEXT(source), ARG_DATE(delivery->period),
			   ARG_DATE(origin));
	n = FINOPS_RUN("SELECT flag_id, sum(amount) OVER (), currency FROM finops.delivery_flag"
				   " WHERE delivery_id = $1 AND flag = 'credited_twice' ORDER BY flag_id",
				   ARG_INT8(delivery->delivery_id));
	if (n > 0)
		ereport(WARNING,
				(errmsg("the provider restated %s and credited the same amount in a later bill: it counts once",
						FinopsPeriodText(origin)),
				 errdetail("%s %s of %s, in " UINT64_FORMAT " service%s.", FinopsText(0, 2),
						   FinopsText(0, 3), source, n, n == 1 ? "" : "s"),
				 errhint("SELECT * FROM finops.delivery_flag WHERE delivery_id = " INT64_FORMAT ";",
						 delivery->delivery_id)));
}

/* Credits that are not what was restated count beside it: say so once. */
static void
flag_different(int64 delivery_id, const char *source, DateADT origin)
{
	uint64		n = FINOPS_RUN("INSERT INTO finops.delivery_flag (delivery_id, source, billing_period,"
							   " origin_period, flag, service, account_id, currency, amount, detail)"
							   " SELECT $1, $2, $3, $3, 'credit_differs', s.service, s.account_id, s.currency,"
							   " s.credited, 'restated by ' || trim_scale(s.corrected) || ', credited ' || trim_scale(s.credited)"
							   " || ' in later bills: both count' FROM settled s WHERE NOT s.same",
							   ARG_INT8(delivery_id), ARG_TEXT(source), ARG_DATE(origin));

	if (n > 0)
		ereport(WARNING,
				(errmsg("the provider restated %s and credited other amounts for it in later bills",
						FinopsPeriodText(origin)),
				 errdetail("Both count, in " UINT64_FORMAT " service%s of %s.", n, n == 1 ? "" : "s", source),
				 errhint("SELECT * FROM finops.delivery_flag WHERE delivery_id = " INT64_FORMAT ";",
						 delivery_id)));
}

/* Put the wanted lines of a month in the place of its offset. */
static void
place_offset(const FinopsSession *session, const BillLoad *load, const char *source,
			 DateADT origin, DateADT month)
{
	BillDelivery delivery = {
		.delivery_id = BillNewDeliveryId(),
		.period = month,
		.source = psprintf("%s#credited/%s", source, FinopsPeriodText(origin)),
		.digest = load->digest,
		.format = "offset",
		.address = load->address,
		.started_at = load->started_at,
		.derived = true,
	};
	char	   *names;
	char	   *values;
	Oid			partition;

	FinopsOpenPeriod(month);
	partition = BillEnsurePartition(month);
	BillNegatedColumns(&names, &values);
	FINOPS_RUN(psprintf("INSERT INTO finops.%s (%s) SELECT %s FROM wanted w"
						" JOIN @s@.fact_cost_raw f ON f.row_id = w.row_id"
						"  AND f.bill_billing_period_start_date = w.month WHERE w.target = $1",
						quote_identifier(get_rel_name(partition)), names, values),
			   ARG_DATE(month), ARG_TEXT(delivery.source), ARG_INT8(delivery.delivery_id),
			   ARG_DATUM(DATEOID, (Datum) 0, true));
	BillPlaceDelivery(session, &delivery);
	FINOPS_RUN("UPDATE finops.delivery SET kind = 'offset', base_source = $2, origin_period = $3"
			   " WHERE delivery_id = $1",
			   ARG_INT8(delivery.delivery_id), ARG_TEXT(source), ARG_DATE(origin));
	flag_settled(&delivery, source, origin);
}

static void
settle_origin(const FinopsSession *session, const BillLoad *load, int64 delivery_id,
			  const char *source, DateADT origin)
{
	DateADT    *months;
	uint64		n;

	n = FINOPS_RUN("SELECT FROM finops.cost_daily c JOIN finops.delivery d"
				   " ON d.source = c.source AND d.billing_period = c.billing_period AND d.status = 'current'"
				   " WHERE c.billing_period > $2 AND c.usage_date >= $2 AND c.usage_date < $2 + interval '1 month'"
				   " AND ((coalesce(d.base_source, d.source) = $1 AND d.origin_period IS NULL)"
				   "  OR (d.base_source = $1 AND d.origin_period = $2 AND d.kind = 'offset')) LIMIT 1",
				   ARG_TEXT(source), ARG_DATE(origin));
	if (n == 0)
		return;
	(void) compare_amounts(source, origin);
	find_wanted(source, origin, BillOpenMonthAfter(origin));
	/* months whose offset is not what is wanted */
	n = FINOPS_RUN("SELECT month FROM (SELECT target AS month, billed_cost, effective_cost FROM wanted"
				   " UNION ALL SELECT d.billing_period, d.billed_cost, d.effective_cost"
				   "  FROM finops.delivery d WHERE d.base_source = $1 AND d.origin_period = $2"
				   "  AND d.kind = 'offset' AND d.status = 'current' AND NOT " IS_LOCKED("d.billing_period") ") t"
				   " GROUP BY month HAVING sum(billed_cost) <> 0 OR sum(effective_cost) <> 0 ORDER BY month",
				   ARG_TEXT(source), ARG_DATE(origin));
	months = palloc_array(DateADT, Max(n, 1));
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;

		months[i] = DatumGetDateADT(FinopsValue(i, 1, &isnull));
	}
	for (uint64 i = 0; i < n; i++)
		place_offset(session, load, source, origin, months[i]);
	flag_different(delivery_id, source, origin);
	FinopsEndStage("wanted");
	FinopsEndStage("settled");
}

/*
 * A delivery of this source has taken its place: what it says about months
 * restated before may be credits of the same amounts, and the other way
 * round.
 */
void
BillSettleCredits(const FinopsSession *session, const BillLoad *load, int64 delivery_id,
				  const char *source, DateADT period)
{
	uint64		n = FINOPS_RUN("SELECT DISTINCT origin_period FROM finops.delivery"
							   " WHERE base_source = $1 AND origin_period <= $2 AND status = 'current'"
							   " ORDER BY 1", ARG_TEXT(source), ARG_DATE(period));
	DateADT    *origins = palloc_array(DateADT, Max(n, 1));

	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;

		origins[i] = DatumGetDateADT(FinopsValue(i, 1, &isnull));
	}
	for (uint64 i = 0; i < n; i++)
		settle_origin(session, load, delivery_id, source, origins[i]);
}
