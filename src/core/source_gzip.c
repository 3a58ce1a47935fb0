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
#ifdef FINOPS_ISAL
#include <isa-l/igzip_lib.h>
#else
#include <zlib.h>
#endif

#define INPUT_SIZE	65536
#define FRONT		8			/* bytes that may be put back in front */

typedef struct GzipSource
{
	ByteSource	base;
#ifdef FINOPS_ISAL
	struct inflate_state zs;
#else
	z_stream	zs;
#endif
	bool		in_member;		/* a member has begun and not ended */
	bool		below_ended;
	unsigned char input[FRONT + INPUT_SIZE];
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

	memmove(gz->input + FRONT, gz->zs.next_in, gz->zs.avail_in);
	gz->zs.next_in = gz->input + FRONT;
	got = gz->base.below->read(gz->base.below,
							   (char *) gz->zs.next_in + gz->zs.avail_in,
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

/* ---------------------------------------------------------------------
 * The two libraries: ISA-L inflates in half the time; zlib is everywhere
 * ---------------------------------------------------------------------
 */

typedef enum Inflated
{
	INFLATED,					/* some, or nothing before more input */
	INFLATED_MEMBER,			/* the member ends here, its sums are right */
	INFLATE_CORRUPT,
	INFLATE_NO_MEMORY
} Inflated;

#ifdef FINOPS_ISAL

static bool
inflate_init(GzipSource *gz)
{
	isal_inflate_init(&gz->zs);
	gz->zs.crc_flag = ISAL_GZIP;
	return true;
}

static bool
inflate_begin_member(GzipSource *gz)
{
	unsigned char *next = gz->zs.next_in;
	uint32_t	avail = gz->zs.avail_in;

	isal_inflate_reset(&gz->zs);
	gz->zs.crc_flag = ISAL_GZIP;
	gz->zs.next_in = next;
	gz->zs.avail_in = avail;
	return true;
}

/* Whole bytes that were taken behind the end of the member are put back. */
static void
put_back(GzipSource *gz)
{
	int			n = gz->zs.read_in_length / 8;
	uint64		bytes = gz->zs.read_in >> (gz->zs.read_in_length % 8);

	gz->zs.next_in -= n;
	gz->zs.avail_in += (uint32_t) n;
	for (int i = 0; i < n; i++)
		gz->zs.next_in[i] = (unsigned char) (bytes >> (8 * i));
	gz->zs.read_in = 0;
	gz->zs.read_in_length = 0;
}

static Inflated
inflate_some(GzipSource *gz)
{
	if (isal_inflate(&gz->zs) < 0)
		return INFLATE_CORRUPT;
	if (gz->zs.block_state != ISAL_BLOCK_FINISH)
		return INFLATED;
	put_back(gz);
	return INFLATED_MEMBER;
}

static void
inflate_free(GzipSource *gz)
{
	(void) gz;
}

#else

static bool
inflate_init(GzipSource *gz)
{
	/* 15 bits of window, plus 16: gzip header and trailer are required */
	return inflateInit2(&gz->zs, 15 + 16) == Z_OK;
}

static bool
inflate_begin_member(GzipSource *gz)
{
	return inflateReset(&gz->zs) == Z_OK;
}

static Inflated
inflate_some(GzipSource *gz)
{
	switch (inflate(&gz->zs, Z_NO_FLUSH))
	{
		case Z_OK:
		case Z_BUF_ERROR:
			return INFLATED;
		case Z_STREAM_END:
			return INFLATED_MEMBER;
		case Z_MEM_ERROR:
			return INFLATE_NO_MEMORY;
		default:
			return INFLATE_CORRUPT;
	}
}

static void
inflate_free(GzipSource *gz)
{
	inflateEnd(&gz->zs);
}

#endif

/* ---------------------------------------------------------------------
 * The filter
 * ---------------------------------------------------------------------
 */

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
	if (!inflate_begin_member(gz))
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
		unsigned int before;
		int			rc;

		if (!gz->in_member)
		{
			rc = next_member(gz);
			if (rc <= 0)
				return rc;
		}
		if (gz->zs.avail_in == 0 && !gz->below_ended && refill(gz) < 0)
			return -1;
		before = gz->zs.avail_in;
		switch (inflate_some(gz))
		{
			case INFLATED:
				/* neither bytes taken nor given, and none will come */
				if (gz->below_ended && gz->zs.avail_in == before &&
					gz->zs.avail_out == (unsigned int) len)
					return fail(gz, SOURCE_GZIP_TRUNCATED);
				break;
			case INFLATED_MEMBER:
				gz->in_member = false;
				break;
			case INFLATE_CORRUPT:
				return fail(gz, SOURCE_GZIP_CORRUPT);
			case INFLATE_NO_MEMORY:
				return fail(gz, SOURCE_NO_MEMORY);
		}
	}
	len -= (int) gz->zs.avail_out;
	source->offset += len;
	return len;
}

static void
gzip_close(ByteSource *source)
{
	GzipSource *gz = (GzipSource *) source;

	inflate_free(gz);
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
	if (!inflate_init(gz))
	{
		free(gz);
		return NULL;
	}
	gz->zs.next_in = gz->input + FRONT;
	return &gz->base;
}
