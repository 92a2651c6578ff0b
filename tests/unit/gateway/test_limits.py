"""How much, how long, how often: each limit is a problem of its own, and what stays below it passes."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI, Request
from pydantic import SecretStr, ValidationError

from benchmarks.rates import microseconds
from chassis.errors import TransientError
from chassis.web import problems
from chassis.web.client_addresses import network_of
from chassis.web.problems import ProblemError
from chassis.web.request_bodies import BodyReaders
from chassis.web.request_limits import RequestLimits
from chassis.web.tokens import Operator, OperatorRole
from contracts.orders import Guest, Staff
from gateway.admission import FRESH, AdmissionControl
from gateway.rate_limits import AddressRate, Counts, RateLimits, StreamLimit
from gateway.settings import GatewaySettings
from tests.support import orders as given

MAX_BODY = 1000
SECONDS = 0.1


def _settings(**changes: Any) -> GatewaySettings:
    return GatewaySettings(
        amqp_url=SecretStr("amqp://localhost"),
        jwt_secret=SecretStr("x" * 32),
        jwt_issuer="tests",
        seal_keys=SecretStr(Fernet.generate_key().decode()),
        **changes,
    )


def _app() -> FastAPI:
    app = FastAPI()
    problems.install(app)

    @app.post("/length")
    async def length(request: Request) -> int:
        return len(await request.body())

    @app.get("/slow")
    async def slow() -> None:
        await asyncio.Event().wait()

    @app.get("/health/live")
    @app.get("/v1/extras")
    async def extras() -> str:
        return "extras"

    return app


def _http(app: Any, client: str = "203.0.113.7") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app, client=(client, 1)), base_url="http://gateway")


def _is_problem(answer: httpx.Response, status: int, name: str) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["type"] == f"urn:bellhop:problem:{name}"


async def _in_pieces(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"a" * size


# Body and time


async def test_a_path_may_have_a_limit_of_its_own() -> None:
    http = _http(RequestLimits(_app(), MAX_BODY, 5, {"/length": 2 * MAX_BODY}))

    assert (await http.post("/length", content=b"a" * 2 * MAX_BODY)).json() == 2 * MAX_BODY
    _is_problem(await http.post("/length", content=b"a" * (2 * MAX_BODY + 1)), 413, "body-too-large")
    _is_problem(await http.post("/v1/extras", content=b"a" * (MAX_BODY + 1)), 413, "body-too-large")


async def test_uploads_of_one_member_of_staff_are_limited_apart_from_their_other_requests() -> None:
    rates = RateLimits(_settings(picture_rate="2/minute"))
    hilde, petra = given.staff(), given.staff("kamogawa")
    for _ in range(2):
        await rates.uploader(hilde)

    with pytest.raises(ProblemError, match="2 per 1 minute"):
        await rates.uploader(hilde)

    await rates.uploader(petra)
    await rates.bearer(hilde)


@pytest.mark.parametrize("in_pieces", [False, True], ids=["of a known length", "in pieces"])
async def test_a_body_may_be_as_large_as_the_limit_and_no_larger(in_pieces: bool) -> None:
    http = _http(RequestLimits(_app(), MAX_BODY, 5))

    taken = await http.post("/length", content=_in_pieces(600, 400) if in_pieces else b"a" * MAX_BODY)
    refused = await http.post("/length", content=_in_pieces(600, 401) if in_pieces else b"a" * (MAX_BODY + 1))

    assert taken.json() == MAX_BODY
    _is_problem(refused, 413, "body-too-large")
    assert refused.headers["connection"] == "close"


@pytest.mark.parametrize("length", ["1001", "9" * 5000, "99999999999999"])
async def test_a_body_announced_as_too_large_is_not_read(length: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b""
        raise AssertionError("the body was read")

    http = _http(RequestLimits(_app(), MAX_BODY, 5))

    refused = await http.post("/length", content=endless(), headers={"Content-Length": length})

    _is_problem(refused, 413, "body-too-large")


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.Event().wait()

    answer = await _http(RequestLimits(_app(), MAX_BODY, SECONDS)).post("/length", content=stuck())

    _is_problem(answer, 408, "request-timeout")


async def test_a_body_that_gave_way_to_newer_ones_is_503_and_may_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.web.request_limits.BodyReaders", partial(BodyReaders, most_bytes=0))

    answer = await _http(RequestLimits(_app(), MAX_BODY, 5)).post("/length", content=_in_pieces(1, 1))

    _is_problem(answer, 503, "unavailable")
    assert (answer.headers["connection"], answer.headers["retry-after"]) == ("close", "2")


async def test_an_answer_that_does_not_come_is_503() -> None:
    answer = await _http(RequestLimits(_app(), MAX_BODY, SECONDS)).get("/slow")

    _is_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"]


async def test_an_answer_that_has_begun_may_go_on() -> None:
    async def stream(scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(2 * SECONDS)
        await send({"type": "http.response.body", "body": b"late"})

    assert (await _http(RequestLimits(stream, MAX_BODY, SECONDS)).get("/")).text == "late"


# Rates


async def test_an_address_may_ask_so_often_and_learns_when_to_come_back() -> None:
    app = AddressRate(_app(), RateLimits(_settings(address_rate="3/day")))

    answers = [await _http(app).get("/v1/extras") for _ in range(4)]
    other = await _http(app, "203.0.113.8").get("/v1/extras")
    health = await _http(app).get("/health/live")

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    _is_problem(answers[3], 429, "too-many-requests")
    assert 1 <= int(answers[3].headers["retry-after"]) <= 24 * 3600
    assert (other.status_code, health.status_code) == (200, 200)


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("", ""),
        ("not:an:address", ""),
        ("x" * 16384, ""),
    ],
)
def test_an_ipv6_client_has_a_whole_network_and_counts_once(client: str, network: str) -> None:
    assert network_of(client) == network


async def test_everyone_a_token_can_name_is_counted_by_themselves() -> None:
    rates = RateLimits(_settings(guest_rate="2/day"))
    anna = given.guest()
    others: list[Guest | Staff | Operator] = [
        given.guest("guest-bert"),
        given.guest(property_id="kamogawa"),
        Staff(staff_id=anna.guest_id, property_id=anna.property_id),
        Operator(role=OperatorRole.READER, operator_id=anna.guest_id),
    ]

    for who in [anna, *others] * 2:
        await rates.bearer(who)

    for who in [anna, *others]:
        with pytest.raises(ProblemError) as raised:
            await rates.bearer(who)
        assert raised.value.status == 429


async def test_two_guests_whose_names_run_together_are_counted_apart() -> None:
    rates = RateLimits(_settings(guest_rate="1/day"))

    await rates.bearer(given.guest("c", property_id="a/b"))
    await rates.bearer(given.guest("b/c", property_id="a"))


async def test_counting_costs_as_much_at_50_000_addresses_as_at_1_000() -> None:
    few, many = [min([await microseconds(addresses) for _ in range(3)]) for addresses in (1_000, 50_000)]

    assert many < 5 * few  # with the storage that the library brings: sixty times


async def test_counts_that_have_ended_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = RateLimits(_settings(address_rate="10/minute"))
    now = time.time()
    for number in range(100):
        await rates.address(f"203.0.113.{number}")

    monkeypatch.setattr("gateway.rate_limits.time", lambda: now + 300)
    await rates.address("203.0.113.200")

    assert len(_counts(rates).expirations) == len(_counts(rates).storage) == 1


async def test_counts_are_bounded_however_many_addresses_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.rate_limits.MOST_COUNTS", 50)
    rates = RateLimits(_settings(address_rate="10/minute"))

    for number in range(200):
        await rates.address(f"203.0.113.{number}")

    assert len(_counts(rates).expirations) == len(_counts(rates).storage) == 50


def _counts(rates: RateLimits) -> Counts:
    counts = rates._addresses.storage
    assert isinstance(counts, Counts)
    return counts


@pytest.mark.parametrize("name", ["address_rate", "guest_rate"])
@pytest.mark.parametrize("rate", ["", "many", "0", "5/fortnight", "-1/minute"])
def test_a_rate_that_is_none_stops_the_start(name: str, rate: str) -> None:
    with pytest.raises(ValidationError):
        _settings(**{name: rate})


# Live streams


def test_a_guest_may_have_so_many_streams_open_and_another_when_one_closes() -> None:
    streams = StreamLimit(2)
    anna, bert = given.guest(), given.guest("guest-bert")

    with streams.slot(anna), streams.slot(bert):
        with streams.slot(anna), pytest.raises(ProblemError) as raised, streams.slot(anna):
            pass
        with streams.slot(anna):
            pass

    assert (raised.value.status, raised.value.name) == (429, "too-many-live-streams")
    assert not streams._open


# Orders that wait


class Queue:
    """A queue of so many messages, and how often it was counted."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self.counted = 0
        self.is_away = False
        self.now = 100.0

    async def count(self) -> int:
        self.counted += 1
        if self.is_away:
            raise TransientError("the broker is away")
        return self.waiting


async def test_an_order_is_let_in_up_to_the_limit_and_refused_beyond_it() -> None:
    queue = Queue(waiting=10)
    backlog = AdmissionControl(queue.count, 10, now=lambda: queue.now)

    await backlog.admit("ord_1")
    queue.waiting, queue.now = 11, queue.now + 2 * FRESH
    with pytest.raises(ProblemError) as raised:
        await backlog.admit("ord_1")
    queue.waiting, queue.now = 10, queue.now + 2 * FRESH
    await backlog.admit("ord_1")

    assert (raised.value.status, raised.value.name) == (503, "too-many-orders-waiting")
    assert raised.value.headers == {"Retry-After": "5"}


async def test_the_queue_is_counted_once_a_second_however_many_order() -> None:
    queue = Queue(waiting=0)
    backlog = AdmissionControl(queue.count, 10, now=lambda: queue.now)

    await asyncio.gather(*(backlog.admit("ord_1") for _ in range(100)))

    assert queue.counted == 1


async def test_while_the_broker_does_not_say_how_many_wait_the_limit_is_off_and_readiness_says_so() -> None:
    queue = Queue(waiting=99)
    queue.is_away = True
    backlog = AdmissionControl(queue.count, 10, now=lambda: queue.now)

    await backlog.admit("ord_1")
    unknown = await backlog.check()
    queue.is_away, queue.now = False, queue.now + 2 * FRESH
    with pytest.raises(ProblemError):
        await backlog.admit("ord_1")

    assert unknown == "the limit of 10 waiting orders is off: the broker is away"
    assert await backlog.check() is None
