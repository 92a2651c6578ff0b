"""Amounts the PSP counts otherwise than we do: refused where they enter, carried where they come back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.money import Money
from tests.support.desk import Desk, intent_of, is_clean, kept, paid_order
from tests.support.guest import Json, body
from tests.support.system import System

CATALOGUE = """
extras:
  - {extra_id: bel-spa, property_id: beograd, category: spa, name: {en: Spa}, unit_price: {amount: 1500, currency: RSD}}
  - {extra_id: kw-spa, property_id: kuwait, category: spa, name: {en: Spa}, unit_price: {amount: 4800, currency: KWD}}
"""


@pytest.fixture
async def system(own_system: Callable[..., Any], tmp_path: Path) -> System:
    file = tmp_path / "catalogue.yaml"
    file.write_text(CATALOGUE.replace("}}", "}, max_quantity: 6}"))
    made: System = await own_system(catalogue=file)
    return made


def spa(extra_id: str) -> Json:
    return {"extra_id": extra_id, "quantity": 1}


async def test_half_a_dinar_that_the_dashboard_gave_back_reaches_the_order_and_the_rest_is_refunded_exactly(
    system: System,
) -> None:
    guest, desk = system.guest("beograd"), Desk.of(system, "beograd")
    order_id = await paid_order(system, guest, spa("bel-spa"))
    intent = await intent_of(system, order_id)

    await system.switch(f"payment_intents/{intent['id']}/refund", {"amount": 50_050})
    part = await guest.sees(order_id, payment_status="partially_refunded")
    await is_clean(system)
    body(await desk.cancel(order_id), 200)
    await guest.sees(order_id, status="cancelled", payment_status="refunded")

    assert part["refunded"] == {"amount": 500, "hundredths": 50, "currency": "RSD"}
    assert await kept(system, order_id) == 0
    await is_clean(system)


async def test_a_refund_finer_than_the_psps_unit_is_refused_where_staff_ask_for_it(system: System) -> None:
    guest, desk = system.guest("kuwait"), Desk.of(system, "kuwait")
    order_id = await paid_order(system, guest, spa("kw-spa"))

    answers = [await desk.refund_of(order_id, Money(amount=amount, currency="KWD")) for amount in (5, 0, -10)]

    assert [answer.status_code for answer in answers] == [422, 422, 422]
    assert "multiples of 10" in answers[0].text
    assert set((await system.parked()).values()) == {0}
