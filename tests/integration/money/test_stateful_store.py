"""Random walks of one order over the real store: the write path, its crashes and redeliveries, and the real decisions.

The bus is a list and the PSP a few lines, so that hypothesis chooses what is delivered, twice or late, and when a
process dies; documents, guarded writes, outboxes and relays are the real ones.
"""

import asyncio
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar, cast

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from chassis.amounts import major_units
from chassis.errors import PublishFailedError, TransientError
from chassis.messaging.bus import Bus
from chassis.messaging.envelope import Delivery, Envelope
from chassis.runtime.metrics import Metrics
from chassis.storage.store import Store
from chassis.storage.write_path import WritePath
from contracts.message import Message, OrderCommand, OrderEvent, parse
from contracts.money import Money
from contracts.orders import OrderStatus
from contracts.payments import (
    ClosePaymentSession,
    CreatePaymentSession,
    RefundPayment,
)
from contracts.psp import (
    ClosePspSession,
    CreatePspRefund,
    CreatePspSession,
    PspPaymentCanceled,
    PspPaymentSucceeded,
    PspRefundState,
    PspRefundUpdated,
    PspSessionCreated,
    PspSessionOpen,
    RetrievePspSession,
)
from deploy.local.store import Store as StoreServer
from extras_service.collections import ExtrasStore
from extras_service.order.decide import decide as decide_order
from extras_service.order.inputs import DeadlinePassed, OrderInput, PlacementRequest
from extras_service.order.state import Order
from ops.core.audit import Books, examine
from payment_service.collections import PaymentStore
from payment_service.payment.decide import decide as decide_payment
from payment_service.payment.inputs import PaymentInput, PollDue
from payment_service.payment.state import Payment
from psp_adapter.ledger import LedgerEntry, LedgerRefund
from tests.support import orders as given

ResultT = TypeVar("ResultT")
FINAL = (OrderStatus.CONFIRMED, OrderStatus.FULFILLED, OrderStatus.EXPIRED, OrderStatus.CANCELLED)
TO_PAYMENTS = (CreatePaymentSession, ClosePaymentSession, RefundPayment)
TO_PSP = (CreatePspSession, ClosePspSession, RetrievePspSession, CreatePspRefund)
ROUNDS = 60
ENDLESS = 1000
"""Messages at once: far more than one order ever has under way."""


class ListBus:
    """A bus that keeps what it is given, and refuses it while the broker is away."""

    def __init__(self) -> None:
        self.flight: list[Envelope] = []
        self.is_away = False

    async def publish(self, envelope: Envelope) -> None:
        if self.is_away:
            raise PublishFailedError(envelope.kind, "the list", OSError("away"))
        message = parse(envelope.kind, envelope.message.to_wire())  # an outbox sends it as it is stored
        if isinstance(message, OrderCommand | OrderEvent):
            self.flight.append(replace(envelope, message=message))


@dataclass
class FakePsp:
    """Sessions by number and refunds by id, as the PSP remembers them."""

    sessions: dict[int, str] = field(default_factory=dict)
    refunds: dict[str, int] = field(default_factory=dict)

    def entry(self) -> LedgerEntry:
        paid = [status for status in self.sessions.values() if status == "succeeded"]
        captured = major_units(given.TOTAL) * len(paid)
        refunds = tuple(
            LedgerRefund(
                psp_refund_id=f"re_{refund_id}",
                refund_id=refund_id,
                amount=major_units(Money(amount=amount, currency="EUR")),
                state=PspRefundState.SUCCEEDED,
                created=given.NOW,
            )
            for refund_id, amount in self.refunds.items()
        )
        return LedgerEntry(
            psp_reference="pi_1", order_id=given.ORDER_ID, currency="EUR", captured=captured, refunds=refunds
        )


class OneOrder(RuleBasedStateMachine):
    """A guest, a hotel, a PSP, and a machine that may die at any moment."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.bus = ListBus()
        self.psp = FakePsp()
        self.now = given.NOW
        self.counted = 0
        self.seen: list[Envelope] = []
        self.run(self._open(url, f"walk_{uuid.uuid4().hex}"))
        self.run(self._order(given.placing()))

    def run(self, coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
        return self.loop.run(coroutine)

    async def _open(self, url: str, database: str) -> None:
        self.store = Store(url, database, Metrics("walk"), timeout=5.0)
        self.orders, self.payments = ExtrasStore(self.store).orders, PaymentStore(self.store).payments
        await self.orders.prepare()
        await self.payments.prepare()
        self._restart()

    def _restart(self) -> None:
        """New processes: nothing is remembered but what the store and the bus hold."""
        bus = cast("Bus", self.bus)
        self.order_path: WritePath[Order, OrderInput] = WritePath(
            self.orders, bus, decide_order, on_deadline=DeadlinePassed(), clock=lambda: self.now
        )
        self.payment_path: WritePath[Payment, PaymentInput] = WritePath(
            self.payments, bus, decide_payment, on_deadline=PollDue(), clock=lambda: self.now
        )

    # What may happen

    @rule(broker_dies=st.booleans())
    def the_guest_opens_the_payment_page(self, broker_dies: bool) -> None:
        self._while_broker(broker_dies, self._order(given.starting(given.pending_reply())))

    @rule(broker_dies=st.booleans(), by_staff=st.booleans())
    def the_order_is_cancelled(self, broker_dies: bool, by_staff: bool) -> None:
        command = given.cancelling_by_staff() if by_staff else given.cancelling_by_guest()
        self._while_broker(broker_dies, self._order(command))

    @precondition(lambda self: "open" in self.psp.sessions.values())
    @rule(is_webhook_lost=st.booleans())
    def the_guest_pays(self, is_webhook_lost: bool) -> None:
        number = next(number for number, status in self.psp.sessions.items() if status == "open")
        self.psp.sessions[number] = "succeeded"
        if not is_webhook_lost:
            self._webhook(self._report(PspPaymentSucceeded, number, amount_received=given.TOTAL))

    @precondition(lambda self: self.bus.flight)
    @rule(choice=st.integers(0, 10_000), stays=st.booleans(), broker_dies=st.booleans())
    def a_message_arrives(self, choice: int, stays: bool, broker_dies: bool) -> None:
        envelope = self.bus.flight[choice % len(self.bus.flight)]
        if not stays:
            self.bus.flight.remove(envelope)
        self._while_broker(broker_dies, self._deliver(envelope))

    @precondition(lambda self: self.seen)
    @rule(choice=st.integers(0, 10_000))
    def an_old_message_comes_again(self, choice: int) -> None:
        before = self.run(self._standing())
        self.run(self._deliver(self.seen[choice % len(self.seen)]))
        assert self.run(self._standing()) == before, "replaying a handled message changes nothing"

    @rule()
    def every_service_dies_and_starts_again(self) -> None:
        self._restart()

    @rule()
    def time_passes(self) -> None:
        self._tick()

    # How it is carried out

    def _while_broker(self, is_away: bool, work: Coroutine[Any, Any, None]) -> None:
        self.bus.is_away = is_away
        try:
            self.run(work)
        except TransientError:
            pass  # not acknowledged: what was written waits in its outbox, the rest is delivered again
        finally:
            self.bus.is_away = False

    async def _order(self, message: OrderInput, delivery: Delivery | None = None) -> None:
        await self.order_path.handle(
            given.ORDER_ID,
            message,
            delivery or self._delivery("guest"),
            likely_new=isinstance(message, PlacementRequest),
        )

    async def _payment(self, message: PaymentInput, delivery: Delivery) -> None:
        await self.payment_path.handle(given.PAYMENT_ID, message, delivery)

    async def _deliver(self, envelope: Envelope) -> None:
        delivery = Delivery(envelope.message_id, envelope.correlation_id, envelope.kind)
        message = envelope.message
        try:
            if isinstance(message, TO_PSP):
                self._ask_psp(message, envelope)
                return
            if isinstance(message, TO_PAYMENTS) or message.kind.startswith("psp."):
                await self._payment(cast("PaymentInput", message), delivery)
            elif message.kind.startswith("payments."):
                await self._order(cast("OrderInput", message), delivery)
        except TransientError:
            if envelope not in self.bus.flight:
                self.bus.flight.append(envelope)
            raise
        if envelope not in self.seen:
            self.seen.append(envelope)

    def _ask_psp(self, command: Message, envelope: Envelope) -> None:
        answer: Message
        match command:
            case CreatePspSession(session_no=number):
                self.psp.sessions.setdefault(number, "open")
                answer = PspSessionCreated(
                    order_id=given.ORDER_ID,
                    payment_id=given.PAYMENT_ID,
                    session_no=number,
                    psp_reference=f"pi_{number}",
                    amount=given.TOTAL,
                    livemode=False,
                    sealed_client_secret="sealed",
                )
            case CreatePspRefund(refund_id=refund_id, amount=amount, psp_reference=reference):
                self.psp.refunds.setdefault(refund_id, amount.amount)
                number = int(reference.removeprefix("pi_"))
                state = PspRefundState.SUCCEEDED
                answer = self._report(PspRefundUpdated, number, refund_id=refund_id, amount=amount, state=state)
            case ClosePspSession(psp_reference=reference) | RetrievePspSession(psp_reference=reference):
                number = int(reference.removeprefix("pi_"))
                if isinstance(command, ClosePspSession) and self.psp.sessions[number] == "open":
                    self.psp.sessions[number] = "canceled"
                answer = self._as_it_is(number)
            case _:
                raise AssertionError(command)
        self.bus.flight.append(replace(envelope, message=answer, message_id=f"{envelope.message_id}.psp{self._next()}"))

    def _as_it_is(self, number: int) -> Message:
        match self.psp.sessions[number]:
            case "succeeded":
                return self._report(PspPaymentSucceeded, number, amount_received=given.TOTAL)
            case "canceled":
                return self._report(PspPaymentCanceled, number)
            case _:
                return self._report(PspSessionOpen, number)

    def _report(self, report: type[Message], number: int, **more: object) -> Message:
        facts = {"order_id": given.ORDER_ID, "payment_id": given.PAYMENT_ID, "psp_reference": f"pi_{number}"}
        return report.model_validate({**facts, "livemode": False, "occurred_at": self.now, **more})

    def _webhook(self, report: Message) -> None:
        self.bus.flight.append(Envelope(report, f"psp.evt_{self._next()}", "webhook"))

    def _tick(self) -> None:
        """Time passes until something is due: relays first, then deadlines and polls."""
        self.now += timedelta(seconds=5)
        self.run(self.order_path.relay())
        self.run(self.payment_path.relay())
        due = [document.state.due_at for document in self.run(self._documents()) if document.state.due_at]
        self.now = max([self.now, *due])
        self.run(self.order_path.sweep_deadlines())
        self.run(self.payment_path.sweep_deadlines())

    async def _documents(self) -> list[Any]:
        found = [await self.orders.load(given.ORDER_ID), await self.payments.load(given.PAYMENT_ID)]
        return [document for document in found if document is not None]

    async def _standing(self) -> list[object]:
        return [document.state for document in await self._documents()]

    def _delivery(self, kind: str) -> Delivery:
        return Delivery(f"{kind}.{self._next()}", f"{kind}", kind)

    def _next(self) -> int:
        self.counted += 1
        return self.counted

    def teardown(self) -> None:
        """Left alone, the order comes to rest, with its money accounted for and nothing left to send."""
        try:
            for _ in range(ROUNDS):
                self._settle()
                order, *_ = self.run(self._standing())
                if cast("Order", order).status in FINAL:
                    break
                self._tick()
            self._tick()
            self._settle()
            self.run(self._defend())
        finally:
            self.store.close()
            self.loop.close()

    def _settle(self) -> None:
        """Deliver until nothing is under way. Fails when messages go on causing each other."""
        delivered: list[str] = []
        while self.bus.flight:
            envelope = self.bus.flight.pop(0)
            delivered.append(f"{envelope.kind} {envelope.message_id}")
            assert len(delivered) < ENDLESS, f"messages cause each other without end: {delivered[-10:]}"
            self._while_broker(False, self._deliver(envelope))

    async def _defend(self) -> None:
        order, payment = await self.orders.load(given.ORDER_ID), await self.payments.load(given.PAYMENT_ID)
        assert order is not None
        assert order.state.status in FINAL
        books = Books(given.ORDER_ID, order.state, payment.state if payment else None, (self.psp.entry(),))
        assert list(examine(books, self.now)) == []
        await self.order_path.clear_sent()
        await self.payment_path.clear_sent()
        left = [document.outbox for document in await self._documents()]
        assert not any(left), "nothing is left to send"


def test_whatever_happens_to_an_order_on_the_real_store_its_money_is_accounted_for(store: StoreServer) -> None:
    def machine() -> RuleBasedStateMachine:
        return OneOrder(store.url)

    run_state_machine_as_test(
        cast("type[RuleBasedStateMachine]", machine),
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            phases=(Phase.generate,),  # shrinking a walk over a real store takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
