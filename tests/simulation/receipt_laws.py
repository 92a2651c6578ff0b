"""What must be true of receipts: every number once and without gaps, and sums that equal the orders' money."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from extras_service.order.state import Order
from extras_service.receipt.state import OrderReceipts
from extras_service.register.state import Register
from ops.core.audit.receipts import differences
from tests.simulation.books import orders_of

if TYPE_CHECKING:
    from tests.simulation.world import World


def _filed(world: "World") -> list[OrderReceipts]:
    documents = world.collection("receipts").documents.values()
    return [OrderReceipts.model_validate(raw["state"]) for raw in documents]


def receipts_are_numbered_once_and_without_gaps(world: "World") -> Iterator[str]:
    numbers = Counter((each.property_id, each.number) for filed in _filed(world) for each in filed.receipts)
    for (property_id, number), times in numbers.items():
        if times > 1:
            yield f"{property_id} has receipt {number} {times} times"
    for raw in world.collection("receipt_registers").documents.values():
        register = Register.model_validate(raw["state"])
        for number in range(1, register.last_number + 1):
            if (register.property_id, number) not in numbers:
                yield f"{register.property_id} has no receipt {number} of {register.last_number}"
        above = [number for property_id, number in numbers if property_id == register.property_id]
        if max(above, default=0) > register.last_number:
            yield f"{register.property_id} has receipt {max(above)}, and its register is at {register.last_number}"


def receipts_say_what_the_orders_money_says(world: "World") -> Iterator[str]:
    known = orders_of(world)
    filed = {str(each.order_id): each.receipts for each in _filed(world)}
    for order_id, state in known.items():
        if order_id in world.restores.reverted:
            continue  # set back, it may have asked for its refunds again by other ids
        for problem in differences(Order.model_validate(state), filed.get(order_id, ())):
            yield f"{order_id} ({state['status']}): {problem}"
