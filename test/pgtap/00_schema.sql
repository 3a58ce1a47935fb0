-- Facts about every object of the extension, whatever room it is from.
BEGIN;
SELECT * FROM no_plan();

CREATE TEMP VIEW member AS
SELECT d.classid, d.objid
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'finops';

CREATE TEMP VIEW member_function AS
SELECT p.*, p.oid::regprocedure::text AS signature, l.lanname AS language
FROM pg_proc p JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
JOIN pg_language l ON l.oid = p.prolang;

CREATE TEMP TABLE public_function (line text);
\copy public_function FROM 'test/public_functions.txt'
CREATE TEMP VIEW allowed AS
SELECT replace(btrim(split_part(line, '#', 1)), '@extschema@', e.extnamespace::regnamespace::text) AS name
FROM public_function, pg_extension e
WHERE e.extname = 'finops' AND btrim(split_part(line, '#', 1)) <> '';

-- what a dump takes along

SELECT is_empty($$
	SELECT c.oid::regclass::text FROM pg_class c
	JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
	JOIN pg_extension e ON e.extname = 'finops'
	WHERE c.relkind IN ('r', 'p', 'S') AND c.oid <> ALL (coalesce(e.extconfig, '{}'))
$$, 'every table and sequence is dumped with its rows');

SELECT is_empty($$
	SELECT c.oid::regclass::text FROM pg_class c
	JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
	JOIN pg_extension e ON e.extname = 'finops'
	WHERE c.relkind = 'p'
	AND (EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid)
		OR EXISTS (SELECT FROM pg_constraint o WHERE o.conrelid = c.oid AND o.contype <> 'c' AND o.contype <> 'n'))
$$, 'partitioned tables carry no key or index, which would break the restore of later partitions');

SELECT is_empty($$
	SELECT a.attrelid::regclass::text || '.' || a.attname
	FROM pg_attribute a
	JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = a.attrelid
	JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
	JOIN pg_extension e ON e.extname = 'finops'
	WHERE a.attname = 'shipped' AND NOT a.attisdropped
	AND e.extcondition[array_position(e.extconfig, c.oid)] <> 'WHERE NOT shipped'
$$, 'tables that ship rows are dumped without them');

SELECT is_empty($$
	SELECT c.conrelid::regclass::text || ' ' || c.conname
	FROM pg_constraint c
	JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.conrelid
	JOIN pg_class r ON r.oid = c.confrelid AND r.relkind = 'p'
$$, 'no foreign key points at a partitioned table');

-- comments

SELECT is_empty($$
	SELECT c.oid::regclass::text FROM pg_class c
	JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
	WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND obj_description(c.oid, 'pg_class') IS NULL
$$, 'every table and view is commented');

SELECT is_empty($$
	SELECT a.attrelid::regclass::text || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
	JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
	WHERE c.relkind IN ('v', 'm') AND a.attnum > 0 AND col_description(c.oid, a.attnum) IS NULL
$$, 'every column of a view is commented, in its room or in src/view_columns.sql');

SELECT is_empty($$
	SELECT signature FROM member_function WHERE obj_description(oid, 'pg_proc') IS NULL
$$, 'every function, procedure and aggregate is commented');

SELECT is_empty($$
	SELECT t.oid::regtype::text FROM pg_type t
	JOIN member m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid
	WHERE t.typrelid = 0 AND t.typelem = 0 AND t.typtype <> 'm' AND obj_description(t.oid, 'pg_type') IS NULL
$$, 'every type is commented');

SELECT is_empty($$
	SELECT n.nspname FROM pg_namespace n
	JOIN member m ON m.classid = 'pg_namespace'::regclass AND m.objid = n.oid
	WHERE obj_description(n.oid, 'pg_namespace') IS NULL
$$, 'every schema is commented');

-- functions

SELECT is_empty($$
	SELECT signature, provolatile, proparallel FROM member_function
	WHERE prokind = 'f' AND provolatile <> 'v' AND proparallel = 'u'
$$, 'functions that only compute or read say whether they are parallel safe');

SELECT is_empty($$
	SELECT f.signature FROM member_function f
	WHERE f.prokind IN ('f', 'p') AND f.language IN ('sql', 'plpgsql')
	AND NOT coalesce(f.proconfig::text ~ 'search_path=pg_catalog,.*pg_temp', false)
	AND f.proname NOT IN ('close_month', 'run_job', 'attempt_job', 'run_nightly', 'deliver_notifications')
$$, 'functions in SQL and PL/pgSQL pin their search_path');

SELECT is_empty($$
	SELECT signature FROM member_function WHERE prosecdef
$$, 'no function is SECURITY DEFINER');

SELECT is_empty($$
	SELECT f.signature FROM member_function f
	WHERE f.prokind = 'a' AND EXISTS (
		SELECT FROM pg_aggregate a WHERE a.aggfnoid = f.oid AND a.aggtranstype = 'internal'::regtype)
$$, 'no aggregate has a state of type internal');

SELECT lives_ok(pg_get_functiondef(oid), signature || ' compiles')
FROM member_function WHERE language IN ('sql', 'plpgsql') AND prokind IN ('f', 'p')
ORDER BY signature COLLATE "C";

-- privileges

SELECT is_empty($$
	SELECT f.signature FROM member_function f
	JOIN pg_namespace n ON n.oid = f.pronamespace
	WHERE has_function_privilege('public', f.oid, 'EXECUTE')
	AND n.nspname || '.' || f.proname NOT IN (SELECT name FROM allowed)
$$, 'PUBLIC executes only what test/public_functions.txt lists');

SELECT is_empty($$
	SELECT a.name FROM allowed a
	WHERE NOT EXISTS (
		SELECT FROM member_function f JOIN pg_namespace n ON n.oid = f.pronamespace
		WHERE n.nspname || '.' || f.proname = a.name AND has_function_privilege('public', f.oid, 'EXECUTE'))
$$, 'everything listed there exists and is executable');

SELECT is_empty($$
	SELECT c.oid::regclass::text FROM pg_class c
	JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
	WHERE c.relkind IN ('r', 'p')
	AND has_table_privilege('public', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
$$, 'PUBLIC writes no table');

SELECT is_empty($$
	SELECT a.attrelid::regclass::text FROM pg_attribute a
	JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = a.attrelid
	JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'v', 'm')
	WHERE a.attname IN ('tenant_id', 'billed_cost', 'effective_cost', 'amount_usd', 'total_usd')
	AND has_table_privilege('public', c.oid, 'SELECT')
$$, 'PUBLIC reads no tenants and no money');

SELECT is_empty($$
	SELECT n.nspname FROM pg_namespace n
	JOIN member m ON m.classid = 'pg_namespace'::regclass AND m.objid = n.oid
	WHERE has_schema_privilege('public', n.oid, 'CREATE')
$$, 'PUBLIC creates nothing in our schemas');

-- money

SELECT is_empty($$
	SELECT a.attrelid::regclass::text || '.' || a.attname, format_type(a.atttypid, a.atttypmod)
	FROM pg_attribute a
	JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = a.attrelid
	JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
	JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE a.attnum > 0 AND NOT a.attisdropped
	AND n.nspname <> 'forecast' AND c.relname NOT LIKE '%forecast%' AND c.relname NOT LIKE 'tbl\_ml\_%'
	AND a.attname ~ '_(cost|usd|amount)$|^(amount|subtotal|tax|total|billed_cost|effective_cost)$'
	AND a.atttypid IN ('float4'::regtype, 'float8'::regtype)
$$, 'no amount of money is a float');

SELECT * FROM finish();
ROLLBACK;
