/*-------------------------------------------------------------------------
 *
 * project_azure.c
 *	  Lines of an Azure cost export, actual or amortised.
 *
 * Both kinds of file have the same columns.  The amortised one spreads what
 * reservations and savings plans cost over the usage they cover and the
 * hours they lie unused; the actual one has their purchases, and covered
 * usage at 0.  So a covered or unused line is billed 0 and its cost is the
 * effective one, in either file; everything else costs what it is billed.
 * The purchase of a commitment, which only the actual file has, keeps its
 * cost as effective cost too: the file does not say how it is amortised.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/project.h"

#include <stdio.h>

typedef struct ChargeType
{
	const char *name;
	const char *category;
	const char *unused;			/* which commitment is */
} ChargeType;

static const ChargeType charge_types[] = {
	{"Usage", "Usage", NULL},
	{"Purchase", "Purchase", NULL},
	{"UnusedReservation", "Usage", "Reservation"},
	{"UnusedSavingsPlan", "Usage", "SavingsPlan"},
	{"Refund", "Adjustment", NULL},
	{"Adjustment", "Adjustment", NULL},
	{"RoundingAdjustment", "Adjustment", NULL},
	{"Tax", "Tax", NULL},
	{"Credit", "Credit", NULL},
};

/* Bills without charge types have usage only. */
static const ChargeType *
charge_type(BillProjector *p)
{
	Slice		name = p->value[BF_LINE_TYPE];

	if (name.data == NULL)
		return &charge_types[0];
	for (size_t i = 0; i < lengthof(charge_types); i++)
		if (ProjectSame(name, charge_types[i].name))
			return &charge_types[i];
	ProjectNoteOddType(p, name);
	return &charge_types[0];
}

static Slice
charge_frequency(const BillProjector *p)
{
	static const char *const names[][2] = {
		{"UsageBased", "Usage-Based"},
		{"OneTime", "One-Time"},
		{"Recurring", "Recurring"},
	};

	if (is_set(p, BF_CHARGE_FREQUENCY))
		for (size_t i = 0; i < lengthof(names); i++)
			if (ProjectSame(p->value[BF_CHARGE_FREQUENCY], names[i][0]))
				return constant(names[i][1]);
	return p->value[BF_CHARGE_FREQUENCY];
}

static Slice
pricing_category(bool commitment, Slice model)
{
	if (commitment)
		return constant("Committed");
	if (model.data == NULL)
		return null_slice;
	if (ProjectSame(model, "Spot"))
		return constant("Dynamic");
	return constant(ProjectSame(model, "OnDemand") ? "Standard" : "Other");
}

static void
read_commitment(BillProjector *p, const ChargeType *type)
{
	Slice		model = type->unused != NULL ? constant(type->unused) : p->value[BF_PRICING_MODEL];
	bool		reservation = model.data != NULL && ProjectSame(model, "Reservation");
	bool		plan = model.data != NULL && ProjectSame(model, "SavingsPlan");
	bool		covered = (reservation || plan) && strcmp(type->category, "Usage") == 0;

	p->value[BF_PRICING_CATEGORY] = pricing_category(covered, model);
	p->value[BF_COMMITMENT_STATUS] = type->unused != NULL ? constant("Unused") :
		covered ? constant("Used") : null_slice;
	p->value[BF_COMMITMENT_CATEGORY] = reservation ? constant("Usage") :
		plan ? constant("Spend") : null_slice;
	p->value[BF_COMMITMENT_TYPE] = reservation ? constant("Reservation") :
		plan ? constant("Savings Plan") : null_slice;
	if (covered)
		p->value[BF_BILLED] = constant("0");
	else if ((reservation || plan) && strcmp(type->category, "Purchase") == 0)
		p->no_effective++;
}

/* Lines are of one day, which the bill names by its start. */
static Slice
day_after(BillProjector *p, Slice day)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	BillTime	t;
	bool		leap;

	if (day.data == NULL || day.len > (int) sizeof(p->day))
		return null_slice;
	if (p->day_len != day.len || memcmp(p->day, day.data, (size_t) day.len) != 0)
	{
		if (TimeParse(day, &t) != VALUE_OK)
			return null_slice;
		leap = (t.year % 4 == 0 && t.year % 100 != 0) || t.year % 400 == 0;
		if (++t.day > days[t.month - 1] + (t.month == 2 && leap))
		{
			t.day = 1;
			if (++t.month > 12)
			{
				t.month = 1;
				t.year++;
			}
		}
		(void) snprintf(p->next_day, sizeof(p->next_day), "%04d-%02d-%02d",
						t.year % 10000, t.month % 100, t.day % 100);
		p->day_len = day.len;
		memcpy(p->day, day.data, (size_t) day.len);
	}
	return constant(p->next_day);
}

void
ProjectAzure(BillProjector *p)
{
	static const BillField services[] = {
		BF_PRODUCT_CODE, BF_SERVICE_CODE, BF_DESCRIPTION, BF_PUBLISHER, BF_NONE,
	};
	const ChargeType *type = charge_type(p);

	p->value[BF_EFFECTIVE] = p->value[BF_BILLED] = ProjectCost(p, BF_UNBLENDED_COST);
	read_commitment(p, type);
	p->value[BF_PROVIDER] = constant("Microsoft");
	p->value[BF_CATEGORY] = constant(type->category);
	p->value[BF_CHARGE_FREQUENCY] = charge_frequency(p);
	if (p->header->column[BF_USAGE_END] < 0)
		p->value[BF_USAGE_END] = day_after(p, p->value[BF_USAGE_START]);
	ProjectService(p, services);
}
