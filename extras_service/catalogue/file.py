"""Reads the catalogue from a YAML file: properties and their extras, validated as a whole before use."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from contracts.ids import ExtraId, PropertyId
from contracts.offers import ExtraDefinition
from contracts.pictures import LARGEST_FILE, PictureRefusal, picture_digest
from contracts.properties import PropertyDefinition
from extras_service.catalogue.extra import Extra
from extras_service.catalogue.rules import mistakes_of
from extras_service.property.rules import mistakes_of as mistakes_of_property

ModelT = TypeVar("ModelT", bound=BaseModel)
EntriesT = TypeVar("EntriesT", dict[str, Any], list[Any])
_Located = tuple[tuple[str | int, ...], str]
"""A path in the document, and what is wrong there."""


class CatalogueError(ValueError):
    """The catalogue file has errors. The text lists all of them, a line each."""

    def __init__(self, path: Path, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        advice = "Nothing of it was loaded. docs/catalogue.md has its form."
        super().__init__("\n".join([*(f"{path}{mistake}" for mistake in mistakes), advice]))


class _Property(PropertyDefinition):
    """A property in the file. Its name may be left out."""

    model_config = ConfigDict(extra="forbid")

    name: dict[str, str] = Field(default_factory=dict)


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


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid")

    properties: dict[PropertyId, Any] = Field(default_factory=dict)
    extras: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class CatalogueFile:
    """A catalogue file without mistakes."""

    properties: Mapping[PropertyId, PropertyDefinition]
    extras: Mapping[str, Extra]
    """By id, each with its property's time zone, in the order of the file. A picture that the file names by `file` is
    referred to by that file's digest."""
    pictures: Mapping[str, Path] = field(default_factory=dict)
    """The files of pictures, by digest (contracts/pictures.py)."""


def read_catalogue(path: Path) -> dict[str, Extra]:
    """The extras of a file, by id. Raises CatalogueError with all errors."""
    return dict(read_file(path).extras)


def read_file(path: Path, *, with_pictures: bool = True) -> CatalogueFile:
    """Properties and extras of a file. Raises CatalogueError with all errors.

    Without pictures, extras have none: what only knows the file cannot tell whether they are stored.
    """
    try:
        text = path.read_text(encoding="utf-8")
        loader = yaml.SafeLoader(text)
        document = loader.get_single_node()
        written = None if document is None else loader.construct_document(document)
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(path, [f" cannot be read: {error}"]) from None
    except yaml.YAMLError as error:
        raise CatalogueError(path, [f" is not valid YAML: {error}"]) from None
    mistakes = [f":{_line(document, ('extras', index, 'extra_id'))}: {what}" for index, what in _repeated(written)]
    file, located = _validated(_Written, written)
    properties = {
        PropertyId(property_id): _checked(_Property, hotel, ("properties", property_id), located)
        for property_id, hotel in _entries(written, "properties", dict).items()
    }
    files = _PictureFiles(path.parent, located) if with_pictures else None
    extras = [
        _checked(_Offered, _pictured(extra, files, ("extras", index, "picture")), ("extras", index), located)
        for index, extra in enumerate(_entries(written, "extras", list))
    ]
    mistakes += [f":{_line(document, loc)}: {'.'.join(map(str, loc))}: {what}" for loc, what in located]
    if file is None or mistakes:
        raise CatalogueError(path, mistakes)
    named = {property_id: _named(property_id, hotel) for property_id, hotel in properties.items() if hotel}
    zones = {property_id: hotel.time_zone for property_id, hotel in named.items()}
    return CatalogueFile(
        named,
        {
            extra.extra_id: Extra(
                **extra.model_dump() | {"time_zone": zones.get(extra.property_id, "UTC"), "position": position}
            )
            for position, extra in enumerate(filter(None, extras), start=1)
        },
        files.found if files else {},
    )


@dataclass(frozen=True, slots=True)
class _PictureFiles:
    """The files that a catalogue file names, relative to its own folder."""

    folder: Path
    located: list[_Located]
    found: dict[str, Path] = field(default_factory=dict)

    def digest(self, named: object, property_id: str, at: tuple[str | int, ...]) -> str:
        """The digest of a file; its mistakes are added."""
        path = self.folder / str(named)
        try:
            if not path.resolve().is_relative_to(self.folder.resolve()):
                self.located.append(((*at, "file"), "must be in the folder of this file, or below it"))
                return _NO_PICTURE
            if path.stat().st_size > LARGEST_FILE:
                self.located.append(((*at, "file"), PictureRefusal.TOO_LARGE.sentence))
                return _NO_PICTURE
            digest = picture_digest(property_id, path.read_bytes())
        except (OSError, ValueError) as error:
            self.located.append(((*at, "file"), f"cannot be read: {error}"))
            return _NO_PICTURE
        self.found[digest] = path
        return digest


_NO_PICTURE = "0" * 64


def _pictured(entry: object, files: _PictureFiles | None, at: tuple[str | int, ...]) -> object:
    """An extra's entry with its picture as its definition has it: by digest."""
    picture = entry.get("picture") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(picture, dict):
        return entry
    if files is None:
        return {name: value for name, value in entry.items() if name != "picture"}
    if "file" not in picture:
        return entry
    others = {name: value for name, value in picture.items() if name != "file"}
    if "picture_id" in others:
        files.located.append(((*at, "picture_id"), "write either file or picture_id"))
    digest = files.digest(picture["file"], str(entry.get("property_id")), at)
    return entry | {"picture": others | {"picture_id": digest}}


def _entries(written: object, name: str, kind: type[EntriesT]) -> EntriesT:
    entries = written.get(name) if isinstance(written, dict) else None
    return entries if isinstance(entries, kind) else kind()


def _named(property_id: str, hotel: _Property) -> PropertyDefinition:
    """A property of the file; one without a name has its id for one."""
    return PropertyDefinition.model_validate(hotel.model_dump() | {"name": hotel.name or {"en": property_id}})


def _validated(model: type[ModelT], written: object) -> tuple[ModelT | None, list[_Located]]:
    try:
        return model.model_validate(written), []
    except ValidationError as error:
        return None, [(item["loc"], item["msg"]) for item in error.errors()]


def _checked(model: type[ModelT], entry: object, at: tuple[str | int, ...], located: list[_Located]) -> ModelT | None:
    """An entry, its mistakes added to `located`. Where some fields cannot be read, the rules hold for the others."""
    parsed, wrong = _validated(model, entry)
    unreadable = {loc[0] for loc, _ in wrong if loc}
    rest = parsed
    if parsed is None and isinstance(entry, dict):
        rest, _ = _validated(model, {name: value for name, value in entry.items() if name not in unreadable})
    match rest:
        case _Offered():
            broken = mistakes_of(rest)
        case _Property():
            broken = mistakes_of_property(_named(str(at[-1]), rest))
        case _:
            broken = ()
    paths = [(_path(mistake.pointer), mistake.detail) for mistake in broken]
    wrong += [(path, detail) for path, detail in paths if path[0] not in unreadable]
    located += [((*at, *path), detail) for path, detail in wrong]
    return parsed


def _path(pointer: str) -> tuple[str | int, ...]:
    return tuple(int(step) if step.isdigit() else step for step in pointer.split("/")[1:])


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
