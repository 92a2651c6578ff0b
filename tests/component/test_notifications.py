"""The notification service's own parts with a real mail server: what is sent, how often, and what is written down."""

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs

from chassis.decision import Applied, Ignored, Outcome
from chassis.errors import StoreUnavailableError, is_transient
from chassis.messaging.descriptions import Descriptions
from chassis.messaging.envelope import Delivery, Envelope
from chassis.receipts.pdf import PdfPrinter
from chassis.runtime import tracing
from chassis.runtime.tracing import Kind
from chassis.seal import Seal
from chassis.storage.running_settings import RunningSettings
from contracts.approvals import OrderApprovalNeeded, OrderDeclined
from contracts.ids import OrderId, PropertyId
from contracts.mail import (
    ContactReply,
    ContactSource,
    ForgetContact,
    GetContact,
    KeepContact,
    OrderDescribed,
    SendMail,
    SendMailAgain,
)
from contracts.order_receipts import ReceiptIssued
from contracts.orders import OrderStatus, PaymentStatus, Refusal
from deploy.local.ports import HOST
from extras_service.order.state import Order
from notifications.errors import MailDeferredError, MailRefusedError, MailServerUnavailableError
from notifications.handlers import NotificationHandlers
from notifications.keeper import OFF
from notifications.mail.decide import SENDING_AT_MOST, Terms
from notifications.mail.inputs import MailWanted
from notifications.mail.state import Mail, MailStatus, Template
from notifications.settings import NotificationSettings, Security
from notifications.smtp import MailServer, Probe
from notifications.wiring import SERVICE, NotificationParts, Sending, wire
from notifications.writing import NO_ADDRESS, Writer
from tests.support import mails
from tests.support import orders as given
from tests.support.certificates import certificate
from tests.support.collector import kept_spans
from tests.support.fake_store import FakeStore
from tests.support.mail_server import DROP, HANG, mail_server
from tests.support.mail_server import MailServer as StandIn
from tests.support.receipts import taxed

SENDER = "extras@bellhop.example"
ANNA = "anna@example.org"
SEAL = Seal(SecretStr(Fernet.generate_key().decode()))
GUEST = given.guest()


@dataclass
class Described(Descriptions):
    """The order as it is; it may change."""

    order: Order
    hotel: Any = mails.HOTEL

    async def of(self, order_id: OrderId, property_id: PropertyId) -> OrderDescribed | None:
        if (order_id, property_id) != (self.order.order_id, self.order.guest.property_id):
            return None
        return mails.described(self.order, self.hotel)


@dataclass
class Outbound:
    """A bus that keeps what is published."""

    sent: list[Envelope] = field(default_factory=list)

    async def publish(self, envelope: Envelope) -> None:
        self.sent.append(envelope)


@dataclass
class Office:
    """The service without a broker: its handlers are called as a consumer calls them."""

    server: StandIn
    order: Order = field(default_factory=lambda: taxed(given.confirmed()))
    terms: Terms = mails.TERMS
    security: Security = Security.NONE
    login: tuple[str, str] = ("", "")
    ca_file: Path | None = None
    erase_after: timedelta | None = None
    store: FakeStore = field(default_factory=FakeStore)
    bus: Outbound = field(default_factory=Outbound)
    now: dt.datetime = given.NOW

    def __post_init__(self) -> None:
        self.descriptions = Described(self.order)
        self.start()

    def start(self) -> None:
        """As a new process would."""
        self.post = MailServer(
            HOST, self.server.port, self.security, self.login[0], SecretStr(self.login[1]), self.ca_file, 2.0, "bellhop"
        )
        sending = Sending(self.descriptions, Writer(SENDER, PdfPrinter()), self.post) if self.terms.is_on else None
        self.parts: NotificationParts = wire(
            self.bus, self.store, lambda: self.now, self.terms, SEAL, sending, erase_after=self.erase_after
        )

    @property
    def handlers(self) -> NotificationHandlers:
        return self.parts.handlers

    async def know(self, email: str = ANNA, language: str = "en", **said: Any) -> Outcome[Any]:
        command = KeepContact(
            property_id=GUEST.property_id,
            guest_id=GUEST.guest_id,
            source=said.get("source", ContactSource.TOKEN),
            at=self.now,
            sealed_email=SEAL.close(email),
            language=language,
            stay_to=said.get("stay_to", GUEST.stay_to),
        )
        return await self.handlers.keep(command, self.delivery("c-1", "mail.keep-contact.v1"))

    def delivery(self, message_id: str, kind: str, sent_at: dt.datetime | None = None) -> Delivery:
        return Delivery(message_id, "corr", kind, sent_at=sent_at or self.now, reply_to="gateway.replies.a")

    async def event(self, event: Any, message_id: str = "m-1", sent_at: dt.datetime | None = None) -> Outcome[Any]:
        handler = self.handlers.events()[type(event)]
        return await handler(event, self.delivery(message_id, event.kind, sent_at))

    async def send(self, command: SendMail | None = None, *, attempt: int = 1) -> Outcome[Any]:
        """Deliver the last command to send, or this one."""
        command = command or self.commands()[-1]
        delivery = Delivery("s-1", "corr", command.kind, attempt=attempt)
        return await self.parts.send(command, delivery)

    async def decide_again(self, command: SendMail) -> Outcome[Any]:
        """As an operator who has it sent again."""
        again = SendMailAgain(mail_id=command.mail_id, by="olga", reason="it never came")
        return await self.handlers.commands()[SendMailAgain](again, self.delivery("a-1", again.kind))

    def commands(self) -> list[SendMail]:
        return [each.message for each in self.bus.sent if isinstance(each.message, SendMail)]

    async def mail(self) -> Mail:
        [found] = await self.parts.collections.mails.find(10, order_id=self.order.order_id)
        return found

    async def pass_time(self, passed: timedelta) -> None:
        self.now += passed
        await self.parts.mails.sweep_deadlines()


def confirmed(office: Office) -> ReceiptIssued:
    receipt = mails.described(office.order).receipts[0]
    return ReceiptIssued(order_id=office.order.order_id, receipt=receipt, guest_id=GUEST.guest_id)


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with mail_server() as running:
        yield running


@pytest.fixture
async def office(server: StandIn) -> Office:
    office = Office(server)
    await office.know()
    return office


async def test_a_confirmed_order_is_mailed_once_however_often_its_event_comes(office: Office, server: StandIn) -> None:
    outcomes = [await office.event(confirmed(office), message_id=f"m-{number}") for number in range(3)]
    await office.send()
    again = await office.event(confirmed(office), message_id="m-replayed")
    repeated = await office.send()

    assert [type(each) for each in outcomes] == [Applied, Ignored, Ignored]
    assert len(office.commands()) == 1
    [message] = server.received
    assert message["Subject"] == "Alpenhof: your order is confirmed"
    assert message["To"] == ANNA
    [attached] = message.iter_attachments()
    assert attached.get_content().startswith(b"%PDF-")
    assert (await office.mail()).status is MailStatus.SENT
    assert again == repeated == Ignored("mailed already, nothing is sent")


async def test_without_a_mail_server_nothing_is_recorded_and_no_address_is_kept(server: StandIn) -> None:
    office = Office(server, terms=Terms(is_on=False))

    kept = await office.know()
    outcome = await office.event(confirmed(office))

    assert (outcome, kept.name) == (Ignored(OFF), "refused")
    assert [type(each.message) for each in office.bus.sent] == [Refusal]
    assert office.store.raw["guest_contacts"] == {}
    assert office.store.raw["mails"] == {}


async def test_a_guest_without_an_address_costs_no_document(server: StandIn) -> None:
    office = Office(server)

    assert await office.event(confirmed(office)) == Ignored(NO_ADDRESS)
    assert office.store.raw["mails"] == {}


async def test_an_address_that_is_removed_before_the_mail_leaves_is_not_written_to(
    office: Office, server: StandIn
) -> None:
    await office.event(confirmed(office))
    forget = ForgetContact(
        property_id=GUEST.property_id,
        guest_id=GUEST.guest_id,
        source=ContactSource.GUEST,
        at=office.now + timedelta(seconds=1),
    )
    await office.handlers.forget(forget, office.delivery("f-1", forget.kind))

    await office.send()

    assert server.received == []
    assert (await office.mail()).summary == f"confirmed to guest: dropped ({NO_ADDRESS})"


async def test_addresses_go_when_their_guests_left_long_enough_ago(server: StandIn) -> None:
    office = Office(server, erase_after=timedelta(days=90))
    await office.know()
    swept = [await office.parts.keeper.sweep_old()]
    office.now += GUEST.stay_to - office.now.date() + timedelta(days=90)
    swept.append(await office.parts.keeper.sweep_old())
    office.now += timedelta(days=1)
    swept += [await office.parts.keeper.sweep_old() for _ in range(2)]

    assert swept == [0, 0, 1, 0]
    assert GUEST.guest_id not in str(office.store.raw["guest_contacts"])
    assert ANNA not in str(office.store.raw["guest_contacts"])
    assert await office.event(confirmed(office)) == Ignored(NO_ADDRESS)


async def test_without_the_setting_addresses_do_not_age(office: Office) -> None:
    office.now += timedelta(days=10_000)

    assert await office.parts.keeper.sweep_old() == 0


async def test_what_the_order_has_overtaken_is_not_sent(office: Office, server: StandIn) -> None:
    await office.event(confirmed(office))
    office.descriptions.order = given.in_status(OrderStatus.CANCELLED)

    await office.send()

    assert server.received == []
    assert (await office.mail()).status is MailStatus.DROPPED


async def test_a_mail_that_is_put_off_is_sent_at_its_next_attempt(office: Office, server: StandIn) -> None:
    """Greylisting: nothing was handed over, so asking again is no second mail."""
    server.to_recipient.extend(["450 4.2.0 greylisted, come back", "250 OK"])
    await office.event(confirmed(office))

    with pytest.raises(MailDeferredError) as put_off:
        await office.send()
    waiting = await office.mail()
    await office.send(attempt=2)

    assert is_transient(put_off.value)
    assert (waiting.status, waiting.cause) == (MailStatus.DUE, "450 4.2.0 greylisted, come back")
    assert len(server.received) == 1
    assert (await office.mail()).status is MailStatus.SENT


@pytest.mark.parametrize("answers", [{"to_recipient": "550 5.1.1"}, {"to_text": "554 5.7.1"}])
async def test_what_is_refused_for_good_is_parked_with_the_servers_words_and_no_address(
    office: Office, server: StandIn, answers: dict[str, str]
) -> None:
    [(name, code)] = answers.items()
    getattr(server, name).append(f"{code} <{ANNA}>: rejected")
    await office.event(confirmed(office))

    with capture_logs() as lines, pytest.raises(MailRefusedError) as refused:
        await office.send()

    assert not is_transient(refused.value)
    assert (await office.mail()).cause == f"{code} [address] rejected"
    assert ANNA not in f"{refused.value}{refused.value.__cause__}{lines}{office.store.raw['mails']}"


async def test_a_parked_mail_is_sent_when_its_dead_letter_is_replayed(office: Office, server: StandIn) -> None:
    server.to_recipient.append("550 5.1.1 unknown")
    await office.event(confirmed(office))
    with suppress(MailRefusedError):
        await office.send()

    await office.send()

    assert len(server.received) == 1
    assert (await office.mail()).status is MailStatus.SENT


@pytest.mark.parametrize("instead", [HANG, DROP])
async def test_a_mail_whose_answer_is_lost_is_not_sent_again_by_itself(
    office: Office, server: StandIn, instead: str
) -> None:
    server.to_text.append(instead)
    await office.event(confirmed(office))

    await office.send()
    after = await office.send()
    office.start()
    await office.send()

    assert len(server.received) == 1
    assert after == Ignored("it may have been sent already, nothing is sent")
    mail = await office.mail()
    assert mail.status is MailStatus.UNKNOWN
    assert mail.needs_attention


async def test_a_person_has_a_mail_sent_again_whose_answer_was_lost(office: Office, server: StandIn) -> None:
    server.to_text.append(DROP)
    await office.event(confirmed(office))
    await office.send()
    first = office.commands()[-1]
    again = SendMailAgain(mail_id=first.mail_id, by="lena", reason="the guest says that nothing came")

    await office.handlers.commands()[SendMailAgain](again, office.delivery("a-1", again.kind))
    await office.send()
    earlier = await office.send(first)

    assert isinstance(earlier, Ignored)
    assert len(server.received) == 2
    assert len({message["Message-ID"] for message in server.received}) == 1
    assert (await office.mail()).status is MailStatus.SENT


@dataclass
class Dies(Exception):  # noqa: N818  the process does
    """The process ends here."""


@pytest.mark.parametrize(
    ("point", "left", "sent"),
    [
        ("described", MailStatus.DUE, 1),
        ("connected", MailStatus.DUE, 1),
        ("marked", MailStatus.SENDING, 0),
        ("handed over", MailStatus.SENDING, 1),
    ],
)
async def test_a_process_that_dies_at_any_point_sends_a_mail_once_or_leaves_it_to_a_person(
    office: Office, server: StandIn, monkeypatch: pytest.MonkeyPatch, point: str, left: MailStatus, sent: int
) -> None:
    await office.event(confirmed(office))

    async def die(*_: Any, **_named: Any) -> Any:
        raise Dies

    with monkeypatch.context() as broken:
        match point:
            case "described":
                broken.setattr("notifications.letter.message.Letter.as_bytes", die)
                broken.setattr("notifications.smtp.MailServer.session", lambda _: _raises())
            case "connected":
                broken.setattr("notifications.smtp.Session.propose", die)
            case "marked":
                broken.setattr("notifications.smtp.Session.hand_over", die)
            case _:
                broken.setattr("notifications.courier.Courier._write_down", die)
        with pytest.raises(Dies):
            await office.send()
    left_behind = (await office.mail()).status
    office.start()
    await office.send()
    await office.pass_time(SENDING_AT_MOST + timedelta(seconds=1))
    await office.send()

    assert left_behind is left
    assert len(server.received) == sent
    assert (await office.mail()).status is (MailStatus.SENT if left is MailStatus.DUE else MailStatus.UNKNOWN)


def _raises() -> Any:
    raise Dies


async def test_a_server_that_is_down_is_an_outage_and_marks_nothing(office: Office, server: StandIn) -> None:
    await office.event(confirmed(office))
    probe = Probe(office.post, steady=lambda: 0.0)
    await server.stop()

    with pytest.raises(MailServerUnavailableError) as down:
        await office.send()
    answers = await probe.answers()

    assert is_transient(down.value)
    assert answers is False
    mail = await office.mail()
    assert (mail.status, mail.cause) == (MailStatus.DUE, "")


async def test_a_server_that_is_down_is_probed_every_fifteen_seconds_at_most(server: StandIn) -> None:
    office = Office(server)
    now = [0.0]
    probe = Probe(office.post, steady=lambda: now[0])
    await server.stop()
    assert await probe.answers() is False
    await server.start()

    too_early = await probe.answers()
    now[0] = 15.0

    assert (too_early, await probe.answers()) == (False, True)


async def test_old_news_is_recorded_and_not_sent(office: Office, server: StandIn) -> None:
    outcome = await office.event(confirmed(office), sent_at=given.NOW - timedelta(days=10))

    assert isinstance(outcome, Applied)
    assert office.commands() == []
    assert "24 hours" in (await office.mail()).cause
    assert server.received == []


async def test_a_restored_store_mails_no_old_news_again(office: Office, server: StandIn) -> None:
    """The backup knows nothing of the mail; the log is replayed three days later, with its own times."""
    await office.event(confirmed(office))
    await office.send()
    office.store.of["mails"].raw = {}
    office.now += timedelta(days=3)
    office.start()

    outcome = await office.event(confirmed(office), sent_at=given.NOW)

    assert isinstance(outcome, Applied)
    assert (await office.mail()).status is MailStatus.DROPPED
    assert len(server.received) == 1


async def test_a_restored_mail_that_was_due_is_not_sent_again(office: Office, server: StandIn) -> None:
    """As docs/operations.md has it: the backup holds a command that has not left, though the mail was sent since."""
    await office.event(confirmed(office))
    backup = dict(office.store.of["mails"].raw)
    await office.send()
    office.store.of["mails"].raw = backup
    restored(office)

    relayed = await office.parts.mails.relay()
    outcome = await office.send()

    assert relayed == 1
    assert isinstance(outcome, Applied)
    mail = await office.mail()
    assert mail.status is MailStatus.DROPPED
    assert "may have been sent" in mail.cause
    assert len(server.received) == 1


async def test_a_mail_that_a_restored_store_has_forgotten_is_not_sent_again(office: Office, server: StandIn) -> None:
    await office.event(confirmed(office))
    await office.send()
    office.store.of["mails"].raw = {}
    restored(office)

    outcome = await office.event(confirmed(office), sent_at=given.NOW)

    assert isinstance(outcome, Applied)
    assert "may have been sent" in (await office.mail()).cause
    assert len(server.received) == 1


async def test_what_happens_after_a_restore_is_mailed(office: Office, server: StandIn) -> None:
    restored(office)

    await office.event(confirmed(office), sent_at=office.now)
    await office.send()

    assert (await office.mail()).status is MailStatus.SENT
    assert len(server.received) == 1


async def test_what_was_dropped_after_a_restore_is_sent_when_a_person_asks_for_it(
    office: Office, server: StandIn
) -> None:
    restored(office)
    await office.event(confirmed(office), sent_at=given.NOW)
    mail = await office.mail()

    again = SendMailAgain(mail_id=mail.mail_id, by="lena", reason="the mail server's log has nothing")
    await office.handlers.keeper.decided(again, office.delivery("a-1", again.kind))
    await office.send()

    assert (await office.mail()).status is MailStatus.SENT
    assert len(server.received) == 1


async def test_a_forecast_knows_that_a_store_was_restored(office: Office) -> None:
    """Its terms are those that the running service has written down."""
    running = RunningSettings(office.store)
    terms = replace(mails.TERMS, not_before=given.NOW)

    await running.write(SERVICE, terms)

    assert await running.read(SERVICE, Terms) == terms


def restored(office: Office) -> None:
    """A minute later the service starts as after a restore."""
    office.now += timedelta(minutes=1)
    office.terms = replace(mails.TERMS, not_before=office.now)
    office.start()


KEEPING = replace(mails.TERMS, keep_for=timedelta(days=30))


async def test_a_mail_that_is_over_is_deleted_by_age_and_no_replay_sends_it_again(server: StandIn) -> None:
    office = Office(server, terms=KEEPING)
    await office.know()
    await office.event(confirmed(office))
    await office.send()
    await office.parts.mails.clear_sent()
    command = office.commands()[-1]
    office.now += timedelta(days=30)
    swept = [await office.parts.retention.sweep()]
    office.now += timedelta(seconds=1)
    swept += [await office.parts.retention.sweep() for _ in range(2)]
    replayed = await office.event(confirmed(office), "m-1", sent_at=given.NOW)
    again = [await office.send(command), await office.decide_again(command)]

    assert swept == [0, 1, 0]
    assert office.store.raw["mails"] == {}
    assert isinstance(replayed, Ignored)
    assert "too old" in replayed.reason
    assert again == [Ignored("no such mail is known here")] * 2
    assert len(server.received) == len(office.commands()) == 1


async def test_a_mail_that_a_person_must_decide_on_is_not_deleted(server: StandIn) -> None:
    office = Office(server, terms=KEEPING)
    await office.know()
    server.to_text.append(DROP)
    await office.event(confirmed(office))
    await office.send()
    review = mails.wanted(Template.REVIEW, "m-2")
    await office.parts.mails.handle(review.mail_id, MailWanted(review, None), office.delivery("m-2", "a review"))
    await office.pass_time(timedelta(days=2))
    await office.parts.mails.clear_sent()
    statuses = {each.status for each in await office.parts.collections.mails.find(10, order_id=office.order.order_id)}

    office.now += timedelta(days=400)

    assert statuses == {MailStatus.UNKNOWN, MailStatus.DROPPED}
    assert await office.parts.retention.sweep() == 1
    assert [raw["state"]["status"] for raw in office.store.raw["mails"].values()] == [MailStatus.UNKNOWN]


async def test_without_the_setting_mails_are_known_for_ever(office: Office) -> None:
    await office.event(confirmed(office))
    await office.send()
    await office.parts.mails.clear_sent()
    office.now += timedelta(days=10_000)

    assert await office.parts.retention.sweep() == 0
    assert office.parts.retention.loops() == ()
    assert isinstance(await office.event(confirmed(office), sent_at=given.NOW), Ignored)


async def test_a_mail_that_waits_longer_than_a_day_is_dropped(office: Office) -> None:
    await office.event(confirmed(office))

    await office.pass_time(timedelta(hours=24, seconds=1))

    assert (await office.mail()).status is MailStatus.DROPPED


async def test_reception_is_asked_for_its_approval_and_reminded(server: StandIn) -> None:
    office = Office(server, order=given.awaiting_approval())
    view = office.order.view()
    assert view.approve_by is not None
    asked = OrderApprovalNeeded(
        order_id=office.order.order_id,
        guest_id=GUEST.guest_id,
        property_id=GUEST.property_id,
        reservation_id=GUEST.reservation_id,
        lines=view.lines,
        total=view.total,
        approve_by=view.approve_by,
    )

    await office.event(asked)
    await office.send()
    await office.event(asked.model_copy(update={"is_reminder": True}), message_id="m-2")
    await office.send()

    assert [message["To"] for message in server.received] == ["info@alpenhof.example"] * 2
    assert server.subjects() == [
        f"Bestellung {office.order.order_id} wartet auf Ihre Zusage",
        f"Erinnerung: Bestellung {office.order.order_id} wartet noch auf Ihre Zusage",
    ]


async def test_a_property_without_an_address_drops_the_mail_to_its_reception(server: StandIn) -> None:
    office = Office(server, order=given.awaiting_approval())
    office.descriptions.hotel = mails.HOTEL.model_copy(update={"contact_email": "ask at the desk"})
    wanted = mails.wanted(Template.APPROVAL_NEEDED)
    view = office.order.view()
    await office.event(
        OrderApprovalNeeded(
            order_id=wanted.order_id,
            guest_id=GUEST.guest_id,
            property_id=GUEST.property_id,
            reservation_id=GUEST.reservation_id,
            lines=view.lines,
            total=view.total,
            approve_by=given.NOW,
        )
    )

    await office.send()

    assert server.received == []
    assert "no contact e-mail" in (await office.mail()).cause


async def test_a_declined_guest_reads_the_reason(server: StandIn) -> None:
    office = Office(server, order=given.in_status(OrderStatus.DECLINED))
    await office.know(language="de")
    declined = OrderDeclined(
        order_id=office.order.order_id,
        guest_id=GUEST.guest_id,
        property_id=GUEST.property_id,
        payment_status=PaymentStatus.UNPAID,
        reason="unused: the order has it",
    )

    await office.event(declined)
    await office.send()

    [message] = server.received
    body = message.get_body(("plain",))
    assert body is not None
    assert office.order.view().declined_because in body.get_content()
    assert message["Subject"] == "Alpenhof am See: Ihre Bestellung wurde abgelehnt"


async def test_an_address_is_answered_sealed_and_only_to_whom_asks(office: Office) -> None:
    office.bus.sent.clear()
    query = GetContact(property_id=GUEST.property_id, guest_id=GUEST.guest_id)

    await office.handlers.get_contact(query, office.delivery("q-1", query.kind))
    other = query.model_copy(update={"guest_id": "guest-bert"})
    await office.handlers.get_contact(other, office.delivery("q-2", query.kind))

    known, unknown = (each.message for each in office.bus.sent)
    assert isinstance(known, ContactReply)
    assert known.sealed_email is not None
    assert ANNA not in known.sealed_email
    assert SEAL.open(known.sealed_email) == ANNA
    assert unknown == ContactReply()


async def test_a_store_that_is_away_when_the_answer_is_to_be_written_down_is_waited_for(
    office: Office, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.event(confirmed(office))
    handle, failures = office.parts.mails.handle, iter([True])

    async def sometimes(*args: Any, **named: Any) -> Any:
        if len(server.received) == 1 and next(failures, False):
            raise StoreUnavailableError("writing", OSError("gone"))
        return await handle(*args, **named)

    monkeypatch.setattr(office.parts.mails, "handle", sometimes)

    await office.send()

    assert len(server.received) == 1
    assert (await office.mail()).status is MailStatus.SENT


@pytest.mark.parametrize(
    ("password", "trusts", "is_sent"),
    [("right", True, True), ("wrong", True, False), ("right", False, False)],
    ids=["as set", "a wrong password", "an unknown certificate"],
)
async def test_mail_leaves_encrypted_and_logged_in_or_not_at_all(
    tmp_path: Path, password: str, trusts: bool, is_sent: bool
) -> None:
    authority, context = certificate(tmp_path)
    async with mail_server(tls=context, login=("bellhop", "right")) as server:
        office = Office(
            server,
            security=Security.STARTTLS,
            login=("bellhop", password),
            ca_file=authority if trusts else None,
        )
        await office.know()
        await office.event(confirmed(office))

        if is_sent:
            await office.send()
        else:
            with pytest.raises(MailServerUnavailableError):
                await office.send()

        assert len(server.received) == is_sent
        assert (await office.mail()).status is (MailStatus.SENT if is_sent else MailStatus.DUE)


async def test_a_server_without_encryption_gets_no_mail_and_no_password(server: StandIn) -> None:
    office = Office(server, security=Security.STARTTLS, login=("bellhop", "secret-word"))
    await office.know()
    await office.event(confirmed(office))

    with pytest.raises(MailServerUnavailableError, match="STARTTLS"):
        await office.send()

    assert (server.received, server.logins) == ([], [])


SETTINGS: dict[str, Any] = {
    "amqp_url": "amqp://localhost",
    "mongodb_url": "mongodb://localhost",
    "seal_keys": Fernet.generate_key().decode(),
}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"smtp_host": "smtp.example.org"}, "BELLHOP_MAIL_FROM"),
        ({"mail_from": "Alpenhof <a@b.example>"}, "one address"),
        ({"mail_from": "a@b.example\nBcc: c@d.example"}, "one address"),
        (
            {"smtp_host": "smtp.example.org", "mail_from": SENDER, "smtp_user": "a", "smtp_security": "none"},
            "must not be none",
        ),
        ({"mail_max_age": timedelta()}, "greater than"),
        ({"mail_retention": timedelta(days=29)}, "greater than or equal to 30 days"),
    ],
)
def test_settings_that_would_send_nothing_or_betray_a_password_stop_the_start(wrong: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        NotificationSettings(**SETTINGS, **wrong)


def test_without_a_mail_server_the_service_is_off() -> None:
    assert NotificationSettings(**SETTINGS).terms == Terms(is_on=False)


@pytest.mark.parametrize(("answer", "outcome"), [(None, "accepted"), ("550 no such mailbox", "refused")])
async def test_the_talk_with_the_mail_server_is_a_span_without_addresses_and_texts(
    office: Office, server: StandIn, answer: str | None, outcome: str
) -> None:
    await office.event(confirmed(office))
    server.to_recipient.extend([answer] if answer else [])
    with kept_spans() as kept, tracing.begin("process mail.send-mail.v1", Kind.CONSUMER), suppress(MailRefusedError):
        await office.send()

    [talk] = [span for span in kept.get_finished_spans() if span.name == "SMTP"]
    assert talk.parent is not None
    assert dict(talk.attributes or {}) == {
        "network.protocol.name": "smtp",
        "server.address": HOST,
        "server.port": server.port,
        "bellhop.outcome": outcome,
    } | ({"error.type": outcome} if answer else {})
