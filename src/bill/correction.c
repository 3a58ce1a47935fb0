/*-------------------------------------------------------------------------
 *
 * correction.c
 *	  What a delivery is to the bill it belongs to.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/load.h"

static bool
is_zero(Slice number)
{
	for (int i = 0; i < number.len && number.data[i] != 'e' && number.data[i] != 'E'; i++)
		if (number.data[i] >= '1' && number.data[i] <= '9')
			return false;
	return true;
}

/* Once per line of the bill, so that nothing has to be looked up later. */
void
BillNoteLine(BillLoad *load, BillTarget *target)
{
	const BillProjector *p = &load->projector;

	target->noted++;
	if (load->header.column[BF_INVOICE_ID] >= 0)
	{
		target->has_invoice_column = true;
		if (p->value[BF_INVOICE_ID].data != NULL)
			target->invoiced++;
		else if (!is_zero(p->value[BF_BILLED]))
			target->uninvoiced++;
	}
	if (load->header.format != BILL_FOCUS)
		return;
	if (p->value[BF_CHARGE_CLASS].data != NULL &&
		SliceEqual(p->value[BF_CHARGE_CLASS], "Correction"))
		target->corrections++;
	if (p->value[BF_BILLED].len > 0 && p->value[BF_BILLED].data[0] == '-' && !is_zero(p->value[BF_BILLED]))
		target->negative++;
}
