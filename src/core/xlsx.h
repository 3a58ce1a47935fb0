/*-------------------------------------------------------------------------
 *
 * xlsx.h
 *	  Rows of a spreadsheet in an Office Open XML workbook (ECMA-376).
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_XLSX_H
#define FINOPS_XLSX_H

#include "core/source.h"

typedef enum XlsxStatus
{
	XLSX_ROW,					/* XlsxNextRow: a row is there */
	XLSX_END,					/* XlsxNextRow: there is none any more */
	XLSX_READY,					/* XlsxOpen: rows can be read */
	XLSX_NO_MEMORY,
	XLSX_INTERRUPTED,
	XLSX_BAD_ARCHIVE,			/* source_error says why */
	XLSX_NOT_A_WORKBOOK,
	XLSX_NO_SHEET,
	XLSX_BAD_XML,
	XLSX_DOCTYPE,				/* XML with a document type, which no workbook has */
	XLSX_TOO_LARGE
} XlsxStatus;

typedef enum XlsxKind
{
	XLSX_BLANK,
	XLSX_TEXT,
	XLSX_NUMBER,				/* decimal or E-notation, 15 digits */
	XLSX_DATE,					/* YYYY-MM-DD or YYYY-MM-DD HH:MM:SS */
	XLSX_BOOLEAN,				/* TRUE, FALSE */
	XLSX_ERROR,					/* #N/A and the like */
	XLSX_UNCALCULATED			/* a formula whose result was not saved */
} XlsxKind;

typedef struct XlsxCell
{
	XlsxKind	kind;
	int			at;				/* in the text of the row */
	int			len;
} XlsxCell;

typedef struct XlsxReader XlsxReader;

/* What a reader shows of the current row; valid until the next one. */
typedef struct XlsxRow
{
	int			number;			/* as the spreadsheet counts, from 1 */
	int			ncells;			/* up to the last one that is written */
	const XlsxCell *cells;
	const char *text;			/* UTF-8 */
} XlsxRow;

/* The archive in memory has the parts of a workbook. */
extern bool XlsxMagic(const char *data, size_t len);

/*
 * Open the sheet of that name (in any case), or else the first one that is
 * not hidden.  The archive stays the caller's and must outlive the reader.
 * interrupted() is asked now and then; the reader gives up when it is true.
 * Always close what was opened, also after a failure; NULL is out of memory.
 */
extern XlsxReader *XlsxOpen(const char *data, size_t len, const char *sheet,
							bool (*interrupted) (void));
extern XlsxStatus XlsxReady(const XlsxReader *reader);
extern XlsxStatus XlsxNextRow(XlsxReader *reader, XlsxRow *row);
extern SourceError XlsxSourceError(const XlsxReader *reader);
extern void XlsxClose(XlsxReader *reader);

/* "C7": column from 0, row from 1; buf of 16. */
extern char *XlsxCellName(int column, int row, char *buf);

/* ---------------------------------------------------------------------
 * Values, xlsx_value.c
 * ---------------------------------------------------------------------
 */

/* "C7" or "C": the column from 0; -1 when it is no cell or beyond XFD. */
extern int	XlsxColumnOf(const char *reference);

/* Does a number format show a date?  By its code, and by its built-in id. */
extern bool XlsxIsDateFormat(const char *code);
extern bool XlsxIsDateFormatId(int id);

/*
 * A serial day number as text; false when it is no day of the calendar
 * (before day 1, after year 9999).
 */
#define XLSX_DATE_SIZE	80
extern bool XlsxDateText(double serial, bool from_1904, char *buf);

/*
 * Numbers are stored as binary floats with up to 17 digits and shown with at
 * most 15: what somebody typed.  buf of 64; false when it is no number.
 */
extern bool XlsxNumberText(const char *stored, char *buf);

/* In place: _x000D_ and the like become their character; the new length. */
extern int	XlsxUnescape(char *text, int len);

#endif							/* FINOPS_XLSX_H */
