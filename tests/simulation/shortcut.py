"""A way past HTTP, which costs a third of an order's processor time: what the gateway's routes would ask of the bus."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
from starlette.requests import Request

from chassis.errors import TransientError
from chassis.messaging.bus import Bus
from chassis.messaging.requests import ReplyTimeoutError, RequestClient
from chassis.runtime.metrics import Metrics
from chassis.runtime.startup import bus_loops
from chassis.seal import Seal
from chassis.web import problems
from chassis.web.tokens import Payer
from client import ProblemError
from client.calls import Call, ResultT
from contracts.approvals import ApproveOrder, DeclineOrder
from contracts.ids import OrderId, RefundId
from contracts.message import Message
from contracts.money import Money
from contracts.orders import (
    CancelOrder,
    FulfilLines,
    FulfilOrder,
    GetOrder,
    Guest,
    OrderReply,
    PaymentSessionReply,
    PlaceOrder,
    RefundOrder,
    Refusal,
    RequestedLine,
    ResolveReview,
    RetryRefund,
    SettleRefundOutside,
    Staff,
    StartPayment,
)
from gateway.api.bus_gateway import BusGateway
from gateway.api.idempotency import order_id_of, refund_id_of
from gateway.contacts import TokenContacts
from tests.simulation import shortcut_staff
from tests.simulation.broker.bus import SimulatedBus
from tests.simulation.mail import address_of

if TYPE_CHECKING:
    from tests.simulation.instances import Instance

T = TypeVar("T")

_REPLY_TIMEOUT = 5.0
_ANSWER_WITHIN = 15.0
_REQUEST = Request({"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""})


class ShortGateway:
    """The gateway's process without its routes: starts and stops as gateway/app.py does."""

    def __init__(self, run_loops: Callable[..., Any], seal: Seal) -> None:
        metrics = Metrics("gateway")
        self.bus: Bus = SimulatedBus(
            "amqp://gateway:secret@simulated/",
            "gateway",
            metrics,
            publish_timeout=10.0,
            graceful_timeout=15.0,
            declares=False,
        )
        self.requests = RequestClient(self.bus, metrics)
        self.bus.clock = self.requests.clock.now
        self.asking = BusGateway(self.requests, _REPLY_TIMEOUT)
        self._contacts = TokenContacts(self.bus, seal, self.requests.clock.now)
        self.router = SimpleNamespace(lifespan_context=self._lifespan)
        self._run_loops = run_loops

    @asynccontextmanager
    async def _lifespan(self, _app: object) -> AsyncIterator[None]:
        await self.bus.start()
        await self.requests.start()
        async with self._run_loops(bus_loops(self.bus)):
            yield
            await self.bus.stop()

    async def ask(self, message: Message, person: Guest | Staff) -> Message:
        """The reply. Raises ReplyTimeoutError and the other errors of the request client."""
        if isinstance(message, StartPayment) and isinstance(person, Guest):
            await self._contacts.keep(Payer(person, address_of(person.guest_id)), "en")
        return await self.asking.ask(message, _REQUEST)


class Shortcut:
    """Sends the calls of the client library as messages, and answers as the library does."""

    def __init__(self, person: Guest | Staff, instance: Callable[[], "Instance"], seal: Seal) -> None:
        """`instance` raises ConnectionError when no gateway runs."""
        self._person = person
        self._instance = instance
        self._seal = seal

    async def send(self, call: Call[ResultT]) -> ResultT:
        """Raises ProblemError for a refusal, and httpx.ReadError where no answer comes."""
        try:
            instance = self._instance()
            reply = await served(instance, instance.app.ask(self._message(call), self._person))
        except (ConnectionError, TransientError, ReplyTimeoutError) as error:
            raise httpx.ReadError(str(error)) from error
        return self._result(call, reply)

    def _message(self, call: Call[Any]) -> Message:
        person, body = self._person, call.body or {}
        if call.path.startswith("/v1/staff/"):
            return shortcut_staff.message_of(_staff(person), call)
        _, _, _, *rest = call.path.split("/")
        if not rest:
            lines = tuple(map(RequestedLine.model_validate, body["lines"]))
            guest = _guest(person)
            return PlaceOrder(order_id=order_id_of(guest, str(call.key)), guest=guest, lines=lines)
        order_id = OrderId(rest[0])
        who: Any = {
            "guest_id": person.guest_id if isinstance(person, Guest) else None,
            "property_id": person.property_id,
        }
        match call.method, *rest[1:]:
            case ("GET",):
                return GetOrder(order_id=order_id, **who)
            case "POST", "payment-session":
                return StartPayment(order_id=order_id, **who)
            case "POST", "cancel":
                staff = person if isinstance(person, Staff) else None
                return CancelOrder(order_id=order_id, staff=staff, reason=body.get("reason", ""), **who)
            case "POST", "approve":
                return ApproveOrder.model_validate({"order_id": order_id, "staff": _staff(person), **body})
            case "POST", "decline":
                return DeclineOrder(order_id=order_id, staff=_staff(person), reason=body["reason"])
            case "POST", "fulfil":
                if "lines" in body:
                    return FulfilLines(order_id=order_id, staff=_staff(person), lines=tuple(body["lines"]))
                return FulfilOrder(order_id=order_id, staff=_staff(person))
            case "POST", "refunds":
                return RefundOrder(
                    order_id=order_id,
                    staff=_staff(person),
                    refund_id=refund_id_of(order_id, str(call.key)),
                    amount=Money.model_validate(body["amount"]) if "amount" in body else None,
                    line=body.get("line"),
                    reason=body["reason"],
                )
            case "POST", "refunds", refund_id, "retry":
                again = RefundId(refund_id)
                return RetryRefund(order_id=order_id, staff=_staff(person), refund_id=again, reason=body["reason"])
            case "POST", "refunds", refund_id, "settled-outside":
                return SettleRefundOutside(
                    order_id=order_id,
                    staff=_staff(person),
                    refund_id=RefundId(refund_id),
                    amount=Money.model_validate(body["amount"]),
                    reason=body["reason"],
                )
            case "POST", "review":
                return ResolveReview.model_validate({"order_id": order_id, "staff": _staff(person), **body})
            case _:
                raise LookupError(f"no message for {call.method} {call.path}")

    def _result(self, call: Call[ResultT], reply: Message) -> ResultT:
        match reply:
            case OrderReply(order=order):
                return call.result.model_validate(order, from_attributes=True)
            case PaymentSessionReply():
                opened = {"client_secret": self._seal.open(reply.sealed_client_secret)}
                given = {"publishable_key": "", "script_url": ""}
                return call.result.model_validate({**reply.model_dump(), **opened, **given})
            case Refusal():
                said = problems.ProblemError.of(reply)
                body = {"type": f":{said.name}", "title": said.title, "status": said.status, "detail": said.detail}
                raise ProblemError(
                    httpx.Response(said.status, json=body, request=httpx.Request(call.method, call.path))
                )
            case _:
                found = shortcut_staff.result_of(reply)
                if found is None:
                    raise TypeError(f"{reply.kind} in answer to {call.path}")
                return call.result.model_validate(found, from_attributes=True)


def _guest(person: Guest | Staff) -> Guest:
    if not isinstance(person, Guest):
        raise TypeError("only guests do this")
    return person


def _staff(person: Guest | Staff) -> Staff:
    if not isinstance(person, Staff):
        raise TypeError("only staff do this")
    return person


async def served(instance: "Instance", work: Awaitable[T]) -> T:
    """What the process makes of this. Raises ConnectionError when it dies over it."""
    answer: asyncio.Future[T] = instance.loop.create_future()
    instance.loop.run_in(instance.process, _answered(work, answer), "request")
    try:
        async with asyncio.timeout(_ANSWER_WITHIN):
            return await answer
    except TimeoutError:
        raise ConnectionError("no answer") from None


async def _answered(work: Awaitable[T], answer: "asyncio.Future[T]") -> None:
    try:
        result = await work
    except Exception as error:
        if not answer.done():
            answer.set_exception(error)
    else:
        if not answer.done():
            answer.set_result(result)
