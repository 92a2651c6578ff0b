"""Message handlers. Each makes one call; none decides."""

from dataclasses import dataclass
from typing import get_args

from chassis.messaging.consumer import Handlers
from contracts.erasure import OrderErased
from webhooks.due import ReportedEvent
from webhooks.keeper import WebhookKeeper


@dataclass(frozen=True, slots=True)
class WebhookHandlers:
    """The webhook service's message handlers."""

    keeper: WebhookKeeper

    def events(self) -> Handlers:
        return {**dict.fromkeys(get_args(ReportedEvent), self.keeper.record), OrderErased: self.keeper.erase}
