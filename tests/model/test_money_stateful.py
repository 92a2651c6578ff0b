"""Longer walks through the same model than can be explored, chosen at random; the same laws hold on the way."""

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.model.bounds import Bounds, Left
from tests.model.laws import Laws
from tests.model.rules import Book, Rules
from tests.model.words import words
from tests.model.world import Model, Step, World

LONG = Bounds(
    "long walks",
    Left(guest=6, staff=4, psp=3, twice=2, lost=1, silent=2),
    cards=("fine", "declining", "slow", "asking", "odd"),
    slow_refunds=True,
)
MODEL = Model(Book(Rules()), LONG)
LAWS = Laws(MODEL)
SETTLES_WITHIN = 400


class OneOrder(RuleBasedStateMachine):
    """One order, whatever happens to it; in the end it is left alone, and must settle."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World = MODEL.start()
        self.told: list[str] = []

    @initialize()
    def the_guest_opens_the_payment_page(self) -> None:
        self._take(next(step for step in MODEL.steps(self.world) if step.what == "the guest opens the payment page"))

    @rule(choice=st.integers(min_value=0, max_value=10_000))
    def something_happens(self, choice: int) -> None:
        steps = list(MODEL.steps(self.world))
        if steps:
            self._take(steps[choice % len(steps)])

    @precondition(lambda self: self.world.flight)
    @rule(choice=st.integers(min_value=0, max_value=10_000))
    def a_message_arrives(self, choice: int) -> None:
        steps = [step for step in MODEL.steps(self.world) if step.free and step.message >= 0]
        if steps:
            self._take(steps[choice % len(steps)])

    @invariant()
    def no_law_is_broken(self) -> None:
        broken = LAWS.broken(self.world)
        assert not broken, "\n".join((*broken, *self.told))

    def teardown(self) -> None:
        """Left alone, messages first, then clocks: it comes to rest where a hotel can defend it."""
        for _ in range(SETTLES_WITHIN):
            if LAWS.is_final(self.world):
                break
            free = [step for step in MODEL.steps(self.world) if step.free]
            assert free, "\n".join(("nothing happens any more, and the order is not final", *self.told))
            self._take(next((step for step in free if step.message >= 0), free[0]))
            self.no_law_is_broken()
        assert LAWS.is_final(self.world), "\n".join(("it never comes to rest", *self.told))

    def _take(self, step: Step) -> None:
        self.told.append(words(MODEL, self.world, step))
        assert not step.parked, "\n".join((step.parked, *self.told))
        assert not step.again, "\n".join((step.again, *self.told))
        self.world = step.world


TestOneOrder = OneOrder.TestCase
TestOneOrder.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
