/*-------------------------------------------------------------------------
 *
 * document.c
 *	  Read an invoice or credit note with all that stands on it.
 *
 * An issued document reads as it was issued, from the issuer and recipient
 * that are frozen in it.  Only what they lack and an e-invoice cannot do
 * without, the countries and identifiers, is taken from the data of today.
 *
 * Three kept statements per document, so that thousands of documents a second can be written.
 *
 *-------------------------------------------------------------------------
 */
#include "report/document.h"
#include "invoice/invoice.h"

#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

static const char *const header_sql =
	"SELECT h.invoice_id, h.invoice_number, h.tenant_id, h.kind, h.status, h.currency,"
	" (SELECT c.minor_unit::int4 FROM finops.currency c WHERE c.code = h.currency ORDER BY c.shipped LIMIT 1),"
	" h.subtotal, h.tax, h.total, h.tax_inclusive, h.period_start, h.period_end, h.po_number, h.terms, h.language,"
	" h.reason, h.issuer, h.recipient, (h.issued_at AT TIME ZONE z.zone)::date, " INVOICE_DUE_DAY_SQL ","
	" o.invoice_number, (o.issued_at AT TIME ZONE z.zone)::date, h.issuer_id,"
	" EXISTS (SELECT FROM finops.currency y WHERE y.code = h.currency AND y.shipped),"
	" z.tax_currency, (SELECT c.minor_unit::int4 FROM finops.currency c WHERE c.code = z.tax_currency ORDER BY c.shipped LIMIT 1),"
	" CASE WHEN z.tax_currency IS NOT NULL THEN h.tax_usd / finops.fx_rate_of(z.tax_currency, h.period_start) END"
	" FROM @s@.invoice_header h LEFT JOIN @s@.invoice_header o ON o.invoice_id = h.original_invoice_id"
	INVOICE_DAYS_FROM
	" CROSS JOIN LATERAL (SELECT " INVOICE_ZONE_SQL " AS zone,"
	"  CASE WHEN h.tax <> 0 THEN nullif(h.issuer ->> 'tax_currency', h.currency) END AS tax_currency) z WHERE h.invoice_id = $1";

static const char *const lines_sql =
	"SELECT l.line_no, l.description, l.unit, l.tax_category, l.period_start,"
	" coalesce(l.service_period_start, l.period_start), l.service_period_end, l.quantity, l.unit_price, l.amount,"
	" l.gross_amount, l.tax_rate FROM @s@.invoice_detail l WHERE l.invoice_id = $1 ORDER BY l.line_no";

static const char *const taxes_sql =
	"SELECT t.tax_category, t.reason, t.tax_rate, t.taxable_amount, t.tax_amount FROM finops.invoice_tax t"
	" WHERE t.invoice_id = $1 ORDER BY t.tax_rate DESC, t.tax_category";

/* What a document that is not issued, or lacks something, is completed by. */
static const char *const today_sql =
	"SELECT to_jsonb(i.*), jsonb_build_object('tenant_name', t.tenant_name, 'billing_contact', t.billing_contact,"
	" 'tax_profile', t.tax_profile) FROM @s@.tenant_master t LEFT JOIN finops.issuer i ON i.issuer_id = $2"
	" WHERE t.tenant_id = $1";

static const char *const countries =
	" AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ"
	" CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR"
	" GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO"
	" JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR"
	" MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO"
	" RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV"
	" TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW ";

bool
DocumentIsCountry(const char *code)
{
	char		padded[5] = {' ', 0, 0, ' ', 0};

	if (strlen(code) != 2 || code[0] == ' ' || code[1] == ' ')
		return false;
	padded[1] = code[0];
	padded[2] = code[1];
	return strstr(countries, padded) != NULL;
}

static char *
trimmed(char *text)
{
	size_t		length;

	if (text == NULL)
		return NULL;
	text += strspn(text, " \t\r\n");
	for (length = strlen(text); length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL; length--)
		text[length - 1] = '\0';
	return *text == '\0' ? NULL : text;
}

/* The code of a country given as such or by a common name, else NULL. */
static char *
country_code(const char *country)
{
	static const char *const names[][2] = {
		{"austria", "AT"}, {"belgium", "BE"}, {"brazil", "BR"}, {"canada", "CA"}, {"czechia", "CZ"}, {"denmark", "DK"},
		{"deutschland", "DE"}, {"finland", "FI"}, {"france", "FR"}, {"germany", "DE"}, {"india", "IN"}, {"ireland", "IE"},
		{"italy", "IT"}, {"japan", "JP"}, {"luxembourg", "LU"}, {"netherlands", "NL"}, {"norway", "NO"},
		{"poland", "PL"}, {"portugal", "PT"}, {"spain", "ES"}, {"sweden", "SE"}, {"switzerland", "CH"},
		{"united kingdom", "GB"}, {"uk", "GB"}, {"united states", "US"}, {"united states of america", "US"}, {"usa", "US"}
	};
	char		code[3];

	if (country == NULL)
		return NULL;
	if (strlen(country) == 2)
	{
		code[0] = pg_toupper((unsigned char) country[0]);
		code[1] = pg_toupper((unsigned char) country[1]);
		code[2] = '\0';
		if (DocumentIsCountry(code))
			return pstrdup(code);
	}
	for (size_t i = 0; i < lengthof(names); i++)
		if (pg_strcasecmp(country, names[i][0]) == 0)
			return pstrdup(names[i][1]);
	return NULL;
}

/* The country in the prefix of a VAT id or jurisdiction such as CA-QC; not of words. */
static char *
country_of_prefix(const char *id)
{
	char		code[3];

	if (id == NULL || strlen(id) < 2 || strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") > 3)
		return NULL;
	code[0] = pg_toupper((unsigned char) id[0]);
	code[1] = pg_toupper((unsigned char) id[1]);
	code[2] = '\0';
	if (strcmp(code, "EL") == 0)
		return pstrdup("GR");
	if (strcmp(code, "XI") == 0)
		return pstrdup("GB");
	return DocumentIsCountry(code) ? pstrdup(code) : NULL;
}

/*
 * An address in one text: parts between commas and line ends; a last part
 * that is a country is taken off, the others fill the lines.
 */
static void
split_address(DocumentParty *party, const char *text)
{
	char	   *parts[16];
	int			n = 0;
	StringInfoData rest;

	for (char *at = pstrdup(text), *next; at != NULL && n < (int) lengthof(parts); at = next)
	{
		next = n + 1 < (int) lengthof(parts) ? strpbrk(at, ",\n;") : NULL;
		if (next != NULL)
			*next++ = '\0';
		parts[n] = trimmed(at);
		n += parts[n] != NULL;
	}
	if (n > 1 && country_code(parts[n - 1]) != NULL)
		party->country = country_code(parts[--n]);
	party->street = n > 0 ? parts[0] : NULL;
	party->street2 = n > 1 ? parts[1] : NULL;
	initStringInfo(&rest);
	for (int i = 2; i < n; i++)
		appendStringInfo(&rest, "%s%s", i > 2 ? ", " : "", parts[i]);
	party->street3 = n > 2 ? rest.data : NULL;
}

static char *
without_blanks(char *text)
{
	char	   *to = text;

	if (text == NULL)
		return NULL;
	for (const char *from = text; *from != '\0'; from++)
		if (strchr(" \t\r\n.-", *from) == NULL)
			*to++ = *from;
	*to = '\0';
	return *text == '\0' ? NULL : text;
}

/* ---------------------------------------------------------------------
 * Values of JSON objects
 * ---------------------------------------------------------------------
 */

/* The value under a key of an object, or NULL. */
static JsonbValue *
member(JsonbContainer *object, const char *key)
{
	if (object == NULL || !JsonContainerIsObject(object))
		return NULL;
	return getKeyJsonValueFromContainer(object, key, (int) strlen(key), NULL);
}

static JsonbContainer *
object_value(JsonbContainer *object, const char *key)
{
	JsonbValue *value = member(object, key);

	return value != NULL && value->type == jbvBinary ? value->val.binary.data : NULL;
}

/* Text or number under the first of the keys that has one; trimmed. */
static char *
text_value(JsonbContainer *object, const char *const *keys)
{
	for (; *keys != NULL; keys++)
	{
		JsonbValue *value = member(object, *keys);
		char	   *text = NULL;

		if (value != NULL && value->type == jbvString)
			text = trimmed(pnstrdup(value->val.string.val, value->val.string.len));
		else if (value != NULL && value->type == jbvNumeric)
			text = numeric_normalize(value->val.numeric);
		if (text != NULL)
			return text;
	}
	return NULL;
}

#define KEYS(...) ((const char *const[]) {__VA_ARGS__, NULL})

/* An address is a text or an object, beside it stand further keys. */
static void
read_address(DocumentParty *party, JsonbContainer *holder)
{
	JsonbContainer *address = object_value(holder, "address");
	char	   *text = text_value(holder, KEYS("address"));

	if (text != NULL)
		split_address(party, text);
	if (address != NULL)
	{
		party->attention = text_value(address, KEYS("attention", "name", "department"));
		party->street = text_value(address, KEYS("street", "line1", "address_line1"));
		party->street2 = text_value(address, KEYS("street2", "line2", "address_line2"));
		party->city = text_value(address, KEYS("city", "town"));
		party->postal_code = text_value(address, KEYS("postal_code", "postcode", "zip"));
		party->region = text_value(address, KEYS("region", "state", "province"));
		party->country = country_code(text_value(address, KEYS("country_code", "country")));
	}
	if (party->country == NULL)
		party->country = country_code(text_value(holder, KEYS("country_code", "country")));
	for (int i = 0; i < 2; i++)
	{
		JsonbContainer *from = i == 0 ? holder : address;

		party->email = party->email != NULL ? party->email : text_value(from, KEYS("email"));
		party->phone = party->phone != NULL ? party->phone : text_value(from, KEYS("phone", "telephone"));
		party->company_id = party->company_id != NULL ? party->company_id : text_value(from, KEYS("company_id"));
		party->endpoint_scheme = party->endpoint_scheme != NULL ? party->endpoint_scheme : text_value(from, KEYS("endpoint_scheme"));
		party->endpoint = party->endpoint != NULL ? party->endpoint : text_value(from, KEYS("endpoint"));
	}
}

static void
read_issuer(Document *doc, JsonbContainer *issuer)
{
	DocumentParty *party = &doc->issuer;
	JsonbContainer *bank = object_value(issuer, "bank");

	memset(party, 0, sizeof(*party));
	party->name = text_value(issuer, KEYS("legal_name"));
	party->vat_id = without_blanks(text_value(issuer, KEYS("vat_id")));
	read_address(party, issuer);
	if (party->country == NULL)
		party->country = country_of_prefix(party->vat_id);
	doc->bank_name = text_value(bank, KEYS("name", "bank_name", "bank"));
	doc->account_name = text_value(bank, KEYS("account_name", "holder"));
	doc->iban = without_blanks(text_value(bank, KEYS("iban", "account", "account_number")));
	doc->bic = without_blanks(text_value(bank, KEYS("bic", "swift")));
}

static void
read_recipient(Document *doc, JsonbContainer *recipient)
{
	DocumentParty *party = &doc->recipient;
	JsonbContainer *contact = object_value(recipient, "billing_contact");
	JsonbContainer *profile = object_value(recipient, "tax_profile");

	memset(party, 0, sizeof(*party));
	party->name = text_value(recipient, KEYS("tenant_name"));
	party->vat_id = without_blanks(text_value(profile, KEYS("tax_id")));
	party->buyer_reference = text_value(contact, KEYS("buyer_reference", "reference"));
	read_address(party, contact);
	if (party->attention == NULL)
		party->attention = text_value(contact, KEYS("attention", "name"));
	if (party->country == NULL)
		party->country = country_of_prefix(text_value(profile, KEYS("jurisdiction")));
	if (party->country == NULL)
		party->country = country_of_prefix(party->vat_id);
	doc->reason_code = text_value(profile, KEYS("reason_code"));
	doc->exemption_reason = text_value(profile, KEYS("reason"));
}

static JsonbContainer *
json_column(int column)
{
	bool		isnull;
	Datum		value = FinopsValue(0, column, &isnull);

	return isnull ? NULL : &DatumGetJsonbPCopy(value)->root;
}

/*
 * The data of today: all of it for a document that is not issued, and the
 * country and VAT id of a party that an issued one does not have.
 */
static void
complete_parties(Document *doc)
{
	FinopsArg	args[2] = {ARG_TEXT(doc->tenant_id), ARG_TEXT(doc->issuer_id)};
	Document	today = {0};

	if (FinopsRunKept(today_sql, 2, args) == 0)
		return;
	read_issuer(&today, json_column(1));
	read_recipient(&today, json_column(2));
	if (doc->number == NULL)
	{
		if (doc->issuer.name == NULL)
		{
			doc->issuer = today.issuer;
			doc->bank_name = today.bank_name;
			doc->account_name = today.account_name;
			doc->iban = today.iban;
			doc->bic = today.bic;
		}
		if (doc->recipient.name == NULL)
			doc->recipient = today.recipient;
	}
	if (doc->issuer.country == NULL)
		doc->issuer.country = today.issuer.country;
	if (doc->issuer.vat_id == NULL)
		doc->issuer.vat_id = today.issuer.vat_id;
	if (doc->recipient.country == NULL)
		doc->recipient.country = today.recipient.country;
	if (doc->recipient.vat_id == NULL)
		doc->recipient.vat_id = today.recipient.vat_id;
}

/* ---------------------------------------------------------------------
 * Exact numbers
 * ---------------------------------------------------------------------
 */
#define CALL1(f, a)		DirectFunctionCall1(f, a)
#define CALL2(f, a, b)	DirectFunctionCall2(f, a, b)

static Datum
number_of(int64 value)
{
	return NumericGetDatum(int64_to_numeric(value));
}

static char *
number_text(Datum value)
{
	return DatumGetCString(CALL1(numeric_out, value));
}

/* Without trailing zeros. */
static char *
short_text(Datum value)
{
	return number_text(CALL1(numeric_trim_scale, value));
}

static Datum
signed_number(const Document *doc, Datum value)
{
	return doc->credit ? CALL1(numeric_uminus, value) : value;
}

static int
compare(Datum a, Datum b)
{
	return DatumGetInt32(CALL2(numeric_cmp, a, b));
}

static Datum
number_column(uint64 row, int column)
{
	bool		isnull;
	Datum		value = FinopsValue(row, column, &isnull);

	if (isnull)
		elog(ERROR, "unexpected null in column %d", column);
	return value;
}

/* The tax in the currency in which the issuer accounts for it, rounded once. */
static void
read_tax_in_currency(Document *doc)
{
	bool		isnull;
	Datum		tax = FinopsValue(0, 28, &isnull);

	doc->tax_currency = FinopsText(0, 26);
	if (doc->tax_currency == NULL)
		return;
	doc->tax_digits = (int) FinopsInt64(0, 27);
	if (!isnull)
		doc->tax_in_currency = number_text(CALL2(numeric_round, signed_number(doc, tax),
												 Int32GetDatum(doc->tax_digits)));
}

static void
read_header(Document *doc)
{
	doc->invoice_id = FinopsText(0, 1);
	doc->number = FinopsText(0, 2);
	doc->tenant_id = FinopsText(0, 3);
	doc->credit = strcmp(FinopsText(0, 4), "credit_note") == 0;
	doc->status = FinopsText(0, 5);
	doc->currency = FinopsText(0, 6);
	doc->digits = (int) FinopsInt64(0, 7);
	doc->net = signed_number(doc, number_column(0, 8));
	doc->tax_sum = signed_number(doc, number_column(0, 9));
	doc->subtotal = number_text(doc->net);
	doc->tax = number_text(doc->tax_sum);
	doc->total = number_text(signed_number(doc, number_column(0, 10)));
	doc->inclusive = DatumGetBool(number_column(0, 11));
	doc->period_start = FinopsText(0, 12);
	doc->period_end = FinopsText(0, 13);
	doc->po_number = trimmed(FinopsText(0, 14));
	doc->terms = trimmed(FinopsText(0, 15));
	doc->language = FinopsText(0, 16);
	doc->reason = trimmed(FinopsText(0, 17));
	read_issuer(doc, json_column(18));
	read_recipient(doc, json_column(19));
	doc->issue_day = FinopsText(0, 20);
	doc->due_day = FinopsText(0, 21);
	doc->original_number = FinopsText(0, 22);
	doc->original_day = FinopsText(0, 23);
	doc->issuer_id = FinopsText(0, 24);
	doc->is_iso4217 = DatumGetBool(number_column(0, 25));
	read_tax_in_currency(doc);
	doc->unit = CALL2(numeric_round, CALL2(numeric_power, number_of(10), number_of(-doc->digits)),
					  Int32GetDatum(doc->digits));
}

/*
 * Quantity and price of a net amount.  The price that is billed stays where
 * quantity x price is the amount to half a minor unit; else, as with
 * inclusive prices and lines that got a spare cent, it is amount / quantity.
 */
static void
find_price(const Document *doc, DocumentLine *line, Datum quantity,
		   Datum price, Datum net)
{
	Datum		magnitude = CALL1(numeric_abs, net);
	Datum		count = CALL1(numeric_abs, quantity);
	Datum		off;

	price = CALL1(numeric_abs, price);
	if (compare(count, number_of(0)) == 0)
		count = number_of(1);
	off = CALL1(numeric_abs, CALL2(numeric_sub, CALL2(numeric_mul, count, price), magnitude));
	if (doc->inclusive || compare(CALL2(numeric_add, off, off), doc->unit) > 0)
		price = CALL2(numeric_div, magnitude, count);
	line->net_price = short_text(price);
	line->net_quantity = short_text(compare(net, number_of(0)) < 0 ? CALL1(numeric_uminus, count) : count);
}

/* Month that begins on a day "YYYY-MM-01": its last day. */
static char *
month_end(uint64 row, int column)
{
	DateADT		next = FinopsPeriodEnd(DatumGetDateADT(number_column(row, column)));

	return DatumGetCString(CALL1(date_out, DateADTGetDatum(next - 1)));
}

static void
read_lines(Document *doc, uint64 n)
{
	doc->nlines = (int) n;
	doc->lines = palloc0_array(DocumentLine, Max(n, 1));
	for (uint64 i = 0; i < n; i++)
	{
		DocumentLine *line = &doc->lines[i];
		Datum		net = signed_number(doc, number_column(i, 10));
		bool		isnull;
		Datum		gross = FinopsValue(i, 11, &isnull);

		line->line_no = FinopsText(i, 1);
		line->description = FinopsText(i, 2);
		line->unit = FinopsText(i, 3);
		line->category = FinopsText(i, 4);
		line->service_start = FinopsText(i, 6);
		line->service_end = FinopsText(i, 7);
		if (line->service_end == NULL)
			line->service_end = month_end(i, 5);
		line->quantity = short_text(signed_number(doc, number_column(i, 8)));
		line->unit_price = short_text(number_column(i, 9));
		line->amount = number_text(net);
		line->net = net;
		line->gross = isnull ? NULL : number_text(signed_number(doc, gross));
		line->rate_pct = short_text(CALL2(numeric_mul, number_column(i, 12), number_of(100)));
		find_price(doc, line, number_column(i, 8), number_column(i, 9), net);
	}
}

/*
 * For the tax T to be base x rate within half a minor unit u, the base must
 * move by the least number of units d with |T - (base + d u) rate| <= u / 2:
 * d = ceil((2 |T - base x rate| - u) / (2 u rate)).
 */
static Datum
base_shift(const Document *doc, Datum base, Datum rate, Datum tax)
{
	Datum		off = CALL2(numeric_sub, tax, CALL2(numeric_mul, base, rate));
	Datum		magnitude = CALL1(numeric_abs, off);
	Datum		num = CALL2(numeric_sub, CALL2(numeric_add, magnitude, magnitude), doc->unit);
	Datum		den = CALL2(numeric_mul, CALL2(numeric_add, doc->unit, doc->unit), rate);
	Datum		steps;

	if (compare(num, number_of(0)) <= 0 || compare(rate, number_of(0)) == 0)
		return number_of(0);
	steps = CALL2(numeric_div_trunc, num, den);
	if (compare(CALL2(numeric_mul, steps, den), num) < 0)
		steps = CALL2(numeric_add, steps, number_of(1));
	steps = CALL2(numeric_mul, steps, doc->unit);
	return compare(off, number_of(0)) < 0 ? CALL1(numeric_uminus, steps) : steps;
}

/* Whether a tax is of the lines of its category and rate, and how many those are. */
static bool
is_of_lines(const Document *doc, const DocumentTax *row, Datum taxable, int *lines)
{
	Datum		sum = number_of(0);

	for (int i = 0; i < doc->nlines; i++)
		if (strcmp(doc->lines[i].category, row->category) == 0 &&
			strcmp(doc->lines[i].rate_pct, row->rate_pct) == 0)
		{
			sum = CALL2(numeric_add, sum, doc->lines[i].net);
			(*lines)++;
		}
	return compare(sum, taxable) == 0;
}

static char *
unless_zero(Datum value)
{
	return compare(value, number_of(0)) == 0 ? NULL : number_text(value);
}

static void
read_taxes(Document *doc, uint64 n)
{
	Datum		widest = CALL2(numeric_mul, doc->unit, number_of(DOCUMENT_MAX_SHIFT));
	Datum		charges = number_of(0);
	Datum		allowances = number_of(0);
	Datum		shifts;
	int			lines = 0;

	doc->ntaxes = (int) n;
	doc->taxes = palloc0_array(DocumentTax, Max(n, 1));
	for (uint64 i = 0; i < n; i++)
	{
		DocumentTax *row = &doc->taxes[i];
		Datum		rate = number_column(i, 3);
		Datum		taxable = signed_number(doc, number_column(i, 4));
		Datum		tax = signed_number(doc, number_column(i, 5));
		Datum		shift = base_shift(doc, taxable, rate, tax);

		row->category = FinopsText(i, 1);
		row->reason = FinopsText(i, 2);
		if (row->reason == NULL)
			row->reason = doc->exemption_reason;
		row->reason_code = doc->reason_code;
		row->rate_pct = short_text(CALL2(numeric_mul, rate, number_of(100)));
		row->taxable = number_text(taxable);
		row->tax = number_text(tax);
		row->gross = number_text(CALL2(numeric_add, taxable, tax));
		row->shift = number_text(shift);
		row->base = number_text(CALL2(numeric_add, taxable, shift));
		if (row->shift[0] == '-')
			allowances = CALL2(numeric_sub, allowances, shift);
		else
			charges = CALL2(numeric_add, charges, shift);
		if (compare(CALL1(numeric_abs, shift), widest) > 0)
			doc->far_from_base = true;
		if (!is_of_lines(doc, row, taxable, &lines))
			doc->taxed_apart = true;
	}
	if (lines != doc->nlines)
		doc->taxed_apart = true;
	shifts = CALL2(numeric_sub, charges, allowances);
	doc->charges = unless_zero(charges);
	doc->allowances = unless_zero(allowances);
	doc->rounding = unless_zero(CALL1(numeric_uminus, shifts));
	doc->base_total = number_text(CALL2(numeric_add, doc->net, shifts));
	doc->base_gross = number_text(CALL2(numeric_add, CALL2(numeric_add, doc->net, shifts), doc->tax_sum));
}

Document *
DocumentRead(const char *invoice_id)
{
	Document   *doc = palloc0_object(Document);
	FinopsArg	id = ARG_TEXT(invoice_id);

	if (FinopsRunKept(header_sql, 1, &id) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("there is no invoice \"%s\"", FinopsQuoteForMessage(invoice_id)),
				 errhint("List them with SELECT invoice_id, tenant_id, status FROM invoice_header ORDER BY period_start DESC.")));
	read_header(doc);
	if (doc->number == NULL || doc->issuer.country == NULL || doc->recipient.country == NULL ||
		doc->issuer.vat_id == NULL || doc->recipient.vat_id == NULL)
		complete_parties(doc);
	read_lines(doc, FinopsRunKept(lines_sql, 1, &id));
	read_taxes(doc, FinopsRunKept(taxes_sql, 1, &id));
	return doc;
}
