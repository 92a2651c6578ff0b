"""The owners: one of two defines the property and an extra with slots, and changes, retires and offers it meanwhile."""

import asyncio
from datetime import timedelta
from random import Random

from client import calls
from contracts.catalogue import ExtraStatus, StaffExtraView
from contracts.ids import ExtraId
from contracts.money import Money
from contracts.offers import ExtraDefinition, Slot
from contracts.orders import Staff
from contracts.properties import PropertyDefinition, PropertyView
from tests.simulation.mail import RECEPTION
from tests.simulation.staff import PROPERTY, SEASIDE, Ask

OWNER = Staff(staff_id="owner", property_id=PROPERTY)
SEASIDE_OWNER = Staff(staff_id="owner", property_id=SEASIDE)
SAUNA = ExtraId("sauna")
SLOTS = ("15:00", "17:00")
MOST_PLACES = 3
"""In any slot, whatever the owner changes: what is sold is never more."""

_HOTEL = PropertyDefinition(
    name={"en": "Alpenhof"},
    time_zone="Europe/Vienna",
    currencies=("EUR",),
    languages=("en",),
    contact_email=RECEPTION,
)
_SAUNA = ExtraDefinition(
    name={"en": "Sauna"},
    category="spa",
    unit_price=Money(amount=3000, currency="EUR"),
    max_quantity=2,
    needs_day=True,
    slots=(Slot(at=SLOTS[0], places=2), Slot(at=SLOTS[1], places=MOST_PLACES)),
)


async def work(random: Random, ask: Ask, seconds: float, accounts: tuple[str, ...]) -> None:
    """All that the owners do in so many seconds; what is refused, or not answered, stays as it was.

    `accounts`: at the PSP. The other hotel has the last one, and the hotel of this owner changes between them.
    """
    other = _HOTEL.model_copy(update={"name": {"en": "Seaside"}, "psp_account": accounts[-1]})
    await _describe(ask, SEASIDE_OWNER, other)
    await _describe(ask, OWNER, _HOTEL)
    await ask(OWNER, calls.define_extra(SAUNA, _SAUNA))
    for _ in range(random.randrange(2, 7)):
        await asyncio.sleep(random.uniform(0.0, seconds / 3))
        await _change(random, ask, accounts)
    if (sauna := await _sauna(ask)) is not None and sauna.status is ExtraStatus.RETIRED:
        await ask(OWNER, calls.define_extra(SAUNA, _SAUNA))


async def _describe(ask: Ask, owner: Staff, hotel: PropertyDefinition) -> None:
    """Instead of what the service makes of its extras at its first start."""
    known = await ask(owner, calls.get_property())
    version = known.version if isinstance(known, PropertyView) else None
    await ask(owner, calls.change_property(hotel, version=version))


async def _change(random: Random, ask: Ask, accounts: tuple[str, ...]) -> None:
    what, sauna = random.choice(("places", "price", "retire", "slot", "property", "order")), await _sauna(ask)
    if sauna is None:
        return
    definition, version = sauna.definition, sauna.version
    match what:
        case "property":
            await _change_property(random, ask, accounts)
        case "order":
            await ask(OWNER, calls.reorder_extras([SAUNA]))
        case _ if sauna.status is ExtraStatus.RETIRED:
            await ask(OWNER, calls.define_extra(SAUNA, definition))
        case "retire":
            await ask(OWNER, calls.retire_extra(SAUNA, version=version))
        case "price":
            dearer = Money(amount=random.randrange(2000, 6000), currency="EUR")
            await _twice(ask, sauna, definition.model_copy(update={"unit_price": dearer}))
        case "slot":
            left = random.sample(definition.slots, 1)
            await _twice(ask, sauna, definition.model_copy(update={"slots": tuple(left)}))
        case _:
            slots = tuple(Slot(at=at, places=random.randint(1, MOST_PLACES)) for at in SLOTS)
            await _twice(ask, sauna, definition.model_copy(update={"slots": slots}))


async def _twice(ask: Ask, sauna: StaffExtraView, definition: ExtraDefinition) -> None:
    """With a double click."""
    change = calls.change_extra(SAUNA, definition, version=sauna.version, reason="the season")
    await asyncio.gather(ask(OWNER, change), ask(OWNER, change))


async def _change_property(random: Random, ask: Ask, accounts: tuple[str, ...]) -> None:
    hotel = await ask(OWNER, calls.get_property())
    if isinstance(hotel, PropertyView):
        within = timedelta(minutes=random.choice((20, 30, 40)))
        changes = {"pay_within": within, "psp_account": random.choice(accounts)}
        changed = hotel.definition.model_copy(update=changes)
        await ask(OWNER, calls.change_property(changed, version=hotel.version))


async def _sauna(ask: Ask) -> StaffExtraView | None:
    known = await ask(OWNER, calls.list_catalogue())
    extras = getattr(known, "extras", ())
    return next((each for each in extras if each.extra_id == SAUNA), None)
