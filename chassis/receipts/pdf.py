"""The receipts of an order as PDF, set by Typst in a thread of its own."""

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chassis.errors import TransientError
from chassis.receipts.printed import Printed

_TEMPLATE = Path(__file__).with_name("receipt.typ")
_MOST_WAITING = 16
_LONG_WORD = re.compile(r"\w{30}")
_MAY_BREAK = "\u200b"
"""A space of no width: a word that is wider than the page would be cut there."""


class PrinterBusyError(TransientError):
    """More documents wait than may wait."""

    def __init__(self) -> None:
        super().__init__(f"{_MOST_WAITING} documents wait to be set")


class PdfPrinter:
    """Sets one document at a time. The event loop goes on meanwhile: Typst runs without Python's lock."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "receipts")
        self._waiting = 0

    async def pdf_of(self, document: Printed) -> bytes:
        """Raises PrinterBusyError."""
        if self._waiting >= _MOST_WAITING:
            raise PrinterBusyError
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, _set, document)
        finally:
            self._waiting -= 1


def _set(document: Printed) -> bytes:
    import typst  # 30 MB of a library that few requests need  # noqa: PLC0415

    text = _LONG_WORD.sub(lambda word: word.group() + _MAY_BREAK, json.dumps(document.as_json(), ensure_ascii=False))
    pdf = typst.compile(_TEMPLATE.read_bytes(), sys_inputs={"document": text})
    assert isinstance(pdf, bytes)
    return pdf
