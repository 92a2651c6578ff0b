"""Which messages a queue takes: by the way they came, and by the account that the broker says has sent them."""

from dataclasses import replace

import pytest

from chassis.messaging.headers import ORIGIN_EXCHANGE, ORIGIN_QUEUE, ORIGIN_ROUTING_KEY, REPLAY_PLAN
from chassis.messaging.provenance import Arrival, Door, MisroutedMessageError, Trust, UntrustedSenderError, original_of
from contracts.accounts import ACCOUNTS, BY_OPERATORS_ALONE
from contracts.topology import EXTRAS_COMMANDS, LIVE_KINDS, PSP_COMMANDS, QUEUES, Binding, copy_key, queue_named

PLACE, REFUND = "orders.place-order.v1", "psp.create-psp-refund.v1"
ACCOUNT_EACH = Trust.of("extras-service", "bellhop, admin", requires_sender=True)
DOOR = Door(EXTRAS_COMMANDS.name, EXTRAS_COMMANDS.bindings, ACCOUNT_EACH)
ORIGIN = {ORIGIN_QUEUE: "extras.commands", ORIGIN_EXCHANGE: "commands", ORIGIN_ROUTING_KEY: PLACE}
FIRST = Arrival(PLACE, "commands", PLACE, "gateway", {})
RETRY = Arrival(PLACE, "", "extras.commands", "extras-service", ORIGIN)
REPLAY = Arrival(PLACE, "", "extras.commands", "bellhop", {REPLAY_PLAN: "rp_1"})


@pytest.mark.parametrize(
    "arrival",
    [FIRST, RETRY, REPLAY, replace(FIRST, sender="bellhop"), replace(REPLAY, sender="admin")],
    ids=["from its sender", "a retry", "a replay", "from the operator", "a replay of another operator"],
)
def test_what_belongs_to_a_queue_is_taken(arrival: Arrival) -> None:
    binding = DOOR.admit(arrival)

    assert (binding.exchange, binding.routing_key) == ("commands", PLACE)


@pytest.mark.parametrize(
    ("arrival", "reason"),
    [
        (replace(FIRST, routing_key="orders.cancel-order.v1"), "its routing key orders.cancel-order.v1"),
        (replace(FIRST, kind="payments.payment-succeeded.v1"), "is not bound to this queue"),
        (replace(FIRST, exchange="events"), "does not come from events"),
        (replace(RETRY, routing_key="psp.commands"), "was sent with the routing key psp.commands"),
        (replace(RETRY, headers={}), "claims to come from"),
        (replace(RETRY, headers={**ORIGIN, ORIGIN_ROUTING_KEY: "orders.cancel-order.v1"}), "claims to come from"),
        (replace(RETRY, headers={**ORIGIN, ORIGIN_QUEUE: "extras.payments"}), "claims to come from"),
        (replace(RETRY, headers={REPLAY_PLAN: "rp_forged"}), "claims to come from"),
        (replace(REPLAY, headers={}), "claims to come from"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_came_by_another_way_is_refused(arrival: Arrival, reason: str) -> None:
    with pytest.raises(MisroutedMessageError, match=reason):
        DOOR.admit(arrival)


@pytest.mark.parametrize("sender", ["payment-service", "psp-adapter", "extras-service", "guest", "", None])
def test_a_command_of_an_account_that_may_not_send_it_is_refused(sender: str | None) -> None:
    with pytest.raises(UntrustedSenderError):
        DOOR.admit(replace(FIRST, sender=sender))


@pytest.mark.parametrize("sender", ["gateway", "psp-adapter", "guest", None])
def test_a_retry_of_another_services_account_is_refused(sender: str | None) -> None:
    with pytest.raises(UntrustedSenderError):
        DOOR.admit(replace(RETRY, sender=sender))


def test_every_kind_of_every_queue_has_an_account_that_may_send_it_and_one_that_may_retry_it() -> None:
    for queue in QUEUES:
        for binding in queue.bindings:
            if queue.arguments.get("x-dead-letter-exchange") == "dead":
                is_sent = any(account.may_send(binding.exchange, binding.routing_key) for account in ACCOUNTS)
                assert is_sent != (binding.routing_key in BY_OPERATORS_ALONE), binding
                assert any(queue.name in account.takes for account in ACCOUNTS), queue.name


def test_with_one_login_for_all_services_that_login_may_send_everything_and_others_nothing() -> None:
    door = Door(EXTRAS_COMMANDS.name, EXTRAS_COMMANDS.bindings, Trust.of("hotel", "bellhop", requires_sender=True))

    assert door.admit(replace(FIRST, sender="hotel"))
    assert door.admit(replace(RETRY, sender="hotel"))
    with pytest.raises(UntrustedSenderError):
        door.admit(replace(FIRST, sender="guest"))
    with pytest.raises(MisroutedMessageError):
        door.admit(replace(FIRST, sender="hotel", routing_key=REFUND))


def test_a_message_without_a_sender_is_taken_while_older_senders_are_about_and_only_by_its_own_way() -> None:
    lenient = Trust.of("extras-service", "bellhop", requires_sender=False)
    door = Door(EXTRAS_COMMANDS.name, EXTRAS_COMMANDS.bindings, lenient)

    assert door.admit(replace(FIRST, sender=None))
    assert door.admit(replace(RETRY, sender=None))
    with pytest.raises(MisroutedMessageError):
        door.admit(replace(FIRST, sender=None, routing_key="orders.cancel-order.v1"))
    with pytest.raises(UntrustedSenderError):
        door.admit(replace(FIRST, sender="psp-adapter"))
    with pytest.raises(MisroutedMessageError):
        door.admit(replace(REPLAY, sender=None))


def test_a_command_that_bcc_brought_to_another_queue_is_refused_there() -> None:
    """The case of the gateway's account that made refunds at the PSP."""
    forged = Arrival(REFUND, "commands", PLACE, "gateway", {})

    with pytest.raises(MisroutedMessageError):
        Door(PSP_COMMANDS.name, PSP_COMMANDS.bindings, ACCOUNT_EACH).admit(forged)


def test_a_queue_is_found_by_its_name() -> None:
    assert queue_named("psp.commands") is PSP_COMMANDS


# A live view follows some events by their copies for the message log

CANCELLED = "orders.order-cancelled.v1"
LIVE = Door(
    "gateway.live.1",
    tuple(Binding(*original_of(bound.exchange, bound.routing_key)) for bound in LIVE_KINDS),
    Trust.of("gateway", "bellhop", requires_sender=True),
)
COPY = Arrival(CANCELLED, "copies", copy_key("events", CANCELLED), "extras-service", {})


def test_a_live_view_takes_the_copy_of_an_event_from_the_account_that_may_send_the_event() -> None:
    assert LIVE.admit(COPY.original) == Binding("events", CANCELLED)

    with pytest.raises(UntrustedSenderError):
        LIVE.admit(replace(COPY, sender="gateway").original)


@pytest.mark.parametrize(
    "routing_key", [copy_key("failures", CANCELLED), copy_key("events", "orders.order-expired.v1"), CANCELLED, "events"]
)
def test_a_live_view_takes_no_copy_of_a_failure_or_of_another_event(routing_key: str) -> None:
    with pytest.raises(MisroutedMessageError):
        LIVE.admit(replace(COPY, routing_key=routing_key).original)
