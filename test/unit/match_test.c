/* links: src/invoice/match.c src/invoice/match_index.c src/invoice/match_text.c src/invoice/match_subset.c */
/*
 * Matching by hand-made cases: what each kind of evidence is worth, and what
 * speaks against it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "invoice/match.h"
#include "tap.h"

static void *memory[1024];
static int	nmemory = 0;

static void *
allocate(void *arg, size_t size)
{
	(void) arg;
	return memory[nmemory++] = calloc(1, size);
}

static void
forget(void)
{
	while (nmemory > 0)
		free(memory[--nmemory]);
}

#define EUR 1
#define USD 2

static MatchTenant tenants[] = {
	{"Müller Stahlbau GmbH", 2500, false},
	{"Nordlicht Energie AG", 2500, false},
	{"Shop 12 Ltd", 2500, true},
	{"Shop 13 Ltd", 2500, false},
};

static const MatchInvoice book[] = {
	{.number = "INV-2026-000101", .id = "INV-202601-A1", .open = 11900, .total = 11900, .tenant = 0, .currency = EUR, .due = 10, .payable = true},
	{.number = "INV-2026-000102", .id = "INV-202602-A1", .open = 20050, .total = 20050, .tenant = 0, .currency = EUR, .due = 40, .payable = true},
	{.number = "INV-2026-000201", .id = "INV-202601-B2", .open = 11900, .total = 11900, .tenant = 1, .currency = EUR, .due = 10, .payable = true},
	{.number = "INV-2026-000202", .id = "INV-202602-B2", .open = 33333, .total = 33333, .tenant = 1, .currency = EUR, .due = 40, .payable = true},
	{.number = "INV-2026-000203", .id = "INV-202603-B2", .open = 0, .total = 77777, .tenant = 1, .currency = EUR, .due = 5, .payable = true},
	{.number = "INV-2026-000301", .id = "INV-202601-C3", .open = 9900, .total = 9900, .tenant = 2, .currency = EUR, .due = 10, .payable = true},
	{.number = "INV-2026-000302", .id = "INV-202602-C3", .open = 9900, .total = 9900, .tenant = 2, .currency = EUR, .due = 40, .payable = true},
	{.number = "INV-2026-000401", .id = "INV-202601-D4", .open = 9900, .total = 9900, .tenant = 3, .currency = EUR, .due = 10, .payable = true},
	{.number = "INV-2026-000402", .id = "INV-202602-D4", .open = 9900, .total = 9900, .tenant = 3, .currency = EUR, .due = 40, .payable = true},
	{.number = "INV-2026-000403", .id = "INV-202603-D4", .open = 50000, .total = 50000, .tenant = 3, .currency = USD, .due = 40, .payable = true},
	{.number = "INV-2026-000404", .id = "INV-202604-D4", .open = 50000, .total = 50000, .tenant = 3, .currency = EUR, .due = 40, .payable = false},
};
static const MatchKnownAccount accounts[] = {{"DE00 1111", 0}, {"DE00 2222", 1}, {"DE00 3333", 2}, {"DE00 4444", 3}};

static MatchInvoice invoices[lengthof(book)];
static MatchOutput out;

static void
run(const MatchPayment *payments, int n)
{
	MatchInput	in = {0};

	memcpy(invoices, book, sizeof(book));
	in.invoices = invoices;
	in.ninvoices = lengthof(book);
	in.payments = payments;
	in.npayments = n;
	in.tenants = tenants;
	in.ntenants = lengthof(tenants);
	in.accounts = accounts;
	in.naccounts = lengthof(accounts);
	in.allocate = allocate;
	MatchRun(&in, &out);
}

/* What the payments got: "0:3=11900/reference 1?4" with ? for suggestions. */
static bool
got(const char *expected)
{
	char		text[1024] = "";

	for (int i = 0; i < out.n; i++)
	{
		const MatchResult *r = &out.results[i];
		char		one[64];

		if (r->amount > 0)
			snprintf(one, sizeof(one), "%s%d:%d=%lld/%s", i ? " " : "", r->payment, r->invoice, (long long) r->amount, MatchRuleName(r->rule));
		else
			snprintf(one, sizeof(one), "%s%d?%d", i ? " " : "", r->payment, r->invoice);
		strcat(text, one);
	}
	if (strcmp(text, expected) != 0)
		printf("# got \"%s\", expected \"%s\"\n", text, expected);
	forget();
	return strcmp(text, expected) == 0;
}

static void
one(const char *text, const char *name, const char *account, int64 amount, const char *expected,
	const char *what)
{
	MatchPayment p = {text, name, account, amount, EUR, -1, -1};

	run(&p, 1);
	ok(got(expected), what);
}

static void
test_ladder(void)
{
	one("Rechnung inv 2026/000101, danke", NULL, NULL, 11900, "0:0=11900/reference", "number and amount, whoever pays");
	one("INV2O26OOO1O1", NULL, NULL, 11900, "0:0=11900/reference", "letters for digits");
	one("RF18 INV2026000101", NULL, NULL, 11900, "0:0=11900/reference", "within a structured reference");
	one("INV-2026-0001012", NULL, NULL, 5000, "", "a longer number is another one");
	one("INV-2026-000101", "Nordlicht Energie", NULL, 11900, "0?0 0?2", "somebody else pays, who owes as much under a close number: unsure");
	one("INV-2026-000102", "Nordlicht Energie", NULL, 20050, "0:1=20050/reference", "somebody else pays in full");
	one("INV-2026-000101", "Nordlicht Energie", NULL, 5000, "0?0", "somebody else pays a part: unsure");
	one("INV-2026-000101", "MUELLER STAHLBAU", NULL, 5000, "0:0=5000/reference", "the tenant pays a part");
	one("INV-2026-000101", NULL, NULL, 11000, "0:0=11000/reference", "short by bank charges");
	one("INV-2026-000101", NULL, NULL, 5000, "0?0", "short by more, nobody known: unsure");
	one("INV-2026-000101", NULL, "DE001111", 15000, "0:0=11900/reference", "more than the invoice: the rest stays");
	one("INV-2026-000101 and 102", NULL, "DE001111", 31950, "0:0=11900/reference 0:1=20050/reference", "two invoices, one by its end");
	one("INV-2026-000203", NULL, "DE002222", 77777, "0?4", "settled already");
	one("INV-2026-000403", NULL, "DE004444", 50000, "0?9", "in another currency");
	one("INV-2026-000404", NULL, "DE004444", 50000, "0?10", "cannot be paid");
	one("INV-2026-000211", NULL, "DE002222", 11900, "0:2=11900/near", "one digit wrong, the payer's amount");
	one("INV-2026-00010", NULL, "DE001111", 11900, "0:0=11900/near", "the last digit is missing");
	one("Nr 202", NULL, "DE002222", 33333, "0:3=33333/near", "only the end of the number");
	one("thanks", NULL, "DE002222", 33333, "0:3=33333/exact", "payer and amount");
	one("thanks", "nordlicht energie", NULL, 33333, "0:3=33333/exact", "payer by name, a rare amount");
	one("thanks", NULL, "DE002222", 45233, "0:3=33333/subset 0:2=11900/subset", "the sum of two invoices");
	one("thanks", NULL, "DE004444", 9900, "0?7 0?8", "two invoices of the amount: unsure");
	one("thanks", NULL, "DE003333", 9900, "0:5=9900/oldest", "by policy the oldest");
	one("thanks", "Shop 14 Ltd", NULL, 20050, "0?1", "nobody known: a suggestion");
	one("", NULL, NULL, 1, "", "nothing fits");
}

/*
 * What banks and payers do to a text, against a book of bare numbers, list
 * prices and companies of one group.
 */
static void
test_ugly(void)
{
	static MatchTenant firms[] = {
		{"Süßwaren Österle GmbH", 2500, false},
		{"Süßwaren Österle AG", 2500, false},
		{"Norddeutsche Kabelwerke Holding SE", 2500, false},
		{"Norddeutsche Kabelwerke Vertrieb GmbH", 2500, false},
		{"Kontor", 2500, false},
	};
	static const MatchInvoice bare[] = {
		{.number = "20260101", .id = "a", .open = 9900, .total = 9900, .tenant = 0, .currency = EUR, .due = 10, .payable = true},
		{.number = "20260102", .id = "b", .open = 47311, .total = 47311, .tenant = 0, .currency = EUR, .due = 10, .payable = true},
		{.number = "20260103", .id = "c", .open = 9900, .total = 9900, .tenant = 1, .currency = EUR, .due = 10, .payable = true},
		{.number = "20260104", .id = "d", .open = 9900, .total = 9900, .tenant = 2, .currency = EUR, .due = 10, .payable = true},
		{.number = "20260105", .id = "e", .open = 30000, .total = 30000, .tenant = 3, .currency = EUR, .due = 10, .payable = true},
		{.number = "4711", .id = "f", .open = 9900, .total = 9900, .tenant = 3, .currency = EUR, .due = 10, .payable = true},
		{.number = "20260107", .id = "g", .open = 1569, .total = 1569, .tenant = 4, .currency = EUR, .due = 10, .payable = true},
		{.number = "20260108", .id = "h", .open = 4000, .total = 4000, .tenant = 4, .currency = EUR, .due = 10, .payable = true},
		{.number = "20260109", .id = "i", .open = 5000, .total = 12000, .tenant = 4, .currency = EUR, .due = 10, .payable = true},
	};
	static const MatchKnownAccount known[] = {{"DE1", 0}, {"DE3", 2}, {"DE5", 4}};
	static const struct
	{
		MatchPayment p;
		const char *expected;
		const char *what;
	}			cases[] = {
		{{"Abo 2026-01-01", NULL, "DE3", 9900, EUR, -1, -1}, "0?0 0?3", "a date that is another's number, and the payer owes as much"},
		{{"Kundennr 4711", "Fremd KG", "DE9", 9900, EUR, -1, -1}, "", "a short number and a list price of nobody known"},
		{{"4711", "Norddeutsche Kabelwerke Vertrieb", NULL, 9900, EUR, -1, -1}, "0:5=9900/near", "a short number of the payer"},
		{{"Rechnung 102", "SUESSWAREN OESTERLE GMBH", "DE1", 47311, EUR, -1, -1}, "0:1=47311/near", "without its year, name in ASCII"},
		{{"Rechnung 102", "Fremd KG", NULL, 47311, EUR, -1, -1}, "0?1", "without its year, of nobody known"},
		{{"Rechnungen 20260101 und 20260", NULL, "DE1", 9900 + 47311, EUR, -1, -1}, "0:0=9900/reference 0:1=47311/reference", "cut in the second number"},
		{{"Rechnungen 20260101 20260102", NULL, "DE1", 9900 + 47311 - 1250, EUR, -1, -1}, "0:0=9900/reference 0:1=46061/reference", "two numbers less bank charges"},
		{{"Rechnungen 20260101 20260103", NULL, NULL, 9900, EUR, -1, -1}, "0?0 0?2", "two numbers, the amount of each"},
		{{"danke", "Süßwaren Österle", NULL, 9900, EUR, -1, -1}, "0?0 0?2", "a name of two tenants, both owe as much"},
		{{"danke", "Süßwaren Österle", NULL, 47311, EUR, -1, -1}, "0?1", "a name of two tenants, one owes as much"},
		{{"danke", "Norddeutsche Kabelwerke SE", NULL, 30000, EUR, -1, -1}, "0?4", "of a group, the name is none of its companies"},
		{{"20260105", "Norddeutsche Kabelwerke Holding", NULL, 30000, EUR, -1, -1}, "0:4=30000/reference", "the parent pays by number"},
		{{"20260105", "Norddeutsche Kabelwerke Holding", NULL, 28800, EUR, -1, -1}, "0?4", "the parent pays by number, less charges"},
		{{"danke", "Kontoristen", "DE7", 4000, EUR, -1, -1}, "0?7", "a longer name is another one"},
		{{"Teilzahlung", NULL, "DE5", 1569, EUR, -1, -1}, "0?6", "a part has the amount of a whole invoice"},
		{{"Teilzahlung", NULL, "DE5", 5000, EUR, -1, -1}, "0:8=5000/exact", "the last part of one"},
	};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		MatchInput	in = {0};

		memcpy(invoices, bare, sizeof(bare));
		in.invoices = invoices;
		in.ninvoices = lengthof(bare);
		in.payments = &cases[i].p;
		in.npayments = 1;
		in.tenants = firms;
		in.ntenants = lengthof(firms);
		in.accounts = known;
		in.naccounts = lengthof(known);
		in.allocate = allocate;
		MatchRun(&in, &out);
		ok(got(cases[i].expected), cases[i].what);
	}
}

static void
test_many(void)
{
	MatchPayment halves[] = {{"", NULL, "DE002222", 10000, EUR, -1, -1}, {"", NULL, "DE002222", 23333, EUR, -1, -1}};
	MatchPayment twice[] = {{"INV-2026-000202", NULL, "DE002222", 33333, EUR, -1, -1}, {"INV-2026-000202", NULL, "DE002222", 33333, EUR, -1, -1}};
	MatchPayment sure[] = {{"thanks", NULL, "DE002222", 33333, EUR, -1, -1}, {"INV-2026-000202", NULL, NULL, 33333, EUR, -1, -1}};
	MatchPayment learn[] = {{"INV-2026-000101", "Müller Stahlbau", "FR76 9", 11900, EUR, -1, -1}, {"thanks", NULL, "FR769", 20050, EUR, -1, -1}};
	MatchPayment named[] = {{"INV-2026-000101", NULL, NULL, 20050, EUR, -1, 1}};

	run(halves, 2);
	ok(got("1:3=23333/together 0:3=10000/together"), "two payments, one invoice");
	run(twice, 2);
	ok(got("0:3=33333/reference 1?3"), "the same line twice pays once");
	run(sure, 2);
	ok(got("1:3=33333/reference"), "a number goes before a guess");
	run(learn, 2);
	ok(got("0:0=11900/reference 1:1=20050/exact"), "an account is learned within the run");
	run(named, 1);
	ok(got("0:1=20050/named"), "what a payment names goes before its text");
}

static void
test_parts(void)
{
	MatchText	t;
	char		a[MATCH_NAME_MAX];
	char		b[MATCH_NAME_MAX];
	int			tail;
	int			head;
	MatchSubset s;
	const int64 coins[] = {1, 2, 5, 10, 20, 50};
	const int64 same[] = {100, 100, 300};

	MatchFold("a-B 0o", &t);
	ok(t.len == 4 && strcmp(t.c, "A800") == 0 && t.gap[1] && !t.gap[3], "folded text");
	ok(MatchDistance("1NV1234", 7, (MatchFold("xx inv 1243", &t), &t), 2) == 1, "two neighbours swapped at the end");
	ok(MatchDistance("1NV1234", 7, (MatchFold("pay 1nv124", &t), &t), 2) == 1, "one character missing");
	ok(MatchDistance("1NV1234", 7, (MatchFold("", &t), &t), 2) == 3, "nothing is near an empty text");
	MatchPart("1NV2026000123", 13, (MatchFold("Re 123", &t), &t), &tail, &head);
	ok(tail == 3 && head == 0, "the end without zeros");
	MatchPart("1NV2026000123", 13, (MatchFold("INV-2026-00", &t), &t), &tail, &head);
	ok(tail == 0 && head == 9, "the beginning");
	MatchPart("1NV2026000123", 13, (MatchFold("5123", &t), &t), &tail, &head);
	ok(tail == 0 && head == 0, "the end of another word is no end");
	(void) MatchName("Süd & Söhne GmbH & Co. KG", a, b);
	ok(strcmp(a, "SOHNE SUD") == 0 && strcmp(b, "SUDSOHNE") == 0, "name without form and order");
	ok(MatchName("GmbH", a, b) == 0, "a legal form alone is no name");
	ok(MatchNamesAlike("NORDLICHTENERGIE", "NORDLICHTENERGE"), "one slip");
	ok(!MatchNamesAlike("SHOP12", "SHOP13"), "other digits, other shop");
	ok(MatchNamesAlike("NORDLICHTENERGIE", "NORDLICHT"), "a name cut short");
	MatchFindSubset(coins, 6, 37, 1, 6, -1, &s);
	ok(s.solutions == 1 && s.complete && s.n == 4, "37 = 20 + 10 + 5 + 2");
	MatchFindSubset(coins, 6, 89, 1, 6, -1, &s);
	ok(s.solutions == 0, "89 is more than all");
	MatchFindSubset(same, 3, 400, 2, 3, -1, &s);
	ok(s.solutions == 2, "two ways are no way");
	MatchFindSubset(same, 3, 400, 2, 3, 0, &s);
	ok(s.solutions == 1 && s.member[0] == 0 && s.chance >= 0.5, "one with the given member, which chance makes too");
}

int
main(void)
{
	test_ladder();
	test_ugly();
	test_many();
	test_parts();
	printf("1..%d\n", number);
	return failed != 0;
}
