"""A local stack as far as `bellhop` looks at it before it connects: its lock and its `system.env`."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local import system_env

ADDRESSES = {
    "BELLHOP_AMQP_URL": "amqp://operator:hush@127.0.0.1:1/",
    "BELLHOP_MANAGEMENT_URL": "http://operator:hush@127.0.0.1:1",
    "BELLHOP_MONGODB_URL": "mongodb://127.0.0.1:1/?directConnection=true&retryWrites=false",
    "STRIPE_API_KEY": "sk_test_local",
    "BELLHOP_STRIPE_API_BASE": "http://127.0.0.1:1",
    "BELLHOP_WEBHOOK_URL": "http://127.0.0.1:1/webhooks/stripe",
}


@contextmanager
def running_stack(folder: Path, **changes: str | None) -> Iterator[None]:
    """A stack that runs in this folder; `changes`: values that differ, None for those that are missing."""
    with (folder / system_env.LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        system_env.write(folder, {**ADDRESSES, **changes})
        yield
