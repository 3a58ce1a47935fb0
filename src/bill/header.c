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
#include "bill/header.h"

#include <stdlib.h>

#define MAX_SQUASHED	128

static const char *const tag_names[BT_COUNT] = {
	[BT_TENANT_ID] = "tenantid",
	[BT_PLAN_ID] = "planid",
	[BT_SERVICE_COMPONENT] = "servicecomponent",
	[BT_ENVIRONMENT] = "environment",
	[BT_COST_CENTER] = "costcenter",
	[BT_PROJECT] = "project",
};

static const struct
{
	const char *name;
	BillFormat	format;
}			format_names[] = {
	{"cur", BILL_CUR},
	{"cur-legacy", BILL_CUR_LEGACY},
	{"focus", BILL_FOCUS},
	{"azure", BILL_AZURE},
	{"gcp", BILL_GCP},
	{"oci", BILL_OCI},
};

const char *
BillFormatName(BillFormat format)
{
	for (size_t i = 0; i < lengthof(format_names); i++)
		if (format_names[i].format == format)
			return format_names[i].name;
	return "unknown";
}

BillFormat
BillFormatByName(const char *name)
{
	for (size_t i = 0; i < lengthof(format_names); i++)
		if (strcmp(format_names[i].name, name) == 0)
			return format_names[i].format;
	return BILL_UNKNOWN;
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

/* The name of a column without what is in brackets: Cost ($). */
static void
squash_column(const char *name, char *to)
{
	squash((Slice) {name, (int) strcspn(name, "(")}, to);
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

/* What stands behind one of the beginnings, or a Slice of NULL. */
static Slice
behind(Slice name, const char *const *prefixes)
{
	for (; *prefixes != NULL; prefixes++)
		if (starts_with(name, *prefixes))
		{
			name = skip(name, (int) strlen(*prefixes));
			if (name.len > 0)
				return name;
		}
	return (Slice) {NULL, 0};
}

/*
 * The object that a column is a member of, and the key there; false: none.
 * resourceTags/user:CostCenter is CostCenter, resource_tags_user_cost_center
 * is cost_center; tags that AWS sets itself keep aws: in front.
 */
static bool
member_key(BillFormat format, Slice name, BillObject *object, OutBuf *key)
{
	static const char *const aws_tags[] = {"resourcetags/", "resource_tags_", "resource_tags/", NULL};
	static const char *const categories[] = {"costcategory/", "cost_category_", "cost_category/", NULL};
	static const char *const discounts[] = {"discount/", "discount_", NULL};
	static const char *const labels[] = {"labels.", "labels/", "labels_", "label.", "label_", NULL};
	static const char *const oci_tags[] = {"tags/", "tags.", NULL};
	bool		is_aws = false;
	Slice		rest = {NULL, 0};

	*object = BO_TAGS;
	if (format == BILL_CUR || format == BILL_CUR_LEGACY)
	{
		rest = behind(name, aws_tags);
		if (rest.data != NULL)
			rest = BillMapKey(rest, &is_aws);
		else if ((rest = behind(name, categories)).data != NULL)
			*object = BO_COST_CATEGORIES;
		else if ((rest = behind(name, discounts)).data != NULL)
			*object = BO_DISCOUNTS;
	}
	else if (format == BILL_GCP)
	{
		rest = behind(name, labels);
		if (rest.data != NULL && (SliceEqual(rest, "key") || SliceEqual(rest, "value")))
			rest.data = NULL;
	}
	else if (format == BILL_OCI)
		rest = behind(name, oci_tags);
	if (rest.data == NULL || rest.len == 0)
		return false;
	if (is_aws)
		OutText(key, "aws:");
	OutBytes(key, rest.data, (size_t) rest.len);
	return true;
}

/* Oracle's defined tags have a namespace in front: Finance.CostCenter. */
static Slice
without_namespace(BillFormat format, Slice key)
{
	if (format == BILL_OCI)
		for (int i = key.len - 1; i > 0; i--)
			if (key.data[i] == '.')
				return skip(key, i + 1);
	return key;
}

/* A column of an object; key NULL: it holds members itself.  False: memory. */
static bool
add_member(BillHeader *h, int column, BillObject object, const OutBuf *key)
{
	BillMember *member = &h->members[h->nmembers++];
	OutBuf		quoted = {0};
	Slice		text;

	member->column = column;
	member->object = object;
	member->tag = -1;
	h->filled[BF_OBJECT + object] = true;
	if (key == NULL)
		return true;
	text = (Slice) {key->data, (int) key->len};
	if (object == BO_TAGS)
	{
		member->tag = BillTagOfKey(without_namespace(h->format, text));
		member->is_tenant = h->tenant_key != NULL && SliceEqual(text, h->tenant_key);
		if (member->tag >= 0)
			h->filled[BF_TAG + member->tag] = true;
		if (member->is_tenant || (h->tenant_key == NULL && member->tag == BT_TENANT_ID))
			h->filled[BF_TENANT] = true;
	}
	member->key = copy_string(text.data, text.len);
	JsonQuote(&quoted, text);
	OutBytes(&quoted, ":", 2);	/* with its terminator */
	member->json_key = quoted.data;
	return member->key != NULL && quoted.ok;
}

/* ---------------------------------------------------------------------
 * Formats
 * ---------------------------------------------------------------------
 */

/* Which columns are there that only some formats have. */
typedef struct Marks
{
	bool		cur;
	bool		slash;
	bool		focus;
	bool		oci;
	bool		gcp;
	bool		azure;
	bool		cost;
	bool		azure_cost;
} Marks;

static bool
is_one_of(const char *name, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(name, *list) == 0)
			return true;
	return false;
}

static void
note_mark(Marks *m, const char *name, bool slash)
{
	static const char *const gcp[] = {
		"servicedescription", "usagestarttime", "lineitem", "skudescription",
		"invoicemonth", NULL
	};
	static const char *const azure[] = {
		"metercategory", "meterid", "metername", "subscriptionid",
		"subscriptionguid", "subscriptionname", "consumedservice", "chargetype",
		"resourcegroup", "resourcegroupname", "resourcelocation", "resourcetype",
		"metersubcategory", "instanceid", NULL
	};
	static const char *const azure_costs[] = {
		"costinbillingcurrency", "pretaxcost", "extendedcost",
		"costinpricingcurrency", "costinusd", "costusd", NULL
	};

	if (strcmp(name, "lineitemunblendedcost") == 0)
	{
		m->cur = true;
		m->slash = slash;
	}
	else if (strcmp(name, "billedcost") == 0)
		m->focus = true;
	else if (strcmp(name, "costmycost") == 0)
		m->oci = true;
	else if (strcmp(name, "cost") == 0 || strcmp(name, "unroundedcost") == 0)
		m->cost = true;
	else if (is_one_of(name, azure_costs))
		m->azure_cost = true;
	else if (is_one_of(name, gcp))
		m->gcp = true;
	else if (is_one_of(name, azure))
		m->azure = true;
}

/* The format whose cost column is there. */
static BillFormat
detect_format(const BillHeader *h, BillFormat want)
{
	Marks		m = {0};
	char		name[MAX_SQUASHED];
	bool		any = want == BILL_UNKNOWN;

	for (int i = 0; i < h->ncolumns; i++)
	{
		squash_column(h->names[i], name);
		note_mark(&m, name, strchr(h->names[i], '/') != NULL);
	}
	if (m.cur && (any || want == BILL_CUR || want == BILL_CUR_LEGACY))
		return m.slash ? BILL_CUR_LEGACY : BILL_CUR;
	if (m.focus && (any || want == BILL_FOCUS))
		return BILL_FOCUS;
	if (m.oci && (any || want == BILL_OCI))
		return BILL_OCI;
	if (m.cost && m.gcp && (any || want == BILL_GCP))
		return BILL_GCP;
	if (((m.cost && m.azure) || (m.azure_cost && (m.azure || want == BILL_AZURE))) &&
		(any || want == BILL_AZURE))
		return BILL_AZURE;
	return BILL_UNKNOWN;
}

/* ---------------------------------------------------------------------
 * Columns
 * ---------------------------------------------------------------------
 */

static int
find_known(const FormatColumns *format, const char *name)
{
	for (int i = 0; i < format->ncolumns; i++)
		if (strcmp(format->columns[i].name, name) == 0)
			return i;
	return -1;
}

static bool
in_group(const FormatColumns *format, const char *name)
{
	for (int i = 0; i < format->ngroups; i++)
		if (strncmp(name, format->groups[i], strlen(format->groups[i])) == 0)
			return true;
	return false;
}

/* A column for which the facts have no place. */
static bool
leave_over(BillHeader *h, int column, bool known, bool keep)
{
	const char *name = h->names[column];
	OutBuf		key = {0};
	bool		ok = true;

	if (known)
		h->unmapped[h->nunmapped++] = column;
	else
		h->unknown[h->nunknown++] = column;
	if ((known ? keep : h->keep_unknown) && name[0] != '\0')
	{
		OutText(&key, name);
		ok = key.ok && add_member(h, column, BO_OTHER, &key);
		OutFree(&key);
	}
	return ok;
}

/* Of several columns for one field the one that the list names first. */
static bool
map_field(BillHeader *h, const FormatColumns *format, int column, int rank)
{
	BillField	field = format->columns[rank].field;
	int			before = h->column[field];

	if (before >= 0 && h->rank[field] <= rank)
		return leave_over(h, column, true, format->keep);
	h->column[field] = column;
	h->rank[field] = rank;
	h->filled[field] = true;
	return before < 0 || leave_over(h, before, true, format->keep);
}

static bool
map_column(BillHeader *h, const FormatColumns *format, int column, OutBuf *key)
{
	Slice		text = {h->names[column], (int) strlen(h->names[column])};
	bool		aws = h->format == BILL_CUR || h->format == BILL_CUR_LEGACY;
	BillObject	object;
	char		name[MAX_SQUASHED];
	int			rank;

	key->len = 0;
	squash_column(h->names[column], name);
	rank = find_known(format, name);
	if (rank >= 0 && format->columns[rank].field != BF_NONE)
		return map_field(h, format, column, rank);
	if (aws && rank >= 0)
		return add_member(h, column, strcmp(name, "discount") == 0 ?
						  BO_DISCOUNTS : BO_COST_CATEGORIES, NULL);
	if (member_key(h->format, text, &object, key))
		return key->ok && add_member(h, column, object, key);
	/* forecasts ask for the end of a commitment; no field has it */
	return leave_over(h, column, in_group(format, name),
					  format->keep || strcmp(name, "reservationendtime") == 0 ||
					  strcmp(name, "savingsplanendtime") == 0);
}

/* Which reads and copies this header needs, and what they fill. */
static void
plan_reads(BillHeader *h, const FormatColumns *format)
{
	for (int f = BF_NONE + 1; f < BF_BILLED; f++)
		if (h->column[f] >= 0)
			h->reads[h->nreads++] = (BillRead) {
				h->column[f], (BillField) f, BillKindOfField((BillField) f)
			};
	for (int i = 0; i < format->ncopies; i++)
	{
		BillCopy	copy = format->copies[i];

		if (!h->filled[copy.from] || (copy.always && h->filled[copy.to]))
			continue;
		copy.always = !h->filled[copy.to];
		h->filled[copy.to] = true;
		h->copies[h->ncopies++] = copy;
	}
	for (const BillField *f = format->computed; *f != BF_NONE; f++)
		h->filled[*f] = true;
	for (int f = BF_BILLED; f <= BF_CATEGORY; f++)
		h->filled[f] = true;
	h->filled[BF_CURRENCY] = true;
	h->filled[BF_UPFRONT] = h->filled[BF_RI_UPFRONT] || h->filled[BF_SP_UPFRONT];
	if (h->filled[BF_PRODUCT_MAP])
		h->filled[BF_REGION] = h->filled[BF_INSTANCE_TYPE] = true;
	if (h->column[BF_TAGS] >= 0 || h->column[BF_TAGS_2] >= 0 || h->column[BF_TAGS_3] >= 0)
	{
		for (int tag = 0; tag < BT_COUNT; tag++)
			h->filled[BF_TAG + tag] = true;
		h->filled[BF_TENANT] = h->filled[BF_OBJECT + BO_TAGS] = true;
	}
}

/*
 * Azure bills have the cost in up to three currencies; the currency is that
 * of the cost which is taken.
 */
static void
match_azure_currency(BillHeader *h, const FormatColumns *format)
{
	int			cost = h->column[BF_UNBLENDED_COST];
	const char *name;

	if (h->format != BILL_AZURE || cost < 0)
		return;
	name = format->columns[h->rank[BF_UNBLENDED_COST]].name;
	if (strcmp(name, "costinpricingcurrency") == 0)
		h->column[BF_CURRENCY] = h->column[BF_PRICING_CURRENCY];
	else if (strcmp(name, "costinusd") == 0 || strcmp(name, "costusd") == 0)
		h->column[BF_CURRENCY] = -1;
	h->filled[BF_CURRENCY] = h->column[BF_CURRENCY] >= 0;
}

static const char *
missing_column(const BillHeader *h)
{
	if (h->format == BILL_FOCUS)
		return h->column[BF_EFFECTIVE_COST] < 0 ? "EffectiveCost" : NULL;
	if ((h->format == BILL_CUR || h->format == BILL_CUR_LEGACY) && h->column[BF_LINE_TYPE] < 0)
		return h->format == BILL_CUR ? "line_item_line_item_type" : "lineItem/LineItemType";
	return NULL;
}

static bool
allocate(BillHeader *h, size_t n)
{
	h->names = calloc(n + 1, sizeof(char *));
	h->members = calloc(n + 1, sizeof(BillMember));
	h->reads = calloc(BF_COUNT, sizeof(BillRead));
	h->unmapped = calloc(n + 1, sizeof(int));
	h->unknown = calloc(n + 1, sizeof(int));
	return h->names && h->members && h->reads && h->unmapped && h->unknown;
}

bool
HeaderMap(BillHeader *h, const CsvField *fields, int nfields,
		  BillFormat want, const char *tenant_key, bool keep_unknown)
{
	static int64 headers = 0;
	const FormatColumns *format;
	OutBuf		key = {0};
	bool		ok;

	memset(h, 0, sizeof(*h));
	h->id = ++headers;
	h->tenant_key = tenant_key;
	h->keep_unknown = keep_unknown;
	memcpy(h->currency, "USD", 4);
	for (int i = 0; i < BF_COUNT; i++)
		h->column[i] = -1;
	ok = allocate(h, (size_t) nfields);
	for (int i = 0; i < nfields && ok; i++)
	{
		Slice		name = SliceTrim((Slice) {fields[i].data, fields[i].len});

		h->names[i] = copy_string(name.data, name.len);
		ok = h->names[i] != NULL;
		h->ncolumns = i + 1;
	}
	if (ok)
		h->format = detect_format(h, want);
	format = BillColumnsOf(h->format);
	for (int i = 0; i < nfields && ok && h->format != BILL_UNKNOWN; i++)
		ok = map_column(h, format, i, &key);
	OutFree(&key);
	if (!ok)
	{
		HeaderFree(h);
		return false;
	}
	if (h->format == BILL_UNKNOWN)
		return false;
	match_azure_currency(h, format);
	plan_reads(h, format);
	h->missing = missing_column(h);
	return h->missing == NULL;
}

void
HeaderSetCurrency(BillHeader *h, const char *currency)
{
	if (currency[0] == '\0')
		return;
	memcpy(h->currency, currency, sizeof(h->currency));
	h->filled[BF_CURRENCY] = true;
}

bool
HeaderIsTotal(const BillHeader *h, const CsvField *fields)
{
	static const char *const words[] = {"total", "subtotal", "filteredtotal", NULL};
	int			column = h->column[BF_LINE_TYPE];
	char		name[MAX_SQUASHED];

	if (h->format != BILL_GCP || column < 0 || fields[column].len > 16)
		return false;
	squash((Slice) {fields[column].data, fields[column].len}, name);
	return is_one_of(name, words);
}

void
HeaderFree(BillHeader *h)
{
	for (int i = 0; h->names != NULL && i < h->ncolumns; i++)
		free(h->names[i]);
	for (int i = 0; h->members != NULL && i < h->nmembers; i++)
	{
		free(h->members[i].key);
		free(h->members[i].json_key);
	}
	free(h->names);
	free(h->members);
	free(h->reads);
	free(h->unmapped);
	free(h->unknown);
	memset(h, 0, sizeof(*h));
}
