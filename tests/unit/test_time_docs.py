"""docs/time.md states the time-outs that the code has."""

import re
from pathlib import Path

import aiormq.connection
import pymongo.common

from chassis.messaging import bus, replies
from chassis.messaging import consumers as consuming
from chassis.runtime import health
from chassis.runtime.settings import ServiceSettings
from chassis.storage.settings import StoreSettings
from gateway import app as gateway_app
from gateway.settings import GatewaySettings
from psp_adapter import webhook
from psp_adapter.settings import AdapterSettings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "time.md").read_text()
HEARTBEAT = aiormq.connection.parse_heartbeat("60")
_BROKERS_GRACE = 3 * HEARTBEAT
"""RabbitMQ looks once per heartbeat, and ends a connection at the second look in a row without a frame."""


def default(settings: type, name: str) -> float:
    return float(settings.model_fields[name].default)  # type: ignore[attr-defined]


def test_the_table_of_time_outs_is_the_codes() -> None:
    grace = (HEARTBEAT + 1) * aiormq.connection.Connection.HEARTBEAT_GRACE_MULTIPLIER
    in_code = [
        HEARTBEAT,
        grace,
        _BROKERS_GRACE,
        default(ServiceSettings, "publish_timeout"),
        bus.RECONNECT_INTERVAL,
        consuming.TIMEOUT,
        replies.SECONDS,
        gateway_app.COUNT_TIMEOUT,
        default(GatewaySettings, "reply_timeout"),
        default(StoreSettings, "store_timeout"),
        pymongo.common.HEARTBEAT_FREQUENCY + default(StoreSettings, "store_timeout"),
        default(AdapterSettings, "stripe_timeout"),
        default(ServiceSettings, "header_timeout"),
        default(GatewaySettings, "request_timeout"),
        webhook.READ_SECONDS,
        default(ServiceSettings, "keep_alive_timeout"),
        health.CHECK_TIMEOUT,
    ]

    stated = [float(row) for row in re.findall(r"^\| .+? \| .+? \| ([0-9.]+) \| .*\|$", PAGE, re.MULTILINE)]

    assert stated == in_code
