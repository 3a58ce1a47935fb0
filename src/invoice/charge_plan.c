/*-------------------------------------------------------------------------
 *
 * charge_plan.c
 *	  Charges for the plans that a tenant had in the month: the base price,
 *	  fees of the period, seats, commitments.
 *
 * The days or instants of a binding, without those of pauses, are spans of
 * the month; each is charged its exact share of the price of a full month.
 * The spans of one price, also under several plans, are rounded together, so
 * that they add up to the share of the whole, and to the full price where
 * they cover the month.
 *
 * Seats: within a month the highest number so far is charged, from the day
 * on which it was reached; seats given back count from the next month on.
 *
 * A plan's minimum and maximum hold for the base price, fees, seats and usage
 * together, in proportion to the days that are charged.  Where one of them
 * bites, all lines of the plan are rounded together with the true-up or the
 * reduction, so that they add up to it.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/charge_plan.h"
#include "invoice/plan.h"

#include "utils/datetime.h"
#include "utils/json.h"

/* microseconds from the local beginning of the month */
#define MICROSECONDS(instant) \
	"(extract(epoch FROM " instant " - ($1::timestamp AT TIME ZONE " PLAN_ZONE ")) * 1000000)::bigint"

static const char *const bindings_sql =
	"SELECT b.tenant_id, b.plan_code, b.binding_id::text, p.currency, p.base_price, p.markup_pct,"
	" greatest(b.period_start, $1) AS first_day, least(coalesce(b.period_end, $2 - 1), $2 - 1) AS last_day,"
	" b.period_start, p.proration, p.base_seats, coalesce(b.seats, -1), p.full_month_caps, p.pay_in_advance, p.tax_category,"
	" p.minimum_amount, p.maximum_amount, x.plan_code IS NOT NULL,"
	" CASE WHEN x.plan_code IS NULL THEN 0::bigint ELSE greatest(0, " MICROSECONDS("coalesce(b.starts_at, b.period_start::timestamp AT TIME ZONE " PLAN_ZONE ")") ") END,"
	" CASE WHEN x.plan_code IS NULL THEN 0::bigint WHEN b.period_end IS NULL AND b.ends_at IS NULL THEN " MICROSECONDS("($2::timestamp AT TIME ZONE " PLAN_ZONE ")")
	"  ELSE least(" MICROSECONDS("($2::timestamp AT TIME ZONE " PLAN_ZONE ")") ", " MICROSECONDS("coalesce(b.ends_at, (b.period_end + 1)::timestamp AT TIME ZONE " PLAN_ZONE ")") ") END,"
	" CASE WHEN x.plan_code IS NULL THEN 0::bigint ELSE " MICROSECONDS("($2::timestamp AT TIME ZONE " PLAN_ZONE ")") " END"
	" FROM @s@.tenant_plan_binding b JOIN @s@.plan_master p USING (plan_code)"
	" LEFT JOIN (SELECT s.plan_code FROM @s@.plan_master s WHERE s.proration = 'second'"
	"  UNION SELECT c.plan_code FROM finops.plan_price c WHERE c.proration = 'second') x ON x.plan_code = b.plan_code"
	PLAN_ZONE_JOIN("b.tenant_id")
	/* by second, a plan may end within the day on which the next one begins */
	" WHERE b.period_start < $2 AND (coalesce(b.period_end, $1) >= $1 OR (x.plan_code IS NOT NULL"
	"  AND b.period_end = $1 - 1 AND b.ends_at > $1::timestamp AT TIME ZONE " PLAN_ZONE "))"
	" AND b.tenant_id @tenant@ ORDER BY b.tenant_id COLLATE \"C\", first_day, b.period_start";

enum
{
	COL_TENANT = 1, COL_PLAN, COL_BINDING, COL_CURRENCY, COL_PRICE, COL_MARKUP, COL_FIRST, COL_LAST,
	COL_BOUND_FROM, COL_PRORATION, COL_BASE_SEATS, COL_SEATS, COL_FULL_CAPS, COL_ADVANCE, COL_TAX,
	COL_MINIMUM,
		COL_MAXIMUM,
	COL_BY_SECOND, COL_SECOND_START, COL_SECOND_END, COL_SECOND_LENGTH
};

static const char *const pauses_sql =
	"SELECT p.tenant_id, (p.paused_at AT TIME ZONE " PLAN_ZONE ")::date, coalesce((p.resumed_at AT TIME ZONE " PLAN_ZONE ")::date, $2),"
	" " MICROSECONDS("p.paused_at") ", " MICROSECONDS("coalesce(p.resumed_at, $2::timestamp AT TIME ZONE " PLAN_ZONE ")")
	" FROM finops.plan_pause p" PLAN_ZONE_JOIN("p.tenant_id")
	/* a day more on either side than any time zone needs */
	" WHERE p.paused_at < ($2 + 2)::timestamp AT TIME ZONE 'UTC' AND coalesce(p.resumed_at, 'infinity') > ($1 - 2)::timestamp AT TIME ZONE 'UTC'"
	" AND p.tenant_id @tenant@ ORDER BY p.tenant_id COLLATE \"C\", p.paused_at";

/* The last number before the month and those within it. */
static const char *const seats_sql =
	"SELECT c.tenant_id, greatest(c.from_date, $1), c.seats, greatest(0, " MICROSECONDS("(c.from_date::timestamp AT TIME ZONE " PLAN_ZONE ")") ")"
	" FROM finops.seat_count c" PLAN_ZONE_JOIN("c.tenant_id")
	" WHERE c.from_date < $2 AND c.tenant_id @tenant@"
	" AND NOT EXISTS (SELECT FROM finops.seat_count l WHERE l.tenant_id = c.tenant_id AND l.from_date > c.from_date AND l.from_date <= $1)"
	" ORDER BY c.tenant_id COLLATE \"C\", c.from_date";

/* Which of the other streams have rows at all. */
static const char *const flags_sql =
	"SELECT ''::text, EXISTS (SELECT FROM finops.plan_pause t WHERE t.tenant_id @tenant@ AND coalesce(t.resumed_at, 'infinity') > ($1 - 2)::timestamp AT TIME ZONE 'UTC'),"
	" EXISTS (SELECT FROM finops.seat_count t WHERE t.tenant_id @tenant@ AND t.from_date < $2),"
	" EXISTS (SELECT FROM finops.plan_price),"
	" EXISTS (SELECT FROM @s@.plan_metric_map m),"
	" EXISTS (SELECT FROM @s@.usage_snapshot_daily t WHERE t.tenant_id @tenant@ AND t.usage_date >= $1 AND t.usage_date < $2),"
	" EXISTS (SELECT FROM finops.usage_balance_entry t WHERE t.tenant_id @tenant@ AND t.period_start = $1),"
	" EXISTS (SELECT FROM finops.usage_event t WHERE t.tenant_id @tenant@ AND t.usage_date >= $1 AND t.usage_date < $2),"
	" EXISTS (SELECT FROM @s@.topup_ledger t WHERE t.tenant_id @tenant@ AND t.effective_from >= $1 AND t.effective_from < $2),"
	" EXISTS (SELECT FROM finops.late_usage t WHERE t.tenant_id @tenant@ AND t.usage_date >= $1 AND t.usage_date < $2)";

#define BOUND_PLANS "(SELECT b.plan_code FROM @s@.tenant_plan_binding b" \
	" WHERE b.period_start < $2 AND coalesce(b.period_end, $1) >= $1 - (b.ends_at IS NOT NULL)::int" \
	" AND ($3 IS NULL OR b.tenant_id = $3))"

static const char *const components_sql =
	"SELECT c.plan_code, c.component, c.basis, c.metric_code, c.included IS NOT NULL, c.proration, c.tax_category, c.description, "
	PLAN_PRICE_COLUMNS("c")
	" FROM finops.plan_price c WHERE c.plan_code IN " BOUND_PLANS
	" ORDER BY c.plan_code COLLATE \"C\", c.component COLLATE \"C\"";

static const char *const caps_sql =
	"SELECT m.plan_code, m.metric_code, m.effective_from, coalesce(m.effective_to, 'infinity'), m.cap_value, m.overage_unit_price"
	" FROM @s@.plan_metric_map m WHERE m.effective_from < $2 AND m.plan_code IN " BOUND_PLANS
	" ORDER BY m.plan_code COLLATE \"C\", m.metric_code COLLATE \"C\", m.effective_from";

/* ---------------------------------------------------------------------
 * What a run reads once
 * ---------------------------------------------------------------------
 */
static PlanProration
proration_of(const char *name)
{
	return strcmp(name, "second") == 0 ? PLAN_BY_SECOND :
		strcmp(name, "none") == 0 ? PLAN_IN_FULL : PLAN_BY_DAY;
}

static void
read_component(HeapTuple row, TupleDesc desc, PlanComponent *c)
{
	char	   *basis = SPI_getvalue(row, desc, 3);

	c->plan_code = SPI_getvalue(row, desc, 1);
	c->name = SPI_getvalue(row, desc, 2);
	c->basis = strcmp(basis, "period") == 0 ? PLAN_PERIOD : strcmp(basis, "seat") == 0 ? PLAN_SEAT : PLAN_USAGE;
	c->metric_code = SPI_getvalue(row, desc, 4);
	c->has_included = SPI_getvalue(row, desc, 5)[0] == 't';
	c->proration = proration_of(SPI_getvalue(row, desc, 6));
	c->tax_category = SPI_getvalue(row, desc, 7);
	c->description = SPI_getvalue(row, desc, 8);
	PlanReadPrice(row, desc, 9, &c->price);
}

static void
load_components(PlanCharges *state)
{
	uint64		n = FINOPS_RUN(components_sql, ARG_DATE(state->run->period),
		ARG_DATE(state->run->next), ARG_TEXT(state->run->tenant));
	MemoryContext old = MemoryContextSwitchTo(state->run->context);

	state->components = palloc0_array(PlanComponent, Max(n, 1));
	state->ncomponents = (int) n;
	for (uint64 i = 0; i < n; i++)
		read_component(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, &state->components[i]);
	MemoryContextSwitchTo(old);
}

static void
load_caps(PlanCharges *state)
{
	uint64		n = FINOPS_RUN(caps_sql, ARG_DATE(state->run->period), ARG_DATE(state->run->next),
		ARG_TEXT(state->run->tenant));
	MemoryContext old = MemoryContextSwitchTo(state->run->context);

	state->caps = palloc0_array(PlanCap, Max(n, 1));
	state->ncaps = (int) n;
	for (uint64 i = 0; i < n; i++)
	{
		PlanCap    *c = &state->caps[i];
		bool		isnull;
		Datum		overage;

		c->plan_code = FinopsText(i, 1);
		c->metric_code = FinopsText(i, 2);
		c->from = DatumGetDateADT(FinopsValue(i, 3, &isnull));
		c->to = DatumGetDateADT(FinopsValue(i, 4, &isnull));
		overage = FinopsValue(i, 6, &isnull);
		c->has_overage = !isnull;
		if (!PlanDecimal(FinopsValue(i, 5, &isnull), &c->cap) || (c->has_overage &&
			!PlanDecimal(overage, &c->overage)))
			PlanRefuseRange("a cap");
	}
	MemoryContextSwitchTo(old);
}

static void *
open_plans(const InvoiceRun *run)
{
	PlanCharges  *state = MemoryContextAllocZero(run->context, sizeof(PlanCharges));
	InvoiceStream *flags = InvoiceStreamOpen(run, flags_sql);
	bool		has[11] = {0};

	state->run = run;
	if (InvoiceStreamNext(flags))
		for (int i = 2; i < 11; i++)
			has[i] = InvoiceStreamInt(flags, i) != 0;
	InvoiceStreamClose(flags);
	if (has[4])
		load_components(state);
	if (has[5])
		load_caps(state);
	state->bindings = InvoiceStreamOpen(run, bindings_sql);
	if (has[2])
		state->pauses = InvoiceStreamOpen(run, pauses_sql);
	if (has[3])
		state->seats = InvoiceStreamOpen(run, seats_sql);
	UsageOpenStreams(state, (has[6] || has[10]) && (has[4] || has[5]), has[7],
					 (has[8] || has[10]) && has[4], has[9], has[10]);
	return state;
}

static void
close_plans(void *arg)
{
	PlanCharges  *state = arg;

	InvoiceStreamClose(state->bindings);
	if (state->pauses != NULL)
		InvoiceStreamClose(state->pauses);
	if (state->seats != NULL)
		InvoiceStreamClose(state->seats);
	UsageCloseStreams(state);
}

/* ---------------------------------------------------------------------
 * What a tenant had
 * ---------------------------------------------------------------------
 */

/* The components of a plan stand together. */
static void
find_components(PlanCharges *state, BoundPlan *plan)
{
	int			low = 0;
	int			high = state->ncomponents;

	while (low < high)
	{
		int			mid = (low + high) / 2;

		if (strcmp(state->components[mid].plan_code, plan->plan_code) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	plan->components = state->components + low;
	while (low + plan->ncomponents < state->ncomponents &&
		   strcmp(state->components[low + plan->ncomponents].plan_code, plan->plan_code) == 0)
		plan->ncomponents++;
}

static void
read_binding(PlanCharges *state, BoundPlan *plan)
{
	const InvoiceStream *rows = state->bindings;

	memset(plan, 0, sizeof(*plan));
	plan->plan_code = InvoiceStreamCopy(rows, COL_PLAN);
	plan->binding_id = InvoiceStreamCopy(rows, COL_BINDING);
	plan->currency = InvoiceStreamCopy(rows, COL_CURRENCY);
	plan->base_price = PlanFromInvoice(InvoiceStreamDecimal(rows, COL_PRICE));
	plan->markup_pct = InvoiceStreamDecimal(rows, COL_MARKUP);
	plan->first = InvoiceStreamDate(rows, COL_FIRST);
	plan->last = InvoiceStreamDate(rows, COL_LAST);
	plan->bound_from = InvoiceStreamDate(rows, COL_BOUND_FROM);
	plan->proration = proration_of(InvoiceStreamCopy(rows, COL_PRORATION));
	plan->base_seats = (int) InvoiceStreamInt(rows, COL_BASE_SEATS);
	plan->seats = (int) InvoiceStreamInt(rows, COL_SEATS);
	plan->full_month_caps = InvoiceStreamInt(rows, COL_FULL_CAPS) != 0;
	plan->in_advance = InvoiceStreamInt(rows, COL_ADVANCE) != 0;
	plan->tax_category = InvoiceStreamCopy(rows, COL_TAX);
	plan->minimum = PlanFromInvoice(InvoiceStreamDecimal(rows, COL_MINIMUM));
	plan->has_maximum = !InvoiceStreamIsNull(rows, COL_MAXIMUM);
	if (plan->has_maximum)
		plan->maximum = PlanFromInvoice(InvoiceStreamDecimal(rows, COL_MAXIMUM));
	plan->second_start = InvoiceStreamInt(rows, COL_SECOND_START);
	plan->second_end = InvoiceStreamInt(rows, COL_SECOND_END);
	plan->second_length = InvoiceStreamInt(rows, COL_SECOND_LENGTH);
	find_components(state, plan);
}

static void
read_bindings(PlanCharges *state, InvoiceCharges *charges)
{
	int			room = 0;

	state->bound = NULL;
	state->nbound = 0;
	InvoiceStreamSeek(state->bindings, charges->tenant->tenant_id);
	while (InvoiceStreamNext(state->bindings))
	{
		BoundPlan  *plan;

		if (state->nbound == room)
		{
			room = Max(4, 2 * room);
			state->bound = state->bound == NULL ? palloc_array(BoundPlan, room) :
				repalloc(state->bound, room * sizeof(BoundPlan));
		}
		plan = &state->bound[state->nbound++];
		read_binding(state, plan);
		if (state->nbound > 1 && plan->first <= plan[-1].last)
			InvoiceRefuse(charges, psprintf("two plans are bound on %s", PlanDayText(plan->first)),
						  psprintf("SELECT finops.bind_plan('%s', plan_code, from_date, to_date) so that no days overlap",
								   charges->tenant->tenant_id));
		charges->plan_code = plan->plan_code;
		charges->markup_pct = plan->markup_pct;
	}
}

static void
read_pauses(PlanCharges *state, const char *tenant)
{
	DateADT		period = state->run->period;

	state->npauses = 0;
	state->pause = NULL;
	if (state->pauses == NULL)
		return;
	InvoiceStreamSeek(state->pauses, tenant);
	while (InvoiceStreamNext(state->pauses))
	{
		PlanPause  *p;
		DateADT		from = InvoiceStreamDate(state->pauses, 2);
		DateADT		to = InvoiceStreamDate(state->pauses, 3);

		state->pause = state->pause == NULL ? palloc_array(PlanPause, 1) :
			repalloc(state->pause, (state->npauses + 1) * sizeof(PlanPause));
		p = &state->pause[state->npauses++];
		/* first and last are those of what remains before and after it */
		p->day = (PlanSpan) {from - period, to - period, to, from - 1};
		p->second = (PlanSpan) {InvoiceStreamInt(state->pauses, 4), InvoiceStreamInt(state->pauses,
			5), to, from};
	}
}

static void
read_seats(PlanCharges *state, const char *tenant)
{
	state->nseats = 0;
	state->seat = NULL;
	if (state->seats == NULL)
		return;
	InvoiceStreamSeek(state->seats, tenant);
	while (InvoiceStreamNext(state->seats))
	{
		DateADT		date = InvoiceStreamDate(state->seats, 2);

		state->seat = state->seat == NULL ? palloc_array(PlanSeats, 1) :
			repalloc(state->seat, (state->nseats + 1) * sizeof(PlanSeats));
		state->seat[state->nseats++] = (PlanSeats) {date - state->run->period,
			InvoiceStreamInt(state->seats, 4), date,
			(int) InvoiceStreamInt(state->seats, 3)};
	}
}

/* ---------------------------------------------------------------------
 * Spans
 * ---------------------------------------------------------------------
 */

/* What a pause leaves of spans; at most one more of them. */
static int
cut_spans(PlanSpan *spans, int n, PlanSpan pause)
{
	int			kept = 0;
	PlanSpan	after = {0, 0, 0, 0};

	for (int i = 0; i < n; i++)
	{
		PlanSpan	s = spans[i];

		if (pause.start >= s.end || pause.end <= s.start || pause.end <= pause.start)
		{
			spans[kept++] = s;
			continue;
		}
		if (pause.end < s.end)
			after = (PlanSpan) {pause.end, s.end, Max(pause.first, s.first), s.last};
		if (pause.start > s.start)
			spans[kept++] = (PlanSpan) {s.start, pause.start, s.first, Min(pause.last, s.last)};
	}
	if (after.end > after.start)
		spans[kept++] = after;
	return kept;
}

/*
 * The spans of the month for which a plan is charged; room for one more than
 * there are pauses.  Pauses come in their order, so the spans stay in theirs.
 */
static int
find_spans(const PlanCharges *state, const BoundPlan *plan, PlanProration proration,
		   PlanSpan **spans, int64 *length)
{
	const InvoiceRun *run = state->run;
	int			n = 1;

	*spans = palloc_array(PlanSpan, state->npauses + 2);
	if (proration == PLAN_IN_FULL)
	{
		*length = 1;
		(*spans)[0] = (PlanSpan) {0, 1, plan->first, plan->last};
		return plan->last >= plan->first;
	}
	if (proration == PLAN_BY_SECOND)
	{
		*length = plan->second_length;
		(*spans)[0] = (PlanSpan) {plan->second_start, plan->second_end, plan->first,
			Max(plan->first, plan->last)};
		n = plan->second_end > plan->second_start;
	}
	else
	{
		*length = run->next - run->period;
		(*spans)[0] = (PlanSpan) {plan->first - run->period, plan->last + 1 - run->period,
			plan->first, plan->last};
		n = plan->last >= plan->first;
	}
	for (int i = 0; i < state->npauses; i++)
		n = cut_spans(*spans, n, proration == PLAN_BY_SECOND ? state->pause[i].second : state->pause[i].day);
	return n;
}

/* ---------------------------------------------------------------------
 * Charges
 * ---------------------------------------------------------------------
 */
char *
PlanDayText(DateADT day)
{
	char		text[MAXDATELEN + 1];
	struct pg_tm tm = {0};

	j2date(day + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
	EncodeDateOnly(&tm, USE_ISO_DATES, text);
	return pstrdup(text);
}

/* Lines of one name are rounded together, whichever plan they are of. */
int
PlanRoundGroup(PlanCharges *state, const char *name)
{
	for (int i = 0; i < state->ngroups; i++)
		if (strcmp(state->group[i], name) == 0)
			return PLAN_FIRST_GROUP + i;
	state->group = state->group == NULL ? palloc_array(const char *, 1) :
		repalloc(state->group, (state->ngroups + 1) * sizeof(char *));
	state->group[state->ngroups] = name;
	return PLAN_FIRST_GROUP + state->ngroups++;
}

/* A new charge of a plan, which takes its currency and tax category. */
InvoiceCharge *
PlanAddCharge(PlanCharges *state, BoundPlan *plan, InvoiceCharges *charges)
{
	InvoiceCharge *charge = InvoiceAddCharge(charges);

	(void) state;
	plan->charges = plan->charges == NULL ? palloc_array(int, 8) :
		plan->ncharges % 8 != 0 ? plan->charges :
		repalloc(plan->charges, (plan->ncharges + 8) * sizeof(int));
	plan->charges[plan->ncharges++] = charges->n - 1;
	charge->currency = plan->currency;
	charge->tax_category = plan->tax_category;
	charge->service_start = plan->first;
	charge->service_end = Max(plan->first, plan->last);
	return charge;
}

/* price x part / length, in lowest digits. */
bool
PlanSetAmount(InvoiceCharges *charges, InvoiceCharge *charge, PriceDecimal price,
			  int64 part, int64 length)
{
	int128		power;

	price = PriceTrim(price);
	if (part == length)
		part = length = 1;
	if (InvoiceMultiply(price.units, part, &charge->num) &&
		InvoicePower10(price.scale, &power) && InvoiceMultiply(power, length, &charge->den))
		return true;
	charge->num = 0;
	charge->den = 1;
	InvoiceRefuse(charges, "a price of its plan has too many digits", "finops.set_plan_price() with fewer digits");
	return false;
}

void
PlanAddRefs(StringInfo refs, const BoundPlan *plan, const char *component)
{
	initStringInfo(refs);
	appendStringInfo(refs, "{\"binding_id\": \"%s\", \"plan_code\": ", plan->binding_id);
	escape_json(refs, plan->plan_code);
	if (component != NULL)
	{
		appendStringInfoString(refs, ", \"component\": ");
		escape_json(refs, component);
	}
}

void
PlanAddDecimalRef(StringInfo refs, const char *name, PriceDecimal value)
{
	char		text[PRICE_TEXT_MAX];

	PriceFormat(PriceTrim(value), text);
	appendStringInfo(refs, ", \"%s\": %s", name, text);
}

/* Quantity and unit of a part: days, or seconds to the microsecond. */
static void
set_part(InvoiceCharge *charge, PlanProration proration, const PlanSpan *span)
{
	PriceDecimal quantity = {span->end - span->start, proration == PLAN_BY_SECOND ? 6 : 0};

	charge->quantity = PlanToInvoice(PriceTrim(quantity));
	charge->unit = proration == PLAN_BY_SECOND ? "second" : "day";
}

static char *
part_text(const InvoiceCharges *charges, const char *phrase, const char *name, const char *value,
		  PlanProration proration, const PlanSpan *span, int64 length)
{
	if (proration == PLAN_BY_SECOND)
		return InvoiceText(charges->tenant, psprintf("%s_second", phrase), name, value, "from", PlanDayText(span->first),
						   "to", PlanDayText(span->last), NULL);
	return InvoiceText(charges->tenant, phrase, name, value, "from", PlanDayText(span->first), "to", PlanDayText(span->last),
					   "days", psprintf("%d", (int) (span->end - span->start)), "of", psprintf("%d", (int) length), NULL);
}

/* Parts of one price add up to it, whichever plan they are of. */
static char *
price_name(const BoundPlan *plan, const PlanComponent *component, PriceDecimal price)
{
	char		text[PRICE_TEXT_MAX];

	PriceFormat(PriceTrim(price), text);
	return psprintf("%s %s %s", text, plan->currency, component == NULL ? "" : component->name);
}

/* What a line of a fee is for: the base price (no component) or a component. */
static void
charge_fee(PlanCharges *state, BoundPlan *plan, const PlanComponent *component, PriceDecimal price,
		   InvoiceCharges *charges)
{
	PlanProration proration = component == NULL ? plan->proration : component->proration;
	const char *name = component == NULL ? plan->plan_code :
		component->description != NULL ? component->description : component->name;
	PlanSpan   *spans;
	int64		length;
	int			n = find_spans(state, plan, proration, &spans, &length);

	for (int i = 0; i < n; i++)
	{
		int64		part = spans[i].end - spans[i].start;
		InvoiceCharge *charge = PlanAddCharge(state, plan, charges);
		StringInfoData refs;

		charge->class = INVOICE_SUBSCRIPTION;
		charge->sort_key = psprintf("%s %s", PlanDayText(spans[i].first), component == NULL ? "" : component->name);
		charge->line_type = "subscription";
		charge->service_start = spans[i].first;
		charge->service_end = spans[i].last;
		charge->in_advance = plan->in_advance;
		if (component != NULL && component->tax_category != NULL)
			charge->tax_category = component->tax_category;
		PlanAddRefs(&refs, plan, component == NULL ? NULL : component->name);
		if (!PlanSetAmount(charges, charge, price, part, length))
			return;
		if (part == length)
		{
			charge->description = InvoiceText(charges->tenant, component == NULL ? "subscription" : "component",
											  component == NULL ? "plan" : "component", name, "month", charges->run->month, NULL);
			charge->unit = "month";
			charge->has_unit_price = true;
			charge->unit_price = PlanToInvoice(price);
		}
		else
		{
			charge->description = part_text(charges, component == NULL ? "subscription_part" : "component_part",
											component == NULL ? "plan" : "component", name, proration, &spans[i], length);
			set_part(charge, proration, &spans[i]);
			charge->round_group = PlanRoundGroup(state, price_name(plan, component, price));
		}
		if (proration == PLAN_BY_DAY)
			appendStringInfo(&refs, ", \"days\": %d", (int) part);
		appendStringInfoString(&refs, plan->in_advance ? ", \"advance\": true}" : "}");
		charge->reference_ids = refs.data;
	}
}

/* ---------------------------------------------------------------------
 * Seats
 * ---------------------------------------------------------------------
 */

/* One number of seats for one part of the month. */
static void
charge_seats_of(PlanCharges *state, BoundPlan *plan, const PlanComponent *component, int seats,
				PlanSpan span, int64 length, InvoiceCharges *charges)
{
	Price		price = component->price;
	PriceDecimal quantity = {seats, 0};
	PriceResult result;
	InvoiceCharge *charge;
	StringInfoData refs;
	const char *name = component->description != NULL ? component->description : component->name;

	if (!component->has_included)
		price.included = (PriceDecimal) {plan->base_seats, 0};
	if (PriceQuantity(&price, quantity, NULL, 0, &result) != PRICE_OK)
	{
		InvoiceRefuse(charges, "the price of its seats has too many digits", "finops.set_plan_price() with fewer digits");
		return;
	}
	if (result.total.units == 0)
		return;
	charge = PlanAddCharge(state, plan, charges);
	charge->class = INVOICE_SEAT;
	charge->sort_key = psprintf("%s %s", component->name, PlanDayText(span.first));
	charge->line_type = "seat";
	charge->unit = "seat";
	charge->quantity = PlanToInvoice(result.charged.units > 0 ? result.charged : quantity);
	charge->service_start = span.first;
	charge->service_end = span.last;
	charge->in_advance = plan->in_advance;
	if (component->tax_category != NULL)
		charge->tax_category = component->tax_category;
	charge->description = span.end - span.start == length ?
		InvoiceText(charges->tenant, "component", "component", name, "month", charges->run->month, NULL) :
		part_text(charges, "component_part", "component", name, component->proration, &span, length);
	charge->round_group = PlanRoundGroup(state, component->name);
	if (!PlanSetAmount(charges, charge, result.total, span.end - span.start, length))
		return;
	if (span.end - span.start == length && price.model == PRICE_STANDARD &&
		price.flat_fee.units == 0 && result.true_up.units == 0 && result.over_maximum.units == 0)
	{
		charge->has_unit_price = true;
		charge->unit_price = PlanToInvoice(price.unit_price);
	}
	PlanAddRefs(&refs, plan, component->name);
	appendStringInfo(&refs, ", \"seats\": %d%s}", seats, plan->in_advance ? ", \"advance\": true" : "");
	charge->reference_ids = refs.data;
}

/* How the highest number of seats so far grows in the month. */
static int
find_steps(const PlanCharges *state, const BoundPlan *plan, const InvoiceCharges *charges, PlanSeats **steps)
{
	int			n = 0;

	*steps = palloc_array(PlanSeats, state->nseats + 1);
	if (state->nseats == 0 || state->seat[0].day > 0)
		(*steps)[n++] = (PlanSeats) {0, 0, state->run->period, plan->seats >= 0 ?
			plan->seats : charges->tenant->seats};
	for (int i = 0; i < state->nseats; i++)
		if (n == 0 || state->seat[i].seats > (*steps)[n - 1].seats)
			(*steps)[n++] = state->seat[i];
	return n;
}

/* What of a span lies between a step and the next one. */
static PlanSpan
span_of_step(PlanSpan span, const PlanSeats *step, const PlanSeats *next, bool by_second)
{
	int64		from = by_second ? step->second : step->day;

	if (from > span.start)
	{
		span.start = from;
		span.first = step->date;
	}
	if (next != NULL)
	{
		int64		to = by_second ? next->second : next->day;

		if (to < span.end)
		{
			span.end = to;
			span.last = next->date - 1;
		}
	}
	return span;
}

static void
charge_seats(PlanCharges *state, BoundPlan *plan, const PlanComponent *component, InvoiceCharges *charges)
{
	PlanSpan   *spans;
	int64		length;
	int			n = find_spans(state, plan, component->proration, &spans, &length);
	PlanSeats  *steps;
	int			nsteps = find_steps(state, plan, charges, &steps);

	if (component->proration == PLAN_IN_FULL)
	{
		if (n > 0)
			charge_seats_of(state, plan, component, steps[nsteps - 1].seats, spans[0], length, charges);
		return;
	}
	for (int i = 0; i < n; i++)
		for (int k = 0; k < nsteps; k++)
		{
			PlanSpan	s = span_of_step(spans[i], &steps[k], k + 1 < nsteps ? &steps[k + 1] : NULL,
										 component->proration == PLAN_BY_SECOND);

			if (s.end > s.start)
				charge_seats_of(state, plan, component, steps[k].seats, s, length, charges);
		}
}

/* ---------------------------------------------------------------------
 * The source
 * ---------------------------------------------------------------------
 */
static void
charge_plans(void *arg, InvoiceCharges *charges)
{
	PlanCharges  *state = arg;

	state->group = NULL;
	state->ngroups = 0;
	read_bindings(state, charges);
	read_pauses(state, charges->tenant->tenant_id);
	read_seats(state, charges->tenant->tenant_id);
	for (int i = 0; i < state->nbound; i++)
	{
		BoundPlan  *plan = &state->bound[i];

		charge_fee(state, plan, NULL, plan->base_price, charges);
		for (int c = 0; c < plan->ncomponents; c++)
		{
			const PlanComponent *component = &plan->components[c];
			PriceDecimal fee;

			if (component->basis == PLAN_SEAT)
				charge_seats(state, plan, component, charges);
			else if (component->basis == PLAN_PERIOD &&
					 PriceAdd(component->price.flat_fee, component->price.unit_price, &fee))
				charge_fee(state, plan, component, fee, charges);
		}
	}
	UsageCharge(state, charges);
	UsageChargeTopups(state, charges);
}

/* ---------------------------------------------------------------------
 * Commitments
 * ---------------------------------------------------------------------
 */
typedef struct Ratio
{
	int128		num;
	int128		den;
} Ratio;

static int128
common_divisor(int128 a, int128 b)
{
	a = a < 0 ? -a : a;
	while (b != 0)
	{
		int128		rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static bool
add_ratio(Ratio *sum, int128 num, int128 den)
{
	int128		g = common_divisor(sum->den, den);
	int128		left;
	int128		right;

	if (!InvoiceMultiply(sum->num, den / g, &left) || !InvoiceMultiply(num, sum->den / g, &right) ||
		!InvoiceMultiply(sum->den / g, den, &sum->den))
		return false;
	sum->num = left + right;
	g = common_divisor(sum->num, sum->den);
	sum->num /= g;
	sum->den /= g;
	return true;
}

/* What the plan's charges fall short of an amount for the spans it is charged. */
static bool
find_gap(PlanCharges *state, const BoundPlan *plan, PriceDecimal amount,
	const InvoiceCharges *charges, Ratio *gap)
{
	PlanSpan   *spans;
	int64		length;
	int			n = find_spans(state, plan, plan->proration, &spans, &length);
	int64		part = 0;
	int128		power;

	*gap = (Ratio) {0, 1};
	amount = PriceTrim(amount);
	for (int i = 0; i < n; i++)
		part += spans[i].end - spans[i].start;
	if (!InvoiceMultiply(amount.units, part, &gap->num) || !InvoicePower10(amount.scale, &power) ||
		!InvoiceMultiply(power, length, &gap->den) || !add_ratio(gap, 0, 1))
		return false;
	for (int i = 0; i < plan->ncharges; i++)
	{
		const InvoiceCharge *c = &charges->charge[plan->charges[i]];

		if (!add_ratio(gap, -c->num, c->den))
			return false;
	}
	return true;
}

static void
add_commitment(PlanCharges *state, BoundPlan *plan, const char *phrase, PriceDecimal amount,
	Ratio gap, InvoiceCharges *charges)
{
	int			group = PlanRoundGroup(state, psprintf("commitment of %s", plan->binding_id));
	InvoiceCharge *charge;
	StringInfoData refs;

	for (int i = 0; i < plan->ncharges; i++)
		charges->charge[plan->charges[i]].round_group = group;
	charge = PlanAddCharge(state, plan, charges);
	charge->class = INVOICE_COMMITMENT;
	charge->sort_key = PlanDayText(plan->first);
	charge->line_type = "commitment";
	charge->description = InvoiceText(charges->tenant, phrase, "plan", plan->plan_code, "month", charges->run->month, NULL);
	charge->unit = "month";
	charge->round_group = group;
	charge->num = gap.num;
	charge->den = gap.den;
	PlanAddRefs(&refs, plan, NULL);
	PlanAddDecimalRef(&refs, "commitment", amount);
	appendStringInfoChar(&refs, '}');
	charge->reference_ids = refs.data;
}

static void
finish_plans(void *arg, InvoiceCharges *charges)
{
	PlanCharges  *state = arg;

	for (int i = 0; i < state->nbound; i++)
	{
		BoundPlan  *plan = &state->bound[i];
		Ratio		gap = {0, 1};
		bool		good = true;

		if (plan->minimum.units != 0)
			good = find_gap(state, plan, plan->minimum, charges, &gap);
		if (good && plan->minimum.units != 0 && gap.num > 0)
			add_commitment(state, plan, "true_up", plan->minimum, gap, charges);
		else if (good && plan->has_maximum)
		{
			good = find_gap(state, plan, plan->maximum, charges, &gap);
			if (good && gap.num < 0)
				add_commitment(state, plan, "over_maximum", plan->maximum, gap, charges);
		}
		if (!good)
			InvoiceRefuse(charges, psprintf("the commitment of plan %s has too many digits", plan->plan_code),
						  "finops.set_plan() with fewer digits");
	}
}

const InvoiceChargeSource InvoicePlanCharges = {
	.name = "plan", .open = open_plans, .charge = charge_plans, .finish = finish_plans, .close = close_plans,
};
