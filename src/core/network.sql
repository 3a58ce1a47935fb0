
-- keys for the network; USAGE on the wrapper is the right to use it

CREATE FUNCTION finops.aws_options_validator(options text[], catalog oid)
RETURNS void
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'finops_aws_options_validator';
COMMENT ON FUNCTION finops.aws_options_validator(text[], oid) IS 'checks the options of servers and user mappings of foreign-data wrapper finops_aws';
REVOKE ALL ON FUNCTION finops.aws_options_validator(text[], oid) FROM PUBLIC;

CREATE FOREIGN DATA WRAPPER finops_aws NO HANDLER VALIDATOR finops.aws_options_validator;
COMMENT ON FOREIGN DATA WRAPPER finops_aws IS 'AWS keys in user mappings; USAGE is the right to read from the network';
