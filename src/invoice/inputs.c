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

/* ---------------------------------------------------------------------
 * Reading
 * ---------------------------------------------------------------------
 */
typedef struct Reader
{
	const unsigned char *at;
	const unsigned char *end;
} Reader;

pg_noreturn static void
raise_corrupt(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("stored inputs do not fit the document")));
}

static int128
get_integer(Reader *in)
{
	uint128		bits = 0;

	for (int shift = 0;; shift += 7)
	{
		unsigned char byte;

		if (in->at == in->end || shift > 126)
			raise_corrupt();
		byte = *in->at++;
		bits |= (uint128) (byte & 0x7F) << shift;
		if (byte < 0x80)
			break;
	}
	return bits & 1 ? (int128) ~(bits >> 1) : (int128) (bits >> 1);
}

static int
get_small(Reader *in, int low, int high)
{
	int128		value = get_integer(in);

	if (value < low || value > high)
		raise_corrupt();
	return (int) value;
}

static InvoiceDecimal
get_decimal(Reader *in)
{
	InvoiceDecimal value;

	value.scale = get_small(in, 0, 1000);
	value.units = get_integer(in);
	return value;
}

static char *
get_text(Reader *in)
{
	int			len = get_small(in, -1, 1 << 20);
	char	   *text;

	if (len < 0)
		return NULL;
	if (in->end - in->at < len)
		raise_corrupt();
	text = pnstrdup((const char *) in->at, len);
	in->at += len;
	return text;
}

static void
get_classes(Reader *in, InvoiceParty *party)
{
	party->nclasses = get_small(in, 1, 1000);
	party->classes = palloc0_array(InvoiceTaxClass, party->nclasses);
	for (int i = 0; i < party->nclasses; i++)
	{
		InvoiceTaxClass *class = &party->classes[i];
		char	   *category = get_text(in);

		if (category == NULL || strlen(category) > TAX_CATEGORY_LEN)
			raise_corrupt();
		strcpy(class->class.category, category);
		class->reason = get_text(in);
		class->rate = get_decimal(in);
		class->class.nparts = get_small(in, 0, TAX_MAX_PARTS);
		for (int p = 0; p < class->class.nparts; p++)
		{
			class->class.parts[p].rate = get_small(in, 0, (int) TAX_RATE_ONE);
			class->class.parts[p].compound = get_small(in, 0, 1) != 0;
		}
	}
}

void
InvoiceDecodeInputs(Datum inputs, InvoiceRun *run, InvoiceParty *party,
					InvoiceCharge *charges, int ncharges)
{
	bytea	   *bytes = DatumGetByteaPP(inputs);
	Reader		in = {(const unsigned char *) VARDATA_ANY(bytes),
	(const unsigned char *) VARDATA_ANY(bytes) + VARSIZE_ANY_EXHDR(bytes)};

	(void) get_small(&in, FORMAT_VERSION, FORMAT_VERSION);
	run->nrates = get_small(&in, 1, 1000);
	run->rates = palloc0_array(InvoiceRate, run->nrates);
	for (int i = 0; i < run->nrates; i++)
	{
		run->rates[i].currency = get_text(&in);
		run->rates[i].digits = get_small(&in, 0, 18);
		run->rates[i].rate = get_decimal(&in);
		run->rates[i].known = true;
		if (run->rates[i].currency == NULL)
			raise_corrupt();
	}
	get_classes(&in, party);
	(void) get_small(&in, ncharges, ncharges);
	for (int i = 0; i < ncharges; i++)
	{
		InvoiceCharge *charge = &charges[i];

		charge->currency = run->rates[get_small(&in, 0, run->nrates - 1)].currency;
		charge->num = get_integer(&in);
		charge->den = get_integer(&in);
		charge->round_group = get_small(&in, 0, 1 << 20);
		charge->tax_class = 1 + get_small(&in, 0, party->nclasses - 1);
		charge->has_unit_price = get_small(&in, 0, 1) != 0;
		if (charge->has_unit_price)
			charge->unit_price = get_decimal(&in);
		if (charge->den <= 0)
			raise_corrupt();
	}
	if (in.at != in.end)
		raise_corrupt();
}
