/*-------------------------------------------------------------------------
 *
 * document_tax.c
 *	  How the tenants of a run are taxed, for the engine.
 *
 * Most profiles say their rate; what such a tenant is supplied with is taxed
 * at it.  For all others, and for kinds of supply other than the standard
 * one, finops.tax_of judges each profile once in a run.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/document.h"

#define STANDARD	"standard"

/* Which lines are which kind of supply: the rows of finops.tax_code. */
typedef struct TaxCodeLine
{
	char	   *line_type;
	char	   *service;		/* empty: any */
	int			code;
} TaxCodeLine;

typedef struct Judged
{
	char	   *profile;
	InvoiceParty taxed;			/* its classes */
	struct Judged *next;
} Judged;

static TaxCodeLine *code_lines; /* of the current run, in its context */
static int	ncode_lines;
static char **codes;
static int	ncodes;
static Judged *judged;

static int
code_index(char *code)
{
	for (int i = 0; i < ncodes; i++)
		if (strcmp(codes[i], code) == 0)
			return i;
	codes[ncodes] = code;
	return ncodes++;
}

void
InvoiceLoadTaxCodes(const InvoiceRun *run)
{
	MemoryContext old;

	judged = NULL;
	ncodes = 0;
	ncode_lines = (int) FinopsRunKept("SELECT line_type, service, tax_code FROM finops.tax_code", 0, NULL);
	if (ncode_lines == 0)
		return;
	old = MemoryContextSwitchTo(run->context);
	code_lines = palloc_array(TaxCodeLine, ncode_lines);
	codes = palloc_array(char *, ncode_lines);
	for (int i = 0; i < ncode_lines; i++)
		code_lines[i] = (TaxCodeLine) {FinopsText(i, 1), FinopsText(i, 2), code_index(FinopsText(i, 3))};
	MemoryContextSwitchTo(old);
}

const char *
InvoiceRoundingName(TaxRounding rounding)
{
	return rounding == TAX_ROUND_LINE ? "line" : "category";
}

const char *
InvoiceTreatment(const char *category)
{
	static const char *const names[][2] = {
		{"E", "exempt"}, {"AE", "reverse_charge"}, {"K", "intra_community"},
		{"G", "export"}, {"O", "outside_scope"},
	};

	for (size_t i = 0; i < lengthof(names); i++)
		if (strcmp(names[i][0], category) == 0)
			return names[i][1];
	return "standard";
}

int
InvoiceClassOfLine(const InvoiceParty *party, const char *line_type, const char *service)
{
	int			found = 0;

	for (int i = 0; i < ncode_lines; i++)
		if (strcmp(code_lines[i].line_type, line_type) == 0)
		{
			if (service != NULL && strcmp(code_lines[i].service, service) == 0)
				return party->class_of_code[code_lines[i].code];
			if (code_lines[i].service[0] == '\0')
				found = party->class_of_code[code_lines[i].code];
		}
	return found;
}

/* Percent with at most 6 decimals as a rate of tax.c, within 0..1. */
static int64
tax_rate(InvoiceDecimal ratio)
{
	InvoiceDecimal r = InvoiceTrim(ratio);
	int128		power;

	if (r.units <= 0)
		return 0;
	if (r.scale > TAX_RATE_SCALE || !InvoicePower10(TAX_RATE_SCALE - r.scale, &power) ||
		r.units > TAX_RATE_ONE)
	{
		/* more than 1, or finer than a rate can be: rounded half up */
		while (r.scale > TAX_RATE_SCALE)
		{
			r.units = (r.units + (r.scale == TAX_RATE_SCALE + 1 ? 5 : 0)) / 10;
			r.scale--;
		}
		(void) InvoicePower10(TAX_RATE_SCALE - r.scale, &power);
		if (r.units > TAX_RATE_ONE)
			return TAX_RATE_ONE;
	}
	return (int64) Min(r.units * power, (int128) TAX_RATE_ONE);
}

static InvoiceTaxClass
plain_class(InvoiceDecimal ratio)
{
	InvoiceTaxClass class = {0};

	class.class.nparts = 1;
	class.class.parts[0].rate = tax_rate(ratio);
	strcpy(class.class.category, class.class.parts[0].rate > 0 ? "S" : "Z");
	class.rate = InvoiceTrim((InvoiceDecimal) {class.class.parts[0].rate, TAX_RATE_SCALE});
	return class;
}

/*
 * finops.tax_of(profile, day, code): category, rate, reason, parts one by
 * one.  What cannot be judged has rate 0; issue refuses it.
 */
static InvoiceTaxClass
ask(const InvoiceRun *run, const char *profile, const char *code)
{
	InvoiceTaxClass class = {0};
	uint64		n = FINOPS_RUN_KEPT("SELECT x.category, x.rate, x.reason, (p.value ->> 'rate')::numeric, (p.value ->> 'compound')::bool"
									" FROM finops.tax_of($1::jsonb, $2, $3) x"
									" LEFT JOIN LATERAL jsonb_array_elements(x.parts) WITH ORDINALITY p ON true ORDER BY p.ordinality",
									ARG_TEXT(profile), ARG_DATE(run->next - 1), ARG_TEXT(code));
	bool		isnull;
	Datum		rate = n == 0 ? (Datum) 0 : FinopsValue(0, 2, &isnull);
	InvoiceDecimal ratio = {0, 0};

	if (n == 0 || isnull)
		return plain_class(ratio);
	if (!InvoiceDecodeNumeric(rate, &ratio))
		return plain_class((InvoiceDecimal) {0, 0});
	class = plain_class(ratio);
	strlcpy(class.class.category, FinopsText(0, 1), sizeof(class.class.category));
	class.reason = FinopsText(0, 3);
	(void) FinopsValue(0, 4, &isnull);
	for (int i = 0; !isnull && i < (int) Min(n, TAX_MAX_PARTS); i++)
	{
		InvoiceDecimal part = {0, 0};
		bool		null_part;
		Datum		value = FinopsValue(i, 4, &null_part);

		if (!null_part)
			(void) InvoiceDecodeNumeric(value, &part);
		class.class.nparts = i + 1;
		class.class.parts[i] = (TaxPart) {tax_rate(part), strcmp(FinopsText(i, 5), "t") == 0};
	}
	return class;
}

/* Kinds of supply that are taxed alike share a class: one row of the tax table. */
static int
add_class(InvoiceParty *party, InvoiceTaxClass class)
{
	for (int i = 0; i < party->nclasses; i++)
		if (memcmp(&party->classes[i].class, &class.class, sizeof(TaxClass)) == 0)
			return i;
	party->classes[party->nclasses] = class;
	return party->nclasses++;
}

static void
judge(const InvoiceRun *run, InvoiceParty *party, bool simple, InvoiceDecimal rate_pct,
	  const char *profile)
{
	int		   *class_of_code = palloc0_array(int, Max(ncodes, 1));

	party->classes = palloc0_array(InvoiceTaxClass, ncodes + 1);
	party->nclasses = 0;
	rate_pct.scale += 2;
	(void) add_class(party, simple ? plain_class(rate_pct) : ask(run, profile, STANDARD));
	for (int i = 0; i < ncodes; i++)
		class_of_code[i] = add_class(party, ask(run, profile, codes[i]));
	party->class_of_code = class_of_code;
}

void
InvoiceClassify(const InvoiceRun *run, InvoiceParty *party, bool simple,
				InvoiceDecimal rate_pct, const char *profile)
{
	Judged	   *known;
	MemoryContext old;

	if (simple && ncodes == 0)
	{
		judge(run, party, simple, rate_pct, NULL);
		return;
	}
	for (known = judged; known != NULL; known = known->next)
		if (strcmp(known->profile, profile) == 0)
			break;
	if (known == NULL)
	{
		old = MemoryContextSwitchTo(run->context);
		known = palloc0_object(Judged);
		known->profile = pstrdup(profile);
		known->next = judged;
		judged = known;
		judge(run, &known->taxed, simple, rate_pct, profile);
		MemoryContextSwitchTo(old);
	}
	party->nclasses = known->taxed.nclasses;
	party->classes = known->taxed.classes;
	party->class_of_code = known->taxed.class_of_code;
}
