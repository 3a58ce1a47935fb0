/*-------------------------------------------------------------------------
 *
 * chain.h
 *	  Numbers of a series, under its lock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_INVOICE_CHAIN_H
#define FINOPS_INVOICE_CHAIN_H

#include "invoice/direct.h"
#include "invoice/document_reader.h"

/* A run of numbers of one series. */
typedef struct InvoiceNumberBlock
{
	const InvoiceIssuer *issuer;
	const char *format;
	const char *kind;
	char	   *series;
	int64		first;			/* number given last before this block */
	int64		last;
	char		last_hash[65];
	TimestampTz issued_at;
	int			year;
	int			month;
	DirectRow	row;			/* of number_series; no tuple: by statements */
} InvoiceNumberBlock;

/* Lock the series until commit; the time of issue is read under the lock. */
extern InvoiceNumberBlock InvoiceLockSeries(const InvoiceIssuer *issuer, const char *kind);

/*
 * The next number and link of the chain for a document; digest and prev_hash
 * have room for 65 bytes.
 */
extern void InvoiceNumberDocument(InvoiceNumberBlock *block, InvoiceIssue *issue,
								  const char *content_digest, char *digest, char *prev_hash);

/* Write the head of the series back. */
extern void InvoiceEndSeries(InvoiceNumberBlock *block);

/* JSON of issuer "i" and tenant "t" that is frozen into documents. */
#define INVOICE_ISSUER_SNAPSHOT "jsonb_strip_nulls(jsonb_build_object('legal_name', i.legal_name," \
	" 'address', i.address, 'vat_id', i.vat_id, 'bank', i.bank, 'payment_terms_days', i.payment_terms_days," \
	" 'time_zone', i.time_zone, 'tax_currency', i.tax_currency))"
#define INVOICE_RECIPIENT_SNAPSHOT "jsonb_strip_nulls(jsonb_build_object('tenant_id', t.tenant_id," \
	" 'tenant_name', t.tenant_name, 'billing_contact', t.billing_contact, 'tax_profile', t.tax_profile))"

/* When a document "h" is due that is issued at a time in a time zone. */
#define INVOICE_DUE_SQL(time, zone, days) \
	"CASE WHEN h.payment_terms_from = 'month_end' THEN (date_trunc('month', " time " AT TIME ZONE " zone ") + interval '1 month -1 day'" \
	"  + coalesce(h.payment_terms_days, 30) * interval '1 day') AT TIME ZONE " zone \
	" ELSE " time " + coalesce(h.payment_terms_days, " days ") * interval '1 day' END"

#endif							/* FINOPS_INVOICE_CHAIN_H */
