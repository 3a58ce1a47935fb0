-- room insight: the key figures of a month against targets

CREATE TABLE finops.kpi_target (
	kpi text NOT NULL,
	title text NOT NULL,
	unit text NOT NULL,
	better text NOT NULL DEFAULT 'higher',
	crawl numeric,
	walk numeric,
	run numeric,
	shipped boolean NOT NULL DEFAULT false,
	CONSTRAINT kpi_target_pkey PRIMARY KEY (kpi, shipped),
	CONSTRAINT kpi_target_better_check CHECK (better OPERATOR(pg_catalog.=) ANY (ARRAY['higher', 'lower'])),
	CONSTRAINT kpi_target_order_check CHECK (
		CASE better OPERATOR(pg_catalog.=) 'higher' WHEN true
			THEN COALESCE(crawl OPERATOR(pg_catalog.<=) COALESCE(walk, run), true) AND COALESCE(walk OPERATOR(pg_catalog.<=) run, true)
			ELSE COALESCE(crawl OPERATOR(pg_catalog.>=) COALESCE(walk, run), true) AND COALESCE(walk OPERATOR(pg_catalog.>=) run, true) END)
);
COMMENT ON TABLE finops.kpi_target IS 'the key figures of finops.kpi and what they should be at each maturity (crawl, walk, run); a row of your own overrides the shipped one of its kpi';
COMMENT ON COLUMN finops.kpi_target.better IS 'whether a higher or a lower value is better';
COMMENT ON COLUMN finops.kpi_target.crawl IS 'in unit; NULL: no target at this maturity';

INSERT INTO finops.kpi_target (kpi, title, unit, better, crawl, walk, run, shipped) VALUES
	('allocation_coverage', 'Cost with an owner, of all cost', 'percent', 'higher', 50, 80, 90, true),
	('tag_compliance', 'Usage cost with a tenant, of the cost of usage', 'percent', 'higher', 50, 80, 90, true),
	('shared_cost', 'Shared cost, of allocated cost', 'percent', 'lower', NULL, NULL, NULL, true),
	('forecast_variance', 'Actual cost against the forecast made before the month', 'percent', 'lower', 20, 15, 12, true),
	('commitment_coverage', 'Usage that commitments cover, of what they could', 'percent', 'higher', 60, 70, 80, true),
	('commitment_utilisation', 'Commitments used, of those bought', 'percent', 'higher', NULL, NULL, 95, true),
	('commitment_waste', 'Commitments not used, of those bought', 'percent', 'lower', NULL, NULL, 5, true),
	('effective_savings_rate', 'Saved by commitments, of the price on demand', 'percent', 'higher', NULL, NULL, NULL, true),
	('anomalies', 'Findings that began in the month', 'findings', 'lower', NULL, NULL, NULL, true),
	('anomaly_cost', 'Cost of these that was not expected', 'money', 'lower', NULL, NULL, NULL, true),
	('anomaly_detection', 'Median time from the end of the first day to its detection', 'hours', 'lower', NULL, 48, 24, true),
	('anomaly_resolution', 'Median time from detection to judgement', 'hours', 'lower', NULL, NULL, NULL, true),
	('anomaly_false_alarms', 'Findings judged as expected, of those judged', 'percent', 'lower', NULL, NULL, NULL, true),
	('data_age', 'Time between loads of a bill of the month, 95 percent of them', 'hours', 'lower', NULL, 36, 24, true),
	('recommendation_yield', 'Savings verified in the month, of those promised', 'percent', 'higher', NULL, NULL, NULL, true),
	('recommendation_age', 'Median time from a proposal to its decision, or until now', 'days', 'lower', NULL, NULL, NULL, true),
	('unit_cost', 'Cost of one unit of a driver', 'money', 'lower', NULL, NULL, NULL, true),
	('margin', 'Revenue less allocated cost, of revenue', 'percent', 'higher', NULL, NULL, NULL, true);

CREATE FUNCTION finops.kpi(period date)
RETURNS TABLE (kpi text, scope text, value numeric, unit text, crawl numeric, walk numeric, run numeric, level text, title text, reason text, evidence text)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 25
AS 'MODULE_PATHNAME', 'finops_kpi';
COMMENT ON FUNCTION finops.kpi(date) IS 'the key figures of a month, each a ratio of sums, with its targets and the maturity reached (run, walk, crawl, below crawl); NULL with a reason where there is nothing to measure; evidence is the query that lists what is behind it';

REVOKE ALL ON finops.kpi_target FROM PUBLIC;
REVOKE ALL ON FUNCTION finops.kpi(date) FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('finops.kpi_target', 'WHERE NOT shipped');
