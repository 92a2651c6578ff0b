"""Disputes: the guest's bank inquires about a payment or claims it back, and decides; after an appeal, repeatedly."""

from datetime import datetime
from typing import assert_never

from chassis.decision import Applied, Decision, Ignored, Outgoing, Stale
from contracts.payments import PaymentDisputeClosed, PaymentDisputed
from contracts.psp import PspDisputeState, PspDisputeUpdated
from payment_service.payment.state import Dispute, Payment

_FURTHER = (PspDisputeState.INQUIRY, PspDisputeState.OPEN, PspDisputeState.WON, PspDisputeState.LOST)
"""The PSP's times are whole seconds: of two reports in the same second, the one of the later state is newer."""


def dispute_reported(payment: Payment, report: PspDisputeUpdated) -> Decision[Payment]:
    """The newest report counts, by the PSP's own time: an appeal reopens what was won or lost."""
    known = next((dispute for dispute in payment.disputes if dispute.dispute_id == report.dispute_id), None)
    dispute = Dispute(
        dispute_id=report.dispute_id,
        amount=report.amount,
        state=report.state,
        status=report.status,
        psp_reference=report.psp_reference,
        reported_at=report.occurred_at,
    )
    if known == dispute:
        return Ignored(f"the dispute is {report.state} already")
    if known is not None and _age(known.reported_at, known.state) > _age(dispute.reported_at, dispute.state):
        return Stale("overtaken by a newer report about this dispute")
    others = tuple(other for other in payment.disputes if other.dispute_id != report.dispute_id)
    noted = payment.model_copy(update={"disputes": (*others, dispute)})
    if known is not None and (known.state, known.amount, known.status) == (report.state, report.amount, report.status):
        return Applied(noted)  # nothing new except its time, which decides about later reports
    noted = noted.model_copy(update={"fact_no": payment.fact_no + 1})
    return Applied(noted, (_reported(noted, dispute),))


def _age(reported_at: datetime | None, state: PspDisputeState) -> tuple[float, int]:
    return (reported_at.timestamp() if reported_at else 0.0, _FURTHER.index(state))


def _reported(payment: Payment, dispute: Dispute) -> Outgoing:
    about = {
        "order_id": payment.order_id,
        "payment_id": payment.payment_id,
        "fact_no": payment.fact_no,
        "dispute_id": dispute.dispute_id,
        "amount": dispute.amount,
        "status": dispute.status,
        "reported_at": dispute.reported_at,
        "is_second_charge": payment.paid_reference not in (None, dispute.psp_reference),
    }
    match dispute.state:
        case PspDisputeState.WON | PspDisputeState.LOST:
            return PaymentDisputeClosed.model_validate({**about, "won": dispute.state is PspDisputeState.WON})
        case PspDisputeState.INQUIRY | PspDisputeState.OPEN:
            return PaymentDisputed.model_validate({**about, "inquiry": dispute.state is PspDisputeState.INQUIRY})
        case _:
            assert_never(dispute.state)
