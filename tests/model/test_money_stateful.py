"""Longer walks through the same model than can be explored, chosen at random; the same laws hold on the way."""

import os
from datetime import datetime

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as walk

from chassis.decision import Applied, Decision
from contracts.payments import PaymentSucceeded, RefundPayment
from extras_service.order.decide import decide as decide_order
from extras_service.order.inputs import OrderInput
from extras_service.order.state import Order
from tests.model.bounds import Bounds, Left
from tests.model.laws import Laws
from tests.model.rules import Book, Rules
from tests.model.steps import Model
from tests.model.words import words
from tests.model.world import Step, World

LONG = Bounds(
    "long walks",
    Left(guest=6, staff=4, psp=3, twice=2, lost=1, silent=2),
    cards=("fine", "declining", "slow", "asking", "odd"),
    slow_refunds=True,
)
SETTLES_WITHIN = 400
IS_DEEP = os.environ.get("BELLHOP_MODEL_DEPTH") == "deep"
WALKS = settings(
    max_examples=5_000 if IS_DEEP else 500,
    stateful_step_count=40,
    derandomize=not IS_DEEP,  # CI walks the same ways every time, so that what fails is what changed
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


class OneOrder(RuleBasedStateMachine):
    """One order, whatever happens to it; in the end it is left alone, and must settle."""

    model = Model(Book(Rules()), LONG)
    laws = Laws(model)

    def __init__(self) -> None:
        super().__init__()
        self.world: World = self.model.start()
        self.log: list[str] = []

    @initialize()
    def the_guest_opens_the_payment_page(self) -> None:
        self._take(
            next(step for step in self.model.steps(self.world) if step.what == "the guest opens the payment page")
        )

    @rule(choice=st.integers(min_value=0, max_value=10_000))
    def something_happens(self, choice: int) -> None:
        steps = list(self.model.steps(self.world))
        if steps:
            self._take(steps[choice % len(steps)])

    @precondition(lambda self: self.world.flight)
    @rule(choice=st.integers(min_value=0, max_value=10_000))
    def a_message_arrives(self, choice: int) -> None:
        steps = [step for step in self.model.steps(self.world) if step.free and step.message >= 0]
        if steps:
            self._take(steps[choice % len(steps)])

    @invariant()
    def no_law_is_broken(self) -> None:
        broken = self.laws.broken(self.world)
        assert not broken, "\n".join((*broken, *self.log))

    def teardown(self) -> None:
        """Left alone, messages first, then clocks and the PSP in turn: it comes to rest where a hotel can defend it."""
        waited = 0
        for _ in range(SETTLES_WITHIN):
            if self.laws.is_final(self.world):
                break
            free = [step for step in self.model.steps(self.world) if step.free]
            assert free, "\n".join(("nothing happens any more, and the order is not final", *self.log))
            arriving = next((step for step in free if step.message >= 0), None)
            self._take(arriving or free[waited % len(free)])
            waited += arriving is None
            self.no_law_is_broken()
        assert self.laws.is_final(self.world), "\n".join(("it never comes to rest", *self.log))

    def _take(self, step: Step) -> None:
        self.log.append(words(self.model, self.world, step))
        assert not step.parked, "\n".join((step.parked, *self.log))
        assert not step.again, "\n".join((step.again, *self.log))
        self.world = step.world


@pytest.mark.timeout(1800)
def test_no_law_is_broken_on_long_walks() -> None:
    walk(OneOrder, settings=WALKS)


def test_long_walks_find_a_late_success_that_is_not_refunded() -> None:
    def forgets(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
        decision = decide_order(order, message, now)
        if isinstance(message, PaymentSucceeded) and isinstance(decision, Applied):
            kept = tuple(each for each in decision.messages if not isinstance(each, RefundPayment))
            return Applied(decision.state, kept)
        return decision

    class Forgetful(OneOrder):
        model = Model(Book(Rules(order=forgets)), LONG)
        laws = Laws(model)

    with pytest.raises(
        AssertionError, match=r"a closed order keeps no money|order and payment agree about each refund"
    ):
        # How Hypothesis walks depends on which modules are loaded; it stops at the first find.
        walk(Forgetful, settings=settings(WALKS, max_examples=20 * WALKS.max_examples))
