"""`bellhop reconcile` on the model's one order: what `lost_payments` sends, handled by the payment as it comes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple, cast
from unittest.mock import patch

from chassis.storage.documents import Documents
from contracts.message import Message
from contracts.psp_accounts import DEFAULT_ACCOUNT
from ops.core import lost_payments
from payment_service.payment.state import Payment
from psp_adapter.ledger import Ledger
from psp_adapter.stripe_reader import StripeReader
from tests.model import psp as at_psp
from tests.model.psp import Psp
from tests.model.rules import Book, Receiver


class Reconciled(NamedTuple):
    """The payment afterwards, what is under way because of it, and why a message was parked, if one was."""

    payment: int
    sent: tuple[int, ...]
    parked: str


def reconcile(book: Book, order: int, payment: int, psp: int) -> Reconciled:
    """By the numbers of order, payment and PSP. What is sent to the payment service is handled at once."""
    now, parked = payment, ""
    sent: tuple[int, ...] = ()
    known, waits = _Payments(book.payments[payment]), book.orders[order]

    async def send(message: Message) -> None:
        nonlocal now, sent, parked
        (number,) = book.send((message,))
        if book.receivers[number] is not Receiver.PAYMENT:
            sent = (*sent, number)
            return
        decided = book.payment_decides(now, number)
        now, sent, parked = decided.state, (*sent, *decided.sent), parked or decided.parked
        known.payment = book.payments[now]

    if waits is not None and waits.status in lost_payments.WAITING:
        waiting = [lost_payments.Waiting(waits, book.payments[payment])]
        accounts = {DEFAULT_ACCOUNT, waits.psp_account}
        ledgers = [Ledger(cast(StripeReader, _Stripe(book.psps[psp], each)), "bellhop") for each in sorted(accounts)]
        payments = cast(Documents[Payment], known)
        with patch.object(lost_payments, "_PATIENCE", 0.0):
            asyncio.run(lost_payments.restore(waiting, payments, ledgers, send))
    for command in lost_payments.refunds_to_repeat(waits, known.payment) if waits is not None else ():
        asyncio.run(send(command))
    return Reconciled(now, sent, parked)


class _Payments:
    def __init__(self, payment: Payment | None) -> None:
        self.payment = payment

    async def load(self, _payment_id: str) -> Any:
        return SimpleNamespace(state=self.payment) if self.payment is not None else None


class _Stripe:
    def __init__(self, psp: Psp, account: str) -> None:
        self._psp = psp
        self.account = account

    async def each(self, _path: str, **_params: Any) -> AsyncIterator[Mapping[str, Any]]:
        for number in range(len(self._psp.sessions), 0, -1):
            if self._psp.sessions[number - 1].account == self.account:
                yield at_psp.intent(self._psp, number).model_dump()
