/*-------------------------------------------------------------------------
 *
 * tax_rates.c
 *	  Tax rates as data, and how the tenants of a run are taxed.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"
#include "invoice/tax.h"

PG_FUNCTION_INFO_V1(finops_set_tax_rate);
PG_FUNCTION_INFO_V1(finops_set_tax_code);

#define LINE_TYPES "'subscription', 'seat', 'topup', 'overage', 'usage', 'commitment', 'allocation', 'adjustment', 'credit', 'rounding'"

/*
 * finops.set_tax_rate(jurisdiction text, rate_pct numeric, valid_from date,
 *	tax_code text DEFAULT 'standard', name text DEFAULT 'VAT',
 *	compound boolean DEFAULT false)
 *	-> finops.tax_rate
 *
 * A tax rate from a day on; documents that are issued keep theirs.  Errors:
 * 22004 for NULL, 22023 for blank texts, an infinite day, and a rate that is
 * not from 0 to 100 with at most 6 decimals.
 */
Datum
finops_set_tax_rate(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *jurisdiction = InvoiceRequiredText(fcinfo, 0, "jurisdiction");
	char	   *tax_code = InvoiceRequiredText(fcinfo, 3, "tax_code");
	char	   *name = InvoiceRequiredText(fcinfo, 4, "name");
	FinopsArg	rate = InvoiceDatumArg(fcinfo, 1, NUMERICOID);

	FinopsRequireArg(fcinfo, 1, "rate_pct");
	FinopsRequireArg(fcinfo, 2, "valid_from");
	FinopsRequireArg(fcinfo, 5, "compound");
	FinopsCheckDay(PG_GETARG_DATEADT(2), "valid_from");
	FinopsRequireWritable("finops.set_tax_rate()");
	FinopsBegin(&session);
	FINOPS_RUN("SELECT $1 >= 0 AND $1 <= 100 AND scale(trim_scale($1)) <= 6, $1::text", rate);
	if (strcmp(FinopsText(0, 1), "f") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid rate_pct %s", FinopsText(0, 2)),
				 errdetail("A rate is a percentage from 0 to 100 with at most 6 decimals.")));
	if (FINOPS_RUN("INSERT INTO finops.tax_rate AS r (jurisdiction, rate_pct, valid_from, tax_code, name, compound)"
				   " VALUES ($1, trim_scale($2), $3, $4, $5, $6) ON CONFLICT (jurisdiction, tax_code, name, valid_from)"
				   " DO UPDATE SET rate_pct = EXCLUDED.rate_pct, compound = EXCLUDED.compound, set_at = now()"
				   " WHERE r.rate_pct <> EXCLUDED.rate_pct OR r.compound <> EXCLUDED.compound RETURNING to_jsonb(r.*)::text",
				   ARG_TEXT(jurisdiction), rate, ARG_DATE(PG_GETARG_DATEADT(2)), ARG_TEXT(tax_code),
				   ARG_TEXT(name),
				   ARG_BOOL(PG_GETARG_BOOL(5))) > 0)
		FinopsAudit(&session, "tax_rate_change", "jurisdiction", jurisdiction, FinopsText(0, 1));
	FINOPS_RUN("SELECT * FROM finops.tax_rate WHERE jurisdiction = $1 AND tax_code = $2 AND name = $3 AND valid_from = $4",
			   ARG_TEXT(jurisdiction), ARG_TEXT(tax_code), ARG_TEXT(name), ARG_DATE(PG_GETARG_DATEADT(2)));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.set_tax_code(line_type text, tax_code text, service text DEFAULT NULL)
 *	-> finops.tax_code
 *
 * Errors: 22004 for NULL, 22023 for blank texts and an unknown type of line.
 */
Datum
finops_set_tax_code(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *line_type = InvoiceRequiredText(fcinfo, 0, "line_type");
	char	   *tax_code = InvoiceRequiredText(fcinfo, 1, "tax_code");
	char	   *service = InvoiceTextArg(fcinfo, 2);

	FinopsRequireWritable("finops.set_tax_code()");
	FinopsBegin(&session);
	if (FINOPS_RUN("SELECT WHERE $1 IN (" LINE_TYPES ")", ARG_TEXT(line_type)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown line_type \"%s\"", FinopsQuoteForMessage(line_type)),
				 errdetail("There are subscription, seat, topup, overage, usage, commitment, allocation, adjustment, credit and rounding.")));
	if (FINOPS_RUN("INSERT INTO finops.tax_code AS c (line_type, service, tax_code) VALUES ($1, coalesce($2, ''), $3)"
				   " ON CONFLICT (line_type, service) DO UPDATE SET tax_code = EXCLUDED.tax_code"
				   " WHERE c.tax_code <> EXCLUDED.tax_code RETURNING to_jsonb(c.*)::text",
				   ARG_TEXT(line_type), ARG_TEXT(service), ARG_TEXT(tax_code)) > 0)
		FinopsAudit(&session, "tax_code_change", "line_type", line_type, FinopsText(0, 1));
	FINOPS_RUN("SELECT * FROM finops.tax_code WHERE line_type = $1 AND service = coalesce($2, '')",
			   ARG_TEXT(line_type), ARG_TEXT(service));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * Tenants share few profiles, so each profile is judged once for each kind of
 * supply, and tenants join on theirs.
 */
void
InvoiceStageTax(DateADT day, const char *tenant)
{
	FINOPS_STAGE("inv_tax_profile",
				 "SELECT DISTINCT coalesce(t.tax_profile, '{}') - 'tax_id' AS profile FROM @s@.tenant_master t"
				 " WHERE $1 IS NULL OR t.tenant_id = $1", ARG_TEXT(tenant));
	FINOPS_STAGE("inv_tax",
				 "SELECT p.profile, c.tax_code, x.category, x.rate, x.parts, x.inclusive, x.reason_code, x.reason, x.missing"
				 " FROM inv_tax_profile p"
				 " CROSS JOIN (SELECT 'standard' AS tax_code UNION SELECT c.tax_code FROM finops.tax_code c) c"
				 " CROSS JOIN LATERAL finops.tax_of(p.profile, $1, c.tax_code) x", ARG_DATE(day));
}
