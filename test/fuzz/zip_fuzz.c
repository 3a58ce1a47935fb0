/* links: src/core/source_zip.c -lz */
/*
 * An archive of any bytes, read in pieces of any size and interrupted at any
 * place: what comes out does not depend on how the bytes arrive.
 */
#include "core/zip.h"

#include <stdlib.h>

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Feed
{
	ByteSource	base;
	const uint8_t *data;
	size_t		size;
	size_t		step;
	bool		interrupts;
	bool		interrupted;
} Feed;

static int
feed_read(ByteSource *source, char *buf, int len)
{
	Feed	   *feed = (Feed *) source;
	size_t		n = Min(feed->size - (size_t) source->offset, Min((size_t) len, feed->step));

	feed->interrupted = feed->interrupts && !feed->interrupted;
	source->error = feed->interrupted ? SOURCE_INTERRUPTED : SOURCE_OK;
	if (feed->interrupted)
		return -1;
	if (n > 0)
		memcpy(buf, feed->data + source->offset, n);
	source->offset += (int64) n;
	return (int) n;
}

static void
feed_close(ByteSource *source)
{
	(void) source;
}

typedef struct Result
{
	SourceError error;
	int			members;
	int64		bytes;
	uint64		hash;
} Result;

static Result
unpack(const uint8_t *data, size_t size, size_t step, bool interrupts)
{
	Feed		feed = {{.read = feed_read, .close = feed_close}, data, size, step, interrupts, false};
	ByteSource *zip = ZipSourceOpen(&feed.base);
	Result		result = {SOURCE_OK, 0, 0, 0};
	char		buf[4000];
	int			rc;

	if (zip == NULL)
		abort();
	for (;;)
	{
		rc = ZipNextMember(zip);
		if (rc < 0 && zip->error == SOURCE_INTERRUPTED)
			continue;
		if (rc <= 0)
			break;
		result.members++;
		for (;;)
		{
			rc = zip->read(zip, buf, sizeof(buf));
			if (rc < 0 && zip->error == SOURCE_INTERRUPTED)
				continue;
			if (rc <= 0)
				break;
			for (int i = 0; i < rc; i++)
				result.hash = result.hash * 31 + (unsigned char) buf[i];
			result.bytes += rc;
		}
		if (rc < 0)
			break;
	}
	result.error = zip->error;
	if ((rc < 0) != (zip->error != SOURCE_OK))
		abort();
	zip->close(zip);
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Result		whole = unpack(data, size, size + 1, false);
	Result		pieces = unpack(data, size, 1 + size % 13, true);

	/* which of several faults is met first may depend on the pieces */
	if ((whole.error == SOURCE_OK) != (pieces.error == SOURCE_OK))
		abort();
	if (whole.error == SOURCE_OK &&
		(whole.members != pieces.members || whole.bytes != pieces.bytes || whole.hash != pieces.hash))
		abort();
	return 0;
}
