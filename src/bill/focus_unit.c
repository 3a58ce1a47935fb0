/*-------------------------------------------------------------------------
 *
 * focus_unit.c
 *	  finops.focus_unit: a provider's unit in the unit format of FOCUS.
 *
 * FOCUS writes a unit in one of five ways: "Hours", "GB-Hours", "GB/Month",
 * "1000 Requests" and "Requests/3 Months".  Providers write "Hrs", "GB-Mo",
 * "Lambda-GB-Second", "1 GB/Month", "10K" or "gibibyte month".  Words that
 * are no abbreviation stay as they are, so that a unit of one's own is
 * recognised; what no format can hold is made a word.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/bill.h"

#include "utils/builtins.h"

#define UNIT_MAX	200			/* bytes looked at */

typedef struct UnitWord
{
	const char *word;
	const char *plural;
	const char *singular;		/* of a time; NULL for others */
} UnitWord;

static const UnitWord unit_words[] = {
	{"hrs", "Hours", "Hour"}, {"hr", "Hours", "Hour"}, {"hour", "Hours", "Hour"},
	{"hours", "Hours", "Hour"}, {"h", "Hours", "Hour"},
	{"mo", "Months", "Month"}, {"mon", "Months", "Month"}, {"ms", "Months", "Month"},
	{"month", "Months", "Month"}, {"months", "Months", "Month"},
	{"day", "Days", "Day"}, {"days", "Days", "Day"},
	{"year", "Years", "Year"}, {"years", "Years", "Year"}, {"yr", "Years", "Year"},
	{"second", "Seconds", "Second"}, {"seconds", "Seconds", "Second"},
	{"sec", "Seconds", "Second"}, {"secs", "Seconds", "Second"},
	{"minute", "Minutes", "Minute"}, {"minutes", "Minutes", "Minute"}, {"min", "Minutes", "Minute"},
	{"byte", "B", NULL}, {"bytes", "B", NULL},
	{"kibibyte", "KiB", NULL}, {"kibibytes", "KiB", NULL},
	{"mebibyte", "MiB", NULL}, {"mebibytes", "MiB", NULL},
	{"gibibyte", "GiB", NULL}, {"gibibytes", "GiB", NULL},
	{"tebibyte", "TiB", NULL}, {"tebibytes", "TiB", NULL},
	{"gigabyte", "GB", NULL}, {"gigabytes", "GB", NULL},
	{"terabyte", "TB", NULL}, {"terabytes", "TB", NULL},
	{"count", "Units", NULL}, {"unit", "Units", NULL}, {"each", "Units", NULL},
	{"request", "Requests", NULL}, {"requests", "Requests", NULL},
	{"quantity", "Units", NULL},
};

typedef struct UnitText
{
	const char *data;
	int			len;
	int			at;
} UnitText;

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "10K" and "1M" at the start are a quantity; "64K-Chunks" is not. */
static int64
read_block_size(UnitText *t)
{
	int64		size = 0;
	int			at = 0;

	while (at < t->len && is_digit(t->data[at]) && size < INT64CONST(1000000000))
		size = size * 10 + (t->data[at++] - '0');
	if (at == 0 || size == 0)
		return 1;
	if (at < t->len && (at + 1 == t->len || t->data[at + 1] == ' ' || t->data[at + 1] == '/'))
	{
		int64		factor = t->data[at] == 'K' ? 1000 : t->data[at] == 'M' ? 1000000 :
			t->data[at] == 'B' && at + 1 < t->len ? INT64CONST(1000000000) : 0;

		if (factor > 0)
		{
			size *= factor;
			at++;
		}
	}
	if (at < t->len && t->data[at] != ' ' && t->data[at] != '/')
		return 1;
	t->at = at;
	return size;
}

static const UnitWord *
known_word(const char *word, int len)
{
	for (size_t i = 0; i < lengthof(unit_words); i++)
		if ((int) strlen(unit_words[i].word) == len &&
			pg_strncasecmp(unit_words[i].word, word, (size_t) len) == 0)
			return &unit_words[i];
	return NULL;
}

/* Next word of letters and digits; sets the character before it. */
static bool
next_word(UnitText *t, char *before, const char **word, int *len)
{
	*before = '\0';
	while (t->at < t->len && !is_letter(t->data[t->at]))
	{
		if (!is_digit(t->data[t->at]))
		{
			if (*before != '/')
				*before = t->data[t->at];
			t->at++;
			continue;
		}
		/* 64K is no word */
		while (t->at < t->len && (is_letter(t->data[t->at]) || is_digit(t->data[t->at])))
			t->at++;
	}
	*word = t->data + t->at;
	*len = 0;
	while (t->at < t->len && (is_letter(t->data[t->at]) || is_digit(t->data[t->at])))
	{
		t->at++;
		(*len)++;
	}
	return *len > 0;
}

static char *
focus_unit(UnitText *t)
{
	StringInfoData unit;
	const UnitWord *time = NULL;	/* the last word, when it is a time */
	const UnitWord *known;
	const char *word;
	char		before;
	char		joint = '\0';	/* what stands before that time */
	int			len;
	int64		block = read_block_size(t);

	initStringInfo(&unit);
	while (next_word(t, &before, &word, &len))
	{
		known = known_word(word, len);
		if (time != NULL)
			appendStringInfo(&unit, "%s%s", unit.len > 0 ? " " : "", time->plural);
		time = known != NULL && known->singular != NULL ? known : NULL;
		if (time != NULL)
		{
			joint = before;
			continue;
		}
		if (unit.len > 0)
			appendStringInfoChar(&unit, ' ');
		if (known != NULL)
			appendStringInfoString(&unit, known->plural);
		else
			appendBinaryStringInfo(&unit, word, len);
	}
	if (unit.len == 0)
		appendStringInfoString(&unit, time == NULL || joint == '/' ? "Units" : time->plural);
	else if (time != NULL && (block > 1 || joint != '/'))
		appendStringInfo(&unit, "%c%s", block > 1 ? ' ' : '-', time->plural);
	if (time != NULL && joint == '/' && block == 1)
		appendStringInfo(&unit, "/%s", time->singular);
	if (block > 1)
		return psprintf(INT64_FORMAT " %s", block, unit.data);
	return unit.data;
}

PG_FUNCTION_INFO_V1(finops_focus_unit);

Datum
finops_focus_unit(PG_FUNCTION_ARGS)
{
	text	   *given = PG_GETARG_TEXT_PP(0);
	UnitText	t = {VARDATA_ANY(given), (int) VARSIZE_ANY_EXHDR(given), 0};

	if (t.len > UNIT_MAX)
		t.len = UNIT_MAX;
	PG_RETURN_TEXT_P(cstring_to_text(focus_unit(&t)));
}
