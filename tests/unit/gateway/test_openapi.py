"""The OpenAPI document is current, names every problem there is, and its examples are what the API takes and gives."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from pydantic import BaseModel

from chassis.web.problem_types import PREFIX, PROBLEM_TYPES, Problem
from chassis.web.problems import _STATUS_OF_REASON, _UNPROCESSABLE
from contracts.answers import PaymentSession
from contracts.catalogue import StaffExtraView
from contracts.offers import ExtraView
from contracts.orders import OrderView, Reason
from contracts.properties import PropertyView
from gateway.api import examples
from gateway.api.schemas import CancelRequest, OrderRequest, RefundRequest, ReviewRequest
from tools.openapi_document import FILE, text

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())
NOT_OF_AN_OPERATION = {"no-such-page", "method-not-allowed"}


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


OPERATIONS = dict(operations())


def raised() -> Iterator[tuple[str, int, str]]:
    """Name, status and title of each problem that the sources of the gateway and of its HTTP edge make."""
    for file in (*ROOT.glob("gateway/**/*.py"), *ROOT.glob("chassis/web/*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "ProblemError":
                given = [part.value if isinstance(part, ast.Constant) else None for part in node.args[:3]]
                if isinstance(given[1], str):
                    yield given[1], int(str(given[0])), str(given[2])


def documented(operation: dict[str, Any]) -> set[str]:
    return {
        name
        for answer in operation["responses"].values()
        for name in answer["content"].get("application/problem+json", {}).get("examples", {})
    }


def test_the_file_is_what_the_gateway_says() -> None:
    assert FILE.read_text() == text(), "run python -m tools.openapi_document --write"


def test_every_problem_the_gateway_makes_is_a_known_type_with_that_status_and_title() -> None:
    made = {name: (status, title) for name, status, title in raised()}

    assert len(made) > 8
    assert made == {name: (PROBLEM_TYPES[name].status, PROBLEM_TYPES[name].title) for name in made}


@pytest.mark.parametrize("reason", Reason)
def test_every_refusal_is_a_known_type_with_its_status(reason: Reason) -> None:
    known = PROBLEM_TYPES[reason.replace("_", "-")]

    assert known.status == _STATUS_OF_REASON.get(reason, _UNPROCESSABLE)
    assert known.title == reason.replace("_", " ").capitalize()


def test_every_known_type_is_in_the_document_and_on_the_page() -> None:
    page = (ROOT / "docs" / "http-api.md").read_text()

    named = set().union(*(documented(operation) for operation in OPERATIONS.values()))

    assert named == set(PROBLEM_TYPES) - NOT_OF_AN_OPERATION
    assert [name for name in PROBLEM_TYPES if f"`{name}`" not in page] == []


PUBLIC = ("GET /v1/pictures/{picture_id}/{size}",)
"""An image in a page is asked for without a token."""


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_described_wants_a_token_and_shows_what_it_answers(name: str) -> None:
    operation = OPERATIONS[name]

    assert operation["description"]
    assert operation["tags"]
    assert operation.get("security", []) == ([] if name in PUBLIC else [{"token": []}])
    for status, answer in operation["responses"].items():
        for media in answer["content"].values():
            assert media["schema"].get("format") == "binary" or "example" in media or "examples" in media, (
                f"{name} {status} shows no example"
            )
            assert media["schema"], f"{name} {status} has no schema"


def examples_of_answers() -> Iterator[Any]:
    """Each example of an answer with its schema."""
    for name, operation in OPERATIONS.items():
        for status, answer in operation["responses"].items():
            for media in answer["content"].values():
                given = [DOCUMENT["components"]["examples"][used]["value"] for used in media.get("examples", {})]
                for example in [*given, *([media["example"]] if "example" in media else [])]:
                    yield pytest.param(media["schema"], example, id=f"{name} {status}")


@pytest.mark.parametrize(("schema", "example"), list(examples_of_answers()))
def test_an_example_of_an_answer_has_all_that_its_schema_requires_nulls_included(
    schema: dict[str, Any], example: Any
) -> None:
    validator = jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]})

    assert [error.message for error in validator.iter_errors(example)] == []


def test_the_document_says_where_it_is_served_whose_it_is_and_what_its_tags_mean() -> None:
    used = {tag for operation in OPERATIONS.values() for tag in operation["tags"]}

    assert DOCUMENT["servers"] == [{"url": "/", "description": "this gateway"}]
    assert DOCUMENT["info"]["license"]["identifier"] == "Apache-2.0"
    assert DOCUMENT["info"]["contact"]["name"]
    assert {tag["name"] for tag in DOCUMENT["tags"]} == used


def test_a_body_is_left_out_and_never_null() -> None:
    bodies = {name: operation["requestBody"] for name, operation in OPERATIONS.items() if "requestBody" in operation}

    required = {name: body.get("required", False) for name, body in bodies.items()}
    schemas = [
        media["schema"]
        for body in bodies.values()
        for name, media in body["content"].items()
        if not name.startswith("image/")
    ]
    optional = {f"POST /v1/orders/{{order_id}}/{what}" for what in ("approve", "cancel", "fulfil")}
    assert {name for name, is_required in required.items() if not is_required} == optional
    assert all("$ref" in schema for schema in schemas)


@pytest.mark.parametrize("name", sorted(set(PROBLEM_TYPES) - NOT_OF_AN_OPERATION))
def test_a_problem_example_is_a_problem(name: str) -> None:
    example = DOCUMENT["components"]["examples"][name]["value"]

    problem = Problem.model_validate(example)

    assert problem.type == PREFIX + name
    assert problem.status == PROBLEM_TYPES[name].status


@pytest.mark.parametrize(
    ("model", "example"),
    [
        (OrderView, examples.ORDER),
        (OrderView, examples.CONFIRMED),
        (OrderView, examples.CANCELLING),
        (OrderView, examples.FULFILLED),
        (OrderView, examples.REFUNDED),
        (ExtraView, examples.EXTRA),
        (PaymentSession, examples.SESSION),
        (StaffExtraView, examples.STAFF_EXTRA),
        (PropertyView, examples.PROPERTY),
        *(
            (model, example)
            for model in (OrderRequest, CancelRequest, RefundRequest, ReviewRequest)
            for example in DOCUMENT["components"]["schemas"][model.__name__]["examples"]
        ),
    ],
)
def test_an_example_is_what_the_api_takes_or_gives(model: type[BaseModel], example: dict[str, Any]) -> None:
    parsed = model.model_validate(example)

    assert example.keys() <= parsed.model_dump().keys()
    assert parsed.model_dump(mode="json", include=set(example)) == json.loads(json.dumps(example))
