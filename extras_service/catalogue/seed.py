"""Makes documents of extras that have none, when the service starts: once, from then on staff change them."""

from collections.abc import Mapping

import structlog

from chassis.decision import Refused
from chassis.messaging.envelope import Delivery
from chassis.messaging.own_causes import START
from contracts.catalogue import DefineExtra, Origin
from contracts.ids import PropertyId
from contracts.offers import ExtraDefinition
from contracts.orders import Staff
from contracts.properties import DefineProperty, PropertyDefinition
from extras_service.catalogue.extra import Extra
from extras_service.catalogue.keeper import CatalogueKeeper

log = structlog.get_logger()

BY = "catalogue file"
_REASON = "the first start with it"


async def seed(keeper: CatalogueKeeper, properties: Mapping[PropertyId, PropertyDefinition]) -> None:
    """Every record without a document becomes one, with its property. Records stay, for a roll-back.

    `properties`: those of the catalogue file. Raises TransientError; repeated, it continues where it stopped.
    """
    missing = await keeper.collections.extras.undocumented()
    zones = {PropertyId(extra.property_id): extra.time_zone for extra in missing}
    wanted = {pid: PropertyDefinition(name={"en": pid}, time_zone=zone) for pid, zone in zones.items()}
    wanted |= dict(properties)
    for property_id, definition in wanted.items():
        if await keeper.collections.property_of(property_id) is None:
            staff = Staff(staff_id=BY, property_id=property_id)
            command = DefineProperty(
                property_id=property_id, staff=staff, reason=_REASON, definition=definition, origin=Origin.FILE
            )
            handled = await keeper.change_property(command, _delivery(f"seed.property.{property_id}"))
            _report(property_id, handled.outcome)
    for extra in sorted(missing, key=lambda each: each.position):
        command_of_extra = DefineExtra(
            extra_id=extra.extra_id,
            staff=Staff(staff_id=BY, property_id=extra.property_id),
            reason=_REASON,
            definition=definition_of(extra),
            position=extra.position,
            origin=Origin.FILE,
        )
        handled_extra = await keeper.define(command_of_extra, _delivery(f"seed.{extra.extra_id}"))
        _report(extra.extra_id, handled_extra.outcome)


def definition_of(extra: Extra) -> ExtraDefinition:
    return ExtraDefinition.model_validate({name: getattr(extra, name) for name in ExtraDefinition.model_fields})


def _delivery(message_id: str) -> Delivery:
    return Delivery(message_id, "catalogue.seed", START)


def _report(name: str, outcome: object) -> None:
    """A record that breaks today's rules stays one, and is not offered with a price that cannot be paid."""
    if isinstance(outcome, Refused):
        mistakes = [f"{each.pointer}: {each.detail}" for each in outcome.mistakes]
        log.warning("catalogue.not_seeded", name=name, reason=outcome.reason, mistakes=mistakes)
