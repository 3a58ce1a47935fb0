/*-------------------------------------------------------------------------
 *
 * month_text.c
 *	  Year and month of a billing period as text, the partition columns of
 *	  cur_database.cur_table.
 *
 * Each partition of the facts has a CHECK of the same two calls on its
 * period, so that the planner leaves out the partitions that a condition on
 * year or month rules out: it compares calls of immutable functions only,
 * which to_char is not.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include "utils/datetime.h"

PG_FUNCTION_INFO_V1(finops_year_text);
PG_FUNCTION_INFO_V1(finops_month_text);

static text *
digits(int value, int least)
{
	char		buf[16];

	return cstring_to_text_with_len(buf, snprintf(buf, sizeof(buf), "%0*d", least, value));
}

/* finops.year_text(day date) returns text: four digits or more; NULL for infinity and years BC. */
Datum
finops_year_text(PG_FUNCTION_ARGS)
{
	DateADT		day = PG_GETARG_DATEADT(0);
	int			year,
				month,
				mday;

	if (DATE_NOT_FINITE(day))
		PG_RETURN_NULL();
	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &mday);
	if (year < 1)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(digits(year, 4));
}

/* finops.month_text(day date) returns text: two digits; NULL for infinity. */
Datum
finops_month_text(PG_FUNCTION_ARGS)
{
	DateADT		day = PG_GETARG_DATEADT(0);
	int			year,
				month,
				mday;

	if (DATE_NOT_FINITE(day))
		PG_RETURN_NULL();
	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &mday);
	PG_RETURN_TEXT_P(digits(month, 2));
}
