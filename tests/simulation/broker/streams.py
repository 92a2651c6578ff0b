"""Consumers of streams: each reads on from an offset, with a window of messages it has not acknowledged."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from tests.simulation.broker.messages import Held
from tests.simulation.broker.server import ServerChannel


class StreamReader:
    """What a channel has of a stream, as it has queues: acknowledging opens the window, nothing ever goes back."""

    is_exclusive = False

    def __init__(
        self,
        channel: ServerChannel,
        stream: str,
        begin: str | int | datetime,
        tag: str,
        prefetch: int,
        deliver: Callable[[str, int, Held], None],
    ) -> None:
        self.name = stream
        self._channel = channel
        self._messages = channel.broker.streams[stream]
        self._next = self._offset_of(begin)
        self._tag = tag
        self._left = prefetch
        self._deliver = deliver
        channel.consumers[tag] = (self, self)  # type: ignore[assignment]  # it is both to its channel
        channel.broker.readers.append(self.pump)
        self.pump()

    def _offset_of(self, begin: str | int | datetime) -> int:
        match begin:
            case "first":
                return 0
            case "last":
                return max(0, len(self._messages) - 1)
            case int():
                return begin
            case datetime():
                return bisect_left(self._channel.broker.arrived[self.name], begin.timestamp())
            case _:
                return len(self._messages)

    def pump(self) -> None:
        while self._left and self._next < len(self._messages) and self._channel.is_open:
            wire = self._messages[self._next]
            wire = replace(wire, headers={**wire.headers, "x-stream-offset": self._next})
            held = Held(wire, self._next)
            self._next += 1
            self._left -= 1
            self._channel.hand_over(held, self, self._deliver, self._tag)

    def acknowledge(self, _held: Held) -> None:
        self._left += 1
        self.pump()

    def give_back(self, _held: Held) -> None:
        """A stream keeps what it has."""

    def remove(self, _consumer: object) -> None:
        readers = self._channel.broker.readers
        if self.pump in readers:
            readers.remove(self.pump)
