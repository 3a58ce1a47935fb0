/*-------------------------------------------------------------------------
 *
 * accrual.c
 *	  Cost of a month whose bill is not here yet.
 *
 * A provisional close estimates the bill of each source that is expected and
 * missing by what it cost the month before.  Accrual and reversal are booked
 * together, the one in the month and the other in the next month that is not
 * locked, so that nobody has to remember the reversal.  When the bill comes
 * while its month is open, the next reconciliation cancels the accrual and
 * its reversal; when it comes later, its lines are corrections in the month
 * in which the reversal stands.  Either way the cost counts once.
 *
 *-------------------------------------------------------------------------
 */
#include "reconcile/reconcile.h"

PG_FUNCTION_INFO_V1(finops_book_accrual);

/*
 * What should stand in the month: the estimate of each missing source, and
 * what was booked by hand until its source has a bill.  $1 period, $2 true to
 * estimate, else only what stands is looked at.
 */
static const char *const wanted_sql =
"WITH arrived AS (SELECT d.source FROM finops.delivery d WHERE d.billing_period = $1 AND d.status = 'current'"
"   UNION SELECT c.source FROM finops.cost_daily c WHERE c.billing_period = $1),"
" stands AS (SELECT e.source, e.service, e.currency, e.method, sum(e.amount) AS amount FROM finops.accrual_entry e"
"  WHERE e.period_start = $1 AND e.origin_period = $1 GROUP BY 1, 2, 3, 4),"
" wanted AS (SELECT c.source, c.service, c.currency, 'estimate' AS method,"
"   round(sum(CASE WHEN $3 = 'billed' THEN c.billed_cost ELSE c.effective_cost END), finops.currency_minor_unit(c.currency)) AS amount"
"  FROM finops.cost_daily c JOIN absent_source a USING (source)"
"  WHERE $2 AND c.billing_period = ($1 - interval '1 month')::date GROUP BY 1, 2, 3"
"  UNION ALL SELECT s.source, s.service, s.currency, s.method, s.amount FROM stands s"
"   WHERE (s.method = 'manual' OR NOT $2) AND NOT EXISTS (SELECT FROM arrived a WHERE a.source = s.source))"
" SELECT source, service, currency, method, coalesce(w.amount, 0) - coalesce(s.amount, 0) AS amount, w.amount IS NULL AS came"
" FROM stands s FULL JOIN wanted w USING (source, service, currency, method)"
" WHERE coalesce(w.amount, 0) <> coalesce(s.amount, 0)";

/* The first month after the period that is not locked. */
#define NEXT_OPEN \
	"(SELECT g.month::date FROM generate_series($1 + interval '1 month', $1 + interval '120 months', interval '1 month') AS g(month)" \
	" WHERE NOT EXISTS (SELECT FROM @s@.period_lock l WHERE l.period_start = g.month::date AND l.state = 'LOCKED') ORDER BY 1 LIMIT 1)"

/*
 * Brings the accruals of a month in step with its deliveries; within a
 * session with stage "absent_source".  With estimate new ones are booked,
 * else only those are cancelled whose bill has come.
 */
int64
ReconSyncAccruals(const FinopsSession *session, DateADT period, bool estimate)
{
	FINOPS_STAGE("accrual_change", wanted_sql, ARG_DATE(period), ARG_BOOL(estimate),
				 ARG_TEXT(FinopsBasisName(FinopsPeriodBasis(period, false))));
	return (int64) FINOPS_RUN("INSERT INTO finops.accrual_entry (period_start, origin_period, source, service, currency, amount,"
							  "  kind, method, reason, booked_by)"
							  " SELECT x.month, $1, c.source, c.service, c.currency, c.amount * x.sign,"
							  "  CASE WHEN x.sign < 0 THEN 'reversal' WHEN c.came THEN 'cancellation' ELSE 'accrual' END, c.method,"
							  "  CASE WHEN c.came THEN 'the bill has come' ELSE 'no bill of ' || c.source || '; as much as the month before' END, $2"
							  " FROM accrual_change c, (VALUES ($1, 1), (" NEXT_OPEN ", -1)) AS x(month, sign)"
							  " ORDER BY c.source COLLATE \"C\", c.service COLLATE \"C\", c.currency, x.month",
							  ARG_DATE(period), ARG_TEXT(FinopsCallerName(session)));
}

static char *
required_text(FunctionCallInfo fcinfo, int argno, const char *name)
{
	char	   *given;

	FinopsRequireArg(fcinfo, argno, name);
	given = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (strspn(given, " \t\n") == strlen(given))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be blank", name)));
	return given;
}

/* A finite amount that is not zero, in a known currency, rounded to it. */
static void
check_amount(FunctionCallInfo fcinfo, const char *currency)
{
	Numeric		amount = PG_GETARG_NUMERIC(3);

	if (numeric_is_nan(amount) || numeric_is_inf(amount))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("amount must be finite")));
	if (FINOPS_RUN("SELECT WHERE finops.currency_minor_unit($1) IS NULL", ARG_TEXT(currency)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("currency \"%s\" is unknown", FinopsQuoteForMessage(currency)),
				 errhint("Give an ISO 4217 code, such as EUR.")));
	if (FINOPS_RUN("SELECT WHERE round($1, finops.currency_minor_unit($2)) <> $1 OR $1 = 0",
				   ARG_NUMERIC(amount), ARG_TEXT(currency)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("amount must be a number of the minor unit of %s other than 0", currency)));
}

/*
 * finops.book_accrual(period date, source text, service text, amount numeric,
 *	currency text DEFAULT NULL, reason text DEFAULT NULL) → bigint
 *
 * Errors: 22004; 22023 for the period, a blank name, an unknown currency or
 * an amount that is 0 or has more digits than the currency; 55000 for a
 * locked month, or where the source has a bill of the month.
 */
Datum
finops_book_accrual(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	char	   *source = required_text(fcinfo, 1, "source");
	char	   *service = required_text(fcinfo, 2, "service");
	char	   *currency = PG_ARGISNULL(4) ? pstrdup(finops_reporting_currency) :
		text_to_cstring(PG_GETARG_TEXT_PP(4));
	char	   *reason = PG_ARGISNULL(5) ? "booked by hand" : text_to_cstring(PG_GETARG_TEXT_PP(5));
	FinopsSession session;
	int64		entry_id;

	FinopsRequireArg(fcinfo, 3, "amount");
	FinopsRequireWritable("finops.book_accrual()");
	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	check_amount(fcinfo, currency);
	FinopsOpenPeriod(period);
	if (FINOPS_RUN("SELECT FROM finops.delivery d WHERE d.billing_period = $1 AND d.source = $2 AND d.status = 'current'",
				   ARG_DATE(period), ARG_TEXT(source)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("source \"%s\" has a bill of %s", FinopsQuoteForMessage(source), FinopsPeriodText(period)),
				 errdetail("An accrual stands for a bill that is missing."),
				 errhint("SELECT * FROM finops.readiness(date '%s-01') shows which are.", FinopsPeriodText(period))));
	FINOPS_RUN("INSERT INTO finops.accrual_entry (period_start, origin_period, source, service, currency, amount, kind, method, reason, booked_by)"
			   " SELECT x.month, $1, $2, $3, $4, $5 * x.sign, CASE WHEN x.sign < 0 THEN 'reversal' ELSE 'accrual' END, 'manual', $6, $7"
			   " FROM (VALUES ($1, 1), (" NEXT_OPEN ", -1)) AS x(month, sign) ORDER BY x.month RETURNING entry_id",
			   ARG_DATE(period), ARG_TEXT(source), ARG_TEXT(service), ARG_TEXT(currency),
			   ARG_NUMERIC(PG_GETARG_NUMERIC(3)), ARG_TEXT(reason), ARG_TEXT(FinopsCallerName(&session)));
	entry_id = FinopsInt64(0, 1);
	FinopsClearGates(period, FINOPS_GATE_RECONCILIATION);
	FINOPS_RUN("SELECT to_jsonb(e.*)::text FROM finops.accrual_entry e WHERE e.entry_id = $1", ARG_INT8(entry_id));
	FinopsAudit(&session, "book_accrual", "billing_period", FinopsPeriodText(period), FinopsText(0, 1));
	FinopsEnd(&session);
	PG_RETURN_INT64(entry_id);
}
