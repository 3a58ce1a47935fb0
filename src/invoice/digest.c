/*-------------------------------------------------------------------------
 *
 * digest.c
 *	  SHA-256 over the content of a document.
 *
 * The bytes that are hashed: texts as their length (four bytes, low byte
 * first; 0xFFFFFFFF for none) and their bytes in UTF-8, integers and dates
 * (days from 2000-01-01) as eight bytes, decimals as their scale and their
 * units (sixteen bytes).  No setting of a session and no property of the
 * machine has a part in them.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/document.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "mb/pg_wchar.h"

void
InvoiceSha256(const void *data, size_t len, char *hex)
{
	static const char digits[] = "0123456789abcdef";
	uint8		sum[PG_SHA256_DIGEST_LENGTH];
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);

	if (ctx == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (pg_cryptohash_init(ctx) < 0 || pg_cryptohash_update(ctx, data, len) < 0 ||
		pg_cryptohash_final(ctx, sum, sizeof(sum)) < 0)
		elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(ctx));
	pg_cryptohash_free(ctx);
	for (int i = 0; i < PG_SHA256_DIGEST_LENGTH; i++)
	{
		hex[2 * i] = digits[sum[i] >> 4];
		hex[2 * i + 1] = digits[sum[i] & 15];
	}
	hex[2 * PG_SHA256_DIGEST_LENGTH] = '\0';
}

/* The low n bytes of a value, low byte first. */
static inline void
append_unsigned(StringInfo bytes, uint128 value, int n)
{
	if (unlikely(bytes->len + n >= bytes->maxlen))
		enlargeStringInfo(bytes, n);
#ifdef WORDS_BIGENDIAN
	for (int i = 0; i < n; i++)
		bytes->data[bytes->len + i] = (char) (value >> (8 * i));
#else
	memcpy(bytes->data + bytes->len, &value, (size_t) n);
#endif
	bytes->len += n;
}

void
InvoiceDigestInteger(StringInfo bytes, int64 value)
{
	append_unsigned(bytes, (uint64) value, 8);
}

void
InvoiceDigestDecimal(StringInfo bytes, InvoiceDecimal value)
{
	append_unsigned(bytes, (uint64) value.scale, 4);
	append_unsigned(bytes, (uint128) value.units, 16);
}

void
InvoiceDigestText(StringInfo bytes, const char *text)
{
	size_t		len;

	if (text == NULL)
	{
		append_unsigned(bytes, 0xFFFFFFFF, 4);
		return;
	}
	len = strlen(text);
	if (GetDatabaseEncoding() != PG_UTF8)
	{
		text = (const char *) pg_do_encoding_conversion((unsigned char *) unconstify(char *, text), (int) len,
														GetDatabaseEncoding(), PG_UTF8);
		len = strlen(text);
	}
	append_unsigned(bytes, len, 4);
	appendBinaryStringInfo(bytes, text, (int) len);
}

void
InvoiceDigestBegin(StringInfo bytes, const InvoiceContent *c)
{
	const char *const texts[] = {c->tenant_id, c->plan_code, c->currency, c->treatment, c->rounding,
	c->issuer_id, c->language, c->po_number, c->terms, c->terms_from};
	const InvoiceDecimal decimals[] = {c->fx_rate, c->tax_rate, c->subtotal, c->tax, c->total};

	resetStringInfo(bytes);
	for (size_t i = 0; i < lengthof(texts); i++)
		InvoiceDigestText(bytes, texts[i]);
	for (size_t i = 0; i < lengthof(decimals); i++)
		InvoiceDigestDecimal(bytes, decimals[i]);
	InvoiceDigestInteger(bytes, c->terms_days);
	InvoiceDigestInteger(bytes, c->inclusive);
	InvoiceDigestInteger(bytes, c->period_start);
	InvoiceDigestInteger(bytes, c->period_end);
}

void
InvoiceDigestLine(StringInfo bytes, const InvoiceLine *l)
{
	const char *const texts[] = {l->line_type, l->service, l->metric_code, l->description, l->unit,
	l->cost_currency, l->refs, l->notes, l->tax_category};

	InvoiceDigestInteger(bytes, l->line_no);
	for (size_t i = 0; i < lengthof(texts); i++)
		InvoiceDigestText(bytes, texts[i]);
	InvoiceDigestDecimal(bytes, l->quantity);
	InvoiceDigestDecimal(bytes, l->unit_price);
	InvoiceDigestDecimal(bytes, l->amount);
	InvoiceDigestDecimal(bytes, l->tax_rate);
	InvoiceDigestInteger(bytes, l->has_gross);
	if (l->has_gross)
		InvoiceDigestDecimal(bytes, l->gross);
	if (l->cost_currency != NULL)
	{
		InvoiceDigestDecimal(bytes, l->cost);
		InvoiceDigestDecimal(bytes, l->cost_usd);
	}
	InvoiceDigestInteger(bytes, l->service_start);
	InvoiceDigestInteger(bytes, l->service_end);
}

void
InvoiceDigestTax(StringInfo bytes, const InvoiceTax *tax)
{
	InvoiceDigestText(bytes, tax->category);
	InvoiceDigestText(bytes, tax->reason);
	InvoiceDigestDecimal(bytes, tax->rate);
	InvoiceDigestDecimal(bytes, tax->taxable);
	InvoiceDigestDecimal(bytes, tax->tax);
}

void
InvoiceDigestEnd(const StringInfoData *bytes, char *hex)
{
	InvoiceSha256(bytes->data, (size_t) bytes->len, hex);
}
