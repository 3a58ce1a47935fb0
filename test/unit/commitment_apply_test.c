/* links: src/insight/commitment_apply.c */
/*-------------------------------------------------------------------------
 *
 * commitment_apply_test.c
 *	  The scenarios that AWS publishes on how savings plans are applied, and
 *	  what they do not show: several accounts, hours, sizes, bad input.
 *
 * The usage of the scenarios: 4 r5.4xlarge at 1.00, one m5.24xlarge at 10.00,
 * 400 vCPU at 0.04, 1,600 GB at 0.004, 1,500,000 GB-seconds at 0.000015 and a
 * million requests at 0.20; the rates of the plans are 30, 18, 25, 25, 15 and
 * 0 percent lower.
 *
 *-------------------------------------------------------------------------
 */
#include "insight/commitment_apply.h"

#include "random.h"
#include "tap.h"

#include <stdlib.h>

/* rates in 10^-8 of the currency */
#define E8(x)	((int64) (x) * 10000)
#define UNITS(x) ((int128) (x) * COMMITMENT_ONE)
/* thousandths of the currency as money */
#define MILLS(x) ((int128) (x) * COMMITMENT_ONE * (COMMITMENT_ONE / 1000))

enum
{
	R5, M5, VCPU, MEMORY, DURATION, REQUESTS, NLINES
};

static const CommitmentLine lines[NLINES] = {
	{1, E8(100000000)}, {1, E8(1000000000)}, {1, E8(4000000)},
	{1, E8(400000)}, {1, E8(1500)}, {1, E8(20)}
};
static const int64 flexible[NLINES] = {
	E8(70000000), E8(820000000), E8(3000000), E8(300000), E8(1275), E8(20)
};
static const int64 family[NLINES] = {E8(60000000), 0, 0, 0, 0, 0};
static const int64 reserved[NLINES] = {1, 0, 0, 0, 0, 0};
static CommitmentQuantity usage[NLINES];
static CommitmentQuantity left[NLINES];

static Commitment
plan(CommitmentKind kind, int64 mills, const int64 *rates)
{
	Commitment	c = {.kind = kind,.owner = 1,.shared = true,.from = 0,.upto = 1,.rates = rates};

	c.hourly = MILLS(mills);
	return c;
}

static CommitmentFault
apply(CommitmentUse *use, Commitment *c, int n)
{
	void	   *memory = malloc(CommitmentOrderSize(n, use->nlines));
	CommitmentOrder *order;
	CommitmentFault fault = CommitmentPrepare(memory, use, c, n, &order);

	if (fault == COMMITMENT_FINE)
		CommitmentApply(order, use, c, NULL);
	free(memory);
	return fault;
}

static void
scenarios(void)
{
	CommitmentUse use = {.nhours = 1,.nlines = NLINES,.lines = lines,.quantities = usage,.left = left};
	Commitment	c[2];

	usage[R5] = UNITS(4);
	usage[M5] = UNITS(1);
	usage[VCPU] = UNITS(400);
	usage[MEMORY] = UNITS(1600);
	usage[DURATION] = UNITS(1500000);
	usage[REQUESTS] = UNITS(1000000);

	c[0] = plan(COMMITMENT_FLEXIBLE, 50000, flexible);
	ok(apply(&use, c, 1) == COMMITMENT_FINE && use.ondemand == MILLS(59100), "on demand all costs 59.10");
	ok(c[0].used == MILLS(47125) && c[0].available == MILLS(50000) && c[0].fee == MILLS(50000) &&
	   use.remaining == 0 && c[0].covered == MILLS(59100), "scenario 1 uses 47.125 of 50.00");

	c[0] = plan(COMMITMENT_FLEXIBLE, 2000, flexible);
	apply(&use, c, 1);
	ok(c[0].used == MILLS(2000) && left[R5] == COMMITMENT_ONE * 8 / 7 + 1 &&
	   use.remaining == MILLS(55100) + ((int128) COMMITMENT_ONE * 8 / 7 + 1) * COMMITMENT_ONE,
	   "scenario 2 leaves 8/7 of an r5.4xlarge and 56.24286");

	c[0] = plan(COMMITMENT_FLEXIBLE, 19600, flexible);
	apply(&use, c, 1);
	ok(c[0].used == MILLS(19600) && use.remaining == MILLS(32700) && left[R5] == 0 && left[VCPU] == 0 &&
	   left[MEMORY] == 0 && left[M5] == usage[M5], "scenario 3 covers r5 and Fargate and leaves 32.70");

	c[0] = plan(COMMITMENT_FLEXIBLE, 18200, flexible);
	c[1] = plan(COMMITMENT_RESERVATION, 1000, reserved);
	c[1].units = UNITS(2);
	apply(&use, c, 2);
	ok(c[0].used == MILLS(18200) && use.remaining == MILLS(32700) && c[1].used == UNITS(2) &&
	   c[1].covered == MILLS(2000), "scenario 4: two reservations first, 32.70 left");

	c[0] = plan(COMMITMENT_FLEXIBLE, 16800, flexible);
	c[1] = plan(COMMITMENT_FAMILY, 3000, family);
	apply(&use, c, 2);
	ok(c[0].used == MILLS(16800) && use.remaining == MILLS(32700) && c[1].covered == MILLS(4000) &&
	   c[0].covered == MILLS(22400), "scenario 5: the plan for the family first, 32.70 left");
	ok(c[1].used == MILLS(2400) && c[1].available == MILLS(3000), "what it does not need is lost");
}

/* Two accounts and one line in each, at 2.00 on demand and 1.00 in a plan. */
static void
accounts(void)
{
	const CommitmentLine two[] = {{1, E8(200000000)}, {2, E8(200000000)}};
	const int64 rates[] = {E8(50000000), E8(100000000)};
	CommitmentQuantity quantities[] = {UNITS(4), UNITS(4)};
	CommitmentQuantity rest[2] = {0};
	CommitmentUse use = {.nhours = 1,.nlines = 2,.lines = two,.quantities = quantities,.left = rest};
	Commitment	c[2];

	c[0] = plan(COMMITMENT_FLEXIBLE, 3000, rates);
	c[0].owner = 2;
	apply(&use, c, 1);
	ok(rest[0] == UNITS(4) && rest[1] == UNITS(1), "the owner's usage comes before a higher saving elsewhere");
	c[0].hourly = MILLS(5000);
	apply(&use, c, 1);
	ok(rest[0] == UNITS(2) && rest[1] == 0, "then that of other accounts");
	c[0].shared = false;
	apply(&use, c, 1);
	ok(rest[0] == UNITS(4) && c[0].used == MILLS(4000), "unless it is not shared");
	c[0].shared = true;
	c[1] = plan(COMMITMENT_FLEXIBLE, 2000, rates);
	apply(&use, c, 2);
	ok(rest[0] == 0 && rest[1] == 0 && c[0].used == MILLS(4000) && c[1].used == MILLS(2000),
	   "each owner's own plan before those of others");
	c[0].upto = 0;
	apply(&use, c, 2);
	ok(c[0].fee == 0 && c[0].available == 0 && rest[1] == UNITS(4), "an expired plan costs and covers nothing");
}

/* Order by percentage, then by rate; sizes of a reservation; hours. */
static void
orders(void)
{
	const CommitmentLine three[] = {{1, 400}, {1, 200}, {1, 100}};
	const int64 rates[] = {300, 150, 60};
	const int64 dear[] = {401, 0, -5};
	const int64 sizes[] = {4, 2, 1};
	CommitmentQuantity quantities[] = {10, 10, 10, 0, 0, 2};
	CommitmentQuantity rest[6] = {0};
	CommitmentUse use = {.nhours = 2,.nlines = 3,.lines = three,.quantities = quantities,.left = rest};
	Commitment	c = plan(COMMITMENT_FLEXIBLE, 0, rates);
	void	   *memory = malloc(CommitmentOrderSize(1, 3));
	CommitmentOrder *order;
	int			found[3],
				nown;

	CommitmentPrepare(memory, &use, &c, 1, &order);
	ok(CommitmentLines(order, 0, found, &nown) == 3 && found[0] == 2 && found[1] == 1 && found[2] == 0,
	   "the highest percentage, then the lowest rate");
	c.rates = dear;
	CommitmentPrepare(memory, &use, &c, 1, &order);
	ok(CommitmentLines(order, 0, found, &nown) == 0, "never where it costs more than on demand");
	free(memory);
	c = plan(COMMITMENT_RESERVATION, 0, sizes);
	c.units = 20;
	c.upto = 2;
	apply(&use, &c, 1);
	ok(rest[2] == 0 && rest[1] == 5 && rest[0] == 10 && rest[5] == 0 && c.used == 22 && c.available == 40,
	   "a reservation goes to the smallest size, hour by hour");
}

static void
identities(void)
{
	const CommitmentLine random_lines[] = {{0, 7000001}, {1, 900000}, {0, 31}, {2, 123456789}};
	bool		good = true;

	for (int round = 0; round < 2000; round++)
	{
		CommitmentQuantity quantities[12];
		CommitmentUse use = {.nhours = 3,.nlines = 4,.lines = random_lines,.quantities = quantities};
		Commitment	c[3];
		int64		rates[3][4];
		CommitmentMoney covered = 0;

		for (int i = 0; i < 12; i++)
			quantities[i] = (int128) (next_random() % 1000003) * 1000000;
		for (int i = 0; i < 3; i++)
		{
			for (int k = 0; k < 4; k++)
				rates[i][k] = 1 + next_random() % random_lines[k].rate;
			c[i] = plan((CommitmentKind) (next_random() % COMMITMENT_KINDS), 0, rates[i]);
			c[i].owner = next_random() % 3;
			c[i].shared = next_random() % 2;
			c[i].upto = 3;
			c[i].hourly = (int128) (next_random() % 1000000007) * 1000000000;
			c[i].units = c[i].hourly;
		}
		apply(&use, c, 3);
		for (int i = 0; i < 3; i++)
		{
			covered += c[i].covered;
			good = good && c[i].used >= 0 && c[i].used <= c[i].available && c[i].fee == 3 * c[i].hourly &&
				(c[i].kind == COMMITMENT_RESERVATION || c[i].used <= c[i].covered + 3 * (int128) 123456789);
		}
		good = good && covered + use.remaining == use.ondemand && use.remaining >= 0;
	}
	ok(good, "covered + remaining = on demand, used within available, 2,000 times");
}

static void
faults(void)
{
	CommitmentQuantity quantities[] = {-1};
	CommitmentLine one[] = {{0, 5}};
	const int64 rates[] = {INT64_MAX};
	CommitmentUse use = {.nhours = 1,.nlines = 1,.lines = one,.quantities = quantities};
	Commitment	c = plan(COMMITMENT_RESERVATION, 0, rates);

	ok(apply(&use, &c, 1) == COMMITMENT_NEGATIVE, "a negative quantity");
	quantities[0] = (int128) INT64_MAX * INT64_MAX;
	ok(apply(&use, &c, 1) == COMMITMENT_TOO_MUCH, "a quantity whose cost does not fit");
	quantities[0] = (int128) INT64_MAX * 100;
	one[0].rate = 0;
	ok(apply(&use, &c, 1) == COMMITMENT_TOO_MUCH, "a quantity whose units do not fit");
	quantities[0] = 1;
	one[0].rate = -1;
	ok(apply(&use, &c, 1) == COMMITMENT_NEGATIVE, "a negative rate");
	one[0].rate = 1;
	c.units = -1;
	ok(apply(&use, &c, 1) == COMMITMENT_NEGATIVE, "negative units");
	c.units = 0;
	c.hourly = (int128) INT64_MAX * INT64_MAX;
	ok(apply(&use, &c, 1) == COMMITMENT_TOO_MUCH, "a price that does not fit");
	c.hourly = 0;
	use.nhours = COMMITMENT_MOST_HOURS + 1;
	ok(apply(&use, &c, 1) == COMMITMENT_TOO_MUCH, "too many hours");
	use.nhours = 0;
	ok(apply(&use, &c, 1) == COMMITMENT_FINE && use.ondemand == 0, "no hours at all");
}

int
main(void)
{
	scenarios();
	accounts();
	orders();
	identities();
	faults();
	printf("1..%d\n", number);
	return failed > 0;
}
