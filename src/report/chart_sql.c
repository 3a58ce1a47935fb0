/*-------------------------------------------------------------------------
 *
 * chart_sql.c
 *	  The charts as SQL functions.
 *
 *-------------------------------------------------------------------------
 */
#include "report/chart.h"
#include "core/core.h"

#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(finops_chart_line);
PG_FUNCTION_INFO_V1(finops_chart_stack);
PG_FUNCTION_INFO_V1(finops_chart_bar);
PG_FUNCTION_INFO_V1(finops_chart_flow);

/* A chart that is being made, and a call that runs, for hints. */
typedef struct Drawing
{
	Chart chart;
	StringInfoData svg;
	const char *call;
} Drawing;

static void
into_string(void *arg, const char *bytes, size_t len)
{
	appendBinaryStringInfo(arg, bytes, (int) len);
}

pg_noreturn static void
refuse(const Drawing *d, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("these data make no chart"),
			 errdetail("%s", detail),
			 errhint("A call that runs: %s", d->call)));
}

/* Charts are made in UTF-8; of a database that knows no encoding the bytes stay. */
static char *
to_utf8(const char *text, int len)
{
	char *copy = pnstrdup(text, len);

	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		return copy;
	return pg_server_to_any(copy, len, PG_UTF8);
}

static Datum
finished(const Drawing *d, const char *problem)
{
	if (problem != NULL)
		refuse(d, problem);
	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		PG_RETURN_TEXT_P(cstring_to_text(d->svg.data));
	PG_RETURN_TEXT_P(cstring_to_text(pg_any_to_server(d->svg.data, d->svg.len, PG_UTF8)));
}

/* ---------------------------------------------------------------------
 * Options
 * ---------------------------------------------------------------------
 */
static bool
key_is(const JsonbValue *key, const char *name)
{
	return key->val.string.len == (int) strlen(name) && memcmp(key->val.string.val, name, strlen(name)) == 0;
}

static char *
text_option(const Drawing *d, const JsonbValue *value)
{
	if (value->type == jbvNull)
		return NULL;
	if (value->type != jbvString)
		refuse(d, "Options title and unit are texts.");
	return to_utf8(value->val.string.val, value->val.string.len);
}

static int
size_option(const Drawing *d, const JsonbValue *value, int least)
{
	double size;

	if (value->type != jbvNumeric)
		refuse(d, "Options width and height are numbers of pixels.");
	size = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											  NumericGetDatum(value->val.numeric)));
	if (!(size >= least && size <= 2000))
		refuse(d, "A width is 240 to 2000 pixels, a height 80 to 2000.");
	return (int) size;
}

static void
option(Drawing *d, const JsonbValue *key, const JsonbValue *value)
{
	if (key_is(key, "title"))
		d->chart.title = text_option(d, value);
	else if (key_is(key, "unit"))
		d->chart.unit = text_option(d, value);
	else if (key_is(key, "width"))
		d->chart.width = size_option(d, value, 240);
	else if (key_is(key, "height"))
		d->chart.height = size_option(d, value, 80);
	else if (key_is(key, "from_zero") && value->type == jbvBool)
		d->chart.from_zero = value->val.boolean;
	else
		refuse(d, "Options are title, unit, width, height and from_zero, which is true or false.");
}

static void
start(Drawing *d, FunctionCallInfo fcinfo, int argno, const char *call)
{
	JsonbIterator *it;
	JsonbValue v;
	JsonbValue key = {0};
	JsonbIteratorToken token;

	initStringInfo(&d->svg);
	d->call = call;
	d->chart = (Chart){ into_string, &d->svg, NULL, NULL, 440, 200, true };
	if (PG_ARGISNULL(argno))
		return;
	if (!JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(argno)))
		refuse(d, "Options are a JSON object.");
	it = JsonbIteratorInit(&PG_GETARG_JSONB_P(argno)->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = v;
		else if (token == WJB_VALUE)
			option(d, &key, &v);
	}
}

/* ---------------------------------------------------------------------
 * Data
 * ---------------------------------------------------------------------
 */
static const char **
text_array(const Drawing *d, FunctionCallInfo fcinfo, int argno, int most, int *n)
{
	Datum *elements;
	bool *nulls;
	const char **texts;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argno), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, n);
	if (*n > most)
		refuse(d, psprintf("There are %d names; a chart shows up to %d.", *n, most));
	texts = palloc0(sizeof(char *) * (*n + 1));
	for (int i = 0; i < *n; i++)
	{
		text *t = nulls[i] ? NULL : DatumGetTextPP(elements[i]);

		texts[i] = t == NULL ? "(none)" : to_utf8(VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
	}
	return texts;
}

static ChartValue *
float_array(const Drawing *d, FunctionCallInfo fcinfo, int argno, int expected)
{
	Datum *elements;
	bool *nulls;
	int n;
	ChartValue *values;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argno), FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &elements, &nulls, &n);
	if (n != expected)
		refuse(d, psprintf("There are %d values for %d names.", n, expected));
	values = palloc0(sizeof(ChartValue) * (n + 1));
	for (int i = 0; i < n; i++)
		values[i] = (ChartValue){ nulls[i] ? 0 : DatumGetFloat8(elements[i]), !nulls[i] };
	return values;
}

/* Numbers and nulls of a JSON array, one for each label. */
static ChartValue *
json_values(const Drawing *d, const JsonbValue *array, int expected)
{
	ChartValue *values = palloc0(sizeof(ChartValue) * (expected + 1));
	JsonbContainer *container = array->type == jbvBinary ? array->val.binary.data : NULL;

	if (container == NULL || !JsonContainerIsArray(container) || JsonContainerIsScalar(container))
		refuse(d, "The values of a series are a JSON array of numbers and nulls.");
	if (JsonContainerSize(container) != (uint32) expected)
		refuse(d, psprintf("A series has %u values for %d labels.", JsonContainerSize(container), expected));
	for (int i = 0; i < expected; i++)
	{
		JsonbValue *v = getIthJsonbValueFromContainer(container, (uint32) i);

		if (v->type == jbvNull)
			continue;
		if (v->type != jbvNumeric)
			refuse(d, "The values of a series are a JSON array of numbers and nulls.");
		values[i].present = true;
		values[i].value = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
															 NumericGetDatum(v->val.numeric)));
	}
	return values;
}

/* {"name": …, "values": […], "lower": […], "upper": […]} */
static ChartSeries
one_series(const Drawing *d, const JsonbValue *element, int nlabels)
{
	ChartSeries series = { 0 };
	JsonbIterator *it;
	JsonbValue v;
	JsonbValue key = {0};
	JsonbIteratorToken token;

	if (element->type != jbvBinary || !JsonContainerIsObject(element->val.binary.data))
		refuse(d, "A series is an object with name and values, and with lower and upper where it has an interval.");
	it = JsonbIteratorInit(element->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = v;
		else if (token != WJB_VALUE)
			continue;
		else if (key_is(&key, "name"))
			series.name = text_option(d, &v);
		else if (key_is(&key, "values"))
			series.values = json_values(d, &v, nlabels);
		else if (key_is(&key, "lower"))
			series.lower = json_values(d, &v, nlabels);
		else if (key_is(&key, "upper"))
			series.upper = json_values(d, &v, nlabels);
		else
			refuse(d, "A series has name, values, lower and upper.");
	}
	if (series.values == NULL || (series.lower == NULL) != (series.upper == NULL))
		refuse(d, "A series has values, and lower and upper both or neither.");
	return series;
}

/* {"name": [numbers], …} or [{"name": …, "values": […]}, …] */
static int
read_series(const Drawing *d, Jsonb *json, int nlabels, ChartSeries *series)
{
	JsonbContainer *root = &json->root;
	JsonbIterator *it = JsonbIteratorInit(root);
	JsonbIteratorToken token;
	JsonbValue v;
	int n = 0;

	if (JB_ROOT_IS_SCALAR(json))
		refuse(d, "Series are a JSON object of arrays, or an array of objects.");
	if (JB_ROOT_COUNT(json) > CHART_SERIES_MAX)
		refuse(d, psprintf("There are %u series; up to %d can be told apart. Add the small ones up.",
						   JB_ROOT_COUNT(json), CHART_SERIES_MAX));
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			series[n].name = to_utf8(v.val.string.val, v.val.string.len);
		else if (token == WJB_VALUE)
			series[n++].values = json_values(d, &v, nlabels);
		else if (token == WJB_ELEM)
			series[n++] = one_series(d, &v, nlabels);
	}
	return n;
}

static Datum
series_chart(FunctionCallInfo fcinfo, const char *call,
			 const char *(*draw)(const Chart *, const char *const *, int, const ChartSeries *, int) )
{
	Drawing d;
	ChartSeries series[CHART_SERIES_MAX] = { 0 };
	const char **labels;
	int nlabels;
	int nseries;

	FinopsRequireArg(fcinfo, 0, "labels");
	FinopsRequireArg(fcinfo, 1, "series");
	start(&d, fcinfo, 2, call);
	labels = text_array(&d, fcinfo, 0, CHART_LABELS_MAX, &nlabels);
	nseries = read_series(&d, PG_GETARG_JSONB_P(1), nlabels, series);
	return finished(&d, draw(&d.chart, labels, nlabels, series, nseries));
}

/*
 * finops.chart_line(labels text[], series jsonb, options jsonb) -> text
 *
 * Lines over labels, with intervals.  Errors: 22004, 22023.
 */
Datum
finops_chart_line(PG_FUNCTION_ARGS)
{
	return series_chart(fcinfo, "SELECT finops.chart_line(ARRAY['Jan', 'Feb'], '{\"cost\": [10, 12]}')", ChartLines);
}

/*
 * finops.chart_stack(labels text[], series jsonb, options jsonb) -> text
 *
 * Stacked columns.  Errors: 22004, 22023.
 */
Datum
finops_chart_stack(PG_FUNCTION_ARGS)
{
	return series_chart(fcinfo, "SELECT finops.chart_stack(ARRAY['Jan', 'Feb'], '{\"a\": [10, 12], \"b\": [5, 6]}')",
						ChartStack);
}

/*
 * finops.chart_bar(labels text[], amounts float8[], options jsonb) -> text
 *
 * One bar for each label.  Errors: 22004, 22023.
 */
Datum
finops_chart_bar(PG_FUNCTION_ARGS)
{
	Drawing d;
	const char **labels;
	int n;

	FinopsRequireArg(fcinfo, 0, "labels");
	FinopsRequireArg(fcinfo, 1, "amounts");
	start(&d, fcinfo, 2, "SELECT finops.chart_bar(ARRAY['compute', 'storage'], ARRAY[12.5, 3])");
	labels = text_array(&d, fcinfo, 0, CHART_LABELS_MAX, &n);
	return finished(&d, ChartBars(&d.chart, labels, n, float_array(&d, fcinfo, 1, n)));
}

/* The node of a name, a new one where it is not there yet. */
static int
node_of(const Drawing *d, ChartNode *nodes, int *n, const char *name)
{
	for (int i = 0; i < *n; i++)
		if (strcmp(nodes[i].name, name) == 0)
			return i;
	if (*n == CHART_NODES_MAX)
		refuse(d, psprintf("A side of a flow shows up to %d names. Add the small ones up.", CHART_NODES_MAX));
	nodes[*n].name = name;
	return (*n)++;
}

/*
 * finops.chart_flow(sources text[], targets text[], amounts float8[],
 *                   options jsonb) -> text
 *
 * One flow for each element; elements of NULL and 0 are passed over.
 * Errors: 22004, 22023.
 */
Datum
finops_chart_flow(PG_FUNCTION_ARGS)
{
	Drawing d;
	ChartNode left[CHART_NODES_MAX] = { 0 };
	ChartNode right[CHART_NODES_MAX] = { 0 };
	ChartLink *links;
	const char **sources;
	const char **targets;
	ChartValue *amounts;
	int nsources;
	int ntargets;
	int nleft = 0;
	int nright = 0;
	int nlinks = 0;

	FinopsRequireArg(fcinfo, 0, "sources");
	FinopsRequireArg(fcinfo, 1, "targets");
	FinopsRequireArg(fcinfo, 2, "amounts");
	start(&d, fcinfo, 3, "SELECT finops.chart_flow(ARRAY['pool'], ARRAY['tenant'], ARRAY[12.5])");
	sources = text_array(&d, fcinfo, 0, CHART_LINKS_MAX, &nsources);
	targets = text_array(&d, fcinfo, 1, CHART_LINKS_MAX, &ntargets);
	if (nsources != ntargets)
		refuse(&d, psprintf("There are %d sources and %d targets.", nsources, ntargets));
	amounts = float_array(&d, fcinfo, 2, nsources);
	links = palloc0(sizeof(ChartLink) * (nsources + 1));
	for (int i = 0; i < nsources; i++)
		if (amounts[i].present && amounts[i].value != 0)
			links[nlinks++] = (ChartLink){ node_of(&d, left, &nleft, sources[i]),
										   node_of(&d, right, &nright, targets[i]), amounts[i].value };
	return finished(&d, ChartFlow(&d.chart, left, nleft, right, nright, links, nlinks));
}
