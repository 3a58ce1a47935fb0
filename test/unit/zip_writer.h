/*-------------------------------------------------------------------------
 *
 * zip_writer.h
 *	  Zip archives for tests, written byte by byte after APPNOTE.TXT.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZIP_WRITER_H
#define ZIP_WRITER_H

#include <stdlib.h>
#include <zlib.h>

/* where the sizes of a member are told */
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

#endif							/* ZIP_WRITER_H */
