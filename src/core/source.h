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
	SOURCE_NO_MEMORY
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
};

/*
 * Inflate filter over a source that begins with a gzip header: any number of
 * members, a truncated member and anything after the last one are errors.
 * NULL when memory is short.  Closing it closes the source below.  gzip.c
 */
extern ByteSource *GzipSourceOpen(ByteSource *below);
extern bool GzipMagic(const unsigned char *bytes, int len);

#ifndef FINOPS_STANDALONE

typedef struct SourceAddress
{
	char	   *text;			/* canonical, for logs: file:///dir/name */
	char	   *path;			/* server file */
} SourceAddress;

/*
 * Understand what a user gave: an absolute path, file:// or, where
 * finops.s3_endpoint is a directory, s3://.  22023 for anything else, 0A000
 * for the network.
 */
extern SourceAddress FinopsSourceAddress(const char *given);

/* 42501 unless the current user may read files of the server. */
extern void FinopsCheckServerFileAccess(void);

/* Open a regular file of the server; 58P01 and the like. */
extern ByteSource *FinopsOpenFileSource(const SourceAddress *address);

/* size and time of change, to notice that a file changed while it was read */
typedef struct FileState
{
	int64		size;
	int64		changed_ns;
	uint64		inode;
} FileState;

extern FileState FinopsFileState(const ByteSource *file);

/* Like read(), but raises; checks for interrupts first. */
extern int	FinopsSourceRead(ByteSource *source, char *buf, int len,
							 const SourceAddress *address);
extern void FinopsSourceRaise(const ByteSource *source,
							  const SourceAddress *address);

#endif

#endif							/* FINOPS_SOURCE_H */
