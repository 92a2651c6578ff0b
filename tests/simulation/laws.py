"""What must be true, by the PSP's own books, the broker's queues and the stored documents, never by a service's word.

A law takes the world at rest and yields a sentence for each thing that breaks it.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from contracts.catalogue import ExtraChanged, ExtraDefined
from contracts.ids import OrderId, payment_id_of
from contracts.psp import PspSessionCreated
from tests.simulation import alarms, attention, erasure_laws, letters, mail_laws, outages, receipt_laws, webhook_laws
from tests.simulation.books import STORED, UNREADABLE, Books, books_of, given_outside, orders_of

if TYPE_CHECKING:
    from tests.simulation.people import Order
    from tests.simulation.world import World

FINAL = frozenset({"confirmed", "fulfilled", "expired", "cancelled", "declined", "needs_review"})
"""In a review a person has the word: final as far as the services can tell."""
KEPT = frozenset({"confirmed", "fulfilled"})
CLOSED = frozenset({"expired", "cancelled", "declined"})
_LONGEST = 100

Law = Callable[["World"], Iterator[str]]


def statuses(world: "World") -> Counter[str]:
    return Counter(state["status"] for state in orders_of(world).values())


def open_ends(world: "World") -> list[str]:
    """What is still on its way. Nothing, at rest."""
    found = [f"{each.order_id} is being lived through" for each in world.people.orders if not each.is_done]
    for queue in world.broker.queues.values():
        if queue.depth and not queue.name.endswith(letters.DEAD) and not queue.is_exclusive:
            found.append(f"{queue.depth} messages in {queue.name}")
    for name in STORED:
        unsent = [str(each) for each, raw in world.collection(name).documents.items() if raw.get("outbox")]
        unsent = [each for each in unsent if each not in UNREADABLE]
        if unsent:
            found.append(f"unsent messages in {', '.join(sorted(unsent)[:3])}")
    found += [
        f"{each} is {state['status']}" for each, state in orders_of(world).items() if state["status"] not in FINAL
    ]
    if world.shift is not None:
        found += letters.undecided(world)
    found += mail_laws.being_sent(world)
    found += webhook_laws.waiting(world)
    if world.restores.is_going_on:
        found.append("a store is being restored")
    if deliveries := list(world.psp.all("deliveries")):
        found.append(f"{len(deliveries)} webhooks on their way")
    if world.psp.pending:
        found.append(f"{world.psp.pending} steps at the PSP are still to come")
    found += _unread_events(world)
    timers = [timer["kind"] for timer in world.psp.all("timers")]
    moving = [kind for kind in timers if kind not in ("authorisation", "dispute", "voucher")]
    if moving:
        found.append(f"the PSP is still settling {len(moving)} payments and refunds")
    return found


def _unread_events(world: "World") -> Iterator[str]:
    """Events of the PSP that a backfill has not passed yet: a webhook that was dropped is known by it alone."""
    sweeps = {raw["state"]["psp_account"]: raw for raw in world.collection("psp_sweeps").documents.values()}
    for account in world.psp.accounts:
        newest = max((each["created"] for each in account.state.events.values()), default=0)
        raw = sweeps.get(account.name)
        if raw is not None and datetime.fromisoformat(raw["state"]["since"]).timestamp() <= newest:
            yield f"the newest event at the PSP has not been read: {account.name}"


def differences(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> Iterator[str]:
    """What a replay of the whole log has changed."""
    for order_id in {**before, **after}:
        was, is_now = before.get(order_id, {}), after.get(order_id, {})
        differs = [name for name in is_now if was.get(name) != is_now[name]]
        if differs:
            shown = "; ".join(f"{name}: {_short(was.get(name))} -> {_short(is_now[name])}" for name in differs)
            yield f"replaying the log changes nothing: {order_id}: {shown}"


def _short(value: object) -> str:
    """Enough of it to see what it is about."""
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def every_acknowledged_order_is_final(world: "World") -> Iterator[str]:
    known = orders_of(world)
    for order in world.people.orders:
        status = known[order.order_id]["status"] if order.order_id in known else "gone"
        if order.acknowledged and status not in FINAL and not (status == "gone" and _may_be_gone(world, order)):
            yield f"{order.order_id} was acknowledged and is {status}"


def _may_be_gone(world: "World", order: "Order") -> bool:
    """Of a place that was scarce, and placed after the backup of a store that was restored: the log has the commands as
    they were sent, and another order may have got the place. What was paid for is another law's."""
    return any(line.day for line in order.plan.lines) and str(order.order_id) in world.restores.reverted


def no_guest_is_charged_twice(world: "World") -> Iterator[str]:
    known = orders_of(world)
    for order_id, book in books_of(world).items():
        state = known.get(order_id)
        if state is None:
            yield f"{order_id}: money for an order that is not known: {book}"
        elif state["status"] != "needs_review" and book.held > state["total"]["amount"]:
            yield f"{order_id} ({state['status']}) costs {state['total']['amount']}: {book}"


def the_money_is_where_the_order_says(world: "World") -> Iterator[str]:
    books = books_of(world)
    for order_id, state in orders_of(world).items():
        book, total = books.get(order_id, Books()), state["total"]["amount"]
        reported = (state.get("refunded") or {"amount": 0})["amount"]
        status, payment = state["status"], state["payment_status"]
        if book.disputed and status in KEPT:
            continue  # the bank decides; `only_what_was_asked_for_is_refunded` still holds
        if status in KEPT and not state["accepted"] and (book.held != total - reported or not book.captured):
            yield f"{order_id} is {status}/{payment}, {reported} refunded of {total}: {book}"
        if status in CLOSED and book.held > given_outside(state) and not _is_seen(state):
            yield f"{order_id} is {status}/{payment} and the PSP still holds {book.held}: {book}"
        if status in CLOSED and book.held < 0 and not book.disputed and not state["accepted"]:
            yield f"{order_id} is {status} and its guest has {-book.held} too much: {book}"


def _is_seen(state: dict[str, Any]) -> bool:
    """Staff see a refund that failed, or a dispute that blocks it."""
    stages = [each.get("stage") for each in state.get("refunds", ())]
    return "failed" in stages or bool(state.get("open_disputes")) or bool(state.get("disputes"))


def only_what_was_asked_for_is_refunded(world: "World") -> Iterator[str]:
    known = orders_of(world)
    for order_id, book in books_of(world).items():
        state = known.get(order_id, {})
        doubled = set(state.get("doubled_refunds", ()))
        for refund_id, amounts in book.refunds.items():
            if len(amounts) > 1 and refund_id not in doubled:
                yield f"{order_id}: {refund_id} was refunded {len(amounts)} times: {book}"


def a_closed_order_cannot_be_paid(world: "World") -> Iterator[str]:
    """By a session that was named to the payment; the client secret of any other never left the adapter."""
    books, named = books_of(world), _named_sessions(world)
    for order_id, state in orders_of(world).items():
        book = books.get(order_id)
        is_open = book is not None and any(each.partition(" ")[0] in named for each in book.open)
        if state["status"] in FINAL - {"needs_review"} and is_open:
            yield f"{order_id} is {state['status']} and could still be paid: {book}"


def money_moves_at_the_payments_account(world: "World") -> Iterator[str]:
    """A payment keeps it, whatever account the property names later."""
    payments = {raw["state"]["order_id"]: raw["state"] for raw in world.collection("payments").documents.values()}
    for order_id, book in books_of(world).items():
        own = payments[order_id]["psp_account"] if order_id in payments else None
        if own is not None and book.accounts - {own}:
            yield f"{order_id} is paid at {own}, and {', '.join(sorted(book.accounts))} have money of it: {book}"


def an_order_is_paid_at_the_account_of_its_property(world: "World") -> Iterator[str]:
    """Unless it was placed again, after its store went back."""
    payments = world.collection("payments").documents
    for order_id, state in orders_of(world).items():
        payment = payments.get(payment_id_of(OrderId(order_id)))
        if payment is None or order_id in world.restores.reverted:
            continue
        if payment["state"]["psp_account"] != state["psp_account"]:
            yield f"{order_id} is of {state['psp_account']}, and its payment of {payment['state']['psp_account']}"


def nothing_is_captured_without_approval(world: "World") -> Iterator[str]:
    """Of what was authorised first: unless a person looks at it, or the store that knew of the approval went back."""
    books = books_of(world)
    for order_id, state in orders_of(world).items():
        is_approved = any(action["action"] == "approved" for action in state["actions"])
        is_known = is_approved or state["status"] == "needs_review" or state["accepted"]
        if order_id in books and books[order_id].captured_later and not is_known and not world.restores.number:
            yield f"{order_id} is {state['status']}, was captured and never approved: {books[order_id]}"


def nothing_is_authorised_at_rest(world: "World") -> Iterator[str]:
    """On an order that is decided."""
    books, named = books_of(world), _named_sessions(world)
    for order_id, state in orders_of(world).items():
        reserved = [each for each in books.get(order_id, Books()).authorised if each.partition(" ")[0] in named]
        if reserved and state["status"] in FINAL - {"needs_review"}:
            yield f"{order_id} is {state['status']} and {', '.join(reserved)} still reserves its guest's money"


def _named_sessions(world: "World") -> set[str]:
    return {body["psp_reference"] for body in _bodies(world, PspSessionCreated.wire_kind())}


def who_paid_has_the_order_or_the_money(world: "World") -> Iterator[str]:
    known, books = orders_of(world), books_of(world)
    for order in world.people.orders:
        state = known.get(order.order_id)
        if order.told_paid and state is not None and not books[order.order_id].captured:
            yield f"{order.order_id}: its guest was shown that it is paid, and the PSP has nothing"
        if state is not None and order.given_up and state["status"] in KEPT and not state["accepted"]:
            yield f"{order.order_id} was cancelled and is {state['status']}"


def who_wants_to_pay_can(world: "World") -> Iterator[str]:
    for order in world.people.orders:
        if order.is_stuck and not letters.about(world, order.order_id):
            yield f"{order.order_id}: its guest is given a cancelled session again and again: {order.seen}"


def no_idempotency_key_means_two_things(world: "World") -> Iterator[str]:
    yield from world.psp.contradicted


def _bodies(world: "World", kind: str) -> Iterator[dict[str, Any]]:
    """What was published of this kind."""
    for wire in world.broker.streams["log"]:
        if wire.type == kind and wire.routing_key.startswith("events."):
            yield json.loads(wire.body)


def nothing_is_sold_twice(world: "World") -> Iterator[str]:
    """On a day or in a slot of it, however often the owner has changed how many places there are."""
    limits = _most_places(world)
    for (extra_id, day, slot), number in _sold(world).items():
        limit = limits.get((extra_id, slot))
        if limit is not None and number > limit:
            yield f"{number} of {extra_id} are sold for {day}{f' at {slot}' if slot else ''}; there are {limit}"


def _sold(world: "World") -> Counter[tuple[str, str, str | None]]:
    sold: Counter[tuple[str, str, str | None]] = Counter()
    for state in orders_of(world).values():
        gone = _taken_out(state)
        for number, line in enumerate(state["lines"] if state["status"] in KEPT and not _is_forced(state) else ()):
            if line.get("day") and number not in gone:
                sold[line["extra_id"], line["day"], line.get("slot")] += line["quantity"]
    return sold


def _taken_out(state: dict[str, Any]) -> tuple[int, ...]:
    """The numbers of the lines that staff took out of an order."""
    return tuple((state.get("taken_out") or {"lines": ()})["lines"])


def what_staff_take_out_is_neither_charged_nor_held(world: "World") -> Iterator[str]:
    """Also where a person looks at the order. Restored, it may have been approved again, without other lines."""
    books = books_of(world)
    short = {order_id: state for order_id, state in orders_of(world).items() if _taken_out(state)}
    for order_id, state in short.items():
        book, total = books.get(order_id, Books()), state["total"]["amount"]
        if max(book.captured, default=0) > total and order_id not in world.restores.reverted:
            yield f"{order_id} costs {total} without what was taken out: {book}"
    for raw in world.collection("stock").documents.values():
        stock = raw["state"]
        here = (stock["extra_id"], stock["day"], stock.get("slot"))
        for hold in stock["holds"]:
            state = short.get(hold["order_id"], {"lines": []})
            owed = sum(
                line["quantity"]
                for number, line in enumerate(state["lines"])
                if number not in _taken_out(state) and (line["extra_id"], line.get("day"), line.get("slot")) == here
            )
            if hold["order_id"] in short and hold["quantity"] > owed:
                yield f"{hold['order_id']} needs {owed} of {here} and holds {hold['quantity']}"


def slots_sold(world: "World") -> Counter[str]:
    """The number of places that were sold, by slot."""
    sold = Counter[str]()
    for (_, _, slot), number in _sold(world).items():
        if slot is not None:
            sold[slot] += number
    return sold


def _most_places(world: "World") -> dict[tuple[str, str | None], int | None]:
    """The most that there ever were, by extra and slot."""
    most: dict[tuple[str, str | None], int | None] = {
        (each["_id"], None): each.get("daily_limit") for each in world.collection("extras").documents.values()
    }
    for kind in (ExtraDefined.wire_kind(), ExtraChanged.wire_kind()):
        for body in _bodies(world, kind):
            for slot in body["definition"]["slots"]:
                key = (body["extra_id"], slot["at"])
                most[key] = max(most.get(key) or 0, slot["places"])
    return most


def _is_forced(state: dict[str, Any]) -> bool:
    """Staff have confirmed it although no place was left."""
    return any(action["forced"] for action in state["actions"])


def every_parked_message_says_why(world: "World") -> Iterator[str]:
    for each in letters.parked(world):
        if not (each.headers.get("error_type") and each.headers.get("error")) and "x-death" not in each.headers:
            yield f"{each} without a reason"


_FORESEEN = ("Unavailable", "PublishFailed", "Conflict", "Unconfirmed", "Forbidden", "NotConfirmed", "Simulated")
_FORESEEN_OF_MAIL = ("MailDeferred", "MailRefused", "OrderNotDescribed")
_CAN_COME_EARLY = ("ClosedBeforeCreatedError", "UnknownOrderError", "UnknownPaymentError")
"""What they wait for may be parked itself, or lost with a restored store until the log is replayed."""


def no_bug_has_parked_a_message(world: "World") -> Iterator[str]:
    """A transient error after all retries is bad luck; an unforeseen error is a bug."""
    for each in letters.parked(world):
        error = str(each.headers.get("error_type", "x-death"))
        is_odd = each.message_id.startswith("odd-") and error == "MalformedMessageError"
        if error in _CAN_COME_EARLY and world.shift is not None:
            continue
        if not is_odd and not any(word in error for word in _FORESEEN + _FORESEEN_OF_MAIL):
            said = each.headers.get("error", each.headers.get("x-death"))
            yield f"{each}: {error}: {said}"


def no_queue_has_lost_a_message(world: "World") -> Iterator[str]:
    for queue in world.broker.queues.values():
        if queue.lost:
            yield f"{queue.name} dropped {queue.lost} messages"


_ONCE = (
    "orders.order-confirmed.v1",
    "orders.order-cancelled.v1",
    "orders.order-declined.v1",
    "orders.order-expired.v1",
)


def what_happens_once_is_published_once(world: "World") -> Iterator[str]:
    """By one message id; an order that was under review may be confirmed or cancelled again."""
    reported = defaultdict[tuple[str, str], set[str]](set)
    for wire in world.broker.streams["log"]:
        if wire.type in _ONCE and wire.message_id and wire.routing_key.startswith("events."):
            reported[wire.type, json.loads(wire.body)["order_id"]].add(wire.message_id)
    known = orders_of(world)
    for (kind, order_id), ids in reported.items():
        is_reverted = order_id in world.restores.reverted  # its restored document decides again, by other ids
        if len(ids) > 1 + known.get(order_id, {}).get("reviews", 0) + is_reverted * world.restores.number:
            yield f"{kind} of {order_id} was published under {len(ids)} ids"


def what_is_acknowledged_was_handled(world: "World") -> Iterator[str]:
    yield from world.early


def the_alarms_ring_that_should(world: "World") -> Iterator[str]:
    """And no other one does."""
    scraped = world.scraped
    if scraped is None:
        return  # it never was at rest
    for name, should_ring in alarms.SHOULD_RING.items():
        rings = bool(alarms.rules()[name].condition(scraped, world.loop.time()))
        should = should_ring(world)
        if should is not None and rings != should:
            yield f"{name} rings for nothing" if rings else f"{name} does not ring"


def the_alarms_rang_that_should_have(world: "World") -> Iterator[str]:
    """While faults last, where that is watched, and for as long as each rule says."""
    if world.profile.is_watched:
        yield from outages.wrong_alarms(world)


def the_gateway_answers_as_documented(world: "World") -> Iterator[str]:
    yield from world.browsers.wrong


def what_is_decided_is_published(world: "World") -> Iterator[str]:
    """Every command and event that an outbox has held, whatever was decided next on its document."""
    for message_id, what in world.writes.promised.items():
        if message_id not in world.broker.published:
            yield f"{what} was never published: {message_id}"


def a_message_changes_a_document_once(world: "World") -> Iterator[str]:
    yield from world.writes.repeated


def no_error_went_unseen(world: "World") -> Iterator[str]:
    yield from world.loop.unhandled


LAWS: tuple[Law, ...] = (
    every_acknowledged_order_is_final,
    no_guest_is_charged_twice,
    the_money_is_where_the_order_says,
    only_what_was_asked_for_is_refunded,
    a_closed_order_cannot_be_paid,
    money_moves_at_the_payments_account,
    an_order_is_paid_at_the_account_of_its_property,
    nothing_is_captured_without_approval,
    what_staff_take_out_is_neither_charged_nor_held,
    nothing_is_authorised_at_rest,
    who_paid_has_the_order_or_the_money,
    who_wants_to_pay_can,
    no_idempotency_key_means_two_things,
    nothing_is_sold_twice,
    every_parked_message_says_why,
    no_bug_has_parked_a_message,
    no_queue_has_lost_a_message,
    what_happens_once_is_published_once,
    what_is_acknowledged_was_handled,
    the_alarms_ring_that_should,
    the_alarms_rang_that_should_have,
    the_gateway_answers_as_documented,
    what_is_decided_is_published,
    a_message_changes_a_document_once,
    letters.no_message_is_sent_by_two_plans,
    letters.every_decision_is_in_the_audit_log,
    attention.every_failed_refund_is_seen,
    attention.every_document_is_small,
    receipt_laws.receipts_are_numbered_once_and_without_gaps,
    receipt_laws.receipts_say_what_the_orders_money_says,
    mail_laws.no_mail_is_sent_twice,
    mail_laws.a_mail_is_what_became_of_it,
    mail_laws.a_mail_goes_to_whom_it_is_about,
    mail_laws.who_was_confirmed_has_a_mail,
    *webhook_laws.LAWS,
    erasure_laws.who_is_erased_is_found_nowhere,
    erasure_laws.nothing_that_was_typed_is_left_of_the_erased,
    erasure_laws.an_erasure_moves_no_money,
    no_error_went_unseen,
)


def broken(world: "World") -> list[str]:
    """Every law that does not hold, with what shows it."""
    return [f"{law.__name__.replace('_', ' ')}: {what}" for law in LAWS for what in law(world)]
