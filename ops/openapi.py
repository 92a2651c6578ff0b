"""`python -m ops.openapi --write`: docs/openapi.json, as the gateway describes itself; `--check`: is it current?"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography.fernet import Fernet
from pydantic import SecretStr

from gateway.app import create_app
from gateway.settings import GatewaySettings

FILE = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"


def described() -> dict[str, Any]:
    """The document of a gateway that is not started, whatever this machine's environment says."""
    settings = GatewaySettings(
        amqp_url=SecretStr("amqp://nobody"),
        jwt_jwks_url="",
        jwt_secret=SecretStr("x" * 32),
        jwt_issuer="nobody",
        seal_keys=SecretStr(Fernet.generate_key().decode()),
        page_themes=None,
    )
    return create_app(settings).openapi()


def text() -> str:
    return json.dumps(described(), indent=2, ensure_ascii=False) + "\n"


def main(
    write: Annotated[bool, typer.Option("--write", help="Write docs/openapi.json anew.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Say whether it is current; exit code 1 when not.")] = False,
) -> None:
    """The OpenAPI document of the gateway, on the screen, in its file, or compared with it."""
    if write:
        FILE.write_text(text())
    elif check:
        if not FILE.exists() or FILE.read_text() != text():
            sys.stderr.write("docs/openapi.json is not what the gateway says: run `python -m ops.openapi --write`.\n")
            raise typer.Exit(1)
    else:
        sys.stdout.write(text())


if __name__ == "__main__":
    typer.run(main)
