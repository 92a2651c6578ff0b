"""One service is stopped: what needs it waits in its queue, and is done once it runs again."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.broker import Broker
from deploy.local.store import Store
from tests.support.guest import body, problem
from tests.support.system import ADAPTER, EXTRAS, PAYMENTS, System, system_on
from tests.support.waiting import until


@pytest.fixture(scope="module")
async def breakable(broker: Broker, store: Store) -> AsyncIterator[System]:
    """A system whose services these tests stop and start. Its gateway waits one second for a reply."""
    async with system_on(broker, store, reply_timeout=1.0) as system:
        yield system


async def test_an_order_waits_in_the_queue_while_the_extras_service_is_stopped(breakable: System) -> None:
    guest = breakable.guest()
    await breakable.parts[EXTRAS].stop()

    answer = await guest.place(key="early")
    reading = await guest.http.get(answer.headers["location"])
    waiting = await breakable.depth("extras.commands")
    await breakable.parts[EXTRAS].start()

    accepted = body(answer, 202)
    problem(reading, 503, "unavailable")
    assert waiting == 1
    order = await guest.sees(accepted["order_id"], status="pending_payment")
    assert (await guest.order(key="early"))["order_id"] == order["order_id"]
    assert await breakable.times_logged(accepted["order_id"], "orders.order-pending-payment.v1") == 1


@pytest.mark.parametrize("part", [PAYMENTS, ADAPTER])
async def test_a_session_asked_for_while_a_service_is_stopped_is_there_once_it_runs(
    breakable: System, part: str
) -> None:
    guest = breakable.guest()
    order_id = (await guest.order())["order_id"]
    await breakable.parts[part].stop()

    answer = await guest.ask_for_session(order_id)
    await breakable.parts[part].start()

    assert body(answer, 202)["order_id"] == order_id
    assert answer.headers["location"] == f"/v1/orders/{order_id}"
    session = await until(lambda: session_of(breakable, order_id), "the session is open")
    assert (await guest.session(order_id))["client_secret"] == session
    assert len(await breakable.intents(order_id)) == 1


async def session_of(system: System, order_id: str) -> str | None:
    document = await system.document(order_id)
    if document is None or document["state"]["session"] is None:
        return None
    [intent] = await system.intents(order_id)
    return str(intent["client_secret"])


async def test_a_payment_made_while_the_adapter_is_stopped_is_confirmed_by_the_psps_retry(breakable: System) -> None:
    guest = breakable.guest()
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)
    await breakable.parts[ADAPTER].stop()

    body(await breakable.pay(session), 200)
    await breakable.parts[ADAPTER].start()

    await guest.sees(order_id, status="confirmed", payment_status="paid")
