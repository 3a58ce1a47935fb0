/* links: src/insight/commitment_apply.c src/insight/commitment_plan.c src/insight/commitment_model.c src/insight/commitment_search.c */
/*-------------------------------------------------------------------------
 *
 * commitment_plan_test.c
 *	  The cheapest plan against every breakpoint, the cheapest set of plans
 *	  against a grid and against greed, and the figures of both.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/commitment_plan.h"

#include "random.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>

#define MOST_LINES	8
#define MOST_HOURS	24
#define TENTH		(COMMITMENT_ONE / 10)

static CommitmentLine lines[MOST_LINES];
static int64 rates[3][MOST_LINES];
static CommitmentQuantity quantities[MOST_HOURS * MOST_LINES];
static CommitmentUse use;

/* what divides a millionth of a unit, so that no quantity is cut off */
static const int round_rates[] = {1, 2, 4, 5, 8, 10, 16, 20};

static int
below(int n)
{
	return next_random() % n;
}

static void
random_case(void)
{
	use = (CommitmentUse) {.nhours = 1 + below(MOST_HOURS),.nlines = 1 + below(MOST_LINES),
		.lines = lines,.quantities = quantities};
	for (int k = 0; k < use.nlines; k++)
	{
		int			rate = round_rates[below(lengthof(round_rates))];

		rates[0][k] = rate * TENTH;
		lines[k] = (CommitmentLine) {0, rates[0][k] + below(2 * rate + 1) * TENTH};
		for (int h = 0; h < use.nhours; h++)
			quantities[h * use.nlines + k] = below(4) == 0 ? 0 : (int128) below(5000000) * 1000000;
	}
}

static Commitment
plan(CommitmentKind kind, const int64 *r)
{
	return (Commitment) {.kind = kind,.shared = true,.from = 0,.upto = use.nhours,.rates = r,.most = -1};
}

/* Cost of a plan of c an hour, from the definition: the dearest rate for its price first. */
static CommitmentMoney
cost_of(CommitmentMoney c)
{
	CommitmentMoney cost = 0;

	for (int h = 0; h < use.nhours; h++)
	{
		CommitmentMoney budget = c;
		bool		done[MOST_LINES] = {false};

		cost += c;
		for (int n = 0; n < use.nlines; n++)
		{
			int			best = 0;
			CommitmentQuantity quantity,
						taken;

			while (done[best])
				best++;
			for (int k = best + 1; k < use.nlines; k++)
			{
				int128		gain = (int128) lines[k].rate * rates[0][best] -
					(int128) lines[best].rate * rates[0][k];

				if (!done[k] && (gain > 0 || (gain == 0 && rates[0][k] < rates[0][best])))
					best = k;
			}
			done[best] = true;
			quantity = quantities[h * use.nlines + best];
			taken = budget / rates[0][best];
			taken = Min(taken, quantity);
			budget -= taken * rates[0][best];
			cost += (quantity - taken) * lines[best].rate;
		}
	}
	return cost;
}

/* Every sum of lines that a plan can have covered whole in some hour. */
static CommitmentMoney
least_of_all_breakpoints(void)
{
	CommitmentMoney least = cost_of(0);

	for (int h = 0; h < use.nhours; h++)
	{
		for (int k = 0; k < use.nlines; k++)
		{
			CommitmentMoney at = 0;

			for (int i = 0; i < use.nlines; i++)
			{
				int128		gain = (int128) lines[i].rate * rates[0][k] -
					(int128) lines[k].rate * rates[0][i];
				int64		dearer = rates[0][i] - rates[0][k];

				if (gain > 0 || (gain == 0 && (dearer < 0 || (dearer == 0 && i <= k))))
					at += quantities[h * use.nlines + i] * rates[0][i];
			}
			least = Min(least, cost_of(at));
		}
	}
	return least;
}

static void
single(void)
{
	int			wrong = 0,
				bought = 0;

	for (int round = 0; round < 1000; round++)
	{
		Commitment	c;
		void	   *memory;

		random_case();
		c = plan(COMMITMENT_FLEXIBLE, rates[0]);
		memory = malloc(CommitmentBestSize(&use));
		if (CommitmentBest(memory, &use, &c, NULL) != COMMITMENT_FINE ||
			c.fee + use.remaining != least_of_all_breakpoints())
			wrong++;
		bought += c.hourly > 0;
		free(memory);
	}
	ok(wrong == 0 && bought > 500, "the best plan alone costs what the best breakpoint costs, 1,000 times");
}

/* One line, one discount: (1 - d) times the d-quantile of demand. */
static void
newsvendor(void)
{
	static CommitmentQuantity demand[1000];
	CommitmentLine line = {0, COMMITMENT_ONE};
	bool		good = true;

	use = (CommitmentUse) {.nhours = 1000,.nlines = 1,.lines = &line,.quantities = demand};
	for (int i = 0; i < 1000; i++)
		demand[i] = (int128) (i * 7 % 1000 + 1) * COMMITMENT_ONE;
	for (int d = 10; d < 100; d += 8)
	{
		int64		rate = COMMITMENT_ONE / 100 * (100 - d);
		Commitment	c = plan(COMMITMENT_FLEXIBLE, &rate);
		void	   *memory = malloc(CommitmentBestSize(&use));

		CommitmentBest(memory, &use, &c, NULL);
		good = good && c.hourly == (int128) rate * (d * 10) * COMMITMENT_ONE;
		free(memory);
	}
	ok(good, "of one discount d the best is (1 - d) times the d-quantile of demand");
}

/* The owner's small savings come before great ones elsewhere: two lowest places. */
static void
two_valleys(void)
{
	const CommitmentLine two[] = {{1, 10 * TENTH}, {2, 100 * TENTH}};
	const int64 r[] = {10 * TENTH, 10 * TENTH};
	const CommitmentQuantity q[] = {5 * (int128) COMMITMENT_ONE, 3 * (int128) COMMITMENT_ONE,
	5 * (int128) COMMITMENT_ONE, 0};
	Commitment	c;
	void	   *memory;

	use = (CommitmentUse) {.nhours = 2,.nlines = 2,.lines = two,.quantities = q};
	memory = malloc(CommitmentBestSize(&use));
	c = plan(COMMITMENT_FLEXIBLE, r);
	c.owner = 1;
	CommitmentBest(memory, &use, &c, NULL);
	ok(c.hourly == 8 * (int128) COMMITMENT_ONE * COMMITMENT_ONE && use.remaining == 0,
	   "a plan that saves nothing at first is bought for what it saves later");
	c.shared = false;
	CommitmentBest(memory, &use, &c, NULL);
	ok(c.hourly == 0 && c.fee == 0, "and not where it would save nothing at all");
	free(memory);
}

#define GRID 25

static void
random_plans(Commitment *c, int n, CommitmentMoney *step)
{
	CommitmentMoney most = 0;

	random_case();
	for (int k = 0; k < use.nlines; k++)
	{
		int64		rate = lines[k].rate;

		for (int i = 0; i < n; i++)
			rates[i][k] = rate / 100 * (i == n - 1 ? 50 + below(40) : 30 + below(50));
		/* families are apart */
		if (n == 3)
			rates[k % 2][k] = 0;
		else if (k % 2)
			rates[0][k] = 0;
	}
	for (int i = 0; i < n; i++)
		c[i] = plan(i == n - 1 ? COMMITMENT_FLEXIBLE : COMMITMENT_FAMILY, rates[i]);
	for (int h = 0; h < use.nhours; h++)
	{
		CommitmentMoney sum = 0;

		for (int k = 0; k < use.nlines; k++)
			sum += quantities[h * use.nlines + k] * rates[n - 1][k];
		most = Max(most, sum);
	}
	*step = most / (GRID - 1) + 1;
}

static CommitmentMoney
total(CommitmentOrder *order, Commitment *c, int n)
{
	CommitmentApply(order, &use, c, NULL);
	return CommitmentSum(&use, c, n).cost;
}

/* Least cost over amounts of plans i and after, those before as they are. */
static CommitmentMoney
grid(CommitmentOrder *order, Commitment *c, int n, int i, CommitmentMoney step)
{
	CommitmentMoney least = -1;

	if (i == n)
		return total(order, c, n);
	for (int g = 0; g < GRID; g++)
	{
		CommitmentMoney cost;

		c[i].hourly = step * g;
		cost = grid(order, c, n, i + 1, step);
		if (least < 0 || cost < least)
			least = cost;
	}
	return least;
}

static CommitmentMoney
greed(CommitmentOrder *order, Commitment *c, int n, CommitmentMoney step)
{
	CommitmentMoney least = 0;

	for (int i = 0; i < n; i++)
		c[i].hourly = 0;
	for (int i = 0; i < n; i++)
	{
		int			best = 0;

		least = total(order, c, n);
		for (int g = 1; g < GRID; g++)
		{
			CommitmentMoney cost;

			c[i].hourly = step * g;
			cost = total(order, c, n);
			if (cost < least)
			{
				least = cost;
				best = g;
			}
		}
		c[i].hourly = step * best;
	}
	return least;
}

static void
joint(int n, int rounds)
{
	static const bool all[] = {true, true, true};
	int			far = 0,
				greedier = 0,
				better = 0;
	double		worst = 0;

	for (int round = 0; round < rounds; round++)
	{
		Commitment	c[3];
		CommitmentSearch s = {.use = &use,.commitments = c,.ncommitments = n,.free = all};
		CommitmentMoney best,
					greedy;
		CommitmentOrder *order;
		void	   *memory,
				   *other;

		random_plans(c, n, &s.step);
		memory = malloc(CommitmentSearchSize(&use, n));
		other = malloc(CommitmentOrderSize(n, use.nlines));
		if (CommitmentJoint(memory, &s) != COMMITMENT_FINE)
			far++;
		CommitmentPrepare(other, &use, c, n, &order);
		greedy = greed(order, c, n, s.step);
		best = grid(order, c, n, 0, s.step);
		if (use.ondemand > 0)
			worst = Max(worst, (double) (s.cost - best) / (double) use.ondemand);
		far += s.cost > best + use.ondemand / 10000;
		greedier += s.cost > greedy || s.cost > s.greedy;
		better += s.cost < greedy;
		free(memory);
		free(other);
	}
	printf("# %d plans: farthest from the grid %.6f of the bill, better than greed %d of %d times\n",
		   n, worst, better, rounds);
	ok(far == 0, "plans chosen together are within 0.01 % of the best of a grid");
	ok(greedier == 0, "and never cost more than plans chosen one after another");
	ok(better > 0, "but now and then less");
}

/* Ten units an hour, 1.00 on demand and 0.50 in the plan, two units in every fourth hour. */
static const CommitmentLine ones[] = {{0, 10 * TENTH}};
static const int64 half[] = {5 * TENTH};
static CommitmentQuantity tens[20];

static void
known(Commitment *c, CommitmentSearch *s, const bool *chosen)
{
	use = (CommitmentUse) {.nhours = 20,.nlines = 1,.lines = ones,.quantities = tens};
	for (int h = 0; h < 20; h++)
		tens[h] = (int128) (h % 4 == 3 ? 2 : 10) * COMMITMENT_ONE;
	c[0] = plan(COMMITMENT_FLEXIBLE, half);
	c[1] = plan(COMMITMENT_FLEXIBLE, half);
	*s = (CommitmentSearch) {.use = &use,.commitments = c,.ncommitments = 2,.free = chosen,
		.step = (int128) COMMITMENT_ONE * COMMITMENT_ONE / 100};
}

#define CENTS(x) ((int128) (x) * COMMITMENT_ONE * (COMMITMENT_ONE / 100))

static void
figures(void *memory)
{
	const bool	second[] = {false, true};
	Commitment	c[2];
	CommitmentSearch s;
	CommitmentFigures f,
				points[3];

	known(c, &s, second);
	CommitmentJoint(memory, &s);
	f = CommitmentSum(&use, c, 2);
	/* 5.00 an hour: 4.00 of it lost in five of twenty hours */
	ok(c[1].hourly == CENTS(500) && s.cost == CENTS(10000) && f.ondemand == CENTS(16000),
	   "the best plan of known demand");
	ok(fabs(f.utilisation - 0.8) < 1e-12 && f.coverage == 1 && fabs(f.effective - 0.375) < 1e-12 &&
	   fabs(f.discount - 0.5) < 1e-12 && fabs(f.break_even - 0.5) < 1e-12,
	   "and its figures");
	ok(CommitmentCurve(memory, &s, 1, CENTS(800), 3, points) == COMMITMENT_FINE &&
	   points[0].cost == CENTS(16000) &&
	   points[1].fee == CENTS(8000) && points[1].cost == CENTS(8000 + 3000) &&
	   points[2].cost == CENTS(16000) &&
	   c[1].hourly == CENTS(500) && isnan(points[0].utilisation) && points[0].effective == 0, "points of the curve");
	c[0].hourly = CENTS(500);
	CommitmentJoint(memory, &s);
	ok(c[1].hourly == 0 && s.cost == CENTS(10000), "what is covered already is not bought again");
	c[0].upto = 4;
	CommitmentJoint(memory, &s);
	ok(c[1].hourly == CENTS(500) && s.cost == CENTS(10000 + 2000), "unless it expires");
	c[0].upto = 16;
	CommitmentJoint(memory, &s);
	ok(c[1].hourly == 0 && s.cost == CENTS(8000 + 3200), "and not where too few hours are left after that");
}

static void
limits(void *memory)
{
	const bool	second[] = {false, true};
	Commitment	c[2];
	CommitmentSearch s;

	known(c, &s, second);
	s.limits.cash = CENTS(30000);
	c[1].cash_hours = 100;
	CommitmentJoint(memory, &s);
	ok(c[1].hourly == CENTS(300), "no more than there is cash for");
	s.limits.cash = 0;
	s.limits.most_coverage = 500000;
	CommitmentJoint(memory, &s);
	/* 2c in fifteen hours and 2 in five are at most 80 */
	ok(c[1].hourly == CENTS(233) && c[1].covered <= CENTS(8000), "no more than a share of the bill");
	s.limits.most_coverage = 0;
	s.limits.least_utilisation = 900000;
	CommitmentJoint(memory, &s);
	/* (15 c + 5) / 20 c = 0.9 at c = 1.66 */
	ok(c[1].hourly == CENTS(166), "no more than is well used");
	c[0].hourly = CENTS(500);
	s.limits = (CommitmentLimits) {.most_coverage = 100000};
	CommitmentJoint(memory, &s);
	ok(c[1].hourly == 0 && s.cost == CENTS(10000), "nothing where a limit is passed already");
}

/* effective savings = coverage (1 - (1 - discount) / utilisation) */
static void
identity(void)
{
	bool		good = true;

	for (int round = 0; round < 500; round++)
	{
		Commitment	c[3];
		CommitmentMoney step;
		CommitmentFigures f;
		CommitmentOrder *order;
		void	   *memory;

		random_plans(c, 3, &step);
		memory = malloc(CommitmentOrderSize(3, use.nlines));
		for (int i = 0; i < 3; i++)
			c[i].hourly = step * below(9);
		CommitmentPrepare(memory, &use, c, 3, &order);
		total(order, c, 3);
		f = CommitmentSum(&use, c, 3);
		free(memory);
		if (f.covered > 0 && f.utilisation > 0)
			good = good && fabs(f.effective - f.coverage * (1 - (1 - f.discount) / f.utilisation)) < 1e-9;
	}
	ok(good, "effective savings = coverage (1 - (1 - discount) / utilisation)");
}

/* An hour that stands for several is as good as these hours. */
static void
weighted(void)
{
	static CommitmentQuantity many[MOST_HOURS * MOST_LINES * 3];
	int64		weights[MOST_HOURS];
	int			wrong = 0;

	for (int round = 0; round < 200; round++)
	{
		Commitment	one,
					all;
		CommitmentUse few;
		int			hours = 0;
		void	   *memory;

		random_case();
		few = use;
		few.weights = weights;
		for (int h = 0; h < few.nhours; h++)
		{
			weights[h] = below(4);
			for (int k = 0; k < weights[h]; k++, hours++)
				memcpy(many + hours * use.nlines, quantities + h * use.nlines, use.nlines * sizeof(*many));
		}
		use.quantities = many;
		use.nhours = hours;
		memory = malloc(CommitmentBestSize(&few) + CommitmentBestSize(&use));
		one = plan(COMMITMENT_FLEXIBLE, rates[0]);
		all = one;
		one.upto = few.nhours;
		wrong += CommitmentBest(memory, &few, &one, NULL) != COMMITMENT_FINE;
		wrong += CommitmentBest(memory, &use, &all, NULL) != COMMITMENT_FINE;
		wrong += one.fee + few.remaining != all.fee + use.remaining || few.ondemand != use.ondemand ||
			one.used != all.used || one.covered != all.covered || one.available != all.available;
		free(memory);
	}
	ok(wrong == 0, "an hour that stands for several is as good as these, 200 times");
}

#define LONG_HOURS 1000

/* More hours than the sample of the search, lines of two families that plans treat alike. */
static void
long_demand(void)
{
	static CommitmentQuantity demand[LONG_HOURS * 4];
	const CommitmentLine four[] = {{0, 10 * TENTH}, {0, 20 * TENTH}, {1, 10 * TENTH}, {1, 30 * TENTH}};
	const int64 family[] = {6 * TENTH, 12 * TENTH, 0, 0};
	const int64 flexible[] = {7 * TENTH, 14 * TENTH, 8 * TENTH, 24 * TENTH};
	const bool	both[] = {true, true};
	Commitment	c[2];
	CommitmentSearch s = {.use = &use,.commitments = c,.ncommitments = 2,.free = both,
		.step = (CommitmentMoney) COMMITMENT_ONE * TENTH};
	CommitmentMoney least = -1;
	CommitmentOrder *order;
	void	   *memory;

	use = (CommitmentUse) {.nhours = LONG_HOURS,.nlines = 4,.lines = four,.quantities = demand};
	for (int h = 0; h < LONG_HOURS; h++)
		for (int k = 0; k < 4; k++)
			demand[h * 4 + k] = (int128) (h % 24 > 7 ? 4 + below(3) : below(3)) * COMMITMENT_ONE;
	c[0] = plan(COMMITMENT_FAMILY, family);
	c[1] = plan(COMMITMENT_FLEXIBLE, flexible);
	memory = malloc(CommitmentSearchSize(&use, 2));
	ok(CommitmentJoint(memory, &s) == COMMITMENT_FINE && s.cost <= s.greedy, "demand of many hours");
	CommitmentPrepare(memory, &use, c, 2, &order);
	for (int a = 0; a <= 120; a += 2)
		for (int b = 0; b <= 200; b += 4)
		{
			CommitmentMoney cost;

			c[0].hourly = s.step * a;
			c[1].hourly = s.step * b;
			cost = total(order, c, 2);
			least = least < 0 ? cost : Min(least, cost);
		}
	ok(s.cost <= least, "costs no more than any of a grid of 3,111 amounts");
	free(memory);
}

/* Reservations bought in units of their own, and no more than there is. */
static void
steps(void *memory)
{
	const bool	second[] = {false, true};
	Commitment	c[2];
	CommitmentSearch s;

	known(c, &s, second);
	c[1].kind = COMMITMENT_RESERVATION;
	c[1].step = CENTS(70);
	ok(CommitmentJoint(memory, &s) == COMMITMENT_FINE && c[1].hourly == CENTS(490) &&
	   c[1].units == CENTS(490) && c[1].used == CENTS(490 * 15 + 100 * 5), "a reservation in whole units: seven of 0.70");
	c[1].most = CENTS(300);
	CommitmentJoint(memory, &s);
	ok(c[1].hourly == CENTS(280), "and not more than allowed");
	c[1].most = 0;
	CommitmentJoint(memory, &s);
	ok(c[1].hourly == 0 && c[1].covered == 0, "which may be nothing");
}

static void
faults(void *memory)
{
	const bool	second[] = {false, true};
	Commitment	c[2];
	CommitmentSearch s;
	CommitmentFigures f;

	known(c, &s, second);
	s.step = 0;
	ok(CommitmentJoint(memory, &s) == COMMITMENT_NEGATIVE, "no step");
	s.step = 1;
	ok(CommitmentJoint(memory, &s) == COMMITMENT_TOO_MUCH, "a step so small that it cannot be counted");
	{
		const int64 backwards[20] = {-1};

		s.step = 1000;
		use.weights = backwards;
		ok(CommitmentJoint(memory, &s) == COMMITMENT_NEGATIVE, "an hour that counts less than not at all");
		use.weights = NULL;
	}
	ok(CommitmentCurve(memory, &s, 1, -1, 1, &f) == COMMITMENT_NEGATIVE, "a curve up to less than nothing");
	tens[0] = -1;
	ok(CommitmentBest(memory, &use, &c[0], NULL) == COMMITMENT_NEGATIVE &&
	   CommitmentCurve(memory, &s, 1, 0, 1, &f) == COMMITMENT_NEGATIVE, "negative usage");
	for (int h = 0; h < 20; h++)
		tens[h] = (int128) COMMITMENT_ONE * 100000000;
	ok(CommitmentBest(memory, &use, &c[0], NULL) == COMMITMENT_TOO_MUCH, "more in an hour than can be committed to");
	use.nhours = 0;
	ok(CommitmentBest(memory, &use, &c[0], NULL) == COMMITMENT_FINE && c[0].hourly == 0, "no hours");
}

int
main(void)
{
	void	   *memory = malloc(100000);

	single();
	newsvendor();
	two_valleys();
	joint(2, 150);
	joint(3, 12);
	figures(memory);
	limits(memory);
	identity();
	weighted();
	long_demand();
	steps(memory);
	faults(memory);
	free(memory);
	printf("1..%d\n", number);
	return failed > 0;
}
