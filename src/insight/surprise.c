/*-------------------------------------------------------------------------
 *
 * surprise.c
 *	  How surprising is each value of a stream, given the values before it?
 *	  Pure.
 *
 * Twenty-one traces are drawn from the values: the value itself, its
 * distance from three exponentially weighted means and from the value before,
 * and for the last 4, 16, 64 and 256 values their mean, variance, path length
 * (sum of steps) and the change of the mean against as many values before.
 * What is remarkable in a trace is judged by rank alone: a trace that is in
 * its upper (or lower) tail with a share p of its own past has the surprise
 * -log10 p.  Ranks need no distribution, no unit and no threshold of their
 * own, so one setting serves counters, rates, bytes and money.  The squares of
 * the surprises, against the last 1,000 and the last 4,000 values, are added
 * up, which favours one that is extreme over many that are a little odd; the
 * sum is judged by its rank among the sums before it, because traces are
 * dependent and no formula says how their sum is distributed.  The shorter
 * memory lets a second event be seen after a greater one.
 *
 * An event lasts, and would be reported with every value that it touches:
 * after a value whose share is below 10^-2.7 the score is 0 for a while.
 *
 * Windows of 4^(k+1) values are made of four windows of 4^k by the pairwise
 * formulas of Chan, Golub and LeVeque (1983): no sum runs on, so nothing
 * drifts and a stream resumed from its last values is the same stream.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/surprise.h"

#include "core/fmath.h"

#define SHORT_MEMORY	1000
#define FEW_TRACED		50		/* a trace with fewer values has no tails yet */
#define FEW_TOTALLED	100
#define QUIET			120		/* values without score after an alert */
#define ALERT			2.7		/* -log10 of the share that is an alert */
#define FULL_SCORE		4.0		/* and of the one whose score is 1 */

/* traces; from FIRST_WINDOW on four for each level */
enum
{
	VALUE, DISTANCE, STEP = DISTANCE + SURPRISE_SMOOTHS, FIRST_WINDOW
};
enum
{
	MEAN, VARIANCE, PATH, CHANGE
};

/* which tails of a trace say something */
#define UPPER	1
#define LOWER	2

static const double weights[SURPRISE_SMOOTHS] = {0.2, 0.05, 0.01};

static int
tails_of(int trace)
{
	if (trace == VALUE)
		return UPPER | LOWER;
	if (trace < FIRST_WINDOW)
		return UPPER;
	switch ((trace - FIRST_WINDOW) % 4)
	{
		case PATH:
			return LOWER;
		case CHANGE:
			return UPPER;
		default:
			return UPPER | LOWER;
	}
}

/* Memory is laid out in one piece, each part in whole multiples of 8 bytes. */
static size_t
padded(size_t bytes)
{
	return (bytes + 7) & ~(size_t) 7;
}

static int
bounded(int64 length, int most)
{
	return length > 0 && length < most ? (int) length : most;
}

size_t
SurpriseSize(int64 length)
{
	size_t		room = bounded(length, SURPRISE_MEMORY);

	return padded(sizeof(Surprise)) +
		sizeof(double) * bounded(length, SURPRISE_KEPT) +
		sizeof(SurpriseWindow) * SURPRISE_LEVELS * 2 * SURPRISE_REACH +
		padded(sizeof(float) * room) * (SURPRISE_TRACES + 1);
}

Surprise *
SurpriseInit(void *memory, int64 length)
{
	Surprise   *s = memory;
	char	   *next = (char *) memory + padded(sizeof(Surprise));

	memset(s, 0, sizeof(Surprise));
	s->last_alert = -QUIET;
	s->room = bounded(length, SURPRISE_MEMORY);
	s->kept_room = bounded(length, SURPRISE_KEPT);
	s->kept = (void *) next;
	next += sizeof(double) * s->kept_room;
	for (int k = 0; k < SURPRISE_LEVELS; k++)
	{
		s->windows[k] = (SurpriseWindow *) next;
		next += sizeof(SurpriseWindow) * 2 * SURPRISE_REACH;
	}
	for (int t = 0; t < SURPRISE_TRACES; t++)
	{
		s->traces[t] = (void *) next;
		next += padded(sizeof(float) * s->room);
	}
	s->totals = (void *) next;
	return s;
}

/* Values of ring[from..to) at least, and at most, x. */
static void
count_range(const float *ring, int from, int to, float x, int *above, int *below)
{
	int			a = 0,
				b = 0;

	for (int i = from; i < to; i++)
	{
		a += ring[i] >= x;
		b += ring[i] <= x;
	}
	*above += a;
	*below += b;
}

/* The same among the last recent of the values ever put into a ring. */
static int
count_tails(const float *ring, int room, int64 put, int recent, float x,
			int *above, int *below)
{
	int			held = (int) Min(put, Min(room, recent)),
				end = (int) (put % room),
				start = end - held;

	*above = *below = 0;
	count_range(ring, Max(start, 0), end, x, above, below);
	if (start < 0)
		count_range(ring, room + start, room, x, above, below);
	return held;
}

/* -log10 of the share of held values in a tail, the new one among them. */
static double
surprise_of(int in_tail, int held)
{
	static double logs[SURPRISE_MEMORY + 2];

	if (logs[2] == 0)
		for (int i = 2; i < (int) lengthof(logs); i++)
			logs[i] = FmathLog(i) / FmathLog(10);
	return logs[held + 1] - logs[in_tail + 1];
}

static double
trace_surprise(const Surprise *s, int t, float x, int recent)
{
	int			above,
				below,
				held = count_tails(s->traces[t], s->room, s->traced[t], recent, x, &above, &below);
	double		up,
				down;

	if (held < FEW_TRACED)
		return 0;
	up = tails_of(t) & UPPER ? surprise_of(above, held) : 0;
	down = tails_of(t) & LOWER ? surprise_of(below, held) : 0;
	return up * up + down * down;
}

static void
put(float *ring, int room, int64 *n, float x)
{
	ring[*n % room] = x;
	(*n)++;
}

/* Judge a trace's new value, then remember it. */
static double
judge(Surprise *s, int t, double value, bool score)
{
	float		x = (float) value;
	double		total = 0;

	if (score)
	{
		total = trace_surprise(s, t, x, SURPRISE_MEMORY);
		total += s->traced[t] <= SHORT_MEMORY ? total : trace_surprise(s, t, x, SHORT_MEMORY);
	}
	put(s->traces[t], s->room, &s->traced[t], x);
	return total;
}

static SurpriseWindow *
window_at(Surprise *s, int level, int64 number)
{
	return &s->windows[level][number % (2 * SURPRISE_REACH)];
}

/* Four windows of the level below, which touch, become one. */
static void
merge_windows(Surprise *s, int level, int64 number)
{
	int			width = 1 << (2 * level);
	SurpriseWindow *w = window_at(s, level, number);
	double		mean = 0,
				squares = 0,
				path = 0;

	for (int k = 0; k < 4; k++)
	{
		SurpriseWindow *part = window_at(s, level - 1, number - k * width);

		mean += part->mean / 4;
		squares += part->squares;
		path += part->path;
	}
	for (int k = 0; k < 4; k++)
	{
		double		d = window_at(s, level - 1, number - k * width)->mean - mean;

		squares += width * d * d;
	}
	w->mean = mean;
	w->squares = squares;
	w->path = path;
}

/* The window of the last four values is made of the values themselves. */
static void
first_window(Surprise *s, int64 number)
{
	SurpriseWindow *w = window_at(s, 0, number);
	double		x[5];

	for (int k = 0; k < 5; k++)
		x[k] = s->kept[Max(number - k, 0) % s->kept_room];
	w->mean = x[0] / 4 + x[1] / 4 + x[2] / 4 + x[3] / 4;
	w->squares = w->path = 0;
	for (int k = 0; k < 4; k++)
	{
		w->squares += (x[k] - w->mean) * (x[k] - w->mean);
		w->path += fabs(x[k] - x[k + 1]);
	}
}

static double
window_surprise(Surprise *s, int level, int64 number, bool score)
{
	int			width = 4 << (2 * level),
				t = FIRST_WINDOW + 4 * level;
	SurpriseWindow *w = window_at(s, level, number);
	double		total = 0;

	if (number + 1 < width)
		return 0;
	if (level == 0)
		first_window(s, number);
	else
		merge_windows(s, level, number);
	total += judge(s, t + MEAN, w->mean, score);
	total += judge(s, t + VARIANCE, w->squares / width, score);
	total += judge(s, t + PATH, w->path, score);
	if (number + 1 >= 2 * width)
		total += judge(s, t + CHANGE, fabs(w->mean - window_at(s, level, number - width)->mean), score);
	return total;
}

static void
follow(double *smooth, double x, int64 number)
{
	for (int k = 0; k < SURPRISE_SMOOTHS; k++)
		smooth[k] = number == 0 ? x : smooth[k] + weights[k] * (x - smooth[k]);
}

static void
keep(Surprise *s, double x)
{
	int64		number = s->count;
	double	   *place = &s->kept[number % s->kept_room];

	if (number >= s->kept_room)
		follow(s->kept_smooth, *place, number - s->kept_room);
	*place = x;
}

/* Draw the traces of the next value; the sum of their squared surprises. */
static double
draw(Surprise *s, double x, bool score)
{
	int64		number = s->count;
	double		total;

	keep(s, x);
	total = judge(s, VALUE, x, score);
	for (int k = 0; k < SURPRISE_SMOOTHS; k++)
		if (number > 0)
			total += judge(s, DISTANCE + k, fabs(x - s->smooth[k]), score);
	if (number > 0)
		total += judge(s, STEP, fabs(x - s->kept[(number - 1) % s->kept_room]), score);
	for (int level = 0; level < SURPRISE_LEVELS; level++)
		total += window_surprise(s, level, number, score);
	follow(s->smooth, x, number);
	s->count++;
	return total;
}

double
SurpriseNext(Surprise *s, double x)
{
	float		total = (float) draw(s, x, true);
	int			above,
				below,
				held = count_tails(s->totals, s->room, s->totalled, SURPRISE_MEMORY, total, &above, &below);
	double		odd = held > FEW_TOTALLED ? surprise_of(above, held) : 0;

	put(s->totals, s->room, &s->totalled, total);
	if (s->count - s->last_alert <= QUIET)
		return 0;
	if (odd > ALERT)
		s->last_alert = s->count;
	return Min(odd / FULL_SCORE, 1);
}

Surprise *
SurpriseResume(void *memory, const double *kept, int nkept, const float *totals,
			   int ntotals, int64 count, int64 last_alert, const double *kept_smooth)
{
	Surprise   *s = SurpriseInit(memory, 0);

	s->count = count - nkept;
	memcpy(s->smooth, kept_smooth, sizeof(s->smooth));
	memcpy(s->kept_smooth, kept_smooth, sizeof(s->kept_smooth));
	for (int i = 0; i < nkept; i++)
		draw(s, kept[i], false);
	memcpy(s->kept_smooth, kept_smooth, sizeof(s->kept_smooth));
	for (int i = 0; i < ntotals; i++)
		put(s->totals, s->room, &s->totalled, totals[i]);
	s->last_alert = last_alert;
	return s;
}

int
SurpriseKept(const Surprise *s, double *kept)
{
	int			n = (int) Min(s->count, s->kept_room);

	for (int i = 0; i < n; i++)
		kept[i] = s->kept[(s->count - n + i) % s->kept_room];
	return n;
}

int
SurpriseTotals(const Surprise *s, float *totals)
{
	int			n = (int) Min(s->totalled, s->room);

	for (int i = 0; i < n; i++)
		totals[i] = s->totals[(s->totalled - n + i) % s->room];
	return n;
}
