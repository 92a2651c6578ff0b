"""A call to the broker ends its caller only by an error, and a caller that stops waiting does not end the call."""

import asyncio

import pytest
from aio_pika.exceptions import AMQPConnectionError
from yarl import URL

from chassis.messaging.amqp import ShieldedConnection, shielded


async def test_a_call_that_the_client_library_gives_up_fails_as_a_lost_connection_does() -> None:
    given_up = asyncio.get_running_loop().create_future()

    async def call() -> None:
        await given_up

    waiting = asyncio.create_task(asyncio.wait_for(shielded(call()), timeout=60))
    await asyncio.sleep(0)
    given_up.set_exception(asyncio.CancelledError())  # as aiormq closes a connection without a heartbeat

    with pytest.raises(AMQPConnectionError):
        await waiting


async def test_a_caller_that_is_cancelled_stops_waiting_and_the_call_goes_on() -> None:
    answer = asyncio.get_running_loop().create_future()
    answered = asyncio.Event()

    async def call() -> None:
        await answer
        answered.set()

    async def caller() -> None:
        await shielded(call())

    waiting = asyncio.create_task(caller())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    answer.set_result(None)

    await asyncio.wait_for(answered.wait(), timeout=60)


async def test_a_connection_that_cannot_be_opened_is_closed() -> None:
    connection = ShieldedConnection(URL("amqp://127.0.0.1:1/"))

    with pytest.raises(AMQPConnectionError):
        await connection.connect(timeout=60)

    assert connection.is_closed
