"""What must hold in every world, whatever happened before."""

from collections.abc import Callable, Mapping

from contracts.ids import RefundId
from contracts.order_actions import ActionKind
from contracts.orders import OrderStatus
from contracts.payments import RefundStage
from contracts.psp import ClosePspSession
from extras_service.order.erasure import why_open
from extras_service.order.state import Order
from payment_service.payment.state import Payment, PaymentStage
from tests.model.bounds import OBJECT
from tests.model.psp import AUTHORISED, CANCELLABLE, NOW, TAKEN, Psp, number_of
from tests.model.rules import BY_THE_PSP, GUEST, Book, is_moved
from tests.model.steps import Model
from tests.model.world import World, is_behind

CLOSED = (OrderStatus.EXPIRED, OrderStatus.CANCELLED, OrderStatus.DECLINED)
KEPT = (OrderStatus.CONFIRMED, OrderStatus.FULFILLED)
FINAL = (*CLOSED, *KEPT, OrderStatus.NEEDS_REVIEW)

Law = Callable[[Order, Payment | None, Psp], bool]


def confirmed_means_captured(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    """A confirmed order was paid in full, for the lines that staff left in it, unless they accepted it as it is."""
    total = order.total.amount
    return order.status not in KEPT or order.accepted or any(each.captured == total for each in psp.sessions)


def refunds_never_exceed_what_was_captured(order: Order, payment: Payment | None, psp: Psp) -> bool:
    """Neither at the PSP nor in what we asked of it (the dashboard's refunds are not ours to count)."""
    if payment is not None and not any(refund.refund_id.startswith("re_") for refund in psp.refunds):
        asked = payment.refunded(RefundStage.REQUESTED, RefundStage.PENDING, RefundStage.SUCCEEDED)
        if payment.received is not None and asked.amount > payment.received.amount:
            return False
    return all(psp.returned(number) <= each.captured for number, each in enumerate(psp.sessions, start=1))


def no_refund_is_made_twice(_order: Order, _payment: Payment | None, psp: Psp) -> bool:
    ids = [refund.refund_id for refund in psp.refunds]
    return len(ids) == len(set(ids))


def order_and_payment_agree_about_what_came(order: Order, payment: Payment | None, _psp: Psp) -> bool:
    """An order never knows of money its payment does not."""
    return order.received is None or (payment is not None and payment.received == order.received)


def a_payment_stays_at_its_account(order: Order, payment: Payment | None, _psp: Psp) -> bool:
    return payment is None or payment.psp_account == order.psp_account


ALWAYS: Mapping[str, Law] = {
    "a payment stays at the account of its order": a_payment_stays_at_its_account,
    "never confirmed without the full amount captured": confirmed_means_captured,
    "refunds never exceed what was captured": refunds_never_exceed_what_was_captured,
    "no refund is made twice": no_refund_is_made_twice,
}
"""Laws of every world."""


def a_closed_order_keeps_no_money(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    """What the PSP holds for it was given back outside, or is of a second charge whose failed refund staff see."""
    seen = sum(each.amount.amount for each in order.troubled_refunds if each.is_second_charge)
    known = order.given_outside + 100 * (_second_outside(order) + seen)
    return order.status not in CLOSED or psp.held_in_all * 100 <= known


def _second_outside(order: Order) -> int:
    """What staff gave the guest outside of a second charge, in minor units."""
    settled = (each.settled for each in order.refunds if each.is_second_charge)
    return sum(each.amount.amount for each in settled if each is not None and each.amount is not None)


def no_guest_pays_twice(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    """Unless a person is asked, or has given it back outside."""
    is_decided = order.status is OrderStatus.NEEDS_REVIEW or order.accepted
    return is_decided or psp.held_in_all - _second_outside(order) <= order.total.amount


def no_session_is_left_open(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    """Not even one that a late command has opened again, once the PSP has named it."""
    is_open = any(each.answered and each.status in CANCELLABLE for each in psp.sessions)
    return order.status is OrderStatus.NEEDS_REVIEW or not is_open


def no_order_is_stuck(order: Order, _payment: Payment | None, _psp: Psp) -> bool:
    return order.status in FINAL


def the_order_knows_what_was_refunded(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    """Of the session that paid for it; a second charge is given back without it."""
    if order.received is None or order.status is OrderStatus.NEEDS_REVIEW:
        return True
    reported = order.refunded.amount if order.refunded else 0
    return any(each.captured and psp.returned(number) == reported for number, each in enumerate(psp.sessions, start=1))


def the_order_knows_what_was_captured(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    return psp.captured_in_all == 0 or order.received is not None


def a_failed_refund_is_seen(order: Order, payment: Payment | None, _psp: Psp) -> bool:
    """By staff, with its stage, and as a finding until it is settled; of a second charge, too."""
    failed = [each for each in payment.refunds if each.stage is RefundStage.FAILED] if payment else []
    known = [order.refund(each.refund_id) for each in failed]
    return all(each is not None and each.stage is RefundStage.FAILED for each in known) and (
        order.needs_attention or not order.troubled_refunds
    )


def order_and_payment_agree_about_each_refund(order: Order, payment: Payment | None, _psp: Psp) -> bool:
    """None is waited for that was never asked for, and none is unseen."""
    at_payment = {each.refund_id: each.stage for each in payment.refunds} if payment else {}
    return {each.refund_id: each.stage for each in order.refunds} == at_payment


def a_refund_made_twice_is_seen(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    ids = [refund.refund_id for refund in psp.refunds if refund.state != "failed"]
    return all(ids.count(each) == 1 or each in order.doubled_refunds for each in ids)


def only_what_was_asked_for_is_refunded(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    """Of ours: what the dashboard refunds, and a second charge, the order has not asked for."""
    asked = {each.refund_id: each.amount.amount for each in order.refunds if each.reason != BY_THE_PSP}
    ours = [each for each in psp.refunds if not each.refund_id.startswith("re_") and "_twice_" not in each.refund_id]
    return all(asked.get(RefundId(each.refund_id)) == each.amount for each in ours)


def no_refund_is_forgotten(_order: Order, payment: Payment | None, _psp: Psp) -> bool:
    return payment is None or all(refund.stage is not RefundStage.REQUESTED for refund in payment.refunds)


def what_is_left_can_be_given_back(order: Order, payment: Payment | None, psp: Psp) -> bool:
    """Of the session that paid for it, neither more nor less, unless the bank is deciding or a person is asked."""
    if payment is None or payment.paid_reference is None or order.received is None or order.is_contested:
        return True
    left = psp.held(number_of(payment.paid_reference))
    return order.status is OrderStatus.NEEDS_REVIEW or order.refundable.amount == max(0, left - _outside(order))


def no_guest_of_a_closed_order_has_more_than_they_paid(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    """Refunded, and taken back by their bank as well: unless a person has looked at it."""
    numbered = enumerate(psp.sessions, start=1)
    surplus = any(psp.returned(number) + psp.taken(number, *TAKEN) > each.captured for number, each in numbered)
    return order.status not in CLOSED or order.accepted or not surplus


def _outside(order: Order) -> int:
    """What staff gave the guest in another way, in minor units."""
    return order.given_outside // 100


def a_refund_without_an_outcome_is_seen(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    """Once the PSP has said nothing about it for two weeks."""
    known = [order.refund(RefundId(each)) for each in psp.late]
    return all(
        each is not None and (each.unanswered or each.stage in (RefundStage.SUCCEEDED, RefundStage.FAILED))
        for each in known
    )


def a_voucher_is_waited_for(order: Order, payment: Payment | None, psp: Psp) -> bool:
    """As long as it can be paid, once its payment knows of it; after a failed attempt, from the next poll on."""
    knows = payment is not None and payment.status is PaymentStage.ACTION_REQUIRED and not payment.attempts
    waits = order.status is OrderStatus.PENDING_PAYMENT and order.due_at is not None
    return not (knows and waits and psp.has_voucher) or is_moved(order.due_at)


def no_authorisation_is_waited_for(_order: Order, _payment: Payment | None, psp: Psp) -> bool:
    """Where none was asked for."""
    return all(each.is_manual or each.status != AUTHORISED for each in psp.sessions)


def nothing_is_captured_without_approval(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    """Neither by us, nor kept by the order if it was captured by another hand, unless staff accepted it."""
    is_approved = any(each.action is ActionKind.APPROVED for each in order.actions)
    is_kept = order.needs_approval and order.status in KEPT and not order.accepted
    return is_approved or not (is_kept or any(each.is_manual and each.captured for each in psp.sessions))


def no_more_is_captured_than_was_approved(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    """Nothing for a line that staff took out, except by a capture in the PSP's dashboard."""
    ours = (each for each in psp.sessions if each.is_manual and not each.is_by_hand)
    return all(each.captured <= order.total.amount for each in ours)


def no_closed_order_has_an_authorisation(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    return order.status not in CLOSED or all(each.status != AUTHORISED for each in psp.sessions)


def no_refund_is_given_twice_unseen(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    """By the PSP, after a person had given the money back in another way."""
    made = {refund.refund_id for refund in psp.refunds if refund.state == "succeeded"}
    settled = {each.refund_id for each in order.refunds if each.settled is not None}
    return made & settled <= set(order.doubled_refunds)


def a_repeated_failure_is_got_over(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    return order.status is not OrderStatus.NEEDS_REVIEW or not psp.stored


def a_final_order_forgets(order: Order, payment: Payment | None, _psp: Psp) -> bool:
    """Once it was asked to, with its payment, and whatever comes later."""
    if order.erasure is None:
        return True
    if order.erased_at is None:
        return why_open(order, NOW) is not None
    forgets = payment is None or payment.erasure == order.erasure
    return forgets and GUEST.guest_id not in order.model_dump_json()


NOT_VOIDED = "never authorised at rest on a closed order"
WITHOUT_APPROVAL = "never captured without approval"
TAKEN_OUT = "nothing is captured for a line that was taken out"
NOT_CAPTURED = "an authorisation that is not captured is cancelled at once"
UNSEEN = "a refund without an outcome is seen"
BY_A_FAILURE = "no order comes before a person because the PSP repeats a failure"
LEFT_OPEN = "no session is left open"
AT_REST: Mapping[str, Law] = {
    "what the bank has not taken can be given back": what_is_left_can_be_given_back,
    "no guest has more than they paid, unseen": no_guest_of_a_closed_order_has_more_than_they_paid,
    "a closed order keeps no money, unless a refund or review is open": a_closed_order_keeps_no_money,
    "no guest pays twice": no_guest_pays_twice,
    "no order is stuck": no_order_is_stuck,
    LEFT_OPEN: no_session_is_left_open,
    "the order knows what was captured": the_order_knows_what_was_captured,
    "the order knows what was refunded": the_order_knows_what_was_refunded,
    "no refund is forgotten": no_refund_is_forgotten,
    "a failed refund is seen": a_failed_refund_is_seen,
    "order and payment agree about each refund": order_and_payment_agree_about_each_refund,
    "a refund settled outside and made as well is seen": no_refund_is_given_twice_unseen,
    BY_A_FAILURE: a_repeated_failure_is_got_over,
    "a refund made twice is seen": a_refund_made_twice_is_seen,
    "a final order forgets its guest once it was asked to": a_final_order_forgets,
}
"""Laws of a world in which nothing is under way and nothing is going to be looked at again."""


WHILE_NOTHING_IS_UNDER_WAY: Mapping[str, Law] = {
    "a voucher is waited for as long as it can be paid": a_voucher_is_waited_for,
    NOT_CAPTURED: no_authorisation_is_waited_for,
    NOT_VOIDED: no_closed_order_has_an_authorisation,
    UNSEEN: a_refund_without_an_outcome_is_seen,
}
"""Laws of every world in which no message is under way."""

WITHOUT_A_RESTORE: Mapping[str, Law] = {
    "an order never knows of money its payment does not": order_and_payment_agree_about_what_came,
    WITHOUT_APPROVAL: nothing_is_captured_without_approval,
    TAKEN_OUT: no_more_is_captured_than_was_approved,
}
"""Laws of every world whose stores have had all of their messages."""

WHERE_NO_STORE_GOES_BACK: Mapping[str, Law] = {
    "only what was asked for is refunded": only_what_was_asked_for_is_refunded,
}
"""Laws at rest within bounds that restore no store: what follows a restore may be asked for in another order."""

RECONCILED = (
    "no order is stuck",
    "the order knows what was captured",
    "a closed order keeps no money, unless a refund or review is open",
)
"""The laws at rest that hold where a store went back and its log was lost as well."""

OF_EVERY_ACCOUNT = (LEFT_OPEN,)
"""The laws about every account at the PSP; the others are about the one that the order's property names."""

NOT_MADE_GOOD = "a store that went back ends where it was, once it has had its part of the log"
BY_THE_KEY = "no refund fails because our key is refused"


class Laws:
    """Which laws a world breaks. They see order, payment and PSP only, so each combination is judged once."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._judged: dict[tuple[int, int, int, bool, bool, bool], tuple[str, ...]] = {}
        bounds = model.bounds
        only_the_key = bool(bounds.refusals) and not bounds.left.psp and OBJECT not in bounds.refusals
        self._at_rest: Mapping[str, Law] = {
            **{law: holds for law, holds in AT_REST.items() if law != LEFT_OPEN or ClosePspSession not in bounds.never},
            **({BY_THE_KEY: no_refund_fails_by_itself} if only_the_key else {}),
            **(WHERE_NO_STORE_GOES_BACK if not bounds.left.restores else {}),
        }

        if bounds.reconciles:
            self._at_rest = {law: holds for law, holds in AT_REST.items() if law in RECONCILED}

    def broken(self, world: World) -> tuple[str, ...]:
        resting = self._model.is_at_rest(world)
        behind = is_behind(world)
        key = (world.order, world.payment, world.psp, resting, behind, not world.flight)
        if key not in self._judged:
            laws = {
                **ALWAYS,
                **(WITHOUT_A_RESTORE if not behind and not self._model.bounds.reconciles else {}),
                **(WHILE_NOTHING_IS_UNDER_WAY if not world.flight else {}),
                **(self._at_rest if resting else {}),
            }
            self._judged[key] = tuple(_broken(self._model.book, world, laws))
        return self._judged[key] if self._is_made_good(world, resting=resting) else (*self._judged[key], NOT_MADE_GOOD)

    def _is_made_good(self, world: World, *, resting: bool) -> bool:
        """Whether order and payment stand where they stood when a store went back, if all was at rest then."""
        restored, book = world.restored, self._model.book
        if self._model.bounds.reconciles:  # the order may know more than its payment, and the other way round
            return True
        if not resting or restored is None or restored.was is None or restored.left != world.left:
            return True
        order, payment = restored.was
        before, now = (order, payment), (world.order, world.payment)
        return before == now or _outcome(book.orders[order], book.payments[payment]) == _outcome(
            book.orders[world.order], book.payments[world.payment]
        )

    def is_final(self, world: World) -> bool:
        """At rest where a hotel can defend it."""
        order = self._model.book.orders[world.order]
        return order is not None and order.status in FINAL and self._model.is_at_rest(world)


def _outcome(order: Order | None, payment: Payment | None) -> object:
    """What a guest or a hotel would notice."""
    if order is None or payment is None:
        return order, payment
    refunds = tuple((each.refund_id, each.amount, each.stage) for each in payment.refunds)
    moved = (
        order.received,
        order.refunded,
        set(order.failed_refunds),
        set(order.open_disputes),
        set(order.lost_disputes),
    )
    return order.status, order.payment_status, moved, payment.status, payment.received, refunds


def no_refund_fails_by_itself(_order: Order, payment: Payment | None, psp: Psp) -> bool:
    """Where the PSP refuses nothing but our key."""
    return payment is None or all(each.stage is not RefundStage.FAILED for each in payment.refunds)


def _broken(book: Book, world: World, laws: Mapping[str, Law]) -> list[str]:
    order = book.orders[world.order]
    if order is None:
        return ["an order is never lost"]
    payment, psp = book.payments[world.payment], book.psps[world.psp]
    seen = psp.seen_at(order.psp_account)
    return [
        name for name, holds in laws.items() if not holds(order, payment, psp if name in OF_EVERY_ACCOUNT else seen)
    ]
