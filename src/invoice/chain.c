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
 * Each document is hashed together with the hash before it in its series,
 * over a text in which every field is delimited by position or by its length
 * and which does not depend on any setting of the session.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"

#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "utils/array.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

/* SHA-256 over "<previous hash>\n<digest>", hex. */
char *
InvoiceChainHash(const char *prev_hash, const char *digest)
{
	uint8		sum[PG_SHA256_DIGEST_LENGTH];
	char	   *hex = palloc(PG_SHA256_DIGEST_LENGTH * 2 + 1);
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);

	if (pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) prev_hash, strlen(prev_hash)) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) "\n", 1) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) digest, strlen(digest)) < 0 ||
		pg_cryptohash_final(ctx, sum, sizeof(sum)) < 0)
		elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(ctx));
	pg_cryptohash_free(ctx);
	for (int i = 0; i < PG_SHA256_DIGEST_LENGTH; i++)
		sprintf(hex + 2 * i, "%02x", sum[i]);
	return hex;
}

InvoiceIssuer
InvoiceReadIssuer(void)
{
	InvoiceIssuer issuer = {0};

	if (FINOPS_RUN0("SELECT jsonb_strip_nulls(jsonb_build_object('legal_name', legal_name,"
					" 'address', address, 'vat_id', vat_id, 'bank', bank,"
					" 'payment_terms_days', payment_terms_days))::text,"
					" number_format, credit_number_format, payment_terms_days"
					" FROM finops.issuer WHERE issuer_id = 'default'") == 0)
		return issuer;
	issuer.exists = true;
	issuer.snapshot = FinopsText(0, 1);
	issuer.number_format = FinopsText(0, 2);
	issuer.credit_number_format = FinopsText(0, 3);
	issuer.terms_days = (int) FinopsInt64(0, 4);
	return issuer;
}

typedef struct NumberBlock
{
	const char *format;
	char	   *series;
	int64		before;			/* last number given so far */
	char	   *last_hash;
	TimestampTz issued_at;
	int			year;
	int			month;
} NumberBlock;

/* Lock the series until commit; the time of issue is read under the lock. */
static NumberBlock
lock_series(const char *format, const char *kind)
{
	NumberBlock block = {.format = format};
	struct pg_tm tm;
	fsec_t		fsec;

	FinopsLock(FINOPS_LOCK_NUMBERING, 0);
	block.issued_at = GetCurrentTimestamp();
	/* without a zone: UTC */
	if (timestamp2tm(block.issued_at, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "timestamp out of range");
	block.year = tm.tm_year;
	block.month = tm.tm_mon;
	block.series = InvoiceNumberIsYearly(format) ?
		psprintf("%s/%04d", kind, block.year) : pstrdup(kind);
	FINOPS_RUN("INSERT INTO finops.number_series AS s (series) VALUES ($1)"
			   " ON CONFLICT (series) DO UPDATE SET updated_at = now()"
			   " RETURNING last_number, coalesce(last_hash, '')",
			   ARG_TEXT(block.series));
	block.before = FinopsInt64(0, 1);
	block.last_hash = FinopsText(0, 2);
	return block;
}

static Datum
text_array(Datum *items, int64 count)
{
	return PointerGetDatum(construct_array(items, (int) count, TEXTOID, -1, false, TYPALIGN_INT));
}

static char *
number_text(const NumberBlock *block, int64 seq)
{
	char		number[INVOICE_NUMBER_MAX + 1];

	if (!InvoiceFormatNumber(block->format, block->year, block->month, seq, number))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid number format \"%s\"", FinopsQuoteForMessage(block->format)),
				 errhint("Set another one with finops.set_issuer(number_format => ...).")));
	return pstrdup(number);
}

/* The numbers of the block, in order. */
static FinopsArg
number_array(const NumberBlock *block, int64 count)
{
	Datum	   *numbers = palloc_array(Datum, count);

	for (int64 i = 0; i < count; i++)
		numbers[i] = CStringGetTextDatum(number_text(block, block->before + 1 + i));
	return ARG_DATUM(TEXTARRAYOID, text_array(numbers, count), false);
}

/*
 * Stage inv_numbered: the documents as they will be issued, and the digest
 * of each.
 */
static void
stage_numbered(const NumberBlock *block, const InvoiceIssuer *issuer,
			   int64 count, const char *recon_id)
{
	FINOPS_STAGE("inv_numbered",
				 "WITH doc AS MATERIALIZED (SELECT r.seq, h.invoice_id, h.tenant_id, h.plan_code, h.original_invoice_id,"
				 "  h.reason, h.period_start, h.period_end, h.kind, h.revision, h.currency, h.subtotal, h.tax, h.total,"
				 "  h.fx_rate, h.tax_rate, h.tax_inclusive,"
				 "  coalesce(h.recon_id, $6) AS recon_id, coalesce(h.issuer, $4::jsonb) AS issuer,"
				 "  coalesce(h.recipient, jsonb_strip_nulls(jsonb_build_object('tenant_id', t.tenant_id,"
				 "   'tenant_name', t.tenant_name, 'billing_contact', t.billing_contact, 'tax_profile', t.tax_profile))) AS recipient,"
				 "  u.invoice_number, $2::text AS number_series, $3 + r.seq AS number_seq,"
				 "  $5 AS issued_at, $5 + $7 * interval '1 day' AS due_at"
				 "  FROM inv_ready r JOIN unnest($1) WITH ORDINALITY u(invoice_number, seq) USING (seq)"
				 "  JOIN @s@.invoice_header h USING (invoice_id)"
				 "  JOIN @s@.tenant_master t ON t.tenant_id = h.tenant_id),"
				 " line AS (SELECT l.invoice_id, " INVOICE_LINES_SQL " AS lines"
				 "  FROM inv_ready r JOIN @s@.invoice_detail l USING (invoice_id) GROUP BY l.invoice_id)"
				 " SELECT h.seq, h.invoice_id, h.invoice_number, h.number_series, h.number_seq, h.issued_at, h.due_at,"
				 "  h.recon_id, h.issuer, h.recipient, " INVOICE_DIGEST_SQL " AS digest"
				 " FROM doc h LEFT JOIN line l USING (invoice_id)",
				 number_array(block, count), ARG_TEXT(block->series),
				 ARG_INT8(block->before), ARG_TEXT(issuer->snapshot),
				 ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(block->issued_at), false),
				 ARG_TEXT(recon_id), ARG_INT4(issuer->terms_days));
}

/*
 * Chain the digests in order; element i of hashes is the hash of document i,
 * that of before the one it links to.
 */
static void
chain_hashes(NumberBlock *block, int64 count, FinopsArg *before_arg,
			 FinopsArg *hashes_arg)
{
	Datum	   *before = palloc_array(Datum, count);
	Datum	   *hashes = palloc_array(Datum, count);

	if ((int64) FINOPS_RUN0("SELECT digest FROM inv_numbered ORDER BY seq") != count)
		elog(ERROR, "documents to be numbered are incomplete");
	for (int64 i = 0; i < count; i++)
	{
		before[i] = CStringGetTextDatum(block->last_hash);
		block->last_hash = InvoiceChainHash(block->last_hash, FinopsText(i, 1));
		hashes[i] = CStringGetTextDatum(block->last_hash);
	}
	*before_arg = ARG_DATUM(TEXTARRAYOID, text_array(before, count), false);
	*hashes_arg = ARG_DATUM(TEXTARRAYOID, text_array(hashes, count), false);
}

char *
InvoiceNumberDocuments(const FinopsSession *session, const InvoiceIssuer *issuer,
					   const char *kind, int64 count, const char *recon_id)
{
	bool		credit = strcmp(kind, "credit_note") == 0;
	NumberBlock block = lock_series(credit ? issuer->credit_number_format :
									issuer->number_format, kind);
	FinopsArg	before;
	FinopsArg	hashes;

	if (count > INT32_MAX / 256)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many documents to issue at once")));
	stage_numbered(&block, issuer, count, recon_id);
	chain_hashes(&block, count, &before, &hashes);
	FINOPS_RUN("UPDATE @s@.invoice_header h SET status = 'issued', invoice_number = n.invoice_number,"
			   " number_series = n.number_series, number_seq = n.number_seq, issued_at = n.issued_at,"
			   " due_at = n.due_at, recon_id = n.recon_id, issuer = n.issuer, recipient = n.recipient,"
			   " prev_hash = u.prev_hash, hash = u.hash"
			   " FROM inv_numbered n JOIN ROWS FROM (unnest($1), unnest($2)) WITH ORDINALITY u(prev_hash, hash, seq) USING (seq)"
			   " WHERE h.invoice_id = n.invoice_id", before, hashes);
	FINOPS_RUN("UPDATE finops.number_series SET last_number = $2, last_hash = $3, updated_at = now()"
			   " WHERE series = $1", ARG_TEXT(block.series),
			   ARG_INT8(block.before + count), ARG_TEXT(block.last_hash));
	FINOPS_RUN("INSERT INTO @s@.audit_event (actor_type, actor_id, action, object_type, object_id, metadata)"
			   " SELECT 'operator_user', $1, $2, $3, invoice_id, jsonb_build_object('invoice_number', invoice_number)"
			   " FROM inv_numbered ORDER BY seq",
			   ARG_TEXT(FinopsCallerName(session)),
			   ARG_TEXT(credit ? "credit_note_issue" : "invoice_issue"), ARG_TEXT(kind));
	return count == 1 ? number_text(&block, block.before + 1) :
		psprintf("%s to %s", number_text(&block, block.before + 1),
				 number_text(&block, block.before + count));
}
