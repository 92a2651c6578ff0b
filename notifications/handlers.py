"""Message handlers. Each makes one call and replies to the requester, if there is one; none decides."""

from dataclasses import dataclass
from typing import Any, get_args

from chassis.decision import Done, Outcome
from chassis.messaging.consumer import Handlers
from chassis.messaging.envelope import Delivery, Publisher, send_reply
from contracts.mail import ForgetContact, GetContact, KeepContact, SendMailAgain, SettleMail
from notifications.due import MailedEvent
from notifications.keeper import NotificationKeeper


@dataclass(frozen=True, slots=True)
class NotificationHandlers:
    """The notification service's message handlers."""

    keeper: NotificationKeeper
    bus: Publisher

    def commands(self) -> Handlers:
        return {
            KeepContact: self.keep,
            ForgetContact: self.forget,
            SendMailAgain: self.keeper.decided,
            SettleMail: self.keeper.decided,
        }

    def events(self) -> Handlers:
        return dict.fromkeys(get_args(MailedEvent), self.keeper.record)

    def queries(self) -> Handlers:
        return {GetContact: self.get_contact}

    async def keep(self, command: KeepContact, delivery: Delivery) -> Outcome[Any]:
        outcome, reply = await self.keeper.keep(command, delivery)
        await send_reply(self.bus, delivery, reply)
        return outcome

    async def forget(self, command: ForgetContact, delivery: Delivery) -> Outcome[Any]:
        outcome, reply = await self.keeper.forget(command, delivery)
        await send_reply(self.bus, delivery, reply)
        return outcome

    async def get_contact(self, query: GetContact, delivery: Delivery) -> Outcome[Any]:
        await send_reply(self.bus, delivery, await self.keeper.contact(query))
        return Done()
