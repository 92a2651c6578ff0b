"""Sends a mail that is due, at most once by itself.

1. The order is described, and the letter written. 2. The mail server takes sender and recipient. 3. The mail is marked
in its document. 4. The text is handed over. 5. The answer is written down. Before step 3 any failure is retried. A
process that dies after it leaves a mail that may have been sent: its deadline shows it to operators, and no delivery
of the command sends it again.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol, assert_never

import structlog

from chassis.decision import Applied, Ignored, Outcome
from chassis.messaging.descriptions import Descriptions
from chassis.messaging.envelope import Delivery
from chassis.runtime.startup import retry_until_available
from chassis.storage.write_path import WritePath
from contracts.mail import SendMail
from notifications.collections import NotificationStore
from notifications.errors import MailDeferredError, MailRefusedError
from notifications.letter.message import Letter
from notifications.mail.inputs import Answer, Answered, MailInput, NotWanted, SendingBegun
from notifications.mail.state import Mail, MailStatus
from notifications.smtp import Said
from notifications.writing import Writer

log = structlog.get_logger()

_WRITE_DOWN_WITHIN = 60.0
"""Seconds in which the store must take an answer; else the mail's deadline decides."""


class SmtpSession(Protocol):
    """One e-mail's connection to the mail server."""

    async def propose(self, sender: str, to: str) -> Said | None: ...
    async def hand_over(self, message: bytes) -> Said: ...


class Post(Protocol):
    """The mail server."""

    def session(self) -> AbstractAsyncContextManager[SmtpSession]: ...


@dataclass(frozen=True, slots=True)
class Courier:
    """Sends mails. Raises TransientError for what is tried again, and MailRefusedError."""

    mails: WritePath[Mail, MailInput]
    collections: NotificationStore
    descriptions: Descriptions
    writer: Writer
    post: Post
    clock: Callable[[], datetime]

    async def send(self, command: SendMail, delivery: Delivery) -> Outcome[Any]:
        stored = await self.collections.mails.load(command.mail_id)
        if stored is None:
            return Ignored("no such mail is known here")
        mail = stored.state
        if mail.why_not is not None or mail.round != command.round:
            return Ignored(mail.why_not or "of an earlier round")
        letter = await self._letter(mail)
        if isinstance(letter, str):
            return await self._decide(mail, NotWanted(mail.round, letter), delivery)
        async with self.post.session() as session:
            said = await session.propose(letter.sender, letter.to)
            is_of_text = said is None
            if said is None:
                begun = await self._decide(mail, SendingBegun(mail.round, letter.text.language), delivery)
                if not isinstance(begun, Applied) or begun.state.status is not MailStatus.SENDING:
                    return begun
                said = await session.hand_over(letter.as_bytes(self.clock()))
        return await self._write_down(mail, said, delivery, is_of_text=is_of_text)

    async def _letter(self, mail: Mail) -> Letter | str:
        wanted = mail.wanted
        described = await self.descriptions.of(wanted.order_id, wanted.property_id)
        if described is None:
            return "there is no such order"
        order = described.order
        contact = await self.collections.contact_of(order.property_id, order.guest_id)
        return await self.writer.letter(wanted, described, contact)

    async def _write_down(self, mail: Mail, said: Said, delivery: Delivery, *, is_of_text: bool) -> Outcome[Any]:
        outcomes: list[Outcome[Any]] = []

        async def write() -> None:
            answered = Answered(mail.round, said.answer, said.text, is_of_text)
            outcomes.append(await self._decide(mail, answered, delivery))

        await retry_until_available(partial(write), within=_WRITE_DOWN_WITHIN)
        log.info("mail.answered", mail_id=mail.mail_id, answer=said.answer, said=said.text)
        match said.answer:
            case Answer.ACCEPTED | Answer.UNCERTAIN:
                return outcomes[-1]
            case Answer.DEFERRED:
                raise MailDeferredError(said.text)
            case Answer.REFUSED:
                raise MailRefusedError(said.text)
            case _:
                assert_never(said.answer)

    async def _decide(self, mail: Mail, message: MailInput, delivery: Delivery) -> Outcome[Any]:
        return (await self.mails.handle(mail.mail_id, message, delivery)).outcome
