-- Holidays of a name and bookings at equal distances in the forecast of cost: working days of
-- 100 and weekends of 40.  April and June have 21 and 9 of them: 2460; May has 23 and 8: 2620,
-- and (50 + 70) / 2 booked every second month.  The feast takes 70 off a day; then without it
BEGIN;
DELETE FROM finops.cost_daily;
INSERT INTO finops.holiday VALUES ('2029-02-14', 'feast', 'DE'), ('2029-03-14', 'feast', 'DE'), ('2029-04-18', 'feast', 'DE');
INSERT INTO finops.cost_daily
SELECT date_trunc('month', d)::date, d::date, 'test', 'AWS', '1', 'AmazonEC2', NULL, 'acme', 'Usage', 'USD', c, c, NULL, 24
FROM generate_series(date '2029-01-01', '2029-03-31', '1 day') AS d, LATERAL (SELECT CASE WHEN d IN ('2029-02-14', '2029-03-14') THEN 30 WHEN extract(isodow FROM d) > 5 THEN 40 ELSE 100 END) AS v(c);
INSERT INTO finops.cost_daily VALUES
	('2029-01-01', '2029-01-01', 'test', 'AWS', '1', 'AmazonEC2', NULL, 'acme', 'Purchase', 'USD', 50, 50, NULL, 1),
	('2029-03-01', '2029-03-01', 'test', 'AWS', '1', 'AmazonEC2', NULL, 'acme', 'Purchase', 'USD', 70, 70, NULL, 1);
SELECT month, round(mean::numeric) FROM finops.cost_forecast(3);
DELETE FROM finops.holiday WHERE day = '2029-04-18';
SELECT month, round(mean::numeric) FROM finops.cost_forecast(3);
ROLLBACK;
