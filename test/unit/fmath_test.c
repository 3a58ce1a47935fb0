/* links: src/core/fmath.c src/core/linalg.c src/core/optim.c */
/*-------------------------------------------------------------------------
 *
 * fmath_test.c
 *	  Elementary functions, sums, random numbers, linear algebra and
 *	  minimisers against published values and identities.
 *
 *-------------------------------------------------------------------------
 */
#include "core/fmath.h"
#include "core/linalg.h"
#include "core/optim.h"
#include "tap.h"

#include <stdio.h>

static bool
near(double a, double b, double relative)
{
	return fabs(a - b) <= relative * fmax(fabs(a), fabs(b));
}

static void
test_functions(void)
{
	bool		good = true;
	FmathRandom r;

	FmathSeed(&r, 5);
	for (int i = 0; i < 100000; i++)
	{
		double		x = ((double) (FmathNext(&r) >> 11) / 9007199254740992.0 - 0.5) * 1400;

		good = good && near(FmathExp(x), exp(x), 4.5e-16);
		if (x > 0)
			good = good && near(FmathLog(x), log(x), 4.5e-16);
		good = good && near(FmathLog(exp(x)), log(exp(x)), 4.5e-16);
	}
	ok(good, "log and exp agree with the C library to two units");
	good = true;
	for (int i = -500; i <= 500; i++)
		good = good && fabs(FmathCosTurn(i / 97.0) - cos(2 * M_PI * i / 97.0)) < 2e-14;
	ok(good && FmathCosTurn(0.25) == 0 && FmathCosTurn(-3) == 1 && FmathCosTurn(7.5) == -1,
	   "cosine of turns");
	ok(FmathLog(1) == 0 && FmathExp(0) == 1, "log 1 and exp 0 are exact");
	ok(isnan(FmathLog(-1)) && isinf(FmathLog(0)) && isinf(FmathExp(710)) &&
	   FmathExp(-800) == 0, "domain and range of log and exp");
	/* Wichura 1988, section 4: PPND16 at 0.25, 0.001 and 1e-20 */
	ok(near(FmathNormQuantile(0.25), -0.6744897501960817, 1e-15) &&
	   near(FmathNormQuantile(0.001), -3.090232306167814, 1e-15) &&
	   near(FmathNormQuantile(1e-20), -9.262340089798408, 1e-15),
	   "normal quantiles of the published test");
	ok(isnan(FmathNormQuantile(1.5)) && isinf(FmathNormQuantile(1)) &&
	   FmathNormQuantile(0.5) == 0, "ends and middle of the normal quantile");
}

static void
test_sums(void)
{
	FmathSum	s = {0, 0},
				a = {0, 0},
				b = {0, 0};

	FmathAdd(&s, 1);
	FmathAdd(&s, 1e100);
	FmathAdd(&s, 1);
	FmathAdd(&s, -1e100);
	ok(FmathTotal(s) == 2, "Neumaier's own example: 1 + 1e100 + 1 - 1e100");
	FmathAdd(&a, 1);
	FmathAdd(&a, 1e100);
	FmathAdd(&b, -1e100);
	FmathAdd(&b, 1);
	FmathMerge(&a, b);
	ok(FmathTotal(a) == 2, "merged sums keep what a plain sum loses");
	FmathAdd(&s, (double) INFINITY);
	ok(isinf(FmathTotal(s)), "infinity stays infinite");
}

static void
test_random(void)
{
	/* splitmix64 from seed 1234567, as published with the generator */
	static const uint64 expected[4] = {
		UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
		UINT64_C(9817491932198370423), UINT64_C(4593380528125082431)
	};
	FmathRandom r;
	double		sum = 0,
				square = 0;

	FmathSeed(&r, 1234567);
	ok(memcmp(r.s, expected, sizeof(expected)) == 0, "splitmix64");
	/* xoshiro256++ from state 1, 2, 3, 4: reference implementation */
	r = (FmathRandom) {{1, 2, 3, 4}};
	ok(FmathNext(&r) == UINT64_C(41943041) && FmathNext(&r) == UINT64_C(58720359),
	   "xoshiro256++");
	FmathSeed(&r, 1);
	for (int i = 0; i < 100000; i++)
	{
		double		x = FmathNormal(&r);

		sum += x;
		square += x * x;
	}
	ok(fabs(sum / 100000) < 0.01 && fabs(square / 100000 - 1) < 0.02,
	   "normal numbers have mean 0 and variance 1");
}

static void
test_linear(void)
{
	double		a[9] = {4, 0, 0, 2, 5, 0, 2, 3, 6},
				b[3] = {4 + 4 + 6, 2 + 10 + 9, 2 + 6 + 18},
				singular[4] = {1, 0, 2, 4},
				c[2] = {1, 2};

	ok(LinalgCholeskySolve(a, b, 3) && near(b[0], 1, 1e-14) &&
	   near(b[1], 2, 1e-14) && near(b[2], 3, 1e-14), "Cholesky solves");
	ok(!LinalgCholeskySolve(singular, c, 2), "a singular matrix is refused");
}

/* Rosenbrock's function in four variables. */
static double
rosenbrock(const double *x, double *g, void *arg)
{
	double		f = 0;

	(*(int *) arg)++;
	for (int i = 0; i < 4; i++)
		g[i] = 0;
	for (int i = 0; i < 3; i++)
	{
		double		u = x[i + 1] - x[i] * x[i],
					v = 1 - x[i];

		f += 100 * u * u + v * v;
		g[i] += -400 * x[i] * u - 2 * v;
		g[i + 1] += 200 * u;
	}
	return f;
}

static double
rosenbrock_value(const double *x, double *g, void *arg)
{
	double		gradient[4];
	int			calls = 0;

	(void) arg;
	return g != NULL ? NAN : rosenbrock(x, gradient, &calls);
}

static double
parabola(double x, void *arg)
{
	(void) arg;
	return (x - 0.3) * (x - 0.3) * (x + 4);
}

static void
test_minimisers(void)
{
	double		lower[4] = {-5, -5, -5, -5},
				upper[4] = {5, 5, 5, 5},
				scale[4] = {1, 1, 1, 1},
				begin[4] = {-1.2, 1, -1.2, 1},
				x[4] = {-1.2, 1, -1.2, 1},
				at_end[4],
				grid[3] = {-1, 0, 1},
				gradient[4],
				at;
	int			calls = 0,
				gradients;
	OptimProblem p = {.fn = rosenbrock, .arg = &calls, .dim = 4, .lower = lower, .upper = upper,
	.scale = scale, .max_iterations = 1000, .tolerance = 1e-15};

	OptimBfgs(&p, x);
	ok(near(x[0], 1, 1e-6) && near(x[3], 1, 1e-6) && calls < 200,
	   "BFGS finds the valley's end");
	memcpy(at_end, x, sizeof(x));
	gradients = calls;
	calls = 0;
	memcpy(x, begin, sizeof(x));
	p.value = rosenbrock_value;
	OptimBfgs(&p, x);
	ok(memcmp(x, at_end, sizeof(x)) == 0 && calls < gradients,
	   "by the same way with a gradient only where the value is better");
	p.value = NULL;
	upper[0] = 0.5;
	memset(x, 0, sizeof(x));
	OptimBfgs(&p, x);
	rosenbrock(x, gradient, &calls);
	ok(x[0] == 0.5 && gradient[0] < 0 && fabs(gradient[1]) < 1e-4 &&
	   fabs(gradient[3]) < 1e-4, "and stops where a bound holds it");
	OptimSearch(parabola, NULL, grid, 3, 1e-10, &at);
	ok(near(at, 0.3, 1e-6), "search in one variable");
}

int
main(void)
{
	test_functions();
	test_sums();
	test_random();
	test_linear();
	test_minimisers();
	printf("1..%d\n", number);
	return failed != 0;
}
