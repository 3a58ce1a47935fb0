/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  finops.explain_allocation: where a tenant's cost came from.
 *
 * Entries say what origin they are a part of.  How cost that went through
 * pools came to the tenant is worked out again from the pinned inputs of the
 * run that stands, for this tenant only.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/allocate.h"
#include "allocate/pools.h"

#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(finops_explain_allocation);

static void
refuse_unknown(const char *tenant_id, DateADT period)
{
	if (FINOPS_RUN("SELECT 1 FROM finops.period_gate"
				   " WHERE period_start = $1 AND gate = 'allocation'"
				   " UNION ALL SELECT 1 WHERE EXISTS"
				   "  (SELECT FROM @s@.fact_cost_allocated WHERE period_start = $1)",
				   ARG_DATE(period)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("billing period %s has not been allocated",
						FinopsPeriodText(period)),
				 errhint("SELECT finops.allocate('%s-01').",
						 FinopsPeriodText(period))));
	if (FINOPS_RUN("SELECT 1 FROM @s@.tenant_master WHERE tenant_id = $1"
				   " UNION ALL SELECT 1 WHERE EXISTS (SELECT FROM @s@.fact_cost_allocated"
				   "  WHERE period_start = $2 AND tenant_id = $1)",
				   ARG_TEXT(tenant_id), ARG_DATE(period)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tenant \"%s\" is unknown",
						FinopsQuoteForMessage(tenant_id)),
				 errhint("SELECT tenant_id, tenant_name FROM tenant_master lists the tenants.")));
}

/*
 * The pools of the run that stands, as far as they concern one tenant:
 * targets are the tenant, 0, and everybody else, 1.
 */
typedef struct Graph
{
	int			n;
	Pool	   *pools;
	char	  **names;			/* rule ids */
	char	  **currencies;
	int		   *numbers;		/* of the rule */
	bool	   *whole;
	PoolSolver	solver;
} Graph;

static FinopsReal
real_value(uint64 row, int col)
{
	char	   *text = FinopsText(row, col);

	return text == NULL ? 0 : strtold(text, NULL);
}

/* Nodes that take part in pools: all that are one, and those that give to one. */
static void
load_nodes(Graph *g, int64 run_id)
{
	g->n = (int) FINOPS_RUN("SELECT i.position, i.name, i.detail ->> 'currency', (i.detail ->> 'no')::integer,"
							" (coalesce(i.detail ->> 'slice', i.detail ->> 'anchor') IS NULL)::text FROM finops.allocation_input i"
							" WHERE i.run_id = $1 AND i.part = 'node' ORDER BY i.position", ARG_INT8(run_id));
	g->pools = palloc0_array(Pool, g->n + 1);
	g->names = palloc_array(char *, g->n + 1);
	g->currencies = palloc_array(char *, g->n + 1);
	g->numbers = palloc_array(int, g->n + 1);
	g->whole = palloc_array(bool, g->n + 1);
	for (int i = 0; i < g->n; i++)
	{
		g->names[i] = FinopsText(i, 2);
		g->currencies[i] = FinopsText(i, 3);
		g->numbers[i] = (int) FinopsInt64(i, 4);
		g->whole[i] = FinopsText(i, 5)[0] == 't';
	}
}

static int
pool_of_rule(const Graph *g, int number, const char *currency)
{
	for (int i = 0; i < g->n; i++)
		if (g->numbers[i] == number && g->whole[i] && strcmp(g->currencies[i], currency) == 0)
			return i;
	return -1;
}

static void
add_edge(Pool *pool, int to, bool is_pool, FinopsReal share)
{
	if (!(share > 0))
		return;
	pool->edges = pool->edges == NULL ? palloc_array(PoolEdge, 8) :
		(pool->n_edges & (pool->n_edges - 1)) == 0 && pool->n_edges >= 8 ?
		repalloc(pool->edges, sizeof(PoolEdge) * pool->n_edges * 2) : pool->edges;
	pool->edges[pool->n_edges++] = (PoolEdge) {to, is_pool, share};
}

/*
 * What each node gives to the tenant and to pools; the rest is everybody
 * else's.  False when no node gives to a pool.
 */
static bool
load_edges(Graph *g, int64 run_id, const char *tenant_id)
{
	FinopsReal *given = palloc0_array(FinopsReal, g->n + 1);
	bool		any = false;
	uint64		n;

	n = FINOPS_RUN("WITH leg AS MATERIALIZED ("
				   "  SELECT i.position AS node, l.vec, l.fraction / sum(l.fraction) OVER (PARTITION BY i.position)"
				   "    * (1 - coalesce((i.detail ->> 'percents')::numeric, 0) / 100) AS fraction"
				   "   FROM finops.allocation_input i CROSS JOIN LATERAL unnest(i.targets, i.amounts) l(vec, fraction)"
				   "   WHERE i.run_id = $1 AND i.part = 'node'"
				   "  UNION ALL SELECT i.position, i.detail ->> 'percent', (i.detail ->> 'percents')::numeric / 100"
				   "   FROM finops.allocation_input i WHERE i.run_id = $1 AND i.part = 'node' AND i.detail ->> 'percent' IS NOT NULL),"
				   " key AS MATERIALIZED ("
				   "  SELECT k.name, (k.detail ->> 'total')::numeric AS total, "
				   "   k.targets[(k.detail #>> '{pools,0}')::integer:(k.detail #>> '{pools,1}')::integer] AS pools,"
				   "   k.amounts[(k.detail #>> '{pools,0}')::integer:(k.detail #>> '{pools,1}')::integer] AS pool_weights,"
				   "   k.amounts[array_position(k.targets, $2)] AS own"
				   "  FROM finops.allocation_input k WHERE k.run_id = $1 AND k.part = 'key' AND k.name IN (SELECT l.vec FROM leg l)"
				   "   AND EXISTS (SELECT FROM finops.allocation_input x WHERE x.run_id = $1 AND x.part = 'key' AND jsonb_strip_nulls(x.detail) ? 'pools'))"
				   " SELECT l.node, NULL::text, l.fraction * k.own / k.total FROM leg l JOIN key k ON k.name = l.vec WHERE k.own > 0"
				   " UNION ALL SELECT l.node, substr(p.target, 3), l.fraction * p.weight / k.total"
				   "  FROM leg l JOIN key k ON k.name = l.vec CROSS JOIN LATERAL unnest(k.pools, k.pool_weights) p(target, weight) ORDER BY 1",
				   ARG_INT8(run_id), ARG_TEXT(psprintf("t:%s", tenant_id)));
	for (uint64 i = 0; i < n; i++)
	{
		int			node = (int) FinopsInt64(i, 1) - 1;
		char	   *number = FinopsText(i, 2);
		int			to = number == NULL ? 0 : pool_of_rule(g, atoi(number), g->currencies[node]);
		FinopsReal	share = real_value(i, 3);

		if (to < 0)
			continue;
		add_edge(&g->pools[node], to, number != NULL, share);
		given[node] += share;
		any |= number != NULL;
	}
	for (int i = 0; i < g->n; i++)
		add_edge(&g->pools[i], 1, false, 1 - given[i]);
	return any;
}

/* Solvable unless a circle is closed; then paths are left out. */
static bool
factor(Graph *g)
{
	PoolSolver *s = &g->solver;
	bool	   *closed = palloc0_array(bool, g->n + 1);

	if ((int64) g->n * g->n > 16 * 1024 * 1024 ||
		PoolsFindClosed(g->pools, g->n, closed, palloc_array(int, 5 * (g->n + 1))) > 0)
		return false;
	s->n = g->n;
	s->pools = g->pools;
	s->matrix = palloc_extended(sizeof(double) * (Size) g->n * g->n + 1, MCXT_ALLOC_HUGE);
	s->factors = palloc_extended(sizeof(double) * (Size) g->n * g->n + 1, MCXT_ALLOC_HUGE);
	s->own = palloc_array(FinopsReal, g->n + 1);
	s->gross = palloc_array(FinopsReal, g->n + 1);
	s->scratch = palloc_array(double, g->n + 1);
	return PoolsFactor(s, NULL);
}

/* The strongest way from one pool to all others: largest product of shares. */
static void
strongest_ways(const Graph *g, int from, int *before)
{
	FinopsReal *best = palloc0_array(FinopsReal, g->n);
	bool	   *done = palloc0_array(bool, g->n);

	best[from] = 1;
	before[from] = -1;
	for (;;)
	{
		int			at = -1;

		for (int i = 0; i < g->n; i++)
			if (!done[i] && best[i] > 0 && (at < 0 || best[i] > best[at]))
				at = i;
		if (at < 0)
			break;
		done[at] = true;
		for (int e = 0; e < g->pools[at].n_edges; e++)
		{
			const PoolEdge *edge = &g->pools[at].edges[e];

			if (edge->is_pool && !done[edge->to] && best[at] * edge->share > best[edge->to])
			{
				best[edge->to] = best[at] * edge->share;
				before[edge->to] = at;
			}
		}
	}
	pfree(best);
	pfree(done);
}

/* Rows of stage finops_path for one origin: its amount by the last pool. */
static void
put_paths(Graph *g, struct Tuplestorestate *store, TupleDesc desc, const char *origin, int from)
{
	uint64	   *weights = palloc_array(uint64, g->n);
	int		   *before = palloc_array(int, g->n);
	FinopsReal	shares[2] = {0, 0};

	for (int i = 0; i < g->n; i++)
		g->solver.own[i] = i == from;
	(void) PoolsTrace(&g->solver, shares);
	strongest_ways(g, from, before);
	for (int q = 0; q < g->n; q++)
	{
		Datum		values[3];
		bool		nulls[3] = {false, false, false};
		StringInfoData path;

		weights[q] = 0;
		for (int e = 0; e < g->pools[q].n_edges; e++)
			if (!g->pools[q].edges[e].is_pool && g->pools[q].edges[e].to == 0)
				weights[q] += (uint64) (g->pools[q].edges[e].share * g->solver.gross[q] * 1e15L);
		if (weights[q] == 0)
			continue;
		initStringInfo(&path);
		for (int at = q; at != from && at >= 0; at = before[at])
			appendStringInfo(&path, "pool %s <- ", g->names[at]);
		values[0] = CStringGetTextDatum(origin);
		values[1] = CStringGetTextDatum(path.data);
		values[2] = NumericGetDatum(int64_to_numeric((int64) weights[q]));
		tuplestore_putvalues(store, desc, values, nulls);
	}
}

/* Origins times pools up to which the ways through pools are told apart. */
#define MAX_WAYS	(128 * 128)

/*
 * Stage finops_mine: what the tenant has of each origin; of packed entries only
 * its own place in each row is read.
 */
static void
stage_mine(const char *tenant_id, DateADT period)
{
	FINOPS_STAGE("finops_mine",
				 "SELECT a.origin, a.kind, a.service, a.category, a.rule_id, a.rule_version, a.currency,"
				 " sum(a.allocated_cost_usd) AS amount,"
				 " (array_agg(a.key_metric ORDER BY a.id DESC) FILTER (WHERE a.key_metric IS NOT NULL))[1] AS key_metric,"
				 " (array_agg(a.key_value ORDER BY a.id DESC) FILTER (WHERE a.key_metric IS NOT NULL))[1] AS key_value,"
				 " (array_agg(a.key_total ORDER BY a.id DESC) FILTER (WHERE a.key_metric IS NOT NULL))[1] AS key_total"
				 " FROM @s@.fact_cost_allocated a WHERE a.period_start = $2 AND a.tenant_id = $1"
				 "  AND a.rule_id <> '" ALLOCATE_PACKED_RULE "'"
				 " GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(a.allocated_cost_usd) <> 0"
				 " UNION ALL SELECT p.origin, 'shared', p.service, p.category, p.rule_id, p.rule_version, p.currency, sum(x.amount),"
				 "  (array_agg(p.key_metric ORDER BY p.id DESC) FILTER (WHERE p.key_metric IS NOT NULL))[1], NULL, NULL"
				 " FROM (SELECT l.list_id, array_position(l.targets, 't:' || $1) AS at FROM finops.allocation_target l"
				 "   WHERE l.period_start = $2) l"
				 " JOIN finops.allocation_packed p ON p.list_id = l.list_id AND p.period_start = $2"
				 " CROSS JOIN LATERAL (SELECT finops.packed_amount(p.units, l.at, p.amount_scale) AS amount) x"
				 " WHERE l.at IS NOT NULL GROUP BY 1, 3, 4, 5, 6, 7 HAVING sum(x.amount) <> 0",
				 ARG_TEXT(tenant_id), ARG_DATE(period));
}

/*
 * Stage finops_path: origin, the pools on the way, weight; of the origins
 * that reach the tenant through pools.
 */
static void
make_paths(const char *tenant_id, int64 run_id)
{
	Graph		g = {0};
	TupleDesc	desc;
	struct Tuplestorestate *store =
		FinopsStageEmpty("finops_path", "SELECT NULL::text AS origin, NULL::text AS way, NULL::numeric AS weight", &desc);
	uint64		n;
	char	  **origins;
	int		   *nodes;

	load_nodes(&g, run_id);
	n = FINOPS_RUN0("SELECT m.origin FROM finops_mine m WHERE m.kind = 'shared'");
	if (n == 0 || (int64) n * g.n > MAX_WAYS ||
		!load_edges(&g, run_id, tenant_id) || !factor(&g))
		return;
	n = FINOPS_RUN("SELECT i.name, min((i.detail ->> 'node')::integer) FROM finops.allocation_input i"
				   " WHERE i.run_id = $1 AND i.part = 'bucket' AND i.name IN (SELECT m.origin FROM finops_mine m)"
				   " GROUP BY 1 HAVING count(*) = 1 ORDER BY 1", ARG_INT8(run_id));
	origins = palloc_array(char *, n + 1);
	nodes = palloc_array(int, n + 1);
	for (uint64 i = 0; i < n; i++)
	{
		origins[i] = FinopsText(i, 1);
		nodes[i] = (int) FinopsInt64(i, 2) - 1;
	}
	for (uint64 i = 0; i < n; i++)
		for (int e = 0; e < g.pools[nodes[i]].n_edges; e++)
			if (g.pools[nodes[i]].edges[e].is_pool)
			{
				put_paths(&g, store, desc, origins[i], nodes[i]);
				break;
			}
}

static int64
inputs_that_stand(DateADT period)
{
	FINOPS_RUN("SELECT coalesce(max(i.run_id), -1) FROM finops.allocation_input i WHERE i.period_start = $1",
			   ARG_DATE(period));
	return FinopsInt64(0, 1);
}

/*
 * finops.explain_allocation(tenant_id text, period date) -> TABLE (position,
 * path, kind, service, category, rule_id, rule_version, currency, key_metric,
 * key_value, key_total, share, pool_amount, amount, origin)
 *
 * One row per origin and, where pools give to each other, per pool that it
 * reached the tenant from, largest amount first; the amounts add up to what
 * the tenant has of the period.  A path through pools names the strongest
 * way.  share is amount / pool_amount to 12 digits, NULL for a pool of zero.
 * 22004 for NULL arguments, 22023 for an unknown tenant or a month that has
 * not begun, 55000 for a period that was not allocated.
 */
Datum
finops_explain_allocation(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tenant_id;
	DateADT		period;
	int64		run_id;

	FinopsRequireArg(fcinfo, 0, "tenant_id");
	period = FinopsPeriodArg(fcinfo, 1);
	FinopsCheckPeriodNotFuture(period);
	tenant_id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	FinopsBegin(&session);
	FinopsRequireTenant(tenant_id, "tenant", tenant_id);
	refuse_unknown(tenant_id, period);
	run_id = inputs_that_stand(period);
	stage_mine(tenant_id, period);
	make_paths(tenant_id, run_id);
	FINOPS_RUN("WITH"
			   " pool AS ("
			   "  SELECT i.name AS origin, sum(i.amounts[1]) AS amount FROM finops.allocation_input i"
			   "  WHERE i.run_id = $2 AND i.part = 'bucket' AND i.name IN (SELECT m.origin FROM finops_mine m) GROUP BY 1),"
			   " row AS ("
			   "  SELECT m.*, w.way, CASE WHEN w.way IS NULL THEN m.amount"
			   "   ELSE finops.apportion_part(m.amount, coalesce(w.weight, 1)) OVER (PARTITION BY m.origin, m.kind, m.rule_version"
			   "    ORDER BY w.way COLLATE \"C\") END AS part"
			   "  FROM finops_mine m LEFT JOIN finops_path w ON w.origin = m.origin AND m.kind = 'shared')"
			   " SELECT row_number() OVER (ORDER BY r.currency, abs(r.part) DESC, r.origin COLLATE \"C\", r.rule_version, r.way COLLATE \"C\"),"
			   " CASE r.kind WHEN 'direct' THEN format('%s <- tag <- %s %s', $1, r.service, r.category)"
			   "  ELSE format('%s <- %srule %s version %s by %s <- %s %s', $1, r.way, r.rule_id, r.rule_version,"
			   "   r.key_metric, r.service, split_part(r.origin, '|', 3)) END,"
			   " r.kind, r.service, r.category, r.rule_id, r.rule_version, r.currency, r.key_metric,"
			   " r.key_value, r.key_total, round(r.part / nullif(coalesce(p.amount, r.amount), 0), 12),"
			   " coalesce(p.amount, r.amount), r.part, r.origin"
			   " FROM row r LEFT JOIN pool p USING (origin) WHERE r.part <> 0 ORDER BY 1",
			   ARG_TEXT(tenant_id), ARG_INT8(run_id));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
