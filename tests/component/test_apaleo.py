"""The connector to Apaleo before a stand-in of our own (tests/support/apaleo_stand_in.py), over HTTP on this machine.

Nothing here was tried against Apaleo itself.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import httpx
import pytest
import typer
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from chassis.runtime.background import Loop
from chassis.runtime.health import Check
from chassis.runtime.tracing import trace_id_of_order
from chassis.storage.retention import RetentionSweep
from connectors.apaleo import audit
from connectors.apaleo.api import ApaleoApi, ApaleoUnavailableError
from connectors.apaleo.app import create_app
from connectors.apaleo.booking import Booking, BusyError, ledgers_in, retention_of
from connectors.apaleo.folios import Entry, Folio, Target
from connectors.apaleo.ledger import Ledger
from connectors.apaleo.postings import AnyPosting
from connectors.apaleo.webhook import MAX_BODY
from contracts.ids import ReservationId
from contracts.webhooks import OrderData, WebhookReceipt
from tests.support.apaleo import (
    ORDER_ID,
    RESERVATION,
    SECRET,
    TERMS,
    body_of,
    euros,
    failed,
    line,
    order,
    payment,
    refund,
    send,
    settings_for,
)
from tests.support.apaleo_stand_in import CLIENT_SECRET, StandIn, StandInFolio
from tests.support.collector import kept_spans
from tests.support.fake_store import FakeStore
from tests.support.serving import Served
from tests.support.waiting import until
from webhooks.signing import new_secret

PAID = payment((0, 4800, 700), (1, 1250, 1900))
BACK = refund(2, (1, 250, 1900))


class OwnStore(FakeStore):
    """A store of the connector's own, as its process sees one."""

    async def sync_clock(self) -> None: ...

    def loop(self) -> Loop:
        return Loop("clock", 3600.0, self.sync_clock)

    def checks(self) -> dict[str, Check]:
        return {}

    def close(self) -> None: ...


@dataclass
class World:
    stand_in: StandIn
    store: OwnStore = field(default_factory=OwnStore)
    connector: Served | None = None

    async def serve(self, **settings: Any) -> "World":
        named = settings_for(self.stand_in, **settings)
        self.connector = Served("the connector", lambda: create_app(named, self.store.as_store()))
        await self.connector.start()
        return self

    async def send(self, said: OrderData | dict[str, Any] | str, **named: Any) -> httpx.Response:
        assert self.connector is not None
        return await send(self.connector.url, said, **named)

    async def books(self, *receipts: WebhookReceipt, **named: Any) -> int:
        return (await self.send(order(receipts), **named)).status_code


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    running = StandIn()
    await running.served.start()
    try:
        yield running
    finally:
        running.let_go.set()
        await running.served.stop()


@pytest.fixture
async def world(stand_in: StandIn) -> AsyncIterator[World]:
    built = World(stand_in)
    yield built
    if built.connector is not None:
        await built.connector.stop()


@pytest.fixture
def folio(stand_in: StandIn) -> StandInFolio:
    return stand_in.reservation(RESERVATION)


def is_booked_once(folio: StandInFolio, *, refunded: bool = False) -> bool:
    """Of PAID, and of BACK if it was refunded: each entry once, and the guest owes what they owed before."""
    counts = [len(each) for each in (folio.charges, folio.payments, folio.allowances, folio.refunds)]
    kept = Decimal("58.00") if refunded else Decimal("60.50")
    return counts == [2, 1, *([1, 1] if refunded else [0, 0])] and folio.balance == 0 and folio.charged == kept


async def test_a_payment_is_charged_line_by_line_and_paid_so_that_the_guest_owes_nothing_more(
    world: World, folio: StandInFolio
) -> None:
    await world.serve()

    assert await world.books(PAID) == 204

    assert is_booked_once(folio)
    first, second = folio.charges
    assert (first["name"], first["vatType"], first["serviceType"]) == ("Extra 0", "Reduced", "FoodAndBeverages")
    assert (second["name"], second["vatType"], second["serviceType"]) == ("Extra 1", "Normal", "Other")
    assert [each["receipt"] for each in (*folio.charges, *folio.payments)] == [
        "17/1 ord_k3v7",
        "17/2 ord_k3v7",
        "17 ord_k3v7",
    ]


async def test_a_refund_is_an_allowance_on_its_line_and_a_refund_that_moves_no_money(
    world: World, folio: StandInFolio
) -> None:
    await world.serve()
    await world.books(PAID)

    assert await world.books(PAID, BACK) == 204

    assert is_booked_once(folio, refunded=True)
    assert folio.allowances[0]["sourceChargeId"] == folio.charges[1]["id"]
    assert not [path for path, *_ in world.stand_in.posts if "/payments/" in path]  # which would refund a payment


async def test_a_refund_that_failed_is_charged_again_and_refunded_later(world: World, folio: StandInFolio) -> None:
    await world.serve()
    receipts = (PAID, BACK, failed(3, (1, 250, 1900)), refund(4, (0, 4800, 700), (1, 1250, 1900)))

    for number in range(1, 5):
        assert await world.books(*receipts[:number]) == 204
        assert folio.balance == 0

    assert folio.charged == 0
    assert len(folio.allowances) == 4  # one per charge that it takes back from


async def test_a_refund_that_comes_first_books_the_payment_before_it(world: World, folio: StandInFolio) -> None:
    await world.serve()

    assert await world.books(PAID, BACK) == 204
    assert await world.books(PAID) == 204

    assert is_booked_once(folio, refunded=True)


@pytest.mark.parametrize(("currency", "amount", "shown"), [("JPY", 500, "500"), ("KWD", 1250, "1.250")])
async def test_other_currencies_are_booked_in_their_minor_units(
    world: World, currency: str, amount: int, shown: str
) -> None:
    folio = world.stand_in.reservation(RESERVATION, currency=currency)
    await world.serve()

    assert await world.books(payment((0, amount, 700), currency=currency)) == 204

    assert (folio.charged, folio.balance) == (Decimal(shown), Decimal(0))


# Refused at the door


async def test_what_is_forged_or_old_is_refused_before_it_is_read(world: World, folio: StandInFolio) -> None:
    await world.serve()
    old = datetime.now(UTC) - timedelta(minutes=6)

    with capture_logs() as logged:
        assert (await world.send(order([PAID]), secret=new_secret())).status_code == 401
        assert (await world.send(order([PAID]), at=old)).status_code == 401
        for header in ("", "v1", "v1,%%%", "v1,a v1", "v9,abc", "v1,\xff"):
            headers = {"webhook-signature": header}
            assert (await world.send(order([PAID]), **headers)).status_code == 401

    assert folio.charges == []
    assert world.stand_in.tokens_issued == 0
    assert SECRET not in str(logged)


async def test_while_a_secret_is_replaced_both_are_taken(world: World, folio: StandInFolio) -> None:
    new = new_secret()
    await world.serve(apaleo_webhook_secret=f"{SECRET},{new}")

    assert await world.books(PAID) == 204
    assert await world.books(PAID, secret=new) == 204

    assert is_booked_once(folio)


async def test_a_body_that_is_too_large_is_refused(world: World) -> None:
    await world.serve()

    assert (await world.send("x" * (MAX_BODY + 1))).status_code == 413


@pytest.mark.parametrize("said", ["no JSON", '{"type": "order.confirmed"}', '{"type": "order.refunded", "data": 1}'])
async def test_a_signed_body_that_cannot_be_read_is_refused(world: World, said: str) -> None:
    await world.serve()

    assert (await world.send(said)).status_code == 422


@pytest.mark.parametrize("kind", ["order.changed", "order.cancelled", "order.approval_needed", "webhook.test", "new"])
async def test_what_moves_no_money_is_taken_and_ignored(world: World, kind: str) -> None:
    await world.serve()

    assert (await world.send({"type": kind, "data": {}})).status_code == 204
    assert world.stand_in.tokens_issued == 0


async def test_health_and_metrics_are_those_of_every_process(world: World, folio: StandInFolio) -> None:
    await world.serve()
    await world.books(PAID)
    await world.books(PAID)
    assert world.connector is not None

    async with httpx.AsyncClient(base_url=world.connector.url, trust_env=False) as http:
        ready, metrics = await http.get("/health/ready"), await http.get("/metrics")

    assert (ready.status_code, ready.json()["service"]) == (200, "apaleo-connector")
    for outcome in ("applied", "duplicate"):
        labels = f'kind="webhook",outcome="{outcome}",service="apaleo-connector"'
        assert f"bellhop_messages_handled_total{{{labels}}} 1.0" in metrics.text
    assert is_booked_once(folio)


# Refused by the books


async def test_a_rate_that_is_not_mapped_is_not_booked_and_the_log_names_it(world: World, folio: StandInFolio) -> None:
    await world.serve(apaleo_vat="1900:Normal")

    with capture_logs() as logged:
        assert await world.books(PAID) == 422

    assert folio.charges == []
    [said] = [each["error"] for each in logged if each["event"] == "booking.refused"]
    assert said == "the VAT rate 700 is not in BELLHOP_APALEO_VAT"


async def test_an_unknown_reservation_and_one_of_another_property_are_not_booked(world: World) -> None:
    await world.serve()
    with capture_logs() as logged:
        assert await world.books(PAID) == 422
        other = world.stand_in.reservation(RESERVATION, property_id="HAM")
        assert await world.books(PAID) == 422

    assert other.charges == []
    said = [each["error"] for each in logged if each["event"] == "booking.refused"]
    assert said == ["the reservation is unknown to Apaleo, or has no folio"] * 2


async def test_a_folio_in_another_currency_is_not_touched(world: World) -> None:
    other = world.stand_in.reservation(RESERVATION, currency="CHF")
    await world.serve()

    assert await world.books(PAID) == 422
    assert world.stand_in.posts == []
    assert other.charges == []


async def test_a_reservation_that_is_checked_out_is_booked_once_its_folio_is_open_again(
    world: World, folio: StandInFolio
) -> None:
    folio.is_closed = True
    await world.serve()
    assert await world.books(PAID) == 422

    folio.is_closed = False

    assert await world.books(PAID) == 204
    assert is_booked_once(folio)


async def test_a_folio_that_is_closed_between_payment_and_refund_takes_the_refund_when_it_is_open_again(
    world: World, folio: StandInFolio
) -> None:
    """Apaleo would repeat its refusal under the key of the first request."""
    await world.serve()
    await world.books(PAID)
    folio.is_closed = True
    assert await world.books(PAID, BACK) == 422

    folio.is_closed = False

    assert await world.books(PAID, BACK) == 204
    assert is_booked_once(folio, refunded=True)


async def test_a_closed_main_folio_gives_way_to_an_open_one(world: World) -> None:
    main = world.stand_in.reservation(RESERVATION, folios=2)
    main.is_closed = True
    await world.serve()

    assert await world.books(PAID) == 204

    assert is_booked_once(world.stand_in.folios[f"{RESERVATION}-2"])


async def test_hostile_names_are_booked_as_harmless_text(world: World, folio: StandInFolio) -> None:
    await world.serve()
    hostile = "../../x?y=1#<script>\r\nX-Evil: 1\x00\u202e" + "a" * 10_000
    lines = (line(0, euros(4800), 700, name={"en": hostile}), line(1, euros(1250), name={}))

    assert (await world.send(order([PAID], lines=lines))).status_code == 204

    assert folio.charges[0]["name"].startswith("../../x?y=1#<script> X-Evil: 1 aaa")
    assert len(folio.charges[0]["name"]) == 100
    assert folio.charges[1]["name"] == "Extras"


@pytest.mark.parametrize("reservation_id", ["../../account", "a&propertyIds=HAM", "a,b", "\r\nX: 1", "%2e%2e"])
async def test_a_hostile_reservation_finds_nothing(world: World, reservation_id: str, folio: StandInFolio) -> None:
    await world.serve()

    assert (await world.send(order([PAID], reservation_id=reservation_id))).status_code == 422
    assert folio.charges == []


# Booked once, whatever happens


async def test_a_webhook_that_comes_again_is_booked_once_also_days_later_under_another_id(
    world: World, folio: StandInFolio
) -> None:
    await world.serve()
    await world.books(PAID)
    calls = world.stand_in.calls

    assert await world.books(PAID) == 204
    world.stand_in.expire_keys()
    assert await world.books(PAID, webhook_id="msg_9") == 204

    assert is_booked_once(folio)
    assert world.stand_in.calls == calls  # the ledger knows


async def test_two_at_once_for_one_order_book_it_once(world: World, folio: StandInFolio) -> None:
    await world.serve()

    answers = await asyncio.gather(*(world.send(order([PAID])) for _ in range(4)))

    assert {each.status_code for each in answers} <= {204, 503}
    assert 204 in {each.status_code for each in answers}
    assert {each.headers["retry-after"] for each in answers if each.status_code == 503} <= {"5"}
    assert await world.books(PAID) == 204
    assert is_booked_once(folio)


async def test_two_orders_of_one_reservation_are_on_one_folio_and_do_not_mix(world: World, folio: StandInFolio) -> None:
    await world.serve()
    other = [payment((0, 900, 1900), number=30), refund(2, (0, 900, 1900), number=31)]

    assert await world.books(PAID) == 204
    assert (await world.send(order(other, order_id="ord_p2x9"))).status_code == 204
    assert await world.books(PAID, BACK) == 204

    assert (folio.charged, folio.balance) == (Decimal("58.00"), Decimal(0))
    charges = {each["id"]: each["receipt"] for each in folio.charges}
    assert [(each["reason"], charges[each["sourceChargeId"]]) for each in folio.allowances] == [
        ("31/1 ord_p2x9", "30/1 ord_p2x9"),
        ("18/1 ord_k3v7", "17/2 ord_k3v7"),
    ]


async def test_a_store_that_was_lost_does_not_book_again(world: World, folio: StandInFolio) -> None:
    """Restored from before, or emptied: the folio says what is on it."""
    await world.serve()
    await world.books(PAID, BACK)
    world.stand_in.expire_keys()
    world.store.of["apaleo_folios"].raw = {}

    assert await world.books(PAID, BACK) == 204

    assert is_booked_once(folio, refunded=True)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("fault", ["500", "500 after", "429"])
async def test_a_failure_of_apaleos_is_answered_503_and_the_next_attempt_goes_on(
    world: World, folio: StandInFolio, place: int, fault: str
) -> None:
    world.stand_in.faults = [*[""] * place, fault]
    await world.serve()

    answer = await world.send(order([PAID]))

    assert (answer.status_code, answer.headers.get("retry-after")) == (503, "7" if fault == "429" else None)
    assert await world.books(PAID) == 204
    assert is_booked_once(folio)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("expire", [False, True])
async def test_an_answer_that_never_comes_is_not_booked_twice(
    world: World, folio: StandInFolio, place: int, *, expire: bool
) -> None:
    world.stand_in.faults = [*[""] * place, "hang after"]
    await world.serve(apaleo_timeout=1.0)

    assert await world.books(PAID) == 503
    if expire:
        world.stand_in.expire_keys()

    async def is_taken() -> bool:  # not every attempt on a busy machine, perhaps
        return await world.books(PAID) == 204

    await until(is_taken, "it is booked")
    assert world.stand_in.faults == []
    assert is_booked_once(folio)


async def test_a_store_that_is_down_is_answered_503_and_nothing_is_posted(world: World, folio: StandInFolio) -> None:
    await world.serve()
    ledgers = ledgers_in(world.store)
    cast(Any, ledgers).away = True

    assert await world.books(PAID) == 503
    assert world.stand_in.posts == []

    cast(Any, ledgers).away = False
    assert await world.books(PAID) == 204
    assert is_booked_once(folio)


# Tokens


async def test_one_token_serves_until_it_is_withdrawn(world: World, folio: StandInFolio) -> None:
    await world.serve()
    await world.books(PAID)
    assert world.stand_in.tokens_issued == 1

    world.stand_in.withdraw_tokens()

    assert await world.books(PAID, BACK) == 204
    assert world.stand_in.tokens_issued == 2
    assert is_booked_once(folio, refunded=True)


async def test_a_token_is_replaced_before_it_ends(world: World, folio: StandInFolio) -> None:
    world.stand_in.token_lifetime = 0
    await world.serve()

    assert await world.books(PAID) == 204

    assert world.stand_in.tokens_issued == 4  # one per call: the folios, two charges, a payment
    assert is_booked_once(folio)


@pytest.mark.parametrize("switch", ["refuses_tokens", "lacks_scopes"])
async def test_a_client_without_rights_is_an_outage_that_the_log_explains(
    world: World, folio: StandInFolio, switch: str
) -> None:
    setattr(world.stand_in, switch, True)
    await world.serve()

    with capture_logs() as logged:
        assert await world.books(PAID) == 503
    setattr(world.stand_in, switch, False)

    assert await world.books(PAID) == 204
    assert is_booked_once(folio)
    said = [each["error"] for each in logged if each["event"] == "booking.unfinished"]
    assert "BELLHOP_APALEO_CLIENT_ID" in said[0] or "rights" in said[0]


async def test_no_log_line_names_the_guest_the_reservation_or_a_secret(world: World, folio: StandInFolio) -> None:
    await world.serve()
    world.stand_in.faults = ["500"]

    with capture_logs() as logged:
        await world.books(PAID)
        await world.books(PAID)
        folio.is_closed = True
        await world.books(PAID, BACK)

    assert {each["event"] for each in logged} >= {"booking.unfinished", "booking.done", "booking.refused"}
    for hidden in ("guest-anna", RESERVATION, SECRET, CLIENT_SECRET, "Extra 0", "Bearer"):
        assert hidden not in str(logged)


async def test_what_is_stored_says_nothing_of_the_guest(world: World, folio: StandInFolio) -> None:
    await world.serve()
    await world.books(PAID, BACK)

    stored = str(world.store.raw)

    assert "ord_k3v7" in stored
    for hidden in ("guest-anna", RESERVATION, folio.charges[0]["id"], "Extra 0"):
        assert hidden not in stored


# Killed


class KilledError(BaseException):
    """The process has gone: nothing after it happens, whatever waits for it."""


class Mortal:
    """Stands before the store and Apaleo. The n-th call has its effect, and its caller never learns of it."""

    def __init__(self, real: Any, life: "Life") -> None:
        self._real = real
        self._life = life

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **named: Any) -> Any:
            self._life.require()
            done = await getattr(self._real, name)(*args, **named)
            self._life.spend()
            return done

        return call


@dataclass
class Life:
    left: int

    def require(self) -> None:
        if self.left <= 0:
            raise KilledError

    def spend(self) -> None:
        self.left -= 1
        self.require()


@dataclass
class Bench:
    """The booking without its HTTP, over a store and a clock that tests hold."""

    stand_in: StandIn
    store: OwnStore = field(default_factory=OwnStore)
    now: datetime = datetime(2027, 2, 3, tzinfo=UTC)
    api: ApaleoApi = field(init=False)

    def __post_init__(self) -> None:
        self.api = ApaleoApi.of(settings_for(self.stand_in, apaleo_timeout=10.0))

    def booking(self, life: Life | None = None) -> Booking:
        ledgers: Any = ledgers_in(self.store)
        if life is None:
            return Booking(ledgers, self.api, TERMS, lambda: self.now, 30.0)
        return Booking(
            cast(Any, Mortal(ledgers, life)), cast(Any, Mortal(self.api, life)), TERMS, lambda: self.now, 30.0
        )


@pytest.fixture
async def bench(stand_in: StandIn) -> AsyncIterator[Bench]:
    built = Bench(stand_in)
    yield built
    await built.api.close()


CALLS_OF_A_PAYMENT, CALLS_OF_A_REFUND = 13, 11
"""Look at the ledger, hold it, look at the folios (and their refunds); then begin, post and write down; and let go."""


@pytest.mark.parametrize("expire", [False, True], ids=["keys live", "keys expired"])
@pytest.mark.parametrize("calls", range(1, CALLS_OF_A_PAYMENT + 1))
async def test_a_process_that_is_killed_after_any_call_of_a_payment_books_it_once(
    bench: Bench, folio: StandInFolio, calls: int, *, expire: bool
) -> None:
    with pytest.raises(KilledError):
        await bench.booking(Life(calls)).book(order([PAID]))
    bench.now += bench.booking().held_for
    if expire:
        bench.stand_in.expire_keys()

    await bench.booking().book(order([PAID]))

    assert is_booked_once(folio)


@pytest.mark.parametrize("expire", [False, True], ids=["keys live", "keys expired"])
@pytest.mark.parametrize("calls", range(1, CALLS_OF_A_REFUND + 1))
async def test_a_process_that_is_killed_after_any_call_of_a_refund_books_it_once(
    bench: Bench, folio: StandInFolio, calls: int, *, expire: bool
) -> None:
    await bench.booking().book(order([PAID]))
    with pytest.raises(KilledError):
        await bench.booking(Life(calls)).book(order([PAID, BACK]))
    bench.now += bench.booking().held_for
    if expire:
        bench.stand_in.expire_keys()

    await bench.booking().book(order([PAID, BACK]))

    assert is_booked_once(folio, refunded=True)


async def test_the_numbers_of_calls_above_are_all_there_are(bench: Bench, folio: StandInFolio) -> None:
    assert await bench.booking(Life(CALLS_OF_A_PAYMENT + 1)).book(order([PAID])) == 3
    assert await bench.booking(Life(CALLS_OF_A_REFUND + 1)).book(order([PAID, BACK])) == 2

    assert is_booked_once(folio, refunded=True)


async def test_a_dead_attempt_holds_the_order_for_the_time_of_an_attempt_and_no_longer(
    bench: Bench, folio: StandInFolio
) -> None:
    with pytest.raises(KilledError):
        await bench.booking(Life(5)).book(order([PAID]))

    bench.now += bench.booking().held_for - timedelta(seconds=1)
    with pytest.raises(BusyError):
        await bench.booking().book(order([PAID]))
    bench.now += timedelta(seconds=1)
    await bench.booking().book(order([PAID]))

    assert is_booked_once(folio)


async def test_an_attempt_whose_ledger_was_taken_over_posts_nothing_more(bench: Bench, folio: StandInFolio) -> None:
    """It was slower than it may be: another one has the order, and has booked it."""

    class Slow:
        async def folios(self, reservation_id: str, property_id: str) -> tuple[Folio, ...]:
            found = await bench.api.folios(reservation_id, property_id)
            bench.now += bench.booking().held_for
            await bench.booking().book(order([PAID]))
            return found

        async def refunds(self, folio_id: str) -> tuple[Entry, ...]:
            return await bench.api.refunds(folio_id)

        async def post(self, posting: AnyPosting, target: Target, key: str) -> str:
            return await bench.api.post(posting, target, key)

    slow = Booking(ledgers_in(bench.store), Slow(), TERMS, lambda: bench.now, 30.0)

    with pytest.raises(BusyError):
        await slow.book(order([PAID]))

    assert is_booked_once(folio)


def test_a_webhook_of_the_largest_order_fits() -> None:
    parts = [(number, 100, 1900) for number in range(100)]
    history = [payment(*parts), *(refund(2 + number, (number, 100, 1900)) for number in range(100))]

    assert len(body_of(order(history)).encode()) < MAX_BODY / 4


async def test_a_webhook_is_a_span_of_the_orders_trace_without_the_guest(world: World, folio: StandInFolio) -> None:
    await world.serve()
    with kept_spans() as kept:
        assert await world.books(PAID) == 204
        assert (await world.send(order([PAID]), secret=new_secret())).status_code == 401

    booked, forged = kept.get_finished_spans()
    assert booked.name == forged.name == "POST /webhooks"
    assert f"{booked.context.trace_id:032x}" == trace_id_of_order(ORDER_ID) != f"{forged.context.trace_id:032x}"
    assert RESERVATION not in booked.to_json()
    assert is_booked_once(folio)


@dataclass
class Auditor:
    """Runs the comparison as an operator does, on what `bellhop webhooks export` would print."""

    stand_in: StandIn

    async def says(self, *orders: OrderData | str, words: tuple[str, ...] = ()) -> Result:
        text = "".join(f"{each if isinstance(each, str) else each.model_dump_json()}\n" for each in orders)
        named = settings_for(self.stand_in)
        env = {
            "BELLHOP_APALEO_URL": self.stand_in.url,
            "BELLHOP_APALEO_IDENTITY_URL": self.stand_in.url,
            "BELLHOP_APALEO_CLIENT_ID": named.apaleo_client_id,
            "BELLHOP_APALEO_CLIENT_SECRET": named.apaleo_client_secret.get_secret_value(),
            "BELLHOP_APALEO_WEBHOOK_SECRET": SECRET,
            "BELLHOP_APALEO_PROPERTIES": named.apaleo_properties,
            "BELLHOP_APALEO_VAT": named.apaleo_vat,
            "BELLHOP_MONGODB_URL": named.mongodb_url.get_secret_value(),
        }
        command = typer.Typer()
        command.command()(audit.main)
        ran = await asyncio.to_thread(CliRunner().invoke, command, list(words), input=text, env=env)
        assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
        return ran


@pytest.fixture
async def auditor(bench: Bench, folio: StandInFolio, monkeypatch: pytest.MonkeyPatch) -> Auditor:
    assert folio.balance == 0
    await bench.booking().book(order([PAID]))
    await bench.booking().book(order([PAID, BACK]))
    monkeypatch.setattr(audit, "_PAUSES", (0.0, 0.0))
    return Auditor(bench.stand_in)


def settled(about: OrderData) -> OrderData:
    """Its receipts are old enough for the audit."""
    old = datetime(2026, 1, 1, tzinfo=UTC)
    receipts = tuple(each.model_copy(update={"issued_at": old}) for each in about.receipts)
    return about.model_copy(update={"receipts": receipts})


ALL_BOOKED = order([PAID, BACK])


async def test_the_audit_finds_nothing_where_all_is_booked(auditor: Auditor, folio: StandInFolio) -> None:
    calls = auditor.stand_in.calls

    ran = await auditor.says(settled(ALL_BOOKED), "")

    assert (ran.exit_code, ran.stdout) == (0, "1 orders compared: 0 differ from their receipts.\n")
    assert auditor.stand_in.calls - calls == 2  # the folios, and the refunds on the one
    assert is_booked_once(folio, refunded=True)


async def test_the_audit_names_what_staff_removed_and_what_may_still_come(
    auditor: Auditor, folio: StandInFolio
) -> None:
    folio.refunds.clear()

    old, young = await auditor.says(settled(ALL_BOOKED)), await auditor.says(ALL_BOOKED)

    said = "ord_k3v7 receipt 18: the refund 18 of 2.50 EUR is on no folio"
    assert (old.exit_code, old.stdout.splitlines()[0]) == (1, said)
    assert (young.exit_code, young.stdout.splitlines()[0]) == (0, f"{said} yet")
    assert "0 differ from their receipts; 1 lack an entry that may still be on its way." in young.stdout


async def test_what_others_wrote_on_a_folio_cannot_write_to_the_terminal(auditor: Auditor, folio: StandInFolio) -> None:
    folio.payments.append({**folio.payments[0], "receipt": f"\x1b[2J\n{'9' * 999} {ALL_BOOKED.order_id}"})

    ran = await auditor.says(settled(ALL_BOOKED))

    [line, _] = ran.stdout.splitlines()
    assert line.startswith("ord_k3v7: no receipt asks for the payment  [2J 999")
    assert len(line) < 300


async def test_programs_can_read_the_audit(auditor: Auditor, folio: StandInFolio) -> None:
    folio.payments.clear()

    ran = await auditor.says(settled(ALL_BOOKED), words=("--json",))

    [line] = ran.stdout.splitlines()
    assert json.loads(line) == {
        "order_id": "ord_k3v7",
        "receipt": 17,
        "said": "the payment 17 of 60.50 EUR is on no folio",
        "is_recent": False,
    }
    assert ran.stderr.startswith("1 orders compared: 1 differ")


async def test_an_unknown_reservation_differs_and_one_that_was_forgotten_does_not(auditor: Auditor) -> None:
    unknown = settled(order([PAID], reservation_id=ReservationId("NOWHERE-1")))
    forgotten = unknown.model_copy(update={"guest_id": "erased_7", "reservation_id": "erased_7"})

    ran = await auditor.says(unknown, forgotten)

    assert ran.exit_code == 1
    assert ran.stdout.splitlines() == [
        "ord_k3v7 receipt 17: the reservation is unknown to Apaleo, or has no folio",
        "1 orders compared: 1 differ from their receipts; 1 more have forgotten their guest, and have no reservation "
        "to look at.",
    ]


async def test_the_audit_asks_again_and_says_when_it_did_not_come_to_its_end(auditor: Auditor) -> None:
    auditor.stand_in.lacks_scopes = True

    ran = await auditor.says(settled(ALL_BOOKED))

    assert ran.exit_code == 2
    assert ran.stderr.startswith("Not compared to the end, only 0 orders were: Apaleo answered 403")


@pytest.mark.parametrize("line", ["no JSON", "[]", '{"order_id": "ord_1"}', '{"a": ' * 5000])
async def test_a_line_that_is_no_order_is_named_and_ends_the_audit(auditor: Auditor, line: str) -> None:
    ran = await auditor.says(settled(ALL_BOOKED), line)

    assert ran.exit_code == 2
    assert ran.stderr == "Line 2 is not an order as `bellhop webhooks export` prints it.\n"


async def test_a_file_that_is_not_there_is_said(auditor: Auditor) -> None:
    ran = await auditor.says(words=("/nowhere/orders.jsonl",))

    assert ran.exit_code == 2
    assert ran.stderr.startswith("/nowhere/orders.jsonl cannot be read: ")


class TestRetention:
    """Ledgers are deleted by age, and the folio alone still keeps everything from being booked twice."""

    KEEP_FOR = timedelta(days=30)

    def sweep(self, bench: Bench) -> RetentionSweep[Ledger]:
        return retention_of(ledgers_in(bench.store), self.KEEP_FOR, lambda: bench.now)

    async def test_it_goes_when_its_last_attempt_is_old_enough(self, bench: Bench, folio: StandInFolio) -> None:
        await bench.booking().book(order([PAID]))
        bench.now += self.KEEP_FOR
        assert await self.sweep(bench).sweep() == 0
        await bench.booking().book(order([PAID, BACK]))  # an attempt like the first: the time counts from here
        bench.now += self.KEEP_FOR
        assert await self.sweep(bench).sweep() == 0

        bench.now += timedelta(seconds=1)

        assert await self.sweep(bench).sweep() == 1
        bench.stand_in.expire_keys()
        posts = len(bench.stand_in.posts)
        assert await bench.booking().book(order([PAID, BACK])) == 0
        assert len(bench.stand_in.posts) == posts
        assert is_booked_once(folio, refunded=True)

    async def test_it_stays_while_a_posting_was_asked_for_and_is_not_known_to_be_booked(
        self, bench: Bench, folio: StandInFolio
    ) -> None:
        bench.stand_in.faults = ["500"]
        with pytest.raises(ApaleoUnavailableError):
            await bench.booking().book(order([PAID]))
        bench.now += 2 * self.KEEP_FOR

        assert await self.sweep(bench).sweep() == 0

        await bench.booking().book(order([PAID]))
        assert is_booked_once(folio)

    async def test_without_the_setting_nothing_is_deleted(self, bench: Bench, folio: StandInFolio) -> None:
        await bench.booking().book(order([PAID]))
        bench.now += timedelta(days=3650)

        assert retention_of(ledgers_in(bench.store), None, lambda: bench.now).loops() == ()
        assert is_booked_once(folio)
