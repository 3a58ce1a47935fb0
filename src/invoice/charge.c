/*-------------------------------------------------------------------------
 *
 * charge.c
 *	  The sources of charges, and the texts of documents.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/charge.h"

#include "utils/memutils.h"

/* In the order in which they see a tenant: the plan first, it sets the markup. */
static const InvoiceChargeSource *const sources[] = {
	&InvoicePlanCharges,
	&InvoiceCostCharges,
	&InvoiceLateCharges,
	&InvoiceDunningCharges,
	&InvoiceAdvanceCharges,
};

static void *states[lengthof(sources)];

void
InvoiceOpenSources(const InvoiceRun *run)
{
	for (size_t i = 0; i < lengthof(sources); i++)
		states[i] = sources[i]->open != NULL ? sources[i]->open(run) : NULL;
}

void
InvoiceCollectCharges(InvoiceCharges *charges)
{
	for (size_t i = 0; i < lengthof(sources); i++)
		if (sources[i]->charge != NULL)
			sources[i]->charge(states[i], charges);
	for (size_t i = 0; i < lengthof(sources); i++)
		if (sources[i]->finish != NULL && charges->problem == NULL)
			sources[i]->finish(states[i], charges);
}

void
InvoiceCloseSources(void)
{
	for (size_t i = 0; i < lengthof(sources); i++)
		if (sources[i]->close != NULL)
			sources[i]->close(states[i]);
}

InvoiceCharge *
InvoiceAddCharge(InvoiceCharges *charges)
{
	InvoiceCharge *charge;

	if (charges->n == charges->room)
	{
		Size		room = Max(16, 2 * (Size) charges->room);

		charges->charge = charges->charge == NULL ?
			palloc(room * sizeof(InvoiceCharge)) :
			repalloc_huge(charges->charge, room * sizeof(InvoiceCharge));
		charges->room = (int) room;
	}
	charge = &charges->charge[charges->n++];
	memset(charge, 0, sizeof(InvoiceCharge));
	charge->quantity.units = 1;
	charge->den = 1;
	return charge;
}

void
InvoiceRefuse(InvoiceCharges *charges, const char *problem, const char *call)
{
	if (charges->problem != NULL)
		return;
	charges->problem = problem;
	charges->call = call;
}

static const InvoiceRate *
find_rate(const InvoiceRun *run, const char *currency)
{
	for (int i = 0; i < run->nrates; i++)
		if (strcmp(run->rates[i].currency, currency) == 0)
			return &run->rates[i];
	return NULL;
}

const InvoiceRate *
InvoiceFindRate(const InvoiceRun *run, const char *currency)
{
	const InvoiceRate *rate = find_rate(run, currency);

	if (rate == NULL && run->tenant != NULL)
	{
		InvoiceLoadRate(unconstify(InvoiceRun *, run), currency);
		rate = find_rate(run, currency);
	}
	return rate;
}

/* ---------------------------------------------------------------------
 * Texts
 * ---------------------------------------------------------------------
 */
typedef struct Phrase
{
	char	   *language;
	char	   *phrase;
	char	   *text;
} Phrase;

static Phrase *phrases;			/* of the current run, in its context */
static int	nphrases;

/* Own rows stand before shipped ones. */
void
InvoiceLoadPhrases(const InvoiceRun *run)
{
	MemoryContext old;

	nphrases = (int) FinopsRunKept("SELECT language, phrase, text FROM finops.invoice_phrase ORDER BY shipped", 0, NULL);
	old = MemoryContextSwitchTo(run->context);
	phrases = palloc_array(Phrase, Max(nphrases, 1));
	for (int i = 0; i < nphrases; i++)
		phrases[i] = (Phrase) {FinopsText(i, 1), FinopsText(i, 2), FinopsText(i, 3)};
	MemoryContextSwitchTo(old);
}

/* Of the language up to len bytes. */
static const char *
find_phrase(const char *language, size_t len, const char *phrase)
{
	for (int i = 0; i < nphrases; i++)
		if (strncmp(phrases[i].language, language, len) == 0 &&
			phrases[i].language[len] == '\0' && strcmp(phrases[i].phrase, phrase) == 0)
			return phrases[i].text;
	return NULL;
}

/* de-AT, then de, then en. */
static const char *
phrase_text(const char *language, const char *phrase)
{
	const char *text = find_phrase(language, strlen(language), phrase);

	if (text == NULL && strchr(language, '-') != NULL)
		text = find_phrase(language, strcspn(language, "-"), phrase);
	if (text == NULL)
		text = find_phrase("en", 2, phrase);
	if (text == NULL)
		elog(ERROR, "finops.invoice_phrase has no text \"%s\" in English", phrase);
	return text;
}

/* The value of a name, or NULL; the list ends with NULL. */
static const char *
find_value(va_list args, const char *name, size_t len)
{
	const char *key;

	while ((key = va_arg(args, const char *)) != NULL)
	{
		const char *value = va_arg(args, const char *);

		if (strlen(key) == len && memcmp(key, name, len) == 0)
			return value;
	}
	return NULL;
}

char *
InvoiceText(const InvoiceTenant *tenant, const char *phrase, ...)
{
	const char *text = phrase_text(tenant->language, phrase);
	StringInfoData out = {palloc(128), 0, 128, 0};
	const char *open;

	out.data[0] = '\0';
	while ((open = strchr(text, '{')) != NULL)
	{
		size_t		len = strcspn(open + 1, "}");
		const char *value = NULL;
		va_list		args;

		if (open[1 + len] == '}')
		{
			va_start(args, phrase);
			value = find_value(args, open + 1, len);
			va_end(args);
		}
		appendBinaryStringInfo(&out, text, (int) (open - text));
		if (value == NULL)
		{
			appendStringInfoChar(&out, '{');
			text = open + 1;
			continue;
		}
		appendStringInfoString(&out, value);
		text = open + len + 2;
	}
	appendStringInfoString(&out, text);
	return out.data;
}
