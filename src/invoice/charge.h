/*-------------------------------------------------------------------------
 *
 * charge.h
 *	  Charges: what a tenant owes for a billing period, exactly.
 *
 * A source of charges (charge_<topic>.c) reads its inputs in the order of
 * tenants and adds, for one tenant after the other, what is owed.  Amounts
 * are ratios of integers in the currency of the price; the engine
 * (document.c) converts them at the stamped rate, rounds each line once,
 * finds the tax and writes documents.  A source never rounds.
 *
 * A source is listed in charge.c.  Within its callbacks it may read tables
 * by streams (below) and must not write.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_INVOICE_CHARGE_H
#define FINOPS_INVOICE_CHARGE_H

#include "core/core.h"

/* units * 10^-scale; scale from 0 */
typedef struct InvoiceDecimal
{
	int128		units;
	int			scale;
} InvoiceDecimal;

/* Order of lines on a document; within a class by sort_key, byte by byte. */
typedef enum InvoiceLineClass
{
	INVOICE_SUBSCRIPTION = 1,
	INVOICE_SEAT,
	INVOICE_USAGE,
	INVOICE_OVERAGE,
	INVOICE_COMMITMENT,			/* true-up to a minimum, cut to a maximum */
	INVOICE_TOPUP,
	INVOICE_ALLOCATION,
	INVOICE_ADJUSTMENT,
	INVOICE_CREDIT
} InvoiceLineClass;

/*
 * One line.  Texts live as long as the charges of the tenant do (the current
 * memory context of the callback) or longer.
 */
typedef struct InvoiceCharge
{
	InvoiceLineClass class;
	const char *sort_key;		/* NULL sorts as "" */
	const char *line_type;		/* of invoice_detail */
	const char *description;	/* InvoiceText() */
	const char *service;		/* or NULL */
	const char *metric_code;	/* or NULL */

	/* the exact amount, num / den in currency; den > 0 */
	const char *currency;
	int128		num;
	int128		den;

	/*
	 * Lines of one document that have the same group > 0 are rounded
	 * together by largest remainder, so that they add up to their exact sum,
	 * rounded once.  0: the line is rounded by itself, half away from zero.
	 */
	int			round_group;

	InvoiceDecimal quantity;
	const char *unit;			/* month, day, seat, GB ... */
	/* price of one unit in currency, unrounded; else amount / quantity */
	bool		has_unit_price;
	InvoiceDecimal unit_price;

	/* VAT category of EN 16931; NULL: as the tenant's tax profile says */
	const char *tax_category;
	int			tax_class;		/* 1 + index of a class that is known, else 0 */
	bool		in_advance;		/* fee or seats of a plan that is paid in advance */

	/* what the line is for, both days included; 0, 0: the billing period */
	DateADT		service_start;
	DateADT		service_end;

	/* allocated cost that is passed on, at cost; no currency: none */
	InvoiceDecimal cost;
	const char *cost_currency;

	const char *reference_ids;	/* text of a JSON object, or NULL */
	const char *notes;			/* or NULL */
} InvoiceCharge;

typedef struct InvoiceRate
{
	char	   *currency;
	int			digits;			/* ISO 4217 exponent */
	bool		known;
	InvoiceDecimal rate;		/* of the reporting currency for one unit */
} InvoiceRate;

/* What all documents of a run have in common. */
typedef struct InvoiceRun
{
	DateADT		period;			/* first day */
	DateADT		next;			/* first day of the next month */
	const char *month;			/* "2025-09" */
	const char *tenant;			/* the only tenant, or NULL */
	int			nrates;
	InvoiceRate *rates;
	MemoryContext context;		/* lives as long as the run */
} InvoiceRun;

/* NULL when finops.currency does not list it. */
extern const InvoiceRate *InvoiceFindRate(const InvoiceRun *run, const char *currency);

typedef struct InvoiceTenant
{
	const char *tenant_id;
	const char *currency;		/* of the document */
	const char *language;
	const char *time_zone;
	int			seats;			/* of tenant_master, 0 when NULL */
} InvoiceTenant;

typedef struct InvoiceCharges
{
	const InvoiceRun *run;
	const InvoiceTenant *tenant;
	int			n;
	int			room;
	InvoiceCharge *charge;

	/* the plan of the last bound day: stands on the document, marks cost up */
	const char *plan_code;
	InvoiceDecimal markup_pct;

	/* set by InvoiceRefuse: the tenant gets no document in this run */
	const char *problem;
	const char *call;
} InvoiceCharges;

/* A new charge, all zero but for quantity 1, den 1. */
extern InvoiceCharge *InvoiceAddCharge(InvoiceCharges *charges);

/*
 * The tenant cannot be billed: why, and the call that helps.  The other
 * tenants are; the first problem counts.
 */
extern void InvoiceRefuse(InvoiceCharges *charges, const char *problem,
						  const char *call);

/*
 * A text of documents from finops.invoice_phrase in the tenant's language,
 * else in English; "{name}" in it stands for a value.  Names and values
 * alternate, ended by NULL.
 */
extern char *InvoiceText(const InvoiceTenant *tenant, const char *phrase, ...);

typedef struct InvoiceChargeSource
{
	const char *name;
	/* Begin; what it returns is handed to the other two.  May be NULL. */
	void	   *(*open) (const InvoiceRun *run);
	/* Tenants come in ascending byte order of their ids, each once. */
	void		(*charge) (void *state, InvoiceCharges *charges);
	/* After all sources: sees every charge of the tenant (minimum, maximum). */
	void		(*finish) (void *state, InvoiceCharges *charges);
	void		(*close) (void *state);
} InvoiceChargeSource;

/* ---------------------------------------------------------------------
 * Streams: rows of a query in the order of tenants, stream.c
 *
 * The query's first column is the tenant's id and it ends with ORDER BY that
 * COLLATE "C" and whatever else the source needs.  $1 is the first day of the
 * period, $2 that of the next one.  "@tenant@" stands for "= $3" in a run for
 * one tenant and for "IS NOT NULL" in a run for all:
 *
 *	SELECT b.tenant_id, ... FROM @s@.tenant_plan_binding b
 *	WHERE b.tenant_id @tenant@ AND ... ORDER BY b.tenant_id COLLATE "C", b.period_start
 *
 * Plans are kept for the life of the backend, by the address of the text.
 * ---------------------------------------------------------------------
 */
typedef struct InvoiceStream InvoiceStream;

extern InvoiceStream *InvoiceStreamOpen(const InvoiceRun *run, const char *sql);

/* Go to the tenant; rows of tenants before it are skipped. */
extern void InvoiceStreamSeek(InvoiceStream *stream, const char *tenant_id);

/* The next row of the tenant; false after the last. */
extern bool InvoiceStreamNext(InvoiceStream *stream);

/*
 * Columns of the current row, from 1.  Texts are valid until the next row
 * of the stream; copy what a charge keeps (InvoiceStreamCopy).
 */
extern bool InvoiceStreamIsNull(const InvoiceStream *stream, int column);
extern Datum InvoiceStreamDatum(const InvoiceStream *stream, int column);
extern char *InvoiceStreamCopy(const InvoiceStream *stream, int column);	/* NULL for SQL NULL */
extern int64 InvoiceStreamInt(const InvoiceStream *stream, int column);
extern DateADT InvoiceStreamDate(const InvoiceStream *stream, int column);

/* 22003 with the column's name where the number needs more than 38 digits. */
extern InvoiceDecimal InvoiceStreamDecimal(const InvoiceStream *stream, int column);
extern void InvoiceStreamClose(InvoiceStream *stream);

/* ---------------------------------------------------------------------
 * Exact numbers, decimal.c
 *
 * Products that leave 128 bits return false; the source then refuses the
 * tenant (InvoiceRefuse) rather than rounding early.
 * ---------------------------------------------------------------------
 */
extern bool InvoiceDecodeNumeric(Datum value, InvoiceDecimal *result);
extern Datum InvoiceNumeric(InvoiceDecimal value);
extern bool InvoiceMultiply(int128 a, int128 b, int128 *product);
extern bool InvoicePower10(int digits, int128 *power);
extern InvoiceDecimal InvoiceTrim(InvoiceDecimal value);	/* no trailing zeros */

/* ---------------------------------------------------------------------
 * The sources together, for the engine; charge.c
 * ---------------------------------------------------------------------
 */
extern const InvoiceChargeSource InvoicePlanCharges;	/* charge_plan.c */
extern const InvoiceChargeSource InvoiceCostCharges;	/* charge_cost.c */
extern const InvoiceChargeSource InvoiceLateCharges;	/* charge_late.c */
extern const InvoiceChargeSource InvoiceDunningCharges; /* charge_dunning.c */
extern const InvoiceChargeSource InvoiceAdvanceCharges;	/* charge_advance.c */

extern void InvoiceLoadRate(InvoiceRun *run, const char *currency);
extern void InvoiceLoadPhrases(const InvoiceRun *run);
extern void InvoiceOpenSources(const InvoiceRun *run);
extern void InvoiceCollectCharges(InvoiceCharges *charges);
extern void InvoiceCloseSources(void);

#endif							/* FINOPS_INVOICE_CHARGE_H */
