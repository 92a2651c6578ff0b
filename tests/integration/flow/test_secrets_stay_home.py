"""A whole order leaves no usable secret behind: not on the bus, not in a document, not in a log line."""

import logging
import urllib.parse

import pytest

from tests.support.guest import JWT_SECRET
from tests.support.system import API_KEY, DECLINED_CARD, GOOD_CARD, WEBHOOK_SECRET, System

RECEIPT_EMAIL = "anna.berg@mail.alpenhof.example"


async def test_neither_messages_nor_documents_nor_logs_hold_a_secret_a_token_or_a_card(
    system: System, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    guest = system.guest(email=RECEIPT_EMAIL, email_verified=True)
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)
    await system.pay(session, DECLINED_CARD)
    await system.pay(session)
    await guest.sees(order_id, status="confirmed", payment_status="paid")

    written = {
        "messages": "".join(f"{message.body!r} {message.headers}" for message in await system.log()),
        "documents": "".join(
            [
                str(document)
                for collection in await system.documents.list_collection_names()
                async for document in system.documents[collection].find()
            ]
        ),
        "logs": caplog.text + capsys.readouterr().out,
    }
    broker = urllib.parse.urlsplit(system.setup.amqp_url)
    secrets = {
        "client secret": session["client_secret"],
        "token": guest.http.headers["authorization"].removeprefix("Bearer "),
        "API key": API_KEY,
        "webhook secret": WEBHOOK_SECRET,
        "JWT secret": JWT_SECRET,
        "seal key": system.setup.seal_key,
        # A password that is its user's name, like RabbitMQ's own "guest", is a secret only as part of an address.
        "broker password": f":{broker.password}@" if broker.password == broker.username else broker.password or "-",
        "card": GOOD_CARD,
        "declined card": DECLINED_CARD,
        "receipt address": RECEIPT_EMAIL,
    }
    [intent] = await system.intents(order_id)

    assert intent["receipt_email"] == RECEIPT_EMAIL
    assert order_id in written["messages"]
    assert order_id in written["documents"]
    assert order_id in written["logs"]
    assert {(name, where) for name, value in secrets.items() for where, text in written.items() if value in text} == (
        set()
    )
