/*-------------------------------------------------------------------------
 *
 * surprise.h
 *	  How surprising is each value of a stream, given the values before it?
 *	  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_SURPRISE_H
#define FINOPS_SURPRISE_H

#include "core/pure.h"

#define SURPRISE_LEVELS		4
#define SURPRISE_SMOOTHS	3
#define SURPRISE_TRACES		(5 + 4 * SURPRISE_LEVELS)
#define SURPRISE_MEMORY		4000	/* values that a new one is held against */
#define SURPRISE_REACH		256 /* longest window, in values */
#define SURPRISE_KEPT		(SURPRISE_MEMORY + 2 * SURPRISE_REACH)

/* Mean, sum of squared deviations and path length of the last 4^level values. */
typedef struct SurpriseWindow
{
	double		mean;
	double		squares;
	double		path;
} SurpriseWindow;

typedef struct Surprise
{
	int64		count;			/* values seen */
	int64		last_alert;		/* number of the value that raised the last alert */
	double		smooth[SURPRISE_SMOOTHS];	/* exponentially weighted means */
	double		kept_smooth[SURPRISE_SMOOTHS];	/* as they stood before the oldest kept value */
	int			room;			/* values that each trace can hold */
	int			kept_room;
	double	   *kept;			/* the last values: kept_room of them */
	SurpriseWindow *windows[SURPRISE_LEVELS];
	float	   *traces[SURPRISE_TRACES];
	int64		traced[SURPRISE_TRACES];	/* values ever put into each */
	float	   *totals;			/* surprise of the last values, all traces together */
	int64		totalled;
} Surprise;

/* Bytes that a stream of at most length values needs; 0: of any length. */
extern size_t SurpriseSize(int64 length);

/* Lay a detector out in that many bytes. */
extern Surprise *SurpriseInit(void *memory, int64 length);

/* Score of the next value, 0..1; 0 while too little is known. */
extern double SurpriseNext(Surprise *s, double x);

/*
 * Go on where a stream stood: the last nkept of its count values, the last
 * ntotals of its surprises (oldest first), and the means before the oldest.
 */
extern Surprise *SurpriseResume(void *memory, const double *kept, int nkept,
								const float *totals, int ntotals, int64 count,
								int64 last_alert, const double *kept_smooth);

/* Copy out, oldest first, what SurpriseResume() wants; counts are returned. */
extern int	SurpriseKept(const Surprise *s, double *kept);
extern int	SurpriseTotals(const Surprise *s, float *totals);

#endif							/* FINOPS_SURPRISE_H */
