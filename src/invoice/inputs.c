/*-------------------------------------------------------------------------
 *
 * inputs.c
 *	  What a document was computed from, in a compact form.
 *
 * The lines of a document hold what was charged: texts, quantities, cost,
 * references.  What they do not show is kept here: the exact amount of each
 * line, the group it was rounded in, its price before conversion, the rates
 * of the currencies and how each line was taxed.  Both together are all that
 * the engine needs to compute the document again.
 *
 * Integers are written seven bits to a byte, low bits first, the sign in the
 * lowest bit.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/document.h"

#define FORMAT_VERSION	1

static void
put_integer(StringInfo out, int128 value)
{
	uint128		bits = value < 0 ? ((~(uint128) value) << 1) | 1 : ((uint128) value) << 1;

	enlargeStringInfo(out, 20);
	while (bits >= 0x80)
	{
		out->data[out->len++] = (char) (0x80 | (int) (bits & 0x7F));
		bits >>= 7;
	}
	out->data[out->len++] = (char) bits;
}

static void
put_decimal(StringInfo out, InvoiceDecimal value)
{
	put_integer(out, value.scale);
	put_integer(out, value.units);
}

static void
put_text(StringInfo out, const char *text)
{
	put_integer(out, text == NULL ? -1 : (int64) strlen(text));
	if (text != NULL)
		appendStringInfoString(out, text);
}

/* The rates that the document uses; its own is the first. */
static int
used_rates(const InvoiceDraft *draft, const InvoiceRate **used, int room)
{
	int			n = 0;

	used[n++] = draft->rate;
	for (int i = 0; i < draft->nlines && n < room; i++)
	{
		const char *currencies[] = {draft->charges[i]->currency, draft->charges[i]->cost_currency};

		for (size_t c = 0; c < lengthof(currencies) && n < room; c++)
		{
			int			k = 0;

			if (currencies[c] == NULL)
				continue;
			while (k < n && strcmp(used[k]->currency, currencies[c]) != 0)
				k++;
			if (k == n)
				used[n++] = InvoiceFindRate(draft->run, currencies[c]);
		}
	}
	return n;
}

static int
rate_index(const InvoiceRate *const *used, int n, const char *currency)
{
	for (int i = 0; i < n; i++)
		if (strcmp(used[i]->currency, currency) == 0)
			return i;
	elog(ERROR, "currency %s has no rate", currency);
	return 0;					/* keep compiler quiet */
}

static void
put_classes(StringInfo out, const InvoiceParty *party)
{
	put_integer(out, party->nclasses);
	for (int i = 0; i < party->nclasses; i++)
	{
		const InvoiceTaxClass *class = &party->classes[i];

		put_text(out, class->class.category);
		put_text(out, class->reason);
		put_decimal(out, class->rate);
		put_integer(out, class->class.nparts);
		for (int p = 0; p < class->class.nparts; p++)
		{
			put_integer(out, class->class.parts[p].rate);
			put_integer(out, class->class.parts[p].compound);
		}
	}
}

Datum
InvoiceEncodeInputs(const InvoiceDraft *draft)
{
	StringInfoData out;
	int			room = draft->run->nrates + 1;
	const InvoiceRate **used = palloc_array(const InvoiceRate *, room);
	int			nused = used_rates(draft, used, room);

	initStringInfo(&out);
	appendStringInfoSpaces(&out, VARHDRSZ);
	put_integer(&out, FORMAT_VERSION);
	put_integer(&out, nused);
	for (int i = 0; i < nused; i++)
	{
		put_text(&out, used[i]->currency);
		put_integer(&out, used[i]->digits);
		put_decimal(&out, used[i]->rate);
	}
	put_classes(&out, draft->party);
	put_integer(&out, draft->nlines);
	for (int i = 0; i < draft->nlines; i++)
	{
		const InvoiceCharge *charge = draft->charges[i];

		put_integer(&out, rate_index(used, nused, charge->currency));
		put_integer(&out, charge->num);
		put_integer(&out, charge->den);
		put_integer(&out, charge->round_group);
		put_integer(&out, draft->line_class[i]);
		put_integer(&out, charge->has_unit_price);
		if (charge->has_unit_price)
			put_decimal(&out, charge->unit_price);
	}
	SET_VARSIZE(out.data, out.len);
	return PointerGetDatum(out.data);
}
