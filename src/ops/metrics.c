/*-------------------------------------------------------------------------
 *
 * metrics.c
 *	  finops.prometheus_metrics and finops.metric_samples.
 *
 * A collector is one statement whose rows are samples of a few families:
 * family, suffix (_sum and _count of a summary), labels as names and values
 * in turn, value.  Statements read what is indexed or small, so that a scrape
 * takes milliseconds whatever the size of a bill; what is counted by tenant
 * or line is the business of reports.  Names are those of the runbook where
 * it has one, finops_* otherwise; the units are base units.
 *
 * Counters never fall: request_total.c keeps what is deleted.  A restore of
 * the server's statistics, a crash say, lets connection errors start anew,
 * as a restart of a program does.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/health.h"

#include "catalog/pg_type.h"
#include "ops/exposition.h"
#include "utils/array.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(finops_metric_samples);
PG_FUNCTION_INFO_V1(finops_prometheus_metrics);

typedef struct Family
{
	const char *name;
	const char *type;			/* counter, gauge or summary */
	const char *help;
} Family;

typedef struct Sample
{
	const char *family;
	const char *suffix;
	double		value;
	const char **labels;		/* name and value in turn */
	int			nlabels;
} Sample;

#define FAMILIES	8

typedef struct Collector
{
	const char *sql;			/* NULL: health, or the disk where it is not named so */
	Family		families[FAMILIES];
} Collector;

/* Quantiles of $1 over the rows of a query, and NaN without rows. */
#define QUANTILES(family, value, rows) \
	"SELECT '" family "', '', ARRAY['quantile', q.q::text], coalesce(p.v[q.n], 'NaN')" \
	" FROM unnest('{0.5,0.95,0.99}'::numeric[]) WITH ORDINALITY AS q(q, n)," \
	" (SELECT percentile_cont('{0.5,0.95,0.99}'::float8[])" \
	"  WITHIN GROUP (ORDER BY (" value ")::float8) AS v FROM " rows ") p"

/* Rows of api_metrics of the last five minutes. */
#define LATELY(api) \
	"@s@.api_metrics m WHERE m.created_at > now() - interval '5 minutes'" \
	" AND finops.request_api(m.endpoint) = '" api "'"

#define OVER_REQUESTS(family) \
	" UNION ALL SELECT '" family "', '_sum', NULL, coalesce(sum(c.response_ms), 0)::float8 / 1000" \
	" FROM c" \
	" UNION ALL SELECT '" family "', '_count', NULL, coalesce(sum(c.requests), 0)::float8 FROM c"

#define OVER_FINISHED(family, column, unit) \
	" UNION ALL SELECT '" family "', '_sum', NULL," \
	" coalesce(sum(c." column "), 0)::float8 / " unit " FROM c" \
	" UNION ALL SELECT '" family "', '_count', NULL, coalesce(sum(c.queries), 0)::float8 FROM c"

#define ATHENA_COST \
	"finops.athena_scan_cost(a.status, a.data_scanned_in_bytes, a.scan_cost_usd)"

#define LAST_HOUR \
	"@s@.athena_query_executions a WHERE a.creation_time > now() - interval '1 hour'" \
	" AND a.status IN ('SUCCEEDED', 'FAILED', 'CANCELLED')"

static const Collector collectors[] = {
	{"WITH c AS MATERIALIZED (SELECT * FROM finops.request_count r WHERE r.api = 'dashboard')"
		/* the first failure of a kind is an increase, too */
		" SELECT 'dashboard_http_requests_total', '', ARRAY['status', coalesce(c.status, s.status)],"
		" coalesce(c.requests, 0)::float8"
		" FROM c FULL JOIN unnest('{200,429,500,502,503,504}'::text[]) AS s(status) ON s.status ="
		" c.status"
		" UNION ALL "
		QUANTILES("dashboard_http_request_duration_seconds", "m.response_time_ms / 1000",
		LATELY("dashboard"))
		OVER_REQUESTS("dashboard_http_request_duration_seconds"),
		{{"dashboard_http_requests_total", "counter", "Requests to the dashboard by HTTP status; none:"
		" no answer"},
			{"dashboard_http_request_duration_seconds", "summary",
			"Duration of requests to the dashboard; quantiles of the last five minutes"}}},

	{"WITH c AS MATERIALIZED (SELECT * FROM finops.request_count r WHERE r.api = 'cost-explorer')"
		" SELECT 'aws_cost_explorer_api_requests_total', '', NULL::text[], coalesce(sum(c.requests),"
		" 0)::float8 FROM c"
		" UNION ALL SELECT 'aws_cost_explorer_api_errors_total', '', NULL,"
		" coalesce(sum(c.requests) FILTER (WHERE c.status !~ '^[23]'), 0)::float8 FROM c"
		" UNION ALL SELECT 'aws_cost_explorer_api_throttles_total', '', NULL,"
		" coalesce(sum(c.throttled), 0)::float8 FROM c"
		" UNION ALL "
		QUANTILES("aws_cost_explorer_api_duration_seconds", "m.response_time_ms / 1000",
		LATELY("cost-explorer"))
		OVER_REQUESTS("aws_cost_explorer_api_duration_seconds"),
		{{"aws_cost_explorer_api_requests_total", "counter", "Requests to Cost Explorer"},
			{"aws_cost_explorer_api_errors_total", "counter", "Requests to Cost Explorer that failed"},
			{"aws_cost_explorer_api_throttles_total", "counter", "Requests that Cost Explorer refused,"
			" as there were too many"},
			{"aws_cost_explorer_api_duration_seconds", "summary",
			"Duration of requests to Cost Explorer; quantiles of the last five minutes"}}},

	{"WITH k AS MATERIALIZED (SELECT c.source, count(*) AS n,"
		" max(c.last_updated) FILTER (WHERE isfinite(c.last_updated)) AS at"
		" FROM @s@.cost_cache c GROUP BY c.source ORDER BY c.source <> 'cost-explorer', 2 DESC LIMIT 100)"
		" SELECT 'dashboard_cache_hits_total', '', NULL::text[],"
		" CASE WHEN s.is_called THEN s.last_value ELSE 0 END::float8 FROM finops.cost_cache_hits s"
		" UNION ALL SELECT 'dashboard_cache_misses_total', '', NULL,"
		" CASE WHEN s.is_called THEN s.last_value ELSE 0 END FROM finops.cost_cache_misses s"
		/* the cache forgets after a week, the requests do not */
		" UNION ALL SELECT 'aws_cost_explorer_data_age_seconds', '', NULL,"
		" extract(epoch FROM now() - x.at)"
		" FROM (SELECT greatest((SELECT k.at FROM k WHERE k.source = 'cost-explorer'),"
		"  (SELECT m.created_at FROM @s@.api_metrics m WHERE m.status_code = 200"
		"   AND m.endpoint = 'AWSInsightsIndexService.GetCostAndUsage' AND isfinite(m.created_at)"
		"   AND m.created_at > now() - interval '30 days'"
		"   ORDER BY m.created_at DESC LIMIT 1)) AS at) x WHERE x.at IS NOT NULL"
		" UNION ALL SELECT 'finops_cache_age_seconds', '', ARRAY['source', k.source],"
		" extract(epoch FROM now() - k.at) FROM k WHERE k.at IS NOT NULL"
		" UNION ALL SELECT 'finops_cache_entries', '', ARRAY['source', k.source], k.n FROM k",
		{{"dashboard_cache_hits_total", "counter", "Answers of Cost Explorer that came from"
		" cost_cache"},
			{"dashboard_cache_misses_total", "counter", "Answers of Cost Explorer that had to be"
			" fetched"},
			{"aws_cost_explorer_data_age_seconds", "gauge",
			"Age of the newest cost data of Cost Explorer; finops.rules.yml records it as"
			" aws_cost_explorer_data_age_hours"},
			{"finops_cache_age_seconds", "gauge", "Age of the newest entry of a source in cost_cache"},
			{"finops_cache_entries", "gauge", "Entries of a source in cost_cache"}}},

	{"WITH s AS MATERIALIZED (SELECT coalesce(a.state, 'unknown') AS state, count(*) AS n FROM"
	" pg_stat_activity a"
		" WHERE a.backend_type = 'client backend' AND a.datname = current_database() GROUP BY 1)"
		" SELECT 'dashboard_database_connections_active', '', NULL::text[],"
		" (SELECT count(*) FROM pg_stat_activity a WHERE a.backend_type = 'client backend')::float8"
		" UNION ALL SELECT 'dashboard_database_connections_max', '', NULL,"
		" current_setting('max_connections')::float8"
		" UNION ALL SELECT 'dashboard_database_connection_errors_total', '', NULL, d.sessions_fatal +"
		" d.sessions_abandoned"
		" + (SELECT coalesce(sum(l.failed_login_count), 0) FROM finops.login_stat l)::float8"
		" FROM pg_stat_database d WHERE d.datname = current_database()"
		" UNION ALL SELECT 'finops_database_connections', '', ARRAY['state', s.state], s.n FROM s"
		" UNION ALL SELECT 'finops_database_size_bytes', '', NULL, pg_database_size(current_database())"
		" UNION ALL SELECT 'finops_transaction_age_seconds', '', NULL,"
		" coalesce(extract(epoch FROM now() - min(a.xact_start)), 0) FROM pg_stat_activity"
		" a"
		" WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()"
		" UNION ALL SELECT 'finops_build_info', '', ARRAY['version', e.extversion, 'server',"
		" current_setting('server_version')], 1"
		" FROM pg_extension e WHERE e.extname = 'finops'",
		{{"dashboard_database_connections_active", "gauge", "Client connections of the server"},
			{"dashboard_database_connections_max", "gauge", "Most connections that the server takes"},
			{"dashboard_database_connection_errors_total", "counter",
			"Sessions that a fatal error or a lost client ended, and failed logins where they are"
			" watched"},
			{"finops_database_connections", "gauge", "Client connections to this database by state"},
			{"finops_database_size_bytes", "gauge", "Size of this database"},
			{"finops_transaction_age_seconds", "gauge", "Age of the oldest transaction of a client"},
			{"finops_build_info", "gauge", "Always 1; versions of finops and of the server"}}},

	{"WITH c AS MATERIALIZED (SELECT * FROM finops.athena_count)"
		" SELECT 'athena_queries_total', '', ARRAY['status', s.status], coalesce(c.queries, 0)::float8"
		" FROM unnest(ARRAY['SUCCEEDED', 'FAILED', 'CANCELLED']) AS s(status) LEFT JOIN c ON c.status"
		" = s.status"
		" UNION ALL "
		QUANTILES("athena_query_duration_seconds", "a.execution_time_millis / 1000", LAST_HOUR)
		" UNION ALL "
		QUANTILES("athena_data_scanned_bytes", "a.data_scanned_in_bytes", LAST_HOUR)
		" UNION ALL "
		QUANTILES("athena_query_cost_usd", ATHENA_COST, LAST_HOUR)
		OVER_FINISHED("athena_query_duration_seconds", "execution_ms", "1000")
		OVER_FINISHED("athena_data_scanned_bytes", "scanned_bytes", "1")
		OVER_FINISHED("athena_query_cost_usd", "scan_cost_usd", "1")
		" UNION ALL SELECT 'finops_athena_largest_scan_bytes', '', NULL,"
		" coalesce(max(a.data_scanned_in_bytes), 0)::float8"
		" FROM @s@.athena_query_executions a WHERE a.creation_time > now() - interval '1"
		" day'",
		{{"athena_queries_total", "counter", "Finished queries of Athena by status"},
			{"athena_query_duration_seconds", "summary", "Execution time of queries of Athena;"
			" quantiles of the last hour"},
			{"athena_data_scanned_bytes", "summary", "Bytes that a query of Athena scanned; quantiles"
			" of the last hour"},
			{"athena_query_cost_usd", "summary",
			"Price of what a query of Athena scanned, in USD (finops.athena_price_per_tb); quantiles"
			" of the last hour"},
			{"finops_athena_largest_scan_bytes", "gauge", "Most that a query of Athena scanned in a"
			" day"}}},

	{"WITH d AS MATERIALIZED (SELECT l.source, max(l.loaded_at) AS at FROM finops.delivery l WHERE"
	" isfinite(l.loaded_at) GROUP BY"
	" l.source"
		" ORDER BY max(l.loaded_at) DESC LIMIT 100)"
		" SELECT 'finops_bill_age_seconds', '', ARRAY['source', d.source], extract(epoch FROM"
		" now() - d.at)::float8 FROM d"
		" UNION ALL (SELECT 'finops_bill_line_items', '', ARRAY['billing_period',"
		" to_char(l.billing_period, 'YYYY-MM')], sum(l.line_items)::float8"
		" FROM finops.delivery l WHERE l.status = 'current' GROUP BY l.billing_period ORDER BY"
		" l.billing_period DESC LIMIT 3)"
		" UNION ALL (SELECT 'finops_period_locked', '', ARRAY['billing_period',"
		" to_char(p.period_start, 'YYYY-MM')], (p.state = 'LOCKED')::int"
		" FROM @s@.period_lock p ORDER BY p.period_start DESC LIMIT 3)"
		" UNION ALL (SELECT 'finops_recon_variance_ratio', '', ARRAY['billing_period',"
		" to_char(r.period_start, 'YYYY-MM'), 'status', r.status],"
		" coalesce(r.variance_pct::float8 / 100, 'NaN') FROM @s@.recon_summary r WHERE r.service ="
		" 'ALL' ORDER BY r.period_start DESC LIMIT 3)"
		" UNION ALL SELECT 'finops_forecast_age_seconds', '', NULL, extract(epoch FROM"
		" now() - f.finished_at) FROM"
		" (SELECT max(o.finished_at) AS finished_at FROM forecast.run o WHERE o.driver_load_dt IS NOT"
		" NULL AND o.status IN ('completed', 'warning')) f"
		" WHERE f.finished_at IS NOT NULL"
		" UNION ALL (SELECT 'finops_forecast_variance_ratio', '', NULL, (o.metrics ->>"
		" 'variance_pct')::float8 / 100 FROM forecast.run o"
		" WHERE o.driver_load_dt IS NOT NULL AND o.metrics ->> 'variance_pct' IS NOT NULL ORDER BY"
		" o.finished_at DESC LIMIT 1)",
		{{"finops_bill_age_seconds", "gauge", "Time since a bill of a source was loaded"},
			{"finops_bill_line_items", "gauge", "Lines of the bills of the latest billing periods"},
			{"finops_period_locked", "gauge", "1 where a billing period is closed and locked"},
			{"finops_recon_variance_ratio", "gauge", "What a reconciliation did not place, as a share"
			" of the cost in"},
			{"finops_forecast_age_seconds", "gauge", "Time since the forecast of unit cost was"
			" calculated"},
			{"finops_forecast_variance_ratio", "gauge", "Change of the forecast of unit cost against"
			" the run before"}}},

	{"WITH j AS MATERIALIZED (SELECT g.job_name, l.status, l.started_at, l.finished_at, o.finished_at"
	" AS good FROM finops.job_registry g"
		" JOIN LATERAL (SELECT r.status, r.started_at, r.finished_at FROM finops.job_run r WHERE"
		" r.job_name = g.job_name"
		"  AND r.status IN ('succeeded', 'failed') ORDER BY r.started_at DESC LIMIT 1) l ON true"
		" LEFT JOIN LATERAL (SELECT r.finished_at FROM finops.job_run r WHERE r.job_name = g.job_name"
		"  AND r.status = 'succeeded' ORDER BY r.started_at DESC LIMIT 1) o ON true)"
		" SELECT 'finops_job_failed', '', ARRAY['job_name', j.job_name], (j.status ="
		" 'failed')::int::float8"
		" FROM j"
		" UNION ALL SELECT 'finops_job_last_success_timestamp_seconds', '', ARRAY['job_name',"
		" j.job_name],"
		" extract(epoch FROM j.good)"
		" FROM j WHERE j.good IS NOT NULL"
		" UNION ALL SELECT 'finops_job_duration_seconds', '', ARRAY['job_name', j.job_name],"
		" extract(epoch"
		" FROM j.finished_at - j.started_at)"
		" FROM j WHERE j.finished_at IS NOT NULL"
		" UNION ALL SELECT 'finops_jobs_late', '', NULL, count(*) FROM finops.job_late l",
		{{"finops_job_failed", "gauge", "1 where the last run of a job failed"},
			{"finops_job_last_success_timestamp_seconds", "gauge", "When a job last succeeded, in"
			" seconds since 1970"},
			{"finops_job_duration_seconds", "gauge", "How long the last run of a job took"},
			{"finops_jobs_late", "gauge", "Jobs that were due and did not start"}}},

	{"SELECT 'finops_messages_waiting', '', NULL::text[], count(*)::float8 FROM finops.notification n"
	" WHERE n.message_id IS NULL"
		" UNION ALL SELECT 'finops_messages_oldest_seconds', '', NULL,"
		" coalesce(extract(epoch FROM now() - min(n.queued_at)), 0) FROM"
		" finops.notification n WHERE n.message_id IS NULL"
		" UNION ALL SELECT 'finops_alerts_firing', '', ARRAY['severity', s.s], count(a.alert_id)"
		" FROM unnest(ARRAY['critical', 'warning', 'info']) AS s(s) LEFT JOIN finops.alert a"
		" ON a.severity = s.s AND a.state = 'firing' AND a.state <> 'ok' GROUP BY s.s"
		" UNION ALL SELECT 'finops_incidents_open', '', ARRAY['severity', s.s], count(i.incident_id)"
		" FROM unnest(ARRAY['SEV-1', 'SEV-2', 'SEV-3', 'SEV-4']) AS s(s) LEFT JOIN finops.incident i"
		" ON i.severity = s.s AND i.status <> 'resolved' GROUP BY s.s"
		" UNION ALL SELECT 'finops_budgets', '', ARRAY['status', b.status], count(*) FROM"
		" @s@.budget_master b GROUP BY b.status",
		{{"finops_messages_waiting", "gauge", "Messages that wait for their channel"},
			{"finops_messages_oldest_seconds", "gauge", "How long the oldest of them waits"},
			{"finops_alerts_firing", "gauge", "Alerts of finops.alert_policy that fire"},
			{"finops_incidents_open", "gauge", "Incidents that are not resolved"},
			{"finops_budgets", "gauge", "Budgets by status"}}},

	{NULL,
		{{"finops_health_status", "gauge", "Checks of finops.health_check: 0 ok or never set up, 1"
		" degraded, 2 failed"},
			{"finops_disk_size_bytes", "gauge", "Size of the file system of the data directory"},
			{"finops_disk_available_bytes", "gauge", "What is free of it"}}},
};

/* ---------------------------------------------------------------------
 * Collecting
 * ---------------------------------------------------------------------
 */

typedef struct Samples
{
	Sample	   *rows;
	int			n;
	int			room;
} Samples;

static Sample *
next_sample(Samples *samples)
{
	if (samples->n == samples->room)
	{
		samples->room = samples->room == 0 ? 64 : samples->room * 2;
		samples->rows = samples->n == 0 ? palloc_array(Sample, samples->room) :
			repalloc_array(samples->rows, Sample, samples->room);
	}
	return &samples->rows[samples->n++];
}

static void
add_number(Samples *samples, const char *family, const char *label, const char *labelled, double value)
{
	Sample	   *sample = next_sample(samples);

	*sample = (Sample) {.family = family, .suffix = "", .value = value};
	if (label != NULL)
	{
		sample->labels = palloc_array(const char *, 2);
		sample->labels[0] = label;
		sample->labels[1] = labelled;
		sample->nlabels = 1;
	}
}

/* Rows (family, suffix, labels, value) of the last result. */
static void
add_rows(Samples *samples)
{
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		Sample	   *sample = next_sample(samples);
		bool		isnull;
		Datum		labels = FinopsValue(row, 3, &isnull);
		Datum		value;

		*sample = (Sample) {.family = FinopsText(row, 1), .suffix = FinopsText(row, 2)};
		if (!isnull)
		{
			Datum	   *texts;
			bool	   *nulls;
			int			n;

			deconstruct_array(DatumGetArrayTypeP(labels), TEXTOID, -1, false, TYPALIGN_INT,
							  &texts, &nulls, &n);
			sample->labels = palloc_array(const char *, Max(n, 1));
			sample->nlabels = n / 2;
			for (int i = 0; i < n; i++)
				sample->labels[i] = nulls[i] ? "" : TextDatumGetCString(texts[i]);
		}
		value = FinopsValue(row, 4, &isnull);
		sample->value = isnull ? get_float8_nan() : DatumGetFloat8(value);
	}
}

static void
add_health(Samples *samples)
{
	HealthResult results[HEALTH_CHECKS];
	int64		size,
				available;

	(void) OpsHealth(results);
	for (int i = 0; i < HEALTH_CHECKS; i++)
		add_number(samples, "finops_health_status", "check", results[i].check,
				   Max((int) results[i].health - (int) HEALTH_OK, 0));
	if (!OpsDisk(&size, &available))
		return;
	add_number(samples, "finops_disk_size_bytes", NULL, NULL, (double) size);
	add_number(samples, "finops_disk_available_bytes", NULL, NULL, (double) available);
}

/* Whether a collector has a family; NULL stands for any. */
static bool
has_family(const Collector *collector, const char *family)
{
	for (int f = 0; f < FAMILIES && collector->families[f].name != NULL; f++)
		if (family == NULL || strcmp(collector->families[f].name, family) == 0)
			return true;
	return false;
}

/*
 * The samples of the collectors that have a family.  What is read is small,
 * and starting parallel workers would take longer than all of it.
 */
static void
collect(Samples *samples, const char *family)
{
	int			level = NewGUCNestLevel();

	(void) set_config_option("max_parallel_workers_per_gather", "0", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	for (size_t c = 0; c < lengthof(collectors); c++)
	{
		if (!has_family(&collectors[c], family))
			continue;
		if (collectors[c].sql == NULL)
			add_health(samples);
		else
		{
			FinopsRunKept(collectors[c].sql, 0, NULL);
			add_rows(samples);
		}
	}
	AtEOXact_GUC(false, level);
}

/* ---------------------------------------------------------------------
 * Functions
 * ---------------------------------------------------------------------
 */

static Datum
labels_object(const Sample *sample)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (int i = 0; i < sample->nlabels; i++)
	{
		appendStringInfoString(&json, i > 0 ? ", " : "");
		escape_json(&json, sample->labels[2 * i]);
		appendStringInfoString(&json, ": ");
		escape_json(&json, sample->labels[2 * i + 1]);
	}
	appendStringInfoChar(&json, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

/*
 * finops.metric_samples(family text DEFAULT NULL)
 *	-> TABLE(metric text, labels jsonb, value float8)
 *
 * Errors: 22023 for a family that there is not.
 */
Datum
finops_metric_samples(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	ReturnSetInfo *rsinfo;
	Samples		samples = {0};
	char	   *family = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool		known = false;

	for (size_t c = 0; c < lengthof(collectors); c++)
		known |= has_family(&collectors[c], family);
	if (!known)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no family of metrics \"%s\"", FinopsQuoteForMessage(family)),
				 errhint("SELECT DISTINCT metric FROM finops.metric_samples() names them.")));
	InitMaterializedSRF(fcinfo, 0);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FinopsBegin(&session);
	collect(&samples, family);
	for (int i = 0; i < samples.n; i++)
	{
		const Sample *sample = &samples.rows[i];
		Datum		values[3];
		bool		nulls[3] = {false};

		if (family != NULL && strcmp(family, sample->family) != 0)
			continue;
		values[0] = CStringGetTextDatum(psprintf("%s%s", sample->family, sample->suffix));
		values[1] = labels_object(sample);
		values[2] = Float8GetDatum(sample->value);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	FinopsEnd(&session);
	return (Datum) 0;
}

static void
append(void *arg, const char *bytes, size_t len)
{
	appendBinaryStringInfo((StringInfo) arg, bytes, (int) len);
}

/* finops.prometheus_metrics() returns text. */
Datum
finops_prometheus_metrics(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	Samples		samples = {0};
	StringInfoData out;
	text	   *answer;

	FinopsBegin(&session);
	collect(&samples, NULL);
	initStringInfo(&out);
	for (size_t c = 0; c < lengthof(collectors); c++)
		for (int f = 0; f < FAMILIES && collectors[c].families[f].name != NULL; f++)
		{
			const Family *family = &collectors[c].families[f];

			ExpositionHead(append, &out, family->name, family->type, family->help);
			for (int i = 0; i < samples.n; i++)
			{
				const Sample *sample = &samples.rows[i];

				if (strcmp(sample->family, family->name) == 0)
					ExpositionSample(append, &out, family->name, sample->suffix, sample->labels,
									 sample->nlabels, float8out_internal(sample->value));
			}
		}
	answer = (text *) MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, out.len + VARHDRSZ);
	SET_VARSIZE(answer, out.len + VARHDRSZ);
	memcpy(VARDATA(answer), out.data, out.len);
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(answer);
}
