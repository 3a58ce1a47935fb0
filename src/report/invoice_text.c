/*-------------------------------------------------------------------------
 *
 * invoice_text.c
 *	  The fixed texts of documents in English, German, French and Spanish.
 *
 *-------------------------------------------------------------------------
 */
#include "report/invoice_text.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#define NNBSP "\xE2\x80\xAF"	/* narrow no-break space */

/* Signs that a database which is not UTF-8 may not have. */
#define SIGN(utf8, ascii)	(GetDatabaseEncoding() == PG_UTF8 ? (utf8) : (ascii))
#define NBSP	SIGN("\xC2\xA0", " ")
#define MINUS	SIGN("\xE2\x88\x92", "-")
#define DASH	SIGN("\xE2\x80\x93", "-")

static const char *const category_codes[] = {"Z", "E", "AE", "K", "G", "O"};
static const char *const unit_names[] = {"month", "day", "hour", "seat"};

/* clang-format off */
static const InvoiceText texts[] = {
	{
		.language = "en", .decimal_point = ".", .group = ",",
		.months = {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
		.invoice = "Invoice", .credit_note = "Credit note", .draft = "Draft, not issued", .is_void = "Void",
		.bill_to = "Bill to", .invoice_date = "Invoice date", .credit_date = "Date", .due_date = "Due date", .period = "Service period",
		.credited_invoice = "Credits invoice", .of_date = "Invoice dated", .po_number = "Purchase order", .buyer_reference = "Your reference",
		.customer = "Customer", .vat_id = "VAT ID", .description = "Description", .quantity = "Quantity", .unit_price = "Unit price",
		.tax = "VAT", .amount = "Amount", .amount_gross = "Incl. VAT", .tax_table = "Tax summary", .net = "Net", .gross = "Total",
		.subtotal = "Subtotal, net of VAT", .total_due = "Total due", .credited = "Total credited", .reason = "Reason",
		.payment = "Payment", .terms = "Please pay by %s and quote the invoice number.",
		.credit_terms = "This amount is credited to your account.",
		.account_holder = "Account holder", .bank = "Bank", .account = "Account", .payment_reference = "Reference",
		.units = {{"month", "months"}, {"day", "days"}, {"hour", "hours"}, {"seat", "seats"}},
		.categories = {"Zero rate", "Exempt", "Reverse charge", "Intra-Community supply", "Export", "Not subject to VAT"},
		.category_notes = {"Zero rate", "Exempt from tax.", "Reverse charge: VAT is payable by the recipient.",
			"VAT-exempt intra-Community supply.", "VAT-exempt export outside the EU.", "Outside the scope of VAT."}
	},
	{
		.language = "de", .decimal_point = ",", .group = ".",
		.months = {"Januar", "Februar", "M\xC3\xA4rz", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"},
		.invoice = "Rechnung", .credit_note = "Gutschrift", .draft = "Entwurf, nicht ausgestellt", .is_void = "Storniert",
		.bill_to = "Rechnung an", .invoice_date = "Rechnungsdatum", .credit_date = "Datum", .due_date = "F\xC3\xA4llig am", .period = "Leistungszeitraum",
		.credited_invoice = "Zu Rechnung", .of_date = "Rechnung vom", .po_number = "Bestellnummer", .buyer_reference = "Ihre Referenz",
		.customer = "Kunde", .vat_id = "USt-IdNr.", .description = "Beschreibung", .quantity = "Menge", .unit_price = "Einzelpreis",
		.tax = "USt.", .amount = "Betrag", .amount_gross = "Brutto", .tax_table = "Steuern", .net = "Netto", .gross = "Brutto",
		.subtotal = "Zwischensumme, netto", .total_due = "Gesamtbetrag", .credited = "Gutgeschrieben", .reason = "Grund",
		.payment = "Zahlung", .terms = "Bitte zahlen Sie bis zum %s und geben Sie die Rechnungsnummer an.",
		.credit_terms = "Dieser Betrag wird Ihrem Konto gutgeschrieben.",
		.account_holder = "Kontoinhaber", .bank = "Bank", .account = "Konto", .payment_reference = "Verwendungszweck",
		.units = {{"Monat", "Monate"}, {"Tag", "Tage"}, {"Stunde", "Stunden"}, {"Platz", "Pl\xC3\xA4tze"}},
		.categories = {"Nullsatz", "Steuerfrei", "Reverse Charge", "Innergemeinschaftliche Lieferung", "Ausfuhr", "Nicht steuerbar"},
		.category_notes = {"Nullsatz", "Steuerfrei.", "Steuerschuldnerschaft des Leistungsempf\xC3\xA4ngers (Reverse Charge).",
			"Steuerfreie innergemeinschaftliche Lieferung.", "Steuerfreie Ausfuhrlieferung.", "Nicht steuerbar."}
	},
	{
		.language = "fr", .decimal_point = ",", .group = NNBSP,
		.months = {"janvier", "f\xC3\xA9vrier", "mars", "avril", "mai", "juin", "juillet", "ao\xC3\xBBt", "septembre", "octobre", "novembre", "d\xC3\xA9" "cembre"},
		.invoice = "Facture", .credit_note = "Avoir", .draft = "Brouillon, non \xC3\xA9mis", .is_void = "Annul\xC3\xA9",
		.bill_to = "Factur\xC3\xA9 \xC3\xA0", .invoice_date = "Date de facture", .credit_date = "Date", .due_date = "\xC3\x89" "ch\xC3\xA9" "ance", .period = "P\xC3\xA9riode de service",
		.credited_invoice = "Avoir sur facture", .of_date = "Facture du", .po_number = "Bon de commande", .buyer_reference = "Votre r\xC3\xA9" "f\xC3\xA9rence",
		.customer = "Client", .vat_id = "N\xC2\xB0 TVA", .description = "D\xC3\xA9signation", .quantity = "Quantit\xC3\xA9", .unit_price = "Prix unitaire",
		.tax = "TVA", .amount = "Montant", .amount_gross = "TTC", .tax_table = "Taxes", .net = "HT", .gross = "TTC",
		.subtotal = "Sous-total HT", .total_due = "Total \xC3\xA0 payer", .credited = "Total de l\xE2\x80\x99" "avoir", .reason = "Motif",
		.payment = "Paiement", .terms = "Merci de payer avant le %s en rappelant le num\xC3\xA9ro de facture.",
		.credit_terms = "Ce montant est port\xC3\xA9 au cr\xC3\xA9" "dit de votre compte.",
		.account_holder = "Titulaire", .bank = "Banque", .account = "Compte", .payment_reference = "R\xC3\xA9" "f\xC3\xA9rence",
		.units = {{"mois", "mois"}, {"jour", "jours"}, {"heure", "heures"}, {"poste", "postes"}},
		.categories = {"Taux z\xC3\xA9ro", "Exon\xC3\xA9r\xC3\xA9", "Autoliquidation", "Livraison intracommunautaire", "Exportation", "Hors champ"},
		.category_notes = {"Taux z\xC3\xA9ro", "Exon\xC3\xA9r\xC3\xA9 de TVA.", "Autoliquidation : la TVA est due par le preneur.",
			"Livraison intracommunautaire exon\xC3\xA9r\xC3\xA9" "e.", "Exportation exon\xC3\xA9r\xC3\xA9" "e.", "Hors du champ de la TVA."}
	},
	{
		.language = "es", .decimal_point = ",", .group = ".",
		.months = {"enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"},
		.invoice = "Factura", .credit_note = "Factura rectificativa", .draft = "Borrador, no emitida", .is_void = "Anulada",
		.bill_to = "Facturar a", .invoice_date = "Fecha de factura", .credit_date = "Fecha", .due_date = "Vencimiento", .period = "Per\xC3\xADodo de servicio",
		.credited_invoice = "Rectifica la factura", .of_date = "Factura de", .po_number = "Pedido", .buyer_reference = "Su referencia",
		.customer = "Cliente", .vat_id = "NIF-IVA", .description = "Descripci\xC3\xB3n", .quantity = "Cantidad", .unit_price = "Precio unitario",
		.tax = "IVA", .amount = "Importe", .amount_gross = "Con IVA", .tax_table = "Impuestos", .net = "Base", .gross = "Total",
		.subtotal = "Base imponible", .total_due = "Total a pagar", .credited = "Total abonado", .reason = "Motivo",
		.payment = "Pago", .terms = "Pague antes del %s e indique el n\xC3\xBAmero de factura.",
		.credit_terms = "Este importe se abona en su cuenta.",
		.account_holder = "Titular", .bank = "Banco", .account = "Cuenta", .payment_reference = "Referencia",
		.units = {{"mes", "meses"}, {"d\xC3\xAD" "a", "d\xC3\xAD" "as"}, {"hora", "horas"}, {"puesto", "puestos"}},
		.categories = {"Tipo cero", "Exento", "Inversi\xC3\xB3n del sujeto pasivo", "Entrega intracomunitaria", "Exportaci\xC3\xB3n", "No sujeto"},
		.category_notes = {"Tipo cero", "Exento de IVA.", "Inversi\xC3\xB3n del sujeto pasivo.",
			"Entrega intracomunitaria exenta.", "Exportaci\xC3\xB3n exenta.", "No sujeto a IVA."}
	}
};

/* clang-format on */

/* "de-CH" is German.  English needs no more than ASCII. */
const InvoiceText *
InvoiceTextOf(const char *language)
{
	for (size_t i = 1; language != NULL && GetDatabaseEncoding() == PG_UTF8 && i < lengthof(texts); i++)
	{
		size_t		length = strlen(texts[i].language);

		if (strncmp(language, texts[i].language, length) == 0 &&
			(language[length] == '\0' || language[length] == '-'))
			return &texts[i];
	}
	return &texts[0];
}

static int
category_index(const char *category)
{
	for (int i = 0; i < (int) lengthof(category_codes); i++)
		if (strcmp(category, category_codes[i]) == 0)
			return i;
	return 0;
}

const char *
InvoiceTextCategory(const InvoiceText *text, const char *category)
{
	return text->categories[category_index(category)];
}

const char *
InvoiceTextCategoryNote(const InvoiceText *text, const char *category)
{
	return text->category_notes[category_index(category)];
}

char *
InvoiceTextDate(const InvoiceText *text, const char *day)
{
	int			year,
				month,
				of_month;

	if (day == NULL)
		return NULL;
	if (sscanf(day, "%d-%d-%d", &year, &month, &of_month) != 3 || month < 1 || month > 12)
		return pstrdup(day);
	return psprintf("%d%s%s%s%s%d", of_month, strcmp(text->language, "de") == 0 ? "." : "",
					NBSP, text->months[month - 1], NBSP, year);
}

/* A whole month is named, "February 2024"; other days run from first to last. */
char *
InvoiceTextPeriod(const InvoiceText *text, const char *first, const char *last)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int			y1,
				m1,
				d1,
				y2,
				m2,
				d2;

	if (first == NULL || last == NULL || sscanf(first, "%d-%d-%d", &y1, &m1, &d1) != 3 ||
		sscanf(last, "%d-%d-%d", &y2, &m2, &d2) != 3 || m1 < 1 || m1 > 12)
		return NULL;
	if (y1 == y2 && m1 == m2 && d1 == 1 &&
		d2 == days[m1 - 1] + (m1 == 2 && y1 % 4 == 0 && (y1 % 100 != 0 || y1 % 400 == 0)))
		return psprintf("%s%s%d", text->months[m1 - 1], NBSP, y1);
	return psprintf("%s %s %s", InvoiceTextDate(text, first), DASH, InvoiceTextDate(text, last));
}

char *
InvoiceTextTerms(const InvoiceText *text, const char *day)
{
	const char *at = strstr(text->terms, "%s");

	return psprintf("%.*s%s%s", (int) (at - text->terms), text->terms, InvoiceTextDate(text, day), at + 2);
}

char *
InvoiceTextNumber(const InvoiceText *text, const char *decimal, int digits)
{
	const char *point = strchr(decimal, '.');
	const char *whole = decimal + (*decimal == '-');
	int			length = (int) (point != NULL ? point - whole : (long) strlen(whole));
	int			decimals = point != NULL ? (int) strlen(point + 1) : 0;
	StringInfoData out;

	initStringInfo(&out);
	if (*decimal == '-')
		appendStringInfoString(&out, MINUS);
	for (int i = 0; i < length; i++)
	{
		if (i > 0 && (length - i) % 3 == 0)
			appendStringInfoString(&out, text->group);
		appendStringInfoChar(&out, whole[i]);
	}
	if (decimals > 0 || digits > 0)
		appendStringInfoString(&out, text->decimal_point);
	if (decimals > 0)
		appendStringInfoString(&out, point + 1);
	for (; decimals < digits; decimals++)
		appendStringInfoChar(&out, '0');
	return out.data;
}

const char *
InvoiceTextUnit(const InvoiceText *text, const char *unit, const char *quantity)
{
	bool		one = strcmp(quantity, "1") == 0 || strcmp(quantity, "-1") == 0;

	for (size_t i = 0; i < lengthof(unit_names); i++)
		if (strcmp(unit, unit_names[i]) == 0)
			return text->units[i][one ? 0 : 1];
	return unit;
}
