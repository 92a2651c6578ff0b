"""deploy/kubernetes gives every service what deploy/compose.yaml gives it, and each pod no more than it needs."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from cryptography.fernet import Fernet
from pydantic import SecretStr

from chassis.messaging.broker_address import BrokerAddress
from chassis.runtime.metrics import AGE_BUCKETS
from chassis.runtime.settings import ProcessSettings, load
from connectors.apaleo.app import SERVICE as APALEO
from connectors.apaleo.settings import ApaleoSettings
from contracts.accounts import ACCOUNTS, BY_NAME
from ops.cli.account_passwords import password_variable
from ops.cli.broker import SERVER
from tests.support.certificates import certificate
from tests.support.compose import SETTINGS, resolved, services, variable_of, variables_of
from tools.kubernetes_manifests import (
    OVERLAYS,
    SOURCES,
    WITH_COMPONENTS,
    first_line,
    is_current,
    objects,
    rendered_file,
)
from webhooks.signing import new_secret

DOCS = SOURCES.parents[1] / "docs"
PAGE = (DOCS / "kubernetes.md").read_text(encoding="utf-8")
SERVICES = [account.name for account in ACCOUNTS]
CHECKS = ["audit-hourly", "audit-nightly", "doctor"]
STEPS = ["foundation", "topology", "receiver", "sender", "check"]
OURS = re.compile(r"BELLHOP_|STRIPE_|RABBITMQ_")
ALL_OVERLAYS = (*OVERLAYS, *WITH_COMPONENTS)
RENDERED = {overlay: objects(rendered_file(overlay).read_text(encoding="utf-8")) for overlay in ALL_OVERLAYS}
WITH_APALEO, WITH_TLS = WITH_COMPONENTS
PODS = [
    *((overlay, name) for overlay in OVERLAYS for name in (*SERVICES, *CHECKS, "topology")),
    *((WITH_TLS, name) for name in (*SERVICES, *CHECKS, "topology")),
    (WITH_APALEO, APALEO),
]


def named(overlay: str, kind: str) -> dict[str, dict[str, Any]]:
    """The objects of a kind by their names."""
    return {found["metadata"]["name"]: found for found in RENDERED[overlay] if found["kind"] == kind}


def template(found: Mapping[str, Any]) -> dict[str, Any]:
    """The pod template of a Deployment, a Job or a CronJob."""
    spec = found["spec"]
    return dict((spec["jobTemplate"]["spec"] if found["kind"] == "CronJob" else spec)["template"])


def workloads(overlay: str) -> dict[str, dict[str, Any]]:
    """All pod templates of Bellhop by the name of their Deployment, Job or CronJob."""
    kinds = ("Deployment", "Job", "CronJob")
    return {name: template(found) for kind in kinds for name, found in named(overlay, kind).items()}


def container(overlay: str, name: str) -> dict[str, Any]:
    [only] = workloads(overlay)[name]["spec"]["containers"]
    return dict(only)


def settings_of(overlay: str, name: str) -> dict[str, str]:
    """The settings that a container has from the ConfigMap."""
    [source] = container(overlay, name)["envFrom"]
    return dict(named(overlay, "ConfigMap")[source["configMapRef"]["name"]]["data"])


def given(overlay: str, name: str) -> dict[str, dict[str, Any]]:
    """The variables of ours that stand in the container itself: entries of `env` by name."""
    return {entry["name"]: entry for entry in container(overlay, name)["env"] if OURS.match(entry["name"])}


def secrets_of(settings: type[ProcessSettings]) -> set[str]:
    fields = settings.model_fields.items()
    return {variable_of(field, name) for name, field in fields if field.annotation is SecretStr}


def from_secrets(entries: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The variables whose value is a secret, or has one in it."""
    return {name for name, entry in entries.items() if "valueFrom" in entry or "$(" in entry["value"]}


def references(overlay: str) -> Iterator[tuple[str, str]]:
    """Each Secret that a pod refers to, with its key."""
    for name in workloads(overlay):
        for entry in container(overlay, name)["env"]:
            if "valueFrom" in entry:
                reference = entry["valueFrom"]["secretKeyRef"]
                yield reference["name"], reference["key"]


def selected(selector: Mapping[str, Any], overlay: str) -> set[str]:
    """The pods that a policy is about, among Bellhop's and the broker's."""
    return {pod for pod, labels in pods(overlay).items() if matches(selector, labels)}


def pods(overlay: str = "production") -> dict[str, dict[str, str]]:
    broker = {"app.kubernetes.io/name": "rabbitmq", "app.kubernetes.io/part-of": "rabbitmq"}  # as the operator has them
    return {name: dict(pod["metadata"]["labels"]) for name, pod in workloads(overlay).items()} | {"rabbitmq": broker}


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items()
    among = selector.get("matchExpressions", ())
    return all(labels.get(key) == value for key, value in wanted) and all(
        found["operator"] == "In" and labels.get(found["key"]) in found["values"] for found in among
    )


def allowed(direction: str, overlay: str = "production") -> set[tuple[str, str, int]]:
    """Every pod with a peer (a pod, a namespace, an address or `any`) and the port that a policy lets it use."""
    peers = {"egress": "to", "ingress": "from"}[direction]
    return {
        (pod, peer, port["port"])
        for policy in named(overlay, "NetworkPolicy").values()
        for rule in policy["spec"].get(direction, ())
        for pod in selected(policy["spec"]["podSelector"], overlay)
        for peer in (found for place in rule.get(peers, [{}]) for found in peer_names(place, overlay))
        for port in rule["ports"]
    }


def peer_names(place: Mapping[str, Any], overlay: str) -> set[str]:
    if "podSelector" in place:
        return selected(place["podSelector"], overlay)
    if "namespaceSelector" in place:
        return {place["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]}
    return {"internet" if "ipBlock" in place else "any"}


@pytest.mark.parametrize("overlay", ALL_OVERLAYS)
def test_what_is_checked_in_is_what_the_sources_were_rendered_to(overlay: str) -> None:
    assert is_current(overlay)


@pytest.mark.parametrize(
    "changed", ["base/gateway.yaml", "components/pod/pod.yaml", "overlays/small/settings.env", "rendered/small.yaml"]
)
def test_a_change_of_a_source_or_of_what_was_rendered_is_noticed(changed: str, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(SOURCES, tmp_path / "kubernetes"))
    assert is_current("small", copy)

    (copy / changed).write_text((copy / changed).read_text() + "# more\n")

    assert not is_current("small", copy)
    assert first_line("", copy).endswith("\n")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_services_are_composes_but_for_the_operators_page(overlay: str) -> None:
    assert set(named(overlay, "Deployment")) == set(SERVICES) == set(SETTINGS) - {"ops-page"}
    assert set(named(overlay, "PodDisruptionBudget")) == set(SERVICES)


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_the_command_the_variables_and_the_secrets_that_compose_gives_it(overlay: str, name: str) -> None:
    composed = services()[name]
    entries = given(overlay, name)
    own = {variable for variable in entries if not variable.startswith("RABBITMQ_")}

    assert container(overlay, name)["command"] == composed["command"]
    assert own <= variables_of(SETTINGS[name])
    assert from_secrets({variable: entries[variable] for variable in own}) - {
        "BELLHOP_OPERATOR_ACCOUNTS"
    } == secrets_of(SETTINGS[name])
    password = password_variable(SERVER, name)
    assert set(entries) - own == {password}
    assert entries["BELLHOP_AMQP_URL"]["value"] == f"amqp://{name}:$({password})@rabbitmq:5672/"


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("name", SERVICES)
def test_a_value_that_compose_sets_itself_is_the_same(overlay: str, name: str) -> None:
    literal = {entry["name"]: entry["value"] for entry in given(overlay, name).values() if "value" in entry}
    here = settings_of(overlay, name) | literal

    for variable, value in services()[name]["environment"].items():
        if value and ":?" not in value and resolved(value, {}) and variable in here:
            assert here[variable] == resolved(value, {}), variable
    for variable in ("BELLHOP_DECLARE_TOPOLOGY", "BELLHOP_HTTP_HOST", "BELLHOP_HTTP_PORT", "BELLHOP_LOG_FORMAT"):
        assert variable in here


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("name", SERVICES)
def test_its_variables_start_every_service(overlay: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = {
        "BELLHOP_SEAL_KEYS": Fernet.generate_key().decode(),
        "BELLHOP_MONGODB_URL": "mongodb+srv://u:p@m.example/",
    }
    for variable in variables_of(SETTINGS[name]):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in settings_of(overlay, name).items():
        monkeypatch.setenv(variable, value)

    for variable, entry in given(overlay, name).items():
        if not entry.get("valueFrom", {}).get("secretKeyRef", {}).get("optional"):
            value = re.sub(r"\$\(\w+\)", "word", entry.get("value", "word"))
            monkeypatch.setenv(variable, made_up.get(variable, value))

    settings = load(SETTINGS[name])
    assert settings.http_port == 8080
    assert settings.declare_topology is False


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_setting_in_the_config_map_exists_and_is_no_secret(overlay: str) -> None:
    known = {variable for settings in SETTINGS.values() for variable in variables_of(settings)}
    secret = {variable for settings in SETTINGS.values() for variable in secrets_of(settings)}
    here = set(settings_of(overlay, "gateway"))

    assert here <= known
    assert here & secret == {"BELLHOP_MANAGEMENT_URL"}  # here an address without a login
    assert "@" not in settings_of(overlay, "gateway")["BELLHOP_MANAGEMENT_URL"]


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("name", [*SERVICES, *CHECKS, "topology"])
def test_a_value_names_only_variables_that_stand_before_it(overlay: str, name: str) -> None:
    before: set[str] = set()  # Kubernetes leaves any other reference as it is, and no error says so

    for entry in container(overlay, name)["env"]:
        assert set(re.findall(r"\$\((\w+)\)", entry.get("value", ""))) <= before
        before.add(entry["name"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_topology_is_declared_by_the_very_command_of_compose(overlay: str) -> None:
    _, _, script = services()["topology"]["command"]
    entries = given(overlay, "topology")

    assert script.startswith(" ".join(container(overlay, "topology")["command"]) + " && ")
    environment = {*entries, *(variable for variable in settings_of(overlay, "topology") if "MANAGEMENT" in variable)}
    assert environment == set(services()["topology"]["environment"])


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("name", CHECKS)
def test_a_check_has_the_operators_variables_and_only_looks(overlay: str, name: str) -> None:
    _, command, *options = container(overlay, name)["command"]
    composed = services()["operator"]["environment"]
    secret = {variable for variable in composed if variable in set().union(*map(secrets_of, SETTINGS.values()))}

    assert command in {"audit", "doctor"}
    assert set(options) <= {"--since", "2h", "--json"}
    assert set(given(overlay, name)) == secret - {"BELLHOP_MANAGEMENT_URL"} | {"BELLHOP_OPERATOR_TOKEN"}
    reader = re.search(r"^\| `reader` \|.*$", (DOCS / "security.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert reader
    assert f"`{command}`" in reader[0]


@pytest.mark.parametrize(("overlay", "name"), PODS)
def test_every_pod_may_do_as_little_as_possible(overlay: str, name: str) -> None:
    pod, only = workloads(overlay)[name]["spec"], container(overlay, name)

    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert "--uid 10001" in (SOURCES.parent / "Dockerfile").read_text()
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False  # they would be variables named after other services
    assert "memory" in only["resources"]["limits"]
    assert {"cpu", "memory"} <= set(only["resources"]["requests"])
    assert {"name": "tmp", "mountPath": "/tmp"} in only["volumeMounts"]  # noqa: S108  # the container's own
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod)
    assert only["image"] == "registry.example.org/bellhop:0.2.0"


@pytest.mark.parametrize(("overlay", "name"), [pod for pod in PODS if pod[1] not in {*CHECKS, "topology"}])
def test_a_service_is_asked_where_it_answers_and_given_time_to_stop(overlay: str, name: str) -> None:
    pod, only = workloads(overlay)[name]["spec"], container(overlay, name)
    settings = settings_of(overlay, name)
    probes = {kind: only[kind]["httpGet"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}

    assert [port["containerPort"] for port in only["ports"]] == [int(settings["BELLHOP_HTTP_PORT"])]
    assert {probe["port"] for probe in probes.values()} == {only["ports"][0]["name"]}
    assert [probe["path"] for probe in probes.values()] == ["/health/live", "/health/live", "/health/ready"]
    before = int(only.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [0])[-1])
    composed = int(services()[name]["stop_grace_period"].removesuffix("s"))
    assert pod["terminationGracePeriodSeconds"] >= before + composed > float(settings["BELLHOP_GRACEFUL_TIMEOUT"])
    assert named(overlay, "Deployment")[name]["spec"]["strategy"]["rollingUpdate"] == {
        "maxSurge": 1,
        "maxUnavailable": 0,
    }


def test_the_catalogue_is_mounted_where_its_setting_says() -> None:
    file = given("small", "extras-service")["BELLHOP_CATALOGUE_FILE"]["value"]

    mounts = {mount["name"]: mount["mountPath"] for mount in container("small", "extras-service")["volumeMounts"]}

    assert file == services()["extras-service"]["environment"]["BELLHOP_CATALOGUE_FILE"]
    assert mounts["catalogue"] == str(Path(file).parent)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_broker_is_composes_and_production_has_three_of_it(overlay: str) -> None:
    cluster = named(overlay, "RabbitmqCluster")["rabbitmq"]["spec"]

    assert cluster["image"] == resolved(services()["rabbitmq"]["image"], {})
    assert cluster["replicas"] == {"small": 1, "production": 3}[overlay]


def test_every_policy_together_lets_each_pod_speak_to_what_it_needs_and_to_nothing_else() -> None:
    stored = {name for name in SERVICES if "BELLHOP_MONGODB_URL" in services()[name]["environment"]}
    out = {
        *((name, "kube-system", 53) for name in pods()),
        *((name, "rabbitmq", 5672) for name in pods() if name != "rabbitmq"),
        *((name, "rabbitmq", 15672) for name in ("topology", *CHECKS)),
        *(("rabbitmq", "rabbitmq", port) for port in (4369, 25672)),
        *(("rabbitmq", "any", port) for port in (443, 6443)),
        *((name, "any", 27017) for name in (*stored, *CHECKS)),
        *((name, "internet", 443) for name in ("gateway", "psp-adapter", "webhooks", *CHECKS)),
        *(("notifications", "any", port) for port in (587, 465)),
    }

    assert allowed("egress") == out


def test_the_broker_hears_whom_it_must_and_no_service_hears_another_one() -> None:
    into = {
        *(("rabbitmq", name, port) for name, peer, port in allowed("egress") if peer == "rabbitmq"),
        ("rabbitmq", "keda", 5672),
        ("rabbitmq", "monitoring", 15692),
        *((name, "monitoring", 8080) for name in pods() if name != "rabbitmq"),
        *((name, "ingress-nginx", 8080) for name in ("gateway", "psp-adapter")),
    }

    assert allowed("ingress") == into
    assert set(named("production", "Service")) == {"gateway", "psp-adapter"}


def test_the_connector_comes_beside_what_is_there_and_changes_only_the_settings() -> None:
    added = {
        *((kind, APALEO) for kind in ("Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy")),
        ("NetworkPolicy", "webhooks-to-apaleo-connector"),
    }

    def names(overlay: str) -> set[tuple[str, str]]:
        return {
            (found["kind"], re.sub(r"^settings-.*", "settings", found["metadata"]["name"]))
            for found in RENDERED[overlay]
        }

    assert names(WITH_APALEO) - names("small") == added
    assert names("small") <= names(WITH_APALEO)
    before, after = settings_of("small", "webhooks"), settings_of(WITH_APALEO, "webhooks")
    assert before.items() <= after.items()
    assert {name for name in after.keys() - before.keys() if "APALEO" not in name} == {"BELLHOP_WEBHOOK_ALLOW_PRIVATE"}


def test_the_connector_has_what_compose_gives_it_and_starts_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    composed, entries = services()[APALEO], given(WITH_APALEO, APALEO)
    assert container(WITH_APALEO, APALEO)["command"] == composed["command"]
    assert set(entries) <= variables_of(ApaleoSettings)
    assert from_secrets(entries) == set(entries) == secrets_of(ApaleoSettings)
    here = {name for name in settings_of(WITH_APALEO, APALEO) if "APALEO" in name}
    assert here <= set(composed["environment"]) & variables_of(ApaleoSettings)

    made_up = {"BELLHOP_APALEO_WEBHOOK_SECRET": new_secret(), "BELLHOP_MONGODB_URL": "mongodb+srv://u:p@m.example/"}
    for variable in variables_of(ApaleoSettings):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in (settings_of(WITH_APALEO, APALEO) | dict.fromkeys(entries, "word") | made_up).items():
        monkeypatch.setenv(variable, value)

    assert load(ApaleoSettings).http_port == 8080


def test_the_connector_hears_the_webhook_service_and_reaches_the_store_and_apaleo_but_not_the_broker() -> None:
    assert allowed("egress", WITH_APALEO) - allowed("egress", "small") == {
        ("webhooks", APALEO, 8080),
        (APALEO, "kube-system", 53),
        (APALEO, "any", 27017),
        (APALEO, "internet", 443),
    }
    assert allowed("ingress", WITH_APALEO) - allowed("ingress", "small") == {
        (APALEO, "webhooks", 8080),
        (APALEO, "monitoring", 8080),
    }
    public = named("small", "NetworkPolicy")["to-the-internet"]["spec"]["egress"][0]["to"]
    assert public in [rule.get("to") for rule in named(WITH_APALEO, "NetworkPolicy")[APALEO]["spec"]["egress"]]


def test_with_tls_every_way_to_the_broker_has_the_port_of_tls_and_no_other_way_is_changed() -> None:
    ports = {5672: 5671, 15672: 15671, 15692: 15691}

    for direction in ("egress", "ingress"):
        assert allowed(direction, WITH_TLS) == {
            (pod, peer, ports.get(port, port)) for pod, peer, port in allowed(direction)
        }
    before, after = settings_of("production", "gateway"), settings_of(WITH_TLS, "gateway")
    assert after == before | {"BELLHOP_MANAGEMENT_URL": "https://rabbitmq:15671"}
    assert named(WITH_TLS, "RabbitmqCluster")["rabbitmq"]["spec"]["tls"] == {
        "secretName": "rabbitmq-tls",
        "disableNonTLSListeners": True,
    }
    assert len(RENDERED[WITH_TLS]) == len(RENDERED["production"])


@pytest.mark.parametrize("name", [*SERVICES, *CHECKS, "topology"])
def test_with_tls_a_pod_has_the_brokers_authority_where_its_address_says_and_never_the_key(
    name: str, tmp_path: Path
) -> None:
    plain, secure = container("production", name), container(WITH_TLS, name)
    url, own = (
        given("production", name)["BELLHOP_AMQP_URL"]["value"],
        given(WITH_TLS, name)["BELLHOP_AMQP_URL"]["value"],
    )
    [added] = [mount for mount in secure["volumeMounts"] if mount not in plain["volumeMounts"]]
    [volume] = [each for each in workloads(WITH_TLS)[name]["spec"]["volumes"] if each["name"] == added["name"]]
    [item] = volume["secret"]["items"]
    file = f"{added['mountPath']}/{item['path']}"

    assert own == url.replace("amqp:", "amqps:").replace("rabbitmq:5672/", f"rabbitmq:5671/?cafile={file}")
    assert (volume["secret"]["secretName"], item["key"]) == ("rabbitmq-tls", "ca.crt")
    entries = [entry | {"value": url} if entry["name"] == "BELLHOP_AMQP_URL" else entry for entry in secure["env"]]
    same = {"env": entries, "envFrom": plain["envFrom"], "volumeMounts": plain["volumeMounts"]}
    assert secure | same == plain
    authority, _ = certificate(tmp_path)
    BrokerAddress(re.sub(r"\$\(\w+\)", "word", own).replace(file, str(authority))).check()


def test_with_tls_keda_has_the_brokers_authority() -> None:
    [asked] = named("production", "TriggerAuthentication").values()
    [secure] = named(WITH_TLS, "TriggerAuthentication").values()

    added = [each for each in secure["spec"]["secretTargetRef"] if each not in asked["spec"]["secretTargetRef"]]
    assert {(each["parameter"], each["name"], each["key"]) for each in added} == {
        ("tls", "scaler", "tls"),
        ("ca", "rabbitmq-tls", "ca.crt"),
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_no_policy_allows_is_denied(overlay: str) -> None:
    denied = named(overlay, "NetworkPolicy")["deny-all"]["spec"]

    assert denied == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_the_public_internet_does_not_include_the_network_around() -> None:
    [rule] = named("production", "NetworkPolicy")["to-the-internet"]["spec"]["egress"]
    blocks = {place["ipBlock"]["cidr"]: set(place["ipBlock"].get("except", ())) for place in rule["to"]}

    private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8", "100.64.0.0/10"}
    assert blocks == {"0.0.0.0/0": private, "2000::/3": set()}


def test_a_service_is_scaled_by_the_queues_that_it_takes() -> None:
    scaled = named("production", "ScaledObject")

    assert set(scaled) == {"extras-service", "payment-service", "psp-adapter"}
    for name, found in scaled.items():
        assert found["spec"]["scaleTargetRef"] == {"name": name}
        assert queues_by_depth(found) <= set(BY_NAME[name].takes)
    without = {name for name, found in named("production", "Deployment").items() if "replicas" not in found["spec"]}
    assert without == set(scaled)  # two writers of one number would undo each other


def queues_by_depth(scaled: Mapping[str, Any]) -> set[str]:
    triggers = scaled["spec"]["triggers"]
    return {trigger["metadata"]["queueName"] for trigger in triggers if trigger["type"] == "rabbitmq"}


def by_age(scaled: Mapping[str, Any]) -> dict[str, Any]:
    """The one trigger that asks Prometheus."""
    [found] = [trigger for trigger in scaled["spec"]["triggers"] if trigger["type"] == "prometheus"]
    return dict(found)


def test_a_service_is_scaled_by_the_age_of_the_same_queues() -> None:
    for overlay in ("production", WITH_TLS):
        for name, found in named(overlay, "ScaledObject").items():
            asked = by_age(found)["metadata"]
            assert set(re.findall(r'queue=~"(.+?)"', asked["query"])) == {
                "|".join(queue for queue in BY_NAME[name].takes if queue in queues_by_depth(found))
            }
            assert float(asked["threshold"]) in AGE_BUCKETS


def test_an_age_is_no_sum_over_instances_and_a_prometheus_that_is_down_is_an_error() -> None:
    for found in named("production", "ScaledObject").values():
        assert by_age(found)["metricType"] == "Value"
        assert by_age(found)["metadata"]["ignoreNullValues"] == "false"
        assert "fallback" not in found["spec"]  # it would set a number of instances, whatever the depth says


def test_the_address_of_prometheus_is_a_setting_of_the_overlay_and_none_of_the_services() -> None:
    [(name, address)] = dict_of(SOURCES / "overlays" / "production" / "prometheus.env").items()

    asked = {by_age(found)["metadata"]["serverAddress"] for found in named("production", "ScaledObject").values()}
    assert asked == {address}
    assert f"`{name}`" in PAGE
    assert len(named("production", "ConfigMap")) == len(named("small", "ConfigMap"))
    [monitoring] = {peer for _, peer, port in allowed("ingress") if port == 15692}
    assert urlsplit(address).hostname == f"prometheus.{monitoring}"


def dict_of(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text(encoding="utf-8").splitlines())


FAST, SLOW = {"0.5": 1000, "1.0": 1000, "2.5": 1000, "+Inf": 1000}, {"0.5": 900, "1.0": 900, "2.5": 1000, "+Inf": 1000}
"""How many messages of a minute are at most so old: all half a second; one in ten more than a second."""


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
@pytest.mark.parametrize(
    ("queue", "messages", "answer"),
    [
        ("extras.payments", FAST, 0.475),
        ("extras.payments", SLOW, 1.75),
        ("extras.payments", dict.fromkeys(SLOW, 0), 0),
        ("extras.receipts", SLOW, None),
    ],
    ids=["all fresh", "one in ten is late", "nothing comes", "late in another queue"],
)
def test_prometheus_answers_with_one_number_or_none(
    queue: str, messages: dict[str, int], answer: float | None, tmp_path: Path
) -> None:
    def series(name: str, per_minute: int, **labels: str) -> dict[str, str]:
        said = ",".join(f'{label}="{value}"' for label, value in {"queue": queue, **labels}.items())
        return {"series": f"bellhop_message_age_seconds_{name}{{{said}}}", "values": f"0+{per_minute}x10"}

    counted = [series("bucket", count, le=bound, instance="a") for bound, count in messages.items()]
    counted += [series("count", messages["+Inf"], instance=instance) for instance in "ab"]
    asked = by_age(named("production", "ScaledObject")["extras-service"])["metadata"]["query"]
    samples = [] if answer is None else [{"labels": "{}", "value": answer}]
    said = {"expr": asked, "eval_time": "10m", "exp_samples": samples}
    test = {"tests": [{"interval": "1m", "input_series": counted, "promql_expr_test": [said]}]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test), encoding="utf-8")

    command = ["promtool", "test", "rules", str(tmp_path / "test.yaml")]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)

    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_production_spreads_the_instances_of_each_service(name: str) -> None:
    spread = workloads("production")[name]["spec"]["topologySpreadConstraints"]

    assert [constraint["topologyKey"] for constraint in spread] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]
    for constraint in spread:
        assert matches(constraint["labelSelector"], pods()[name])
        assert "app.kubernetes.io/name" in constraint["matchLabelKeys"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_belongs_to_a_step_of_the_update_in_the_order_of_its_page(overlay: str) -> None:
    steps = {
        (found["kind"], found["metadata"]["name"]): found["metadata"]["labels"]["app.kubernetes.io/component"]
        for found in RENDERED[overlay]
    }

    assert set(steps.values()) == set(STEPS)
    deployed = {name: step for (kind, name), step in steps.items() if kind == "Deployment"}
    assert deployed == {name: "sender" if name == "gateway" else "receiver" for name in SERVICES}
    assert steps["Job", "topology"] == "topology"
    assert re.findall(r"apply -k \$O -l app.kubernetes.io/component=(\w+)", PAGE) == STEPS


def test_the_page_lists_every_secret_with_its_keys() -> None:
    listed = {
        (row[0], key)
        for row in re.findall(r"^\| `([\w-]+)` \| (.+?) \|", PAGE, re.MULTILINE)
        for key in keys_in(row[1])
    }

    of_tls = {("rabbitmq-tls", key) for key in ("tls.crt", "tls.key", "ca.crt")}
    of_keda = {("scaler", "host"), ("scaler", "tls")}
    assert listed == {*references("production"), *references(WITH_APALEO), *of_tls, *of_keda}


def keys_in(cell: str) -> list[str]:
    return re.findall(r"`([\w.]+)`", cell)
