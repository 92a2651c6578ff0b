"""The audit of receipts: what it lets pass, and what it names."""

import random

import pytest

from contracts.order_actions import ReviewResolution
from contracts.order_receipts import Receipt
from extras_service.order.state import Order
from extras_service.receipt.state import OrderReceipts
from extras_service.wiring import ExtrasParts
from ops.core.audit.findings import Kind
from ops.core.audit.receipts import ReceiptAudit, differences
from tests.component.test_receipts import ALPENHOF, World, paid, refunded, world_of
from tests.support import orders as given
from tests.support.receipts import eur, issued, refund_made, taxed


async def populated() -> tuple[World, ExtrasParts]:
    world = world_of(7)
    parts = world.instance()
    for number in range(25):
        order = refunded(paid(number)) if random.Random(number).random() < 0.3 else paid(number)  # noqa: S311  seeded
        await world.put(order)
        await world.until_done(parts, order)
    return world, parts


def audit_of(parts: ExtrasParts) -> ReceiptAudit:
    kept = parts.collections
    return ReceiptAudit(kept.orders, kept.receipts, kept.registers, read_again_after=0.0)


async def test_receipts_without_a_fault_have_no_finding() -> None:
    _, parts = await populated()

    assert await audit_of(parts).findings() == []


async def test_a_missing_number_is_found() -> None:
    world, parts = await populated()
    del world.store.of["receipts"].raw["ord_3"]

    findings = await audit_of(parts).findings()

    assert {finding.kind for finding in findings} == {Kind.RECEIPT_NUMBER}
    assert all("alpenhof has no receipt" in finding.problem for finding in findings)


async def test_a_number_that_was_taken_twice_is_found() -> None:
    world, parts = await populated()
    document = world.store.of["receipts"].raw["ord_4"]
    again = document["state"]["receipts"][0] | {"order_id": "ord_5"}
    world.store.of["receipts"].raw["ord_5"]["state"]["receipts"][0] = again

    problems = [finding.problem for finding in await audit_of(parts).findings()]

    assert f"{ALPENHOF} has receipt {again['number']} more than once" in problems


async def test_a_receipt_that_is_due_is_found() -> None:
    world, parts = await populated()
    await world.put(refunded(paid(1)) if len(_filed(world, "ord_1")) == 1 else paid(1))

    [finding] = await audit_of(parts).findings()

    assert (finding.kind, finding.order_id) == (Kind.RECEIPT_SUM, "ord_1")


@pytest.mark.parametrize(
    "order",
    [
        given.after(given.payable(), given.succeeded(eur(5000)), given.resolving(ReviewResolution.ACCEPT)),
        given.after(given.needs_review(), given.resolving(ReviewResolution.ACCEPT, amount=1200)),
        given.after(given.confirmed(), given.refunding(1200), given.refund_failed(), given.settling_outside(1000)),
        given.after(given.confirmed(), given.refunding(1200), refund_made(1200), given.refund_failed(fact_no=2)),
    ],
)
def test_receipts_of_every_kind_equal_the_orders_money(order: Order) -> None:
    assert list(differences(order, issued(taxed(order)))) == []


def test_a_receipt_whose_parts_do_not_add_up_is_found() -> None:
    [receipt] = issued(taxed(given.confirmed()))
    wrong = receipt.model_copy(update={"shares": receipt.shares[:0]})

    assert list(differences(given.confirmed(), (wrong,))) == [
        f"the parts of receipt {receipt.number} do not add up to its amount"
    ]


def _filed(world: World, order_id: str) -> tuple[Receipt, ...]:
    return OrderReceipts.model_validate(world.store.of["receipts"].raw[order_id]["state"]).receipts
