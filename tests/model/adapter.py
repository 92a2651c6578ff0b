"""The adapter, asked once for each command and state of the PSP.

What the PSP does is the model's; what the adapter makes of a PSP that fails or refuses is decided by its own handlers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast
from unittest.mock import Mock

from cryptography.fernet import Fernet
from pydantic import SecretStr
from structlog.testing import capture_logs

from chassis.errors import PermanentError, TransientError
from chassis.messaging.bus import Bus
from chassis.messaging.envelope import Delivery, Envelope
from chassis.seal import Seal
from contracts.message import Event, Message
from contracts.psp import (
    CapturePspSession,
    ClosePspSession,
    CreatePspRefund,
    CreatePspSession,
    PspPaymentEvent,
    RetrievePspSession,
)
from contracts.psp_accounts import DEFAULT_ACCOUNT
from psp_adapter.account_settings import AccountSettings
from psp_adapter.accounts import Account, Accounts
from psp_adapter.errors import Forbidden, PspBrokenError, PspForbiddenError, PspUnavailableError
from psp_adapter.handlers import TRIES, AdapterHandlers, PaymentCommand
from tests.model import psp as at_psp
from tests.model.bounds import KEY, OBJECT, RIGHT, UNKNOWN, Bounds
from tests.model.psp import AUTHORISED, CANCELLABLE, Happened, Psp
from tests.model.rules import Book

NO_ANSWER = -1
ANSWERED, FORGOTTEN, REFUSED = "answered", "answered, its key forgotten", "refused"
OLDER = "answered, by an older adapter"
_SILENT = PspUnavailableError("asking", "silent")


class Asked(NamedTuple):
    """What may come of a command: how it ended, the PSP after it, the adapter's answer and webhooks, by number."""

    how: str
    psp: int
    answer: int
    webhooks: tuple[int, ...] = ()
    parked: str = ""


class Adapter:
    """Every outcome of every command, each found out once."""

    def __init__(self, book: Book, bounds: Bounds) -> None:
        self._book = book
        self._bounds = bounds
        self._known: dict[tuple[int, int], tuple[Asked, ...]] = {}

    def asked(self, psp: int, command: int) -> tuple[Asked, ...]:
        """What may come of this command, by the numbers of the PSP and the message."""
        key = (psp, command)
        if key not in self._known:
            about = cast(PaymentCommand, self._book.messages[command])
            self._known[key] = tuple(self._ask_any(psp, self._book.psps[psp], about))
        return self._known[key]

    def _ask_any(self, number: int, psp: Psp, command: PaymentCommand) -> Iterator[Asked]:
        yield from self._ask(number, psp, command)
        if self._bounds.left.older and command.psp_account != DEFAULT_ACCOUNT:
            read = command.model_copy(update={"psp_account": DEFAULT_ACCOUNT})
            yield from (said._replace(how=OLDER) for said in self._ask(number, psp, read) if said.how == ANSWERED)

    def _ask(self, number: int, psp: Psp, command: PaymentCommand) -> Iterator[Asked]:
        silence = self._said(_SILENT, command)
        failure = self._for_good(psp, command)
        if failure is not None:
            yield self._said(self._book.refusal(failure), command)._replace(how=ANSWERED, psp=number)
            return
        for happened, answer in self._carried_out(_without_failure(psp, command), command):
            after, webhooks = self._book.psps.number(happened.psp), self._book.send(happened.webhooks)
            yield Asked(ANSWERED, after, self._number(self._of_held(answer, command)), webhooks)
            if happened.psp != psp:
                unanswered = self._book.psps.number(at_psp.unanswered(psp, happened.psp))
                yield silence._replace(how="silent, yet done", psp=unanswered, webhooks=webhooks)
        for happened, answer in self._forgotten(psp, command):
            after, webhooks = self._book.psps.number(happened.psp), self._book.send(happened.webhooks)
            yield Asked(FORGOTTEN, after, self._number(answer), webhooks)
        yield silence._replace(how="silent, not done", psp=self._with_failure(psp, command))
        for name, error in _REFUSALS.items():
            if name in self._bounds.refusals and _may_be_refused(command, name):
                said = self._said(self._book.refusal(error), command)
                if said.answer != NO_ANSWER or said.parked:  # else it waits in its queue, as if not delivered yet
                    yield said._replace(how=f"{REFUSED}: {name}", psp=number)

    def _for_good(self, psp: Psp, command: Message) -> Exception | None:
        """How this command fails whenever it is asked, if it does."""
        if isinstance(command, self._bounds.never):
            return _REFUSALS[OBJECT]
        if not self._bounds.new_keys and _key(command) in psp.stored:
            return _SILENT
        match command:
            case (
                CapturePspSession(psp_reference=reference)
                | ClosePspSession(psp_reference=reference)
                | RetrievePspSession(psp_reference=reference)
                | CreatePspRefund(psp_reference=reference)
            ):
                session = psp.sessions[at_psp.number_of(reference) - 1]
                is_known = session.status != at_psp.GONE and session.account == command.psp_account
                return None if is_known else _REFUSALS[UNKNOWN]
            case _:
                return None

    def _with_failure(self, psp: Psp, command: Message) -> int:
        """The PSP after an answer of 500, which it stores under the idempotency key and repeats."""
        stored = {*psp.stored, _key(command)} if self._bounds.stores_failures and _key(command) else psp.stored
        return self._book.psps.number(psp._replace(stored=tuple(sorted(stored))))

    def _said(self, error: Exception, command: PaymentCommand) -> Asked:
        """What the adapter's handlers publish when the PSP fails in this way for the last time, if anything."""
        bus = _Bus()
        psp: Any = _Failing(error)
        no_backfill: Any = Mock()
        names = {DEFAULT_ACCOUNT, command.psp_account}
        accounts = Accounts([Account.of(AccountSettings(name, ""), psp) for name in sorted(names)])
        handlers = AdapterHandlers(accounts, cast(Bus, bus), _SEAL, no_backfill)
        handle = handlers.commands()[type(command)]
        delivery = Delivery("a command", "a correlation", command.kind, attempt=TRIES)
        parked = ""
        try:
            with capture_logs():
                handle(command, delivery).send(None)  # type: ignore[attr-defined]
        except (StopIteration, TransientError):
            pass
        except PermanentError as broken:
            parked = str(broken)
        (answer, *_) = (*bus.published, None)
        return Asked("", 0, self._number(answer), parked=parked)

    def _of_held(self, answer: Message | None, command: Message) -> Message | None:
        """Of a session that its payment holds, an answer and an event say the same; only a restored one holds less."""
        is_held = not isinstance(command, RetrievePspSession) or command.is_held
        if isinstance(answer, PspPaymentEvent) and is_held and not self._bounds.left.restores:
            return answer.model_copy(update={"is_answer": False})
        return answer

    def _number(self, answer: Message | None) -> int:
        return self._book.send((answer,))[0] if answer is not None else NO_ANSWER

    def _carried_out(self, psp: Psp, message: Message) -> Iterator[tuple[Happened, Message | None]]:
        tick, ahead = self._bounds.tick, self._bounds.ahead
        match message:
            case CreatePspSession():
                after, answer = at_psp.session_asked(psp, message, forgotten=False)
                yield Happened(after), answer
            case ClosePspSession(psp_reference=reference):
                number = at_psp.number_of(reference)
                happened = Happened(psp)
                if psp.sessions[number - 1].status in CANCELLABLE:
                    happened = at_psp.changed(psp, number, "canceled", "payment_intent.canceled", tick)
                yield happened, at_psp.report(happened.psp, number, ahead)
            case CapturePspSession(psp_reference=reference, amount=money):
                number = at_psp.number_of(reference)
                happened = Happened(psp)
                if psp.sessions[number - 1].status == AUTHORISED:
                    happened = at_psp.changed(psp, number, "succeeded", "payment_intent.succeeded", tick, money.amount)
                yield happened, at_psp.report(happened.psp, number, ahead)
            case RetrievePspSession(psp_reference=reference):
                yield Happened(psp), at_psp.report(psp, at_psp.number_of(reference), ahead)
            case CreatePspRefund():
                yield from self._refund_asked(psp, message)

    def _forgotten(self, psp: Psp, message: Message) -> Iterator[tuple[Happened, Message]]:
        """What comes of a command whose idempotency key the PSP has forgotten, where that makes a difference."""
        match message:
            case CreatePspSession() if psp.opened_by(message):
                after, answer = at_psp.session_asked(psp, message, forgotten=True)
                yield Happened(after), answer
            case CreatePspRefund() if not self._bounds.looks_first:
                yield from self._refund_made_again(psp, message)

    def _refund_made_again(self, psp: Psp, asked: CreatePspRefund) -> Iterator[tuple[Happened, Message]]:
        number, amount = at_psp.number_of(asked.psp_reference), asked.amount.amount
        is_made = any(refund.refund_id == asked.refund_id for refund in psp.refunds)
        if is_made and not at_psp.refusal(psp, number, amount):
            happened = at_psp.refunded(psp, asked.refund_id, number, amount, "succeeded", self._bounds.tick)
            made = max(each for each in happened.psp.refunds if each.refund_id == asked.refund_id)
            yield happened, at_psp.refund_report(happened.psp, made, self._bounds.ahead)

    def _refund_asked(self, psp: Psp, asked: CreatePspRefund) -> Iterator[tuple[Happened, Message | None]]:
        tick, ahead = self._bounds.tick, self._bounds.ahead
        number, amount = at_psp.number_of(asked.psp_reference), asked.amount.amount
        known = next((refund for refund in psp.refunds if refund.refund_id == asked.refund_id), None)
        refused = "" if known else at_psp.refusal(psp, number, amount)
        if known is not None:
            yield Happened(psp), at_psp.refund_report(psp, known, ahead)
        elif refused:
            yield Happened(psp), at_psp.refund_refused(asked, refused)
        else:
            for state in ("succeeded", "pending") if self._bounds.slow_refunds else ("succeeded",):
                happened = at_psp.refunded(psp, asked.refund_id, number, amount, state, tick)
                made = next(refund for refund in happened.psp.refunds if refund.refund_id == asked.refund_id)
                yield happened, at_psp.refund_report(happened.psp, made, ahead)


_SEAL = Seal(SecretStr(Fernet.generate_key().decode()))


async def _never() -> bool:
    return False


_REFUSALS: dict[str, Exception] = {
    KEY: PspForbiddenError("asking", "401", Forbidden.KEY, _never),
    RIGHT: PspForbiddenError("asking", "403", Forbidden.RIGHT, _never),
    UNKNOWN: PspForbiddenError("asking", "no such id", Forbidden.UNKNOWN_OBJECT, _never),
    OBJECT: PspBrokenError("asking", "not this one", "refused"),
}


def _may_be_refused(command: Message, name: str) -> bool:
    """A session that is to be opened has no id yet."""
    return name != UNKNOWN or not isinstance(command, CreatePspSession)


def _without_failure(psp: Psp, command: Message) -> Psp:
    """The PSP once the command is asked under another key, after it was looked whether it was carried out."""
    return psp._replace(stored=tuple(key for key in psp.stored if key != _key(command)))


def _key(command: Message) -> str:
    """The idempotency key of a command; empty for one without."""
    match command:
        case CreatePspSession(session_no=number):
            return f"session {number}"
        case CreatePspRefund(refund_id=refund_id):
            return refund_id
        case _:
            return ""


@dataclass
class _Bus:
    published: list[Event] = field(default_factory=list)

    async def publish(self, envelope: Envelope) -> None:
        self.published.append(cast(Event, envelope.message))


@dataclass
class _Failing:
    """A PSP that fails in the same way, whatever it is asked."""

    error: Exception

    async def _fail(self, *_args: Any, **_options: Any) -> None:
        raise self.error

    create_session = capture_session = cancel_session = retrieve_session = find_session = create_refund = _fail
