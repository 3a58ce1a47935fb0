/*-------------------------------------------------------------------------
 *
 * plan_change.c
 *	  Changes within a month: another plan, a pause, more seats.
 *
 * Instants become days in the tenant's time zone.  Plans that are prorated
 * by day belong to the new plan from the day of the change on, and a pause
 * takes the days from its first one to the day before it ends; by second the
 * instants themselves count.  Between a plan by second and one by day the
 * change is at the midnight that begins its day, for both: the instant would
 * bill a part of the day twice, or not at all.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"
#include "invoice/plan.h"

#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_change_plan);
PG_FUNCTION_INFO_V1(finops_pause_plan);
PG_FUNCTION_INFO_V1(finops_resume_plan);
PG_FUNCTION_INFO_V1(finops_set_seats);

static TimestampTz
instant_arg(FunctionCallInfo fcinfo, int argno)
{
	FinopsRequireArg(fcinfo, argno, "at");
	if (TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(argno)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("at must be a finite instant")));
	return PG_GETARG_TIMESTAMPTZ(argno);
}

#define ARG_INSTANT(t)	ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(t), false)

/*
 * The plan that ends, with the day and the instant at which it does; $2 the
 * instant of the call, $3 whether the change waits for the next month.
 */
static const char *const change_sql =
	"SELECT b.binding_id, b.plan_code AS old_plan, b.period_start, b.period_end, b.ends_at, z.day,"
	" CASE WHEN $3 THEN z.day::timestamp AT TIME ZONE z.zone ELSE $2 END AS at"
	" FROM (SELECT y.zone, CASE WHEN $3 THEN (date_trunc('month', y.here) + interval '1 month')::date"
	"  ELSE y.here::date END AS day"
	"  FROM (SELECT " PLAN_ZONE " AS zone, $2 AT TIME ZONE " PLAN_ZONE " AS here"
	"   FROM (SELECT) one" PLAN_ZONE_JOIN("$1") ") y) z"
	" JOIN @s@.tenant_plan_binding b ON b.tenant_id = $1 AND z.day >= b.period_start"
	" AND z.day <= coalesce(b.period_end, 'infinity')";

static void
stage_change(const char *tenant, TimestampTz at, bool scheduled)
{
	if (FINOPS_STAGE("plan_change", change_sql, ARG_TEXT(tenant), ARG_INSTANT(at),
					 ARG_BOOL(scheduled)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("tenant \"%s\" has no plan that could be changed on that day", FinopsQuoteForMessage(tenant)),
				 errhint("Bind a plan with finops.bind_plan().")));
}

/* Whether the new plan costs less; 22023 where that cannot be told. */
static bool
is_downgrade(const char *tenant, const char *plan, TimestampTz at)
{
	stage_change(tenant, at, false);
	FINOPS_RUN("SELECT n.base_price < o.base_price, n.currency = o.currency, o.plan_code = n.plan_code"
			   " FROM plan_change c JOIN @s@.plan_master o ON o.plan_code = c.old_plan"
			   " JOIN @s@.plan_master n ON n.plan_code = $1", ARG_TEXT(plan));
	if (strcmp(FinopsText(0, 3), "t") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tenant \"%s\" has plan \"%s\" already", FinopsQuoteForMessage(tenant), FinopsQuoteForMessage(plan))));
	if (strcmp(FinopsText(0, 2), "t") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the plans are in different currencies"),
				 errhint("Say when_mode => 'immediate' or 'scheduled'.")));
	FinopsEndStage("plan_change");
	return strcmp(FinopsText(0, 1), "t") == 0;
}

static bool
take_mode(const char *mode, const char *tenant, const char *plan, TimestampTz at)
{
	if (mode == NULL)
		return is_downgrade(tenant, plan, at);
	if (strcmp(mode, "immediate") != 0 && strcmp(mode, "scheduled") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown when_mode \"%s\"", FinopsQuoteForMessage(mode)),
				 errhint("Use immediate or scheduled.")));
	return strcmp(mode, "scheduled") == 0;
}

static void
end_old_plan(const char *tenant)
{
	FINOPS_RUN("SELECT old_plan, day::text FROM plan_change WHERE day = period_start"
			   " OR EXISTS (SELECT FROM @s@.tenant_plan_binding b WHERE b.tenant_id = $1 AND b.binding_id <> plan_change.binding_id"
			   "  AND b.period_start > plan_change.day AND b.period_start <= coalesce(plan_change.period_end, 'infinity'))",
			   ARG_TEXT(tenant));
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("plan \"%s\" of tenant \"%s\" begins on %s, the day of the change",
						FinopsQuoteForMessage(FinopsText(0, 1)), FinopsQuoteForMessage(tenant),
							FinopsText(0, 2)),
				 errhint("Change the plan on a later day.")));
	FINOPS_RUN0("UPDATE @s@.tenant_plan_binding b SET period_end = c.day - 1, ends_at = c.at"
				" FROM plan_change c WHERE b.binding_id = c.binding_id");
}

/* By what a plan counts the time of its price, and of any component. */
#define COUNTED_BY(plan) \
	"(SELECT concat(m.proration, EXISTS (SELECT FROM finops.plan_price c WHERE c.plan_code = m.plan_code" \
	" AND c.proration = 'second')) FROM @s@.plan_master m WHERE m.plan_code = " plan ")"

/* Plans that count differently meet at midnight; $1 the tenant, $2 the day. */
static const char *const midnight_sql =
	"WITH pair AS (SELECT a.binding_id AS before, b.binding_id AS after FROM @s@.tenant_plan_binding a"
	" JOIN @s@.tenant_plan_binding b ON b.tenant_id = a.tenant_id AND b.period_start = a.period_end + 1"
	" WHERE a.tenant_id = $1 AND b.period_start >= $2"
	" AND " COUNTED_BY("a.plan_code") " <> " COUNTED_BY("b.plan_code") ")"
	" UPDATE @s@.tenant_plan_binding x"
	" SET starts_at = CASE WHEN x.binding_id NOT IN (SELECT p.after FROM pair p) THEN x.starts_at END,"
	" ends_at = CASE WHEN x.binding_id NOT IN (SELECT p.before FROM pair p) THEN x.ends_at END"
	" WHERE x.tenant_id = $1 AND x.binding_id IN (SELECT unnest(ARRAY[p.before, p.after]) FROM pair p)";

/* What the rest of the month costs more by the new plan. */
static const char *const ledger_sql =
	"INSERT INTO @s@.upgrade_ledger (tenant_id, from_plan, to_plan, when_mode, status, proration_amount,"
	" currency, activated_at, actor)"
	" SELECT $1, c.old_plan, $2, CASE WHEN $3 THEN 'scheduled' ELSE 'immediate' END,"
	" CASE WHEN c.at > now() THEN 'scheduled' ELSE 'active' END,"
	" CASE WHEN n.currency = o.currency THEN round((n.base_price - o.base_price) * (m.next - c.day)"
	"  / (m.next - m.first), finops.currency_minor_unit(n.currency)) END, n.currency, c.at, $4"
	" FROM plan_change c JOIN @s@.plan_master o ON o.plan_code = c.old_plan"
	" JOIN @s@.plan_master n ON n.plan_code = $2"
	" CROSS JOIN LATERAL (SELECT date_trunc('month', c.day::timestamp)::date AS first,"
	"  (date_trunc('month', c.day::timestamp) + interval '1 month')::date AS next) m"
	" RETURNING upgrade_id, to_jsonb(upgrade_ledger.*)::text";

/*
 * finops.change_plan(tenant_id text, plan_code text, at timestamptz,
 *	when_mode text) -> upgrade_ledger
 *
 * Errors: 22004, 22023 for an unknown mode or the plan the tenant has,
 * P0002 for an unknown tenant or plan or no plan on that day, 55000 where the
 * old plan begins on the day of the change.
 */
Datum
finops_change_plan(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tenant = InvoiceRequiredText(fcinfo, 0, "tenant_id");
	char	   *plan = InvoiceRequiredText(fcinfo, 1, "plan_code");
	TimestampTz at = instant_arg(fcinfo, 2);
	bool		scheduled;
	bool		isnull;
	FinopsArg	end;
	DateADT		day;
	FinopsArg	id;

	FinopsBegin(&session);
	PlanLockTenant(tenant);
	PlanRequire(plan);
	scheduled = take_mode(InvoiceTextArg(fcinfo, 3), tenant, plan, at);
	stage_change(tenant, at, scheduled);
	FINOPS_RUN0("SELECT day, period_end FROM plan_change");
	day = DatumGetDateADT(FinopsValue(0, 1, &isnull));
	end.type = DATEOID;
	end.value = FinopsValue(0, 2, &end.isnull);
	end_old_plan(tenant);
	PlanBind(&session, tenant, plan, day, end);
	/* what follows the old plan, at an instant or at midnight, follows the new one */
	FINOPS_RUN("UPDATE @s@.tenant_plan_binding b SET starts_at = c.at, ends_at = c.ends_at FROM plan_change c"
			   " WHERE b.tenant_id = $1 AND b.period_start = c.day", ARG_TEXT(tenant));
	FINOPS_RUN(midnight_sql, ARG_TEXT(tenant), ARG_DATE(day));
	FINOPS_RUN(ledger_sql, ARG_TEXT(tenant), ARG_TEXT(plan), ARG_BOOL(scheduled),
			   ARG_TEXT(FinopsCallerName(&session)));
	id = ARG_DATUM(UUIDOID, FinopsValue(0, 1, &isnull), false);
	FinopsAudit(&session, "plan_change", "tenant", tenant, FinopsText(0, 2));
	FINOPS_RUN("SELECT * FROM @s@.upgrade_ledger WHERE upgrade_id = $1", id);
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.pause_plan(tenant_id text, at timestamptz, reason text)
 *	-> finops.plan_pause
 *
 * Errors: 22004, 22023, P0002, 55000 for an unregistered tenant or one that
 * is paused then.
 */
Datum
finops_pause_plan(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tenant = InvoiceRequiredText(fcinfo, 0, "tenant_id");
	TimestampTz at = instant_arg(fcinfo, 1);

	FinopsBegin(&session);
	PlanLockTenant(tenant);
	if (FINOPS_RUN("SELECT paused_at::text, coalesce(resumed_at::text, 'now on') FROM finops.plan_pause"
				   " WHERE tenant_id = $1 AND coalesce(resumed_at > $2, true)"
				   " ORDER BY paused_at LIMIT 1", ARG_TEXT(tenant), ARG_INSTANT(at)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tenant \"%s\" is paused then", FinopsQuoteForMessage(tenant)),
				 errdetail("It is paused from %s to %s.", FinopsText(0, 1), FinopsText(0, 2)),
				 errhint("Resume it first with finops.resume_plan().")));
	FINOPS_RUN("INSERT INTO finops.plan_pause (tenant_id, paused_at, reason, set_by) VALUES ($1, $2, $3, $4)"
			   " RETURNING plan_pause.*",
			   ARG_TEXT(tenant), ARG_INSTANT(at), ARG_TEXT(InvoiceTextArg(fcinfo, 2)),
			   ARG_TEXT(FinopsCallerName(&session)));
	FinopsReturnRows(fcinfo);
	FinopsAudit(&session, "plan_pause", "tenant", tenant, "{}");
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.resume_plan(tenant_id text, at timestamptz) -> finops.plan_pause
 *
 * Errors: 22004, 22023 for an instant that is not after the pause began,
 * P0002, 55000 for a tenant that is not paused.
 */
Datum
finops_resume_plan(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tenant = InvoiceRequiredText(fcinfo, 0, "tenant_id");
	TimestampTz at = instant_arg(fcinfo, 1);

	FinopsBegin(&session);
	PlanLockTenant(tenant);
	if (FINOPS_RUN("SELECT paused_at < $2, paused_at::text FROM finops.plan_pause"
				   " WHERE tenant_id = $1 AND resumed_at IS NULL", ARG_TEXT(tenant), ARG_INSTANT(at)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tenant \"%s\" is not paused", FinopsQuoteForMessage(tenant)),
				 errhint("Pause it with finops.pause_plan().")));
	if (strcmp(FinopsText(0, 1), "t") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a pause must end after it began"),
				 errdetail("It began at %s.", FinopsText(0, 2))));
	FINOPS_RUN("UPDATE finops.plan_pause p SET resumed_at = $2 WHERE tenant_id = $1 AND resumed_at IS NULL"
			   " RETURNING p.*", ARG_TEXT(tenant), ARG_INSTANT(at));
	FinopsReturnRows(fcinfo);
	FinopsAudit(&session, "plan_resume", "tenant", tenant, "{}");
	FinopsEnd(&session);
	return (Datum) 0;
}

static void
check_max_seats(const char *tenant, int32 seats, DateADT from)
{
	if (FINOPS_RUN("SELECT p.plan_code, p.max_seats FROM @s@.tenant_plan_binding b JOIN @s@.plan_master p USING (plan_code)"
				   " WHERE b.tenant_id = $1 AND b.period_start <= $3 AND coalesce(b.period_end, 'infinity') >= $3"
				   " AND p.max_seats < $2", ARG_TEXT(tenant), ARG_INT4(seats), ARG_DATE(from)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("plan \"%s\" has at most %s seats", FinopsQuoteForMessage(FinopsText(0, 1)), FinopsText(0, 2)),
				 errhint("Change to a larger plan with finops.change_plan().")));
}

/*
 * finops.set_seats(tenant_id text, seats int, from_date date)
 *	-> finops.seat_count
 *
 * Errors: 22004, 22023 for a negative number or more than the plan has,
 * P0002, 55000.
 */
Datum
finops_set_seats(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tenant = InvoiceRequiredText(fcinfo, 0, "tenant_id");

	FinopsRequireArg(fcinfo, 1, "seats");
	FinopsRequireArg(fcinfo, 2, "from_date");
	FinopsCheckDay(PG_GETARG_DATEADT(2), "from_date");
	if (PG_GETARG_INT32(1) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("seats must not be negative")));
	FinopsBegin(&session);
	PlanLockTenant(tenant);
	check_max_seats(tenant, PG_GETARG_INT32(1), PG_GETARG_DATEADT(2));
	if (FINOPS_RUN("INSERT INTO finops.seat_count AS c (tenant_id, from_date, seats) VALUES ($1, $2, $3)"
				   " ON CONFLICT (tenant_id, from_date) DO UPDATE SET seats = $3, set_at = now() WHERE c.seats <> $3"
				   " RETURNING to_jsonb(c.*)::text",
				   ARG_TEXT(tenant), ARG_DATE(PG_GETARG_DATEADT(2)), ARG_INT4(PG_GETARG_INT32(1))) > 0)
		FinopsAudit(&session, "seat_change", "tenant", tenant, FinopsText(0, 1));
	FINOPS_RUN("SELECT * FROM finops.seat_count WHERE tenant_id = $1 AND from_date = $2",
			   ARG_TEXT(tenant), ARG_DATE(PG_GETARG_DATEADT(2)));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
