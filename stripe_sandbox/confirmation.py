"""Confirmation of a payment intent, and what follows by the card, the guest's bank, or time."""

from typing import Literal
from urllib.parse import urlencode, urlsplit

from stripe_sandbox import charges, forms, vouchers
from stripe_sandbox.cards import DECLINES
from stripe_sandbox.disputes import open_dispute
from stripe_sandbox.errors import ApiError, Json, invalid, refused
from stripe_sandbox.sandbox import Call, Sandbox

Outcome = Literal["succeed", "fail"]
AUTHORISED_FOR = 7 * 24 * 3600
"""Seconds until an authorisation lapses."""
AUTHENTICATION_FAILED = "The card's owner could not be authenticated. Try again or use another card."


def no_payment_method(intent: Json | None) -> ApiError:
    message = "You cannot confirm this PaymentIntent because it has no payment method yet."
    return refused(message, code="payment_intent_unexpected_state", intent=intent)


def return_url_of(call: Call) -> str | None:
    """The address the guest returns to after authentication. Anything but a web address could run in our page."""
    return_url = forms.text(call.params, "return_url")
    if return_url is not None and urlsplit(return_url).scheme not in ("http", "https"):
        raise invalid("return_url must be an http or https address.", param="return_url")
    return return_url


def confirm(sandbox: Sandbox, call: Call, intent: Json) -> None:
    """Apply the test card's behaviour. A decline is recorded, emitted as an event, and raised as 402."""
    return_url = return_url_of(call)
    intent.update(last_payment_error=None, next_action=None)
    behaviour = sandbox.state.behaviours[intent["payment_method"]]
    match behaviour:
        case "authenticates":
            if return_url is not None:
                sandbox.state.return_urls[intent["id"]] = return_url
            intent.update(status="requires_action", next_action=_next_action(call, intent, return_url))
            sandbox.emit(call, "payment_intent.requires_action", intent)
        case "voucher" | "transfer":
            vouchers.show(sandbox, call, intent)
        case "processes" | "processes_fails":
            charges.attempt(sandbox, call, intent, status="pending")
            intent.update(status="processing", processing={"card": {}, "type": "card"})
            sandbox.emit(call, "payment_intent.processing", intent)
            sandbox.later("intent", intent["id"])
        case _ if behaviour in DECLINES:
            charges.attempt(sandbox, call, intent, status="failed")
            raise _decline(sandbox, call, intent)
        case _:
            _take(sandbox, call, intent)


def authenticate(sandbox: Sandbox, call: Call, intent: Json, outcome: Outcome) -> Json:
    """The guest's bank answers a 3-D Secure question."""
    if intent["status"] != "requires_action":
        message = f"Nothing to authenticate: this PaymentIntent has a status of {intent['status']}."
        raise refused(message, code="payment_intent_unexpected_state", intent=intent)
    intent["next_action"] = None
    if outcome == "succeed":
        _take(sandbox, call, intent)
    else:
        _fail(
            sandbox,
            call,
            intent,
            {
                "code": "payment_intent_authentication_failure",
                "message": AUTHENTICATION_FAILED,
                "type": "invalid_request_error",
            },
        )
    return intent


def pay(sandbox: Sandbox, call: Call, intent: Json, amount: int | None) -> Json:
    """The guest pays the voucher, or transfers all that is missing or a part of it."""
    if vouchers.paid_in_full(sandbox, call, intent, amount):
        intent["next_action"] = None
        _take(sandbox, call, intent)
    return intent


def expire(sandbox: Sandbox, call: Call, intent: Json) -> Json:
    """The voucher was not paid in time."""
    error = vouchers.expired(intent)
    intent["next_action"] = None
    _fail(sandbox, call, intent, error)
    return intent


def settle(sandbox: Sandbox, call: Call, intent: Json, outcome: Outcome | None = None) -> Json:
    """End a payment that was *processing*; without an outcome, the card decides."""
    if intent["status"] != "processing":
        message = f"Nothing to settle: this PaymentIntent has a status of {intent['status']}."
        raise refused(message, code="payment_intent_unexpected_state", intent=intent)
    if outcome is None:
        fails = sandbox.state.behaviours[intent["payment_method"]] == "processes_fails"
        outcome = "fail" if fails else "succeed"
    sandbox.state.timers.pop(intent["id"], None)
    charge = sandbox.store.get(intent["latest_charge"], "ch")
    intent["processing"] = None
    if outcome == "succeed":
        charges.succeed(sandbox, call, charge)
        _succeed(sandbox, call, intent)
    else:
        charges.fail(sandbox, call, charge)
        _decline(sandbox, call, intent)
    return intent


def _take(sandbox: Sandbox, call: Call, intent: Json) -> None:
    """Capture the money, or only authorise it if the intent is captured manually."""
    if intent["capture_method"] != "manual":
        charges.attempt(sandbox, call, intent, status="succeeded")
        _succeed(sandbox, call, intent)
        return
    lapses_at = sandbox.seconds() + AUTHORISED_FOR
    charges.attempt(sandbox, call, intent, status="authorised", capture_before=lapses_at)
    intent.update(status="requires_capture", amount_capturable=intent["amount"], last_payment_error=None)
    sandbox.at(lapses_at, "authorisation", intent["id"])
    sandbox.emit(call, "payment_intent.amount_capturable_updated", intent)


def capture(sandbox: Sandbox, call: Call, intent: Json, amount: int) -> None:
    """Take what was authorised, or a part of it; the rest is released."""
    sandbox.state.timers.pop(intent["id"], None)
    charges.capture(sandbox, call, sandbox.store.get(intent["latest_charge"], "ch"), amount)
    intent["amount_capturable"] = 0
    _succeed(sandbox, call, intent, amount)


def lapse(sandbox: Sandbox, call: Call, intent: Json) -> None:
    """The authorisation was not captured in time: the intent is cancelled by itself."""
    if intent["status"] == "requires_capture":
        charges.expire(sandbox, call, sandbox.store.get(intent["latest_charge"], "ch"))
        cancel(sandbox, call, intent, "expired")


def cancel(sandbox: Sandbox, call: Call, intent: Json, reason: str | None) -> None:
    sandbox.state.timers.pop(intent["id"], None)
    intent.update(
        status="canceled",
        amount_capturable=0,
        canceled_at=sandbox.seconds(),
        cancellation_reason=reason,
        next_action=None,
        processing=None,
    )
    sandbox.emit(call, "payment_intent.canceled", intent)


def _succeed(sandbox: Sandbox, call: Call, intent: Json, amount: int | None = None) -> None:
    intent.update(status="succeeded", amount_received=amount or intent["amount"], last_payment_error=None)
    sandbox.emit(call, "payment_intent.succeeded", intent)
    if sandbox.state.behaviours[intent["payment_method"]] == "disputed":
        open_dispute(sandbox, call, intent, reason="fraudulent")


def _decline(sandbox: Sandbox, call: Call, intent: Json) -> ApiError:
    """The charge was declined: back to *requires_payment_method*, with the 402 that says so."""
    decline = charges.decline_of(sandbox, intent["payment_method"])
    code, message = DECLINES[decline]
    error = {"charge": intent["latest_charge"], "code": code, "decline_code": decline, "message": message}
    _fail(sandbox, call, intent, error | {"type": "card_error"})
    shown = {name: value for name, value in intent["last_payment_error"].items() if name not in ("type", "message")}
    shown.pop("doc_url")
    return ApiError(402, message, kind="card_error", executed=True, payment_intent=intent, **shown)


def _fail(sandbox: Sandbox, call: Call, intent: Json, error: Json) -> None:
    slug = error["code"].replace("_", "-")
    method = sandbox.store.get(intent["payment_method"], "pm")
    error = error | {"doc_url": f"https://docs.stripe.com/error-codes/{slug}", "payment_method": method}
    intent.update(status="requires_payment_method", payment_method=None, last_payment_error=error)
    sandbox.emit(call, "payment_intent.payment_failed", intent)


def _next_action(call: Call, intent: Json, return_url: str | None) -> Json:
    query = urlencode({"payment_intent": intent["id"], "client_secret": intent["client_secret"]})
    page = f"{call.address}/v3/authenticate?{query}"
    if forms.boolean(call.params, "use_stripe_sdk") or return_url is None:
        return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": page}}
    return {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": page}}
