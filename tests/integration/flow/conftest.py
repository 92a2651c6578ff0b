"""The whole flow, seen from outside."""

from tests.support.fixtures import _no_proxy_between_the_parts, guest, own_system, system

__all__ = ["_no_proxy_between_the_parts", "guest", "own_system", "system"]
