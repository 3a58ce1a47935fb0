/* links: src/invoice/bank_value.c src/invoice/bank_csv.c src/invoice/camt.c src/bill/csv.c -I/usr/include/libxml2 -lxml2 */
/*
 * Bank statements: values as banks write them, CAMT.053 of several versions,
 * CSV in several languages, and what is refused.
 */
#include <stdio.h>

#include "invoice/bank_csv.h"
#include "tap.h"

static void
amount(const char *text, char decimal, const char *expected)
{
	BankAmount	a = {0};
	char		buf[48] = "none";

	if (BankCsvAmount(text, (int) strlen(text), decimal, &a))
		BankAmountText(a.units, buf);
	if (strcmp(buf, expected) != 0)
		printf("# %s gave %s\n", text, buf);
	ok(strcmp(buf, expected) == 0, text);
}

static void
day(const char *text, char order, const char *expected)
{
	char		out[11] = "none";

	ok(BankCsvDate(text, (int) strlen(text), order, out) == (strcmp(expected, "none") != 0) && strcmp(out, expected) == 0, text);
}

static void
test_values(void)
{
	BankAmount	a;
	char		out[11];

	amount("1.234,56", ',', "1234.56000");
	amount("-1,234.5 EUR", '.', "-1234.50000");
	amount("12,30-", ',', "-12.30000");
	amount("(7.00)", '.', "-7.00000");
	amount("1'234.50", '.', "1234.50000");
	amount("+5", '.', "5.00000");
	amount("1.23.4", ',', "none");
	amount("1,2,3", ',', "none");
	amount("", '.', "none");
	amount("abc", '.', "none");
	amount("12x", '.', "none");
	amount("1e5", '.', "none");
	amount("x12", '.', "none");
	amount("12 EURO", '.', "none");
	amount("12,30 DR", ',', "-12.30000");
	amount("12,30 S", ',', "-12.30000");
	amount("12,30 H", ',', "12.30000");
	amount("12.30CR", '.', "12.30000");
	amount("-12.30 DR", '.', "none");
	amount("R$ 12,30", ',', "12.30000");
	amount("12,30 z\xc5\x82", ',', "12.30000");
	amount("USD 12.30", '.', "12.30000");
	amount("1234567890123456789", '.', "none");
	amount("0.000001", '.', "none");
	ok(BankDecimalOf("1.234,56", 8) == ',' && BankDecimalOf("1,234.56", 8) == '.' && BankDecimalOf("1.234", 5) == '\0' &&
	   BankDecimalOf("1.234.567", 9) == ',' && BankDecimalOf("12,5", 4) == ',' && BankDecimalOf("x", 1) == '!', "which sign is the decimal one");
	day("31.12.2024", 'D', "2024-12-31");
	day("12/31/24", 'M', "2024-12-31");
	day("20240229", 'Y', "2024-02-29");
	day("2023-02-29", 'Y', "none");
	day("31/12/2024", 'M', "none");
	ok(BankDateOrderOf("13/01/2024", 10) == 'D' && BankDateOrderOf("01/13/2024", 10) == 'M' && BankDateOrderOf("01/02/2024", 10) == '\0' &&
	   BankDateOrderOf("1.2.2024", 8) == 'D' && BankDateOrderOf("hello", 5) == '!', "day or month first");
	ok(BankIsoAmount("10.5", &a) && a.units == 1050000 && !BankIsoAmount("1.2.3", &a) && !BankIsoAmount("1e3", &a) && !BankIsoAmount("", &a), "amounts of ISO 20022");
	ok(BankIsoDate("2024-02-20T10:00:00+01:00", out) && !BankIsoDate("2024-13-01", out) && !BankIsoDate("2024", out), "dates of ISO 20022");
	/* the example of ISO 11649 */
	ok(BankReferenceIsGood("RF18539007547034") && !BankReferenceIsGood("RF19539007547034") && !BankReferenceIsGood("RF18"), "check digits of a reference");
	ok(BankColumnOf("Währung", 8) == BANK_CURRENCY && BankColumnOf("Auftraggeber / Empfänger", 25) == BANK_PAYER && BankColumnOf("Libellé", 8) == BANK_REMITTANCE &&
	   BankColumnOf("foo", 3) == -1, "names of columns");
	ok(BankSignOf("S", 1) == -1 && BankSignOf("Haben", 5) == 1 && BankSignOf("DBIT", 4) == -1 && BankSignOf("?", 1) == 0, "signs");
}

/* What was read, as text. */
static char seen[4096];

static void
on_line(void *arg, const BankStatement *s, const BankLine *line)
{
	char		buf[48];
	size_t		n = strlen(seen);

	(void) arg, (void) s;
	snprintf(seen + n, sizeof(seen) - n, "[%s %s %s|%s|%s|%s|%s|%s|%s%s]", line->booked, BankAmountText(line->amount.units, buf), line->currency,
			 line->name, line->account, line->text, line->structured, line->end_to_end, line->bank_ref, line->reversal ? "|R" : "");
}

static void
on_end(void *arg, const BankStatement *s)
{
	char		buf[48];
	size_t		n = strlen(seen);

	(void) arg;
	snprintf(seen + n, sizeof(seen) - n, "{%s %s %s %lld}", s->account, s->currency, s->closing.set ? BankAmountText(s->closing.units, buf) : "-", (long long) s->entries);
}

static const BankSink sink = {NULL, on_line, on_end, NULL};

#define HEAD(version) "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001." version "\"><BkToCstmrStmt><Stmt><Id>S</Id><Acct><Id><IBAN>DE1</IBAN></Id><Ccy>EUR</Ccy></Acct>"
#define BALANCE(code, amount) "<Bal><Tp><CdOrPrtry><Cd>" code "</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">" amount "</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2024-01-31</Dt></Dt></Bal>"
#define TAIL "</Stmt></BkToCstmrStmt></Document>"
#define ENTRY(amount, sign, status, rest) "<Ntry><Amt Ccy=\"EUR\">" amount "</Amt><CdtDbtInd>" sign "</CdtDbtInd>" status "<BookgDt><Dt>2024-01-31</Dt></BookgDt>" rest "</Ntry>"
#define BOOKED2 "<Sts>BOOK</Sts>"
#define BOOKED8 "<Sts><Cd>BOOK</Cd></Sts>"

static void
camt(const char *xml, const char *expected, const char *what)
{
	BankError	error;
	Camt	   *c = CamtOpen(xml, strlen(xml), &sink, &error);
	bool		good;

	seen[0] = '\0';
	good = c != NULL && CamtRead(c);
	CamtClose(c);
	if (!good)
		snprintf(seen, sizeof(seen), "%s", error.reason);
	if (strcmp(seen, expected) != 0)
		printf("# got      %s\n# expected %s\n", seen, expected);
	ok(strcmp(seen, expected) == 0, what);
}

static void
test_camt(void)
{
	camt(HEAD("02") BALANCE("OPBD", "10") BALANCE("CLBD", "110") ENTRY("100", "CRDT", BOOKED2, "<AcctSvcrRef>R</AcctSvcrRef><NtryDtls><TxDtls><Refs><EndToEndId>E</EndToEndId></Refs><RltdPties><Dbtr><Nm>A &amp; B</Nm></Dbtr><DbtrAcct><Id><IBAN>DE2</IBAN></Id></DbtrAcct></RltdPties><RmtInf><Ustrd>one</Ustrd><Ustrd>two</Ustrd></RmtInf></TxDtls></NtryDtls>") TAIL,
		 "[2024-01-31 100.00000 EUR|A & B|DE2|one two||E|R]{DE1 EUR 110.00000 1}", "version 2: an entry with its party and text");
	camt(HEAD("13") ENTRY("100", "CRDT", BOOKED8, "<NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs><RltdPties><Dbtr><Pty><Nm>C</Nm></Pty></Dbtr></RltdPties><RmtInf><Strd><CdtrRefInf><Ref>RF18539007547034</Ref></CdtrRefInf></Strd></RmtInf></TxDtls></NtryDtls>") TAIL,
		 "[2024-01-31 100.00000 EUR|C|||RF18539007547034||]{DE1 EUR - 1}", "version 13: party and status one step deeper");
	camt(HEAD("08") ENTRY("100", "CRDT", BOOKED8, "<NtryDtls><TxDtls><Amt Ccy=\"EUR\">60</Amt><RltdPties><Dbtr><Nm>A</Nm></Dbtr></RltdPties></TxDtls><TxDtls><Amt Ccy=\"EUR\">40</Amt><RltdPties><Dbtr><Nm>B</Nm></Dbtr></RltdPties></TxDtls></NtryDtls>") TAIL,
		 "[2024-01-31 60.00000 EUR|A|||||][2024-01-31 40.00000 EUR|B|||||]{DE1 EUR - 1}", "a batch: a line for each transaction");
	camt(HEAD("08") ENTRY("100", "CRDT", BOOKED8, "<NtryDtls><TxDtls><RmtInf><Ustrd>x</Ustrd></RmtInf></TxDtls><TxDtls><RmtInf><Ustrd>y</Ustrd></RmtInf></TxDtls></NtryDtls>") TAIL,
		 "[2024-01-31 100.00000 EUR|||x y|||]{DE1 EUR - 1}", "transactions without amounts: one line with their texts");
	camt(HEAD("04") ENTRY("30", "DBIT", "<RvslInd>true</RvslInd>" BOOKED2, "<NtryDtls><TxDtls><RltdPties><Dbtr><Nm>A</Nm></Dbtr></RltdPties></TxDtls></NtryDtls>") TAIL,
		 "[2024-01-31 -30.00000 EUR|A||||||R]{DE1 EUR - 1}", "a reversal, of the party that paid");
	camt(HEAD("02") ENTRY("5", "CRDT", "<Sts>PDNG</Sts>", "") TAIL, "{DE1 EUR - 0}", "what is pending is no line");
	camt(HEAD("02") BALANCE("OPBD", "10") BALANCE("CLBD", "111") ENTRY("100", "CRDT", BOOKED2, "") TAIL,
		 "opening 10.00000 and entries 100.00000 are not closing 111.00000", "balances must add up");
	camt(HEAD("02") ENTRY("1,5", "CRDT", BOOKED2, "") TAIL, "\"1,5\" is no amount", "a comma is no point");
	camt(HEAD("02") ENTRY("1", "C", BOOKED2, "") TAIL, "\"C\" is neither CRDT nor DBIT", "credit or debit");
	camt("<Document xmlns=\"x\"><BkToCstmrAcctRpt></BkToCstmrAcctRpt></Document>", "the message is BkToCstmrAcctRpt, not a bank statement (camt.053)", "another message");
	camt("<!DOCTYPE a [<!ENTITY x \"y\">]><Document/>", "it has a document type, which no statement has", "document types are refused");
	camt("<Document><BkToCstmrStmt>", "it is not well-formed XML", "cut off");
	camt("<Document/>", "it has no statement (Document/BkToCstmrStmt/Stmt)", "nothing in it");
	ok(CamtMagic("\xEF\xBB\xBF <x", 6) && !CamtMagic("Date;x", 6) && !CamtMagic("", 0), "XML or not");
}

static void
csv(const char *text, const char *expected, const char *what)
{
	BankError	error;
	BankCsv		b = {0};
	bool		good;

	seen[0] = '\0';
	b.data = text;
	b.len = strlen(text);
	b.sink = &sink;
	b.error = &error;
	good = BankCsvRead(&b);
	BankCsvClose(&b);
	if (!good)
		snprintf(seen, sizeof(seen), "%lld %s", (long long) error.line, error.reason);
	if (strcmp(seen, expected) != 0)
		printf("# got      %s\n# expected %s\n", seen, expected);
	ok(strcmp(seen, expected) == 0, what);
}

static void
test_csv(void)
{
	csv("Konto;DE1\n\nBuchungstag;Betrag;Währung;Auftraggeber;Verwendungszweck;Verwendungszweck;IBAN\n31.01.2024;1.000,50;EUR;\"A; B\";Rg;12;DE2\n",
		"[2024-01-31 1000.50000 EUR|A; B|DE2|Rg 12|||]{  - 1}", "German, with lines before the header");
	csv("Date,Paid in,Paid out,Balance\n01/31/2024,,5.00,95.00\n01/30/2024,10.00,,100.00\n",
		"[2024-01-31 -5.00000 ||||||][2024-01-30 10.00000 ||||||]{  95.00000 2}", "two columns, newest first, balances");
	csv("Datum;Bedrag;Af Bij\n20240131;5,00;Af\n20240131;6,00;Bij\n", "[2024-01-31 -5.00000 ||||||][2024-01-31 6.00000 ||||||]{  - 2}", "a sign column");
	csv("Date,Amount,Balance\n2024-01-30,1.00,1.00\n2024-01-31,1.00,3.00\n", "0 balances and amounts do not add up from line to line", "balances that do not follow");
	csv("Date,Amount\n2024-01-30,x\n", "2 \"x\" is no amount", "no amount");
	csv("Date,Amount\n2024-01-32,1\n", "2 \"2024-01-32\" is no date", "no date");
	csv("Date,Amount\n01/02/2024,1\n", "0 all dates can be read as day/month and as month/day", "day or month");
	csv("Date;Amount\n2024-01-01;1,5\n2024-01-01;1.5\n", "3 \"1.5\" has another decimal sign than the lines before", "two decimal signs");
	csv("a;b\n1;2\n", "0 no line names a date and an amount", "no header");
	csv("", "0 no line names a date and an amount", "nothing");
	csv("Date,Amount\n", "0 it has no lines", "a header alone");
	csv("Date,Amount\n2024-01-01,\"1\n", "2 it ends inside quotes", "open quotes");
	csv("Date,Credit,Debit\n2024-01-01,1,2\n", "2 the line has a credit and a debit", "both sides");
}

int
main(void)
{
	test_values();
	test_camt();
	test_csv();
	printf("1..%d\n", number);
	return failed != 0;
}
