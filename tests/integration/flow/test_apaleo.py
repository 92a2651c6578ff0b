"""A real order, its webhooks, and the connector to Apaleo before a stand-in of our own; nothing of it is Apaleo's."""

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from client import calls
from connectors.apaleo.api import ApaleoApi
from connectors.apaleo.app import create_app
from connectors.apaleo.booking import folios_of
from connectors.apaleo.differences import RECENT, differences
from contracts.money import Money
from contracts.webhooks import OrderData
from deploy.local.broker import Broker
from deploy.local.patience import patient
from deploy.local.ports import HOST, free_port
from deploy.local.store import Store
from tests.support.apaleo import RESERVATION, order, payment, send, settings_for
from tests.support.apaleo_stand_in import StandIn, StandInFolio
from tests.support.desk import REASON, Desk
from tests.support.guest import BREAKFAST, LATE_CHECKOUT, Json, body
from tests.support.operator import Operator
from tests.support.serving import Served
from tests.support.system import System, system_on
from tests.support.waiting import until

WHY = ("--why", "a test")


@dataclass
class Hotel:
    """Bellhop, the connector, and what stands for the PMS."""

    system: System
    operator: Operator
    stand_in: StandIn
    connector: Served

    async def delivered(self, order_id: str, kind: str) -> Json:
        """The order's webhook of a type, once the connector has taken it."""

        async def is_taken() -> Any:
            listed = await self.operator.json("webhooks", "deliveries", "--order", order_id)
            taken = [each for each in listed if (each["type"], each["status"]) == (kind, "delivered")]
            return taken[0] if taken else None

        found: Json = await until(is_taken, f"{kind} of {order_id} is delivered")
        return found


@pytest.fixture
async def hotel(broker: Broker, store: Store) -> AsyncIterator[Hotel]:
    async with system_on(broker, store) as system:
        operator, stand_in, secret = Operator(system), StandIn(), ""
        settings = {
            "mongodb_url": system.setup.mongodb_url,
            "mongodb_database": system.setup.database,
            "store_timeout": patient(5.0),
        }
        connector = Served(
            "the connector", lambda: create_app(settings_for(stand_in, apaleo_webhook_secret=secret, **settings))
        )
        added = await operator.json("webhooks", "add", f"{connector.url}/webhooks", "--property", "alpenhof", *WHY)
        secret = added["secret"]
        await stand_in.served.start()
        await connector.start()
        try:
            # With its answer the service knows the subscriber; of what happens before that it may tell it nothing.
            assert (await operator.json("webhooks", "test", added["subscriber_id"]))["status"] == "delivered"
            yield Hotel(system, operator, stand_in, connector)
        finally:
            await connector.stop()
            await stand_in.served.stop()


def counts(folio: StandInFolio) -> tuple[int, int, int, int]:
    return len(folio.charges), len(folio.payments), len(folio.allowances), len(folio.refunds)


async def test_a_paid_order_and_the_refund_of_a_line_are_on_the_folio_once_and_the_guest_owes_nothing_more(
    hotel: Hotel,
) -> None:
    guest = hotel.system.guest()
    folio = hotel.stand_in.reservation(f"res_{guest.guest_id}")

    hotel.stand_in.faults = ["", "500"]  # the first attempt breaks off in the middle
    placed = await guest.order(BREAKFAST, LATE_CHECKOUT)
    order_id = placed["order_id"]
    body(await hotel.system.pay(await guest.session(order_id)), 200)
    confirmed = await hotel.delivered(order_id, "order.confirmed")

    total = Decimal(placed["total"]["amount"]) / 100
    assert counts(folio) == (2, 1, 0, 0)
    assert (folio.charged, folio.balance) == (total, Decimal(0))
    assert folio.charges[0]["name"].startswith("2 x ")
    assert confirmed["deliveries"] == 1

    refund = Money(amount=1000, currency="EUR")
    desk = Desk.of(hotel.system)
    body(
        await desk.answer(calls.refund_order(order_id, reason=REASON, key=uuid.uuid4().hex, amount=refund, line=0)),
        200,
    )
    refunded = await hotel.delivered(order_id, "order.refunded")
    assert counts(folio) == (2, 1, 1, 1)
    assert (folio.charged, folio.balance) == (total - 10, Decimal(0))
    assert folio.allowances[0]["sourceChargeId"] == folio.charges[0]["id"]

    posts = len(hotel.stand_in.posts)
    hotel.stand_in.expire_keys()
    for each in (confirmed, refunded):
        named = (each["webhook_id"], "--order", order_id, *WHY, "--yes")
        assert (await hotel.operator.json("webhooks", "send-again", *named))["deliveries"] == 2
    assert len(hotel.stand_in.posts) == posts
    assert counts(folio) == (2, 1, 1, 1)

    exported = await hotel.operator.runs("webhooks", "export", "--property", "alpenhof", "--since", "1h")
    about = OrderData.model_validate_json(exported.said)
    assert (about.order_id, about.reservation_id) == (order_id, folio.reservation_id)
    assert [each.receipt_kind for each in about.receipts] == ["payment", "refund"]
    terms = settings_for(hotel.stand_in).terms
    reads, shown = ApaleoApi.of(settings_for(hotel.stand_in)), datetime.now(UTC) + RECENT
    folios = await folios_of(reads, about, terms, refunds=True)
    assert differences(about, terms, folios, shown) == []
    folio.refunds.clear()
    [missing] = differences(about, terms, await folios_of(reads, about, terms, refunds=True), shown)
    assert "the refund" in missing.said
    await reads.close()
    later = await hotel.operator.runs("webhooks", "export", "--property", "alpenhof", "--until", "1h")
    assert later.said == ""
    unknown = await hotel.operator.runs("webhooks", "export", "--property", "nowhere", code=2)
    assert unknown.said == "There is no property nowhere."


async def test_an_order_of_a_checked_out_guest_waits_for_the_operator_and_is_booked_when_it_is_sent_again(
    hotel: Hotel,
) -> None:
    guest = hotel.system.guest()
    folio = hotel.stand_in.reservation(f"res_{guest.guest_id}")
    folio.is_closed = True
    order_id = (await guest.order())["order_id"]
    body(await hotel.system.pay(await guest.session(order_id)), 200)

    async def refused() -> Any:
        listed = await hotel.operator.json("webhooks", "deliveries", "--order", order_id)
        return listed if listed and "422" in str(listed[0]) else None

    await until(refused, "operators see that the connector has refused it")
    assert folio.charges == []
    folio.is_closed = False

    await hotel.delivered(order_id, "order.confirmed")

    assert counts(folio) == (1, 1, 0, 0)
    assert folio.balance == 0


async def test_a_process_that_is_killed_while_apaleo_does_not_answer_books_once_in_its_next_life(store: Store) -> None:
    stand_in, database, port = StandIn(), f"apaleo-{uuid.uuid4().hex[:8]}", free_port()
    await stand_in.served.start()
    folio = stand_in.reservation(RESERVATION)
    settings = settings_for(stand_in)
    own = {
        "MONGODB_URL": store.url,
        "MONGODB_DATABASE": database,
        "STORE_TIMEOUT": str(patient(5.0)),
        "HTTP_PORT": str(port),
        "APALEO_URL": stand_in.url,
        "APALEO_IDENTITY_URL": stand_in.url,
        "APALEO_CLIENT_ID": settings.apaleo_client_id,
        "APALEO_CLIENT_SECRET": settings.apaleo_client_secret.get_secret_value(),
        "APALEO_WEBHOOK_SECRET": settings.apaleo_webhook_secret.get_secret_value(),
        "APALEO_PROPERTIES": settings.apaleo_properties,
        "APALEO_VAT": settings.apaleo_vat,
    }
    environment = os.environ | {f"BELLHOP_{name}": value for name, value in own.items()}
    about, url = order([payment((0, 4800, 700), (1, 1250, 1900))]), f"http://{HOST}:{port}"

    async def process() -> asyncio.subprocess.Process:
        started = await asyncio.create_subprocess_exec(sys.executable, "-m", "connectors.apaleo", env=environment)

        async def is_ready() -> bool:
            assert started.returncode is None
            with suppress(httpx.TransportError):
                async with httpx.AsyncClient(trust_env=False) as http:
                    return (await http.get(f"{url}/health/ready")).status_code == 200
            return False

        await until(is_ready, "the connector is ready")
        return started

    stand_in.faults = ["", "hang after"]
    first = await process()
    asked = asyncio.ensure_future(send(url, about))
    await until(lambda: len(stand_in.posts) == 2, "it waits for Apaleo's answer to the second charge")
    first.kill()
    await first.wait()
    with pytest.raises(httpx.TransportError):
        await asked
    stand_in.let_go.set()
    stand_in.expire_keys()

    second = await process()
    try:

        async def is_taken() -> bool:  # 503 while the first life still holds the order
            return (await send(url, about)).status_code == 204

        await until(is_taken, "the next life has booked it")
    finally:
        second.terminate()
        assert await second.wait() in (0, -15)
        await stand_in.served.stop()

    assert counts(folio) == (2, 1, 0, 0)
    assert (folio.charged, folio.balance) == (Decimal("60.50"), Decimal(0))
