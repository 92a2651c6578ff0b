"""`python -m tests.chaos.pms --port N --secret FILE --taken FILE`: a receiver of webhooks in a process of its own.

It stands for another system of the hotel, and knows nothing of Bellhop but `standardwebhooks` and its secret. Each
request is a line of `--taken`, written through to the disk before the answer. One in four of those that it can verify
is answered badly when it first comes: refused, or stored and then answered with an error, too late, or not at all.
"""

import argparse
import json
import os
import time
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

from standardwebhooks import Webhook, WebhookVerificationError

HOST = "127.0.0.1"
LONGER_THAN_ANY_PATIENCE = 6.0
"""Seconds."""


class Fate(StrEnum):
    """What becomes of a request."""

    TAKEN = "taken"
    REFUSED = "refused"
    """Answered with 500, and not stored."""
    DENIED = "denied"
    """Stored, and answered with 500 all the same."""
    LATE = "late"
    """Stored, and answered when no sender waits any more."""
    TORN = "torn"
    """Stored, and the connection ends without an answer."""
    FORGED = "forged"
    """Its signature is wrong: answered with 401."""


_AT_FIRST = (Fate.REFUSED, Fate.DENIED, Fate.LATE, Fate.TORN)
_ONE_IN = 4


class Book:
    """What came, the oldest first: one line each, kept over all lives of the process."""

    def __init__(self, path: Path, secret: Path) -> None:
        self._path, self._secret = path, secret
        self._lock = Lock()
        self._known = {entry["id"] for entry in read(path)}

    def receive(self, headers: dict[str, str], body: bytes) -> Fate:
        """Verify it, write it down, and decide what is answered."""
        webhook_id = headers.get("webhook-id", "")
        try:
            Webhook(self._secret.read_text()).verify(body, headers)
        except (WebhookVerificationError, OSError) as error:
            self._write({"id": webhook_id, "fate": Fate.FORGED, "why": str(error)})
            return Fate.FORGED
        with self._lock:
            # The first is a test by which the operator sees whether it answers.
            turn, odd = divmod(len(self._known), _ONE_IN)
            is_bad = webhook_id not in self._known and odd == 1
            fate = _AT_FIRST[turn % len(_AT_FIRST)] if is_bad else Fate.TAKEN
            self._known.add(webhook_id)
            self._write({"id": webhook_id, "fate": fate, "body": json.loads(body)})
        return fate

    def _write(self, entry: dict[str, object]) -> None:
        with self._path.open("ab") as file:
            file.write(json.dumps(entry).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def read(path: Path) -> list[dict[str, object]]:
    """The lines of a book; one that a kill has cut off was not answered."""
    entries = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries


def handler(book: Book) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(200)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            match book.receive({name.lower(): value for name, value in self.headers.items()}, body):
                case Fate.TAKEN:
                    self._say(204)
                case Fate.REFUSED | Fate.DENIED:
                    self._say(500)
                case Fate.LATE:
                    time.sleep(LONGER_THAN_ANY_PATIENCE)
                    self._say(200)
                case Fate.TORN:
                    self.close_connection = True
                case Fate.FORGED:
                    self._say(401)

        def _say(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """The book says it."""

    return Handler


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    for name in ("--secret", "--taken"):
        parser.add_argument(name, type=Path, required=True)
    given = parser.parse_args()
    ThreadingHTTPServer((HOST, given.port), handler(Book(given.taken, given.secret))).serve_forever()
