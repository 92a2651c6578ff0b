"""Every step that one order's world can take next.

A message handled is one atomic write: the new state and the messages it sends appear together, as with the outbox. A
crash between the write and the publish leaves the message to the relay; here that is a message delivered late, and
messages are delivered in any order anyway. A duplicate of a message that was *applied* is dropped by its id, so only
one that was not (stale, ignored) is decided again, and one for the adapter, which remembers nothing.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from contracts.psp import (
    PspDisputeUpdated,
    PspPaymentEvent,
    PspRefundUpdated,
    PspSessionCreated,
)
from extras_service.order.state import Order
from tests.model.adapter import ANSWERED, NO_ANSWER, Adapter
from tests.model.bounds import Bounds, Left
from tests.model.flight import TWINS, with_sent, without
from tests.model.happenings import Happenings, Possible
from tests.model.psp import Psp
from tests.model.reconcile import Reconciled, reconcile
from tests.model.rules import (
    ACCEPT,
    APPROVE,
    APPROVE_WITHOUT,
    CANCEL,
    DEADLINE,
    DECLINE,
    ERASE,
    FULFIL,
    FULFIL_LINE,
    GIVE_BACK,
    LATE_POLL,
    NAMES,
    OUTSIDE,
    POLL,
    REFUNDS,
    RETRIED,
    RETRY,
    SETTLED,
    START,
    START_LATER,
    Book,
    Decided,
    Receiver,
    is_moved,
)
from tests.model.world import (
    STORES,
    Backup,
    Restored,
    Step,
    World,
    code_of,
    diverged,
    is_behind,
    left_after,
    payment_changed,
    recorded,
    set_aside,
    with_said,
    without_outcome,
)


class _Numbered(NamedTuple):
    """Something that may happen at the PSP: the PSP after it, and the webhooks, by number."""

    what: str
    psp: int
    webhooks: tuple[int, ...]


class Model:
    """The steps of a world, within bounds."""

    def __init__(self, book: Book, bounds: Bounds) -> None:
        self.book = book
        self.bounds = bounds
        self._adapter_asks = Adapter(book, bounds)
        self._happenings = Happenings(bounds)
        self._possible: dict[tuple[str | int, ...], tuple[_Numbered, ...]] = {}
        self._reconciliations: dict[tuple[int, int, int], Reconciled] = {}

    def start(self) -> World:
        book = self.book
        placed = World(book.placed(), book.payments.number(None), book.psps.number(Psp()), (), 0, 0, self.bounds.left)
        return self._led(placed)

    def _led(self, world: World) -> World:
        """The world after the steps to begin with; the messages of each arrive before the next."""
        begin = self.bounds.begin
        many = len(begin)
        world = world._replace(
            left=Left(guest=many, staff=many, psp=many, silent=many, restores=self.bounds.left.restores)
        )
        for wanted in begin:
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
        yield from self._sent_again(world)
        yield from self._restored(world)

    def is_at_rest(self, world: World) -> bool:
        """Whether nothing is under way and nothing is going to be looked at again."""
        order, payment = self.book.orders[world.order], self.book.payments[world.payment]
        waits = (order is not None and order.due_at is not None) or (payment is not None and payment.due_at is not None)
        return not world.flight and not waits and not self.book.psps[world.psp].is_settling and not is_behind(world)

    # Messages

    def _delivered(self, world: World, item: int) -> Iterator[Step]:
        number, twin = divmod(item, TWINS)
        receiver = self.book.receivers[number]
        rest = without(world.flight, item)
        if receiver is Receiver.ADAPTER:
            yield from self._adapter(world, rest, number, twin)
        elif twin and world.answered & (1 << twin):
            yield Step("a twin is dropped:", world._replace(flight=rest), True, number)
        elif receiver is Receiver.ORDER:
            decided = self.book.order_decides(world.order, number)
            yield from self._handled(world, self._order_changed(world, rest, decided), decided, item)
        else:
            decided = self.book.payment_decides(world.payment, number)
            if decided.parked and world.restored and self.book.payments[world.payment] is None:
                return  # a dead letter, which an operator sends again once the store has caught up
            yield from self._handled(world, payment_changed(world, rest, decided), decided, item)

    def _handled(self, world: World, after: World, decided: Decided, item: int) -> Iterator[Step]:
        number, twin = divmod(item, TWINS)
        if decided.outcome == RETRIED:
            return
        if decided.is_applied and twin:
            after = after._replace(answered=world.answered | (1 << twin))
        after = diverged(recorded(after, self.book.receivers[number], number), self.book.receivers[number], decided)
        if world.left.replays:
            yield set_aside(world, Step(f"{decided.outcome},", after, False, number), number)
        yield Step(decided.outcome, after, True, number, decided.parked, decided.again)
        if world.left.twice and not decided.is_applied and not decided.parked:
            left = world.left._replace(twice=world.left.twice - 1)
            what = f"{decided.outcome}, and will come again:"
            yield Step(what, after._replace(flight=tuple(sorted((*after.flight, item))), left=left), False, number)

    def _order_changed(self, world: World, rest: tuple[int, ...], decided: Decided) -> World:
        known = world.known | self.book.shown[decided.state]
        after = world._replace(order=decided.state, flight=with_sent(rest, decided.sent), known=known)
        return with_said(after, Receiver.ORDER, decided.sent)

    # The adapter

    def _adapter(self, world: World, rest: tuple[int, ...], number: int, twin: int) -> Iterator[Step]:
        for said, psp, answer, webhooks, parked in self._adapter_asks.asked(world.psp, number):
            left = left_after(world.left, said)
            if left is None:
                continue
            flight = with_sent(rest, () if answer == NO_ANSWER else (answer,), self._twin_of(answer, twin))
            for lost, after in self._webhooks(world._replace(psp=psp, flight=flight, left=left), webhooks):
                free = said == ANSWERED and not lost
                yield Step(f"the PSP is asked ({said}{lost}):", after, free, number, parked)
                if world.left.replays and free:
                    yield set_aside(world, Step(f"the PSP is asked ({said}),", after, False, number), number)
            if world.left.twice and said == ANSWERED and not twin:
                again = self._twinned(world, rest, number, answer)
                for lost, after in self._webhooks(again._replace(psp=psp), webhooks):
                    yield Step(f"the PSP is asked (answered{lost}), and will be asked again:", after, False, number)

    def _twin_of(self, answer: int, twin: int) -> int:
        """The id of an answer names its session, so the same command may be answered with two that are no twins."""
        is_session = answer != NO_ANSWER and isinstance(self.book.messages[answer], PspSessionCreated)
        return 0 if is_session else twin

    def _twinned(self, world: World, rest: tuple[int, ...], number: int, answer: int) -> World:
        """The same command will be asked once more, and its answers share one id."""
        left = world.left._replace(twice=world.left.twice - 1)
        twin = world.left.twice
        flight = with_sent(rest, (number,), twin)
        if answer != NO_ANSWER:
            flight = with_sent(flight, (answer,), self._twin_of(answer, twin))
        return world._replace(flight=flight, left=left)

    def _webhooks(self, world: World, webhooks: tuple[int, ...]) -> Iterator[tuple[str, World]]:
        """The world with these webhooks under way; and, while one may be lost, without them."""
        yield "", world._replace(flight=with_sent(world.flight, webhooks))
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
        if order is not None and not is_behind(world, Receiver.ORDER) and self._is_due(order, world):
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
                after = payment_changed(world, world.flight, decided)
                yield Step("the payment is polled", after, True, parked=decided.parked)

        if payment is not None and world.left.weeks and (waiting := without_outcome(payment)):
            yield from self._silent_for_weeks(world, waiting)

    def _is_due(self, order: Order, world: World) -> bool:
        """A deadline that follows a voucher passes after the voucher has expired, the usual one at any time."""
        return order.due_at is not None and not (is_moved(order.due_at) and self.book.psps[world.psp].has_voucher)

    def _silent_for_weeks(self, world: World, waiting: tuple[str, ...]) -> Iterator[Step]:
        """The PSP says nothing about a refund, however often it is asked, until the patience with it is over."""
        if world.flight:
            return
        psp = self.book.psps[world.psp]
        late = self.book.psps.number(psp._replace(late=tuple(sorted({*psp.late, *waiting}))))
        left = world.left._replace(weeks=world.left.weeks - 1)
        decided = self.book.payment_decides(world.payment, LATE_POLL)
        after = payment_changed(world, world.flight, decided)._replace(psp=late, left=left)
        yield Step("the payment is polled after two weeks of silence", after, parked=decided.parked)

    def _is_asking(self, world: World) -> bool:
        """Polls are minutes apart: the next one comes when what the last one asked was answered and heard."""
        return any(self.book.asking[item // TWINS] for item in world.flight)

    # People

    def _guest(self, world: World) -> Iterator[Step]:
        if not world.left.guest:
            return
        spent = world._replace(left=world.left._replace(guest=world.left.guest - 1))
        for name, words in ((START, "opens the payment page"), (START_LATER, "opens it again"), (CANCEL, "cancels")):
            yield from self._commanded(world, spent, name, f"the guest {words}")
        psp = self.book.psps[world.psp]
        for number in range(1, len(psp.sessions) + 1):
            if world.known & (1 << number):
                possible = self._numbered(("pays", world.psp, number), self._happenings.payments(psp, number))
                yield from self._at_psp(spent, possible)

    def _staff(self, world: World) -> Iterator[Step]:
        if not world.left.staff:
            return
        spent = world._replace(left=world.left._replace(staff=world.left.staff - 1))
        names = (
            APPROVE,
            APPROVE_WITHOUT,
            DECLINE,
            FULFIL,
            FULFIL_LINE,
            CANCEL,
            ACCEPT,
            GIVE_BACK,
            SETTLED,
            RETRY,
            OUTSIDE,
            *REFUNDS[world.left.staff % len(REFUNDS)],
            *((ERASE,) if self.bounds.erases else ()),
        )
        for name in names:
            yield from self._commanded(world, spent, name, f"staff: {name}")

    def _commanded(self, world: World, spent: World, name: str, what: str) -> Iterator[Step]:
        decided = self.book.order_decides(world.order, name)
        if (decided.is_applied or decided.parked) and not is_behind(world):  # else the gateway is stopped
            after = recorded(self._order_changed(spent, spent.flight, decided), Receiver.ORDER, code_of(name))
            if name == RETRY:
                after = after._replace(psp=self.book.psps.number(self.book.psps[after.psp]._replace(late=())))
            step = Step(what, after, parked=decided.parked, again=decided.again)
            yield step
            if world.left.replays:
                yield set_aside(world, step._replace(what=f"{what},"), code_of(name))

    # Operators

    def _sent_again(self, world: World) -> Iterator[Step]:
        """An operator sends something again, of any age, whose id is remembered no more."""
        for position, code in enumerate(world.aside):
            waits = world._replace(aside=world.aside[:position] + world.aside[position + 1 :])
            if code >= 0:
                flight = with_sent(world.flight, (code,))
                yield Step("an operator sends again:", waits._replace(flight=flight), message=code)
                continue
            decided = self.book.order_decides(world.order, NAMES[-1 - code])
            after = recorded(self._order_changed(waits, waits.flight, decided), Receiver.ORDER, code)
            yield Step(f"an operator sends {NAMES[-1 - code]} again", after, parked=decided.parked)

    def _restored(self, world: World) -> Iterator[Step]:
        """A store goes back to a backup; then its part of the log is sent to its service again, in the log's order."""
        if world.restored is None and world.backup is None and world.left.restores:
            left = world.left._replace(restores=world.left.restores - 1)
            for of, name in STORES.items():
                backup = Backup(of, world.order if of is Receiver.ORDER else world.payment)
                yield Step(f"a backup of the {name} store is made", world._replace(left=left, backup=backup))
        elif world.backup is not None:
            of, state, sent, said = world.backup
            was = (world.order, world.payment) if self.is_at_rest(world) else None
            without_log = self.bounds.reconciles
            behind = sent if self.bounds.catches_up and not without_log else ()
            back = world._replace(
                backup=None, restored=Restored(of, behind, said, was, world.left, is_unreconciled=without_log)
            )
            changed = back._replace(order=state) if of is Receiver.ORDER else back._replace(payment=state)
            yield Step(f"the {STORES[of]} store is restored", changed)
        elif world.restored is not None and world.restored.behind:
            yield from self._caught_up(world, world.restored)
        elif world.restored is not None and world.restored.is_unreconciled:
            yield self._reconciled(world, world.restored)

    def _reconciled(self, world: World, restored: Restored) -> Step:
        """What `bellhop reconcile` has the payment service handle; the gateway is started after it."""
        key = (world.order, world.payment, world.psp)
        if key not in self._reconciliations:
            self._reconciliations[key] = reconcile(self.book, *key)
        payment, sent, parked = self._reconciliations[key]
        after = world._replace(payment=payment, flight=with_sent(world.flight, sent))
        is_reconciled = restored._replace(is_unreconciled=False)
        return Step("bellhop reconcile", after._replace(restored=is_reconciled), True, parked=parked)

    def _caught_up(self, world: World, restored: Restored) -> Iterator[Step]:
        code, *rest = restored.behind
        has_diverged = restored.has_diverged and bool(rest)
        caught_up = world._replace(restored=restored._replace(behind=tuple(rest), has_diverged=has_diverged))
        if restored.of is Receiver.ORDER:
            decided = self.book.order_decides(world.order, NAMES[-1 - code] if code < 0 else code)
            after = self._order_changed(caught_up, world.flight, decided)
        else:
            decided = self.book.payment_decides(world.payment, code)
            after = payment_changed(caught_up, world.flight, decided)
        what = f"{decided.outcome}, from the log: {NAMES[-1 - code] if code < 0 else ''}"
        yield Step(what, after, True, code, decided.parked)
        known = tuple(message for message in decided.sent if message in restored.said)
        if (
            known and not restored.has_diverged
        ):  # said for the second time, by the same id: it is dropped where it was handled
            flight = with_sent(world.flight, tuple(message for message in decided.sent if message not in known))
            yield Step(f"{what}, what it says is known,", after._replace(flight=flight), True, code, decided.parked)

    # The PSP by itself

    def _psp(self, world: World) -> Iterator[Step]:
        psp = self.book.psps[world.psp]
        possible = self._numbered(("by itself", world.psp), self._happenings.by_itself(psp))
        yield from self._at_psp(world, possible, free=True)
        if world.left.psp:
            left = world.left._replace(psp=world.left.psp - 1)
            surprises = self._happenings.surprises(psp, self.book.payments[world.payment], left.psp)
            possible = self._numbered(("surprises", world.psp, world.payment, left.psp), surprises)
            yield from self._at_psp(world._replace(left=left), possible)

    def _numbered(self, key: tuple[str | int, ...], possible: Iterable[Possible]) -> tuple[_Numbered, ...]:
        """What may happen at the PSP, found out once."""
        if key not in self._possible:
            self._possible[key] = tuple(
                _Numbered(each.what, self.book.psps.number(each.happened.psp), self.book.send(each.happened.webhooks))
                for each in possible
            )
        return self._possible[key]

    def _at_psp(self, world: World, possible: Iterable[_Numbered], *, free: bool = False) -> Iterator[Step]:
        for what, psp, webhooks in possible:
            for lost, next_world in self._webhooks(world._replace(psp=psp), webhooks):
                yield Step(what + lost, next_world, free and not lost)
