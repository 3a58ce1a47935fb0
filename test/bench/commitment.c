/*-------------------------------------------------------------------------
 *
 * commitment.c
 *	  Time to apply 20 commitments to a year of hours of 200 usage types, and
 *	  to search for plans together.
 *
 * gcc -O2 -DFINOPS_STANDALONE -Isrc -Itest/unit -o build/commitment test/bench/commitment.c
 *	src/insight/commitment_{apply,plan,model,search}.c -lm && build/commitment
 *
 *-------------------------------------------------------------------------
 */
#include "insight/commitment_plan.h"

#include "random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define HOURS		8760
#define MOST_LINES	200
#define MOST_PLANS	20

static CommitmentLine lines[MOST_LINES];
static int64 rates[MOST_PLANS][MOST_LINES];
static CommitmentQuantity *quantities;
static Commitment plans[MOST_PLANS];
static CommitmentUse use;

static double
seconds(void)
{
	return (double) clock() / CLOCKS_PER_SEC;
}

static int
below(int n)
{
	return next_random() % n;
}

/* Families of ten lines each; the last plan is for all, each other for one family. */
static void
make_case(int nlines, int nplans)
{
	use = (CommitmentUse) {.nhours = HOURS,.nlines = nlines,.lines = lines,.quantities = quantities};
	for (int k = 0; k < nlines; k++)
	{
		int64		cents = 5 + below(300);

		lines[k] = (CommitmentLine) {below(4), cents * (COMMITMENT_ONE / 100)};
		for (int i = 0; i < nplans; i++)
		{
			bool		flexible = i == nplans - 1;

			rates[i][k] = flexible || k * (nplans - 1) / nlines == i ?
				cents * (COMMITMENT_ONE / 10000) * (flexible ? 66 + below(20) : 55 + below(20)) : 0;
		}
		for (int h = 0; h < HOURS; h++)
		{
			double		wave = 1 + 0.4 * sin(h * 2 * M_PI / 24 + k) - 0.2 * (h / 24 % 7 > 4);

			quantities[(size_t) h * nlines + k] = (int128) (wave * (1 + below(20))) * COMMITMENT_ONE +
				below(1000) * (COMMITMENT_ONE / 1000);
		}
	}
	for (int i = 0; i < nplans; i++)
		plans[i] = (Commitment) {.kind = i == nplans - 1 ? COMMITMENT_FLEXIBLE : COMMITMENT_FAMILY,
			.shared = true,.upto = HOURS,.rates = rates[i],.most = -1,
			.hourly = (int128) COMMITMENT_ONE * COMMITMENT_ONE * (10 + below(100))};
}

static void
time_apply(void)
{
	void	   *memory;
	CommitmentOrder *order;
	double		begun;

	make_case(200, 20);
	memory = malloc(CommitmentOrderSize(20, 200));
	begun = seconds();
	CommitmentPrepare(memory, &use, plans, 20, &order);
	CommitmentApply(order, &use, plans, NULL);
	printf("20 commitments applied to 200 usage types in %d hours: %.2f s\n", HOURS, seconds() - begun);
	free(memory);
}

static void
time_search(int nlines, int nplans)
{
	bool		all[MOST_PLANS];
	CommitmentSearch s = {.use = &use,.commitments = plans,.ncommitments = nplans,.free = all,
		.step = (int128) COMMITMENT_ONE * COMMITMENT_ONE / 1000};
	void	   *memory;
	double		begun;

	for (int i = 0; i < nplans; i++)
		all[i] = true;
	make_case(nlines, nplans);
	memory = malloc(CommitmentSearchSize(&use, nplans));
	begun = seconds();
	CommitmentJoint(memory, &s);
	printf("%d plans for %d usage types in %d hours: %.2f s, %.4f %% of the bill below greed\n", nplans, nlines,
		   HOURS, seconds() - begun, 100 * (double) (s.greedy - s.cost) / (double) use.ondemand);
	free(memory);
}

int
main(void)
{
	quantities = malloc(sizeof(CommitmentQuantity) * HOURS * MOST_LINES);
	time_apply();
	time_search(10, 3);
	time_search(50, 3);
	time_search(50, 5);
	time_search(200, 5);
	free(quantities);
	return 0;
}
