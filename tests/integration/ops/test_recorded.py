"""What services record for tracing an order: histories, trace headers, and copies of failures."""

from chassis.runtime.metrics import Metrics
from extras_service.collections import ExtrasStore
from ops.core.message_log.stream import LogStream
from ops.core.messages import RecordedMessage
from ops.core.target import Target
from payment_service.collections import PaymentStore
from tests.support.guest import body
from tests.support.system import System
from tests.support.waiting import until

LOST = {"close_after_effect": {"next": 4, "match": "POST /v1/payment_intents"}}


async def logged(target: Target, order_id: str) -> list[RecordedMessage]:
    async with target.connection() as connection:
        return [seen async for seen in LogStream(connection).up_to_now() if seen.order_id == order_id]


async def test_documents_remember_their_changes_and_messages_what_they_came_from(
    system: System, target: Target
) -> None:
    guest = system.guest()
    order_id = (await guest.order())["order_id"]

    body(await system.pay(await guest.session(order_id)), 200)
    await guest.sees(order_id, status="confirmed")

    store = target.store(Metrics("tests"))
    order = await ExtrasStore(store).orders.load(order_id)
    payment = await PaymentStore(store).payments.load("pay_" + order_id.removeprefix("ord_"))
    store.close()
    assert order
    assert payment
    assert [(step.kind, step.summary) for step in order.history] == [
        ("orders.place-order.v1", "pending_payment / unpaid"),
        ("orders.start-payment.v1", "pending_payment / unpaid"),
        ("payments.payment-session-created.v1", "pending_payment / unpaid"),
        ("payments.payment-succeeded.v1", "confirmed / paid"),
    ]
    assert [step.summary for step in payment.history] == ["created", "session_open", "succeeded"]
    log = await logged(target, order_id)
    notes = {seen.kind: seen.headers.get("http") or seen.headers.get("psp") for seen in log}
    assert notes["orders.place-order.v1"] == "POST /v1/orders"
    assert str(notes["psp.psp-session-created.v1"])[12:].startswith(" POST /v1/payment_intents 200 in ")
    assert str(notes["psp.psp-payment-succeeded.v1"]).startswith("webhook evt_")
    assert all(seen.headers["sent_at_ms"] // 1000 == seen.sent_at.timestamp() for seen in log if seen.sent_at)


async def test_a_failure_is_found_in_the_log_beside_the_message_it_befell(system: System, target: Target) -> None:
    guest = system.guest()
    order_id = (await guest.order())["order_id"]

    async with system.faults(api=LOST):
        await guest.session(order_id)

    async def failures() -> list[RecordedMessage]:
        return [seen for seen in await logged(target, order_id) if seen.exchange == "failures"]

    [failure] = await until(failures, "the log has the failure")
    assert (failure.kind, failure.queues) == ("psp.create-psp-session.v1", ("psp.commands",))
    assert (failure.headers["ended"], failure.headers["again_in_s"], failure.attempt) == ("retried", 1, 1)
    assert failure.error_type == "PspUnavailableError"
    assert failure.headers["psp"].count("POST /v1/payment_intents not answered in ") == 3


async def test_a_document_from_before_there_was_a_history_is_read(system: System, target: Target) -> None:
    order_id = (await system.guest().order())["order_id"]
    await system.documents["orders"].update_one({"_id": order_id}, {"$unset": {"history": ""}})

    store = target.store(Metrics("tests"))
    stored = await ExtrasStore(store).orders.load(order_id)
    store.close()

    assert stored
    assert stored.history == ()
