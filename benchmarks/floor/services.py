"""The floor's orders, payments and PSP adapter."""

import hashlib
import hmac
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from aio_pika.abc import AbstractIncomingMessage
from cryptography.fernet import Fernet
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.floor.bus import Body, Bus, Documents, app

_COMMANDS, _EVENTS, _QUERIES = "floor.commands", "floor.events", "floor.queries"
_CATALOGUE: dict[str, Body] = {
    "alm-breakfast": {
        "name": {"en": "Breakfast buffet", "de": "Frühstücksbuffet"},
        "unit_price": {"amount": 2400, "currency": "EUR"},
    }
}


class Orders:
    def __init__(self) -> None:
        self._bus, self._orders = Bus(), Documents("orders")

    def app(self) -> Starlette:
        return app(self._bus, self._start)

    async def _start(self) -> None:
        await self._orders.index("order.guest_id")
        commands = {"orders.place-order.v1": self._placed, "orders.start-payment.v1": self._paying}
        events = {
            "payments.payment-session-created.v1": self._opened,
            "payments.payment-succeeded.v1": self._paid,
        }
        queries = {"orders.get-order.v1": self._asked}
        await self._bus.consume("floor.orders", dict.fromkeys(commands, _COMMANDS), commands)
        await self._bus.consume("floor.order-payments", dict.fromkeys(events, _EVENTS), events)
        await self._bus.consume("floor.order-queries", dict.fromkeys(queries, _QUERIES), queries)

    async def _placed(self, body: Body, message: AbstractIncomingMessage) -> None:
        now, lines = datetime.now(UTC), []
        for line in body["lines"]:
            extra = _CATALOGUE[line["extra_id"]]
            total = {"amount": extra["unit_price"]["amount"] * line["quantity"], "currency": "EUR"}
            lines.append({**line, **extra, "line_total": total})
        order = {
            "order_id": body["order_id"],
            **body["guest"],
            "status": "pending_payment",
            "payment_status": "unpaid",
            "lines": lines,
            "total": {"amount": sum(line["line_total"]["amount"] for line in lines), "currency": "EUR"},
            "created_at": now.isoformat(),
            "pay_until": (now + timedelta(minutes=30)).isoformat(),
        }
        await self._orders.create({"_id": body["order_id"], "order": order})
        await self._bus.publish(_EVENTS, "orders.order-pending-payment.v1", order, message.correlation_id or "")
        await self._bus.reply(message.reply_to or "", message.correlation_id or "", order)

    async def _paying(self, body: Body, message: AbstractIncomingMessage) -> None:
        document = await self._orders.load(body["order_id"])
        payment_id = body["order_id"].replace("ord_", "pay_")
        waiting = [message.reply_to, message.correlation_id]
        document = await self._orders.change(document, payment_id=payment_id, waiting=waiting)
        command = {
            "order_id": body["order_id"],
            "payment_id": payment_id,
            "amount": document["order"]["total"],
            "description": f"{document['order']['property_id']}: {body['order_id']}: 1 x Breakfast buffet",
        }
        await self._bus.publish(_COMMANDS, "payments.create-payment-session.v1", command, message.correlation_id or "")

    async def _opened(self, body: Body, _message: AbstractIncomingMessage) -> None:
        document = await self._orders.load(body["order_id"])
        to, correlation_id = document["waiting"]
        await self._orders.change(document, waiting=None, sealed_client_secret=body["sealed_client_secret"])
        await self._bus.reply(to, correlation_id, body | {"pay_until": document["order"]["pay_until"]})

    async def _paid(self, body: Body, message: AbstractIncomingMessage) -> None:
        document = await self._orders.load(body["order_id"])
        order = document["order"] | {"status": "confirmed", "payment_status": "paid", "pay_until": None}
        await self._orders.change(document, order=order)
        await self._bus.publish(_EVENTS, "orders.order-confirmed.v1", order, message.correlation_id or "")

    async def _asked(self, body: Body, message: AbstractIncomingMessage) -> None:
        document = await self._orders.read(body["order_id"])
        assert document is not None
        await self._bus.reply(message.reply_to or "", message.correlation_id or "", document["order"])


class Payments:
    def __init__(self) -> None:
        self._bus, self._payments = Bus(), Documents("payments")

    def app(self) -> Starlette:
        return app(self._bus, self._start)

    async def _start(self) -> None:
        commands = {"payments.create-payment-session.v1": self._asked}
        events = {"psp.psp-session-created.v1": self._opened, "psp.psp-payment-succeeded.v1": self._paid}
        await self._bus.consume("floor.payments", dict.fromkeys(commands, _COMMANDS), commands)
        await self._bus.consume("floor.payments-psp", dict.fromkeys(events, _EVENTS), events)

    async def _asked(self, body: Body, message: AbstractIncomingMessage) -> None:
        payment = {"_id": body["payment_id"], "order_id": body["order_id"], "amount": body["amount"], "status": "new"}
        await self._payments.create(payment)
        await self._bus.publish(_COMMANDS, "psp.create-psp-session.v1", body, message.correlation_id or "")

    async def _opened(self, body: Body, message: AbstractIncomingMessage) -> None:
        payment = await self._payments.load(body["payment_id"])
        await self._payments.change(payment, status="open", psp_reference=body["psp_reference"])
        event = {name: body[name] for name in ("order_id", "payment_id", "sealed_client_secret")}
        event["amount"] = payment["amount"]
        await self._bus.publish(_EVENTS, "payments.payment-session-created.v1", event, message.correlation_id or "")

    async def _paid(self, body: Body, message: AbstractIncomingMessage) -> None:
        payment = await self._payments.load(body["payment_id"])
        if body["amount_received"] != payment["amount"]:
            raise ValueError("not what was asked for")
        await self._payments.change(payment, status="paid")
        event = {"order_id": payment["order_id"], "payment_id": payment["_id"], "amount": payment["amount"]}
        await self._bus.publish(_EVENTS, "payments.payment-succeeded.v1", event, message.correlation_id or "")


class Psp:
    def __init__(self) -> None:
        self._bus = Bus()
        self._fernet = Fernet(os.environ["FLOOR_SEAL_KEY"])

    def app(self) -> Starlette:
        return app(self._bus, self._start, [Route("/webhooks/stripe", self._webhook, methods=["POST"])])

    async def _start(self) -> None:
        key = os.environ["FLOOR_STRIPE_KEY"]
        base = os.environ["FLOOR_STRIPE_URL"]
        self._http = httpx.AsyncClient(base_url=base, headers={"Authorization": f"Bearer {key}"}, trust_env=False)
        commands = {"psp.create-psp-session.v1": self._asked}
        await self._bus.consume("floor.psp", dict.fromkeys(commands, _COMMANDS), commands)

    async def _asked(self, body: Body, message: AbstractIncomingMessage) -> None:
        form = {
            "amount": body["amount"]["amount"],
            "currency": body["amount"]["currency"].lower(),
            "description": body["description"],
            "metadata[order_id]": body["order_id"],
            "metadata[payment_id]": body["payment_id"],
        }
        key = {"Idempotency-Key": f"session:{body['payment_id']}"}
        intent = (await self._http.post("/v1/payment_intents", data=form, headers=key)).raise_for_status().json()
        sealed = self._fernet.encrypt(intent["client_secret"].encode()).decode()
        event = {name: body[name] for name in ("order_id", "payment_id", "amount")}
        event |= {"psp_reference": intent["id"], "sealed_client_secret": sealed}
        await self._bus.publish(_EVENTS, "psp.psp-session-created.v1", event, message.correlation_id or "")

    async def _webhook(self, request: Request) -> Response:
        body = await request.body()
        if not _is_signed(body, request.headers["stripe-signature"]):
            return Response(status_code=400)
        event = json.loads(body)
        if event["type"] == "payment_intent.succeeded":
            await self._paid(event["data"]["object"], event["id"])
        return Response(status_code=200)

    async def _paid(self, intent: dict[str, Any], event_id: str) -> None:
        event = {
            **{name: intent["metadata"][name] for name in ("order_id", "payment_id")},
            "psp_reference": intent["id"],
            "amount_received": {"amount": intent["amount_received"], "currency": intent["currency"].upper()},
        }
        await self._bus.publish(_EVENTS, "psp.psp-payment-succeeded.v1", event, event_id)


def _is_signed(body: bytes, header: str) -> bool:
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    secret = os.environ["FLOOR_WEBHOOK_SECRET"].encode()
    expected = hmac.new(secret, parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts["v1"])
