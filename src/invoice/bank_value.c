/*-------------------------------------------------------------------------
 *
 * bank_value.c
 *	  Amounts, dates and column names of bank statements.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/bank.h"

#include <stdio.h>

#define MAX_DIGITS	18			/* ISO 20022: ActiveOrHistoricCurrencyAndAmount */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
put_units(const char *digits, int n, int fraction, bool negative, BankAmount *amount)
{
	int128		units = 0;

	if (n < 1 || n > MAX_DIGITS || fraction > BANK_SCALE)
		return false;
	for (int i = 0; i < n; i++)
		units = units * 10 + (digits[i] - '0');
	for (int i = fraction; i < BANK_SCALE; i++)
		units *= 10;
	amount->set = true;
	amount->units = negative ? -units : units;
	return true;
}

/* Digits with at most one point. */
bool
BankIsoAmount(const char *s, BankAmount *amount)
{
	char		digits[MAX_DIGITS + 1];
	int			n = 0;
	int			fraction = -1;
	bool		negative = *s == '-';

	if (*s == '-' || *s == '+')
		s++;
	for (; *s != '\0'; s++)
	{
		if (*s == '.' && fraction < 0)
			fraction = 0;
		else if (!is_digit(*s) || n == MAX_DIGITS)
			return false;
		else
		{
			digits[n++] = *s;
			fraction += fraction >= 0;
		}
	}
	return put_units(digits, n, Max(fraction, 0), negative, amount);
}

static bool
put_date(int year, int month, int day, char out[11])
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool		leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (year < 1970 || year > 2999 || month < 1 || month > 12 || day < 1 ||
		day > days[month - 1] + (month == 2 && leap))
		return false;
	snprintf(out, 11, "%04u-%02u-%02u", (unsigned) year % 10000, (unsigned) month % 100, (unsigned) day % 100);
	return true;
}

/* YYYY-MM-DD, alone or before a time. */
bool
BankIsoDate(const char *s, char out[11])
{
	for (int i = 0; i < 10; i++)
		if (i == 4 || i == 7 ? s[i] != '-' : !is_digit(s[i]))
			return false;
	if (s[10] != '\0' && s[10] != 'T' && s[10] != '+' && s[10] != '-' && s[10] != 'Z')
		return false;
	return put_date((s[0] - '0') * 1000 + (s[1] - '0') * 100 + (s[2] - '0') * 10 + s[3] - '0',
					(s[5] - '0') * 10 + s[6] - '0', (s[8] - '0') * 10 + s[9] - '0', out);
}

/* A number as written: its digits and separators without what surrounds it. */
typedef struct Written
{
	char		c[64];
	int			n;
	bool		negative;
} Written;

/*
 * How many letters at s are a currency or a sign: an ISO code, what stands
 * before $ or a letter beyond ASCII (R$, zl with its stroke), the usual short
 * forms, and CR or DR with their one-letter forms.  0: something else.
 */
static int
word_of_amount(const char *s, int len, bool *debit)
{
	static const char *const known[] = {"kr", "Kr", "KR", "Ft", "lei", "Fr", "fr", "R", "Rs", "RM", "TL",
	"CR", "Cr", "C", "H"};
	static const char *const debits[] = {"DR", "Dr", "D", "S"};
	int			n = 0;
	bool		capital = true;

	for (; n < len && ((s[n] >= 'A' && s[n] <= 'Z') || (s[n] >= 'a' && s[n] <= 'z')); n++)
		capital = capital && s[n] <= 'Z';
	*debit = false;
	if ((n == 3 && capital) || (n < 3 && n < len && (s[n] == '$' || (unsigned char) s[n] >= 0x80)))
		return n;
	for (size_t i = 0; i < lengthof(known); i++)
		if ((int) strlen(known[i]) == n && strncmp(s, known[i], (size_t) n) == 0)
			return n;
	for (size_t i = 0; i < lengthof(debits); i++)
		if ((int) strlen(debits[i]) == n && strncmp(s, debits[i], (size_t) n) == 0)
			*debit = true;
	return *debit ? n : 0;
}

static bool
strip(const char *s, int len, Written *w)
{
	bool		ended = false;
	bool		debit = false;

	w->n = 0;
	w->negative = false;
	for (int i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) s[i];

		if (is_digit((char) c) || ((c == '.' || c == ',') && w->n > 0))
		{
			if (ended || w->n == (int) sizeof(w->c) - 1)
				return false;
			w->c[w->n++] = (char) c;
		}
		else if (c == '-' || c == '(')
		{
			if (w->negative)
				return false;
			w->negative = true;
			ended = w->n > 0;
		}
		else if (c == '\'' || c == ' ' || c == 0xA0 || c == 0xC2 || c == '+' || c == ')' || c >= 0x80)
			continue;
		else if (c == '$')
			ended = w->n > 0;
		else
		{
			int			n = word_of_amount(s + i, len - i, &debit);

			if (n == 0 || (debit && w->negative))
				return false;
			w->negative |= debit;
			ended = w->n > 0;
			i += n - 1;
		}
	}
	w->c[w->n] = '\0';
	return w->n > 0 && is_digit(w->c[w->n - 1]);
}

char
BankDecimalOf(const char *s, int len)
{
	Written		w;
	const char *dot;
	const char *comma;
	const char *last;
	char		sign;

	if (!strip(s, len, &w))
		return '!';
	dot = strrchr(w.c, '.');
	comma = strrchr(w.c, ',');
	if (dot == NULL && comma == NULL)
		return '\0';
	if (dot != NULL && comma != NULL)
		return dot > comma ? '.' : ',';
	last = dot != NULL ? dot : comma;
	sign = *last;
	if (strchr(w.c, sign) != last)
		return sign == '.' ? ',' : '.'; /* twice: it groups thousands */
	if (strlen(last + 1) == 3 && last - w.c <= 3 && w.c[0] != '0')
		return '\0';			/* 1.234 may be either */
	return sign;
}

bool
BankCsvAmount(const char *s, int len, char decimal, BankAmount *amount)
{
	Written		w;
	char		digits[sizeof(w.c)];
	int			n = 0;
	int			fraction = -1;

	if (!strip(s, len, &w))
		return false;
	for (int i = 0; i < w.n; i++)
	{
		if (is_digit(w.c[i]))
		{
			digits[n++] = w.c[i];
			fraction += fraction >= 0;
		}
		else if (w.c[i] == decimal && fraction < 0)
			fraction = 0;
		else if (w.c[i] == decimal || fraction >= 0)
			return false;
		else if (w.n - i < 4 || !is_digit(w.c[i + 1]) || !is_digit(w.c[i + 2]) || !is_digit(w.c[i + 3]))
			return false;		/* thousands have three digits */
	}
	return put_units(digits, n, Max(fraction, 0), w.negative, amount);
}

/* Up to three numbers with the number of digits of each. */
static int
date_parts(const char *s, int len, int *value, int *digits)
{
	int			n = 0;

	for (int i = 0; i < len && n < 3;)
	{
		if (!is_digit(s[i]))
		{
			if (s[i] != '.' && s[i] != '/' && s[i] != '-' && s[i] != ' ')
				return -1;
			i++;
			continue;
		}
		value[n] = digits[n] = 0;
		while (i < len && is_digit(s[i]) && digits[n] < 8)
		{
			value[n] = value[n] * 10 + (s[i++] - '0');
			digits[n]++;
		}
		n++;
	}
	return n;
}

char
BankDateOrderOf(const char *s, int len)
{
	int			value[3];
	int			digits[3];
	int			n = date_parts(s, len, value, digits);

	if (n == 1 && digits[0] == 8)
		return 'Y';
	if (n != 3)
		return '!';
	if (digits[0] == 4)
		return 'Y';
	if (digits[0] > 2 || digits[1] > 2 || (digits[2] != 2 && digits[2] != 4))
		return '!';
	if (value[0] > 12)
		return 'D';
	if (value[1] > 12)
		return 'M';
	return memchr(s, '.', (size_t) len) != NULL || value[0] == value[1] ? 'D' : '\0';
}

bool
BankCsvDate(const char *s, int len, char order, char out[11])
{
	int			v[3];
	int			digits[3];
	int			n = date_parts(s, len, v, digits);

	if (n == 1 && digits[0] == 8)
		return put_date(v[0] / 10000, v[0] / 100 % 100, v[0] % 100, out);
	if (n != 3)
		return false;
	if (digits[0] == 4)
		return put_date(v[0], v[1], v[2], out);
	if (digits[2] == 2)
		v[2] += 2000;
	return order == 'M' ? put_date(v[2], v[0], v[1], out) :
		order == 'D' ? put_date(v[2], v[1], v[0], out) : false;
}

char *
BankAmountText(int128 units, char *buf)
{
	char		digits[44];
	char	   *out = buf;
	uint128		rest = units < 0 ? -(uint128) units : (uint128) units;
	int			n = 0;

	while (rest > 0 || n <= BANK_SCALE)
	{
		digits[n++] = (char) ('0' + (int) (rest % 10));
		rest /= 10;
	}
	if (units < 0)
		*out++ = '-';
	while (n > 0)
	{
		*out++ = digits[--n];
		if (n == BANK_SCALE)
			*out++ = '.';
	}
	*out = '\0';
	return buf;
}

bool
BankReferenceIsGood(const char *reference)
{
	size_t		len = strlen(reference);
	int			rest = 0;

	if (len < 5 || len > 25 || reference[0] != 'R' || reference[1] != 'F')
		return false;
	for (size_t i = 4; i < len + 4; i++)
	{
		char		c = reference[i % len];
		int			value;

		if (i >= len)
			c = reference[i - len];
		if (is_digit(c))
			value = c - '0';
		else if (c >= 'A' && c <= 'Z')
			value = c - 'A' + 10;
		else
			return false;
		rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
	}
	return rest == 1;
}

/* ---------------------------------------------------------------------
 * Names of columns, in lower case, letters and digits only
 * ---------------------------------------------------------------------
 */
typedef struct ColumnName
{
	const char *name;
	BankColumn	column;
} ColumnName;

static const ColumnName column_names[] = {
	{"date", BANK_BOOKED}, {"bookingdate", BANK_BOOKED}, {"transactiondate", BANK_BOOKED}, {"posteddate", BANK_BOOKED}, {"postingdate", BANK_BOOKED}, {"bookeddate", BANK_BOOKED},
	{"buchungstag", BANK_BOOKED}, {"buchungsdatum", BANK_BOOKED}, {"buchung", BANK_BOOKED}, {"datum", BANK_BOOKED},
	{"dateoperation", BANK_BOOKED}, {"datecomptable", BANK_BOOKED}, {"datedecomptabilisation", BANK_BOOKED}, {"fecha", BANK_BOOKED}, {"fechaoperacion", BANK_BOOKED},
	{"data", BANK_BOOKED}, {"datacontabile", BANK_BOOKED}, {"dataoperazione", BANK_BOOKED}, {"boekdatum", BANK_BOOKED}, {"transactiedatum", BANK_BOOKED}, {"dataksiegowania", BANK_BOOKED}, {"dataoperacji", BANK_BOOKED}, {"datamovimento", BANK_BOOKED},
	{"valuedate", BANK_VALUED}, {"valutadatum", BANK_VALUED}, {"valuta", BANK_VALUED}, {"wertstellung", BANK_VALUED}, {"datevaleur", BANK_VALUED}, {"datedevaleur", BANK_VALUED}, {"fechavalor", BANK_VALUED}, {"datavaluta", BANK_VALUED}, {"rentedatum", BANK_VALUED}, {"datawaluty", BANK_VALUED}, {"datavalor", BANK_VALUED},
	{"amount", BANK_AMOUNT}, {"transactionamount", BANK_AMOUNT}, {"betrag", BANK_AMOUNT}, {"umsatz", BANK_AMOUNT}, {"betrageur", BANK_AMOUNT}, {"umsatzineur", BANK_AMOUNT}, {"montant", BANK_AMOUNT}, {"importe", BANK_AMOUNT}, {"importo", BANK_AMOUNT}, {"bedrag", BANK_AMOUNT}, {"bedrageur", BANK_AMOUNT}, {"kwota", BANK_AMOUNT}, {"valor", BANK_AMOUNT}, {"montante", BANK_AMOUNT},
	{"credit", BANK_CREDIT}, {"creditamount", BANK_CREDIT}, {"paidin", BANK_CREDIT}, {"moneyin", BANK_CREDIT}, {"deposit", BANK_CREDIT}, {"haben", BANK_CREDIT}, {"gutschrift", BANK_CREDIT}, {"abono", BANK_CREDIT}, {"haber", BANK_CREDIT}, {"avere", BANK_CREDIT}, {"entrate", BANK_CREDIT}, {"bij", BANK_CREDIT}, {"uznania", BANK_CREDIT}, {"credito", BANK_CREDIT},
	{"debit", BANK_DEBIT}, {"debitamount", BANK_DEBIT}, {"paidout", BANK_DEBIT}, {"moneyout", BANK_DEBIT}, {"withdrawal", BANK_DEBIT}, {"soll", BANK_DEBIT}, {"lastschrift", BANK_DEBIT}, {"cargo", BANK_DEBIT}, {"debe", BANK_DEBIT}, {"dare", BANK_DEBIT}, {"uscite", BANK_DEBIT}, {"af", BANK_DEBIT}, {"obciazenia", BANK_DEBIT}, {"debito", BANK_DEBIT},
	{"sign", BANK_SIGN}, {"creditdebit", BANK_SIGN}, {"creditdebitindicator", BANK_SIGN}, {"debitcredit", BANK_SIGN}, {"drcr", BANK_SIGN}, {"crdr", BANK_SIGN}, {"sollhaben", BANK_SIGN}, {"sollhabenkennzeichen", BANK_SIGN}, {"sh", BANK_SIGN}, {"sens", BANK_SIGN}, {"afbij", BANK_SIGN}, {"type", BANK_SIGN},
	{"currency", BANK_CURRENCY}, {"ccy", BANK_CURRENCY}, {"wahrung", BANK_CURRENCY}, {"waehrung", BANK_CURRENCY}, {"devise", BANK_CURRENCY}, {"divisa", BANK_CURRENCY}, {"moneda", BANK_CURRENCY}, {"munt", BANK_CURRENCY}, {"waluta", BANK_CURRENCY}, {"moeda", BANK_CURRENCY},
	{"name", BANK_PAYER}, {"payer", BANK_PAYER}, {"payername", BANK_PAYER}, {"counterparty", BANK_PAYER}, {"counterpartyname", BANK_PAYER}, {"debtorname", BANK_PAYER}, {"remitter", BANK_PAYER}, {"auftraggeber", BANK_PAYER}, {"auftraggeberempfanger", BANK_PAYER}, {"auftraggeberbegunstigter", BANK_PAYER}, {"begunstigterzahlungspflichtiger", BANK_PAYER}, {"namezahlungsbeteiligter", BANK_PAYER}, {"zahlungspflichtiger", BANK_PAYER}, {"zahlungspflichtige", BANK_PAYER}, {"nom", BANK_PAYER}, {"tiers", BANK_PAYER}, {"contrepartie", BANK_PAYER}, {"ordenante", BANK_PAYER}, {"nombre", BANK_PAYER}, {"ordinante", BANK_PAYER}, {"controparte", BANK_PAYER}, {"naam", BANK_PAYER}, {"naamtegenpartij", BANK_PAYER}, {"naamomschrijving", BANK_PAYER}, {"nadawca", BANK_PAYER}, {"kontrahent", BANK_PAYER}, {"ordenador", BANK_PAYER},
	{"iban", BANK_ACCOUNT}, {"account", BANK_ACCOUNT}, {"payeraccount", BANK_ACCOUNT}, {"payeriban", BANK_ACCOUNT}, {"counterpartyiban", BANK_ACCOUNT}, {"counterpartyaccount", BANK_ACCOUNT}, {"debtoraccount", BANK_ACCOUNT}, {"debtoriban", BANK_ACCOUNT}, {"kontonummer", BANK_ACCOUNT}, {"kontonummeriban", BANK_ACCOUNT}, {"ibanzahlungsbeteiligter", BANK_ACCOUNT}, {"ibandesauftraggebers", BANK_ACCOUNT}, {"gegenkonto", BANK_ACCOUNT}, {"compte", BANK_ACCOUNT}, {"comptecontrepartie", BANK_ACCOUNT}, {"cuenta", BANK_ACCOUNT}, {"conto", BANK_ACCOUNT}, {"tegenrekening", BANK_ACCOUNT}, {"ibantegenpartij", BANK_ACCOUNT}, {"numerrachunku", BANK_ACCOUNT}, {"conta", BANK_ACCOUNT},
	{"remittance", BANK_REMITTANCE}, {"remittanceinformation", BANK_REMITTANCE}, {"purpose", BANK_REMITTANCE}, {"description", BANK_REMITTANCE}, {"details", BANK_REMITTANCE}, {"narrative", BANK_REMITTANCE}, {"memo", BANK_REMITTANCE}, {"paymentdetails", BANK_REMITTANCE}, {"text", BANK_REMITTANCE}, {"reference", BANK_REMITTANCE}, {"paymentreference", BANK_REMITTANCE}, {"verwendungszweck", BANK_REMITTANCE}, {"vwz", BANK_REMITTANCE}, {"buchungstext", BANK_REMITTANCE}, {"zweck", BANK_REMITTANCE}, {"zahlungsgrund", BANK_REMITTANCE}, {"libelle", BANK_REMITTANCE}, {"communication", BANK_REMITTANCE}, {"motif", BANK_REMITTANCE}, {"concepto", BANK_REMITTANCE}, {"causale", BANK_REMITTANCE}, {"descrizione", BANK_REMITTANCE}, {"omschrijving", BANK_REMITTANCE}, {"mededelingen", BANK_REMITTANCE}, {"tytul", BANK_REMITTANCE}, {"opisoperacji", BANK_REMITTANCE}, {"descricao", BANK_REMITTANCE}, {"descripcion", BANK_REMITTANCE},
	{"endtoendid", BANK_END_TO_END}, {"endtoendreference", BANK_END_TO_END}, {"endezuendereferenz", BANK_END_TO_END}, {"kundenreferenz", BANK_END_TO_END}, {"kundenreferenzendtoend", BANK_END_TO_END}, {"customerreference", BANK_END_TO_END},
	{"transactionid", BANK_REFERENCE}, {"bankreference", BANK_REFERENCE}, {"id", BANK_REFERENCE}, {"lineid", BANK_REFERENCE}, {"transactionreference", BANK_REFERENCE}, {"bankreferenz", BANK_REFERENCE}, {"umsatzid", BANK_REFERENCE}, {"transaktionsid", BANK_REFERENCE}, {"referencebanque", BANK_REFERENCE}, {"volgnr", BANK_REFERENCE}, {"numeroperazione", BANK_REFERENCE}, {"fitid", BANK_REFERENCE},
	{"balance", BANK_BALANCE}, {"runningbalance", BANK_BALANCE}, {"saldo", BANK_BALANCE}, {"saldonachbuchung", BANK_BALANCE}, {"kontostand", BANK_BALANCE}, {"solde", BANK_BALANCE}, {"saldoposmutatie", BANK_BALANCE}, {"saldonamutatie", BANK_BALANCE},
	{"ownaccount", BANK_OWN_ACCOUNT}, {"auftragskonto", BANK_OWN_ACCOUNT}, {"ibanauftragskonto", BANK_OWN_ACCOUNT}, {"accountnumber", BANK_OWN_ACCOUNT}, {"rekening", BANK_OWN_ACCOUNT}, {"ibanbban", BANK_OWN_ACCOUNT},
};

/* Letters and digits in lower case; two-byte letters without their accent. */
static int
fold_header(const char *s, int len, char *out, int size)
{
	static const char accents[] = "aaaaaaaceeeeiiiidnooooo.ouuuuyts";	/* U+00E0.., as after 0xC3 0xA0 */
	int			n = 0;

	for (int i = 0; i < len && n < size - 1; i++)
	{
		unsigned char c = (unsigned char) s[i];

		if (c >= 'A' && c <= 'Z')
			out[n++] = (char) (c | 0x20);
		else if ((c >= 'a' && c <= 'z') || is_digit((char) c))
			out[n++] = (char) c;
		else if (c == 0xC3 && i + 1 < len)
			out[n++] = accents[(unsigned char) s[++i] & 31];
		else if ((c == 0xC4 || c == 0xC5) && i + 1 < len)
		{
			unsigned char next = (unsigned char) s[++i];

			/* the letters of Polish */
			if (c == 0xC4)
				out[n++] = next == 0x85 || next == 0x84 ? 'a' : next == 0x87 || next == 0x86 ? 'c' : 'e';
			else
				out[n++] = next == 0x82 || next == 0x81 ? 'l' : next == 0x84 || next == 0x83 ? 'n' :
					next == 0x9B || next == 0x9A ? 's' : 'z';
		}
	}
	out[n] = '\0';
	return n;
}

int
BankColumnOf(const char *header, int len)
{
	char		name[48];

	if (fold_header(header, len, name, sizeof(name)) == 0)
		return -1;
	for (size_t i = 0; i < lengthof(column_names); i++)
		if (strcmp(name, column_names[i].name) == 0)
			return (int) column_names[i].column;
	return -1;
}

int
BankSignOf(const char *s, int len)
{
	static const char *const in[] = {"c", "cr", "crdt", "credit", "h", "haben", "bij", "in", "gutschrift", "credito"};
	static const char *const out[] = {"d", "dr", "dbit", "debit", "s", "soll", "af", "out", "lastschrift", "debito"};
	char		name[16];

	if (len == 1 && (*s == '+' || *s == '-'))
		return *s == '+' ? 1 : -1;
	(void) fold_header(s, len, name, sizeof(name));
	for (size_t i = 0; i < lengthof(in); i++)
	{
		if (strcmp(name, in[i]) == 0)
			return 1;
		if (strcmp(name, out[i]) == 0)
			return -1;
	}
	return 0;
}
