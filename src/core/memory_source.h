/*-------------------------------------------------------------------------
 *
 * memory_source.h
 *	  Bytes in memory as a byte source.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_MEMORY_SOURCE_H
#define FINOPS_MEMORY_SOURCE_H

#include "core/source.h"

/* Owned by its user, as are the bytes; closing it does nothing. */
typedef struct MemorySource
{
	ByteSource	base;
	const char *data;
	size_t		len;
	size_t		at;
} MemorySource;

extern void MemorySourceInit(MemorySource *source, const char *data, size_t len);

#endif							/* FINOPS_MEMORY_SOURCE_H */
