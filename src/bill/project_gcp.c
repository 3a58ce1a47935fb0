/*-------------------------------------------------------------------------
 *
 * project_gcp.c
 *	  Lines of a Google Cloud billing export, and of its older file export
 *	  and the console's cost table.
 *
 * The cost of a line is before its credits (discounts for commitments and
 * for sustained use, promotions, negotiated prices); what is billed is the
 * cost with all credits taken off.  They are added exactly, and shown.
 * Commitments are billed as they run, so billed cost is effective cost.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/project.h"

static Slice
charge_category(BillProjector *p)
{
	static const char *const names[][2] = {
		{"regular", "Usage"},
		{"usage", "Usage"},
		{"tax", "Tax"},
		{"adjustment", "Adjustment"},
		{"rounding_error", "Adjustment"},
		{"rounding error", "Adjustment"},
		{"credit", "Credit"},
		{"discount", "Credit"},
		{"promotion", "Credit"},
	};
	static const char commitment[] = "Commitment";
	const int	len = (int) sizeof(commitment) - 1;
	Slice		type = p->value[BF_LINE_TYPE];
	Slice		text = p->value[BF_DESCRIPTION];
	const char *category = "Usage";

	if (type.data != NULL)
	{
		category = NULL;
		for (size_t i = 0; i < lengthof(names) && category == NULL; i++)
			if (ProjectSame(type, names[i][0]))
				category = names[i][1];
		if (category == NULL)
			ProjectNoteOddType(p, type);
	}
	if (category == NULL)
		category = "Usage";
	/* SKUs such as "Commitment v1: Cpu in Americas for 1 Year" */
	if (strcmp(category, "Usage") == 0 && text.data != NULL && text.len >= len &&
		memcmp(text.data, commitment, (size_t) len) == 0)
		category = "Purchase";
	return constant(category);
}

/* ---------------------------------------------------------------------
 * Credits
 * ---------------------------------------------------------------------
 */

typedef struct CreditSum
{
	BillProjector *p;
	Slice		total;			/* in one of p->sum */
	int			next;
	ValueStatus status;
	Slice		value;
} CreditSum;

static bool
add_credit(CreditSum *sum, Slice amount)
{
	OutBuf	   *to = &sum->p->sum[sum->next];

	sum->status = NumberCheck(amount);
	if (sum->status != VALUE_OK)
	{
		sum->value = amount;
		return false;
	}
	to->len = 0;
	NumberAdd(to, sum->total.data == NULL ? constant("0") : sum->total, amount, 1);
	sum->total = (Slice) {to->data, (int) to->len};
	sum->next = 1 - sum->next;
	return true;
}

static void
visit_amount(void *arg, const JsonMember *member)
{
	JsonMember *amount = arg;

	if (SliceEqual(member->key, "amount"))
		*amount = *member;
}

static bool
visit_credit(void *arg, Slice element)
{
	CreditSum  *sum = arg;
	JsonMember	amount;
	Slice		text;

	memset(&amount, 0, sizeof(amount));
	if (!JsonObject(element, visit_amount, &amount))
		return false;
	text = amount.value;
	if (text.data == NULL || SliceEqual(text, "null"))
		return true;
	if (amount.is_string)
	{
		text.data++;
		text.len -= 2;
	}
	return add_credit(sum, text);
}

/*
 * The list of credits where the bill has it, else the amounts that other
 * columns give.
 */
static bool
read_credits(BillProjector *p)
{
	CreditSum	sum = {.p = p, .status = VALUE_NOT_JSON};
	Slice		list = p->value[BF_CREDITS];

	if (p->header->column[BF_CREDITS] >= 0)
	{
		sum.value = list;
		if (list.data != NULL && !JsonArray(list, visit_credit, &sum))
			return ProjectProblem(p, sum.status == VALUE_OK ? VALUE_NOT_JSON : sum.status,
								  BF_CREDITS, sum.value);
	}
	else
		for (int f = BF_CREDIT; f <= BF_CREDIT_4; f++)
			if (is_set(p, f))
				(void) add_credit(&sum, p->value[f]);
	p->value[BF_CREDIT_AMOUNT] = sum.total;
	return true;
}

/* com.google.cloud/services/compute-engine/VmimageN1Standard_1 */
static Slice
service_of_line_item(Slice item)
{
	static const char services[] = "/services/";
	const int	len = (int) sizeof(services) - 1;

	for (int i = 0; i + len < item.len; i++)
		if (memcmp(item.data + i, services, (size_t) len) == 0)
		{
			Slice		name = {item.data + i + len, 0};

			while (i + len + name.len < item.len && name.data[name.len] != '/')
				name.len++;
			return name;
		}
	return item;
}

bool
ProjectGcp(BillProjector *p)
{
	static const BillField services[] = {
		BF_PRODUCT_CODE, BF_SERVICE_CODE, BF_DESCRIPTION, BF_NONE,
	};
	bool		purchase;

	if (!read_credits(p))
		return false;
	p->value[BF_BILLED] = ProjectSum(p, ProjectCost(p, BF_UNBLENDED_COST),
									 p->value[BF_CREDIT_AMOUNT], 1);
	p->value[BF_EFFECTIVE] = p->value[BF_BILLED];
	p->value[BF_PROVIDER] = constant("Google Cloud");
	if (p->header->column[BF_PRODUCT_CODE] < 0)
		p->value[BF_PRODUCT_CODE] = p->header->column[BF_USAGE_TYPE] >= 0 && is_set(p, BF_USAGE_TYPE) ?
			service_of_line_item(p->value[BF_USAGE_TYPE]) : null_slice;
	p->value[BF_CATEGORY] = charge_category(p);
	purchase = SliceEqual(p->value[BF_CATEGORY], "Purchase");
	p->value[BF_CHARGE_FREQUENCY] = constant(purchase ? "Recurring" :
											 SliceEqual(p->value[BF_CATEGORY], "Usage") ?
											 "Usage-Based" : NULL);
	ProjectService(p, services);
	return true;
}
