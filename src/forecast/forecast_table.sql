-- room forecast: forecasts of every series of a table

CREATE FUNCTION finops.forecast_table(source text, ts text, value text, keys text[] DEFAULT '{}',
	horizon integer DEFAULT 12, options jsonb DEFAULT NULL)
RETURNS TABLE (keys_of text[], step integer, at timestamp, mean float8, lower float8[], upper float8[], model text, error text)
AS 'MODULE_PATHNAME', 'finops_forecast_table'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 10000;
COMMENT ON FUNCTION finops.forecast_table(text, text, text, text[], integer, jsonb) IS 'forecasts every series of a relation or query, read with the caller''s rights, in parallel workers; what is wrong with one series stands in its row';

CREATE FUNCTION finops.forecast_table(source regclass, ts text, value text, keys text[] DEFAULT '{}',
	horizon integer DEFAULT 12, options jsonb DEFAULT NULL)
RETURNS TABLE (keys_of text[], step integer, at timestamp, mean float8, lower float8[], upper float8[], model text, error text)
AS 'MODULE_PATHNAME', 'finops_forecast_table'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 10000;
COMMENT ON FUNCTION finops.forecast_table(regclass, text, text, text[], integer, jsonb) IS 'the same for a relation given as regclass';

CREATE VIEW finops.forecast_progress AS
SELECT p.pid, p.datid, d.datname, p.param2 AS series_total, p.param1 AS series_done
FROM pg_catalog.pg_stat_get_progress_info('COPY') AS p
	LEFT JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) p.datid
WHERE p.param5 OPERATOR(pg_catalog.=) 17;
COMMENT ON VIEW finops.forecast_progress IS 'how far each finops.forecast_table is; roles see their own sessions, members of pg_read_all_stats all';
REVOKE ALL ON finops.forecast_progress FROM PUBLIC;
