/*-------------------------------------------------------------------------
 *
 * readiness.c
 *	  Gate 0 of the close: is everything here that a month needs?
 *
 * Sources are expected because they delivered the month before, or because
 * finops.expected_delivery says so.  A day without lines is judged against
 * the source's own pattern: it is missing when the source has lines on at
 * least three of four other days of the same weekday, in this month and the
 * three before.  A monthly fee on the first of the month has no such days.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

#include "reconcile/reconcile.h"

PG_FUNCTION_INFO_V1(finops_readiness);
PG_FUNCTION_INFO_V1(finops_waive_readiness);
PG_FUNCTION_INFO_V1(finops_close_calendar);

/* Days with lines per source, this month and the three before.  $1 period, $2 its end. */
static const char *const days_sql =
"SELECT c.billing_period, c.source, c.usage_date AS day, sum(c.line_items) AS n,"
"  sum(c.effective_cost) FILTER (WHERE c.charge_category = 'Usage') AS cost"
" FROM finops.cost_daily c WHERE c.billing_period BETWEEN ($1 - interval '3 months')::date AND $1"
"  AND c.usage_date >= c.billing_period AND c.usage_date < (c.billing_period + interval '1 month')::date"
" GROUP BY 1, 2, 3";

/* Sources that are expected and have no bill in the month. */
static const char *const absent_sql =
"WITH told AS (SELECT DISTINCT ON (e.source) e.source, e.required AND coalesce(e.valid_to > $1, true) AS required"
"  FROM finops.expected_delivery e WHERE e.valid_from <= $1 ORDER BY e.source, e.valid_from DESC),"
" learned AS (SELECT DISTINCT d.source FROM source_day d WHERE d.billing_period = ($1 - interval '1 month')::date)"
" SELECT x.source FROM (SELECT source FROM told WHERE required UNION SELECT l.source FROM learned l"
"   WHERE NOT EXISTS (SELECT FROM told t WHERE t.source = l.source AND NOT t.required)) x"
" WHERE NOT EXISTS (SELECT FROM source_day d WHERE d.billing_period = $1 AND d.source = x.source)"
"  AND NOT EXISTS (SELECT FROM finops.delivery v WHERE v.billing_period = $1 AND v.source = x.source AND v.status = 'current')";

/* Days of the month, over by now, on which a source should have lines and has none. */
static const char *const gap_sql =
"WITH span AS (SELECT s.source, min(d.day) AS first_day FROM (SELECT DISTINCT source FROM source_day WHERE billing_period = $1) s"
"  JOIN source_day d USING (source) GROUP BY 1),"
" calendar AS (SELECT s.source, g.day::date AS day, extract(isodow FROM g.day) AS weekday, d.n IS NOT NULL AS present"
"  FROM span s CROSS JOIN LATERAL generate_series(greatest(s.first_day, ($1 - interval '3 months')::date)::timestamp,"
"   least($2, (now() AT TIME ZONE 'UTC')::date) - interval '1 day', interval '1 day') AS g(day)"
"  LEFT JOIN (SELECT source, day, sum(n) AS n FROM source_day GROUP BY 1, 2) d ON d.source = s.source AND d.day = g.day::date"
/* months of which nothing is loaded tell nothing */
"  WHERE EXISTS (SELECT FROM source_day m WHERE m.source = s.source AND m.billing_period = date_trunc('month', g.day)::date)),"
" judged AS (SELECT c.*, count(*) FILTER (WHERE present) OVER w AS present_days, count(*) OVER w AS all_days"
"  FROM calendar c WINDOW w AS (PARTITION BY source, weekday))"
" SELECT j.source, j.day FROM judged j WHERE NOT j.present AND j.day >= $1"
"  AND j.all_days > 1 AND j.present_days * 4 >= (j.all_days - 1) * 3";

/* Usage that a plan asks for and no snapshot tells, one row per tenant and metric. */
static const char *const usage_sql =
"SELECT x.tenant_id, x.metric_code, count(*) AS days, min(x.day) AS first_day FROM"
" (SELECT b.tenant_id, p.metric_code, g.day::date AS day FROM @s@.tenant_plan_binding b"
"   JOIN @s@.tenant_master m ON m.tenant_id = b.tenant_id AND m.status = 'active'"
"   JOIN (SELECT DISTINCT plan_code, metric_code, effective_from, effective_to FROM @s@.plan_metric_map) p ON p.plan_code = b.plan_code"
"   CROSS JOIN LATERAL generate_series(greatest($1, b.period_start, p.effective_from)::timestamp,"
"    least($2 - 1, b.period_end, p.effective_to, (now() AT TIME ZONE 'UTC')::date - 1)::timestamp, interval '1 day') AS g(day)"
"  WHERE b.status <> 'scheduled' AND b.period_start < $2 AND coalesce(b.period_end >= $1, true)) x"
" WHERE NOT EXISTS (SELECT FROM @s@.usage_snapshot_daily u WHERE u.tenant_id = x.tenant_id"
"  AND u.metric_code = x.metric_code AND u.usage_date = x.day)"
" GROUP BY 1, 2";

/* Currencies of the bill and of those who get documents, without a rate. */
static const char *const rate_sql =
"SELECT x.currency FROM (SELECT c.currency FROM finops.cost_daily c WHERE c.billing_period = $1"
"  UNION SELECT m.currency FROM @s@.tenant_master m WHERE m.billing_mode = 'invoice' AND m.status = 'active'"
"   AND EXISTS (SELECT FROM finops.cost_daily c WHERE c.billing_period = $1 AND c.tenant_id = m.tenant_id)) x"
" WHERE finops.fx_rate_of(x.currency, $1) IS NULL";

#define LOAD_CALL "format('SELECT * FROM finops.load_bill(''/path/to/bill.csv.gz'', billing_period => %L)', $1::text)"

/* "a, b, c and 4 more" of a stage's column. */
#define SOME_OF(expression, stage) \
	"(SELECT string_agg(z.v, ', ' ORDER BY z.no) || CASE WHEN max(z.n) > 3 THEN format(' and %s more', max(z.n) - 3) ELSE '' END" \
	" FROM (SELECT " expression " AS v, row_number() OVER (ORDER BY " expression " COLLATE \"C\") AS no, count(*) OVER () AS n" \
	"  FROM " stage " x) z WHERE z.no <= 3)"

/*
 * One row per item; state is ok, note (the close goes on), waived or blocked.
 * $1 period, $2 first day after it, $3 whether it has ended.
 */
static const char *const readiness_sql =
"WITH facts AS (SELECT f.delivery_id, count(*) AS n, sum(f.billed_cost) AS billed,"
"   count(*) FILTER (WHERE f.bill_invoice_id IS NULL AND f.billed_cost <> 0) AS anonymous"
"  FROM @s@.fact_cost_raw f WHERE f.bill_billing_period_start_date = $1 GROUP BY 1),"
" differing AS (SELECT d.source FROM finops.delivery d LEFT JOIN facts f USING (delivery_id)"
"  WHERE d.billing_period = $1 AND d.status = 'current'"
"  AND (d.line_items IS DISTINCT FROM coalesce(f.n, 0) OR d.billed_cost IS DISTINCT FROM coalesce(f.billed, 0))),"
" last_day AS (SELECT max(d.day) AS day FROM source_day d WHERE d.billing_period = $1),"
" tenants AS (SELECT count(*) FILTER (WHERE m.status <> 'unregistered') AS known, count(*) AS n"
"  FROM (SELECT DISTINCT c.tenant_id FROM finops.cost_daily c WHERE c.billing_period = $1"
"   AND c.tenant_id IS NOT NULL) t LEFT JOIN @s@.tenant_master m USING (tenant_id))"
" SELECT x.item, CASE WHEN x.state = 'blocked' AND w.item IS NOT NULL THEN 'waived' ELSE x.state END,"
"  x.detail || coalesce('; waived: ' || CASE WHEN x.state = 'blocked' THEN w.reason END, ''),"
"  CASE WHEN x.state <> 'ok' AND NOT (x.state = 'blocked' AND w.item IS NOT NULL) THEN x.next_call END FROM (VALUES"
"  (1, 'bill', CASE WHEN NOT EXISTS (SELECT FROM facts) THEN 'blocked' ELSE 'ok' END,"
"   coalesce((SELECT format('%s line%s, billed cost %s', sum(n), CASE WHEN sum(n) <> 1 THEN 's' END, round(sum(billed), 2)) FROM facts HAVING count(*) > 0),"
"    'no bill of this month is loaded'), " LOAD_CALL "),"
"  (2, 'control total', CASE WHEN EXISTS (SELECT FROM differing) THEN 'blocked' ELSE 'ok' END,"
"   coalesce((SELECT 'facts differ from the delivery of ' || string_agg(source, ', ' ORDER BY source COLLATE \"C\")"
"    FROM differing HAVING count(*) > 0), 'facts agree with their deliveries'), " LOAD_CALL "),"
"  (3, 'deliveries', CASE WHEN EXISTS (SELECT FROM absent_source) THEN 'blocked' ELSE 'ok' END,"
"   coalesce('no bill of ' || " SOME_OF("x.source", "absent_source") ", 'every expected source has delivered'), " LOAD_CALL "),"
"  (4, 'invoice ids', CASE WHEN (SELECT sum(anonymous) FROM facts) > 0 THEN 'note' ELSE 'ok' END,"
"   coalesce((SELECT format('%s of %s lines carry no invoice id, the bill is provisional', sum(anonymous), sum(n)) FROM facts HAVING sum(anonymous) > 0),"
"    'every line with cost carries an invoice id'), " LOAD_CALL "),"
"  (5, 'days', CASE WHEN EXISTS (SELECT FROM gap) THEN 'blocked' ELSE 'ok' END,"
"   coalesce('no lines on ' || " SOME_OF("format('%s of %s', x.day, x.source)", "gap") ", 'no source misses a day'), " LOAD_CALL "),"
"  (6, 'month end', CASE WHEN $3 THEN 'ok' ELSE 'note' END,"
"   CASE WHEN $3 THEN 'the month has ended' ELSE 'the month has not ended, everything is provisional' END,"
"   format('CALL finops.close_month(%L, provisional => true)', $1::text)),"
"  (7, 'last day', CASE WHEN (SELECT day FROM last_day) >= $2 - 1 THEN 'ok' ELSE 'note' END,"
"   coalesce((SELECT format('last day with cost is %s', day) FROM last_day WHERE day IS NOT NULL),"
"    'no day with cost'), " LOAD_CALL "),"
"  (8, 'tenants', CASE WHEN (SELECT known FROM tenants) > 0 THEN 'ok' ELSE 'note' END,"
"   (SELECT format('%s tenant%s in the bill, %s of them registered', n, CASE WHEN n <> 1 THEN 's' END, known) FROM tenants),"
"   'SELECT * FROM finops.setup()'),"
"  (9, 'usage', CASE WHEN EXISTS (SELECT FROM usage_gap) THEN 'blocked' ELSE 'ok' END,"
"   coalesce('no snapshot of ' || " SOME_OF("format('%s %s on %s day%s from %s', x.tenant_id, x.metric_code, x.days, CASE WHEN x.days <> 1 THEN 's' END, x.first_day)", "usage_gap") ","
"    'usage that plans ask for is complete'),"
"   format('SELECT finops.waive_readiness(%L, ''usage'', ''reason'')', $1::text)),"
"  (10, 'rates', CASE WHEN EXISTS (SELECT FROM rate_gap) THEN 'blocked' ELSE 'ok' END,"
"   coalesce('no rate of ' || " SOME_OF("x.currency", "rate_gap") ", 'every currency has a rate'),"
"   (SELECT format('SELECT finops.set_fx_rate(%L, %L, rate)', min(currency), $1::text) FROM rate_gap)),"
"  (11, 'drivers', CASE WHEN EXISTS (SELECT FROM late_driver) THEN 'blocked' ELSE 'ok' END,"
"   coalesce('late: ' || " SOME_OF("format('%s (%s of %s slices)', x.driver, x.slices_present, x.slices_expected)", "late_driver") ","
"    'no driver is late'), format('SELECT * FROM finops.late_drivers(%L)', $1::text)),"
"  (12, 'corrections', CASE WHEN EXISTS (SELECT FROM off_control) THEN 'blocked' ELSE 'ok' END,"
"   coalesce('locked lines and corrections are not what was delivered last: ' || " SOME_OF("format('%s of %s is off by %s', x.origin_period, x.source, x.difference)", "off_control") ","
"    'locked months and corrections are what was delivered'),"
"   (SELECT format('SELECT * FROM finops.verify_period(%L)', min(origin_period) || '-01') FROM off_control))"
") AS x(no, item, state, detail, next_call)"
" LEFT JOIN finops.readiness_waiver w ON w.period_start = $1 AND w.item = x.item ORDER BY x.no";

/* After OpsRunReadiness, whose stage of missing sources it uses. */
int64
OpsAccrueMissing(const FinopsSession *session, DateADT period)
{
	return ReconSyncAccruals(session, period, true);
}

/* The rows of readiness are the last result. */
void
OpsRunReadiness(DateADT period)
{
	DateADT		end = FinopsPeriodEnd(period);

	FINOPS_STAGE("source_day", days_sql, ARG_DATE(period), ARG_DATE(end));
	FINOPS_STAGE("off_control",
				 psprintf("SELECT c.source, c.origin_period, c.stands - c.said AS difference"
						  " FROM (%s) AS c(source, origin_period, said, stands, x, y)",
						  psprintf(RECON_CONTROL_SQL, RECON_STANDS_IN_ROLLUP)),
				 ARG_DATUM(DATEOID, (Datum) 0, true));
	FINOPS_STAGE("absent_source", absent_sql, ARG_DATE(period));
	FINOPS_STAGE("gap", gap_sql, ARG_DATE(period), ARG_DATE(end));
	FINOPS_STAGE("usage_gap", usage_sql, ARG_DATE(period), ARG_DATE(end));
	FINOPS_STAGE("rate_gap", rate_sql, ARG_DATE(period));
	FINOPS_STAGE("late_driver", "SELECT * FROM finops.late_drivers($1)", ARG_DATE(period));
	FINOPS_RUN(readiness_sql, ARG_DATE(period), ARG_DATE(end),
			   ARG_BOOL(FinopsPeriodHasEnded(period)));
}

/*
 * finops.readiness(period date)
 *	-> TABLE(item text, state text, detail text, next_call text)
 *
 * Errors: 22004, 22023 for the period.
 */
Datum
finops_readiness(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;

	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	OpsRunReadiness(period);
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.waive_readiness(period date, item text, reason text)
 *
 * Errors: 22004; 22023 for the period, an item that cannot be waived or a
 * blank reason; 55000 for a locked period.
 */
Datum
finops_waive_readiness(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;
	char	   *item;
	char	   *reason;

	FinopsRequireArg(fcinfo, 1, "item");
	FinopsRequireArg(fcinfo, 2, "reason");
	FinopsRequireWritable("finops.waive_readiness()");
	FinopsCheckPeriodNotFuture(period);
	item = text_to_cstring(PG_GETARG_TEXT_PP(1));
	reason = text_to_cstring(PG_GETARG_TEXT_PP(2));
	FinopsBegin(&session);
	if (FINOPS_RUN("SELECT WHERE $1 = ANY (ARRAY['deliveries', 'days', 'usage', 'drivers'])", ARG_TEXT(item)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("item \"%s\" cannot be waived", FinopsQuoteForMessage(item)),
				 errdetail("These can: deliveries, days, usage, drivers.")));
	if (FINOPS_RUN("SELECT WHERE btrim($1) = ''", ARG_TEXT(reason)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reason must not be blank")));
	FinopsOpenPeriod(period);
	FINOPS_RUN("INSERT INTO finops.readiness_waiver (period_start, item, reason, waived_by) VALUES ($1, $2, $3, $4)"
			   " ON CONFLICT (period_start, item) DO UPDATE SET reason = EXCLUDED.reason,"
			   "  waived_by = EXCLUDED.waived_by, waived_at = clock_timestamp()",
			   ARG_DATE(period), ARG_TEXT(item), ARG_TEXT(reason),
			   ARG_TEXT(FinopsCallerName(&session)));
	FINOPS_RUN("SELECT jsonb_build_object('item', $1, 'reason', $2)::text", ARG_TEXT(item), ARG_TEXT(reason));
	FinopsAudit(&session, "waive_readiness", "billing_period", FinopsPeriodText(period), FinopsText(0, 1));
	FinopsEnd(&session);
	PG_RETURN_VOID();
}

/*
 * The steps with what the gates say of them.  $1 period, $2 first day after
 * it.  A due day is the n-th day from Monday to Friday that is no holiday.
 */
static const char *const calendar_sql =
"WITH policy AS (SELECT DISTINCT ON (c.step) c.step, c.position, c.owner, c.due_business_day FROM finops.close_policy c"
"  WHERE c.effective_from <= $1 ORDER BY c.step, c.shipped, c.effective_from DESC),"
" business_day AS (SELECT g.day::date AS day, row_number() OVER (ORDER BY g.day) AS no"
"  FROM generate_series($2::timestamp, $2::timestamp + interval '180 days', interval '1 day') AS g(day)"
"  WHERE extract(isodow FROM g.day) < 6 AND NOT EXISTS (SELECT FROM finops.holiday h WHERE h.day = g.day::date)),"
" gate AS (SELECT g.gate, g.status, g.detail, g.set_at FROM finops.period_gate g WHERE g.period_start = $1),"
" lock AS (SELECT l.hash_head FROM @s@.period_lock l WHERE l.period_start = $1 AND l.state = 'LOCKED'),"
" checked AS (SELECT count(*) FILTER (WHERE l.state = 'blocked') AS blocked,"
"   coalesce(string_agg(format('%s: %s', l.item, l.detail), '; ' ORDER BY l.item) FILTER (WHERE l.state = 'blocked'),"
"    'checked at ' || to_char(max(l.checked_at), 'YYYY-MM-DD HH24:MI')) AS detail"
"  FROM finops.readiness_log l WHERE l.run_id = (SELECT max(m.run_id) FROM finops.readiness_log m WHERE m.period_start = $1)"
"  HAVING count(*) > 0),"
" document AS (SELECT count(*) AS n, count(*) FILTER (WHERE h.status = 'open' AND h.total > 0) AS open"
"  FROM @s@.invoice_header h WHERE h.period_start = $1 AND h.status <> 'void'),"
" found (step, done, stopped, detail) AS ("
"  SELECT 'readiness', c.blocked = 0, c.blocked > 0, c.detail FROM checked c"
"  UNION ALL SELECT g.gate, g.status IN ('completed', 'ok', 'resolved'),"
"   g.status NOT IN ('completed', 'ok', 'resolved'), concat_ws(', ', g.status, g.detail) FROM gate g"
"   WHERE g.gate IN ('tags', 'allocation', 'reconciliation')"
"  UNION ALL SELECT 'documents', true, false, format('%s documents', d.n) FROM gate g, document d WHERE g.gate = 'documents'"
"  UNION ALL SELECT 'control', g.status IN ('ok', 'resolved'), g.status NOT IN ('ok', 'resolved'), concat_ws(', ', g.status, g.detail)"
"   FROM gate g, gate d, finops.recon_run r WHERE g.gate = 'reconciliation' AND d.gate = 'documents'"
"   AND r.period_start = $1 AND r.run_at > d.set_at"
"  UNION ALL SELECT 'issue', d.open = 0, false, format('%s of %s documents are issued', d.n - d.open, d.n) FROM document d WHERE d.n > 0"
"  UNION ALL SELECT 'lock', true, false, 'hash head ' || l.hash_head FROM lock l),"
" step AS (SELECT p.position, p.step, p.owner, b.day AS due, coalesce(f.done, false) OR EXISTS (SELECT FROM lock) AS done,"
"   coalesce(f.stopped, false) AS stopped, f.detail FROM policy p JOIN business_day b ON b.no = p.due_business_day"
"   LEFT JOIN found f ON f.step = p.step),"
" placed AS (SELECT s.*, bool_and(s.done) OVER (ORDER BY s.position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached FROM step s)"
" SELECT p.position, p.step, p.owner, p.due, CASE WHEN p.done THEN 'done' WHEN p.stopped THEN 'stopped'"
"   WHEN p.due < (now() AT TIME ZONE 'UTC')::date THEN 'late' WHEN coalesce(p.reached, true) THEN 'open' ELSE 'waiting' END,"
"  p.detail, CASE WHEN p.done THEN NULL WHEN p.step = 'readiness' AND p.stopped THEN format('SELECT * FROM finops.readiness(%L)', $1::text)"
"   WHEN p.stopped THEN format('SELECT * FROM recon_exceptions WHERE recon_id = %L', 'RECON-' || to_char($1, 'YYYY-MM'))"
"   WHEN $2 > (now() AT TIME ZONE 'UTC')::date THEN format('CALL finops.close_month(%L, provisional => true)', $1::text)"
"   ELSE format('CALL finops.close_month(%L)', $1::text) END"
" FROM placed p ORDER BY p.position";

/*
 * finops.close_calendar(period date)
 *	-> TABLE(position int, step text, owner text, due date, state text,
 *			 detail text, next_call text)
 *
 * Errors: 22004, 22023 for the period.
 */
Datum
finops_close_calendar(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;

	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	FINOPS_RUN(calendar_sql, ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
