/*-------------------------------------------------------------------------
 *
 * bank.h
 *	  Bank statements: CAMT.053 and CSV.  Pure but for bank_load.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_BANK_H
#define FINOPS_BANK_H

#include "core/pure.h"

#define BANK_SCALE		5		/* digits after the point that ISO 20022 allows */
#define BANK_TEXT		1000	/* bytes of remittance that are kept */
#define BANK_NAME		280
#define BANK_ID			140

/* An amount in units of 10^-5. */
typedef struct BankAmount
{
	bool		set;
	int128		units;
} BankAmount;

typedef struct BankLine
{
	int64		line;			/* of the source */
	int			part;			/* of the entry, from 0 */
	BankAmount	amount;			/* signed: what came in is positive */
	BankAmount	charges;		/* that the bank kept */
	char		currency[4];
	char		booked[11];		/* YYYY-MM-DD */
	char		valued[11];
	bool		reversal;		/* takes an earlier line back */
	bool		pending;		/* not booked yet: not a line */
	char		name[BANK_NAME + 1];	/* of the other side */
	char		account[BANK_ID + 1];
	char		text[BANK_TEXT + 1];	/* what the payer wrote */
	char		structured[BANK_NAME + 1];	/* references of ISO 11649 and the like */
	char		end_to_end[BANK_ID + 1];
	char		bank_ref[BANK_ID + 1];
} BankLine;

typedef struct BankStatement
{
	char		id[BANK_ID + 1];
	char		account[BANK_ID + 1];
	char		currency[4];
	BankAmount	opening;
	BankAmount	closing;
	char		from[11];
	char		to[11];
	int64		entries;
	int128		sum;			/* of the booked entries */
} BankStatement;

typedef struct BankSink
{
	void	   *arg;
	void		(*line) (void *arg, const BankStatement *statement, const BankLine *line);
	void		(*end) (void *arg, const BankStatement *statement);
	FinopsInterrupt interrupt;
} BankSink;

typedef struct BankError
{
	int64		line;			/* 0: the whole */
	char		reason[240];
} BankError;

/* ---------------------------------------------------------------------
 * CAMT.053, camt.c
 * ---------------------------------------------------------------------
 */
extern bool CamtMagic(const char *data, size_t len);

/*
 * The sink and the interrupt may leave by an error; whoever opened closes.
 * NULL: the error says why.
 */
typedef struct Camt Camt;
extern Camt *CamtOpen(const char *data, size_t len, const BankSink *sink, BankError *error);
extern bool CamtRead(Camt *camt);
extern void CamtClose(Camt *camt);

/* ---------------------------------------------------------------------
 * Values, bank_value.c
 * ---------------------------------------------------------------------
 */

/* How numbers and dates of a CSV file are written; '\0' and 0: not known. */
typedef struct BankStyle
{
	char		decimal;		/* '.' or ',' */
	char		order;			/* 'Y', 'D' or 'M' comes first */
} BankStyle;

extern bool BankIsoAmount(const char *s, BankAmount *amount);
extern bool BankIsoDate(const char *s, char out[11]);

/* "1.234,56 EUR", "(12.30)", "12,30-", "1'234.50"; false when it is none. */
extern bool BankCsvAmount(const char *s, int len, char decimal, BankAmount *amount);
/* What a value says of the decimal sign: '.', ',', '\0' nothing, '!' it is none. */
extern char BankDecimalOf(const char *s, int len);
extern bool BankCsvDate(const char *s, int len, char order, char out[11]);
/* 'Y', 'D', 'M', '\0' nothing, '!' it is no date. */
extern char BankDateOrderOf(const char *s, int len);
/* buf of 48 */
extern char *BankAmountText(int128 units, char *buf);
/* The two check digits of a creditor reference RFxx (ISO 11649, ISO 7064). */
extern bool BankReferenceIsGood(const char *reference);

typedef enum BankColumn
{
	BANK_BOOKED,
	BANK_VALUED,
	BANK_AMOUNT,
	BANK_CREDIT,
	BANK_DEBIT,
	BANK_SIGN,
	BANK_CURRENCY,
	BANK_PAYER,
	BANK_ACCOUNT,
	BANK_REMITTANCE,
	BANK_END_TO_END,
	BANK_REFERENCE,
	BANK_BALANCE,
	BANK_OWN_ACCOUNT,
	BANK_COLUMNS
} BankColumn;

/* The column that a header names, in any of the languages known; or -1. */
extern int	BankColumnOf(const char *header, int len);
/* Of a sign column: 1 came in, -1 went out, 0 neither. */
extern int	BankSignOf(const char *s, int len);

#endif							/* FINOPS_BANK_H */
