/*-------------------------------------------------------------------------
 *
 * issuer.c
 *	  Who issues invoices.
 *
 * The issuer "default" issues for every tenant that names no other one
 * (finops.set_billing).  Each issuer has its own series of numbers and its
 * own chain.  Numbers are unique over all of them, because payments name
 * them; so the formats of two series must differ in more than digits.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"

#include "utils/json.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(finops_set_issuer);

/* An address is the text of a JSON object, or plain text. */
static FinopsArg
address_arg(const char *address)
{
	StringInfoData json;

	if (address == NULL)
		return ARG_DATUM(JSONBOID, (Datum) 0, true);
	initStringInfo(&json);
	if (address[0] == '{')
		appendStringInfoString(&json, address);
	else
		escape_json(&json, address);
	return ARG_DATUM(JSONBOID, DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)), false);
}

static void
check_number_format(const char *format)
{
	const char *problem = format == NULL ? NULL : InvoiceCheckNumberFormat(format);

	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid number format \"%s\"", FinopsQuoteForMessage(format)),
				 errdetail("%s", problem),
				 errhint("Use a format such as INV-{YYYY}-{SEQ:6}.")));
}

static void
check_issuer_id(const char *issuer)
{
	size_t		len = strlen(issuer);

	if (len > 32 || strspn(issuer, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != len)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid issuer_id \"%s\"", FinopsQuoteForMessage(issuer)),
				 errhint("Use at most 32 letters, digits, _ and -.")));
}

/* A format with its digits and what stands for digits as one sign. */
#define FORMAT_SHAPE(format)	"regexp_replace(" format ", '(\\{[^}]*\\}|[0-9])+', '#', 'g')"

/* The formats of one issuer against each other and those of the others. */
static void
check_formats_differ(const char *issuer)
{
	if (FINOPS_RUN("WITH series AS (SELECT i.issuer_id, f.kind, f.format, " FORMAT_SHAPE("f.format") " AS shape FROM finops.issuer i,"
				   "  LATERAL (VALUES ('invoices', i.number_format), ('credit notes', i.credit_number_format)) f(kind, format))"
				   " SELECT a.format, b.kind, b.issuer_id, b.format FROM series a JOIN series b ON b.shape = a.shape"
				   "  AND (b.issuer_id, b.kind) <> (a.issuer_id, a.kind) WHERE a.issuer_id = $1 ORDER BY b.issuer_id, b.kind LIMIT 1",
				   ARG_TEXT(issuer)) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("numbers \"%s\" could be those of %s of issuer \"%s\"", FinopsQuoteForMessage(FinopsText(0, 1)),
					FinopsText(0, 2), FinopsQuoteForMessage(FinopsText(0, 3))),
			 errdetail("Their format is %s; formats of two series differ in more than digits.", FinopsText(0, 4)),
			 errhint("Use a prefix of its own, such as %s-{YYYY}-{SEQ:6}.", issuer)));
}

/* A new issuer; the numbers of any but the default begin with its id. */
static void
add_issuer(const char *issuer, const char *currency)
{
	FINOPS_RUN("INSERT INTO finops.issuer (issuer_id, currency, number_format, credit_number_format)"
			   " SELECT $1, coalesce($2, (SELECT d.currency FROM finops.issuer d WHERE d.issuer_id = 'default'), $3),"
			   "  p.prefix || 'INV-{YYYY}-{SEQ:6}', p.prefix || 'CN-{YYYY}-{SEQ:6}'"
			   " FROM (SELECT CASE $1 WHEN 'default' THEN '' ELSE upper($1) || '-' END AS prefix) p ON CONFLICT (issuer_id) DO NOTHING",
			   ARG_TEXT(issuer), ARG_TEXT(currency), ARG_TEXT(finops_reporting_currency));
}

/*
 * finops.set_issuer(legal_name text, address text, vat_id text,
 *	currency text, number_format text, payment_terms_days int, bank jsonb,
 *	credit_number_format text, issuer_id text) -> finops.issuer
 *
 * Who issues invoices; what is NULL keeps its value.  address is plain text
 * or the text of a JSON object.  Errors: 22004 NULL issuer_id; 22023 for an
 * unknown currency, a bad number format or one that another series has, blank
 * texts or terms outside 0..3650 days.
 */
Datum
finops_set_issuer(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *name = PG_ARGISNULL(0) ? NULL : InvoiceRequiredText(fcinfo, 0, "legal_name");
	char	   *address = PG_ARGISNULL(1) ? NULL : InvoiceRequiredText(fcinfo, 1, "address");
	char	   *vat_id = PG_ARGISNULL(2) ? NULL : InvoiceRequiredText(fcinfo, 2, "vat_id");
	char	   *currency = InvoiceTextArg(fcinfo, 3);
	char	   *format = InvoiceTextArg(fcinfo, 4);
	char	   *credit_format = InvoiceTextArg(fcinfo, 7);
	char	   *issuer = InvoiceRequiredText(fcinfo, 8, "issuer_id");
	FinopsArg	address_json = address_arg(address);

	check_issuer_id(issuer);
	check_number_format(format);
	check_number_format(credit_format);
	if (!PG_ARGISNULL(5) && (PG_GETARG_INT32(5) < 0 || PG_GETARG_INT32(5) > 3650))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("payment_terms_days must be from 0 to 3650")));
	InvoiceCheckObject(fcinfo, 6, "bank");
	FinopsBegin(&session);
	if (currency != NULL)
		(void) InvoiceCurrencyDigits(currency);
	add_issuer(issuer, currency);
	if (FINOPS_RUN("UPDATE finops.issuer i SET legal_name = n.legal_name, address = n.address,"
				   " vat_id = n.vat_id, currency = n.currency, number_format = n.number_format,"
				   " payment_terms_days = n.payment_terms_days, bank = n.bank,"
				   " credit_number_format = n.credit_number_format, updated_at = now()"
				   " FROM (SELECT coalesce($1, legal_name) AS legal_name,"
				   "  coalesce($2, address) AS address,"
				   "  coalesce($3, vat_id) AS vat_id, coalesce($4, currency) AS currency,"
				   "  coalesce($5, number_format) AS number_format,"
				   "  coalesce($6, payment_terms_days) AS payment_terms_days,"
				   "  coalesce($7, bank) AS bank,"
				   "  coalesce($8, credit_number_format) AS credit_number_format"
				   "  FROM finops.issuer WHERE issuer_id = $9) n"
				   " WHERE i.issuer_id = $9"
				   " AND (i.legal_name, i.address, i.vat_id, i.currency, i.number_format,"
				   "  i.payment_terms_days, i.bank, i.credit_number_format) IS DISTINCT FROM"
				   "  (n.legal_name, n.address, n.vat_id, n.currency, n.number_format,"
				   "  n.payment_terms_days, n.bank, n.credit_number_format)"
				   " RETURNING to_jsonb(i.*)::text",
				   ARG_TEXT(name), address_json, ARG_TEXT(vat_id),
				   ARG_TEXT(currency), ARG_TEXT(format),
				   InvoiceDatumArg(fcinfo, 5, INT4OID),
				   InvoiceDatumArg(fcinfo, 6, JSONBOID),
				   ARG_TEXT(credit_format), ARG_TEXT(issuer)) > 0)
		FinopsAudit(&session, "issuer_change", "issuer", issuer, FinopsText(0, 1));
	check_formats_differ(issuer);
	FINOPS_RUN("SELECT * FROM finops.issuer WHERE issuer_id = $1", ARG_TEXT(issuer));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
