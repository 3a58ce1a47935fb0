/*-------------------------------------------------------------------------
 *
 * training.c
 *	  finops.train_model: the best of a grid of models by backtest, registered
 *	  as a new version.
 *
 * The grid is models x windows (newest observations used); every combination
 * forecasts from the same origins, and the one with the least criterion wins,
 * the first in the grid among equals.  The active version's settings are in
 * the grid, so that a new version is no worse by the backtest.  The gate
 * decides whether it may be activated; one that fails is kept as FAILED.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/jsonb_options.h"
#include "forecast/life.h"
#include "forecast/series_agg.h"
#include "forecast/source_query.h"

#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_train_model);

#define TRAIN_OPTIONS \
	"activate, bucket, criterion, folds, horizon, max_mape, max_rmse_ratio, models, season_length, time_zone, windows"
#define MAX_GRID	200

static const char *const criteria[] = {"rmse", "mae", "mape", "smape", "wape", "mase", "crps"};
static const int criterion_measure[] = {
	BACKTEST_RMSE, BACKTEST_MAE, BACKTEST_MAPE, BACKTEST_SMAPE, BACKTEST_WAPE, BACKTEST_MASE, BACKTEST_CRPS
};

typedef struct Candidate
{
	char	   *model;
	int			window;			/* 0: all */
	bool		known;
	double		score;			/* the criterion */
	BacktestSums sums;			/* over all steps */
	BacktestSums *by_fold;
} Candidate;

typedef struct Training
{
	char	   *name;
	char	   *source;			/* as stored: a relation is qualified */
	LifeSource	from;
	bool		given;			/* the source is an argument */
	char	   *options_text;
	char	   *bucket;
	char	   *zone;
	int			criterion;
	bool		activate;
	double		max_rmse_ratio; /* NaN: no gate, as below */
	double		max_mape;
	RegularSeries series;
	BacktestSpec spec;
	Candidate	grid[MAX_GRID];
	int			size;
	Candidate	naive;
	int			best;
} Training;

/* ---------------------------------------------------------------------
 * Options
 * ---------------------------------------------------------------------
 */
static void
add_candidate(Training *t, const char *model, int window)
{
	for (int i = 0; i < t->size; i++)
		if (pg_strcasecmp(t->grid[i].model, model) == 0 && t->grid[i].window == window)
			return;
	if (t->size >= MAX_GRID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("more than %d combinations of models and windows", MAX_GRID),
				 errhint("Name fewer models or windows.")));
	(void) ForecastModelArg(model);
	t->grid[t->size].model = pstrdup(model);
	t->grid[t->size].window = window;
	t->size++;
}

static void
read_grid(Training *t, Jsonb *options)
{
	static const char *const usual[] = {"auto", "ets", "theta", "dotm", "damped", "seasonal_naive", "naive"};
	int			nmodels,
				nwindows;
	char	  **models = OptionTexts(options, "models", &nmodels);
	double	   *windows = OptionNumbers(options, "windows", &nwindows);

	if (models == NULL || nmodels == 0)
	{
		models = (char **) usual;
		nmodels = lengthof(usual);
	}
	for (int i = 0; i < nmodels; i++)
	{
		if (windows == NULL || nwindows == 0)
			add_candidate(t, models[i], 0);
		for (int j = 0; j < nwindows; j++)
		{
			if (!(windows[j] >= 0 && windows[j] <= FC_MAX_FIT && windows[j] == floor(windows[j])))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("window %g is not a whole number from 0 to %d", windows[j], FC_MAX_FIT),
						 errhint("A window is how many of the newest observations are used; 0: all.")));
			add_candidate(t, models[i], (int) windows[j]);
		}
	}
}

/* The source as the argument has it, or as it was registered. */
static void
read_source(FunctionCallInfo fcinfo, Training *t)
{
	FinopsSession session;
	MemoryContext caller = CurrentMemoryContext;
	LifeSource	found;

	t->given = !PG_ARGISNULL(1);
	if (t->given)
	{
		FinopsRequireArg(fcinfo, 2, "ts");
		FinopsRequireArg(fcinfo, 3, "value");
		t->from.source = text_to_cstring(PG_GETARG_TEXT_PP(1));
		t->from.ts = text_to_cstring(PG_GETARG_TEXT_PP(2));
		t->from.value = text_to_cstring(PG_GETARG_TEXT_PP(3));
		t->from.owner = GetUserNameFromId(GetUserId(), false);
		/* a temporary table of whoever retrains must not stand in for a name */
		t->from.search_path = psprintf("%s, pg_temp", GetConfigOption("search_path", false, false));
		return;
	}
	FinopsBegin(&session);
	found = LifeFind(t->name);
	t->from.source = MemoryContextStrdup(caller, found.source);
	t->from.ts = MemoryContextStrdup(caller, found.ts);
	t->from.value = MemoryContextStrdup(caller, found.value);
	t->from.owner = MemoryContextStrdup(caller, found.owner);
	t->from.search_path = MemoryContextStrdup(caller, found.search_path);
	t->options_text = found.options == NULL ? NULL : MemoryContextStrdup(caller, found.options);
	FinopsEnd(&session);
}

static void
read_options(Training *t, Jsonb *options)
{
	int			folds;
	RegularSeries *s = &t->series;

	t->bucket = OptionText(options, "bucket", NULL);
	t->zone = OptionText(options, "time_zone", NULL);
	t->criterion = OptionChoice(options, "criterion", criteria, lengthof(criteria), 0);
	t->activate = OptionBool(options, "activate", true);
	t->max_rmse_ratio = OptionNumber(options, "max_rmse_ratio", NAN, 0, 1e9);
	t->max_mape = OptionNumber(options, "max_mape", NAN, 0, 1e9);
	read_grid(t, options);
	LifeRead(&t->from, t->bucket, t->zone, s);
	t->spec.y = s->values;
	t->spec.n = s->n;
	t->spec.longest = t->spec.stride = OptionInt(options, "horizon", Max(s->season, 1) > 60 ? 60 : Max(s->season, 1), 1, FC_MAX_HORIZON);
	t->spec.m = OptionInt(options, "season_length", s->season, 1, 1000000);
	/* as many folds as leave five observations, up to five */
	folds = Min((s->n - 5) / t->spec.longest, 5);
	t->spec.folds = OptionInt(options, "folds", Max(folds, 1), 1, 1000);
	BacktestCheck(&t->spec);
}

/* ---------------------------------------------------------------------
 * Search
 * ---------------------------------------------------------------------
 */
static void
judge(Training *t, Candidate *c)
{
	BacktestSpec spec = t->spec;
	FcModel		model = ForecastModelArg(c->model);

	spec.window = c->window;
	/* a window that the first fold does not have is all of it */
	if (spec.window > BacktestOrigin(&spec, 1))
		spec.window = 0;
	c->by_fold = palloc_array(BacktestSums, spec.folds);
	c->known = BacktestModel(&spec, &model, &c->sums, c->by_fold) == FC_OK &&
		BacktestMeasure(&c->sums, criterion_measure[t->criterion], &c->score);
}

static void
search(Training *t)
{
	t->best = -1;
	for (int i = 0; i < t->size; i++)
	{
		judge(t, &t->grid[i]);
		if (t->grid[i].known && (t->best < 0 || t->grid[i].score < t->grid[t->best].score))
			t->best = i;
	}
	if (t->best < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no model of the grid suits the series of %d observations", t->spec.n),
				 errhint("Use model 'auto', fewer folds, or another criterion when all values are 0.")));
	t->naive.model = t->spec.m > 1 ? "seasonal_naive" : "naive";
	judge(t, &t->naive);
}

static double
rmse_ratio(const Training *t)
{
	double		own = 0,
				base = 0;

	(void) BacktestMeasure(&t->grid[t->best].sums, BACKTEST_RMSE, &own);
	if (!t->naive.known || !BacktestMeasure(&t->naive.sums, BACKTEST_RMSE, &base))
		return NAN;
	return base > 0 ? own / base : (own == 0 ? 1 : NAN);
}

static bool
passes_gate(const Training *t)
{
	double		mape;

	if (!isnan(t->max_rmse_ratio) && !(rmse_ratio(t) <= t->max_rmse_ratio))
		return false;
	if (!isnan(t->max_mape) &&
		!(BacktestMeasure(&t->grid[t->best].sums, BACKTEST_MAPE, &mape) && mape <= t->max_mape))
		return false;
	return true;
}

/* ---------------------------------------------------------------------
 * Registration
 * ---------------------------------------------------------------------
 */
static void
append_measure(StringInfo json, const char *name, const BacktestSums *sums, int measure)
{
	double		x;

	if (BacktestMeasure(sums, measure, &x) && isfinite(x))
		appendStringInfo(json, ", \"%s\": %.15g", name, x);
	else
		appendStringInfo(json, ", \"%s\": null", name);
}

static char *
metrics_json(const Training *t)
{
	static const struct
	{
		const char *name;
		int			measure;
	}			shown[] = {
		{"rmse", BACKTEST_RMSE}, {"mae", BACKTEST_MAE}, {"mape", BACKTEST_MAPE}, {"smape", BACKTEST_SMAPE},
		{"wape", BACKTEST_WAPE}, {"mase", BACKTEST_MASE}, {"rmsse", BACKTEST_RMSSE}, {"crps", BACKTEST_CRPS},
		{"msis", BACKTEST_MSIS}, {"coverage_80", BACKTEST_COVERAGE_80}, {"coverage_95", BACKTEST_COVERAGE_95},
		{"bias", BACKTEST_BIAS}, {"directional_accuracy", BACKTEST_DIRECTION}, {"r2", BACKTEST_R2}
	};
	const Candidate *best = &t->grid[t->best];
	double		ratio = rmse_ratio(t);
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"folds\": %d, \"horizon\": %d, \"observations\": %d, \"gaps\": %d, \"criterion\": \"%s\"",
					 t->spec.folds, t->spec.longest, t->spec.n, t->series.gaps, criteria[t->criterion]);
	for (size_t i = 0; i < lengthof(shown); i++)
		append_measure(&json, shown[i].name, &best->sums, shown[i].measure);
	if (isfinite(ratio))
		appendStringInfo(&json, ", \"rmse_ratio\": %.15g", ratio);
	appendStringInfoString(&json, ", \"candidates\": [");
	for (int i = 0; i < t->size; i++)
	{
		appendStringInfo(&json, "%s{\"model\": ", i > 0 ? ", " : "");
		escape_json(&json, t->grid[i].model);
		appendStringInfo(&json, ", \"window\": %d", t->grid[i].window);
		if (t->grid[i].known && isfinite(t->grid[i].score))
			appendStringInfo(&json, ", \"%s\": %.15g}", criteria[t->criterion], t->grid[i].score);
		else
			appendStringInfoString(&json, ", \"error\": \"does not suit the series\"}");
	}
	appendStringInfoString(&json, "]}");
	return json.data;
}

static char *
parameters_json(const Training *t)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"model\": ");
	escape_json(&json, t->grid[t->best].model);
	appendStringInfo(&json, ", \"window\": %d, \"season_length\": %d, \"horizon\": %d, \"bucket\": ",
					 t->grid[t->best].window, t->spec.m, t->spec.longest);
	/* the bucket that was used, so that forecasts go on with it */
	if (t->series.bucket.months > 0)
		appendStringInfo(&json, "\"%d months\"", t->series.bucket.months);
	else if (t->series.bucket.days > 0)
		appendStringInfo(&json, "\"%d days\"", t->series.bucket.days);
	else
		appendStringInfo(&json, "\"%lld minutes\"", (long long) (t->series.bucket.micros / 60000000));
	appendStringInfoString(&json, ", \"time_zone\": ");
	if (t->zone == NULL)
		appendStringInfoString(&json, "null}");
	else
	{
		escape_json(&json, t->zone);
		appendStringInfoChar(&json, '}');
	}
	return json.data;
}

/* Start of the bucket of an observation, as a day. */
static FinopsArg
day_of(const Training *t, int observation)
{
	int64		number = RegularNumber(&t->series.bucket, t->series.start) + observation,
				at = RegularStart(&t->series.bucket, number);

	return ARG_DATE((DateADT) (at / USECS_PER_DAY - (at % USECS_PER_DAY < 0)));
}

static FinopsArg
measure_arg(const BacktestSums *sums, int measure)
{
	double		x = 0;
	bool		known = BacktestMeasure(sums, measure, &x);

	return ARG_DATUM(FLOAT8OID, Float8GetDatum(x), !known);
}

/* The run and its folds. */
static Datum
write_run(const Training *t, const char *version, const char *metrics, bool passed)
{
	const Candidate *best = &t->grid[t->best];
	const RegularBucket *bucket = &t->series.bucket;
	double		days = bucket->months * 30.4 + bucket->days + (double) bucket->micros / USECS_PER_DAY;
	bool		isnull;
	Datum		run_id;

	FINOPS_RUN("INSERT INTO forecast.run (run_name, as_of, horizon_months, model, status, metrics, finished_at)"
			   " VALUES (format('Train_%s_%s', $1, $2), $3, greatest(1, ($4 / 30.4)::int), $5, $6, $7::jsonb, clock_timestamp()) RETURNING run_id",
			   ARG_TEXT(t->name), ARG_TEXT(version), day_of(t, t->spec.n),
			   ARG_DATUM(FLOAT8OID, Float8GetDatum(t->spec.longest * days), false),
			   ARG_TEXT(best->model), ARG_TEXT(passed ? "completed" : "failed"), ARG_TEXT(metrics));
	run_id = FinopsValue(0, 1, &isnull);
	for (int fold = 1; fold <= t->spec.folds; fold++)
	{
		int			origin = BacktestOrigin(&t->spec, fold);
		const BacktestSums *sums = &best->by_fold[fold - 1];
		double		rmse = 0;

		(void) BacktestMeasure(sums, BACKTEST_RMSE, &rmse);
		FINOPS_RUN("INSERT INTO forecast.backtest (run_id, fold, train_start, train_end, test_start, test_end,"
				   " mse, rmse, mae, mape, r2, directional_accuracy, bias)"
				   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
				   ARG_DATUM(UUIDOID, run_id, false), ARG_INT4(fold),
				   day_of(t, best->window > 0 ? Max(origin - best->window, 0) : 0), day_of(t, origin - 1),
				   day_of(t, origin), day_of(t, origin + t->spec.longest - 1),
				   ARG_DATUM(FLOAT8OID, Float8GetDatum(rmse * rmse), false), measure_arg(sums, BACKTEST_RMSE),
				   measure_arg(sums, BACKTEST_MAE), measure_arg(sums, BACKTEST_MAPE),
				   measure_arg(sums, BACKTEST_R2),
				   measure_arg(sums, BACKTEST_DIRECTION), measure_arg(sums, BACKTEST_BIAS));
	}
	return run_id;
}

/* In a session: the active version's settings join the grid. */
static void
add_active(Training *t)
{
	FinopsSession session;
	MemoryContext caller = CurrentMemoryContext;
	char	   *model = NULL;
	int			window = 0;

	FinopsBegin(&session);
	if (FINOPS_RUN("SELECT r.hyperparameters ->> 'model', (r.hyperparameters ->> 'window')::int"
				   " FROM @s@.tbl_ml_model_registry r WHERE r.model_name = $1 AND r.status = 'ACTIVE'"
				   " AND r.hyperparameters ? 'model' LIMIT 1", ARG_TEXT(t->name)) > 0)
	{
		model = MemoryContextStrdup(caller, FinopsText(0, 1));
		window = (int) FinopsInt64(0, 2);
	}
	FinopsEnd(&session);
	if (model != NULL && t->size < MAX_GRID)
		add_candidate(t, model, window);
}

static void
write_source(const Training *t)
{
	if (!t->given)
		return;
	FINOPS_RUN("INSERT INTO forecast.model_source (model_name, source, ts_column, value_column, options, registered_by, search_path)"
			   " VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7) ON CONFLICT (model_name) DO UPDATE SET"
			   " (source, ts_column, value_column, options, registered_by, search_path, registered_at)"
			   " = (excluded.source, excluded.ts_column, excluded.value_column, excluded.options, excluded.registered_by,"
			   " excluded.search_path, clock_timestamp())",
			   ARG_TEXT(t->name), ARG_TEXT(t->from.source), ARG_TEXT(t->from.ts), ARG_TEXT(t->from.value),
			   ARG_TEXT(t->options_text), ARG_TEXT(t->from.owner), ARG_TEXT(t->from.search_path));
}

/* In a session: a new version with its run, folds and first forecasts. */
static void
register_version(const FinopsSession *session, Training *t)
{
	const Candidate *best = &t->grid[t->best];
	char	   *metrics = metrics_json(t),
			   *version;
	bool		passed = passes_gate(t),
				isnull;
	double		wape;
	bool		wape_known = BacktestMeasure(&best->sums, BACKTEST_WAPE, &wape);
	Datum		model_id,
				run_id;
	LifeModel	model = {best->model, t->spec.m, best->window, t->spec.longest};

	FINOPS_RUN0("LOCK TABLE @s@.tbl_ml_model_registry IN SHARE ROW EXCLUSIVE MODE");
	write_source(t);
	FINOPS_RUN("SELECT 'v' || coalesce(max(substring(r.model_version FROM '^v(\\d{1,9})$')::int), 0) + 1"
			   " FROM @s@.tbl_ml_model_registry r WHERE r.model_name = $1", ARG_TEXT(t->name));
	version = FinopsText(0, 1);
	if (passed && t->activate)
		FINOPS_RUN("UPDATE @s@.tbl_ml_model_registry r SET status = 'DEPRECATED', last_updated = clock_timestamp()"
				   " WHERE r.model_name = $1 AND r.status = 'ACTIVE'", ARG_TEXT(t->name));
	FINOPS_RUN("INSERT INTO @s@.tbl_ml_model_registry (model_name, model_type, model_version, status, accuracy_score,"
			   " performance_metrics, hyperparameters, training_date, deployment_date, last_updated)"
			   " VALUES ($1, 'forecast', $2, $3, $4, $5::jsonb, $6::jsonb, clock_timestamp(),"
			   " CASE WHEN $3 = 'ACTIVE' THEN clock_timestamp() END, clock_timestamp()) RETURNING model_id",
			   ARG_TEXT(t->name), ARG_TEXT(version),
			   ARG_TEXT(!passed ? "FAILED" : t->activate ? "ACTIVE" : "DEPRECATED"),
			   ARG_DATUM(FLOAT8OID, Float8GetDatum(wape_known ? Max(1 - wape / 100, 0) : 0), !wape_known),
			   ARG_TEXT(metrics), ARG_TEXT(parameters_json(t)));
	model_id = FinopsValue(0, 1, &isnull);
	run_id = write_run(t, version, metrics, passed);
	if (passed)
		(void) LifePredict(model_id, &model, &t->series, t->spec.longest);
	FINOPS_RUN("SELECT jsonb_build_object('version', $1, 'model', $2, 'passed', $3)::text",
			   ARG_TEXT(version), ARG_TEXT(best->model), ARG_BOOL(passed));
	FinopsAudit(session, "train_model", "model", t->name, FinopsText(0, 1));
	FINOPS_RUN("SELECT r.model_id, r.model_version, r.status, r.hyperparameters ->> 'model', (r.hyperparameters ->> 'window')::int,"
			   " (r.performance_metrics ->> 'rmse')::float8, (r.performance_metrics ->> 'mape')::float8,"
			   " (r.performance_metrics ->> 'mase')::float8, (r.performance_metrics ->> 'rmse_ratio')::float8,"
			   " jsonb_array_length(r.performance_metrics -> 'candidates'), $2"
			   " FROM @s@.tbl_ml_model_registry r WHERE r.model_id = $1",
			   ARG_DATUM(UUIDOID, model_id, false), ARG_DATUM(UUIDOID, run_id, false));
}

/*
 * finops.train_model(model_name, source, ts, value, options): one row about
 * the new version.  source NULL: as registered, with the options of then
 * unless some are given.
 */
Datum
finops_train_model(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	Training   *t = palloc0(sizeof(Training));
	Jsonb	   *options = OptionsArg(fcinfo, 4, TRAIN_OPTIONS);

	FinopsRequireArg(fcinfo, 0, "model_name");
	FinopsRequireFeature(FINOPS_FORECASTING);
	FinopsRequireWritable("finops.train_model()");
	t->name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (t->name[0] == '\0' || strlen(t->name) > 200)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a model name has 1 to 200 bytes"),
				 errhint("Name it after what it forecasts, such as 'daily_cost'.")));
	read_source(fcinfo, t);
	if (options != NULL)
		t->options_text = JsonbToCString(NULL, &options->root, VARSIZE(options));
	else if (t->options_text != NULL)
		options = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(t->options_text)));
	read_options(t, options);
	add_active(t);
	search(t);
	FinopsBegin(&session);
	register_version(&session, t);
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
