"""A real mail server (aiosmtpd) in the test's own event loop, that misbehaves on request."""

import asyncio
import email
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from deploy.local.ports import HOST

HANG, DROP = "hang", "drop"
"""Instead of an answer to the text: none, or the end of the connection."""


@dataclass
class MailServer:
    """What it has received, and how it answers next; without an answer in store, 250."""

    to_recipient: deque[str] = field(default_factory=deque)
    to_text: deque[str] = field(default_factory=deque)
    received: list[EmailMessage] = field(default_factory=list)
    """Every text that it has got, also those that it did not answer."""
    logins: list[str] = field(default_factory=list)
    login: tuple[str, str] | None = None
    tls: ssl.SSLContext | None = None
    port: int = 0
    _connections: set[SMTP] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        answer = self.to_recipient.popleft() if self.to_recipient else "250 OK"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.received.append(email.message_from_bytes(envelope.content, policy=default))
        answer = self.to_text.popleft() if self.to_text else "250 taken"
        if answer == HANG:
            await asyncio.sleep(3600)
        if answer == DROP:
            _transport(server).abort()
        return answer

    def authenticate(self, _server: SMTP, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        given = (data.login.decode(), data.password.decode())
        self.logins.append(given[0])
        return AuthResult(success=given == self.login)

    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for message in self.received]

    def _connection(self) -> SMTP:
        connection = SMTP(
            self,
            hostname="mail.example",
            enable_SMTPUTF8=False,
            tls_context=self.tls,
            require_starttls=self.tls is not None,
            auth_required=self.login is not None,
            auth_require_tls=self.tls is not None,
            authenticator=self.authenticate if self.login else None,
        )
        self._connections.add(connection)
        return connection

    async def start(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(self._connection, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for connection in self._connections:
            # One that is closed twice has lost what `abort` needs, in Python before 3.11.4.
            if connection.transport is not None and not connection.transport.is_closing():
                _transport(connection).abort()
            if connection._handler_coroutine is not None:
                connection._handler_coroutine.cancel()
        self._connections.clear()
        await self._server.wait_closed()
        self._server = None


def _transport(connection: SMTP) -> asyncio.Transport:
    assert isinstance(connection.transport, asyncio.Transport)
    return connection.transport


@asynccontextmanager
async def mail_server(**settings: Any) -> AsyncIterator[MailServer]:
    server = MailServer(**settings)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
