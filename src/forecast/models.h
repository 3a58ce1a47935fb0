/*-------------------------------------------------------------------------
 *
 * models.h
 *	  Forecast models on arrays of doubles.  Pure: the models know nothing of
 *	  the server; forecast.h adds what other rooms may call.
 *
 * Conventions: y[0..n-1] are the observations, m is the season length (1: no
 * season), step j = 0..h-1 of a forecast belongs to y[n + j].
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_MODELS_H
#define FINOPS_MODELS_H

#include "core/pure.h"

#ifdef FINOPS_STANDALONE
#include <stdlib.h>
#define FcAlloc(n)	((double *) malloc((size_t) (n) * sizeof(double)))
#define FcFree(p)	free(p)
#else
#define FcAlloc(n)	((double *) palloc((Size) (n) * sizeof(double)))
#define FcFree(p)	pfree(p)
#endif

/* ---------------------------------------------------------------------
 * Seasons, series.c
 * ---------------------------------------------------------------------
 */
typedef enum FcSeasonKind
{
	FC_SEASON_NONE,
	FC_SEASON_ADDITIVE,
	FC_SEASON_MULTIPLICATIVE
} FcSeasonKind;

extern double FcMean(const double *y, int n);
extern bool FcIsConstant(const double *y, int n);
extern bool FcIsPositive(const double *y, int n);
extern double FcAutocorrelation(const double *y, int n, int lag);
extern bool FcSeasonIsSignificant(const double *y, int n, int m);
extern double FcSeasonStrength(const double *y, int n, int m);
extern int	FcDetectSeason(const double *y, int n, FinopsInterrupt interrupt);

/* Factors by phase: factor[t % m] belongs to y[t].  Needs n >= 2m. */
extern void FcClassicalSeason(const double *y, int n, int m,
							  FcSeasonKind kind, double *factor);

/*
 * Takes a changing season out: adjusted[0..n-1], and in next[0..m-1] the
 * factors of y[n], y[n+1], ...  Needs n >= 3m.
 */
extern void FcAdaptiveSeason(const double *y, int n, int m,
							 FcSeasonKind kind, double *adjusted,
							 double *next);

/* ---------------------------------------------------------------------
 * Exponential smoothing, ets.c and ets_forecast.c
 * ---------------------------------------------------------------------
 */
#define ETS_MAX_SEASON	24

typedef enum EtsTrend
{
	ETS_TREND_NONE,
	ETS_TREND_ADDITIVE,
	ETS_TREND_DAMPED
} EtsTrend;

typedef struct EtsForm
{
	bool		multiplicative_error;
	EtsTrend	trend;
	FcSeasonKind season;
} EtsForm;

typedef struct EtsFit
{
	EtsForm		form;
	int			n;
	int			m;
	double		alpha;
	double		beta;			/* of the innovations form: b += beta e */
	double		gamma;
	double		phi;
	double		l0;
	double		b0;
	double		s0[ETS_MAX_SEASON]; /* of the first m observations */
	double		level;			/* states after the last observation */
	double		slope;
	double		season[ETS_MAX_SEASON]; /* of the next m observations */
	double		criterion;		/* -2 log L but for a constant of n */
	int			nparams;		/* without the variance */
	double		aic;
	double		aicc;
	double		bic;
	double		sigma2;			/* of e, or of e/f with multiplicative error */
	double		fitted_last;	/* one-step forecast of the last observation */
} EtsFit;

typedef struct EtsOptions
{
	double		season_prior;	/* weight of the initial season; 0: maximum likelihood */
	double		smoothing_prior;	/* cost of trend and season smoothing */
	int			max_iterations;
	FinopsInterrupt interrupt;
} EtsOptions;

extern const EtsOptions EtsMaximumLikelihood;
extern const EtsOptions EtsShrunk;

extern const char *EtsFormName(EtsForm form, char *buf);	/* 16 bytes */
extern bool EtsFormFromName(const char *name, EtsForm *form);
extern int	EtsParameterCount(EtsForm form, int m);
extern bool EtsFitForm(const double *y, int n, int m, EtsForm form,
					   const EtsOptions *options, EtsFit *fit);
extern int	EtsFitAll(const double *y, int n, int m,
					  const EtsOptions *options, EtsFit *fits);	/* 15 at most */
#define ETS_MAX_FORMS	15
extern void EtsResiduals(const EtsFit *fit, const double *y, double *resid);
extern void EtsForecast(const EtsFit *fit, int h, double *mean);
extern void EtsVariance(const EtsFit *fit, int h, const double *mean,
						double *variance);
extern bool EtsVarianceIsAnalytic(EtsForm form);
struct FmathRandom;
extern void EtsSimulate(const EtsFit *fit, int h, struct FmathRandom *random,
						double *path);

/* ---------------------------------------------------------------------
 * Theta models, theta.c
 * ---------------------------------------------------------------------
 */
typedef enum ThetaKind
{
	THETA_STANDARD,				/* theta = 2, line fitted to the whole series */
	THETA_OPTIMISED,			/* theta from the data */
	THETA_DYNAMIC				/* and the line re-estimated at every step */
} ThetaKind;

typedef struct ThetaFit
{
	ThetaKind	kind;
	int			n;
	double		alpha;
	double		theta;			/* INFINITY when the weight of the line is 1 */
	double		weight;			/* 1 - 1/theta */
	double		l0;
	double		level;
	double		intercept;		/* of the line after the last observation */
	double		slope;
	double		sigma2;
} ThetaFit;

extern bool ThetaFitSeries(const double *y, int n, ThetaKind kind,
						   ThetaFit *fit);
extern void ThetaForecast(const ThetaFit *fit, int h, double *mean,
						  double *variance);

/* ---------------------------------------------------------------------
 * Simple models, simple.c: mean and variance of h steps
 * ---------------------------------------------------------------------
 */
extern void SimpleNaive(const double *y, int n, int m, int h,
						double *mean, double *variance);
extern void SimpleDrift(const double *y, int n, int h,
						double *mean, double *variance);
extern void SimpleMean(const double *y, int n, int h,
					   double *mean, double *variance);

/* ---------------------------------------------------------------------
 * Models by name, model.c
 * ---------------------------------------------------------------------
 */
typedef enum FcModelKind
{
	FC_AUTO,
	FC_NAIVE,
	FC_SEASONAL_NAIVE,
	FC_DRIFT,
	FC_MEAN,
	FC_SES,
	FC_HOLT,
	FC_DAMPED,
	FC_HW_ADDITIVE,
	FC_HW_MULTIPLICATIVE,
	FC_ETS,
	FC_ETS_FORM,
	FC_THETA,
	FC_OTM,
	FC_DOTM
} FcModelKind;

typedef struct FcModel
{
	FcModelKind kind;
	EtsForm		form;			/* of FC_ETS_FORM and the named smoothers */
} FcModel;

#define FC_MODEL_NAMES \
	"auto, naive, seasonal_naive, drift, mean, ses, holt, damped, " \
	"holt_winters, holt_winters_multiplicative, ets, theta, otm, dotm, " \
	"and forms such as ETS(M,Ad,A)"

extern bool FcModelFromName(const char *name, FcModel *model);
extern const char *FcModelName(const FcModel *model, char *buf);	/* 16 bytes */

/* Of a longer series the newest observations are used. */
#define FC_MAX_FIT		10000
#define FC_MAX_HORIZON	10000
#define FC_PATHS		2000	/* simulated futures, where needed */
#define FC_SEED			UINT64_C(20160101)

/* What was fitted; a combination has several members. */
typedef struct FcMember
{
	const char *name;			/* simple and theta models; NULL: ets */
	double		weight;			/* in the forecast; all sum to 1 */
	EtsFit		ets;
	ThetaFit	theta;
	bool		is_theta;
} FcMember;

#define FC_MAX_MEMBERS	(ETS_MAX_FORMS + 2)

typedef struct FcDetail
{
	int			nmembers;
	FcMember	member[FC_MAX_MEMBERS];
	FcSeasonKind adjusted;		/* season taken out of the theta members */
	bool		floored;		/* bounded below, see model.c */
	int			used;			/* observations */
	int			m;				/* season length used */
} FcDetail;

typedef enum FcStatus
{
	FC_OK,
	FC_TOO_SHORT,
	FC_NEEDS_SEASON,
	FC_SEASON_TOO_LONG,
	FC_NEEDS_POSITIVE
} FcStatus;

typedef struct FcRequest
{
	const double *y;
	int			n;
	int			m;
	FcModel		model;
	int			h;
	int			nlevels;
	const double *levels;		/* percent */
	FinopsInterrupt interrupt;
} FcRequest;

/*
 * mean[h]; lower and upper [h * nlevels], a level after the other within a
 * step, NaN where the series is too short for a variance.  detail may be NULL.
 */
extern FcStatus FcForecast(const FcRequest *request, double *mean,
						   double *lower, double *upper, FcDetail *detail);

#endif							/* FINOPS_MODELS_H */
