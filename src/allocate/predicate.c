/*-------------------------------------------------------------------------
 *
 * predicate.c
 *	  The predicates of rules, compiled to SQL.
 *
 * Every rule version becomes one expression over the columns of the cost
 * sums; all of them stand in one CASE, so that the first rule that matches is
 * found in one pass over the sums, not one pass per rule.  What a predicate
 * reads becomes a column by which the facts are summed: columns of few values
 * as they are, resource ids as the answers to the rules' questions.  Columns
 * are read of lines without a tenant only; the others need no rule.
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/allocate.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

/*
 * The predicates of the rules of stage finops_rule: rule, the expression on
 * a line f that it reads, the condition with @x@ for that expression, and
 * whether the condition itself is what facts are summed by.
 */
static const char *const predicates_sql =
"WITH dim(name, expr) AS (VALUES ('provider', 'f.provider'), ('service', 'f.service'),"
"  ('charge_category', 'f.charge_category'), ('charge_class', 'f.charge_class'),"
"  ('account', 'f.line_item_usage_account_id'), ('payer', 'f.bill_payer_account_id'),"
"  ('usage_type', 'f.line_item_usage_type'), ('operation', 'f.line_item_operation'),"
"  ('region', 'f.product_region'), ('line_type', 'f.line_item_line_item_type'),"
"  ('resource', 'f.line_item_resource_id'), ('source', 'f.source')),"
" given AS ("
"  SELECT r.no, 'provider' AS dim, NULL AS tag, jsonb_build_object('eq', r.provider) AS test"
"   FROM finops_rule r WHERE r.provider IS NOT NULL"
"  UNION ALL SELECT r.no, 'service', NULL, jsonb_build_object('like', r.service_match)"
"   FROM finops_rule r WHERE r.service_match IS NOT NULL"
"  UNION ALL SELECT r.no, 'usage_type', NULL, jsonb_build_object('like', r.usage_type_like)"
"   FROM finops_rule r WHERE r.usage_type_like IS NOT NULL"
"  UNION ALL SELECT r.no, 'charge_category', NULL, jsonb_build_object('eq', r.charge_category)"
"   FROM finops_rule r WHERE r.charge_category IS NOT NULL"
"  UNION ALL SELECT r.no, m.key, NULL, m.value FROM finops_rule r CROSS JOIN LATERAL jsonb_each(r.match) m"
"   WHERE m.key NOT IN ('tags', 'cost_category')"
"  UNION ALL SELECT r.no, 'tag', CASE g.key WHEN 'tags' THEN t.key ELSE 'costCategory/' || t.key END, t.value"
"   FROM finops_rule r CROSS JOIN LATERAL jsonb_each(r.match) g CROSS JOIN LATERAL jsonb_each(g.value) t"
"   WHERE g.key IN ('tags', 'cost_category')),"
" atom AS ("
"  SELECT g.no, CASE WHEN g.tag IS NULL THEN d.expr ELSE format('coalesce(f.virtual_tags ->> %1$L, f.resource_tags ->> %1$L)', g.tag) END AS expr,"
"   o.key AS op, o.value AS arg, g.dim"
"  FROM given g LEFT JOIN dim d ON d.name = g.dim CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(g.test)"
"   WHEN 'object' THEN g.test WHEN 'array' THEN jsonb_build_object('in', g.test)"
"   ELSE jsonb_build_object('eq', g.test) END) o)"
" SELECT a.no, a.expr, CASE a.op"
"   WHEN 'eq' THEN format('@x@ = %L', a.arg #>> '{}')"
"   WHEN 'in' THEN format('@x@ = ANY (%L::text[])', ARRAY(SELECT jsonb_array_elements_text(a.arg)))"
"   WHEN 'not_in' THEN format('@x@ <> ALL (%L::text[])', ARRAY(SELECT jsonb_array_elements_text(a.arg)))"
"   WHEN 'prefix' THEN format('starts_with(@x@, %L)', a.arg #>> '{}')"
"   WHEN 'like' THEN format('@x@ LIKE %L', a.arg #>> '{}')"
"   WHEN 'regex' THEN format('@x@ ~ %L', a.arg #>> '{}')"
"   WHEN 'absent' THEN format('(coalesce(btrim(@x@), '''') = '''') = %L::boolean', a.arg #>> '{}') END AS condition,"
"  a.dim IN ('resource', 'operation') AS asked"
" FROM atom a ORDER BY a.no, 2, 3";

/* The column of the sums that holds an expression, made when it is new. */
static int
column_of(AllocateColumns *columns, const char *expr)
{
	ListCell   *cell;
	int			i = 0;

	foreach(cell, columns->expressions)
	{
		i++;
		if (strcmp(lfirst(cell), expr) == 0)
			return i;
	}
	columns->expressions = lappend(columns->expressions, pstrdup(expr));
	return i + 1;
}

/* condition with every @x@ replaced */
static char *
with_expression(const char *condition, const char *expr)
{
	StringInfoData buf;
	const char *at;

	initStringInfo(&buf);
	while ((at = strstr(condition, "@x@")) != NULL)
	{
		appendBinaryStringInfo(&buf, condition, at - condition);
		appendStringInfoString(&buf, expr);
		condition = at + 3;
	}
	appendStringInfoString(&buf, condition);
	return buf.data;
}

/*
 * Compiles the predicates of stage finops_rule, rules numbered from 1.  A
 * qual over the line itself (f) comes along for looking up lines.
 */
void
AllocateCompile(AllocateColumns *columns, int n_rules)
{
	uint64		n = FINOPS_RUN0(predicates_sql);

	columns->expressions = columns->conditions = NIL;
	columns->n_rules = n_rules;
	columns->quals = palloc0_array(StringInfoData, n_rules + 1);
	columns->line_quals = palloc0_array(StringInfoData, n_rules + 1);
	for (int i = 1; i <= n_rules; i++)
	{
		initStringInfo(&columns->quals[i]);
		initStringInfo(&columns->line_quals[i]);
	}
	for (uint64 i = 0; i < n; i++)
	{
		int			no = (int) FinopsInt64(i, 1);
		char	   *expr = FinopsText(i, 2);
		char	   *condition = FinopsText(i, 3);
		char	   *asked = FinopsText(i, 4);
		const char *and = columns->quals[no].len > 0 ? " AND " : "";

		if (expr == NULL || condition == NULL)
			elog(ERROR, "unchecked predicate of an allocation rule");
		appendStringInfo(&columns->line_quals[no], "%s%s", and,
						 with_expression(condition, expr));
		if (asked[0] == 't')
		{
			int			column = column_of(columns, with_expression(condition, expr));

			columns->conditions = list_append_unique_int(columns->conditions, column);
			appendStringInfo(&columns->quals[no], "%sc.d%d", and, column);
		}
		else
			appendStringInfo(&columns->quals[no], "%s%s", and,
							 with_expression(condition, psprintf("c.d%d", column_of(columns, expr))));
	}
}

/* The number of the first rule that matches the sums c, or NULL. */
char *
AllocateFirstMatch(const AllocateColumns *columns, bool of_lines)
{
	StringInfoData buf;

	if (columns->n_rules == 0)
		return "NULL::integer";
	initStringInfo(&buf);
	appendStringInfoString(&buf, "CASE");
	for (int i = 1; i <= columns->n_rules; i++)
	{
		StringInfo	qual = of_lines ? &columns->line_quals[i] : &columns->quals[i];

		appendStringInfo(&buf, " WHEN %s THEN %d", qual->len > 0 ? qual->data : "true", i);
	}
	appendStringInfoString(&buf, " END");
	return buf.data;
}

/* The numbers of all rules that match the sums c, in order. */
char *
AllocateAllMatches(const AllocateColumns *columns)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "array_remove(ARRAY[NULL::integer");
	for (int i = 1; i <= columns->n_rules; i++)
		appendStringInfo(&buf, ", CASE WHEN %s THEN %d END",
						 columns->quals[i].len > 0 ? columns->quals[i].data : "true", i);
	appendStringInfoString(&buf, "], NULL)");
	return buf.data;
}
