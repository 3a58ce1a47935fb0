/*-------------------------------------------------------------------------
 *
 * load.h
 *	  The state of one finops.load_bill, and how it reports what is wrong.
 *	  Shared by the files of this room that take part in a load.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_BILL_LOAD_H
#define FINOPS_BILL_LOAD_H

#include "bill/facts.h"

#include "utils/tuplestore.h"

/* Where the lines of one billing period go. */
typedef struct BillTarget
{
	BillPeriod	year_month;
	DateADT		period;
	int64		delivery_id;
	char	   *source;
	bool		unchanged;		/* these bytes are current already */
	Oid			partition;		/* of the facts; of a closed month, a temporary table */
	FactWriter *writer;
	int64		restates;		/* the delivery that match compares with, or 0 */
	FactRollup *rollup;			/* of an open month */
	int64	   *commitments;	/* row_id of lines with a commitment, while they are few */
	int			ncommitments;
	FactMatch  *match;
	const char *status;

	/* what its lines say about the bill, correction.c */
	bool		has_invoice_column;
	uint64		invoiced;		/* lines with an invoice id */
	uint64		uninvoiced;		/* lines with a cost and without one */
	uint64		noted;
	uint64		corrections;	/* FOCUS: ChargeClass Correction */
	uint64		negative;		/* FOCUS: below zero */

	/* what became of it */
	bool		closed;			/* the month is locked: partition is temporary */
	const char *kind;			/* NULL: bill */
	const char *base_source;	/* of what is no bill */
} BillTarget;

/* One file of a delivery. */
typedef struct BillFile
{
	SourceAddress address;
	FileState	state;			/* when its digest was taken */
	unsigned char first[512];	/* bytes as delivered */
	int			nfirst;
	char		digest[65];
	int64		bytes;
	int64		lines;			/* records read, without the header */
	int64		announced;		/* by the manifest, -1: not */
	const char *etag;			/* of a listed object, or NULL */
	int64		listed;			/* its bytes, as listed */
	struct ParquetRows *parquet;	/* what an extension read, or NULL */
} BillFile;

/* Why a line is refused, and by what. */
typedef enum BillRejectKind
{
	BILL_RAGGED,				/* not as many fields as the header */
	BILL_BAD_VALUE,				/* status, column and value say what */
	BILL_NO_PERIOD,
	BILL_OTHER_PERIOD,			/* not the one that was asked for */
	BILL_FUTURE_PERIOD
} BillRejectKind;

typedef struct BillReject
{
	BillRejectKind why;
	ValueStatus status;
	const char *column;			/* as delivered */
	Slice		value;
	DateADT		period;			/* found in the line */
} BillReject;

#define BILL_MAX_PERIODS		120
#define BILL_MAX_COMMITMENTS	20000	/* lines known by row_id */
#define BILL_MAX_HELD		(2 * BILL_MAX_PERIODS)

/* What a delivery does to the one that is current. */
typedef enum BillMode
{
	BILL_MODE_AUTO,				/* found out, correction.c */
	BILL_MODE_REPLACE,
	BILL_MODE_APPEND
} BillMode;

typedef struct BillLoad
{
	MemoryContext context;
	ResourceOwner owner;		/* of what outlives an attempt */
	TimestampTz started_at;

	/* what was asked for */
	const char *address;		/* for the logs: file, manifest or prefix */
	const struct GenBillSpec *generated;	/* a generated bill, not a file */
	BillFormat	want;
	bool		has_want_period;
	DateADT		want_period;
	const char *source_id;
	BillMode	mode;
	const char *tenant_key;		/* UTF-8 */
	const CsvField *columns;	/* of bills without a header line, UTF-8, or NULL */
	int			ncolumns;
	const char *assembly_id;	/* of the manifest */
	const char *group_name;		/* the report of a manifest, or NULL */
	bool		dated;			/* found in the folder of a month */

	/* the files */
	BillFile   *files;
	int			nfiles;
	int			maxfiles;
	int			at;				/* the one that is read */
	char		delimiter;		/* '\0': found in the header line */
	char		digest[65];
	ByteSource *file;
	ByteSource *top;			/* the file, or the filter over it */
	bool		zipped;			/* top delivers a zip archive's members in turn */
	CsvReader	csv;			/* csv.fields is the current record */
	BillHeader	header;
	BillProjector projector;

	/* lines passed over; their columns are in reject.c */
	Tuplestorestate *rejects;
	TupleDesc	reject_columns;
	int64		nrejected;
	Datum		reject_deliveries;	/* bigint[] */

	/* whose bill it is */
	bool		account_seen;
	bool		no_payer;
	bool		by_invoice;		/* account_id is that of an invoice */
	bool		mixed;			/* no single account */
	bool		restart;		/* this attempt must be undone and made again */
	Slice		named_account;	/* first one in the file, UTF-8, or NULL */
	OutBuf		first_provider; /* UTF-8 */
	OutBuf		first_payer;
	char	   *provider;
	char	   *account_id;

	/* where the lines go; anew for each attempt */
	MemoryContext attempt;
	FactReader *reader;
	int			commitment_id;	/* in values */
	FactValue	values[BILL_MAX_COLUMNS];	/* of the current record */
	BillTarget *targets;
	int			ntargets;
	BillTarget *last;			/* of the latest line */
	int64		lines;

	/* months whose locks are held, and those that the next attempt begins with */
	DateADT		held[BILL_MAX_HELD];
	int			nheld;
	DateADT		wanted[BILL_MAX_HELD];
	int			nwanted;

	/* progress */
	int64		bytes_total;
	int64		bytes_before;	/* in the files before this one */
	TimestampTz noticed_at;
} BillLoad;

extern BillLoad *BillNewLoad(void);
extern void BillRunLoads(FunctionCallInfo fcinfo, FinopsSession *session,
						 List *loads);

/* ---------------------------------------------------------------------
 * Deliveries, prefix.c
 * ---------------------------------------------------------------------
 */
extern List *BillLoadsOf(BillLoad *load, const SourceAddress *address);
extern void BillCheckAnnounced(const BillLoad *load);
extern bool BillFilesAreKnown(BillLoad *load);
extern void BillDescribeDelivery(const BillLoad *load, const BillTarget *target);

/* ---------------------------------------------------------------------
 * What a delivery is to the bill: increments (correction.c), bills of locked
 * months (restate.c), credits that repeat a restatement (settle.c)
 * ---------------------------------------------------------------------
 */

/* What the current line says about its bill. */
extern void BillNoteLine(BillLoad *load, BillTarget *target);

/* The relation that holds the lines, quoted. */
extern char *BillTargetRelation(const BillTarget *target);
extern bool BillIsIncrement(const BillLoad *load, const BillTarget *target);
extern char *BillIncrementSource(const BillLoad *load, const char *source);
extern void BillMakeIncrement(const BillLoad *load, BillTarget *target);
extern void BillDropIncrements(const BillTarget *target);

extern bool BillPeriodIsClosed(DateADT period);
extern Oid	BillRestatedTable(const BillTarget *target);
extern void BillDropRestated(BillTarget *target);
extern DateADT BillOpenMonthAfter(DateADT origin);
extern void BillCorrectPeriod(const FinopsSession *session, BillLoad *load,
							  BillTarget *target, BillDelivery *delivery);
extern void BillNegatedColumns(char **names, char **values);

extern void BillSettleCredits(const FinopsSession *session, const BillLoad *load,
							  int64 delivery_id, const char *source, DateADT period);

/*
 * These bytes ($1) are what stands last for a source and month: a current
 * delivery d that no later restatement of a locked month has overtaken.  For
 * who says that they are the whole bill ($3), an increment is not that.
 */
#define BILL_STANDS \
	"d.digest = $1 AND d.status = 'current' AND d.kind <> 'offset'" \
	" AND (coalesce(d.base_source, d.source) = $2 OR $2 IS NULL)" \
	" AND (d.kind <> 'increment' OR NOT $3)" \
	" AND (d.kind = 'increment' OR NOT EXISTS (SELECT FROM finops.delivery c" \
	" WHERE c.base_source = coalesce(d.base_source, d.source) AND c.kind = 'correction'" \
	" AND c.status = 'current' AND c.delivery_id > d.delivery_id" \
	" AND c.origin_period = coalesce(d.origin_period, d.billing_period)))"

/* ---------------------------------------------------------------------
 * Input, load_input.c: add the files, take the digest, then open and read
 * ---------------------------------------------------------------------
 */
extern void BillAddFile(BillLoad *load, SourceAddress address);
extern void BillDigestInput(BillLoad *load);
extern void BillOpenInput(BillLoad *load);
extern bool BillNextRecord(BillLoad *load);
extern void BillCloseInput(BillLoad *load);
extern void BillShowProgress(BillLoad *load);

/* ---------------------------------------------------------------------
 * Targets, load_target.c
 * ---------------------------------------------------------------------
 */
extern const char *BillSourceName(BillLoad *load);
/*
 * The target of a period, opened: its lock is held, and it is known what the
 * delivery restates.  NULL: load->restart has been set.
 */
extern BillTarget *BillTargetOf(BillLoad *load, BillPeriod period);

/* Before an attempt: lock the months that the last one could not. */
extern void BillLockWanted(BillLoad *load);

/* Add load->values as a line. */
extern void BillTargetAdd(BillLoad *load, BillTarget *target);

/* ---------------------------------------------------------------------
 * Lines that cannot be loaded, reject.c
 * ---------------------------------------------------------------------
 */

/*
 * The current record cannot be loaded.  Raises; where lines may be rejected
 * it returns, and the record is passed over.
 */
extern void BillRejectLine(BillLoad *load, BillReject reject);
extern void BillForgetRejects(BillLoad *load);
extern void BillKeepRejects(BillLoad *load);
extern int64 BillRejectsOf(const BillLoad *load, int64 delivery_id);
pg_noreturn extern void BillRaiseProblem(const BillLoad *load, ValueStatus status,
										 const char *column, Slice value);

/* ---------------------------------------------------------------------
 * Parquet, parquet.c
 * ---------------------------------------------------------------------
 */
extern bool BillIsParquet(const BillFile *file);
extern void BillStageParquet(BillLoad *load);
extern ByteSource *BillParquetSource(BillLoad *load, const BillFile *file);

/* The text of a generated bill as a byte source; generate.c */
extern ByteSource *BillGeneratedSource(const struct GenBillSpec *spec);

/* The header, load_header.c */
extern void BillReadHeader(BillLoad *load);
extern void BillColumnsArg(FunctionCallInfo fcinfo, int argno, BillLoad *load);

extern BillFormat BillFormatArg(FunctionCallInfo fcinfo, int argno);
extern BillMode BillModeArg(FunctionCallInfo fcinfo, int argno);
extern char *BillSourceIdArg(FunctionCallInfo fcinfo, int argno);
extern BillPeriod BillPeriodOf(DateADT date);
extern DateADT BillPeriodDate(BillPeriod period);

extern void BillCheckFileKind(const BillFile *file);
extern bool BillMemberIsBill(const char *name, const SourceAddress *archive);
extern const char *BillFileAtHand(const BillLoad *load);
pg_noreturn extern void BillRaiseCsv(const BillLoad *load);
pg_noreturn extern void BillRaiseHeader(const BillLoad *load);
extern char *BillShown(Slice s, int limit);
extern void BillWarnMissingCost(const BillLoad *load);
extern char *BillLogDetail(const BillLoad *load);

#endif							/* FINOPS_BILL_LOAD_H */
