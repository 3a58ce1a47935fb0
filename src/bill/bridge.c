/*-------------------------------------------------------------------------
 *
 * bridge.c
 *	  finops.cost_bridge: from billed to effective cost, line by line.
 *
 * The facts are summed by what the bridge asks of them, which makes some dozen
 * kinds: loads keep them in finops.cost_kind (rollup.c), and where these do not
 * come to what was delivered, the facts themselves are summed.  Each line of
 * the bridge is summed over the kinds by its own predicate, and none is what
 * remains after the others.  The residual is what the lines do not
 * explain, and is zero when every fact follows the rules of project.c.
 *
 * "type" below is the provider's line item type, for FOCUS bills the charge
 * category.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/facts.h"

#define COMMITMENT_FEE	"type IN ('RIFee', 'SavingsPlanRecurringFee')"
#define COVERED			"coalesce(status, '') IN ('Used', 'Unused')"

typedef struct BridgeLine
{
	const char *label;
	const char *amount;			/* per kind: b billed, e effective */
	const char *predicate;
} BridgeLine;

static const BridgeLine bridge_lines[] = {
	{"billed cost", "b", "true"},
	{"new prepayments", "-b",
		"NOT split AND (type = 'SavingsPlanUpfrontFee'"
	" OR (type = 'Fee' AND reserved) OR (type = 'Purchase' AND free))"},
	{"refunds of prepayments", "-b",
	"NOT split AND type = 'Refund' AND plans"},
	{"commitment fees of the month", "-b", "NOT split AND " COMMITMENT_FEE},
	{"covered usage as billed, and its negation", "-b",
		"NOT split AND ((" COVERED " AND NOT " COMMITMENT_FEE ")"
	" OR type = 'SavingsPlanNegation')"},
	{"commitment cost used", "e", "NOT split AND status = 'Used'"},
	{"commitment cost unused", "e",
	"NOT split AND (" COMMITMENT_FEE " OR status = 'Unused')"},
	{"split cost lines, counted in their parent", "-b", "split"},
	{"other differences delivered by the provider", "e - b",
		"NOT split AND status IS NULL AND type IN ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment')"
	" AND NOT (type = 'Purchase' AND free)"},
};

/*
 * The facts of a period: its partition, of which the planner knows how many
 * kinds there are.
 */
static const char *
facts_of(DateADT period)
{
	char	   *month = FinopsPeriodText(period);
	char	   *name;

	month[4] = '_';
	name = psprintf("finops.fact_cost_raw_%s", month);
	return FINOPS_RUN("SELECT 1 FROM pg_inherits i WHERE i.inhrelid = to_regclass($1)"
					  " AND i.inhparent = '@s@.fact_cost_raw'::regclass", ARG_TEXT(name)) > 0 ?
		name : "@s@.fact_cost_raw";
}

static char *
kinds_of_facts(DateADT period)
{
	return psprintf("SELECT sum(x.billed_cost) AS b, sum(x.effective_cost) AS e, x.reserved, x.line_type AS type,"
					" x.savings_plan AS plans, x.commitment_status AS status, x.currency, x.split, x.free"
					" FROM (SELECT %s, f.billed_cost, f.effective_cost, f.line_item_currency_code AS currency"
					"  FROM %s f WHERE f.bill_billing_period_start_date = $1) x"
					" GROUP BY 3, 4, 5, 6, 7, 8, 9",
					BILL_KIND_OF_LINE, facts_of(period));
}

/* As loads keep them, where they come to what the deliveries of the period do; else NULL. */
static const char *
kinds_kept(DateADT period)
{
	uint64		n = FINOPS_RUN("SELECT FROM (SELECT sum(k.line_items) AS n, sum(k.billed_cost) AS billed,"
							   "  sum(k.effective_cost) AS effective FROM finops.cost_kind k"
							   "  WHERE k.billing_period = $1) k"
							   " WHERE (k.n, k.billed, k.effective) = (SELECT sum(d.line_items), sum(d.billed_cost),"
							   "  sum(d.effective_cost) FROM finops.delivery d"
							   "  WHERE d.billing_period = $1 AND d.status = 'current')", ARG_DATE(period));

	return n == 0 ? NULL :
		"SELECT k.billed_cost AS b, k.effective_cost AS e, k.reserved, k.line_type AS type,"
		" k.savings_plan AS plans, k.commitment_status AS status, k.currency, k.split, k.free"
		" FROM finops.cost_kind k WHERE k.billing_period = $1";
}

static char *
bridge_sql(const char *kinds)
{
	int			n = lengthof(bridge_lines);
	StringInfoData sums;
	StringInfoData rows;
	StringInfoData total;

	initStringInfo(&sums);
	initStringInfo(&rows);
	initStringInfo(&total);
	for (int i = 0; i < n; i++)
	{
		const BridgeLine *line = &bridge_lines[i];

		appendStringInfo(&sums, ", coalesce(sum(%s) FILTER (WHERE %s), 0) AS a%d",
						 line->amount, line->predicate, i + 1);
		appendStringInfo(&rows, "(%d, '%s', a%d), ", i + 1, line->label, i + 1);
		appendStringInfo(&total, "%sa%d", i == 0 ? "" : " + ", i + 1);
	}
	return psprintf("WITH f AS (%s), s AS (SELECT currency, sum(e) AS e%s FROM f GROUP BY currency)"
					" SELECT l.position, l.line, l.amount, s.currency FROM s, LATERAL (VALUES %s"
					"(%d, 'effective cost', s.e), (%d, 'effective less billed', s.e - a1),"
					" (%d, 'residual', s.e - (%s))) AS l(position, line, amount)"
					" ORDER BY s.currency, l.position",
					kinds, sums.data, rows.data, n + 1, n + 2, n + 3, total.data);
}

PG_FUNCTION_INFO_V1(finops_cost_bridge);

/*
 * Within a session: the bridge of a month that is about to be locked, from its
 * facts, kept in the detail of the run that locks it; returns it as JSON.
 */
char *
BillKeepBridge(DateADT period, int64 run_id)
{
	FINOPS_RUN(psprintf("UPDATE finops.run SET detail = coalesce(detail, '{}') || jsonb_build_object('cost_bridge',"
						" (SELECT coalesce(jsonb_agg(jsonb_build_array(b.position, b.line, b.amount, b.currency)"
						"  ORDER BY b.currency, b.position), '[]') FROM (%s) b))"
						" WHERE run_id = $2 RETURNING (detail -> 'cost_bridge')::text",
						bridge_sql(kinds_of_facts(period))),
			   ARG_DATE(period), ARG_INT8(run_id));
	return FinopsText(0, 1);
}

/* What was kept at the lock, while the month is locked. */
static bool
kept_bridge(DateADT period)
{
	return FinopsPeriodIsLocked(period) &&
		FINOPS_RUN("SELECT (b.line ->> 0)::integer, b.line ->> 1, (b.line ->> 2)::numeric, b.line ->> 3"
				   " FROM (SELECT r.detail -> 'cost_bridge' AS lines FROM finops.run r"
				   "  WHERE r.kind = 'lock' AND r.period_start = $1 AND r.detail ? 'cost_bridge'"
				   "  ORDER BY r.run_id DESC LIMIT 1) r"
				   " CROSS JOIN LATERAL jsonb_array_elements(r.lines) WITH ORDINALITY b(line, k) ORDER BY b.k",
				   ARG_DATE(period)) > 0;
}

/*
 * finops.cost_bridge(period date) → position, line, amount, currency: the
 * way from billed to effective cost of a billing period, unrounded, per
 * currency of the bill; of a locked period as it was at the lock; no rows for
 * a period without facts.  22004, 22023 for the period argument.
 */
Datum
finops_cost_bridge(PG_FUNCTION_ARGS)
{
	DateADT		period = FinopsPeriodArg(fcinfo, 0);
	FinopsSession session;
	const char *kinds;

	FinopsCheckPeriodNotFuture(period);
	FinopsBegin(&session);
	if (!kept_bridge(period))
	{
		kinds = kinds_kept(period);
		FINOPS_RUN(bridge_sql(kinds != NULL ? kinds : kinds_of_facts(period)), ARG_DATE(period));
	}
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
