"""Settings every service shares.

They come from environment variables prefixed `BELLHOP_`; secrets also from files. An invalid one stops the start.
"""

import sys
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from chassis.messaging.broker_address import BrokerAddress
from chassis.runtime.secret_files import SecretFileError, SecretFiles, variables_of


class LogFormat(StrEnum):
    JSON = "json"
    CONSOLE = "console"


class ProcessSettings(BaseSettings):
    """Settings of HTTP and logs."""

    model_config = SettingsConfigDict(env_prefix="BELLHOP_", extra="ignore", populate_by_name=True)

    http_host: str = Field(default="127.0.0.1", description="address health, metrics and the API listen on")
    http_port: int = Field(default=0, ge=0, le=65535, description="0 picks a free port")
    trusted_proxies: str = Field(
        default="", description="addresses and networks whose X-Forwarded-For and X-Forwarded-Proto are trusted"
    )
    max_header_bytes: int = Field(default=16384, ge=1024, description="request line and headers of a request, together")
    header_timeout: float = Field(default=10.0, gt=0, description="seconds a client may take to send its headers")
    keep_alive_timeout: int = Field(
        default=75, ge=1, le=3600, description="seconds an idle connection stays open: longer than a proxy keeps it"
    )
    log_format: LogFormat | None = Field(default=None, description="default: readable on a terminal, else JSON")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    graceful_timeout: float = Field(default=15.0, gt=0, description="seconds a stopping service lets handlers finish")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, SecretFiles(settings_cls), env_settings, dotenv_settings, file_secret_settings

    @field_validator("trusted_proxies")
    @classmethod
    def _each_proxy_is_named(cls, value: str) -> str:
        # uvicorn takes `*` for all addresses, and ignores a name that it cannot parse.
        for item in filter(None, (part.strip() for part in value.split(","))):
            ip_network(item)
        return value


class ServiceSettings(ProcessSettings):
    """For services on the bus: settings of the broker."""

    amqp_url: SecretStr = Field(
        description="amqp://user:password@host:5672/vhost; with amqps, ?cafile=PATH names the authorities to trust"
    )
    declare_topology: bool = Field(
        default=True, description="whether to declare exchanges and queues at start; otherwise they must exist"
    )
    operator_accounts: str = Field(
        default="bellhop",
        description="comma-separated logins at the broker whose messages are accepted unconditionally",
    )
    require_sender: bool = Field(
        default=True, description="whether a message that names no account in user_id is refused (dead-lettered)"
    )
    prefetch: int = Field(default=64, ge=1, description="messages handled at once, per queue")
    publish_timeout: float = Field(default=10.0, gt=0, description="seconds to wait for a publisher confirm")

    @field_validator("amqp_url")
    @classmethod
    def _names_a_broker(cls, value: SecretStr) -> SecretStr:
        BrokerAddress(value.get_secret_value()).check()
        return value


EraseAfter = Annotated[
    timedelta | None,
    Field(
        ge=timedelta(days=1),
        description="how long after the day of departure orders forget their guests, and their e-mail addresses go; "
        "none: only on request",
    ),
]

SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def load(settings_type: type[SettingsT]) -> SettingsT:
    """Load settings from the environment. On an invalid or missing one: exit 2, a line per problem, no values shown."""
    try:
        return settings_type()
    except SecretFileError as error:
        problems = [str(error)]
    except ValidationError as error:
        problems = [
            f"{_variable(settings_type, str(problem['loc'][0]) if problem['loc'] else '?')}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        ]
    advice = "Set these in the environment (docs/configuration.md lists them all) and start again."
    sys.stderr.write("\n".join([*problems, advice, ""]))
    raise SystemExit(2)


def _variable(settings_type: type[BaseSettings], field: str) -> str:
    return variables_of(settings_type, field)[0] if field in settings_type.model_fields else field.upper()
