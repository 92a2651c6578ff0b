"""The HTTP API: each route is one request on the bus and the translation of its reply."""

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter

from chassis.seal import Seal
from gateway.admission import AdmissionControl
from gateway.api import catalogue, contact, guests, orders, pictures, receipts, staff
from gateway.api.auth import Auth
from gateway.api.bus_gateway import BusGateway
from gateway.contacts import TokenContacts
from gateway.live import LiveFeed
from gateway.rate_limits import StreamLimit
from gateway.settings import GatewaySettings


def api(
    bus: BusGateway,
    auth: Auth,
    live: LiveFeed,
    admission: AdmissionControl,
    contacts: TokenContacts,
    settings: GatewaySettings,
    clock: Callable[[], datetime],
) -> APIRouter:
    """Every route under `/v1`."""
    router = APIRouter(prefix="/v1")
    router.include_router(guests.routes(bus, auth, admission, contacts, settings))
    router.include_router(contact.routes(bus, auth, Seal(settings.seal_keys), clock))
    streams = StreamLimit(settings.max_live_streams)
    router.include_router(orders.routes(bus, auth, live, streams))
    router.include_router(receipts.routes(bus, auth))
    router.include_router(staff.routes(bus, auth, live, streams))
    router.include_router(catalogue.routes(bus, auth))
    router.include_router(pictures.routes(bus, auth))
    return router
