/*-------------------------------------------------------------------------
 *
 * fmath.c
 *	  log, exp, the normal quantile and random numbers, bit for bit the same
 *	  on every machine.
 *
 * The C library's log and exp may differ in the last bit between versions,
 * and an optimiser turns one bit into a visible digit.  These use only
 * operations that IEEE 754 defines exactly (+ - * / sqrt, scaling by powers
 * of two), so a forecast does not depend on the library it runs with.  Build
 * with -ffp-contract=off.  Errors are below 2 units in the last place.
 *
 *-------------------------------------------------------------------------
 */
#include "core/fmath.h"

#define LN2_HI	6.93147180369123816490e-01	/* 32 significant bits */
#define LN2_LO	1.90821492927058770002e-10

/*
 * log x = k log 2 + 2 atanh(s), s = (m-1)/(m+1), with m in [sqrt 1/2, sqrt 2):
 * |s| <= 0.1716, and the series ends below 2^-56 after s^23.
 */
double
FmathLog(double x)
{
	int			k;
	double		m,
				s,
				z,
				p;

	if (isnan(x) || x < 0)
		return (double) NAN;
	if (x == 0)
		return -(double) INFINITY;
	if (isinf(x))
		return x;
	m = frexp(x, &k);
	if (m < 0.70710678118654752440)
	{
		m *= 2;
		k--;
	}
	s = (m - 1) / (m + 1);
	z = s * s;
	p = 1.0 / 23;
	for (int i = 21; i >= 3; i -= 2)
		p = p * z + 1.0 / i;
	return k * LN2_HI + (k * LN2_LO + (2 * s + 2 * s * z * p));
}

/* exp x = 2^k exp r with |r| <= log(2)/2, Taylor series to r^14. */
double
FmathExp(double x)
{
	double		k,
				r,
				p;

	if (isnan(x))
		return x;
	if (x > 709.782712893384)
		return (double) INFINITY;
	if (x < -745.133219101942)
		return 0;
	k = floor(x / 0.69314718055994530942 + 0.5);
	r = (x - k * LN2_HI) - k * LN2_LO;
	p = 1.0;
	for (int i = 14; i >= 1; i--)
		p = 1.0 + p * r / i;
	return ldexp(p, (int) k);
}

/* Folded into the first quarter turn, then the Taylor series to x^24. */
double
FmathCosTurn(double turns)
{
	double		t = fabs(turns - floor(turns + 0.5)),	/* 0 .. 1/2 */
				sign = 1,
				x,
				p = 1;

	if (t > 0.25)
	{
		t = 0.5 - t;
		sign = -1;
	}
	x = 6.28318530717958647693 * t;
	for (int i = 24; i >= 2; i -= 2)
		p = 1 - p * x * x / (i * (i - 1));
	return t == 0.25 ? 0 : sign * p;
}

static double
ratio(const double *num, const double *den, double r)
{
	double		a = num[7],
				b = den[7];

	for (int i = 6; i >= 0; i--)
	{
		a = a * r + num[i];
		b = b * r + den[i];
	}
	return a / b;
}

/*
 * Quantile of the standard normal distribution, relative error 1e-16:
 * M. J. Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37 (1988).
 */
double
FmathNormQuantile(double p)
{
	static const double a[8] = {
		3.3871328727963666080e0, 1.3314166789178437745e2,
		1.9715909503065514427e3, 1.3731693765509461125e4,
		4.5921953931549871457e4, 6.7265770927008700853e4,
		3.3430575583588128105e4, 2.5090809287301226727e3
	};
	static const double b[8] = {
		1.0, 4.2313330701600911252e1,
		6.8718700749205790830e2, 5.3941960214247511077e3,
		2.1213794301586595867e4, 3.9307895800092710610e4,
		2.8729085735721942674e4, 5.2264952788528545610e3
	};
	static const double c[8] = {
		1.42343711074968357734e0, 4.63033784615654529590e0,
		5.76949722146069140550e0, 3.64784832476320460504e0,
		1.27045825245236838258e0, 2.41780725177450611770e-1,
		2.27238449892691845833e-2, 7.74545014278341407640e-4
	};
	static const double d[8] = {
		1.0, 2.05319162663775882187e0,
		1.67638483018380384940e0, 6.89767334985100004550e-1,
		1.48103976427480074590e-1, 1.51986665636164571966e-2,
		5.47593808499534494600e-4, 1.05075007164441684324e-9
	};
	static const double e[8] = {
		6.65790464350110377720e0, 5.46378491116411436990e0,
		1.78482653991729133580e0, 2.96560571828504891230e-1,
		2.65321895265761230930e-2, 1.24266094738807843860e-3,
		2.71155556874348757815e-5, 2.01033439929228813265e-7
	};
	static const double f[8] = {
		1.0, 5.99832206555887937690e-1,
		1.36929880922735805310e-1, 1.48753612908506148525e-2,
		7.86869131145613259100e-4, 1.84631831751005468180e-5,
		1.42151175831644588870e-7, 2.04426310338993978564e-15
	};
	double		q = p - 0.5,
				r;

	if (isnan(p) || p < 0 || p > 1)
		return (double) NAN;
	if (p == 0 || p == 1)
		return p == 0 ? -(double) INFINITY : (double) INFINITY;
	if (fabs(q) <= 0.425)
		return q * ratio(a, b, 0.180625 - q * q);
	r = sqrt(-FmathLog(q < 0 ? p : 1 - p));
	r = r <= 5 ? ratio(c, d, r - 1.6) : ratio(e, f, r - 5);
	return q < 0 ? -r : r;
}

void
FmathSeed(FmathRandom *r, uint64 seed)
{
	for (int i = 0; i < 4; i++)
	{
		uint64		z = (seed += UINT64_C(0x9e3779b97f4a7c15));

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		r->s[i] = z ^ (z >> 31);
	}
}

static uint64
rotate(uint64 x, int k)
{
	return (x << k) | (x >> (64 - k));
}

uint64
FmathNext(FmathRandom *r)
{
	uint64		result = rotate(r->s[0] + r->s[3], 23) + r->s[0];
	uint64		t = r->s[1] << 17;

	r->s[2] ^= r->s[0];
	r->s[3] ^= r->s[1];
	r->s[1] ^= r->s[2];
	r->s[0] ^= r->s[3];
	r->s[2] ^= t;
	r->s[3] = rotate(r->s[3], 45);
	return result;
}

/* By inversion: one draw per number, none rejected, so streams stay aligned. */
double
FmathNormal(FmathRandom *r)
{
	double		u = ((double) (FmathNext(r) >> 11) + 0.5) / 9007199254740992.0;

	return FmathNormQuantile(u);
}
