/*-------------------------------------------------------------------------
 *
 * cost.c
 *	  The facts of a period, read once into sums.
 *
 * Lines of a tenant are summed by tenant and service, the fewer that have to
 * be placed also by what rules ask for.  What a line is summed by, but for the
 * tenant, is one value; there are few of them, the groups.
 *
 *	finops_group	the groups: no, provider, service, charge_category,
 *					currency, origin_period, built_in; of those that rules or
 *					policies place also slice, of_tenant, the columns d1, d2, ...
 *					that predicates read, n, first_line and last_line; cost
 *	finops_cost		tenant_id, tenant_no, no, cost; tenants are numbered in
 *					the order of their bytes
 *	finops_tenant	tenant_id of all lines
 *
 *-------------------------------------------------------------------------
 */
#include "allocate/allocate.h"

/* Arguments that one call of a function takes. */
#define TEXTS_PER_PACK	90

/*
 * Sums over many tenants are hashed: the planner, which cannot know how many
 * rows a stage yields, would rather sort them by their names, which takes
 * several times as long; the hash table is bounded by work_mem as well.
 * The setting returns to the caller's value when the session ends.
 */
void
AllocateHashSums(bool hash)
{
	FINOPS_RUN0(hash ? "SET LOCAL enable_sort = off" : "SET LOCAL enable_sort = on");
}

/* The built-in rule of a line f, by the policies $2 to $4. */
#define BUILT_IN \
	"CASE WHEN f.charge_category = 'Tax' AND $2 THEN '-1'" \
	" WHEN f.commitment_discount_status = 'Unused' AND $3 THEN '-2'" \
	" WHEN f.line_item_line_item_type LIKE '%Discount' AND $4 THEN '-3' END"

/* Lines that rules or policies place: all without a tenant, and recoverable tax. */
#define TO_PLACE "(f.tenant_id IS NULL OR f.charge_category = 'Tax' AND $2)"

/* What all lines are summed by, in the order of finops_group. */
#define COMMON_TEXTS \
	"f.provider, f.service, f.charge_category, f.line_item_currency_code," \
	" to_char(f.origin_period, 'YYYY-MM-DD'), " BUILT_IN

#define N_COMMON	6
#define N_PLACED	2			/* slice and tenant */

static const char *
slice_text(void)
{
	/* hour, or day where no rule is by hour */
	FINOPS_RUN0("SELECT max(r.sliced) FROM finops_rule r");
	if (FinopsText(0, 1) == NULL)
		return "NULL::text";
	return psprintf("to_char(date_trunc('%s', f.line_item_usage_start_date), 'YYYY-MM-DD HH24:MI:SS')",
					FinopsText(0, 1));
}

/* The value that a line f is summed by. */
static char *
line_key(const AllocateColumns *columns)
{
	StringInfoData buf;
	ListCell   *cell;
	int			n = N_COMMON + N_PLACED;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "CASE WHEN " TO_PLACE " THEN finops.pack_texts(" COMMON_TEXTS ", ");
	appendStringInfo(&buf, "%s, f.tenant_id", slice_text());
	foreach(cell, columns->expressions)
	{
		const char *expr = lfirst(cell);

		if (n++ % TEXTS_PER_PACK == 0)
			appendStringInfo(&buf, ") || finops.pack_texts((%s)::text", expr);
		else
			appendStringInfo(&buf, ", (%s)::text", expr);
	}
	appendStringInfoString(&buf, ") ELSE finops.pack_texts(" COMMON_TEXTS ") END");
	return buf.data;
}

/* "texts[n] AS ..." for what finops_group has of a value's texts k. */
static char *
group_columns(const AllocateColumns *columns)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "k.texts[1] AS provider, k.texts[2] AS service, k.texts[3] AS charge_category,"
						   " k.texts[4] AS currency, k.texts[5]::date AS origin_period,"
						   " k.texts[6]::integer AS built_in, cardinality(k.texts) > 6 AS placed,"
						   " k.texts[7]::timestamp AS slice, k.texts[8] AS of_tenant");
	for (int i = 1; i <= list_length(columns->expressions); i++)
		appendStringInfo(&buf, ", k.texts[%d]%s AS d%d", N_COMMON + N_PLACED + i,
						 list_member_int(columns->conditions, i) ? "::boolean" : "", i);
	return buf.data;
}

/*
 * Sums by hand where a block does not hold them: by tenant and value, which
 * are numbered afterwards.
 */
static void
group_lines(const char *lines, const FinopsArg *args)
{
	AllocateHashSums(true);
	FinopsStage("finops_sum",
				psprintf("SELECT f.tenant_id, f.key, sum(f.cost) AS cost, count(f.line) AS n, min(f.line) AS first_line, max(f.line) AS last_line"
						 " FROM (%s) f GROUP BY 1, 2", lines), 4, args);
	FINOPS_STAGE0("finops_sum_key",
		"SELECT row_number() OVER ()::integer AS key_no, s.key, s.n, s.first_line, s.last_line FROM ("
		" SELECT x.key, sum(x.n)::bigint AS n, min(x.first_line) AS first_line, max(x.last_line) AS last_line"
		"  FROM finops_sum x GROUP BY 1) s");
	FINOPS_STAGE0("finops_sum_tenant", "SELECT DISTINCT x.tenant_id FROM finops_sum x WHERE x.tenant_id IS NOT NULL");
	AllocateHashSums(false);
	FINOPS_STAGE0("finops_key_texts",
		"SELECT k.key_no, finops.unpack_texts(k.key) AS texts, k.n, k.first_line, k.last_line FROM finops_sum_key k");
	FINOPS_STAGE0("finops_cost",
		"SELECT s.tenant_id, t.tenant_no, k.key_no AS no, s.cost FROM finops_sum s JOIN finops_sum_key k USING (key)"
		" LEFT JOIN (SELECT x.tenant_id, row_number() OVER (ORDER BY x.tenant_id COLLATE \"C\")::integer AS tenant_no"
		"  FROM finops_sum_tenant x) t USING (tenant_id)");
	FinopsEndStage("finops_sum");
	FinopsEndStage("finops_sum_key");
	FinopsEndStage("finops_sum_tenant");
}

/*
 * Whether to try a block: not where statistics say that there are more tenants
 * and services than it may hold.
 */
static bool
fits_block(DateADT period)
{
	FINOPS_RUN("SELECT coalesce(exp(sum(ln(greatest(CASE WHEN s.n_distinct < 0 THEN -s.n_distinct * c.reltuples ELSE s.n_distinct END, 1)))), 0)"
			   "  * 32 * 4 / 3 > 1024.0 * current_setting('hash_mem_multiplier')::float8 * (SELECT w.setting::float8 FROM pg_settings w"
			   "  WHERE w.name = 'work_mem') / 2"
			   " FROM pg_stats s JOIN pg_class c ON c.relname = s.tablename AND c.relnamespace = 'finops'::regnamespace"
			   " WHERE s.schemaname = 'finops' AND s.tablename = to_char($1, '\"fact_cost_raw_\"YYYY_MM') AND s.attname IN ('tenant_id', 'service')",
			   ARG_DATE(period));
	return FinopsText(0, 1)[0] == 'f';
}

static bool
sum_block(const char *lines, const FinopsArg *args)
{
	FinopsStage("finops_sums",
				psprintf("SELECT finops.line_sums(f.tenant_id, f.key, f.cost, f.line) AS sums FROM (%s) f", lines), 4, args);
	FINOPS_STAGE0("finops_key_texts", "SELECT k.* FROM finops_sums s CROSS JOIN LATERAL finops.line_sums_keys(s.sums) k");
	FINOPS_STAGE0("finops_cost",
				  "SELECT a.tenant_id, a.tenant_no, a.key_no AS no, a.cost FROM finops_sums s"
				  " CROSS JOIN LATERAL finops.line_sums_amounts(s.sums) a");
	/* nothing to sum, or sums that did not fit */
	if (FINOPS_RUN0("SELECT 1 FROM finops_sums s WHERE s.sums IS NULL OR s.sums <> ''") > 0)
	{
		FinopsEndStage("finops_sums");
		return true;
	}
	FinopsEndStage("finops_cost");
	FinopsEndStage("finops_key_texts");
	FinopsEndStage("finops_sums");
	return false;
}

void
AllocateStageCost(DateADT period, FinopsCostBasis basis, const AllocateColumns *columns)
{
	/* the tenant of what is placed is part of its value */
	char	   *lines = psprintf("SELECT CASE WHEN NOT " TO_PLACE " THEN f.tenant_id END AS tenant_id, %s AS key, f.%s_cost AS cost,"
								 " CASE WHEN " TO_PLACE " THEN f.row_id END AS line FROM @s@.fact_cost_raw f"
								 " WHERE f.bill_billing_period_start_date = $1", line_key(columns), FinopsBasisName(basis));
	FinopsArg	args[] = {
		ARG_DATE(period), ARG_BOOL(AllocatePolicyIs(period, "input_tax", "recoverable")),
		ARG_BOOL(AllocatePolicyIs(period, "unused_commitment", "operator")),
		ARG_BOOL(AllocatePolicyIs(period, "discounts", "follow"))
	};

	if (!fits_block(period) || !sum_block(lines, args))
		group_lines(lines, args);
	FINOPS_STAGE0("finops_group",
				  psprintf("SELECT k.key_no AS no, %s, k.n, k.first_line, k.last_line, s.cost FROM finops_key_texts k"
						   " JOIN (SELECT c.no, sum(c.cost) AS cost FROM finops_cost c GROUP BY 1) s ON s.no = k.key_no",
						   group_columns(columns)));
	FinopsEndStage("finops_key_texts");
	FINOPS_STAGE0("finops_tenant",
				  "SELECT c.tenant_id FROM finops_cost c WHERE c.tenant_id IS NOT NULL"
				  " UNION SELECT g.of_tenant FROM finops_group g WHERE g.of_tenant IS NOT NULL");
}
