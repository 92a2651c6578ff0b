"""Reads the catalogue from a YAML file: properties and their extras, validated as a whole before use."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from contracts.catalogue import ExtraDefinition
from contracts.ids import ExtraId, PropertyId
from extras_service.catalogue.extra import Extra
from extras_service.catalogue.rules import mistakes_of

ModelT = TypeVar("ModelT", bound=BaseModel)
_Located = tuple[tuple[str | int, ...], str]
"""A path in the document, and what is wrong there."""


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


class _Offered(ExtraDefinition):
    """An extra in the file."""

    model_config = ConfigDict(extra="forbid")

    extra_id: ExtraId = Field(min_length=1)
    property_id: PropertyId
    time_zone: None = Field(default=None)

    @field_validator("time_zone", mode="before")
    @classmethod
    def _is_the_propertys(cls, value: object) -> object:
        raise ValueError("a time zone belongs to a property: write it under properties")


class _CatalogueFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    properties: dict[PropertyId, _Property] = Field(default_factory=dict)
    extras: tuple[Any, ...]


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
    file, located = _validated(_CatalogueFile, written)
    entries = written.get("extras") if isinstance(written, dict) else None
    extras = list[_Offered]()
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        extra, wrong = _extra_of(entry)
        located += [(("extras", index, *loc), what) for loc, what in wrong]
        extras += [extra] if extra is not None else []
    mistakes += [f":{_line(document, loc)}: {'.'.join(map(str, loc))}: {what}" for loc, what in located]
    if file is None or mistakes:
        raise CatalogueError(path, mistakes)
    zones = {property_id: known.time_zone for property_id, known in file.properties.items()}
    return {
        extra.extra_id: Extra(
            **extra.model_dump() | {"time_zone": zones.get(extra.property_id, "UTC"), "position": position}
        )
        for position, extra in enumerate(extras)
    }


def _validated(model: type[ModelT], written: object) -> tuple[ModelT | None, list[_Located]]:
    try:
        return model.model_validate(written), []
    except ValidationError as error:
        return None, [(item["loc"], item["msg"]) for item in error.errors()]


def _extra_of(entry: object) -> tuple[_Offered | None, list[_Located]]:
    """An entry, and all its mistakes. Where some fields cannot be read, the rules are checked on the others."""
    extra, wrong = _validated(_Offered, entry)
    unreadable = {loc[0] for loc, _ in wrong if loc}
    rest = extra
    if extra is None and isinstance(entry, dict):
        rest, _ = _validated(_Offered, {name: value for name, value in entry.items() if name not in unreadable})
    if rest is None:
        return None, wrong
    for mistake in mistakes_of(rest):
        loc = tuple(int(step) if step.isdigit() else step for step in mistake.pointer.split("/")[1:])
        if loc[0] not in unreadable:
            wrong.append((loc, mistake.detail))
    return extra, wrong


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
