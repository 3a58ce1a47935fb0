/*-------------------------------------------------------------------------
 *
 * source_gzip.c
 *	  Inflate filter.
 *
 * Cloud exporters write gzip files of several members, so the end of a
 * member is not the end of the data: the next two bytes decide.  A file that
 * ends inside a member was cut off in transfer and must not load as if it
 * were complete.
 *
 *-------------------------------------------------------------------------
 */
#include "core/source.h"

#include <stdlib.h>
#include <zlib.h>

#define INPUT_SIZE	65536

typedef struct GzipSource
{
	ByteSource	base;
	z_stream	zs;
	bool		in_member;		/* a member has begun and not ended */
	bool		below_ended;
	unsigned char input[INPUT_SIZE];
} GzipSource;

bool
GzipMagic(const unsigned char *bytes, int len)
{
	return len >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

static int
fail(GzipSource *gz, SourceError error)
{
	gz->base.error = error;
	return -1;
}

/* Refill the input, keeping what is left of it; -1 when the source failed. */
static int
refill(GzipSource *gz)
{
	int			got;

	memmove(gz->input, gz->zs.next_in, gz->zs.avail_in);
	gz->zs.next_in = gz->input;
	got = gz->base.below->read(gz->base.below,
							   (char *) gz->input + gz->zs.avail_in,
							   (int) (INPUT_SIZE - gz->zs.avail_in));
	if (got < 0)
	{
		gz->base.os_error = gz->base.below->os_error;
		return fail(gz, gz->base.below->error);
	}
	if (got == 0)
		gz->below_ended = true;
	gz->zs.avail_in += (unsigned int) got;
	return 0;
}

/* Between members: 1 when another begins, 0 at the end, -1 failed. */
static int
next_member(GzipSource *gz)
{
	while (gz->zs.avail_in < 2 && !gz->below_ended)
		if (refill(gz) < 0)
			return -1;
	if (gz->zs.avail_in == 0)
		return 0;
	if (!GzipMagic(gz->zs.next_in, (int) gz->zs.avail_in))
		return fail(gz, SOURCE_GZIP_GARBAGE);
	if (inflateReset(&gz->zs) != Z_OK)
		return fail(gz, SOURCE_GZIP_CORRUPT);
	gz->in_member = true;
	return 1;
}

static int
gzip_read(ByteSource *source, char *buf, int len)
{
	GzipSource *gz = (GzipSource *) source;

	gz->zs.next_out = (unsigned char *) buf;
	gz->zs.avail_out = (unsigned int) len;
	while (gz->zs.avail_out == (unsigned int) len)
	{
		int			rc;

		if (!gz->in_member)
		{
			rc = next_member(gz);
			if (rc <= 0)
				return rc;
		}
		if (gz->zs.avail_in == 0 && !gz->below_ended && refill(gz) < 0)
			return -1;
		if (gz->zs.avail_in == 0 && gz->below_ended)
			return fail(gz, SOURCE_GZIP_TRUNCATED);
		rc = inflate(&gz->zs, Z_NO_FLUSH);
		if (rc == Z_STREAM_END)
			gz->in_member = false;
		else if (rc == Z_MEM_ERROR)
			return fail(gz, SOURCE_NO_MEMORY);
		else if (rc != Z_OK && rc != Z_BUF_ERROR)
			return fail(gz, SOURCE_GZIP_CORRUPT);
	}
	len -= (int) gz->zs.avail_out;
	source->offset += len;
	return len;
}

static void
gzip_close(ByteSource *source)
{
	GzipSource *gz = (GzipSource *) source;

	inflateEnd(&gz->zs);
	source->below->close(source->below);
	free(gz);
}

ByteSource *
GzipSourceOpen(ByteSource *below)
{
	GzipSource *gz = calloc(1, sizeof(GzipSource));

	if (gz == NULL)
		return NULL;
	gz->base.read = gzip_read;
	gz->base.close = gzip_close;
	gz->base.below = below;
	gz->zs.next_in = gz->input;
	/* 15 bits of window, plus 16: gzip header and trailer are required */
	if (inflateInit2(&gz->zs, 15 + 16) != Z_OK)
	{
		free(gz);
		return NULL;
	}
	return &gz->base;
}
