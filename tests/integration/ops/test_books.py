"""The books over a real system: the audit as a command, and a day's closing from the PSP's own transactions."""

import asyncio
import csv
import io
from collections.abc import Callable
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.desk import Desk, intent_of, paid_order
from tests.support.guest import BREAKFAST, Json, body, token
from tests.support.operator import Operator
from tests.support.situations import becomes, disputed, failed_part, mismatched
from tests.support.system import System
from tests.support.waiting import until

VIENNA, TOKYO = "Europe/Vienna", "Asia/Tokyo"
ENOUGH = 120
"""Seconds that a test's day must still have: a closing is of one day."""


@pytest.fixture
async def operator(own_system: Callable[..., Any]) -> Operator:
    return Operator(await own_system(settle_after=None))


@pytest.fixture
async def today() -> str:
    return await day_in(VIENNA)


async def day_in(zone: str) -> str:
    """The day it is there, once it is not about to end."""
    now = datetime.now(ZoneInfo(zone))
    midnight = datetime.combine(now.date() + timedelta(days=1), time(), now.tzinfo)
    if (left := (midnight - now).total_seconds()) < ENOUGH:
        await asyncio.sleep(left + 1)
    return datetime.now(ZoneInfo(zone)).date().isoformat()


def rows(answer: Json, section: str, kind: str | None = None) -> list[Json]:
    return [row for row in answer["rows"] if row["section"] == section and kind in (None, row["kind"])]


def amounts(found: list[Json], name: str = "amount") -> list[Decimal]:
    return [Decimal(row[name]) for row in found]


async def is_refunded(system: System, order_id: str) -> None:
    """Wait until the order has heard of a refund."""

    async def reported() -> bool:
        order = await system.documents["orders"].find_one({"_id": order_id})
        return bool(order and order["state"]["refunded"])

    await until(reported, "the order knows of the refund")


async def test_a_day_is_closed_with_totals_that_add_up(operator: Operator, today: str) -> None:
    system = operator.system
    first, second = await paid_order(system, system.guest()), await paid_order(system, system.guest())
    unpaid = (await system.guest().order())["order_id"]
    await Desk.of(system).refund(first, 1000)
    await is_refunded(system, first)
    payout = await system.switch("payouts", {"currency": "eur"})

    closed = await operator.json("closing", today, "--property", "alpenhof")

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


async def test_a_closing_says_by_what_it_does_not_add_up(operator: Operator, today: str) -> None:
    system = operator.system
    order_id = await paid_order(system, system.guest())
    await system.documents["payments"].update_one(
        {"state.order_id": order_id}, {"$set": {"state.received.amount": 4000}}
    )

    closed = await operator.json("closing", today, code=1)

    (difference,) = closed["differences"]
    assert order_id in difference
    assert "€48.00" in difference
    assert "€40.00 were received" in difference
    (mismatched_by,) = rows(closed, "bridge", "mismatched")
    assert Decimal(mismatched_by["amount"]) == 8


async def test_a_day_of_another_property_or_another_date_is_empty(operator: Operator, today: str) -> None:
    await paid_order(operator.system, operator.system.guest())

    for words in (("2020-02-29",), (today, "--property", "kamogawa")):
        closed = await operator.json("closing", *words)
        assert (closed["rows"], closed["differences"]) == ([], [])
    await operator.runs("closing", today, "--property", "another-hotel", code=2)


async def test_the_desk_closes_a_day_with_the_figures_of_the_command_and_of_its_own_property_alone(
    operator: Operator, today: str
) -> None:
    system = operator.system
    first, second, third = [await paid_order(system, system.guest()) for _ in range(3)]
    foreign = await paid_order(system, system.guest("kamogawa"), BREAKFAST | {"extra_id": "kyo-breakfast"})
    await Desk.of(system).refund(first, 1000)
    await is_refunded(system, first)
    await becomes(system, await disputed(system, second, amount=2000), "lost")
    await system.switch("payouts", {"currency": "eur"})
    await system.documents["payments"].update_one({"state.order_id": third}, {"$set": {"state.received.amount": 4000}})
    signed = token(sub="lena", role="manager", property="alpenhof", reservation=None, stay_from=None, stay_to=None)
    manager = system.browser(f"Bearer {signed}")

    by_command = await operator.json("closing", today, "--property", "alpenhof", code=1)
    at_the_desk = body(await manager.get("/v1/staff/closing", params={"day": today}), 200)
    table = await manager.get("/v1/staff/closing.csv", params={"day": today})

    own = [row for row in by_command["rows"] if row["property"] == "alpenhof" and row["section"] != "payout"]
    assert {row["section"] for row in own} == {"order", "transaction", "total", "bridge"}
    assert [row for row in at_the_desk["rows"] if row["section"] != "difference"] == own
    assert at_the_desk["differences"] == by_command["differences"] != []
    assert [row["note"] for row in rows(at_the_desk, "difference")] == at_the_desk["differences"]
    read = list(csv.DictReader(io.StringIO(table.text)))
    assert read == at_the_desk["rows"]
    assert table.headers["content-disposition"] == f'attachment; filename="closing-{today}.csv"'
    assert foreign not in table.text


async def test_a_closing_is_a_table_for_people_and_for_spreadsheets(operator: Operator, today: str) -> None:
    order_id = await paid_order(operator.system, operator.system.guest())

    shown = await operator.runs("closing", today)
    table = await operator.runs("closing", today, "--csv")

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


async def test_a_failed_refund_is_a_finding_until_staff_have_settled_it(operator: Operator) -> None:
    system, guest = operator.system, operator.system.guest()
    desk = Desk.of(system)
    order_id, refund = await failed_part(system, guest, desk)

    found = await operator.json("audit", "--since", "1h", code=1)
    body(await desk.settle_outside(order_id, refund["refund_id"], 1200), 200)
    settled = await operator.json("audit", code=0)

    (finding,) = found["findings"]
    assert (finding["kind"], finding["order_id"]) == ("failed_refund", order_id)
    assert (Decimal(finding["amount"]), finding["currency"]) == (Decimal(12), "EUR")
    assert settled["findings"] == []


async def test_a_dispute_is_an_open_question_until_the_bank_has_decided(operator: Operator) -> None:
    system, guest = operator.system, operator.system.guest()
    order_id = await paid_order(system, guest)
    dispute = await disputed(system, order_id, amount=2000)
    await guest.sees(order_id, payment_status="disputed")

    while_open = await operator.json("audit", code=0)
    await becomes(system, dispute, "lost")
    await guest.sees(order_id, payment_status="charged_back")
    at_the_end = await operator.json("audit", code=0)

    (question,) = while_open["open_questions"]
    assert (question["kind"], question["order_id"], Decimal(question["amount"])) == ("dispute", order_id, Decimal(20))
    assert (while_open["findings"], at_the_end["findings"], at_the_end["open_questions"]) == ([], [], [])


async def test_a_day_in_yen_with_a_dispute_that_is_won_adds_up(operator: Operator) -> None:
    system, guest = operator.system, operator.system.guest("kamogawa")
    today = await day_in(TOKYO)
    order_id = (await guest.order({"extra_id": "kyo-late-checkout", "quantity": 1}))["order_id"]
    body(await system.pay(await guest.session(order_id)), 200)
    await guest.sees(order_id, payment_status="paid")
    dispute = await disputed(system, order_id)
    await guest.sees(order_id, payment_status="disputed")
    await becomes(system, dispute, "won")
    await guest.sees(order_id, payment_status="paid")

    closed = await operator.json("closing", today, "--property", "kamogawa")

    moved = [(row["kind"], Decimal(row["amount"]), row["currency"]) for row in rows(closed, "transaction")]
    assert moved == [
        ("charge", Decimal(5000), "JPY"),
        ("dispute", Decimal(-5000), "JPY"),
        ("dispute_reversal", Decimal(5000), "JPY"),
    ]
    (total,) = rows(closed, "total", "all")
    assert Decimal(total["net"]) == Decimal(5000) - Decimal(total["fee"])
    assert closed["differences"] == []
    assert {row["time"][-6:] for row in rows(closed, "transaction")} == {"+09:00"}
