/* links: src/core/fmath.c src/core/linalg.c src/core/optim.c src/forecast/series.c src/forecast/adaptive.c src/forecast/detect.c src/forecast/blocks.c src/forecast/levels.c src/forecast/ets.c src/forecast/ets_forecast.c src/forecast/theta.c src/forecast/simple.c src/forecast/arima.c src/forecast/arima_search.c src/forecast/ces.c src/forecast/stl.c src/forecast/croston.c src/forecast/boxcox.c src/forecast/regress.c src/forecast/clean.c src/forecast/interval.c src/forecast/model.c src/forecast/auto.c src/forecast/predict.c src/forecast/explain.c */
/*
 * Any values, any model, any options: an answer or a status, bounds in order,
 * the same twice, and nothing infinite; its parts add up.
 */
#include "forecast/models.h"

#include <math.h>
#include <stdlib.h>

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const models[] = {"auto", "arima", "ces", "ets", "stl+dotm",
	"croston", "tsb", "median(ets, ces, theta)", "weighted(ses, drift)",
"ARIMA(2,1,1)(1,1,1)", "ETS(M,Ad,M)", "holt_winters"};

static double
value_of(const uint8_t *p, int kind)
{
	double		x;

	if (kind == 0)
	{
		memcpy(&x, p, sizeof(x));
		return fabs(x) <= 1e300 ? x : 0;
	}
	if (kind == 1)
		return p[0];
	return (int8_t) p[0] * 1e5 + p[1];
}

enum
{
	STEPS = 30
};

/* Of values far from the largest ones, whose differences may be infinite. */
static void
check_parts(const FcRequest *q, bool usual)
{
	static FcDetail detail;
	static double memory[(7 + FC_MOST_SEASONS) * STEPS];
	FcParts		parts = {.level = memory + STEPS, .trend = memory + 2 * STEPS, .season = memory + 3 * STEPS,
		.regressors = memory + 4 * STEPS, .fees = memory + 5 * STEPS, .shifts = memory + 6 * STEPS,
	.seasons = memory + 7 * STEPS};

	if (FcExplain(q, memory, &parts, &detail) != FC_OK)
		abort();
	for (int j = 0; usual && j < q->h; j++)
	{
		double		sum = parts.level[j] + parts.trend[j] + parts.season[j] + parts.regressors[j] +
			parts.fees[j] + parts.shifts[j],
					size = fabs(parts.level[j]) + fabs(parts.trend[j]) + fabs(parts.season[j]) +
			fabs(parts.shifts[j]);

		for (int k = 0; k < parts.nseasons; k++)
			sum += parts.seasons[k * q->h + j];
		if (!(fabs(sum - parts.season[j] - memory[j]) <= 1e-9 * (1 + size)))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	double		y[160],
				mean[2][STEPS],
				lower[2][2 * STEPS],
				upper[2][2 * STEPS],
				levels[2] = {80, 95};
	FcOptions	options = FcDefaults;
	FcRequest	q = {.y = y, .h = STEPS, .nlevels = 2, .levels = levels, .options = &options};
	FcStatus	status[2];
	int			width,
				kind;

	if (size < 8)
		return 0;
	if (!FcModelFromName(models[data[0] % lengthof(models)], &q.model))
		abort();
	q.m = 1 + data[1] % 40;
	q.h = 1 + data[2] % STEPS;
	options.interval = (FcInterval) (data[3] % 5);
	options.transform = (FcTransform) (data[4] % 3);
	options.lambda = (data[4] >> 2) / 32.0 - 0.5;
	options.outliers = options.shifts = (FcTreat) (data[5] % 3);
	options.sum = data[6] % 8;
	kind = data[7] % 3;
	width = kind == 0 ? 8 : (kind == 1 ? 1 : 2);
	for (size_t at = 8; at + width <= size && q.n < (int) lengthof(y); at += width)
		y[q.n++] = value_of(data + at, kind);
	if (q.n == 0)
		return 0;
	for (int i = 0; i < 2; i++)
		status[i] = FcForecast(&q, mean[i], lower[i], upper[i], NULL);
	if (status[0] != status[1])
		abort();
	if (status[0] != FC_OK)
		return 0;
	for (int j = 0; j < (q.h + Max(options.sum, 1) - 1) / Max(options.sum, 1); j++)
	{
		if (!isfinite(mean[0][j]) || mean[0][j] != mean[1][j])
			abort();
		for (int i = 2 * j; i < 2 * j + 2; i++)
			if (isinf(lower[0][i]) || isinf(upper[0][i]) || lower[0][i] > upper[0][i])
				abort();
	}
	check_parts(&q, kind != 0);
	return 0;
}
