/*-------------------------------------------------------------------------
 *
 * issue_one.c
 *	  One document of one tenant, issued at once when all is complete.
 *
 * Many sessions do this for the same month, each for a tenant.  They share
 * the month's lock and wait for each other only where they have to: for the
 * head of the series, whose next number and hash depend on the document
 * before.  So everything else is read and made before that lock is taken,
 * rows are read and written without statements (direct.c), and the lock is
 * given back when the commit record is in the log (early_commit.c).
 *
 * What is in the way, whatever it is, sends the caller to the general way,
 * which tells.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/chain.h"
#include "invoice/watch.h"

#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* The rows that say whether and how the document is issued. */
typedef struct OneTenant
{
	DirectRow	header;
	DirectRow	tenant;
	DirectRow	billing;		/* may have no tuple */
	DirectRow	issuer;
	bool		alone;			/* there is no other document but void ones */
} OneTenant;

/* ---------------------------------------------------------------------
 * The month
 * ---------------------------------------------------------------------
 */
typedef struct Gates
{
	bool		reconciled;
	char	   *mark;
} Gates;

static bool
look_at_gate(const DirectRow *row, void *arg)
{
	Gates	   *gates = arg;
	char	   *gate = DirectText(row, "gate");

	if (strcmp(gate, "reconciliation") == 0)
	{
		char	   *status = DirectText(row, "status");

		gates->reconciled = strcmp(status, "ok") == 0 || strcmp(status, "resolved") == 0;
	}
	else if (strcmp(gate, "documents") == 0)
		gates->mark = DirectText(row, "mark");
	return true;
}

static Gates
read_gates(DateADT period)
{
	Gates		gates = {false, NULL};
	Datum		key = DateADTGetDatum(period);

	DirectScan(true, "period_gate", "period_gate_pkey", 1, &key, look_at_gate, &gates);
	return gates;
}

/*
 * Whether documents may depend on usage of the tenant: $1 first day of the
 * month, $2 that of the next, $3 tenant, $4 months in which late usage counts.
 */
static const char *const metered_sql =
	"SELECT WHERE EXISTS (SELECT FROM @s@.usage_snapshot_daily u WHERE u.tenant_id = $3 AND u.usage_date < $2"
	"  AND u.usage_date >= ($1 - $4 * interval '1 month')::date)"
	" OR EXISTS (SELECT FROM finops.late_usage l WHERE l.tenant_id = $3 AND l.usage_date < $2"
	"  AND l.usage_date >= ($1 - $4 * interval '1 month')::date)"
	" OR EXISTS (SELECT FROM finops.usage_event e WHERE e.tenant_id = $3 AND e.usage_date >= $1 AND e.usage_date < $2)"
	" OR EXISTS (SELECT FROM finops.usage_balance_entry b WHERE b.tenant_id = $3)"
	" OR EXISTS (SELECT FROM finops.topup_consent c WHERE c.tenant_id = $3)"
	" OR EXISTS (SELECT FROM @s@.topup_ledger l WHERE l.tenant_id = $3)"
	" OR EXISTS (SELECT FROM finops.plan_price p WHERE p.rollover_periods > 0)";

static bool
is_metered(DateADT period, const char *tenant)
{
	return FINOPS_RUN_KEPT(metered_sql, ARG_DATE(period), ARG_DATE(FinopsPeriodEnd(period)), ARG_TEXT(tenant),
						   ARG_INT4(finops_late_usage_months)) > 0;
}

/* Whether the open document of a tenant is what a preparation would make now. */
bool
InvoiceIsCurrent(DateADT period, const char *tenant)
{
	switch (WatchCompare(read_gates(period).mark))
	{
		case WATCH_UNCHANGED:
			return true;
		case WATCH_USAGE_CHANGED:
			return tenant != NULL && !is_metered(period, tenant);
		case WATCH_CHANGED:
			break;
	}
	return false;
}

/* ---------------------------------------------------------------------
 * The document
 * ---------------------------------------------------------------------
 */
typedef struct Found
{
	DirectRow  *header;			/* NULL: only count */
	int			open;			/* of documents that are not void */
	int			replaced;
	int			others;
} Found;

/* By a revision, or to be. */
static bool
is_replaced(const DirectRow *row)
{
	bool		isnull;
	Datum		key = DirectDatum(row, "invoice_id", &isnull);

	return DirectFetch(true, "invoice_replacement", "invoice_replacement_pkey", 1, &key).tuple != NULL;
}

static bool
look_at_header(const DirectRow *row, void *arg)
{
	Found	   *found = arg;
	char	   *kind = DirectText(row, "kind");
	char	   *status = DirectText(row, "status");

	if (strcmp(kind, "invoice") != 0 || strcmp(status, "void") == 0)
		return true;
	if (strcmp(status, "open") != 0)
	{
		if (is_replaced(row))
			found->replaced++;
		else
			found->others++;
	}
	else if (found->open++ == 0 && found->header != NULL)
		DirectKeep(row, found->header);
	return true;
}

bool
InvoiceIsIssued(DateADT period, const char *tenant)
{
	const Datum key[2] = {CStringGetTextDatum(tenant), DateADTGetDatum(period)};
	Found		found = {NULL};

	DirectScan(false, "invoice_header", "invoice_header_tenant_key", 2, key, look_at_header, &found);
	return found.others > 0;
}

static bool
read_tenant(OneTenant *one, DateADT period, const char *tenant)
{
	Datum		key[2] = {CStringGetTextDatum(tenant), DateADTGetDatum(period)};
	Found		found = {.header = &one->header};
	bool		isnull;

	DirectScan(false, "invoice_header", "invoice_header_tenant_key", 2, key, look_at_header, &found);
	if (found.open != 1 || found.others > 0)
		return false;
	one->alone = found.replaced == 0;
	one->tenant = DirectFetch(false, "tenant_master", "tenant_master_pkey", 1, key);
	one->billing = DirectFetch(true, "tenant_billing", "tenant_billing_pkey", 1, key);
	key[0] = DirectDatum(&one->header, "issuer_id", &isnull);
	one->issuer = DirectFetch(true, "issuer", "issuer_pkey", 1, key);
	return one->tenant.tuple != NULL && one->issuer.tuple != NULL;
}

/*
 * What is frozen into the document, when it is due, and whether nothing is
 * missing.  A tax profile whose rate does not stand in it is left to the
 * general way.
 */
static const char *const frozen_sql =
	"SELECT " INVOICE_RECIPIENT_SNAPSHOT ", " INVOICE_ISSUER_SNAPSHOT ", " INVOICE_DUE_SQL("$1", "$2", "i.payment_terms_days") ","
	" coalesce(h.total > 0 AND h.plan_code IS NOT NULL AND h.input_digest IS NOT NULL AND h.issuer IS NULL AND h.recipient IS NULL"
	"  AND btrim(t.tenant_name) <> '' AND coalesce(t.billing_contact -> 'address', 'null') NOT IN ('null', '\"\"', '{}')"
	"  AND (coalesce(t.tax_profile -> 'exempt' = 'true', false) OR CASE WHEN jsonb_typeof(t.tax_profile -> 'rate_pct') = 'number'"
	"   THEN (t.tax_profile -> 'rate_pct')::numeric BETWEEN 0 AND 100 END)"
	"  AND " INVOICE_ISSUER_MISSING("h.tax <> 0") " = '', false)"
	" FROM (SELECT $3 AS total, $4 AS tax, $5 AS plan_code, $6 AS input_digest, $7 AS issuer, $8 AS recipient,"
	"  $9 AS payment_terms_from, $10 AS payment_terms_days) h,"
	" (SELECT $11 AS tenant_id, $12 AS tenant_name, $13 AS billing_contact, $14 AS tax_profile) t,"
	" (SELECT $15 AS legal_name, $16 AS address, $17 AS vat_id, $18 AS bank, $19 AS payment_terms_days,"
	"  $20 AS time_zone, $21 AS tax_currency) i";

typedef struct Frozen
{
	Datum		recipient;
	Datum		issuer;
	TimestampTz due_at;
} Frozen;

static bool
freeze(const OneTenant *one, TimestampTz now, Frozen *frozen)
{
	const char *zone = DirectText(&one->billing, "time_zone");
	bool		isnull;

	if (zone == NULL)
		zone = DirectText(&one->issuer, "time_zone");
	(void) FINOPS_RUN_KEPT(frozen_sql, ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(now), false),
						   ARG_TEXT(zone),
						   DirectArg(&one->header, "total", NUMERICOID), DirectArg(&one->header, "tax", NUMERICOID),
						   DirectArg(&one->header, "plan_code", TEXTOID), DirectArg(&one->header, "input_digest", TEXTOID),
						   DirectArg(&one->header, "issuer", JSONBOID), DirectArg(&one->header, "recipient", JSONBOID),
						   DirectArg(&one->header, "payment_terms_from", TEXTOID),
						   DirectArg(&one->header, "payment_terms_days", INT4OID),
						   DirectArg(&one->tenant, "tenant_id", TEXTOID), DirectArg(&one->tenant, "tenant_name", TEXTOID),
						   DirectArg(&one->tenant, "billing_contact", JSONBOID),
						   DirectArg(&one->tenant, "tax_profile", JSONBOID),
						   DirectArg(&one->issuer, "legal_name", TEXTOID), DirectArg(&one->issuer, "address", JSONBOID),
						   DirectArg(&one->issuer, "vat_id", TEXTOID), DirectArg(&one->issuer, "bank", JSONBOID),
						   DirectArg(&one->issuer, "payment_terms_days", INT4OID),
						   DirectArg(&one->issuer, "time_zone", TEXTOID), DirectArg(&one->issuer, "tax_currency", TEXTOID));
	if (!DatumGetBool(FinopsValue(0, 4, &isnull)))
		return false;
	frozen->recipient = SPI_datumTransfer(FinopsValue(0, 1, &isnull), false, -1);
	frozen->issuer = SPI_datumTransfer(FinopsValue(0, 2, &isnull), false, -1);
	frozen->due_at = DatumGetTimestampTz(FinopsValue(0, 3, &isnull));
	return true;
}

static char *
json_text(Datum value)
{
	Jsonb	   *json = DatumGetJsonbP(value);

	return JsonbToCString(NULL, &json->root, VARSIZE(json));
}

/* ---------------------------------------------------------------------
 * Writing
 * ---------------------------------------------------------------------
 */

/* By a statement where somebody else's trigger or check wants to see it. */
static void
update_by_statement(const InvoiceIssue *issue, const Frozen *frozen, const char *const hashes[3])
{
	if (FINOPS_RUN_KEPT("UPDATE @s@.invoice_header h SET status = 'issued', invoice_number = $2, number_series = $3, number_seq = $4,"
						" issued_at = $5, due_at = $6, recon_id = $7, issuer = $8, recipient = $9, issued_by = $10,"
						" digest = $11, prev_hash = $12, hash = $13 WHERE h.invoice_id = $1 AND h.status = 'open'",
						ARG_TEXT(issue->invoice_id), ARG_TEXT(issue->invoice_number), ARG_TEXT(issue->series),
						ARG_INT8(issue->seq),
						ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(issue->issued_at), false),
						ARG_DATUM(TIMESTAMPTZOID, TimestampTzGetDatum(issue->due_at), false),
						ARG_TEXT(issue->recon_id),
						ARG_DATUM(JSONBOID, frozen->issuer, false),
						ARG_DATUM(JSONBOID, frozen->recipient, false), ARG_TEXT(issue->issued_by),
						ARG_TEXT(hashes[0]), ARG_TEXT(hashes[1]), ARG_TEXT(hashes[2])) != 1)
		elog(ERROR, "document \"%s\" changed while it was issued", issue->invoice_id);
}

/* Whether it was written to the row, so that this is what it is now. */
static bool
write_issue(const DirectRow *header, const InvoiceIssue *issue, const Frozen *frozen,
			const char *const hashes[3])
{
	static const char *const triggers[] = {"invoice_header_guard", NULL};
	const DirectChange changes[] = {
		{"status", CStringGetTextDatum("issued")},
		{"invoice_number", CStringGetTextDatum(issue->invoice_number)},
		{"number_series", CStringGetTextDatum(issue->series)},
		{"number_seq", Int64GetDatum(issue->seq)},
		{"issued_at", TimestampTzGetDatum(issue->issued_at)},
		{"due_at", TimestampTzGetDatum(issue->due_at)},
		{"recon_id", CStringGetTextDatum(issue->recon_id)},
		{"issuer", frozen->issuer},
		{"recipient", frozen->recipient},
		{"issued_by", CStringGetTextDatum(issue->issued_by)},
		{"digest", CStringGetTextDatum(hashes[0])},
		{"prev_hash", CStringGetTextDatum(hashes[1])},
		{"hash", CStringGetTextDatum(hashes[2])},
	};

	if (!DirectMayUpdate(header, triggers, InvoiceHeaderChecks))
	{
		update_by_statement(issue, frozen, hashes);
		return false;
	}
	DirectUpdate(header, changes, lengthof(changes));
	return true;
}

static void
return_header(const DirectRow *header, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	FinopsCheckReturned(header->desc, rsinfo->setDesc);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, header->values, header->nulls);
}

static InvoiceIssuer
issuer_of(const DirectRow *row, char *snapshot)
{
	return (InvoiceIssuer) {
		.exists = true,
		.issuer_id = DirectText(row, "issuer_id"),
		.snapshot = snapshot,
		.number_format = DirectText(row, "number_format"),
		.credit_number_format = DirectText(row, "credit_number_format"),
		.terms_days = (int) DirectInt(row, "payment_terms_days", 0),
	};
}

/* In the audit trail, ahead of the wait for the series. */
static Datum
audit(const InvoiceIssue *issue)
{
	static const char *const checks[] = {"audit_event_actor_type_check", NULL};
	Datum		event = InvoiceNewEventId();
	const DirectChange columns[] = {
		{"event_id", event},
		{"occurred_at", TimestampTzGetDatum(GetCurrentTimestamp())},
		{"actor_type", CStringGetTextDatum("operator_user")},
		{"actor_id", CStringGetTextDatum(issue->issued_by)},
		{"action", CStringGetTextDatum("invoice_issue")},
		{"object_type", CStringGetTextDatum("invoice")},
		{"object_id", CStringGetTextDatum(issue->invoice_id)},
	};

	if (!DirectInsert(false, "audit_event", columns, lengthof(columns), checks))
		FINOPS_RUN_KEPT("INSERT INTO @s@.audit_event (event_id, actor_type, actor_id, action, object_type, object_id)"
						" VALUES ($1, 'operator_user', $2, 'invoice_issue', 'invoice', $3)",
						ARG_DATUM(UUIDOID, event, false), ARG_TEXT(issue->issued_by),
						ARG_TEXT(issue->invoice_id));
	return event;
}

/* Nobody has changed the document while this session waited for the series. */
static bool
is_still(const DirectRow *header)
{
	bool		isnull;
	Datum		key = DirectDatum(header, "invoice_id", &isnull);
	DirectRow	now = DirectFetch(false, "invoice_header", "invoice_header_pkey", 1, &key);

	return now.tuple != NULL && ItemPointerEquals(&now.tuple->t_self, &header->tuple->t_self);
}

bool
InvoiceIssueOne(const FinopsSession *session, DateADT period, const char *tenant, const char *recon_id,
				FunctionCallInfo fcinfo)
{
	OneTenant	one = {0};
	Frozen		frozen;
	InvoiceNumberBlock block;
	InvoiceIssuer issuer;
	InvoiceIssue issue = {.issued_by = FinopsCallerName(session)};
	TimestampTz now = GetCurrentTimestamp();
	Datum		event;
	char	   *terms_from;
	char		digest[65];
	char		prev_hash[65];

	if (!read_gates(period).reconciled || !read_tenant(&one, period, tenant) || !freeze(&one, now, &frozen))
		return false;
	issue.invoice_id = DirectText(&one.header, "invoice_id");
	issue.kind = "invoice";
	issue.revision = (int) DirectInt(&one.header, "revision", 1);
	issue.recon_id = DirectText(&one.header, "recon_id");
	if (issue.recon_id == NULL)
		issue.recon_id = recon_id;
	issue.reason = DirectText(&one.header, "reason");
	issue.recipient = json_text(frozen.recipient);
	issue.issuer = json_text(frozen.issuer);
	issuer = issuer_of(&one.issuer, unconstify(char *, issue.issuer));
	event = audit(&issue);
	terms_from = DirectText(&one.header, "payment_terms_from");
	block = InvoiceLockSeries(&issuer, "invoice");
	if (!is_still(&one.header))
	{
		FINOPS_RUN("DELETE FROM @s@.audit_event WHERE event_id = $1", ARG_DATUM(UUIDOID, event, false));
		return false;
	}
	issue.due_at = frozen.due_at;
	/* the time under the lock is the later one: a due time that counts from it moves along */
	if (terms_from == NULL || strcmp(terms_from, "month_end") != 0)
		issue.due_at += block.issued_at - now;
	InvoiceNumberDocument(&block, &issue, DirectText(&one.header, "input_digest"), digest, prev_hash);
	InvoiceEndSeries(&block);
	if (write_issue(&one.header, &issue, &frozen,
					(const char *const[]) {digest, prev_hash, block.last_hash}) && one.alone)
		return_header(&one.header, fcinfo);
	return true;
}
