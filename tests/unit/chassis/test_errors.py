"""Which failures a retry may heal."""

from typing import Any

import pytest

from chassis.decision import Applied, Done, Duplicate, Ignored, Outcome, Refused, Stale, State, reason_of
from chassis.errors import (
    ConflictError,
    NoHandlerError,
    PermanentError,
    PublishFailedError,
    StoreUnavailableError,
    TransientError,
    is_transient,
)
from chassis.seal import BrokenSealError
from contracts.message import MalformedMessageError, UnknownKindError, parse
from extras_service.order.decide import decide
from extras_service.order.inputs import UnknownOrderError
from psp_adapter.stripe_money import UnpayableAmountError
from tests.support import orders as given


def _malformed() -> MalformedMessageError:
    with pytest.raises(MalformedMessageError) as raised:
        parse("orders.place-order.v1", b"{}")
    return raised.value


def _unknown_order() -> UnknownOrderError:
    with pytest.raises(UnknownOrderError) as raised:
        decide(None, given.succeeded(), given.NOW)
    return raised.value


@pytest.mark.parametrize(
    "error",
    [
        TransientError("away"),
        PublishFailedError("orders.place-order.v1", "commands/x", OSError("gone")),
        StoreUnavailableError("loading ord_1", OSError("gone")),
        ConflictError("ord_1", 8),
        TimeoutError(),
        ConnectionResetError(),
        OSError("no route to host"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_away_may_come_back(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        PermanentError("broken"),
        NoHandlerError("orders.place-order.v1", "extras.commands"),
        UnknownKindError("orders.place-order.v9"),
        _malformed(),
        _unknown_order(),
        BrokenSealError(),
        UnpayableAmountError(given.TOTAL),
        KeyError("a bug"),
        TypeError("a bug"),
        ValueError("a bug"),
        ZeroDivisionError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_broken_does_not_heal_by_waiting(error: Exception) -> None:
    assert not is_transient(error)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Applied(State()), None),
        (Duplicate(), None),
        (Done(), None),
        (Stale("overtaken"), "overtaken"),
        (Ignored("not ours"), "not ours"),
        (Refused("extra_unknown", "There is no such extra."), "extra_unknown"),
    ],
    ids=lambda part: type(part).__name__,
)
def test_an_outcome_tells_the_reason_it_has(outcome: Outcome[Any], reason: str | None) -> None:
    assert reason_of(outcome) == reason


def test_every_outcome_has_a_name_that_no_other_has() -> None:
    names = {part.name for part in (Applied(State()), Duplicate(), Done(), Stale(""), Ignored(""), Refused("", ""))}

    assert names == {"applied", "done", "duplicate", "stale", "ignored", "refused"}
