"""`python -m tools.asyncapi --write`: docs/asyncapi.json, the bus as AsyncAPI 3, generated from contracts/; `--check`.

A channel per kind and exchange for senders, a channel per queue for receivers, and one for all replies. The accounts at
the broker determine who may use them (contracts/accounts.py).
"""

import inspect
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pydantic.json_schema import models_json_schema

from chassis.runtime.startup import VERSION
from contracts.accounts import ACCOUNTS, BY_OPERATORS_ALONE, OPERATOR
from contracts.message import Command, Event, Message, Query, Reply
from contracts.topology import (
    COMMANDS,
    EVENTS,
    EVENTS_WITHOUT_FOLLOWER,
    EXCHANGES,
    EXTRAS_COMMANDS,
    QUEUES,
    REPLIES,
    Exchange,
    Queue,
)
from tools.generated_file import ROOT, generated_file_command

FILE = ROOT / "docs" / "asyncapi.json"
MESSAGES_OF = {COMMANDS.name: Command, EVENTS.name: Event, "queries": Query}

Json = dict[str, Any]

INTRODUCTION = """The messages between Bellhop's services, over RabbitMQ (AMQP 0-9-1).

`kind` is routing key, AMQP `type` and a field of the body at once, and carries the version. Readers ignore unknown
fields. Commands and events are persistent, confirmed by the broker and mandatory, except events that no service needs;
queries and replies may be lost. The sender copies every confirmed command and event to `copies`, for the message log.
Deliveries may repeat; `message_id` identifies repetitions.
"""

HEADERS: Json = {
    "type": "object",
    "description": "AMQP properties first (their names with _), then headers.",
    "required": ["type", "message_id", "correlation_id"],
    "properties": {
        "type": {"type": "string", "description": "property: the kind"},
        "message_id": {"type": "string", "description": "property: the same for every repetition of one message"},
        "correlation_id": {
            "type": "string",
            "description": "property: common to all messages that follow from one action",
        },
        "app_id": {"type": "string", "description": "property: the service that sent it"},
        "timestamp": {"type": "integer", "description": "property: seconds since 1970, UTC"},
        "reply_to": {"type": "string", "description": "property: the routing key of the reply"},
        "causation_id": {"type": "string", "description": "the message_id of the message that caused this one"},
        "traceparent": {"type": "string", "description": "W3C trace context"},
        "attempt": {"type": "integer", "minimum": 1, "description": "1, and one more after each retry"},
        "sent_at_ms": {"type": "integer", "description": "milliseconds since 1970, UTC"},
        "http": {"type": "string", "description": "the HTTP request behind a command: method and path"},
        "psp": {"type": "string", "description": "the PSP calls or the webhook behind an event"},
    },
}


def document() -> Json:
    """The whole document."""
    messages = [message for _, message in sorted(kinds(Message))]
    refs, schemas = models_json_schema(
        [(message, "validation") for message in messages], ref_template="#/components/schemas/{model}"
    )
    payloads = {message: refs[(message, "validation")] for message in messages}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Bellhop's bus",
            "version": VERSION,
            "description": INTRODUCTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "rabbitmq": {
                "host": "localhost:5672",
                "protocol": "amqp",
                "protocolVersion": "0.9.1",
                "description": "RabbitMQ 3.10 or newer",
                "security": [{"$ref": "#/components/securitySchemes/account"}],
            }
        },
        "channels": dict([*sending_channels(), reply_channel(), *queue_channels()]),
        "operations": dict(sorted(operations())),
        "components": {
            "messages": {key(message.wire_kind()): described(message, payloads[message]) for message in messages},
            "messageTraits": {
                "any": {"headers": HEADERS, "correlationId": {"location": "$message.header#/correlation_id"}}
            },
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "account": {"type": "userPassword", "description": "one account per service: docs/security.md"}
            },
        },
    }


def kinds(base: type[Message]) -> Iterator[tuple[str, type[Message]]]:
    """The contract's kinds below a base class, without those defined by tests."""
    for kind, message in Message.kinds.items():
        if issubclass(message, base) and message.__module__.startswith("contracts."):
            yield kind, message


def described(message: type[Message], payload: Json) -> Json:
    about: Json = {
        "name": message.wire_kind(),
        "title": message.__name__,
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/any"}],
        "payload": payload,
        "bindings": {"amqp": {"messageType": message.wire_kind(), "bindingVersion": "0.3.0"}},
    }
    text = inspect.cleandoc(message.__doc__ or "") if message.__doc__ else ""
    return about | ({"summary": text.splitlines()[0]} if text else {})


def sending_channels() -> Iterator[tuple[str, Json]]:
    for exchange in EXCHANGES:
        for kind, _ in sorted(kinds(MESSAGES_OF[exchange.name])) if exchange.name in MESSAGES_OF else ():
            yield (
                key(f"{exchange.name}.{kind}"),
                {
                    "address": kind,
                    "messages": listed([kind]),
                    "bindings": {"amqp": routed(exchange)},
                },
            )


def reply_channel() -> tuple[str, Json]:
    return (
        REPLIES.name,
        {
            "address": None,
            "description": "The routing key is the requester's `reply_to`; its own queue is bound under it.",
            "messages": listed(kind for kind, _ in sorted(kinds(Reply))),
            "bindings": {"amqp": routed(REPLIES)},
        },
    )


def queue_channels() -> Iterator[tuple[str, Json]]:
    for queue in QUEUES:
        bound = sorted(binding.routing_key for binding in queue.bindings if binding.exchange in MESSAGES_OF)
        known = [kind for kind in bound if kind in Message.kinds]
        yield (
            key(queue.name),
            {
                "address": queue.name,
                "description": queue.purpose,
                **({"messages": listed(known)} if known else {}),
                "bindings": {"amqp": waiting(queue)},
                "x-queue-type": queue.type.value,
                "x-bindings": [f"{binding.exchange}: {binding.routing_key}" for binding in queue.bindings],
            },
        )


def routed(exchange: Exchange) -> Json:
    about = {"name": exchange.name, "type": exchange.type.value, "durable": True, "autoDelete": False}
    return {"is": "routingKey", "exchange": about, "bindingVersion": "0.3.0"}


def waiting(queue: Queue) -> Json:
    about = {"name": queue.name, "durable": queue.durable, "exclusive": False, "autoDelete": False}
    return {"is": "queue", "queue": about, "bindingVersion": "0.3.0"}


def listed(names: Iterable[str]) -> Json:
    return {key(kind): {"$ref": f"#/components/messages/{key(kind)}"} for kind in names}


def key(name: str) -> str:
    """A name as a key of the document. AsyncAPI permits dots, but some tools do not."""
    return re.sub(r"[^\w-]", "-", name)


def operations() -> Iterator[tuple[str, Json]]:
    for account in ACCOUNTS:
        for exchange in MESSAGES_OF:
            for kind in _newest(account.sends.get(exchange, ())):
                yield key(f"{account.name}.sends.{kind}"), sent(account.name, f"{exchange}.{kind}", kind)
        for queue in account.takes:
            yield key(f"{account.name}.takes.{queue}"), operation("receive", account.name, queue)
        for kind in _newest(account.follows.get(EVENTS.name, ())):
            yield key(f"{account.name}.follows.{kind}"), operation("receive", account.name, f"{EVENTS.name}.{kind}")
        if REPLIES.name in account.sends:
            yield key(f"{account.name}.replies"), operation("send", account.name, REPLIES.name)
    for kind in sorted(BY_OPERATORS_ALONE):
        yield key(f"{OPERATOR}.sends.{kind}"), sent(OPERATOR, f"{COMMANDS.name}.{kind}", kind)


def _newest(allowed: Iterable[str]) -> list[str]:
    """The newest versions only: older ones are read but no longer sent."""
    return [kind for kind in allowed if kind in Message.kinds]


def sent(account: str, channel: str, kind: str) -> Json:
    about = operation("send", account, channel)
    is_asked = issubclass(Message.kinds[kind], Query) or kind in {b.routing_key for b in EXTRAS_COMMANDS.bindings}
    reply = {"address": {"location": "$message.header#/reply_to"}, "channel": {"$ref": f"#/channels/{REPLIES.name}"}}
    mode = 1 if issubclass(Message.kinds[kind], Query) else 2
    mandatory = kind not in EVENTS_WITHOUT_FOLLOWER
    bindings = {"amqp": {"deliveryMode": mode, "mandatory": mandatory, "bindingVersion": "0.3.0"}}
    return {**about, **({"reply": reply} if is_asked else {}), "bindings": bindings}


def operation(action: Literal["send", "receive"], account: str, channel: str) -> Json:
    return {"action": action, "channel": {"$ref": f"#/channels/{key(channel)}"}, "tags": [{"name": account}]}


def text() -> str:
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    generated_file_command(FILE, text, "tools.asyncapi")
