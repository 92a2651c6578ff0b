"""A property names its account at the PSP, and remembers those that it named before."""

from datetime import UTC, datetime

import pytest

from chassis.decision import Applied, Refused
from contracts.ids import PropertyId
from contracts.orders import Staff
from contracts.properties import ChangeProperty, DefineProperty, PropertyDefinition
from extras_service.property.decide import decide
from extras_service.property.state import Property

NOW = datetime(2026, 7, 1, 9, tzinfo=UTC)
ALPENHOF = PropertyId("alpenhof")
HOTEL = PropertyDefinition(name={"en": "Alpenhof"})
OWNER = Staff(staff_id="stf_owner", property_id=ALPENHOF)


def _defined() -> Property:
    decision = decide(None, DefineProperty(property_id=ALPENHOF, staff=OWNER, definition=HOTEL), NOW)
    assert isinstance(decision, Applied)
    return decision.state


def _changed(hotel: Property, psp_account: str) -> Property | Refused:
    definition = HOTEL.model_copy(update={"psp_account": psp_account})
    command = ChangeProperty(
        property_id=ALPENHOF, staff=OWNER, version=hotel.current.number, definition=definition, reason="a new account"
    )
    decision = decide(hotel, command, NOW)
    assert isinstance(decision, Applied | Refused)
    return decision.state if isinstance(decision, Applied) else decision


def test_a_property_is_charged_at_the_default_account_until_its_owner_names_another() -> None:
    hotel = _defined()
    assert hotel.psp_accounts == ("default",)

    changed = _changed(hotel, "seaside")

    assert isinstance(changed, Property)
    assert changed.psp_accounts == ("default", "seaside")
    back = _changed(changed, "default")
    assert isinstance(back, Property)
    assert back.psp_accounts == ("seaside", "default")


@pytest.mark.parametrize("name", ["", "Sea side", "a" * 33, "seaside\n", "sk_test_x", "\u0660"])
def test_a_name_that_no_account_can_have_is_a_mistake_at_its_field(name: str) -> None:
    refused = _changed(_defined(), name)

    assert isinstance(refused, Refused)
    assert [mistake.pointer for mistake in refused.mistakes] == ["/psp_account"]
