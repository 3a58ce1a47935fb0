/*-------------------------------------------------------------------------
 *
 * match_run.c
 *	  finops.match_payments(): reads what is open, asks the ladder of match.c
 *	  and writes what it found.
 *
 * Whoever settles several invoices waits at the lock of settlements, so that
 * payments stay as they were read.  A single invoice may be settled while the
 * ladder works: its row has another version then.  So the rows are locked in
 * the order of their ids, each as the version that was read; where one is not
 * there any more, the run starts over with what is open now.  Under
 * REPEATABLE READ that is 40001.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/payment.h"

#include "core/money.h"
#include "invoice/match.h"

#include "storage/itemptr.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(finops_match_payments);
PG_FUNCTION_INFO_V1(finops_accept_suggestion);
PG_FUNCTION_INFO_V1(finops_dismiss_suggestion);
PG_FUNCTION_INFO_V1(finops_register_payer_account);

/* What references to invoices settled longer ago are not recognised. */
#define SETTLED_DAYS	"400"

/* A row of match_currency "k" has how many minor units a unit of it has. */
#define MINOR(amount) "((" amount ") * k.factor)"

/* What the ladder does not need of a row, but writing does. */
typedef struct MatchRow
{
	ItemPointerData tid;		/* the version that was read */
	TimestampTz at;				/* issued, paid */
	int			digits;
	char		currency[4];
	bool		touched;
} MatchRow;

typedef struct MatchRead
{
	MatchInput	input;
	char	  **invoice_ids;
	char	  **payment_ids;
	char	  **tenant_ids;
	MatchRow   *invoice_rows;
	MatchRow   *payment_rows;
	int64	   *tolerances;		/* of each tenant, minor units */
	TimestampTz open_since;
} MatchRead;

#define MATCH_ATTEMPTS	5

static void *
allocate(void *arg, size_t size)
{
	return MemoryContextAllocExtended((MemoryContext) arg, size,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

static void
interrupt(void)
{
	CHECK_FOR_INTERRUPTS();
}

/* Text of the last result in the run's memory; NULL for SQL NULL. */
static char *
kept_text(MemoryContext context, uint64 row, int col)
{
	bool		isnull;
	Datum		value = FinopsValue(row, col, &isnull);
	text	   *given;
	char	   *copy;

	if (isnull)
		return NULL;
	given = DatumGetTextPP(value);
	copy = MemoryContextAlloc(context, VARSIZE_ANY_EXHDR(given) + 1);
	memcpy(copy, VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given));
	copy[VARSIZE_ANY_EXHDR(given)] = '\0';
	return copy;
}

static int64
int_or(uint64 row, int col, int64 otherwise)
{
	bool		isnull;

	(void) FinopsValue(row, col, &isnull);
	return isnull ? otherwise : FinopsInt64(row, col);
}

static int32
currency_code(uint64 row, int col)
{
	char	   *code = FinopsText(row, col);

	return code == NULL || strlen(code) < 3 ? 0 : (code[0] << 16) | (code[1] << 8) | code[2];
}

/* A numeric of the last result in minor units; 0 for SQL NULL and for none that fits. */
static int64
minor_of(uint64 row, int col, int digits)
{
	bool		isnull;
	Datum		value = FinopsValue(row, col, &isnull);
	MoneyUnits	money;

	if (isnull || !MoneyDecodeNumeric(value, &money) || money.scale > digits || money.negative ||
		!MoneyRescale(&money.units, digits - money.scale))
		return 0;
	return (int64) money.units;
}

/* Columns of the last result: version, time, digits, currency. */
static void
read_row(MatchRow *row, uint64 i, int col)
{
	bool		isnull;

	row->tid = *(ItemPointer) DatumGetPointer(FinopsValue(i, col, &isnull));
	row->at = DatumGetTimestampTz(FinopsValue(i, col + 1, &isnull));
	if (isnull)
		row->at = DT_NOBEGIN;
	row->digits = (int) FinopsInt64(i, col + 2);
	strlcpy(row->currency, FinopsText(i, col + 3), sizeof(row->currency));
}

static void
read_tenants(MatchRead *read, MemoryContext context)
{
	uint64		n;

	FINOPS_STAGE0("match_currency",
				  "SELECT DISTINCT ON (c.code) c.code AS currency, c.minor_unit AS digits, power(10::numeric, c.minor_unit)::int8::numeric AS factor"
				  " FROM finops.currency c WHERE c.minor_unit IS NOT NULL ORDER BY c.code, c.shipped");
	/* numbered for the statements below */
	FINOPS_STAGE0("match_tenant",
				  "SELECT (row_number() OVER (ORDER BY h.tenant_id) - 1)::int4 AS n, h.tenant_id, h.tenant_name,"
				  " least(1e15, " MINOR(POLICY_SQL("bank_fee_limit", "25")) ")::int8 AS fee,"
				  " least(1e15, " MINOR(POLICY_SQL("short_tolerance", "0")) ")::int8 AS tolerance,"
				  " " POLICY_SQL("oldest_first", "false") " AS oldest_first,"
				  " coalesce(h.billing_contact ->> 'iban', h.billing_contact ->> 'bank_account') AS account"
				  " FROM @s@.tenant_master h LEFT JOIN match_currency k USING (currency)");
	n = FINOPS_RUN0("SELECT tenant_name, fee, oldest_first::int4, tenant_id, tolerance FROM match_tenant ORDER BY n");
	read->input.ntenants = (int32) n;
	read->input.tenants = allocate(context, Max(n, 1) * sizeof(MatchTenant));
	read->tenant_ids = allocate(context, Max(n, 1) * sizeof(char *));
	read->tolerances = allocate(context, Max(n, 1) * sizeof(int64));
	for (uint64 i = 0; i < n; i++)
	{
		MatchTenant *t = (MatchTenant *) &read->input.tenants[i];

		t->name = kept_text(context, i, 1);
		t->fee_limit = int_or(i, 2, 0);
		t->oldest_first = FinopsInt64(i, 3) != 0;
		read->tenant_ids[i] = kept_text(context, i, 4);
		read->tolerances[i] = int_or(i, 5, 0);
	}
	SPI_freetuptable(SPI_tuptable);
	n = FINOPS_RUN0("SELECT a.account, t.n FROM finops.payer_account a JOIN match_tenant t USING (tenant_id)"
					" UNION ALL SELECT t.account, t.n FROM match_tenant t WHERE t.account IS NOT NULL");
	read->input.naccounts = (int32) n;
	read->input.accounts = allocate(context, Max(n, 1) * sizeof(MatchKnownAccount));
	for (uint64 i = 0; i < n; i++)
	{
		MatchKnownAccount *a = (MatchKnownAccount *) &read->input.accounts[i];

		a->account = kept_text(context, i, 1);
		a->tenant = (int32) FinopsInt64(i, 2);
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * Issued invoices with what is open of each, settled ones of the last months
 * and documents that cannot be paid, so that references to them are known.
 */
static void
read_invoices(MatchRead *read, MemoryContext context)
{
	uint64		n;

	FINOPS_STAGE0("match_open",
				  "SELECT h.invoice_id, h.tenant_id, h.currency, h.total - coalesce(c.credited, 0) - coalesce(a.paid, 0) - coalesce(j.adjusted, 0) AS open,"
				  "  a.last FROM @s@.invoice_header h"
				  " LEFT JOIN (SELECT n.original_invoice_id AS invoice_id, -sum(n.total) AS credited FROM @s@.invoice_header n"
				  "   WHERE n.original_invoice_id IS NOT NULL AND n.status IN ('issued', 'paid') GROUP BY 1) c USING (invoice_id)"
				  " LEFT JOIN (SELECT p.invoice_id, sum(p.invoice_amount) AS paid, (array_agg(p.invoice_amount ORDER BY p.application_id DESC))[1] AS last"
				  "   FROM finops.payment_application p JOIN @s@.invoice_header o USING (invoice_id) WHERE o.status = 'issued' GROUP BY 1) a USING (invoice_id)"
				  " LEFT JOIN (SELECT x.invoice_id, sum(x.amount) AS adjusted FROM finops.receivable_adjustment x GROUP BY 1) j USING (invoice_id)"
				  " WHERE h.kind = 'invoice' AND h.status = 'issued'");
	n = FINOPS_RUN0("SELECT h.invoice_id, h.invoice_number, t.n, h.currency,"
					"  trim_scale(o.open), trim_scale(h.total), h.due_at,"
					"  (h.kind = 'invoice' AND h.status <> 'void')::int4,"
					"  trim_scale(o.last), h.ctid, h.issued_at, k.digits::int4, h.currency"
					" FROM @s@.invoice_header h JOIN match_tenant t USING (tenant_id) JOIN match_currency k ON k.currency = h.currency"
					" LEFT JOIN match_open o USING (invoice_id)"
					" WHERE abs(h.total) < 1e12 AND (h.status = 'issued' OR h.status = 'paid' AND h.paid_at > now() - interval '" SETTLED_DAYS " days'"
					"  OR h.status = 'void' AND h.created_at > now() - interval '" SETTLED_DAYS " days')"
					" ORDER BY h.invoice_id COLLATE \"C\"");
	read->input.ninvoices = (int32) n;
	read->input.invoices = allocate(context, Max(n, 1) * sizeof(MatchInvoice));
	read->invoice_ids = allocate(context, Max(n, 1) * sizeof(char *));
	read->invoice_rows = allocate(context, Max(n, 1) * sizeof(MatchRow));
	for (uint64 i = 0; i < n; i++)
	{
		MatchInvoice *v = &read->input.invoices[i];
		bool		isnull;
		Datum		due;

		v->id = read->invoice_ids[i] = kept_text(context, i, 1);
		v->number = kept_text(context, i, 2);
		v->tenant = (int32) FinopsInt64(i, 3);
		v->currency = currency_code(i, 4);
		read_row(&read->invoice_rows[i], i, 10);
		v->open = minor_of(i, 5, read->invoice_rows[i].digits);
		v->total = minor_of(i, 6, read->invoice_rows[i].digits);
		due = FinopsValue(i, 7, &isnull);
		v->due = isnull ? 0 : (int32) (DatumGetTimestampTz(due) / USECS_PER_DAY);
		v->payable = FinopsInt64(i, 8) != 0;
		v->last = minor_of(i, 9, read->invoice_rows[i].digits);
		if (i % 4096 == 4095)
			CHECK_FOR_INTERRUPTS();
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Place of an invoice id in the list, which is in byte order; -1. */
static int32
find_invoice(const MatchRead *read, const char *id)
{
	int32		low = 0;
	int32		high = read->input.ninvoices - 1;

	while (id != NULL && low <= high)
	{
		int32		mid = low + (high - low) / 2;
		int			cmp = strcmp(id, read->invoice_ids[mid]);

		if (cmp == 0)
			return mid;
		if (cmp < 0)
			high = mid - 1;
		else
			low = mid + 1;
	}
	return -1;
}

static void
read_payments(MatchRead *read, MemoryContext context)
{
	uint64		n = FINOPS_RUN0("SELECT p.payment_id, p.currency, trim_scale(p.unapplied), t.n, p.invoice_id,"
								"  concat_ws(' ', p.remittance, p.provider_ref), p.payer_name, p.payer_account,"
								"  p.tid, p.paid_at, k.digits::int4, p.currency"
								" FROM (SELECT p.*, p.ctid AS tid, p.amount - coalesce(a.applied, 0) - coalesce(o.returned, 0) AS unapplied FROM @s@.payment_txn p"
								"  LEFT JOIN (SELECT x.payment_id, sum(x.amount) AS applied FROM finops.payment_application x GROUP BY 1) a USING (payment_id)"
								"  LEFT JOIN (SELECT x.payment_id, sum(x.amount) AS returned FROM finops.payment_outflow x GROUP BY 1) o USING (payment_id)"
								"  WHERE p.status = 'confirmed') p"
								" JOIN match_currency k ON k.currency = p.currency LEFT JOIN match_tenant t USING (tenant_id)"
								" WHERE p.unapplied > 0 AND p.unapplied < 1e12 AND p.unapplied = round(p.unapplied, k.digits)"
								" ORDER BY p.paid_at, p.payment_id COLLATE \"C\"");
	MatchPayment *payments = allocate(context, Max(n, 1) * sizeof(MatchPayment));

	read->input.payments = payments;
	read->input.npayments = (int32) n;
	read->payment_ids = allocate(context, Max(n, 1) * sizeof(char *));
	read->payment_rows = allocate(context, Max(n, 1) * sizeof(MatchRow));
	for (uint64 i = 0; i < n; i++)
	{
		MatchPayment *p = &payments[i];

		read->payment_ids[i] = kept_text(context, i, 1);
		p->currency = currency_code(i, 2);
		p->tenant = (int32) int_or(i, 4, -1);
		p->invoice = find_invoice(read, kept_text(context, i, 5));
		p->text = kept_text(context, i, 6);
		p->name = kept_text(context, i, 7);
		p->account = kept_text(context, i, 8);
		read_row(&read->payment_rows[i], i, 9);
		p->amount = minor_of(i, 3, read->payment_rows[i].digits);
		if (i % 4096 == 4095)
			CHECK_FOR_INTERRUPTS();
	}
	SPI_freetuptable(SPI_tuptable);
}

static Datum
minor_units(int64 amount, int digits)
{
	return MoneyNumeric((uint64) amount, false, digits);
}

/* What the ladder found as relation match_found. */
static void
stage_found(const MatchRead *read, const MatchOutput *found)
{
	TupleDesc	tupdesc;
	Tuplestorestate *store = FinopsStageEmpty("match_found",
											  "SELECT NULL::int8 AS seq, NULL::text AS payment_id, NULL::text AS invoice_id, NULL::text AS tenant_id,"
											  " NULL::numeric AS amount, NULL::text AS rule, NULL::text AS reason, NULL::text AS account,"
											  " NULL::timestamptz AS applied_at, NULL::tid AS payment_tid, NULL::text AS currency", &tupdesc);
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "finops match rows", ALLOCSET_SMALL_SIZES);

	for (int32 i = 0; i < found->n; i++)
	{
		const MatchResult *r = &found->results[i];
		const MatchPayment *p = &read->input.payments[r->payment];
		MatchRow   *payment = &read->payment_rows[r->payment];
		MatchRow   *invoice = &read->invoice_rows[r->invoice];
		Datum		values[11];
		bool		nulls[11] = {false};
		char		account[MATCH_NAME_MAX];
		MemoryContext old = MemoryContextSwitchTo(row);

		invoice->touched |= r->amount > 0;
		if (r->amount > 0 && !payment->touched)
			payment->touched = true;
		values[0] = Int64GetDatum(i);
		values[1] = CStringGetTextDatum(read->payment_ids[r->payment]);
		values[2] = CStringGetTextDatum(read->invoice_ids[r->invoice]);
		values[3] = CStringGetTextDatum(read->tenant_ids[read->input.invoices[r->invoice].tenant]);
		values[4] = minor_units(r->amount > 0 ? r->amount : p->amount, payment->digits);
		values[5] = CStringGetTextDatum(r->amount > 0 ? MatchRuleName(r->rule) : "suggested");
		values[6] = CStringGetTextDatum(MatchReasonText(r->reason));
		nulls[7] = !r->learned || p->account == NULL ||
			MatchAccount(p->account, account, sizeof(account)) == 0;
		values[7] = nulls[7] ? (Datum) 0 : CStringGetTextDatum(account);
		values[8] = TimestampTzGetDatum(Max(Max(payment->at, invoice->at), read->open_since));
		values[9] = PointerGetDatum(&payment->tid);
		values[10] = CStringGetTextDatum(payment->currency);
		tuplestore_putvalues(store, tupdesc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row);
	}
	MemoryContextDelete(row);
}

/* When the last of the payments of each invoice was made, and counts. */
static void
settled_at(const MatchRead *read, const MatchOutput *found, TimestampTz *paid)
{
	for (int32 i = 0; i < found->n; i++)
	{
		const MatchResult *r = &found->results[i];

		if (r->amount > 0)
			paid[r->invoice] = Max(paid[r->invoice], read->payment_rows[r->payment].at);
	}
}

/*
 * The invoices that were paid on, in the order of their ids, as relation
 * match_touched: the version that was read and what is left.
 */
static void
stage_touched(const MatchRead *read, const MatchOutput *found, MemoryContext context)
{
	TupleDesc	tupdesc;
	Tuplestorestate *store = FinopsStageEmpty("match_touched",
											  "SELECT NULL::int8 AS seq, NULL::text AS invoice_id, NULL::tid AS tid, NULL::numeric AS left_open,"
											  " NULL::bool AS settled, NULL::timestamptz AS paid_at, NULL::timestamptz AS applied_at", &tupdesc);
	TimestampTz *paid = allocate(context, Max(read->input.ninvoices, 1) * sizeof(TimestampTz));
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "finops match rows", ALLOCSET_SMALL_SIZES);

	for (int32 i = 0; i < read->input.ninvoices; i++)
		paid[i] = DT_NOBEGIN;
	settled_at(read, found, paid);
	for (int32 i = 0; i < read->input.ninvoices; i++)
	{
		const MatchInvoice *v = &read->input.invoices[i];
		MatchRow   *r = &read->invoice_rows[i];
		Datum		values[7];
		bool		nulls[7] = {false};
		MemoryContext old;

		if (!r->touched)
			continue;
		old = MemoryContextSwitchTo(row);
		values[0] = Int64GetDatum(i);
		values[1] = CStringGetTextDatum(read->invoice_ids[i]);
		values[2] = PointerGetDatum(&r->tid);
		values[3] = minor_units(v->open, r->digits);
		values[4] = BoolGetDatum(v->open <= read->tolerances[v->tenant]);
		values[5] = TimestampTzGetDatum(paid[i]);
		values[6] = TimestampTzGetDatum(Max(Max(paid[i], r->at), read->open_since));
		tuplestore_putvalues(store, tupdesc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row);
	}
	MemoryContextDelete(row);
}

/* Lock the invoices as they were read; false when one has changed since. */
static bool
lock_touched(void)
{
	uint64		locked = FINOPS_RUN0("SELECT h.ctid FROM match_touched t JOIN @s@.invoice_header h ON h.ctid = t.tid"
									 " ORDER BY t.seq FOR UPDATE OF h");

	FINOPS_RUN0("SELECT count(*) FROM match_touched");
	return locked == (uint64) FinopsInt64(0, 1);
}

/* Applications, small differences, and the states of invoices and payments. */
static void
write_found(const FinopsSession *session)
{
	FINOPS_RUN("INSERT INTO finops.payment_application (payment_id, invoice_id, amount, invoice_amount, rule, applied_at, booked_by)"
			   " SELECT payment_id, invoice_id, amount, amount, rule, applied_at, $1 FROM match_found WHERE rule <> 'suggested'",
			   ARG_TEXT(FinopsCallerName(session)));
	FINOPS_RUN("INSERT INTO finops.receivable_adjustment (invoice_id, kind, amount, reason, occurred_at, booked_by)"
			   " SELECT invoice_id, 'small_difference', left_open, 'short by no more than the policy tolerates', applied_at, $1"
			   " FROM match_touched WHERE left_open > 0 AND settled ORDER BY seq", ARG_TEXT(FinopsCallerName(session)));
	FINOPS_RUN0("UPDATE @s@.invoice_header h SET status = CASE WHEN t.settled THEN 'paid' ELSE h.status END,"
				" paid_at = CASE WHEN t.settled THEN t.paid_at ELSE h.paid_at END"
				" FROM match_touched t WHERE h.ctid = t.tid");
	FINOPS_RUN0("UPDATE @s@.payment_txn p SET invoice_id = coalesce(p.invoice_id, d.invoice_id), tenant_id = coalesce(p.tenant_id, d.tenant_id)"
				" FROM (SELECT payment_tid, CASE WHEN count(*) = 1 THEN min(invoice_id) END AS invoice_id,"
				"   CASE WHEN min(tenant_id) = max(tenant_id) THEN min(tenant_id) END AS tenant_id"
				"  FROM match_found WHERE rule <> 'suggested' GROUP BY 1) d WHERE p.ctid = d.payment_tid");
	FINOPS_RUN0("INSERT INTO finops.payer_account (account, tenant_id, source)"
				" SELECT DISTINCT account, tenant_id, 'learned' FROM match_found WHERE account IS NOT NULL ON CONFLICT DO NOTHING");
}

static void
write_suggestions(void)
{
	FINOPS_RUN0("DELETE FROM finops.payment_suggestion WHERE status = 'open'");
	FINOPS_RUN0("INSERT INTO finops.payment_suggestion (payment_id, invoice_id, reason)"
				" SELECT f.payment_id, f.invoice_id, min(f.reason) FROM match_found f WHERE f.rule = 'suggested' GROUP BY 1, 2"
				" ORDER BY min(f.seq) ON CONFLICT DO NOTHING");
}

/* Read, decide and lock; false when an invoice changed in between. */
static bool
match_once(const FinopsSession *session)
{
	MemoryContext context = AllocSetContextCreate(session->context, "finops match", ALLOCSET_DEFAULT_SIZES);
	MatchRead	read = {0};
	MatchOutput found;
	bool		isnull;
	bool		locked;

	read.input.allocate = allocate;
	read.input.arg = context;
	read.input.interrupt = interrupt;
	FINOPS_RUN0("SELECT " OPEN_SINCE_SQL);
	read.open_since = DatumGetTimestampTz(FinopsValue(0, 1, &isnull));
	read_tenants(&read, context);
	read_invoices(&read, context);
	read_payments(&read, context);
	MatchRun(&read.input, &found);
	stage_found(&read, &found);
	stage_touched(&read, &found, context);
	MemoryContextDelete(context);
	locked = lock_touched();
	FinopsEndStage("match_currency");
	FinopsEndStage("match_tenant");
	FinopsEndStage("match_open");
	if (!locked)
	{
		FinopsEndStage("match_found");
		FinopsEndStage("match_touched");
	}
	return locked;
}

/* The line that runbooks look for; the message is the alert policy's of that name. */
static void
log_mismatches(void)
{
	int64		left;

	FINOPS_RUN0("SELECT count(*) FROM finops.payment_balance b WHERE b.unapplied > 0");
	left = FinopsInt64(0, 1);
	if (left > 0)
		ereport(LOG,
				(errmsg("PAYMENT_MISMATCH: %lld payments are not applied in full", (long long) left),
				 errhint("SELECT * FROM finops.payment_mismatch lists them with the calls that settle them.")));
}

/*
 * finops.match_payments() -> rule, currency, payments, amount
 *
 * Safe at any time and in any number of sessions; what is applied is audited
 * as one event of the run.  Errors: 40001 where invoices change faster than
 * they can be matched.
 */
Datum
finops_match_payments(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	int			attempt = 1;

	FinopsRequireWritable("finops.match_payments()");
	FinopsBegin(&session);
	FinopsLock(FINOPS_LOCK_SETTLEMENT, 0);
	while (!match_once(&session))
		if (++attempt > MATCH_ATTEMPTS)
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("invoices changed while payments were matched"),
					 errhint("Run SELECT * FROM finops.match_payments() again.")));
	write_found(&session);
	write_suggestions();
	InvoiceSettleCredits(&session);
	log_mismatches();
	FINOPS_STAGE0("match_summary",
				  "SELECT rule, currency, count(DISTINCT payment_id) AS payments, sum(amount) AS amount FROM"
				  " (SELECT rule, currency, payment_id, amount FROM match_found WHERE rule <> 'suggested'"
				  "  UNION ALL SELECT DISTINCT rule, currency, payment_id, amount FROM match_found WHERE rule = 'suggested') x GROUP BY 1, 2");
	FINOPS_RUN0("SELECT coalesce(jsonb_object_agg(rule || ' ' || currency, payments), '{}')::text FROM match_summary");
	FinopsAudit(&session, "match_payments", "payment", "*", FinopsText(0, 1));
	FINOPS_RUN0("SELECT * FROM match_summary ORDER BY rule = 'suggested', rule, currency");
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

static void
decide_suggestion(const FinopsSession *session, int64 id, const char *status,
				  char **payment_id, char **invoice_id)
{
	if (FINOPS_RUN("UPDATE finops.payment_suggestion SET status = $2, decided_at = now(), decided_by = $3"
				   " WHERE suggestion_id = $1 AND status = 'open' RETURNING payment_id, invoice_id",
				   ARG_INT8(id), ARG_TEXT(status), ARG_TEXT(FinopsCallerName(session))) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("there is no open suggestion %lld", (long long) id),
				 errhint("SELECT * FROM finops.payment_suggestion WHERE status = 'open' lists them; each run of finops.match_payments() writes them anew.")));
	*payment_id = FinopsText(0, 1);
	*invoice_id = FinopsText(0, 2);
	FinopsAudit(session, strcmp(status, "accepted") == 0 ? "suggestion_accept" : "suggestion_dismiss", "payment", *payment_id,
				psprintf("{\"suggestion_id\": %lld}", (long long) id));
}

/*
 * finops.accept_suggestion(suggestion_id bigint) -> payment_application
 *
 * Errors: 22004; P0002 where it is not open; 55000, 22023 as
 * finops.apply_payment().
 */
Datum
finops_accept_suggestion(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	FinopsArg	none = ARG_DATUM(NUMERICOID, (Datum) 0, true);
	char	   *payment_id;
	char	   *invoice_id;
	char	   *currency;
	InvoiceDocument doc;
	int64		id;

	FinopsRequireArg(fcinfo, 0, "suggestion_id");
	FinopsRequireWritable("finops.accept_suggestion()");
	FinopsBegin(&session);
	FinopsLock(FINOPS_LOCK_SETTLEMENT, 0);
	decide_suggestion(&session, PG_GETARG_INT64(0), "accepted", &payment_id, &invoice_id);
	currency = PaymentLock(payment_id);
	doc = InvoiceLockDocument(invoice_id);
	id = strcmp(currency, doc.currency) != 0 ? 0 : PaymentApply(&session, payment_id, invoice_id, none, none, "suggestion");
	if (id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nothing of payment \"%s\" fits invoice \"%s\"", FinopsQuoteForMessage(payment_id), FinopsQuoteForMessage(invoice_id)),
				 errhint("SELECT * FROM finops.invoice_balance WHERE invoice_id = '%s' shows what is open.", FinopsQuoteForMessage(invoice_id))));
	PaymentWriteOffSmall(&session, invoice_id);
	InvoiceSettle(invoice_id, ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTimestamp()), false));
	FINOPS_RUN("INSERT INTO finops.payer_account (account, tenant_id, source)"
			   " SELECT regexp_replace(upper(p.payer_account), '[^A-Z0-9]', '', 'g'), h.tenant_id, 'learned'"
			   " FROM @s@.payment_txn p, @s@.invoice_header h WHERE p.payment_id = $1 AND h.invoice_id = $2 AND p.payer_account ~ '[A-Za-z0-9]'"
			   " ON CONFLICT DO NOTHING", ARG_TEXT(payment_id), ARG_TEXT(invoice_id));
	FINOPS_RUN("SELECT * FROM finops.payment_application WHERE application_id = $1", ARG_INT8(id));
	FinopsReturnRows(fcinfo);
	FinopsEnd(&session);
	return (Datum) 0;
}

/*
 * finops.dismiss_suggestion(suggestion_id bigint) -> void
 *
 * Errors: 22004; P0002 where it is not open.
 */
Datum
finops_dismiss_suggestion(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *payment_id;
	char	   *invoice_id;

	FinopsRequireArg(fcinfo, 0, "suggestion_id");
	FinopsRequireWritable("finops.dismiss_suggestion()");
	FinopsBegin(&session);
	decide_suggestion(&session, PG_GETARG_INT64(0), "dismissed", &payment_id, &invoice_id);
	FinopsEnd(&session);
	PG_RETURN_VOID();
}

/*
 * finops.register_payer_account(tenant_id text, account text) -> payer_account
 *
 * Errors: 22004; 22023 for an account without letters and digits; P0002 for
 * an unknown tenant.
 */
Datum
finops_register_payer_account(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	char	   *tenant = InvoiceRequiredText(fcinfo, 0, "tenant_id");
	char	   *account = InvoiceRequiredText(fcinfo, 1, "account");
	char		plain[MATCH_NAME_MAX];

	if (MatchAccount(account, plain, sizeof(plain)) < 4)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("account \"%s\" is no bank account", FinopsQuoteForMessage(account)),
				 errhint("Give an IBAN or an account number.")));
	FinopsRequireWritable("finops.register_payer_account()");
	FinopsBegin(&session);
	InvoiceRequireTenant(tenant);
	FINOPS_RUN("INSERT INTO finops.payer_account AS a (account, tenant_id) VALUES ($1, $2)"
			   " ON CONFLICT ON CONSTRAINT payer_account_pkey DO UPDATE SET source = 'registered' RETURNING a.*",
			   ARG_TEXT(plain), ARG_TEXT(tenant));
	FinopsReturnRows(fcinfo);
	FINOPS_RUN("SELECT jsonb_build_object('account', $1)::text", ARG_TEXT(plain));
	FinopsAudit(&session, "register_payer_account", "tenant", tenant, FinopsText(0, 1));
	FinopsEnd(&session);
	return (Datum) 0;
}
