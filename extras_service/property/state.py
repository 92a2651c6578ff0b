"""The state of a property."""

from datetime import datetime

from chassis.decision import State
from contracts.ids import PropertyId
from contracts.properties import PropertyDefinition, PropertyView
from extras_service.versions import Version

DEFINED = "defined"


class Property(State):
    """One property, with its last versions."""

    property_id: PropertyId
    created_at: datetime
    status: str = DEFINED
    """An index lists all properties by it. A property is never removed: its orders go by it."""
    versions: tuple[Version[PropertyDefinition], ...]
    earlier_accounts: tuple[str, ...] = ()
    """The accounts at the PSP that it named before, also in versions that are forgotten."""
    imported: PropertyDefinition | None = None
    """As it was last imported from the catalogue file."""

    @property
    def current(self) -> Version[PropertyDefinition]:
        return self.versions[-1]

    @property
    def definition(self) -> PropertyDefinition:
        return self.current.definition

    @property
    def psp_accounts(self) -> tuple[str, ...]:
        """The accounts at the PSP that its orders were ever charged at, the current one last."""
        named = self.definition.psp_account
        return (*(one for one in self.earlier_accounts if one != named), named)

    @property
    def summary(self) -> str:
        return f"version {self.current.number}"

    def view(self) -> PropertyView:
        return PropertyView(
            property_id=self.property_id,
            version=self.current.number,
            definition=self.definition,
            versions=tuple(version.view() for version in self.versions),
        )
