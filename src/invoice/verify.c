/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  Find what was changed behind the back of the guards.
 *
 * Every issued document is recomputed from its stored rows: the sums, the
 * tax, the digest and its link in the chain of its series.  A document that
 * is gone leaves a hole in the numbers, one that is gone at the end leaves
 * the series ahead of its last document.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"

PG_FUNCTION_INFO_V1(finops_verify_invoices);

/* Columns of the query below. */
enum
{
	COL_ID = 1, COL_NUMBER, COL_SERIES, COL_SEQ, COL_PREV, COL_HASH, COL_DIGEST,
	COL_SUM_PROBLEM, COL_PREV_SEQ
};

static const char *const documents_sql =
	"WITH line AS (SELECT l.invoice_id, " INVOICE_LINES_SQL " AS lines, sum(l.amount) AS amount,"
	"  sum(l.gross_amount) AS gross, count(*) FILTER (WHERE l.tenant_id <> h.tenant_id"
	"   OR l.period_start <> h.period_start OR l.tax_rate <> h.tax_rate"
	"   OR l.amount_usd <> l.amount * h.fx_rate) AS strange"
	"  FROM @s@.invoice_detail l JOIN @s@.invoice_header h USING (invoice_id)"
	"  WHERE h.status IN ('issued', 'paid') GROUP BY l.invoice_id)"
	" SELECT h.invoice_id, h.invoice_number, h.number_series, h.number_seq, h.prev_hash, h.hash, " INVOICE_DIGEST_SQL ","
	" CASE WHEN l.amount IS DISTINCT FROM h.subtotal THEN format('lines add up to %s, subtotal is %s', l.amount, h.subtotal)"
	"  WHEN h.tax_inclusive AND l.gross IS DISTINCT FROM h.total THEN format('gross lines add up to %s, total is %s', l.gross, h.total)"
	"  WHEN h.kind = 'invoice' AND h.tax <> x.tax THEN format('tax of %s at rate %s is %s, document says %s',"
	"   h.subtotal, h.tax_rate, x.tax, h.tax)"
	"  WHEN l.strange > 0 THEN 'lines contradict the header'"
	"  WHEN h.kind = 'credit_note' AND o.invoice_id IS NULL THEN format('credits %s, which is not issued', h.original_invoice_id)"
	"  WHEN n.credited < -h.total THEN format('credit notes add up to %s, total is %s', n.credited, h.total) END,"
	" lag(h.number_seq, 1, 0::bigint) OVER (PARTITION BY h.number_series ORDER BY h.number_seq)"
	" FROM @s@.invoice_header h LEFT JOIN line l USING (invoice_id)"
	" LEFT JOIN @s@.invoice_header o ON o.invoice_id = h.original_invoice_id AND o.status IN ('issued', 'paid')"
	" LEFT JOIN (SELECT original_invoice_id AS invoice_id, sum(total) AS credited FROM @s@.invoice_header"
	"  WHERE kind = 'credit_note' AND status IN ('issued', 'paid') GROUP BY 1) n ON n.invoice_id = h.invoice_id"
	" CROSS JOIN LATERAL (SELECT ('1e' || finops.currency_minor_unit(h.currency))::numeric AS scale,"
	"  ('1e-' || finops.currency_minor_unit(h.currency))::numeric AS unit) c"
	" CROSS JOIN LATERAL (SELECT CASE WHEN h.tax_inclusive"
	"  THEN sign(h.total) * div(2 * abs(h.total) * c.scale * h.tax_rate + 1 + h.tax_rate, 2 * (1 + h.tax_rate))"
	"  ELSE sign(h.subtotal) * div(2 * abs(h.subtotal) * c.scale * h.tax_rate + 1, 2) END * c.unit AS tax) x"
	" WHERE h.status IN ('issued', 'paid') ORDER BY h.number_series COLLATE \"C\", h.number_seq";

static const char *const series_sql =
	"SELECT s.series, s.last_number, coalesce(s.last_hash, ''), coalesce(h.last_seq, 0), coalesce(h.last_hash, '')"
	" FROM finops.number_series s FULL JOIN (SELECT DISTINCT ON (number_series) number_series, number_seq AS last_seq,"
	"  hash AS last_hash FROM @s@.invoice_header WHERE number_series IS NOT NULL"
	"  ORDER BY number_series, number_seq DESC) h ON h.number_series = s.series"
	" WHERE s.last_number IS DISTINCT FROM coalesce(h.last_seq, 0)"
	" OR coalesce(s.last_hash, '') <> coalesce(h.last_hash, '')"
	" ORDER BY s.series COLLATE \"C\"";

static void
emit(ReturnSetInfo *rsinfo, const char *invoice_id, const char *problem)
{
	Datum		values[2] = {(Datum) 0, CStringGetTextDatum(problem)};
	bool		nulls[2] = {invoice_id == NULL, false};

	if (invoice_id != NULL)
		values[0] = CStringGetTextDatum(invoice_id);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void
verify_row(ReturnSetInfo *rsinfo, uint64 row, char *prev_hash)
{
	char	   *id = FinopsText(row, COL_ID);
	char	   *problem = FinopsText(row, COL_SUM_PROBLEM);
	char	   *hash = FinopsText(row, COL_HASH);
	int64		before = FinopsInt64(row, COL_PREV_SEQ);
	int64		seq = FinopsInt64(row, COL_SEQ);

	if (seq == before + 2)
		emit(rsinfo, NULL, psprintf("number %lld of series %s is missing",
									(long long) (before + 1), FinopsText(row, COL_SERIES)));
	else if (seq > before + 2)
		emit(rsinfo, NULL, psprintf("numbers %lld to %lld of series %s are missing",
									(long long) (before + 1), (long long) (seq - 1),
									FinopsText(row, COL_SERIES)));
	if (problem != NULL)
		emit(rsinfo, id, problem);
	if (strcmp(FinopsText(row, COL_PREV), before == 0 ? "" : prev_hash) != 0)
		emit(rsinfo, id, "previous hash is not the hash of the document before it");
	if (strcmp(hash, InvoiceChainHash(FinopsText(row, COL_PREV),
									  FinopsText(row, COL_DIGEST))) != 0)
		emit(rsinfo, id, "hash does not match the document");
	strlcpy(prev_hash, hash, 65);
}

/*
 * finops.verify_invoices() -> TABLE (invoice_id text, problem text)
 *
 * Empty when every issued document is as it was issued.
 */
Datum
finops_verify_invoices(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	ReturnSetInfo *rsinfo;
	char		prev_hash[65] = "";
	uint64		n;

	InitMaterializedSRF(fcinfo, 0);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FinopsBegin(&session);
	n = FINOPS_RUN0(documents_sql);
	for (uint64 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		verify_row(rsinfo, i, prev_hash);
	}
	n = FINOPS_RUN0(series_sql);
	for (uint64 i = 0; i < n; i++)
		emit(rsinfo, NULL, psprintf("series %s stands at number %s, its last document at %s",
									FinopsText(i, 1) ? FinopsText(i, 1) : "?",
									FinopsText(i, 2) ? FinopsText(i, 2) : "?",
									FinopsText(i, 4)));
	FinopsEnd(&session);
	return (Datum) 0;
}
