"""Looks at each account at the PSP regularly, so that a rejected one is noticed before a guest meets it."""

from contextlib import suppress

import structlog

from chassis.runtime.health import Check
from chassis.runtime.metrics import Metrics
from psp_adapter.accounts import Account, Accounts
from psp_adapter.errors import PspBrokenError, PspForbiddenError, PspUnavailableError

log = structlog.get_logger()


class AccountWatch:
    """Which accounts the PSP rejects."""

    def __init__(self, accounts: Accounts, metrics: Metrics) -> None:
        self._accounts = accounts
        self._rejected: dict[str, PspForbiddenError] = {}
        self._gauges = {
            account.name: metrics.refused.labels(metrics.service, f"account {account.name}")
            for account in accounts
            if accounts.are_several
        }
        for gauge in self._gauges.values():
            gauge.set(0)

    async def look(self) -> PspForbiddenError | None:
        """Ask the PSP for each account. Returns the refusal of the default one, if it is rejected."""
        for account in self._accounts:
            with suppress(PspUnavailableError, PspBrokenError):
                self._note(account, await self._refusal_of(account))
        return self._rejected.get(self._accounts.default.name)

    async def _refusal_of(self, account: Account) -> PspForbiddenError | None:
        try:
            await account.expected.check()
            if self._accounts.are_several:
                await account.stripe.page("/v1/events", limit=1)
        except PspForbiddenError as refused:
            return refused
        return None

    def _note(self, account: Account, refused: PspForbiddenError | None) -> None:
        if refused is None:
            self._rejected.pop(account.name, None)
        else:
            if account.name not in self._rejected:
                log.error("psp.account_rejected", account=account.name, error=str(refused))
            self._rejected[account.name] = refused
        if account.name in self._gauges:
            self._gauges[account.name].set(refused is not None)

    def check(self) -> Check:
        """Health check: which accounts of several are rejected, and why."""

        async def accounts() -> str | None:
            if not self._accounts.are_several or not self._rejected:
                return None
            return " ".join(
                f"The PSP rejects account {name}; the others go on. {refused}"
                for name, refused in self._rejected.items()
            )

        return accounts
