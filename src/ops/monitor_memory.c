/*-------------------------------------------------------------------------
 *
 * monitor_memory.c
 *	  What the hooks count, in shared memory, and the functions that read it.
 *
 * All sizes are fixed at the start of the server.  Statements are a ring
 * behind a lock that only slow statements take.  Accesses and logins are
 * open-addressing tables from which nothing is ever removed: a lock is taken
 * to find or add an entry, after that counting is an atomic addition.  What
 * finds no room is counted as lost.  Nothing survives the server's end;
 * finops.collect_monitors keeps it in tables.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/monitor.h"

#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "ops/statement_text.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_tracked_statements);
PG_FUNCTION_INFO_V1(finops_tracked_access);
PG_FUNCTION_INFO_V1(finops_tracked_logins);
PG_FUNCTION_INFO_V1(finops_tracked_backups);
PG_FUNCTION_INFO_V1(finops_tracking);

#define ACCESSES_PER_ENTRY	4
#define TRANCHE				"finops"

static MonitorShared *shared;
static shmem_request_hook_type previous_request;
static shmem_startup_hook_type previous_startup;

MonitorShared *
MonitorMemory(void)
{
	return shared;
}

static Size
memory_size(void)
{
	Size		size = MAXALIGN(sizeof(MonitorShared));

	size = add_size(size, MAXALIGN(mul_size(finops_track_entries, sizeof(MonitorStatement))));
	size = add_size(size, MAXALIGN(mul_size(finops_track_entries * ACCESSES_PER_ENTRY,
											sizeof(MonitorAccess))));
	return add_size(size, MAXALIGN(mul_size(finops_track_entries, sizeof(MonitorLogin))));
}

static void
request_memory(void)
{
	if (previous_request != NULL)
		previous_request();
	RequestAddinShmemSpace(memory_size());
	RequestNamedLWLockTranche(TRANCHE, 1);
}

static void
init_memory(char *memory)
{
	memset(memory, 0, memory_size());
	shared->lock = &GetNamedLWLockTranche(TRANCHE)->lock;
	shared->since = GetCurrentTimestamp();
	shared->statements = finops_track_entries;
	shared->accesses = finops_track_entries * ACCESSES_PER_ENTRY;
	shared->logins = finops_track_entries;
	pg_atomic_init_u64(&shared->lost_accesses, 0);
	pg_atomic_init_u64(&shared->lost_logins, 0);
	memory += MAXALIGN(sizeof(MonitorShared));
	shared->statement = (MonitorStatement *) memory;
	memory += MAXALIGN(sizeof(MonitorStatement) * shared->statements);
	shared->access = (MonitorAccess *) memory;
	memory += MAXALIGN(sizeof(MonitorAccess) * shared->accesses);
	shared->login = (MonitorLogin *) memory;
	for (int i = 0; i < shared->accesses; i++)
		for (int t = 0; t < MONITOR_ACCESS_TYPES; t++)
		{
			pg_atomic_init_u64(&shared->access[i].count[t], 0);
			pg_atomic_init_u64(&shared->access[i].last[t], 0);
		}
	for (int i = 0; i < shared->logins; i++)
	{
		pg_atomic_init_u64(&shared->login[i].logins, 0);
		pg_atomic_init_u64(&shared->login[i].failures, 0);
		pg_atomic_init_u64(&shared->login[i].last_login, 0);
		pg_atomic_init_u64(&shared->login[i].last_failure, 0);
	}
}

static void
start_memory(void)
{
	bool		found;

	if (previous_startup != NULL)
		previous_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("finops monitors", memory_size(), &found);
	if (!found)
		init_memory((char *) shared);
	LWLockRelease(AddinShmemInitLock);
}

void
MonitorShareMemory(void)
{
	previous_request = shmem_request_hook;
	shmem_request_hook = request_memory;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = start_memory;
}

/* ---------------------------------------------------------------------
 * Writing
 * ---------------------------------------------------------------------
 */

void
MonitorNoteStatement(const MonitorStatement *statement, const char *text, size_t len)
{
	MonitorStatement entry = *statement;
	bool		cut;
	size_t		used = StatementMask(text, len, !standard_conforming_strings, entry.text, MONITOR_TEXT, &cut);

	if (cut)
		entry.text[pg_mbcliplen(entry.text, (int) used, (int) used)] = '\0';
	if (entry.query == 0)
		entry.query = DatumGetUInt64(hash_any_extended((const unsigned char *) entry.text,
													   (int) strlen(entry.text), 0));
	if (entry.kind[0] == '\0')
		StatementKind(entry.text, entry.kind, MONITOR_KIND);
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	entry.number = ++shared->last_statement;
	shared->statement[entry.number % shared->statements] = entry;
	LWLockRelease(shared->lock);
}

/* The entry, or where it would be; NULL in a full table.  With the lock. */
static MonitorAccess *
probe_access(Oid role, Oid relation)
{
	uint32		at = hash_combine(murmurhash32(MyDatabaseId),
								  hash_combine(murmurhash32(role), murmurhash32(relation)));

	for (int i = 0; i < shared->accesses; i++)
	{
		MonitorAccess *entry = &shared->access[(at + i) % shared->accesses];

		if (!OidIsValid(entry->database) ||
			(entry->database == MyDatabaseId && entry->role == role && entry->relation == relation))
			return entry;
	}
	return NULL;
}

MonitorAccess *
MonitorFindAccess(Oid role, Oid relation)
{
	MonitorAccess *entry;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	entry = probe_access(role, relation);
	if (entry != NULL && !OidIsValid(entry->database))
	{
		entry->role = role;
		entry->relation = relation;
		entry->database = MyDatabaseId;
	}
	LWLockRelease(shared->lock);
	if (entry == NULL)
		pg_atomic_fetch_add_u64(&shared->lost_accesses, 1);
	return entry;
}

void
MonitorNoteLogin(const char *name, bool success)
{
	uint32		at = DatumGetUInt32(hash_any((const unsigned char *) name, (int) strlen(name)));
	MonitorLogin *entry = NULL;
	uint64		now = (uint64) GetCurrentTimestamp();

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < shared->logins && entry == NULL; i++)
	{
		MonitorLogin *candidate = &shared->login[(at + i) % shared->logins];

		if (NameStr(candidate->name)[0] == '\0')
			namestrcpy(&candidate->name, name);
		if (strncmp(NameStr(candidate->name), name, NAMEDATALEN - 1) == 0)
			entry = candidate;
	}
	LWLockRelease(shared->lock);
	if (entry == NULL)
	{
		pg_atomic_fetch_add_u64(&shared->lost_logins, 1);
		return;
	}
	pg_atomic_fetch_add_u64(success ? &entry->logins : &entry->failures, 1);
	pg_atomic_write_u64(success ? &entry->last_login : &entry->last_failure, now);
}

void
MonitorNoteBackup(TimestampTz started, int64 bytes, bool success)
{
	MonitorBackup *entry;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	entry = &shared->backup[++shared->last_backup % MONITOR_BACKUPS];
	entry->number = shared->last_backup;
	entry->started = started;
	entry->ended = GetCurrentTimestamp();
	entry->bytes = bytes;
	entry->success = success;
	LWLockRelease(shared->lock);
}

/* ---------------------------------------------------------------------
 * Reading
 * ---------------------------------------------------------------------
 */

static Datum
time_or_null(uint64 at, bool *isnull)
{
	*isnull = at == 0;
	return TimestampTzGetDatum((TimestampTz) at);
}

/*
 * finops.tracked_statements(): slow statements of this database that the ring
 * still holds
 */
Datum
finops_tracked_statements(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MonitorStatement *copy;
	Size		size;

	InitMaterializedSRF(fcinfo, 0);
	if (shared == NULL)
		return (Datum) 0;
	/* a copy, so that the lock is not held while rows are made */
	size = sizeof(MonitorStatement) * shared->statements;
	copy = MemoryContextAllocHuge(CurrentMemoryContext, size);
	LWLockAcquire(shared->lock, LW_SHARED);
	memcpy(copy, shared->statement, size);
	LWLockRelease(shared->lock);
	for (int i = 0; i < shared->statements; i++)
	{
		const MonitorStatement *s = &copy[i];
		Datum		values[9];
		bool		nulls[9] = {0};

		if (s->number == 0 || s->database != MyDatabaseId)
			continue;
		values[0] = CStringGetTextDatum(psprintf(UINT64_FORMAT "-" UINT64_FORMAT, (uint64) shared->since, s->number));
		values[1] = Int64GetDatum((int64) s->query);
		values[2] = ObjectIdGetDatum(s->role);
		values[3] = TimestampTzGetDatum(s->started);
		values[4] = Float8GetDatum(s->elapsed_ms);
		values[5] = Int64GetDatum(s->rows);
		values[6] = Int64GetDatum(s->blocks * BLCKSZ);
		values[7] = CStringGetTextDatum(s->kind);
		values[8] = CStringGetTextDatum(s->text);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	pfree(copy);
	return (Datum) 0;
}

/* finops.tracked_access(): who used which relation of finops in this database */
Datum
finops_tracked_access(PG_FUNCTION_ARGS)
{
	static const char *const names[MONITOR_ACCESS_TYPES] = {"SELECT", "INSERT", "UPDATE", "DELETE"};
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	if (shared == NULL)
		return (Datum) 0;
	for (int i = 0; i < shared->accesses; i++)
	{
		MonitorAccess *a = &shared->access[i];

		if (a->database != MyDatabaseId)
			continue;
		for (int t = 0; t < MONITOR_ACCESS_TYPES; t++)
		{
			Datum		values[6];
			bool		nulls[6] = {0};
			uint64		count = pg_atomic_read_u64(&a->count[t]);

			if (count == 0)
				continue;
			values[0] = ObjectIdGetDatum(a->role);
			values[1] = ObjectIdGetDatum(a->relation);
			values[2] = CStringGetTextDatum(names[t]);
			values[3] = Int64GetDatum((int64) count);
			values[4] = time_or_null(pg_atomic_read_u64(&a->last[t]), &nulls[4]);
			values[5] = TimestampTzGetDatum(shared->since);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}

/* finops.tracked_logins(): logins and failed logins of the server by name */
Datum
finops_tracked_logins(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	if (shared == NULL)
		return (Datum) 0;
	for (int i = 0; i < shared->logins; i++)
	{
		MonitorLogin *l = &shared->login[i];
		NameData	name = l->name;
		Datum		values[6];
		bool		nulls[6] = {0};

		if (NameStr(name)[0] == '\0')
			continue;
		NameStr(name)[NAMEDATALEN - 1] = '\0';
		/* what a client sends before it is known may be in any encoding */
		if (!pg_verifymbstr(NameStr(name), (int) strlen(NameStr(name)), true))
			namestrcpy(&name, "?");
		values[0] = CStringGetTextDatum(NameStr(name));
		values[1] = Int64GetDatum((int64) pg_atomic_read_u64(&l->logins));
		values[2] = Int64GetDatum((int64) pg_atomic_read_u64(&l->failures));
		values[3] = time_or_null(pg_atomic_read_u64(&l->last_login), &nulls[3]);
		values[4] = time_or_null(pg_atomic_read_u64(&l->last_failure), &nulls[4]);
		values[5] = TimestampTzGetDatum(shared->since);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* finops.tracked_backups(): base backups of the server that have ended */
Datum
finops_tracked_backups(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MonitorBackup copy[MONITOR_BACKUPS];

	InitMaterializedSRF(fcinfo, 0);
	if (shared == NULL)
		return (Datum) 0;
	LWLockAcquire(shared->lock, LW_SHARED);
	memcpy(copy, shared->backup, sizeof(copy));
	LWLockRelease(shared->lock);
	for (int i = 0; i < MONITOR_BACKUPS; i++)
		if (copy[i].number > 0)
		{
			Datum		values[4] = {TimestampTzGetDatum(copy[i].started), TimestampTzGetDatum(copy[i].ended),
			Int64GetDatum(copy[i].bytes), BoolGetDatum(copy[i].success)};
			bool		nulls[4] = {0};

			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	return (Datum) 0;
}

static void
put_tracking(ReturnSetInfo *rsinfo, const char *kind, bool enabled, int64 used, int64 capacity, uint64 lost)
{
	Datum		values[7] = {CStringGetTextDatum(kind), BoolGetDatum(shared != NULL), BoolGetDatum(enabled),
		Int64GetDatum(used), Int64GetDatum(capacity), Int64GetDatum((int64) lost), (Datum) 0};
	bool		nulls[7] = {0};

	nulls[6] = shared == NULL;
	if (shared != NULL)
		values[6] = TimestampTzGetDatum(shared->since);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* finops.tracking(): what the hooks do, and how much room they have */
Datum
finops_tracking(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int64		accesses = 0,
				logins = 0;

	InitMaterializedSRF(fcinfo, 0);
	if (shared == NULL)
	{
		put_tracking(rsinfo, "access", finops_track_access, 0, 0, 0);
		put_tracking(rsinfo, "logins", finops_track_logins, 0, 0, 0);
		put_tracking(rsinfo, "statements", finops_track_statements, 0, 0, 0);
		return (Datum) 0;
	}
	for (int i = 0; i < shared->accesses; i++)
		accesses += OidIsValid(shared->access[i].database);
	for (int i = 0; i < shared->logins; i++)
		logins += NameStr(shared->login[i].name)[0] != '\0';
	put_tracking(rsinfo, "access", finops_track_access, accesses, shared->accesses,
				 pg_atomic_read_u64(&shared->lost_accesses));
	put_tracking(rsinfo, "logins", finops_track_logins, logins, shared->logins,
				 pg_atomic_read_u64(&shared->lost_logins));
	put_tracking(rsinfo, "statements", finops_track_statements,
				 (int64) Min(shared->last_statement, (uint64) shared->statements), shared->statements,
				 shared->last_statement - Min(shared->last_statement, (uint64) shared->statements));
	return (Datum) 0;
}
