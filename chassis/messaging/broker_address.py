"""An AMQP address as a value: what it names, and the same broker for another account or virtual host."""

import ssl
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlencode, urlsplit, urlunsplit

from yarl import URL

_GUEST = "guest"
_PORT, _TLS_PORT = 5672, 5671
_API_PORT, _TLS_API_PORT = 15672, 15671


def ca_file_of(url: str) -> str | None:
    """The `cafile` of a server's address; None if it names none."""
    return parse_qs(urlsplit(url).query).get("cafile", [None])[-1]


class BrokerAddressError(ValueError):
    """An address that leads to no broker, or not as securely as it says. The text holds no password."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """`amqp://login:password@host:port/vhost`. Its text holds the password: it is never logged or shown.

    With `amqps`, `?cafile=PATH` names the authorities that may sign the broker's certificate, instead of the machine's.
    """

    url: str = field(repr=False)

    def check(self) -> None:
        """Raise BrokerAddressError for what can be seen without connecting."""
        try:
            is_address = self._parts.scheme in ("amqp", "amqps") and bool(self._parts.hostname) and self.port > 0
        except ValueError:  # a port that is no number, brackets around no IPv6 address
            is_address = False
        if not is_address:
            raise BrokerAddressError("the broker's address is not of the form amqp://user:password@host:5672/vhost")
        if self.ca_file is None:
            return
        if not self._is_secure:
            raise BrokerAddressError(
                "the broker's address has a cafile and not amqps://: no certificate would be looked at"
            )
        try:
            ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise BrokerAddressError(
                f"the cafile of the broker's address, {self.ca_file}, cannot be read: {reason}"
            ) from error

    @property
    def login(self) -> str:
        """The account: the only value that the broker accepts as `user_id` on such a connection."""
        return unquote(self._parts.username or "") or _GUEST

    @property
    def password(self) -> str:
        return unquote(self._parts.password or "") or _GUEST

    @property
    def host(self) -> str:
        return self._parts.hostname or "localhost"

    @property
    def port(self) -> int:
        return self._parts.port or (_TLS_PORT if self._is_secure else _PORT)

    @property
    def vhost(self) -> str:
        """The virtual host; none is `/`."""
        return unquote(self._parts.path.removeprefix("/")) or "/"

    @property
    def ca_file(self) -> str | None:
        """The file with the authorities that may sign the broker's certificate; None: those of the machine."""
        return ca_file_of(self.url)

    @property
    def userinfo(self) -> str:
        """Login and password as they stand in an address; empty if it has none."""
        return self._parts.netloc.rpartition("@")[0]

    @property
    def management_url(self) -> str:
        """The usual address of the same broker's management API, with the same login and authorities."""
        scheme, port = ("https", _TLS_API_PORT) if self._is_secure else ("http", _API_PORT)
        return self.like_this(f"{scheme}://{self.userinfo or f'{_GUEST}:{_GUEST}'}@{self._hostname}:{port}")

    def like_this(self, management_url: str) -> str:
        """A management API's address, with this one's login and authorities where it names none."""
        api = urlsplit(management_url)
        if self.userinfo and not api.username:
            api = api._replace(netloc=f"{self.userinfo}@{api.netloc}")
        if self.ca_file and api.scheme == "https" and ca_file_of(management_url) is None:
            api = api._replace(query=urlencode({"cafile": self.ca_file}))
        return api.geturl()

    def for_account(self, login: str, password: str) -> "BrokerAddress":
        """The same broker and virtual host for another account."""
        port = f":{self._parts.port}" if self._parts.port else ""
        netloc = f"{quote(login, safe='')}:{quote(password, safe='')}@{self._hostname}{port}"
        return BrokerAddress(urlunsplit(self._parts._replace(netloc=netloc)))

    def for_vhost(self, vhost: str) -> "BrokerAddress":
        """Another virtual host of the same broker."""
        return BrokerAddress(urlunsplit(self._parts._replace(path="/" + quote(vhost, safe=""))))

    def named(self, connection: str) -> "BrokerAddress":
        """With a connection name, which aio-pika takes from the address and RabbitMQ's management page shows."""
        return BrokerAddress(str(URL(self.url).update_query(name=connection)))

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url)

    @property
    def _is_secure(self) -> bool:
        return self._parts.scheme == "amqps"

    @property
    def _hostname(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host
