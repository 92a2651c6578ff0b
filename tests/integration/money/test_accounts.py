"""A group of three hotels, each with an account at the PSP: one of the default key, one of its own, one connected."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.broker import Broker
from deploy.local.store import Store
from tests.support.desk import Desk, audited, is_clean, paid_order
from tests.support.guest import Guest, Json, body, token
from tests.support.system import System, system_on
from tests.support.waiting import until

ACCOUNTS = """
seaside:
  api_key: sk_test_seaside0
  publishable_key: pk_test_seaside0
  webhook_secret: whsec_seaside0
  account: acct_seaside
harbour:
  connected: acct_harbour
"""
HOTELS = {"alpenhof": "default", "seehotel": "seaside", "hafenhaus": "harbour"}
KEYS: dict[str, dict[str, str]] = {
    "default": {},
    "seaside": {"key": "sk_test_seaside0"},
    "harbour": {"connected": "acct_harbour"},
}


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file: Path = tmp_path_factory.mktemp("group") / "catalogue.yaml"
    hotels = "".join(f"  {hotel}: {{psp_account: {account}}}\n" for hotel, account in HOTELS.items())
    extras = "".join(
        f"  - {{extra_id: {hotel}-transfer, property_id: {hotel}, category: transfer, name: {{en: Transfer}}, "
        "unit_price: {amount: 4800, currency: EUR}, max_quantity: 2}\n"
        for hotel in HOTELS
    )
    file.write_text(f"properties:\n{hotels}extras:\n{extras}")
    return file


@pytest.fixture(scope="module")
async def system(broker: Broker, store: Store, catalogue: Path) -> AsyncIterator[System]:
    async with system_on(
        broker, store, catalogue=catalogue, psp_accounts=ACCOUNTS, poll_interval_factor=0.01, stripe_retries=0
    ) as running:
        yield running
        await is_clean(running)


def _transfer(guest: Guest) -> Json:
    return {"extra_id": f"{guest.property_id}-transfer", "quantity": 1}


async def captured(system: System, order_id: str) -> dict[str, int]:
    """What each account holds for an order, in cents, less refunds; accounts without any are left out."""
    held = {}
    for account, key in KEYS.items():
        intents = (await system.at_psp("payment_intents", limit=100, **key))["data"]
        ours = [intent for intent in intents if intent["metadata"].get("order_id") == order_id]
        if ours:
            refunds = [
                refund
                for intent in ours
                for refund in (await system.at_psp("refunds", payment_intent=intent["id"], **key))["data"]
            ]
            held[account] = sum(intent["amount_received"] for intent in ours) - sum(each["amount"] for each in refunds)
    return held


@pytest.mark.parametrize(("hotel", "account"), HOTELS.items())
async def test_each_hotel_is_paid_and_refunds_at_its_own_account(system: System, hotel: str, account: str) -> None:
    guest, desk = system.guest(hotel), Desk.of(system, hotel)

    order_id = await paid_order(system, guest, _transfer(guest))
    assert await captured(system, order_id) == {account: 4800}

    body(await desk.refund(order_id, 1000), 200)
    await guest.sees(order_id, payment_status="partially_refunded")
    assert await captured(system, order_id) == {account: 3800}
    result = await audited(system)
    assert result.findings == ()
    assert account in result.by_account


async def test_an_order_stays_at_its_account_although_the_hotel_has_another_one_now(system: System) -> None:
    guest, desk = system.guest("seehotel"), Desk.of(system, "seehotel")
    order_id = (await guest.order(_transfer(guest)))["order_id"]

    await _names(system, "seehotel", "default")
    try:
        body(await system.pay(await guest.session(order_id)), 200)
        await guest.sees(order_id, payment_status="paid")
        body(await desk.refund(order_id), 200)
        await guest.sees(order_id, payment_status="refunded")
        assert await captured(system, order_id) == {"seaside": 0}

        later = await paid_order(system, guest, _transfer(guest))
        assert await captured(system, later) == {"default": 4800}
    finally:
        await _names(system, "seehotel", "seaside")


async def test_a_webhook_of_another_account_confirms_no_order(system: System) -> None:
    guest = system.guest("alpenhof")
    order_id = (await guest.order(_transfer(guest)))["order_id"]
    session = await guest.session(order_id)
    (intent,) = await system.intents(order_id)
    paid = intent | {"status": "succeeded", "amount_received": 4800}
    event = {
        "id": f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": intent["created"],
        "livemode": False,
        "data": {"object": paid},
    }

    refused = await system.post_event(event, endpoint="/seaside")
    taken = await system.post_event(event, endpoint="/seaside", secret="whsec_seaside0")

    assert (refused.status_code, body(taken, 200)["outcome"]) == (400, "done")
    payment = await system.payment_of(order_id)
    assert payment is not None
    assert payment["state"]["status"] == "session_open"
    assert (await guest.see(order_id))["status"] == "pending_payment"
    body(await system.pay(session), 200)
    await guest.sees(order_id, payment_status="paid")


async def test_a_revoked_key_stops_no_other_hotel_and_its_payments_go_on_when_it_is_accepted(system: System) -> None:
    guest, other = system.guest("seehotel"), system.guest("hafenhaus")
    order_id = (await guest.order(_transfer(guest)))["order_id"]
    await system.switch("accounts/seaside/faults", {"api": {"fail_401": {"probability": 1}}}, method="PUT")
    try:
        asking = asyncio.create_task(guest.ask_for_session(order_id))
        await paid_order(system, other, _transfer(other))
        assert not asking.done(), "the other hotel was paid while this one could not be"
    finally:
        await system.switch("accounts/seaside/faults", method="DELETE")
    await asking

    async def session() -> Json | None:
        answer = await guest.ask_for_session(order_id)
        return answer.json() if answer.status_code == 201 else None

    opened = await until(session, "the session is opened once the key is accepted")
    assert opened is not None
    body(await system.pay(opened), 200)
    await guest.sees(order_id, payment_status="paid")
    assert await captured(system, order_id) == {"seaside": 4800}


async def _names(system: System, hotel: str, account: str) -> None:
    """The owner names another account."""
    signed = token(sub="stf_owner", role="owner", property=hotel, reservation=None, stay_from=None, stay_to=None)
    http = system.browser(f"Bearer {signed}")
    known = body(await http.get("/v1/staff/property"), 200)
    changed = {
        "version": known["version"],
        "definition": known["definition"] | {"psp_account": account},
        "reason": "a new account",
    }
    body(await http.put("/v1/staff/property", json=changed), 200)
