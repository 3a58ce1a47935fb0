-- room insight: days whose cost is not as expected

CREATE FUNCTION finops.anomaly_scores(series float8[], season_length integer DEFAULT NULL)
RETURNS float8[]
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', 'finops_anomaly_scores';
COMMENT ON FUNCTION finops.anomaly_scores(float8[], integer) IS 'how surprising each value is against those before it, 0..1, in the order of the series; after one above 0.675 the next 120 have none. With a season length, against the season too';

CREATE FUNCTION finops.anomaly_next(INOUT state bytea, value float8, OUT score float8)
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', 'finops_anomaly_next';
COMMENT ON FUNCTION finops.anomaly_next(bytea, float8) IS 'finops.anomaly_scores for a stream, one value at a time: give the state that the call before returned, NULL first';
REVOKE ALL ON FUNCTION finops.anomaly_next(bytea, float8) FROM PUBLIC;

CREATE FUNCTION finops.daily_costs_accum(bytea, date, numeric)
RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_daily_costs_accum';
COMMENT ON FUNCTION finops.daily_costs_accum(bytea, date, numeric) IS 'transition of daily_costs';

CREATE FUNCTION finops.daily_costs_combine(bytea, bytea)
RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_daily_costs_combine';
COMMENT ON FUNCTION finops.daily_costs_combine(bytea, bytea) IS 'adds two states of daily_costs';

CREATE AGGREGATE finops.daily_costs(day date, cost numeric) (
	SFUNC = finops.daily_costs_accum,
	STYPE = bytea,
	SSPACE = 1024,
	COMBINEFUNC = finops.daily_costs_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.daily_costs(date, numeric) IS 'cost of each day from the first to the last in one value, in millionths; in any order of rows';

CREATE AGGREGATE finops.sum_daily_costs(costs bytea) (
	SFUNC = finops.daily_costs_combine,
	STYPE = bytea,
	SSPACE = 1024,
	COMBINEFUNC = finops.daily_costs_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.sum_daily_costs(bytea) IS 'values of daily_costs added day by day';
REVOKE ALL ON FUNCTION finops.daily_costs_accum(bytea, date, numeric), finops.daily_costs_combine(bytea, bytea),
	finops.daily_costs(date, numeric), finops.sum_daily_costs(bytea) FROM PUBLIC;

CREATE TABLE finops.anomaly_policy (
	dimension text NOT NULL,
	sensitivity float8 NOT NULL DEFAULT 5,
	least_pct float8 NOT NULL DEFAULT 15,
	least_amount numeric NOT NULL DEFAULT 10,
	lag_days integer NOT NULL DEFAULT 1,
	enabled boolean NOT NULL DEFAULT true,
	shipped boolean NOT NULL DEFAULT false,
	CONSTRAINT anomaly_policy_pkey PRIMARY KEY (dimension, shipped),
	CONSTRAINT anomaly_policy_dimension_check CHECK (dimension OPERATOR(pg_catalog.=) ANY (ARRAY['total', 'provider', 'account', 'service', 'tenant', 'account_service']) OR dimension OPERATOR(pg_catalog.~) '^tag:.'),
	CONSTRAINT anomaly_policy_sensitivity_check CHECK (sensitivity OPERATOR(pg_catalog.>=) 1 AND sensitivity OPERATOR(pg_catalog.<=) 100),
	CONSTRAINT anomaly_policy_pct_check CHECK (least_pct OPERATOR(pg_catalog.>=) 0 AND least_pct OPERATOR(pg_catalog.<=) 10000),
	CONSTRAINT anomaly_policy_amount_check CHECK (least_amount OPERATOR(pg_catalog.>) 0 AND least_amount OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT anomaly_policy_lag_check CHECK (lag_days OPERATOR(pg_catalog.>=) 0 AND lag_days OPERATOR(pg_catalog.<=) 30)
);
COMMENT ON TABLE finops.anomaly_policy IS 'which series finops.detect_anomalies watches and what it takes to be told; a row of your own overrides the shipped one of its dimension';
COMMENT ON COLUMN finops.anomaly_policy.dimension IS 'total, provider, account, service, tenant, account_service, or tag: and a tag key';
COMMENT ON COLUMN finops.anomaly_policy.sensitivity IS 'deviations of the series from what is expected';
COMMENT ON COLUMN finops.anomaly_policy.least_pct IS 'least change, in percent of what is expected';
COMMENT ON COLUMN finops.anomaly_policy.least_amount IS 'least change in a day, in the currency of the series';
COMMENT ON COLUMN finops.anomaly_policy.lag_days IS 'a day is judged when so many days with cost follow it, or its bill is complete';

INSERT INTO finops.anomaly_policy (dimension, shipped) VALUES
	('total', true), ('provider', true), ('account', true), ('service', true), ('tenant', true), ('account_service', true);

CREATE TABLE finops.anomaly_series (
	dimension text NOT NULL,
	key text NOT NULL,
	currency text NOT NULL,
	last_day date NOT NULL,
	state bytea NOT NULL,
	CONSTRAINT anomaly_series_pkey PRIMARY KEY (dimension, key, currency)
) WITH (toast_tuple_target = 8160);
-- in the order in which they are read
CREATE INDEX anomaly_series_order_idx ON finops.anomaly_series (dimension, (key COLLATE "C"), (currency COLLATE "C"));
COMMENT ON TABLE finops.anomaly_series IS 'what is known of each watched series up to a day; emptied, it is learned anew from the roll-up';
-- a state fills half a page and is best left where it is
ALTER TABLE finops.anomaly_series ALTER state SET STORAGE EXTERNAL;
COMMENT ON COLUMN finops.anomaly_series.state IS 'in the byte order of the server; another one learns the series anew';

CREATE TABLE finops.anomaly_day (
	dimension text NOT NULL,
	key text NOT NULL,
	currency text NOT NULL,
	day date NOT NULL,
	actual_cost numeric NOT NULL,
	expected_cost numeric NOT NULL,
	low_cost numeric NOT NULL,
	high_cost numeric NOT NULL,
	score float8 NOT NULL,
	new_level boolean NOT NULL,
	CONSTRAINT anomaly_day_pkey PRIMARY KEY (dimension, key, currency, day)
);
COMMENT ON TABLE finops.anomaly_day IS 'days of series that were not as expected; estimates, rounded to four decimals';
COMMENT ON COLUMN finops.anomaly_day.score IS 'deviations of the series from what was expected, signed';
COMMENT ON COLUMN finops.anomaly_day.new_level IS 'from this day on the level is taken as the new one';

CREATE TABLE finops.anomaly (
	anomaly_id bigint GENERATED BY DEFAULT AS IDENTITY,
	dimension text NOT NULL,
	key text NOT NULL,
	currency text NOT NULL,
	direction text NOT NULL,
	first_day date NOT NULL,
	last_day date NOT NULL,
	days integer NOT NULL,
	actual_cost numeric NOT NULL,
	expected_cost numeric NOT NULL,
	impact numeric NOT NULL,
	impact_pct numeric,
	score float8 NOT NULL,
	new_level boolean NOT NULL,
	state text NOT NULL DEFAULT 'open',
	explained_by bigint,
	note text,
	judged_by text,
	judged_at timestamptz,
	detected_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT anomaly_pkey PRIMARY KEY (anomaly_id),
	CONSTRAINT anomaly_series_key UNIQUE (dimension, key, currency, direction, first_day),
	CONSTRAINT anomaly_direction_check CHECK (direction OPERATOR(pg_catalog.=) ANY (ARRAY['rise', 'drop'])),
	CONSTRAINT anomaly_state_check CHECK (state OPERATOR(pg_catalog.=) ANY (ARRAY['open', 'closed', 'expected', 'unexpected', 'withdrawn']))
);
COMMENT ON TABLE finops.anomaly IS 'episodes of days that were not as expected, with their impact on cost; those without explained_by are the findings';
COMMENT ON COLUMN finops.anomaly.days IS 'days of the episode that were not as expected; its ends may have others between';
COMMENT ON COLUMN finops.anomaly.impact IS 'actual less expected cost of these days, an estimate';
COMMENT ON COLUMN finops.anomaly.impact_pct IS 'percent of what was expected; NULL where nothing was';
COMMENT ON COLUMN finops.anomaly.state IS 'open; closed: over for a week; expected, unexpected: what finops.judge_anomaly was told; withdrawn: late cost made the days ordinary';
COMMENT ON COLUMN finops.anomaly.explained_by IS 'the anomaly of a narrower or wider series that has the same cause';
CREATE INDEX anomaly_last_day_idx ON finops.anomaly (last_day);

CREATE FUNCTION finops.detect_anomalies(as_of date DEFAULT CURRENT_DATE)
RETURNS SETOF finops.anomaly
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 20
AS 'MODULE_PATHNAME', 'finops_detect_anomalies';
COMMENT ON FUNCTION finops.detect_anomalies(date) IS 'judges the days before as_of that are complete, for every series of finops.anomaly_policy, and returns the findings that are new or have changed; run again it changes nothing';

CREATE FUNCTION finops.judge_anomaly(anomaly_id bigint, verdict text, note text DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'finops_judge_anomaly';
COMMENT ON FUNCTION finops.judge_anomaly(bigint, text, text) IS 'says that an anomaly was expected or unexpected; what is like an expected one of the same series within 400 days is expected too';

REVOKE ALL ON finops.anomaly_policy, finops.anomaly_series, finops.anomaly_day, finops.anomaly FROM PUBLIC;
REVOKE ALL ON FUNCTION finops.detect_anomalies(date), finops.judge_anomaly(bigint, text, text) FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('finops.anomaly_policy', 'WHERE NOT shipped');
SELECT pg_catalog.pg_extension_config_dump('finops.anomaly_series', '');
SELECT pg_catalog.pg_extension_config_dump('finops.anomaly_day', '');
SELECT pg_catalog.pg_extension_config_dump('finops.anomaly', '');
SELECT pg_catalog.pg_extension_config_dump('finops.anomaly_anomaly_id_seq', '');
