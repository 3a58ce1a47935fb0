/*-------------------------------------------------------------------------
 *
 * linalg.c
 *	  Small dense linear algebra.  Pure.
 *
 * Products are summed in one fixed order and never fused, so that results are
 * the same bytes whatever vector width the processor offers.
 *
 *-------------------------------------------------------------------------
 */
#include "core/linalg.h"

#include <math.h>

#define BLOCK			64		/* columns factored at a time */
#define TILE			512		/* columns of a product held in cache */

/*
 * The inner loop once for processors with wide vectors and once for all; not
 * under the sanitizers of the unit tests, which the dispatch comes too early
 * for.
 */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(FINOPS_STANDALONE)
#define WIDE_VECTORS	__attribute__((target_clones("avx2", "default")))
#else
#define WIDE_VECTORS
#endif

bool
LinalgCholeskySolve(double *a, double *b, int n)
{
	for (int j = 0; j < n; j++)
	{
		double		diagonal = a[j * n + j];
		double		pivot = diagonal;

		for (int k = 0; k < j; k++)
			pivot -= a[j * n + k] * a[j * n + k];
		/* written so that NaN fails too */
		if (!(pivot > 1e-14 * diagonal))
			return false;
		pivot = sqrt(pivot);
		a[j * n + j] = pivot;
		for (int i = j + 1; i < n; i++)
		{
			double		x = a[i * n + j];

			for (int k = 0; k < j; k++)
				x -= a[i * n + k] * a[j * n + k];
			a[i * n + j] = x / pivot;
		}
	}
	for (int i = 0; i < n; i++)
	{
		for (int k = 0; k < i; k++)
			b[i] -= a[i * n + k] * b[k];
		b[i] /= a[i * n + i];
	}
	for (int i = n - 1; i >= 0; i--)
	{
		for (int k = i + 1; k < n; k++)
			b[i] -= a[k * n + i] * b[k];
		b[i] /= a[i * n + i];
	}
	return true;
}

/* One row of a product over n columns: c -= a[0] b0 + ... + a[7] b7. */
WIDE_VECTORS static void
subtract_eight(double *restrict c, const double *a, const double *restrict b,
			   int ldb, int n)
{
	const double *restrict b1 = b + ldb;
	const double *restrict b2 = b1 + ldb;
	const double *restrict b3 = b2 + ldb;
	const double *restrict b4 = b3 + ldb;
	const double *restrict b5 = b4 + ldb;
	const double *restrict b6 = b5 + ldb;
	const double *restrict b7 = b6 + ldb;

	for (int j = 0; j < n; j++)
		c[j] = c[j] - a[0] * b[j] - a[1] * b1[j] - a[2] * b2[j] - a[3] * b3[j]
			- a[4] * b4[j] - a[5] * b5[j] - a[6] * b6[j] - a[7] * b7[j];
}

void
LinalgMultiplySubtract(double *c, int ldc, const double *a, int lda,
					   const double *b, int ldb, int m, int k, int n)
{
	for (int from = 0; from < n; from += TILE)
	{
		int			width = Min(TILE, n - from);

		for (int at = 0; at < k; at += 8)
			for (int i = 0; i < m; i++)
			{
				double	   *row = c + (size_t) i * ldc + from;
				const double *factor = a + (size_t) i * lda + at;

				if (k - at >= 8)
					subtract_eight(row, factor, b + (size_t) at * ldb + from, ldb, width);
				else
					for (int q = at; q < k; q++)
					{
						const double *other = b + (size_t) q * ldb + from;

						for (int j = 0; j < width; j++)
							row[j] -= a[(size_t) i * lda + q] * other[j];
					}
			}
	}
}

/* Columns from .. to of the rows below and at the diagonal. */
static bool
factor_panel(double *a, int n, int from, int to)
{
	for (int k = from; k < to; k++)
	{
		const double *pivot_row = a + (size_t) k * n;

		/* written so that NaN fails too */
		if (!(fabs(pivot_row[k]) > 1e-14))
			return false;
		for (int i = k + 1; i < n; i++)
		{
			double	   *row = a + (size_t) i * n;

			if (row[k] == 0)
				continue;
			row[k] /= pivot_row[k];
			for (int j = k + 1; j < to; j++)
				row[j] -= row[k] * pivot_row[j];
		}
	}
	return true;
}

bool
LinalgFactorDominant(double *a, int n, FinopsInterrupt interrupt)
{
	for (int from = 0; from < n; from += BLOCK)
	{
		int			to = Min(from + BLOCK, n);

		if (!factor_panel(a, n, from, to))
			return false;
		/* the rows of the upper triangle to the right of the panel */
		for (int k = from; k < to; k++)
			for (int i = k + 1; i < to; i++)
			{
				double		factor = a[(size_t) i * n + k];

				for (int j = to; j < n; j++)
					a[(size_t) i * n + j] -= factor * a[(size_t) k * n + j];
			}
		if (to < n)
			LinalgMultiplySubtract(a + (size_t) to * n + to, n,
								   a + (size_t) to * n + from, n,
								   a + (size_t) from * n + to, n,
								   n - to, to - from, n - to);
		if (interrupt != NULL)
			interrupt();
	}
	return true;
}

void
LinalgSolveFactored(const double *lu, int n, double *b)
{
	for (int i = 0; i < n; i++)
		for (int k = 0; k < i; k++)
			b[i] -= lu[(size_t) i * n + k] * b[k];
	for (int i = n - 1; i >= 0; i--)
	{
		for (int k = i + 1; k < n; k++)
			b[i] -= lu[(size_t) i * n + k] * b[k];
		b[i] /= lu[(size_t) i * n + i];
	}
}

/* row -= factor * other */
static void
subtract_row(double *restrict row, double factor, const double *restrict other,
			 int columns)
{
	for (int j = 0; j < columns; j++)
		row[j] -= factor * other[j];
}

void
LinalgSolveFactoredMany(const double *lu, int n, double *b, int columns,
						FinopsInterrupt interrupt)
{
	int			last = (n - 1) / BLOCK * BLOCK;

	for (int from = 0; from < n; from += BLOCK)
	{
		int			to = Min(from + BLOCK, n);

		for (int i = from; i < to; i++)
			for (int k = from; k < i; k++)
				subtract_row(b + (size_t) i * columns, lu[(size_t) i * n + k],
							 b + (size_t) k * columns, columns);
		LinalgMultiplySubtract(b + (size_t) to * columns, columns,
							   lu + (size_t) to * n + from, n,
							   b + (size_t) from * columns, columns,
							   n - to, to - from, columns);
		if (interrupt != NULL)
			interrupt();
	}
	for (int from = last; from >= 0; from -= BLOCK)
	{
		int			to = Min(from + BLOCK, n);

		for (int i = to - 1; i >= from; i--)
		{
			double	   *row = b + (size_t) i * columns;

			for (int k = i + 1; k < to; k++)
				subtract_row(row, lu[(size_t) i * n + k], b + (size_t) k * columns, columns);
			for (int j = 0; j < columns; j++)
				row[j] /= lu[(size_t) i * n + i];
		}
		LinalgMultiplySubtract(b, columns, lu + from, n, b + (size_t) from * columns,
							   columns, from, to - from, columns);
		if (interrupt != NULL)
			interrupt();
	}
}

FinopsReal
LinalgSolveRefined(const double *a, const double *lu, int n,
				   const FinopsReal *b, FinopsReal *x,
				   FinopsReal tolerance, double *scratch)
{
	FinopsReal last = HUGE_VALL;

	for (int i = 0; i < n; i++)
		x[i] = 0;
	for (;;)
	{
		FinopsReal largest = 0;

		for (int i = 0; i < n; i++)
		{
			FinopsReal residual = b[i];

			for (int k = 0; k < n; k++)
				residual -= a[(size_t) i * n + k] * x[k];
			scratch[i] = (double) residual;
			largest = Max(largest, fabsl(residual));
		}
		/* a residual that no longer halves is as small as it gets */
		if (largest <= tolerance || !(largest < last / 2))
			return largest;
		last = largest;
		LinalgSolveFactored(lu, n, scratch);
		for (int i = 0; i < n; i++)
			x[i] += scratch[i];
	}
}
