-- Systems of pools: 1,000 pools x 10,000 targets, dense, cyclic, every twentieth
-- cost a credit.  The answer adds up to the costs exactly.
\if :{?pools}
\else
\set pools 1000
\endif
\if :{?targets}
\else
\set targets 10000
\endif
CREATE TEMP TABLE bench AS
WITH w AS (SELECT p, array_agg((hashint4(p * :pools + q) & 65535) / 65536.0 * 1.2 / :pools ORDER BY q) AS shares
	FROM generate_series(1, :pools) p, generate_series(1, :pools) q GROUP BY p),
b AS (SELECT p, array_agg(CASE WHEN hashint4(p * 7919 + t) & 7 < 2 THEN 0 ELSE (hashint4(p * :targets + t) & 65535) / 65536.0 * 0.7 / :targets END ORDER BY t) AS shares
	FROM generate_series(1, :pools) p, generate_series(1, :targets) t GROUP BY p)
SELECT (SELECT array_agg(round((hashint4(p) & 1048575) * CASE WHEN p % 20 = 0 THEN -0.431234 ELSE 0.914321 END, 6) ORDER BY p) FROM generate_series(1, :pools) p) AS costs,
	(SELECT array_agg(w.shares::float8[] ORDER BY w.p) FROM w) AS pool_shares,
	(SELECT array_agg(b.shares::float8[] ORDER BY b.p) FROM b) AS target_shares;
\timing on
\echo read the arrays, solve and apply
SELECT (SELECT sum(x) FROM unnest(pool_shares) x) IS NOT NULL AS read, (SELECT sum(x) FROM unnest(target_shares[1:10]) x) IS NOT NULL FROM bench;
CREATE TEMP TABLE answer AS SELECT finops.solve_pools(costs, pool_shares, target_shares) AS amounts FROM bench;
SELECT (SELECT sum(x) FROM unnest(amounts) x) = (SELECT sum(x) FROM unnest(costs) x) AS exact FROM answer, bench;
\echo the same with full origin evidence: pools x targets entries, written
CREATE TEMP TABLE evidence (pool integer, amounts numeric[]);
ALTER TABLE evidence ALTER amounts SET STORAGE EXTERNAL;
INSERT INTO evidence SELECT t.* FROM bench CROSS JOIN LATERAL finops.trace_pools(costs, pool_shares, target_shares) t;
SELECT count(*) AS pools, bool_and(costs[pool] = (SELECT sum(x) FROM unnest(e.amounts) x)) AS exact FROM evidence e, bench;
\timing off
SELECT max(abs(y.amount - a.amount)) AS furthest_from_the_sums FROM answer CROSS JOIN LATERAL unnest(amounts) WITH ORDINALITY a(amount, t)
	JOIN (SELECT x.t, sum(x.amount) AS amount FROM evidence e CROSS JOIN LATERAL unnest(e.amounts) WITH ORDINALITY x(amount, t) GROUP BY 1) y USING (t);
