/*-------------------------------------------------------------------------
 *
 * source_zip.c
 *	  Zip filter: APPNOTE.TXT 6.3.10 of PKWARE, sections 4.3 to 4.5.
 *
 * A zip archive says everything twice: in a header before each member and in
 * a directory at its end.  This reader follows the headers, so that it can
 * work on a stream, and adds up a fingerprint of each member (checksum,
 * sizes, place, name) as it was really read.  The directory must then name
 * the same set.  A member that the directory does not know, one that it
 * promises and that is not there, a cut archive and one with something
 * behind its end are errors: no reader may see another bill than this one.
 *
 * Sizes that were not known when a header was written follow the member in a
 * descriptor, with or without a signature, in 32 or 64 bits.  Deflate finds
 * its own end, so the descriptor is recognised by what it must say.
 *
 * The source below may break off with SOURCE_INTERRUPTED and be asked again,
 * so whatever needs more input takes nothing away before it is all there.
 *
 *-------------------------------------------------------------------------
 */
#include "core/zip.h"

#include <stdlib.h>
#include <zlib.h>

/* a header with name, extra field and comment, 65,535 bytes each, fits */
#define INPUT_SIZE		(4 * 65536)
#define NAME_SIZE		1024

#define LOCAL_HEADER	0x04034b50
#define DESCRIPTOR		0x08074b50
#define DIRECTORY_ENTRY	0x02014b50
#define END64			0x06064b50
#define LOCATOR64		0x07064b50
#define END				0x06054b50

#define FLAG_ENCRYPTED	0x0001
#define FLAG_DESCRIPTOR	0x0008
#define FLAG_MASKED		0x2000

#define METHOD_STORED	0
#define METHOD_DEFLATED	8
#define METHOD_AES		99

/*
 * Bills deflate to a tenth or a fiftieth; deflate itself ends at 1,032.
 * Beyond 64 MB an archive that grows more than 500 times is one made to fill
 * a machine.
 */
#define BOMB_FLOOR		((uint64) 64 * 1024 * 1024)
#define BOMB_RATIO		500

typedef enum ZipState
{
	ZIP_BETWEEN,				/* the next thing is a header */
	ZIP_IN_MEMBER,
	ZIP_ENDED
} ZipState;

typedef struct ZipSource
{
	ByteSource	base;
	z_stream	zs;
	ZipState	state;
	bool		below_ended;
	uint64		position;		/* of the next input byte in the archive */
	unsigned char *at;			/* the next input byte */
	int			avail;

	/* the current member, as its header has it, then as it was read */
	char		name[NAME_SIZE];
	uint64		offset;
	uint64		name_hash;
	unsigned int flags;
	unsigned int method;
	uint32		crc;
	uint64		packed;
	uint64		size;
	uint32		read_crc;
	uint64		read_packed;
	uint64		read_size;

	/* the archive, as it was read and as its directory has it */
	uint64		members;
	uint64		fingerprint;
	uint64		total_size;
	uint64		entries;
	uint64		promised;
	unsigned char input[INPUT_SIZE];
} ZipSource;

bool
ZipMagic(const unsigned char *bytes, int len)
{
	return len >= 4 && bytes[0] == 'P' && bytes[1] == 'K' &&
		((bytes[2] == 3 && bytes[3] == 4) || (bytes[2] == 5 && bytes[3] == 6));
}

static int
fail(ZipSource *zip, SourceError error)
{
	zip->base.error = error;
	return -1;
}

static uint32
get16(const unsigned char *p)
{
	return (uint32) p[0] | (uint32) p[1] << 8;
}

static uint32
get32(const unsigned char *p)
{
	return get16(p) | get16(p + 2) << 16;
}

static uint64
get64(const unsigned char *p)
{
	return (uint64) get32(p) | (uint64) get32(p + 4) << 32;
}

/* ---------------------------------------------------------------------
 * Input
 * ---------------------------------------------------------------------
 */

/* Have at least n bytes, or all there are; -1 when the source failed. */
static int
fill(ZipSource *zip, int n)
{
	while (zip->avail < n && !zip->below_ended)
	{
		int			got;

		if (zip->at > zip->input)
		{
			memmove(zip->input, zip->at, (size_t) zip->avail);
			zip->at = zip->input;
		}
		got = zip->base.below->read(zip->base.below,
									(char *) zip->input + zip->avail,
									INPUT_SIZE - zip->avail);
		if (got < 0)
		{
			zip->base.os_error = zip->base.below->os_error;
			return fail(zip, zip->base.below->error);
		}
		zip->below_ended = got == 0;
		zip->avail += got;
	}
	return 0;
}

static int
need(ZipSource *zip, int n)
{
	if (fill(zip, n) < 0)
		return -1;
	return zip->avail >= n ? 0 : fail(zip, SOURCE_ZIP_TRUNCATED);
}

static void
advance(ZipSource *zip, int n)
{
	zip->at += n;
	zip->avail -= n;
	zip->position += (uint64) n;
}

/* ---------------------------------------------------------------------
 * Fingerprints
 * ---------------------------------------------------------------------
 */

/* FNV-1a */
static uint64
hash_bytes(uint64 hash, const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ p[i]) * UINT64_C(1099511628211);
	return hash;
}

static uint64
hash_name(const unsigned char *name, int len)
{
	return hash_bytes(UINT64_C(14695981039346656037), name, (size_t) len);
}

/*
 * One member's share of the fingerprint.  The order of the members does not
 * matter.  Sizes and place count modulo 2^32: some archivers write members
 * beyond 4 GB without the 64-bit fields.
 */
static uint64
fingerprint(uint64 name_hash, uint32 crc, uint64 packed, uint64 size, uint64 offset)
{
	uint32		facts[4] = {crc, (uint32) packed, (uint32) size, (uint32) offset};

	return hash_bytes(name_hash, (const unsigned char *) facts, sizeof(facts));
}

/*
 * The 64-bit values of extra field 1 stand in this order, each only where
 * its 32-bit field is full.  False when the field is damaged.
 */
static bool
read_extra64(const unsigned char *extra, int len, uint64 *values[], int nvalues)
{
	while (len >= 4)
	{
		int			size = (int) get16(extra + 2);

		if (size > len - 4)
			return true;		/* some writers pad with zeros */
		if (get16(extra) == 1)
		{
			const unsigned char *p = extra + 4;

			for (int i = 0; i < nvalues; i++)
			{
				if (*values[i] != UINT32_MAX)
					continue;
				if (size < 8)
					return false;
				*values[i] = get64(p);
				p += 8;
				size -= 8;
			}
			return true;
		}
		extra += 4 + size;
		len -= 4 + size;
	}
	return true;
}

/* ---------------------------------------------------------------------
 * Members
 * ---------------------------------------------------------------------
 */

static void
keep_name(ZipSource *zip, const unsigned char *name, int len)
{
	int			keep = Min(len, NAME_SIZE - 1);

	memcpy(zip->name, name, (size_t) keep);
	zip->name[keep] = '\0';
	zip->name_hash = hash_name(name, len);
}

/* Can this reader deliver the member whose header has header_len bytes? */
static int
check_member(ZipSource *zip, int header_len)
{
	const unsigned char *p;

	if ((zip->flags & (FLAG_ENCRYPTED | FLAG_MASKED)) != 0 || zip->method == METHOD_AES)
		return fail(zip, SOURCE_ZIP_ENCRYPTED);
	if (zip->method == METHOD_DEFLATED)
		return 0;
	if (zip->method != METHOD_STORED)
		return fail(zip, SOURCE_ZIP_METHOD);
	if ((zip->flags & FLAG_DESCRIPTOR) != 0 && zip->packed == 0)
	{
		/* empty, or of a length that only the directory knows */
		if (fill(zip, header_len + 16) < 0)
			return -1;
		p = zip->at + header_len;
		if (zip->avail >= header_len + 16 && get32(p) == DESCRIPTOR &&
			get32(p + 4) == 0 && get64(p + 8) == 0)
			return 0;
		return fail(zip, SOURCE_ZIP_UNSIZED);
	}
	return zip->packed == zip->size ? 0 : fail(zip, SOURCE_ZIP_CORRUPT);
}

static int
begin_member(ZipSource *zip)
{
	const unsigned char *p;
	int			name_len,
				extra_len,
				len;
	uint64	   *wide[2] = {&zip->size, &zip->packed};

	if (need(zip, 30) < 0)
		return -1;
	name_len = (int) get16(zip->at + 26);
	extra_len = (int) get16(zip->at + 28);
	len = 30 + name_len + extra_len;
	if (need(zip, len) < 0)
		return -1;
	p = zip->at;
	zip->offset = zip->position;
	zip->flags = get16(p + 6);
	zip->method = get16(p + 8);
	zip->crc = get32(p + 14);
	zip->packed = get32(p + 18);
	zip->size = get32(p + 22);
	keep_name(zip, p + 30, name_len);
	if (!read_extra64(p + 30 + name_len, extra_len, wide, 2))
		return fail(zip, SOURCE_ZIP_CORRUPT);
	if (check_member(zip, len) < 0)
		return -1;
	if (inflateReset(&zip->zs) != Z_OK)
		return fail(zip, SOURCE_ZIP_CORRUPT);
	advance(zip, len);
	zip->read_crc = (uint32) crc32(0, NULL, 0);
	zip->read_packed = zip->read_size = 0;
	zip->state = ZIP_IN_MEMBER;
	zip->members++;
	return 1;
}

/*
 * Does a descriptor of this width stand here?  It must say what was read and
 * be followed by the next header.  Returns its length, 0 when it does not.
 */
static int
match_descriptor(const ZipSource *zip, bool wide)
{
	const unsigned char *p = zip->at;
	const unsigned char *end = p + zip->avail;
	int			width = wide ? 8 : 4;

	if (end - p >= 4 && get32(p) == DESCRIPTOR)
		p += 4;
	if (end - p < 4 + 2 * width + 4 || get32(p) != zip->read_crc)
		return 0;
	p += 4;
	if (wide ? get64(p) != zip->read_packed || get64(p + 8) != zip->read_size :
		get32(p) != (uint32) zip->read_packed || get32(p + 4) != (uint32) zip->read_size)
		return 0;
	p += 2 * width;
	if (p[0] != 'P' || p[1] != 'K')
		return 0;
	return (int) (p - zip->at);
}

/* The member's data have ended: do the sizes and the checksum agree? */
static int
end_member(ZipSource *zip)
{
	if ((zip->flags & FLAG_DESCRIPTOR) != 0)
	{
		int			len;

		/* signature, checksum, two sizes, the next signature */
		if (fill(zip, 4 + 4 + 16 + 4) < 0)
			return -1;
		len = match_descriptor(zip, false);
		if (len == 0)
			len = match_descriptor(zip, true);
		if (len == 0)
			return fail(zip, zip->below_ended && zip->avail < 4 + 4 + 16 + 4 ?
						SOURCE_ZIP_TRUNCATED : SOURCE_ZIP_CORRUPT);
		advance(zip, len);
	}
	else if (zip->read_crc != zip->crc || zip->read_packed != zip->packed ||
			 zip->read_size != zip->size)
		return fail(zip, SOURCE_ZIP_CORRUPT);
	zip->fingerprint += fingerprint(zip->name_hash, zip->read_crc, zip->read_packed,
									zip->read_size, zip->offset);
	zip->state = ZIP_BETWEEN;
	return 0;
}

static int
read_stored(ZipSource *zip, char *buf, int len)
{
	uint64		left = zip->packed - zip->read_packed;
	int			n;

	if (left == 0)
		return end_member(zip);
	if (need(zip, 1) < 0)
		return -1;
	n = (int) Min(left, (uint64) Min(len, zip->avail));
	memcpy(buf, zip->at, (size_t) n);
	advance(zip, n);
	zip->read_packed += (uint64) n;
	return n;
}

/* Some inflated bytes; none when the member ended. */
static int
read_deflated(ZipSource *zip, char *buf, int len)
{
	bool		bounded = (zip->flags & FLAG_DESCRIPTOR) == 0;

	zip->zs.next_out = (unsigned char *) buf;
	zip->zs.avail_out = (unsigned int) len;
	for (;;)
	{
		uint64		left = zip->packed - zip->read_packed;
		int			given,
					rc;

		if (bounded && left == 0)
			given = 0;
		else
		{
			if (need(zip, 1) < 0)
				return -1;
			given = bounded ? (int) Min(left, (uint64) zip->avail) : zip->avail;
		}
		zip->zs.next_in = zip->at;
		zip->zs.avail_in = (unsigned int) given;
		rc = inflate(&zip->zs, Z_NO_FLUSH);
		given -= (int) zip->zs.avail_in;
		advance(zip, given);
		zip->read_packed += (uint64) given;
		if (rc == Z_MEM_ERROR)
			return fail(zip, SOURCE_NO_MEMORY);
		if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
			return fail(zip, SOURCE_ZIP_CORRUPT);
		if (zip->zs.avail_out < (unsigned int) len)
			return len - (int) zip->zs.avail_out;
		if (rc == Z_STREAM_END)
			return end_member(zip);
		if (given == 0 && bounded && left == 0)
			return fail(zip, SOURCE_ZIP_CORRUPT);
	}
}

/* An error stays; an interruption is over when the reader comes back. */
static bool
may_go_on(ZipSource *zip)
{
	if (zip->base.error == SOURCE_INTERRUPTED)
		zip->base.error = SOURCE_OK;
	return zip->base.error == SOURCE_OK;
}

static int
zip_read(ByteSource *source, char *buf, int len)
{
	ZipSource  *zip = (ZipSource *) source;
	int			got;

	if (!may_go_on(zip))
		return -1;
	if (zip->state != ZIP_IN_MEMBER || len <= 0)
		return 0;
	got = zip->method == METHOD_STORED ? read_stored(zip, buf, len) : read_deflated(zip, buf, len);
	if (got <= 0)
		return got;
	zip->read_crc = (uint32) crc32(zip->read_crc, (const unsigned char *) buf, (unsigned int) got);
	zip->read_size += (uint64) got;
	zip->total_size += (uint64) got;
	if (zip->total_size > BOMB_FLOOR && zip->total_size / BOMB_RATIO > zip->position)
		return fail(zip, SOURCE_ZIP_BOMB);
	source->offset += got;
	return got;
}

/* ---------------------------------------------------------------------
 * The directory
 * ---------------------------------------------------------------------
 */

/* One entry; adds to the fingerprint of what the directory promises. */
static int
directory_entry(ZipSource *zip)
{
	const unsigned char *p;
	uint64		size,
				packed,
				offset;
	uint64	   *wide[3] = {&size, &packed, &offset};
	int			name_len,
				extra_len,
				len;

	if (need(zip, 46) < 0)
		return -1;
	name_len = (int) get16(zip->at + 28);
	extra_len = (int) get16(zip->at + 30);
	len = 46 + name_len + extra_len + (int) get16(zip->at + 32);
	if (need(zip, len) < 0)
		return -1;
	p = zip->at;
	packed = get32(p + 20);
	size = get32(p + 24);
	offset = get32(p + 42);
	if (!read_extra64(p + 46 + name_len, extra_len, wide, 3))
		return fail(zip, SOURCE_ZIP_CORRUPT);
	zip->promised += fingerprint(hash_name(p + 46, name_len), get32(p + 16),
								 packed, size, offset);
	zip->entries++;
	advance(zip, len);
	return 0;
}

/* The 64-bit form of the last record, which repeats what was read. */
static int
end_record64(ZipSource *zip)
{
	uint64		size;

	if (need(zip, 12) < 0)
		return -1;
	size = get64(zip->at + 4);
	if (size > UINT16_MAX)
		return fail(zip, SOURCE_ZIP_CORRUPT);
	if (need(zip, 12 + (int) size) < 0)
		return -1;
	advance(zip, 12 + (int) size);
	return 0;
}

/* The archive's last record and its comment; nothing may follow. */
static int
end_record(ZipSource *zip)
{
	uint32		said;
	int			len;

	if (need(zip, 22) < 0)
		return -1;
	len = 22 + (int) get16(zip->at + 20);
	if (need(zip, len) < 0 || fill(zip, len + 1) < 0)
		return -1;
	said = get16(zip->at + 10);
	if (said != UINT16_MAX && said != (zip->entries & UINT16_MAX))
		return fail(zip, SOURCE_ZIP_CORRUPT);
	if (zip->entries != zip->members || zip->promised != zip->fingerprint)
		return fail(zip, SOURCE_ZIP_CORRUPT);
	if (zip->avail > len)
		return fail(zip, SOURCE_ZIP_GARBAGE);
	advance(zip, len);
	zip->state = ZIP_ENDED;
	return 0;
}

static int
read_directory(ZipSource *zip)
{
	int			rc = 0;

	while (rc == 0 && zip->state != ZIP_ENDED)
	{
		if (need(zip, 4) < 0)
			return -1;
		switch (get32(zip->at))
		{
			case DIRECTORY_ENTRY:
				rc = directory_entry(zip);
				break;
			case END64:
				rc = end_record64(zip);
				break;
			case LOCATOR64:
				rc = need(zip, 20);
				if (rc == 0)
					advance(zip, 20);
				break;
			case END:
				rc = end_record(zip);
				break;
			default:
				return fail(zip, SOURCE_ZIP_CORRUPT);
		}
	}
	return rc;
}

/* ---------------------------------------------------------------------
 * For the reader's user
 * ---------------------------------------------------------------------
 */

int
ZipNextMember(ByteSource *source)
{
	ZipSource  *zip = (ZipSource *) source;
	char		unread[4096];
	int			got;

	while ((got = zip_read(source, unread, sizeof(unread))) > 0)
		;
	if (got < 0 || zip->state == ZIP_ENDED)
		return got;
	if (need(zip, 4) < 0)
		return -1;
	if (get32(zip->at) == LOCAL_HEADER && zip->entries == 0)
		return begin_member(zip);
	return read_directory(zip);
}

const char *
ZipMemberName(const ByteSource *source)
{
	return ((const ZipSource *) source)->name;
}

uint64
ZipMemberOffset(const ByteSource *source)
{
	return ((const ZipSource *) source)->offset;
}

bool
ZipMemberIsFile(const char *name)
{
	const char *slash = strrchr(name, '/');
	const char *base = slash != NULL ? slash + 1 : name;

	return base[0] != '\0' && base[0] != '.' && strncmp(name, "__MACOSX/", 9) != 0;
}

static void
zip_close(ByteSource *source)
{
	ZipSource  *zip = (ZipSource *) source;

	inflateEnd(&zip->zs);
	source->below->close(source->below);
	free(zip);
}

ByteSource *
ZipSourceOpen(ByteSource *below)
{
	ZipSource  *zip = calloc(1, sizeof(ZipSource));

	if (zip == NULL)
		return NULL;
	zip->base.read = zip_read;
	zip->base.close = zip_close;
	zip->base.below = below;
	zip->at = zip->input;
	/* negative: raw deflate, without a header */
	if (inflateInit2(&zip->zs, -15) != Z_OK)
	{
		free(zip);
		return NULL;
	}
	return &zip->base;
}
