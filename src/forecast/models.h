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
extern int	FcCompare(const void *a, const void *b);
extern double FcMedianOf(double *x, int n);
extern bool FcIsConstant(const double *y, int n);
extern bool FcIsPositive(const double *y, int n);
extern double FcAutocorrelation(const double *y, int n, int lag);
extern bool FcSeasonIsSignificant(const double *y, int n, int m);
extern FcSeasonKind FcSeasonKindOf(const double *y, int n, int m);
extern double FcSeasonStrength(const double *y, int n, int m);
extern double FcTrendStrength(const double *y, int n, int m);
extern int	FcDetectSeason(const double *y, int n, FinopsInterrupt interrupt);

/* Factors by phase: factor[t % m] belongs to y[t].  Needs n >= 2m. */
extern void FcClassicalSeason(const double *y, int n, int m,
							  FcSeasonKind kind, double *factor);

extern double FcCentredAverage(const double *y, int n, int m, int t);

/* Smallest factor of a multiplicative season. */
#define FC_FACTOR_FLOOR 0.01

/*
 * Takes a changing season out, adaptive.c: adjusted[0..n-1], and in
 * next[0..m-1] the factors of y[n], y[n+1], ...  Needs n >= 3m.
 */
extern void FcAdaptiveSeason(const double *y, int n, int m,
							 FcSeasonKind kind, double *adjusted,
							 double *next);
extern bool FcAdaptiveLonger(double *adjusted, int n, int m, int k,
							 FcSeasonKind kind, double *next);
extern double FcSmoothFactors(const double *r, int n, int m, FcSeasonKind kind,
							  double *smooth, double *next);
extern double FcSeasonGain(const double *y, int n, int m);

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
	double		tolerance;		/* of the criterion */
	FinopsInterrupt interrupt;
	int			starts;			/* starting points, 1 .. ETS_MAX_STARTS */
} EtsOptions;

#define ETS_MAX_STARTS	7

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
 * Steps ahead
 * ---------------------------------------------------------------------
 */

/*
 * What a model says about h coming steps.  psi[j] is what an error of one
 * moves the value j steps later (psi[0] = 1); it says how the errors of the
 * steps go together, which sums of steps need.
 */
typedef struct FcSteps
{
	double	   *mean;
	double	   *variance;
	double	   *psi;
} FcSteps;

extern void ThetaSteps(const ThetaFit *fit, int h, FcSteps *out);
extern void EtsSteps(const EtsFit *fit, int h, FcSteps *out);

/* ---------------------------------------------------------------------
 * Simple models, simple.c: mean and variance of h steps
 * ---------------------------------------------------------------------
 */
extern void SimpleNaive(const double *y, int n, int m, int h, FcSteps *out);
extern void SimpleDrift(const double *y, int n, int h, FcSteps *out);
extern void SimpleMean(const double *y, int n, int h, FcSteps *out);

/* ---------------------------------------------------------------------
 * ARIMA, arima.c (likelihood, forecast) and arima_search.c
 * ---------------------------------------------------------------------
 */
typedef struct ArimaOrder
{
	int			p,
				d,
				q,
				P,
				D,
				Q;
	int			m;				/* 1: no seasonal part */
	bool		constant;		/* mean, or drift after one difference */
} ArimaOrder;

#define ARIMA_MAX_ORDER		5
#define ARIMA_MAX_SEASONAL	2
#define ARIMA_MAX_COEF		(2 * ARIMA_MAX_ORDER + 2 * ARIMA_MAX_SEASONAL)
#define ARIMA_MAX_PERIOD	24
#define ARIMA_MAX_STATE		(ARIMA_MAX_SEASONAL * ARIMA_MAX_PERIOD + ARIMA_MAX_ORDER + 1)

typedef struct ArimaFit
{
	ArimaOrder	order;
	int			n;
	double		coef[ARIMA_MAX_COEF];	/* ar, ma, seasonal ar, seasonal ma */
	double		mean;			/* of the differenced series */
	double		sigma2;
	double		loglik;			/* exact, of the differenced series */
	int			nparams;		/* without the variance */
	double		aic;
	double		aicc;
	double		bic;
	int			tried;			/* models that the search compared */
} ArimaFit;

extern bool ArimaFitOrder(const double *y, int n, ArimaOrder order,
						  FinopsInterrupt interrupt, ArimaFit *fit);
/* So many of the candidates are estimated exactly before one is chosen. */
extern bool ArimaFitAuto(const double *y, int n, int m, int finalists,
						 FinopsInterrupt interrupt, ArimaFit *fit);
#define ARIMA_FINALISTS		10
extern void ArimaSteps(const ArimaFit *fit, const double *y, int h,
					   FcSteps *out);
extern bool ArimaResiduals(const ArimaFit *fit, const double *y, double *resid);
extern const char *ArimaName(const ArimaOrder *order, char *buf);	/* 48 bytes */
extern bool ArimaFromName(const char *name, ArimaOrder *order);
extern int	FcDifferences(const double *y, int n);	/* by the KPSS test, at most 2 */
extern double FcKpss(const double *y, int n);

/* ---------------------------------------------------------------------
 * Decomposition by loess, stl.c
 * ---------------------------------------------------------------------
 */
#define STL_MAX_SEASONS 4

/*
 * y = trend + seasons + rest for one or several season lengths, ascending;
 * season: [nseasons * n].  window 0: the season does not change.
 */
extern bool StlDecompose(const double *y, int n, int nseasons, const int *m,
						 int window, bool robust, FinopsInterrupt interrupt,
						 double *season, double *trend, double *rest);
extern double StlSeasonStrength(const double *y, int n, int m,
								FinopsInterrupt interrupt);

/* ---------------------------------------------------------------------
 * Complex exponential smoothing, ces.c
 * ---------------------------------------------------------------------
 */
typedef enum CesSeason
{
	CES_NONE,
	CES_SIMPLE,
	CES_PARTIAL,
	CES_FULL
} CesSeason;

typedef struct CesFit
{
	CesSeason	season;
	int			n;
	int			m;
	double		a0,
				a1;				/* complex smoothing parameter a0 + i a1 */
	double		b0,
				b1;				/* of the season */
	double		sigma2;
	double		loglik;
	int			nparams;
	double		aicc;
} CesFit;

extern bool CesFitSeason(const double *y, int n, int m, CesSeason season,
						 FinopsInterrupt interrupt, CesFit *fit);
extern bool CesFitAuto(const double *y, int n, int m,
					   FinopsInterrupt interrupt, CesFit *fit);
extern void CesSteps(const CesFit *fit, const double *y, int h, FcSteps *out);

/* ---------------------------------------------------------------------
 * Intermittent demand, croston.c
 * ---------------------------------------------------------------------
 */
typedef enum CrostonKind
{
	CROSTON_CLASSIC,
	CROSTON_SBA,
	CROSTON_TSB
} CrostonKind;

typedef struct CrostonFit
{
	CrostonKind kind;
	double		alpha_size;
	double		alpha_interval; /* of the probability with TSB */
	double		size;
	double		interval;		/* the probability with TSB */
	double		mean;			/* per step */
	double		sigma2;
	double		adi;			/* average interval between demands */
	double		cv2;			/* squared variation of their sizes */
} CrostonFit;

extern bool CrostonFitSeries(const double *y, int n, CrostonKind kind,
							 CrostonFit *fit);
extern void CrostonSteps(const CrostonFit *fit, int h, FcSteps *out);
extern bool FcIsIntermittent(const double *y, int n);
extern bool FcMostlyZero(const double *y, int n);

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
	FC_DOTM,
	FC_ARIMA,
	FC_ARIMA_ORDER,
	FC_CES,
	FC_CROSTON,
	FC_SBA,
	FC_TSB,
	FC_INTERMITTENT,
	FC_COMBINATION
} FcModelKind;

typedef enum FcCombine
{
	FC_COMBINE_MEAN,
	FC_COMBINE_MEDIAN,
	FC_COMBINE_WEIGHTED
} FcCombine;

#define FC_MAX_PARTS	8

typedef struct FcPart
{
	FcModelKind kind;
	bool		stl;			/* on the series without its seasons */
	EtsForm		form;
	ArimaOrder	order;
} FcPart;

typedef struct FcModel
{
	FcModelKind kind;
	EtsForm		form;			/* of FC_ETS_FORM and the named smoothers */
	ArimaOrder	order;			/* of FC_ARIMA_ORDER */
	bool		stl;
	FcCombine	combine;		/* of FC_COMBINATION */
	int			nparts;
	FcPart		part[FC_MAX_PARTS];
} FcModel;

#define FC_MODEL_NAMES \
	"auto, naive, seasonal_naive, drift, mean, ses, holt, damped, " \
	"holt_winters, holt_winters_multiplicative, ets, theta, otm, dotm, " \
	"ces, arima, croston, sba, tsb, intermittent, " \
	"forms such as ETS(M,Ad,A) and ARIMA(0,1,1)(0,1,1), " \
	"stl+model, and mean(...), median(...), weighted(...) of models"

extern bool FcModelFromName(const char *name, FcModel *model);
extern const char *FcModelName(const FcModel *model, char *buf);
#define FC_NAME_SIZE	512

/* Of a longer series the newest observations are used. */
#define FC_MAX_FIT		10000
#define FC_MAX_HORIZON	10000
#define FC_PATHS		2000	/* simulated futures, where needed */
#define FC_SEED			UINT64_C(20160101)

typedef enum FcMemberKind
{
	FC_MEMBER_SIMPLE,			/* only its name */
	FC_MEMBER_ETS,
	FC_MEMBER_THETA,
	FC_MEMBER_ARIMA,
	FC_MEMBER_CES,
	FC_MEMBER_CROSTON
} FcMemberKind;

/* What was fitted; a combination has several members. */
typedef struct FcMember
{
	FcMemberKind kind;
	const char *name;			/* NULL: told by the fit */
	bool		stl;			/* fitted to the series without its seasons */
	double		weight;			/* in the forecast; all sum to 1 */
	union
	{
		EtsFit		ets;
		ThetaFit	theta;
		ArimaFit	arima;
		CesFit		ces;
		CrostonFit	croston;
	}			fit;
} FcMember;

#define FC_MAX_MEMBERS	(ETS_MAX_FORMS + FC_MAX_PARTS + 4)

#define FC_SHOWN_REGRESSORS 50

typedef struct FcDetail
{
	int			nmembers;
	FcMember	member[FC_MAX_MEMBERS];
	FcSeasonKind adjusted;		/* season taken out of the theta members */
	bool		floored;		/* bounded below, see auto.c */
	int			used;			/* observations */
	int			m;				/* season length used */
	int			nseasons;		/* of the decomposition, when there was one */
	int			seasons[STL_MAX_SEASONS];
	bool		intermittent;
	double		lambda;			/* NaN: not transformed */
	int			outliers;		/* observations replaced */
	int			late;			/* newest observations taken as incomplete */
	int			gaps;			/* zeros taken as missing */
	int			spikes;			/* coming steps with a monthly spike */
	double		spike;			/* their size */
	int			shifts;			/* level shifts taken out */
	int			shift_at[4];	/* first observation of the new level */
	double		shift_size[4];	/* by how much it lies above the one before */
	int			nregressors;
	double		beta[FC_SHOWN_REGRESSORS];
	double		ridge;			/* penalty used */
	double		strength_season;	/* 0 .. 1 */
	double		strength_trend;
} FcDetail;

typedef enum FcStatus
{
	FC_OK,
	FC_TOO_SHORT,
	FC_NEEDS_SEASON,
	FC_SEASON_TOO_LONG,
	FC_NEEDS_POSITIVE,
	FC_NEEDS_NONNEGATIVE,
	FC_SINGULAR
} FcStatus;

typedef enum FcInterval
{
	FC_INTERVAL_DEFAULT,		/* what suits the model */
	FC_INTERVAL_ANALYTIC,
	FC_INTERVAL_SIMULATED,
	FC_INTERVAL_CONFORMAL,
	FC_INTERVAL_ADAPTIVE
} FcInterval;

typedef enum FcTransform
{
	FC_TRANSFORM_NONE,
	FC_TRANSFORM_LAMBDA,
	FC_TRANSFORM_AUTO
} FcTransform;

/* By default auto treats daily series, whose season is a week. */
typedef enum FcTreat
{
	FC_TREAT_DEFAULT,
	FC_TREAT_NEVER,
	FC_TREAT_ALWAYS
} FcTreat;

#define FC_MAX_REGRESSORS	200

typedef struct FcOptions
{
	FcTransform transform;
	double		lambda;
	bool		median;			/* no bias correction after a transformation */
	double		lower;			/* bounds of every forecast */
	double		upper;
	int			nseasons;		/* further season lengths, ascending */
	int			seasons[STL_MAX_SEASONS];
	FcInterval	interval;
	uint64		seed;
	int			sum;			/* steps per total; 0: no totals */
	FcTreat		outliers;		/* replace them before fitting */
	FcTreat		shifts;			/* take level shifts out before fitting */
	int			nregressors;
	const double *regressors;	/* [nregressors][n + h] */
	double		ridge;			/* NaN: chosen */
} FcOptions;

extern const FcOptions FcDefaults;

/* What is added to the model's steps, each [h]; to be told apart. */
typedef struct FcExtras
{
	double	   *regressors;
	double	   *fees;
} FcExtras;

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
	const FcOptions *options;	/* NULL: the defaults */
	FcExtras   *extras;			/* or NULL */
} FcRequest;

/*
 * mean[h]; lower and upper [h * nlevels], a level after the other within a
 * step, NaN where the series is too short for a variance.  With totals there
 * are ceil(h / sum) steps.  detail may be NULL.
 */
extern FcStatus FcForecast(const FcRequest *request, double *mean,
						   double *lower, double *upper, FcDetail *detail);

/*
 * Parts of a forecast, explain.c; each [h] but seasons, which is
 * [FC_MOST_SEASONS * h], season by season: the parts of season.
 */
#define FC_MOST_SEASONS	(STL_MAX_SEASONS + 1)

typedef struct FcParts
{
	double	   *level;
	double	   *shifts;
	double	   *trend;
	double	   *season;
	double	   *regressors;
	double	   *fees;
	double	   *seasons;
	int			nseasons;
	int			length[FC_MOST_SEASONS];	/* ascending */
} FcParts;

extern double FcBase(const double *path, int m, double *slope);

extern FcStatus FcExplain(const FcRequest *request, double *mean,
						  FcParts *parts, FcDetail *detail);

/* Mean, variance and psi of one model, before bounds; internal. */
extern FcStatus FcRunModel(const FcRequest *q, FcSteps *out, FcDetail *detail);
extern void FcAutoModel(const FcRequest *q, FcSteps *out, FcDetail *detail);
extern FcMember *FcAddMember(FcDetail *detail, FcMemberKind kind,
							 const char *name, double weight);
extern void FcPutBackSeason(FcSeasonKind kind, const double *next, int m,
							int h, FcSteps *out);

/* The season of daily series. */
#define FC_WEEK		7

extern int	FcLongerSeason(int m);
extern bool FcBlocksApply(const FcRequest *q);
extern void FcBlocksForecast(const FcRequest *q, FcSeasonKind kind, double *mean);
extern bool FcLevelsForecast(const double *y, int n, bool ratio, int h,
							 double *mean);
extern int	FcSeasonsOf(const FcRequest *q, int *seasons);

/* Intervals, interval.c. */
extern void FcNormalIntervals(const FcRequest *q, const FcSteps *steps,
							  double *lower, double *upper);
extern void FcSumSteps(int h, int every, FcSteps *steps,
					   FinopsInterrupt interrupt);
extern bool FcConformalIntervals(const FcRequest *q, const FcSteps *steps,
								 double *lower, double *upper);
extern bool FcSimulatedIntervals(const FcRequest *q, const FcSteps *steps,
								 const FcDetail *detail, double *lower,
								 double *upper);

#endif							/* FINOPS_MODELS_H */
