/*-------------------------------------------------------------------------
 *
 * s3_xml.c
 *	  A small strict scanner for the XML that S3 answers.
 *
 * S3 sends elements, text, the five named entities and character
 * references, namespace attributes on the root and nothing else, so nothing
 * else is accepted.  Decoded text is never longer than its source and
 * replaces it, so scanning needs no memory.
 *
 *-------------------------------------------------------------------------
 */
#include "core/s3_xml.h"

#define MAX_DEPTH	8
#define MAX_PATH	256

typedef struct Scanner
{
	char	   *at;
	char	   *end;
	char		path[MAX_PATH]; /* names of the open elements, "/" between */
	size_t		path_len;
	size_t		parent_len[MAX_DEPTH];	/* of the path without the last name */
	int			depth;
	S3XmlElement element;
	void	   *arg;
} Scanner;

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == ':';
}

static void
skip_space(Scanner *s)
{
	while (s->at < s->end && is_space(*s->at))
		s->at++;
}

static bool
looking_at(const Scanner *s, const char *text)
{
	size_t		len = strlen(text);

	return (size_t) (s->end - s->at) >= len && memcmp(s->at, text, len) == 0;
}

static size_t
name_length(const Scanner *s)
{
	const char *p = s->at;

	while (p < s->end && is_name_char(*p))
		p++;
	return (size_t) (p - s->at);
}

/* ---------------------------------------------------------------------
 * Text
 * ---------------------------------------------------------------------
 */

/* A code point as UTF-8; bytes written, 0 for what XML does not allow. */
static int
put_utf8(unsigned long c, char *out)
{
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ||
		(c < 0x20 && c != 9 && c != 10 && c != 13))
		return 0;
	if (c < 0x80)
	{
		out[0] = (char) c;
		return 1;
	}
	if (c < 0x800)
	{
		out[0] = (char) (0xc0 | (c >> 6));
		out[1] = (char) (0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000)
	{
		out[0] = (char) (0xe0 | (c >> 12));
		out[1] = (char) (0x80 | ((c >> 6) & 0x3f));
		out[2] = (char) (0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char) (0xf0 | (c >> 18));
	out[1] = (char) (0x80 | ((c >> 12) & 0x3f));
	out[2] = (char) (0x80 | ((c >> 6) & 0x3f));
	out[3] = (char) (0x80 | (c & 0x3f));
	return 4;
}

/* "#10;" or "#xA;" after the ampersand; bytes written, 0 for a bad one. */
static int
character_reference(Scanner *s, char *out)
{
	unsigned long c = 0;
	int			base = 10,
				digits = 0;

	s->at++;
	if (s->at < s->end && *s->at == 'x')
	{
		base = 16;
		s->at++;
	}
	for (; s->at < s->end; s->at++)
	{
		int			digit = FinopsHexDigit(*s->at);

		if (digit < 0 || digit >= base)
			break;
		if (++digits > 8)
			return 0;
		c = c * base + digit;
	}
	if (digits == 0 || s->at >= s->end || *s->at != ';')
		return 0;
	s->at++;
	return put_utf8(c, out);
}

/* What stands at an ampersand; bytes written, 0 for a bad one. */
static int
entity(Scanner *s, char *out)
{
	static const struct
	{
		const char *text;
		char		c;
	}			named[] = {
		{"amp;", '&'}, {"lt;", '<'}, {"gt;", '>'}, {"quot;", '"'}, {"apos;", '\''}
	};

	s->at++;
	if (s->at < s->end && *s->at == '#')
		return character_reference(s, out);
	for (size_t i = 0; i < lengthof(named); i++)
		if (looking_at(s, named[i].text))
		{
			s->at += strlen(named[i].text);
			*out = named[i].c;
			return 1;
		}
	return 0;
}

/* Text up to the next tag, decoded in place; false when malformed. */
static bool
scan_text(Scanner *s, char **text, size_t *len)
{
	char	   *out = s->at;

	*text = out;
	while (s->at < s->end && *s->at != '<')
	{
		if (*s->at == '&')
		{
			char		bytes[4];
			int			n = entity(s, bytes);

			if (n == 0)
				return false;
			memcpy(out, bytes, (size_t) n);
			out += n;
			continue;
		}
		if ((unsigned char) *s->at < ' ' && !is_space(*s->at))
			return false;
		*out++ = *s->at++;
	}
	*len = (size_t) (out - *text);
	return s->at < s->end;
}

/* ---------------------------------------------------------------------
 * Elements
 * ---------------------------------------------------------------------
 */

/* Attributes say nothing that is needed; they end with the tag. */
static bool
skip_attributes(Scanner *s, bool *closed)
{
	for (;;)
	{
		bool		gap = s->at < s->end && is_space(*s->at);
		size_t		n;
		char		quote;

		skip_space(s);
		*closed = looking_at(s, "/>");
		if (*closed || looking_at(s, ">"))
		{
			s->at += *closed ? 2 : 1;
			return true;
		}
		n = name_length(s);
		if (!gap || n == 0)
			return false;
		s->at += n;
		if (s->end - s->at < 2 || *s->at != '=' || (s->at[1] != '"' && s->at[1] != '\''))
			return false;
		quote = s->at[1];
		for (s->at += 2; s->at < s->end && *s->at != quote; s->at++)
			if (*s->at == '<')
				return false;
		if (s->at >= s->end)
			return false;
		s->at++;
	}
}

static bool
open_element(Scanner *s)
{
	size_t		n = name_length(s);

	if (n == 0 || s->depth == MAX_DEPTH || s->path_len + n + 2 > MAX_PATH)
		return false;
	s->parent_len[s->depth++] = s->path_len;
	if (s->path_len > 0)
		s->path[s->path_len++] = '/';
	memcpy(s->path + s->path_len, s->at, n);
	s->path_len += n;
	s->path[s->path_len] = '\0';
	s->at += n;
	return true;
}

static bool
close_element(Scanner *s, const char *text, size_t len)
{
	if (!s->element(s->arg, s->path, text, len))
		return false;
	s->path_len = s->parent_len[--s->depth];
	s->path[s->path_len] = '\0';
	return true;
}

/* The end tag at s, which must be that of the innermost element. */
static bool
end_tag(Scanner *s)
{
	size_t		from = s->parent_len[s->depth - 1];
	size_t		n = name_length(s);

	from += from > 0;
	if (n != s->path_len - from || memcmp(s->at, s->path + from, n) != 0)
		return false;
	s->at += n;
	skip_space(s);
	if (s->at >= s->end || *s->at != '>')
		return false;
	s->at++;
	return true;
}

static bool
skip_declaration(Scanner *s)
{
	if (!looking_at(s, "<?xml "))
		return true;
	while (s->at < s->end && *s->at != '>')
		s->at++;
	if (s->at >= s->end || s->at[-1] != '?')
		return false;
	s->at++;
	return true;
}

static bool
all_space(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_space(text[i]))
			return false;
	return true;
}

bool
S3XmlScan(char *xml, size_t len, S3XmlElement element, void *arg)
{
	Scanner		s = {.at = xml, .end = xml + len, .element = element, .arg = arg};
	bool		leaf = false;	/* the innermost element has no child yet */

	if (looking_at(&s, "\xef\xbb\xbf"))
		s.at += 3;
	if (!skip_declaration(&s))
		return false;
	skip_space(&s);
	do
	{
		char	   *text = s.at;
		size_t		text_len = 0;
		bool		closed = false;

		if (s.depth > 0 && !scan_text(&s, &text, &text_len))
			return false;
		if (s.at >= s.end || *s.at != '<')
			return false;
		s.at++;
		if (s.at < s.end && *s.at == '/')
		{
			s.at++;
			if (s.depth == 0 || !end_tag(&s) ||
				(!leaf && !all_space(text, text_len)) ||
				!close_element(&s, leaf ? text : "", leaf ? text_len : 0))
				return false;
			leaf = false;
			continue;
		}
		if (!all_space(text, text_len) || !open_element(&s) || !skip_attributes(&s, &closed))
			return false;
		leaf = !closed;
		if (closed && !close_element(&s, "", 0))
			return false;
	} while (s.depth > 0);
	skip_space(&s);
	return s.at == s.end;
}

/* ---------------------------------------------------------------------
 * What is read from it
 * ---------------------------------------------------------------------
 */

size_t
S3UrlDecode(char *text, size_t len)
{
	size_t		n = 0;

	for (size_t i = 0; i < len; i++)
	{
		if (text[i] == '%' && len - i > 2 && FinopsHexDigit(text[i + 1]) >= 0 &&
			FinopsHexDigit(text[i + 2]) >= 0)
		{
			text[n++] = (char) (FinopsHexDigit(text[i + 1]) * 16 + FinopsHexDigit(text[i + 2]));
			i += 2;
		}
		else
			text[n++] = text[i] == '+' ? ' ' : text[i];
	}
	return n;
}

/* As much as fits, cut at a character, without control characters. */
static void
keep(char *to, size_t size, const char *text, size_t len)
{
	size_t		n = Min(len, size - 1);

	while (n < len && n > 0 && ((unsigned char) text[n] & 0xc0) == 0x80)
		n--;
	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char) text[i] < ' ' ? ' ' : text[i];
	to[n] = '\0';
}

static bool
error_element(void *arg, const char *path, const char *text, size_t len)
{
	S3Error    *error = arg;

	if (strcmp(path, "Error/Code") == 0)
		keep(error->code, sizeof(error->code), text, len);
	else if (strcmp(path, "Error/Message") == 0)
		keep(error->message, sizeof(error->message), text, len);
	else if (strcmp(path, "Error/Region") == 0)
		keep(error->region, sizeof(error->region), text, len);
	return true;
}

bool
S3ErrorParse(char *xml, size_t len, S3Error *error)
{
	memset(error, 0, sizeof(*error));
	return S3XmlScan(xml, len, error_element, error) && error->code[0] != '\0';
}
