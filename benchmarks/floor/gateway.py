"""The floor's gateway: the same HTTP API as far as an order needs it."""

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator
from typing import Any

import jwt
from aio_pika.abc import AbstractIncomingMessage
from cryptography.fernet import Fernet
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from benchmarks.floor.bus import Body, Bus, app

_REPLY_WITHIN = 30.0
_LIVE = {"orders.order-pending-payment.v1": "floor.events", "orders.order-confirmed.v1": "floor.events"}


class Gateway:
    def __init__(self) -> None:
        self._bus = Bus()
        self._waiting: dict[str, asyncio.Future[Body]] = {}
        self._watching: dict[str, asyncio.Queue[Body]] = {}
        self._fernet = Fernet(os.environ["FLOOR_SEAL_KEY"])

    def app(self) -> Starlette:
        routes = [
            Route("/v1/orders", self._place, methods=["POST"]),
            Route("/v1/orders/{order_id}/payment-session", self._pay, methods=["POST"]),
            Route("/v1/orders/{order_id}/live", self._live),
        ]
        return app(self._bus, self._start, list(routes))

    async def _start(self) -> None:
        self._reply_to = await self._bus.listen({}, self._on_reply, own_key=True)
        await self._bus.listen(_LIVE, self._on_event)

    async def _on_reply(self, body: Body, message: AbstractIncomingMessage) -> None:
        waiting = self._waiting.get(message.correlation_id or "")
        if waiting is not None and not waiting.done():
            waiting.set_result(body)

    async def _on_event(self, body: Body, message: AbstractIncomingMessage) -> None:
        if watcher := self._watching.get(body["order_id"]):
            event = (message.type or "").rpartition(".")[0]
            watcher.put_nowait(
                {"event": event} | {name: body[name] for name in ("order_id", "status", "payment_status")}
            )

    async def _ask(self, exchange: str, kind: str, body: Body) -> Body:
        asked = uuid.uuid4().hex
        waiting = self._waiting[asked] = asyncio.get_running_loop().create_future()
        try:
            await self._bus.publish(exchange, kind, body, asked, self._reply_to)
            return await asyncio.wait_for(waiting, _REPLY_WITHIN)
        finally:
            del self._waiting[asked]

    async def _place(self, request: Request) -> JSONResponse:
        claims = _claims(request)
        guest = {"guest_id": claims["sub"], "property_id": claims["property"], "reservation_id": claims["reservation"]}
        order_id = f"ord_{uuid.uuid4().hex[:26]}"
        body = {"order_id": order_id, "guest": guest, "lines": (await request.json())["lines"]}
        reply = await self._ask("floor.commands", "orders.place-order.v1", body)
        return JSONResponse(reply, 201, {"Location": f"/v1/orders/{order_id}"})

    async def _pay(self, request: Request) -> JSONResponse:
        body = {"order_id": request.path_params["order_id"], "guest_id": _claims(request)["sub"]}
        reply = await self._ask("floor.commands", "orders.start-payment.v1", body)
        secret = self._fernet.decrypt(reply.pop("sealed_client_secret")).decode()
        key = os.environ["FLOOR_STRIPE_PUBLISHABLE_KEY"]
        return JSONResponse(reply | {"client_secret": secret, "publishable_key": key, "script_url": ""}, 201)

    async def _live(self, request: Request) -> StreamingResponse:
        body = {"order_id": request.path_params["order_id"], "guest_id": _claims(request)["sub"]}
        updates = self._watching[body["order_id"]] = asyncio.Queue()
        order = await self._ask("floor.queries", "orders.get-order.v1", body)
        state = {name: order[name] for name in ("order_id", "status", "payment_status")}

        async def events() -> AsyncIterator[str]:
            try:
                yield _event({"event": "orders.order-state"} | state)
                while True:
                    yield _event(await updates.get())
            finally:
                self._watching.pop(body["order_id"], None)

        return StreamingResponse(events(), media_type="text/event-stream")


def _claims(request: Request) -> dict[str, Any]:
    token = request.headers["authorization"].removeprefix("Bearer ")
    return jwt.decode(token, os.environ["FLOOR_JWT_SECRET"], algorithms=["HS256"], audience="bellhop")


def _event(data: Body) -> str:
    return f"event: {data['event']}\ndata: {json.dumps(data)}\n\n"
