/*-------------------------------------------------------------------------
 *
 * usage_late.c
 *	  Usage of locked months: frozen with the month, and what comes after.
 *
 * The rows of a locked month never change.  What is learned of its usage
 * later stands beside them, each time as the value that the day has now; the
 * next document bills the difference for the original service period
 * (charge_late.c).
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"
#include "invoice/plan.h"
#include "invoice/usage.h"

#include "commands/trigger.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(finops_record_late_usage);
PG_FUNCTION_INFO_V1(finops_guard_usage);

/* A month that is opened again gives its rows free. */
static bool thawing = false;

void
UsageFreeze(DateADT period)
{
	FINOPS_RUN("UPDATE @s@.usage_snapshot_daily SET frozen = true WHERE usage_date >= $1 AND usage_date < $2 AND NOT frozen",
			   ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)));
}

void
UsageThaw(DateADT period)
{
	thawing = true;
	PG_TRY();
	{
		FINOPS_RUN("UPDATE @s@.usage_snapshot_daily SET frozen = false WHERE usage_date >= $1 AND usage_date < $2 AND frozen",
				   ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)));
	}
	PG_FINALLY();
	{
		thawing = false;
	}
	PG_END_TRY();
}

/* Trigger: entries of balances, late and frozen usage stay as they are. */
Datum
finops_guard_usage(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called as a trigger")));
	if (thawing && TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		return PointerGetDatum(trigger->tg_newtuple);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("rows of table \"%s\" do not change", RelationGetRelationName(trigger->tg_relation)),
			 errdetail("Entries of balances are only added, and usage of a closed month is frozen."),
			 errhint("Record what came late with finops.record_late_usage().")));
	return (Datum) 0;
}

static void
require_locked(DateADT day)
{
	DateADT		period;
	bool		isnull;

	FINOPS_RUN("SELECT date_trunc('month', $1::timestamp)::date", ARG_DATE(day));
	period = DatumGetDateADT(FinopsValue(0, 1, &isnull));
	if (!FinopsPeriodIsLocked(period))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("billing period %s is not locked", FinopsPeriodText(period)),
				 errhint("Record its usage with finops.record_usage().")));
}

/* Whether the event is there already; with other values that is refused. */
static bool
is_recorded(const char *tenant, const char *event, const char *metric, FinopsArg quantity, FinopsArg price)
{
	if (FINOPS_RUN("SELECT bool_and((metric_code, quantity, unit_price) IS NOT DISTINCT FROM ($3, $4, $5)), bool_or(late) FROM"
				   " (SELECT metric_code, quantity, unit_price, false AS late FROM finops.usage_event WHERE tenant_id = $1 AND event_id = $2"
				   "  UNION ALL SELECT metric_code, quantity, unit_price, true FROM finops.late_usage WHERE tenant_id = $1 AND event_id = $2) e"
				   " HAVING count(*) > 0", ARG_TEXT(tenant), ARG_TEXT(event), ARG_TEXT(metric), quantity, price) == 0)
		return false;
	if (FinopsText(0, 1)[0] != 't' || FinopsText(0, 2)[0] != 't')
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 FinopsText(0, 1)[0] != 't' ? errmsg("event \"%s\" was recorded with other values", FinopsQuoteForMessage(event)) :
				 errmsg("event \"%s\" was recorded in its month", FinopsQuoteForMessage(event)),
				 errhint("Give each event an id of its own.")));
	return true;
}

/*
 * The day's value with one more transaction $6: made of all of them, or where
 * the day has a value that is not, of that value and this one.
 */
#define DAY "tenant_id = $1 AND metric_code = $2 AND usage_date = $3"

static const char *const event_sql =
	"WITH event AS (SELECT quantity FROM finops.usage_event WHERE " DAY
	"  UNION ALL SELECT quantity FROM finops.late_usage WHERE " DAY " AND event_id IS NOT NULL),"
	" day AS (SELECT coalesce((SELECT metric_value FROM finops.late_usage WHERE " DAY " ORDER BY late_id DESC LIMIT 1),"
	"   (SELECT metric_value FROM @s@.usage_snapshot_daily WHERE " DAY ")) AS value,"
	"  (SELECT " USAGE_VALUE("min(c.aggregation)", "e.quantity", "") " FROM event e, @s@.metric_catalog c WHERE c.metric_code = $2) AS made)"
	" INSERT INTO finops.late_usage (tenant_id, metric_code, usage_date, event_id, occurred_at, quantity, unit_price, reason, recorded_by, metric_value)"
	" SELECT $1, $2, $3, $4, coalesce($5, $3::timestamp AT TIME ZONE 'UTC'), $6, $7, $8, $9, " USAGE_VALUE("min(c.aggregation)", "e.quantity", "")
	" FROM (SELECT e.quantity FROM event e, day d WHERE d.value IS NULL OR d.value = d.made"
	"  UNION ALL SELECT d.value FROM day d WHERE d.value IS DISTINCT FROM d.made AND d.value IS NOT NULL"
	"  UNION ALL SELECT $6) e, @s@.metric_catalog c WHERE c.metric_code = $2";

/* One more transaction; the last result. */
static void
add_event(const FinopsSession *session, FunctionCallInfo fcinfo, const char *tenant, const char *metric)
{
	char	   *event = InvoiceRequiredText(fcinfo, 4, "event_id");
	FinopsArg	quantity = InvoiceDatumArg(fcinfo, 2, NUMERICOID);
	FinopsArg	price = InvoiceDatumArg(fcinfo, 6, NUMERICOID);
	FinopsArg	day = InvoiceDatumArg(fcinfo, 3, DATEOID);

	if (!is_recorded(tenant, event, metric, quantity, price))
		FINOPS_RUN(event_sql, ARG_TEXT(tenant), ARG_TEXT(metric), day, ARG_TEXT(event),
				   InvoiceDatumArg(fcinfo, 5, TIMESTAMPTZOID), quantity, price,
				   ARG_TEXT(InvoiceTextArg(fcinfo, 7)), ARG_TEXT(FinopsCallerName(session)));
	FINOPS_RUN("SELECT * FROM finops.late_usage WHERE tenant_id = $1 AND event_id = $2", ARG_TEXT(tenant), ARG_TEXT(event));
}

/* The day's value as it should have been; again the same changes nothing. */
static void
set_value(const FinopsSession *session, FunctionCallInfo fcinfo, const char *tenant, const char *metric)
{
	FinopsArg	value = InvoiceDatumArg(fcinfo, 2, NUMERICOID);
	FinopsArg	day = InvoiceDatumArg(fcinfo, 3, DATEOID);

	FINOPS_RUN("INSERT INTO finops.late_usage (tenant_id, metric_code, usage_date, metric_value, reason, recorded_by)"
			   " SELECT $1, $2, $3, $4, $5, $6 WHERE $4 IS DISTINCT FROM (SELECT l.metric_value FROM finops.late_usage l"
			   "  WHERE l.tenant_id = $1 AND l.metric_code = $2 AND l.usage_date = $3 ORDER BY l.late_id DESC LIMIT 1)",
			   ARG_TEXT(tenant), ARG_TEXT(metric), day, value, ARG_TEXT(InvoiceTextArg(fcinfo, 7)),
			   ARG_TEXT(FinopsCallerName(session)));
	FINOPS_RUN("SELECT * FROM finops.late_usage WHERE tenant_id = $1 AND metric_code = $2 AND usage_date = $3 ORDER BY late_id DESC LIMIT 1",
			   ARG_TEXT(tenant), ARG_TEXT(metric), day);
}

/*
 * finops.record_late_usage(tenant_id text, metric_code text, metric_value
 *	numeric, usage_date date, event_id text, occurred_at timestamptz,
 *	unit_price numeric, reason text) -> late_usage
 *
 * Errors: 22004; 22023 for negative, NaN or infinite numbers; P0002 for an
 * unknown tenant or metric; 23505 for an event that was recorded otherwise;
 * 55000 for a month that is not locked.
 */
Datum
finops_record_late_usage(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tenant = InvoiceRequiredText(fcinfo, 0, "tenant_id");
	char	   *metric = InvoiceRequiredText(fcinfo, 1, "metric_code");

	FinopsRequireArg(fcinfo, 2, "metric_value");
	FinopsRequireArg(fcinfo, 3, "usage_date");
	FinopsCheckDay(PG_GETARG_DATEADT(3), "usage_date");
	UsageCheckQuantity(fcinfo, 2, "metric_value");
	UsageCheckQuantity(fcinfo, 6, "unit_price");
	FinopsRequireWritable("finops.record_late_usage()");
	FinopsBegin(&session);
	/* written, so that two of one tenant run one after the other */
	PlanLockTenant(tenant);
	PlanRequireMetric(metric);
	require_locked(PG_GETARG_DATEADT(3));
	if (PG_ARGISNULL(4))
		set_value(&session, fcinfo, tenant, metric);
	else
		add_event(&session, fcinfo, tenant, metric);
	FinopsReturnRows(fcinfo);
	FINOPS_RUN("SELECT jsonb_build_object('metric_code', $1, 'usage_date', $2, 'metric_value', $3)::text", ARG_TEXT(metric),
			   InvoiceDatumArg(fcinfo, 3, DATEOID), InvoiceDatumArg(fcinfo, 2, NUMERICOID));
	FinopsAudit(&session, "late_usage", "tenant", tenant, FinopsText(0, 1));
	FinopsEnd(&session);
	return (Datum) 0;
}
