-- topic usage: daily usage against the caps of plans

CREATE TABLE @extschema@.usage_snapshot_daily (
	tenant_id text NOT NULL,
	metric_code text NOT NULL,
	usage_date date NOT NULL,
	metric_value numeric NOT NULL,
	cap_value numeric,
	utilization numeric,
	quota_event text,
	frozen boolean NOT NULL DEFAULT false,
	last_updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT usage_snapshot_daily_pkey PRIMARY KEY (tenant_id, metric_code, usage_date),
	CONSTRAINT usage_snapshot_daily_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES @extschema@.tenant_master (tenant_id),
	CONSTRAINT usage_snapshot_daily_value_check CHECK (metric_value OPERATOR(pg_catalog.>) '-Infinity'::pg_catalog.numeric AND metric_value OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric),
	CONSTRAINT usage_snapshot_daily_cap_check CHECK (cap_value OPERATOR(pg_catalog.>=) 0 AND cap_value OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric),
	CONSTRAINT usage_snapshot_daily_event_check CHECK (quota_event OPERATOR(pg_catalog.=) ANY (ARRAY['EVENT_QUOTA_80', 'EVENT_QUOTA_95', 'EVENT_QUOTA_100']))
);
COMMENT ON TABLE @extschema@.usage_snapshot_daily IS 'usage of a tenant by metric and day, against the cap of its plan (finops.record_usage, finops.refresh_usage)';
COMMENT ON COLUMN @extschema@.usage_snapshot_daily.metric_value IS 'of the day';
COMMENT ON COLUMN @extschema@.usage_snapshot_daily.cap_value IS 'of the month, as it stands on the day: the plan''s cap and what is left of top-ups';
COMMENT ON COLUMN @extschema@.usage_snapshot_daily.utilization IS 'the month''s value up to the day, by the metric''s aggregation, over cap_value; a ratio: 1 is at the cap, cut to 12 decimals';
COMMENT ON COLUMN @extschema@.usage_snapshot_daily.quota_event IS 'the highest threshold reached: EVENT_QUOTA_80 at 80 percent of the cap and more, EVENT_QUOTA_95, EVENT_QUOTA_100';
COMMENT ON COLUMN @extschema@.usage_snapshot_daily.frozen IS 'the row does not change any more, whoever writes; set by the lock of its month';

CREATE INDEX usage_snapshot_daily_date_idx ON @extschema@.usage_snapshot_daily (usage_date);

CREATE VIEW @extschema@.tenant_usage_snapshot_daily AS
SELECT u.tenant_id, u.metric_code, u.usage_date, u.metric_value, u.cap_value, u.utilization, u.quota_event,
	u.frozen OR EXISTS (SELECT FROM @extschema@.period_lock l WHERE l.state OPERATOR(pg_catalog.=) 'LOCKED'
		AND l.period_start OPERATOR(pg_catalog.<=) u.usage_date AND l.period_end OPERATOR(pg_catalog.>=) u.usage_date) AS frozen, u.last_updated_at
FROM @extschema@.usage_snapshot_daily u;
COMMENT ON VIEW @extschema@.tenant_usage_snapshot_daily IS 'usage_snapshot_daily under the name that tenant reports use; frozen: the month is locked or the row is frozen by itself';

CREATE TABLE finops.usage_event (
	tenant_id text NOT NULL,
	event_id text NOT NULL,
	metric_code text NOT NULL,
	usage_date date NOT NULL,
	occurred_at timestamptz NOT NULL,
	quantity numeric NOT NULL,
	unit_price numeric,
	recorded_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT usage_event_pkey PRIMARY KEY (tenant_id, event_id),
	CONSTRAINT usage_event_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES @extschema@.tenant_master (tenant_id),
	CONSTRAINT usage_event_metric_fkey FOREIGN KEY (metric_code) REFERENCES @extschema@.metric_catalog (metric_code),
	CONSTRAINT usage_event_quantity_check CHECK (quantity OPERATOR(pg_catalog.>=) 0 AND quantity OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric),
	CONSTRAINT usage_event_price_check CHECK (unit_price OPERATOR(pg_catalog.>=) 0 AND unit_price OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric)
);
COMMENT ON TABLE finops.usage_event IS 'single transactions of metrics that are priced by transaction; a day''s snapshot is made of its events where it has any';
COMMENT ON COLUMN finops.usage_event.quantity IS 'units, or the amount of a transaction that is priced by percentage';
COMMENT ON COLUMN finops.usage_event.unit_price IS 'price that the usage carries (model dynamic), in the plan''s currency';

CREATE INDEX usage_event_day_idx ON finops.usage_event (usage_date, tenant_id, metric_code);

-- prepaid usage

CREATE TABLE @extschema@.topup_catalog (
	sku_code text NOT NULL,
	metric_code text NOT NULL,
	size numeric NOT NULL,
	price numeric NOT NULL,
	currency text NOT NULL,
	recurring boolean NOT NULL DEFAULT false,
	operator_only boolean NOT NULL DEFAULT false,
	rollover_months integer NOT NULL DEFAULT 0,
	effective_from date NOT NULL,
	effective_to date,
	CONSTRAINT topup_catalog_pkey PRIMARY KEY (sku_code),
	CONSTRAINT topup_catalog_metric_fkey FOREIGN KEY (metric_code) REFERENCES @extschema@.metric_catalog (metric_code),
	CONSTRAINT topup_catalog_size_check CHECK (size OPERATOR(pg_catalog.>) 0 AND size OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric),
	CONSTRAINT topup_catalog_price_check CHECK (price OPERATOR(pg_catalog.>=) 0 AND price OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric),
	CONSTRAINT topup_catalog_rollover_check CHECK (rollover_months OPERATOR(pg_catalog.>=) 0 AND rollover_months OPERATOR(pg_catalog.<=) 120),
	CONSTRAINT topup_catalog_effective_check CHECK (effective_to OPERATOR(pg_catalog.>=) effective_from)
);
COMMENT ON TABLE @extschema@.topup_catalog IS 'top-ups that can be bought (finops.set_topup_sku)';
COMMENT ON COLUMN @extschema@.topup_catalog.size IS 'units of the metric that one top-up adds';
COMMENT ON COLUMN @extschema@.topup_catalog.rollover_months IS 'months after the month of purchase in which what is left can be used; 0: it expires with the month';
COMMENT ON COLUMN @extschema@.topup_catalog.recurring IS 'bought again each month until it is not effective any more or the plan ends';

CREATE TABLE finops.topup_consent (
	tenant_id text NOT NULL,
	sku_code text NOT NULL,
	max_per_period integer NOT NULL,
	granted_by text NOT NULL,
	granted_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	revoked_at timestamptz,
	CONSTRAINT topup_consent_pkey PRIMARY KEY (tenant_id, sku_code),
	CONSTRAINT topup_consent_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES @extschema@.tenant_master (tenant_id),
	CONSTRAINT topup_consent_sku_fkey FOREIGN KEY (sku_code) REFERENCES @extschema@.topup_catalog (sku_code),
	CONSTRAINT topup_consent_max_check CHECK (max_per_period OPERATOR(pg_catalog.>) 0)
);
COMMENT ON TABLE finops.topup_consent IS 'which top-ups may be bought for a tenant automatically, and how many a month (finops.consent_topup)';

CREATE TABLE @extschema@.topup_ledger (
	topup_id text NOT NULL,
	tenant_id text NOT NULL,
	metric_code text NOT NULL,
	sku_code text NOT NULL,
	quantity integer NOT NULL,
	topup_value numeric NOT NULL,
	unit_price numeric NOT NULL,
	amount numeric NOT NULL,
	currency text NOT NULL,
	status text NOT NULL DEFAULT 'active',
	purchase_time timestamptz NOT NULL,
	effective_from date NOT NULL,
	effective_to date NOT NULL,
	actor text NOT NULL,
	payment_reference text,
	automatic boolean NOT NULL DEFAULT false,
	CONSTRAINT topup_ledger_pkey PRIMARY KEY (topup_id),
	CONSTRAINT topup_ledger_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES @extschema@.tenant_master (tenant_id),
	CONSTRAINT topup_ledger_sku_fkey FOREIGN KEY (sku_code) REFERENCES @extschema@.topup_catalog (sku_code),
	CONSTRAINT topup_ledger_quantity_check CHECK (quantity OPERATOR(pg_catalog.>) 0),
	CONSTRAINT topup_ledger_amount_check CHECK (amount OPERATOR(pg_catalog.>=) 0 AND amount OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric),
	CONSTRAINT topup_ledger_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['pending', 'active', 'failed', 'reversed']))
);
COMMENT ON TABLE @extschema@.topup_ledger IS 'top-ups bought; pending ones await their payment and add nothing yet';
COMMENT ON COLUMN @extschema@.topup_ledger.topup_value IS 'units added: quantity x size';
COMMENT ON COLUMN @extschema@.topup_ledger.effective_to IS 'last day on which what is left can be used';

CREATE INDEX topup_ledger_tenant_idx ON @extschema@.topup_ledger (tenant_id, effective_from);

CREATE TABLE finops.usage_balance_entry (
	entry_id bigint GENERATED BY DEFAULT AS IDENTITY,
	tenant_id text NOT NULL,
	metric_code text NOT NULL,
	lot_id text NOT NULL,
	kind text NOT NULL,
	quantity numeric NOT NULL,
	period_start date NOT NULL,
	valid_from date NOT NULL,
	valid_to date NOT NULL,
	recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT usage_balance_entry_pkey PRIMARY KEY (entry_id),
	CONSTRAINT usage_balance_entry_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES @extschema@.tenant_master (tenant_id),
	CONSTRAINT usage_balance_entry_kind_check CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['purchase', 'rollover', 'drawdown', 'expiry', 'reversal'])),
	CONSTRAINT usage_balance_entry_quantity_check CHECK (quantity OPERATOR(pg_catalog.>) '-Infinity'::pg_catalog.numeric AND quantity OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.numeric AND quantity OPERATOR(pg_catalog.<>) 0)
);
COMMENT ON TABLE finops.usage_balance_entry IS 'prepaid usage: what was bought or rolled over, used, expired and reversed; rows are only added, and their sum is the balance';
COMMENT ON COLUMN finops.usage_balance_entry.lot_id IS 'the top-up, or rollover:<metric>:<month> for included units that were not used';
COMMENT ON COLUMN finops.usage_balance_entry.period_start IS 'the billing period that the entry belongs to; a new computation of it adds the difference';

CREATE INDEX usage_balance_entry_lot_idx ON finops.usage_balance_entry (tenant_id, metric_code, lot_id);

CREATE VIEW finops.usage_balance AS
SELECT e.tenant_id, e.metric_code, e.lot_id, pg_catalog.min(e.valid_from) AS valid_from, pg_catalog.max(e.valid_to) AS valid_to,
	coalesce(pg_catalog.sum(e.quantity) FILTER (WHERE e.kind OPERATOR(pg_catalog.=) ANY (ARRAY['purchase', 'rollover', 'reversal'])), 0) AS received,
	coalesce(OPERATOR(pg_catalog.-) pg_catalog.sum(e.quantity) FILTER (WHERE e.kind OPERATOR(pg_catalog.=) 'drawdown'), 0) AS used,
	coalesce(OPERATOR(pg_catalog.-) pg_catalog.sum(e.quantity) FILTER (WHERE e.kind OPERATOR(pg_catalog.=) 'expiry'), 0) AS expired,
	pg_catalog.sum(e.quantity) AS balance
FROM finops.usage_balance_entry e
GROUP BY e.tenant_id, e.metric_code, e.lot_id;
COMMENT ON VIEW finops.usage_balance IS 'prepaid usage by lot: received = used + expired + balance';

-- what to call

CREATE FUNCTION finops.set_metric(metric_code text, unit text DEFAULT NULL, aggregation text DEFAULT NULL, domain text DEFAULT NULL)
RETURNS SETOF @extschema@.metric_catalog
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_set_metric';
COMMENT ON FUNCTION finops.set_metric(text, text, text, text) IS 'registers a usage metric; aggregation sum_daily, sum_monthly, peak_monthly, max_monthly, max_daily or avg; unit and aggregation of a known metric do not change';
REVOKE ALL ON FUNCTION finops.set_metric(text, text, text, text) FROM PUBLIC;

CREATE FUNCTION finops.set_cap(plan_code text, metric_code text, cap_value numeric, effective_from date DEFAULT NULL, action_on_100 text DEFAULT NULL,
	overage_unit_price numeric DEFAULT NULL, threshold_80 numeric DEFAULT NULL, threshold_95 numeric DEFAULT NULL, threshold_100 numeric DEFAULT NULL)
RETURNS SETOF @extschema@.plan_metric_map
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_set_cap';
COMMENT ON FUNCTION finops.set_cap(text, text, numeric, date, text, numeric, numeric, numeric, numeric) IS 'caps a metric under a plan from a day on, at first from the plan''s beginning; action_on_100 topup, upgrade or notify; overage_unit_price bills what is beyond the cap';
REVOKE ALL ON FUNCTION finops.set_cap(text, text, numeric, date, text, numeric, numeric, numeric, numeric) FROM PUBLIC;

CREATE FUNCTION finops.record_usage(tenant_id text, metric_code text, metric_value numeric, usage_date date DEFAULT NULL, event_id text DEFAULT NULL,
	occurred_at timestamptz DEFAULT NULL, unit_price numeric DEFAULT NULL)
RETURNS SETOF @extschema@.usage_snapshot_daily
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_record_usage';
COMMENT ON FUNCTION finops.record_usage(text, text, numeric, date, text, timestamptz, numeric) IS 'the usage of a day, replacing what was recorded for it; with an event_id one transaction of the day, once';
REVOKE ALL ON FUNCTION finops.record_usage(text, text, numeric, date, text, timestamptz, numeric) FROM PUBLIC;

CREATE FUNCTION finops.load_usage(usage jsonb)
RETURNS bigint
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_load_usage';
COMMENT ON FUNCTION finops.load_usage(jsonb) IS 'records many days at once: [{"tenant_id", "metric_code", "usage_date", "metric_value"}, ...]; returns the rows that changed';
REVOKE ALL ON FUNCTION finops.load_usage(jsonb) FROM PUBLIC;

CREATE FUNCTION finops.refresh_usage(period date)
RETURNS bigint
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_refresh_usage';
COMMENT ON FUNCTION finops.refresh_usage(date) IS 'caps, utilization and quota events of a month''s usage, automatic top-ups, and the use of prepaid balances; returns the rows that changed';
REVOKE ALL ON FUNCTION finops.refresh_usage(date) FROM PUBLIC;

CREATE FUNCTION finops.usage_projection(period date, as_of date DEFAULT CURRENT_DATE)
RETURNS TABLE (tenant_id text, metric_code text, value_to_date numeric, days_elapsed integer, days_total integer, projected_value numeric,
	cap_value numeric, projected_utilization numeric, cap_reached_on date)
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_usage_projection';
COMMENT ON FUNCTION finops.usage_projection(date, date) IS 'usage at the end of a month: metrics that add up grow by their daily mean so far (value x days of the month / days elapsed), peaks and means stay';
REVOKE ALL ON FUNCTION finops.usage_projection(date, date) FROM PUBLIC;

CREATE FUNCTION finops.set_topup_sku(sku_code text, metric_code text, size numeric, price numeric, currency text DEFAULT NULL, recurring boolean DEFAULT false,
	operator_only boolean DEFAULT false, rollover_months integer DEFAULT 0, effective_from date DEFAULT CURRENT_DATE, effective_to date DEFAULT NULL)
RETURNS SETOF @extschema@.topup_catalog
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_set_topup_sku';
COMMENT ON FUNCTION finops.set_topup_sku(text, text, numeric, numeric, text, boolean, boolean, integer, date, date) IS 'a top-up that can be bought; size, price and metric of one that was bought do not change';
REVOKE ALL ON FUNCTION finops.set_topup_sku(text, text, numeric, numeric, text, boolean, boolean, integer, date, date) FROM PUBLIC;

CREATE FUNCTION finops.consent_topup(tenant_id text, sku_code text, max_per_period integer DEFAULT 1)
RETURNS SETOF finops.topup_consent
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_consent_topup';
COMMENT ON FUNCTION finops.consent_topup(text, text, integer) IS 'the tenant agrees that a top-up is bought when its cap is reached, so many a month; 0 revokes';
REVOKE ALL ON FUNCTION finops.consent_topup(text, text, integer) FROM PUBLIC;

CREATE FUNCTION finops.top_up(tenant_id text, sku_code text, quantity integer DEFAULT 1, topup_id text DEFAULT NULL,
	payment_reference text DEFAULT NULL, at timestamptz DEFAULT pg_catalog.now(), pending boolean DEFAULT false)
RETURNS SETOF @extschema@.topup_ledger
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_top_up';
COMMENT ON FUNCTION finops.top_up(text, text, integer, text, text, timestamptz, boolean) IS 'buys top-ups for a tenant, effective at once; the same topup_id again changes nothing; pending ones wait for finops.settle_topup';
REVOKE ALL ON FUNCTION finops.top_up(text, text, integer, text, text, timestamptz, boolean) FROM PUBLIC;

CREATE FUNCTION finops.settle_topup(topup_id text, status text)
RETURNS SETOF @extschema@.topup_ledger
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_settle_topup';
COMMENT ON FUNCTION finops.settle_topup(text, text) IS 'a pending top-up becomes active or failed; an active one of which nothing is used can be reversed';
REVOKE ALL ON FUNCTION finops.settle_topup(text, text) FROM PUBLIC;

-- what is written stays

CREATE FUNCTION finops.guard_usage()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_guard_usage';
COMMENT ON FUNCTION finops.guard_usage() IS 'trigger: entries of balances are only added, frozen usage does not change';
REVOKE ALL ON FUNCTION finops.guard_usage() FROM PUBLIC;

CREATE TRIGGER usage_balance_entry_guard BEFORE UPDATE OR DELETE ON finops.usage_balance_entry FOR EACH ROW EXECUTE FUNCTION finops.guard_usage();
COMMENT ON TRIGGER usage_balance_entry_guard ON finops.usage_balance_entry IS 'entries are only added';
CREATE TRIGGER usage_balance_entry_no_truncate BEFORE TRUNCATE ON finops.usage_balance_entry FOR EACH STATEMENT EXECUTE FUNCTION finops.guard_truncate();
COMMENT ON TRIGGER usage_balance_entry_no_truncate ON finops.usage_balance_entry IS 'entries are only added';
CREATE TRIGGER usage_snapshot_frozen BEFORE UPDATE OR DELETE ON @extschema@.usage_snapshot_daily FOR EACH ROW WHEN (OLD.frozen) EXECUTE FUNCTION finops.guard_usage();
COMMENT ON TRIGGER usage_snapshot_frozen ON @extschema@.usage_snapshot_daily IS 'usage of closed months does not change';

REVOKE ALL ON @extschema@.usage_snapshot_daily, @extschema@.tenant_usage_snapshot_daily, finops.usage_event, @extschema@.topup_catalog, finops.topup_consent, @extschema@.topup_ledger, finops.usage_balance_entry, finops.usage_balance FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('finops.usage_event', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.topup_catalog', '');
SELECT pg_catalog.pg_extension_config_dump('finops.topup_consent', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.topup_ledger', '');
SELECT pg_catalog.pg_extension_config_dump('finops.usage_balance_entry', '');
SELECT pg_catalog.pg_extension_config_dump('finops.usage_balance_entry_entry_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.usage_snapshot_daily', '');
