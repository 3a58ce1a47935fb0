/*-------------------------------------------------------------------------
 *
 * credit.c
 *	  Credit notes: the only way to take an issued invoice back.
 *
 * A credit note takes back lines of one invoice, whole or in part, at the
 * invoice's tax rate and exchange rate.  Its line numbers are those of the
 * lines it credits, its amounts are negative.
 *
 * Tax is credited cumulatively: with N the net credited so far and the tax of
 * N being round(N x rate), a credit note carries the difference between the
 * tax of what is credited after and before it.  So any number of credit notes
 * in any order adds up to the tax of the invoice, to the minor unit, once
 * everything is credited.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"

#include "utils/jsonb.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_credit_invoice);

/* $1: invoice.  What is left of each line after the credit notes so far. */
#define LEFT_SQL \
	"SELECT l.*, l.amount + coalesce(c.amount, 0) AS amount_left," \
	" l.cost + coalesce(c.cost, 0) AS cost_left, l.cost_usd + coalesce(c.cost_usd, 0) AS cost_usd_left" \
	" FROM @s@.invoice_detail l LEFT JOIN (SELECT d.line_no, sum(d.amount) AS amount, sum(d.cost) AS cost," \
	"  sum(d.cost_usd) AS cost_usd FROM @s@.invoice_header n JOIN @s@.invoice_detail d USING (invoice_id)" \
	"  WHERE n.original_invoice_id = $1 AND n.status <> 'void' GROUP BY d.line_no) c USING (line_no)" \
	" WHERE l.invoice_id = $1"

/* Refuses anything but an array of {"line_no": n} or {"line_no": n, "amount": a}. */
static void
check_lines(FinopsArg lines)
{
	if (FINOPS_RUN("SELECT WHERE jsonb_typeof($1) <> 'array' OR $1 = '[]'", lines) > 0 ||
		FINOPS_RUN("SELECT FROM jsonb_array_elements($1) e WHERE jsonb_typeof(e) <> 'object'", lines) > 0 ||
		FINOPS_RUN("SELECT FROM jsonb_array_elements($1) e WHERE e - '{line_no,amount}'::text[] <> '{}'"
				   " OR coalesce(jsonb_typeof(e -> 'line_no') <> 'number', true)"
				   " OR e ? 'amount' AND jsonb_typeof(e -> 'amount') <> 'number'"
				   " OR e ->> 'line_no' !~ '^[1-9][0-9]{0,8}$'", lines) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid lines of a credit note"),
				 errhint("Use an array such as [{\"line_no\": 1}, {\"line_no\": 2, \"amount\": 12.50}]; without amount all that is left of the line.")));
	if (FINOPS_RUN("SELECT e ->> 'line_no' FROM jsonb_array_elements($1) e GROUP BY 1 HAVING count(*) > 1"
				   " ORDER BY 1", lines) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("line %s is named twice", FinopsText(0, 1))));
}

/*
 * Stage inv_credit: line_no, credit (net, with the sign of the line) and what
 * it takes of the cost.
 */
static void
stage_credit(const char *invoice_id, FinopsArg lines)
{
	FINOPS_STAGE("inv_credit",
				 "WITH wanted AS (SELECT (e ->> 'line_no')::int4 AS line_no, (e ->> 'amount')::numeric AS amount"
				 "  FROM jsonb_array_elements(coalesce($2, '[]')) e),"
				 " line AS (" LEFT_SQL ")"
				 " SELECT coalesce(l.line_no, w.line_no) AS line_no, l.line_no IS NULL AS unknown,"
				 "  coalesce(w.amount, l.amount_left) AS credit, l.amount_left,"
				 "  CASE WHEN coalesce(w.amount, l.amount_left) = l.amount_left THEN l.cost_left"
				 "   ELSE round(l.cost * w.amount / nullif(l.amount, 0), greatest(scale(l.cost), 12)) END AS cost,"
				 "  CASE WHEN coalesce(w.amount, l.amount_left) = l.amount_left THEN l.cost_usd_left"
				 "   ELSE round(l.cost_usd * w.amount / nullif(l.amount, 0), greatest(scale(l.cost_usd), 12)) END AS cost_usd"
				 " FROM line l FULL JOIN wanted w USING (line_no)"
				 " WHERE CASE WHEN $2 IS NULL THEN l.amount_left <> 0 OR coalesce(l.cost_left, 0) <> 0"
				 "  ELSE w.line_no IS NOT NULL END",
				 ARG_TEXT(invoice_id), lines);
}

static void
check_credit(const char *invoice_id, const InvoiceDocument *doc)
{
	if (FINOPS_RUN0("SELECT line_no::text FROM inv_credit WHERE unknown ORDER BY line_no") > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invoice \"%s\" has no line %s", FinopsQuoteForMessage(invoice_id), FinopsText(0, 1))));
	if (FINOPS_RUN("SELECT line_no::text FROM inv_credit WHERE credit <> round(credit, $1) ORDER BY line_no",
				   ARG_INT4(doc->digits)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("credit of line %s has more digits than %s allows", FinopsText(0, 1), doc->currency)));
	if (FINOPS_RUN0("SELECT line_no::text, credit::text, amount_left::text FROM inv_credit"
					" WHERE abs(credit) > abs(amount_left) OR sign(credit) * sign(amount_left) < 0"
					" OR (credit = 0 AND amount_left <> 0) ORDER BY line_no") > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot credit %s of line %s", FinopsText(0, 2), FinopsText(0, 1)),
				 errdetail("%s %s is left of it, net of tax.", FinopsText(0, 3), doc->currency),
				 errhint("Credit at most what is left, with the same sign as the line.")));
	if (FINOPS_RUN0("SELECT FROM inv_credit WHERE credit <> 0 OR coalesce(cost, 0) <> 0 LIMIT 1") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("nothing is left to credit of invoice \"%s\"", FinopsQuoteForMessage(invoice_id)),
				 errhint("See its credit notes: SELECT * FROM invoice_header WHERE original_invoice_id = '%s'.",
						 FinopsQuoteForMessage(invoice_id))));
}

/*
 * Write the open credit note and return its id.  All credit notes of an
 * invoice together must stay within 0 and its total.
 */
static char *
write_credit_note(const char *invoice_id, const InvoiceDocument *doc,
				  const char *reason)
{
	char	   *id;

	if (FINOPS_RUN("INSERT INTO @s@.invoice_header AS n (invoice_id, tenant_id, plan_code, period_start, period_end,"
				   " kind, revision, currency, subtotal, tax, total, subtotal_usd, tax_usd, total_usd, fx_rate,"
				   " tax_rate, original_invoice_id, recon_id, recipient, reason)"
				   " SELECT regexp_replace(h.invoice_id, '^INV-(.*?)(-R[0-9]+)?$', 'CN-\\1')"
				   "  || CASE WHEN r.revision > 1 THEN '-R' || r.revision ELSE '' END, h.tenant_id, h.plan_code,"
				   " h.period_start, h.period_end, 'credit_note', r.revision, h.currency, -a.net, -a.tax, -(a.net + a.tax),"
				   " -a.net * h.fx_rate, -a.tax * h.fx_rate, -(a.net + a.tax) * h.fx_rate, h.fx_rate,"
				   " h.tax_rate, h.invoice_id, h.recon_id, h.recipient, $2"
				   " FROM @s@.invoice_header h"
				   " CROSS JOIN LATERAL (SELECT coalesce(max(x.revision), 0) + 1 AS revision FROM @s@.invoice_header x"
				   "  WHERE x.tenant_id = h.tenant_id AND x.period_start = h.period_start AND x.kind = 'credit_note') r"
				   " CROSS JOIN LATERAL (SELECT -coalesce(sum(x.subtotal), 0) AS net, -coalesce(sum(x.tax), 0) AS tax"
				   "  FROM @s@.invoice_header x WHERE x.original_invoice_id = h.invoice_id AND x.status <> 'void') b"
				   " CROSS JOIN LATERAL (SELECT round(sum(credit), $3) AS net FROM inv_credit) c"
				   " CROSS JOIN LATERAL (SELECT c.net, CASE WHEN b.net + c.net = h.subtotal THEN h.tax"
				   "  ELSE round((b.net + c.net) * h.tax_rate, $3) END - b.tax AS tax) a"
				   " WHERE h.invoice_id = $1"
				   " AND b.net + b.tax + a.net + a.tax BETWEEN 0 AND h.total"
				   " ON CONFLICT (tenant_id, period_start, kind, revision) DO NOTHING"
				   " RETURNING n.invoice_id",
				   ARG_TEXT(invoice_id), ARG_TEXT(reason), ARG_INT4(doc->digits)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("credit notes of invoice \"%s\" would exceed its total", FinopsQuoteForMessage(invoice_id)),
				 errdetail("The invoice has negative lines; crediting only the positive ones is more than was billed."),
				 errhint("Credit the negative lines too, or all: finops.credit_invoice('%s', reason).",
						 FinopsQuoteForMessage(invoice_id))));
	id = FinopsText(0, 1);
	FINOPS_RUN("INSERT INTO @s@.invoice_detail (invoice_id, line_no, tenant_id, period_start, line_type, service,"
			   " metric_code, description, quantity, unit, unit_price, unit_price_usd, amount, amount_usd, tax_rate,"
			   " cost, cost_currency, cost_usd, reference_ids)"
			   " SELECT $2, l.line_no, l.tenant_id, l.period_start, 'credit', l.service, l.metric_code, l.description,"
			   " -1, l.unit, r.credit, r.credit * h.fx_rate, -r.credit, -r.credit * h.fx_rate, l.tax_rate,"
			   " -c.cost, l.cost_currency, -c.cost_usd,"
			   " jsonb_build_object('invoice_id', l.invoice_id, 'line_no', l.line_no, 'line_type', l.line_type)"
			   " FROM inv_credit c JOIN @s@.invoice_detail l ON l.invoice_id = $1 AND l.line_no = c.line_no"
			   " JOIN @s@.invoice_header h ON h.invoice_id = l.invoice_id"
			   " CROSS JOIN LATERAL (SELECT round(c.credit, $3) AS credit) r",
			   ARG_TEXT(invoice_id), ARG_TEXT(id), ARG_INT4(doc->digits));
	return id;
}

/*
 * finops.credit_invoice(invoice_id text, reason text, lines jsonb DEFAULT NULL)
 *	-> invoice_header
 *
 * Issues a credit note for all that is left of an invoice, or for the lines
 * named, and returns it.  Errors: 22004, 22023 for a blank reason, malformed
 * or unknown lines and amounts beyond what is left; P0002 for an unknown
 * invoice; 55000 for one that is not issued, or credited in full already.
 */
Datum
finops_credit_invoice(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *invoice_id = InvoiceRequiredText(fcinfo, 0, "invoice_id");
	char	   *reason = InvoiceRequiredText(fcinfo, 1, "reason");
	FinopsArg	lines = InvoiceDatumArg(fcinfo, 2, JSONBOID);
	InvoiceDocument doc;
	InvoiceIssuer issuer;
	char	   *id;

	FinopsRequireWritable("finops.credit_invoice()");
	FinopsBegin(&session);
	doc = InvoiceLockDocument(invoice_id);
	if (!lines.isnull)
		check_lines(lines);
	stage_credit(invoice_id, lines);
	check_credit(invoice_id, &doc);
	id = write_credit_note(invoice_id, &doc, reason);
	issuer = InvoiceReadIssuer();
	if (!issuer.exists)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("issuer is incomplete"),
				 errhint("Run SELECT finops.set_issuer(legal_name => ..., address => ..., vat_id => ...).")));
	FINOPS_STAGE("inv_ready", "SELECT 1::bigint AS seq, $1 AS invoice_id", ARG_TEXT(id));
	(void) InvoiceNumberDocuments(&session, &issuer, "credit_note", 1, NULL);
	InvoiceSettle(invoice_id, ARG_DATUM(TIMESTAMPTZOID,
										TimestampTzGetDatum(GetCurrentTimestamp()), false));
	FINOPS_RUN("SELECT * FROM @s@.invoice_header WHERE invoice_id = $1", ARG_TEXT(id));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
