/*-------------------------------------------------------------------------
 *
 * fit_model.c
 *	  finops.fit_model: what a forecast is made of, and why.
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/arguments.h"

#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_fit_model);

static void
json_number(StringInfo buf, const char *key, double value)
{
	appendStringInfo(buf, ", \"%s\": ", key);
	if (isfinite(value))
		appendStringInfo(buf, "%.15g", value);
	else
		appendStringInfoString(buf, "null");
}

static void
json_ets(StringInfo buf, const EtsFit *fit, const double *y)
{
	char		name[16];
	appendStringInfo(buf, "\"model\": \"%s\"", EtsFormName(fit->form, name));
	json_number(buf, "alpha", fit->alpha);
	if (fit->form.trend != ETS_TREND_NONE)
		json_number(buf, "beta", fit->beta);
	if (fit->form.season != FC_SEASON_NONE)
		json_number(buf, "gamma", fit->gamma);
	if (fit->form.trend == ETS_TREND_DAMPED)
		json_number(buf, "phi", fit->phi);
	json_number(buf, "level", fit->level);
	if (fit->form.trend != ETS_TREND_NONE)
		json_number(buf, "slope", fit->slope);
	if (fit->form.season != FC_SEASON_NONE)
	{
		appendStringInfoString(buf, ", \"season\": [");
		for (int i = 0; i < fit->m; i++)
			appendStringInfo(buf, "%s%.15g", i > 0 ? ", " : "", fit->season[i]);
		appendStringInfoChar(buf, ']');
	}
	json_number(buf, "sigma2", fit->sigma2);
	json_number(buf, "log_likelihood", -fit->criterion / 2);
	json_number(buf, "aic", fit->aic);
	json_number(buf, "aicc", fit->aicc);
	json_number(buf, "bic", fit->bic);
	if (y != NULL)
	{
		double	   *resid = palloc_array(double, fit->n);
		double		square = 0,
					absolute = 0;

		EtsResiduals(fit, y, resid);
		for (int t = 0; t < fit->n; t++)
		{
			square += resid[t] * resid[t] / fit->n;
			absolute += fabs(resid[t]) / fit->n;
		}
		json_number(buf, "rmse", sqrt(square));
		json_number(buf, "mae", absolute);
		pfree(resid);
	}
}

static void
json_theta(StringInfo buf, const char *name, const ThetaFit *fit)
{
	appendStringInfo(buf, "\"model\": \"%s\"", name);
	json_number(buf, "alpha", fit->alpha);
	json_number(buf, "theta", fit->theta);
	json_number(buf, "level", fit->level);
	json_number(buf, "intercept", fit->intercept);
	json_number(buf, "slope", fit->slope);
	json_number(buf, "sigma2", fit->sigma2);
}

static void
json_array(StringInfo buf, const char *key, const double *values, int n)
{
	appendStringInfo(buf, ", \"%s\": [", key);
	for (int i = 0; i < n; i++)
		appendStringInfo(buf, "%s%.15g", i > 0 ? ", " : "", values[i]);
	appendStringInfoChar(buf, ']');
}

static void
json_arima(StringInfo buf, const ArimaFit *fit)
{
	const ArimaOrder *o = &fit->order;
	char		name[48];

	appendStringInfo(buf, "\"model\": \"%s\"", ArimaName(o, name));
	json_array(buf, "ar", fit->coef, o->p);
	json_array(buf, "ma", fit->coef + o->p, o->q);
	if (o->m > 1)
	{
		json_array(buf, "seasonal_ar", fit->coef + o->p + o->q, o->P);
		json_array(buf, "seasonal_ma", fit->coef + o->p + o->q + o->P, o->Q);
	}
	if (o->constant)
		json_number(buf, o->d + o->D > 0 ? "drift" : "mean",
					o->D > 0 ? fit->mean / o->m : fit->mean);
	json_number(buf, "sigma2", fit->sigma2);
	json_number(buf, "log_likelihood", fit->loglik);
	json_number(buf, "aic", fit->aic);
	json_number(buf, "aicc", fit->aicc);
	json_number(buf, "bic", fit->bic);
	if (fit->tried > 0)
		appendStringInfo(buf, ", \"models_compared\": %d", fit->tried);
}

static void
json_ces(StringInfo buf, const CesFit *fit)
{
	static const char *const seasons[] = {"none", "simple", "partial", "full"};

	appendStringInfo(buf, "\"model\": \"CES(%s)\"", seasons[fit->season]);
	json_number(buf, "a0", fit->a0);
	json_number(buf, "a1", fit->a1);
	if (fit->season == CES_PARTIAL || fit->season == CES_FULL)
		json_number(buf, "b0", fit->b0);
	if (fit->season == CES_FULL)
		json_number(buf, "b1", fit->b1);
	json_number(buf, "sigma2", fit->sigma2);
	json_number(buf, "log_likelihood", fit->loglik);
	json_number(buf, "aicc", fit->aicc);
}

static void
json_croston(StringInfo buf, const char *name, const CrostonFit *fit)
{
	appendStringInfo(buf, "\"model\": \"%s\"", name);
	json_number(buf, "alpha_size", fit->alpha_size);
	json_number(buf, fit->kind == CROSTON_TSB ? "alpha_probability" : "alpha_interval",
				fit->alpha_interval);
	json_number(buf, "size", fit->size);
	json_number(buf, fit->kind == CROSTON_TSB ? "probability" : "interval", fit->interval);
	json_number(buf, "rate", fit->mean);
	json_number(buf, "average_interval", fit->adi);
	json_number(buf, "cv2", fit->cv2);
	json_number(buf, "sigma2", fit->sigma2);
}

static void
json_member(StringInfo buf, const FcMember *member, const double *y, bool as_given)
{
	switch (member->kind)
	{
		case FC_MEMBER_SIMPLE:
			appendStringInfo(buf, "\"model\": \"%s\"", member->name);
			break;
		case FC_MEMBER_ETS:
			json_ets(buf, &member->fit.ets, as_given && !member->stl ? y : NULL);
			break;
		case FC_MEMBER_THETA:
			json_theta(buf, member->name, &member->fit.theta);
			break;
		case FC_MEMBER_ARIMA:
			json_arima(buf, &member->fit.arima);
			break;
		case FC_MEMBER_CES:
			json_ces(buf, &member->fit.ces);
			break;
		case FC_MEMBER_CROSTON:
			json_croston(buf, member->name, &member->fit.croston);
			break;
	}
	if (member->stl)
		appendStringInfoString(buf, ", \"decomposed\": true");
	json_number(buf, "weight", member->weight);
}

/* What was done to the series before fitting. */
static void
json_preparation(StringInfo buf, const FcDetail *detail, const FcOptions *options)
{
	if (!isnan(detail->lambda))
		json_number(buf, "lambda", detail->lambda);
	if (options->outliers == FC_TREAT_ALWAYS || detail->outliers > 0)
		appendStringInfo(buf, ", \"outliers\": %d", detail->outliers);
	if (detail->late > 0)
		appendStringInfo(buf, ", \"incomplete\": %d", detail->late);
	if (detail->gaps > 0)
		appendStringInfo(buf, ", \"gaps_filled\": %d", detail->gaps);
	if (detail->spikes > 0)
		json_number(buf, "monthly_fee", detail->spike);
	if (options->shifts == FC_TREAT_ALWAYS || detail->shifts > 0)
	{
		appendStringInfoString(buf, ", \"level_shifts\": [");
		for (int i = 0; i < detail->shifts; i++)
			appendStringInfo(buf, "%s%d", i > 0 ? ", " : "", detail->shift_at[i] + 1);
		appendStringInfoChar(buf, ']');
	}
	if (detail->nregressors > 0)
	{
		json_array(buf, "effects", detail->beta, Min(detail->nregressors, FC_SHOWN_REGRESSORS));
		json_number(buf, "ridge", detail->ridge);
	}
	if (detail->nseasons > 0)
	{
		appendStringInfoString(buf, ", \"seasons\": [");
		for (int i = 0; i < detail->nseasons; i++)
			appendStringInfo(buf, "%s%d", i > 0 ? ", " : "", detail->seasons[i]);
		appendStringInfoChar(buf, ']');
	}
}

/* The reason in one sentence. */
static void
json_why(StringInfo buf, const FcRequest *q, const FcDetail *detail)
{
	appendStringInfoString(buf, ", \"why\": \"");
	if (q->model.kind != FC_AUTO)
		appendStringInfoString(buf, "the model was asked for");
	else if (detail->nmembers == 1 && detail->member[0].kind == FC_MEMBER_SIMPLE)
		appendStringInfoString(buf, "the series is constant or too short for a fit");
	else if (detail->intermittent)
		appendStringInfo(buf, "demand comes every %.3g steps, without a season",
						 detail->member[0].fit.croston.adi);
	else
	{
		appendStringInfo(buf, "%d observations", detail->used);
		if (detail->m > 1 || detail->nseasons > 0)
			appendStringInfo(buf, ", season strength %.2f", detail->strength_season);
		appendStringInfo(buf, ", trend strength %.2f: mean of forecasters that err differently, smoothing forms by AICc weight",
						 detail->strength_trend);
	}
	appendStringInfoString(buf, "\"");
}

/*
 * finops.fit_model(series, season_length, model, options): what was chosen.
 * Numbers are in the unit of the series; log_likelihood of smoothing leaves
 * out constants that depend on the number of observations alone.
 */
Datum
finops_fit_model(PG_FUNCTION_ARGS)
{
	static const char *const season_names[] = {"none", "additive", "multiplicative"};
	FcRequest	q = {0};
	FcDetail   *detail = palloc0(sizeof(FcDetail));
	double		mean;
	char	   *name,
				canonical[FC_NAME_SIZE];
	StringInfoData buf;
	bool		as_given;

	q.y = ForecastSeriesArg(fcinfo, 0, &q.n);
	q.h = 1;
	name = ForecastModelNameArg(fcinfo, 2);
	q.model = ForecastModelArg(name);
	q.m = ForecastSeasonArg(fcinfo, 1, q.y, q.n);
	q.options = ForecastOptionsArg(fcinfo, 3, q.n, q.h);
	q.interrupt = ForecastInterrupt;
	ForecastRun(&q, name, &mean, NULL, NULL, detail);
	as_given = isnan(detail->lambda) && detail->outliers == 0 &&
		detail->shifts == 0 && detail->nregressors == 0 &&
		detail->late == 0 && detail->gaps == 0;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"model\": \"%s\"",
					 FcModelName(&q.model, canonical));
	appendStringInfo(&buf, ", \"observations\": %d, \"used\": %d, \"season_length\": %d"
					 ", \"season_detected\": %s, \"season_adjustment\": \"%s\""
					 ", \"floored\": %s, \"intermittent\": %s",
					 q.n, detail->used, detail->m,
					 PG_ARGISNULL(1) ? "true" : "false",
					 season_names[detail->adjusted],
					 detail->floored ? "true" : "false",
					 detail->intermittent ? "true" : "false");
	json_preparation(&buf, detail, q.options);
	json_why(&buf, &q, detail);
	appendStringInfoString(&buf, ", \"members\": [");
	for (int i = 0; i < detail->nmembers; i++)
	{
		appendStringInfo(&buf, "%s{", i > 0 ? ", " : "");
		json_member(&buf, &detail->member[i], q.y + q.n - detail->used, as_given);
		appendStringInfoChar(&buf, '}');
	}
	appendStringInfo(&buf, "], \"next\": %.15g}", mean);
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(buf.data)));
}
