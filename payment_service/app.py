"""Composition root of the payment service: the only module that names its connections."""

from functools import partial

from starlette.applications import Starlette

from chassis.messaging.bus import Bus
from chassis.runtime.document_service import document_service
from chassis.runtime.metrics import Metrics
from chassis.runtime.steps import Step, Steps
from chassis.storage.running_settings import RunningSettings
from chassis.storage.store import Store
from payment_service.settings import PaymentSettings
from payment_service.wiring import SERVICE, wire


def create_app(settings: PaymentSettings) -> Starlette:
    """Build the service. Nothing connects before the app starts."""
    metrics = Metrics(SERVICE)
    bus, store = Bus.of(settings, SERVICE, metrics), Store.of(settings, metrics)
    parts = wire(bus, store, store.clock.now, settings.schedule, Steps(metrics, Step.PAYMENT_RECORDED))
    return document_service(
        parts,
        bus,
        store,
        metrics,
        settings,
        sweep_every=settings.sweep_every,
        before=(
            parts.collections.prepare,
            partial(RunningSettings(store).write, SERVICE, settings.schedule),
        ),
        after=(parts.begin,),
    )
