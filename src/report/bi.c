/*-------------------------------------------------------------------------
 *
 * bi.c
 *	  Keys of the star views.
 *
 *-------------------------------------------------------------------------
 */
#include "report/report.h"

#include "core/core.h"

PG_FUNCTION_INFO_V1(finops_bi_key);

/*
 * finops.bi_key(provider text, name text) -> text
 *
 * provider/name, where % and / of the provider are %25 and %2F: the first
 * slash ends the provider, so that two pairs never share a key.  NULL is as ''.
 */
Datum
finops_bi_key(PG_FUNCTION_ARGS)
{
	text *provider = PG_ARGISNULL(0) ? cstring_to_text("") : PG_GETARG_TEXT_PP(0);
	StringInfoData key;

	initStringInfo(&key);
	for (size_t i = 0; i < VARSIZE_ANY_EXHDR(provider); i++)
	{
		char c = VARDATA_ANY(provider)[i];

		if (c == '%' || c == '/')
			appendStringInfoString(&key, c == '/' ? "%2F" : "%25");
		else
			appendStringInfoChar(&key, c);
	}
	appendStringInfoChar(&key, '/');
	if (!PG_ARGISNULL(1))
	{
		text *name = PG_GETARG_TEXT_PP(1);

		appendBinaryStringInfo(&key, VARDATA_ANY(name), (int) VARSIZE_ANY_EXHDR(name));
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(key.data, key.len));
}
