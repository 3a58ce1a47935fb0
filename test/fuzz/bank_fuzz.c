/* links: src/invoice/bank_value.c src/invoice/bank_csv.c src/invoice/camt.c src/bill/csv.c -I/usr/include/libxml2 -lxml2 */
/*
 * A bank statement of any bytes: what is read has dates of the calendar,
 * texts that end, and entries whose sum is the difference of the balances.
 */
#include "invoice/bank_csv.h"

#include <stdlib.h>

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_line(void *arg, const BankStatement *statement, const BankLine *line)
{
	char		out[11];
	char		buf[48];

	(void) arg, (void) statement;
	if (!line->amount.set || !BankIsoDate(line->booked, out) ||
		strlen(BankAmountText(line->amount.units, buf)) >= sizeof(buf) ||
		strlen(line->text) > BANK_TEXT || strlen(line->name) > BANK_NAME || strlen(line->currency) > 3)
		abort();
}

static void
on_end(void *arg, const BankStatement *s)
{
	(void) arg;
	if (s->opening.set && s->closing.set && s->entries > 0 && s->opening.units + s->sum != s->closing.units)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const BankSink sink = {NULL, on_line, on_end, NULL};
	BankError	error;
	char	   *text = malloc(size + 1);

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (CamtMagic(text, size))
	{
		Camt	   *camt = CamtOpen(text, size, &sink, &error);

		if (camt != NULL && !CamtRead(camt) && error.reason[0] == '\0')
			abort();
		CamtClose(camt);
	}
	else
	{
		BankCsv		csv = {0};

		csv.data = text;
		csv.len = size;
		csv.sink = &sink;
		csv.error = &error;
		if (!BankCsvRead(&csv) && error.reason[0] == '\0')
			abort();
		BankCsvClose(&csv);
	}
	(void) BankReferenceIsGood(text);
	free(text);
	return 0;
}
