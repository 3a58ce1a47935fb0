/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  Triggers that keep issued documents and payments as they are.
 *
 * They guard UPDATE, DELETE and TRUNCATE.  INSERT is not guarded, because a
 * restore inserts with these triggers in place; a line smuggled into an
 * issued document is found by finops.verify_invoices().
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/invoice.h"
#include "invoice/watch.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "utils/datum.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(finops_guard_invoice_header);
PG_FUNCTION_INFO_V1(finops_guard_invoice_detail);
PG_FUNCTION_INFO_V1(finops_guard_payment);
PG_FUNCTION_INFO_V1(finops_guard_settlement);
PG_FUNCTION_INFO_V1(finops_guard_truncate);

static TriggerData *
trigger_data(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called as a trigger")));
	return (TriggerData *) fcinfo->context;
}

static char *
column_text(TriggerData *trigger, HeapTuple row, const char *column)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	int			attno = SPI_fnumber(desc, column);

	if (attno <= 0)
		elog(ERROR, "column \"%s\" does not exist", column);
	return SPI_getvalue(row, desc, attno);
}

/* Whether old and new row are the same in every column but those named. */
static bool
same_but(TriggerData *trigger, const char *const *columns, int ncolumns)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	Datum	   *values = palloc_array(Datum, desc->natts * 2);
	bool	   *nulls = palloc_array(bool, desc->natts * 2);
	bool		same = true;

	heap_deform_tuple(trigger->tg_trigtuple, desc, values, nulls);
	heap_deform_tuple(trigger->tg_newtuple, desc, values + desc->natts, nulls + desc->natts);
	for (int i = 0; i < desc->natts && same; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		int			j = i + desc->natts;
		bool		free_column = att->attisdropped;

		if (!free_column && nulls[i] == nulls[j] &&
			(nulls[i] || datum_image_eq(values[i], values[j], att->attbyval, att->attlen)))
			continue;
		for (int c = 0; c < ncolumns && !free_column; c++)
			free_column = strcmp(NameStr(att->attname), columns[c]) == 0;
		same = free_column;
	}
	pfree(values);
	pfree(nulls);
	return same;
}

static HeapTuple
result_row(TriggerData *trigger)
{
	return TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
		trigger->tg_newtuple : trigger->tg_trigtuple;
}

static void
refuse_document_change(TriggerData *trigger)
{
	char	   *number = column_text(trigger, trigger->tg_trigtuple, "invoice_number");
	char	   *id = column_text(trigger, trigger->tg_trigtuple, "invoice_id");

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("document \"%s\" is %s and never changes", id,
					column_text(trigger, trigger->tg_trigtuple, "status")),
			 number != NULL ? errdetail("Its number is %s.", number) : 0,
			 errhint("Correct it with finops.credit_invoice().")));
}

/*
 * open documents: any change, also to issued or void, and removal;
 * issued and paid ones: only the settlement, from one to the other with
 * paid_at, for a payment may be charged back; void ones: nothing.
 */
Datum
finops_guard_invoice_header(PG_FUNCTION_ARGS)
{
	static const char *const settlement[] = {"status", "paid_at"};
	TriggerData *trigger = trigger_data(fcinfo);
	char	   *status = column_text(trigger, trigger->tg_trigtuple, "status");
	bool		allowed = strcmp(status, "open") == 0;
	bool		taken_back = allowed && !TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);

	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
	{
		char	   *next = column_text(trigger, trigger->tg_newtuple, "status");

		taken_back = allowed && strcmp(next, "void") == 0;
		if (allowed)
			allowed = strcmp(next, "paid") != 0;
		else
			allowed = (strcmp(status, next) == 0 && same_but(trigger, NULL, 0)) ||
				(((strcmp(status, "issued") == 0 && strcmp(next, "paid") == 0) ||
				  (strcmp(status, "paid") == 0 && strcmp(next, "issued") == 0)) &&
				 same_but(trigger, settlement, lengthof(settlement)));
	}
	if (!allowed)
		refuse_document_change(trigger);
	/* the next preparation makes another */
	if (taken_back)
		WatchMove(WATCH_INPUT);
	return PointerGetDatum(result_row(trigger));
}

/*
 * Lines, taxes and inputs follow their document; once per statement, with
 * the transition tables old_rows and new_rows.  A row without a document is
 * on its way out with an open one that was removed.
 */
Datum
finops_guard_invoice_detail(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_data(fcinfo);
	FinopsSession session;
	uint64		n;

	FinopsBegin(&session);
	if (SPI_register_trigger_data(trigger) != SPI_OK_TD_REGISTER)
		elog(ERROR, "SPI_register_trigger_data failed");
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		n = FINOPS_RUN0("SELECT h.invoice_id, h.status FROM @s@.invoice_header h"
						" WHERE h.invoice_id IN (SELECT o.invoice_id FROM old_rows o UNION SELECT n.invoice_id FROM new_rows n)"
						" AND h.status <> 'open' LIMIT 1");
	else
		n = FINOPS_RUN0("SELECT h.invoice_id, h.status FROM @s@.invoice_header h"
						" WHERE h.invoice_id IN (SELECT o.invoice_id FROM old_rows o) AND h.status <> 'open' LIMIT 1");
	if (n > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("document \"%s\" is %s and never changes", FinopsText(0, 1), FinopsText(0, 2)),
				 errhint("Correct it with finops.credit_invoice().")));
	FinopsEnd(&session);
	return PointerGetDatum(NULL);
}

/* What was unknown may become known; what is known stays, or is unknown again. */
static bool
becomes_known(TriggerData *trigger, const char *column)
{
	char	   *before = column_text(trigger, trigger->tg_trigtuple, column);
	char	   *after = column_text(trigger, trigger->tg_newtuple, column);

	return before == NULL || after == NULL || strcmp(before, after) == 0;
}

/*
 * A payment's status may follow its bank, and whose it is and for what may
 * become known; the rest is as it was received.
 */
Datum
finops_guard_payment(PG_FUNCTION_ARGS)
{
	static const char *const progress[] = {"status", "invoice_id", "tenant_id"};
	TriggerData *trigger = trigger_data(fcinfo);
	char	   *status = column_text(trigger, trigger->tg_trigtuple, "status");
	bool		allowed = false;

	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
	{
		char	   *next = column_text(trigger, trigger->tg_newtuple, "status");

		allowed = same_but(trigger, progress, lengthof(progress)) &&
			becomes_known(trigger, "tenant_id") && becomes_known(trigger, "invoice_id") &&
			(strcmp(status, next) == 0 ||
			 (strcmp(status, "pending") == 0 && strcmp(next, "refunded") != 0) ||
			 (strcmp(status, "confirmed") == 0 && strcmp(next, "refunded") == 0));
	}
	if (!allowed)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("payment \"%s\" is %s and never changes",
						column_text(trigger, trigger->tg_trigtuple, "payment_id"), status),
				 errhint("Record what happened as another payment.")));
	return PointerGetDatum(result_row(trigger));
}

/* Entries of a settlement are added, never changed. */
Datum
finops_guard_settlement(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_data(fcinfo);

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("rows of \"%s\" never change", RelationGetRelationName(trigger->tg_relation)),
			 errhint("Take it back with finops.unapply_payment().")));
	return (Datum) 0;
}

Datum
finops_guard_truncate(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_data(fcinfo);

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" cannot be truncated",
					RelationGetRelationName(trigger->tg_relation)),
			 errdetail("It holds issued documents or payments.")));
	return (Datum) 0;
}
