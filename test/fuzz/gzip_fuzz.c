/* links: src/core/source_gzip.c -lz */
/*
 * gzip data of any bytes, handed over and asked for in pieces of any size:
 * what comes out, and how it ends, does not depend on the pieces.
 */
#include "core/source.h"

#include <stdlib.h>

#define MAX_OUTPUT	(1 << 20)

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct MemorySource
{
	ByteSource	base;
	const uint8_t *data;
	size_t		size;
	size_t		step;
} MemorySource;

static int
memory_read(ByteSource *source, char *buf, int len)
{
	MemorySource *m = (MemorySource *) source;
	size_t		n = Min(m->size - (size_t) source->offset, Min((size_t) len, m->step));

	if (n > 0)
		memcpy(buf, m->data + source->offset, n);
	source->offset += (int64) n;
	return (int) n;
}

static void
memory_close(ByteSource *source)
{
	(void) source;
}

typedef struct Outcome
{
	uint64		sum;
	int64		bytes;
	SourceError error;
} Outcome;

static Outcome
inflate_all(const uint8_t *data, size_t size, size_t step, size_t asked)
{
	MemorySource memory = {{.read = memory_read, .close = memory_close}, data, size, step};
	ByteSource *gz = GzipSourceOpen(&memory.base);
	Outcome		outcome = {0};
	char	   *buf = malloc(asked);
	int			got = 1;

	if (gz == NULL || buf == NULL)
		abort();
	while (got > 0 && outcome.bytes < MAX_OUTPUT)
	{
		got = gz->read(gz, buf, (int) asked);
		for (int i = 0; i < got; i++)
			outcome.sum = outcome.sum * 31 + (unsigned char) buf[i];
		outcome.bytes += Max(got, 0);
	}
	outcome.error = gz->error;
	if ((got < 0) != (gz->error != SOURCE_OK))
		abort();
	gz->close(gz);
	free(buf);
	return outcome;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Outcome		whole = inflate_all(data, size, (size_t) 1 << 20, 65536);
	Outcome		pieces = inflate_all(data, size, 1 + size % 7, 65536);
	Outcome		narrow = inflate_all(data, size, 1 + size % 300, 1 + size % 1000);

	/* a stream that is cut off for its length ends elsewhere in each */
	if (whole.bytes >= MAX_OUTPUT)
		return 0;
	if (whole.error == SOURCE_OK &&
		(pieces.error != SOURCE_OK || whole.bytes != pieces.bytes || whole.sum != pieces.sum))
		abort();
	if (narrow.bytes < MAX_OUTPUT &&
		((whole.error == SOURCE_OK) != (narrow.error == SOURCE_OK) ||
		 (whole.error == SOURCE_OK && (whole.bytes != narrow.bytes || whole.sum != narrow.sum))))
		abort();
	return 0;
}
