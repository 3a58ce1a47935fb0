-- topic chart: charts as SVG

CREATE FUNCTION finops.chart_line(labels text[], series jsonb, options jsonb DEFAULT '{}')
RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_chart_line';
COMMENT ON FUNCTION finops.chart_line(text[], jsonb, jsonb) IS 'a line chart as SVG: series is an object of arrays of numbers and nulls, or an array of objects with name, values, lower and upper; options are title, unit, width, height and from_zero';

CREATE FUNCTION finops.chart_stack(labels text[], series jsonb, options jsonb DEFAULT '{}')
RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_chart_stack';
COMMENT ON FUNCTION finops.chart_stack(text[], jsonb, jsonb) IS 'stacked columns as SVG: a column for each label, a part for each series; arguments as those of chart_line';

CREATE FUNCTION finops.chart_bar(labels text[], amounts double precision[], options jsonb DEFAULT '{}')
RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_chart_bar';
COMMENT ON FUNCTION finops.chart_bar(text[], double precision[], jsonb) IS 'a bar chart as SVG: a row with its value for each label';

CREATE FUNCTION finops.chart_flow(sources text[], targets text[], amounts double precision[], options jsonb DEFAULT '{}')
RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'finops_chart_flow';
COMMENT ON FUNCTION finops.chart_flow(text[], text[], double precision[], jsonb) IS 'flows from names on the left to names on the right as SVG, such as from pools to tenants; one flow for each element of the arrays';
