/*-------------------------------------------------------------------------
 *
 * interval.c
 *	  Intervals: normal, simulated, conformal; totals of steps.  Pure.
 *
 * The errors of steps i and j ahead are correlated through the errors that
 * both saw: with psi the response to an error,
 *
 *	  corr(i, j) = sum_k psi_{i-k} psi_{j-k} / sqrt(sum psi^2 sum psi^2).
 *
 * Conformal intervals (Vovk, Gammerman and Shafer 2005; Lei et al. 2018,
 * Journal of the American Statistical Association 113, split conformal) refit
 * the model at earlier origins.  Errors count in units of the model's own
 * deviation of that step, so scores of all steps are comparable; the half
 * width is the ceil((k+1)(1-a))-th smallest of k scores.  A step with enough
 * origins uses its own scores, others all of them.  The adaptive kind moves
 * a by g (a - missed) from origin to origin (Gibbs and Candes 2021, Advances
 * in Neural Information Processing Systems 34) and uses where it ends.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/models.h"

#include "core/fmath.h"

#include <math.h>

#define MOST_ORIGINS	24
#define ADAPT_RATE		0.05

/* Normal intervals from the variance; NaN when there is none. */
void
FcNormalIntervals(const FcRequest *q, const FcSteps *steps, double *lower,
				  double *upper)
{
	for (int i = 0; i < q->nlevels; i++)
	{
		double		z = FmathNormQuantile(0.5 + q->levels[i] / 200);

		for (int j = 0; j < q->h; j++)
		{
			double		half = z * sqrt(Max(steps->variance[j], 0));

			if (isnan(steps->variance[j]))
				half = steps->variance[j];
			lower[j * q->nlevels + i] = steps->mean[j] - half;
			upper[j * q->nlevels + i] = steps->mean[j] + half;
		}
	}
}

/*
 * Steps become totals of so many of them; the last may have fewer.  The error
 * of step j is a_j sum_k psi_{j-k} e_k, with a_j the deviation over that of
 * the sum; so the variance of a total is the sum over k of the squares of what
 * e_k moves all its steps by.
 */
void
FcSumSteps(int h, int every, FcSteps *steps, FinopsInterrupt interrupt)
{
	double	   *weight = FcAlloc(h),
				sum = 0;
	int			totals = (h + every - 1) / every;

	for (int j = 0; j < h; j++)
	{
		sum += steps->psi[j] * steps->psi[j];
		weight[j] = sqrt(Max(steps->variance[j], 0) / sum);
		if (isnan(steps->variance[j]))
			weight[j] = steps->variance[j];
	}
	for (int b = 0; b < totals; b++)
	{
		int			from = b * every,
					to = Min(from + every, h);
		double		mean = 0,
					variance = 0;

		for (int j = from; j < to; j++)
			mean += steps->mean[j];
		for (int k = 0; k < to; k++)
		{
			double		moved = 0;

			for (int j = Max(from, k); j < to; j++)
				moved += weight[j] * steps->psi[j - k];
			variance += moved * moved;
			if (interrupt != NULL && k % 256 == 0)
				interrupt();
		}
		steps->mean[b] = mean;
		steps->variance[b] = variance;
	}
	FcFree(weight);
}

/* ---------------------------------------------------------------------
 * Simulated
 * ---------------------------------------------------------------------
 */

/* A path of a linear model: psi times normal errors, scaled to the variance. */
static void
linear_path(const FcSteps *steps, const double *square, int h,
			FmathRandom *random, double *error, double *path)
{
	for (int j = 0; j < h; j++)
	{
		double		sum = 0;

		error[j] = FmathNormal(random);
		for (int k = 0; k <= j; k++)
			sum += steps->psi[j - k] * error[k];
		path[j] = steps->mean[j] +
			sum * sqrt(Max(steps->variance[j], 0) / square[j]);
	}
}

static const EtsFit *
only_smoothing(const FcDetail *detail)
{
	if (detail->nmembers != 1 || detail->member[0].kind != FC_MEMBER_ETS ||
		detail->member[0].stl)
		return NULL;
	return &detail->member[0].fit.ets;
}

/*
 * Quantiles of simulated futures: of the states of a single smoothing model,
 * which may be far from normal, of psi for all others.  False when there is
 * no variance.  With totals, of the totals.
 */
bool
FcSimulatedIntervals(const FcRequest *q, const FcSteps *steps,
					 const FcDetail *detail, double *lower, double *upper)
{
	const EtsFit *ets = only_smoothing(detail);
	int			every = q->options->sum > 0 ? q->options->sum : 1,
				rows = (q->h + every - 1) / every;
	/* long horizons with fewer paths, so that memory stays below 64 MB */
	int			paths = (int) Min(FC_PATHS, Max(200, 8000000 / q->h));
	double	   *path,
			   *error,
			   *square,
			   *all,
				sum = 0;
	FmathRandom random;

	if (isnan(steps->variance[0]))
		return false;
	path = FcAlloc(3 * (size_t) q->h + (size_t) rows * paths);
	error = path + q->h;
	square = error + q->h;
	all = square + q->h;
	for (int j = 0; j < q->h; j++)
		square[j] = sum += steps->psi[j] * steps->psi[j];
	FmathSeed(&random, q->options->seed);
	for (int k = 0; k < paths; k++)
	{
		if (ets != NULL)
			EtsSimulate(ets, q->h, &random, path);
		else
			linear_path(steps, square, q->h, &random, error, path);
		for (int r = 0; r < rows; r++)
		{
			double		total = 0;

			for (int j = r * every; j < Min((r + 1) * every, q->h); j++)
				total += path[j];
			all[(size_t) r * paths + k] = total;
		}
		if (q->interrupt != NULL && k % 16 == 0)
			q->interrupt();
	}
	for (int r = 0; r < rows; r++)
	{
		double	   *sample = all + (size_t) r * paths;

		qsort(sample, paths, sizeof(double), FcCompare);
		for (int i = 0; i < q->nlevels; i++)
		{
			int			cut = (int) ((0.5 - q->levels[i] / 200) * (paths - 1) + 0.5);

			lower[r * q->nlevels + i] = sample[cut];
			upper[r * q->nlevels + i] = sample[paths - 1 - cut];
		}
	}
	FcFree(path);
	return true;
}

/* ---------------------------------------------------------------------
 * Conformal
 * ---------------------------------------------------------------------
 */

/* The quantile of a score sample (ascending) for miss rate a. */
static double
score_quantile(const double *score, int n, double a)
{
	int			at = (int) ceil((n + 1) * (1 - a) - 1e-9);

	return score[Min(Max(at, 1), n) - 1];
}

/* Steps, or totals of steps, that an interval is asked for. */
static int
rows_of(const FcRequest *q)
{
	int			every = q->options->sum > 0 ? q->options->sum : 1;

	return (q->h + every - 1) / every;
}

/* What came in row r of the steps from actual on. */
static double
row_of(const FcRequest *q, const double *actual, int r)
{
	int			every = q->options->sum > 0 ? q->options->sum : 1;
	double		total = 0;

	for (int j = r * every; j < Min((r + 1) * every, q->h); j++)
		total += actual[j];
	return total;
}

/*
 * Scores of earlier origins, oldest first: score[k * rows + r].  Returns how
 * many origins there are.
 */
static int
collect_scores(const FcRequest *q, int rows, double *score)
{
	int			least = Max(3 * q->m, 8),
				h = q->h,
				origins = Min(MOST_ORIGINS, q->n - h - least + 1),
				stride,
				count = 0;
	FcDetail   *detail;
	double	   *memory;
	FcSteps		steps;

	if (origins < 2)
		return 0;
	stride = Max(1, Min(h, (q->n - h - least) / (origins - 1)));
	detail = (FcDetail *) FcAlloc(sizeof(FcDetail) / sizeof(double) + 1);
	memory = FcAlloc(3 * (size_t) h);
	steps = (FcSteps) {memory, memory + h, memory + 2 * h};
	for (int k = origins - 1; k >= 0; k--)
	{
		FcRequest	past = *q;

		past.n = q->n - h - k * stride;
		memset(detail, 0, sizeof(*detail));
		if (past.n < least || FcRunModel(&past, &steps, detail) != FC_OK)
			continue;
		if (q->options->sum > 0)
			FcSumSteps(h, q->options->sum, &steps, q->interrupt);
		for (int r = 0; r < rows; r++)
		{
			double		sd = sqrt(Max(steps.variance[r], 0)),
						miss = fabs(row_of(q, q->y + past.n, r) - steps.mean[r]);

			score[count * rows + r] = sd > 0 ? miss / sd : (miss > 0 ? (double) INFINITY : 0);
		}
		count++;
	}
	FcFree(memory);
	FcFree((double *) detail);
	return count;
}

/* Half width in deviations for one step and one level. */
static double
half_width(const double *score, int origins, int h, int j, double a,
		   bool adaptive, double *sample)
{
	double		rate = a;
	int			n = 0;

	/* the adaptive rate: each origin against those before it */
	for (int k = 1; adaptive && k < origins; k++)
	{
		n = 0;
		for (int i = 0; i < k; i++)
			for (int s = 0; s < h; s++)
				sample[n++] = score[i * h + s];
		qsort(sample, n, sizeof(double), FcCompare);
		rate += ADAPT_RATE * (a - (score[k * h + j] > score_quantile(sample, n, rate)));
		rate = Min(Max(rate, a / 10), 0.5);
	}
	n = 0;
	if ((origins + 1) * rate >= 1)
		for (int k = 0; k < origins; k++)
			sample[n++] = score[k * h + j];
	else
		for (int k = 0; k < origins * h; k++)
			sample[n++] = score[k];
	qsort(sample, n, sizeof(double), FcCompare);
	return score_quantile(sample, n, rate);
}

/* With totals steps are those of the totals already. */
bool
FcConformalIntervals(const FcRequest *q, const FcSteps *steps, double *lower,
					 double *upper)
{
	int			rows = rows_of(q);
	double	   *score = FcAlloc(2 * (size_t) MOST_ORIGINS * rows),
			   *sample = score + (size_t) MOST_ORIGINS * rows;
	int			origins = collect_scores(q, rows, score);

	for (int i = 0; origins > 0 && i < q->nlevels; i++)
		for (int j = 0; j < rows; j++)
		{
			double		half = half_width(score, origins, rows, j, 1 - q->levels[i] / 100,
										  q->options->interval == FC_INTERVAL_ADAPTIVE, sample) *
				sqrt(Max(steps->variance[j], 0));

			if (!isfinite(half))
				half = 0;
			lower[j * q->nlevels + i] = steps->mean[j] - half;
			upper[j * q->nlevels + i] = steps->mean[j] + half;
		}
	FcFree(score);
	return origins > 0;
}
