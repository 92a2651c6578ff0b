"""Messages with bare aio-pika, and documents with bare PyMongo."""

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
from aio_pika import DeliveryMode, ExchangeType, Message
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel
from pymongo import AsyncMongoClient, WriteConcern
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

Body = dict[str, Any]
Handler = Callable[[Body, AbstractIncomingMessage], Awaitable[None]]

PREFETCH = 64
_EXCHANGES = ("floor.commands", "floor.events", "floor.queries", "floor.replies")
_LOGGED = ("floor.commands", "floor.events")
_DURABLE = WriteConcern(w="majority", j=True)


class Bus:
    """One process's connection."""

    def __init__(self) -> None:
        self._channel: AbstractRobustChannel
        self._replies: AbstractRobustChannel
        self._exchanges: dict[str, Any] = {}

    async def start(self) -> None:
        self._connection = await aio_pika.connect_robust(os.environ["FLOOR_AMQP_URL"])
        self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        self._replies = await self._connection.channel(publisher_confirms=False)
        for name in _EXCHANGES:
            on = self._replies if name == "floor.replies" else self._channel
            self._exchanges[name] = await on.declare_exchange(name, ExchangeType.TOPIC, durable=True)
        log = await self._channel.declare_queue("floor.log", durable=True, arguments={"x-queue-type": "stream"})
        for name in _LOGGED:
            await log.bind(self._exchanges[name], "#")

    async def stop(self) -> None:
        await self._connection.close()

    async def consume(self, name: str, exchange_of: Mapping[str, str], handlers: Mapping[str, Handler]) -> None:
        """Consume a quorum queue; a message is acknowledged when its handler has ended."""
        channel = await self._connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        queue = await channel.declare_queue(
            name, durable=True, arguments={"x-queue-type": "quorum", "x-delivery-limit": 20}
        )
        for kind, exchange in exchange_of.items():
            await queue.bind(exchange, kind)

        async def handle(message: AbstractIncomingMessage) -> None:
            async with message.process(requeue=True):
                await handlers[message.type or ""](json.loads(message.body), message)

        await queue.consume(handle)

    async def listen(self, exchange_of: Mapping[str, str], handler: Handler, *, own_key: bool = False) -> str:
        """Consume an exclusive queue without acknowledgement. Returns its name."""
        channel = await self._connection.channel(publisher_confirms=False)
        queue = await channel.declare_queue(f"floor.{uuid.uuid4().hex}", exclusive=True, auto_delete=True)
        for kind, exchange in ({queue.name: "floor.replies"} if own_key else exchange_of).items():
            await queue.bind(exchange, kind)

        async def handle(message: AbstractIncomingMessage) -> None:
            await handler(json.loads(message.body), message)

        await queue.consume(handle, no_ack=True)
        return queue.name

    async def publish(
        self, exchange: str, kind: str, body: Body, correlation_id: str, reply_to: str | None = None
    ) -> None:
        """A command, event or query; returns when the broker has confirmed it."""
        await self._exchanges[exchange].publish(
            Message(
                json.dumps(body).encode(),
                content_type="application/json",
                delivery_mode=DeliveryMode.NOT_PERSISTENT if "queries" in exchange else DeliveryMode.PERSISTENT,
                message_id=uuid.uuid4().hex,
                correlation_id=correlation_id,
                type=kind,
                reply_to=reply_to,
            ),
            kind,
            mandatory=True,
        )

    async def reply(self, to: str, correlation_id: str, body: Body) -> None:
        message = Message(json.dumps(body).encode(), correlation_id=correlation_id)
        await self._exchanges["floor.replies"].publish(message, to, mandatory=False)


class Documents:
    """Documents of one collection, each written over the version it was decided on."""

    def __init__(self, name: str) -> None:
        self._client: AsyncMongoClient[Body] = AsyncMongoClient(os.environ["FLOOR_MONGODB_URL"])
        self._collection = self._client.get_database("floor").get_collection(name, write_concern=_DURABLE)
        self._recent: dict[str, Body] = {}

    async def load(self, document_id: str) -> Body:
        """Written here a moment ago, or else read."""
        found = self._recent.get(document_id) or await self.read(document_id)
        if found is None:
            raise LookupError(document_id)
        return found

    async def read(self, document_id: str) -> Body | None:
        return await self._collection.find_one({"_id": document_id})

    async def create(self, document: Body) -> None:
        document["version"] = 1
        await self._collection.insert_one(document)
        self._recent[document["_id"]] = document

    async def change(self, document: Body, **changes: Any) -> Body:
        new = {**document, **changes, "version": document["version"] + 1}
        query = {"_id": document["_id"], "version": document["version"]}
        if not (await self._collection.replace_one(query, new)).matched_count:
            self._recent.pop(document["_id"], None)
            raise RuntimeError("another writer was first")
        self._recent[document["_id"]] = new
        return new

    async def index(self, field: str) -> None:
        await self._collection.create_index(field)


def app(bus: Bus, start: Callable[[], Awaitable[None]], routes: list[BaseRoute] | None = None) -> Starlette:
    async def ready(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "ready"})

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await bus.start()
        await start()
        yield
        await asyncio.wait_for(bus.stop(), 5)

    return Starlette(routes=[Route("/health/ready", ready), *(routes or [])], lifespan=lifespan)
