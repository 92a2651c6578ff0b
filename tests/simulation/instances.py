"""The services as simulated processes: their own `create_app`, started, killed and started again."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeVar
from unittest.mock import patch

import aiosmtplib
import stripe
from pydantic import SecretStr

import chassis.storage.store
import extras_service.app
import gateway.app
import notifications.app
import payment_service.app
import psp_adapter.app
import webhooks.app
from chassis.messaging import amqp, queue_depth
from chassis.messaging.bus import Bus
from chassis.receipts.pdf import PdfPrinter
from chassis.runtime.background import Loop, run_loops
from chassis.runtime.metrics import Metrics
from chassis.seal import Seal
from contracts.accounts import OPERATOR
from extras_service.settings import ExtrasSettings
from notifications.settings import NotificationSettings, Security
from ops.core.target import Target
from payment_service.settings import PaymentSettings
from psp_adapter.settings import AdapterSettings
from stripe_sandbox import confirmation
from tests.simulation.asgi import Exchange
from tests.simulation.broker.bus import BROKER, SimulatedBus
from tests.simulation.broker.server import Broker
from tests.simulation.broker.tools import connection_for_tools
from tests.simulation.gateway import depth_of
from tests.simulation.gateway import settings as gateway_settings
from tests.simulation.loop import Period, Process, SimulatedLoop
from tests.simulation.mail import MAIL, SENDER, MailServer, SimulatedSmtp, pdf_of
from tests.simulation.mishaps import MISHAPS, Mishaps
from tests.simulation.psp import API_KEY, PSP, SEASIDES_SETTING, WEBHOOK_SECRET, Psp, init_http
from tests.simulation.receivers import RECEIVERS, Receivers, posted, trusted
from tests.simulation.sealing import PROJECT
from tests.simulation.shortcut import ShortGateway
from tests.simulation.store.client import STORE, SimulatedClient
from tests.simulation.store.server import StoreServer
from tests.simulation.watch import METRICS
from webhooks.http import Caller
from webhooks.settings import WebhookSettings

T = TypeVar("T")

SEAL_KEY = "c2ltdWxhdGlvbi1zZWFsLWtleS1vZi0zMi1ieXRlcyE="
PSP_ADDRESS = "http://psp.localhost"
_START_AGAIN_AFTER = 2.0


PACE: ContextVar[tuple[float, float]] = ContextVar("how slow the periodic work of a process is, and its gauges")
GAUGES: ContextVar[list[Loop]] = ContextVar("what a process counts for people")
_GAUGE = "gauge of "


def _periodic(loops: Any) -> Any:
    """As on a machine that is slow: each round begins later, by a factor."""
    pace, gauge_pace = PACE.get()
    GAUGES.get().extend(loop for loop in loops if loop.name.startswith(_GAUGE))
    return run_loops(
        [
            replace(loop, every=Period(loop.every * (gauge_pace if loop.name.startswith(_GAUGE) else pace)))
            for loop in loops
        ]
    )


@cache
def _users(_modules: int) -> tuple[tuple[Any, str, Any], ...]:
    """Project modules that name what is simulated, and what they get instead."""
    replaced: dict[str, tuple[Any, Any]] = {
        "Bus": (Bus, SimulatedBus),
        "run_loops": (run_loops, _periodic),
        "depth_of": (queue_depth.depth_of, depth_of),
        "connection_for_tools": (amqp.connection_for_tools, connection_for_tools),
    }
    return tuple(
        (module, name, new)
        for module_name, module in list(sys.modules.items())
        if module_name.partition(".")[0] in PROJECT
        for name, (original, new) in replaced.items()
        if vars(module).get(name) is original
    )


_AUTHORISED_FOR = 15 * 3600
"""Seconds: an order without a decision is declined three hours after it was authorised."""


@contextmanager
def simulated_parts() -> Iterator[None]:
    """The composition roots build on the simulated broker, store and PSP."""
    with ExitStack() as stack:
        for module, name, new in _users(len(sys.modules)):
            stack.enter_context(patch.object(module, name, new))
        stack.enter_context(patch.object(chassis.storage.store, "AsyncIOMotorClient", SimulatedClient))
        stack.enter_context(patch.object(Metrics, "__init__", _noted(Metrics.__init__)))
        # With seven days, as at Stripe, most steps of a history would be polls of the orders that no one decides on.
        stack.enter_context(patch.object(confirmation, "AUTHORISED_FOR", _AUTHORISED_FOR))
        stack.enter_context(patch.object(stripe.HTTPXClient, "__init__", init_http))
        stack.enter_context(patch.object(aiosmtplib, "SMTP", SimulatedSmtp))
        stack.enter_context(patch.object(PdfPrinter, "pdf_of", pdf_of))
        stack.enter_context(patch.object(Caller, "_posted", posted))
        stack.enter_context(patch.object(Caller, "__post_init__", trusted))
        yield


def _noted(init: Callable[..., None]) -> Callable[..., None]:
    """The constructor of metrics, which lets the process know them."""

    def initialised(metrics: Metrics, service: str) -> None:
        init(metrics, service)
        METRICS.get([]).append(metrics)

    return initialised


def _url(account: str) -> SecretStr:
    return SecretStr(f"amqp://{account}:secret@simulated/")


def builders(*, over_http: bool, with_mail: bool, with_accounts: bool) -> Mapping[str, Callable[..., Any]]:
    """How each service is built, by its name; named are settings that differ."""
    stored: dict[str, Any] = {"mongodb_url": SecretStr("mongodb://simulated/"), "declare_topology": False}
    extras = ExtrasSettings(amqp_url=_url("extras-service"), **stored)
    payments = PaymentSettings(amqp_url=_url("payment-service"), **stored)
    adapter = AdapterSettings(
        amqp_url=_url("psp-adapter"),
        declare_topology=False,
        stripe_api_key=SecretStr(API_KEY),
        stripe_webhook_secret=SecretStr(WEBHOOK_SECRET),
        stripe_api_base=PSP_ADDRESS,
        psp_accounts=SecretStr(SEASIDES_SETTING if with_accounts else ""),
        seal_keys=SecretStr(SEAL_KEY),
    )
    sending: dict[str, Any] = {"smtp_host": "mail.localhost", "mail_from": SENDER, "smtp_security": Security.NONE}
    mail = NotificationSettings(
        amqp_url=_url("notifications"), seal_keys=SecretStr(SEAL_KEY), **stored, **(sending if with_mail else {})
    )
    hooks = WebhookSettings(amqp_url=_url("webhooks"), seal_keys=SecretStr(SEAL_KEY), **stored)
    edge = gateway_settings(
        amqp_url=_url("gateway"), declare_topology=False, seal_keys=SecretStr(SEAL_KEY), api_docs=False
    )
    return {
        "extras-service": lambda **named: extras_service.app.create_app(extras.model_copy(update=named)),
        "payment-service": lambda **named: payment_service.app.create_app(payments.model_copy(update=named)),
        "psp-adapter": lambda: psp_adapter.app.create_app(adapter),
        "notifications": lambda **named: notifications.app.create_app(mail.model_copy(update=named)),
        "webhooks": lambda **named: webhooks.app.create_app(hooks.model_copy(update=named)),
        "gateway": lambda: gateway.app.create_app(edge) if over_http else ShortGateway(_periodic, Seal(edge.seal_keys)),
    }


def operators_target(*, with_accounts: bool) -> Target:
    """What an operator's commands act on."""
    amqp_url, mongodb_url = _url(OPERATOR).get_secret_value(), "mongodb://simulated/"
    others = SEASIDES_SETTING if with_accounts else ""
    return Target(amqp_url, mongodb_url, API_KEY, stripe_api_base=PSP_ADDRESS, psp_accounts=others)


@dataclass(frozen=True, slots=True)
class Servers:
    """What the instances connect to."""

    broker: Broker
    store: StoreServer
    psp: Psp
    mail: MailServer
    receivers: Receivers
    mishaps: Mishaps
    pace: float = 1.0
    """A factor on the pauses of periodic work."""
    gauge_pace: float = 1.0
    """The same for gauges, which are for people and change nothing."""

    def enter(self, process: Process) -> None:
        process.context.run(BROKER.set, self.broker)
        process.context.run(STORE.set, self.store)
        process.context.run(PSP.set, self.psp)
        process.context.run(MAIL.set, self.mail)
        process.context.run(RECEIVERS.set, self.receivers)
        process.context.run(MISHAPS.set, self.mishaps)
        process.context.run(PACE.set, (self.pace, self.gauge_pace))
        process.context.run(GAUGES.set, [])
        process.context.run(METRICS.set, [])


@dataclass
class Instance:
    """One of several instances of a service, over all its lives."""

    loop: SimulatedLoop
    service: str
    number: int
    build: Callable[..., Any]
    servers: Servers
    process: Process = field(init=False)
    app: Any = None
    lives: int = 0
    is_held: bool = False
    """Its supervisor was stopped: it does not start again."""
    _named: dict[str, Any] = field(default_factory=dict)
    _stopping: asyncio.Event = field(init=False)

    def start(self) -> None:
        if self.is_held or (self.lives and self.process.alive):
            return
        self.lives += 1
        self.process = Process(f"{self.service}-{self.number}.{self.lives}")
        self.servers.enter(self.process)
        self.app = None
        self._stopping = asyncio.Event()
        self.loop.run_in(self.process, self._run(self.process), "main")

    @property
    def gauges(self) -> list[Loop]:
        """The loops that update what this life of it shows of waiting things."""
        return self.process.context[GAUGES]

    @property
    def is_ready(self) -> bool:
        return self.app is not None and self.process.alive

    async def _run(self, process: Process) -> None:
        try:
            app = self.build(**self._named)
            async with app.router.lifespan_context(app):
                self.app = app
                await self._stopping.wait()
                self.app = None
        except Exception as error:
            if self.app is not None:  # before that, its supervisor starts it again
                self.loop.call_exception_handler({"message": f"{process.name} ended", "exception": error})
        self.kill(start_again_after=_START_AGAIN_AFTER)

    def kill(self, *, start_again_after: float) -> None:
        """As SIGKILL: nothing of it runs any more; the broker sees its connections end, and a new life begins later."""
        process = self.process
        if not process.alive:
            return
        self.loop.kill(process)
        self.app = None
        broker = self.servers.broker
        for connection in list(broker.connections):
            if connection.owner is process:
                at = self.loop.time() + broker.random.random()
                self.loop.call_at(at, connection.drop, context=self.loop.world.context)
        at = self.loop.time() + start_again_after
        self.loop.call_at(at, self.start, context=self.loop.world.context)

    def hold(self) -> None:
        """Stop it until it is released."""
        self.is_held = True
        self.stop()

    def release(self, **settings: Any) -> None:
        """Start it again, with other settings than usual."""
        self.is_held, self._named = False, settings
        self.start()

    def stop(self) -> None:
        """As SIGTERM."""
        self._stopping.set()

    async def webhook(self, path: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The adapter's answer to a webhook: its status. Raises ConnectionError when there is none."""
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        raw.append((b"content-length", str(len(body)).encode()))
        status, _ = await Exchange(self, "POST", path, raw, body, "198.51.100.1").head()
        return status
