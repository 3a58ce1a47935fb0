/*-------------------------------------------------------------------------
 *
 * json.c
 *	  The JSON objects that bills put into tag columns.
 *
 * A tag column goes to the server's jsonb as delivered, so it is checked
 * here first by the rules of jsonb: an error then names line and column of
 * the bill.  Nesting is followed with a small stack of bits, not by
 * recursion.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/bill.h"

#define JSON_MAX_DEPTH	64
#define JSON_MAX_NUMBER 200

typedef struct JsonScan
{
	const char *p;
	const char *end;
} JsonScan;

static void
skip_space(JsonScan *s)
{
	while (s->p < s->end &&
		   (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static bool
at(const JsonScan *s, char c)
{
	return s->p < s->end && *s->p == c;
}

static int
hex4(const char *p, const char *end)
{
	int			value = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		int			d = FinopsHexDigit(p[i]);

		if (d < 0)
			return -1;
		value = value * 16 + d;
	}
	return value;
}

/* Behind "\u": the code point, which is not zero; -1: not one. */
static int
take_code(JsonScan *s)
{
	int			code = hex4(s->p, s->end);
	int			low;

	if (code <= 0)
		return -1;
	s->p += 4;
	if (code >= 0xdc00 && code <= 0xdfff)
		return -1;
	if (code < 0xd800 || code > 0xdbff)
		return code;
	if (s->end - s->p < 6 || s->p[0] != '\\' || s->p[1] != 'u')
		return -1;
	low = hex4(s->p + 2, s->end);
	if (low < 0xdc00 || low > 0xdfff)
		return -1;
	s->p += 6;
	return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

/* A string at s->p; *text without its quotes. */
static bool
take_string(JsonScan *s, Slice *text)
{
	const char *start;

	if (!at(s, '"'))
		return false;
	start = ++s->p;
	while (s->p < s->end && *s->p != '"')
	{
		if ((unsigned char) *s->p < 0x20)
			return false;
		if (*s->p++ != '\\')
			continue;
		if (s->p == s->end)
			return false;
		if (*s->p == 'u')
		{
			s->p++;
			if (take_code(s) < 0)
				return false;
		}
		else if (strchr("\"\\/bfnrt", *s->p) == NULL || *s->p == '\0')
			return false;
		else
			s->p++;
	}
	if (s->p == s->end)
		return false;
	text->data = start;
	text->len = (int) (s->p - start);
	s->p++;
	return true;
}

static int
take_digits(JsonScan *s)
{
	const char *start = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return (int) (s->p - start);
}

static bool
take_number(JsonScan *s)
{
	const char *start = s->p;
	const char *digits;

	if (at(s, '-'))
		s->p++;
	digits = s->p;
	if (take_digits(s) == 0 || (*digits == '0' && s->p - digits > 1))
		return false;
	if (at(s, '.'))
	{
		s->p++;
		if (take_digits(s) == 0)
			return false;
	}
	if (at(s, 'e') || at(s, 'E'))
	{
		int			n;

		s->p++;
		if (at(s, '+') || at(s, '-'))
			s->p++;
		n = take_digits(s);
		if (n == 0 || n > 3)
			return false;
	}
	return s->p - start <= JSON_MAX_NUMBER;
}

static bool
take_word(JsonScan *s, const char *word)
{
	int			len = (int) strlen(word);

	if (s->end - s->p < len || memcmp(s->p, word, (size_t) len) != 0)
		return false;
	s->p += len;
	return true;
}

static bool
take_scalar(JsonScan *s)
{
	Slice		text;

	skip_space(s);
	if (at(s, '"'))
		return take_string(s, &text);
	if (at(s, 't'))
		return take_word(s, "true");
	if (at(s, 'f'))
		return take_word(s, "false");
	if (at(s, 'n'))
		return take_word(s, "null");
	return take_number(s);
}

static bool
take_key(JsonScan *s, Slice *key)
{
	skip_space(s);
	if (!take_string(s, key))
		return false;
	skip_space(s);
	if (!at(s, ':'))
		return false;
	s->p++;
	return true;
}

/*
 * A value of any kind.  stack[d] is the closing character of the container
 * at depth d.
 */
static bool
take_value(JsonScan *s)
{
	char		stack[JSON_MAX_DEPTH];
	int			depth = 0;
	Slice		key;

	for (;;)
	{
		/* s->p stands before a value */
		skip_space(s);
		if (at(s, '{') || at(s, '['))
		{
			char		close = at(s, '{') ? '}' : ']';

			s->p++;
			skip_space(s);
			if (!at(s, close))
			{
				if (depth == JSON_MAX_DEPTH)
					return false;
				stack[depth++] = close;
				if (close == '}' && !take_key(s, &key))
					return false;
				continue;
			}
			s->p++;
		}
		else if (!take_scalar(s))
			return false;

		/* behind a value: close what ends, go on where a comma stands */
		for (;;)
		{
			if (depth == 0)
				return true;
			skip_space(s);
			if (at(s, stack[depth - 1]))
			{
				s->p++;
				depth--;
				continue;
			}
			break;
		}
		if (!at(s, ','))
			return false;
		s->p++;
		if (stack[depth - 1] == '}' && !take_key(s, &key))
			return false;
	}
}

bool
JsonObject(Slice text, JsonVisit visit, void *arg)
{
	JsonScan	s = {text.data, text.data + text.len};

	skip_space(&s);
	if (!at(&s, '{'))
		return false;
	s.p++;
	skip_space(&s);
	if (at(&s, '}'))
		s.p++;
	else
		for (;;)
		{
			JsonMember	member;
			const char *start;

			if (!take_key(&s, &member.key))
				return false;
			skip_space(&s);
			start = s.p;
			member.is_string = at(&s, '"');
			if (!take_value(&s))
				return false;
			member.value.data = start;
			member.value.len = (int) (s.p - start);
			if (visit != NULL)
				visit(arg, &member);
			skip_space(&s);
			if (at(&s, ','))
			{
				s.p++;
				continue;
			}
			if (!at(&s, '}'))
				return false;
			s.p++;
			break;
		}
	skip_space(&s);
	return s.p == s.end;
}

bool
JsonArray(Slice text, JsonElement element, void *arg)
{
	JsonScan	s = {text.data, text.data + text.len};

	skip_space(&s);
	if (!at(&s, '['))
		return false;
	s.p++;
	skip_space(&s);
	if (at(&s, ']'))
		s.p++;
	else
		for (;;)
		{
			Slice		value;

			skip_space(&s);
			value.data = s.p;
			if (!take_value(&s))
				return false;
			value.len = (int) (s.p - value.data);
			if (!element(arg, value))
				return false;
			skip_space(&s);
			if (at(&s, ','))
			{
				s.p++;
				continue;
			}
			if (!at(&s, ']'))
				return false;
			s.p++;
			break;
		}
	skip_space(&s);
	return s.p == s.end;
}

bool
JsonValid(Slice text)
{
	JsonScan	s = {text.data, text.data + text.len};

	if (!take_value(&s))
		return false;
	skip_space(&s);
	return s.p == s.end;
}

static void
put_code(OutBuf *out, int code)
{
	char		c[4];
	size_t		n;

	if (code < 0x80)
	{
		c[0] = (char) code;
		n = 1;
	}
	else if (code < 0x800)
	{
		c[0] = (char) (0xc0 | (code >> 6));
		c[1] = (char) (0x80 | (code & 0x3f));
		n = 2;
	}
	else if (code < 0x10000)
	{
		c[0] = (char) (0xe0 | (code >> 12));
		c[1] = (char) (0x80 | ((code >> 6) & 0x3f));
		c[2] = (char) (0x80 | (code & 0x3f));
		n = 3;
	}
	else
	{
		c[0] = (char) (0xf0 | (code >> 18));
		c[1] = (char) (0x80 | ((code >> 12) & 0x3f));
		c[2] = (char) (0x80 | ((code >> 6) & 0x3f));
		c[3] = (char) (0x80 | (code & 0x3f));
		n = 4;
	}
	OutBytes(out, c, n);
}

static char
unescape(char c)
{
	switch (c)
	{
		case 'b':
			return '\b';
		case 'f':
			return '\f';
		case 'n':
			return '\n';
		case 'r':
			return '\r';
		case 't':
			return '\t';
		default:
			return c;
	}
}

/*
 * What stands between quotes, without its escapes.  scratch must have room
 * for all of it: slices of earlier texts point into it.
 */
Slice
JsonText(Slice text, OutBuf *scratch)
{
	JsonScan	s;
	size_t		start = scratch->len;

	if (memchr(text.data, '\\', (size_t) text.len) == NULL)
		return text;
	s.p = text.data;
	s.end = text.data + text.len;
	while (s.p < s.end)
	{
		char		c = *s.p++;

		if (c == '\\' && *s.p == 'u')
		{
			s.p++;
			put_code(scratch, take_code(&s));
			continue;
		}
		if (c == '\\')
			c = unescape(*s.p++);
		OutBytes(scratch, &c, 1);
	}
	text.data = scratch->data + start;
	text.len = (int) (scratch->len - start);
	return text;
}

Slice
JsonScalarText(const JsonMember *member, OutBuf *scratch)
{
	Slice		text = member->value;

	if (member->is_string)
		return JsonText((Slice) {text.data + 1, text.len - 2}, scratch);
	if (text.data[0] == '{' || text.data[0] == '[' || SliceEqual(text, "null"))
		text.data = NULL;
	return text;
}

void
JsonQuote(OutBuf *out, Slice s)
{
	static const char hex[] = "0123456789abcdef";

	OutBytes(out, "\"", 1);
	for (int i = 0; i < s.len; i++)
	{
		unsigned char c = (unsigned char) s.data[i];

		if (c == '"' || c == '\\')
		{
			char		pair[2] = {'\\', (char) c};

			OutBytes(out, pair, 2);
		}
		else if (c < 0x20)
		{
			char		code[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

			OutBytes(out, code, 6);
		}
		else
			OutBytes(out, (const char *) &c, 1);
	}
	OutBytes(out, "\"", 1);
}
