/*-------------------------------------------------------------------------
 *
 * price.h
 *	  Exact price models on decimals of 128 bits.  Pure; builds outside the
 *	  server with FINOPS_STANDALONE.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_PRICE_H
#define FINOPS_PRICE_H

#include "core/pure.h"

/* units * 10^-scale; every operation is exact or says PRICE_RANGE. */
typedef struct PriceDecimal
{
	int128		units;
	int			scale;			/* digits after the point, 0..PRICE_MAX_SCALE */
} PriceDecimal;

#define PRICE_MAX_SCALE		38
#define PRICE_TEXT_MAX		48	/* bytes of PriceFormat, with the NUL */

typedef enum PriceStatus
{
	PRICE_OK,
	PRICE_NEGATIVE,				/* a quantity below zero */
	PRICE_RANGE					/* more digits than 128 bits hold */
} PriceStatus;

typedef enum PriceModel
{
	PRICE_STANDARD,				/* quantity x unit price */
	PRICE_GRADUATED,			/* each part of the quantity at its tier's price */
	PRICE_VOLUME,				/* all of it at the price of the tier it reaches */
	PRICE_PACKAGE,				/* per begun package */
	PRICE_PERCENTAGE,			/* percent of the amounts of transactions */
	PRICE_DYNAMIC				/* the usage carries its price */
} PriceModel;

/* A quantity of exactly up_to still belongs to the tier. */
typedef struct PriceTier
{
	PriceDecimal up_to;
	bool		open_ended;		/* the last tier, and only it */
	PriceDecimal unit_price;
	PriceDecimal flat_fee;		/* once, when the tier is entered */
} PriceTier;

/* What one unit of usage costs; unused members are zero. */
typedef struct Price
{
	PriceModel	model;
	PriceDecimal flat_fee;		/* whatever the quantity */
	PriceDecimal unit_price;	/* of a unit, of a package; multiplier if dynamic */
	PriceDecimal package_size;
	PriceDecimal included;		/* units without charge */
	const PriceTier *tiers;
	int			ntiers;

	/* percentage only */
	PriceDecimal rate_pct;
	PriceDecimal fixed_fee;		/* per charged transaction */
	int64		free_count;		/* transactions without charge */
	PriceDecimal free_amount;	/* and up to this amount of them */
	PriceDecimal transaction_min;
	PriceDecimal transaction_max;
	bool		has_free_count;
	bool		has_free_amount;
	bool		has_transaction_max;

	/* commitment on the whole */
	PriceDecimal minimum;
	PriceDecimal maximum;
	bool		has_maximum;
} Price;

/* Usage that carries money: amount for percentage, price for dynamic. */
typedef struct PriceTransaction
{
	PriceDecimal quantity;
	PriceDecimal price;
} PriceTransaction;

/* One step of a computation, for those who ask how it came about. */
typedef struct PricePart
{
	int			tier;			/* from 1; 0 without tiers */
	PriceDecimal quantity;		/* what is charged: units, packages, amount */
	PriceDecimal unit_price;
	PriceDecimal flat_fee;
	PriceDecimal amount;
} PricePart;

typedef struct PriceResult
{
	PriceDecimal charged;		/* quantity beyond what is included */
	PriceDecimal amount;		/* by the model, with the flat fee */
	PriceDecimal true_up;		/* up to the minimum, >= 0 */
	PriceDecimal over_maximum;	/* beyond the maximum, >= 0 */
	PriceDecimal total;			/* amount + true_up - over_maximum */
	int			nparts;
} PriceResult;

/* decimals */
extern bool PriceDecode(const void *body, size_t len, PriceDecimal *result);
extern bool PriceParse(const char *text, PriceDecimal *result);
extern void PriceFormat(PriceDecimal value, char *text);
extern PriceDecimal PriceTrim(PriceDecimal value);
extern bool PriceRescale(PriceDecimal *value, int scale);
extern bool PriceAdd(PriceDecimal a, PriceDecimal b, PriceDecimal *sum);
extern bool PriceSubtract(PriceDecimal a, PriceDecimal b, PriceDecimal *difference);
extern bool PriceMultiply(PriceDecimal a, PriceDecimal b, PriceDecimal *product);
extern int	PriceCompare(PriceDecimal a, PriceDecimal b);
extern bool PriceRound(PriceDecimal value, int digits, int128 *minor);
extern bool PriceRoundRatio(PriceDecimal value, int128 divisor, int digits,
							int128 *minor);

/* What is wrong with a price, NULL when nothing is. */
extern const char *PriceCheck(const Price *price);

/*
 * The charge for a quantity.  parts has room for maxparts steps, or is NULL;
 * graduated prices make one for each tier entered, the others one.
 */
extern PriceStatus PriceQuantity(const Price *price, PriceDecimal quantity,
								 PricePart *parts, int maxparts,
								 PriceResult *result);

/*
 * The charge for transactions, in the order in which they happened:
 * percentage and dynamic prices.
 */
extern PriceStatus PriceTransactions(const Price *price,
									 const PriceTransaction *transactions,
									 size_t n, PriceResult *result);

/* Cost with a markup in percent above -100; the cost may be a credit. */
extern PriceStatus PriceCostPlus(PriceDecimal cost, PriceDecimal markup_pct,
								 PriceDecimal *amount);

/* The plan's commitment over an amount: true-up and what exceeds the maximum. */
extern PriceStatus PriceCommit(const Price *price, PriceResult *result);

#endif							/* FINOPS_PRICE_H */
