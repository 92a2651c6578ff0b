"""`bellhop mail`: what may have been sent, what would be, and what a person decides; forecasts of replays."""

import email
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from chassis.runtime.metrics import Metrics
from contracts.order_receipts import ReceiptIssued
from contracts.topology import MAIL_EVENTS, MAIL_SENDING
from deploy.local.broker import Broker
from deploy.local.store import Store
from notifications.mail.decide import Terms
from notifications.wiring import wire
from ops.core.dry_run import DryRun, RecordingPublisher
from ops.core.messages import RecordedMessage
from tests.support.guest import Json, body
from tests.support.mail_server import DROP, MailServer, mail_server
from tests.support.operator import NAME, Operator, target_of
from tests.support.recorded_commands import queries, recording, scans
from tests.support.system import SENDER, System, system_on
from tests.support.waiting import until

ANNA = "anna@example.org"
WHY = ("--why", "the guest says that nothing came")
KEPT_FOR = timedelta(days=30)


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[MailServer]:
    async with mail_server() as running:
        yield running


@pytest.fixture(scope="module")
async def mailing(broker: Broker, store: Store, server: MailServer) -> AsyncIterator[System]:
    async with system_on(broker, store, smtp_port=server.port, retention=KEPT_FOR) as system:
        yield system


@pytest.fixture
def operator(mailing: System, server: MailServer) -> Operator:
    server.received.clear()
    return Operator(mailing)


async def ordered(operator: Operator) -> str:
    """A paid order with a mail about it that is over, one way or another."""
    guest = operator.system.guest(email=ANNA)
    order_id: str = (await guest.order())["order_id"]
    body(await operator.system.pay(await guest.session(order_id)), 200)

    async def is_over() -> bool:
        mail = await operator.system.documents["mails"].find_one({"state.order_id": order_id})
        return mail is not None and mail["state"]["status"] not in ("due", "sending")

    await until(is_over, "the mail is sent, or may have been")
    return order_id


async def listed(operator: Operator, order_id: str, code: int = 0) -> Json:
    [mail] = await operator.json("mail", "list", "--order", order_id, code=code)
    found: Json = mail
    return found


async def test_a_mail_that_may_have_been_sent_is_listed_and_sent_again_by_a_person(
    operator: Operator, server: MailServer
) -> None:
    server.to_text.append(DROP)
    order_id = await ordered(operator)
    unknown = await listed(operator, order_id, code=1)

    again = await operator.json("mail", "send-again", unknown["mail_id"], *WHY, "--yes")

    async def is_sent() -> bool:
        return bool((await listed(operator, order_id))["status"] == "sent")

    assert unknown["status"] == "unknown"
    assert again["round"] == 2
    await until(is_sent, "it is sent")
    assert len(server.received) == 2
    recorded = await operator.json("audit-log")
    [act] = [act for act in recorded if act["action"] == "mail send-again"]
    assert (act["who"], act["why"]) == (NAME, WHY[1])
    assert act["subjects"] == [unknown["mail_id"], order_id]
    assert ANNA not in str((unknown, again, recorded))


async def test_a_mail_that_may_have_been_sent_is_left_at_that(operator: Operator, server: MailServer) -> None:
    server.to_text.append(DROP)
    order_id = await ordered(operator)
    unknown = await listed(operator, order_id, code=1)

    settled = await operator.json("mail", "settle", unknown["mail_id"], *WHY, "--yes")

    assert settled["status"] == "dropped"
    assert len(server.received) == 1


async def test_a_replayed_event_is_forecast_as_mailed_already(operator: Operator, mailing: System) -> None:
    order_id = await ordered(operator)
    log = [RecordedMessage.of(message) for message in await mailing.log() if order_id.encode() in message.body]
    event = next(seen for seen in log if seen.kind == ReceiptIssued.wire_kind())
    command = next(seen for seen in log if seen.kind == "mail.send-mail.v1")
    store = target_of(mailing).store(Metrics("test"))
    try:
        known = await DryRun(store).forecast(event, MAIL_EVENTS.name)
        sent = await DryRun(store).forecast(command, MAIL_SENDING.name)
        await mailing.documents["mails"].delete_many({"state.order_id": order_id})
        unknown = await DryRun(store).forecast(event, MAIL_EVENTS.name)
        stray = await DryRun(store).forecast(command, MAIL_SENDING.name)
    finally:
        store.close()

    assert str(known) == str(sent) == "ignored: mailed already, nothing is sent"
    assert unknown.in_full == "applied → confirmed to guest: due, sending mail.send-mail.v1"
    assert str(stray) == "ignored: no such mail is known here"


async def test_a_mail_that_is_deleted_by_age_is_not_sent_again_by_a_replay_of_the_log(
    operator: Operator, mailing: System, server: MailServer
) -> None:
    order_id = await ordered(operator)
    log = [RecordedMessage.of(message) for message in await mailing.log() if order_id.encode() in message.body]
    event = next(seen for seen in log if seen.kind == ReceiptIssued.wire_kind())
    command = next(seen for seen in log if seen.kind == "mail.send-mail.v1")
    later, store = datetime.now(UTC) + KEPT_FOR + timedelta(minutes=1), target_of(mailing).store(Metrics("test"))
    terms = Terms(is_on=True, keep_for=KEPT_FOR)
    sweep = wire(RecordingPublisher(), store, lambda: later, terms).retention.sweep

    async def is_deleted() -> bool:  # once its command has left
        await sweep()
        return not await operator.json("mail", "list", "--order", order_id, "--all")

    try:
        with recording() as sent:
            await until(is_deleted, "the mail is deleted")
            asked = queries(sent, mailing.setup.database, besides=())
            forecasts = [
                str(await DryRun(store, clock=lambda: later).forecast(event, MAIL_EVENTS.name)),
                str(await DryRun(store, clock=lambda: later).forecast(command, MAIL_SENDING.name)),
            ]
    finally:
        store.close()

    assert forecasts[0].startswith("ignored: too old")
    assert forecasts[1] == "ignored: no such mail is known here"
    assert len(server.received) == 1
    with MongoClient[dict[str, Any]](mailing.setup.mongodb_url, tz_aware=True) as client:
        database = client[mailing.setup.database]
        swept = [command for command in asked if "state.status" in command.get("filter", {})]
        assert swept
        assert [command for command in swept if scans(database, command)] == []


async def test_the_story_of_an_order_has_its_mail(operator: Operator) -> None:
    order_id = await ordered(operator)

    story = await operator.json("trace", order_id)

    assert "mail" in story["participants"]
    assert story["summary"]["e-mail confirmed"] == "confirmed to guest: sent"
    assert [step["what"] for step in story["steps"] if step["message_kind"] == "mail.send-mail.v1"]


async def test_a_preview_says_what_would_be_sent_and_sends_nothing(
    operator: Operator, server: MailServer, tmp_path: Path
) -> None:
    order_id = await ordered(operator)
    server.received.clear()

    shown = await operator.runs("mail", "preview", "--order", order_id, "--language", "de", "--write", str(tmp_path))
    example = await operator.runs("mail", "preview", "--template", "declined")
    unknown = await operator.runs("mail", "preview", "--order", "ord_" + "z" * 26, code=2)

    assert f"<{SENDER}>" in shown.said
    assert "Bestellung" in shown.said
    assert "The room is needed at ten that day." in example.said
    assert "There is no order" in unknown.said
    assert ANNA not in shown.said
    message = email.message_from_bytes((tmp_path / "confirmed.eml").read_bytes(), policy=default)
    [attached] = message.iter_attachments()
    assert attached.get_content().startswith(b"%PDF-")
    assert server.received == []


async def test_restored_addresses_are_brought_up_to_date_by_the_log(operator: Operator) -> None:
    """One guest was erased after the backup, and another one gave an address."""
    system, contacts = operator.system, operator.system.documents["guest_contacts"]
    erased, given = system.guest(email=ANNA), system.guest()
    since = (datetime.now(UTC) - timedelta(seconds=2)).isoformat()
    body(await erased.http.put("/v1/contact", json={"email": ANNA}), 200)
    backup = await contacts.find_one({"state.guest_id": erased.guest_id})
    assert backup is not None
    whose = ("guest", "erase", erased.guest_id, "--property", erased.property_id, *WHY, "--yes")
    await operator.runs(*whose)
    body(await given.http.put("/v1/contact", json={"email": "bo@example.org"}), 200)

    async def is_erased() -> bool:
        return await contacts.count_documents({"state.guest_id": erased.guest_id}) == 0

    await until(is_erased, "the address is erased")
    await contacts.replace_one({"_id": backup["_id"]}, backup)
    await contacts.delete_one({"state.guest_id": given.guest_id})

    words = ("--to", "mail.commands", "--kind", "mail.*-contact.*", "--since", since)
    await operator.runs("log", "replay", *words, "--rate", "100", "--accept-changes", *WHY, "--yes")

    await until(is_erased, "the address is erased again")
    assert body(await erased.http.get("/v1/contact"), 200)["email"] is None
    assert body(await given.http.get("/v1/contact"), 200)["email"] == "bo@example.org"
