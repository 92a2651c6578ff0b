"""What may happen at the PSP: guests pay, payments and refunds settle, people use its dashboard, banks dispute."""

from collections.abc import Iterator
from typing import NamedTuple

from payment_service.payment.state import Payment
from tests.model import psp as at_psp
from tests.model.bounds import Bounds
from tests.model.psp import PART, TOTAL, UNPAID, Happened, Psp


class Possible(NamedTuple):
    what: str
    happened: Happened


class Happenings:
    """Of one exploration: the cards in the guest's hand, the surprises that may come, the PSP's clock."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._tick = bounds.tick

    def payments(self, psp: Psp, number: int) -> Iterator[Possible]:
        """What the guest can do with a session whose secret they have."""
        status, cards, tick = psp.sessions[number - 1].status, self._bounds.cards, self._tick
        if status not in UNPAID:
            return
        if "fine" in cards and psp.sessions[number - 1].is_manual:
            yield Possible("the guest pays", self._authorised(psp, number))
        elif "fine" in cards:
            yield Possible("the guest pays", self._captured(psp, number, TOTAL))
        if "odd" in cards:
            yield Possible("the guest pays another amount", self._captured(psp, number, TOTAL - 1))
        if "declining" in cards:
            yield Possible("the guest's card is declined", self._declined(psp, number))
        if "slow" in cards:
            happened = at_psp.changed(psp, number, "processing", "payment_intent.processing", tick)
            yield Possible("the guest pays with a method that settles later", happened)
        if status == "requires_action":
            return
        asks = "payment_intent.requires_action"
        if "asking" in cards:
            happened = at_psp.changed(psp, number, "requires_action", asks, tick)
            yield Possible("the guest's bank asks who they are", happened)
        if "authorised" in cards:
            yield Possible("the guest's payment is authorised and not captured", self._authorised(psp, number))
        if "voucher" in cards:
            happened = at_psp.changed(psp, number, "requires_action", asks, tick, is_voucher=True)
            yield Possible("the guest takes a voucher", happened)

    def by_itself(self, psp: Psp) -> Iterator[Possible]:
        """What the PSP and the banks do sooner or later."""
        for number, session in enumerate(psp.sessions, start=1):
            if session.status == "processing":
                yield Possible("the payment settles", self._captured(psp, number, TOTAL))
                yield Possible("the payment does not settle", self._declined(psp, number))
            if session.is_manual and session.status == at_psp.AUTHORISED:
                yield Possible("the authorisation lapses", self._cancelled(psp, number))
            if session.is_voucher:
                yield Possible("the voucher is paid", self._captured(psp, number, TOTAL))
                yield Possible("the voucher expires", self._declined(psp, number))
        for refund in psp.refunds:
            if refund.state == "pending":
                happened = at_psp.refund_changed(psp, refund, self._tick, state="succeeded")
                yield Possible(f"the refund {refund.refund_id} settles", happened)

    def surprises(self, psp: Psp, payment: Payment | None, left: int) -> Iterator[Possible]:
        """Those that the bounds allow. `left`: how many more may come; it numbers the dashboard's refunds."""
        for possible in self._every_surprise(psp, payment, left):
            if any(word in possible.what for word in self._bounds.surprises):
                yield possible

    def _every_surprise(self, psp: Psp, payment: Payment | None, left: int) -> Iterator[Possible]:
        tick = self._tick
        for refund in psp.refunds:
            if refund.state != "failed":
                failed = at_psp.refund_changed(psp, refund, tick, state="failed")
                yield Possible(f"the refund {refund.refund_id} fails", failed)
            knows = payment is not None and any(each.psp_refund_id == refund.psp_id for each in payment.refunds)
            if knows and refund.is_ours and refund.is_named and "metadata" in self._bounds.surprises:
                unnamed = at_psp.refund_changed(psp, refund, tick, is_named=False)
                yield Possible(f"the metadata of the refund {refund.refund_id} is removed", unnamed)
        for number, session in enumerate(psp.sessions, start=1):
            if session.status in UNPAID:
                yield Possible("the session is cancelled at the PSP", self._cancelled(psp, number))
                if "gone" in self._bounds.surprises:
                    gone = psp.with_session(number, status=at_psp.GONE, is_voucher=False)
                    yield Possible("the session is gone at the PSP", Happened(gone))
            if session.is_manual and session.status == at_psp.AUTHORISED and "capture" in self._bounds.surprises:
                whole = self._captured(psp, number, TOTAL)
                by_hand = whole.psp.with_session(number, is_by_hand=True)
                yield Possible("a capture of the whole in the PSP's dashboard", whole._replace(psp=by_hand))
            if "metadata" in self._bounds.surprises and session.metadata == at_psp.OURS:
                yield from self._metadata_changed(psp, number, payment)
            if session.status == "succeeded":
                yield from self._after_success(psp, number, left)
        if "a second session" in self._bounds.surprises and len(psp.sessions) == 1:
            happened = at_psp.paid_elsewhere(psp, psp.sessions[0].asked_no, tick)
            yield Possible("the guest pays a second session", happened)
        if "another account" in self._bounds.surprises and len(psp.sessions) == 1:
            happened = at_psp.paid_at_another_account(psp, tick)
            yield Possible("the guest pays a session of another account", happened)

    def _after_success(self, psp: Psp, number: int, left: int) -> Iterator[Possible]:
        if not at_psp.refusal(psp, number, PART):
            happened = at_psp.refunded(psp, f"re_{left}", number, PART, "succeeded", self._tick)
            yield Possible("a part is refunded in the PSP's dashboard", happened)
        for state, amount, what in self._disputes(psp, number):
            yield Possible(what, at_psp.dispute_changed(psp, number, state, self._tick, amount))

    def _metadata_changed(self, psp: Psp, number: int, payment: Payment | None) -> Iterator[Possible]:
        """Metadata that names another payment, of a session that none here holds, is for an operator to look at."""
        yield Possible("the metadata of the session is removed", Happened(psp.with_session(number, metadata="removed")))
        if payment is not None and payment.knows(at_psp.reference(number)):
            foreign = Happened(psp.with_session(number, metadata="foreign"))
            yield Possible("the metadata of the session names another payment", foreign)

    def _disputes(self, psp: Psp, number: int) -> Iterator[tuple[str, int, str]]:
        """How the one dispute may begin or go on: its next status, the amount it begins with, what to call it."""
        if not psp.dispute:
            beginnings = {
                "whole": ("needs_response", TOTAL, "the guest's bank disputes the payment"),
                "part": ("needs_response", PART, "the guest's bank disputes a part of the payment"),
                "inquiry": ("warning_needs_response", TOTAL, "the guest's bank asks before it disputes the payment"),
                "prevented": ("prevented", TOTAL, "the card network ends a dispute before it begins"),
            }
            yield from (beginnings[kind] for kind in self._bounds.disputes if kind in beginnings)
        elif psp.disputed == number:
            for state in self._after_dispute(psp.dispute):
                yield state, 0, f"the dispute is {state}"

    def _after_dispute(self, state: str) -> tuple[str, ...]:
        if state in at_psp.CONTESTED:
            return ("won", "lost")
        if state == "warning_needs_response":
            return ("needs_response", "warning_closed")
        return ("appeal_needs_response",) if state in ("won", "lost") and "appeals" in self._bounds.disputes else ()

    def _authorised(self, psp: Psp, number: int) -> Happened:
        event_type = "payment_intent.amount_capturable_updated"
        return at_psp.changed(psp, number, at_psp.AUTHORISED, event_type, self._tick)

    def _cancelled(self, psp: Psp, number: int) -> Happened:
        return at_psp.changed(psp, number, "canceled", "payment_intent.canceled", self._tick)

    def _captured(self, psp: Psp, number: int, amount: int) -> Happened:
        return at_psp.changed(psp, number, "succeeded", "payment_intent.succeeded", self._tick, amount)

    def _declined(self, psp: Psp, number: int) -> Happened:
        event_type = "payment_intent.payment_failed"
        return at_psp.changed(psp, number, "requires_payment_method", event_type, self._tick)
