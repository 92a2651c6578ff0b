"""Reads the catalogue from a YAML file: properties and their extras, validated as a whole before use."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from zoneinfo import available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from contracts.ids import PropertyId
from contracts.money import Money, unpayable
from extras_service.catalogue.extra import Extra


class CatalogueError(ValueError):
    """The catalogue file has errors. The text lists all of them, a line each."""

    def __init__(self, path: Path, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        advice = "Nothing of it was loaded. docs/configuration.md has its form."
        super().__init__("\n".join([*(f"{path}{mistake}" for mistake in mistakes), advice]))


class _Property(BaseModel):
    model_config = ConfigDict(extra="forbid")

    time_zone: str = "UTC"

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in available_timezones() - {"localtime"}:
            raise ValueError(f"there is no time zone {value!r}: write one of IANA's, such as Europe/Vienna")
        return value


class _Offered(Extra):
    """An extra in the file. Stored extras are read with fewer rules."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("unit_price")
    @classmethod
    def _can_be_paid(cls, value: Money) -> Money:
        why = unpayable(value)
        if why is not None:
            raise ValueError(why)
        return value

    @field_validator("time_zone")
    @classmethod
    def _is_the_propertys(cls, value: str) -> str:
        raise ValueError("a time zone belongs to a property: write it under properties")


class _CatalogueFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    properties: dict[PropertyId, _Property] = Field(default_factory=dict)
    extras: tuple[_Offered, ...]


def read_catalogue(path: Path) -> dict[str, Extra]:
    """Extra definitions by id, each with its property's time zone. Raises CatalogueError with all errors."""
    try:
        text = path.read_text(encoding="utf-8")
        document = yaml.compose(text, yaml.SafeLoader)
        written = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(path, [f" cannot be read: {error}"]) from None
    except yaml.YAMLError as error:
        raise CatalogueError(path, [f" is not valid YAML: {error}"]) from None
    mistakes = [f":{_line(document, ('extras', index, 'extra_id'))}: {what}" for index, what in _repeated(written)]
    try:
        file = _CatalogueFile.model_validate(written)
    except ValidationError as error:
        mistakes += [
            f":{_line(document, item['loc'])}: {'.'.join(map(str, item['loc']))}: {item['msg']}"
            for item in error.errors()
        ]
    if mistakes:
        raise CatalogueError(path, mistakes)
    zones = {property_id: known.time_zone for property_id, known in file.properties.items()}
    return {
        extra.extra_id: Extra(**extra.model_dump() | {"time_zone": zones.get(extra.property_id, "UTC")})
        for extra in file.extras
    }


def _repeated(written: object) -> Iterator[tuple[int, str]]:
    """The entries whose id an earlier one has."""
    extras = written.get("extras") if isinstance(written, dict) else None
    entries = extras if isinstance(extras, list) else []
    ids = [entry.get("extra_id") if isinstance(entry, dict) else None for entry in entries]
    counted: Counter[str] = Counter()
    for index, extra_id in enumerate(ids):
        counted[str(extra_id)] += 1
        if extra_id is not None and counted[str(extra_id)] > 1:
            yield index, f"{extra_id} is defined twice; ids are unique over all properties"


def _line(node: yaml.Node | None, loc: Sequence[str | int]) -> int:
    """The line of a path in the document, or of its innermost existing parent."""
    line = 1
    for step in loc:
        match node:
            case yaml.MappingNode(value=pairs):
                node = next((value for key, value in pairs if key.value == str(step)), None)
            case yaml.SequenceNode(value=items) if isinstance(step, int) and step < len(items):
                node = items[step]
            case _:
                node = None
        if node is None:
            break
        line = node.start_mark.line + 1
    return line
