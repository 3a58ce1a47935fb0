/*-------------------------------------------------------------------------
 *
 * feature.c
 *	  Functions that an administrator may switch off: those that cost money
 *	  outside, or that a site does not want to offer.
 *
 * Each feature is a setting of its own, so that ALTER DATABASE and ALTER ROLE
 * say where and for whom.  What is off raises 55000 at its entry; jobs ask
 * first and do nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

PG_FUNCTION_INFO_V1(finops_feature_enabled);
PG_FUNCTION_INFO_V1(finops_require_feature);
PG_FUNCTION_INFO_V1(finops_feature_flags);

bool		finops_enable[FINOPS_FEATURES];

/* In the order of FinopsFeature, which is that of the alphabet. */
static const struct
{
	const char *name;
	const char *what;			/* of which a message says that it is switched off */
	const char *functions;
}			features[FINOPS_FEATURES] = {
	{"advanced_filters", "filtering by an expression", "finops.fetch_cost_explorer with a filter"},
	{"anomaly_detection", "detection of anomalies", "finops.detect_anomalies, job anomalies"},
	{"athena", "Athena", "finops.athena_query, finops.fetch_athena_history"},
	{"cost_explorer", "Cost Explorer", "finops.fetch_cost_explorer"},
	{"custom_date_ranges", "a range of dates that is not of whole months",
	"finops.fetch_cost_explorer from or to the middle of a month"},
	{"data_export", "export of data", "finops.export_focus, finops.journal_csv"},
	{"forecasting", "forecasting",
		"finops.forecast, finops.forecast_table, finops.cost_forecast, finops.recalc_forecast, finops.train_model,"
	" finops.predict; jobs forecast, retraining, model-maintenance"},
};

void
FinopsRequireFeature(FinopsFeature feature)
{
	if (finops_enable[feature])
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s is switched off", features[feature].what),
			 errhint("An administrator switches it on with ALTER DATABASE ... SET finops.enable_%s = on.",
					 features[feature].name)));
}

static FinopsFeature
feature_arg(FunctionCallInfo fcinfo)
{
	char	   *name;

	FinopsRequireArg(fcinfo, 0, "feature");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	for (int i = 0; i < FINOPS_FEATURES; i++)
		if (strcmp(features[i].name, name) == 0)
			return (FinopsFeature) i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no feature \"%s\"", FinopsQuoteForMessage(name)),
			 errhint("SELECT * FROM finops.feature_flags() lists them.")));
}

/* finops.feature_enabled(feature text) returns boolean.  Errors: 22004, 22023. */
Datum
finops_feature_enabled(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(finops_enable[feature_arg(fcinfo)]);
}

/* finops.require_feature(feature text) returns void.  Errors: 22004, 22023; 55000 where it is off. */
Datum
finops_require_feature(PG_FUNCTION_ARGS)
{
	FinopsRequireFeature(feature_arg(fcinfo));
	PG_RETURN_VOID();
}

/* finops.feature_flags() -> TABLE(feature text, enabled boolean, setting text, functions text) */
Datum
finops_feature_flags(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < FINOPS_FEATURES; i++)
	{
		bool		nulls[4] = {false};
		Datum		values[4] = {
			CStringGetTextDatum(features[i].name),
			BoolGetDatum(finops_enable[i]),
			CStringGetTextDatum(psprintf("finops.enable_%s", features[i].name)),
			CStringGetTextDatum(features[i].functions)
		};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
