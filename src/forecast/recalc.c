/*-------------------------------------------------------------------------
 *
 * recalc.c
 *	  finops.recalc_forecast: projected cost of twelve months per driver.
 *
 * The history of a driver is a short monthly series of cost and units
 * (vw_unit_cost, complete months before as_of).  From six months on it is
 * tried whether cost has a fixed and a variable part (robust.c): when that
 * line would have forecast the newest months better than the cost per unit
 * did,
 *
 *	  cost of a month = fixed part + cost of one more unit * projected units,
 *
 * otherwise
 *
 *	  cost of a month = forecast of the cost per unit * projected units,
 *
 * where the cost per unit is forecast by the automatic model from five months
 * on, and before that its mean goes on with the spread it had.  Amounts are
 * estimates and are stored rounded to six decimals.
 *
 * Each run is kept.  Its total is compared with the run before over the
 * driver, scenario and months that both have: a difference of more than
 * 3 percent, or one that cannot be told, is a warning, in the run's status and
 * in its message, and goes to the outbox.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/forecast.h"
#include "forecast/robust.h"

#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_recalc_forecast);

#define RECALC_MONTHS	12
#define MAX_HISTORY		60		/* months of unit cost */
#define MIN_FOR_MODEL	5

#define LEVEL			0.9		/* upper quantile of the 80 percent interval */

/* Forecast of one driver's cost per unit, or its line. */
typedef struct UnitCost
{
	char	   *driver;
	bool		has_line;
	RobustLine	line;
	double		mean[RECALC_MONTHS];
	double		lower[RECALC_MONTHS];
	double		upper[RECALC_MONTHS];
} UnitCost;

/* The date of the driver set to use; raises when there is none. */
static DateADT
choose_drivers(DateADT as_of, bool given, DateADT wanted)
{
	bool		isnull;
	Datum		found;

	if (given)
		FINOPS_RUN("SELECT max(d.load_dt) FROM forecast.drivers d WHERE d.load_dt = $1",
				   ARG_DATE(wanted));
	else
		FINOPS_RUN("SELECT coalesce(max(d.load_dt) FILTER (WHERE d.load_dt <= $1), min(d.load_dt))"
				   " FROM forecast.drivers d", ARG_DATE(as_of));
	found = FinopsValue(0, 1, &isnull);
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 given ? errmsg("no drivers were loaded for %s",
								DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(wanted)))) :
				 errmsg("no drivers are loaded"),
				 errhint("Load a file with finops.load_drivers('/path/drivers_YYYY-MM-DD.csv').")));
	return DatumGetDateADT(found);
}

/*
 * history[0..n-1] are the newest months, the last of them gap months before
 * the first forecast month.
 */
static void
forecast_unit_cost(const double *history, int n, int gap, UnitCost *u)
{
	static const double levels[1] = {80};
	int			h = RECALC_MONTHS + gap;
	double	   *mean = palloc_array(double, 3 * h),
			   *lower = mean + h,
			   *upper = lower + h;
	FcRequest	q = {.y = history, .n = n, .m = 12, .h = h, .nlevels = 1,
	.levels = levels, .interrupt = ForecastInterrupt};
	const char *name = n >= MIN_FOR_MODEL ? "auto" : (n > 1 ? "mean" : "naive");

	q.model = ForecastModelArg(name);
	ForecastRun(&q, name, mean, lower, upper, NULL);
	memcpy(u->mean, mean + gap, sizeof(u->mean));
	memcpy(u->lower, lower + gap, sizeof(u->lower));
	memcpy(u->upper, upper + gap, sizeof(u->upper));
	for (int i = 0; i < RECALC_MONTHS; i++)
	{
		/* a cost per unit does not turn into income */
		u->mean[i] = Max(u->mean[i], 0);
		u->lower[i] = isnan(u->lower[i]) ? u->lower[i] : Max(u->lower[i], 0);
	}
	pfree(mean);
}

/* The line through cost and units, where it would have done better. */
static void
fit_line(ArrayType *cost, ArrayType *units, UnitCost *u)
{
	const double *x = (double *) ARR_DATA_PTR(units),
			   *y = (double *) ARR_DATA_PTR(cost);
	int			n = ArrayGetNItems(ARR_NDIM(cost), ARR_DIMS(cost));

	u->has_line = RobustIsBetter(x, y, n) && RobustFit(x, y, n, &u->line);
}

/* History of all drivers of the set that have one, and what it says. */
static UnitCost *
read_unit_costs(DateADT start, DateADT load_dt, int *count)
{
	int			rows = (int) FINOPS_RUN(
										"WITH h AS (SELECT u.driver_code, u.month, u.unit_cost::float8 AS unit_cost,"
										" u.total_cost::float8 AS total_cost, u.units::float8 AS units,"
										" row_number() OVER (PARTITION BY u.driver_code ORDER BY u.month DESC) AS back"
										" FROM forecast.vw_unit_cost u"
										" WHERE u.month < $1 AND u.unit_cost IS NOT NULL AND u.currency = $3"
										" AND u.driver_code IN (SELECT d.driver_code FROM forecast.drivers d WHERE d.load_dt = $2))"
										" SELECT driver_code, array_agg(unit_cost ORDER BY month),"
										" ((extract(year FROM $1) - extract(year FROM max(month))) * 12"
										" + extract(month FROM $1) - extract(month FROM max(month)) - 1)::int,"
										" array_agg(total_cost ORDER BY month), array_agg(units ORDER BY month)"
										" FROM h WHERE back <= $4 GROUP BY driver_code ORDER BY driver_code COLLATE \"C\"",
										ARG_DATE(start), ARG_DATE(load_dt),
										ARG_TEXT(finops_reporting_currency), ARG_INT4(MAX_HISTORY));
	UnitCost   *costs = palloc0_array(UnitCost, Max(rows, 1));

	for (int i = 0; i < rows; i++)
	{
		bool		isnull;
		ArrayType  *history = DatumGetArrayTypePCopy(FinopsValue(i, 2, &isnull));
		int			gap = (int) FinopsInt64(i, 3);

		costs[i].driver = FinopsText(i, 1);
		fit_line(DatumGetArrayTypePCopy(FinopsValue(i, 4, &isnull)),
				 DatumGetArrayTypePCopy(FinopsValue(i, 5, &isnull)), &costs[i]);
		forecast_unit_cost((double *) ARR_DATA_PTR(history),
						   ArrayGetNItems(ARR_NDIM(history), ARR_DIMS(history)),
						   Min(gap, RECALC_MONTHS), &costs[i]);
	}
	*count = rows;
	return costs;
}

static FinopsArg
float_array(const double *values, int n)
{
	Datum	   *datums = palloc_array(Datum, Max(n, 1));
	bool	   *nulls = palloc_array(bool, Max(n, 1));
	int			dims[1] = {n},
				lbs[1] = {1};

	for (int i = 0; i < n; i++)
	{
		nulls[i] = isnan(values[i]);
		datums[i] = Float8GetDatum(values[i]);
	}
	return ARG_DATUM(FLOAT8ARRAYOID,
					 PointerGetDatum(construct_md_array(datums, nulls, 1, dims, lbs, FLOAT8OID,
														sizeof(float8), FLOAT8PASSBYVAL,
														TYPALIGN_DOUBLE)), false);
}

/* One column of figures per driver and month, for unnest(). */
typedef enum Figure
{
	FIGURE_MEAN,
	FIGURE_LOWER,
	FIGURE_UPPER,
	FIGURE_FIXED,				/* NaN, SQL NULL, without a line, as the rest */
	FIGURE_SLOPE,
	FIGURE_HALF_WIDTH,			/* at the centre of the history */
	FIGURE_CENTRE,
	FIGURE_SPREAD,				/* squares around it, per the weight of a month */
	FIGURES
} Figure;

static double
figure(const UnitCost *u, int month, Figure f)
{
	switch (f)
	{
		case FIGURE_MEAN:
			return u->mean[month];
		case FIGURE_LOWER:
			return u->lower[month];
		case FIGURE_UPPER:
			return u->upper[month];
		default:
			break;
	}
	if (!u->has_line)
		return NAN;
	switch (f)
	{
		case FIGURE_FIXED:
			return u->line.fixed;
		case FIGURE_SLOPE:
			return u->line.slope;
		case FIGURE_HALF_WIDTH:
			return RobustHalfWidth(&u->line, u->line.centre, LEVEL);
		case FIGURE_CENTRE:
			return u->line.centre;
		default:
			/* leverage at x, as a multiple of that at the centre */
			return u->line.spread > 0 ? u->line.spread * (1 + 1 / u->line.weight) : INFINITY;
	}
}

/* History against the projections of the set, into unit_cost_forecast. */
static int64
write_forecast(Datum run_id, DateADT start, DateADT load_dt,
			   const UnitCost *costs, int count)
{
	int			n = count * RECALC_MONTHS;
	Datum	   *drivers = palloc_array(Datum, Max(n, 1));
	double	   *values = palloc_array(double, Max(n, 1));
	FinopsArg	columns[FIGURES];
	ArrayType  *names;

	for (int i = 0; i < n; i++)
		drivers[i] = CStringGetTextDatum(costs[i / RECALC_MONTHS].driver);
	for (int f = 0; f < FIGURES; f++)
	{
		for (int i = 0; i < n; i++)
			values[i] = figure(&costs[i / RECALC_MONTHS], i % RECALC_MONTHS, f);
		columns[f] = float_array(values, n);
	}
	names = construct_array(drivers, n, TEXTOID, -1, false, TYPALIGN_INT);
	return (int64) FINOPS_RUN(
							  "WITH unit AS (SELECT u.driver_code,"
							  " ($3 + ((u.at - 1) % 12)::int * interval '1 month')::date AS month,"
							  " u.mean, u.lower, u.upper, u.fixed, u.slope, u.half_width, u.centre, u.spread"
							  " FROM unnest($4, $5, $6, $7, $8, $9, $10, $11, $12) WITH ORDINALITY"
							  " AS u(driver_code, mean, lower, upper, fixed, slope, half_width, centre, spread, at)),"
							  " size AS (SELECT DISTINCT ON (k.driver_code) k.driver_code, k.unit_size"
							  " FROM forecast.unit_kpi k ORDER BY k.driver_code, k.kpi_date DESC),"
							  " projected AS (SELECT d.*, u.*, d.value / s.unit_size AS units FROM forecast.drivers d"
							  " JOIN unit u(code, month, mean, lower, upper, fixed, slope, half_width, centre, spread)"
							  " ON u.code = d.driver_code AND u.month = d.period_start"
							  " JOIN size s ON s.driver_code = d.driver_code WHERE d.load_dt = $2),"
							  " cost AS (SELECT p.*,"
							  " coalesce(p.fixed, 0)::numeric AS fixed_cost,"
							  " coalesce(p.slope, p.mean)::numeric * p.units AS variable_cost,"
							  " p.half_width * sqrt(1 + (p.units::float8 - p.centre) ^ 2 / p.spread) AS width"
							  " FROM projected p)"
							  " INSERT INTO @s@.unit_cost_forecast"
							  " (run_id, driver_code, scenario, month, quantity, unit_cost, total_cost, lower_usd, upper_usd, last_refresh,"
							  " fixed_cost, variable_cost)"
							  " SELECT $1, c.driver_code, c.scenario, c.period_start, c.value,"
							  " CASE WHEN c.slope IS NULL THEN round(c.mean::numeric, 6)"
							  " ELSE round((c.fixed_cost + c.variable_cost) / nullif(c.units, 0), 6) END,"
							  " round(c.fixed_cost + c.variable_cost, 6),"
							  " CASE WHEN c.slope IS NULL THEN round(c.lower::numeric * c.units, 6)"
							  " ELSE round(greatest(c.fixed_cost + c.variable_cost - c.width::numeric, 0), 6) END,"
							  " CASE WHEN c.slope IS NULL THEN round(c.upper::numeric * c.units, 6)"
							  " ELSE round(c.fixed_cost + c.variable_cost + c.width::numeric, 6) END,"
							  " (SELECT clock_timestamp()), round(c.fixed_cost, 6), round(c.variable_cost, 6) FROM cost c",
							  ARG_DATUM(UUIDOID, run_id, false), ARG_DATE(load_dt), ARG_DATE(start),
							  ARG_DATUM(TEXTARRAYOID, PointerGetDatum(names), false),
							  columns[FIGURE_MEAN], columns[FIGURE_LOWER], columns[FIGURE_UPPER],
							  columns[FIGURE_FIXED], columns[FIGURE_SLOPE], columns[FIGURE_HALF_WIDTH],
							  columns[FIGURE_CENTRE], columns[FIGURE_SPREAD]);
}

/*
 * Figures of the run into its row: totals, variance against the run before,
 * what could not be projected; status warning beyond 3 percent.
 */
static void
finish_run(Datum run_id, DateADT start, DateADT load_dt)
{
	FINOPS_RUN("WITH previous AS (SELECT r.run_id FROM forecast.run r"
			   " WHERE r.run_id <> $1 AND r.driver_load_dt IS NOT NULL AND r.status IN ('completed', 'warning')"
			   " ORDER BY r.finished_at DESC, r.run_id LIMIT 1),"
			   " both_runs AS (SELECT sum(n.total_cost) AS now, sum(p.total_cost) AS before"
			   " FROM @s@.unit_cost_forecast n JOIN previous ON true"
			   " JOIN @s@.unit_cost_forecast p ON p.run_id = previous.run_id"
			   " AND (p.driver_code, p.scenario, p.month) = (n.driver_code, n.scenario, n.month)"
			   " WHERE n.run_id = $1),"
			   " figure AS (SELECT b.now, b.before, CASE WHEN b.now = b.before THEN 0"
			   " ELSE round((b.now - b.before) / nullif(abs(b.before), 0) * 100, 4) END AS variance_pct"
			   " FROM both_runs b),"
			   " missing AS (SELECT coalesce(array_agg(DISTINCT d.driver_code) FILTER (WHERE NOT EXISTS"
			   " (SELECT FROM @s@.unit_cost_forecast u WHERE u.run_id = $1 AND u.driver_code = d.driver_code)), '{}') AS drivers"
			   " FROM forecast.drivers d WHERE d.load_dt = $3)"
			   " UPDATE forecast.run r SET finished_at = clock_timestamp(),"
			   " status = CASE WHEN abs(f.variance_pct) > 3 OR (f.variance_pct IS NULL AND EXISTS (SELECT FROM previous)) THEN 'warning' ELSE 'completed' END,"
			   " metrics = jsonb_build_object("
			   " 'total_cost', (SELECT coalesce(sum(u.total_cost), 0) FROM @s@.unit_cost_forecast u WHERE u.run_id = $1),"
			   " 'rows', (SELECT count(*) FROM @s@.unit_cost_forecast u WHERE u.run_id = $1),"
			   " 'first_month', $2, 'compared_total', f.now, 'previous_total', f.before, 'variance_pct', f.variance_pct,"
			   " 'drivers_without_unit_cost', m.drivers,"
			   " 'message', format('Forecast drivers updated (%s). Dashboard refreshed. %s.', $3,"
			   " CASE WHEN f.variance_pct IS NULL AND NOT EXISTS (SELECT FROM previous) THEN 'No earlier run to compare with'"
			   " WHEN f.now IS NULL THEN 'The earlier run has no driver, scenario and month in common'"
			   " WHEN f.variance_pct IS NULL THEN format('No variance: the earlier run came to 0, this one to %s', f.now)"
			   " ELSE format('Variance %s %s3 %% (%s %%)',"
			   " CASE WHEN abs(f.variance_pct) > 3 THEN 'outside' ELSE 'within' END, $4,"
			   " to_char(f.variance_pct, 'FMSG999999990.00')) END))"
			   " FROM figure f, missing m WHERE r.run_id = $1",
			   ARG_DATUM(UUIDOID, run_id, false), ARG_DATE(start), ARG_DATE(load_dt),
			   ARG_TEXT(GetDatabaseEncoding() == PG_UTF8 ? "\xC2\xB1" : "+/-"));
}

/* Warnings of a finished run, for whoever called. */
static void
warn(Datum run_id)
{
	FINOPS_RUN("SELECT r.status, r.metrics ->> 'message', (SELECT string_agg(m, ', ' ORDER BY m)"
			   " FROM jsonb_array_elements_text(r.metrics -> 'drivers_without_unit_cost') AS m)"
			   " FROM forecast.run r WHERE r.run_id = $1",
			   ARG_DATUM(UUIDOID, run_id, false));
	if (strcmp(FinopsText(0, 1), "warning") == 0)
		ereport(WARNING,
				(errmsg("%s", FinopsText(0, 2)),
				 errhint("Compare the driver files, or run finops.recalc_forecast with the earlier driver_load_dt.")));
	if (FinopsText(0, 3) != NULL)
		ereport(WARNING,
				(errmsg("no cost per unit is known for driver %s",
						FinopsQuoteForMessage(FinopsText(0, 3))),
				 errhint("Insert measured quantities into forecast.unit_kpi for months whose bill is loaded.")));
}

/* Tells the channel: which drivers, and how far from the run before. */
static void
post(Datum run_id)
{
	FINOPS_RUN("SELECT r.run_id::text, CASE r.status WHEN 'warning' THEN 'warning' ELSE 'info' END,"
			   " jsonb_build_object('run_id', r.run_id, 'run_name', r.run_name, 'drivers_of', r.driver_load_dt,"
			   " 'status', r.status, 'variance_pct', r.metrics -> 'variance_pct', 'title', r.metrics -> 'message')::text"
			   " FROM forecast.run r WHERE r.run_id = $1",
			   ARG_DATUM(UUIDOID, run_id, false));
	FinopsPostOutbox("forecast_refreshed", FinopsText(0, 1), FinopsText(0, 2), FinopsText(0, 3));
}

/*
 * finops.recalc_forecast(as_of, driver_load_dt): one row (run_id, run_name,
 * driver_load_dt, status, forecast_rows, total_cost, previous_total,
 * variance_pct, message); writes forecast.run and unit_cost_forecast.
 */
Datum
finops_recalc_forecast(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		as_of,
				start,
				load_dt;
	UnitCost   *costs;
	int			count;
	bool		isnull;
	Datum		run_id;

	FinopsRequireArg(fcinfo, 0, "as_of");
	FinopsRequireFeature(FINOPS_FORECASTING);
	FinopsRequireWritable("finops.recalc_forecast()");
	as_of = PG_GETARG_DATEADT(0);
	FinopsCheckDay(as_of, "as_of");
	FinopsBegin(&session);
	/* runs compare themselves with the one before, so one at a time */
	FINOPS_RUN0("LOCK TABLE forecast.run IN SHARE ROW EXCLUSIVE MODE");
	load_dt = choose_drivers(as_of, !PG_ARGISNULL(1),
							 PG_ARGISNULL(1) ? 0 : PG_GETARG_DATEADT(1));
	FINOPS_RUN("SELECT date_trunc('month', $1::timestamp)::date", ARG_DATE(as_of));
	start = DatumGetDateADT(FinopsValue(0, 1, &isnull));
	FINOPS_RUN("INSERT INTO forecast.run (run_name, as_of, driver_load_dt, horizon_months, model)"
			   " VALUES (to_char(clock_timestamp(), '\"Reforecast_\"YYYYMMDD\"_\"HH24MISS'), $1, $2, 12, 'auto')"
			   " RETURNING run_id", ARG_DATE(as_of), ARG_DATE(load_dt));
	run_id = FinopsValue(0, 1, &isnull);
	costs = read_unit_costs(start, load_dt, &count);
	write_forecast(run_id, start, load_dt, costs, count);
	finish_run(run_id, start, load_dt);
	post(run_id);
	warn(run_id);
	FINOPS_RUN("SELECT r.run_id, r.run_name, r.driver_load_dt, r.status, (r.metrics ->> 'rows')::bigint,"
			   " (r.metrics ->> 'total_cost')::numeric, (r.metrics ->> 'previous_total')::numeric,"
			   " (r.metrics ->> 'variance_pct')::numeric, r.metrics ->> 'message'"
			   " FROM forecast.run r WHERE r.run_id = $1",
			   ARG_DATUM(UUIDOID, run_id, false));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
