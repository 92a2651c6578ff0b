"""The books over a real system: the audit as a command, and a day's closing from the PSP's own transactions."""

import csv
import io
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.integration.flow.guest import Json
from tests.integration.flow.system import System
from tests.integration.flow.waiting import until
from tests.integration.money.desk import Desk, intent_of, paid_order
from tests.integration.money.test_mismatch import mismatched
from tests.integration.ops.operator import Operator

TODAY = datetime.now(ZoneInfo("Europe/Vienna")).date().isoformat()


@pytest.fixture
async def operator(own_system: Callable[..., Any]) -> Operator:
    return Operator(await own_system(settle_after=None))


def rows(answer: Json, section: str, kind: str | None = None) -> list[Json]:
    return [row for row in answer["rows"] if row["section"] == section and kind in (None, row["kind"])]


def amounts(found: list[Json], name: str = "amount") -> list[Decimal]:
    return [Decimal(row[name]) for row in found]


async def is_refunded(system: System, order_id: str) -> None:
    """Wait until the order has heard of a refund."""

    async def told() -> bool:
        order = await system.documents["orders"].find_one({"_id": order_id})
        return bool(order and order["state"]["refunded"])

    await until(told, "the order knows of the refund")


async def test_a_day_is_closed_with_totals_that_add_up(operator: Operator) -> None:
    system = operator.system
    first, second = await paid_order(system, system.guest()), await paid_order(system, system.guest())
    unpaid = (await system.guest().order())["order_id"]
    await Desk.of(system).refund(first, 1000)
    await is_refunded(system, first)
    payout = await system.switch("payouts", {"currency": "eur"})

    closed = await operator.json("closing", TODAY, "--property", "alpenhof")

    assert closed["differences"] == []
    assert {row["order_id"]: row["amount"] for row in rows(closed, "order")} == dict.fromkeys(
        (first, second, unpaid), "48.00"
    )
    charges = rows(closed, "transaction", "charge")
    assert (amounts(charges), {row["order_id"] for row in charges}) == ([Decimal(48)] * 2, {first, second})
    assert amounts(rows(closed, "transaction", "refund")) == [Decimal(-10)]
    (paid_out,) = rows(closed, "transaction", "payout")
    assert (paid_out["source"], Decimal(paid_out["amount"])) == (payout["id"], -Decimal(payout["amount"]) / 100)
    (share,) = rows(closed, "payout")
    assert (share["property"], Decimal(share["net"])) == ("alpenhof", -Decimal(paid_out["amount"]))
    (total,) = [row for row in rows(closed, "total", "all") if row["property"] == "alpenhof"]
    assert Decimal(total["net"]) == Decimal(86) - Decimal(total["fee"]) == Decimal(share["net"])
    assert {row["kind"]: Decimal(row["amount"]) for row in rows(closed, "bridge")} == {
        **dict.fromkeys(("charged_another_day", "of_another_day", "mismatched"), Decimal()),
        **dict.fromkeys(("paid", "charges"), Decimal(96)),
    }


async def test_a_closing_says_by_what_it_does_not_add_up(operator: Operator) -> None:
    system = operator.system
    order_id = await paid_order(system, system.guest())
    await system.documents["payments"].update_one(
        {"state.order_id": order_id}, {"$set": {"state.received.amount": 4000}}
    )

    closed = await operator.json("closing", TODAY, code=1)

    (difference,) = closed["differences"]
    assert order_id in difference
    assert "€48.00" in difference
    assert "€40.00 were received" in difference
    (mismatched_by,) = rows(closed, "bridge", "mismatched")
    assert Decimal(mismatched_by["amount"]) == 8


async def test_a_day_of_another_property_or_another_date_is_empty(operator: Operator) -> None:
    await paid_order(operator.system, operator.system.guest())

    for words in (("2020-02-29",), (TODAY, "--property", "kamogawa")):
        closed = await operator.json("closing", *words)
        assert (closed["rows"], closed["differences"]) == ([], [])
    await operator.runs("closing", TODAY, "--property", "another-hotel", code=2)


async def test_a_closing_is_a_table_for_people_and_for_spreadsheets(operator: Operator) -> None:
    order_id = await paid_order(operator.system, operator.system.guest())

    shown = await operator.runs("closing", TODAY)
    table = await operator.runs("closing", TODAY, "--csv")

    assert "everything adds up" in shown.said
    assert order_id in shown.said
    read = list(csv.DictReader(io.StringIO(table.said[table.said.index("section,") :])))
    assert [row["amount"] for row in read if row["section"] == "transaction"] == ["48.00"]


async def test_the_audit_lists_reviews_as_open_questions_and_ends_with_exit_code_0(operator: Operator) -> None:
    order_id = await mismatched(operator.system, operator.system.guest())

    found = (await operator.runs("audit", "--json", code=0)).json

    assert found["findings"] == []
    (question,) = found["open_questions"]
    assert (question["kind"], question["order_id"], question["currency"]) == ("review", order_id, "EUR")
    assert question["since"] is not None
    assert Decimal(question["amount"]) > 0


async def test_one_bad_object_at_the_psp_does_not_end_the_audit(operator: Operator) -> None:
    system = operator.system
    order_id = await paid_order(system, system.guest())
    intent = await intent_of(system, order_id)
    await system.switch(f"payment_intents/{intent['id']}/refund", {"amount": 1000, "metadata": None})
    await is_refunded(system, order_id)

    found = (await operator.runs("audit", "--json", code=0)).json

    assert (found["findings"], found["orders"]) == ([], 1)


async def test_the_hourly_audit_finds_what_moved_since(operator: Operator) -> None:
    system = operator.system
    order_id = await paid_order(system, system.guest())
    await system.documents["orders"].update_one({"_id": order_id}, {"$set": {"state.status": "cancelled"}})

    found = await operator.runs("audit", "--since", "1h", "--csv", code=1)
    none = await operator.runs("audit", "--since", "0s", code=0)

    (row,) = csv.DictReader(io.StringIO(found.said[found.said.index("kind,") :]))
    assert (row["kind"], row["order_id"], row["amount"]) == ("unbalanced", order_id, "48.00")
    assert "accounted for" in none.said
