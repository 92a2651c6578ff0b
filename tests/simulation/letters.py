"""Dead letters and what operators decided on them, as the store has it: laws, and what is still open."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chassis.personal_data import apart_from_guest
from ops.core.dead_letters.letters import Stage
from ops.core.replay.plans import PlanStage, Result
from tests.simulation.books import STORED
from tests.simulation.broker.messages import Held
from tests.simulation.broker.queues import Queue
from tests.simulation.operators import is_without_guest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulation.world import World

DEAD = ".dead"
_DECIDED = (Stage.REPLAYED, Stage.EDITED)


@dataclass(frozen=True, slots=True)
class Parked:
    """A message that could not be handled, wherever it is now."""

    kind: str
    message_id: str
    place: str
    headers: "Mapping[str, Any]"

    def __str__(self) -> str:
        return f"{self.kind} {self.message_id} in {self.place}"


def parked(world: "World") -> Iterator[Parked]:
    """In the dead queues, and drained from them."""
    for queue in world.broker.queues.values():
        for held in (*queue.waiting, *queue.returned) if queue.name.endswith(DEAD) else ():
            yield Parked(str(held.wire.type), str(held.wire.message_id), queue.name, held.wire.headers)
    for letter in _records(world, "dead_letters"):
        message = letter["message"]
        yield Parked(message["kind"], message["message_id"], letter["letter_id"], message["headers"])


def _records(world: "World", name: str) -> list[dict[str, Any]]:
    return list(world.collection(name).documents.values())


def undecided(world: "World") -> Iterator[str]:
    """What operators have not decided, or not finished. Nothing, where any work and all is at rest."""
    for queue in world.broker.queues.values():
        if queue.name.endswith(DEAD) and queue.depth:
            yield f"{queue.depth} messages in {queue.name}"
    for name in STORED:
        parked_in = [str(raw["_id"]) for raw in _records(world, name) if raw.get("parked")]
        if parked_in:
            yield f"parked messages in {', '.join(parked_in[:3])}"
    known = world.collection("dead_letters").documents
    for letter in known.values():
        original = known.get(letter["edited_from"], letter)
        is_left = letter["stage"] == Stage.DRAFT and original["stage"] == Stage.REPLAYED  # its editor died
        if letter["stage"] not in _DECIDED and not is_left and not _is_erased(letter):
            yield f"{letter['letter_id']} ({letter['message']['kind']}) is {letter['stage']}"
    if world.shift is not None:
        yield from (f"{guest.guest_id} is to be erased" for guest in world.shift.unerased)
    for plan in _records(world, "replay_plans"):
        if plan["source"] == "dead" and plan["stage"] != PlanStage.DONE:
            yield f"{plan['plan_id']} is {plan['stage']}: {plan['reason']}"


def _is_erased(letter: "Mapping[str, Any]") -> bool:
    """Whether an erasure has discarded it; its entry in the audit log names orders, and counts letters."""
    return letter["stage"] == Stage.DISCARDED and is_without_guest(letter["message"]["body"])


def about(world: "World", order_id: str) -> bool:
    """Whether a message about this order was ever parked: until it is replayed, its services know less."""
    payment_id = order_id.replace("ord_", "pay_")
    return any(
        order_id in said or payment_id in said
        for letter in _records(world, "dead_letters")
        for said in (str(letter["message"]["body"]), letter["message"]["message_id"])
    )


def is_stored(world: "World", queue: Queue, held: Held) -> bool:
    """Whether a message of a dead queue is among the letters."""
    return any(
        (letter["dead_queue"], letter["message"]["message_id"]) == (queue.name, held.wire.message_id or "")
        for letter in _records(world, "dead_letters")
    )


def no_message_is_sent_by_two_plans(world: "World") -> Iterator[str]:
    """Unless it was parked again in between, after a plan had sent it, or its operator insists. It is one message also
    if its guest was erased in between.
    """
    again = world.shift.again if world.shift is not None else ()
    came_back: Counter[str] = Counter()
    for letter in _records(world, "dead_letters"):
        came_back[letter["message"]["message_id"]] += "replay_plan" in letter["message"]["headers"]
    sent: dict[tuple[str, str, str], set[str]] = {}
    for item in _records(world, "replay_items"):
        if item["result"] == Result.SENT and item["plan_id"] not in again:
            named = (item["message"]["message_id"], item["queue"], _apart_from_guest(item["message"]["body"]))
            sent.setdefault(named, set()).add(item["plan_id"])
    for (message_id, queue, _), plans in sent.items():
        if len(plans) > 1 + came_back[message_id]:
            yield f"{message_id} was sent to {queue} by {', '.join(sorted(plans))}"


def _apart_from_guest(body: Any) -> str:
    """What tells a stored body from another one."""
    try:
        return json.dumps(apart_from_guest(json.loads(body["text"])), sort_keys=True)
    except (KeyError, ValueError):
        return str(body)


def every_decision_is_in_the_audit_log(world: "World") -> Iterator[str]:
    named = {subject for entry in _records(world, "audit_log") for subject in entry["subjects"]}
    for letter in _records(world, "dead_letters"):
        is_decided = letter["stage"] in (*_DECIDED, Stage.DISCARDED)
        if is_decided and not _is_erased(letter) and not {letter["letter_id"], letter["plan_id"]} & named:
            yield f"{letter['letter_id']} is {letter['stage']}, and the audit log does not have it"
