-- topic approve: the second person

CREATE FUNCTION finops.approve(kind text, id text, note text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_approve';
COMMENT ON FUNCTION finops.approve(text, text, text) IS 'approves what somebody else prepared and does it: rule (id rule:version), write_off, credit_note and reopen (id of the request); whoever prepared it cannot';

CREATE FUNCTION finops.reject(kind text, id text, note text)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_reject';
COMMENT ON FUNCTION finops.reject(text, text, text) IS 'turns down a write-off or a credit note that waits for approval; whoever asked may take it back so';

REVOKE ALL ON FUNCTION finops.approve(text, text, text), finops.reject(text, text, text) FROM PUBLIC;
