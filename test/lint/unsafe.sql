-- Everything that scripts/lint_sql.py forbids, once or more; lint.sh checks that
-- each rule speaks up.  No server ever runs this file.
SELECT count(*) FROM x WHERE a = 1;
SET LOCAL search_path TO pg_catalog, pg_temp;
CREATE SCHEMA IF NOT EXISTS finops;
CREATE SCHEMA finops;
CREATE TABLE foo (a int);
CREATE TABLE IF NOT EXISTS finops.foo (a int);
CREATE OR REPLACE VIEW finops.v AS SELECT count(*) FROM finops.foo;
CREATE FUNCTION finops.a(x int) RETURNS int LANGUAGE sql STABLE AS $$ select count(*) from foo where a = 1 $$;
CREATE FUNCTION finops.b(x int) RETURNS int LANGUAGE sql STABLE RETURN 1;
CREATE OR REPLACE FUNCTION finops.c(x int) RETURNS int LANGUAGE plpgsql SET search_path = finops, pg_temp AS $$ declare y int := 3 + 4; begin y := f(x); for y in select a from foo loop if y > 3 then perform g(); end if; end loop; commit; case x when 1 then null; else null; end case; return y; end $$;
CREATE FUNCTION finops.d(x int) RETURNS int LANGUAGE sql STABLE SECURITY DEFINER AS $$ select 1 operator(pg_catalog.+) case x when 1 then 2 end $$;
CREATE FUNCTION finops.e(x int) RETURNS int LANGUAGE sql STABLE SET search_path = 'pg_catalog, pg_temp' AS $$ select 1 + 1 $$;
CREATE FUNCTION finops.g(x int) RETURNS int LANGUAGE sql STABLE SET search_path = pg_catalog, finops, pg_temp AS $$ select 1 + 1 $$;
CREATE AGGREGATE finops.ag (numeric) (sfunc = finops.x, stype = internal);
DO $$ begin perform foo(1); end $$;
REVOKE ALL ON FUNCTION finops.g(int) FROM PUBLIC;
SET search_path = public;
DO $$ begin perform foo(1); end $$;
CREATE SEQUENCE IF NOT EXISTS finops.s;
ALTER SEQUENCE s RESTART;
CREATE INDEX IF NOT EXISTS i ON finops.foo (a);
CREATE SERVER IF NOT EXISTS f FOREIGN DATA WRAPPER w;
CREATE OR REPLACE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION finops.a(internal));
CREATE OR REPLACE AGGREGATE finops.ag (numeric) (sfunc = finops.x, stype = numeric);
CREATE FUNCTION finops.h() RETURNS int LANGUAGE sql AS $$ selec 1 $$;
