"""The role of a member of staff in a token, and the check of what it allows."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from chassis.web.problems import ProblemError
from contracts.answers import StaffSession
from contracts.orders import Staff
from contracts.roles import RankedRole
from contracts.staff_roles import NEEDED, StaffAction, StaffRole

RoleT = TypeVar("RoleT", bound=RankedRole)

_DEPRECATED_ROLES = {"staff": StaffRole.MANAGER}
"""The only role of staff until version 0.2: it may do what it could do then. Read until version 2.0."""


class StaffMember(BaseModel):
    """A member of staff with their role, as the signed token says."""

    model_config = ConfigDict(frozen=True)

    staff: Staff
    role: StaffRole

    def may(self, action: StaffAction) -> bool:
        return self.role.allows(NEEDED[action])

    def require(self, action: StaffAction) -> None:
        """Raises ProblemError 403."""
        require_role(self.role, NEEDED[action])

    @property
    def session(self) -> StaffSession:
        """Who they are, and what they may do."""
        may = tuple(action for action in StaffAction if self.may(action))
        return StaffSession(staff_id=self.staff.staff_id, property_id=self.staff.property_id, role=self.role, may=may)


def staff_role_of(claims: Mapping[str, Any]) -> StaffRole | None:
    """The role that a token names, None if it is none of staff's."""
    named = claims.get("role")
    if not isinstance(named, str):
        return None
    return _DEPRECATED_ROLES.get(named) or (StaffRole(named) if named in {*StaffRole} else None)


def require_role(role: RoleT, needed: RoleT) -> None:
    """Raises ProblemError 403 if the role has not the rights of the one that is needed."""
    if not role.allows(needed):
        raise wrong_role(f"This needs the role {needed.value}; the token's role is {role.value}.")


def wrong_role(detail: str) -> ProblemError:
    return ProblemError(403, "wrong-role", "Wrong role", detail)
