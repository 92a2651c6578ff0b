"""RabbitMQ's management HTTP API."""

import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import httpx

from chassis.messaging.broker_address import BrokerAddress, ca_file_of
from chassis.runtime.secret_files import secret_from

VARIABLE = "BELLHOP_MANAGEMENT_URL"
_OLD_VARIABLE = "BELLHOP_RABBITMQ_MANAGEMENT_URL"
"""Deprecated name, read until version 2.0."""

PLAIN_HTTP = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For HTTP clients that speak no TLS. Each would otherwise read all of the system's trusted certificates first: 60 ms
of work, in loops that ask whether a part is ready yet, or what the queues hold."""

_PATIENCE = httpx.Timeout(120, connect=10)
"""Seconds. A broker under load takes its time for a policy or an account that concerns many queues."""


class ManagementError(Exception):
    """The management API is unavailable or refuses a request. The text contains no login."""

    def __init__(self, doing: str, why: str) -> None:
        super().__init__(f"RabbitMQ's management API failed while {doing}: {why}")


class Management:
    """The API at an address with user and password in it: `http://user:password@host:15672`.

    With `https` the certificate is verified as those of `amqps` are: by the authorities in the file that the address
    names (`?cafile=PATH`); otherwise by the system's, or those of the file in SSL_CERT_FILE. `timeout` in seconds.
    Raises ManagementError if the named file cannot be read.
    """

    def __init__(self, url: str, *, timeout: float | httpx.Timeout = _PATIENCE) -> None:
        self._timeout = timeout
        parts = urlsplit(url)
        self._trusted = _trusted(ca_file_of(url)) if parts.scheme == "https" else PLAIN_HTTP
        host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
        self._base = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        self._login = (unquote(parts.username or "guest"), unquote(parts.password or "guest"))

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The answer's JSON, or None where there is none. Raises ManagementError."""
        doing = f"{method} {self._base}{path}"
        try:
            answer = httpx.request(
                method,
                self._base + path,
                json=body,
                auth=self._login,
                timeout=self._timeout,
                trust_env=False,
                verify=self._trusted,
            )
        except httpx.HTTPError as error:
            raise ManagementError(doing, f"{type(error).__name__}: {error}".rstrip(": ")) from error
        if answer.is_error:
            raise ManagementError(doing, f"{answer.status_code} {answer.text[:300]}")
        try:
            return answer.json() if answer.content else None
        except ValueError as error:
            raise ManagementError(doing, "the answer is not JSON: is another service at this address?") from error


def _trusted(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ManagementError(f"reading the certificates in {ca_file}", error.strerror or str(error)) from error


def quoted(name: str) -> str:
    """A name as part of a path."""
    return quote(name, safe="")


def named_management_url(environment: Mapping[str, str], amqp_url: str) -> str | None:
    """BELLHOP_MANAGEMENT_URL (or its `_FILE`), with the broker's login and authorities if it names none; None if it is
    not set.

    Raises SecretFileError.
    """
    url = secret_from(environment, VARIABLE) or secret_from(environment, _OLD_VARIABLE)
    return BrokerAddress(amqp_url).like_this(url) if url else None
