-- room ops: what monitors read; freshness, data quality,
-- queries, database cost, shipments, backups, access and security

-- what the hooks count in shared memory

CREATE FUNCTION finops.tracked_statements()
RETURNS TABLE (query_id text, fingerprint bigint, role_id oid, started_at timestamptz, elapsed_ms float8, row_count bigint, bytes_scanned bigint,
	query_type text, query_text text)
LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 100
AS 'MODULE_PATHNAME', 'finops_tracked_statements';
COMMENT ON FUNCTION finops.tracked_statements() IS 'slow statements of this database that shared memory still holds, literals masked; none unless the library is preloaded and finops.track_statements is on';

CREATE FUNCTION finops.tracked_access()
RETURNS TABLE (role_id oid, relation_id oid, access_type text, access_count bigint, last_access_time timestamptz, counted_since timestamptz)
LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 100
AS 'MODULE_PATHNAME', 'finops_tracked_access';
COMMENT ON FUNCTION finops.tracked_access() IS 'who used which relation of finops since the start of the server; none unless the library is preloaded and finops.track_access is on';

CREATE FUNCTION finops.tracked_logins()
RETURNS TABLE (user_name text, login_count bigint, failed_count bigint, last_login_time timestamptz, last_failure_time timestamptz, counted_since timestamptz)
LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 100
AS 'MODULE_PATHNAME', 'finops_tracked_logins';
COMMENT ON FUNCTION finops.tracked_logins() IS 'logins and failed logins by the name that was given, since the start of the server; none unless the library is preloaded and finops.track_logins is on';

CREATE FUNCTION finops.tracked_backups()
RETURNS TABLE (started_at timestamptz, ended_at timestamptz, bytes_sent bigint, success boolean)
LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 10
AS 'MODULE_PATHNAME', 'finops_tracked_backups';
COMMENT ON FUNCTION finops.tracked_backups() IS 'the newest base backups of the server that have ended, since its start; none unless the library is preloaded';

CREATE FUNCTION finops.tracking()
RETURNS TABLE (kind text, preloaded boolean, enabled boolean, used bigint, capacity bigint, lost bigint, counted_since timestamptz)
LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 3
AS 'MODULE_PATHNAME', 'finops_tracking';
COMMENT ON FUNCTION finops.tracking() IS 'what the hooks count: statements, access, logins; how much room they have and what found none';

CREATE FUNCTION finops.mask_statement(statement text)
RETURNS text
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_mask_statement';
COMMENT ON FUNCTION finops.mask_statement(text) IS 'a statement with ? for its strings and numbers, without comments, at most 1,023 bytes';

CREATE VIEW finops.live_access AS
SELECT r.rolname::text AS user_name,
	CASE WHEN n.oid OPERATOR(pg_catalog.=) e.extnamespace THEN c.relname::text ELSE pg_catalog.concat(n.nspname, '.', c.relname) END AS table_name,
	t.access_type, pg_catalog.sum(t.access_count)::bigint AS access_count, pg_catalog.max(t.last_access_time) AS last_access_time, t.counted_since
FROM finops.tracked_access() t
	JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) t.role_id
	JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.relation_id
	JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
	JOIN pg_catalog.pg_extension e ON e.extname OPERATOR(pg_catalog.=) 'finops'
GROUP BY 1, 2, t.access_type, t.counted_since;
COMMENT ON VIEW finops.live_access IS 'accesses that the hook has counted, by name';
COMMENT ON COLUMN finops.live_access.access_type IS 'SELECT, INSERT, UPDATE or DELETE';
COMMENT ON COLUMN finops.live_access.access_count IS 'statements since counted_since';
COMMENT ON COLUMN finops.live_access.last_access_time IS 'when the newest of them began';
COMMENT ON COLUMN finops.live_access.counted_since IS 'start of the server';

CREATE VIEW finops.live_login AS
SELECT COALESCE(r.rolname::text, '(unknown role)') AS user_name,
	(SELECT pg_catalog.string_agg(pg_catalog.pg_get_userbyid(m.roleid)::text, ', ' ORDER BY pg_catalog.pg_get_userbyid(m.roleid))
		FROM pg_catalog.pg_auth_members m WHERE m.member OPERATOR(pg_catalog.=) r.oid) AS role_name,
	pg_catalog.sum(t.login_count)::bigint AS login_count, pg_catalog.sum(t.failed_count)::bigint AS failed_count,
	pg_catalog.max(t.last_login_time) AS last_login_time, pg_catalog.max(t.last_failure_time) AS last_failure_time, t.counted_since
FROM finops.tracked_logins() t
	LEFT JOIN pg_catalog.pg_roles r ON r.rolname::text OPERATOR(pg_catalog.=) t.user_name
GROUP BY r.rolname, r.oid, t.counted_since;
COMMENT ON VIEW finops.live_login IS 'logins that the hook has counted; names that are no role are one row';
COMMENT ON COLUMN finops.live_login.role_name IS 'roles that the user is a member of';
COMMENT ON COLUMN finops.live_login.login_count IS 'logins since counted_since';
COMMENT ON COLUMN finops.live_login.failed_count IS 'failed logins since counted_since';
COMMENT ON COLUMN finops.live_login.last_login_time IS 'NULL where none succeeded';
COMMENT ON COLUMN finops.live_login.last_failure_time IS 'NULL where none failed';
COMMENT ON COLUMN finops.live_login.counted_since IS 'start of the server';

-- freshness

CREATE TABLE finops.source_sync (
	table_name text NOT NULL,
	data_source text,
	last_sync_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	sla_minutes integer NOT NULL DEFAULT 360,
	CONSTRAINT source_sync_pkey PRIMARY KEY (table_name),
	CONSTRAINT source_sync_sla_minutes_check CHECK (sla_minutes OPERATOR(pg_catalog.>) 0)
);
COMMENT ON TABLE finops.source_sync IS 'when a table was last brought up to date, and how old it may become; the bill facts need no row, their deliveries tell';
COMMENT ON COLUMN finops.source_sync.sla_minutes IS 'greatest age in minutes';

CREATE VIEW @extschema@.vw_data_freshness_monitoring AS
SELECT s.table_name, s.data_source, s.last_sync_at, s.sla_minutes,
	EXTRACT(epoch FROM pg_catalog.now() OPERATOR(pg_catalog.-) s.last_sync_at) OPERATOR(pg_catalog./) 60 AS minutes_since_sync
FROM (
	SELECT r.table_name, r.data_source, r.last_sync_at, r.sla_minutes
	FROM finops.source_sync r
	UNION ALL
	SELECT 'fact_cost_raw', d.source, d.loaded_at, 2880
	FROM (SELECT l.source, l.loaded_at FROM finops.delivery l ORDER BY l.loaded_at DESC, l.delivery_id DESC LIMIT 1) d
	WHERE NOT EXISTS (SELECT FROM finops.source_sync o WHERE o.table_name OPERATOR(pg_catalog.=) 'fact_cost_raw')
) s;
COMMENT ON VIEW @extschema@.vw_data_freshness_monitoring IS 'age of each synchronised table in minutes; fact_cost_raw by its newest delivery unless finops.source_sync says otherwise';

-- data quality

CREATE TABLE finops.dq_check (
	check_id bigint GENERATED BY DEFAULT AS IDENTITY,
	sla_type text NOT NULL DEFAULT 'completeness',
	table_name text NOT NULL,
	row_count bigint,
	unique_keys bigint,
	null_keys bigint,
	actual_value numeric,
	threshold_value numeric,
	sla_status text,
	sla_result text NOT NULL,
	evaluation_timestamp timestamptz NOT NULL DEFAULT pg_catalog.now(),
	rule_name text,
	severity text,
	detail jsonb,
	CONSTRAINT dq_check_pkey PRIMARY KEY (check_id),
	CONSTRAINT dq_check_counts_check CHECK (row_count OPERATOR(pg_catalog.>=) 0 AND unique_keys OPERATOR(pg_catalog.>=) 0 AND null_keys OPERATOR(pg_catalog.>=) 0),
	CONSTRAINT dq_check_sla_result_check CHECK (sla_result OPERATOR(pg_catalog.=) ANY (ARRAY['PASS', 'FAIL']))
);
CREATE INDEX dq_check_evaluation_idx ON finops.dq_check (evaluation_timestamp);
COMMENT ON TABLE finops.dq_check IS 'results of data quality checks, one row per check and evaluation';
COMMENT ON COLUMN finops.dq_check.rule_name IS 'of finops.quality_rule; NULL for results from elsewhere';
COMMENT ON COLUMN finops.dq_check.sla_type IS 'what is judged: completeness (keys that are null), uniqueness, freshness, volume and others';
COMMENT ON COLUMN finops.dq_check.actual_value IS 'what was measured, in the unit of threshold_value';

CREATE VIEW @extschema@.vw_data_quality_summary AS
SELECT d.table_name,
	CASE WHEN d.row_count OPERATOR(pg_catalog.<>) 0 THEN d.row_count END AS row_count,
	d.unique_keys, d.null_keys, d.sla_result, d.evaluation_timestamp
FROM finops.dq_check d
WHERE d.sla_type OPERATOR(pg_catalog.=) 'completeness';
COMMENT ON VIEW @extschema@.vw_data_quality_summary IS 'completeness checks of each table';
COMMENT ON COLUMN @extschema@.vw_data_quality_summary.row_count IS 'NULL instead of 0, so that a share of it is NULL and never a division by zero';

CREATE VIEW @extschema@.vw_data_quality_sla AS
SELECT d.sla_type, d.table_name, d.sla_status, d.actual_value, d.threshold_value, d.sla_result, d.evaluation_timestamp,
	d.rule_name, d.severity, d.detail
FROM finops.dq_check d;
COMMENT ON VIEW @extschema@.vw_data_quality_sla IS 'all data quality checks against their threshold';

CREATE TABLE finops.fk_check (
	constraint_name text NOT NULL,
	child_table text,
	parent_table text,
	orphan_count bigint,
	test_result text NOT NULL,
	evaluated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT fk_check_pkey PRIMARY KEY (constraint_name, evaluated_at),
	CONSTRAINT fk_check_orphan_count_check CHECK (orphan_count OPERATOR(pg_catalog.>=) 0),
	CONSTRAINT fk_check_test_result_check CHECK (test_result OPERATOR(pg_catalog.=) ANY (ARRAY['PASS', 'FAIL']))
);
COMMENT ON TABLE finops.fk_check IS 'results of referential checks, also of references that have no foreign key';

CREATE VIEW @extschema@.test_foreign_key_constraints AS
SELECT DISTINCT ON (f.constraint_name)
	f.constraint_name, f.child_table, f.parent_table, f.orphan_count, f.test_result, f.evaluated_at
FROM finops.fk_check f
ORDER BY f.constraint_name, f.evaluated_at DESC;
COMMENT ON VIEW @extschema@.test_foreign_key_constraints IS 'newest result of each referential check';

-- queries and the cost of running them

CREATE TABLE finops.query_log (
	query_id text NOT NULL,
	query_text text,
	query_type text,
	user_name text,
	warehouse_name text,
	start_time timestamptz NOT NULL,
	total_elapsed_time_seconds numeric,
	bytes_scanned bigint,
	rows_produced bigint,
	credits_used_compute numeric,
	credits_used_cloud_services numeric,
	error_message text,
	fingerprint bigint,
	executions bigint,
	source text,
	CONSTRAINT query_log_pkey PRIMARY KEY (query_id)
);
CREATE INDEX query_log_start_time_idx ON finops.query_log (start_time);
COMMENT ON TABLE finops.query_log IS 'queries with their duration, volume and credits; finops.collect_monitors adds what this server has run';
COMMENT ON COLUMN finops.query_log.bytes_scanned IS 'blocks that were read, from memory or disk, times their size';
COMMENT ON COLUMN finops.query_log.fingerprint IS 'the same for a statement with other values: the server''s query id, or a hash of the masked text';
COMMENT ON COLUMN finops.query_log.executions IS 'how many the row stands for: 1 from the hook, those of an interval from pg_stat_statements';
COMMENT ON COLUMN finops.query_log.source IS 'hook, pg_stat_statements, or NULL for rows from elsewhere';

CREATE TABLE finops.warehouse (
	warehouse_name text NOT NULL,
	size text,
	state text NOT NULL DEFAULT 'STARTED',
	auto_suspend_s integer,
	cost_per_credit numeric NOT NULL DEFAULT 3.0,
	daily_cost_threshold_usd numeric,
	monthly_cost_threshold_usd numeric,
	database_name text,
	credits_per_hour numeric NOT NULL DEFAULT 1,
	credits_per_tb numeric NOT NULL DEFAULT 0,
	CONSTRAINT warehouse_pkey PRIMARY KEY (warehouse_name),
	CONSTRAINT warehouse_name_check CHECK (pg_catalog.btrim(warehouse_name) OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT warehouse_state_check CHECK (state OPERATOR(pg_catalog.=) ANY (ARRAY['STARTED', 'SUSPENDED', 'RESIZING'])),
	CONSTRAINT warehouse_database_name_key UNIQUE (database_name),
	CONSTRAINT warehouse_credits_check CHECK (credits_per_hour OPERATOR(pg_catalog.>=) 0 AND credits_per_hour OPERATOR(pg_catalog.<) 'Infinity'
		AND credits_per_tb OPERATOR(pg_catalog.>=) 0 AND credits_per_tb OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT warehouse_cost_per_credit_check CHECK (cost_per_credit OPERATOR(pg_catalog.>=) 0 AND cost_per_credit OPERATOR(pg_catalog.<) 'Infinity')
);
COMMENT ON TABLE finops.warehouse IS 'compute clusters whose credits are metered';
COMMENT ON COLUMN finops.warehouse.cost_per_credit IS 'price of one credit, in the reporting currency';
COMMENT ON COLUMN finops.warehouse.database_name IS 'a database of this server that finops.collect_monitors meters; NULL: credits come from elsewhere';
COMMENT ON COLUMN finops.warehouse.credits_per_hour IS 'compute credits of an hour in which one session is busy';
COMMENT ON COLUMN finops.warehouse.credits_per_tb IS 'cloud service credits of a terabyte (2^40 bytes) that is read from outside of shared memory';

CREATE VIEW finops.live_statement AS
SELECT t.query_id, t.query_text, t.query_type, r.rolname::text AS user_name, w.warehouse_name, t.started_at AS start_time,
	(t.elapsed_ms OPERATOR(pg_catalog./) 1000)::numeric AS total_elapsed_time_seconds, t.bytes_scanned, t.row_count AS rows_produced,
	(t.elapsed_ms OPERATOR(pg_catalog./) 3600000)::numeric OPERATOR(pg_catalog.*) w.credits_per_hour AS credits_used_compute,
	t.bytes_scanned OPERATOR(pg_catalog./) 1099511627776.0 OPERATOR(pg_catalog.*) w.credits_per_tb AS credits_used_cloud_services,
	NULL::text AS error_message, t.fingerprint, 1::bigint AS executions, 'hook' AS source
FROM finops.tracked_statements() t
	LEFT JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) t.role_id
	LEFT JOIN finops.warehouse w ON w.database_name OPERATOR(pg_catalog.=) pg_catalog.current_database()::text;
COMMENT ON VIEW finops.live_statement IS 'slow statements that the hook has seen, as rows of finops.query_log';
COMMENT ON COLUMN finops.live_statement.query_id IS 'start of the server and number of the statement';
COMMENT ON COLUMN finops.live_statement.query_text IS 'without strings, numbers and comments, at most 1,023 bytes';
COMMENT ON COLUMN finops.live_statement.query_type IS 'SELECT, INSERT, UPDATE, DELETE, or the first word of a utility';
COMMENT ON COLUMN finops.live_statement.start_time IS 'when the client sent it';
COMMENT ON COLUMN finops.live_statement.total_elapsed_time_seconds IS 'time of its execution';
COMMENT ON COLUMN finops.live_statement.bytes_scanned IS 'blocks that were read, from memory or disk, times their size';
COMMENT ON COLUMN finops.live_statement.rows_produced IS 'rows returned or changed';
COMMENT ON COLUMN finops.live_statement.fingerprint IS 'the same for a statement with other values';
COMMENT ON COLUMN finops.live_statement.executions IS '1';

CREATE VIEW @extschema@.vw_performance_monitoring AS
SELECT q.query_id, q.query_text, q.query_type, q.user_name, q.warehouse_name, q.start_time,
	q.total_elapsed_time_seconds, q.bytes_scanned, q.rows_produced,
	q.credits_used_compute, q.credits_used_cloud_services, q.error_message, q.fingerprint, q.executions, q.source
FROM finops.query_log q
UNION ALL
SELECT l.query_id, l.query_text, l.query_type, l.user_name, l.warehouse_name, l.start_time,
	l.total_elapsed_time_seconds, l.bytes_scanned, l.rows_produced,
	l.credits_used_compute, l.credits_used_cloud_services, l.error_message, l.fingerprint, l.executions, l.source
FROM finops.live_statement l
WHERE NOT EXISTS (SELECT FROM finops.query_log q WHERE q.query_id OPERATOR(pg_catalog.=) l.query_id);
COMMENT ON VIEW @extschema@.vw_performance_monitoring IS 'queries with their duration, volume and credits: finops.query_log, and what the statement hook has seen since';
COMMENT ON COLUMN @extschema@.vw_performance_monitoring.fingerprint IS 'the same for a statement with other values';
COMMENT ON COLUMN @extschema@.vw_performance_monitoring.executions IS 'how many the row stands for; NULL where that is not known';

CREATE TABLE finops.warehouse_metering (
	warehouse_name text NOT NULL,
	cost_date date NOT NULL,
	credits_used_compute numeric NOT NULL DEFAULT 0,
	credits_used_cloud_services numeric NOT NULL DEFAULT 0,
	CONSTRAINT warehouse_metering_pkey PRIMARY KEY (warehouse_name, cost_date),
	CONSTRAINT warehouse_metering_warehouse_fkey FOREIGN KEY (warehouse_name) REFERENCES finops.warehouse (warehouse_name),
	CONSTRAINT warehouse_metering_compute_check CHECK (credits_used_compute OPERATOR(pg_catalog.>=) 0 AND credits_used_compute OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT warehouse_metering_services_check CHECK (credits_used_cloud_services OPERATOR(pg_catalog.>=) 0 AND credits_used_cloud_services OPERATOR(pg_catalog.<) 'Infinity')
);
COMMENT ON TABLE finops.warehouse_metering IS 'credits used per compute cluster and day';

CREATE VIEW @extschema@.vw_cost_monitoring AS
SELECT c.cost_date, c.warehouse_name, c.credits_used_compute, c.credits_used_cloud_services,
	c.daily_credits_used, c.cost_per_credit,
	c.daily_cost_usd, c.daily_cost_usd AS estimated_daily_cost_usd,
	CASE WHEN c.previous_cost_usd OPERATOR(pg_catalog.<>) 0
		THEN pg_catalog.round((c.daily_cost_usd OPERATOR(pg_catalog.-) c.previous_cost_usd) OPERATOR(pg_catalog.*) 100 OPERATOR(pg_catalog./) c.previous_cost_usd, 2)
	END AS cost_trend
FROM (
	SELECT d.*,
		pg_catalog.avg(d.daily_cost_usd) OVER (
			PARTITION BY d.warehouse_name ORDER BY d.cost_date
			RANGE BETWEEN interval '7 days' PRECEDING AND interval '1 day' PRECEDING
		) AS previous_cost_usd
	FROM (
		SELECT m.cost_date, m.warehouse_name, m.credits_used_compute, m.credits_used_cloud_services,
			m.credits_used_compute OPERATOR(pg_catalog.+) m.credits_used_cloud_services AS daily_credits_used,
			w.cost_per_credit,
			(m.credits_used_compute OPERATOR(pg_catalog.+) m.credits_used_cloud_services) OPERATOR(pg_catalog.*) w.cost_per_credit AS daily_cost_usd
		FROM finops.warehouse_metering m
			JOIN finops.warehouse w ON w.warehouse_name OPERATOR(pg_catalog.=) m.warehouse_name
	) d
) c;
COMMENT ON VIEW @extschema@.vw_cost_monitoring IS 'cost of compute clusters per day: credits times price';
COMMENT ON COLUMN @extschema@.vw_cost_monitoring.cost_trend IS 'signed percent against the mean of the metered days among the previous seven; NULL without one';

-- job runs

CREATE VIEW @extschema@.vw_dbt_run_results AS
SELECT r.job_name AS model_name,
	EXTRACT(epoch FROM r.finished_at OPERATOR(pg_catalog.-) r.started_at) AS run_duration_seconds,
	r.status, r.error_message, r.started_at AS last_run_at
FROM finops.job_run r;
COMMENT ON VIEW @extschema@.vw_dbt_run_results IS 'runs of jobs, one row each; a running one has no duration yet';

-- shipments

CREATE TABLE @extschema@.tbl_fact_shipments (
	shipment_id text NOT NULL,
	customer_id text,
	vehicle_id text,
	route_id text,
	pickup_date timestamp,
	delivery_date timestamp,
	requested_delivery_date timestamp,
	revenue_usd numeric,
	total_cost_usd numeric,
	profit_margin_pct numeric,
	on_time_delivery_flag boolean,
	carbon_emissions_kg numeric,
	CONSTRAINT tbl_fact_shipments_pkey PRIMARY KEY (shipment_id)
);
CREATE INDEX tbl_fact_shipments_pickup_date_idx ON @extschema@.tbl_fact_shipments (pickup_date);
COMMENT ON TABLE @extschema@.tbl_fact_shipments IS 'shipments with revenue, cost and emissions, as business quantities next to cloud cost';
COMMENT ON COLUMN @extschema@.tbl_fact_shipments.profit_margin_pct IS 'percent of revenue; NULL: computed from revenue and cost';
COMMENT ON COLUMN @extschema@.tbl_fact_shipments.on_time_delivery_flag IS 'NULL: delivered by the requested date';

CREATE VIEW @extschema@.vw_consolidated_dashboard AS
SELECT s.pickup_date::date AS date_key,
	s.customer_id,
	CASE WHEN COALESCE(s.on_time_delivery_flag, s.delivery_date OPERATOR(pg_catalog.<=) s.requested_delivery_date) THEN 100.0
		WHEN NOT COALESCE(s.on_time_delivery_flag, s.delivery_date OPERATOR(pg_catalog.<=) s.requested_delivery_date) THEN 0.0
	END AS on_time_rate_pct,
	s.revenue_usd AS total_revenue_usd,
	COALESCE(s.profit_margin_pct,
		CASE WHEN s.revenue_usd OPERATOR(pg_catalog.<>) 0
			THEN (s.revenue_usd OPERATOR(pg_catalog.-) s.total_cost_usd) OPERATOR(pg_catalog.*) 100 OPERATOR(pg_catalog./) s.revenue_usd
		END) AS profit_margin_pct,
	s.carbon_emissions_kg AS total_carbon_emissions_kg,
	s.shipment_id
FROM @extschema@.tbl_fact_shipments s;
COMMENT ON VIEW @extschema@.vw_consolidated_dashboard IS 'one row per shipment with its measures, by day of pickup';
COMMENT ON COLUMN @extschema@.vw_consolidated_dashboard.on_time_rate_pct IS '100 or 0; NULL while it is not known';

-- backups, access, security

CREATE TABLE finops.backup_log (
	table_name text NOT NULL,
	last_backup_time timestamptz NOT NULL,
	backup_size_gb numeric,
	backup_status text NOT NULL,
	CONSTRAINT backup_log_pkey PRIMARY KEY (table_name, last_backup_time)
);
COMMENT ON TABLE finops.backup_log IS 'backups and restore tests that were made; finops.collect_monitors adds base backups of this server';

CREATE TABLE finops.backup_progress (
	pid integer NOT NULL,
	started_at timestamptz NOT NULL,
	seen_at timestamptz NOT NULL,
	phase text,
	bytes_total bigint,
	bytes_sent bigint,
	CONSTRAINT backup_progress_pkey PRIMARY KEY (pid, started_at)
);
COMMENT ON TABLE finops.backup_progress IS 'base backups that finops.collect_monitors has seen running';
COMMENT ON COLUMN finops.backup_progress.started_at IS 'when its connection was made';

CREATE VIEW @extschema@.vw_backup_status AS
SELECT b.table_name, b.last_backup_time, b.backup_size_gb, b.backup_status
FROM finops.backup_log b
UNION ALL
SELECT 'WAL archive', GREATEST(a.last_archived_time, a.last_failed_time), NULL,
	CASE WHEN a.last_archived_time IS NULL OR a.last_failed_time OPERATOR(pg_catalog.>) a.last_archived_time THEN 'FAILED' ELSE 'SUCCESS' END
FROM pg_catalog.pg_stat_archiver a
WHERE pg_catalog.current_setting('archive_mode') OPERATOR(pg_catalog.<>) 'off'
	AND COALESCE(a.last_archived_time, a.last_failed_time) IS NOT NULL;
COMMENT ON VIEW @extschema@.vw_backup_status IS 'backups and restore tests that were made, and the newest attempt of this server to archive WAL';

CREATE TABLE finops.login_stat (
	user_name text NOT NULL,
	role_name text,
	last_login_time timestamptz,
	failed_login_count bigint NOT NULL DEFAULT 0,
	counted_since timestamptz,
	counted_failures bigint,
	CONSTRAINT login_stat_pkey PRIMARY KEY (user_name),
	CONSTRAINT login_stat_failed_check CHECK (failed_login_count OPERATOR(pg_catalog.>=) 0)
);
COMMENT ON TABLE finops.login_stat IS 'last login and failed logins per user';
COMMENT ON COLUMN finops.login_stat.counted_since IS 'start of the server whose count of failures is in failed_login_count, up to counted_failures';

CREATE VIEW @extschema@.vw_user_access_monitoring AS
SELECT COALESCE(l.user_name, t.user_name) AS user_name, COALESCE(t.role_name, l.role_name) AS role_name,
	GREATEST(l.last_login_time, t.last_login_time) AS last_login_time,
	COALESCE(l.failed_login_count, 0) OPERATOR(pg_catalog.+) COALESCE(t.failed_count, 0)
		OPERATOR(pg_catalog.-) CASE WHEN l.counted_since OPERATOR(pg_catalog.=) t.counted_since
			THEN LEAST(l.counted_failures, t.failed_count) ELSE 0 END AS failed_login_count
FROM finops.login_stat l
	FULL JOIN finops.live_login t ON t.user_name OPERATOR(pg_catalog.=) l.user_name;
COMMENT ON VIEW @extschema@.vw_user_access_monitoring IS 'last login and failed logins per user: finops.login_stat, and what the login hook has counted since';

CREATE TABLE finops.data_access_stat (
	user_name text NOT NULL,
	table_name text NOT NULL,
	access_type text NOT NULL,
	access_count bigint NOT NULL DEFAULT 0,
	last_access_time timestamptz,
	counted_since timestamptz,
	counted bigint,
	CONSTRAINT data_access_stat_pkey PRIMARY KEY (user_name, table_name, access_type),
	CONSTRAINT data_access_stat_count_check CHECK (access_count OPERATOR(pg_catalog.>=) 0)
);
COMMENT ON TABLE finops.data_access_stat IS 'how often a user read or wrote a table';
COMMENT ON COLUMN finops.data_access_stat.counted_since IS 'start of the server whose count is in access_count, up to counted';

CREATE VIEW @extschema@.vw_data_access_monitoring AS
SELECT COALESCE(a.user_name, t.user_name) AS user_name, COALESCE(a.table_name, t.table_name) AS table_name,
	COALESCE(a.access_type, t.access_type) AS access_type,
	COALESCE(a.access_count, 0) OPERATOR(pg_catalog.+) COALESCE(t.access_count, 0)
		OPERATOR(pg_catalog.-) CASE WHEN a.counted_since OPERATOR(pg_catalog.=) t.counted_since
			THEN LEAST(a.counted, t.access_count) ELSE 0 END AS access_count,
	GREATEST(a.last_access_time, t.last_access_time) AS last_access_time
FROM finops.data_access_stat a
	FULL JOIN finops.live_access t ON t.user_name OPERATOR(pg_catalog.=) a.user_name
		AND t.table_name OPERATOR(pg_catalog.=) a.table_name AND t.access_type OPERATOR(pg_catalog.=) a.access_type;
COMMENT ON VIEW @extschema@.vw_data_access_monitoring IS 'how often a user read or wrote a table: finops.data_access_stat, and what the access hook has counted since';

CREATE TABLE finops.security_metric (
	security_metric text NOT NULL,
	current_value numeric,
	threshold numeric,
	status text NOT NULL,
	evaluation_date date NOT NULL DEFAULT pg_catalog.timezone('UTC', pg_catalog.now())::date,
	CONSTRAINT security_metric_pkey PRIMARY KEY (security_metric, evaluation_date)
);
COMMENT ON TABLE finops.security_metric IS 'security measures against their threshold, per day';

CREATE VIEW @extschema@.vw_security_monitoring AS
SELECT m.security_metric, m.current_value, m.threshold, m.status, m.evaluation_date
FROM finops.security_metric m;
COMMENT ON VIEW @extschema@.vw_security_monitoring IS 'security measures against their threshold, per day';

-- what feeds them

CREATE TABLE finops.warehouse_meter (
	warehouse_name text NOT NULL,
	active_ms numeric NOT NULL,
	blocks_read numeric NOT NULL,
	read_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT warehouse_meter_pkey PRIMARY KEY (warehouse_name)
);
COMMENT ON TABLE finops.warehouse_meter IS 'counters of pg_stat_database up to which a warehouse is metered';

CREATE TABLE finops.statement_mark (
	fingerprint bigint NOT NULL,
	user_name text NOT NULL,
	calls bigint NOT NULL,
	total_ms float8 NOT NULL,
	max_ms float8 NOT NULL,
	row_count bigint NOT NULL,
	blocks bigint NOT NULL,
	CONSTRAINT statement_mark_pkey PRIMARY KEY (fingerprint, user_name)
);
COMMENT ON TABLE finops.statement_mark IS 'counters of pg_stat_statements up to which finops.query_log has them';

CREATE FUNCTION finops.collect_monitors()
RETURNS TABLE (monitor text, row_count bigint, source text)
LANGUAGE c VOLATILE COST 100000 ROWS 6
AS 'MODULE_PATHNAME', 'finops_collect_monitors';
COMMENT ON FUNCTION finops.collect_monitors() IS 'keeps what the server counts in the tables of the monitors: statements, access, logins, security, backups, cost';

CREATE VIEW finops.monitor_source AS
SELECT m.monitor, m.relation, m.source, m.state,
	CASE m.state WHEN 'not preloaded' THEN 'add finops to shared_preload_libraries and restart'
		WHEN 'off' THEN pg_catalog.format('ALTER SYSTEM SET finops.track_%s = on; SELECT pg_reload_conf()', m.monitor)
		WHEN 'none declared' THEN 'INSERT INTO finops.warehouse (warehouse_name, database_name, credits_per_hour, cost_per_credit) VALUES (...)'
		WHEN 'archiving is off' THEN 'set archive_mode and archive_command' END AS hint,
	m.lost
FROM (
	SELECT t.kind AS monitor,
		CASE t.kind WHEN 'access' THEN 'vw_data_access_monitoring' WHEN 'logins' THEN 'vw_user_access_monitoring' ELSE 'vw_performance_monitoring' END AS relation,
		CASE WHEN t.kind OPERATOR(pg_catalog.=) 'statements' AND NOT (t.preloaded AND t.enabled) AND e.oid IS NOT NULL
			THEN 'pg_stat_statements' ELSE 'hook' END AS source,
		CASE WHEN t.kind OPERATOR(pg_catalog.=) 'statements' AND NOT (t.preloaded AND t.enabled) AND e.oid IS NOT NULL THEN 'by finops.collect_monitors'
			WHEN NOT t.preloaded THEN 'not preloaded' WHEN NOT t.enabled THEN 'off' ELSE 'live' END AS state,
		t.lost
	FROM finops.tracking() t
		LEFT JOIN pg_catalog.pg_extension e ON e.extname OPERATOR(pg_catalog.=) 'pg_stat_statements'
	UNION ALL
	SELECT 'backups', 'vw_backup_status', 'pg_stat_archiver, pg_stat_progress_basebackup',
		CASE pg_catalog.current_setting('archive_mode') WHEN 'off' THEN 'archiving is off' ELSE 'live' END, NULL
	UNION ALL
	SELECT 'cost', 'vw_cost_monitoring', 'pg_stat_database',
		CASE WHEN EXISTS (SELECT FROM finops.warehouse w WHERE w.database_name IS NOT NULL) THEN 'by finops.collect_monitors' ELSE 'none declared' END, NULL
	UNION ALL
	SELECT 'runs', 'vw_dbt_run_results', 'finops.job_run', 'live', NULL
	UNION ALL
	SELECT 'freshness', 'vw_data_freshness_monitoring', 'finops.delivery, finops.source_sync', 'live', NULL
) m;
COMMENT ON VIEW finops.monitor_source IS 'where each monitor has its data from, whether it comes, and what to do when it does not';
COMMENT ON COLUMN finops.monitor_source.monitor IS 'what is watched';
COMMENT ON COLUMN finops.monitor_source.relation IS 'the view that tells it';
COMMENT ON COLUMN finops.monitor_source.state IS 'live, off, not preloaded, by finops.collect_monitors, archiving is off, or none declared';
COMMENT ON COLUMN finops.monitor_source.hint IS 'what makes it live; NULL where it is';
COMMENT ON COLUMN finops.monitor_source.lost IS 'what found no room in shared memory since the start of the server';

REVOKE ALL ON FUNCTION finops.tracked_statements(), finops.tracked_access(), finops.tracked_logins(), finops.tracked_backups(), finops.tracking(), finops.collect_monitors() FROM PUBLIC;
REVOKE ALL ON finops.live_access, finops.live_login, finops.live_statement, finops.backup_progress, finops.warehouse_meter, finops.statement_mark, finops.monitor_source FROM PUBLIC;
REVOKE ALL ON finops.source_sync, @extschema@.vw_data_freshness_monitoring,
	finops.dq_check, finops.dq_check_check_id_seq, @extschema@.vw_data_quality_summary, @extschema@.vw_data_quality_sla,
	finops.fk_check, @extschema@.test_foreign_key_constraints,
	finops.query_log, @extschema@.vw_performance_monitoring, @extschema@.vw_dbt_run_results,
	finops.warehouse, finops.warehouse_metering, @extschema@.vw_cost_monitoring,
	@extschema@.tbl_fact_shipments, @extschema@.vw_consolidated_dashboard,
	finops.backup_log, @extschema@.vw_backup_status, finops.login_stat, @extschema@.vw_user_access_monitoring,
	finops.data_access_stat, @extschema@.vw_data_access_monitoring, finops.security_metric, @extschema@.vw_security_monitoring
FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('finops.source_sync', '');
SELECT pg_catalog.pg_extension_config_dump('finops.dq_check', '');
SELECT pg_catalog.pg_extension_config_dump('finops.dq_check_check_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('finops.fk_check', '');
SELECT pg_catalog.pg_extension_config_dump('finops.query_log', '');
SELECT pg_catalog.pg_extension_config_dump('finops.backup_progress', '');
SELECT pg_catalog.pg_extension_config_dump('finops.statement_mark', '');
SELECT pg_catalog.pg_extension_config_dump('finops.warehouse_meter', '');
SELECT pg_catalog.pg_extension_config_dump('finops.warehouse', '');
SELECT pg_catalog.pg_extension_config_dump('finops.warehouse_metering', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.tbl_fact_shipments', '');
SELECT pg_catalog.pg_extension_config_dump('finops.backup_log', '');
SELECT pg_catalog.pg_extension_config_dump('finops.login_stat', '');
SELECT pg_catalog.pg_extension_config_dump('finops.data_access_stat', '');
SELECT pg_catalog.pg_extension_config_dump('finops.security_metric', '');

