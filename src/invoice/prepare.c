/*-------------------------------------------------------------------------
 *
 * prepare.c
 *	  Compute the documents of a billing period.
 *
 * A document has one subscription line for each plan the tenant had in the
 * month and one allocation line for each service whose cost was placed on
 * the tenant.  Everything is computed by two queries over all tenants into
 * staged rows, compared by digest with the open documents that exist, and
 * written in four statements; what is unchanged is not touched.
 *
 * Rounding.  Amounts are ratios num / den of exact decimals.  With
 * scale = 10^digits of the document's currency, "half away from zero" is
 * div(2 |num| scale + den, 2 den), which is exact where a rounded quotient
 * would round twice.  Subscription lines are rounded one by one.  The
 * allocation lines of a document are rounded by largest remainder: their sum
 * is rounded once, each line is the floor or the ceiling of its exact
 * amount, and spare minor units go to the largest remainders, ties to the
 * larger amount and then to the first service by name.  A document whose
 * allocation is negative is the mirror image of the positive one.  Mixed signs need no exception,
 * because remainders to the floor are never negative.
 *
 * Tax is computed per document on the sum of its lines, half away from zero.
 * Where prices include the tax, the tax is taken out of the gross total and
 * the net lines are the gross lines x 1 / (1 + rate), again by largest
 * remainder, so that lines + tax = total holds either way.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"

PG_FUNCTION_INFO_V1(finops_prepare_invoices);

/*
 * In the statements below $1 is the first day of the period, $2 that of the
 * next one, $3 a tenant or NULL, $4 the reporting currency.  "COLLATE" keeps
 * text order independent of the database's locale.
 *
 * The inputs are staged one by one, so that the planner knows how many rows
 * each has also where no table has been analyzed yet.
 */
static const char *const rates_sql =
	"SELECT c.code, c.minor_unit::int4 AS digits,"
	" ('1e' || c.minor_unit)::numeric AS scale, ('1e-' || c.minor_unit)::numeric AS unit,"
	" CASE WHEN c.code = $2 THEN 1::numeric ELSE (SELECT f.rate FROM finops.fx_rate f"
	"  WHERE f.currency = c.code AND f.valid_from < $1 ORDER BY f.valid_from DESC LIMIT 1) END AS rate"
	" FROM (SELECT DISTINCT ON (code) code, minor_unit FROM finops.currency ORDER BY code, shipped) c";

static const char *const candidates_sql =
	"SELECT t.tenant_id, t.currency,"
	" CASE WHEN t.tax_profile -> 'exempt' = 'true' OR jsonb_typeof(t.tax_profile -> 'rate_pct') <> 'number'"
	"  OR t.tax_profile -> 'rate_pct' IS NULL THEN 0"
	"  ELSE least(greatest((t.tax_profile -> 'rate_pct')::numeric, 0), 100) * 0.01 END AS tax_rate,"
	" coalesce(t.tax_profile -> 'inclusive' = 'true', false) AS inclusive"
	" FROM @s@.tenant_master t"
	" WHERE t.billing_mode = 'invoice' AND t.status IN ('active', 'suspended')"
	" AND ($1 IS NULL OR t.tenant_id = $1)";

/* Each tenant's invoice of the period: the issued one, else the latest. */
static const char *const existing_sql =
	"SELECT DISTINCT ON (h.tenant_id) h.tenant_id, h.revision, h.status, h.invoice_id, h.input_digest"
	" FROM @s@.invoice_header h WHERE h.period_start = $1 AND h.kind = 'invoice'"
	" AND ($2 IS NULL OR h.tenant_id = $2) "
	" ORDER BY h.tenant_id, h.status IN ('issued', 'paid') DESC, h.revision DESC";

/* Tenants that get documents and have none that is issued. */
static const char *const tenants_sql =
	"SELECT t.*, r.digits, r.scale, r.unit, r.rate AS doc_rate"
	" FROM inv_candidate t LEFT JOIN inv_rate r ON r.code = t.currency"
	" LEFT JOIN inv_existing e ON e.tenant_id = t.tenant_id"
	" WHERE coalesce(e.status, 'open') IN ('open', 'void')";

static const char *const bindings_sql =
	"SELECT b.tenant_id, b.plan_code, b.binding_id, p.currency, p.base_price,"
	" p.markup_pct, greatest(b.period_start, $1) AS first_day,"
	" least(coalesce(b.period_end, $2 - 1), $2 - 1) AS last_day"
	" FROM @s@.tenant_plan_binding b JOIN @s@.plan_master p USING (plan_code)"
	" WHERE b.period_start < $2 AND coalesce(b.period_end, $1) >= $1"
	" AND ($3 IS NULL OR b.tenant_id = $3)";

/* Only of tenants that get a document: on a repeated issue there are none. */
static const char *const costs_sql =
	"SELECT a.tenant_id, a.service, a.currency, sum(a.cost) AS cost,"
	" jsonb_object_agg(a.rule_id, a.rule_version ORDER BY a.rule_version) AS rules"
	" FROM (SELECT f.tenant_id, f.service, f.currency, f.rule_id, f.rule_version, sum(f.allocated_cost_usd) AS cost"
	"  FROM @s@.fact_cost_allocated f JOIN inv_tenant t ON t.tenant_id = f.tenant_id"
	"  WHERE f.period_start = $1 GROUP BY 1, 2, 3, 4, 5 HAVING sum(f.allocated_cost_usd) <> 0) a"
	" GROUP BY a.tenant_id, a.service, a.currency HAVING sum(a.cost) <> 0";

/* The plan of the last bound day gives the markup and stands on the document. */
static const char *const last_plans_sql =
	"SELECT DISTINCT ON (tenant_id) tenant_id, plan_code, markup_pct"
	" FROM inv_binding ORDER BY tenant_id, first_day DESC";

#define SUBSCRIPTION_SQL \
	"subscription AS (SELECT t.tenant_id, 1 AS class, b.first_day::text AS sort_key, NULL::text AS sort_key2," \
	" 'subscription' AS line_type, NULL::text AS service," \
	" CASE WHEN d.days = $2 - $1 THEN format('Plan %s, %s', b.plan_code, to_char($1, 'YYYY-MM'))" \
	"  ELSE format('Plan %s, %s to %s (%s of %s days)', b.plan_code, b.first_day, b.last_day, d.days, $2 - $1) END AS description," \
	" CASE WHEN d.days = $2 - $1 THEN 1 ELSE d.days END::numeric AS quantity," \
	" CASE WHEN d.days = $2 - $1 THEN 'month' ELSE 'day' END AS unit," \
	" trim_scale(CASE WHEN d.days = $2 - $1 AND b.currency = t.currency THEN b.base_price" \
	"  WHEN d.days = $2 - $1 THEN round(b.base_price * p.rate / t.doc_rate, t.digits + 10)" \
	"  ELSE round(b.base_price * p.rate / (t.doc_rate * ($2 - $1)), t.digits + 10) END) AS unit_price," \
	" div(2 * n.num * t.scale + n.den, 2 * n.den) * t.unit AS gross," \
	" NULL::numeric AS cost, NULL::text AS cost_currency, NULL::numeric AS cost_usd," \
	" CASE WHEN p.rate IS NULL THEN b.currency WHEN t.doc_rate IS NULL THEN t.currency END AS missing_rate," \
	" jsonb_build_object('binding_id', b.binding_id, 'plan_code', b.plan_code, 'days', d.days) AS reference_ids" \
	" FROM inv_tenant t JOIN inv_binding b USING (tenant_id) LEFT JOIN inv_rate p ON p.code = b.currency" \
	" CROSS JOIN LATERAL (SELECT b.last_day - b.first_day + 1 AS days) d" \
	" CROSS JOIN LATERAL (SELECT b.base_price * d.days * CASE WHEN b.currency = t.currency THEN 1 ELSE p.rate END AS num," \
	"  ($2 - $1) * CASE WHEN b.currency = t.currency THEN 1 ELSE t.doc_rate END AS den) n)"

/*
 * num / den is the exact amount; den is the same for all lines of a document,
 * so remainders compare as integers do.  Where the cost is in the document's
 * own currency both rates are the same and leave the amount as it is.
 */
#define ALLOCATION_SQL \
	"exact AS (SELECT t.*, c.service, c.currency AS cost_currency, c.cost, c.rules, r.rate AS cost_rate," \
	" c.cost * (100 + coalesce(l.markup_pct, 0)) * 0.01 AS price," \
	" c.cost * (100 + coalesce(l.markup_pct, 0)) * r.rate * t.scale AS num, 100 * t.doc_rate AS den" \
	" FROM inv_tenant t JOIN inv_cost c USING (tenant_id) LEFT JOIN inv_plan l USING (tenant_id)" \
	" LEFT JOIN inv_rate r ON r.code = c.currency)," \
	" signed AS (SELECT e.*, s.sgn, div(s.sgn * e.num, e.den)" \
	"  - CASE WHEN s.sgn * e.num < 0 AND mod(e.num, e.den) <> 0 THEN 1 ELSE 0 END AS floor_units," \
	"  s.total FROM (SELECT x.*, sum(x.num) OVER (PARTITION BY x.tenant_id) AS sum_num FROM exact x) e" \
	"  CROSS JOIN LATERAL (SELECT CASE WHEN e.sum_num < 0 THEN -1 ELSE 1 END AS sgn," \
	"   div(2 * abs(e.sum_num) + e.den, 2 * e.den) AS total) s)," \
	" ranked AS (SELECT g.*, row_number() OVER (PARTITION BY g.tenant_id" \
	"  ORDER BY g.sgn * g.num - g.floor_units * g.den DESC, g.sgn * g.num DESC," \
	"  g.service COLLATE \"C\", g.cost_currency COLLATE \"C\") AS rank," \
	"  g.total - sum(g.floor_units) OVER (PARTITION BY g.tenant_id) AS spare FROM signed g)," \
	" allocation AS (SELECT k.tenant_id, 2 AS class, k.service AS sort_key, k.cost_currency AS sort_key2," \
	" 'allocation' AS line_type, k.service, format('%s, %s', k.service, to_char($1, 'YYYY-MM')) AS description," \
	" 1::numeric AS quantity, 'month' AS unit," \
	" trim_scale(CASE WHEN k.cost_currency = k.currency THEN k.price" \
	"  ELSE round(k.price * k.cost_rate / k.doc_rate, k.digits + 10) END) AS unit_price," \
	" k.sgn * (k.floor_units + CASE WHEN k.rank <= k.spare THEN 1 ELSE 0 END) * k.unit AS gross," \
	" k.cost, k.cost_currency, k.cost * k.cost_rate AS cost_usd," \
	" CASE WHEN k.cost_rate IS NULL THEN k.cost_currency WHEN k.doc_rate IS NULL THEN k.currency END AS missing_rate," \
	" jsonb_build_object('service', k.service, 'rules', k.rules) AS reference_ids FROM ranked k)"

static const char *const lines_sql =
	"WITH " SUBSCRIPTION_SQL ", " ALLOCATION_SQL
	" SELECT l.tenant_id, row_number() OVER (PARTITION BY l.tenant_id"
	" ORDER BY l.class, l.sort_key COLLATE \"C\", l.sort_key2 COLLATE \"C\")::int4 AS line_no,"
	" l.line_type, l.service, l.description, l.quantity, l.unit, l.unit_price, l.gross,"
	" l.cost, l.cost_currency, l.cost_usd, l.missing_rate, l.reference_ids,"
	" t.currency, t.doc_rate, t.tax_rate, t.inclusive, t.scale, t.unit AS minor"
	" FROM (SELECT * FROM subscription UNION ALL SELECT * FROM allocation) l JOIN inv_tenant t USING (tenant_id)";

/*
 * Headers.  The id of a new document is made from the tenant's letters and
 * digits; where that is empty or taken, a digest of the tenant's id makes it
 * unique.
 */
static const char *const docs_sql =
	"WITH sums AS (SELECT l.tenant_id, l.currency, l.doc_rate, l.tax_rate, l.inclusive, l.scale, l.minor,"
	"  sum(l.gross) AS gross,"
	"  encode(sha256(convert_to(string_agg(concat(l.line_no, '|', l.line_type, '|', l.quantity, '|', l.unit,"
	"   '|', l.unit_price, '|', l.gross, '|', l.cost, '|', l.cost_currency, '|', l.cost_usd, '|', l.reference_ids, '|', l.description),"
	"   E'\\n' ORDER BY l.line_no), 'UTF8')), 'hex') AS lines_digest"
	"  FROM inv_line l GROUP BY 1, 2, 3, 4, 5, 6, 7),"
	" taxed AS (SELECT s.*, x.tax, CASE WHEN s.inclusive THEN s.gross - x.tax ELSE s.gross END AS subtotal"
	"  FROM sums s CROSS JOIN LATERAL (SELECT CASE WHEN s.inclusive"
	"   THEN sign(s.gross) * div(2 * abs(s.gross) * s.scale * s.tax_rate + 1 + s.tax_rate, 2 * (1 + s.tax_rate))"
	"   ELSE sign(s.gross) * div(2 * abs(s.gross) * s.scale * s.tax_rate + 1, 2) END * s.minor AS tax) x),"
	" named AS (SELECT t.*, p.plan_code, e.input_digest AS old_digest, coalesce(e.status = 'open', false) AS is_open,"
	"  CASE WHEN e.status = 'open' THEN e.revision ELSE coalesce(e.revision, 0) + 1 END AS revision, e.invoice_id AS old_id,"
	"  regexp_replace(t.tenant_id, '[^A-Za-z0-9]', '', 'g') AS short_id,"
	"  encode(sha256(convert_to(concat_ws('|', t.lines_digest, t.currency, t.doc_rate, t.tax_rate, t.inclusive, t.subtotal, t.tax,"
	"   p.plan_code), 'UTF8')), 'hex') AS digest"
	"  FROM taxed t LEFT JOIN inv_plan p USING (tenant_id) LEFT JOIN inv_existing e USING (tenant_id)),"
	" numbered AS (SELECT n.*, format('INV-%s-%s', to_char($1, 'YYYYMM'), n.short_id) AS base_id,"
	"  row_number() OVER (PARTITION BY n.short_id ORDER BY n.is_open DESC, n.tenant_id COLLATE \"C\") AS twin FROM named n)"
	" SELECT n.tenant_id, n.plan_code, n.currency, n.doc_rate, n.tax_rate, n.inclusive, n.subtotal, n.tax, n.digest,"
	"  n.revision, n.is_open, n.is_open AND n.old_digest = n.digest AS unchanged,"
	"  CASE WHEN n.is_open THEN n.old_id ELSE concat(n.base_id,"
	"   CASE WHEN n.short_id = '' OR n.twin > 1 OR h.invoice_id IS NOT NULL"
	"    THEN '-' || left(encode(sha256(convert_to(n.tenant_id, 'UTF8')), 'hex'), 8) END,"
	"   CASE WHEN n.revision > 1 THEN '-R' || n.revision END) END AS invoice_id"
	" FROM numbered n LEFT JOIN @s@.invoice_header h ON h.invoice_id = n.base_id AND h.tenant_id <> n.tenant_id";

/* Net amounts where prices include the tax, by largest remainder. */
static const char *const net_sql =
	"WITH exact AS (SELECT l.tenant_id, l.line_no, l.minor, s.sgn, s.sgn * l.gross * l.scale AS num,"
	"  1 + l.tax_rate AS den, abs(d.subtotal) * l.scale AS target"
	"  FROM inv_line l JOIN inv_doc d USING (tenant_id)"
	"  CROSS JOIN LATERAL (SELECT CASE WHEN d.subtotal < 0 THEN -1 ELSE 1 END AS sgn) s WHERE l.inclusive),"
	" floored AS (SELECT e.*, div(e.num, e.den) - CASE WHEN e.num < 0 AND mod(e.num, e.den) <> 0 THEN 1 ELSE 0 END AS units FROM exact e),"
	" ranked AS (SELECT f.*, row_number() OVER (PARTITION BY f.tenant_id"
	"  ORDER BY f.num - f.units * f.den DESC, f.num DESC, f.line_no) AS rank,"
	"  f.target - sum(f.units) OVER (PARTITION BY f.tenant_id) AS spare FROM floored f)"
	" SELECT k.tenant_id, k.line_no,"
	"  k.sgn * (k.units + CASE WHEN k.rank <= k.spare THEN 1 ELSE 0 END) * k.minor AS net FROM ranked k";

static void
check_rates(DateADT period)
{
	if (FINOPS_RUN0("SELECT string_agg(DISTINCT missing_rate, ', ' ORDER BY missing_rate),"
					" min(missing_rate) FROM inv_line WHERE missing_rate IS NOT NULL"
					" HAVING count(*) > 0") == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("no exchange rate for %s in billing period %s",
					FinopsText(0, 1), FinopsPeriodText(period)),
			 errdetail("The reporting currency is %s.", finops_reporting_currency),
			 errhint("Set it with SELECT finops.set_fx_rate('%s', '%s-01', rate).",
					 FinopsText(0, 2), FinopsPeriodText(period))));
}

/*
 * Over all tenants a nested loop is never the right plan; over tables that
 * were never analyzed the planner may think so.  Lasts until FinopsEnd.
 */
static void
avoid_nested_loops(void)
{
	(void) set_config_option("enable_nestloop", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

static void
stage_documents(DateADT period, const char *tenant)
{
	DateADT		next = FinopsPeriodEnd(period);

	FINOPS_STAGE("inv_rate", rates_sql, ARG_DATE(next), ARG_TEXT(finops_reporting_currency));
	FINOPS_STAGE("inv_candidate", candidates_sql, ARG_TEXT(tenant));
	FINOPS_STAGE("inv_existing", existing_sql, ARG_DATE(period), ARG_TEXT(tenant));
	FinopsStage("inv_tenant", tenants_sql, 0, NULL);
	FINOPS_STAGE("inv_binding", bindings_sql, ARG_DATE(period), ARG_DATE(next), ARG_TEXT(tenant));
	FinopsStage("inv_plan", last_plans_sql, 0, NULL);
	FINOPS_STAGE("inv_cost", costs_sql, ARG_DATE(period));
	FINOPS_STAGE("inv_line", lines_sql, ARG_DATE(period), ARG_DATE(next));
	check_rates(period);
	FINOPS_STAGE("inv_doc", docs_sql, ARG_DATE(period));
	FinopsStage("inv_net", net_sql, 0, NULL);
}

/* Open documents of tenants that get none any more; they had no number. */
static int64
delete_stale(DateADT period, const char *tenant)
{
	return (int64) FINOPS_RUN("DELETE FROM @s@.invoice_header h"
							  " WHERE h.period_start = $1 AND h.kind = 'invoice' AND h.status = 'open'"
							  " AND ($2 IS NULL OR h.tenant_id = $2)"
							  " AND NOT EXISTS (SELECT FROM inv_doc d WHERE d.invoice_id = h.invoice_id)",
							  ARG_DATE(period), ARG_TEXT(tenant));
}

static void
write_headers(DateADT period, InvoicePreparation *done)
{
	FINOPS_RUN0("DELETE FROM @s@.invoice_detail l USING inv_doc d"
				" WHERE l.invoice_id = d.invoice_id AND d.is_open AND NOT d.unchanged");
	done->rewritten += FINOPS_RUN0("UPDATE @s@.invoice_header h SET plan_code = d.plan_code, currency = d.currency,"
						  " subtotal = d.subtotal, tax = d.tax, total = d.subtotal + d.tax,"
						  " subtotal_usd = d.subtotal * d.doc_rate, tax_usd = d.tax * d.doc_rate,"
						  " total_usd = (d.subtotal + d.tax) * d.doc_rate, fx_rate = d.doc_rate,"
						  " tax_rate = d.tax_rate, tax_inclusive = d.inclusive, input_digest = d.digest"
						  " FROM inv_doc d WHERE h.invoice_id = d.invoice_id"
						  " AND d.is_open AND NOT d.unchanged");
	done->added = FINOPS_RUN("INSERT INTO @s@.invoice_header (invoice_id, tenant_id, plan_code, period_start, period_end,"
						  " revision, currency, subtotal, tax, total, subtotal_usd, tax_usd, total_usd, fx_rate,"
						  " tax_rate, tax_inclusive, input_digest)"
						  " SELECT d.invoice_id, d.tenant_id, d.plan_code, $1, $2 - 1, d.revision, d.currency,"
						  " d.subtotal, d.tax, d.subtotal + d.tax, d.subtotal * d.doc_rate, d.tax * d.doc_rate,"
						  " (d.subtotal + d.tax) * d.doc_rate, d.doc_rate, d.tax_rate, d.inclusive, d.digest"
						  " FROM inv_doc d WHERE NOT d.is_open ORDER BY d.invoice_id COLLATE \"C\""
						  /* raises 40001 where a plain insert would say 23505 */
						  " ON CONFLICT (tenant_id, period_start, kind, revision) DO NOTHING",
						  ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)));
}

static void
write_details(DateADT period)
{
	FINOPS_RUN("INSERT INTO @s@.invoice_detail (invoice_id, line_no, tenant_id, period_start, line_type, service,"
			   " description, quantity, unit, unit_price, unit_price_usd, amount, amount_usd, gross_amount,"
			   " tax_rate, cost, cost_currency, cost_usd, reference_ids)"
			   " SELECT d.invoice_id, l.line_no, l.tenant_id, $1, l.line_type, l.service, l.description,"
			   " l.quantity, l.unit, l.unit_price, l.unit_price * l.doc_rate, coalesce(n.net, l.gross),"
			   " coalesce(n.net, l.gross) * l.doc_rate, CASE WHEN l.inclusive THEN l.gross END,"
			   " l.tax_rate, l.cost, l.cost_currency, l.cost_usd, l.reference_ids"
			   " FROM inv_line l JOIN inv_doc d USING (tenant_id)"
			   " LEFT JOIN inv_net n ON n.tenant_id = l.tenant_id AND n.line_no = l.line_no"
			   " WHERE NOT d.unchanged ORDER BY d.invoice_id COLLATE \"C\", l.line_no",
			   ARG_DATE(period));
}

/*
 * The documents are what the reconciliation judges in its later stages: its
 * verdict falls when one that it may have seen is rewritten.
 */
static void
note_change(const FinopsSession *session, DateADT period,
			const InvoicePreparation *done)
{
	int64		run_id = FinopsStartRun(session, "prepare_invoices", period);
	char	   *detail = psprintf("{\"documents\": %lld, \"changed\": %lld}",
								  (long long) done->documents,
								  (long long) (done->added + done->rewritten));

	if (done->rewritten > 0)
		FinopsClearGates(period, FINOPS_GATE_RECONCILIATION);
	FinopsSetGate(period, FINOPS_GATE_DOCUMENTS, "prepared",
				  psprintf("%lld open document%s", (long long) done->documents,
						   done->documents == 1 ? "" : "s"),
				  run_id);
	FinopsAudit(session, "invoice_prepare", "billing_period",
				FinopsPeriodText(period), detail);
	FinopsFinishRun(run_id, "completed", detail);
}

InvoicePreparation
InvoicePrepare(const FinopsSession *session, DateADT period, const char *tenant)
{
	InvoicePreparation done = {0, 0, 0};

	if (tenant == NULL)
		avoid_nested_loops();
	stage_documents(period, tenant);
	done.rewritten = delete_stale(period, tenant);
	write_headers(period, &done);
	if (done.added + done.rewritten > 0)
		write_details(period);
	FINOPS_RUN("SELECT count(*) FROM @s@.invoice_header WHERE period_start = $1"
			   " AND status = 'open' AND kind = 'invoice'", ARG_DATE(period));
	done.documents = FinopsInt64(0, 1);
	if (done.added + done.rewritten > 0)
		note_change(session, period, &done);
	return done;
}

void
InvoiceSelectDocuments(DateADT period, const char *tenant)
{
	FINOPS_RUN("SELECT * FROM @s@.invoice_header WHERE period_start = $1"
			   " AND kind = 'invoice' AND status <> 'void'"
			   " AND ($2 IS NULL OR tenant_id = $2)"
			   " ORDER BY tenant_id COLLATE \"C\", revision",
			   ARG_DATE(period), ARG_TEXT(tenant));
}

/*
 * finops.prepare_invoices(period date, tenant_id text DEFAULT NULL)
 *	-> SETOF invoice_header
 *
 * Computes the documents of a month that has begun, for one tenant or all;
 * they are open and have no number.  Repeated with unchanged inputs it
 * changes nothing.  Errors: 22004, 22023 for the period, 55000 for a locked
 * period or a missing exchange rate, 25006 in a read-only transaction.
 */
Datum
finops_prepare_invoices(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	char	   *tenant = InvoiceTextArg(fcinfo, 1);

	FinopsCheckPeriodNotFuture(period);
	FinopsRequireWritable("finops.prepare_invoices()");
	FinopsBegin(&session);
	InvoiceRequireTenant(tenant);
	FinopsOpenPeriod(period);
	(void) InvoicePrepare(&session, period, tenant);
	InvoiceSelectDocuments(period, tenant);
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
