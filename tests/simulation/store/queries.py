"""MongoDB's queries and updates, as far as chassis/storage uses them. What it does not use is an error."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Document = dict[str, Any]

MISSING = object()


def value_at(document: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, or MISSING; of a list, the values in its elements."""
    if "." not in path:
        return document.get(path, MISSING)
    value: Any = document
    for name in path.split("."):
        if isinstance(value, list):
            value = [element.get(name) for element in value]
            continue
        if not isinstance(value, Mapping) or name not in value:
            return MISSING
        value = value[name]
    return value


def _comparing(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compared(value: Any, other: Any) -> bool:
        # Values of different types never compare: MongoDB's type bracketing.
        return value is not MISSING and value is not None and isinstance(value, type(other)) and compare(value, other)

    return compared


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$lt": _comparing(lambda value, other: value < other),
    "$lte": _comparing(lambda value, other: value <= other),
    "$gt": _comparing(lambda value, other: value > other),
    "$gte": _comparing(lambda value, other: value >= other),
    "$in": lambda value, others: value in others,
    "$ne": lambda value, other: value != other,
    "$exists": lambda value, wanted: (value is not MISSING) is wanted,
}


def matches(document: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    for path, condition in query.items():
        value = value_at(document, path)
        if isinstance(condition, Mapping):
            for name, operand in condition.items():
                if not _OPERATORS[name](value, operand):
                    return False
        elif not _equals(value, condition):
            return False
    return True


def _equals(value: Any, wanted: Any) -> bool:
    if isinstance(value, list) and not isinstance(wanted, list):
        return wanted in value
    if value is MISSING:
        return wanted is None
    return bool(value == wanted)


def updated(document: Document, update: Mapping[str, Any]) -> Document:
    """The document after an update by operators."""
    unknown = update.keys() - {"$set", "$unset", "$inc"}
    if unknown:
        raise NotImplementedError(f"the simulated store does not know {unknown}")
    new = dict(document)
    for path, value in update.get("$set", {}).items():
        _put(new, path, value)
    for path in update.get("$unset", {}):
        new.pop(path, None)
    for path, by in update.get("$inc", {}).items():
        new[path] = new.get(path, 0) + by
    return new


def _put(document: Document, path: str, value: Any) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        document[parent] = dict(document.get(parent, {}))
        document = document[parent]
    document[name] = value


def ordered(documents: Iterable[Document], order: list[tuple[str, int]]) -> list[Document]:
    """Sorted as MongoDB does: what is missing comes first."""
    found = list(documents)
    for path, direction in reversed(order):
        found.sort(key=lambda document: _sort_key(value_at(document, path)), reverse=direction < 0)
    return found


def _sort_key(value: Any) -> tuple[bool, Any]:
    return (False, 0) if value is MISSING or value is None else (True, value)


def projected(document: Document, projection: Mapping[str, Any] | None) -> Document:
    if projection is None:
        return document
    return {"_id": document["_id"]} | {name: document[name] for name in projection if name in document}
