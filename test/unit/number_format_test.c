/* links: src/invoice/number_format.c */
#include "invoice/invoice.h"

#include <stdio.h>

static int	count;
static int	failures;

static void
ok(bool pass, const char *what)
{
	count++;
	failures += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", count, what);
}

static void
formats(const char *format, int64 seq, const char *expected)
{
	char		out[INVOICE_NUMBER_MAX + 1];
	bool		fits = InvoiceFormatNumber(format, 2026, 3, seq, out);

	ok(fits && strcmp(out, expected) == 0, expected);
}

static void
checks(void)
{
	ok(InvoiceCheckNumberFormat("INV-{YYYY}-{SEQ:6}") == NULL, "the default format is good");
	ok(InvoiceCheckNumberFormat("{SEQ}") == NULL, "a bare running number is good");
	ok(InvoiceCheckNumberFormat("{SEQ:18}") == NULL, "18 digits are good");
	ok(InvoiceCheckNumberFormat("{SEQ:19}") != NULL, "19 digits are refused");
	ok(InvoiceCheckNumberFormat("{SEQ:0}") != NULL, "0 digits are refused");
	ok(InvoiceCheckNumberFormat("{SEQ:}") != NULL, "missing digits are refused");
	ok(InvoiceCheckNumberFormat("{SEQ:99999999999999999999}") != NULL, "a width beyond any integer is refused");
	ok(InvoiceCheckNumberFormat("INV") != NULL, "a format without running number is refused");
	ok(InvoiceCheckNumberFormat("") != NULL, "an empty format is refused");
	ok(InvoiceCheckNumberFormat("{SEQ}{SEQ}") != NULL, "two running numbers are refused");
	ok(InvoiceCheckNumberFormat("{SEQ}{DD}") != NULL, "an unknown token is refused");
	ok(InvoiceCheckNumberFormat("{SEQ") != NULL, "an open brace is refused");
	ok(InvoiceCheckNumberFormat("}{SEQ}") != NULL, "a stray brace is refused");
	ok(InvoiceCheckNumberFormat("A\nB{SEQ}") != NULL, "a control character is refused");
	ok(InvoiceCheckNumberFormat("1234567890123456789012345678901234567890123456{SEQ}") == NULL,
	   "46 characters leave room for 18 digits");
	ok(InvoiceCheckNumberFormat("12345678901234567890123456789012345678901234567{SEQ}") != NULL,
	   "47 characters do not");
	ok(InvoiceNumberIsYearly("{YY}{SEQ}") && InvoiceNumberIsYearly("{YYYY}{SEQ}"), "a format with the year is yearly");
	ok(!InvoiceNumberIsYearly("{MM}{SEQ}"), "a format without the year is not");
}

int
main(void)
{
	char		out[INVOICE_NUMBER_MAX + 1];

	checks();
	formats("INV-{YYYY}-{SEQ:6}", 7, "INV-2026-000007");
	formats("{YY}{MM}/{SEQ:3}", 1234, "2603/1234");
	formats("{SEQ}", INT64_C(9223372036854775807), "9223372036854775807");
	formats("\xc3\x84-{SEQ}", 1, "\xc3\x84-1");
	ok(!InvoiceFormatNumber("1234567890123456789012345678901234567890123456789012345678901234{SEQ}",
							2026, 3, 1, out), "a number beyond 64 bytes is refused");
	printf("1..%d\n", count);
	return failures > 0;
}
