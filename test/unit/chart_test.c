/* links: src/report/chart.c src/report/chart_draw.c src/report/chart_flow.c src/core/escape.c */
/*-------------------------------------------------------------------------
 *
 * chart_test.c
 *	  Ticks and numbers worked out by hand, and charts of ordinary, empty,
 *	  negative and hostile data.
 *
 *-------------------------------------------------------------------------
 */
#include "report/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "random.h"
#include "tap.h"

static char *drawn;
static size_t drawn_len;

static void
keep(void *arg, const char *bytes, size_t len)
{
	(void) arg;
	drawn = realloc(drawn, drawn_len + len + 1);
	memcpy(drawn + drawn_len, bytes, len);
	drawn_len += len;
	drawn[drawn_len] = '\0';
}

static Chart
new_chart(const char *title)
{
	Chart chart = { keep, NULL, title, "USD", 440, 200, true };

	drawn_len = 0;
	keep(NULL, "", 0);
	return chart;
}

static bool
has(const char *text)
{
	return strstr(drawn, text) != NULL;
}

static int
count(const char *text)
{
	int n = 0;

	for (const char *s = drawn; (s = strstr(s, text)) != NULL; s++)
		n++;
	return n;
}

/* The texts of all ticks, separated by blanks. */
static const char *
ticks(double low, double high, int wanted)
{
	static char all[2048];
	ChartScale scale;

	ChartScaleOf(low, high, wanted, &scale);
	all[0] = '\0';
	for (int i = 0; i < scale.count; i++)
	{
		char text[CHART_NUMBER_SIZE];

		ChartTickText(&scale, i, text);
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i == 0 ? "" : " ", text);
	}
	return all;
}

static bool
tick_is(double low, double high, const char *expected)
{
	const char *got = ticks(low, high, 4);

	if (strcmp(got, expected) != 0)
		printf("# %s\n", got);
	return strcmp(got, expected) == 0;
}

static void
test_ticks(void)
{
	ok(tick_is(0, 7, "0 2 4 6 8"), "a step of 1.75 becomes 2");
	ok(tick_is(0, 100, "0 50 100"), "25 becomes 50");
	ok(tick_is(0, 1900, "0 500 1000 1500 2000"), "475 becomes 500, without a suffix");
	ok(tick_is(0, 1234567, "0 0.5M 1.0M 1.5M"), "millions");
	ok(tick_is(0, 76000, "0 20k 40k 60k 80k"), "thousands");
	ok(tick_is(-30, -10, "-30 -25 -20 -15 -10"), "below zero");
	ok(tick_is(-3, 5, "-4 -2 0 2 4 6"), "on both sides of zero");
	ok(tick_is(0, 0.0007, "0 0.0002 0.0004 0.0006 0.0008"), "small values");
	ok(tick_is(0, 0, "0 0.5"), "nothing but zero has an axis of some height");
	ok(tick_is(999, 999, "999.0 999.5"), "so has a single value");
}

static bool
short_is(double value, const char *expected)
{
	char text[CHART_NUMBER_SIZE];

	ChartShortNumber(value, text);
	if (strcmp(text, expected) != 0)
		printf("# %s\n", text);
	return strcmp(text, expected) == 0;
}

static bool
full_is(double value, const char *expected)
{
	char text[CHART_NUMBER_SIZE];

	ChartFullNumber(value, text);
	if (strcmp(text, expected) != 0)
		printf("# %s\n", text);
	return strcmp(text, expected) == 0;
}

static void
test_numbers(void)
{
	ok(short_is(1234567, "1.23M"), "three digits");
	ok(short_is(12, "12"), "a whole number");
	ok(short_is(12.345, "12.3"), "three digits without a suffix");
	ok(short_is(-1500, "-1.50k"), "below zero");
	ok(short_is(999960, "1.00M"), "rounding reaches the next suffix");
	ok(short_is(0, "0"), "zero");
	ok(short_is(-0.001, "0.00"), "no minus before zero");
	ok(short_is(2.5e15, "2500T"), "beyond the last suffix");
	ok(full_is(1234567.891, "1,234,567.89"), "thousands");
	ok(full_is(-999, "-999.00"), "no comma before three digits");
	ok(full_is(1000, "1,000.00"), "one comma");
	ok(full_is(-0.001, "0.00"), "no minus before zero in full");
}

static void
test_fit(void)
{
	bool cut;

	ok(ChartFit("abcd", 4, &cut) == 4 && !cut, "a text that fits");
	ok(ChartFit("abcde", 4, &cut) == 3 && cut, "one cell is left for the ellipsis");
	ok(ChartFit("\303\244\303\266\303\274x", 3, &cut) == 4 && cut, "no character is cut in two");
	ok(ChartFit("\346\227\245\346\234\254", 3, &cut) == 3 && cut, "wide characters take two cells");
	ok(ChartFit("\360\237\230\200ab", 3, &cut) == 4 && cut, "so do those beyond the first plane");
	ok(ChartFit("\303", 4, &cut) == 1 && !cut, "half a character at the end");
	ok(ChartFit("\377\376\375\374\373", 3, &cut) == 2 && cut, "bytes that are not UTF-8");
	ok(ChartFit("", 1, &cut) == 0 && !cut, "nothing");
}

static void
test_lines(void)
{
	static const char *const labels[] = { "Jan", "Feb", "Mar" };
	const ChartValue values[] = { { 10, true }, { 0, false }, { 30, true } };
	const ChartValue lower[] = { { 0, false }, { 5, true }, { 20, true } };
	const ChartValue upper[] = { { 0, false }, { 25, true }, { 40, true } };
	const ChartSeries series[] = { { "actual", values, NULL, NULL }, { "forecast", values, lower, upper } };
	Chart chart = new_chart("Cost");

	ok(ChartLines(&chart, labels, 3, series, 2) == NULL && has("<title>Cost</title>"), "lines have a title");
	ok(strncmp(drawn, "<svg ", 5) == 0 && strcmp(drawn + drawn_len - 6, "</svg>") == 0, "a chart is one element");
	ok(count("<circle") == 4 && count("<title>10.00 USD") == 2, "a point for each value, none for a gap");
	ok(count("class=\"fc-band\"") == 1, "an interval is drawn");
	ok(has(">forecast</text>") && has(">40</text>") && has(">Mar</text>"), "legend, ticks and labels");
	chart = new_chart(NULL);
	chart.from_zero = false;
	ok(ChartLines(&chart, labels, 1, series, 1) == NULL && count("<circle") == 1, "a single value is a point");
	chart = new_chart(NULL);
	ok(ChartLines(&chart, labels, 0, series, 1) == NULL && has(">No data</text>"), "no labels");
	chart = new_chart(NULL);
	ok(ChartLines(&chart, labels, 3, series, 0) == NULL && has(">No data</text>"), "no series");
}

/* Of "tag ... name="number"" the number at the n-th tag. */
static double
number_of(const char *tag, int n, const char *name)
{
	const char *s = drawn;

	for (int i = 0; i <= n; i++)
		s = strstr(i == 0 ? s : s + 1, tag);
	return atof(strstr(s, name) + strlen(name) + 2);
}

static void
test_columns(void)
{
	static const char *const labels[] = { "a", "b" };
	const ChartValue first[] = { { 40, true }, { -10, true } };
	const ChartValue second[] = { { 60, true }, { -30, true } };
	const ChartSeries series[] = { { "x", first, NULL, NULL }, { "y", second, NULL, NULL } };
	Chart chart = new_chart("Stack");

	/* the axis runs from -50 to 100 on 200 pixels: 40 is 53.3, 60 is 80 and stands on it */
	ok(ChartStack(&chart, labels, 2, series, 2) == NULL && count("class=\"fc-part\"") == 4, "a part for each value");
	ok(fabs(number_of("class=\"fc-part\"", 0, "height") - 53.3) < 0.11 && fabs(number_of("class=\"fc-part\"", 1, "height") - 80) < 0.11,
	   "heights are to scale");
	ok(fabs(number_of("class=\"fc-part\"", 1, "\" y") - number_of("class=\"fc-part\"", 0, "\" y") + 80) < 0.11, "parts stand on each other");
	ok(number_of("class=\"fc-part\"", 3, "\" y") > number_of("class=\"fc-part\"", 2, "\" y"), "below zero they hang");
	chart = new_chart("Bars");
	ok(ChartBars(&chart, labels, 2, second) == NULL && has(">60</text>") && has(">-30</text>"), "bars have their values");
	/* 440 - 0.34 * 440 - 58 = 232.4 pixels for 90 units: 60 is 154.9, 30 is 77.5 */
	ok(has("width=\"154.9\"") && has("width=\"77.5\""),
	   "bars are to scale");
	chart = new_chart(NULL);
	ok(ChartBars(&chart, labels, 0, second) == NULL && has(">No data</text>"), "no bars");
	chart = new_chart(NULL);
	ok(ChartBars(&chart, &labels[1], 1, &first[1]) == NULL && has(">-10</text>"), "all below zero");
	chart = new_chart(NULL);
	ok(ChartStack(&chart, labels, 0, series, 2) == NULL && has(">No data</text>"), "no columns");
}

static void
test_flow(void)
{
	ChartNode pools[] = { { "small", 0, 0, 0, 0, 0 }, { "large", 0, 0, 0, 0, 0 } };
	ChartNode tenants[] = { { "t1", 0, 0, 0, 0, 0 } };
	ChartLink links[] = { { 0, 0, 25 }, { 1, 0, 75 } };
	Chart chart = new_chart("Flow");

	ok(ChartFlow(&chart, pools, 2, tenants, 1, links, 2) == NULL && count("class=\"fc-flow\"") == 2, "a flow");
	ok(pools[1].rank == 0 && pools[0].rank == 1, "the largest is on top");
	ok(fabs(pools[0].height - 50) < 1e-9 && fabs(pools[1].height - 150) < 1e-9, "heights are to scale");
	ok(fabs(tenants[0].used - 200) < 1e-9 && fabs(tenants[0].height - 200) < 1e-9, "links fill their nodes");
	links[0].value = -1;
	chart = new_chart("Flow");
	ok(ChartFlow(&chart, pools, 2, tenants, 1, links, 2) != NULL && drawn_len == 0, "a flow below zero is refused");
	links[0].value = NAN;
	ok(ChartFlow(&chart, pools, 2, tenants, 1, links, 2) != NULL, "NaN as a flow is refused");
	ok(ChartFlow(&chart, pools, 0, tenants, 0, links, 0) == NULL && has(">No data</text>"), "no links");
}

static void
test_hostile(void)
{
	static char long_name[301];
	const char *labels[] = { "<script>alert(1)</script>", "a\"b'c&d", long_name };
	ChartValue values[] = { { 1, true }, { 2, true }, { 3, true } };
	ChartSeries series = { "<img src=x onerror=alert(1)>", values, NULL, NULL };
	static const double wrong[] = { NAN, INFINITY, -INFINITY, 1.1e18 };
	Chart chart = new_chart("</title><script>x</script>");
	int refused = 0;

	memset(long_name, 'n', 300);
	chart.unit = "<b>";
	ok(ChartLines(&chart, labels, 3, &series, 1) == NULL && !has("<script") && !has("<img") && !has("<b>"),
	   "names are text");
	ok(has("&lt;script&gt;alert(1)&lt;/script&gt;") && has("a&quot;b&#39;c&amp;d"), "in full");
	ok(count(long_name) >= 1 && has("nnnnnnnnn&#8230;</text>"), "a long name is cut where it is shown");
	chart = new_chart("x\001y\357\277\276z");
	ok(ChartBars(&chart, labels, 3, values) == NULL && has("x\357\277\275y\357\277\275z"), "what XML does not allow");
	for (size_t i = 0; i < lengthof(wrong); i++)
	{
		values[1].value = wrong[i];
		chart = new_chart(NULL);
		refused += ChartLines(&chart, labels, 3, &series, 1) != NULL;
		refused += ChartStack(&chart, labels, 3, &series, 1) != NULL;
		refused += ChartBars(&chart, labels, 3, values) != NULL;
		refused += drawn_len == 0;
	}
	ok(refused == 16, "NaN, infinity and what is beyond 1e18 are refused before anything is written");
}

/* A scale covers its values, with few ticks, whatever they are. */
static void
test_random(void)
{
	int wrong = 0;

	for (int i = 0; i < 20000; i++)
	{
		double size = pow(10, (double) (next_random() % 30) - 12);
		double a = ((double) (next_random() % 2000001) - 1000000) * 1e-6 * size;
		double b = i % 3 == 0 ? a : ((double) (next_random() % 2000001) - 1000000) * 1e-6 * size;
		double low = Min(a, b);
		double high = Max(a, b);
		ChartScale scale;

		ChartScaleOf(low, high, 4, &scale);
		if (scale.count < 2 || scale.count > 8 || ChartTick(&scale, 0) > low + scale.step * 1e-6 ||
			ChartTick(&scale, scale.count - 1) < high - scale.step * 1e-6)
			wrong++;
	}
	ok(wrong == 0, "20,000 random scales cover their values");
}

int
main(void)
{
	test_ticks();
	test_numbers();
	test_fit();
	test_lines();
	test_columns();
	test_flow();
	test_hostile();
	test_random();
	free(drawn);
	printf("1..%d\n", number);
	return failed != 0;
}
