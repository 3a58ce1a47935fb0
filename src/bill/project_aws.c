/*-------------------------------------------------------------------------
 *
 * project_aws.c
 *	  Lines of an AWS cost and usage report.
 *
 * Effective (amortised) cost is decided here, by line item type; the columns
 * are those of the AWS data dictionary:
 *
 *	SavingsPlanCoveredUsage		savings plan effective cost
 *	SavingsPlanNegation			0: it takes back the covered lines' price
 *	SavingsPlanRecurringFee		commitment to date less what was used of it
 *	SavingsPlanUpfrontFee		0: amortised through covered usage
 *	DiscountedUsage				reservation effective cost
 *	RIFee						unused amortised upfront fee + unused recurring fee
 *	Fee of a reservation		0
 *	Refund of a savings plan	0
 *	split cost lines			0: their cost stands in the parent's line
 *	everything else				as billed
 *
 * Billed cost is the unblended cost, or the net unblended cost where the
 * report has that column.  Discount lines without a net amount then bill
 * nothing: net amounts have the discount in them already.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/project.h"

typedef enum CostRule
{
	COST_AS_BILLED,
	COST_NONE,
	COST_NEGATION,
	COST_SP_EFFECTIVE,
	COST_SP_UNUSED,
	COST_RI_EFFECTIVE,
	COST_RI_UNUSED,
	COST_FEE,
	COST_REFUND,
	COST_DISCOUNT
} CostRule;

typedef struct LineType
{
	const char *name;
	CostRule	rule;
	const char *category;		/* FOCUS ChargeCategory */
	const char *status;			/* FOCUS CommitmentDiscountStatus */
	const char *frequency;		/* FOCUS ChargeFrequency */
} LineType;

static const LineType line_types[] = {
	{"Usage", COST_AS_BILLED, "Usage", NULL, "Usage-Based"},
	{"DiscountedUsage", COST_RI_EFFECTIVE, "Usage", "Used", "Usage-Based"},
	{"SavingsPlanCoveredUsage", COST_SP_EFFECTIVE, "Usage", "Used", "Usage-Based"},
	{"SavingsPlanNegation", COST_NEGATION, "Usage", NULL, "Usage-Based"},
	{"SavingsPlanRecurringFee", COST_SP_UNUSED, "Purchase", NULL, "Recurring"},
	{"SavingsPlanUpfrontFee", COST_NONE, "Purchase", NULL, "One-Time"},
	{"RIFee", COST_RI_UNUSED, "Purchase", NULL, "Recurring"},
	{"Fee", COST_FEE, "Purchase", NULL, "One-Time"},
	{"Tax", COST_AS_BILLED, "Tax", NULL, NULL},
	{"Credit", COST_AS_BILLED, "Credit", NULL, NULL},
	{"Refund", COST_REFUND, "Adjustment", NULL, NULL},
	{"FlatRateSubscription", COST_AS_BILLED, "Usage", NULL, "Recurring"},
};

static const LineType discount_type = {"Discount", COST_DISCOUNT, "Usage", NULL, NULL};
static const LineType other_type = {"", COST_AS_BILLED, "Usage", NULL, NULL};

static bool
ends_with(Slice s, const char *suffix)
{
	int			len = (int) strlen(suffix);

	return s.len >= len && memcmp(s.data + s.len - len, suffix, (size_t) len) == 0;
}

/* Lines of one type often follow each other. */
static const LineType *
line_type(const BillProjector *p, Slice name)
{
	if (p->type != NULL && name.len > 0 && SliceEqual(name, p->type->name))
		return p->type;
	for (size_t i = 0; i < lengthof(line_types); i++)
		if (SliceEqual(name, line_types[i].name))
			return &line_types[i];
	return name.data != NULL && ends_with(name, "Discount") ? &discount_type : &other_type;
}

/* Split cost allocation: a container's share of an instance that is a line too. */
static bool
is_split_line(const BillProjector *p)
{
	static const char *const operations[] = {"EKSPod-EC2", "ECSTask-EC2"};

	if (is_set(p, BF_SPLIT_PARENT))
		return true;
	if (!is_set(p, BF_OPERATION))
		return false;
	for (size_t i = 0; i < lengthof(operations); i++)
		if (SliceEqual(p->value[BF_OPERATION], operations[i]))
			return true;
	return false;
}

/* A commitment line without its amortised cost costs what it is billed. */
static Slice
without_amortised(BillProjector *p)
{
	p->no_effective++;
	return p->value[BF_BILLED];
}

static Slice
amortised(BillProjector *p, BillField net, BillField gross)
{
	Slice		value = either(p, net, gross);

	return value.data != NULL ? value : without_amortised(p);
}

static Slice
unused_reservation(BillProjector *p)
{
	Slice		upfront = either(p, BF_RI_UNUSED_UPFRONT_NET, BF_RI_UNUSED_UPFRONT);
	Slice		recurring = either(p, BF_RI_UNUSED_RECURRING_NET, BF_RI_UNUSED_RECURRING);

	if (upfront.data == NULL && recurring.data == NULL)
		return without_amortised(p);
	return ProjectSum(p, upfront, recurring, 1);
}

static Slice
effective_cost(BillProjector *p, const LineType *type)
{
	if (is_split_line(p))
		return constant("0");
	switch (type->rule)
	{
		case COST_NONE:
		case COST_NEGATION:
			return constant("0");
		case COST_SP_EFFECTIVE:
			return amortised(p, BF_SP_EFFECTIVE_NET, BF_SP_EFFECTIVE);
		case COST_SP_UNUSED:
			return is_set(p, BF_SP_TOTAL) ?
				ProjectSum(p, p->value[BF_SP_TOTAL], p->value[BF_SP_USED], -1) :
				without_amortised(p);
		case COST_RI_EFFECTIVE:
			return amortised(p, BF_RI_EFFECTIVE_NET, BF_RI_EFFECTIVE);
		case COST_RI_UNUSED:
			return unused_reservation(p);
		case COST_FEE:
			return is_set(p, BF_RI_ARN) ? constant("0") : p->value[BF_BILLED];
		case COST_REFUND:
			/* they are sold under product codes such as ComputeSavingsPlans */
			return is_set(p, BF_PRODUCT_CODE) &&
				ends_with(p->value[BF_PRODUCT_CODE], "SavingsPlans") ?
				constant("0") : p->value[BF_BILLED];
		case COST_AS_BILLED:
		case COST_DISCOUNT:
			break;
	}
	return p->value[BF_BILLED];
}

/* CUR 2.0 keeps rarer product attributes in a map. */
static void
visit_product(void *arg, const JsonMember *member)
{
	BillProjector *p = arg;
	BillField	field;

	if (SliceEqual(member->key, "product_name"))
		field = BF_PRODUCT_NAME;
	else if (SliceEqual(member->key, "region"))
		field = BF_REGION;
	else if (SliceEqual(member->key, "instance_type"))
		field = BF_INSTANCE_TYPE;
	else
		return;
	if (!is_set(p, field) && member->is_string)
		p->value[field] = JsonScalarText(member, &p->product);
}

static void
read_product_map(BillProjector *p)
{
	static const BillField fields[] = {BF_PRODUCT_NAME, BF_REGION, BF_INSTANCE_TYPE};
	const BillHeader *h = p->header;
	Slice		map = p->value[BF_PRODUCT_MAP];

	for (size_t i = 0; i < lengthof(fields); i++)
		if (h->column[fields[i]] < 0 && (fields[i] != BF_REGION || h->column[BF_REGION_2] < 0))
			p->value[fields[i]] = null_slice;
	if (map.data == NULL || (is_set(p, BF_REGION) && is_set(p, BF_PRODUCT_CODE)))
		return;
	p->product.len = 0;
	OutReserve(&p->product, (size_t) map.len);
	(void) JsonObject(map, visit_product, p);
}

static void
read_commitment(BillProjector *p, const LineType *type)
{
	bool		plan = is_set(p, BF_SP_ARN);
	bool		reservation = is_set(p, BF_RI_ARN);

	p->value[BF_COMMITMENT_ID] = either(p, BF_SP_ARN, BF_RI_ARN);
	p->value[BF_COMMITMENT_STATUS] = constant(type->status);
	p->value[BF_COMMITMENT_CATEGORY] = plan ? constant("Spend") :
		reservation ? constant("Usage") : null_slice;
	if (!p->header->filled[BF_UPFRONT])
		return;
	p->value[BF_UPFRONT] = type->rule == COST_SP_UNUSED ? either(p, BF_SP_UPFRONT_NET, BF_SP_UPFRONT) :
		type->rule == COST_RI_UNUSED ? either(p, BF_RI_UPFRONT_NET, BF_RI_UPFRONT) : null_slice;
	p->fees |= p->value[BF_UPFRONT].data != NULL;
}

void
ProjectAws(BillProjector *p)
{
	static const BillField services[] = {
		BF_PRODUCT_CODE, BF_SERVICE_CODE, BF_PRODUCT_NAME, BF_LEGAL_ENTITY, BF_NONE,
	};
	const LineType *type = p->type = line_type(p, p->value[BF_LINE_TYPE]);
	bool		net = p->header->column[BF_NET_UNBLENDED_COST] >= 0;

	if (type == &other_type && is_set(p, BF_LINE_TYPE))
		ProjectNoteOddType(p, p->value[BF_LINE_TYPE]);
	if (net && is_set(p, BF_NET_UNBLENDED_COST))
		p->value[BF_BILLED] = p->value[BF_NET_UNBLENDED_COST];
	else if (net && type->rule == COST_DISCOUNT)
		p->value[BF_BILLED] = constant("0");
	else
		p->value[BF_BILLED] = ProjectCost(p, BF_UNBLENDED_COST);
	p->value[BF_EFFECTIVE] = effective_cost(p, type);
	/* a negation repeats the list price of the usage it cancels */
	if (type->rule == COST_NEGATION && p->header->column[BF_LIST_COST] >= 0)
		p->value[BF_LIST_COST] = constant("0");
	if (p->header->column[BF_PRODUCT_MAP] >= 0)
		read_product_map(p);
	read_commitment(p, type);
	p->value[BF_PROVIDER] = constant("AWS");
	p->value[BF_CATEGORY] = constant(type->category);
	p->value[BF_CHARGE_FREQUENCY] = constant(type->frequency);
	ProjectService(p, services);
}
