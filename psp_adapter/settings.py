"""Settings of the PSP adapter."""

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator

from chassis.runtime.settings import ServiceSettings
from chassis.seal import SealKeys
from contracts.psp_accounts import DEFAULT_ACCOUNT
from psp_adapter.account_settings import AccountSettings, read_accounts, secrets_in
from psp_adapter.stripe_keys import check_api_base


class AdapterSettings(ServiceSettings):
    stripe_api_key: SecretStr = Field(validation_alias=AliasChoices("STRIPE_API_KEY", "BELLHOP_STRIPE_API_KEY"))
    stripe_webhook_secret: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("STRIPE_WEBHOOK_SECRET", "BELLHOP_STRIPE_WEBHOOK_SECRET"),
        description="comma-separated, two during rotation; none switches the webhook endpoint off",
    )
    stripe_api_base: str | None = Field(
        default=None,
        description="the sandbox's address, for test keys only; unset or empty means Stripe itself",
    )
    stripe_account: str | None = Field(
        default=None,
        pattern=r"^(acct_[A-Za-z0-9]{1,64})?$",
        description="the account that the key must be of (acct_…); unset or empty: not compared",
    )
    psp_accounts: SecretStr = Field(
        default=SecretStr(""),
        description="further accounts at the PSP, for properties that name them: YAML, see docs/psp-accounts.md",
    )
    stripe_timeout: float = Field(default=10.0, gt=0, description="seconds to wait for one answer from Stripe")
    stripe_retries: int = Field(default=2, ge=0, description="how often the SDK repeats a failed call immediately")
    stripe_breaker_threshold: int = Field(
        default=10,
        ge=1,
        validation_alias=AliasChoices("BELLHOP_STRIPE_BREAKER_THRESHOLD", "BELLHOP_STRIPE_PATIENCE"),
        description="failed calls in a row after which Stripe is probed, and the breaker opens if it does not answer",
    )
    stripe_statement_descriptor_suffix: str | None = Field(
        default=None,
        description="what card statements show after the account's prefix: 1 to 22 characters; unset or empty: nothing",
    )
    installation: str = Field(
        default="bellhop",
        min_length=1,
        max_length=100,
        description="a name for this installation, if several use one account at the PSP",
    )
    seal_keys: SealKeys = Field(description="comma-separated Fernet keys, newest first; the gateway holds the same")

    @field_validator("stripe_api_base")
    @classmethod
    def _live_keys_go_to_stripe_only(cls, value: str | None, info: ValidationInfo) -> str | None:
        key: SecretStr = info.data.get("stripe_api_key", SecretStr(""))
        check_api_base(key.get_secret_value(), value)
        return value

    @field_validator("stripe_statement_descriptor_suffix")
    @classmethod
    def _suffix_is_taken_by_stripe(cls, value: str | None) -> str | None:
        """The rule: https://docs.stripe.com/get-started/account/statement-descriptors#requirements."""
        if not value:
            return None
        is_plain = value.isascii() and value.isprintable() and not set(value) & set("<>\\'\"*")
        if len(value) > 22 or not is_plain or not any(each.isalpha() for each in value):
            raise ValueError("must be 1 to 22 plain Latin characters, at least one a letter, without < > \\ ' \" *")
        return value

    @field_validator("psp_accounts")
    @classmethod
    def _accounts_are_complete(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        key: SecretStr = info.data.get("stripe_api_key", SecretStr(""))
        read_accounts(value.get_secret_value(), key.get_secret_value(), info.data.get("stripe_api_base"))
        return value

    @property
    def accounts(self) -> tuple[AccountSettings, ...]:
        """All accounts at the PSP, the default one first."""
        key = self.stripe_api_key.get_secret_value()
        secrets = secrets_in(self.stripe_webhook_secret.get_secret_value())
        default = AccountSettings(DEFAULT_ACCOUNT, key, secrets, expected=self.stripe_account)
        return default, *read_accounts(self.psp_accounts.get_secret_value(), key, self.stripe_api_base)
