"""Bugs planted into the services' code for the time of a run, to see that the simulation finds them."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from pymongo import ReadPreference

import chassis.storage.store
import chassis.storage.write_path
import notifications.keeper
import psp_adapter.stripe_api
import webhooks.feed.decide
import webhooks.http
from chassis.decision import Applied
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import Consumer
from chassis.messaging.envelope import Envelope
from chassis.runtime.waiting import Waiting
from chassis.storage.store import MongoDocuments as Documents
from chassis.storage.stored_document import Stored, document_of
from chassis.storage.write_path import WritePath
from chassis.web import problems
from contracts.money import Money
from contracts.orders import OrderConfirmed
from contracts.psp import CapturePspSession, CreatePspSession
from extras_service.order.state import Order
from extras_service.stock.holds import StockKeeper
from notifications.mail.inputs import Answer, MailWanted
from notifications.smtp import Said, Session
from psp_adapter.accounts import Account
from psp_adapter.handlers import AdapterHandlers
from psp_adapter.stripe_api import StripeApi
from webhooks.dispatcher import Dispatcher
from webhooks.feed.state import WebhookEntry

Bug = Callable[[], AbstractContextManager[Any]]


def publishes_before_it_writes() -> AbstractContextManager[Any]:
    """The outbox leaves before the document that decided it is stored."""
    write = Documents.write
    publisher: dict[int, WritePath[Any, Any]] = {}
    init = WritePath.__init__

    def initialised(path: WritePath[Any, Any], documents: Any, *args: Any, **named: Any) -> None:
        init(path, documents, *args, **named)
        publisher[id(documents)] = path

    async def written(documents: Documents[Any], new: Stored[Any], **named: Any) -> bool:
        for envelope in new.outbox:
            await publisher[id(documents)]._bus.publish(envelope)
        return bool(await write(documents, new, **named))

    return _all(patch.object(WritePath, "__init__", initialised), patch.object(Documents, "write", written))


def acknowledges_first() -> AbstractContextManager[Any]:
    """A message is acknowledged before its effect is stored."""
    handle = Consumer.__call__

    async def handled(consumer: Consumer, message: Any) -> None:
        await message.ack()
        settled = _Settled(message)
        await handle(consumer, settled)  # type: ignore[arg-type]

    return patch.object(Consumer, "__call__", handled)


class _Settled:
    """A message that has been acknowledged already."""

    def __init__(self, message: Any) -> None:
        self._message = message

    def __getattr__(self, name: str) -> Any:
        return getattr(self._message, name)

    async def ack(self) -> None:
        """It is."""

    async def nack(self, requeue: bool = True) -> None:
        """Too late."""


def ignores_versions() -> AbstractContextManager[Any]:
    """A write replaces whatever is there."""

    async def written(documents: Documents[Any], new: Stored[Any], *, now: Any, due_at: Any) -> bool:
        async with documents._asked("writing", "write"):
            await documents._collection.update_one(
                {"_id": new.id}, {"$set": document_of(new, now, due_at)}, upsert=True
            )
        return True

    return patch.object(Documents, "write", written)


def remembers_no_message() -> AbstractContextManager[Any]:
    """A document does not know which messages it has handled."""
    next_of = WritePath._next

    def forgetful(path: WritePath[Any, Any], *args: Any) -> Stored[Any]:
        return replace(next_of(path, *args), handled=())

    return patch.object(WritePath, "_next", forgetful)


def relays_nothing() -> AbstractContextManager[Any]:
    """What a crash left in an outbox stays there."""

    async def relay(_path: WritePath[Any, Any]) -> int:
        return 0

    return patch.object(WritePath, "relay", relay)


def opens_sessions_under_one_key() -> AbstractContextManager[Any]:
    """The idempotency key of a session is the payment's, whichever session it is."""
    beyond = psp_adapter.stripe_api._beyond_stored_failures

    async def asked(create: Callable[[str], Awaitable[Any]], key: str) -> Any:
        return await beyond(create, key.rpartition(":")[0] if key.startswith("session:") else key)

    return patch.object(psp_adapter.stripe_api, "_beyond_stored_failures", asked)


def refunds_without_looking() -> AbstractContextManager[Any]:
    """A refund is made without looking for one that was made before."""

    async def find_refund(_api: StripeApi, _command: Any) -> None:
        return None

    return patch.object(StripeApi, "find_refund", find_refund)


def stops_a_sweep_at_an_error() -> AbstractContextManager[Any]:
    """One document that cannot be read ends the sweep of all others."""

    @contextmanager
    def all_or_nothing(_document_id: str) -> Iterator[None]:
        yield

    return patch.object(chassis.storage.write_path, "others_go_on", all_or_nothing)


def believes_stale_reads() -> AbstractContextManager[Any]:
    """Documents are read from whichever member answers first."""
    near = SimpleNamespace(PRIMARY=ReadPreference.NEAREST)
    return patch.object(chassis.storage.store, "ReadPreference", near)


def releases_without_reading_the_order() -> AbstractContextManager[Any]:
    """A hold that has lapsed goes, whatever its order says."""
    recheck = StockKeeper._recheck
    blind = SimpleNamespace(load=_nothing)

    async def released(keeper: StockKeeper, *args: Any) -> None:
        await recheck(replace(keeper, orders=blind), *args)

    return patch.object(StockKeeper, "_recheck", released)


async def _nothing(_document_id: str) -> None:
    return None


def sends_an_outbox_once() -> AbstractContextManager[Any]:
    """The next write does not take over what is still unsent."""
    next_of = WritePath._next

    def without(path: WritePath[Any, Any], stored: Any, *args: Any) -> Stored[Any]:
        new = next_of(path, stored, *args)
        return replace(new, outbox=new.outbox[len(path._unsent(stored)) if stored is not None else 0 :])

    return patch.object(WritePath, "_next", without)


def counts_nothing_that_waits() -> AbstractContextManager[Any]:
    """The gauges of what waits are never updated."""
    return patch.object(Waiting, "_update", _nothing_to_count)


async def _nothing_to_count(_waiting: Waiting, _what: str) -> None:
    return None


def refuses_with_any_status() -> AbstractContextManager[Any]:
    """Every refusal of a service is answered with 422, whatever docs/openapi.json says of it."""
    return patch.object(problems, "_STATUS_OF_REASON", {})


def confirms_under_two_ids() -> AbstractContextManager[Any]:
    """Each confirmation of an order leaves twice, and nothing says that both are one."""
    publish = Bus.publish

    async def published(bus: Bus, envelope: Envelope, **named: Any) -> None:
        await publish(bus, envelope, **named)
        if envelope.kind == OrderConfirmed.wire_kind():
            await publish(bus, replace(envelope, message_id=f"{envelope.message_id}.again"), **named)

    return patch.object(Bus, "publish", published)


def captures_what_was_taken_out() -> AbstractContextManager[Any]:
    """All that was authorised is captured, whatever staff have taken out of the order."""
    capture = StripeApi.capture_session

    async def captured(api: StripeApi, command: CapturePspSession) -> Any:
        intent = await api.client.v1.payment_intents.retrieve_async(command.psp_reference)
        whole = Money(amount=intent.amount, currency=command.amount.currency)
        return await capture(api, command.model_copy(update={"amount": whole}))

    return patch.object(StripeApi, "capture_session", captured)


def hands_a_mail_over_again() -> AbstractContextManager[Any]:
    """A mail whose answer was lost is handed over again, as one that the mail server has put off."""
    hand_over = Session.hand_over

    async def handed_over(session: Session, message: bytes) -> Said:
        said = await hand_over(session, message)
        return replace(said, answer=Answer.DEFERRED) if said.answer is Answer.UNCERTAIN else said

    return patch.object(Session, "hand_over", handed_over)


def dates_news_by_their_arrival() -> AbstractContextManager[Any]:
    """What an event says is news from when it arrives, not from when it was sent."""
    return patch.object(notifications.keeper, "MailWanted", lambda wanted, _sent_at: MailWanted(wanted, None))


def charges_at_the_default_account() -> AbstractContextManager[Any]:
    """A session is opened at the default account, whichever one the command names."""
    create = AdapterHandlers._create_session

    async def created(handlers: AdapterHandlers, account: Account, command: CreatePspSession) -> Any:
        return await create(handlers, replace(handlers.accounts.default, name=account.name), command)

    return patch.object(AdapterHandlers, "_create_session", created)


def takes_any_answer_for_taken() -> AbstractContextManager[Any]:
    """A webhook counts as delivered once its receiver has answered anything."""
    said = webhooks.http._said
    return patch.object(webhooks.http, "_said", lambda _status, headers: said(200, headers))


def writes_a_body_at_each_attempt() -> AbstractContextManager[Any]:
    """Each attempt of a webhook describes the order as it is by then."""
    body_of, begun = Dispatcher._body, webhooks.feed.decide._begun

    async def described(dispatcher: Dispatcher, subscriber: Any, feed: Any, entry: WebhookEntry) -> Any:
        return await body_of(dispatcher, subscriber, feed, entry.model_copy(update={"body": None}))

    def begun_again(feed: Any, entry: WebhookEntry, message: Any, now: Any) -> Any:
        decision = begun(feed, entry, message, now)
        if not isinstance(decision, Applied):
            return decision
        tried = decision.state.entry(entry.webhook_id)
        assert tried is not None
        entries = webhooks.feed.decide._replaced(
            decision.state.entries, tried.model_copy(update={"body": message.body})
        )
        return replace(decision, state=decision.state.model_copy(update={"entries": entries}))

    return _all(patch.object(Dispatcher, "_body", described), patch.object(webhooks.feed.decide, "_begun", begun_again))


def needs_no_person() -> AbstractContextManager[Any]:
    """Reviews and failed refunds are not marked for the gauges."""
    return patch.object(Order, "needs_attention", property(lambda _order: False))


def keeps_every_state() -> AbstractContextManager[Any]:
    """The history of an order has whole states."""
    return patch.object(Order, "summary", property(lambda order: order.model_dump_json()))


@contextmanager
def _all(*patches: AbstractContextManager[Any]) -> Iterator[None]:
    for each in patches:
        each.__enter__()
    try:
        yield
    finally:
        for each in reversed(patches):
            each.__exit__(None, None, None)


BUGS: Mapping[str, Bug] = {
    bug.__name__: bug
    for bug in (
        publishes_before_it_writes,
        acknowledges_first,
        ignores_versions,
        remembers_no_message,
        relays_nothing,
        opens_sessions_under_one_key,
        refunds_without_looking,
        stops_a_sweep_at_an_error,
        believes_stale_reads,
        releases_without_reading_the_order,
        sends_an_outbox_once,
        needs_no_person,
        keeps_every_state,
        captures_what_was_taken_out,
        hands_a_mail_over_again,
        dates_news_by_their_arrival,
        takes_any_answer_for_taken,
        writes_a_body_at_each_attempt,
        charges_at_the_default_account,
        confirms_under_two_ids,
        refuses_with_any_status,
        counts_nothing_that_waits,
    )
}
