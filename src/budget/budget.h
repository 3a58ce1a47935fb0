/*-------------------------------------------------------------------------
 *
 * budget.h
 *	  What the files of room budget share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_BUDGET_H
#define FINOPS_BUDGET_H

#include "core/core.h"

/* Within a session: one refresh, or change of a tree of budgets, at a time. */
extern void BudgetLock(void);

#endif							/* FINOPS_BUDGET_H */
