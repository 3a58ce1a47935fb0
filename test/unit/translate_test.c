/* links: src/compat/translate.c src/compat/sql_tokens.c */
/*
 * The translator: each rule, what it must not touch, and texts that end in
 * the middle of something.
 */
#include "compat/compat.h"

#include <stdio.h>
#include <stdlib.h>

static int	tests;
static int	failures;

typedef struct Buffer
{
	char		data[4096];
	size_t		len;
} Buffer;

static void
append(void *sink, const char *data, size_t len)
{
	Buffer	   *buffer = sink;

	if (buffer->len + len < sizeof(buffer->data))
		memcpy(buffer->data + buffer->len, data, len);
	buffer->len += len;
}

/* The text is copied to its exact size, so that a read beyond it is caught. */
static void
translates(const char *dialect, const char *sql, const char *expected)
{
	TranslateDialect d;
	size_t		len = strlen(sql);
	char	   *exact = malloc(len > 0 ? len : 1);
	void	   *workspace;
	Buffer		out = {.len = 0};
	bool		same;

	memcpy(exact, sql, len);
	if (!TranslateDialectByName(dialect, &d))
		abort();
	workspace = malloc(TranslateWorkspace(exact, len, d));
	TranslateSql(exact, len, d, workspace, NULL, append, &out);
	same = out.len == strlen(expected) &&
		memcmp(out.data, expected, out.len) == 0;
	printf("%sok %d - %s: %.*s\n", same ? "" : "not ", ++tests, dialect,
		   (int) strcspn(sql, "\n#"), sql);
	if (!same)
	{
		failures++;
		printf("# got      %.*s\n# expected %s\n", (int) out.len, out.data, expected);
	}
	free(workspace);
	free(exact);
}

static void
keeps(const char *dialect, const char *sql)
{
	translates(dialect, sql, sql);
}

static void
dates(void)
{
	translates("snowflake", "SELECT CURRENT_DATE();", "SELECT CURRENT_DATE;");
	translates("snowflake", "SELECT current_timestamp ( )", "SELECT current_timestamp");
	translates("mysql", "SELECT CURRENT_DATE()AS d", "SELECT CURRENT_DATE AS d");
	translates("trino", "f(current_date(/* c */))", "f(current_date/* c */)");
	translates("snowflake", "CURRENT_DATE -- c\n ()+1", "CURRENT_DATE-- c\n +1");
	keeps("snowflake", "SELECT CURRENT_TIMESTAMP(3), CURRENT_DATE, s.CURRENT_DATE()");
	keeps("snowflake", "SELECT 'CURRENT_DATE()', $$CURRENT_DATE()$$, \"CURRENT_DATE()\" -- CURRENT_DATE()");
	keeps("snowflake", "/* CURRENT_DATE() */ SELECT $x$CURRENT_DATE()$x$");
	keeps("postgresql", "SELECT CURRENT_DATE()");
	translates("snowflake", "'it''s', CURRENT_DATE()", "'it''s', CURRENT_DATE");
	translates("snowflake", "DATEADD(week, -4, CURRENT_DATE())", "DATEADD('week', -4, CURRENT_DATE)");
	keeps("snowflake", "DATEADD('week', -4, d)");
	keeps("mysql", "DATEDIFF(a, b)");
}

static void
having(void)
{
	translates("snowflake",
			   "SELECT m, AVG(d) as a FROM t GROUP BY 1 HAVING a > 300 ORDER BY a DESC",
			   "SELECT m, AVG(d) as a FROM t GROUP BY 1 HAVING AVG(d) > 300 ORDER BY a DESC");
	translates("snowflake", "SELECT SUM(x)/2 half FROM t HAVING (half > 1 OR round(HALF) < 0)",
			   "SELECT SUM(x)/2 half FROM t HAVING ((SUM(x)/2) > 1 OR round((SUM(x)/2)) < 0)");
	/* a name in an aggregate's arguments is an input column */
	translates("snowflake", "SELECT SUM(cost) AS cost FROM t HAVING SUM(cost) > 3 AND cost < 9",
			   "SELECT SUM(cost) AS cost FROM t HAVING SUM(cost) > 3 AND SUM(cost) < 9");
	/* every block sees its own aliases only */
	translates("snowflake",
			   "WITH c AS (SELECT k, MAX(v) AS m FROM t GROUP BY k HAVING m > 1) "
			   "SELECT k, MIN(m) AS m2 FROM c GROUP BY k HAVING m2 > 2 AND m > 0",
			   "WITH c AS (SELECT k, MAX(v) AS m FROM t GROUP BY k HAVING MAX(v) > 1) "
			   "SELECT k, MIN(m) AS m2 FROM c GROUP BY k HAVING MIN(m) > 2 AND m > 0");
	translates("snowflake", "SELECT (SELECT MAX(a) AS x FROM u HAVING x > 0) AS s, COUNT(*) AS n FROM t HAVING n > 1",
			   "SELECT (SELECT MAX(a) AS x FROM u HAVING MAX(a) > 0) AS s, COUNT(*) AS n FROM t HAVING COUNT(*) > 1");
	translates("snowflake", "SELECT COUNT(*) AS n FROM t HAVING n > (SELECT n FROM u) AND n < 9",
			   "SELECT COUNT(*) AS n FROM t HAVING COUNT(*) > (SELECT n FROM u) AND COUNT(*) < 9");
	translates("snowflake", "SELECT COUNT(*) AS n FROM t HAVING EXISTS (WITH n AS (SELECT 1) SELECT n FROM n)",
			   "SELECT COUNT(*) AS n FROM t HAVING EXISTS (WITH n AS (SELECT 1) SELECT n FROM n)");
	translates("hive", "SELECT a IS DISTINCT FROM b AS x, LISTAGG(c) WITHIN GROUP (ORDER BY c) AS l FROM t HAVING l > x",
			   "SELECT a IS DISTINCT FROM b AS x, LISTAGG(c) WITHIN GROUP (ORDER BY c) AS l FROM t "
			   "HAVING (LISTAGG(c) WITHIN GROUP (ORDER BY c)) > (a IS DISTINCT FROM b)");
	translates("snowflake", "SELECT AVG(CURRENT_DATE() - d) \"Age\", -- age\n 1 FROM t HAVING \"Age\" > 1 AND \"age\" > 1",
			   "SELECT AVG(CURRENT_DATE - d) \"Age\", -- age\n 1 FROM t HAVING AVG(CURRENT_DATE - d) > 1 AND \"age\" > 1");
	translates("snowflake", "SELECT SUM(a -- why\n + b) AS s FROM t HAVING s > 1",
			   "SELECT SUM(a -- why\n + b) AS s FROM t HAVING SUM(a  \n + b) > 1");
	translates("snowflake", "SELECT 1 AS a UNION SELECT SUM(x) AS b FROM t HAVING a > 1 AND b > 1",
			   "SELECT 1 AS a UNION SELECT SUM(x) AS b FROM t HAVING a > 1 AND SUM(x) > 1");
	keeps("snowflake", "SELECT COUNT(*) AS n FROM t HAVING t.n > 1 AND n(1) > 0 AND n.x > 0");
	keeps("snowflake", "SELECT CASE WHEN a THEN b END FROM t HAVING END > 1");
	keeps("trino", "SELECT MAX(a) AS a FROM t GROUP BY a HAVING a > 1");
	keeps("snowflake", "SELECT MAX(a) AS m FROM t; SELECT 1 HAVING m > 1");
}

static void
statements(void)
{
	translates("snowflake", "SHOW WAREHOUSES;", "SELECT * FROM finops.show_warehouses();");
	translates("snowflake", "-- status\nshow\n warehouses", "-- status\nSELECT * FROM finops.show_warehouses()");
	keeps("snowflake", "SHOW WAREHOUSES LIKE 'x'");
	translates("hive", "SHOW PARTITIONS cur_database.cur_table;",
			   "SELECT * FROM finops.show_partitions('cur_database.cur_table');");
	translates("athena", "SHOW PARTITIONS `d``b` /* x */ . \"t'1\"",
			   "SELECT * FROM finops.show_partitions('\"d\"\"b\".\"t''1\"')");
	keeps("hive", "SHOW PARTITIONS t PARTITION (a = 1)");
	translates("hive", "MSCK REPAIR TABLE cur_database.cur_table",
			   "SELECT finops.msck_repair_table('cur_database.cur_table')");
	translates("athena", "SELECT 1; MSCK REPAIR TABLE t SYNC PARTITIONS; SELECT CURRENT_DATE()",
			   "SELECT 1; SELECT finops.msck_repair_table('t'); SELECT CURRENT_DATE");
	translates("hive", "MSCK TABLE t", "SELECT finops.msck_repair_table('t')");
	keeps("hive", "SELECT 1 AS msck, repair FROM table_t");
	keeps("hive", "MSCK REPAIR TABLE");
}

static void
lexemes(void)
{
	translates("snowflake", "SELECT 'it\\'s CURRENT_DATE()', CURRENT_DATE()",
			   "SELECT E'it\\'s CURRENT_DATE()', CURRENT_DATE");
	translates("snowflake", "SELECT'a\\n'", "SELECT E'a\\n'");
	translates("trino", "SELECT 'a\\', CURRENT_DATE()", "SELECT 'a\\', CURRENT_DATE");
	translates("hive", "SELECT `a b`, \"it is\", \"it's\"", "SELECT \"a b\", 'it is', \"it's\"");
	translates("mysql", "SELECT 1 # CURRENT_DATE()\n, 2--1", "SELECT 1 -- CURRENT_DATE()\n, 2--1");
	translates("snowflake", "SELECT 1 // CURRENT_DATE()\n, a/2", "SELECT 1 -- CURRENT_DATE()\n, a/2");
	translates("snowflake", "/* /* */ CURRENT_DATE()", "/* /* */ CURRENT_DATE");
	keeps("snowflake", "");
	keeps("snowflake", "'");
	translates("snowflake", "'\\", "E'\\");
	keeps("snowflake", "$$ CURRENT_DATE()");
	keeps("snowflake", "/* CURRENT_DATE()");
	keeps("snowflake", "\"CURRENT_DATE()");
	keeps("snowflake", ")))) HAVING ((((, ; SELECT , , FROM HAVING");
	keeps("snowflake", "SELECT a$b, $1, 1.5e-3, .5, x::date");
	translates("mysql", "#", "--");
	translates("snowflake", "SELECT \xc3\xa4() , CURRENT_DATE()\xc3\xa4", "SELECT \xc3\xa4() , CURRENT_DATE \xc3\xa4");
}

int
main(void)
{
	dates();
	having();
	statements();
	lexemes();
	printf("1..%d\n", tests);
	return failures == 0 ? 0 : 1;
}
