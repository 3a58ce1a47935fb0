/*-------------------------------------------------------------------------
 *
 * charge_usage.c
 *	  Charges for usage beyond what is prepaid and included, and for top-ups.
 *
 * Metrics whose days add up are charged plan by plan: the usage of the days
 * of a binding, by that plan's components, less what its days include.  The
 * value of a peak or a mean is one for the month; the plan of the last bound
 * day prices it.  What was drawn on prepaid lots is taken off first, in the
 * order of the plans.
 *
 * A component without an allowance of its own includes the plan's cap of the
 * metric, for a part of the month in proportion to its days (6 decimals).  A
 * metric without component is charged beyond the cap where the cap has an
 * overage price.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/charge_plan.h"
#include "invoice/plan.h"
#include "invoice/usage.h"

#include "utils/json.h"

#define MAX_PARTS	64			/* steps of a computation that a line tells */

#define PRICED_METRICS \
	"(SELECT c.metric_code FROM finops.plan_price c WHERE c.metric_code IS NOT NULL" \
	" UNION SELECT m.metric_code FROM @s@.plan_metric_map m WHERE m.overage_unit_price IS NOT NULL)"

/* One row for each binding where days add up, else one for the month. */
#define USAGE_SQL(days) \
	"SELECT u.tenant_id, u.metric_code, c.unit, u.bound_from, " USAGE_VALUE("c.aggregation", "u.metric_value", "") \
	" FROM (SELECT s.tenant_id, s.metric_code, s.metric_value," \
	"   CASE WHEN " USAGE_ADDS_UP("x.aggregation") " THEN b.period_start END AS bound_from" \
	"  FROM " days " s JOIN @s@.metric_catalog x USING (metric_code)" \
	"  JOIN @s@.tenant_plan_binding b ON b.tenant_id = s.tenant_id AND s.usage_date >= b.period_start AND s.usage_date <= coalesce(b.period_end, 'infinity')" \
	"  WHERE s.usage_date >= $1 AND s.usage_date < $2 AND s.tenant_id @tenant@ AND s.metric_code IN " PRICED_METRICS ") u" \
	" JOIN @s@.metric_catalog c USING (metric_code)" \
	" GROUP BY u.tenant_id, u.metric_code, c.unit, c.aggregation, u.bound_from" \
	" ORDER BY u.tenant_id COLLATE \"C\", u.metric_code COLLATE \"C\", u.bound_from"

/*
 * The days of a month as they are known now: what was recorded late, unless
 * the month was opened again and the day recorded since.
 */
#define LATE_DAYS \
	"(SELECT coalesce(l.tenant_id, d.tenant_id) AS tenant_id, coalesce(l.metric_code, d.metric_code) AS metric_code," \
	" coalesce(l.usage_date, d.usage_date) AS usage_date," \
	" CASE WHEN d.last_updated_at >= l.recorded_at THEN d.metric_value ELSE coalesce(l.metric_value, d.metric_value) END AS metric_value" \
	" FROM (SELECT * FROM @s@.usage_snapshot_daily WHERE usage_date >= $1 AND usage_date < $2) d" \
	" FULL JOIN (SELECT DISTINCT ON (x.tenant_id, x.metric_code, x.usage_date) x.* FROM finops.late_usage x" \
	"  WHERE x.usage_date >= $1 AND x.usage_date < $2 ORDER BY x.tenant_id, x.metric_code, x.usage_date, x.late_id DESC) l" \
	" ON l.tenant_id = d.tenant_id AND l.metric_code = d.metric_code AND l.usage_date = d.usage_date)"

static const char *const usage_sql = USAGE_SQL("@s@.usage_snapshot_daily");
static const char *const late_usage_sql = USAGE_SQL(LATE_DAYS);

static const char *const drawn_sql =
	"SELECT e.tenant_id, e.metric_code, -sum(e.quantity) FROM finops.usage_balance_entry e"
	" WHERE e.kind = 'drawdown' AND e.period_start = $1 AND e.tenant_id @tenant@"
	" GROUP BY e.tenant_id, e.metric_code HAVING sum(e.quantity) <> 0 ORDER BY e.tenant_id COLLATE \"C\"";

#define EVENTS_SQL(events) \
	"SELECT e.tenant_id, e.metric_code, e.usage_date, e.quantity, e.unit_price FROM " events " e" \
	" WHERE e.usage_date >= $1 AND e.usage_date < $2 AND e.tenant_id @tenant@" \
	" AND e.metric_code IN (SELECT c.metric_code FROM finops.plan_price c WHERE c.model IN ('percentage', 'dynamic'))" \
	" ORDER BY e.tenant_id COLLATE \"C\", e.occurred_at, e.event_id COLLATE \"C\""

static const char *const events_sql = EVENTS_SQL("finops.usage_event");
static const char *const late_events_sql =
	EVENTS_SQL("(SELECT * FROM finops.usage_event UNION ALL SELECT l.tenant_id, l.event_id, l.metric_code, l.usage_date, l.occurred_at,"
			   " l.quantity, l.unit_price, l.recorded_at FROM finops.late_usage l WHERE l.event_id IS NOT NULL)");

static const char *const topups_sql =
	"SELECT l.tenant_id, l.topup_id, l.sku_code, l.metric_code, l.quantity, l.unit_price, l.currency, l.effective_from, l.effective_to"
	" FROM @s@.topup_ledger l WHERE l.effective_from >= $1 AND l.effective_from < $2 AND l.status = 'active' AND l.tenant_id @tenant@"
	" ORDER BY l.tenant_id COLLATE \"C\", l.effective_from, l.topup_id COLLATE \"C\"";

/* A metric's use of prepaid lots, still to be taken off usage. */
typedef struct Drawn
{
	char	   *metric_code;
	PriceDecimal left;
} Drawn;

typedef struct Event
{
	char	   *metric_code;
	DateADT		day;
	PriceTransaction value;
} Event;

/* What the tenant at hand used. */
typedef struct TenantUsage
{
	Drawn	   *drawn;
	int			ndrawn;
	Event	   *events;
	int			nevents;
} TenantUsage;

/* One metric of one plan. */
typedef struct UsageLine
{
	const char *metric_code;
	const char *unit;
	bool		adds_up;
	PriceDecimal value;
	PriceDecimal prepaid;
	PriceDecimal included;
} UsageLine;

void
UsageOpenStreams(PlanCharges *state, bool usage, bool drawn, bool events, bool topups, bool late)
{
	if (usage)
		state->usage = InvoiceStreamOpen(state->run, late ? late_usage_sql : usage_sql);
	if (drawn)
		state->drawn = InvoiceStreamOpen(state->run, drawn_sql);
	if (events)
		state->events = InvoiceStreamOpen(state->run, late ? late_events_sql : events_sql);
	if (topups)
		state->topups = InvoiceStreamOpen(state->run, topups_sql);
}

void
UsageCloseStreams(PlanCharges *state)
{
	InvoiceStream *const streams[] = {state->usage, state->drawn, state->events, state->topups};

	for (size_t i = 0; i < lengthof(streams); i++)
		if (streams[i] != NULL)
			InvoiceStreamClose(streams[i]);
}

static void
read_drawn(PlanCharges *state, TenantUsage *usage, const char *tenant)
{
	if (state->drawn == NULL)
		return;
	InvoiceStreamSeek(state->drawn, tenant);
	while (InvoiceStreamNext(state->drawn))
	{
		usage->drawn = usage->drawn == NULL ? palloc_array(Drawn, 1) :
			repalloc(usage->drawn, (usage->ndrawn + 1) * sizeof(Drawn));
		usage->drawn[usage->ndrawn].metric_code = InvoiceStreamCopy(state->drawn, 2);
		usage->drawn[usage->ndrawn++].left = PlanFromInvoice(InvoiceStreamDecimal(state->drawn, 3));
	}
}

static void
read_events(PlanCharges *state, TenantUsage *usage, const char *tenant)
{
	int			room = 0;

	if (state->events == NULL)
		return;
	InvoiceStreamSeek(state->events, tenant);
	while (InvoiceStreamNext(state->events))
	{
		Event	   *event;

		if (usage->nevents == room)
		{
			room = Max(16, 2 * room);
			usage->events = usage->events == NULL ? palloc_array(Event, room) :
				repalloc_huge(usage->events, room * sizeof(Event));
		}
		event = &usage->events[usage->nevents++];
		event->metric_code = InvoiceStreamCopy(state->events, 2);
		event->day = InvoiceStreamDate(state->events, 3);
		event->value.quantity = PlanFromInvoice(InvoiceStreamDecimal(state->events, 4));
		event->value.price = InvoiceStreamIsNull(state->events, 5) ? (PriceDecimal) {0, 0} :
			PlanFromInvoice(InvoiceStreamDecimal(state->events, 5));
	}
}

/* Take what was drawn off the usage of a plan. */
static void
take_prepaid(TenantUsage *usage, UsageLine *line)
{
	for (int i = 0; i < usage->ndrawn; i++)
	{
		Drawn	   *d = &usage->drawn[i];

		if (strcmp(d->metric_code, line->metric_code) != 0)
			continue;
		line->prepaid = PriceCompare(d->left, line->value) < 0 ? d->left : line->value;
		if (!PriceSubtract(d->left, line->prepaid, &d->left))
			PlanRefuseRange("prepaid usage");
	}
}

/* The cap of a metric that holds on the plan's last day of the month. */
static const PlanCap *
find_cap(const PlanCharges *state, const BoundPlan *plan, const char *metric)
{
	const PlanCap *found = NULL;
	int			low = 0;
	int			high = state->ncaps;

	while (low < high)
	{
		int			mid = (low + high) / 2;

		if (strcmp(state->caps[mid].plan_code, plan->plan_code) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < state->ncaps && strcmp(state->caps[low].plan_code, plan->plan_code) == 0; low++)
		if (strcmp(state->caps[low].metric_code, metric) == 0 &&
			state->caps[low].from <= plan->last && state->caps[low].to >= plan->last)
			found = &state->caps[low];
	return found;
}

/* What a full month includes, for the days that are charged. */
static PriceDecimal
share_of_month(const PlanCharges *state, const BoundPlan *plan, bool adds_up, PriceDecimal units)
{
	const InvoiceRun *run = state->run;
	int			of = run->next - run->period;
	int			days = plan->last - plan->first + 1;
	PriceDecimal factor;
	int128		rounded;

	if (!adds_up)
	{
		days = 0;
		for (int i = 0; i < state->nbound; i++)
			days += state->bound[i].last - state->bound[i].first + 1;
	}
	if (plan->full_month_caps || days >= of || units.units == 0)
		return units;
	factor = (PriceDecimal) {days, 0};
	if (!PriceMultiply(units, factor, &units) || !PriceRoundRatio(units, of, 6, &rounded))
		PlanRefuseRange("an included quantity");
	return (PriceDecimal) {rounded, 6};
}

static PriceStatus
compute(const TenantUsage *usage, const BoundPlan *plan, const UsageLine *line, const Price *price,
		PriceDecimal quantity, PricePart *parts, PriceResult *result)
{
	PriceTransaction *transactions;
	size_t		n = 0;

	if (price->model != PRICE_PERCENTAGE && price->model != PRICE_DYNAMIC)
		return PriceQuantity(price, quantity, parts, MAX_PARTS, result);
	transactions = palloc_array(PriceTransaction, Max(usage->nevents, 1));
	for (int i = 0; i < usage->nevents; i++)
		if (strcmp(usage->events[i].metric_code, line->metric_code) == 0 &&
			(!line->adds_up || (usage->events[i].day >= plan->first && usage->events[i].day <= plan->last)))
			transactions[n++] = usage->events[i].value;
	/* usage by day only: the month is one transaction */
	if (n == 0 && price->model == PRICE_PERCENTAGE)
		return PriceQuantity(price, quantity, NULL, 0, result);
	return PriceTransactions(price, transactions, n, result);
}

static char *
refs_of(const BoundPlan *plan, const char *component, const UsageLine *line,
	const PriceResult *result, const PricePart *parts)
{
	StringInfoData refs;

	PlanAddRefs(&refs, plan, component);
	PlanAddDecimalRef(&refs, "usage", line->value);
	if (line->prepaid.units != 0)
		PlanAddDecimalRef(&refs, "prepaid", line->prepaid);
	if (line->included.units != 0)
		PlanAddDecimalRef(&refs, "included", line->included);
	PlanAddDecimalRef(&refs, "charged", result->charged);
	if (result->nparts > 0 && parts[0].tier > 0)
	{
		appendStringInfoString(&refs, ", \"tiers\": [");
		for (int i = 0; i < result->nparts; i++)
		{
			appendStringInfo(&refs, "%s{\"tier\": %d", i > 0 ? ", " : "", parts[i].tier);
			PlanAddDecimalRef(&refs, "quantity", parts[i].quantity);
			PlanAddDecimalRef(&refs, "unit_price", parts[i].unit_price);
			if (parts[i].flat_fee.units != 0)
				PlanAddDecimalRef(&refs, "flat_fee", parts[i].flat_fee);
			PlanAddDecimalRef(&refs, "amount", parts[i].amount);
			appendStringInfoChar(&refs, '}');
		}
		appendStringInfoChar(&refs, ']');
	}
	appendStringInfoChar(&refs, '}');
	return refs.data;
}

/* A line of a usage charge; amounts of nothing make none. */
static InvoiceCharge *
add_line(PlanCharges *state, BoundPlan *plan, const PlanComponent *component, const UsageLine *line,
		 InvoiceLineClass class, const char *line_type, const char *phrase, PriceDecimal amount,
			InvoiceCharges *charges)
{
	const char *name = component == NULL ? line->metric_code : component->description != NULL ?
		component->description : component->name;
	InvoiceCharge *charge = PlanAddCharge(state, plan, charges);

	charge->class = class;
	charge->sort_key = psprintf("%s %s %s", line->metric_code, PlanDayText(plan->first), component == NULL ? "" : component->name);
	charge->line_type = line_type;
	charge->metric_code = line->metric_code;
	charge->unit = "month";
	charge->description = InvoiceText(charges->tenant, phrase, "component", name, "metric", line->metric_code,
									  "month", charges->run->month, NULL);
	if (component != NULL && component->tax_category != NULL)
		charge->tax_category = component->tax_category;
	(void) PlanSetAmount(charges, charge, amount, 1, 1);
	return charge;
}

/* Quantity and unit price as the line shows them. */
static void
set_units(InvoiceCharge *charge, const Price *price, const UsageLine *line,
	const PriceResult *result, const PricePart *parts)
{
	charge->unit = line->unit;
	charge->quantity = PlanToInvoice(PriceTrim(result->charged));
	if (result->nparts != 1 || parts[0].flat_fee.units != 0)
		return;
	charge->has_unit_price = true;
	charge->unit_price = PlanToInvoice(parts[0].unit_price);
	charge->quantity = PlanToInvoice(PriceTrim(parts[0].quantity));
	if (price->model == PRICE_PACKAGE)
	{
		char		text[PRICE_TEXT_MAX];

		PriceFormat(PriceTrim(price->package_size), text);
		charge->unit = psprintf("%s %s", text, line->unit);
	}
}

/*
 * What a computation comes to: the fee, the usage, and what a minimum adds or
 * a maximum takes, rounded together where there is one.
 */
static void
add_lines(PlanCharges *state, BoundPlan *plan, const PlanComponent *component, const UsageLine *line,
		  const Price *price, const PriceResult *result, const PricePart *parts, InvoiceCharges *charges)
{
	bool		limited = result->true_up.units != 0 || result->over_maximum.units != 0;
	int			group = limited && component != NULL ? PlanRoundGroup(state, psprintf("%s %s", plan->binding_id, component->name)) : 0;
	char	   *refs = refs_of(plan, component == NULL ? NULL : component->name, line, result, parts);
	PriceDecimal usage;
	PriceDecimal change;
	InvoiceCharge *charge;

	if (!PriceSubtract(result->amount, price->flat_fee, &usage) ||
		!PriceSubtract(result->true_up, result->over_maximum, &change))
		PlanRefuseRange("a charge");
	if (price->flat_fee.units != 0)
	{
		charge = add_line(state, plan, component, line, INVOICE_USAGE, "usage", "component", price->flat_fee, charges);
		charge->has_unit_price = true;
		charge->unit_price = PlanToInvoice(price->flat_fee);
		charge->reference_ids = refs;
		charge->round_group = group;
	}
	if (usage.units != 0)
	{
		bool		overage = component == NULL || line->included.units != 0;

		charge = add_line(state, plan, component, line, overage ? INVOICE_OVERAGE : INVOICE_USAGE,
						  overage ? "overage" : "usage", component == NULL ? "overage" : "usage", usage, charges);
		set_units(charge, price, line, result, parts);
		charge->reference_ids = refs;
		charge->round_group = group;
	}
	if (limited)
	{
		charge = add_line(state, plan, component, line, INVOICE_COMMITMENT, "commitment",
						  change.units > 0 ? "component_minimum" : "component_maximum", change, charges);
		charge->reference_ids = refs;
		charge->round_group = group;
	}
}

static void
charge_component(PlanCharges *state, BoundPlan *plan, const PlanComponent *component, const Price *given,
				 const TenantUsage *usage, UsageLine *line, InvoiceCharges *charges)
{
	Price		price = *given;
	PricePart	parts[MAX_PARTS];
	PriceResult result;
	PriceDecimal quantity;

	line->included = price.included = share_of_month(state, plan, line->adds_up, price.included);
	if (!PriceSubtract(line->value, line->prepaid, &quantity))
		PlanRefuseRange("usage");
	switch (compute(usage, plan, line, &price, quantity, parts, &result))
	{
		case PRICE_OK:
			add_lines(state, plan, component, line, &price, &result, parts, charges);
			break;
		case PRICE_NEGATIVE:
			InvoiceRefuse(charges, psprintf("usage of %s is negative", line->metric_code),
						  psprintf("SELECT finops.record_usage('%s', '%s', value, day) for the days below zero",
								   charges->tenant->tenant_id, line->metric_code));
			break;
		case PRICE_RANGE:
			InvoiceRefuse(charges, psprintf("the price of %s has too many digits", line->metric_code),
						  "finops.set_plan_price() with fewer digits");
			break;
	}
}

/* A metric under a plan, by each component that prices it or beyond its cap. */
static void
charge_metric(PlanCharges *state, BoundPlan *plan, TenantUsage *usage, UsageLine *line,
	InvoiceCharges *charges)
{
	const PlanCap *cap = find_cap(state, plan, line->metric_code);
	bool		priced = false;

	take_prepaid(usage, line);
	for (int i = 0; i < plan->ncomponents; i++)
	{
		const PlanComponent *component = &plan->components[i];
		Price		price = component->price;

		if (component->basis != PLAN_USAGE || strcmp(component->metric_code, line->metric_code) != 0)
			continue;
		priced = true;
		if (!component->has_included && cap != NULL && price.model != PRICE_PERCENTAGE)
			price.included = cap->cap;
		charge_component(state, plan, component, &price, usage, line, charges);
	}
	if (!priced && cap != NULL && cap->has_overage)
	{
		Price		price = {.model = PRICE_STANDARD, .unit_price = cap->overage, .included = cap->cap};

		charge_component(state, plan, NULL, &price, usage, line, charges);
	}
}

/* The fixed part of components of metrics without any usage in the month. */
static void
charge_unused(PlanCharges *state, BoundPlan *plan, const bool *used, TenantUsage *usage,
	InvoiceCharges *charges)
{
	if (plan->last < plan->first)
		return;					/* it ends within the first day, which is the next plan's */
	for (int i = 0; i < plan->ncomponents; i++)
	{
		const PlanComponent *component = &plan->components[i];
		UsageLine	line = {.metric_code = component->metric_code, .unit = "unit", .adds_up = true};

		if (component->basis == PLAN_USAGE && !used[i] &&
			(component->price.flat_fee.units != 0 || component->price.minimum.units != 0))
			charge_component(state, plan, component, &component->price, usage, &line, charges);
	}
}

static void
mark_used(const BoundPlan *plan, const char *metric, bool *used)
{
	for (int i = 0; i < plan->ncomponents; i++)
		if (plan->components[i].basis == PLAN_USAGE && strcmp(plan->components[i].metric_code, metric) == 0)
			used[i] = true;
}

/* The plan that a row of usage belongs to. */
static int
plan_of_row(const PlanCharges *state, bool adds_up)
{
	if (!adds_up)
		return state->nbound - 1;
	for (int i = 0; i < state->nbound; i++)
		if (state->bound[i].bound_from == InvoiceStreamDate(state->usage, 4))
			return i;
	return -1;
}

void
UsageCharge(PlanCharges *state, InvoiceCharges *charges)
{
	TenantUsage usage = {0};
	bool	  **used;

	if (state->nbound == 0 || (state->usage == NULL && state->ncomponents == 0))
		return;
	used = palloc_array(bool *, state->nbound);
	for (int i = 0; i < state->nbound; i++)
		used[i] = palloc0_array(bool, Max(state->bound[i].ncomponents, 1));
	read_drawn(state, &usage, charges->tenant->tenant_id);
	read_events(state, &usage, charges->tenant->tenant_id);
	if (state->usage != NULL)
		InvoiceStreamSeek(state->usage, charges->tenant->tenant_id);
	while (state->usage != NULL && InvoiceStreamNext(state->usage))
	{
		UsageLine	line = {
			.metric_code = InvoiceStreamCopy(state->usage, 2),
			.unit = InvoiceStreamCopy(state->usage, 3),
			.adds_up = !InvoiceStreamIsNull(state->usage, 4),
			.value = PriceTrim(PlanFromInvoice(InvoiceStreamDecimal(state->usage, 5))),
		};
		int			at = plan_of_row(state, line.adds_up);

		if (at < 0)
			continue;
		charge_metric(state, &state->bound[at], &usage, &line, charges);
		mark_used(&state->bound[at], line.metric_code, used[at]);
	}
	for (int i = 0; i < state->nbound; i++)
		charge_unused(state, &state->bound[i], used[i], &usage, charges);
}

void
UsageChargeTopups(PlanCharges *state, InvoiceCharges *charges)
{
	if (state->topups == NULL)
		return;
	InvoiceStreamSeek(state->topups, charges->tenant->tenant_id);
	while (InvoiceStreamNext(state->topups))
	{
		const InvoiceStream *rows = state->topups;
		InvoiceCharge *charge = InvoiceAddCharge(charges);
		PriceDecimal price = PlanFromInvoice(InvoiceStreamDecimal(rows, 6));
		PriceDecimal quantity = {InvoiceStreamInt(rows, 5), 0};
		PriceDecimal amount;
		StringInfoData refs;

		if (!PriceMultiply(price, quantity, &amount))
			PlanRefuseRange("a top-up");
		charge->class = INVOICE_TOPUP;
		charge->service_start = InvoiceStreamDate(rows, 8);
		charge->service_end = InvoiceStreamDate(rows, 9);
		charge->sort_key = psprintf("%s %s", PlanDayText(charge->service_start), InvoiceStreamCopy(rows, 2));
		charge->line_type = "topup";
		charge->metric_code = InvoiceStreamCopy(rows, 4);
		charge->description = InvoiceText(charges->tenant, "topup", "sku", InvoiceStreamCopy(rows, 3),
										  "day", PlanDayText(charge->service_start), NULL);
		charge->currency = InvoiceStreamCopy(rows, 7);
		charge->quantity = PlanToInvoice(quantity);
		charge->unit = "piece";
		charge->has_unit_price = true;
		charge->unit_price = PlanToInvoice(price);
		(void) PlanSetAmount(charges, charge, amount, 1, 1);
		initStringInfo(&refs);
		appendStringInfoString(&refs, "{\"topup_id\": ");
		escape_json(&refs, InvoiceStreamCopy(rows, 2));
		appendStringInfoString(&refs, ", \"sku_code\": ");
		escape_json(&refs, InvoiceStreamCopy(rows, 3));
		appendStringInfoChar(&refs, '}');
		charge->reference_ids = refs.data;
	}
}
