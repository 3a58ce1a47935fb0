/*-------------------------------------------------------------------------
 *
 * ets_forecast.c
 *	  Means, variances and sample paths of exponential smoothing models.
 *	  Pure.
 *
 * Hyndman, Koehler, Ord and Snyder (2008), Forecasting with Exponential
 * Smoothing, chapter 6: class 1 (additive error, linear) table 6.1; class 2
 * (multiplicative error, linear) and class 3 (multiplicative error and
 * season, additive trend) section 6.4, the latter by its approximation for
 * small variance.  Forms outside these classes have sample paths only.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/models.h"

#include "core/fmath.h"

#include <math.h>

bool
EtsVarianceIsAnalytic(EtsForm form)
{
	return form.multiplicative_error || form.season != FC_SEASON_MULTIPLICATIVE;
}

void
EtsForecast(const EtsFit *fit, int h, double *mean)
{
	double		damp = fit->phi,
				sum = 0;

	for (int j = 0; j < h; j++)
	{
		sum += damp;
		damp *= fit->phi;
		mean[j] = fit->level + sum * fit->slope;
		if (fit->form.season == FC_SEASON_ADDITIVE)
			mean[j] += fit->season[j % fit->m];
		else if (fit->form.season == FC_SEASON_MULTIPLICATIVE)
			mean[j] *= fit->season[j % fit->m];
	}
}

/* c_j: what an error of one moves the forecast j steps later (table 6.1). */
static void
responses(const EtsFit *fit, int h, bool with_season, double *c)
{
	double		damp = fit->phi,
				sum = 0;

	for (int j = 1; j < h; j++)
	{
		sum += damp;
		damp *= fit->phi;
		c[j] = fit->alpha + fit->beta * sum;
		if (with_season && j % fit->m == 0)
			c[j] += fit->gamma;
	}
}

void
EtsVariance(const EtsFit *fit, int h, const double *mean, double *variance)
{
	bool		ratio = fit->form.season == FC_SEASON_MULTIPLICATIVE;
	double	   *c = FcAlloc(2 * (size_t) h),
			   *theta = c + h;
	double		grow = 1;

	responses(fit, h, fit->form.season == FC_SEASON_ADDITIVE, c);
	if (!fit->form.multiplicative_error)
	{
		double		sum = 1;

		for (int j = 0; j < h; j++)
		{
			if (j > 0)
				sum += c[j] * c[j];
			variance[j] = fit->sigma2 * sum;
		}
		FcFree(c);
		return;
	}
	for (int j = 0; j < h; j++)
	{
		double		factor = ratio ? fit->season[j % fit->m] : 1,
					mu = mean[j] / factor,
					sum = 0;

		/* far back, errors move the forecast as the ones before them did */
		for (int i = 1; i <= j; i++)
			sum += c[i] * c[i] * theta[j - i];
		theta[j] = mu * mu + fit->sigma2 * sum;
		if (ratio && j > 0 && j % fit->m == 0)
			grow *= 1 + fit->gamma * fit->gamma * fit->sigma2;
		variance[j] = factor * factor *
			(theta[j] * (1 + fit->sigma2) * grow - mu * mu);
	}
	FcFree(c);
}

/* A multiplicative season scales the steps; psi is that of the others. */
void
EtsSteps(const EtsFit *fit, int h, FcSteps *out)
{
	EtsForecast(fit, h, out->mean);
	EtsVariance(fit, h, out->mean, out->variance);
	responses(fit, h, fit->form.season == FC_SEASON_ADDITIVE, out->psi);
	out->psi[0] = 1;
}

void
EtsResiduals(const EtsFit *fit, const double *y, double *resid)
{
	double		s[ETS_MAX_SEASON],
				l = fit->l0,
				b = fit->b0;

	memcpy(s, fit->s0, sizeof(s));
	for (int t = 0; t < fit->n; t++)
	{
		int			i = t % fit->m;
		double		q = l + fit->phi * b,
					f = q,
					e,
					d;

		if (fit->form.season == FC_SEASON_ADDITIVE)
			f = q + s[i];
		else if (fit->form.season == FC_SEASON_MULTIPLICATIVE)
			f = q * s[i];
		e = y[t] - f;
		d = fit->form.season == FC_SEASON_MULTIPLICATIVE ? e / s[i] : e;
		if (fit->form.season == FC_SEASON_ADDITIVE)
			s[i] += fit->gamma * e;
		else if (fit->form.season == FC_SEASON_MULTIPLICATIVE)
			s[i] += fit->gamma * e / q;
		l = q + fit->alpha * d;
		b = fit->phi * b + fit->beta * d;
		resid[t] = e;
	}
}

/* One future of h steps with normal errors, from the states at the end. */
void
EtsSimulate(const EtsFit *fit, int h, struct FmathRandom *random, double *path)
{
	double		s[ETS_MAX_SEASON],
				l = fit->level,
				b = fit->slope,
				sigma = sqrt(fit->sigma2);

	memcpy(s, fit->season, sizeof(s));
	for (int j = 0; j < h; j++)
	{
		int			i = j % fit->m;
		double		q = l + fit->phi * b,
					f = q,
					e,
					d;

		if (fit->form.season == FC_SEASON_ADDITIVE)
			f = q + s[i];
		else if (fit->form.season == FC_SEASON_MULTIPLICATIVE)
			f = q * s[i];
		e = sigma * FmathNormal((FmathRandom *) random) *
			(fit->form.multiplicative_error ? f : 1);
		path[j] = f + e;
		d = e;
		if (fit->form.season == FC_SEASON_ADDITIVE)
			s[i] += fit->gamma * e;
		else if (fit->form.season == FC_SEASON_MULTIPLICATIVE)
		{
			d = fabs(s[i]) > 1e-8 ? e / s[i] : 0;
			s[i] += fabs(q) > 1e-8 ? fit->gamma * e / q : 0;
		}
		l = q + fit->alpha * d;
		b = fit->phi * b + fit->beta * d;
	}
}
