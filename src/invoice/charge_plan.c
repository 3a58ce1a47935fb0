/*-------------------------------------------------------------------------
 *
 * charge_plan.c
 *	  Charges for the plans that a tenant had in the month.
 *
 * One line per binding: the price of the full month for the days bound, as
 * an exact share.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/charge.h"

#include "utils/datetime.h"
#include "utils/json.h"

enum
{
	COL_TENANT = 1, COL_PLAN, COL_BINDING, COL_CURRENCY, COL_PRICE, COL_MARKUP, COL_FIRST, COL_LAST
};

static void *
open_plans(const InvoiceRun *run)
{
	return InvoiceStreamOpen(run,
							 "SELECT b.tenant_id, b.plan_code, b.binding_id::text, p.currency, p.base_price, p.markup_pct,"
							 " greatest(b.period_start, $1) AS first_day, least(coalesce(b.period_end, $2 - 1), $2 - 1) AS last_day"
							 " FROM @s@.tenant_plan_binding b JOIN @s@.plan_master p USING (plan_code)"
							 " WHERE b.period_start < $2 AND coalesce(b.period_end, $1) >= $1 AND b.tenant_id @tenant@"
							 " ORDER BY b.tenant_id COLLATE \"C\", first_day");
}

static char *
day_text(DateADT day)
{
	char		text[MAXDATELEN + 1];
	struct pg_tm tm = {0};

	j2date(day + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
	EncodeDateOnly(&tm, USE_ISO_DATES, text);
	return pstrdup(text);
}

static void
add_subscription(const InvoiceStream *rows, InvoiceCharges *charges)
{
	const InvoiceRun *run = charges->run;
	DateADT		first = InvoiceStreamDate(rows, COL_FIRST);
	DateADT		last = InvoiceStreamDate(rows, COL_LAST);
	int			days = last - first + 1;
	int			of = run->next - run->period;
	InvoiceDecimal price = InvoiceStreamDecimal(rows, COL_PRICE);
	char	   *plan = InvoiceStreamCopy(rows, COL_PLAN);
	InvoiceCharge *charge = InvoiceAddCharge(charges);
	StringInfoData refs;
	int128		power;

	charge->class = INVOICE_SUBSCRIPTION;
	charge->sort_key = day_text(first);
	charge->line_type = "subscription";
	charge->currency = InvoiceStreamCopy(rows, COL_CURRENCY);
	if (!InvoiceMultiply(price.units, days, &charge->num) ||
		!InvoicePower10(price.scale, &power) || !InvoiceMultiply(power, of, &charge->den))
		InvoiceRefuse(charges, psprintf("price of plan %s has too many digits", plan),
					  "finops.set_plan()");
	if (days == of)
	{
		charge->description = InvoiceText(charges->tenant, "subscription", "plan", plan, "month", run->month, NULL);
		charge->unit = "month";
		charge->has_unit_price = true;
		charge->unit_price = price;
	}
	else
	{
		charge->description = InvoiceText(charges->tenant, "subscription_part", "plan", plan, "from", charge->sort_key,
										  "to", day_text(last), "days", psprintf("%d", days), "of", psprintf("%d", of), NULL);
		charge->unit = "day";
		charge->quantity.units = days;
	}
	charge->service_start = first;
	charge->service_end = last;
	initStringInfo(&refs);
	appendStringInfo(&refs, "{\"binding_id\": \"%s\", \"plan_code\": ", InvoiceStreamCopy(rows, COL_BINDING));
	escape_json(&refs, plan);
	appendStringInfo(&refs, ", \"days\": %d}", days);
	charge->reference_ids = refs.data;
	charges->plan_code = plan;
	charges->markup_pct = InvoiceStreamDecimal(rows, COL_MARKUP);
}

static void
charge_plans(void *state, InvoiceCharges *charges)
{
	InvoiceStream *rows = state;
	DateADT		last = 0;
	bool		any = false;

	InvoiceStreamSeek(rows, charges->tenant->tenant_id);
	while (InvoiceStreamNext(rows))
	{
		if (any && InvoiceStreamDate(rows, COL_FIRST) <= last)
			InvoiceRefuse(charges, psprintf("two plans are bound on %s", day_text(InvoiceStreamDate(rows, COL_FIRST))),
						  psprintf("SELECT finops.bind_plan('%s', plan_code, from_date, to_date) so that no days overlap",
								   charges->tenant->tenant_id));
		any = true;
		last = InvoiceStreamDate(rows, COL_LAST);
		add_subscription(rows, charges);
	}
}

static void
close_plans(void *state)
{
	InvoiceStreamClose(state);
}

const InvoiceChargeSource InvoicePlanCharges = {
	.name = "plan", .open = open_plans, .charge = charge_plans, .close = close_plans,
};
