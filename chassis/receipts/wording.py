"""The words of receipts, by language."""

from collections.abc import Mapping

from contracts.order_receipts import ReceiptKind

FALLBACK = "en"

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Receipts",
        ReceiptKind.PAYMENT: "Payment receipt",
        ReceiptKind.REFUND: "Refund receipt",
        ReceiptKind.REFUND_FAILED: "Correction: a refund failed",
        "number": "Receipt no.",
        "issued": "Issued",
        "order": "Order",
        "reservation": "Reservation",
        "vat_id": "VAT ID",
        "online": "online",
        "outside": "at the hotel",
        "way": "Paid or refunded",
        "refund_id": "Refund",
        "item": "Item",
        "day": "Day",
        "amount": "Amount",
        "rate": "VAT rate",
        "net": "Net",
        "tax": "VAT",
        "gross": "Gross",
        "total": "Total",
        "not_stated": "not stated",
        "beyond": "Beyond the items of the order",
        "sums": "All receipts of this order",
        "paid": "Paid",
        "refunded": "Refunded",
        "kept": "Balance",
        "note": "A receipt of payment, not an invoice.",
    },
    "de": {
        "title": "Belege",
        ReceiptKind.PAYMENT: "Zahlungsbeleg",
        ReceiptKind.REFUND: "Erstattungsbeleg",
        ReceiptKind.REFUND_FAILED: "Korrektur: eine Erstattung ist fehlgeschlagen",
        "number": "Beleg Nr.",
        "issued": "Ausgestellt",
        "order": "Bestellung",
        "reservation": "Reservierung",
        "vat_id": "USt-IdNr.",
        "online": "online",
        "outside": "im Hotel",
        "way": "Bezahlt oder erstattet",
        "refund_id": "Erstattung",
        "item": "Leistung",
        "day": "Tag",
        "amount": "Betrag",
        "rate": "USt-Satz",
        "net": "Netto",
        "tax": "USt",
        "gross": "Brutto",
        "total": "Summe",
        "not_stated": "nicht ausgewiesen",
        "beyond": "Über die Leistungen der Bestellung hinaus",
        "sums": "Alle Belege dieser Bestellung",
        "paid": "Bezahlt",
        "refunded": "Erstattet",
        "kept": "Saldo",
        "note": "Ein Zahlungsbeleg, keine Rechnung.",
    },
}

_LONGEST_HEADER = 200


def language_of(wanted: str | None, accepted: str, of_hotel: tuple[str, ...]) -> str:
    """The language of a document: as asked for, else the first that the browser accepts, else the hotel's first.

    `accepted` is an Accept-Language header; its order counts, weights do not.
    """
    tags = (wanted or "", *accepted[:_LONGEST_HEADER].split(","), *of_hotel)
    primaries = (tag.strip().partition(";")[0].partition("-")[0].lower() for tag in tags)
    return next((primary for primary in primaries if primary in WORDS), FALLBACK)
