"""Editing of dead letters: the corrected copy is a new message with a new id and a reference to the original."""

import json
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.messaging.headers import EDITED_FROM, ORIGIN_QUEUE, ORIGIN_ROUTING_KEY, SENT_BY, known_headers
from contracts.ids import bounded_id
from contracts.message import parse
from ops.core.dead_letters.letters import DeadLetter, DeadLetters, Stage
from ops.core.messages import RecordedMessage

SETTING = "BELLHOP_EDIT_IDENTITY"
_WHAT_IS_BOUGHT = "extra_id"


class EditSettings(BaseSettings):
    """How much an edit may change."""

    model_config = SettingsConfigDict(env_prefix="BELLHOP_")

    edit_identity: bool = Field(
        default=False, description="whether an edit may change a dead letter's kind, and the ids in its body"
    )


_LONGEST_INDEX = 9
"""Digits."""


class EditError(Exception):
    """The edit cannot be applied to this body; nothing was changed."""


def apply_assignments(body: bytes, assignments: Iterable[str]) -> bytes:
    """The body with fields set: `amount.amount=4800`, `lines.0.quantity=2`. Values are JSON, or else text.

    Raises EditError if the body is not a JSON object, or a path does not exist in it.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise EditError(f"the body is not valid JSON ({error}): pass a whole new one with --body FILE") from None
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise EditError(f"{assignment!r} is not an assignment: write FIELD=VALUE, as in amount.amount=4800")
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


def identity(body: bytes) -> dict[str, Any] | None:
    """The identity of a body: each `kind`, `…_id` and `…_reference` in it, by path; None if it is not a JSON object.

    `extra_id` is not part of it: an edit may correct which extra is bought, as it may the quantity.
    """
    try:
        value = json.loads(body)
        return dict(_identifying(value, "")) if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        return None


def _identifying(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        names_something = str(name) in ("id", "kind") or str(name).endswith(("_id", "_reference"))
        if names_something and name != _WHAT_IS_BOUGHT:
            yield f"{place}{name}", inner
        else:
            yield from _identifying(inner, f"{place}{name}.")


def _keep_identity(message: RecordedMessage, body: bytes, kind: str) -> None:
    before, after = identity(message.body), identity(body) or {}
    if kind != message.kind:
        raise EditError(f"an edit keeps the kind, {message.kind}; {SETTING} allows another one")
    if before is None:
        raise EditError(f"nothing shows which order and payment the old body is about; {SETTING} allows a new one")
    changed = sorted(place for place in before | after if before.get(place) != after.get(place))
    if changed:
        raise EditError(f"an edit keeps what the message is about: {', '.join(changed)}; {SETTING} allows to change it")


def edited(
    letter: DeadLetter, body: bytes, *, kind: str | None = None, may_change_identity: bool = False
) -> DeadLetter:
    """The letter that replaces `letter`.

    Raises EditError when the contract does not know such a message, and when it is another kind or about another order,
    payment, refund or guest, unless that is allowed: a parked report could become a success of another payment.
    """
    kind = kind or letter.message.kind
    if not may_change_identity:
        _keep_identity(letter.message, body, kind)
    try:
        parse(kind, body)
    except ValueError as error:
        raise EditError(f"the contract refuses it: {error}") from error
    if body == letter.message.body and kind == letter.message.kind:
        raise EditError("nothing was changed")
    # A new id: the services might have handled a message with the old one.
    message_id = bounded_id(f"{letter.message.message_id or 'unnamed'}.edited.{uuid.uuid4().hex[:8]}")
    was = letter.message
    sent_as = kind if kind != was.kind else was.sent_as
    said = {
        "error_type": was.error_type,
        "error": was.error,
        ORIGIN_QUEUE: letter.queue,
        ORIGIN_ROUTING_KEY: sent_as,
        SENT_BY: was.sent_by,
        EDITED_FROM: was.message_id,
    }
    headers = known_headers({**was.headers, **{name: value for name, value in said.items() if value}})
    changed = {"message_id": message_id, "kind": kind, "body": body, "headers": headers}
    message = letter.message.model_copy(update=changed)
    fresh = DeadLetter.of(letter.dead_queue, message)
    return fresh.model_copy(update={"edited_from": letter.letter_id, "outbox_of": letter.outbox_of})


async def replace_at(letters: DeadLetters, old: DeadLetter, new: DeadLetter) -> None:
    """Store the copy and retire the original. Raises EditError if the original no longer waits."""
    if old.stage is not Stage.WAITING or not await letters.replace(old, new):
        raise EditError(f"{old.letter_id} does not wait any more: it is {old.stage}")
