/*-------------------------------------------------------------------------
 *
 * watch_series.c
 *	  All series of the daily roll-up that policies ask to watch.
 *
 * What the watch knows of a series is stored as it stood a few days ago: a run
 * reads the roll-up from the oldest of these days on, and judges the newest
 * days again when more of their cost has arrived.  A state is written anew
 * when it is a week or two old, which day depends on the series, so that each
 * run writes a part of them.
 *
 * The roll-up is read once, in parallel where the planner sees fit, into one
 * value of daily costs for each combination of what the dimensions group by;
 * each dimension adds these up to its series, which go in order, beside their
 * states, into batches that several processes watch.  A series without a state
 * whose cost reaches back to the first day that was read may be older: then all
 * is read that a new series is learned from.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/watch_series.h"

#include "insight/daily_costs.h"
#include "insight/watch_batch.h"

#include "common/hashfn.h"
#include "optimizer/cost.h"
#include "utils/datetime.h"
#include "utils/memutils.h"

#define DAYS_BACK		430		/* history of a series seen for the first time */
#define STATE_AGE		7		/* days after which a state is written anew ... */
#define STATE_SPREAD	7		/* ... at the earliest, and at the latest */
#define STATE_MAGIC		0x66435733	/* fCW3: layout of CwState */
#define FETCH			500
#define WORTH_WORKERS	50000
#define BATCH_BYTES		((Size) 12 * 1024 * 1024)

/* Who a series of the batch is. */
typedef struct SeriesName
{
	Datum		key;
	Datum		currency;
	bool		fresh;
} SeriesName;

typedef struct Watch
{
	const WatchPolicy *policy;
	DateADT		since;			/* what was read comes after it */
	bool		whole;			/* all that a new series is learned from */
	bool		too_little;		/* a new series may be older than what was read */
	int			nholidays;
	DateADT    *holidays;		/* ascending */
	WatchBatch *batch;
	MemoryContext context;		/* of the batch and its names */
	SeriesName	   *names;
	Tuplestorestate *odd;
	TupleDesc	odd_desc;
	Tuplestorestate *seen;
	TupleDesc	seen_desc;
	Tuplestorestate *states;
	TupleDesc	states_desc;
} Watch;

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

	w->nholidays = (int) FINOPS_RUN0("SELECT DISTINCT h.day FROM finops.holiday h ORDER BY 1");
	w->holidays = palloc_array(DateADT, Max(w->nholidays, 1));
	for (int i = 0; i < w->nholidays; i++)
		w->holidays[i] = DatumGetDateADT(FinopsValue(i, 1, &isnull));
}

/* ---------------------------------------------------------------------
 * States
 * ---------------------------------------------------------------------
 */
static bool
must_be_kept(const SeriesName *name, const WatchSeries *s, DateADT until)
{
	text	   *key = DatumGetTextPP(name->key);
	uint32		hash = hash_bytes((const unsigned char *) VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));

	return s->kept &&
		(name->fresh || until - WATCH_KEPT_BACK - s->from >= STATE_AGE + (int) (hash % STATE_SPREAD));
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

/*
 * States of another layout or byte order are of no use; without them their
 * series are new ones, which are learned from all of their days.
 */
static void
forget_foreign_states(void)
{
	bytea	   *magic = palloc(VARHDRSZ + sizeof(uint32));
	uint32		ours = STATE_MAGIC;

	SET_VARSIZE(magic, VARHDRSZ + sizeof(uint32));
	memcpy(VARDATA(magic), &ours, sizeof(ours));
	FINOPS_RUN("DELETE FROM finops.anomaly_series s WHERE octet_length(s.state) <> $1 OR substr(s.state, 1, 4) <> $2",
			   ARG_INT4(sizeof(uint32) + sizeof(CwState)),
			   ARG_DATUM(BYTEAOID, PointerGetDatum(magic), false));
}

static void
read_state(Datum value, CwState *state)
{
	bytea	   *bytes = DatumGetByteaPP(value);

	Assert(VARSIZE_ANY_EXHDR(bytes) == sizeof(uint32) + sizeof(CwState));
	memcpy(state, VARDATA_ANY(bytes) + sizeof(uint32), sizeof(CwState));
	if (state->count < 0 || state->at < 0 || state->at >= CW_DAYS || state->holidays < 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a state in finops.anomaly_series is damaged"),
				 errhint("DELETE FROM finops.anomaly_series; the series are learned anew.")));
}

/* ---------------------------------------------------------------------
 * What is read
 * ---------------------------------------------------------------------
 */

/* Dimensions of the roll-up; those of tags are in the facts only. */
static const char *const keys[][2] = {
	{"total", "'total'::text"}, {"provider", "c.provider"}, {"account", "coalesce(c.account_id, '(none)')"},
	{"service", "c.service"}, {"tenant", "coalesce(c.tenant_id, '(none)')"},
	{"account_service", "concat(coalesce(c.account_id, '(none)'), ' ', c.service)"}
};

/* The series of a dimension in order; $1 and $2 as above. */
static char *
series_sql(const char *dimension)
{
	static const char *const order = " ORDER BY x.key COLLATE \"C\", x.currency COLLATE \"C\"";

	for (int i = 0; i < (int) lengthof(keys); i++)
		if (strcmp(keys[i][0], dimension) == 0)
			return psprintf("SELECT x.key, x.currency, finops.sum_daily_costs(x.costs) FROM"
							" (SELECT %s AS key, c.currency, c.costs FROM an_leaf c) x GROUP BY 1, 2%s", keys[i][1], order);
	return psprintf("SELECT x.key, x.currency, finops.daily_costs(x.day, x.effective_cost) FROM"
					" (SELECT coalesce(c.resource_tags ->> %s, '(none)') AS key, c.line_item_currency_code AS currency,"
					"   c.line_item_usage_start_date::date AS day, c.effective_cost FROM @s@.fact_cost_raw c WHERE c.charge_category = 'Usage') x"
					" WHERE x.day > $1 AND x.day <= $2 GROUP BY 1, 2%s",
					quote_literal_cstr(dimension + strlen("tag:")), order);
}

/* Compared byte by byte, what varies most first: where groups are many they are sorted. */
static const char *const leaf_sql =
"SELECT c.account_id COLLATE \"C\" AS account_id, c.service COLLATE \"C\" AS service, c.tenant_id COLLATE \"C\" AS tenant_id,"
"  c.provider COLLATE \"C\" AS provider, c.currency COLLATE \"C\" AS currency, finops.daily_costs(c.usage_date, c.effective_cost) AS costs"
" FROM finops.cost_daily c WHERE c.charge_category = 'Usage' AND c.usage_date > $1 AND c.usage_date <= $2 GROUP BY 1, 2, 3, 4, 5";

static const char *const states_sql =
"SELECT s.key, s.currency, s.last_day, s.state FROM finops.anomaly_series s WHERE s.dimension = $1 AND s.last_day < $2 AND s.last_day >= $2 - " CppAsString2(DAYS_BACK)
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
open_feed(const char *sql, FinopsArg first, FinopsArg second)
{
	Oid			types[] = {first.type, second.type};
	Datum		values[] = {first.value, second.value};
	Feed		f = {0};

	/* not read_only: what this run has deleted is not there any more */
	f.portal = SPI_cursor_open_with_args(NULL, FinopsExpandSchema(sql), 2, types, values, NULL, false, 0);
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
compare_text(Datum a, Datum b)
{
	text	   *x = DatumGetTextPP(a),
			   *y = DatumGetTextPP(b);
	int			nx = VARSIZE_ANY_EXHDR(x),
				ny = VARSIZE_ANY_EXHDR(y),
				order = memcmp(VARDATA_ANY(x), VARDATA_ANY(y), Min(nx, ny));

	return order != 0 ? order : nx - ny;
}

/* Order of the heads of two feeds; a feed at its end comes last. */
static int
compare_heads(const Feed *a, const Feed *b)
{
	int			order;

	if (!has_head(a) || !has_head(b))
		return has_head(b) - has_head(a);
	order = compare_text(head(a, 1), head(b, 1));
	return order != 0 ? order : compare_text(head(a, 2), head(b, 2));
}

/* ---------------------------------------------------------------------
 * Batches
 * ---------------------------------------------------------------------
 */
static void
put(Tuplestorestate *store, TupleDesc desc, Datum *values)
{
	bool		nulls[16] = {false};

	tuplestore_putvalues(store, desc, values, nulls);
}

static void
put_odd(Watch *w, Datum dimension, const WatchOdd *o)
{
	const SeriesName *name = &w->names[o->series];
	Datum		values[] = {
		dimension, name->key, name->currency, DateADTGetDatum(o->day), Float8GetDatum(o->cost),
		Float8GetDatum(o->verdict.expected), Float8GetDatum(o->verdict.low),
		Float8GetDatum(o->verdict.high), Float8GetDatum(o->verdict.score), BoolGetDatum(o->verdict.shifted)
	};

	put(w->odd, w->odd_desc, values);
}

static void
put_series(Watch *w, Datum dimension, int i)
{
	const WatchSeries *s = &WatchSeriesOf(w->batch)[i];
	const SeriesName *name = &w->names[i];
	Datum		seen[] = {dimension, name->key, name->currency, DateADTGetDatum(s->from)};

	put(w->seen, w->seen_desc, seen);
	if (must_be_kept(name, s, w->batch->until))
	{
		bytea	   *bytes = state_bytes(&s->state);
		Datum		state[] = {
			dimension, name->key, name->currency,
			DateADTGetDatum(w->batch->until - WATCH_KEPT_BACK), PointerGetDatum(bytes)
		};

		put(w->states, w->states_desc, state);
		pfree(bytes);
	}
}

/* The batch is watched, and what was found is put away. */
static void
end_batch(Watch *w)
{
	Datum		dimension = CStringGetTextDatum(w->policy->dimension);
	WatchBatch *batch = w->batch;

	if (batch == NULL)
		return;
	/* to start workers takes as long as some ten thousand days */
	WatchBatchRun(batch, batch->ncosts >= WORTH_WORKERS ? max_parallel_workers_per_gather : 0);
	for (uint32 i = 0; i < pg_atomic_read_u32(&batch->nodd); i++)
		put_odd(w, dimension, &WatchOddDays(batch)[i]);
	for (int i = 0; i < batch->nseries; i++)
		put_series(w, dimension, i);
	w->batch = NULL;
	MemoryContextReset(w->context);
}

/* A batch for series of so many days at most. */
static void
begin_batch(Watch *w, int days)
{
	int			span = Max(days, w->policy->until - w->since);
	Size		one = WatchBatchSize(2, span, span) - WatchBatchSize(1, span, 0);
	int			capacity = (int) Max(1, BATCH_BYTES / one);

	w->batch = WatchBatchMake(w->context, capacity, span, (Size) capacity * span);
	w->batch->settings = w->policy->settings;
	w->batch->until = w->policy->until;
	w->names = MemoryContextAlloc(w->context, capacity * sizeof(SeriesName));
	for (int d = 0; d < span; d++)
		WatchCalendar(w->batch)[d] = calendar_of(w, w->batch->until - span + 1 + d);
}

/* The next series of the batch, whose days after "from" are without cost. */
static WatchSeries *
add_series(Watch *w, Datum key, Datum currency, DateADT from)
{
	int			days = w->policy->until - from;
	WatchBatch *batch = w->batch;
	MemoryContext old;
	WatchSeries *s;
	SeriesName	   *name;

	if (batch != NULL && (batch->nseries == batch->capacity || days > batch->span ||
						  batch->ncosts + days > batch->room))
		end_batch(w);
	if (w->batch == NULL)
		begin_batch(w, days);
	batch = w->batch;
	s = &WatchSeriesOf(batch)[batch->nseries];
	name = &w->names[batch->nseries++];
	memset(s, 0, sizeof(WatchSeries));
	s->from = from;
	s->count = days;
	s->costs = batch->ncosts;
	memset(WatchCosts(batch) + s->costs, 0, days * sizeof(double));
	batch->ncosts += days;
	old = MemoryContextSwitchTo(w->context);
	name->key = PointerGetDatum(PG_DETOAST_DATUM_COPY(key));
	name->currency = PointerGetDatum(PG_DETOAST_DATUM_COPY(currency));
	name->fresh = false;
	MemoryContextSwitchTo(old);
	return s;
}

static void
add_costs(Watch *w, const WatchSeries *s, const DailyCosts *costs)
{
	double	   *cost = WatchCosts(w->batch) + s->costs;

	for (int i = 0; i < costs->count; i++)
	{
		DateADT		day = costs->first + i;

		if (day > s->from && day <= w->policy->until)
			cost[day - s->from - 1] = (double) costs->cost[i] * DAILY_COSTS_UNIT;
	}
}

/* ---------------------------------------------------------------------
 * The series of a dimension
 * ---------------------------------------------------------------------
 */
static void
take_fresh(Watch *w, const Feed *feed)
{
	DailyCosts *costs = DailyCostsFrom(head(feed, 3));

	if (costs->first <= w->policy->until)
	{
		WatchSeries *s = add_series(w, head(feed, 1), head(feed, 2), costs->first - 1);

		add_costs(w, s, costs);
		w->names[w->batch->nseries - 1].fresh = true;
	}
	w->too_little |= !w->whole && costs->first == w->since + 1;
	pfree(costs);
}

static void
take_known(Watch *w, const Feed *costs, const Feed *states, bool has_costs)
{
	WatchSeries *s = add_series(w, head(states, 1), head(states, 2), DatumGetDateADT(head(states, 3)));
	DailyCosts *days;

	read_state(head(states, 4), &s->state);
	if (!has_costs)
		return;
	days = DailyCostsFrom(head(costs, 3));
	add_costs(w, s, days);
	pfree(days);
}

static void
watch_dimension(Watch *w)
{
	const WatchPolicy *p = w->policy;
	Feed		costs = open_feed(series_sql(p->dimension), ARG_DATE(w->since), ARG_DATE(p->until)),
				states = open_feed(states_sql, ARG_TEXT(p->dimension), ARG_DATE(p->until));

	while (!w->too_little && (has_head(&costs) || has_head(&states)))
	{
		int			order = compare_heads(&costs, &states);

		if (order < 0)
			take_fresh(w, &costs);
		else
			take_known(w, &costs, &states, order == 0);
		if (order >= 0)
			next_row(&states);
		if (order <= 0)
			next_row(&costs);
	}
	if (!w->too_little)
		end_batch(w);
	SPI_cursor_close(costs.portal);
	SPI_cursor_close(states.portal);
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

static void
end_stages(void)
{
	FinopsEndStage("an_leaf");
	FinopsEndStage("an_odd");
	FinopsEndStage("an_seen");
	FinopsEndStage("an_state");
}

/* The oldest day of a state, or all that a new series is learned from. */
static DateADT
read_from(const WatchPolicy *policies, int npolicies, DateADT last, bool *whole)
{
	DateADT		since = last,
				all = last - DAYS_BACK;

	for (int i = 0; i < npolicies; i++)
	{
		bool		isnull;

		FINOPS_RUN("SELECT min(s.last_day) FROM finops.anomaly_series s WHERE s.dimension = $1 AND s.last_day >= $2",
				   ARG_TEXT(policies[i].dimension), ARG_DATE(all));
		since = Min(since, DatumGetDateADT(FinopsValue(0, 1, &isnull)));
		if (isnull)
			since = all;
	}
	*whole = since <= all;
	return Max(since, all);
}

/* False where more must be read. */
static bool
watch_all(Watch *w, const WatchPolicy *policies, int npolicies, DateADT last)
{
	FINOPS_STAGE("an_leaf", leaf_sql, ARG_DATE(w->since), ARG_DATE(last));
	open_stages(w);
	for (int i = 0; i < npolicies && !w->too_little; i++)
	{
		w->policy = &policies[i];
		watch_dimension(w);
	}
	return !w->too_little;
}

void
WatchSeriesOfPolicies(const WatchPolicy *policies, int npolicies)
{
	Watch		w = {0};
	DateADT		last = 0;

	for (int i = 0; i < npolicies; i++)
		last = i == 0 ? policies[i].until : Max(last, policies[i].until);
	forget_foreign_states();
	read_holidays(&w);
	w.context = AllocSetContextCreate(CurrentMemoryContext, "finops series", ALLOCSET_DEFAULT_SIZES);
	w.since = read_from(policies, npolicies, last, &w.whole);
	if (!watch_all(&w, policies, npolicies, last))
	{
		end_stages();
		MemoryContextReset(w.context);
		w.batch = NULL;
		w.too_little = false;
		w.whole = true;
		w.since = last - DAYS_BACK;
		(void) watch_all(&w, policies, npolicies, last);
	}
	FinopsEndStage("an_leaf");
	MemoryContextDelete(w.context);
}
