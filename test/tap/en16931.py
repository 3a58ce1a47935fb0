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
from decimal import Decimal
from datetime import date

UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
CAC = "{" + UBL + "CommonAggregateComponents-2}"
CBC = "{" + UBL + "CommonBasicComponents-2}"

PARTY_ORDER = "EndpointID PartyIdentification* PartyName PostalAddress PartyTaxScheme* PartyLegalEntity Contact"
TAX_ORDER = "ID! Percent TaxExemptionReasonCode TaxExemptionReason TaxScheme!"
LINE_ORDER = "ID! Note InvoicedQuantity CreditedQuantity LineExtensionAmount! InvoicePeriod OrderLineReference AllowanceCharge* Item! Price!"
COMMON_TAIL = "PaymentTerms AllowanceCharge* TaxTotal! LegalMonetaryTotal! InvoiceLine* CreditNoteLine*"
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
COUNTRIES = set("AD AE AT AU BE BG BR CA CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IN IS IT JP LI LT LU LV MT NL NO PL PT RO SE SI SK US".split())
UNITS = set("C62 MON DAY HUR MIN SEC WEE ANN AD 2P 4L E34 E35 E36 E61 E62 E63 E64 KWH MWH P1".split())
REASONS = {"AE": "VATEX-EU-AE", "K": "VATEX-EU-IC", "G": "VATEX-EU-G", "O": "VATEX-EU-O"}
# half a minor unit, where it is not half a cent
HALVES = {"JPY": Decimal("0.5"), "KRW": Decimal("0.5")}


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
        self.ok("BR-05", re.fullmatch("[A-Z]{3}", currency or ""))
        for element in self.root.iter():
            if "currencyID" in element.attrib:
                self.ok("currency", element.attrib["currencyID"] == currency, local(element))
                if local(element) != "PriceAmount":
                    self.ok("BR-DEC", re.fullmatch(r"-?\d+(\.\d{1,2})?", element.text), element.text)
                else:
                    self.ok("price", re.fullmatch(r"\d+(\.\d+)?", element.text), element.text)
            if local(element) in ("StartDate", "EndDate", "IssueDate", "DueDate", "ActualDeliveryDate"):
                date.fromisoformat(element.text)
            if local(element) == "IdentificationCode":
                self.ok("BR-CL-14", element.text in COUNTRIES, element.text)
            if "unitCode" in element.attrib:
                self.ok("BR-CL-23", element.attrib["unitCode"] in UNITS, element.attrib["unitCode"])
        for period in self.root.iter(CAC + "InvoicePeriod"):
            start, end = self.text("StartDate", period), self.text("EndDate", period)
            self.ok("BR-29", start <= end, start + ".." + end)
        payable = self.number("LegalMonetaryTotal/PayableAmount")
        self.ok("BR-CO-25", payable <= 0 or self.credit or self.text("DueDate") or self.text("PaymentTerms/Note"))
        if self.credit:
            self.ok("BR-55", self.text("BillingReference/InvoiceDocumentReference/ID"))
        code = self.text("PaymentMeans/PaymentMeansCode")
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
                self.ok("BR-CO-09", vat[:2] in COUNTRIES or vat[:2] in ("EL", "XI"), vat)
            endpoint = self.one("EndpointID", party)
            self.ok("BR-62/63", endpoint is None or endpoint.attrib.get("schemeID"))
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
                self.ok("BR-O-11", categories == {"O"})

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
            self.ok("BR-CO-17", abs(tax - base * (key[1] or 0) / 100) <= self.half, "%s x %s %% is not %s" % (base, key[1], tax))
            reason = self.text("TaxExemptionReason", category)
            code = self.text("TaxExemptionReasonCode", category)
            self.ok("BR-%s-10" % key[0], bool(reason or code) == (key[0] not in ("S", "Z")), str(reason))
            self.ok("BR-CL-22", code is None or code == REASONS.get(key[0], code), str(code))
            self.ok("one row", key not in seen and (key[0] == "S" or key[0] not in {k[0] for k in seen}), str(key))
            seen.add(key)
            taxes += tax
        self.ok("BR-CO-18", seen and not sums, str(sums))
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
        self.parties({key[0] for key in sums})
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
