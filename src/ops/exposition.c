/*-------------------------------------------------------------------------
 *
 * exposition.c
 *	  The text format of Prometheus, version 0.0.4: one head for each family,
 *	  one line for each sample.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/exposition.h"

#include <string.h>

static void
write_text(ExpositionSink write, void *arg, const char *text)
{
	write(arg, text, strlen(text));
}

/* Backslash and line feed as \\ and \n, in a label value the quote as \" too. */
static void
write_escaped(ExpositionSink write, void *arg, const char *text, bool quoted)
{
	const char *from = text;

	for (const char *p = text; *p != '\0'; p++)
	{
		const char *escape = *p == '\\' ? "\\\\" : (*p == '\n' ? "\\n" : (*p == '"' && quoted ? "\\\"" : NULL));

		if (escape == NULL)
			continue;
		write(arg, from, (size_t) (p - from));
		write(arg, escape, 2);
		from = p + 1;
	}
	write_text(write, arg, from);
}

void
ExpositionHead(ExpositionSink write, void *arg, const char *name, const char *type, const char *help)
{
	write_text(write, arg, "# HELP ");
	write_text(write, arg, name);
	write_text(write, arg, " ");
	write_escaped(write, arg, help, false);
	write_text(write, arg, "\n# TYPE ");
	write_text(write, arg, name);
	write_text(write, arg, " ");
	write_text(write, arg, type);
	write_text(write, arg, "\n");
}

void
ExpositionSample(ExpositionSink write, void *arg, const char *name, const char *suffix,
				 const char *const *labels, int nlabels, const char *value)
{
	write_text(write, arg, name);
	write_text(write, arg, suffix);
	for (int i = 0; i < nlabels; i++)
	{
		write_text(write, arg, i > 0 ? "," : "{");
		write_text(write, arg, labels[2 * i]);
		write_text(write, arg, "=\"");
		write_escaped(write, arg, labels[2 * i + 1], true);
		write_text(write, arg, "\"");
	}
	write_text(write, arg, nlabels > 0 ? "} " : " ");
	/* numbers as the server writes them, but for the infinite ones */
	if (strcmp(value, "Infinity") == 0)
		value = "+Inf";
	else if (strcmp(value, "-Infinity") == 0)
		value = "-Inf";
	write_text(write, arg, value);
	write_text(write, arg, "\n");
}
