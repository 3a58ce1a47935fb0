/*-------------------------------------------------------------------------
 *
 * check_forecasts.c
 *	  finops.check_forecasts: alarms forecast-outlier and rmse-drift.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(finops_check_forecasts);

/*
 * finops.check_forecasts(since): rows (alarm, model_name, severity, key,
 * detail); each is posted to the outbox once.
 */
Datum
finops_check_forecasts(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		since;

	FinopsRequireArg(fcinfo, 0, "since");
	FinopsRequireWritable("finops.check_forecasts()");
	since = PG_GETARG_DATEADT(0);
	FinopsBegin(&session);
	FINOPS_RUN("UPDATE @s@.tbl_ml_model_registry r SET drift_score = d.drift_score, last_updated = clock_timestamp()"
			   " FROM (SELECT m.model_of AS model_name, m.model_version, greatest(m.cusum / 8, m.page_hinkley / 12) AS drift_score"
			   " FROM finops.model_drift() AS m) AS d"
			   " WHERE r.model_name = d.model_name AND r.model_version = d.model_version"
			   " AND r.drift_score IS DISTINCT FROM d.drift_score AND $1 IS NOT NULL", ARG_DATE(since));
	FINOPS_STAGE("alarms",
				 "SELECT 'rmse-drift'::text AS alarm, m.model_of AS model_name, 'warning'::text AS severity,"
				 " concat_ws('/', m.model_of, m.model_version, m.reasons) AS key,"
				 " jsonb_build_object('model', m.model_of, 'version', m.model_version, 'reasons', m.reasons,"
				 " 'rmse_ratio', m.rmse_ratio, 'periods_over', m.periods_over, 'observations', m.observations) AS detail"
				 " FROM finops.model_drift() AS m WHERE m.drifted"
				 " UNION ALL SELECT 'forecast-outlier', o.model_name, CASE o.severity WHEN 'high' THEN 'critical' ELSE 'warning' END,"
				 " concat_ws('/', o.model_name, to_char(o.target_at, 'YYYY-MM-DD\"T\"HH24:MI')),"
				 " jsonb_build_object('model', o.model_name, 'version', o.model_version, 'at', o.target_at, 'actual', o.actual,"
				 " 'forecast', o.mean, 'z', o.z, 'deviation_pct', o.deviation_pct)"
				 " FROM forecast.outlier o WHERE o.target_at >= $1", ARG_DATE(since));
	FINOPS_RUN0("INSERT INTO finops.outbox (topic, dedup_key, severity, payload)"
				" SELECT a.alarm, a.key, a.severity, a.detail FROM alarms a"
				" ON CONFLICT (topic, dedup_key) DO NOTHING");
	FINOPS_RUN0("SELECT a.alarm, a.model_name, a.severity, a.key, a.detail FROM alarms a ORDER BY a.alarm COLLATE \"C\", a.key COLLATE \"C\"");
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
