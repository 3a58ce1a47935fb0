/*-------------------------------------------------------------------------
 *
 * plan_preview.c
 *	  What a tenant would be charged for a month, and how it comes about.
 *
 * The sources of charges compute as they do for documents; nothing is
 * rounded, converted, taxed or written.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/charge_plan.h"
#include "invoice/document.h"
#include "invoice/plan.h"

#include "utils/jsonb.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(finops_price_preview);

#define SHOWN_DIGITS	12		/* of an amount that is a ratio */
#define NCOLUMNS		11

static void
read_tenant(const char *tenant, InvoiceTenant *result)
{
	if (FINOPS_RUN("SELECT t.currency, coalesce(zb.language, zi.language, 'en'), " PLAN_ZONE ", coalesce(t.seats, 0)"
				   " FROM @s@.tenant_master t" PLAN_ZONE_JOIN("t.tenant_id") " WHERE t.tenant_id = $1", ARG_TEXT(tenant)) == 0)
		InvoiceRequireTenant(tenant);
	*result = (InvoiceTenant) {
		.tenant_id = tenant, .currency = FinopsText(0, 1), .language = FinopsText(0, 2),
		.time_zone = FinopsText(0, 3), .seats = (int) FinopsInt64(0, 4),
	};
}

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = text == NULL;
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/* num / den, exact where it is a decimal of few digits. */
static Datum
amount_of(const InvoiceCharge *charge)
{
	Datum		num = InvoiceNumeric((InvoiceDecimal) {charge->num, 0});
	Datum		den = InvoiceNumeric((InvoiceDecimal) {charge->den, 0});
	Datum		scaled = DirectFunctionCall2(numeric_mul, num,
		InvoiceNumeric((InvoiceDecimal) {INT64CONST(1000000000000), 0}));
	Datum		units = DirectFunctionCall2(numeric_round, DirectFunctionCall2(numeric_div, scaled,
		den), Int32GetDatum(0));

	return DirectFunctionCall1(numeric_trim_scale,
							   DirectFunctionCall2(numeric_mul, units,
								InvoiceNumeric((InvoiceDecimal) {1, SHOWN_DIGITS})));
}

static int
by_place(const void *a, const void *b)
{
	const InvoiceCharge *x = a;
	const InvoiceCharge *y = b;

	if (x->class != y->class)
		return x->class < y->class ? -1 : 1;
	return strcmp(x->sort_key == NULL ? "" : x->sort_key, y->sort_key == NULL ? "" : y->sort_key);
}

static void
put_charges(FunctionCallInfo fcinfo, const InvoiceCharges *charges)
{
	ReturnSetInfo *result;

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	for (int i = 0; i < charges->n; i++)
	{
		const InvoiceCharge *c = &charges->charge[i];
		Datum		values[NCOLUMNS];
		bool		nulls[NCOLUMNS] = {false};

		values[0] = Int32GetDatum(i + 1);
		values[1] = CStringGetTextDatum(c->line_type);
		values[2] = CStringGetTextDatum(c->description);
		values[3] = text_or_null(c->metric_code, &nulls[3]);
		values[4] = InvoiceNumeric(c->quantity);
		values[5] = text_or_null(c->unit, &nulls[5]);
		values[6] = c->has_unit_price ? InvoiceNumeric(c->unit_price) : (Datum) 0;
		nulls[6] = !c->has_unit_price;
		values[7] = amount_of(c);
		values[8] = CStringGetTextDatum(c->currency);
		values[9] = text_or_null(c->tax_category, &nulls[9]);
		nulls[10] = c->reference_ids == NULL;
		values[10] = nulls[10] ? (Datum) 0 : DirectFunctionCall1(jsonb_in, CStringGetDatum(c->reference_ids));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/*
 * finops.price_preview(tenant_id text, period date) -> table
 *
 * Amounts before rounding, to 12 decimals.  Usage is taken as it stands after
 * the last finops.refresh_usage().  Errors: 22004, 22023 for the period,
 * P0002 for an unknown tenant, 55000 for one that cannot be billed.
 */
Datum
finops_price_preview(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	InvoiceRun	run = {0};
	InvoiceTenant tenant;
	InvoiceCharges charges = {.run = &run, .tenant = &tenant};
	char	   *tenant_id = InvoiceRequiredText(fcinfo, 0, "tenant_id");
	DateADT		period = FinopsPeriodArg(fcinfo, 1);

	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	read_tenant(tenant_id, &tenant);
	InvoiceRunBegin(&run, period, tenant_id);
	InvoiceOpenSources(&run);
	InvoiceCollectCharges(&charges);
	InvoiceCloseSources();
	if (charges.problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tenant \"%s\" cannot be billed: %s", FinopsQuoteForMessage(tenant_id), charges.problem),
				 charges.call == NULL ? 0 : errhint("Call %s.", charges.call)));
	if (charges.n > 1)
		qsort(charges.charge, charges.n, sizeof(InvoiceCharge), by_place);
	put_charges(fcinfo, &charges);
	FinopsEnd(&session);
	return (Datum) 0;
}
