/*-------------------------------------------------------------------------
 *
 * zip.h
 *	  Zip archives as byte sources.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_ZIP_H
#define FINOPS_ZIP_H

#include "core/source.h"

/* The bytes begin a zip archive, be it an empty one. */
extern bool ZipMagic(const unsigned char *bytes, int len);

/*
 * Filter over a source that holds a zip archive: the members one after the
 * other, in the order in which they are stored, at constant memory and
 * without seeking.  NULL when memory is short.  Closing it closes the source
 * below.
 *
 * ZipNextMember() goes to the next member, over what is unread of the current
 * one, and answers 1; 0 at the end, when every checksum and the archive's own
 * directory agreed with what was read; -1 on an error, as read() does.
 * read() delivers the current member and 0 at its end.
 */
extern ByteSource *ZipSourceOpen(ByteSource *below);
extern int	ZipNextMember(ByteSource *zip);

/* The current member's name, in the bytes of the archive, cut at 1023. */
extern const char *ZipMemberName(const ByteSource *zip);

/* Where the current member's header begins, from the start of the archive. */
extern uint64 ZipMemberOffset(const ByteSource *zip);

/*
 * False for what archivers add to the files they were given: directories,
 * hidden files, the __MACOSX folder.
 */
extern bool ZipMemberIsFile(const char *name);

#ifndef FINOPS_STANDALONE

/* ZipNextMember() that raises; serves interrupts.  archive.c */
extern bool FinopsZipNext(ByteSource *zip, const SourceAddress *address);
extern void FinopsZipRaise(const ByteSource *zip, const SourceAddress *address);

#endif

#endif							/* FINOPS_ZIP_H */
