/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  Find what was changed behind the back of the guards.
 *
 * Every issued document is read back and digested anew: its sums, its taxes,
 * its digest.  Then the chain of each series is walked: every link is the
 * hash of the digest and the link before, numbers have no gap.  A document
 * that is gone leaves a hole in the numbers, one that is gone at the end
 * leaves the series ahead of its last document.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/document_reader.h"

PG_FUNCTION_INFO_V1(finops_verify_invoices);

static const char *const chain_sql =
	"SELECT h.number_series, h.number_seq, h.invoice_id, h.prev_hash, h.hash, h.digest FROM @s@.invoice_header h"
	" WHERE h.number_series IS NOT NULL ORDER BY h.number_series COLLATE \"C\", h.number_seq";

/* Credit notes against what they credit. */
static const char *const credits_sql =
	"SELECT n.invoice_id, format('credits %s, which is not issued', n.original_invoice_id) FROM @s@.invoice_header n"
	" WHERE n.kind = 'credit_note' AND n.status IN ('issued', 'paid') AND NOT EXISTS (SELECT FROM @s@.invoice_header o"
	"  WHERE o.invoice_id = n.original_invoice_id AND o.number_series IS NOT NULL)"
	" UNION ALL SELECT o.invoice_id, format('credit notes add up to %s, total is %s', c.credited, o.total)"
	" FROM (SELECT original_invoice_id, sum(total) AS credited FROM @s@.invoice_header"
	"  WHERE kind = 'credit_note' AND status IN ('issued', 'paid') GROUP BY 1) c"
	" JOIN @s@.invoice_header o ON o.invoice_id = c.original_invoice_id WHERE c.credited < -o.total ORDER BY 1";

static const char *const series_sql =
	"SELECT s.series, s.last_number, coalesce(s.last_hash, ''), coalesce(h.last_seq, 0), coalesce(h.last_hash, '')"
	" FROM finops.number_series s FULL JOIN (SELECT DISTINCT ON (number_series) number_series, number_seq AS last_seq,"
	"  hash AS last_hash FROM @s@.invoice_header WHERE number_series IS NOT NULL"
	"  ORDER BY number_series, number_seq DESC) h ON h.number_series = s.series"
	" WHERE s.last_number IS DISTINCT FROM coalesce(h.last_seq, 0)"
	" OR coalesce(s.last_hash, '') <> coalesce(h.last_hash, '')"
	" ORDER BY s.series COLLATE \"C\"";

static void
emit(ReturnSetInfo *rsinfo, const char *invoice_id, const char *problem)
{
	Datum		values[2] = {(Datum) 0, CStringGetTextDatum(problem)};
	bool		nulls[2] = {invoice_id == NULL, false};

	if (invoice_id != NULL)
		values[0] = CStringGetTextDatum(invoice_id);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static char *
decimal_text(InvoiceDecimal value)
{
	return DatumGetCString(DirectFunctionCall1(numeric_out, InvoiceNumeric(value)));
}

/* Sums of decimals of one scale: amounts are in minor units. */
static bool
add(InvoiceDecimal *sum, InvoiceDecimal value)
{
	if (value.scale != sum->scale)
		return false;
	sum->units += value.units;
	return true;
}

static void
verify_sums(ReturnSetInfo *rsinfo, const InvoiceStored *doc)
{
	const InvoiceContent *c = &doc->content;
	InvoiceDecimal net = {0, c->subtotal.scale};
	InvoiceDecimal gross = {0, c->total.scale};
	InvoiceDecimal tax = {0, c->tax.scale};
	bool		scales = true;

	for (int i = 0; i < doc->nlines; i++)
	{
		scales &= add(&net, doc->lines[i].amount);
		if (doc->lines[i].has_gross)
			scales &= add(&gross, doc->lines[i].gross);
	}
	for (int i = 0; i < doc->ntaxes; i++)
		scales &= add(&tax, doc->taxes[i].tax);
	if (net.units != c->subtotal.units || !scales)
		emit(rsinfo, doc->invoice_id, psprintf("lines add up to %s, subtotal is %s", decimal_text(net), decimal_text(c->subtotal)));
	if (c->inclusive && strcmp(doc->issue.kind, "invoice") == 0 && gross.units != c->total.units)
		emit(rsinfo, doc->invoice_id, psprintf("gross lines add up to %s, total is %s", decimal_text(gross), decimal_text(c->total)));
	if (tax.units != c->tax.units)
		emit(rsinfo, doc->invoice_id, psprintf("tax adds up to %s, document says %s", decimal_text(tax), decimal_text(c->tax)));
	if (c->total.units != c->subtotal.units + c->tax.units)
		emit(rsinfo, doc->invoice_id, "subtotal and tax do not add up to the total");
	if (doc->contradictions > 0)
		emit(rsinfo, doc->invoice_id, "lines contradict the header");
}

static void
verify_documents(ReturnSetInfo *rsinfo)
{
	InvoiceReader *reader = InvoiceReaderOpen(NULL);
	InvoiceStored doc;
	char		digest[65];

	while (InvoiceReaderNext(reader, &doc))
	{
		CHECK_FOR_INTERRUPTS();
		if (strcmp(doc.status, "issued") != 0 && strcmp(doc.status, "paid") != 0 && doc.issue.series == NULL)
			continue;
		verify_sums(rsinfo, &doc);
		InvoiceIssueDigest(&doc.issue, doc.content_digest, digest);
		if (doc.digest == NULL || strcmp(digest, doc.digest) != 0)
			emit(rsinfo, doc.invoice_id, "hash does not match the document");
	}
	InvoiceReaderClose(reader);
}

static void
verify_link(ReturnSetInfo *rsinfo, const InvoiceStream *rows, int64 before, const char *prev_hash)
{
	char	   *series = InvoiceStreamCopy(rows, 1);
	int64		seq = InvoiceStreamInt(rows, 2);
	char	   *id = InvoiceStreamCopy(rows, 3);
	char	   *prev = InvoiceStreamCopy(rows, 4);
	char	   *hash = InvoiceStreamCopy(rows, 5);
	char	   *digest = InvoiceStreamCopy(rows, 6);
	char		link[65];

	if (seq == before + 2)
		emit(rsinfo, NULL, psprintf("number %lld of series %s is missing",
									(long long) (before + 1), series));
	else if (seq > before + 2)
		emit(rsinfo, NULL, psprintf("numbers %lld to %lld of series %s are missing",
									(long long) (before + 1), (long long) (seq - 1), series));
	if (prev == NULL || strcmp(prev, prev_hash) != 0)
		emit(rsinfo, id, "previous hash is not the hash of the document before it");
	if (prev == NULL || digest == NULL || hash == NULL || strlen(prev) > 64 || strlen(digest) != 64)
	{
		emit(rsinfo, id, "hash is no link of the chain");
		return;
	}
	InvoiceChainHash(prev, digest, link);
	if (strcmp(hash, link) != 0)
		emit(rsinfo, id, "hash is no link of the chain");
}

static void
verify_chains(ReturnSetInfo *rsinfo)
{
	InvoiceRun	run = {.context = CurrentMemoryContext};
	InvoiceStream *rows = InvoiceStreamOpen(&run, chain_sql);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "finops chain", ALLOCSET_DEFAULT_SIZES);
	char	   *series = NULL;
	int64		before = 0;
	char		prev_hash[65] = "";

	while (InvoiceStreamNext(rows))
	{
		MemoryContext old = MemoryContextSwitchTo(scratch);
		char	   *name = InvoiceStreamCopy(rows, 1);
		char	   *hash;

		CHECK_FOR_INTERRUPTS();
		if (series == NULL || strcmp(series, name) != 0)
		{
			series = MemoryContextStrdup(run.context, name);
			before = 0;
			prev_hash[0] = '\0';
		}
		verify_link(rsinfo, rows, before, prev_hash);
		before = InvoiceStreamInt(rows, 2);
		hash = InvoiceStreamCopy(rows, 5);
		strlcpy(prev_hash, hash == NULL ? "" : hash, sizeof(prev_hash));
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
	}
	InvoiceStreamClose(rows);
}

/*
 * finops.verify_invoices() -> TABLE (invoice_id text, problem text)
 *
 * Empty when every issued document is as it was issued.
 */
Datum
finops_verify_invoices(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	ReturnSetInfo *rsinfo;
	uint64		n;

	InitMaterializedSRF(fcinfo, 0);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FinopsBegin(&session);
	verify_documents(rsinfo);
	verify_chains(rsinfo);
	n = FINOPS_RUN0(credits_sql);
	for (uint64 i = 0; i < n; i++)
		emit(rsinfo, FinopsText(i, 1), FinopsText(i, 2));
	n = FINOPS_RUN0(series_sql);
	for (uint64 i = 0; i < n; i++)
		emit(rsinfo, NULL, psprintf("series %s stands at number %s, its last document at %s",
									FinopsText(i, 1) ? FinopsText(i, 1) : "?",
									FinopsText(i, 2) ? FinopsText(i, 2) : "?",
									FinopsText(i, 4)));
	FinopsEnd(&session);
	return (Datum) 0;
}
