/*-------------------------------------------------------------------------
 *
 * invoice_ubl.c
 *	  An issued document as UBL 2.1 Invoice or CreditNote, EN 16931.
 *
 * Elements stand in the order of the UBL 2.1 schemas, and only those of EN
 * 16931 are used.  Numbers of the comments are its business terms.
 *
 * Totals hold exactly.  Tax of inclusive prices, of lines rounded one by one
 * and of parts of a credit need not be base x rate to the cent: there is no
 * net amount at 19 % whose gross is 0.03.  Then the base is moved by an
 * allowance or charge named "Rounding", by the least amount that makes base x
 * rate the tax, and BT-114 carries it back, so that tax and amount due are
 * those of the document.
 *
 *-------------------------------------------------------------------------
 */
#include "report/document.h"
#include "core/markup.h"

PG_FUNCTION_INFO_V1(finops_invoice_ubl);

#define UBL "urn:oasis:names:specification:ubl:schema:xsd:"

static void
open_tag(StringInfo out, const char *name)
{
	appendStringInfoChar(out, '<');
	appendStringInfoString(out, name);
	appendStringInfoChar(out, '>');
}

static void
close_tag(StringInfo out, const char *name)
{
	appendStringInfoString(out, "</");
	appendStringInfoString(out, name);
	appendStringInfoChar(out, '>');
}

/* An element with one attribute; nothing where the text is NULL. */
static void
attributed(StringInfo out, const char *name, const char *attribute,
		   const char *value, const char *text)
{
	if (text == NULL)
		return;
	appendStringInfoChar(out, '<');
	appendStringInfoString(out, name);
	appendStringInfoChar(out, ' ');
	appendStringInfoString(out, attribute);
	appendStringInfoString(out, "=\"");
	MarkupText(out, value);
	appendStringInfoString(out, "\">");
	MarkupText(out, text);
	close_tag(out, name);
}

static void
amount(StringInfo out, const Document *doc, const char *name, const char *value)
{
	attributed(out, name, "currencyID", doc->currency, value);
}

/*
 * UN/ECE Recommendation 20; C62 "one" stands for whatever is counted and has
 * no code of its own.
 */
static const char *
unit_code(const char *unit)
{
	static const char *const codes[][2] = {
		{"month", "MON"}, {"months", "MON"}, {"day", "DAY"}, {"days", "DAY"}, {"hour", "HUR"}, {"hours", "HUR"},
		{"hrs", "HUR"}, {"h", "HUR"}, {"minute", "MIN"}, {"minutes", "MIN"}, {"second", "SEC"}, {"seconds", "SEC"},
		{"week", "WEE"}, {"weeks", "WEE"}, {"year", "ANN"}, {"years", "ANN"},
		{"byte", "AD"}, {"bytes", "AD"}, {"kb", "2P"}, {"mb", "4L"}, {"gb", "E34"}, {"tb", "E35"}, {"pb", "E36"},
		{"kib", "E64"}, {"mib", "E63"}, {"gib", "E62"}, {"tib", "E61"}, {"kwh", "KWH"}, {"mwh", "MWH"},
		{"percent", "P1"}, {"%", "P1"}
	};

	for (size_t i = 0; i < lengthof(codes); i++)
		if (pg_strcasecmp(unit, codes[i][0]) == 0)
			return codes[i][1];
	return "C62";
}

/*
 * BT-31 and BT-48 begin with a country; EL is Greece's, XI Northern
 * Ireland's.  Territories whose VAT is another country's have no prefix.
 */
static bool
is_vat_id(const char *id)
{
	char		prefix[3];

	if (id == NULL || strlen(id) < 3)
		return false;
	memcpy(prefix, id, 2);
	prefix[2] = '\0';
	if (strcmp(prefix, "BQ") == 0 || strcmp(prefix, "CW") == 0 || strcmp(prefix, "RE") == 0 || strcmp(prefix, "SX") == 0)
		return false;
	return DocumentIsCountry(prefix) || strcmp(prefix, "EL") == 0 || strcmp(prefix, "XI") == 0;
}

static bool
has_category(const Document *doc, const char *category)
{
	for (int i = 0; i < doc->ntaxes; i++)
		if (strcmp(doc->taxes[i].category, category) == 0)
			return true;
	return false;
}

static void
missing(const Document *doc, const char *what, const char *call)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s is missing for the e-invoice of \"%s\"", what, doc->invoice_id),
			 errhint("Run SELECT %s with your own data.", call)));
}

static char *
tenant_call(const Document *doc, const char *arguments)
{
	return psprintf("finops.register_tenant('%s', %s)", FinopsQuoteForMessage(doc->tenant_id), arguments);
}

pg_noreturn static void
inexpressible(const Document *doc, const char *what, const char *why, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s", what),
			 errdetail("%s", why),
			 errhint("%s", hint != NULL ? hint :
					 psprintf("Send SELECT finops.invoice_html('%s') instead.", FinopsQuoteForMessage(doc->invoice_id)))));
}

/* BR-CO-17: a rate that rounds to 0 percent has a tax that rounds to 0. */
static bool
is_below_half(const char *rate_pct, const char *tax)
{
	return rate_pct[0] == '0' && (rate_pct[1] == '\0' || rate_pct[2] < '5') &&
		!(tax[tax[0] == '-'] == '0' && (strlen(tax) < 3 || strchr(tax, '.')[1] < '5'));
}

/* What EN 16931 cannot express. */
static void
check_expressible(const Document *doc)
{
	if (!doc->is_iso4217)
		inexpressible(doc, psprintf("an e-invoice cannot be in %s", doc->currency),
					  "EN 16931 knows the currencies of ISO 4217.", NULL);
	if (doc->digits > 2)
		inexpressible(doc, psprintf("an e-invoice cannot be in %s", doc->currency),
					  psprintf("Amounts in %s have %d decimals; EN 16931 allows 2.", doc->currency, doc->digits),
					  psprintf("Send SELECT finops.invoice_html('%s') instead, or invoice in another currency.", doc->invoice_id));
	if (doc->tax_digits > 2)
		inexpressible(doc, psprintf("an e-invoice cannot state its tax in %s", doc->tax_currency),
					  psprintf("Amounts in %s have %d decimals; EN 16931 allows 2.", doc->tax_currency, doc->tax_digits), NULL);
	if (doc->far_from_base)
		inexpressible(doc, psprintf("tax of \"%s\" is not what EN 16931 computes", doc->invoice_id),
					  "It was rounded line by line; EN 16931 rounds it once for each category and rate.",
					  "Round by category where e-invoices are sent: finops.set_issuer_policy(tax_rounding => 'category').");
	if (doc->taxed_apart)
		inexpressible(doc, psprintf("taxes of \"%s\" are not those of its lines", doc->invoice_id),
					  "Several taxes stand on one line; EN 16931 has one category and rate for each.", NULL);
	if (doc->ntaxes > 1 && has_category(doc, "O"))
		inexpressible(doc, psprintf("\"%s\" has lines that are not subject to VAT beside others", doc->invoice_id),
					  "EN 16931 has a document of category O by itself.",
					  "Bill what is outside the scope of VAT on a document of its own, or as category E or Z.");
	for (int i = 0; i < doc->ntaxes; i++)
		if (is_below_half(doc->taxes[i].rate_pct, doc->taxes[i].tax))
			inexpressible(doc, psprintf("a tax of %s percent cannot stand in an e-invoice", doc->taxes[i].rate_pct),
						  "The rules of EN 16931 take a rate below half a percent for none.", NULL);
}

/* Refuses what EN 16931 cannot express, and names what it needs. */
static void
check_document(const Document *doc)
{
	if (doc->number == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("document \"%s\" is not issued", doc->invoice_id),
				 errdetail("Its status is %s; an e-invoice has a number.", doc->status),
				 errhint("Issue it with finops.issue_invoices('%s').", doc->period_start)));
	check_expressible(doc);
	if (doc->tax_currency != NULL && doc->tax_in_currency == NULL)
		missing(doc, psprintf("an exchange rate for %s", doc->tax_currency),
				psprintf("finops.set_fx_rate('%s', '%s', 1.0)", doc->tax_currency, doc->period_start));
	if (doc->nlines == 0)
		missing(doc, "a line", psprintf("finops.prepare_invoices('%s')", doc->period_start));
	if (doc->issuer.name == NULL)
		missing(doc, "the issuer's legal name", "finops.set_issuer(legal_name => 'Example Ltd')");
	if (doc->issuer.country == NULL)
		missing(doc, "the issuer's country",
				"finops.set_issuer(address => '{\"street\": \"1 High Street\", \"city\": \"Berlin\", \"postal_code\": \"10115\", \"country\": \"DE\"}')");
	if (doc->recipient.name == NULL)
		missing(doc, "the tenant's name", tenant_call(doc, "tenant_name => 'Acme'"));
	if (doc->recipient.country == NULL)
		missing(doc, "the tenant's country",
				tenant_call(doc, "billing_contact => '{\"address\": {\"street\": \"2 Low Street\", \"city\": \"Berlin\", \"postal_code\": \"10115\", \"country\": \"DE\"}}'"));
	if (!has_category(doc, "O") && doc->issuer.vat_id == NULL)
		missing(doc, "the issuer's VAT id", "finops.set_issuer(vat_id => 'DE123456789')");
	if ((has_category(doc, "K") || has_category(doc, "G")) && !is_vat_id(doc->issuer.vat_id))
		missing(doc, "a VAT id of the issuer that begins with a country", "finops.set_issuer(vat_id => 'DE123456789')");
	if (has_category(doc, "K") && !is_vat_id(doc->recipient.vat_id))
		missing(doc, "the tenant's VAT id", tenant_call(doc, "tax_profile => '{\"category\": \"K\", \"tax_id\": \"FR32123456789\"}'"));
	if (has_category(doc, "AE") && doc->recipient.vat_id == NULL && doc->recipient.company_id == NULL)
		missing(doc, "the tenant's VAT id", tenant_call(doc, "tax_profile => '{\"category\": \"AE\", \"tax_id\": \"FR32123456789\"}'"));
}

static void
period(StringInfo out, const char *start, const char *end)
{
	open_tag(out, "cac:InvoicePeriod");
	MarkupElement(out, "cbc:StartDate", start);
	MarkupElement(out, "cbc:EndDate", end);
	close_tag(out, "cac:InvoicePeriod");
}

static void
country(StringInfo out, const char *code)
{
	open_tag(out, "cac:Country");
	MarkupElement(out, "cbc:IdentificationCode", code);
	close_tag(out, "cac:Country");
}

static void
postal_address(StringInfo out, const char *tag, const DocumentParty *party)
{
	open_tag(out, tag);
	MarkupElement(out, "cbc:StreetName", party->street);
	MarkupElement(out, "cbc:AdditionalStreetName", party->street2);
	MarkupElement(out, "cbc:CityName", party->city);
	MarkupElement(out, "cbc:PostalZone", party->postal_code);
	MarkupElement(out, "cbc:CountrySubentity", party->region);
	if (party->street3 != NULL)
	{
		open_tag(out, "cac:AddressLine");
		MarkupElement(out, "cbc:Line", party->street3);
		close_tag(out, "cac:AddressLine");
	}
	country(out, party->country);
	close_tag(out, tag);
}

static void
tax_scheme(StringInfo out, const char *scheme)
{
	open_tag(out, "cac:TaxScheme");
	MarkupElement(out, "cbc:ID", scheme);
	close_tag(out, "cac:TaxScheme");
}

static void
party_tax_scheme(StringInfo out, const char *id, const char *scheme)
{
	open_tag(out, "cac:PartyTaxScheme");
	MarkupElement(out, "cbc:CompanyID", id);
	tax_scheme(out, scheme);
	close_tag(out, "cac:PartyTaxScheme");
}

/* Electronic address schemes (EAS) that all versions of the list have, and national ones since. */
static bool
is_endpoint_scheme(const char *scheme)
{
	static const char *const schemes =
		" 0002 0007 0009 0037 0060 0088 0096 0097 0106 0130 0135 0142 0147 0151 0154 0158 0170 0177 0183 0184 0188 0190 0191"
		" 0192 0193 0194 0195 0196 0198 0199 0200 0201 0202 0203 0204 0205 0208 0209 0210 0211 0212 0213 0215 0216 0217 0218"
		" 0221 0225 0230 0235 9901 9910 9913 9914 9915 9918 9919 9920 9922 9923 9924 9925 9926 9927 9928 9929 9930 9931 9932"
		" 9933 9934 9935 9936 9937 9938 9939 9940 9941 9942 9943 9944 9945 9946 9947 9948 9949 9950 9951 9952 9953 9957 9959"
		" AN AQ AS AU EM ";

	return strchr(scheme, ' ') == NULL && strstr(schemes, psprintf(" %s ", scheme)) != NULL;
}

/* The party's address for documents; an e-mail address is one (EAS: EM). */
static void
endpoint(StringInfo out, const DocumentParty *party)
{
	if (party->endpoint != NULL && party->endpoint_scheme != NULL &&
		is_endpoint_scheme(party->endpoint_scheme))
		attributed(out, "cbc:EndpointID", "schemeID", party->endpoint_scheme, party->endpoint);
	else
		attributed(out, "cbc:EndpointID", "schemeID", "EM", party->email);
}

/*
 * BR-O-02: a document outside the scope of VAT names no VAT id.  BR-CO-26:
 * the seller has a VAT id, a registration or another identifier.
 */
static void
party(StringInfo out, const Document *doc, const DocumentParty *party,
	  bool seller)
{
	bool		vat = is_vat_id(party->vat_id) && !has_category(doc, "O");
	const char *company_id = party->company_id;

	if (!seller && !vat && company_id == NULL && !has_category(doc, "O"))
		company_id = party->vat_id;
	open_tag(out, "cac:Party");
	endpoint(out, party);
	if (seller && !vat && company_id == NULL)
	{
		open_tag(out, "cac:PartyIdentification");
		MarkupElement(out, "cbc:ID", party->vat_id != NULL ? party->vat_id : "default");
		close_tag(out, "cac:PartyIdentification");
	}
	postal_address(out, "cac:PostalAddress", party);
	if (vat)
		party_tax_scheme(out, party->vat_id, "VAT");
	else if (seller && party->vat_id != NULL && !has_category(doc, "O"))
		party_tax_scheme(out, party->vat_id, "TAX");
	open_tag(out, "cac:PartyLegalEntity");
	MarkupElement(out, "cbc:RegistrationName", party->name);
	MarkupElement(out, "cbc:CompanyID", company_id);
	close_tag(out, "cac:PartyLegalEntity");
	if (party->attention != NULL || party->phone != NULL || party->email != NULL)
	{
		open_tag(out, "cac:Contact");
		MarkupElement(out, "cbc:Name", party->attention);
		MarkupElement(out, "cbc:Telephone", party->phone);
		MarkupElement(out, "cbc:ElectronicMail", party->email);
		close_tag(out, "cac:Contact");
	}
	close_tag(out, "cac:Party");
}

static void
parties(StringInfo out, const Document *doc)
{
	open_tag(out, "cac:AccountingSupplierParty");
	party(out, doc, &doc->issuer, true);
	close_tag(out, "cac:AccountingSupplierParty");
	open_tag(out, "cac:AccountingCustomerParty");
	party(out, doc, &doc->recipient, false);
	close_tag(out, "cac:AccountingCustomerParty");
	if (has_category(doc, "K"))
	{
		/* BR-IC-11, BR-IC-12: when and where to */
		open_tag(out, "cac:Delivery");
		MarkupElement(out, "cbc:ActualDeliveryDate", doc->period_end);
		open_tag(out, "cac:DeliveryLocation");
		open_tag(out, "cac:Address");
		country(out, doc->recipient.country);
		close_tag(out, "cac:Address");
		close_tag(out, "cac:DeliveryLocation");
		close_tag(out, "cac:Delivery");
	}
}

/* UNCL 4461: 58 is a SEPA credit transfer, 30 a credit transfer. */
static void
payment(StringInfo out, const Document *doc)
{
	char	   *terms = doc->terms;

	if (doc->iban != NULL && !doc->credit)
	{
		bool		sepa = strcmp(doc->currency, "EUR") == 0 && strlen(doc->iban) >= 15 &&
			isalpha((unsigned char) doc->iban[0]) && isalpha((unsigned char) doc->iban[1]);

		open_tag(out, "cac:PaymentMeans");
		MarkupElement(out, "cbc:PaymentMeansCode", sepa ? "58" : "30");
		MarkupElement(out, "cbc:PaymentID", doc->number);
		open_tag(out, "cac:PayeeFinancialAccount");
		MarkupElement(out, "cbc:ID", doc->iban);
		MarkupElement(out, "cbc:Name", doc->account_name);
		if (doc->bic != NULL)
		{
			open_tag(out, "cac:FinancialInstitutionBranch");
			MarkupElement(out, "cbc:ID", doc->bic);
			close_tag(out, "cac:FinancialInstitutionBranch");
		}
		close_tag(out, "cac:PayeeFinancialAccount");
		close_tag(out, "cac:PaymentMeans");
	}
	if (terms == NULL)
		terms = doc->credit ? psprintf("Credited against invoice %s", doc->original_number) :
			psprintf("Payable by %s", doc->due_day);
	open_tag(out, "cac:PaymentTerms");
	MarkupElement(out, "cbc:Note", terms);
	close_tag(out, "cac:PaymentTerms");
}

/* A code of the VATEX list; others would not pass, their text does. */
static const char *
reason_code(const DocumentTax *tax)
{
	static const char *const known =
		" 79-C 132 132-1A 132-1B 132-1C 132-1D 132-1E 132-1F 132-1G 132-1H 132-1I 132-1J 132-1K 132-1L 132-1M 132-1N"
		" 132-1O 132-1P 132-1Q 143 143-1A 143-1B 143-1C 143-1D 143-1E 143-1F 143-1FA 143-1G 143-1H 143-1I 143-1J"
		" 143-1K 143-1L 144 146-1E 148 148-A 148-B 148-C 148-D 148-E 148-F 148-G 151 151-1A 151-1AA 151-1B 151-1C"
		" 151-1D 151-1E 159 309 D F I J ";
	static const char *const prefix = "VATEX-EU-";

	if (strcmp(tax->category, "AE") == 0)
		return "VATEX-EU-AE";
	if (strcmp(tax->category, "K") == 0)
		return "VATEX-EU-IC";
	if (strcmp(tax->category, "G") == 0)
		return "VATEX-EU-G";
	if (strcmp(tax->category, "O") == 0)
		return "VATEX-EU-O";
	if (tax->reason_code == NULL || strncmp(tax->reason_code, prefix, strlen(prefix)) != 0 ||
		strchr(tax->reason_code, ' ') != NULL ||
		strstr(known, psprintf(" %s ", tax->reason_code + strlen(prefix))) == NULL)
		return NULL;
	return tax->reason_code;
}

static const char *
reason_text(const DocumentTax *tax)
{
	if (tax->reason != NULL && tax->reason[strspn(tax->reason, " \t\r\n")] != '\0')
		return tax->reason;
	if (strcmp(tax->category, "AE") == 0)
		return "Reverse charge";
	if (strcmp(tax->category, "K") == 0)
		return "Intra-Community supply";
	if (strcmp(tax->category, "G") == 0)
		return "Export outside the EU";
	if (strcmp(tax->category, "O") == 0)
		return "Not subject to VAT";
	return "Exempt from tax";
}

/* BR-O-05: no rate outside the scope; the reason only in the breakdown. */
static void
tax_category(StringInfo out, const char *tag, const char *category,
			 const char *rate_pct, const DocumentTax *tax)
{
	open_tag(out, tag);
	MarkupElement(out, "cbc:ID", category);
	if (strcmp(category, "O") != 0)
		MarkupElement(out, "cbc:Percent", rate_pct);
	if (tax != NULL && strcmp(category, "S") != 0 && strcmp(category, "Z") != 0)
	{
		MarkupElement(out, "cbc:TaxExemptionReasonCode", reason_code(tax));
		MarkupElement(out, "cbc:TaxExemptionReason", reason_text(tax));
	}
	tax_scheme(out, "VAT");
	close_tag(out, tag);
}

/* BG-20 and BG-21: what moves the base of a tax to where the tax is exact. */
static void
rounding_shifts(StringInfo out, const Document *doc)
{
	for (int i = 0; i < doc->ntaxes; i++)
	{
		const DocumentTax *tax = &doc->taxes[i];
		bool		charge = tax->shift[0] != '-';

		if (strspn(tax->shift, "-0.") == strlen(tax->shift))
			continue;
		open_tag(out, "cac:AllowanceCharge");
		MarkupElement(out, "cbc:ChargeIndicator", charge ? "true" : "false");
		MarkupElement(out, "cbc:AllowanceChargeReason", "Rounding");
		amount(out, doc, "cbc:Amount", charge ? tax->shift : tax->shift + 1);
		tax_category(out, "cac:TaxCategory", tax->category, tax->rate_pct, NULL);
		close_tag(out, "cac:AllowanceCharge");
	}
}

static void
totals(StringInfo out, const Document *doc)
{
	rounding_shifts(out, doc);
	open_tag(out, "cac:TaxTotal");
	amount(out, doc, "cbc:TaxAmount", doc->tax);
	for (int i = 0; i < doc->ntaxes; i++)
	{
		const DocumentTax *tax = &doc->taxes[i];

		open_tag(out, "cac:TaxSubtotal");
		amount(out, doc, "cbc:TaxableAmount", tax->base);
		amount(out, doc, "cbc:TaxAmount", tax->tax);
		tax_category(out, "cac:TaxCategory", tax->category, tax->rate_pct, tax);
		close_tag(out, "cac:TaxSubtotal");
	}
	close_tag(out, "cac:TaxTotal");
	if (doc->tax_currency != NULL)
	{
		open_tag(out, "cac:TaxTotal");
		attributed(out, "cbc:TaxAmount", "currencyID", doc->tax_currency, doc->tax_in_currency);
		close_tag(out, "cac:TaxTotal");
	}
	open_tag(out, "cac:LegalMonetaryTotal");
	amount(out, doc, "cbc:LineExtensionAmount", doc->subtotal);
	amount(out, doc, "cbc:TaxExclusiveAmount", doc->base_total);
	amount(out, doc, "cbc:TaxInclusiveAmount", doc->base_gross);
	amount(out, doc, "cbc:AllowanceTotalAmount", doc->allowances);
	amount(out, doc, "cbc:ChargeTotalAmount", doc->charges);
	amount(out, doc, "cbc:PayableRoundingAmount", doc->rounding);
	amount(out, doc, "cbc:PayableAmount", doc->total);
	close_tag(out, "cac:LegalMonetaryTotal");
}

static void
lines(StringInfo out, const Document *doc)
{
	const char *line_tag = doc->credit ? "cac:CreditNoteLine" : "cac:InvoiceLine";

	for (int i = 0; i < doc->nlines; i++)
	{
		const DocumentLine *line = &doc->lines[i];

		open_tag(out, line_tag);
		MarkupElement(out, "cbc:ID", line->line_no);
		attributed(out, doc->credit ? "cbc:CreditedQuantity" : "cbc:InvoicedQuantity", "unitCode",
				   unit_code(line->unit), line->net_quantity);
		amount(out, doc, "cbc:LineExtensionAmount", line->amount);
		period(out, line->service_start, line->service_end);
		open_tag(out, "cac:Item");
		MarkupElement(out, "cbc:Name",
					  line->description[strspn(line->description, " \t\r\n")] != '\0' ? line->description : "Service");
		tax_category(out, "cac:ClassifiedTaxCategory", line->category, line->rate_pct, NULL);
		close_tag(out, "cac:Item");
		open_tag(out, "cac:Price");
		amount(out, doc, "cbc:PriceAmount", line->net_price);
		close_tag(out, "cac:Price");
		close_tag(out, line_tag);
	}
}

/* BR-CL-08: "#AAA#" in a note would be a code of its subject. */
static char *
plain_note(char *note)
{
	for (char *at = note != NULL ? strchr(note, '#') : NULL; at != NULL; at = strchr(at, '#'))
		*at = ' ';
	return note;
}

static char *
build_ubl(const Document *doc)
{
	const char *root = doc->credit ? "CreditNote" : "Invoice";
	StringInfoData out;

	initStringInfo(&out);
	enlargeStringInfo(&out, 4096 + 640 * doc->nlines);
	appendStringInfo(&out, "<%s xmlns=\"" UBL "%s-2\" xmlns:cac=\"" UBL "CommonAggregateComponents-2\""
					 " xmlns:cbc=\"" UBL "CommonBasicComponents-2\">", root, root);
	MarkupElement(&out, "cbc:CustomizationID", "urn:cen.eu:en16931:2017");
	MarkupElement(&out, "cbc:ID", doc->number);
	MarkupElement(&out, "cbc:IssueDate", doc->issue_day);
	if (!doc->credit)
		MarkupElement(&out, "cbc:DueDate", doc->due_day);
	MarkupElement(&out, doc->credit ? "cbc:CreditNoteTypeCode" : "cbc:InvoiceTypeCode", doc->credit ? "381" : "380");
	MarkupElement(&out, "cbc:Note", plain_note(doc->reason));
	MarkupElement(&out, "cbc:DocumentCurrencyCode", doc->currency);
	MarkupElement(&out, "cbc:TaxCurrencyCode", doc->tax_currency);
	MarkupElement(&out, "cbc:BuyerReference", doc->recipient.buyer_reference);
	period(&out, doc->period_start, doc->period_end);
	if (doc->po_number != NULL)
	{
		open_tag(&out, "cac:OrderReference");
		MarkupElement(&out, "cbc:ID", doc->po_number);
		close_tag(&out, "cac:OrderReference");
	}
	if (doc->original_number != NULL)
	{
		open_tag(&out, "cac:BillingReference");
		open_tag(&out, "cac:InvoiceDocumentReference");
		MarkupElement(&out, "cbc:ID", doc->original_number);
		MarkupElement(&out, "cbc:IssueDate", doc->original_day);
		close_tag(&out, "cac:InvoiceDocumentReference");
		close_tag(&out, "cac:BillingReference");
	}
	parties(&out, doc);
	payment(&out, doc);
	totals(&out, doc);
	lines(&out, doc);
	close_tag(&out, root);
	return out.data;
}

/*
 * finops.invoice_ubl(invoice_id text) -> xml
 *
 * UBL 2.1 of an issued invoice or credit note, for EN 16931.  Errors: 22004,
 * 22023 for the id, P0002 unknown; 55000 not issued, or data is missing (the
 * hint is the call that sets it); 0A000 a currency with more than 2 decimals,
 * or tax that was rounded line by line too far from base x rate.
 */
Datum
finops_invoice_ubl(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	MemoryContext caller = CurrentMemoryContext;
	Document   *doc;
	text	   *result;
	char	   *xml;

	FinopsRequireArg(fcinfo, 0, "invoice_id");
	FinopsBegin(&session);
	FinopsRequireInvoiceTenant(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	doc = DocumentRead(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	check_document(doc);
	xml = build_ubl(doc);
	MemoryContextSwitchTo(caller);
	result = cstring_to_text(xml);
	MemoryContextSwitchTo(session.context);
	FinopsEnd(&session);
	PG_RETURN_TEXT_P(result);
}
