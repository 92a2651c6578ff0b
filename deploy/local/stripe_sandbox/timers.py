"""What settles by itself after a while: slow payments and slow refunds."""

import asyncio
from contextlib import suppress

from deploy.local.stripe_sandbox import confirmation, refunds
from deploy.local.stripe_sandbox.errors import ApiError
from deploy.local.stripe_sandbox.sandbox import OWN_DOING, Sandbox


class Timers:
    """One task that sleeps until the next timer is due. Timers are kept in the store, so they outlive a restart."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

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
        due = [name for name, timer in state.timers.items() if timer["due_at"] <= self._sandbox.now()]
        for object_id in due:
            kind = state.timers.pop(object_id)["kind"]
            # A switch may have settled it first; then there is nothing left to do.
            with suppress(ApiError):
                if kind == "intent":
                    confirmation.settle(self._sandbox, OWN_DOING, state.payment_intents[object_id])
                else:
                    refunds.settle(self._sandbox, state.refunds[object_id])
        if due:
            self._sandbox.store.changed()
