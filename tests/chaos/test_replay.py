"""The whole log of a run, sent to every service again: it is as if nothing had been sent."""

from collections import defaultdict

import pytest
from aio_pika.abc import AbstractIncomingMessage

from contracts.orders import CancelOrder
from tests.chaos.conftest import Chaos
from tests.chaos.replay import changed, documents, forget_handled, replay
from tests.support.books import ledger_lines, repeated_effects

pytestmark = pytest.mark.timeout(3600)


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
