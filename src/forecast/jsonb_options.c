/*-------------------------------------------------------------------------
 *
 * jsonb_options.c
 *	  Options given as one jsonb object: every key must be known and every
 *	  value of its kind, so that a misspelt option is not silently ignored.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/jsonb_options.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include <math.h>

/* Is a key among names that are separated by ", "? */
static bool
is_listed(const char *names, const char *key, int length)
{
	while (*names != '\0')
	{
		size_t		size = strcspn(names, ",");

		if ((int) size == length && strncmp(names, key, size) == 0)
			return true;
		names += size;
		names += strspn(names, ", ");
	}
	return false;
}

Jsonb *
OptionsArg(FunctionCallInfo fcinfo, int argno, const char *names)
{
	Jsonb	   *options;
	JsonbIterator *it;
	JsonbValue	v;
	JsonbIteratorToken token;

	if (PG_ARGISNULL(argno))
		return NULL;
	options = PG_GETARG_JSONB_P(argno);
	if (!JB_ROOT_IS_OBJECT(options))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be an object"),
				 errhint("Keys are: %s.", names)));
	it = JsonbIteratorInit(&options->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
		if (token == WJB_KEY && !is_listed(names, v.val.string.val, v.val.string.len))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown option \"%s\"",
							FinopsQuoteForMessage(pnstrdup(v.val.string.val, v.val.string.len))),
					 errhint("Keys are: %s.", names)));
	return options;
}

/* NULL for a key that is missing or null. */
static JsonbValue *
find(Jsonb *options, const char *key)
{
	JsonbValue *v;

	if (options == NULL)
		return NULL;
	v = getKeyJsonValueFromContainer(&options->root, key, (int) strlen(key), NULL);
	return v == NULL || v->type == jbvNull ? NULL : v;
}

pg_noreturn static void
wrong(const char *key, const char *kind)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("option \"%s\" must be %s", key, kind),
			 errhint("Leave it out for its default.")));
	pg_unreachable();
}

char *
OptionText(Jsonb *options, const char *key, const char *otherwise)
{
	JsonbValue *v = find(options, key);

	if (v == NULL)
		return otherwise == NULL ? NULL : pstrdup(otherwise);
	if (v->type != jbvString)
		wrong(key, "text");
	return pnstrdup(v->val.string.val, v->val.string.len);
}

static double
number_of(const JsonbValue *v)
{
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8,
											  NumericGetDatum(v->val.numeric)));
}

double
OptionNumber(Jsonb *options, const char *key, double otherwise, double least,
			 double most)
{
	JsonbValue *v = find(options, key);
	double		x;

	if (v == NULL)
		return otherwise;
	if (v->type != jbvNumeric)
		wrong(key, "a number");
	x = number_of(v);
	if (!(x >= least && x <= most))
		wrong(key, psprintf("between %g and %g", least, most));
	return x;
}

int
OptionInt(Jsonb *options, const char *key, int otherwise, int least, int most)
{
	double		x = OptionNumber(options, key, otherwise, least, most);

	if (x != floor(x))
		wrong(key, "a whole number");
	return (int) x;
}

bool
OptionBool(Jsonb *options, const char *key, bool otherwise)
{
	JsonbValue *v = find(options, key);

	if (v == NULL)
		return otherwise;
	if (v->type != jbvBool)
		wrong(key, "true or false");
	return v->val.boolean;
}

/* Elements of an array, of one kind; NULL where the key is missing. */
static JsonbValue *
elements(Jsonb *options, const char *key, enum jbvType kind, const char *what, int *n)
{
	JsonbValue *v = find(options, key),
			   *values,
				element;
	JsonbIterator *it;
	JsonbIteratorToken token;
	int			size;

	*n = 0;
	if (v == NULL)
		return NULL;
	if (v->type != jbvBinary || !JsonContainerIsArray(v->val.binary.data))
		wrong(key, what);
	size = JsonContainerSize(v->val.binary.data);
	values = palloc_array(JsonbValue, Max(size, 1));
	it = JsonbIteratorInit(v->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
		if (token == WJB_ELEM)
		{
			if (element.type != kind)
				wrong(key, what);
			values[(*n)++] = element;
		}
	return values;
}

double *
OptionNumbers(Jsonb *options, const char *key, int *n)
{
	JsonbValue *v = elements(options, key, jbvNumeric, "an array of numbers", n);
	double	   *numbers;

	if (v == NULL)
		return NULL;
	numbers = palloc_array(double, Max(*n, 1));
	for (int i = 0; i < *n; i++)
		numbers[i] = number_of(&v[i]);
	return numbers;
}

char	  **
OptionTexts(Jsonb *options, const char *key, int *n)
{
	JsonbValue *v = elements(options, key, jbvString, "an array of texts", n);
	char	  **texts;

	if (v == NULL)
		return NULL;
	texts = palloc_array(char *, Max(*n, 1));
	for (int i = 0; i < *n; i++)
		texts[i] = pnstrdup(v[i].val.string.val, v[i].val.string.len);
	return texts;
}

int
OptionChoice(Jsonb *options, const char *key, const char *const *names, int n,
			 int otherwise)
{
	char	   *text = OptionText(options, key, NULL);
	StringInfoData list;

	if (text == NULL)
		return otherwise;
	for (int i = 0; i < n; i++)
		if (pg_strcasecmp(text, names[i]) == 0)
			return i;
	initStringInfo(&list);
	for (int i = 0; i < n; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "one of ", names[i]);
	wrong(key, list.data);
}
