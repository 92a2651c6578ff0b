"""Identifies the operator by a signed token, and checks that its role permits the command.

It restricts the command, not direct access: a login at the broker or the store works without it (docs/security.md).
"""

import asyncio
import os
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr, ValidationError

from chassis.runtime.secret_files import secret_from
from chassis.storage.audit_log import current_user
from chassis.web.problems import ProblemError
from chassis.web.signing_keys import KeysUnavailableError
from chassis.web.token_settings import TokenSettings
from chassis.web.tokens import Operator, OperatorRole, Tokens
from deploy.local.credentials import AUDIENCE, ISSUER, Credentials
from ops.core.target import Target

TOKEN = "BELLHOP_OPERATOR_TOKEN"  # noqa: S105  # the name of a variable

given_token: ContextVar[str | None] = ContextVar("given_token", default=None)
"""The value of `bellhop --token`."""


class NotAllowedError(Exception):
    """The token is missing, invalid, or its role does not permit the command."""


def authorized(data_dir: Path, role: OperatorRole) -> Operator:
    """The operator whose token was given. At a local stack without a token: this user, as an editor.

    Raises NotAllowedError, and what `Target.from_environment` raises.
    """
    target = Target.from_environment(data_dir)
    token = given_token.get() or secret_from(os.environ, TOKEN)
    settings = _of_stack(target) if target.stack else _of_environment()
    if not token:
        if not target.stack:
            raise NotAllowedError(
                f"This command needs a signed token with the role {role.value}: set {TOKEN} (or {TOKEN}_FILE). "
                "Your login issues it; docs/security.md has the roles."
            )
        token = _own_token(Credentials.kept_in(target.stack / "secrets.json"))
    try:
        return asyncio.run(Tokens.of(settings).operator(f"Bearer {token}", role))
    except (ProblemError, KeysUnavailableError) as refused:
        raise NotAllowedError(f"The operator's token is refused. {refused}") from None


def _of_stack(target: Target) -> TokenSettings:
    secret = Credentials.kept_in(target.stack / "secrets.json").jwt_secret if target.stack else ""
    return TokenSettings.model_validate(
        {
            "amqp_url": SecretStr(target.amqp_url),
            "jwt_jwks_url": "",
            "jwt_secret": SecretStr(secret),
            "jwt_issuer": ISSUER,
            "jwt_audience": AUDIENCE,
        }
    )


def _of_environment() -> TokenSettings:
    try:
        return TokenSettings()
    except ValidationError as wrong:
        names = sorted({f"BELLHOP_{error['loc'][0]}".upper() for error in wrong.errors() if error["loc"]})
        raise NotAllowedError(
            f"Tokens cannot be verified: {', '.join(names)} missing or wrong. Set what the operator's page has "
            "(docs/configuration.md)."
        ) from None


def _own_token(credentials: Credentials) -> str:
    today = datetime.now(UTC).date()
    return credentials.mint_token(
        current_user(), "", "", today, today, role=OperatorRole.EDITOR, ttl=timedelta(minutes=1)
    )
