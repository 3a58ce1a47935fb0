/*-------------------------------------------------------------------------
 *
 * linalg.c
 *	  Small dense linear algebra.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#include "core/linalg.h"

#include <math.h>

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
