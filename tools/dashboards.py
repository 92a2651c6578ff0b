"""Grafana's dashboards, deploy/observability/grafana/dashboards. `python -m tools.dashboards --write`; `--check`.

A panel says what it shows and what to do when it looks bad. Its queries are asked of a running system by
tests/integration/ops/test_dashboards.py.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from tools.generated_file import ROOT

FOLDER = ROOT / "deploy" / "observability" / "grafana" / "dashboards"
PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
"""The data source, by the id that it is provisioned with."""
_WIDTH, _HEIGHT, _IN_A_ROW = 8, 8, 3
_RATE = "$__rate_interval"


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    unit: str
    """In Grafana's words."""
    says: str
    """What it shows, and what to do when it looks bad."""
    queries: Mapping[str, str]
    """Each by its legend."""


def _published(kind: str) -> str:
    return f'sum(increase(bellhop_messages_published_total{{kind="{kind}"}}[$__range])) or vector(0)'


def _waiting(what: str, of: str = "bellhop_waiting") -> str:
    return f'max by (what) ({of}{{what=~"{what}"}})'


def _quantile(step: str) -> dict[str, str]:
    series = f'sum by (le) (rate(bellhop_step_seconds_bucket{{step="{step}"}}[{_RATE}]))'
    return {f"{share:.0%}": f"histogram_quantile({share}, {series})" for share in (0.5, 0.95, 0.99)}


def _step(title: str, step: str, says: str) -> Panel:
    return Panel(title, "s", says, _quantile(step))


def _queues(series: str, pattern: str) -> str:
    return f'sum by (queue) ({series}{{queue=~"{pattern}"}})'


_WORK = r"(extras|payments|psp|mail|hooks)\\..+"
_MONEY = (
    "docs/money.md has the words. Counted as published: a message that is published again after a crash counts twice."
)

DASHBOARDS: Mapping[str, tuple[Panel, ...]] = {
    "Money": (
        Panel(
            "Orders in this time",
            "none",
            f"{_MONEY} Confirmed far below paid: orders wait for approval or review; see `bellhop review list`.",
            {
                "paid": _published("payments.payment-succeeded.v1"),
                "confirmed": _published("orders.order-confirmed.v1"),
                "expired": _published("orders.order-expired.v1"),
                "cancelled": _published("orders.order-cancelled.v1"),
            },
        ),
        Panel(
            "Payments that failed",
            "none",
            "Declined cards are ordinary. A jump: look at the PSP's dashboard for blocked cards or a wrong account.",
            {"failed": _published("payments.payment-failed.v1")},
        ),
        Panel(
            "Refunds and disputes",
            "none",
            "Each dispute needs evidence at the PSP before its deadline. Many refunds: ask staff for the cause.",
            {
                "refunded": _published("payments.payment-refunded.v1"),
                "refund failed": _published("payments.payment-refund-failed.v1"),
                "disputed": _published("payments.payment-disputed.v1"),
            },
        ),
        Panel(
            "Orders that wait for a person",
            "none",
            "In review, awaiting approval, or with a failed refund. docs/operations.md: An order needs review.",
            {"{{what}}": _waiting("orders_in_review|orders_awaiting_approval|refunds_failed")},
        ),
        Panel(
            "The oldest of them",
            "s",
            "A guest has waited this long. Over a day: call the property.",
            {
                "{{what}}": _waiting(
                    "orders_in_review|orders_awaiting_approval|refunds", "bellhop_waiting_oldest_seconds"
                )
            },
        ),
        Panel(
            "Refunds on the way",
            "none",
            "Not settled yet. Growing for a day: docs/operations.md, A refund does not settle.",
            {"{{what}}": _waiting("refunds")},
        ),
    ),
    "Flow": (
        Panel(
            "Messages handled",
            "ops",
            "By service. All at nothing while guests order: docs/operations.md, A service does not answer.",
            {"{{service}}": f"sum by (service) (rate(bellhop_messages_handled_total[{_RATE}]))"},
        ),
        _step(
            "Order answered",
            "order_answered",
            "Objective: 99.5 % within 2.5 s. Above: look whether extras.commands grows.",
        ),
        _step("Session opened", "session_opened", "Objective: 99 % within 5 s. Above: look at the dashboard PSP."),
        _step(
            "Payment recorded",
            "payment_recorded",
            "Objective: 99 % within 30 s. Above: look whether webhooks arrive at all.",
        ),
        _step(
            "Order paid",
            "order_paid",
            "Objective: 99 % within 30 s, the step before included. Above: look whether extras.payments grows.",
        ),
        _step("Webhook delivered", "webhook_delivered", "Objective: 98 % within 60 s. Above: `bellhop webhooks list`."),
        Panel(
            "Bad share of steps, last hour",
            "percentunit",
            "Late or failed. Above the budget: docs/observability.md, The budget of an objective burns.",
            {"{{step}}": "bellhop:steps_bad:ratio1h", "budget of {{step}}": "bellhop:budget"},
        ),
        Panel(
            "Retried and parked",
            "ops",
            "Retries for minutes: a dependency is down. Anything parked: docs/operations.md.",
            {
                "{{service}} {{outcome}}": "sum by (service, outcome) "
                f'(rate(bellhop_messages_handled_total{{outcome=~"retried|parked"}}[{_RATE}]))'
            },
        ),
        Panel(
            "Dead letters and parked messages",
            "none",
            "Each waits for a decision: `bellhop dead list`.",
            {"{{what}}": _waiting("dead_letters|parked_.+")},
        ),
        Panel(
            "Age of a message when it is taken, 95 %",
            "s",
            "By queue; retries and replays do not count. Above 1 s: too few instances, or a slow store or PSP.",
            {
                "{{queue}}": "histogram_quantile(0.95, sum by (queue, le) "
                f"(rate(bellhop_message_age_seconds_bucket[{_RATE}])))"
            },
        ),
        Panel(
            "Time to handle a message, 95 %",
            "s",
            "By service. Slow everywhere: the store. Slow in psp-adapter alone: the PSP.",
            {
                "{{service}}": "histogram_quantile(0.95, sum by (service, le) "
                f"(rate(bellhop_handling_seconds_bucket[{_RATE}])))"
            },
        ),
    ),
    "PSP": (
        Panel(
            "Commands and webhooks at the adapter",
            "ops",
            "Webhooks at nothing while orders are paid: the endpoint at the PSP is off, or its secret is wrong.",
            {"{{kind}}": f'sum by (kind) (rate(bellhop_messages_handled_total{{service="psp-adapter"}}[{_RATE}]))'},
        ),
        Panel(
            "Time of a command, with the PSP's answer",
            "s",
            "Above 5 s for minutes: the PSP is slow; see its status page. Sessions open late, nothing is lost.",
            {
                f"{share:.0%}": f"histogram_quantile({share}, sum by (le) "
                f'(rate(bellhop_handling_seconds_bucket{{service="psp-adapter"}}[{_RATE}])))'
                for share in (0.5, 0.95)
            },
        ),
        Panel(
            "Available and accepted",
            "none",
            "1 is bad: the PSP is unavailable, or refuses this installation. docs/operations.md has both.",
            {
                "{{dependency}} is unavailable": 'bellhop_breaker_open{dependency="the PSP"}',
                "{{dependency}} refuses us": "bellhop_refused_by_dependency",
            },
        ),
        Panel(
            "Refused calls, by reason",
            "ops",
            "Anything but nothing: docs/operations.md, The PSP refuses us.",
            {"{{reason}}": f"sum by (reason) (rate(bellhop_forbidden_total[{_RATE}]))"},
        ),
        Panel(
            "The PSP's list of events was read",
            "s",
            "How long ago, and when last asked for. Over an hour: docs/operations.md, The PSP's events are not read.",
            {"{{what}}": _waiting("psp_(events|sweep)", "bellhop_waiting_oldest_seconds")},
        ),
        _step(
            "Payment recorded",
            "payment_recorded",
            "From the PSP's clock to ours. Minutes: only polling finds payments.",
        ),
    ),
    "Store": (
        Panel(
            "Round trips",
            "ops",
            "By service and purpose. Far more than messages handled: writers compete for the same documents.",
            {"{{service}} {{type}}": f"sum by (service, type) (rate(bellhop_store_round_trips_total[{_RATE}]))"},
        ),
        Panel(
            "Documents written",
            "ops",
            "Changes of state, and outboxes cleared. No changes while guests order: a breaker is open.",
            {"{{service}} {{type}}": f"sum by (service, type) (rate(bellhop_store_writes_total[{_RATE}]))"},
        ),
        Panel(
            "The store is unavailable",
            "none",
            "1: the service has stopped consuming until the store answers. Nothing is lost. Start the store.",
            {"{{service}}": 'max by (service) (bellhop_breaker_open{dependency="the document store"})'},
        ),
        Panel(
            "Documents with unsent messages",
            "none",
            "Above nothing for a minute: docs/operations.md, Messages do not leave.",
            {"{{what}}": _waiting("outbox_.+")},
        ),
        Panel(
            "The oldest unsent message",
            "s",
            "Over a minute: the broker takes none of it. docs/operations.md, Messages do not leave.",
            {"{{what}}": _waiting("outbox_.+", "bellhop_waiting_oldest_seconds")},
        ),
    ),
    "Broker": (
        Panel(
            "Messages published",
            "ops",
            "By type. Events at nothing while orders are paid: docs/operations.md, Messages do not leave.",
            {"{{type}}": f"sum by (type) (rate(bellhop_messages_published_total[{_RATE}]))"},
        ),
        Panel(
            "Messages that wait in queues",
            "none",
            "Growing: too few instances, or a slow dependency. docs/operations.md, A queue grows.",
            {"{{queue}}": _queues("rabbitmq_queue_messages_ready", _WORK)},
        ),
        Panel(
            "Consumers",
            "none",
            "0: that service does not run. docs/operations.md, A queue grows, or has no consumer.",
            {"{{queue}}": _queues("rabbitmq_queue_consumers", _WORK)},
        ),
        Panel(
            "Messages in retry tiers",
            "none",
            "They return by themselves, the last tier after ten minutes. Those that stay: Messages are retried.",
            {"{{queue}}": _queues("rabbitmq_queue_messages", r"retry\\..+")},
        ),
        Panel(
            "Kinds that reach no queue",
            "none",
            "Anything but nothing: a binding is missing. Run `bellhop broker`.",
            {"{{service}}": "sum by (service) (bellhop_unroutable)"},
        ),
        Panel(
            "Late and dropped replies",
            "ops",
            "Late: the guest got 202. Dropped: the requester is gone. docs/operations.md, Replies come late.",
            {
                "late": f"sum(rate(bellhop_late_replies_total[{_RATE}]))",
                "dropped": f"sum(rate(bellhop_replies_dropped_total[{_RATE}]))",
            },
        ),
        Panel(
            "Requests in flight",
            "none",
            "Guests that wait at this moment.",
            {"{{service}}": "sum by (service) (bellhop_requests_in_flight)"},
        ),
        Panel(
            "The message log",
            "none",
            "Copies that wait to be written. Growing: docs/operations.md, The log is not written.",
            {"{{service}}": "sum by (service) (bellhop_log_copies_waiting)"},
        ),
        Panel(
            "Memory of the nodes",
            "bytes",
            "At its limit the broker blocks publishers: everything waits, nothing is lost. Give it memory.",
            {"{{instance}}": "sum by (instance) (rabbitmq_process_resident_memory_bytes)"},
        ),
    ),
}


def dashboard(name: str) -> dict[str, Any]:
    """In Grafana's model of a dashboard, version 39 of its schema."""
    return {
        "uid": f"bellhop-{name.lower()}",
        "title": f"Bellhop: {name}",
        "tags": ["bellhop"],
        "schemaVersion": 39,
        "editable": False,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "links": [{"type": "dashboards", "tags": ["bellhop"], "asDropdown": False, "title": "", "includeVars": False}],
        "templating": {"list": []},
        "annotations": {"list": []},
        "panels": [_panel(number, panel) for number, panel in enumerate(DASHBOARDS[name])],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, _IN_A_ROW)
    is_a_sum = any("$__range" in query for query in panel.queries.values())
    return {
        "id": number + 1,
        "type": "stat" if is_a_sum else "timeseries",
        "title": panel.title,
        "description": panel.says,
        "datasource": PROMETHEUS,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {} if is_a_sum else {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}},
        "targets": [
            {"refId": chr(ord("A") + at), "datasource": PROMETHEUS, "expr": query, "legendFormat": legend}
            | ({"instant": True, "range": False} if is_a_sum else {})
            for at, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def texts() -> dict[str, str]:
    """Each file's text by its name."""
    return {f"{name.lower()}.json": json.dumps(dashboard(name), indent=2) + "\n" for name in DASHBOARDS}


def stale() -> list[str]:
    """Names of files that are missing, changed, or of no dashboard any more."""
    expected, found = texts(), {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.json")}
    return sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))


def main(
    write: Annotated[bool, typer.Option("--write", help="Write the dashboards.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 when one is not current.")] = False,
) -> None:
    """Print the names of Grafana's dashboards, write them, or check them."""
    if write:
        for name in stale():
            (FOLDER / name).unlink(missing_ok=True)
        for name, text in texts().items():
            (FOLDER / name).write_text(text, encoding="utf-8")
    elif check and stale():
        sys.stderr.write(f"{', '.join(stale())} differ: run `python -m tools.dashboards --write`, and commit them.\n")
        raise typer.Exit(1)
    elif not check:
        sys.stdout.write("".join(f"{name}\n" for name in texts()))


if __name__ == "__main__":
    typer.run(main)
