/*-------------------------------------------------------------------------
 *
 * bank_csv.h
 *	  Bank statements in CSV.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_BANK_CSV_H
#define FINOPS_BANK_CSV_H

#include "bill/bill.h"
#include "invoice/bank.h"

#define BANK_REMITTANCES	16

/* Columns of a file, by what they are; -1 for none. */
typedef struct BankMap
{
	int			at[BANK_COLUMNS];
	int			remittance[BANK_REMITTANCES];
	int			nremittance;
	int			header;			/* its record, from 0 */
	char		delimiter;
} BankMap;

typedef struct BankCsv
{
	const char *data;			/* UTF-8, without a mark at its beginning */
	size_t		len;
	const BankSink *sink;
	BankError  *error;
	BankStyle	style;			/* what the caller knows */
	BankStatement statement;	/* id, and account and currency where known */
	BankMap		map;
	CsvReader	csv;
	bool		open;
} BankCsv;

/* The sink and the interrupt may leave by an error; close in any case. */
extern bool BankCsvRead(BankCsv *csv);
extern void BankCsvClose(BankCsv *csv);

#endif							/* FINOPS_BANK_CSV_H */
