/*-------------------------------------------------------------------------
 *
 * document_reader.c
 *	  Documents read back from their tables, one after the other.
 *
 * Headers, lines and taxes are three streams in the order of the documents'
 * ids, which is that of their keys; they are merged here, so that memory
 * holds one document.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/document_reader.h"

#include "catalog/pg_collation.h"
#include "common/hashfn.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

struct InvoiceReader
{
	InvoiceRun	run;
	InvoiceStream *headers;
	InvoiceStream *lines;
	InvoiceStream *taxes;
	bool		line_waits;		/* the streams stand on a row not yet used */
	bool		tax_waits;
	MemoryContext context;		/* of one document */
	StringInfoData bytes;
	int			room;
	InvoiceLine *line;
};

static const char *const headers_sql =
	"SELECT h.invoice_id, h.tenant_id, h.plan_code, h.currency, h.tax_treatment, h.tax_rounding, h.issuer_id, h.language,"
	" h.po_number, h.terms, h.payment_terms_days, h.payment_terms_from, h.tax_inclusive, h.period_start, h.period_end,"
	" h.fx_rate, h.tax_rate, h.subtotal, h.tax, h.total, h.kind, h.revision, h.status, h.invoice_number, h.number_series,"
	" h.number_seq, h.original_invoice_id, h.recon_id, h.reason, h.issuer, h.recipient, h.issued_at, h.due_at, h.issued_by,"
	" h.input_digest, h.digest"
	" FROM @s@.invoice_header h WHERE h.invoice_id @tenant@ ORDER BY h.invoice_id";

static const char *const lines_sql =
	"SELECT l.invoice_id, l.line_no, l.line_type, l.service, l.metric_code, l.description, l.quantity, l.unit, l.unit_price,"
	" l.amount, l.gross_amount, l.tax_rate, l.cost, l.cost_currency, l.cost_usd, l.reference_ids, l.notes,"
	" l.service_period_start, l.service_period_end, l.tax_category, l.tenant_id, l.period_start, l.amount_usd"
	" FROM @s@.invoice_detail l WHERE l.invoice_id @tenant@ ORDER BY l.invoice_id, l.line_no";

static const char *const taxes_sql =
	"SELECT x.invoice_id, x.tax_category, x.tax_rate, x.taxable_amount, x.tax_amount, x.reason"
	" FROM finops.invoice_tax x WHERE x.invoice_id @tenant@ ORDER BY x.invoice_id, x.tax_category COLLATE \"C\", x.tax_rate";

InvoiceReader *
InvoiceReaderOpen(const char *invoice_id)
{
	InvoiceReader *reader = palloc0_object(InvoiceReader);

	reader->run.context = CurrentMemoryContext;
	reader->run.tenant = invoice_id;
	reader->headers = InvoiceStreamOpen(&reader->run, headers_sql);
	reader->lines = InvoiceStreamOpen(&reader->run, lines_sql);
	reader->taxes = InvoiceStreamOpen(&reader->run, taxes_sql);
	reader->line_waits = InvoiceStreamNext(reader->lines);
	reader->tax_waits = InvoiceStreamNext(reader->taxes);
	reader->context = AllocSetContextCreate(CurrentMemoryContext, "finops document read", ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&reader->bytes);
	return reader;
}

void
InvoiceReaderClose(InvoiceReader *reader)
{
	InvoiceStreamClose(reader->headers);
	InvoiceStreamClose(reader->lines);
	InvoiceStreamClose(reader->taxes);
	MemoryContextDelete(reader->context);
}

/* Order of a row's document and the current one, as the database sorts. */
static int
compare_id(const InvoiceStream *stream, Datum id)
{
	text	   *a = DatumGetTextPP(InvoiceStreamDatum(stream, 1));
	text	   *b = DatumGetTextPP(id);
	int			len_a = (int) VARSIZE_ANY_EXHDR(a);
	int			len_b = (int) VARSIZE_ANY_EXHDR(b);

	if (len_a == len_b && memcmp(VARDATA_ANY(a), VARDATA_ANY(b), len_a) == 0)
		return 0;
	return varstr_cmp(VARDATA_ANY(a), len_a, VARDATA_ANY(b), len_b, DEFAULT_COLLATION_OID) < 0 ? -1 : 1;
}

/* Go to the document's rows; what stands before them has no header. */
static bool
advance(InvoiceStream *stream, bool *waits, Datum id)
{
	int			order;

	while (*waits && (order = compare_id(stream, id)) <= 0)
	{
		if (order == 0)
			return true;
		*waits = InvoiceStreamNext(stream);
	}
	return false;
}

static InvoiceDecimal
optional_decimal(const InvoiceStream *s, int column)
{
	return InvoiceStreamIsNull(s, column) ? (InvoiceDecimal) {0, 0} : InvoiceStreamDecimal(s, column);
}

/* Texts of jsonb: many lines share theirs. */
#define JSON_SLOTS 512

static const char *
json_text(const InvoiceStream *s, int column)
{
	static struct
	{
		uint32		len;
		char		bytes[240];
		char		text[480];
	}			slots[JSON_SLOTS];
	Jsonb	   *value;
	uint32		len;
	uint32		slot;
	char	   *text;

	if (InvoiceStreamIsNull(s, column))
		return NULL;
	value = DatumGetJsonbP(InvoiceStreamDatum(s, column));
	len = VARSIZE(value) - VARHDRSZ;
	slot = hash_bytes((const unsigned char *) VARDATA(value), (int) len) % JSON_SLOTS;
	if (len <= sizeof(slots[0].bytes) && slots[slot].len == len &&
		memcmp(slots[slot].bytes, VARDATA(value), len) == 0)
		return slots[slot].text;
	text = JsonbToCString(NULL, &value->root, VARSIZE(value));
	if (len <= sizeof(slots[0].bytes) && strlen(text) < sizeof(slots[0].text))
	{
		/* earlier lines of this document may point into the slot */
		if (slots[slot].len == 0)
		{
			slots[slot].len = len;
			memcpy(slots[slot].bytes, VARDATA(value), len);
			strcpy(slots[slot].text, text);
		}
	}
	return text;
}

static void
read_line(const InvoiceStream *s, InvoiceLine *l)
{
	*l = (InvoiceLine) {
		.line_no = (int) InvoiceStreamInt(s, 2),
		.line_type = InvoiceStreamCopy(s, 3),
		.service = InvoiceStreamCopy(s, 4),
		.metric_code = InvoiceStreamCopy(s, 5),
		.description = InvoiceStreamCopy(s, 6),
		.quantity = InvoiceStreamDecimal(s, 7),
		.unit = InvoiceStreamCopy(s, 8),
		.unit_price = InvoiceStreamDecimal(s, 9),
		.amount = InvoiceStreamDecimal(s, 10),
		.has_gross = !InvoiceStreamIsNull(s, 11),
		.gross = optional_decimal(s, 11),
		.tax_rate = InvoiceStreamDecimal(s, 12),
		.cost = optional_decimal(s, 13),
		.cost_currency = InvoiceStreamCopy(s, 14),
		.cost_usd = optional_decimal(s, 15),
		.refs = json_text(s, 16),
		.notes = InvoiceStreamCopy(s, 17),
		.service_start = InvoiceStreamIsNull(s, 18) ? 0 : InvoiceStreamDate(s, 18),
		.service_end = InvoiceStreamIsNull(s, 19) ? 0 : InvoiceStreamDate(s, 19),
		.tax_category = InvoiceStreamCopy(s, 20),
	};
}

static void
read_header(const InvoiceStream *s, InvoiceStored *doc)
{
	doc->invoice_id = InvoiceStreamCopy(s, 1);
	doc->content = (InvoiceContent) {
		.tenant_id = InvoiceStreamCopy(s, 2),
		.plan_code = InvoiceStreamCopy(s, 3),
		.currency = InvoiceStreamCopy(s, 4),
		.treatment = InvoiceStreamCopy(s, 5),
		.rounding = InvoiceStreamCopy(s, 6),
		.issuer_id = InvoiceStreamCopy(s, 7),
		.language = InvoiceStreamCopy(s, 8),
		.po_number = InvoiceStreamCopy(s, 9),
		.terms = InvoiceStreamCopy(s, 10),
		.terms_days = InvoiceStreamIsNull(s, 11) ? -1 : (int) InvoiceStreamInt(s, 11),
		.terms_from = InvoiceStreamCopy(s, 12),
		.inclusive = InvoiceStreamInt(s, 13) != 0,
		.period_start = InvoiceStreamDate(s, 14),
		.period_end = InvoiceStreamDate(s, 15),
		.fx_rate = InvoiceStreamDecimal(s, 16),
		.tax_rate = InvoiceStreamDecimal(s, 17),
		.subtotal = InvoiceStreamDecimal(s, 18),
		.tax = InvoiceStreamDecimal(s, 19),
		.total = InvoiceStreamDecimal(s, 20),
	};
	doc->status = InvoiceStreamCopy(s, 23);
	doc->issue = (InvoiceIssue) {
		.invoice_id = doc->invoice_id,
		.kind = InvoiceStreamCopy(s, 21),
		.revision = (int) InvoiceStreamInt(s, 22),
		.invoice_number = InvoiceStreamCopy(s, 24),
		.series = InvoiceStreamCopy(s, 25),
		.seq = InvoiceStreamIsNull(s, 26) ? 0 : InvoiceStreamInt(s, 26),
		.original = InvoiceStreamCopy(s, 27),
		.recon_id = InvoiceStreamCopy(s, 28),
		.reason = InvoiceStreamCopy(s, 29),
		.issuer = json_text(s, 30),
		.recipient = json_text(s, 31),
		.issued_at = InvoiceStreamIsNull(s, 32) ? 0 : InvoiceStreamInt(s, 32),
		.due_at = InvoiceStreamIsNull(s, 33) ? 0 : InvoiceStreamInt(s, 33),
		.issued_by = InvoiceStreamCopy(s, 34),
	};
	doc->input_digest = InvoiceStreamCopy(s, 35);
	doc->digest = InvoiceStreamCopy(s, 36);
}

static bool
same_decimal(InvoiceDecimal a, InvoiceDecimal b)
{
	a = InvoiceTrim(a);
	b = InvoiceTrim(b);
	return a.units == b.units && a.scale == b.scale;
}

/* Columns that are not hashed because the header determines them. */
static bool
contradicts(const InvoiceStream *s, const InvoiceLine *l, const InvoiceContent *c)
{
	InvoiceDecimal usd = {0, l->amount.scale + c->fx_rate.scale};
	char	   *tenant = InvoiceStreamCopy(s, 21);
	bool		different = strcmp(tenant, c->tenant_id) != 0 || InvoiceStreamDate(s, 22) != c->period_start;

	pfree(tenant);
	return different || !InvoiceMultiply(l->amount.units, c->fx_rate.units, &usd.units) ||
		!same_decimal(usd, InvoiceStreamDecimal(s, 23));
}

static void
read_parts(InvoiceReader *reader, InvoiceStored *doc, Datum id)
{
	while (advance(reader->lines, &reader->line_waits, id))
	{
		InvoiceLine *l;

		if (doc->nlines == reader->room)
		{
			reader->room = Max(64, 2 * reader->room);
			reader->line = reader->line == NULL ?
				MemoryContextAlloc(reader->run.context, sizeof(InvoiceLine) * reader->room) :
				repalloc_huge(reader->line, sizeof(InvoiceLine) * (Size) reader->room);
		}
		l = &reader->line[doc->nlines++];
		read_line(reader->lines, l);
		doc->contradictions += contradicts(reader->lines, l, &doc->content);
		InvoiceDigestLine(&reader->bytes, l);
		reader->line_waits = InvoiceStreamNext(reader->lines);
	}
	doc->lines = reader->line;
	doc->taxes = NULL;
	while (advance(reader->taxes, &reader->tax_waits, id))
	{
		doc->taxes = doc->taxes == NULL ? palloc(sizeof(InvoiceTax)) :
			repalloc(doc->taxes, sizeof(InvoiceTax) * (doc->ntaxes + 1));
		doc->taxes[doc->ntaxes] = (InvoiceTax) {
			.category = InvoiceStreamCopy(reader->taxes, 2),
			.rate = InvoiceStreamDecimal(reader->taxes, 3),
			.taxable = InvoiceStreamDecimal(reader->taxes, 4),
			.tax = InvoiceStreamDecimal(reader->taxes, 5),
			.reason = InvoiceStreamCopy(reader->taxes, 6),
		};
		InvoiceDigestTax(&reader->bytes, &doc->taxes[doc->ntaxes++]);
		reader->tax_waits = InvoiceStreamNext(reader->taxes);
	}
}

bool
InvoiceReaderNext(InvoiceReader *reader, InvoiceStored *doc)
{
	MemoryContext old;

	MemoryContextReset(reader->context);
	memset(doc, 0, sizeof(*doc));
	if (!InvoiceStreamNext(reader->headers))
		return false;
	old = MemoryContextSwitchTo(reader->context);
	read_header(reader->headers, doc);
	InvoiceDigestBegin(&reader->bytes, &doc->content);
	read_parts(reader, doc, InvoiceStreamDatum(reader->headers, 1));
	InvoiceDigestEnd(&reader->bytes, doc->content_digest);
	MemoryContextSwitchTo(old);
	return true;
}

/* ---------------------------------------------------------------------
 * The digest of what is issued
 * ---------------------------------------------------------------------
 */
void
InvoiceIssueDigest(const InvoiceIssue *issue, const char *content_digest, char *hex)
{
	const char *const texts[] = {content_digest, issue->invoice_id, issue->kind, issue->invoice_number,
	issue->series, issue->original, issue->recon_id, issue->reason, issue->issuer, issue->recipient,
	issue->issued_by};
	StringInfoData bytes;

	initStringInfo(&bytes);
	for (size_t i = 0; i < lengthof(texts); i++)
		InvoiceDigestText(&bytes, texts[i]);
	InvoiceDigestInteger(&bytes, issue->seq);
	InvoiceDigestInteger(&bytes, issue->revision);
	InvoiceDigestInteger(&bytes, issue->issued_at);
	InvoiceDigestInteger(&bytes, issue->due_at);
	InvoiceDigestEnd(&bytes, hex);
	pfree(bytes.data);
}
