"""The extras service's handlers on its queues: which message does what, and who is answered."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from chassis.messaging.envelope import utc_now
from chassis.runtime.metrics import Metrics
from chassis.runtime.steps import Step, Steps
from contracts.message import Message
from contracts.orders import (
    ExtrasReply,
    GetOrder,
    ListExtras,
    ListOrders,
    OrderReply,
    OrdersReply,
    OrderStatus,
    PaymentSessionReply,
    Reason,
    Refusal,
)
from contracts.topology import EXTRAS_COMMANDS, EXTRAS_PAYMENTS, EXTRAS_QUERIES, Queue, queue_named
from extras_service.order.placement import Terms
from extras_service.order.state import Order
from extras_service.wiring import wire
from tests.component.bench import REPLY_TO, Bench
from tests.support import orders as given
from tests.support.fake_store import FakeDocuments, FakeStore

PLACE = given.placing().command
START = given.starting().command
WHO = {"guest_id": given.guest().guest_id, "property_id": given.guest().property_id}


@dataclass
class Service:
    bench: Bench
    orders: FakeDocuments[Order]
    arrived: int = 0

    async def takes(self, queue: Queue | str, message: Message, *, reply_to: str | None = REPLY_TO) -> list[Message]:
        """What leaves because of a message; each has an id of its own."""
        before = len(self.bench.published)
        self.arrived += 1
        await self.bench.deliver(queue, message, message_id=f"m-{self.arrived}", reply_to=reply_to)
        return self.bench.sent[before:]

    async def order(self) -> Order:
        stored = await self.orders.load(given.ORDER_ID)
        assert stored is not None
        return stored.state


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    store = FakeStore()
    bench = Bench("extras-service")
    parts = wire(bench.bus, store, lambda: given.NOW, Terms(given.PAY_WITHIN))
    extras = (given.offered(), given.offered("alm-old", active=False))
    await parts.collections.extras.put({item.extra_id: item for item in extras})
    for queue, table in parts.tables.items():
        bench.consume(queue, table)
    async with bench.running():
        yield Service(bench, store.of["orders"])


def test_the_handlers_take_what_the_queues_bind_and_nothing_else() -> None:
    parts = wire(Bench("extras-service").bus, FakeStore(), utc_now, Terms())

    for queue, table in parts.tables.items():
        assert {kind.wire_kind() for kind in table} == {bound.routing_key for bound in queue_named(queue).bindings}


async def test_a_placed_order_is_reported_and_its_guest_answered(service: Service) -> None:
    reply_event, answer = await service.takes(EXTRAS_COMMANDS, PLACE)

    assert reply_event.kind == "orders.order-pending-payment.v1"
    assert isinstance(answer, OrderReply)
    assert answer.order == (await service.order()).view()


async def test_a_repeat_gets_the_first_answer_and_publishes_nothing_else(service: Service) -> None:
    _, first = await service.takes(EXTRAS_COMMANDS, PLACE)
    await service.takes(EXTRAS_COMMANDS, START)
    await service.takes(EXTRAS_PAYMENTS, given.session_created())
    await service.takes(EXTRAS_PAYMENTS, given.succeeded())

    again = await service.takes(EXTRAS_COMMANDS, PLACE)

    assert again == [first]


async def test_a_refused_order_is_answered_with_its_reason_and_not_stored(service: Service) -> None:
    (answer,) = await service.takes(EXTRAS_COMMANDS, given.placing(given.line("alm-old")).command)

    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.EXTRA_INACTIVE
    assert await service.orders.load(given.ORDER_ID) is None


async def test_a_guest_waits_for_the_session_and_is_answered_when_it_exists(service: Service) -> None:
    await service.takes(EXTRAS_COMMANDS, PLACE)

    asked = await service.takes(EXTRAS_COMMANDS, START)
    (answer,) = await service.takes(EXTRAS_PAYMENTS, given.session_created())
    (again,) = await service.takes(EXTRAS_COMMANDS, START)

    assert [message.kind for message in asked] == ["payments.create-payment-session.v1"]
    assert isinstance(answer, PaymentSessionReply)
    assert answer.sealed_client_secret == given.SEALED
    assert again == answer


async def test_starting_to_pay_an_unknown_order_is_answered_at_once(service: Service) -> None:
    (answer,) = await service.takes(EXTRAS_COMMANDS, START)

    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.ORDER_NOT_FOUND


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ([given.session_created(), given.succeeded()], OrderStatus.CONFIRMED),
        ([given.session_created(), given.mismatched()], OrderStatus.NEEDS_REVIEW),
        ([given.session_created(), given.failed(), given.processing()], OrderStatus.PENDING_PAYMENT),
        ([given.session_failed()], OrderStatus.PENDING_PAYMENT),
        ([given.session_created(), given.session_closed()], OrderStatus.PENDING_PAYMENT),
    ],
    ids=["paid", "mismatched", "declined, then settling", "no session", "session lost"],
)
async def test_payment_facts_move_the_order(service: Service, facts: list[Message], status: OrderStatus) -> None:
    await service.takes(EXTRAS_COMMANDS, PLACE)
    await service.takes(EXTRAS_COMMANDS, START)

    for fact in facts:
        await service.takes(EXTRAS_PAYMENTS, fact, reply_to=None)

    assert (await service.order()).status is status
    assert all(service.bench.handled(fact.kind, "applied") == 1 for fact in facts)


async def test_a_payment_fact_about_an_unknown_order_is_parked(service: Service) -> None:
    await service.takes(EXTRAS_PAYMENTS, given.succeeded(), reply_to=None)

    (parked,) = service.bench.published
    assert (parked.exchange, parked.routing_key) == ("dead", "extras.dead")
    assert parked.headers["error_type"] == "UnknownOrderError"


async def test_the_same_message_twice_is_a_duplicate_and_sends_nothing_twice(service: Service) -> None:
    await service.takes(EXTRAS_COMMANDS, PLACE, reply_to=None)

    await service.bench.deliver(EXTRAS_COMMANDS, PLACE, message_id="m-1", reply_to=None)

    assert [message.kind for message in service.bench.sent] == ["orders.order-pending-payment.v1"]
    assert service.bench.handled(PLACE.kind, "duplicate") == 1


async def test_a_store_that_is_away_is_tried_again_and_no_request_is_answered(service: Service) -> None:
    service.orders.away = True

    await service.takes(EXTRAS_COMMANDS, PLACE)

    (retry,) = service.bench.published
    assert retry.exchange == "retry.1s"


async def test_a_guest_reads_the_active_extras(service: Service) -> None:
    (answer,) = await service.takes(EXTRAS_QUERIES, ListExtras(property_id=given.guest().property_id))

    assert answer == ExtrasReply(extras=(given.offered().view(),))


async def test_a_guest_reads_an_order_of_their_own_and_no_other_guests(service: Service) -> None:
    await service.takes(EXTRAS_COMMANDS, PLACE)
    mine = GetOrder.model_validate({"order_id": given.ORDER_ID, **WHO})

    (own,) = await service.takes(EXTRAS_QUERIES, mine)
    (foreign,) = await service.takes(EXTRAS_QUERIES, mine.model_copy(update={"guest_id": "guest-mallory"}))
    (elsewhere,) = await service.takes(EXTRAS_QUERIES, mine.model_copy(update={"property_id": "kamogawa"}))

    assert own == OrderReply(order=(await service.order()).view())
    assert isinstance(foreign, Refusal)
    assert foreign.reason is Reason.ORDER_NOT_FOUND
    assert elsewhere == foreign


async def test_a_guest_lists_orders_of_their_own(service: Service) -> None:
    await service.takes(EXTRAS_COMMANDS, PLACE)
    mine = ListOrders.model_validate(WHO)

    (own,) = await service.takes(EXTRAS_QUERIES, mine)
    (foreign,) = await service.takes(EXTRAS_QUERIES, mine.model_copy(update={"guest_id": "guest-mallory"}))

    assert own == OrdersReply(orders=((await service.order()).view(),))
    assert foreign == OrdersReply(orders=())


async def test_a_query_without_a_requester_is_not_answered(service: Service) -> None:
    assert await service.takes(EXTRAS_QUERIES, ListOrders.model_validate(WHO), reply_to=None) == []


async def test_the_time_from_the_psps_payment_to_the_order_is_measured_once() -> None:
    metrics, bench = Metrics("extras-service"), Bench("extras-service")
    store, steps = FakeStore(), Steps(metrics, Step.ORDER_PAID)
    parts = wire(bench.bus, store, lambda: given.NOW, Terms(given.PAY_WITHIN), steps=steps)
    await parts.collections.extras.put({given.offered().extra_id: given.offered()})
    for queue, table in parts.tables.items():
        bench.consume(queue, table)
    service = Service(bench, store.documents("orders", Order))
    paid = given.succeeded().model_copy(update={"paid_at": given.NOW - timedelta(seconds=4)})

    async with bench.running():
        await service.takes(EXTRAS_COMMANDS, PLACE)
        await service.takes(EXTRAS_COMMANDS, START)
        await service.takes(EXTRAS_PAYMENTS, given.session_created())
        for event in (paid, paid, given.succeeded()):  # again, and as a version says it that did not know when
            await service.takes(EXTRAS_PAYMENTS, event, reply_to=None)

    assert (await service.order()).status is OrderStatus.CONFIRMED
    labels = {"service": "extras-service", "step": Step.ORDER_PAID, "outcome": "ok"}
    assert metrics.registry.get_sample_value("bellhop_step_seconds_count", labels) == 1
    assert metrics.registry.get_sample_value("bellhop_step_seconds_sum", labels) == 4
