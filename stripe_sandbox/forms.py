"""Stripe's form encoding: `metadata[order_id]=ord_1&expand[0]=latest_charge` into nested values, and typed reading."""

import re
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl

from stripe_sandbox.errors import Json, invalid, missing


def decode(text: str) -> Json:
    """Decode a query string or form body. `a[b]=1` is a mapping; `a[]=1` and `a[0]=1` are lists."""
    tree: Json = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        head, *rest = [part.rstrip("]") for part in name.split("[")]
        node, key = tree, head
        for part in rest:
            child = node.get(key)
            if not isinstance(child, dict):
                child = node[key] = {}
            node, key = child, part or str(len(child))
        node[key] = value
    return {key: _lists(value) for key, value in tree.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdecimal() for key in value):
        return [_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _lists(child) for key, child in value.items()}


def only(params: Json, known: Collection[str]) -> None:
    """Refuse parameters that the sandbox does not simulate, so that no caller relies on one that is ignored."""
    for name in params:
        if name not in known and name not in ("expand", "key"):
            raise invalid(f"Received unknown parameter: {name}", param=name, code="parameter_unknown")


def text(params: Json, name: str) -> str | None:
    """A string, or None when it is absent or emptied."""
    value = params.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise invalid(f"Invalid string: {name}", param=name)
    return value


def email(params: Json, name: str) -> str | None:
    """An e-mail address, or None when it is absent or emptied. The code: https://docs.stripe.com/error-codes."""
    value = text(params, name)
    if value is not None and not re.fullmatch(r"[!-?A-~]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+", value):
        raise invalid(f"Invalid email address: {value}", param=name, code="email_invalid")
    return value


def integer(params: Json, name: str, *, least: int, most: int = 99_999_999) -> int | None:
    """An integer between `least` and `most`, or None when absent."""
    value = params.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,18}", value):
        raise invalid(f"Invalid integer: {value}", param=name, code="parameter_invalid_integer")
    if not least <= int(value) <= most:
        message = f"{name} must be between {least} and {most}, not {value}."
        raise invalid(message, param=name, code="parameter_invalid_integer")
    return int(value)


def boolean(params: Json, name: str) -> bool:
    value = params.get(name, "false")
    if value not in ("true", "false"):
        raise invalid(f"Invalid boolean: {value}", param=name)
    return bool(value == "true")


def one_of(params: Json, name: str, allowed: Collection[str]) -> str | None:
    value = text(params, name)
    if value is not None and value not in allowed:
        raise invalid(f"Invalid {name}: must be one of {', '.join(allowed)}", param=name)
    return value


def mapping(params: Json, name: str) -> Json:
    """A nested mapping such as `payment_method_data[…]`, empty when absent."""
    value = params.get(name) or {}
    if not isinstance(value, dict):
        raise invalid(f"Invalid object: {name}", param=name)
    return value


def strings(params: Json, name: str) -> list[str]:
    """A list of strings, empty when absent."""
    value = params.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid(f"Invalid array: {name}", param=name)
    return value


def metadata(params: Json, before: Json) -> Json:
    """Metadata merged as Stripe merges it: an empty value deletes its key, an empty `metadata` deletes all."""
    if params.get("metadata") == "":
        return {}
    merged = before | mapping(params, "metadata")
    if not all(isinstance(value, str) and len(value) <= 500 for value in merged.values()) or len(merged) > 50:
        raise invalid("Metadata is at most 50 strings of at most 500 characters.", param="metadata")
    return {key: value for key, value in merged.items() if value != ""}


def required(value: Any, name: str) -> Any:
    if value is None:
        raise missing(name)
    return value


def currency(params: Json) -> str | None:
    """An ISO 4217 code, lower case as Stripe writes it."""
    value = text(params, "currency")
    if value is not None and not re.fullmatch(r"[A-Za-z]{3}", value):
        raise invalid(f"Invalid currency: {value}", param="currency")
    return value.lower() if value is not None else None
