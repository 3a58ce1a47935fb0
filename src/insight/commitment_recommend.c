/*-------------------------------------------------------------------------
 *
 * commitment_recommend.c
 *	  Which commitments to buy: from the usage of the last weeks, or what it is
 *	  forecast to be, and from what is bought already until it ends.
 *
 * Demand is money on demand by hour, account and usage type: usage without a
 * commitment at its effective cost, and usage under commitments that have a
 * row in finops.commitment at its price without them.  A line of a bill that
 * spans several hours is spread evenly.  The weeks looked at stand for the
 * months to come: these are cut into epochs wherever a commitment ends, and
 * each hour counts as many times as the epoch has days.
 *
 * Forecast demand is that of the weeks looked at, times what the forecast of
 * a month is of them; each month counts with its 10 %, 50 % and 90 % values
 * in the shares 3 : 4 : 3 (Swanson's rule), because the best amount depends on
 * how demand is spread and not on its mean alone.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/commitment_case.h"

#include "forecast/jsonb_options.h"

#include "utils/fmgrprotos.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_recommend_commitments);
PG_FUNCTION_INFO_V1(finops_commitment_curve);
PG_FUNCTION_INFO_V1(finops_commitment_ladder);

#define NAMES "lookback_days, lag_days, provider, currency, offers, horizon_months, demand, max_share, min_utilisation," \
	" upfront_limit, guard_days, draws, seed"
#define MONTH_HOURS	730
#define LEAST_HISTORY	56		/* days, to forecast from */

typedef struct Wish
{
	Jsonb	   *options;
	DateADT		as_of;
	int			lookback;		/* days */
	int			lag;
	int			guard;
	int			draws;
	uint64		seed;
	bool		forecast;
	CommitmentLimits limits;
} Wish;

/* One provider and currency, and the time looked at. */
typedef struct Market
{
	const Wish *wish;
	char	   *provider;
	char	   *currency;
	DateADT		from;			/* first day looked at */
	DateADT		to;				/* the day after the last */
	DateADT		start;			/* of the time to come */
	DateADT		end;
	CommitmentEpoch *epochs;
	int			nepochs;
} Market;

static void
read_wish(FunctionCallInfo fcinfo, int as_of_arg, int options_arg, Wish *w)
{
	static const char *const demands[] = {"past", "forecast"};
	double		cash;

	memset(w, 0, sizeof(Wish));
	FinopsRequireArg(fcinfo, as_of_arg, "as_of");
	w->as_of = PG_GETARG_DATEADT(as_of_arg);
	FinopsCheckDay(w->as_of, "as_of");
	w->options = OptionsArg(fcinfo, options_arg, NAMES);
	w->lookback = OptionInt(w->options, "lookback_days", 28, 1, 400);
	w->lag = OptionInt(w->options, "lag_days", 1, 0, 60);
	w->guard = OptionInt(w->options, "guard_days", 0, 0, 400);
	w->draws = OptionInt(w->options, "draws", 1000, 0, 100000);
	w->seed = (uint64) OptionNumber(w->options, "seed", 1, 0, 9e15);
	w->forecast = OptionChoice(w->options, "demand", demands, lengthof(demands), 0) == 1;
	w->limits.most_coverage = (int) rint(OptionNumber(w->options, "max_share", 0, 0.000001, 1) * 1000000);
	w->limits.least_utilisation = (int) rint(OptionNumber(w->options, "min_utilisation", 0, 0, 1) * 1000000);
	/* no cash at all is a limit, too: what cannot be paid */
	cash = OptionNumber(w->options, "upfront_limit", -1, 0, 1e12);
	if (cash >= 0)
		w->limits.cash = (CommitmentMoney) rint(cash * 1e6) * (COMMITMENT_ONE / 1000000) * COMMITMENT_ONE + 1;
}

/* ---------------------------------------------------------------------
 * Demand
 * ---------------------------------------------------------------------
 */

/* instance type up to its size, without the prefix of a managed service */
#define FAMILY "coalesce(substring(f.product_instance_type FROM '^(?:(?:db|cache|ml|search)\\.)?([^.]+)\\.'), f.product_instance_type, '')"

#define ELIGIBLE \
	" f.provider = $1 AND f.line_item_currency_code = $2 AND f.charge_category = 'Usage'" \
	" AND coalesce(f.line_item_usage_type, '') !~ 'SpotUsage' AND coalesce(f.pricing_category, '') <> 'Dynamic'" \
	" AND (f.commitment_discount_id IS NULL OR (f.commitment_discount_status = 'Used'" \
	"  AND EXISTS (SELECT FROM finops.commitment c WHERE c.commitment_id = f.commitment_discount_id)))"

#define PRICE \
	"CASE WHEN f.commitment_discount_id IS NULL THEN f.effective_cost" \
	" ELSE coalesce(f.contracted_cost, f.list_cost, f.effective_cost) END"

#define KEY \
	"coalesce(f.line_item_usage_account_id, f.bill_payer_account_id, '') AS account, f.service," \
	" coalesce(f.product_region, '') AS region, " FAMILY " AS family, coalesce(f.line_item_usage_type, '') AS usage_type"

static FinopsArg
offers_arg(const Wish *w)
{
	int			n;
	char	  **names = OptionTexts(w->options, "offers", &n);
	Datum	   *values = palloc_array(Datum, Max(n, 1));
	ArrayType  *array;

	for (int i = 0; i < n; i++)
		values[i] = CStringGetTextDatum(names[i]);
	array = construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT);
	return ARG_DATUM(TEXTARRAYOID, PointerGetDatum(array), names == NULL);
}

/* Offers, and what is bought and does not end before the time to come. */
static void
stage_commitments(const Market *m)
{
	FINOPS_STAGE("commit_any",
				 "SELECT 'o:' || o.offer_id AS id, o.offer_id, o.kind, coalesce(o.account_id, '') AS account, o.shared, NULL::numeric AS hourly,"
				 " $3 AS starts, ($3 + make_interval(months => o.term_months))::date AS ends, o.step, o.most_hourly AS most,"
				 " round((($3 + make_interval(months => o.term_months))::date - $3) * 24 * o.upfront_share)::bigint AS cash_hours"
				 " FROM finops.commitment_offer o WHERE o.enabled AND o.provider = $1 AND o.currency = $2"
				 " AND ($5 IS NULL OR o.offer_id = ANY ($5))"
				 " UNION ALL SELECT 'c:' || c.commitment_id, o.offer_id, o.kind, coalesce(c.account_id, ''), c.shared, c.hourly,"
				 " coalesce(c.starts_at::date, $3), coalesce((c.ends_at + interval '23 hours')::date, 'infinity'), NULL, NULL, NULL"
				 " FROM finops.commitment c JOIN finops.commitment_offer o USING (offer_id)"
				 " WHERE o.provider = $1 AND o.currency = $2 AND coalesce(c.ends_at, 'infinity') > $3 AND coalesce(c.starts_at, '-infinity') < $4",
				 ARG_TEXT(m->provider), ARG_TEXT(m->currency), ARG_DATE(m->start), ARG_DATE(m->end),
				 offers_arg(m->wish));
}

/* Usage that any of them covers, with its best fitting discount. */
static void
stage_usage(const Market *m)
{
	FINOPS_STAGE("commit_raw",
				 "SELECT account, service, region, family, usage_type, starts, hours, sum(cost) AS cost FROM (SELECT " KEY ","
				 " date_trunc('hour', f.line_item_usage_start_date) AS starts,"
				 " least(greatest(ceil(extract(epoch FROM coalesce(f.line_item_usage_end_date, f.line_item_usage_start_date)"
				 "  - date_trunc('hour', f.line_item_usage_start_date)) / 3600), 1), 744)::int AS hours, " PRICE " AS cost"
				 " FROM @s@.fact_cost_raw f WHERE f.bill_billing_period_start_date BETWEEN ($3 - 31) AND $4"
				 " AND f.line_item_usage_start_date >= $3 - 31 AND f.line_item_usage_start_date < $4 AND" ELIGIBLE ") u GROUP BY 1, 2, 3, 4, 5, 6, 7",
				 ARG_TEXT(m->provider), ARG_TEXT(m->currency), ARG_DATE(m->from), ARG_DATE(m->to));
	FINOPS_STAGE0("commit_line",
				  "SELECT row_number() OVER () AS line, u.* FROM (SELECT DISTINCT account, service, region, family, usage_type FROM commit_raw) u");
	FINOPS_STAGE0("commit_rate",
				  "SELECT DISTINCT ON (a.id, l.line) a.id, l.line, r.discount FROM commit_any a JOIN finops.commitment_rate r USING (offer_id)"
				  " JOIN commit_line l ON (r.service IS NULL OR r.service = l.service) AND (r.region IS NULL OR r.region = l.region)"
				  " AND (r.family IS NULL OR r.family = l.family) AND (r.usage_type IS NULL OR r.usage_type = l.usage_type)"
				  " ORDER BY a.id, l.line, num_nonnulls(r.service, r.region, r.family, r.usage_type) DESC, r.discount");
	/* usage that has the same discounts of all, and belongs to the same owner or to none, is one */
	FINOPS_STAGE0("commit_group",
				  "SELECT l.account, l.service, l.region, l.family, l.usage_type, l.line, w.who, dense_rank() OVER (ORDER BY w.who, s.discounts) AS usage"
				  " FROM commit_line l JOIN (SELECT r.line, string_agg(concat(r.id, ' ', trim_scale(r.discount)), ' ' ORDER BY r.id COLLATE \"C\") AS discounts"
				  "  FROM commit_rate r GROUP BY r.line) s USING (line),"
				  " LATERAL (SELECT CASE WHEN l.account IN (SELECT a.account FROM commit_any a) THEN l.account ELSE '-' END AS who) w");
}

/* Day by day what the months to come need, against the weeks looked at. */
static void
stage_factors(const Market *m)
{
	uint64		days;

	days = FINOPS_STAGE("commit_day",
						"WITH d AS (SELECT f.line_item_usage_start_date::date AS day, sum(" PRICE ") AS cost FROM @s@.fact_cost_raw f"
						" WHERE f.bill_billing_period_start_date BETWEEN $3 - 431 AND $3 AND f.line_item_usage_start_date >= $3 - 400"
						" AND f.line_item_usage_start_date < $3 AND" ELIGIBLE
						" AND (f.service, coalesce(f.product_region, ''), coalesce(f.line_item_usage_type, '')) IN (SELECT l.service, l.region, l.usage_type"
						"  FROM commit_line l JOIN commit_rate r USING (line)) GROUP BY 1)"
						" SELECT g::date AS day, greatest(coalesce(d.cost, 0), 0)::float8 AS cost FROM generate_series((SELECT min(day) FROM d), $3 - 1, interval '1 day') g"
						" LEFT JOIN d ON d.day = g::date",
						ARG_TEXT(m->provider), ARG_TEXT(m->currency), ARG_DATE(m->to));
	if (days < LEAST_HISTORY)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("demand cannot be forecast from %llu days", (unsigned long long) days),
				 errdetail("At least %d days of usage that could be covered are needed.", LEAST_HISTORY),
				 errhint("Use '{\"demand\": \"past\"}'.")));
	FINOPS_STAGE("commit_factor",
				 "WITH h AS (SELECT array_agg(cost ORDER BY day) AS series FROM commit_day),"
				 " b AS (SELECT nullif(avg(cost), 0) AS base FROM commit_day WHERE day >= $1 - $3)"
				 " SELECT $1 + f.step - 1 AS day, least(greatest(v.value / b.base, 0), 100) AS factor, v.share FROM h, b,"
				 " LATERAL finops.forecast(h.series, $2, 7, 'auto', '{80}') f,"
				 " LATERAL (VALUES (f.lower[1], 3), (f.mean, 4), (f.upper[1], 3)) AS v(value, share)",
				 ARG_DATE(m->to), ARG_INT4(m->end - m->to), ARG_INT4(m->wish->lookback));
}

static void
stage_epochs(Market *m)
{
	if (m->wish->forecast)
		stage_factors(m);
	FINOPS_STAGE("commit_span",
				 psprintf("WITH b AS (SELECT $1 AS day UNION SELECT starts FROM commit_any UNION SELECT ends FROM commit_any%s),"
						  " s AS (SELECT day, coalesce(lead(day) OVER (ORDER BY day), $2) AS until FROM b WHERE day >= $1 AND day < $2)"
						  " SELECT row_number() OVER (ORDER BY s.day, v.share, v.factor) - 1 AS epoch, s.day, ((s.until - s.day) * v.share)::bigint AS weight,"
						  " round(v.factor::numeric * 1000000)::bigint AS factor FROM s, LATERAL (%s) v",
						  m->wish->forecast ? " UNION SELECT ($1 + make_interval(months => g))::date FROM generate_series(1, 120) g" : "",
						  m->wish->forecast ?
						  "SELECT avg(f.factor) AS factor, f.share FROM (SELECT c.*, row_number() OVER (PARTITION BY c.day ORDER BY c.factor) AS n"
						  "  FROM commit_factor c WHERE c.day >= s.day AND c.day < s.until) f GROUP BY f.n, f.share" :
						  "SELECT 1 AS factor, 1 AS share"),
				 ARG_DATE(m->start), ARG_DATE(m->end));
	m->nepochs = (int) FINOPS_RUN0("SELECT weight, factor FROM commit_span ORDER BY epoch");
	m->epochs = palloc_array(CommitmentEpoch, Max(m->nepochs, 1));
	for (int e = 0; e < m->nepochs; e++)
		m->epochs[e] = (CommitmentEpoch) {FinopsInt64(e, 1), FinopsInt64(e, 2)};
}

static void
end_stages(void)
{
	static const char *const names[] = {"commit_span", "commit_factor", "commit_day", "commit_group", "commit_rate", "commit_line", "commit_raw", "commit_any"};

	for (size_t i = 0; i < lengthof(names); i++)
		FinopsEndStage(names[i]);
}

/* The case of the last so many days. */
static void
load_case(const Market *m, int days, CommitmentCase *k)
{
	int			first = (int) (m->to - days - m->from) * 24;
	char	   *from = DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(m->from)));

	CommitmentReadCase(k,
					   psprintf("SELECT slot - %d, who, usage::text, greatest(sum(cost), 0), 1::numeric FROM"
								" (SELECT (extract(epoch FROM u.starts - '%s'::date)::bigint / 3600 + h) AS slot, u.who, u.usage, u.cost / u.hours AS cost FROM"
								"  (SELECT l.who, l.usage, r.starts, r.hours, sum(r.cost) AS cost FROM commit_raw r"
								"   JOIN commit_group l USING (account, service, region, family, usage_type) GROUP BY 1, 2, 3, 4) u, generate_series(0, u.hours - 1) h) x"
								" WHERE slot >= %d AND slot < %d GROUP BY 1, 2, 3",
								first, from, first, (int) (m->to - m->from) * 24),
					   "SELECT a.id, a.kind, a.account, a.shared, a.hourly, NULL::numeric,"
					   " (SELECT count(*) FROM commit_span s WHERE s.day < a.starts), (SELECT count(*) FROM commit_span s WHERE s.day < a.ends),"
					   " a.step, a.most, a.cash_hours FROM commit_any a ORDER BY a.hourly IS NULL, a.id COLLATE \"C\"",
					   "SELECT DISTINCT r.id, g.usage::text, 1 - r.discount FROM commit_rate r JOIN commit_group g USING (line)",
					   m->epochs, m->nepochs, (int64) days * 24);
}

/* ---------------------------------------------------------------------
 * Markets
 * ---------------------------------------------------------------------
 */

/* How long the time to come is: the shortest term, unless it is given. */
static int
horizon_of(const Wish *w, const char *provider, const char *currency)
{
	int			given = OptionInt(w->options, "horizon_months", 0, 0, 120);

	if (given > 0)
		return given;
	FINOPS_RUN("SELECT min(o.term_months)::bigint FROM finops.commitment_offer o WHERE o.enabled AND o.provider = $1 AND o.currency = $2"
			   " AND ($3 IS NULL OR o.offer_id = ANY ($3))", ARG_TEXT(provider), ARG_TEXT(currency), offers_arg(w));
	return (int) FinopsInt64(0, 1);
}

static DateADT
months_after(DateADT day, int months)
{
	FINOPS_RUN("SELECT (($1 + make_interval(months => $2))::date - $1)::bigint", ARG_DATE(day), ARG_INT4(months));
	return day + (DateADT) FinopsInt64(0, 1);
}

static void
refuse_offer(const char *offer)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("there is no offer \"%s\"", FinopsQuoteForMessage(offer)),
			 errhint("SELECT offer_id FROM finops.commitment_offer WHERE enabled lists them.")));
}

/* A name that is misspelt would look like an offer that is not worth buying. */
static void
check_offers(const Wish *w)
{
	if (FINOPS_RUN("SELECT n.name FROM unnest($1) n(name) WHERE NOT EXISTS"
				   " (SELECT FROM finops.commitment_offer o WHERE o.offer_id = n.name AND o.enabled) LIMIT 1", offers_arg(w)) > 0)
		refuse_offer(FinopsText(0, 1));
}

/* Provider and currency of the offers; pairs in an array of the session. */
static int
find_markets(const Wish *w, Market **markets)
{
	int			n, usable = 0;

	check_offers(w);
	n = (int) FINOPS_RUN("SELECT o.provider, o.currency, (SELECT max(d.usage_date) + 1 FROM finops.cost_daily d"
						 "  WHERE d.provider = o.provider AND d.currency = o.currency AND d.charge_category = 'Usage' AND d.usage_date < $4) AS seen"
						 " FROM finops.commitment_offer o WHERE o.enabled AND ($1 IS NULL OR o.provider = $1) AND ($2 IS NULL OR o.currency = $2)"
						 " AND ($3 IS NULL OR o.offer_id = ANY ($3)) GROUP BY 1, 2 ORDER BY o.provider COLLATE \"C\", o.currency COLLATE \"C\"",
						 ARG_TEXT(OptionText(w->options, "provider", NULL)), ARG_TEXT(OptionText(w->options, "currency", NULL)), offers_arg(w), ARG_DATE(w->as_of));

	*markets = palloc0_array(Market, Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		Market	   *m = &(*markets)[usable];
		bool		isnull;
		Datum		seen = FinopsValue(i, 3, &isnull);

		if (isnull)
			continue;
		m->wish = w;
		m->provider = FinopsText(i, 1);
		m->currency = FinopsText(i, 2);
		m->to = Min(DatumGetDateADT(seen), w->as_of - w->lag);
		m->from = m->to - w->lookback;
		usable++;
	}
	return usable;
}

static void
open_market(Market *m, DateADT start)
{
	m->start = start;
	m->end = months_after(start, horizon_of(m->wish, m->provider, m->currency));
	stage_commitments(m);
	stage_usage(m);
	stage_epochs(m);
}

/* No more than what the last few days alone would ask for. */
static void
guard(const Market *m, CommitmentCase *k)
{
	CommitmentCase recent;

	if (m->wish->guard == 0 || m->wish->guard >= m->wish->lookback)
		return;
	load_case(m, m->wish->guard, &recent);
	(void) CommitmentSolve(&recent, &m->wish->limits, 0);
	for (int i = 0; i < k->n; i++)
	{
		CommitmentMoney most = recent.commitments[i].hourly;

		if (k->free[i])
			k->commitments[i].most = k->commitments[i].most < 0 ? most : Min(k->commitments[i].most, most);
	}
}

/* ---------------------------------------------------------------------
 * Savings by bootstrap
 * ---------------------------------------------------------------------
 */

/* Cost of each hour of the window, all epochs together, as the commitments stand. */
static CommitmentMoney *
hourly_costs(CommitmentCase *k, CommitmentQuantity *left)
{
	CommitmentMoney *costs = palloc0_array(CommitmentMoney, Max(k->window, 1));
	CommitmentOrder *order;
	void	   *memory = CommitmentMemory(CommitmentOrderSize(k->n, k->use.nlines));

	k->use.left = left;
	CommitmentRaise(CommitmentPrepare(memory, &k->use, k->commitments, k->n, &order));
	CommitmentApply(order, &k->use, k->commitments, CommitmentInterrupt);
	k->use.left = NULL;
	for (int64 h = 0; h < k->use.nhours; h++)
	{
		CommitmentMoney cost = 0;

		for (int i = 0; i < k->n; i++)
			if (h >= k->commitments[i].from && h < k->commitments[i].upto)
				cost += k->commitments[i].hourly;
		for (int l = 0; l < k->use.nlines; l++)
			cost += left[h * k->use.nlines + l] * k->use.lines[l].rate;
		costs[h % k->window] += cost * CommitmentWeight(&k->use, h);
	}
	pfree(memory);
	return costs;
}

static int
compare_money(const void *a, const void *b)
{
	CommitmentMoney x = *(const CommitmentMoney *) a,
				y = *(const CommitmentMoney *) b;

	return (x > y) - (x < y);
}

/* splitmix64 */
static uint64
draw(uint64 *state)
{
	uint64		z = (*state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/*
 * What would be saved in a month, at 10, 50 and 90 %: weeks drawn with
 * replacement, or days where there are less than four weeks.
 */
static bool
bootstrap(const Wish *w, const CommitmentCase *k, const CommitmentMoney *savings, Datum *quantiles)
{
	int			length = k->window >= 4 * 168 ? 168 : 24,
				nblocks = (int) (k->window / length);
	CommitmentMoney *blocks = palloc0_array(CommitmentMoney, Max(nblocks, 1));
	CommitmentMoney *sums = palloc0_array(CommitmentMoney, Max(w->draws, 1));
	uint64		state = w->seed;

	if (nblocks < 2 || w->draws == 0)
		return false;
	for (int64 h = 0; h < (int64) nblocks * length; h++)
		blocks[h / length] += savings[h];
	for (int d = 0; d < w->draws; d++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int b = 0; b < nblocks; b++)
			sums[d] += blocks[draw(&state) % nblocks];
	}
	qsort(sums, w->draws, sizeof(CommitmentMoney), compare_money);
	for (int q = 0; q < 3; q++)
		quantiles[q] = CommitmentShare(sums[(int64) (w->draws - 1) * (10 + 40 * q) / 100], MONTH_HOURS,
									   (int128) nblocks * length * (k->weight / k->window));
	return true;
}

/* ---------------------------------------------------------------------
 * The recommendation
 * ---------------------------------------------------------------------
 */
enum
{
	R_PROVIDER, R_CURRENCY, R_OFFER, R_KIND, R_HOURLY, R_UNITS, R_TERM, R_UPFRONT, R_FEE, R_COVERED,
	R_SAVINGS, R_P10, R_P50, R_P90, R_ON_DEMAND, R_REMAINING, R_COST, R_COST_BEFORE, R_GREEDY, R_COVERAGE,
	R_UTILISATION, R_DISCOUNT, R_EFFECTIVE, R_BREAK_EVEN, R_BREAK_EVEN_MONTHS, R_PAYBACK, R_COLUMNS
};

static Datum
monthly(const CommitmentCase *k, CommitmentMoney amount)
{
	return CommitmentShare(amount, MONTH_HOURS, Max(k->weight, 1));
}

static void
put_ratios(const CommitmentCase *k, int i, Datum *values, bool *nulls)
{
	CommitmentUseFigures f = CommitmentUsed(k, i);

	values[R_FEE] = monthly(k, f.fee);
	values[R_COVERED] = monthly(k, f.covered);
	values[R_UTILISATION] = CommitmentQuotient(f.used, CommitmentNumeric(f.fee, 24), &nulls[R_UTILISATION]);
	values[R_BREAK_EVEN] = CommitmentQuotient(f.used, CommitmentNumeric(f.covered, 24), &nulls[R_BREAK_EVEN]);
	nulls[R_DISCOUNT] = nulls[R_BREAK_EVEN];
	if (!nulls[R_DISCOUNT])
		values[R_DISCOUNT] = DirectFunctionCall2(numeric_sub, CommitmentNumeric(1, 0), values[R_BREAK_EVEN]);
}

static void
put_offer(ReturnSetInfo *rsinfo, const Market *m, const CommitmentCase *k, int i)
{
	const Commitment *c = &k->commitments[i];
	Datum		values[R_COLUMNS] = {0};
	bool		nulls[R_COLUMNS] = {0};
	CommitmentMoney upfront,
				gain;
	int			term;

	FINOPS_RUN("SELECT o.term_months::bigint, ((($2 + make_interval(months => o.term_months))::date - $2) * 24)::bigint"
			   " FROM finops.commitment_offer o WHERE o.offer_id = $1", ARG_TEXT(k->ids[i] + 2), ARG_DATE(m->start));
	term = (int) FinopsInt64(0, 1);
	upfront = c->hourly * c->cash_hours;
	for (int at = R_P10; at <= R_COVERAGE; at++)
		nulls[at] = true;
	nulls[R_EFFECTIVE] = true;
	values[R_PROVIDER] = CStringGetTextDatum(m->provider);
	values[R_CURRENCY] = CStringGetTextDatum(m->currency);
	values[R_OFFER] = CStringGetTextDatum(k->ids[i] + 2);
	values[R_KIND] = CStringGetTextDatum(CommitmentKindNames[c->kind]);
	values[R_HOURLY] = CommitmentNumeric(c->hourly, 24);
	nulls[R_UNITS] = c->kind != COMMITMENT_RESERVATION;
	values[R_UNITS] = CommitmentNumeric(c->hourly / Max(c->step, 1), 0);
	values[R_TERM] = Int32GetDatum(term);
	values[R_UPFRONT] = CommitmentNumeric(upfront, 24);
	put_ratios(k, i, values, nulls);
	values[R_SAVINGS] = monthly(k, c->covered - c->fee);
	/* covered for so long, it has paid for the whole term */
	values[R_BREAK_EVEN_MONTHS] = CommitmentRatio(c->fee * term, c->covered, &nulls[R_BREAK_EVEN_MONTHS]);
	/* upfront / (a month on demand - what is still paid in a month) */
	gain = c->covered - (c->fee - c->fee / Max(FinopsInt64(0, 2), 1) * c->cash_hours);
	nulls[R_PAYBACK] = true;
	if (upfront > 0 && gain > 0)
		values[R_PAYBACK] = CommitmentQuotient(values[R_UPFRONT], monthly(k, gain), &nulls[R_PAYBACK]);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void
put_total(ReturnSetInfo *rsinfo, const Market *m, const CommitmentCase *k, CommitmentMoney before,
		  CommitmentMoney greedy, const Datum *quantiles)
{
	Datum		values[R_COLUMNS] = {0};
	bool		nulls[R_COLUMNS] = {0};
	CommitmentMoney cost = k->use.remaining,
				upfront = 0,
				hourly = 0;

	for (int i = 0; i < k->n; i++)
	{
		cost += k->commitments[i].fee;
		if (!k->free[i])
			continue;
		upfront += k->commitments[i].hourly * k->commitments[i].cash_hours;
		hourly += k->commitments[i].hourly;
	}
	nulls[R_OFFER] = nulls[R_KIND] = nulls[R_UNITS] = nulls[R_TERM] = true;
	nulls[R_BREAK_EVEN_MONTHS] = nulls[R_PAYBACK] = true;
	nulls[R_P10] = nulls[R_P50] = nulls[R_P90] = quantiles == NULL;
	for (int q = 0; q < 3 && quantiles != NULL; q++)
		values[R_P10 + q] = quantiles[q];
	values[R_PROVIDER] = CStringGetTextDatum(m->provider);
	values[R_CURRENCY] = CStringGetTextDatum(m->currency);
	values[R_HOURLY] = CommitmentNumeric(hourly, 24);
	values[R_UPFRONT] = CommitmentNumeric(upfront, 24);
	put_ratios(k, -1, values, nulls);
	values[R_SAVINGS] = monthly(k, before - cost);
	values[R_ON_DEMAND] = monthly(k, k->use.ondemand);
	values[R_REMAINING] = monthly(k, k->use.remaining);
	values[R_COST] = monthly(k, cost);
	values[R_COST_BEFORE] = monthly(k, before);
	values[R_GREEDY] = monthly(k, greedy);
	values[R_COVERAGE] = CommitmentRatio(CommitmentSum(&k->use, k->commitments, k->n).covered,
										 k->use.ondemand, &nulls[R_COVERAGE]);
	values[R_EFFECTIVE] = CommitmentRatio(k->use.ondemand - cost, k->use.ondemand, &nulls[R_EFFECTIVE]);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Give what is free these amounts, or (NULL) nothing; returns those it had. */
static CommitmentMoney *
set_amounts(CommitmentCase *k, const CommitmentMoney *amounts)
{
	CommitmentMoney *kept = palloc0_array(CommitmentMoney, Max(k->n, 1));

	for (int i = 0; i < k->n; i++)
	{
		Commitment *c = &k->commitments[i];

		kept[i] = c->hourly;
		if (!k->free[i])
			continue;
		c->hourly = amounts == NULL ? 0 : amounts[i];
		if (c->kind == COMMITMENT_RESERVATION)
			c->units = c->hourly;
	}
	return kept;
}

static void
recommend(ReturnSetInfo *rsinfo, Market *m)
{
	CommitmentCase k;
	CommitmentMoney greedy,
			   *amounts,
			   *before,
			   *after,
				cost_before = 0;
	CommitmentQuantity *left;
	Datum		quantiles[3];
	bool		drawn;

	open_market(m, m->wish->as_of);
	load_case(m, m->wish->lookback, &k);
	guard(m, &k);
	greedy = CommitmentSolve(&k, &m->wish->limits, 0);
	left = CommitmentMemory((size_t) Max(k.use.nhours * k.use.nlines, 1) * sizeof(CommitmentQuantity));
	amounts = set_amounts(&k, NULL);
	before = hourly_costs(&k, left);
	(void) set_amounts(&k, amounts);
	after = hourly_costs(&k, left);
	for (int64 h = 0; h < k.window; h++)
	{
		cost_before += before[h];
		before[h] -= after[h];
	}
	drawn = bootstrap(m->wish, &k, before, quantiles);
	for (int i = 0; i < k.n; i++)
		if (k.free[i] && k.commitments[i].hourly > 0)
			put_offer(rsinfo, m, &k, i);
	put_total(rsinfo, m, &k, cost_before, greedy, drawn ? quantiles : NULL);
	end_stages();
}

/*
 * finops.recommend_commitments(as_of date, options jsonb): see its comment in
 * commitment_offer.sql; docs/commitments.md has every column and option.
 * 22004 without a day, 22023 for options, 55000 where there is too little to
 * forecast from, 22003 and 54000 for what is too much.
 */
Datum
finops_recommend_commitments(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo;
	FinopsSession session;
	Market	   *markets;
	Wish		wish;
	int			n;

	read_wish(fcinfo, 0, 1, &wish);
	InitMaterializedSRF(fcinfo, 0);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FinopsBegin(&session);
	n = find_markets(&wish, &markets);
	for (int i = 0; i < n; i++)
		recommend(rsinfo, &markets[i]);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* ---------------------------------------------------------------------
 * The curve of one offer
 * ---------------------------------------------------------------------
 */
static Market
market_of_offer(const Wish *w, const char *offer)
{
	Market	   *markets;
	int			n = find_markets(w, &markets);

	for (int i = 0; i < n; i++)
		if (FINOPS_RUN("SELECT FROM finops.commitment_offer o WHERE o.offer_id = $1 AND o.provider = $2 AND o.currency = $3 AND o.enabled",
					   ARG_TEXT(offer), ARG_TEXT(markets[i].provider), ARG_TEXT(markets[i].currency)) > 0)
			return markets[i];
	if (FINOPS_RUN("SELECT FROM finops.commitment_offer o WHERE o.offer_id = $1 AND o.enabled", ARG_TEXT(offer)) == 0)
		refuse_offer(offer);
	/* an offer for what nothing was used of */
	return (Market) {.wish = NULL};
}

/* What an offer could use at most in any hour, in whole steps. */
static CommitmentMoney
most_useful(const CommitmentCase *k, int i)
{
	const Commitment *c = &k->commitments[i];
	CommitmentMoney most = 0;

	for (int64 h = c->from; h < c->upto; h++)
	{
		CommitmentMoney sum = 0;

		for (int l = 0; l < k->use.nlines; l++)
			sum += k->use.quantities[h * k->use.nlines + l] * c->rates[l];
		most = Max(most, sum);
	}
	return (most + c->step - 1) / c->step * c->step;
}

static void
put_point(ReturnSetInfo *rsinfo, const CommitmentCase *k, int i, int point, CommitmentMoney before)
{
	Datum		values[8];
	bool		nulls[8] = {0};
	CommitmentFigures f = CommitmentSum(&k->use, k->commitments, k->n);
	CommitmentUseFigures own = CommitmentUsed(k, i);

	values[0] = Int32GetDatum(point);
	values[1] = CommitmentNumeric(k->commitments[i].hourly, 24);
	values[2] = monthly(k, own.fee);
	values[3] = monthly(k, f.cost);
	values[4] = monthly(k, before - f.cost);
	values[5] = CommitmentRatio(f.covered, f.ondemand, &nulls[5]);
	values[6] = CommitmentQuotient(own.used, CommitmentNumeric(own.fee, 24), &nulls[6]);
	values[7] = CommitmentRatio(f.ondemand - f.cost, f.ondemand, &nulls[7]);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void
draw_curve(ReturnSetInfo *rsinfo, CommitmentCase *k, int at, int npoints)
{
	CommitmentMoney most = most_useful(k, at),
				before = 0;
	CommitmentOrder *order;
	void	   *memory = CommitmentMemory(CommitmentOrderSize(k->n, k->use.nlines));

	CommitmentRaise(CommitmentPrepare(memory, &k->use, k->commitments, k->n, &order));
	if (most > COMMITMENT_MOST_HOURLY)
		CommitmentRaise(COMMITMENT_TOO_MUCH);
	for (int p = 0; p < npoints; p++)
	{
		Commitment *c = &k->commitments[at];

		c->hourly = most / c->step * p / (npoints - 1) * c->step;
		c->units = c->kind == COMMITMENT_RESERVATION ? c->hourly : 0;
		CommitmentApply(order, &k->use, k->commitments, CommitmentInterrupt);
		if (p == 0)
			before = CommitmentSum(&k->use, k->commitments, k->n).cost;
		put_point(rsinfo, k, at, p, before);
	}
	pfree(memory);
}

/*
 * finops.commitment_curve(as_of date, offer_id text, points integer, options
 * jsonb) -> point, hourly, monthly_fee, cost, savings, coverage, utilisation,
 * effective_savings_rate.  22004 for NULL, 22023 for an unknown offer, points
 * outside of 2..1000 and options.  No rows where nothing was used.
 */
Datum
finops_commitment_curve(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo;
	FinopsSession session;
	CommitmentCase k;
	Market		m;
	Wish		wish;
	char	   *offer;
	int			points;

	read_wish(fcinfo, 0, 3, &wish);
	FinopsRequireArg(fcinfo, 1, "offer_id");
	FinopsRequireArg(fcinfo, 2, "points");
	offer = text_to_cstring(PG_GETARG_TEXT_PP(1));
	points = PG_GETARG_INT32(2);
	if (points < 2 || points > 1000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("points must be between 2 and 1000, not %d", points)));
	InitMaterializedSRF(fcinfo, 0);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FinopsBegin(&session);
	m = market_of_offer(&wish, offer);
	if (m.wish != NULL)
	{
		open_market(&m, wish.as_of);
		load_case(&m, wish.lookback, &k);
		for (int i = 0; i < k.n; i++)
			if (k.free[i] && strcmp(k.ids[i] + 2, offer) == 0)
				draw_curve(rsinfo, &k, i, points);
		end_stages();
	}
	FinopsEnd(&session);
	return (Datum) 0;
}

/* ---------------------------------------------------------------------
 * The ladder
 * ---------------------------------------------------------------------
 */
typedef struct Rung
{
	int			number;			/* from 1 */
	int			count;
	CommitmentMoney *bought;	/* by commitment of the case; the order is always the same */
	char	  **offers;
	int			noffers;
} Rung;

static CommitmentMoney *
bought_of(Rung *r, const char *offer)
{
	for (int i = 0; i < r->noffers; i++)
		if (strcmp(r->offers[i], offer) == 0)
			return &r->bought[i];
	r->offers[r->noffers] = pstrdup(offer);
	r->bought[r->noffers] = 0;
	return &r->bought[r->noffers++];
}

static CommitmentMoney
cost_now(CommitmentCase *k)
{
	CommitmentOrder *order;
	void	   *memory = CommitmentMemory(CommitmentOrderSize(k->n, k->use.nlines));

	CommitmentRaise(CommitmentPrepare(memory, &k->use, k->commitments, k->n, &order));
	CommitmentApply(order, &k->use, k->commitments, CommitmentInterrupt);
	pfree(memory);
	return CommitmentSum(&k->use, k->commitments, k->n).cost;
}

static void
put_rung(ReturnSetInfo *rsinfo, const Market *m, const CommitmentCase *k, const Rung *r, const char *offer,
		 const CommitmentMoney *hourly, const CommitmentMoney *costs)
{
	Datum		values[10];
	bool		nulls[10] = {0};

	values[0] = Int32GetDatum(r->number);
	values[1] = DateADTGetDatum(m->start);
	values[2] = CStringGetTextDatum(m->provider);
	values[3] = CStringGetTextDatum(m->currency);
	nulls[4] = offer == NULL;
	if (offer != NULL)
		values[4] = CStringGetTextDatum(offer);
	for (int i = 0; i < 3; i++)
		values[5 + i] = CommitmentNumeric(hourly[i], 24);
	nulls[8] = nulls[9] = costs == NULL;
	if (costs != NULL)
	{
		values[8] = monthly(k, costs[0] - costs[1]);
		values[9] = monthly(k, costs[1] - costs[2]);
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* One part of each offer, and a row for all of them. */
static void
climb(ReturnSetInfo *rsinfo, const Market *m, CommitmentCase *k, Rung *r)
{
	CommitmentMoney *target = set_amounts(k, NULL),
			   *now = palloc0_array(CommitmentMoney, Max(k->n, 1)),
				sums[3] = {0},
				costs[3];

	costs[0] = cost_now(k);
	for (int i = 0; i < k->n; i++)
	{
		CommitmentMoney *bought,
					step = Max(k->commitments[i].step, 1),
					hourly[3];

		if (!k->free[i])
			continue;
		bought = bought_of(r, k->ids[i] + 2);
		hourly[0] = target[i];
		/* rounded up to a step, so that the last part is not the largest */
		hourly[1] = Max(target[i] - *bought, 0);
		hourly[1] = Min((hourly[1] / (r->count - r->number + 1) + step - 1) / step * step, hourly[1]);
		*bought += hourly[1];
		hourly[2] = now[i] = *bought;
		for (int s = 0; s < 3; s++)
			sums[s] += hourly[s];
		if (target[i] > 0 || *bought > 0)
			put_rung(rsinfo, m, k, r, k->ids[i] + 2, hourly, NULL);
	}
	(void) set_amounts(k, now);
	costs[1] = cost_now(k);
	(void) set_amounts(k, target);
	costs[2] = cost_now(k);
	put_rung(rsinfo, m, k, r, NULL, sums, costs);
}

static void
climb_market(ReturnSetInfo *rsinfo, Market *m, int tranches)
{
	CommitmentCase k;
	Rung		r = {.count = tranches};

	r.bought = palloc0_array(CommitmentMoney, 1000);
	r.offers = palloc0_array(char *, 1000);
	for (r.number = 1; r.number <= tranches; r.number++)
	{
		open_market(m, months_after(m->wish->as_of, r.number - 1));
		load_case(m, m->wish->lookback, &k);
		guard(m, &k);
		(void) CommitmentSolve(&k, &m->wish->limits, 0);
		climb(rsinfo, m, &k, &r);
		end_stages();
	}
}

/*
 * finops.commitment_ladder(as_of date, tranches integer, options jsonb):
 * docs/commitments.md.  22004 for NULL, 22023 for tranches outside of 1..60
 * and options.
 */
Datum
finops_commitment_ladder(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo;
	FinopsSession session;
	Market	   *markets;
	Wish		wish;
	int			tranches,
				n;

	read_wish(fcinfo, 0, 2, &wish);
	FinopsRequireArg(fcinfo, 1, "tranches");
	tranches = PG_GETARG_INT32(1);
	if (tranches < 1 || tranches > 60)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tranches must be between 1 and 60, not %d", tranches)));
	InitMaterializedSRF(fcinfo, 0);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FinopsBegin(&session);
	n = find_markets(&wish, &markets);
	for (int i = 0; i < n; i++)
		climb_market(rsinfo, &markets[i], tranches);
	FinopsEnd(&session);
	return (Datum) 0;
}
