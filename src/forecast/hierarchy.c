/*-------------------------------------------------------------------------
 *
 * hierarchy.c
 *	  Forecasts of a tree that add up.  Pure.
 *
 * MinT (Wickramasuriya, Athanasopoulos and Hyndman 2019, Optimal forecast
 * reconciliation for hierarchical and grouped time series through trace
 * minimization, Journal of the American Statistical Association 114) in its
 * constraint form: y~ = y - W C' (C W C')^-1 C y, where a row of C says that a
 * parent is the sum of its children and W is the covariance of the errors.
 *
 * With a diagonal W the matrix C W C' has an entry for each parent and for
 * each pair of a parent and its own parent: eliminated from the leaves up, its
 * Cholesky factor fills in nothing, and a tree of n nodes takes O(n).  The
 * shrunk covariance is a diagonal plus U U' with as many columns as there are
 * residuals; it is solved with the diagonal part and a small system of the
 * residuals (Woodbury).
 *
 * Shrinkage: Schaefer and Strimmer (2005), as in section 2.4 of the paper.
 * Its sums over pairs of nodes are taken over pairs of residuals, which are
 * far fewer.
 *
 * Non-negative: leaves that come out negative are held at 0 and the rest is
 * solved again, until none is negative.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/hierarchy.h"

#include "core/fmath.h"
#include "core/linalg.h"

#include <stdlib.h>

#ifdef FINOPS_STANDALONE
#define ALLOC(type, n)	((type *) calloc((size_t) ((n) > 0 ? (n) : 1), sizeof(type)))
#define FREE(p)			free(p)
#else
#include "utils/memutils.h"
#define ALLOC(type, n)	((type *) MemoryContextAllocExtended(CurrentMemoryContext, \
						 Max((Size) (n), 1) * sizeof(type), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO))
#define FREE(p)			pfree(p)
#endif

#define LEAST_SHRINKAGE 1e-4	/* keeps the diagonal part invertible */
#define LEAST_VARIANCE	1e-10	/* of the largest */
#define MAX_ROUNDS		100

static void
interrupt(const Hierarchy *h)
{
	if (h->interrupt != NULL)
		h->interrupt();
}

/* ---------------------------------------------------------------------
 * Covariance of the errors
 * ---------------------------------------------------------------------
 */

/* Mean squares of the residuals, floored. */
static void
residual_variances(const Hierarchy *h, double *variance)
{
	double		largest = 0;

	for (int i = 0; i < h->n; i++)
	{
		FmathSum	sum = {0, 0};

		for (int t = 0; t < h->nresiduals; t++)
			FmathAdd(&sum, h->residuals[(size_t) i * h->nresiduals + t] *
					 h->residuals[(size_t) i * h->nresiduals + t]);
		variance[i] = FmathTotal(sum) / h->nresiduals;
		largest = Max(largest, variance[i]);
	}
	for (int i = 0; i < h->n; i++)
		variance[i] = largest > 0 ? Max(variance[i], LEAST_VARIANCE * largest) : 1;
}

/* Estimated share of the diagonal. */
static double
estimate_shrinkage(const Hierarchy *h, const double *variance)
{
	int			T = h->nresiduals;
	double	   *gram = ALLOC(double, (size_t) T * T),
			   *x = ALLOC(double, T),
				squares = 0,	/* over all pairs of nodes, sum_t x_i^2 x_j^2 */
				products = 0,	/* (sum_t x_i x_j)^2 */
				noise,
				signal;

	for (int i = 0; i < h->n; i++)
	{
		double		own = 0,
					fourth = 0;

		for (int t = 0; t < T; t++)
		{
			x[t] = h->residuals[(size_t) i * T + t] / sqrt(variance[i]);
			own += x[t] * x[t];
			fourth += x[t] * x[t] * x[t] * x[t];
		}
		for (int t = 0; t < T; t++)
			for (int s = 0; s <= t; s++)
				gram[(size_t) t * T + s] += x[t] * x[s];
		/* a node with itself does not count */
		squares -= fourth;
		products -= own * own;
		if (i % 64 == 0)
			interrupt(h);
	}
	for (int t = 0; t < T; t++)
		for (int s = 0; s <= t; s++)
		{
			double		g = gram[(size_t) t * T + s];

			products += (s < t ? 2 : 1) * g * g;
			if (s == t)
				squares += g * g;
		}
	FREE(gram);
	FREE(x);
	noise = (squares - products / T) / ((double) T * (T - 1));
	signal = products / T / T;
	if (!(signal > 0))
		return 1;
	return Min(Max(noise / signal, LEAST_SHRINKAGE), 1);
}

bool
HierarchyPrepare(Hierarchy *h)
{
	bool		by_residuals = h->method >= HIERARCHY_VARIANCE;

	if (by_residuals && (h->residuals == NULL || h->nresiduals < 2))
		return false;
	h->children = ALLOC(int, h->n);
	h->weight = ALLOC(double, h->n);
	h->factor = NULL;
	h->shrinkage = 1;
	for (int i = h->n - 1; i >= 0; i--)
		if (h->parent[i] >= 0)
			h->children[h->parent[i]]++;
	if (by_residuals)
		residual_variances(h, h->weight);
	else
		for (int i = h->n - 1; i >= 0; i--)
		{
			if (h->method != HIERARCHY_STRUCTURAL || h->children[i] == 0)
				h->weight[i] = 1;
			if (h->method == HIERARCHY_STRUCTURAL && h->parent[i] >= 0)
				h->weight[h->parent[i]] += h->weight[i];
		}
	if (h->method == HIERARCHY_SHRINK)
	{
		size_t		size = (size_t) h->n * h->nresiduals;
		double		scale;

		h->shrinkage = estimate_shrinkage(h, h->weight);
		scale = sqrt((1 - h->shrinkage) / h->nresiduals);
		h->factor = ALLOC(double, size);
		for (size_t k = 0; k < size; k++)
			h->factor[k] = scale * h->residuals[k];
		for (int i = 0; i < h->n; i++)
			h->weight[i] *= h->shrinkage;
	}
	return true;
}

void
HierarchyFree(Hierarchy *h)
{
	FREE(h->children);
	FREE(h->weight);
	if (h->factor != NULL)
		FREE(h->factor);
}

/* ---------------------------------------------------------------------
 * Solving
 * ---------------------------------------------------------------------
 */

/* Pivots of the factor of C D C', one for each parent. */
static void
factor_tree(const Hierarchy *h, const double *w, double *pivot)
{
	for (int i = 0; i < h->n; i++)
		pivot[i] = w[i];
	for (int i = h->n - 1; i >= 0; i--)
		if (h->parent[i] >= 0)
		{
			pivot[h->parent[i]] += w[i];
			if (h->children[i] > 0 && pivot[i] > 0)
				pivot[h->parent[i]] -= w[i] * w[i] / pivot[i];
		}
}

/* b becomes (C D C')^-1 b; entries of leaves are not used. */
static void
solve_tree(const Hierarchy *h, const double *w, const double *pivot, double *b)
{
	for (int i = h->n - 1; i >= 0; i--)
		if (h->children[i] > 0 && h->parent[i] >= 0 && pivot[i] > 0)
			b[h->parent[i]] += w[i] / pivot[i] * b[i];
	for (int i = 0; i < h->n; i++)
		if (h->children[i] > 0)
			b[i] = pivot[i] > 0 ?
				(b[i] + (h->parent[i] >= 0 ? w[i] * b[h->parent[i]] : 0)) / pivot[i] : 0;
}

/* What parents have more than their children; column by stride. */
static void
differences(const Hierarchy *h, const double *y, int stride, double *b)
{
	for (int i = 0; i < h->n; i++)
		b[i] = h->children[i] > 0 ? y[(size_t) i * stride] : 0;
	for (int i = 0; i < h->n; i++)
		if (h->parent[i] >= 0)
			b[h->parent[i]] -= y[(size_t) i * stride];
}

/* x += correction for the part U U' of the covariance, by Woodbury. */
static void
correct_for_factor(const Hierarchy *h, const double *w, const double *pivot,
				   const double *factor, double *x)
{
	int			T = h->nresiduals,
				n = h->n;
	double	   *v = ALLOC(double, (size_t) n * T),	/* columns of C U */
			   *z = ALLOC(double, (size_t) n * T),	/* solved */
			   *small = ALLOC(double, (size_t) T * T),
			   *s = ALLOC(double, T);

	for (int t = 0; t < T; t++)
	{
		differences(h, factor + t, T, v + (size_t) t * n);
		memcpy(z + (size_t) t * n, v + (size_t) t * n, n * sizeof(double));
		solve_tree(h, w, pivot, z + (size_t) t * n);
		interrupt(h);
	}
	for (int t = 0; t < T; t++)
	{
		for (int u = 0; u <= t; u++)
		{
			double		sum = t == u ? 1 : 0;

			for (int i = 0; i < n; i++)
				if (h->children[i] > 0)
					sum += v[(size_t) t * n + i] * z[(size_t) u * n + i];
			small[(size_t) t * T + u] = sum;
		}
		for (int i = 0; i < n; i++)
			if (h->children[i] > 0)
				s[t] += v[(size_t) t * n + i] * x[i];
	}
	if (LinalgCholeskySolve(small, s, T))
		for (int t = 0; t < T; t++)
			for (int i = 0; i < n; i++)
				if (h->children[i] > 0)
					x[i] -= z[(size_t) t * n + i] * s[t];
	FREE(v);
	FREE(z);
	FREE(small);
	FREE(s);
}

/* y - W C' (C W C')^-1 C y */
static void
project(const Hierarchy *h, const double *w, const double *factor,
		const double *y, double *result)
{
	double	   *pivot = ALLOC(double, h->n),
			   *x = ALLOC(double, h->n),
			   *back = ALLOC(double, h->n);

	factor_tree(h, w, pivot);
	differences(h, y, 1, x);
	solve_tree(h, w, pivot, x);
	if (factor != NULL)
		correct_for_factor(h, w, pivot, factor, x);
	/* C' x */
	for (int i = 0; i < h->n; i++)
		back[i] = (h->children[i] > 0 ? x[i] : 0) -
			(h->parent[i] >= 0 ? x[h->parent[i]] : 0);
	for (int i = 0; i < h->n; i++)
		result[i] = y[i] - w[i] * back[i];
	for (int t = 0; factor != NULL && t < h->nresiduals; t++)
	{
		double		sum = 0;

		for (int i = 0; i < h->n; i++)
			sum += factor[(size_t) i * h->nresiduals + t] * back[i];
		for (int i = 0; i < h->n; i++)
			result[i] -= factor[(size_t) i * h->nresiduals + t] * sum;
	}
	FREE(pivot);
	FREE(x);
	FREE(back);
}

/* Parents become the sums of their children. */
static void
add_up(const Hierarchy *h, double *y)
{
	FmathSum   *sum = ALLOC(FmathSum, h->n);

	for (int i = h->n - 1; i >= 0; i--)
	{
		if (h->children[i] > 0)
			y[i] = FmathTotal(sum[i]);
		if (h->parent[i] >= 0)
			FmathAdd(&sum[h->parent[i]], y[i]);
	}
	FREE(sum);
}

static void
top_down(const Hierarchy *h, const double *base, double *result)
{
	double	   *sum = ALLOC(double, h->n);

	for (int i = 0; i < h->n; i++)
		if (h->parent[i] >= 0)
			sum[h->parent[i]] += h->nonnegative ? Max(base[i], 0) : base[i];
	for (int i = 0; i < h->n; i++)
	{
		double		own = h->nonnegative ? Max(base[i], 0) : base[i];
		int			p = h->parent[i];

		if (p < 0)
			result[i] = own;
		else
			result[i] = sum[p] != 0 ? result[p] * (own / sum[p]) : result[p] / h->children[p];
	}
	FREE(sum);
}

static void
minimum_trace(const Hierarchy *h, const double *base, double *result)
{
	size_t		size = (size_t) h->n * h->nresiduals;
	double	   *y = ALLOC(double, h->n),
			   *w = ALLOC(double, h->n),
			   *factor = h->factor == NULL ? NULL : ALLOC(double, size);

	memcpy(y, base, h->n * sizeof(double));
	memcpy(w, h->weight, h->n * sizeof(double));
	if (factor != NULL)
		memcpy(factor, h->factor, size * sizeof(double));
	for (int round = 0; round < MAX_ROUNDS; round++)
	{
		bool		negative = false;

		interrupt(h);
		project(h, w, factor, y, result);
		for (int i = 0; h->nonnegative && i < h->n; i++)
			if (h->children[i] == 0 && result[i] < 0)
			{
				negative = true;
				y[i] = w[i] = result[i] = 0;
				if (factor != NULL)
					memset(factor + (size_t) i * h->nresiduals, 0, h->nresiduals * sizeof(double));
			}
		if (!negative)
			break;
	}
	FREE(y);
	FREE(w);
	if (factor != NULL)
		FREE(factor);
}

void
HierarchyReconcile(const Hierarchy *h, const double *base, double *result)
{
	switch (h->method)
	{
		case HIERARCHY_BOTTOM_UP:
			for (int i = 0; i < h->n; i++)
				result[i] = h->nonnegative ? Max(base[i], 0) : base[i];
			break;
		case HIERARCHY_TOP_DOWN:
			top_down(h, base, result);
			break;
		default:
			minimum_trace(h, base, result);
	}
	/* rounding and held leaves leave nothing behind */
	add_up(h, result);
}
