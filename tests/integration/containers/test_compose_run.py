"""The shipped compose file, run: from the environment that the docs make to an order that is paid."""

import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from docker.errors import DockerException, ImageNotFound  # type: ignore[import-untyped]
from testcontainers.core.docker_client import DockerClient

from tests.support.compose import ROOT, resolved, services
from tests.support.composition import Composition, composed, is_healthy
from tests.support.containers import docker_answers, image_of
from tests.support.guest import Json, body, token
from tests.support.waiting import until
from tools.with_docker import OLDEST_COMPOSE, compose

OUR_USER = "10001"
GUEST = {"sub": "guest-1", "property": "alpenhof", "reservation": "R-1001"}  # as in docs/docker.md


KILLING = {
    "payment-service": "kill -9 $(cat /proc/1/task/1/children)",  # the child of Docker's init
    "rabbitmq": "rabbitmqctl eval 'erlang:halt(137, [{flush, false}]).'",
}
"""Shell commands that end a container's server at once, without letting it finish."""


def missing() -> str | None:
    """What the run needs and this machine does not have, as a sentence."""
    if os.environ.get("BELLHOP_TEST_PROCESSES"):
        return "BELLHOP_TEST_PROCESSES is set: no containers are wanted"
    if shutil.which("docker") is None or not docker_answers():
        return "no Docker engine answers, or there is no docker command (make test-docker brings both)"
    if compose() is None:
        return f"no Docker Compose {OLDEST_COMPOSE[0]}.{OLDEST_COMPOSE[1]} or newer on this machine"
    if shutil.which("openssl") is None or shutil.which("curl") is None:
        return "docs/docker.md needs openssl and curl"
    base = resolved("${BASE_IMAGE:-python:3.11-slim-bookworm}", os.environ)
    for image in (base, image_of("rabbitmq"), image_of("mongodb")):
        if not can_have(image):
            return f"the image {image} is not here, and its registry does not answer (make test-docker makes others)"
    return None


def can_have(image: str) -> bool:
    client = DockerClient().client
    try:
        try:
            client.images.get(image)
        except ImageNotFound:
            client.images.pull(image)
    except DockerException:
        return False
    finally:
        client.close()
    return True


@pytest.fixture(scope="module")
def stack(made_by_the_docs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composition]:
    if lacking := missing():
        pytest.skip(lacking)
    with composed(tmp_path_factory.mktemp("composed"), made_by_the_docs) as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        yield client


def section(title: str) -> str:
    """The first command of a section of docs/docker.md."""
    found = re.search(rf"^## {title}\n.*?^```sh\n(.*?)^```", (ROOT / "docs/docker.md").read_text(), re.M | re.S)
    assert found
    return found[1]


def signed(stack: Composition, **claims: str) -> str:
    return token(secret=stack.settings["BELLHOP_JWT_SECRET"], iss=stack.settings["BELLHOP_JWT_ISSUER"], **claims)


async def paid(stack: Composition, browser: httpx.AsyncClient, order_id: str) -> Json:
    """Pay an order as the guest's browser does, at the published addresses, and wait for its confirmation."""
    gateway, sandbox = stack.url("GATEWAY"), stack.url("SANDBOX")
    guest = {"Authorization": f"Bearer {signed(stack, **GUEST)}"}
    session = body(await browser.post(f"{gateway}/v1/orders/{order_id}/payment-session", headers=guest), 201)
    intent = session["client_secret"].partition("_secret")[0]
    card = {"number": "4242424242424242", "exp_month": "12", "exp_year": "34", "cvc": "123"}
    form = {"client_secret": session["client_secret"], "payment_method_data[type]": "card"}
    form |= {f"payment_method_data[card][{name}]": value for name, value in card.items()}
    publishable = {"Authorization": f"Bearer {session['publishable_key']}"}
    body(await browser.post(f"{sandbox}/v1/payment_intents/{intent}/confirm", data=form, headers=publishable), 200)

    async def confirmed() -> Json | None:
        order = body(await browser.get(f"{gateway}/v1/orders/{order_id}", headers=guest), 200)
        return order if (order["status"], order["payment_status"]) == ("confirmed", "paid") else None

    return await until(confirmed, "the order is confirmed and paid")


async def placed(stack: Composition, browser: httpx.AsyncClient, key: str) -> str:
    headers = {"Authorization": f"Bearer {signed(stack, **GUEST)}", "Idempotency-Key": key}
    lines = {"lines": [{"extra_id": "alm-late-checkout", "quantity": 1}]}
    answer = await browser.post(f"{stack.url('GATEWAY')}/v1/orders", json=lines, headers=headers)
    return str(body(answer, 201)["order_id"])


def started_by_default(stack: Composition) -> set[str]:
    profiles = set(stack.settings["COMPOSE_PROFILES"].split(","))
    return {name for name, each in services().items() if profiles.issuperset(each.get("profiles", ()))}


def test_every_container_of_the_file_is_healthy_and_none_had_to_start_twice(stack: Composition) -> None:
    containers = stack.containers()

    assert set(containers) == started_by_default(stack)
    assert [name for name, each in containers.items() if not is_healthy(each)] == []
    assert {name: each["RestartCount"] for name, each in containers.items() if each["RestartCount"]} == {}


async def test_an_order_placed_as_the_docs_say_is_paid(stack: Composition, browser: httpx.AsyncClient) -> None:
    answer = stack.documented(section("Order something"))

    assert answer.startswith("HTTP/1.1 201")
    location = re.search(r"^location: /v1/orders/(\w+)", answer, re.M)
    assert location
    order = await paid(stack, browser, location[1])
    assert order["total"] == {"amount": 5000, "currency": "EUR"}


def test_the_doctor_finds_nothing_to_mend(stack: Composition) -> None:
    reader = signed(stack, role="reader")

    said = stack.compose("run", "--rm", "-T", "operator", "bellhop", "doctor", BELLHOP_OPERATOR_TOKEN=reader)

    assert "Nothing must be mended." in said


def test_our_containers_may_do_no_more_than_the_file_says(stack: Composition) -> None:
    containers = stack.containers()
    restricted = [name for name in containers if services()[name].get("read_only")]
    assert set(containers) - set(restricted) == {"rabbitmq", "mongodb"}

    for name in restricted:
        host = containers[name]["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert not host["Privileged"], name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["CapAdd"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        seen = dict(re.findall(r"^(\w+):\s*(\S+)", stack.compose("exec", "-T", name, "cat", "/proc/1/status"), re.M))
        assert (seen["Uid"], seen["NoNewPrivs"], int(seen["CapEff"], 16), int(seen["CapBnd"], 16)) == (
            OUR_USER,
            "1",
            0,
            0,
        ), name
        writing = (
            'for each in /opt/bellhop /etc /usr / "$PWD"; do touch "$each/x" 2>/dev/null && echo "$each"; done; true'
        )
        writable = stack.compose("exec", "-T", name, "sh", "-c", writing).split()
        assert writable == (["/var/lib/bellhop"] if name == "sandbox" else []), name


def test_brokers_and_stores_servers_are_not_run_by_root(stack: Composition) -> None:
    """Their images begin as root, to give the data folder to the server's user."""
    owners = {
        name: stack.compose("exec", "-T", name, "stat", "-c", "%U", "/proc/1").strip()
        for name in ("rabbitmq", "mongodb")
    }

    assert owners == {"rabbitmq": "rabbitmq", "mongodb": "mongodb"}


def test_only_this_machine_reaches_what_is_published_and_broker_and_store_are_not(stack: Composition) -> None:
    published = {
        name: {
            binding["HostIp"] for bindings in each["NetworkSettings"]["Ports"].values() for binding in bindings or ()
        }
        for name, each in stack.containers().items()
    }

    assert {name: addresses for name, addresses in published.items() if addresses} == {
        name: {"127.0.0.1"} for name in ("gateway", "psp-adapter", "ops-page", "sandbox")
    }


def test_what_is_applied_without_a_change_replaces_no_container(stack: Composition) -> None:
    before = {name: each["Id"] for name, each in stack.containers().items()}

    stack.up()

    assert {name: each["Id"] for name, each in stack.containers().items()} == before


def test_neither_the_package_index_nor_its_authorities_are_in_the_image(stack: Composition) -> None:
    image = stack.environment["IMAGE"]
    assert "BUILD_PIP_CONF" in stack.environment

    said = stack.docker("history", "--no-trunc", image) + stack.docker("image", "inspect", image)
    search = f"grep -rlsI {stack.made_up_word} /etc /opt /root /run /src /tmp /usr /var; true"
    found = stack.docker("run", "--rm", "--user", "root", image, "sh", "-c", search)

    assert stack.made_up_word not in said
    assert not re.search(r"https?://|index-url|authorities\.pem", said)
    assert found == ""


def test_the_embedded_store_is_not_in_the_image(stack: Composition) -> None:
    """SecantusDB is GPL-2.0: it may stand in for MongoDB as a container of its own."""
    code = (
        "import importlib.util; print(importlib.util.find_spec('secantus'), bool(importlib.util.find_spec('gateway')))"
    )

    assert stack.compose("exec", "-T", "gateway", "python", "-c", code) == "None True\n"


@pytest.mark.parametrize("name", KILLING)
async def test_what_is_killed_comes_back_with_all_it_had(
    name: str, stack: Composition, browser: httpx.AsyncClient
) -> None:
    order_id = await placed(stack, browser, f"before-{name}")

    # From inside: what `docker kill` ends counts as stopped by a person, and no policy starts it again.
    stack.compose("exec", "-T", name, "sh", "-c", KILLING[name], check=False)

    def is_back() -> bool:
        container: dict[str, Any] = stack.containers()[name]
        return bool(container["RestartCount"]) and is_healthy(container)

    await until(is_back, f"{name} is started again and healthy", within=180)
    stack.up()
    await paid(stack, browser, order_id)
