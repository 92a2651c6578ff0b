"""What is known of a guest as one document, for the guest to read."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from chassis.messaging.envelope import utc_now
from chassis.storage.audit_log import AuditLog
from contracts.topology import LOG, queue_named
from ops.core.guests.known import Known, known_of
from ops.core.session import OperatorSession

FORMAT = "bellhop guest export 1"
_SEALED = {"session", "sealed_receipt_email", "sealed_client_secret"}
"""Nothing a person can read: ciphertext between services."""
LOG_SECONDS = int(queue_named(LOG).arguments["x-max-age"].rstrip("s"))  # type: ignore[union-attr]


async def export(desk: OperatorSession, guest_id: str, property_id: str, *, who: str, why: str) -> dict[str, Any]:
    """Everything that is known of a guest. Recorded in the audit log, by the orders and without the guest's name.

    Raises StoreUnavailableError.
    """
    known = await known_of(desk, guest_id, property_id)
    subjects = tuple(order.order_id for order in known.orders)
    async with AuditLog(desk.store).recorded("export guest", who, why, subjects, f"property {property_id}") as act:
        act.outcome = summary_of(known)
    return document_of(known, utc_now())


def summary_of(known: Known) -> str:
    """How much is known, in numbers."""
    return (
        f"orders: {len(known.orders)}, dead letters: {len(known.letters)}, "
        f"messages of replay plans: {len(known.planned)}"
    )


def document_of(known: Known, now: datetime) -> dict[str, Any]:
    """The document: what is stored here, and what is held elsewhere."""
    return {
        "format": FORMAT,
        "made_at": now.isoformat(),
        "guest_id": known.guest_id,
        "property_id": known.property_id,
        "contact": known.contact and known.contact.model_dump(mode="json", exclude={"due_at"}),
        "e_mails": [_readable(mail) for mail in known.mails],
        "orders": [_readable(order) for order in known.orders],
        "payments": [_readable(payment) for payment in known.payments],
        "receipts": [receipt.model_dump(mode="json") for filed in known.receipts for receipt in filed.receipts],
        "days_with_places": list(known.holds),
        "dead_letters": [
            {"letter_id": each.letter_id, "stage": each.stage, "kind": each.message.kind, "body": _body(each)}
            for each in known.letters
        ],
        "replay_plans": [
            {"plan_id": each.plan_id, "number": each.number, "kind": each.message.kind, "body": _body(each)}
            for each in known.planned
        ],
        "audit_log": [entry.model_dump(mode="json") for entry in known.audit],
        "held_elsewhere": {
            "psp": list(known.psp_references),
            "message_log": f"every message about these orders, for {LOG_SECONDS // 86_400} days",
        },
    }


def _body(held: Any) -> Any:
    return held.message.readable_body()


def _readable(state: BaseModel) -> Any:
    return _without_sealed(state.model_dump(mode="json"))


def _without_sealed(value: Any) -> Any:
    match value:
        case dict():
            return {
                name: _without_sealed(inner)
                for name, inner in value.items()
                if name not in _SEALED or isinstance(inner, dict)
            }
        case list():
            return [_without_sealed(inner) for inner in value]
        case _:
            return value
