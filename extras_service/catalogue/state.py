"""The state of an extra in the catalogue."""

from datetime import datetime

from chassis.decision import State
from contracts.catalogue import ExtraStatus, StaffExtraView
from contracts.ids import ExtraId, PropertyId
from contracts.offers import ExtraDefinition
from extras_service.catalogue.extra import Extra
from extras_service.versions import Version, is_changed_since_import


class CatalogueExtra(State):
    """One extra of one property, with its last versions."""

    extra_id: ExtraId
    property_id: PropertyId
    created_at: datetime
    status: ExtraStatus
    position: int
    versions: tuple[Version[ExtraDefinition], ...]
    imported: ExtraDefinition | None = None
    """As it was last imported from the catalogue file."""

    @property
    def current(self) -> Version[ExtraDefinition]:
        return self.versions[-1]

    @property
    def definition(self) -> ExtraDefinition:
        return self.current.definition

    @property
    def summary(self) -> str:
        return f"{self.status}, version {self.current.number}"

    @property
    def picture_ids(self) -> frozenset[str]:
        """The pictures of all versions that are kept, and of the last import."""
        definitions = (self.imported, *(version.definition for version in self.versions))
        return frozenset(each.picture.picture_id for each in definitions if each and each.picture)

    def offered(self, time_zone: str = "UTC") -> Extra:
        """The extra as guests may order it; a retired one is not on offer."""
        is_active = self.definition.active and self.status is ExtraStatus.OFFERED
        return Extra.model_validate(
            dict(self.definition)
            | {
                "extra_id": self.extra_id,
                "property_id": self.property_id,
                "time_zone": time_zone,
                "position": self.position,
                "version": self.current.number,
                "active": is_active,
            }
        )

    def view(self) -> StaffExtraView:
        """The extra for the property's staff."""
        return StaffExtraView(
            extra_id=self.extra_id,
            property_id=self.property_id,
            status=self.status,
            version=self.current.number,
            position=self.position,
            definition=self.definition,
            changed_since_import=is_changed_since_import(self.versions, self.imported),
            versions=tuple(version.view() for version in self.versions),
        )
