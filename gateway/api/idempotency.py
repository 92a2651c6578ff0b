"""Idempotency keys, and the ids derived from them, by which a repeated request finds the first one's result."""

import re
from typing import Annotated

from fastapi import Header

from chassis.keys import short_digest
from chassis.web.problems import ProblemError
from contracts.ids import OrderId, RefundId
from contracts.orders import Guest

IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", description="any unique text; the same for a repeated request")
]

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def order_id_of(guest: Guest, idempotency_key: str) -> OrderId:
    """The id of the order that this guest places with this key: equal for every repetition."""
    return OrderId("ord_" + _digest(guest.property_id, guest.guest_id, idempotency_key))


def refund_id_of(order_id: str, idempotency_key: str) -> RefundId:
    """The id of the refund that is requested with this key: equal for every repetition."""
    return RefundId("ref_" + _digest(order_id, idempotency_key))


def checked(key: str | None) -> str:
    """The key, validated. Raises ProblemError 400."""
    if key is None:
        detail = "Send an Idempotency-Key header: any unique text, the same when you repeat the request."
        raise ProblemError(400, "idempotency-key-missing", "Idempotency-Key missing", detail)
    if not _KEY.fullmatch(key):
        detail = "An Idempotency-Key has 1 to 255 visible ASCII characters."
        raise ProblemError(400, "idempotency-key-invalid", "Idempotency-Key invalid", detail)
    return key


def _digest(*parts: str) -> str:
    return short_digest("\0".join(parts))
