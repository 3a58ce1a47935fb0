/*-------------------------------------------------------------------------
 *
 * clean.c
 *	  Level shifts and outliers of a series.  Pure.
 *
 * A level shift is where the medians of the window before and the window
 * after differ by more than SHIFT_SIZE robust deviations of the differences
 * scaled to a median, and the values stay there.  Earlier values are moved to
 * the newest level: by the ratio of the medians where all values are
 * positive, else by their difference; so the season before the shift still
 * counts.  Windows are whole seasons, so that a season is no shift.
 *
 * Outliers are values whose distance from the running median of their phase
 * neighbours (season taken out by loess when there is one) exceeds the
 * quartiles by three interquartile ranges (Tukey 1977, "far out"); the median
 * takes their place.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/clean.h"

#include <math.h>

#define SHIFT_SIZE	6.0
#define MAX_SHIFTS	4
#define FAR_OUT		3.0
#define REACH		3			/* neighbours on each side of a running median */

static double
median_of(const double *x, int n, double *scratch)
{
	memcpy(scratch, x, n * sizeof(double));
	return FcMedianOf(scratch, n);
}

/* Robust deviation around the median. */
static double
deviation_of(const double *x, int n, double *scratch)
{
	double		center = median_of(x, n, scratch);

	for (int i = 0; i < n; i++)
		scratch[i] = fabs(x[i] - center);
	return 1.4826 * FcMedianOf(scratch, n);
}

/* The most significant shift of the part from 'from' on, or -1. */
static int
find_shift(const double *y, int n, int m, int window, double *scratch)
{
	int			best = -1;
	double		strongest = SHIFT_SIZE;

	for (int t = window; t + window <= n; t++)
	{
		double		before = median_of(y + t - window, window, scratch),
					after = median_of(y + t, window, scratch),
					spread = (deviation_of(y + t - window, window, scratch) +
							  deviation_of(y + t, window, scratch)) / 2,
					size = fabs(after - before),
					score;

		spread = Max(spread, 1e-3 * (fabs(before) + fabs(after)));
		if (!(spread > 0))
			continue;
		/* 1.2533: standard error of a median against that of a mean */
		score = size / (1.2533 * spread * sqrt(2.0 / window));
		/* a slope is no shift: it must happen within a season */
		if (size < 2 * spread || score <= strongest)
			continue;
		if (t >= window + m && t + window + m <= n)
		{
			double		drift = fabs(median_of(y + t + m, window, scratch) - after) +
				fabs(median_of(y + t - m - window, window, scratch) - before);

			if (drift > 0.7 * size)
				continue;
		}
		strongest = score;
		best = t;
	}
	return best;
}

/*
 * Moves what lies before the shifts to the newest level; returns how many,
 * positions (first value of the new level) in at[], at most four.
 */
int
FcAlignShifts(double *y, int n, int m, int *at)
{
	int			window = m > 1 ? Max(m, 2 * m > 14 ? m : 14 / m * m) : 7,
				count = 0;
	double	   *scratch;

	if (n < 2 * window + 2)
		return 0;
	scratch = FcAlloc(n);
	while (count < MAX_SHIFTS)
	{
		int			t = find_shift(y, n, m, window, scratch);
		double		before,
					after;
		int			reach;

		if (t < 0)
			break;
		/* the boundary is where two neighbours differ most near t */
		for (int s = Max(1, t - window / 2), best = t; s <= Min(n - 1, t + window / 2); s++)
		{
			if (fabs(y[s] - y[s - 1]) > fabs(y[best] - y[best - 1]))
				best = t = s;
		}
		reach = Min(Min(3 * window, t), n - t);
		reach = reach >= m ? reach / m * m : reach;
		before = median_of(y + t - reach, reach, scratch);
		after = median_of(y + t, reach, scratch);
		if (FcIsPositive(y, n))
			for (int s = 0; s < t; s++)
				y[s] *= after / before;
		else
			for (int s = 0; s < t; s++)
				y[s] += after - before;
		at[count++] = t;
	}
	FcFree(scratch);
	return count;
}

/* Replaces outliers; returns how many, flag[t] says which (may be NULL). */
int
FcReplaceOutliers(double *y, int n, int m, FinopsInterrupt interrupt,
				  bool *flag)
{
	double	   *memory,
			   *season,
			   *smooth,
			   *rest,
			   *scratch,
				low,
				high,
				gap;
	int			count = 0;

	if (n < 8)
		return 0;
	memory = FcAlloc(4 * (size_t) n);
	season = memory;
	smooth = season + n;
	rest = smooth + n;
	scratch = rest + n;
	if (m < 2 || n < 3 * m ||
		!StlDecompose(y, n, 1, &m, -1, true, interrupt, season, smooth, rest))
		memset(season, 0, n * sizeof(double));
	for (int t = 0; t < n; t++)
		scratch[t] = y[t] - season[t];
	for (int t = 0; t < n; t++)
	{
		double		near[2 * REACH];
		int			from = Min(Max(t - REACH, 0), Max(n - 2 * REACH - 1, 0)),
					k = 0;

		for (int i = from; i < Min(from + 2 * REACH + 1, n); i++)
			if (i != t)
				near[k++] = scratch[i];
		smooth[t] = FcMedianOf(near, k);
	}
	for (int t = 0; t < n; t++)
		rest[t] = y[t] - season[t] - smooth[t];
	memcpy(scratch, rest, n * sizeof(double));
	qsort(scratch, n, sizeof(double), FcCompare);
	low = scratch[n / 4];
	high = scratch[n - 1 - n / 4];
	gap = Max(high - low, 1e-12 * fabs(smooth[n / 2]));
	for (int t = 0; t < n; t++)
	{
		bool		out = rest[t] < low - FAR_OUT * gap || rest[t] > high + FAR_OUT * gap;

		if (flag != NULL)
			flag[t] = out;
		if (out && gap > 0)
		{
			y[t] = smooth[t] + season[t];
			count++;
		}
	}
	FcFree(memory);
	return count;
}
