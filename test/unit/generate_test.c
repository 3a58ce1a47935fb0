/* links: src/bill/generate_*.c */
/*
 * The generated bill, read back as a program reads a CSV file: its size, its
 * identities and its shape.  Amounts are added as integers of 10^-10.
 */
#include "bill/generate.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_COLUMNS 80

static int	ntests;
static int	nfailed;

static void
ok(bool passed, const char *what)
{
	ntests++;
	nfailed += !passed;
	printf("%sok %d - %s\n", passed ? "" : "not ", ntests, what);
}

static char columns[MAX_COLUMNS][64];
static int	ncolumns;
static char fields[MAX_COLUMNS][GEN_LINE_SIZE];
static int	nfields;

/* RFC 4180 */
static void
split(const char *line, size_t length)
{
	const char *p = line;
	const char *end = line + length;

	for (nfields = 0; nfields < MAX_COLUMNS; nfields++)
	{
		char	   *out = fields[nfields];

		if (p < end && *p == '"')
		{
			for (p++; p < end; p++)
			{
				if (*p == '"' && p + 1 < end && p[1] == '"')
					p++;
				else if (*p == '"')
					break;
				*out++ = *p;
			}
			p++;
		}
		else
			while (p < end && *p != ',')
				*out++ = *p++;
		*out = '\0';
		if (p >= end)
			break;
		p++;
	}
	nfields++;
}

/* Names are literals, so most are found again by their address. */
static int
column(const char *name)
{
	static const char *names[64];
	static int	places[64];
	size_t		at = (size_t) name / 8 % 64;

	if (names[at] == name)
		return places[at];
	for (int i = 0; i < ncolumns; i++)
		if (strcmp(columns[i], name) == 0)
		{
			names[at] = name;
			return places[at] = i;
		}
	printf("Bail out! no column %s\n", name);
	exit(1);
}

static const char *
text(const char *name)
{
	return fields[column(name)];
}

/* A decimal or E-notation number in units of 10^-10. */
static int64
amount(const char *name)
{
	const char *p = text(name);
	bool		negative = *p == '-';
	int64		digits = 0;
	int			scale = 10;

	p += negative;
	for (; *p >= '0' && *p <= '9'; p++)
		digits = digits * 10 + (*p - '0');
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, scale--)
			digits = digits * 10 + (*p - '0');
	if (*p == 'E')
		scale += atoi(p + 1);
	for (; scale > 0; scale--)
		digits *= 10;
	for (; scale < 0; scale++)
	{
		if (digits % 10 != 0)
			printf("# lost digits in %s %s\n", name, text(name));
		digits /= 10;
	}
	return negative ? -digits : digits;
}

static bool
type_is(const char *type)
{
	return strcmp(text("line_item_line_item_type"), type) == 0;
}

static int64
effective(void)
{
	if (type_is("SavingsPlanCoveredUsage"))
		return amount("savings_plan_savings_plan_effective_cost");
	if (type_is("SavingsPlanNegation") || type_is("SavingsPlanUpfrontFee"))
		return 0;
	if (type_is("SavingsPlanRecurringFee"))
		return amount("savings_plan_total_commitment_to_date") - amount("savings_plan_used_commitment");
	if (type_is("DiscountedUsage"))
		return amount("reservation_effective_cost");
	if (type_is("RIFee"))
		return amount("reservation_unused_amortized_upfront_fee_for_billing_period") +
			amount("reservation_unused_recurring_fee");
	if (type_is("Fee") && text("reservation_reservation_a_r_n")[0] != '\0')
		return 0;
	return amount("line_item_unblended_cost");
}

typedef struct Sums
{
	int64		lines;
	int64		malformed;
	int64		plain;			/* cost lines in decimals with ten places */
	int64		free_lines;		/* billed nothing */
	int64		negative_credit;
	int64		credits;
	int64		refunds;
	int64		taxes;
	int64		upfronts;
	uint64		digest;			/* FNV-1a of all lines */
	int128		billed;
	int128		effective;
	int128		tagged;
	int128		covered;
	int128		ri_fee;
	int128		ri_used;
	int128		plan_fee;
	int128		plan_used;
	int128		plan_unused;
	int128		day[31];		/* usage by day */
	int128		hour[24];
} Sums;

static GenBill *bill;
static char reservation_arn[16][128];
static int64 reservation_amortized[16];
static int64 upfront_fee;
static char upfront_arn[128];
static int	nreservations;

static void
add_line(Sums *s, const char *line, size_t length)
{
	int64		cost;
	int64		cost_effective;

	for (size_t i = 0; i < length; i++)
	{
		s->digest = (s->digest ^ (unsigned char) line[i]) * UINT64_C(1099511628211);
		if (line[i] == '\\' || (unsigned char) line[i] < ' ')
			s->malformed++;
	}
	split(line, length);
	if (nfields != ncolumns || length >= GEN_LINE_SIZE)
		s->malformed++;
	cost = amount("line_item_unblended_cost");
	cost_effective = effective();
	s->lines++;
	s->billed += cost;
	s->effective += cost_effective;
	s->free_lines += cost == 0;
	s->plain += cost % 10 != 0;
	if (strstr(text("resource_tags"), "\"user_tenant_id\":\"TEN-") != NULL)
		s->tagged += cost_effective;
	if (type_is("SavingsPlanCoveredUsage") || type_is("SavingsPlanNegation"))
		s->covered += cost;
	if (type_is("SavingsPlanCoveredUsage"))
		s->plan_used += cost_effective;
	if (type_is("SavingsPlanRecurringFee"))
	{
		s->plan_fee += cost + amount("savings_plan_amortized_upfront_commitment_for_billing_period");
		s->plan_unused += cost_effective;
	}
	if (type_is("RIFee"))
	{
		s->ri_fee += cost + amount("reservation_amortized_upfront_fee_for_billing_period") - cost_effective;
		if (nreservations < 16)
		{
			strcpy(reservation_arn[nreservations], text("reservation_reservation_a_r_n"));
			reservation_amortized[nreservations++] = amount("reservation_amortized_upfront_fee_for_billing_period");
		}
	}
	if (type_is("DiscountedUsage"))
		s->ri_used += cost_effective;
	if (type_is("Fee") && text("reservation_reservation_a_r_n")[0] != '\0')
	{
		s->upfronts++;
		upfront_fee = cost;
		strcpy(upfront_arn, text("reservation_reservation_a_r_n"));
	}
	s->credits += type_is("Credit");
	s->refunds += type_is("Refund");
	s->taxes += type_is("Tax");
	s->negative_credit += (type_is("Credit") || type_is("Refund")) && cost < 0;
	if (type_is("Usage") && strcmp(text("line_item_usage_type"), "HostedZone") != 0)
	{
		s->day[atoi(text("line_item_usage_start_date") + 8) - 1] += cost;
		s->hour[atoi(text("line_item_usage_start_date") + 11)] += cost;
	}
}

static Sums
read_bill(int year, int month, int64 lines, int32 tenants, uint64 seed)
{
	GenBillSpec spec = {year, month, lines, tenants, seed};
	Sums		s;
	static char line[GEN_LINE_SIZE];
	size_t		length;
	const char *header = GenBillHeader();

	memset(&s, 0, sizeof(s));
	s.digest = UINT64_C(14695981039346656037);
	nreservations = 0;
	upfront_fee = 0;
	GenBillInit(bill, &spec);
	split(header, strlen(header));
	ncolumns = nfields;
	for (int i = 0; i < nfields; i++)
		strcpy(columns[i], fields[i]);
	while ((length = GenBillNext(bill, line)) > 0)
		add_line(&s, line, length);
	return s;
}

static void
test_amounts(void)
{
	static const struct
	{
		int64		value;
		const char *text;
	}			cases[] = {
		{0, "0.0"}, {1, "1.0E-10"}, {-672, "-6.72E-8"}, {9999999, "9.999999E-4"},
		{10000000, "0.001"}, {850000000, "0.085"}, {GEN_ONE, "1.0"},
		{-3 * GEN_ONE - 5, "-3.0000000005"},
		{INT64_MAX, "922337203.6854775807"}, {INT64_MIN, "-922337203.6854775808"},
	};
	bool		same = true;

	for (size_t i = 0; i < lengthof(cases); i++)
	{
		char		out[32];

		out[GenWriteAmount(cases[i].value, out)] = '\0';
		if (strcmp(out, cases[i].text) != 0)
		{
			printf("# %lld: %s, expected %s\n", (long long) cases[i].value, out, cases[i].text);
			same = false;
		}
	}
	ok(same, "amounts are written with the shortest digits, small ones with an exponent");
}

static void
test_sizes(void)
{
	static const int64 sizes[] = {1, 2, 7, 39, 40, 41, 119, 120, 121, 600,
	1999, 2000, 2001, 9000, 39999, 40000};
	bool		exact = true;
	bool		formed = true;

	for (size_t i = 0; i < lengthof(sizes); i++)
	{
		Sums		s = read_bill(2020, 2, sizes[i], 1 + (int32) (i * 7), i);

		exact &= s.lines == sizes[i];
		formed &= s.malformed == 0;
	}
	ok(exact, "a bill has the number of lines asked for");
	ok(formed, "every line has the header's fields, no backslash and no control character");
}

static void
test_identities(int year, int month, int64 lines, int32 tenants, uint64 seed)
{
	Sums		s = read_bill(year, month, lines, tenants, seed);
	char		what[160];

#define CHECK(cond, name) \
	(snprintf(what, sizeof(what), "%04d-%02d, %lld lines, seed %llu: %s", year, month, \
			  (long long) lines, (unsigned long long) seed, name),                     \
	 ok(cond, what))

	CHECK(s.covered == 0, "covered usage and negation cancel");
	CHECK(s.plan_fee > 0 && s.plan_fee == s.plan_used + s.plan_unused,
		  "plan fee and amortisation = used + unused commitment");
	CHECK(s.ri_fee > 0 && s.ri_fee == s.ri_used,
		  "reservation fee + amortised upfront - unused = effective cost of reserved usage");
	CHECK(s.upfronts >= 1, "a reservation starts its term");
	CHECK(s.credits == 2 && s.refunds == 1 && s.negative_credit == 3, "credits and refund are negative");
	CHECK(s.taxes >= 1, "there is tax");
	CHECK(s.tagged * 100 > s.effective * 96 && s.tagged < s.effective, "96 to 100 % of cost carries a tenant");
	CHECK(s.free_lines * 100 > s.lines * 40 && s.free_lines * 100 < s.lines * 70, "about half of the lines bill nothing");
	CHECK(s.plain > 0, "costs have ten decimals");
}

static void
test_upfront_is_amortised(void)
{
	char		arn[128];
	int64		fee;
	int64		amortised = 0;
	int			months = 0;

	read_bill(2023, 5, 2000, 10, 4);
	fee = upfront_fee;
	strcpy(arn, upfront_arn);
	for (int m = 0; m < 14; m++)
	{
		/* from a month before the term to one after it; 2024 is a leap year */
		read_bill(2023 + (3 + m) / 12, (3 + m) % 12 + 1, 2000, 10, 4);
		for (int i = 0; i < nreservations; i++)
			if (strcmp(reservation_arn[i], arn) == 0)
			{
				amortised += reservation_amortized[i];
				months++;
			}
	}
	ok(fee > 0 && months == 12 && amortised == fee,
	   "a reservation lives twelve months and amortises what was paid upfront");
}

static void
test_months(void)
{
	Sums		january = read_bill(2023, 1, 40000, 30, 9);
	Sums		february = read_bill(2023, 2, 40000, 30, 9);
	Sums		later = read_bill(2025, 1, 40000, 30, 9);
	int128		weekdays = 0;
	int128		weekend = 0;
	int128		noon = january.hour[12] + january.hour[13] + january.hour[14];
	int128		midnight = january.hour[21] + january.hour[22] + january.hour[23];

	/* 2023-01-01 was a Sunday: days 0, 6, 7, 13 ... */
	for (int day = 0; day < 28; day++)
		if (day % 7 == 0 || day % 7 == 6)
			weekend += january.day[day];
		else
			weekdays += january.day[day];
	ok(weekdays * 2 > weekend * 5 * 11 / 10, "a working day costs more than a day of the weekend");
	ok(noon > midnight * 12 / 10, "a day has its peak at noon");
	ok(february.billed < january.billed, "February costs less than January");
	ok(later.billed > january.billed * 11 / 10 && later.billed < january.billed * 2, "two years later the estate has grown");
}

static void
test_same(void)
{
	Sums		first = read_bill(2020, 6, 3000, 20, 7);
	Sums		again = read_bill(2020, 6, 3000, 20, 7);
	Sums		seed = read_bill(2020, 6, 3000, 20, 8);
	Sums		month = read_bill(2020, 7, 3000, 20, 7);

	ok(first.digest == again.digest, "the same arguments give the same bill");
	ok(first.digest != seed.digest && first.digest != month.digest, "another seed or month gives another bill");
	/* the digest holds on every platform; a change of the model changes it */
	printf("# digest %016llx\n", (unsigned long long) first.digest);
	ok(first.digest == UINT64_C(0xc33871624093cf4c), "the bill is the one of other platforms");
}

int
main(void)
{
	bill = malloc(GenBillSize());
	test_amounts();
	test_sizes();
	test_identities(2020, 1, 120, 5, 1);
	test_identities(2020, 2, 1000, 10, 2);
	test_identities(2021, 11, 5000, 20, 3);
	test_identities(2024, 2, 41000, 40, 11);
	test_upfront_is_amortised();
	test_months();
	test_same();
	free(bill);
	printf("1..%d\n", ntests);
	return nfailed > 0;
}
