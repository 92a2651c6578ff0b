"""Kinds of deliveries without a message: what a service does by the clock, or when it starts.

Histories of documents hold them, so they keep their values.
"""

from chassis.messaging.envelope import Delivery

DEADLINE = "deadline"
"""A document's deadline has passed."""
LAPSED = "lapsed"
"""A hold of stock has lapsed."""
ERASURE = "erasure"
"""An order is erased by its age, or again after a restore."""
ATTEMPT = "attempt"
"""A webhook is sent, or its receiver has answered."""
START = "start"
"""The service has started."""
BY_OPERATOR = "operator"
"""An operator's command has written it: the id of such a delivery begins with this, and its kind is the command."""

BY_THE_CLOCK = (ATTEMPT, DEADLINE, ERASURE, LAPSED)


def erasing(document_id: str, why: str) -> Delivery:
    """The delivery of an erasure that no message asks for: by age, or again after a restore."""
    return Delivery(f"{document_id}.{ERASURE}.{why}", f"{document_id}.{ERASURE}", ERASURE)
