"""Which parts of a local stack run elsewhere: recorded at its start, so that commands speak to the same system.

The record holds digests: the addresses and keys themselves are secrets of other systems and stay in the environment.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from deploy.local.credentials import write_private

FILE = "external.json"
STRIPE_API_KEY = "STRIPE_API_KEY"
_ADDRESSES = ("BELLHOP_AMQP_URL", "BELLHOP_MONGODB_URL", "BELLHOP_MONGODB_DATABASE", "BELLHOP_STRIPE_API_BASE")


def record(data_dir: Path, environment: Mapping[str, str], *, real_stripe: bool) -> None:
    """Write down which variables name a part of this stack; the Stripe key counts when the sandbox is left out."""
    names = (*_ADDRESSES, STRIPE_API_KEY) if real_stripe else _ADDRESSES
    found = {name: digest(environment[name]) for name in names if environment.get(name)}
    write_private(data_dir / FILE, json.dumps(found, indent=2) + "\n")


def recorded(data_dir: Path) -> dict[str, str]:
    """Variable → digest of its value, for each part of the folder's stack that runs elsewhere."""
    file = data_dir / FILE
    return dict(json.loads(file.read_text())) if file.exists() else {}


def digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
