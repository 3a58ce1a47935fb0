/*-------------------------------------------------------------------------
 *
 * header.c
 *	  From the header line of a bill to the fields it carries.
 *
 * Columns are known by name, never by position: their number and order
 * change from month to month and, when a commitment is bought, from one day
 * to the next.  One format writes the same name in several ways
 * (lineItem/UnblendedCost, line_item_unblended_cost), so names are compared
 * without case and without anything but letters and digits.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/bill.h"

#include <stdlib.h>

#define MAX_SQUASHED	128

typedef struct KnownColumn
{
	const char *name;			/* squashed */
	BillField	field;
} KnownColumn;

/* AWS cost and usage report; the data dictionary of CUR and CUR 2.0 */
static const KnownColumn cur_columns[] = {
	{"identitylineitemid", BF_LINE_ITEM_ID},
	{"identitytimeinterval", BF_TIME_INTERVAL},
	{"billbillingperiodstartdate", BF_PERIOD_START},
	{"billbillingperiodenddate", BF_PERIOD_END},
	{"billinvoiceid", BF_INVOICE_ID},
	{"billbilltype", BF_BILL_TYPE},
	{"billbillingentity", BF_BILLING_ENTITY},
	{"billpayeraccountid", BF_PAYER},
	{"lineitemusageaccountid", BF_USAGE_ACCOUNT},
	{"lineitemusagestartdate", BF_USAGE_START},
	{"lineitemusageenddate", BF_USAGE_END},
	{"lineitemlineitemtype", BF_LINE_TYPE},
	{"lineitemproductcode", BF_PRODUCT_CODE},
	{"productproductname", BF_PRODUCT_NAME},
	{"productservicecode", BF_SERVICE_CODE},
	{"productregion", BF_REGION},
	{"productregioncode", BF_REGION_2},
	{"productinstancetype", BF_INSTANCE_TYPE},
	{"lineitemresourceid", BF_RESOURCE_ID},
	{"lineitemusagetype", BF_USAGE_TYPE},
	{"lineitemoperation", BF_OPERATION},
	{"lineitemavailabilityzone", BF_ZONE},
	{"lineitemlineitemdescription", BF_DESCRIPTION},
	{"lineitemlegalentity", BF_LEGAL_ENTITY},
	{"lineitemusageamount", BF_USAGE_AMOUNT},
	{"pricingunit", BF_PRICING_UNIT},
	{"lineitemunblendedrate", BF_UNBLENDED_RATE},
	{"lineitemunblendedcost", BF_UNBLENDED_COST},
	{"lineitemblendedcost", BF_BLENDED_COST},
	{"lineitemnetunblendedcost", BF_NET_UNBLENDED_COST},
	{"pricingpublicondemandcost", BF_LIST_COST},
	{"lineitemcurrencycode", BF_CURRENCY},
	{"reservationreservationarn", BF_RI_ARN},
	{"reservationeffectivecost", BF_RI_EFFECTIVE},
	{"reservationneteffectivecost", BF_RI_EFFECTIVE_NET},
	{"reservationunusedamortizedupfrontfeeforbillingperiod", BF_RI_UNUSED_UPFRONT},
	{"reservationnetunusedamortizedupfrontfeeforbillingperiod", BF_RI_UNUSED_UPFRONT_NET},
	{"reservationunusedrecurringfee", BF_RI_UNUSED_RECURRING},
	{"reservationnetunusedrecurringfee", BF_RI_UNUSED_RECURRING_NET},
	{"savingsplansavingsplanarn", BF_SP_ARN},
	{"savingsplansavingsplaneffectivecost", BF_SP_EFFECTIVE},
	{"savingsplannetsavingsplaneffectivecost", BF_SP_EFFECTIVE_NET},
	{"savingsplantotalcommitmenttodate", BF_SP_TOTAL},
	{"savingsplanusedcommitment", BF_SP_USED},
	{"resourcetags", BF_TAGS},
};

/* The groups of the report: a column of one of them is known, if not loaded. */
static const char *const cur_groups[] = {
	"identity", "bill", "lineitem", "product", "pricing", "reservation",
	"savingsplan", "splitlineitem", "discount", "costcategory",
	"capacityreservation", "resourcetags", "year", "month",
};

/* FOCUS 1.0 to 1.4, Cost and Usage */
static const KnownColumn focus_columns[] = {
	{"billedcost", BF_UNBLENDED_COST},
	{"effectivecost", BF_EFFECTIVE_COST},
	{"listcost", BF_LIST_COST},
	{"contractedcost", BF_CONTRACTED_COST},
	{"billingaccountid", BF_PAYER},
	{"subaccountid", BF_USAGE_ACCOUNT},
	{"billingcurrency", BF_CURRENCY},
	{"billingperiodstart", BF_PERIOD_START},
	{"billingperiodend", BF_PERIOD_END},
	{"chargeperiodstart", BF_USAGE_START},
	{"chargeperiodend", BF_USAGE_END},
	{"chargecategory", BF_LINE_TYPE},
	{"chargeclass", BF_CHARGE_CLASS},
	{"chargedescription", BF_DESCRIPTION},
	{"chargefrequency", BF_CHARGE_FREQUENCY},
	{"commitmentdiscountid", BF_COMMITMENT_ID},
	{"commitmentdiscountstatus", BF_COMMITMENT_STATUS},
	{"commitmentdiscountcategory", BF_COMMITMENT_CATEGORY},
	{"pricingquantity", BF_USAGE_AMOUNT},
	{"consumedquantity", BF_USAGE_AMOUNT_2},
	{"pricingunit", BF_PRICING_UNIT},
	{"consumedunit", BF_PRICING_UNIT_2},
	{"contractedunitprice", BF_UNBLENDED_RATE},
	{"invoiceid", BF_INVOICE_ID},
	{"invoiceissuername", BF_BILLING_ENTITY},
	{"publishername", BF_LEGAL_ENTITY},
	{"providername", BF_PROVIDER},
	{"serviceprovidername", BF_PROVIDER_2},
	{"regionid", BF_REGION},
	{"regionname", BF_REGION_2},
	{"resourceid", BF_RESOURCE_ID},
	{"servicename", BF_PRODUCT_CODE},
	{"servicecategory", BF_PRODUCT_NAME},
	{"skumeter", BF_USAGE_TYPE},
	{"skuid", BF_USAGE_TYPE_2},
	{"availabilityzone", BF_ZONE},
	{"tags", BF_TAGS},
	{"billingaccountname", BF_NONE},
	{"billingaccounttype", BF_NONE},
	{"capacityreservationid", BF_NONE},
	{"capacityreservationstatus", BF_NONE},
	{"commitmentdiscountname", BF_NONE},
	{"commitmentdiscountquantity", BF_NONE},
	{"commitmentdiscounttype", BF_NONE},
	{"commitmentdiscountunit", BF_NONE},
	{"listunitprice", BF_NONE},
	{"pricingcategory", BF_NONE},
	{"pricingcurrency", BF_NONE},
	{"pricingcurrencycontractedunitprice", BF_NONE},
	{"pricingcurrencyeffectivecost", BF_NONE},
	{"pricingcurrencylistunitprice", BF_NONE},
	{"resourcename", BF_NONE},
	{"resourcetype", BF_NONE},
	{"servicesubcategory", BF_NONE},
	{"skupricedetails", BF_NONE},
	{"skupriceid", BF_NONE},
	{"subaccountname", BF_NONE},
	{"subaccounttype", BF_NONE},
	{"contractapplied", BF_NONE},
	{"allocatedmethodid", BF_NONE},
	{"allocatedmethoddetails", BF_NONE},
	{"allocatedresourceid", BF_NONE},
	{"allocatedresourcename", BF_NONE},
	{"allocatedtags", BF_NONE},
	{"hostprovidername", BF_NONE},
	{"invoicedetailid", BF_NONE},
};

static const char *const tag_names[BT_COUNT] = {
	[BT_TENANT_ID] = "tenantid",
	[BT_PLAN_ID] = "planid",
	[BT_SERVICE_COMPONENT] = "servicecomponent",
	[BT_ENVIRONMENT] = "environment",
	[BT_COST_CENTER] = "costcenter",
	[BT_PROJECT] = "project",
};

const char *
BillFormatName(BillFormat format)
{
	switch (format)
	{
		case BILL_CUR_LEGACY:
			return "cur-legacy";
		case BILL_CUR:
			return "cur";
		case BILL_FOCUS:
			return "focus";
		default:
			return "unknown";
	}
}

/* Lower-case letters and digits of a name; longer names are cut. */
static void
squash(Slice name, char *to)
{
	int			n = 0;

	for (int i = 0; i < name.len && n < MAX_SQUASHED - 1; i++)
	{
		char		c = name.data[i];

		if (c >= 'A' && c <= 'Z')
			c = (char) (c - 'A' + 'a');
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			to[n++] = c;
	}
	to[n] = '\0';
}

static bool
starts_with(Slice s, const char *prefix)
{
	int			len = (int) strlen(prefix);

	if (s.len < len)
		return false;
	for (int i = 0; i < len; i++)
	{
		char		c = s.data[i];

		if (c >= 'A' && c <= 'Z')
			c = (char) (c - 'A' + 'a');
		if (c != prefix[i])
			return false;
	}
	return true;
}

static Slice
skip(Slice s, int n)
{
	s.data += n;
	s.len -= n;
	return s;
}

int
BillTagOfKey(Slice key)
{
	char		name[MAX_SQUASHED];

	if (starts_with(key, "user:"))
		key = skip(key, 5);
	if (starts_with(key, "aws:") || key.len >= MAX_SQUASHED)
		return -1;
	squash(key, name);
	for (int i = 0; i < BT_COUNT; i++)
		if (strcmp(name, tag_names[i]) == 0)
			return i;
	return -1;
}

Slice
BillMapKey(Slice key, bool *is_aws)
{
	*is_aws = false;
	if (starts_with(key, "user_") || starts_with(key, "user:"))
		return skip(key, 5);
	if (starts_with(key, "aws_") || starts_with(key, "aws:"))
	{
		*is_aws = true;
		return skip(key, 4);
	}
	return key;
}

static char *
copy_string(const char *data, int len)
{
	char	   *s = malloc((size_t) len + 1);

	if (s == NULL)
		return NULL;
	memcpy(s, data, (size_t) len);
	s[len] = '\0';
	return s;
}

/*
 * The key of a tag column, or false.  resourceTags/user:CostCenter is
 * CostCenter, resource_tags_user_cost_center is cost_center; tags that AWS
 * sets itself keep aws: in front.
 */
static bool
tag_key(Slice name, OutBuf *key)
{
	bool		is_aws;

	if (starts_with(name, "resourcetags/"))
		name = skip(name, 13);
	else if (starts_with(name, "resource_tags_") || starts_with(name, "resource_tags/"))
		name = skip(name, 14);
	else
		return false;
	name = BillMapKey(name, &is_aws);
	if (name.len == 0)
		return false;
	if (is_aws)
		OutText(key, "aws:");
	OutBytes(key, name.data, (size_t) name.len);
	return true;
}

/* False only when memory is short. */
static bool
add_tag(BillHeader *h, int column, const OutBuf *key)
{
	BillTagColumn *tag = &h->tags[h->ntags];
	Slice		text = {key->data, (int) key->len};
	OutBuf		quoted = {0};

	tag->column = column;
	tag->key = copy_string(text.data, text.len);
	tag->tag = BillTagOfKey(text);
	tag->is_tenant = h->tenant_key != NULL && SliceEqual(text, h->tenant_key);
	JsonQuote(&quoted, text);
	OutBytes(&quoted, ":", 2);	/* with its terminator */
	tag->json_key = quoted.data;
	h->ntags++;
	return tag->key != NULL && quoted.ok;
}

static const KnownColumn *
find_known(const KnownColumn *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].name, name) == 0)
			return &list[i];
	return NULL;
}

static bool
in_cur_group(const char *name)
{
	for (size_t i = 0; i < lengthof(cur_groups); i++)
		if (strncmp(name, cur_groups[i], strlen(cur_groups[i])) == 0)
			return true;
	return false;
}

/* The format whose cost column is there. */
static BillFormat
detect_format(const BillHeader *h, BillFormat want)
{
	bool		cur = false;
	bool		focus = false;
	bool		slash = false;
	char		name[MAX_SQUASHED];

	for (int i = 0; i < h->ncolumns; i++)
	{
		Slice		text = {h->names[i], (int) strlen(h->names[i])};

		squash(text, name);
		if (strcmp(name, "lineitemunblendedcost") == 0)
		{
			cur = true;
			slash = strchr(h->names[i], '/') != NULL;
		}
		else if (strcmp(name, "billedcost") == 0)
			focus = true;
	}
	if (cur && want != BILL_FOCUS)
		return slash ? BILL_CUR_LEGACY : BILL_CUR;
	if (focus && (want == BILL_UNKNOWN || want == BILL_FOCUS))
		return BILL_FOCUS;
	return BILL_UNKNOWN;
}

static bool
map_column(BillHeader *h, int column, OutBuf *key)
{
	bool		focus = h->format == BILL_FOCUS;
	Slice		text = {h->names[column], (int) strlen(h->names[column])};
	const KnownColumn *known;
	char		name[MAX_SQUASHED];

	key->len = 0;
	if (!focus && tag_key(text, key))
		return add_tag(h, column, key);
	squash(text, name);
	known = focus ? find_known(focus_columns, lengthof(focus_columns), name) :
		find_known(cur_columns, lengthof(cur_columns), name);
	if (known != NULL && known->field != BF_NONE && h->column[known->field] < 0)
		h->column[known->field] = column;
	else if (known != NULL || (!focus && in_cur_group(name)))
		h->unmapped[h->nunmapped++] = column;
	else
		h->unknown[h->nunknown++] = column;
	return true;
}

static const char *
missing_column(const BillHeader *h)
{
	if (h->format == BILL_FOCUS)
		return h->column[BF_EFFECTIVE_COST] < 0 ? "EffectiveCost" : NULL;
	if (h->column[BF_LINE_TYPE] < 0)
		return h->format == BILL_CUR ? "line_item_line_item_type" : "lineItem/LineItemType";
	return NULL;
}

bool
HeaderMap(BillHeader *h, const CsvField *fields, int nfields,
		  BillFormat want, const char *tenant_key)
{
	size_t		n = (size_t) nfields;
	OutBuf		key = {0};
	bool		ok = true;

	memset(h, 0, sizeof(*h));
	h->tenant_key = tenant_key;
	for (int i = 0; i < BF_COUNT; i++)
		h->column[i] = -1;
	h->names = calloc(n + 1, sizeof(char *));
	h->tags = calloc(n + 1, sizeof(BillTagColumn));
	h->unmapped = calloc(n + 1, sizeof(int));
	h->unknown = calloc(n + 1, sizeof(int));
	if (!h->names || !h->tags || !h->unmapped || !h->unknown)
	{
		HeaderFree(h);
		return false;
	}
	for (int i = 0; i < nfields && ok; i++)
	{
		Slice		name = SliceTrim((Slice) {fields[i].data, fields[i].len});

		h->names[i] = copy_string(name.data, name.len);
		ok = h->names[i] != NULL;
		h->ncolumns = i + 1;
	}
	if (ok)
		h->format = detect_format(h, want);
	for (int i = 0; i < nfields && ok && h->format != BILL_UNKNOWN; i++)
		ok = map_column(h, i, &key);
	OutFree(&key);
	if (!ok)
	{
		HeaderFree(h);
		return false;
	}
	if (h->format == BILL_UNKNOWN)
		return false;
	h->missing = missing_column(h);
	return h->missing == NULL;
}

void
HeaderFree(BillHeader *h)
{
	for (int i = 0; h->names != NULL && i < h->ncolumns; i++)
		free(h->names[i]);
	for (int i = 0; h->tags != NULL && i < h->ntags; i++)
	{
		free(h->tags[i].key);
		free(h->tags[i].json_key);
	}
	free(h->names);
	free(h->tags);
	free(h->unmapped);
	free(h->unknown);
	memset(h, 0, sizeof(*h));
}
