/*-------------------------------------------------------------------------
 *
 * phrase.c
 *	  Texts of documents in the languages of tenants.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"

PG_FUNCTION_INFO_V1(finops_set_invoice_phrase);

/* The names in braces of a text, as a set. */
#define NAMES(text)	"ARRAY(SELECT m[1] FROM regexp_matches(" text ", '\\{([a-z_]+)\\}', 'g') m)"

static void
check_phrase(const char *phrase, const char *value)
{
	if (FINOPS_RUN("SELECT e.text, array_to_string(ARRAY(SELECT unnest(" NAMES("$2") ") EXCEPT SELECT unnest(" NAMES("e.text") ")), ', '), length($2) > 1000"
				   " FROM finops.invoice_phrase e WHERE e.language = 'en' AND e.phrase = $1 AND e.shipped", ARG_TEXT(phrase), ARG_TEXT(value)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no text \"%s\"", FinopsQuoteForMessage(phrase)),
				 errhint("SELECT phrase, text FROM finops.invoice_phrase WHERE language = 'en' lists them.")));
	if (FinopsText(0, 2)[0] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("text \"%s\" has no value {%s}", FinopsQuoteForMessage(phrase), FinopsText(0, 2)),
				 errdetail("In English it is \"%s\".", FinopsText(0, 1))));
	if (FinopsText(0, 3)[0] == 't')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a text has at most 1000 characters")));
}

/*
 * finops.set_invoice_phrase(language text, phrase text, text text)
 *	-> invoice_phrase
 *
 * Documents that are issued keep theirs.  Errors: 22004; 22023 for a
 * malformed language, an unknown phrase, or a value that the phrase does not
 * have.
 */
Datum
finops_set_invoice_phrase(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *language = InvoiceRequiredText(fcinfo, 0, "language");
	char	   *phrase = InvoiceRequiredText(fcinfo, 1, "phrase");
	char	   *value;
	uint64		changed;

	FinopsRequireArg(fcinfo, 2, "text");
	value = InvoiceTextArg(fcinfo, 2);
	FinopsRequireWritable("finops.set_invoice_phrase()");
	FinopsBegin(&session);
	InvoiceCheckLanguage(language);
	check_phrase(phrase, value);
	if (value[strspn(value, " \t\r\n")] == '\0')
		changed = FINOPS_RUN("DELETE FROM finops.invoice_phrase p WHERE p.language = $1 AND p.phrase = $2 AND NOT p.shipped RETURNING to_jsonb(p.*)::text",
							 ARG_TEXT(language), ARG_TEXT(phrase));
	else
		changed = FINOPS_RUN("INSERT INTO finops.invoice_phrase AS p (language, phrase, text) VALUES ($1, $2, $3)"
							 " ON CONFLICT (language, phrase, shipped) DO UPDATE SET text = EXCLUDED.text WHERE p.text <> EXCLUDED.text RETURNING to_jsonb(p.*)::text",
							 ARG_TEXT(language), ARG_TEXT(phrase), ARG_TEXT(value));
	if (changed > 0)
		FinopsAudit(&session, "phrase_change", "invoice_phrase", psprintf("%s %s", language, phrase), FinopsText(0, 1));
	FINOPS_RUN("SELECT * FROM finops.invoice_phrase WHERE language = $1 AND phrase = $2 ORDER BY shipped LIMIT 1",
			   ARG_TEXT(language), ARG_TEXT(phrase));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
