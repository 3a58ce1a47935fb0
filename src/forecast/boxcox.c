/*-------------------------------------------------------------------------
 *
 * boxcox.c
 *	  Power transformations of a series.  Pure.
 *
 *	  w = log y for lambda 0, (sign(y)|y|^lambda - 1) / lambda otherwise
 *
 * (Box and Cox 1964, Journal of the Royal Statistical Society B 26; Bickel
 * and Doksum 1981 for values below 0, which need lambda above 0).
 *
 * lambda is chosen as Guerrero (1993, Journal of Forecasting 12) does: the
 * ratio of deviation to mean^(1 - lambda) over stretches of a season varies
 * least.  The mean of the back-transformed forecast is that of a second-order
 * expansion, exp(w)(1 + v/2) for the logarithm (Guerrero, section 2).
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/boxcox.h"

#include "core/fmath.h"
#include "core/optim.h"

#include <math.h>

static double
power(double base, double exponent)
{
	return base <= 0 ? 0 : FmathExp(exponent * FmathLog(base));
}

double
BoxCox(double y, double lambda)
{
	if (lambda == 0)
		return FmathLog(y);
	return ((y < 0 ? -power(-y, lambda) : power(y, lambda)) - 1) / lambda;
}

double
BoxCoxInverse(double w, double lambda)
{
	double		x;

	if (lambda == 0)
		return FmathExp(Min(w, 700));
	x = lambda * w + 1;
	if (lambda < 0 && x <= 0)
		return 1e300;
	return x < 0 ? -power(-x, 1 / lambda) : power(x, 1 / lambda);
}

/* Slope of the inverse at w. */
double
BoxCoxInverseSlope(double w, double lambda)
{
	double		y = BoxCoxInverse(w, lambda);

	if (lambda == 0)
		return y;
	return power(fabs(y), 1 - lambda);
}

/* Mean of the inverse of a normal with this mean and variance. */
double
BoxCoxMean(double w, double variance, double lambda)
{
	double		y = BoxCoxInverse(w, lambda),
				square;

	if (lambda == 0)
		return y * (1 + variance / 2);
	square = power(fabs(y), 2 * lambda);
	return square > 0 ? y * (1 + variance * (1 - lambda) / (2 * square)) : y;
}

typedef struct Guerrero
{
	const double *y;
	int			n;
	int			m;
} Guerrero;

static double
variation(double lambda, void *arg)
{
	const Guerrero *g = arg;
	int			groups = g->n / g->m,
				skip = g->n - groups * g->m;
	double		sum = 0,
				square = 0;

	for (int k = 0; k < groups; k++)
	{
		const double *y = g->y + skip + k * g->m;
		double		mean = FcMean(y, g->m),
					spread = 0,
					ratio;

		for (int i = 0; i < g->m; i++)
			spread += (y[i] - mean) * (y[i] - mean) / (g->m - 1);
		ratio = sqrt(spread) / power(fabs(mean), 1 - lambda);
		if (!isfinite(ratio))
			continue;
		sum += ratio;
		square += ratio * ratio;
	}
	if (!(sum > 0))
		return 0;
	return groups * square / (sum * sum);
}

double
BoxCoxLambda(const double *y, int n, int m)
{
	static const double grid[] = {-1, -0.5, 0, 0.5, 1, 1.5, 2};
	static const double positive[] = {0.1, 0.5, 1, 1.5, 2};
	Guerrero	g = {y, n, Max(m, 2)};
	double		lambda;
	bool		all = FcIsPositive(y, n);

	if (n < 2 * g.m || FcIsConstant(y, n))
		return 1;
	OptimSearch(variation, &g, all ? grid : positive,
				all ? lengthof(grid) : lengthof(positive), 1e-4, &lambda);
	/* near the logarithm, the logarithm */
	return fabs(lambda) < 0.01 ? 0 : lambda;
}
