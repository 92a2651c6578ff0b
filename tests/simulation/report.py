"""The report of a history that breaks a law: which one, what was the least that breaks it, and how to see it again."""

import re
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from contracts.topology import LOG
from extras_service.collections import ExtrasStore
from ops.cli.trace_text import lines
from ops.core.message_log.excerpt import Excerpt
from ops.core.messages import RecordedMessage
from ops.core.trace.collect import UnknownOrderError, order_id_of, story_in
from ops.core.trace.model import Story
from payment_service.collections import PaymentStore
from tests.simulation.broker.messages import Held, Wire
from tests.simulation.broker.underlay import IncomingMessage
from tests.simulation.loop import START
from tests.simulation.recording import clock
from tests.support.fake_store import FakeDocuments, FakeStore

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.simulation.world import Outcome, World

T = TypeVar("T")

_SHOWN = 10
_LOG_LINES = 80
_LONGEST = 240
_LONGEST_LAW = 500
_ACCOUNTS = 3
"""Orders of which the report has an account."""
_ID = re.compile(r"(?:ord|pay|ref)_([a-z0-9]{10,})")


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of one order at the end of its history."""

    story: Story | None
    """As `bellhop trace` puts it together; None where neither a document nor a message is about it."""
    at_the_psp: tuple[str, ...]
    """The PSP's own events, those included whose webhooks were lost, and what it holds now."""


def accounts_of(world: "World", broken: Iterable[str]) -> dict[str, Account]:
    """Of the orders that the broken laws name; where they name none, of the few that there are."""
    named = dict.fromkeys(f"ord_{each}" for said in broken for each in _ID.findall(said))
    known = dict.fromkeys(str(order.order_id) for order in world.people.orders)
    chosen = [each for each in named if each in known] or list(known)
    return {each: Account(_story_of(world, each), tuple(_at_the_psp(world, each))) for each in chosen[:_ACCOUNTS]}


def _story_of(world: "World", order_id: str) -> Story | None:
    store = FakeStore()
    ExtrasStore(store), PaymentStore(store)
    for name, documents in store.of.items():
        if isinstance(documents, FakeDocuments):
            documents.raw = world.collection(name).documents

    async def read(_all: Excerpt) -> "AsyncGenerator[RecordedMessage, None]":
        for offset, wire in enumerate(world.broker.streams[LOG]):
            yield _recorded(wire, offset)

    try:
        return _at_once(story_in(store, read, order_id_of(order_id)))
    except UnknownOrderError:
        return None


def _recorded(wire: Wire, offset: int) -> RecordedMessage:
    came: Any = IncomingMessage.of(Held(wire, offset), offset, None)  # type: ignore[arg-type]  # it is not settled
    came.headers["x-stream-offset"] = offset
    return RecordedMessage.of(came)


def _at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing: everything it reads is here."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise RuntimeError("it waits, and there is no loop")


def _at_the_psp(world: "World", order_id: str) -> Iterator[str]:
    psp = world.psp
    intents = {each["id"]: each for each in psp.all("payment_intents") if _order_of(each) == order_id}
    for event in psp.all("events"):
        about = event["data"]["object"]
        if {about.get("id"), about.get("payment_intent")} & intents.keys():
            yield f"{clock(event['created'] - START)[:8]}      {event['type']:32} {_money(about)}"
    yield "at the end:"
    for each in (*intents.values(), *psp.all("refunds"), *psp.all("disputes")):
        if each["id"] in intents or each.get("payment_intent") in intents:
            yield f"  {_money(each)}"


def _order_of(intent: dict[str, Any]) -> Any:
    return intent["metadata"].get("order_id")


def _money(about: dict[str, Any]) -> str:
    """One of the PSP's objects, in a line."""
    amounts = ("amount", "amount_received", "amount_refunded")
    words = [
        str(about.get("id")),
        str(about.get("status", "")),
        *(f"{name}={about[name]}" for name in amounts if about.get(name)),
    ]
    refund_id = about.get("metadata", {}).get("refund_id")
    return " ".join((*words, refund_id)) if refund_id else " ".join(words)


def broken_laws(outcome: "Outcome") -> Iterator[str]:
    history = outcome.history
    yield f"seed {history.seed}, {history.profile}: {len(outcome.broken)} broken"
    for broken in list(dict.fromkeys(outcome.broken))[:_SHOWN]:
        yield f"  {broken[:_LONGEST_LAW]}"


def failure(outcome: "Outcome") -> Iterator[str]:
    """Everything about a history that was made small."""
    history = outcome.history
    orders, faults = history.plans(), history.faults()
    yield f"the same law with {len(orders)} orders and {len(faults)} faults: {outcome.broken[0][:_LONGEST_LAW]}"
    for each in faults:
        yield f"  {clock(each.at)}  fault {each.number}: {each.kind}"
    for order_id, account in outcome.accounts.items():
        yield f"\n{order_id} as `bellhop trace` shows it:"
        story = account.story
        yield from (f"  {line.plain}" for line in lines(story)) if story else ("  nothing is known of it",)
        yield f"\n{order_id} in the PSP's own books:"
        yield from (f"  {line}" for line in account.at_the_psp)
    yield "\nwhat the services logged:"
    words = {each.partition("_")[2] for each in outcome.accounts} | {" fault.", " process.killed"}
    about = [line for line in outcome.lines if any(word in line for word in words)]
    yield from (f"  {line[:_LONGEST]}" for line in about[-_LOG_LINES:])
