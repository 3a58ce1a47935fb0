/*-------------------------------------------------------------------------
 *
 * project.c
 *	  One record of a bill becomes one fact.
 *
 * Effective (amortised) cost of a cost and usage report is decided here, by
 * line item type; FOCUS bills bring it.  The rules, with the AWS data
 * dictionary for the columns:
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

/* Operations of split cost allocation lines (containers on EC2). */
static const char *const split_operations[] = {"EKSPod-EC2", "ECSTask-EC2"};

static bool
is_number(int field)
{
	switch (field)
	{
		case BF_USAGE_AMOUNT:
		case BF_USAGE_AMOUNT_2:
		case BF_UNBLENDED_RATE:
		case BF_UNBLENDED_COST:
		case BF_BLENDED_COST:
		case BF_NET_UNBLENDED_COST:
		case BF_LIST_COST:
		case BF_CONTRACTED_COST:
		case BF_EFFECTIVE_COST:
		case BF_RI_EFFECTIVE:
		case BF_RI_EFFECTIVE_NET:
		case BF_RI_UNUSED_UPFRONT:
		case BF_RI_UNUSED_UPFRONT_NET:
		case BF_RI_UNUSED_RECURRING:
		case BF_RI_UNUSED_RECURRING_NET:
		case BF_SP_EFFECTIVE:
		case BF_SP_EFFECTIVE_NET:
		case BF_SP_TOTAL:
		case BF_SP_USED:
			return true;
		default:
			return false;
	}
}

static bool
is_time(int field)
{
	return field == BF_PERIOD_START || field == BF_PERIOD_END ||
		field == BF_USAGE_START || field == BF_USAGE_END;
}

bool
ProjectProblem(BillProjector *p, ValueStatus status, int field, Slice value)
{
	int			column = p->header->column[field];

	p->problem.status = status;
	p->problem.column = column >= 0 ? p->header->names[column] : "";
	p->problem.value = value;
	return false;
}

void
ProjectorFree(BillProjector *p)
{
	OutFree(&p->scratch);
	OutFree(&p->tags);
	OutFree(&p->tag_text);
	OutFree(&p->tag_json);
}

/* ---------------------------------------------------------------------
 * Reading
 * ---------------------------------------------------------------------
 */

static bool
read_fields(BillProjector *p, const CsvField *fields)
{
	for (int f = BF_NONE + 1; f < BF_COUNT; f++)
	{
		int			column = p->header->column[f];
		Slice		value;
		ValueStatus status;

		p->value[f] = null_slice;
		if (column < 0 || CsvIsNull(&fields[column], is_number(f) || is_time(f)))
			continue;
		value.data = fields[column].data;
		value.len = fields[column].len;
		if (is_number(f))
		{
			value = SliceTrim(value);
			if (value.len == 0)
				continue;
			status = NumberCheck(value);
			if (status != VALUE_OK)
				return ProjectProblem(p, status, f, value);
		}
		p->value[f] = value;
	}
	return true;
}

static bool
read_time(BillProjector *p, BillField field, BillTime *time)
{
	Slice		text = SliceTrim(p->value[field]);

	if (TimeParse(text, time) == VALUE_OK)
		return true;
	return ProjectProblem(p, VALUE_NOT_A_TIME, field, text);
}

/* The month in which the line is billed, from the bill, else from its use. */
static bool
read_period(BillProjector *p)
{
	BillTime	time;
	BillField	field = is_set(p, BF_PERIOD_START) ? BF_PERIOD_START : BF_USAGE_START;

	if (field != BF_PERIOD_START && p->default_period.year != 0)
	{
		p->row.period = p->default_period;
		p->row.has_period = true;
		return true;
	}
	if (!is_set(p, field))
		return true;
	if (!read_time(p, field, &time))
		return false;
	p->row.has_period = true;
	p->row.period.year = time.year;
	p->row.period.month = time.month;
	return true;
}

static const LineType *
line_type(Slice name)
{
	static const char suffix[] = "Discount";
	const int	len = (int) sizeof(suffix) - 1;

	for (size_t i = 0; i < lengthof(line_types); i++)
		if (SliceEqual(name, line_types[i].name))
			return &line_types[i];
	if (name.len >= len && memcmp(name.data + name.len - len, suffix, (size_t) len) == 0)
		return &discount_type;
	return &other_type;
}

void
ProjectNoteOddType(BillProjector *p, Slice name)
{
	size_t		len = Min((size_t) name.len, sizeof(p->odd_types[0]) - 1);

	for (int i = 0; i < p->nodd_types; i++)
		if (strlen(p->odd_types[i]) == len &&
			memcmp(p->odd_types[i], name.data, len) == 0)
			return;
	if (p->nodd_types == BILL_MAX_ODD_TYPES ||
		!Utf8Valid(name.data, (int) len))
		return;
	memcpy(p->odd_types[p->nodd_types], name.data, len);
	p->odd_types[p->nodd_types++][len] = '\0';
}

static bool
is_split_line(const BillProjector *p)
{
	if (!is_set(p, BF_OPERATION))
		return false;
	for (size_t i = 0; i < lengthof(split_operations); i++)
		if (SliceEqual(p->value[BF_OPERATION], split_operations[i]))
			return true;
	return false;
}

/* Savings plans are sold under product codes such as ComputeSavingsPlans. */
static bool
is_savings_plan_product(Slice code)
{
	static const char suffix[] = "SavingsPlans";
	const int	len = (int) sizeof(suffix) - 1;

	return code.len >= len && memcmp(code.data + code.len - len, suffix, (size_t) len) == 0;
}

/* A commitment line without its amortised cost costs what it is billed. */
static Slice
amortised(BillProjector *p, BillField net, BillField gross)
{
	Slice		value = either(p, net, gross);

	if (value.data != NULL)
		return value;
	p->no_effective++;
	return p->billed;
}

/* a + sign * b, nothing counting as 0; into the scratch buffer */
static Slice
sum_of(BillProjector *p, Slice a, Slice b, int sign)
{
	size_t		start;
	Slice		result;

	if (b.data == NULL)
		return a;
	if (a.data == NULL)
		a = constant("0");
	OutReserve(&p->scratch, 2 * NUMBER_MAX_DIGITS + 4);
	start = p->scratch.len;
	NumberAdd(&p->scratch, a, b, sign);
	result.data = p->scratch.data + start;
	result.len = (int) (p->scratch.len - start);
	return result;
}

static Slice
unused_reservation(BillProjector *p)
{
	Slice		upfront = either(p, BF_RI_UNUSED_UPFRONT_NET, BF_RI_UNUSED_UPFRONT);
	Slice		recurring = either(p, BF_RI_UNUSED_RECURRING_NET, BF_RI_UNUSED_RECURRING);

	if (upfront.data == NULL && recurring.data == NULL)
	{
		p->no_effective++;
		return p->billed;
	}
	return sum_of(p, upfront, recurring, 1);
}

static Slice
unused_savings_plan(BillProjector *p)
{
	if (!is_set(p, BF_SP_TOTAL))
	{
		p->no_effective++;
		return p->billed;
	}
	return sum_of(p, p->value[BF_SP_TOTAL], p->value[BF_SP_USED], -1);
}

static Slice
cur_effective(BillProjector *p, const LineType *type)
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
			return unused_savings_plan(p);
		case COST_RI_EFFECTIVE:
			return amortised(p, BF_RI_EFFECTIVE_NET, BF_RI_EFFECTIVE);
		case COST_RI_UNUSED:
			return unused_reservation(p);
		case COST_FEE:
			return is_set(p, BF_RI_ARN) ? constant("0") : p->billed;
		case COST_REFUND:
			return is_savings_plan_product(p->value[BF_PRODUCT_CODE]) ?
				constant("0") : p->billed;
		case COST_AS_BILLED:
		case COST_DISCOUNT:
			break;
	}
	return p->billed;
}

static void
read_cur_costs(BillProjector *p)
{
	const LineType *type = p->type = line_type(p->value[BF_LINE_TYPE]);
	bool		net = p->header->column[BF_NET_UNBLENDED_COST] >= 0;

	if (type == &other_type && is_set(p, BF_LINE_TYPE))
		ProjectNoteOddType(p, p->value[BF_LINE_TYPE]);
	p->billed = p->value[BF_UNBLENDED_COST];
	if (net && is_set(p, BF_NET_UNBLENDED_COST))
		p->billed = p->value[BF_NET_UNBLENDED_COST];
	else if (net && type->rule == COST_DISCOUNT)
		p->billed = constant("0");
	if (p->billed.data == NULL)
	{
		p->blank_costs++;
		p->billed = constant("0");
	}
	p->effective = cur_effective(p, type);
	p->row.provider = constant("AWS");
}

/* The names under which the large providers appear. */
static Slice
provider_name(Slice name)
{
	static const char *const names[][2] = {
		{"AWS", "AWS"},
		{"Amazon Web Services", "AWS"},
		{"Amazon Web Services, Inc.", "AWS"},
		{"Microsoft", "Microsoft"},
		{"Microsoft Azure", "Microsoft"},
		{"Azure", "Microsoft"},
		{"Google Cloud", "Google Cloud"},
		{"Google Cloud Platform", "Google Cloud"},
		{"Google", "Google Cloud"},
		{"GCP", "Google Cloud"},
		{"Oracle", "Oracle"},
		{"Oracle Cloud", "Oracle"},
		{"Oracle Cloud Infrastructure", "Oracle"},
	};

	name = SliceTrim(name);
	if (name.len == 0)
		return constant("unknown");
	for (size_t i = 0; i < lengthof(names); i++)
		if (SliceEqual(name, names[i][0]))
			return constant(names[i][1]);
	return name;
}

static void
read_focus_costs(BillProjector *p)
{
	Slice		provider = either(p, BF_PROVIDER, BF_PROVIDER_2);

	if (provider.data == NULL)
		provider = either(p, BF_BILLING_ENTITY, BF_LEGAL_ENTITY);
	p->row.provider = provider.data == NULL ? constant("unknown") : provider_name(provider);
	p->billed = p->value[BF_UNBLENDED_COST];
	p->effective = p->value[BF_EFFECTIVE_COST];
	if (p->billed.data == NULL || p->effective.data == NULL)
		p->blank_costs++;
	if (p->billed.data == NULL)
		p->billed = constant("0");
	if (p->effective.data == NULL)
		p->effective = constant("0");
}

/* ---------------------------------------------------------------------
 * Tags
 * ---------------------------------------------------------------------
 */

/*
 * A tag value for the columns it belongs in.  Several keys may be spellings
 * of one column: the first that is not blank fills it.  The tenant has one
 * key; of equal keys the last one counts, as it does in resource_tags.
 */
static void
note_tag(BillProjector *p, int tag, bool is_tenant, Slice value)
{
	bool		blank = value.data == NULL || is_blank(value);

	if (tag >= 0 && !blank && p->tag[tag].data == NULL)
		p->tag[tag] = value;
	if (is_tenant)
		p->tenant = blank ? null_slice : SliceTrim(value);
}

static void
read_tag_columns(BillProjector *p, const CsvField *fields)
{
	const BillHeader *h = p->header;

	for (int i = 0; i < h->ntags; i++)
	{
		const BillTagColumn *tag = &h->tags[i];
		const CsvField *field = &fields[tag->column];
		Slice		value;

		if (CsvIsNull(field, false))
			continue;
		value.data = field->data;
		value.len = field->len;
		OutText(&p->tags, p->tags.len == 0 ? "{" : ", ");
		OutText(&p->tags, tag->json_key);
		JsonQuote(&p->tags, value);
		note_tag(p, tag->tag, tag->is_tenant, value);
	}
	if (p->tags.len > 0)
		OutText(&p->tags, "}");
}

/* A member of a JSON tag column. */
static void
visit_tag(void *arg, const JsonMember *member)
{
	BillProjector *p = arg;
	bool		is_aws = false;
	Slice		quoted = member->key;
	Slice		key = JsonText(quoted, &p->tag_text);
	Slice		value = JsonScalarText(member, &p->tag_text);
	bool		is_tenant;

	if (p->header->format != BILL_FOCUS)
	{
		key = BillMapKey(key, &is_aws);
		quoted = BillMapKey(quoted, &is_aws);
	}
	OutText(&p->tags, p->tags.len == 0 ? "{" : ", ");
	OutText(&p->tags, is_aws ? "\"aws:" : "\"");
	OutBytes(&p->tags, quoted.data, (size_t) quoted.len);
	OutText(&p->tags, "\": ");
	OutBytes(&p->tags, member->value.data, (size_t) member->value.len);
	is_tenant = p->header->tenant_key != NULL &&
		(is_aws ? strncmp(p->header->tenant_key, "aws:", 4) == 0 &&
		 SliceEqual(key, p->header->tenant_key + 4) :
		 SliceEqual(key, p->header->tenant_key));
	note_tag(p, is_aws ? -1 : BillTagOfKey(key), is_tenant, value);
}

static bool
read_tag_json(BillProjector *p)
{
	Slice		json = SliceTrim(p->value[BF_TAGS]);

	if (json.len == 0)
		return true;
	if (json.data[0] == '"')
	{
		/* some exports leave the braces away */
		p->tag_json.len = 0;
		OutText(&p->tag_json, "{");
		OutBytes(&p->tag_json, json.data, (size_t) json.len);
		OutText(&p->tag_json, "}");
		json.data = p->tag_json.data;
		json.len = (int) p->tag_json.len;
	}
	OutReserve(&p->tag_text, (size_t) json.len);
	if (!JsonObject(json, visit_tag, p))
		return ProjectProblem(p, VALUE_NOT_JSON, BF_TAGS, json);
	if (p->tags.len > 0)
		OutText(&p->tags, "}");
	return true;
}

static bool
read_tags(BillProjector *p, const CsvField *fields)
{
	p->tags.len = 0;
	p->tag_text.len = 0;
	p->tenant = null_slice;
	for (int i = 0; i < BT_COUNT; i++)
		p->tag[i] = null_slice;
	read_tag_columns(p, fields);
	if (p->tags.len == 0 && is_set(p, BF_TAGS) && !read_tag_json(p))
		return false;
	if (p->header->tenant_key == NULL && p->tag[BT_TENANT_ID].data != NULL)
		p->tenant = SliceTrim(p->tag[BT_TENANT_ID]);
	return true;
}

bool
ProjectRecord(BillProjector *p, const CsvField *fields)
{
	p->scratch.len = 0;
	p->row.has_period = false;
	if (!read_fields(p, fields) || !read_period(p) || !read_tags(p, fields))
		return false;
	if (p->header->format == BILL_FOCUS)
		read_focus_costs(p);
	else
		read_cur_costs(p);
	p->row.payer = p->value[BF_PAYER];
	return true;
}
