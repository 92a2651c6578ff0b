"""Upcasters: lift old versions of messages to the newest step by step, v1 to v2, v2 to v3.

A change that an older reader would misunderstand takes a new version of the kind. The class of the message then has the
new kind, and a function beside it lifts bodies of the old one:

    @upcaster("orders.place-order.v1", "orders.place-order.v2")
    def _with_lines(body: Body) -> Body:
        return {**body, "lines": [body["line"]]}

Old kinds stay bound and allowed (contracts/topology.py, contracts/accounts.py), and their samples parse for ever.
"""

from collections.abc import Callable, Iterator
from typing import Any

Body = dict[str, Any]
Upcaster = Callable[[Body], Body]

_STEPS: dict[str, tuple[str, Upcaster]] = {}


def upcaster(old: str, new: str) -> Callable[[Upcaster], Upcaster]:
    """Register a function that turns a body of the kind `old` into one of the kind `new`; `kind` itself is set for it.
    The body is foreign input: an exception of the function counts as a malformed body."""

    def register(step: Upcaster) -> Upcaster:
        if old in _STEPS or new == old or old in kinds_from(new):
            raise ValueError(f"{old} has an upcaster already, or upcasting it to {new} would never end")
        _STEPS[old] = (new, step)
        return step

    return register


def lifted(kind: str, body: Body) -> Body:
    """A body in the newest version of its kind."""
    while kind in _STEPS:
        kind, step = _STEPS[kind]
        body = {**step(body), "kind": kind}
    return body


def newest_of(kind: str) -> str:
    """The newest version that bodies of this kind are lifted to, possibly itself."""
    return list(kinds_from(kind))[-1]


def kinds_from(kind: str) -> Iterator[str]:
    """The kind and its successive newer versions."""
    yield kind
    while kind in _STEPS:
        kind, _ = _STEPS[kind]
        yield kind


def with_older(kind: str) -> tuple[str, ...]:
    """The kind and all its older versions, the newest first."""
    return (kind, *sorted((old for old in _STEPS if newest_of(old) == kind), reverse=True))


def old_kinds() -> tuple[str, ...]:
    """All kinds that have a newer version."""
    return tuple(_STEPS)
