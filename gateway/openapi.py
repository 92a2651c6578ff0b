"""The OpenAPI document: FastAPI's, with additions that it cannot derive from the routes."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from chassis.web.problem_types import PROBLEM_TYPES, Problem
from gateway.api.schemas import Accepted

TAGS = [
    {"name": "guests", "description": "For guests: list extras, order, pay."},
    {"name": "guests and staff", "description": "One order, for its guest and for the staff of its property."},
    {"name": "staff", "description": "For the staff of a property."},
]

_REFERENCE = "#/components/schemas/{model}"


def operation_id(route: APIRoute) -> str:
    """The name of an operation in generated clients: the route function's name."""
    return route.name


def document(app: FastAPI) -> None:
    """Make the app's OpenAPI document describe its problem documents, and its headers as they must be sent."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(described(), app.routes)
        return described()

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way: docs, "Extending OpenAPI"


def _complete(schema: dict[str, Any], routes: Sequence[BaseRoute]) -> None:
    known = schema["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        known.pop(unused, None)
    for model in (Problem, Accepted):
        described = model.model_json_schema(ref_template=_REFERENCE)
        known.update(described.pop("$defs", {}))
        known[model.__name__] = described
    used = _examples_used(schema["paths"])
    schema["components"]["examples"] = {
        name: {"summary": kind.title, "value": kind.example()} for name, kind in PROBLEM_TYPES.items() if name in used
    }
    _restore_examples(schema["paths"], routes)
    for operations in schema["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "header":
                    # A missing one is answered with its own problem type, so FastAPI considers it optional.
                    parameter["required"] = True
                    parameter["schema"] = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
            for media in operation.get("requestBody", {}).get("content", {}).values():
                # An optional body is left out rather than sent as null: generated clients handle only that.
                if (known_as := _without_null(media["schema"])) is not None:
                    media["schema"] = known_as
                    operation["requestBody"]["required"] = False
            for answer in operation["responses"].values():
                for media in answer.get("content", {}).values():
                    if media.pop("itemSchema", None):  # a word of OpenAPI 3.2, in a document that says 3.1
                        media["schema"] = {"type": "string"}


def _examples_used(paths: Mapping[str, Any]) -> set[str]:
    return {
        name
        for operations in paths.values()
        for operation in operations.values()
        for answer in operation["responses"].values()
        for media in answer.get("content", {}).values()
        for name in media.get("examples", {})
    }


def _restore_examples(paths: Mapping[str, Any], routes: Sequence[BaseRoute]) -> None:
    """Restore each example as its route has it: FastAPI drops null values, also where they are required."""
    for route in iter_route_contexts(routes):
        if not isinstance(route.original_route, APIRoute) or not route.include_in_schema:
            continue
        for method in route.methods or ():
            described = paths[str(route.path)][method.lower()]["responses"]
            for status, answer in route.original_route.responses.items():
                for media, content in answer.get("content", {}).items():
                    if "example" in content:
                        described[str(status)]["content"][media]["example"] = content["example"]


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema of a nullable body without the null; None for any other schema."""
    match schema:
        case {"anyOf": [{"$ref": str(reference)}, {"type": "null"}]}:
            return {"$ref": reference}
        case _:
            return None
