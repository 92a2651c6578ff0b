"""What operators' records say of a guest, without servers."""

import json
from typing import Any

from yarl import URL

from ops.core.dry_run import Forecast
from ops.core.guests.known import known_of
from ops.core.messages import RecordedMessage
from ops.core.replay.plans import Planned
from ops.core.session import OperatorSession
from tests.component.test_edited_letters import NoQueues, Store


class _Connection(NoQueues):
    url = URL("amqp://operator@broker/")


def _planned(plan_id: str, guest_id: str) -> Planned:
    body = json.dumps({"order_id": "ord_1", "guest_id": guest_id, "property_id": "alpenhof"}).encode()
    message = RecordedMessage(message_id="m-1", kind="orders.cancel-order.v1", body=body)
    return Planned(plan_id=plan_id, number=1, message=message, queue="extras.commands", forecast=Forecast("applied"))


async def test_the_messages_of_a_plan_whose_maker_died_are_found() -> None:
    """Its messages are stored before the plan itself."""
    store: Any = Store()
    target: Any = None
    desk = OperatorSession(target, store, _Connection())
    mine = [_planned("rp_0a3f9c11", "guest-anna"), _planned("rp_f81b2c3d", "guest-anna")]
    await desk.plans.items.put({each.item_id: each for each in (*mine, _planned("rp_51b2c3de", "guest-ben"))})

    known = await known_of(desk, "guest-anna", "alpenhof")

    assert await desk.plans.all() == []
    assert [each.item_id for each in known.planned] == [each.item_id for each in mine]
