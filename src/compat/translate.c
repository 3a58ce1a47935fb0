/*-------------------------------------------------------------------------
 *
 * translate.c
 *	  SQL of Snowflake, Athena and their kin as text that PostgreSQL parses.
 *
 * The gap between the dialects that grammar makes and no function can close
 * is small, so the text is kept token for token and only these are changed:
 *
 *	T1, T2	CURRENT_DATE(), CURRENT_TIMESTAMP() and the like lose their empty
 *			parentheses.
 *	T3		DATEADD(week, ...) and DATEDIFF(week, ...) get their bare unit
 *			quoted (the functions themselves are shipped, as is DATE_FORMAT,
 *			T4, and EXTERNAL_TABLE, T5).
 *	T6		a column alias in HAVING becomes the expression it names, where
 *			the dialect lets HAVING see aliases.
 *	T7..T9	SHOW WAREHOUSES, SHOW PARTITIONS t, MSCK REPAIR TABLE t become
 *			calls of functions.
 *
 * Besides, lexical forms that PostgreSQL lacks get its delimiters: a string
 * with backslashes an E before it, `x` and (where it is a string) "x" the
 * quotes that mean the same, a comment opened by # or // its --.  Text inside
 * strings, comments and quoted names is never changed.
 *
 * T6 needs the structure of the query, as far as parentheses and clause words
 * show it: every parenthesis is a frame, a frame that holds SELECT is a query
 * block, and a block knows the items of its own select list.  A word in
 * HAVING is replaced if it is an alias of the same block and stands neither
 * in a subquery nor in the arguments of an aggregate, where names mean input
 * columns.
 *
 *-------------------------------------------------------------------------
 */
#include "compat/compat.h"

#define MAX_ITEMS	1664		/* of a select list, as the server's limit */
#define MAX_COPY_DEPTH 16		/* aliases whose expression holds aliases */

typedef enum EditAction
{
	EDIT_KEEP,
	EDIT_DROP,
	EDIT_SPACE,					/* one space instead */
	EDIT_NAME,					/* part of a relation name inside a literal */
	EDIT_OPENER,				/* a comment that gets "--" as its opener */
	EDIT_SINGLE_QUOTES,			/* a string in "" */
	EDIT_DOUBLE_QUOTES,			/* a name in `` */
	EDIT_ITEM					/* the expression of select item .item */
} EditAction;

typedef struct Edit
{
	const char *before;			/* text written before the token, or NULL */
	const char *after;
	uint32		item;
	EditAction	action;
} Edit;

/* A select item with an alias: significant tokens [first, last]. */
typedef struct Item
{
	uint32		first;
	uint32		last;
	uint32		alias;			/* its significant token */
	uint32		next;			/* the item before it in the same list, + 1 */
} Item;

typedef enum Clause
{
	CLAUSE_NONE,				/* no SELECT in this frame yet */
	CLAUSE_LIST,
	CLAUSE_BODY,
	CLAUSE_HAVING
} Clause;

typedef struct Frame
{
	Clause		clause;
	bool		aggregate;		/* arguments of an aggregate */
	uint32		item_start;		/* select item being read */
	uint32		items;			/* last item with an alias, + 1; 0: none */
	uint32		nitems;
} Frame;

typedef struct Translator
{
	const char *sql;
	TranslateDialect dialect;
	SqlToken   *tokens;
	Edit	   *edits;
	uint32	   *sig;			/* tokens that are no space or comment */
	Item	   *items;
	Frame	   *frames;
	uint32		ntokens;
	uint32		nsig;
	uint32		nitems;
	size_t		written;
	FinopsInterrupt interrupt;
	CompatEmit	emit;
	void	   *sink;
} Translator;

bool
TranslateDialectByName(const char *name, TranslateDialect *dialect)
{
	static const char *const names[] = {
		[TRANSLATE_ATHENA] = "athena",
		[TRANSLATE_HIVE] = "hive",
		[TRANSLATE_MYSQL] = "mysql",
		[TRANSLATE_POSTGRESQL] = "postgresql",
		[TRANSLATE_SNOWFLAKE] = "snowflake",
		[TRANSLATE_TRINO] = "trino",
	};

	for (size_t i = 0; i < lengthof(names); i++)
		if (strcmp(name, names[i]) == 0)
		{
			*dialect = (TranslateDialect) i;
			return true;
		}
	return false;
}

/* ---------------------------------------------------------------------
 * Looking at significant tokens.  An index beyond the text is an empty
 * symbol, so that rules can look ahead freely.
 * ---------------------------------------------------------------------
 */
static SqlToken
sig_token(const Translator *t, uint32 i)
{
	if (i < t->nsig)
		return t->tokens[t->sig[i]];
	return (SqlToken) {0, 0, SQL_SYMBOL};
}

static Edit *
sig_edit(Translator *t, uint32 i)
{
	return &t->edits[t->sig[i]];
}

static bool
is_symbol(const Translator *t, uint32 i, char c)
{
	SqlToken	token = sig_token(t, i);

	return token.kind == SQL_SYMBOL && token.length == 1 &&
		t->sql[token.start] == c;
}

/* Case-insensitive; ASCII letters only, as SQL keywords are. */
static bool
same_letters(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		char		x = a[i];
		char		y = b[i];

		if (x >= 'A' && x <= 'Z')
			x += 'a' - 'A';
		if (y >= 'A' && y <= 'Z')
			y += 'a' - 'A';
		if (x != y)
			return false;
	}
	return true;
}

static bool
is_word(const Translator *t, uint32 i, const char *word)
{
	SqlToken	token = sig_token(t, i);

	return token.kind == SQL_WORD && token.length == strlen(word) &&
		same_letters(t->sql + token.start, word, token.length);
}

static bool
is_word_of(const Translator *t, uint32 i, const char *const *words)
{
	if (sig_token(t, i).kind != SQL_WORD)
		return false;
	for (; *words != NULL; words++)
		if (is_word(t, i, *words))
			return true;
	return false;
}

/* A word that is part of a qualified name is never a keyword. */
static bool
is_qualified(const Translator *t, uint32 i)
{
	return i > 0 && is_symbol(t, i - 1, '.');
}

static bool
ends_statement(const Translator *t, uint32 i)
{
	return i >= t->nsig || is_symbol(t, i, ';');
}

/* ---------------------------------------------------------------------
 * T1, T2, T3: functions that PostgreSQL spells otherwise
 * ---------------------------------------------------------------------
 */
static const char *const bare_functions[] = {
	"current_date", "current_timestamp", "current_time", "localtimestamp",
	"localtime", "current_user", "session_user", "current_role",
	"current_catalog", NULL
};

static const char *const unit_functions[] = {"dateadd", "datediff", NULL};

/*
 * Drops tokens [from, to] but for comments and the space after one, which
 * may be the line break that ends it.
 */
static void
drop_tokens(Translator *t, uint32 from, uint32 to)
{
	for (uint32 k = from; k <= to; k++)
		if (t->tokens[k].kind != SQL_COMMENT &&
			!(t->tokens[k].kind == SQL_SPACE && k > 0 &&
			  t->tokens[k - 1].kind == SQL_COMMENT))
			t->edits[k].action = EDIT_DROP;
}

static void
drop_empty_parentheses(Translator *t, uint32 i)
{
	uint32		close = t->sig[i + 2];
	bool		joins;

	drop_tokens(t, t->sig[i] + 1, close);
	joins = close + 1 < t->ntokens &&
		(t->tokens[close + 1].kind == SQL_WORD ||
		 t->tokens[close + 1].kind == SQL_NUMBER ||
		 t->tokens[close + 1].kind == SQL_STRING ||
		 SqlIsWordByte(t->sql[t->tokens[close + 1].start]));
	t->edits[close].action = joins ? EDIT_SPACE : EDIT_DROP;
}

static void
translate_functions(Translator *t)
{
	for (uint32 i = 0; i + 2 < t->nsig; i++)
	{
		if (is_qualified(t, i) || !is_symbol(t, i + 1, '('))
			continue;
		if (is_symbol(t, i + 2, ')') && is_word_of(t, i, bare_functions))
			drop_empty_parentheses(t, i);
		else if (t->dialect == TRANSLATE_SNOWFLAKE &&
				 sig_token(t, i + 2).kind == SQL_WORD &&
				 is_symbol(t, i + 3, ',') && is_word_of(t, i, unit_functions))
			sig_edit(t, i + 2)->before = sig_edit(t, i + 2)->after = "'";
	}
}

/* ---------------------------------------------------------------------
 * T7, T8, T9: statements that PostgreSQL has as functions
 * ---------------------------------------------------------------------
 */

/* A name such as a."b".c from significant token i on; returns its end. */
static uint32
relation_name(const Translator *t, uint32 i)
{
	for (;;)
	{
		SqlTokenKind kind = sig_token(t, i).kind;

		if (kind != SQL_WORD && kind != SQL_QUOTED)
			return 0;
		if (!is_symbol(t, i + 1, '.'))
			return i + 1;
		i += 2;
	}
}

/* Words [first, name) become before, the name a literal, the rest after. */
static void
call_with_name(Translator *t, uint32 first, uint32 name, uint32 name_end,
			   uint32 end, const char *before, const char *after)
{
	drop_tokens(t, t->sig[first], t->sig[end - 1]);
	for (uint32 k = t->sig[name]; k < t->sig[name_end - 1]; k++)
		t->edits[k].action = EDIT_DROP; /* comments would be in the literal */
	for (uint32 i = name; i < name_end; i++)
		sig_edit(t, i)->action = EDIT_NAME;
	sig_edit(t, name)->before = before;
	sig_edit(t, name_end - 1)->after = after;
}

static void
translate_statement(Translator *t, uint32 i)
{
	uint32		name,
				name_end,
				end;

	if (is_word(t, i, "show") && is_word(t, i + 1, "warehouses") &&
		ends_statement(t, i + 2))
	{
		drop_tokens(t, t->sig[i], t->sig[i + 1]);
		sig_edit(t, i)->before = "SELECT * FROM finops.show_warehouses()";
	}
	else if (is_word(t, i, "show") && is_word(t, i + 1, "partitions"))
	{
		name_end = relation_name(t, i + 2);
		if (name_end > 0 && ends_statement(t, name_end))
			call_with_name(t, i, i + 2, name_end, name_end,
						   "SELECT * FROM finops.show_partitions('", "')");
	}
	else if (is_word(t, i, "msck"))
	{
		name = i + (is_word(t, i + 1, "repair") ? 3 : 2);
		if (!is_word(t, name - 1, "table") ||
			(name_end = relation_name(t, name)) == 0)
			return;
		end = name_end;
		if ((is_word(t, end, "add") || is_word(t, end, "drop") ||
			 is_word(t, end, "sync")) && is_word(t, end + 1, "partitions"))
			end += 2;
		if (ends_statement(t, end))
			call_with_name(t, i, name, name_end, end,
						   "SELECT finops.msck_repair_table('", "')");
	}
}

static void
translate_statements(Translator *t)
{
	for (uint32 i = 0; i < t->nsig; i++)
		if (i == 0 || is_symbol(t, i - 1, ';'))
			translate_statement(t, i);
}

/* ---------------------------------------------------------------------
 * T6: aliases in HAVING
 * ---------------------------------------------------------------------
 */
static const char *const list_ends[] = {
	"from", "into", "where", "group", "having", "order", "limit", "union",
	"intersect", "except", "minus", "qualify", "window", "fetch", "offset",
	NULL
};

static const char *const having_ends[] = {
	"order", "limit", "union", "intersect", "except", "minus", "qualify",
	"window", "fetch", "offset", "for", NULL
};

/* Words after which another word is no alias. */
static const char *const no_alias_after[] = {
	"and", "or", "not", "is", "in", "like", "ilike", "between", "collate",
	"case", "when", "then", "else", "distinct", "interval", "zone", "escape",
	NULL
};

static const char *const aggregates[] = {
	"avg", "sum", "count", "min", "max", "median", "mode", "stddev",
	"stddev_pop", "stddev_samp", "variance", "var_pop", "var_samp", "corr",
	"covar_pop", "covar_samp", "listagg", "array_agg", "string_agg",
	"group_concat", "bool_and", "bool_or", "every", "any_value", "count_if",
	"approx_distinct", "approx_percentile", "approx_count_distinct",
	"percentile_cont", "percentile_disc", "arbitrary", "max_by", "min_by",
	"collect_list", "collect_set", NULL
};

static bool
aliases_in_having(TranslateDialect dialect)
{
	return dialect == TRANSLATE_SNOWFLAKE || dialect == TRANSLATE_HIVE ||
		dialect == TRANSLATE_MYSQL;
}

/* FROM in IS DISTINCT FROM and GROUP in WITHIN GROUP open no clause. */
static bool
is_clause_word(const Translator *t, uint32 i, const char *const *words)
{
	if (!is_word_of(t, i, words) || is_qualified(t, i))
		return false;
	if (is_word(t, i, "from") && i >= 2 && is_word(t, i - 1, "distinct") &&
		(is_word(t, i - 2, "is") || is_word(t, i - 2, "not")))
		return false;
	if (is_word(t, i, "group") && i >= 1 && is_word(t, i - 1, "within"))
		return false;
	return true;
}

/* Ends the select item [frame->item_start, end); keeps it if it has an alias. */
static void
end_item(Translator *t, Frame *frame, uint32 end)
{
	uint32		first = frame->item_start;
	uint32		alias = end - 1;
	uint32		last;
	SqlTokenKind before;

	frame->item_start = end + 1;
	if (end < first + 2 || frame->nitems >= MAX_ITEMS)
		return;
	if (sig_token(t, alias).kind != SQL_WORD &&
		sig_token(t, alias).kind != SQL_QUOTED)
		return;
	last = alias - 1;
	if (is_word(t, last, "as"))
	{
		if (last == first)
			return;
		last--;
	}
	else
	{
		before = sig_token(t, last).kind;
		if (is_word(t, alias, "end") || is_word_of(t, last, no_alias_after) ||
			(before == SQL_SYMBOL && !is_symbol(t, last, ')') &&
			 !is_symbol(t, last, ']')))
			return;
	}
	t->items[t->nitems++] = (Item) {first, last, alias, frame->items};
	frame->items = t->nitems;
	frame->nitems++;
}

static void
begin_block(Translator *t, Frame *frame, uint32 select)
{
	uint32		i = select + 1;

	if (is_word(t, i, "distinct") || is_word(t, i, "all"))
		i++;
	frame->clause = CLAUSE_LIST;
	frame->aggregate = false;
	frame->item_start = i;
	frame->items = 0;
	frame->nitems = 0;
}

/*
 * Does the name at significant token i mean this item?  Unquoted names are
 * folded, a quoted one is compared as it is written.
 */
static bool
names_item(const Translator *t, uint32 i, const Item *item)
{
	SqlToken	name = sig_token(t, i);
	SqlToken	alias = sig_token(t, item->alias);

	if (name.kind != alias.kind || name.length != alias.length)
		return false;
	if (name.kind == SQL_QUOTED)
		return memcmp(t->sql + name.start, t->sql + alias.start,
					  name.length) == 0;
	return same_letters(t->sql + name.start, t->sql + alias.start, name.length);
}

static void
replace_alias(Translator *t, const Frame *frame, uint32 i)
{
	SqlTokenKind kind = sig_token(t, i).kind;

	if ((kind != SQL_WORD && kind != SQL_QUOTED) || is_qualified(t, i) ||
		is_symbol(t, i + 1, '.') || is_symbol(t, i + 1, '(') ||
		is_word(t, i - 1, "as") || is_symbol(t, i - 1, ':'))
		return;
	for (uint32 k = frame->items; k > 0; k = t->items[k - 1].next)
		if (names_item(t, i, &t->items[k - 1]))
		{
			sig_edit(t, i)->action = EDIT_ITEM;
			sig_edit(t, i)->item = k - 1;
			return;
		}
}

/* A word or symbol inside a frame, other than parentheses. */
static void
read_in_frame(Translator *t, Frame *frame, uint32 i)
{
	if (is_word(t, i, "select") && !is_qualified(t, i))
	{
		begin_block(t, frame, i);
		return;
	}
	switch (frame->clause)
	{
		case CLAUSE_NONE:
			break;
		case CLAUSE_LIST:
			if (is_symbol(t, i, ','))
				end_item(t, frame, i);
			else if (is_clause_word(t, i, list_ends))
			{
				end_item(t, frame, i);
				frame->clause = is_word(t, i, "having") ?
					CLAUSE_HAVING : CLAUSE_BODY;
			}
			break;
		case CLAUSE_BODY:
			if (is_word(t, i, "having") && !is_qualified(t, i))
				frame->clause = CLAUSE_HAVING;
			break;
		case CLAUSE_HAVING:
			if (is_clause_word(t, i, having_ends))
				frame->clause = CLAUSE_BODY;
			else if (!frame->aggregate)
				replace_alias(t, frame, i);
			break;
	}
}

static void
translate_having(Translator *t)
{
	uint32		depth = 0;
	Frame	   *frames = t->frames;

	frames[0] = (Frame) {CLAUSE_NONE, false, 0, 0, 0};
	for (uint32 i = 0; i < t->nsig; i++)
	{
		Frame	   *frame = &frames[depth];

		if (t->interrupt != NULL && i % 1024 == 0)
			t->interrupt();
		if (is_symbol(t, i, '('))
		{
			/* parentheses in HAVING see its aliases, a subquery does not */
			bool		inherits = frame->clause == CLAUSE_HAVING &&
				!is_word(t, i + 1, "select") && !is_word(t, i + 1, "with");

			frames[depth + 1] = inherits ? *frame :
				(Frame) {CLAUSE_NONE, false, 0, 0, 0};
			if (i > 0 && is_word_of(t, i - 1, aggregates))
				frames[depth + 1].aggregate = true;
			depth++;
		}
		else if (is_symbol(t, i, ')'))
		{
			if (depth > 0)
				depth--;
		}
		else if (is_symbol(t, i, ';'))
		{
			depth = 0;
			frames[0] = (Frame) {CLAUSE_NONE, false, 0, 0, 0};
		}
		else
			read_in_frame(t, frame, i);
	}
}

/* ---------------------------------------------------------------------
 * Lexical differences
 * ---------------------------------------------------------------------
 */

/*
 * Can the delimiters of a quoted token become another quote without a change
 * of the text between them?
 */
static bool
can_requote(const Translator *t, SqlToken token, char quote)
{
	const char *text = t->sql + token.start;

	return token.length >= 2 && text[token.length - 1] == text[0] &&
		memchr(text + 1, text[0], token.length - 2) == NULL &&
		memchr(text + 1, quote, token.length - 2) == NULL;
}

static void
translate_lexemes(Translator *t)
{
	for (uint32 k = 0; k < t->ntokens; k++)
	{
		SqlToken	token = t->tokens[k];
		const char *text = t->sql + token.start;

		if (token.kind == SQL_COMMENT &&
			(text[0] == '#' || (text[0] == '/' && text[1] == '/')))
			t->edits[k].action = EDIT_OPENER;
		else if (token.kind == SQL_QUOTED && text[0] == '`' &&
				 can_requote(t, token, '"'))
			t->edits[k].action = EDIT_DOUBLE_QUOTES;
		else if (token.kind == SQL_STRING && text[0] == '"' &&
				 can_requote(t, token, '\''))
			t->edits[k].action = EDIT_SINGLE_QUOTES;
		if (token.kind == SQL_STRING && text[0] != '$' &&
			(text[0] == '\'' || t->edits[k].action == EDIT_SINGLE_QUOTES) &&
			SqlBackslashEscapes(t->dialect) &&
			memchr(text, '\\', token.length) != NULL)
		{
			/* x'..' and the like have a prefix of their own */
			bool		word = k > 0 && t->tokens[k - 1].kind == SQL_WORD;

			if (!word)
				t->edits[k].before = "E";
			else if (t->tokens[k - 1].length > 1)
				t->edits[k].before = " E";
		}
	}
}

/* ---------------------------------------------------------------------
 * Writing
 * ---------------------------------------------------------------------
 */
static void
put(Translator *t, const char *data, size_t len)
{
	t->written += len;
	if (t->written <= TRANSLATE_MAX_OUTPUT)
		t->emit(t->sink, data, len);
}

static void
put_string(Translator *t, const char *s)
{
	if (s != NULL)
		put(t, s, strlen(s));
}

/* Part of a relation name inside a '...' literal; `x` becomes "x". */
static void
put_name(Translator *t, SqlToken token)
{
	const char *text = t->sql + token.start;
	bool		backtick = text[0] == '`';

	for (uint32 i = 0; i < token.length; i++)
		if (text[i] == '\'')
			put(t, "''", 2);
		else
			put(t, backtick && text[i] == '`' ? "\"" : text + i, 1);
}

/* Is the expression one word or one call, so that it needs no parentheses? */
static bool
is_primary(const Translator *t, const Item *item)
{
	uint32		i = item->first;
	uint32		depth = 0;

	if (sig_token(t, i).kind != SQL_WORD && sig_token(t, i).kind != SQL_QUOTED)
		return i == item->last && sig_token(t, i).kind != SQL_SYMBOL;
	while (i < item->last && is_symbol(t, i + 1, '.'))
		i += 2;
	if (i >= item->last)
		return true;
	if (is_word(t, i, "not") || !is_symbol(t, ++i, '('))
		return false;
	for (; i <= item->last; i++)
	{
		if (is_symbol(t, i, '('))
			depth++;
		else if (is_symbol(t, i, ')') && --depth == 0)
			return i == item->last;
	}
	return false;
}

static void put_tokens(Translator *t, uint32 from, uint32 to, int depth);

/* The expression an alias names, without its comments. */
static void
put_item(Translator *t, const Item *item, int depth)
{
	bool		primary = is_primary(t, item);

	if (!primary)
		put(t, "(", 1);
	put_tokens(t, t->sig[item->first], t->sig[item->last], depth + 1);
	if (!primary)
		put(t, ")", 1);
}

/* Tokens [from, to]; depth > 0 within the copy of an expression. */
static void
put_tokens(Translator *t, uint32 from, uint32 to, int depth)
{
	for (uint32 k = from; k <= to && t->written <= TRANSLATE_MAX_OUTPUT; k++)
	{
		SqlToken	token = t->tokens[k];
		const Edit *edit = &t->edits[k];
		const char *text = t->sql + token.start;

		if (depth > 0 && token.kind == SQL_COMMENT)
		{
			put(t, " ", 1);
			continue;
		}
		put_string(t, edit->before);
		switch (edit->action)
		{
			case EDIT_KEEP:
				put(t, text, token.length);
				break;
			case EDIT_DROP:
				break;
			case EDIT_SPACE:
				put(t, " ", 1);
				break;
			case EDIT_NAME:
				put_name(t, token);
				break;
			case EDIT_OPENER:
				put(t, "--", 2);
				put(t, text + (text[0] == '#' ? 1 : 2),
					token.length - (text[0] == '#' ? 1 : 2));
				break;
			case EDIT_SINGLE_QUOTES:
			case EDIT_DOUBLE_QUOTES:
				{
					const char *quote =
						edit->action == EDIT_SINGLE_QUOTES ? "'" : "\"";

					put(t, quote, 1);
					put(t, text + 1, token.length - 2);
					put(t, quote, 1);
				}
				break;
			case EDIT_ITEM:
				if (depth < MAX_COPY_DEPTH)
					put_item(t, &t->items[edit->item], depth);
				else
					put(t, text, token.length);
				break;
		}
		put_string(t, edit->after);
	}
}

/* ---------------------------------------------------------------------
 * The translator
 * ---------------------------------------------------------------------
 */

/* Bytes of workspace that TranslateSql needs for this text. */
size_t
TranslateWorkspace(const char *sql, size_t len, TranslateDialect dialect)
{
	size_t		n = SqlScan(sql, len, dialect, NULL) + 2;

	return n * (sizeof(Edit) + sizeof(SqlToken) + sizeof(Item) +
				sizeof(Frame) + sizeof(uint32));
}

/*
 * Writes the translation of sql through emit.  len is at most
 * TRANSLATE_MAX_INPUT; workspace has TranslateWorkspace() bytes, aligned for
 * pointers.  Returns false when the translation would be longer than
 * TRANSLATE_MAX_OUTPUT.
 */
bool
TranslateSql(const char *sql, size_t len, TranslateDialect dialect,
			 void *workspace, FinopsInterrupt interrupt,
			 CompatEmit emit, void *sink)
{
	Translator	t = {.sql = sql,.dialect = dialect,.interrupt = interrupt,
	.emit = emit,.sink = sink};
	size_t		n;

	if (dialect == TRANSLATE_POSTGRESQL || len == 0)
	{
		emit(sink, sql, len);
		return true;
	}
	n = SqlScan(sql, len, dialect, NULL) + 2;
	t.edits = workspace;
	t.tokens = (SqlToken *) (t.edits + n);
	t.items = (Item *) (t.tokens + n);
	t.frames = (Frame *) (t.items + n);
	t.sig = (uint32 *) (t.frames + n);
	memset(t.edits, 0, n * sizeof(Edit));
	t.ntokens = (uint32) SqlScan(sql, len, dialect, t.tokens);
	for (uint32 k = 0; k < t.ntokens; k++)
		if (t.tokens[k].kind != SQL_SPACE && t.tokens[k].kind != SQL_COMMENT)
			t.sig[t.nsig++] = k;

	translate_lexemes(&t);
	translate_functions(&t);
	translate_statements(&t);
	if (aliases_in_having(dialect))
		translate_having(&t);
	put_tokens(&t, 0, t.ntokens - 1, 0);
	return t.written <= TRANSLATE_MAX_OUTPUT;
}
