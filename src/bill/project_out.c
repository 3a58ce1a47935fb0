/*-------------------------------------------------------------------------
 *
 * project_out.c
 *	  Which field each column of the facts is, and what a record says there.
 *
 * The values are pieces of text with the kind of value they stand for; what
 * writes them decides how they become datums.  Numbers and JSON have been
 * checked for form when the record was read, UTF-8 and times are the
 * writer's to check: it knows which of them it has seen before.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/project.h"

typedef struct OutColumn
{
	const char *name;
	BillOutKind kind;
	int			field;
} OutColumn;

static const OutColumn out_columns[] = {
	{"identity_line_item_id", BILL_OUT_TEXT, BF_LINE_ITEM_ID},
	{"identity_time_interval", BILL_OUT_TEXT, BF_TIME_INTERVAL},
	{"bill_billing_period_start_date", BILL_OUT_PERIOD, BF_NONE},
	{"bill_billing_period_end_date", BILL_OUT_DATE, BF_PERIOD_END},
	{"bill_invoice_id", BILL_OUT_TEXT, BF_INVOICE_ID},
	{"bill_type", BILL_OUT_TEXT, BF_BILL_TYPE},
	{"bill_billing_entity", BILL_OUT_TEXT, BF_BILLING_ENTITY},
	{"bill_payer_account_id", BILL_OUT_TEXT, BF_PAYER},
	{"line_item_usage_account_id", BILL_OUT_TEXT, BF_USAGE_ACCOUNT},
	{"line_item_usage_start_date", BILL_OUT_TIME, BF_USAGE_START},
	{"line_item_usage_end_date", BILL_OUT_TIME, BF_USAGE_END},
	{"line_item_line_item_type", BILL_OUT_TEXT, BF_LINE_TYPE},
	{"line_item_product_code", BILL_OUT_TEXT, BF_PRODUCT_CODE},
	{"product_servicecode", BILL_OUT_TEXT, BF_SERVICE_CODE},
	{"product_region", BILL_OUT_TEXT, BF_REGION},
	{"product_instance_type", BILL_OUT_TEXT, BF_INSTANCE_TYPE},
	{"line_item_resource_id", BILL_OUT_TEXT, BF_RESOURCE_ID},
	{"line_item_usage_type", BILL_OUT_TEXT, BF_USAGE_TYPE},
	{"line_item_operation", BILL_OUT_TEXT, BF_OPERATION},
	{"line_item_availability_zone", BILL_OUT_TEXT, BF_ZONE},
	{"line_item_line_item_description", BILL_OUT_TEXT, BF_DESCRIPTION},
	{"line_item_legal_entity", BILL_OUT_TEXT, BF_LEGAL_ENTITY},
	{"line_item_usage_amount", BILL_OUT_NUMBER, BF_USAGE_AMOUNT},
	{"pricing_unit", BILL_OUT_TEXT, BF_PRICING_UNIT},
	{"line_item_unblended_rate", BILL_OUT_NUMBER, BF_UNBLENDED_RATE},
	{"line_item_unblended_cost", BILL_OUT_NUMBER, BF_UNBLENDED_COST},
	{"line_item_blended_cost", BILL_OUT_NUMBER, BF_BLENDED_COST},
	{"line_item_net_unblended_cost", BILL_OUT_NUMBER, BF_NET_UNBLENDED_COST},
	{"list_cost", BILL_OUT_NUMBER, BF_LIST_COST},
	{"contracted_cost", BILL_OUT_NUMBER, BF_CONTRACTED_COST},
	{"line_item_currency_code", BILL_OUT_TEXT, BF_CURRENCY},
	{"reservation_arn", BILL_OUT_TEXT, BF_RI_ARN},
	{"savings_plan_arn", BILL_OUT_TEXT, BF_SP_ARN},
	{"provider", BILL_OUT_TEXT, BF_PROVIDER},
	{"service", BILL_OUT_TEXT, BF_SERVICE},
	{"charge_category", BILL_OUT_TEXT, BF_CATEGORY},
	{"charge_class", BILL_OUT_TEXT, BF_CHARGE_CLASS},
	{"charge_frequency", BILL_OUT_TEXT, BF_CHARGE_FREQUENCY},
	{"commitment_discount_id", BILL_OUT_TEXT, BF_COMMITMENT_ID},
	{"commitment_discount_status", BILL_OUT_TEXT, BF_COMMITMENT_STATUS},
	{"commitment_discount_category", BILL_OUT_TEXT, BF_COMMITMENT_CATEGORY},
	{"billed_cost", BILL_OUT_NUMBER, BF_BILLED},
	{"effective_cost", BILL_OUT_NUMBER, BF_EFFECTIVE},
	{"resource_tags_user_tenant_id", BILL_OUT_TEXT, BF_TAG + BT_TENANT_ID},
	{"resource_tags_user_plan_id", BILL_OUT_TEXT, BF_TAG + BT_PLAN_ID},
	{"resource_tags_user_service_component", BILL_OUT_TEXT, BF_TAG + BT_SERVICE_COMPONENT},
	{"resource_tags_user_environment", BILL_OUT_TEXT, BF_TAG + BT_ENVIRONMENT},
	{"resource_tags_user_cost_center", BILL_OUT_TEXT, BF_TAG + BT_COST_CENTER},
	{"resource_tags_user_project", BILL_OUT_TEXT, BF_TAG + BT_PROJECT},
	{"resource_tags", BILL_OUT_JSON, BF_OBJECT + BO_TAGS},
	{"tenant_id", BILL_OUT_TEXT, BF_TENANT},
	{"billing_account_name", BILL_OUT_TEXT, BF_BILLING_ACCOUNT_NAME},
	{"billing_account_type", BILL_OUT_TEXT, BF_BILLING_ACCOUNT_TYPE},
	{"sub_account_name", BILL_OUT_TEXT, BF_SUB_ACCOUNT_NAME},
	{"sub_account_type", BILL_OUT_TEXT, BF_SUB_ACCOUNT_TYPE},
	{"provider_name", BILL_OUT_TEXT, BF_PROVIDER_NAME},
	{"publisher_name", BILL_OUT_TEXT, BF_PUBLISHER},
	{"invoice_issuer_name", BILL_OUT_TEXT, BF_ISSUER},
	{"service_provider_name", BILL_OUT_TEXT, BF_SERVICE_PROVIDER},
	{"host_provider_name", BILL_OUT_TEXT, BF_HOST_PROVIDER},
	{"invoice_detail_id", BILL_OUT_TEXT, BF_INVOICE_DETAIL},
	{"service_category", BILL_OUT_TEXT, BF_SERVICE_CATEGORY},
	{"service_subcategory", BILL_OUT_TEXT, BF_SERVICE_SUBCATEGORY},
	{"region_name", BILL_OUT_TEXT, BF_REGION_NAME},
	{"resource_name", BILL_OUT_TEXT, BF_RESOURCE_NAME},
	{"resource_type", BILL_OUT_TEXT, BF_RESOURCE_TYPE},
	{"sku_id", BILL_OUT_TEXT, BF_SKU_ID},
	{"sku_meter", BILL_OUT_TEXT, BF_SKU_METER},
	{"sku_price_id", BILL_OUT_TEXT, BF_SKU_PRICE_ID},
	{"sku_price_details", BILL_OUT_JSON, BF_SKU_PRICE_DETAILS},
	{"list_unit_price", BILL_OUT_NUMBER, BF_LIST_PRICE},
	{"contracted_unit_price", BILL_OUT_NUMBER, BF_CONTRACTED_PRICE},
	{"pricing_quantity", BILL_OUT_NUMBER, BF_PRICING_QUANTITY},
	{"consumed_quantity", BILL_OUT_NUMBER, BF_CONSUMED_QUANTITY},
	{"consumed_unit", BILL_OUT_TEXT, BF_CONSUMED_UNIT},
	{"pricing_category", BILL_OUT_TEXT, BF_PRICING_CATEGORY},
	{"pricing_currency", BILL_OUT_TEXT, BF_PRICING_CURRENCY},
	{"pricing_currency_contracted_unit_price", BILL_OUT_NUMBER, BF_PRICING_CURRENCY_CONTRACTED_PRICE},
	{"pricing_currency_effective_cost", BILL_OUT_NUMBER, BF_PRICING_CURRENCY_EFFECTIVE_COST},
	{"pricing_currency_list_unit_price", BILL_OUT_NUMBER, BF_PRICING_CURRENCY_LIST_PRICE},
	{"commitment_discount_name", BILL_OUT_TEXT, BF_COMMITMENT_NAME},
	{"commitment_discount_type", BILL_OUT_TEXT, BF_COMMITMENT_TYPE},
	{"commitment_discount_quantity", BILL_OUT_NUMBER, BF_COMMITMENT_QUANTITY},
	{"commitment_discount_unit", BILL_OUT_TEXT, BF_COMMITMENT_UNIT},
	{"capacity_reservation_id", BILL_OUT_TEXT, BF_CAPACITY_ID},
	{"capacity_reservation_status", BILL_OUT_TEXT, BF_CAPACITY_STATUS},
	{"contract_applied", BILL_OUT_JSON, BF_CONTRACT_APPLIED},
	{"allocated_method_id", BILL_OUT_TEXT, BF_ALLOCATED_METHOD_ID},
	{"allocated_method_details", BILL_OUT_JSON, BF_ALLOCATED_METHOD_DETAILS},
	{"allocated_resource_id", BILL_OUT_TEXT, BF_ALLOCATED_RESOURCE_ID},
	{"allocated_resource_name", BILL_OUT_TEXT, BF_ALLOCATED_RESOURCE_NAME},
	{"allocated_tags", BILL_OUT_JSON, BF_ALLOCATED_TAGS},
	{"commitment_program_eligibility_details", BILL_OUT_JSON, BF_ELIGIBILITY},
	{"amortised_upfront_fee", BILL_OUT_NUMBER, BF_UPFRONT},
	{"credits", BILL_OUT_JSON, BF_CREDITS},
	{"credit_amount", BILL_OUT_NUMBER, BF_CREDIT_AMOUNT},
	{"discounts", BILL_OUT_JSON, BF_OBJECT + BO_DISCOUNTS},
	{"cost_categories", BILL_OUT_JSON, BF_OBJECT + BO_COST_CATEGORIES},
	{"other_columns", BILL_OUT_JSON, BF_OBJECT + BO_OTHER},
};

_Static_assert(lengthof(out_columns) <= BILL_MAX_COLUMNS,
			   "the facts have more columns than a projector knows");

void
ProjectorInit(BillProjector *p, const BillHeader *header)
{
	memset(p, 0, sizeof(*p));
	p->header = header;
}

int
ProjectedColumns(BillOutColumn *columns)
{
	for (size_t i = 0; i < lengthof(out_columns); i++)
	{
		columns[i].name = out_columns[i].name;
		columns[i].kind = out_columns[i].kind;
	}
	return (int) lengthof(out_columns);
}

void
ProjectValues(const BillProjector *p, Slice *values)
{
	for (size_t i = 0; i < lengthof(out_columns); i++)
		values[i] = p->value[out_columns[i].field];
}

bool
ProjectFills(const BillHeader *header, int at)
{
	return header->filled[out_columns[at].field];
}

Slice
ProjectValue(const BillProjector *p, int at)
{
	return p->value[out_columns[at].field];
}

/* The bill's own name of the column, where one column is to blame. */
bool
ProjectBlame(BillProjector *p, int at, ValueStatus status, Slice value)
{
	int			field = out_columns[at].field;

	if (field == BF_OBJECT + BO_TAGS || (field >= BF_TAG && field <= BF_TENANT))
		field = BF_TAGS;
	for (int i = 0; i < p->header->ncopies && p->header->column[field] < 0; i++)
		if (p->header->copies[i].to == (BillField) field)
			field = p->header->copies[i].from;
	ProjectProblem(p, status, field, value);
	if (p->problem.column[0] == '\0')
		p->problem.column = out_columns[at].name;
	return false;
}
