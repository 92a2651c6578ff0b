"""What must be true of webhooks, by what the receivers have taken.

Left out are orders whose event was ever a dead letter (its webhook comes when an operator replays it), those that were
set back by a restore, and those that have forgotten their guest, of which nothing that waits is sent.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from contracts.order_receipts import ReceiptKind
from contracts.webhooks import WebhookType
from extras_service.receipt.state import OrderReceipts
from tests.simulation import letters
from tests.simulation.books import orders_of
from tests.simulation.receivers import Heard, Subject
from webhooks.feed.state import Feed, WebhookStatus

if TYPE_CHECKING:
    from tests.simulation.world import World

_CANCELLED = ("cancelled", "declined")


def _feeds(world: "World") -> list[Feed]:
    return [Feed.model_validate(raw["state"]) for raw in world.collection("webhook_feeds").documents.values()]


def waiting(world: "World") -> Iterator[str]:
    """What is still to be sent."""
    for feed in _feeds(world):
        if feed.next_at is not None:
            yield f"a webhook of {feed.order_id} waits: {feed.summary}"


def _taken(world: "World") -> list[Heard]:
    """Each webhook as it was first taken."""
    first: dict[str, Heard] = {}
    for each in world.receivers.heard:
        first.setdefault(each.webhook_id, each)
    return list(first.values())


def _left_out(world: "World", order_id: str) -> bool:
    return order_id in world.restores.reverted or letters.about(world, order_id)


def every_webhook_is_taken(world: "World") -> Iterator[str]:
    """About each receipt and each cancelled order, by the stored orders and receipts: not by any event."""
    if not world.history.has_webhooks:
        return
    known, taken = orders_of(world), {each.subject for each in _taken(world)}
    expected: set[Subject] = {
        (each, str(WebhookType.CANCELLED), None) for each in known if known[each]["status"] in _CANCELLED
    }
    for raw in world.collection("receipts").documents.values():
        filed = OrderReceipts.model_validate(raw["state"])
        for receipt in filed.receipts:
            is_payment = receipt.receipt_kind is ReceiptKind.PAYMENT
            about = WebhookType.CONFIRMED if is_payment else WebhookType.REFUNDED
            expected.add((filed.order_id, str(about), receipt.sequence))
    for order_id, kind, sequence in expected - taken:
        is_erased = known.get(order_id, {}).get("erasure") is not None
        if not is_erased and not _left_out(world, order_id):
            yield f"no receiver has {kind} of {order_id}, receipt {sequence}"


def a_webhook_is_what_became_of_it(world: "World") -> Iterator[str]:
    """Delivered, if and only if a receiver has taken it."""
    taken = {each.webhook_id for each in world.receivers.heard}
    entries = {each.webhook_id: each for feed in _feeds(world) for each in feed.entries}
    for webhook_id in taken - entries.keys():
        yield f"{webhook_id} was sent and is not known"
    for webhook_id, entry in entries.items():
        is_delivered = entry.status is WebhookStatus.DELIVERED
        if is_delivered and webhook_id not in taken:
            yield f"{entry.summary} ({webhook_id}), and no receiver has it"
        if not is_delivered and entry.status is not WebhookStatus.DROPPED:
            yield f"{entry.summary} ({webhook_id}), and nothing will send it"


def a_webhook_is_one_thing(world: "World") -> Iterator[str]:
    """One id has one body, and what must be booked once has one id."""
    bodies = defaultdict[str, set[str]](set)
    for each in world.receivers.heard:
        bodies[each.webhook_id].add(each.digest)
    for webhook_id, digests in bodies.items():
        if len(digests) > 1:
            yield f"{webhook_id} was sent with {len(digests)} bodies"
    subjects = Counter(each.subject for each in _taken(world) if each.subject[1] != WebhookType.CHANGED)
    for subject, times in subjects.items():
        is_reminded = subject[1] == WebhookType.APPROVAL_NEEDED
        if times > (2 if is_reminded else 1):
            yield f"{subject} was sent under {times} ids"


def webhooks_come_in_the_order_of_their_order(world: "World") -> Iterator[str]:
    """Versions never go back, and receipts come by their numbers."""
    by_order = defaultdict[str, list[Heard]](list)
    for each in _taken(world):
        by_order[each.order_id].append(each)
    for order_id, came in by_order.items():
        versions = [each.version for each in came]
        receipts = [each.receipt for each in came if each.receipt is not None]
        if (versions, receipts) != (sorted(versions), sorted(receipts)) and not _left_out(world, order_id):
            yield f"of {order_id} came versions {versions}, receipts {receipts}"


def a_webhook_goes_where_it_belongs(world: "World") -> Iterator[str]:
    """Signed, and to the hotel of its order alone."""
    for each in world.receivers.heard:
        if not each.is_genuine:
            yield f"{each.webhook_id} came with a wrong signature"
        if each.body["data"]["property_id"] != each.property_id:
            yield f"{each.webhook_id} of {each.body['data']['property_id']} came to {each.property_id}"


LAWS = (
    every_webhook_is_taken,
    a_webhook_is_what_became_of_it,
    a_webhook_is_one_thing,
    webhooks_come_in_the_order_of_their_order,
    a_webhook_goes_where_it_belongs,
)
