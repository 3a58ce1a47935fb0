/*-------------------------------------------------------------------------
 *
 * generate_text.c
 *	  One line of a generated bill as CSV in the columns of AWS CUR 2.0.
 *
 * CUR 2.0 orders its columns by name and carries tags and product attributes
 * as JSON maps.  Amounts are printed as AWS prints doubles: the shortest
 * digits, with an exponent below 10^-3 ("6.72E-8"), and a zero as "0.0".
 * No field holds a backslash, a tab or a line break, so that COPY in text
 * format passes lines through unchanged.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/generate.h"

static const char header[] =
	"bill_bill_type,bill_billing_entity,bill_billing_period_end_date,"
	"bill_billing_period_start_date,bill_invoice_id,bill_invoicing_entity,"
	"bill_payer_account_id,bill_payer_account_name,cost_category,discount,"
	"identity_line_item_id,identity_time_interval,line_item_availability_zone,"
	"line_item_blended_cost,line_item_blended_rate,line_item_currency_code,"
	"line_item_legal_entity,line_item_line_item_description,"
	"line_item_line_item_type,line_item_operation,line_item_product_code,"
	"line_item_resource_id,line_item_tax_type,line_item_unblended_cost,"
	"line_item_unblended_rate,line_item_usage_account_id,"
	"line_item_usage_account_name,line_item_usage_amount,"
	"line_item_usage_end_date,line_item_usage_start_date,line_item_usage_type,"
	"pricing_public_on_demand_cost,pricing_public_on_demand_rate,pricing_term,"
	"pricing_unit,product,product_instance_type,product_product_family,"
	"product_region_code,product_servicecode,product_sku,"
	"reservation_amortized_upfront_cost_for_usage,"
	"reservation_amortized_upfront_fee_for_billing_period,"
	"reservation_effective_cost,reservation_end_time,"
	"reservation_recurring_fee_for_usage,reservation_reservation_a_r_n,"
	"reservation_start_time,reservation_total_reserved_units,"
	"reservation_unused_amortized_upfront_fee_for_billing_period,"
	"reservation_unused_quantity,reservation_unused_recurring_fee,"
	"reservation_upfront_value,resource_tags,"
	"savings_plan_amortized_upfront_commitment_for_billing_period,"
	"savings_plan_offering_type,savings_plan_payment_option,"
	"savings_plan_recurring_commitment_for_billing_period,"
	"savings_plan_savings_plan_a_r_n,savings_plan_savings_plan_effective_cost,"
	"savings_plan_savings_plan_rate,savings_plan_total_commitment_to_date,"
	"savings_plan_used_commitment";

const char *
GenBillHeader(void)
{
	return header;
}

static char *
put(char *p, const char *s)
{
	size_t		len = strlen(s);

	memcpy(p, s, len);
	return p + len;
}

/* A field that needs no quoting. */
static char *
put_field(char *p, const char *s)
{
	p = put(p, s);
	*p++ = ',';
	return p;
}

static char *
put_quoted(char *p, const char *s)
{
	if (*s != '\0')
	{
		*p++ = '"';
		for (; *s != '\0'; s++)
		{
			if (*s == '"')
				*p++ = '"';
			*p++ = *s;
		}
		*p++ = '"';
	}
	*p++ = ',';
	return p;
}

/* Decimal digits of v, at least min of them. */
static char *
put_digits(char *p, uint64 v, int min)
{
	char		digits[20];
	int			n = 0;

	while (v > 0 || n < min)
	{
		digits[n++] = (char) ('0' + v % 10);
		v /= 10;
	}
	while (n > 0)
		*p++ = digits[--n];
	return p;
}

/* "6.72E-8" of an amount below 10^-3, that is of v < 10^7. */
static char *
put_small(char *p, uint64 v)
{
	int			exponent = -10;
	uint64		unit = 1;

	while (v / unit >= 10)
	{
		unit *= 10;
		exponent++;
	}
	p = put_digits(p, v / unit, 1);
	*p++ = '.';
	v %= unit;
	if (v == 0)
		*p++ = '0';
	for (unit /= 10; unit > 0 && v > 0; unit /= 10)
	{
		*p++ = (char) ('0' + v / unit);
		v %= unit;
	}
	*p++ = 'E';
	*p++ = '-';
	return put_digits(p, (uint64) -exponent, 1);
}

/* Writes no terminator; at most 22 characters. */
size_t
GenWriteAmount(int64 amount, char *out)
{
	char	   *p = out;
	uint64		v = amount < 0 ? -(uint64) amount : (uint64) amount;
	uint64		fraction = v % GEN_ONE;

	if (amount < 0)
		*p++ = '-';
	if (v > 0 && v < 10000000)
		return (size_t) (put_small(p, v) - out);
	p = put_digits(p, v / GEN_ONE, 1);
	*p++ = '.';
	p = put_digits(p, fraction, 10);
	while (p[-1] == '0' && p[-2] != '.')
		p--;
	return (size_t) (p - out);
}

static char *
put_amount(char *p, int64 amount)
{
	p += GenWriteAmount(amount, p);
	*p++ = ',';
	return p;
}

/* A rate has ten decimals, always. */
static char *
put_rate(char *p, int64 rate)
{
	uint64		v = rate < 0 ? -(uint64) rate : (uint64) rate;

	if (rate < 0)
		*p++ = '-';
	p = put_digits(p, v / GEN_ONE, 1);
	*p++ = '.';
	p = put_digits(p, v % GEN_ONE, 10);
	*p++ = ',';
	return p;
}

static char *
put_if(char *p, bool present, int64 amount)
{
	if (present)
		return put_amount(p, amount);
	*p++ = ',';
	return p;
}

/* "2018-10-01T00:00:00.000Z" without its milliseconds. */
static char *
put_second(char *p, const char *stamp)
{
	memcpy(p, stamp, 19);
	p[19] = 'Z';
	return p + 20;
}

static char *
put_bill(char *p, const GenLine *line)
{
	p = put_field(p, line->bill_type);
	p = put_field(p, line->billing_entity);
	p = put_field(p, line->period_end);
	p = put_field(p, line->period_start);
	p = put_field(p, line->invoice);
	p = put_quoted(p, line->invoicing_entity);
	p = put_field(p, line->payer);
	p = put_field(p, line->payer_name);
	p = put(p, "{},{},");
	p = put_field(p, line->id);
	p = put_second(p, line->start);
	*p++ = '/';
	p = put_second(p, line->end);
	*p++ = ',';
	return p;
}

static char *
put_line_item(char *p, const GenLine *line)
{
	p = put_field(p, line->zone);
	p = put_amount(p, line->cost);
	if (line->priced)
		p = put_rate(p, line->rate);
	else
		*p++ = ',';
	p = put(p, "USD,\"Amazon Web Services, Inc.\",");
	p = put_quoted(p, line->description);
	p = put_field(p, line->type);
	p = put_field(p, line->operation);
	p = put_field(p, line->product->code);
	p = put_field(p, line->resource);
	p = put_field(p, line->tax_type);
	p = put_amount(p, line->cost);
	if (line->priced)
		p = put_rate(p, line->rate);
	else
		*p++ = ',';
	p = put_field(p, line->account);
	p = put_field(p, line->account_name);
	p = put_if(p, line->priced, line->quantity);
	p = put_field(p, line->end);
	p = put_field(p, line->start);
	return put_field(p, line->usage_type);
}

static char *
put_product(char *p, const GenLine *line)
{
	p = put_if(p, line->priced, line->list_cost);
	if (line->priced)
		p = put_rate(p, line->list_rate);
	else
		*p++ = ',';
	p = put_field(p, line->term);
	p = put_field(p, line->unit);
	p = put(p, "\"{\"\"product_name\"\":\"\"");
	p = put(p, line->product->name);
	p = put(p, "\"\"}\",");
	p = put_field(p, line->instance_type);
	p = put_field(p, line->family);
	p = put_field(p, line->region);
	p = put_field(p, line->product->servicecode);
	return put_field(p, line->sku);
}

static char *
put_reservation(char *p, const GenLine *line)
{
	bool		present = line->reservation_arn[0] != '\0';

	p = put_if(p, present, line->ri_amortized_usage);
	p = put_if(p, present, line->ri_amortized_period);
	p = put_if(p, present, line->ri_effective);
	p = put_field(p, present ? line->term_end : "");
	p = put_if(p, present, line->ri_recurring_usage);
	p = put_field(p, line->reservation_arn);
	p = put_field(p, present ? line->term_start : "");
	p = put_if(p, present, line->ri_total_units);
	p = put_if(p, present, line->ri_unused_amortized);
	p = put_if(p, present, line->ri_unused_quantity);
	p = put_if(p, present, line->ri_unused_recurring);
	return put_if(p, present, line->ri_upfront_value);
}

static char *
put_savings_plan(char *p, const GenLine *line)
{
	bool		present = line->plan_arn[0] != '\0';

	p = put_if(p, present, line->sp_amortized);
	p = put_field(p, present ? "ComputeSavingsPlans" : "");
	p = put_field(p, present ? line->plan_option : "");
	p = put_if(p, present, line->sp_recurring);
	p = put_field(p, line->plan_arn);
	p = put_if(p, present, line->sp_effective);
	p = put_if(p, present, line->sp_rate);
	p = put_if(p, present, line->sp_total);
	p = put_if(p, present, line->sp_used);
	return p - 1;				/* the last field has no comma */
}

size_t
GenWriteLine(const GenLine *line, char *out)
{
	char	   *p = out;

	p = put_bill(p, line);
	p = put_line_item(p, line);
	p = put_product(p, line);
	p = put_reservation(p, line);
	p = put_quoted(p, line->tags);
	p = put_savings_plan(p, line);
	return (size_t) (p - out);
}
