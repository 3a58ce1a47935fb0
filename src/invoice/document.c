/*-------------------------------------------------------------------------
 *
 * document.c
 *	  The engine: from exact charges to the lines, taxes and totals of a
 *	  document.
 *
 * Rounding.  An amount is a ratio num / den of integers, in minor units of
 * the document's currency after conversion at the stamped rates.  A line
 * without group is rounded half away from zero.  Lines of a group are rounded
 * by largest remainder: their sum is rounded once, each line is the floor or
 * the ceiling of its exact amount, and spare minor units go to the largest
 * remainders, ties to the larger amount and then to the first line.  A group
 * whose sum is negative is the mirror image of the positive one.  Mixed signs
 * need no exception, because remainders to the floor are never negative.
 *
 * Tax is what tax.c makes of the rounded lines, once per category and rate or
 * once per line as the issuer's policy says; total = lines + tax either way.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/document.h"

#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#define PRICE_DIGITS	10		/* beyond the currency's, of a converted price */
#define EXACT_LIMIT		(((int128) 1) << 124)	/* leaves room to double and add */

/* An exact amount in minor units of the document's currency. */
typedef struct Exact
{
	int128		num;
	int128		den;
	int128		rounded;
	int128		floor;
} Exact;

/* ---------------------------------------------------------------------
 * Small arithmetic
 * ---------------------------------------------------------------------
 */

/* Multiply num / den by 10^exponent, as far as possible by shortening. */
static bool
shift_ratio(int128 *num, int128 *den, int exponent)
{
	int128		power;

	if (exponent > 0 && *den <= PG_INT64_MAX)
	{
		int64		small = (int64) *den;

		for (; exponent > 0 && small % 10 == 0; exponent--)
			small /= 10;
		*den = small;
	}
	while (exponent > 0 && *den % 10 == 0)
	{
		*den /= 10;
		exponent--;
	}
	while (exponent < 0 && *num % 10 == 0 && *num != 0)
	{
		*num /= 10;
		exponent++;
	}
	if (!InvoicePower10(Abs(exponent), &power))
		return false;
	return exponent >= 0 ? InvoiceMultiply(*num, power, num) : InvoiceMultiply(*den, power, den);
}

/* num / den in a currency as a ratio in the document's, times 10^digits. */
static bool
convert(const InvoiceRate *from, const InvoiceRate *to, int digits, int128 *num, int128 *den)
{
	int			exponent = digits;

	if (from != to)
	{
		InvoiceDecimal a = InvoiceTrim(from->rate);
		InvoiceDecimal b = InvoiceTrim(to->rate);

		if (!InvoiceMultiply(*num, a.units, num) || !InvoiceMultiply(*den, b.units, den))
			return false;
		exponent += b.scale - a.scale;
	}
	return shift_ratio(num, den, exponent) && *den < EXACT_LIMIT && Abs(*num) < EXACT_LIMIT;
}

static int128
floor_ratio(int128 num, int128 den)
{
	int128		q;

	if (num <= PG_INT64_MAX && num >= PG_INT64_MIN && den <= PG_INT64_MAX)
	{
		int64		n = (int64) num;
		int64		d = (int64) den;

		return n / d - (n % d != 0 && n < 0);
	}
	q = num / den;
	return q - (q * den != num && num < 0);
}

static InvoiceDecimal
minor(int128 units, int digits)
{
	return (InvoiceDecimal) {units, digits};
}

/* Product of decimals; an amount and a rate always fit. */
static bool
multiply(InvoiceDecimal a, InvoiceDecimal b, InvoiceDecimal *product)
{
	product->scale = a.scale + b.scale;
	return InvoiceMultiply(a.units, b.units, &product->units);
}

static int128
gcd(int128 a, int128 b)
{
	while (b != 0)
	{
		int128		rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* ---------------------------------------------------------------------
 * JSON: many lines share their references
 * ---------------------------------------------------------------------
 */
#define JSON_SLOTS	1024

typedef struct JsonSlot
{
	char	   *json;
	Datum		value;
	char	   *printed;
} JsonSlot;

static JsonSlot *json_slots;	/* of the run below, in its context */
static const InvoiceRun *json_run;

/* A run begins; what an earlier one kept is gone. */
void
InvoiceJsonBegin(void)
{
	json_run = NULL;
}

Datum
InvoiceJson(const InvoiceRun *run, const char *json, const char **printed)
{
	size_t		len = strlen(json);
	JsonSlot   *slot;
	MemoryContext old;

	if (json_run != run)
	{
		json_slots = MemoryContextAllocZero(run->context, sizeof(JsonSlot) * JSON_SLOTS);
		json_run = run;
	}
	slot = &json_slots[hash_bytes((const unsigned char *) json, (int) len) % JSON_SLOTS];
	if (slot->json == NULL || strcmp(slot->json, json) != 0)
	{
		JsonSlot	fresh;
		bool		keep = slot->json == NULL;

		old = MemoryContextSwitchTo(keep ? run->context : CurrentMemoryContext);
		fresh.json = pstrdup(json);
		fresh.value = DirectFunctionCall1(jsonb_in, CStringGetDatum(fresh.json));
		fresh.printed = JsonbToCString(NULL, &DatumGetJsonbP(fresh.value)->root,
									   VARSIZE(DatumGetPointer(fresh.value)));
		MemoryContextSwitchTo(old);
		if (!keep)
		{
			*printed = fresh.printed;
			return fresh.value;
		}
		*slot = fresh;
	}
	*printed = slot->printed;
	return slot->value;
}

/* ---------------------------------------------------------------------
 * Order
 * ---------------------------------------------------------------------
 */
static int
compare_charges(const void *a, const void *b)
{
	const InvoiceCharge *x = *(const InvoiceCharge *const *) a;
	const InvoiceCharge *y = *(const InvoiceCharge *const *) b;
	int			order;

	if (x->class != y->class)
		return x->class < y->class ? -1 : 1;
	order = strcmp(x->sort_key != NULL ? x->sort_key : "", y->sort_key != NULL ? y->sort_key : "");
	/* elements of one array: as they were added */
	return order != 0 ? order : x < y ? -1 : x > y;
}

static const InvoiceCharge **
sort_charges(const InvoiceCharges *charges)
{
	const InvoiceCharge **sorted = MemoryContextAllocHuge(CurrentMemoryContext,
														  sizeof(*sorted) * Max(charges->n, 1));
	bool		in_order = true;

	for (int i = 0; i < charges->n; i++)
	{
		sorted[i] = &charges->charge[i];
		in_order = in_order && (i == 0 || compare_charges(&sorted[i - 1], &sorted[i]) <= 0);
	}
	if (!in_order)
		qsort(sorted, charges->n, sizeof(*sorted), compare_charges);
	return sorted;
}

/* ---------------------------------------------------------------------
 * Rounding
 * ---------------------------------------------------------------------
 */
typedef struct Share
{
	int128		remainder;
	int128		num;
	int			line;
} Share;

static int
compare_shares(const void *a, const void *b)
{
	const Share *x = a;
	const Share *y = b;

	if (x->remainder != y->remainder)
		return x->remainder > y->remainder ? -1 : 1;
	if (x->num != y->num)
		return x->num > y->num ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

/* Bring the amounts of a group over one denominator. */
static bool
common_den(Exact *exact, const int *member, int n, int128 *den)
{
	*den = 1;
	for (int i = 0; i < n; i++)
	{
		int128		d = exact[member[i]].den;

		if (*den % d == 0)
			continue;
		if (d % *den == 0)
			*den = d;
		else if (!InvoiceMultiply(*den / gcd(*den, d), d, den))
			return false;
	}
	for (int i = 0; i < n; i++)
	{
		Exact	   *e = &exact[member[i]];

		if (!InvoiceMultiply(e->num, *den / e->den, &e->num))
			return false;
		e->den = *den;
	}
	return true;
}

static bool
round_group(Exact *exact, const int *member, int n)
{
	Share	   *share = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Share) * n);
	int128		den;
	int128		sum = 0;
	int128		spare;
	int			sign;

	if (!common_den(exact, member, n, &den) || den >= EXACT_LIMIT)
		return false;
	for (int i = 0; i < n; i++)
	{
		sum += exact[member[i]].num;
		if (sum >= EXACT_LIMIT || sum <= -EXACT_LIMIT)
			return false;
	}
	sign = sum < 0 ? -1 : 1;
	spare = TaxDivide(sign * sum, den);
	for (int i = 0; i < n; i++)
	{
		Exact	   *e = &exact[member[i]];

		e->floor = floor_ratio(sign * e->num, den);
		e->rounded = sign * e->floor;
		spare -= e->floor;
		share[i] = (Share) {sign * e->num - e->floor * den, sign * e->num, member[i]};
	}
	if (spare > 0)
		qsort(share, n, sizeof(Share), compare_shares);
	for (int i = 0; i < (int) spare; i++)
		exact[share[i].line].rounded += sign;
	pfree(share);
	return true;
}

static bool
round_lines(InvoiceDraft *draft, Exact *exact)
{
	int		   *member = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int) * draft->nlines);
	int			last_group = 0;

	for (int i = 0; i < draft->nlines; i++)
	{
		last_group = Max(last_group, draft->charges[i]->round_group);
		if (draft->charges[i]->round_group == 0)
			exact[i].rounded = TaxDivide(exact[i].num, exact[i].den);
	}
	for (int group = 1; group <= last_group; group++)
	{
		int			n = 0;

		for (int i = 0; i < draft->nlines; i++)
			if (draft->charges[i]->round_group == group)
				member[n++] = i;
		if (n > 0 && !round_group(exact, member, n))
			return false;
	}
	return true;
}

/* ---------------------------------------------------------------------
 * Lines
 * ---------------------------------------------------------------------
 */
static const InvoiceRate *
find_rate(InvoiceCharges *charges, const char *currency)
{
	const InvoiceRate *rate = InvoiceFindRate(charges->run, currency);

	if (rate == NULL || !rate->known)
	{
		InvoiceRefuse(charges, psprintf("no exchange rate for %s in billing period %s", currency, charges->run->month),
					  psprintf("SELECT finops.set_fx_rate('%s', '%s-01', rate)", currency, charges->run->month));
		return NULL;
	}
	return rate;
}

/* Price of one unit in the document's currency. */
static bool
unit_price(const InvoiceCharge *charge, const InvoiceRate *from, const InvoiceRate *to, InvoiceDecimal *price)
{
	int128		num = charge->num;
	int128		den = charge->den;
	int128		power;

	if (charge->has_unit_price && from == to)
	{
		*price = InvoiceTrim(charge->unit_price);
		return true;
	}
	if (charge->has_unit_price)
	{
		num = charge->unit_price.units;
		if (!InvoicePower10(charge->unit_price.scale, &den))
			return false;
	}
	else if (charge->quantity.units != 0)
	{
		InvoiceDecimal quantity = InvoiceTrim(charge->quantity);

		if (!InvoicePower10(quantity.scale, &power) || !InvoiceMultiply(num, power, &num) ||
			!InvoiceMultiply(den, quantity.units, &den))
			return false;
		if (den < 0)
		{
			den = -den;
			num = -num;
		}
	}
	if (!convert(from, to, to->digits + PRICE_DIGITS, &num, &den))
		return false;
	*price = InvoiceTrim((InvoiceDecimal) {TaxDivide(num, den), to->digits + PRICE_DIGITS});
	return true;
}

static bool
fill_line(InvoiceDraft *draft, InvoiceCharges *charges, int i, Exact *exact)
{
	const InvoiceCharge *charge = draft->charges[i];
	const InvoiceRun *run = draft->run;
	InvoiceLine *line = &draft->lines[i];
	const InvoiceRate *from = strcmp(charge->currency, draft->rate->currency) == 0 ?
		draft->rate : find_rate(charges, charge->currency);

	if (from == NULL)
		return false;
	line->line_no = i + 1;
	line->line_type = charge->line_type;
	line->service = charge->service;
	line->metric_code = charge->metric_code;
	line->description = charge->description;
	line->quantity = charge->quantity;
	line->unit = charge->unit;
	line->notes = charge->notes;
	line->service_start = run->period;
	line->service_end = run->next - 1;
	if (charge->service_start != 0 || charge->service_end != 0)
	{
		line->service_start = charge->service_start;
		line->service_end = charge->service_end;
	}
	if (charge->reference_ids != NULL)
		line->refs_datum = InvoiceJson(run, charge->reference_ids, &line->refs);
	exact->num = charge->num;
	exact->den = charge->den;
	if (!convert(from, draft->rate, draft->rate->digits, &exact->num, &exact->den) ||
		!unit_price(charge, from, draft->rate, &line->unit_price))
		return false;
	if (charge->cost_currency != NULL)
	{
		const InvoiceRate *cost_rate = strcmp(charge->cost_currency, charge->currency) == 0 ?
			from : find_rate(charges, charge->cost_currency);

		line->cost_currency = charge->cost_currency;
		line->cost = charge->cost;
		if (cost_rate == NULL || !multiply(charge->cost, cost_rate->rate, &line->cost_usd))
			return false;
	}
	return true;
}

/* ---------------------------------------------------------------------
 * Tax
 * ---------------------------------------------------------------------
 */

/* The class of a line: by the charge's category, or by kind of supply. */
static int
class_of(const InvoiceParty *party, const InvoiceCharge *charge)
{
	if (charge->tax_class > 0)
		return charge->tax_class - 1;
	if (charge->tax_category != NULL)
		for (int i = 0; i < party->nclasses; i++)
			if (strcmp(party->classes[i].class.category, charge->tax_category) == 0)
				return i;
	return InvoiceClassOfLine(party, charge->line_type, charge->service);
}

static InvoiceTax *
find_tax(const InvoiceDraft *draft, const char *category, InvoiceDecimal rate)
{
	for (int i = 0; i < draft->ntaxes; i++)
		if (strcmp(draft->taxes[i].category, category) == 0 &&
			draft->taxes[i].rate.units == rate.units && draft->taxes[i].rate.scale == rate.scale)
			return &draft->taxes[i];
	return NULL;
}

/* In the order in which they are read back. */
static int
compare_taxes(const void *a, const void *b)
{
	const InvoiceTax *x = a;
	const InvoiceTax *y = b;
	int			order = strcmp(x->category, y->category);
	int128		left = x->rate.units;
	int128		right = y->rate.units;

	if (order != 0)
		return order;
	for (int i = x->rate.scale; i < TAX_RATE_SCALE; i++)
		left *= 10;
	for (int i = y->rate.scale; i < TAX_RATE_SCALE; i++)
		right *= 10;
	return left < right ? -1 : left > right;
}

static void
fill_taxes(InvoiceDraft *draft, const TaxRow *rows, int nrows)
{
	int			digits = draft->rate->digits;

	draft->taxes = palloc0_array(InvoiceTax, Max(nrows, 1));
	for (int i = 0; i < nrows; i++)
	{
		const InvoiceTaxClass *class = &draft->party->classes[rows[i].tax_class];
		int64		ratio = class->class.nparts > 0 ? class->class.parts[rows[i].part].rate : 0;
		InvoiceDecimal rate = InvoiceTrim((InvoiceDecimal) {ratio, TAX_RATE_SCALE});
		InvoiceTax *row = find_tax(draft, class->class.category, rate);

		/* taxes of one class that have the same rate stand in one row */
		if (row != NULL)
			row->tax.units += rows[i].tax;
		else
			draft->taxes[draft->ntaxes++] = (InvoiceTax) {class->class.category, rate,
			minor(rows[i].taxable, digits), minor(rows[i].tax, digits), class->reason};
	}
	qsort(draft->taxes, draft->ntaxes, sizeof(InvoiceTax), compare_taxes);
	draft->treatment = InvoiceTreatment(draft->party->classes[0].class.category);
}

static bool
fill_amounts(InvoiceDraft *draft, const Exact *exact)
{
	const InvoiceParty *party = draft->party;
	int			digits = draft->rate->digits;
	TaxClass   *classes = palloc_array(TaxClass, party->nclasses);
	TaxLine    *lines = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(TaxLine) * draft->nlines);
	TaxShare   *scratch = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(TaxShare) * draft->nlines);
	TaxRow	   *rows = palloc_array(TaxRow, party->nclasses * TAX_MAX_PARTS);
	TaxTotals	totals;
	int			nrows;

	draft->line_class = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int) * draft->nlines);
	for (int i = 0; i < party->nclasses; i++)
		classes[i] = party->classes[i].class;
	for (int i = 0; i < draft->nlines; i++)
	{
		if (exact[i].rounded > PG_INT64_MAX / 4 || exact[i].rounded < PG_INT64_MIN / 4)
			return false;
		draft->line_class[i] = class_of(party, draft->charges[i]);
		lines[i] = (TaxLine) {(int64) exact[i].rounded, draft->line_class[i], 0, 0};
	}
	if (TaxDocument(classes, party->nclasses, party->rounding, party->inclusive, lines, draft->nlines,
					scratch, rows, &nrows, &totals) != TAX_OK)
		return false;
	for (int i = 0; i < draft->nlines; i++)
	{
		InvoiceLine *line = &draft->lines[i];

		line->amount = minor(lines[i].net, digits);
		line->has_gross = party->inclusive;
		line->gross = minor(lines[i].amount, digits);
		line->tax_rate = party->classes[lines[i].tax_class].rate;
		line->tax_category = party->classes[lines[i].tax_class].class.category;
	}
	draft->subtotal = minor(totals.net, digits);
	draft->tax = minor(totals.tax, digits);
	draft->total = minor(totals.gross, digits);
	fill_taxes(draft, rows, nrows);
	return true;
}

/* ---------------------------------------------------------------------
 * The document
 * ---------------------------------------------------------------------
 */
InvoiceContent
InvoiceDraftContent(const InvoiceDraft *draft)
{
	const InvoiceParty *party = draft->party;

	return (InvoiceContent) {
		.tenant_id = party->tenant.tenant_id,
		.plan_code = draft->plan_code,
		.currency = draft->rate->currency,
		.treatment = draft->treatment,
		.rounding = InvoiceRoundingName(party->rounding),
		.issuer_id = party->issuer_id,
		.language = party->tenant.language,
		.po_number = party->po_number,
		.terms = draft->terms,
		.terms_days = party->terms_days,
		.terms_from = party->terms_from,
		.inclusive = party->inclusive,
		.period_start = draft->run->period,
		.period_end = draft->run->next - 1,
		.fx_rate = draft->rate->rate,
		.tax_rate = party->classes[0].rate,
		.subtotal = draft->subtotal,
		.tax = draft->tax,
		.total = draft->total,
	};
}

static void
digest_draft(InvoiceDraft *draft)
{
	InvoiceContent content = InvoiceDraftContent(draft);
	StringInfoData bytes;

	/* room for the usual line, so that it need not grow */
	initStringInfo(&bytes);
	enlargeStringInfo(&bytes, 512 + 320 * Min(draft->nlines, 100000));
	InvoiceDigestBegin(&bytes, &content);
	for (int i = 0; i < draft->nlines; i++)
		InvoiceDigestLine(&bytes, &draft->lines[i]);
	for (int i = 0; i < draft->ntaxes; i++)
		InvoiceDigestTax(&bytes, &draft->taxes[i]);
	InvoiceDigestEnd(&bytes, draft->digest);
}

static const char *
terms_text(const InvoiceParty *party)
{
	bool		month_end = strcmp(party->terms_from, "month_end") == 0;
	char		days[16];

	snprintf(days, sizeof(days), "%d", party->terms_days);
	if (party->terms_days == 0)
		return InvoiceText(&party->tenant, month_end ? "terms_month_end_0" : "terms_issue_0", NULL);
	return InvoiceText(&party->tenant, month_end ? "terms_month_end" : "terms_issue", "days", days, NULL);
}

bool
InvoiceCompute(const InvoiceParty *party, InvoiceCharges *charges, InvoiceDraft *draft)
{
	Exact	   *exact;

	memset(draft, 0, sizeof(*draft));
	draft->run = charges->run;
	draft->party = party;
	draft->nlines = charges->n;
	draft->plan_code = charges->plan_code;
	draft->rate = find_rate(charges, party->tenant.currency);
	if (draft->rate == NULL || charges->problem != NULL)
		return false;
	draft->charges = sort_charges(charges);
	draft->lines = MemoryContextAllocExtended(CurrentMemoryContext, sizeof(InvoiceLine) * charges->n,
											  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	exact = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Exact) * charges->n);
	for (int i = 0; i < charges->n; i++)
		if (!fill_line(draft, charges, i, &exact[i]))
		{
			InvoiceRefuse(charges, psprintf("the amount of \"%s\" has too many digits", draft->charges[i]->description),
						  "finops.set_fx_rate()");
			return false;
		}
	if (!round_lines(draft, exact) || !fill_amounts(draft, exact))
	{
		InvoiceRefuse(charges, "the amounts are beyond 18 digits", "finops.set_fx_rate()");
		return false;
	}
	draft->terms = party->terms != NULL ? party->terms : terms_text(party);
	digest_draft(draft);
	return true;
}
