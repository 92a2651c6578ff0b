"""Versions of a definition that staff change: who, when and why. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from chassis.decision import Ignored, Refused
from contracts.catalogue import Origin, VersionView
from contracts.offers import Mistake
from contracts.orders import Reason

KEPT = 20
"""Versions that a document remembers."""

DefinitionT = TypeVar("DefinitionT", bound=BaseModel)


class Version(BaseModel, Generic[DefinitionT]):
    """One version of a definition."""

    model_config = ConfigDict(frozen=True)

    number: int
    definition: DefinitionT
    at: datetime
    by: str
    reason: str = ""
    origin: Origin

    def view(self) -> VersionView:
        return VersionView(version=self.number, at=self.at, by=self.by, reason=self.reason, origin=self.origin)


def followed_by(
    versions: Sequence[Version[DefinitionT]], newest: Version[DefinitionT]
) -> tuple[Version[DefinitionT], ...]:
    """The versions with a newer one; the oldest are forgotten."""
    return (*versions, newest)[-KEPT:]


def no_change(current: Version[DefinitionT], based_on: int, wanted: DefinitionT | None) -> Ignored | Refused | None:
    """The outcome if a change that was made on a version does not apply: it is so already, or there is a newer one.

    `wanted` None: the change is not one of the definition.
    """
    if wanted is not None and wanted == current.definition:
        return Ignored("it is so already")
    if based_on != current.number:
        return Refused(
            Reason.VERSION_OUTDATED,
            f"This was changed by {current.by} meanwhile: it is at version {current.number}, and your change was made "
            f"on version {based_on}. Load it again and repeat the change.",
        )
    return None


def is_changed_since_import(versions: Sequence[Version[DefinitionT]], imported: DefinitionT | None) -> bool:
    """Whether staff have changed it after its last import from the catalogue file, or made it without one."""
    return imported is None or versions[-1].definition != imported


def counted(mistakes: Sequence[Mistake]) -> str:
    return f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}"
