/*-------------------------------------------------------------------------
 *
 * chart.c
 *	  What the charts share: scales, numbers, texts and colours.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#include "report/chart.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LIGHT                                                               \
	"--fc-paper:#fff;--fc-ink:#1b2430;--fc-soft:#56616d;--fc-line:#d9dfe5;" \
	"--fc-0:#0072b2;--fc-1:#d55e00;--fc-2:#009e73;--fc-3:#cc79a7;"          \
	"--fc-4:#e69f00;--fc-5:#56b4e9;--fc-6:#f0e442;--fc-7:#666f78"
#define DARK                                                                   \
	"--fc-paper:#171c22;--fc-ink:#e8edf2;--fc-soft:#a9b4c0;--fc-line:#343d47;" \
	"--fc-0:#56b4e9;--fc-1:#e69f00;--fc-2:#1fbf92;--fc-3:#cc79a7;"             \
	"--fc-4:#d55e00;--fc-5:#2f8fd0;--fc-6:#f0e442;--fc-7:#b4bcc4"

static const char *const style =
	".finops-chart{" LIGHT ";color-scheme:light dark;display:block;max-width:100%;height:auto;"
	"font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",\"DejaVu Sans\",sans-serif;font-size:12px}"
	".finops-chart text{fill:var(--fc-ink);direction:ltr;unicode-bidi:isolate;font-variant-numeric:tabular-nums}"
	".finops-chart .fc-title{font-size:14px;font-weight:600}"
	".finops-chart .fc-soft{fill:var(--fc-soft)}.finops-chart .fc-end{text-anchor:end}"
	".finops-chart .fc-soft-end{fill:var(--fc-soft);text-anchor:end}"
	".finops-chart .fc-soft-mid{fill:var(--fc-soft);text-anchor:middle}"
	".finops-chart .fc-paper{fill:var(--fc-paper)}.finops-chart .fc-grid{stroke:var(--fc-line);stroke-width:1}"
	".finops-chart .fc-zero{stroke:var(--fc-soft);stroke-width:1}"
	".finops-chart .fc-line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
	".finops-chart .fc-part{stroke:var(--fc-paper);stroke-width:.7}"
	".finops-chart .fc-band{fill-opacity:.2;stroke:none}.finops-chart .fc-flow{fill-opacity:.42;stroke:none}"
	"@media (prefers-color-scheme:dark){.finops-chart{" DARK "}}"
	"@media print{.finops-chart{" LIGHT "}}";

void
ChartPrint(const Chart *chart, const char *format, ...)
{
	char buffer[512];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(buffer, sizeof(buffer), format, args);
	va_end(args);
	if (len > 0)
		chart->write(chart->arg, buffer, Min((size_t) len, sizeof(buffer) - 1));
}

static void
raw(const Chart *chart, const char *text)
{
	chart->write(chart->arg, text, strlen(text));
}

static void
escaped(const Chart *chart, const char *text)
{
	MarkupEscape(chart->write, chart->arg, text, strlen(text), true);
}

/* ---------------------------------------------------------------------
 * Scales and numbers
 * ---------------------------------------------------------------------
 */

/* 1, 2 or 5 times a power of ten, the smallest that is not below the given one */
static double
round_step(double least, int *exponent)
{
	static const int digit[] = { 1, 2, 5 };
	int e = (int) floor(log10(least));

	for (;; e++)
		for (size_t i = 0; i < lengthof(digit); i++)
		{
			double step = e < 0 ? digit[i] / pow(10, -e) : digit[i] * pow(10, e);

			if (step >= least * (1 - 1e-9))
			{
				*exponent = e;
				return step;
			}
		}
}

static const char *
divided(double size, double *divisor, int *power)
{
	static const char *const suffix[] = { "", "k", "M", "B", "T" };
	int i = 0;

	*divisor = 1;
	while (i < 4 && size >= *divisor * 1000)
	{
		*divisor *= 1000;
		i++;
	}
	*power = 3 * i;
	return suffix[i];
}

void
ChartScaleOf(double low, double high, int wanted, ChartScale *scale)
{
	double size = Max(fabs(low), fabs(high));
	double span = high - low;
	int exponent;
	int power;

	/* equal values, and differences that a double does not show, get a span of their own */
	if (span < size * 1e-9 || span < 1e-9)
		span = size > 0 ? Max(size * 1e-3, 1e-9) : 1;
	scale->step = round_step(span / wanted, &exponent);
	scale->first = (int64) floor(low / scale->step + 1e-9);
	scale->count = (int) ((int64) ceil(high / scale->step - 1e-9) - scale->first) + 1;
	if (scale->count < 2)
		scale->count = 2;
	/* 0 to 2000 in steps of 500 reads better whole than as 0.5k */
	scale->suffix = divided(size < 10000 ? 1 : size, &scale->divisor, &power);
	scale->decimals = Max(0, power - exponent);
}

double
ChartTick(const ChartScale *scale, int i)
{
	return (double) (scale->first + i) * scale->step;
}

void
ChartTickText(const ChartScale *scale, int i, char out[CHART_NUMBER_SIZE])
{
	/* minus zero is zero */
	double value = ChartTick(scale, i) / scale->divisor + 0.0;

	snprintf(out, CHART_NUMBER_SIZE, "%.*f%s", scale->decimals, value,
			 scale->first + i == 0 ? "" : scale->suffix);
	if (scale->first + i == 0)
		snprintf(out, CHART_NUMBER_SIZE, "0");
}

void
ChartShortNumber(double value, char out[CHART_NUMBER_SIZE])
{
	double divisor;
	double size;
	int power;
	int decimals;
	const char *suffix = divided(fabs(value), &divisor, &power);

	/* 999.96k is shown as 1.00M, not as 1000k */
	if (fabs(value) / divisor >= 999.5 && power < 12)
		suffix = divided(fabs(value) * 1.001, &divisor, &power);
	size = fabs(value) / divisor;
	decimals = size >= 99.95 ? 0 : size >= 9.995 ? 1 :
												   2;
	if (power == 0 && size == floor(size))
		decimals = 0;
	snprintf(out, CHART_NUMBER_SIZE, "%.*f%s", decimals, value / divisor, suffix);
	if (value < 0 && strtod(out, NULL) == 0)
		memmove(out, out + 1, strlen(out));
}

void
ChartFullNumber(double value, char out[CHART_NUMBER_SIZE])
{
	char plain[CHART_NUMBER_SIZE];
	int digits;
	size_t n = 0;

	snprintf(plain, sizeof(plain), "%.2f", fabs(value));
	digits = (int) strcspn(plain, ".");
	if (value < 0 && strspn(plain, "0.") < strlen(plain))
		out[n++] = '-';
	for (int i = 0; i < digits; i++)
	{
		out[n++] = plain[i];
		if (i < digits - 1 && (digits - 1 - i) % 3 == 0)
			out[n++] = ',';
	}
	memcpy(out + n, plain + digits, strlen(plain + digits) + 1);
}

/* ---------------------------------------------------------------------
 * Texts
 * ---------------------------------------------------------------------
 */

/* Length of the character that starts here, and its cells; what is not UTF-8 counts byte by byte. */
static size_t
character(const unsigned char *s, int *cells)
{
	size_t len = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 :
								s[0] >= 0xC0	 ? 2 :
												   1;
	unsigned code;

	*cells = 1;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xC0) != 0x80)
			return 1;
	if (len < 3)
		return len;
	if (len == 4)
	{
		*cells = 2;
		return len;
	}
	code = (s[0] & 0x0Fu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
	/* from Hangul on most letters are wide; U+2000 to U+2E7F are signs */
	if ((code >= 0x1100 && code < 0x1200) || code >= 0x2E80)
		*cells = 2;
	return len;
}

size_t
ChartFit(const char *text, int cells, bool *cut)
{
	size_t at = 0;
	size_t shorter = 0;
	int used = 0;

	*cut = false;
	while (text[at] != '\0')
	{
		int wide;
		size_t len = character((const unsigned char *) text + at, &wide);

		if (used + wide > cells)
		{
			*cut = true;
			return shorter;
		}
		used += wide;
		at += len;
		if (used <= cells - 1)
			shorter = at;
	}
	return at;
}

/* A text in so many pixels; one that is cut has its full text as a tip. */
void
ChartText(const Chart *chart, const char *class, double x, double y, double room, const char *text)
{
	double cell = strcmp(class, "fc-title") == 0 ? CHART_CELL * 1.25 : CHART_CELL;
	bool cut;
	size_t len = ChartFit(text, Max(1, (int) (room / cell)), &cut);

	ChartPrint(chart, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
	if (cut)
	{
		raw(chart, "<title>");
		escaped(chart, text);
		raw(chart, "</title>");
	}
	MarkupEscape(chart->write, chart->arg, text, len, true);
	raw(chart, cut ? "&#8230;</text>" : "</text>");
}

/* <title>label · series: 1,234.00 USD</title>; names are isolated from the direction of the number */
void
ChartTip(const Chart *chart, const char *series, const char *label, double value)
{
	char number[CHART_NUMBER_SIZE];

	ChartFullNumber(value, number);
	ChartPrint(chart, "<title>%s", number);
	if (chart->unit != NULL)
	{
		raw(chart, " ");
		escaped(chart, chart->unit);
	}
	raw(chart, " &#183; &#8296;");
	escaped(chart, label);
	raw(chart, "&#8297;");
	if (series != NULL)
	{
		raw(chart, " &#183; &#8296;");
		escaped(chart, series);
		raw(chart, "&#8297;");
	}
	raw(chart, "</title>");
}

/* ---------------------------------------------------------------------
 * The frame of a drawing
 * ---------------------------------------------------------------------
 */

/* Height that title and unit take. */
double
ChartTop(const Chart *chart)
{
	return (chart->title != NULL ? 24 : 6) + (chart->unit != NULL ? 18 : 4);
}

void
ChartBegin(const Chart *chart, double height, const char *description)
{
	ChartPrint(chart, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"finops-chart\" role=\"img\" "
					  "width=\"%d\" height=\"%.0f\" viewBox=\"0 0 %d %.0f\"><title>",
			   chart->width, height,
			   chart->width, height);
	escaped(chart, chart->title != NULL ? chart->title : "Chart");
	raw(chart, "</title><desc>");
	escaped(chart, description);
	raw(chart, "</desc><style>");
	raw(chart, style);
	ChartPrint(chart, "</style><rect class=\"fc-paper\" width=\"%d\" height=\"%.0f\"/>", chart->width, height);
	if (chart->title != NULL)
		ChartText(chart, "fc-title", 6, 18, chart->width - 12, chart->title);
	if (chart->unit != NULL)
		ChartText(chart, "fc-soft", 6, ChartTop(chart) - 6, chart->width - 12, chart->unit);
}

void
ChartEnd(const Chart *chart)
{
	raw(chart, "</svg>");
}

void
ChartNothing(const Chart *chart)
{
	double height = ChartTop(chart) + 60;

	ChartBegin(chart, height, "There is no data.");
	ChartPrint(chart, "<text class=\"fc-soft-mid\" x=\"%.1f\" y=\"%.1f\">No data</text>", chart->width / 2.0,
			   height - 34);
	ChartEnd(chart);
}

const char *
ChartCheck(const ChartValue *values, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (!values[i].present)
			continue;
		if (isnan(values[i].value) || isinf(values[i].value))
			return "A value is not a finite number.";
		if (fabs(values[i].value) > CHART_VALUE_MAX)
			return "A value is beyond 1e18.";
	}
	return NULL;
}
