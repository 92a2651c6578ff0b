"""The words of e-mails, by language: `{…}` is filled in with foreign text, which is never a template itself."""

from collections.abc import Mapping

from notifications.mail.state import Template

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        f"{Template.CONFIRMED}.subject": "{hotel}: your order is confirmed",
        f"{Template.CONFIRMED}.text": "Thank you. Your order is confirmed and paid. The receipt is attached.",
        f"{Template.DECLINED}.subject": "{hotel}: your order was declined",
        f"{Template.DECLINED}.text": "We are sorry: we cannot take your order.",
        f"{Template.CANCELLED}.subject": "{hotel}: your order is cancelled",
        f"{Template.CANCELLED}.text": "Your order is cancelled.",
        f"{Template.REFUNDED}.subject": "{hotel}: {amount} refunded",
        f"{Template.REFUNDED}.text": "We have refunded {amount}. The receipt is attached.",
        f"{Template.APPROVAL_NEEDED}.subject": "Order {order} awaits your approval",
        f"{Template.APPROVAL_NEEDED}.text": (
            "A guest has ordered what you approve first. Nothing is charged before. Approve or decline it at the "
            "desk until {until}; then it is declined by itself."
        ),
        f"{Template.APPROVAL_REMINDER}.subject": "Reminder: order {order} still awaits your approval",
        f"{Template.APPROVAL_REMINDER}.text": (
            "This order is neither approved nor declined yet. It is declined by itself on {until}: decide about it "
            "at the desk before."
        ),
        f"{Template.REVIEW}.subject": "Order {order} needs your decision",
        f"{Template.REVIEW}.text": "The money and the order do not agree, and a person must decide, at the desk.",
        f"{Template.REFUND_FAILED}.subject": "Order {order}: a refund of {amount} has not reached the guest",
        f"{Template.REFUND_FAILED}.text": (
            "The refund of {amount} failed, or has no outcome. Repeat it at the desk, or record there how the guest "
            "got the money."
        ),
        "reason": "The reason: {reason}",
        "without": "We could not take everything you ordered; the rest was not charged. The reason: {reason}",
        "taken_out": "{item} (not taken)",
        "not_charged": "Nothing was charged. An amount that was reserved on your card is released.",
        "refund_follows": "What you have paid is refunded; a receipt of it follows.",
        "refunded_already": "What you had paid is refunded.",
        "by_bank": "Depending on your bank, it takes some days until you see it.",
        "at_hotel": "It was paid out at the hotel.",
        "order": "Order",
        "reservation": "Reservation",
        "total": "Total",
        "questions": "Questions? Just answer this e-mail.",
    },
    "de": {
        f"{Template.CONFIRMED}.subject": "{hotel}: Ihre Bestellung ist bestätigt",
        f"{Template.CONFIRMED}.text": "Vielen Dank. Ihre Bestellung ist bestätigt und bezahlt. Der Beleg liegt bei.",
        f"{Template.DECLINED}.subject": "{hotel}: Ihre Bestellung wurde abgelehnt",
        f"{Template.DECLINED}.text": "Es tut uns leid: Wir können Ihre Bestellung nicht annehmen.",
        f"{Template.CANCELLED}.subject": "{hotel}: Ihre Bestellung ist storniert",
        f"{Template.CANCELLED}.text": "Ihre Bestellung ist storniert.",
        f"{Template.REFUNDED}.subject": "{hotel}: {amount} erstattet",
        f"{Template.REFUNDED}.text": "Wir haben {amount} erstattet. Der Beleg liegt bei.",
        f"{Template.APPROVAL_NEEDED}.subject": "Bestellung {order} wartet auf Ihre Zusage",
        f"{Template.APPROVAL_NEEDED}.text": (
            "Ein Gast hat etwas bestellt, das Sie erst zusagen. Vorher wird nichts abgebucht. Bitte sagen Sie am Desk "
            "zu oder ab, bis {until}; danach wird die Bestellung von selbst abgelehnt."
        ),
        f"{Template.APPROVAL_REMINDER}.subject": "Erinnerung: Bestellung {order} wartet noch auf Ihre Zusage",
        f"{Template.APPROVAL_REMINDER}.text": (
            "Diese Bestellung ist noch weder zugesagt noch abgelehnt. Am {until} wird sie von selbst abgelehnt: bitte "
            "entscheiden Sie vorher am Desk."
        ),
        f"{Template.REVIEW}.subject": "Bestellung {order} braucht Ihre Entscheidung",
        f"{Template.REVIEW}.text": "Geld und Bestellung stimmen nicht überein; bitte entscheiden Sie am Desk.",
        f"{Template.REFUND_FAILED}.subject": "Bestellung {order}: eine Erstattung von {amount} kam nicht an",
        f"{Template.REFUND_FAILED}.text": (
            "Die Erstattung von {amount} ist fehlgeschlagen oder ohne Ergebnis. Bitte wiederholen Sie sie am Desk oder "
            "halten Sie dort fest, wie der Gast das Geld bekommen hat."
        ),
        "reason": "Der Grund: {reason}",
        "without": "Einen Teil konnten wir nicht annehmen; er wurde nicht berechnet. Der Grund: {reason}",
        "taken_out": "{item} (nicht angenommen)",
        "not_charged": "Es wurde nichts abgebucht. Ein auf Ihrer Karte reservierter Betrag wird freigegeben.",
        "refund_follows": "Was Sie bezahlt haben, wird erstattet; ein Beleg darüber folgt.",
        "refunded_already": "Was Sie bezahlt hatten, ist erstattet.",
        "by_bank": "Je nach Bank dauert es einige Tage, bis Sie es sehen.",
        "at_hotel": "Es wurde im Hotel ausgezahlt.",
        "order": "Bestellung",
        "reservation": "Reservierung",
        "total": "Summe",
        "questions": "Fragen? Antworten Sie einfach auf diese E-Mail.",
    },
}
