"""docs/configuration.md lists what the settings classes have: no more, no less, with the same defaults."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path

import pytest
from pydantic import AliasChoices, SecretStr, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from chassis.runtime.settings import ProcessSettings, ServiceSettings
from chassis.storage.settings import DocumentSettings
from chassis.web.token_settings import TokenSettings
from connectors.apaleo.settings import ApaleoSettings
from extras_service.settings import ExtrasSettings
from gateway.settings import GatewaySettings
from notifications.settings import NotificationSettings
from ops.web.settings import PageSettings
from payment_service.settings import PaymentSettings
from psp_adapter.settings import AdapterSettings
from webhooks.settings import WebhookSettings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text()
SECTIONS: Mapping[str, type[BaseSettings]] = {
    "Every process": ProcessSettings,
    "Every service: the broker": ServiceSettings,
    "What keeps documents: extras, payment, notification and webhook service, operator's page, connector": (
        DocumentSettings
    ),
    "Tokens: gateway and operator's page": TokenSettings,
    "Gateway": GatewaySettings,
    "Extras service": ExtrasSettings,
    "Payment service": PaymentSettings,
    "PSP adapter": AdapterSettings,
    "Notification service": NotificationSettings,
    "Webhook service": WebhookSettings,
    "Connector to Apaleo": ApaleoSettings,
    "Operator's page": PageSettings,
}
COMMAND = "The `bellhop` command"
LOCAL = "Only for `make up`, `make demo` and the tests"


def sections() -> dict[str, str]:
    """Each section's text by its heading."""
    _, *parts = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    return {heading: text for heading, _, text in (part.partition("\n") for part in parts)}


def listed(section: str) -> list[tuple[str, str]]:
    """A section's variables with their defaults, as the page has them."""
    return re.findall(r"^\| `(\w+)` \| (.+?) \| .+ \|$", sections()[section], re.MULTILINE)


def declared(settings: type[BaseSettings]) -> Iterator[tuple[str, FieldInfo]]:
    """The variable of each field a settings class adds to those of its base."""
    for name, field in settings.model_fields.items():
        if name in settings.__annotations__:
            yield variable(settings, name, field), field


def variable(settings: type[BaseSettings], name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0]).upper()
    return f"{settings.model_config.get('env_prefix', '')}{name}".upper()


def as_written(field: FieldInfo) -> str:
    """How the page says what holds when the variable is not set."""
    secret = ", secret" if field.annotation is SecretStr else ""
    if field.is_required():
        return f"required{secret}"
    value = field.default
    match value:
        case None:
            return "none"
        case SecretStr():
            return f"empty{secret}"
        case "":
            return "empty"
        case bool():
            return f"`{str(value).lower()}`"
        case Enum():
            return f"`{value.value}`"
        case float():
            return f"`{value:g}`"
        case timedelta():
            return f"`{TypeAdapter(timedelta).dump_python(value, mode='json')}`"
        case _:
            return f"`{value}`"


def test_the_page_has_a_section_for_each_settings_class_and_one_for_the_local_stack() -> None:
    assert [*SECTIONS, COMMAND, LOCAL] == list(sections())


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_lists_exactly_the_settings_of_its_class_with_their_defaults(section: str) -> None:
    expected = {name: as_written(field) for name, field in declared(SECTIONS[section])}

    rows = listed(section)

    assert dict(rows) == expected
    assert len(rows) == len(expected)  # none twice


@pytest.mark.parametrize("settings", SECTIONS.values(), ids=lambda settings: settings.__name__)
def test_the_page_names_every_spelling_of_a_variable(settings: type[BaseSettings]) -> None:
    for _, field in declared(settings):
        if isinstance(field.validation_alias, AliasChoices):
            assert all(f"`{choice}`" in PAGE for choice in field.validation_alias.choices)


def test_no_service_has_settings_the_page_does_not_know_of() -> None:
    known = {ROOT / f"{settings.__module__.replace('.', '/')}.py" for settings in SECTIONS.values()}

    places = ("*/settings.py", "chassis/*/*settings.py", "connectors/*/settings.py", "ops/*/settings.py")
    found = {file for place in places for file in ROOT.glob(place)}
    # The sandbox takes options, no variables; running settings are a document in the store.
    assert found - {ROOT / "stripe_sandbox" / "settings.py", ROOT / "chassis/storage/running_settings.py"} == known


def test_what_is_only_for_the_local_stack_is_read_there() -> None:
    sources = "".join(file.read_text() for file in [*ROOT.glob("deploy/local/*.py"), ROOT / "tests" / "conftest.py"])

    names = re.findall(r"`((?:BELLHOP|STRIPE)_\w+)`", sections()[LOCAL])

    assert names
    assert [name for name in names if f'"{name}"' not in sources] == []
