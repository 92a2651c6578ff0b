"""Payment intents: the calls. What happens on confirmation is in `confirmation.py`."""

from stripe_sandbox import cards, confirmation, forms
from stripe_sandbox.errors import Json, invalid, refused, secret_key_required
from stripe_sandbox.forms import required
from stripe_sandbox.lists import page
from stripe_sandbox.sandbox import Call, Sandbox

SETTABLE = (
    "amount",
    "capture_method",
    "currency",
    "customer",
    "description",
    "metadata",
    "payment_method",
    "payment_method_data",
    "payment_method_types",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
)
CREATABLE = (
    *SETTABLE,
    "automatic_payment_methods",
    "confirm",
    "confirmation_method",
    "return_url",
    "use_stripe_sdk",
)
CONFIRMABLE = (
    "client_secret",
    "payment_method",
    "payment_method_data",
    "receipt_email",
    "return_url",
    "setup_future_usage",
    "use_stripe_sdk",
    "expected_payment_method_type",
)
UNPAID = ("requires_payment_method", "requires_confirmation", "requires_action")
REASONS = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")
# What a holder of the publishable key and the client secret may see.
PUBLIC = (
    "id",
    "object",
    "amount",
    "amount_details",
    "automatic_payment_methods",
    "canceled_at",
    "cancellation_reason",
    "capture_method",
    "client_secret",
    "confirmation_method",
    "created",
    "currency",
    "description",
    "last_payment_error",
    "livemode",
    "next_action",
    "payment_method",
    "payment_method_types",
    "processing",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "source",
    "status",
)


def create(sandbox: Sandbox, call: Call) -> Json:
    params = call.params
    forms.only(params, CREATABLE)
    amount = required(forms.integer(params, "amount", least=1), "amount")
    currency = required(forms.currency(params), "currency")
    automatic = forms.mapping(params, "automatic_payment_methods")
    forms.only(automatic, ("enabled", "allow_redirects"))
    intent_id = sandbox.new_id("pi")
    intent: Json = {
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        # Enabled unless the types are named, as since API version 2023-08-16.
        "automatic_payment_methods": None
        if "payment_method_types" in params or automatic.get("enabled") == "false"
        else {"allow_redirects": forms.text(automatic, "allow_redirects") or "always", "enabled": True},
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{intent_id}_{sandbox.new_id('secret')}",
        "confirmation_method": forms.one_of(params, "confirmation_method", ("automatic",)) or "automatic",
        "created": sandbox.seconds(),
        "currency": currency,
        "customer": None,
        "description": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": sandbox.livemode,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"installments": None, "request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }
    confirm_now = forms.boolean(params, "confirm")
    if not confirm_now and "return_url" in params:
        raise invalid("return_url goes with confirm=true.", param="return_url")
    confirmation.return_url_of(call)
    _set(sandbox, intent, params)
    if confirm_now and intent["payment_method"] is None:
        raise confirmation.no_payment_method(None)
    sandbox.store.put(intent)
    sandbox.emit(call, "payment_intent.created", intent)
    if confirm_now:
        confirmation.confirm(sandbox, call, intent)
    return intent


def retrieve(sandbox: Sandbox, call: Call) -> Json:
    forms.only(call.params, ("client_secret",))
    return shown(call, _named(sandbox, call))


def list_all(sandbox: Sandbox, call: Call) -> Json:
    return page(sandbox, call, "pi", "/v1/payment_intents", filters=("customer",))


def update(sandbox: Sandbox, call: Call) -> Json:
    intent = _named(sandbox, call)
    forms.only(call.params, SETTABLE)
    if not set(call.params) <= {"metadata", "description", "expand"} and intent["status"] not in UNPAID:
        raise _unexpected(intent, "update")
    amount, currency = forms.integer(call.params, "amount", least=1), forms.currency(call.params)
    _set(sandbox, intent, call.params)
    intent["amount"] = amount or intent["amount"]
    intent["currency"] = currency or intent["currency"]
    sandbox.store.changed()
    return intent


def confirm(sandbox: Sandbox, call: Call) -> Json:
    intent = _named(sandbox, call)
    forms.only(call.params, CONFIRMABLE)
    if intent["status"] not in UNPAID:
        raise _unexpected(intent, "confirm")
    confirmation.return_url_of(call)
    changes = {name: value for name, value in call.params.items() if name in SETTABLE}
    _set(sandbox, intent, changes)
    if intent["payment_method"] is None:
        raise confirmation.no_payment_method(intent)
    confirmation.confirm(sandbox, call, intent)
    return shown(call, intent)


def capture(sandbox: Sandbox, call: Call) -> Json:
    intent = _named(sandbox, call)
    forms.only(call.params, ("amount_to_capture",))
    amount = forms.integer(call.params, "amount_to_capture", least=1)
    if intent["status"] != "requires_capture":
        raise _unexpected(intent, "capture")
    if amount is not None and amount > intent["amount_capturable"]:
        raise invalid(
            "You cannot capture more than was authorised.", param="amount_to_capture", code="amount_too_large"
        )
    confirmation.capture(sandbox, call, intent, amount or intent["amount_capturable"])
    return intent


def cancel(sandbox: Sandbox, call: Call) -> Json:
    intent = _named(sandbox, call)
    forms.only(call.params, ("cancellation_reason",))
    reason = forms.one_of(call.params, "cancellation_reason", REASONS)
    if intent["status"] not in (*UNPAID, "requires_capture"):
        raise _unexpected(intent, "cancel")
    confirmation.cancel(sandbox, call, intent, reason)
    return intent


def shown(call: Call, intent: Json) -> Json:
    """The intent as the caller may see it."""
    return {name: intent[name] for name in PUBLIC} if call.public else intent


def _named(sandbox: Sandbox, call: Call) -> Json:
    """The intent in the path. Browsers must present the client secret; servers may."""
    intent = sandbox.store.get(call.path["id"], "pi")
    secret = forms.text(call.params, "client_secret")
    if call.public and secret is None:
        raise secret_key_required()
    if secret is not None and secret != intent["client_secret"]:
        message = "The client_secret does not belong to this PaymentIntent."
        raise invalid(message, param="client_secret", code="payment_intent_invalid_parameter")
    return intent


def _set(sandbox: Sandbox, intent: Json, params: Json) -> None:
    changes: Json = {}
    if "metadata" in params:
        changes["metadata"] = forms.metadata(params, intent["metadata"])
    for name in ("customer", "description", "statement_descriptor", "statement_descriptor_suffix"):
        if name in params:
            changes[name] = forms.text(params, name)
    if "receipt_email" in params:
        changes["receipt_email"] = forms.email(params, "receipt_email")
    if "capture_method" in params:
        changes["capture_method"] = forms.one_of(params, "capture_method", ("automatic", "automatic_async", "manual"))
    if "setup_future_usage" in params:
        changes["setup_future_usage"] = forms.one_of(params, "setup_future_usage", ("on_session", "off_session"))
    if forms.strings(params, "payment_method_types") not in ([], ["card"]):
        raise invalid(
            "The sandbox takes cards only: payment_method_types must be ['card'].", param="payment_method_types"
        )
    if (data := forms.mapping(params, "payment_method_data")) != {}:
        changes["payment_method"] = cards.from_data(sandbox, data)["id"]
    elif (token := forms.text(params, "payment_method")) is not None:
        changes["payment_method"] = cards.from_token(sandbox, token)["id"]
    intent.update(changes)
    if "payment_method" in changes:
        intent.update(status="requires_confirmation", next_action=None)


def _unexpected(intent: Json, verb: str) -> Exception:
    message = f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}."
    return refused(message, code="payment_intent_unexpected_state", intent=intent)
