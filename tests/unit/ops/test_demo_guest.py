"""A guest of the demo against a gateway that is late: it asks again, as a browser does."""

from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from client import ProblemError
from gateway.api import examples
from ops.demo.guest import Guest

LATER = {"Retry-After": "0"}
ACCEPTED = httpx.Response(202, json={"order_id": examples.ORDER_ID, "status": "accepted"}, headers=LATER)
BUSY = httpx.Response(503, json={"title": "Busy", "status": 503}, headers=LATER)


def guest_of(*answers: httpx.Response) -> tuple[Guest, list[httpx.Request]]:
    """A guest whose gateway gives these answers, and the requests that it gets."""
    rest, asked = iter(answers), list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return next(rest)

    def mint_token(*_: str | date) -> str:
        return "a.b.c"

    stack = SimpleNamespace(mint_token=mint_token, gateway_url="http://gateway", sandbox_url=None)
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return Guest("anna", "alpenhof", cast("Any", stack), http), asked


async def test_a_session_whose_result_is_late_is_asked_for_again() -> None:
    guest, asked = guest_of(ACCEPTED, BUSY, httpx.Response(201, json=examples.SESSION))

    session = await guest.open_payment(examples.ORDER_ID)

    assert session.client_secret == examples.SESSION["client_secret"]
    assert len(asked) == 3


async def test_an_order_is_pressed_again_with_the_key_of_the_first_press() -> None:
    guest, asked = guest_of(ACCEPTED, httpx.Response(201, json=examples.ORDER))

    await guest.order("alm-breakfast", 1)

    first, second = (request.headers["Idempotency-Key"] for request in asked)
    assert first == second


async def test_a_refusal_is_no_reason_to_ask_again() -> None:
    guest, asked = guest_of(httpx.Response(409, json={"title": "Gone", "status": 409}, headers=LATER))

    with pytest.raises(ProblemError):
        await guest.order("alm-breakfast", 1)

    assert len(asked) == 1
