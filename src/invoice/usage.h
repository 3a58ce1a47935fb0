/*-------------------------------------------------------------------------
 *
 * usage.h
 *	  Usage, quotas and prepaid balances, as the files of room invoice share
 *	  them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_USAGE_H
#define FINOPS_USAGE_H

#include "core/core.h"

/* Metrics whose days add up; the others take the highest or the mean. */
#define USAGE_ADDS_UP(a) "coalesce(" a ", 'sum_daily') IN ('sum_daily', 'sum_monthly')"

/* SQL: a month's value of metric_value by aggregation a, with OVER or not */
#define USAGE_VALUE(a, value, over) \
	"CASE WHEN " USAGE_ADDS_UP(a) " THEN sum(" value ")" over \
	" WHEN " a " = 'avg' THEN round(avg(" value ")" over ", 12)" \
	" ELSE max(" value ")" over " END"

/*
 * SQL: what a cap of a full month allows in a part of it: "share" has the
 * columns days and full_caps; $1 and $2 are the month.
 */
#define USAGE_CAP_SHARE(cap, days, full) \
	"CASE WHEN " full " OR " days " >= $2 - $1 THEN " cap \
	" ELSE round(" cap " * " days " / ($2 - $1), 6) END"

/*
 * Within a session that holds the period: caps, utilization, events,
 * automatic top-ups and balances.  tenant NULL for all.  Returns the rows of
 * usage that changed.
 */
extern int64 UsageRefresh(const FinopsSession *session, DateADT period,
						  const char *tenant);

/* The same where the month has usage or the tenants have balances at all. */
extern void UsageRefreshIfAny(const FinopsSession *session, DateADT period,
							  const char *tenant);

/* topup.c: buy what the stage topup_new names; returns how many were new. */
extern int64 TopupBuy(const FinopsSession *session);
extern int64 TopupRecurring(const FinopsSession *session, DateADT period,
							const char *tenant);
extern int64 TopupAutomatic(const FinopsSession *session, DateADT period);

/* usage_balance.c: post the use and the expiry of prepaid lots */
extern void UsageStageLots(DateADT period, const char *tenant);
extern void UsageSettleLots(DateADT period, const char *tenant);

/* usage.c: 22023 for a negative, NaN or infinite number; NULL passes */
extern void UsageCheckQuantity(FunctionCallInfo fcinfo, int argno, const char *name);

/* upgrade.c: recommend larger plans, one message for each */
extern void UpgradePost(DateADT period, const char *tenant);

/* usage_late.c: usage of a month stays as it is, or may change again */
extern void UsageFreeze(DateADT period);
extern void UsageThaw(DateADT period);

#endif							/* FINOPS_USAGE_H */
