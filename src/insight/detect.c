/*-------------------------------------------------------------------------
 *
 * detect.c
 *	  finops.detect_anomalies: watch every series of the daily roll-up.
 *
 * Each series goes through the watch of cost_watch.c day by day.  What the
 * watch knows is stored as it stood a few days ago: a run reads the roll-up
 * from there on only, and judges the newest days again when more of their cost
 * has arrived.  A state is written anew when it is a week or two old, which
 * day depends on the series, so that each run writes a part of them.
 *
 * Odd days become episodes, and episodes of one cause one finding: an episode
 * is explained by one of a narrower series that has at least four fifths of
 * its impact, else by one of a wider series of which it is a part.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/insight.h"

#include "insight/cost_watch.h"

#include "common/hashfn.h"
#include "utils/datetime.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_detect_anomalies);
PG_FUNCTION_INFO_V1(finops_judge_anomaly);

#define DAYS_BACK		430		/* history of a series seen for the first time */
#define KEPT_BACK		3		/* a stored state is this far behind */
#define STATE_AGE		7		/* days after which it is written anew ... */
#define STATE_SPREAD	7		/* ... at the earliest, and at the latest */
#define STATE_MAGIC		0x66435732	/* fCW2: layout of CwState */
#define FETCH			5000

typedef struct Policy
{
	char	   *dimension;
	CwSettings	settings;
	int			lag;
} Policy;

typedef struct Watch
{
	const Policy *policy;
	DateADT		until;			/* last day to judge */
	int			nholidays;
	DateADT    *holidays;		/* ascending */
	Tuplestorestate *odd;
	TupleDesc	odd_desc;
	Tuplestorestate *seen;
	TupleDesc	seen_desc;
	Tuplestorestate *states;
	TupleDesc	states_desc;
	uint64		nodd;
	uint64		nseen;
	uint64		nstates;
} Watch;

/* A series at work. */
typedef struct Series
{
	char	   *key;
	char	   *currency;
	DateADT		from;			/* the state's day; what follows is judged */
	DateADT		next;			/* next day to come */
	CwState		now;
	CwState		kept;			/* as it stood KEPT_BACK days before the end */
	DateADT		kept_day;
	bool		fresh;
	bool		open;
} Series;

/* ---------------------------------------------------------------------
 * The calendar
 * ---------------------------------------------------------------------
 */
static bool
is_holiday(const Watch *w, DateADT day)
{
	int			low = 0,
				high = w->nholidays;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (w->holidays[middle] < day)
			low = middle + 1;
		else
			high = middle;
	}
	return low < w->nholidays && w->holidays[low] == day;
}

static CwCalendar
calendar_of(const Watch *w, DateADT day)
{
	int			year,
				month,
				dom;
	CwCalendar	c;

	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &dom);
	c.month_day = dom;
	c.days_left = day_tab[isleap(year)][month - 1] - dom;
	c.weekday = j2day(day + POSTGRES_EPOCH_JDATE);
	c.holiday = is_holiday(w, day);
	return c;
}

static void
read_holidays(Watch *w)
{
	bool		isnull;

	w->nholidays = (int) FINOPS_RUN("SELECT h.day FROM finops.holiday h WHERE h.day <= $1 ORDER BY 1", ARG_DATE(w->until));
	w->holidays = palloc_array(DateADT, Max(w->nholidays, 1));
	for (int i = 0; i < w->nholidays; i++)
		w->holidays[i] = DatumGetDateADT(FinopsValue(i, 1, &isnull));
}

/* ---------------------------------------------------------------------
 * One series
 * ---------------------------------------------------------------------
 */
static void
put(Tuplestorestate *store, TupleDesc desc, uint64 *rows, Datum *values)
{
	bool		nulls[16] = {false};

	tuplestore_putvalues(store, desc, values, nulls);
	(*rows)++;
}

static void
put_odd(Watch *w, const Series *s, DateADT day, double cost, const CwVerdict *v)
{
	Datum		values[] = {
		CStringGetTextDatum(w->policy->dimension), CStringGetTextDatum(s->key),
		CStringGetTextDatum(s->currency), DateADTGetDatum(day), Float8GetDatum(cost),
		Float8GetDatum(v->expected), Float8GetDatum(v->low),
		Float8GetDatum(v->high), Float8GetDatum(v->score), BoolGetDatum(v->shifted)
	};

	put(w->odd, w->odd_desc, &w->nodd, values);
}

static void
step(Watch *w, Series *s, double cost)
{
	DateADT		day = s->next++;
	CwVerdict	v = CwNext(&s->now, calendar_of(w, day), cost, &w->policy->settings);

	if (v.odd)
		put_odd(w, s, day, cost, &v);
	if (day == w->until - KEPT_BACK)
	{
		s->kept = s->now;
		s->kept_day = day;
	}
}

static bool
must_be_kept(const Series *s)
{
	uint32		hash = hash_bytes((const unsigned char *) s->key, strlen(s->key));

	if (s->kept_day <= s->from && !s->fresh)
		return false;
	return s->fresh || s->kept_day - s->from >= STATE_AGE + (int) (hash % STATE_SPREAD);
}

static bytea *
state_bytes(const CwState *state)
{
	size_t		size = VARHDRSZ + sizeof(uint32) + sizeof(CwState);
	bytea	   *bytes = palloc0(size);
	uint32		magic = STATE_MAGIC;

	SET_VARSIZE(bytes, size);
	memcpy(VARDATA(bytes), &magic, sizeof(magic));
	memcpy(VARDATA(bytes) + sizeof(magic), state, sizeof(CwState));
	return bytes;
}

static bool
read_state(bytea *bytes, CwState *state)
{
	uint32		magic;

	if (VARSIZE_ANY_EXHDR(bytes) != sizeof(uint32) + sizeof(CwState))
		return false;
	memcpy(&magic, VARDATA_ANY(bytes), sizeof(magic));
	memcpy(state, VARDATA_ANY(bytes) + sizeof(magic), sizeof(CwState));
	return magic == STATE_MAGIC && state->count >= 0;
}

/* The days up to the end are without cost. */
static void
finish(Watch *w, Series *s)
{
	Datum		seen[4];

	if (!s->open)
		return;
	s->open = false;
	while (s->next <= w->until)
		step(w, s, 0);
	seen[0] = CStringGetTextDatum(w->policy->dimension);
	seen[1] = CStringGetTextDatum(s->key);
	seen[2] = CStringGetTextDatum(s->currency);
	seen[3] = DateADTGetDatum(s->from);
	put(w->seen, w->seen_desc, &w->nseen, seen);
	if (s->kept_day != 0 && must_be_kept(s))
	{
		Datum		state[] = {
			seen[0], seen[1], seen[2], DateADTGetDatum(s->kept_day), PointerGetDatum(state_bytes(&s->kept))
		};

		put(w->states, w->states_desc, &w->nstates, state);
	}
}

static void
begin(Series *s, const char *key, const char *currency)
{
	memset(s, 0, sizeof(Series));
	s->key = pstrdup(key);
	s->currency = pstrdup(currency);
	s->open = true;
}

/* ---------------------------------------------------------------------
 * The series of a dimension
 * ---------------------------------------------------------------------
 */

/* What a dimension groups by; tags are in the facts only. */
static char *
key_of(const char *dimension)
{
	static const char *const keys[][2] = {
		{"total", "'total'::text"}, {"provider", "c.provider"}, {"account", "coalesce(c.account_id, '(none)')"},
		{"service", "c.service"}, {"tenant", "coalesce(c.tenant_id, '(none)')"},
		{"account_service", "concat(coalesce(c.account_id, '(none)'), ' ', c.service)"}
	};

	for (int i = 0; i < (int) lengthof(keys); i++)
		if (strcmp(keys[i][0], dimension) == 0)
			return pstrdup(keys[i][1]);
	return psprintf("coalesce(c.resource_tags ->> %s, '(none)')", quote_literal_cstr(dimension + strlen("tag:")));
}

/* Cost by key, currency and day, of the days after one and up to another. */
static char *
daily_sql(const char *dimension, const char *after, const char *to)
{
	if (strncmp(dimension, "tag:", strlen("tag:")) == 0)
		return psprintf("SELECT %s AS key, c.line_item_currency_code AS currency, c.line_item_usage_start_date::date AS day, sum(c.effective_cost) AS cost"
						" FROM @s@.fact_cost_raw c"
						" WHERE c.charge_category = 'Usage' AND c.line_item_usage_start_date::date > %s AND c.line_item_usage_start_date::date <= %s"
						" GROUP BY 1, 2, 3",
						key_of(dimension), after, to);
	return psprintf("SELECT %s AS key, c.currency, c.usage_date AS day, sum(c.effective_cost) AS cost FROM finops.cost_daily c"
					" WHERE c.charge_category = 'Usage' AND c.usage_date > %s AND c.usage_date <= %s GROUP BY 1, 2, 3",
					key_of(dimension), after, to);
}

/*
 * Days of the series that have a state, from the oldest state on, and all days
 * of the others.
 */
static char *
days_sql(const char *dimension)
{
	char	   *first = psprintf("$2 - %d", DAYS_BACK);

	return psprintf("WITH since AS MATERIALIZED (SELECT min(s.last_day) AS day FROM finops.anomaly_series s WHERE s.dimension = $1),"
					" recent AS MATERIALIZED (%s),"
					" fresh AS MATERIALIZED (SELECT DISTINCT r.key, r.currency FROM recent r"
					"  WHERE NOT EXISTS (SELECT FROM finops.anomaly_series s WHERE s.dimension = $1 AND s.key = r.key AND s.currency = r.currency)),"
					" old AS (%s)"
					" SELECT u.key, u.currency, u.day, u.cost::float8 FROM (SELECT r.* FROM recent r"
					"  UNION ALL SELECT o.* FROM old o JOIN fresh f ON f.key = o.key AND f.currency = o.currency) u"
					" ORDER BY u.key COLLATE \"C\", u.currency COLLATE \"C\", u.day",
					daily_sql(dimension, psprintf("coalesce((SELECT f.day FROM since f), %s)", first), "$2"),
					daily_sql(dimension, first, "(SELECT f.day FROM since f) AND (SELECT count(*) > 0 FROM fresh)"));
}

static const char states_sql[] =
"SELECT s.key, s.currency, s.last_day, s.state FROM finops.anomaly_series s WHERE s.dimension = $1"
" ORDER BY s.key COLLATE \"C\", s.currency COLLATE \"C\"";

/* A cursor that is read a batch at a time; its head is one row. */
typedef struct Feed
{
	Portal		portal;
	SPITupleTable *batch;
	uint64		row;
	uint64		rows;
} Feed;

static void
refill(Feed *f)
{
	MemoryContext old = CurrentMemoryContext;

	if (f->batch != NULL)
		SPI_freetuptable(f->batch);
	SPI_cursor_fetch(f->portal, true, FETCH);
	MemoryContextSwitchTo(old);
	f->batch = SPI_tuptable;
	f->rows = SPI_processed;
	f->row = 0;
	CHECK_FOR_INTERRUPTS();
}

static Feed
open_feed(const char *sql, const char *dimension, DateADT until)
{
	Oid			types[] = {TEXTOID, DATEOID};
	Datum		values[] = {CStringGetTextDatum(dimension), DateADTGetDatum(until)};
	Feed		f = {0};

	f.portal = SPI_cursor_open_with_args(NULL, FinopsExpandSchema(sql), 2, types, values, NULL, true, 0);
	refill(&f);
	return f;
}

static bool
has_head(const Feed *f)
{
	return f->row < f->rows;
}

static void
next_row(Feed *f)
{
	if (++f->row >= f->rows && f->rows == FETCH)
		refill(f);
}

static Datum
head(const Feed *f, int col)
{
	bool		isnull;

	return SPI_getbinval(f->batch->vals[f->row], f->batch->tupdesc, col, &isnull);
}

static int
compare_text(Datum value, const char *other)
{
	text	   *t = DatumGetTextPP(value);
	int			len = VARSIZE_ANY_EXHDR(t),
				n = strlen(other),
				order = memcmp(VARDATA_ANY(t), other, Min(len, n));

	return order != 0 ? order : len - n;
}

/* Order of a feed's head against a series; a feed at its end comes last. */
static int
compare_head(const Feed *f, const Series *s)
{
	int			order;

	if (!has_head(f))
		return 1;
	order = compare_text(head(f, 1), s->key);
	return order != 0 ? order : compare_text(head(f, 2), s->currency);
}

static void
begin_at_head(const Feed *f, Series *s)
{
	begin(s, TextDatumGetCString(head(f, 1)), TextDatumGetCString(head(f, 2)));
}

/* Take the state at the head of the feed, if it is one of this layout. */
static void
take_state(Feed *states, Series *s)
{
	DateADT		day = DatumGetDateADT(head(states, 3));

	if (read_state(DatumGetByteaPP(head(states, 4)), &s->now))
	{
		s->from = day;
		s->next = day + 1;
	}
	else
		s->fresh = true;
	next_row(states);
}

/* The next series: the smaller of the two heads, with its state if it has one. */
static bool
next_series(Feed *days, Feed *states, Series *s)
{
	if (!has_head(days) && !has_head(states))
		return false;
	if (has_head(days))
		begin_at_head(days, s);
	if (has_head(states) && (!has_head(days) || compare_head(states, s) < 0))
		begin_at_head(states, s);
	if (compare_head(states, s) == 0)
		take_state(states, s);
	else
		s->fresh = true;
	return true;
}

static void
watch_series(Watch *w, Feed *days, Series *s)
{
	for (; compare_head(days, s) == 0; next_row(days))
	{
		DateADT		day = DatumGetDateADT(head(days, 3));

		if (s->next == 0)
		{
			s->next = day;
			s->from = day - 1;
		}
		if (day < s->next)
			continue;
		while (s->next < day)
			step(w, s, 0);
		step(w, s, DatumGetFloat8(head(days, 4)));
	}
	if (s->next != 0)
		finish(w, s);
}

static void
watch_dimension(Watch *w)
{
	Feed		days = open_feed(days_sql(w->policy->dimension), w->policy->dimension, w->until),
				states = open_feed(states_sql, w->policy->dimension, w->until);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "finops series", ALLOCSET_SMALL_SIZES);
	Series	   *s = palloc(sizeof(Series));
	MemoryContext old = MemoryContextSwitchTo(context);

	while (next_series(&days, &states, s))
	{
		watch_series(w, &days, s);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	SPI_cursor_close(days.portal);
	SPI_cursor_close(states.portal);
}

/* ---------------------------------------------------------------------
 * Days, episodes, findings
 * ---------------------------------------------------------------------
 */
static void
replace_days(Watch *w)
{
	FINOPS_RUN("DELETE FROM finops.anomaly_day d USING an_seen s"
			   " WHERE d.dimension = s.dimension AND d.key = s.key AND d.currency = s.currency AND d.day > s.from_day AND d.day <= $1",
			   ARG_DATE(w->until));
	FINOPS_RUN0("INSERT INTO finops.anomaly_day (dimension, key, currency, day, actual_cost, expected_cost, low_cost, high_cost, score, new_level)"
				" SELECT o.dimension, o.key, o.currency, o.day, round(o.actual::numeric, 4), round(o.expected::numeric, 4),"
				" round(o.low::numeric, 4), round(o.high::numeric, 4), o.score, o.new_level FROM an_odd o");
	FINOPS_RUN0("INSERT INTO finops.anomaly_series (dimension, key, currency, last_day, state)"
				" SELECT t.dimension, t.key, t.currency, t.last_day, t.state FROM an_state t"
				" ON CONFLICT ON CONSTRAINT anomaly_series_pkey DO UPDATE SET last_day = excluded.last_day, state = excluded.state");
}

/*
 * Odd days of one direction with at most two days between them are an
 * episode.  Those that reach into the days judged now are made anew; an
 * episode keeps its number as long as it has a day in common with itself.
 */
static const char episodes_sql[] =
"WITH day AS (SELECT d.*, CASE WHEN d.score > 0 THEN 'rise' ELSE 'drop' END AS direction"
"  FROM finops.anomaly_day d WHERE d.day > $1 - " CppAsString2(DAYS_BACK) " AND d.day <= $1),"
" start AS (SELECT d.*, d.day - lag(d.day) OVER s > 3 OR lag(d.day) OVER s IS NULL AS starts FROM day d"
"  WINDOW s AS (PARTITION BY d.dimension, d.key, d.currency, d.direction ORDER BY d.day)),"
" numbered AS (SELECT s.*, count(*) FILTER (WHERE s.starts) OVER (PARTITION BY s.dimension, s.key, s.currency, s.direction ORDER BY s.day) AS number FROM start s)"
" SELECT n.dimension, n.key, n.currency, n.direction, min(n.day) AS first_day, max(n.day) AS last_day, count(*)::int4 AS days,"
"  sum(n.actual_cost) AS actual_cost, sum(n.expected_cost) AS expected_cost, sum(n.actual_cost - n.expected_cost) AS impact,"
"  (array_agg(n.score ORDER BY abs(n.score) DESC, n.day))[1] AS score, bool_or(n.new_level) AS new_level"
" FROM numbered n GROUP BY n.dimension, n.key, n.currency, n.direction, n.number";

static void
make_episodes(Watch *w)
{
	FINOPS_STAGE("an_episode", episodes_sql, ARG_DATE(w->until));
	/* an episode whose first days were withdrawn, or that began earlier than was known, stays itself */
	FINOPS_RUN0("UPDATE finops.anomaly a SET first_day = e.first_day, updated_at = now() FROM an_episode e"
				" WHERE a.dimension = e.dimension AND a.key = e.key AND a.currency = e.currency AND a.direction = e.direction"
				" AND a.first_day <> e.first_day AND a.first_day <= e.last_day AND a.last_day >= e.first_day"
				" AND NOT EXISTS (SELECT FROM an_episode o WHERE o.dimension = a.dimension AND o.key = a.key AND o.currency = a.currency"
				"  AND o.direction = a.direction AND o.first_day = a.first_day)"
				" AND NOT EXISTS (SELECT FROM finops.anomaly o WHERE o.dimension = e.dimension AND o.key = e.key AND o.currency = e.currency"
				"  AND o.direction = e.direction AND o.first_day = e.first_day)");
	FINOPS_RUN0("INSERT INTO finops.anomaly AS a (dimension, key, currency, direction, first_day, last_day, days, actual_cost, expected_cost,"
				" impact, impact_pct, score, new_level)"
				" SELECT e.dimension, e.key, e.currency, e.direction, e.first_day, e.last_day, e.days, e.actual_cost, e.expected_cost, e.impact,"
				" finops.variance_pct(e.actual_cost, e.expected_cost), e.score, e.new_level FROM an_episode e"
				" ON CONFLICT ON CONSTRAINT anomaly_series_key DO UPDATE SET last_day = excluded.last_day, days = excluded.days,"
				" actual_cost = excluded.actual_cost, expected_cost = excluded.expected_cost, impact = excluded.impact,"
				" impact_pct = excluded.impact_pct, score = excluded.score, new_level = excluded.new_level,"
				" state = CASE WHEN a.state IN ('closed', 'withdrawn') THEN 'open' ELSE a.state END, updated_at = now()"
				" WHERE (a.last_day, a.days, a.actual_cost, a.expected_cost) IS DISTINCT FROM"
				" (excluded.last_day, excluded.days, excluded.actual_cost, excluded.expected_cost) OR a.state = 'withdrawn'");
	FINOPS_RUN("UPDATE finops.anomaly a SET state = 'withdrawn', updated_at = now()"
			   " WHERE a.state IN ('open', 'closed') AND a.first_day > $1 - " CppAsString2(DAYS_BACK) " AND a.first_day <= $1"
			   " AND NOT EXISTS (SELECT FROM an_episode e WHERE e.dimension = a.dimension AND e.key = a.key AND e.currency = a.currency"
			   "  AND e.direction = a.direction AND e.first_day = a.first_day)",
			   ARG_DATE(w->until));
	FINOPS_RUN("UPDATE finops.anomaly a SET state = 'closed' WHERE a.state = 'open' AND a.last_day < $1 - 7", ARG_DATE(w->until));
}

/* What is like an episode that was called expected is expected. */
static void
apply_feedback(void)
{
	FINOPS_RUN0("UPDATE finops.anomaly a SET state = 'expected', note = concat('as anomaly ', p.anomaly_id), updated_at = now()"
				" FROM finops.anomaly p"
				" WHERE a.state = 'open' AND a.judged_at IS NULL AND p.state = 'expected' AND p.judged_at IS NOT NULL"
				" AND p.dimension = a.dimension AND p.key = a.key AND p.currency = a.currency AND p.direction = a.direction"
				" AND a.first_day > p.last_day AND a.first_day <= p.last_day + 400"
				" AND abs(a.impact / a.days) <= 1.25 * abs(p.impact / p.days)");
}

/*
 * Narrower series are parts of wider ones: an account's service of both, all
 * of the total.  A wide series may show fewer of the days, so that its impact
 * may be the smaller.  Tenants and tags cut across accounts and services and
 * must have about the same impact.  An episode that no single one explains,
 * but half or more of what it contains has, stands for them.
 */
static const char explained_sql[] =
"WITH recent AS (SELECT a.*, CASE a.dimension WHEN 'account_service' THEN 1 WHEN 'service' THEN 2 WHEN 'account' THEN 3"
"   WHEN 'provider' THEN 5 WHEN 'total' THEN 6 ELSE 4 END AS width"
"  FROM finops.anomaly a WHERE a.last_day > $1 - 60 AND a.state <> 'withdrawn'),"
" pair AS (SELECT w.anomaly_id AS wide, w.dimension AS wide_dimension, w.key AS wide_key, n.anomaly_id AS narrow,"
"   n.dimension AS narrow_dimension, w.width >= 5 OR n.width = 1 AND w.width <= 3 AS inside, w.width AS wide_width, n.width AS narrow_width, abs(n.impact) AS narrow_impact,"
"   abs(n.impact) >= 0.8 * abs(w.impact) AND abs(n.impact) <= abs(w.impact) *"
"    CASE WHEN w.width >= 5 OR n.width = 1 AND w.width <= 3 THEN 3 ELSE 1.25 END AS same"
"  FROM recent w JOIN recent n ON n.currency = w.currency AND n.direction = w.direction AND n.width < w.width"
"   AND n.first_day <= w.last_day AND n.last_day >= w.first_day"
"   AND (w.width <> 2 OR right(n.key, length(w.key) + 1) = ' ' || w.key)"
"   AND (w.width <> 3 OR n.width <> 2 AND left(n.key, length(w.key) + 1) = w.key || ' ' OR n.width = 2)),"
" cause AS (SELECT DISTINCT ON (p.wide) p.wide AS anomaly_id, p.narrow AS cause FROM pair p WHERE p.same"
"  ORDER BY p.wide, p.narrow_width, p.narrow_impact DESC, p.narrow),"
" agreed AS (SELECT p.wide, p.narrow_dimension FROM pair p WHERE p.inside"
"  AND NOT EXISTS (SELECT FROM cause c WHERE c.anomaly_id = p.wide)"
"  GROUP BY p.wide, p.wide_dimension, p.wide_key, p.narrow_dimension"
"  HAVING count(*) > 1 AND 2 * count(*) >= (SELECT count(*) FROM finops.anomaly_series s WHERE s.dimension = p.narrow_dimension"
"   AND (p.wide_dimension <> 'account' OR left(s.key, length(p.wide_key) + 1) = p.wide_key || ' ')"
"   AND (p.wide_dimension <> 'service' OR right(s.key, length(p.wide_key) + 1) = ' ' || p.wide_key))),"
" part AS (SELECT DISTINCT ON (p.narrow) p.narrow AS anomaly_id, p.wide AS cause FROM pair p"
"  JOIN agreed a ON a.wide = p.wide AND a.narrow_dimension = p.narrow_dimension WHERE p.inside"
"  ORDER BY p.narrow, p.wide_width DESC, p.wide),"
" verdict AS (SELECT r.anomaly_id, coalesce(p.cause, c.cause) AS cause FROM recent r"
"  LEFT JOIN cause c USING (anomaly_id) LEFT JOIN part p USING (anomaly_id))"
" UPDATE finops.anomaly a SET explained_by = v.cause, updated_at = now() FROM verdict v"
"  WHERE a.anomaly_id = v.anomaly_id AND a.explained_by IS DISTINCT FROM v.cause";

/* ---------------------------------------------------------------------
 * The run
 * ---------------------------------------------------------------------
 */
static int
read_policies(Policy **policies)
{
	int			n = (int) FINOPS_RUN0("SELECT DISTINCT ON (p.dimension) p.dimension, p.sensitivity, p.least_pct, p.least_amount::float8,"
									  " p.lag_days, p.enabled FROM finops.anomaly_policy p ORDER BY p.dimension, p.shipped");
	bool		isnull;
	int			used = 0;

	*policies = palloc0_array(Policy, Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		Policy	   *p = &(*policies)[used];

		if (!DatumGetBool(FinopsValue(i, 6, &isnull)))
			continue;
		p->dimension = FinopsText(i, 1);
		p->settings.sensitivity = DatumGetFloat8(FinopsValue(i, 2, &isnull));
		p->settings.percent = DatumGetFloat8(FinopsValue(i, 3, &isnull));
		p->settings.amount = DatumGetFloat8(FinopsValue(i, 4, &isnull));
		p->lag = (int) DatumGetInt32(FinopsValue(i, 5, &isnull));
		used++;
	}
	return used;
}

/*
 * The last day that can be judged: so many days with cost follow it, and it
 * is not the newest with clearly fewer lines than the days of a week before.
 */
static bool
last_complete_day(DateADT as_of, int lag, DateADT *day)
{
	bool		isnull;

	FINOPS_RUN_KEPT("WITH days AS (SELECT c.usage_date AS day, sum(c.line_items) AS lines FROM finops.cost_daily c"
					"  WHERE c.charge_category = 'Usage' AND c.usage_date < $1 AND c.usage_date >= c.billing_period"
					"  AND c.usage_date > (SELECT max(m.usage_date) - 40 FROM finops.cost_daily m WHERE m.charge_category = 'Usage' AND m.usage_date < $1)"
					"  GROUP BY 1),"
					" late AS (SELECT d.day, d.lines, (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY p.lines) FROM days p"
					"  WHERE p.day < d.day AND p.day >= d.day - 7) AS usual FROM days d)"
					" SELECT max(l.day) FROM late l WHERE l.day <= (SELECT max(d.day) FROM days d) - $2"
					" AND (l.usual IS NULL OR l.lines >= 0.6 * l.usual OR l.day < (SELECT max(d.day) FROM days d) - $2)",
					ARG_DATE(as_of), ARG_INT4(lag));
	*day = DatumGetDateADT(FinopsValue(0, 1, &isnull));
	return !isnull;
}

static void
open_stages(Watch *w)
{
	w->odd = FinopsStageEmpty("an_odd", "SELECT ''::text AS dimension, ''::text AS key, ''::text AS currency, CURRENT_DATE AS day, 0::float8 AS actual,"
							  " 0::float8 AS expected, 0::float8 AS low, 0::float8 AS high, 0::float8 AS score, false AS new_level", &w->odd_desc);
	w->seen = FinopsStageEmpty("an_seen", "SELECT ''::text AS dimension, ''::text AS key, ''::text AS currency, CURRENT_DATE AS from_day", &w->seen_desc);
	w->states = FinopsStageEmpty("an_state", "SELECT ''::text AS dimension, ''::text AS key, ''::text AS currency, CURRENT_DATE AS last_day,"
								 " ''::bytea AS state", &w->states_desc);
}

/* finops.detect_anomalies(as_of date) -> SETOF finops.anomaly, the findings that changed. */
Datum
finops_detect_anomalies(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	Policy	   *policies;
	Watch		w = {0};
	DateADT		as_of,
				last = 0;
	int			n;

	FinopsRequireArg(fcinfo, 0, "as_of");
	as_of = PG_GETARG_DATEADT(0);
	FinopsCheckDay(as_of, "as_of");
	FinopsBegin(&session);
	FINOPS_RUN0("LOCK TABLE finops.anomaly IN SHARE ROW EXCLUSIVE MODE");
	n = read_policies(&policies);
	open_stages(&w);
	for (int i = 0; i < n; i++)
	{
		w.policy = &policies[i];
		if (!last_complete_day(as_of, policies[i].lag, &w.until))
			continue;
		last = Max(last, w.until);
		read_holidays(&w);
		watch_dimension(&w);
	}
	if (last != 0)
	{
		w.until = last;
		replace_days(&w);
		make_episodes(&w);
		apply_feedback();
		FINOPS_RUN(explained_sql, ARG_DATE(last));
	}
	FinopsReturnQuery(fcinfo, "SELECT a.* FROM finops.anomaly a WHERE a.updated_at = now() AND a.explained_by IS NULL AND a.state <> 'withdrawn'"
					  " ORDER BY abs(a.impact) DESC, a.anomaly_id", 0, NULL);
	FinopsEnd(&session);
	return (Datum) 0;
}

/* finops.judge_anomaly(anomaly_id bigint, verdict text, note text): what people know. */
Datum
finops_judge_anomaly(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *verdict;
	FinopsArg	note = PG_ARGISNULL(2) ? FinopsTextArg(NULL) : ARG_DATUM(TEXTOID, PG_GETARG_DATUM(2), false);

	FinopsRequireArg(fcinfo, 0, "anomaly_id");
	FinopsRequireArg(fcinfo, 1, "verdict");
	verdict = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (strcmp(verdict, "expected") != 0 && strcmp(verdict, "unexpected") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("verdict \"%s\" is unknown", FinopsQuoteForMessage(verdict)),
				 errhint("Use expected or unexpected.")));
	FinopsBegin(&session);
	if (FINOPS_RUN("UPDATE finops.anomaly a SET state = $2, note = coalesce($3, a.note), judged_by = $4, judged_at = now(), updated_at = now()"
				   " WHERE a.anomaly_id = $1",
				   ARG_INT8(PG_GETARG_INT64(0)), ARG_TEXT(verdict), note,
				   ARG_TEXT(FinopsCallerName(&session))) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("anomaly " INT64_FORMAT " does not exist", PG_GETARG_INT64(0)),
				 errhint("SELECT anomaly_id, dimension, key, first_day FROM finops.anomaly WHERE explained_by IS NULL ORDER BY last_day DESC;")));
	FinopsAudit(&session, "judge_anomaly", "anomaly", psprintf(INT64_FORMAT, PG_GETARG_INT64(0)), NULL);
	FinopsEnd(&session);
	PG_RETURN_VOID();
}
