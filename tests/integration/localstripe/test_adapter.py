"""The adapter against a second stand-in for Stripe, written by others: `localstripe`, as far as that one goes.

It opens, reads, cancels and lists PaymentIntents, and signs webhooks. It knows no idempotency keys, sends no events of
PaymentIntents, and cannot confirm them over the API; for those there is the sandbox.
"""

import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contracts.ids import OrderId, PaymentId
from contracts.money import Money
from contracts.psp import ClosePspSession, CreatePspSession
from deploy.local.ports import HOST, Ports
from psp_adapter.errors import PspBrokenError
from psp_adapter.ledger import Ledger
from psp_adapter.signature import verify_signature
from psp_adapter.stripe_api import StripeApi
from tests.support.serving import Served
from tests.support.waiting import until

SECRET = "whsec_made_up"
COMMAND = CreatePspSession(
    order_id=OrderId("ord_" + "a" * 26),
    payment_id=PaymentId("pay_" + "a" * 26),
    session_no=1,
    amount=Money(amount=4800, currency="EUR"),
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("localstripe")
    port = Ports(folder / "ports.json").port("localstripe")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "localstripe", "--port", str(port)], cwd=folder, stdout=log, stderr=log
        )
    try:
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
async def api(address: str) -> AsyncIterator[StripeApi]:
    async def listens() -> bool:
        async with httpx.AsyncClient(trust_env=False) as http:
            try:
                await http.get(address)
            except httpx.TransportError:
                return False
        return True

    await until(listens, "localstripe listens")
    connected = StripeApi.connect("sk_test_localstripe", base=address, timeout=10.0, retries=0)
    yield connected
    await connected.close()


async def test_a_session_is_opened_with_what_was_asked_and_found_again(api: StripeApi) -> None:
    opened = await api.create_session(COMMAND)

    found = await api.retrieve_session(opened.id)
    assert (found.amount, found.currency, found.status) == (4800, "eur", "requires_payment_method")
    assert found.metadata == opened.metadata
    assert {"order_id": COMMAND.order_id, "payment_id": COMMAND.payment_id}.items() <= found.metadata.items()
    assert opened.client_secret
    assert found.is_ours


async def test_a_cancelled_session_is_reported_as_cancelled(api: StripeApi) -> None:
    opened = await api.create_session(COMMAND)

    closed = await api.cancel_session(
        ClosePspSession(order_id=COMMAND.order_id, payment_id=COMMAND.payment_id, session_no=1, psp_reference=opened.id)
    )

    assert (closed.id, closed.status) == (opened.id, "canceled")


async def test_a_session_that_was_never_opened_is_a_broken_request_not_a_silence(api: StripeApi) -> None:
    with pytest.raises(PspBrokenError):
        await api.retrieve_session("pi_never_opened")


async def test_the_ledger_has_every_session_of_ours(api: StripeApi) -> None:
    opened = await api.create_session(COMMAND)

    entries = {entry.psp_reference: entry async for entry in Ledger(api, "bellhop").entries()}

    entry = entries[opened.id]
    assert (entry.order_id, entry.currency, entry.captured, entry.refunds) == (COMMAND.order_id, "EUR", Decimal(), ())


async def test_a_webhook_another_program_signed_passes_our_check(api: StripeApi, address: str) -> None:
    checked: list[bool] = []

    async def receive(request: Request) -> Response:
        body = (await request.body()).decode()
        verify_signature(body, request.headers["stripe-signature"], (SECRET,), time.time())
        checked.append(True)
        return JSONResponse({})

    async def arrived() -> bool:
        return any(checked)

    receiver = Served("receiver", lambda: Starlette(routes=[Route("/", receive, methods=["POST"])]))
    await receiver.start()
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            where = {"url": receiver.url, "secret": SECRET}
            registered = await http.post(f"{address}/_config/webhooks/ours", json=where)
        await api.client.v1.customers.create_async({"email": "anna@example.com"})
        await until(arrived, "the webhook arrived")
    finally:
        await receiver.stop()

    assert registered.status_code == httpx.codes.OK
