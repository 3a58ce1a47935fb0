/*-------------------------------------------------------------------------
 *
 * scenario.c
 *	  finops.forecast_scenario: what the forecast would be with more or less of
 *	  a driver.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/forecast.h"

#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(finops_forecast_scenario);

/* The run to change: the given one, or the newest that came to an end. */
static Datum
choose_run(FunctionCallInfo fcinfo, int argno)
{
	bool		isnull;
	Datum		run_id;

	if (!PG_ARGISNULL(argno))
		FINOPS_RUN("SELECT r.run_id FROM forecast.run r WHERE r.run_id = $1 AND r.status IN ('completed', 'warning')",
				   ARG_DATUM(UUIDOID, PG_GETARG_DATUM(argno), false));
	else
		FINOPS_RUN0("SELECT r.run_id FROM forecast.run r WHERE r.status IN ('completed', 'warning')"
					" AND EXISTS (SELECT FROM @s@.unit_cost_forecast u WHERE u.run_id = r.run_id)"
					" ORDER BY r.finished_at DESC, r.run_id LIMIT 1");
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(PG_ARGISNULL(argno) ? ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE :
						 ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no such forecast run"),
				 errhint("Load drivers with finops.load_drivers() and run finops.recalc_forecast().")));
	run_id = FinopsValue(0, 1, &isnull);
	return run_id;
}

static void
no_rows(Datum run_id, const char *driver, const char *scenario)
{
	FINOPS_RUN("SELECT string_agg(DISTINCT format('%s %s', u.driver_code, u.scenario), ', ')"
			   " FROM @s@.unit_cost_forecast u WHERE u.run_id = $1",
			   ARG_DATUM(UUIDOID, run_id, false));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the run has no forecast for driver \"%s\" in scenario \"%s\"",
					FinopsQuoteForMessage(driver), FinopsQuoteForMessage(scenario)),
			 errhint("It has: %s.", FinopsText(0, 1) == NULL ? "none" :
					 FinopsQuoteForMessage(FinopsText(0, 1)))));
}

/*
 * finops.forecast_scenario(driver, change, scenario, run_id): per month cost
 * as forecast and with the driver changed; fixed cost stays.
 */
Datum
finops_forecast_scenario(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *driver,
			   *scenario;
	Datum		run_id;

	FinopsRequireArg(fcinfo, 0, "driver");
	FinopsRequireArg(fcinfo, 1, "change");
	FinopsRequireArg(fcinfo, 2, "scenario");
	driver = text_to_cstring(PG_GETARG_TEXT_PP(0));
	scenario = text_to_cstring(PG_GETARG_TEXT_PP(2));
	FinopsBegin(&session);
	FINOPS_RUN("SELECT 1 WHERE $1 >= -1 AND $1 <= 1000", ARG_NUMERIC(PG_GETARG_NUMERIC(1)));
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("change must be between -1 and 1000"),
				 errhint("It is a ratio: 0.2 is a fifth more, -0.5 half.")));
	run_id = choose_run(fcinfo, 3);
	if (FINOPS_RUN("SELECT u.month, u.quantity, round(u.quantity * (1 + $3), 6) AS changed_quantity,"
				   " u.total_cost, round(u.fixed_cost + u.variable_cost * (1 + $3), 6) AS changed_cost,"
				   " round(u.variable_cost * $3, 6) AS difference, u.fixed_cost, u.variable_cost"
				   " FROM @s@.unit_cost_forecast u"
				   " WHERE u.run_id = $4 AND u.driver_code = $1 AND u.scenario = $2 ORDER BY u.month",
				   ARG_TEXT(driver), ARG_TEXT(scenario), ARG_NUMERIC(PG_GETARG_NUMERIC(1)),
				   ARG_DATUM(UUIDOID, run_id, false)) == 0)
		no_rows(run_id, driver, scenario);
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
