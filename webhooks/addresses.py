"""Where webhooks may be sent to: no address inside the hotel's network, whatever a name resolves to. Pure."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

_LONGEST = 2000
_HTTPS, _HTTP = 443, 80
# Networks through which an IPv4 address inside may be reached under an IPv6 address that is public.
_DISGUISES = tuple(
    map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "fec0::/10", "100::/64"))
)


class ForbiddenTargetError(Exception):
    """No webhook is sent there."""


@dataclass(frozen=True, slots=True)
class Place:
    """A receiver's address in parts."""

    is_encrypted: bool
    host: str
    port: int
    target: str
    """Path and query."""

    @property
    def authority(self) -> str:
        """For the header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (_HTTPS if self.is_encrypted else _HTTP) else f"{host}:{self.port}"


def place_of(url: str, *, anywhere: bool = False) -> Place:
    """The parts of an address. `anywhere`: also unencrypted, and inside the network. Raises ForbiddenTargetError."""
    if len(url) > _LONGEST or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ForbiddenTargetError(f"an address has at most {_LONGEST} plain characters, without spaces")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ForbiddenTargetError(f"it is no address: {error}") from None
    if parts.scheme not in (("https", "http") if anywhere else ("https",)):
        raise ForbiddenTargetError("it must begin with https://")
    if "@" in parts.netloc:
        raise ForbiddenTargetError("it must not hold a name or a password: receivers know Bellhop by the signature")
    if not host or parts.fragment or "%" in host or port == 0:
        raise ForbiddenTargetError("it must name a host, and have no part behind a #")
    is_encrypted = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    place = Place(is_encrypted, host, port or (_HTTPS if is_encrypted else _HTTP), target)
    if not anywhere and _is_literal(host):
        require_public(host)
    return place


def shown(url: str) -> str:
    """An address without its query, which may hold a key."""
    address, mark, _ = url.partition("?")
    return f"{address}{mark}…" if mark else address


def require_public(address: str) -> None:
    """Raises ForbiddenTargetError if this numeric address is not one of the public internet."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if not _is_public(found):
        raise ForbiddenTargetError(f"{address} is not an address of the public internet")


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and any(address in network for network in _DISGUISES):
        return False
    # `is_global` alone lets multicast pass.
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
