/*-------------------------------------------------------------------------
 *
 * source.c
 *	  Byte sources of every kind: opening, reading, raising.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"
#include "core/source.h"
#include "core/zip.h"

#define READ_SMALL_CHUNK	8192

void
FinopsSourceRaise(const ByteSource *source, const SourceAddress *address)
{
	switch (source->error)
	{
		case SOURCE_OK:
			break;
		case SOURCE_READ_FAILED:
			errno = source->os_error;
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read file \"%s\": %m", address->path)));
			break;
		case SOURCE_GZIP_TRUNCATED:
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("unexpected end of gzip data in \"%s\"", address->path),
					 errdetail("The file is cut off, so the bill in it is incomplete."),
					 errhint("Fetch the file again.")));
			break;
		case SOURCE_GZIP_CORRUPT:
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("invalid gzip data in \"%s\"", address->path),
					 errhint("Fetch the file again.")));
			break;
		case SOURCE_GZIP_GARBAGE:
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("data after the end of gzip data in \"%s\"", address->path),
					 errhint("Fetch the file again.")));
			break;
		case SOURCE_ZIP_TRUNCATED:
		case SOURCE_ZIP_CORRUPT:
		case SOURCE_ZIP_GARBAGE:
		case SOURCE_ZIP_ENCRYPTED:
		case SOURCE_ZIP_METHOD:
		case SOURCE_ZIP_UNSIZED:
		case SOURCE_ZIP_BOMB:
			FinopsZipRaise(source, address);
			break;
		case SOURCE_NO_MEMORY:
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
			break;
		case SOURCE_INTERRUPTED:
			CHECK_FOR_INTERRUPTS();
			ereport(ERROR,
					(errcode(ERRCODE_QUERY_CANCELED),
					 errmsg("reading \"%s\" was interrupted", address->text)));
			break;
		case SOURCE_REMOTE_FAILED:
			while (source->below != NULL)
				source = source->below;
			source->raise(source);
			break;
	}
}

int
FinopsSourceRead(ByteSource *source, char *buf, int len,
				 const SourceAddress *address)
{
	int			got;

	do
	{
		CHECK_FOR_INTERRUPTS();
		got = source->read(source, buf, len);
		/* not every interrupt is a cancel: it is served, and reading goes on */
	} while (got < 0 && source->error == SOURCE_INTERRUPTED);
	if (got < 0)
		FinopsSourceRaise(source, address);
	return got;
}

/* As the caller of the working session, not as its owner. */
void
FinopsCheckSourceAccess(const SourceAddress *address)
{
	if (address->kind == SOURCE_FILE)
		FinopsCheckServerFileAccess();
	else
		FinopsCheckNetworkAccess();
}

ByteSource *
FinopsOpenSource(const SourceAddress *address)
{
	if (address->copy != NULL)
		return FinopsOpenCopy(address);
	FinopsCheckSourceAccess(address);
	if (address->is_prefix && address->kind != SOURCE_FILE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a prefix", FinopsQuoteForMessage(address->text)),
				 errhint("Give the address of one object.")));
	if (address->kind == SOURCE_FILE)
		return FinopsOpenFileSource(address);
	return FinopsOpenRemoteSource(address);
}

StringInfo
FinopsReadSmall(const SourceAddress *address, int max)
{
	ByteSource *source = FinopsOpenSource(address);
	StringInfo	text = makeStringInfo();
	int			got;

	do
	{
		enlargeStringInfo(text, READ_SMALL_CHUNK);
		got = FinopsSourceRead(source, text->data + text->len, READ_SMALL_CHUNK, address);
		text->len += got;
		if (text->len > max)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("\"%s\" is larger than %d bytes",
							FinopsQuoteForMessage(address->text), max)));
	} while (got > 0);
	text->data[text->len] = '\0';
	source->close(source);
	return text;
}
