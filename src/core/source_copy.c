/*-------------------------------------------------------------------------
 *
 * source_copy.c
 *	  A copy of an object on the network, for readers that read it twice.
 *
 * A load looks at the digest of a bill before it touches a table, and may
 * have to start over.  So an object is brought to a temporary file first,
 * complete and checked, and no lock is held while a network is slow.  The
 * copy is of the object as it is, compressed if it is; temp_tablespaces and
 * temp_file_limit apply to it.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"
#include "core/source.h"

#include "access/xact.h"
#include "storage/buffile.h"
#include "utils/memutils.h"

#define COPY_CHUNK	65536

struct SourceCopy
{
	BufFile    *file;
	int64		size;
	SubTransactionId made_in;
	MemoryContextCallback callback;
};

typedef struct CopySource
{
	ByteSource	base;
	BufFile    *file;
} CopySource;

/* The server raises what is wrong with its own temporary files. */
static int
copy_read(ByteSource *source, char *buf, int len)
{
	size_t		got = BufFileRead(((CopySource *) source)->file, buf, len);

	source->offset += got;
	return (int) got;
}

/* The file goes with the copy. */
static void
copy_close(ByteSource *source)
{
	((CopySource *) source)->file = NULL;
}

ByteSource *
FinopsOpenCopy(const SourceAddress *address)
{
	CopySource *source = palloc0(sizeof(CopySource));

	source->file = address->copy->file;
	source->base.read = copy_read;
	source->base.close = copy_close;
	if (BufFileSeek(source->file, 0, 0, SEEK_SET) != 0)
		elog(ERROR, "could not rewind temporary file");
	return &source->base;
}

/*
 * The copy goes with its memory.  After an error the server has removed the
 * file already, that of a subtransaction if no more was rolled back.
 */
static void
forget_copy(void *arg)
{
	SourceCopy *copy = arg;

	if (IsTransactionState() && SubTransactionIsActive(copy->made_in))
		BufFileClose(copy->file);
}

void
FinopsCopySource(SourceAddress *address)
{
	ByteSource *source;
	SourceCopy *copy;
	char	   *buf;
	int			got;

	if (address->kind == SOURCE_FILE || address->copy != NULL)
		return;
	source = FinopsOpenSource(address);
	copy = palloc0(sizeof(SourceCopy));
	buf = palloc(COPY_CHUNK);
	copy->file = BufFileCreateTemp(false);
	copy->made_in = GetCurrentSubTransactionId();
	copy->callback.func = forget_copy;
	copy->callback.arg = copy;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &copy->callback);
	while ((got = FinopsSourceRead(source, buf, COPY_CHUNK, address)) > 0)
	{
		BufFileWrite(copy->file, buf, got);
		copy->size += got;
	}
	source->close(source);
	pfree(buf);
	address->copy = copy;
}

int64
FinopsCopySize(const SourceAddress *address)
{
	return address->copy != NULL ? address->copy->size : -1;
}
