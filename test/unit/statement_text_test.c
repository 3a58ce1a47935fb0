/* links: src/ops/statement_text.c */
/*-------------------------------------------------------------------------
 *
 * statement_text_test.c
 *	  Texts of statements: nothing that was given stays, everything else does.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/statement_text.h"

#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

static void
masked(const char *sql, bool backslash, const char *expected)
{
	char		out[256];
	char		text[600];
	bool		cut;
	/* on the heap, so that a byte beyond the end is seen */
	size_t		len = strlen(sql);
	char	   *copy = malloc(len + 1);

	memcpy(copy, sql, len);
	(void) StatementMask(copy, len, backslash, out, sizeof(out), &cut);
	snprintf(text, sizeof(text), "%s -> %s (%s)", sql, expected, out);
	for (char *p = text; *p != '\0'; p++)
		if (*p == '\n' || *p == '#')
			*p = ' ';
	ok(strcmp(out, expected) == 0, text);
	free(copy);
}

static void
kind(const char *sql, const char *expected)
{
	char		out[16];

	StatementKind(sql, out, sizeof(out));
	ok(strcmp(out, expected) == 0, expected);
}

int
main(void)
{
	char		small[8];
	bool		cut;

	masked("SELECT 1", false, "SELECT ?");
	masked("  SELECT\n\t*\r\nFROM  t ; ", false, "SELECT * FROM t");
	masked("SELECT 'a''b', 'c'", false, "SELECT ?, ?");
	masked("SELECT 'a\\', 'secret'", false, "SELECT ?, ?");
	masked("SELECT 'a\\', 'secret'", true, "SELECT ?secret?");
	masked("SELECT 'a\\'b', c", true, "SELECT ?, c");
	masked("SELECT E'a\\'b', b'01', X'ff', N'x', u&'d\\0061t', e2, U", false, "SELECT ?, ?, ?, ?, ?, e2, U");
	masked("SELECT \"a 'b' 1\", \"c\"\"d\"", false, "SELECT \"a 'b' 1\", \"c\"\"d\"");
	masked("DO $$ BEGIN PERFORM 'x'; END $$", false, "DO ?");
	masked("SELECT $a$ $$ 'x' $b$ $a$, 2", false, "SELECT ?, ?");
	masked("SELECT $1, $2::text, a$b$c FROM t1 WHERE x2=3", false, "SELECT $1, $2::text, a$b$c FROM t1 WHERE x2=?");
	masked("SELECT 1.5e-3, .5, 0xFF, 1_000, -7, 12e+4-1", false, "SELECT ?, ?, ?, ?, -?, ?-?");
	masked("SELECT 1 -- password 'x'\n, 2 /* a /* 'b' */ c */ , 3", false, "SELECT ? , ? , ?");
	masked("SELECT 1 /* open", false, "SELECT ?");
	masked("ALTER ROLE bob PASSWORD 'hunter2'", false, "ALTER ROLE bob PASSWORD ?");
	masked("ALTER ROLE bob PASSWORD 'hunter2", false, "ALTER ROLE bob PASSWORD ?");
	masked("SELECT $tag$ never ends", false, "SELECT ?");
	masked("SELECT \"never ends", false, "SELECT \"never ends");
	masked("INSERT INTO t VALUES (1,'a'),(2,'b')", false, "INSERT INTO t VALUES (?,?),(?,?)");
	masked("SELECT a-1, b- -2, c/d, e*/*x*/f", false, "SELECT a-?, b- -?, c/d, e* f");
	masked("SELECT na\xc3\xafve, '\xc3\xa9'", false, "SELECT na\xc3\xafve, ?");
	masked("FOR i IN 1..10", false, "FOR i IN ?");
	masked("'", false, "?");
	masked("E'\\", false, "?");
	masked("$", false, "$");
	masked("", false, "");
	masked(";;;", false, "");
	ok(StatementMask("SELECT abc", 10, false, small, sizeof(small), &cut) == 6 && cut &&
	   strcmp(small, "SELECT") == 0, "a long text is cut, and its last blank with it");
	ok(StatementMask("SELECT a", 8, false, small, 1, &cut) == 0 && cut && small[0] == '\0', "nothing fits");
	ok(StatementMask("SELECTX", 7, false, small, sizeof(small), &cut) == 7 && !cut, "just enough");
	kind("select a", "SELECT");
	kind("(SELECT a)", "SELECT");
	kind("WITH x", "WITH");
	kind("", "");
	kind("? ?", "");
	kind("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "ABCDEFGHIJKLMNO");
	printf("1..%d\n", number);
	return failed > 0;
}
