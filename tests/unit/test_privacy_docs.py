"""docs/privacy.md names every place that stores something of a guest, and every field that says something of one."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from chassis.decision import State
from chassis.personal_data import FIELDS
from chassis.storage.audit_log import AuditEntry
from chassis.storage.running_settings import RunningSettings
from connectors.apaleo.booking import ledgers_in
from contracts.message import Message
from extras_service.collections import ExtrasStore
from notifications.collections import NotificationStore
from ops.core.dead_letters.letters import DeadLetters
from ops.core.replay.claims import Claims
from ops.core.replay.plans import Plans
from payment_service.collections import PaymentStore
from webhooks.collections import WebhookStore

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "privacy.md").read_text()
SHIPPED = [
    file
    for room in (
        "chassis",
        "connectors",
        "gateway",
        "extras_service",
        "notifications",
        "payment_service",
        "psp_adapter",
        "webhooks",
        "ops",
    )
    for file in sorted((ROOT / room).rglob("*.py"))
]
_OPENS = re.compile(r"""(?:\.documents\(|\.records\(|_database\[)\s*"(\w+)\"""")

NOT_PERSONAL = {
    # Ids and names of orders, messages, extras, properties, and of objects at the PSP.
    *(
        "booked",
        "causation_id",
        "correlation_id",
        "dead_queue",
        "digest",
        "dispute_id",
        "doubles",
        "doubled_refunds",
        "earlier_accounts",
        "earlier_sessions",
        "edited_from",
        "erasure",
        "pseudonym",
        "edited_to",
        "entry_id",
        "event_id",
        "extra_id",
        "extra_ids",
        "exchange",
        "failed_refunds",
        "holders",
        "instance",
        "kind",
        "large",
        "letter_id",
        "lines_digest",
        "about",
        "mail_id",
        "subscriber_id",
        "webhook_id",
        "url",
        "claim",
        "next_at",
        "lost_disputes",
        "message_id",
        "open_disputes",
        "order_id",
        "over_since",
        "order_ids",
        "orders",
        "outbox_of",
        "paid_reference",
        "payment_id",
        "picture_id",
        "plan_id",
        "property_id",
        "psp_reference",
        "psp_references",
        "psp_refund_id",
        "queue",
        "refund_id",
        "repeats",
        "reply_to",
        "routing_key",
        "run_id",
        "sender",
        "service",
        "session",
        "claimed",
        "transaction_id",
        "tries",
        "unclosed",
        "account",
        "connected",
        "psp_account",
        "psp_accounts",
        "publishable_key",
    ),
    # Words of the PSP and the services, about money.
    *(
        "action",
        "asked",
        "cause",
        "failed_with",
        "said",
        "code",
        "currency",
        "detail",
        "disputed",
        "event_type",
        "next",
        "outcome",
        "problem",
        "review",
        "source",
        "status",
        "unknown_because",
        "charged_currency",
        "after",
    ),
    # What is offered, and by whom.
    *(
        "accent",
        "address",
        "alt",
        "at",
        "background",
        "category",
        "contact_email",
        "contact_phone",
        "currencies",
        "description",
        "language",
        "languages",
        "name",
        "pointer",
        "small",
        "slot",
        "slots",
        "time_zone",
        "vat_id",
        "uploaded_at",
        "used_at",
        "content",
    ),
    # Staff and operators: who they are, and what they say of their own work.
    *("made_by", "remark", "staff_id", "subjects", "uploaded_by", "who", "why"),
    # Whole messages: what is in them is classified by their own fields.
    *("base64", "body", "headers"),
    # Readable by no person.
    *("sealed", "sealed_client_secret", "values"),
}
"""Fields with text that say nothing of a guest, or only that there is one."""


class _Recorder:
    """Takes the place of a store: keeps what is opened."""

    def __init__(self) -> None:
        self.opened: dict[str, type[BaseModel]] = {}

    def documents(self, name: str, state_type: type[BaseModel], indexed: tuple[str, ...] = ()) -> Any:
        self.opened[name] = state_type
        return self

    records = documents
    parked = None

    def __getattr__(self, _name: str) -> Any:
        return None


def opened() -> dict[str, type[BaseModel]]:
    """The collections by name, with what is stored in them."""
    store: Any = _Recorder()
    DeadLetters(store, store), Plans(store), Claims(store), ExtrasStore(store), PaymentStore(store)
    NotificationStore(store), WebhookStore(store)
    RunningSettings(store)
    ledgers_in(store)
    return {**store.opened, "audit_log": AuditEntry}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _holds_text(annotation: Any) -> bool:
    if get_origin(annotation) is Literal:
        return False
    if hasattr(annotation, "__supertype__"):
        return _holds_text(annotation.__supertype__)
    if get_args(annotation) or isinstance(annotation, UnionType):
        return any(map(_holds_text, get_args(annotation)))
    return annotation in (str, bytes, Any)


def texts_of(*roots: type[BaseModel]) -> dict[str, str]:
    """The fields with text of these models and of all within them, each with a model that has it."""
    found: dict[str, str] = {}
    seen, left = set[type[BaseModel]](), list(roots)
    while left:
        model = left.pop()
        if model in seen:
            continue
        seen.add(model)
        for name, field in model.model_fields.items():
            left += _models(field.annotation)
            if _holds_text(field.annotation):
                found[name] = model.__name__
    return found


def rows_of(heading: str) -> list[list[str]]:
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:3] == "| `"]


def test_the_page_names_every_collection() -> None:
    named = {name for row in rows_of("Where something of a guest is stored") for name in re.findall(r"`(\w+)`", row[0])}
    in_source = {name for file in SHIPPED for name in _OPENS.findall(file.read_text())}

    assert named - {"log"} == set(opened()) | in_source
    assert in_source - {"write_checks"} <= set(opened())


def test_every_field_with_text_is_known_to_say_something_of_a_guest_or_nothing() -> None:
    texts = texts_of(*Message.kinds.values(), *opened().values())

    unclassified = {name: model for name, model in texts.items() if name not in FIELDS and name not in NOT_PERSONAL}
    assert unclassified == {}
    assert FIELDS.keys() <= texts.keys()
    assert texts.keys() - FIELDS.keys() >= NOT_PERSONAL


def test_the_page_lists_the_fields_that_say_something_of_a_guest() -> None:
    assert [row[0].strip("`") for row in rows_of("Fields")] == list(FIELDS)


@pytest.mark.parametrize("annotation", [str, str | None, tuple[str, ...], dict[str, str], bytes])
def test_a_new_field_with_text_is_found(annotation: Any) -> None:
    class Inner(BaseModel):
        nickname: annotation

    class Outer(State):
        inner: tuple[Inner, ...] = ()

    assert texts_of(Outer) == {"nickname": "Inner"}
