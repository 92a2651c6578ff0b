"""Message handlers. Each makes one call and replies to the requester, if there is one; none decides."""

from dataclasses import dataclass
from typing import Any, get_args

from chassis.decision import Done, Outcome, Refused
from chassis.messaging.consumer import Handlers
from chassis.messaging.envelope import Delivery, Publisher, send_reply
from contracts.deliveries import ListPropertyWebhooks, PropertyWebhooks, PropertyWebhooksReply
from contracts.erasure import OrderErased
from contracts.message import Reply
from contracts.orders import Reason, Refusal
from webhooks.desk_lists import DeskLists
from webhooks.due import ReportedEvent
from webhooks.keeper import WebhookKeeper


@dataclass(frozen=True, slots=True)
class WebhookHandlers:
    """The webhook service's message handlers."""

    keeper: WebhookKeeper
    desk: DeskLists
    bus: Publisher

    def events(self) -> Handlers:
        return {**dict.fromkeys(get_args(ReportedEvent), self.keeper.record), OrderErased: self.keeper.erase}

    def queries(self) -> Handlers:
        return {ListPropertyWebhooks: self.list_property_webhooks}

    async def list_property_webhooks(self, query: ListPropertyWebhooks, delivery: Delivery) -> Outcome[Any]:
        await send_reply(self.bus, delivery, _reply(await self.desk.page(query)))
        return Done()


def _reply(page: PropertyWebhooks | Refused) -> Reply:
    if isinstance(page, Refused):
        return Refusal(reason=Reason(page.reason), detail=page.detail)
    return PropertyWebhooksReply(page=page)
