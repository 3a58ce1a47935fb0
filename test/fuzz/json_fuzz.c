/* links: src/bill/json.c src/bill/value.c */
/*
 * Tags of any bytes: what is taken as an object or an array is a JSON value
 * too, members and elements lie within the text, decoded strings fit the room
 * that was made for them.
 */
#include "bill/bill.h"

#include <stdlib.h>

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Bounds
{
	const char *start;
	const char *end;
	OutBuf		text;
} Bounds;

static void
inside(const Bounds *bounds, Slice s)
{
	if (s.data < bounds->start || s.len < 0 || s.data + s.len > bounds->end)
		abort();
}

static void
visit(void *arg, const JsonMember *member)
{
	Bounds	   *bounds = arg;
	OutBuf		quoted = {0};
	Slice		key;

	inside(bounds, member->key);
	inside(bounds, member->value);
	if (!JsonValid(member->value))
		abort();
	bounds->text.len = 0;
	OutReserve(&bounds->text, (size_t) (bounds->end - bounds->start));
	key = JsonText(member->key, &bounds->text);
	(void) JsonScalarText(member, &bounds->text);
	if (bounds->text.len > (size_t) (bounds->end - bounds->start))
		abort();
	/* what was decoded can be written as JSON again */
	JsonQuote(&quoted, key);
	if (!JsonValid((Slice) {quoted.data, (int) quoted.len}))
		abort();
	OutFree(&quoted);
}

static bool
element(void *arg, Slice s)
{
	inside(arg, s);
	if (!JsonValid(s))
		abort();
	(void) JsonObject(s, visit, arg);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Slice		text = {(const char *) data, (int) size};
	Bounds		bounds = {text.data, text.data + size, {0}};
	bool		object = JsonObject(text, visit, &bounds);
	bool		array = JsonArray(text, element, &bounds);

	if ((object || array) && !JsonValid(text))
		abort();
	if (object && array)
		abort();
	OutFree(&bounds.text);
	return 0;
}
