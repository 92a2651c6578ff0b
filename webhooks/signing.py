"""Secrets of subscribers, and signatures with them, as Standard Webhooks has them."""

import base64
import secrets
from datetime import datetime

from standardwebhooks import Webhook

_BYTES = 32


def new_secret() -> str:
    """`whsec_` and 32 random bytes."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(_BYTES)).decode()}"


def signed(webhook_id: str, at: datetime, body: str, *keys: str) -> dict[str, str]:
    """The headers of an attempt: signed with each of these secrets. `at` in UTC."""
    signatures = (Webhook(key).sign(webhook_id, at, body) for key in keys)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
