/*-------------------------------------------------------------------------
 *
 * session.c
 *	  The session in which finops works on its own tables.
 *
 * Tables belong to the extension's owner and nobody else may write them.  A
 * public C function first checks its caller (EXECUTE is checked by the
 * server, file access by the byte source), then becomes the owner for its
 * own fixed statements.  So that those statements mean the same for every
 * caller, the session pins search_path to pg_catalog, every setting that
 * changes how values are read or printed, and turns row_security off, which
 * makes a policy an error instead of a silent filter.
 *
 * Transaction and subtransaction abort restore the user, the settings and
 * SPI, so an error needs no cleanup here.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "mb/pg_wchar.h"
#include "storage/proc.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

typedef struct ExtensionRow
{
	Oid			oid;
	Oid			owner;
	Oid			schema;
	char	   *version;
} ExtensionRow;

/* pg_extension has no syscache; read the one row by its index. */
static ExtensionRow
read_extension_row(void)
{
	ExtensionRow ext = {InvalidOid, InvalidOid, InvalidOid, NULL};
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum("finops"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_extension form = (Form_pg_extension) GETSTRUCT(tuple);
		bool		isnull;
		Datum		version = heap_getattr(tuple, Anum_pg_extension_extversion,
										   RelationGetDescr(rel), &isnull);

		ext.oid = form->oid;
		ext.owner = form->extowner;
		ext.schema = form->extnamespace;
		ext.version = isnull ? pstrdup("") : TextDatumGetCString(version);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	if (!OidIsValid(ext.oid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"finops\" is not installed in this database"),
				 errhint("Run CREATE EXTENSION finops.")));
	return ext;
}

#if PG_VERSION_NUM < 160000
Oid
FinopsExtensionSchema15(Oid extension)
{
	ExtensionRow ext = read_extension_row();

	return ext.oid == extension ? ext.schema : InvalidOid;
}
#endif

/* The install schema, quoted. */
const char *
FinopsSchema(void)
{
	Oid			ext = get_extension_oid("finops", false);
	Oid			schema = FINOPS_EXTENSION_SCHEMA(ext);

	return quote_identifier(get_namespace_name(schema));
}

Oid
FinopsOwner(void)
{
	return read_extension_row().owner;
}

/* The library must know the SQL objects it works with. */
static void
check_version(const ExtensionRow *ext)
{
	if (strcmp(ext->version, FINOPS_VERSION) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("finops library is version %s, its SQL objects are version %s",
						FINOPS_VERSION, ext->version),
				 errhint("Run ALTER EXTENSION finops UPDATE, or install the library of version %s.",
						 ext->version)));
}

/*
 * What a caller may set and what would change the meaning of a statement, the
 * text of a value, where a new partition is put, or how long it all takes.
 */
static const char *const pinned_settings[][2] = {
	{"search_path", "pg_catalog, pg_temp"},
	{"row_security", "off"},
	{"standard_conforming_strings", "on"},
	{"transform_null_equals", "off"},
	{"array_nulls", "on"},
	{"xmloption", "content"},
	{"DateStyle", "ISO, YMD"},
	{"IntervalStyle", "postgres"},
	{"TimeZone", "UTC"},
	{"lc_monetary", "C"},
	{"lc_numeric", "C"},
	{"lc_time", "C"},
	{"extra_float_digits", "1"},
	{"bytea_output", "hex"},
	{"default_tablespace", ""},
	/* sums over millions of facts look expensive; compiling them costs more */
	{"jit", "off"},
};

/*
 * The outermost session that runs.  An error leaves it behind, so it counts
 * only while the subtransaction it began in is alive.
 */
static struct
{
	Oid			caller;
	Oid			schema;
	LocalTransactionId xid;
	SubTransactionId subxid;
	int			depth;
}			running;

static bool
in_session(void)
{
	return running.depth > 0 && running.xid == FINOPS_LOCAL_XID &&
		InLocalUserIdChange() && SubTransactionIsActive(running.subxid);
}

bool
FinopsInSession(void)
{
	return in_session();
}

Oid
FinopsSchemaOid(void)
{
	if (!in_session())
		elog(ERROR, "no session");
	return running.schema;
}

Oid
FinopsCaller(void)
{
	return in_session() ? running.caller : GetUserId();
}

void
FinopsBegin(FinopsSession *session)
{
	ExtensionRow ext = read_extension_row();

	check_version(&ext);
	GetUserIdAndSecContext(&session->caller, &session->sec_context);
	if (in_session())
		running.depth++;
	else
	{
		running.caller = session->caller;
		running.schema = ext.schema;
		running.xid = FINOPS_LOCAL_XID;
		running.subxid = GetCurrentSubTransactionId();
		running.depth = 1;
	}
	SetUserIdAndSecContext(ext.owner,
						   session->sec_context | SECURITY_LOCAL_USERID_CHANGE);
	session->guc_level = NewGUCNestLevel();
	for (size_t i = 0; i < lengthof(pinned_settings); i++)
		(void) set_config_option(pinned_settings[i][0], pinned_settings[i][1],
								 PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE,
								 true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	session->context = CurrentMemoryContext;
}

void
FinopsEnd(FinopsSession *session)
{
	FinopsEndStages(session->context);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	AtEOXact_GUC(false, session->guc_level);
	SetUserIdAndSecContext(session->caller, session->sec_context);
	running.depth--;
}

const char *
FinopsCallerName(const FinopsSession *session)
{
	return GetUserNameFromId(session->caller, false);
}

FinopsArg
FinopsTextArg(const char *s)
{
	FinopsArg	arg = {TEXTOID, (Datum) 0, s == NULL};

	if (s != NULL)
		arg.value = CStringGetTextDatum(s);
	return arg;
}

/* "@s@" becomes the quoted install schema. */
char *
FinopsExpandSchema(const char *sql)
{
	const char *schema = NULL;
	StringInfoData buf;
	const char *at;

	initStringInfo(&buf);
	while ((at = strstr(sql, "@s@")) != NULL)
	{
		if (schema == NULL)
			schema = FinopsSchema();
		appendBinaryStringInfo(&buf, sql, at - sql);
		appendStringInfoString(&buf, schema);
		sql = at + 3;
	}
	appendStringInfoString(&buf, sql);
	return buf.data;
}

uint64
FinopsRun(const char *sql, int nargs, const FinopsArg *args)
{
	Oid		   *types = palloc_array(Oid, Max(nargs, 1));
	Datum	   *values = palloc_array(Datum, Max(nargs, 1));
	char	   *nulls = palloc_array(char, nargs + 1);
	int			rc;

	for (int i = 0; i < nargs; i++)
	{
		types[i] = args[i].type;
		values[i] = args[i].value;
		nulls[i] = args[i].isnull ? 'n' : ' ';
	}
	nulls[nargs] = '\0';
	rc = SPI_execute_with_args(FinopsExpandSchema(sql), nargs, types, values, nulls,
							   false, 0);
	if (rc < 0)
		elog(ERROR, "SPI_execute_with_args failed: %s",
			 SPI_result_code_string(rc));
	return SPI_processed;
}

Datum
FinopsValue(uint64 row, int col, bool *isnull)
{
	if (SPI_tuptable == NULL || row >= SPI_tuptable->numvals)
		elog(ERROR, "no row %llu in the last result", (unsigned long long) row);
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col,
						 isnull);
}

char *
FinopsText(uint64 row, int col)
{
	if (SPI_tuptable == NULL || row >= SPI_tuptable->numvals)
		elog(ERROR, "no row %llu in the last result", (unsigned long long) row);
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col);
}

int64
FinopsInt64(uint64 row, int col)
{
	bool		isnull;
	Datum		value = FinopsValue(row, col, &isnull);

	if (isnull)
		elog(ERROR, "unexpected null in column %d", col);
	switch (SPI_gettypeid(SPI_tuptable->tupdesc, col))
	{
		case INT4OID:
			return DatumGetInt32(value);
		case INT8OID:
			return DatumGetInt64(value);
		default:
			elog(ERROR, "column %d is not an integer", col);
	}
	return 0;					/* keep compiler quiet */
}

void
FinopsCheckReturned(TupleDesc given, TupleDesc declared)
{
	if (given->natts != declared->natts)
		elog(ERROR, "statement returns %d columns, function declares %d",
			 given->natts, declared->natts);
	for (int i = 0; i < declared->natts; i++)
		if (TupleDescAttr(given, i)->atttypid != TupleDescAttr(declared, i)->atttypid)
			elog(ERROR, "column %d of the statement has type %u, function declares %u",
				 i + 1, TupleDescAttr(given, i)->atttypid,
				 TupleDescAttr(declared, i)->atttypid);
}

void
FinopsReturnRows(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo;
	SPITupleTable *rows = SPI_tuptable;

	InitMaterializedSRF(fcinfo, 0);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	if (rows == NULL)
		return;
	FinopsCheckReturned(rows->tupdesc, rsinfo->setDesc);
	for (uint64 i = 0; i < rows->numvals; i++)
		tuplestore_puttuple(rsinfo->setResult, rows->vals[i]);
}

void
FinopsRequireArg(FunctionCallInfo fcinfo, int argno, const char *name)
{
	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

/* How long what is to be purged has been kept: an interval, or NULL. */
FinopsArg
FinopsKeepArg(FunctionCallInfo fcinfo, int argno)
{
	Interval	none = {0};

	if (PG_ARGISNULL(argno))
		return ARG_DATUM(INTERVALOID, (Datum) 0, true);
	if (DatumGetBool(DirectFunctionCall2(interval_lt, PG_GETARG_DATUM(argno), IntervalPGetDatum(&none))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("keep must not be negative")));
	return ARG_DATUM(INTERVALOID, PG_GETARG_DATUM(argno), false);
}

/* A user's string for a message: at most 64 characters, cut at a character. */
char *
FinopsQuoteForMessage(const char *s)
{
	size_t		len = strlen(s);
	int			keep = pg_mbcharcliplen(s, (int) Min(len, 1024), 64);

	if ((size_t) keep == len)
		return pstrdup(s);
	return psprintf("%.*s...", keep, s);
}

void
FinopsRequireWritable(const char *what)
{
	if (XactReadOnly)
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot execute %s in a read-only transaction", what)));
}
