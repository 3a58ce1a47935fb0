/*-------------------------------------------------------------------------
 *
 * source_file.c
 *	  Files of the server as a byte source, and the addresses users give.
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
	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to read a file of the server"),
				 errdetail("Only roles with privileges of the \"%s\" role may read files of the server.",
						   "pg_read_server_files"),
				 errhint("GRANT pg_read_server_files TO %s.",
						 quote_identifier(GetUserNameFromId(GetUserId(), false)))));
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The path of a file:// address: %XX becomes its byte. */
static char *
decode_path(const char *path)
{
	char	   *result = palloc(strlen(path) + 1);
	char	   *to = result;

	while (*path != '\0')
	{
		if (path[0] == '%' && hex_digit(path[1]) >= 0 && hex_digit(path[2]) >= 0 &&
			(path[1] != '0' || path[2] != '0'))
		{
			*to++ = (char) (hex_digit(path[1]) * 16 + hex_digit(path[2]));
			path += 3;
		}
		else
			*to++ = *path++;
	}
	*to = '\0';
	return result;
}

static bool
has_scheme(const char *given, const char *scheme)
{
	return pg_strncasecmp(given, scheme, strlen(scheme)) == 0;
}

static void
refuse_network(const char *given)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot read \"%s\" from the network",
					FinopsQuoteForMessage(given)),
			 errdetail("This version reads files of the server."),
			 errhint("Copy the file to the server and give its absolute path.")));
}

/* Where finops.s3_endpoint is a directory, it holds one folder per bucket. */
static char *
s3_path(const char *given)
{
	const char *root = finops_s3_endpoint;
	const char *key = given + strlen("s3://");

	if (!has_scheme(root, "file:///"))
		refuse_network(given);
	for (const char *p = strstr(key, ".."); p != NULL; p = strstr(p + 2, ".."))
		if ((p == key || p[-1] == '/') && (p[2] == '/' || p[2] == '\0'))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("object key must not contain \"..\"")));
	return psprintf("%s/%s", decode_path(root + strlen("file://")), key);
}

SourceAddress
FinopsSourceAddress(const char *given)
{
	SourceAddress address;

	if (has_scheme(given, "http://") || has_scheme(given, "https://"))
		refuse_network(given);
	if (has_scheme(given, "s3://"))
		address.path = s3_path(given);
	else if (has_scheme(given, "file://localhost/"))
		address.path = decode_path(given + strlen("file://localhost"));
	else if (has_scheme(given, "file:///"))
		address.path = decode_path(given + strlen("file://"));
	else
		address.path = pstrdup(given);
	if (!is_absolute_path(address.path))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not an absolute path",
						FinopsQuoteForMessage(given)),
				 errdetail("Files are read by the server, which has no current directory of yours."),
				 errhint("Give the absolute path of a file on the server, or file:///path.")));
	canonicalize_path(address.path);
	address.text = has_scheme(given, "s3://") ? pstrdup(given) :
		psprintf("file://%s", address.path);
	return address;
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
				 errhint("Give the path of one file.")));
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
		case SOURCE_NO_MEMORY:
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
			break;
	}
}

int
FinopsSourceRead(ByteSource *source, char *buf, int len,
				 const SourceAddress *address)
{
	int			got;

	CHECK_FOR_INTERRUPTS();
	got = source->read(source, buf, len);
	if (got < 0)
		FinopsSourceRaise(source, address);
	return got;
}
