/*-------------------------------------------------------------------------
 *
 * drivers.c
 *	  Driver sets: loading, replacing and rolling back the projected business
 *	  quantities of a load date.  What is in a file: driver_file.c.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/forecast.h"

#include "utils/array.h"
#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(finops_load_drivers);
PG_FUNCTION_INFO_V1(finops_rollback_drivers);

static const Oid column_types[DRIVER_COLUMNS] = {
	TEXTOID, TEXTOID, DATEOID, NUMERICOID, TEXTOID, TEXTOID, TEXTOID, DATEOID
};

/* ---------------------------------------------------------------------
 * Loading and rolling back
 * ---------------------------------------------------------------------
 */

/* One column of all rows as an array argument. */
static FinopsArg
column_arg(const DriverRow *rows, int n, int column)
{
	static const Oid array_types[DRIVER_COLUMNS] = {
		TEXTARRAYOID, TEXTARRAYOID, DATEARRAYOID, NUMERICARRAYOID,
		TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, DATEARRAYOID
	};
	Datum	   *values = palloc_array(Datum, Max(n, 1));
	bool	   *nulls = palloc_array(bool, Max(n, 1));
	int			dims[1] = {n},
				lbs[1] = {1};
	bool		by_value = column_types[column] == DATEOID;

	for (int i = 0; i < n; i++)
	{
		values[i] = rows[i].values[column];
		nulls[i] = rows[i].nulls[column];
	}
	return ARG_DATUM(array_types[column],
					 PointerGetDatum(construct_md_array(values, nulls, 1, dims, lbs,
														column_types[column],
														by_value ? (int) sizeof(DateADT) : -1,
														by_value, TYPALIGN_INT)),
					 false);
}

/* A set of drivers replaces the one of its load date. */
static const char *
replace_drivers(const DriverRow *rows, int n, DateADT load_dt)
{
	const char *status = "loaded";
	FinopsArg	args[DRIVER_COLUMNS];

	/* two loads of one date one after the other */
	FINOPS_RUN0("LOCK TABLE forecast.drivers IN SHARE ROW EXCLUSIVE MODE");
	for (int column = 0; column < DRIVER_COLUMNS; column++)
		args[column] = column_arg(rows, n, column);
	FinopsStage("delivered",
				"SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) AS"
				" d(driver_code, scenario, period_start, value, unit, source_file, environment, load_dt)",
				DRIVER_COLUMNS, args);
	if (FINOPS_RUN("SELECT 1 FROM delivered d GROUP BY d.driver_code, d.scenario, d.period_start"
				   " HAVING count(*) > 1 LIMIT $1", ARG_INT8(1)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("driver file names a driver, scenario and month twice"),
				 errhint("Keep one line of each.")));
	if (FINOPS_RUN("SELECT 1 FROM forecast.drivers d WHERE d.load_dt = $1 LIMIT 1",
				   ARG_DATE(load_dt)) > 0)
	{
		uint64		changed = FINOPS_RUN("(SELECT * FROM forecast.drivers d WHERE d.load_dt = $1"
										 " EXCEPT SELECT * FROM delivered) UNION ALL"
										 " (SELECT * FROM delivered EXCEPT"
										 " SELECT * FROM forecast.drivers d WHERE d.load_dt = $1)",
										 ARG_DATE(load_dt));

		if (changed == 0)
			return "unchanged";
		status = "replaced";
		FINOPS_RUN("DELETE FROM forecast.drivers d WHERE d.load_dt = $1", ARG_DATE(load_dt));
	}
	FINOPS_RUN0("INSERT INTO forecast.drivers SELECT * FROM delivered");
	return status;
}

/*
 * finops.load_drivers(source, load_dt): one row (load_dt, status, rows,
 * drivers, months).  The same file again is 'unchanged'.
 */
Datum
finops_load_drivers(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		load_dt;
	DriverRow  *rows;
	int			n;
	const char *status;
	char	   *source;

	FinopsRequireArg(fcinfo, 0, "source");
	FinopsRequireWritable("finops.load_drivers()");
	source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (!PG_ARGISNULL(1))
	{
		load_dt = PG_GETARG_DATEADT(1);
		if (DATE_NOT_FINITE(load_dt))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("load_dt must be a finite date")));
	}
	rows = ForecastReadDrivers(source, PG_ARGISNULL(1) ? NULL : &load_dt, &n);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("driver file has a header and no lines"),
				 errhint("Use finops.rollback_drivers to remove a set.")));
	load_dt = DatumGetDateADT(rows[0].values[DRIVER_LOAD_DT]);
	FinopsBegin(&session);
	status = replace_drivers(rows, n, load_dt);
	if (strcmp(status, "unchanged") != 0)
		FinopsAudit(&session, "load_drivers", "drivers",
					DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(load_dt))),
					psprintf("{\"status\": \"%s\", \"rows\": %d}", status, n));
	FINOPS_RUN("SELECT $1, $2, count(*), count(DISTINCT d.driver_code), count(DISTINCT d.period_start)"
			   " FROM forecast.drivers d WHERE d.load_dt = $1",
			   ARG_DATE(load_dt), ARG_TEXT(status));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* finops.rollback_drivers(load_dt): rows removed; 22023 when there is none. */
Datum
finops_rollback_drivers(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		load_dt;
	int64		removed;
	char	   *day;

	FinopsRequireArg(fcinfo, 0, "load_dt");
	FinopsRequireWritable("finops.rollback_drivers()");
	load_dt = PG_GETARG_DATEADT(0);
	FinopsBegin(&session);
	day = DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(load_dt)));
	removed = (int64) FINOPS_RUN("DELETE FROM forecast.drivers d WHERE d.load_dt = $1",
								 ARG_DATE(load_dt));
	if (removed == 0)
	{
		FINOPS_RUN0("SELECT string_agg(l.load_dt::text, ', ') FROM (SELECT DISTINCT d.load_dt"
					" FROM forecast.drivers d ORDER BY 1 DESC LIMIT 5) AS l");
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no drivers were loaded for %s", day),
				 FinopsText(0, 1) == NULL ? errhint("No drivers are loaded; use finops.load_drivers.") :
				 errhint("The latest load dates are: %s.", FinopsText(0, 1))));
	}
	FinopsAudit(&session, "rollback_drivers", "drivers", day,
				psprintf("{\"rows\": " INT64_FORMAT "}", removed));
	FinopsEnd(&session);
	PG_RETURN_INT64(removed);
}
