/*-------------------------------------------------------------------------
 *
 * drift_verdict.c
 *	  Do two samples come from one distribution?  Pure.
 *
 * The usual limits of the population stability index, 0.1 and 0.25, say
 * nothing about chance: at 200 values each, 0.1 is passed in a third of the
 * cases without any drift; at 10,000 it is thirty times the noise.  Without
 * drift, PSI n m / (n + m) follows the chi-square distribution of one degree
 * of freedom less than there are bins (Yurdakul and Naranjo, Statistical
 * properties of the population stability index, 2020), but for terms of
 * 1 / (values in a bin): its mean is a few percent off with 20 values in a
 * bin.  The mean is therefore computed from the binomial distribution of each
 * bin, smoothing included, and the statistic is scaled to it.
 *
 * Two-sample Kolmogorov-Smirnov: exact by counting paths (Kim and Jennrich
 * 1973; with ties only where a run of equal values ends: Schroeer and
 * Trenkler 1995) as long as that is cheap, the limit of Kolmogorov beyond.
 * The distance of small samples takes few values, so that a test that never
 * exceeds its level stays far below it: 200 against 200 values are called
 * different in 3.9 % of the cases at a level of 5 %.  The verdict is therefore
 * by the mid p-value (Lancaster 1961), which is 5.1 % there; p_value is the
 * ordinary one.  The limit supposes that no values are equal; with few
 * distinct values in large samples the bridge is drawn at their shares, from a
 * frozen seed.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/drift_verdict.h"

#include "core/fmath.h"

#include <stdlib.h>

#define SMOOTHING		0.5		/* values added to each bin that is compared */
#define FEW_TERMS		2500	/* of a binomial distribution that is summed up */
#define EXACT_PATHS		INT64_C(4000000)
#define DRAWN_POINTS	4000000 /* of all bridges */

/* ---------------------------------------------------------------------
 * Chi-square
 * ---------------------------------------------------------------------
 */

/* Finite sums for whole and half degrees, Abramowitz and Stegun 26.4.4 and 26.4.5. */
double
DriftChiSquareTail(double x, int df)
{
	double		y = x / 2,
				sum,
				log_term;
	int			i;

	if (df <= 0 || !(x > 0))
		return 1;
	if (isinf(x))
		return 0;
	if (df % 2 == 0)
	{
		log_term = -y;
		sum = FmathExp(log_term);
		for (i = 1; i < df / 2; i++)
		{
			log_term += FmathLog(y / i);
			sum += FmathExp(log_term);
		}
		return Min(sum, 1);
	}
	sum = erfc(sqrt(y));
	/* y^(1/2) e^-y / Gamma(3/2) */
	log_term = FmathLog(y) / 2 - y - FmathLog(sqrt(M_PI) / 2);
	for (i = 1; i <= df / 2; i++)
	{
		sum += FmathExp(log_term);
		log_term += FmathLog(y / (i + 0.5));
	}
	return Min(sum, 1);
}

double
DriftChiSquareQuantile(double tail, int df)
{
	double		low = 0,
				high = df + 10;

	while (DriftChiSquareTail(high, df) > tail)
		high *= 2;
	for (int i = 0; i < 100; i++)
	{
		double		mid = (low + high) / 2;

		if (DriftChiSquareTail(mid, df) > tail)
			low = mid;
		else
			high = mid;
	}
	return high;
}

/* ---------------------------------------------------------------------
 * Population stability index
 * ---------------------------------------------------------------------
 */

/* Expectations of a smoothed share. */
typedef struct ShareMoments
{
	double		share;
	double		log;
	double		share_log;
} ShareMoments;

static void
add_term(ShareMoments *sum, double weight, double x, double whole)
{
	double		share = (x + SMOOTHING) / whole,
				logarithm = FmathLog(share);

	sum->share += weight * share;
	sum->log += weight * logarithm;
	sum->share_log += weight * share * logarithm;
}

/* Of a bin that holds a value with probability r, out of n values. */
static ShareMoments
share_moments(double n, double r, int bins)
{
	ShareMoments sum = {0, 0, 0};
	double		whole = n + SMOOTHING * bins,
				mean = (n * r + SMOOTHING) / whole,
				deviation = sqrt(n * r * (1 - r)),
				mode = floor((n + 1) * r),
				total = 1,
				weight;

	if (mode > n)
		mode = n;
	if (25 * deviation > FEW_TERMS)
	{
		double		variance = deviation * deviation / (whole * whole);

		sum.share = mean;
		sum.log = FmathLog(mean) - variance / (2 * mean * mean);
		sum.share_log = mean * FmathLog(mean) + variance / (2 * mean);
		return sum;
	}
	/* from the mode both ways, in units of its probability */
	add_term(&sum, 1, mode, whole);
	weight = 1;
	for (double x = mode + 1; x <= n && weight > 1e-20; x++)
	{
		weight *= (n - x + 1) / x * r / (1 - r);
		total += weight;
		add_term(&sum, weight, x, whole);
	}
	weight = 1;
	for (double x = mode - 1; x >= 0 && weight > 1e-20; x--)
	{
		weight *= (x + 1) / (n - x) * (1 - r) / r;
		total += weight;
		add_term(&sum, weight, x, whole);
	}
	sum.share /= total;
	sum.log /= total;
	sum.share_log /= total;
	return sum;
}

DriftVerdict
DriftPsiTest(const int64 *reference, const int64 *recent, int bins, double alpha)
{
	DriftVerdict v = {NAN, NAN, NAN, 0, 0, 0, false};
	double		n,
				m,
				expected = 0,
				scale,
				limit;
	FmathSum	psi = {0, 0};

	for (int b = 0; b < bins; b++)
	{
		v.n += reference[b];
		v.m += recent[b];
		v.bins += reference[b] > 0 || recent[b] > 0;
	}
	if (v.n == 0 || v.m == 0)
		return v;
	n = (double) v.n;
	m = (double) v.m;
	for (int b = 0; b < bins; b++)
	{
		double		p = (reference[b] + SMOOTHING) / (n + SMOOTHING * v.bins),
					q = (recent[b] + SMOOTHING) / (m + SMOOTHING * v.bins),
					r = ((double) reference[b] + (double) recent[b]) / (n + m);
		ShareMoments a,
					c;

		if (reference[b] == 0 && recent[b] == 0)
			continue;
		FmathAdd(&psi, (q - p) * FmathLog(q / p));
		if (v.bins == 1)
			continue;
		a = share_moments(n, r, v.bins);
		c = share_moments(m, r, v.bins);
		expected += a.share_log - a.share * c.log - c.share * a.log + c.share_log;
	}
	v.statistic = FmathTotal(psi);
	v.p_value = 1;
	if (v.bins == 1)
	{
		v.statistic = 0;
		v.critical = INFINITY;
		return v;
	}
	/* mean of the statistic against that of the distribution */
	scale = expected / (v.bins - 1);
	limit = DriftChiSquareQuantile(alpha, v.bins - 1);
	v.critical = limit * scale;
	v.p_value = DriftChiSquareTail(v.statistic / scale, v.bins - 1);
	v.drifted = v.statistic >= v.critical;
	return v;
}

/* ---------------------------------------------------------------------
 * Kolmogorov-Smirnov
 * ---------------------------------------------------------------------
 */

static int
by_value(const void *a, const void *b)
{
	double		x = *(const double *) a,
				y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/*
 * The largest |i m - j n| over the ends of runs of equal values; ends[k] tells
 * whether a run ends after k values of the merged samples.
 */
static int64
largest_distance(const double *x, int n, const double *y, int m, double *ends, int *distinct)
{
	int			i = 0,
				j = 0;
	int64		largest = 0;

	*distinct = 0;
	ends[0] = 0;
	while (i < n || j < m)
	{
		double		value = j == m || (i < n && x[i] < y[j]) ? x[i] : y[j];
		int64		distance;

		for (; i < n && x[i] == value; i++)
			ends[i + j + 1] = 0;
		for (; j < m && y[j] == value; j++)
			ends[i + j + 1] = 0;
		ends[i + j] = 1;
		distance = (int64) i * m - (int64) j * n;
		largest = Max(largest, distance < 0 ? -distance : distance);
		++*distinct;
	}
	return largest;
}

/* P(largest |i m - j n| >= c) over all orders of the values, by paths that stay below. */
static double
exact_tail(int n, int m, int64 c, const double *ends, double *u, FinopsInterrupt interrupt)
{
	u[0] = 1;
	for (int j = 1; j <= m; j++)
		u[j] = ends[j] != 0 && (int64) j * n >= c ? 0 : u[j - 1];
	for (int i = 1; i <= n; i++)
	{
		double		w = (double) i / (i + m);

		if (interrupt != NULL && i % 64 == 0)
			interrupt();
		u[0] = ends[i] != 0 && (int64) i * m >= c ? 0 : w * u[0];
		for (int j = 1; j <= m; j++)
		{
			int64		distance = (int64) i * m - (int64) j * n;

			if (ends[i + j] != 0 && (distance >= c || -distance >= c))
				u[j] = 0;
			else
				u[j] = w * u[j] + u[j - 1];
		}
	}
	return Max(0, 1 - u[m]);
}

static double
kolmogorov_tail(double lambda)
{
	double		sum = 0;

	/* below it the tail is 1 to 16 digits */
	if (lambda < 0.2)
		return 1;
	for (int k = 1; k <= 100; k++)
	{
		double		term = FmathExp(-2.0 * k * k * lambda * lambda);

		sum += k % 2 == 1 ? term : -term;
		if (term < 1e-20)
			break;
	}
	return Min(1, Max(0, 2 * sum));
}

static double
kolmogorov_quantile(double alpha)
{
	double		low = 0,
				high = 10;

	for (int i = 0; i < 80; i++)
	{
		double		mid = (low + high) / 2;

		if (kolmogorov_tail(mid) > alpha)
			low = mid;
		else
			high = mid;
	}
	return high;
}

/*
 * The tail at lambda and, into *critical, the lambda of alpha, for a bridge
 * that is looked at only where runs of equal values end.
 */
static double
drawn_tail(int total, const double *ends, int distinct, double lambda, double alpha, double *critical,
		   double *shares)
{
	int			draws = Min(DRIFT_KS_DRAWS, DRAWN_POINTS / distinct),
				beyond = 0;
	double	   *largest = shares + distinct;
	int			k = 0;
	FmathRandom random;

	for (int i = 1; i <= total; i++)
		if (ends[i] != 0)
			shares[k++] = (double) i / total;
	FmathSeed(&random, 20140901);
	for (int d = 0; d < draws; d++)
	{
		double		at = 0,
					w = 0;

		largest[d] = 0;
		/* a bridge from (at, w) to (1, 0) */
		for (int i = 0; i + 1 < distinct; i++)
		{
			double		left = 1 - at,
						step = shares[i] - at,
						rest = 1 - shares[i];

			w = w * rest / left + sqrt(step * rest / left) * FmathNormal(&random);
			at = shares[i];
			largest[d] = Max(largest[d], fabs(w));
		}
		beyond += largest[d] >= lambda;
	}
	qsort(largest, draws, sizeof(double), by_value);
	*critical = largest[draws - 1 - (int) (alpha * (draws - 1))];
	return (double) beyond / draws;
}

DriftVerdict
DriftKsTest(double *reference, int n, double *recent, int m, double alpha, double *scratch,
			FinopsInterrupt interrupt)
{
	DriftVerdict v = {NAN, NAN, NAN, n, m, 0, false};
	double	   *ends = scratch,
			   *work = scratch + (size_t) n + m + 1;
	int64		c;
	double		whole = (double) n * m,
				root = sqrt(whole / ((double) n + m)),
				lambda;

	if (n == 0 || m == 0)
		return v;
	qsort(reference, n, sizeof(double), by_value);
	qsort(recent, m, sizeof(double), by_value);
	c = largest_distance(reference, n, recent, m, ends, &v.bins);
	v.statistic = c / whole;
	v.p_value = 1;
	if (v.bins == 1)
	{
		v.critical = INFINITY;
		return v;
	}
	if ((int64) n * m <= EXACT_PATHS)
	{
		v.p_value = c == 0 ? 1 : exact_tail(n, m, c, ends, work, interrupt);
		v.drifted = (v.p_value + exact_tail(n, m, c + 1, ends, work, interrupt)) / 2 <= alpha;
		return v;
	}
	lambda = v.statistic * root;
	if (v.bins <= DRIFT_KS_POINTS)
		v.p_value = drawn_tail(n + m, ends, v.bins, lambda, alpha, &v.critical, work);
	else
	{
		v.p_value = kolmogorov_tail(lambda);
		v.critical = kolmogorov_quantile(alpha);
	}
	v.critical /= root;
	v.drifted = v.statistic >= v.critical;
	return v;
}

int
DriftQuantiles(double *values, int n, int bins, double *bounds)
{
	int			cuts = 0;

	qsort(values, n, sizeof(double), by_value);
	for (int b = 1; b < bins && n > 0; b++)
	{
		int			rank = (int) ((int64) n * b / bins);
		double		bound = values[rank - (rank > 0)];

		/* equal quantiles are one cut, and nothing lies beyond the largest value */
		if (bound < values[n - 1] && (cuts == 0 || bound > bounds[cuts - 1]))
			bounds[cuts++] = bound;
	}
	return cuts;
}
