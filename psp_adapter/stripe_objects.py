"""Stripe's objects, as far as they matter here."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.ids import PaymentId
from contracts.message import OrderCommand

INSTALLATION = "bellhop_installation"
"""The metadata key for the installation that opened a PaymentIntent."""


class _PspObject(BaseModel):
    """An object of Stripe. A null field and a missing one mean the same: API versions differ in which they send."""

    model_config = ConfigDict(hide_input_in_errors=True)  # such texts are logged and stored, and may quote an address

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {name: value for name, value in given.items() if value is not None}


class PaymentError(_PspObject):
    code: str | None = None
    decline_code: str | None = None
    message: str | None = None


class Intent(_PspObject):
    """The relevant fields of a PaymentIntent (https://docs.stripe.com/api/payment_intents/object)."""

    id: str
    status: str
    amount: int
    currency: str
    amount_received: int = 0
    amount_capturable: int = 0
    livemode: bool
    created: int = 0
    client_secret: str | None = Field(default=None, repr=False)
    metadata: Mapping[str, str] = Field(default_factory=dict)
    last_payment_error: PaymentError | None = None
    next_action: Mapping[str, Any] = Field(default_factory=dict)
    capture_method: str = ""
    latest_charge: str | Mapping[str, Any] = ""
    """Its id, or the whole charge where it was asked for."""

    is_answer: bool = False
    """It was read to answer a command, and is that command's payment regardless of its metadata."""

    @property
    def capture_before(self) -> int | None:
        """When its authorisation lapses, in Unix seconds, where the charge is known and names it."""
        charge = self.latest_charge if isinstance(self.latest_charge, Mapping) else {}
        details = charge.get("payment_method_details")
        kinds = details.values() if isinstance(details, Mapping) else ()
        named = (kind.get("capture_before") for kind in kinds if isinstance(kind, Mapping))
        return next((moment for moment in named if type(moment) is int), None)

    @property
    def is_ours(self) -> bool:
        """Whether its metadata claims that this system opened it: an account may be shared with other systems."""
        return "order_id" in self.metadata and "payment_id" in self.metadata

    def claims(self, payment_id: PaymentId, installation: str) -> bool:
        """Whether its metadata names this payment of this installation. Older ones name no installation."""
        return self.is_ours and self.metadata["payment_id"] == payment_id and self.is_of(installation)

    def is_of(self, installation: str) -> bool:
        return self.metadata.get(INSTALLATION, installation) == installation

    def answering(self, command: OrderCommand, payment_id: PaymentId) -> "Intent":
        ids = {"order_id": command.order_id, "payment_id": payment_id}
        return self.model_copy(update={"metadata": {**self.metadata, **ids}, "is_answer": True})

    def unclaimed(self) -> "Intent":
        """A copy without the metadata that claims one of our payments."""
        return self.model_copy(update={"metadata": {}})


class RefundObject(_PspObject):
    """The relevant fields of a refund (https://docs.stripe.com/api/refunds/object)."""

    id: str
    amount: int
    currency: str
    status: str | None = None
    failure_reason: str | None = None
    metadata: Mapping[str, str] = Field(default_factory=dict)


RELEASED = ("partial_capture", "expired_uncaptured_charge")


def is_release(refund: Mapping[str, Any]) -> bool:
    """Whether a refund object only says that an authorisation, or the rest of one, was released: no money moved.

    API versions before 2025-03-31 make such objects, also of what is captured in the dashboard
    (https://docs.stripe.com/changelog/basil).
    """
    return refund.get("reason") in RELEASED


class DisputeObject(_PspObject):
    """The relevant fields of a dispute (https://docs.stripe.com/api/disputes/object)."""

    id: str
    amount: int
    currency: str
    status: str


def id_of(reference: object) -> str | None:
    """The id of an object that is given by its id or, if expanded, in full."""
    found = reference.get("id") if isinstance(reference, Mapping) else reference
    return str(found) if found else None
