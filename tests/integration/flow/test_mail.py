"""E-mail about a real order: over broker, store and a mail server, once, with its receipt."""

import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import aio_pika
import pytest

from contracts.order_receipts import ReceiptIssued
from contracts.topology import MAIL_SENDING
from deploy.local.broker import Broker
from deploy.local.store import Store
from tests.support.guest import Guest, body
from tests.support.mail_server import MailServer, mail_server
from tests.support.system import NOTIFICATIONS, System, system_on
from tests.support.waiting import until

ANNA = "anna@example.org"


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[MailServer]:
    async with mail_server() as running:
        yield running


@pytest.fixture(scope="module")
async def mailing(broker: Broker, store: Store, server: MailServer) -> AsyncIterator[System]:
    async with system_on(broker, store, smtp_port=server.port) as system:
        yield system


@pytest.fixture(autouse=True)
def emptied(server: MailServer) -> None:
    server.received.clear()


async def paid(system: System, **claims: Any) -> tuple[Guest, str]:
    guest = system.guest(**claims)
    order_id = (await guest.order())["order_id"]
    body(await system.pay(await guest.session(order_id)), 200)
    return guest, order_id


def about(server: MailServer, order_id: str) -> Callable[[], bool]:
    return lambda: any(order_id in message.as_string() for message in server.received)


async def mail_of(system: System, order_id: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = await system.documents["mails"].find_one({"state.order_id": order_id})
    return found


async def is_mailed(system: System, order_id: str) -> bool:
    mail = await mail_of(system, order_id)
    return mail is not None and mail["state"]["status"] == "sent"


async def test_a_paid_order_is_confirmed_by_one_e_mail_with_its_receipt(mailing: System, server: MailServer) -> None:
    _, order_id = await paid(mailing, email=ANNA)
    await until(lambda: is_mailed(mailing, order_id), "the mail is sent and written down")

    events = [message for message in await mailing.log() if message.type == ReceiptIssued.wire_kind()]
    [event] = [message for message in events if order_id.encode() in message.body]
    handled = await mailing.counted(NOTIFICATIONS, "bellhop_messages_handled", kind=ReceiptIssued.wire_kind())
    async with mailing.channel() as channel:
        exchange = await channel.get_exchange("events", ensure=False)
        for _ in range(2):
            repeated = aio_pika.Message(
                event.body, type=event.type, message_id=event.message_id, correlation_id="c", user_id=mailing.login
            )
            await exchange.publish(repeated, ReceiptIssued.wire_kind())

    async def has_all() -> bool:
        kind = ReceiptIssued.wire_kind()
        return await mailing.counted(NOTIFICATIONS, "bellhop_messages_handled", kind=kind) >= handled + 2

    await until(has_all, "both repetitions are handled")
    [message] = server.received
    assert message["To"] == ANNA
    [attached] = message.iter_attachments()
    assert attached.get_content().startswith(b"%PDF-")
    raw = await mailing.documents["mails"].find({}).to_list()
    assert ANNA not in str(raw)
    log = [seen for seen in await mailing.log() if ANNA.encode() in seen.body]
    assert log == []


async def test_a_guest_gives_sees_and_removes_an_address(mailing: System) -> None:
    guest = mailing.guest()
    nothing = body(await guest.http.get("/v1/contact"), 200)
    given = body(await guest.http.put("/v1/contact", json={"email": "own@example.org", "language": "de"}), 200)
    seen = body(await guest.http.get("/v1/contact"), 200)
    other = body(await mailing.guest().http.get("/v1/contact"), 200)
    removed = body(await guest.http.delete("/v1/contact"), 200)

    assert nothing == other == removed == {"email": None, "language": None}
    assert given == seen == {"email": "own@example.org", "language": "de"}
    assert body(await guest.http.get("/v1/contact"), 200) == nothing


@pytest.mark.parametrize(
    "hostile",
    ["", "nowhere", "a@b.example\r\nBcc: c@d.example", "Anna <a@b.example>", "a@b.example,c@d.example", "ü@b.example"],
)
async def test_an_address_that_is_no_address_is_refused(mailing: System, hostile: str) -> None:
    answer = await mailing.guest().http.put("/v1/contact", json={"email": hostile})

    assert answer.status_code == 422
    assert hostile == "" or hostile not in answer.text


async def test_a_cancelled_order_is_mailed_and_then_its_refund(mailing: System, server: MailServer) -> None:
    guest, order_id = await paid(mailing, email="bert@example.org")
    await until(lambda: is_mailed(mailing, order_id), "the order is confirmed by e-mail")

    body(await guest.http.post(f"/v1/orders/{order_id}/cancel"), 200)

    def both() -> bool:
        subjects = server.subjects()
        return any("cancelled" in each for each in subjects) and any("refunded" in each for each in subjects)

    await until(both, "the guest has two more e-mails")
    assert len(server.received) == 3


async def test_a_mail_server_that_is_down_pauses_one_queue_and_loses_nothing(
    mailing: System, server: MailServer
) -> None:
    await server.stop()
    guest, order_id = await paid(mailing, email="carla@example.org")

    async def is_paused() -> bool:
        open_ = await mailing.counted(NOTIFICATIONS, "bellhop_breaker_open", dependency="the mail server")
        return open_ == 1

    await until(is_paused, "the breaker is open")
    answered = body(await guest.http.get("/v1/contact"), 200)
    ready = await mailing.browser().get(f"{mailing.parts[NOTIFICATIONS].url}/health/ready")

    await server.start()
    await until(lambda: is_mailed(mailing, order_id), "the mail is sent once the server is back")
    assert answered["email"] == "carla@example.org"
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert f"breaker of {MAIL_SENDING.name}" in ready.json()["problems"]
    assert len(server.received) == 1


async def test_without_a_mail_server_nothing_is_kept_and_nothing_waits(system: System) -> None:
    guest, order_id = await paid(system, email=f"{uuid.uuid4().hex}@example.org")
    await until(lambda: system.document(order_id), "the order is there")

    refused = await guest.http.put("/v1/contact", json={"email": ANNA})

    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:bellhop:problem:mail-off"
    assert await system.documents["guest_contacts"].count_documents({}) == 0
    assert await system.documents["mails"].count_documents({}) == 0
