"""The mail server: takes, defers and refuses e-mail, and dies over it. The service's own SMTP code calls it.

It stands below `notifications/smtp.py`, for the client of aiosmtplib.
"""

import asyncio
import re
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import aiosmtplib

from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Latency, Outside

MAIL: ContextVar["MailServer"] = ContextVar("the simulated mail server")
"""What the notification services of a simulation call."""

SENDER = "extras@bellhop.example"
RECEPTION = "reception@alpenhof.example"
_TAKEN, _DEFERRED, _REFUSED = (250, "taken"), (451, "try again later"), (554, "not this one")
_ID = re.compile(rb"^Message-ID: <(mail_\w+)@", re.MULTILINE)

Answer = tuple[int, str]


def address_of(guest_id: str) -> str | None:
    """What the guest's token says; every fifth names no address."""
    return None if guest_id.endswith(("4", "9")) else f"{guest_id}@guests.example"


@dataclass(frozen=True, slots=True)
class Posted:
    """An e-mail that the server has taken, whether its sender learned that or not."""

    mail_id: str
    to: str


class MailServer(Outside):
    """The hotel's."""

    def __init__(self, loop: SimulatedLoop, random: Random) -> None:
        super().__init__(loop, random, Latency(usual=0.02, worst=2.0))
        self.deferred = 0.0
        """How often it asks for an e-mail to be sent later (4xx): by its recipient, or by its text."""
        self.refused = 0.0
        """How often it refuses one for good (5xx), in the same way."""
        self.unanswered = 0.0
        """How often the connection ends in the middle of a text: half of these are taken all the same."""
        self.posted: list[Posted] = []

    def judge(self) -> Answer:
        """Of a recipient, or of a text."""
        fate = self.random.random() * 2
        return _DEFERRED if fate < self.deferred else _REFUSED if fate < self.deferred + self.refused else _TAKEN

    def take(self, to: str, message: bytes) -> Answer:
        answer = self.judge()
        if answer is _TAKEN:
            named = _ID.search(message)
            self.posted.append(Posted(named[1].decode() if named else "?", to))
        return answer


class SimulatedSmtp:
    """Stands for aiosmtplib's client, as far as the notification service uses it."""

    def __init__(self, **_settings: Any) -> None:
        self._server = MAIL.get()
        self._to = ""

    async def connect(self) -> None:
        """Raises SMTPConnectError."""
        await self._answered(lambda: _TAKEN)

    async def mail(self, _sender: str) -> None:
        await self._answered(lambda: _TAKEN)

    async def rcpt(self, to: str) -> None:
        """Raises SMTPRecipientRefused."""
        self._to = to
        code, said = await self._answered(self._server.judge)
        if code != _TAKEN[0]:
            raise aiosmtplib.SMTPRecipientRefused(code, f"{to}: {said}", to)

    async def data(self, message: bytes) -> aiosmtplib.SMTPResponse:
        """Raises SMTPDataError, and others where no answer comes."""
        server, fate = self._server, self._server.random.random() * 2
        if fate < server.unanswered:
            await server.wire.fail(1.0, aiosmtplib.SMTPServerDisconnected("in the middle of the text"))
        answer = self._answered(partial(server.take, self._to, message))
        if fate < server.unanswered * 2:
            await answer
            await server.wire.fail(1.0, aiosmtplib.SMTPReadTimeoutError("the answer is lost"))
        code, said = await answer
        if code != _TAKEN[0]:
            raise aiosmtplib.SMTPDataError(code, said)
        return aiosmtplib.SMTPResponse(code, said)

    async def quit(self) -> None:
        """Its answer interests no one."""

    def close(self) -> None:
        """Nothing is open."""

    async def _answered(self, serve: Any) -> Answer:
        if not self._server.is_up:
            await self._server.wire.fail(2.0, aiosmtplib.SMTPConnectError("the mail server is down"))
        answer: Answer = await self._server.wire.ask(serve)
        return answer


async def pdf_of(_printer: Any, document: Any) -> bytes:
    """Stands for the one that sets receipts in a thread of its own."""
    await asyncio.sleep(0.1)
    return f"%PDF-1.7 of {len(document.as_json())} parts".encode()
