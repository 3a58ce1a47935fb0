/*-------------------------------------------------------------------------
 *
 * runbook.c
 *	  Statements of the runbook catalogue, run by id.
 *
 * A statement runs as its caller, with the caller's settings; only the
 * install schema is put before the caller's search_path, because that is
 * where runbooks expect their relations.  It is executed as it stands, not
 * wrapped in another query (statements with two columns of one name could
 * not be), and its rows are turned into JSON one at a time as the executor
 * delivers them.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "utils/fmgrprotos.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(finops_run_runbook);

/* Takes rows from the executor and stores (row_no, json). */
typedef struct JsonReceiver
{
	DestReceiver pub;
	Tuplestorestate *store;
	TupleDesc	store_desc;
	TupleDesc	row_desc;		/* of the statement, names made unique */
	MemoryContext context;		/* lives as long as the receiver */
	MemoryContext row_context;
	int64		row_no;
} JsonReceiver;

/* ---------------------------------------------------------------------
 * Rows as JSON
 * ---------------------------------------------------------------------
 */
static bool
name_is_taken(TupleDesc desc, int before, const char *name)
{
	for (int i = 0; i < before; i++)
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return true;
	return false;
}

/* The second column of a name gets _2, the third _3. */
static void
make_names_unique(TupleDesc desc, TupleDesc original)
{
	for (int i = 0; i < desc->natts; i++)
	{
		char	   *base = NameStr(TupleDescAttr(original, i)->attname);
		int			n = 1;
		NameData	name;

		for (int j = 0; j < i; j++)
			if (strcmp(NameStr(TupleDescAttr(original, j)->attname), base) == 0)
				n++;
		strlcpy(NameStr(name), base, NAMEDATALEN);
		while (n > 1 || name_is_taken(desc, i, NameStr(name)))
		{
			char		suffix[16];
			int			keep;

			snprintf(suffix, sizeof(suffix), "_%d", Max(n, 2));
			keep = pg_mbcliplen(base, strlen(base),
								NAMEDATALEN - 1 - (int) strlen(suffix));
			snprintf(NameStr(name), NAMEDATALEN, "%.*s%s", keep, base, suffix);
			if (!name_is_taken(desc, i, NameStr(name)))
				break;
			n = Max(n, 2) + 1;
		}
		namestrcpy(&TupleDescAttr(desc, i)->attname, NameStr(name));
	}
}

static void
receiver_startup(DestReceiver *self, int operation pg_attribute_unused(),
				 TupleDesc typeinfo)
{
	JsonReceiver *receiver = (JsonReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->context);

	receiver->row_desc = CreateTupleDescCopy(typeinfo);
	make_names_unique(receiver->row_desc, typeinfo);
	BlessTupleDesc(receiver->row_desc);
	MemoryContextSwitchTo(old);
}

static void
store_row(JsonReceiver *receiver, Datum json)
{
	Datum		values[2];
	bool		nulls[2] = {false, false};

	values[0] = Int64GetDatum(++receiver->row_no);
	values[1] = json;
	tuplestore_putvalues(receiver->store, receiver->store_desc, values, nulls);
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	JsonReceiver *receiver = (JsonReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->row_context);
	HeapTuple	tuple;

	slot_getallattrs(slot);
	tuple = heap_form_tuple(receiver->row_desc, slot->tts_values,
							slot->tts_isnull);
	store_row(receiver,
			  DirectFunctionCall1(row_to_json,
								  heap_copy_tuple_as_datum(tuple, receiver->row_desc)));
	MemoryContextSwitchTo(old);
	MemoryContextReset(receiver->row_context);
	return true;
}

static void
receiver_done(DestReceiver *self pg_attribute_unused())
{
}

static JsonReceiver *
make_receiver(ReturnSetInfo *rsinfo)
{
	JsonReceiver *receiver = palloc0(sizeof(JsonReceiver));

	receiver->pub.receiveSlot = receive_row;
	receiver->pub.rStartup = receiver_startup;
	receiver->pub.rShutdown = receiver_done;
	receiver->pub.rDestroy = receiver_done;
	receiver->pub.mydest = DestTuplestore;
	receiver->store = rsinfo->setResult;
	receiver->store_desc = rsinfo->setDesc;
	receiver->context = CurrentMemoryContext;
	receiver->row_context = AllocSetContextCreate(CurrentMemoryContext,
												  "finops runbook row",
												  ALLOCSET_DEFAULT_SIZES);
	return receiver;
}

/* ---------------------------------------------------------------------
 * The statement
 * ---------------------------------------------------------------------
 */

/* The text of a runbook statement for PostgreSQL; needs SPI. */
static char *
statement_text(const char *id)
{
	uint64		n = FINOPS_RUN("SELECT COALESCE(r.sql_pg, r.sql_verbatim)"
							   " FROM finops.runbook r"
							   " WHERE r.id OPERATOR(pg_catalog.=) $1"
							   " ORDER BY r.shipped LIMIT 1", ARG_TEXT(id));

	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("runbook statement \"%s\" is not known",
						FinopsQuoteForMessage(id)),
				 errhint("SELECT id, document, section FROM finops.runbook lists the statements.")));
	return FinopsText(0, 1);
}

/* A syntax error is one of the statement, not of the query that called us. */
static void
place_syntax_error(void *arg)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery((const char *) arg);
	}
}

static List *
parse_statement(char *sql)
{
	ErrorContextCallback callback = {error_context_stack, place_syntax_error, sql};
	List	   *parsed;

	error_context_stack = &callback;
	parsed = raw_parser(sql, RAW_PARSE_DEFAULT);
	error_context_stack = callback.previous;
	return parsed;
}

/*
 * One statement that can run inside a function: a query, a change of rows or
 * SHOW.
 */
static void
check_statement(const char *id, char *sql)
{
	List	   *parsed = parse_statement(sql);
	Node	   *statement;

	if (list_length(parsed) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("runbook entry \"%s\" holds %d statements instead of one",
						FinopsQuoteForMessage(id), list_length(parsed)),
				 errhint("Give each statement an id of its own.")));
	statement = linitial_node(RawStmt, parsed)->stmt;
	switch (nodeTag(statement))
	{
		case T_SelectStmt:
		case T_InsertStmt:
		case T_UpdateStmt:
		case T_DeleteStmt:
		case T_MergeStmt:
		case T_VariableShowStmt:
		case T_ExplainStmt:
			return;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("runbook statement \"%s\" cannot run inside a function",
							FinopsQuoteForMessage(id)),
					 errdetail("It is a utility statement, which must be sent by itself."),
					 errhint("Run: %s", sql)));
	}
}

/* The install schema before the caller's search_path, until the level ends. */
static void
prepend_install_schema(void)
{
	const char *path = FinopsSchema();

	if (namespace_search_path != NULL && namespace_search_path[0] != '\0')
		path = psprintf("%s, %s", path, namespace_search_path);
	(void) set_config_option("search_path", path, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

static void
run_statement(const char *sql, JsonReceiver *receiver)
{
	SPIExecuteOptions options = {0};
	int			rc;

	options.dest = &receiver->pub;
	rc = SPI_execute_extended(sql, &options);
	if (rc < 0)
		elog(ERROR, "SPI_execute_extended failed: %s",
			 SPI_result_code_string(rc));
	if (receiver->row_desc == NULL)
		store_row(receiver,
				  CStringGetTextDatum(psprintf("{\"affected_rows\":" UINT64_FORMAT "}",
											   SPI_processed)));
}

/*
 * finops.run_runbook(id text) returns table (row_no bigint, result json): the
 * rows of a runbook statement, run as the caller.  22004 for NULL, 22023 for
 * an unknown id, 0A000 for a utility statement, and whatever the statement
 * itself raises.
 */
Datum
finops_run_runbook(PG_FUNCTION_ARGS)
{
	char	   *id;
	char	   *sql;
	JsonReceiver *receiver;
	int			guc_level;

	FinopsRequireArg(fcinfo, 0, "runbook id");
	id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	InitMaterializedSRF(fcinfo, 0);
	receiver = make_receiver((ReturnSetInfo *) fcinfo->resultinfo);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	sql = statement_text(id);
	check_statement(id, sql);
	guc_level = NewGUCNestLevel();
	prepend_install_schema();
	run_statement(sql, receiver);
	AtEOXact_GUC(false, guc_level);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	MemoryContextDelete(receiver->row_context);
	return (Datum) 0;
}
