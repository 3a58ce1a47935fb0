/*-------------------------------------------------------------------------
 *
 * bill.h
 *	  Room bill: what other rooms may call, and what its files share.
 *
 * From bytes to facts: a byte source (core/source.h) is split into records
 * (csv.c); the header line is mapped to fields (header.c); each record is
 * projected (project.c, project_out.c) to the values of one fact
 * (fact_value.c), which goes into the partition of its billing period
 * (fact_writer.c, bulk.c) and into the sums of its day (rollup.c); the
 * delivery is then put in the place of the one it restates (delivery.c,
 * difference.c).  ingest.c leads through it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_BILL_H
#define FINOPS_BILL_H

#include "core/pure.h"

/* ---------------------------------------------------------------------
 * Records, csv.c
 * ---------------------------------------------------------------------
 */
#define CSV_MAX_RECORD	((size_t) 64 * 1024 * 1024)
#define CSV_MAX_FIELDS	16384

#define CSV_QUOTED	1			/* stood in quotes */
#define CSV_DOUBLED 2			/* doubled quotes were folded */

typedef struct CsvField
{
	char	   *data;			/* not terminated */
	int			len;
	unsigned int flags;
} CsvField;

typedef enum CsvStatus
{
	CSV_RECORD,
	CSV_END,
	CSV_READ_FAILED,			/* the source said -1 */
	CSV_NUL_BYTE,
	CSV_UNTERMINATED,			/* the text ends inside quotes */
	CSV_AFTER_QUOTE,			/* something follows a closing quote */
	CSV_TOO_LONG,
	CSV_TOO_MANY_FIELDS,
	CSV_NO_MEMORY
} CsvStatus;

typedef int (*CsvRead) (void *arg, char *buf, int len);

typedef struct CsvReader
{
	CsvField   *fields;			/* of the current record */
	int			nfields;
	int64		line;			/* where the record begins, from 1 */
	char	   *record;			/* its text with line end; quotes folded */
	size_t		record_len;

	CsvRead		read;
	void	   *arg;
	CsvStatus	status;
	int64		next_line;
	char	   *buf;			/* size bytes and some behind them */
	size_t		size;
	size_t		pos;			/* first byte not yet used */
	size_t		end;
	bool		at_end;			/* of the source */
	bool		started;
	int			maxfields;
	char		delimiter;
	unsigned char stop[256];
} CsvReader;

/* delimiter '\0': found in the first line, one of , ; tab and \001 */
extern void CsvInit(CsvReader *csv, CsvRead read, void *arg, char delimiter);
extern CsvStatus CsvNext(CsvReader *csv);
extern void CsvFree(CsvReader *csv);
extern bool CsvIsNull(const CsvField *field, bool quoted_too);

/* ---------------------------------------------------------------------
 * Values, value.c
 * ---------------------------------------------------------------------
 */

/* A piece of text that somebody else owns; data NULL is SQL NULL. */
typedef struct Slice
{
	const char *data;
	int			len;
} Slice;

/* Growing byte buffer; ok turns false when memory is short. */
typedef struct OutBuf
{
	char	   *data;
	size_t		len;
	size_t		size;
	bool		ok;
} OutBuf;

extern void OutReserve(OutBuf *out, size_t more);
extern void OutBytes(OutBuf *out, const char *data, size_t len);
extern void OutText(OutBuf *out, const char *text);
extern void OutFree(OutBuf *out);

typedef enum ValueStatus
{
	VALUE_OK,
	VALUE_NOT_A_NUMBER,
	VALUE_NUMBER_TOO_LONG,
	VALUE_NOT_A_TIME,
	VALUE_NOT_UTF8,
	VALUE_NOT_JSON				/* a JSON object was expected */
} ValueStatus;

/* Digits before and behind the point that an amount may have. */
#define NUMBER_MAX_DIGITS	100

extern Slice SliceTrim(Slice s);
extern bool SliceEqual(Slice s, const char *text);

/* Integer, decimal or E-notation without sign characters but '-'. */
extern ValueStatus NumberCheck(Slice s);

/* a + sign * b, exactly; both have passed NumberCheck.  Appends to out. */
extern void NumberAdd(OutBuf *out, Slice a, Slice b, int sign);

/*
 * Fixed point for sums: units * 10^-FIXED_SCALE, and the digits after the
 * point as written.  False: the number has more of them, or is above 10^12.
 * s has passed NumberCheck.
 */
#define FIXED_SCALE		24
extern bool NumberFixed(Slice s, int128 *units, int *scale);
extern bool FixedScaleUp(int128 *value, int from_scale);	/* value >= 0 */

/* A moment of a bill, in UTC. */
typedef struct BillTime
{
	int			year,
				month,
				day,
				hour,
				minute,
				second,
				microsecond;
} BillTime;

extern ValueStatus TimeParse(Slice s, BillTime *time);
extern void TimeWrite(OutBuf *out, const BillTime *time);
extern void DateWrite(OutBuf *out, const BillTime *time);

extern bool Utf8Valid(const char *data, int len);

/* ---------------------------------------------------------------------
 * JSON objects of tag columns, json.c
 * ---------------------------------------------------------------------
 */
typedef struct JsonMember
{
	Slice		key;			/* as written, without quotes */
	Slice		value;			/* as written */
	bool		is_string;
} JsonMember;

/*
 * Walk over the top-level members of an object that jsonb will accept:
 * valid text, no \u0000, depth and numbers bounded.  The member function may
 * be NULL.  False: not such an object.
 */
typedef void (*JsonVisit) (void *arg, const JsonMember *member);
extern bool JsonObject(Slice s, JsonVisit visit, void *arg);

/* The same for the elements of an array; the function may say no. */
typedef bool (*JsonElement) (void *arg, Slice element);
extern bool JsonArray(Slice s, JsonElement element, void *arg);

/* Any value that jsonb will accept. */
extern bool JsonValid(Slice s);

/* A key, or what a string holds, without escapes. */
extern Slice JsonText(Slice quoted, OutBuf *scratch);

/* The text of a string or scalar value; anything else is a Slice of NULL. */
extern Slice JsonScalarText(const JsonMember *member, OutBuf *scratch);
extern void JsonQuote(OutBuf *out, Slice s);

/* ---------------------------------------------------------------------
 * Headers, header.c
 * ---------------------------------------------------------------------
 */
typedef enum BillFormat
{
	BILL_UNKNOWN,
	BILL_CUR_LEGACY,			/* lineItem/UnblendedCost */
	BILL_CUR,					/* line_item_unblended_cost */
	BILL_FOCUS,
	BILL_AZURE,
	BILL_GCP,
	BILL_OCI
} BillFormat;

/* The tags that have a column of their own in the facts. */
typedef enum BillTag
{
	BT_TENANT_ID,
	BT_PLAN_ID,
	BT_SERVICE_COMPONENT,
	BT_ENVIRONMENT,
	BT_COST_CENTER,
	BT_PROJECT,
	BT_COUNT
} BillTag;

/* JSON objects in the facts that are put together from columns of the bill. */
typedef enum BillObject
{
	BO_TAGS,
	BO_COST_CATEGORIES,
	BO_DISCOUNTS,
	BO_OTHER,
	BO_COUNT
} BillObject;

/*
 * What a bill says, whatever its format calls it.  Fields are filled from a
 * column of the bill, from another field, or by the rules of the format; the
 * columns of the facts are fields (project_out.c).
 */
typedef enum BillField
{
	BF_NONE,
	BF_UNBLENDED_COST,			/* as delivered: cost before credits */
	BF_EFFECTIVE_COST,			/* FOCUS only; computed for the others */
	BF_LINE_ITEM_ID,
	BF_TIME_INTERVAL,
	BF_PERIOD_START,
	BF_PERIOD_END,
	BF_MONTH,					/* 202309 or 2023-09, where no start is given */
	BF_INVOICE_ID,
	BF_BILL_TYPE,
	BF_BILLING_ENTITY,
	BF_PAYER,
	BF_USAGE_ACCOUNT,
	BF_USAGE_START,
	BF_USAGE_END,
	BF_LINE_TYPE,
	BF_PRODUCT_CODE,
	BF_PRODUCT_NAME,
	BF_SERVICE_CODE,
	BF_REGION,
	BF_REGION_2,				/* used where BF_REGION says nothing */
	BF_INSTANCE_TYPE,
	BF_RESOURCE_ID,
	BF_USAGE_TYPE,
	BF_OPERATION,
	BF_ZONE,
	BF_DESCRIPTION,
	BF_LEGAL_ENTITY,
	BF_USAGE_AMOUNT,
	BF_PRICING_UNIT,
	BF_UNBLENDED_RATE,
	BF_BLENDED_COST,
	BF_NET_UNBLENDED_COST,
	BF_LIST_COST,
	BF_CONTRACTED_COST,
	BF_CURRENCY,
	BF_RI_ARN,
	BF_RI_EFFECTIVE,
	BF_RI_EFFECTIVE_NET,
	BF_RI_UPFRONT,				/* amortised, of a fee line */
	BF_RI_UPFRONT_NET,
	BF_RI_UNUSED_UPFRONT,
	BF_RI_UNUSED_UPFRONT_NET,
	BF_RI_UNUSED_RECURRING,
	BF_RI_UNUSED_RECURRING_NET,
	BF_SP_ARN,
	BF_SP_EFFECTIVE,
	BF_SP_EFFECTIVE_NET,
	BF_SP_UPFRONT,
	BF_SP_UPFRONT_NET,
	BF_SP_TOTAL,
	BF_SP_USED,
	BF_SPLIT_PARENT,
	BF_PRODUCT_MAP,				/* JSON object, CUR 2.0 */
	BF_PROVIDER_NAME,
	BF_SERVICE_PROVIDER,
	BF_HOST_PROVIDER,
	BF_CHARGE_CLASS,
	BF_CHARGE_FREQUENCY,
	BF_COMMITMENT_ID,
	BF_COMMITMENT_ID_2,
	BF_COMMITMENT_NAME,
	BF_COMMITMENT_NAME_2,
	BF_COMMITMENT_STATUS,
	BF_COMMITMENT_CATEGORY,
	BF_COMMITMENT_TYPE,
	BF_COMMITMENT_QUANTITY,
	BF_COMMITMENT_UNIT,
	BF_TAGS,					/* JSON object, or array of key and value */
	BF_TAGS_2,					/* of a wider scope: BF_TAGS comes before */
	BF_TAGS_3,
	BF_BILLING_ACCOUNT_NAME,
	BF_BILLING_ACCOUNT_TYPE,
	BF_SUB_ACCOUNT_NAME,
	BF_SUB_ACCOUNT_TYPE,
	BF_PUBLISHER,
	BF_ISSUER,
	BF_INVOICE_DETAIL,
	BF_SERVICE_CATEGORY,
	BF_SERVICE_SUBCATEGORY,
	BF_REGION_NAME,
	BF_RESOURCE_NAME,
	BF_RESOURCE_TYPE,
	BF_SKU_ID,
	BF_SKU_METER,
	BF_SKU_PRICE_ID,
	BF_SKU_PRICE_DETAILS,		/* JSON */
	BF_LIST_PRICE,
	BF_CONTRACTED_PRICE,
	BF_PRICING_QUANTITY,
	BF_CONSUMED_QUANTITY,
	BF_CONSUMED_UNIT,
	BF_PRICING_CATEGORY,
	BF_PRICING_CURRENCY,
	BF_PRICING_CURRENCY_CONTRACTED_PRICE,
	BF_PRICING_CURRENCY_EFFECTIVE_COST,
	BF_PRICING_CURRENCY_LIST_PRICE,
	BF_CAPACITY_ID,
	BF_CAPACITY_STATUS,
	BF_CONTRACT_APPLIED,		/* JSON */
	BF_ALLOCATED_METHOD_ID,
	BF_ALLOCATED_METHOD_DETAILS,	/* JSON */
	BF_ALLOCATED_RESOURCE_ID,
	BF_ALLOCATED_RESOURCE_NAME,
	BF_ALLOCATED_TAGS,			/* JSON */
	BF_ELIGIBILITY,				/* JSON */
	BF_CREDITS,					/* JSON array of objects */
	BF_CREDIT,					/* an amount; up to four of them */
	BF_CREDIT_2,
	BF_CREDIT_3,
	BF_CREDIT_4,
	BF_PRICING_MODEL,
	BF_CORRECTION,				/* true or false */

	/* filled by the rules of the format */
	BF_BILLED,
	BF_EFFECTIVE,
	BF_PROVIDER,				/* the usual name */
	BF_SERVICE,
	BF_CATEGORY,
	BF_UPFRONT,
	BF_CREDIT_AMOUNT,
	BF_TAG,						/* BT_COUNT of them */
	BF_TENANT = BF_TAG + BT_COUNT,
	BF_OBJECT,					/* BO_COUNT of them */
	BF_COUNT = BF_OBJECT + BO_COUNT
} BillField;

typedef enum BillFieldKind
{
	FIELD_TEXT,
	FIELD_NUMBER,
	FIELD_TIME,
	FIELD_JSON
} BillFieldKind;

extern BillFieldKind BillKindOfField(BillField field);

/* A column of the bill that becomes a member of one of the objects. */
typedef struct BillMember
{
	int			column;
	BillObject	object;
	char	   *key;			/* as the object shows it */
	char	   *json_key;		/* the same, quoted and with its colon */
	int			tag;			/* BillTag or -1 */
	bool		is_tenant;		/* the chosen tenant tag key */
} BillMember;

/* A field that stands in a column. */
typedef struct BillRead
{
	int			column;
	BillField	field;
	BillFieldKind kind;
} BillRead;

/* A field that is another one: always, or where it says nothing itself. */
typedef struct BillCopy
{
	BillField	to;
	BillField	from;
	bool		always;
} BillCopy;

#define BILL_MAX_COPIES 24

typedef struct BillHeader
{
	int64		id;				/* another one for each header mapped */
	BillFormat	format;
	int			ncolumns;
	char	  **names;			/* as delivered */
	int			column[BF_COUNT];	/* where a field stands, or -1 */
	int			rank[BF_COUNT]; /* in the table, of the name found there */
	bool		filled[BF_COUNT];	/* fields that records may have */
	BillRead   *reads;
	int			nreads;
	BillCopy	copies[BILL_MAX_COPIES];
	int			ncopies;
	BillMember *members;
	int			nmembers;
	int		   *unmapped;		/* columns of the format that are not loaded */
	int			nunmapped;
	int		   *unknown;		/* columns the format does not know */
	int			nunknown;
	bool		keep_unknown;	/* in other_columns */
	char		currency[4];	/* of lines that do not say theirs */
	const char *tenant_key;		/* NULL: tag tenant_id in any spelling */
	const char *missing;		/* required column that is not there */
} BillHeader;

/*
 * Map the header line.  False: format unknown, a required column missing, or
 * memory short (header->names NULL).  want: BILL_UNKNOWN for any.
 */
extern bool HeaderMap(BillHeader *header, const CsvField *fields, int nfields,
					  BillFormat want, const char *tenant_key,
					  bool keep_unknown);
extern void HeaderFree(BillHeader *header);

/* The currency of lines that do not say theirs; "": USD. */
extern void HeaderSetCurrency(BillHeader *header, const char *currency);

/* A line that sums up others, as consoles write at the end of a table. */
extern bool HeaderIsTotal(const BillHeader *header, const CsvField *fields);
extern const char *BillFormatName(BillFormat format);

/* The format that an argument names, such as 'cur'; BILL_UNKNOWN: none. */
extern BillFormat BillFormatByName(const char *name);

/* Which tag column a key belongs in, or -1; prefixes such as user: ignored. */
extern int	BillTagOfKey(Slice key);

/* A key as resource_tags shows it, from the key of a CUR 2.0 map. */
extern Slice BillMapKey(Slice key, bool *is_aws);

/* ---------------------------------------------------------------------
 * Facts, project.c and project_out.c
 * ---------------------------------------------------------------------
 */
#define BILL_MAX_ODD_TYPES	20
#define BILL_MAX_COLUMNS	112 /* of the facts, that a bill may fill */

typedef struct BillPeriod
{
	int			year,
				month;
} BillPeriod;

typedef struct BillProblem
{
	ValueStatus status;
	const char *column;			/* name as delivered */
	Slice		value;
} BillProblem;

/* What a record says besides its fact: where it belongs. */
typedef struct BillRow
{
	BillPeriod	period;
	bool		has_period;
	Slice		provider;
	Slice		payer;
} BillRow;

typedef struct BillProjector
{
	const BillHeader *header;
	BillPeriod	default_period; /* year 0: the bill must say */
	int64		blank_costs;	/* lines whose cost is not given */
	int64		no_effective;	/* commitment lines without amortised cost */
	bool		fees;			/* fees of commitments were seen */
	char		provider_text[64];	/* as delivered last, and its usual name */
	int			provider_len;
	const char *provider_usual;
	char		day[32];		/* as delivered last, and the day after it */
	int			day_len;
	char		next_day[16];
	int			nodd_types;
	char		odd_types[BILL_MAX_ODD_TYPES][64];	/* not in the table */

	/* of the current record */
	int64		header_id;		/* of the header that read it */
	Slice		value[BF_COUNT];
	const struct LineType *type;	/* of a cost and usage report */
	BillRow		row;
	OutBuf		scratch;		/* computed values; does not move */
	OutBuf		sum[2];			/* of credits */
	OutBuf		parted[BF_COUNT];	/* numbers without their commas */
	OutBuf		object[BO_COUNT];	/* JSON objects */
	OutBuf		text;			/* decoded tags */
	OutBuf		braces;			/* a JSON tag column that lacked its braces */
	OutBuf		json;			/* what is not JSON, as JSON strings */
	OutBuf		product;		/* decoded product attributes */
	BillProblem problem;
} BillProjector;

extern void ProjectorInit(BillProjector *p, const BillHeader *header);
extern void ProjectorFree(BillProjector *p);

/* Memory did not run short. */
extern bool ProjectorOk(const BillProjector *p);

/* Read one record; false: p->problem says what is wrong with it. */
extern bool ProjectRecord(BillProjector *p, const CsvField *fields);

/*
 * The columns of the facts that bills fill, project_out.c.  A value is NULL
 * (data NULL) or text as delivered, of the kind of its column:
 */
typedef enum BillOutKind
{
	BILL_OUT_TEXT,				/* to be checked for UTF-8 */
	BILL_OUT_NUMBER,			/* has passed NumberCheck */
	BILL_OUT_TIME,				/* to be parsed by TimeParse */
	BILL_OUT_DATE,				/* the same; the day counts */
	BILL_OUT_PERIOD,			/* the line's billing period; always NULL */
	BILL_OUT_JSON				/* a value that jsonb accepts */
} BillOutKind;

typedef struct BillOutColumn
{
	const char *name;
	BillOutKind kind;
} BillOutColumn;

/* All of them, whatever the header; at most BILL_MAX_COLUMNS. */
extern int	ProjectedColumns(BillOutColumn *columns);

/* The values of the current record, in the same order. */
extern void ProjectValues(const BillProjector *p, Slice *values);

/* One of them; and whether a bill with this header ever has it. */
extern Slice ProjectValue(const BillProjector *p, int at);
extern bool ProjectFills(const BillHeader *header, int at);

/* Blame a value of that column: sets p->problem.  Always false. */
extern bool ProjectBlame(BillProjector *p, int at, ValueStatus status,
						 Slice value);

#ifndef FINOPS_STANDALONE

#include "core/core.h"
#include "core/source.h"
#include "utils/array.h"

/* ---------------------------------------------------------------------
 * Partitions, delivery.c
 * ---------------------------------------------------------------------
 */

/*
 * Partition of the facts for a billing period, made when there is none.
 * Call within a session, while no statement runs on the facts.
 */
extern Oid	BillEnsurePartition(DateADT period);

/* ---------------------------------------------------------------------
 * Deliveries, delivery.c; all within a session
 * ---------------------------------------------------------------------
 */
typedef struct BillDelivery
{
	int64		delivery_id;	/* BillNewDeliveryId() */
	DateADT		period;
	const char *source;
	const char *digest;			/* SHA-256, hex */
	const char *format;
	const char *address;
	const char *provider;		/* NULL: more than one */
	const char *account_id;		/* NULL: more than one */
	const char *detail;			/* JSON for the ingestion log, or NULL */
	TimestampTz started_at;
	bool		derived;		/* corrections, not what a provider delivered */

	/* of a delivery that was read just now */
	bool		read;			/* its tenants are registered with others later */
	int64		restates;		/* the delivery that it was compared with, or 0 */
	ArrayType  *commitments;	/* row_id of the lines with a commitment; NULL: any */
	struct FactRollup *rollup;	/* of its lines, or NULL */
	struct FactMatch *match;	/* with its lines; NULL when it restates nothing */

	/* set by BillPlaceDelivery */
	int64		run_id;
	const char *status;			/* loaded, replaced */
	int64		line_items;
	char	   *billed_cost;
	char	   *effective_cost;
} BillDelivery;

extern int64 BillNewDeliveryId(void);

/*
 * The facts of the delivery stand in the partition: log what they changed
 * against the delivery they restate, remove that one, bring roll-up, gates,
 * log and statistics into step.  The period has been opened by
 * FinopsOpenPeriod.
 */
extern void BillPlaceDelivery(const FinopsSession *session,
							  BillDelivery *delivery);

/* The delivery of that source and period that is current so far, or 0. */
extern int64 BillCurrentDelivery(const char *source, DateADT period);

/* Tenants of the given deliveries that nobody registered. */
extern void BillRegisterTenants(const int64 *delivery_ids, int n);

/* Fee = used + unused, for each of its commitments; commitment.c */
extern void BillCheckCommitments(const BillDelivery *delivery);

/* Write the roll-up of a period anew; all sources when source is NULL. */
extern int64 BillRebuildRollup(DateADT period, const char *source);

/* The bridge of a month that is about to be locked, kept with the run; bridge.c */
extern char *BillKeepBridge(DateADT period, int64 run_id);

#endif							/* FINOPS_STANDALONE */

#endif							/* FINOPS_BILL_H */
