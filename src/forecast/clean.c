/*-------------------------------------------------------------------------
 *
 * clean.c
 *	  Level shifts and outliers of a series.  Pure.
 *
 * A level shift is where the medians of two weeks before and after differ by
 * SHIFT_SIZE standard errors or more, and neither side is on its way there.
 * Earlier values are moved to the newest level: by the ratio of the medians
 * where all values are positive, else by their difference; so the season
 * before the shift still counts.  Shifts are looked for in the series without
 * its season.
 *
 * Outliers are values whose distance from the running median of their phase
 * neighbours (season taken out by loess when there is one) exceeds the
 * quartiles by three interquartile ranges (Tukey 1977, "far out"); the median
 * takes their place.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/clean.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

#define SHIFT_SIZE	4.5			/* standard errors */
#define MOST_LASTING 0.6
#define SHIFT_LEAST	0.12		/* of the level before */
#define SHIFT_WINDOW 14			/* values on a side */
#define SHIFT_NEWEST 4			/* values after it, at least */
#define FAR_OUT		3.0
#define REACH		3			/* neighbours on each side of a running median */

/* Trailing days that a bill may not have caught up with. */
#define LATE_SHARE	0.85		/* of what was expected, at most */
#define LATE_SIZE	4.0			/* robust deviations below it, at least */
#define LONGEST_GAP	14			/* zeros in a row that are a gap */
#define MONTHS		48			/* a cycle of month lengths with its leap year */

static double
median_in(const double *x, int n, double *scratch)
{
	memcpy(scratch, x, n * sizeof(double));
	return FcMedianOf(scratch, n);
}

/* Robust deviation around the median. */
static double
deviation_of(const double *x, int n, double *scratch)
{
	double		center = median_in(x, n, scratch);

	for (int i = 0; i < n; i++)
		scratch[i] = fabs(x[i] - center);
	return 1.4826 * FcMedianOf(scratch, n);
}

/*
 * The mean of what lies within three robust deviations of the median: of few
 * values it is worth half as many again as their median.
 */
static double
level_of(const double *x, int n, double *scratch)
{
	double		center = median_in(x, n, scratch),
				reach = 3 * deviation_of(x, n, scratch),
				sum = 0;
	int			count = 0;

	for (int i = 0; i < n; i++)
		if (fabs(x[i] - center) <= reach)
		{
			sum += x[i];
			count++;
		}
	return count > 0 ? sum / count : center;
}

/*
 * By how much the standard error of a mean of some days exceeds that of
 * independent ones: noise that lasts looks like a new level.  From the
 * autocorrelation of the deviations from the running mean of a month, whose
 * own part in them (one day in 29) is added back.
 */
static double
noise_lasts(const double *x, int n)
{
	double		c0 = 0,
				c1 = 0,
				before = 0,
				r;

	for (int t = SHIFT_WINDOW; t + SHIFT_WINDOW < n; t++)
	{
		double		e = x[t] - FcMean(x + t - SHIFT_WINDOW, 2 * SHIFT_WINDOW + 1);

		c0 += e * e;
		c1 += e * before;
		before = e;
	}
	r = c0 > 0 ? c1 / c0 + 1.0 / (2 * SHIFT_WINDOW + 1) : 0;
	r = Min(Max(r, 0), MOST_LASTING);
	return sqrt((1 + r) / (1 - r));
}

/* Two weeks on either side of a shift must be of one level each. */
static bool
is_near(int t, const int *at, int count)
{
	for (int i = 0; i < count; i++)
		if (abs(t - at[i]) < SHIFT_WINDOW)
			return true;
	return false;
}

/*
 * The most significant shift that is not near those found, or -1.  x has no
 * season.  Few values after it must say more than many.
 */
static int
find_shift(const double *x, int n, const int *at, int count, double *scratch)
{
	int			best = -1;
	double		strongest = SHIFT_SIZE * noise_lasts(x, n);

	for (int t = SHIFT_WINDOW; t + SHIFT_NEWEST <= n; t++)
	{
		int			after_n = Min(SHIFT_WINDOW, n - t);
		double		before = median_in(x + t - SHIFT_WINDOW, SHIFT_WINDOW, scratch),
					after = median_in(x + t, after_n, scratch),
					spread = (deviation_of(x + t - SHIFT_WINDOW, SHIFT_WINDOW, scratch) +
							  deviation_of(x + t, after_n, scratch)) / 2,
					size = fabs(after - before),
					score;

		spread = Max(spread, 1e-3 * (fabs(before) + fabs(after)));
		if (!(spread > 0) || size < (after_n < 7 ? 5 : 2.5) * spread ||
			size < SHIFT_LEAST * fabs(before) || is_near(t, at, count))
			continue;
		/* 1.2533: standard error of a median against that of a mean */
		score = size / (1.2533 * spread * sqrt(1.0 / SHIFT_WINDOW + 1.0 / after_n));
		if (score <= strongest)
			continue;
		/* a slope is no shift: neither side may go on in its direction */
		if (t >= 2 * SHIFT_WINDOW)
		{
			double		further = median_in(x + t - 2 * SHIFT_WINDOW, SHIFT_WINDOW, scratch);

			if ((before - further) * (after - before) > 0.3 * size * size)
				continue;
		}
		if (t + 2 * SHIFT_WINDOW <= n)
		{
			double		further = median_in(x + t + SHIFT_WINDOW, SHIFT_WINDOW, scratch);

			if ((further - after) * (after - before) > 0.3 * size * size ||
				(further - after) * (after - before) < -0.6 * size * size)
				continue;
		}
		strongest = score;
		best = t;
	}
	return best;
}

/* The step near t where the two sides part best: least absolute deviations. */
static int
best_boundary(const double *x, int n, int t, double before, double after)
{
	double		sum = 0,
				least = 0;
	int			from = Max(1, t - SHIFT_NEWEST - 3),
				best = from;

	for (int s = from; s < Min(n, t + SHIFT_NEWEST + 3); s++)
	{
		sum += fabs(x[s] - before) - fabs(x[s] - after);
		if (sum < least)
		{
			least = sum;
			best = s + 1;
		}
	}
	return Min(best, n - 1);
}

/*
 * Sizes of shifts from their ratios or differences: the level goes back shift
 * by shift from the newest one.
 */
static void
shift_sizes(const int *at, const double *change, int count, bool ratio,
			double level, double *size)
{
	int			before = INT_MAX;

	for (int i = 0; i < count; i++)
	{
		int			k = 0;

		for (int j = 1; j < count; j++)
			if (at[j] < before && (at[k] >= before || at[j] > at[k]))
				k = j;
		size[k] = ratio ? level - level / change[k] : change[k];
		level -= size[k];
		before = at[k];
	}
}

/*
 * Moves what lies before the shifts to the newest level; returns how many, at
 * most four: positions (first value of the new level) in at[], in size[] (may
 * be NULL) by how much the level went up, together from the oldest level to
 * the newest.
 */
int
FcAlignShifts(double *y, int n, int m, int *at, double *size)
{
	bool		ratio = FcIsPositive(y, n);
	int			count = 0,
				last = 0;
	double		change[FC_MAX_SHIFTS],
				newest = 0,
			   *x,
			   *scratch,
			   *next;

	if (n < SHIFT_WINDOW + SHIFT_NEWEST || (m > 1 && n < 3 * m))
		return 0;
	x = FcAlloc(2 * (size_t) n + m);
	scratch = x + n;
	next = scratch + n;
	while (count < FC_MAX_SHIFTS)
	{
		int			t,
					reach;
		double		before,
					after;

		if (m > 1)
			FcAdaptiveSeason(y, n, m, ratio ? FC_SEASON_MULTIPLICATIVE : FC_SEASON_ADDITIVE, x, next);
		else
			memcpy(x, y, n * sizeof(double));
		t = find_shift(x, n, at, count, scratch);
		if (t < 0)
			break;
		before = median_in(x + t - SHIFT_WINDOW, SHIFT_WINDOW, scratch);
		after = median_in(x + t, Min(SHIFT_WINDOW, n - t), scratch);
		t = best_boundary(x, n, t, before, after);
		reach = Min(2 * SHIFT_WINDOW, t);
		before = level_of(x + t - reach, reach, scratch);
		after = level_of(x + t, Min(2 * SHIFT_WINDOW, n - t), scratch);
		if (ratio && !(before > 0 && after > 0))
			break;
		for (int s = 0; s < t; s++)
			y[s] = ratio ? y[s] * (after / before) : y[s] + (after - before);
		newest = t >= last ? after : newest;
		last = Max(last, t);
		change[count] = ratio ? after / before : after - before;
		at[count++] = t;
	}
	if (size != NULL)
		shift_sizes(at, change, count, ratio, newest, size);
	FcFree(x);
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
	int			count = 0,
				last = n;

	if (flag != NULL)
		memset(flag, 0, n * sizeof(bool));
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
	/* the newest few that are all out may be a new level */
	for (int t = n - 1; t >= 0 &&
		 (rest[t] < low - FAR_OUT * gap || rest[t] > high + FAR_OUT * gap); t--)
		last = t;
	if (n - last < 2)
		last = n;
	for (int t = 0; t < n; t++)
	{
		bool		out = t < last &&
		(rest[t] < low - FAR_OUT * gap || rest[t] > high + FAR_OUT * gap);

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

/*
 * What a value was expected to be: the median of the newest four of its phase
 * before it, times how the days just before it compared to theirs.
 */
static double
expected_at(const double *y, int t, int m)
{
	double		same[4],
				ratio[REACH * 2 + 1],
				level;
	int			k = 0,
				r = 0;

	for (int s = t - m; s >= 0 && k < 4; s -= m)
		same[k++] = y[s];
	if (k == 0)
		return 0;
	level = FcMedianOf(same, k);
	for (int s = t - 1; s >= t - m && s >= m; s--)
	{
		double		before[4];
		int			b = 0;

		for (int u = s - m; u >= 0 && b < 4; u -= m)
			before[b++] = y[u];
		if (b > 0 && r < (int) lengthof(ratio))
		{
			double		middle = FcMedianOf(before, b);

			if (middle > 0)
				ratio[r++] = y[s] / middle;
		}
	}
	return r > 0 ? level * FcMedianOf(ratio, r) : level;
}

/*
 * Up to three zeros at the end of a series that is hardly ever zero are days
 * that have not been delivered; what ended for good looks the same for as long.
 */
static int
trailing_zeros(const double *y, int n)
{
	int			last = n,
				zeros = 0;

	while (last > 0 && y[last - 1] == 0)
		last--;
	for (int t = 0; t < last; t++)
	{
		zeros += y[t] == 0;
		if (y[t] < 0)
			return 0;
	}
	return n - last <= FC_LATE_DAYS && 10 * zeros <= last ? n - last : 0;
}

/*
 * The newest days of a bill are often incomplete.  A last day far below what
 * its weekday and the days before it say, and days before that one that are
 * low as well, get the expected value.  Returns how many days; what they had
 * is in was[FC_LATE_DAYS], the last day first.
 */
int
FcMaskLate(double *y, int n, int m, double *was)
{
	double		error[28],
				share[FC_LATE_DAYS + 1],
				spread;
	int			k = 0,
				late = 0;

	if (m < 2 || n < 4 * m)
		return 0;
	late = trailing_zeros(y, n);
	if (late > 0)
	{
		memset(was, 0, late * sizeof(double));
		for (int i = late; i >= 1; i--)
			y[n - i] = expected_at(y, n - i, m);
		return late;
	}
	for (int t = n - FC_LATE_DAYS - 1; t >= 2 * m && k < (int) lengthof(error); t--)
	{
		double		e = expected_at(y, t, m);

		if (e > 0)
			error[k++] = fabs(y[t] / e - 1);
	}
	if (k < m)
		return 0;
	spread = Max(1.4826 * FcMedianOf(error, k), 0.01);
	for (int i = 0; i <= FC_LATE_DAYS; i++)
	{
		double		e = expected_at(y, n - 1 - i, m);

		share[i] = e > 0 ? y[n - 1 - i] / e : 1;
	}
	/* the last day must stand out; those before it need only be low */
	if (share[0] > 1 - LATE_SIZE * spread || share[0] > LATE_SHARE)
		return 0;
	do
	{
		was[late] = y[n - 1 - late];
		late++;
		/* a day as low as the last one is a new level, not a late day */
		if (share[late] < 1 - spread && share[late] < share[0] + Max(2 * spread, 0.1))
			return 0;
	} while (late < FC_LATE_DAYS && share[late] < 1 - spread);
	for (int i = late; i >= 1; i--)
		y[n - i] = expected_at(y, n - i, m);
	return late;
}

/*
 * Runs of zeros of at most two weeks in a series that is positive otherwise
 * and has gone on since: days that were not delivered.  They get what their
 * phase has around them.  Returns how many values.
 */
int
FcFillGaps(double *y, int n, int m)
{
	int			filled = 0,
				zeros = 0;

	for (int t = 0; t < n; t++)
	{
		if (y[t] < 0)
			return 0;
		zeros += y[t] == 0;
	}
	if (m < 2 || n < 3 * m || zeros == 0 || 4 * zeros > n)
		return 0;
	for (int t = 0; t < n; t++)
	{
		int			to = t;

		while (to < n && y[to] == 0)
			to++;
		if (to == t)
			continue;
		for (int s = t; s < to && to < n && to - t <= LONGEST_GAP; s++)
		{
			double		around[4];
			int			k = 0;

			for (int u = s - m; u >= 0 && k < 2; u -= m)
				if (y[u] > 0)
					around[k++] = y[u];
			for (int u = s + m; u < n && k < 4; u += m)
				if (y[u] > 0)
					around[k++] = y[u];
			if (k > 0)
			{
				y[s] = FcMedianOf(around, k);
				filled++;
			}
		}
		t = to;
	}
	return filled;
}

/* Length of month k of a cycle of four years, of which the first is leap. */
static int
month_length(int k)
{
	static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return k % MONTHS == 1 ? 29 : days[k % 12];
}

/*
 * Do spikes, given by position and size, come month by month?  at[0..k-1] is
 * ascending.  If so, the steps from the last spike to the coming ones up to
 * limit go into next; returns how many there are, 0 when the distances are
 * not those of months or sizes differ too much.
 */
int
FcMonthlySpikes(const int *at, const double *size, int k, int limit, int *next)
{
	double		low = size[0],
				high = size[0];

	if (k < 2)
		return 0;
	for (int i = 1; i < k; i++)
	{
		low = Min(low, size[i]);
		high = Max(high, size[i]);
	}
	if (!(low > 0.5 * high))
		return 0;
	for (int first = 0; first < MONTHS; first++)
	{
		int			i = 1,
					count = 0,
					sum = 0;

		while (i < k && at[i] - at[i - 1] == month_length(first + i - 1))
			i++;
		if (i < k)
			continue;
		for (int month = first + k - 1; sum + month_length(month) <= limit; month++)
			next[count++] = sum += month_length(month);
		return count > 0 ? count : -1;
	}
	return 0;
}
