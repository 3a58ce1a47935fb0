-- Month-end error of daily cost, forecast on days 4 to 25 by
-- finops.forecast with season 7, beside the same weekdays of last week.
-- Generated series with declared artefacts: weekdays, noise that persists, and
-- a fee on each 1st, a level shift of the last weeks, zeros of days that were
-- not delivered, last days that are incomplete, outliers, growth.  The error
-- is that of the month's total, in percent, days so far as they are known.  floor is the error of a forecast that knows
-- everything but noise, outliers and gaps to come: nothing forecasts better.  learnt is the error of one that knows the
-- same but the level after a shift, which it has to learn from the days since.
\set ON_ERROR_STOP 1
\pset footer off
SET client_min_messages = warning;

-- a number in [0, 1) that depends on three numbers alone
CREATE FUNCTION pg_temp.u(a int, b int, c int) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT (hashint4(a * 7919 + b * 104729 + c * 15485863)::int8 & 16777215) / 16777216.0 $$;

CREATE TEMP TABLE setting AS
SELECT k AS kind, s, date '2024-01-01' + 31 * (s % 12) AS near, 5 + s % 8 AS months, exp(ln(50) + 6 * pg_temp.u(s, 1, 1)) AS level,
	0.02 + 0.08 * pg_temp.u(s, 2, 1) AS noise, 0.05 + 0.5 * pg_temp.u(s, 3, 1) AS weekend, 0.5 + 6 * pg_temp.u(s, 4, 1) AS fee,
	CASE WHEN s % 2 = 0 THEN 0.4 + 0.3 * pg_temp.u(s, 5, 1) ELSE 1.4 + 1.2 * pg_temp.u(s, 5, 1) END AS shift
FROM unnest('{plain,fee,shift,zeros,late,outlier,growth}'::text[]) AS k, generate_series(1, 60) AS s;

CREATE TEMP TABLE day AS
SELECT c.kind, c.s, d::date AS day, d::date - min(d::date) OVER w AS t, max(d::date) OVER w AS month_end,
	c.level * CASE WHEN extract(isodow FROM d) > 5 THEN 1 - c.weekend ELSE 1 END
	* exp(c.noise * (pg_temp.u(c.s, n, 11) + pg_temp.u(c.s, n, 12) + pg_temp.u(c.s, n, 13) + pg_temp.u(c.s, n - 1, 11) + pg_temp.u(c.s, n - 1, 12) - 2.5) * 1.5)
	* CASE WHEN c.kind = 'growth' THEN exp(0.002 * n) ELSE 1 END
	* CASE WHEN c.kind = 'outlier' AND pg_temp.u(c.s, n, 14) < 0.012 THEN 2 + 4 * pg_temp.u(c.s, n, 15) ELSE 1 END
	* CASE WHEN c.kind = 'zeros' AND n % 41 BETWEEN 11 AND 13 THEN 0 ELSE 1 END
	+ CASE WHEN c.kind = 'fee' AND extract(day FROM d) = 1 THEN c.level * c.fee ELSE 0 END AS cost,
	c.level * CASE WHEN extract(isodow FROM d) > 5 THEN 1 - c.weekend ELSE 1 END * CASE WHEN c.kind = 'growth' THEN exp(0.002 * n) ELSE 1 END AS pure, c.shift
FROM setting AS c, generate_series(date_trunc('month', c.near), date_trunc('month', c.near) + c.months * interval '1 month' - interval '1 day', '1 day') AS d,
	LATERAL (SELECT (d::date - date '2024-01-01')) AS v(n)
WINDOW w AS (PARTITION BY c.kind, c.s);

-- the shift: eighteen days before the day of the forecast, or eight
CREATE TEMP TABLE known AS
SELECT a.as_of, d.kind, d.s, d.t, d.day, first + a.as_of - 1 AS origin, d.day >= first AS in_month,
	d.cost * CASE WHEN d.kind = 'shift' AND d.day >= first + a.as_of - 8 - 10 * (d.s / 2 % 2) THEN d.shift ELSE 1 END AS cost,
	d.pure * CASE WHEN d.kind = 'shift' AND d.day >= first + a.as_of - 8 - 10 * (d.s / 2 % 2) THEN d.shift ELSE 1 END AS pure,
	d.kind = 'shift' AND d.day >= first + a.as_of - 8 - 10 * (d.s / 2 % 2) AS shifted
FROM day AS d, (VALUES (4), (7), (10), (15), (20), (25)) AS a(as_of), LATERAL (SELECT date_trunc('month', d.month_end)::date) AS v(first);

CREATE TEMP TABLE past AS
SELECT as_of, kind, s, array_agg(cost * CASE WHEN kind <> 'late' THEN 1 WHEN day = origin - 1 THEN 0.4 WHEN day = origin - 2 THEN 0.85 ELSE 1 END ORDER BY day) FILTER (WHERE day < origin) AS y,
	count(*) FILTER (WHERE day >= origin)::int AS rest, sum(cost) FILTER (WHERE in_month) AS month_total, sum(pure) FILTER (WHERE day >= origin) AS pure_rest, coalesce(sum(cost) FILTER (WHERE shifted AND day < origin) / sum(pure) FILTER (WHERE shifted AND day < origin), 1) AS since_shift, sum(cost) FILTER (WHERE in_month AND day < origin) AS so_far
FROM known GROUP BY 1, 2, 3;

WITH error AS (
	SELECT p.as_of, p.kind, p.s, 100 * abs(so_far + (SELECT sum(f.mean) FROM finops.forecast(y, rest, 7) AS f) - month_total) / month_total AS auto,
		100 * abs(so_far + (SELECT sum(y[cardinality(y) - 6 + j % 7]) FROM generate_series(0, rest - 1) AS j) - month_total) / month_total AS naive,
		100 * abs(so_far + pure_rest - month_total) / month_total AS floor, 100 * abs(so_far + pure_rest * since_shift - month_total) / month_total AS learnt
	FROM past AS p
)
SELECT as_of AS day, kind, round(avg(auto)::numeric, 2) AS auto_mean, round(avg(naive)::numeric, 2) AS naive_mean, round(avg(floor)::numeric, 2) AS floor_mean, round((avg(auto) / avg(naive))::numeric, 2) AS ratio, round((avg(floor) / avg(naive))::numeric, 2) AS floor_ratio, round((avg(learnt) / avg(naive))::numeric, 2) AS learnt_ratio,
	round(percentile_cont(0.5) WITHIN GROUP (ORDER BY auto)::numeric, 2) AS auto_median, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY naive)::numeric, 2) AS naive_median
FROM error GROUP BY GROUPING SETS ((as_of, kind), (as_of)) ORDER BY as_of, kind NULLS LAST;
