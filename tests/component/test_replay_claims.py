"""Two plans never send one message, whatever has been erased in between."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from chassis.messaging.headers import REPLAY_PLAN
from chassis.personal_data import Erasure
from chassis.storage.store import Store
from ops.core.dry_run import Forecast
from ops.core.guests.erase import without_guest
from ops.core.large_bodies import INLINE, LargeBodies
from ops.core.messages import RecordedMessage
from ops.core.replay.claims import Claim, Claims
from ops.core.replay.plans import Planned
from tests.support.fake_store import FakeStore

REFUND: dict[str, Any] = {
    "order_id": "ord_a",
    "amount": {"amount": 500, "currency": "EUR"},
    "reason": "Anna was ill",
    "by": "guest-anna",
    "guest": {"guest_id": "guest-anna", "property_id": "alps"},
    "sealed_receipt_email": "v1.sealed",
}
ANNA = Erasure("guest-anna", "alps", "erased-1")


def message_of(body: object, **fields: Any) -> RecordedMessage:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return RecordedMessage(**{"message_id": "m-1", "kind": "extras.refund-order", "body": text, **fields})


def planned(plan_id: str, message: RecordedMessage, letter_id: str | None = None) -> Planned:
    forecast = Forecast("applied")
    return Planned(
        plan_id=plan_id, number=1, message=message, queue="extras.commands", letter_id=letter_id, forecast=forecast
    )


async def taken(claims: Claims, plan_id: str, message: RecordedMessage, *, again: bool = False) -> str | None:
    return await claims.take(planned(plan_id, message), message.body, again=again)


@pytest.fixture
def store() -> Store:
    return cast(Store, FakeStore())


@pytest.fixture
def claims(store: Store) -> Claims:
    return Claims(store)


async def test_a_message_that_was_erased_meanwhile_is_not_sent_by_a_second_plan(claims: Claims) -> None:
    sent = message_of(REFUND)
    assert await taken(claims, "plan-1", sent) is None

    assert await taken(claims, "plan-2", without_guest(sent, ANNA)) == "plan-1"


async def test_a_message_that_was_sent_erased_is_not_sent_again_as_a_backup_brings_it_back(claims: Claims) -> None:
    sent = message_of(REFUND)
    assert await taken(claims, "plan-1", without_guest(sent, ANNA)) is None

    assert await taken(claims, "plan-2", sent) == "plan-1"


async def test_a_large_body_is_the_same_message_after_its_erasure(claims: Claims, store: Store) -> None:
    sent = message_of(REFUND | {"lines": ["breakfast" * 10] * (INLINE // 50)})
    stored = await LargeBodies(store).keep(sent)
    assert stored.large is not None
    assert await claims.take(planned("plan-1", stored), sent.body) is None

    assert await taken(claims, "plan-2", without_guest(sent, ANNA)) == "plan-1"


@pytest.mark.parametrize(
    "other",
    [
        message_of(REFUND | {"amount": {"amount": 501, "currency": "EUR"}}),
        message_of(REFUND, message_id="m-2"),
        message_of(REFUND, kind="extras.cancel-order"),
        message_of(b"no JSON"),
        message_of(b'{"cut off": '),
        message_of(b"[" * 100_000),
    ],
    ids=["another amount", "another id", "another kind", "no JSON", "cut off", "nested too deep"],
)
async def test_another_message_is_sent(claims: Claims, other: RecordedMessage) -> None:
    assert await taken(claims, "plan-1", message_of(REFUND)) is None

    assert await taken(claims, "plan-2", other) is None
    assert await taken(claims, "plan-3", other) == "plan-2"


async def test_a_claim_of_an_earlier_version_counts(claims: Claims, store: Store) -> None:
    sent = message_of(REFUND)
    named = "\0".join(("extras.commands", sent.kind, sent.message_id, hashlib.sha256(sent.body).hexdigest()))
    earlier = Claim(
        plan_id="plan-1", claimed_at=datetime(2026, 11, 1, tzinfo=UTC), message_id="m-1", queue="extras.commands"
    )
    await store.records("replay_claims", Claim).put({hashlib.sha256(named.encode()).hexdigest(): earlier})

    assert await taken(claims, "plan-1", sent) is None
    assert await taken(claims, "plan-2", sent) == "plan-1"
    assert await taken(claims, "plan-2", sent, again=True) is None
    assert await taken(claims, "plan-3", sent) == "plan-2"


async def test_a_dead_letter_that_came_back_from_its_plan_is_sent_by_the_next(claims: Claims) -> None:
    sent = message_of(REFUND)
    assert await taken(claims, "plan-1", sent) is None
    back = message_of(REFUND, headers={REPLAY_PLAN: "plan-1"})

    assert await claims.take(planned("plan-2", back, "dl_1"), back.body) is None
    assert await claims.take(planned("plan-3", back, "dl_1"), back.body) == "plan-2"


async def test_a_message_that_its_broker_refused_is_free_again(claims: Claims) -> None:
    sent = message_of(REFUND)
    assert await taken(claims, "plan-1", sent) is None

    await claims.give_up(planned("plan-1", sent), sent.body)

    assert await taken(claims, "plan-2", without_guest(sent, ANNA)) is None
