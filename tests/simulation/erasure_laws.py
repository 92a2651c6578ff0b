"""What must be true of guests that operators have erased: they are found nowhere but where an order is still open."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chassis.personal_data import Erasure
from contracts.erasure import EraseOrder, ErasePayment, OrderErased
from contracts.ids import OrderId, payment_id_of
from contracts.mail import ForgetContact
from extras_service.order.erasure import why_open
from extras_service.order.state import Order
from tests.simulation.books import orders_of
from tests.simulation.mail import address_of

if TYPE_CHECKING:
    from tests.simulation.store.queries import Document
    from tests.simulation.world import World

_OF_OPERATORS = ("dead_letters", "replay_items")
"""Collections of messages that operators have to do with."""
_BY_AN_ERASURE = {each.wire_kind() for each in (EraseOrder, ErasePayment, OrderErased, ForgetContact)}


def _erased_orders(world: "World") -> dict[OrderId, Order]:
    """The orders of the guests that operators have erased."""
    guests = world.shift.erased if world.shift is not None else {}
    known, mine = orders_of(world), [each.order_id for each in world.people.orders if each.guest in guests]
    return {each: Order.model_validate(known[each]) for each in mine if each in known}


def who_is_erased_is_found_nowhere(world: "World") -> Iterator[str]:
    """By id, reservation or address, in any document that is not about an order that is still open."""
    now = datetime.fromtimestamp(world.loop.unix_time(), UTC)
    orders = _erased_orders(world)
    is_open = {each for each, order in orders.items() if order.erased_at is None and why_open(order, now) is not None}
    for order_id, order in orders.items():
        if order.erased_at is None and (order_id not in is_open or order.erasure is None):
            yield f"{order_id} ({order.summary}) has not forgotten its guest"
    about_open = re.compile(
        "|".join(sorted({part for each in is_open for part in (each, payment_id_of(each))})) or "$."
    )
    guests = world.shift.erased if world.shift is not None else {}
    names = {
        name for each in guests for name in (each.guest_id, each.reservation_id, address_of(each.guest_id)) if name
    }
    if not names:
        return
    named = re.compile(rf"\b({'|'.join(map(re.escape, sorted(names)))})\b")
    for collection in world.store.collections:
        for document_id, document in collection.documents.items():
            text = str(document)
            if (found := named.search(text)) and not about_open.search(text):
                yield f"{document_id} in {collection.name} names {found[1]}: {text[max(0, found.start() - 80) :][:160]}"


def nothing_that_was_typed_is_left_of_the_erased(world: "World") -> Iterator[str]:
    """Another erasure of what is stored about an order that has forgotten its guest would change nothing."""
    for order_id, order in _erased_orders(world).items():
        if order.erased_at is None or order.erasure is None:
            continue
        erasure = Erasure(order.erasure, order.guest.property_id, order.erasure)
        for name, document_id in (("orders", order_id), ("payments", payment_id_of(order_id))):
            document = world.collection(name).documents.get(document_id)
            if document is not None and erasure.of(document["state"]) != document["state"]:
                yield f"{document_id} still has a text of its guest"
        for name in _OF_OPERATORS:
            for document in world.collection(name).documents.values():
                if document["message"].get("order_id") == order_id and _has_text(document, erasure):
                    yield f"{document['_id']} in {name} still has a text of the guest of {order_id}"


def _has_text(document: "Document", erasure: Erasure) -> bool:
    try:
        body: Any = json.loads(document["message"]["body"])
    except ValueError:
        return False  # its names are searched for by the other law
    return bool(erasure.of(body) != body)


def an_erasure_moves_no_money(world: "World") -> Iterator[str]:
    """What follows from its commands are erasures of payments, and reports."""
    for wire in world.broker.streams["log"]:
        if (wire.correlation_id or "").startswith("erase.") and wire.type not in _BY_AN_ERASURE:
            yield f"{wire.type} {wire.message_id} follows from an erasure"
