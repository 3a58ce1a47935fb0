/*-------------------------------------------------------------------------
 *
 * invoice_html.c
 *	  An invoice or credit note as one self-contained HTML page that prints
 *	  on A4.
 *
 * Nothing is loaded from elsewhere and there is no script.  Every text is
 * escaped and isolated from the direction of what stands around it, so that
 * names of any script, right-to-left ones and hostile ones too, change
 * neither the page nor the order of its numbers.
 *
 *-------------------------------------------------------------------------
 */
#include "report/document.h"
#include "report/invoice_text.h"
#include "core/markup.h"

PG_FUNCTION_INFO_V1(finops_invoice_html);

static const char *const style =
	":root{--ink:#17212e;--soft:#5d6b7a;--line:#dfe5ec;--tint:#f4f7fa;--accent:#1f4e79}"
	"*{box-sizing:border-box}"
	"body{margin:0;background:#e9edf2;color:var(--ink);font:9.5pt/1.45 system-ui,-apple-system,\"Segoe UI\",Roboto,"
	"\"Helvetica Neue\",Arial,\"Noto Sans\",\"DejaVu Sans\",sans-serif;-webkit-print-color-adjust:exact;print-color-adjust:exact}"
	"main{display:flex;flex-direction:column;width:210mm;max-width:100%;min-height:297mm;margin:8mm auto;padding:18mm 18mm 14mm;"
	"background:#fff;border-top:2mm solid var(--accent);box-shadow:0 1px 3px rgba(23,33,46,.16),0 8px 30px rgba(23,33,46,.1)}"
	"header{display:flex;justify-content:space-between;gap:10mm;align-items:flex-start;margin-bottom:12mm}"
	".issuer{font-size:13pt;font-weight:650;line-height:1.25;overflow-wrap:anywhere}"
	".issuer small{display:block;margin-top:1.5mm;color:var(--soft);font-size:8.5pt;font-weight:400;line-height:1.5}"
	".title{text-align:end;flex:none;max-width:55%}"
	"h1{margin:0;color:var(--accent);font-size:22pt;font-weight:300;letter-spacing:.01em;line-height:1.1}"
	".title p{margin:1.5mm 0 0;font-size:11pt;font-weight:600;overflow-wrap:anywhere}"
	".draft{display:inline-block;margin-top:2mm;padding:.6mm 3mm;border:.4mm solid #b45309;border-radius:1mm;color:#b45309;"
	"font-size:8.5pt;font-weight:650;letter-spacing:.06em;text-transform:uppercase}"
	".parties{display:grid;grid-template-columns:1fr 76mm;gap:12mm;margin-bottom:10mm}"
	"h2{margin:0 0 1.5mm;color:var(--soft);font-size:7.5pt;font-weight:650;letter-spacing:.08em;text-transform:uppercase}"
	"address{font-style:normal;overflow-wrap:anywhere}address strong{font-size:10.5pt}"
	"dl{display:grid;grid-template-columns:auto 1fr;gap:1mm 5mm;margin:0}dt{color:var(--soft)}"
	"dd{margin:0;text-align:end;font-weight:550;overflow-wrap:anywhere}"
	"table{width:100%;border-collapse:collapse}"
	"th{padding:0 0 1.6mm;color:var(--soft);font-size:7.5pt;font-weight:650;letter-spacing:.06em;text-align:start;text-transform:uppercase;vertical-align:bottom}"
	"td{padding:2mm 0;border-top:.25mm solid var(--line);vertical-align:top}"
	"th+th,td+td{padding-inline-start:4mm}"
	".lines thead th{border-bottom:.4mm solid var(--ink)}.lines tbody tr:first-child td{border-top:0}"
	".lines tbody tr:last-child td{border-bottom:.4mm solid var(--ink)}"
	".lines td:first-child{width:8mm;color:var(--soft)}.lines td:nth-child(2){overflow-wrap:anywhere}"
	".lines td small{display:block;color:var(--soft);font-size:8pt}"
	".n{direction:ltr;unicode-bidi:isolate;text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}"
	"th.n{direction:inherit;text-align:end}"
	".sums{display:grid;grid-template-columns:1fr 76mm;gap:12mm;margin-top:7mm;break-inside:avoid}"
	".total td{border:0;padding:1mm 0}.total tr:last-child td{padding:2.6mm 0;border-top:.4mm solid var(--ink);font-size:13pt;font-weight:650}"
	".tax{font-size:8.5pt}.tax td{padding:1.2mm 0}"
	".note{margin:6mm 0 0;color:var(--soft);font-size:8.5pt;overflow-wrap:anywhere;break-inside:avoid}.note p{margin:0 0 1mm}"
	".pay{display:grid;grid-template-columns:1fr 84mm;gap:8mm;margin-top:7mm;padding:4.5mm 5mm;background:var(--tint);border-radius:1.5mm;break-inside:avoid}"
	".pay p{margin:0}.pay dd{font-variant-numeric:tabular-nums}.pay .iban{white-space:nowrap;letter-spacing:-.01em}"
	"footer{display:flex;flex-wrap:wrap;gap:0 6mm;margin-top:auto;padding-top:10mm;color:var(--soft);font-size:7.5pt;line-height:1.6}"
	"footer span{overflow-wrap:anywhere}"
	"@page{size:A4;margin:14mm 16mm 16mm;@bottom-right{content:counter(page) \" / \" counter(pages);color:#5d6b7a;font:7.5pt system-ui,sans-serif}}"
	"@media print{body{background:#fff;font-size:9pt}main{display:block;width:auto;min-height:0;margin:0;padding:0;border:0;box-shadow:none}"
	"header{border-top:1.6mm solid var(--accent);padding-top:7mm;margin-bottom:9mm}.parties{margin-bottom:8mm}.note{margin-top:4mm}.pay{margin-top:5mm}thead{display:table-header-group}tr{break-inside:avoid}footer{padding-top:6mm;break-inside:avoid}}"
	"@media screen and (max-width:700px){main{margin:0;padding:7vw 5vw;min-height:0}header,.parties,.sums,.pay{display:block}"
	".title{max-width:none;margin-top:5mm;text-align:start}.parties>*+*,.sums>*+*,.pay>*+*{margin-top:6mm}"
	".lines td:first-child,.lines th:first-child{display:none}.lines th+th:nth-child(2),.lines td+td:nth-child(2){padding-inline-start:0}th+th,td+td{padding-inline-start:2.5mm}}";

/* <tag><bdi>text</bdi></tag>, nothing for NULL. */
static void
isolated(StringInfo out, const char *tag, const char *text)
{
	if (text == NULL || text[0] == '\0')
		return;
	appendStringInfo(out, "<%s><bdi>", tag);
	MarkupText(out, text);
	appendStringInfo(out, "</bdi></%s>", tag);
}

static void
term(StringInfo out, const char *label, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	MarkupElement(out, "dt", label);
	isolated(out, "dd", value);
}

static void
number_cell(StringInfo out, const char *tag, const char *text)
{
	appendStringInfo(out, "<%s class=\"n\">", tag);
	MarkupText(out, text);
	appendStringInfo(out, "</%s>", tag);
}

static void
address_line(StringInfo out, const char *text)
{
	if (text == NULL)
		return;
	appendStringInfoString(out, "<br><bdi>");
	MarkupText(out, text);
	appendStringInfoString(out, "</bdi>");
}

static char *
city_line(const DocumentParty *party)
{
	if (party->postal_code == NULL)
		return party->city;
	return party->city == NULL ? party->postal_code : psprintf("%s %s", party->postal_code, party->city);
}

static void
address_lines(StringInfo out, const DocumentParty *party)
{
	address_line(out, party->street);
	address_line(out, party->street2);
	address_line(out, party->street3);
	address_line(out, city_line(party));
	address_line(out, party->region);
	address_line(out, party->country);
}

static void
head(StringInfo out, const Document *doc, const InvoiceText *text)
{
	const char *title = doc->credit ? text->credit_note : text->invoice;

	appendStringInfo(out, "<!DOCTYPE html>\n<html lang=\"%s\"><head><meta charset=\"utf-8\">"
					 "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" content=\"light\"><title>",
					 text->language);
	MarkupText(out, title);
	appendStringInfoChar(out, ' ');
	MarkupText(out, doc->number != NULL ? doc->number : doc->invoice_id);
	appendStringInfo(out, "</title><style>%s</style></head>\n<body><main>\n<header><div class=\"issuer\"><bdi>", style);
	MarkupText(out, doc->issuer.name);
	appendStringInfoString(out, "</bdi><small>");
	MarkupText(out, doc->issuer.street);
	address_line(out, doc->issuer.street2);
	address_line(out, doc->issuer.street3);
	address_line(out, city_line(&doc->issuer));
	address_line(out, doc->issuer.country);
	appendStringInfoString(out, "</small></div><div class=\"title\">");
	MarkupElement(out, "h1", title);
	isolated(out, "p", doc->number);
	if (strcmp(doc->status, "void") == 0)
		appendStringInfo(out, "<span class=\"draft\">%s</span>", text->is_void);
	else if (doc->number == NULL)
		appendStringInfo(out, "<span class=\"draft\">%s</span>", text->draft);
	appendStringInfoString(out, "</div></header>\n");
}

static void
parties(StringInfo out, const Document *doc, const InvoiceText *text)
{
	const DocumentParty *party = &doc->recipient;

	appendStringInfoString(out, "<section class=\"parties\"><div>");
	MarkupElement(out, "h2", text->bill_to);
	appendStringInfoString(out, "<address><strong><bdi>");
	MarkupText(out, party->name);
	appendStringInfoString(out, "</bdi></strong>");
	address_line(out, party->attention);
	address_lines(out, party);
	if (party->vat_id != NULL)
		address_line(out, psprintf("%s %s", text->vat_id, party->vat_id));
	appendStringInfoString(out, "</address></div><dl>");
	term(out, doc->credit ? text->credit_date : text->invoice_date, InvoiceTextDate(text, doc->issue_day));
	if (!doc->credit)
		term(out, text->due_date, InvoiceTextDate(text, doc->due_day));
	term(out, text->period, InvoiceTextPeriod(text, doc->period_start, doc->period_end));
	term(out, text->credited_invoice, doc->original_number);
	if (doc->original_number != NULL)
		term(out, text->of_date, InvoiceTextDate(text, doc->original_day));
	term(out, text->po_number, doc->po_number);
	term(out, text->buyer_reference, party->buyer_reference);
	term(out, text->customer, doc->tenant_id);
	appendStringInfoString(out, "</dl></section>\n");
}

static void
line_row(StringInfo out, const Document *doc, const DocumentLine *line,
		 const InvoiceText *text)
{
	appendStringInfoString(out, "<tr>");
	MarkupElement(out, "td", line->line_no);
	appendStringInfoString(out, "<td><bdi>");
	MarkupText(out, line->description);
	appendStringInfoString(out, "</bdi>");
	if (strcmp(line->service_start, doc->period_start) != 0 ||
		strcmp(line->service_end, doc->period_end) != 0)
		isolated(out, "small", InvoiceTextPeriod(text, line->service_start, line->service_end));
	appendStringInfoString(out, "</td>");
	number_cell(out, "td", psprintf("%s %s", InvoiceTextNumber(text, line->quantity, 0), InvoiceTextUnit(text, line->unit, line->quantity)));
	number_cell(out, "td", InvoiceTextNumber(text, line->unit_price, doc->digits));
	number_cell(out, "td", strcmp(line->category, "S") == 0 || strcmp(line->category, "Z") == 0 ?
				psprintf("%s %%", InvoiceTextNumber(text, line->rate_pct, 0)) : line->category);
	number_cell(out, "td", InvoiceTextNumber(text, line->gross != NULL ? line->gross : line->amount, doc->digits));
	appendStringInfoString(out, "</tr>\n");
}

static void
lines(StringInfo out, const Document *doc, const InvoiceText *text)
{
	appendStringInfoString(out, "<table class=\"lines\"><thead><tr><th>#</th>");
	MarkupElement(out, "th", text->description);
	number_cell(out, "th", text->quantity);
	number_cell(out, "th", text->unit_price);
	number_cell(out, "th", text->tax);
	number_cell(out, "th", psprintf("%s %s", doc->inclusive ? text->amount_gross : text->amount, doc->currency));
	appendStringInfoString(out, "</tr></thead><tbody>\n");
	for (int i = 0; i < doc->nlines; i++)
		line_row(out, doc, &doc->lines[i], text);
	appendStringInfoString(out, "</tbody></table>\n");
}

static char *
tax_name(const DocumentTax *tax, const InvoiceText *text)
{
	if (strcmp(tax->category, "S") == 0)
		return psprintf("%s %s %%", text->tax, InvoiceTextNumber(text, tax->rate_pct, 0));
	return pstrdup(InvoiceTextCategory(text, tax->category));
}

static void
total_row(StringInfo out, const char *label, const char *amount)
{
	appendStringInfoString(out, "<tr>");
	MarkupElement(out, "td", label);
	number_cell(out, "td", amount);
	appendStringInfoString(out, "</tr>");
}

static void
sums(StringInfo out, const Document *doc, const InvoiceText *text)
{
	appendStringInfoString(out, "<section class=\"sums\"><div>");
	if (doc->ntaxes > 0)
	{
		appendStringInfoString(out, "<table class=\"tax\"><thead><tr>");
		MarkupElement(out, "th", text->tax_table);
		number_cell(out, "th", text->net);
		number_cell(out, "th", text->tax);
		number_cell(out, "th", text->gross);
		appendStringInfoString(out, "</tr></thead><tbody>");
		for (int i = 0; i < doc->ntaxes; i++)
		{
			const DocumentTax *tax = &doc->taxes[i];

			appendStringInfoString(out, "<tr>");
			MarkupElement(out, "td", tax_name(tax, text));
			number_cell(out, "td", InvoiceTextNumber(text, tax->taxable, doc->digits));
			number_cell(out, "td", InvoiceTextNumber(text, tax->tax, doc->digits));
			number_cell(out, "td", InvoiceTextNumber(text, tax->gross, doc->digits));
			appendStringInfoString(out, "</tr>");
		}
		appendStringInfoString(out, "</tbody></table>");
	}
	appendStringInfoString(out, "</div><table class=\"total\"><tbody>");
	total_row(out, text->subtotal, InvoiceTextNumber(text, doc->subtotal, doc->digits));
	for (int i = 0; i < doc->ntaxes; i++)
		total_row(out, tax_name(&doc->taxes[i], text),
				  InvoiceTextNumber(text, doc->taxes[i].tax, doc->digits));
	total_row(out, doc->credit ? text->credited : text->total_due,
			  psprintf("%s %s", InvoiceTextNumber(text, doc->total, doc->digits), doc->currency));
	appendStringInfoString(out, "</tbody></table></section>\n");
}

/* The tax in another currency, why there is none, why there is a credit. */
static void
notes(StringInfo out, const Document *doc, const InvoiceText *text)
{
	StringInfoData inner;

	initStringInfo(&inner);
	if (doc->tax_in_currency != NULL)
		isolated(&inner, "p",
				 psprintf("%s: %s %s", text->tax,
						  InvoiceTextNumber(text, doc->tax_in_currency, doc->tax_digits), doc->tax_currency));
	isolated(&inner, "p", doc->reason == NULL ? NULL : psprintf("%s: %s", text->reason, doc->reason));
	for (int i = 0; i < doc->ntaxes; i++)
	{
		const DocumentTax *tax = &doc->taxes[i];

		if (strcmp(tax->category, "S") == 0 || strcmp(tax->category, "Z") == 0)
			continue;
		isolated(&inner, "p", psprintf("%s: %s", tax->category, tax->reason != NULL && strcmp(tax->category, "E") == 0 ?
									   tax->reason : InvoiceTextCategoryNote(text, tax->category)));
	}
	if (inner.len > 0)
		appendStringInfo(out, "<section class=\"note\">%s</section>\n", inner.data);
}

/* An IBAN in groups of four. */
static char *
grouped_account(const char *iban)
{
	StringInfoData out;

	if (iban == NULL)
		return NULL;
	initStringInfo(&out);
	for (int i = 0; iban[i] != '\0'; i++)
	{
		if (i > 0 && i % 4 == 0)
			appendStringInfoChar(&out, ' ');
		appendStringInfoChar(&out, iban[i]);
	}
	return out.data;
}

static void
payment(StringInfo out, const Document *doc, const InvoiceText *text)
{
	if (doc->credit)
	{
		appendStringInfoString(out, "<section class=\"pay\">");
		MarkupElement(out, "p", text->credit_terms);
		appendStringInfoString(out, "</section>\n");
		return;
	}
	appendStringInfoString(out, "<section class=\"pay\"><div>");
	MarkupElement(out, "h2", text->payment);
	if (doc->terms != NULL)
		isolated(out, "p", doc->terms);
	else if (doc->due_day != NULL)
		MarkupElement(out, "p", InvoiceTextTerms(text, doc->due_day));
	appendStringInfoString(out, "</div>");
	if (doc->iban != NULL)
	{
		appendStringInfoString(out, "<dl>");
		term(out, text->account_holder, doc->account_name != NULL ? doc->account_name : doc->issuer.name);
		term(out, text->bank, doc->bank_name);
		MarkupElement(out, "dt", isalpha((unsigned char) doc->iban[0]) ? "IBAN" : text->account);
		appendStringInfoString(out, "<dd class=\"iban\"><bdi>");
		MarkupText(out, grouped_account(doc->iban));
		appendStringInfoString(out, "</bdi></dd>");
		term(out, "BIC", doc->bic);
		term(out, text->payment_reference, doc->number);
		appendStringInfoString(out, "</dl>");
	}
	appendStringInfoString(out, "</section>\n");
}

static void
foot(StringInfo out, const Document *doc, const InvoiceText *text)
{
	appendStringInfoString(out, "<footer>");
	isolated(out, "span", doc->issuer.name);
	if (doc->issuer.company_id != NULL)
		isolated(out, "span", doc->issuer.company_id);
	if (doc->issuer.vat_id != NULL)
		isolated(out, "span", psprintf("%s %s", text->vat_id, doc->issuer.vat_id));
	isolated(out, "span", doc->issuer.email);
	isolated(out, "span", doc->issuer.phone);
	appendStringInfoString(out, "</footer>\n</main></body></html>\n");
}

static char *
build_html(const Document *doc)
{
	const InvoiceText *text = InvoiceTextOf(doc->language);
	StringInfoData out;

	initStringInfo(&out);
	head(&out, doc, text);
	parties(&out, doc, text);
	lines(&out, doc, text);
	sums(&out, doc, text);
	notes(&out, doc, text);
	payment(&out, doc, text);
	foot(&out, doc, text);
	return out.data;
}

/*
 * finops.invoice_html(invoice_id text) -> text
 *
 * The document as a page that a person reads and prints; one that is not
 * issued says that it is a draft.  Errors: 22004, P0002.
 */
Datum
finops_invoice_html(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	MemoryContext caller = CurrentMemoryContext;
	text	   *result;
	char	   *html;

	FinopsRequireArg(fcinfo, 0, "invoice_id");
	FinopsBegin(&session);
	FinopsRequireInvoiceTenant(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	html = build_html(DocumentRead(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	MemoryContextSwitchTo(caller);
	result = cstring_to_text(html);
	MemoryContextSwitchTo(session.context);
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(result);
}
