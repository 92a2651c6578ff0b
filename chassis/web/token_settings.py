"""Settings for the verification of tokens."""

from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from chassis.runtime.settings import ServiceSettings

_SHORTEST_SECRET = 32
LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Hosts that this machine alone can reach."""
LOCAL_ISSUER = "bellhop-local"
"""The issuer of `bellhop token`, which signs any claims. Trusted only by a gateway on this machine."""


class TokenSettings(ServiceSettings):
    """Settings for the verification of tokens."""

    jwt_jwks_url: str = Field(default="", description="https address of the issuer's key set; instead of the secret")
    jwt_secret: SecretStr = Field(
        default=SecretStr(""), validate_default=True, description="HS256 secret tokens are signed with"
    )
    jwt_jwks_cache: float = Field(default=300.0, gt=0, description="seconds until the key set is fetched again")
    jwt_issuer: str = Field(min_length=1, description="the required issuer of tokens")
    jwt_audience: str = Field(default="bellhop", min_length=1, description="the required audience of tokens")

    @field_validator("jwt_jwks_url")
    @classmethod
    def _keys_come_over_https(cls, value: str) -> str:
        url = urlsplit(value)
        is_safe = url.scheme == "https" or (url.scheme == "http" and url.hostname in LOOPBACK)
        if value and not (url.hostname and is_safe):
            raise ValueError("must be an https address")
        return value

    @field_validator("jwt_issuer")
    @classmethod
    def _no_minting_elsewhere(cls, value: str, info: ValidationInfo) -> str:
        if value == LOCAL_ISSUER and info.data.get("http_host") not in LOOPBACK:
            raise ValueError("the local stack's issuer is only for a gateway that listens on this machine alone")
        return value

    @field_validator("jwt_secret")
    @classmethod
    def _one_kind_of_key(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        # With both, a token could choose: that is how a public key gets used as a secret.
        known: dict[str, Any] = info.data
        if bool(value.get_secret_value()) == bool(known.get("jwt_jwks_url")):
            raise ValueError("set either this or BELLHOP_JWT_JWKS_URL")
        if value.get_secret_value() and len(value.get_secret_value()) < _SHORTEST_SECRET:
            raise ValueError(f"must have {_SHORTEST_SECRET} characters or more")
        return value
