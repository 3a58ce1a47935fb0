-- The extension and what it puts where.  The files that follow use it.
\set VERBOSITY verbose
CREATE EXTENSION finops;

-- relations that runbooks name are found without a schema
SELECT e.extversion, n.nspname AS install_schema
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'finops';
SELECT count(*) FROM tenant_master;

-- a second one is refused
\set VERBOSITY terse
CREATE EXTENSION finops;

-- an object of the same name is never taken over
BEGIN;
DROP EXTENSION finops;
CREATE SCHEMA forecast;
CREATE EXTENSION finops;
ROLLBACK;
BEGIN;
DROP EXTENSION finops;
CREATE TABLE public.tenant_master (tenant_id text);
CREATE EXTENSION finops;
ROLLBACK;

-- another install schema takes the same relations
BEGIN;
DROP EXTENSION finops;
CREATE SCHEMA "Cost Desk";
CREATE EXTENSION finops SCHEMA "Cost Desk";
SELECT to_regclass('tenant_master') AS unqualified, to_regclass('"Cost Desk".tenant_master') AS qualified;
DROP EXTENSION finops;
SELECT count(*) AS left_over FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('Cost Desk', 'finops', 'forecast', 'cur_database');
ROLLBACK;

SELECT count(*) FROM tenant_master;
