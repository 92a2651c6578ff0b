"""Given: subscribers and feeds of webhooks."""

from datetime import timedelta
from typing import Any

from contracts.ids import SubscriberId
from contracts.webhooks import OF_ORDERS, WebhookType
from tests.support import orders as given
from webhooks.due import Subject
from webhooks.feed.inputs import WebhookWanted
from webhooks.keeper import wanted_by
from webhooks.subscriber.inputs import AddSubscriber
from webhooks.wiring import Terms

PMS, SPA = SubscriberId("whs_pms"), SubscriberId("whs_spa")
GUEST = given.guest()
TERMS = Terms(give_up_after=timedelta(days=3), allow_private=True)


def adding(subscriber_id: SubscriberId = PMS, url: str = "https://pms.example/hooks", **named: Any) -> AddSubscriber:
    return AddSubscriber(
        subscriber_id=subscriber_id,
        property_id=named.get("property_id", GUEST.property_id),
        url=url,
        kinds=named.get("kinds", OF_ORDERS),
        sealed_secret=named.get("sealed_secret", "sealed-1"),
    )


def wanted(
    kind: WebhookType = WebhookType.CONFIRMED, about: str = "1", subscriber_id: SubscriberId = PMS
) -> WebhookWanted:
    receipt = int(about) if about.isdigit() else None
    return wanted_by(subscriber_id, Subject(kind, given.ORDER_ID, GUEST.property_id, about, receipt))
