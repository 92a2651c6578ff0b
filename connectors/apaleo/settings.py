"""Settings of the connector to Apaleo."""

import re
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from chassis.storage.retention import Retention
from chassis.storage.settings import DocumentSettings
from connectors.apaleo.postings import DEFAULT_LANGUAGE, Terms

NOT_STATED = "none"
"""Stands for lines without a VAT rate."""
VAT_TYPES = (
    "Without",
    "VeryReduced",
    "Reduced",
    "Normal",
    "Special",
    "Special1",
    "Special2",
    "ReducedCovid19",
    "NormalCovid19",
)
SERVICE_TYPES = ("Other", "Accommodation", "FoodAndBeverages", "CityTax", "SecondCityTax")
"""Of charges that others may post."""
_HERE = ("127.0.0.1", "localhost", "::1")
_WORD = re.compile(r"[A-Za-z0-9]+")


def pairs(text: str) -> dict[str, str]:
    """`a:b,c:d` by the first of each pair. Raises ValueError."""
    found: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, separator, value = (each.strip() for each in part.rpartition(":"))
        if not (separator and name and value):
            raise ValueError(f"{part!r} is not a pair such as name:value")
        if name in found:
            raise ValueError(f"{name!r} is there twice")
        found[name] = value
    return found


def vat_types(text: str) -> dict[int | None, str]:
    """`700:Reduced,1900:Normal,none:Without`. Raises ValueError."""
    found: dict[int | None, str] = {}
    for rate, vat_type in pairs(text).items():
        if rate != NOT_STATED and not (rate.isascii() and rate.isdigit() and len(rate) <= 5):
            raise ValueError(f"{rate!r} is not a VAT rate in hundredths of a percent (1900 is 19 %), nor {NOT_STATED}")
        _require_known(vat_type, VAT_TYPES, "a VAT type")
        found[None if rate == NOT_STATED else int(rate)] = vat_type
    if not found:
        raise ValueError("no rate is mapped: nothing could be booked")
    return found


def service_types(text: str) -> dict[str, str]:
    """`breakfast:FoodAndBeverages`. Raises ValueError."""
    found = pairs(text)
    for each in found.values():
        _require_known(each, SERVICE_TYPES, "a service type")
    return found


def _require_known(value: str, known: tuple[str, ...], what: str) -> None:
    if value not in known:
        raise ValueError(f"{value!r} is not {what} of Apaleo's: {', '.join(known)}")


def _encrypted(url: str) -> str:
    """The client's secret goes there."""
    parts = urlsplit(url)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE)
    if not (is_safe and parts.hostname) or parts.query or parts.fragment or parts.username:
        raise ValueError("must be an https:// address without user, query and fragment")
    return url


Encrypted = Annotated[str, AfterValidator(_encrypted)]


class ApaleoSettings(DocumentSettings):
    apaleo_url: Encrypted = Field(default="https://api.apaleo.com", description="Apaleo's API")
    apaleo_identity_url: Encrypted = Field(
        default="https://identity.apaleo.com", description="where tokens for it are issued"
    )
    apaleo_client_id: str = Field(min_length=1, description="of the hotel's own client at Apaleo")
    apaleo_client_secret: SecretStr = Field(min_length=1)
    apaleo_webhook_secret: SecretStr = Field(
        description="what `bellhop webhooks add` printed; several with commas while one replaces another"
    )
    apaleo_properties: str = Field(description="Apaleo's property by Bellhop's: `alpenhof:MUC,seaside:HAM`")
    apaleo_vat: str = Field(description="Apaleo's VAT type by rate: `700:Reduced,1900:Normal,none:Without`")
    apaleo_service_types: str = Field(
        default="", description="Apaleo's service type by extra: `breakfast:FoodAndBeverages`; others are `Other`"
    )
    apaleo_payment_method: str = Field(default="Other", description="Apaleo's payment method of payments and refunds")
    apaleo_language: str = Field(default=DEFAULT_LANGUAGE, description="of the charges' names, as in the catalogue")
    apaleo_timeout: float = Field(
        default=8.0, gt=0, le=30, description="seconds for all of a webhook; less than BELLHOP_WEBHOOK_TIMEOUT"
    )

    apaleo_retention: Retention = Field(
        default=None, description="how long it is known which postings of an order are booked; none: for ever"
    )

    @field_validator("apaleo_webhook_secret")
    @classmethod
    def _secrets_are_usable(cls, value: SecretStr) -> SecretStr:
        if not secrets_in(value):
            raise ValueError("there is no secret")
        for secret in secrets_in(value):
            try:
                Webhook(secret)
            except (EmptyWebhookSecretError, ValueError):
                raise ValueError("holds a secret that is not one of `bellhop webhooks add`: whsec_…") from None
        return value

    @field_validator("apaleo_properties")
    @classmethod
    def _properties_are_pairs(cls, value: str) -> str:
        if not pairs(value):
            raise ValueError("no property is mapped: nothing could be booked")
        return value

    @field_validator("apaleo_vat")
    @classmethod
    def _vat_types_are_known(cls, value: str) -> str:
        vat_types(value)
        return value

    @field_validator("apaleo_service_types")
    @classmethod
    def _service_types_are_known(cls, value: str) -> str:
        service_types(value)
        return value

    @field_validator("apaleo_payment_method")
    @classmethod
    def _method_is_a_word(cls, value: str) -> str:
        if not _WORD.fullmatch(value):
            raise ValueError("must be a word such as Other or CreditCard")
        return value

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        return secrets_in(self.apaleo_webhook_secret)

    @property
    def terms(self) -> Terms:
        properties: Mapping[str, str] = pairs(self.apaleo_properties)
        return Terms(
            properties=properties,
            vat_types=vat_types(self.apaleo_vat),
            service_types=service_types(self.apaleo_service_types),
            payment_method=self.apaleo_payment_method,
            language=self.apaleo_language,
        )


def secrets_in(value: SecretStr) -> tuple[str, ...]:
    return tuple(filter(None, (each.strip() for each in value.get_secret_value().split(","))))
