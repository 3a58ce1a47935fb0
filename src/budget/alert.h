/*-------------------------------------------------------------------------
 *
 * alert.h
 *	  Alert policies: shared by alert_policy.c, alert_query.c and alert.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_ALERT_H
#define FINOPS_ALERT_H

#include "core/core.h"

/* What one query of a policy saw. */
typedef struct AlertRows
{
	Tuplestorestate *store;
	TupleDesc	tupdesc;		/* scope text, value numeric, detail jsonb */
	uint64		rows;
	char	   *error;			/* SQLSTATE and message; NULL: it went well */
} AlertRows;

/*
 * Run the query of a policy as that role, read-only and for a limited time,
 * outside of any session.  An error of the query is in the result; that the
 * statement is cancelled is raised.
 */
extern AlertRows AlertObserve(const char *query, Oid role);

/* Parse the query as that role without running it; raises with its SQLSTATE. */
extern void AlertTryQuery(const char *policy, const char *query, Oid role);

#endif							/* FINOPS_ALERT_H */
