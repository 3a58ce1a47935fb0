/* links: src/core/source_zip.c -lz */
/*-------------------------------------------------------------------------
 *
 * zip_test.c
 *	  The zip filter, on archives written byte by byte after APPNOTE.TXT:
 *	  every way to say a size, cuts and interruptions everywhere, damage.
 *
 *-------------------------------------------------------------------------
 */
#include "core/zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

static int	number;
static int	failed;

static void
ok(bool good, const char *text)
{
	printf("%s %d - %s\n", good ? "ok" : "not ok", ++number, text);
	failed += !good;
}

/* ---------------------------------------------------------------------
 * Writing archives
 * ---------------------------------------------------------------------
 */

typedef enum Sizes
{
	IN_HEADER,
	IN_HEADER64,
	BEHIND,
	BEHIND_UNSIGNED,
	BEHIND64,
	BEHIND64_UNSIGNED
} Sizes;

typedef struct Archive
{
	unsigned char data[1 << 18];
	size_t		len;
	unsigned char directory[8192];
	size_t		directory_len;
	int			entries;
} Archive;

static void
put(unsigned char *to, size_t *len, uint64 value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		to[(*len)++] = (unsigned char) (value >> (8 * i));
}

#define PUT(value, bytes)	put(a->data, &a->len, value, bytes)
#define DIR(value, bytes)	put(a->directory, &a->directory_len, value, bytes)

static size_t
deflate_raw(const char *text, size_t len, unsigned char *out, size_t room)
{
	z_stream	zs = {0};

	if (deflateInit2(&zs, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	zs.next_in = (unsigned char *) text;
	zs.avail_in = (unsigned int) len;
	zs.next_out = out;
	zs.avail_out = (unsigned int) room;
	if (deflate(&zs, Z_FINISH) != Z_STREAM_END)
		abort();
	deflateEnd(&zs);
	return zs.total_out;
}

static void
add_directory(Archive *a, const char *name, unsigned int flags, int method, uint32 crc,
			  size_t packed, size_t size, size_t offset, bool wide)
{
	DIR(0x02014b50, 4);
	DIR(45, 2);
	DIR(45, 2);
	DIR(flags, 2);
	DIR((uint64) method, 2);
	DIR(0, 4);
	DIR(crc, 4);
	DIR(wide ? UINT32_MAX : packed, 4);
	DIR(wide ? UINT32_MAX : size, 4);
	DIR(strlen(name), 2);
	DIR(wide ? 28 : 0, 2);
	DIR(3, 2);
	DIR(0, 8);
	DIR(wide ? UINT32_MAX : offset, 4);
	memcpy(a->directory + a->directory_len, name, strlen(name));
	a->directory_len += strlen(name);
	if (wide)
	{
		DIR(1, 2);
		DIR(24, 2);
		DIR(size, 8);
		DIR(packed, 8);
		DIR(offset, 8);
	}
	DIR(0x2d2d2d, 3);			/* a comment */
	a->entries++;
}

static void
add(Archive *a, const char *name, const char *text, size_t len, int method, Sizes sizes)
{
	static unsigned char packed[1 << 18];
	size_t		offset = a->len;
	size_t		npacked = method == 8 ? deflate_raw(text, len, packed, sizeof(packed)) : len;
	uint32		crc = (uint32) crc32(crc32(0, NULL, 0), (const unsigned char *) text, (unsigned int) len);
	unsigned int flags = sizes >= BEHIND ? 8 : 0;

	if (method != 8)
		memcpy(packed, text, len);
	PUT(0x04034b50, 4);
	PUT(45, 2);
	PUT(flags, 2);
	PUT((uint64) method, 2);
	PUT(0, 4);
	PUT(sizes >= BEHIND ? 0 : crc, 4);
	PUT(sizes == IN_HEADER ? npacked : sizes == IN_HEADER64 ? UINT32_MAX : 0, 4);
	PUT(sizes == IN_HEADER ? len : sizes == IN_HEADER64 ? UINT32_MAX : 0, 4);
	PUT(strlen(name), 2);
	PUT(sizes == IN_HEADER64 ? 9 + 20 : 9, 2);
	memcpy(a->data + a->len, name, strlen(name));
	a->len += strlen(name);
	PUT(0x5455, 2);				/* a time stamp before the sizes */
	PUT(5, 2);
	PUT(1, 5);
	if (sizes == IN_HEADER64)
	{
		PUT(1, 2);
		PUT(16, 2);
		PUT(len, 8);
		PUT(npacked, 8);
	}
	memcpy(a->data + a->len, packed, npacked);
	a->len += npacked;
	if (sizes >= BEHIND)
	{
		if (sizes == BEHIND || sizes == BEHIND64)
			PUT(0x08074b50, 4);
		PUT(crc, 4);
		PUT(npacked, sizes >= BEHIND64 ? 8 : 4);
		PUT(len, sizes >= BEHIND64 ? 8 : 4);
	}
	add_directory(a, name, flags, method, crc, npacked, len, offset, sizes == IN_HEADER64);
}

static void
finish(Archive *a, bool wide, const char *comment)
{
	size_t		start = a->len;

	memcpy(a->data + a->len, a->directory, a->directory_len);
	a->len += a->directory_len;
	if (wide)
	{
		PUT(0x06064b50, 4);
		PUT(44, 8);
		PUT(45, 2);
		PUT(45, 2);
		PUT(0, 8);
		PUT((uint64) a->entries, 8);
		PUT((uint64) a->entries, 8);
		PUT(a->directory_len, 8);
		PUT(start, 8);
		PUT(0x07064b50, 4);
		PUT(0, 4);
		PUT(start + a->directory_len, 8);
		PUT(1, 4);
	}
	PUT(0x06054b50, 4);
	PUT(0, 4);
	PUT(wide ? UINT16_MAX : (uint64) a->entries, 2);
	PUT(wide ? UINT16_MAX : (uint64) a->entries, 2);
	PUT(wide ? UINT32_MAX : a->directory_len, 4);
	PUT(wide ? UINT32_MAX : start, 4);
	PUT(strlen(comment), 2);
	memcpy(a->data + a->len, comment, strlen(comment));
	a->len += strlen(comment);
}

static Archive *
new_archive(void)
{
	Archive    *a = calloc(1, sizeof(Archive));

	if (a == NULL)
		abort();
	return a;
}

/* ---------------------------------------------------------------------
 * Reading them
 * ---------------------------------------------------------------------
 */

typedef struct MemorySource
{
	ByteSource	base;
	const unsigned char *data;
	size_t		len;
	size_t		step;
	bool		interrupts;		/* every other read */
	bool		interrupted;
} MemorySource;

static int	closed;

static int
memory_read(ByteSource *source, char *buf, int len)
{
	MemorySource *m = (MemorySource *) source;
	size_t		n = Min(m->len - (size_t) source->offset, Min((size_t) len, m->step));

	m->interrupted = m->interrupts && !m->interrupted;
	source->error = m->interrupted ? SOURCE_INTERRUPTED : SOURCE_OK;
	if (m->interrupted)
		return -1;
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

/* Everything as "name=text|"; the error, if any, in *error. */
static char *
read_all(const unsigned char *data, size_t len, size_t step, bool interrupts, SourceError *error)
{
	static char out[1 << 19];
	static char piece[1 << 16];
	MemorySource memory = {
		{.read = memory_read, .close = memory_close},
		data, len, step, interrupts, false
	};
	ByteSource *zip = ZipSourceOpen(&memory.base);
	size_t		n = 0;
	int			rc,
				got;

	*error = SOURCE_OK;
	for (;;)
	{
		rc = ZipNextMember(zip);
		if (rc < 0 && zip->error == SOURCE_INTERRUPTED)
			continue;
		if (rc <= 0)
			break;
		n += (size_t) sprintf(out + n, "%s=", ZipMemberName(zip));
		for (;;)
		{
			got = zip->read(zip, piece, (int) Min(sizeof(piece), step * 3));
			if (got < 0 && zip->error == SOURCE_INTERRUPTED)
				continue;
			if (got <= 0)
				break;
			memcpy(out + n, piece, (size_t) got);
			n += (size_t) got;
		}
		out[n++] = '|';
		if (got < 0)
		{
			rc = got;
			break;
		}
	}
	out[n] = '\0';
	if (rc < 0)
		*error = zip->error;
	zip->close(zip);
	return out;
}

static bool
reads_as(const Archive *a, const char *expected, const char *text)
{
	SourceError error;
	bool		good = true;
	static const size_t steps[] = {1, 7, 1000, 1 << 20};

	for (size_t i = 0; i < lengthof(steps); i++)
		for (int interrupts = 0; interrupts < 2; interrupts++)
		{
			char	   *got = read_all(a->data, a->len, steps[i], interrupts, &error);

			if (error != SOURCE_OK || strcmp(got, expected) != 0)
			{
				printf("# step %zu: error %d, %.100s\n", steps[i], (int) error, got);
				good = false;
			}
		}
	ok(good, text);
	return good;
}

static void
fails_with(const Archive *a, SourceError expected, const char *text)
{
	SourceError error;

	(void) read_all(a->data, a->len, 4096, false, &error);
	if (error != expected)
		printf("# error %d\n", (int) error);
	ok(error == expected, text);
}

static const char text1[] = "account,cost\n1,2.50\n1,2.50\n1,2.50\n";
static const char text2[] = "account,cost\n2,1\n";

static void
test_forms(void)
{
	static const char *const names[] = {
		"sizes in the header", "64-bit sizes in the header", "sizes behind the member",
		"sizes behind the member without a signature", "64-bit sizes behind the member",
		"64-bit sizes behind the member without a signature"
	};

	for (int form = IN_HEADER; form <= BEHIND64_UNSIGNED; form++)
	{
		Archive    *a = new_archive();

		add(a, "a.csv", text1, strlen(text1), 8, (Sizes) form);
		add(a, "b/", "", 0, form <= IN_HEADER64 ? 0 : 8, (Sizes) form);
		add(a, "b/c.csv", text2, strlen(text2), form <= IN_HEADER64 ? 0 : 8, (Sizes) form);
		finish(a, form % 2 == 1, form % 2 == 1 ? "a comment" : "");
		reads_as(a, "a.csv=account,cost\n1,2.50\n1,2.50\n1,2.50\n|b/=|b/c.csv=account,cost\n2,1\n|",
				 names[form]);
		free(a);
	}
}

static void
test_cuts(void)
{
	Archive    *a = new_archive();
	bool		good = true;
	SourceError error;

	add(a, "a.csv", text1, strlen(text1), 8, IN_HEADER);
	add(a, "b.csv", text2, strlen(text2), 8, BEHIND);
	add(a, "c.csv", text2, strlen(text2), 0, IN_HEADER64);
	finish(a, true, "end");
	for (size_t cut = 0; cut < a->len; cut++)
	{
		(void) read_all(a->data, cut, 11, false, &error);
		if (error != SOURCE_ZIP_TRUNCATED)
		{
			printf("# cut at %zu of %zu: %d\n", cut, a->len, (int) error);
			good = false;
		}
	}
	ok(good, "a cut anywhere is an error");
	a->data[a->len++] = '\n';
	fails_with(a, SOURCE_ZIP_GARBAGE, "something behind the archive");
	free(a);
}

/* Each byte in turn is wrong: never other data without an error. */
static void
test_damage(void)
{
	Archive    *a = new_archive();
	char	   *right;
	int			unnoticed = 0;
	SourceError error;

	add(a, "a.csv", text1, strlen(text1), 8, IN_HEADER);
	add(a, "b.csv", text2, strlen(text2), 0, IN_HEADER);
	add(a, "c.csv", text1, strlen(text1), 8, BEHIND);
	finish(a, false, "");
	right = strdup(read_all(a->data, a->len, 100, false, &error));
	for (size_t i = 0; i < a->len; i++)
	{
		a->data[i] ^= 0x41;
		if (strcmp(read_all(a->data, a->len, 100, false, &error), right) != 0 && error == SOURCE_OK)
		{
			printf("# byte %zu of %zu\n", i, a->len);
			unnoticed++;
		}
		a->data[i] ^= 0x41;
	}
	ok(unnoticed == 0, "no damage changes what is read without an error");
	free(right);
	free(a);
}

static void
test_refusals(void)
{
	Archive    *a = new_archive();

	add(a, "a.csv", text1, strlen(text1), 8, IN_HEADER);
	finish(a, false, "");
	a->data[6] = 1;
	fails_with(a, SOURCE_ZIP_ENCRYPTED, "an encrypted member");
	a->data[6] = 0;
	a->data[8] = 99;
	fails_with(a, SOURCE_ZIP_ENCRYPTED, "a member encrypted with AES");
	a->data[8] = 12;
	fails_with(a, SOURCE_ZIP_METHOD, "another way of packing");
	memset(a, 0, sizeof(*a));
	add(a, "a.csv", text1, strlen(text1), 0, BEHIND);
	finish(a, false, "");
	fails_with(a, SOURCE_ZIP_UNSIZED, "a stored member of unknown size");
	memset(a, 0, sizeof(*a));
	add(a, "a.csv", "", 0, 0, BEHIND);
	finish(a, false, "");
	reads_as(a, "a.csv=|", "an empty stored member of unknown size");
	memset(a, 0, sizeof(*a));
	add(a, "a.csv", text1, strlen(text1), 8, IN_HEADER);
	a->directory_len = 0;
	a->entries = 0;
	finish(a, false, "");
	fails_with(a, SOURCE_ZIP_CORRUPT, "a member that the directory does not know");
	memset(a, 0, sizeof(*a));
	add(a, "a.csv", text1, strlen(text1), 8, IN_HEADER);
	add_directory(a, "b.csv", 0, 8, 0, 0, 0, 0, false);
	finish(a, false, "");
	fails_with(a, SOURCE_ZIP_CORRUPT, "a member that is only in the directory");
	memset(a, 0, sizeof(*a));
	add(a, "a.csv", text1, strlen(text1), 8, IN_HEADER);
	a->directory[46] = 'b';
	finish(a, false, "");
	fails_with(a, SOURCE_ZIP_CORRUPT, "a member under two names");
	memset(a, 0, sizeof(*a));
	finish(a, false, "");
	reads_as(a, "", "an empty archive");
	free(a);
}

static void
test_bomb(void)
{
	size_t		len = 80 * 1024 * 1024;
	char	   *zeros = calloc(1, len);
	Archive    *a = new_archive();
	SourceError error = SOURCE_OK;
	MemorySource memory = {{.read = memory_read, .close = memory_close}, a->data, 0, 1 << 20, false, false};
	ByteSource *zip;

	add(a, "zeros", zeros, len, 8, IN_HEADER);
	finish(a, false, "");
	memory.len = a->len;
	zip = ZipSourceOpen(&memory.base);
	closed = 0;
	while (ZipNextMember(zip) > 0)
		;
	error = zip->error;
	zip->close(zip);
	ok(error == SOURCE_ZIP_BOMB, "an archive that grows a thousand times");
	ok(closed == 1, "closing closes what is below");
	free(zeros);
	free(a);
}

int
main(void)
{
	test_forms();
	test_cuts();
	test_damage();
	test_refusals();
	test_bomb();
	ok(ZipMagic((const unsigned char *) "PK\003\004", 4) && ZipMagic((const unsigned char *) "PK\005\006", 4) &&
	   !ZipMagic((const unsigned char *) "PK\001\002", 4) && !ZipMagic((const unsigned char *) "PK\003", 3),
	   "the first bytes tell an archive");
	ok(ZipMemberIsFile("a.csv") && ZipMemberIsFile("x/a.csv") && !ZipMemberIsFile("x/") &&
	   !ZipMemberIsFile("__MACOSX/._a.csv") && !ZipMemberIsFile("x/.DS_Store"),
	   "what archivers add is told from files");
	printf("1..%d\n", number);
	return failed != 0;
}
