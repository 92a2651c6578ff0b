"""Compares a catalogue file with the stored catalogue, imports it by commands over the bus, and writes one."""

import asyncio
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import yaml

from chassis.messaging.envelope import Envelope
from chassis.pictures.encoder import PictureEncoder, PictureRefusedError
from chassis.runtime.metrics import Metrics
from chassis.storage.audit_log import AuditLog
from chassis.storage.store import Store
from contracts.catalogue import ChangeExtra, DefineExtra, ExtraStatus, Origin
from contracts.message import Command
from contracts.offers import ExtraDefinition
from contracts.orders import Staff
from contracts.pictures import PictureSize, StorePicture, picture_digest
from contracts.properties import ChangeProperty, DefineProperty, PropertyDefinition
from extras_service.catalogue.extra import Extra
from extras_service.catalogue.file import CatalogueFile
from extras_service.catalogue.offers import MOST
from extras_service.catalogue.seed import definition_of
from extras_service.catalogue.state import CatalogueExtra
from extras_service.collections import ExtrasStore
from extras_service.pictures.keeper import known_as
from extras_service.property.state import DEFINED, Property
from extras_service.versions import is_changed_since_import
from ops.core.target import Target

OfferedT = TypeVar("OfferedT", bound=ExtraDefinition)
_PICTURES = "pictures"

HANDLED_WITHIN = 30.0
"""Seconds to wait until the extras service has handled all commands of an import."""


class Step(StrEnum):
    """What an import does with one entry."""

    ADD = "add"
    CHANGE = "change"
    LEAVE = "leave"
    """Staff have changed it, or retired it, since its last import."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One property or extra of the file that differs from the stored one."""

    name: str
    """The property's or the extra's id."""
    step: Step
    fields: tuple[str, ...]
    """The fields that differ; empty for a new one."""
    command: Command | None
    """None: it is left."""
    upload: Path | None = None
    """The picture that is stored first. The command refers to it by the file's digest until then."""


class NotImportedError(Exception):
    """Some commands were sent, and the catalogue does not show them."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How to compare: on whose behalf the commands are, why, and whether to overwrite what staff have changed."""

    who: str
    why: str
    overwrite: bool = False

    async def of(self, file: CatalogueFile, store: Store) -> tuple[Difference, ...]:
        """The differences, properties first. Raises StoreUnavailableError."""
        extras = ExtrasStore(store)
        hotels = {state.property_id: state for state in await extras.properties.find(MOST, status=DEFINED)}
        known = {state.extra_id: state for _, state in await extras.catalogue.load_many(list(file.extras))}
        found = [self._property(each, wanted, hotels.get(each)) for each, wanted in file.properties.items()]
        stored = {digest: await known_as(extras.pictures, digest) for digest in file.pictures}
        for extra in file.extras.values():
            digest = extra.picture.picture_id if extra.picture else ""
            if stored.get(digest):
                found.append(self._extra(_showing(extra, stored[digest]), known.get(extra.extra_id)))
            else:
                difference = self._extra(extra, known.get(extra.extra_id))
                found.append(replace(difference, upload=file.pictures.get(digest)) if difference else None)
        return tuple(difference for difference in found if difference is not None)

    def _property(self, property_id: Any, wanted: PropertyDefinition, hotel: Property | None) -> Difference | None:
        common = {"property_id": property_id, "definition": wanted} | self._common(property_id)
        if hotel is None:
            return Difference(property_id, Step.ADD, (), DefineProperty.model_validate(common))
        fields = _differing(hotel.definition, wanted)
        if not fields:
            return None
        if is_changed_since_import(hotel.versions, hotel.imported) and not self.overwrite:
            return Difference(property_id, Step.LEAVE, fields, None)
        change = ChangeProperty.model_validate(common | {"version": hotel.current.number})
        return Difference(property_id, Step.CHANGE, fields, change)

    def _extra(self, extra: Extra, known: CatalogueExtra | None) -> Difference | None:
        wanted = definition_of(extra)
        common = {"extra_id": extra.extra_id, "definition": wanted} | self._common(extra.property_id)
        if known is None:
            return Difference(extra.extra_id, Step.ADD, (), DefineExtra.model_validate(common))
        if known.status is ExtraStatus.RETIRED:
            command = DefineExtra.model_validate(common) if self.overwrite else None
            return Difference(extra.extra_id, Step.CHANGE if command else Step.LEAVE, ("retired",), command)
        fields = _differing(known.definition, wanted)
        if not fields:
            return None
        if is_changed_since_import(known.versions, known.imported) and not self.overwrite:
            return Difference(extra.extra_id, Step.LEAVE, fields, None)
        change = ChangeExtra.model_validate(common | {"version": known.current.number})
        return Difference(extra.extra_id, Step.CHANGE, fields, change)

    def _common(self, property_id: str) -> dict[str, Any]:
        staff = Staff.model_validate({"staff_id": f"{self.who} (operator)", "property_id": property_id})
        return {"staff": staff, "reason": self.why, "origin": Origin.FILE}


def _differing(
    stored: ExtraDefinition | PropertyDefinition, wanted: ExtraDefinition | PropertyDefinition
) -> tuple[str, ...]:
    names = type(stored).model_fields
    return tuple(name for name in names if getattr(stored, name) != getattr(wanted, name, None))


async def carry_out(target: Target, store: Store, differences: Sequence[Difference], comparison: Comparison) -> int:
    """Store the pictures, send the commands, and return their number once all are handled. Recorded in the audit log
    first.

    Raises NotPicturesError, before anything is sent. Raises NotImportedError with the ids of those that are not
    imported: the extras service refused or did not handle them.
    """
    commands = {difference.name: difference.command for difference in differences if difference.command}
    pictures = await _encoded(differences)
    detail = ", ".join(f"{each.step} {each.name}" for each in differences)
    audit = AuditLog(store)
    async with audit.recorded("catalogue import", comparison.who, comparison.why, tuple(commands), detail) as act:
        sent = dict[str, str]()
        async with target.bus("catalogue", Metrics("catalogue"), declares=False) as bus:
            for picture in pictures.values():
                await bus.publish(Envelope(picture, f"catalogue.{uuid.uuid4().hex}", correlation_id=picture.source))
            await _until_stored(ExtrasStore(store), pictures.values())
            commands |= {name: _referring(commands[name], picture) for name, picture in pictures.items()}
            for name, command in commands.items():
                sent[name] = f"catalogue.{uuid.uuid4().hex}"
                await bus.publish(Envelope(command, sent[name], correlation_id=sent[name]))
        missing = await _unhandled(ExtrasStore(store), sent)
        act.outcome = f"{len(sent) - len(missing)} of {len(sent)} done"
    if missing:
        raise NotImportedError(
            f"{len(missing)} of {len(sent)} were sent and are not to be seen: {', '.join(missing)}. The log of the "
            "extras service says whether they were refused; run the import again once the reason is gone."
        )
    return len(sent)


class NotPicturesError(Exception):
    """Files that the catalogue file names as pictures cannot be any. The text lists them, a line each."""


async def _encoded(differences: Sequence[Difference]) -> dict[str, StorePicture]:
    """The pictures to store, by the id of their extra. Raises NotPicturesError."""
    encoder, encoded, refused = PictureEncoder(), dict[str, StorePicture](), list[str]()
    for each in differences:
        if each.upload is None or not isinstance(each.command, DefineExtra | ChangeExtra):
            continue
        content, staff = await asyncio.to_thread(each.upload.read_bytes), each.command.staff
        try:
            picture = await encoder.encode(content)
        except PictureRefusedError as why:
            refused.append(f"{each.upload}: {why}")
            continue
        source = picture_digest(staff.property_id, content)
        encoded[each.name] = StorePicture(staff=staff, source=source, large=picture.large, small=picture.small)
    if refused:
        raise NotPicturesError("\n".join([*refused, "Nothing was sent."]))
    return encoded


async def _until_stored(extras: ExtrasStore, pictures: Iterable[StorePicture]) -> None:
    """Wait for the extras service. Raises NotImportedError."""
    until = asyncio.get_running_loop().time() + HANDLED_WITHIN
    for command in pictures:
        picture_id = picture_digest(command.staff.property_id, command.large)
        while not await extras.pictures.get([picture_id]):
            if asyncio.get_running_loop().time() > until:
                raise NotImportedError(
                    "The extras service has not stored the pictures: is it running, in this version, and has the "
                    "property less than 5,000 of them? Nothing else was sent; run the import again."
                )
            await asyncio.sleep(0.1)


def _referring(command: Command, picture: StorePicture) -> Command:
    """The command, referring to its picture by the id it has now."""
    assert isinstance(command, DefineExtra | ChangeExtra)
    picture_id = picture_digest(picture.staff.property_id, picture.large)
    return command.model_copy(update={"definition": _showing(command.definition, picture_id)})


def _showing(extra: OfferedT, picture_id: str | None) -> OfferedT:
    assert extra.picture is not None
    return extra.model_copy(update={"picture": extra.picture.model_copy(update={"picture_id": picture_id})})


async def _unhandled(extras: ExtrasStore, sent: dict[str, str]) -> list[str]:
    """The ids whose documents have not handled their message within the time-out."""
    missing = dict(sent)
    until = asyncio.get_running_loop().time() + HANDLED_WITHIN
    while missing:
        for name, message_id in list(missing.items()):
            stored = await extras.catalogue.load(name) or await extras.properties.load(name)
            if stored is not None and message_id in stored.handled:
                del missing[name]
        if asyncio.get_running_loop().time() > until:
            break
        await asyncio.sleep(0.1)
    return list(missing)


async def exported(store: Store, property_id: str | None = None, folder: Path | None = None) -> str:
    """The catalogue of one property, or of all, as a file that can be imported. Retired extras are left out.

    With a folder, the pictures are written into its `pictures`, and named by the file; else they are named by their
    ids, which only this system knows. Raises StoreUnavailableError.
    """
    extras = ExtrasStore(store)
    hotels = [
        hotel
        for hotel in await extras.properties.find(MOST, status=DEFINED)
        if property_id in (None, hotel.property_id)
    ]
    hotels.sort(key=lambda hotel: hotel.property_id)
    offered = list[dict[str, Any]]()
    for hotel in hotels:
        offered += _written(await extras.catalogue.find(MOST, property_id=hotel.property_id))
    if folder is not None:
        for entry in offered:
            await _write_picture(extras, entry, folder)
    document = {
        "properties": {hotel.property_id: _plain(hotel.definition) for hotel in hotels},
        "extras": offered,
    }
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=120)


async def _write_picture(extras: ExtrasStore, entry: dict[str, Any], folder: Path) -> None:
    picture_id = entry.get("picture", {}).get("picture_id")
    record = (await extras.pictures.get([picture_id])).get(picture_id) if picture_id else None
    if record is None:
        return
    named = f"{_PICTURES}/{picture_id}.webp"
    (folder / _PICTURES).mkdir(parents=True, exist_ok=True)
    (folder / named).write_bytes(record.content(PictureSize.LARGE))
    entry["picture"] = {"file": named, "alt": entry["picture"]["alt"]}


def _written(extras: Iterable[CatalogueExtra]) -> list[dict[str, Any]]:
    listed = sorted(extras, key=lambda extra: (extra.position, extra.extra_id))
    return [
        {"extra_id": extra.extra_id, "property_id": extra.property_id, **_plain(extra.definition)}
        for extra in listed
        if extra.status is ExtraStatus.OFFERED
    ]


def _plain(definition: ExtraDefinition | PropertyDefinition) -> dict[str, Any]:
    return definition.model_dump(mode="json", exclude_defaults=True)
