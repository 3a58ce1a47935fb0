/*-------------------------------------------------------------------------
 *
 * allocate.c
 *	  finops.allocate: places every unit of a period's cost exactly once.
 *
 * gather.c collects what the allocation is made from, engine.c makes the
 * entries as they should be, stage finops_entry.  What is posted is the
 * difference between these and the net of the entries that stand, key by key,
 * so that the sum over all entries is the current allocation and a run that
 * changes nothing posts nothing.  Before the transaction goes on, the posted
 * entries are compared with the cost.
 *
 * The inputs are pinned with the run.  From them finops.replay_allocation
 * makes the same entries again, byte for byte, whatever has become of rules,
 * drivers and bill since.
 *
 * Nothing is kept in temporary tables: stages belong to the session of one
 * call and meet no table of the caller.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/allocate.h"

#include "access/table.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(finops_allocate);
PG_FUNCTION_INFO_V1(finops_preview_allocation);
PG_FUNCTION_INFO_V1(finops_replay_allocation);
PG_FUNCTION_INFO_V1(finops_late_drivers);

/* The inputs of this session in the form of finops.allocation_input. */
#define OWN_INPUT "(SELECT 0::bigint AS run_id, x.* FROM finops_input x)"

/* Kinds of entries that make up the allocation of an open period. */
#define OPEN_KINDS "('direct', 'shared', 'overhead', 'unallocated')"

#define ENTRY_KEY \
	"tenant_id, kind, service, category, rule_id, rule_version, origin, currency, origin_period"
#define ENTRY_KEY_BY_BYTES \
	"tenant_id COLLATE \"C\" AS tenant_id, kind COLLATE \"C\" AS kind," \
	" service COLLATE \"C\" AS service, category COLLATE \"C\" AS category," \
	" rule_id COLLATE \"C\" AS rule_id, rule_version," \
	" origin COLLATE \"C\" AS origin, currency COLLATE \"C\" AS currency, origin_period"

static const FinopsPartitioned entries = {
	"fact_cost_allocated", "id", {"tenant_id"}, "origin", NULL, NULL
};

/* Post what differs from the net of the entries that stand. */
static int64
post_differences(DateADT period, int64 run_id)
{
	return (int64) FINOPS_RUN(
		"INSERT INTO @s@.fact_cost_allocated (" ENTRY_KEY ", period_start, period_end, run_id,"
		" allocated_cost_usd, share, key_metric, key_value, key_total, stage, rung, source_line_ids)"
		" SELECT " ENTRY_KEY ", $1, $2 - 1, $3, sum(amount), max(share), max(key_metric),"
		" max(key_value), max(key_total), max(stage), max(rung), max(source_line_ids)"
		" FROM (SELECT " ENTRY_KEY_BY_BYTES ", amount, share, key_metric, key_value, key_total,"
		"   stage, rung, source_line_ids FROM finops_entry"
		"  UNION ALL SELECT " ENTRY_KEY_BY_BYTES ", -allocated_cost_usd, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
		"  FROM @s@.fact_cost_allocated"
		"  WHERE period_start = $1 AND kind IN " OPEN_KINDS ") u"
		" GROUP BY " ENTRY_KEY " HAVING sum(amount) <> 0"
		" ORDER BY origin, tenant_id, kind",
		ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)), ARG_INT8(run_id));
}

/* The partition is of this transaction: nobody else reads it yet. */
static bool
is_made_now(Oid partition)
{
	Relation	rel = table_open(partition, AccessShareLock);
	bool		made_now = rel->rd_createSubid != InvalidSubTransactionId;

	table_close(rel, NoLock);
	return made_now;
}

/*
 * The entries of the first run of a period are written as they are made, and
 * the indexes of a new partition are built over all of them.  Returns how
 * many entries were posted.
 */
static int64
make_and_post(DateADT period, Oid partition, int64 run_id, AllocateResult *result)
{
	AllocateTable table = {partition, period, run_id, is_made_now(partition)};

	if (FINOPS_RUN("SELECT 1 FROM @s@.fact_cost_allocated WHERE period_start = $1 AND kind IN "
				   OPEN_KINDS " LIMIT 1", ARG_DATE(period)) > 0)
	{
		int64		posted;

		AllocateMakeEntries(OWN_INPUT, 0, NULL, true, result);
		posted = post_differences(period, run_id);
		return posted + AllocatePostPacked(period, run_id, result->packed > 0);
	}
	AllocateMakeEntries(OWN_INPUT, 0, &table, true, result);
	if (table.skip_indexes)
		FINOPS_RUN0(psprintf("REINDEX TABLE %s",
							 quote_qualified_identifier(get_namespace_name(get_rel_namespace(partition)),
														get_rel_name(partition))));
	return (int64) result->rows + AllocatePostPacked(period, run_id, result->packed > 0);
}

/*
 * What stands, summed once for the checks and the report of the run; origins
 * of tagged cost are one for each tenant and are not told apart.
 */
static void
stage_posted(DateADT period)
{
	AllocateHashSums(true);
	FINOPS_STAGE("finops_posted",
		"SELECT CASE WHEN a.rule_id <> 'direct-tag' THEN a.origin END AS origin, a.service, a.currency, a.kind,"
		" sum(a.allocated_cost_usd) AS amount FROM @s@.fact_cost_allocated a"
		" WHERE a.period_start = $1 AND a.kind IN " OPEN_KINDS " GROUP BY 1, 2, 3, 4", ARG_DATE(period));
	FINOPS_STAGE0("finops_cost_of_service",
		"SELECT c.service, c.currency, sum(c.cost) AS cost FROM finops_group c GROUP BY 1, 2");
	AllocateHashSums(false);
}

/*
 * Promise 1: what went in came out, per origin and per service; and the sums
 * of packed entries, by the first four parts of their origins, are theirs.
 */
static void
check_conservation(DateADT period)
{
	FINOPS_STAGE("finops_packed_posted",
				 "SELECT p.origin, array_to_string((string_to_array(p.origin, '|'))[1:4], '|') || '|" ALLOCATE_PACKED_RULE "' AS sum_origin,"
				 " sum(finops.packed_total(p.units)) AS amount FROM finops.allocation_packed p"
				 " WHERE p.period_start = $1 GROUP BY 1", ARG_DATE(period));
	if (FINOPS_RUN0("SELECT x.place, x.cost, x.placed FROM ("
				   " SELECT coalesce(o.origin, e.origin) AS place, coalesce(o.cost, 0) AS cost,"
				   "  coalesce(e.placed, 0) AS placed"
				   " FROM (SELECT i.name AS origin, sum(i.amounts[1]) AS cost FROM finops_input i"
				   "   WHERE i.part = 'bucket' GROUP BY 1) o"
				   " FULL JOIN (SELECT a.origin, sum(a.amount) AS placed FROM ("
				   "   SELECT p.origin, p.amount FROM finops_posted p"
				   "    WHERE p.origin IS NOT NULL AND p.origin NOT IN (SELECT k.sum_origin FROM finops_packed_posted k)"
				   "   UNION ALL SELECT k.origin, k.amount FROM finops_packed_posted k) a GROUP BY 1) e USING (origin)"
				   " UNION ALL"
				   " SELECT k.sum_origin, sum(k.amount), (SELECT coalesce(sum(p.amount), 0) FROM finops_posted p WHERE p.origin = k.sum_origin)"
				   " FROM finops_packed_posted k GROUP BY 1"
				   " UNION ALL"
				   " SELECT concat_ws(' ', coalesce(c.service, a.service), coalesce(c.currency, a.currency)),"
				   "  coalesce(c.cost, 0), coalesce(a.placed, 0)"
				   " FROM finops_cost_of_service c FULL JOIN (SELECT service, currency, sum(amount) AS placed"
				   "  FROM finops_posted GROUP BY 1, 2) a USING (service, currency)) x"
				   " WHERE x.cost <> x.placed ORDER BY 1 LIMIT 1") == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("allocation of %s does not add up", FinopsPeriodText(period)),
			 errdetail("Cost of \"%s\" is %s, its entries add up to %s.",
					   FinopsQuoteForMessage(FinopsText(0, 1)), FinopsText(0, 2),
					   FinopsText(0, 3)),
			 errhint("Nothing was written. Look for entries that were not written by finops.allocate.")));
}

static void
pin_rules(const FinopsSession *session, DateADT period, int64 run_id)
{
	FINOPS_RUN("DELETE FROM @s@.rule_version_map m WHERE m.period_start = $1"
			   " AND NOT EXISTS (SELECT FROM finops_rule r WHERE r.rule_id = m.rule_id)",
			   ARG_DATE(period));
	FINOPS_RUN("INSERT INTO @s@.rule_version_map AS m"
			   " (period_start, rule_id, rule_version, run_id, pinned_by)"
			   " SELECT $1, r.rule_id, r.rule_version, $2, $3 FROM finops_rule r"
			   " ON CONFLICT (period_start, rule_id) DO UPDATE SET"
			   " rule_version = EXCLUDED.rule_version, run_id = EXCLUDED.run_id,"
			   " pinned_by = EXCLUDED.pinned_by, pinned_at = EXCLUDED.pinned_at"
			   " WHERE m.rule_version <> EXCLUDED.rule_version",
			   ARG_DATE(period), ARG_INT8(run_id),
			   ARG_TEXT(FinopsCallerName(session)));
}

/* Drivers of the rules of stage finops_rule, their slices expected and present. */
static const char *const late_sql =
"SELECT d.driver, d.grain, e.expected, p.present FROM finops.driver d"
" CROSS JOIN LATERAL (SELECT CASE d.grain WHEN 'month' THEN 1 WHEN 'day' THEN $2 - $1"
"  ELSE 24 * ($2 - $1) END::bigint AS expected) e"
" CROSS JOIN LATERAL (SELECT count(DISTINCT v.slice) AS present FROM finops.driver_value v"
"  WHERE v.driver = d.driver AND v.slice >= $1 AND v.slice < $2) p"
" WHERE p.present < e.expected AND EXISTS (SELECT FROM finops_rule r WHERE r.billable AND (r.driver = d.driver"
"  OR d.driver IN (SELECT w ->> 'driver' FROM jsonb_array_elements(r.params -> 'drivers') w)))"
" ORDER BY d.driver COLLATE \"C\"";

/* What the run found, per currency; also the text of the gate. */
static char *
describe_run(DateADT period, FinopsCostBasis basis, int64 posted,
			 const AllocateResult *result, char **gate_detail)
{
	char	   *json;

	FINOPS_STAGE("finops_late", late_sql, ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)));
	FINOPS_RUN("SELECT jsonb_build_object('cost_basis', $1, 'entries_posted', $2, 'entries', $3, 'digest', $4, 'packed_origins', $6,"
			   "  'findings', $5::jsonb, 'provisional', EXISTS (SELECT FROM finops_late),"
			   "  'late_drivers', (SELECT coalesce(jsonb_agg(l.driver), '[]') FROM finops_late l), 'currencies',"
			   "  coalesce(jsonb_object_agg(currency, jsonb_build_object('cost_in', cost, 'direct', direct,"
			   "  'shared', shared, 'overhead', overhead, 'unallocated', unallocated)), '{}'))::text,"
			   " string_agg(format('%s: cost in %s = direct %s + shared %s + overhead %s + unallocated %s',"
			   "  currency, cost, direct, shared, overhead, unallocated), '; ' ORDER BY currency)"
			   "  || coalesce((SELECT '; provisional, late drivers: ' || string_agg(l.driver, ', ') FROM finops_late l), '')"
			   " FROM (SELECT currency, sum(amount) AS cost,"
			   "  coalesce(sum(amount) FILTER (WHERE kind = 'direct'), 0) AS direct,"
			   "  coalesce(sum(amount) FILTER (WHERE kind = 'shared'), 0) AS shared,"
			   "  coalesce(sum(amount) FILTER (WHERE kind = 'overhead'), 0) AS overhead,"
			   "  coalesce(sum(amount) FILTER (WHERE kind = 'unallocated'), 0) AS unallocated"
			   "  FROM finops_posted GROUP BY currency) s",
			   ARG_TEXT(FinopsBasisName(basis)), ARG_INT8(posted),
			   ARG_INT8((int64) result->entries), ARG_TEXT(result->digest),
			   ARG_TEXT(result->findings_json), ARG_INT8((int64) result->packed));
	json = FinopsText(0, 1);
	*gate_detail = FinopsText(0, 2);
	return json;
}

static void
refuse_empty_period(DateADT period)
{
	if (FINOPS_RUN("SELECT 1 WHERE EXISTS (SELECT FROM @s@.fact_cost_raw"
				   "  WHERE bill_billing_period_start_date = $1)"
				   " OR EXISTS (SELECT FROM @s@.fact_cost_allocated WHERE period_start = $1)",
				   ARG_DATE(period)) > 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("no bill is loaded for billing period %s", FinopsPeriodText(period)),
			 errhint("Load it: SELECT * FROM finops.load_bill('/path/to/bill.csv.gz').")));
}

/* Tenants that a bill names and nobody registered are shown, not billed. */
static void
register_unseen_tenants(void)
{
	FINOPS_RUN0("INSERT INTO @s@.tenant_master (tenant_id, tenant_name, status, billing_mode)"
				" SELECT c.tenant_id, c.tenant_id, 'unregistered', 'showback' FROM finops_tenant c"
				" ON CONFLICT (tenant_id) DO NOTHING");
}

static void
pin_inputs(DateADT period, int64 run_id)
{
	FINOPS_RUN("INSERT INTO finops.allocation_input (run_id, period_start, part, position, name, detail, targets, amounts)"
			   " SELECT $1, $2, i.part, i.position, i.name, i.detail, i.targets, i.amounts FROM finops_input i",
			   ARG_INT8(run_id), ARG_DATE(period));
}

/*
 * finops.allocate(period date) -> bigint
 *
 * Places the cost of the period on its cost basis: to the tenant of its tag,
 * else by the first rule in force that matches, else unallocated.  Returns
 * the id of the run.  22004 and 22023 for a period that is none, 55000 for a
 * locked or empty one, for rules that cannot be carried out, for unknown
 * targets of a driver and for a rule with zero_key_policy error that finds no
 * key.
 */
Datum
finops_allocate(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;
	FinopsCostBasis basis;
	AllocateResult result;
	int64		run_id;
	int64		posted;
	Oid			partition;
	char	   *detail;
	char	   *json;

	FinopsRequireWritable("finops.allocate()");
	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	FinopsOpenPeriod(period);
	refuse_empty_period(period);
	AllocateCheckRules(period);
	partition = FinopsEnsurePartition(&entries, period);
	basis = FinopsPeriodBasis(period, true);
	run_id = FinopsStartRun(&session, "allocate", period);

	AllocateGather(period, basis);
	register_unseen_tenants();
	posted = make_and_post(period, partition, run_id, &result);
	stage_posted(period);
	check_conservation(period);
	pin_rules(&session, period, run_id);
	pin_inputs(period, run_id);
	json = describe_run(period, basis, posted, &result, &detail);

	FinopsFinishRun(run_id, "completed", json);
	FinopsClearGates(period, FINOPS_GATE_RECONCILIATION);
	FinopsSetGate(period, FINOPS_GATE_ALLOCATION, "completed", detail, run_id);
	FinopsEnd(&session);
	PG_RETURN_INT64(run_id);
}

/*
 * finops.preview_allocation(period date) -> TABLE (tenant_id, kind, service,
 * category, rule_id, rule_version, origin, currency, amount, share,
 * key_metric, key_value, key_total, stage, rung)
 *
 * What finops.allocate would come to; writes nothing, not even a run.  The
 * errors are those of finops.allocate.
 */
Datum
finops_preview_allocation(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;
	AllocateResult result;

	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	refuse_empty_period(period);
	AllocateCheckRules(period);
	AllocateGather(period, FinopsPeriodBasis(period, false));
	AllocateMakeEntries(OWN_INPUT, 0, NULL, false, &result);
	FINOPS_RUN0("SELECT e.tenant_id, e.kind, e.service, e.category, e.rule_id, e.rule_version, e.origin, e.currency,"
				" e.amount, e.share, e.key_metric, e.key_value, e.key_total, e.stage, e.rung FROM finops_entry e");
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.replay_allocation(run_id bigint) -> TABLE (entries, digest,
 * digest_of_run, identical)
 *
 * 22004 for NULL, 22023 for a run that is no allocation with pinned inputs.
 */
Datum
finops_replay_allocation(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	AllocateResult result;
	int64		run_id;

	FinopsRequireArg(fcinfo, 0, "run_id");
	run_id = PG_GETARG_INT64(0);
	FinopsBegin(&session);
	if (FINOPS_RUN("SELECT 1 FROM finops.run r WHERE r.run_id = $1 AND r.kind = 'allocate'"
				   " AND r.detail ? 'digest'", ARG_INT8(run_id)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("run %lld is not an allocation", (long long) run_id),
				 errhint("SELECT run_id, period_start FROM finops.run WHERE kind = 'allocate' lists them.")));
	AllocateMakeEntries("finops.allocation_input", run_id, NULL, false, &result);
	FINOPS_RUN("SELECT $2, $3, r.detail ->> 'digest', r.detail ->> 'digest' = $3"
			   " FROM finops.run r WHERE r.run_id = $1",
			   ARG_INT8(run_id), ARG_INT8((int64) result.entries), ARG_TEXT(result.digest));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.late_drivers(period date) -> TABLE (driver, grain, slices_expected,
 * slices_present)
 */
Datum
finops_late_drivers(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;

	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	(void) AllocateStageRules(period);
	FINOPS_RUN(late_sql, ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
