"""What the PSP is asked for a payment, at the payment's account: every request to it is built here."""

from typing import Any

from contracts.psp import (
    CapturePspSession,
    ClosePspSession,
    CreatePspRefund,
    CreatePspSession,
    PspSessionCreated,
    RetrievePspSession,
)
from payment_service.payment.state import Payment, Refund


def _about(payment: Payment) -> dict[str, Any]:
    return {"order_id": payment.order_id, "payment_id": payment.payment_id, "psp_account": payment.psp_account}


def retrieve(payment: Payment, psp_reference: str, *, is_held: bool = True) -> RetrievePspSession:
    return RetrievePspSession(**_about(payment), psp_reference=psp_reference, is_held=is_held)


def create(payment: Payment) -> CreatePspSession:
    """A repeated request has the same idempotency key."""
    return CreatePspSession(
        **_about(payment),
        session_no=payment.session_no,
        amount=payment.amount,
        description=payment.description,
        sealed_receipt_email=payment.sealed_receipt_email,
        is_captured_later=payment.is_captured_later,
    )


def capture(payment: Payment, psp_reference: str) -> CapturePspSession:
    return CapturePspSession(
        **_about(payment),
        session_no=payment.session_no,
        psp_reference=psp_reference,
        amount=payment.expected,
    )


def close(payment: Payment, psp_reference: str) -> ClosePspSession:
    return ClosePspSession(
        **_about(payment),
        session_no=payment.session_no,
        psp_reference=psp_reference,
    )


def create_refund(payment: Payment, refund: Refund) -> CreatePspRefund:
    return CreatePspRefund(
        **_about(payment),
        refund_id=refund.refund_id,
        psp_reference=refund.psp_reference,
        amount=refund.amount,
    )


def close_elsewhere(session: PspSessionCreated) -> ClosePspSession:
    """Close a session at the account that it was opened at, which is not the payment's."""
    return ClosePspSession(
        order_id=session.order_id,
        payment_id=session.payment_id,
        psp_account=session.psp_account,
        session_no=session.session_no,
        psp_reference=session.psp_reference,
    )


def close_current(payment: Payment) -> tuple[ClosePspSession, ...]:
    """None while the session is being opened: it is closed when the PSP names it."""
    return () if payment.session is None else (close(payment, payment.session.psp_reference),)
