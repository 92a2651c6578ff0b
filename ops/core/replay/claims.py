"""Claims of messages by plans, recorded before sending, so that two plans never send one message."""

import hashlib
import json
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from chassis.messaging.envelope import utc_now
from chassis.messaging.headers import REPLAY_PLAN
from chassis.personal_data import apart_from_guest
from chassis.storage.records import MongoRecords
from chassis.storage.store import Store
from ops.core.plain import plain_text
from ops.core.replay.plans import Planned

_TRIES = 3


class Claim(BaseModel):
    """One message to one queue, and the plan that sends it."""

    model_config = ConfigDict(frozen=True)

    plan_id: str
    claimed_at: datetime
    message_id: str = Field(description="for people; the record's id identifies the message")
    queue: str


class Claims:
    """The claims of all plans of a system."""

    def __init__(self, store: Store) -> None:
        self._records: MongoRecords[Claim] = store.records("replay_claims", Claim)

    async def take(self, item: Planned, body: bytes, *, again: bool = False) -> str | None:
        """Claim a message for its plan. None if the plan may send it, else the plan that has claimed it.

        `body` is the whole body. A dead letter that failed again after the claiming plan sent it may be sent again;
        with `again`, any message.
        """
        claim_id, earlier_id = _ids_of(item, body)
        claim = Claim(
            plan_id=item.plan_id, claimed_at=utc_now(), message_id=plain_text(item.message.message_id), queue=item.queue
        )
        holder = ""
        for _ in range(_TRIES):
            held = await self._records.get([claim_id, earlier_id])
            if not held:
                if await self._records.add(claim_id, claim):
                    return None
                continue  # claimed in between
            held_id = claim_id if claim_id in held else earlier_id
            holder = held[held_id].plan_id
            if holder == item.plan_id:
                return None
            came_back = item.letter_id is not None and item.message.headers.get(REPLAY_PLAN) == holder
            if not (came_back or again):
                return holder
            if await self._records.change(held_id, claim.model_dump(mode="json"), plan_id=holder):
                return None
        return holder or "another plan"

    async def give_up(self, item: Planned, body: bytes) -> None:
        """Release a claim: the broker refused the message from this plan."""
        await self._records.remove(_ids_of(item, body))


def _ids_of(item: Planned, body: bytes) -> tuple[str, str]:
    """The id of a claim, equal before and after an erasure has rewritten the message; and the one of 0.2.0 and earlier,
    which an erasure changes."""
    try:
        said = json.dumps(apart_from_guest(json.loads(body)), sort_keys=True).encode()
    except (ValueError, RecursionError):  # no JSON
        said = body
    return _id_of(item, said), _id_of(item, body)


def _id_of(item: Planned, said: bytes) -> str:
    message = item.message
    named = "\0".join((item.queue, message.kind, message.message_id, hashlib.sha256(said).hexdigest()))
    return hashlib.sha256(named.encode(errors="backslashreplace")).hexdigest()
