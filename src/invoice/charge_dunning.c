/*-------------------------------------------------------------------------
 *
 * charge_dunning.c
 *	  Charges for the fees of dunning notices.
 *
 * A notice says on the document of which month its fee stands
 * (finops.run_dunning): that of its day, or where that is issued or locked
 * already, of the month in which the notice was given.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/charge.h"

#include "utils/json.h"

static const char *const fees_sql =
	"SELECT n.tenant_id, n.invoice_id, coalesce(h.invoice_number, n.invoice_id), n.level, n.fee, n.currency, n.as_of, h.plan_code"
	" FROM finops.dunning_notice n JOIN @s@.invoice_header h ON h.invoice_id = n.invoice_id"
	" WHERE n.billed_in = $1 AND n.fee > 0 AND n.tenant_id @tenant@"
	" ORDER BY n.tenant_id COLLATE \"C\", n.as_of, n.invoice_id COLLATE \"C\", n.level";

enum
{
	COL_TENANT = 1, COL_INVOICE, COL_NUMBER, COL_LEVEL, COL_FEE, COL_CURRENCY, COL_DAY, COL_PLAN
};

static void *
open_fees(const InvoiceRun *run)
{
	if (FINOPS_RUN_KEPT("SELECT FROM finops.dunning_notice n WHERE n.billed_in = $1 LIMIT 1", ARG_DATE(run->period)) == 0)
		return NULL;
	return InvoiceStreamOpen(run, fees_sql);
}

static void
charge_fees(void *arg, InvoiceCharges *charges)
{
	InvoiceStream *rows = arg;

	if (rows == NULL)
		return;
	InvoiceStreamSeek(rows, charges->tenant->tenant_id);
	while (InvoiceStreamNext(rows))
	{
		InvoiceCharge *charge = InvoiceAddCharge(charges);
		InvoiceDecimal fee = InvoiceTrim(InvoiceStreamDecimal(rows, COL_FEE));
		char	   *invoice = InvoiceStreamCopy(rows, COL_INVOICE);
		char	   *level = psprintf("%d", (int) InvoiceStreamInt(rows, COL_LEVEL));
		StringInfoData refs;

		charge->class = INVOICE_ADJUSTMENT;
		charge->sort_key = psprintf("dunning %s %s", invoice, level);
		charge->line_type = "adjustment";
		charge->service = "dunning";
		charge->description = InvoiceText(charges->tenant, "dunning_fee", "invoice", InvoiceStreamCopy(rows, COL_NUMBER),
										  "level", level, NULL);
		charge->currency = InvoiceStreamCopy(rows, COL_CURRENCY);
		charge->num = fee.units;
		if (!InvoicePower10(fee.scale, &charge->den))
		{
			charge->num = 0;
			charge->den = 1;
			InvoiceRefuse(charges, "a fee of dunning has too many digits", "finops.set_dunning_level() with fewer digits");
		}
		charge->unit = "fee";
		charge->has_unit_price = true;
		charge->unit_price = fee;
		charge->service_start = charge->service_end = InvoiceStreamDate(rows, COL_DAY);
		initStringInfo(&refs);
		appendStringInfoString(&refs, "{\"dunned_invoice_id\": ");
		escape_json(&refs, invoice);
		appendStringInfo(&refs, ", \"level\": %s}", level);
		charge->reference_ids = refs.data;
		if (charges->plan_code == NULL)
			charges->plan_code = InvoiceStreamCopy(rows, COL_PLAN);
	}
}

static void
close_fees(void *arg)
{
	if (arg != NULL)
		InvoiceStreamClose(arg);
}

const InvoiceChargeSource InvoiceDunningCharges = {
	.name = "dunning", .open = open_fees, .charge = charge_fees, .close = close_fees,
};
