"""Re-encodes pictures in a process of its own, one at a time."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chassis.errors import TransientError
from contracts.pictures import LARGEST_FILE, PictureRefusal

_SECONDS = 20.0
"""The longest a picture may take, on a loaded machine; the worker's own limit is processor time."""
_MOST_WAITING = 8


class PictureRefusedError(Exception):
    """The file cannot be a picture of the catalogue; the text is a sentence for the person who uploads it."""

    def __init__(self, why: PictureRefusal) -> None:
        self.why = why
        super().__init__(why.sentence)


class EncoderBusyError(TransientError):
    """More pictures wait than may wait, or one took too long."""


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """A picture as WebP without metadata."""

    large: bytes
    small: bytes


class PictureEncoder:
    """Encodes one picture at a time.

    Decoding foreign files is the likeliest hole in a service: the worker process has limits of memory and time, no
    environment and no connection, and its death is only a refused picture.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def encode(self, content: bytes) -> EncodedPicture:
        """Raises PictureRefusedError, and EncoderBusyError."""
        if len(content) > LARGEST_FILE:
            raise PictureRefusedError(PictureRefusal.TOO_LARGE)
        async with self._in_turn():
            worker = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-m", "chassis.pictures.worker"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={},
            )
            try:
                async with asyncio.timeout(_SECONDS):
                    answer, _ = await worker.communicate(content)
            except TimeoutError:
                raise EncoderBusyError(f"a picture took more than {_SECONDS:g} s") from None
            finally:
                if worker.returncode is None:
                    worker.kill()
                    await asyncio.shield(worker.wait())
        return _encoded(answer)

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        if self._waiting > _MOST_WAITING:
            raise EncoderBusyError("too many pictures are uploaded at once")
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1


def _encoded(answer: bytes) -> EncodedPicture:
    """The worker's answer. A file that killed it exceeded a limit or broke the decoder: it is no picture, either."""
    head, _, content = answer.partition(b"\n")
    said = json.loads(head or b'{"refused": "damaged"}')
    if "refused" in said:
        raise PictureRefusedError(PictureRefusal(said["refused"]))
    large, small = said["bytes"]
    return EncodedPicture(content[:large], content[large : large + small])
