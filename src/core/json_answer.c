/*-------------------------------------------------------------------------
 *
 * json_answer.c
 *	  JSON that a service answered, read with the server's own jsonb.
 *
 *-------------------------------------------------------------------------
 */
#include "core/aws.h"

#include <stdarg.h>

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"

/*
 * The server's own error would quote the answer, which may hold what does
 * not belong into a log; so it is looked at before jsonb_in() sees it.
 */
static bool
is_json(char *text)
{
#if PG_VERSION_NUM >= 170000
	JsonLexContext *lex = makeJsonLexContextCstringLen(NULL, text, strlen(text),
													   GetDatabaseEncoding(), true);
#else
	JsonLexContext *lex = makeJsonLexContextCstringLen(text, (int) strlen(text),
													   GetDatabaseEncoding(), true);
#endif

	return pg_parse_json(lex, &nullSemAction) == JSON_SUCCESS;
}

Jsonb *
FinopsJsonAnswer(const char *text, int len, const char *who)
{
	char	   *server = pg_any_to_server(pnstrdup(text, len), len, PG_UTF8);

	if (!is_json(server))
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("the answer of %s is not valid JSON", who)));
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(server)));
}

/* The value under a key; false when it is no object or has no such key. */
static bool
member(JsonbContainer *object, const char *key, JsonbValue *value)
{
	if (!JsonContainerIsObject(object))
		return false;
	return getKeyJsonValueFromContainer(object, key, strlen(key), value) != NULL;
}

char *
FinopsJsonText(Jsonb *object, const char *key,...)
{
	JsonbContainer *at = &object->root;
	JsonbValue	value;
	va_list		keys;
	bool		found;

	va_start(keys, key);
	for (;;)
	{
		found = member(at, key, &value);
		key = va_arg(keys, const char *);
		if (!found || key == NULL)
			break;
		found = value.type == jbvBinary;
		if (!found)
			break;
		at = value.val.binary.data;
	}
	va_end(keys);
	if (!found)
		return NULL;
	switch (value.type)
	{
		case jbvString:
			return pnstrdup(value.val.string.val, value.val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value.val.numeric)));
		case jbvBool:
			return pstrdup(value.val.boolean ? "true" : "false");
		case jbvBinary:
			return JsonbToCString(NULL, value.val.binary.data, value.val.binary.len);
		default:
			return NULL;
	}
}

Jsonb *
FinopsJsonMember(Jsonb *object, const char *key)
{
	JsonbValue	value;

	if (!member(&object->root, key, &value) || value.type != jbvBinary)
		return NULL;
	return JsonbValueToJsonb(&value);
}
