-- Facts about every object of the extension.
BEGIN;
SELECT plan(1);

SELECT is_empty($$
	SELECT c.relname FROM pg_class c
	JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'finops'
	WHERE c.relkind IN ('r', 'p', 'S') AND c.oid <> ALL (coalesce(e.extconfig, '{}'))
$$, 'every table and sequence is dumped with its rows');

SELECT * FROM finish();
ROLLBACK;
