-- 20 commitments applied to a year of hours of 200 usage types; three plans
-- searched for together over that year; recommendations from a generated bill.
\set ON_ERROR_STOP 1
\pset footer off
SET client_min_messages = warning;

CREATE TABLE usage_hour AS
SELECT timestamp '2025-01-01' + h * interval '1 hour' AS hour, (t % 4)::text AS account_id, 't' || t AS usage_type,
	round((1 + 0.4 * sin(h * 0.2618 + t))::numeric * (1 + t % 20), 3) AS quantity, 0.05 + t * 0.013 AS rate
FROM generate_series(0, 8759) h, generate_series(0, 199) t;
CREATE TABLE bought AS
SELECT 'p' || i AS commitment, CASE WHEN i < 5 THEN 'reservation' WHEN i < 15 THEN 'family' ELSE 'flexible' END AS kind, (i % 4)::text AS account_id,
	true AS shared, 3.5 + i AS hourly, CASE WHEN i < 5 THEN 10 END AS units, NULL::timestamp AS starts, NULL::timestamp AS ends
FROM generate_series(0, 19) i;
CREATE TABLE rate AS
SELECT c.commitment, 't' || t AS usage_type, CASE WHEN kind = 'reservation' THEN 1 ELSE round((0.05 + t * 0.013) * (0.6 + (t % 7) * 0.03), 6) END AS rate
FROM bought c, generate_series(0, 199) t WHERE kind = 'flexible' OR t % 20 = substr(commitment, 2)::int;
ANALYZE;

\timing on
SELECT round(cost, 2) AS cost, round(utilisation, 4) AS utilisation FROM finops.apply_commitments('usage_hour', 'bought', 'rate') WHERE commitment IS NULL;
SELECT commitment, round(hourly, 3) AS hourly, round(cost, 2) AS cost, round(greedy_cost, 2) AS greedy
FROM finops.apply_commitments('SELECT * FROM usage_hour WHERE substr(usage_type, 2)::int < 50',
	$$SELECT commitment, kind, account_id, shared, NULL AS hourly, units, starts, ends FROM bought WHERE commitment IN ('p6', 'p9', 'p15')$$, 'rate');

SELECT count(*) AS deliveries FROM finops.generate_bill('2025-06-01', :lines);
INSERT INTO finops.commitment_offer (offer_id, kind) VALUES ('compute', 'flexible'), ('family', 'family');
INSERT INTO finops.commitment_rate (offer_id, family, discount)
SELECT o, f, CASE o WHEN 'family' THEN 0.4 ELSE 0.28 END FROM unnest('{compute,family}'::text[]) o, unnest('{m5,r5,c5,t3,m6i,c6g}'::text[]) f WHERE o = 'compute' OR f = 'm5';
SELECT offer_id, round(hourly, 2) AS hourly, round(savings, 2) AS savings, round(coverage, 3) AS coverage FROM finops.recommend_commitments('2025-07-01', '{"lag_days": 0}');
SELECT count(*) AS found FROM finops.find_rightsizing('2025-07-01');
