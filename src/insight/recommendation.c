/*-------------------------------------------------------------------------
 *
 * recommendation.c
 *	  The life of a recommendation: proposed, approved, done, verified, or
 *	  dismissed or expired.
 *
 * Whoever changes one locks its row first; finops.refresh_recommendations
 * works alone.  Every step is audited.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/insight.h"

#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_propose_recommendation);
PG_FUNCTION_INFO_V1(finops_assign_recommendation);
PG_FUNCTION_INFO_V1(finops_approve_recommendation);
PG_FUNCTION_INFO_V1(finops_complete_recommendation);
PG_FUNCTION_INFO_V1(finops_dismiss_recommendation);
PG_FUNCTION_INFO_V1(finops_verify_recommendations);
PG_FUNCTION_INFO_V1(finops_refresh_recommendations);
PG_FUNCTION_INFO_V1(finops_send_shutdown_list);

#define LEAST_DAYS	"7"			/* of bills, before a saving is verified */
#define DAYS_OF_MONTH "730 / 24"

static char *
required_text(FunctionCallInfo fcinfo, int argno, const char *name)
{
	char	   *given;

	FinopsRequireArg(fcinfo, argno, name);
	given = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (given[strspn(given, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be blank", name)));
	return given;
}

static char *
optional_text(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

/* Before a row is locked: finops.refresh_recommendations may wait for neither. */
static void
work_beside_others(void)
{
	FINOPS_RUN0("LOCK TABLE finops.recommendation IN ROW EXCLUSIVE MODE");
}

/* The state of a recommendation, its row locked; P0002 where there is none. */
static char *
lock_recommendation(const char *id)
{
	work_beside_others();
	if (FINOPS_RUN("SELECT r.state, r.proposed_by, r.proposed_session, coalesce(r.reason, '') FROM finops.recommendation r"
				   " WHERE r.recommendation_id = $1 FOR UPDATE", ARG_TEXT(id)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("there is no recommendation \"%s\"", FinopsQuoteForMessage(id)),
				 errhint("SELECT * FROM finops.open_recommendation lists those that are open.")));
	return FinopsText(0, 1);
}

static void
require_state(const char *id, const char *state, const char *one, const char *other)
{
	if (strcmp(state, one) != 0 && (other == NULL || strcmp(state, other) != 0))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("recommendation \"%s\" is %s", FinopsQuoteForMessage(id), state),
				 errdetail("It would have to be %s%s%s.", one, other == NULL ? "" : " or ",
						   other == NULL ? "" : other)));
}

static void
audit(const FinopsSession *session, const char *action, const char *id)
{
	FINOPS_RUN("SELECT jsonb_strip_nulls(jsonb_build_object('recommendation_id', r.recommendation_id, 'type', r.optimization_type, 'resource_id', r.resource_id,"
			   " 'action_required', r.action_required, 'projected_savings', r.potential_savings_usd, 'currency', r.currency, 'priority', r.priority_level,"
			   " 'state', r.state, 'reason', r.reason, 'owner', r.owner, 'reference', r.reference, 'verified_savings', r.verified_savings))::text"
			   " FROM finops.recommendation r WHERE r.recommendation_id = $1", ARG_TEXT(id));
	FinopsAudit(session, action, "recommendation", id, FinopsText(0, 1));
}

/* ---------------------------------------------------------------------
 * People's steps
 * ---------------------------------------------------------------------
 */

/*
 * finops.propose_recommendation(...) -> id.  22004, 22023 for what is blank,
 * 23514 for amounts that are not finite.
 */
Datum
finops_propose_recommendation(PG_FUNCTION_ARGS)
{
	char	   *type = required_text(fcinfo, 0, "optimization_type");
	char	   *action = required_text(fcinfo, 3, "action_required");
	char	   *currency = required_text(fcinfo, 4, "currency");
	FinopsSession session;
	MemoryContext context = CurrentMemoryContext;
	char	   *id;

	FinopsRequireArg(fcinfo, 2, "potential_savings");
	FinopsBegin(&session);
	FINOPS_RUN("INSERT INTO finops.recommendation AS r (optimization_type, resource_id, potential_savings_usd, action_required, currency, current_cost_usd, owner, details,"
			   " proposed_by, proposed_session) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING r.recommendation_id",
			   ARG_TEXT(type), ARG_TEXT(optional_text(fcinfo, 1)),
			   ARG_DATUM(NUMERICOID, PG_GETARG_DATUM(2), false),
			   ARG_TEXT(action), ARG_TEXT(currency),
			   ARG_DATUM(NUMERICOID, PG_GETARG_DATUM(5), PG_ARGISNULL(5)),
			   ARG_TEXT(optional_text(fcinfo, 6)), ARG_DATUM(JSONBOID, PG_GETARG_DATUM(7), PG_ARGISNULL(7)),
			   ARG_TEXT(FinopsCallerName(&session)), ARG_TEXT(GetUserNameFromId(GetSessionUserId(), false)));
	id = MemoryContextStrdup(context, FinopsText(0, 1));
	audit(&session, "propose", id);
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(cstring_to_text(id));
}

/* finops.assign_recommendation(recommendation_id text, owner text): 22004, 22023, P0002, 55000. */
Datum
finops_assign_recommendation(PG_FUNCTION_ARGS)
{
	char	   *id = required_text(fcinfo, 0, "recommendation_id");
	char	   *owner = required_text(fcinfo, 1, "owner");
	FinopsSession session;
	char	   *state;

	FinopsBegin(&session);
	state = lock_recommendation(id);
	if (strcmp(state, "done") != 0)
		require_state(id, state, "proposed", "approved");
	FINOPS_RUN("UPDATE finops.recommendation SET owner = $2, updated_at = now() WHERE recommendation_id = $1", ARG_TEXT(id), ARG_TEXT(owner));
	audit(&session, "assign", id);
	FinopsEnd(&session);
	PG_RETURN_VOID();
}

static void
decide(const FinopsSession *session, const char *id, const char *status, const char *reason,
	   FinopsArg not_before)
{
	FINOPS_RUN("UPDATE finops.recommendation SET status = $2, reason = $3, not_before = $4, decided_by = $5, decided_at = now(), updated_at = now()"
			   " WHERE recommendation_id = $1", ARG_TEXT(id), ARG_TEXT(status), ARG_TEXT(reason), not_before,
			   ARG_TEXT(FinopsCallerName(session)));
}

/*
 * finops.approve_recommendation(recommendation_id text, note text): 22004,
 * P0002, 55000 unless it is proposed, 42501 for who proposed it where
 * finops.four_eyes is on.
 */
Datum
finops_approve_recommendation(PG_FUNCTION_ARGS)
{
	char	   *id = required_text(fcinfo, 0, "recommendation_id");
	FinopsSession session;

	FinopsBegin(&session);
	require_state(id, lock_recommendation(id), "proposed", NULL);
	if (finops_four_eyes && FinopsIsSamePerson(&session, FinopsText(0, 2), FinopsText(0, 3)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a recommendation is approved by another role than proposed it"),
				 errdetail("\"%s\" is of %s.", FinopsQuoteForMessage(id), FinopsText(0, 2))));
	decide(&session, id, "APPROVED", optional_text(fcinfo, 1), ARG_DATUM(DATEOID, (Datum) 0, true));
	audit(&session, "approve", id);
	FinopsEnd(&session);
	PG_RETURN_VOID();
}

/*
 * finops.dismiss_recommendation(recommendation_id text, reason text,
 * not_before date): 22004, 22023, P0002, 55000 unless proposed or approved.
 */
Datum
finops_dismiss_recommendation(PG_FUNCTION_ARGS)
{
	char	   *id = required_text(fcinfo, 0, "recommendation_id");
	char	   *reason = required_text(fcinfo, 1, "reason");
	FinopsSession session;

	if (!PG_ARGISNULL(2))
		FinopsCheckDay(PG_GETARG_DATEADT(2), "not_before");
	FinopsBegin(&session);
	require_state(id, lock_recommendation(id), "proposed", "approved");
	decide(&session, id, "DISMISSED", reason, ARG_DATUM(DATEOID, PG_GETARG_DATUM(2), PG_ARGISNULL(2)));
	audit(&session, "dismiss", id);
	FinopsEnd(&session);
	PG_RETURN_VOID();
}

/*
 * finops.complete_recommendation(recommendation_id text, reference text,
 * done_at timestamptz): 22004, P0002, 55000 unless it is approved, 22023 for a
 * time to come.
 */
Datum
finops_complete_recommendation(PG_FUNCTION_ARGS)
{
	char	   *id = required_text(fcinfo, 0, "recommendation_id");
	FinopsSession session;

	FinopsRequireArg(fcinfo, 2, "done_at");
	if (TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(2)) || PG_GETARG_TIMESTAMPTZ(2) > GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("done_at must not be in the future")));
	FinopsBegin(&session);
	require_state(id, lock_recommendation(id), "approved", NULL);
	FINOPS_RUN("UPDATE finops.recommendation SET status = 'IMPLEMENTED', reference = $2, implemented_at = $3, updated_at = now() WHERE recommendation_id = $1",
			   ARG_TEXT(id), ARG_TEXT(optional_text(fcinfo, 1)),
			   ARG_DATUM(TIMESTAMPTZOID, PG_GETARG_DATUM(2), false));
	audit(&session, "complete", id);
	FinopsEnd(&session);
	PG_RETURN_VOID();
}

/* ---------------------------------------------------------------------
 * What was saved
 * ---------------------------------------------------------------------
 */

/* facts of the time since a recommendation was done */
#define SINCE \
	"f.bill_billing_period_start_date BETWEEN (SELECT min(x.first) FROM reco_window x) - 31 AND (SELECT max(x.last) FROM reco_window x)" \
	" AND f.line_item_usage_start_date >= w.first AND f.line_item_usage_start_date < w.last + 1"

/*
 * Of a commitment: what its usage would have cost, less all that it cost.  Of
 * a resource: what it cost before, less what it and the one in its place cost
 * since, both without what commitments cover.  Days without lines cost
 * nothing, up to the last day that any bill of the provider has.
 */
static int64
verify(const FinopsSession *session, DateADT as_of)
{
	uint64		n;

	FINOPS_STAGE("reco_window",
				 "SELECT * FROM (SELECT r.*, (r.implemented_at AT TIME ZONE 'UTC')::date + 1 AS first, (SELECT least(max(d.usage_date), $1 - 1) FROM finops.cost_daily d"
				 "  WHERE d.charge_category = 'Usage' AND d.currency = r.currency AND (r.provider IS NULL OR d.provider = r.provider)) AS last"
				 " FROM finops.recommendation r WHERE r.status = 'IMPLEMENTED' AND coalesce(r.resource_id, r.reference) IS NOT NULL) x"
				 " WHERE x.last - x.first + 1 >= " LEAST_DAYS, ARG_DATE(as_of));
	/* the facts are read once for all resources, and once for all commitments */
	FINOPS_STAGE0("reco_key",
				  "SELECT DISTINCT w.recommendation_id, k.key FROM reco_window w, LATERAL (VALUES (w.resource_id), (w.reference)) AS k(key) WHERE k.key IS NOT NULL");
	FINOPS_STAGE0("reco_cost",
				  "SELECT w.recommendation_id, sum(f.effective_cost) FILTER (WHERE f.charge_category = 'Usage' AND f.commitment_discount_id IS NULL"
				  "  AND (w.details ->> 'usage_type' IS NULL OR f.line_item_usage_type ~ (w.details ->> 'usage_type'))) AS cost"
				  " FROM reco_key k JOIN reco_window w USING (recommendation_id) JOIN @s@.fact_cost_raw f ON f.line_item_resource_id = k.key AND f.line_item_currency_code = w.currency"
				  " WHERE " SINCE " GROUP BY 1");
	FINOPS_STAGE0("reco_fee",
				  "SELECT w.recommendation_id, sum(CASE WHEN f.commitment_discount_status = 'Used' THEN coalesce(f.contracted_cost, f.list_cost) - f.effective_cost"
				  "  WHEN f.commitment_discount_status = 'Unused' OR f.charge_category = 'Purchase' AND f.charge_frequency = 'Recurring' THEN - f.effective_cost END) AS saved"
				  " FROM reco_window w JOIN @s@.fact_cost_raw f ON f.commitment_discount_id = w.reference AND f.line_item_currency_code = w.currency"
				  " WHERE " SINCE " GROUP BY 1");
	FINOPS_STAGE0("reco_saved",
				  "SELECT w.recommendation_id, w.first, w.last, CASE WHEN w.optimization_type IN ('savings_plan', 'reserved_instance') THEN f.saved / w.days * " DAYS_OF_MONTH
				  " ELSE w.current_cost_usd - coalesce(c.cost, 0) / w.days * " DAYS_OF_MONTH " END AS saved"
				  " FROM (SELECT x.*, x.last - x.first + 1 AS days FROM reco_window x) w LEFT JOIN reco_cost c USING (recommendation_id) LEFT JOIN reco_fee f USING (recommendation_id)");
	FINOPS_STAGE0("reco_verified",
				  "SELECT r.recommendation_id, r.optimization_type, r.currency, r.potential_savings_usd AS potential, round(v.saved, 4) AS saved, v.first, v.last"
				  " FROM reco_saved v JOIN finops.recommendation r USING (recommendation_id) WHERE v.saved IS NOT NULL");
	n = FINOPS_RUN0("UPDATE finops.recommendation r SET status = 'VERIFIED', verified_at = now(), verified_savings = v.saved, verified_from = v.first, verified_to = v.last, updated_at = now()"
					" FROM reco_verified v WHERE r.recommendation_id = v.recommendation_id AND r.status = 'IMPLEMENTED'");
	if (n > 0)
	{
		FINOPS_RUN0("SELECT jsonb_agg(jsonb_build_object('recommendation_id', v.recommendation_id, 'verified_savings', v.saved, 'currency', v.currency) ORDER BY v.recommendation_id)::text FROM reco_verified v");
		FinopsAudit(session, "verify", "recommendation", psprintf("%llu", (unsigned long long) n), FinopsText(0, 1));
	}
	return (int64) n;
}

static DateADT
day_arg(FunctionCallInfo fcinfo)
{
	FinopsRequireArg(fcinfo, 0, "as_of");
	FinopsCheckDay(PG_GETARG_DATEADT(0), "as_of");
	return PG_GETARG_DATEADT(0);
}

/* One at a time; people's steps wait for it. */
static void
work_alone(void)
{
	FINOPS_RUN0("LOCK TABLE finops.recommendation IN SHARE ROW EXCLUSIVE MODE");
}

/* finops.verify_recommendations(as_of date): 22004, 22023 for the day. */
Datum
finops_verify_recommendations(PG_FUNCTION_ARGS)
{
	DateADT		as_of = day_arg(fcinfo);
	FinopsSession session;

	FinopsBegin(&session);
	work_alone();
	(void) verify(&session, as_of);
	FINOPS_RUN0("SELECT v.recommendation_id, v.optimization_type, v.currency, v.potential, v.saved, v.first, v.last FROM reco_verified v ORDER BY v.recommendation_id COLLATE \"C\"");
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* ---------------------------------------------------------------------
 * What is found
 * ---------------------------------------------------------------------
 */

/* high above 100 a month, of reservations 150, of plans 200; medium above a quarter of that */
#define PRIORITY \
	"CASE WHEN c.savings >= p.high THEN 'HIGH' WHEN c.savings >= p.high / 4 THEN 'MEDIUM' ELSE 'LOW' END"

static void
stage_found(DateADT as_of, FinopsArg options)
{
	FINOPS_STAGE("reco_found",
				 "SELECT c.*, " PRIORITY " AS priority FROM"
				 " (SELECT concat_ws('/', 'resource', f.provider, f.resource_id, f.currency, f.optimization_type) AS dedup_key, f.optimization_type, f.resource_id, f.provider, f.account_id,"
				 "  f.service, f.region, f.currency, f.rule_id, f.current_cost, f.savings, f.frees_commitment, f.confidence, f.effort, f.action,"
				 "  f.details || jsonb_strip_nulls(jsonb_build_object('current_type', f.current_type, 'target_type', f.target_type, 'projected_utilisation', f.projected_utilisation,"
				 "   'usage_type', (SELECT r.usage_type FROM finops.rightsizing_rule r WHERE r.rule_id = f.rule_id AND r.optimization_type <> 'storage' ORDER BY r.shipped LIMIT 1))) AS details"
				 "  FROM finops.find_rightsizing($1) f"
				 " UNION ALL SELECT concat_ws('/', 'offer', k.provider, k.offer_id, k.currency), CASE k.kind WHEN 'reservation' THEN 'reserved_instance' ELSE 'savings_plan' END, NULL, k.provider, NULL,"
				 "  NULL, NULL, k.currency, k.offer_id, k.covered, k.savings, NULL, CASE k.kind WHEN 'reservation' THEN 0.9 ELSE 0.85 END, 'LOW',"
				 "  format('Buy %s of offer %s for %s months.', CASE WHEN k.units IS NULL THEN k.hourly || ' ' || k.currency || ' an hour' ELSE k.units || ' units' END, k.offer_id, k.term_months),"
				 "  to_jsonb(k) - 'provider' - 'currency'"
				 "  FROM finops.recommend_commitments($1, $2) k WHERE k.offer_id IS NOT NULL) c,"
				 " LATERAL (SELECT CASE c.optimization_type WHEN 'savings_plan' THEN 200 WHEN 'reserved_instance' THEN 150 ELSE 100 END AS high) p",
				 ARG_DATE(as_of), options);
}

#define FOUND_COLUMNS "optimization_type, resource_id, provider, account_id, service, region, currency, rule_id"

/*
 * finops.refresh_recommendations(as_of date, options jsonb) -> proposed,
 * updated, expired, verified, open.  22004, 22023 for the day and options of
 * finops.recommend_commitments.
 */
Datum
finops_refresh_recommendations(PG_FUNCTION_ARGS)
{
	DateADT		as_of = day_arg(fcinfo);
	FinopsSession session;
	int64		proposed,
				updated,
				expired,
				verified;

	FinopsBegin(&session);
	work_alone();
	verified = verify(&session, as_of);
	stage_found(as_of, ARG_DATUM(JSONBOID, PG_GETARG_DATUM(1), PG_ARGISNULL(1)));
	expired = (int64) FINOPS_RUN0("UPDATE finops.recommendation r SET status = 'EXPIRED', reason = 'not found any more', updated_at = now()"
								  " WHERE r.status = 'ACTIVE' AND r.dedup_key IS NOT NULL AND NOT EXISTS (SELECT FROM reco_found f WHERE f.dedup_key = r.dedup_key)");
	updated = (int64) FINOPS_RUN0("UPDATE finops.recommendation r SET current_cost_usd = f.current_cost, potential_savings_usd = f.savings, frees_commitment = f.frees_commitment,"
								  " confidence_score = f.confidence, implementation_effort = f.effort, priority_level = f.priority, action_required = f.action, details = f.details,"
								  " rule_id = f.rule_id, updated_at = now() FROM reco_found f WHERE r.dedup_key = f.dedup_key AND r.status = 'ACTIVE'"
								  " AND (r.potential_savings_usd, r.action_required, r.priority_level, r.details) IS DISTINCT FROM (f.savings, f.action, f.priority, f.details)");
	proposed = (int64) FINOPS_RUN("INSERT INTO finops.recommendation (dedup_key, " FOUND_COLUMNS ", current_cost_usd, potential_savings_usd, frees_commitment,"
								  " confidence_score, implementation_effort, priority_level, action_required, details)"
								  " SELECT f.dedup_key, " FOUND_COLUMNS ", f.current_cost, f.savings, f.frees_commitment, f.confidence, f.effort, f.priority, f.action, f.details FROM reco_found f"
								  " WHERE NOT EXISTS (SELECT FROM finops.recommendation r WHERE r.dedup_key = f.dedup_key AND (r.status IN ('ACTIVE', 'APPROVED', 'IMPLEMENTED')"
								  "  OR r.status = 'DISMISSED' AND (r.not_before IS NULL OR r.not_before > $1))) ORDER BY f.dedup_key COLLATE \"C\"", ARG_DATE(as_of));
	if (proposed + updated + expired > 0)
		FinopsAudit(&session, "refresh", "recommendation", DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(as_of))),
					psprintf("{\"proposed\": %lld, \"updated\": %lld, \"expired\": %lld}", (long long) proposed, (long long) updated, (long long) expired));
	FINOPS_RUN("SELECT $1, $2, $3, $4, (SELECT count(*) FROM finops.open_recommendation)", ARG_INT8(proposed), ARG_INT8(updated), ARG_INT8(expired), ARG_INT8(verified));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* ---------------------------------------------------------------------
 * Shutdown lists
 * ---------------------------------------------------------------------
 */

/*
 * finops.send_shutdown_list(dry_run boolean): 22004.  Nothing is stopped here:
 * whoever receives the message does it, and says so with
 * finops.complete_recommendation.
 */
Datum
finops_send_shutdown_list(PG_FUNCTION_ARGS)
{
	FinopsSession session;

	FinopsRequireArg(fcinfo, 0, "dry_run");
	FinopsBegin(&session);
	work_beside_others();
	FINOPS_STAGE0("reco_list",
				  "SELECT r.recommendation_id, r.optimization_type, r.provider, r.account_id, r.region, r.service, r.resource_id, r.action_required, r.currency, r.potential_savings_usd AS savings"
				  " FROM finops.recommendation r WHERE r.status = 'APPROVED' AND r.optimization_type IN ('terminate', 'scheduling') AND r.listed_at IS NULL"
				  " AND r.resource_id IS NOT NULL ORDER BY r.recommendation_id COLLATE \"C\" FOR UPDATE");
	if (!PG_GETARG_BOOL(0))
	{
		FINOPS_RUN0("SELECT jsonb_build_object('text', format('%s approved recommendation%s to stop something', count(*), CASE WHEN count(*) = 1 THEN '' ELSE 's' END),"
					" 'dry_run', false, 'items', jsonb_agg(to_jsonb(l)))::text, md5(string_agg(l.recommendation_id, ' ')), count(*) FROM reco_list l");
		if (FinopsInt64(0, 3) > 0)
		{
			char	   *payload = FinopsText(0, 1),
					   *key = FinopsText(0, 2);

			FinopsPostOutbox("shutdown_list", key, "warning", payload);
			FinopsAudit(&session, "send", "shutdown_list", key, payload);
			FINOPS_RUN0("UPDATE finops.recommendation r SET listed_at = now(), updated_at = now() FROM reco_list l WHERE r.recommendation_id = l.recommendation_id");
		}
	}
	FINOPS_RUN0("SELECT l.* FROM reco_list l ORDER BY l.recommendation_id COLLATE \"C\"");
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
