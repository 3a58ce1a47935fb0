/*-------------------------------------------------------------------------
 *
 * chart_draw.c
 *	  Lines, stacked columns and bars.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#include "report/chart.h"

#include <math.h>
#include <stdio.h>

#define LEGEND_ROW 18
#define LABEL_CELLS 10 /* of a label below the axis */

/* Where the values of a chart are drawn. */
typedef struct Plot
{
	double left;
	double top;
	double width;
	double height;
	ChartScale scale;
} Plot;

static double
y_of(const Plot *plot, double value)
{
	double low = ChartTick(&plot->scale, 0);
	double high = ChartTick(&plot->scale, plot->scale.count - 1);

	return plot->top + plot->height * (high - value) / (high - low);
}

static const char *
check(const ChartSeries *series, int nseries, int nlabels)
{
	const char *problem = NULL;

	for (int s = 0; s < nseries && problem == NULL; s++)
	{
		problem = ChartCheck(series[s].values, nlabels);
		if (problem == NULL && series[s].lower != NULL)
			problem = ChartCheck(series[s].lower, nlabels);
		if (problem == NULL && series[s].upper != NULL)
			problem = ChartCheck(series[s].upper, nlabels);
	}
	return problem;
}

static void
widen(const ChartValue *values, int n, double *low, double *high, int *seen)
{
	for (int i = 0; values != NULL && i < n; i++)
	{
		if (!values[i].present)
			continue;
		*low = *seen == 0 ? values[i].value : Min(*low, values[i].value);
		*high = *seen == 0 ? values[i].value : Max(*high, values[i].value);
		(*seen)++;
	}
}

/* ---------------------------------------------------------------------
 * Legend and axes
 * ---------------------------------------------------------------------
 */

/* Names of the series with their colours, in rows; returns the height.  Drawn where "draw". */
static double
legend(const Chart *chart, const ChartSeries *series, int nseries, double top, bool draw)
{
	double x = 6;
	double y = top;

	if (nseries == 1 && series[0].name == NULL)
		return 0;
	for (int s = 0; s < nseries; s++)
	{
		const char *name = series[s].name != NULL ? series[s].name : "";
		double width = 24 + CHART_CELL * Min(30.0, (double) strlen(name));

		if (x > 6 && x + width > chart->width)
		{
			x = 6;
			y += LEGEND_ROW;
		}
		if (draw)
		{
			ChartPrint(chart, "<rect style=\"fill:var(--fc-%d)\" x=\"%.1f\" y=\"%.1f\" width=\"10\" height=\"10\" rx=\"2\"/>",
					   s, x, y + 3);
			ChartText(chart, "fc-soft", x + 15, y + 12, Min(width - 18, chart->width - x - 21), name);
		}
		x += width + 4;
	}
	return y - top + LEGEND_ROW + 4;
}

static void
grid(const Chart *chart, const Plot *plot)
{
	for (int i = 0; i < plot->scale.count; i++)
	{
		char text[CHART_NUMBER_SIZE];
		double y = y_of(plot, ChartTick(&plot->scale, i));

		ChartTickText(&plot->scale, i, text);
		ChartPrint(chart, "<path class=\"%s\" d=\"M%.1f %.1fH%.1f\"/>",
				   plot->scale.first + i == 0 ? "fc-zero" : "fc-grid", plot->left, y, plot->left + plot->width);
		ChartPrint(chart, "<text class=\"fc-soft-end\" x=\"%.1f\" y=\"%.1f\">%s</text>", plot->left - 6, y + 4, text);
	}
}

/* Room for the texts of the ticks. */
static double
tick_room(const ChartScale *scale)
{
	size_t longest = 1;

	for (int i = 0; i < scale->count; i++)
	{
		char text[CHART_NUMBER_SIZE];

		ChartTickText(scale, i, text);
		longest = Max(longest, strlen(text));
	}
	return 14 + CHART_CELL * (double) longest;
}

/* Labels below the plot, as many of them as fit beside each other, evenly spaced. */
static void
label_axis(const Chart *chart, const Plot *plot, const char *const *labels, int n)
{
	double band = plot->width / n;
	size_t longest = 1;
	int every;

	for (int i = 0; i < n; i++)
		longest = Max(longest, Min((size_t) LABEL_CELLS, strlen(labels[i])));
	every = (int) ceil((CHART_CELL * (double) longest + 8) / band);
	for (int i = 0; i < n; i += Max(every, 1))
	{
		double x = plot->left + band * (i + 0.5);
		double half = CHART_CELL * (double) longest / 2;

		x = Max(Min(x, chart->width - half), half);
		ChartText(chart, "fc-soft-mid", x, plot->top + plot->height + 17, CHART_CELL * LABEL_CELLS + 1, labels[i]);
	}
}

/* Title, legend, axes and labels around a plot of values from low to high. */
static void
frame(const Chart *chart, Plot *plot, const char *kind, const char *const *labels, int nlabels,
	  const ChartSeries *series, int nseries, double low, double high)
{
	char description[256];
	char least[CHART_NUMBER_SIZE];
	char most[CHART_NUMBER_SIZE];
	double top = ChartTop(chart);
	double names = legend(chart, series, nseries, top, false);

	ChartScaleOf(low, high, 4, &plot->scale);
	plot->left = tick_room(&plot->scale);
	plot->top = top + names + 4;
	plot->width = chart->width - plot->left - 10;
	plot->height = chart->height;
	ChartShortNumber(low, least);
	ChartShortNumber(high, most);
	snprintf(description, sizeof(description), "%s, %d series of %d values, axis from %s to %s.", kind, nseries,
			 nlabels, least, most);
	ChartBegin(chart, plot->top + plot->height + 26, description);
	legend(chart, series, nseries, top, true);
	grid(chart, plot);
	label_axis(chart, plot, labels, nlabels);
}

/* ---------------------------------------------------------------------
 * Lines
 * ---------------------------------------------------------------------
 */

static double
x_of(const Plot *plot, int nlabels, int i)
{
	return plot->left + plot->width / nlabels * (i + 0.5);
}

/* The interval around a line: its upper side forth, its lower side back, one piece for each run of values. */
static void
band(const Chart *chart, const Plot *plot, const ChartSeries *series, int s, int n)
{
	int i = 0;

	while (i < n)
	{
		int from = i;

		while (i < n && series->lower[i].present && series->upper[i].present)
			i++;
		if (i == from)
		{
			i++;
			continue;
		}
		ChartPrint(chart, "<path class=\"fc-band\" style=\"fill:var(--fc-%d)\" d=\"", s);
		for (int k = from; k < i; k++)
			ChartPrint(chart, "%s%.1f %.1f", k == from ? "M" : "L", x_of(plot, n, k), y_of(plot, series->upper[k].value));
		for (int k = i - 1; k >= from; k--)
			ChartPrint(chart, "L%.1f %.1f", x_of(plot, n, k), y_of(plot, series->lower[k].value));
		ChartPrint(chart, "Z\"/>");
	}
}

static void
line(const Chart *chart, const Plot *plot, const char *const *labels, const ChartSeries *series, int s, int n)
{
	/* dashes tell lines apart where colours do not print */
	static const char *const dash[] = { "none", "7 4", "2 4", "9 3 2 3", "4 3", "1 3", "12 4", "6 2 1 2" };
	bool drawing = false;
	double radius = n <= 40 ? 3 : 1.5;

	ChartPrint(chart, "<path class=\"fc-line\" style=\"stroke:var(--fc-%d)\" stroke-dasharray=\"%s\" d=\"", s, dash[s]);
	for (int i = 0; i < n; i++)
	{
		if (series->values[i].present)
			ChartPrint(chart, "%s%.1f %.1f", drawing ? "L" : "M", x_of(plot, n, i), y_of(plot, series->values[i].value));
		drawing = series->values[i].present;
	}
	ChartPrint(chart, "\"/>");
	for (int i = 0; i < n; i++)
	{
		if (!series->values[i].present)
			continue;
		ChartPrint(chart, "<circle style=\"fill:var(--fc-%d)\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\">", s,
				   x_of(plot, n, i), y_of(plot, series->values[i].value), radius);
		ChartTip(chart, series->name, labels[i], series->values[i].value);
		ChartPrint(chart, "</circle>");
	}
}

const char *
ChartLines(const Chart *chart, const char *const *labels, int nlabels, const ChartSeries *series, int nseries)
{
	const char *problem = check(series, nseries, nlabels);
	double low = 0;
	double high = 0;
	int seen = 0;
	Plot plot;

	if (problem != NULL)
		return problem;
	for (int s = 0; s < nseries; s++)
	{
		widen(series[s].values, nlabels, &low, &high, &seen);
		widen(series[s].lower, nlabels, &low, &high, &seen);
		widen(series[s].upper, nlabels, &low, &high, &seen);
	}
	if (seen == 0)
	{
		ChartNothing(chart);
		return NULL;
	}
	if (chart->from_zero)
	{
		low = Min(low, 0);
		high = Max(high, 0);
	}
	frame(chart, &plot, "Line chart", labels, nlabels, series, nseries, low, high);
	for (int s = 0; s < nseries; s++)
		if (series[s].lower != NULL && series[s].upper != NULL)
			band(chart, &plot, &series[s], s, nlabels);
	for (int s = 0; s < nseries; s++)
		line(chart, &plot, labels, &series[s], s, nlabels);
	ChartEnd(chart);
	return NULL;
}

/* ---------------------------------------------------------------------
 * Stacked columns: what is above zero grows up, what is below grows down
 * ---------------------------------------------------------------------
 */

static void
column(const Chart *chart, const Plot *plot, const char *const *labels, int nlabels,
	   const ChartSeries *series, int nseries, int i)
{
	double above = 0;
	double below = 0;
	double width = plot->width / nlabels * 0.72;

	for (int s = 0; s < nseries; s++)
	{
		double value = series[s].values[i].present ? series[s].values[i].value : 0;
		double *sum = value < 0 ? &below : &above;
		double from = y_of(plot, *sum);
		double to;

		if (value == 0)
			continue;
		*sum += value;
		to = y_of(plot, *sum);
		ChartPrint(chart, "<rect class=\"fc-part\" style=\"fill:var(--fc-%d)\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
						  "height=\"%.1f\">",
				   s, x_of(plot, nlabels, i) - width / 2, Min(from, to), width, fabs(to - from));
		ChartTip(chart, series[s].name, labels[i], value);
		ChartPrint(chart, "</rect>");
	}
}

const char *
ChartStack(const Chart *chart, const char *const *labels, int nlabels, const ChartSeries *series, int nseries)
{
	const char *problem = check(series, nseries, nlabels);
	double low = 0;
	double high = 0;
	bool any = false;
	Plot plot;

	if (problem != NULL)
		return problem;
	for (int i = 0; i < nlabels; i++)
	{
		double above = 0;
		double below = 0;

		for (int s = 0; s < nseries; s++)
		{
			if (!series[s].values[i].present)
				continue;
			any = true;
			*(series[s].values[i].value < 0 ? &below : &above) += series[s].values[i].value;
		}
		low = Min(low, below);
		high = Max(high, above);
	}
	if (!any)
	{
		ChartNothing(chart);
		return NULL;
	}
	frame(chart, &plot, "Stacked columns", labels, nlabels, series, nseries, low, high);
	for (int i = 0; i < nlabels; i++)
		column(chart, &plot, labels, nlabels, series, nseries, i);
	ChartEnd(chart);
	return NULL;
}

/* ---------------------------------------------------------------------
 * Bars: a name, a bar and its value on each row
 * ---------------------------------------------------------------------
 */

#define BAR_ROW 24

static void
bar(const Chart *chart, const char *label, const ChartValue *value, double y, double zero, double per_unit)
{
	char number[CHART_NUMBER_SIZE];
	double names = chart->width * 0.34;
	double end = zero + (value->present ? value->value * per_unit : 0);

	ChartText(chart, "fc-end", names - 8, y + 16, names - 12, label);
	if (!value->present)
		return;
	ChartPrint(chart, "<rect style=\"fill:var(--fc-%d)\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"2\">",
			   value->value < 0 ? 1 : 0, Min(zero, end), y + 4, Max(fabs(end - zero), 0.5), BAR_ROW - 8);
	ChartTip(chart, NULL, label, value->value);
	ChartPrint(chart, "</rect>");
	ChartShortNumber(value->value, number);
	ChartPrint(chart, "<text class=\"fc-soft\" x=\"%.1f\" y=\"%.1f\">%s</text>", Max(zero, end) + 6, y + 16, number);
}

const char *
ChartBars(const Chart *chart, const char *const *labels, int nlabels, const ChartValue *values)
{
	const char *problem = ChartCheck(values, nlabels);
	double low = 0;
	double high = 0;
	double top = ChartTop(chart);
	double left = chart->width * 0.34;
	double room = chart->width - left - 58; /* the value of the longest bar stands beside it */
	double per_unit;
	char description[128];
	int seen = 0;

	if (problem != NULL)
		return problem;
	widen(values, nlabels, &low, &high, &seen);
	if (seen == 0)
	{
		ChartNothing(chart);
		return NULL;
	}
	low = Min(low, 0);
	high = Max(high, 0);
	per_unit = high > low ? room / (high - low) : 0;
	snprintf(description, sizeof(description), "Bar chart of %d values.", nlabels);
	ChartBegin(chart, top + nlabels * BAR_ROW + 8, description);
	for (int i = 0; i < nlabels; i++)
		bar(chart, labels[i], &values[i], top + i * BAR_ROW, left - low * per_unit, per_unit);
	ChartPrint(chart, "<path class=\"fc-zero\" d=\"M%.1f %.1fV%.1f\"/>", left - low * per_unit, top,
			   top + nlabels * BAR_ROW + 2);
	ChartEnd(chart);
	return NULL;
}
