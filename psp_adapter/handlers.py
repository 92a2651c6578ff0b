"""Commands in, calls to the PSP out, facts onto the bus."""

from dataclasses import dataclass
from typing import Any

import structlog

from chassis.bus import Bus
from chassis.consumer import Handlers
from chassis.decision import Done, Ignored, Outcome
from chassis.envelope import Delivery, utc_now
from chassis.seal import Seal
from contracts.psp import ClosePspSession, CreatePspSession, PspSessionCreated, PspSessionFailed
from psp_adapter.stripe_api import PspBrokenError, StripeApi
from psp_adapter.stripe_money import UnpayableAmountError, from_stripe
from psp_adapter.translate import Intent, report_of_intent

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AdapterHandlers:
    """What the adapter does with each command."""

    stripe: StripeApi
    bus: Bus
    seal: Seal

    def commands(self) -> Handlers:
        return {CreatePspSession: self.create_session, ClosePspSession: self.close_session}

    async def create_session(self, command: CreatePspSession, delivery: Delivery) -> Outcome[Any]:
        await self.bus.publish(delivery.caused(await self._open(command), f"{delivery.message_id}.psp"))
        return Done()

    async def close_session(self, command: ClosePspSession, delivery: Delivery) -> Outcome[Any]:
        intent = await self.stripe.cancel_session(command)
        report = report_of_intent(intent, utc_now())
        if report is None:
            return Ignored(f"the session is {intent.status}; its webhook will tell")
        await self.bus.publish(delivery.caused(report, f"{delivery.message_id}.psp"))
        return Done()

    async def _open(self, command: CreatePspSession) -> PspSessionCreated | PspSessionFailed:
        try:
            intent = await self.stripe.create_session(command)
        except (PspBrokenError, UnpayableAmountError) as error:
            # Told as a fact, not parked: the guest is waiting for a clear answer, and may ask again once it is mended.
            log.error("psp.refused", payment_id=command.payment_id, error=str(error))
            return PspSessionFailed(
                order_id=command.order_id,
                payment_id=command.payment_id,
                session_no=command.session_no,
                code=getattr(error, "code", "unpayable_amount"),
                detail="The payment provider did not accept this payment. Please contact the hotel.",
            )
        return self._created(command, intent)

    def _created(self, command: CreatePspSession, intent: Intent) -> PspSessionCreated:
        return PspSessionCreated(
            order_id=command.order_id,
            payment_id=command.payment_id,
            session_no=command.session_no,
            psp_reference=intent.id,
            amount=from_stripe(intent.amount, intent.currency),
            livemode=intent.livemode,
            sealed_client_secret=self.seal.close(intent.client_secret or ""),
        )
