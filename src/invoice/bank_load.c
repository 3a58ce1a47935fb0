/*-------------------------------------------------------------------------
 *
 * bank_load.c
 *	  finops.load_bank_statement(): lines of bank statements become payments.
 *
 * The statement is read as a whole before anything is written; one that is
 * malformed or does not add up leaves nothing behind.  A line is known by
 * what the bank calls it, else by what it says; so files that overlap, and
 * the same file twice, load each line once.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/payment.h"

#include "core/memory_source.h"
#include "invoice/bank_csv.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(finops_load_bank_statement);

#define MAX_STATEMENT	(512 * 1024 * 1024)
#define INFLATE_CHUNK	65536
#define LINE_COLUMNS	16
#define STATEMENT_COLUMNS	9

/* What is given to the function, and the stages that are filled. */
typedef struct BankLoad
{
	SourceAddress address;
	char	   *account;		/* or NULL */
	char	   *currency;
	BankStyle	style;
	const char *format;			/* camt.053 or csv */
	int32		statement;		/* running number of the one that is read */
	int64		lines;
	Tuplestorestate *line_store;
	TupleDesc	line_desc;
	Tuplestorestate *statement_store;
	TupleDesc	statement_desc;
	MemoryContext row;
} BankLoad;

static Datum
put_text(const char *s, bool *isnull)
{
	*isnull = s == NULL || *s == '\0';
	if (*isnull)
		return (Datum) 0;
	return CStringGetTextDatum(pg_any_to_server(s, (int) strlen(s), PG_UTF8));
}

static Datum
put_amount(const BankAmount *amount, bool *isnull)
{
	char		buf[48];

	*isnull = !amount->set;
	return *isnull ? (Datum) 0 :
		DirectFunctionCall3(numeric_in, CStringGetDatum(BankAmountText(amount->units, buf)),
							ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

/* Banks and people write an account with and without blanks. */
static char *
plain_account(const char *account)
{
	char	   *plain = palloc(strlen(account) + 1);
	char	   *to = plain;

	for (; *account != '\0'; account++)
		if (strchr(" \t", *account) == NULL)
			*to++ = (char) pg_toupper((unsigned char) *account);
	*to = '\0';
	return plain;
}

static void
take_line(void *arg, const BankStatement *statement, const BankLine *line)
{
	BankLoad   *load = arg;
	Datum		values[LINE_COLUMNS];
	bool		nulls[LINE_COLUMNS] = {false};
	MemoryContext old = MemoryContextSwitchTo(load->row);

	(void) statement;
	load->lines++;
	values[0] = Int32GetDatum(load->statement);
	values[1] = Int64GetDatum(load->lines);
	values[2] = Int64GetDatum(line->line);
	values[3] = Int32GetDatum(line->part);
	values[4] = put_text(line->booked, &nulls[4]);
	values[5] = put_text(line->valued, &nulls[5]);
	values[6] = put_amount(&line->amount, &nulls[6]);
	values[7] = put_amount(&line->charges, &nulls[7]);
	values[8] = put_text(line->currency, &nulls[8]);
	values[9] = BoolGetDatum(line->reversal);
	values[10] = put_text(line->name, &nulls[10]);
	values[11] = put_text(line->account, &nulls[11]);
	values[12] = put_text(line->text, &nulls[12]);
	values[13] = put_text(line->structured, &nulls[13]);
	values[14] = put_text(line->end_to_end, &nulls[14]);
	values[15] = put_text(line->bank_ref, &nulls[15]);
	tuplestore_putvalues(load->line_store, load->line_desc, values, nulls);
	MemoryContextSwitchTo(old);
	MemoryContextReset(load->row);
}

static void
take_statement(void *arg, const BankStatement *statement)
{
	BankLoad   *load = arg;
	Datum		values[STATEMENT_COLUMNS];
	bool		nulls[STATEMENT_COLUMNS] = {false};
	MemoryContext old = MemoryContextSwitchTo(load->row);

	values[0] = Int32GetDatum(load->statement++);
	values[1] = put_text(statement->id, &nulls[1]);
	values[2] = put_text(statement->account[0] != '\0' ? plain_account(statement->account) : load->account,
						 &nulls[2]);
	values[3] = put_text(statement->currency[0] != '\0' ? statement->currency : load->currency, &nulls[3]);
	values[4] = put_text(statement->from, &nulls[4]);
	values[5] = put_text(statement->to, &nulls[5]);
	values[6] = put_amount(&statement->opening, &nulls[6]);
	values[7] = put_amount(&statement->closing, &nulls[7]);
	values[8] = Int64GetDatum(statement->entries);
	tuplestore_putvalues(load->statement_store, load->statement_desc, values, nulls);
	MemoryContextSwitchTo(old);
	MemoryContextReset(load->row);
}

static void
interrupt(void)
{
	CHECK_FOR_INTERRUPTS();
}

static void
refuse(const BankLoad *load, const BankError *error)
{
	ereport(ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 error->line > 0 ? errmsg("line %lld of \"%s\" is no bank statement", (long long) error->line, FinopsQuoteForMessage(load->address.text)) :
			 errmsg("\"%s\" is no bank statement", FinopsQuoteForMessage(load->address.text)),
			 errdetail("%s.", pg_any_to_server(error->reason, (int) strlen(error->reason), PG_UTF8)),
			 errhint("Give CAMT.053 or CSV with a header; date_order => 'DMY' and decimal_sign => ',' say how values are written.")));
}

static void
close_camt(void *arg)
{
	CamtClose(arg);
}

static void
close_csv(void *arg)
{
	BankCsvClose(arg);
}

static void
read_camt(BankLoad *load, StringInfo data, const BankSink *sink)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	BankError  *error = palloc0(sizeof(BankError));
	Camt	   *camt = CamtOpen(data->data, data->len, sink, error);

	if (camt == NULL)
		refuse(load, error);
	callback->func = close_camt;
	callback->arg = camt;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	if (!CamtRead(camt))
		refuse(load, error);
}

static char *
digest_of(StringInfo data)
{
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char	   *hex = palloc0(33);

	if (ctx == NULL || pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, (uint8 *) data->data, data->len) < 0 ||
		pg_cryptohash_final(ctx, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute SHA-256");
	pg_cryptohash_free(ctx);
	for (int i = 0; i < 16; i++)
		snprintf(hex + i * 2, 3, "%02x", digest[i]);
	return hex;
}

/* Banks of the west still write Windows-1252. */
static void
read_csv(BankLoad *load, StringInfo data, const BankSink *sink)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	BankError  *error = palloc0(sizeof(BankError));
	BankCsv    *csv = palloc0(sizeof(BankCsv));

	snprintf(csv->statement.id, sizeof(csv->statement.id), "CSV-%s", digest_of(data));
	csv->data = data->data;
	csv->len = data->len;
	if (csv->len >= 3 && memcmp(csv->data, "\xEF\xBB\xBF", 3) == 0)
	{
		csv->data += 3;
		csv->len -= 3;
	}
	if (memchr(csv->data, '\0', csv->len) == NULL &&
		!pg_verify_mbstr(PG_UTF8, csv->data, (int) csv->len, true))
	{
		csv->data = (char *) pg_do_encoding_conversion((unsigned char *) csv->data, (int) csv->len,
														PG_WIN1252, PG_UTF8);
		csv->len = strlen(csv->data);
	}
	csv->sink = sink;
	csv->error = error;
	csv->style = load->style;
	if (load->account != NULL)
		strlcpy(csv->statement.account, load->account, sizeof(csv->statement.account));
	callback->func = close_csv;
	callback->arg = csv;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	if (!BankCsvRead(csv))
		refuse(load, error);
}

/* Relations bank_read and bank_head: lines and statements as they were read. */
static void
stage_statement(BankLoad *load, StringInfo data)
{
	BankSink	sink = {load, take_line, take_statement, interrupt};

	load->row = AllocSetContextCreate(CurrentMemoryContext, "finops bank line", ALLOCSET_SMALL_SIZES);
	load->line_store = FinopsStageEmpty("bank_read",
										"SELECT NULL::int4 AS statement, NULL::int8 AS n, NULL::int8 AS line_no, NULL::int4 AS part, NULL::text AS booked,"
										" NULL::text AS valued, NULL::numeric AS amount, NULL::numeric AS charges, NULL::text AS currency, NULL::bool AS reversal,"
										" NULL::text AS name, NULL::text AS counterparty, NULL::text AS remittance, NULL::text AS structured,"
										" NULL::text AS end_to_end, NULL::text AS bank_ref", &load->line_desc);
	load->statement_store = FinopsStageEmpty("bank_head",
											 "SELECT NULL::int4 AS statement, NULL::text AS id, NULL::text AS account, NULL::text AS currency, NULL::text AS from_date,"
											 " NULL::text AS to_date, NULL::numeric AS opening, NULL::numeric AS closing, NULL::int8 AS entries", &load->statement_desc);
	if (strcmp(load->format, "camt.053") == 0)
		read_camt(load, data, &sink);
	else
		read_csv(load, data, &sink);
}

/* What a line is known by, beside the account. */
#define CONTENT_SQL \
	"CASE WHEN l.bank_ref IS NOT NULL THEN concat_ws(E'\\x1f', l.bank_ref, l.part, l.value)" \
	" ELSE concat_ws(E'\\x1f', l.booked, l.value, l.ccy, coalesce(l.name, ''), coalesce(l.counterparty, '')," \
	"  coalesce(l.remittance, ''), coalesce(l.structured, ''), coalesce(l.end_to_end, '')) END"

#define SHA256_SQL(text)	"encode(sha256(convert_to(" text ", 'UTF8')), 'hex')"

/*
 * Relation bank_new: each line with its keys, currency and whether it is the
 * first of its key, here and ever.  A file that does not say its account is
 * of any account: its lines are known where they are known of one, and the
 * other way round.
 */
static void
key_lines(const BankLoad *load)
{
	FINOPS_STAGE("bank_new",
				 "WITH line AS (SELECT r.*, h.id, coalesce(h.account, '') AS account, trim_scale(r.amount) AS value,"
				 "   upper(coalesce(r.currency, h.currency, $1)) AS ccy FROM bank_read r JOIN bank_head h USING (statement)),"
				 " named AS (SELECT l.*, CASE WHEN l.bank_ref IS NOT NULL THEN 'ref' ELSE 'text' END AS way, " CONTENT_SQL " AS content FROM line l),"
				 " counted AS (SELECT n.*, row_number() OVER (PARTITION BY n.account, n.way, n.content ORDER BY n.n) AS nth FROM named n),"
				 " marked AS (SELECT c.*, c.content || CASE WHEN c.way = 'text' AND c.nth > 1 THEN E'\\x1f' || c.nth ELSE '' END AS identity FROM counted c),"
				 " keyed AS (SELECT m.*, " SHA256_SQL("concat_ws(E'\\x1f', m.way, m.account, m.identity)") " AS line_key, "
				 SHA256_SQL("concat_ws(E'\\x1f', m.way, m.identity)") " AS content_key FROM marked m)"
				 " SELECT k.*, (k.way = 'ref' AND k.nth > 1) OR EXISTS (SELECT FROM finops.bank_line b"
				 "  WHERE b.content_key = k.content_key AND (b.line_key = k.line_key OR b.account = '' OR k.account = '')) AS known FROM keyed k",
				 ARG_TEXT(load->currency));
	if (FINOPS_RUN0("SELECT line_no, ccy, value::text FROM bank_new WHERE ccy IS NULL OR finops.currency_minor_unit(ccy) IS NULL"
					" OR value <> round(value, finops.currency_minor_unit(ccy)) ORDER BY n LIMIT 1") == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 FinopsText(0, 2) == NULL ? errmsg("the currency of the statement is not known") :
			 errmsg("line %s: %s is no amount in %s", FinopsText(0, 1), FinopsText(0, 3), FinopsQuoteForMessage(FinopsText(0, 2))),
			 errhint("Give it as currency => 'EUR'.")));
}

/* A day that has not begun: money is not there before it is. */
static void
check_days(void)
{
	if (FINOPS_RUN0("SELECT b.line_no, b.booked FROM bank_new b WHERE b.booked::date > (now() AT TIME ZONE " ISSUER_ZONE_SQL ")::date ORDER BY b.n LIMIT 1") > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("line %s is booked on %s, a day that has not begun", FinopsText(0, 1), FinopsText(0, 2)),
				 errhint("Load booked lines only; date_order => 'DMY' and the like say how days are written.")));
}

static void
check_rates(void)
{
	if (FINOPS_RUN("SELECT b.ccy, min(b.booked) FROM bank_new b WHERE b.value > 0 AND NOT b.known AND b.ccy <> $1 AND NOT EXISTS"
				   " (SELECT FROM finops.fx_rate f WHERE f.currency = b.ccy AND f.valid_from <= b.booked::date) GROUP BY 1 ORDER BY 1",
				   ARG_TEXT(finops_reporting_currency)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no exchange rate for %s on %s", FinopsText(0, 1), FinopsText(0, 2)),
				 errhint("Set it with SELECT finops.set_fx_rate('%s', '%s', rate).", FinopsText(0, 1), FinopsText(0, 2))));
}

static void
write_statements(const FinopsSession *session, const BankLoad *load)
{
	if (FINOPS_RUN0("SELECT h.id FROM bank_head h JOIN finops.bank_statement s ON s.account = coalesce(h.account, '') AND s.statement_id = h.id"
					" WHERE h.closing <> s.closing_balance OR h.opening <> s.opening_balance OR h.entries <> s.entries LIMIT 1") > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("statement \"%s\" was loaded with other data", FinopsQuoteForMessage(FinopsText(0, 1))),
				 errdetail("Its balances or the number of its entries differ.")));
	FINOPS_RUN("INSERT INTO finops.bank_statement (account, statement_id, currency, format, from_date, to_date, opening_balance, closing_balance, entries, source, loaded_by)"
			   " SELECT DISTINCT ON (1, 2) coalesce(h.account, ''), h.id, coalesce(h.currency, $4, (SELECT min(b.ccy) FROM bank_new b WHERE b.statement = h.statement), $5), $1, h.from_date::date, h.to_date::date,"
			   "  trim_scale(h.opening), trim_scale(h.closing), h.entries, $2, $3 FROM bank_head h ON CONFLICT DO NOTHING",
			   ARG_TEXT(load->format), ARG_TEXT(load->address.text), ARG_TEXT(FinopsCallerName(session)),
			   ARG_TEXT(load->currency), ARG_TEXT(finops_reporting_currency));
}

/* What came in becomes payments; what takes one of them back, charge-backs. */
static void
write_lines(void)
{
	FINOPS_RUN0("INSERT INTO finops.bank_line (line_key, content_key, account, statement_id, line_no, booking_date, value_date, amount, charges, currency, kind,"
				"  counterparty_name, counterparty_account, remittance, structured_reference, end_to_end_id, bank_reference, payment_id)"
				" SELECT b.line_key, b.content_key, b.account, b.id, b.line_no, b.booked::date, b.valued::date, b.value, trim_scale(b.charges), b.ccy,"
				"  CASE WHEN b.value > 0 AND NOT b.reversal THEN 'payment' WHEN b.reversal AND o.payment_id IS NOT NULL THEN 'charge_back'"
				"   WHEN b.reversal THEN 'reversal' ELSE 'outgoing' END,"
				"  b.name, b.counterparty, b.remittance, b.structured, b.end_to_end, b.bank_ref,"
				"  CASE WHEN b.value > 0 AND NOT b.reversal THEN 'BANK-' || substr(b.line_key, 1, 32) ELSE o.payment_id END"
				" FROM bank_new b LEFT JOIN LATERAL (SELECT min(x.payment_id) AS payment_id FROM finops.bank_line x WHERE b.reversal AND b.value < 0"
				"   AND x.kind = 'payment' AND x.account = b.account AND x.amount = -b.value AND x.currency = b.ccy AND x.end_to_end_id = b.end_to_end"
				"   AND NOT EXISTS (SELECT FROM finops.payment_outflow w WHERE w.payment_id = x.payment_id)"
				"   HAVING count(*) = 1) o ON true"
				" WHERE NOT b.known ORDER BY b.n");
	FINOPS_RUN("INSERT INTO @s@.payment_txn (payment_id, method, currency, amount, amount_usd, paid_at, payer_name, payer_account, remittance)"
			   " SELECT l.payment_id, 'bank_transfer', l.currency, l.amount, l.amount * CASE WHEN l.currency = $1 THEN 1 ELSE"
			   "   (SELECT f.rate FROM finops.fx_rate f WHERE f.currency = l.currency AND f.valid_from <= l.booking_date ORDER BY f.valid_from DESC LIMIT 1) END,"
			   "  l.booking_date::timestamp AT TIME ZONE " ISSUER_ZONE_SQL ", l.counterparty_name, l.counterparty_account,"
			   "  nullif(concat_ws(' ', l.remittance, l.structured_reference, l.end_to_end_id), '')"
			   " FROM bank_new b JOIN finops.bank_line l USING (line_key) WHERE NOT b.known AND l.kind = 'payment' ORDER BY b.n",
			   ARG_TEXT(finops_reporting_currency));
	FINOPS_RUN0("SELECT finops.charge_back(l.payment_id, 'bank line ' || l.line_key, 'the bank took it back', -l.amount)"
				" FROM bank_new b JOIN finops.bank_line l USING (line_key) WHERE NOT b.known AND l.kind = 'charge_back' ORDER BY b.n");
}

static char *
choice(FunctionCallInfo fcinfo, int argno, const char *name, const char *const *allowed, int n)
{
	char	   *given = InvoiceTextArg(fcinfo, argno);

	if (given == NULL)
		return NULL;
	for (int i = 0; i < n; i++)
		if (strcmp(given, allowed[i]) == 0)
			return given;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s must not be \"%s\"", name, FinopsQuoteForMessage(given)),
			 errhint("Use %s or %s.", allowed[0], allowed[n - 1])));
	return NULL;
}

/* What a gzip file holds; the same limit is for both. */
static StringInfo
inflated(const StringInfo packed, const SourceAddress *address)
{
	StringInfo	text = makeStringInfo();
	MemorySource memory;
	ByteSource *gzip;
	int			got;

	MemorySourceInit(&memory, packed->data, packed->len);
	gzip = GzipSourceOpen(&memory.base);
	if (gzip == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	PG_TRY();
	{
		do
		{
			enlargeStringInfo(text, INFLATE_CHUNK);
			got = FinopsSourceRead(gzip, text->data + text->len, INFLATE_CHUNK, address);
			text->len += got;
			if (text->len > MAX_STATEMENT)
				ereport(ERROR,
						(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						 errmsg("\"%s\" is larger than %d bytes", FinopsQuoteForMessage(address->text), MAX_STATEMENT)));
		} while (got > 0);
	}
	PG_FINALLY();
	{
		gzip->close(gzip);
	}
	PG_END_TRY();
	text->data[text->len] = '\0';
	return text;
}

static StringInfo
read_arguments(FunctionCallInfo fcinfo, BankLoad *load)
{
	static const char *const formats[] = {"auto", "csv", "camt.053"};
	static const char *const orders[] = {"DMY", "YMD", "MDY"};
	static const char *const decimals[] = {".", ","};
	char	   *source = InvoiceRequiredText(fcinfo, 0, "source");
	char	   *format = choice(fcinfo, 1, "format", formats, lengthof(formats));
	char	   *order;
	char	   *decimal;
	StringInfo	data;

	load->account = PG_ARGISNULL(2) ? NULL : plain_account(InvoiceTextArg(fcinfo, 2));
	load->currency = InvoiceTextArg(fcinfo, 3);
	order = choice(fcinfo, 4, "date_order", orders, lengthof(orders));
	decimal = choice(fcinfo, 5, "decimal_sign", decimals, lengthof(decimals));
	load->style.order = order == NULL ? '\0' : order[0];
	load->style.decimal = decimal == NULL ? '\0' : decimal[0];
	FinopsRequireWritable("finops.load_bank_statement()");
	load->address = FinopsSourceAddress(source);
	FinopsCheckSourceAccess(&load->address);
	data = FinopsReadSmall(&load->address, MAX_STATEMENT);
	if (GzipMagic((const unsigned char *) data->data, data->len))
		data = inflated(data, &load->address);
	load->format = format == NULL || strcmp(format, "auto") == 0 ?
		(CamtMagic(data->data, data->len) ? "camt.053" : "csv") : format;
	return data;
}

/*
 * finops.load_bank_statement(source text, format text DEFAULT 'auto', account
 *	text, currency text, date_order text, decimal_sign text DEFAULT NULL)
 *
 * Errors: 22004; 22023 for an unknown format or currency and a day that has
 * not begun; 22P04 with the line
 * and the reason for what is malformed or does not add up; 23505 for a
 * statement id with other data; 55000 where a rate is missing; those of the
 * source.
 */
Datum
finops_load_bank_statement(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	BankLoad	load = {0};
	StringInfo	data = read_arguments(fcinfo, &load);

	FinopsBegin(&session);
	FinopsLock(FINOPS_LOCK_SETTLEMENT, 0);
	stage_statement(&load, data);
	key_lines(&load);
	check_days();
	check_rates();
	write_statements(&session, &load);
	write_lines();
	FINOPS_RUN0("SELECT coalesce(jsonb_object_agg(id, n), '{}')::text FROM (SELECT id, count(*) FILTER (WHERE NOT known) AS n FROM bank_new GROUP BY 1) x");
	FinopsAudit(&session, "load_bank_statement", "bank_statement", load.address.text, FinopsText(0, 1));
	FINOPS_RUN0("SELECT s.statement_id, s.account, s.currency, coalesce(b.n, 0), coalesce(b.payments, 0), coalesce(b.known, 0),"
				"  s.opening_balance, s.closing_balance, CASE WHEN coalesce(b.n, 0) > coalesce(b.known, 0) THEN 'loaded' ELSE 'unchanged' END"
				" FROM bank_head h JOIN finops.bank_statement s ON s.account = coalesce(h.account, '') AND s.statement_id = h.id"
				" LEFT JOIN (SELECT statement, count(*) AS n, count(*) FILTER (WHERE value > 0 AND NOT reversal AND NOT known) AS payments,"
				"   count(*) FILTER (WHERE known) AS known FROM bank_new GROUP BY 1) b ON b.statement = h.statement ORDER BY h.statement");
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}
