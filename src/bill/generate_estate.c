/*-------------------------------------------------------------------------
 *
 * generate_estate.c
 *	  The estate behind a generated bill: accounts, tenants and meters.
 *
 * Everything about the estate is a hash of the seed and of what is asked
 * for (splitmix64), never the state of a running generator.  So the same
 * seed has the same accounts, tenants, resources and commitments in every
 * month and in bills of every size, and any meter can be made on its own.
 * All arithmetic is on integers, which makes a bill the same on every
 * platform.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/generate.h"

#include <stdarg.h>
#include <stdio.h>

/* Months in which growth is counted from and to; outside, use stands still. */
#define GROWTH_BASE		(2022 * 12)
#define GROWTH_MONTHS	120

/* splitmix64, Steele, Lea and Flood 2014 (public domain: S. Vigna) */
static uint64
mix(uint64 z)
{
	z += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64
GenDraw(uint64 seed, GenStream stream, int64 index, int part)
{
	uint64		key = (uint64) stream << 32 | (uint32) part;

	return mix(mix(mix(seed) ^ key) ^ (uint64) index);
}

uint64
GenBelow(uint64 draw, uint64 n)
{
	return (uint64) (((uint128) draw * n) >> 64);
}

/* n * u^3 for u in [0, 1): half of the draws fall on the first eighth. */
uint64
GenSkewed(uint64 draw, uint64 n)
{
	uint64		u = draw >> 32;
	uint64		cube = (((u * u) >> 32) * u) >> 32;

	return (cube * n) >> 32;
}

const GenSku *
GenPickSku(const GenSkuList *list, uint64 draw)
{
	int			total = 0;
	int			at;

	for (int i = 0; i < list->count; i++)
		total += list->skus[i].weight;
	at = (int) GenBelow(draw, (uint64) total);
	for (int i = 0;; i++)
	{
		at -= list->skus[i].weight;
		if (at < 0)
			return &list->skus[i];
	}
}

int64
GenMultiply(int64 a, int64 b)
{
	return (int64) (((int128) a * b + GEN_ONE / 2) / GEN_ONE);
}

/* ---------------------------------------------------------------------
 * Calendar
 * ---------------------------------------------------------------------
 */

/* Days from 1970-01-01 of the first day of a month (proleptic Gregorian). */
static int64
month_days(int month_index)
{
	int64		y = month_index / 12;
	int			m = month_index % 12 + 1;
	int64		era;
	int64		of_era;
	int64		of_year;

	/* years begin in March, so that a leap day is the last one */
	y -= m <= 2;
	era = y / 400;
	of_era = y - era * 400;
	of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int
GenMonthHours(int month_index, int months)
{
	return (int) (month_days(month_index + months) - month_days(month_index)) * 24;
}

void
GenText(char *out, size_t size, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vsnprintf(out, size, format, args);
	va_end(args);
}

void
GenMonthStamp(int month_index, char *stamp)
{
	GenText(stamp, 25, "%04u-%02u-01T00:00:00.000Z",
			(unsigned) (month_index / 12) % 10000,
			(unsigned) (month_index % 12 + 1));
}

void
GenCalendarInit(GenCalendar *calendar, int year, int month)
{
	int			index = year * 12 + month - 1;
	int64		days = month_days(index);

	calendar->month_index = index;
	calendar->first_hour = days * 24;
	calendar->hours = GenMonthHours(index, 1);
	/* 1970-01-01 was a Thursday */
	calendar->weekday = (int) (((days + 3) % 7 + 7) % 7);
	for (int hour = 0; hour < calendar->hours; hour++)
		GenText(calendar->stamp[hour], 25, "%04u-%02u-%02uT%02u:00:00.000Z",
				(unsigned) year % 10000, (unsigned) month % 100,
				(unsigned) (hour / 24 + 1) % 100, (unsigned) hour % 24);
	GenMonthStamp(index + 1, calendar->stamp[calendar->hours]);
	GenText(calendar->last_second, 25, "%04u-%02u-%02uT23:59:59.000Z",
			(unsigned) year % 10000, (unsigned) month % 100,
			(unsigned) (calendar->hours / 24) % 100);
}

/* ---------------------------------------------------------------------
 * Names
 * ---------------------------------------------------------------------
 */

/* 52 characters of base32, as AWS line item ids. */
void
GenLineId(char *out, uint64 draw)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";

	for (int i = 0; i < 52; i++)
	{
		if (i % 12 == 0)
			draw = mix(draw);
		out[i] = letters[(draw >> (i % 12 * 5)) & 31];
	}
	out[52] = '\0';
}

void
GenUuid(char *out, uint64 draw)
{
	uint64		low = mix(draw);

	GenText(out, 37, "%08x-%04x-%04x-%04x-%04x%08x", (unsigned) (draw >> 32),
			(unsigned) (draw >> 16) & 0xffff, (unsigned) draw & 0xffff,
			(unsigned) (low >> 48), (unsigned) (low >> 32) & 0xffff,
			(unsigned) low);
}

/* Management, shared services, workloads, and a sandbox at the end. */
int
GenAccounts(int32 tenants)
{
	return 4 + Min(tenants / 8, 60);
}

void
GenAccountId(char *out, uint64 seed, int account)
{
	uint64		draw = GenDraw(seed, GEN_S_ACCOUNT, account, 0);

	GenText(out, 13, "%012llu",
			(unsigned long long) (100000000000 + GenBelow(draw, UINT64_C(899999999999))));
}

static const char *
account_environment(int account, int accounts)
{
	static const char *const environments[] = {"prod", "staging", "prod", "dev", "prod"};

	if (account < 2)
		return "shared";
	return account == accounts - 1 ? "sandbox" : environments[(account - 2) % 5];
}

void
GenAccountName(char *out, int account, int accounts)
{
	if (account == 0)
		GenText(out, 24, "management");
	else if (account == 1)
		GenText(out, 24, "shared-services");
	else if (account == accounts - 1)
		GenText(out, 24, "sandbox");
	else
		GenText(out, 24, "workload-%02d-%s", account - 1,
				account_environment(account, accounts));
}

/* ---------------------------------------------------------------------
 * Tags
 *
 * Owners tag as people do: one key has three spellings, values differ in
 * case, some are blank.  The tenant key is the one that is kept well.
 * ---------------------------------------------------------------------
 */
static void
add_tag(GenMeter *meter, const char *key, const char *value)
{
	size_t		len = strlen(meter->tags);

	GenText(meter->tags + len, sizeof(meter->tags) - len, "%s\"%s\":\"%s\"",
			len == 1 ? "" : ",", key, value);
}

static void
tag_environment(GenMeter *meter, const char *environment, uint64 draw)
{
	static const char *const shouted[] = {"Prod", "STAGING", "Dev"};
	bool		prod = strcmp(environment, "prod") == 0;

	switch (draw % 10)
	{
		case 6:
			add_tag(meter, "user_env", environment);
			break;
		case 7:
			add_tag(meter, "user_env", prod ? shouted[0] : shouted[draw / 10 % 3]);
			break;
		case 8:
			add_tag(meter, "user_environment", prod ? "production" : environment);
			add_tag(meter, "user_env", environment);
			break;
		case 9:
			add_tag(meter, "user_environment", "");
			break;
		default:
			add_tag(meter, "user_environment", environment);
	}
}

static void
tag_owner(GenMeter *meter, uint64 draw)
{
	static const char *const orgs[] = {"retail", "logistics", "platform", "data"};
	static const char *const owners[] = {"j.doe", "Zo\303\253 M\303\274ller", "team-core", " "};
	char		center[16];

	switch (draw % 8)
	{
		case 0: case 1: case 2: case 3:
			add_tag(meter, "user_org", orgs[draw / 8 % 4]);
			break;
		case 4:
			add_tag(meter, "user_ org", orgs[draw / 8 % 4]);
			break;
		case 5:
			add_tag(meter, "user_org", "");
			break;
	}
	GenText(center, sizeof(center), "CC-%u", 1000 + (unsigned) (draw / 64 % 12) * 7);
	switch (draw / 1024 % 10)
	{
		case 0: case 1: case 2: case 3: case 4: case 5:
			add_tag(meter, "user_cost_center", center);
			break;
		case 6:
			add_tag(meter, "user_CostCenter", center);
			break;
		case 7:
			add_tag(meter, "user_cost_center", " ");
			break;
	}
	if (draw / 16384 % 4 == 0)
		add_tag(meter, "user_owner", owners[draw / 65536 % 4]);
}

static void
tag_application(GenMeter *meter, uint64 draw)
{
	static const char *const projects[] = {"checkout", "catalog", "billing",
	"search", "identity", "ingest", "reporting", "mobile-api"};
	static const char *const components[] = {"web", "api", "worker", "db",
	"cache", "batch"};

	if (draw % 10 < 7)
		add_tag(meter, "user_project", projects[draw / 16 % 8]);
	if (draw / 256 % 10 < 6)
		add_tag(meter, "user_service_component", components[draw / 4096 % 6]);
}

static void
tag_tenant(GenMeter *meter, uint64 seed)
{
	static const char *const plans[] = {"basic", "standard", "premium"};
	uint64		draw = GenDraw(seed, GEN_S_TENANT, meter->tenant, 1);
	char		tenant[16];

	GenText(tenant, sizeof(tenant), "TEN-%05d", (int) meter->tenant);
	add_tag(meter, "user_tenant_id", tenant);
	if (draw % 4 != 0)
		add_tag(meter, "user_plan_id", plans[draw / 4 % 3]);
}

/* What nobody owns: no tenant, a blank one, or one under another key. */
static void
tag_nobody(GenMeter *meter, uint64 draw)
{
	switch (draw % 4)
	{
		case 0:
			add_tag(meter, "user_tenant_id", "");
			break;
		case 1:
			add_tag(meter, "user_tenant_id", "  ");
			break;
		case 2:
			add_tag(meter, "user_customer", "TEN-00001");
			break;
	}
}

static void
make_tags(GenMeter *meter, uint64 seed, const char *environment)
{
	uint64		draw = mix(meter->key ^ 1);
	uint64		more = mix(draw);

	GenText(meter->tags, sizeof(meter->tags), "{");
	if (meter->tenant > 0)
		tag_tenant(meter, seed);
	else if (strcmp(environment, "shared") == 0)
		add_tag(meter, "user_service_component", "platform");
	else
		tag_nobody(meter, draw >> 32);
	if (meter->tenant > 0 || more % 3 == 0)
	{
		tag_environment(meter, environment, draw);
		tag_owner(meter, draw >> 8);
	}
	if (meter->tenant > 0)
		tag_application(meter, more >> 8);
	if (more % 5 < 2)
		add_tag(meter, "aws_createdBy", "AssumedRole:AROAEXAMPLE:deploy");
	GenText(meter->tags + strlen(meter->tags), 2, "}");
	if (meter->tags[1] == '}')
		meter->tags[0] = '\0';
}

/* ---------------------------------------------------------------------
 * Meters
 * ---------------------------------------------------------------------
 */

/* Fill a resource template: {h} hex, {r} region, {a} account, {n} name. */
static void
make_resource(GenMeter *meter, uint64 draw)
{
	static const char *const names[] = {"orders", "events", "sessions",
	"ledger", "media", "profiles", "quotes", "exports"};
	char	   *out = meter->resource;
	char	   *end = out + sizeof(meter->resource);

	*out = '\0';
	for (const char *p = meter->sku->resource; *p != '\0'; p++)
	{
		size_t		room = (size_t) (end - out);

		if (*p != '{')
			GenText(out, room, "%c", *p);
		else
		{
			p++;
			if (*p == 'h')
				GenText(out, room, "0%016llx", (unsigned long long) draw);
			else if (*p == 'r')
				GenText(out, room, "%s", meter->region->code);
			else if (*p == 'a')
				GenText(out, room, "%s", meter->account_id);
			else
				GenText(out, room, "%s-%08x", names[draw % 8],
						(unsigned) (draw >> 32));
			p++;
		}
		out += strlen(out);
	}
}

static void
make_texts(GenMeter *meter, const GenMeterSpec *what, uint64 draw)
{
	const GenSku *sku = meter->sku;
	char		rate[24];

	GenText(meter->usage_type, sizeof(meter->usage_type), "%s%s",
			meter->region->prefix, sku->usage_type);
	meter->zone[0] = '\0';
	if (sku->instance_type[0] != '\0')
		GenText(meter->zone, sizeof(meter->zone), "%s%c", meter->region->code,
				(int) ('a' + draw % 3));
	make_resource(meter, draw);
	for (int i = 0; i < 16; i++)
		meter->sku_code[i] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
			[(mix((uint64) sku->rate_nano ^ (uint64) (meter->rate << 8)) >> (i * 4 % 60)) & 31];
	meter->sku_code[16] = '\0';
	rate[GenWriteAmount(meter->rate, rate)] = '\0';
	if (what->free)
		GenText(meter->description, sizeof(meter->description),
				"$0.00 per %s in %s under the free tier", sku->unit,
				meter->region->code);
	else if (meter->whole && sku->instance_type[0] != '\0')
		GenText(meter->description, sizeof(meter->description),
				"$%s per On Demand %s Instance Hour, %s", rate,
				sku->instance_type, meter->region->code);
	else
		GenText(meter->description, sizeof(meter->description),
				"$%s per %s of %s in %s", rate, sku->unit, sku->usage_type,
				meter->region->code);
}

/* Use of a tenant at this month against GROWTH_BASE, in 10^-9: 0 to 1.8 % a month. */
static int64
growth(const GenBillSpec *spec, int32 tenant, int month_index)
{
	int64		factor = 1000000000;
	int64		monthly = 10000 + (int64) GenBelow(GenDraw(spec->seed, GEN_S_TENANT, tenant, 2), 241);
	int			months = Max(Min(month_index - GROWTH_BASE, GROWTH_MONTHS), -GROWTH_MONTHS);

	for (; months > 0; months--)
		factor = factor * monthly / 10000;
	for (; months < 0; months++)
		factor = factor * 10000 / monthly;
	return factor;
}

/* Mean use per hour: the size of the tenant, of the meter, and growth. */
static int64
mean_quantity(const GenMeter *meter, const GenBillSpec *spec, int month_index)
{
	static const short sizes[] = {700, 700, 700, 700, 700, 700, 1000, 1000, 1000, 2500};
	int64		u = (int64) (mix(meter->key ^ 3) >> 54);	/* 0..1023 */
	int64		square = u * u / 1024;
	int64		scale = meter->tenant > 0 ? 400 + 2700 * square / 1024 :
		300 + 1500 * square / 1024;
	int128		quantity = (int128) meter->sku->quantity_micro * 10000;

	if (meter->whole)
		return GEN_ONE;
	if (meter->tenant > 0)
		quantity = quantity * sizes[GenDraw(spec->seed, GEN_S_TENANT, meter->tenant, 3) % 10] / 1000;
	quantity = quantity * scale / 1000;
	return (int64) (quantity * growth(spec, meter->tenant, month_index) / 1000000000);
}

void
GenMeterInit(GenMeter *meter, const GenBillSpec *spec,
			 const GenCalendar *calendar, const GenMeterSpec *what)
{
	int			accounts = GenAccounts(spec->tenants);
	uint64		draw = GenDraw(spec->seed, what->stream, what->index, what->slot);
	int			life = 6 + (int) (mix(draw ^ 2) % 31);

	meter->sku = what->sku;
	meter->region = &GenRegions[what->region];
	meter->account = what->account;
	meter->tenant = what->tenant;
	meter->key = draw;
	meter->shape = what->sku->shape;
	meter->whole = what->sku->quantity_micro == 1000000 && !what->free;
	meter->stops_permille = 0;
	/* 10^-9 USD to 10^-10, times permille of the region */
	meter->rate = what->sku->rate_nano * meter->region->price_permille / 100;
	meter->quantity = mean_quantity(meter, spec, calendar->month_index);
	GenAccountId(meter->account_id, spec->seed, meter->account);
	GenAccountName(meter->account_name, meter->account, accounts);
	/* AWS does not keep line item ids from month to month */
	GenLineId(meter->id, draw ^ ((uint64) calendar->month_index << 40));
	/* the resource is replaced after half a year to three years */
	make_texts(meter, what, mix(draw + (uint64) ((calendar->month_index + (int) (draw % 36)) / life)));
	make_tags(meter, spec->seed, account_environment(meter->account, accounts));
}

/* The day of a tenant: a few percent up or down, the same for its meters. */
static int64
day_weight(const GenBillSpec *spec, int32 tenant, int64 day)
{
	return 960 + (int64) (mix(GenDraw(spec->seed, GEN_S_TENANT, tenant, 4) ^ (uint64) day) % 81);
}

static int64
hour_weight(const GenMeter *meter, const GenBillSpec *spec,
			const GenCalendar *calendar, int hour)
{
	int64		absolute = calendar->first_hour + hour;
	int64		day = (absolute - hour % 24) / 24;
	int			weekday = (calendar->weekday + hour / 24) % 7;
	uint64		noise = mix(meter->key ^ (uint64) (absolute * 2));
	int64		weight = 1000;

	if (meter->stops_permille > 0 &&
		mix(meter->key ^ (uint64) (day * 2 + 1)) % 1000 < (uint64) meter->stops_permille)
		return 0;
	if (!GenShapeRuns(meter->shape, weekday, hour % 24, noise >> 32))
		return 0;
	if (meter->whole || meter->shape == GEN_FLAT)
		return 1000;
	if (meter->shape == GEN_DIURNAL)
		weight = GenDiurnal(weekday, hour % 24);
	weight = weight * day_weight(spec, meter->tenant, day) / 1000;
	/* what runs now and then varies more than what always runs */
	if (meter->shape == GEN_DIURNAL || meter->shape == GEN_DAILY)
		return weight * (970 + (int64) (noise % 61)) / 1000;
	return weight * (750 + (int64) (noise % 501)) / 1000;
}

int64
GenMeterWeight(const GenMeter *meter, const GenBillSpec *spec,
			   const GenCalendar *calendar, int from, int to)
{
	int64		weight = 0;

	for (int hour = from; hour < to; hour++)
		weight += hour_weight(meter, spec, calendar, hour);
	return weight;
}
