/*-------------------------------------------------------------------------
 *
 * chain.c
 *	  Numbers without gaps and the hash chain over issued documents.
 *
 * A series is a kind of document, or a kind and the year of issue where the
 * number format shows the year.  Numbers are taken as one block, after
 * everything else is computed, from a row that stays locked until commit: an
 * abort gives the block back, and another issuer waits only for the end of
 * the transaction.  Within a series issued_at never decreases.
 *
 * digest = SHA-256 over the content digest of the document (digest.c), its
 * number and what else the issue freezes; hash = SHA-256 of
 * "<hash of the document before it in the series>\n<digest>".
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/chain.h"

#include "storage/proc.h"
#include "utils/datetime.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/timestamp.h"

/* the transaction that took numbers last; a rolled back savepoint may have given them back */
static LocalTransactionId holder = InvalidLocalTransactionId;

static const char *const series_checks[] = {"number_series_last_check", NULL};

/* SHA-256 over "<previous hash>\n<digest>", hex. */
void
InvoiceChainHash(const char *prev_hash, const char *digest, char *hex)
{
	char		text[2 * 64 + 2];
	int			len = snprintf(text, sizeof(text), "%s\n%s", prev_hash, digest);

	if (len >= (int) sizeof(text))
		elog(ERROR, "hash of a document is too long");
	InvoiceSha256(text, (size_t) len, hex);
}

InvoiceIssuer
InvoiceReadIssuerOf(const char *issuer_id)
{
	InvoiceIssuer issuer = {.issuer_id = pstrdup(issuer_id)};

	if (FINOPS_RUN_KEPT("SELECT " INVOICE_ISSUER_SNAPSHOT "::text, i.number_format, i.credit_number_format, i.payment_terms_days"
						" FROM finops.issuer i WHERE i.issuer_id = $1", ARG_TEXT(issuer_id)) == 0)
		return issuer;
	issuer.exists = true;
	issuer.snapshot = FinopsText(0, 1);
	issuer.number_format = FinopsText(0, 2);
	issuer.credit_number_format = FinopsText(0, 3);
	issuer.terms_days = (int) FinopsInt64(0, 4);
	return issuer;
}

/*
 * The head of the series.  Under an older snapshot the statement is what
 * finds that another transaction has moved it since: 40001.
 */
static void
read_series(InvoiceNumberBlock *block)
{
	Datum		key = CStringGetTextDatum(block->series);

	if (!IsolationUsesXactSnapshot())
		block->row = DirectFetch(true, "number_series", "number_series_pkey", 1, &key);
	if (block->row.tuple != NULL && DirectMayUpdate(&block->row, NULL, series_checks))
	{
		char	   *hash = DirectText(&block->row, "last_hash");

		block->last = DirectInt(&block->row, "last_number", 0);
		strlcpy(block->last_hash, hash == NULL ? "" : hash, sizeof(block->last_hash));
		return;
	}
	block->row.tuple = NULL;
	if (FINOPS_RUN_KEPT("SELECT last_number, coalesce(last_hash, '') FROM finops.number_series WHERE series = $1 FOR NO KEY UPDATE",
						ARG_TEXT(block->series)) == 0)
		FINOPS_RUN("INSERT INTO finops.number_series (series) VALUES ($1) RETURNING last_number, ''::text",
				   ARG_TEXT(block->series));
	block->last = FinopsInt64(0, 1);
	strlcpy(block->last_hash, FinopsText(0, 2), sizeof(block->last_hash));
}

bool
InvoiceHoldsSeries(void)
{
	return holder == FINOPS_LOCAL_XID;
}

InvoiceNumberBlock
InvoiceLockSeries(const InvoiceIssuer *issuer, const char *kind)
{
	bool		credit = strcmp(kind, "credit_note") == 0;
	InvoiceNumberBlock block = {.issuer = issuer, .kind = kind};
	const char *prefix = strcmp(issuer->issuer_id, "default") == 0 ? "" : psprintf("%s:", issuer->issuer_id);
	struct pg_tm tm;
	fsec_t		fsec;

	block.format = credit ? issuer->credit_number_format : issuer->number_format;
	FinopsLock(FINOPS_LOCK_NUMBERING, 0);
	holder = FINOPS_LOCAL_XID;
	block.issued_at = GetCurrentTimestamp();
	/* without a zone: UTC */
	if (timestamp2tm(block.issued_at, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "timestamp out of range");
	block.year = tm.tm_year;
	block.month = tm.tm_mon;
	block.series = InvoiceNumberIsYearly(block.format) ?
		psprintf("%s%s/%04d", prefix, kind, block.year) : psprintf("%s%s", prefix, kind);
	read_series(&block);
	block.first = block.last;
	return block;
}

void
InvoiceEndSeries(InvoiceNumberBlock *block)
{
	if (block->row.tuple != NULL)
	{
		const DirectChange changes[] = {
			{"last_number", Int64GetDatum(block->last)},
			{"last_hash", CStringGetTextDatum(block->last_hash)},
			{"updated_at", TimestampTzGetDatum(GetCurrentTransactionStartTimestamp())},
		};

		DirectUpdate(&block->row, changes, lengthof(changes));
		return;
	}
	FINOPS_RUN_KEPT("UPDATE finops.number_series SET last_number = $2, last_hash = $3, updated_at = now()"
					" WHERE series = $1", ARG_TEXT(block->series),
					ARG_INT8(block->last), ARG_TEXT(block->last_hash));
}

static char *
number_text(const InvoiceNumberBlock *block, int64 seq)
{
	char		number[INVOICE_NUMBER_MAX + 1];

	if (!InvoiceFormatNumber(block->format, block->year, block->month, seq, number))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid number format \"%s\"", FinopsQuoteForMessage(block->format)),
				 errhint("Set another one with finops.set_issuer(number_format => ...).")));
	return pstrdup(number);
}

void
InvoiceNumberDocument(InvoiceNumberBlock *block, InvoiceIssue *issue, const char *content_digest,
					  char *digest, char *prev_hash)
{
	issue->series = block->series;
	issue->seq = ++block->last;
	issue->invoice_number = number_text(block, issue->seq);
	issue->issued_at = block->issued_at;
	InvoiceIssueDigest(issue, content_digest, digest);
	strcpy(prev_hash, block->last_hash);
	InvoiceChainHash(prev_hash, digest, block->last_hash);
}

/* Columns of a document to be numbered; $1 time of issue, $2 its reconciliation. */
#define TO_NUMBER_SQL \
	" h.invoice_id, h.kind, h.revision, h.original_invoice_id, coalesce(h.recon_id, $2), h.reason, h.issuer," \
	" coalesce(h.recipient, " INVOICE_RECIPIENT_SNAPSHOT "), " INVOICE_DUE_SQL("$1", "z.name", "$3") ", h.input_digest"

#define TO_NUMBER_FROM \
	" JOIN @s@.tenant_master t ON t.tenant_id = h.tenant_id" \
	" CROSS JOIN LATERAL (SELECT coalesce(b.time_zone, i.time_zone, 'UTC') AS name FROM (VALUES (0)) one" \
	"  LEFT JOIN finops.issuer i ON i.issuer_id = h.issuer_id LEFT JOIN finops.tenant_billing b ON b.tenant_id = h.tenant_id) z"

enum
{
	N_ID = 1, N_KIND, N_REVISION, N_ORIGINAL, N_RECON, N_REASON, N_ISSUER, N_RECIPIENT, N_DUE, N_INPUT
};

/* Of a document that no run has computed: from its rows. */
static char *
content_digest(const char *invoice_id)
{
	InvoiceReader *reader = InvoiceReaderOpen(invoice_id);
	InvoiceStored doc;
	char	   *digest;

	if (!InvoiceReaderNext(reader, &doc))
		elog(ERROR, "document \"%s\" is gone", invoice_id);
	digest = pstrdup(doc.content_digest);
	InvoiceReaderClose(reader);
	return digest;
}

static char *
json_datum_text(Datum value)
{
	Jsonb	   *json = DatumGetJsonbP(value);

	return JsonbToCString(NULL, &json->root, VARSIZE(json));
}

/* The columns of inv_numbered, in order. */
static const char *const numbered_sql =
	"SELECT h.invoice_id, h.invoice_number, h.number_seq, h.due_at, h.recon_id, h.issuer, h.recipient, h.input_digest,"
	" h.digest, h.prev_hash, h.hash FROM @s@.invoice_header h";

#define NUMBERED_COLUMNS 11

typedef struct Numbering
{
	InvoiceNumberBlock *block;
	const char *caller;
	Datum		issuer;			/* jsonb of the snapshot */
	const char *issuer_text;
	Tuplestorestate *store;
	TupleDesc	desc;
} Numbering;

static void
number_row(Numbering *n, HeapTuple row, TupleDesc desc)
{
	Datum	   *in = palloc_array(Datum, desc->natts);
	bool	   *isnull = palloc_array(bool, desc->natts);
	Datum		out[NUMBERED_COLUMNS];
	bool		nulls[NUMBERED_COLUMNS] = {false};
	InvoiceIssue issue = {.issued_by = n->caller};
	char		digest[65];
	char		prev_hash[65];
	const char *content;

	heap_deform_tuple(row, desc, in, isnull);
#define TEXT_OF(c) (isnull[(c) - 1] ? NULL : TextDatumGetCString(in[(c) - 1]))
	issue.invoice_id = TEXT_OF(N_ID);
	issue.kind = TEXT_OF(N_KIND);
	issue.revision = DatumGetInt32(in[N_REVISION - 1]);
	issue.original = TEXT_OF(N_ORIGINAL);
	issue.recon_id = TEXT_OF(N_RECON);
	issue.reason = TEXT_OF(N_REASON);
	issue.issuer = isnull[N_ISSUER - 1] ? n->issuer_text : json_datum_text(in[N_ISSUER - 1]);
	issue.recipient = json_datum_text(in[N_RECIPIENT - 1]);
	issue.due_at = DatumGetTimestampTz(in[N_DUE - 1]);
	content = isnull[N_INPUT - 1] ? content_digest(issue.invoice_id) : TEXT_OF(N_INPUT);
#undef TEXT_OF
	InvoiceNumberDocument(n->block, &issue, content, digest, prev_hash);
	out[0] = in[N_ID - 1];
	out[1] = CStringGetTextDatum(issue.invoice_number);
	out[2] = Int64GetDatum(issue.seq);
	out[3] = in[N_DUE - 1];
	out[4] = in[N_RECON - 1];
	nulls[4] = isnull[N_RECON - 1];
	out[5] = isnull[N_ISSUER - 1] ? n->issuer : in[N_ISSUER - 1];
	out[6] = in[N_RECIPIENT - 1];
	out[7] = CStringGetTextDatum(content);
	out[8] = CStringGetTextDatum(digest);
	out[9] = CStringGetTextDatum(prev_hash);
	out[10] = CStringGetTextDatum(n->block->last_hash);
	tuplestore_putvalues(n->store, n->desc, out, nulls);
}

#define READY_ROWS \
	"SELECT" TO_NUMBER_SQL " FROM inv_ready r JOIN @s@.invoice_header h ON h.invoice_id = r.invoice_id" TO_NUMBER_FROM \
	" WHERE h.issuer_id = $4 OR h.kind = 'credit_note' ORDER BY r.seq"

/* One after the other, in the order of inv_ready. */
static void
number_rows(Numbering *n, const char *recon_id)
{
	FinopsArg	args[] = {ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(n->block->issued_at), false),
	ARG_TEXT(recon_id), ARG_INT4(n->block->issuer->terms_days), ARG_TEXT(n->block->issuer->issuer_id)};
	Oid			types[lengthof(args)];
	Datum		values[lengthof(args)];
	char		nulls[lengthof(args) + 1] = {'\0'};
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "finops numbering", ALLOCSET_DEFAULT_SIZES);
	Portal		portal;

	for (size_t i = 0; i < lengthof(args); i++)
	{
		types[i] = args[i].type;
		values[i] = args[i].value;
		nulls[i] = args[i].isnull ? 'n' : ' ';
	}
	portal = SPI_cursor_open_with_args(NULL, FinopsExpandSchema(READY_ROWS),
									   lengthof(args), types, values, nulls, false, 0);
	for (;;)
	{
		SPITupleTable *rows;
		uint64		count;

		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, 1000);
		rows = SPI_tuptable;
		count = SPI_processed;
		for (uint64 i = 0; i < count; i++)
		{
			MemoryContext old = MemoryContextSwitchTo(scratch);

			number_row(n, rows->vals[i], rows->tupdesc);
			MemoryContextSwitchTo(old);
			MemoryContextReset(scratch);
		}
		SPI_freetuptable(rows);
		if (count == 0)
			break;
	}
	SPI_cursor_close(portal);
	MemoryContextDelete(scratch);
}

/* As INVOICE_DUE_SQL has it. */
static TimestampTz
due_at(const InvoiceHeld *held, TimestampTz issued_at)
{
	MemoryContext old = CurrentMemoryContext;
	bool		isnull;

	if (held->terms_from == NULL || strcmp(held->terms_from, "month_end") != 0)
		return issued_at + held->terms_days * USECS_PER_DAY;
	FINOPS_RUN_KEPT("SELECT " INVOICE_DUE_SQL("$1", "$2", "0") " FROM (SELECT $3 AS payment_terms_from, $4 AS payment_terms_days) h",
					ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(issued_at), false), ARG_TEXT(held->zone),
					ARG_TEXT(held->terms_from), ARG_INT4(held->terms_days));
	MemoryContextSwitchTo(old);
	return DatumGetTimestampTz(FinopsValue(0, 1, &isnull));
}

static void
number_held_row(Numbering *n, InvoiceWriter *writer, const InvoiceHeld *held, const char *recon_id)
{
	InvoiceIssue issue = {
		.invoice_id = TextDatumGetCString(held->invoice_id),
		.kind = n->block->kind,
		.revision = held->revision,
		.recon_id = recon_id,
		.issuer = n->issuer_text,
		.recipient = json_datum_text(held->recipient),
		.issued_by = n->caller,
		.due_at = due_at(held, n->block->issued_at),
	};
	char		digest[65];
	char		prev_hash[65];

	InvoiceNumberDocument(n->block, &issue, TextDatumGetCString(held->input_digest), digest, prev_hash);
	InvoiceWriteIssued(writer, held->values, held->nulls, &issue, n->issuer, held->recipient,
					   (const char *const[]) {digest, prev_hash, n->block->last_hash});
}

/* The headers that wait are in the order of their numbers. */
static void
number_held(Numbering *n, InvoiceWriter *writer, const char *recon_id)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "finops numbering", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	InvoiceHeld held;

	InvoiceHeldRewind(writer);
	while (InvoiceHeldNext(writer, &held))
	{
		if (held.demand && strcmp(held.issuer_id, n->block->issuer->issuer_id) == 0)
			number_held_row(n, writer, &held, recon_id);
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

static void
freeze_documents(const Numbering *n)
{
	FINOPS_RUN("UPDATE @s@.invoice_header h SET status = 'issued', invoice_number = n.invoice_number,"
			   " number_series = $1, number_seq = n.number_seq, issued_at = $2, due_at = n.due_at, recon_id = n.recon_id,"
			   " issuer = n.issuer, recipient = n.recipient, issued_by = $3, input_digest = n.input_digest,"
			   " digest = n.digest, prev_hash = n.prev_hash, hash = n.hash"
			   " FROM inv_numbered n WHERE h.invoice_id = n.invoice_id",
			   ARG_TEXT(n->block->series),
			   ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(n->block->issued_at), false),
			   ARG_TEXT(n->caller));
}

/* Those that stand in the table already. */
static void
number_ready(Numbering *n, const char *recon_id)
{
	bool		credit = strcmp(n->block->kind, "credit_note") == 0;

	n->store = FinopsStageEmpty("inv_numbered", numbered_sql, &n->desc);
	number_rows(n, recon_id);
	freeze_documents(n);
	FINOPS_RUN("INSERT INTO @s@.audit_event (actor_type, actor_id, action, object_type, object_id, metadata)"
			   " SELECT 'operator_user', $1, $2, $3, invoice_id, jsonb_build_object('invoice_number', invoice_number)"
			   " FROM inv_numbered ORDER BY number_seq",
			   ARG_TEXT(n->caller), ARG_TEXT(credit ? "credit_note_issue" : "invoice_issue"), ARG_TEXT(n->block->kind));
	FinopsEndStage("inv_numbered");
}

char *
InvoiceNumberDocuments(const FinopsSession *session, const InvoiceIssuer *issuer,
					   const char *kind, int64 count, const char *recon_id, InvoiceWriter *held)
{
	InvoiceNumberBlock block = InvoiceLockSeries(issuer, kind);
	Numbering	numbering = {.block = &block, .caller = FinopsCallerName(session)};

	numbering.issuer = DirectFunctionCall1(jsonb_in, CStringGetDatum(issuer->snapshot));
	numbering.issuer_text = json_datum_text(numbering.issuer);
	if (held != NULL)
		number_held(&numbering, held, recon_id);
	else
		number_ready(&numbering, recon_id);
	if (block.last - block.first != count)
		elog(ERROR, "documents to be numbered are incomplete");
	InvoiceEndSeries(&block);
	return count == 1 ? number_text(&block, block.last) :
		psprintf("%s to %s", number_text(&block, block.first + 1), number_text(&block, block.last));
}
