"""Composition root of the notification service: the only module that names its connections."""

from functools import partial

from starlette.applications import Starlette

from chassis.messaging.breaker import Breaker
from chassis.messaging.bus import Bus
from chassis.messaging.descriptions import BusDescriptions
from chassis.receipts.pdf import PdfPrinter
from chassis.runtime.document_service import document_service
from chassis.runtime.metrics import Metrics
from chassis.seal import Seal
from chassis.storage.running_settings import RunningSettings
from chassis.storage.store import Store
from contracts.topology import MAIL_SENDING
from notifications.errors import MailServerUnavailableError
from notifications.settings import NotificationSettings
from notifications.smtp import MailServer, Probe
from notifications.wiring import SERVICE, Sending, wire
from notifications.writing import Writer


def create_app(settings: NotificationSettings) -> Starlette:
    """Build the service. Nothing connects before the app starts."""
    metrics = Metrics(SERVICE)
    bus, store = Bus.of(settings, SERVICE, metrics), Store.of(settings, metrics)
    descriptions = BusDescriptions(bus, metrics, settings.reply_timeout)
    server = MailServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        user=settings.smtp_user,
        password=settings.smtp_password,
        ca_file=settings.smtp_ca_file,
        timeout=settings.smtp_timeout,
        local_name=settings.mail_from.rpartition("@")[2],
    )
    breaker = Breaker(
        "the mail server",
        MailServerUnavailableError,
        Probe(server).answers,
        bus.consuming.only(MAIL_SENDING.name),
        metrics,
    )
    sending = Sending(descriptions, Writer(settings.mail_from, PdfPrinter()), server)
    terms = settings.terms
    parts = wire(
        bus,
        store,
        store.clock.now,
        terms,
        Seal(settings.seal_keys),
        sending if terms.is_on else None,
        erase_after=settings.erase_after,
    )
    return document_service(
        parts,
        bus,
        store,
        metrics,
        settings,
        sweep_every=settings.sweep_every,
        before=(
            parts.collections.prepare,
            partial(RunningSettings(store).write, SERVICE, terms),
        ),
        after=(descriptions.start,) if terms.is_on else (),
        breakers={MAIL_SENDING.name: breaker},
    )
