"""`python -m tests.chaos.faulty <service>`: a service that dies, by SIGKILL, exactly where a test has armed it to.

The points are wrapped around production code from outside, here and nowhere else. A test arms one by writing a file
named `<service>.<point>` into the folder BELLHOP_CHAOS_FUSES that holds a number n: the n-th time the service gets
there, it removes the file and kills itself.
"""

import os
import runpy
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any
from unittest.mock import patch

from faststream.rabbit.message import RabbitMessage

from chassis.messaging.bus import Bus
from chassis.messaging.envelope import Envelope
from chassis.messaging.requests import RequestClient
from chassis.storage.stored_document import Stored
from chassis.storage.write_path import WritePath
from webhooks.dispatcher import Dispatcher
from webhooks.http import Said

FUSES = "BELLHOP_CHAOS_FUSES"


class Point(StrEnum):
    """Where a service may die."""

    WRITTEN = "written"
    """The document is written, nothing of its outbox is published."""
    PUBLISHED = "published"
    """Everything is published, the message that caused it is not acknowledged."""
    CALLED = "called"
    """A message is about to be published: whatever the PSP was asked before, it has done."""
    ASKED = "asked"
    """The gateway has published a guest's command, and has not answered the guest."""
    CLAIMED = "claimed"
    """An attempt to send a webhook is written down, and not made."""
    ANSWERED = "answered"
    """The receiver of a webhook has answered, and that is not written down."""


class Fuses:
    """The points a test has armed for one service."""

    def __init__(self, folder: Path, service: str) -> None:
        self._folder = folder
        self._service = service

    def file(self, point: Point) -> Path:
        return self._folder / f"{self._service}.{point}"

    def arm(self, point: Point, nth: int) -> None:
        draft = self.file(point).with_suffix(".new")
        draft.write_text(str(nth))
        draft.replace(self.file(point))

    def is_armed(self, point: Point) -> bool:
        return self.file(point).exists()

    def disarm(self) -> None:
        for point in Point:
            self.file(point).unlink(missing_ok=True)

    def reached(self, point: Point) -> None:
        """Called inside the service. Does not return when it is time."""
        if not self.is_armed(point):
            return
        left = int(self.file(point).read_text()) - 1
        if left > 0:
            self.arm(point, left)
            return
        self.file(point).unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def wrap(fuses: Fuses) -> None:
    """Put the points around the chassis of this process."""
    send_outbox, ack = WritePath._send_outbox, RabbitMessage.ack
    publish, request, post = Bus.publish, RequestClient._publish, Dispatcher._post

    async def sending(self: WritePath[Any, Any], stored: Stored[Any]) -> None:
        if stored.outbox:
            fuses.reached(Point.WRITTEN)
        await send_outbox(self, stored)

    async def acknowledging(self: RabbitMessage) -> None:
        if self.raw_message.exchange:  # queries come through the default exchange
            fuses.reached(Point.PUBLISHED)
        await ack(self)

    async def publishing(self: Bus, envelope: Envelope, **options: Any) -> None:
        if envelope.must_arrive:
            fuses.reached(Point.CALLED)
        await publish(self, envelope, **options)

    async def requesting(self: RequestClient, envelope: Envelope, timeout: float) -> None:  # noqa: ASYNC109
        await request(self, envelope, timeout)
        if envelope.must_arrive:
            fuses.reached(Point.ASKED)

    async def posting(self: Dispatcher, *args: Any) -> Said:
        fuses.reached(Point.CLAIMED)
        said = await post(self, *args)
        fuses.reached(Point.ANSWERED)
        return said

    patch.object(WritePath, "_send_outbox", sending).start()
    patch.object(Dispatcher, "_post", posting).start()
    patch.object(RabbitMessage, "ack", acknowledging).start()
    patch.object(Bus, "publish", publishing).start()
    patch.object(RequestClient, "_publish", requesting).start()


if __name__ == "__main__":
    service = sys.argv[1]
    wrap(Fuses(Path(os.environ[FUSES]), service))
    runpy.run_module(service, run_name="__main__", alter_sys=True)
