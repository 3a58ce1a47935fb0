/*-------------------------------------------------------------------------
 *
 * blocks.c
 *	  Series with many steps to a season: forecast the seasons' means, and
 *	  share each out over its steps.  Pure.
 *
 * An hourly series is its days' means times a profile, a daily one its weeks'.
 * What lifts one hour above its profile is gone some hours later, but smoothing
 * by the hour carries it on for days; the day's mean knows better, and of the
 * rest of a month the week's mean knows more than a day.  The blocks end with
 * the series, the model of their means is auto itself with the season that a
 * calendar has (seven days to a week), and the profile is that of the hour in
 * the day and, where it helps, in the week (temporal aggregation:
 * Athanasopoulos, Hyndman, Kourentzes and Petropoulos 2017, European Journal
 * of Operational Research 262).
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/models.h"

#include <math.h>

#define LEAST_BLOCKS	14
#define LEAST_SEASON	24

/* How many seasons of m steps make the next longer one; 1: none is known. */
int
FcLongerSeason(int m)
{
	if (m >= LEAST_SEASON && m % 24 == 0)
		return 7;				/* days of a week */
	if (m == 60)
		return 24;				/* minutes, hours of a day */
	return 1;
}

bool
FcBlocksApply(const FcRequest *q)
{
	return q->n / q->m >= LEAST_BLOCKS &&
		(q->m == FC_WEEK || (q->m >= LEAST_SEASON && q->h >= q->m));
}

/* Forecasts of the blocks' means by auto. */
static void
forecast_blocks(const FcRequest *q, const double *block, int count,
				FcSteps *out)
{
	FcRequest	days = *q;
	FcDetail   *detail = (FcDetail *) FcAlloc(sizeof(FcDetail) / sizeof(double) + 1);

	memset(detail, 0, sizeof(*detail));
	days.y = block;
	days.n = count;
	days.m = FcLongerSeason(q->m);
	days.h = (q->h + q->m - 1) / q->m;
	if (days.n < 3 * days.m)
		days.m = 1;
	FcAutoModel(&days, out, detail);
	FcFree((double *) detail);
}

/* out->mean only. */
void
FcBlocksForecast(const FcRequest *q, FcSeasonKind kind, double *mean)
{
	int			m = q->m,
				count = q->n / m,
				skip = q->n - count * m,
				n = count * m,
				days = (q->h + m - 1) / m,
				k = FcLongerSeason(m);
	bool		ratio = kind == FC_SEASON_MULTIPLICATIVE;
	size_t		room = count + 3 * (size_t) days + (size_t) m * k + 3 * (size_t) n;
	double	   *memory = FcAlloc(room),
			   *block = memory,
			   *next = block + count + 3 * days,
			   *r = next + (size_t) m * k,
			   *smooth = r + n;
	FcSteps		steps = {block + count, block + count + days, block + count + 2 * days};

	for (int i = 0; i < count; i++)
	{
		block[i] = FcMean(q->y + skip + i * m, m);
		for (int t = i * m; t < (i + 1) * m; t++)
			r[t] = ratio ? q->y[skip + t] / block[i] : q->y[skip + t] - block[i];
	}
	FcSmoothFactors(r, n, m, kind, smooth, next);
	for (int i = m; i < m * k; i++)
		next[i] = next[i % m];
	if (k > 1 && n >= 3 * m * k)
	{
		double	   *more = FcAlloc((size_t) m * k);

		for (int t = 0; t < n; t++)
			r[t] = ratio ? r[t] / smooth[t] : r[t] - smooth[t];
		if (FcSmoothFactors(r, n, m * k, kind, smooth, more) > 0)
			for (int i = 0; i < m * k; i++)
				next[i] = ratio ? next[i] * more[i] : next[i] + more[i];
		FcFree(more);
	}
	forecast_blocks(q, block, count, &steps);
	for (int j = 0; j < q->h; j++)
	{
		double		factor = next[j % (m * k)];

		mean[j] = ratio ? steps.mean[j / m] * factor : steps.mean[j / m] + factor;
	}
	FcFree(memory);
}
