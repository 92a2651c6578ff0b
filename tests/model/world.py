"""One order's world, and every step it can take next.

A message handled is one atomic write: the new state and the messages it sends appear together, as with the outbox. A
crash between the write and the publish leaves the message to the relay; here that is a message delivered late, and
messages are delivered in any order anyway. A duplicate of a message that was *applied* is dropped by its id, so only
one that was not (stale, ignored) is decided again, and one for the adapter, which remembers nothing.
"""

from collections.abc import Iterator
from typing import NamedTuple

from contracts.ids import RefundId
from contracts.message import Message
from contracts.psp import (
    ClosePspSession,
    CreatePspRefund,
    CreatePspSession,
    PspDisputeUpdated,
    PspOutcomeUnknown,
    PspPaymentEvent,
    PspRefundUpdated,
    PspSessionCreated,
    RetrievePspSession,
)
from tests.model import psp as at_psp
from tests.model.bounds import Bounds, Left
from tests.model.psp import ORDER_ID, PART, PAYMENT_ID, TOTAL, UNPAID, Happened, Psp
from tests.model.rules import (
    ACCEPT,
    CANCEL,
    DEADLINE,
    FULFIL,
    GIVE_BACK,
    POLL,
    REFUNDS,
    RETRIED,
    START,
    START_LATER,
    Book,
    Decided,
    Receiver,
)

_TWINS = 8
_ALIKE = 2
_NO_ANSWER = -1
FORGOTTEN = "answered, its key forgotten"


class World(NamedTuple):
    """Everything that counts, by numbers.

    `flight` holds the messages under way, sorted: message number times 8, plus the number of its twins' common id, or 0
    for a message that is alone. `answered` are the twins' ids of which one was applied, `known` the sessions whose
    secret the guest has: both one bit each.
    """

    order: int
    payment: int
    psp: int
    flight: tuple[int, ...]
    known: int
    answered: int
    left: Left


class Step(NamedTuple):
    """One thing that happens. `free`: the system or the PSP does it by itself, sooner or later."""

    what: str
    world: World
    free: bool = False
    message: int = -1
    parked: str = ""
    again: str = ""


class Model:
    """The steps of a world, within bounds."""

    def __init__(self, book: Book, bounds: Bounds) -> None:
        self.book = book
        self.bounds = bounds
        self._adapted: dict[tuple[int, int], tuple[tuple[str, int, int, tuple[int, ...]], ...]] = {}

    def start(self) -> World:
        book = self.book
        placed = World(book.placed(), book.payments.number(None), book.psps.number(Psp()), (), 0, 0, self.bounds.left)
        return self._led(placed)

    def _led(self, world: World) -> World:
        """The world after the steps to begin with; the messages of each arrive before the next."""
        world = world._replace(left=Left(guest=len(self.bounds.begin), silent=len(self.bounds.begin)))
        for wanted in self.bounds.begin:
            world = next(step.world for step in self.steps(world) if step.what == wanted)
            while world.flight and wanted != "the payment is polled":
                world = next(self._delivered(world, world.flight[0])).world
        return world._replace(left=self.bounds.left)

    def steps(self, world: World) -> Iterator[Step]:
        """Everything that may happen next."""
        previous = -1
        for item in world.flight:
            if item != previous:
                yield from self._delivered(world, item)
            previous = item
        yield from self._swept(world)
        yield from self._guest(world)
        yield from self._staff(world)
        yield from self._psp(world)

    def is_at_rest(self, world: World) -> bool:
        """Whether nothing is under way and nothing is going to be looked at again."""
        order, payment = self.book.orders[world.order], self.book.payments[world.payment]
        waits = (order is not None and order.due_at is not None) or (payment is not None and payment.due_at is not None)
        return not world.flight and not waits and not self.book.psps[world.psp].is_settling

    # Messages

    def _delivered(self, world: World, item: int) -> Iterator[Step]:
        number, twin = divmod(item, _TWINS)
        receiver = self.book.receivers[number]
        rest = _without(world.flight, item)
        if receiver is Receiver.ADAPTER:
            yield from self._adapter(world, rest, number, twin)
        elif twin and world.answered & (1 << twin):
            yield Step("a twin is dropped:", world._replace(flight=rest), True, number)
        elif receiver is Receiver.ORDER:
            decided = self.book.order_decides(world.order, number)
            yield from self._handled(world, self._order_changed(world, rest, decided), decided, item)
        else:
            decided = self.book.payment_decides(world.payment, number)
            yield from self._handled(world, _payment_changed(world, rest, decided), decided, item)

    def _handled(self, world: World, after: World, decided: Decided, item: int) -> Iterator[Step]:
        number, twin = divmod(item, _TWINS)
        if decided.outcome == RETRIED:
            return
        if decided.is_applied and twin:
            after = after._replace(answered=world.answered | (1 << twin))
        yield Step(decided.outcome, after, True, number, decided.parked, decided.again)
        if world.left.twice and not decided.is_applied and not decided.parked:
            left = world.left._replace(twice=world.left.twice - 1)
            what = f"{decided.outcome}, and will come again:"
            yield Step(what, after._replace(flight=_sorted((*after.flight, item)), left=left), False, number)

    def _order_changed(self, world: World, rest: tuple[int, ...], decided: Decided) -> World:
        known = world.known | self.book.shown[decided.state]
        flight = _with(rest, decided.sent)
        return World(decided.state, world.payment, world.psp, flight, known, world.answered, world.left)

    # The adapter

    def _adapter(self, world: World, rest: tuple[int, ...], number: int, twin: int) -> Iterator[Step]:
        for said, psp, answer, webhooks in self._asked(world.psp, number):
            silent, forgets = said.startswith("silent"), said == FORGOTTEN
            if (silent and not world.left.silent) or (forgets and not world.left.forgets):
                continue
            left = world.left._replace(silent=world.left.silent - silent, forgets=world.left.forgets - forgets)
            flight = _with(rest, () if answer == _NO_ANSWER else (answer,), self._twin_of(answer, twin))
            for lost, after in self._webhooks(world._replace(psp=psp, flight=flight, left=left), webhooks):
                yield Step(f"the PSP is asked ({said}{lost}):", after, said == "answered" and not lost, number)
            if world.left.twice and said == "answered" and not twin:
                again = self._twinned(world, rest, number, answer)
                for lost, after in self._webhooks(again._replace(psp=psp), webhooks):
                    yield Step(f"the PSP is asked (answered{lost}), and will be asked again:", after, False, number)

    def _twin_of(self, answer: int, twin: int) -> int:
        """The id of an answer names its session, so the same command may be answered with two that are no twins."""
        is_session = answer != _NO_ANSWER and isinstance(self.book.messages[answer], PspSessionCreated)
        return 0 if is_session else twin

    def _twinned(self, world: World, rest: tuple[int, ...], number: int, answer: int) -> World:
        """The same command will be asked once more, and its answers share one id."""
        left = world.left._replace(twice=world.left.twice - 1)
        twin = world.left.twice
        flight = _with(rest, (number,), twin)
        if answer != _NO_ANSWER:
            flight = _with(flight, (answer,), self._twin_of(answer, twin))
        return world._replace(flight=flight, left=left)

    def _asked(self, psp: int, number: int) -> tuple[tuple[str, int, int, tuple[int, ...]], ...]:
        """What may come of a command: (how it ended, the PSP after it, its answer, webhooks), asked once."""
        key = (psp, number)
        if key not in self._adapted:
            message, before = self.book.messages[number], self.book.psps[psp]
            unknown = PspOutcomeUnknown(order_id=ORDER_ID, payment_id=PAYMENT_ID, asked=message.kind, detail="silent")
            silence = self.book.send((unknown,))[0]
            found: list[tuple[str, int, int, tuple[int, ...]]] = []
            for happened, answer in self._carried_out(before, message):
                numbers = self.book.send((answer,)) if answer is not None else (_NO_ANSWER,)
                after, webhooks = self.book.psps.number(happened.psp), self.book.send(happened.webhooks)
                found.append(("answered", after, numbers[0], webhooks))
                if happened.psp != before:
                    untold = self.book.psps.number(at_psp.untold(before, happened.psp))
                    found.append(("silent, yet done", untold, silence, webhooks))
            for happened, answer in self._forgotten(before, message):
                numbers = self.book.send((answer,))
                found.append(
                    (FORGOTTEN, self.book.psps.number(happened.psp), numbers[0], self.book.send(happened.webhooks))
                )
            self._adapted[key] = (*found, ("silent, not done", psp, silence, ()))
        return self._adapted[key]

    def _carried_out(self, psp: Psp, message: Message) -> Iterator[tuple[Happened, Message | None]]:
        tick, ahead = self.bounds.tick, self.bounds.ahead
        match message:
            case CreatePspSession():
                after, answer = at_psp.session_asked(psp, message, forgotten=False)
                yield Happened(after), answer
            case ClosePspSession(psp_reference=reference):
                number = at_psp.number_of(reference)
                happened = Happened(psp)
                if psp.sessions[number - 1].status in UNPAID:
                    happened = at_psp.changed(psp, number, "canceled", "payment_intent.canceled", tick)
                yield happened, at_psp.report(happened.psp, number, ahead)
            case RetrievePspSession(psp_reference=reference):
                yield Happened(psp), at_psp.report(psp, at_psp.number_of(reference), ahead)
            case CreatePspRefund():
                yield from self._refund_asked(psp, message)

    def _forgotten(self, psp: Psp, message: Message) -> Iterator[tuple[Happened, Message]]:
        """What comes of a command whose idempotency key the PSP has forgotten, where that makes a difference."""
        match message:
            case CreatePspSession(session_no=number) if any(each.asked_no == number for each in psp.sessions):
                after, answer = at_psp.session_asked(psp, message, forgotten=True)
                yield Happened(after), answer
            case CreatePspRefund() if not self.bounds.looks_first:
                yield from self._refund_made_again(psp, message)

    def _refund_made_again(self, psp: Psp, asked: CreatePspRefund) -> Iterator[tuple[Happened, Message]]:
        number, amount = at_psp.number_of(asked.psp_reference), asked.amount.amount
        is_made = any(refund.refund_id == asked.refund_id for refund in psp.refunds)
        if is_made and not at_psp.refusal(psp, number, amount):
            happened = at_psp.refunded(psp, asked.refund_id, number, amount, "succeeded", self.bounds.tick)
            yield happened, at_psp.refund_report(happened.psp, happened.psp.refunds[-1], self.bounds.ahead)

    def _refund_asked(self, psp: Psp, asked: CreatePspRefund) -> Iterator[tuple[Happened, Message | None]]:
        tick, ahead = self.bounds.tick, self.bounds.ahead
        number, amount = at_psp.number_of(asked.psp_reference), asked.amount.amount
        known = next((refund for refund in psp.refunds if refund.refund_id == asked.refund_id), None)
        refused = "" if known else at_psp.refusal(psp, number, amount)
        if known is not None:
            yield Happened(psp), at_psp.refund_report(psp, known, ahead)
        elif refused:
            yield Happened(psp), at_psp.refund_refused(RefundId(asked.refund_id), refused)
        else:
            for state in ("succeeded", "pending") if self.bounds.slow_refunds else ("succeeded",):
                happened = at_psp.refunded(psp, asked.refund_id, number, amount, state, tick)
                made = next(refund for refund in happened.psp.refunds if refund.refund_id == asked.refund_id)
                yield happened, at_psp.refund_report(happened.psp, made, ahead)

    def _webhooks(self, world: World, webhooks: tuple[int, ...]) -> Iterator[tuple[str, World]]:
        """The world with these webhooks under way; and, while one may be lost, without them."""
        yield "", world._replace(flight=_with(world.flight, webhooks))
        if webhooks and world.left.lost and self._may_be_lost(webhooks[0]):
            yield ", its webhook lost", world._replace(left=world.left._replace(lost=world.left.lost - 1))

    def _may_be_lost(self, webhook: int) -> bool:
        """Polling finds what became of a payment; refunds and disputes are found by the sweep of the PSP's events,
        so a webhook about them is late, never lost."""
        message = self.book.messages[webhook]
        return isinstance(message, PspPaymentEvent) and not isinstance(message, PspRefundUpdated | PspDisputeUpdated)

    # Clocks

    def _swept(self, world: World) -> Iterator[Step]:
        order, payment = self.book.orders[world.order], self.book.payments[world.payment]
        if order is not None and order.due_at is not None:
            decided = self.book.order_decides(world.order, DEADLINE)
            yield Step(
                "the order's deadline passes",
                self._order_changed(world, world.flight, decided),
                True,
                parked=decided.parked,
            )
        if payment is not None and payment.due_at is not None:
            decided = self.book.payment_decides(world.payment, POLL)
            if not self._is_asking(world):
                after = _payment_changed(world, world.flight, decided)
                yield Step("the payment is polled", after, True, parked=decided.parked)

    def _is_asking(self, world: World) -> bool:
        """Polls are minutes apart: the next one comes when what the last one asked was answered and heard."""
        return any(self.book.asking[item // _TWINS] for item in world.flight)

    # People

    def _guest(self, world: World) -> Iterator[Step]:
        if not world.left.guest:
            return
        spent = world._replace(left=world.left._replace(guest=world.left.guest - 1))
        for name, words in ((START, "opens the payment page"), (START_LATER, "opens it again"), (CANCEL, "cancels")):
            yield from self._commanded(world, spent, name, f"the guest {words}")
        psp = self.book.psps[world.psp]
        for number, session in enumerate(psp.sessions, start=1):
            if world.known & (1 << number):
                yield from self._pays(spent, psp, number, session.status)

    def _pays(self, world: World, psp: Psp, number: int, status: str) -> Iterator[Step]:
        if status not in UNPAID:
            return
        cards = self.bounds.cards
        if "fine" in cards:
            yield from self._at_psp(world, self._captured(psp, number, TOTAL), "the guest pays")
        if "odd" in cards:
            yield from self._at_psp(world, self._captured(psp, number, TOTAL - 1), "the guest pays another amount")
        if "declining" in cards:
            yield from self._at_psp(world, self._declined(psp, number), "the guest's card is declined")
        if "slow" in cards:
            happened = at_psp.changed(psp, number, "processing", "payment_intent.processing", self.bounds.tick)
            yield from self._at_psp(world, happened, "the guest pays with a method that settles later")
        if "asking" in cards and status != "requires_action":
            happened = at_psp.changed(
                psp, number, "requires_action", "payment_intent.requires_action", self.bounds.tick
            )
            yield from self._at_psp(world, happened, "the guest's bank asks who they are")

    def _captured(self, psp: Psp, number: int, amount: int) -> Happened:
        return at_psp.changed(psp, number, "succeeded", "payment_intent.succeeded", self.bounds.tick, amount)

    def _declined(self, psp: Psp, number: int) -> Happened:
        told = "payment_intent.payment_failed"
        return at_psp.changed(psp, number, "requires_payment_method", told, self.bounds.tick)

    def _staff(self, world: World) -> Iterator[Step]:
        if not world.left.staff:
            return
        spent = world._replace(left=world.left._replace(staff=world.left.staff - 1))
        names = (FULFIL, CANCEL, ACCEPT, GIVE_BACK, *REFUNDS[world.left.staff % len(REFUNDS)])
        for name in names:
            yield from self._commanded(world, spent, name, f"staff: {name}")

    def _commanded(self, world: World, spent: World, name: str, what: str) -> Iterator[Step]:
        decided = self.book.order_decides(world.order, name)
        if decided.is_applied or decided.parked:
            yield Step(
                what, self._order_changed(spent, spent.flight, decided), parked=decided.parked, again=decided.again
            )

    # The PSP by itself

    def _psp(self, world: World) -> Iterator[Step]:
        psp = self.book.psps[world.psp]
        for number, session in enumerate(psp.sessions, start=1):
            if session.status == "processing":
                yield from self._at_psp(world, self._captured(psp, number, TOTAL), "the payment settles", free=True)
                yield from self._at_psp(world, self._declined(psp, number), "the payment does not settle", free=True)
        for refund in psp.refunds:
            if refund.state == "pending":
                happened = at_psp.refund_changed(psp, refund.refund_id, "succeeded", self.bounds.tick)
                yield from self._at_psp(world, happened, f"the refund {refund.refund_id} settles", free=True)
        if world.left.psp:
            spent = world._replace(left=world.left._replace(psp=world.left.psp - 1))
            yield from self._surprises(spent, psp)

    def _surprises(self, world: World, psp: Psp) -> Iterator[Step]:
        for step in self._every_surprise(world, psp):
            if any(word in step.what for word in self.bounds.surprises):
                yield step

    def _every_surprise(self, world: World, psp: Psp) -> Iterator[Step]:
        tick = self.bounds.tick
        for refund in psp.refunds:
            if refund.state != "failed":
                happened = at_psp.refund_changed(psp, refund.refund_id, "failed", tick)
                yield from self._at_psp(world, happened, f"the refund {refund.refund_id} fails")
        for number, session in enumerate(psp.sessions, start=1):
            if session.status in UNPAID:
                happened = at_psp.changed(psp, number, "canceled", "payment_intent.canceled", tick)
                yield from self._at_psp(world, happened, "the session is cancelled at the PSP")
            if session.status != "succeeded":
                continue
            if not at_psp.refusal(psp, number, PART):
                happened = at_psp.refunded(psp, f"re_{world.left.psp}", number, PART, "succeeded", tick)
                yield from self._at_psp(world, happened, "a part is refunded in the PSP's dashboard")
            if not psp.dispute:
                happened = at_psp.dispute_changed(psp, number, "needs_response", tick)
                yield from self._at_psp(world, happened, "the guest's bank disputes the payment")
            if psp.dispute == "needs_response" and psp.disputed == number:
                for state in ("won", "lost"):
                    happened = at_psp.dispute_changed(psp, number, state, tick)
                    yield from self._at_psp(world, happened, f"the dispute is {state}")

    def _at_psp(self, world: World, happened: Happened, what: str, *, free: bool = False) -> Iterator[Step]:
        after = world._replace(psp=self.book.psps.number(happened.psp))
        for lost, told in self._webhooks(after, self.book.send(happened.webhooks)):
            yield Step(what + lost, told, free and not lost)


def _payment_changed(world: World, rest: tuple[int, ...], decided: Decided) -> World:
    flight = _with(rest, decided.sent)
    return World(world.order, decided.state, world.psp, flight, world.known, world.answered, world.left)


def _sorted(flight: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(flight))


def _with(flight: tuple[int, ...], messages: tuple[int, ...], twin: int = 0) -> tuple[int, ...]:
    """Two messages under way that say the same are explored, a third adds nothing."""
    for message in messages:
        item = message * _TWINS + twin
        if flight.count(item) < _ALIKE:
            flight = _sorted((*flight, item))
    return flight


def _without(flight: tuple[int, ...], item: int) -> tuple[int, ...]:
    at = flight.index(item)
    return flight[:at] + flight[at + 1 :]
