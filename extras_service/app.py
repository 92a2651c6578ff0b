"""Composition root of the extras service: the only module that names its connections."""

from functools import partial

from starlette.applications import Starlette

from chassis.messaging.bus import Bus
from chassis.runtime.document_service import document_service
from chassis.runtime.metrics import Metrics
from chassis.runtime.startup import retry_until_available
from chassis.runtime.steps import Step, Steps
from chassis.storage.running_settings import RunningSettings
from chassis.storage.store import Store
from extras_service.catalogue.file import CatalogueFile, read_file
from extras_service.catalogue.seed import seed
from extras_service.settings import ExtrasSettings
from extras_service.wiring import SERVICE, wire


def create_app(settings: ExtrasSettings) -> Starlette:
    """Build the service. Nothing connects before the app starts. Raises CatalogueError."""
    file = read_file(settings.catalogue_file, with_pictures=False) if settings.catalogue_file else CatalogueFile({}, {})
    metrics = Metrics(SERVICE)
    bus, store = Bus.of(settings, SERVICE, metrics), Store.of(settings, metrics)
    steps = Steps(metrics, Step.ORDER_PAID)
    parts = wire(bus, store, store.clock.now, settings.terms, erase_after=settings.erase_after, steps=steps)
    return document_service(
        parts,
        bus,
        store,
        metrics,
        settings,
        sweep_every=settings.sweep_every,
        before=(
            parts.collections.prepare,
            partial(parts.collections.extras.put, file.extras),
            partial(RunningSettings(store).write, SERVICE, settings.terms),
        ),
        after=(partial(retry_until_available, partial(seed, parts.staff.keeper, file.properties)),),
    )
