"""Handlers of commands: each calls the PSP and publishes its answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from chassis.decision import Done, Ignored, Outcome
from chassis.errors import TransientError
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import Handler, Handlers
from chassis.messaging.envelope import Delivery
from chassis.seal import BrokenSealError, Seal
from contracts.ids import bounded_id
from contracts.psp import (
    CapturePspSession,
    ClosePspSession,
    CreatePspRefund,
    CreatePspSession,
    PspOutcomeUnknown,
    PspPaymentEvent,
    PspRefundRefused,
    PspSessionCreated,
    PspSessionFailed,
    RetrievePspSession,
    SweepPspEvents,
    TranslatePspEvent,
)
from contracts.trace_headers import psp_calls
from psp_adapter.accounts import Account, AccountNotConfiguredError, AccountRefusedError, Accounts
from psp_adapter.errors import PspBrokenError, PspForbiddenError, PspUnavailableError
from psp_adapter.event_backfill import EventBackfill
from psp_adapter.http_trace import capture
from psp_adapter.stripe_money import UnpayableAmountError, from_stripe
from psp_adapter.stripe_objects import Intent
from psp_adapter.translate import report_of_intent, report_of_refund

log = structlog.get_logger()

TRIES = 3
"""Attempts (1 s, then 5 s apart) at a PSP that times out before the outcome counts as unknown. The same holds for
answers that decide nothing about the payment: another request under its idempotency key, an unknown id."""

_AboutASession = CapturePspSession | ClosePspSession | RetrievePspSession
PspAnswer = PspSessionCreated | PspSessionFailed | PspOutcomeUnknown | PspRefundRefused | PspPaymentEvent
PaymentCommand = CreatePspSession | CapturePspSession | ClosePspSession | RetrievePspSession | CreatePspRefund


@dataclass(frozen=True, slots=True)
class AdapterHandlers:
    """The adapter's message handlers."""

    accounts: Accounts
    bus: Bus
    seal: Seal
    backfill: EventBackfill

    def commands(self) -> Handlers:
        return {
            CreatePspSession: self._publishing_answer_of(self._create_session),
            CapturePspSession: self._publishing_answer_of(self._capture_session),
            ClosePspSession: self._publishing_answer_of(self._close_session),
            RetrievePspSession: self._publishing_answer_of(self._retrieve_session),
            CreatePspRefund: self._publishing_answer_of(self._create_refund),
            SweepPspEvents: self._sweep,
            TranslatePspEvent: self._at_its_account(self.backfill.translate),
        }

    def _publishing_answer_of(
        self, ask: Callable[[Account, Any], Awaitable[PspAnswer | None]]
    ) -> Callable[[PaymentCommand, Delivery], Awaitable[Outcome[Any]]]:
        """A handler that publishes the PSP's answer. After repeated time-outs, or an answer that decides nothing, it
        publishes PspOutcomeUnknown, and the payment service polls."""

        async def handle(command: PaymentCommand, delivery: Delivery) -> Outcome[Any]:
            failure: Exception | None = None
            with capture() as calls:
                try:
                    account = self.accounts.named(command.psp_account)
                    await account.expected.check()
                    answer = await ask(account, command)
                except AccountNotConfiguredError as error:
                    await self._refuse_guest(command, delivery)
                    raise error
                except PspUnavailableError as error:
                    if delivery.attempt < TRIES or _is_about_a_claim(command):
                        error.trace_headers = psp_calls(calls)
                        raise
                    answer, failure = _unknown(command, error), error
                except PspForbiddenError as error:
                    log.error("psp.forbidden", kind=command.kind, reason=error.reason, error=str(error))
                    decided = error.forbidden.concerns_one_payment or self.accounts.are_several
                    if not decided or delivery.attempt < TRIES:
                        refusal = self._of_one_account(command.psp_account, error)
                        refusal.trace_headers = psp_calls(calls)
                        raise refusal from error.__cause__
                    answer = _unknown(command, error)
                except PspBrokenError as error:
                    if not isinstance(command, _AboutASession) or _is_about_a_claim(command):
                        raise
                    log.error("psp.refused", kind=command.kind, payment_id=command.payment_id, error=str(error))
                    answer = _unknown(command, error)
            if answer is None:
                return Ignored("the PSP has no final answer yet; its webhook will bring it")
            answer = answer.model_copy(update={"psp_account": command.psp_account})
            await self.bus.publish(delivery.follow_up(answer, _answer_id(delivery, answer), psp_calls(calls)))
            return Done(despite=failure)

        return handle

    def _at_its_account(self, handle: Handler) -> Handler:
        async def handled(command: SweepPspEvents | TranslatePspEvent, delivery: Delivery) -> Outcome[Any]:
            try:
                await self.accounts.named(command.psp_account).expected.check()
                return await handle(command, delivery)
            except PspForbiddenError as error:
                raise self._of_one_account(command.psp_account, error) from error.__cause__

        return handled

    async def _sweep(self, command: SweepPspEvents, delivery: Delivery) -> Outcome[Any]:
        """What one account of several refuses is not dead-lettered: the next sweep reads from the same time."""
        try:
            return await self._at_its_account(self.backfill.sweep)(command, delivery)
        except (AccountNotConfiguredError, AccountRefusedError) as error:
            log.error("psp.not_swept", account=command.psp_account, error=str(error))
            return Ignored("the account cannot be read now; the next sweep begins at the same time")

    def _of_one_account(self, name: str, refused: PspForbiddenError) -> TransientError:
        """With one account, its refusal is an outage, and consumption is paused; with several, others go on."""
        return AccountRefusedError(name, refused) if self.accounts.are_several else refused

    async def _refuse_guest(self, command: PaymentCommand, delivery: Delivery) -> None:
        """The guest who waits for a session gets an answer, although the command is dead-lettered as well."""
        if isinstance(command, CreatePspSession):
            answer = _not_opened(command, "account_not_configured").model_copy(
                update={"psp_account": command.psp_account}
            )
            await self.bus.publish(delivery.follow_up(answer, _answer_id(delivery, answer)))

    async def _create_session(
        self, account: Account, command: CreatePspSession
    ) -> PspSessionCreated | PspSessionFailed:
        try:
            intent = await account.stripe.create_session(command, self._receipt_email(command))
        except (PspBrokenError, UnpayableAmountError) as error:
            # An event, not a dead letter: the guest waits for a clear answer, and may try again after a correction.
            log.error("psp.refused", payment_id=command.payment_id, error=str(error))
            return _not_opened(command, getattr(error, "code", "unpayable_amount"))
        return self._created(account, command, intent)

    def _receipt_email(self, command: CreatePspSession) -> str | None:
        """The e-mail address for Stripe's receipt. None also if no key opens the sealed one, or an erasure has emptied
        it (chassis/personal_data.py): no receipt then."""
        if not command.sealed_receipt_email:
            return None
        try:
            return self.seal.open(command.sealed_receipt_email)
        except BrokenSealError as error:
            log.warning("psp.no_receipt", payment_id=command.payment_id, reason=str(error))
            return None

    def _created(self, account: Account, command: CreatePspSession, intent: Intent) -> PspSessionCreated:
        return PspSessionCreated(
            order_id=command.order_id,
            payment_id=command.payment_id,
            session_no=command.session_no,
            psp_reference=intent.id,
            amount=from_stripe(intent.amount, intent.currency),
            livemode=intent.livemode,
            sealed_client_secret=self.seal.close(intent.client_secret or ""),
            page_account=account.page,
        )

    async def _close_session(self, account: Account, command: ClosePspSession) -> PspPaymentEvent | None:
        intent = await account.stripe.cancel_session(command)
        return report_of_intent(intent.answering(command, command.payment_id), account.stripe.clock.now())

    async def _capture_session(self, account: Account, command: CapturePspSession) -> PspPaymentEvent | None:
        intent = await account.stripe.capture_session(command)
        return report_of_intent(intent.answering(command, command.payment_id), account.stripe.clock.now())

    async def _retrieve_session(self, account: Account, command: RetrievePspSession) -> PspPaymentEvent | None:
        if command.is_held:
            intent = await account.stripe.retrieve_session(command.psp_reference, held=True)
        else:
            claimed = await account.stripe.find_session(command.psp_reference)
            if claimed is None or not claimed.claims(command.payment_id, account.stripe.installation):
                return None
            intent = claimed
        return report_of_intent(intent.answering(command, command.payment_id), account.stripe.clock.now())

    async def _create_refund(self, account: Account, command: CreatePspRefund) -> PspAnswer:
        try:
            # Read first because it has a mode, unlike a refund: no money is moved in the wrong mode.
            intent = await account.stripe.retrieve_session(command.psp_reference, held=True)
            refund = await account.stripe.create_refund(command)
        except (PspBrokenError, UnpayableAmountError) as error:
            log.error(
                "psp.refund_refused", payment_id=command.payment_id, refund_id=command.refund_id, error=str(error)
            )
            return PspRefundRefused(
                order_id=command.order_id,
                payment_id=command.payment_id,
                refund_id=command.refund_id,
                detail=str(error),
            )
        answer = intent.answering(command, command.payment_id)
        return report_of_refund(refund, answer, account.stripe.clock.now().replace(microsecond=0))


def _not_opened(command: CreatePspSession, code: str) -> PspSessionFailed:
    return PspSessionFailed(
        order_id=command.order_id,
        payment_id=command.payment_id,
        session_no=command.session_no,
        code=code,
        detail="The payment provider did not accept this payment. Please contact the hotel.",
    )


def _answer_id(delivery: Delivery, answer: PspAnswer) -> str:
    """A derived id, so that a repeated answer is dropped. A second session for a late command has another id."""
    session = f".{answer.psp_reference}" if isinstance(answer, PspSessionCreated) else ""
    return bounded_id(f"{delivery.message_id}.psp{session}")


def _is_about_a_claim(command: PaymentCommand) -> bool:
    """Log a time-out about a session that the payment does not hold: it has no meaning for that payment."""
    return isinstance(command, RetrievePspSession) and not command.is_held


def _unknown(
    command: PaymentCommand, error: PspUnavailableError | PspForbiddenError | PspBrokenError
) -> PspOutcomeUnknown:
    log.warning("psp.timeout", kind=command.kind, error=str(error))
    return PspOutcomeUnknown(
        order_id=command.order_id,
        payment_id=command.payment_id,
        asked=command.kind,
        detail=str(error),
        is_refused=isinstance(error, PspBrokenError)
        or (isinstance(error, PspForbiddenError) and error.forbidden.is_elsewhere),
    )
