/* links: src/allocate/pools.c src/core/linalg.c src/core/money.c -lm */
/*-------------------------------------------------------------------------
 *
 * pools_test.c
 *	  Systems of pools against exact rational arithmetic, and water-filling.
 *
 * 100,000 random systems: shares with zeros, credits, pools that nobody
 * feeds, closed circles.  Every split must add up to its cost.  For 10,000 of
 * them the shares are compared with the exact solution, worked out by
 * Gaussian elimination on fractions of 128-bit integers.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/pools.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/linalg.h"
#include "core/money.h"
#include "random.h"
#include "tap.h"

#define MAX_POOLS	8
#define MAX_TARGETS 12
#define SYSTEMS		100000
#define EXACT		10000

static int
below(int n)
{
	return (int) (next_random() % (uint64) n);
}

/* ---------------------------------------------------------------------
 * Fractions
 * ---------------------------------------------------------------------
 */
typedef struct Fraction
{
	int128		n;
	int128		d;				/* above zero */
} Fraction;

static bool overflow;

static int128
common(int128 a, int128 b)
{
	if (a < 0)
		a = -a;
	while (b != 0)
	{
		int128		rest = a % b;

		a = b;
		b = rest;
	}
	return a == 0 ? 1 : a;
}

static int128
times(int128 a, int128 b)
{
	int128		product;

	if (__builtin_mul_overflow(a, b, &product))
	{
		overflow = true;
		return 1;
	}
	return product;
}

static Fraction
fraction(int128 n, int128 d)
{
	int128		g;

	if (d < 0)
	{
		n = -n;
		d = -d;
	}
	g = common(n, d);
	return (Fraction) {n / g, d / g};
}

static Fraction
multiply(Fraction a, Fraction b)
{
	int128		g = common(a.n, b.d);
	int128		h = common(b.n, a.d);

	return (Fraction) {times(a.n / g, b.n / h), times(a.d / h, b.d / g)};
}

static Fraction
subtract(Fraction a, Fraction b)
{
	int128		g = common(a.d, b.d);
	int128		left = times(a.n, b.d / g);
	int128		right = times(b.n, a.d / g);
	int128		difference;

	if (__builtin_sub_overflow(left, right, &difference))
	{
		overflow = true;
		difference = 1;
	}
	return fraction(difference, times(a.d / g, b.d));
}

static Fraction
divide(Fraction a, Fraction b)
{
	if (b.n == 0)
	{
		overflow = true;
		return a;
	}
	return multiply(a, b.n < 0 ? (Fraction) {-b.d, -b.n} : (Fraction) {b.d, b.n});
}

/* ---------------------------------------------------------------------
 * Random systems: weights over a common total per pool
 * ---------------------------------------------------------------------
 */
typedef struct Case
{
	int			n;
	int			m;
	int			pool[MAX_POOLS][MAX_POOLS];
	int			target[MAX_POOLS][MAX_TARGETS];
	int			total[MAX_POOLS];
	PoolEdge	edges[MAX_POOLS][MAX_POOLS + MAX_TARGETS];
	Pool		pools[MAX_POOLS];
} Case;

static void
make_case(Case *c)
{
	int			zeros = below(4);

	memset(c, 0, sizeof(*c));
	c->n = 1 + below(MAX_POOLS);
	c->m = 1 + below(MAX_TARGETS);
	for (int p = 0; p < c->n; p++)
	{
		for (int q = 0; q < c->n; q++)
			c->total[p] += c->pool[p][q] = below(4) < zeros ? 0 : below(5);
		for (int t = 0; t < c->m; t++)
			c->total[p] += c->target[p][t] = below(5) <= zeros ? 0 : below(6);
		if (c->total[p] == 0)
			c->total[p] = c->pool[p][below(c->n)] = 1;
		c->pools[p].edges = c->edges[p];
		for (int q = 0; q < c->n; q++)
			if (c->pool[p][q] > 0)
				c->edges[p][c->pools[p].n_edges++] =
					(PoolEdge) {q, true, (FinopsReal) c->pool[p][q] / c->total[p]};
		for (int t = 0; t < c->m; t++)
			if (c->target[p][t] > 0)
				c->edges[p][c->pools[p].n_edges++] =
					(PoolEdge) {t, false, (FinopsReal) c->target[p][t] / c->total[p]};
	}
}

/* A pool that cannot reach a target leads into a closed circle only. */
static void
reach(const Case *c, bool *reaches)
{
	for (int round = 0; round <= c->n; round++)
		for (int p = 0; p < c->n; p++)
		{
			for (int t = 0; t < c->m; t++)
				reaches[p] |= c->target[p][t] > 0;
			for (int q = 0; q < c->n; q++)
				reaches[p] |= c->pool[p][q] > 0 && reaches[q];
		}
}

/* Closed pools then give to target 0, as a fallback would. */
static bool
open_circles(Case *c)
{
	bool		closed[MAX_POOLS];
	bool		reaches[MAX_POOLS] = {false};
	int			scratch[5 * MAX_POOLS];
	int			found = PoolsFindClosed(c->pools, c->n, closed, scratch);
	bool		right = true;
	int			stuck = 0;

	reach(c, reaches);
	for (int p = 0; p < c->n; p++)
	{
		stuck += !reaches[p];
		right &= !closed[p] || !reaches[p];
	}
	right &= (found > 0) == (stuck > 0);
	for (int p = 0; p < c->n; p++)
		if (closed[p])
		{
			memset(c->pool[p], 0, sizeof(c->pool[p]));
			memset(c->target[p], 0, sizeof(c->target[p]));
			c->target[p][0] = c->total[p] = 1;
			c->edges[p][0] = (PoolEdge) {0, false, 1};
			c->pools[p].n_edges = 1;
		}
	memset(reaches, 0, sizeof(reaches));
	reach(c, reaches);
	for (int p = 0; p < c->n; p++)
		right &= reaches[p];
	return right;
}

/* Shares of pool "from" by elimination on fractions. */
static bool
solve_exactly(const Case *c, int from, Fraction *shares)
{
	Fraction	a[MAX_POOLS][MAX_POOLS + 1];

	overflow = false;
	for (int i = 0; i < c->n; i++)
	{
		for (int j = 0; j < c->n; j++)
			a[i][j] = subtract((Fraction) {i == j, 1}, fraction(c->pool[j][i], c->total[j]));
		a[i][c->n] = (Fraction) {i == from, 1};
	}
	for (int k = 0; k < c->n; k++)
		for (int i = 0; i < c->n; i++)
		{
			Fraction	factor = divide(a[i][k], a[k][k]);

			if (i != k && a[i][k].n != 0)
				for (int j = k; j <= c->n; j++)
					a[i][j] = subtract(a[i][j], multiply(factor, a[k][j]));
		}
	for (int t = 0; t < c->m; t++)
		shares[t] = (Fraction) {0, 1};
	for (int p = 0; p < c->n; p++)
	{
		Fraction	gross = divide(a[p][c->n], a[p][p]);

		for (int t = 0; t < c->m; t++)
			shares[t] = subtract(shares[t], multiply((Fraction) {-gross.n, gross.d},
													 fraction(c->target[p][t], c->total[p])));
	}
	return !overflow;
}

typedef struct Tally
{
	long		splits;
	long		not_exact;		/* sums */
	long		wrong;			/* parts that are neither floor nor ceiling */
	long		compared;
	long		circles_wrong;
	long		unsolved;
} Tally;

static void
check_split(const Case *c, int from, const FinopsReal *shares, bool exactly, Tally *tally)
{
	uint64		weights[MAX_TARGETS];
	uint64		parts[MAX_TARGETS];
	uint64		scratch[2 * MAX_TARGETS];
	uint64		total = PoolsWeights(shares, c->m, weights);
	uint64		amount = next_random() >> (4 + below(58));
	uint64		sum = 0;
	Fraction	exact[MAX_TARGETS];

	MoneyApportion(amount, weights, total, (size_t) c->m, parts, scratch, NULL);
	for (int t = 0; t < c->m; t++)
		sum += parts[t];
	tally->splits++;
	tally->not_exact += sum != amount;
	amount %= UINT64_C(1000000000000);
	MoneyApportion(amount, weights, total, (size_t) c->m, parts, scratch, NULL);
	if (!exactly || !solve_exactly(c, from, exact))
		return;
	tally->compared++;
	for (int t = 0; t < c->m; t++)
	{
		/* |part - amount * share| < 1, up to 2^-20 of a unit of the shares' own error */
		long double wanted = (long double) amount * ((long double) exact[t].n / (long double) exact[t].d);

		tally->wrong += !(fabsl((long double) parts[t] - wanted) < 1 + 0x1p-20L);
	}
}

static void
check_systems(void)
{
	Tally		tally = {0};
	double		matrix[MAX_POOLS * MAX_POOLS];
	double		factors[MAX_POOLS * MAX_POOLS];
	double		scratch[MAX_POOLS];
	FinopsReal	own[MAX_POOLS];
	FinopsReal	gross[MAX_POOLS];
	FinopsReal	shares[MAX_TARGETS];
	static Case c;

	for (int i = 0; i < SYSTEMS; i++)
	{
		PoolSolver	solver = {0, c.pools, matrix, factors, own, gross, scratch};

		make_case(&c);
		tally.circles_wrong += !open_circles(&c);
		solver.n = c.n;
		if (!PoolsFactor(&solver, NULL))
		{
			tally.unsolved++;
			continue;
		}
		for (int p = 0; p < c.n; p++)
		{
			for (int q = 0; q < c.n; q++)
				own[q] = q == p;
			for (int t = 0; t < c.m; t++)
				shares[t] = 0;
			(void) PoolsTrace(&solver, shares);
			check_split(&c, p, shares, i < EXACT, &tally);
		}
	}
	printf("# %ld splits, %ld of them compared with the exact solution\n", tally.splits, tally.compared);
	ok(tally.circles_wrong == 0, "closed circles are found, and only those");
	ok(tally.unsolved == 0, "every system without closed circles is solved");
	ok(tally.not_exact == 0, "every split adds up to its cost");
	ok(tally.compared > EXACT, "most of the first systems have an exact solution within 128 bits");
	ok(tally.wrong == 0, "parts are within one unit of the exact solution");
}

/* Many right-hand sides at once against one after the other. */
static void
check_many(const double *lu, int n)
{
	const int	columns = 37;
	double	   *many = malloc(sizeof(double) * n * columns);
	double	   *given = malloc(sizeof(double) * n * columns);
	double	   *one = malloc(sizeof(double) * n);
	double		furthest = 0;

	for (int i = 0; i < n * columns; i++)
		given[i] = many[i] = (double) below(2000) - 1000;
	LinalgSolveFactoredMany(lu, n, many, columns, NULL);
	for (int c = 0; c < columns; c++)
	{
		for (int i = 0; i < n; i++)
			one[i] = given[i * columns + c];
		LinalgSolveFactored(lu, n, one);
		for (int i = 0; i < n; i++)
			furthest = fmax(furthest, fabs(one[i] - many[i * columns + c]));
	}
	ok(furthest < 1e-9, "many right-hand sides are solved as one is");
	free(many);
	free(given);
	free(one);
}

/* A dense system large enough for the blocked factorisation. */
static void
check_blocks(void)
{
	const int	n = 200;
	double	   *a = malloc(sizeof(double) * n * n);
	double	   *lu = malloc(sizeof(double) * n * n);
	FinopsReal *b = malloc(sizeof(FinopsReal) * n);
	FinopsReal *x = malloc(sizeof(FinopsReal) * n);
	double	   *scratch = malloc(sizeof(double) * n);

	for (int i = 0; i < n * n; i++)
		a[i] = -(double) below(1000) / 1e6;
	for (int i = 0; i < n; i++)
	{
		a[i * n + i] = 1;
		b[i] = (FinopsReal) below(1000000) - 50000;
	}
	memcpy(lu, a, sizeof(double) * n * n);
	ok(LinalgFactorDominant(lu, n, NULL), "a dominant matrix is factored");
	ok(LinalgSolveRefined(a, lu, n, b, x, 1e-9L, scratch) <= 1e-9L,
	   "the residual is below the rounding unit after refinement");
	check_many(lu, n);
	memset(a, 0, sizeof(double) * n * n);
	ok(!LinalgFactorDominant(a, n, NULL), "a singular one is refused");
	free(a);
	free(lu);
	free(b);
	free(x);
	free(scratch);
}

/* Water-filling: bounds hold, and free parts share one level. */
static void
check_water(void)
{
	long		wrong = 0;

	for (int i = 0; i < 100000; i++)
	{
		int			n = 1 + below(8);
		uint64		weights[8];
		int64		low[8];
		int64		high[8];
		int64		parts[8];
		uint64		scratch[5 * 8];
		int64		amount = below(4) == 0 ? below(20) : below(100000);
		int64		placed = 0;
		int64		lows = 0;
		int64		highs = 0;
		int64		kept;
		long double above = 0;
		long double under = 1e30L;

		for (int t = 0; t < n; t++)
		{
			weights[t] = (uint64) below(20);
			low[t] = below(3) == 0 ? below(3000) : 0;
			high[t] = below(3) == 0 ? low[t] + below(20000) : 1000000;
			lows += low[t];
			highs += weights[t] == 0 ? low[t] : high[t];
		}
		kept = PoolsWaterFill(amount, weights, low, high, n, parts, scratch);
		for (int t = 0; t < n; t++)
		{
			placed += parts[t];
			wrong += parts[t] < low[t] || parts[t] > high[t];
			if (weights[t] > 0 && parts[t] < high[t])
				under = fminl(under, (long double) (parts[t] + 1) / weights[t]);
			if (weights[t] > 0 && parts[t] > low[t])
				above = fmaxl(above, (long double) (parts[t] - 1) / weights[t]);
		}
		wrong += placed + kept != amount;
		wrong += kept > 0 && amount <= highs;
		wrong += kept < 0 && amount >= lows;
		/* nobody above the level of one who could take more, but for rounding */
		wrong += above > under;
	}
	ok(wrong == 0, "water-filling keeps its bounds, adds up and leaves free parts at one level");
}

int
main(void)
{
	check_systems();
	check_blocks();
	check_water();
	printf("1..%d\n", number);
	return failed > 0;
}
