/*-------------------------------------------------------------------------
 *
 * model.c
 *	  Models by name, one after the other.  Pure.
 *
 * Besides the names there are forms: ETS(A,Ad,N) and ARIMA(1,1,1)(0,1,1);
 * "stl+model", which takes the season out by loess, forecasts the rest and
 * lets the last year's season come again; and mean(...), median(...) and
 * weighted(...) of several models, weights from a backtest: the inverse mean
 * squared errors of forecasts of the newest observations (Bates and Granger
 * 1969, Operational Research Quarterly 20).
 *
 *-------------------------------------------------------------------------
 */
#include "forecast/models.h"

#include "core/fmath.h"

#include <math.h>

typedef struct ModelName
{
	const char *name;
	FcModelKind kind;
	EtsForm		form;
} ModelName;

static const ModelName model_names[] = {
	{"auto", FC_AUTO, {0}},
	{"naive", FC_NAIVE, {0}},
	{"seasonal_naive", FC_SEASONAL_NAIVE, {0}},
	{"snaive", FC_SEASONAL_NAIVE, {0}},
	{"drift", FC_DRIFT, {0}},
	{"mean", FC_MEAN, {0}},
	{"ses", FC_SES, {false, ETS_TREND_NONE, FC_SEASON_NONE}},
	{"holt", FC_HOLT, {false, ETS_TREND_ADDITIVE, FC_SEASON_NONE}},
	{"damped", FC_DAMPED, {false, ETS_TREND_DAMPED, FC_SEASON_NONE}},
	{"holt_winters", FC_HW_ADDITIVE,
	{false, ETS_TREND_ADDITIVE, FC_SEASON_ADDITIVE}},
	{"holt_winters_multiplicative", FC_HW_MULTIPLICATIVE,
	{false, ETS_TREND_ADDITIVE, FC_SEASON_MULTIPLICATIVE}},
	{"ets", FC_ETS, {0}},
	{"theta", FC_THETA, {0}},
	{"otm", FC_OTM, {0}},
	{"dotm", FC_DOTM, {0}},
	{"arima", FC_ARIMA, {0}},
	{"ces", FC_CES, {0}},
	{"croston", FC_CROSTON, {0}},
	{"sba", FC_SBA, {0}},
	{"tsb", FC_TSB, {0}},
	{"intermittent", FC_INTERMITTENT, {0}},
};

/* Tolerance of -2 log L that tells forms apart. */
#define ROUGH	1e-2

static const char *const combinations[] = {"mean(", "median(", "weighted("};

/* ---------------------------------------------------------------------
 * Names
 * ---------------------------------------------------------------------
 */
static bool
same_name(const char *name, const char *b)
{
	while (*name != '\0' && *name == (*b >= 'A' && *b <= 'Z' ? *b + 32 : *b))
		name++, b++;
	return *name == '\0' && *b == '\0';
}

static bool
has_prefix(const char *prefix, const char *s)
{
	for (; *prefix != '\0'; prefix++, s++)
		if (*prefix != (*s >= 'A' && *s <= 'Z' ? *s + 32 : *s))
			return false;
	return true;
}

/* Everything but combinations. */
static bool
single_from_name(const char *name, FcModel *model)
{
	bool		stl = has_prefix("stl+", name) || has_prefix("mstl+", name);

	memset(model, 0, sizeof(*model));
	if (stl)
		name = strchr(name, '+') + 1;
	model->stl = stl;
	for (int i = 0; i < (int) lengthof(model_names); i++)
		if (same_name(model_names[i].name, name))
		{
			model->kind = model_names[i].kind;
			model->form = model_names[i].form;
			return !(stl && model->kind == FC_AUTO);
		}
	if (ArimaFromName(name, &model->order))
	{
		model->kind = FC_ARIMA_ORDER;
		return true;
	}
	model->kind = FC_ETS_FORM;
	return EtsFormFromName(name, &model->form);
}

/* The names between the parentheses; commas inside of forms do not separate. */
static bool
parts_from_names(const char *s, FcModel *model)
{
	while (*s != '\0')
	{
		char		one[64] = {0};
		int			len = 0,
					depth = 0;
		FcModel		part;

		while (*s == ' ')
			s++;
		for (; *s != '\0' && (depth > 0 || (*s != ',' && *s != ')')); s++)
		{
			depth += *s == '(' ? 1 : (*s == ')' ? -1 : 0);
			if (len >= (int) sizeof(one) - 1)
				return false;
			one[len++] = *s;
		}
		while (len > 0 && one[len - 1] == ' ')
			len--;
		one[len] = '\0';
		if (model->nparts >= FC_MAX_PARTS || !single_from_name(one, &part) ||
			part.kind == FC_AUTO)
			return false;
		model->part[model->nparts++] = (FcPart) {part.kind, part.stl, part.form, part.order};
		if (*s == ')')
			return s[1] == '\0';
		if (*s == ',')
			s++;
	}
	return false;
}

/* Names in any case. */
bool
FcModelFromName(const char *name, FcModel *model)
{
	for (int i = 0; i < (int) lengthof(combinations); i++)
		if (has_prefix(combinations[i], name))
		{
			memset(model, 0, sizeof(*model));
			model->kind = FC_COMBINATION;
			model->combine = (FcCombine) i;
			return parts_from_names(strchr(name, '(') + 1, model);
		}
	return single_from_name(name, model);
}

static char *
put(char *s, const char *text)
{
	size_t		len = strlen(text);

	memcpy(s, text, len + 1);
	return s + len;
}

static char *
put_single(char *s, FcModelKind kind, bool stl, EtsForm form,
		   const ArimaOrder *order)
{
	char		name[48];

	if (stl)
		s = put(s, "stl+");
	if (kind == FC_ETS_FORM)
		return put(s, EtsFormName(form, name));
	if (kind == FC_ARIMA_ORDER)
		return put(s, ArimaName(order, name));
	for (int i = 0; i < (int) lengthof(model_names); i++)
		if (model_names[i].kind == kind)
			return put(s, model_names[i].name);
	return s;
}

/* buf has FC_NAME_SIZE bytes. */
const char *
FcModelName(const FcModel *model, char *buf)
{
	char	   *s = buf;

	if (model->kind != FC_COMBINATION)
	{
		put_single(s, model->kind, model->stl, model->form, &model->order);
		return buf;
	}
	s = put(s, combinations[model->combine]);
	for (int i = 0; i < model->nparts; i++)
	{
		const FcPart *p = &model->part[i];

		if (i > 0)
			s = put(s, ", ");
		s = put_single(s, p->kind, p->stl, p->form, &p->order);
	}
	put(s, ")");
	return buf;
}

/* ---------------------------------------------------------------------
 * Members
 * ---------------------------------------------------------------------
 */
FcMember *
FcAddMember(FcDetail *detail, FcMemberKind kind, const char *name,
			double weight)
{
	FcMember   *member = &detail->member[detail->nmembers++];

	memset(member, 0, sizeof(*member));
	member->kind = kind;
	member->name = name;
	member->weight = weight;
	return member;
}

void
FcPutBackSeason(FcSeasonKind kind, const double *next, int m, int h,
				FcSteps *out)
{
	if (kind == FC_SEASON_NONE)
		return;
	for (int j = 0; j < h; j++)
	{
		double		factor = next[j % m];

		if (kind == FC_SEASON_MULTIPLICATIVE)
		{
			out->mean[j] *= factor;
			out->variance[j] *= factor * factor;
		}
		else
			out->mean[j] += factor;
	}
}

/* The theta models by name use the constant season of their papers. */
static FcStatus
theta_by_name(const FcRequest *q, ThetaKind kind, const char *name,
			  FcSteps *out, FcDetail *detail)
{
	double	   *memory = FcAlloc(q->n + 2 * q->m),
			   *factor = memory + q->n,
			   *next = factor + q->m;
	FcMember   *member = FcAddMember(detail, FC_MEMBER_THETA, name, 1);
	bool		ok;

	memcpy(memory, q->y, q->n * sizeof(double));
	detail->adjusted = FcSeasonKindOf(q->y, q->n, q->m);
	if (detail->adjusted != FC_SEASON_NONE)
	{
		FcClassicalSeason(q->y, q->n, q->m, detail->adjusted, factor);
		for (int t = 0; t < q->n; t++)
			memory[t] = detail->adjusted == FC_SEASON_MULTIPLICATIVE ?
				q->y[t] / factor[t % q->m] : q->y[t] - factor[t % q->m];
		for (int i = 0; i < q->m; i++)
			next[i] = factor[(q->n + i) % q->m];
	}
	ok = ThetaFitSeries(memory, q->n, kind, &member->fit.theta);
	if (ok)
	{
		ThetaSteps(&member->fit.theta, q->h, out);
		FcPutBackSeason(detail->adjusted, next, q->m, q->h, out);
	}
	FcFree(memory);
	return ok ? FC_OK : FC_TOO_SHORT;
}

/* A smoothing form by name: maximum likelihood. */
static FcStatus
ets_by_name(const FcRequest *q, FcSteps *out, FcDetail *detail)
{
	EtsForm		form = q->model.form;
	EtsOptions	options = EtsMaximumLikelihood;
	FcMember   *member = FcAddMember(detail, FC_MEMBER_ETS, NULL, 1);
	bool		positive = FcIsPositive(q->y, q->n);

	options.interrupt = q->interrupt;
	if (form.season != FC_SEASON_NONE && q->m < 2)
		return FC_NEEDS_SEASON;
	if (form.season != FC_SEASON_NONE && q->m > ETS_MAX_SEASON)
		return FC_SEASON_TOO_LONG;
	if (!positive &&
		(form.multiplicative_error || form.season == FC_SEASON_MULTIPLICATIVE))
		return FC_NEEDS_POSITIVE;
	if (!EtsFitForm(q->y, q->n, q->m, form, &options, &member->fit.ets))
		return FC_TOO_SHORT;
	EtsSteps(&member->fit.ets, q->h, out);
	return FC_OK;
}

/*
 * One form chosen by AICc from maximum-likelihood fits, which are roughly
 * converged; the chosen one wholly.
 */
static FcStatus
ets_chosen(const FcRequest *q, FcSteps *out, FcDetail *detail)
{
	EtsFit	   *fits = (EtsFit *) FcAlloc(ETS_MAX_FORMS * sizeof(EtsFit) / sizeof(double) + 1);
	EtsOptions	options = EtsMaximumLikelihood;
	int			n,
				best = 0;

	options.interrupt = q->interrupt;
	options.tolerance = ROUGH;
	options.starts = 1;
	n = EtsFitAll(q->y, q->n, q->m, &options, fits);
	for (int i = 1; i < n; i++)
		if (fits[i].aicc < fits[best].aicc)
			best = i;
	options.tolerance = EtsMaximumLikelihood.tolerance;
	/* a season makes starting points costly */
	options.starts = n > 0 && fits[best].form.season != FC_SEASON_NONE ? 1 : ETS_MAX_STARTS;
	if (n > 0 && !EtsFitForm(q->y, q->n, q->m, fits[best].form, &options, &fits[best]))
		n = 0;
	if (n > 0)
	{
		FcAddMember(detail, FC_MEMBER_ETS, NULL, 1)->fit.ets = fits[best];
		EtsSteps(&fits[best], q->h, out);
	}
	FcFree(fits);
	return n > 0 ? FC_OK : FC_TOO_SHORT;
}

static FcStatus
arima_by_name(const FcRequest *q, FcSteps *out, FcDetail *detail)
{
	FcMember   *member = FcAddMember(detail, FC_MEMBER_ARIMA, NULL, 1);
	ArimaOrder	order = q->model.order;

	if (q->model.kind == FC_ARIMA)
	{
		if (!ArimaFitAuto(q->y, q->n, q->m, ARIMA_FINALISTS, q->interrupt,
						  &member->fit.arima))
			return FC_TOO_SHORT;
	}
	else
	{
		if (order.m > 1 && q->m < 2)
			return FC_NEEDS_SEASON;
		if (order.m > 1 && q->m > ARIMA_MAX_PERIOD)
			return FC_SEASON_TOO_LONG;
		order.m = order.m > 1 ? q->m : 1;
		if (order.d + order.D > 1)
			order.constant = false;
		if (!ArimaFitOrder(q->y, q->n, order, q->interrupt, &member->fit.arima))
			return FC_TOO_SHORT;
	}
	ArimaSteps(&member->fit.arima, q->y, q->h, out);
	return FC_OK;
}

/* intermittent: TSB, since resources are switched off; smooth demand: SBA. */
static FcStatus
croston_by_name(const FcRequest *q, FcSteps *out, FcDetail *detail)
{
	static const char *const names[] = {"croston", "sba", "tsb"};
	CrostonKind kind = q->model.kind == FC_CROSTON ? CROSTON_CLASSIC :
	(q->model.kind == FC_SBA ? CROSTON_SBA : CROSTON_TSB);
	FcMember   *member = FcAddMember(detail, FC_MEMBER_CROSTON, names[kind], 1);

	for (int t = 0; t < q->n; t++)
		if (q->y[t] < 0)
			return FC_NEEDS_NONNEGATIVE;
	/* without any demand the rate is 0 */
	if (!CrostonFitSeries(q->y, q->n, kind, &member->fit.croston) &&
		!(q->y[0] == 0 && FcIsConstant(q->y, q->n)))
		return FC_TOO_SHORT;
	CrostonSteps(&member->fit.croston, q->h, out);
	detail->floored = true;
	return FC_OK;
}

static FcStatus
simple_by_name(const FcRequest *q, FcSteps *out, FcDetail *detail)
{
	static const char *const names[] = {"naive", "seasonal_naive", "drift", "mean"};
	int			least = q->model.kind == FC_DRIFT ? 3 :
	(q->model.kind == FC_MEAN ? 2 : (q->model.kind == FC_NAIVE ? 1 : q->m));

	if (q->n < least)
		return FC_TOO_SHORT;
	FcAddMember(detail, FC_MEMBER_SIMPLE, names[q->model.kind - FC_NAIVE], 1);
	if (q->model.kind == FC_DRIFT)
		SimpleDrift(q->y, q->n, q->h, out);
	else if (q->model.kind == FC_MEAN)
		SimpleMean(q->y, q->n, q->h, out);
	else
	{
		SimpleNaive(q->y, q->n, least, q->h, out);
		for (int j = 0; q->n == least && j < q->h; j++)
			out->variance[j] = (double) NAN;
	}
	return FC_OK;
}

/* ---------------------------------------------------------------------
 * Decomposition and combination
 * ---------------------------------------------------------------------
 */

/* Season lengths of a request in ascending order, each once. */
int
FcSeasonsOf(const FcRequest *q, int *seasons)
{
	int			count = 0;

	if (q->m > 1)
		seasons[count++] = q->m;
	for (int i = 0; q->options != NULL && i < q->options->nseasons &&
		 count < STL_MAX_SEASONS; i++)
	{
		int			m = q->options->seasons[i],
					at = count;

		while (at > 0 && seasons[at - 1] > m)
			at--;
		if (m < 2 || (at > 0 && seasons[at - 1] == m))
			continue;
		memmove(seasons + at + 1, seasons + at, (count - at) * sizeof(int));
		seasons[at] = m;
		count++;
	}
	return count;
}

static FcStatus
run_decomposed(const FcRequest *q, FcSteps *out, FcDetail *detail)
{
	FcRequest	rest = *q;
	int			seasons[STL_MAX_SEASONS + 1],
				count = FcSeasonsOf(q, seasons);
	double	   *season,
			   *trend,
			   *remainder;
	FcStatus	status;
	int			first = detail->nmembers;

	if (count == 0)
		return FC_NEEDS_SEASON;
	season = FcAlloc(((size_t) count + 2) * q->n);
	trend = season + (size_t) count * q->n;
	remainder = trend + q->n;
	if (!StlDecompose(q->y, q->n, count, seasons, -1, false, q->interrupt,
					  season, trend, remainder))
	{
		FcFree(season);
		return FC_TOO_SHORT;
	}
	for (int t = 0; t < q->n; t++)
		remainder[t] += trend[t];
	rest.y = remainder;
	rest.m = 1;
	rest.model.stl = false;
	status = FcRunModel(&rest, out, detail);
	for (int i = 0; status == FC_OK && i < count; i++)
	{
		const double *last = season + (size_t) (i + 1) * q->n - seasons[i];

		if (2 * seasons[i] > q->n)
			continue;
		for (int j = 0; j < q->h; j++)
			out->mean[j] += last[j % seasons[i]];
		detail->seasons[i] = seasons[i];
		detail->nseasons = i + 1;
	}
	for (int i = first; i < detail->nmembers; i++)
		detail->member[i].stl = true;
	FcFree(season);
	return status;
}

/* Mean squared error over the newest steps that the model did not see. */
static double
backtest_error(const FcRequest *q)
{
	FcRequest	past = *q;
	FcDetail   *detail = (FcDetail *) FcAlloc(sizeof(FcDetail) / sizeof(double) + 1);
	double	   *memory,
				error = 0;
	FcSteps		steps;

	past.h = Max(1, Min(Min(q->h, 24), q->n / 4));
	past.n = q->n - past.h;
	memory = FcAlloc(3 * (size_t) past.h);
	steps = (FcSteps) {memory, memory + past.h, memory + 2 * past.h};
	memset(detail, 0, sizeof(*detail));
	if (FcRunModel(&past, &steps, detail) != FC_OK)
		error = (double) INFINITY;
	for (int j = 0; j < past.h && isfinite(error); j++)
	{
		double		e = steps.mean[j] - q->y[past.n + j];

		error += e * e / past.h;
	}
	FcFree(memory);
	FcFree((double *) detail);
	return error;
}

static void
part_weights(const FcRequest *q, const bool *usable, double *weight)
{
	double		total = 0,
				floor = 0;

	for (int i = 0; i < q->model.nparts; i++)
	{
		weight[i] = usable[i] ? 1 : 0;
		if (usable[i] && q->model.combine == FC_COMBINE_WEIGHTED)
		{
			FcRequest	one = *q;
			const FcPart *p = &q->model.part[i];

			one.model = (FcModel) {.kind = p->kind, .form = p->form, .order = p->order, .stl = p->stl};
			weight[i] = backtest_error(&one);
			if (isfinite(weight[i]))
				floor = Max(floor, weight[i] * 1e-6);
		}
	}
	for (int i = 0; i < q->model.nparts; i++)
	{
		if (usable[i] && q->model.combine == FC_COMBINE_WEIGHTED)
			weight[i] = isfinite(weight[i]) && floor > 0 ? 1 / Max(weight[i], floor) : 1e-300;
		total += weight[i];
	}
	for (int i = 0; i < q->model.nparts; i++)
		weight[i] /= total;
}

/* Standard deviations are combined as the means are. */
static void
combine(const FcRequest *q, const bool *usable, const double *weight,
		const double *all, FcSteps *out)
{
	int			h = q->h;

	for (int j = 0; j < h; j++)
	{
		double		value[2][FC_MAX_PARTS],
					sum[3] = {0};
		int			count = 0;

		for (int i = 0; i < q->model.nparts; i++)
		{
			const double *part = all + 3 * (size_t) h * i;

			if (!usable[i])
				continue;
			value[0][count] = part[j];
			value[1][count++] = sqrt(Max(part[h + j], 0));
			sum[0] += weight[i] * part[j];
			sum[1] += weight[i] * sqrt(Max(part[h + j], 0));
			sum[2] += weight[i] * part[2 * h + j];
		}
		if (q->model.combine == FC_COMBINE_MEDIAN)
		{
			sum[0] = FcMedianOf(value[0], count);
			sum[1] = FcMedianOf(value[1], count);
		}
		out->mean[j] = sum[0];
		out->variance[j] = sum[1] * sum[1];
		out->psi[j] = sum[2];
	}
}

/* A part that does not suit the series is left out. */
static FcStatus
run_combination(const FcRequest *q, FcSteps *out, FcDetail *detail)
{
	double	   *all = FcAlloc(3 * (size_t) q->h * q->model.nparts),
				weight[FC_MAX_PARTS];
	bool		usable[FC_MAX_PARTS];
	int			count = 0;
	FcStatus	status = FC_TOO_SHORT;
	int			member[FC_MAX_PARTS];

	for (int i = 0; i < q->model.nparts; i++)
	{
		FcRequest	one = *q;
		const FcPart *p = &q->model.part[i];
		double	   *mine = all + 3 * (size_t) q->h * i;
		FcSteps		steps = {mine, mine + q->h, mine + 2 * q->h};
		FcStatus	got;

		member[i] = detail->nmembers;
		one.model = (FcModel) {.kind = p->kind, .form = p->form, .order = p->order, .stl = p->stl};
		got = FcRunModel(&one, &steps, detail);
		usable[i] = got == FC_OK;
		if (usable[i])
			count++;
		else
		{
			status = got;
			detail->nmembers = member[i];
		}
	}
	if (count > 0)
	{
		part_weights(q, usable, weight);
		for (int i = 0; i < q->model.nparts; i++)
			if (usable[i])
				detail->member[member[i]].weight = weight[i];
		combine(q, usable, weight, all, out);
		status = FC_OK;
	}
	FcFree(all);
	return status;
}

FcStatus
FcRunModel(const FcRequest *q, FcSteps *out, FcDetail *detail)
{
	if (q->model.stl)
		return run_decomposed(q, out, detail);
	switch (q->model.kind)
	{
		case FC_AUTO:
			FcAutoModel(q, out, detail);
			return FC_OK;
		case FC_NAIVE:
		case FC_SEASONAL_NAIVE:
		case FC_DRIFT:
		case FC_MEAN:
			return simple_by_name(q, out, detail);
		case FC_ETS:
			return ets_chosen(q, out, detail);
		case FC_SES:
		case FC_HOLT:
		case FC_DAMPED:
		case FC_HW_ADDITIVE:
		case FC_HW_MULTIPLICATIVE:
		case FC_ETS_FORM:
			return ets_by_name(q, out, detail);
		case FC_THETA:
			return theta_by_name(q, THETA_STANDARD, "theta", out, detail);
		case FC_OTM:
			return theta_by_name(q, THETA_OPTIMISED, "otm", out, detail);
		case FC_DOTM:
			return theta_by_name(q, THETA_DYNAMIC, "dotm", out, detail);
		case FC_ARIMA:
		case FC_ARIMA_ORDER:
			return arima_by_name(q, out, detail);
		case FC_CES:
			{
				FcMember   *member = FcAddMember(detail, FC_MEMBER_CES, NULL, 1);

				if (!CesFitAuto(q->y, q->n, q->m, q->interrupt, &member->fit.ces))
					return FC_TOO_SHORT;
				CesSteps(&member->fit.ces, q->y, q->h, out);
				return FC_OK;
			}
		case FC_CROSTON:
		case FC_SBA:
		case FC_TSB:
		case FC_INTERMITTENT:
			return croston_by_name(q, out, detail);
		case FC_COMBINATION:
			return run_combination(q, out, detail);
	}
	return FC_TOO_SHORT;
}
