/*-------------------------------------------------------------------------
 *
 * charge_plan.h
 *	  What the charges for plans and for usage share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_CHARGE_PLAN_H
#define FINOPS_CHARGE_PLAN_H

#include "invoice/charge.h"
#include "invoice/price.h"

typedef enum PlanBasis
{
	PLAN_PERIOD,
	PLAN_SEAT,
	PLAN_USAGE
} PlanBasis;

typedef enum PlanProration
{
	PLAN_BY_DAY,
	PLAN_BY_SECOND,
	PLAN_IN_FULL
} PlanProration;

/* A row of finops.plan_price. */
typedef struct PlanComponent
{
	char	   *plan_code;
	char	   *name;
	PlanBasis	basis;
	char	   *metric_code;	/* of usage */
	bool		has_included;
	PlanProration proration;
	char	   *tax_category;	/* or NULL */
	char	   *description;	/* or NULL */
	Price		price;
} PlanComponent;

/* A row of plan_metric_map. */
typedef struct PlanCap
{
	char	   *plan_code;
	char	   *metric_code;
	DateADT		from;
	DateADT		to;
	PriceDecimal cap;
	bool		has_overage;
	PriceDecimal overage;		/* price of a unit beyond the cap */
} PlanCap;

/* A part of the month, half-open, in days or microseconds from its start. */
typedef struct PlanSpan
{
	int64		start;
	int64		end;
	DateADT		first;			/* local days, both included */
	DateADT		last;
} PlanSpan;

typedef struct PlanPause
{
	PlanSpan	day;
	PlanSpan	second;
} PlanPause;

typedef struct PlanSeats
{
	int64		day;			/* from which on */
	int64		second;
	DateADT		date;
	int			seats;			/* the most so far in the month */
} PlanSeats;

/* A plan that the tenant had in the month. */
typedef struct BoundPlan
{
	char	   *plan_code;
	char	   *binding_id;
	char	   *currency;
	DateADT		bound_from;		/* of the binding */
	DateADT		first;			/* days of the month, both included */
	DateADT		last;
	PriceDecimal base_price;
	InvoiceDecimal markup_pct;
	PlanProration proration;
	int			base_seats;
	int			seats;			/* -1: not said */
	bool		full_month_caps;
	bool		in_advance;
	char	   *tax_category;
	PriceDecimal minimum;
	PriceDecimal maximum;
	bool		has_maximum;
	int64		second_start;	/* by second only */
	int64		second_end;
	int64		second_length;
	PlanComponent *components;
	int			ncomponents;
	int		   *charges;		/* indexes of its charges */
	int			ncharges;
} BoundPlan;

typedef struct PlanCharges
{
	const InvoiceRun *run;
	InvoiceStream *bindings;
	InvoiceStream *pauses;		/* NULL where the run has none; so the rest */
	InvoiceStream *seats;
	InvoiceStream *usage;
	InvoiceStream *drawn;
	InvoiceStream *events;
	InvoiceStream *topups;
	PlanComponent *components;	/* by plan and name */
	int			ncomponents;
	PlanCap    *caps;			/* by plan, metric and first day */
	int			ncaps;

	/* of the tenant at hand */
	BoundPlan  *bound;
	int			nbound;
	PlanPause  *pause;
	int			npauses;
	PlanSeats  *seat;
	int			nseats;
	const char **group;			/* names of round groups */
	int			ngroups;
} PlanCharges;

/* Round groups: 1 is that of allocated cost. */
#define PLAN_FIRST_GROUP	2

extern InvoiceCharge *PlanAddCharge(PlanCharges *state, BoundPlan *plan,
									InvoiceCharges *charges);
extern int	PlanRoundGroup(PlanCharges *state, const char *name);
extern bool PlanSetAmount(InvoiceCharges *charges, InvoiceCharge *charge,
						  PriceDecimal price, int64 part, int64 length);
extern void PlanAddRefs(StringInfo refs, const BoundPlan *plan, const char *component);
extern void PlanAddDecimalRef(StringInfo refs, const char *name, PriceDecimal value);
extern char *PlanDayText(DateADT day);

/* charge_usage.c */
extern void UsageOpenStreams(PlanCharges *state, bool usage, bool drawn,
							 bool events, bool topups, bool late);
extern void UsageCharge(PlanCharges *state, InvoiceCharges *charges);
extern void UsageChargeTopups(PlanCharges *state, InvoiceCharges *charges);
extern void UsageCloseStreams(PlanCharges *state);

/* PriceDecimal and InvoiceDecimal hold the same */
static inline InvoiceDecimal
PlanToInvoice(PriceDecimal value)
{
	return (InvoiceDecimal) {value.units, value.scale};
}

static inline PriceDecimal
PlanFromInvoice(InvoiceDecimal value)
{
	return (PriceDecimal) {value.units, value.scale};
}

#endif							/* FINOPS_CHARGE_PLAN_H */
