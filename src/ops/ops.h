/*-------------------------------------------------------------------------
 *
 * ops.h
 *	  What the files of room ops share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_OPS_H
#define FINOPS_OPS_H

#include "core/core.h"

/*
 * A lock that is held across the commits of a procedure: until it is
 * released, or the transaction of the procedure aborts.  OpsHold answers
 * whether the lock was got; with wait it always is.
 */
extern bool OpsHold(const char *name, bool wait);
extern void OpsRelease(const char *name);

/* The last time up to at when a job was due, due.c; false where there is none. */
extern bool OpsDueBefore(const char *schedule, const char *guard, const char *time_zone, TimestampTz at,
						 TimestampTz *due);

/* Within a session: why a guard does not let a job run; NULL where it does. */
extern char *OpsGuardRefusal(const char *job, const char *guard, const char *time_zone, TimestampTz at);

/*
 * Outside of a session: runs one statement as the caller in a session of its
 * own, worker.c; of a query the first value as text.
 */
extern char *OpsRunElsewhere(Oid database, const char *sql, bool answers);

/* Within a session: deletes runs that ended longer ago (NULL: none); their number. */
extern int64 OpsPurgeRuns(FinopsArg keep);

/* Within a session: leaves the rows of finops.readiness as the last result. */
extern void OpsRunReadiness(DateADT period);

/* After OpsRunReadiness, in its session: accrues what is expected and missing; entries booked. */
extern int64 OpsAccrueMissing(const FinopsSession *session, DateADT period);

/* ---------------------------------------------------------------------
 * Incidents, incident.c; all within a session
 * ---------------------------------------------------------------------
 */
typedef struct OpsIncident
{
	const char *severity;		/* of the scale, or SEV-1 to SEV-4 */
	const char *title;
	const char *scale;
	const char *source;
	const char *source_id;		/* NULL: none, and none of it is looked for */
	const char *scope;
	FinopsArg	evidence;		/* jsonb */
} OpsIncident;

/* The id of the incident that stands now; 0: it was resolved meanwhile. */
extern int64 OpsOpenIncident(const FinopsSession *session, const OpsIncident *incident);
extern void OpsIncidentEvent(const FinopsSession *session, int64 incident_id,
							 const char *kind, const char *note);

/* Locks the row and answers its status; P0002, and 55000 where it must be unresolved. */
extern char *OpsLockIncident(int64 incident_id, bool unresolved);
extern void OpsReturnIncident(FunctionCallInfo fcinfo, int64 incident_id);

/*
 * Does work in a subtransaction: NULL, or the error that undid it, try.c.  A
 * cancelled statement, a server that shuts down and the like are raised.
 */
extern ErrorData *OpsTry(void (*work) (void *), void *arg);

/* Within a session: a query, as the owner where it is shipped, else as the caller. */
extern int	OpsQueryAs(const FinopsSession *session, bool shipped, const char *sql,
					   bool read_only, long limit);

/* The look of the pages that this room writes. */
#define OPS_PAGE_STYLE \
	"<style>body{font:14px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}" \
	"table{border-collapse:collapse;width:100%}th,td{border-bottom:1px solid #ddd;padding:.3em .6em;" \
	"text-align:left;vertical-align:top}pre{background:#f6f6f6;padding:1em;overflow:auto}" \
	".pass{color:#17692f}.fail{color:#a61b1b;font-weight:bold}.manual,.outside{color:#555}</style>\n"

#endif							/* FINOPS_OPS_H */
