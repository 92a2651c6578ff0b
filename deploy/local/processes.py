"""The sandbox and the services as data: how each is started and what its environment holds."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from chassis.messaging.broker_address import BrokerAddress
from deploy.local.credentials import AUDIENCE, ISSUER, Credentials
from deploy.local.ports import HOST
from deploy.local.process import Process
from deploy.management import PLAIN_HTTP

ROOT = Path(__file__).resolve().parents[2]
THEMES = ROOT / "deploy" / "local" / "themes"

OWN_KEY, CONNECTED, CONNECTED_ID = "seaside", "harbour", "acct_1BellhopHarbour"
"""The sandbox's accounts beside the default one, by name."""


@dataclass(frozen=True, slots=True)
class StackContext:
    """What a part may need to know of the others. Addresses are known before anything runs."""

    data_dir: Path
    amqp_url: str
    mongodb_url: str
    credentials: Credentials
    urls: Mapping[str, str]  # by part name; without "sandbox" when the real Stripe is used
    accounts: Mapping[str, str] = field(default_factory=dict)  # addresses of the broker by part name, each its own
    management_url: str | None = None

    @property
    def sandbox_url(self) -> str | None:
        return self.urls.get("sandbox")


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process of the stack that answers HTTP on a port given to it."""

    name: str
    command: Callable[[int, StackContext], list[str]]
    environment: Callable[[StackContext], Mapping[str, str]]
    ready_path: str = "/health/ready"
    start_seconds: float = 45
    stop_seconds: float = 20  # a service lets its handlers finish for 15 s

    def process(self, port: int, context: StackContext, extra_env: Mapping[str, str]) -> Process:
        """The process of this part, not started yet."""
        hosts = ",".join(filter(None, (os.environ.get("NO_PROXY"), HOST, "localhost")))
        env = {"NO_PROXY": hosts, "no_proxy": hosts, "PYTHONUNBUFFERED": "1"}
        return Process(
            self.name,
            self.command(port, context),
            log=context.data_dir / "logs" / f"{self.name}.log",
            missing=lambda: unreadiness(f"http://{HOST}:{port}{self.ready_path}"),
            env=env | service_environment(self.name, port, context) | dict(self.environment(context)) | dict(extra_env),
            cwd=ROOT,
            start_seconds=self.start_seconds,
            stop_seconds=self.stop_seconds,
        )


def unreadiness(url: str) -> str | None:
    """None when the address answers 200, else what it said instead."""
    try:
        answer = httpx.get(url, timeout=5, trust_env=False, verify=PLAIN_HTTP)
    except httpx.HTTPError as error:
        return f"{url} does not answer ({type(error).__name__})"
    return None if answer.status_code == httpx.codes.OK else f"{url} answers {answer.status_code} {answer.text[:500]}"


def service_environment(name: str, port: int, context: StackContext) -> dict[str, str]:
    """The environment that every service gets."""
    return {
        "BELLHOP_AMQP_URL": context.accounts.get(name, context.amqp_url),
        "BELLHOP_DECLARE_TOPOLOGY": str(name not in context.accounts).lower(),
        "BELLHOP_OPERATOR_ACCOUNTS": BrokerAddress(context.amqp_url).login,
        "BELLHOP_MONGODB_URL": context.mongodb_url,
        "BELLHOP_HTTP_HOST": HOST,
        "BELLHOP_HTTP_PORT": str(port),
        "BELLHOP_LOG_FORMAT": os.environ.get("BELLHOP_LOG_FORMAT", "json"),
        "BELLHOP_LOG_LEVEL": os.environ.get("BELLHOP_LOG_LEVEL", "INFO"),
    }


def token_environment(context: StackContext) -> dict[str, str]:
    """Whose tokens the parts believe."""
    return {
        "BELLHOP_JWT_SECRET": context.credentials.jwt_secret,
        "BELLHOP_JWT_ISSUER": ISSUER,
        "BELLHOP_JWT_AUDIENCE": AUDIENCE,
    }


def operators_page_environment(context: StackContext) -> dict[str, str]:
    env = token_environment(context)
    if context.management_url:
        env["BELLHOP_MANAGEMENT_URL"] = context.management_url
    return env


def gateway_environment(context: StackContext) -> dict[str, str]:
    env = {
        **token_environment(context),
        "BELLHOP_SEAL_KEYS": context.credentials.seal_key,
        "BELLHOP_PAGE_THEMES": os.environ.get("BELLHOP_PAGE_THEMES") or str(THEMES),
        # Every guest of a local stack comes from one address, and a load driver is a few very busy guests.
        "BELLHOP_ADDRESS_RATE": os.environ.get("BELLHOP_ADDRESS_RATE", "1000000/minute"),
        "BELLHOP_GUEST_RATE": os.environ.get("BELLHOP_GUEST_RATE", "100000/minute"),
        "BELLHOP_ORDER_TARGET_SECONDS": os.environ.get("BELLHOP_ORDER_TARGET_SECONDS", "0"),  # the machine may be busy
        "BELLHOP_MAX_LIVE_STREAMS": os.environ.get("BELLHOP_MAX_LIVE_STREAMS", "256"),
    }
    if context.sandbox_url:
        env["BELLHOP_STRIPE_PUBLISHABLE_KEY"] = context.credentials.stripe_publishable_key
        env["BELLHOP_STRIPE_JS_URL"] = f"{context.sandbox_url}/v3/"
    else:
        env["BELLHOP_STRIPE_PUBLISHABLE_KEY"] = os.environ.get("BELLHOP_STRIPE_PUBLISHABLE_KEY", "")
    return env


def extras_environment(_context: StackContext) -> dict[str, str]:
    return {
        "BELLHOP_CATALOGUE_FILE": str(ROOT / "deploy" / "local" / "catalogue.yaml"),
        "BELLHOP_MAX_OPEN_ORDERS": os.environ.get("BELLHOP_MAX_OPEN_ORDERS", "100000"),  # a load driver has few guests
    }


def notifications_environment(context: StackContext) -> dict[str, str]:
    """What the shell says of a mail server reaches the service; without it no e-mail is sent."""
    return {"BELLHOP_SEAL_KEYS": context.credentials.seal_key}


def webhooks_environment(context: StackContext) -> dict[str, str]:
    """A receiver on this machine is what one tries webhooks with."""
    return {
        "BELLHOP_SEAL_KEYS": context.credentials.seal_key,
        "BELLHOP_WEBHOOK_ALLOW_PRIVATE": os.environ.get("BELLHOP_WEBHOOK_ALLOW_PRIVATE", "true"),
    }


def adapter_environment(context: StackContext) -> dict[str, str]:
    env = {"BELLHOP_SEAL_KEYS": context.credentials.seal_key}
    if context.sandbox_url:
        env["STRIPE_API_KEY"] = context.credentials.stripe_api_key
        env["STRIPE_WEBHOOK_SECRET"] = context.credentials.stripe_webhook_secret
        env["BELLHOP_STRIPE_API_BASE"] = context.sandbox_url
        env["BELLHOP_STRIPE_ACCOUNT"] = ""  # what the shell has set is about the real Stripe
        env["BELLHOP_PSP_ACCOUNTS"] = psp_accounts(context.credentials)
    else:
        env["STRIPE_API_KEY"] = os.environ["STRIPE_API_KEY"]
        env["STRIPE_WEBHOOK_SECRET"] = os.environ["STRIPE_WEBHOOK_SECRET"]
    return env


def sandbox_command(port: int, context: StackContext) -> list[str]:
    keys = context.credentials
    command = [sys.executable, "-m", "stripe_sandbox", "--host", HOST, "--port", str(port)]
    command += ["--api-key", keys.stripe_api_key, "--publishable-key", keys.stripe_publishable_key]
    if webhooks := webhook_url(context.urls):
        command += ["--webhook-url", webhooks]
        command += ["--webhook-secret", keys.stripe_webhook_secret]
    command += ["--account", f"{OWN_KEY},{keys.own_key_account}", "--account", f"{CONNECTED},{CONNECTED_ID}"]
    return [*command, "--data", str(context.data_dir / "sandbox.json")]


def psp_accounts(keys: Credentials) -> str:
    """BELLHOP_PSP_ACCOUNTS with the sandbox's further accounts: one with a key of its own, one that is connected."""
    api_key, publishable_key, webhook_secret = keys.own_key_account.split(",")
    own = {"api_key": api_key, "publishable_key": publishable_key, "webhook_secret": webhook_secret}
    return json.dumps({OWN_KEY: own, CONNECTED: {"connected": CONNECTED_ID}})


def webhook_url(urls: Mapping[str, str]) -> str | None:
    """Where the PSP sends its events, in a stack with an adapter."""
    adapter = urls.get("psp_adapter")
    return f"{adapter}/webhooks/stripe" if adapter else None


def service(name: str, environment: Callable[[StackContext], Mapping[str, str]]) -> ProcessSpec:
    """A service that is started as a Python module."""
    return ProcessSpec(name.replace(".", "_"), lambda _port, _context: [sys.executable, "-m", name], environment)


SANDBOX = ProcessSpec("sandbox", sandbox_command, lambda _context: {}, stop_seconds=5)
SERVICES = (
    service("gateway", gateway_environment),
    service("extras_service", extras_environment),
    service("payment_service", lambda _: {}),
    service("psp_adapter", adapter_environment),
    service("notifications", notifications_environment),
    service("webhooks", webhooks_environment),
)
OPERATORS_PAGE = service("ops.web", operators_page_environment)
