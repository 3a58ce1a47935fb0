-- room report: value formats

CREATE FUNCTION finops.focus_format_ok(value text, format text) RETURNS boolean
AS 'MODULE_PATHNAME', 'finops_focus_format_ok'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION finops.focus_format_ok(text, text) IS 'whether a text has a format of FOCUS: text, numeric, datetime, timestamp, currency, unit, keyvalue, json or duration';
