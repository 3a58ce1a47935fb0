/*-------------------------------------------------------------------------
 *
 * focus_check.c
 *	  What the FOCUS functions in SQL and PL/pgSQL are built from.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"
#include "report/report.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

static Slice
slice_of(text *t)
{
	Slice		s = {VARDATA_ANY(t), (int) VARSIZE_ANY_EXHDR(t)};

	return s;
}

PG_FUNCTION_INFO_V1(finops_focus_format_ok);

Datum
finops_focus_format_ok(PG_FUNCTION_ARGS)
{
	Slice		value = slice_of(PG_GETARG_TEXT_PP(0));
	Slice		format = slice_of(PG_GETARG_TEXT_PP(1));
	bool		known = true;
	bool		ok = FocusFormatOk(format, value, &known);

	if (!known)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown FOCUS format \"%.*s\"", pg_mbcliplen(format.data, format.len, 60), format.data),
				 errdetail("Formats are text, numeric, datetime, timestamp, currency, unit, keyvalue, json and duration."),
				 errhint("Run SELECT finops.focus_format_ok('GB-Hours', 'unit').")));
	PG_RETURN_BOOL(ok);
}

/* Of RFC 4180; an empty text is quoted, so that it differs from NULL. */
PG_FUNCTION_INFO_V1(finops_csv_field);

Datum
finops_csv_field(PG_FUNCTION_ARGS)
{
	Slice		value;
	StringInfoData field;
	bool		quote;

	if (PG_ARGISNULL(0))
		PG_RETURN_TEXT_P(cstring_to_text(""));
	value = slice_of(PG_GETARG_TEXT_PP(0));
	quote = value.len == 0;
	for (int i = 0; i < value.len && !quote; i++)
		quote = strchr(",\"\r\n", value.data[i]) != NULL;
	if (!quote)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	initStringInfo(&field);
	appendStringInfoChar(&field, '"');
	for (int i = 0; i < value.len; i++)
	{
		if (value.data[i] == '"')
			appendStringInfoChar(&field, '"');
		appendStringInfoChar(&field, value.data[i]);
	}
	appendStringInfoChar(&field, '"');
	PG_RETURN_TEXT_P(cstring_to_text_with_len(field.data, field.len));
}

/* Digits behind those that an amount has, when it is split. */
#define PART_DIGITS 12

static Datum
point_of(Datum amount, Datum point)
{
	int32		digits = DatumGetInt32(DirectFunctionCall1(numeric_scale, amount));

	return DirectFunctionCall2(numeric_round, DirectFunctionCall2(numeric_mul, amount, point),
							   Int32GetDatum(digits + PART_DIGITS));
}

/* Parts that meet share a point, so they add up to the amount. */
PG_FUNCTION_INFO_V1(finops_focus_part);

Datum
finops_focus_part(PG_FUNCTION_ARGS)
{
	Datum		amount = PG_GETARG_DATUM(0);
	Numeric		number = PG_GETARG_NUMERIC(0);

	if (numeric_is_nan(number) || numeric_is_inf(number))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("amount must be a finite number")));
	return DirectFunctionCall2(numeric_sub, point_of(amount, PG_GETARG_DATUM(2)),
							   point_of(amount, PG_GETARG_DATUM(1)));
}

PG_FUNCTION_INFO_V1(finops_require_period);

Datum
finops_require_period(PG_FUNCTION_ARGS)
{
	FinopsCheckPeriodNotFuture(FinopsPeriodArg(fcinfo, 0));
	PG_RETURN_VOID();
}
