"""Collects the messages and documents of one order."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from chassis.decision import StateT
from chassis.runtime.metrics import Metrics
from chassis.storage.documents import DocumentStore
from chassis.storage.history import Transition
from chassis.storage.stored_document import Stored
from contracts.ids import OrderId, payment_id_of
from extras_service.collections import ExtrasStore
from extras_service.order.state import Order
from extras_service.stock.state import stock_id
from notifications.collections import NotificationStore
from ops.core.message_log import excerpt
from ops.core.message_log.excerpt import Excerpt
from ops.core.message_log.gaps import Gaps
from ops.core.message_log.stream import LogStream, NoLogError
from ops.core.messages import RecordedMessage
from ops.core.order_actions import sentences_of
from ops.core.target import Target
from ops.core.trace.assemble import DocumentHistory, build_story
from ops.core.trace.causal_order import in_causal_order
from ops.core.trace.model import Participant, Story
from payment_service.collections import PaymentStore
from webhooks.collections import WebhookStore

_ID = re.compile(r"(?:ord|pay)_([a-z0-9]+)")
_MOST_MAILS, _MOST_FEEDS = 50, 50
_BEFORE = timedelta(minutes=1)
"""How much earlier than an order's creation its first message may have been sent: clocks differ, and retries wait."""


class UnknownOrderError(Exception):
    """No document and no message is about this id."""


Read = Callable[[Excerpt], AsyncGenerator[RecordedMessage, None]]
"""Reads a part of the log. Raises NoLogError."""


async def story_of(target: Target, wanted: str, *, whole_log: bool = False) -> Story:
    """The story of an order, by its id or its payment's. Raises UnknownOrderError.

    `whole_log`: read the log since the order's beginning, even where that is more than a second's work.
    """
    store = target.store(Metrics("trace"))
    try:
        return await story_in(store, partial(_logged, target), wanted, whole_log=whole_log)
    finally:
        store.close()


async def story_in(store: DocumentStore, read: Read, wanted: str, *, whole_log: bool = False) -> Story:
    """The same, from this store and this log."""
    order_id = order_id_of(wanted)
    order = await ExtrasStore(store).orders.load(order_id)
    documents = [document async for document in _documents(store, order_id, order)]
    wanted_of_log = Excerpt(
        order.state.created_at - _BEFORE if order else "first", _times(order, order_id, documents), is_whole=whole_log
    )
    gaps = list[str]()
    try:
        messages = await _messages(read(wanted_of_log), order_id, gaps)
    except NoLogError as missing:
        messages = []
        wanted_of_log.remarks.append(str(missing))
    if not documents and not messages:
        nothing = f"Nothing is known of {wanted}: no document, and no message of the last 7 days, is about it."
        raise UnknownOrderError(" ".join((nothing, *wanted_of_log.remarks)))
    ours = _of_this_order(order_id, documents, messages)
    return build_story(
        order_id,
        messages,
        ours,
        [*wanted_of_log.remarks, *gaps, *_missing(order, messages, ours)],
        sentences_of(order.state) if order else (),
    )


def order_id_of(wanted: str) -> OrderId:
    """The order that an id means. Raises UnknownOrderError for what is neither an order's nor a payment's id."""
    found = _ID.fullmatch(wanted.strip())
    if found is None:
        raise UnknownOrderError(f"{wanted!r} is not the id of an order (ord_…) or a payment (pay_…).")
    return OrderId(f"ord_{found.group(1)}")


async def _logged(target: Target, wanted: Excerpt) -> AsyncGenerator[RecordedMessage, None]:
    async with target.connection() as connection, aclosing(excerpt.read(LogStream(connection), wanted)) as log:
        async for seen in log:
            yield seen


def _times(order: Stored[Order] | None, order_id: OrderId, documents: Sequence[DocumentHistory]) -> list[datetime]:
    """When something happened to the order, as far as its documents know."""
    changes = (
        change.at
        for document in documents
        for change in document.history
        if not document.is_shared or order_id in change.message_id
    )
    actions = (action.at for action in order.state.actions) if order else ()
    return [*([order.state.created_at] if order else ()), *changes, *actions]


async def _messages(
    logged: AsyncGenerator[RecordedMessage, None], order_id: str, missing: list[str]
) -> list[RecordedMessage]:
    """All messages about the order, and related ones without an order id that caused or followed them.

    The gaps of the log are added to `missing`.
    """
    about: list[RecordedMessage] = []
    about_none: list[RecordedMessage] = []
    ranges, expected = [Gaps()], None
    async with aclosing(logged) as log:
        async for seen in log:
            if expected is not None and seen.offset != expected:
                ranges.append(Gaps())  # what came between was not read
            expected = None if seen.offset is None else seen.offset + 1
            ranges[-1].see(seen)
            if seen.order_id == order_id:
                about.append(seen)
            elif seen.order_id is None:
                about_none.append(seen)
    missing.extend(sentence for gaps in ranges for sentence in gaps.sentences())
    ids = {seen.message_id for seen in about}
    causes = {seen.causation_id for seen in about}
    actions = {seen.correlation_id for seen in about}
    connected = [
        seen
        for seen in about_none
        if seen.message_id in causes or seen.causation_id in ids or seen.correlation_id in actions
    ]
    return in_causal_order(sorted((*about, *connected), key=lambda seen: seen.offset or 0))


async def _documents(
    store: DocumentStore, order_id: OrderId, order: Stored[Order] | None
) -> AsyncIterator[DocumentHistory]:
    if order is not None:
        yield _kept(Participant.EXTRAS, "order", order)
    payment = await PaymentStore(store).payments.load(payment_id_of(order_id))
    if payment is not None:
        yield _kept(Participant.PAYMENTS, "payment", payment)
    mails = NotificationStore(store).mails
    for mail_id in await mails.ids_of(_MOST_MAILS, order_id=order_id):
        mail = await mails.load(mail_id)
        if mail is not None:
            yield _kept(Participant.MAIL, f"e-mail {mail.state.wanted.template}", mail)
    feeds = WebhookStore(store).feeds
    for feed_id in await feeds.ids_of(_MOST_FEEDS, order_id=order_id):
        feed = await feeds.load(feed_id)
        if feed is not None:
            yield _kept(Participant.WEBHOOKS, f"webhooks to {feed.state.subscriber_id}", feed)
    lines = order.state.lines if order else ()
    for extra_id, day, slot in dict.fromkeys((line.extra_id, line.day, line.slot) for line in lines):
        if day is None:
            continue
        stock = await ExtrasStore(store).stock.load(stock_id(extra_id, day, slot))
        if stock is not None:
            yield _kept(
                Participant.EXTRAS, f"{extra_id} on {day}{f' at {slot}' if slot else ''}", stock, is_shared=True
            )


def _kept(owner: Participant, name: str, stored: Stored[StateT], *, is_shared: bool = False) -> DocumentHistory:
    return DocumentHistory(owner, stored.id, name, stored.state.summary, stored.whole_history, is_shared)


def _of_this_order(
    order_id: str, documents: Sequence[DocumentHistory], messages: Sequence[RecordedMessage]
) -> list[DocumentHistory]:
    """The documents; those shared by many orders only with the changes of this one."""
    ids = {seen.message_id for seen in messages}
    ids |= {change.message_id for document in documents if not document.is_shared for change in document.history}

    def is_ours(change: Transition) -> bool:
        return order_id in change.message_id or any(change.message_id.startswith(f"{name}.") for name in ids)

    return [
        replace(document, history=tuple(filter(is_ours, document.history))) if document.is_shared else document
        for document in documents
    ]


def _missing(
    order: Stored[Order] | None, messages: Sequence[RecordedMessage], documents: Sequence[DocumentHistory]
) -> Iterator[str]:
    """The gaps of the story, in sentences."""
    if order is None:
        yield "No order is stored: it was refused, or its message is parked or still on its way."
    elif not messages:
        yield "The log has no messages of it any more: this is from its documents' histories."
    for document in documents:
        if document.forgotten:
            yield f"The {document.name} changed {document.forgotten} times before its recorded history."
        if not document.history and not document.is_shared:
            yield f"The {document.name} has no history: it last changed before histories were kept."
