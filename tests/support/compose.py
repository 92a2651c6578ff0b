"""The compose file as tests look at it, and the Compose tool where there is one."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from chassis.runtime.settings import ProcessSettings, ServiceSettings
from connectors.apaleo.settings import ApaleoSettings
from extras_service.settings import ExtrasSettings
from gateway.settings import GatewaySettings
from notifications.settings import NotificationSettings
from ops.web.settings import PageSettings
from payment_service.settings import PaymentSettings
from psp_adapter.settings import AdapterSettings
from webhooks.settings import WebhookSettings

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy" / "compose.yaml"
EXAMPLE = ROOT / "deploy" / "env.example"
REFERENCE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?::(?P<sign>[-?])(?P<rest>[^}]*))?\}")

SETTINGS: dict[str, type[ServiceSettings]] = {
    "gateway": GatewaySettings,
    "extras-service": ExtrasSettings,
    "payment-service": PaymentSettings,
    "psp-adapter": AdapterSettings,
    "notifications": NotificationSettings,
    "webhooks": WebhookSettings,
    "ops-page": PageSettings,
}
CONNECTORS: dict[str, type[ProcessSettings]] = {"apaleo-connector": ApaleoSettings}
"""Started by the profile of their names' first word."""
TRACING = {
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SDK_DISABLED",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
}
"""OpenTelemetry's own variables that every service gets."""
DEPRECATED = {"BELLHOP_LONGEST_LIVE_STREAM", "BELLHOP_POLL_PACE", "BELLHOP_STRIPE_PATIENCE"}


def services() -> dict[str, dict[str, Any]]:
    """The services as written, anchors merged, references to variables left as they are."""
    return dict(yaml.safe_load(FILE.read_text())["services"])


def variables(text: str) -> dict[str, str]:
    """The `NAME=value` lines of an environment file, values as written."""
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def variables_of(settings: type[ProcessSettings]) -> set[str]:
    """The environment variables a settings class reads, by their first name."""
    return {variable_of(field, name) for name, field in settings.model_fields.items()}


def variable_of(field: FieldInfo, name: str) -> str:
    alias = field.validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"BELLHOP_{name}".upper()


def resolved(value: str, environment: Mapping[str, str]) -> str:
    """A value with its references replaced. Raises KeyError for one that is demanded and missing."""

    def replace(reference: re.Match[str]) -> str:
        found = environment.get(reference["name"])
        if not found and reference["sign"] == "?":
            raise KeyError(reference["name"])
        return found or (reference["rest"] if reference["sign"] == "-" else "") or ""

    return REFERENCE.sub(replace, value)
