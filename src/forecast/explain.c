/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  A forecast as a sum of parts.  Pure.
 *
 * Whatever the model, with or without components of its own, its mean is
 * taken apart the same way.  What regressors and monthly fees add is known.
 * Of the rest, the mean over one season from step j on has no season in it;
 * half a season of its slope back it is the base of step j, exactly so for a
 * line with a season that adds up to nothing.  The base before the first step
 * is the level, what the base has moved since is the trend, and the season is
 * what remains.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/models.h"

#include <math.h>

/* Regressors with zeros for the steps beyond the horizon that is asked for. */
static double *
padded_regressors(const FcRequest *q, int more)
{
	const FcOptions *o = q->options;
	int			stride = q->n + q->h;
	double	   *x = FcAlloc((size_t) o->nregressors * (stride + more));

	for (int i = 0; i < o->nregressors; i++)
	{
		memcpy(x + (size_t) i * (stride + more), o->regressors + (size_t) i * stride,
			   stride * sizeof(double));
		memset(x + (size_t) i * (stride + more) + stride, 0, more * sizeof(double));
	}
	return x;
}

/* parts: [h]; they add up to mean. */
FcStatus
FcExplain(const FcRequest *given, double *mean, FcParts *parts, FcDetail *detail)
{
	FcRequest	q = *given;
	FcOptions	options = given->options != NULL ? *given->options : FcDefaults;
	int			m,
				h = given->h,
				room = h + Max(given->m, 1) + 1;
	double	   *x = NULL,
			   *path = FcAlloc(3 * (size_t) room);
	FcExtras	extras = {path + room, path + 2 * room};
	FcStatus	status;

	options.sum = 0;
	q.options = &options;
	if (options.nregressors > 0)
		options.regressors = x = padded_regressors(&q, room - h);
	q.h = room;
	q.nlevels = 0;
	q.extras = &extras;
	status = FcForecast(&q, path, NULL, NULL, detail);
	if (status == FC_OK)
	{
		double		base,
					slope,
					level = 0;

		/* a hidden season is longer than the room: then there is none to show */
		m = detail->m <= room - h - 1 ? Max(detail->m, 1) : 1;
		for (int j = 0; j < room; j++)
			path[j] -= extras.regressors[j] + extras.fees[j];
		for (int j = 0; j < h; j++)
		{
			double		now = 0,
						after = 0;

			for (int i = 0; i < m; i++)
			{
				now += path[j + i] / m;
				after += path[j + i + 1] / m;
			}
			slope = after - now;
			base = now - slope * (m - 1) / 2.0;
			if (j == 0)
				level = base - slope;
			mean[j] = path[j] + extras.regressors[j] + extras.fees[j];
			parts->level[j] = level;
			parts->trend[j] = base - level;
			parts->season[j] = path[j] - base;
			parts->regressors[j] = extras.regressors[j];
			parts->fees[j] = extras.fees[j];
		}
	}
	if (x != NULL)
		FcFree(x);
	FcFree(path);
	return status;
}
