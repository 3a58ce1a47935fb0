/*-------------------------------------------------------------------------
 *
 * source.h
 *	  Byte sources: where delivered bytes come from, stacked as filters.
 *
 * A source is pulled.  read() never raises: it answers -1 and leaves a code,
 * so that filters stay free of server calls; FinopsSourceRead() turns the
 * code into an error.  close() may be called at any time, also while an
 * error is being handled, and only once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_SOURCE_H
#define FINOPS_SOURCE_H

#include "core/pure.h"

typedef enum SourceError
{
	SOURCE_OK,
	SOURCE_READ_FAILED,			/* errno of the operating system in os_error */
	SOURCE_GZIP_TRUNCATED,
	SOURCE_GZIP_CORRUPT,
	SOURCE_GZIP_GARBAGE,		/* something after the last member */
	SOURCE_ZIP_TRUNCATED,
	SOURCE_ZIP_CORRUPT,
	SOURCE_ZIP_GARBAGE,			/* something after the archive */
	SOURCE_ZIP_ENCRYPTED,
	SOURCE_ZIP_METHOD,			/* neither stored nor deflated */
	SOURCE_ZIP_UNSIZED,			/* stored, its size only in the directory */
	SOURCE_ZIP_BOMB,			/* grows too much */
	SOURCE_NO_MEMORY,
	SOURCE_INTERRUPTED,			/* the server has an interrupt to serve; call again */
	SOURCE_REMOTE_FAILED		/* the source at the bottom knows more: raise() */
} SourceError;

typedef struct ByteSource ByteSource;

struct ByteSource
{
	/* Up to len bytes into buf: their number, 0 at the end, -1 failed. */
	int			(*read) (ByteSource *source, char *buf, int len);
	void		(*close) (ByteSource *source);
	SourceError error;
	int			os_error;
	int64		offset;			/* bytes delivered so far */
	ByteSource *below;			/* the source a filter reads from */
	/* Raise what SOURCE_REMOTE_FAILED stands for; only where that may happen. */
	void		(*raise) (const ByteSource *source);
};

/*
 * Inflate filter over a source that begins with a gzip header: any number of
 * members, a truncated member and anything after the last one are errors.
 * NULL when memory is short.  Closing it closes the source below.  gzip.c
 */
extern ByteSource *GzipSourceOpen(ByteSource *below);
extern bool GzipMagic(const unsigned char *bytes, int len);

#ifndef FINOPS_STANDALONE

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

typedef enum SourceKind
{
	SOURCE_FILE,
	SOURCE_HTTP,
	SOURCE_S3
} SourceKind;

typedef struct SourceCopy SourceCopy;

typedef struct SourceAddress
{
	SourceKind	kind;
	char	   *text;			/* canonical, for logs: file:///dir/name; never a query */
	char	   *path;			/* server file; text of anything else */
	char	   *url;			/* SOURCE_HTTP: with its query, never shown */
	char	   *bucket;			/* SOURCE_S3 */
	char	   *key;
	bool		is_prefix;		/* ends in "/": what lies below it is meant */
	SourceCopy *copy;			/* on this server's disk; FinopsCopySource() */
} SourceAddress;

/*
 * Understand what a user gave: an absolute path, file://, http(s):// or
 * s3://; where finops.s3_endpoint is a directory, s3:// is a file of it.
 * 22023 for anything else.
 */
extern SourceAddress FinopsSourceAddress(const char *given);

/* 42501 unless the caller may read from there: a file, or the network. */
extern void FinopsCheckSourceAccess(const SourceAddress *address);
extern void FinopsCheckServerFileAccess(void);
extern void FinopsCheckNetworkAccess(void);

/*
 * Open an object of any kind, after checking access.  The source lives in
 * the current memory context and is closed when that is reset or deleted, or
 * by close(); 58P01, 42704 and the like.
 */
extern ByteSource *FinopsOpenSource(const SourceAddress *address);
extern ByteSource *FinopsOpenFileSource(const SourceAddress *address);
extern ByteSource *FinopsOpenRemoteSource(const SourceAddress *address);

/*
 * Bring an object on the network to a temporary file, complete and checked;
 * whoever opens the address from now on reads that.  The copy lives as long
 * as the current memory context and transaction.  Nothing for files.
 */
extern void FinopsCopySource(SourceAddress *address);
extern int64 FinopsCopySize(const SourceAddress *address);	/* -1: no copy */
extern ByteSource *FinopsOpenCopy(const SourceAddress *address);

/* One object below a prefix. */
typedef struct SourceEntry
{
	SourceAddress address;
	int64		size;
	char	   *etag;			/* NULL for files */
} SourceEntry;

/*
 * What lies below a prefix, as SourceEntry pointers in the order of their
 * names' bytes: the files of a directory and its subdirectories, or the
 * objects of a bucket whose key begins so.  0A000 for http.
 */
extern List *FinopsListAddress(const SourceAddress *prefix);
extern List *FinopsListRemote(const SourceAddress *prefix);

/*
 * All of a small object, such as a manifest, as it is; 54000 beyond max
 * bytes.
 */
extern StringInfo FinopsReadSmall(const SourceAddress *address, int max);

/* size and time of change, to notice that a file changed while it was read */
typedef struct FileState
{
	int64		size;
	int64		changed_ns;
	uint64		inode;
} FileState;

extern FileState FinopsFileState(const ByteSource *file);	/* of SOURCE_FILE */

/* Like read(), but raises; serves interrupts. */
extern int	FinopsSourceRead(ByteSource *source, char *buf, int len,
							 const SourceAddress *address);
extern void FinopsSourceRaise(const ByteSource *source,
							  const SourceAddress *address);

#endif

#endif							/* FINOPS_SOURCE_H */
