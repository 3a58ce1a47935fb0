/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  A forecast as a sum of parts.  Pure.
 *
 * Whatever the model, with or without components of its own, its mean is
 * taken apart the same way.  What regressors and monthly fees add is known.
 * Of the rest, the mean over one season from step j on has no season in it;
 * half a season of its slope back it is the base of step j, exactly so for a
 * line with a season that adds up to nothing.  Of several seasons the shortest
 * goes first, and the next is looked for in the base that it leaves.  The base
 * before the first step is the level, less what level shifts of the past have
 * put on it; what the base has moved since is the trend.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/models.h"

#include <math.h>

#define YEAR_OF_WEEKS	52		/* which auto looks for by itself */

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

/* The base of path[0] and its slope; reads path[0..m]. */
double
FcBase(const double *path, int m, double *slope)
{
	double		now = 0,
				after = 0;

	for (int i = 0; i < m; i++)
	{
		now += path[i] / m;
		after += path[i + 1] / m;
	}
	*slope = after - now;
	return now - *slope * (m - 1) / 2.0;
}

/* Steps beyond the horizon that any season this forecast may have asks for. */
static int
look_ahead(const FcRequest *q)
{
	int			steps = q->m * (1 + FcLongerSeason(q->m)) + 2 * FC_MOST_SEASONS;

	for (int i = 0; i < q->options->nseasons; i++)
		steps += q->options->seasons[i];
	return q->m == 1 ? steps + YEAR_OF_WEEKS : steps;
}

/* The seasons that the forecast used, ascending, as far as there is room. */
static int
seasons_used(const FcDetail *detail, int room, int *length)
{
	int			given = detail->nseasons > 0 ? detail->nseasons : 1,
				count = 0;

	for (int i = 0; i < given; i++)
	{
		int			m = detail->nseasons > 0 ? detail->seasons[i] : detail->m;

		if (m > 1 && m + 1 < room)
		{
			length[count++] = m;
			room -= m + 1;
		}
	}
	return count;
}

/* Takes the seasons out of path[room]; it becomes the base. */
static void
take_seasons(double *path, int room, int h, FcParts *parts)
{
	memset(parts->season, 0, h * sizeof(double));
	for (int k = 0; k < parts->nseasons; k++)
	{
		int			m = parts->length[k];
		double		slope;

		for (int j = 0; j + m < room; j++)
		{
			double		base = FcBase(path + j, m, &slope);

			if (j < h)
			{
				parts->seasons[(size_t) k * h + j] = path[j] - base;
				parts->season[j] += path[j] - base;
			}
			path[j] = base;
		}
		room -= m;
	}
}

static void
take_apart(double *path, int room, int h, const FcDetail *detail,
		   const FcExtras *extras, FcParts *parts)
{
	double		shifted = 0,
				level;

	parts->nseasons = seasons_used(detail, room - h - 1, parts->length);
	for (int i = 0; i < detail->shifts; i++)
		shifted += detail->shift_size[i];
	take_seasons(path, room, h, parts);
	level = path[0] - (path[1] - path[0]);
	for (int j = 0; j < h; j++)
	{
		parts->level[j] = level - shifted;
		parts->shifts[j] = shifted;
		parts->trend[j] = path[j] - level;
		parts->regressors[j] = extras->regressors[j];
		parts->fees[j] = extras->fees[j];
	}
}

/* The parts of each step add up to its mean. */
FcStatus
FcExplain(const FcRequest *given, double *mean, FcParts *parts, FcDetail *detail)
{
	FcRequest	q = *given;
	FcOptions	options = given->options != NULL ? *given->options : FcDefaults;
	int			h = given->h,
				room;
	double	   *x = NULL,
			   *path;
	FcExtras	extras;
	FcStatus	status;

	options.sum = 0;
	q.options = &options;
	q.nlevels = 0;
	status = FcForecast(&q, mean, NULL, NULL, detail);
	if (status != FC_OK)
		return status;
	room = h + look_ahead(&q);
	path = FcAlloc(3 * (size_t) room);
	extras = (FcExtras) {path + room, path + 2 * room};
	if (options.nregressors > 0)
		options.regressors = x = padded_regressors(&q, room - h);
	q.h = room;
	q.extras = &extras;
	status = FcForecast(&q, path, NULL, NULL, detail);
	if (status == FC_OK)
	{
		/* how far one looks may decide on a member: the steps are those asked for */
		memcpy(path, mean, h * sizeof(double));
		for (int j = 0; j < room; j++)
			path[j] -= extras.regressors[j] + extras.fees[j];
		take_apart(path, room, h, detail, &extras, parts);
	}
	if (x != NULL)
		FcFree(x);
	FcFree(path);
	return status;
}
