/*-------------------------------------------------------------------------
 *
 * load.h
 *	  The state of one finops.load_bill, and how it reports what is wrong.
 *	  Shared by ingest.c, load_report.c and generate.c of this room only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_BILL_LOAD_H
#define FINOPS_BILL_LOAD_H

#include "bill/bill.h"

#include "storage/buffile.h"

/* The lines of one billing period, on their way into its partition. */
typedef struct BillTarget
{
	BillPeriod	year_month;
	DateADT		period;
	int64		delivery_id;
	char	   *source;
	char	   *constants;		/* source and delivery_id as COPY text */
	bool		opened;			/* the period's lock is held */
	bool		unchanged;		/* these bytes are current already */
	Oid			partition;
	OutBuf		pending;		/* projected lines */
	BufFile    *file;			/* projected lines that wait */
	uint64		lines;
	const char *status;
} BillTarget;

typedef struct BillLoad
{
	MemoryContext context;
	TimestampTz started_at;

	/* what was asked for */
	SourceAddress address;
	const struct GenBillSpec *generated;	/* a generated bill, not a file */
	BillFormat	want;
	bool		has_want_period;
	DateADT		want_period;
	const char *source_id;
	const char *tenant_key;		/* UTF-8 */

	/* the file */
	ByteSource *file;
	ByteSource *top;			/* the file, or the filter over it */
	FileState	state;
	char		digest[65];
	unsigned char first[512];
	int			nfirst;
	CsvReader	csv;
	BillHeader	header;
	BillProjector projector;
	bool		ended;

	/* whose bill it is */
	bool		account_seen;
	bool		no_payer;
	bool		mixed;			/* no single account */
	bool		restart;		/* found out after lines had been projected */
	OutBuf		first_provider; /* UTF-8 */
	OutBuf		first_payer;
	char	   *provider;
	char	   *account_id;

	/* where the lines go */
	BillTarget *targets;
	int			ntargets;
	BillTarget *last;			/* of the latest line */
	BillTarget *stream;			/* copied while the file is read */
	size_t		stream_at;
} BillLoad;

extern BillLoad *BillNewLoad(void);
extern void BillRunLoad(FunctionCallInfo fcinfo, FinopsSession *session,
						BillLoad *load);

/* The text of a generated bill as a byte source; generate.c */
extern ByteSource *BillGeneratedSource(const struct GenBillSpec *spec);

extern BillFormat BillFormatArg(FunctionCallInfo fcinfo, int argno);
extern char *BillSourceIdArg(FunctionCallInfo fcinfo, int argno);
extern BillPeriod BillPeriodOf(DateADT date);
extern DateADT BillPeriodDate(BillPeriod period);

extern void BillCheckFileKind(const BillLoad *load);
pg_noreturn extern void BillRaiseCsv(const BillLoad *load);
pg_noreturn extern void BillRaiseHeader(const BillLoad *load);
pg_noreturn extern void BillRaiseRagged(const BillLoad *load);
pg_noreturn extern void BillRaiseProblem(const BillLoad *load, ValueStatus status,
										 const char *column, Slice value);
pg_noreturn extern void BillRaisePeriod(const BillLoad *load, DateADT found);
pg_noreturn extern void BillRaiseNoPeriod(const BillLoad *load);
pg_noreturn extern void BillRaiseFuture(const BillLoad *load, DateADT found);
extern void BillWarnMissingCost(const BillLoad *load);
extern char *BillLogDetail(const BillLoad *load);

#endif							/* FINOPS_BILL_LOAD_H */
