/*-------------------------------------------------------------------------
 *
 * match_text.c
 *	  References and names in the free text of bank lines.  Pure.
 *
 * Both sides of a comparison are folded in the same way, so that what a bank
 * or a person changes on the way (case, separators, accents, characters that
 * look alike) is no difference any more.
 *
 * The distance is Sellers' (the best place of a pattern in a text, 1980),
 * computed on bit vectors as in G. Myers, "A fast bit-vector algorithm for
 * approximate string matching", J. ACM 46 (1999), figure 8.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/match.h"

#include <stdlib.h>

/* Upper case; what looks alike is one. */
static char
look(unsigned char c)
{
	if (c >= 'a' && c <= 'z')
		c = (unsigned char) (c - 'a' + 'A');
	switch (c)
	{
		case 'O':
			return '0';
		case 'I':
		case 'L':
			return '1';
		case 'Z':
			return '2';
		case 'S':
			return '5';
		case 'B':
			return '8';
		default:
			return (char) c;
	}
}

static bool
is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

void
MatchFoldMore(const char *s, MatchText *text)
{
	bool		gap = true;

	for (; *s != '\0' && text->len < MATCH_TEXT_MAX; s++)
	{
		unsigned char c = (unsigned char) *s;

		if (!is_digit(c) && !is_letter(c))
		{
			gap = true;
			continue;
		}
		text->c[text->len] = look(c);
		text->plain[text->len] = (char) (is_letter(c) ? c & ~0x20 : c);
		text->gap[text->len] = gap;
		text->digit[text->len] = is_digit(c);
		text->len++;
		gap = false;
	}
	text->c[text->len] = '\0';
	text->gap[text->len] = true;
}

void
MatchFold(const char *s, MatchText *text)
{
	text->len = 0;
	MatchFoldMore(s, text);
}

int
MatchDistance(const char *key, int keylen, const MatchText *text, int limit)
{
	uint64		peq[128] = {0};
	uint64		pv = ~(uint64) 0;
	uint64		mv = 0;
	uint64		last;
	int			score = keylen;
	int			best;

	if (keylen < 1 || keylen > MATCH_KEY_MAX)
		return limit + 1;
	last = (uint64) 1 << (keylen - 1);
	for (int i = 0; i < keylen; i++)
		peq[key[i] & 127] |= (uint64) 1 << i;
	best = score;
	for (int i = 0; i < text->len; i++)
	{
		uint64		eq = peq[text->c[i] & 127];
		uint64		xv = eq | mv;
		uint64		xh = (((eq & pv) + pv) ^ pv) | eq;
		uint64		ph = mv | ~(xh | pv);
		uint64		mh = pv & xh;

		if (ph & last)
			score++;
		if (mh & last)
			score--;
		ph <<= 1;				/* a part may begin anywhere: no carry in */
		mh <<= 1;
		pv = mh | ~(xv | ph);
		mv = ph & xv;
		if (score < best)
			best = score;
	}
	return best <= limit ? best : limit + 1;
}

/* The key's end that stands before the break at "end", back to another break. */
static int
tail_at(const char *key, int keylen, const MatchText *text, int end)
{
	int			n = 0;

	while (n < keylen && n < end && text->c[end - 1 - n] == key[keylen - 1 - n])
		n++;
	while (n > 0 && !text->gap[end - n])
		n--;
	return n;
}

/* The key's beginning that stands from "start" up to a break. */
static int
head_at(const char *key, int keylen, const MatchText *text, int start)
{
	int			n = 0;

	while (n < keylen && start + n < text->len && text->c[start + n] == key[n])
		n++;
	while (n > 0 && start + n < text->len && !text->gap[start + n])
		n--;
	return n;
}

void
MatchPart(const char *key, int keylen, const MatchText *text, int *tail, int *head)
{
	*tail = *head = 0;
	for (int i = 0; i < text->len; i++)
	{
		int			n = text->gap[i + 1] ? tail_at(key, keylen, text, i + 1) : 0;

		/* a short end counts where it is the running number without its zeros */
		if (n >= 5 || n == keylen ||
			(n >= 3 && (key[keylen - n - 1] == '0' || !is_digit((unsigned char) key[keylen - n - 1]))))
			*tail = Max(*tail, n);
		n = text->gap[i] ? head_at(key, keylen, text, i) : 0;
		if (n >= 5)
			*head = Max(*head, n);
	}
}

/* Letters beyond ASCII by their two bytes in UTF-8: Latin-1 and a few more. */
static const char *
plain_letter(unsigned char lead, unsigned char next)
{
	static const char *const c3[64] = {
		"A", "A", "A", "A", "A", "A", "A", "C", "E", "E", "E", "E", "I", "I", "I", "I",
		"D", "N", "O", "O", "O", "O", "O", "", "O", "U", "U", "U", "U", "Y", "TH", "SS",
		"A", "A", "A", "A", "A", "A", "A", "C", "E", "E", "E", "E", "I", "I", "I", "I",
		"D", "N", "O", "O", "O", "O", "O", "", "O", "U", "U", "U", "U", "Y", "TH", "Y"};
	/* U+0100 to U+017F */
	static const char latin_a[] =
		"AAAAAACCCCCCCCDDDDEEEEEEEEEEGGGGGGGGHHHHIIIIIIIIIIIIJJKKKLLLLLLL"
		"LLLNNNNNNNNNOOOOOOOORRRRRRSSSSSSSSTTTTTTUUUUUUUUUUUUWWYYYZZZZZZS";
	static char one[2];

	if (lead == 0xC3)
		return c3[next & 63];
	if (lead == 0xC4 || lead == 0xC5)
	{
		int			at = (lead - 0xC4) * 64 + (next & 63);

		if (at < (int) sizeof(latin_a) - 1)
		{
			one[0] = latin_a[at];
			return one;
		}
	}
	return NULL;
}

static const char *const legal_forms[] = {
	"AB", "AG", "APS", "AS", "ASA", "BV", "BVBA", "CO", "COMPANY", "CORP", "CORPORATION", "CV", "EG", "EU", "EV",
	"GBR", "GMBH", "INC", "INCORPORATED", "KFT", "KG", "KK", "LIMITED", "LLC", "LLP", "LP", "LTD", "LTDA", "MBH",
	"NV", "OHG", "OY", "OYJ", "PLC", "PTE", "PTY", "SA", "SARL", "SAS", "SE", "SL", "SP", "SPA", "SPZOO", "SRL",
	"SRO", "UG", "ZOO"
};

static bool
is_legal_form(const char *word)
{
	int			low = 0;
	int			high = (int) lengthof(legal_forms) - 1;

	while (low <= high)
	{
		int			mid = (low + high) / 2;
		int			cmp = strcmp(word, legal_forms[mid]);

		if (cmp == 0)
			return true;
		if (cmp < 0)
			high = mid - 1;
		else
			low = mid + 1;
	}
	return false;
}

/*
 * AE, OE and UE are how banks write a letter with two dots; a name that has
 * them anyway loses its E on both sides.
 */
static int
put_letter(char *out, int n, char c)
{
	if (c == 'E' && n > 0 && (out[n - 1] == 'A' || out[n - 1] == 'O' || out[n - 1] == 'U'))
		return n;
	out[n] = c;
	return n + 1;
}

static int
fold_name(const char *name, char *out)
{
	const unsigned char *s = (const unsigned char *) name;
	int			n = 0;

	for (; *s != '\0' && n < MATCH_NAME_MAX - 4; s++)
	{
		const char *plain = NULL;

		if (is_digit(*s))
			out[n++] = (char) *s;
		else if (is_letter(*s))
			n = put_letter(out, n, (char) (*s & ~0x20));
		else if (*s >= 0xC0 && (s[1] & 0xC0) == 0x80 && (plain = plain_letter(*s, s[1])) != NULL)
		{
			for (; *plain != '\0'; plain++)
				n = put_letter(out, n, *plain);
			s++;
		}
		else if (*s >= 0x80)
			out[n++] = (char) *s;
		else if (*s != '.' && *s != '\'' && n > 0 && out[n - 1] != ' ')
			out[n++] = ' ';
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	return n;
}

static int
compare_words(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static int
join_words(char **words, int n, const char *between, char *out)
{
	int			len = 0;

	for (int i = 0; i < n; i++)
	{
		size_t		add = strlen(words[i]);

		if (i > 0 && *between != '\0')
			out[len++] = *between;
		memcpy(out + len, words[i], add);
		len += (int) add;
	}
	out[len] = '\0';
	return len;
}

int
MatchName(const char *name, char *sorted, char *in_order)
{
	char		folded[MATCH_NAME_MAX];
	char	   *words[MATCH_NAME_MAX / 2];
	int			n = 0;
	char	   *at = folded;

	(void) fold_name(name, folded);
	while (*at != '\0')
	{
		char	   *word = at;

		while (*at != '\0' && *at != ' ')
			at++;
		if (*at == ' ')
			*at++ = '\0';
		if (*word != '\0' && !is_legal_form(word))
			words[n++] = word;
	}
	(void) join_words(words, n, "", in_order);
	qsort(words, (size_t) n, sizeof(char *), compare_words);
	return join_words(words, n, " ", sorted);
}

/*
 * Names in order that mean the same: equal but for one slip in eight letters,
 * or one of them cut.  Digits must agree: "Shop 12" is not "Shop 13".
 */
bool
MatchNamesAlike(const char *a, const char *b)
{
	int			la = (int) strlen(a);
	int			lb = (int) strlen(b);
	int			row[MATCH_NAME_MAX + 1];
	const char *p = a;
	const char *q = b;

	if (la < 4 || lb < 4)
		return la > 0 && strcmp(a, b) == 0;
	for (;;)
	{
		while (*p != '\0' && !is_digit((unsigned char) *p))
			p++;
		while (*q != '\0' && !is_digit((unsigned char) *q))
			q++;
		if (*p != *q)
			return false;
		if (*p == '\0')
			break;
		p++, q++;
	}
	if (Min(la, lb) >= 8 && strncmp(a, b, (size_t) Min(la, lb)) == 0)
		return true;
	if (abs(la - lb) > Max(la, lb) / 8)
		return false;
	for (int j = 0; j <= lb; j++)
		row[j] = j;
	for (int i = 1; i <= la; i++)
	{
		int			diagonal = row[0];

		row[0] = i;
		for (int j = 1; j <= lb; j++)
		{
			int			above = row[j];

			row[j] = Min(Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[lb] <= Max(la, lb) / 8;
}

/* An account without spaces, upper case; its length, 0 for none. */
int
MatchAccount(const char *account, char *buf, int size)
{
	int			n = 0;

	for (; *account != '\0' && n < size - 1; account++)
	{
		unsigned char c = (unsigned char) *account;

		if (is_letter(c))
			buf[n++] = (char) (c & ~0x20);
		else if (is_digit(c))
			buf[n++] = (char) c;
	}
	buf[n] = '\0';
	return n;
}
