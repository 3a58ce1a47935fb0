/* links: src/compat/translate.c src/compat/sql_tokens.c */
/*
 * Fuzz target of the translator.  The first byte chooses the dialect.  Besides
 * memory errors it looks for text that must not change: the inside of every
 * string stands in the output in the same order, and a translation of
 * PostgreSQL's own dialect is the text itself.
 */
#include "compat/compat.h"

#include <stdlib.h>

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Buffer
{
	char	   *data;
	size_t		len;
	size_t		size;
} Buffer;

static void
append(void *sink, const char *data, size_t len)
{
	Buffer	   *buffer = sink;

	if (buffer->len + len > buffer->size)
	{
		buffer->size = 2 * (buffer->len + len);
		buffer->data = realloc(buffer->data, buffer->size);
	}
	if (len > 0)
		memcpy(buffer->data + buffer->len, data, len);
	buffer->len += len;
}

/* The inner text of strings, delimiters left out. */
static void
check_kept(const char *sql, size_t len, TranslateDialect dialect,
		   const Buffer *out)
{
	size_t		n = SqlScan(sql, len, dialect, NULL);
	SqlToken   *tokens = malloc((n + 1) * sizeof(SqlToken));
	const char *p = out->data;
	const char *end = out->data + out->len;

	SqlScan(sql, len, dialect, tokens);
	for (size_t i = 0; i < n; i++)
	{
		const char *text = sql + tokens[i].start + 1;
		size_t		inner;

		if (tokens[i].kind != SQL_STRING || tokens[i].length < 3)
			continue;
		inner = tokens[i].length - 2;
		while ((size_t) (end - p) >= inner && memcmp(p, text, inner) != 0)
			p++;
		if ((size_t) (end - p) < inner)
			abort();
		p += inner;
	}
	free(tokens);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TranslateDialect dialect;
	Buffer		out = {NULL, 0, 0};
	void	   *workspace;
	char	   *sql;
	size_t		len;

	if (size < 1 || size > TRANSLATE_MAX_INPUT)
		return 0;
	dialect = (TranslateDialect) (data[0] % (TRANSLATE_TRINO + 1));
	len = size - 1;
	sql = malloc(len > 0 ? len : 1);
	memcpy(sql, data + 1, len);
	workspace = malloc(TranslateWorkspace(sql, len, dialect));
	if (TranslateSql(sql, len, dialect, workspace, NULL, append, &out))
	{
		if (dialect == TRANSLATE_POSTGRESQL &&
			(out.len != len || (len > 0 && memcmp(out.data, sql, len) != 0)))
			abort();
		if (out.len > 0)
			check_kept(sql, len, dialect, &out);
	}
	free(workspace);
	free(sql);
	free(out.data);
	return 0;
}
