"""The running system against its own OpenAPI document: generated requests of every operation, sound and broken ones.

No answer is an error of ours, or has a status, media type, header, body or problem type that the document does not list
for that operation.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import given as each
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.guest import token
from tests.support.system import GATEWAY, System
from tools.openapi_document import described

EXAMPLES = 12
"""Requests of each operation, kind of caller and kind of data."""
CHECKS = [not_a_server_error, status_code_conformance, response_headers_conformance, response_schema_conformance]
DOCUMENT = described()


@dataclass
class Caller:
    """A client with a token or none, who knows one order at most."""

    base_url: str
    authorization: str | None
    order_id: str | None
    is_staff: bool
    seen: Counter[int] = field(default_factory=Counter)

    def drive(self) -> None:
        """Send generated requests of every operation and check every answer. Blocks: call it in a thread."""
        schema = schemathesis.openapi.from_dict(DOCUMENT)
        operations = [_sound(found) for found in schema.get_all_operations()]
        # What is cancelled can neither be fulfilled nor refunded.
        for operation in sorted(operations, key=lambda operation: operation.path.endswith("/cancel")):
            for mode in GenerationMode:
                self._operation(operation, mode)

    def _operation(self, operation: Any, mode: GenerationMode) -> None:
        if self.is_staff and operation.path == "/v1/staff/live":
            return  # it does not end for those whom it lets in; tests/browser/test_desk.py follows it
        watched = operation.path.endswith("/live")

        @settings(
            max_examples=EXAMPLES,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @each(case=operation.as_strategy(generation_mode=mode))
        def request(case: Case[Any]) -> None:
            # A stream of an order that is there would not end.
            if self.order_id and not watched and "order_id" in case.path_parameters:
                case.path_parameters["order_id"] = self.order_id
            self._ask(case)

        request()

    def _ask(self, case: Case[Any]) -> None:
        headers = {"Authorization": self.authorization} if self.authorization else {}
        answer = case.call(base_url=self.base_url, headers=headers, timeout=30)
        self.seen[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)
        _is_documented(case, answer)


def _sound(found: Any) -> Any:
    """The operation; a document that schemathesis cannot read raises."""
    return found.ok()


def _is_documented(case: Case[Any], answer: Any) -> None:
    """The problem types are not part of a schema, so no library checks them."""
    media = answer.headers["content-type"][0]
    if media != "application/problem+json":
        assert answer.status_code < 400, f"{answer.status_code} as {media}"
        return
    operation = DOCUMENT["paths"][case.operation.path][case.operation.method]
    listed = operation["responses"][str(answer.status_code)]["content"][media]["examples"]
    assert answer.json()["type"].rpartition(":")[2] in listed


@pytest.fixture(
    params=["no token", "a guest", "a guest with an order", "staff", "staff and a paid order", "an operator"]
)
async def caller(request: pytest.FixtureRequest, system: System) -> Caller:
    who = request.param
    guest = system.guest()
    order_id = (await guest.order())["order_id"] if "order" in who else None
    if order_id and "paid" in who:
        await system.pay(await guest.session(order_id))
        await guest.sees(order_id, status="confirmed")
    authorization = {
        "no token": None,
        "a guest": guest.http.headers["authorization"],
        "a guest with an order": guest.http.headers["authorization"],
        "staff": f"Bearer {token(role='staff', sub='rosa')}",
        "staff and a paid order": f"Bearer {token(role='staff', sub='rosa')}",
        "an operator": f"Bearer {token(role='operator', sub='olaf')}",
    }[who]
    return Caller(system.parts[GATEWAY].url, authorization, order_id, is_staff="staff" in who)


async def test_every_answer_is_one_the_document_knows(caller: Caller) -> None:
    await asyncio.to_thread(caller.drive)

    if caller.authorization is None:
        assert caller.seen[401] > 50
        assert not caller.seen[200] + caller.seen[201]
