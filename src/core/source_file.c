/*-------------------------------------------------------------------------
 *
 * source_file.c
 *	  Files of the server as a byte source.
 *
 * The rule is the server's own for COPY: roles with the privileges of
 * pg_read_server_files may read whatever the server may.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"
#include "core/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/pg_authid.h"
#include "storage/fd.h"
#include "utils/acl.h"

typedef struct FileSource
{
	ByteSource	base;
	int			fd;
	SubTransactionId opened_in;
} FileSource;

void
FinopsCheckServerFileAccess(void)
{
	Oid			caller = FinopsCaller();

	if (!has_privs_of_role(caller, ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to read a file of the server"),
				 errdetail("Only roles with privileges of the \"%s\" role may read files of the server.",
						   "pg_read_server_files"),
				 errhint("GRANT pg_read_server_files TO %s.",
						 quote_identifier(GetUserNameFromId(caller, false)))));
}

static int
file_read(ByteSource *source, char *buf, int len)
{
	FileSource *file = (FileSource *) source;
	ssize_t		got = read(file->fd, buf, (size_t) len);

	if (got < 0)
	{
		source->error = SOURCE_READ_FAILED;
		source->os_error = errno;
		return -1;
	}
	source->offset += got;
	return (int) got;
}

static void
file_close(ByteSource *source)
{
	FileSource *file = (FileSource *) source;

	/*
	 * After an error the server has closed transient files already, those of
	 * the subtransaction if that is all that was rolled back; the descriptor
	 * may be another file by now.
	 */
	if (file->fd >= 0 && IsTransactionState() && SubTransactionIsActive(file->opened_in))
		CloseTransientFile(file->fd);
	file->fd = -1;
}

static void
require_regular_file(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", path)));
	if (S_ISDIR(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a directory", path),
				 errhint("Give the path of one file; finops.load_bill takes a directory with a slash behind it.")));
	if (!S_ISREG(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a regular file", path),
				 errhint("Give the path of one file.")));
}

pg_noreturn static void
raise_unreachable(const char *path)
{
	bool		absent = errno == ENOENT || errno == ENOTDIR;

	/* names that the system refuses: internal errors for the server */
	if (errno == ENAMETOOLONG || errno == ELOOP)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("could not open file \"%s\" for reading: %m",
						FinopsQuoteForMessage(path)),
				 errhint("Give the path of one file.")));
	if (errno == EACCES)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\" for reading: %m", path),
				 errdetail("The file is read by the server process, on the server's machine and with its rights."),
				 errhint("Let the operating system user of the server read the file and enter every directory above it.")));
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not open file \"%s\" for reading: %m", path),
			 absent ?
			 errhint("The file is read by the server process, on the server's machine and with its rights.") : 0));
}

ByteSource *
FinopsOpenFileSource(const SourceAddress *address)
{
	FileSource *file = palloc0(sizeof(FileSource));

	file->opened_in = GetCurrentSubTransactionId();
	/* O_NONBLOCK: opening a named pipe must not wait for a writer */
	file->fd = OpenTransientFile(address->path, O_RDONLY | O_NONBLOCK | PG_BINARY);
	if (file->fd < 0)
		raise_unreachable(address->path);
	require_regular_file(file->fd, address->path);
	file->base.read = file_read;
	file->base.close = file_close;
	return &file->base;
}

FileState
FinopsFileState(const ByteSource *source)
{
	const FileSource *file = (const FileSource *) source;
	struct stat st;
	FileState	state;

	if (fstat(file->fd, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(), errmsg("could not stat file: %m")));
	state.size = st.st_size;
	state.changed_ns = (int64) st.st_mtim.tv_sec * INT64CONST(1000000000) +
		st.st_mtim.tv_nsec;
	state.inode = st.st_ino;
	return state;
}
