"""The examples of the OpenAPI document: one order of one guest."""

from typing import Any

ORDER_ID = "ord_hkst5ncncfkdp3o22o6fciod4m"

LINE: dict[str, Any] = {"extra_id": "alm-breakfast", "quantity": 2, "day": "2027-02-03"}
TOTAL: dict[str, Any] = {"amount": 4800, "currency": "EUR"}
EXTRA: dict[str, Any] = {
    "extra_id": "alm-breakfast",
    "property_id": "alpenhof",
    "name": {"en": "Breakfast", "de": "Frühstück"},
    "description": {"en": "From seven to eleven."},
    "category": "food",
    "unit_price": {"amount": 2400, "currency": "EUR"},
    "max_quantity": 6,
    "needs_day": True,
}
ORDER: dict[str, Any] = {
    "order_id": ORDER_ID,
    "property_id": "alpenhof",
    "reservation_id": "R-1001",
    "guest_id": "guest-1",
    "status": "pending_payment",
    "payment_status": "unpaid",
    "lines": [
        {
            **LINE,
            "name": {"en": "Breakfast", "de": "Frühstück"},
            "unit_price": {"amount": 2400, "currency": "EUR"},
            "price_per": "piece",
            "line_total": TOTAL,
            "vat": {
                "rate": 1000,
                "net": {"amount": 4364, "currency": "EUR"},
                "tax": {"amount": 436, "currency": "EUR"},
            },
        }
    ],
    "total": TOTAL,
    "created_at": "2027-01-20T09:00:00Z",
    "pay_until": "2027-01-20T09:30:00Z",
    "payment_failure": None,
    "refunded": None,
    "refunds": None,
    "disputes": None,
}
CONFIRMED = {**ORDER, "status": "confirmed", "payment_status": "paid", "pay_until": None}
_HOTEL: dict[str, Any] = {
    "property_version": 1,
    "name": {"en": "Alpenhof", "de": "Alpenhof"},
    "address": "Dorfstraße 1\n6020 Innsbruck",
    "vat_id": "ATU12345678",
    "contact_email": "desk@alpenhof.example",
    "contact_phone": "+43 512 000000",
    "time_zone": "Europe/Vienna",
    "languages": ["de", "en"],
}
_VAT_SUM: dict[str, Any] = {
    "rate": 1000,
    "gross": TOTAL,
    "net": {"amount": 4364, "currency": "EUR"},
    "tax": {"amount": 436, "currency": "EUR"},
}
RECEIPTS: dict[str, Any] = {
    "order_id": ORDER_ID,
    "property_id": "alpenhof",
    "reservation_id": "R-1001",
    "lines": ORDER["lines"],
    "receipts": [
        {
            "order_id": ORDER_ID,
            "property_id": "alpenhof",
            "sequence": 1,
            "receipt_kind": "payment",
            "amount": TOTAL,
            "is_outside": False,
            "refund_id": None,
            "shares": [{"line": 0, "gross": TOTAL, "vat": ORDER["lines"][0]["vat"]}],
            "hotel": _HOTEL,
            "number": 1,
            "issued_at": "2027-01-20T09:05:00Z",
            "vat": [_VAT_SUM],
        }
    ],
    "paid": TOTAL,
    "refunded": {"amount": 0, "currency": "EUR"},
    "kept": TOTAL,
    "vat": [_VAT_SUM],
}
AWAITING_APPROVAL = {
    **ORDER,
    "status": "awaiting_approval",
    "payment_status": "authorised",
    "pay_until": None,
    "needs_approval": True,
    "approve_by": "2027-01-26T21:00:00Z",
}
CAPTURING = {**AWAITING_APPROVAL, "status": "capturing", "approve_by": None}
DECLINING = {**CAPTURING, "status": "cancelling"}
CANCELLING = {**ORDER, "status": "cancelling", "pay_until": None}
FULFILLED = {**CONFIRMED, "status": "fulfilled"}
_HALF: dict[str, Any] = {"amount": 2400, "currency": "EUR"}
REFUND: dict[str, Any] = {
    "refund_id": "ref_hkst5ncncfkdp3o22o6fciod4m",
    "amount": _HALF,
    "stage": "requested",
    "reason": "One breakfast was cold.",
    "asked_by": "reception-lena",
    "asked_at": "2027-02-03T10:00:00Z",
    "detail": "",
    "needs_attention": False,
    "is_second_charge": False,
    "line": None,
    "repeats": None,
    "settled": None,
}
_FAILED = {**REFUND, "stage": "failed", "detail": "expired_or_canceled_card"}
_AGAIN = {**REFUND, "refund_id": REFUND["refund_id"] + "_again", "repeats": REFUND["refund_id"]}
REFUNDED = {**CONFIRMED, "payment_status": "partially_refunded", "refunded": _HALF, "refunds": [REFUND]}
REFUND_AGAIN = {**FULFILLED, "refunds": [_FAILED, _AGAIN]}
REFUND_SETTLED = {
    **FULFILLED,
    "refunds": [
        _FAILED
        | {
            "settled": {
                "by": "reception-lena",
                "at": "2027-02-05T08:00:00Z",
                "reason": "Given in cash at check-out.",
                "amount": _HALF,
            }
        }
    ],
}
SESSION: dict[str, Any] = {
    "order_id": ORDER_ID,
    "payment_id": ORDER_ID.replace("ord_", "pay_"),
    "amount": TOTAL,
    "client_secret": "pi_example_secret_example",
    "publishable_key": "pk_test_example",
    "script_url": "https://js.stripe.com/endive/stripe.js",
    "pay_until": "2027-01-20T09:30:00Z",
    "connected_account": None,
}
DAY_SHEET: dict[str, Any] = {
    "property_id": "alpenhof",
    "day": "2027-02-03",
    "extras": [
        {
            "extra_id": "alm-breakfast",
            "name": {"en": "Breakfast", "de": "Frühstück"},
            "quantity": 2,
            "lines": [
                {
                    "order_id": ORDER_ID,
                    "line": 0,
                    "reservation_id": "R-1001",
                    "guest_id": "guest-1",
                    "quantity": 2,
                    "at": None,
                    "is_fulfilled": False,
                }
            ],
        }
    ],
    "is_complete": True,
}
STAFF_SESSION: dict[str, Any] = {
    "staff_id": "reception-lena",
    "property_id": "alpenhof",
    "role": "reception",
    "may": ["see", "fulfil"],
}
WEBHOOKS: dict[str, Any] = {
    "subscribers": [
        {
            "subscriber_id": "whs_9f3c5d7e1a2b4c6d",
            "address": "https://pms.example/bellhop",
            "kinds": ["order.confirmed", "order.refunded", "order.cancelled"],
            "condition": "failing",
            "since": "2027-01-20T09:05:00Z",
            "why": "answered 503",
            "retry_at": "2027-01-20T09:07:40Z",
        }
    ],
    "deliveries": [
        {
            "webhook_id": "msg_p2x9k4v7q3mb5tzw",
            "subscriber_id": "whs_9f3c5d7e1a2b4c6d",
            "order_id": ORDER_ID,
            "type": "order.confirmed",
            "status": "retrying",
            "noted_at": "2027-01-20T09:04:59Z",
            "attempts": 3,
            "said": "answered 503",
            "delivered_at": None,
            "next_at": "2027-01-20T09:07:40Z",
        }
    ],
    "next": None,
}
DESK_STREAM = (
    'event: desk.connected\ndata: {"event": "desk.connected"}\n\n'
    "event: orders.order-confirmed\n"
    f'data: {{"event": "orders.order-confirmed", "order_id": "{ORDER_ID}"}}\n\n'
)
STREAM = (
    "event: orders.order-state\n"
    f'data: {{"event": "orders.order-state", "order_id": "{ORDER_ID}", '
    '"status": "pending_payment", "payment_status": "unpaid"}\n\n'
    "event: orders.order-confirmed\n"
    f'data: {{"event": "orders.order-confirmed", "order_id": "{ORDER_ID}", '
    '"status": "confirmed", "payment_status": "paid"}\n\n'
)
PICTURE_ID = "3f0c" * 16
DEFINITION: dict[str, Any] = {
    "name": {"en": "Private spa", "de": "Privates Spa"},
    "description": {"en": "Sauna and whirlpool for two, 90 minutes"},
    "picture": {"picture_id": PICTURE_ID, "alt": {"en": "A whirlpool beside a wooden sauna"}},
    "category": "spa",
    "unit_price": {"amount": 8900, "currency": "EUR"},
    "price_per": "piece",
    "vat_rate": 2000,
    "max_quantity": 1,
    "needs_day": True,
    "slots": [{"at": "10:00", "places": 1}, {"at": "15:00", "places": 1}],
    "needs_approval": False,
    "lead_hours": 2,
    "weekdays": ["mon", "wed", "fri", "sat"],
    "blackout_days": ["2026-12-24"],
    "seasons": [
        {
            "first_day": "2026-12-20",
            "last_day": "2027-01-06",
            "unit_price": {"amount": 10900, "currency": "EUR"},
        }
    ],
    "active_from": None,
    "active_until": None,
    "daily_limit": None,
    "active": True,
}
_VERSION: dict[str, Any] = {
    "version": 2,
    "at": "2026-11-26T09:00:00Z",
    "by": "owner-hilde",
    "reason": "The new price list.",
    "origin": "staff",
}
STAFF_EXTRA: dict[str, Any] = {
    "extra_id": "alm-private-spa",
    "property_id": "alpenhof",
    "status": "offered",
    "version": 2,
    "position": 4,
    "definition": DEFINITION,
    "changed_since_import": True,
    "versions": [_VERSION],
}
PROPERTY: dict[str, Any] = {
    "property_id": "alpenhof",
    "version": 2,
    "definition": {
        "name": {"en": "Alpenhof"},
        "time_zone": "Europe/Vienna",
        "currencies": ["EUR", "CHF"],
        "languages": ["de", "en"],
        "vat_id": "ATU12345678",
        "address": "Dorfstra\u00dfe 1\n6020 Innsbruck",
        "contact_email": "info@alpenhof.example",
        "contact_phone": "+43 512 0000",
        "cancel_until": "P2D",
        "pay_within": "PT45M",
        "theme": {"accent": "#0a6b4f", "background": None},
        "psp_account": "default",
    },
    "versions": [_VERSION],
}
GUEST_PROPERTY = {
    "property_id": "alpenhof",
    "name": {"en": "Alpenhof"},
    "address": "Dorfstra\u00dfe 1\n6020 Innsbruck",
    "contact_email": "info@alpenhof.example",
    "contact_phone": "+43 512 0000",
    "time_zone": "Europe/Vienna",
    "theme": {"accent": "#0a6b4f", "background": None},
}
CONTACT: dict[str, Any] = {"email": "anna@example.org", "language": "de"}
_CLOSING_ROW: dict[str, str] = {
    "section": "transaction",
    "kind": "charge",
    "property": "alpenhof",
    "time": "2026-11-24T10:15:00+01:00",
    "order_id": ORDER_ID,
    "reservation_id": "res-4711",
    "status": "confirmed",
    "psp_reference": "pi_1",
    "source": "ch_1",
    "transaction": "txn_1",
    "amount": "48.00",
    "fee": "0.97",
    "net": "47.03",
    "currency": "EUR",
    "note": "",
    "account": "default",
}
CLOSING: dict[str, Any] = {
    "property_id": "alpenhof",
    "day": "2026-11-24",
    "rows": [_CLOSING_ROW],
    "differences": [],
}
CLOSING_CSV = "\r\n".join((",".join(_CLOSING_ROW), ",".join(_CLOSING_ROW.values()), ""))
