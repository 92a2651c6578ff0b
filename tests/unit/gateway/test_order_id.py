"""An order's id is derived from who orders with which key, so a repeat finds the same order."""

import re
from typing import get_args

from hypothesis import given as each
from hypothesis import strategies as st

from gateway.api.idempotency import order_id_of
from gateway.api.schemas import OrderIdPath
from tests.support import orders as given

KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255)
# As a token may have them (chassis/web/tokens.py): no control characters, no half surrogates.
NAMES = st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs"]), min_size=1, max_size=40)


def test_the_same_guest_and_key_always_make_the_same_id() -> None:
    """Orders taken by an earlier version are found by their ids: this one may never change."""
    assert order_id_of(given.guest(), "key-1") == "ord_hkst5ncncfkdp3o22o6fciod4m"


@each(KEYS)
def test_every_id_is_one_the_api_takes_in_its_path(key: str) -> None:
    (pattern,) = [part.metadata[0].pattern for part in get_args(OrderIdPath)[1:]]

    assert re.match(pattern, order_id_of(given.guest(), key))


def test_another_guest_property_or_key_makes_another_id() -> None:
    ids = {
        order_id_of(given.guest(), "key-1"),
        order_id_of(given.guest(), "key-2"),
        order_id_of(given.guest(guest_id="guest-bert"), "key-1"),
        order_id_of(given.guest(property_id="kamogawa"), "key-1"),
    }

    assert len(ids) == 4


def test_parts_cannot_flow_into_each_other() -> None:
    assert order_id_of(given.guest(guest_id="ab"), "c") != order_id_of(given.guest(guest_id="a"), "bc")
    assert order_id_of(given.guest("b", "pa"), "k") != order_id_of(given.guest("ab", "p"), "k")


@each(guests=st.tuples(NAMES, NAMES), keys=st.tuples(KEYS, KEYS))
def test_two_ids_are_equal_only_for_the_same_guest_and_key(guests: tuple[str, str], keys: tuple[str, str]) -> None:
    first, second = (order_id_of(given.guest(guest), key) for guest, key in zip(guests, keys, strict=True))

    assert (first == second) == (guests[0] == guests[1] and keys[0] == keys[1])


def test_the_stay_and_the_reservation_do_not_change_the_id() -> None:
    guest = given.guest()

    later = guest.model_copy(update={"stay_to": given.LAST_DAY, "reservation_id": "res-2"})

    assert order_id_of(later, "key-1") == order_id_of(guest, "key-1")
