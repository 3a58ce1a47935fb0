/*-------------------------------------------------------------------------
 *
 * header_columns.c
 *	  The columns of the bill formats, by the providers' documentation:
 *
 *	AWS		"AWS Data Exports User Guide", data dictionaries of the cost and
 *			usage report and of CUR 2.0
 *	FOCUS	"FinOps Open Cost and Usage Specification" 1.0 to 1.4, Cost and
 *			Usage
 *	Azure	"Cost and usage details file schema" of Enterprise Agreement,
 *			Microsoft Customer Agreement and pay-as-you-go, and the older
 *			usage details
 *	Google	"Structure of Standard data export" and "of Detailed data export"
 *			with the names that flattening gives, the file export, and the
 *			cost table of the console
 *	Oracle	"Cost and Usage Reports Overview"
 *
 * Names stand here as they are compared: lower-case letters and digits.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/header.h"

static const KnownColumn aws_columns[] = {
	{"lineitemunblendedcost", BF_UNBLENDED_COST},
	{"identitylineitemid", BF_LINE_ITEM_ID},
	{"identitytimeinterval", BF_TIME_INTERVAL},
	{"billbillingperiodstartdate", BF_PERIOD_START},
	{"billbillingperiodenddate", BF_PERIOD_END},
	{"billinvoiceid", BF_INVOICE_ID},
	{"billinvoicingentity", BF_ISSUER},
	{"billbilltype", BF_BILL_TYPE},
	{"billbillingentity", BF_BILLING_ENTITY},
	{"billpayeraccountid", BF_PAYER},
	{"billpayeraccountname", BF_BILLING_ACCOUNT_NAME},
	{"lineitemusageaccountid", BF_USAGE_ACCOUNT},
	{"lineitemusageaccountname", BF_SUB_ACCOUNT_NAME},
	{"lineitemusagestartdate", BF_USAGE_START},
	{"lineitemusageenddate", BF_USAGE_END},
	{"lineitemlineitemtype", BF_LINE_TYPE},
	{"lineitemproductcode", BF_PRODUCT_CODE},
	{"productproductname", BF_PRODUCT_NAME},
	{"productservicecode", BF_SERVICE_CODE},
	{"productregion", BF_REGION},
	{"productregioncode", BF_REGION_2},
	{"productinstancetype", BF_INSTANCE_TYPE},
	{"productsku", BF_SKU_ID},
	{"product", BF_PRODUCT_MAP},
	{"lineitemresourceid", BF_RESOURCE_ID},
	{"lineitemusagetype", BF_USAGE_TYPE},
	{"lineitemoperation", BF_OPERATION},
	{"lineitemavailabilityzone", BF_ZONE},
	{"lineitemlineitemdescription", BF_DESCRIPTION},
	{"lineitemlegalentity", BF_LEGAL_ENTITY},
	{"lineitemusageamount", BF_USAGE_AMOUNT},
	{"pricingunit", BF_PRICING_UNIT},
	{"pricingratecode", BF_SKU_PRICE_ID},
	{"pricingpublicondemandrate", BF_LIST_PRICE},
	{"pricingpublicondemandcost", BF_LIST_COST},
	{"lineitemunblendedrate", BF_UNBLENDED_RATE},
	{"lineitemblendedcost", BF_BLENDED_COST},
	{"lineitemnetunblendedcost", BF_NET_UNBLENDED_COST},
	{"lineitemcurrencycode", BF_CURRENCY},
	{"reservationreservationarn", BF_RI_ARN},
	{"reservationeffectivecost", BF_RI_EFFECTIVE},
	{"reservationneteffectivecost", BF_RI_EFFECTIVE_NET},
	{"reservationamortizedupfrontfeeforbillingperiod", BF_RI_UPFRONT},
	{"reservationnetamortizedupfrontfeeforbillingperiod", BF_RI_UPFRONT_NET},
	{"reservationunusedamortizedupfrontfeeforbillingperiod", BF_RI_UNUSED_UPFRONT},
	{"reservationnetunusedamortizedupfrontfeeforbillingperiod", BF_RI_UNUSED_UPFRONT_NET},
	{"reservationunusedrecurringfee", BF_RI_UNUSED_RECURRING},
	{"reservationnetunusedrecurringfee", BF_RI_UNUSED_RECURRING_NET},
	{"savingsplansavingsplanarn", BF_SP_ARN},
	{"savingsplansavingsplaneffectivecost", BF_SP_EFFECTIVE},
	{"savingsplannetsavingsplaneffectivecost", BF_SP_EFFECTIVE_NET},
	{"savingsplanamortizedupfrontcommitmentforbillingperiod", BF_SP_UPFRONT},
	{"savingsplannetamortizedupfrontcommitmentforbillingperiod", BF_SP_UPFRONT_NET},
	{"savingsplantotalcommitmenttodate", BF_SP_TOTAL},
	{"savingsplanusedcommitment", BF_SP_USED},
	{"splitlineitemparentresourceid", BF_SPLIT_PARENT},
	{"resourcetags", BF_TAGS},
	{"costcategory", BF_NONE},
	{"discount", BF_NONE},
};

static const char *const aws_groups[] = {
	"identity", "bill", "lineitem", "product", "pricing", "reservation",
	"savingsplan", "splitlineitem", "discount", "costcategory",
	"capacityreservation", "resourcetags", "tags", "usageaccount", "year", "month",
};

static const BillCopy aws_copies[] = {
	{BF_REGION, BF_REGION_2, false},
};

static const BillField aws_computed[] = {
	BF_COMMITMENT_ID, BF_COMMITMENT_STATUS, BF_COMMITMENT_CATEGORY,
	BF_CHARGE_FREQUENCY, BF_NONE,
};

static const KnownColumn focus_columns[] = {
	{"billedcost", BF_UNBLENDED_COST},
	{"effectivecost", BF_EFFECTIVE_COST},
	{"amortizedcost", BF_EFFECTIVE_COST},
	{"listcost", BF_LIST_COST},
	{"contractedcost", BF_CONTRACTED_COST},
	{"billingaccountid", BF_PAYER},
	{"billingaccountname", BF_BILLING_ACCOUNT_NAME},
	{"billingaccounttype", BF_BILLING_ACCOUNT_TYPE},
	{"subaccountid", BF_USAGE_ACCOUNT},
	{"subaccountname", BF_SUB_ACCOUNT_NAME},
	{"subaccounttype", BF_SUB_ACCOUNT_TYPE},
	{"billingcurrency", BF_CURRENCY},
	{"billingperiodstart", BF_PERIOD_START},
	{"billingperiodend", BF_PERIOD_END},
	{"chargeperiodstart", BF_USAGE_START},
	{"chargeperiodend", BF_USAGE_END},
	{"chargecategory", BF_LINE_TYPE},
	{"chargetype", BF_LINE_TYPE},
	{"chargeclass", BF_CHARGE_CLASS},
	{"chargedescription", BF_DESCRIPTION},
	{"chargefrequency", BF_CHARGE_FREQUENCY},
	{"commitmentdiscountid", BF_COMMITMENT_ID},
	{"commitmentdiscountname", BF_COMMITMENT_NAME},
	{"commitmentdiscountstatus", BF_COMMITMENT_STATUS},
	{"commitmentdiscountcategory", BF_COMMITMENT_CATEGORY},
	{"commitmentdiscounttype", BF_COMMITMENT_TYPE},
	{"commitmentdiscountquantity", BF_COMMITMENT_QUANTITY},
	{"commitmentdiscountunit", BF_COMMITMENT_UNIT},
	{"commitmentprogrameligibilitydetails", BF_ELIGIBILITY},
	{"pricingquantity", BF_PRICING_QUANTITY},
	{"pricingunit", BF_PRICING_UNIT},
	{"pricingcategory", BF_PRICING_CATEGORY},
	{"pricingcurrency", BF_PRICING_CURRENCY},
	{"pricingcurrencycontractedunitprice", BF_PRICING_CURRENCY_CONTRACTED_PRICE},
	{"pricingcurrencyeffectivecost", BF_PRICING_CURRENCY_EFFECTIVE_COST},
	{"pricingcurrencylistunitprice", BF_PRICING_CURRENCY_LIST_PRICE},
	{"consumedquantity", BF_CONSUMED_QUANTITY},
	{"usagequantity", BF_CONSUMED_QUANTITY},
	{"consumedunit", BF_CONSUMED_UNIT},
	{"usageunit", BF_CONSUMED_UNIT},
	{"contractedunitprice", BF_CONTRACTED_PRICE},
	{"listunitprice", BF_LIST_PRICE},
	{"invoiceid", BF_INVOICE_ID},
	{"invoicedetailid", BF_INVOICE_DETAIL},
	{"invoiceissuername", BF_ISSUER},
	{"invoiceissuer", BF_ISSUER},
	{"publishername", BF_PUBLISHER},
	{"publisher", BF_PUBLISHER},
	{"providername", BF_PROVIDER_NAME},
	{"provider", BF_PROVIDER_NAME},
	{"serviceprovidername", BF_SERVICE_PROVIDER},
	{"hostprovidername", BF_HOST_PROVIDER},
	{"regionid", BF_REGION},
	{"region", BF_REGION},
	{"regionname", BF_REGION_NAME},
	{"resourceid", BF_RESOURCE_ID},
	{"resourcename", BF_RESOURCE_NAME},
	{"resourcetype", BF_RESOURCE_TYPE},
	{"servicename", BF_PRODUCT_CODE},
	{"servicecategory", BF_SERVICE_CATEGORY},
	{"servicesubcategory", BF_SERVICE_SUBCATEGORY},
	{"skuid", BF_SKU_ID},
	{"skumeter", BF_SKU_METER},
	{"skupriceid", BF_SKU_PRICE_ID},
	{"skupricedetails", BF_SKU_PRICE_DETAILS},
	{"availabilityzone", BF_ZONE},
	{"capacityreservationid", BF_CAPACITY_ID},
	{"capacityreservationstatus", BF_CAPACITY_STATUS},
	{"contractapplied", BF_CONTRACT_APPLIED},
	{"allocatedmethodid", BF_ALLOCATED_METHOD_ID},
	{"allocatedmethoddetails", BF_ALLOCATED_METHOD_DETAILS},
	{"allocatedresourceid", BF_ALLOCATED_RESOURCE_ID},
	{"allocatedresourcename", BF_ALLOCATED_RESOURCE_NAME},
	{"allocatedtags", BF_ALLOCATED_TAGS},
	{"tags", BF_TAGS},
};

static const BillCopy focus_copies[] = {
	{BF_USAGE_AMOUNT, BF_PRICING_QUANTITY, false},
	{BF_USAGE_AMOUNT, BF_CONSUMED_QUANTITY, false},
	{BF_USAGE_TYPE, BF_SKU_METER, false},
	{BF_USAGE_TYPE, BF_SKU_ID, false},
	{BF_UNBLENDED_RATE, BF_CONTRACTED_PRICE, false},
	{BF_BILLING_ENTITY, BF_ISSUER, false},
	{BF_LEGAL_ENTITY, BF_PUBLISHER, false},
	{BF_PRODUCT_NAME, BF_SERVICE_CATEGORY, false},
	{BF_PRICING_UNIT, BF_CONSUMED_UNIT, true},
	{BF_REGION, BF_REGION_NAME, true},
};

static const BillField focus_computed[] = {BF_NONE};

static const KnownColumn azure_columns[] = {
	{"costinbillingcurrency", BF_UNBLENDED_COST},
	{"cost", BF_UNBLENDED_COST},
	{"pretaxcost", BF_UNBLENDED_COST},
	{"extendedcost", BF_UNBLENDED_COST},
	{"costinpricingcurrency", BF_UNBLENDED_COST},
	{"costinusd", BF_UNBLENDED_COST},
	{"costusd", BF_UNBLENDED_COST},
	{"paygcostinbillingcurrency", BF_LIST_COST},
	{"billingcurrencycode", BF_CURRENCY},
	{"billingcurrency", BF_CURRENCY},
	{"currencycode", BF_CURRENCY},
	{"currency", BF_CURRENCY},
	{"pricingcurrencycode", BF_PRICING_CURRENCY},
	{"pricingcurrency", BF_PRICING_CURRENCY},
	{"billingperiodstartdate", BF_PERIOD_START},
	{"billingperiodstart", BF_PERIOD_START},
	{"billingperiodenddate", BF_PERIOD_END},
	{"billingperiodend", BF_PERIOD_END},
	{"billingperiod", BF_MONTH},
	{"billingmonth", BF_MONTH},
	{"date", BF_USAGE_START},
	{"usagedatetime", BF_USAGE_START},
	{"usagedate", BF_USAGE_START},
	{"usagestart", BF_USAGE_START},
	{"usageend", BF_USAGE_END},
	{"billingaccountid", BF_PAYER},
	{"enrollmentnumber", BF_PAYER},
	{"billingprofileid", BF_PAYER},
	{"billingaccountname", BF_BILLING_ACCOUNT_NAME},
	{"billingprofilename", BF_BILLING_ACCOUNT_NAME},
	{"subscriptionid", BF_USAGE_ACCOUNT},
	{"subscriptionguid", BF_USAGE_ACCOUNT},
	{"subscriptionname", BF_SUB_ACCOUNT_NAME},
	{"invoiceid", BF_INVOICE_ID},
	{"invoicenumber", BF_INVOICE_ID},
	{"chargetype", BF_LINE_TYPE},
	{"frequency", BF_CHARGE_FREQUENCY},
	{"pricingmodel", BF_PRICING_MODEL},
	{"metercategory", BF_PRODUCT_CODE},
	{"servicename", BF_PRODUCT_CODE},
	{"consumedservice", BF_SERVICE_CODE},
	{"productname", BF_DESCRIPTION},
	{"product", BF_DESCRIPTION},
	{"metername", BF_USAGE_TYPE},
	{"meter", BF_USAGE_TYPE},
	{"meterid", BF_SKU_ID},
	{"partnumber", BF_SKU_PRICE_ID},
	{"productid", BF_SKU_PRICE_ID},
	{"resourcelocation", BF_REGION},
	{"location", BF_REGION_2},
	{"meterregion", BF_REGION_2},
	{"resourceid", BF_RESOURCE_ID},
	{"instanceid", BF_RESOURCE_ID},
	{"resourcename", BF_RESOURCE_NAME},
	{"instancename", BF_RESOURCE_NAME},
	{"resourcetype", BF_RESOURCE_TYPE},
	{"quantity", BF_PRICING_QUANTITY},
	{"usagequantity", BF_PRICING_QUANTITY},
	{"consumedquantity", BF_PRICING_QUANTITY},
	{"unitofmeasure", BF_PRICING_UNIT},
	{"unit", BF_PRICING_UNIT},
	{"effectiveprice", BF_UNBLENDED_RATE},
	{"resourcerate", BF_UNBLENDED_RATE},
	{"unitprice", BF_CONTRACTED_PRICE},
	{"paygprice", BF_LIST_PRICE},
	{"marketprice", BF_LIST_PRICE},
	{"benefitid", BF_COMMITMENT_ID},
	{"reservationid", BF_COMMITMENT_ID_2},
	{"benefitname", BF_COMMITMENT_NAME},
	{"reservationname", BF_COMMITMENT_NAME_2},
	{"availabilityzone", BF_ZONE},
	{"publishername", BF_PUBLISHER},
	{"tags", BF_TAGS},
};

/* the rest of the file schemas; a whole name is a beginning too */
static const char *const azure_groups[] = {
	"account", "additionalinfo", "billing", "chargesbilledseparately", "cost",
	"customer", "department", "exchangerate", "invoice", "isazurecrediteligible",
	"meter", "offer", "partner", "payg", "planname", "previousinvoiceid",
	"pricing", "product", "provider", "publisher", "reseller", "reservation",
	"resource", "roundingadjustment", "service", "store", "subscription", "term",
	"benefit", "markup", "tenant",
};

static const BillCopy azure_copies[] = {
	{BF_USAGE_AMOUNT, BF_PRICING_QUANTITY, false},
	{BF_COMMITMENT_ID, BF_COMMITMENT_ID_2, false},
	{BF_COMMITMENT_NAME, BF_COMMITMENT_NAME_2, false},
	{BF_REGION, BF_REGION_2, false},
	{BF_SKU_METER, BF_USAGE_TYPE, false},
	{BF_LEGAL_ENTITY, BF_PUBLISHER, false},
};

static const BillField azure_computed[] = {
	BF_CHARGE_FREQUENCY, BF_PRICING_CATEGORY, BF_COMMITMENT_STATUS,
	BF_COMMITMENT_CATEGORY, BF_COMMITMENT_TYPE, BF_USAGE_END, BF_NONE,
};

static const KnownColumn gcp_columns[] = {
	{"unroundedcost", BF_UNBLENDED_COST},
	{"cost", BF_UNBLENDED_COST},
	{"costatlist", BF_LIST_COST},
	{"currency", BF_CURRENCY},
	{"currencycode", BF_CURRENCY},
	{"billingaccountid", BF_PAYER},
	{"accountid", BF_PAYER},
	{"billingaccountname", BF_BILLING_ACCOUNT_NAME},
	{"invoicemonth", BF_MONTH},
	{"invoicenumber", BF_INVOICE_ID},
	{"invoiceid", BF_INVOICE_ID},
	{"costtype", BF_LINE_TYPE},
	{"servicedescription", BF_PRODUCT_CODE},
	{"serviceid", BF_SERVICE_CODE},
	{"skudescription", BF_DESCRIPTION},
	{"description", BF_DESCRIPTION},
	{"skuid", BF_SKU_ID},
	{"lineitem", BF_USAGE_TYPE},
	{"usagestarttime", BF_USAGE_START},
	{"usagestartdate", BF_USAGE_START},
	{"starttime", BF_USAGE_START},
	{"usageendtime", BF_USAGE_END},
	{"usageenddate", BF_USAGE_END},
	{"endtime", BF_USAGE_END},
	{"projectid", BF_USAGE_ACCOUNT},
	{"project", BF_USAGE_ACCOUNT},
	{"projectnumber", BF_USAGE_ACCOUNT},
	{"projectname", BF_SUB_ACCOUNT_NAME},
	{"labels", BF_TAGS},
	{"tags", BF_TAGS_2},
	{"projectlabels", BF_TAGS_3},
	{"locationregion", BF_REGION},
	{"locationlocation", BF_REGION_2},
	{"location", BF_REGION_2},
	{"region", BF_REGION_2},
	{"locationzone", BF_ZONE},
	{"resourceglobalname", BF_RESOURCE_ID},
	{"resourcename", BF_RESOURCE_NAME},
	{"usageamountinpricingunits", BF_PRICING_QUANTITY},
	{"usagepricingunit", BF_PRICING_UNIT},
	{"usageamount", BF_CONSUMED_QUANTITY},
	{"measurement1totalconsumption", BF_CONSUMED_QUANTITY},
	{"usageunit", BF_CONSUMED_UNIT},
	{"measurement1units", BF_CONSUMED_UNIT},
	{"priceeffectiveprice", BF_UNBLENDED_RATE},
	{"pricelistprice", BF_LIST_PRICE},
	{"credits", BF_CREDITS},
	{"creditsamount", BF_CREDIT},
	{"creditamount", BF_CREDIT},
	{"totalcredits", BF_CREDIT},
	{"creditstotal", BF_CREDIT},
	{"credits0amount", BF_CREDIT},
	{"credit1amount", BF_CREDIT},
	{"credits1amount", BF_CREDIT_2},
	{"credit2amount", BF_CREDIT_2},
	{"credits2amount", BF_CREDIT_3},
	{"credit3amount", BF_CREDIT_3},
	{"credits3amount", BF_CREDIT_4},
	{"credit4amount", BF_CREDIT_4},
	{"subscriptioninstanceid", BF_COMMITMENT_ID},
	{"sellername", BF_PUBLISHER},
};

static const char *const gcp_groups[] = {
	"adjustmentinfo", "billingaccount", "consumptionmodel", "cost", "credit",
	"currencyconversionrate", "discount", "exporttime", "invoice", "label",
	"location", "measurement", "negotiated", "partitiontime", "price", "project",
	"resource", "roundedcost", "seller", "service", "sku", "subscription",
	"subtotal", "systemlabels", "tags", "transactiontype", "usage", "percentchange",
};

static const BillCopy gcp_copies[] = {
	{BF_USAGE_AMOUNT, BF_PRICING_QUANTITY, false},
	{BF_USAGE_AMOUNT, BF_CONSUMED_QUANTITY, false},
	{BF_USAGE_TYPE, BF_DESCRIPTION, false},
	{BF_SKU_METER, BF_DESCRIPTION, false},
	{BF_REGION, BF_REGION_2, false},
	{BF_LEGAL_ENTITY, BF_PUBLISHER, false},
	{BF_PRICING_UNIT, BF_CONSUMED_UNIT, true},
};

static const BillField gcp_computed[] = {
	BF_CHARGE_FREQUENCY, BF_PRODUCT_CODE, BF_CREDIT_AMOUNT, BF_NONE,
};

static const KnownColumn oci_columns[] = {
	{"costmycost", BF_UNBLENDED_COST},
	{"costcurrencycode", BF_CURRENCY},
	{"costunitprice", BF_UNBLENDED_RATE},
	{"costproductsku", BF_SKU_ID},
	{"costskuunitdescription", BF_PRICING_UNIT},
	{"costbillingunitreadable", BF_PRICING_UNIT},
	{"lineitemreferenceno", BF_LINE_ITEM_ID},
	{"lineitemtenantid", BF_PAYER},
	{"lineitemintervalusagestart", BF_USAGE_START},
	{"lineitemintervalusageend", BF_USAGE_END},
	{"lineitemiscorrection", BF_CORRECTION},
	{"productservice", BF_PRODUCT_CODE},
	{"productcompartmentid", BF_USAGE_ACCOUNT},
	{"productcompartmentname", BF_SUB_ACCOUNT_NAME},
	{"productregion", BF_REGION},
	{"productavailabilitydomain", BF_ZONE},
	{"productresourceid", BF_RESOURCE_ID},
	{"productresource", BF_USAGE_TYPE},
	{"productdescription", BF_DESCRIPTION},
	{"usagebilledquantity", BF_USAGE_AMOUNT},
	{"usageconsumedquantity", BF_CONSUMED_QUANTITY},
	{"usageconsumedquantityunits", BF_CONSUMED_UNIT},
	{"tags", BF_TAGS},
};

static const char *const oci_groups[] = {
	"lineitem", "product", "usage", "cost", "tags",
};

static const BillCopy oci_copies[] = {
	{BF_USAGE_AMOUNT, BF_CONSUMED_QUANTITY, false},
	{BF_PRICING_QUANTITY, BF_USAGE_AMOUNT, false},
	{BF_CONTRACTED_PRICE, BF_UNBLENDED_RATE, false},
	{BF_SKU_METER, BF_DESCRIPTION, false},
	{BF_USAGE_TYPE, BF_DESCRIPTION, false},
};

static const BillField oci_computed[] = {
	BF_CHARGE_CLASS, BF_CHARGE_FREQUENCY, BF_NONE,
};

#define LIST(list) list, (int) lengthof(list)

const FormatColumns *
BillColumnsOf(BillFormat format)
{
	static const FormatColumns aws = {
		LIST(aws_columns), LIST(aws_groups), LIST(aws_copies), aws_computed, false
	};
	static const FormatColumns focus = {
		LIST(focus_columns), NULL, 0, LIST(focus_copies), focus_computed, false
	};
	static const FormatColumns azure = {
		LIST(azure_columns), LIST(azure_groups), LIST(azure_copies), azure_computed, true
	};
	static const FormatColumns gcp = {
		LIST(gcp_columns), LIST(gcp_groups), LIST(gcp_copies), gcp_computed, true
	};
	static const FormatColumns oci = {
		LIST(oci_columns), LIST(oci_groups), LIST(oci_copies), oci_computed, true
	};

	switch (format)
	{
		case BILL_FOCUS:
			return &focus;
		case BILL_AZURE:
			return &azure;
		case BILL_GCP:
			return &gcp;
		case BILL_OCI:
			return &oci;
		default:
			return &aws;
	}
}
