"""The only file that speaks SMTP. Nothing that it says names an address: mail servers repeat them in their answers."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import aiosmtplib
from pydantic import SecretStr

from chassis.runtime import tracing
from chassis.runtime.tracing import Kind, Span, Value
from chassis.text import cut
from notifications.errors import MailServerUnavailableError
from notifications.mail.inputs import Answer
from notifications.settings import Security

_LONGEST = 300
_PROBE_EVERY = 15.0
_OUTAGES = (aiosmtplib.SMTPException, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Said:
    """A mail server's answer, without addresses."""

    answer: Answer
    text: str


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed over to."""

    host: str
    port: int
    security: Security
    user: str
    password: SecretStr
    ca_file: Path | None
    timeout: float
    """Seconds for each step."""
    local_name: str
    """What this machine calls itself."""

    @asynccontextmanager
    async def session(self) -> AsyncIterator["Session"]:
        """A connection, encrypted and logged in as the settings say. Raises MailServerUnavailableError."""
        client = aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            use_tls=self.security is Security.TLS,
            start_tls=self.security is Security.STARTTLS,
            tls_context=None if self.security is Security.NONE else ssl.create_default_context(cafile=self.ca_file),
            username=self.user or None,
            password=self.password.get_secret_value() or None,
            timeout=self.timeout,
            local_hostname=self.local_name,
        )
        with tracing.inside("SMTP", Kind.CLIENT, self._attributes()) as span:
            try:
                await client.connect()
            except _OUTAGES as error:
                client.close()
                raise MailServerUnavailableError(_words(error)) from None
            try:
                yield Session(client, span)
            finally:
                with suppress(*_OUTAGES):
                    await client.quit()
                client.close()

    def _attributes(self) -> dict[str, Value]:
        return {"network.protocol.name": "smtp", "server.address": self.host, "server.port": self.port}


class Probe:
    """Whether a connection and a login succeed, tried every 15 s at most: servers lock out who fails more often."""

    def __init__(self, server: MailServer, steady: Callable[[], float] = monotonic) -> None:
        self._server = server
        self._steady = steady
        self._tried_at: float | None = None

    async def answers(self) -> bool:
        now = self._steady()
        if self._tried_at is not None and now - self._tried_at < _PROBE_EVERY:
            return False
        self._tried_at = now
        try:
            async with self._server.session():
                self._tried_at = None
                return True
        except MailServerUnavailableError:
            return False


@dataclass(frozen=True, slots=True)
class Session:
    """One e-mail's connection."""

    _client: aiosmtplib.SMTP
    _span: Span | None

    async def propose(self, sender: str, to: str) -> Said | None:
        """Name sender and recipient; the server has no text yet. None if it takes them."""
        try:
            await self._client.mail(sender)
            await self._client.rcpt(to)
        except aiosmtplib.SMTPResponseException as refusal:
            return self._traced(_refused(refusal))
        except _OUTAGES as error:
            raise MailServerUnavailableError(_words(error)) from None
        return None

    async def hand_over(self, message: bytes) -> Said:
        """Hand the text over. Any failure but an answer leaves open whether the server has it."""
        try:
            response = await self._client.data(message)
        except aiosmtplib.SMTPResponseException as refusal:
            return self._traced(_refused(refusal))
        except _OUTAGES as error:
            return self._traced(Said(Answer.UNCERTAIN, _words(error)))
        return self._traced(Said(Answer.ACCEPTED, _without_addresses(f"{response.code} {response.message}")))

    def _traced(self, said: Said) -> Said:
        if self._span is not None:
            self._span.set("bellhop.outcome", said.answer)
            if said.answer is not Answer.ACCEPTED:
                self._span.fail(said.answer)
        return said


def _refused(refusal: aiosmtplib.SMTPResponseException) -> Said:
    text = _without_addresses(f"{refusal.code} {refusal.message}")
    return Said(Answer.REFUSED if 500 <= refusal.code < 600 else Answer.DEFERRED, text)


def _words(error: BaseException) -> str:
    text = f"{error.code} {error.message}" if isinstance(error, aiosmtplib.SMTPResponseException) else str(error)
    return _without_addresses(f"{type(error).__name__}: {text}")


def _without_addresses(text: str) -> str:
    words = cut(text, _LONGEST).split()
    return " ".join("[address]" if "@" in word else word for word in words)
