/*-------------------------------------------------------------------------
 *
 * plan.c
 *	  Plans, and which tenant has which plan when.
 *
 * Each call says what should be so and may be repeated: a repetition changes
 * nothing and writes no audit event.  An argument left NULL keeps what is
 * stored.  Each returns the stored row.
 *
 * A plan that is on an issued invoice keeps its price, its components and
 * its caps: the invoice refers to it.  A new price is a new version of the
 * plan's family under a new plan code, with days from which and until which
 * it can be bound.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"
#include "invoice/plan.h"

#include "commands/trigger.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(finops_set_plan);
PG_FUNCTION_INFO_V1(finops_bind_plan);
PG_FUNCTION_INFO_V1(finops_guard_plan);

void
PlanRequire(const char *plan)
{
	if (FINOPS_RUN("SELECT FROM @s@.plan_master WHERE plan_code = $1", ARG_TEXT(plan)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("unknown plan \"%s\"", FinopsQuoteForMessage(plan)),
				 errhint("Create it with finops.set_plan().")));
}

void
PlanRequireMetric(const char *metric)
{
	if (FINOPS_RUN("SELECT FROM @s@.metric_catalog WHERE metric_code = $1", ARG_TEXT(metric)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("unknown metric \"%s\"", FinopsQuoteForMessage(metric)),
				 errhint("Register it with SELECT finops.set_metric('%s', unit => 'GB', aggregation => 'sum_daily').",
						 FinopsQuoteForMessage(metric))));
}

/*
 * The first issued invoice of a tenant that had the plan in the invoice's
 * month, or has it in the next one and pays in advance; NULL when there is
 * none.
 */
static char *
issued_invoice(const char *plan)
{
	if (FINOPS_RUN("SELECT h.invoice_number FROM @s@.tenant_plan_binding b JOIN @s@.plan_master p USING (plan_code)"
				   " JOIN @s@.invoice_header h ON h.tenant_id = b.tenant_id"
				   " AND h.period_start <= coalesce(b.period_end, 'infinity') AND h.period_end >= b.period_start - CASE WHEN p.pay_in_advance THEN 31 ELSE 0 END"
				   " WHERE b.plan_code = $1 AND h.kind = 'invoice' AND h.status IN ('issued', 'paid')"
				   " UNION ALL SELECT h.invoice_number FROM @s@.invoice_header h"
				   " WHERE h.plan_code = $1 AND h.status IN ('issued', 'paid') LIMIT 1",
				   ARG_TEXT(plan)) == 0)
		return NULL;
	return FinopsText(0, 1);
}

void
PlanRefuseIssued(const char *plan)
{
	char	   *invoice = issued_invoice(plan);

	if (invoice != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("plan \"%s\" is on issued invoices", FinopsQuoteForMessage(plan)),
				 errdetail("Invoice %s refers to its price.", invoice),
				 errhint("Create the new price under a new plan code and bind tenants to it with finops.bind_plan().")));
}

/*
 * Trigger: what an issued invoice was priced by is not changed.  The trigger
 * of plan_master fires only where a column that matters would change.
 */
Datum
finops_guard_plan(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	FinopsSession session;
	TupleDesc	desc;
	char	   *plan;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called as a trigger")));
	desc = RelationGetDescr(trigger->tg_relation);
	FinopsBegin(&session);
	plan = SPI_getvalue(trigger->tg_trigtuple, desc, SPI_fnumber(desc, "plan_code"));
	PlanRefuseIssued(plan);
	FinopsEnd(&session);
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
						   trigger->tg_newtuple : trigger->tg_trigtuple);
}

static void
check_count(FunctionCallInfo fcinfo, int argno, const char *name)
{
	if (!PG_ARGISNULL(argno) && PG_GETARG_INT32(argno) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", name)));
}

static void
check_plan_args(FunctionCallInfo fcinfo, const char *currency)
{
	InvoiceCheckNumber(fcinfo, 1, "base_price", "0", "1000000000000000");
	InvoiceCheckNumber(fcinfo, 2, "markup_pct", "-99.999999", "1000000");
	InvoiceCheckNumber(fcinfo, 11, "minimum_amount", "0", "1000000000000000");
	InvoiceCheckNumber(fcinfo, 12, "maximum_amount", "0", "1000000000000000");
	if (currency != NULL)
		(void) InvoiceCurrencyDigits(currency);
	PlanCheckProration(InvoiceTextArg(fcinfo, 10));
}

/* The plan as it would be after the call. */
static void
stage_plan(FunctionCallInfo fcinfo, const char *plan, const char *currency)
{
	FINOPS_STAGE("new_plan",
				 "SELECT $1::text AS plan_code, coalesce($5, p.plan_family, $1) AS plan_family,"
				 " coalesce($6, p.version, 'v1') AS version,"
				 " coalesce($4, p.currency, (SELECT currency FROM finops.issuer WHERE issuer_id = 'default'), $16) AS currency,"
				 " $2::numeric AS base_price, $3::numeric AS markup_pct, coalesce($7, p.base_seats, 0) AS base_seats,"
				 " coalesce($8, p.max_seats) AS max_seats, coalesce($9, p.effective_from) AS effective_from,"
				 " coalesce($10, p.effective_to) AS effective_to, coalesce($11, p.proration, 'day') AS proration,"
				 " coalesce($12, p.minimum_amount, 0) AS minimum_amount, coalesce($13, p.maximum_amount) AS maximum_amount,"
				 " coalesce($14, p.full_month_caps, false) AS full_month_caps, coalesce($15, p.tax_category) AS tax_category,"
				 " coalesce($17, p.pay_in_advance, false) AS pay_in_advance"
				 " FROM (SELECT $1) k LEFT JOIN @s@.plan_master p ON p.plan_code = $1",
				 ARG_TEXT(plan), InvoiceDatumArg(fcinfo, 1, NUMERICOID),
				 InvoiceDatumArg(fcinfo, 2, NUMERICOID), ARG_TEXT(currency),
				 ARG_TEXT(InvoiceTextArg(fcinfo, 4)), ARG_TEXT(InvoiceTextArg(fcinfo, 5)),
				 InvoiceDatumArg(fcinfo, 6, INT4OID), InvoiceDatumArg(fcinfo, 7, INT4OID),
				 InvoiceDatumArg(fcinfo, 8, DATEOID), InvoiceDatumArg(fcinfo, 9, DATEOID),
				 ARG_TEXT(InvoiceTextArg(fcinfo, 10)), InvoiceDatumArg(fcinfo, 11, NUMERICOID),
				 InvoiceDatumArg(fcinfo, 12, NUMERICOID), InvoiceDatumArg(fcinfo, 13, BOOLOID),
				 ARG_TEXT(InvoiceTextArg(fcinfo, 14)), ARG_TEXT(finops_reporting_currency),
				 InvoiceDatumArg(fcinfo, 15, BOOLOID));
}

static void
check_staged_plan(const char *plan)
{
	if (FINOPS_RUN0("SELECT CASE WHEN max_seats < base_seats THEN 'max_seats is below base_seats.'"
					" WHEN effective_to < effective_from THEN 'effective_to is before effective_from.'"
					" WHEN maximum_amount < minimum_amount THEN 'maximum_amount is below minimum_amount.'"
					" WHEN EXISTS (SELECT FROM finops.plan_price x WHERE x.plan_code = n.plan_code AND x.currency <> n.currency)"
					"  THEN 'Its components are priced in another currency.' END FROM new_plan n") > 0 &&
		FinopsText(0, 1) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid plan \"%s\"", FinopsQuoteForMessage(plan)),
				 errdetail("%s", FinopsText(0, 1))));
}

#define PRICED_BY(p) \
	"(" p ".base_price, " p ".markup_pct, " p ".currency, " p ".base_seats, " p ".proration, " \
	p ".full_month_caps, " p ".pay_in_advance, " p ".minimum_amount, " p ".maximum_amount, " p ".tax_category, " p ".version)"

static void
refuse_change_of_issued(const char *plan)
{
	if (FINOPS_RUN0("SELECT FROM new_plan n JOIN @s@.plan_master p USING (plan_code)"
					" WHERE " PRICED_BY("p") " IS DISTINCT FROM " PRICED_BY("n")) > 0)
		PlanRefuseIssued(plan);
}

#define PLAN_COLUMNS \
	"plan_code, plan_family, version, currency, base_price, markup_pct, base_seats, max_seats," \
	" effective_from, effective_to, proration, minimum_amount, maximum_amount, full_month_caps, tax_category," \
	" pay_in_advance"

/*
 * finops.set_plan(plan_code text, base_price numeric, markup_pct numeric, ...)
 *	-> plan_master
 *
 * Price of a full month in the plan's currency and percent added to
 * allocated cost.  Errors: 22004, 22023 for negative or non-finite prices and
 * contradictions, 55000 when the plan is on an issued invoice and would
 * change.
 */
Datum
finops_set_plan(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *plan = InvoiceRequiredText(fcinfo, 0, "plan_code");
	char	   *currency = InvoiceTextArg(fcinfo, 3);

	FinopsRequireArg(fcinfo, 1, "base_price");
	FinopsRequireArg(fcinfo, 2, "markup_pct");
	check_count(fcinfo, 6, "base_seats");
	check_count(fcinfo, 7, "max_seats");
	FinopsBegin(&session);
	check_plan_args(fcinfo, currency);
	stage_plan(fcinfo, plan, currency);
	check_staged_plan(plan);
	refuse_change_of_issued(plan);
	if (FINOPS_RUN0("INSERT INTO @s@.plan_master AS p (" PLAN_COLUMNS ") SELECT " PLAN_COLUMNS " FROM new_plan"
					" ON CONFLICT (plan_code) DO UPDATE SET (" PLAN_COLUMNS ", updated_at)"
					" = (SELECT " PLAN_COLUMNS ", now() FROM new_plan)"
					" WHERE NOT EXISTS (SELECT FROM new_plan n WHERE to_jsonb(p.*) @> to_jsonb(n.*))"
					" RETURNING to_jsonb(p.*)::text") > 0)
		FinopsAudit(&session, "plan_change", "plan", plan, FinopsText(0, 1));
	FINOPS_RUN("SELECT * FROM @s@.plan_master WHERE plan_code = $1", ARG_TEXT(plan));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * Lock the tenant for a change of its bindings.  The row is written, not only
 * locked, so that a REPEATABLE READ transaction that waited gets 40001
 * instead of missing the binding it waited for.
 */
void
PlanLockTenant(const char *tenant)
{
	if (FINOPS_RUN("UPDATE @s@.tenant_master SET updated_at = now()"
				   " WHERE tenant_id = $1 RETURNING status", ARG_TEXT(tenant)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("unknown tenant \"%s\"", FinopsQuoteForMessage(tenant)),
				 errhint("Register it with finops.register_tenant().")));
	if (strcmp(FinopsText(0, 1), "unregistered") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tenant \"%s\" is not registered", FinopsQuoteForMessage(tenant)),
				 errdetail("It was seen in a bill only."),
				 errhint("Register it with finops.register_tenant().")));
}

static void
refuse_overlap(const char *tenant, const char *plan, DateADT from, FinopsArg to)
{
	if (FINOPS_RUN("SELECT plan_code, period_start::text, coalesce(period_end::text, 'open end')"
				   " FROM @s@.tenant_plan_binding"
				   " WHERE tenant_id = $1 AND NOT (plan_code = $2 AND period_start = $3)"
				   " AND daterange(period_start, period_end, '[]') && daterange($3, $4, '[]')"
				   " ORDER BY period_start LIMIT 1",
				   ARG_TEXT(tenant), ARG_TEXT(plan), ARG_DATE(from), to) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_EXCLUSION_VIOLATION),
				 errmsg("plan bindings of tenant \"%s\" would overlap", FinopsQuoteForMessage(tenant)),
				 errdetail("It has plan \"%s\" from %s to %s.", FinopsQuoteForMessage(FinopsText(0, 1)),
						   FinopsText(0, 2), FinopsText(0, 3)),
				 errhint("End that binding first: call finops.bind_plan() with its plan, its from_date and an earlier to_date.")));
}

/* A version can be bound from its first effective day to its last one. */
static void
check_effective(const char *plan, DateADT from)
{
	if (FINOPS_RUN("SELECT coalesce(effective_from::text, 'any day'), coalesce(effective_to::text, 'any day'),"
				   " coalesce(finops.plan_of_family(plan_family, $2), '')"
				   " FROM @s@.plan_master WHERE plan_code = $1"
				   " AND (effective_from > $2 OR effective_to < $2)",
				   ARG_TEXT(plan), ARG_DATE(from)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("plan \"%s\" cannot be bound from that day on", FinopsQuoteForMessage(plan)),
				 errdetail("It is effective from %s to %s.", FinopsText(0, 1), FinopsText(0, 2)),
				 FinopsText(0, 3)[0] == '\0' ? 0 :
				 errhint("Bind plan \"%s\", the version of that day.", FinopsText(0, 3))));
}

/* Bind within a session, the tenant locked; leaves the binding as the last result. */
void
PlanBind(const FinopsSession *session, const char *tenant, const char *plan,
		 DateADT from, FinopsArg to)
{
	PlanRequire(plan);
	check_effective(plan, from);
	refuse_overlap(tenant, plan, from, to);
	if (FINOPS_RUN("INSERT INTO @s@.tenant_plan_binding AS b (tenant_id, plan_code, period_start, period_end)"
				   " VALUES ($1, $2, $3, $4)"
				   " ON CONFLICT (tenant_id, period_start) DO UPDATE SET period_end = $4, ends_at = NULL"
				   " WHERE b.period_end IS DISTINCT FROM $4"
				   " RETURNING to_jsonb(b.*)::text",
				   ARG_TEXT(tenant), ARG_TEXT(plan), ARG_DATE(from), to) > 0)
		FinopsAudit(session, "plan_binding", "tenant", tenant, FinopsText(0, 1));
	FINOPS_RUN("SELECT * FROM @s@.tenant_plan_binding WHERE tenant_id = $1 AND period_start = $2",
			   ARG_TEXT(tenant), ARG_DATE(from));
}

/*
 * finops.bind_plan(tenant_id text, plan_code text, from_date date,
 *	to_date date) -> tenant_plan_binding
 *
 * The tenant has the plan from from_date to to_date, both included; NULL is
 * open-ended.  The same tenant, plan and from_date again sets the end.
 * Errors: 22004, 22023 for an end before the start or days on which the plan
 * is not effective, P0002 for an unknown tenant or plan, 55000 for an
 * unregistered tenant, 23P01 for an overlap.
 */
Datum
finops_bind_plan(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tenant = InvoiceRequiredText(fcinfo, 0, "tenant_id");
	char	   *plan = InvoiceRequiredText(fcinfo, 1, "plan_code");
	DateADT		from;
	FinopsArg	to;

	FinopsRequireArg(fcinfo, 2, "from_date");
	from = PG_GETARG_DATEADT(2);
	to = InvoiceDatumArg(fcinfo, 3, DATEOID);
	if (DATE_NOT_FINITE(from) || (!to.isnull && DATE_NOT_FINITE(DatumGetDateADT(to.value))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("from_date and to_date must be finite dates"),
				 errhint("Leave to_date out for an open-ended binding.")));
	if (!to.isnull && DatumGetDateADT(to.value) < from)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("to_date must not be before from_date")));
	FinopsBegin(&session);
	PlanLockTenant(tenant);
	PlanBind(&session, tenant, plan, from, to);
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
