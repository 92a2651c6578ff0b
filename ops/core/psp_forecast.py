"""Forecasts commands to the PSP by reading the PSP and the payment."""

from datetime import UTC, datetime, timedelta
from typing import assert_never

from chassis.amounts import readable
from chassis.storage.documents import Documents
from contracts.money import unrefundable
from contracts.psp import (
    CapturePspSession,
    ClosePspSession,
    CreatePspRefund,
    CreatePspSession,
    PspCommand,
    RetrievePspSession,
    SweepPspEvents,
    TranslatePspEvent,
)
from payment_service.payment.state import Payment, PaymentStage
from psp_adapter.accounts import Accounts
from psp_adapter.errors import PspBrokenError, PspForbiddenError, PspUnavailableError
from psp_adapter.stripe_api import StripeApi
from psp_adapter.stripe_money import from_stripe
from psp_adapter.stripe_objects import Intent

NOT_ASKED = "only the PSP knows the outcome, and this process has no key to ask it"

_KEYS_KEPT = timedelta(hours=24)
_WANTS_NO_SESSION = (PaymentStage.SUCCEEDED, PaymentStage.MISMATCHED, PaymentStage.CLOSED)
_AUTHORISED = "requires_capture"
_UNPAID = ("requires_payment_method", "requires_confirmation", "requires_action")


async def forecast_of(command: PspCommand, accounts: Accounts | None, payments: Documents[Payment]) -> str:
    """One sentence. Raises StoreUnavailableError, and AccountNotConfiguredError as the adapter would."""
    if accounts is None:
        return NOT_ASKED
    psp = accounts.named(command.psp_account).stripe
    try:
        match command:
            case CreatePspRefund():
                return await _refund(command, psp)
            case CreatePspSession():
                return await _session(command, psp, payments)
            case CapturePspSession():
                return await _capture(command, psp, payments)
            case ClosePspSession(psp_reference=reference):
                intent = await psp.find_session(reference)
                if intent is not None and intent.status in (*_UNPAID, _AUTHORISED):
                    return f"cancels {reference}"
                return f"changes nothing: {_stands(reference, intent)}"
            case RetrievePspSession(psp_reference=reference):
                return f"only asks: {_stands(reference, await psp.find_session(reference))}"
            case SweepPspEvents(since=since):
                return f"only asks for the PSP's events since {since:%Y-%m-%d %H:%M}; known ones are dropped"
            case TranslatePspEvent(event_id=event_id, event_type=event_type, is_thin=is_thin):
                await psp.event(event_id, is_thin=is_thin)
                return f"passes on {event_type} {event_id}, if it can be translated now; a known one is dropped"
            case _:
                assert_never(command)
    except (PspUnavailableError, PspForbiddenError, PspBrokenError) as error:
        return f"the PSP could not be asked for this forecast: {error}"


def _stands(reference: str, intent: Intent | None) -> str:
    if intent is None:
        return f"{reference} is not known to the account of the key in use"
    return f"{reference} is {intent.status}"


async def _refund(command: CreatePspRefund, psp: StripeApi) -> str:
    intent = await psp.retrieve_session(command.psp_reference)
    made = await psp.refunds_of(command.psp_reference)
    found = next((refund for refund in made if refund.metadata.get("refund_id") == command.refund_id), None)
    if found is not None:
        return f"moves no money: {found.id} was made for {command.refund_id} already and is {found.status}"
    gone = sum(refund.amount for refund in made if refund.status not in ("failed", "canceled"))
    left = from_stripe(max(0, intent.amount_received - gone), intent.currency)
    if (problem := unrefundable(command.amount, left)) is not None:
        return f"is refused: {problem}"
    return f"refunds {readable(command.amount)}: no refund was made for {command.refund_id} yet"


async def _capture(command: CapturePspSession, psp: StripeApi, payments: Documents[Payment]) -> str:
    reference = command.psp_reference
    intent = await psp.find_session(reference)
    if intent is None or intent.status != _AUTHORISED:
        return f"changes nothing: {_stands(reference, intent)}"
    captures = f"captures {readable(command.amount)} of {reference}"
    stored = await payments.load(command.payment_id)
    if stored is None or PaymentStage.CAPTURING not in (stored.state.status, stored.state.before_unknown):
        return f"{captures}, although the payment does not ask for it: do not replay it"
    if stored.state.expected != command.amount:
        return f"{captures}, although the payment asks for {readable(stored.state.expected)}: do not replay it"
    return captures


async def _session(command: CreatePspSession, psp: StripeApi, payments: Documents[Payment]) -> str:
    stored = await payments.load(command.payment_id)
    payment = stored.state if stored else None
    is_current = payment is not None and payment.session_no == command.session_no
    if payment is not None and is_current and payment.session is None and payment.status not in _WANTS_NO_SESSION:
        return "opens a session, for which the payment waits"
    if payment is not None and is_current and payment.session is not None:
        intent = await psp.find_session(payment.session.psp_reference)
        if intent is not None and psp.clock.now() - datetime.fromtimestamp(intent.created, UTC) < _KEYS_KEPT:
            return f"changes nothing: the PSP answers with {intent.id} again, which is {intent.status}"
    return "opens a PaymentIntent that the payment has no use for, and closes it at once"
