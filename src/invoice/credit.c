/*-------------------------------------------------------------------------
 *
 * credit.c
 *	  Credit notes: the only way to take an issued invoice back.
 *
 * A credit note takes back lines of one invoice, whole or in part, at the
 * invoice's tax rate and exchange rate.  Its line numbers are those of the
 * lines it credits, its amounts are negative.
 *
 * Tax is credited cumulatively (tax.h): a note carries the tax of all that is
 * credited after it, less that of what was credited before.  So any number of
 * credit notes in any order adds up to the tax of the invoice, to the minor
 * unit, once everything is credited.  Where tax was rounded per category that
 * is done for each category and rate on the sum of its lines; where prices
 * include the tax, or it was rounded per line, for each line, so that a line
 * that is credited in full gives back the gross that was billed.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"
#include "invoice/tax.h"

#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_credit_invoice);

/* $1: invoice.  What is left of each line after the credit notes of inv_note. */
#define LEFT_SQL \
	"SELECT l.*, l.amount + coalesce(c.amount, 0) AS amount_left," \
	" l.cost + coalesce(c.cost, 0) AS cost_left, l.cost_usd + coalesce(c.cost_usd, 0) AS cost_usd_left" \
	" FROM @s@.invoice_detail l LEFT JOIN (SELECT d.line_no, sum(d.amount) AS amount, sum(d.cost) AS cost," \
	"  sum(d.cost_usd) AS cost_usd FROM inv_note n JOIN @s@.invoice_detail d USING (invoice_id) GROUP BY d.line_no) c USING (line_no)" \
	" WHERE l.invoice_id = $1"

/* Stage inv_note: the credit notes of an invoice so far, or before a revision. */
static void
stage_notes(const char *invoice_id, FinopsArg before)
{
	FINOPS_STAGE("inv_note",
				 "SELECT n.invoice_id, n.total FROM @s@.invoice_header n WHERE n.original_invoice_id = $1 AND n.status <> 'void'"
				 " AND ($2 IS NULL OR n.revision < $2)", ARG_TEXT(invoice_id), before);
}

#define ALL_NOTES	ARG_DATUM(INT4OID, (Datum) 0, true)

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
				 "   ELSE round(l.cost * trim_scale(w.amount) / nullif(l.amount, 0), greatest(scale(l.cost), 12)) END AS cost,"
				 "  CASE WHEN coalesce(w.amount, l.amount_left) = l.amount_left THEN l.cost_usd_left"
				 "   ELSE round(l.cost_usd * trim_scale(w.amount) / nullif(l.amount, 0), greatest(scale(l.cost_usd), 12)) END AS cost_usd"
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

/* $1: invoice, $2: unit.  Lines of the note in minor units, before and with it. */
#define UNITS_SQL \
	"SELECT l.line_no, l.tax_category, l.tax_rate, l.amount, c.credit," \
	" (l.amount / $2)::int8 AS net_units, (x.tax / $2)::int8 AS tax_units," \
	" ((l.amount - l.amount_left) / $2)::int8 AS before_units, (coalesce(c.credit, 0) / $2)::int8 AS credit_units" \
	" FROM (" LEFT_SQL ") l LEFT JOIN inv_credit c USING (line_no)" \
	" CROSS JOIN LATERAL (SELECT coalesce(l.gross_amount - l.amount," \
	"  round(l.amount * l.tax_rate / $2) * $2) AS tax) x"

static FinopsArg
array_arg(Oid type, ArrayType *array)
{
	return ARG_DATUM(type, PointerGetDatum(array), false);
}

/* Arrays of the rows of the last result whose taxes are being computed. */
static FinopsArg
text_column(int column, uint64 n)
{
	Datum	   *values = palloc_array(Datum, Max(n, 1));

	for (uint64 i = 0; i < n; i++)
		values[i] = CStringGetTextDatum(FinopsText(i, column));
	return array_arg(TEXTARRAYOID, construct_array(values, (int) n, TEXTOID, -1, false, TYPALIGN_INT));
}

static FinopsArg
units_array(const int64 *units, uint64 n)
{
	Datum	   *values = palloc_array(Datum, Max(n, 1));

	for (uint64 i = 0; i < n; i++)
		values[i] = Int64GetDatum(units[i]);
	return array_arg(INT8ARRAYOID,
					 construct_array(values, (int) n, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Stage inv_credit_line: line_no and the tax, in units, that its credit carries. */
static void
stage_line_taxes(const char *invoice_id, FinopsArg unit)
{
	uint64		n = FINOPS_RUN("SELECT line_no::text, net_units, tax_units, before_units, credit_units FROM ("
							   UNITS_SQL ") u WHERE credit IS NOT NULL", ARG_TEXT(invoice_id), unit);
	int64	   *taxes = palloc_array(int64, Max(n, 1));
	FinopsArg	line_nos = text_column(1, n);

	for (uint64 i = 0; i < n; i++)
	{
		int64		net = FinopsInt64(i, 2);
		int64		tax = FinopsInt64(i, 3);
		int64		before = FinopsInt64(i, 4);

		taxes[i] = TaxCreditShare(net, tax, before + FinopsInt64(i, 5),
								  before == 0 ? 0 : TaxCreditShare(net, tax, before, 0));
	}
	FINOPS_STAGE("inv_credit_line",
				 "SELECT u.line_no::int4 AS line_no, u.tax FROM unnest($1, $2) u(line_no, tax)",
				 line_nos, units_array(taxes, n));
}

/*
 * Stage inv_credit_tax: category, rate, net and tax of the note, in units,
 * rounded per category.  Rates finer than tax.h knows go in proportion.
 */
static void
stage_category_taxes(const char *invoice_id, FinopsArg unit)
{
	uint64		n = FINOPS_RUN("SELECT u.tax_category, u.tax_rate::text,"
							   " CASE WHEN scale(trim_scale(u.tax_rate)) <= 8 THEN (u.tax_rate * 1e8)::int8 ELSE -1 END,"
							   " sum(u.net_units)::int8, (max(coalesce(t.tax_amount, h.tax)) / $2)::int8,"
							   " sum(u.before_units)::int8, sum(u.credit_units)::int8"
							   " FROM (" UNITS_SQL ") u JOIN @s@.invoice_header h ON h.invoice_id = $1"
							   " LEFT JOIN finops.invoice_tax t ON t.invoice_id = $1 AND t.tax_category = u.tax_category"
							   "  AND t.tax_rate = u.tax_rate GROUP BY 1, u.tax_rate HAVING count(u.credit) > 0",
							   ARG_TEXT(invoice_id), unit);
	int64	   *nets = palloc_array(int64, Max(n, 1));
	int64	   *taxes = palloc_array(int64, Max(n, 1));
	FinopsArg	categories = text_column(1, n);
	FinopsArg	rates = text_column(2, n);

	for (uint64 i = 0; i < n; i++)
	{
		TaxClass	rate = {"S", 1, {{FinopsInt64(i, 3), false}}};
		int64		net = FinopsInt64(i, 4);
		int64		tax = FinopsInt64(i, 5);
		int64		before = FinopsInt64(i, 6);

		nets[i] = FinopsInt64(i, 7);
		if (rate.parts[0].rate >= 0)
			taxes[i] = TaxCredit(&rate, 0, net, tax, before + nets[i],
								 before == 0 ? 0 : TaxCredit(&rate, 0, net, tax, before, 0));
		else
			taxes[i] = TaxCreditShare(net, tax, before + nets[i],
									  before == 0 ? 0 : TaxCreditShare(net, tax, before, 0));
	}
	FINOPS_STAGE("inv_credit_tax",
				 "SELECT u.tax_category, u.tax_rate::numeric AS tax_rate, u.net, u.tax"
				 " FROM unnest($1, $2, $3, $4) u(tax_category, tax_rate, net, tax)",
				 categories, rates, units_array(nets, n), units_array(taxes, n));
}

static void
stage_taxes(const char *invoice_id, FinopsArg unit)
{
	bool		per_line = FINOPS_RUN("SELECT FROM @s@.invoice_header WHERE invoice_id = $1"
									  " AND (tax_inclusive OR tax_rounding = 'line')", ARG_TEXT(invoice_id)) > 0;

	if (!per_line)
	{
		FINOPS_STAGE0("inv_credit_line", "SELECT NULL::int4 AS line_no, NULL::int8 AS tax WHERE false");
		stage_category_taxes(invoice_id, unit);
		return;
	}
	stage_line_taxes(invoice_id, unit);
	FINOPS_STAGE("inv_credit_tax",
				 "SELECT d.tax_category, d.tax_rate, sum(c.credit / $2)::int8 AS net, sum(l.tax)::int8 AS tax"
				 " FROM inv_credit_line l JOIN inv_credit c USING (line_no)"
				 " JOIN @s@.invoice_detail d ON d.invoice_id = $1 AND d.line_no = l.line_no GROUP BY 1, 2",
				 ARG_TEXT(invoice_id), unit);
}

/*
 * Stages credit_head, credit_line and credit_tax: the note as it will stand,
 * but for its id.  A line that is credited whole repeats its quantity and
 * price.
 */
#define HEAD_COLUMNS \
	"tenant_id, plan_code, period_start, period_end, kind, currency, subtotal, tax, total, subtotal_usd, tax_usd, total_usd, fx_rate," \
	" tax_rate, tax_inclusive, tax_treatment, tax_rounding, issuer_id, language, po_number, payment_terms_days, payment_terms_from," \
	" original_invoice_id, recon_id, recipient, reason"
#define LINE_COLUMNS \
	"line_no, tenant_id, period_start, line_type, service, metric_code, description, quantity, unit, unit_price, unit_price_usd, amount," \
	" amount_usd, gross_amount, tax_rate, tax_category, service_period_start, service_period_end, cost, cost_currency, cost_usd, reference_ids"
#define TAX_COLUMNS "tax_category, tax_rate, taxable_amount, tax_amount, reason"

static const char *const head_sql =
	"SELECT h.tenant_id, h.plan_code, h.period_start, h.period_end, 'credit_note' AS kind, h.currency, -a.net AS subtotal, -a.tax AS tax,"
	" -(a.net + a.tax) AS total, -a.net * h.fx_rate AS subtotal_usd, -a.tax * h.fx_rate AS tax_usd, -(a.net + a.tax) * h.fx_rate AS total_usd,"
	" h.fx_rate, h.tax_rate, h.tax_inclusive, h.tax_treatment, h.tax_rounding, h.issuer_id, h.language, h.po_number,"
	" h.payment_terms_days, h.payment_terms_from, h.invoice_id AS original_invoice_id, h.recon_id, h.recipient, $2 AS reason,"
	" (SELECT -coalesce(sum(n.total), 0) FROM inv_note n) + a.net + a.tax BETWEEN least(0, h.total) AND greatest(0, h.total) AS fits"
	" FROM @s@.invoice_header h"
	" CROSS JOIN LATERAL (SELECT coalesce(sum(t.net), 0) * $3 AS net, coalesce(sum(t.tax), 0) * $3 AS tax FROM inv_credit_tax t) a"
	" WHERE h.invoice_id = $1";

static const char *const line_sql =
	"SELECT l.line_no, l.tenant_id, l.period_start, 'credit' AS line_type, l.service, l.metric_code, l.description,"
	" CASE WHEN p.whole THEN -l.quantity ELSE -1 END AS quantity, l.unit, p.price AS unit_price, p.price * h.fx_rate AS unit_price_usd,"
	" -r.credit AS amount, -r.credit * h.fx_rate AS amount_usd, CASE WHEN h.tax_inclusive THEN -(r.credit + p.tax) END AS gross_amount,"
	" l.tax_rate, l.tax_category, l.service_period_start, l.service_period_end, -c.cost AS cost, l.cost_currency, -c.cost_usd AS cost_usd,"
	" jsonb_build_object('invoice_id', l.invoice_id, 'line_no', l.line_no, 'line_type', l.line_type) AS reference_ids"
	" FROM inv_credit c JOIN @s@.invoice_detail l ON l.invoice_id = $1 AND l.line_no = c.line_no"
	" JOIN @s@.invoice_header h ON h.invoice_id = l.invoice_id"
	" LEFT JOIN inv_credit_line t ON t.line_no = c.line_no"
	" CROSS JOIN LATERAL (SELECT round(c.credit, $2) AS credit) r"
	" CROSS JOIN LATERAL (SELECT r.credit = l.amount AND l.quantity <> 0 AS whole,"
	"  coalesce(t.tax, 0) * $3 AS tax) w"
	" CROSS JOIN LATERAL (SELECT w.whole, w.tax, CASE WHEN w.whole THEN l.unit_price"
	"  WHEN h.tax_inclusive THEN r.credit + w.tax ELSE r.credit END AS price) p";

static const char *const tax_sql =
	"SELECT c.tax_category, c.tax_rate, -c.net * $2 AS taxable_amount, -c.tax * $2 AS tax_amount, t.reason FROM inv_credit_tax c"
	" LEFT JOIN finops.invoice_tax t ON t.invoice_id = $1 AND t.tax_category = c.tax_category AND t.tax_rate = c.tax_rate";

static void
stage_note(const char *invoice_id, int digits, const char *reason)
{
	Datum		one = DirectFunctionCall3(numeric_in, CStringGetDatum(psprintf("1e-%d", digits)),
										  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	FinopsArg	unit = ARG_DATUM(NUMERICOID, one, false);

	stage_taxes(invoice_id, unit);
	FINOPS_STAGE("credit_head", head_sql, ARG_TEXT(invoice_id), ARG_TEXT(reason), unit);
	FINOPS_STAGE("credit_line", line_sql, ARG_TEXT(invoice_id), ARG_INT4(digits), unit);
	FINOPS_STAGE("credit_tax", tax_sql, ARG_TEXT(invoice_id), unit);
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

	stage_note(invoice_id, doc->digits, reason);
	if (FINOPS_RUN("INSERT INTO @s@.invoice_header AS n (invoice_id, revision, " HEAD_COLUMNS ")"
				   " SELECT regexp_replace($1, '^INV-(.*?)(-R[0-9]+)?$', 'CN-\\1') || CASE WHEN r.revision > 1 THEN '-R' || r.revision ELSE '' END,"
				   "  r.revision, " HEAD_COLUMNS " FROM credit_head c"
				   " CROSS JOIN LATERAL (SELECT coalesce(max(x.revision), 0) + 1 AS revision FROM @s@.invoice_header x"
				   "  WHERE x.tenant_id = c.tenant_id AND x.period_start = c.period_start AND x.kind = 'credit_note') r WHERE c.fits"
				   " ON CONFLICT (tenant_id, period_start, kind, revision) DO NOTHING RETURNING n.invoice_id", ARG_TEXT(invoice_id)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("credit notes of invoice \"%s\" would exceed its total", FinopsQuoteForMessage(invoice_id)),
				 errdetail("The invoice has negative lines; crediting only the positive ones is more than was billed."),
				 errhint("Credit the negative lines too, or all: finops.credit_invoice('%s', reason).",
						 FinopsQuoteForMessage(invoice_id))));
	id = FinopsText(0, 1);
	FINOPS_RUN("INSERT INTO @s@.invoice_detail (invoice_id, " LINE_COLUMNS ") SELECT $1, " LINE_COLUMNS " FROM credit_line", ARG_TEXT(id));
	FINOPS_RUN("INSERT INTO finops.invoice_tax (invoice_id, " TAX_COLUMNS ") SELECT $1, " TAX_COLUMNS " FROM credit_tax", ARG_TEXT(id));
	return id;
}

/* Bytes of a part: the values of its columns, as the server prints them. */
#define PART_BYTES(columns)	"encode(sha256(convert_to(row(" columns ")::text, 'UTF8')), 'hex')"

/*
 * A credit note follows from its invoice, the notes before it and the lines
 * it credits: all of them never change.  It is computed again from those and
 * compared, part by part, in every column.
 */
void
InvoiceRebuildCredit(const char *id)
{
	char	   *original;
	char	   *reason;
	FinopsArg	lines;
	FinopsArg	revision;
	int			digits;

	FINOPS_RUN("SELECT h.original_invoice_id, h.reason, h.revision, finops.currency_minor_unit(h.currency)::int4,"
			   " (SELECT jsonb_agg(jsonb_build_object('line_no', d.line_no, 'amount', -d.amount)) FROM @s@.invoice_detail d WHERE d.invoice_id = h.invoice_id)"
			   " FROM @s@.invoice_header h WHERE h.invoice_id = $1", ARG_TEXT(id));
	original = FinopsText(0, 1);
	reason = FinopsText(0, 2);
	revision = ARG_INT4((int32) FinopsInt64(0, 3));
	digits = (int) FinopsInt64(0, 4);
	lines = ARG_DATUM(JSONBOID, FinopsValue(0, 5, &lines.isnull), false);
	stage_notes(original, revision);
	stage_credit(original, lines);
	stage_note(original, digits, reason);
	FINOPS_STAGE("credit_part",
				 "SELECT coalesce(s.place, r.place) AS place, coalesce(s.part, r.part) AS part, s.bytes AS stored, r.bytes AS rebuilt FROM"
				 " (SELECT 1 AS place, 'header' AS part, " PART_BYTES(HEAD_COLUMNS) " AS bytes FROM @s@.invoice_header WHERE invoice_id = $1"
				 "  UNION ALL SELECT 1 + line_no, 'line ' || line_no, " PART_BYTES(LINE_COLUMNS) " FROM @s@.invoice_detail WHERE invoice_id = $1"
				 "  UNION ALL SELECT 2147483647, format('tax %s %s', tax_category, trim_scale(tax_rate)), " PART_BYTES(TAX_COLUMNS) " FROM finops.invoice_tax WHERE invoice_id = $1) s"
				 " FULL JOIN (SELECT 1 AS place, 'header' AS part, " PART_BYTES(HEAD_COLUMNS) " AS bytes FROM credit_head"
				 "  UNION ALL SELECT 1 + line_no, 'line ' || line_no, " PART_BYTES(LINE_COLUMNS) " FROM credit_line"
				 "  UNION ALL SELECT 2147483647, format('tax %s %s', tax_category, trim_scale(tax_rate)), " PART_BYTES(TAX_COLUMNS) " FROM credit_tax) r"
				 " ON r.part = s.part", ARG_TEXT(id));
	FINOPS_RUN0("SELECT part, stored, rebuilt, stored IS NOT DISTINCT FROM rebuilt FROM"
				" (SELECT place, part, stored, rebuilt FROM credit_part UNION ALL"
				"  SELECT NULL, 'document', encode(sha256(convert_to(string_agg(stored, ' ' ORDER BY place, part), 'UTF8')), 'hex'),"
				"   encode(sha256(convert_to(string_agg(rebuilt, ' ' ORDER BY place, part), 'UTF8')), 'hex') FROM credit_part) p ORDER BY place, part");
}

/*
 * Issue a credit note for all that is left of the invoice, or for the lines
 * named; the invoice is locked.  Returns its id.
 */
static char *
issue_credit_note(const FinopsSession *session, const char *invoice_id,
				  const char *reason, FinopsArg lines)
{
	InvoiceDocument doc = InvoiceLockDocument(invoice_id);
	InvoiceIssuer issuer;
	char	   *id;

	if (!lines.isnull)
		check_lines(lines);
	stage_notes(invoice_id, ALL_NOTES);
	stage_credit(invoice_id, lines);
	check_credit(invoice_id, &doc);
	id = write_credit_note(invoice_id, &doc, reason);
	/* the one who issued the invoice, in a series of its own */
	FINOPS_RUN("SELECT issuer_id FROM @s@.invoice_header WHERE invoice_id = $1", ARG_TEXT(invoice_id));
	issuer = InvoiceReadIssuerOf(FinopsText(0, 1));
	if (!issuer.exists)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("issuer is incomplete"),
				 errhint("Run SELECT finops.set_issuer(legal_name => ..., address => ..., vat_id => ...).")));
	FINOPS_STAGE("inv_ready", "SELECT 1::bigint AS seq, $1 AS invoice_id", ARG_TEXT(id));
	(void) InvoiceNumberDocuments(session, &issuer, "credit_note", 1, NULL, NULL);
	InvoiceSettle(invoice_id, ARG_DATUM(TIMESTAMPTZOID,
										TimestampTzGetDatum(GetCurrentTimestamp()), false));
	return id;
}

char *
InvoiceCreditRest(const FinopsSession *session, const char *invoice_id,
				  const char *reason)
{
	FinopsArg	all = {JSONBOID, (Datum) 0, true};
	bool		left;

	stage_notes(invoice_id, ALL_NOTES);
	left = FINOPS_RUN("SELECT FROM (" LEFT_SQL ") l WHERE l.amount_left <> 0 OR coalesce(l.cost_left, 0) <> 0 LIMIT 1",
					  ARG_TEXT(invoice_id)) > 0;
	FinopsEndStage("inv_note");
	if (!left)
		return NULL;
	return issue_credit_note(session, invoice_id, reason, all);
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
	char	   *id;

	FinopsRequireWritable("finops.credit_invoice()");
	FinopsBegin(&session);
	id = issue_credit_note(&session, invoice_id, reason, lines);
	FINOPS_RUN("SELECT * FROM @s@.invoice_header WHERE invoice_id = $1", ARG_TEXT(id));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
