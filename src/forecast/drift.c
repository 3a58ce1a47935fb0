/*-------------------------------------------------------------------------
 *
 * drift.c
 *	  Has a forecaster, or the data it sees, changed?  Pure.
 *
 * CUSUM: Page (1954), Continuous inspection schemes, Biometrika 41, in its
 * two-sided form for standardised observations.  Page-Hinkley on the size of
 * the errors: Mouss et al. (2004); it sees errors that grow whatever their
 * sign.  Tracking signal: Trigg (1964).  Population stability index over
 * quantiles of the reference; the two-sample Kolmogorov-Smirnov distance.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/drift.h"

#include "core/fmath.h"

#include <stdlib.h>

DriftResult
DriftCusum(const double *z, int n, double slack, double threshold)
{
	DriftResult r = {0, 0};
	double		up = 0,
				down = 0;

	for (int i = 0; i < n; i++)
	{
		up = Max(up + z[i] - slack, 0);
		down = Max(down - z[i] - slack, 0);
		r.statistic = Max(r.statistic, Max(up, down));
		if (r.alarm_at == 0 && Max(up, down) > threshold)
			r.alarm_at = i + 1;
	}
	return r;
}

DriftResult
DriftPageHinkley(const double *z, int n, double delta, double threshold)
{
	DriftResult r = {0, 0};
	double		mean = 0,
				sum = 0,
				least = 0;

	for (int i = 0; i < n; i++)
	{
		mean += (fabs(z[i]) - mean) / (i + 1);
		sum += fabs(z[i]) - mean - delta;
		least = Min(least, sum);
		r.statistic = Max(r.statistic, sum - least);
		if (r.alarm_at == 0 && sum - least > threshold)
			r.alarm_at = i + 1;
	}
	return r;
}

/* |sum e| / sum |e|: 0 without bias, 1 when all errors have one sign. */
double
DriftTrackingSignal(const double *z, int n)
{
	FmathSum	sum = {0, 0},
				size = {0, 0};

	for (int i = 0; i < n; i++)
	{
		FmathAdd(&sum, z[i]);
		FmathAdd(&size, fabs(z[i]));
	}
	return FmathTotal(size) > 0 ? fabs(FmathTotal(sum)) / FmathTotal(size) : 0;
}

/* The least k with P(X <= k) >= alpha for X binomial (n, share). */
int
DriftCoverageBound(int n, double share, double alpha)
{
	double		total = 0,
				term = n * FmathLog(1 - share),
				odds = FmathLog(share) - FmathLog(1 - share);

	for (int k = 0; k < n; k++)
	{
		total += FmathExp(term);
		if (total >= alpha)
			return k;
		term += FmathLog(n - k) - FmathLog(k + 1) + odds;
	}
	return n;
}

static int
by_value(const void *a, const void *b)
{
	double		x = *(const double *) a,
				y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/* How many of sorted values are at most x. */
static int
at_most(const double *values, int n, double x)
{
	int			low = 0,
				high = n;

	while (low < high)
	{
		int			mid = low + (high - low) / 2;

		if (values[mid] <= x)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

double
DriftPsi(double *reference, int n, double *recent, int m, int bins)
{
	int			before_n = 0,
				before_m = 0;
	double		sum = 0,
				edge = -INFINITY;

	if (n == 0 || m == 0)
		return NAN;
	qsort(reference, n, sizeof(double), by_value);
	qsort(recent, m, sizeof(double), by_value);
	for (int b = 1; b <= bins; b++)
	{
		int			rank = (int) ((int64) n * b / bins);
		double		upper = b == bins ? INFINITY : reference[rank - (rank > 0)];
		int			in_n,
					in_m;
		double		p,
					q;

		/* equal quantiles make one bin */
		if (b < bins && upper <= edge)
			continue;
		edge = upper;
		in_n = at_most(reference, n, upper);
		in_m = at_most(recent, m, upper);
		/* an empty bin counts as one in ten thousand */
		p = Max((double) (in_n - before_n) / n, 1e-4);
		q = Max((double) (in_m - before_m) / m, 1e-4);
		sum += (q - p) * FmathLog(q / p);
		before_n = in_n;
		before_m = in_m;
	}
	return sum;
}

double
DriftKs(double *reference, int n, double *recent, int m)
{
	double		largest = 0;

	if (n == 0 || m == 0)
		return NAN;
	qsort(reference, n, sizeof(double), by_value);
	qsort(recent, m, sizeof(double), by_value);
	for (int i = 0; i < n + m; i++)
	{
		double		x = i < n ? reference[i] : recent[i - n];

		largest = Max(largest, fabs((double) at_most(reference, n, x) / n -
									(double) at_most(recent, m, x) / m));
	}
	return largest;
}
