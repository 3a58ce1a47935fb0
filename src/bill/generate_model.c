/*-------------------------------------------------------------------------
 *
 * generate_model.c
 *	  The lines of a generated bill, one after the other.
 *
 * A bill is written in five parts: reservations, Savings Plans, metered
 * usage, the month's fees, credits, refund, support and tax, and at last
 * lines that cost nothing, which fill the bill up to the number of lines
 * asked for.  What costs money is chosen for a month of 730 hours, so a
 * longer month costs more and has fewer lines that cost nothing.  Memory is
 * constant; only sums are kept (support and tax are percentages of them).
 *
 * The time unit follows the size, as customers choose it: hourly from
 * HOURLY_LINES, daily from DAILY_LINES, else one line a month per meter.
 *
 * Identities that hold exactly, since everything is a sum of integers:
 *	 covered usage + negation = 0 per plan and hour (unblended cost);
 *	 plan fee + amortised upfront = used + unused commitment;
 *	 reservation fee + amortised upfront = effective cost of its usage +
 *	 unused fee + unused upfront, and twelve months' amortisation = upfront;
 *	 tax of an account and product = rate * their other lines, to the cent.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/generate.h"

#define HOURLY_LINES	40000
#define DAILY_LINES		2000
#define COMMIT_LINES	120		/* smaller bills have no commitments */
#define FEE_LINES		40		/* smaller bills have usage only */
#define NOMINAL_HOURS	730
#define NOMINAL_DAYS	30
#define CENT			(GEN_ONE / 100)

#define SALES_TAX_BP		825
#define VAT_BP				2000

size_t
GenBillSize(void)
{
	return sizeof(GenBill);
}

/* ---------------------------------------------------------------------
 * Plan of the bill
 * ---------------------------------------------------------------------
 */
static int64
ticks_nominal(const GenBill *bill)
{
	return bill->tick_hours == 1 ? NOMINAL_HOURS :
		bill->tick_hours == 24 ? NOMINAL_DAYS : 1;
}

static void
plan_bill(GenBill *bill)
{
	int64		lines = bill->spec.lines;
	int64		plan_lines;
	int64		tax_lines = 0;

	if (lines >= HOURLY_LINES)
		bill->tick_hours = 1;
	else if (lines >= DAILY_LINES)
		bill->tick_hours = 24;
	else
		bill->tick_hours = bill->calendar.hours;
	bill->ticks = bill->calendar.hours / bill->tick_hours;

	if (lines >= COMMIT_LINES)
	{
		/* twelve, so that one of them starts a term every month */
		bill->reserved = 12 + 12 * (lines / 250000);
		bill->plans = 1 + lines / 250000;
	}
	plan_lines = bill->plans * (GEN_PLAN_SLOTS + 3) * ticks_nominal(bill);
	bill->usage_lines = Max(lines * 44 / 100 - plan_lines, Max(lines / 4, 1));
	bill->month_end = lines;
	bill->usage_end = lines;
	if (lines >= FEE_LINES)
	{
		tax_lines = Min(GEN_TAXED * GEN_PRODUCTS, lines / 10);
		bill->usage_end = lines - tax_lines - 7;
	}
}

void
GenBillInit(GenBill *bill, const GenBillSpec *spec)
{
	memset(bill, 0, sizeof(*bill));
	bill->spec = *spec;
	GenCalendarInit(&bill->calendar, spec->year, spec->month);
	bill->accounts = GenAccounts(spec->tenants);
	GenAccountId(bill->payer, spec->seed, 0);
	GenAccountName(bill->payer_name, 0, bill->accounts);
	for (int i = 0; i < 2; i++)
	{
		uint64		draw = GenDraw(spec->seed, GEN_S_INVOICE,
								   bill->calendar.month_index, i);

		GenText(bill->invoice[i], sizeof(bill->invoice[i]), "%llu",
				1000000000 + (unsigned long long) GenBelow(draw, 999999999));
	}
	plan_bill(bill);
	bill->part = GEN_RESERVED;
	bill->entity = -1;
}

/* ---------------------------------------------------------------------
 * Lines
 * ---------------------------------------------------------------------
 */
static const GenLine blank = {
	.invoicing_entity = "Amazon Web Services, Inc.", .billing_entity = "AWS",
	.bill_type = "Anniversary", .type = "Usage", .usage_type = "",
	.operation = "", .zone = "", .resource = "", .description = "",
	.tax_type = "", .family = "", .instance_type = "", .region = "",
	.sku = "", .term = "", .unit = "", .tags = "", .reservation_arn = "",
	.term_start = "", .term_end = "", .plan_arn = "", .plan_option = "",
};

int
GenTickStart(const GenBill *bill)
{
	return bill->tick * bill->tick_hours;
}

int
GenTickEnd(const GenBill *bill)
{
	return (bill->tick + 1) * bill->tick_hours;
}

/* A blank line of the current tick, or of the whole month, for an account. */
GenLine *
GenStartLine(GenBill *bill, const GenMeter *meter, bool month)
{
	GenLine    *line = &bill->line;

	*line = blank;
	line->id = meter->id;
	line->invoice = bill->invoice[0];
	line->payer = bill->payer;
	line->payer_name = bill->payer_name;
	line->period_start = bill->calendar.stamp[0];
	line->period_end = bill->calendar.stamp[bill->calendar.hours];
	line->account = meter->account_id;
	line->account_name = meter->account_name;
	line->start = month ? line->period_start : bill->calendar.stamp[GenTickStart(bill)];
	line->end = month ? bill->calendar.last_second : bill->calendar.stamp[GenTickEnd(bill)];
	return line;
}

/* A line of a meter in the current tick; weight is in permille hours. */
GenLine *
GenMeterLine(GenBill *bill, const GenMeter *meter, int64 weight)
{
	GenLine    *line = GenStartLine(bill, meter, false);
	const GenSku *sku = meter->sku;

	line->product = &GenProducts[sku->product];
	line->usage_type = meter->usage_type;
	line->operation = sku->operation;
	line->zone = meter->zone;
	line->resource = meter->resource;
	line->description = meter->description;
	line->family = sku->family;
	line->instance_type = sku->instance_type;
	line->region = meter->region->code;
	line->sku = meter->sku_code;
	line->term = "OnDemand";
	line->unit = sku->unit;
	line->tags = meter->tags;
	line->priced = true;
	line->quantity = (int64) ((int128) meter->quantity * weight / 1000);
	line->rate = meter->rate;
	line->cost = GenMultiply(line->quantity, line->rate);
	line->list_rate = meter->rate;
	line->list_cost = line->cost;
	return line;
}

size_t
GenFinishLine(GenBill *bill, const GenMeter *meter, char *out)
{
	const GenLine *line = &bill->line;
	int			taxed = meter->account < 2 ? meter->account :
		meter->account == bill->accounts - 1 ? 2 : -1;

	bill->total += line->cost;
	if (taxed >= 0)
		bill->taxable[taxed][line->product - GenProducts] += line->cost;
	bill->lines++;
	return GenWriteLine(line, out);
}

/* A line that no meter stands behind is written for an account. */
static GenLine *
month_line(GenBill *bill, int account, int part, int product, const char *type)
{
	GenMeter   *meter = &bill->fee_meter;
	GenLine    *line;
	uint64		draw = GenDraw(bill->spec.seed, GEN_S_FEE, bill->entity, part);

	meter->account = account;
	GenAccountId(meter->account_id, bill->spec.seed, account);
	GenAccountName(meter->account_name, account, bill->accounts);
	GenLineId(meter->id, draw ^ ((uint64) bill->calendar.month_index << 40));
	line = GenStartLine(bill, meter, true);
	line->product = &GenProducts[product];
	line->type = type;
	line->region = "global";
	return line;
}

/* ---------------------------------------------------------------------
 * Meters of the estate
 * ---------------------------------------------------------------------
 */

/* The account in which a tenant runs most; a few accounts hold most tenants. */
int
GenTenantAccount(const GenBill *bill, int32 tenant, uint64 draw)
{
	uint64		home = GenDraw(bill->spec.seed, GEN_S_TENANT, tenant, 5);
	int			workloads = bill->accounts - 3;

	if (draw % 3 == 0)
		return 2 + (int) GenBelow(draw, (uint64) workloads);
	return 2 + (int) GenSkewed(home, (uint64) workloads);
}

int
GenPickRegion(uint64 draw)
{
	static const char regions[] = {0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 3, 4};

	return regions[draw % lengthof(regions)];
}

int32
GenSkewedTenant(const GenBill *bill, uint64 draw)
{
	return 1 + (int32) GenSkewed(draw, (uint64) bill->spec.tenants);
}

/*
 * Meter of metered usage.  Every second one belongs to the tenants in turn,
 * so that each has something to pay for; the others mostly to large ones.
 */
static void
make_usage_meter(GenBill *bill, int64 index)
{
	uint64		seed = bill->spec.seed;
	uint64		draw = GenDraw(seed, GEN_S_USAGE, index, 100);
	GenMeterSpec what = {.stream = GEN_S_USAGE,.index = index};

	if (index % 24 == 7)
	{
		what.sku = GenPickSku(&GenSharedSkus, draw);
		what.account = 1;
		what.region = GenPickRegion(draw);
	}
	else if (index % 24 == 13)
	{
		what.sku = GenPickSku(&GenStraySkus, draw);
		what.account = draw % 2 == 0 ? bill->accounts - 1 :
			2 + (int) GenBelow(GenDraw(seed, GEN_S_USAGE, index, 300), (uint64) (bill->accounts - 3));
		what.region = GenPickRegion(draw);
	}
	else
	{
		what.tenant = index % 2 == 0 ?
			1 + (int32) (index / 2 % bill->spec.tenants) : GenSkewedTenant(bill, draw);
		draw = GenDraw(seed, GEN_S_USAGE, index, 200);
		what.sku = GenPickSku(&GenTenantSkus, draw);
		what.account = GenTenantAccount(bill, what.tenant, GenDraw(seed, GEN_S_USAGE, index, 300));
		what.region = GenPickRegion(draw);
	}
	GenMeterInit(&bill->meters[0], &bill->spec, &bill->calendar, &what);
}

/* One meter in eight came into use in some month between 2019 and 2029. */
static bool
in_use(const GenBill *bill, int64 index)
{
	uint64		draw = GenDraw(bill->spec.seed, GEN_S_USAGE, index, 500);

	return index % 8 != 5 ||
		bill->calendar.month_index >= 2019 * 12 + (int) GenBelow(draw, 120);
}

static int64
nominal_lines(const GenBill *bill, GenShape shape)
{
	int			hours = GenShapeHours(shape);

	if (bill->tick_hours == 1)
		return hours;
	if (bill->tick_hours > 24)
		return 1;
	return shape == GEN_OFFICE ? 22 : NOMINAL_DAYS;
}

static size_t
next_usage(GenBill *bill, char *out)
{
	GenMeter   *meter = &bill->meters[0];

	for (;;)
	{
		if (bill->entity < 0 || bill->tick >= bill->ticks)
		{
			if (bill->nominal >= bill->usage_lines)
				return 0;
			bill->entity++;
			bill->tick = 0;
			make_usage_meter(bill, bill->entity);
			bill->nominal += nominal_lines(bill, meter->shape);
			if (!in_use(bill, bill->entity))
				bill->tick = bill->ticks;
			continue;
		}
		if (bill->lines >= bill->usage_end)
			return 0;
		for (; bill->tick < bill->ticks; bill->tick++)
		{
			int64		weight = GenMeterWeight(meter, &bill->spec, &bill->calendar,
												GenTickStart(bill), GenTickEnd(bill));

			if (weight > 0)
			{
				GenMeterLine(bill, meter, weight);
				bill->tick++;
				return GenFinishLine(bill, meter, out);
			}
		}
	}
}

/* The free tier, transfers in, events: no cost, and the rest of the bill. */
static size_t
next_free(GenBill *bill, char *out)
{
	GenMeter   *meter = &bill->meters[0];

	if (bill->lines >= bill->spec.lines)
		return 0;
	for (;;)
	{
		int64		weight;
		GenLine    *line;

		if (bill->entity < 0 || bill->tick >= bill->ticks)
		{
			uint64		draw = GenDraw(bill->spec.seed, GEN_S_FREE, ++bill->entity, 100);
			GenMeterSpec what = {.stream = GEN_S_FREE,.index = bill->entity,.free = true};

			bill->tick = 0;
			what.sku = GenPickSku(&GenFreeSkus, GenDraw(bill->spec.seed, GEN_S_FREE, bill->entity, 200));
			what.tenant = draw % 100 < 45 ? GenSkewedTenant(bill, draw) : 0;
			what.account = (int) GenBelow(draw, (uint64) bill->accounts);
			what.region = GenPickRegion(draw >> 8);
			GenMeterInit(meter, &bill->spec, &bill->calendar, &what);
		}
		weight = GenMeterWeight(meter, &bill->spec, &bill->calendar,
								GenTickStart(bill), GenTickEnd(bill));
		bill->tick++;
		if (weight == 0)
			continue;
		bill->tick--;
		line = GenMeterLine(bill, meter, weight);
		bill->tick++;
		line->rate = 0;
		line->cost = 0;
		return GenFinishLine(bill, meter, out);
	}
}

/* ---------------------------------------------------------------------
 * The month's fees, credits, refund, support and tax
 * ---------------------------------------------------------------------
 */

/* basis points of an amount, rounded half up to the cent, at least one cent */
static int64
cents_of(int128 amount, int basis_points)
{
	int128		part = amount * basis_points / 10000;

	return Max((int64) ((part + CENT / 2) / CENT), 1) * CENT;
}

/* A subscription of whole dollars: a share of what such a bill costs in 2022. */
static size_t
marketplace_fee(GenBill *bill, int which, char *out)
{
	GenLine    *line = month_line(bill, 0, which, GEN_P_MARKET_A + which, "Fee");
	int64		yearly = bill->spec.lines * bill->tick_hours;

	line->invoice = bill->invoice[1];
	line->billing_entity = "AWS Marketplace";
	line->invoicing_entity = "Example Software Ltd";
	line->usage_type = which == 0 ? "SubscriptionMonthly" : "SoftwareUsage";
	line->description = which == 0 ? "Monthly subscription" : "Monthly licence, \"site\"";
	line->cost = Max(yearly / (1000 * (which + 1)), 1) * GEN_ONE;
	return GenFinishLine(bill, &bill->fee_meter, out);
}

static size_t
hosted_zones(GenBill *bill, char *out)
{
	GenLine    *line = month_line(bill, 1, 2, GEN_P_ROUTE53, "Usage");

	line->usage_type = "HostedZone";
	line->operation = "HostedZone";
	line->unit = "HostedZone";
	line->term = "OnDemand";
	line->description = "$0.50 per Hosted Zone for the first 25 Hosted Zones";
	line->priced = true;
	line->quantity = 2 * bill->accounts * GEN_ONE;
	line->rate = GEN_ONE / 2;
	line->list_rate = line->rate;
	line->cost = GenMultiply(line->quantity, line->rate);
	line->list_cost = line->cost;
	return GenFinishLine(bill, &bill->fee_meter, out);
}

static size_t
credit(GenBill *bill, int which, char *out)
{
	GenLine    *line = month_line(bill, 2, 3 + which,
								  which == 0 ? GEN_P_EC2 : GEN_P_LAMBDA, "Credit");

	line->description = which == 0 ? "Migration credit" : "Promotional credit, serverless";
	line->cost = -cents_of(bill->total, which == 0 ? 10 : 4);
	return GenFinishLine(bill, &bill->fee_meter, out);
}

static size_t
refund(GenBill *bill, char *out)
{
	GenLine    *line = month_line(bill, 2, 5, GEN_P_RDS, "Refund");

	line->bill_type = "Refund";
	line->description = "Refund of last month's usage during an incident";
	line->cost = -Max((int64) (bill->total / 7001), 1);
	return GenFinishLine(bill, &bill->fee_meter, out);
}

static size_t
support_fee(GenBill *bill, char *out)
{
	GenLine    *line = month_line(bill, 0, 6, GEN_P_SUPPORT, "Fee");

	line->usage_type = "Dollar";
	line->operation = "BusinessSupport";
	line->description = "AWS Business Support, share of monthly usage";
	line->cost = cents_of(bill->total, 60);
	return GenFinishLine(bill, &bill->fee_meter, out);
}

/* Entities from 7 on are the pairs of a taxed account and a product. */
static size_t
tax(GenBill *bill, char *out)
{
	int			account = (int) (bill->entity - 7) / GEN_PRODUCTS;
	int			product = (int) (bill->entity - 7) % GEN_PRODUCTS;
	int128		base = bill->taxable[account][product];
	int			rate = account == 2 ? VAT_BP : SALES_TAX_BP;
	GenLine    *line;

	if (base <= 0 || bill->lines >= bill->month_end)
		return 0;
	line = month_line(bill, account == 2 ? bill->accounts - 1 : account, 7, product, "Tax");
	line->tax_type = account == 2 ? "VAT" : "USSalesTax";
	line->description = account == 2 ? "Tax for product code, VAT 20 %" :
		"Tax for product code, US sales tax 8.25 %";
	line->cost = (int64) ((base * rate / 10000 + CENT / 2) / CENT) * CENT;
	/* not through GenFinishLine: tax is not taxed */
	bill->total += line->cost;
	bill->lines++;
	return GenWriteLine(line, out);
}

static size_t
next_month(GenBill *bill, char *out)
{
	if (bill->spec.lines < FEE_LINES)
		return 0;
	while (++bill->entity < 7 + GEN_TAXED * GEN_PRODUCTS)
	{
		size_t		length;

		switch (bill->entity)
		{
			case 0: case 1:
				return marketplace_fee(bill, (int) bill->entity, out);
			case 2:
				return hosted_zones(bill, out);
			case 3: case 4:
				return credit(bill, (int) bill->entity - 3, out);
			case 5:
				return refund(bill, out);
			case 6:
				return support_fee(bill, out);
		}
		length = tax(bill, out);
		if (length > 0)
			return length;
	}
	return 0;
}

size_t
GenBillNext(GenBill *bill, char *out)
{
	static size_t (*const next[]) (GenBill *, char *) = {
		[GEN_RESERVED] = GenNextReservation,
		[GEN_PLANS] = GenNextPlan,
		[GEN_USAGE] = next_usage,
		[GEN_MONTH] = next_month,
		[GEN_FREE] = next_free,
	};

	for (;;)
	{
		size_t		length = next[bill->part] (bill, out);

		if (length > 0 || bill->part == GEN_FREE)
			return length;
		bill->part++;
		bill->entity = -1;
		bill->tick = 0;
		bill->slot = 0;
		bill->step = 0;
	}
}
