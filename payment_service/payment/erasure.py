"""Erasure: a payment forgets what it says of its guest when its order does (docs/decisions/0048-erasure.md)."""

from chassis.decision import Applied, Decision, Ignored
from chassis.personal_data import Erasure
from contracts.erasure import ErasePayment
from payment_service.payment.state import Payment


def asked(payment: Payment, command: ErasePayment) -> Decision[Payment]:
    """Mark the payment; `followed` erases it."""
    if payment.erasure is not None:
        return Ignored("erased already")
    return Applied(payment.model_copy(update={"erasure": command.pseudonym}))


def followed(payment: Payment) -> Payment:
    """The payment after a decision: once it is marked, nothing of the guest stays, or comes back."""
    if payment.erasure is None:
        return payment
    erasure = Erasure(guest_id=payment.erasure, property_id="", pseudonym=payment.erasure)
    erased = Payment.model_validate(erasure.of(payment.model_dump(mode="json"))).model_copy(update={"attempts": ()})
    # Until the PSP has named the session, a repeated request for it must be the same to the last field.
    awaited = payment.sealed_receipt_email if payment.is_unpayable else None
    return erased.model_copy(update={"sealed_receipt_email": awaited})
