/*-------------------------------------------------------------------------
 *
 * project.h
 *	  What the files that project records share: project.c reads a record
 *	  and decides its cost, project_out.c says what goes into each column.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_BILL_PROJECT_H
#define FINOPS_BILL_PROJECT_H

#include "bill/bill.h"

typedef enum CostRule
{
	COST_AS_BILLED,
	COST_NONE,
	COST_NEGATION,
	COST_SP_EFFECTIVE,
	COST_SP_UNUSED,
	COST_RI_EFFECTIVE,
	COST_RI_UNUSED,
	COST_FEE,
	COST_REFUND,
	COST_DISCOUNT
} CostRule;

typedef struct LineType
{
	const char *name;
	CostRule	rule;
	const char *category;		/* FOCUS ChargeCategory */
	const char *status;			/* FOCUS CommitmentDiscountStatus */
	const char *frequency;		/* FOCUS ChargeFrequency */
} LineType;

static const Slice null_slice = {NULL, 0};

static inline Slice
constant(const char *text)
{
	return text == NULL ? null_slice : (Slice) {text, (int) strlen(text)};
}

static inline bool
is_set(const BillProjector *p, BillField field)
{
	return p->value[field].data != NULL;
}

/* The first of two fields that says something. */
static inline Slice
either(const BillProjector *p, int first, int second)
{
	return p->value[first].data != NULL ? p->value[first] : p->value[second];
}

static inline bool
is_blank(Slice s)
{
	return SliceTrim(s).len == 0;
}

extern bool ProjectProblem(BillProjector *p, ValueStatus status, int field,
						   Slice value);

/* Remember line types that the table does not have, for the log. */
extern void ProjectNoteOddType(BillProjector *p, Slice name);

#endif							/* FINOPS_BILL_PROJECT_H */
