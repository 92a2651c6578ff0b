"""The secrets of a local stack: generated on its first start, stored in a file that only its user can read."""

import json
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import jwt
from cryptography.fernet import Fernet

from chassis.web.token_settings import LOCAL_ISSUER
from deploy.local.private_files import write_private

ISSUER = LOCAL_ISSUER
AUDIENCE = "bellhop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The secrets shared by services, sandbox and tokens of a data folder. Their text form shows none."""

    jwt_secret: str
    seal_key: str
    stripe_api_key: str
    stripe_publishable_key: str
    stripe_webhook_secret: str
    own_key_account: str
    """Key, publishable key and webhook secret of the sandbox's second account, separated by commas."""
    broker_secret: str
    """The services' passwords at the broker are derived from it."""

    def __repr__(self) -> str:
        return "Credentials(…)"

    @classmethod
    def made_up(cls) -> "Credentials":
        return cls(
            jwt_secret=secrets.token_urlsafe(48),
            seal_key=Fernet.generate_key().decode(),
            stripe_api_key=f"sk_test_{secrets.token_hex(16)}",
            stripe_publishable_key=f"pk_test_{secrets.token_hex(16)}",
            stripe_webhook_secret=f"whsec_{secrets.token_hex(24)}",
            own_key_account=",".join(f"{prefix}_{secrets.token_hex(16)}" for prefix in ("sk_test", "pk_test", "whsec")),
            broker_secret=secrets.token_hex(32),
        )

    @classmethod
    def kept_in(cls, file: Path) -> "Credentials":
        """Read the secrets, or generate and store them. Missing ones are added to the file; the others stay."""
        known = json.loads(file.read_text()) if file.exists() else {}
        merged = asdict(cls.made_up()) | known
        if merged != known:
            write_private(file, json.dumps(merged, indent=2) + "\n")
        return cls(**{name: merged[name] for name in cls.__dataclass_fields__})

    def mint_token(
        self,
        guest: str,
        property_id: str,
        reservation: str,
        stay_from: date,
        stay_to: date,
        *,
        role: str = "guest",
        ttl: timedelta = timedelta(hours=12),
        email: str = "",
    ) -> str:
        """A signed token like those a property's login issues to guests and staff (HS256)."""
        now = datetime.now(UTC)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": guest,
            "iat": now,
            "exp": now + ttl,
            "role": role,
            "property": property_id,
            "reservation": reservation,
            "stay_from": stay_from.isoformat(),
            "stay_to": stay_to.isoformat(),
            **({"email": email} if email else {}),
        }
        return jwt.encode(claims, self.jwt_secret, algorithm="HS256")
