/*-------------------------------------------------------------------------
 *
 * generate.c
 *	  Generated bills in SQL: their text, and their delivery.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/bill.h"

#include "bill/generate.h"
#include "bill/load.h"

#include "mb/pg_wchar.h"
#include "utils/datetime.h"

PG_FUNCTION_INFO_V1(finops_generated_bill_lines);

/*
 * Arguments (billing_period, line_items, tenants, seed) of both functions.
 * SQL NULL is 22004; a day other than the first of a month, or a number out
 * of its range, is 22023.
 */
static GenBillSpec
spec_of_args(FunctionCallInfo fcinfo, DateADT *period)
{
	GenBillSpec spec;
	int			day;
	int64		tenants;

	*period = FinopsPeriodArg(fcinfo, 0);
	FinopsRequireArg(fcinfo, 1, "line_items");
	FinopsRequireArg(fcinfo, 2, "tenants");
	FinopsRequireArg(fcinfo, 3, "seed");
	j2date(*period + POSTGRES_EPOCH_JDATE, &spec.year, &spec.month, &day);
	/* a term of twelve months must end in a year of four digits */
	if (spec.year > 9998)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bills are generated up to 9998-12")));
	spec.lines = PG_GETARG_INT64(1);
	tenants = PG_GETARG_INT32(2);
	spec.seed = (uint64) PG_GETARG_INT64(3);
	if (spec.lines < 1 || spec.lines > GEN_MAX_LINES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("line_items must be between 1 and %lld",
						(long long) GEN_MAX_LINES),
				 errhint("A bill of 100000 lines is hourly; below 40000 it is daily, below 2000 monthly.")));
	if (tenants < 1 || tenants > GEN_MAX_TENANTS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tenants must be between 1 and %d", GEN_MAX_TENANTS),
				 errhint("An hourly bill has room for about line_items / 1500 tenants.")));
	spec.tenants = (int32) tenants;
	return spec;
}

/* A line in the encoding of the database; the model writes UTF-8. */
static Datum
line_datum(const char *line, size_t length)
{
	char	   *text = pg_any_to_server(line, (int) length, PG_UTF8);

	if (text != line)
		length = strlen(text);
	return PointerGetDatum(cstring_to_text_with_len(text, (int) length));
}

/*
 * finops.generated_bill_lines(billing_period, line_items, tenants, seed)
 *
 * The text of a generated bill, header first, one row per line, as it
 * stands in a CUR 2.0 CSV file.  A pure function of its arguments.
 */
Datum
finops_generated_bill_lines(PG_FUNCTION_ARGS)
{
	FuncCallContext *context;
	GenBill    *bill;
	char		line[GEN_LINE_SIZE];
	size_t		length;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext caller;
		DateADT		period;
		GenBillSpec spec = spec_of_args(fcinfo, &period);
		const char *header = GenBillHeader();

		context = SRF_FIRSTCALL_INIT();
		caller = MemoryContextSwitchTo(context->multi_call_memory_ctx);
		bill = palloc(GenBillSize());
		MemoryContextSwitchTo(caller);
		GenBillInit(bill, &spec);
		context->user_fctx = bill;
		SRF_RETURN_NEXT(context, line_datum(header, strlen(header)));
	}
	context = SRF_PERCALL_SETUP();
	bill = context->user_fctx;
	length = GenBillNext(bill, line);
	if (length > 0)
		SRF_RETURN_NEXT(context, line_datum(line, length));
	SRF_RETURN_DONE(context);
}

/* The text as bytes: header and lines, each with its line end. */
typedef struct GeneratedSource
{
	ByteSource	base;
	GenBill    *bill;
	int			at;				/* within the text of the current line */
	int			length;
	char		line[GEN_LINE_SIZE + 1];
} GeneratedSource;

static int
generated_read(ByteSource *source, char *buf, int len)
{
	GeneratedSource *generated = (GeneratedSource *) source;
	int			n;

	if (generated->at == generated->length)
	{
		size_t		length = GenBillNext(generated->bill, generated->line);

		if (length == 0)
			return 0;
		generated->line[length] = '\n';
		generated->at = 0;
		generated->length = (int) length + 1;
	}
	/* as many whole lines as there is room for */
	n = Min(len, generated->length - generated->at);
	memcpy(buf, generated->line + generated->at, n);
	generated->at += n;
	while (generated->at == generated->length && len - n > GEN_LINE_SIZE)
	{
		size_t		length = GenBillNext(generated->bill, buf + n);

		if (length == 0)
			break;
		n += (int) length;
		buf[n++] = '\n';
	}
	source->offset += n;
	return n;
}

static void
generated_close(ByteSource *source)
{
	pfree(((GeneratedSource *) source)->bill);
	pfree(source);
}

ByteSource *
BillGeneratedSource(const GenBillSpec *spec)
{
	GeneratedSource *generated = palloc0(sizeof(GeneratedSource));
	const char *header = GenBillHeader();

	generated->base.read = generated_read;
	generated->base.close = generated_close;
	generated->bill = palloc(GenBillSize());
	GenBillInit(generated->bill, spec);
	generated->length = (int) strlen(header) + 1;
	memcpy(generated->line, header, generated->length - 1);
	generated->line[generated->length - 1] = '\n';
	return &generated->base;
}

PG_FUNCTION_INFO_V1(finops_generate_bill);

/*
 * finops.generate_bill(billing_period, line_items, tenants, seed): load a
 * generated bill as a delivery of source generated/<seed>, through the same
 * path as a file.  The result is that of finops.load_bill.
 *
 * 22004 and 22023 for arguments and a month that has not begun, 55000 for a
 * locked period, 25006 in a read-only transaction.
 */
Datum
finops_generate_bill(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	DateADT		period;
	GenBillSpec spec = spec_of_args(fcinfo, &period);
	BillLoad   *load;

	FinopsCheckPeriodNotFuture(period);
	FinopsRequireWritable("finops.generate_bill");
	load = BillNewLoad();
	load->generated = &spec;
	load->want = BILL_CUR;
	load->has_want_period = true;
	load->want_period = period;
	load->source_id = psprintf("generated/%lld", (long long) spec.seed);
	load->address = psprintf("generated:%s?line_items=%lld&tenants=%d&seed=%lld",
							 FinopsPeriodText(period), (long long) spec.lines,
							 spec.tenants, (long long) spec.seed);
	BillAddFile(load, (SourceAddress) {0});

	FinopsBegin(&session);
	BillRunLoads(fcinfo, &session, list_make1(load));
	FinopsEnd(&session);
	MemoryContextDelete(load->context);
	return (Datum) 0;
}
