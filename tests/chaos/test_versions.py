"""An update and a roll-back under load: the previous version and today's side by side, while guests pay."""

import random
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.local.broker import Broker
from deploy.local.processes import ROOT
from deploy.local.store import Store
from tests.chaos.aftermath import come_to_rest
from tests.chaos.conftest import SEED
from tests.chaos.guests import Crowd
from tests.chaos.versions import TwoVersions, unpack_previous
from tests.support.accounts import accounts_at
from tests.support.books import FINAL
from tests.support.system import Setup

pytestmark = pytest.mark.timeout(900)

GUESTS = 8


@pytest.mark.parametrize("way", ["update", "roll-back"])
async def test_guests_pay_while_one_version_takes_the_place_of_another(
    broker: Broker, store: Store, tmp_path: Path, way: str
) -> None:
    previous = unpack_previous(tmp_path / "previous")
    old, new = (previous, ROOT) if way == "update" else (ROOT, previous)
    name = f"versions-{uuid4().hex[:8]}"
    url = broker.new_vhost(name)
    setup = Setup(
        amqp_url=url,
        mongodb_url=store.url,
        database=name,
        accounts=await accounts_at(broker, url),
        pay_within=timedelta(seconds=20),
        poll_interval_factor=0.005,
        reply_timeout=5.0,
    )
    system = TwoVersions(setup, tmp_path / "services", broker, store, old=old, new=new)
    crowd = Crowd(system, random.Random(SEED))  # noqa: S311 - chance for a test, not for a secret
    try:
        await system.declare_both()
        await system.start()
        crowd.let_in(GUESTS)
        await crowd.gets_on(GUESTS)

        await system.move(crowd, GUESTS)

        aftermath = await come_to_rest(system, broker if broker.management_url else None, crowd)
    finally:
        await crowd.send_away()
        await system.stop()
        broker.drop_vhost(name)

    assert aftermath.lost == set()
    assert {aftermath.statuses[order_id] for order_id in aftermath.acknowledged} <= set(FINAL)
    assert aftermath.wrong == ()
    assert aftermath.doubled == ()
    assert aftermath.findings == ()
    assert aftermath.parked == ()
    assert system.handled_by("old") > 0
    assert system.handled_by("new") > 0
