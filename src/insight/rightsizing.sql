-- room insight: resources that are idle, too large, of an old kind or needed at times only

CREATE TABLE finops.resource_metric (
	resource_id text NOT NULL,
	metric text NOT NULL,
	measured_at timestamp NOT NULL,
	value float8 NOT NULL,
	CONSTRAINT resource_metric_pkey PRIMARY KEY (metric, resource_id, measured_at),
	CONSTRAINT resource_metric_value_check CHECK (value OPERATOR(pg_catalog.>) '-Infinity' AND value OPERATOR(pg_catalog.<) 'Infinity')
);
COMMENT ON TABLE finops.resource_metric IS 'how much resources were used; finops.load_resource_metrics fills it';
COMMENT ON COLUMN finops.resource_metric.resource_id IS 'as in fact_cost_raw.line_item_resource_id';
COMMENT ON COLUMN finops.resource_metric.metric IS 'such as cpu_pct, memory_pct, network_bytes, iops, connections, invocations, gpu_pct, attachments, age_days: whatever the conditions of rules name';
COMMENT ON COLUMN finops.resource_metric.measured_at IS 'UTC; one value an hour or more, or one a day';

CREATE TABLE finops.instance_type (
	provider text NOT NULL DEFAULT 'AWS',
	region text NOT NULL DEFAULT '',
	instance_type text NOT NULL,
	currency text NOT NULL DEFAULT 'USD',
	family text NOT NULL,
	vcpu numeric,
	memory_gib numeric,
	network_mbps numeric,
	iops numeric,
	hourly_price numeric NOT NULL,
	successor text,
	CONSTRAINT instance_type_pkey PRIMARY KEY (provider, region, instance_type, currency),
	CONSTRAINT instance_type_size_check CHECK (vcpu OPERATOR(pg_catalog.>) 0 AND vcpu OPERATOR(pg_catalog.<) 'Infinity' AND memory_gib OPERATOR(pg_catalog.>) 0 AND memory_gib OPERATOR(pg_catalog.<) 'Infinity'
		AND network_mbps OPERATOR(pg_catalog.>) 0 AND network_mbps OPERATOR(pg_catalog.<) 'Infinity' AND iops OPERATOR(pg_catalog.>) 0 AND iops OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT instance_type_price_check CHECK (hourly_price OPERATOR(pg_catalog.>) 0 AND hourly_price OPERATOR(pg_catalog.<) 'Infinity')
);
COMMENT ON TABLE finops.instance_type IS 'sizes and on-demand prices of instance types, from the provider''s price list';
COMMENT ON COLUMN finops.instance_type.region IS 'as in fact_cost_raw.product_region; empty: any region without a row of its own';
COMMENT ON COLUMN finops.instance_type.family IS 'types of one family stand for each other, such as m5';
COMMENT ON COLUMN finops.instance_type.successor IS 'instance type of the next generation, for rules whose target is successor';

CREATE TABLE finops.rightsizing_rule (
	rule_id text NOT NULL,
	description text NOT NULL,
	optimization_type text NOT NULL,
	target text NOT NULL DEFAULT 'none',
	service text,
	usage_type text,
	lookback_days integer NOT NULL DEFAULT 14,
	min_presence numeric NOT NULL DEFAULT 0.95,
	min_hours integer NOT NULL DEFAULT 0,
	min_days integer NOT NULL DEFAULT 1,
	saving_share numeric NOT NULL DEFAULT 1,
	included_iops numeric,
	iops_ratio numeric NOT NULL DEFAULT 0,
	included_mibps numeric,
	mibps_ratio numeric NOT NULL DEFAULT 0,
	min_savings numeric NOT NULL DEFAULT 1,
	confidence float8 NOT NULL DEFAULT 0.85,
	effort text NOT NULL DEFAULT 'MEDIUM',
	action text NOT NULL,
	enabled boolean NOT NULL DEFAULT true,
	shipped boolean NOT NULL DEFAULT false,
	CONSTRAINT rightsizing_rule_pkey PRIMARY KEY (rule_id, shipped),
	CONSTRAINT rightsizing_rule_type_check CHECK (optimization_type OPERATOR(pg_catalog.=) ANY (ARRAY['terminate', 'rightsizing', 'generation', 'storage', 'scheduling', 'spot'])),
	CONSTRAINT rightsizing_rule_target_check CHECK (target OPERATOR(pg_catalog.=) ANY (ARRAY['none', 'smaller', 'successor', 'idle_hours'])),
	CONSTRAINT rightsizing_rule_lookback_check CHECK (lookback_days OPERATOR(pg_catalog.>=) 1 AND lookback_days OPERATOR(pg_catalog.<=) 400),
	CONSTRAINT rightsizing_rule_presence_check CHECK (min_presence OPERATOR(pg_catalog.>=) 0 AND min_presence OPERATOR(pg_catalog.<=) 1),
	CONSTRAINT rightsizing_rule_days_check CHECK (min_hours OPERATOR(pg_catalog.>=) 0 AND min_days OPERATOR(pg_catalog.>=) 1 AND min_days OPERATOR(pg_catalog.<=) lookback_days),
	CONSTRAINT rightsizing_rule_saving_check CHECK (saving_share OPERATOR(pg_catalog.>=) 0 AND saving_share OPERATOR(pg_catalog.<=) 1 AND min_savings OPERATOR(pg_catalog.>=) 0 AND min_savings OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT rightsizing_rule_extra_check CHECK (included_iops OPERATOR(pg_catalog.>=) 0 AND included_iops OPERATOR(pg_catalog.<) 'Infinity' AND included_mibps OPERATOR(pg_catalog.>=) 0 AND included_mibps OPERATOR(pg_catalog.<) 'Infinity'
		AND iops_ratio OPERATOR(pg_catalog.>=) 0 AND iops_ratio OPERATOR(pg_catalog.<=) 1000 AND mibps_ratio OPERATOR(pg_catalog.>=) 0 AND mibps_ratio OPERATOR(pg_catalog.<=) 1000),
	CONSTRAINT rightsizing_rule_confidence_check CHECK (confidence OPERATOR(pg_catalog.>=) 0 AND confidence OPERATOR(pg_catalog.<=) 1)
);
COMMENT ON TABLE finops.rightsizing_rule IS 'what is idle, too large or of an old kind; its conditions must all hold. A rule of your own takes the place of the shipped one of its id, with its conditions';
COMMENT ON COLUMN finops.rightsizing_rule.target IS 'smaller: the cheapest type of the family that is large enough; successor: the type of the next generation; idle_hours: off in the hours of the week that are always idle; none: saving_share of the cost';
COMMENT ON COLUMN finops.rightsizing_rule.service IS 'pattern of fact_cost_raw.service; NULL: any';
COMMENT ON COLUMN finops.rightsizing_rule.usage_type IS 'pattern of fact_cost_raw.line_item_usage_type: the cost that would be saved; NULL: all of the resource';
COMMENT ON COLUMN finops.rightsizing_rule.min_presence IS 'least share of the hours (of metrics by the day, of the days) that have a value, 0..1';
COMMENT ON COLUMN finops.rightsizing_rule.min_hours IS 'least number of hours, or days, that have a value';
COMMENT ON COLUMN finops.rightsizing_rule.min_days IS 'on so many days all conditions by the day must hold together';
COMMENT ON COLUMN finops.rightsizing_rule.saving_share IS 'share of the on-demand cost that is saved, 0..1, where no target says';
COMMENT ON COLUMN finops.rightsizing_rule.included_iops IS 'of a storage move: operations a second that the new kind has in its price; volumes need min(max(3 a GB, 100), 16000), or what metric iops had at most';
COMMENT ON COLUMN finops.rightsizing_rule.iops_ratio IS 'price of one more, as a share of the new price of a GB';
COMMENT ON COLUMN finops.rightsizing_rule.included_mibps IS 'of a storage move: MiB a second in the price, against the most of metric throughput_mibps';
COMMENT ON COLUMN finops.rightsizing_rule.min_savings IS 'a month, in the currency of the bill';

CREATE TABLE finops.rightsizing_condition (
	rule_id text NOT NULL,
	"position" integer NOT NULL,
	metric text NOT NULL,
	statistic text NOT NULL,
	quantile float8,
	per_day boolean NOT NULL DEFAULT false,
	comparison text NOT NULL DEFAULT '<=',
	threshold float8 NOT NULL,
	level float8,
	capacity text,
	headroom float8 NOT NULL DEFAULT 0,
	required boolean NOT NULL DEFAULT true,
	shipped boolean NOT NULL DEFAULT false,
	CONSTRAINT rightsizing_condition_pkey PRIMARY KEY (rule_id, "position", shipped),
	CONSTRAINT rightsizing_condition_rule_fkey FOREIGN KEY (rule_id, shipped) REFERENCES finops.rightsizing_rule (rule_id, shipped) ON DELETE CASCADE,
	CONSTRAINT rightsizing_condition_statistic_check CHECK (statistic OPERATOR(pg_catalog.=) ANY (ARRAY['avg', 'max', 'min', 'sum', 'quantile', 'cv', 'night_share', 'weekend_share', 'idle_hours'])),
	CONSTRAINT rightsizing_condition_needs_check CHECK ((statistic OPERATOR(pg_catalog.<>) 'quantile' OR quantile IS NOT NULL) AND (statistic OPERATOR(pg_catalog.<>) 'idle_hours' OR level IS NOT NULL)),
	CONSTRAINT rightsizing_condition_quantile_check CHECK (quantile OPERATOR(pg_catalog.>=) 0 AND quantile OPERATOR(pg_catalog.<=) 1),
	CONSTRAINT rightsizing_condition_day_check CHECK (NOT per_day OR statistic OPERATOR(pg_catalog.=) ANY (ARRAY['avg', 'max', 'min', 'sum', 'quantile'])),
	CONSTRAINT rightsizing_condition_comparison_check CHECK (comparison OPERATOR(pg_catalog.=) ANY (ARRAY['<', '<=', '>=', '>'])),
	CONSTRAINT rightsizing_condition_threshold_check CHECK (threshold OPERATOR(pg_catalog.>) '-Infinity' AND threshold OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT rightsizing_condition_capacity_check CHECK (capacity OPERATOR(pg_catalog.=) ANY (ARRAY['vcpu', 'memory_gib', 'network_mbps', 'iops'])),
	CONSTRAINT rightsizing_condition_projected_check CHECK (capacity IS NULL OR NOT per_day),
	CONSTRAINT rightsizing_condition_headroom_check CHECK (headroom OPERATOR(pg_catalog.>=) 0 AND headroom OPERATOR(pg_catalog.<=) 10)
);
COMMENT ON TABLE finops.rightsizing_condition IS 'conditions of the rules on metrics';
COMMENT ON COLUMN finops.rightsizing_condition.statistic IS 'of the values of the window, or per_day of each day; cv: standard deviation by mean; night_share: mean from 22 to 6 o''clock UTC by mean; weekend_share: mean of Saturday and Sunday by mean of the other days; idle_hours: hours of the week, of 168, in which no value was above level';
COMMENT ON COLUMN finops.rightsizing_condition.capacity IS 'what the metric is percent of: the condition is on the type that it would be moved to, with the headroom on top';
COMMENT ON COLUMN finops.rightsizing_condition.headroom IS '0.2: a fifth more than was used';
COMMENT ON COLUMN finops.rightsizing_condition.required IS 'false: a resource without the metric passes';

-- thresholds as the providers publish them
INSERT INTO finops.rightsizing_rule (rule_id, description, optimization_type, target, service, usage_type, lookback_days, min_presence, min_hours, min_days, saving_share, included_iops, iops_ratio, included_mibps, mibps_ratio, confidence, effort, action, enabled, shipped) VALUES
	('idle-instance', 'peak of the processors below 5 % and less than 5 MB a day, for 14 days', 'terminate', 'none', NULL, 'BoxUsage|InstanceUsage|Virtual Machines', 14, 0.9, 30, 14, 1, NULL, 0, NULL, 0, 0.85, 'LOW', 'Stop it, and delete it after a snapshot.', true, true),
	('idle-peak', 'peak of the processors at most 1 %, for 14 days', 'terminate', 'none', NULL, 'BoxUsage|InstanceUsage', 14, 0.95, 30, 1, 1, NULL, 0, NULL, 0, 0.8, 'LOW', 'Stop it, and delete it after a snapshot.', false, true),
	('low-use', 'processors at most 5 % and at most 7 MB on four of 14 days', 'terminate', 'none', NULL, 'BoxUsage|InstanceUsage|Virtual Machines', 14, 0.9, 0, 4, 1, NULL, 0, NULL, 0, 0.6, 'LOW', 'Ask its owner whether it is needed.', false, true),
	('abandoned', 'processors below 5 % and less than 1,000 bytes a second on average, for 7 days', 'terminate', 'none', NULL, 'BoxUsage|InstanceUsage|Virtual Machines', 7, 0.9, 0, 1, 1, NULL, 0, NULL, 0, 0.7, 'LOW', 'Ask its owner whether it is needed.', false, true),
	('idle-gpu', 'graphics processor idle for 99 % of 14 days, with processors and network', 'terminate', 'none', NULL, 'BoxUsage', 14, 0.9, 30, 14, 1, NULL, 0, NULL, 0, 0.85, 'LOW', 'Stop it, and delete it after a snapshot.', true, true),
	('idle-database', 'no connection for 14 days', 'terminate', 'none', NULL, 'InstanceUsage|RDS|Multi-AZUsage', 14, 0.9, 30, 1, 1, NULL, 0, NULL, 0, 0.85, 'MEDIUM', 'Take a snapshot and stop it.', true, true),
	('idle-endpoint', 'no invocation for 14 days', 'terminate', 'none', NULL, NULL, 14, 0.9, 0, 1, 1, NULL, 0, NULL, 0, 0.85, 'LOW', 'Delete the endpoint.', true, true),
	('idle-gateway', 'no traffic for 90 days', 'terminate', 'none', NULL, 'VpnUsage|VPN Gateway|NatGateway-Hours', 90, 0.9, 0, 90, 1, NULL, 0, NULL, 0, 0.85, 'LOW', 'Delete the gateway.', true, true),
	('unattached-volume', 'attached to nothing for 7 days', 'terminate', 'none', NULL, 'VolumeUsage|Managed Disk', 7, 0.9, 0, 1, 1, NULL, 0, NULL, 0, 0.9, 'LOW', 'Delete it after a snapshot.', true, true),
	('unused-address', 'attached to nothing for 7 days', 'terminate', 'none', NULL, 'IdleAddress|PublicIPv4|IP Addresses', 7, 0.9, 0, 1, 1, NULL, 0, NULL, 0, 0.9, 'LOW', 'Release the address.', true, true),
	('old-snapshot', 'older than a year', 'terminate', 'none', NULL, 'SnapshotUsage', 3, 0, 0, 1, 1, NULL, 0, NULL, 0, 0.8, 'LOW', 'Delete it, or move it to an archive.', true, true),
	('rightsizing', 'the cheapest type of the family that has what was used in 14 days, and a fifth more', 'rightsizing', 'smaller', NULL, 'BoxUsage|InstanceUsage|NodeUsage|Virtual Machines', 14, 0.95, 30, 1, 1, NULL, 0, NULL, 0, 0.85, 'MEDIUM', 'Change its type.', true, true),
	('generation', 'a successor of its type that is cheaper and large enough', 'generation', 'successor', NULL, 'BoxUsage|InstanceUsage|NodeUsage|Virtual Machines', 14, 0, 0, 1, 1, NULL, 0, NULL, 0, 0.8, 'MEDIUM', 'Change its type.', true, true),
	('gp2-to-gp3', 'volumes of kind gp2: gp3 costs a fifth less, operations above 3,000 and throughput above 125 MiB a second extra', 'storage', 'none', NULL, 'VolumeUsage\.gp2', 14, 0, 0, 1, 0.2, 3000, 0.06, 125, 0.5, 0.95, 'LOW', 'Change the kind of the volume to gp3.', true, true),
	('off-hours', 'idle in the same 40 or more hours of every week, for four weeks', 'scheduling', 'idle_hours', NULL, 'BoxUsage|InstanceUsage|Virtual Machines', 28, 0.9, 0, 1, 1, NULL, 0, NULL, 0, 0.8, 'MEDIUM', 'Stop it in these hours.', true, true),
	('nights', 'at night less than 30 % of its mean', 'scheduling', 'none', NULL, 'BoxUsage|InstanceUsage|Virtual Machines', 14, 0.9, 0, 1, 0.2, NULL, 0, NULL, 0, 0.6, 'MEDIUM', 'Stop it at night.', false, true),
	('weekends', 'at the weekend less than 50 % of the other days', 'scheduling', 'none', NULL, 'BoxUsage|InstanceUsage|Virtual Machines', 14, 0.9, 0, 1, 0.15, NULL, 0, NULL, 0, 0.6, 'MEDIUM', 'Stop it at weekends.', false, true),
	('short-lived', 'runs for less than six hours', 'spot', 'none', NULL, 'BoxUsage', 3, 0, 0, 1, 0.6, NULL, 0, NULL, 0, 0.5, 'MEDIUM', 'Run it on spot capacity.', false, true);

INSERT INTO finops.rightsizing_condition (rule_id, "position", metric, statistic, quantile, per_day, comparison, threshold, level, capacity, headroom, required, shipped) VALUES
	('idle-instance', 1, 'cpu_pct', 'max', NULL, false, '<', 5, NULL, NULL, 0, true, true),
	('idle-instance', 2, 'network_bytes', 'sum', NULL, true, '<', 5000000, NULL, NULL, 0, true, true),
	('idle-peak', 1, 'cpu_pct', 'max', NULL, false, '<=', 1, NULL, NULL, 0, true, true),
	('low-use', 1, 'cpu_pct', 'max', NULL, true, '<=', 5, NULL, NULL, 0, true, true),
	('low-use', 2, 'network_bytes', 'sum', NULL, true, '<=', 7000000, NULL, NULL, 0, true, true),
	('abandoned', 1, 'cpu_pct', 'avg', NULL, false, '<', 5, NULL, NULL, 0, true, true),
	('abandoned', 2, 'network_bytes', 'avg', NULL, false, '<', 3600000, NULL, NULL, 0, true, true),
	('idle-gpu', 1, 'gpu_pct', 'quantile', 0.99, false, '<=', 0, NULL, NULL, 0, true, true),
	('idle-gpu', 2, 'gpu_memory_pct', 'max', NULL, false, '<', 5, NULL, NULL, 0, false, true),
	('idle-gpu', 3, 'cpu_pct', 'max', NULL, false, '<', 5, NULL, NULL, 0, true, true),
	('idle-gpu', 4, 'network_bytes', 'sum', NULL, true, '<', 5000000, NULL, NULL, 0, true, true),
	('idle-database', 1, 'connections', 'max', NULL, false, '<=', 0, NULL, NULL, 0, true, true),
	('idle-database', 2, 'cpu_pct', 'max', NULL, false, '<', 10, NULL, NULL, 0, false, true),
	('idle-endpoint', 1, 'invocations', 'sum', NULL, false, '<=', 0, NULL, NULL, 0, true, true),
	('idle-gateway', 1, 'network_bytes', 'sum', NULL, true, '<=', 0, NULL, NULL, 0, true, true),
	('unattached-volume', 1, 'attachments', 'max', NULL, false, '<=', 0, NULL, NULL, 0, true, true),
	('unused-address', 1, 'attachments', 'max', NULL, false, '<=', 0, NULL, NULL, 0, true, true),
	('old-snapshot', 1, 'age_days', 'max', NULL, false, '>', 365, NULL, NULL, 0, true, true),
	('rightsizing', 1, 'cpu_pct', 'quantile', 0.995, false, '<=', 100, NULL, 'vcpu', 0.2, true, true),
	('rightsizing', 2, 'memory_pct', 'max', NULL, false, '<=', 100, NULL, 'memory_gib', 0.2, true, true),
	('rightsizing', 3, 'network_pct', 'quantile', 0.99, false, '<=', 100, NULL, 'network_mbps', 0.2, false, true),
	('rightsizing', 4, 'iops_pct', 'quantile', 0.99, false, '<=', 100, NULL, 'iops', 0.2, false, true),
	('generation', 1, 'cpu_pct', 'quantile', 0.995, false, '<=', 100, NULL, 'vcpu', 0, false, true),
	('generation', 2, 'memory_pct', 'max', NULL, false, '<=', 100, NULL, 'memory_gib', 0, false, true),
	('off-hours', 1, 'cpu_pct', 'idle_hours', NULL, false, '>=', 40, 5, NULL, 0, true, true),
	('nights', 1, 'cpu_pct', 'night_share', NULL, false, '<', 0.3, NULL, NULL, 0, true, true),
	('weekends', 1, 'cpu_pct', 'weekend_share', NULL, false, '<', 0.5, NULL, NULL, 0, true, true),
	('short-lived', 1, 'lifetime_hours', 'max', NULL, false, '<', 6, NULL, NULL, 0, true, true);

CREATE FUNCTION finops.load_resource_metrics(source text)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000
AS 'MODULE_PATHNAME', 'finops_load_resource_metrics';
COMMENT ON FUNCTION finops.load_resource_metrics(text) IS 'loads columns resource_id, metric, measured_at, value from a relation or a SELECT, read with the rights of the caller, or from a CSV file; a value of the same time is replaced. Returns the rows';

CREATE FUNCTION finops.find_rightsizing(as_of date DEFAULT CURRENT_DATE)
RETURNS TABLE (rule_id text, optimization_type text, provider text, account_id text, service text, region text, resource_id text, current_type text, target_type text,
	currency text, current_cost numeric, savings numeric, frees_commitment numeric, projected_utilisation float8, presence float8, confidence float8,
	effort text, action text, details jsonb)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 1000000 ROWS 50
AS 'MODULE_PATHNAME', 'finops_find_rightsizing';
COMMENT ON FUNCTION finops.find_rightsizing(date) IS 'what the rules of finops.rightsizing_rule find in the days before as_of: for each resource the rule that saves most; savings of a month, of the cost that no commitment covers';

REVOKE ALL ON FUNCTION finops.load_resource_metrics(text), finops.find_rightsizing(date) FROM PUBLIC;
REVOKE ALL ON finops.resource_metric, finops.instance_type, finops.rightsizing_rule, finops.rightsizing_condition FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('finops.resource_metric', '');
SELECT pg_catalog.pg_extension_config_dump('finops.instance_type', '');
SELECT pg_catalog.pg_extension_config_dump('finops.rightsizing_rule', 'WHERE NOT shipped');
SELECT pg_catalog.pg_extension_config_dump('finops.rightsizing_condition', 'WHERE NOT shipped');
