"""docs/openapi.json, generated from the gateway. `python -m tools.openapi_document --write`; `--check`."""

import json
from typing import Any

from cryptography.fernet import Fernet
from pydantic import SecretStr

from gateway.app import create_app
from gateway.settings import GatewaySettings
from tools.generated_file import ROOT, generated_file_command

FILE = ROOT / "docs" / "openapi.json"


def described() -> dict[str, Any]:
    """The document of a gateway that is not started, independent of this machine's environment."""
    settings = GatewaySettings(
        amqp_url=SecretStr("amqp://unused"),
        jwt_jwks_url="",
        jwt_secret=SecretStr("x" * 32),
        jwt_issuer="unused",
        seal_keys=SecretStr(Fernet.generate_key().decode()),
        page_themes=None,
    )
    return create_app(settings).openapi()


def text() -> str:
    return json.dumps(described(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    generated_file_command(FILE, text, "tools.openapi_document")
