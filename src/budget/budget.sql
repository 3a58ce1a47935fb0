-- room budget: budgets and how far they are used

CREATE TABLE @extschema@.budget_master (
	budget_id text NOT NULL,
	scope_type text NOT NULL DEFAULT 'platform',
	scope_ref text,
	category text,
	metric_type text NOT NULL DEFAULT 'aws_cost',
	metric_code text,
	period text NOT NULL DEFAULT 'monthly',
	period_start date NOT NULL DEFAULT pg_catalog.date_trunc('month', pg_catalog.timezone('UTC', pg_catalog.now()))::date,
	target_usd numeric NOT NULL,
	actual_usd numeric NOT NULL DEFAULT 0,
	variance_pct numeric,
	thresholds_json jsonb,
	status text NOT NULL DEFAULT 'ok',
	last_refreshed_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT budget_master_pkey PRIMARY KEY (budget_id),
	CONSTRAINT budget_master_id_check CHECK (pg_catalog.btrim(budget_id) OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT budget_master_scope_type_check CHECK (scope_type OPERATOR(pg_catalog.=) ANY (ARRAY['tenant', 'plan', 'platform'])),
	CONSTRAINT budget_master_scope_ref_check CHECK (scope_type OPERATOR(pg_catalog.=) 'platform' OR scope_ref IS NOT NULL),
	CONSTRAINT budget_master_metric_type_check CHECK (metric_type OPERATOR(pg_catalog.=) ANY (ARRAY['aws_cost', 'platform_metric', 'composite', 'operator_overhead'])),
	CONSTRAINT budget_master_period_check CHECK (period OPERATOR(pg_catalog.=) ANY (ARRAY['daily', 'monthly', 'quarterly'])),
	CONSTRAINT budget_master_target_check CHECK (target_usd OPERATOR(pg_catalog.>=) 0 AND target_usd OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT budget_master_actual_check CHECK (actual_usd OPERATOR(pg_catalog.>) '-Infinity' AND actual_usd OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT budget_master_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['ok', 'warning', 'critical', 'breached']))
);
COMMENT ON TABLE @extschema@.budget_master IS 'budgets with their target and what has been spent of it';
COMMENT ON COLUMN @extschema@.budget_master.scope_ref IS 'tenant_id or plan_code; NULL for the whole platform';
COMMENT ON COLUMN @extschema@.budget_master.category IS 'name under which vw_budget_monitoring shows the budget; NULL: its scope_type';
COMMENT ON COLUMN @extschema@.budget_master.period_start IS 'first day of the current budget period, by default the current month (UTC)';
COMMENT ON COLUMN @extschema@.budget_master.variance_pct IS 'signed percent of actual against target';
COMMENT ON COLUMN @extschema@.budget_master.thresholds_json IS '{"warning": 0.8, "critical": 0.95}, ratios of target_usd';
COMMENT ON COLUMN @extschema@.budget_master.last_refreshed_at IS 'when actual_usd was last computed; older than 24 hours is stale';

CREATE VIEW @extschema@.vw_budget_monitoring AS
SELECT
	COALESCE(b.category, b.scope_type) AS budget_category,
	b.target_usd AS monthly_budget_usd,
	b.actual_usd AS current_spend_usd,
	b.target_usd OPERATOR(pg_catalog.-) b.actual_usd AS remaining_budget_usd,
	CASE WHEN b.target_usd OPERATOR(pg_catalog.<>) 0
		THEN pg_catalog.round(b.actual_usd OPERATOR(pg_catalog.*) 100.0 OPERATOR(pg_catalog./) b.target_usd, 2)
	END AS budget_utilization_pct,
	b.period_start AS month,
	b.budget_id,
	b.scope_ref,
	b.status,
	b.last_refreshed_at
FROM @extschema@.budget_master b
WHERE b.period OPERATOR(pg_catalog.=) 'monthly';
COMMENT ON VIEW @extschema@.vw_budget_monitoring IS 'monthly budgets: what is spent and what is left';
COMMENT ON COLUMN @extschema@.vw_budget_monitoring.budget_utilization_pct IS 'spend in percent of the budget; NULL for a budget of 0';
COMMENT ON COLUMN @extschema@.vw_budget_monitoring.month IS 'first day of the month';

REVOKE ALL ON @extschema@.budget_master, @extschema@.vw_budget_monitoring FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('@extschema@.budget_master', '');

