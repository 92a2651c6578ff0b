"""The accounts at the broker as data: they cover what services do, and no more."""

import re

import pytest

from contracts.accounts import (
    ACCOUNTS,
    ADAPTER,
    BY_OPERATORS_ALONE,
    EXTRAS,
    GATEWAY,
    NOTHING,
    NOTIFICATIONS,
    PAYMENTS,
    Account,
    may_receive_replies,
    one_of,
)
from contracts.mail import DescribeOrder
from contracts.message import Command, Event, Message, Query
from contracts.topology import EXCHANGES, QUEUES


def senders(exchange: str, key: str) -> list[str]:
    """Who may publish a routing key at an exchange."""
    return [account.name for account in ACCOUNTS if re.search(account.routing_keys[exchange].write, key)]


def test_every_work_queue_has_exactly_one_account_that_takes_from_it() -> None:
    taken = [name for account in ACCOUNTS for name in account.takes]

    assert sorted(taken) == sorted(
        queue.name
        for queue in QUEUES
        if re.fullmatch(r"\w+\.(commands|payments|stock|receipts|psp|queries|events|sending)", queue.name)
    )


@pytest.mark.parametrize(("base", "exchange"), [(Command, "commands"), (Event, "events"), (Query, "queries")])
def test_every_message_has_exactly_one_account_that_may_send_it(base: type[Message], exchange: str) -> None:
    kinds = [
        kind for kind, message in Message.kinds.items() if issubclass(message, base) and "contracts." in str(message)
    ]

    assert kinds
    described = {DescribeOrder.wire_kind(): 2} if base is Query else {}  # for e-mail, and for webhooks
    expected = {kind: int(kind not in BY_OPERATORS_ALONE) for kind in kinds} | described
    assert {kind: len(senders(exchange, kind)) for kind in kinds} == expected


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
def test_no_account_may_declare_what_is_shared_or_write_to_any_queue_directly(account: Account) -> None:
    shared = [*(queue.name for queue in QUEUES), *(exchange.name for exchange in EXCHANGES), "amq.default", "log"]

    assert [name for name in shared if re.search(account.rights.configure, name)] == []
    assert not re.search(account.rights.write, "amq.default")
    assert not re.search(account.rights.read, "log")


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
def test_every_topic_exchange_has_its_limits(account: Account) -> None:
    assert set(account.routing_keys) == {exchange.name for exchange in EXCHANGES}


def test_who_waits_for_replies_declares_and_only_queues_of_its_own_name() -> None:
    assert [account.rights.configure for account in (EXTRAS, PAYMENTS, ADAPTER)] == [NOTHING] * 3
    assert re.search(NOTIFICATIONS.rights.configure, "notifications.replies.1")
    assert not re.search(NOTIFICATIONS.rights.configure, "gateway.replies.1")
    assert re.search(GATEWAY.rights.configure, "gateway.live.1")
    assert not re.search(GATEWAY.rights.configure, "gateway")


@pytest.mark.parametrize(
    ("names", "fits", "does_not"),
    [
        (("a.b",), ["a.b"], ["axb", "a.b.c", "xa.b", ""]),
        (("a.b", "c"), ["a.b", "c"], ["a.bc", "a"]),
        (("a.%",), ["a.b", "a.b.c"], ["a.", "ab", "xa.b"]),
    ],
)
def test_a_list_of_names_becomes_a_pattern_for_exactly_them(
    names: tuple[str, ...], fits: list[str], does_not: list[str]
) -> None:
    pattern = re.compile(one_of(names))

    assert all(pattern.search(name) for name in fits)
    assert not any(pattern.search(name) for name in does_not)


def test_no_names_is_nothing_and_a_failure_may_have_any_kind() -> None:
    assert one_of(()) == NOTHING
    assert re.search(EXTRAS.routing_keys["copies"].write, "failures.of.any.kind")
    assert not re.search(GATEWAY.routing_keys["copies"].write, "failures.of.any.kind")


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
def test_an_account_copies_to_the_log_what_it_may_send_and_nothing_in_the_name_of_another(account: Account) -> None:
    copied = {
        (exchange, kind)
        for exchange in ("commands", "events")
        for kind in Message.kinds
        if re.search(account.routing_keys["copies"].write, f"{exchange}.{kind}")
    }

    assert copied == {
        (exchange, kind) for exchange in ("commands", "events") for kind in account.sends.get(exchange, ())
    }


@pytest.mark.parametrize(
    ("address", "sender", "allowed"),
    [
        ("gateway.replies.5d0c4f2ab7e14e6f", None, True),
        ("gateway.replies.5d0c4f2ab7e14e6f", "gateway", True),
        ("gateway.replies.5d0c4f2ab7e14e6f", "bellhop", True),
        ("gateway.replies.5d0c4f2ab7e14e6f", "psp-adapter", False),
        ("gateway.replies.5d0c4f2ab7e14e6f", "notifications", False),
        ("notifications.replies.5d0c4f2ab7e14e6f", "notifications", True),
        ("notifications.replies.5d0c4f2ab7e14e6f", "gateway", False),
        ("psp-adapter.replies.5d0c4f2ab7e14e6f", "psp-adapter", False),
        ("gateway.live.5d0c4f2ab7e14e6f", "gateway", False),
        ("extras.commands", "gateway", False),
        ("amq.rabbitmq.reply-to.g2dkAA", None, False),
        ("gateway.replies." + "a" * 300, "gateway", False),
        ("gateway.replies.a\n", "gateway", False),
        ("", None, False),
    ],
)
def test_only_a_requesters_own_reply_queue_may_receive_replies(address: str, sender: str | None, allowed: bool) -> None:
    assert may_receive_replies(address, sender) is allowed
