"""The OpenAPI document: what FastAPI reads from the routes, and what it cannot know."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from gateway.api.bodies import Accepted
from gateway.problem_types import PROBLEM_TYPES, Problem

_REFERENCE = "#/components/schemas/{model}"


def operation_id(route: APIRoute) -> str:
    """What a generated client calls an operation: the name of its function here."""
    return route.name


def document(app: FastAPI) -> None:
    """Let the app describe itself with problem documents, and with headers as they must be sent."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(described())
        return described()

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way: docs, "Extending OpenAPI"


def _complete(schema: dict[str, Any]) -> None:
    known = schema["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        known.pop(unused, None)
    for model in (Problem, Accepted):
        described = model.model_json_schema(ref_template=_REFERENCE)
        known.update(described.pop("$defs", {}))
        known[model.__name__] = described
    schema["components"]["examples"] = {
        name: {"summary": kind.title, "value": kind.example()} for name, kind in PROBLEM_TYPES.items()
    }
    for operations in schema["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "header":
                    # A missing one is answered by a problem of its own, so FastAPI believes that it may be left out.
                    parameter["required"] = True
                    parameter["schema"] = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
            for answer in operation["responses"].values():
                for media in answer.get("content", {}).values():
                    if media.pop("itemSchema", None):  # a word of OpenAPI 3.2, in a document that says 3.1
                        media["schema"] = {"type": "string"}
