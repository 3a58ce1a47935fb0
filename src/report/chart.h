/*-------------------------------------------------------------------------
 *
 * chart.h
 *	  Charts as SVG: lines, stacked columns, bars and flows.  Pure.
 *
 * A chart stands alone or inside an HTML page; it loads nothing and has no
 * script.  Texts are UTF-8.  Colours are those of Okabe and Ito, which people
 * with any kind of colour blindness tell apart, and follow the light or dark
 * scheme of the reader; paper and ink are part of the chart.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_CHART_H
#define FINOPS_CHART_H

#include "core/escape.h"

#define CHART_SERIES_MAX 8 /* colours that can be told apart */
#define CHART_LABELS_MAX 400
#define CHART_NODES_MAX 60 /* of either side of a flow */
#define CHART_LINKS_MAX 1000
#define CHART_VALUE_MAX 1e18
#define CHART_NUMBER_SIZE 64

typedef struct ChartValue
{
	double value;
	bool present; /* false: a gap */
} ChartValue;

typedef struct ChartSeries
{
	const char *name;		  /* NULL: the only series needs none */
	const ChartValue *values; /* one for each label */
	const ChartValue *lower;  /* of an interval around a line, or NULL */
	const ChartValue *upper;
} ChartSeries;

typedef struct ChartNode
{
	const char *name;
	double value; /* from here on: filled by ChartFlow */
	double y;
	double height;
	double used; /* height that links took so far */
	int rank;	 /* 0 is the largest, on top */
} ChartNode;

typedef struct ChartLink
{
	int source;	  /* index of a node of the left side */
	int target;	  /* of the right side */
	double value; /* > 0 */
} ChartLink;

typedef struct Chart
{
	MarkupSink write;
	void *arg;
	const char *title; /* or NULL */
	const char *unit;  /* such as USD or %, or NULL */
	int width;		   /* of the drawing, 240 to 2000 */
	int height;		   /* of the plot, 80 to 2000; bars and flows grow with their data */
	bool from_zero;	   /* the axis of a line starts at 0 */
} Chart;

/* Ticks at (first + i) * step, 0 <= i < count; step is 1, 2 or 5 times a power of 10. */
typedef struct ChartScale
{
	double step;
	int64 first;
	int count;
	int decimals; /* of a tick's text */
	double divisor;
	const char *suffix; /* of the divisor: k, M, B, T or nothing */
} ChartScale;

/* A scale of about "wanted" steps that covers low to high, both finite. */
extern void ChartScaleOf(double low, double high, int wanted, ChartScale *scale);
extern double ChartTick(const ChartScale *scale, int i);
extern void ChartTickText(const ChartScale *scale, int i, char out[CHART_NUMBER_SIZE]);

/* Three digits and a suffix, 1234567 is 1.23M; and with all of its thousands, 1,234,567.00 */
extern void ChartShortNumber(double value, char out[CHART_NUMBER_SIZE]);
extern void ChartFullNumber(double value, char out[CHART_NUMBER_SIZE]);

/*
 * How many bytes of a text stand in so many cells; wide characters take two.
 * The whole text where it fits, else one cell is left for an ellipsis.
 */
extern size_t ChartFit(const char *text, int cells, bool *cut);

/*
 * Draw.  Returns NULL, or what is wrong with the data, a sentence; then
 * nothing was written.
 */
extern const char *ChartLines(const Chart *chart, const char *const *labels, int nlabels,
							  const ChartSeries *series, int nseries);
extern const char *ChartStack(const Chart *chart, const char *const *labels, int nlabels,
							  const ChartSeries *series, int nseries);
extern const char *ChartBars(const Chart *chart, const char *const *labels, int nlabels,
							 const ChartValue *values);
extern const char *ChartFlow(const Chart *chart, ChartNode *sources, int nsources,
							 ChartNode *targets, int ntargets, const ChartLink *links, int nlinks);

/* For the files of the charts: pieces of a drawing. */
extern void ChartPrint(const Chart *chart, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
extern void ChartText(const Chart *chart, const char *class, double x, double y, double room,
					  const char *text);
extern void ChartTip(const Chart *chart, const char *series, const char *label, double value);
extern void ChartBegin(const Chart *chart, double height, const char *description);
extern void ChartEnd(const Chart *chart);
extern void ChartNothing(const Chart *chart);
extern double ChartTop(const Chart *chart);
extern const char *ChartCheck(const ChartValue *values, int n);

#define CHART_CELL 6.6 /* width of a character at 12 px, a little generous */

#endif /* FINOPS_CHART_H */
