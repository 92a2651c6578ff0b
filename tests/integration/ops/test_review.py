"""`bellhop review`: what waits for a decision, and the decisions, with the services running."""

from collections.abc import Callable
from typing import Any

import pytest

from chassis.runtime.metrics import Metrics
from contracts.order_actions import ReviewResolution
from ops.core.review import NotDecidableError, carry_out, propose, under_review
from tests.support.desk import Desk, is_clean, kept, paid_order, refunds_of
from tests.support.guest import Guest, Json, body
from tests.support.operator import NAME, Operator, target_of
from tests.support.situations import OTHER, PLACES, mismatched, sold_out_review, taken

WHY = ("--why", "decided with the guest, INC-42")


@pytest.fixture
async def operator(own_system: Callable[..., Any]) -> Operator:
    return Operator(await own_system())


@pytest.fixture
def guest(operator: Operator) -> Guest:
    return operator.system.guest()


async def _acts(operator: Operator) -> list[Json]:
    recorded: list[Json] = await operator.json("audit-log")
    return [act for act in recorded if act["action"].startswith("review")]


async def test_the_list_says_since_when_an_order_waits_for_how_much_and_why(operator: Operator, guest: Guest) -> None:
    none = await operator.runs("review", "list")
    order_id = await mismatched(operator.system, guest)

    [listed] = await operator.json("review", "list", code=1)
    shown = await operator.runs("review", "list", code=1)
    elsewhere = await operator.json("review", "list", "--property", "kamogawa")

    assert "No order is under review" in none.said
    assert (listed["order_id"], listed["status"]) == (order_id, "needs_review")
    assert (listed["total"]["amount"], listed["held_by_psp"]["amount"]) == (4800, OTHER)
    assert listed["waiting_since"]
    assert listed["why"] == "received €41.00, asked for €48.00"
    assert all(word in shown.said for word in ("€48.00", "€41.00", "asked for"))
    assert elsewhere == []


async def test_an_order_is_accepted_with_the_operators_name_and_reason(operator: Operator, guest: Guest) -> None:
    order_id = await mismatched(operator.system, guest)

    answer = await operator.runs("review", "accept", order_id, *WHY, "--yes")

    assert "applied → confirmed / paid" in answer.said
    assert f"{order_id} is now confirmed / paid" in answer.said
    seen = await Desk.of(operator.system).sees(order_id)
    [action] = seen["staff"]["actions"]
    assert (action["action"], action["by"]) == ("review accepted", f"{NAME} (operator)")
    assert action["reason"] == WHY[1]
    [act] = await _acts(operator)
    assert (act["action"], act["who"], act["why"]) == ("review accept", NAME, WHY[1])
    assert (act["subjects"], act["outcome"]) == ([order_id], "confirmed / paid")
    await is_clean(operator.system)


async def test_an_order_is_refunded(operator: Operator, guest: Guest) -> None:
    order_id = await mismatched(operator.system, guest)

    decided = await operator.json("review", "refund", order_id, *WHY, "--yes")

    assert decided["status"] == "cancelled"
    await guest.sees(order_id, status="cancelled", payment_status="refunded")
    assert [refund["amount"] for refund in await refunds_of(operator.system, order_id)] == [OTHER]
    await is_clean(operator.system)


async def test_what_was_settled_outside_is_recorded_and_moves_no_money(operator: Operator, guest: Guest) -> None:
    order_id = await mismatched(operator.system, guest)

    await operator.runs("review", "settled-outside", order_id, "--amount", "41.00", *WHY, "--yes")

    [settled] = (await Desk.of(operator.system).sees(order_id))["staff"]["settled_outside"]
    assert (settled["amount"]["amount"], settled["direction"]) == (OTHER, "to guest")
    assert await kept(operator.system, order_id) == OTHER
    await is_clean(operator.system)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--amount", "41.01"), "At most €41.00"),
        (("--amount", "41,00"), "Not an amount in EUR"),
        (("--amount", "41.001"), "at most 2 decimals"),
    ],
)
async def test_an_amount_that_cannot_be_is_refused_with_a_sentence_and_nothing_is_sent(
    operator: Operator, guest: Guest, words: tuple[str, ...], says: str
) -> None:
    order_id = await mismatched(operator.system, guest)

    answer = await operator.runs("review", "settled-outside", order_id, *words, *WHY, "--yes", code=2)

    assert says in answer.said
    assert (await guest.see(order_id))["status"] == "needs_review"
    assert await _acts(operator) == []


async def test_an_order_whose_places_are_sold_is_accepted_by_force_alone(operator: Operator, guest: Guest) -> None:
    system, day = operator.system, "2038-02-05"
    order_id = await sold_out_review(system, guest, day)

    refused = await operator.runs("review", "accept", order_id, *WHY, "--yes", code=2)
    forced = await operator.json("review", "accept", order_id, *WHY, "--force", "--yes")

    assert "out_of_stock" in refused.said
    assert forced["status"] == "confirmed"
    assert any("by force" in action for action in forced["actions"])
    assert await taken(system, day) == PLACES + 1


async def test_an_order_that_is_not_under_review_or_not_there_is_not_decided(operator: Operator, guest: Guest) -> None:
    paid = await paid_order(operator.system, guest)

    not_in_review = await operator.runs("review", "refund", paid, *WHY, "--yes", code=2)
    unknown = await operator.runs("review", "refund", "ord_none", *WHY, "--yes", code=2)

    assert f"{paid} is not under review; it is confirmed / paid" in not_in_review.said
    assert "There is no order ord_none" in unknown.said
    assert await refunds_of(operator.system, paid) == []


async def test_nothing_is_decided_without_agreement_or_a_reason(operator: Operator, guest: Guest) -> None:
    order_id = await mismatched(operator.system, guest)

    await operator.runs("review", "accept", order_id, *WHY, code=3)
    await operator.runs("review", "accept", order_id, code=2)
    await operator.runs("review", "accept", order_id, "--why", " ", "--yes", code=2)

    assert (await guest.see(order_id))["status"] == "needs_review"
    assert await _acts(operator) == []


async def test_a_review_that_staff_decide_meanwhile_is_not_decided_again(operator: Operator, guest: Guest) -> None:
    system = operator.system
    order_id = await mismatched(system, guest)
    target = target_of(system)
    store = target.store(Metrics("tests"))
    proposal = await propose(
        store, await under_review(store, order_id), ReviewResolution.REFUND, who=NAME, why="no answer from the guest"
    )
    body(await Desk.of(system).resolve(order_id, "accept"), 200)

    with pytest.raises(NotDecidableError):
        await carry_out(target, store, proposal)
    store.close()

    assert (await guest.see(order_id))["status"] == "confirmed"
    [act] = await _acts(operator)
    assert act["outcome"].startswith("failed: ")
