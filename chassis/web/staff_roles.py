"""The role of a member of staff in a token, and the check of what it allows."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from chassis.web.problems import ProblemError
from contracts.answers import StaffSession
from contracts.orders import Staff
from contracts.staff_roles import NEEDED, StaffAction, StaffRole

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
        if not self.may(action):
            detail = f"This needs the role {NEEDED[action].value}; the token's role is {self.role.value}."
            raise ProblemError(403, "wrong-role", "Wrong role", detail)

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
