/*-------------------------------------------------------------------------
 *
 * charge_cost.c
 *	  Charges for allocated cost that is passed on, with the plan's markup.
 *
 * One line per service and currency.  The entries are read one by one in
 * the order of lines and added up here: a sum of integers costs a fraction
 * of a sum of numerics.  What adds up to 0 gives no line.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/charge.h"

#include "utils/json.h"

#define PASS_THROUGH	1		/* round group */

enum
{
	COL_TENANT = 1, COL_SERVICE, COL_CURRENCY, COL_RULE, COL_VERSION, COL_COST
};

/* One line while its entries come in. */
typedef struct CostLine
{
	char	   *service;
	char	   *currency;
	InvoiceDecimal sum;
	StringInfoData rules;		/* members of a JSON object */

	char	   *rule;
	int			version;
	InvoiceDecimal rule_sum;
} CostLine;

static void *
open_costs(const InvoiceRun *run)
{
	return InvoiceStreamOpen(run,
							 "SELECT f.tenant_id, f.service, f.currency, f.rule_id, f.rule_version, f.allocated_cost_usd"
							 " FROM @s@.fact_cost_allocated f WHERE f.period_start = $1 AND f.tenant_id @tenant@"
							 " ORDER BY f.tenant_id COLLATE \"C\", f.service COLLATE \"C\", f.currency COLLATE \"C\","
							 " f.rule_version, f.rule_id COLLATE \"C\"");
}

static bool
add_decimal(InvoiceDecimal *sum, InvoiceDecimal value)
{
	InvoiceDecimal *low = sum->scale < value.scale ? sum : &value;
	int			scale = Max(sum->scale, value.scale);
	int128		power;

	if (!InvoicePower10(scale - low->scale, &power) ||
		!InvoiceMultiply(low->units, power, &low->units))
		return false;
	low->scale = scale;
	sum->units += value.units;
	return sum->units < (((int128) 1) << 126) && sum->units > -(((int128) 1) << 126);
}

static void
refuse_digits(InvoiceCharges *charges, const char *service)
{
	InvoiceRefuse(charges, psprintf("cost of %s has too many digits", service),
				  psprintf("SELECT * FROM finops.explain_allocation('%s', '%s-01')",
						   charges->tenant->tenant_id, charges->run->month));
}

/* What a rule placed on the line is complete. */
static void
end_rule(CostLine *line)
{
	if (line->rule == NULL || line->rule_sum.units == 0)
		return;
	if (line->rules.len > 0)
		appendStringInfoString(&line->rules, ", ");
	escape_json(&line->rules, line->rule);
	appendStringInfo(&line->rules, ": %d", line->version);
}

static void
end_line(CostLine *line, InvoiceCharges *charges)
{
	InvoiceDecimal markup = InvoiceTrim(charges->markup_pct);
	InvoiceCharge *charge;
	StringInfoData refs;
	int128		power;
	int128		factor;

	if (line->service == NULL)
		return;
	end_rule(line);
	if (line->sum.units == 0)
		return;
	charge = InvoiceAddCharge(charges);
	charge->class = INVOICE_ALLOCATION;
	charge->sort_key = line->service;
	charge->line_type = "allocation";
	charge->service = line->service;
	charge->description = InvoiceText(charges->tenant, "allocation", "service", line->service, "month", charges->run->month, NULL);
	charge->currency = line->currency;
	charge->unit = "month";
	charge->round_group = PASS_THROUGH;
	charge->cost = line->sum;
	charge->cost_currency = line->currency;
	/* cost x (100 + markup) / 100 */
	charge->has_unit_price = true;
	charge->unit_price.scale = line->sum.scale + markup.scale + 2;
	if (!InvoicePower10(markup.scale, &factor) ||
		!InvoiceMultiply(line->sum.units, 100 * factor + markup.units, &charge->num) ||
		!InvoicePower10(charge->unit_price.scale, &power))
		refuse_digits(charges, line->service);
	else
		charge->den = power;
	charge->unit_price.units = charge->num;
	refs = (StringInfoData) {palloc0(128), 0, 128, 0};
	appendStringInfoString(&refs, "{\"rules\": {");
	appendBinaryStringInfo(&refs, line->rules.data, line->rules.len);
	appendStringInfoString(&refs, "}, \"service\": ");
	escape_json(&refs, line->service);
	appendStringInfoChar(&refs, '}');
	charge->reference_ids = refs.data;
}

/* Whether a column of the current row holds this text. */
static bool
same_text(const InvoiceStream *rows, int column, const char *text)
{
	Datum		value = InvoiceStreamDatum(rows, column);
	struct varlena *v = PG_DETOAST_DATUM_PACKED(value);
	size_t		len = VARSIZE_ANY_EXHDR(v);

	return text != NULL && strlen(text) == len && memcmp(VARDATA_ANY(v), text, len) == 0;
}

static void
charge_costs(void *state, InvoiceCharges *charges)
{
	InvoiceStream *rows = state;
	CostLine	line = {0};

	InvoiceStreamSeek(rows, charges->tenant->tenant_id);
	while (InvoiceStreamNext(rows))
	{
		int			version = (int) InvoiceStreamInt(rows, COL_VERSION);
		InvoiceDecimal cost = InvoiceStreamDecimal(rows, COL_COST);

		if (!same_text(rows, COL_SERVICE, line.service) || !same_text(rows, COL_CURRENCY, line.currency))
		{
			end_line(&line, charges);
			line = (CostLine) {0};
			line.service = InvoiceStreamCopy(rows, COL_SERVICE);
			line.currency = InvoiceStreamCopy(rows, COL_CURRENCY);
			line.rules = (StringInfoData) {palloc0(64), 0, 64, 0};
		}
		if (version != line.version || !same_text(rows, COL_RULE, line.rule))
		{
			end_rule(&line);
			line.rule = InvoiceStreamCopy(rows, COL_RULE);
			line.version = version;
			line.rule_sum = (InvoiceDecimal) {0, 0};
		}
		if (!add_decimal(&line.sum, cost) || !add_decimal(&line.rule_sum, cost))
			refuse_digits(charges, line.service);
	}
	end_line(&line, charges);
}

static void
close_costs(void *state)
{
	InvoiceStreamClose(state);
}

const InvoiceChargeSource InvoiceCostCharges = {
	.name = "cost", .open = open_costs, .charge = charge_costs, .close = close_costs,
};
