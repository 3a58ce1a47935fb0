/*-------------------------------------------------------------------------
 *
 * charge_late.c
 *	  Charges for usage that came after its month was billed.
 *
 * A month with an issued invoice whose usage changed since is rated again,
 * all of it, with the prices of that month.  What is billed for it already,
 * on its own invoice and as late usage on later documents, is taken off, and
 * the difference stands on the document at hand for the original service
 * period (late.h).  Lines are matched by type, metric, binding, component and
 * unit.  A difference of one minor unit at the same quantity is rounding of
 * lines that were rounded together, not usage.
 *
 * Credit notes do not count: what was given back is not billed again.  An
 * invoice that was replaced does not count, its revision does.  Months that
 * have no invoice yet are still computed as a whole; a locked one gets none
 * any more, so that what is recorded of it later is billed in the same way.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/charge.h"
#include "invoice/document.h"
#include "invoice/late.h"

#include "utils/jsonb.h"

/*
 * $1: first day of the run's period, $2: how many months back, $3: the tenant
 * of a run for one.  Both are kept, so that a run without late usage costs
 * next to nothing.
 */
#define CHANGED_SQL(tenant) \
	"SELECT DISTINCT h.tenant_id, h.period_start, h.currency" \
	" FROM (SELECT s.tenant_id, s.usage_date, s.last_updated_at FROM @s@.usage_snapshot_daily s" \
	"  UNION ALL SELECT l.tenant_id, l.usage_date, l.recorded_at FROM finops.late_usage l) u" \
	" JOIN @s@.invoice_header h ON h.tenant_id = u.tenant_id" \
	"  AND h.period_start = date_trunc('month', u.usage_date::timestamp)::date AND h.kind = 'invoice'" \
	"  AND h.status IN ('issued', 'paid')" \
	" WHERE u.usage_date < $1 AND u.usage_date >= ($1 - $2 * interval '1 month')::date" tenant \
	" AND u.last_updated_at > h.issued_at" \
	" AND NOT EXISTS (SELECT FROM finops.invoice_replacement r WHERE r.invoice_id = h.invoice_id)" \
	" UNION SELECT u.tenant_id, p.period_start, t.currency FROM finops.late_usage u" \
	" JOIN @s@.period_lock p ON p.period_start = date_trunc('month', u.usage_date::timestamp)::date AND p.state = 'LOCKED'" \
	" JOIN @s@.tenant_master t ON t.tenant_id = u.tenant_id" \
	" WHERE u.usage_date < $1 AND u.usage_date >= ($1 - $2 * interval '1 month')::date" tenant \
	" AND NOT EXISTS (SELECT FROM @s@.invoice_header h WHERE h.tenant_id = u.tenant_id AND h.period_start = p.period_start" \
	"  AND h.kind = 'invoice' AND h.status IN ('issued', 'paid')" \
	"  AND NOT EXISTS (SELECT FROM finops.invoice_replacement r WHERE r.invoice_id = h.invoice_id))"

static const char *const changed_sql = CHANGED_SQL("");
static const char *const changed_of_tenant_sql = CHANGED_SQL(" AND u.tenant_id = $3");

#define KEY_SQL \
	"concat_ws('|', l.line_type, l.metric_code, l.reference_ids ->> 'binding_id', l.reference_ids ->> 'component', l.unit)"

/*
 * What is billed for the usage of those months; one without billed usage has
 * a row without key.
 */
static const char *const billed_sql =
	"SELECT t.tenant_id, t.period_start, t.currency, " KEY_SQL ","
	"  sum(l.quantity), (array_agg(l.unit_price ORDER BY l.billed_in DESC, l.line_no DESC))[1], sum(coalesce(l.gross_amount, l.amount)),"
	"  (array_agg(l.description ORDER BY l.billed_in, l.line_no))[1],"
	"  (array_agg(l.reference_ids::text ORDER BY l.billed_in, l.line_no))[1],"
	"  min(l.line_type), min(l.metric_code), min(l.unit)"
	" FROM inv_late t LEFT JOIN (SELECT d.*, h.period_start AS billed_in"
	"  FROM @s@.invoice_detail d JOIN @s@.invoice_header h USING (invoice_id)"
	"  WHERE h.kind = 'invoice' AND h.status <> 'void' AND h.period_start < $1 AND d.metric_code IS NOT NULL"
	"   AND d.line_type IN ('usage', 'overage', 'commitment')"
	"   AND NOT EXISTS (SELECT FROM finops.invoice_replacement r WHERE r.invoice_id = h.invoice_id)) l"
	"  ON l.tenant_id = t.tenant_id AND coalesce(l.service_period_start, l.billed_in) >= t.period_start"
	"  AND coalesce(l.service_period_start, l.billed_in) < (t.period_start + interval '1 month')::date"
	" GROUP BY 1, 2, 3, 4 ORDER BY t.tenant_id COLLATE \"C\", t.period_start, " KEY_SQL " COLLATE \"C\"";

typedef struct LateRow
{
	char	   *tenant_id;
	DateADT		month;
	char	   *currency;
	LateLine	line;			/* source: own index */
	char	   *description;
	char	   *refs;
	char	   *line_type;
	char	   *metric_code;
	char	   *unit;
} LateRow;

/* A month that some tenant has late usage in. */
typedef struct LateMonth
{
	InvoiceRun	run;
	void	   *plans;
} LateMonth;

typedef struct LateState
{
	const InvoiceRun *run;
	int			nrows;
	LateRow    *rows;
	int			next;			/* first row of the tenants to come */
	int			nmonths;
	LateMonth  *months;
} LateState;

/* Minor units of an amount num / den in a currency; false when out of range. */
static bool
minor_units(int128 num, int128 den, int digits, int64 *units)
{
	int128		power;
	int128		rounded;

	if (!InvoicePower10(digits, &power) || !InvoiceMultiply(num, power, &num))
		return false;
	rounded = TaxDivide(num, den);
	*units = (int64) rounded;
	return (int128) *units == rounded;
}

static LateDecimal
decimal_column(uint64 row, int column)
{
	bool		isnull;
	Datum		value = FinopsValue(row, column, &isnull);
	InvoiceDecimal decoded = {0, 0};

	if (!isnull && !InvoiceDecodeNumeric(value, &decoded))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a billed quantity or price has too many digits")));
	return (LateDecimal) {decoded.units, decoded.scale};
}

static void
read_row(const InvoiceRun *run, LateRow *row, uint64 i)
{
	const InvoiceRate *rate;
	LateDecimal amount;
	int128		den;
	bool		isnull;

	row->tenant_id = FinopsText(i, 1);
	row->month = DatumGetDateADT(FinopsValue(i, 2, &isnull));
	row->currency = FinopsText(i, 3);
	row->line = (LateLine) {FinopsText(i, 4), decimal_column(i, 5), decimal_column(i, 6), 0, (int) i};
	row->description = FinopsText(i, 8);
	row->refs = FinopsText(i, 9);
	row->line_type = FinopsText(i, 10);
	row->metric_code = FinopsText(i, 11);
	row->unit = FinopsText(i, 12);
	amount = decimal_column(i, 7);
	rate = InvoiceFindRate(run, row->currency);
	if (rate == NULL || !InvoicePower10(amount.scale, &den) ||
		!minor_units(amount.units, den, rate->digits, &row->line.amount))
		elog(ERROR, "billed usage of \"%s\" is out of range", row->tenant_id);
}

static LateMonth *
find_month(LateState *state, DateADT period)
{
	for (int i = 0; i < state->nmonths; i++)
		if (state->months[i].run.period == period)
			return &state->months[i];
	return NULL;
}

static void
add_month(LateState *state, DateADT period)
{
	LateMonth  *month;

	if (find_month(state, period) != NULL)
		return;
	state->months = state->months == NULL ? palloc_array(LateMonth, 1) :
		repalloc(state->months, (state->nmonths + 1) * sizeof(LateMonth));
	month = &state->months[state->nmonths++];
	month->run = *state->run;
	month->run.period = period;
	month->run.next = FinopsPeriodEnd(period);
	month->run.month = FinopsPeriodText(period);
}

static void *
open_late(const InvoiceRun *run)
{
	MemoryContext old;
	LateState  *state;
	uint64		n;

	if (finops_late_usage_months == 0)
		return NULL;
	if (run->tenant == NULL)
	{
		if (FINOPS_RUN_KEPT(changed_sql, ARG_DATE(run->period), ARG_INT4(finops_late_usage_months)) == 0)
			return NULL;
		FINOPS_STAGE("inv_late", changed_sql, ARG_DATE(run->period), ARG_INT4(finops_late_usage_months));
	}
	else
	{
		if (FINOPS_RUN_KEPT(changed_of_tenant_sql, ARG_DATE(run->period), ARG_INT4(finops_late_usage_months),
							ARG_TEXT(run->tenant)) == 0)
			return NULL;
		FINOPS_STAGE("inv_late", changed_of_tenant_sql, ARG_DATE(run->period),
					 ARG_INT4(finops_late_usage_months), ARG_TEXT(run->tenant));
	}
	n = FINOPS_RUN(billed_sql, ARG_DATE(run->period));
	old = MemoryContextSwitchTo(run->context);
	state = palloc0_object(LateState);
	state->run = run;
	state->nrows = (int) n;
	state->rows = palloc0_array(LateRow, n);
	for (uint64 i = 0; i < n; i++)
		read_row(run, &state->rows[i], i);
	for (int i = 0; i < state->nrows; i++)
		add_month(state, state->rows[i].month);
	for (int i = 0; i < state->nmonths; i++)
	{
		InvoiceLoadRates(&state->months[i].run);
		state->months[i].plans = InvoicePlanCharges.open(&state->months[i].run);
	}
	MemoryContextSwitchTo(old);
	return state;
}

static char *
reference(Jsonb *refs, const char *key)
{
	JsonbValue *value;

	if (refs == NULL || !JB_ROOT_IS_OBJECT(refs))
		return NULL;
	value = getKeyJsonValueFromContainer(&refs->root, key, (int) strlen(key), NULL);
	return value == NULL || value->type != jbvString ? NULL :
		pnstrdup(value->val.string.val, value->val.string.len);
}

/* As billed_sql writes it: concat_ws leaves out what is NULL. */
static char *
key_of(const InvoiceCharge *charge)
{
	Jsonb	   *refs = charge->reference_ids == NULL ? NULL :
		DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(charge->reference_ids)));
	const char *const parts[] = {charge->line_type, charge->metric_code, reference(refs, "binding_id"),
		reference(refs, "component"), charge->unit};
	StringInfoData key;

	initStringInfo(&key);
	for (size_t i = 0; i < lengthof(parts); i++)
		if (parts[i] != NULL)
			appendStringInfo(&key, "%s%s", key.len > 0 ? "|" : "", parts[i]);
	return key.data;
}

static bool
is_usage(const InvoiceCharge *charge)
{
	return charge->metric_code != NULL && (strcmp(charge->line_type, "usage") == 0 ||
										   strcmp(charge->line_type, "overage") == 0 ||
										   strcmp(charge->line_type, "commitment") == 0);
}

/* Minor units of a charge in the currency of the document of its month. */
static bool
charge_units(const InvoiceRun *run, const InvoiceCharge *charge, const char *currency, int64 *units)
{
	const InvoiceRate *from = InvoiceFindRate(run, charge->currency);
	const InvoiceRate *to = InvoiceFindRate(run, currency);
	int128		num = charge->num;
	int128		den = charge->den;
	int128		power;

	if (from == NULL || to == NULL)
		return false;
	if (from == to)
		return minor_units(num, den, to->digits, units);
	return from->known && to->known &&
		InvoiceMultiply(num, from->rate.units, &num) && InvoicePower10(to->rate.scale, &power) &&
		InvoiceMultiply(num, power, &num) &&
		InvoiceMultiply(den, to->rate.units, &den) && InvoicePower10(from->rate.scale, &power) &&
		InvoiceMultiply(den, power, &den) && minor_units(num, den, to->digits, units);
}

static int
by_key(const void *a, const void *b)
{
	const LateLine *x = a;
	const LateLine *y = b;
	int			order = strcmp(x->key, y->key);

	return order != 0 ? order : x->source - y->source;
}

/* The month's usage, rated again; -1 where it cannot be. */
static int
rate_again(const LateMonth *month, InvoiceCharges *rated, const char *currency, LateLine **lines)
{
	int			n = 0;
	int			kept = 0;

	InvoicePlanCharges.charge(month->plans, rated);
	if (rated->problem != NULL)
		return -1;
	*lines = palloc_array(LateLine, Max(rated->n, 1));
	for (int i = 0; i < rated->n; i++)
	{
		const InvoiceCharge *charge = &rated->charge[i];
		LateLine   *line = &(*lines)[n];

		if (!is_usage(charge))
			continue;
		*line = (LateLine) {key_of(charge), {charge->quantity.units, charge->quantity.scale},
			{charge->unit_price.units, charge->unit_price.scale}, 0, i};
		if (!charge_units(&month->run, charge, currency, &line->amount))
			return -1;
		n++;
	}
	qsort(*lines, n, sizeof(LateLine), by_key);
	for (int i = 0; i < n; i++)
		if (kept > 0 && strcmp((*lines)[kept - 1].key, (*lines)[i].key) == 0)
			(*lines)[kept - 1].amount += (*lines)[i].amount;
		else
			(*lines)[kept++] = (*lines)[i];
	return kept;
}

/* Lines that were rounded together may come out one unit apart. */
static void
forgive_rounding(const LateLine *billed, int nbilled, LateLine *rated, int nrated)
{
	for (int i = 0, j = 0; i < nbilled && j < nrated;)
	{
		int			order = strcmp(billed[i].key, rated[j].key);

		if (order == 0 && billed[i].quantity.units == rated[j].quantity.units &&
			billed[i].quantity.scale == rated[j].quantity.scale &&
			llabs(billed[i].amount - rated[j].amount) <= 1)
			rated[j].amount = billed[i].amount;
		i += order <= 0;
		j += order >= 0;
	}
}

/* The references of the line, with what it is a difference to. */
static char *
late_refs(const char *refs, const char *month, LateKind kind)
{
	static const char *const names[] = {"delta", "reversal", "new"};
	size_t		length = refs == NULL ? 0 : strlen(refs);

	while (length > 0 && refs[length - 1] != '}')
		length--;
	return psprintf("%.*s%s\"late_month\": \"%s\", \"late\": \"%s\"}", length > 0 ? (int) length - 1 : 1,
					length > 0 ? refs : "{", length > 2 ? ", " : "", month, names[kind]);
}

/* Where a line of a difference has its texts from. */
typedef struct LateOrigin
{
	const char *description;
	const char *line_type;
	const char *metric_code;
	const char *unit;
	const char *refs;
	const char *tax_category;
	const char *price_currency;
} LateOrigin;

static void
bill_delta(const LateState *state, const LateMonth *month, const LateDelta *delta,
		   const LateOrigin *origin, const char *currency, InvoiceCharges *charges)
{
	static const char *const phrases[] = {"late_delta", "late_reversal", "late_new"};
	InvoiceCharge *charge = InvoiceAddCharge(charges);
	int128		power;

	(void) InvoicePower10(InvoiceFindRate(state->run, currency)->digits, &power);
	charge->class = INVOICE_ADJUSTMENT;
	charge->sort_key = psprintf("late %s %s %d", month->run.month, delta->line->key, delta->kind);
	charge->line_type = origin->line_type;
	charge->metric_code = origin->metric_code;
	charge->tax_category = origin->tax_category;
	charge->description = InvoiceText(charges->tenant, phrases[delta->kind], "line", origin->description,
									  "month", month->run.month, NULL);
	charge->currency = currency;
	charge->num = delta->amount;
	charge->den = power;
	charge->quantity = (InvoiceDecimal) {delta->quantity.units, delta->quantity.scale};
	charge->unit = origin->unit;
	charge->service_start = month->run.period;
	charge->service_end = month->run.next - 1;
	charge->reference_ids = late_refs(origin->refs, month->run.month, delta->kind);
	if (delta->line->price.units != 0 && strcmp(origin->price_currency, currency) == 0)
	{
		charge->has_unit_price = true;
		charge->unit_price = (InvoiceDecimal) {delta->line->price.units, delta->line->price.scale};
	}
	/* a quantity of nothing prices nothing */
	if (charge->quantity.units == 0)
	{
		charge->quantity = (InvoiceDecimal) {1, 0};
		charge->has_unit_price = false;
	}
}

/* The rows of one month of the tenant, from first to before end. */
static void
charge_month(LateState *state, int first, int end, InvoiceCharges *charges)
{
	const LateMonth *month = find_month(state, state->rows[first].month);
	const char *currency = state->rows[first].currency;
	InvoiceCharges rated = {.run = &month->run, .tenant = charges->tenant};
	LateLine   *billed = palloc_array(LateLine, end - first);
	LateLine   *lines;
	LateDelta  *deltas;
	int			nbilled = 0;
	int			nrated = rate_again(month, &rated, currency, &lines);
	int			n;

	for (int i = first; i < end; i++)
		if (state->rows[i].line_type != NULL)
			billed[nbilled++] = state->rows[i].line;
	if (nrated >= 0)
		forgive_rounding(billed, nbilled, lines, nrated);
	deltas = palloc_array(LateDelta, nbilled + Max(nrated, 0) + 1);
	n = nrated < 0 ? -1 : LateDeltas(billed, nbilled, lines, nrated, deltas);
	if (n < 0)
	{
		InvoiceRefuse(charges, rated.problem != NULL ? rated.problem :
					  psprintf("late usage of %s cannot be rated", month->run.month),
					  rated.call != NULL ? rated.call : "SET finops.late_usage_months = 0 to leave late usage out");
		return;
	}
	for (int i = 0; i < n; i++)
	{
		LateOrigin	origin;

		if (deltas[i].kind == LATE_REVERSAL)
		{
			const LateRow *row = &state->rows[deltas[i].line->source];

			origin = (LateOrigin) {row->description, row->line_type, row->metric_code, row->unit, row->refs,
				NULL, currency};
		}
		else
		{
			const InvoiceCharge *charge = &rated.charge[deltas[i].line->source];

			origin = (LateOrigin) {charge->description, charge->line_type, charge->metric_code, charge->unit,
				charge->reference_ids, charge->tax_category, charge->currency};
		}
		bill_delta(state, month, &deltas[i], &origin, currency, charges);
	}
}

/* 0 where the next row is the tenant's, below 0 where it comes before it. */
static int
is_row_of(const LateState *state, const char *tenant)
{
	return state->next == state->nrows ? 1 : strcmp(state->rows[state->next].tenant_id, tenant);
}

static void
charge_late(void *arg, InvoiceCharges *charges)
{
	LateState  *state = arg;
	const char *tenant = charges->tenant->tenant_id;

	if (state == NULL)
		return;
	while (is_row_of(state, tenant) < 0)
		state->next++;
	while (is_row_of(state, tenant) == 0)
	{
		int			first = state->next;

		while (is_row_of(state, tenant) == 0 && state->rows[state->next].month == state->rows[first].month)
			state->next++;
		charge_month(state, first, state->next, charges);
	}
}

static void
close_late(void *arg)
{
	LateState  *state = arg;

	for (int i = 0; state != NULL && i < state->nmonths; i++)
		InvoicePlanCharges.close(state->months[i].plans);
}

const InvoiceChargeSource InvoiceLateCharges = {
	.name = "late usage", .open = open_late, .charge = charge_late, .close = close_late,
};
