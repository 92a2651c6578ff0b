"""Idempotency keys as Stripe treats them. See https://docs.stripe.com/api/idempotent_requests."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

from stripe_sandbox.errors import ApiError, Json
from stripe_sandbox.sandbox import Sandbox

KEPT_FOR = 24 * 3600.0


class Keys:
    """Remembers the answer to each key, and the keys of requests in progress."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._running: dict[str, str] = {}

    def recall(self, key: str, fingerprint: str) -> Json | None:
        """The stored answer of this key, or None if it is new.

        Raises 400 `idempotency_error` when the key was first used for something else, and 409 when its
        first use is still at work.
        """
        earlier = self._earlier(key)
        known = self._running.get(key) or (earlier and earlier["fingerprint"])
        if known and known != fingerprint:
            message = f"The idempotency key '{key}' was first used with other parameters. Use another key for this."
            raise ApiError(400, message, kind="idempotency_error")
        if key in self._running:
            message = f"Another request with the idempotency key '{key}' is still in progress."
            raise ApiError(409, message, kind="idempotency_error", code="idempotency_key_in_use")
        return earlier

    @contextmanager
    def held(self, key: str, fingerprint: str) -> Iterator[None]:
        self._running[key] = fingerprint
        try:
            yield
        finally:
            del self._running[key]

    def keep(self, key: str, answer: Json) -> None:
        self._sandbox.state.idempotency[key] = answer | {"kept_until": self._sandbox.now() + KEPT_FOR}
        self._sandbox.store.changed()

    def _earlier(self, key: str) -> Json | None:
        kept = self._sandbox.state.idempotency
        if key in kept and kept[key]["kept_until"] < self._sandbox.now():
            del kept[key]
        return kept.get(key)


def fingerprint_of(method: str, path: str, params: Json) -> str:
    """The request of a key: the endpoint and its parameters, in any order."""
    return hashlib.sha256(json.dumps([method, path, params], sort_keys=True).encode()).hexdigest()
