"""Timers: slow payments and refunds settle, vouchers expire, disputes run out."""

import asyncio
from contextlib import suppress

from stripe_sandbox import confirmation, disputes, refunds
from stripe_sandbox.errors import ApiError
from stripe_sandbox.sandbox import INTERNAL_CALL, Sandbox


class Timers:
    """One task that sleeps until the next timer is due. Timers are kept in the store, so they outlive a restart."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    def set_forward(self) -> None:
        """The clock was set forward: what is due now has happened when this returns."""
        self._settle_due()

    async def run(self) -> None:
        while True:
            self._woken.clear()
            self._settle_due()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._pause())

    def _pause(self) -> float | None:
        times = [timer["due_at"] for timer in self._sandbox.state.timers.values()]
        return max(0.0, min(times) - self._sandbox.now()) if times else None

    def _settle_due(self) -> None:
        state = self._sandbox.state
        now = self._sandbox.now()
        due = sorted((timer["due_at"], name) for name, timer in state.timers.items() if timer["due_at"] <= now)
        for _, object_id in due:
            kind = state.timers.pop(object_id)["kind"]
            # A switch may have settled it first; then there is nothing left to do.
            with suppress(ApiError):
                self._happen(kind, object_id)
        if due:
            self._sandbox.store.changed()

    def _happen(self, kind: str, object_id: str) -> None:
        sandbox, state = self._sandbox, self._sandbox.state
        match kind:
            case "intent":
                confirmation.settle(sandbox, INTERNAL_CALL, state.payment_intents[object_id])
            case "authorisation":
                confirmation.lapse(sandbox, INTERNAL_CALL, state.payment_intents[object_id])
            case "voucher":
                confirmation.expire(sandbox, INTERNAL_CALL, state.payment_intents[object_id])
            case "refund":
                refunds.settle(sandbox, state.refunds[object_id])
            case "dispute":
                disputes.run_out(sandbox, state.disputes[object_id])
