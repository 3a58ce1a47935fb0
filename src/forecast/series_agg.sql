-- room forecast: regular series from rows

CREATE TYPE finops.regular_series AS (
	series float8[],
	start_at timestamp,
	bucket interval,
	season_length integer,
	row_count bigint,
	gaps integer,
	gap_at integer[],
	duplicates bigint,
	ignored bigint,
	partial boolean,
	partial_value float8,
	first_partial boolean,
	first_partial_value float8,
	time_zone text
);
COMMENT ON TYPE finops.regular_series IS 'a series of equal steps, and what was found in the rows it was made of';
COMMENT ON COLUMN finops.regular_series.series IS 'sum of the rows of each bucket, oldest first; 0 for a bucket without rows';
COMMENT ON COLUMN finops.regular_series.start_at IS 'start of the first bucket, in time_zone';
COMMENT ON COLUMN finops.regular_series.season_length IS 'steps of the season of the calendar: 24 hours, 7 days, 52 weeks, 12 months, 4 quarters; 1 for years';
COMMENT ON COLUMN finops.regular_series.gaps IS 'buckets without rows';
COMMENT ON COLUMN finops.regular_series.gap_at IS 'positions of the gaps in series, from 1';
COMMENT ON COLUMN finops.regular_series.duplicates IS 'rows whose time another row of the series has; they are summed';
COMMENT ON COLUMN finops.regular_series.ignored IS 'rows without a value or without a finite time';
COMMENT ON COLUMN finops.regular_series.partial IS 'the last bucket ends early by the habit of the others and is left out of series';
COMMENT ON COLUMN finops.regular_series.partial_value IS 'what the partial last bucket holds';
COMMENT ON COLUMN finops.regular_series.first_partial_value IS 'what the partial first bucket holds, left out too';
COMMENT ON COLUMN finops.regular_series.time_zone IS 'zone in which buckets are cut; NULL when the times have none';

CREATE FUNCTION finops.series_combine(bytea, bytea)
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_series_combine'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.series_combine(bytea, bytea) IS 'adds two states of series_agg';
REVOKE ALL ON FUNCTION finops.series_combine(bytea, bytea) FROM PUBLIC;

CREATE FUNCTION finops.series_trim(bytea)
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_series_trim'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.series_trim(bytea) IS 'final step of series_state: without room to grow';
REVOKE ALL ON FUNCTION finops.series_trim(bytea) FROM PUBLIC;

CREATE FUNCTION finops.series_final(bytea)
RETURNS finops.regular_series
AS 'MODULE_PATHNAME', 'finops_series_final'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.series_final(bytea) IS 'final step of series_agg';
REVOKE ALL ON FUNCTION finops.series_final(bytea) FROM PUBLIC;

CREATE FUNCTION finops.series_accum(bytea, date, float8, text)
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_series_accum'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.series_accum(bytea, date, float8, text) IS 'transition of series_agg';
REVOKE ALL ON FUNCTION finops.series_accum(bytea, date, float8, text) FROM PUBLIC;

CREATE AGGREGATE finops.series_agg(at date, value float8, bucket text) (
	SFUNC = finops.series_accum,
	STYPE = bytea,
	SSPACE = 4096,
	FINALFUNC = finops.series_final,
	COMBINEFUNC = finops.series_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.series_agg(date, float8, text) IS 'regular series of the values by bucket, in any order of rows; bucket NULL: recognised from the times';

CREATE AGGREGATE finops.series_state(at date, value float8, bucket text) (
	SFUNC = finops.series_accum,
	STYPE = bytea,
	SSPACE = 4096,
	FINALFUNC = finops.series_trim,
	COMBINEFUNC = finops.series_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.series_state(date, float8, text) IS 'the state of series_agg, which finops.forecast_table reads';

CREATE FUNCTION finops.series_accum(bytea, date, float8, interval)
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_series_accum'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.series_accum(bytea, date, float8, interval) IS 'transition of series_agg';
REVOKE ALL ON FUNCTION finops.series_accum(bytea, date, float8, interval) FROM PUBLIC;

CREATE AGGREGATE finops.series_agg(at date, value float8, bucket interval) (
	SFUNC = finops.series_accum,
	STYPE = bytea,
	SSPACE = 4096,
	FINALFUNC = finops.series_final,
	COMBINEFUNC = finops.series_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.series_agg(date, float8, interval) IS 'regular series of the values by bucket, in any order of rows; bucket NULL: recognised from the times';

CREATE AGGREGATE finops.series_state(at date, value float8, bucket interval) (
	SFUNC = finops.series_accum,
	STYPE = bytea,
	SSPACE = 4096,
	FINALFUNC = finops.series_trim,
	COMBINEFUNC = finops.series_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.series_state(date, float8, interval) IS 'the state of series_agg, which finops.forecast_table reads';

CREATE FUNCTION finops.series_accum(bytea, timestamp, float8, text)
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_series_accum'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.series_accum(bytea, timestamp, float8, text) IS 'transition of series_agg';
REVOKE ALL ON FUNCTION finops.series_accum(bytea, timestamp, float8, text) FROM PUBLIC;

CREATE AGGREGATE finops.series_agg(at timestamp, value float8, bucket text) (
	SFUNC = finops.series_accum,
	STYPE = bytea,
	SSPACE = 4096,
	FINALFUNC = finops.series_final,
	COMBINEFUNC = finops.series_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.series_agg(timestamp, float8, text) IS 'regular series of the values by bucket, in any order of rows; bucket NULL: recognised from the times';

CREATE AGGREGATE finops.series_state(at timestamp, value float8, bucket text) (
	SFUNC = finops.series_accum,
	STYPE = bytea,
	SSPACE = 4096,
	FINALFUNC = finops.series_trim,
	COMBINEFUNC = finops.series_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.series_state(timestamp, float8, text) IS 'the state of series_agg, which finops.forecast_table reads';

CREATE FUNCTION finops.series_accum(bytea, timestamp, float8, interval)
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_series_accum'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.series_accum(bytea, timestamp, float8, interval) IS 'transition of series_agg';
REVOKE ALL ON FUNCTION finops.series_accum(bytea, timestamp, float8, interval) FROM PUBLIC;

CREATE AGGREGATE finops.series_agg(at timestamp, value float8, bucket interval) (
	SFUNC = finops.series_accum,
	STYPE = bytea,
	SSPACE = 4096,
	FINALFUNC = finops.series_final,
	COMBINEFUNC = finops.series_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.series_agg(timestamp, float8, interval) IS 'regular series of the values by bucket, in any order of rows; bucket NULL: recognised from the times';

CREATE AGGREGATE finops.series_state(at timestamp, value float8, bucket interval) (
	SFUNC = finops.series_accum,
	STYPE = bytea,
	SSPACE = 4096,
	FINALFUNC = finops.series_trim,
	COMBINEFUNC = finops.series_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.series_state(timestamp, float8, interval) IS 'the state of series_agg, which finops.forecast_table reads';

CREATE FUNCTION finops.series_accum(bytea, timestamptz, float8, text)
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_series_accum'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.series_accum(bytea, timestamptz, float8, text) IS 'transition of series_agg';
REVOKE ALL ON FUNCTION finops.series_accum(bytea, timestamptz, float8, text) FROM PUBLIC;

CREATE AGGREGATE finops.series_agg(at timestamptz, value float8, bucket text) (
	SFUNC = finops.series_accum,
	STYPE = bytea,
	SSPACE = 4096,
	FINALFUNC = finops.series_final,
	COMBINEFUNC = finops.series_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.series_agg(timestamptz, float8, text) IS 'regular series of the values by bucket, in any order of rows; bucket NULL: recognised from the times; days and months by UTC';

CREATE AGGREGATE finops.series_state(at timestamptz, value float8, bucket text) (
	SFUNC = finops.series_accum,
	STYPE = bytea,
	SSPACE = 4096,
	FINALFUNC = finops.series_trim,
	COMBINEFUNC = finops.series_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.series_state(timestamptz, float8, text) IS 'the state of series_agg, which finops.forecast_table reads';

CREATE FUNCTION finops.series_accum(bytea, timestamptz, float8, text, text)
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_series_accum'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.series_accum(bytea, timestamptz, float8, text, text) IS 'transition of series_agg';
REVOKE ALL ON FUNCTION finops.series_accum(bytea, timestamptz, float8, text, text) FROM PUBLIC;

CREATE AGGREGATE finops.series_agg(at timestamptz, value float8, bucket text, time_zone text) (
	SFUNC = finops.series_accum,
	STYPE = bytea,
	SSPACE = 4096,
	FINALFUNC = finops.series_final,
	COMBINEFUNC = finops.series_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.series_agg(timestamptz, float8, text, text) IS 'regular series of the values by bucket, in any order of rows; bucket NULL: recognised from the times; days and months as clocks show them in time_zone';

CREATE AGGREGATE finops.series_state(at timestamptz, value float8, bucket text, time_zone text) (
	SFUNC = finops.series_accum,
	STYPE = bytea,
	SSPACE = 4096,
	FINALFUNC = finops.series_trim,
	COMBINEFUNC = finops.series_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.series_state(timestamptz, float8, text, text) IS 'the state of series_agg, which finops.forecast_table reads';

CREATE FUNCTION finops.series_accum(bytea, timestamptz, float8, interval)
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_series_accum'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.series_accum(bytea, timestamptz, float8, interval) IS 'transition of series_agg';
REVOKE ALL ON FUNCTION finops.series_accum(bytea, timestamptz, float8, interval) FROM PUBLIC;

CREATE AGGREGATE finops.series_agg(at timestamptz, value float8, bucket interval) (
	SFUNC = finops.series_accum,
	STYPE = bytea,
	SSPACE = 4096,
	FINALFUNC = finops.series_final,
	COMBINEFUNC = finops.series_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.series_agg(timestamptz, float8, interval) IS 'regular series of the values by bucket, in any order of rows; bucket NULL: recognised from the times; days and months by UTC';

CREATE AGGREGATE finops.series_state(at timestamptz, value float8, bucket interval) (
	SFUNC = finops.series_accum,
	STYPE = bytea,
	SSPACE = 4096,
	FINALFUNC = finops.series_trim,
	COMBINEFUNC = finops.series_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.series_state(timestamptz, float8, interval) IS 'the state of series_agg, which finops.forecast_table reads';

CREATE FUNCTION finops.series_accum(bytea, timestamptz, float8, interval, text)
RETURNS bytea
AS 'MODULE_PATHNAME', 'finops_series_accum'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.series_accum(bytea, timestamptz, float8, interval, text) IS 'transition of series_agg';
REVOKE ALL ON FUNCTION finops.series_accum(bytea, timestamptz, float8, interval, text) FROM PUBLIC;

CREATE AGGREGATE finops.series_agg(at timestamptz, value float8, bucket interval, time_zone text) (
	SFUNC = finops.series_accum,
	STYPE = bytea,
	SSPACE = 4096,
	FINALFUNC = finops.series_final,
	COMBINEFUNC = finops.series_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.series_agg(timestamptz, float8, interval, text) IS 'regular series of the values by bucket, in any order of rows; bucket NULL: recognised from the times; days and months as clocks show them in time_zone';

CREATE AGGREGATE finops.series_state(at timestamptz, value float8, bucket interval, time_zone text) (
	SFUNC = finops.series_accum,
	STYPE = bytea,
	SSPACE = 4096,
	FINALFUNC = finops.series_trim,
	COMBINEFUNC = finops.series_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE finops.series_state(timestamptz, float8, interval, text) IS 'the state of series_agg, which finops.forecast_table reads';
