/*-------------------------------------------------------------------------
 *
 * correction.c
 *	  What a delivery is to the bill it belongs to: another statement of it,
 *	  or an increment on top of it.
 *
 * FOCUS knows three ways to correct a month that is not closed (correction
 * handling, "replacement", "delta" and "ledger"): the whole bill again; the
 * negation of old rows and their new form; net increments and decrements.
 * The last two say only what changes.  Taken for a whole bill they would
 * drop the rest of the month; a whole bill taken for them would double it.
 * So with mode 'auto' a FOCUS file is an increment where
 *
 * - all its lines are of ChargeClass Correction, and those of the current
 *	 bill are not, or
 * - it takes back what the current bill has, line by line (same charge, same
 *	 amounts, other sign) or in total (a charge whose sum turns its sign), and
 *	 says nothing again that the current bill says.
 *
 * Where it does both, it is the whole bill again if it repeats at least half
 * of the current lines, and otherwise refused: the caller must say.
 *
 * An increment is a delivery of its own beside the bill; a bill that replaces
 * its predecessor replaces the increments, too.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/load.h"

#include "utils/lsyscache.h"

/* What makes a charge the same charge in two deliveries. */
#define CHARGE \
	"provider, line_item_usage_account_id, service, charge_category," \
	" line_item_usage_start_date, line_item_usage_end_date, line_item_resource_id," \
	" line_item_usage_type, sku_id, sku_price_id, commitment_discount_id," \
	" commitment_discount_status, line_item_currency_code"

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

char *
BillTargetRelation(const BillTarget *target)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(target->partition)),
									  get_rel_name(target->partition));
}

typedef struct Evidence
{
	int64		taken_back;		/* lines and charges that turn their sign */
	int64		repeated;		/* lines that are said again */
	int64		stated;			/* different lines that stand now */
} Evidence;

/*
 * Compare the delivery with what it would join: the bill and everything on
 * top of it, in a locked month its corrections too.  A line is its charge and
 * the size of its amounts; f and c say how often it is added by the delivery
 * and stands now, its negations taken off.
 */
static Evidence
compare(const BillTarget *target)
{
	const char *amounts = "billed_cost, effective_cost, list_cost, line_item_usage_amount";
	Evidence	e;

	FINOPS_STAGE("said",
				 psprintf("SELECT %1$s, sum(s) FILTER (WHERE added) AS f, sum(s) FILTER (WHERE NOT added) AS c,"
						  " sum(billed_cost) FILTER (WHERE added) AS f_cost,"
						  " sum(billed_cost) FILTER (WHERE NOT added) AS c_cost"
						  " FROM (SELECT *, sign(coalesce(nullif(billed_cost, 0), nullif(effective_cost, 0),"
						  "   nullif(list_cost, 0), line_item_usage_amount, 0)) AS s"
						  "  FROM (SELECT true AS added, %1$s, %2$s FROM %3$s WHERE delivery_id = $3"
						  "   UNION ALL SELECT false, %1$s, %2$s FROM @s@.fact_cost_raw"
						  "    WHERE bill_billing_period_start_date >= $2 AND delivery_id IN"
						  "     (SELECT d.delivery_id FROM finops.delivery d WHERE d.status = 'current'"
						  "      AND coalesce(d.base_source, d.source) = $1 AND d.kind <> 'offset'"
						  "      AND coalesce(d.origin_period, d.billing_period) = $2)) u) v"
						  " GROUP BY %1$s, abs(billed_cost), abs(effective_cost), abs(list_cost),"
						  " abs(line_item_usage_amount)",
						  CHARGE, amounts, BillTargetRelation(target)),
				 ARG_TEXT(target->source), ARG_DATE(target->period), ARG_INT8(target->delivery_id));
	FINOPS_RUN0("SELECT count(*) FILTER (WHERE f * c < 0 OR (f = 0 AND c <> 0)),"
				" count(*) FILTER (WHERE f * c > 0), count(*) FILTER (WHERE c <> 0) FROM said");
	e = (Evidence) {FinopsInt64(0, 1), FinopsInt64(0, 2), FinopsInt64(0, 3)};
	FINOPS_RUN0("SELECT count(*) FROM (SELECT FROM said GROUP BY " CHARGE
				" HAVING sum(f_cost) * sum(c_cost) < 0 AND abs(sum(f_cost)) <= abs(sum(c_cost))) t");
	e.taken_back += FinopsInt64(0, 1);
	FinopsEndStage("said");
	return e;
}

/* The current bill of the source, and whether it is all corrections itself. */
static bool
has_bill(const BillTarget *target, bool *all_corrections)
{
	uint64		n = FINOPS_RUN("SELECT d.delivery_id FROM finops.delivery d"
							   " WHERE d.source = $1 AND d.billing_period = $2"
							   " AND d.status = 'current' AND d.kind = 'bill'",
							   ARG_TEXT(target->source), ARG_DATE(target->period));

	if (n == 0)
		return false;
	*all_corrections =
		FINOPS_RUN("SELECT FROM @s@.fact_cost_raw WHERE bill_billing_period_start_date = $1"
				   " AND delivery_id = $2 AND charge_class IS DISTINCT FROM 'Correction' LIMIT 1",
				   ARG_DATE(target->period), ARG_INT8(FinopsInt64(0, 1))) == 0;
	return true;
}

pg_noreturn static void
raise_ambiguous(const BillTarget *target, const Evidence *e)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("it is not clear whether this is the bill of %s again or a correction of it",
					FinopsPeriodText(target->period)),
			 errdetail("It takes back " INT64_FORMAT " and repeats " INT64_FORMAT
					   " of the " INT64_FORMAT " lines of %s that are current.",
					   e->taken_back, e->repeated, e->stated, target->source),
			 errhint("Load it with mode => 'replace' if it is the whole bill, with mode => 'append' if it comes on top.")));
}

/* The lines stand in the target's relation: are they an increment? */
bool
BillIsIncrement(const BillLoad *load, const BillTarget *target)
{
	bool		all_corrections = false;
	bool		bill;
	Evidence	e;

	/* nothing in it speaks for an increment */
	if (load->mode == BILL_MODE_AUTO && target->corrections == 0 && target->negative == 0)
		return false;
	bill = load->mode != BILL_MODE_REPLACE && has_bill(target, &all_corrections);
	if (load->mode == BILL_MODE_APPEND && !bill)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no bill of %s for %s to append to", target->source,
						FinopsPeriodText(target->period)),
				 errhint("Load the bill itself first, or give its source as source_id.")));
	if (!bill || load->mode == BILL_MODE_APPEND)
		return bill;
	if (target->noted == target->corrections && target->noted > 0 && !all_corrections)
		return true;
	if (target->negative == 0)
		return false;
	e = compare(target);
	if (e.taken_back == 0)
		return false;
	if (e.repeated == 0)
		return true;
	if (e.repeated * 2 < e.stated)
		raise_ambiguous(target, &e);
	return false;
}

/* ---------------------------------------------------------------------
 * Increments of an open month
 * ---------------------------------------------------------------------
 */

/* The same bytes make the same name: an increment cannot be there twice. */
char *
BillIncrementSource(const BillLoad *load, const char *source)
{
	return psprintf("%s#increment/%.12s", source, load->digest);
}

/* Set the lines apart from the bill that they come on top of. */
void
BillMakeIncrement(const BillLoad *load, BillTarget *target)
{
	target->base_source = target->source;
	target->source = BillIncrementSource(load, target->source);
	target->kind = "increment";
	FINOPS_RUN(psprintf("UPDATE %s SET source = $2 WHERE delivery_id = $1",
						BillTargetRelation(target)),
			   ARG_INT8(target->delivery_id), ARG_TEXT(target->source));
}

/*
 * A bill says all of its month: what came on top of its predecessor goes.
 * fact_cost_delta then accounts for the bill and, here, for the increments.
 */
void
BillDropIncrements(const BillTarget *target)
{
	uint64		n = FINOPS_RUN("SELECT d.delivery_id, d.source FROM finops.delivery d"
							   " WHERE d.base_source = $1 AND d.billing_period = $2"
							   " AND d.status = 'current' AND d.kind = 'increment'"
							   " AND d.origin_period IS NULL",
							   ARG_TEXT(target->source), ARG_DATE(target->period));

	if (n == 0)
		return;
	FINOPS_RUN("INSERT INTO @s@.fact_cost_delta (bill_period, source, change_type, delivery_id,"
			   " previous_delivery_id, record_count, billed_cost_difference,"
			   " effective_cost_difference, applied_at)"
			   " SELECT to_char($2::timestamp, 'YYYY-MM'), d.source, 'delete', $3, d.delivery_id,"
			   " d.line_items, -d.billed_cost, -d.effective_cost, clock_timestamp()"
			   " FROM finops.delivery d WHERE d.base_source = $1 AND d.billing_period = $2"
			   " AND d.status = 'current' AND d.kind = 'increment' AND d.origin_period IS NULL",
			   ARG_TEXT(target->source), ARG_DATE(target->period), ARG_INT8(target->delivery_id));
	FINOPS_RUN("WITH gone AS (UPDATE finops.delivery d SET status = 'superseded',"
			   "  superseded_by = $3, superseded_at = clock_timestamp()"
			   "  WHERE d.base_source = $1 AND d.billing_period = $2 AND d.status = 'current'"
			   "  AND d.kind = 'increment' AND d.origin_period IS NULL"
			   "  RETURNING d.delivery_id, d.source),"
			   " lines AS (DELETE FROM @s@.fact_cost_raw f USING gone"
			   "  WHERE f.bill_billing_period_start_date = $2 AND f.delivery_id = gone.delivery_id),"
			   " kinds AS (DELETE FROM finops.cost_kind k USING gone"
			   "  WHERE k.billing_period = $2 AND k.source = gone.source)"
			   " DELETE FROM finops.cost_daily c USING gone"
			   " WHERE c.billing_period = $2 AND c.source = gone.source",
			   ARG_TEXT(target->source), ARG_DATE(target->period), ARG_INT8(target->delivery_id));
}
