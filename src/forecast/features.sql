-- room forecast: targets, features, checks of a source, the feature store

CREATE VIEW forecast.daily_cost AS
SELECT c.usage_date AS day, c.currency, pg_catalog.sum(c.effective_cost) AS cost
FROM finops.cost_daily c
GROUP BY c.usage_date, c.currency;
COMMENT ON VIEW forecast.daily_cost IS 'target: effective cost of a day';

CREATE VIEW forecast.service_daily_cost AS
SELECT c.usage_date AS day, c.service, c.currency, pg_catalog.sum(c.effective_cost) AS cost
FROM finops.cost_daily c
GROUP BY c.usage_date, c.service, c.currency;
COMMENT ON VIEW forecast.service_daily_cost IS 'target: effective cost of a day by service';

CREATE VIEW forecast.account_monthly_cost AS
SELECT pg_catalog.date_trunc('month', c.usage_date::timestamp)::date AS month, c.account_id, c.currency, pg_catalog.sum(c.effective_cost) AS cost
FROM finops.cost_daily c
GROUP BY pg_catalog.date_trunc('month', c.usage_date::timestamp)::date, c.account_id, c.currency;
COMMENT ON VIEW forecast.account_monthly_cost IS 'target: effective cost of a month by account';

CREATE VIEW forecast.hourly_gpu_cost AS
SELECT pg_catalog.date_trunc('hour', f.line_item_usage_start_date) AS hour, f.line_item_currency_code AS currency,
	pg_catalog.sum(f.line_item_usage_amount) AS usage_amount, pg_catalog.sum(f.effective_cost) AS cost
FROM @extschema@.fact_cost_raw f
WHERE f.line_item_usage_start_date IS NOT NULL
	AND f.product_instance_type OPERATOR(pg_catalog.~*) '^((ml\.)?(p[2-9]|g[3-9]|gr[6-9]|trn[1-9]|inf[1-9]|dl[12])[a-z-]*\.|standard_n[cdv]|a2-|a3-|a4-|g2-|vm\.gpu|bm\.gpu)'
GROUP BY pg_catalog.date_trunc('hour', f.line_item_usage_start_date), f.line_item_currency_code;
COMMENT ON VIEW forecast.hourly_gpu_cost IS 'target: usage and effective cost of accelerated instances by hour';

CREATE FUNCTION finops.is_us_holiday(day date)
RETURNS boolean
AS 'MODULE_PATHNAME', 'finops_is_us_holiday'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION finops.is_us_holiday(date) IS 'is a day a federal holiday of the United States, on its own date';

CREATE FUNCTION forecast.features(source text, ts text, value text, tags text[] DEFAULT '{}')
RETURNS TABLE (day date, cost float8, day_of_week integer, is_weekend boolean, day_of_month integer, month integer, quarter integer,
	is_holiday boolean, is_day_before_holiday boolean, is_day_after_holiday boolean,
	lag_1 float8, lag_7 float8, lag_14 float8, lag_30 float8,
	mean_7 float8, std_7 float8, min_7 float8, max_7 float8,
	mean_14 float8, std_14 float8, min_14 float8, max_14 float8,
	mean_30 float8, std_30 float8, min_30 float8, max_30 float8, tag_cost jsonb)
AS 'MODULE_PATHNAME', 'finops_features'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000 ROWS 365;
COMMENT ON FUNCTION forecast.features(text, text, text, text[]) IS 'features of the days of a relation or query: calendar, lags, statistics of the days before, cost of the ten largest values of each tag';

CREATE FUNCTION forecast.validate_input(source text, ts text, value text, category text DEFAULT NULL)
RETURNS TABLE (check_name text, severity text, findings bigint, passed boolean, detail text)
AS 'MODULE_PATHNAME', 'finops_validate_input'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000 ROWS 10;
COMMENT ON FUNCTION forecast.validate_input(text, text, text, text) IS 'checks of a source before it is forecast: gaps, duplicates, negatives that are no credits, outliers, what is missing';

CREATE FUNCTION finops.refresh_features(as_of date DEFAULT CURRENT_DATE, days integer DEFAULT 90)
RETURNS bigint
AS 'MODULE_PATHNAME', 'finops_refresh_features'
LANGUAGE C VOLATILE COST 100000;
COMMENT ON FUNCTION finops.refresh_features(date, integer) IS 'writes the cost features of the days up to as_of, in total and by service, to the feature store; returns how many rows';
REVOKE ALL ON FUNCTION finops.refresh_features(date, integer) FROM PUBLIC;

CREATE FUNCTION finops.evaluate_feature_drift(as_of date DEFAULT CURRENT_DATE, reference_days integer DEFAULT 60, recent_days integer DEFAULT 14, threshold float8 DEFAULT 0.2)
RETURNS TABLE (feature text, score float8, limit_of float8, drifted boolean, evaluated_at timestamptz)
AS 'MODULE_PATHNAME', 'finops_evaluate_feature_drift'
LANGUAGE C VOLATILE COST 100000 ROWS 10;
COMMENT ON FUNCTION finops.evaluate_feature_drift(date, integer, integer, float8) IS 'compares the recent days of every feature with those before by the population stability index and writes finops.feature_drift';
REVOKE ALL ON FUNCTION finops.evaluate_feature_drift(date, integer, integer, float8) FROM PUBLIC;

REVOKE ALL ON forecast.daily_cost, forecast.service_daily_cost, forecast.account_monthly_cost, forecast.hourly_gpu_cost FROM PUBLIC;
