"""Every field that the SDK's types call optional may be null or absent in what Stripe sends."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, get_args, get_origin

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.decision import Ignored
from contracts.psp import PspPaymentEvent
from psp_adapter.events import event_of
from psp_adapter.ledger import ledger_entry
from psp_adapter.stripe_objects import Intent, is_release
from psp_adapter.translate import EVENT_TYPES, report_of_event, report_of_intent, subject_of

ORDER = {"order_id": "ord_" + "a" * 26, "payment_id": "pay_" + "a" * 26}
CREATED = 1_782_896_400
SEEN = datetime(2026, 7, 1, tzinfo=UTC)
CURRENCIES = ("eur", "jpy", "kwd", "rsd")
_PLAIN: Mapping[Any, st.SearchStrategy[Any]] = {
    int: st.integers(0, 10**6).map(lambda amount: amount * 100),
    str: st.just("text_1"),
    bool: st.booleans(),
    type(None): st.none(),
}


@st.composite
def stripe_object(draw: st.DrawFn, of: type[stripe.StripeObject], depth: int = 1) -> dict[str, Any]:
    """An object as its annotations in the SDK allow it: each optional field has a value, is null, or is absent."""
    made: dict[str, Any] = {}
    for name, annotation in of.__annotations__.items():
        if name == "OBJECT_NAME":
            continue
        is_optional = type(None) in get_args(annotation)
        how = draw(st.sampled_from(("set", "null", "absent"))) if is_optional else "set"
        if how != "absent":
            made[name] = None if how == "null" else draw(_value(annotation, depth))
    return made


def _value(annotation: Any, depth: int) -> st.SearchStrategy[Any]:
    """A value of an annotation; an empty one where it is a list, or nested deeper than this system reads."""
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if get_origin(annotation) is Literal:
        return st.sampled_from(get_args(annotation))
    if get_origin(annotation) is list:
        return st.just([])
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if parts and get_origin(annotation) is not dict:
        return st.one_of(*(_value(part, depth) for part in parts))
    if depth and isinstance(annotation, type) and annotation.__annotations__:
        return stripe_object(annotation, depth - 1)
    return st.just({})


@st.composite
def of_ours(draw: st.DrawFn, of: type[stripe.StripeObject]) -> dict[str, Any]:
    """The same with ids, metadata and a currency as they may be for a payment of ours."""
    metadata: list[Any] = [{}, ORDER, ORDER | {"refund_id": "ref_1"}, {"shop": "another"}]
    if of is stripe.Refund:
        metadata.append(None)
    known = {"metadata": draw(st.sampled_from(metadata)), "currency": draw(st.sampled_from(CURRENCIES))}
    if of is not stripe.PaymentIntent:
        known["payment_intent"] = draw(st.sampled_from((None, "pi_1", {"id": "pi_1", "object": "payment_intent"})))
    return draw(stripe_object(of)) | known


INTENTS, REFUNDS, DISPUTES = (of_ours(kind) for kind in (stripe.PaymentIntent, stripe.Refund, stripe.Dispute))


def _subjects_of(event_type: str) -> st.SearchStrategy[dict[str, Any]]:
    if event_type.startswith("payment_intent."):
        return INTENTS
    return REFUNDS if event_type.startswith("refund.") else DISPUTES


@pytest.mark.parametrize("event_type", EVENT_TYPES)
@settings(max_examples=30)
@given(data=st.data())
def test_an_event_is_translated_whichever_optional_fields_are_null_or_absent(
    event_type: str, data: st.DataObject
) -> None:
    subject = data.draw(_subjects_of(event_type))
    event = json.loads(json.dumps({"id": "evt_1", "type": event_type, "created": CREATED, "data": {"object": subject}}))
    intent = Intent.model_validate(data.draw(INTENTS))

    event_of(event)
    about = subject_of(event)
    report = about if isinstance(about, Ignored) else report_of_event(event, about.embedded or intent)

    assert isinstance(report, Ignored) or (isinstance(report, PspPaymentEvent) and report.to_wire())


@settings(max_examples=60)
@given(intent=INTENTS, refunds=st.lists(REFUNDS, max_size=3), disputes=st.lists(DISPUTES, max_size=2))
def test_the_audit_reads_a_payment_whichever_optional_fields_are_null_or_absent(
    intent: dict[str, Any], refunds: list[dict[str, Any]], disputes: list[dict[str, Any]]
) -> None:
    read = Intent.model_validate(intent)
    if read.is_ours:
        report_of_intent(read, SEEN)

    entry = ledger_entry(intent, refunds, disputes, installation="bellhop")

    moved = [refund for refund in refunds if not is_release(refund)]
    assert (entry.unreadable, len(entry.refunds), len(entry.disputes)) == ((), len(moved), len(disputes))
