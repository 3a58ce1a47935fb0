-- Room core: the session in which finops works, seen from its caller.
BEGIN;
SELECT * FROM no_plan();

-- a role that may run functions which write, and owns nothing
CREATE ROLE finops_test_caller;
GRANT EXECUTE ON FUNCTION finops.rebuild_rollup(date) TO finops_test_caller;
GRANT CREATE ON SCHEMA public TO finops_test_caller;
GRANT USAGE ON SCHEMA finops TO finops_test_caller;

-- traps that a hostile caller could set
SET LOCAL ROLE finops_test_caller;
CREATE TEMP TABLE trapped (who text);
CREATE TEMP TABLE cost_daily (LIKE finops.currency);
CREATE TEMP TABLE period_lock (period_start date, state text);
CREATE FUNCTION public.trap_equal(date, date) RETURNS boolean LANGUAGE plpgsql
AS $$ BEGIN INSERT INTO pg_temp.trapped VALUES (current_user); RETURN true; END $$;
CREATE OPERATOR public.= (LEFTARG = date, RIGHTARG = date, FUNCTION = public.trap_equal);
CREATE FUNCTION public.coalesce_trap() RETURNS void LANGUAGE sql AS 'SELECT';
CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql
AS $$ BEGIN INSERT INTO pg_temp.trapped VALUES (current_user); RETURN NULL; END $$;
SET LOCAL search_path = public, pg_temp, pg_catalog;
SET LOCAL transform_null_equals = on;
SET LOCAL standard_conforming_strings = off;
SET LOCAL TimeZone = 'Pacific/Kiritimati';
SELECT lives_ok($$SELECT finops.rebuild_rollup('2020-09-01')$$,
	'a caller without rights on the tables runs a function that writes them');
RESET ROLE;
SET LOCAL search_path = public;
SELECT is((SELECT count(*) FROM pg_temp.trapped), 0::bigint,
	'no function or operator of the caller was called');
SELECT is((SELECT count(*) FROM pg_temp.period_lock), 0::bigint,
	'a temporary table does not take the place of one of the extension');
SELECT is((SELECT count(*) FROM public.period_lock WHERE period_start OPERATOR(pg_catalog.=) '2020-09-01'), 1::bigint,
	'the period has been opened');
DROP OPERATOR public.= (date, date);
DROP FUNCTION public.clock_timestamp();

-- the session leaves nothing behind, whether it ends well or not
SET LOCAL ROLE finops_test_caller;
SET LOCAL search_path = public;
SET LOCAL DateStyle = 'SQL, DMY';
SELECT is(current_user::text, 'finops_test_caller', 'the caller is who he was');
SELECT throws_ok($$SELECT finops.rebuild_rollup('2020-09-02')$$, '22023',
	'2020-09-02 is not the first day of a month', 'an argument is refused');
SELECT is(current_setting('search_path') || ' ' || current_setting('DateStyle') || ' ' || current_setting('row_security'),
	'public SQL, DMY on', 'settings are what they were');
RESET ROLE;
UPDATE public.period_lock SET state = 'LOCKED' WHERE period_start = '2020-09-01';
SET LOCAL ROLE finops_test_caller;
SELECT throws_ok($$SELECT finops.rebuild_rollup('2020-09-01')$$, '55000',
	'billing period 2020-09 is locked', 'an error in the middle of the session');
SELECT is(current_user::text || ' ' || current_setting('search_path') || ' ' || current_setting('DateStyle'),
	'finops_test_caller public SQL, DMY', 'user and settings after that error are what they were');
SELECT throws_ok($$DELETE FROM finops.cost_daily$$, '42501', NULL, 'the caller has gained no right');
SELECT throws_ok($$SELECT finops.reconcile('2020-09-01')$$, '42501', NULL,
	'a function that writes is not for everybody');
RESET ROLE;

-- read-only transactions, and a database that has no SQL objects of this version
SET LOCAL transaction_read_only = on;
SELECT throws_ok($$SELECT finops.rebuild_rollup('2020-10-01')$$, '25006',
	'cannot execute finops.rebuild_rollup in a read-only transaction', 'read-only transactions are told so');

SELECT * FROM finish();
ROLLBACK;
