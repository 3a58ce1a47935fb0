/*-------------------------------------------------------------------------
 *
 * payment.h
 *	  Settlement of invoices: what the files of payments share.
 *
 * Order of locks: whoever settles more than one invoice, or decides about a
 * payment that is there already, takes FINOPS_LOCK_SETTLEMENT first; then rows of payment_txn, then rows of
 * invoice_header, each in the order of their ids.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_INVOICE_PAYMENT_H
#define FINOPS_INVOICE_PAYMENT_H

#include "invoice/invoice.h"

/* SQL expression over payment "p": what is neither applied nor returned. */
#define PAYMENT_UNAPPLIED_SQL \
	"(p.amount - coalesce((SELECT sum(a.amount) FROM finops.payment_application a WHERE a.payment_id = p.payment_id), 0)" \
	" - coalesce((SELECT sum(o.amount) FROM finops.payment_outflow o WHERE o.payment_id = p.payment_id), 0))"

/* SQL expression: the issuer's time zone. */
#define ISSUER_ZONE_SQL "coalesce((SELECT i.time_zone FROM finops.issuer i WHERE i.issuer_id = 'default'), 'UTC')"

/*
 * SQL expression: when the first month begins that comes after every locked
 * one; what is booked from now on counts no earlier.
 */
#define OPEN_SINCE_SQL \
	"(SELECT coalesce(max(l.period_start) + interval '1 month', '-infinity') AT TIME ZONE " ISSUER_ZONE_SQL \
	" FROM @s@.period_lock l WHERE l.state = 'LOCKED')"

/* The policy of a tenant, then the general one, else what is built in. */
#define POLICY_SQL(column, otherwise) \
	"coalesce((SELECT s." column " FROM finops.settlement_policy s WHERE s.tenant_id IN (h.tenant_id, '*')" \
	" ORDER BY s.tenant_id = '*' LIMIT 1), " otherwise ")"

/* Lock a confirmed payment; P0002, 55000.  Leaves its currency as result. */
extern char *PaymentLock(const char *payment_id);

/*
 * One application, checked against what is left of both in the statement that
 * writes it; the rows are locked.  NULL amount: as much as fits.  Answers its
 * id, or 0 when nothing fits.
 */
extern int64 PaymentApply(const FinopsSession *session, const char *payment_id,
						  const char *invoice_id, FinopsArg amount,
						  FinopsArg invoice_amount, const char *rule);

/* What little is missing after a payment is written off, by policy. */
extern void PaymentWriteOffSmall(const FinopsSession *session, const char *invoice_id);

#endif							/* FINOPS_INVOICE_PAYMENT_H */
