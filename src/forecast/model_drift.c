/*-------------------------------------------------------------------------
 *
 * model_drift.c
 *	  Drift as SQL functions: of arrays, and of the active models' stored
 *	  forecasts.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/arguments.h"
#include "forecast/backtest.h"
#include "forecast/drift.h"
#include "forecast/jsonb_options.h"

#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_drift_statistics);
PG_FUNCTION_INFO_V1(finops_coverage_bound);
PG_FUNCTION_INFO_V1(finops_psi);
PG_FUNCTION_INFO_V1(finops_ks_statistic);
PG_FUNCTION_INFO_V1(finops_model_drift);

#define DRIFT_OPTIONS	"alpha, cusum_slack, cusum_threshold, least, ph_delta, ph_threshold, rmse_periods, rmse_tolerance"

typedef struct DriftSettings
{
	double		slack;
	double		threshold;
	double		delta;
	double		lambda;
	double		alpha;
	double		rmse_tolerance; /* ratio over the backtest's */
	int			rmse_periods;
	int			least;			/* observations before anything is said */
} DriftSettings;

static DriftSettings
settings_of(Jsonb *options)
{
	DriftSettings s;

	s.slack = OptionNumber(options, "cusum_slack", 0.5, 0, 100);
	s.threshold = OptionNumber(options, "cusum_threshold", 8, 0, 1e6);
	s.delta = OptionNumber(options, "ph_delta", 0.25, 0, 100);
	s.lambda = OptionNumber(options, "ph_threshold", 12, 0, 1e6);
	s.alpha = OptionNumber(options, "alpha", 0.01, 1e-9, 0.5);
	s.rmse_tolerance = OptionNumber(options, "rmse_tolerance", 0.05, 0, 1e6);
	s.rmse_periods = OptionInt(options, "rmse_periods", 3, 1, 1000);
	s.least = OptionInt(options, "least", 20, 1, 1000000);
	return s;
}

/* finops.drift_statistics(errors, options): one row */
Datum
finops_drift_statistics(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	DriftSettings s = settings_of(OptionsArg(fcinfo, 1, DRIFT_OPTIONS));
	int			n;
	double	   *z = ForecastSeriesArg(fcinfo, 0, &n);
	DriftResult cusum = DriftCusum(z, n, s.slack, s.threshold),
				ph = DriftPageHinkley(z, n, s.delta, s.lambda);
	Datum		values[6] = {Int32GetDatum(n), Float8GetDatum(cusum.statistic), Int32GetDatum(cusum.alarm_at),
		Float8GetDatum(ph.statistic), Int32GetDatum(ph.alarm_at),
	Float8GetDatum(DriftTrackingSignal(z, n))};
	bool		nulls[6] = {false, false, cusum.alarm_at == 0, false, ph.alarm_at == 0, false};

	InitMaterializedSRF(fcinfo, 0);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return (Datum) 0;
}

/* finops.coverage_bound(n, level, alpha) */
Datum
finops_coverage_bound(PG_FUNCTION_ARGS)
{
	int			n = ForecastCountArg(fcinfo, 0, "n", 0, 10000000);
	double		level,
				alpha;

	FinopsRequireArg(fcinfo, 1, "level");
	FinopsRequireArg(fcinfo, 2, "alpha");
	level = PG_GETARG_FLOAT8(1);
	alpha = PG_GETARG_FLOAT8(2);
	if (!(level > 0 && level < 100) || !(alpha > 0 && alpha < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("level %g or alpha %g is out of range", level, alpha),
				 errhint("A level is a coverage in percent, such as 80; alpha a probability, such as 0.01.")));
	PG_RETURN_INT32(DriftCoverageBound(n, level / 100, alpha));
}

/* finops.psi(reference, recent, bins) */
Datum
finops_psi(PG_FUNCTION_ARGS)
{
	int			n,
				m,
				bins = ForecastCountArg(fcinfo, 2, "bins", 1, 1000);
	double	   *reference = ForecastSampleArg(fcinfo, 0, "reference", &n),
			   *recent = ForecastSampleArg(fcinfo, 1, "recent", &m);
	double		result = DriftPsi(reference, n, recent, m, bins);

	if (isnan(result))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(result);
}

/* finops.ks_statistic(reference, recent) */
Datum
finops_ks_statistic(PG_FUNCTION_ARGS)
{
	int			n,
				m;
	double	   *reference = ForecastSampleArg(fcinfo, 0, "reference", &n),
			   *recent = ForecastSampleArg(fcinfo, 1, "recent", &m);
	double		result = DriftKs(reference, n, recent, m);

	if (isnan(result))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(result);
}

/* ---------------------------------------------------------------------
 * Active models
 * ---------------------------------------------------------------------
 */

/* One active model: its errors, oldest first, and its periods over the limit. */
static void
model_row(ReturnSetInfo *rsinfo, const DriftSettings *s, uint64 row)
{
	bool		isnull;
	ArrayType  *errors = DatumGetArrayTypePCopy(FinopsValue(row, 3, &isnull));
	int			n = ArrayGetNItems(ARR_NDIM(errors), ARR_DIMS(errors)),
				inside = (int) FinopsInt64(row, 4),
				over = (int) FinopsInt64(row, 5),
				bound = DriftCoverageBound(n, 0.8, s->alpha);
	double	   *z = (double *) ARR_DATA_PTR(errors);
	DriftResult cusum = DriftCusum(z, n, s->slack, s->threshold),
				ph = DriftPageHinkley(z, n, s->delta, s->lambda);
	bool		enough = n >= s->least;
	StringInfoData reasons;
	Datum		values[12];
	bool		nulls[12] = {false};

	initStringInfo(&reasons);
	if (enough && cusum.alarm_at > 0)
		appendStringInfoString(&reasons, ", cusum");
	if (enough && ph.alarm_at > 0)
		appendStringInfoString(&reasons, ", page-hinkley");
	if (enough && inside < bound)
		appendStringInfoString(&reasons, ", coverage");
	if (over >= s->rmse_periods)
		appendStringInfoString(&reasons, ", rmse");
	values[0] = CStringGetTextDatum(FinopsText(row, 1));
	values[1] = CStringGetTextDatum(FinopsText(row, 2));
	values[2] = Int32GetDatum(n);
	values[3] = Float8GetDatum(cusum.statistic);
	values[4] = Float8GetDatum(ph.statistic);
	values[5] = Float8GetDatum(DriftTrackingSignal(z, n));
	values[6] = Int32GetDatum(inside);
	values[7] = Int32GetDatum(bound);
	values[8] = FinopsValue(row, 6, &nulls[8]);
	values[9] = Int32GetDatum(over);
	values[10] = BoolGetDatum(reasons.len > 0);
	nulls[11] = reasons.len == 0;
	values[11] = nulls[11] ? (Datum) 0 : CStringGetTextDatum(reasons.data + 2);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * finops.model_drift(model_name, options): a row per active model that has
 * forecasts whose actual values are known.
 */
Datum
finops_model_drift(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FinopsSession session;
	DriftSettings s = settings_of(OptionsArg(fcinfo, 1, DRIFT_OPTIONS));
	uint64		rows;

	InitMaterializedSRF(fcinfo, 0);
	FinopsBegin(&session);
	/* 80 percent of a normal distribution lie within 2 * 1.2816 deviations */
	rows = FINOPS_RUN("WITH scored AS (SELECT p.model_id, p.model_name, p.model_version, p.origin_at, p.target_at, p.step,"
					  " p.actual - p.mean AS e, (p.actual - p.mean) / nullif((p.upper_80 - p.lower_80) / 2.5631031310892007, 0) AS z,"
					  " (p.actual BETWEEN p.lower_80 AND p.upper_80)::int AS inside,"
					  " (r.performance_metrics ->> 'rmse')::float8 AS trained"
					  " FROM forecast.prediction p JOIN @s@.tbl_ml_model_registry r ON r.model_id = p.model_id"
					  " WHERE r.status = 'ACTIVE' AND p.actual IS NOT NULL AND p.actual <> 'NaN' AND abs(p.actual) < 1e300"
					  " AND ($1 IS NULL OR p.model_name = $1)),"
					  " kept AS (SELECT * FROM (SELECT s.*, row_number() OVER (PARTITION BY s.model_id ORDER BY s.target_at DESC, s.step) AS back"
					  " FROM scored s WHERE s.z IS NOT NULL AND abs(s.z) < 1e300) AS q WHERE q.back <= 500),"
					  " period AS (SELECT s.model_id, s.origin_at, sqrt(avg(s.e * s.e)) AS rmse, min(s.trained) AS trained,"
					  " row_number() OVER (PARTITION BY s.model_id ORDER BY s.origin_at DESC) AS back FROM scored s GROUP BY 1, 2),"
					  " over_limit AS (SELECT p.model_id, min(p.rmse) FILTER (WHERE p.back = 1) / nullif(min(p.trained), 0) AS ratio,"
					  " coalesce(min(p.back) FILTER (WHERE NOT p.rmse > p.trained * (1 + $2)) - 1, count(*))::int AS periods"
					  " FROM period p GROUP BY 1)"
					  " SELECT k.model_name, k.model_version, array_agg(k.z ORDER BY k.target_at, k.step), sum(k.inside)::int8,"
					  " min(o.periods), min(o.ratio)"
					  " FROM kept k JOIN over_limit o ON o.model_id = k.model_id GROUP BY k.model_id, k.model_name, k.model_version"
					  " ORDER BY k.model_name COLLATE \"C\"",
					  PG_ARGISNULL(0) ? ARG_TEXT(NULL) : ARG_DATUM(TEXTOID, PG_GETARG_DATUM(0), false),
					  ARG_DATUM(FLOAT8OID, Float8GetDatum(s.rmse_tolerance), false));
	for (uint64 i = 0; i < rows; i++)
		model_row(rsinfo, &s, i);
	FinopsEnd(&session);
	return (Datum) 0;
}
