"""Preserves, at every level, the fields that a newer version wrote into a document when this one writes it.

A document is compared with this version's reading of it; fields missing there are unknown, and are restored beside
their former neighbours. Items of a list are matched by equality or by their ids.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_IDENTIFYING = ("_id", "_reference")
"""Suffixes of fields that identify an item: with another value it is another item."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A raw document and this version's reading of it."""

    raw: Mapping[str, Any]
    understood: Mapping[str, Any]


def origin_of(raw: Mapping[str, Any], understood: Mapping[str, Any]) -> Origin | None:
    """None when there is nothing unknown in it, which is the usual case."""
    if raw == understood:  # found ten times faster than by walking through both
        return None
    return Origin(raw, understood) if _has_unknown(raw, understood) else None


def with_unknown(document: dict[str, Any], origin: Origin | None) -> dict[str, Any]:
    """The document with the unknown fields of its origin."""
    if origin is None:
        return document
    whole = _with_fields(origin.raw, origin.understood, document)
    # Which document this is never changes, whatever references its state collects.
    state = _with_fields(origin.raw["state"], origin.understood["state"], document["state"])
    return whole | {"state": state}


def _has_unknown(raw: Any, understood: Any) -> bool:
    match raw, understood:
        case dict(), dict():
            return any(name not in understood or _has_unknown(value, understood[name]) for name, value in raw.items())
        case list(), list():
            return any(map(_has_unknown, raw, understood))
        case _:
            return False


def _merged(raw: Any, understood: Any, new: Any) -> Any:
    match raw, understood, new:
        case dict(), dict(), dict() if _is_same_thing(understood, new):
            return _with_fields(raw, understood, new)
        case list(), list(), list():
            return _merged_items(raw, understood, new)
        case _:
            return new


def _with_fields(raw: Mapping[str, Any], understood: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    unknown = {name: value for name, value in raw.items() if name not in understood}
    known = {
        name: _merged(raw[name], understood[name], value) if name in raw and name in understood else value
        for name, value in new.items()
    }
    return unknown | known


def _merged_items(raw: list[Any], understood: list[Any], new: list[Any]) -> list[Any]:
    left = list(range(min(len(raw), len(understood))))
    merged = list(new)
    partners: dict[int, int] = {}
    for is_partner in (_is_equal, _is_identified, _stands_there if len(understood) == len(new) else _never):
        for place, item in enumerate(new):
            if place in partners:
                continue
            found = next((old for old in left if is_partner((old, understood[old]), (place, item))), None)
            if found is not None:
                partners[place] = found
                left.remove(found)
    for place, old in partners.items():
        merged[place] = _merged(raw[old], understood[old], new[place])
    return merged


def _is_equal(old: tuple[int, Any], new: tuple[int, Any]) -> bool:
    return bool(old[1] == new[1])


def _is_identified(old: tuple[int, Any], new: tuple[int, Any]) -> bool:
    return any(name in _ids_of(new[1]) for name in _ids_of(old[1])) and _is_same_thing(old[1], new[1])


def _stands_there(old: tuple[int, Any], new: tuple[int, Any]) -> bool:
    return old[0] == new[0] and _is_same_thing(old[1], new[1])


def _never(_old: tuple[int, Any], _new: tuple[int, Any]) -> bool:
    return False


def _is_same_thing(old: Any, new: Any) -> bool:
    new_ids = _ids_of(new)
    return all(new_ids.get(name, value) == value for name, value in _ids_of(old).items())


def _ids_of(value: Any) -> dict[str, Any]:
    """An item's ids by name, without those that are still empty."""
    if not isinstance(value, dict):
        return {}
    return {name: field for name, field in value.items() if name.endswith(_IDENTIFYING) and field}
