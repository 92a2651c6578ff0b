"""Test cards and what each does. Stripe's own are listed at https://docs.stripe.com/testing."""

import re
from dataclasses import dataclass

from stripe_sandbox.errors import ApiError, Json, invalid, no_such
from stripe_sandbox.forms import mapping, only
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.vouchers import TYPES


@dataclass(frozen=True, slots=True)
class Card:
    """A test card. `behaviour` is one of the words the intents, refunds and disputes act on."""

    number: str
    token: str
    behaviour: str
    meaning: str
    brand: str = "visa"


CARDS = (
    Card("4242424242424242", "pm_card_visa", "succeeds", "Succeeds."),
    Card("5555555555554444", "pm_card_mastercard", "succeeds", "Succeeds.", "mastercard"),
    Card("378282246310005", "pm_card_amex", "succeeds", "Succeeds.", "amex"),
    Card("4000000000000002", "pm_card_chargeDeclined", "generic_decline", "Is declined."),
    Card(
        "4000000000009995",
        "pm_card_chargeDeclinedInsufficientFunds",
        "insufficient_funds",
        "Is declined: insufficient funds.",
    ),
    Card("4000000000000069", "pm_card_chargeDeclinedExpiredCard", "expired_card", "Is declined: expired card."),
    Card("4000000000000127", "pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "Is declined: wrong CVC."),
    Card("4000000000000119", "pm_card_chargeDeclinedProcessingError", "processing_error", "Is declined: try again."),
    Card(
        "4000002500003155", "pm_card_authenticationRequired", "authenticates", "Asks for authentication (3-D Secure)."
    ),
    Card("4000000000000259", "pm_card_createDispute", "disputed", "Succeeds, then the guest disputes it."),
    Card("4000000000007726", "pm_card_pendingRefund", "slow_refund", "Succeeds; a refund is pending, then succeeds."),
    Card("4000000000005126", "pm_card_refundFail", "failing_refund", "Succeeds; a refund succeeds, then fails."),
    Card("4000000000008807", "pm_card_processing", "processes", "Stays processing, then succeeds (sandbox only)."),
    Card(
        "4000000000008815", "pm_card_processingFail", "processes_fails", "Stays processing, then fails (sandbox only)."
    ),
)
BY_NUMBER = {card.number: card for card in CARDS}
# Tokens Stripe offers under a second name.
ALIASES = {"pm_card_authenticationRequiredOnSetup": "pm_card_authenticationRequired"}
BY_TOKEN = {card.token: card for card in CARDS} | {
    alias: card for alias, token in ALIASES.items() for card in CARDS if card.token == token
}

# Error code and wording of every way to decline.
DECLINES = {
    "generic_decline": ("card_declined", "Your card was declined."),
    "insufficient_funds": ("card_declined", "Your card has insufficient funds."),
    "expired_card": ("expired_card", "Your card has expired."),
    "incorrect_cvc": ("incorrect_cvc", "Your card's security code is incorrect."),
    "processing_error": (
        "processing_error",
        "An error occurred while processing your card. Try again in a little bit.",
    ),
    "test_mode_live_card": (
        "card_declined",
        "Your card was declined: the sandbox takes only Stripe's test cards, and never a real one.",
    ),
}


def from_token(sandbox: Sandbox, token: str) -> Json:
    """The payment method of an id, or a fresh one for a `pm_card_…` test token."""
    if token in BY_TOKEN:
        card = BY_TOKEN[token]
        return _keep(sandbox, card.number, card.brand, card.behaviour, expires=(12, _year(sandbox) + 5), billing={})
    if sandbox.store.find(token) is None or not token.startswith("pm_"):
        raise no_such("PaymentMethod", token, param="payment_method")
    return sandbox.store.get(token, "pm", param="payment_method")


def from_data(sandbox: Sandbox, data: Json) -> Json:
    """A payment method from `payment_method_data[card][…]`, as Stripe.js sends it. The number is not kept."""
    kind = str(data.get("type"))
    only(data, ("type", kind, "billing_details", "metadata", "allow_redisplay"))
    if kind in TYPES:
        return _without_card(sandbox, kind, mapping(data, "billing_details"))
    if kind != "card":
        raise invalid(f"The sandbox takes card, {' and '.join(TYPES)}.", param="payment_method_data[type]")
    card = mapping(data, "card")
    number = re.sub(r"[\s-]", "", str(card.get("number", "")))
    if not _checks_out(number):
        raise _card_error("incorrect_number", "Your card number is incorrect.", "number")
    known = BY_NUMBER.get(number)
    brand = known.brand if known else "unknown"
    billing = mapping(data, "billing_details")
    behaviour = known.behaviour if known else "test_mode_live_card"
    return _keep(sandbox, number, brand, behaviour, expires=_expiry(sandbox, card), billing=billing)


def _without_card(sandbox: Sandbox, kind: str, billing: Json) -> Json:
    method_id = sandbox.new_id("pm")
    sandbox.state.behaviours[method_id] = TYPES[kind]
    return sandbox.store.put(_method(sandbox, method_id, kind, {}, billing))


def _keep(
    sandbox: Sandbox, number: str, brand: str, behaviour: str, *, expires: tuple[int, int], billing: Json
) -> Json:
    method_id = sandbox.new_id("pm")
    sandbox.state.behaviours[method_id] = behaviour
    return sandbox.store.put(
        _method(
            sandbox,
            method_id,
            "card",
            {
                "brand": brand,
                "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
                "country": "US",
                "display_brand": brand,
                "exp_month": expires[0],
                "exp_year": expires[1],
                "funding": "credit",
                "last4": number[-4:],
                "networks": {"available": [brand], "preferred": None},
                "three_d_secure_usage": {"supported": True},
                "wallet": None,
            },
            billing,
        )
    )


def _method(sandbox: Sandbox, method_id: str, kind: str, details: Json, billing: Json) -> Json:
    empty_address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    return {
        "id": method_id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {"address": empty_address, "email": None, "name": None, "phone": None} | billing,
        kind: details,
        "created": sandbox.seconds(),
        "customer": None,
        "livemode": sandbox.livemode,
        "metadata": {},
        "type": kind,
    }


def _expiry(sandbox: Sandbox, card: Json) -> tuple[int, int]:
    month, year = str(card.get("exp_month", "")), str(card.get("exp_year", ""))
    if not month.isdecimal() or not 1 <= int(month) <= 12:
        raise _card_error("invalid_expiry_month", "Your card's expiration month is invalid.", "exp_month")
    full_year = int(year) + (2000 if len(year) == 2 else 0) if year.isdecimal() else 0
    if not _year(sandbox) <= full_year <= _year(sandbox) + 50:
        raise _card_error("invalid_expiry_year", "Your card's expiration year is invalid.", "exp_year")
    cvc = card.get("cvc")
    if cvc is not None and not re.fullmatch(r"\d{3,4}", str(cvc)):
        raise _card_error("invalid_cvc", "Your card's security code is invalid.", "cvc")
    return int(month), full_year


def _card_error(code: str, message: str, param: str) -> ApiError:
    return ApiError(402, message, kind="card_error", code=code, param=param)


def _year(sandbox: Sandbox) -> int:
    return sandbox.today().year


def _checks_out(number: str) -> bool:
    """Luhn's check digit, ISO/IEC 7812-1."""
    if not re.fullmatch(r"\d{12,19}", number):
        return False
    digits = [int(digit) for digit in reversed(number)]
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
