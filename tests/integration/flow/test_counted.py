"""What a paid order costs on an otherwise idle system, and that nothing stands in line behind anything else."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from structlog.testing import capture_logs

from contracts.orders import ExtrasReply
from tests.support.guest import body
from tests.support.system import EXTRAS, PAYMENTS, System
from tests.support.waiting import until

FLOW = (
    "orders.place-order.v1",
    "orders.order-pending-payment.v1",
    "orders.start-payment.v1",
    "payments.create-payment-session.v1",
    "psp.create-psp-session.v1",
    "psp.psp-session-created.v1",
    "payments.payment-session-created.v1",
    "psp.psp-payment-succeeded.v1",
    "payments.payment-succeeded.v1",
    "orders.order-confirmed.v1",
    "receipts.receipt-issued.v1",
)
"""The commands and events of one paid order, in the order of docs/architecture.md."""
SWEPT = "psp.psp-events-swept.v1"
LOG_LINES = {"message.handled": 11, "webhook.handled": 3, "http.handled": 2}
"""One for each message that a service consumes, for each event of the PSP, and for each request of the guest."""
IN_FLIGHT = 64


async def test_a_paid_order_takes_thirteen_messages_nine_writes_and_sixteen_log_lines(
    own_system: Callable[[], Awaitable[System]],
) -> None:
    system = await own_system()
    guest = system.guest()
    await until(lambda: has_swept(system), "the first sweep of the PSP's events is over")
    swept = await system.messages_published("command", "event"), await system.state_writes()
    trips = await write_trips(system)

    with capture_logs() as lines:
        order_id = (await guest.order())["order_id"]
        body(await system.pay(await guest.session(order_id)), 200)
        # Not by asking the gateway: its queries would count as well.
        await until(lambda: is_confirmed(system, order_id), "the order is confirmed")
        log = await system.log_of(order_id, *FLOW)  # they are counted then, too: a bus does both in one step
        await until(lambda: is_logged(lines), "the webhooks of the PSP's other events are handled")

    assert log == Counter(FLOW)
    assert await system.messages_published("command", "event") - swept[0] == len(FLOW)
    clock = await system.counted(EXTRAS, "bellhop_messages_published", kind=ExtrasReply.wire_kind())  # at a start
    assert await system.messages_published("command", "event", "reply") - swept[0] - clock == 13
    assert await system.state_writes() - swept[1] == 9
    assert await write_trips(system) - trips == 9
    assert logged(lines) == LOG_LINES


async def test_every_message_of_an_action_carries_its_ids_and_its_cause(system: System) -> None:
    guest = system.guest()
    order_id = (await guest.order())["order_id"]
    body(await system.pay(await guest.session(order_id)), 200)
    await system.log_of(order_id, *FLOW)

    log = {m.type: m for m in await system.log() if order_id.encode() in m.body}

    assert {m.delivery_mode for m in log.values()} == {2}
    assert {m.content_type for m in log.values()} == {"application/json"}
    assert all(m.message_id and m.timestamp and m.app_id and m.headers["attempt"] == 1 for m in log.values())
    assert len({m.message_id for m in log.values()}) == len(FLOW)
    # One guest action, one correlation id: placing, starting to pay, and the PSP's report.
    actions = [FLOW[0:2], FLOW[2:7], FLOW[7:10]]
    for action in actions:
        assert len({log[kind].correlation_id for kind in action}) == 1
        for cause, effect in itertools.pairwise(action):
            assert log[effect].headers["causation_id"] == log[cause].message_id
    assert len({log[action[0]].correlation_id for action in actions}) == 3


async def test_many_sessions_are_opened_at_once(system: System) -> None:
    guest = system.guest()
    orders = await asyncio.gather(*(guest.order() for _ in range(IN_FLIGHT)))
    # Waiting for a crowd instead of measuring time: on a busy machine they arrive slowly, but they must be let in.
    system.opening.hold_until(IN_FLIGHT)

    async with system.faults(api={"latency_ms": 300}):
        answers = await asyncio.gather(*(guest.ask_for_session(order["order_id"]) for order in orders))

    assert [answer.status_code for answer in answers] == [201] * IN_FLIGHT
    secrets = {answer.json()["client_secret"] for answer in answers}
    assert len(secrets) == IN_FLIGHT
    assert system.opening.most > IN_FLIGHT // 4


async def write_trips(system: System) -> int:
    """Round trips that write, of the services that have documents."""
    counts = [await system.counted(part, "bellhop_store_round_trips", type="write") for part in (EXTRAS, PAYMENTS)]
    return sum(counts)


def logged(lines: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """The services' lines by their event, without those that a service does not write by default."""
    return Counter(
        line["event"] for line in lines if line["log_level"] != "debug" and not line["event"].startswith("sandbox.")
    )


async def is_logged(lines: Iterable[Mapping[str, Any]]) -> bool:
    return logged(lines) >= Counter(LOG_LINES)


async def has_swept(system: System) -> bool:
    """Whether the first sweep of the PSP's events is over, and counted: a document is ahead of the counters."""
    sweep = await system.documents["psp_sweeps"].find_one({})
    return bool(sweep and sweep["version"] == 2) and SWEPT in [message.type for message in await system.log()]


async def is_confirmed(system: System, order_id: str) -> bool:
    document = await system.document(order_id)
    return document is not None and document["state"]["status"] == "confirmed"
