/*-------------------------------------------------------------------------
 *
 * virtual.c
 *	  finops.virtual_tags: what ordered rules make of the tags of a charge.
 *
 * Tags as delivered are evidence and stay as they are.  What a registry of
 * resources and the rules add or change stands beside them: an object with
 * the keys whose value differs from the delivered one.
 *
 * The rules are a list that is walked once, from the top.  Each rule sees
 * what the ones before it made, so that "take env for environment" may be
 * followed by "production means prod", and a condition may ask for a tag that
 * an earlier rule completed.
 *
 * Values are text.  Numbers and booleans of a tag object count as their text,
 * objects and arrays as no value.  White space around a value does not make
 * it another one; a blank value is none.
 *
 *-------------------------------------------------------------------------
 */
#include "tag/tag.h"

#include <ctype.h>

#include "catalog/pg_collation.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(finops_effective_tags);
PG_FUNCTION_INFO_V1(finops_virtual_tags);

typedef struct Piece
{
	const char *data;			/* NULL: nothing */
	int			len;
} Piece;

typedef struct Pieces
{
	bool		given;
	int			n;
	Piece	   *item;
} Pieces;

typedef enum ConditionKind
{
	COND_ABSENT,
	COND_ONE_OF,
	COND_PREFIX,
	COND_REGEX
} ConditionKind;

typedef struct Condition
{
	Piece		key;
	ConditionKind kind;
	Pieces		values;
	text	   *regex;
} Condition;

typedef enum RuleAction
{
	RULE_SET,
	RULE_ALIAS,
	RULE_NORMALISE
} RuleAction;

typedef struct Rule
{
	Piece		id;
	Piece		key;
	RuleAction	action;
	bool		overwrite;
	Piece		value;
	Pieces		from;
	char		letter_case;	/* 'l', 'u' or 0 */
	Pieces		synonyms;		/* folded value, its replacement, ... */
	text	   *pattern;
	text	   *replacement;
	Pieces		among[4];		/* provider, account, service, region */
	text	   *matches[2];		/* usage type, resource */
	int			nconditions;
	Condition  *conditions;
} Rule;

typedef struct RuleList
{
	MemoryContext context;
	Jsonb	   *source;			/* what it was read from */
	int			n;
	Rule	   *rules;
} RuleList;

typedef struct Tag
{
	Piece		key;
	Piece		delivered;		/* as it is, blanks included */
	Piece		value;			/* in effect */
	bool		is_delivered;	/* the key is in the bill */
} Tag;

typedef struct TagList
{
	int			n;
	int			size;
	Tag		   *tags;
} TagList;

/* ---------------------------------------------------------------------
 * Text
 * ---------------------------------------------------------------------
 */

static Piece
trim(Piece p)
{
	while (p.len > 0 && isspace((unsigned char) p.data[0]))
	{
		p.data++;
		p.len--;
	}
	while (p.len > 0 && isspace((unsigned char) p.data[p.len - 1]))
		p.len--;
	if (p.len == 0)
		p.data = NULL;
	return p;
}

static bool
same(Piece a, Piece b)
{
	return a.len == b.len && a.data != NULL && b.data != NULL &&
		memcmp(a.data, b.data, a.len) == 0;
}

/* Lower case letters and digits only; bytes beyond ASCII are kept. */
static Piece
fold(Piece p)
{
	char	   *out = palloc(p.len + 1);
	int			n = 0;

	for (int i = 0; i < p.len; i++)
	{
		unsigned char c = (unsigned char) p.data[i];

		if (c >= 0x80 || isalnum(c))
			out[n++] = (char) (c >= 0x80 ? c : tolower(c));
	}
	return (Piece) {out, n};
}

static Piece
piece_of_text(text *t)
{
	return (Piece) {VARDATA_ANY(t), (int) VARSIZE_ANY_EXHDR(t)};
}

static bool
matches(text *regex, Piece p)
{
	return p.data != NULL &&
		DatumGetBool(DirectFunctionCall2Coll(textregexeq, C_COLLATION_OID,
											 PointerGetDatum(cstring_to_text_with_len(p.data, p.len)),
											 PointerGetDatum(regex)));
}

static bool
is_among(const Pieces *list, Piece p)
{
	if (!list->given)
		return true;
	for (int i = 0; i < list->n; i++)
		if (same(list->item[i], p))
			return true;
	return false;
}

/* The text of a scalar; nothing for null, objects and arrays. */
static Piece
scalar(const JsonbValue *v)
{
	char	   *number;

	switch (v->type)
	{
		case jbvString:
			return (Piece) {v->val.string.val, v->val.string.len};
		case jbvNumeric:
			number = DatumGetCString(DirectFunctionCall1(numeric_out,
														 NumericGetDatum(v->val.numeric)));
			return (Piece) {number, (int) strlen(number)};
		case jbvBool:
			return v->val.boolean ? (Piece) {"true", 4} : (Piece) {"false", 5};
		default:
			return (Piece) {NULL, 0};
	}
}

/* ---------------------------------------------------------------------
 * Reading the rules
 * ---------------------------------------------------------------------
 */

pg_noreturn static void
refuse_rule(Piece id, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("virtual tag rule \"%s\" has no valid %s",
					FinopsQuoteForMessage(pnstrdup(id.data == NULL ? "" : id.data, id.len)), what),
			 errhint("SELECT * FROM finops.virtual_tag_rule shows the rules; COMMENTs on its columns say what they take.")));
}

static bool
member(JsonbContainer *object, const char *key, JsonbValue *v)
{
	return getKeyJsonValueFromContainer(object, key, (int) strlen(key), v) != NULL &&
		v->type != jbvNull;
}

static Piece
text_member(JsonbContainer *object, const char *key)
{
	JsonbValue	v;

	return member(object, key, &v) ? scalar(&v) : (Piece) {NULL, 0};
}

static text *
regex_member(JsonbContainer *object, const char *key)
{
	Piece		p = text_member(object, key);

	return p.data == NULL ? NULL : cstring_to_text_with_len(p.data, p.len);
}

static Pieces
array_of(const JsonbValue *v, Piece id, const char *what)
{
	Pieces		list = {true, 0, NULL};
	JsonbContainer *array = v->val.binary.data;

	if (v->type != jbvBinary || !JsonContainerIsArray(array))
		refuse_rule(id, what);
	list.item = palloc_array(Piece, JsonContainerSize(array) + 1);
	for (uint32 i = 0; i < JsonContainerSize(array); i++)
	{
		Piece		p = scalar(getIthJsonbValueFromContainer(array, i));

		if (p.data == NULL)
			refuse_rule(id, what);
		list.item[list.n++] = p;
	}
	return list;
}

static Pieces
array_member(JsonbContainer *object, const char *key, Piece id)
{
	JsonbValue	v;

	if (!member(object, key, &v))
		return (Pieces) {false, 0, NULL};
	return array_of(&v, id, key);
}

/* Keys and values of an object in turn, the keys folded. */
static Pieces
folded_pairs(JsonbContainer *object, const char *key, Piece id)
{
	Pieces		list = {false, 0, NULL};
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;

	if (!member(object, key, &v))
		return list;
	if (v.type != jbvBinary || !JsonContainerIsObject(v.val.binary.data))
		refuse_rule(id, key);
	list.given = true;
	list.item = palloc_array(Piece, 2 * JsonContainerSize(v.val.binary.data) + 1);
	it = JsonbIteratorInit(v.val.binary.data);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			list.item[list.n++] = fold(scalar(&v));
		else if (token == WJB_VALUE)
		{
			list.item[list.n] = trim(scalar(&v));
			if (list.item[list.n++].data == NULL)
				refuse_rule(id, key);
		}
	}
	return list;
}

static void
read_condition(Condition *c, const JsonbValue *v, Piece id)
{
	Piece		text = scalar(v);

	if (v->type == jbvNull)
		c->kind = COND_ABSENT;
	else if (text.data != NULL)
	{
		c->kind = COND_ONE_OF;
		c->values = (Pieces) {true, 1, palloc(sizeof(Piece))};
		c->values.item[0] = text;
	}
	else if (JsonContainerIsArray(v->val.binary.data))
	{
		c->kind = COND_ONE_OF;
		c->values = array_of(v, id, "tag_conditions");
	}
	else if ((c->regex = regex_member(v->val.binary.data, "regex")) != NULL)
		c->kind = COND_REGEX;
	else
	{
		text = text_member(v->val.binary.data, "prefix");
		if (text.data == NULL)
			refuse_rule(id, "tag_conditions");
		c->kind = COND_PREFIX;
		c->values = (Pieces) {true, 1, palloc(sizeof(Piece))};
		c->values.item[0] = text;
	}
}

static void
read_conditions(Rule *rule, JsonbContainer *object)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;

	if (!member(object, "tag_conditions", &v))
		return;
	if (v.type != jbvBinary || !JsonContainerIsObject(v.val.binary.data))
		refuse_rule(rule->id, "tag_conditions");
	rule->conditions = palloc0_array(Condition, JsonContainerSize(v.val.binary.data) + 1);
	it = JsonbIteratorInit(v.val.binary.data);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			rule->conditions[rule->nconditions].key = scalar(&v);
		else if (token == WJB_VALUE)
			read_condition(&rule->conditions[rule->nconditions++], &v, rule->id);
	}
}

static void
read_action(Rule *rule, JsonbContainer *object)
{
	Piece		action = text_member(object, "action");
	Piece		letters = text_member(object, "letter_case");

	rule->value = trim(text_member(object, "value"));
	rule->from = array_member(object, "from_keys", rule->id);
	rule->synonyms = folded_pairs(object, "synonyms", rule->id);
	rule->pattern = regex_member(object, "pattern");
	rule->replacement = regex_member(object, "replacement");
	rule->letter_case = letters.len > 0 ? letters.data[0] : 0;
	if (same(action, (Piece) {"set", 3}) && rule->value.data != NULL)
		rule->action = RULE_SET;
	else if (same(action, (Piece) {"alias", 5}) && rule->from.n > 0)
		rule->action = RULE_ALIAS;
	else if (same(action, (Piece) {"normalise", 9}) &&
			 (rule->pattern == NULL) == (rule->replacement == NULL))
		rule->action = RULE_NORMALISE;
	else
		refuse_rule(rule->id, "action");
}

static void
read_rule(Rule *rule, const JsonbValue *v)
{
	static const char *const among[] = {"providers", "account_ids", "services", "regions"};
	JsonbContainer *object = v->val.binary.data;
	JsonbValue	flag;

	if (v->type != jbvBinary || !JsonContainerIsObject(object))
		refuse_rule((Piece) {NULL, 0}, "form");
	rule->id = text_member(object, "rule_id");
	rule->key = text_member(object, "tag_key");
	if (rule->key.len == 0)
		refuse_rule(rule->id, "tag_key");
	rule->overwrite = member(object, "overwrite", &flag) && flag.type == jbvBool &&
		flag.val.boolean;
	read_action(rule, object);
	for (size_t i = 0; i < lengthof(among); i++)
		rule->among[i] = array_member(object, among[i], rule->id);
	rule->matches[0] = regex_member(object, "usage_type_pattern");
	rule->matches[1] = regex_member(object, "resource_pattern");
	read_conditions(rule, object);
}

static RuleList *
read_rules(Jsonb *source, MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "finops tag rules",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	RuleList   *list = palloc0(sizeof(RuleList));

	list->context = context;
	list->source = palloc(VARSIZE(source));
	memcpy(list->source, source, VARSIZE(source));
	if (!JB_ROOT_IS_ARRAY(source) || JB_ROOT_IS_SCALAR(source))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rules must be a JSON array")));
	list->n = (int) JB_ROOT_COUNT(list->source);
	list->rules = palloc0_array(Rule, list->n + 1);
	for (int i = 0; i < list->n; i++)
		read_rule(&list->rules[i],
				  getIthJsonbValueFromContainer(&list->source->root, (uint32) i));
	MemoryContextSwitchTo(old);
	return list;
}

/* The rules are the same for all rows of a statement: read them once. */
static RuleList *
rules_arg(FunctionCallInfo fcinfo)
{
	Jsonb	   *source = PG_GETARG_JSONB_P(0);
	RuleList   *known = fcinfo->flinfo->fn_extra;

	if (known != NULL)
	{
		if (VARSIZE(known->source) == VARSIZE(source) &&
			memcmp(known->source, source, VARSIZE(source)) == 0)
			return known;
		fcinfo->flinfo->fn_extra = NULL;
		MemoryContextDelete(known->context);
	}
	return fcinfo->flinfo->fn_extra = read_rules(source, fcinfo->flinfo->fn_mcxt);
}

/* ---------------------------------------------------------------------
 * The tags of a charge
 * ---------------------------------------------------------------------
 */

static Tag *
find_tag(const TagList *list, Piece key)
{
	for (int i = 0; i < list->n; i++)
		if (same(list->tags[i].key, key))
			return &list->tags[i];
	return NULL;
}

static Tag *
add_tag(TagList *list, Piece key)
{
	Tag		   *tag;

	if (list->n == list->size)
	{
		list->size = Max(16, 2 * list->size);
		list->tags = list->tags == NULL ? palloc_array(Tag, list->size) :
			repalloc_array(list->tags, Tag, list->size);
	}
	tag = &list->tags[list->n++];
	memset(tag, 0, sizeof(*tag));
	tag->key = key;
	return tag;
}

static void
give(TagList *list, Piece key, Piece value)
{
	Tag		   *tag = find_tag(list, key);

	if (tag == NULL)
		tag = add_tag(list, key);
	tag->value = value;
}

/* delivered: the bill's own; otherwise only what completes it */
static void
add_object(TagList *list, Jsonb *object, bool delivered)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	Piece		key = {NULL, 0};

	if (object == NULL || !JB_ROOT_IS_OBJECT(object))
		return;
	it = JsonbIteratorInit(&object->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = scalar(&v);
		else if (token == WJB_VALUE && delivered)
		{
			Tag		   *tag = add_tag(list, key);

			tag->is_delivered = true;
			tag->delivered = scalar(&v);
			tag->value = trim(tag->delivered);
		}
		else if (token == WJB_VALUE)
		{
			Tag		   *tag = find_tag(list, key);

			if (tag == NULL || tag->value.data == NULL)
				give(list, key, trim(scalar(&v)));
		}
	}
}

static Piece
value_of(const TagList *list, Piece key)
{
	const Tag  *tag = find_tag(list, key);

	return tag == NULL ? (Piece) {NULL, 0} : tag->value;
}

/* ---------------------------------------------------------------------
 * Applying
 * ---------------------------------------------------------------------
 */

static bool
condition_holds(const Condition *c, const TagList *list)
{
	Piece		value = value_of(list, c->key);

	switch (c->kind)
	{
		case COND_ABSENT:
			return value.data == NULL;
		case COND_ONE_OF:
			return is_among(&c->values, value);
		case COND_PREFIX:
			return value.data != NULL && value.len >= c->values.item[0].len &&
				memcmp(value.data, c->values.item[0].data, c->values.item[0].len) == 0;
		case COND_REGEX:
			return matches(c->regex, value);
	}
	return false;
}

/* charge: provider, account, service, region, usage type, resource */
static bool
applies(const Rule *rule, const TagList *list, const Piece *charge)
{
	for (size_t i = 0; i < lengthof(rule->among); i++)
		if (!is_among(&rule->among[i], charge[i]))
			return false;
	for (size_t i = 0; i < lengthof(rule->matches); i++)
		if (rule->matches[i] != NULL &&
			!matches(rule->matches[i], charge[lengthof(rule->among) + i]))
			return false;
	for (int i = 0; i < rule->nconditions; i++)
		if (!condition_holds(&rule->conditions[i], list))
			return false;
	return true;
}

/* The value of an aliased key: as spelled, else spelled alike. */
static Piece
aliased(const Rule *rule, const TagList *list)
{
	for (int i = 0; i < rule->from.n; i++)
	{
		Piece		value = value_of(list, rule->from.item[i]);
		Piece		wanted;

		if (value.data != NULL && !same(rule->from.item[i], rule->key))
			return value;
		wanted = fold(rule->from.item[i]);
		for (int t = 0; t < list->n && wanted.len > 0; t++)
			if (list->tags[t].value.data != NULL &&
				!same(list->tags[t].key, rule->key) &&
				same(fold(list->tags[t].key), wanted))
				return list->tags[t].value;
	}
	return (Piece) {NULL, 0};
}

static Piece
normalised(const Rule *rule, Piece value)
{
	Datum		changed;
	Piece		folded;

	if (rule->pattern != NULL)
	{
		changed = DirectFunctionCall3Coll(textregexreplace_noopt, C_COLLATION_OID,
									   PointerGetDatum(cstring_to_text_with_len(value.data, value.len)),
									   PointerGetDatum(rule->pattern),
									   PointerGetDatum(rule->replacement));
		value = trim(piece_of_text(DatumGetTextPP(changed)));
		if (value.data == NULL)
			return value;
	}
	folded = fold(value);
	for (int i = 0; i < rule->synonyms.n; i += 2)
		if (same(rule->synonyms.item[i], folded))
			return rule->synonyms.item[i + 1];
	if (rule->letter_case != 0)
	{
		changed = PointerGetDatum(cstring_to_text_with_len(value.data, value.len));
		changed = DirectFunctionCall1Coll(rule->letter_case == 'l' ? lower : upper,
									   C_COLLATION_OID, changed);
		value = piece_of_text(DatumGetTextPP(changed));
	}
	return value;
}

static void
apply_rule(const Rule *rule, TagList *list)
{
	Piece		now = value_of(list, rule->key);
	Piece		value;

	if (rule->action == RULE_NORMALISE)
	{
		if (now.data != NULL)
			give(list, rule->key, normalised(rule, now));
		return;
	}
	if (now.data != NULL && !rule->overwrite)
		return;
	value = rule->action == RULE_SET ? rule->value : aliased(rule, list);
	if (value.data != NULL)
		give(list, rule->key, value);
}

/* Keys whose value in effect is not the delivered one. */
static Jsonb *
differences(const TagList *list)
{
	JsonbParseState *state = NULL;
	JsonbValue *result;
	int			n = 0;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < list->n; i++)
	{
		const Tag  *tag = &list->tags[i];
		JsonbValue	v;

		if (tag->is_delivered ? same(tag->value, trim(tag->delivered)) ||
			(tag->value.data == NULL && trim(tag->delivered).data == NULL) :
			tag->value.data == NULL)
			continue;
		v.type = jbvString;
		v.val.string.val = unconstify(char *, tag->key.data);
		v.val.string.len = tag->key.len;
		pushJsonbValue(&state, WJB_KEY, &v);
		if (tag->value.data == NULL)
			v.type = jbvNull;
		else
		{
			v.val.string.val = unconstify(char *, tag->value.data);
			v.val.string.len = tag->value.len;
		}
		pushJsonbValue(&state, WJB_VALUE, &v);
		n++;
	}
	result = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return n == 0 ? NULL : JsonbValueToJsonb(result);
}

/*
 * finops.virtual_tags(rules jsonb, tags jsonb, registry jsonb DEFAULT NULL,
 * provider text, account_id text, service text, region text, usage_type
 * text, resource_id text) -> jsonb
 *
 * rules: array of objects with the columns of finops.virtual_tag_rule, in the
 * order in which they apply.  registry: tags that hold where "tags" has none.
 * A key whose value a rule took away is there with null.  NULL when nothing
 * differs.  22023 for rules that are none, 2201B for a broken expression.
 */
Datum
finops_virtual_tags(PG_FUNCTION_ARGS)
{
	TagList		list = {0, 0, NULL};
	Piece		charge[6] = {{NULL, 0}};
	RuleList   *rules;
	Jsonb	   *result;

	FinopsRequireArg(fcinfo, 0, "rules");
	rules = rules_arg(fcinfo);
	add_object(&list, PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1), true);
	add_object(&list, PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2), false);
	for (size_t i = 0; i < lengthof(charge); i++)
		if (!PG_ARGISNULL(3 + i))
			charge[i] = piece_of_text(PG_GETARG_TEXT_PP(3 + i));
	for (int i = 0; i < rules->n; i++)
		if (applies(&rules->rules[i], &list, charge))
			apply_rule(&rules->rules[i], &list);
	result = differences(&list);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(result);
}

/*
 * finops.effective_tags(resource_tags jsonb, virtual_tags jsonb) -> jsonb:
 * the tags as delivered, with the virtual ones in or over them; NULL when
 * there are none at all.
 */
Datum
finops_effective_tags(PG_FUNCTION_ARGS)
{
	bool		delivered = !PG_ARGISNULL(0) && JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(0));
	bool		made = !PG_ARGISNULL(1) && JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(1));

	if (!made)
	{
		if (!delivered)
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	if (!delivered)
		PG_RETURN_DATUM(PG_GETARG_DATUM(1));
	return DirectFunctionCall2(jsonb_concat, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));
}
