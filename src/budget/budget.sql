-- room budget: budgets and how far they are used

-- budgets

CREATE FUNCTION finops.check_budget_thresholds(thresholds jsonb)
RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_check_budget_thresholds';
COMMENT ON FUNCTION finops.check_budget_thresholds(jsonb) IS 'true, or 22023 with what is wrong with the thresholds of a budget';

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
	enabled boolean NOT NULL DEFAULT true,
	parent_id text,
	cost_basis text NOT NULL DEFAULT 'effective',
	charges text NOT NULL DEFAULT 'all',
	amount_method text NOT NULL DEFAULT 'fixed',
	auto_periods integer NOT NULL DEFAULT 3,
	auto_adjust_pct numeric NOT NULL DEFAULT 0,
	auto_set_for date,
	fiscal_start smallint NOT NULL DEFAULT 1,
	recurring boolean NOT NULL DEFAULT true,
	effective_from date,
	effective_to date,
	period_end date,
	utilization numeric,
	forecast_usd numeric,
	forecast_lower_usd numeric,
	forecast_upper_usd numeric,
	burn_rate numeric,
	burn_windows jsonb,
	burn_level text,
	exhausted_on date,
	data_through date,
	CONSTRAINT budget_master_pkey PRIMARY KEY (budget_id),
	CONSTRAINT budget_master_parent_fkey FOREIGN KEY (parent_id) REFERENCES @extschema@.budget_master (budget_id),
	CONSTRAINT budget_master_id_check CHECK (pg_catalog.btrim(budget_id) OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT budget_master_scope_type_check CHECK (scope_type OPERATOR(pg_catalog.=) ANY (ARRAY['tenant', 'plan', 'platform', 'tag', 'service', 'account'])),
	CONSTRAINT budget_master_scope_ref_check CHECK (scope_type OPERATOR(pg_catalog.=) 'platform' OR scope_ref IS NOT NULL),
	CONSTRAINT budget_master_tag_check CHECK (scope_type OPERATOR(pg_catalog.<>) 'tag' OR pg_catalog.strpos(scope_ref, '=') OPERATOR(pg_catalog.>) 1),
	CONSTRAINT budget_master_metric_type_check CHECK (metric_type OPERATOR(pg_catalog.=) ANY (ARRAY['aws_cost', 'platform_metric', 'composite', 'operator_overhead'])),
	CONSTRAINT budget_master_metric_scope_check CHECK (CASE metric_type WHEN 'aws_cost' THEN true
		WHEN 'operator_overhead' THEN scope_type OPERATOR(pg_catalog.=) 'platform'
		WHEN 'platform_metric' THEN metric_code IS NOT NULL AND scope_type OPERATOR(pg_catalog.=) ANY (ARRAY['tenant', 'plan', 'platform'])
		ELSE scope_type OPERATOR(pg_catalog.=) ANY (ARRAY['tenant', 'plan', 'platform', 'service']) END),
	CONSTRAINT budget_master_period_check CHECK (period OPERATOR(pg_catalog.=) ANY (ARRAY['daily', 'monthly', 'quarterly', 'annual'])),
	CONSTRAINT budget_master_period_start_check CHECK (period_start OPERATOR(pg_catalog.>=) '1900-01-01' AND period_start OPERATOR(pg_catalog.<) '10000-01-01'),
	CONSTRAINT budget_master_target_check CHECK (target_usd OPERATOR(pg_catalog.>=) 0 AND target_usd OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT budget_master_actual_check CHECK (actual_usd OPERATOR(pg_catalog.>) '-Infinity' AND actual_usd OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT budget_master_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['ok', 'warning', 'critical', 'breached'])),
	CONSTRAINT budget_master_thresholds_check CHECK (finops.check_budget_thresholds(thresholds_json)),
	CONSTRAINT budget_master_parent_check CHECK (parent_id OPERATOR(pg_catalog.<>) budget_id),
	CONSTRAINT budget_master_cost_basis_check CHECK (cost_basis OPERATOR(pg_catalog.=) ANY (ARRAY['effective', 'billed'])),
	CONSTRAINT budget_master_charges_check CHECK (charges OPERATOR(pg_catalog.=) ANY (ARRAY['all', 'usage'])),
	CONSTRAINT budget_master_amount_method_check CHECK (amount_method OPERATOR(pg_catalog.=) ANY (ARRAY['fixed', 'planned', 'auto_history', 'auto_forecast'])),
	CONSTRAINT budget_master_auto_periods_check CHECK (auto_periods OPERATOR(pg_catalog.>=) 1 AND auto_periods OPERATOR(pg_catalog.<=) 60),
	CONSTRAINT budget_master_auto_adjust_check CHECK (auto_adjust_pct OPERATOR(pg_catalog.>=) '-100' AND auto_adjust_pct OPERATOR(pg_catalog.<=) 1000),
	CONSTRAINT budget_master_fiscal_start_check CHECK (fiscal_start OPERATOR(pg_catalog.>=) 1 AND fiscal_start OPERATOR(pg_catalog.<=) 12),
	CONSTRAINT budget_master_effective_check CHECK (effective_to OPERATOR(pg_catalog.>=) effective_from),
	CONSTRAINT budget_master_burn_level_check CHECK (burn_level OPERATOR(pg_catalog.=) ANY (ARRAY['page', 'ticket', 'note']))
) WITH (fillfactor = 70);
CREATE INDEX budget_master_parent_idx ON @extschema@.budget_master (parent_id);
COMMENT ON TABLE @extschema@.budget_master IS 'budgets with their target and what has been spent of it';
COMMENT ON COLUMN @extschema@.budget_master.scope_ref IS 'tenant_id, plan_code, service, account_id, or tag as key=value; NULL for the whole platform';
COMMENT ON COLUMN @extschema@.budget_master.category IS 'name under which vw_budget_monitoring shows the budget; NULL: its scope_type';
COMMENT ON COLUMN @extschema@.budget_master.metric_type IS 'aws_cost: cost by the tags of the bill; composite: cost as allocated, with the share of what is common; operator_overhead: what no tenant bears; platform_metric: units of metric_code';
COMMENT ON COLUMN @extschema@.budget_master.period_start IS 'first day of the current budget period, by default the current month (UTC); finops.refresh_budgets moves it on';
COMMENT ON COLUMN @extschema@.budget_master.target_usd IS 'amount of the current period, in the reporting currency (of a platform_metric: in its unit)';
COMMENT ON COLUMN @extschema@.budget_master.variance_pct IS 'signed percent of actual against target';
COMMENT ON COLUMN @extschema@.budget_master.thresholds_json IS '{"warning": 0.8, "critical": 0.95}, ratios of target_usd; "forecast": ratio for the forecast; "alert_channels": names; NULL: 0.8, 0.95 and 1';
COMMENT ON COLUMN @extschema@.budget_master.last_refreshed_at IS 'when actual_usd was last computed; older than 24 hours is stale';
COMMENT ON COLUMN @extschema@.budget_master.parent_id IS 'the budget that this one is a part of: what the parts are given together must not exceed it (finops.budget_finding)';
COMMENT ON COLUMN @extschema@.budget_master.charges IS 'all, or usage: without tax, purchases, credits and adjustments';
COMMENT ON COLUMN @extschema@.budget_master.amount_method IS 'fixed: target_usd as it stands; planned: finops.budget_plan; auto_history: mean of the last auto_periods complete periods; auto_forecast: the forecast made at the first refresh of the period';
COMMENT ON COLUMN @extschema@.budget_master.auto_adjust_pct IS 'signed percent that an automatic amount is raised by';
COMMENT ON COLUMN @extschema@.budget_master.auto_set_for IS 'period for which the automatic amount was set';
COMMENT ON COLUMN @extschema@.budget_master.fiscal_start IS 'month in which quarters and years begin';
COMMENT ON COLUMN @extschema@.budget_master.recurring IS 'false: stays on its period_start';
COMMENT ON COLUMN @extschema@.budget_master.effective_to IS 'last day on which it is refreshed';
COMMENT ON COLUMN @extschema@.budget_master.period_end IS 'last calendar day of the current budget period';
COMMENT ON COLUMN @extschema@.budget_master.utilization IS 'actual over target, a ratio';
COMMENT ON COLUMN @extschema@.budget_master.forecast_usd IS 'estimate of the whole period: what is there and the days to come; NULL for daily budgets';
COMMENT ON COLUMN @extschema@.budget_master.forecast_lower_usd IS 'nine times of ten the period ends between this and forecast_upper_usd, if days go on as they did';
COMMENT ON COLUMN @extschema@.budget_master.burn_rate IS 'share of the target spent over share of the period gone; 1 ends on target';
COMMENT ON COLUMN @extschema@.budget_master.burn_windows IS 'the same over the last days: {"1", "2", "3", "7", "14"}';
COMMENT ON COLUMN @extschema@.budget_master.burn_level IS 'page: six times over 1 and 2 days; ticket: twice over 3 and 7 days; note: 1.2 times over 14 days';
COMMENT ON COLUMN @extschema@.budget_master.exhausted_on IS 'day within the period on which the target is used up at the rate of the last seven days';
COMMENT ON COLUMN @extschema@.budget_master.data_through IS 'last day that the bill has caught up with';

CREATE TABLE finops.budget_plan (
	budget_id text NOT NULL,
	month date NOT NULL,
	amount_usd numeric NOT NULL,
	CONSTRAINT budget_plan_pkey PRIMARY KEY (budget_id, month),
	CONSTRAINT budget_plan_budget_fkey FOREIGN KEY (budget_id) REFERENCES @extschema@.budget_master (budget_id) ON DELETE CASCADE,
	CONSTRAINT budget_plan_month_check CHECK (pg_catalog.date_part('day', month) OPERATOR(pg_catalog.=) 1),
	CONSTRAINT budget_plan_amount_check CHECK (amount_usd OPERATOR(pg_catalog.>=) 0 AND amount_usd OPERATOR(pg_catalog.<) 'Infinity')
);
COMMENT ON TABLE finops.budget_plan IS 'planned amounts by month; after the last one its amount goes on';

CREATE TABLE finops.budget_threshold (
	budget_id text NOT NULL,
	threshold_kind text NOT NULL,
	threshold_pct numeric,
	threshold_usd numeric,
	severity text NOT NULL DEFAULT 'warning',
	CONSTRAINT budget_threshold_budget_fkey FOREIGN KEY (budget_id) REFERENCES @extschema@.budget_master (budget_id) ON DELETE CASCADE,
	CONSTRAINT budget_threshold_key UNIQUE (budget_id, threshold_kind, threshold_pct, threshold_usd),
	CONSTRAINT budget_threshold_kind_check CHECK (threshold_kind OPERATOR(pg_catalog.=) ANY (ARRAY['actual', 'forecast'])),
	CONSTRAINT budget_threshold_pct_check CHECK (threshold_pct OPERATOR(pg_catalog.>) 0 AND threshold_pct OPERATOR(pg_catalog.<=) 1000),
	CONSTRAINT budget_threshold_usd_check CHECK (threshold_usd OPERATOR(pg_catalog.>) 0 AND threshold_usd OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT budget_threshold_one_check CHECK (pg_catalog.num_nonnulls(threshold_pct, threshold_usd) OPERATOR(pg_catalog.=) 1),
	CONSTRAINT budget_threshold_severity_check CHECK (severity OPERATOR(pg_catalog.=) ANY (ARRAY['info', 'warning', 'critical']))
);
COMMENT ON TABLE finops.budget_threshold IS 'further thresholds of a budget, beside thresholds_json';
COMMENT ON COLUMN finops.budget_threshold.threshold_pct IS 'percent of the target; or threshold_usd, an amount';

CREATE TABLE finops.budget_history (
	budget_id text NOT NULL,
	period_start date NOT NULL,
	period_end date,
	target_usd numeric NOT NULL,
	actual_usd numeric NOT NULL,
	forecast_usd numeric,
	status text NOT NULL,
	last_refreshed_at timestamptz NOT NULL,
	CONSTRAINT budget_history_pkey PRIMARY KEY (budget_id, period_start)
);
COMMENT ON TABLE finops.budget_history IS 'budget periods that are over, as they stood when the next one began';

CREATE VIEW @extschema@.vw_budget_monitoring WITH (security_invoker = true) AS
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
	b.last_refreshed_at,
	b.scope_type,
	b.forecast_usd,
	b.burn_rate,
	b.burn_level,
	b.exhausted_on,
	b.data_through,
	b.last_refreshed_at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) interval '24 hours') AS stale
FROM @extschema@.budget_master b
WHERE b.period OPERATOR(pg_catalog.=) 'monthly';
COMMENT ON VIEW @extschema@.vw_budget_monitoring IS 'monthly budgets: what is spent and what is left';
COMMENT ON COLUMN @extschema@.vw_budget_monitoring.budget_utilization_pct IS 'spend in percent of the budget; NULL for a budget of 0';
COMMENT ON COLUMN @extschema@.vw_budget_monitoring.month IS 'first day of the month';
COMMENT ON COLUMN @extschema@.vw_budget_monitoring.stale IS 'not refreshed for 24 hours';

CREATE VIEW finops.budget_status WITH (security_invoker = true) AS
SELECT t.budget_id, t.threshold_kind, t.threshold_pct, t.threshold_usd,
	CASE WHEN t.threshold_kind OPERATOR(pg_catalog.=) 'actual' THEN t.actual_usd ELSE t.forecast_usd END AS observed_usd,
	CASE WHEN t.threshold_kind OPERATOR(pg_catalog.=) 'actual' THEN t.actual_usd OPERATOR(pg_catalog.>=) t.threshold_usd AND t.actual_usd OPERATOR(pg_catalog.>) 0
		ELSE COALESCE(t.forecast_usd OPERATOR(pg_catalog.>=) t.threshold_usd AND t.forecast_usd OPERATOR(pg_catalog.>) 0, false) END AS crossed,
	t.severity, t.period_start, t.target_usd, t.scope_type, t.scope_ref, t.alert_channels, t.last_refreshed_at
FROM (
	SELECT b.budget_id, d.threshold_kind, d.threshold_pct, d.threshold_pct OPERATOR(pg_catalog.*) b.target_usd OPERATOR(pg_catalog.*) 0.01 AS threshold_usd,
		d.severity, b.actual_usd, b.forecast_usd, b.period_start, b.target_usd, b.scope_type, b.scope_ref,
		b.thresholds_json OPERATOR(pg_catalog.->) 'alert_channels' AS alert_channels, b.last_refreshed_at
	FROM @extschema@.budget_master b, LATERAL (VALUES
		('actual', COALESCE((b.thresholds_json OPERATOR(pg_catalog.->>) 'warning')::numeric, 0.8) OPERATOR(pg_catalog.*) 100, 'warning'),
		('actual', COALESCE((b.thresholds_json OPERATOR(pg_catalog.->>) 'critical')::numeric, 0.95) OPERATOR(pg_catalog.*) 100, 'critical'),
		('actual', 100, 'critical'),
		('forecast', COALESCE((b.thresholds_json OPERATOR(pg_catalog.->>) 'forecast')::numeric, 1) OPERATOR(pg_catalog.*) 100, 'warning')
	) AS d(threshold_kind, threshold_pct, severity)
	WHERE b.enabled
	UNION ALL
	SELECT b.budget_id, x.threshold_kind, x.threshold_pct, COALESCE(x.threshold_usd, x.threshold_pct OPERATOR(pg_catalog.*) b.target_usd OPERATOR(pg_catalog.*) 0.01),
		x.severity, b.actual_usd, b.forecast_usd, b.period_start, b.target_usd, b.scope_type, b.scope_ref,
		b.thresholds_json OPERATOR(pg_catalog.->) 'alert_channels', b.last_refreshed_at
	FROM finops.budget_threshold x
		JOIN @extschema@.budget_master b ON b.budget_id OPERATOR(pg_catalog.=) x.budget_id AND b.enabled
) t;
COMMENT ON VIEW finops.budget_status IS 'every threshold of every budget that is on, and whether it is crossed; a budget of 0 is crossed by any cost';
COMMENT ON COLUMN finops.budget_status.threshold_pct IS 'percent of the target; NULL where the threshold is an amount';
COMMENT ON COLUMN finops.budget_status.threshold_usd IS 'the threshold as an amount of the current period';
COMMENT ON COLUMN finops.budget_status.observed_usd IS 'actual or forecast; NULL where no forecast can be made';

CREATE VIEW finops.budget_finding WITH (security_invoker = true) AS
WITH RECURSIVE yearly AS (
	SELECT b.budget_id, b.parent_id, b.enabled,
		b.target_usd OPERATOR(pg_catalog.*) CASE b.period WHEN 'daily' THEN 365 WHEN 'monthly' THEN 12 WHEN 'quarterly' THEN 4 ELSE 1 END AS amount
	FROM @extschema@.budget_master b
), up(budget_id, ancestor) AS (
	SELECT y.budget_id, y.parent_id FROM yearly y WHERE y.parent_id IS NOT NULL
	UNION
	SELECT u.budget_id, y.parent_id FROM up u JOIN yearly y ON y.budget_id OPERATOR(pg_catalog.=) u.ancestor WHERE y.parent_id IS NOT NULL
)
SELECT p.budget_id, 'children exceed parent' AS finding, 'warning' AS severity,
	pg_catalog.format('%s parts are given %s a year, the budget has %s', c.parts, pg_catalog.trim_scale(c.amount), pg_catalog.trim_scale(p.amount)) AS detail
FROM yearly p
	JOIN (SELECT y.parent_id, pg_catalog.count(*) AS parts, pg_catalog.sum(y.amount) AS amount FROM yearly y
		WHERE y.enabled AND y.parent_id IS NOT NULL GROUP BY y.parent_id) c ON c.parent_id OPERATOR(pg_catalog.=) p.budget_id
WHERE c.amount OPERATOR(pg_catalog.>) p.amount
UNION ALL
SELECT u.budget_id, 'circular tree', 'warning', 'the budget is a part of itself' FROM up u WHERE u.ancestor OPERATOR(pg_catalog.=) u.budget_id
UNION ALL
SELECT b.budget_id, 'stale', 'warning', pg_catalog.format('last refreshed %s', pg_catalog.to_char(pg_catalog.timezone('UTC', b.last_refreshed_at), 'YYYY-MM-DD HH24:MI "UTC"'))
FROM @extschema@.budget_master b
WHERE b.enabled AND b.last_refreshed_at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) interval '24 hours')
	AND COALESCE(b.effective_to OPERATOR(pg_catalog.>=) pg_catalog.timezone('UTC', pg_catalog.now())::date, true)
	AND COALESCE(b.effective_from OPERATOR(pg_catalog.<) pg_catalog.timezone('UTC', pg_catalog.now())::date, true)
UNION ALL
SELECT b.budget_id, 'unknown scope', 'warning', pg_catalog.format('there is no %s %s', b.scope_type, b.scope_ref)
FROM @extschema@.budget_master b
WHERE b.enabled AND CASE b.scope_type
	WHEN 'tenant' THEN NOT EXISTS (SELECT FROM @extschema@.tenant_master t WHERE t.tenant_id OPERATOR(pg_catalog.=) b.scope_ref)
	WHEN 'plan' THEN NOT EXISTS (SELECT FROM @extschema@.plan_master p WHERE p.plan_code OPERATOR(pg_catalog.=) b.scope_ref)
	ELSE false END
UNION ALL
SELECT b.budget_id, 'no planned amount', 'warning', 'amount_method is planned and finops.budget_plan has no month up to the current period'
FROM @extschema@.budget_master b
WHERE b.enabled AND b.amount_method OPERATOR(pg_catalog.=) 'planned'
	AND NOT EXISTS (SELECT FROM finops.budget_plan p WHERE p.budget_id OPERATOR(pg_catalog.=) b.budget_id AND p.month OPERATOR(pg_catalog.<=) COALESCE(b.period_end, b.period_start));
COMMENT ON VIEW finops.budget_finding IS 'what is wrong with budgets: parts that exceed the whole (amounts compared by the year), circles, stale ones, scopes that do not exist, plans without amounts';

-- functions

CREATE FUNCTION finops.refresh_budgets(as_of date DEFAULT CURRENT_DATE)
RETURNS bigint
LANGUAGE c VOLATILE COST 100000
AS 'MODULE_PATHNAME', 'finops_refresh_budgets';
COMMENT ON FUNCTION finops.refresh_budgets(date) IS 'moves every budget that is on to the period of a day and computes its amount, actual, forecast and burn rate from the roll-up, the allocation and the usage snapshots; returns the number of budgets';

CREATE FUNCTION finops.budget_guardrail(budget_id text, predicted_cost numeric, additional boolean DEFAULT false)
RETURNS numeric
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_budget_guardrail';
COMMENT ON FUNCTION finops.budget_guardrail(text, numeric, boolean) IS 'what is left of the budget, and of the budgets above it, under a predicted cost of the period; 23514 where it exceeds one. additional: the cost comes on top of the forecast';

CREATE FUNCTION finops.set_budget(budget_id text, amount numeric DEFAULT NULL, scope_type text DEFAULT NULL, scope_ref text DEFAULT NULL,
	period text DEFAULT NULL, parent_id text DEFAULT NULL, thresholds jsonb DEFAULT NULL, category text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_set_budget';
COMMENT ON FUNCTION finops.set_budget(text, numeric, text, text, text, text, jsonb, text) IS 'makes a budget or changes what is given of it; the budget above it must not be a part of it';

CREATE FUNCTION finops.plan_budget(budget_id text, amounts numeric[], first_month date DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_plan_budget';
COMMENT ON FUNCTION finops.plan_budget(text, numeric[], date) IS 'plans the amounts of consecutive months, by default from the current budget period on, in place of what was planned for them; returns their number';

REVOKE ALL ON FUNCTION finops.refresh_budgets(date), finops.budget_guardrail(text, numeric, boolean), finops.plan_budget(text, numeric[], date),
	finops.set_budget(text, numeric, text, text, text, text, jsonb, text) FROM PUBLIC;
REVOKE ALL ON @extschema@.budget_master, @extschema@.vw_budget_monitoring, finops.budget_plan, finops.budget_threshold,
	finops.budget_history, finops.budget_status, finops.budget_finding FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('@extschema@.budget_master', '');
SELECT pg_catalog.pg_extension_config_dump('finops.budget_plan', '');
SELECT pg_catalog.pg_extension_config_dump('finops.budget_threshold', '');
SELECT pg_catalog.pg_extension_config_dump('finops.budget_history', '');

