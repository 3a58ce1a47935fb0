/*-------------------------------------------------------------------------
 *
 * anomaly_scores.c
 *	  finops.anomaly_scores: how surprising each value of a series is, and the
 *	  same for a stream whose state is kept between its values.
 *
 * With a season length the values are scored less their season's profile, an
 * exponentially weighted mean of what each phase has beyond the mean of the
 * season before it; the first two seasons only teach it.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/insight.h"

#include "insight/surprise.h"

#include "forecast/arguments.h"

#include "utils/array.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_anomaly_scores);
PG_FUNCTION_INFO_V1(finops_anomaly_next);

#define PROFILE_WEIGHT	0.2
#define MAX_SEASON		100000
#define CHECK_EVERY		256

/* Values less the profile of their season, in place. */
static void
take_season(double *y, int n, int m)
{
	double	   *profile = palloc0_array(double, m);
	double		sum = 0;

	for (int i = 0; i < Min(n, m); i++)
		sum += y[i] / Min(n, m);
	for (int i = 0; i < n; i++)
	{
		double		x = y[i],
					beyond = x - sum;

		/* what the profile knew before this value */
		y[i] = x - profile[i % m];
		if (i < m)
		{
			profile[i] = beyond;
			y[i] = sum;
			continue;
		}
		profile[i % m] += PROFILE_WEIGHT * (beyond - profile[i % m]);
		sum += (y[i] - sum) / m;
	}
	pfree(profile);
}

static int
season_arg(FunctionCallInfo fcinfo, int argno)
{
	int			m = PG_ARGISNULL(argno) ? 1 : PG_GETARG_INT32(argno);

	if (m < 1 || m > MAX_SEASON)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("season length must be between 1 and %d, not %d", MAX_SEASON, m),
				 errhint("Use 7 for daily values with a weekly season, NULL for none.")));
	return m;
}

/*
 * finops.anomaly_scores(series float8[], season_length int) -> float8[], one
 * score of 0..1 for each value.  Causal: a score depends on the values up to
 * its own.
 */
Datum
finops_anomaly_scores(PG_FUNCTION_ARGS)
{
	int			n;
	double	   *series = ForecastSeriesArg(fcinfo, 0, &n),
			   *y = palloc_array(double, n);
	int			m = season_arg(fcinfo, 1);
	Datum	   *scores = palloc_array(Datum, n);
	Surprise   *s;

	memcpy(y, series, sizeof(double) * n);
	if (m > 1)
		take_season(y, n, m);
	s = SurpriseInit(palloc0(SurpriseSize(n)), n);
	for (int i = 0; i < n; i++)
	{
		double		score = SurpriseNext(s, y[i]);

		if (i % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		scores[i] = Float8GetDatum(m > 1 && i < 2 * m ? 0 : score);
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(scores, n, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
										  TYPALIGN_DOUBLE));
}

/* ---------------------------------------------------------------------
 * Streams
 * ---------------------------------------------------------------------
 */
#define STATE_MAGIC	0x66535031		/* fSP1 */

typedef struct StreamState
{
	int32		vl_len_;
	uint32		magic;
	int64		count;
	int64		last_alert;
	double		kept_smooth[SURPRISE_SMOOTHS];
	int32		nkept;
	int32		ntotals;
	/* nkept doubles and ntotals floats follow */
} StreamState;

static bool
all_finite(const char *at, int nkept, int ntotals)
{
	for (int i = 0; i < nkept; i++, at += sizeof(double))
	{
		double		x;

		memcpy(&x, at, sizeof(x));
		if (!isfinite(x))
			return false;
	}
	for (int i = 0; i < ntotals; i++, at += sizeof(float))
	{
		float		x;

		memcpy(&x, at, sizeof(x));
		if (!isfinite(x))
			return false;
	}
	return true;
}

/* A state is read only as this library wrote it. */
static bool
is_sound(const StreamState *state, size_t size)
{
	if (size < sizeof(StreamState) || state->magic != STATE_MAGIC || state->count < 1)
		return false;
	if (state->nkept != Min(state->count, SURPRISE_KEPT) ||
		state->ntotals != Min(state->count, SURPRISE_MEMORY))
		return false;
	for (int k = 0; k < SURPRISE_SMOOTHS; k++)
		if (!isfinite(state->kept_smooth[k]))
			return false;
	return size == sizeof(StreamState) + sizeof(double) * state->nkept + sizeof(float) * state->ntotals &&
		state->last_alert <= state->count &&
		all_finite((const char *) (state + 1), state->nkept, state->ntotals);
}

static Surprise *
read_state(bytea *bytes)
{
	StreamState *state = (StreamState *) bytes;
	const char *at = (const char *) (state + 1);
	double	   *kept;
	float	   *totals;

	if (!is_sound(state, VARSIZE(bytes)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("state is not one of finops.anomaly_next()"),
				 errhint("Start a stream with NULL and keep the state that each call returns.")));
	kept = palloc_array(double, state->nkept);
	totals = palloc_array(float, state->ntotals);
	memcpy(kept, at, sizeof(double) * state->nkept);
	memcpy(totals, at + sizeof(double) * state->nkept, sizeof(float) * state->ntotals);
	return SurpriseResume(palloc0(SurpriseSize(0)), kept, state->nkept, totals, state->ntotals,
						  state->count, state->last_alert, state->kept_smooth);
}

static bytea *
write_state(const Surprise *s)
{
	int			nkept = (int) Min(s->count, SURPRISE_KEPT),
				ntotals = (int) Min(s->count, SURPRISE_MEMORY);
	size_t		size = sizeof(StreamState) + sizeof(double) * nkept + sizeof(float) * ntotals;
	StreamState *state = palloc0(size);
	void	   *totals = (char *) (state + 1) + sizeof(double) * nkept;

	SET_VARSIZE(state, size);
	state->magic = STATE_MAGIC;
	state->count = s->count;
	state->last_alert = s->last_alert;
	memcpy(state->kept_smooth, s->kept_smooth, sizeof(state->kept_smooth));
	state->nkept = SurpriseKept(s, (double *) (state + 1));
	state->ntotals = SurpriseTotals(s, totals);
	return (bytea *) state;
}

/*
 * finops.anomaly_next(state bytea, value float8) -> (state bytea, score
 * float8): a stream, one value at a time; a NULL state begins one.
 */
Datum
finops_anomaly_next(PG_FUNCTION_ARGS)
{
	TupleDesc	row;
	Surprise   *s;
	Datum		values[2];
	bool		nulls[2] = {false, false};
	double		x;

	FinopsRequireArg(fcinfo, 1, "value");
	x = PG_GETARG_FLOAT8(1);
	if (!(fabs(x) <= 1e300))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("value is not a finite number below 1e300"),
				 errhint("Leave missing values out of the stream.")));
	if (get_call_result_type(fcinfo, NULL, &row) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (PG_ARGISNULL(0))
		s = SurpriseInit(palloc0(SurpriseSize(0)), 0);
	else
		s = read_state(PG_GETARG_BYTEA_P_COPY(0));
	values[1] = Float8GetDatum(SurpriseNext(s, x));
	values[0] = PointerGetDatum(write_state(s));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(row), values, nulls)));
}
