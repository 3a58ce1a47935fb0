/*-------------------------------------------------------------------------
 *
 * regular.h
 *	  Regular series from rows of (time, value).  Pure.
 *
 * Times are microseconds since 2000-01-01 00:00, as the server counts them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_REGULAR_H
#define FINOPS_REGULAR_H

#include "core/pure.h"

#define REGULAR_MICROS(x)	((int64) (x##LL))
#define REGULAR_DAY			REGULAR_MICROS(86400000000)

/* Length of a bucket: one of the three is set; all 0: to be recognised. */
typedef struct RegularBucket
{
	int32		months;
	int32		days;
	int64		micros;
} RegularBucket;

/* Rows of one time; hi + lo is the sum of their values. */
typedef struct RegularEntry
{
	int64		at;
	double		hi;
	double		lo;
	int64		rows;
} RegularEntry;

typedef struct RegularSeries
{
	int			n;
	double	   *values;
	int64		start;			/* local time of the first bucket kept */
	RegularBucket bucket;
	int			season;			/* steps; 1: none */
	int64		rows;
	int64		duplicates;		/* rows whose time another row has */
	int			gaps;			/* buckets without a row, 0 in values */
	int		   *gap_at;			/* their positions from 1 */
	bool		partial;		/* the last bucket had ended early ... */
	double		partial_value;	/* ... with this, and was left out */
	bool		first_partial;
	double		first_value;
} RegularSeries;

typedef enum RegularStatus
{
	REGULAR_OK,
	REGULAR_EMPTY,
	REGULAR_TOO_LONG
} RegularStatus;

#define REGULAR_MAX_LENGTH	1000000

/* Local time of a time, where buckets follow a calendar. */
typedef int64 (*RegularLocal) (int64 at, void *arg);

extern bool RegularParseBucket(const char *text, RegularBucket *bucket);
extern bool RegularSameBucket(const RegularBucket *a, const RegularBucket *b);
extern int	RegularSeason(const RegularBucket *bucket);

/* Start of a bucket by number, and the number of the bucket of a time. */
extern int64 RegularStart(const RegularBucket *bucket, int64 number);
extern int64 RegularNumber(const RegularBucket *bucket, int64 at);

/* Sorts by time and merges rows of one time; returns how many are left. */
extern int	RegularCompact(RegularEntry *entries, int count);

/* The length of bucket that times which are sorted suggest. */
extern RegularBucket RegularRecognise(const RegularEntry *entries, int count);

/*
 * The series of compacted entries.  Arrays of the result are allocated.  No
 * bucket given: recognised.
 */
extern RegularStatus RegularBuild(const RegularEntry *entries, int count,
								  RegularBucket bucket, RegularLocal local,
								  void *arg, RegularSeries *series);

#endif							/* FINOPS_REGULAR_H */
