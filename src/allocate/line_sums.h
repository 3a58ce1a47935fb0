/*-------------------------------------------------------------------------
 *
 * line_sums.h
 *	  Sums of bill lines by tenant and key in one block of bytes; pure C.
 *
 * The block is the state of an aggregate: it is handed between processes as
 * it is, and one that comes from elsewhere must not do harm.  A block stands
 * at an address that is a multiple of eight.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_LINE_SUMS_H
#define FINOPS_LINE_SUMS_H

#include "core/pure.h"

#define LINE_SUMS_MAX_SCALE	63

/* How much has room; text is in bytes. */
typedef struct LineSumsRoom
{
	uint32		texts;			/* powers of two, both */
	uint32		cells;
	uint64		text;
} LineSumsRoom;

typedef enum LineSumsStatus
{
	LINE_SUMS_OK,
	LINE_SUMS_FULL,				/* grow it, and add again */
	LINE_SUMS_OVERFLOW
} LineSumsStatus;

typedef struct LineSlice
{
	const char *bytes;			/* NULL: none */
	uint32		len;
} LineSlice;

/* What a tenant, or none, has of the lines of a key. */
typedef struct LineSum
{
	LineSlice	tenant;
	LineSlice	key;
	uint32		tenant_no;		/* both are numbers of texts, from 1; 0: none */
	uint32		key_no;
	int128		units;			/* units * 10^-scale */
	uint32		scale;			/* most digits after the point of an amount */
} LineSum;

/* A text that is a tenant, a key, or both, and the lines named for it as a key. */
typedef struct LineText
{
	LineSlice	text;
	uint64		n;
	int64		first;
	int64		last;
} LineText;

typedef struct LineAmount
{
	LineSlice	tenant;
	LineSlice	key;
	int128		units;
	uint32		scale;
	bool		named;			/* the line is to be known at the key */
	int64		line;
} LineAmount;

extern LineSumsRoom LineSumsFirstRoom(void);
extern size_t LineSumsSize(const LineSumsRoom *room);

/* The first four bytes of a block are the caller's. */
extern void LineSumsInit(void *block, const LineSumsRoom *room);

/* The head only, or everything, of a block that comes from elsewhere. */
extern bool LineSumsIsBlock(const void *block, size_t size);
extern bool LineSumsValid(const void *block, size_t size);

extern LineSumsStatus LineSumsAdd(void *block, const LineAmount *amount);

/* The lines of a key that has a sum. */
extern void LineSumsAddLines(void *block, const LineText *lines);

/* Twice the room of what such an amount found full. */
extern LineSumsRoom LineSumsMoreRoom(const void *block, const LineAmount *amount);

/* Everything of one block into another one that is empty and has the room. */
extern void LineSumsCopy(const void *from, void *to);

extern uint32 LineSumsTexts(const void *block);
extern void LineSumsText(const void *block, uint32 no, LineText *text);

/*
 * The next sum from place *at on, which begins with 0; false: there is none.
 */
extern bool LineSumsNext(const void *block, uint32 *at, LineSum *sum);

#endif							/* FINOPS_LINE_SUMS_H */
