"""The pods of an overlay as processes of this machine: their very commands and variables, in the documented order.

What a cluster gives them is given here: names become addresses, the Secrets and the ConfigMap have values.
"""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from chassis.messaging.broker_address import BrokerAddress
from contracts.accounts import ACCOUNTS
from deploy.accounts import derived
from deploy.local.broker import Broker
from deploy.local.ports import HOST
from deploy.local.process import Process
from deploy.local.processes import unreadiness
from deploy.local.store import Store
from ops.cli.account_passwords import password_variable
from ops.cli.broker import SERVER
from tests.support.guest import ISSUER, JWT_SECRET, token
from tests.support.system import API_KEY, CATALOGUE, PUBLISHABLE_KEY, Setup, System
from tools.kubernetes_manifests import OVERLAYS, objects, rendered_file

FILLED_IN = {"BELLHOP_JWT_ISSUER": ISSUER, "BELLHOP_STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY}
"""Lines of `settings.env` that an installation writes for itself."""
LEFT_OUT = "BELLHOP_JWT_JWKS_URL"
"""Instead there is the Secret `tokens`."""


class Cluster(System):
    """A system whose services run as an overlay's Deployments name them."""

    def __init__(self, setup: Setup, folder: Path, broker: Broker, overlay: str) -> None:
        super().__init__(setup)
        self.folder = folder
        self.broker = broker
        self.objects = {
            (found["kind"], found["metadata"]["name"]): found for found in objects(rendered_file(overlay).read_text())
        }
        self.processes = {name: self._process(name) for name in self._named("Deployment")}

    async def start(self) -> None:
        await self.sandbox.start()
        await self.runs("Job", "topology")
        for step in ("receiver", "sender"):
            labels = {name: self.objects["Deployment", name]["metadata"]["labels"] for name in self.processes}
            parts = [name for name, each in labels.items() if each["app.kubernetes.io/component"] == step]
            await asyncio.gather(*(asyncio.to_thread(self.processes[name].start) for name in parts))

    async def stop(self) -> None:
        for process in self.processes.values():
            await asyncio.to_thread(process.stop)
        await super().stop()

    async def runs(self, kind: str, name: str) -> str:
        """Run the command of a Job, or of a CronJob, to its end; what it printed. Fails unless its exit code is 0."""
        command, env = self._pod(kind, name)
        done = await asyncio.to_thread(
            subprocess.run, command, check=False, capture_output=True, text=True, env=os.environ | env, cwd=self.folder
        )
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        return done.stdout

    def checks(self) -> list[str]:
        return self._named("CronJob")

    def _process(self, name: str) -> Process:
        command, env = self._pod("Deployment", name)
        probe = self._container("Deployment", name)["readinessProbe"]["httpGet"]
        url = f"http://{HOST}:{env['BELLHOP_HTTP_PORT']}{probe['path']}"
        return Process(
            name,
            command,
            log=self.folder / f"{name}.log",
            missing=lambda: unreadiness(url),
            env=env,
            cwd=self.folder,
        )

    def _named(self, kind: str) -> list[str]:
        return [name for each, name in self.objects if each == kind]

    def _container(self, kind: str, name: str) -> dict[str, Any]:
        spec = self.objects[kind, name]["spec"]
        template = (spec["jobTemplate"]["spec"] if kind == "CronJob" else spec)["template"]
        [only] = template["spec"]["containers"]
        return dict(only)

    def _pod(self, kind: str, name: str) -> tuple[list[str], dict[str, str]]:
        """The command of a pod, and its variables as Kubernetes makes them."""
        container = self._container(kind, name)
        variables: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            variables |= self.objects["ConfigMap", source["configMapRef"]["name"]]["data"]
        variables |= {each: value for each, value in FILLED_IN.items() if each in variables}
        variables.pop(LEFT_OUT, None)
        for entry in container["env"]:
            if "valueFrom" in entry:
                reference = entry["valueFrom"]["secretKeyRef"]
                value = self._secrets.get(reference["name"], {}).get(reference["key"])
                assert value is not None or reference.get("optional"), f"{name} refers to {reference}"
            else:
                value = re.sub(r"\$\((\w+)\)", lambda found: variables[found[1]], entry["value"])
            if value is not None:
                variables[entry["name"]] = value
        own = {each: self._here(value, name) for each, value in variables.items()}
        own |= {"BELLHOP_STRIPE_API_BASE": self.sandbox.url, "BELLHOP_MONGODB_DATABASE": self.setup.database}
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return container["command"], own | {"PATH": programs, "NO_PROXY": HOST, "no_proxy": HOST}

    def _here(self, value: str, name: str) -> str:
        """A value with this machine's addresses in the place of the cluster's."""
        broker = BrokerAddress(self.setup.amqp_url).url.rpartition("@")[2]
        management = str(self.broker.management_url).rpartition("@")[2]
        part = self.parts.get(name.replace("-", "_"))
        whole = {"0.0.0.0": HOST, "/etc/bellhop/catalogue.yaml": str(CATALOGUE)}
        if part is not None:
            whole["8080"] = str(part.port)
        here = value.replace("rabbitmq:5672/", broker).replace("rabbitmq:15672", management)
        return whole.get(here, here)

    @property
    def _secrets(self) -> Mapping[str, Mapping[str, str]]:
        """The Secrets of docs/kubernetes.md."""
        operator = urlsplit(self.setup.amqp_url)
        accounts = {password_variable(SERVER, each.name): derived(self.broker.url, each.name) for each in ACCOUNTS}
        stores = [f"{name.upper().replace('-', '_')}_MONGODB_URL" for name in self._named("Deployment")]
        return {
            "broker-accounts": accounts,
            "rabbitmq-default-user": {"username": str(operator.username), "password": str(operator.password)},
            "store": dict.fromkeys([*stores, "BELLHOP_MONGODB_URL"], self.setup.mongodb_url),
            "seal-keys": {"BELLHOP_SEAL_KEYS": self.setup.seal_key},
            "psp": {"STRIPE_API_KEY": API_KEY, "STRIPE_WEBHOOK_SECRET": self.setup.webhook_secret},
            "tokens": {"BELLHOP_JWT_SECRET": JWT_SECRET},
            "operator-token": {"BELLHOP_OPERATOR_TOKEN": token(sub="olga", role="reader")},
        }


@pytest.fixture(scope="module", params=OVERLAYS)
async def cluster(
    request: pytest.FixtureRequest, broker: Broker, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cluster]:
    if broker.management_url is None:
        pytest.skip("the topology's job creates the accounts, and this broker has no management API")
    name = f"cluster-{os.getpid()}-{request.param}"
    setup = Setup(amqp_url=broker.new_vhost(name), mongodb_url=store.url, database=name)
    system = Cluster(setup, tmp_path_factory.mktemp(name), broker, request.param)
    try:
        await system.start()
        yield system
    finally:
        await system.stop()
        broker.drop_vhost(name)


async def test_an_order_is_paid_and_the_checks_find_nothing_to_mend(cluster: Cluster) -> None:
    guest = cluster.guest()
    order_id = (await guest.order({"extra_id": "alm-late-checkout", "quantity": 1}))["order_id"]
    assert (await cluster.pay(await guest.session(order_id))).status_code == 200
    await guest.sees(order_id, status="confirmed", payment_status="paid")

    for check in cluster.checks():
        assert await cluster.runs("CronJob", check)
