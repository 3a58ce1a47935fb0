/*-------------------------------------------------------------------------
 *
 * generate_commitment.c
 *	  Reservations and Savings Plans of a generated bill.
 *
 * A reservation is billed as AWS bills it: what is paid upfront as a Fee in
 * the month its term begins, one RIFee for the month, and DiscountedUsage of
 * the instances it covers, which bills nothing.  A plan has one recurring
 * fee per time unit, its covered usage at list price, and one negation per
 * usage type that takes this back.  All parts are whole multiples of hourly
 * rates, so what was used and what was not add up to what was paid, exactly.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/generate.h"

/* Reserved and planned instances cost this share of the list price. */
#define RESERVED_PERCENT	62
#define PLAN_PERCENT		72

static int
reserved_slots(int64 entity)
{
	return entity % 4 == 3 ? 2 : 1;
}

static void
make_tenant_meter(GenBill *bill, GenStream stream, int64 index, int slot,
				  const GenSkuList *list)
{
	uint64		seed = bill->spec.seed;
	GenMeterSpec what = {.stream = stream,.index = index,.slot = slot};

	what.tenant = GenSkewedTenant(bill, GenDraw(seed, stream, index, 100 + slot));
	what.sku = GenPickSku(list, GenDraw(seed, stream, index, 200));
	what.account = GenTenantAccount(bill, what.tenant, GenDraw(seed, stream, index, 300));
	what.region = GenPickRegion(GenDraw(seed, stream, index, 400));
	GenMeterInit(&bill->meters[slot], &bill->spec, &bill->calendar, &what);
}

/* Terms of twelve months that renew for ever, each with its own ARN. */
static void
commitment_term(GenBill *bill, int phase, uint64 draw, const char *resource)
{
	GenCommitment *c = &bill->commitment;
	int			month = bill->calendar.month_index;
	char		uuid[37];

	c->start_month = month - (month - phase) % 12;
	GenMonthStamp(c->start_month, c->start);
	GenMonthStamp(c->start_month + 12, c->end);
	GenUuid(uuid, draw ^ ((uint64) c->start_month << 32));
	GenText(c->arn, sizeof(c->arn), "%s%s", resource, uuid);
	draw ^= (uint64) month << 40;
	GenLineId(c->fee_id, draw ^ 1);
	GenLineId(c->upfront_id, draw ^ 2);
	GenLineId(c->negation_id[0], draw ^ 3);
	GenLineId(c->negation_id[1], draw ^ 4);
}

static void
start_reservation(GenBill *bill)
{
	GenCommitment *c = &bill->commitment;
	int64		k = bill->entity;
	uint64		draw = GenDraw(bill->spec.seed, GEN_S_RESERVED, k, 0);
	const GenMeter *meter = &bill->meters[0];
	const GenSku *sku;
	char		resource[96];
	int64		effective;
	int			option = k < 12 ? (int) (k % 2) : (int) (k % 3);

	c->slots = reserved_slots(k);
	for (int slot = 0; slot < c->slots; slot++)
	{
		make_tenant_meter(bill, GEN_S_RESERVED, k, slot, &GenReservedSkus);
		bill->meters[slot].stops_permille = 35;
	}
	sku = meter->sku;
	GenText(resource, sizeof(resource), "arn:aws:%s:%s:%s:%s",
			sku->product == GEN_P_EC2 ? "ec2" : sku->product == GEN_P_RDS ? "rds" : "elasticache",
			meter->region->code, meter->account_id,
			sku->product == GEN_P_EC2 ? "reserved-instances/" :
			sku->product == GEN_P_RDS ? "ri:ri-" : "reserved-instance:ri-");
	commitment_term(bill, (int) (k % 12), draw, resource);

	/* half upfront, all upfront, nothing upfront */
	effective = meter->rate * RESERVED_PERCENT / 100;
	c->amortized = option == 0 ? effective / 2 : option == 1 ? effective : 0;
	c->recurring = effective - c->amortized;
	GenText(c->usage_type, sizeof(c->usage_type), "%sHeavyUsage:%s",
			meter->region->prefix, sku->instance_type);
	bill->tick = 0;
	bill->slot = 0;
	bill->step = 0;
}

static void
reservation_fields(GenBill *bill, GenLine *line)
{
	line->reservation_arn = bill->commitment.arn;
	line->term_start = bill->commitment.start;
	line->term_end = bill->commitment.end;
}

static int64
upfront_value(const GenBill *bill)
{
	const GenCommitment *c = &bill->commitment;

	return c->amortized * c->slots * GenMonthHours(c->start_month, 12);
}

/* A line of a commitment's own: its fee, or what is paid for it upfront. */
static GenLine *
commitment_line(GenBill *bill, bool month, const char *type)
{
	const GenMeter *meter = &bill->meters[0];
	GenLine    *line = GenStartLine(bill, meter, month);

	line->product = &GenProducts[meter->sku->product];
	line->type = type;
	line->usage_type = bill->commitment.usage_type;
	line->region = meter->region->code;
	line->description = bill->commitment.text;
	return line;
}

static size_t
reservation_upfront(GenBill *bill, char *out)
{
	const GenMeter *meter = &bill->meters[0];
	GenCommitment *c = &bill->commitment;
	GenLine    *line = commitment_line(bill, true, "Fee");

	GenText(c->text, sizeof(c->text), "Sign up charge for %d reserved %s, one year",
			c->slots, meter->sku->instance_type);
	line->id = c->upfront_id;
	line->bill_type = "Purchase";
	line->end = bill->calendar.stamp[1];
	line->operation = meter->sku->operation;
	line->unit = "Quantity";
	line->priced = true;
	line->quantity = c->slots * GEN_ONE;
	line->cost = upfront_value(bill);
	line->rate = line->cost / c->slots;
	reservation_fields(bill, line);
	line->ri_upfront_value = line->cost;
	return GenFinishLine(bill, meter, out);
}

static size_t
reservation_fee(GenBill *bill, char *out)
{
	const GenMeter *meter = &bill->meters[0];
	GenCommitment *c = &bill->commitment;
	GenLine    *line = commitment_line(bill, true, "RIFee");
	int64		hours = (int64) c->slots * bill->calendar.hours;
	int64		unused = hours;
	char		rate[24];

	for (int slot = 0; slot < c->slots; slot++)
		unused -= GenMeterWeight(&bill->meters[slot], &bill->spec, &bill->calendar,
								 0, bill->calendar.hours) / 1000;
	rate[GenWriteAmount(c->recurring, rate)] = '\0';
	GenText(c->text, sizeof(c->text), "USD %s hourly fee per %s, %s reserved", rate,
			meter->sku->family, meter->sku->instance_type);
	line->id = c->fee_id;
	line->operation = meter->sku->operation;
	line->instance_type = meter->sku->instance_type;
	line->family = meter->sku->family;
	line->unit = "Hrs";
	line->priced = true;
	line->quantity = hours * GEN_ONE;
	line->rate = c->recurring;
	line->cost = c->recurring * hours;
	reservation_fields(bill, line);
	line->ri_amortized_period = c->amortized * hours;
	line->ri_unused_quantity = unused * GEN_ONE;
	line->ri_unused_recurring = c->recurring * unused;
	line->ri_unused_amortized = c->amortized * unused;
	line->ri_total_units = hours * GEN_ONE;
	line->ri_upfront_value = upfront_value(bill);
	return GenFinishLine(bill, meter, out);
}

static size_t
reserved_usage(GenBill *bill, int64 hours, char *out)
{
	const GenMeter *meter = &bill->meters[bill->slot];
	GenCommitment *c = &bill->commitment;
	GenLine    *line = GenMeterLine(bill, meter, hours * 1000);

	GenText(c->text, sizeof(c->text), "%s, %s reserved instance applied",
			meter->sku->family, meter->sku->instance_type);
	line->type = "DiscountedUsage";
	line->term = "Reserved";
	line->description = c->text;
	line->rate = 0;
	line->cost = 0;
	reservation_fields(bill, line);
	line->ri_amortized_usage = c->amortized * hours;
	line->ri_recurring_usage = c->recurring * hours;
	line->ri_effective = line->ri_amortized_usage + line->ri_recurring_usage;
	return GenFinishLine(bill, meter, out);
}

size_t
GenNextReservation(GenBill *bill, char *out)
{
	GenCommitment *c = &bill->commitment;

	for (;;)
	{
		if (bill->entity < 0 || bill->slot >= c->slots)
		{
			if (++bill->entity >= bill->reserved)
				return 0;
			start_reservation(bill);
		}
		switch (bill->step++)
		{
			case 0:
				if (c->start_month == bill->calendar.month_index && c->amortized > 0)
					return reservation_upfront(bill, out);
				continue;
			case 1:
				return reservation_fee(bill, out);
		}
		while (bill->slot < c->slots)
		{
			int64		hours = GenMeterWeight(&bill->meters[bill->slot], &bill->spec,
											   &bill->calendar, GenTickStart(bill),
											   GenTickEnd(bill)) / 1000;
			size_t		length = hours > 0 ? reserved_usage(bill, hours, out) : 0;

			if (++bill->tick >= bill->ticks)
			{
				bill->tick = 0;
				bill->slot++;
			}
			if (length > 0)
				return length;
		}
	}
}

/* Slots 0 and 1 are of one usage type, region and account, 2 and 3 of another. */
static void
start_plan(GenBill *bill)
{
	GenCommitment *c = &bill->commitment;
	int64		k = bill->entity;
	uint64		seed = bill->spec.seed;
	char		resource[64];
	int64		commitment = 0;

	c->slots = GEN_PLAN_SLOTS;
	for (int slot = 0; slot < GEN_PLAN_SLOTS; slot++)
	{
		int64		pair = k * 2 + slot / 2;
		GenMeterSpec what = {.stream = GEN_S_PLAN,.index = pair,.slot = slot % 2};

		what.tenant = GenSkewedTenant(bill, GenDraw(seed, GEN_S_PLAN, pair, 100 + slot));
		what.sku = &GenPlanSkus.skus[pair % GenPlanSkus.count];
		what.account = 2 + (int) GenBelow(GenDraw(seed, GEN_S_PLAN, pair, 300),
										  (uint64) (bill->accounts - 3));
		what.region = GenPickRegion(GenDraw(seed, GEN_S_PLAN, pair, 400));
		GenMeterInit(&bill->meters[slot], &bill->spec, &bill->calendar, &what);
		bill->meters[slot].stops_permille = 30;
		c->slot_rate[slot] = bill->meters[slot].rate * PLAN_PERCENT / 100;
		commitment += c->slot_rate[slot];
	}
	/* commitments are bought in tenths of a cent per hour */
	commitment = (commitment + GEN_ONE / 1000 - 1) / (GEN_ONE / 1000) * (GEN_ONE / 1000);
	c->amortized = k % 2 == 1 ? commitment / 2 : 0;
	c->recurring = commitment - c->amortized;
	GenText(resource, sizeof(resource), "arn:aws:savingsplans::%s:savingsplan/", bill->payer);
	commitment_term(bill, (int) ((k * 5 + 2) % 12), GenDraw(seed, GEN_S_PLAN, k, 1000), resource);
	GenText(c->usage_type, sizeof(c->usage_type), "ComputeSP:1yr%sUpfront",
			c->amortized > 0 ? "Partial" : "No");
	bill->tick = 0;
	bill->slot = 0;
	bill->step = 0;
}

static void
plan_fields(GenBill *bill, GenLine *line)
{
	line->plan_arn = bill->commitment.arn;
	line->plan_option = bill->commitment.amortized > 0 ? "Partial Upfront" : "No Upfront";
}

static size_t
plan_upfront(GenBill *bill, char *out)
{
	GenCommitment *c = &bill->commitment;
	GenLine    *line = commitment_line(bill, true, "SavingsPlanUpfrontFee");

	GenText(c->text, sizeof(c->text), "1 year Partial Upfront Compute Savings Plan");
	line->id = c->upfront_id;
	line->product = &GenProducts[GEN_P_SAVINGSPLANS];
	line->bill_type = "Purchase";
	line->region = "global";
	line->end = bill->calendar.stamp[1];
	line->cost = c->amortized * GenMonthHours(c->start_month, 12);
	plan_fields(bill, line);
	return GenFinishLine(bill, &bill->meters[0], out);
}

/* Hours that a slot runs in the current tick. */
static int64
slot_hours(const GenBill *bill, int slot)
{
	return GenMeterWeight(&bill->meters[slot], &bill->spec, &bill->calendar,
						  GenTickStart(bill), GenTickEnd(bill)) / 1000;
}

static size_t
plan_fee(GenBill *bill, char *out)
{
	GenCommitment *c = &bill->commitment;
	GenLine    *line = commitment_line(bill, false, "SavingsPlanRecurringFee");

	GenText(c->text, sizeof(c->text), "1 year %s Upfront Compute Savings Plan",
			c->amortized > 0 ? "Partial" : "No");
	line->id = c->fee_id;
	line->product = &GenProducts[GEN_P_SAVINGSPLANS];
	line->region = "global";
	line->unit = "Hrs";
	line->priced = true;
	line->quantity = bill->tick_hours * GEN_ONE;
	line->rate = c->recurring;
	line->cost = c->recurring * bill->tick_hours;
	plan_fields(bill, line);
	line->sp_recurring = line->cost;
	line->sp_amortized = c->amortized * bill->tick_hours;
	line->sp_total = line->sp_recurring + line->sp_amortized;
	for (int slot = 0; slot < GEN_PLAN_SLOTS; slot++)
		line->sp_used += c->slot_rate[slot] * slot_hours(bill, slot);
	return GenFinishLine(bill, &bill->meters[0], out);
}

static size_t
plan_covered(GenBill *bill, int slot, char *out)
{
	const GenMeter *meter = &bill->meters[slot];
	GenCommitment *c = &bill->commitment;
	int64		hours = slot_hours(bill, slot);
	GenLine    *line;

	if (hours == 0)
		return 0;
	line = GenMeterLine(bill, meter, hours * 1000);
	line->type = "SavingsPlanCoveredUsage";
	plan_fields(bill, line);
	line->sp_rate = c->slot_rate[slot];
	line->sp_effective = c->slot_rate[slot] * hours;
	return GenFinishLine(bill, meter, out);
}

/* One negation per usage type takes back what its covered lines cost. */
static size_t
plan_negation(GenBill *bill, int pair, char *out)
{
	const GenMeter *meter = &bill->meters[pair * 2];
	GenCommitment *c = &bill->commitment;
	int64		hours = slot_hours(bill, pair * 2) + slot_hours(bill, pair * 2 + 1);
	GenLine    *line;

	if (hours == 0)
		return 0;
	line = GenMeterLine(bill, meter, hours * 1000);
	GenText(c->text, sizeof(c->text),
			"SavingsPlanNegation used by AccountId : %s and UsageSku : %s",
			meter->account_id, meter->sku_code);
	line->id = c->negation_id[pair];
	line->type = "SavingsPlanNegation";
	line->description = c->text;
	line->resource = "";
	line->tags = "";
	line->cost = -line->cost;
	line->rate = -line->rate;
	plan_fields(bill, line);
	return GenFinishLine(bill, meter, out);
}

size_t
GenNextPlan(GenBill *bill, char *out)
{
	GenCommitment *c = &bill->commitment;

	for (;;)
	{
		size_t		length = 0;

		if (bill->entity < 0 || bill->tick >= bill->ticks)
		{
			if (++bill->entity >= bill->plans)
				return 0;
			start_plan(bill);
			if (c->start_month == bill->calendar.month_index && c->amortized > 0)
				return plan_upfront(bill, out);
		}
		if (bill->step == 0)
			length = plan_fee(bill, out);
		else if (bill->step <= GEN_PLAN_SLOTS)
			length = plan_covered(bill, bill->step - 1, out);
		else
			length = plan_negation(bill, bill->step - 1 - GEN_PLAN_SLOTS, out);
		if (++bill->step == GEN_PLAN_SLOTS + 3)
		{
			bill->step = 0;
			bill->tick++;
		}
		if (length > 0)
			return length;
	}
}

