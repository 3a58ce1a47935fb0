/* links: src/core/source_gzip.c -lz */
/*-------------------------------------------------------------------------
 *
 * gzip_test.c
 *	  The inflate filter: members, cuts at every byte, damage.
 *
 *-------------------------------------------------------------------------
 */
#include "core/source.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

typedef struct MemorySource
{
	ByteSource	base;
	const unsigned char *data;
	size_t		len;
	size_t		step;
	bool		fails;
} MemorySource;

static int	closed;

static int
memory_read(ByteSource *source, char *buf, int len)
{
	MemorySource *m = (MemorySource *) source;
	size_t		n = Min(m->len - (size_t) source->offset, Min((size_t) len, m->step));

	if (n == 0 && m->fails)
	{
		source->error = SOURCE_READ_FAILED;
		source->os_error = 5;
		return -1;
	}
	if (n > 0)
		memcpy(buf, m->data + source->offset, n);
	source->offset += (int64) n;
	return (int) n;
}

static void
memory_close(ByteSource *source)
{
	(void) source;
	closed++;
}

/* One gzip member of data, appended to out. */
static size_t
deflate_to(unsigned char *out, size_t room, const char *data, size_t len)
{
	z_stream	zs;

	memset(&zs, 0, sizeof(zs));
	if (deflateInit2(&zs, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		exit(1);
	zs.next_in = (unsigned char *) data;
	zs.avail_in = (unsigned int) len;
	zs.next_out = out;
	zs.avail_out = (unsigned int) room;
	if (deflate(&zs, Z_FINISH) != Z_STREAM_END)
		exit(1);
	deflateEnd(&zs);
	return room - zs.avail_out;
}

/* Inflate all of it in pieces; the bytes got, and how it ended. */
static size_t
inflate_all(const unsigned char *data, size_t len, size_t step, int piece, char *out,
			size_t room, SourceError *error)
{
	MemorySource memory = {{.read = memory_read, .close = memory_close}, data, len, step, false};
	ByteSource *gz = GzipSourceOpen(&memory.base);
	size_t		n = 0;
	int			got;

	*error = SOURCE_OK;
	while ((got = gz->read(gz, out + n, (int) Min((size_t) piece, room - n))) > 0)
		n += (size_t) got;
	if (got < 0)
		*error = gz->error;
	gz->close(gz);
	return n;
}

int
main(void)
{
	size_t		plain_len = 200000;
	char	   *plain = malloc(plain_len);
	unsigned char *packed = malloc(plain_len * 2);
	char	   *out = malloc(plain_len * 3);
	size_t		one;
	size_t		two;
	SourceError error;
	uint64		seed = 7;
	bool		all = true;

	for (size_t i = 0; i < plain_len; i++)
	{
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		plain[i] = (char) ('a' + (seed >> 60));
	}
	one = deflate_to(packed, plain_len, plain, plain_len);
	two = one + deflate_to(packed + one, plain_len, "second member\n", 14);

	ok(inflate_all(packed, one, 1 << 20, 65536, out, plain_len * 3, &error) == plain_len &&
	   error == SOURCE_OK && memcmp(out, plain, plain_len) == 0, "one member");
	ok(inflate_all(packed, one, 1, 1000, out, plain_len * 3, &error) == plain_len &&
	   error == SOURCE_OK && memcmp(out, plain, plain_len) == 0, "byte by byte");
	ok(inflate_all(packed, two, 7, 333, out, plain_len * 3, &error) == plain_len + 14 &&
	   error == SOURCE_OK && memcmp(out + plain_len, "second member\n", 14) == 0, "two members");
	for (size_t cut = 2; cut < two; cut += cut < 40 || cut > one - 20 ? 1 : 997)
	{
		(void) inflate_all(packed, cut, 4096, 65536, out, plain_len * 3, &error);
		if (cut != one && error != (cut == one + 1 ? SOURCE_GZIP_GARBAGE : SOURCE_GZIP_TRUNCATED))
		{
			printf("# cut at %zu of %zu: %d\n", cut, two, (int) error);
			all = false;
		}
	}
	ok(all, "cut anywhere but between members is an error");
	(void) inflate_all(packed, 0, 4096, 65536, out, plain_len * 3, &error);
	ok(error == SOURCE_OK, "nothing holds nothing");
	packed[two] = '\n';
	(void) inflate_all(packed, two + 1, 4096, 65536, out, plain_len * 3, &error);
	ok(error == SOURCE_GZIP_GARBAGE, "something behind the last member");
	packed[one / 2] ^= 0x55;
	(void) inflate_all(packed, one, 4096, 65536, out, plain_len * 3, &error);
	ok(error == SOURCE_GZIP_CORRUPT, "damage is found");
	packed[one / 2] ^= 0x55;
	packed[one - 1] ^= 1;
	(void) inflate_all(packed, one, 4096, 65536, out, plain_len * 3, &error);
	ok(error == SOURCE_GZIP_CORRUPT, "a wrong length is found");
	packed[one - 1] ^= 1;
	{
		MemorySource memory = {
			{.read = memory_read, .close = memory_close},
			packed, one / 2, 4096, true
		};
		ByteSource *gz = GzipSourceOpen(&memory.base);
		int			got;

		closed = 0;
		while ((got = gz->read(gz, out, 65536)) > 0)
			;
		ok(got < 0 && gz->error == SOURCE_READ_FAILED && gz->os_error == 5, "a source that fails below");
		gz->close(gz);
		ok(closed == 1, "closing closes what is below");
	}
	free(plain);
	free(packed);
	free(out);
	printf("1..%d\n", number);
	return failed != 0;
}
