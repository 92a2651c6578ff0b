"""Edited dead letters, and what a process that dies in the middle of an edit leaves behind."""

from typing import Any

import pytest
from aio_pika.exceptions import ChannelNotFoundEntity

from ops.core.dead_letters.letters import DeadLetter, DeadLetters, Stage
from ops.core.messages import RecordedMessage
from tests.support.fake_store import FakeStore


class NoQueues:
    """A broker's connection: no service has declared a dead queue yet."""

    async def channel(self) -> "NoQueues":
        return self

    async def declare_queue(self, name: str, *, passive: bool) -> Any:
        raise ChannelNotFoundEntity(name)

    async def close(self) -> None:
        """Nothing is open."""


class Store(FakeStore):
    async def require_writes(self) -> None:
        """It takes them."""


def letter(message_id: str, **fields: Any) -> DeadLetter:
    message = RecordedMessage(message_id=message_id, kind="any", body=b"{}")
    return DeadLetter.of("extras.dead", message).model_copy(update=fields)


@pytest.fixture
def letters() -> DeadLetters:
    store: Any = Store()
    connection: Any = NoQueues()
    return DeadLetters(store, connection)


async def stages(letters: DeadLetters) -> dict[str, Stage]:
    return {each.message.message_id: each.stage for each in (await letters.records.find()).values()}


async def with_draft(letters: DeadLetters, original: Stage, edited_to: str | None) -> None:
    """An editor died after the draft was stored."""
    old = letter("m-1", stage=original, edited_to=edited_to)
    draft = letter("m-1.edited.1", stage=Stage.DRAFT, edited_from=old.letter_id)
    for each in (old, draft):
        await letters.records.add(each.letter_id, each)


async def test_the_draft_of_an_editor_who_died_goes_once_another_edit_replaces_the_original(
    letters: DeadLetters,
) -> None:
    await with_draft(letters, Stage.EDITED, edited_to="dl_another")

    await letters.drain()

    assert await stages(letters) == {"m-1": Stage.EDITED}


@pytest.mark.parametrize("original", [Stage.WAITING, Stage.REPLAYED, Stage.DISCARDED])
async def test_a_draft_stays_while_its_original_may_still_be_replaced_by_it(
    letters: DeadLetters, original: Stage
) -> None:
    """Its editor may be about to do that; a replay that fails and a restore make the original wait again."""
    await with_draft(letters, original, edited_to=None)

    await letters.drain()

    assert (await stages(letters))["m-1.edited.1"] is Stage.DRAFT


async def test_the_next_drain_completes_an_edit_whose_original_was_retired(letters: DeadLetters) -> None:
    await with_draft(letters, Stage.EDITED, edited_to=letter("m-1.edited.1").letter_id)

    await letters.drain()

    assert await stages(letters) == {"m-1": Stage.EDITED, "m-1.edited.1": Stage.WAITING}
