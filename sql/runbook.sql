-- The runner: what it refuses, how it answers, and as whom.
SET datestyle = ISO;
SET timezone = 'UTC';
SELECT document, count(*), count(sql_pg) AS translated FROM finops.runbook WHERE shipped GROUP BY 1 ORDER BY min(id);

SELECT * FROM finops.run_runbook(NULL);
SELECT * FROM finops.run_runbook('');
SELECT * FROM finops.run_runbook('S004-Q99');
-- a utility statement cannot run inside a function
SELECT * FROM finops.run_runbook('S001-Q6');

BEGIN;
-- values as to_json writes them, columns in order, names made unique
INSERT INTO finops.runbook (id, document, sql_verbatim) VALUES
	('X-1', 'own', 'SELECT 1.50 AS amount, now() > ''2024-01-01'' AS later, timestamptz ''2024-01-02 03:04:05+00'' AS at, ARRAY[1,2] AS list,
		''{"k": 1}''::jsonb AS doc, NULL AS nothing, ''a"b'' AS quoted, ''NaN''::float8 AS nan'),
	('X-2', 'own', 'SELECT 1 AS status, 2 AS status, 3 AS status_2, 4 AS status, 5, 6'),
	('X-3', 'own', 'SELECT g AS n FROM generate_series(1, 3) AS g ORDER BY g DESC'),
	('X-4', 'own', 'INSERT INTO cost_cache (cache_key, source) VALUES (''a'', ''x''), (''b'', ''x'') RETURNING cache_key'),
	('X-5', 'own', 'UPDATE cost_cache SET source = ''y'''),
	('X-6', 'own', 'SELECT 1; SELECT 2'),
	('X-7', 'own', 'SELEC 1'),
	('X-8', 'own', 'CREATE TABLE t (a int)'),
	('X-9', 'own', ''),
	('X-10', 'own', 'SHOW search_path'),
	('X-11', 'own', 'SELECT FROM cost_cache WHERE false'),
	('X-12', 'own', 'SELECT 1 AS ' || repeat('n', 63) || ', 2 AS ' || repeat('n', 63)),
	('X-13', 'own', 'SELECT 1/0'),
	('X-14', 'own', 'COMMIT');
SELECT * FROM finops.run_runbook('X-1');
SELECT * FROM finops.run_runbook('X-2');
SELECT * FROM finops.run_runbook('X-3');
SELECT * FROM finops.run_runbook('X-4');
SELECT * FROM finops.run_runbook('X-5');
SELECT * FROM finops.run_runbook('X-11');
SELECT * FROM finops.run_runbook('X-12');
SAVEPOINT s;
SELECT * FROM finops.run_runbook('X-6');
ROLLBACK TO s;
SELECT * FROM finops.run_runbook('X-7');
ROLLBACK TO s;
SELECT * FROM finops.run_runbook('X-8');
ROLLBACK TO s;
SELECT * FROM finops.run_runbook('X-9');
ROLLBACK TO s;
SELECT * FROM finops.run_runbook('X-13');
ROLLBACK TO s;
SELECT * FROM finops.run_runbook('X-14');
ROLLBACK TO s;
-- the install schema comes first, whatever the caller's path; which stays
SET LOCAL search_path = '';
SELECT * FROM finops.run_runbook('X-10');
SELECT * FROM finops.run_runbook('S001-Q1');
SHOW search_path;
RESET search_path;
-- an own row of a shipped id comes before it
INSERT INTO finops.runbook (id, document, sql_verbatim) VALUES ('S001-Q3', 'own', 'SELECT 2 AS own');
SELECT * FROM finops.run_runbook('S001-Q3');
DELETE FROM finops.runbook WHERE id = 'S001-Q3' AND NOT shipped;
SELECT * FROM finops.run_runbook('S001-Q3');
-- the caller's rights, not the owner's
CREATE ROLE regress_finops_reader;
GRANT SELECT ON cost_cache TO regress_finops_reader;
SET ROLE regress_finops_reader;
SELECT * FROM finops.run_runbook('S001-Q1');
SELECT * FROM finops.run_runbook('S001-Q5');
ROLLBACK;

-- a read-only transaction reads
BEGIN READ ONLY;
SELECT * FROM finops.run_runbook('S001-Q1');
SELECT * FROM finops.run_runbook('S001-Q5');
ROLLBACK;
RESET datestyle;
RESET timezone;
