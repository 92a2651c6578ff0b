"""The accounts at the PSP that this installation has, by name. What one is refused does not concern the others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from chassis.decision import Ignored
from chassis.errors import PermanentError, TransientError
from contracts.psp_accounts import DEFAULT_ACCOUNT, PageAccount
from psp_adapter.account_settings import AccountSettings
from psp_adapter.errors import PspForbiddenError
from psp_adapter.events import EventTranslator
from psp_adapter.expected_account import ExpectedAccount
from psp_adapter.stripe_api import StripeApi


class AccountNotConfiguredError(PermanentError):
    """A message names an account that is in no setting. It is never handled at another one."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"the account {name[:100]!r} at the PSP is not configured: add it to BELLHOP_PSP_ACCOUNTS, restart the PSP "
            "adapter, and replay this message"
        )


class AccountRefusedError(TransientError):
    """The PSP rejects one account of several: messages for the others go on."""

    def __init__(self, name: str, refused: PspForbiddenError) -> None:
        super().__init__(f"account {name} of BELLHOP_PSP_ACCOUNTS: {refused}")


@dataclass(frozen=True, slots=True)
class Account:
    """One account at the PSP, and what is done there."""

    name: str
    api_key: str = field(repr=False)
    stripe: StripeApi
    events: EventTranslator
    expected: ExpectedAccount
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    page: PageAccount = field(default_factory=PageAccount)

    @classmethod
    def of(cls, settings: AccountSettings, stripe: StripeApi) -> Self:
        return cls(
            settings.name,
            settings.api_key,
            stripe,
            EventTranslator(stripe, settings.name, settings.connected),
            ExpectedAccount(stripe, settings.expected),
            settings.webhook_secrets,
            PageAccount(publishable_key=settings.publishable_key, connected=settings.connected),
        )


class Accounts:
    """All accounts; the default one is always among them."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        self._by_name: Mapping[str, Account] = {account.name: account for account in accounts}
        self._by_connected = {account.page.connected: account for account in accounts if account.page.connected}

    @classmethod
    def only(cls, stripe: StripeApi, *, webhook_secrets: tuple[str, ...] = (), expected: str | None = None) -> Self:
        """The default account alone."""
        return cls((Account.of(AccountSettings(DEFAULT_ACCOUNT, "", webhook_secrets, expected=expected), stripe),))

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_name.values())

    @property
    def default(self) -> Account:
        return self._by_name[DEFAULT_ACCOUNT]

    @property
    def are_several(self) -> bool:
        return len(self._by_name) > 1

    def named(self, name: str) -> Account:
        """Raises AccountNotConfiguredError."""
        account = self._by_name.get(name)
        if account is None:
            raise AccountNotConfiguredError(name)
        return account

    def at_endpoint(self, name: str | None) -> Account | None:
        """The account whose webhook endpoint has this name; without a name, the default one."""
        return self._by_name.get(name or DEFAULT_ACCOUNT)

    def account_of(self, event: Mapping[str, Any], endpoint: Account) -> Account | Ignored:
        """The account that an event is about, which came to this account's endpoint with its signature.

        The platform's endpoint receives its connected accounts' events as well, each with the account's id
        (https://docs.stripe.com/connect/webhooks).
        """
        named = event.get("account") or event.get("context")
        if endpoint.page.connected is None and not named:
            return endpoint
        about = self._by_connected.get(str(named))
        if about is not None and endpoint in (self.default, about):
            return about
        return Ignored("an event of another account")

    async def answer(self) -> bool:
        """Whether the PSP answers for any account: the silence of one does not stop the others."""
        for account in self:
            if await account.stripe.answers():
                return True
        return False

    async def close(self) -> None:
        """The accounts share their connections."""
        await self.default.stripe.close()


def connect_accounts(settings: Sequence[AccountSettings], **options: Any) -> Accounts:
    """Connect the accounts, the default one first. They share connections and the PSP's clock. Sends nothing yet."""
    first = StripeApi.connect(settings[0].api_key, **options)
    others = [first.at(each.name, each.api_key, each.connected) for each in settings[1:]]
    return Accounts([Account.of(each, stripe) for each, stripe in zip(settings, (first, *others), strict=True)])
