/*-------------------------------------------------------------------------
 *
 * billing.c
 *	  How issuers and tenants are billed: languages, terms, policies.
 *
 * The tables' own constraints say what is allowed; a violation is told as
 * an invalid value with the choices.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"

PG_FUNCTION_INFO_V1(finops_set_billing);
PG_FUNCTION_INFO_V1(finops_set_issuer_policy);

static void
check_choice(const char *name, const char *value, const char *const *choices, bool may_be_empty)
{
	StringInfoData list;

	if (value == NULL || (may_be_empty && value[0] == '\0'))
		return;
	initStringInfo(&list);
	for (; *choices != NULL; choices++)
	{
		if (strcmp(*choices, value) == 0)
			return;
		appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "", *choices);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid %s \"%s\"", name, FinopsQuoteForMessage(value)),
			 errhint("Use one of: %s.", list.data)));
}

void
InvoiceCheckLanguage(const char *language)
{
	if (language != NULL && language[0] != '\0' &&
		FINOPS_RUN("SELECT WHERE $1 ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'", ARG_TEXT(language)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid language \"%s\"", FinopsQuoteForMessage(language)),
				 errhint("Use a language tag such as en or de-AT.")));
}

static void
check_zone(const char *zone)
{
	if (zone != NULL && zone[0] != '\0' &&
		FINOPS_RUN("SELECT FROM pg_timezone_names WHERE name = $1", ARG_TEXT(zone)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown time zone \"%s\"", FinopsQuoteForMessage(zone)),
				 errhint("SELECT name FROM pg_timezone_names lists them.")));
}

static const char *const starts[] = {"issue", "month_end", NULL};
static const char *const zeros[] = {"skip", "issue", NULL};
static const char *const balances[] = {"hold", "issue", "carry", "refund", NULL};
static const char *const roundings[] = {"line", "category", NULL};

/*
 * finops.set_billing(tenant_id text, ...) -> finops.tenant_billing
 *
 * Errors: 22004, 22023 for values that are not among the choices, P0002 for
 * an unknown tenant or issuer.
 */
Datum
finops_set_billing(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tenant = InvoiceRequiredText(fcinfo, 0, "tenant_id");
	char	   *issuer = InvoiceTextArg(fcinfo, 1);

	FinopsRequireWritable("finops.set_billing()");
	check_choice("payment_terms_from", InvoiceTextArg(fcinfo, 6), starts, true);
	check_choice("zero_invoices", InvoiceTextArg(fcinfo, 7), zeros, true);
	check_choice("credit_balances", InvoiceTextArg(fcinfo, 8), balances, true);
	if (!PG_ARGISNULL(5) && (PG_GETARG_INT32(5) < 0 || PG_GETARG_INT32(5) > 3650))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("payment_terms_days must be from 0 to 3650")));
	FinopsBegin(&session);
	InvoiceRequireTenant(tenant);
	InvoiceCheckLanguage(InvoiceTextArg(fcinfo, 2));
	check_zone(InvoiceTextArg(fcinfo, 3));
	if (issuer != NULL && issuer[0] != '\0' &&
		FINOPS_RUN("SELECT FROM finops.issuer WHERE issuer_id = $1", ARG_TEXT(issuer)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("unknown issuer \"%s\"", FinopsQuoteForMessage(issuer)),
				 errhint("SELECT issuer_id FROM finops.issuer lists them; SELECT finops.set_issuer(legal_name => 'Example Ltd', issuer_id => '%s') adds it.",
						 FinopsQuoteForMessage(issuer))));
	FINOPS_RUN("INSERT INTO finops.tenant_billing (tenant_id) VALUES ($1) ON CONFLICT (tenant_id) DO NOTHING", ARG_TEXT(tenant));
#define NEW(column, n) column " = CASE WHEN $" #n " IS NULL THEN b." column " ELSE nullif($" #n ", '') END"
	if (FINOPS_RUN("UPDATE finops.tenant_billing b SET " NEW("issuer_id", 2) ", " NEW("language", 3) ", " NEW("time_zone", 4) ", "
				   NEW("po_number", 5) ", payment_terms_days = coalesce($6, b.payment_terms_days), " NEW("payment_terms_from", 7) ", "
				   NEW("zero_invoices", 8) ", " NEW("credit_balances", 9) ", updated_at = now() WHERE b.tenant_id = $1"
				   " RETURNING to_jsonb(b.*)::text",
				   ARG_TEXT(tenant), ARG_TEXT(issuer), ARG_TEXT(InvoiceTextArg(fcinfo, 2)),
				   ARG_TEXT(InvoiceTextArg(fcinfo, 3)), ARG_TEXT(InvoiceTextArg(fcinfo, 4)),
				   InvoiceDatumArg(fcinfo, 5, INT4OID), ARG_TEXT(InvoiceTextArg(fcinfo, 6)),
				   ARG_TEXT(InvoiceTextArg(fcinfo, 7)), ARG_TEXT(InvoiceTextArg(fcinfo, 8))) > 0)
		FinopsAudit(&session, "billing_change", "tenant", tenant, FinopsText(0, 1));
#undef NEW
	FINOPS_RUN("SELECT * FROM finops.tenant_billing WHERE tenant_id = $1", ARG_TEXT(tenant));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.set_issuer_policy(issuer_id text, ...) -> finops.issuer
 *
 * An empty tax_currency takes it back.  Errors: 22004, 22023 for values that
 * are not among the choices and an unknown currency, P0002 for an unknown
 * issuer.
 */
Datum
finops_set_issuer_policy(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *issuer = InvoiceRequiredText(fcinfo, 0, "issuer_id");
	char	   *tax_currency = InvoiceTextArg(fcinfo, 7);

	FinopsRequireWritable("finops.set_issuer_policy()");
	check_choice("payment_terms_from", InvoiceTextArg(fcinfo, 3), starts, false);
	check_choice("tax_rounding", InvoiceTextArg(fcinfo, 4), roundings, false);
	check_choice("zero_invoices", InvoiceTextArg(fcinfo, 5), zeros, false);
	check_choice("credit_balances", InvoiceTextArg(fcinfo, 6), balances, false);
	FinopsBegin(&session);
	InvoiceCheckLanguage(InvoiceTextArg(fcinfo, 1));
	check_zone(InvoiceTextArg(fcinfo, 2));
	if (tax_currency != NULL && tax_currency[0] != '\0')
		(void) InvoiceCurrencyDigits(tax_currency);
	if (FINOPS_RUN("UPDATE finops.issuer i SET language = coalesce(nullif($2, ''), i.language),"
				   " time_zone = coalesce(nullif($3, ''), i.time_zone), payment_terms_from = coalesce($4, i.payment_terms_from),"
				   " tax_rounding = coalesce($5, i.tax_rounding), zero_invoices = coalesce($6, i.zero_invoices),"
				   " credit_balances = coalesce($7, i.credit_balances),"
				   " tax_currency = CASE WHEN $8 IS NULL THEN i.tax_currency ELSE nullif($8, '') END,"
				   " updated_at = now() WHERE i.issuer_id = $1"
				   " RETURNING to_jsonb(i.*)::text", ARG_TEXT(issuer), ARG_TEXT(InvoiceTextArg(fcinfo, 1)),
				   ARG_TEXT(InvoiceTextArg(fcinfo, 2)), ARG_TEXT(InvoiceTextArg(fcinfo, 3)),
				   ARG_TEXT(InvoiceTextArg(fcinfo, 4)),
				   ARG_TEXT(InvoiceTextArg(fcinfo, 5)), ARG_TEXT(InvoiceTextArg(fcinfo, 6)),
				   ARG_TEXT(tax_currency)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("unknown issuer \"%s\"", FinopsQuoteForMessage(issuer)),
				 errhint("Set the issuer up with finops.set_issuer() first.")));
	FinopsAudit(&session, "issuer_change", "issuer", issuer, FinopsText(0, 1));
	FINOPS_RUN("SELECT * FROM finops.issuer WHERE issuer_id = $1", ARG_TEXT(issuer));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
