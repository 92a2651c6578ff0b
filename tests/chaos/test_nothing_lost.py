"""Everything was killed, some of it in the middle of a step, while guests ordered and paid: what is left is whole."""

from collections import Counter

import pytest

from tests.chaos.conftest import Chaos
from tests.chaos.poison import POISON
from tests.support.books import FINAL

pytestmark = pytest.mark.timeout(3600)


def test_every_order_a_guest_saw_is_there_and_final(chaos: Chaos) -> None:
    acknowledged, statuses = chaos.aftermath.acknowledged, chaos.aftermath.statuses

    assert chaos.aftermath.lost == set()
    assert {statuses[order_id] for order_id in acknowledged} <= set(FINAL)
    assert len(acknowledged) == len(chaos.saboteur.crowd.stories)
    assert len(statuses) == len(acknowledged) + len(chaos.saboteur.backlog)


def test_guests_paid_cancelled_and_left_meanwhile(chaos: Chaos) -> None:
    reached = Counter(chaos.aftermath.statuses[order_id] for order_id in chaos.aftermath.acknowledged)

    assert min(reached["confirmed"], reached["cancelled"], reached["expired"]) > 0


def test_every_cent_is_where_the_guest_was_shown_it_is(chaos: Chaos) -> None:
    assert chaos.aftermath.wrong == ()
    assert chaos.aftermath.findings == ()


def test_nothing_took_effect_twice(chaos: Chaos) -> None:
    assert chaos.aftermath.doubled == ()


def test_what_was_unsent_while_the_broker_was_away_has_been_sent(chaos: Chaos) -> None:
    ids = {message.message_id for message in chaos.aftermath.log}

    assert chaos.saboteur.backlog - ids == set()


def test_only_the_poison_is_parked_each_with_its_reason(chaos: Chaos) -> None:
    rounds = chaos.saboteur.done["rounds of poison"]
    expected = Counter({(p.content, p.kind, p.origin_queue, p.error_type): rounds for p in POISON})

    # A service that dies after parking a message and before acknowledging it parks it once more, under the same id.
    distinct = {m.message_id: m for m in chaos.aftermath.parked}.values()
    parked = Counter((m.body, m.kind, m.headers["origin_queue"], m.error_type) for m in distinct)

    assert parked == expected
    assert all(message.headers["error"] and message.headers["attempt"] for message in chaos.aftermath.parked)
    assert rounds > 0
