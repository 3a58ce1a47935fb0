/*-------------------------------------------------------------------------
 *
 * header.h
 *	  The columns of each bill format.  Shared by header.c, which maps a
 *	  header line by them, and header_columns.c, which has the lists.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_BILL_HEADER_H
#define FINOPS_BILL_HEADER_H

#include "bill/bill.h"

/* A name, squashed: lower-case letters and digits. */
typedef struct KnownColumn
{
	const char *name;
	BillField	field;
} KnownColumn;

typedef struct FormatColumns
{
	/* of several names for one field the first in this list is taken */
	const KnownColumn *columns;
	int			ncolumns;
	/* how other columns begin that the format knows */
	const char *const *groups;
	int			ngroups;
	/* always: only for bills that have no column for the field */
	const BillCopy *copies;
	int			ncopies;
	/* fields that the format's rules fill on every line, BF_NONE at the end */
	const BillField *computed;
	/* known columns without a place in the facts go to other_columns */
	bool		keep;
} FormatColumns;

extern const FormatColumns *BillColumnsOf(BillFormat format);

#endif							/* FINOPS_BILL_HEADER_H */
