/*-------------------------------------------------------------------------
 *
 * arima.h
 *	  Between arima.c and arima_search.c.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_ARIMA_H
#define FINOPS_ARIMA_H

#include "forecast/models.h"

typedef struct ArimaWork
{
	int			total;			/* observations */
	int			n;				/* after differencing */
	ArimaOrder	order;
	bool		exact;			/* else the conditional sum of squares */
	int			pp,
				qq,
				r;				/* orders of the expanded polynomials */
	double	   *memory;
	double	   *w;				/* [n] differenced series */
	double	   *v;				/* [n] innovations */
	double	   *one;			/* [n] innovations of ones */
	double	   *unit;			/* [n] ones */
	double	   *scratch;
	double	   *room;
	double	   *track;			/* [3 * (n + ARIMA_MAX_STATE)] of the filter */
	double		floor;
	double		s;				/* weighted sum of squares */
	double		svv,
				sv1,
				s11;
	double		logs;
	double		mean;
	int			nar;
	int			lag[ARIMA_MAX_STATE];	/* autoregressive terms that are not 0 */
	double		value[ARIMA_MAX_STATE];
	double		coef[ARIMA_MAX_COEF];
	double		ar[ARIMA_MAX_STATE];
	double		ma[ARIMA_MAX_STATE];
	bool		seen;			/* criterion at the point below: */
	double		seen_value;
	double		seen_at[ARIMA_MAX_COEF];
	double		state[ARIMA_MAX_STATE];
	double		ones[ARIMA_MAX_STATE];
} ArimaWork;

extern ArimaWork *ArimaAlloc(void);
extern bool ArimaBegin(ArimaWork *w, const double *y, int n, ArimaOrder order);
extern void ArimaSetOrder(ArimaWork *w, ArimaOrder order);
extern void ArimaEnd(ArimaWork *w);
extern int	ArimaDimension(const ArimaOrder *o);
extern void ArimaCoefficients(const ArimaOrder *o, const double *x,
							  double *coef);
extern bool ArimaRootsBeyond(const ArimaFit *fit, double radius);
extern int	ArimaDifference(const double *y, int n, int lag, double *out);
extern double ArimaOptimise(ArimaWork *w, double *x, int iterations,
							double tolerance, FinopsInterrupt interrupt);
extern void ArimaFill(ArimaWork *w, const double *x, ArimaFit *fit);

#endif							/* FINOPS_ARIMA_H */
