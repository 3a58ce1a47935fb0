/*-------------------------------------------------------------------------
 *
 * quality.c
 *	  Rules of data quality: finops.run_quality_rules.
 *
 * Each rule is one query over its relation, which answers one row: what was
 * measured, rows, keys that are null and keys that differ, and a detail.  It
 * runs with the rights of the caller in a subtransaction of its own, reads
 * only, and what it found is written as the owner.  A rule that cannot be run
 * has failed.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/ops.h"

#include "catalog/namespace.h"
#include "nodes/makefuncs.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

PG_FUNCTION_INFO_V1(finops_run_quality_rules);
PG_FUNCTION_INFO_V1(finops_accept_baseline);

typedef struct Rule
{
	char	   *name;
	char	   *relation;
	char	   *kind;
	char	  **columns;
	int			ncolumns;
	char	  **reference_columns;
	int			nreference;
	char	   *reference;
	char	   *threshold;		/* NULL: the kind's own */
	char	   *lower;
	char	   *upper;
	char	   *filter;
	char	   *severity;
	char	   *least_effect;
	char	   *bounds;			/* of the baseline */
	char	   *counts;
	char	   *definition;
} Rule;

/* What a query answered; texts of numbers, NULL for SQL NULL. */
typedef struct Measured
{
	char	   *actual;
	char	   *threshold;
	char	   *rows;
	char	   *nulls;
	char	   *unique;
	char	   *failed;			/* "t", "f", or NULL: actual against threshold */
	char	   *status;
	char	   *detail;
	char	   *bounds;			/* of a new baseline */
	char	   *counts;
	char	   *definition;
} Measured;

typedef struct Run
{
	FinopsSession *session;
	MemoryContext context;		/* of what was measured */
	const Rule *rule;
	Measured	m;
} Run;

/* kind, what vw_data_quality_sla calls it, the threshold where none is given */
static const char *const kinds[][3] = {
	{"null_ratio", "completeness", "0"},
	{"unique", "uniqueness", "0"},
	{"referential", "referential", "0"},
	{"range", "validity", "0"},
	{"distribution", "distribution", "0.01"},
	{"volume", "volume", "0.5"},
	{"freshness", "freshness", "1440"},
	{"schema", "schema", "0"},
};

static const char *
kind_property(const char *kind, int property)
{
	for (size_t i = 0; i < lengthof(kinds); i++)
		if (strcmp(kinds[i][0], kind) == 0)
			return kinds[i][property];
	elog(ERROR, "unknown kind of rule \"%s\"", kind);
	return NULL;				/* keep compiler quiet */
}

static const char *
threshold_of(const Rule *rule)
{
	return rule->threshold != NULL ? rule->threshold : kind_property(rule->kind, 2);
}

/* ---------------------------------------------------------------------
 * Queries: actual, threshold, rows, nulls, unique, failed, status, detail,
 * bounds, counts, definition
 * ---------------------------------------------------------------------
 */

/* schema.relation, quoted; a name without a schema is in the one of the extension. */
static char *
quoted_relation(const char *name)
{
	List	   *parts = textToQualifiedNameList(cstring_to_text(name));

	if (list_length(parts) == 1)
		return psprintf("%s.%s", FinopsSchema(), quote_identifier(strVal(linitial(parts))));
	if (list_length(parts) != 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("\"%s\" is not the name of a relation", FinopsQuoteForMessage(name)),
				 errhint("Write schema.relation.")));
	return psprintf("%s.%s", quote_identifier(strVal(linitial(parts))), quote_identifier(strVal(lsecond(parts))));
}

/* The rows that count, as t. */
static char *
rows_of(const Rule *rule)
{
	char	   *relation = quoted_relation(rule->relation);

	if (rule->filter == NULL)
		return psprintf("%s t", relation);
	return psprintf("(SELECT * FROM %s t WHERE (%s\n)) t", relation, rule->filter);
}

/* The columns with a prefix and what stands behind each, joined by a word. */
static char *
each_column(const Rule *rule, const char *behind, const char *word)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < rule->ncolumns; i++)
		appendStringInfo(&buf, "%st.%s%s", i > 0 ? word : "", quote_identifier(rule->columns[i]), behind);
	return buf.data;
}

static char *
null_ratio_query(const Rule *rule)
{
	return psprintf("SELECT c.nulls::numeric / nullif(c.n, 0), NULL, c.n, c.nulls, NULL, NULL,"
					" CASE WHEN c.n = 0 THEN 'EMPTY' END, NULL, NULL, NULL, NULL"
					" FROM (SELECT count(*) AS n, count(*) FILTER (WHERE %s) AS nulls FROM %s) c",
					each_column(rule, " IS NULL", " OR "), rows_of(rule));
}

static char *
unique_query(const Rule *rule)
{
	return psprintf("SELECT coalesce(sum(g.n - 1), 0), NULL, coalesce(sum(g.n), 0), NULL, count(*), NULL,"
					" CASE WHEN count(*) = 0 THEN 'EMPTY' END,"
					" CASE WHEN max(g.n) > 1 THEN jsonb_build_object('keys_that_repeat', count(*) FILTER (WHERE g.n > 1),"
					"  'rows_of_one_key', max(g.n)) END, NULL, NULL, NULL"
					" FROM (SELECT count(*) AS n FROM %s WHERE %s GROUP BY %s) g",
					rows_of(rule), each_column(rule, " IS NOT NULL", " AND "), each_column(rule, "", ", "));
}

static char *
referential_query(const Rule *rule)
{
	StringInfoData match;

	initStringInfo(&match);
	for (int i = 0; i < rule->ncolumns; i++)
	{
		const char *theirs = rule->nreference > 0 ? rule->reference_columns[i] : rule->columns[i];

		appendStringInfo(&match, "%sr.%s = t.%s", i > 0 ? " AND " : "", quote_identifier(theirs),
						 quote_identifier(rule->columns[i]));
	}
	return psprintf("SELECT count(*) FILTER (WHERE NOT c.found), NULL, count(*), NULL, NULL, NULL,"
					" CASE WHEN count(*) = 0 THEN 'EMPTY' END, NULL, NULL, NULL, NULL"
					" FROM (SELECT EXISTS (SELECT FROM %s r WHERE %s) AS found FROM %s WHERE %s) c",
					quoted_relation(rule->reference), match.data, rows_of(rule),
					each_column(rule, " IS NOT NULL", " AND "));
}

static char *
range_query(const Rule *rule)
{
	char	   *column = each_column(rule, "", "");
	StringInfoData outside;

	initStringInfo(&outside);
	if (rule->lower != NULL)
		appendStringInfo(&outside, "%s < %s", column, quote_literal_cstr(rule->lower));
	if (rule->upper != NULL)
		appendStringInfo(&outside, "%s%s > %s", rule->lower != NULL ? " OR " : "", column,
						 quote_literal_cstr(rule->upper));
	return psprintf("SELECT c.beyond::numeric / nullif(c.n, 0), NULL, c.n, NULL, NULL, NULL,"
					" CASE WHEN c.n = 0 THEN 'EMPTY' END,"
					" jsonb_build_object('outside', c.beyond, 'least', c.least, 'greatest', c.greatest), NULL, NULL, NULL"
					" FROM (SELECT count(%s) AS n, count(*) FILTER (WHERE %s) AS beyond,"
					" min(%s)::text AS least, max(%s)::text AS greatest FROM %s) c",
					column, outside.data, column, column, rows_of(rule));
}

/* A baseline is taken at the deciles of what is there; later runs count by its bounds. */
static char *
distribution_query(const Rule *rule)
{
	char	   *column = each_column(rule, "::float8", "");
	char	   *rows = rows_of(rule);

	if (rule->bounds == NULL)
		return psprintf("SELECT NULL, NULL, c.n, NULL, NULL, false, CASE WHEN b.bounds IS NULL THEN 'EMPTY' ELSE 'BASELINE' END,"
						" NULL, b.bounds, CASE WHEN b.bounds IS NOT NULL THEN"
						"  (SELECT finops.hist_agg(%s, b.bounds) FROM %s) END, NULL"
						" FROM (SELECT count(*) AS n, percentile_disc('{0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9}'::float8[])"
						"  WITHIN GROUP (ORDER BY %s) FILTER (WHERE %s > '-Infinity' AND %s < 'Infinity') AS deciles FROM %s) c,"
						" LATERAL (SELECT array_agg(DISTINCT d ORDER BY d) FILTER (WHERE d IS NOT NULL) AS bounds"
						"  FROM unnest(c.deciles) d) b",
						column, rows, column, column, column, rows);
	return psprintf("SELECT (v).statistic::numeric, (v).critical_value::numeric, (v).recent_rows, NULL, NULL,"
					" (v).drifted AND (v).statistic >= %s, CASE WHEN (v).recent_rows = 0 THEN 'EMPTY' END,"
					" jsonb_build_object('p_value', (v).p_value, 'reference_rows', (v).reference_rows, 'bins', (v).bins,"
					"  'counts', c.counts), NULL, NULL, NULL"
					" FROM (SELECT coalesce(finops.hist_agg(%s, %s), array_fill(0::bigint, ARRAY[cardinality(%s::bigint[])]))"
					"  AS counts FROM %s) c, LATERAL (SELECT finops.psi_test(%s, c.counts, %s) AS v) t",
					rule->least_effect, column, rule->bounds, rule->counts, rows, rule->counts,
					threshold_of(rule));
}

/* Against the median of the results before, of which there must be three. */
static char *
volume_query(const Rule *rule)
{
	if (rule->lower != NULL || rule->upper != NULL)
		return psprintf("SELECT c.n, coalesce(CASE WHEN c.n < %s::bigint THEN %s::bigint END, %s::bigint, %s::bigint), c.n, NULL, NULL,"
						" coalesce(c.n < %s::bigint, false) OR coalesce(c.n > %s::bigint, false), NULL, NULL, NULL, NULL, NULL"
						" FROM (SELECT count(*) AS n FROM %s) c",
						rule->lower != NULL ? quote_literal_cstr(rule->lower) : "NULL",
						rule->lower != NULL ? quote_literal_cstr(rule->lower) : "NULL",
						rule->upper != NULL ? quote_literal_cstr(rule->upper) : "NULL",
						rule->lower != NULL ? quote_literal_cstr(rule->lower) : "NULL",
						rule->lower != NULL ? quote_literal_cstr(rule->lower) : "NULL",
						rule->upper != NULL ? quote_literal_cstr(rule->upper) : "NULL",
						rows_of(rule));
	return psprintf("SELECT CASE WHEN %s::numeric > 0 THEN abs(c.n / %s::numeric - 1) WHEN c.n > 0 AND %s::numeric = 0 THEN 1 END,"
					" NULL, c.n, NULL, NULL, NULL, CASE WHEN %s::numeric IS NULL THEN 'LEARNING' END,"
					" jsonb_build_object('median', %s::numeric), NULL, NULL, NULL FROM (SELECT count(*) AS n FROM %s) c",
					rule->counts, rule->counts, rule->counts, rule->counts, rule->counts, rows_of(rule));
}

static char *
freshness_query(const Rule *rule)
{
	return psprintf("SELECT round(extract(epoch FROM timezone('UTC', now()) - c.newest) / 60, 3), NULL, c.n, NULL, NULL,"
					" CASE WHEN c.newest IS NULL THEN true END, CASE WHEN c.newest IS NULL THEN 'EMPTY' END,"
					" jsonb_build_object('newest', c.newest), NULL, NULL, NULL"
					" FROM (SELECT count(*) AS n, max(%s)::timestamp AS newest FROM %s) c",
					each_column(rule, "", ""), rows_of(rule));
}

static char *
schema_query(const Rule *rule)
{
	char	   *relation = quote_literal_cstr(quoted_relation(rule->relation));
	char	   *now = psprintf("(SELECT coalesce(jsonb_object_agg(a.attname, format_type(a.atttypid, a.atttypmod)), '{}') AS definition"
							   " FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped)",
							   relation);

	if (rule->definition == NULL)
		return psprintf("SELECT NULL, NULL, NULL, NULL, NULL, false, 'BASELINE', NULL, NULL, NULL, n.definition FROM %s n", now);
	return psprintf("SELECT cardinality(d.added) + cardinality(d.removed) + cardinality(d.changed), NULL, NULL, NULL, NULL, NULL, NULL,"
					" jsonb_build_object('added', d.added, 'removed', d.removed, 'changed', d.changed), NULL, NULL, NULL"
					" FROM %s n, (SELECT %s::jsonb AS definition) b, LATERAL (SELECT"
					"  ARRAY(SELECT k FROM jsonb_object_keys(n.definition) k WHERE NOT b.definition ? k ORDER BY 1) AS added,"
					"  ARRAY(SELECT k FROM jsonb_object_keys(b.definition) k WHERE NOT n.definition ? k ORDER BY 1) AS removed,"
					"  ARRAY(SELECT k || ': ' || (b.definition->>k) || ' is ' || v FROM jsonb_each_text(n.definition) e(k, v)"
					"   WHERE b.definition->>k <> v ORDER BY 1) AS changed) d",
					now, quote_literal_cstr(rule->definition));
}

static char *
query_of(const Rule *rule)
{
	static const struct
	{
		const char *kind;
		char	   *(*query) (const Rule *rule);
	}			queries[] = {
		{"null_ratio", null_ratio_query},
		{"unique", unique_query},
		{"referential", referential_query},
		{"range", range_query},
		{"distribution", distribution_query},
		{"volume", volume_query},
		{"freshness", freshness_query},
		{"schema", schema_query},
	};

	for (size_t i = 0; i < lengthof(queries); i++)
		if (strcmp(queries[i].kind, rule->kind) == 0)
			return queries[i].query(rule);
	elog(ERROR, "unknown kind of rule \"%s\"", rule->kind);
	return NULL;				/* keep compiler quiet */
}

/* ---------------------------------------------------------------------
 * One rule
 * ---------------------------------------------------------------------
 */

static void
measure(void *arg)
{
	Run		   *run = arg;
	char	   *sql = query_of(run->rule);
	MemoryContext old;

	if (OpsQueryAs(run->session, false, sql, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "a rule must answer one row");
	old = MemoryContextSwitchTo(run->context);
	run->m.actual = FinopsText(0, 1);
	run->m.threshold = FinopsText(0, 2);
	run->m.rows = FinopsText(0, 3);
	run->m.nulls = FinopsText(0, 4);
	run->m.unique = FinopsText(0, 5);
	run->m.failed = FinopsText(0, 6);
	run->m.status = FinopsText(0, 7);
	run->m.detail = FinopsText(0, 8);
	run->m.bounds = FinopsText(0, 9);
	run->m.counts = FinopsText(0, 10);
	run->m.definition = FinopsText(0, 11);
	MemoryContextSwitchTo(old);
}

/* What stands instead of a measurement that failed. */
static Measured
not_measured(const ErrorData *error)
{
	Measured	m = {0};
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"sqlstate\": \"%s\", \"error\": ", unpack_sql_state(error->sqlerrcode));
	escape_json(&buf, error->message != NULL ? error->message : "");
	appendStringInfoChar(&buf, '}');
	m.failed = "t";
	m.status = "ERROR";
	m.detail = buf.data;
	return m;
}

static FinopsArg
jsonb_arg(const char *text)
{
	if (text == NULL)
		return ARG_DATUM(JSONBOID, (Datum) 0, true);
	return ARG_DATUM(JSONBOID, DirectFunctionCall1(jsonb_in, CStringGetDatum(text)), false);
}

/* Writes a result; leaves the row that is answered as the last result. */
static void
write_result(const Rule *rule, const Measured *m)
{
	if (m->bounds != NULL || m->definition != NULL)
		(void) FINOPS_RUN("INSERT INTO finops.quality_baseline (rule_name, bounds, counts, definition)"
						  " VALUES ($1, $2::float8[], $3::bigint[], $4)"
						  " ON CONFLICT (rule_name) DO UPDATE SET taken_at = now(), bounds = excluded.bounds,"
						  "  counts = excluded.counts, definition = excluded.definition",
						  ARG_TEXT(rule->name), ARG_TEXT(m->bounds), ARG_TEXT(m->counts),
						  jsonb_arg(m->definition));
	if (strcmp(rule->kind, "referential") == 0 && m->actual != NULL)
		(void) FINOPS_RUN("INSERT INTO finops.fk_check (constraint_name, child_table, parent_table, orphan_count, test_result)"
						  " VALUES ($1, $2, $3, $4::bigint, CASE WHEN $4::numeric > $5::numeric THEN 'FAIL' ELSE 'PASS' END)"
						  " ON CONFLICT (constraint_name, evaluated_at) DO NOTHING",
						  ARG_TEXT(rule->name), ARG_TEXT(rule->relation), ARG_TEXT(rule->reference),
						  ARG_TEXT(m->actual), ARG_TEXT(threshold_of(rule)));
	(void) FINOPS_RUN("INSERT INTO finops.dq_check (sla_type, table_name, row_count, unique_keys, null_keys, actual_value,"
					  "  threshold_value, sla_status, sla_result, rule_name, severity, detail)"
					  " SELECT $1, $2, $3::bigint, $4::bigint, $5::bigint, v.actual, v.threshold,"
					  "  coalesce($9, CASE WHEN v.failed THEN 'BROKEN' ELSE 'OK' END),"
					  "  CASE WHEN v.failed THEN 'FAIL' ELSE 'PASS' END, $10, $11, $12"
					  " FROM (SELECT $6::numeric AS actual, $7::numeric AS threshold,"
					  "  coalesce($8::boolean, $6::numeric > $7::numeric, false) AS failed) v"
					  " RETURNING rule_name, sla_result, sla_status, actual_value, threshold_value, detail",
					  ARG_TEXT(kind_property(rule->kind, 1)), ARG_TEXT(rule->relation), ARG_TEXT(m->rows),
					  ARG_TEXT(m->unique), ARG_TEXT(m->nulls), ARG_TEXT(m->actual),
					  ARG_TEXT(m->threshold != NULL ? m->threshold : threshold_of(rule)), ARG_TEXT(m->failed),
					  ARG_TEXT(m->status), ARG_TEXT(rule->name), ARG_TEXT(rule->severity),
					  jsonb_arg(m->detail));
}

static void
run_rule(FinopsSession *session, const Rule *rule, ReturnSetInfo *rsinfo)
{
	Run			run = {session, CurrentMemoryContext, rule, {0}};
	ErrorData  *error = OpsTry(measure, &run);

	if (error != NULL)
		run.m = not_measured(error);
	write_result(rule, &run.m);
	if (rsinfo != NULL)
		tuplestore_puttuple(rsinfo->setResult, SPI_tuptable->vals[0]);
}

/* ---------------------------------------------------------------------
 * All of them
 * ---------------------------------------------------------------------
 */

static char **
names_of(uint64 row, int col, int *n)
{
	bool		isnull;
	Datum		value = FinopsValue(row, col, &isnull);
	Datum	   *elements;
	char	  **names;

	*n = 0;
	if (isnull)
		return NULL;
	deconstruct_array(DatumGetArrayTypePCopy(value), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, n);
	names = palloc_array(char *, Max(*n, 1));
	for (int i = 0; i < *n; i++)
		names[i] = TextDatumGetCString(elements[i]);
	return names;
}

/*
 * The rules, with their baselines as literals; counts of a volume are the
 * median of the last thirty results, as a literal as well.
 */
static Rule *
read_rules(const char *name, uint64 *n)
{
	Rule	   *rules;

	*n = FINOPS_RUN("SELECT r.rule_name, r.relation, r.kind, r.columns, r.reference_columns, r.reference_relation, r.threshold,"
					"  r.lower, r.upper, r.filter, r.severity, r.least_effect,"
					"  format('%L::float8[]', b.bounds) AS bounds, CASE WHEN r.kind = 'volume' THEN v.median ELSE format('%L::bigint[]', b.counts) END,"
					"  b.definition, b.bounds IS NULL"
					" FROM finops.quality_rule r LEFT JOIN finops.quality_baseline b ON b.rule_name = r.rule_name"
					" LEFT JOIN LATERAL (SELECT CASE WHEN count(*) >= 3 THEN"
					"   quote_literal(percentile_cont(0.5) WITHIN GROUP (ORDER BY d.row_count)) ELSE 'NULL' END AS median"
					"  FROM (SELECT c.row_count FROM finops.dq_check c WHERE c.rule_name = r.rule_name AND c.sla_type = 'volume'"
					"   AND c.row_count IS NOT NULL ORDER BY c.evaluation_timestamp DESC, c.check_id DESC LIMIT 30) d) v ON r.kind = 'volume'"
					" WHERE CASE WHEN $1 IS NULL THEN r.enabled ELSE r.rule_name = $1 END ORDER BY r.rule_name", ARG_TEXT(name));
	rules = palloc0_array(Rule, Max(*n, 1));
	for (uint64 i = 0; i < *n; i++)
	{
		Rule	   *r = &rules[i];

		r->name = FinopsText(i, 1);
		r->relation = FinopsText(i, 2);
		r->kind = FinopsText(i, 3);
		r->columns = names_of(i, 4, &r->ncolumns);
		r->reference_columns = names_of(i, 5, &r->nreference);
		r->reference = FinopsText(i, 6);
		r->threshold = FinopsText(i, 7);
		r->lower = FinopsText(i, 8);
		r->upper = FinopsText(i, 9);
		r->filter = FinopsText(i, 10);
		r->severity = FinopsText(i, 11);
		r->least_effect = FinopsText(i, 12);
		r->bounds = FinopsText(i, 16)[0] == 't' ? NULL : FinopsText(i, 13);
		r->counts = FinopsText(i, 14);
		r->definition = FinopsText(i, 15);
	}
	return rules;
}

pg_noreturn static void
refuse_unknown(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("there is no rule \"%s\"", FinopsQuoteForMessage(name)),
			 errhint("SELECT rule_name FROM finops.quality_rule shows them.")));
}

/* finops.run_quality_rules(rule_name) */
Datum
finops_run_quality_rules(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *name = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	FinopsSession session;
	Rule	   *rules;
	uint64		n;

	FinopsRequireWritable("finops.run_quality_rules()");
	InitMaterializedSRF(fcinfo, 0);
	FinopsBegin(&session);
	rules = read_rules(name, &n);
	if (n == 0 && name != NULL)
		refuse_unknown(name);
	for (uint64 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		run_rule(&session, &rules[i], rsinfo);
	}
	FinopsEnd(&session);
	return (Datum) 0;
}

/* finops.accept_baseline(rule_name) */
Datum
finops_accept_baseline(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *name;
	bool		there;

	FinopsRequireArg(fcinfo, 0, "rule name");
	FinopsRequireWritable("finops.accept_baseline()");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	FinopsBegin(&session);
	if (FINOPS_RUN("SELECT FROM finops.quality_rule WHERE rule_name = $1", ARG_TEXT(name)) == 0)
		refuse_unknown(name);
	there = FINOPS_RUN("DELETE FROM finops.quality_baseline WHERE rule_name = $1", ARG_TEXT(name)) > 0;
	FinopsAudit(&session, "accept_baseline", "quality_rule", name, "{}");
	FinopsEnd(&session);
	PG_RETURN_BOOL(there);
}
