"""The compose file as data: what it promises holds on any machine, with Docker or without."""

import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from chassis.runtime.settings import load
from chassis.seal import Seal
from deploy.local.ports import HOST, Ports
from extras_service.catalogue.file import read_catalogue
from gateway.settings import GatewaySettings
from psp_adapter.settings import AdapterSettings
from tests.support.compose import (
    CONNECTORS,
    DEPRECATED,
    EXAMPLE,
    FILE,
    REFERENCE,
    SETTINGS,
    TRACING,
    resolved,
    services,
    variables,
    variables_of,
)
from tools.rabbitmq_root import SUITES

OPTIONAL = {"rabbitmq", "mongodb", "sandbox"}
TOPOLOGY = "topology"  # runs where RabbitMQ does
STORE_USERS = "store-users"  # runs where MongoDB does
BY_HAND = {"operator"}  # run on demand
WATCHING = {"prometheus": 9090, "alertmanager": 9093, "grafana": 3000, "traces": 16686}  # with the ports of their pages
NOT_ASKED = {"traces"}  # its image has no program to ask with
ALWAYS_ON = [name for name in services() if name not in BY_HAND | NOT_ASKED]
PUBLISHED = {"gateway", "psp-adapter", "ops-page", "sandbox"}
SECRET = re.compile(r"PASS|SECRET|KEY|_URL$")


@contextmanager
def answering(status: int, body: bytes = b"{}") -> Iterator[int]:
    """A server that gives one answer to everything; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it so
            """Quiet."""

    server = HTTPServer((HOST, 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def health_check(port: int) -> subprocess.CompletedProcess[str]:
    """The services' health check, asked of another port than the container's."""
    _, _, _, code = services()["gateway"]["healthcheck"]["test"]
    assert "127.0.0.1:8080/" in code
    command = [sys.executable, "-c", code.replace("127.0.0.1:8080", f"{HOST}:{port}")]
    return subprocess.run(command, check=False, capture_output=True, text=True, env={"http_proxy": "http://no.invalid"})


def test_no_mapping_has_a_key_twice() -> None:
    # Compose refuses such a file; PyYAML takes the last one.
    for node in mappings(yaml.compose(FILE.read_text())):
        keys = [key.value for key, _ in node.value if key.value != "<<"]
        assert len(keys) == len(set(keys)), sorted(keys)


def mappings(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    """Every mapping of a document."""
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from mappings(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from mappings(value)


def test_the_services_and_the_operators_page_always_run_and_what_they_stand_on_can_be_left_out() -> None:
    profiles = {name: service.get("profiles") for name, service in services().items()}

    own = {name: [name] for name in OPTIONAL | BY_HAND}
    watching = {name: ["observability"] for name in WATCHING}
    connectors = {name: [name.partition("-")[0]] for name in CONNECTORS}
    preparing = {TOPOLOGY: ["rabbitmq"], STORE_USERS: ["mongodb"]}
    assert profiles == {**dict.fromkeys(SETTINGS), **own, **preparing, **watching, **connectors}
    assert set(variables(EXAMPLE.read_text())["COMPOSE_PROFILES"].split(",")) == OPTIONAL


@pytest.mark.parametrize("name", ALWAYS_ON)
def test_everything_has_a_health_check_comes_back_by_itself_and_is_given_time_to_stop(name: str) -> None:
    service = services()[name]

    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"
    assert service["stop_grace_period"] in {"25s", "60s"}  # more than the 15 s of BELLHOP_GRACEFUL_TIMEOUT


@pytest.mark.parametrize("name", ["rabbitmq", "mongodb"])
def test_what_others_have_made_is_named_by_version_and_digest(name: str) -> None:
    image = resolved(services()[name]["image"], {})

    assert re.fullmatch(r"\w+:\d+\.\d+\.\d+-\w+@sha256:[0-9a-f]{64}", image)


def test_the_composed_rabbitmq_is_of_a_series_that_the_tests_run_on() -> None:
    version = resolved(services()["rabbitmq"]["image"], {}).removeprefix("rabbitmq:")

    assert version.startswith(tuple(f"{series}." for series in SUITES))


def test_the_image_is_built_once_and_every_container_of_ours_is_of_it() -> None:
    """Each build would make an image of its own: the next `up` would replace the containers of all others."""
    of_ours = [*SETTINGS, *CONNECTORS, *BY_HAND, "sandbox", TOPOLOGY, STORE_USERS]
    builders = {name for name, service in services().items() if "build" in service}

    assert builders == {"gateway"} | BY_HAND
    assert {services()[name]["image"] for name in of_ours} == {"${IMAGE:-bellhop}"}
    # The others take what is there; asked of a registry before the build, the name is not known.
    pulled = {name: services()[name]["pull_policy"] for name in of_ours}
    assert pulled == {name: "missing" if name in builders else "never" for name in of_ours}


def test_without_a_package_index_of_ones_own_the_build_gets_two_files_that_say_nothing() -> None:
    secrets = yaml.safe_load(FILE.read_text())["secrets"]
    files = {name: (FILE.parent / resolved(secret["file"], {})).read_text() for name, secret in secrets.items()}

    assert set(files) == set(services()["gateway"]["build"]["secrets"]) == {"pip.conf", "authorities.pem"}
    assert all(line.startswith("#") for text in files.values() for line in text.splitlines())
    for name in secrets:
        assert f"--mount=type=secret,id={name}" in (FILE.parent / "Dockerfile").read_text()


@pytest.mark.parametrize("name", services())
def test_what_is_waited_for_must_be_healthy_and_may_be_elsewhere(name: str) -> None:
    for dependency, how in services()[name].get("depends_on", {}).items():
        assert dependency in OPTIONAL | {TOPOLOGY, STORE_USERS}
        assert how == {"condition": "service_healthy", "required": False}


def test_compose_passes_every_setting_of_a_service_and_nothing_else() -> None:
    settings = {**SETTINGS, **CONNECTORS}
    passed = {name: set(services()[name]["environment"]) - DEPRECATED for name in settings}

    assert passed == {name: variables_of(each) | TRACING for name, each in settings.items()}


def test_the_operators_commands_look_at_the_same_accounts_and_installation_as_the_adapter() -> None:
    adapter, operator = (services()[name]["environment"] for name in ("psp-adapter", "operator"))
    shared = ("STRIPE_API_KEY", "BELLHOP_PSP_ACCOUNTS", "BELLHOP_STRIPE_API_BASE", "BELLHOP_STRIPE_ACCOUNT")

    for variable in (*shared, "BELLHOP_INSTALLATION"):
        assert operator[variable] == adapter[variable]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_service_starts_after_the_topology_is_declared(name: str) -> None:
    assert TOPOLOGY in services()[name]["depends_on"]


def test_what_keeps_documents_starts_after_its_user_is_made_and_with_a_user_of_its_own() -> None:
    storing = {
        name: service
        for name, service in services().items()
        if "BELLHOP_STORE_TIMEOUT" in service.get("environment", {})
    }
    addresses = [service["environment"]["BELLHOP_MONGODB_URL"].partition(":")[0] for service in storing.values()]

    assert set(storing) == {*SETTINGS, *CONNECTORS} - {"gateway", "psp-adapter"}
    assert all(STORE_USERS in service["depends_on"] for service in storing.values())
    assert len(set(addresses)) == len(addresses)


def test_no_service_has_the_store_administrators_address() -> None:
    given = {name for name, each in services().items() if "BELLHOP_MONGODB_ADMIN_URL" in each.get("environment", {})}

    assert given == {STORE_USERS, *BY_HAND}


@pytest.mark.parametrize("name", services())
def test_no_secret_is_written_into_the_file(name: str) -> None:
    service = services()[name]
    arguments = [str(word).removeprefix("--").partition("=")[::2] for word in service.get("command", [])]
    passed = [
        *service.get("environment", {}).items(),
        *((key.upper().replace("-", "_"), value) for key, value in arguments),
    ]

    for variable, value in passed:
        if SECRET.search(variable) and variable not in {"BELLHOP_STRIPE_JS_URL", "WEBHOOK_URL"}:
            assert REFERENCE.fullmatch(value or ""), variable


def test_the_example_holds_no_secret() -> None:
    example = variables(EXAMPLE.read_text())

    filled_in = {name for name, value in example.items() if SECRET.search(name) and value and "${" not in value}

    assert filled_in == {"BELLHOP_STRIPE_JS_URL", "BELLHOP_MANAGEMENT_URL"}


def test_whatever_compose_asks_for_has_its_line_in_the_example_and_every_line_is_used() -> None:
    example = EXAMPLE.read_text()
    references = [(found["name"], found["sign"]) for found in REFERENCE.finditer(FILE.read_text())]
    inside = {found["name"] for value in variables(example).values() for found in REFERENCE.finditer(value)}

    assert {name for name, sign in references if sign == "?"} <= set(variables(example))
    assert set(variables(example)) <= {name for name, _ in references} | inside | {"COMPOSE_PROFILES"}


def test_only_what_a_guest_stripe_or_an_operator_must_reach_is_published_and_by_default_to_this_machine_only() -> None:
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}

    assert set(published) == PUBLISHED | WATCHING.keys()
    for name, [port] in published.items():
        assert re.fullmatch(rf"127\.0\.0\.1:\d+:{WATCHING.get(name, 8080)}", resolved(port, {}))


@pytest.mark.parametrize("name", [*SETTINGS, *BY_HAND, "sandbox", TOPOLOGY, STORE_USERS])
def test_our_containers_may_do_as_little_as_possible(name: str) -> None:
    service = services()[name]

    assert service["init"] is True
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", WATCHING)
def test_those_who_watch_may_do_as_little_and_are_named_by_version(name: str) -> None:
    service = services()[name]

    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", resolved(service["image"], {}))
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_prometheus_scrapes_every_service_and_loads_all_rules() -> None:
    config = yaml.safe_load((FILE.parent / "observability" / "prometheus.yaml").read_text())
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    mounted = dict(volume.split(":")[:2] for volume in services()["prometheus"]["volumes"])

    assert set(jobs["bellhop"]) == {f"{name}:8080" for name in SETTINGS}
    assert set(config["rule_files"]) == {mounted["./alerts.yaml"], mounted["./slo.yaml"]}


@pytest.mark.parametrize("name", WATCHING)
def test_what_is_mounted_into_those_who_watch_exists(name: str) -> None:
    for volume in services()[name].get("volumes", []):
        if volume.startswith("./"):
            assert (FILE.parent / volume.partition(":")[0]).exists()


def test_the_health_check_passes_when_the_service_is_ready() -> None:
    with answering(200) as port:
        assert health_check(port).returncode == 0


def test_the_health_check_fails_and_repeats_what_the_service_says_is_missing() -> None:
    with answering(503, b'{"problems": {"broker": "the broker does not answer"}}') as port:
        checked = health_check(port)

    assert checked.returncode == 1
    assert "the broker does not answer" in checked.stderr


def test_the_health_check_fails_when_no_server_listens(tmp_path: Path) -> None:
    checked = health_check(Ports(tmp_path / "ports.json").port("unused"))

    assert checked.returncode == 1
    assert checked.stderr.startswith("not listening yet")


@pytest.mark.parametrize("name", SETTINGS)
def test_the_environment_the_docs_make_starts_every_service(
    name: str, made_by_the_docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = variables(made_by_the_docs.read_text())
    given = {key: resolved(value, given) for key, value in given.items()}
    for variable in variables_of(SETTINGS[name]):
        monkeypatch.delenv(variable, raising=False)

    for variable, value in services()[name]["environment"].items():
        handed_on = given.get(variable) if value is None else resolved(value, given)
        if handed_on is not None:
            monkeypatch.setenv(variable, handed_on)

    settings = load(SETTINGS[name])
    assert settings.http_port == 8080
    if isinstance(settings, GatewaySettings | AdapterSettings):
        assert Seal(settings.seal_keys).open(Seal(SecretStr(given["BELLHOP_SEAL_KEYS"])).close("secret")) == "secret"


def test_only_its_owner_can_read_the_environment_the_docs_make(made_by_the_docs: Path) -> None:
    assert stat.S_IMODE(made_by_the_docs.stat().st_mode) == 0o600


def test_the_catalogue_that_is_mounted_is_one() -> None:
    [mount] = services()["extras-service"]["volumes"]

    assert mount["target"] == services()["extras-service"]["environment"]["BELLHOP_CATALOGUE_FILE"]
    assert read_catalogue(FILE.parent / resolved(mount["source"], {}))
