"""Settings of a sandbox."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# The API version stripe-python 16.1 is pinned to; events carry it.
API_VERSION = "2026-10-28.endive"
NOTICE = "Bellhop's Stripe sandbox: no real money"

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def random_id(prefix: str) -> str:
    """A new id such as `pi_3kX…`: the prefix names the kind, the rest is random."""
    return prefix + "_" + "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in secrets.token_bytes(24))


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that may differ between two sandboxes.

    Times are in seconds. `settle_after` is how long slow payments and refunds stay open;
    None leaves them open until a switch under `/_sandbox/` settles them. `livemode` is what every object and event says
    of itself, whatever the key: still no real money moves.
    """

    api_key: str = "sk_test_sandbox"
    publishable_key: str = "pk_test_sandbox"
    account: str = "acct_1BellhopSandbox0"
    connected: bool = False
    """Whether the account is connected to the default one: called with its keys and `Stripe-Account`, and its events
    name it and go to the default account's webhook endpoint."""
    livemode: bool = False
    webhook_url: str | None = None
    webhook_secret: str | None = None
    data: Path | None = None
    settle_after: float | None = 3.0
    retry_first: float = 0.2
    retry_longest: float = 10.0
    retry_attempts: int = 20
    webhook_timeout: float = 10.0
    save_every: float = 0.2
    now: Callable[[], float] = time.time
    new_id: Callable[[str], str] = random_id
