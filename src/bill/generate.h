/*-------------------------------------------------------------------------
 *
 * generate.h
 *	  The model of a generated bill: pure, without server types.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_BILL_GENERATE_H
#define FINOPS_BILL_GENERATE_H

#include "core/pure.h"

/* Amounts, rates and quantities are integers in units of 10^-10. */
#define GEN_ONE				((int64) 10000000000LL)

#define GEN_LINE_SIZE		4096	/* no line is longer */
#define GEN_MAX_LINES		((int64) 1000000000)
#define GEN_MAX_TENANTS		1000000

typedef struct GenBillSpec
{
	int			year;
	int			month;			/* 1..12 */
	int64		lines;			/* 1..GEN_MAX_LINES */
	int32		tenants;		/* 1..GEN_MAX_TENANTS */
	uint64		seed;
} GenBillSpec;

typedef struct GenBill GenBill;

extern size_t GenBillSize(void);
extern void GenBillInit(GenBill *bill, const GenBillSpec *spec);
extern const char *GenBillHeader(void); /* without line end */

/*
 * Write the next line, without line end or terminator, to out (GEN_LINE_SIZE
 * bytes); returns its length, 0 when the bill is complete.
 */
extern size_t GenBillNext(GenBill *bill, char *out);

/* ---------------------------------------------------------------------
 * generate_catalog.c: what is for sale
 * ---------------------------------------------------------------------
 */

/* How a meter runs through the week, and how many hours of a month it bills. */
typedef enum GenShape
{
	GEN_FLAT,					/* every hour the same */
	GEN_DIURNAL,				/* every hour, follows the working day */
	GEN_OFFICE,					/* Monday to Friday, 7 to 19 */
	GEN_NIGHT,					/* 1 to 6 every night */
	GEN_SPORADIC,				/* one hour in eight */
	GEN_DAILY					/* one line a day */
} GenShape;

typedef struct GenProduct
{
	const char *code;			/* line_item_product_code */
	const char *servicecode;
	const char *name;
} GenProduct;

typedef struct GenSku
{
	int			product;		/* index into GenProducts */
	const char *usage_type;
	const char *operation;
	const char *family;
	const char *instance_type;
	const char *unit;
	const char *resource;		/* template: {h} hex {r} region {a} account {n} name */
	int64		rate_nano;		/* list price per unit, 10^-9 USD */
	int64		quantity_micro; /* mean units per billed hour, 10^-6 */
	GenShape	shape;
	int			weight;			/* share of meters */
} GenSku;

typedef struct GenRegion
{
	const char *code;
	const char *prefix;			/* of usage types */
	int			price_permille; /* against the first region */
} GenRegion;

typedef struct GenSkuList
{
	const GenSku *skus;
	int			count;
} GenSkuList;

enum
{
	GEN_P_EC2, GEN_P_RDS, GEN_P_S3, GEN_P_LAMBDA, GEN_P_ECS, GEN_P_EKS,
	GEN_P_GLUE, GEN_P_ATHENA, GEN_P_EMR, GEN_P_KINESIS, GEN_P_DYNAMODB,
	GEN_P_CLOUDFRONT, GEN_P_ELB, GEN_P_OPENSEARCH, GEN_P_ELASTICACHE,
	GEN_P_REDSHIFT, GEN_P_SAGEMAKER, GEN_P_SQS, GEN_P_SNS, GEN_P_VPC,
	GEN_P_CLOUDWATCH, GEN_P_GUARDDUTY, GEN_P_CONFIG, GEN_P_KMS,
	GEN_P_CLOUDTRAIL, GEN_P_EVENTS, GEN_P_ROUTE53, GEN_P_SAVINGSPLANS,
	GEN_P_SUPPORT, GEN_P_MARKET_A, GEN_P_MARKET_B, GEN_PRODUCTS
};

extern const GenProduct GenProducts[GEN_PRODUCTS];
extern const GenRegion GenRegions[];
extern const int GenRegionCount;
extern const GenSkuList GenTenantSkus;	/* carry a tenant tag */
extern const GenSkuList GenSharedSkus;	/* shared platform cost */
extern const GenSkuList GenStraySkus; /* cheap, nobody tagged them */
extern const GenSkuList GenFreeSkus;	/* lines that cost nothing */
extern const GenSkuList GenReservedSkus;	/* bought as reserved instances */
extern const GenSkuList GenPlanSkus;	/* covered by Savings Plans */

/* Weight of an hour of the week in permille, mean near 1000; Monday is 0. */
extern int	GenDiurnal(int weekday, int hour);
extern bool GenShapeRuns(GenShape shape, int weekday, int hour, uint64 noise);
extern int	GenShapeHours(GenShape shape);	/* billed hours of 730 */

/* ---------------------------------------------------------------------
 * generate_text.c: one line as text
 * ---------------------------------------------------------------------
 */
typedef struct GenLine
{
	const char *id;
	const char *invoice;
	const char *invoicing_entity;
	const char *billing_entity;
	const char *bill_type;
	const char *payer;
	const char *payer_name;
	const char *period_start;
	const char *period_end;
	const char *account;
	const char *account_name;
	const char *type;
	const char *start;			/* YYYY-MM-DDTHH:MM:SS.000Z */
	const char *end;
	const GenProduct *product;
	const char *usage_type;
	const char *operation;
	const char *zone;
	const char *resource;
	const char *description;
	const char *tax_type;
	const char *family;
	const char *instance_type;
	const char *region;
	const char *sku;
	const char *term;
	const char *unit;
	const char *tags;			/* JSON text, "" when there is none */
	bool		priced;			/* quantity, rate and list price are known */
	int64		quantity;
	int64		rate;
	int64		cost;
	int64		list_rate;
	int64		list_cost;
	/* reservations */
	const char *reservation_arn;
	const char *term_start;
	const char *term_end;
	int64		ri_effective;
	int64		ri_amortized_usage;
	int64		ri_recurring_usage;
	int64		ri_amortized_period;
	int64		ri_unused_amortized;
	int64		ri_unused_recurring;
	int64		ri_unused_quantity;
	int64		ri_total_units;
	int64		ri_upfront_value;
	/* Savings Plans */
	const char *plan_arn;
	const char *plan_option;
	int64		sp_rate;
	int64		sp_effective;
	int64		sp_total;
	int64		sp_used;
	int64		sp_recurring;
	int64		sp_amortized;
} GenLine;

extern size_t GenWriteLine(const GenLine *line, char *out);
extern size_t GenWriteAmount(int64 amount, char *out);

/* ---------------------------------------------------------------------
 * generate_estate.c: accounts, tenants and meters
 * ---------------------------------------------------------------------
 */

/* Every kind of draw has its own stream, so that none disturbs another. */
typedef enum GenStream
{
	GEN_S_ACCOUNT, GEN_S_TENANT, GEN_S_USAGE, GEN_S_FREE, GEN_S_RESERVED,
	GEN_S_PLAN, GEN_S_FEE, GEN_S_INVOICE
} GenStream;

typedef struct GenCalendar
{
	int64		first_hour;		/* since 1970-01-01 */
	int			hours;			/* 672..744 */
	int			weekday;		/* of the first day, Monday is 0 */
	int			month_index;	/* year * 12 + month - 1 */
	char		stamp[745][25]; /* start of each hour, and of the next month */
	char		last_second[25];
} GenCalendar;

/* One resource under one usage type. */
typedef struct GenMeter
{
	const GenSku *sku;
	const GenRegion *region;
	int			account;
	int32		tenant;			/* 0: none */
	uint64		key;
	GenShape	shape;
	bool		whole;			/* bills whole units: instance hours */
	int			stops_permille; /* days on which it stands still */
	int64		rate;			/* list price in its region */
	int64		quantity;		/* per hour of weight 1000 */
	char		account_id[13];
	char		account_name[24];
	char		id[53];
	char		sku_code[17];
	char		zone[20];
	char		usage_type[64];
	char		resource[160];
	char		description[160];
	char		tags[768];
} GenMeter;

typedef struct GenMeterSpec
{
	GenStream	stream;
	int64		index;
	int			slot;			/* tells meters of one index apart */
	const GenSku *sku;
	int			account;
	int			region;
	int32		tenant;
	bool		free;			/* list price waived */
} GenMeterSpec;

extern uint64 GenDraw(uint64 seed, GenStream stream, int64 index, int part);
extern uint64 GenBelow(uint64 draw, uint64 n);	/* 0 .. n-1, evenly */
extern uint64 GenSkewed(uint64 draw, uint64 n); /* 0 .. n-1, low ones often */
extern const GenSku *GenPickSku(const GenSkuList *list, uint64 draw);
extern void GenCalendarInit(GenCalendar *calendar, int year, int month);
extern int	GenMonthHours(int month_index, int months);
extern void GenMonthStamp(int month_index, char *stamp);
extern void GenText(char *out, size_t size, const char *format,...)
			__attribute__((format(printf, 3, 4)));
extern void GenLineId(char *out, uint64 draw);
extern void GenUuid(char *out, uint64 draw);	/* 37 bytes */
extern void GenAccountId(char *out, uint64 seed, int account);
extern void GenAccountName(char *out, int account, int accounts);
extern int	GenAccounts(int32 tenants);
extern void GenMeterInit(GenMeter *meter, const GenBillSpec *spec,
						 const GenCalendar *calendar, const GenMeterSpec *what);
/* Weight of the hours [from, to) of the month, permille of one mean hour. */
extern int64 GenMeterWeight(const GenMeter *meter, const GenBillSpec *spec,
							const GenCalendar *calendar, int from, int to);
extern int64 GenMultiply(int64 a, int64 b); /* a * b / GEN_ONE, half up */

/* ---------------------------------------------------------------------
 * generate_model.c: the bill being written
 * ---------------------------------------------------------------------
 */
#define GEN_MAX_SLOTS		4	/* instances of a commitment */
#define GEN_PLAN_SLOTS		4	/* two usage types with two instances each */
#define GEN_TAXED			3	/* management, shared services, sandbox */

typedef enum GenPart
{
	GEN_RESERVED, GEN_PLANS, GEN_USAGE, GEN_MONTH, GEN_FREE
} GenPart;

/* A reservation or a Savings Plan in this month. */
typedef struct GenCommitment
{
	int			slots;
	int			start_month;	/* of its current term of twelve months */
	int64		recurring;		/* per hour: of a unit, of a plan */
	int64		amortized;		/* per hour, of what was paid upfront */
	int64		slot_rate[GEN_MAX_SLOTS];
	char		arn[128];
	char		start[25];
	char		end[25];
	char		fee_id[53];
	char		upfront_id[53];
	char		negation_id[2][53];
	char		usage_type[72];
	char		text[160];
} GenCommitment;

struct GenBill
{
	GenBillSpec spec;
	GenCalendar calendar;
	int			accounts;
	int			tick_hours;		/* 1, 24, or a month's */
	int			ticks;
	int64		reserved;		/* reservations, */
	int64		plans;			/* plans, */
	int64		usage_lines;	/* nominal lines of metered usage, */
	int64		usage_end;		/* and the line at which it must stop */
	int64		month_end;		/* the line at which tax must stop */

	GenPart		part;
	int64		entity;			/* within the part; -1 before the first */
	int			step;			/* within the entity */
	int			tick;
	int			slot;
	int64		lines;			/* written so far */
	int64		nominal;		/* metered usage so far */

	int128		total;			/* unblended cost so far */
	int128		taxable[GEN_TAXED][GEN_PRODUCTS];

	GenMeter	meters[GEN_MAX_SLOTS];
	GenCommitment	commitment;
	GenMeter	fee_meter;		/* carries account and id of lines without one */
	char		payer[13];
	char		payer_name[24];
	char		invoice[2][12]; /* provider, marketplace */
	GenLine		line;
};

extern int	GenTickStart(const GenBill *bill);
extern int	GenTickEnd(const GenBill *bill);
extern int32 GenSkewedTenant(const GenBill *bill, uint64 draw);
extern int	GenTenantAccount(const GenBill *bill, int32 tenant, uint64 draw);
extern int	GenPickRegion(uint64 draw);

/* A blank line of the current tick, or of the whole month, for an account. */
extern GenLine *GenStartLine(GenBill *bill, const GenMeter *meter, bool month);

/* A line of a meter in the current tick; weight is in permille hours. */
extern GenLine *GenMeterLine(GenBill *bill, const GenMeter *meter, int64 weight);

/* Book bill->line and write it. */
extern size_t GenFinishLine(GenBill *bill, const GenMeter *meter, char *out);

/* generate_commitment.c; 0 when there are no more */
extern size_t GenNextReservation(GenBill *bill, char *out);
extern size_t GenNextPlan(GenBill *bill, char *out);

#endif							/* FINOPS_BILL_GENERATE_H */
