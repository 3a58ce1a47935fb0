/*-------------------------------------------------------------------------
 *
 * compat.c
 *	  What lets SQL of other dialects run: the translator as a SQL function,
 *	  the counterparts of EXTERNAL_TABLE and MSCK REPAIR TABLE, and the set-up
 *	  of the room.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include "bill/bill.h"
#include "catalog/namespace.h"
#include "compat/compat.h"
#include "forecast/forecast.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(finops_translate_sql);
PG_FUNCTION_INFO_V1(finops_external_table);
PG_FUNCTION_INFO_V1(finops_msck_repair_table);

void
CompatInit(void)
{
	WarehousesInit();
}

static void
append_to_buffer(void *sink, const char *data, size_t len)
{
	appendBinaryStringInfo((StringInfo) sink, data, (int) len);
}

static void
check_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
}

/*
 * finops.translate_sql(sql text, dialect text) returns text: sql in the words
 * of PostgreSQL; see translate.c for the rules.  22023 for an unknown dialect,
 * 54000 for a text beyond TRANSLATE_MAX_INPUT bytes.
 */
Datum
finops_translate_sql(PG_FUNCTION_ARGS)
{
	text	   *sql = PG_GETARG_TEXT_PP(0);
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	size_t		len = VARSIZE_ANY_EXHDR(sql);
	char	   *folded = pstrdup(name);
	TranslateDialect dialect;
	StringInfoData out;
	void	   *workspace = NULL;

	for (char *p = folded; *p != '\0'; p++)
		*p = pg_ascii_tolower((unsigned char) *p);
	if (!TranslateDialectByName(folded, &dialect))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dialect \"%s\" is not known", FinopsQuoteForMessage(name)),
				 errhint("Dialects are " TRANSLATE_DIALECTS ".")));
	if (dialect == TRANSLATE_POSTGRESQL)
		PG_RETURN_TEXT_P(sql);
	if (len > TRANSLATE_MAX_INPUT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("statement is longer than %d bytes", TRANSLATE_MAX_INPUT),
				 errhint("Translate it in parts.")));
	workspace = palloc(TranslateWorkspace(VARDATA_ANY(sql), len, dialect));
	initStringInfo(&out);
	if (!TranslateSql(VARDATA_ANY(sql), len, dialect, workspace,
					  check_interrupts, append_to_buffer, &out))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("translation is longer than %d bytes", TRANSLATE_MAX_OUTPUT),
				 errdetail("Aliases in HAVING are replaced by their expressions.")));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

/*
 * external_table(uri text) returns setof forecast.drivers: the lines of a
 * driver file, whose name carries the load date.  Takes the addresses that
 * finops.load_bill takes, and as it 42501 without pg_read_server_files;
 * 22023 for a name without a date, 22P04 for a file that is no driver file.
 */
Datum
finops_external_table(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	DriverRow  *rows;
	int			n;

	FinopsRequireArg(fcinfo, 0, "address");
	rows = ForecastReadDrivers(text_to_cstring(PG_GETARG_TEXT_PP(0)), NULL, &n);
	InitMaterializedSRF(fcinfo, 0);
	if (rsinfo->setDesc->natts != DRIVER_COLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table forecast.drivers has %d columns instead of %d",
						rsinfo->setDesc->natts, DRIVER_COLUMNS)));
	for (int i = 0; i < n; i++)
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc,
							 rows[i].values, rows[i].nulls);
	return (Datum) 0;
}

static bool
is_bill_relation(Oid relid)
{
	char	   *name = get_rel_name(relid);
	char	   *schema = get_namespace_name(get_rel_namespace(relid));

	if (name == NULL || schema == NULL)
		return false;
	if (strcmp(schema, "cur_database") == 0)
		return strcmp(name, "cur_table") == 0;
	return strcmp(name, "fact_cost_raw") == 0 &&
		strcmp(quote_identifier(schema), FinopsSchema()) == 0;
}

/*
 * finops.msck_repair_table(relation regclass) returns integer: makes the
 * monthly partitions of the facts that are missing from the first month there
 * is to the current one (UTC) and returns how many.  22023 for a relation
 * that is not the bill.
 */
Datum
finops_msck_repair_table(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	FinopsSession session;
	DateADT    *months;
	uint64		n;

	if (!is_bill_relation(relid))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("relation \"%s\" has no partitions that finops makes",
						get_rel_name(relid) ? get_rel_name(relid) : "?"),
				 errhint("Use SELECT finops.msck_repair_table('cur_database.cur_table').")));
	FinopsRequireWritable("finops.msck_repair_table()");
	FinopsBegin(&session);
	n = FINOPS_RUN0("SELECT m.month::date"
					" FROM (SELECT date_trunc('month', timezone('UTC', now())) AS this_month) t,"
					" LATERAL generate_series(coalesce("
					"(SELECT min(to_timestamp(right(c.relname, 7), 'YYYY_MM')::timestamp)"
					" FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
					" WHERE i.inhparent = '@s@.fact_cost_raw'::regclass"
					" AND c.relname ~ '^fact_cost_raw_[0-9]{4}_[0-9]{2}$'), t.this_month),"
					" t.this_month, interval '1 month') AS m(month)"
					" WHERE to_regclass('finops.fact_cost_raw_' || to_char(m.month, 'YYYY_MM')) IS NULL");
	months = palloc_array(DateADT, Max(n, 1));
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;

		months[i] = DatumGetDateADT(FinopsValue(i, 1, &isnull));
	}
	for (uint64 i = 0; i < n; i++)
		(void) BillEnsurePartition(months[i]);
	FinopsEnd(&session);
	PG_RETURN_INT32((int32) n);
}
