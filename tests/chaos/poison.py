"""Messages no service can ever handle, and why each one is parked."""

from collections.abc import Iterator
from dataclasses import dataclass

import aio_pika

from contracts.ids import OrderId, RefundId, payment_id_of
from contracts.money import Money
from contracts.orders import PlaceOrder
from contracts.payments import PaymentSucceeded, RefundPayment
from contracts.topology import COMMANDS, EVENTS, EXTRAS_COMMANDS, EXTRAS_PAYMENTS, PAYMENTS_COMMANDS, PSP_COMMANDS
from tests.support.system import System

UNKNOWN_ORDER = OrderId("ord_" + "z" * 26)
SUM = Money(amount=100, currency="EUR")


@dataclass(frozen=True, slots=True)
class Poison:
    """One message, where it is sent, and how it must end."""

    name: str
    content: bytes
    kind: str
    exchange: str
    routing_key: str
    origin_queue: str
    dead_queue: str
    error_type: str


def all_kinds() -> Iterator[Poison]:
    """A body that does not parse, an unknown kind, events and commands about no order, a message in a wrong queue."""
    place, fact_kind, back = (kind.wire_kind() for kind in (PlaceOrder, PaymentSucceeded, RefundPayment))
    fact = PaymentSucceeded(order_id=UNKNOWN_ORDER, payment_id=payment_id_of(UNKNOWN_ORDER), amount=SUM).to_wire()
    command = RefundPayment(
        order_id=UNKNOWN_ORDER,
        payment_id=payment_id_of(UNKNOWN_ORDER),
        refund_id=RefundId("ref_x"),
        amount=SUM,
        reason="poison",
    ).to_wire()
    extras, facts = EXTRAS_COMMANDS.name, EXTRAS_PAYMENTS.name
    yield Poison("unparsable", b"{", place, COMMANDS.name, place, extras, "extras.dead", "MalformedMessageError")
    yield Poison("unknown", b"{}", "orders.dance.v1", COMMANDS.name, place, extras, "extras.dead", "UnknownKindError")
    yield Poison("no-order", fact, fact_kind, EVENTS.name, fact_kind, facts, "extras.dead", "UnknownOrderError")
    payments, psp = PAYMENTS_COMMANDS.name, PSP_COMMANDS.name
    yield Poison("no-payment", command, back, COMMANDS.name, back, payments, "payments.dead", "UnknownPaymentError")
    yield Poison("wrong-queue", fact, fact_kind, "", psp, psp, "psp.dead", "MisroutedMessageError")


POISON = tuple(all_kinds())


async def spread(system: System, number: int) -> None:
    """Send all of it, for the so-manieth time."""
    async with system.channel() as channel:
        for poison in POISON:
            message = aio_pika.Message(
                poison.content,
                message_id=f"poison.{poison.name}.{number}",
                correlation_id="poison",
                type=poison.kind,
                user_id=system.login,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            exchange = channel.default_exchange
            if poison.exchange:
                exchange = await channel.get_exchange(poison.exchange, ensure=False)
            await exchange.publish(message, poison.routing_key)
