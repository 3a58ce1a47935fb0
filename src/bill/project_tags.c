/*-------------------------------------------------------------------------
 *
 * project_tags.c
 *	  The JSON objects of a fact: tags, cost categories, discounts and the
 *	  columns that no other column of the facts takes.
 *
 * Tags stand in columns of their own, in a JSON object, in one without its
 * braces (Azure), or in an array of objects with key and value (Google
 * Cloud).  The tags that allocation works with are columns of the facts too.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/project.h"

/*
 * A tag value for the columns it belongs in.  Several keys may be spellings
 * of one column: the first that is not blank fills it.  The tenant has one
 * key; of equal keys the last one counts, as it does in resource_tags.
 */
static void
note_tag(BillProjector *p, int tag, bool is_tenant, Slice value)
{
	bool		blank = value.data == NULL || is_blank(value);

	if (tag >= 0 && !blank && !is_set(p, BF_TAG + tag))
		p->value[BF_TAG + tag] = value;
	if (is_tenant)
		p->value[BF_TENANT] = blank ? null_slice : SliceTrim(value);
}

static void
begin_member(OutBuf *object)
{
	OutText(object, object->len == 0 ? "{" : ", ");
}

/* A member of a map column that is kept as it is. */
static void
visit_member(void *arg, const JsonMember *member)
{
	OutBuf	   *object = arg;

	begin_member(object);
	OutText(object, "\"");
	OutBytes(object, member->key.data, (size_t) member->key.len);
	OutText(object, "\": ");
	OutBytes(object, member->value.data, (size_t) member->value.len);
}

static bool
read_columns(BillProjector *p, const CsvField *fields)
{
	const BillHeader *h = p->header;

	for (int i = 0; i < h->nmembers; i++)
	{
		const BillMember *member = &h->members[i];
		const CsvField *field = &fields[member->column];
		OutBuf	   *object = &p->object[member->object];
		Slice		value = {field->data, field->len};

		if (value.len == 0 || CsvIsNull(field, false))
			continue;
		if (member->key == NULL)
		{
			if (!JsonObject(value, visit_member, object))
			{
				p->problem = (BillProblem) {VALUE_NOT_JSON, h->names[member->column], value};
				return false;
			}
			continue;
		}
		begin_member(object);
		OutText(object, member->json_key);
		JsonQuote(object, value);
		if (member->object == BO_TAGS)
			note_tag(p, member->tag, member->is_tenant, value);
	}
	return true;
}

/* ---------------------------------------------------------------------
 * Tags in JSON
 * ---------------------------------------------------------------------
 */

static bool
is_tenant_key(const BillProjector *p, Slice key, bool is_aws)
{
	const char *tenant = p->header->tenant_key;

	if (tenant == NULL)
		return false;
	if (is_aws)
		return strncmp(tenant, "aws:", 4) == 0 && SliceEqual(key, tenant + 4);
	return SliceEqual(key, tenant);
}

static void
add_tag(BillProjector *p, Slice quoted_key, const JsonMember *member)
{
	OutBuf	   *object = &p->object[BO_TAGS];
	bool		is_aws = false;
	Slice		key = JsonText(quoted_key, &p->text);
	Slice		value = JsonScalarText(member, &p->text);

	if (p->header->format == BILL_CUR || p->header->format == BILL_CUR_LEGACY)
	{
		key = BillMapKey(key, &is_aws);
		quoted_key = BillMapKey(quoted_key, &is_aws);
	}
	begin_member(object);
	OutText(object, is_aws ? "\"aws:" : "\"");
	OutBytes(object, quoted_key.data, (size_t) quoted_key.len);
	OutText(object, "\": ");
	OutBytes(object, member->value.data, (size_t) member->value.len);
	note_tag(p, is_aws ? -1 : BillTagOfKey(key), is_tenant_key(p, key, is_aws), value);
}

static void
visit_tag(void *arg, const JsonMember *member)
{
	add_tag(arg, member->key, member);
}

/* {"key": "env", "value": "prod"}, of an array of such */
typedef struct KeyValue
{
	JsonMember	key;
	JsonMember	value;
} KeyValue;

static void
visit_key_value(void *arg, const JsonMember *member)
{
	KeyValue   *pair = arg;

	if (SliceEqual(member->key, "key"))
		pair->key = *member;
	else if (SliceEqual(member->key, "value"))
		pair->value = *member;
}

static bool
visit_element(void *arg, Slice element)
{
	KeyValue	pair;
	Slice		quoted;

	memset(&pair, 0, sizeof(pair));
	if (!JsonObject(element, visit_key_value, &pair))
		return false;
	if (!pair.key.is_string || pair.value.value.data == NULL)
		return true;
	quoted = pair.key.value;
	quoted.data++;
	quoted.len -= 2;
	add_tag(arg, quoted, &pair.value);
	return true;
}

static bool
read_tag_json(BillProjector *p, BillField field)
{
	Slice		json = SliceTrim(p->value[field]);

	if (json.len == 0)
		return true;
	if (json.data[0] == '[')
		return JsonArray(json, visit_element, p) ||
			ProjectProblem(p, VALUE_NOT_JSON, field, json);
	if (json.data[0] == '"')
	{
		p->braces.len = 0;
		OutText(&p->braces, "{");
		OutBytes(&p->braces, json.data, (size_t) json.len);
		OutText(&p->braces, "}");
		json.data = p->braces.data;
		json.len = (int) p->braces.len;
	}
	return JsonObject(json, visit_tag, p) ||
		ProjectProblem(p, VALUE_NOT_JSON, field, json);
}

/*
 * The wider scope comes first in the object, where of equal keys the last
 * one counts, so its values must not stay in the columns of the facts.
 */
static bool
read_tag_fields(BillProjector *p)
{
	static const BillField fields[] = {BF_TAGS_3, BF_TAGS_2, BF_TAGS};
	Slice		wider[BT_COUNT];
	size_t		room = 0;

	for (size_t i = 0; i < lengthof(fields); i++)
		room += is_set(p, fields[i]) ? (size_t) p->value[fields[i]].len : 0;
	if (room == 0)
		return true;
	p->text.len = 0;
	OutReserve(&p->text, room);
	for (size_t i = 0; i < lengthof(fields); i++)
	{
		if (!is_set(p, fields[i]))
			continue;
		memcpy(wider, &p->value[BF_TAG], sizeof(wider));
		memset(&p->value[BF_TAG], 0, sizeof(wider));
		if (!read_tag_json(p, fields[i]))
			return false;
		for (int tag = 0; tag < BT_COUNT; tag++)
			if (!is_set(p, BF_TAG + tag))
				p->value[BF_TAG + tag] = wider[tag];
	}
	return true;
}

bool
ProjectObjects(BillProjector *p, const CsvField *fields)
{
	const BillHeader *h = p->header;

	for (int i = BF_TAG; i <= BF_TENANT; i++)
		p->value[i] = null_slice;
	for (int i = 0; i < BO_COUNT; i++)
		p->object[i].len = 0;
	if (!read_columns(p, fields))
		return false;
	if (h->filled[BF_OBJECT + BO_TAGS] && !read_tag_fields(p))
		return false;
	for (int i = 0; i < BO_COUNT; i++)
	{
		if (p->object[i].len > 0)
			OutText(&p->object[i], "}");
		p->value[BF_OBJECT + i] = p->object[i].len == 0 ? null_slice :
			(Slice) {p->object[i].data, (int) p->object[i].len};
	}
	if (h->tenant_key == NULL && is_set(p, BF_TAG + BT_TENANT_ID))
		p->value[BF_TENANT] = SliceTrim(p->value[BF_TAG + BT_TENANT_ID]);
	return true;
}
