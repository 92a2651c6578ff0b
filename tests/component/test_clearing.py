"""Outboxes that were sent are cleared, however many an outage has left."""

from collections.abc import Mapping
from datetime import datetime

from chassis.decision import Applied, Decision, State
from chassis.errors import StoreUnavailableError
from chassis.messaging.envelope import Delivery, Envelope
from chassis.storage.write_path import WritePath
from contracts.ids import GuestId, OrderId, PropertyId
from contracts.orders import OrderExpired
from tests.support.fake_store import FakeDocuments, ask

EMITTED = OrderExpired(order_id=OrderId("ord_1"), guest_id=GuestId("gst_1"), property_id=PropertyId("alpenhof"))
IN_TIME = 60
"""Documents this store clears before its caller stops waiting."""


class SlowDocuments(FakeDocuments[State]):
    """Clears one after the other, like a store whose every write waits for the disk."""

    def __init__(self) -> None:
        super().__init__(State)
        self.cleared: dict[str, int] = {}

    async def clear_outboxes(self, sent: Mapping[str, int]) -> None:
        if len(sent) > IN_TIME:
            raise StoreUnavailableError("clearing outboxes", TimeoutError())
        self.cleared |= sent


class Sending:
    """A bus that confirms everything."""

    async def publish(self, envelope: Envelope) -> None:
        """It is sent."""


def decide(state: State | None, now: datetime) -> Decision[State]:
    return Applied(State(), (EMITTED,))


async def test_what_a_long_outage_left_is_cleared_although_the_store_is_slow() -> None:
    documents = SlowDocuments()
    path = WritePath(documents, Sending(), ask)
    expected = {f"ord_{number}": 1 for number in range(5 * IN_TIME)}
    for document_id in expected:
        await path.handle(document_id, decide, Delivery("m1", "c1", "test"))

    await path.clear_sent()

    assert documents.cleared == expected
