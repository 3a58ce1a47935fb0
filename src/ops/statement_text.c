/*-------------------------------------------------------------------------
 *
 * statement_text.c
 *	  The text of a statement without what it was given.  Pure.
 *
 * Strings of every kind (plain, escaped, bit, hexadecimal, Unicode, dollar
 * quoted) and numbers become "?", comments go, and white space is one blank.
 * What is left are key words, names and operators, so that a password in
 * ALTER ROLE or an account in WHERE is never kept, and the same statement
 * with other values has the same text.  A string that does not end masks the
 * rest.  What lies between is copied byte by byte: every encoding that a
 * server can have keeps ASCII bytes for ASCII characters.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/statement_text.h"

typedef struct Masked
{
	char	   *out;
	size_t		size;
	size_t		used;
	bool		blank;			/* white space stands before what comes next */
	bool		cut;
} Masked;

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
starts_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char) c >= 0x80;
}

static bool
in_name(char c)
{
	return starts_name(c) || is_digit(c) || c == '$';
}

static void
put(Masked *m, const char *s, size_t len)
{
	if (m->blank && m->used > 0)
	{
		m->blank = false;
		put(m, " ", 1);
	}
	m->blank = false;
	if (len > m->size - 1 - m->used)
	{
		len = m->size - 1 - m->used;
		m->cut = true;
	}
	memcpy(m->out + m->used, s, len);
	m->used += len;
}

/* Past a comment that may hold others. */
static size_t
skip_comment(const char *sql, size_t len, size_t at)
{
	int			depth = 0;

	while (at < len)
	{
		if (at + 1 < len && sql[at] == '/' && sql[at + 1] == '*')
		{
			depth++;
			at += 2;
		}
		else if (at + 1 < len && sql[at] == '*' && sql[at + 1] == '/')
		{
			at += 2;
			if (--depth == 0)
				break;
		}
		else
			at++;
	}
	return at;
}

/* Past a string that begins with a quote at this place. */
static size_t
skip_string(const char *sql, size_t len, size_t at, char quote, bool backslash)
{
	for (at++; at < len; at++)
	{
		if (backslash && sql[at] == '\\')
			at++;
		else if (sql[at] == quote)
		{
			if (at + 1 < len && sql[at + 1] == quote)
				at++;
			else
				return at + 1;
		}
	}
	return len;
}

/* Past $tag$...$tag$; the place itself where that is none. */
static size_t
skip_dollar(const char *sql, size_t len, size_t at)
{
	size_t		end = at + 1;
	size_t		tag;

	if (end < len && starts_name(sql[end]))
		while (end < len && in_name(sql[end]) && sql[end] != '$')
			end++;
	if (end >= len || sql[end] != '$')
		return at;
	tag = end + 1 - at;
	for (end++; end + tag <= len; end++)
		if (memcmp(sql + end, sql + at, tag) == 0)
			return end + tag;
	return len;
}

/* Past digits with a point, an exponent, or another base. */
static size_t
skip_number(const char *sql, size_t len, size_t at)
{
	while (at < len && (in_name(sql[at]) || sql[at] == '.' ||
						((sql[at] == '+' || sql[at] == '-') && (sql[at - 1] == 'e' || sql[at - 1] == 'E') &&
						 at + 1 < len && is_digit(sql[at + 1]))))
		at++;
	return at;
}

/* A name, or the prefix of a string: E'', B'', X'', N'', U&''. */
static size_t
take_name(Masked *m, const char *sql, size_t len, size_t at, bool backslash)
{
	size_t		end = at;
	char		first = sql[at] & ~0x20;

	while (end < len && in_name(sql[end]))
		end++;
	if (end == at + 1 && end < len)
	{
		if (sql[end] == '\'' && (first == 'E' || first == 'B' || first == 'X' || first == 'N'))
		{
			put(m, "?", 1);
			return skip_string(sql, len, end, '\'', first == 'E' || (first == 'N' && backslash));
		}
		if (first == 'U' && sql[end] == '&' && end + 1 < len && sql[end + 1] == '\'')
		{
			put(m, "?", 1);
			return skip_string(sql, len, end + 1, '\'', false);
		}
	}
	put(m, sql + at, end - at);
	return end;
}

size_t
StatementMask(const char *sql, size_t len, bool backslash, char *out, size_t size, bool *cut)
{
	Masked		m = {out, size, 0, false, false};
	size_t		at = 0;

	while (at < len && !m.cut)
	{
		char		c = sql[at];
		char		next = at + 1 < len ? sql[at + 1] : '\0';
		size_t		end;

		if (is_space(c))
		{
			m.blank = true;
			at++;
		}
		else if (c == '-' && next == '-')
		{
			while (at < len && sql[at] != '\n' && sql[at] != '\r')
				at++;
			m.blank = true;
		}
		else if (c == '/' && next == '*')
		{
			at = skip_comment(sql, len, at);
			m.blank = true;
		}
		else if (c == '\'')
		{
			put(&m, "?", 1);
			at = skip_string(sql, len, at, '\'', backslash);
		}
		else if (c == '"')
		{
			end = skip_string(sql, len, at, '"', false);
			put(&m, sql + at, end - at);
			at = end;
		}
		else if (c == '$' && (end = skip_dollar(sql, len, at)) != at)
		{
			put(&m, "?", 1);
			at = end;
		}
		else if (c == '$' && is_digit(next))
		{
			/* a parameter */
			for (end = at + 1; end < len && is_digit(sql[end]); end++)
				;
			put(&m, sql + at, end - at);
			at = end;
		}
		else if (is_digit(c) || (c == '.' && is_digit(next)))
		{
			put(&m, "?", 1);
			at = skip_number(sql, len, at + 1);
		}
		else if (starts_name(c))
			at = take_name(&m, sql, len, at, backslash);
		else
		{
			put(&m, sql + at, 1);
			at++;
		}
	}
	while (m.used > 0 && (out[m.used - 1] == ';' || out[m.used - 1] == ' '))
		m.used--;
	out[m.used] = '\0';
	*cut = m.cut;
	return m.used;
}

void
StatementKind(const char *masked, char *out, size_t size)
{
	size_t		n = 0;

	while (*masked == '(' || *masked == ' ')
		masked++;
	while (n + 1 < size && ((masked[n] >= 'a' && masked[n] <= 'z') || (masked[n] >= 'A' && masked[n] <= 'Z')))
	{
		out[n] = masked[n] & ~0x20;
		n++;
	}
	out[n] = '\0';
}
