"""The register numbers receipts without gaps, and forgets only what is filed."""

import pytest

from chassis.decision import Applied, Ignored
from contracts.ids import OrderId
from contracts.order_receipts import Receipt, ReceiptIssued
from extras_service.receipt.due import content_of, next_due
from extras_service.register.decide import MOST_OPEN, REMEMBERED, decide
from extras_service.register.inputs import (
    AdoptReceipt,
    NumberReceipt,
    RegisterFullError,
    RegisterMovedError,
)
from extras_service.register.state import Register
from tests.support import orders as given


def due_for(number: int, seen: int = 0, filed: frozenset[int] = frozenset()) -> NumberReceipt:
    order = given.confirmed().model_copy(update={"order_id": OrderId(f"ord_{number}")})
    due = next_due(order, ())
    assert due is not None
    return NumberReceipt(content_of(order, due, (), None), seen, filed)


def after(register: Register | None, *messages: NumberReceipt | AdoptReceipt) -> Register:
    for message in messages:
        decision = decide(register, message, given.NOW)
        assert isinstance(decision, Applied)
        register = decision.state
    assert register is not None
    return register


def test_a_number_is_taken_in_the_write_that_makes_the_receipt() -> None:
    decision = decide(None, due_for(1), given.NOW)

    assert isinstance(decision, Applied)
    [event] = decision.messages
    assert isinstance(event, ReceiptIssued)
    assert (event.receipt.number, event.order_id) == (1, "ord_1")
    assert decision.state.numbered(OrderId("ord_1"), 1) == event.receipt


def test_the_same_receipt_takes_no_second_number() -> None:
    register = after(None, due_for(1), due_for(2))

    assert decide(register, due_for(1), given.NOW) == Ignored("numbered already")


def test_a_register_that_has_forgotten_since_it_was_read_numbers_nothing() -> None:
    register = after(None, *(due_for(number) for number in range(1, REMEMBERED + 2)))
    register = after(register, due_for(100, seen=9, filed=frozenset({1})))

    with pytest.raises(RegisterMovedError):
        decide(register, due_for(1, seen=0), given.NOW)


def test_what_is_not_filed_is_not_forgotten_and_the_register_stays_small() -> None:
    register = after(None, *(due_for(number) for number in range(1, MOST_OPEN + 1)))

    with pytest.raises(RegisterFullError):
        decide(register, due_for(99, seen=MOST_OPEN), given.NOW)
    filed = frozenset(range(1, MOST_OPEN + 1))
    register = after(register, due_for(99, seen=MOST_OPEN, filed=filed))

    assert (register.last_number, len(register.open)) == (MOST_OPEN + 1, REMEMBERED + 1)
    assert register.forgotten == MOST_OPEN - REMEMBERED


def test_numbers_have_no_gaps_however_many_there_are() -> None:
    register, numbers = None, list[int]()
    for number in range(1, 500):
        filed = frozenset(each.number for each in register.open) if register else frozenset[int]()
        register = after(register, due_for(number, seen=number - 1, filed=filed))
        numbers.append(register.open[-1].number)

    assert numbers == list(range(1, 500))
    assert register is not None
    assert len(register.open) == REMEMBERED + 1


def test_a_restored_register_learns_the_numbers_that_were_reported() -> None:
    restored = after(None, due_for(1))
    content = due_for(7).content
    reported = Receipt(number=7, issued_at=given.NOW, **dict(content))

    register = after(restored, AdoptReceipt(reported))

    assert register.last_number == 7
    assert isinstance(decide(register, AdoptReceipt(reported), given.NOW), Ignored)
    assert after(register, due_for(8, seen=7)).open[-1].number == 8
