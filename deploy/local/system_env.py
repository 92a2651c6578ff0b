"""`system.env`: where the local stack of a folder is. Written when it is ready, removed when it stops.

`bellhop` reads it. Lines of `NAME=value`, quoted as a shell reads them. Only their user can read them: they hold the
stack's own logins. Of a part that runs elsewhere the file holds a digest instead: its address and key are secrets of
another system and stay in the environment.
"""

import fcntl
import hashlib
import shlex
from collections.abc import Mapping
from pathlib import Path

from deploy.local.private_files import write_private

DATA_DIR = Path(__file__).resolve().parents[2] / ".bellhop"
"""The folder of the local stack, unless another one is named."""

FILE = "system.env"
LOCK = "lock"
"""Locked (flock, exclusive) by the stack for as long as it runs."""
STRIPE_API_KEY = "STRIPE_API_KEY"
_ELSEWHERE = ("BELLHOP_AMQP_URL", "BELLHOP_MONGODB_URL", "BELLHOP_MONGODB_DATABASE", "BELLHOP_STRIPE_API_BASE")
_DIGEST = "_SHA256"
_HEAD = "# Where the local stack of this folder is. Written by `bellhop up`, removed when it stops. Keep it secret.\n"


class StaleStackError(Exception):
    """The stack that wrote the file has ended without removing it."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"{file} is stale: the local stack that wrote it was killed. Start it again with `bellhop up`, "
            "or remove the file."
        )


def write(data_dir: Path, values: Mapping[str, str | None]) -> None:
    """Write down where the stack of this folder is; names without a value are left out."""
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in values.items() if value]
    write_private(data_dir / FILE, _HEAD + "".join(lines))


def remove(data_dir: Path) -> None:
    """The stack of this folder stops."""
    (data_dir / FILE).unlink(missing_ok=True)


def read(data_dir: Path) -> dict[str, str]:
    """What the running stack of this folder wrote; nothing when none runs. Raises StaleStackError."""
    file = data_dir / FILE
    try:
        text = file.read_text()
    except FileNotFoundError:
        return {}
    if not _is_locked(data_dir / LOCK):
        if not file.exists():  # it has stopped meanwhile
            return {}
        raise StaleStackError(file)
    return dict(word.split("=", 1) for word in shlex.split(text, comments=True))


def from_elsewhere(environment: Mapping[str, str], *, real_stripe: bool) -> dict[str, str]:
    """Name → digest of each variable that names a part of a stack started in this environment.

    The Stripe key counts when the stack has no sandbox.
    """
    names = (*_ELSEWHERE, STRIPE_API_KEY) if real_stripe else _ELSEWHERE
    return {f"{name}{_DIGEST}": digest(environment[name]) for name in names if environment.get(name)}


def digests(values: Mapping[str, str]) -> dict[str, str]:
    """Variable → digest of its value, for each part of the stack that runs elsewhere."""
    return {name.removesuffix(_DIGEST): value for name, value in values.items() if name.endswith(_DIGEST)}


def digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _is_locked(lock: Path) -> bool:
    try:
        with lock.open() as file:
            # Released at once. A stack that starts at this very moment tries again (LocalStack).
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
