/*-------------------------------------------------------------------------
 *
 * tag.c
 *	  Coverage per tag key, the keys that could name tenants, and the choice
 *	  of one.
 *
 * Lines are grouped by their whole set of tags first: a bill has far fewer
 * sets than lines, so keys and values are taken apart once per set.
 *
 *-------------------------------------------------------------------------
 */
#include "tag/tag.h"

#include "bill/bill.h"

PG_FUNCTION_INFO_V1(finops_tag_coverage_report);
PG_FUNCTION_INFO_V1(finops_tag_key_candidates);
PG_FUNCTION_INFO_V1(finops_set_tenant_key);

/*
 * A key could name tenants when somebody chose it (keys of the provider begin
 * with aws:) and it has as many values as there may be tenants.
 */
#define COULD_NAME_TENANTS \
	"(k.key NOT LIKE 'aws:%' AND k.distinct_values BETWEEN 2 AND 10000)"

/* Keys whose name says that their values are somebody who pays. */
#define NAMES_A_PAYER \
	"regexp_replace(lower(k.key), '[^a-z]', '', 'g')" \
	" ~ '^(tenant|customer|client|costcent|team|department|businessunit|organi[sz]ation|project|owner|account)'"

void
TagRequireBill(DateADT period)
{
	if (FINOPS_RUN("SELECT 1 FROM @s@.fact_cost_raw"
				   " WHERE bill_billing_period_start_date = $1 LIMIT 1",
				   ARG_DATE(period)) > 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("no bill is loaded for billing period %s",
					FinopsPeriodText(period)),
			 errhint("Load it: SELECT * FROM finops.load_bill('/path/to/bill.csv.gz').")));
}

/* Lines by set of tags and currency, then by key and value. */
#define TAG_SETS \
	" tag_set AS MATERIALIZED (" \
	"  SELECT f.resource_tags AS tags, f.line_item_currency_code AS currency," \
	"   count(*) AS n, sum(f.billed_cost) AS cost" \
	"  FROM @s@.fact_cost_raw f WHERE $1 IS NULL OR f.bill_billing_period_start_date = $1" \
	"  GROUP BY 1, 2)," \
	" total AS (SELECT currency, sum(n) AS n, sum(cost) AS cost FROM tag_set GROUP BY 1)," \
	" tag AS MATERIALIZED (" \
	"  SELECT s.currency, s.n, s.cost, e.key, " TAG_VALUE("e.value") " AS value" \
	"  FROM tag_set s CROSS JOIN LATERAL jsonb_each_text(s.tags) e" \
	"  WHERE jsonb_typeof(s.tags) = 'object')"

/*
 * finops.tag_coverage_report(period date DEFAULT NULL) -> TABLE (tag_key,
 * rows_total, rows_tagged, rows_pct, cost_total, cost_tagged, cost_pct,
 * currency)
 *
 * Per tag key and currency, over one billing period or all: lines and billed
 * cost on which the key is present and not blank.  Percents have at least 16
 * significant digits; cost_pct is NULL where the total is zero.  22023 for a
 * period that is not the first of a month or has not begun.
 */
Datum
finops_tag_coverage_report(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	bool		all = PG_ARGISNULL(0);
	DateADT		period = all ? 0 : FinopsPeriodArg(fcinfo, 0);

	if (!all)
		FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	FINOPS_RUN("WITH" TAG_SETS
			   " SELECT t.key, a.n::bigint, t.n::bigint, 100 * t.n / a.n, a.cost, t.cost,"
			   "  100 * t.cost / nullif(a.cost, 0), a.currency"
			   " FROM (SELECT key, currency, coalesce(sum(n) FILTER (WHERE value IS NOT NULL), 0) AS n,"
			   "   coalesce(sum(cost) FILTER (WHERE value IS NOT NULL), 0) AS cost FROM tag GROUP BY 1, 2) t"
			   " JOIN total a USING (currency)"
			   " ORDER BY a.n DESC, a.currency, t.n DESC, t.key COLLATE \"C\"",
			   ARG_DATUM(DATEOID, DateADTGetDatum(period), all));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.tag_key_candidates() -> TABLE (tag_key, distinct_values, rows_pct,
 * cost_pct, suitable, example_values)
 *
 * Tag keys of all loaded bills, best first: keys that could name tenants (not
 * of the provider, 2 to 10,000 distinct values), of these the ones that are
 * called after somebody who pays, then by the share of billed cost they cover
 * in the currency with most lines.
 */
Datum
finops_tag_key_candidates(PG_FUNCTION_ARGS)
{
	FinopsSession session;

	FinopsBegin(&session);
	FINOPS_RUN("WITH" TAG_SETS ","
			   " main AS (SELECT * FROM total ORDER BY n DESC, currency LIMIT 1),"
			   " per_value AS (SELECT t.key, t.value, sum(t.n) AS n, sum(t.cost) AS cost"
			   "  FROM tag t JOIN main m USING (currency) WHERE t.value IS NOT NULL GROUP BY 1, 2),"
			   " per_key AS (SELECT key, count(*) AS distinct_values, sum(n) AS n, sum(cost) AS cost,"
			   "   (array_agg(value ORDER BY cost DESC, value COLLATE \"C\"))[1:3] AS examples"
			   "  FROM per_value GROUP BY 1)"
			   " SELECT k.key, k.distinct_values, 100 * k.n / m.n AS rows_pct,"
			   "  100 * k.cost / nullif(m.cost, 0) AS cost_pct,"
			   "  " COULD_NAME_TENANTS " AS suitable, k.examples"
			   " FROM per_key k CROSS JOIN main m"
			   " ORDER BY 5 DESC, " NAMES_A_PAYER " DESC, 4 DESC NULLS LAST, 3 DESC, k.key COLLATE \"C\"",
			   ARG_DATUM(DATEOID, (Datum) 0, true));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* ---------------------------------------------------------------------
 * The tenant key
 * ---------------------------------------------------------------------
 */

/* Keys that resemble the wanted one come first, then the most used. */
static void
refuse_unknown_key(const char *tag_key)
{
	char	   *keys;

	FINOPS_RUN("SELECT string_agg(format('\"%s\"', left(k.key, 64)), ', ' ORDER BY k.place) FROM ("
			   " SELECT e.key, row_number() OVER (ORDER BY"
			   "  regexp_replace(lower(e.key), '[^a-z0-9]', '', 'g') <> regexp_replace(lower($1), '[^a-z0-9]', '', 'g'),"
			   "  strpos(lower(e.key), lower(btrim($1))) = 0, count(*) DESC, e.key COLLATE \"C\") AS place"
			   " FROM (SELECT DISTINCT f.resource_tags AS tags FROM @s@.fact_cost_raw f) s"
			   " CROSS JOIN LATERAL jsonb_object_keys(CASE jsonb_typeof(s.tags) WHEN 'object' THEN s.tags ELSE '{}' END) e(key)"
			   " GROUP BY e.key ORDER BY place LIMIT 10) k", ARG_TEXT(tag_key));
	keys = FinopsText(0, 1);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("no loaded bill has a tag key \"%s\"",
					FinopsQuoteForMessage(tag_key)),
			 keys == NULL ?
			 errdetail("The loaded bills carry no tags.") :
			 errdetail("Tag keys of the loaded bills: %s.", keys),
			 errhint("SELECT * FROM finops.tag_key_candidates() shows what each key covers.")));
}

/* A key may be chosen before there is a bill, but not against the bills. */
static void
check_key(const char *tag_key)
{
	if (strcmp(tag_key, "tenant_id") == 0 ||
		FINOPS_RUN("SELECT 1 WHERE NOT EXISTS (SELECT FROM @s@.fact_cost_raw)"
				   " OR EXISTS (SELECT FROM @s@.fact_cost_raw f WHERE f.resource_tags ? $1)",
				   ARG_TEXT(tag_key)) > 0)
		return;
	refuse_unknown_key(tag_key);
}

/*
 * Take the writers' locks of all months with facts, in the order of the
 * months, and return those that are not locked.
 */
static DateADT *
open_periods(int *n)
{
	uint64		found = FINOPS_RUN0("SELECT DISTINCT f.bill_billing_period_start_date"
									" FROM @s@.fact_cost_raw f ORDER BY 1");
	DateADT    *all = palloc_array(DateADT, found + 1);
	bool		isnull;

	for (uint64 i = 0; i < found; i++)
		all[i] = DatumGetDateADT(FinopsValue(i, 1, &isnull));
	*n = 0;
	for (uint64 i = 0; i < found; i++)
	{
		FinopsLock(FINOPS_LOCK_PERIOD, all[i]);
		if (!FinopsPeriodIsLocked(all[i]))
			all[(*n)++] = all[i];
	}
	return all;
}

/* The derived tenant of one open month: facts, roll-up and gates. */
static int64
recompute_period(const char *tag_key, DateADT period)
{
	int64		changed;

	FinopsOpenPeriod(period);
	changed = (int64)
		FINOPS_RUN("UPDATE @s@.fact_cost_raw f SET tenant_id = " TAG_TENANT_OF_LINE
				   " WHERE f.bill_billing_period_start_date = $2"
				   " AND f.tenant_id IS DISTINCT FROM " TAG_TENANT_OF_LINE,
				   ARG_TEXT(tag_key), ARG_DATE(period));
	if (changed > 0)
	{
		BillRebuildRollup(period, NULL);
		FinopsClearGates(period, FINOPS_GATE_TAGS);
	}
	return changed;
}

char *
TagTenantKey(void)
{
	FINOPS_RUN0("SELECT coalesce((SELECT tag_key FROM finops.tenant_key), 'tenant_id')");
	return FinopsText(0, 1);
}

int64
TagRegisterUnseenTenants(void)
{
	return (int64)
		FINOPS_RUN0("INSERT INTO @s@.tenant_master (tenant_id, tenant_name, status, billing_mode)"
					" SELECT DISTINCT f.tenant_id, f.tenant_id, 'unregistered', 'showback'"
					" FROM @s@.fact_cost_raw f WHERE f.tenant_id IS NOT NULL"
					" AND NOT EXISTS (SELECT FROM @s@.period_lock l WHERE l.state = 'LOCKED'"
					"  AND l.period_start = f.bill_billing_period_start_date)"
					" ON CONFLICT (tenant_id) DO NOTHING");
}

static void
audit_choice(const FinopsSession *session, const char *tag_key,
			 int64 registered, int periods)
{
	FINOPS_RUN("SELECT jsonb_build_object('tenants_registered', $1, 'open_periods', $2)::text",
			   ARG_INT8(registered), ARG_INT4(periods));
	FinopsAudit(session, "tenant_key_set", "tag_key", tag_key, FinopsText(0, 1));
}

/*
 * finops.set_tenant_key(tag_key text) -> TABLE (tag_key, currency, tenants,
 * tenants_registered, rows_total, rows_tagged, rows_pct, cost_total,
 * cost_tagged, cost_pct)
 *
 * Chooses the tag key whose value names the tenant of a line, and derives the
 * tenant of every line of the months that are not locked: value without
 * blanks around it, NULL when nothing is left.  Unseen values become
 * unregistered tenants.  One row per currency of the open months; cost is
 * billed cost.  22004 for NULL, 22023 for a blank key and for one that no
 * loaded bill carries.
 */
Datum
finops_set_tenant_key(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tag_key;
	DateADT    *periods;
	int			n;
	int64		registered;

	FinopsRequireArg(fcinfo, 0, "tag_key");
	tag_key = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (strspn(tag_key, " \t\n\v\f\r") == strlen(tag_key))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tag_key must not be blank"),
				 errhint("SELECT * FROM finops.tag_key_candidates() shows the keys of the loaded bills.")));
	FinopsRequireWritable("finops.set_tenant_key()");
	FinopsBegin(&session);
	/* loads hold it in share mode: what they bring is there afterwards */
	FINOPS_RUN0("LOCK TABLE finops.tenant_key IN SHARE ROW EXCLUSIVE MODE");
	check_key(tag_key);
	periods = open_periods(&n);
	FINOPS_RUN("INSERT INTO finops.tenant_key (tag_key) VALUES ($1)"
			   " ON CONFLICT (singleton) DO UPDATE SET tag_key = EXCLUDED.tag_key, set_at = now()",
			   ARG_TEXT(tag_key));
	for (int i = 0; i < n; i++)
		(void) recompute_period(tag_key, periods[i]);
	registered = TagRegisterUnseenTenants();
	audit_choice(&session, tag_key, registered, n);
	FINOPS_RUN("SELECT $1, f.line_item_currency_code, count(DISTINCT f.tenant_id), $2,"
			   " count(*), count(f.tenant_id), 100 * count(f.tenant_id)::numeric / count(*),"
			   " sum(f.billed_cost), coalesce(sum(f.billed_cost) FILTER (WHERE f.tenant_id IS NOT NULL), 0),"
			   " 100 * coalesce(sum(f.billed_cost) FILTER (WHERE f.tenant_id IS NOT NULL), 0) / nullif(sum(f.billed_cost), 0)"
			   " FROM @s@.fact_cost_raw f WHERE NOT EXISTS (SELECT FROM @s@.period_lock l"
			   "  WHERE l.state = 'LOCKED' AND l.period_start = f.bill_billing_period_start_date)"
			   " GROUP BY 2 ORDER BY 5 DESC, 2",
			   ARG_TEXT(tag_key), ARG_INT8(registered));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
