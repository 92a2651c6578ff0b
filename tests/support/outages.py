"""Servers of a test module's own, which may be killed without harm to other tests."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest

from deploy.local.broker import Broker, LocalBroker
from deploy.local.store import Store
from tests.support.containers import ContainerBroker, ContainerServer, broker_in, store_in
from tests.support.waiting import PATIENCE, until


@contextmanager
def frozen(broker: Broker) -> Iterator[None]:
    """The broker does nothing at all, and its connections stay open."""
    if not isinstance(broker, LocalBroker):
        pytest.skip("only a process of our own can be frozen")
    with frozen_process(broker.pid):
        yield


@contextmanager
def frozen_server(server: Broker | Store) -> Iterator[None]:
    """The server does nothing at all, and its connections stay open. A container is paused."""
    if isinstance(server, ContainerServer):
        with server.paused():
            yield
    else:
        with frozen_process(server.pid):
            yield


@contextmanager
def frozen_process(pid: int) -> Iterator[None]:
    """A process that does nothing at all, and whose connections stay open."""
    process = psutil.Process(pid)
    process.suspend()
    try:
        deadline = monotonic() + PATIENCE
        while process.status() != psutil.STATUS_STOPPED and monotonic() < deadline:
            sleep(0.01)
        yield
    finally:
        process.resume()


@contextmanager
def broker_to_kill(folder: Path, *, in_containers: bool) -> Iterator[Broker]:
    if os.environ.get("BELLHOP_AMQP_URL"):
        pytest.skip("BELLHOP_AMQP_URL is set: that broker is not ours to kill")
    with broker_in(folder, in_containers=in_containers) as server:
        yield server


async def until_streams_survive_a_kill(broker: Broker, folder: Path) -> None:
    """Wait until the broker has written down that it holds streams.

    RabbitMQ keeps the name of its stream coordinator in memory for some seconds after the first stream was made on a
    node; killed before, it never finds its streams again (measured on 3.10.8).
    """

    def written_down() -> bool:
        if isinstance(broker, ContainerBroker):
            return broker.has_written_down_its_streams()
        registers = list((folder / "broker").rglob("coordination/*/names.dets"))
        return not registers or any(b"rabbit_stream_coordinator" in register.read_bytes() for register in registers)

    await until(written_down, "the broker's streams would survive a kill")


@contextmanager
def store_to_kill(folder: Path, *, in_containers: bool) -> Iterator[Store]:
    if os.environ.get("BELLHOP_MONGODB_URL"):
        pytest.skip("BELLHOP_MONGODB_URL is set: that store is not ours to kill")
    with store_in(folder, in_containers=in_containers) as server:
        yield server
