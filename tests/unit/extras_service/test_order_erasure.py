"""An order forgets its guest once it is final; its money does not notice."""

from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chassis.decision import Applied, Decision, Refused
from chassis.errors import PermanentError, TransientError
from contracts.erasure import ErasePayment, OrderErased
from contracts.orders import OrderStatus
from extras_service.order.decide import decide
from extras_service.order.erasure import is_final, stay_ends
from extras_service.order.inputs import DeadlinePassed, OrderInput, RetentionPassed
from extras_service.order.state import Order
from tests.support import orders as given
from tests.unit.extras_service.test_order_every_pair import MESSAGES

LATER = datetime(2027, 1, 1, tzinfo=UTC)
"""Every stay of these tests is over."""
FINAL = {OrderStatus.FULFILLED, OrderStatus.EXPIRED, OrderStatus.CANCELLED, OrderStatus.DECLINED}
OF_GUEST = ("guest-anna", "res-1", "Feeling unwell", "Your card was declined", "needed at ten")


def erased(order: Order, now: datetime = LATER) -> Order:
    ended = decide(order, given.erasing(), now)
    assert isinstance(ended, Applied)
    return ended.state


def settled(order: Order) -> Order:
    """After the PSP has made its refund."""
    return given.after(order, given.refunded(refund_id=order.refunds[0].refund_id))


def text_of(order: Order) -> str:
    return order.model_dump_json()


@pytest.mark.parametrize("status", OrderStatus)
def test_a_final_order_is_erased_at_once_and_any_other_is_marked(status: OrderStatus) -> None:
    order = given.in_status(status)

    after = erased(order, given.NOW)

    assert after.erasure == given.PSEUDONYM
    assert (after.erased_at is not None) == (status in FINAL and is_final(order, given.NOW))
    assert (order.guest.guest_id in text_of(after)) == (after.erased_at is None)


def test_nothing_of_the_guest_is_left_and_the_books_are() -> None:
    cancelled = settled(given.after(given.confirmed(), given.cancelling_by_staff()))
    order = cancelled.model_copy(
        update={"payment_failure": "Your card was declined.", "declined_because": "needed at ten"}
    )

    after = erased(order)

    assert [each for each in OF_GUEST if each in text_of(after)] == []
    assert after.guest.guest_id == given.PSEUDONYM
    assert after.guest.reservation_id == given.PSEUDONYM
    assert after.guest_key == f"alpenhof/{given.PSEUDONYM}"
    assert (after.lines, after.total, after.received, after.refunded) == (
        order.lines,
        order.total,
        order.received,
        order.refunded,
    )
    assert (after.guest.stay_from, after.status, after.payment_status) == (
        order.guest.stay_from,
        order.status,
        order.payment_status,
    )
    assert [(each.by, each.reason) for each in after.actions] == [("reception", "(erased)")]


def test_the_payment_and_the_places_are_asked_to_forget_as_well() -> None:
    ended = decide(given.fulfilled(), given.erasing(), given.NOW)

    assert isinstance(ended, Applied)
    event, command = ended.messages
    assert isinstance(event, OrderErased)
    assert event.guest_id == given.PSEUDONYM
    assert isinstance(command, ErasePayment)
    assert command.pseudonym == given.PSEUDONYM


def test_a_marked_order_is_erased_by_the_message_that_settles_its_refund() -> None:
    refunding = given.after(given.confirmed(), given.cancelling_by_guest())
    marked = erased(refunding)
    assert marked.erased_at is None

    ended = decide(marked, given.refunded(refund_id=marked.refunds[0].refund_id), LATER)

    assert isinstance(ended, Applied)
    assert ended.state.erased_at == LATER
    assert "guest-anna" not in text_of(ended.state)
    assert any(isinstance(message, OrderErased) for message in ended.messages)


def test_a_disputed_order_is_erased_once_the_bank_has_decided() -> None:
    disputed = given.after(given.fulfilled(), given.disputed())
    marked = erased(disputed)
    assert marked.erased_at is None

    after = given.after(marked, given.dispute_closed(won=False, fact_no=2), now=LATER)

    assert after.erased_at is not None


def test_a_confirmed_order_is_erased_at_the_midnight_after_departure() -> None:
    marked = erased(given.confirmed(), given.NOW)
    ends = stay_ends(marked)

    early = decide(marked, DeadlinePassed(), ends - timedelta(seconds=1))
    due = decide(marked, DeadlinePassed(), ends)

    assert marked.due_at == ends == datetime(2026, 7, 7, tzinfo=ZoneInfo(marked.time_zone))
    assert isinstance(early, Applied)
    assert (early.state.erased_at, early.state.due_at) == (None, ends)
    assert isinstance(due, Applied)
    assert (due.state.erased_at, due.state.due_at) == (ends, None)


def test_a_confirmed_order_whose_refund_moves_at_departure_waits_for_it_without_a_deadline() -> None:
    marked = erased(given.after(given.confirmed(), given.refunding(1200)), given.NOW)

    waiting = given.after(marked, DeadlinePassed(), now=LATER)
    after = given.after(waiting, given.refunded(1200), now=LATER)

    assert (waiting.erased_at, waiting.due_at) == (None, None)
    assert after.erased_at == LATER


def test_a_fulfilled_order_that_is_disputed_has_no_deadline_left() -> None:
    marked = erased(given.confirmed(), given.NOW)

    fulfilled = given.after(marked, given.disputed(), given.fulfilling())

    assert (fulfilled.erased_at, fulfilled.due_at) == (None, None)


def test_a_stay_without_an_end_has_an_end() -> None:
    order = given.confirmed()
    endless = order.model_copy(update={"guest": order.guest.model_copy(update={"stay_to": date.max})})

    assert erased(endless, given.NOW).due_at is not None


def test_erasing_twice_changes_nothing() -> None:
    once = erased(given.fulfilled())

    assert not isinstance(decide(once, given.erasing(pseudonym="erased-other"), LATER), Applied)
    assert not isinstance(decide(once, RetentionPassed(), LATER), Applied)


def test_by_age_each_order_has_a_pseudonym_of_its_own() -> None:
    after = given.after(given.fulfilled(), RetentionPassed(), now=LATER)

    assert after.guest.guest_id.startswith("erased-")
    assert after.guest.guest_id.removeprefix("erased-") in after.order_id


def test_for_its_guest_an_erased_order_is_unknown_and_its_key_is_used_up() -> None:
    order = erased(given.after(given.confirmed(), given.fulfilling()))

    cancel = decide(order, given.cancelling_by_guest(), LATER)
    again = decide(order, given.placing(), LATER)

    assert isinstance(cancel, Refused)
    assert cancel.reason == "order_not_found"
    assert isinstance(again, Refused)
    assert (again.reason, "erased" in again.detail) == ("idempotency_key_reused", True)


def _decided(order: Order, message: OrderInput) -> Any:
    try:
        return decide(order, message, LATER)
    except (PermanentError, TransientError) as error:
        return error


def _of_money(decision: Decision[Order]) -> Any:
    """What it means for money: the status, the sums, and what is sent about them; texts and names left out."""
    if not isinstance(decision, Applied):
        return type(decision)
    order = decision.state
    refunds = [(each.refund_id, each.amount, each.stage, each.is_troubled) for each in order.refunds]
    sent = [type(each).__name__ for each in decision.messages if not isinstance(each, OrderErased | ErasePayment)]
    return order.status, order.payment_status, order.received, order.refunded, order.refundable, refunds, sent


BY_OTHERS = [
    name for name in MESSAGES if not name.startswith(("start", "cancel by another", "place", "erase", "retention"))
]


@pytest.mark.parametrize(("status", "name"), list(product(OrderStatus, BY_OTHERS)), ids=str)
def test_money_is_decided_on_as_if_nothing_was_to_be_erased(status: OrderStatus, name: str) -> None:
    order, message = given.in_status(status), MESSAGES[name]
    marked = erased(order)
    if marked.erased_at is not None and name == "cancel":
        return  # a guest no longer finds it

    plain, after = _decided(order, message), _decided(marked, message)

    if status is OrderStatus.CONFIRMED and name == "deadline":
        assert isinstance(after, Applied) or marked.erased_at is not None
    else:
        assert _of_money(after) == _of_money(plain)
    if isinstance(after, Applied) and after.state.erased_at is not None:
        assert [each for each in OF_GUEST if each in text_of(after.state)] == []
