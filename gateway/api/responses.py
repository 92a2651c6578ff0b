"""Responses of routes for the OpenAPI document: problem types by status, and examples."""

from typing import Any

from chassis.web.problem_types import MEDIA_TYPE, PROBLEM_TYPES
from gateway.api import examples

Responses = dict[int | str, dict[str, Any]]

OF_ANY_REQUEST = (
    "unauthorized",
    "wrong-role",
    "request-timeout",
    "body-too-large",
    "too-many-requests",
    "headers-too-large",
    "internal-error",
    "unavailable",
)
OF_AN_ORDER = (*OF_ANY_REQUEST, "invalid-request", "order-not-found")
WITH_A_BODY = ("malformed-request", "invalid-request")
WITH_A_KEY = ("idempotency-key-missing", "idempotency-key-invalid")

_RETRY_AFTER = {"description": "seconds after which to try again", "schema": {"type": "integer", "minimum": 1}}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string"}}},
    429: {"Retry-After": _RETRY_AFTER},
    503: {"Retry-After": _RETRY_AFTER},
}
_LOCATION = {"Location": {"description": "where the order is", "schema": {"type": "string"}}}

ACCEPTED: Responses = {
    202: {
        "description": "On its way: the reply is late, and the command will be carried out all the same.",
        "headers": {**_LOCATION, "Retry-After": _RETRY_AFTER},
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Accepted"},
                "example": {"order_id": examples.ORDER_ID, "status": "accepted"},
            }
        },
    }
}


def answers(status: int, description: str, example: Any, *, located: bool = False) -> Responses:
    """A success with an example."""
    headers = {"headers": _LOCATION} if located else {}
    content = {"application/json": {"example": example}}
    return {status: {"description": description, "content": content, **headers}}


def event_stream(description: str, example: str) -> Responses:
    """A stream of server-sent events, with an example."""
    return {200: {"description": description, "content": {"text/event-stream": {"example": example}}}}


def problems(*names: str) -> Responses:
    """The problems a route may answer with, by status. Each name must be one of `PROBLEM_TYPES`."""
    by_status: dict[int, dict[str, Any]] = {}
    for name in dict.fromkeys(names):
        by_status.setdefault(PROBLEM_TYPES[name].status, {})[name] = {"$ref": f"#/components/examples/{name}"}
    return {
        status: {
            "description": " or ".join(f"`{name}`" for name in shown),
            "headers": _HEADERS.get(status, {}),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": shown}},
        }
        for status, shown in sorted(by_status.items())
    }
