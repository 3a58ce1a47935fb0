/*-------------------------------------------------------------------------
 *
 * charge_advance.c
 *	  Charges for plans that are paid in advance.
 *
 * The base price, fees and seats of such a plan are due before the month that
 * they are for: the document of a month has them for the next one, with that
 * service period.  What has come otherwise since, an upgrade, a pause, more
 * seats, stands on the document of the month itself: the lines that are
 * billed already and still right are left out, those that are not are
 * reversed, and what they should have been is billed.  So a month's lines on
 * all documents add up to what they would be if it were billed in arrears,
 * also for a tenant whose first month nobody billed in advance.
 *
 * Credit notes do not count: what was given back is not billed again.  An
 * invoice that was replaced does not count, its revision does.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/charge.h"

#include "utils/jsonb.h"

/*
 * What other documents have for the month and the next one: prepared before
 * this one, or issued for a later month while this one was not there.
 */
static const char *const billed_sql =
	"SELECT d.tenant_id, d.line_type, d.description, d.quantity, d.unit, coalesce(d.gross_amount, d.amount), h.currency,"
	" d.tax_category, d.reference_ids::text, d.service_period_start, d.service_period_end"
	" FROM @s@.invoice_header h JOIN @s@.invoice_detail d USING (invoice_id)"
	" WHERE h.kind = 'invoice' AND h.period_start >= $1 - 62 AND h.period_start <= $2"
	" AND ((h.period_start < $1 AND h.status <> 'void') OR (h.period_start > $1 AND h.status IN ('issued', 'paid')))"
	" AND NOT EXISTS (SELECT FROM finops.invoice_replacement r WHERE r.invoice_id = h.invoice_id)"
	" AND d.service_period_start >= $1 AND d.service_period_start < ($2 + interval '1 month')::date"
	" AND d.reference_ids ? 'advance' AND h.tenant_id @tenant@"
	" ORDER BY d.tenant_id COLLATE \"C\", d.service_period_start, h.period_start, d.line_no";

enum
{
	COL_TENANT = 1, COL_TYPE, COL_DESCRIPTION, COL_QUANTITY, COL_UNIT, COL_AMOUNT, COL_CURRENCY,
	COL_TAX, COL_REFS, COL_FIRST, COL_LAST
};

typedef struct AdvanceState
{
	InvoiceRun	next;			/* of the month after the run's */
	void	   *plans;
	InvoiceStream *billed;
} AdvanceState;

typedef struct BilledLine
{
	char	   *key;
	char	   *description;
	char	   *line_type;
	char	   *unit;
	InvoiceDecimal quantity;
	InvoiceDecimal amount;
	char	   *currency;
	char	   *tax_category;
	char	   *refs;
	DateADT		first;
	DateADT		last;
} BilledLine;

static void *
open_advance(const InvoiceRun *run)
{
	AdvanceState *state;
	MemoryContext old;

	if (FINOPS_RUN_KEPT("SELECT FROM @s@.plan_master p WHERE p.pay_in_advance AND $1 IS NOT NULL LIMIT 1", ARG_DATE(run->period)) == 0)
		return NULL;
	old = MemoryContextSwitchTo(run->context);
	state = palloc0_object(AdvanceState);
	state->next = *run;
	state->next.period = run->next;
	state->next.next = FinopsPeriodEnd(run->next);
	state->next.month = FinopsPeriodText(run->next);
	MemoryContextSwitchTo(old);
	state->plans = InvoicePlanCharges.open(&state->next);
	state->billed = InvoiceStreamOpen(run, billed_sql);
	return state;
}

static char *
reference(const char *refs, const char *name)
{
	Jsonb	   *json = refs == NULL ? NULL :
		DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(refs)));
	JsonbValue *value = json == NULL ? NULL :
		getKeyJsonValueFromContainer(&json->root, name, (int) strlen(name), NULL);

	return value == NULL || value->type != jbvString ? "" :
		pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * What a line is for: two of the same price the same, for a plan that is on
 * an issued invoice does not change.
 */
static char *
key_of(const char *line_type, const char *refs, const char *unit, InvoiceDecimal quantity,
	   DateADT first, DateADT last)
{
	InvoiceDecimal q = InvoiceTrim(quantity);

	return psprintf("%s|%s|%s|%s|%lld/%d|%d|%d", line_type, reference(refs, "binding_id"), reference(refs, "component"),
					unit, (long long) q.units, q.scale, first, last);
}

static BilledLine *
read_billed(AdvanceState *state, const char *tenant, int *n)
{
	InvoiceStream *rows = state->billed;
	BilledLine *billed = NULL;

	*n = 0;
	InvoiceStreamSeek(rows, tenant);
	while (InvoiceStreamNext(rows))
	{
		BilledLine *b;

		billed = billed == NULL ? palloc_array(BilledLine, 1) :
			repalloc(billed, (*n + 1) * sizeof(BilledLine));
		b = &billed[(*n)++];
		b->line_type = InvoiceStreamCopy(rows, COL_TYPE);
		b->description = InvoiceStreamCopy(rows, COL_DESCRIPTION);
		b->quantity = InvoiceStreamDecimal(rows, COL_QUANTITY);
		b->unit = InvoiceStreamCopy(rows, COL_UNIT);
		b->amount = InvoiceStreamDecimal(rows, COL_AMOUNT);
		b->currency = InvoiceStreamCopy(rows, COL_CURRENCY);
		b->tax_category = InvoiceStreamCopy(rows, COL_TAX);
		b->refs = InvoiceStreamCopy(rows, COL_REFS);
		b->first = InvoiceStreamDate(rows, COL_FIRST);
		b->last = InvoiceStreamDate(rows, COL_LAST);
		b->key = key_of(b->line_type, b->refs, b->unit, b->quantity, b->first, b->last);
	}
	return billed;
}

/* The next month's lines of plans that are paid in advance. */
static void
add_next_month(AdvanceState *state, InvoiceCharges *charges)
{
	InvoiceCharges rated = {.run = &state->next, .tenant = charges->tenant};
	int			groups = 0;

	InvoicePlanCharges.charge(state->plans, &rated);
	if (rated.problem != NULL)
	{
		InvoiceRefuse(charges, rated.problem, rated.call);
		return;
	}
	for (int i = 0; i < charges->n; i++)
		groups = Max(groups, charges->charge[i].round_group);
	for (int i = 0; i < rated.n; i++)
	{
		InvoiceCharge *charge;

		if (!rated.charge[i].in_advance)
			continue;
		charge = InvoiceAddCharge(charges);
		*charge = rated.charge[i];
		if (charge->round_group > 0)
			charge->round_group += groups;
		if (charges->plan_code == NULL)
			charges->plan_code = rated.plan_code;
	}
}

/* Leave out what is billed already; a billed line that matches none stays. */
static void
drop_billed(InvoiceCharges *charges, BilledLine *billed, int nbilled)
{
	int			kept = 0;

	for (int i = 0; i < charges->n; i++)
	{
		InvoiceCharge *charge = &charges->charge[i];
		char	   *key = !charge->in_advance ? NULL :
			key_of(charge->line_type, charge->reference_ids, charge->unit, charge->quantity,
				   charge->service_start, charge->service_end);
		int			k = 0;

		while (key != NULL && k < nbilled && (billed[k].key == NULL || strcmp(billed[k].key, key) != 0))
			k++;
		if (key != NULL && k < nbilled)
			billed[k].key = NULL;
		else
			charges->charge[kept++] = *charge;
	}
	charges->n = kept;
}

static void
reverse_line(InvoiceCharges *charges, const BilledLine *billed)
{
	InvoiceCharge *charge = InvoiceAddCharge(charges);
	int128		power;

	(void) InvoicePower10(billed->amount.scale, &power);
	charge->class = INVOICE_ADJUSTMENT;
	charge->sort_key = psprintf("advance %d %s", billed->first, billed->description);
	charge->line_type = billed->line_type;
	charge->description = InvoiceText(charges->tenant, "advance_reversal", "line", billed->description, NULL);
	charge->currency = billed->currency;
	charge->num = -billed->amount.units;
	charge->den = power;
	charge->quantity = billed->quantity;
	charge->quantity.units = -charge->quantity.units;
	charge->unit = billed->unit;
	charge->tax_category = billed->tax_category;
	charge->service_start = billed->first;
	charge->service_end = billed->last;
	charge->reference_ids = billed->refs;
	if (charges->plan_code == NULL && reference(billed->refs, "plan_code")[0] != '\0')
		charges->plan_code = reference(billed->refs, "plan_code");
}

/* Two reversed lines that take each other back. */
static void
cancel_pairs(BilledLine *billed, int n)
{
	for (int i = 0; i < n; i++)
		for (int k = i + 1; k < n && billed[i].key != NULL; k++)
			if (billed[k].key != NULL && billed[i].amount.units == -billed[k].amount.units &&
				billed[i].amount.scale == billed[k].amount.scale && billed[i].first == billed[k].first &&
				billed[i].last == billed[k].last && strcmp(billed[i].currency, billed[k].currency) == 0 &&
				strcmp(billed[i].refs, billed[k].refs) == 0)
				billed[i].key = billed[k].key = NULL;
}

/* After the commitments, for which the month's own lines count. */
static void
finish_advance(void *arg, InvoiceCharges *charges)
{
	AdvanceState *state = arg;
	BilledLine *billed;
	int			n;

	if (state == NULL)
		return;
	billed = read_billed(state, charges->tenant->tenant_id, &n);
	cancel_pairs(billed, n);
	add_next_month(state, charges);
	drop_billed(charges, billed, n);
	for (int i = 0; i < n; i++)
		if (billed[i].key != NULL)
			reverse_line(charges, &billed[i]);
}

static void
close_advance(void *arg)
{
	AdvanceState *state = arg;

	if (state == NULL)
		return;
	InvoiceStreamClose(state->billed);
	InvoicePlanCharges.close(state->plans);
}

const InvoiceChargeSource InvoiceAdvanceCharges = {
	.name = "advance", .open = open_advance, .finish = finish_advance, .close = close_advance,
};
