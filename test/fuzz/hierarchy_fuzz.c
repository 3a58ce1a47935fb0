/* links: src/core/fmath.c src/core/linalg.c src/forecast/hierarchy.c src/forecast/drift.c src/forecast/robust.c src/forecast/scores.c */
/*
 * Trees of any shape with any values: parents are the sums of their children,
 * and no leaf is negative where none may be.  The other statistics of the room
 * take the same numbers.
 */
#include "forecast/drift.h"
#include "forecast/hierarchy.h"
#include "forecast/robust.h"
#include "forecast/scores.h"

#include <math.h>
#include <stdlib.h>

#define MAX_NODES	40
#define RESIDUALS	5

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const Hierarchy *h, const double *result)
{
	for (int i = 0; i < h->n; i++)
	{
		double		sum = 0,
					magnitude = 0;
		bool		leaf = true;

		for (int j = i + 1; j < h->n; j++)
			if (h->parent[j] == i)
			{
				sum += result[j];
				magnitude += fabs(result[j]);
				leaf = false;
			}
		if (!isfinite(result[i]) || (!leaf && fabs(sum - result[i]) > 1e-9 * magnitude) ||
			(leaf && h->nonnegative && h->method != HIERARCHY_TOP_DOWN && result[i] < 0))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int			parent[MAX_NODES],
				n = 0;
	double		base[MAX_NODES],
				residuals[MAX_NODES * RESIDUALS],
				result[MAX_NODES],
				copy[2][MAX_NODES];
	RobustLine	line;

	for (; size >= 8 && n < MAX_NODES; data += 8, size -= 8, n++)
	{
		int32		value;

		parent[n] = n - 1;
		for (int up = data[0] % 8; up > 0 && parent[n] >= 0; up--)
			parent[n] = parent[parent[n]];
		memcpy(&value, data + 1, sizeof(value));
		base[n] = ldexp(value, data[5] % 64 - 32);
		for (int t = 0; t < RESIDUALS; t++)
			residuals[n * RESIDUALS + t] = ldexp((data[6] >> t & 3) - 1, data[7] % 64 - 32);
	}
	if (n == 0)
		return 0;
	for (int method = HIERARCHY_BOTTOM_UP; method <= HIERARCHY_SHRINK; method++)
		for (int nonnegative = 0; nonnegative < 2; nonnegative++)
		{
			Hierarchy	h = {.n = n, .parent = parent, .method = method, .nonnegative = nonnegative,
			.nresiduals = RESIDUALS, .residuals = residuals};

			if (!HierarchyPrepare(&h))
				abort();
			HierarchyReconcile(&h, base, result);
			check(&h, result);
			HierarchyFree(&h);
		}
	memcpy(copy[0], base, n * sizeof(double));
	memcpy(copy[1], residuals, n * sizeof(double));
	if (!(DriftKs(copy[0], n, copy[1], n) <= 1) || isnan(DriftPsi(copy[0], n, copy[1], n, 10)) ||
		!(DriftTrackingSignal(base, n) <= 1.0000001) || DriftCusum(base, n, 0.5, 8).alarm_at > n ||
		DriftPageHinkley(base, n, 0.25, 12).alarm_at > n || DriftCoverageBound(n, 0.8, 0.01) > n)
		abort();
	if (RobustFit(residuals, base, n, &line) && !(line.fixed >= 0 && line.slope >= 0))
		abort();
	(void) ScoreCrpsSample(base[0], copy[0], n);
	(void) ScoreNaiveAbsolute(base, n, 3);
	return 0;
}
