"""What operators read: tables lose nothing on a narrow terminal, and an error says something."""

from io import StringIO

import pytest
from rich.console import Console

from chassis.runtime.redaction import REDACTED
from ops.cli.console import table_of
from ops.core.plain import error_text

ORDER = "ord_sfhtumvui6sib4pq5lioqw36yp"


@pytest.mark.parametrize("width", [80, 60, 200])
def test_an_id_is_in_one_piece_and_no_word_is_cut(width: int) -> None:
    paper = Console(file=StringIO(), width=width)
    why = "reservation-of-a-hotel-with-very-long-ids-000000000000000001\na refund is failed: [the/card] refused €12.00"

    paper.print(table_of(("order", "status", "why"), [(ORDER, "partially_refunded", why)], whole=("order",)))

    shown = paper.file.getvalue()  # type: ignore[attr-defined]
    letters = "".join(shown.split()).replace("│", "")
    assert ORDER in shown
    assert "…" not in shown
    assert sorted(c for c in letters if c.isalnum() or c in "€[]/") == sorted(
        c for c in f"order status why {ORDER} partially_refunded {why}" if c.isalnum() or c in "€[]/"
    )


def test_an_error_without_a_text_is_named_by_its_type() -> None:
    assert error_text(TimeoutError()) == "there was no answer in time"
    assert error_text(ConnectionResetError()) == "ConnectionResetError()"
    assert error_text(OSError("no route to amqp://olga:hush@rabbit/")) == f"no route to amqp://{REDACTED}@rabbit/"
