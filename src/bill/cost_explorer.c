/*-------------------------------------------------------------------------
 *
 * cost_explorer.c
 *	  finops.fetch_cost_explorer: GetCostAndUsage of AWS Cost Explorer.
 *
 * A request costs money and the service allows few of them, so an answer is
 * kept in cost_cache until it expires.  Its key is the digest of the request
 * and of whose keys were used, so that nobody is answered from an account
 * that is not his.  Amounts are strings in the answer and become numeric
 * without passing through float.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/aws_api.h"

#include "catalog/pg_type.h"
#include "core/network.h"
#include "utils/array.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"

#define TARGET			"AWSInsightsIndexService.GetCostAndUsage"
#define WHO				"Cost Explorer"
#define MAX_PAGES		1000
#define MAX_GROUPS		2

typedef struct CostQuery
{
	DateADT		start;
	DateADT		end;
	const char *granularity;
	FinopsArg	group_by;
	FinopsArg	metrics;
	FinopsArg	filter;
	char	   *request;		/* JSON */
	char	   *cache_key;
} CostQuery;

/* ---------------------------------------------------------------------
 * Arguments
 * ---------------------------------------------------------------------
 */

/* One of the names, as the service spells it; 22023 otherwise. */
static const char *
known_name(const char *given, const char *const *names, const char *what)
{
	StringInfoData list;

	for (int i = 0; names[i] != NULL; i++)
		if (pg_strcasecmp(given, names[i]) == 0)
			return names[i];
	initStringInfo(&list);
	for (int i = 0; names[i] != NULL; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", names[i]);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown %s \"%s\"", what, FinopsQuoteForMessage(given)),
			 errhint("There are: %s.", list.data)));
}

/* The elements of a text[] argument, none of them null. */
static int
text_elements(FunctionCallInfo fcinfo, int argno, const char *name, Datum **elements)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(argno);
	bool	   *nulls;
	int			n;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must have one dimension", name)));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, elements, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not hold null", name)));
	return n;
}

static FinopsArg
metrics_arg(FunctionCallInfo fcinfo)
{
	static const char *const names[] = {
		"AmortizedCost", "BlendedCost", "NetAmortizedCost", "NetUnblendedCost",
		"NormalizedUsageAmount", "UnblendedCost", "UsageQuantity", NULL
	};
	Datum	   *elements;
	int			n;

	FinopsRequireArg(fcinfo, 4, "metrics");
	n = text_elements(fcinfo, 4, "metrics", &elements);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no metric is asked for"),
				 errhint("Give at least one, such as '{UnblendedCost}'.")));
	for (int i = 0; i < n; i++)
		elements[i] = CStringGetTextDatum(known_name(TextDatumGetCString(elements[i]), names, "metric"));
	return ARG_DATUM(TEXTARRAYOID,
					 PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT)),
					 false);
}

/*
 * "SERVICE" is a dimension, "TAG:team" a tag, "COST_CATEGORY:unit" a cost
 * category; the service groups by two at most.
 */
static FinopsArg
groups_arg(FunctionCallInfo fcinfo)
{
	Datum	   *elements;
	int			n = 0;

	if (!PG_ARGISNULL(3))
		n = text_elements(fcinfo, 3, "group_by", &elements);
	if (n > MAX_GROUPS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cost can be grouped by %d keys, not by %d", MAX_GROUPS, n),
				 errdetail("This is a limit of Cost Explorer."),
				 errhint("Load the bill with finops.load_bill and group its lines.")));
	if (n == 0)
		return ARG_DATUM(TEXTARRAYOID, PointerGetDatum(construct_empty_array(TEXTOID)), false);
	return ARG_DATUM(TEXTARRAYOID, PG_GETARG_DATUM(3), false);
}

static bool
starts_month(DateADT day)
{
	int			year,
				month,
				mday;

	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &mday);
	return mday == 1;
}

static CostQuery
query_args(FunctionCallInfo fcinfo)
{
	static const char *const granularities[] = {"DAILY", "HOURLY", "MONTHLY", NULL};
	CostQuery	query;

	FinopsRequireArg(fcinfo, 0, "start_date");
	FinopsRequireArg(fcinfo, 1, "end_date");
	FinopsRequireArg(fcinfo, 2, "granularity");
	query.start = PG_GETARG_DATEADT(0);
	query.end = PG_GETARG_DATEADT(1);
	FinopsCheckDay(query.start, "start_date");
	FinopsCheckDay(query.end, "end_date");
	if (query.start >= query.end)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("end_date must be after start_date"),
				 errdetail("The days from start_date up to, not including, end_date are asked for.")));
	if (!starts_month(query.start) || !starts_month(query.end))
		FinopsRequireFeature(FINOPS_CUSTOM_DATE_RANGES);
	query.granularity = known_name(text_to_cstring(PG_GETARG_TEXT_PP(2)), granularities, "granularity");
	query.group_by = groups_arg(fcinfo);
	query.metrics = metrics_arg(fcinfo);
	query.filter = ARG_DATUM(JSONBOID, PG_ARGISNULL(5) ? (Datum) 0 : PG_GETARG_DATUM(5), PG_ARGISNULL(5));
	if (!PG_ARGISNULL(5))
		FinopsRequireFeature(FINOPS_ADVANCED_FILTERS);
	if (!PG_ARGISNULL(5) && !JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(5)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("filter must be an object"),
				 errhint("An example is '{\"Dimensions\": {\"Key\": \"REGION\", \"Values\": [\"us-east-1\"]}}'.")));
	return query;
}

/* Whose account answers: the keys of the server, or the caller's own. */
static char *
identity(const FinopsSession *session)
{
	if (*finops_aws_server != '\0')
		return psprintf("server %s for %s at %s", finops_aws_server,
						FinopsCallerName(session), finops_aws_endpoint);
	return psprintf("file %s profile %s at %s", finops_aws_credentials_file,
					finops_aws_profile, finops_aws_endpoint);
}

/* jsonb puts equal requests into equal text. */
static void
build_request(const FinopsSession *session, CostQuery *query)
{
	const char *clock = strcmp(query->granularity, "HOURLY") == 0 ? "T00:00:00Z" : "";

	FINOPS_RUN("WITH request AS (SELECT jsonb_build_object("
			   " 'TimePeriod', jsonb_build_object('Start', to_char($1, 'YYYY-MM-DD') || $3, 'End', to_char($2, 'YYYY-MM-DD') || $3),"
			   " 'Granularity', $4, 'Metrics', to_jsonb($5))"
			   " || CASE WHEN cardinality($6) > 0 THEN jsonb_build_object('GroupBy', (SELECT jsonb_agg("
			   " CASE WHEN g.key ~* '^(tag|cost_category):'"
			   " THEN jsonb_build_object('Type', upper(split_part(g.key, ':', 1)), 'Key', substr(g.key, strpos(g.key, ':') + 1))"
			   " ELSE jsonb_build_object('Type', 'DIMENSION', 'Key', upper(g.key)) END ORDER BY g.n)"
			   " FROM unnest($6) WITH ORDINALITY AS g(key, n))) ELSE '{}' END"
			   " || CASE WHEN $7 IS NOT NULL THEN jsonb_build_object('Filter', $7) ELSE '{}' END AS r)"
			   " SELECT r::text, 'cost-explorer:' || encode(sha256(convert_to(r::text || $8, 'UTF8')), 'hex') FROM request",
			   ARG_DATE(query->start), ARG_DATE(query->end), ARG_TEXT(clock),
			   ARG_TEXT(query->granularity), query->metrics, query->group_by, query->filter,
			   ARG_TEXT(identity(session)));
	query->request = FinopsText(0, 1);
	query->cache_key = FinopsText(0, 2);
}

/* ---------------------------------------------------------------------
 * The service
 * ---------------------------------------------------------------------
 */

static char *
request_of_page(const CostQuery *query, const char *token)
{
	if (token == NULL)
		return query->request;
	FINOPS_RUN("SELECT ($1::jsonb || jsonb_build_object('NextPageToken', $2))::text",
			   ARG_TEXT(query->request), ARG_TEXT(token));
	return FinopsText(0, 1);
}

pg_noreturn static void
raise_answer(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg("the answer of %s is not understood", WHO),
			 errdetail("%s", detail)));
}

/* All pages of an answer, as jsonb[]. */
static FinopsArg
fetch_pages(ApiMeter *meter, const CostQuery *query)
{
	/* the service has one place for all regions of a partition */
	const char *region = strncmp(AwsDefaultRegion(), "cn-", 3) == 0 ? "cn-northwest-1" : "us-east-1";
	ArrayBuildState *pages = NULL;
	char	   *token = NULL;

	for (int page = 0;; page++)
	{
		Jsonb	   *answer = ApiCall(meter, "ce", region, TARGET, request_of_page(query, token), WHO);
		char	   *next = FinopsJsonText(answer, "NextPageToken", NULL);

		if (FinopsJsonMember(answer, "ResultsByTime") == NULL)
			raise_answer("It has no ResultsByTime.");
		pages = accumArrayResult(pages, JsonbPGetDatum(answer), false, JSONBOID, CurrentMemoryContext);
		if (next == NULL || *next == '\0')
			break;
		if (token != NULL && strcmp(next, token) == 0)
			raise_answer("It says twice that the same page comes next.");
		if (page + 1 == MAX_PAGES)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("the answer of %s has more than %d pages", WHO, MAX_PAGES),
					 errhint("Ask for fewer days or groups.")));
		token = next;
	}
	return ARG_DATUM(JSONBARRAYOID, makeArrayResult(pages, CurrentMemoryContext), false);
}

/* Rows of the function from $1, a payload. */
#define ROWS_OF_PAYLOAD \
	" SELECT (t.r->'TimePeriod'->>'Start')::timestamp AS period_start," \
	" (t.r->'TimePeriod'->>'End')::timestamp AS period_end," \
	" g.keys, m.name AS metric, m.value->>'Amount' AS amount, m.value->>'Unit' AS unit," \
	" (t.r->>'Estimated')::boolean AS estimated, t.n AS time_no, g.n AS group_no" \
	" FROM jsonb_array_elements($1->'ResultsByTime') WITH ORDINALITY AS t(r, n)," \
	" LATERAL (SELECT ARRAY(SELECT jsonb_array_elements_text(e.g->'Keys')) AS keys, e.g->'Metrics' AS metrics, e.n" \
	" FROM jsonb_array_elements(t.r->'Groups') WITH ORDINALITY AS e(g, n)" \
	" UNION ALL SELECT '{}', t.r->'Total', 0) AS g," \
	" LATERAL jsonb_each(g.metrics) AS m(name, value)"

/* Refuse an answer whose amounts are no numbers before it is kept. */
static void
check_amounts(FinopsArg payload)
{
	if (FINOPS_RUN("SELECT FROM (" ROWS_OF_PAYLOAD ") AS r"
				   " WHERE r.amount !~ '^-?[0-9]+([.][0-9]*)?([eE][-+]?[0-9]{1,3})?$' OR r.amount IS NULL OR r.period_start IS NULL"
				   " LIMIT 1", payload) > 0)
		raise_answer("An amount is not a number.");
}

static FinopsArg
fetch(const CostQuery *query)
{
	ApiMeter	meter;
	FinopsArg	payload;
	bool		isnull;

	ApiMeterInit(&meter, "finops.cost_explorer_clock", finops_cost_explorer_rate,
				 finops_cost_explorer_price);
	payload = fetch_pages(&meter, query);
	FINOPS_RUN("SELECT jsonb_build_object('Request', $2::jsonb, 'ResultsByTime',"
			   " coalesce((SELECT jsonb_agg(r.r ORDER BY p.n, r.n) FROM unnest($1) WITH ORDINALITY AS p(page, n),"
			   " LATERAL jsonb_array_elements(p.page->'ResultsByTime') WITH ORDINALITY AS r(r, n)), '[]'))",
			   payload, ARG_TEXT(query->request));
	payload = ARG_DATUM(JSONBOID, FinopsValue(0, 1, &isnull), false);
	check_amounts(payload);
	ApiMeterWrite();
	return payload;
}

/* ---------------------------------------------------------------------
 * The cache
 * ---------------------------------------------------------------------
 */

static bool
find_cached(const CostQuery *query, FinopsArg *payload)
{
	bool		isnull;

	if (FINOPS_RUN("SELECT payload FROM @s@.cost_cache WHERE cache_key = $1 AND source = 'cost-explorer'"
				   " AND payload IS NOT NULL AND expires_at > clock_timestamp()",
				   ARG_TEXT(query->cache_key)) == 0)
		return false;
	*payload = ARG_DATUM(JSONBOID, FinopsValue(0, 1, &isnull), false);
	return true;
}

/* Of the answers kept here, the newest remain; rows of other sources are not ours. */
static void
keep(const CostQuery *query, FinopsArg payload)
{
	if (finops_cache_ttl == 0)
		return;
	FINOPS_RUN("INSERT INTO @s@.cost_cache (cache_key, source, payload, created_at, last_updated, expires_at)"
			   " SELECT $1, 'cost-explorer', $2, c.now, c.now, c.now + make_interval(secs => $3)"
			   " FROM (SELECT clock_timestamp() AS now OFFSET 0) AS c"
			   " ON CONFLICT (cache_key) DO UPDATE SET source = EXCLUDED.source, payload = EXCLUDED.payload,"
			   " created_at = EXCLUDED.created_at, last_updated = EXCLUDED.last_updated, expires_at = EXCLUDED.expires_at",
			   ARG_TEXT(query->cache_key), payload, ARG_INT4(finops_cache_ttl));
	FINOPS_RUN("DELETE FROM @s@.cost_cache c USING (SELECT k.cache_key FROM @s@.cost_cache k"
			   " JOIN (SELECT o.cache_key FROM @s@.cost_cache o"
			   " WHERE o.source = 'cost-explorer' AND o.cache_key LIKE 'cost-explorer:%'"
			   " ORDER BY o.created_at DESC, o.cache_key OFFSET $1) AS old USING (cache_key)"
			   " FOR UPDATE OF k SKIP LOCKED) AS gone"
			   " WHERE c.cache_key = gone.cache_key", ARG_INT8(finops_cache_max_rows));
}

/* Hits and misses; what was found in a read-only transaction is not counted. */
static void
count(const char *sql)
{
	if (!XactReadOnly)
		FINOPS_RUN0(sql);
}

PG_FUNCTION_INFO_V1(finops_fetch_cost_explorer);

/*
 * finops.fetch_cost_explorer(start_date, end_date, granularity, group_by,
 * metrics, filter): one row per time range, group and metric, in the order of
 * the answer; amounts in unit (a currency, or a unit of usage).  keys is empty
 * when nothing is grouped.
 *
 * 22004 and 22023 for arguments, and for what the service calls invalid;
 * 42501 without the right to the network or to the action; 28000 for keys;
 * 53400 when the service asks to slow down for too long; 08006, 22P04, 54000
 * for the answer; 25006 in a read-only transaction, unless it is in the cache.
 */
Datum
finops_fetch_cost_explorer(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	CostQuery	query;
	FinopsArg	payload;

	FinopsRequireFeature(FINOPS_COST_EXPLORER);
	query = query_args(fcinfo);

	/* what is in the cache came from the network too */
	FinopsCheckNetworkAccess();
	FinopsBegin(&session);
	build_request(&session, &query);
	if (find_cached(&query, &payload))
		count("SELECT nextval('finops.cost_cache_hits')");
	else
	{
		FinopsRequireWritable("finops.fetch_cost_explorer()");
		count("SELECT nextval('finops.cost_cache_misses')");
		payload = fetch(&query);
		keep(&query, payload);
	}
	FINOPS_RUN("SELECT r.period_start, r.period_end, r.keys, r.metric, r.amount::numeric, r.unit, r.estimated"
			   " FROM (" ROWS_OF_PAYLOAD ") AS r"
			   " ORDER BY r.time_no, r.group_no, r.metric", payload);
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
