/*-------------------------------------------------------------------------
 *
 * simple.c
 *	  Naive, seasonal naive, drift and mean, with the variance of their
 *	  h-step forecasts.  Pure.
 *
 * Equations: Hyndman and Athanasopoulos, Forecasting: Principles and
 * Practice, 3rd ed., section 5.2 (methods) and table 5.2 (variances), with
 * sigma^2 the residual mean square over the degrees of freedom.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/models.h"

#include <math.h>

/* y[n + j] = y[n + j - m k]; m = 1 is the naive method.  Needs n >= m. */
void
SimpleNaive(const double *y, int n, int m, int h, FcSteps *out)
{
	double		sse = 0,
				sigma2;

	for (int t = m; t < n; t++)
		sse += (y[t] - y[t - m]) * (y[t] - y[t - m]);
	sigma2 = n > m ? sse / (n - m) : 0;
	for (int j = 0; j < h; j++)
	{
		out->mean[j] = y[n - m + j % m];
		out->variance[j] = sigma2 * (j / m + 1);
		out->psi[j] = j % m == 0 ? 1 : 0;
	}
}

/* The line through the first and the last observation. */
void
SimpleDrift(const double *y, int n, int h, FcSteps *out)
{
	double		slope = n > 1 ? (y[n - 1] - y[0]) / (n - 1) : 0,
				sse = 0,
				sigma2;

	for (int t = 1; t < n; t++)
	{
		double		e = y[t] - y[t - 1] - slope;

		sse += e * e;
	}
	sigma2 = n > 2 ? sse / (n - 2) : 0;
	for (int j = 0; j < h; j++)
	{
		out->mean[j] = y[n - 1] + (j + 1) * slope;
		out->psi[j] = 1;
		out->variance[j] = sigma2 * (j + 1) * (1 + (j + 1.0) / Max(n - 1, 1));
	}
}

void
SimpleMean(const double *y, int n, int h, FcSteps *out)
{
	double		center = FcMean(y, n),
				sse = 0,
				sigma2;

	for (int t = 0; t < n; t++)
		sse += (y[t] - center) * (y[t] - center);
	sigma2 = n > 1 ? sse / (n - 1) : 0;
	for (int j = 0; j < h; j++)
	{
		out->mean[j] = center;
		out->psi[j] = j == 0 ? 1 : 0;
		out->variance[j] = sigma2 * (1 + 1.0 / n);
	}
}
