"""Everything was killed, some of it in the middle of a step, while guests ordered and paid: what is left is whole.

Afterwards the whole log of the run is sent to every service again: it is as if nothing had been sent.
"""

from collections import Counter, defaultdict

import pytest
from aio_pika.abc import AbstractIncomingMessage

from contracts.orders import CancelOrder
from tests.chaos.conftest import Chaos
from tests.chaos.poison import POISON
from tests.chaos.replay import changed, documents, forget_handled, replay
from tests.support.books import FINAL, ledger_lines, repeated_effects

pytestmark = pytest.mark.timeout(3600)


def test_every_order_a_guest_saw_is_there_and_final(chaos: Chaos) -> None:
    acknowledged, statuses = chaos.aftermath.acknowledged, chaos.aftermath.statuses

    assert chaos.aftermath.lost == set()
    assert {statuses[order_id] for order_id in acknowledged} <= set(FINAL)
    assert len(acknowledged) == len(chaos.saboteur.crowd.stories)
    assert len(statuses) == len(acknowledged) + len(chaos.saboteur.backlog)


def test_guests_paid_cancelled_and_left_meanwhile(chaos: Chaos) -> None:
    reached = Counter(chaos.aftermath.statuses[order_id] for order_id in chaos.aftermath.acknowledged)

    assert min(reached["confirmed"], reached["cancelled"], reached["expired"]) > 0


def test_every_cent_is_where_the_guest_was_shown_it_is(chaos: Chaos) -> None:
    assert chaos.aftermath.wrong == ()
    assert chaos.aftermath.findings == ()


def test_nothing_took_effect_twice(chaos: Chaos) -> None:
    assert chaos.aftermath.doubled == ()


def test_what_was_unsent_while_the_broker_was_away_has_been_sent(chaos: Chaos) -> None:
    ids = {message.message_id for message in chaos.aftermath.log}

    assert chaos.saboteur.backlog - ids == set()


def test_only_the_poison_is_parked_each_with_its_reason(chaos: Chaos) -> None:
    rounds = chaos.saboteur.done["rounds of poison"]
    expected = Counter({(p.content, p.kind, p.origin_queue, p.error_type): rounds for p in POISON})

    # A service that dies after parking a message and before acknowledging it parks it once more, under the same id.
    distinct = {m.message_id: m for m in chaos.aftermath.parked}.values()
    parked = Counter((m.body, m.kind, m.headers["origin_queue"], m.error_type) for m in distinct)

    assert parked == expected
    assert all(message.headers["error"] and message.headers["attempt"] for message in chaos.aftermath.parked)
    assert rounds > 0


def _decided(chaos: Chaos) -> list[AbstractIncomingMessage]:
    """The log without cancellations that were refused at their time: they changed nothing, and today they might."""
    refused = [story.order_id.encode() for story in chaos.saboteur.crowd.stories if story.cancel_refused]
    return [
        message
        for message in chaos.aftermath.log
        if message.type != CancelOrder.wire_kind() or not any(order_id in message.body for order_id in refused)
    ]


async def test_replaying_the_whole_log_twice_changes_no_document(chaos: Chaos) -> None:
    before, books = await documents(chaos.system), await ledger_lines(chaos.system)

    sent = [await replay(chaos.system, _decided(chaos)) for _ in range(2)]

    chaos.figures.rows["messages replayed"] = sum(sent)
    assert min(sent) > len(chaos.aftermath.acknowledged)
    assert changed(before, await documents(chaos.system)) == {}
    assert await ledger_lines(chaos.system) == books


async def test_what_a_document_has_forgotten_it_handled_changes_nothing_either(chaos: Chaos) -> None:
    """A document remembers the newest 64 messages; decisions must hold without that memory, kind by kind."""
    by_kind: dict[str, list[AbstractIncomingMessage]] = defaultdict(list)
    for message in {message.message_id: message for message in _decided(chaos)}.values():
        by_kind[message.type or ""].append(message)
    books = await ledger_lines(chaos.system)

    moved = {}
    for kind, messages in sorted(by_kind.items()):
        await forget_handled(chaos.system)
        before = await documents(chaos.system)
        await replay(chaos.system, messages)
        difference = changed(before, await documents(chaos.system), "state")
        if difference:
            moved[kind] = difference

    assert moved == {}
    assert await ledger_lines(chaos.system) == books
    assert await repeated_effects(chaos.system) == {}
