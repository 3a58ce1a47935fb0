/*-------------------------------------------------------------------------
 *
 * receivable.c
 *	  What is owed, since when.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/payment.h"

PG_FUNCTION_INFO_V1(finops_receivables_ageing);
PG_FUNCTION_INFO_V1(finops_account_statement);

/* A time as a day of the issuer; its zone is $2. */
#define LOCAL_DAY(t)	"(" t " AT TIME ZONE $2)::date"

static char *
issuer_zone(void)
{
	FINOPS_RUN0("SELECT " ISSUER_ZONE_SQL);
	return FinopsText(0, 1);
}

/* What was open of each invoice at the end of day $1, in the zone $2; late by the days of its own issuer. */
#define OPEN_AT_SQL \
	"SELECT h.invoice_id, h.tenant_id, h.currency, $1 - " INVOICE_DUE_DAY_SQL " AS late," \
	"  h.total + coalesce(c.credited, 0) - coalesce(a.paid, 0) - coalesce(j.adjusted, 0) AS open" \
	" FROM @s@.invoice_header h" INVOICE_DAYS_FROM \
	" LEFT JOIN (SELECT n.original_invoice_id AS invoice_id, sum(n.total) AS credited FROM @s@.invoice_header n" \
	"  WHERE n.original_invoice_id IS NOT NULL AND " LOCAL_DAY("n.issued_at") " <= $1 GROUP BY 1) c USING (invoice_id)" \
	" LEFT JOIN (SELECT p.invoice_id, sum(p.invoice_amount) AS paid FROM finops.payment_application p" \
	"  WHERE " LOCAL_DAY("p.applied_at") " <= $1 GROUP BY 1) a USING (invoice_id)" \
	" LEFT JOIN (SELECT x.invoice_id, sum(x.amount) AS adjusted FROM finops.receivable_adjustment x" \
	"  WHERE " LOCAL_DAY("x.occurred_at") " <= $1 GROUP BY 1) j USING (invoice_id)" \
	" WHERE h.kind = 'invoice' AND " LOCAL_DAY("h.issued_at") " <= $1"

/* What was unapplied of each payment at the end of day $1, in the zone $2. */
#define UNAPPLIED_AT_SQL \
	"SELECT p.payment_id, p.tenant_id, p.currency, p.amount - coalesce(a.applied, 0) - coalesce(o.returned, 0) AS unapplied" \
	" FROM @s@.payment_txn p" \
	" LEFT JOIN (SELECT x.payment_id, sum(x.amount) AS applied FROM finops.payment_application x" \
	"  WHERE " LOCAL_DAY("x.applied_at") " <= $1 GROUP BY 1) a USING (payment_id)" \
	" LEFT JOIN (SELECT x.payment_id, sum(x.amount) AS returned FROM finops.payment_outflow x" \
	"  WHERE " LOCAL_DAY("x.occurred_at") " <= $1 GROUP BY 1) o USING (payment_id)" \
	" WHERE p.status = 'confirmed' AND " LOCAL_DAY("p.paid_at") " <= $1"

/*
 * finops.receivables_ageing(as_of date DEFAULT CURRENT_DATE)
 *
 * What was open at the end of a day of the issuer, by days past due; a
 * tenant's credit balance counts against its bucket.  Payments that were not
 * applied stand apart: with their tenant, or in a row without one.
 */
Datum
finops_receivables_ageing(PG_FUNCTION_ARGS)
{
	FinopsSession session;

	FinopsRequireArg(fcinfo, 0, "as_of");
	FinopsCheckDay(PG_GETARG_DATEADT(0), "as_of");
	FinopsBegin(&session);
	FINOPS_RUN("WITH item AS (" OPEN_AT_SQL "),"
			   " free AS (" UNAPPLIED_AT_SQL "),"
			   " owed AS (SELECT tenant_id, currency, sum(open) FILTER (WHERE late <= 0) AS b0,"
			   "  sum(open) FILTER (WHERE late BETWEEN 1 AND 30) AS b1, sum(open) FILTER (WHERE late BETWEEN 31 AND 60) AS b2,"
			   "  sum(open) FILTER (WHERE late BETWEEN 61 AND 90) AS b3, sum(open) FILTER (WHERE late > 90) AS b4, sum(open) AS open, sum(open) FILTER (WHERE open < 0) AS credit"
			   "  FROM item WHERE open <> 0 GROUP BY 1, 2)"
			   " SELECT tenant_id, currency, coalesce(max(b0), 0), coalesce(max(b1), 0), coalesce(max(b2), 0), coalesce(max(b3), 0),"
			   "  coalesce(max(b4), 0), coalesce(max(open), 0), sum(unapplied), coalesce(max(credit), 0)"
			   " FROM (SELECT tenant_id, currency, b0, b1, b2, b3, b4, open, credit, 0::numeric AS unapplied FROM owed"
			   "  UNION ALL SELECT tenant_id, currency, NULL, NULL, NULL, NULL, NULL, NULL, NULL, unapplied FROM free WHERE unapplied <> 0) x"
			   " GROUP BY 1, 2 ORDER BY 1 NULLS LAST, 2", ARG_DATE(PG_GETARG_DATEADT(0)), ARG_TEXT(issuer_zone()));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * What moved the account of tenant $3 up to day $1 in the zone $2: day, kind,
 * reference, currency, amount; what is owed is positive.  A payment counts
 * when it came; its application moves nothing, unless payment and invoice are
 * of two tenants or currencies.
 */
#define MOVES_SQL \
	"SELECT " LOCAL_DAY("h.issued_at") " AS day, h.kind, coalesce(h.invoice_number, h.invoice_id) AS reference, h.currency, h.total AS amount" \
	" FROM @s@.invoice_header h WHERE h.tenant_id = $3 AND h.status IN ('issued', 'paid')" \
	" UNION ALL SELECT " LOCAL_DAY("p.paid_at") ", 'payment', p.payment_id, p.currency, -p.amount FROM @s@.payment_txn p" \
	"  WHERE p.tenant_id = $3 AND p.status = 'confirmed'" \
	" UNION ALL SELECT " LOCAL_DAY("o.occurred_at") ", o.kind, o.reference, p.currency, o.amount FROM finops.payment_outflow o" \
	"  JOIN @s@.payment_txn p USING (payment_id) WHERE p.tenant_id = $3" \
	" UNION ALL SELECT " LOCAL_DAY("a.applied_at") ", 'application', a.payment_id, h.currency, -a.invoice_amount FROM finops.payment_application a" \
	"  JOIN @s@.payment_txn p USING (payment_id) JOIN @s@.invoice_header h ON h.invoice_id = a.invoice_id" \
	"  WHERE h.tenant_id = $3 AND (p.tenant_id IS DISTINCT FROM $3 OR p.currency <> h.currency)" \
	" UNION ALL SELECT " LOCAL_DAY("a.applied_at") ", 'application', a.payment_id, p.currency, a.amount FROM finops.payment_application a" \
	"  JOIN @s@.payment_txn p USING (payment_id) JOIN @s@.invoice_header h ON h.invoice_id = a.invoice_id" \
	"  WHERE p.tenant_id = $3 AND (h.tenant_id <> $3 OR p.currency <> h.currency)" \
	" UNION ALL SELECT " LOCAL_DAY("j.occurred_at") ", j.kind, h.invoice_id, h.currency, -j.amount FROM finops.receivable_adjustment j" \
	"  JOIN @s@.invoice_header h USING (invoice_id) WHERE h.tenant_id = $3"

/*
 * finops.account_statement(tenant_id text, from_date date, to_date date)
 *
 * On a day invoices come before what settles them.  Errors: 22004; 22023 for
 * days that are infinite or in the wrong order; P0002 for an unknown tenant.
 */
Datum
finops_account_statement(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tenant = InvoiceRequiredText(fcinfo, 0, "tenant_id");

	FinopsRequireArg(fcinfo, 1, "from_date");
	FinopsRequireArg(fcinfo, 2, "to_date");
	FinopsCheckDay(PG_GETARG_DATEADT(1), "from_date");
	FinopsCheckDay(PG_GETARG_DATEADT(2), "to_date");
	if (PG_GETARG_DATEADT(1) > PG_GETARG_DATEADT(2))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("from_date must not be after to_date")));
	FinopsBegin(&session);
	FinopsRequireTenant(tenant, "tenant", tenant);
	InvoiceRequireTenant(tenant);
	FINOPS_RUN("WITH move AS (SELECT * FROM (" MOVES_SQL ") m WHERE m.day <= $1 AND m.amount <> 0),"
			   " line AS (SELECT 0 AS part, $4 AS day, 'opening balance' AS kind, NULL::text AS reference, currency, sum(amount) FILTER (WHERE day < $4) AS amount"
			   "   FROM move GROUP BY currency"
			   "  UNION ALL SELECT 1, day, kind, reference, currency, amount FROM move WHERE day >= $4"
			   "  UNION ALL SELECT 2, $1, 'closing balance', NULL, currency, sum(amount) FROM move GROUP BY currency)"
			   " SELECT day, kind, reference, currency, CASE WHEN part = 1 AND amount > 0 THEN amount END, CASE WHEN part = 1 AND amount < 0 THEN -amount END,"
			   "  CASE WHEN part = 2 THEN amount ELSE sum(coalesce(amount, 0)) FILTER (WHERE part < 2)"
			   "   OVER (PARTITION BY currency ORDER BY part, day, kind <> 'invoice', kind, reference COLLATE \"C\" ROWS UNBOUNDED PRECEDING) END"
			   " FROM line ORDER BY currency, part, day, kind <> 'invoice', kind, reference COLLATE \"C\"",
			   ARG_DATE(PG_GETARG_DATEADT(2)), ARG_TEXT(issuer_zone()), ARG_TEXT(tenant),
			   ARG_DATE(PG_GETARG_DATEADT(1)));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
