/*-------------------------------------------------------------------------
 *
 * series_agg.h
 *	  The state of finops.series_agg, for the functions that read it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_SERIES_AGG_H
#define FINOPS_SERIES_AGG_H

#include "core/core.h"

#include "forecast/regular.h"

#define SERIES_ZONE_LENGTH	64

/* A bytea; room beyond count entries is to grow into. */
typedef struct SeriesState
{
	int32		vl_len_;
	uint32		magic;
	int32		count;
	int32		capacity;
	RegularBucket bucket;		/* all 0: to be recognised */
	int64		ignored;		/* rows without a value or a finite time */
	char		zone[SERIES_ZONE_LENGTH];	/* "": times have no zone */
	RegularEntry entry[FLEXIBLE_ARRAY_MEMBER];
} SeriesState;

/* A checked state that may be written to, from a bytea of any origin. */
extern SeriesState *SeriesStateFrom(Datum state);

/* The series of a state, which is compacted. */
extern RegularStatus SeriesFromState(SeriesState *state, RegularBucket bucket,
									 RegularSeries *series);
extern Datum SeriesBucketInterval(const RegularBucket *bucket);

#endif							/* FINOPS_SERIES_AGG_H */
