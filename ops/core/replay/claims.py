"""Claims of messages by plans, recorded before sending, so that two plans never send one message."""

import hashlib
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from chassis.messaging.envelope import utc_now
from chassis.messaging.headers import REPLAY_PLAN
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

    async def take(self, item: Planned, *, again: bool = False) -> str | None:
        """Claim a message for its plan. None if the plan may send it, else the plan that has claimed it.

        A dead letter that failed again after the claiming plan sent it may be sent again; with `again`, any message.
        """
        claim_id = _id_of(item)
        claim = Claim(
            plan_id=item.plan_id, claimed_at=utc_now(), message_id=plain_text(item.message.message_id), queue=item.queue
        )
        holder = ""
        for _ in range(_TRIES):
            if await self._records.add(claim_id, claim):
                return None
            held = (await self._records.get([claim_id])).get(claim_id)
            if held is None:
                continue  # given up in between
            holder = held.plan_id
            if holder == item.plan_id:
                return None
            came_back = item.letter_id is not None and item.message.headers.get(REPLAY_PLAN) == holder
            if not (came_back or again):
                return holder
            if await self._records.change(claim_id, claim.model_dump(mode="json"), plan_id=holder):
                return None
        return holder or "another plan"

    async def give_up(self, item: Planned) -> None:
        """Release a claim: the broker refused the message from this plan."""
        await self._records.remove([_id_of(item)])


def _id_of(item: Planned) -> str:
    message = item.message
    body = message.large.digest if message.large else hashlib.sha256(message.body).hexdigest()
    named = "\0".join((item.queue, message.kind, message.message_id, body))
    return hashlib.sha256(named.encode(errors="backslashreplace")).hexdigest()
