-- room core: features that an administrator may switch off

CREATE FUNCTION finops.feature_enabled(feature text)
RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_feature_enabled';
COMMENT ON FUNCTION finops.feature_enabled(text) IS 'whether a feature of finops.feature_flags() is on';

CREATE FUNCTION finops.require_feature(feature text)
RETURNS void
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_require_feature';
COMMENT ON FUNCTION finops.require_feature(text) IS 'raises 55000 where a feature is switched off';

CREATE FUNCTION finops.feature_flags()
RETURNS TABLE (feature text, enabled boolean, setting text, functions text)
LANGUAGE c STABLE PARALLEL SAFE ROWS 7
AS 'MODULE_PATHNAME', 'finops_feature_flags';
COMMENT ON FUNCTION finops.feature_flags() IS 'features that settings switch on and off, and the functions that they switch';
