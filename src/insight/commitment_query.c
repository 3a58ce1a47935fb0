/*-------------------------------------------------------------------------
 *
 * commitment_query.c
 *	  finops.apply_commitments: reservations and savings plans applied to
 *	  usage that the caller names, or the amounts of plans searched for.
 *
 * The queries are the caller's and run as such; SPI is connected without a
 * session of the extension.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/commitment_case.h"

#include "forecast/jsonb_options.h"
#include "forecast/source_query.h"

#include <math.h>

PG_FUNCTION_INFO_V1(finops_apply_commitments);

#define COLUMNS 18
#define NAMES "step, max_share, min_utilisation"

static char *
source_arg(FunctionCallInfo fcinfo, int argno, const char *what)
{
	FinopsRequireArg(fcinfo, argno, what);
	return SourceFrom(text_to_cstring(PG_GETARG_TEXT_PP(argno)));
}

/* Hours since 1970: of a time, and of the first whole hour from a time on. */
#define HOUR(column) \
	"pg_catalog.floor(pg_catalog.date_part('epoch', src." column "::pg_catalog.timestamp)" \
	" OPERATOR(pg_catalog./) 3600)::pg_catalog.int8"
#define WHOLE_HOUR(column) \
	"pg_catalog.ceil(pg_catalog.date_part('epoch', src." column "::pg_catalog.timestamp)" \
	" OPERATOR(pg_catalog./) 3600)::pg_catalog.int8"

static Datum
minus(Datum a, Datum b)
{
	return DirectFunctionCall1(numeric_trim_scale, DirectFunctionCall2(numeric_sub, a, b));
}

static void
put_row(ReturnSetInfo *rsinfo, Datum *values, bool *nulls, const CommitmentUseFigures *f)
{
	values[4] = CommitmentNumeric(f->fee, 24);
	values[5] = f->used;
	values[6] = minus(values[4], f->used);
	values[7] = CommitmentNumeric(f->covered, 24);
	values[8] = minus(values[7], values[4]);
	values[13] = CommitmentQuotient(f->used, values[4], &nulls[13]);
	values[16] = CommitmentQuotient(f->used, values[7], &nulls[16]);
	nulls[14] = nulls[16];
	if (!nulls[16])
		values[14] = minus(CommitmentNumeric(1, 0), values[16]);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void
put_commitment(ReturnSetInfo *rsinfo, const CommitmentCase *k, int i)
{
	const Commitment *c = &k->commitments[i];
	CommitmentUseFigures f = CommitmentUsed(k, i);
	Datum		values[COLUMNS] = {0};
	bool		nulls[COLUMNS] = {0};

	values[0] = CStringGetTextDatum(k->ids[i]);
	values[1] = CStringGetTextDatum(CommitmentKindNames[c->kind]);
	values[2] = CommitmentNumeric(c->hourly, 24);
	values[3] = CommitmentNumeric(c->units, 24);
	nulls[3] = c->kind != COMMITMENT_RESERVATION;
	nulls[9] = nulls[10] = nulls[11] = nulls[12] = nulls[15] = nulls[17] = true;
	put_row(rsinfo, values, nulls, &f);
}

static void
put_total(ReturnSetInfo *rsinfo, const CommitmentCase *k, CommitmentMoney greedy)
{
	CommitmentUseFigures f = CommitmentUsed(k, -1);
	CommitmentMoney cost = f.fee + k->use.remaining;
	Datum		values[COLUMNS] = {0};
	bool		nulls[COLUMNS] = {true, true, true, true};

	values[9] = CommitmentNumeric(k->use.ondemand, 24);
	values[10] = CommitmentNumeric(k->use.remaining, 24);
	values[11] = CommitmentNumeric(cost, 24);
	values[12] = CommitmentRatio(f.covered, k->use.ondemand, &nulls[12]);
	values[15] = CommitmentRatio(k->use.ondemand - cost, k->use.ondemand, &nulls[15]);
	values[17] = CommitmentNumeric(greedy, 24);
	put_row(rsinfo, values, nulls, &f);
}

/*
 * finops.apply_commitments(usage text, commitments text, rates text, options
 * jsonb) -> commitment, kind, hourly, units, fee, used, unused, covered,
 * savings, on_demand, remaining, cost, coverage, utilisation, discount,
 * effective_savings_rate, break_even_utilisation, greedy_cost: a row for each
 * commitment, and one for all with commitment NULL.  Amounts are of the whole
 * time and exact, ratios have twelve digits.
 *
 * usage: hour, account_id, usage_type, quantity, rate (on demand, of one
 * unit).  commitments: commitment, kind, account_id, shared, hourly, units,
 * starts, ends.  rates: commitment, usage_type, rate (of a plan, or the
 * normalised units of a reservation).  A commitment whose hourly is NULL is
 * searched for; the rates of a reservation are then its price, too.
 *
 * 22004 for what is NULL, 22023 for what is negative or not finite, 22003 and
 * 54000 for what is too much.
 */
Datum
finops_apply_commitments(PG_FUNCTION_ARGS)
{
	char	   *usage = source_arg(fcinfo, 0, "usage");
	char	   *commitments = source_arg(fcinfo, 1, "commitments");
	char	   *rates = source_arg(fcinfo, 2, "rates");
	Jsonb	   *options = OptionsArg(fcinfo, 3, NAMES);
	CommitmentLimits limits = {0};
	CommitmentMoney greedy,
				step;
	ReturnSetInfo *rsinfo;
	CommitmentCase k;

	InitMaterializedSRF(fcinfo, 0);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	limits.most_coverage = (int) rint(OptionNumber(options, "max_share", 0, 0.000001, 1) * 1000000);
	limits.least_utilisation = (int) rint(OptionNumber(options, "min_utilisation", 0, 0, 1) * 1000000);
	step = (CommitmentMoney) rint(OptionNumber(options, "step", 0, 0, 1000000) * 1e12) * COMMITMENT_ONE;
	SPI_connect();
	CommitmentReadCase(&k,
					   psprintf("SELECT " HOUR("hour") ", src.account_id::pg_catalog.text, src.usage_type::pg_catalog.text,"
								" src.quantity::pg_catalog.numeric, src.rate::pg_catalog.numeric FROM %s", usage),
					   psprintf("SELECT src.commitment::pg_catalog.text, src.kind::pg_catalog.text, src.account_id::pg_catalog.text,"
								" src.shared::pg_catalog.bool, src.hourly::pg_catalog.numeric, src.units::pg_catalog.numeric, "
								WHOLE_HOUR("starts") ", " WHOLE_HOUR("ends")
								", NULL::pg_catalog.numeric, NULL::pg_catalog.numeric, NULL::pg_catalog.int8 FROM %s", commitments),
					   psprintf("SELECT src.commitment::pg_catalog.text, src.usage_type::pg_catalog.text,"
								" src.rate::pg_catalog.numeric FROM %s", rates), NULL, 0, 0);
	greedy = CommitmentSolve(&k, &limits, step);
	for (int i = 0; i < k.n; i++)
		put_commitment(rsinfo, &k, i);
	put_total(rsinfo, &k, greedy);
	SPI_finish();
	return (Datum) 0;
}
