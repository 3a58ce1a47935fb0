/*-------------------------------------------------------------------------
 *
 * setup.c
 *	  Who is billed and at which rates: calls that set up invoicing.
 *
 * Each call says what should be so and may be repeated: a repetition changes
 * nothing and writes no audit event.  An argument left NULL keeps what is
 * stored.  Each returns the stored row.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"

#include "utils/jsonb.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(finops_set_fx_rate);
PG_FUNCTION_INFO_V1(finops_register_tenant);

char *
InvoiceTextArg(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

#define BLANKS " \t\r\n\f\v"

static bool
is_blank(const char *s)
{
	return s[strspn(s, BLANKS)] == '\0';
}

/* Without blanks at either end, as the loader stores tenants. */
static char *
trim(char *s)
{
	size_t		len;

	s += strspn(s, BLANKS);
	for (len = strlen(s); len > 0 && strchr(BLANKS, s[len - 1]) != NULL; len--)
		;
	s[len] = '\0';
	return s;
}

/* A text that must be there, trimmed: NULL is 22004, blank is 22023. */
char *
InvoiceRequiredText(FunctionCallInfo fcinfo, int argno, const char *name)
{
	char	   *value;

	FinopsRequireArg(fcinfo, argno, name);
	value = InvoiceTextArg(fcinfo, argno);
	if (is_blank(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be blank", name)));
	return trim(value);
}

FinopsArg
InvoiceDatumArg(FunctionCallInfo fcinfo, int argno, Oid type)
{
	FinopsArg	arg = {type, (Datum) 0, PG_ARGISNULL(argno)};

	if (!arg.isnull)
		arg.value = PG_GETARG_DATUM(argno);
	return arg;
}

/* Digits after the decimal point of an amount in the currency. */
int
InvoiceCurrencyDigits(const char *currency)
{
	bool		isnull;
	Datum		digits;

	FINOPS_RUN("SELECT finops.currency_minor_unit($1)::int4",
			   ARG_TEXT(currency));
	digits = FinopsValue(0, 1, &isnull);
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown currency \"%s\"", FinopsQuoteForMessage(currency)),
				 errdetail("Table finops.currency does not list it."),
				 errhint("Use an ISO 4217 code such as USD, or add the currency with INSERT INTO finops.currency.")));
	return DatumGetInt32(digits);
}

void
InvoiceRequireTenant(const char *tenant)
{
	if (tenant != NULL &&
		FINOPS_RUN_KEPT("SELECT FROM @s@.tenant_master WHERE tenant_id = $1",
						ARG_TEXT(tenant)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("unknown tenant \"%s\"", FinopsQuoteForMessage(tenant)),
				 errhint("Register it with finops.register_tenant().")));
}

/* A finite numeric within [low, high]; NULL passes. */
void
InvoiceCheckNumber(FunctionCallInfo fcinfo, int argno, const char *name,
				   const char *low, const char *high)
{
	uint64		n;

	if (PG_ARGISNULL(argno))
		return;
	n = FINOPS_RUN("SELECT WHERE $1 BETWEEN $2::numeric AND $3::numeric",
				   InvoiceDatumArg(fcinfo, argno, NUMERICOID),
				   ARG_TEXT(low), ARG_TEXT(high));
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a number from %s to %s", name, low, high)));
}

void
InvoiceCheckObject(FunctionCallInfo fcinfo, int argno, const char *name)
{
	if (!PG_ARGISNULL(argno) && !JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(argno)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object", name)));
}

/*
 * finops.set_fx_rate(currency text, valid_from date, rate numeric,
 *	source text DEFAULT 'manual')
 *	-> finops.fx_rate
 *
 * Units of the reporting currency for one unit of the currency, from a day
 * on.  Errors: 22004 for NULL, 22023 for an unknown or the reporting currency
 * and a rate that is not positive.
 */
Datum
finops_set_fx_rate(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *currency = InvoiceRequiredText(fcinfo, 0, "currency");
	char	   *source = InvoiceRequiredText(fcinfo, 3, "source");

	FinopsRequireArg(fcinfo, 1, "valid_from");
	FinopsRequireArg(fcinfo, 2, "rate");
	if (DATE_NOT_FINITE(PG_GETARG_DATEADT(1)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("valid_from must be a finite date")));
	if (strcmp(currency, finops_reporting_currency) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is the reporting currency, its rate is 1", currency),
				 errhint("Give the rate of another currency.")));
	FinopsBegin(&session);
	(void) InvoiceCurrencyDigits(currency);
	InvoiceCheckNumber(fcinfo, 2, "rate", "0.000000000001", "1000000000000");
	if (FINOPS_RUN("INSERT INTO finops.fx_rate AS f (currency, valid_from, rate, source)"
				   " VALUES ($1, $2, $3, $4) ON CONFLICT (currency, valid_from)"
				   " DO UPDATE SET rate = EXCLUDED.rate, source = EXCLUDED.source, set_at = now()"
				   " WHERE f.rate <> EXCLUDED.rate OR f.source <> EXCLUDED.source RETURNING to_jsonb(f.*)::text",
				   ARG_TEXT(currency), ARG_DATE(PG_GETARG_DATEADT(1)),
				   InvoiceDatumArg(fcinfo, 2, NUMERICOID), ARG_TEXT(source)) > 0)
		FinopsAudit(&session, "fx_rate_change", "currency", currency, FinopsText(0, 1));
	FINOPS_RUN("SELECT * FROM finops.fx_rate WHERE currency = $1 AND valid_from = $2",
			   ARG_TEXT(currency), ARG_DATE(PG_GETARG_DATEADT(1)));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* Refuses a tax profile that a document could not be taxed by. */
static void
check_tax_profile(FinopsArg profile)
{
	char	   *problem;

	if (profile.isnull)
		return;
	FINOPS_RUN("SELECT CASE"
			   " WHEN jsonb_typeof(p) <> 'object' THEN 'It must be a JSON object.'"
			   " WHEN p - '{rate_pct,exempt,tax_id,jurisdiction,inclusive,category,reason,reason_code}'::text[] <> '{}'"
			   "  THEN 'It has an unknown key.'"
			   " WHEN p ? 'rate_pct' AND (jsonb_typeof(p -> 'rate_pct') <> 'number'"
			   "  OR CASE WHEN jsonb_typeof(p -> 'rate_pct') = 'number'"
			   "  THEN (p -> 'rate_pct')::numeric NOT BETWEEN 0 AND 100 END)"
			   "  THEN 'rate_pct must be a number from 0 to 100.'"
			   " WHEN p ? 'exempt' AND jsonb_typeof(p -> 'exempt') <> 'boolean'"
			   "  THEN 'exempt must be true or false.'"
			   " WHEN p ? 'inclusive' AND jsonb_typeof(p -> 'inclusive') <> 'boolean'"
			   "  THEN 'inclusive must be true or false.'"
			   " WHEN p ? 'tax_id' AND jsonb_typeof(p -> 'tax_id') NOT IN ('string', 'null')"
			   "  THEN 'tax_id must be text.'"
			   " WHEN p ? 'jurisdiction' AND jsonb_typeof(p -> 'jurisdiction') NOT IN ('string', 'null')"
			   "  THEN 'jurisdiction must be text.'"
			   " WHEN p ? 'category' AND coalesce(p ->> 'category', '') NOT IN ('S', 'Z', 'E', 'AE', 'K', 'G', 'O')"
			   "  THEN 'category must be one of S, Z, E, AE, K, G, O.'"
			   " WHEN coalesce(jsonb_typeof(p -> 'reason'), 'null') NOT IN ('string', 'null')"
			   "  OR coalesce(jsonb_typeof(p -> 'reason_code'), 'null') NOT IN ('string', 'null')"
			   "  THEN 'reason and reason_code must be text.'"
			   " END FROM (SELECT $1 AS p) x", profile);
	problem = FinopsText(0, 1);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid tax profile"),
				 errdetail("%s", problem),
				 errhint("Use a profile such as {\"rate_pct\": 19, \"jurisdiction\": \"DE\"} or {\"exempt\": true}.")));
}

static void
check_billing_mode(const char *mode)
{
	if (mode != NULL && strcmp(mode, "invoice") != 0 &&
		strcmp(mode, "showback") != 0 && strcmp(mode, "chargeback") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown billing mode \"%s\"", FinopsQuoteForMessage(mode)),
				 errhint("Use invoice, showback or chargeback.")));
}

/*
 * finops.register_tenant(tenant_id text, tenant_name text,
 *	billing_contact jsonb, tax_profile jsonb, billing_mode text,
 *	currency text, seats int) -> tenant_master
 *
 * Makes a tenant known, or completes a known one; a tenant seen only in a
 * bill (unregistered) becomes active.  Errors: 22004, 22023 for blank ids and
 * names, unknown mode or currency, a malformed contact or tax profile.
 */
Datum
finops_register_tenant(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tenant = InvoiceRequiredText(fcinfo, 0, "tenant_id");
	char	   *name = PG_ARGISNULL(1) ? NULL : InvoiceRequiredText(fcinfo, 1, "tenant_name");
	char	   *mode = InvoiceTextArg(fcinfo, 4);
	char	   *currency = InvoiceTextArg(fcinfo, 5);

	InvoiceCheckObject(fcinfo, 2, "billing_contact");
	check_billing_mode(mode);
	if (!PG_ARGISNULL(6) && PG_GETARG_INT32(6) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("seats must not be negative")));
	FinopsBegin(&session);
	check_tax_profile(InvoiceDatumArg(fcinfo, 3, JSONBOID));
	if (currency != NULL)
		(void) InvoiceCurrencyDigits(currency);
	if (FINOPS_RUN("INSERT INTO @s@.tenant_master AS t (tenant_id, tenant_name, status, billing_mode,"
				   " currency, seats, billing_contact, tax_profile)"
				   " VALUES ($1, coalesce($2, $1), 'active', coalesce($5, 'invoice'),"
				   "  coalesce($6, (SELECT currency FROM finops.issuer WHERE issuer_id = 'default'), $8),"
				   "  $7, $3, $4)"
				   " ON CONFLICT (tenant_id) DO UPDATE SET"
				   " tenant_name = coalesce($2, t.tenant_name),"
				   " status = CASE WHEN t.status = 'unregistered' THEN 'active' ELSE t.status END,"
				   " billing_mode = coalesce($5, CASE WHEN t.status = 'unregistered'"
				   "  THEN 'invoice' ELSE t.billing_mode END),"
				   " currency = coalesce($6, CASE WHEN t.status = 'unregistered'"
				   "  THEN EXCLUDED.currency ELSE t.currency END),"
				   " seats = coalesce($7, t.seats),"
				   " billing_contact = coalesce($3, t.billing_contact),"
				   " tax_profile = coalesce($4, t.tax_profile), updated_at = now()"
				   " WHERE t.status = 'unregistered'"
				   " OR (coalesce($2, t.tenant_name), coalesce($5, t.billing_mode),"
				   "  coalesce($6, t.currency), coalesce($7, t.seats),"
				   "  coalesce($3, t.billing_contact), coalesce($4, t.tax_profile))"
				   " IS DISTINCT FROM (t.tenant_name, t.billing_mode, t.currency, t.seats,"
				   "  t.billing_contact, t.tax_profile)"
				   " RETURNING to_jsonb(t.*)::text",
				   ARG_TEXT(tenant), ARG_TEXT(name),
				   InvoiceDatumArg(fcinfo, 2, JSONBOID),
				   InvoiceDatumArg(fcinfo, 3, JSONBOID),
				   ARG_TEXT(mode), ARG_TEXT(currency),
				   InvoiceDatumArg(fcinfo, 6, INT4OID),
				   ARG_TEXT(finops_reporting_currency)) > 0)
		FinopsAudit(&session, "tenant_change", "tenant", tenant, FinopsText(0, 1));
	FINOPS_RUN("SELECT * FROM @s@.tenant_master WHERE tenant_id = $1",
			   ARG_TEXT(tenant));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
