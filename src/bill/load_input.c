/*-------------------------------------------------------------------------
 *
 * load_input.c
 *	  What one load reads: the files of a delivery, one record at a time.
 *
 * The files are read twice: once for their digest, which decides whether
 * there is anything to do, and once to load them.  Each has its own header
 * line and its own order of columns; the records of all of them are one bill.
 * A file is plain text, gzip or a zip archive of plain text, whatever its
 * name; the delimiter is found in its header line, and each member of an
 * archive has a header line of its own.  Nothing of a file is held in memory but one record.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/load.h"

#include "commands/progress.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "core/zip.h"
#include "mb/pg_wchar.h"
#include "utils/backend_progress.h"
#include "utils/timestamp.h"

#define READ_SIZE		(32 * 1024)

/* ---------------------------------------------------------------------
 * Bytes
 * ---------------------------------------------------------------------
 */

void
BillAddFile(BillLoad *load, SourceAddress address)
{
	if (load->nfiles == load->maxfiles)
	{
		load->maxfiles = load->maxfiles == 0 ? 8 : load->maxfiles * 2;
		load->files = load->files == NULL ?
			MemoryContextAllocZero(load->context, sizeof(BillFile) * load->maxfiles) :
			repalloc(load->files, sizeof(BillFile) * load->maxfiles);
	}
	memset(&load->files[load->nfiles], 0, sizeof(BillFile));
	load->files[load->nfiles].announced = -1;
	load->files[load->nfiles++].address = address;
}

static const SourceAddress *
address_of(const BillLoad *load)
{
	return &load->files[load->at].address;
}

/* Sources live as long as the load does, whatever context is current. */
static void
open_bytes(BillLoad *load)
{
	MemoryContext old = MemoryContextSwitchTo(load->context);

	load->top = load->file = load->generated != NULL ?
		BillGeneratedSource(load->generated) : FinopsOpenSource(address_of(load));
	MemoryContextSwitchTo(old);
}

/* Whether the open file can tell that it changed. */
static bool
has_state(const BillLoad *load)
{
	return load->generated == NULL && address_of(load)->kind == SOURCE_FILE;
}

/* What is on the network is brought here once. */
static void
fetch(BillLoad *load)
{
	MemoryContext old = MemoryContextSwitchTo(load->context);

	if (load->generated == NULL)
		FinopsCopySource(&load->files[load->at].address);
	MemoryContextSwitchTo(old);
}

static void
close_file(BillLoad *load)
{
	ByteSource *top = load->top;

	load->top = NULL;
	load->file = NULL;
	if (top != NULL)
		top->close(top);
}

static void
note_state(BillLoad *load)
{
	if (!has_state(load))
		return;
	load->files[load->at].state = FinopsFileState(load->file);
	load->bytes_total += load->files[load->at].state.size;
}

/* Add the bytes of the open file to the digest, and keep the first of them. */
static bool
digest_file(BillLoad *load, pg_cryptohash_ctx *ctx, char *buf)
{
	BillFile   *file = &load->files[load->at];
	bool		ok = true;
	int			got;

	while (ok && (got = FinopsSourceRead(load->file, buf, READ_SIZE, address_of(load))) > 0)
	{
		if (file->nfirst == 0)
		{
			file->nfirst = Min(got, (int) sizeof(file->first));
			memcpy(file->first, buf, file->nfirst);
		}
		ok = pg_cryptohash_update(ctx, (uint8 *) buf, got) >= 0;
		file->bytes += got;
	}
	return ok;
}

/* The digest so far, in hex; false where it cannot be computed. */
static bool
digest_text(pg_cryptohash_ctx *hash, char *text)
{
	uint8		sum[PG_SHA256_DIGEST_LENGTH];

	if (pg_cryptohash_final(hash, sum, sizeof(sum)) < 0)
		return false;
	text[hex_encode((const char *) sum, sizeof(sum), text)] = '\0';
	return true;
}

/*
 * Names given for the columns are part of what was delivered: the same lines
 * under other names are another bill.
 */
static bool
digest_columns(const BillLoad *load, pg_cryptohash_ctx *hash)
{
	bool		ok = true;

	for (int i = 0; ok && load->columns != NULL && i < load->ncolumns; i++)
		ok = pg_cryptohash_update(hash, (const uint8 *) load->columns[i].data,
								  load->columns[i].len) >= 0 &&
			pg_cryptohash_update(hash, (const uint8 *) "\n", 1) >= 0;
	return ok;
}

/*
 * SHA-256 over the delivered bytes; that of several files is the SHA-256 of
 * theirs in hex, one after the other, and then of the names given for their
 * columns, each with a line feed.  After an error the hash state is released
 * by its resource owner.
 */
void
BillDigestInput(BillLoad *load)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	char	   *buf = palloc(READ_SIZE);
	bool		ok = hash != NULL;

	for (load->at = 0; ok && load->at < load->nfiles; load->at++)
	{
		BillFile   *file = &load->files[load->at];

		fetch(load);
		open_bytes(load);
		note_state(load);
		file->bytes = 0;
		ok = pg_cryptohash_init(hash) >= 0 && digest_file(load, hash, buf) &&
			digest_text(hash, file->digest);
		close_file(load);
		if (load->generated == NULL)
			BillCheckFileKind(file);
	}
	if (ok && load->nfiles == 1 && load->columns == NULL)
		strlcpy(load->digest, load->files[0].digest, sizeof(load->digest));
	else if (ok)
	{
		ok = pg_cryptohash_init(hash) >= 0;
		for (int i = 0; ok && i < load->nfiles; i++)
			ok = pg_cryptohash_update(hash, (uint8 *) load->files[i].digest,
									  strlen(load->files[i].digest)) >= 0;
		ok = ok && digest_columns(load, hash) && digest_text(hash, load->digest);
	}
	if (!ok)
		elog(ERROR, "could not compute SHA-256 digest");
	pg_cryptohash_free(hash);
	pfree(buf);
}

static int
read_csv(void *arg, char *buf, int len)
{
	BillLoad   *load = arg;

	return FinopsSourceRead(load->top, buf, len, address_of(load));
}

/*
 * Go to the next bill in the archive: over directories, what archivers hide
 * and manifests; false at its end.
 */
static bool
next_member(BillLoad *load)
{
	while (FinopsZipNext(load->top, address_of(load)))
		if (BillMemberIsBill(ZipMemberName(load->top), address_of(load)))
			return true;
	return false;
}

/* Open the file at load->at for its records. */
static void
open_file(BillLoad *load)
{
	const BillFile *file = &load->files[load->at];

	open_bytes(load);
	load->zipped = ZipMagic(file->first, file->nfirst);
	if (load->zipped)
		load->top = ZipSourceOpen(load->file);
	else if (GzipMagic(file->first, file->nfirst))
		load->top = GzipSourceOpen(load->file);
	else if (file->parquet != NULL)
		load->top = BillParquetSource(load, file);
	if (load->top == NULL)
	{
		load->top = load->file;
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	CsvInit(&load->csv, read_csv, load, load->delimiter);
	if (load->zipped && !next_member(load))
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("there is no bill in zip archive \"%s\"",
						address_of(load)->path),
				 errhint("Check that the delivery is complete.")));
}

/* The digest was taken from an earlier pass over the same bytes. */
static void
check_file_unchanged(BillLoad *load)
{
	const FileState *then = &load->files[load->at].state;
	FileState	now;

	if (!has_state(load))
		return;
	now = FinopsFileState(load->file);
	if (now.size != then->size || now.changed_ns != then->changed_ns ||
		now.inode != then->inode)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("the bill changed while it was read"),
				 errhint("Load it again when it is complete.")));
}

/* ---------------------------------------------------------------------
 * Records
 * ---------------------------------------------------------------------
 */

/* What is not a memory context's. */
void
BillCloseInput(BillLoad *load)
{
	CsvFree(&load->csv);
	HeaderFree(&load->header);
	close_file(load);
}

/* Open the first file; its header is mapped. */
void
BillOpenInput(BillLoad *load)
{
	load->at = 0;
	load->bytes_before = 0;
	for (int i = 0; i < load->nfiles; i++)
		load->files[i].lines = 0;
	open_file(load);
	BillReadHeader(load);
}

/* The next record, of the next file where one ends; false at the end of all. */
bool
BillNextRecord(BillLoad *load)
{
	for (;;)
	{
		CsvStatus	status = CsvNext(&load->csv);

		if (status == CSV_END && load->zipped && next_member(load))
		{
			CsvFree(&load->csv);
			CsvInit(&load->csv, read_csv, load, load->delimiter);
			BillReadHeader(load);
			continue;
		}
		if (status == CSV_END)
		{
			check_file_unchanged(load);
			if (load->at + 1 == load->nfiles)
				return false;
			load->bytes_before += load->file->offset;
			CsvFree(&load->csv);
			close_file(load);
			load->at++;
			open_file(load);
			BillReadHeader(load);
			continue;
		}
		if (status != CSV_RECORD)
			BillRaiseCsv(load);
		load->files[load->at].lines++;
		if (load->csv.nfields == load->header.ncolumns)
		{
			if (HeaderIsTotal(&load->header, load->csv.fields))
				continue;
			return true;
		}
		BillRejectLine(load, (BillReject) {.why = BILL_RAGGED});
	}
}

/* ---------------------------------------------------------------------
 * Progress
 * ---------------------------------------------------------------------
 */

/*
 * pg_stat_progress_copy shows the load: bytes as delivered, so that they can
 * be compared with their total, and lines.
 */
static void
show_in_view(const BillLoad *load, int64 bytes)
{
	static const int index[] = {
		PROGRESS_COPY_COMMAND, PROGRESS_COPY_TYPE, PROGRESS_COPY_BYTES_TOTAL,
		PROGRESS_COPY_BYTES_PROCESSED, PROGRESS_COPY_TUPLES_PROCESSED
	};
	const int64 value[] = {
		PROGRESS_COPY_COMMAND_FROM, PROGRESS_COPY_TYPE_CALLBACK, load->bytes_total,
		bytes, load->lines
	};

	pgstat_progress_update_multi_param(lengthof(index), index, value);
}

void
BillShowProgress(BillLoad *load)
{
	int64		bytes = load->bytes_before + load->file->offset;
	TimestampTz now;

	show_in_view(load, bytes);
	if (finops_progress_interval == 0)
		return;
	now = GetCurrentTimestamp();
	if (now - load->noticed_at < finops_progress_interval * USECS_PER_SEC)
		return;
	load->noticed_at = now;
	if (load->bytes_total > 0)
		ereport(NOTICE,
				(errmsg("%lld lines read, %d percent of the bill",
						(long long) load->lines, (int) (bytes * 100 / load->bytes_total))));
	else
		ereport(NOTICE,
				(errmsg("%lld lines read", (long long) load->lines)));
}
