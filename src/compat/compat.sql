-- room compat: functions that let SQL of other dialects run; those that
-- runbooks call stand in the install schema

CREATE FUNCTION @extschema@.date_format(value date, format text)
RETURNS text
AS 'MODULE_PATHNAME', 'finops_date_format_date'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.date_format(date, text) IS 'date as text by the % codes of MySQL and Trino, such as %Y-%m; NULL for infinity';

CREATE FUNCTION @extschema@.date_format(value timestamp, format text)
RETURNS text
AS 'MODULE_PATHNAME', 'finops_date_format_timestamp'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.date_format(timestamp, text) IS 'timestamp as text by the % codes of MySQL and Trino, such as %Y-%m; NULL for infinity';

CREATE FUNCTION @extschema@.date_format(value timestamptz, format text)
RETURNS text
AS 'MODULE_PATHNAME', 'finops_date_format_timestamptz'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.date_format(timestamptz, text) IS 'timestamp, in the session''s time zone, as text by the % codes of MySQL and Trino; NULL for infinity';

CREATE FUNCTION @extschema@.dateadd(unit text, n integer, value date)
RETURNS date
AS 'MODULE_PATHNAME', 'finops_dateadd_date'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.dateadd(text, integer, date) IS 'date n units later, as Snowflake has it; units of a day and longer, others are 22023';

CREATE FUNCTION @extschema@.dateadd(unit text, n integer, value timestamp)
RETURNS timestamp
AS 'MODULE_PATHNAME', 'finops_dateadd_timestamp'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.dateadd(text, integer, timestamp) IS 'timestamp n units later, as Snowflake has it';

CREATE FUNCTION @extschema@.dateadd(unit text, n integer, value timestamptz)
RETURNS timestamptz
AS 'MODULE_PATHNAME', 'finops_dateadd_timestamptz'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.dateadd(text, integer, timestamptz) IS 'timestamp n units later, as Snowflake has it; days are days of the session''s time zone';

CREATE FUNCTION @extschema@.datediff(unit text, start_value date, end_value date)
RETURNS bigint
AS 'MODULE_PATHNAME', 'finops_datediff_date'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.datediff(text, date, date) IS 'number of unit boundaries from start to end, as Snowflake counts them; weeks begin on Monday';

CREATE FUNCTION @extschema@.datediff(unit text, start_value timestamp, end_value timestamp)
RETURNS bigint
AS 'MODULE_PATHNAME', 'finops_datediff_timestamp'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.datediff(text, timestamp, timestamp) IS 'number of unit boundaries from start to end, as Snowflake counts them; weeks begin on Monday';

CREATE FUNCTION @extschema@.datediff(unit text, start_value timestamptz, end_value timestamptz)
RETURNS bigint
AS 'MODULE_PATHNAME', 'finops_datediff_timestamptz'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.datediff(text, timestamptz, timestamptz) IS 'number of unit boundaries from start to end in the session''s time zone, as Snowflake counts them; weeks begin on Monday';

CREATE FUNCTION @extschema@.last_day(value date)
RETURNS date
AS 'MODULE_PATHNAME', 'finops_last_day'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.last_day(date) IS 'last day of the month';

CREATE FUNCTION @extschema@.add_months(value date, months integer)
RETURNS date
AS 'MODULE_PATHNAME', 'finops_add_months'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.add_months(date, integer) IS 'date months later; the last day of a month stays a last day';

CREATE FUNCTION @extschema@.external_table(uri text)
RETURNS SETOF forecast.drivers
AS 'MODULE_PATHNAME', 'finops_external_table'
LANGUAGE C VOLATILE COST 1000;
COMMENT ON FUNCTION @extschema@.external_table(text) IS 'lines of a driver file (CSV or workbook) whose name carries the load date; a path, file://, https:// or s3:// address';
REVOKE ALL ON FUNCTION @extschema@.external_table(text) FROM PUBLIC;

CREATE FUNCTION finops.translate_sql(sql text, dialect text)
RETURNS text
AS 'MODULE_PATHNAME', 'finops_translate_sql'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION finops.translate_sql(text, text) IS 'SQL of a dialect (athena, hive, mysql, postgresql, snowflake, trino) as text that PostgreSQL parses; strings, comments and quoted names stay as they are';

CREATE FUNCTION finops.show_warehouses()
RETURNS TABLE (name text, state text, size text, auto_suspend integer, cost_per_credit numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, finops, pg_temp
AS $$
	SELECT w.warehouse_name, w.state, w.size, w.auto_suspend_s, w.cost_per_credit
	FROM finops.warehouse w
	ORDER BY w.warehouse_name
$$;
COMMENT ON FUNCTION finops.show_warehouses() IS 'compute clusters of finops.warehouse, for SHOW WAREHOUSES';

CREATE FUNCTION finops.show_partitions(relation regclass)
RETURNS TABLE (partition text, relation_name regclass, estimated_rows bigint, size_bytes bigint)
LANGUAGE sql STABLE STRICT PARALLEL SAFE ROWS 100
SET search_path = pg_catalog, finops, pg_temp
SET datestyle = 'ISO, YMD'
AS $$
	SELECT coalesce('year=' || to_char(b.month, 'YYYY') || '/month=' || to_char(b.month, 'MM'), b.bound),
		b.oid::regclass, greatest(b.reltuples, 0)::bigint, pg_total_relation_size(b.oid)
	FROM (
		SELECT c.oid, c.reltuples, pg_get_expr(c.relpartbound, c.oid) AS bound,
			substring(pg_get_expr(c.relpartbound, c.oid) FROM 'FROM \(''(\d{4}-\d{2}-01)''\)')::timestamp AS month
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = CASE WHEN relation = 'cur_database.cur_table'::regclass
			THEN '@extschema@.fact_cost_raw'::regclass ELSE relation END
	) b
	ORDER BY b.month, b.bound
$$;
COMMENT ON FUNCTION finops.show_partitions(regclass) IS 'partitions of a table, monthly ones as year=YYYY/month=MM, with their size; for cur_database.cur_table those of the facts';

CREATE FUNCTION finops.msck_repair_table(relation regclass)
RETURNS integer
AS 'MODULE_PATHNAME', 'finops_msck_repair_table'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION finops.msck_repair_table(regclass) IS 'makes the partitions of the facts that are missing between the first month there is and the current one (UTC); returns how many';
REVOKE ALL ON FUNCTION finops.msck_repair_table(regclass) FROM PUBLIC;

-- runbook statements that need a translation carry it
UPDATE finops.runbook
SET sql_pg = finops.translate_sql(sql_verbatim, dialect)
WHERE finops.translate_sql(sql_verbatim, dialect) OPERATOR(pg_catalog.<>) sql_verbatim;

