"""What `bellhop doctor` makes of what it sees."""

from datetime import timedelta

import pytest
from cryptography.fernet import Fernet

from ops.core.doctor import TOLERANCE, of_clocks, of_keys, of_node, of_version


@pytest.mark.parametrize("version", ["3.10.8", "3.13.7", "4.0.5", "4.3.6"])
def test_a_broker_that_is_tested_is_right(version: str) -> None:
    finding = of_version(version)

    assert finding.is_right
    assert finding.found == version


def test_an_older_broker_must_be_replaced_and_a_newer_one_is_said_to_be_untested() -> None:
    older, newer = of_version("3.9.29"), of_version("5.0.0")

    assert "3.10" in older.advice
    assert newer.is_right
    assert "newer than" in newer.found


@pytest.mark.parametrize("version", ["unknown", "", "4"])
def test_a_version_that_says_little_is_no_traceback(version: str) -> None:
    assert of_version(version).what == "RabbitMQ"


def test_a_node_that_takes_no_messages_is_named_with_the_reason() -> None:
    running = {"name": "rabbit@one", "running": True, "disk_free": 5 << 30, "partitions": []}

    assert of_node(running).is_right
    assert of_node(running).found == "5120 MiB of disk free"
    assert "disk_free_alarm" in of_node({**running, "disk_free_alarm": True}).found
    assert not of_node({**running, "mem_alarm": True}).is_right
    assert "cut off from rabbit@two" in of_node({**running, "partitions": ["rabbit@two"]}).found
    assert not of_node({"name": "rabbit@two", "running": False}).is_right


def test_clocks_may_differ_by_what_the_documents_say_and_no_more() -> None:
    assert of_clocks(TOLERANCE).is_right
    assert not of_clocks(TOLERANCE + timedelta(seconds=1)).is_right


def test_a_seal_key_that_is_none_is_named_and_never_shown() -> None:
    wrong = "not-a-key-but-secret"

    [bad] = of_keys({"BELLHOP_SEAL_KEYS": wrong})
    [good] = of_keys({"BELLHOP_SEAL_KEYS": Fernet.generate_key().decode()})
    [absent] = of_keys({})

    assert not bad.is_right
    assert wrong not in f"{bad.found}{bad.advice}"
    assert good.is_right
    assert "not set here" in absent.found
