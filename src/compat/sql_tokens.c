/*-------------------------------------------------------------------------
 *
 * sql_tokens.c
 *	  SQL text cut into tokens, by the lexical rules of its dialect.
 *
 * Tokens cover the text without a gap, so writing them all gives the text
 * back.  Nothing is an error here: a string or comment that does not end
 * reaches to the end of the text, and the server's parser will say so.
 * Bytes from 0x80 on belong to words; every server encoding keeps ASCII
 * bytes out of its multibyte characters.
 *
 *-------------------------------------------------------------------------
 */
#include "compat/compat.h"

/* Does a backslash in a string take the next character literally? */
bool
SqlBackslashEscapes(TranslateDialect dialect)
{
	return dialect == TRANSLATE_SNOWFLAKE || dialect == TRANSLATE_HIVE ||
		dialect == TRANSLATE_MYSQL;
}

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_word_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
		(c & 0x80) != 0;
}

bool
SqlIsWordByte(char c)
{
	return is_word_start(c) || is_digit(c) || c == '$';
}

/* End of a line comment that begins at p, or NULL if none begins there. */
static const char *
line_comment(const char *p, const char *end, TranslateDialect dialect)
{
	bool		begins = false;

	if (*p == '#')
		begins = dialect == TRANSLATE_MYSQL;
	else if (end - p >= 2 && p[0] == '-' && p[1] == '-')
		begins = dialect != TRANSLATE_MYSQL || end - p == 2 || is_space(p[2]);
	else if (end - p >= 2 && p[0] == '/' && p[1] == '/')
		begins = dialect == TRANSLATE_SNOWFLAKE;
	if (!begins)
		return NULL;
	while (p < end && *p != '\n' && *p != '\r')
		p++;
	return p;
}

/* PostgreSQL alone nests block comments. */
static const char *
block_comment(const char *p, const char *end, TranslateDialect dialect)
{
	int			depth = 0;

	if (end - p < 2 || p[0] != '/' || p[1] != '*')
		return NULL;
	while (end - p >= 2)
	{
		if (p[0] == '/' && p[1] == '*' &&
			(depth == 0 || dialect == TRANSLATE_POSTGRESQL))
			depth++;
		else if (p[0] == '*' && p[1] == '/')
			depth--;
		else
		{
			p++;
			continue;
		}
		p += 2;
		if (depth == 0)
			return p;
	}
	return end;
}

/* End of text quoted by the character at p; doubled quotes stay inside. */
static const char *
quoted(const char *p, const char *end, bool backslash)
{
	char		quote = *p++;

	while (p < end)
	{
		if (backslash && *p == '\\' && end - p >= 2)
			p += 2;
		else if (*p != quote)
			p++;
		else if (end - p >= 2 && p[1] == quote)
			p += 2;
		else
			return p + 1;
	}
	return end;
}

/* $$ ... $$ or $tag$ ... $tag$; NULL if none begins at p. */
static const char *
dollar_quoted(const char *p, const char *end)
{
	const char *tag = p++;
	size_t		tag_len;

	if (p < end && is_word_start(*p))
		while (p < end && *p != '$' && SqlIsWordByte(*p))
			p++;
	if (p >= end || *p != '$')
		return NULL;
	tag_len = ++p - tag;
	for (; (size_t) (end - p) >= tag_len; p++)
		if (*p == '$' && memcmp(p, tag, tag_len) == 0)
			return p + tag_len;
	return end;
}

static const char *
number(const char *p, const char *end)
{
	while (p < end && (SqlIsWordByte(*p) || *p == '.' ||
					   ((*p == '+' || *p == '-') &&
						(p[-1] == 'e' || p[-1] == 'E') &&
						end - p >= 2 && is_digit(p[1]))))
		p++;
	return p;
}

static const char *
next_token(const char *p, const char *end, TranslateDialect dialect,
		   SqlTokenKind *kind)
{
	const char *stop;
	bool		backslash = SqlBackslashEscapes(dialect);
	bool		double_is_string = dialect == TRANSLATE_MYSQL ||
		dialect == TRANSLATE_HIVE;

	*kind = SQL_SPACE;
	if (is_space(*p))
	{
		while (p < end && is_space(*p))
			p++;
		return p;
	}
	*kind = SQL_COMMENT;
	if ((stop = line_comment(p, end, dialect)) != NULL ||
		(stop = block_comment(p, end, dialect)) != NULL)
		return stop;
	*kind = SQL_STRING;
	if (*p == '\'' || (*p == '"' && double_is_string))
		return quoted(p, end, backslash);
	if (*p == '$' && (stop = dollar_quoted(p, end)) != NULL)
		return stop;
	*kind = SQL_QUOTED;
	if (*p == '"' || *p == '`')
		return quoted(p, end, false);
	*kind = SQL_WORD;
	if (is_word_start(*p))
	{
		while (p < end && SqlIsWordByte(*p))
			p++;
		return p;
	}
	*kind = SQL_NUMBER;
	if (is_digit(*p) || (*p == '.' && end - p >= 2 && is_digit(p[1])))
		return number(p + 1, end);
	*kind = SQL_SYMBOL;
	return p + 1;
}

/* Returns the number of tokens; writes them unless tokens is NULL. */
size_t
SqlScan(const char *sql, size_t len, TranslateDialect dialect,
		SqlToken *tokens)
{
	const char *p = sql;
	const char *end = sql + len;
	size_t		n = 0;

	while (p < end)
	{
		SqlTokenKind kind;
		const char *stop = next_token(p, end, dialect, &kind);

		if (tokens != NULL)
			tokens[n] = (SqlToken) {(uint32) (p - sql), (uint32) (stop - p), kind};
		n++;
		p = stop;
	}
	return n;
}
