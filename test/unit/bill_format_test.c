/* links: src/bill/value.c src/bill/json.c src/bill/header.c src/bill/header_columns.c src/bill/project*.c src/bill/csv.c */
/*-------------------------------------------------------------------------
 *
 * bill_format_test.c
 *	  Headers in the ways the providers write them, and records behind them.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/bill.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct Text
{
	const char *data;
	size_t		at;
} Text;

static int
read_text(void *arg, char *buf, int len)
{
	Text	   *text = arg;
	size_t		n = Min(strlen(text->data + text->at), (size_t) len);

	memcpy(buf, text->data + text->at, n);
	text->at += n;
	return (int) n;
}

typedef struct Expected
{
	BillField	field;
	const char *value;			/* NULL: none */
} Expected;

/* The format of a bill, and what its last record says. */
static void
check(const char *bill, BillFormat format, const Expected *expected, const char *label)
{
	Text		text = {bill, 0};
	CsvReader	csv;
	BillHeader	header;
	BillProjector p;
	bool		good;

	CsvInit(&csv, read_text, &text, ',');
	good = CsvNext(&csv) == CSV_RECORD &&
		HeaderMap(&header, csv.fields, csv.nfields, BILL_UNKNOWN, NULL, true) &&
		header.format == format;
	if (good)
	{
		ProjectorInit(&p, &header);
		while (good && CsvNext(&csv) == CSV_RECORD)
			good = csv.nfields == header.ncolumns && ProjectRecord(&p, csv.fields);
		for (; good && expected != NULL && expected->field != BF_NONE; expected++)
		{
			Slice		value = p.value[expected->field];

			if (expected->value == NULL ? value.data == NULL :
				value.data != NULL && SliceEqual(value, expected->value))
				continue;
			printf("# field %d is %.*s, not %s\n", (int) expected->field, value.len,
				   value.data == NULL ? "" : value.data, expected->value);
			good = false;
		}
		ProjectorFree(&p);
	}
	HeaderFree(&header);
	CsvFree(&csv);
	ok(good, label);
}

static void
check_azure(void)
{
	static const Expected pay[] = {
		{BF_BILLED, "1.5"}, {BF_EFFECTIVE, "1.5"}, {BF_CURRENCY, "EUR"},
		{BF_SERVICE, "Storage"}, {BF_RESOURCE_ID, "/x"}, {BF_USAGE_ACCOUNT, "g"},
		{BF_USAGE_AMOUNT, "2"}, {BF_CATEGORY, "Usage"}, {BF_USAGE_END, "2024-03-01"}, {BF_NONE, NULL},
	};
	static const Expected pricing[] = {
		{BF_EFFECTIVE, "3"}, {BF_BILLED, "0"}, {BF_CURRENCY, "GBP"}, {BF_PAYER, "b"},
		{BF_COMMITMENT_ID, "r"}, {BF_COMMITMENT_STATUS, "Used"}, {BF_NONE, NULL},
	};
	static const Expected usd[] = {
		{BF_UNBLENDED_COST, "3"}, {BF_CURRENCY, "USD"}, {BF_NONE, NULL},
	};

	check("SubscriptionGuid,ResourceGroup,ResourceLocation,UsageDateTime,MeterCategory,MeterSubcategory,MeterId,MeterName,MeterRegion,UsageQuantity,ResourceRate,PreTaxCost,ConsumedService,ResourceType,InstanceId,Tags,OfferId,AdditionalInfo,ServiceInfo1,ServiceInfo2,ServiceName,ServiceTier,Currency,UnitOfMeasure\n"
		  "g,rg,eu,2/29/2024 12:00:00 AM,Storage,,m,,,2,0.75,1.5,c,t,/x,,,,,,Other,,EUR,GB\n", BILL_AZURE, pay, "pay-as-you-go usage details");
	check("billingAccountId,date,meterCategory,costInPricingCurrency,pricingCurrency,chargeType,pricingModel,reservationId,benefitId\n"
		  "b,20240131,VM,3,GBP,Usage,Reservation,r,\n", BILL_AZURE, pricing, "cost in the pricing currency");
	check("date,meterCategory,costInUsd,billingCurrency\n2024-01-31,VM,3,EUR\n", BILL_AZURE, usd, "cost in USD has its own currency");
}

static void
check_google(void)
{
	static const Expected flat[] = {
		{BF_BILLED, "0.70"}, {BF_CREDIT_AMOUNT, "-0.30"}, {BF_SERVICE, "Compute Engine"},
		{BF_USAGE_ACCOUNT, "p"}, {BF_CATEGORY, "Adjustment"}, {BF_REGION, "eu"}, {BF_NONE, NULL},
	};
	static const Expected many[] = {
		{BF_BILLED, "10"}, {BF_CREDIT_AMOUNT, "-90"}, {BF_NONE, NULL},
	};

	check("billing_account_id,service_description,usage_start_time,project_id,location_location,location_region,cost,currency,credits_0_amount,credits_1_amount,invoice_month,cost_type\n"
		  "a,Compute Engine,2023-06-01 00:00:00 UTC,p,eu,,1,USD,-0.2,-0.10,202306,rounding_error\n", BILL_GCP, flat, "credits in columns");
	check("billing_account_id,service.description,cost,credits,invoice.month\n"
		  "a,X,100,\"[{\"\"amount\"\": -1E1}, {\"\"name\"\": \"\"x\"\"}, {\"\"amount\"\": null}, {\"\"amount\"\": \"\"-20\"\"}, {\"\"amount\"\": -60}]\",202306\n",
		  BILL_GCP, many, "credits with and without amounts");
}

static void
check_others(void)
{
	static const Expected focus[] = {
		{BF_BILLED, "1"}, {BF_EFFECTIVE, "2"}, {BF_SERVICE, "S"}, {BF_PRICING_UNIT, "GB"},
		{BF_REGION, "Ohio"}, {BF_PROVIDER, "AWS"}, {BF_CATEGORY, "Usage"}, {BF_NONE, NULL},
	};
	static const Expected tags[] = {
		{BF_TAG + BT_TENANT_ID, " acme"}, {BF_TENANT, "acme"}, {BF_TAG + BT_COST_CENTER, "7"},
		{BF_OBJECT + BO_TAGS, "{\"CostCenter\":\"7\", \"tenant_id\":\" acme\"}"},
		{BF_OBJECT + BO_COST_CATEGORIES, "{\"Team\":\"a \\\"b\\\"\"}"}, {BF_NONE, NULL},
	};
	static const Expected blank[] = {
		{BF_SERVICE, "unknown"}, {BF_BILLED, "0"}, {BF_EFFECTIVE, "0"}, {BF_NONE, NULL},
	};

	check("billed_cost,amortized_cost,billing_period_start,service_name,consumed_unit,region_name,provider_name,charge_type\n"
		  "1,2,2024-01-01,S,GB,Ohio,Amazon Web Services,usage\n", BILL_FOCUS, focus, "FOCUS in snake case, of an older version");
	check("lineItem/UnblendedCost,lineItem/LineItemType,resourceTags/user:CostCenter,resourceTags/user:tenant_id,costCategory/Team\n"
		  "1,Usage,7,\" acme\",\"a \"\"b\"\"\"\n", BILL_CUR_LEGACY, tags, "tags and cost categories of a legacy report");
	check("line_item_unblended_cost,line_item_line_item_type\n,Credit\n", BILL_CUR, blank, "a line without a cost");
	check("cost/myCost,product/service\n1.25,\n", BILL_OCI, NULL, "an Oracle report with little in it");
}

int
main(void)
{
	CsvReader	csv;
	BillHeader	header;
	Text		text = {"Date,Cost,Name\n", 0};

	check_azure();
	check_google();
	check_others();
	CsvInit(&csv, read_text, &text, ',');
	(void) CsvNext(&csv);
	ok(!HeaderMap(&header, csv.fields, csv.nfields, BILL_UNKNOWN, NULL, true) &&
	   header.format == BILL_UNKNOWN && header.missing == NULL, "a cost alone is no bill");
	HeaderFree(&header);
	CsvFree(&csv);
	printf("1..%d\n", number);
	return failed != 0;
}
