/*-------------------------------------------------------------------------
 *
 * detect.c
 *	  finops.detect_anomalies: what is odd in the daily roll-up, and what of it
 *	  is one finding.
 *
 * watch_series.c finds the odd days of every series.  They become episodes,
 * and episodes of one cause one finding: an episode is explained by one of a
 * narrower series that has at least four fifths of its impact, else by one of
 * a wider series of which it is a part.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/insight.h"

#include "insight/watch_series.h"

PG_FUNCTION_INFO_V1(finops_detect_anomalies);
PG_FUNCTION_INFO_V1(finops_judge_anomaly);

#define DAYS_BACK		430		/* odd days that episodes are made of */

/* ---------------------------------------------------------------------
 * Days, episodes, findings
 * ---------------------------------------------------------------------
 */
static void
replace_days(DateADT until)
{
	FINOPS_RUN("DELETE FROM finops.anomaly_day d USING an_seen s"
			   " WHERE d.dimension = s.dimension AND d.key = s.key AND d.currency = s.currency AND d.day > s.from_day AND d.day <= $1",
			   ARG_DATE(until));
	FINOPS_RUN0("INSERT INTO finops.anomaly_day (dimension, key, currency, day, actual_cost, expected_cost, low_cost, high_cost, score, new_level)"
				" SELECT o.dimension, o.key, o.currency, o.day, round(o.actual::numeric, 4), round(o.expected::numeric, 4),"
				" round(o.low::numeric, 4), round(o.high::numeric, 4), o.score, o.new_level FROM an_odd o");
	FINOPS_RUN0("INSERT INTO finops.anomaly_series (dimension, key, currency, last_day, state)"
				" SELECT t.dimension, t.key, t.currency, t.last_day, t.state FROM an_state t"
				" ON CONFLICT ON CONSTRAINT anomaly_series_pkey DO UPDATE SET last_day = excluded.last_day, state = excluded.state");
}

/*
 * Odd days of one direction with at most two days between them are an
 * episode.  Those that reach into the days judged now are made anew; an
 * episode keeps its number as long as it has a day in common with itself.
 */
static const char episodes_sql[] =
"WITH day AS (SELECT d.*, CASE WHEN d.score > 0 THEN 'rise' ELSE 'drop' END AS direction"
"  FROM finops.anomaly_day d WHERE d.day > $1 - " CppAsString2(DAYS_BACK) " AND d.day <= $1),"
" start AS (SELECT d.*, d.day - lag(d.day) OVER s > 3 OR lag(d.day) OVER s IS NULL AS starts FROM day d"
"  WINDOW s AS (PARTITION BY d.dimension, d.key, d.currency, d.direction ORDER BY d.day)),"
" numbered AS (SELECT s.*, count(*) FILTER (WHERE s.starts) OVER (PARTITION BY s.dimension, s.key, s.currency, s.direction ORDER BY s.day) AS number FROM start s)"
" SELECT n.dimension, n.key, n.currency, n.direction, min(n.day) AS first_day, max(n.day) AS last_day, count(*)::int4 AS days,"
"  sum(n.actual_cost) AS actual_cost, sum(n.expected_cost) AS expected_cost, sum(n.actual_cost - n.expected_cost) AS impact,"
"  (array_agg(n.score ORDER BY abs(n.score) DESC, n.day))[1] AS score, bool_or(n.new_level) AS new_level"
" FROM numbered n GROUP BY n.dimension, n.key, n.currency, n.direction, n.number";

static void
make_episodes(DateADT until)
{
	FINOPS_STAGE("an_episode", episodes_sql, ARG_DATE(until));
	/* an episode whose first days were withdrawn, or that began earlier than was known, stays itself */
	FINOPS_RUN0("UPDATE finops.anomaly a SET first_day = e.first_day, updated_at = now() FROM an_episode e"
				" WHERE a.dimension = e.dimension AND a.key = e.key AND a.currency = e.currency AND a.direction = e.direction"
				" AND a.first_day <> e.first_day AND a.first_day <= e.last_day AND a.last_day >= e.first_day"
				" AND NOT EXISTS (SELECT FROM an_episode o WHERE o.dimension = a.dimension AND o.key = a.key AND o.currency = a.currency"
				"  AND o.direction = a.direction AND o.first_day = a.first_day)"
				" AND NOT EXISTS (SELECT FROM finops.anomaly o WHERE o.dimension = e.dimension AND o.key = e.key AND o.currency = e.currency"
				"  AND o.direction = e.direction AND o.first_day = e.first_day)");
	FINOPS_RUN0("INSERT INTO finops.anomaly AS a (dimension, key, currency, direction, first_day, last_day, days, actual_cost, expected_cost,"
				" impact, impact_pct, score, new_level)"
				" SELECT e.dimension, e.key, e.currency, e.direction, e.first_day, e.last_day, e.days, e.actual_cost, e.expected_cost, e.impact,"
				" finops.variance_pct(e.actual_cost, e.expected_cost), e.score, e.new_level FROM an_episode e"
				" ON CONFLICT ON CONSTRAINT anomaly_series_key DO UPDATE SET last_day = excluded.last_day, days = excluded.days,"
				" actual_cost = excluded.actual_cost, expected_cost = excluded.expected_cost, impact = excluded.impact,"
				" impact_pct = excluded.impact_pct, score = excluded.score, new_level = excluded.new_level,"
				" state = CASE WHEN a.state IN ('closed', 'withdrawn') THEN 'open' ELSE a.state END, updated_at = now()"
				" WHERE (a.last_day, a.days, a.actual_cost, a.expected_cost) IS DISTINCT FROM"
				" (excluded.last_day, excluded.days, excluded.actual_cost, excluded.expected_cost) OR a.state = 'withdrawn'");
	FINOPS_RUN("UPDATE finops.anomaly a SET state = 'withdrawn', updated_at = now()"
			   " WHERE a.state IN ('open', 'closed') AND a.first_day > $1 - " CppAsString2(DAYS_BACK) " AND a.first_day <= $1"
			   " AND NOT EXISTS (SELECT FROM an_episode e WHERE e.dimension = a.dimension AND e.key = a.key AND e.currency = a.currency"
			   "  AND e.direction = a.direction AND e.first_day = a.first_day)",
			   ARG_DATE(until));
	FINOPS_RUN("UPDATE finops.anomaly a SET state = 'closed' WHERE a.state = 'open' AND a.last_day < $1 - 7", ARG_DATE(until));
}

/* What is like an episode that was called expected is expected. */
static void
apply_feedback(void)
{
	FINOPS_RUN0("UPDATE finops.anomaly a SET state = 'expected', note = concat('as anomaly ', p.anomaly_id), updated_at = now()"
				" FROM finops.anomaly p"
				" WHERE a.state = 'open' AND a.judged_at IS NULL AND p.state = 'expected' AND p.judged_at IS NOT NULL"
				" AND p.dimension = a.dimension AND p.key = a.key AND p.currency = a.currency AND p.direction = a.direction"
				" AND a.first_day > p.last_day AND a.first_day <= p.last_day + 400"
				" AND abs(a.impact / a.days) <= 1.25 * abs(p.impact / p.days)");
}

/*
 * Narrower series are parts of wider ones: an account's service of both, all
 * of the total.  A wide series may show fewer of the days, so that its impact
 * may be the smaller.  Tenants and tags cut across accounts and services and
 * must have about the same impact.  An episode that no single one explains,
 * but half or more of what it contains has, stands for them.  Where the cause
 * of a total is known, a tenant or tag whose impact is more than what the cause
 * leaves of the total has its share of that cause.
 */
static const char explained_sql[] =
"WITH recent AS (SELECT a.*, CASE a.dimension WHEN 'account_service' THEN 1 WHEN 'service' THEN 2 WHEN 'account' THEN 3"
"   WHEN 'provider' THEN 5 WHEN 'total' THEN 6 ELSE 4 END AS width"
"  FROM finops.anomaly a WHERE a.last_day > $1 - 60 AND a.state <> 'withdrawn'),"
" pair AS (SELECT w.anomaly_id AS wide, w.dimension AS wide_dimension, w.key AS wide_key, n.anomaly_id AS narrow,"
"   n.dimension AS narrow_dimension, w.width >= 5 OR n.width = 1 AND w.width <= 3 AS inside, w.width AS wide_width, n.width AS narrow_width, abs(n.impact) AS narrow_impact,"
"   abs(n.impact) >= 0.8 * abs(w.impact) AND abs(n.impact) <= abs(w.impact) *"
"    CASE WHEN w.width >= 5 OR n.width = 1 AND w.width <= 3 THEN 3 ELSE 1.25 END AS same"
"  FROM recent w JOIN recent n ON n.currency = w.currency AND n.direction = w.direction AND n.width < w.width"
"   AND n.first_day <= w.last_day AND n.last_day >= w.first_day"
"   AND (w.width <> 2 OR right(n.key, length(w.key) + 1) = ' ' || w.key)"
"   AND (w.width <> 3 OR n.width <> 2 AND left(n.key, length(w.key) + 1) = w.key || ' ' OR n.width = 2)),"
" cause AS (SELECT DISTINCT ON (p.wide) p.wide AS anomaly_id, p.narrow AS cause FROM pair p WHERE p.same"
"  ORDER BY p.wide, p.narrow_width, p.narrow_impact DESC, p.narrow),"
" agreed AS (SELECT p.wide, p.narrow_dimension FROM pair p WHERE p.inside"
"  AND NOT EXISTS (SELECT FROM cause c WHERE c.anomaly_id = p.wide)"
"  GROUP BY p.wide, p.wide_dimension, p.wide_key, p.narrow_dimension"
"  HAVING count(*) > 1 AND 2 * count(*) >= (SELECT count(*) FROM finops.anomaly_series s WHERE s.dimension = p.narrow_dimension"
"   AND (p.wide_dimension <> 'account' OR left(s.key, length(p.wide_key) + 1) = p.wide_key || ' ')"
"   AND (p.wide_dimension <> 'service' OR right(s.key, length(p.wide_key) + 1) = ' ' || p.wide_key))),"
" part AS (SELECT DISTINCT ON (p.narrow) p.narrow AS anomaly_id, p.wide AS cause FROM pair p"
"  JOIN agreed a ON a.wide = p.wide AND a.narrow_dimension = p.narrow_dimension WHERE p.inside"
"  ORDER BY p.narrow, p.wide_width DESC, p.wide),"
" share AS (SELECT DISTINCT ON (p.narrow) p.narrow AS anomaly_id, c.cause FROM pair p JOIN cause c ON c.anomaly_id = p.wide"
"  JOIN recent w ON w.anomaly_id = p.wide JOIN recent n ON n.anomaly_id = p.narrow"
"  JOIN recent r ON r.anomaly_id = c.cause AND r.first_day <= n.last_day AND r.last_day >= n.first_day"
"  WHERE p.wide_width >= 5 AND n.width = 4 AND r.width < 4 AND p.narrow_impact > abs(w.impact) - abs(r.impact)"
"   AND p.narrow_impact <= abs(r.impact) ORDER BY p.narrow, p.wide_width DESC, p.wide),"
" verdict AS (SELECT r.anomaly_id, coalesce(p.cause, c.cause, s.cause) AS cause FROM recent r"
"  LEFT JOIN cause c USING (anomaly_id) LEFT JOIN part p USING (anomaly_id) LEFT JOIN share s USING (anomaly_id))"
" UPDATE finops.anomaly a SET explained_by = v.cause, updated_at = now() FROM verdict v"
"  WHERE a.anomaly_id = v.anomaly_id AND a.explained_by IS DISTINCT FROM v.cause";

/* ---------------------------------------------------------------------
 * The run
 * ---------------------------------------------------------------------
 */
/*
 * The last day that can be judged: so many days with cost follow it, and it
 * has not clearly fewer lines than the days of the week before; else the day
 * with cost before it.
 */
static bool
last_complete_day(DateADT as_of, int lag, DateADT *day)
{
	static const char *const sql =
		"WITH newest AS (SELECT max(c.usage_date) - $2 AS day FROM finops.cost_daily c WHERE c.charge_category = 'Usage' AND c.usage_date < $1"
		"  AND c.usage_date >= c.billing_period),"
		" days AS (SELECT c.usage_date AS day, sum(c.line_items) AS lines FROM finops.cost_daily c, newest n"
		"  WHERE c.charge_category = 'Usage' AND c.usage_date <= n.day AND c.usage_date >= n.day - 7 AND c.usage_date >= c.billing_period GROUP BY 1),"
		" usual AS (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY d.lines) AS lines FROM days d, newest n WHERE d.day < n.day)"
		" SELECT CASE WHEN EXISTS (SELECT FROM days d, usual u WHERE d.day = n.day AND (u.lines IS NULL OR d.lines >= 0.6 * u.lines)) THEN n.day"
		"  ELSE (SELECT max(c.usage_date) FROM finops.cost_daily c WHERE c.charge_category = 'Usage' AND c.usage_date < n.day"
		"   AND c.usage_date >= c.billing_period) END FROM newest n";
	bool		isnull;

	FINOPS_RUN(sql, ARG_DATE(as_of), ARG_INT4(lag));
	*day = DatumGetDateADT(FinopsValue(0, 1, &isnull));
	return !isnull;
}

/* The policies in force for which there is a day to judge. */
static int
read_policies(DateADT as_of, WatchPolicy **policies)
{
	int			n = (int) FINOPS_RUN0("SELECT DISTINCT ON (p.dimension) p.dimension, p.sensitivity, p.least_pct, p.least_amount::float8,"
									  " p.lag_days, p.enabled FROM finops.anomaly_policy p ORDER BY p.dimension, p.shipped");
	SPITupleTable *rows = SPI_tuptable;
	DateADT		until = 0;
	bool		complete = false;
	bool		isnull;
	int			lag = -1;
	int			used = 0;

	*policies = palloc0_array(WatchPolicy, Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		WatchPolicy *p = &(*policies)[used];
		Datum		value[6];

		for (int col = 0; col < 6; col++)
			value[col] = SPI_getbinval(rows->vals[i], rows->tupdesc, col + 1, &isnull);
		if (!DatumGetBool(value[5]))
			continue;
		p->dimension = TextDatumGetCString(value[0]);
		p->settings.sensitivity = DatumGetFloat8(value[1]);
		p->settings.percent = DatumGetFloat8(value[2]);
		p->settings.amount = DatumGetFloat8(value[3]);
		if (lag != DatumGetInt32(value[4]))
		{
			lag = DatumGetInt32(value[4]);
			complete = last_complete_day(as_of, lag, &until);
		}
		p->until = until;
		used += complete;
	}
	SPI_freetuptable(rows);
	return used;
}

/* finops.detect_anomalies(as_of date) -> SETOF finops.anomaly, the findings that changed. */
Datum
finops_detect_anomalies(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	WatchPolicy *policies;
	DateADT		as_of,
				last;
	int			n;

	FinopsRequireFeature(FINOPS_ANOMALY_DETECTION);
	FinopsRequireArg(fcinfo, 0, "as_of");
	as_of = PG_GETARG_DATEADT(0);
	FinopsCheckDay(as_of, "as_of");
	FinopsBegin(&session);
	FINOPS_RUN0("LOCK TABLE finops.anomaly IN SHARE ROW EXCLUSIVE MODE");
	n = read_policies(as_of, &policies);
	if (n > 0)
	{
		WatchSeriesOfPolicies(policies, n);
		last = policies[0].until;
		for (int i = 1; i < n; i++)
			last = Max(last, policies[i].until);
		replace_days(last);
		make_episodes(last);
		apply_feedback();
		FINOPS_RUN(explained_sql, ARG_DATE(last));
	}
	FinopsReturnQuery(fcinfo, "SELECT a.* FROM finops.anomaly a WHERE a.updated_at = now() AND a.explained_by IS NULL AND a.state <> 'withdrawn'"
					  " ORDER BY abs(a.impact) DESC, a.anomaly_id", 0, NULL);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* finops.judge_anomaly(anomaly_id bigint, verdict text, note text): what people know. */
Datum
finops_judge_anomaly(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *verdict;
	FinopsArg	note = PG_ARGISNULL(2) ? FinopsTextArg(NULL) : ARG_DATUM(TEXTOID, PG_GETARG_DATUM(2), false);

	FinopsRequireArg(fcinfo, 0, "anomaly_id");
	FinopsRequireArg(fcinfo, 1, "verdict");
	verdict = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (strcmp(verdict, "expected") != 0 && strcmp(verdict, "unexpected") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("verdict \"%s\" is unknown", FinopsQuoteForMessage(verdict)),
				 errhint("Use expected or unexpected.")));
	FinopsBegin(&session);
	if (FINOPS_RUN("UPDATE finops.anomaly a SET state = $2, note = coalesce($3, a.note), judged_by = $4, judged_at = now(), updated_at = now()"
				   " WHERE a.anomaly_id = $1",
				   ARG_INT8(PG_GETARG_INT64(0)), ARG_TEXT(verdict), note,
				   ARG_TEXT(FinopsCallerName(&session))) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("anomaly " INT64_FORMAT " does not exist", PG_GETARG_INT64(0)),
				 errhint("SELECT anomaly_id, dimension, key, first_day FROM finops.anomaly WHERE explained_by IS NULL ORDER BY last_day DESC;")));
	FinopsAudit(&session, "judge_anomaly", "anomaly", psprintf(INT64_FORMAT, PG_GETARG_INT64(0)), NULL);
	FinopsEnd(&session);
	PG_RETURN_VOID();
}
