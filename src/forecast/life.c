/*-------------------------------------------------------------------------
 *
 * life.c
 *	  Registered models: reading their series, forecasting with the active
 *	  version, and what came of its forecasts.
 *
 * The source of a model is kept with the role that registered it and with the
 * search_path of that moment, and is read as that role, within a security
 * restricted operation: whoever retrains a model gains no right by it, and the
 * role's rights are used for no statement but its own.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/life.h"

#include "forecast/series_agg.h"
#include "forecast/source_query.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_predict);
PG_FUNCTION_INFO_V1(finops_score_predictions);
PG_FUNCTION_INFO_V1(finops_activate_model);
PG_FUNCTION_INFO_V1(finops_rollback_model);

/* ---------------------------------------------------------------------
 * Sources
 * ---------------------------------------------------------------------
 */
LifeSource
LifeFind(const char *model_name)
{
	LifeSource	found;

	if (FINOPS_RUN("SELECT s.source, s.ts_column, s.value_column, s.options::text, s.registered_by, s.search_path"
				   " FROM forecast.model_source s WHERE s.model_name = $1", ARG_TEXT(model_name)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" is not registered", FinopsQuoteForMessage(model_name)),
				 errhint("Train it with finops.train_model(name, source, ts, value).")));
	found.source = FinopsText(0, 1);
	found.ts = FinopsText(0, 2);
	found.value = FinopsText(0, 3);
	found.options = FinopsText(0, 4);
	found.owner = FinopsText(0, 5);
	found.search_path = FinopsText(0, 6);
	return found;
}

/* One statement over the source, as its owner. */
static void
read_rows(const LifeSource *source, const char *zone, MemoryContext context,
		  SeriesState **state)
{
	char	   *from = SourceFrom(source->source),
			   *at = SourceColumn(source->ts),
			   *value = SourceColumn(source->value);
	Oid			types[2];
	bool		isnull;
	Datum		datum;
	MemoryContext old;

	SourceTypes(from, psprintf("%s, %s", at, value), types, 2);
	if (SourceCheckTime(at, types[0]) != SOURCE_TIMESTAMPTZ)
		zone = NULL;
	SourceCheckNumber(value, types[1]);
	if (SPI_execute(psprintf("SELECT finops.series_state(%s, %s::pg_catalog.float8, NULL::pg_catalog.text%s) FROM %s",
							 at, value, zone == NULL ? "" : psprintf(", %s::pg_catalog.text", quote_literal_cstr(zone)),
							 from), true, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "source of a model gave no row");
	datum = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	old = MemoryContextSwitchTo(context);
	*state = isnull ? NULL : SeriesStateFrom(datum);
	MemoryContextSwitchTo(old);
}

void
LifeRead(const LifeSource *source, const char *bucket, const char *zone,
		 RegularSeries *series)
{
	MemoryContext context = CurrentMemoryContext;
	SeriesState *state;
	RegularBucket length = {0, 0, 0};
	Oid			owner = get_role_oid(source->owner, true),
				caller;
	int			sec_context,
				guc_level;

	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\", who registered the model, does not exist",
						FinopsQuoteForMessage(source->owner)),
				 errhint("Train the model again with its source, as a role that may read it.")));
	if (bucket != NULL && !RegularParseBucket(bucket, &length))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid bucket \"%s\"", FinopsQuoteForMessage(bucket)),
				 errhint("Use 'hour', 'day', 'week', 'month', 'quarter' or 'year'.")));
	GetUserIdAndSecContext(&caller, &sec_context);
	guc_level = NewGUCNestLevel();
	if (owner != caller)
		SetUserIdAndSecContext(owner, sec_context | SECURITY_RESTRICTED_OPERATION |
							   SECURITY_LOCAL_USERID_CHANGE);
	(void) set_config_option("search_path", source->search_path, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	read_rows(source, zone, context, &state);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	AtEOXact_GUC(false, guc_level);
	SetUserIdAndSecContext(caller, sec_context);
	switch (state == NULL ? REGULAR_EMPTY : SeriesFromState(state, length, series))
	{
		case REGULAR_OK:
			break;
		case REGULAR_EMPTY:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("source has no rows with a time and a value"),
					 errhint("Load data first, or correct the source.")));
			break;
		case REGULAR_TOO_LONG:
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("a series has more than %d buckets", REGULAR_MAX_LENGTH),
					 errhint("Use a longer bucket, or leave out times that are far from the others.")));
	}
	for (int i = 0; i < series->n; i++)
		if (!(fabs(series->values[i]) <= 1e300))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("observation %d of series is not a finite number below 1e300", i + 1),
					 errhint("Replace NaN and Infinity in the source.")));
}

/* ---------------------------------------------------------------------
 * Forecasts
 * ---------------------------------------------------------------------
 */
FinopsArg
LifeFloatArray(const double *values, int n)
{
	Datum	   *datums = palloc_array(Datum, Max(n, 1));
	bool	   *nulls = palloc_array(bool, Max(n, 1));
	int			dims[1] = {n},
				lbs[1] = {1};
	ArrayType  *array;

	if (n == 0)
		return ARG_DATUM(FLOAT8ARRAYOID, PointerGetDatum(construct_empty_array(FLOAT8OID)), false);
	for (int i = 0; i < n; i++)
	{
		nulls[i] = isnan(values[i]);
		datums[i] = Float8GetDatum(values[i]);
	}
	array = construct_md_array(datums, nulls, 1, dims, lbs, FLOAT8OID, sizeof(float8),
							   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	return ARG_DATUM(FLOAT8ARRAYOID, PointerGetDatum(array), false);
}

static FinopsArg
target_times(const RegularSeries *series, int h)
{
	int64		next = RegularNumber(&series->bucket, series->start) + series->n;
	Datum	   *times = palloc_array(Datum, h);

	for (int j = 0; j < h; j++)
		times[j] = TimestampGetDatum(RegularStart(&series->bucket, next + j));
	return ARG_DATUM(TIMESTAMPARRAYOID,
					 PointerGetDatum(construct_array(times, h, TIMESTAMPOID, sizeof(Timestamp),
													 FLOAT8PASSBYVAL, TYPALIGN_DOUBLE)), false);
}

int64
LifePredict(Datum model_id, const LifeModel *model, const RegularSeries *series,
			int horizon)
{
	static const double levels[2] = {80, 95};
	FcRequest	q = {.n = series->n, .m = model->season, .h = horizon, .nlevels = 2,
	.levels = levels, .interrupt = ForecastInterrupt};
	double	   *mean = palloc_array(double, 5 * (Size) horizon),
			   *lower = mean + horizon,
			   *upper = lower + 2 * (Size) horizon,
			   *columns[4];

	if (model->window > 0)
		q.n = Min(q.n, model->window);
	q.y = series->values + series->n - q.n;
	q.model = ForecastModelArg(model->name);
	ForecastRun(&q, model->name, mean, lower, upper, NULL);
	for (int i = 0; i < 4; i++)
	{
		columns[i] = palloc_array(double, horizon);
		for (int j = 0; j < horizon; j++)
			columns[i][j] = (i < 2 ? lower : upper)[2 * (Size) j + i % 2];
	}
	/* forecasts made again from the same end replace those before */
	FINOPS_RUN("DELETE FROM forecast.prediction p WHERE p.model_id = $1 AND p.origin_at = ($2::timestamp[])[1]",
			   ARG_DATUM(UUIDOID, model_id, false), target_times(series, horizon));
	return (int64) FINOPS_RUN("INSERT INTO forecast.prediction (model_id, model_name, model_version, origin_at, step, target_at,"
							  " mean, lower_80, lower_95, upper_80, upper_95)"
							  " SELECT r.model_id, r.model_name, r.model_version, ($2::timestamp[])[1], u.step, u.target_at,"
							  " u.mean, u.lower_80, u.lower_95, u.upper_80, u.upper_95"
							  " FROM unnest($2::timestamp[], $3, $4, $5, $6, $7) WITH ORDINALITY"
							  " AS u(target_at, mean, lower_80, lower_95, upper_80, upper_95, step),"
							  " @s@.tbl_ml_model_registry r WHERE r.model_id = $1",
							  ARG_DATUM(UUIDOID, model_id, false), target_times(series, horizon),
							  LifeFloatArray(mean, horizon), LifeFloatArray(columns[0], horizon),
							  LifeFloatArray(columns[1], horizon), LifeFloatArray(columns[2], horizon),
							  LifeFloatArray(columns[3], horizon));
}

/* A model's source, read from the registry in a session of its own. */
static LifeSource
find_source(const char *name)
{
	FinopsSession session;
	MemoryContext caller = CurrentMemoryContext;
	LifeSource	found;
	char	  **texts[] = {&found.source, &found.ts, &found.value, &found.options, &found.owner,
	&found.search_path};

	FinopsBegin(&session);
	found = LifeFind(name);
	for (size_t i = 0; i < lengthof(texts); i++)
		if (*texts[i] != NULL)
			*texts[i] = MemoryContextStrdup(caller, *texts[i]);
	FinopsEnd(&session);
	return found;
}

/* In a session: the active version; its id. */
static Datum
active_version(const char *name, LifeModel *model, char **bucket, char **zone)
{
	bool		isnull;

	if (FINOPS_RUN("SELECT r.model_id, r.hyperparameters ->> 'model', (r.hyperparameters ->> 'season_length')::int,"
				   " (r.hyperparameters ->> 'window')::int, (r.hyperparameters ->> 'horizon')::int,"
				   " r.hyperparameters ->> 'bucket', r.hyperparameters ->> 'time_zone'"
				   " FROM @s@.tbl_ml_model_registry r WHERE r.model_name = $1 AND r.status = 'ACTIVE'"
				   " AND r.hyperparameters ? 'model' ORDER BY r.deployment_date DESC NULLS LAST LIMIT 1", ARG_TEXT(name)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has no active version", FinopsQuoteForMessage(name)),
				 errhint("Use finops.activate_model(name, version), or train it with finops.train_model().")));
	model->name = FinopsText(0, 2);
	model->season = (int) FinopsInt64(0, 3);
	model->window = (int) FinopsInt64(0, 4);
	model->horizon = (int) FinopsInt64(0, 5);
	*bucket = FinopsText(0, 6);
	*zone = FinopsText(0, 7);
	return FinopsValue(0, 1, &isnull);
}

static char *
name_arg(FunctionCallInfo fcinfo)
{
	FinopsRequireArg(fcinfo, 0, "model_name");
	return text_to_cstring(PG_GETARG_TEXT_PP(0));
}

/* Bucket and zone of the active version, copied out of its session. */
static void
active_bucket(const char *name, char **bucket, char **zone)
{
	FinopsSession session;
	MemoryContext caller = CurrentMemoryContext;
	LifeModel	model;

	FinopsBegin(&session);
	(void) active_version(name, &model, bucket, zone);
	*bucket = *bucket == NULL ? NULL : MemoryContextStrdup(caller, *bucket);
	*zone = *zone == NULL ? NULL : MemoryContextStrdup(caller, *zone);
	FinopsEnd(&session);
}

/*
 * finops.predict(model_name, horizon): forecasts of the active version from
 * the end of its series, stored and returned.
 */
Datum
finops_predict(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *name = name_arg(fcinfo),
			   *bucket,
			   *zone;
	LifeSource	source;
	LifeModel	model;
	RegularSeries series;
	Datum		model_id;
	int64		origin;
	int			horizon = PG_ARGISNULL(1) ? 0 : ForecastCountArg(fcinfo, 1, "horizon", 1, FC_MAX_HORIZON);

	FinopsRequireFeature(FINOPS_FORECASTING);
	FinopsRequireWritable("finops.predict()");
	source = find_source(name);
	active_bucket(name, &bucket, &zone);
	LifeRead(&source, bucket, zone, &series);
	FinopsBegin(&session);
	FINOPS_RUN0("LOCK TABLE forecast.prediction IN SHARE ROW EXCLUSIVE MODE");
	model_id = active_version(name, &model, &bucket, &zone);
	origin = RegularStart(&series.bucket, RegularNumber(&series.bucket, series.start) + series.n);
	(void) LifePredict(model_id, &model, &series, horizon > 0 ? horizon : model.horizon);
	FINOPS_RUN("SELECT p.model_version, p.step, p.target_at, p.mean, p.lower_80, p.upper_80, p.lower_95, p.upper_95"
			   " FROM forecast.prediction p WHERE p.model_id = $1 AND p.origin_at = $2 ORDER BY p.step",
			   ARG_DATUM(UUIDOID, model_id, false),
			   ARG_DATUM(TIMESTAMPOID, TimestampGetDatum(origin), false));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.score_predictions(model_name): puts what came beside what was
 * forecast, for all versions; returns how many actual values are new or were
 * restated.
 */
Datum
finops_score_predictions(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *name = name_arg(fcinfo),
			   *bucket,
			   *zone;
	LifeSource	source;
	RegularSeries series;
	int64		changed;

	FinopsRequireWritable("finops.score_predictions()");
	source = find_source(name);
	active_bucket(name, &bucket, &zone);
	LifeRead(&source, bucket, zone, &series);
	FinopsBegin(&session);
	changed = (int64) FINOPS_RUN("UPDATE forecast.prediction p SET actual = v.value"
								 " FROM unnest($2) WITH ORDINALITY AS v(value, at)"
								 " WHERE p.model_name = $1 AND p.target_at = $3 + (v.at - 1) * $4"
								 " AND p.actual IS DISTINCT FROM v.value",
								 ARG_TEXT(name), LifeFloatArray(series.values, series.n),
								 ARG_DATUM(TIMESTAMPOID, TimestampGetDatum(series.start), false),
								 ARG_DATUM(INTERVALOID, SeriesBucketInterval(&series.bucket), false));
	FinopsEnd(&session);
	PG_RETURN_INT64(changed);
}

/* ---------------------------------------------------------------------
 * Versions
 * ---------------------------------------------------------------------
 */

/* In a session: this version becomes the active one. */
static void
activate(const FinopsSession *session, const char *name, const char *version,
		 const char *action)
{
	FINOPS_RUN("UPDATE @s@.tbl_ml_model_registry r SET status = 'DEPRECATED', last_updated = clock_timestamp()"
			   " WHERE r.model_name = $1 AND r.status = 'ACTIVE' AND r.model_version <> $2",
			   ARG_TEXT(name), ARG_TEXT(version));
	FINOPS_RUN("UPDATE @s@.tbl_ml_model_registry r SET status = 'ACTIVE', deployment_date = clock_timestamp(),"
			   " last_updated = clock_timestamp() WHERE r.model_name = $1 AND r.model_version = $2",
			   ARG_TEXT(name), ARG_TEXT(version));
	FINOPS_RUN("SELECT jsonb_build_object('version', $1)::text", ARG_TEXT(version));
	FinopsAudit(session, action, "model", name, FinopsText(0, 1));
}

/* finops.activate_model(model_name, version): the version before, or NULL */
Datum
finops_activate_model(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *name = name_arg(fcinfo),
			   *version,
			   *before;
	MemoryContext caller = CurrentMemoryContext;

	FinopsRequireArg(fcinfo, 1, "version");
	FinopsRequireWritable("finops.activate_model()");
	version = text_to_cstring(PG_GETARG_TEXT_PP(1));
	FinopsBegin(&session);
	FINOPS_RUN0("LOCK TABLE @s@.tbl_ml_model_registry IN SHARE ROW EXCLUSIVE MODE");
	FINOPS_RUN("SELECT count(*) FILTER (WHERE r.model_version = $2 AND r.status <> 'FAILED'),"
			   " string_agg(r.model_version, ', ' ORDER BY r.training_date DESC) FILTER (WHERE r.status <> 'FAILED'),"
			   " min(r.model_version) FILTER (WHERE r.status = 'ACTIVE')"
			   " FROM @s@.tbl_ml_model_registry r WHERE r.model_name = $1",
			   ARG_TEXT(name), ARG_TEXT(version));
	if (FinopsInt64(0, 1) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" has no version \"%s\" that can be activated",
						FinopsQuoteForMessage(name), FinopsQuoteForMessage(version)),
				 errhint("It has: %s.", FinopsText(0, 2) == NULL ? "none" : FinopsQuoteForMessage(FinopsText(0, 2)))));
	before = FinopsText(0, 3) == NULL ? NULL : MemoryContextStrdup(caller, FinopsText(0, 3));
	activate(&session, name, version, "activate_model");
	FinopsEnd(&session);
	if (before == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(before));
}

/*
 * finops.rollback_model(model_name): the version that was deployed before the
 * active one becomes active again; returns it.
 */
Datum
finops_rollback_model(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *name = name_arg(fcinfo),
			   *version;
	MemoryContext caller = CurrentMemoryContext;

	FinopsRequireWritable("finops.rollback_model()");
	FinopsBegin(&session);
	FINOPS_RUN0("LOCK TABLE @s@.tbl_ml_model_registry IN SHARE ROW EXCLUSIVE MODE");
	if (FINOPS_RUN("SELECT r.model_version FROM @s@.tbl_ml_model_registry r WHERE r.model_name = $1"
				   " AND r.status = 'DEPRECATED' AND r.deployment_date IS NOT NULL"
				   " ORDER BY r.deployment_date DESC, r.model_version DESC LIMIT 1", ARG_TEXT(name)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has no earlier version to go back to", FinopsQuoteForMessage(name)),
				 errhint("Name a version with finops.activate_model(name, version).")));
	version = MemoryContextStrdup(caller, FinopsText(0, 1));
	/* going back once more does not return to the version that is left */
	FINOPS_RUN("UPDATE @s@.tbl_ml_model_registry r SET deployment_date = NULL"
			   " WHERE r.model_name = $1 AND r.status = 'ACTIVE'", ARG_TEXT(name));
	activate(&session, name, version, "rollback_model");
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(cstring_to_text(version));
}
