/*-------------------------------------------------------------------------
 *
 * source_memory.c
 *	  Bytes in memory as a byte source.
 *
 *-------------------------------------------------------------------------
 */
#include "core/memory_source.h"

static int
memory_read(ByteSource *source, char *buf, int len)
{
	MemorySource *memory = (MemorySource *) source;
	size_t		n = Min(memory->len - memory->at, (size_t) len);

	if (n > 0)
		memcpy(buf, memory->data + memory->at, n);
	memory->at += n;
	source->offset += (int64) n;
	return (int) n;
}

static void
memory_close(ByteSource *source)
{
	(void) source;
}

void
MemorySourceInit(MemorySource *source, const char *data, size_t len)
{
	memset(source, 0, sizeof(*source));
	source->base.read = memory_read;
	source->base.close = memory_close;
	source->data = data;
	source->len = len;
}
