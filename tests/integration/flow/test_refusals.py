"""What the gateway and the extras service will not do: each with a status, a stable type, a sentence, and no trace."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.support.guest import BREAKFAST, LATE_CHECKOUT, STAY_DAY, Guest, Json, problem, token
from tests.support.system import DEAD_QUEUES, System

UNKNOWN_ORDER = "ord_" + "a" * 26


@asynccontextmanager
async def leaving_no_trace(system: System) -> AsyncIterator[None]:
    """Nothing stored, nothing parked, nothing left waiting."""
    orders, parked = await system.order_count(), await system.parked()
    yield
    assert await system.order_count() == orders
    assert await system.parked() == parked
    assert await system.depth("extras.commands") == 0


REFUSED_ORDERS: dict[str, tuple[list[Json], str]] = {
    "an unknown extra": ([{"extra_id": "alm-unicorn", "quantity": 1}], "extra-unknown"),
    "quantity 0": ([BREAKFAST | {"quantity": 0}], "quantity-not-positive"),
    "a negative quantity": ([BREAKFAST | {"quantity": -1}], "quantity-not-positive"),
    "more than the limit": ([BREAKFAST | {"quantity": 7}], "quantity-over-limit"),
    "more than the limit over two lines": ([BREAKFAST | {"quantity": 4}] * 2, "quantity-over-limit"),
    "an absurd quantity": ([BREAKFAST | {"quantity": 10**40}], "quantity-over-limit"),
    "an extra of another hotel": ([{"extra_id": "kyo-late-checkout", "quantity": 1}], "extra-of-another-property"),
    "an inactive extra": ([{"extra_id": "alm-sleigh", "quantity": 1, "day": STAY_DAY}], "extra-inactive"),
    "two currencies": (
        [BREAKFAST, {"extra_id": "alm-lift-gift", "quantity": 1, "day": STAY_DAY}],
        "mixed-currencies",
    ),
    "a day before the stay": ([BREAKFAST | {"day": "2038-01-31"}], "day-outside-stay"),
    "a day after the stay": ([BREAKFAST | {"day": "2038-02-09"}], "day-outside-stay"),
    "no day where one is needed": ([{"extra_id": "alm-breakfast", "quantity": 1}], "day-outside-stay"),
    "no lines": ([], "no-lines"),
    "more lines than an order holds": ([LATE_CHECKOUT] * 51, "quantity-over-limit"),
}


@pytest.mark.parametrize("what", REFUSED_ORDERS)
async def test_an_order_that_breaks_a_rule_is_refused_with_its_reason(system: System, guest: Guest, what: str) -> None:
    lines, name = REFUSED_ORDERS[what]

    async with leaving_no_trace(system):
        answer = await guest.http.post("/v1/orders", json={"lines": lines}, headers={"Idempotency-Key": "k"})

    problem(answer, 422, name)


WRONG_SHAPES: dict[str, Json] = {
    "no lines at all": {},
    "lines that are no list": {"lines": "breakfast"},
    "a line without an extra": {"lines": [{"quantity": 1}]},
    "half a breakfast": {"lines": [BREAKFAST | {"quantity": 0.5}]},
    "a day that is no day": {"lines": [BREAKFAST | {"day": "tomorrow"}]},
    "a hundred and one lines": {"lines": [LATE_CHECKOUT] * 101},
}


@pytest.mark.parametrize("what", WRONG_SHAPES)
async def test_a_body_of_the_wrong_shape_is_refused_with_the_place(system: System, guest: Guest, what: str) -> None:
    async with leaving_no_trace(system):
        answer = await guest.http.post("/v1/orders", json=WRONG_SHAPES[what], headers={"Idempotency-Key": "k"})

    said = problem(answer, 422, "invalid-request")
    assert said["errors"][0]["pointer"].startswith("/body")


@pytest.mark.parametrize("content", [b"{", b'{"lines": [}', b"", b"\xff\xfe", b'{"lines": NaN}'])
async def test_a_body_that_is_no_json_is_refused(system: System, guest: Guest, content: bytes) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}

    async with leaving_no_trace(system):
        answer = await guest.http.post("/v1/orders", content=content, headers=headers)

    assert answer.status_code in (400, 422)
    problem(answer, answer.status_code, "malformed-request" if answer.status_code == 400 else "invalid-request")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (None, "idempotency-key-missing"),
        ("", "idempotency-key-invalid"),
        ("two words", "idempotency-key-invalid"),
        ("k" * 256, "idempotency-key-invalid"),
        ("schlüssel", "idempotency-key-invalid"),
    ],
)
async def test_an_order_needs_a_proper_idempotency_key(
    system: System, guest: Guest, key: str | None, name: str
) -> None:
    headers: dict[bytes, bytes] = {} if key is None else {b"Idempotency-Key": key.encode()}

    async with leaving_no_trace(system):
        answer = await guest.http.post("/v1/orders", json={"lines": [BREAKFAST]}, headers=headers)

    problem(answer, 400, name)


FOREIGN = "another-secret-of-another-issuer-of-32-bytes"
BAD_TOKENS: dict[str, tuple[str | None, int, str]] = {
    "none": (None, 401, "unauthorized"),
    "another scheme": ("Basic Z3Vlc3Q6Z3Vlc3Q=", 401, "unauthorized"),
    "no token": ("Bearer", 401, "unauthorized"),
    "nonsense": ("Bearer not.a.token", 401, "unauthorized"),
    "expired": (f"Bearer {token(exp=datetime.now(UTC) - timedelta(hours=1))}", 401, "unauthorized"),
    "without expiry": (f"Bearer {token(exp=None)}", 401, "unauthorized"),
    "another secret": (f"Bearer {token(secret=FOREIGN)}", 401, "unauthorized"),
    "another issuer": (f"Bearer {token(iss='another-issuer')}", 401, "unauthorized"),
    "another audience": (f"Bearer {token(aud='minibar')}", 401, "unauthorized"),
    "no hotel": (f"Bearer {token(property=None)}", 401, "unauthorized"),
    "no stay": (f"Bearer {token(stay_from='whenever')}", 401, "unauthorized"),
    "wrong role": (f"Bearer {token(role='staff')}", 403, "wrong-role"),
    "no role": (f"Bearer {token(role=None)}", 403, "wrong-role"),
}


@pytest.mark.parametrize("what", BAD_TOKENS)
async def test_no_order_is_placed_without_a_guests_token(system: System, what: str) -> None:
    authorization, status, name = BAD_TOKENS[what]
    http = system.browser(authorization)

    async with leaving_no_trace(system):
        answers = [
            await http.post("/v1/orders", json={"lines": [BREAKFAST]}, headers={"Idempotency-Key": "k"}),
            await http.get("/v1/orders"),
            await http.get("/v1/extras"),
            await http.post(f"/v1/orders/{UNKNOWN_ORDER}/payment-session"),
        ]
        if what != "wrong role":  # staff may look
            answers += [
                await http.get(f"/v1/orders/{UNKNOWN_ORDER}"),
                await http.get(f"/v1/orders/{UNKNOWN_ORDER}/live"),
            ]

    for answer in answers:
        problem(answer, status, name)
        assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_an_unsigned_token_is_not_believed(system: System) -> None:
    signed = token()
    _, claims, _ = signed.split(".")
    unsigned = f"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}."

    answer = await system.browser(f"Bearer {unsigned}").get("/v1/orders")

    problem(answer, 401, "unauthorized")


async def watch(guest: Guest, order_id: str) -> httpx.Response:
    """The answer to opening the live stream. A stream that opens is not read: it would not end."""
    async with guest.http.stream("GET", f"/v1/orders/{order_id}/live") as answer:
        if not answer.is_success:
            await answer.aread()
        return answer


BusGateway = Callable[[Guest, str], Awaitable[httpx.Response]]
OF_AN_ORDER: dict[str, BusGateway] = {
    "seeing it": lambda guest, order_id: guest.http.get(f"/v1/orders/{order_id}"),
    "paying it": lambda guest, order_id: guest.ask_for_session(order_id),
    "watching it": watch,
}


@pytest.mark.parametrize("what", OF_AN_ORDER)
@pytest.mark.parametrize("hotel", ["alpenhof", "kamogawa"])
async def test_another_guests_order_cannot_be_distinguished_from_one_that_never_was(
    system: System, guest: Guest, what: str, hotel: str
) -> None:
    order_id = (await guest.order())["order_id"]
    stranger = system.guest(hotel)

    async with leaving_no_trace(system):
        someone_elses = await OF_AN_ORDER[what](stranger, order_id)
        unknown = await OF_AN_ORDER[what](stranger, UNKNOWN_ORDER)

    seen, none = problem(someone_elses, 404, "order-not-found"), problem(unknown, 404, "order-not-found")
    assert seen | {"instance": None} == none | {"instance": None}
    assert set(someone_elses.headers) == set(unknown.headers)
    assert await system.intents(order_id) == []


async def test_a_guest_of_the_same_name_in_another_hotel_is_someone_else(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]
    namesake = system.browser(f"Bearer {token(sub=guest.guest_id, property='kamogawa')}")

    answer = await namesake.get(f"/v1/orders/{order_id}")

    problem(answer, 404, "order-not-found")


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/v1/nothing", 404, "no-such-page"),
        ("GET", "/v2/orders", 404, "no-such-page"),
        ("DELETE", "/v1/orders", 405, "method-not-allowed"),
        ("PUT", f"/v1/orders/{UNKNOWN_ORDER}", 405, "method-not-allowed"),
        ("GET", "/v1/orders/17", 422, "invalid-request"),
        ("POST", "/v1/orders/17/payment-session", 422, "invalid-request"),
    ],
)
async def test_what_the_api_does_not_have_is_a_problem_too(
    guest: Guest, method: str, path: str, status: int, name: str
) -> None:
    answer = await guest.http.request(method, path)

    problem(answer, status, name)


async def test_after_all_these_refusals_nothing_lies_in_the_dead_queues(system: System) -> None:
    parked = await system.parked()

    assert parked == dict.fromkeys(DEAD_QUEUES, 0)
