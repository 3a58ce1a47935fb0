/*-------------------------------------------------------------------------
 *
 * report.h
 *	  Room report: what its files share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_REPORT_H
#define FINOPS_REPORT_H

#include "bill/bill.h"

/*
 * Is a text such a value of FOCUS?  text, numeric, datetime, timestamp,
 * currency, unit, keyvalue, json or duration; false in *known for any other
 * format.
 */
extern bool FocusFormatOk(Slice format, Slice value, bool *known);

#endif							/* FINOPS_REPORT_H */
