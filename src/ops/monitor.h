/*-------------------------------------------------------------------------
 *
 * monitor.h
 *	  What the hooks count in shared memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_MONITOR_H
#define FINOPS_MONITOR_H

#include "core/core.h"

#include "port/atomics.h"
#include "storage/lwlock.h"

#define MONITOR_TEXT	1024	/* bytes of a statement that are kept, NUL included */
#define MONITOR_KIND	32

/* A slow statement. */
typedef struct MonitorStatement
{
	uint64		number;			/* from 1, in the order of their ends */
	Oid			database;
	Oid			role;
	TimestampTz started;
	double		elapsed_ms;
	int64		rows;
	int64		blocks;			/* read, wherever from */
	uint64		query;			/* the server's id, or a hash of the text */
	char		kind[MONITOR_KIND];
	char		text[MONITOR_TEXT];
} MonitorStatement;

typedef enum MonitorAccessType
{
	MONITOR_SELECT,
	MONITOR_INSERT,
	MONITOR_UPDATE,
	MONITOR_DELETE
} MonitorAccessType;

#define MONITOR_ACCESS_TYPES	4

/* A user and a relation; entries never go, so that backends keep pointers. */
typedef struct MonitorAccess
{
	Oid			database;		/* InvalidOid: free */
	Oid			role;
	Oid			relation;
	pg_atomic_uint64 count[MONITOR_ACCESS_TYPES];
	pg_atomic_uint64 last[MONITOR_ACCESS_TYPES];	/* TimestampTz */
} MonitorAccess;

/* Who tried to log in, by the name that was given. */
typedef struct MonitorLogin
{
	NameData	name;			/* empty: free */
	pg_atomic_uint64 logins;
	pg_atomic_uint64 failures;
	pg_atomic_uint64 last_login;	/* TimestampTz; 0: never */
	pg_atomic_uint64 last_failure;
} MonitorLogin;

/* A base backup that has ended. */
typedef struct MonitorBackup
{
	uint64		number;			/* from 1 */
	TimestampTz started;		/* of its connection */
	TimestampTz ended;
	int64		bytes;
	bool		success;
} MonitorBackup;

#define MONITOR_BACKUPS	32

typedef struct MonitorShared
{
	LWLock	   *lock;			/* of statements, and of entries that are added */
	TimestampTz since;			/* counters are of this start of the server */
	int			statements;		/* sizes of the three arrays */
	int			accesses;
	int			logins;
	uint64		last_statement; /* its number; its place is number % statements */
	pg_atomic_uint64 lost_accesses; /* not counted, because there was no room */
	pg_atomic_uint64 lost_logins;
	uint64		last_backup;
	MonitorBackup backup[MONITOR_BACKUPS];	/* a ring as well */
	MonitorStatement *statement;
	MonitorAccess *access;
	MonitorLogin *login;
} MonitorShared;

/* NULL where the library is not preloaded. */
extern MonitorShared *MonitorMemory(void);
extern void MonitorShareMemory(void);

/* A statement that took long; text is not terminated. */
extern void MonitorNoteStatement(const MonitorStatement *statement, const char *text, size_t len);

/* The entry of a user and a relation of this database; NULL when there is no room. */
extern MonitorAccess *MonitorFindAccess(Oid role, Oid relation);
extern void MonitorNoteLogin(const char *name, bool success);
extern void MonitorNoteBackup(TimestampTz started, int64 bytes, bool success);

#endif							/* FINOPS_MONITOR_H */
