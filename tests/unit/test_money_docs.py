"""docs/money.md explains every status that an order, its money, a refund or a dispute can have."""

import re
from enum import StrEnum
from pathlib import Path

import pytest

from contracts.order_actions import ReviewResolution
from contracts.orders import DisputeStage, OrderStatus, PaymentStatus
from contracts.payments import RefundStage

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "money.md").read_text()


@pytest.mark.parametrize("words", [OrderStatus, PaymentStatus, RefundStage, DisputeStage, ReviewResolution])
def test_every_status_is_explained(words: type[StrEnum]) -> None:
    rows = "\n".join(line for line in PAGE.splitlines() if line.startswith("|"))
    named = set(re.findall(r"`([a-z_-]+)`", rows))

    unexplained = {str(word) for word in words} - named

    assert unexplained - {"open"} == set()  # an open dispute is said in words
