"""A dead letter corrected by hand: a new message with an id of its own that knows where it came from."""

import json
import uuid
from collections.abc import Iterable
from typing import Any

from contracts.message import parse
from ops.dead.letters import DeadLetter, DeadLetters, Stage

_LONGEST_INDEX = 9
"""Digits."""


class EditError(Exception):
    """What was asked for cannot be done to this body; nothing was changed."""


def with_fields(body: bytes, assignments: Iterable[str]) -> bytes:
    """The body with fields set: `amount.amount=4800`, `lines.0.quantity=2`. Values are JSON, or else text.

    Raises EditError for a body that is no JSON object, and for a place that does not exist in it.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise EditError(f"the body is no JSON ({error}): give a whole new one with --body FILE") from None
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise EditError(f"{assignment!r} assigns nothing: write FIELD=VALUE, as in amount.amount=4800")
        _assign(value, path, _json_or_text(text))
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _assign(value: Any, path: str, new: Any) -> None:
    *way, last = path.split(".")
    for step in way:
        value = _inside(value, step, path)
    match value:
        case dict():
            value[last] = new
        case list() if (index := _index(last)) is not None and index < len(value):
            value[index] = new
        case _:
            raise EditError(f"there is no {path} in the body")


def _inside(value: Any, step: str, path: str) -> Any:
    match value:
        case dict() if step in value:
            return value[step]
        case list() if (index := _index(step)) is not None and index < len(value):
            return value[index]
        case _:
            raise EditError(f"there is no {path} in the body")


def _index(step: str) -> int | None:
    return int(step) if step.isdecimal() and len(step) <= _LONGEST_INDEX else None


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def edited(letter: DeadLetter, body: bytes, *, kind: str | None = None) -> DeadLetter:
    """The letter that replaces `letter`. Raises EditError when the contract does not know such a message."""
    kind = kind or letter.message.kind
    try:
        parse(kind, body)
    except ValueError as error:
        raise EditError(f"the contract refuses it: {error}") from error
    if body == letter.message.body and kind == letter.message.kind:
        raise EditError("nothing was changed")
    # An id of its own: the services would take the old one for a message they may know.
    message_id = f"{letter.message.message_id or 'unnamed'}.edited.{uuid.uuid4().hex[:8]}"
    headers = {**letter.message.headers, "edited_from": letter.message.message_id}
    changed = {"message_id": message_id, "kind": kind, "body": body, "headers": headers}
    message = letter.message.model_copy(update=changed)
    fresh = DeadLetter.of(letter.dead_queue, message)
    return fresh.model_copy(update={"edited_from": letter.letter_id})


async def put_in_place(letters: DeadLetters, old: DeadLetter, new: DeadLetter) -> None:
    """Keep both, the old one out of the way. Raises EditError when the old one no longer waits."""
    if old.stage is not Stage.WAITING or not await letters.move(old, Stage.EDITED, edited_to=new.letter_id):
        raise EditError(f"{old.letter_id} does not wait any more: it is {old.stage}")
    await letters.records.add(new.letter_id, new)
