/*-------------------------------------------------------------------------
 *
 * watch_series.h
 *	  All series of the daily roll-up that policies ask to watch.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_WATCH_SERIES_H
#define FINOPS_WATCH_SERIES_H

#include "core/core.h"

#include "insight/cost_watch.h"

typedef struct WatchPolicy
{
	char	   *dimension;
	CwSettings	settings;
	DateADT		until;			/* last day to judge */
} WatchPolicy;

/*
 * Watches the series of all policies and leaves stages: an_odd (dimension,
 * key, currency, day, actual, expected, low, high, score, new_level), an_seen
 * (dimension, key, currency, from_day), whose days after from_day were judged,
 * and an_state (dimension, key, currency, last_day, state) to be stored.
 */
extern void WatchSeriesOfPolicies(const WatchPolicy *policies, int npolicies);

#endif							/* FINOPS_WATCH_SERIES_H */
