"""The services and the PSP's sandbox in the test's own event loop, over a real broker and a real store."""

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aio_pika
import httpx
from aio_pika.abc import AbstractIncomingMessage
from cryptography.fernet import Fernet
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from pydantic import SecretStr
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

import extras_service.app
import gateway.app
import notifications.app
import payment_service.app
import psp_adapter.app
import stripe_sandbox
import webhooks.app
from chassis.messaging.broker_address import BrokerAddress
from contracts.topology import COPIES, LOG
from deploy.local.broker import Broker
from deploy.local.patience import patient
from deploy.local.ports import HOST
from deploy.local.store import Store
from deploy.management import PLAIN_HTTP
from extras_service.settings import ExtrasSettings
from gateway.settings import GatewaySettings
from notifications.settings import NotificationSettings, Security
from payment_service.settings import PaymentSettings
from psp_adapter.account_settings import read_accounts
from psp_adapter.settings import AdapterSettings
from stripe_sandbox.webhooks import sign
from tests.support import store_rights
from tests.support.accounts import accounts_at
from tests.support.guest import AUDIENCE, ISSUER, JWT_SECRET, Guest, Json, body, token
from tests.support.serving import InFlight, Served
from tests.support.waiting import PATIENCE, until
from webhooks.settings import WebhookSettings

CATALOGUE = Path(__file__).resolve().parents[2] / "deploy" / "local" / "catalogue.yaml"
THEMES = CATALOGUE.parent / "themes"
API_KEY, PUBLISHABLE_KEY, WEBHOOK_SECRET = "sk_test_sandbox", "pk_test_sandbox", "whsec_for_tests"

GOOD_CARD = "4242424242424242"
DECLINED_CARD = "4000000000000002"
AUTHENTICATION_CARD = "4000002500003155"
PROCESSING_CARD = "4000000000008807"
PROCESSING_THEN_FAILING_CARD = "4000000000008815"
REFUND_FAILS_CARD = "4000000000005126"
SLOW_REFUND_CARD = "4000000000007726"
STATEMENT_SUFFIX = "EXTRAS"
SENDER = "extras@bellhop.example"

GATEWAY, EXTRAS, PAYMENTS, ADAPTER = "gateway", "extras_service", "payment_service", "psp_adapter"
NOTIFICATIONS, WEBHOOKS = "notifications", "webhooks"
SERVICES = (EXTRAS, PAYMENTS, ADAPTER, NOTIFICATIONS, WEBHOOKS, GATEWAY)
SWEEP_EVERY = 0.5
"""Seconds. Thirteen sweeps of a system that does nothing ask the store 26 times a second; services look each second."""
DEAD_QUEUES = ("extras.dead", "payments.dead", "psp.dead", "mail.dead", "hooks.dead")


@dataclass(frozen=True)
class Setup:
    """What may differ between two systems. Time-outs are of an idle machine; a busy one gets more (`patient`)."""

    amqp_url: str
    mongodb_url: str
    database: str
    catalogue: Path = CATALOGUE
    pay_within: timedelta = timedelta(minutes=30)
    sweep_every: float = SWEEP_EVERY
    reply_timeout: float = 20.0
    request_timeout: float = 60.0
    guest_rate: str = "100000/minute"
    max_live_streams: int = 256
    max_open_orders: int = 100_000
    max_waiting_orders: int = 1000
    order_target_seconds: float = 0.0
    webhook_secret: str = WEBHOOK_SECRET
    settle_after: float | None = None
    publish_timeout: float = 10.0
    store_timeout: float = 5.0
    seal_key: str = field(default_factory=lambda: Fernet.generate_key().decode())
    poll_interval_factor: float = 1.0
    psp_sweep_every: timedelta = timedelta(minutes=10)
    stripe_retries: int = 2
    stripe_breaker_threshold: int = 10
    stripe_timeout: float = 10.0
    stripe_account: str | None = None
    stripe_api_base: str = ""
    """Empty: the sandbox's own address."""
    psp_accounts: str = ""
    """BELLHOP_PSP_ACCOUNTS; the sandbox has these accounts, too."""
    smtp_port: int = 0
    """Of a mail server on this machine; 0: no e-mail."""
    mail_max_age: timedelta = timedelta(hours=24)
    retention: timedelta | None = None
    """Of e-mails and webhooks that are over."""
    accounts: Mapping[str, str] = field(default_factory=dict)
    """Addresses of the broker by part, each with an account of its own; a part without one uses `amqp_url`."""
    store_urls: Mapping[str, str] = field(default_factory=dict)
    """Addresses of the store by part, each with a user of its own; a part without one uses `mongodb_url`."""


class System:
    """The whole of Bellhop, with a look behind every wall."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.reply_timeout = patient(setup.reply_timeout)
        self.sandbox = Served("sandbox", self._build_sandbox)
        self.opening = InFlight(_not_built_yet, "POST", "/v1/payment_intents")
        self.parts = {
            GATEWAY: Served(GATEWAY, lambda: gateway.app.create_app(self.gateway_settings())),
            EXTRAS: Served(EXTRAS, lambda: extras_service.app.create_app(self.extras_settings())),
            PAYMENTS: Served(PAYMENTS, lambda: payment_service.app.create_app(self.payment_settings())),
            ADAPTER: Served(ADAPTER, lambda: psp_adapter.app.create_app(self.adapter_settings())),
            NOTIFICATIONS: Served(NOTIFICATIONS, lambda: notifications.app.create_app(self.notification_settings())),
            WEBHOOKS: Served(WEBHOOKS, lambda: webhooks.app.create_app(self.webhook_settings())),
        }
        self._mongo: AsyncMongoClient[Json] = AsyncMongoClient(
            setup.mongodb_url, tz_aware=True, serverSelectionTimeoutMS=5000
        )
        self._http = httpx.AsyncClient(
            timeout=PATIENCE, limits=httpx.Limits(keepalive_expiry=1), trust_env=False, verify=PLAIN_HTTP
        )
        self._guests: list[httpx.AsyncClient] = []
        self._psp_ahead = 0.0

    @property
    def login(self) -> str:
        """The operator's account at the broker, which the tests use."""
        return BrokerAddress(self.setup.amqp_url).login

    # Settings of the parts

    def common_settings(self, part: str) -> dict[str, Any]:
        return {
            "amqp_url": SecretStr(self.setup.accounts.get(part, self.setup.amqp_url)),
            "declare_topology": part not in self.setup.accounts,
            "operator_accounts": self.login,
            "publish_timeout": patient(self.setup.publish_timeout),
            "graceful_timeout": 5.0,
        }

    def store_settings(self, part: str) -> dict[str, Any]:
        return self.common_settings(part) | {
            "mongodb_url": SecretStr(self.setup.store_urls.get(part, self.setup.mongodb_url)),
            "mongodb_database": self.setup.database,
            "store_timeout": patient(self.setup.store_timeout),
            "sweep_every": self.setup.sweep_every,
        }

    def gateway_settings(self) -> GatewaySettings:
        return GatewaySettings(
            **self.common_settings(GATEWAY),
            jwt_secret=SecretStr(JWT_SECRET),
            jwt_issuer=ISSUER,
            jwt_audience=AUDIENCE,
            seal_keys=SecretStr(self.setup.seal_key),
            reply_timeout=self.reply_timeout,
            request_timeout=self.setup.request_timeout,
            address_rate="1000000/minute",
            guest_rate=self.setup.guest_rate,
            max_live_streams=self.setup.max_live_streams,
            max_waiting_orders=self.setup.max_waiting_orders,
            order_target_seconds=self.setup.order_target_seconds,
            stripe_publishable_key=PUBLISHABLE_KEY,
            stripe_js_url=f"{self.sandbox.url}/v3/",
            page_themes=THEMES,
        )

    def extras_settings(self) -> ExtrasSettings:
        return ExtrasSettings(
            **self.store_settings(EXTRAS),
            catalogue_file=self.setup.catalogue,
            pay_within=self.setup.pay_within,
            max_open_orders=self.setup.max_open_orders,
        )

    def payment_settings(self) -> PaymentSettings:
        return PaymentSettings(
            **self.store_settings(PAYMENTS),
            poll_interval_factor=self.setup.poll_interval_factor,
            psp_sweep_every=self.setup.psp_sweep_every,
        )

    def adapter_settings(self) -> AdapterSettings:
        return AdapterSettings(
            **self.common_settings(ADAPTER),
            stripe_api_key=SecretStr(API_KEY),
            stripe_webhook_secret=SecretStr(self.setup.webhook_secret),
            stripe_api_base=self.setup.stripe_api_base or self.sandbox.url,
            stripe_account=self.setup.stripe_account,
            psp_accounts=SecretStr(self.setup.psp_accounts),
            stripe_timeout=self.setup.stripe_timeout,
            stripe_retries=self.setup.stripe_retries,
            stripe_breaker_threshold=self.setup.stripe_breaker_threshold,
            stripe_statement_descriptor_suffix=STATEMENT_SUFFIX,
            seal_keys=SecretStr(self.setup.seal_key),
        )

    def notification_settings(self) -> NotificationSettings:
        mail: dict[str, Any] = {"smtp_host": HOST, "smtp_port": self.setup.smtp_port, "mail_from": SENDER}
        return NotificationSettings(
            **self.store_settings(NOTIFICATIONS),
            **(mail if self.setup.smtp_port else {}),
            smtp_security=Security.NONE,
            smtp_timeout=5.0,
            mail_max_age=self.setup.mail_max_age,
            mail_retention=self.setup.retention,
            reply_timeout=self.reply_timeout,
            seal_keys=SecretStr(self.setup.seal_key),
        )

    def webhook_settings(self) -> WebhookSettings:
        return WebhookSettings(
            **self.store_settings(WEBHOOKS),
            webhook_allow_private=True,
            webhook_timeout=5.0,
            webhook_retention=self.setup.retention,
            reply_timeout=self.reply_timeout,
            seal_keys=SecretStr(self.setup.seal_key),
        )

    def environment(self, part: str) -> dict[str, str]:
        """The same settings for a part that runs as a process of its own."""
        env = {
            "BELLHOP_AMQP_URL": self.setup.accounts.get(part, self.setup.amqp_url),
            "BELLHOP_DECLARE_TOPOLOGY": str(part not in self.setup.accounts),
            "BELLHOP_OPERATOR_ACCOUNTS": self.login,
            "BELLHOP_MONGODB_URL": self.setup.mongodb_url,
            "BELLHOP_MONGODB_DATABASE": self.setup.database,
            "BELLHOP_CATALOGUE_FILE": str(CATALOGUE),
            "BELLHOP_HTTP_PORT": str(self.parts[part].port),
            "BELLHOP_LOG_FORMAT": "json",
            "BELLHOP_SEAL_KEYS": self.setup.seal_key,
            "BELLHOP_STRIPE_API_BASE": self.sandbox.url,
            "STRIPE_API_KEY": API_KEY,
            "STRIPE_WEBHOOK_SECRET": self.setup.webhook_secret,
            "BELLHOP_JWT_SECRET": JWT_SECRET,
            "BELLHOP_JWT_ISSUER": ISSUER,
            "BELLHOP_REPLY_TIMEOUT": str(self.setup.reply_timeout),
            "BELLHOP_REQUEST_TIMEOUT": str(self.setup.request_timeout),
            "BELLHOP_ADDRESS_RATE": "1000000/minute",
            "BELLHOP_GUEST_RATE": self.setup.guest_rate,
            "BELLHOP_MAX_OPEN_ORDERS": str(self.setup.max_open_orders),
            "BELLHOP_MAX_LIVE_STREAMS": str(self.setup.max_live_streams),
            "BELLHOP_MAX_WAITING_ORDERS": str(self.setup.max_waiting_orders),
            "BELLHOP_ORDER_TARGET_SECONDS": str(self.setup.order_target_seconds),
            "BELLHOP_STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
            "BELLHOP_STRIPE_STATEMENT_DESCRIPTOR_SUFFIX": STATEMENT_SUFFIX,
            "BELLHOP_STRIPE_RETRIES": str(self.setup.stripe_retries),
            "BELLHOP_PUBLISH_TIMEOUT": str(self.setup.publish_timeout),
            "BELLHOP_STORE_TIMEOUT": str(self.setup.store_timeout),
            "BELLHOP_SWEEP_EVERY": str(self.setup.sweep_every),
            "BELLHOP_PAY_WITHIN": iso8601(self.setup.pay_within),
            # Its name in 0.1.0, an earlier version that some tests run beside this one.
            "BELLHOP_POLL_PACE": str(self.setup.poll_interval_factor),
            "BELLHOP_WEBHOOK_ALLOW_PRIVATE": "true",
            "BELLHOP_PSP_SWEEP_EVERY": iso8601(self.setup.psp_sweep_every),
        }
        return env | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PYTHONUNBUFFERED": "1"}

    def _build_sandbox(self) -> InFlight:
        settings = stripe_sandbox.Settings(
            api_key=API_KEY,
            publishable_key=PUBLISHABLE_KEY,
            webhook_url=self.webhook_url,
            webhook_secret=WEBHOOK_SECRET,
            settle_after=self.setup.settle_after,
            retry_longest=1.0,
            retry_attempts=200,
        )
        others = dict(self._other_accounts(settings))
        self.opening = InFlight(stripe_sandbox.create_app(settings, others), "POST", "/v1/payment_intents")
        return self.opening

    def _other_accounts(self, default: stripe_sandbox.Settings) -> Iterator[tuple[str, stripe_sandbox.Settings]]:
        for each in read_accounts(self.setup.psp_accounts, API_KEY, None):
            if each.connected:
                own: dict[str, Any] = {"account": each.connected, "connected": True, "webhook_url": None}
            else:
                own = {
                    "api_key": each.api_key,
                    "publishable_key": each.publishable_key,
                    "account": each.expected,
                    "webhook_url": f"{self.webhook_url}/{each.name}",
                    "webhook_secret": each.webhook_secrets[0],
                }
            yield each.name, replace(default, **own)

    # Running

    async def start(self) -> None:
        """All parts at once, as an orchestrator does. If one does not start, those that have are stopped by `stop`."""
        store_rights.watch()
        await self.sandbox.start()
        _raise_first(await asyncio.gather(*map(_started, self.parts.values()), return_exceptions=True))

    async def stop(self) -> None:
        for guest in self._guests:
            await guest.aclose()
        stopped = await asyncio.gather(*(part.stop() for part in self.parts.values()), return_exceptions=True)
        await self.sandbox.stop()
        await self._http.aclose()
        await self._mongo.close()
        _raise_first(stopped)
        beyond = store_rights.taken()
        assert not beyond, f"sent without the right to: {beyond}"

    # Outside: guests, the PSP, operators

    @property
    def webhook_url(self) -> str:
        return f"{self.parts[ADAPTER].url}/webhooks/stripe"

    def guest(self, property_id: str = "alpenhof", **claims: Any) -> Guest:
        """A new guest."""
        guest_id = f"gst_{uuid.uuid4().hex[:12]}"
        signed = token(sub=guest_id, property=property_id, reservation=f"res_{guest_id}", **claims)
        return Guest(guest_id, property_id, self.browser(f"Bearer {signed}"))

    def browser(self, authorization: str | None = None) -> httpx.AsyncClient:
        """A client of the gateway."""
        headers = {"Authorization": authorization} if authorization else {}
        limits = httpx.Limits(max_connections=200, keepalive_expiry=1)  # below the server's, so they never race
        http = httpx.AsyncClient(
            base_url=self.parts[GATEWAY].url,
            headers=headers,
            timeout=PATIENCE + 10,
            limits=limits,
            trust_env=False,
            verify=PLAIN_HTTP,
        )
        self._guests.append(http)
        return http

    async def pay(self, session: Json, card: str = GOOD_CARD) -> httpx.Response:
        """Confirm with the PSP directly, as Stripe.js does: publishable key, client secret, form encoding."""
        secret = session["client_secret"]
        intent_id = secret.partition("_secret")[0]
        form = {
            "client_secret": secret,
            "payment_method_data[type]": "card",
            "payment_method_data[card][number]": card,
            "payment_method_data[card][exp_month]": "12",
            "payment_method_data[card][exp_year]": "34",
            "payment_method_data[card][cvc]": "123",
        }
        headers = {"Authorization": f"Bearer {session['publishable_key']}"}
        if session.get("connected_account"):
            headers["Stripe-Account"] = session["connected_account"]
        return await self._http.post(
            f"{self.sandbox.url}/v1/payment_intents/{intent_id}/confirm", data=form, headers=headers
        )

    async def show_voucher(self, session: Json, kind: str) -> httpx.Response:
        """Confirm with a way to pay that ends later: `oxxo`, or `customer_balance` (a bank transfer)."""
        secret = session["client_secret"]
        form = {"client_secret": secret, "payment_method_data[type]": kind}
        headers = {"Authorization": f"Bearer {session['publishable_key']}"}
        path = f"/v1/payment_intents/{secret.partition('_secret')[0]}/confirm"
        return await self._http.post(f"{self.sandbox.url}{path}", data=form, headers=headers)

    async def switch(self, path: str, said: Json | None = None, *, method: str = "POST") -> Json:
        """One of the sandbox's switches."""
        answer = await self._http.request(method, f"{self.sandbox.url}/_sandbox/{path}", json=said or {})
        return body(answer, 200)

    async def advance_psp_clock(self, by: timedelta) -> None:
        """Set the PSP's clock forward, for good. The services follow it where they go by the PSP's time."""
        clock = await self.switch("clock/advance", {"seconds": by.total_seconds()})
        self._psp_ahead = clock["ahead_s"]

    @asynccontextmanager
    async def faults(self, **plan: Any) -> AsyncIterator[None]:
        """Let the PSP misbehave for a while."""
        await self.switch("faults", plan, method="PUT")
        try:
            yield
        finally:
            await self.switch("faults", method="DELETE")

    async def at_psp(self, path: str, *, key: str = API_KEY, connected: str = "", **params: str | int) -> Json:
        """Ask the PSP's API with the secret key, or another account's."""
        headers = {"Authorization": f"Bearer {key}"} | ({"Stripe-Account": connected} if connected else {})
        return body(await self._http.get(f"{self.sandbox.url}/v1/{path}", params=params, headers=headers), 200)

    async def intents(self, order_id: str) -> list[Json]:
        """Every PaymentIntent the PSP has for an order."""
        listed = await self.at_psp("payment_intents", limit=100)
        return [intent for intent in listed["data"] if intent["metadata"].get("order_id") == order_id]

    async def psp_events(self, intent_id: str, kind: str = "payment_intent.") -> list[Json]:
        """The PSP's own events about an intent, newest first."""
        listed = await self.at_psp("events", limit=100)
        events: list[Json] = listed["data"]
        return [e for e in events if e["type"].startswith(kind) and e["data"]["object"]["id"] == intent_id]

    async def webhooks_delivered(self) -> bool:
        state = await self.switch("state", method="GET")
        return bool(state["webhooks"]["pending"] == 0)

    async def operator(self, part: str, path: str) -> httpx.Response:
        return await self._http.get(f"{self.parts[part].url}{path}")

    async def post_webhook(
        self, content: Any, headers: dict[str, str] | None = None, *, url: str | None = None, endpoint: str = ""
    ) -> httpx.Response:
        """Raw bytes for the webhook endpoint, of the system's adapter or of one at `url`."""
        return await self._http.post(
            f"{url or self.parts[ADAPTER].url}/webhooks/stripe{endpoint}", content=content, headers=headers
        )

    async def post_event(self, event: Json, *, endpoint: str = "", secret: str = WEBHOOK_SECRET) -> httpx.Response:
        """A webhook as the PSP would send it now: signed and timestamped. `endpoint`: `/NAME` of another account."""
        content = json.dumps(event).encode()
        signature = sign(content, secret, int(time.time() + self._psp_ahead))
        return await self.post_webhook(content, {"Stripe-Signature": signature}, endpoint=endpoint)

    async def samples(self, part: str, name: str) -> list[Sample]:
        """What a part shows of one counter at /metrics."""
        text = (await self.operator(part, "/metrics")).text
        of_it = "".join(line for line in text.splitlines(keepends=True) if line.startswith(name))
        families = text_string_to_metric_families(of_it)
        return [each for family in families for each in family.samples if each.name in (name, f"{name}_total")]

    async def counted(self, part: str, name: str, **labels: str) -> int:
        """The sum of one counter of a part over all labels that are not named."""
        samples = await self.samples(part, name)
        return int(sum(each.value for each in samples if labels.items() <= each.labels.items()))

    async def messages_published(self, *types: str) -> int:
        """Messages of these types (command, event, reply, query) published by all services together."""
        samples = [each for part in SERVICES for each in await self.samples(part, "bellhop_messages_published")]
        return int(sum(each.value for each in samples if each.labels["type"] in types))

    async def state_writes(self) -> int:
        return sum([await self.counted(part, "bellhop_store_writes", type="state") for part in (EXTRAS, PAYMENTS)])

    # Inside: documents, queues, the log

    @property
    def documents(self) -> AsyncDatabase[Json]:
        return self._mongo.get_database(self.setup.database)

    async def document(self, order_id: str) -> Json | None:
        return await self.documents["orders"].find_one({"_id": order_id})

    async def payment_of(self, order_id: str) -> Json | None:
        return await self.documents["payments"].find_one({"_id": "pay_" + order_id.removeprefix("ord_")})

    async def order_count(self) -> int:
        return await self.documents["orders"].count_documents({})

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
        """A channel of the test's own."""
        async with AsyncExitStack() as stack:
            connection = await stack.enter_async_context(await aio_pika.connect(self.setup.amqp_url, timeout=PATIENCE))
            yield await connection.channel(on_return_raises=True)

    async def depth(self, queue: str) -> int:
        """Messages that wait in a queue."""
        async with self.channel() as channel:
            declared = await channel.declare_queue(queue, passive=True)
            return declared.declaration_result.message_count or 0

    async def parked(self) -> dict[str, int]:
        """Messages in the dead queues."""
        return {queue: await self.depth(queue) for queue in DEAD_QUEUES}

    async def take(self, queue: str) -> AbstractIncomingMessage:
        """The next message of a queue, taken from it."""
        async with self.channel() as channel:
            declared = await channel.declare_queue(queue, passive=True)
            message = await until(lambda: declared.get(fail=False), f"there is a message in {queue}")
            await message.ack()
            return message

    async def log(self) -> list[AbstractIncomingMessage]:
        """Every command and event in the log stream up to now, the oldest first."""
        end = f"tests.end-of-log.{uuid.uuid4().hex}"
        read: list[AbstractIncomingMessage] = []
        async with self.channel() as channel:
            await channel.set_qos(prefetch_count=500)
            await until(self._log_is_written, "every copy is in the log")
            copies = await channel.get_exchange(COPIES.name, ensure=False)
            await copies.publish(aio_pika.Message(b"{}", type=end), f"tests.{end}")
            stream = await channel.declare_queue(LOG, passive=True)

            async def keep(message: AbstractIncomingMessage) -> None:
                message.exchange, _, message.routing_key = (message.routing_key or "").partition(".")  # type: ignore[misc]
                read.append(message)
                await message.ack()

            await stream.consume(keep, arguments={"x-stream-offset": "first"})
            await until(lambda: any(m.type == end for m in reversed(read)), "the log has been read to its end")
        return [message for message in read if message.exchange in ("commands", "events")]

    async def _log_is_written(self) -> bool:
        """Whether no part has copies that are not in the log yet. A part that does not run has none."""
        for part in SERVICES:
            with suppress(httpx.HTTPError):
                if await self.counted(part, "bellhop_log_copies_waiting"):
                    return False
        return True

    async def log_of(self, order_id: str, *awaited: str) -> Counter[str]:
        """How many messages of each kind the log has for one order; one that was published twice counts once.

        `awaited`: kinds that must be in it before it is returned. A document shows a decision before the messages of
        that decision are published.
        """
        needle = order_id.encode()

        async def has_awaited() -> Counter[str] | None:
            found = {(message.message_id, message.type or "") for message in await self.log() if needle in message.body}
            kinds = Counter(kind for _, kind in found)
            return kinds if kinds.keys() >= set(awaited) else None

        if awaited:
            return await until(has_awaited, f"the log has {', '.join(awaited)} of {order_id}")
        return await has_awaited() or Counter()

    async def times_logged(self, order_id: str, kind: str) -> int:
        """How many messages of a kind the log has for one order, once it has one."""
        return (await self.log_of(order_id, kind))[kind]


def iso8601(time: timedelta) -> str:
    """A length of time as an environment variable has it."""
    return f"PT{time.total_seconds()}S"


async def _started(part: Served) -> None:
    """As under a supervisor: a part that loses the broker while it starts ends, and is started again."""
    for tries_left in (2, 1, 0):
        try:
            await part.start()
            return
        except AssertionError:
            if not tries_left:
                raise


def _raise_first(results: Iterable[BaseException | None]) -> None:
    for error in results:
        if error is not None:
            raise error


async def _not_built_yet(*_: object) -> None:
    raise AssertionError("the sandbox has not been started")


@asynccontextmanager
async def setup_on(broker: Broker, store: Store, prefix: str, **changes: Any) -> AsyncIterator[Setup]:
    """A virtual host, a database and accounts of a system's own, under a fresh name."""
    name = f"{prefix}-{uuid.uuid4().hex[:8]}"
    url = broker.new_vhost(name)
    try:
        accounts = await accounts_at(broker, url)
        yield Setup(amqp_url=url, mongodb_url=store.url, accounts=accounts, **({"database": name} | changes))
    finally:
        broker.drop_vhost(name)


@asynccontextmanager
async def system_on(broker: Broker, store: Store, **changes: Any) -> AsyncIterator[System]:
    """A running system with a virtual host and a database of its own."""
    async with setup_on(broker, store, "flow", **changes) as setup:
        system = System(setup)
        try:
            await system.start()
            yield system
        finally:
            await system.stop()
