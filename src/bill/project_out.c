/*-------------------------------------------------------------------------
 *
 * project_out.c
 *	  Which columns of the facts a bill fills, and what a record says for
 *	  each of them.
 *
 * The values are pieces of text with the kind of value they stand for; what
 * writes them decides how they become datums.  Texts and numbers have been
 * checked for form when the record was read, UTF-8, times and JSON are the
 * writer's to check: it knows which of them it has seen before.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/project.h"

static const char *const focus_categories[] = {
	"Usage", "Purchase", "Tax", "Credit", "Adjustment",
};

typedef enum OutKind
{
	OUT_FIELD,					/* text as delivered */
	OUT_NUMBER,
	OUT_TIME,
	OUT_DATE,
	OUT_PERIOD,
	OUT_CURRENCY,
	OUT_BILLED,
	OUT_EFFECTIVE,
	OUT_PROVIDER,
	OUT_SERVICE,
	OUT_CATEGORY,
	OUT_CLASS,
	OUT_FREQUENCY,
	OUT_COMMITMENT_ID,
	OUT_COMMITMENT_STATUS,
	OUT_COMMITMENT_CATEGORY,
	OUT_TAG,					/* field is a BillTag */
	OUT_TAGS,
	OUT_TENANT
} OutKind;

typedef struct OutColumn
{
	const char *name;
	OutKind		kind;
	int			field;
	int			fallback;		/* field used where that one says nothing */
} OutColumn;

static const OutColumn out_columns[] = {
	{"identity_line_item_id", OUT_FIELD, BF_LINE_ITEM_ID, 0},
	{"identity_time_interval", OUT_FIELD, BF_TIME_INTERVAL, 0},
	{"bill_billing_period_start_date", OUT_PERIOD, 0, 0},
	{"bill_billing_period_end_date", OUT_DATE, BF_PERIOD_END, 0},
	{"bill_invoice_id", OUT_FIELD, BF_INVOICE_ID, 0},
	{"bill_type", OUT_FIELD, BF_BILL_TYPE, 0},
	{"bill_billing_entity", OUT_FIELD, BF_BILLING_ENTITY, 0},
	{"bill_payer_account_id", OUT_FIELD, BF_PAYER, 0},
	{"line_item_usage_account_id", OUT_FIELD, BF_USAGE_ACCOUNT, 0},
	{"line_item_usage_start_date", OUT_TIME, BF_USAGE_START, 0},
	{"line_item_usage_end_date", OUT_TIME, BF_USAGE_END, 0},
	{"line_item_line_item_type", OUT_FIELD, BF_LINE_TYPE, 0},
	{"line_item_product_code", OUT_FIELD, BF_PRODUCT_CODE, 0},
	{"product_servicecode", OUT_FIELD, BF_SERVICE_CODE, 0},
	{"product_region", OUT_FIELD, BF_REGION, BF_REGION_2},
	{"product_instance_type", OUT_FIELD, BF_INSTANCE_TYPE, 0},
	{"line_item_resource_id", OUT_FIELD, BF_RESOURCE_ID, 0},
	{"line_item_usage_type", OUT_FIELD, BF_USAGE_TYPE, BF_USAGE_TYPE_2},
	{"line_item_operation", OUT_FIELD, BF_OPERATION, 0},
	{"line_item_availability_zone", OUT_FIELD, BF_ZONE, 0},
	{"line_item_line_item_description", OUT_FIELD, BF_DESCRIPTION, 0},
	{"line_item_legal_entity", OUT_FIELD, BF_LEGAL_ENTITY, 0},
	{"line_item_usage_amount", OUT_NUMBER, BF_USAGE_AMOUNT, BF_USAGE_AMOUNT_2},
	{"pricing_unit", OUT_FIELD, BF_PRICING_UNIT, BF_PRICING_UNIT_2},
	{"line_item_unblended_rate", OUT_NUMBER, BF_UNBLENDED_RATE, 0},
	{"line_item_unblended_cost", OUT_NUMBER, BF_UNBLENDED_COST, 0},
	{"line_item_blended_cost", OUT_NUMBER, BF_BLENDED_COST, 0},
	{"line_item_net_unblended_cost", OUT_NUMBER, BF_NET_UNBLENDED_COST, 0},
	{"list_cost", OUT_NUMBER, BF_LIST_COST, 0},
	{"contracted_cost", OUT_NUMBER, BF_CONTRACTED_COST, 0},
	{"line_item_currency_code", OUT_CURRENCY, BF_CURRENCY, 0},
	{"reservation_arn", OUT_FIELD, BF_RI_ARN, 0},
	{"savings_plan_arn", OUT_FIELD, BF_SP_ARN, 0},
	{"provider", OUT_PROVIDER, 0, 0},
	{"service", OUT_SERVICE, 0, 0},
	{"charge_category", OUT_CATEGORY, 0, 0},
	{"charge_class", OUT_CLASS, BF_CHARGE_CLASS, 0},
	{"charge_frequency", OUT_FREQUENCY, 0, 0},
	{"commitment_discount_id", OUT_COMMITMENT_ID, 0, 0},
	{"commitment_discount_status", OUT_COMMITMENT_STATUS, 0, 0},
	{"commitment_discount_category", OUT_COMMITMENT_CATEGORY, 0, 0},
	{"billed_cost", OUT_BILLED, 0, 0},
	{"effective_cost", OUT_EFFECTIVE, 0, 0},
	{"resource_tags_user_tenant_id", OUT_TAG, BT_TENANT_ID, 0},
	{"resource_tags_user_plan_id", OUT_TAG, BT_PLAN_ID, 0},
	{"resource_tags_user_service_component", OUT_TAG, BT_SERVICE_COMPONENT, 0},
	{"resource_tags_user_environment", OUT_TAG, BT_ENVIRONMENT, 0},
	{"resource_tags_user_cost_center", OUT_TAG, BT_COST_CENTER, 0},
	{"resource_tags_user_project", OUT_TAG, BT_PROJECT, 0},
	{"resource_tags", OUT_TAGS, 0, 0},
	{"tenant_id", OUT_TENANT, 0, 0},
};

/* Some tag column of this bill may fill the tag; -1: the tenant. */
static bool
has_tag(const BillHeader *h, int tag)
{
	if (h->column[BF_TAGS] >= 0)
		return true;
	for (int i = 0; i < h->ntags; i++)
		if (tag < 0 ? h->tags[i].is_tenant : h->tags[i].tag == tag)
			return true;
	return false;
}

/* Columns for which this bill has nothing are left to their default, NULL. */
static bool
is_written(const BillHeader *h, const OutColumn *column)
{
	switch (column->kind)
	{
		case OUT_FIELD:
		case OUT_NUMBER:
		case OUT_TIME:
		case OUT_DATE:
		case OUT_CURRENCY:
		case OUT_CLASS:
			return h->column[column->field] >= 0 ||
				(column->fallback != 0 && h->column[column->fallback] >= 0);
		case OUT_COMMITMENT_ID:
		case OUT_COMMITMENT_CATEGORY:
			return h->column[BF_COMMITMENT_ID] >= 0 ||
				h->column[BF_COMMITMENT_CATEGORY] >= 0 ||
				h->column[BF_RI_ARN] >= 0 || h->column[BF_SP_ARN] >= 0;
		case OUT_TAG:
			return has_tag(h, column->field);
		case OUT_TENANT:
			return has_tag(h, h->tenant_key == NULL ? BT_TENANT_ID : -1);
		case OUT_TAGS:
			return h->ntags > 0 || h->column[BF_TAGS] >= 0;
		default:
			return true;
	}
}

void
ProjectorInit(BillProjector *p, const BillHeader *header)
{
	memset(p, 0, sizeof(*p));
	p->header = header;
	for (size_t i = 0; i < lengthof(out_columns); i++)
		p->written[i] = is_written(header, &out_columns[i]);
}

static BillOutKind
out_kind(const OutColumn *column)
{
	switch (column->kind)
	{
		case OUT_NUMBER:
		case OUT_BILLED:
		case OUT_EFFECTIVE:
			return BILL_OUT_NUMBER;
		case OUT_TIME:
			return BILL_OUT_TIME;
		case OUT_DATE:
			return BILL_OUT_DATE;
		case OUT_PERIOD:
			return BILL_OUT_PERIOD;
		case OUT_TAGS:
			return BILL_OUT_JSON;
		default:
			return BILL_OUT_TEXT;
	}
}

int
ProjectedColumns(BillOutColumn *columns)
{
	for (size_t i = 0; i < lengthof(out_columns); i++)
	{
		columns[i].name = out_columns[i].name;
		columns[i].kind = out_kind(&out_columns[i]);
	}
	return (int) lengthof(out_columns);
}

static Slice
service_name(const BillProjector *p)
{
	static const BillField order[] = {
		BF_PRODUCT_CODE, BF_SERVICE_CODE, BF_PRODUCT_NAME, BF_LEGAL_ENTITY,
	};

	for (size_t i = 0; i < lengthof(order); i++)
		if (is_set(p, order[i]) && !is_blank(p->value[order[i]]))
			return p->value[order[i]];
	return constant("unknown");
}

static bool
equal_ignoring_case(Slice s, const char *text)
{
	int			len = (int) strlen(text);

	if (s.len != len)
		return false;
	for (int i = 0; i < len; i++)
		if ((s.data[i] | 0x20) != (text[i] | 0x20))
			return false;
	return true;
}

static Slice
charge_category(BillProjector *p)
{
	Slice		type = p->value[BF_LINE_TYPE];

	if (p->header->format != BILL_FOCUS)
		return constant(p->type->category);
	for (size_t i = 0; i < lengthof(focus_categories); i++)
		if (equal_ignoring_case(type, focus_categories[i]))
			return constant(focus_categories[i]);
	if (type.data != NULL)
		ProjectNoteOddType(p, type);
	return constant("Usage");
}

static Slice
commitment(const BillProjector *p, OutKind kind)
{
	bool		focus = p->header->format == BILL_FOCUS;

	switch (kind)
	{
		case OUT_COMMITMENT_ID:
			return focus ? p->value[BF_COMMITMENT_ID] : either(p, BF_SP_ARN, BF_RI_ARN);
		case OUT_COMMITMENT_STATUS:
			return focus ? p->value[BF_COMMITMENT_STATUS] :
				constant(p->type->status);
		case OUT_COMMITMENT_CATEGORY:
			if (focus)
				return p->value[BF_COMMITMENT_CATEGORY];
			return is_set(p, BF_SP_ARN) ? constant("Spend") :
				is_set(p, BF_RI_ARN) ? constant("Usage") : null_slice;
		default:
			return null_slice;
	}
}

/* A moment as delivered; a blank one says nothing. */
static Slice
moment(const BillProjector *p, int field)
{
	Slice		text = p->value[field];

	if (text.data != NULL)
		text = SliceTrim(text);
	return text.len > 0 ? text : null_slice;
}

static Slice
column_value(BillProjector *p, const OutColumn *column)
{
	switch (column->kind)
	{
		case OUT_NUMBER:
			/* a negation repeats the list price of the usage it cancels */
			if (column->field == BF_LIST_COST && p->type != NULL && p->type->rule == COST_NEGATION)
				return constant("0");
			/* FALLTHROUGH */
		case OUT_FIELD:
			return column->fallback != 0 ?
				either(p, column->field, column->fallback) : p->value[column->field];
		case OUT_CLASS:
			return p->value[column->field];
		case OUT_CURRENCY:
			return is_set(p, BF_CURRENCY) ? p->value[BF_CURRENCY] : constant("USD");
		case OUT_BILLED:
			return p->billed;
		case OUT_EFFECTIVE:
			return p->effective;
		case OUT_PROVIDER:
			return p->row.provider;
		case OUT_SERVICE:
			return service_name(p);
		case OUT_CATEGORY:
			return charge_category(p);
		case OUT_FREQUENCY:
			return p->header->format == BILL_FOCUS ? p->value[BF_CHARGE_FREQUENCY] :
				constant(p->type->frequency);
		case OUT_TAG:
			return p->tag[column->field];
		case OUT_TAGS:
			return p->tags.len > 0 ? (Slice) {p->tags.data, (int) p->tags.len} : null_slice;
		case OUT_TENANT:
			return p->tenant;
		case OUT_TIME:
		case OUT_DATE:
			return moment(p, column->field);
		case OUT_PERIOD:
			return null_slice;
		default:
			return commitment(p, column->kind);
	}
}

void
ProjectValues(BillProjector *p, Slice *values)
{
	for (size_t i = 0; i < lengthof(out_columns); i++)
		values[i] = p->written[i] ? column_value(p, &out_columns[i]) : null_slice;
}

/* The bill's own name of the column, where one column is to blame. */
bool
ProjectBlame(BillProjector *p, int at, ValueStatus status, Slice value)
{
	const OutColumn *column = &out_columns[at];
	int			field = 0;

	if (column->kind == OUT_FIELD || column->kind == OUT_CLASS ||
		column->kind == OUT_CURRENCY || column->kind == OUT_NUMBER)
		field = is_set(p, column->field) ? column->field : column->fallback;
	else if (column->kind == OUT_TIME || column->kind == OUT_DATE)
		field = column->field;
	else if (column->kind == OUT_TAGS || column->kind == OUT_TAG || column->kind == OUT_TENANT)
		field = BF_TAGS;
	ProjectProblem(p, status, field, value);
	if (p->problem.column[0] == '\0')
		p->problem.column = column->name;
	return false;
}

/* ---------------------------------------------------------------------
 * As COPY text
 * ---------------------------------------------------------------------
 */

static bool
write_value(BillProjector *p, OutBuf *out, int at, Slice value)
{
	BillOutKind kind = out_kind(&out_columns[at]);
	BillTime	time = {.year = p->row.period.year, .month = p->row.period.month, .day = 1};

	if (kind == BILL_OUT_PERIOD)
		DateWrite(out, &time);
	else if (value.data == NULL)
		OutText(out, "\\N");
	else if (kind == BILL_OUT_TIME || kind == BILL_OUT_DATE)
	{
		if (TimeParse(value, &time) != VALUE_OK)
			return ProjectBlame(p, at, VALUE_NOT_A_TIME, value);
		if (kind == BILL_OUT_DATE)
			DateWrite(out, &time);
		else
			TimeWrite(out, &time);
	}
	else if (!CopyText(out, value))
		return ProjectBlame(p, at, VALUE_NOT_UTF8, value);
	return true;
}

bool
ProjectWrite(BillProjector *p, OutBuf *out, const char *constants)
{
	Slice		values[BILL_MAX_COLUMNS];

	ProjectValues(p, values);
	for (size_t i = 0; i < lengthof(out_columns); i++)
	{
		if (!p->written[i])
			continue;
		if (!write_value(p, out, (int) i, values[i]))
			return false;
		OutBytes(out, "\t", 1);
	}
	OutText(out, constants);
	OutBytes(out, "\n", 1);
	return true;
}
