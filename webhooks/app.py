"""Composition root of the webhook service: the only module that names its connections."""

from functools import partial

from starlette.applications import Starlette

from chassis.messaging.bus import Bus
from chassis.messaging.descriptions import BusDescriptions
from chassis.runtime.document_service import document_service
from chassis.runtime.metrics import Metrics
from chassis.runtime.steps import Step, Steps
from chassis.seal import Seal
from chassis.storage.running_settings import RunningSettings
from chassis.storage.store import Store
from webhooks.dispatcher import Sending
from webhooks.http import Caller
from webhooks.settings import WebhookSettings
from webhooks.wiring import SERVICE, wire


def create_app(settings: WebhookSettings) -> Starlette:
    """Build the service. Nothing connects before the app starts."""
    metrics = Metrics(SERVICE)
    bus, store = Bus.of(settings, SERVICE, metrics), Store.of(settings, metrics)
    descriptions = BusDescriptions(bus, metrics, settings.reply_timeout)
    receivers = Caller(settings.webhook_timeout, settings.webhook_allow_private, settings.webhook_ca_file)
    steps = Steps(metrics, Step.WEBHOOK_DELIVERED)
    sending = Sending(descriptions, receivers, Seal(settings.seal_keys), settings.webhook_most_at_once, steps)
    terms = settings.terms
    parts = wire(bus, store, store.clock.now, terms, sending)
    return document_service(
        parts,
        bus,
        store,
        metrics,
        settings,
        sweep_every=settings.sweep_every,
        before=(
            parts.collections.prepare,
            parts.directory.refresh,
            partial(RunningSettings(store).write, SERVICE, terms),
        ),
        after=(descriptions.start,),
    )
