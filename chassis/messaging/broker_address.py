"""An AMQP address as a value: what it names, and the same broker for another account or virtual host."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from yarl import URL

_GUEST = "guest"
_PORT, _TLS_PORT = 5672, 5671
_API_PORT, _TLS_API_PORT = 15672, 15671


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """`amqp://login:password@host:port/vhost`. Its text holds the password: it is never logged or shown."""

    url: str = field(repr=False)

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
    def userinfo(self) -> str:
        """Login and password as they stand in an address; empty if it has none."""
        return self._parts.netloc.rpartition("@")[0]

    @property
    def management_url(self) -> str:
        """The usual address of the same broker's management API, with the same login."""
        scheme, port = ("https", _TLS_API_PORT) if self._is_secure else ("http", _API_PORT)
        return f"{scheme}://{self.userinfo or f'{_GUEST}:{_GUEST}'}@{self._hostname}:{port}"

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
