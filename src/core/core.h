/*-------------------------------------------------------------------------
 *
 * core.h
 *	  What every room may call: version shims, settings, the session in which
 *	  finops works on its own tables, money, periods, runs, gates and locks.
 *	  Pure C files include core/pure.h instead.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_CORE_H
#define FINOPS_CORE_H

#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/guc.h"
#include "utils/numeric.h"
#include "utils/tuplestore.h"

/* ---------------------------------------------------------------------
 * Version shims: every difference between supported servers stands here.
 * ---------------------------------------------------------------------
 */
#if PG_VERSION_NUM < 150000
#error "finops needs PostgreSQL 15 or newer"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#define FINOPS_EXTENSION_SCHEMA(ext)	get_extension_schema(ext)
#define FINOPS_OWNS_TABLE(rel, role)	object_ownercheck(RelationRelationId, (rel), (role))
#else
#define FINOPS_EXTENSION_SCHEMA(ext)	FinopsExtensionSchema15(ext)
#define FINOPS_OWNS_TABLE(rel, role)	pg_class_ownercheck((rel), (role))
extern Oid	FinopsExtensionSchema15(Oid extension);
#endif

/* c.h lost it in 16 */
#ifndef Abs
#define Abs(x)	((x) >= 0 ? (x) : -(x))
#endif

/* pg_noreturn replaced pg_attribute_noreturn() in 18 */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

/* privileges of every kind of object are asked for in one way since 16 */
#if PG_VERSION_NUM >= 160000
#define FINOPS_ACLCHECK(class, oid, role, mode) \
	object_aclcheck(class, oid, role, mode)
#else
#define FINOPS_ACLCHECK(class, oid, role, mode) \
	((class) == ForeignServerRelationId ? \
	 pg_foreign_server_aclcheck(oid, role, mode) : \
	 pg_foreign_data_wrapper_aclcheck(oid, role, mode))
#endif

/* the number of a transaction within its backend moved in 17 */
#if PG_VERSION_NUM >= 170000
#define FINOPS_LOCAL_XID	(MyProc->vxid.lxid)
#else
#define FINOPS_LOCAL_XID	(MyProc->lxid)
#endif

/* the executor's hooks: rights are apart from the range table since 16, runs once since 18 */
#if PG_VERSION_NUM >= 160000
#define FINOPS_PERMS_PARAMS		List *rangetable, List *checked, bool complain
#define FINOPS_PERMS_ARGS		rangetable, checked, complain
#else
#define FINOPS_PERMS_PARAMS		List *checked, bool complain
#define FINOPS_PERMS_ARGS		checked, complain
#endif
#if PG_VERSION_NUM >= 180000
#define FINOPS_RUN_PARAMS		QueryDesc *query, ScanDirection direction, uint64 count
#define FINOPS_RUN_ARGS			query, direction, count
#else
#define FINOPS_RUN_PARAMS		QueryDesc *query, ScanDirection direction, uint64 count, bool once
#define FINOPS_RUN_ARGS			query, direction, count, once
#endif

#if PG_VERSION_NUM >= 180000
#define FINOPS_MODULE_MAGIC \
	PG_MODULE_MAGIC_EXT(.name = "finops", .version = FINOPS_VERSION)
#else
#define FINOPS_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* ---------------------------------------------------------------------
 * Settings, finops.c
 * ---------------------------------------------------------------------
 */
typedef enum FinopsCostBasis
{
	FINOPS_BASIS_EFFECTIVE,
	FINOPS_BASIS_BILLED
} FinopsCostBasis;

extern int	finops_alert_timeout;	/* finops.alert_timeout, s */
extern int	finops_cost_basis;	/* finops.cost_basis */
extern bool finops_keep_unknown_columns;
extern int	finops_late_usage_months;	/* finops.late_usage_months */
extern int	finops_max_rejects; /* finops.max_rejects, -1: any number */
extern int	finops_packed_entries;	/* finops.packed_entries, -1: never */
extern int	finops_progress_interval;	/* finops.progress_interval, s */
extern char *finops_recon_amount_floor; /* finops.recon_amount_floor */
extern char *finops_reporting_currency; /* finops.reporting_currency */
extern char *finops_s3_endpoint;	/* finops.s3_endpoint */
extern bool finops_track_access;	/* finops.track_access */
extern int	finops_track_entries;	/* finops.track_entries */
extern bool finops_track_logins;	/* finops.track_logins */
extern int	finops_track_min_duration;	/* finops.track_min_duration, ms */
extern bool finops_track_statements;	/* finops.track_statements */

/* ---------------------------------------------------------------------
 * Features that may be switched off, feature.c
 * ---------------------------------------------------------------------
 */
typedef enum FinopsFeature
{
	FINOPS_ADVANCED_FILTERS,
	FINOPS_ANOMALY_DETECTION,
	FINOPS_ATHENA,
	FINOPS_COST_EXPLORER,
	FINOPS_CUSTOM_DATE_RANGES,
	FINOPS_DATA_EXPORT,
	FINOPS_FORECASTING
} FinopsFeature;

#define FINOPS_FEATURES	(FINOPS_FORECASTING + 1)

extern bool finops_enable[FINOPS_FEATURES];	/* finops.enable_... */
extern void FinopsRequireFeature(FinopsFeature feature);	/* 55000 */

/* ---------------------------------------------------------------------
 * The working session, session.c
 *
 * A public C function checks its caller, then works on the extension's own
 * tables as the extension's owner: search_path, DateStyle, TimeZone and the
 * like are pinned, row security is off (an error rather than a filter), and
 * SPI is connected.  In SQL text "@s@" stands for the quoted install schema.
 * An error restores everything through transaction abort.
 * ---------------------------------------------------------------------
 */
typedef struct FinopsSession
{
	Oid			caller;			/* who called, for executed_by and audit */
	int			sec_context;
	int			guc_level;
	MemoryContext context;		/* SPI's, freed by FinopsEnd */
} FinopsSession;

extern void FinopsBegin(FinopsSession *session);
extern void FinopsEnd(FinopsSession *session);
extern const char *FinopsSchema(void);
extern const char *FinopsCallerName(const FinopsSession *session);
extern Oid	FinopsCaller(void); /* inside a session too: not its owner */
extern Oid	FinopsOwner(void);	/* of the extension and its tables */

/* One argument of a statement. */
typedef struct FinopsArg
{
	Oid			type;
	Datum		value;
	bool		isnull;
} FinopsArg;

#define ARG_DATE(d)		((FinopsArg) {DATEOID, DateADTGetDatum(d), false})
#define ARG_INT8(i)		((FinopsArg) {INT8OID, Int64GetDatum(i), false})
#define ARG_INT4(i)		((FinopsArg) {INT4OID, Int32GetDatum(i), false})
#define ARG_BOOL(b)		((FinopsArg) {BOOLOID, BoolGetDatum(b), false})
#define ARG_NUMERIC(n)	((FinopsArg) {NUMERICOID, NumericGetDatum(n), false})
#define ARG_TEXT(s)		FinopsTextArg(s)	/* C string, NULL is SQL NULL */
#define ARG_DATUM(t, d, n)	((FinopsArg) {(t), (d), (n)})

extern FinopsArg FinopsTextArg(const char *s);

/*
 * Run one statement in the session; returns rows processed, result rows are
 * in SPI_tuptable.  FINOPS_RUN(sql, ARG_DATE(p), ...) takes one or more
 * arguments, FINOPS_RUN0(sql) none.
 */
extern uint64 FinopsRun(const char *sql, int nargs, const FinopsArg *args);

#define FINOPS_RUN(sql, ...) \
	FinopsRun(sql, lengthof(((FinopsArg[]) {__VA_ARGS__})), \
			  (FinopsArg[]) {__VA_ARGS__})
#define FINOPS_RUN0(sql)	FinopsRun(sql, 0, NULL)

extern char *FinopsExpandSchema(const char *sql);
extern bool FinopsInSession(void);	/* statements of finops itself run */

/*
 * The same for a statement that is planned once per backend, kept.c; sql must
 * be a constant.  FinopsKeptPlan: the plan of text, known by sql.
 */
#define FINOPS_KEPT_ARGS 32
extern uint64 FinopsRunKept(const char *sql, int nargs, const FinopsArg *args);
extern SPIPlanPtr FinopsKeptPlan(const char *sql, const char *text, int nargs,
								 const Oid *types);
extern Oid	FinopsSchemaOid(void);	/* install schema, within a session */

#define FINOPS_RUN_KEPT(sql, ...) \
	FinopsRunKept(sql, lengthof(((FinopsArg[]) {__VA_ARGS__})), \
				  (FinopsArg[]) {__VA_ARGS__})

/*
 * Run a query in the session and keep its rows, on disk beyond work_mem,
 * under a name that the session's later statements can select from; stage.c.
 * Returns the number of rows.
 */
extern uint64 FinopsStage(const char *name, const char *sql, int nargs,
						  const FinopsArg *args);
/* The same for rows that the caller has collected; the session ends the store. */
extern void FinopsStageRows(const char *name, TupleDesc tupdesc,
							Tuplestorestate *store, uint64 rows);

/* The rows of a query for C code, in a store that can be read again. */
extern Tuplestorestate *FinopsCollect(const char *sql, TupleDesc *tupdesc);
extern void FinopsEndStage(const char *name);
extern void FinopsEndStages(MemoryContext session);	/* FinopsEnd calls it */

#define FINOPS_STAGE(name, sql, ...) \
	FinopsStage(name, sql, lengthof(((FinopsArg[]) {__VA_ARGS__})), \
				(FinopsArg[]) {__VA_ARGS__})

#define FINOPS_STAGE0(name, sql)	FinopsStage(name, sql, 0, NULL)

/*
 * A stage that the caller fills row by row; its columns are those of the
 * query, which is not run.
 */
struct Tuplestorestate;
extern struct Tuplestorestate *FinopsStageEmpty(const char *name, const char *sql,
												TupleDesc *tupdesc);

/* Values of the last result, allocated in the caller's SPI context. */
extern char *FinopsText(uint64 row, int col);	/* NULL for SQL NULL */
extern int64 FinopsInt64(uint64 row, int col);	/* error for SQL NULL */
extern Datum FinopsValue(uint64 row, int col, bool *isnull);

/*
 * Answer a set-returning function with the rows of the last result; the
 * column count and types must be those the function declares.
 */
extern void FinopsReturnRows(FunctionCallInfo fcinfo);

/* The last result as CSV with a header, csv_rows.c */
extern void FinopsAppendCsv(StringInfo out);

/* Refuse a result whose columns are not the declared ones. */
extern void FinopsCheckReturned(TupleDesc given, TupleDesc declared);

/* The same with the rows of a query, which are not held in memory. */
extern void FinopsReturnQuery(FunctionCallInfo fcinfo, const char *sql, int nargs,
							  const FinopsArg *args);

/* ---------------------------------------------------------------------
 * Periods, gates and locks, period.c
 * ---------------------------------------------------------------------
 */

/*
 * Advisory locks: (class + kind, key); taken in the order of this list.  The
 * lock of table finops.tenant_key stands between those of jobs and periods.
 */
#define FINOPS_LOCK_CLASS	0x66696e00	/* "fin" */
typedef enum FinopsLockKind
{
	FINOPS_LOCK_JOB,			/* key: hash of the job name */
	FINOPS_LOCK_PERIOD,			/* key: billing period; all writers of a month */
	FINOPS_LOCK_TENANT,			/* key: hash of the tenant; documents of one tenant */
	FINOPS_LOCK_PARTITION,		/* key: 0; partition DDL */
	FINOPS_LOCK_SETTLEMENT,		/* key: 0; whoever settles several invoices at once */
	FINOPS_LOCK_NUMBERING,		/* key: 0; document numbers */
	FINOPS_LOCK_API_CLOCK,		/* key: 0; turns of API requests, given back at once */
	FINOPS_LOCK_INPUTS,			/* key: kind of input; writers share it, never waited for */
	FINOPS_LOCK_ALERTS			/* key: 0; an evaluation of alerts; ahead of all others */
} FinopsLockKind;

extern void FinopsLock(FinopsLockKind kind, int32 key);
extern void FinopsLockShared(FinopsLockKind kind, int32 key);
extern void FinopsUnlockShared(FinopsLockKind kind, int32 key); /* before the transaction's end */
extern bool FinopsTryLock(FinopsLockKind kind, int32 key);

/*
 * Period argument of a public function: refuses SQL NULL (22004), infinite
 * dates and days other than the first of a month (22023).
 */
extern DateADT FinopsPeriodArg(FunctionCallInfo fcinfo, int argno);
extern void FinopsCheckPeriodStart(DateADT period);
extern bool FinopsPeriodHasBegun(DateADT period);
extern void FinopsCheckPeriodNotFuture(DateADT period);	/* 22023 */
extern bool FinopsPeriodHasEnded(DateADT period);
extern void FinopsCheckDay(DateADT day, const char *name);	/* 22023 */
extern DateADT FinopsPeriodEnd(DateADT period); /* first day of next month */
extern char *FinopsPeriodText(DateADT period);	/* "2018-10" */

/*
 * Within a session: take the period's writer lock, create its row in
 * period_lock if there is none, and refuse a locked period (55000).
 */
extern void FinopsOpenPeriod(DateADT period);
extern bool FinopsPeriodIsLocked(DateADT period);

/*
 * The basis on which a period's cost is allocated: fixed in period_lock by
 * its first allocation, finops.cost_basis until then.
 */
extern FinopsCostBasis FinopsPeriodBasis(DateADT period, bool fix);
extern const char *FinopsBasisName(FinopsCostBasis basis);

/*
 * Gates of the close, in order; a writer that changes what a gate has judged
 * clears that gate and the later ones.  Status is free text of the room that
 * sets it; the issue gate opens on reconciliation 'ok' or 'resolved'.
 */
typedef enum FinopsGate
{
	FINOPS_GATE_LOAD,
	FINOPS_GATE_TAGS,
	FINOPS_GATE_ALLOCATION,
	FINOPS_GATE_RECONCILIATION,
	FINOPS_GATE_DOCUMENTS
} FinopsGate;

extern void FinopsSetGate(DateADT period, FinopsGate gate, const char *status,
						  const char *detail, int64 run_id);
extern void FinopsClearGates(DateADT period, FinopsGate from);
extern char *FinopsGateStatus(DateADT period, FinopsGate gate, char **detail);

/* ---------------------------------------------------------------------
 * Monthly partitions, partition.c
 * ---------------------------------------------------------------------
 */
typedef struct FinopsPartitioned
{
	const char *name;			/* in the install schema */
	const char *key;			/* primary key of each partition */
	const char *indexed[4];		/* further columns with an index each */
	const char *ranged;			/* a column whose rows stand together, or NULL */
	const char *year;			/* expressions of year and month as text, or NULL */
	const char *month;
} FinopsPartitioned;

/*
 * Within a session, while no statement runs on the table: the partition of
 * a billing period, made when there is none; 55000 for one that is detached.
 */
extern Oid	FinopsEnsurePartition(const FinopsPartitioned *table, DateADT period);

/* ---------------------------------------------------------------------
 * Runs and audit, run.c
 * ---------------------------------------------------------------------
 */
extern int64 FinopsStartRun(const FinopsSession *session, const char *kind,
							DateADT period);
extern void FinopsFinishRun(int64 run_id, const char *status,
							const char *detail_json);
extern void FinopsAudit(const FinopsSession *session, const char *action,
						const char *object_type, const char *object_id,
						const char *metadata_json);

/*
 * Put a message into the outbox, unless one of this topic and key is there
 * already; it is sent later, outside of the transaction that decides.
 * severity: info, warning or critical.
 */
extern void FinopsPostOutbox(const char *topic, const char *key,
							 const char *severity, const char *payload_json);

/* ---------------------------------------------------------------------
 * Whose rows a role sees, rights.c
 *
 * A function that a tenant may call works as the owner, whom no policy
 * stops: it asks here before it reads.  42501 unless the caller sees that
 * tenant's rows; tenant may be NULL (there is no such thing), which a tenant
 * cannot tell from somebody else's.  what and name are for the message.
 * ---------------------------------------------------------------------
 */
extern void FinopsRequireTenant(const char *tenant, const char *what, const char *name);
extern void FinopsRequireInvoiceTenant(const char *invoice);	/* within a session */
extern void FinopsSecurePartition(const char *name);	/* of schema finops */

/* ---------------------------------------------------------------------
 * Four eyes, approval.c
 * ---------------------------------------------------------------------
 */
extern bool finops_four_eyes;	/* finops.four_eyes */

/* Whether the caller, or who logged in, is that role or that login. */
extern bool FinopsIsSamePerson(const FinopsSession *session, const char *role,
							   const char *login);

/*
 * Where finops.four_eyes is on: write down what is asked for and answer true;
 * the caller does nothing.  kind: write_off, credit_note.
 */
extern bool FinopsAwaitsApproval(const FinopsSession *session, const char *kind,
								 const char *object_id, const char *payload_json);

/* Within finops.approve(): the arguments of a request, then its work. */
extern char *FinopsTakeApproval(const FinopsSession *session, const char *kind,
								int64 request_id, const char *note,
								char **object_id);
extern void FinopsRunApproved(const char *sql, const char *payload);

/* Who asked for what runs now, and who approved it; NULL where nobody had to. */
extern const char *FinopsRequestedBy(const FinopsSession *session);
extern const char *FinopsApprovedBy(void);

/* ---------------------------------------------------------------------
 * Small checks and texts, session.c
 * ---------------------------------------------------------------------
 */
extern void FinopsRequireArg(FunctionCallInfo fcinfo, int argno,
							 const char *name); /* 22004 when NULL */
extern FinopsArg FinopsKeepArg(FunctionCallInfo fcinfo, int argno);	/* 22023 when negative */
extern char *FinopsQuoteForMessage(const char *s);	/* at most 64 characters */
extern void FinopsRequireWritable(const char *what);	/* 25006 */

/* Rooms that have something to set up when the library is loaded. */
extern void CompatInit(void);
extern void MonitorInit(void);

#endif							/* FINOPS_CORE_H */
