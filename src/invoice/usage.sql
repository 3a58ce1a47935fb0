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
COMMENT ON TABLE @extschema@.usage_snapshot_daily IS 'usage of a tenant by metric and day, against the cap of its plan';
COMMENT ON COLUMN @extschema@.usage_snapshot_daily.utilization IS 'metric_value / cap_value, a ratio: 1 is at the cap';

CREATE INDEX usage_snapshot_daily_date_idx ON @extschema@.usage_snapshot_daily (usage_date);

CREATE VIEW @extschema@.tenant_usage_snapshot_daily AS
SELECT u.tenant_id, u.metric_code, u.usage_date, u.metric_value, u.cap_value, u.utilization, u.quota_event, u.frozen, u.last_updated_at
FROM @extschema@.usage_snapshot_daily u;
COMMENT ON VIEW @extschema@.tenant_usage_snapshot_daily IS 'usage_snapshot_daily under the name that tenant reports use';

REVOKE ALL ON @extschema@.usage_snapshot_daily, @extschema@.tenant_usage_snapshot_daily FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('@extschema@.usage_snapshot_daily', '');
