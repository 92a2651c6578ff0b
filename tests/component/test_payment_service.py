"""The payment service's handlers on its queues."""

from collections.abc import AsyncIterator

import pytest

from chassis.messaging.envelope import utc_now
from chassis.runtime.metrics import Metrics
from chassis.runtime.steps import Step, Steps
from contracts.payments import PaymentSucceeded
from contracts.topology import PAYMENTS_COMMANDS, PAYMENTS_PSP, queue_named
from payment_service.settings import Schedule
from payment_service.wiring import wire
from tests.component.bench import Bench
from tests.support import payments as given
from tests.support.fake_store import FakeStore


def _wired() -> Bench:
    bench = Bench("payment-service")
    for queue, table in wire(bench.bus, FakeStore(), utc_now, Schedule()).tables.items():
        bench.consume(queue, table)
    return bench


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with _wired().running() as bench:
        yield bench


def test_the_handlers_take_what_the_queues_bind_and_nothing_else() -> None:
    parts = wire(Bench("payment-service").bus, FakeStore(), utc_now, Schedule())

    for queue, table in parts.tables.items():
        assert {kind.wire_kind() for kind in table} == {bound.routing_key for bound in queue_named(queue).bindings}


async def test_a_payment_goes_from_asked_to_succeeded(bench: Bench) -> None:
    story = (
        (PAYMENTS_COMMANDS, given.create()),
        (PAYMENTS_PSP, given.session_created()),
        (PAYMENTS_PSP, given.action_required(1)),
        (PAYMENTS_PSP, given.failed(2)),
        (PAYMENTS_PSP, given.processing(3)),
        (PAYMENTS_PSP, given.succeeded(4)),
    )

    for number, (queue, message) in enumerate(story):
        await bench.deliver(queue, message, message_id=f"m-{number}", reply_to=None)

    assert [published.kind for published in bench.published] == [
        "psp.create-psp-session.v1",
        "payments.payment-session-created.v1",
        "payments.payment-failed.v1",
        "payments.payment-processing.v1",
        "payments.payment-succeeded.v1",
    ]
    assert {published.correlation_id for published in bench.published} == {"c-1"}
    assert [published.headers["causation_id"] for published in bench.published] == ["m-0", "m-1", "m-3", "m-4", "m-5"]


async def test_a_payment_is_closed_in_two_phases(bench: Bench) -> None:
    story = (
        (PAYMENTS_COMMANDS, given.create()),
        (PAYMENTS_PSP, given.session_created()),
        (PAYMENTS_COMMANDS, given.close()),
        (PAYMENTS_PSP, given.canceled()),
    )

    for number, (queue, message) in enumerate(story):
        await bench.deliver(queue, message, message_id=f"m-{number}", reply_to=None)

    assert [published.kind for published in bench.published][2:] == [
        "psp.close-psp-session.v1",
        "payments.payment-session-closed.v1",
    ]


async def test_a_fact_about_an_unknown_payment_is_parked(bench: Bench) -> None:
    await bench.deliver(PAYMENTS_PSP, given.succeeded(), reply_to=None)

    (parked,) = bench.published
    assert (parked.exchange, parked.routing_key) == ("dead", "payments.dead")
    assert parked.headers["error_type"] == "UnknownPaymentError"


FOREIGN = {"order_id": "ord_of_another", "payment_id": "pay_of_another"}


@pytest.mark.parametrize("changed", [{"order_id": "", "payment_id": ""}, FOREIGN], ids=["removed", "changed"])
async def test_an_event_is_about_the_payment_that_holds_its_session_whatever_its_metadata_says(
    bench: Bench, changed: dict[str, str]
) -> None:
    story = (
        (PAYMENTS_COMMANDS, given.create()),
        (PAYMENTS_PSP, given.session_created()),
        (PAYMENTS_PSP, given.succeeded().model_copy(update=changed)),
    )

    for number, (queue, message) in enumerate(story):
        await bench.deliver(queue, message, message_id=f"m-{number}", reply_to=None)

    published = bench.sent[-1]
    assert isinstance(published, PaymentSucceeded)
    assert (published.order_id, published.payment_id) == (given.ORDER_ID, given.PAYMENT_ID)


async def test_a_payment_of_another_system_on_the_same_account_changes_nothing(bench: Bench) -> None:
    foreign = given.succeeded(reference="pi_of_a_shop").model_copy(update={"order_id": "", "payment_id": ""})

    await bench.deliver(PAYMENTS_PSP, foreign, message_id="m-1", reply_to=None)

    assert bench.published == []
    assert bench.handled(foreign.kind, "ignored") == 1


async def test_the_time_from_the_psps_report_to_the_payments_document_is_measured_once() -> None:
    metrics, bench = Metrics("payment-service"), Bench("payment-service")
    steps = Steps(metrics, Step.PAYMENT_RECORDED)
    for queue, table in wire(bench.bus, FakeStore(), lambda: given.at(10), Schedule(), steps).tables.items():
        bench.consume(queue, table)

    async with bench.running():
        await bench.deliver(PAYMENTS_COMMANDS, given.create(), message_id="m-0", reply_to=None)
        await bench.deliver(PAYMENTS_PSP, given.session_created(), message_id="m-1", reply_to=None)
        for message_id in ("m-2", "m-2", "m-3"):
            await bench.deliver(PAYMENTS_PSP, given.succeeded(4), message_id=message_id, reply_to=None)

    labels = {"service": "payment-service", "step": Step.PAYMENT_RECORDED, "outcome": "ok"}
    assert metrics.registry.get_sample_value("bellhop_step_seconds_count", labels) == 1
    assert metrics.registry.get_sample_value("bellhop_step_seconds_sum", labels) == 6
