-- room ops: the diagnosis

CREATE TABLE finops.diagnosis_check (
	check_id text NOT NULL,
	"position" integer NOT NULL DEFAULT 1000,
	section text NOT NULL,
	severity text NOT NULL DEFAULT 'SEV-3',
	cause text NOT NULL,
	query text NOT NULL,
	caused_by text[] NOT NULL DEFAULT '{}',
	requires text,
	enabled boolean NOT NULL DEFAULT true,
	shipped boolean NOT NULL DEFAULT false,
	CONSTRAINT diagnosis_check_pkey PRIMARY KEY (check_id, shipped),
	CONSTRAINT diagnosis_check_id_check CHECK (check_id OPERATOR(pg_catalog.~) '^[a-z][a-z0-9-]{0,62}$'),
	CONSTRAINT diagnosis_check_severity_check CHECK (severity OPERATOR(pg_catalog.=) ANY (ARRAY['SEV-1', 'SEV-2', 'SEV-3', 'SEV-4']))
);
COMMENT ON TABLE finops.diagnosis_check IS 'the checks of finops.diagnose(); a row of yours is a check of yours, or comes before the shipped one of the same id';
COMMENT ON COLUMN finops.diagnosis_check."position" IS 'order in which checks run and findings of one severity are shown';
COMMENT ON COLUMN finops.diagnosis_check.section IS 'where in a runbook the symptom stands';
COMMENT ON COLUMN finops.diagnosis_check.cause IS 'the likely cause, where the query does not tell a better one';
COMMENT ON COLUMN finops.diagnosis_check.query IS 'one SELECT with every name qualified (@s@ is the install schema), one row per finding: columns scope and seen, and where the check does not say it all, cause, resolve_call, evidence_query, section and severity, each text; a shipped query runs as the owner, one of yours as the caller, both read only';
COMMENT ON COLUMN finops.diagnosis_check.caused_by IS 'checks whose findings make this one a consequence: check (of the same scope, or of one that contains the other: 2025-06 contains 2025-06/TEN-1), check=scope, or check=*';
COMMENT ON COLUMN finops.diagnosis_check.requires IS 'an extension, relation or function without which the check does not run';

CREATE FUNCTION finops.diagnose()
RETURNS TABLE (section text, finding text, severity text, scope text, seen text, evidence_query text, cause text, resolve_call text, consequences jsonb)
LANGUAGE c VOLATILE ROWS 10
AS 'MODULE_PATHNAME', 'finops_diagnose';
COMMENT ON FUNCTION finops.diagnose() IS 'runs the checks of finops.diagnosis_check and returns the findings that no other finding explains, with the query that shows each and the call that resolves it; what follows from one is listed in consequences. No row: nothing is wrong';

CREATE FUNCTION finops.disable_check(check_id text, reason text)
RETURNS void
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_disable_check';
COMMENT ON FUNCTION finops.disable_check(text, text) IS 'takes a check out of the diagnosis; audited. A shipped one comes back with DELETE of its row in finops.diagnosis_check that is not shipped, one of yours with SET enabled = true';

CREATE FUNCTION finops.escalate_finding(check_id text, scope text, note text DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_escalate_finding';
COMMENT ON FUNCTION finops.escalate_finding(text, text, text) IS 'opens an incident for a finding whose repair is outside of the database; until it is resolved, or overdue to be acknowledged or resolved, the diagnosis leaves the finding to whoever works on it';

REVOKE ALL ON finops.diagnosis_check FROM PUBLIC;
REVOKE ALL ON FUNCTION finops.diagnose(), finops.disable_check(text, text), finops.escalate_finding(text, text, text) FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('finops.diagnosis_check', 'WHERE NOT shipped');
