"""Check UBL documents against EN 16931: structure, order, totals and categories.

Reads documents separated by the record separator (0x1e) from standard input
and prints a line per failed rule, then "checked N documents, N failures".
The orders of elements are those of the UBL 2.1 schemas, for the elements that
EN 16931 uses; any other element is a failure, as are slack in totals, a line
that is not quantity x price and a tax that is not base x rate to half a cent.
"""
import re
import sys
import xml.etree.ElementTree as ET
from decimal import Decimal, ROUND_FLOOR
from datetime import date

UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
CAC = "{" + UBL + "CommonAggregateComponents-2}"
CBC = "{" + UBL + "CommonBasicComponents-2}"

PARTY_ORDER = "EndpointID PartyIdentification* PartyName PostalAddress PartyTaxScheme* PartyLegalEntity Contact"
TAX_ORDER = "ID! Percent TaxExemptionReasonCode TaxExemptionReason TaxScheme!"
LINE_ORDER = "ID! Note InvoicedQuantity CreditedQuantity LineExtensionAmount! InvoicePeriod OrderLineReference AllowanceCharge* Item! Price!"
COMMON_TAIL = "PaymentTerms AllowanceCharge* TaxTotal* LegalMonetaryTotal! InvoiceLine* CreditNoteLine*"
ORDER = {
    "Invoice": "CustomizationID! ProfileID ID! IssueDate! DueDate InvoiceTypeCode! Note TaxPointDate DocumentCurrencyCode! TaxCurrencyCode AccountingCost BuyerReference"
               " InvoicePeriod OrderReference BillingReference* ContractDocumentReference ProjectReference AccountingSupplierParty! AccountingCustomerParty! PayeeParty"
               " TaxRepresentativeParty Delivery PaymentMeans* " + COMMON_TAIL,
    "CreditNote": "CustomizationID! ProfileID ID! IssueDate! TaxPointDate CreditNoteTypeCode! Note DocumentCurrencyCode! TaxCurrencyCode AccountingCost BuyerReference"
                  " InvoicePeriod OrderReference BillingReference* ContractDocumentReference AccountingSupplierParty! AccountingCustomerParty! PayeeParty"
                  " TaxRepresentativeParty Delivery PaymentMeans* " + COMMON_TAIL,
    "InvoicePeriod": "StartDate EndDate DescriptionCode",
    "OrderReference": "ID! SalesOrderID",
    "BillingReference": "InvoiceDocumentReference!",
    "InvoiceDocumentReference": "ID! IssueDate",
    "AccountingSupplierParty": "Party!", "AccountingCustomerParty": "Party!",
    "Party": PARTY_ORDER,
    "PartyIdentification": "ID!", "PartyName": "Name!",
    "PostalAddress": "StreetName AdditionalStreetName CityName PostalZone CountrySubentity AddressLine Country!",
    "Address": "StreetName AdditionalStreetName CityName PostalZone CountrySubentity AddressLine Country!",
    "AddressLine": "Line!", "Country": "IdentificationCode!",
    "PartyTaxScheme": "CompanyID! TaxScheme!", "TaxScheme": "ID!",
    "PartyLegalEntity": "RegistrationName! CompanyID CompanyLegalForm",
    "Contact": "Name Telephone ElectronicMail",
    "Delivery": "ActualDeliveryDate DeliveryLocation DeliveryParty", "DeliveryLocation": "ID Address",
    "PaymentMeans": "PaymentMeansCode! PaymentID CardAccount PayeeFinancialAccount PaymentMandate",
    "PayeeFinancialAccount": "ID! Name FinancialInstitutionBranch", "FinancialInstitutionBranch": "ID!",
    "PaymentTerms": "Note!",
    "AllowanceCharge": "ChargeIndicator! AllowanceChargeReasonCode AllowanceChargeReason MultiplierFactorNumeric Amount! BaseAmount TaxCategory!",
    "TaxCategory": TAX_ORDER, "ClassifiedTaxCategory": "ID! Percent TaxScheme!",
    "TaxTotal": "TaxAmount! TaxSubtotal*", "TaxSubtotal": "TaxableAmount! TaxAmount! TaxCategory!",
    "LegalMonetaryTotal": "LineExtensionAmount! TaxExclusiveAmount! TaxInclusiveAmount! AllowanceTotalAmount ChargeTotalAmount PrepaidAmount PayableRoundingAmount PayableAmount!",
    "InvoiceLine": LINE_ORDER, "CreditNoteLine": LINE_ORDER,
    "Item": "Description Name! SellersItemIdentification ClassifiedTaxCategory! AdditionalItemProperty*",
    "Price": "PriceAmount! BaseQuantity AllowanceCharge",
}
COUNTRIES = set(
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ"
    " DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP"
    " KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM"
    " PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ"
    " UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW".split())
# territories without a VAT prefix of their own in every version of the rules
PREFIXES = (COUNTRIES | {"EL", "XI"}) - {"BQ", "CW", "RE", "SX"}
CURRENCIES = set(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD"
    " EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL"
    " MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN"
    " SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG".split())
# electronic addresses: what the list of 2020 and that of today have both, and national schemes since
ADDRESSES = set(
    "0002 0007 0009 0037 0060 0088 0096 0097 0106 0130 0135 0142 0147 0151 0154 0158 0170 0177 0183 0184 0188 0190 0191 0192 0193 0194 0195 0196 0198 0199 0200 0201 0202 0203 0204"
    " 0205 0208 0209 0210 0211 0212 0213 0215 0216 0217 0218 0221 0225 0230 0235 9901 9910 9913 9914 9915 9918 9919 9920 9957 9959 AN AQ AS AU EM".split()) | {str(n) for n in range(9922, 9954)}
EXEMPTIONS = {"VATEX-EU-" + code for code in (
    "79-C 132 132-1A 132-1B 132-1C 132-1D 132-1E 132-1F 132-1G 132-1H 132-1I 132-1J 132-1K 132-1L 132-1M 132-1N 132-1O 132-1P 132-1Q 143 143-1A 143-1B 143-1C 143-1D 143-1E 143-1F"
    " 143-1FA 143-1G 143-1H 143-1I 143-1J 143-1K 143-1L 144 146-1E 148 148-A 148-B 148-C 148-D 148-E 148-F 148-G 151 151-1A 151-1AA 151-1B 151-1C 151-1D 151-1E 159 309"
    " AE D F G I IC J O").split()}
UNITS = set("C62 MON DAY HUR MIN SEC WEE ANN AD 2P 4L E34 E35 E36 E61 E62 E63 E64 KWH MWH P1".split())
REASONS = {"AE": "VATEX-EU-AE", "K": "VATEX-EU-IC", "G": "VATEX-EU-G", "O": "VATEX-EU-O"}
# half a minor unit, where it is not half a cent
HALVES = {"JPY": Decimal("0.5"), "KRW": Decimal("0.5")}


def half_up(value):
    """As XPath rounds: halves towards positive infinity."""
    return (value + Decimal("0.5")).to_integral_value(ROUND_FLOOR)


def local(element):
    return element.tag.rsplit("}", 1)[1]


class Check:
    def __init__(self, root):
        self.root = root
        self.failures = []
        self.half = HALVES.get(root.findtext(CBC + "DocumentCurrencyCode"), Decimal("0.005"))
        self.credit = local(root) == "CreditNote"
        self.id = root.findtext(CBC + "ID") or "?"

    def ok(self, rule, good, detail=""):
        if not good:
            self.failures.append("%s: %s %s" % (self.id, rule, detail))

    def one(self, path, base=None):
        found = self.all(path, base)
        return found[0] if found else None

    def all(self, path, base=None):
        path = "/".join((CAC if step[0].isupper() and step in AGGREGATES else CBC) + step for step in path.split("/"))
        return (self.root if base is None else base).findall(path)

    def text(self, path, base=None):
        found = self.one(path, base)
        return None if found is None else (found.text or "").strip()

    def number(self, path, base=None):
        found = self.text(path, base)
        return Decimal(found) if found else None

    def structure(self, element):
        name = local(element)
        rules = [(rule.rstrip("!*"), rule[-1]) for rule in ORDER.get(name, "").split()]
        places = {rule[0]: place for place, rule in enumerate(rules)}
        last = -1
        counts = {}
        for child in element:
            child_name = local(child)
            self.ok("order", child_name in places and places[child_name] >= last, "%s in %s" % (child_name, name))
            self.ok("namespace", child.tag.startswith(CAC if child_name in AGGREGATES else CBC), child_name)
            last = max(last, places.get(child_name, last))
            counts[child_name] = counts.get(child_name, 0) + 1
            if len(child):
                self.structure(child)
            else:
                self.ok("empty element", (child.text or "").strip() != "", child_name)
            for attribute in child.attrib:
                self.ok("attribute", attribute in ("currencyID", "unitCode", "schemeID"), attribute)
        for rule, mark in rules:
            self.ok("missing", mark != "!" or counts.get(rule), "%s in %s" % (rule, name))
            self.ok("repeated", mark == "*" or counts.get(rule, 0) <= 1, "%s in %s" % (rule, name))

    def header(self):
        currency = self.text("DocumentCurrencyCode")
        self.ok("BR-01", self.text("CustomizationID") == "urn:cen.eu:en16931:2017")
        self.ok("BR-04", self.text("CreditNoteTypeCode" if self.credit else "InvoiceTypeCode") == ("381" if self.credit else "380"))
        self.ok("BR-05", currency in CURRENCIES, currency)
        self.ok("BR-02", self.text("ID"))
        self.ok("BR-03", self.text("IssueDate"))
        accounting = self.text("TaxCurrencyCode")
        self.ok("BR-CL-05", accounting is None or (accounting in CURRENCIES and accounting != currency), str(accounting))
        for element in self.root.iter():
            if "currencyID" in element.attrib:
                allowed = (currency, accounting) if local(element) == "TaxAmount" else (currency,)
                self.ok("currency", element.attrib["currencyID"] in allowed, local(element))
                if local(element) != "PriceAmount":
                    self.ok("BR-DEC", re.fullmatch(r"-?\d+(\.\d{1,2})?", element.text), element.text)
                else:
                    self.ok("price", re.fullmatch(r"\d+(\.\d+)?", element.text), element.text)
            if local(element) in ("StartDate", "EndDate", "IssueDate", "DueDate", "ActualDeliveryDate"):
                date.fromisoformat(element.text)
            if local(element) == "IdentificationCode":
                self.ok("BR-CL-14", element.text in COUNTRIES, element.text)
            if local(element) in ("InvoicedQuantity", "CreditedQuantity"):
                self.ok("BR-23", "unitCode" in element.attrib)
            if local(element).endswith("Amount"):
                self.ok("BR-CL-03", "currencyID" in element.attrib, local(element))
            if local(element) == "EndpointID":
                self.ok("BR-CL-25", element.attrib.get("schemeID") in ADDRESSES, str(element.attrib))
            if "unitCode" in element.attrib:
                self.ok("BR-CL-23", element.attrib["unitCode"] in UNITS, element.attrib["unitCode"])
        for period in self.root.iter(CAC + "InvoicePeriod"):
            start, end = self.text("StartDate", period), self.text("EndDate", period)
            self.ok("BR-CO-19", start or end)
            self.ok("BR-29", not start or not end or start <= end, "%s..%s" % (start, end))
        payable = self.number("LegalMonetaryTotal/PayableAmount")
        self.ok("BR-CO-25", payable <= 0 or self.text("DueDate") or self.text("PaymentTerms/Note"))
        if self.credit:
            self.ok("BR-55", self.text("BillingReference/InvoiceDocumentReference/ID"))
        code = self.text("PaymentMeans/PaymentMeansCode")
        self.ok("BR-CL-16", code in (None, "30", "58"), str(code))
        self.ok("UBL-SR-44", len(self.all("PaymentMeans")) <= 1)
        self.ok("UBL-SR-24", len(self.all("Delivery")) <= 1)
        self.ok("BR-61", code not in ("30", "58") or self.text("PaymentMeans/PayeeFinancialAccount/ID"))
        note = self.text("Note") or ""
        self.ok("BR-CL-08", not re.match(r"[^#]*#[^#]{3}#", note), note)

    def parties(self, categories):
        seller = self.one("AccountingSupplierParty/Party")
        buyer = self.one("AccountingCustomerParty/Party")

        def schemes(party, vat):
            return [self.text("CompanyID", s) for s in self.all("PartyTaxScheme", party) if (self.text("TaxScheme/ID", s) == "VAT") == vat]
        for party in (seller, buyer):
            self.ok("BR-06/07", self.text("PartyLegalEntity/RegistrationName", party))
            self.ok("BR-09/11", self.text("PostalAddress/Country/IdentificationCode", party))
            for vat in schemes(party, True):
                self.ok("BR-CO-09", vat[:2] in PREFIXES, vat)
            self.ok("UBL-SR-12/18", len(schemes(party, True)) <= 1 and len(schemes(party, False)) <= 1)
        self.ok("BR-CO-26", schemes(seller, True) or self.text("PartyIdentification/ID", seller) or self.text("PartyLegalEntity/CompanyID", seller))
        any_seller = schemes(seller, True) or schemes(seller, False)
        buyer_id = schemes(buyer, True) or self.text("PartyLegalEntity/CompanyID", buyer)
        for category in categories:
            if category in "SZE":
                self.ok("BR-%s-02" % category, any_seller)
            if category in ("K", "G"):
                self.ok("BR-%s-02" % category, schemes(seller, True))
            if category == "AE":
                self.ok("BR-AE-02", any_seller and buyer_id)
            if category == "K":
                self.ok("BR-IC-02", schemes(buyer, True))
                self.ok("BR-IC-11", self.text("Delivery/ActualDeliveryDate") or self.text("InvoicePeriod/StartDate"))
                self.ok("BR-IC-12", self.text("Delivery/DeliveryLocation/Address/Country/IdentificationCode"))
            if category == "O":
                self.ok("BR-O-02", not schemes(seller, True) and not schemes(buyer, True))
                self.ok("BR-O-11..14", categories == {"O"}, str(categories))

    def lines(self):
        """Sums of the nets by category and rate."""
        sums = {}
        names = set()
        for line in self.all("CreditNoteLine" if self.credit else "InvoiceLine"):
            net = self.number("LineExtensionAmount", line)
            quantity = self.number("CreditedQuantity" if self.credit else "InvoicedQuantity", line)
            price = self.number("Price/PriceAmount", line)
            base = self.number("Price/BaseQuantity", line) or 1
            name = self.text("ID", line)
            self.ok("line", abs(quantity * price / base - net) <= self.half, "%s: %s x %s is not %s" % (name, quantity, price, net))
            self.ok("BR-27", price >= 0)
            self.ok("line id", name not in names, name)
            names.add(name)
            category = self.one("Item/ClassifiedTaxCategory", line)
            sums[self.key(category)] = sums.get(self.key(category), Decimal(0)) + net
        self.ok("BR-16", names)
        self.line_total = sum(sums.values())
        return sums

    def key(self, category):
        code, percent = self.text("ID", category), self.number("Percent", category)
        self.ok("BR-48", (percent is None) == (code == "O"), code)
        self.ok("VAT", self.text("TaxScheme/ID", category) == "VAT")
        self.ok("BR-CL-17/18", code in ("S", "Z", "E", "AE", "K", "G", "O"), str(code))
        # BR-S-05 to 07, BR-Z-05 to 07 and so on
        self.ok("rate of " + code, code == "O" or (percent > 0) == (code == "S"), str(percent))
        return code, percent

    def totals(self, sums):
        total = self.one("LegalMonetaryTotal")
        shifts = {"true": Decimal(0), "false": Decimal(0)}
        for shift in self.all("AllowanceCharge"):
            sign = self.text("ChargeIndicator", shift)
            value = self.number("Amount", shift)
            self.ok("BR-33", self.text("AllowanceChargeReason", shift) or self.text("AllowanceChargeReasonCode", shift))
            self.ok("allowance", value > 0)
            shifts[sign] += value
            key = self.key(self.one("TaxCategory", shift))
            sums[key] = sums.get(key, Decimal(0)) + (value if sign == "true" else -value)
        taxes = Decimal(0)
        seen = set()
        for row in self.all("TaxTotal/TaxSubtotal"):
            category = self.one("TaxCategory", row)
            key = self.key(category)
            base, tax = self.number("TaxableAmount", row), self.number("TaxAmount", row)
            self.ok("BR-S-08", base == sums.pop(key, None), "%s %s" % (key, base))
            rate = key[1] or Decimal(0)
            if not half_up(rate):
                self.ok("BR-CO-17", half_up(tax) == 0, "%s of %s %%" % (tax, rate))
            else:
                # as the rules of the artefact have it, with their slack
                self.ok("BR-S-09", abs(abs(tax) - half_up(abs(base) * rate) / 100) < 1, "%s %s" % (base, tax))
            self.ok("BR-CO-17", abs(tax - base * (key[1] or 0) / 100) <= self.half, "%s x %s %% is not %s" % (base, key[1], tax))
            reason = self.text("TaxExemptionReason", category)
            code = self.text("TaxExemptionReasonCode", category)
            self.ok("BR-%s-10" % key[0], bool(reason or code) == (key[0] not in ("S", "Z")), str(reason))
            self.ok("BR-CL-22", code is None or (code in EXEMPTIONS and code == REASONS.get(key[0], code)), str(code))
            self.ok("BR-%s-09" % key[0], key[0] == "S" or tax == 0, str(tax))
            self.ok("one row", key not in seen and (key[0] == "S" or key[0] not in {k[0] for k in seen}), str(key))
            seen.add(key)
            taxes += tax
        self.ok("BR-CO-18", bool(seen), "no VAT breakdown")
        self.ok("BR-*-01", not sums, str(sums))
        accounting = self.text("TaxCurrencyCode")
        tax_totals = [(self.one("TaxAmount", t).attrib["currencyID"], len(self.all("TaxSubtotal", t)) > 0) for t in self.all("TaxTotal")]
        self.ok("BR-53", tax_totals == [(self.text("DocumentCurrencyCode"), True)] + ([(accounting, False)] if accounting else []), str(tax_totals))
        self.ok("BR-CO-10", self.number("LineExtensionAmount", total) == self.line_total)
        self.ok("BR-CO-11", (self.number("AllowanceTotalAmount", total) or 0) == shifts["false"])
        self.ok("BR-CO-12", (self.number("ChargeTotalAmount", total) or 0) == shifts["true"])
        net = self.number("TaxExclusiveAmount", total)
        self.ok("BR-CO-13", net == self.line_total - shifts["false"] + shifts["true"])
        self.ok("BR-CO-14", self.number("TaxTotal/TaxAmount") == taxes)
        gross = self.number("TaxInclusiveAmount", total)
        self.ok("BR-CO-15", gross == net + taxes)
        self.ok("BR-CO-16", self.number("PayableAmount", total) == gross - (self.number("PrepaidAmount", total) or 0) + (self.number("PayableRoundingAmount", total) or 0))

    def run(self):
        self.structure(self.root)
        self.header()
        sums = self.lines()
        shifted = {self.text("TaxCategory/ID", a) for a in self.all("AllowanceCharge")}
        self.parties({key[0] for key in sums} | shifted)
        self.totals(sums)
        return self.failures


AGGREGATES = set(ORDER) - {"Invoice", "CreditNote"}


def main():
    documents = [d for d in sys.stdin.buffer.read().decode("utf-8").split("\x1e") if d.strip()]
    failures = []
    for document in documents:
        failures += Check(ET.fromstring(document)).run()
    for failure in failures[:40]:
        print(failure)
    print("checked %d documents, %d failures" % (len(documents), len(failures)))


main()
