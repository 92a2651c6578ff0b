"""Roles of a hotel's staff, and what each may do: one table for every route and for the desk page."""

from collections.abc import Mapping
from enum import StrEnum

from contracts.roles import RankedRole


class StaffRole(RankedRole):
    """The role of a member of staff. Each includes the rights of those before it."""

    RECEPTION = "reception"
    """See orders, approve and decline them, and record what guests have received."""
    MANAGER = "manager"
    """Move money: cancel, refund, retry or settle a failed refund, decide reviews; see a day's closing, and
    what other systems are sent."""
    OWNER = "owner"
    """Change the catalogue and the property."""


class StaffAction(StrEnum):
    """An action of staff that needs a role."""

    SEE = "see"
    APPROVE = "approve"
    FULFIL = "fulfil"
    CANCEL = "cancel"
    REFUND = "refund"
    RETRY_REFUND = "retry-refund"
    SETTLE_REFUND = "settle-refund"
    REVIEW = "review"
    CLOSING = "closing"
    WEBHOOKS = "webhooks"
    CATALOGUE = "catalogue"
    PROPERTY = "property"


NEEDED: Mapping[StaffAction, StaffRole] = {
    StaffAction.SEE: StaffRole.RECEPTION,
    StaffAction.APPROVE: StaffRole.RECEPTION,
    StaffAction.FULFIL: StaffRole.RECEPTION,
    StaffAction.CANCEL: StaffRole.MANAGER,
    StaffAction.REFUND: StaffRole.MANAGER,
    StaffAction.RETRY_REFUND: StaffRole.MANAGER,
    StaffAction.SETTLE_REFUND: StaffRole.MANAGER,
    StaffAction.REVIEW: StaffRole.MANAGER,
    StaffAction.CLOSING: StaffRole.MANAGER,
    StaffAction.WEBHOOKS: StaffRole.MANAGER,
    StaffAction.CATALOGUE: StaffRole.OWNER,
    StaffAction.PROPERTY: StaffRole.OWNER,
}
"""The role that each action needs."""
