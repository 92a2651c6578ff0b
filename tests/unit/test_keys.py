"""A key made of several names belongs to these names alone, whatever characters are in them."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from chassis.keys import joined
from chassis.web.tokens import Operator, OperatorRole
from contracts.ids import ExtraId
from contracts.orders import Guest, Staff
from extras_service.order.state import guest_key
from extras_service.stock.state import stock_id
from gateway.api.idempotency import order_id_of, refund_id_of
from gateway.rate_limits import key_of
from tests.support.orders import guest

# Few characters, those that separate among them: so that two made-up pairs often look alike.
names = st.text("a/%_:.2F-", min_size=1, max_size=6)
pairs = st.tuples(names, names)
days = st.dates(date(2026, 1, 1), date(2026, 1, 3))
slots = st.sampled_from((None, "09:00", "15:00"))


@given(st.tuples(names, names, names), st.tuples(names, names, names))
def test_names_can_be_recovered_from_their_key(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (joined(*one) == joined(*other)) == (one == other)


@given(pairs, pairs)
def test_a_guest_has_no_other_guests_orders(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (guest_key(*one) == guest_key(*other)) == (one == other)


def test_the_key_of_ordinary_names_is_what_stored_orders_have() -> None:
    assert guest_key("guest-7", "alpenhof") == "alpenhof/guest-7"
    assert guest_key("https://login.example/%7e7", "alpenhof") == "alpenhof/https://login.example/%7e7"


@given(st.tuples(names, days, slots), st.tuples(names, days, slots))
def test_a_slot_of_stock_is_of_one_extra_and_day(
    one: tuple[str, date, str | None], other: tuple[str, date, str | None]
) -> None:
    keys = [stock_id(ExtraId(extra_id), day, slot) for extra_id, day, slot in (one, other)]

    assert (keys[0] == keys[1]) == (one == other)


@given(st.tuples(names, names, names), st.tuples(names, names, names))
def test_an_order_is_of_one_guest_and_key(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    ids = [order_id_of(guest(name, property_id), key) for name, property_id, key in (one, other)]

    assert (ids[0] == ids[1]) == (one == other)


@given(pairs, pairs)
def test_a_refund_is_of_one_order_and_key(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (refund_id_of(*one) == refund_id_of(*other)) == (one == other)


bearers = st.one_of(
    st.builds(guest, names, names),
    st.builds(lambda name, property_id: Staff(staff_id=name, property_id=property_id), names, names),
    st.builds(lambda name: Operator(operator_id=name, role=OperatorRole.READER), names),
)


@given(bearers, bearers)
def test_each_bearer_of_a_token_is_counted_alone(
    one: Guest | Staff | Operator, other: Guest | Staff | Operator
) -> None:
    assert (joined(*key_of(one)) == joined(*key_of(other))) == (one == other)
