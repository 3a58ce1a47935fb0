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

#include "../unit/zip_writer.h"
#include "tap.h"

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
