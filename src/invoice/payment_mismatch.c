/*-------------------------------------------------------------------------
 *
 * payment_mismatch.c
 *	  Tell of payments that no invoice reflects, after a matching.
 *
 * The view finops.payment_mismatch has them; the server's log and, once a
 * day, a message tell that there are some.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/payment.h"

#define LISTED_PAYMENTS	"10"	/* that a message names */

void
PaymentTellMismatches(void)
{
	if (FINOPS_STAGE0("mismatch", "SELECT m.payment_id, m.invoice_id, m.currency, m.amount, m.reason, m.next_call, m.paid_at FROM finops.payment_mismatch m") == 0)
		return;
	FINOPS_RUN0("SELECT count(*), to_char(now() AT TIME ZONE " ISSUER_ZONE_SQL ", 'YYYY-MM-DD'), jsonb_build_object('code', 'PAYMENT_MISMATCH', 'payments', count(*),"
				"  'reasons', (SELECT jsonb_object_agg(r.reason, r.n) FROM (SELECT regexp_replace(m.reason, ':.*', '') AS reason, count(*) AS n FROM mismatch m GROUP BY 1) r),"
				"  'first', (SELECT jsonb_agg(to_jsonb(f) - 'paid_at') FROM (SELECT * FROM mismatch m ORDER BY m.paid_at, m.payment_id COLLATE \"C\" LIMIT "
				LISTED_PAYMENTS ") f))::text FROM mismatch");
	ereport(LOG,
			(errmsg("PAYMENT_MISMATCH: %lld payments are not what their invoices say", (long long) FinopsInt64(0, 1)),
			 errhint("SELECT * FROM finops.payment_mismatch lists them with the calls that settle them.")));
	FinopsPostOutbox("payment_mismatch", FinopsText(0, 2), "warning", FinopsText(0, 3));
}
