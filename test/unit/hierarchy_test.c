/* links: src/core/fmath.c src/core/linalg.c src/forecast/hierarchy.c */
/*-------------------------------------------------------------------------
 *
 * hierarchy_test.c
 *	  Reconciliation of hierarchies: by hand, and against the other form of
 *	  the estimator, S (S' W^-1 S)^-1 S' W^-1 y, solved by Gauss in here.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/hierarchy.h"

#include "core/fmath.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX		64

static bool
close_to(const double *a, const double *b, int n, double tolerance)
{
	for (int i = 0; i < n; i++)
		if (!(fabs(a[i] - b[i]) <= tolerance * (1 + fabs(b[i]))))
		{
			printf("# %d: %.15g, expected %.15g\n", i, a[i], b[i]);
			return false;
		}
	return true;
}

static void
run(Hierarchy *h, const double *base, double *result)
{
	if (!HierarchyPrepare(h))
		ok(false, "prepared");
	else
	{
		HierarchyReconcile(h, base, result);
		HierarchyFree(h);
	}
}

/* total, two children */
static void
by_hand(void)
{
	const int	parent[] = {-1, 0, 0};
	const double base[] = {10, 4, 5},
				residuals[] = {2, -2, 1, 1, -1, 1};
	Hierarchy	h = {.n = 3, .parent = parent};
	double		r[3];

	h.method = HIERARCHY_BOTTOM_UP;
	run(&h, base, r);
	ok(close_to(r, (double[]) {9, 4, 5}, 3, 1e-15), "bottom-up");
	h.method = HIERARCHY_TOP_DOWN;
	run(&h, base, r);
	ok(close_to(r, (double[]) {10, 40.0 / 9, 50.0 / 9}, 3, 1e-15), "top-down by shares of the forecasts");
	/* the gap of 1 over three equal variances */
	h.method = HIERARCHY_OLS;
	run(&h, base, r);
	ok(close_to(r, (double[]) {10 - 1.0 / 3, 4 + 1.0 / 3, 5 + 1.0 / 3}, 3, 1e-14), "ols");
	/* 2 : 1 : 1 */
	h.method = HIERARCHY_STRUCTURAL;
	run(&h, base, r);
	ok(close_to(r, (double[]) {9.5, 4.25, 5.25}, 3, 1e-14), "structural");
	/* 4 : 1 : 1 */
	h.method = HIERARCHY_VARIANCE;
	h.residuals = residuals;
	h.nresiduals = 2;
	run(&h, base, r);
	ok(close_to(r, (double[]) {10 - 4.0 / 6, 4 + 1.0 / 6, 5 + 1.0 / 6}, 3, 1e-14), "variances of residuals");
	h.residuals = NULL;
	ok(!HierarchyPrepare(&h), "variances need residuals");
	/* the gap of -8 would take 2.67 from each; the leaf of 1 stops at 0 and
	 * the rest, -7 by then, is shared by the two that are left */
	h.method = HIERARCHY_OLS;
	h.nonnegative = true;
	run(&h, (double[]) {0, 1, 7}, r);
	ok(close_to(r, (double[]) {3.5, 0, 3.5}, 3, 1e-14), "not below zero");
}

/* Gauss with pivots; b of k columns. */
static void
solve(double a[MAX][MAX], double b[MAX], int n)
{
	for (int c = 0; c < n; c++)
	{
		int			best = c;

		for (int i = c + 1; i < n; i++)
			if (fabs(a[i][c]) > fabs(a[best][c]))
				best = i;
		for (int j = 0; j < n; j++)
		{
			double		t = a[c][j];

			a[c][j] = a[best][j];
			a[best][j] = t;
		}
		{
			double		t = b[c];

			b[c] = b[best];
			b[best] = t;
		}
		for (int i = 0; i < n; i++)
			if (i != c)
			{
				double		f = a[i][c] / a[c][c];

				for (int j = 0; j < n; j++)
					a[i][j] -= f * a[c][j];
				b[i] -= f * b[c];
			}
	}
	for (int i = 0; i < n; i++)
		b[i] /= a[i][i];
}

/* S (S' W^-1 S)^-1 S' W^-1 y by dense algebra. */
static void
dense(int n, const int *parent, double w[MAX][MAX], const double *y, double *result)
{
	static double s[MAX][MAX],
				winv[MAX][MAX],
				m[MAX][MAX],
				copy[MAX][MAX];
	double		right[MAX] = {0},
				column[MAX];
	int			leaves = 0;
	bool		has_child[MAX] = {false};

	memset(s, 0, sizeof(s));
	memset(m, 0, sizeof(m));
	for (int i = 0; i < n; i++)
		if (parent[i] >= 0)
			has_child[parent[i]] = true;
	for (int i = 0; i < n; i++)
		if (!has_child[i])
		{
			for (int j = i; j >= 0; j = parent[j])
				s[j][leaves] = 1;
			leaves++;
		}
	for (int c = 0; c < n; c++)
	{
		memcpy(copy, w, sizeof(copy));
		for (int i = 0; i < n; i++)
			column[i] = i == c;
		solve(copy, column, n);
		for (int i = 0; i < n; i++)
			winv[i][c] = column[i];
	}
	for (int a = 0; a < leaves; a++)
		for (int i = 0; i < n; i++)
			for (int j = 0; j < n; j++)
			{
				right[a] += s[i][a] * winv[i][j] * y[j];
				for (int b = 0; b < leaves; b++)
					m[a][b] += s[i][a] * winv[i][j] * s[j][b];
			}
	solve(m, right, leaves);
	for (int i = 0; i < n; i++)
	{
		result[i] = 0;
		for (int a = 0; a < leaves; a++)
			result[i] += s[i][a] * right[a];
	}
}

static double
uniform(FmathRandom *r)
{
	return (double) (FmathNext(r) >> 11) / 9007199254740992.0;
}

/* The shrunk covariance, pair by pair as the paper writes it. */
static double
shrunk_covariance(int n, int T, const double *e, double w[MAX][MAX])
{
	double		noise = 0,
				signal = 0,
				lambda;

	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
		{
			w[i][j] = 0;
			for (int t = 0; t < T; t++)
				w[i][j] += e[i * T + t] * e[j * T + t] / T;
		}
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
			if (i != j)
			{
				double		r = w[i][j] / sqrt(w[i][i] * w[j][j]),
							sum = 0;

				for (int t = 0; t < T; t++)
				{
					double		x = e[i * T + t] * e[j * T + t] / sqrt(w[i][i] * w[j][j]);

					sum += (x - r) * (x - r);
				}
				noise += sum / T / (T - 1);
				signal += r * r;
			}
	lambda = noise / signal > 1 ? 1 : noise / signal;
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
			if (i != j)
				w[i][j] *= 1 - lambda;
	return lambda;
}

static void
random_trees(void)
{
	static double w[MAX][MAX];
	FmathRandom r;
	bool		diagonal = true,
				shrunk = true,
				lambdas = true,
				coherent = true,
				unchanged = true;

	FmathSeed(&r, 7);
	for (int turn = 0; turn < 40; turn++)
	{
		enum
		{
			T = 12
		};
		int			n = 2 + (int) (uniform(&r) * 40),
					parent[MAX];
		double		base[MAX],
					expected[MAX],
					got[MAX],
					again[MAX],
					e[MAX * T];
		Hierarchy	h = {.n = n, .parent = parent, .residuals = e, .nresiduals = T};

		parent[0] = -1;
		/* in the order of a walk: a parent is the node before or above it */
		for (int i = 1; i < n; i++)
		{
			parent[i] = i - 1;
			while (parent[i] > 0 && uniform(&r) < 0.6)
				parent[i] = parent[parent[i]];
		}
		for (int i = 0; i < n; i++)
		{
			base[i] = 100 * uniform(&r);
			for (int t = 0; t < T; t++)
				e[i * T + t] = (1 + i % 3) * (uniform(&r) - 0.5) + (i > 0 ? 0.5 * e[parent[i] * T + t] : 0);
		}
		h.method = HIERARCHY_VARIANCE;
		run(&h, base, got);
		memset(w, 0, sizeof(w));
		for (int i = 0; i < n; i++)
			for (int t = 0; t < T; t++)
				w[i][i] += e[i * T + t] * e[i * T + t] / T;
		dense(n, parent, w, base, expected);
		diagonal &= close_to(got, expected, n, 1e-9);
		h.method = HIERARCHY_SHRINK;
		run(&h, base, got);
		lambdas &= fabs(h.shrinkage - shrunk_covariance(n, T, e, w)) < 1e-10;
		dense(n, parent, w, base, expected);
		shrunk &= close_to(got, expected, n, 1e-8);
		for (int i = 0; i < n; i++)
		{
			double		sum = 0;
			bool		leaf = true;

			for (int j = i + 1; j < n; j++)
				if (parent[j] == i)
				{
					sum += got[j];
					leaf = false;
				}
			coherent &= leaf || fabs(sum - got[i]) <= 1e-12 * (1 + fabs(got[i]));
		}
		/* what adds up already is not moved */
		run(&h, got, again);
		unchanged &= close_to(again, got, n, 1e-12);
	}
	ok(diagonal, "random trees, diagonal covariance: as dense algebra");
	ok(lambdas, "shrinkage as the paper writes it");
	ok(shrunk, "random trees, shrunk covariance: as dense algebra");
	ok(coherent, "parents are the sums of their children");
	ok(unchanged, "what adds up already is not moved");
}

static void
large(void)
{
	enum
	{
		N = 100001
	};
	int		   *parent = malloc(N * sizeof(int));
	double	   *base = malloc(N * sizeof(double)),
			   *r = malloc(N * sizeof(double)),
				sum = 0;
	Hierarchy	h = {.n = N, .parent = parent, .method = HIERARCHY_STRUCTURAL, .nonnegative = true};

	parent[0] = -1;
	for (int i = 1; i < N; i++)
	{
		parent[i] = (i - 1) / 100 * 100 + 1 == i ? 0 : (i - 1) / 100 * 100 + 1;
		base[i] = i % 100 - 3;
	}
	base[0] = 5e6;
	run(&h, base, r);
	for (int i = 1; i < N; i += 100)
		sum += r[i];
	ok(fabs(sum - r[0]) <= 1e-9 * r[0], "a hundred thousand nodes add up");
	for (int i = 0; i < N; i++)
		sum = sum < r[i] ? sum : r[i];
	ok(sum >= 0, "and none is negative");
	free(parent);
	free(base);
	free(r);
}

int
main(void)
{
	by_hand();
	random_trees();
	large();
	printf("1..%d\n", number);
	return failed > 0;
}
