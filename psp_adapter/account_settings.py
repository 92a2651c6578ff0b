"""The setting BELLHOP_PSP_ACCOUNTS: further accounts at the PSP, beside the default one of STRIPE_API_KEY.

YAML (or JSON, which is YAML too), one entry per account, by its name:

    seaside:
      api_key_file: /run/secrets/seaside-key
      webhook_secret_file: /run/secrets/seaside-webhook
      publishable_key: pk_live_…
    harbour:
      connected: acct_…

No error's text shows a key.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from chassis.runtime.secret_files import SecretFileError, secret_from
from contracts.psp_accounts import ACCOUNT_NAME, DEFAULT_ACCOUNT
from psp_adapter.stripe_keys import check_api_base, livemode_of, page_livemode_of

VARIABLE = "BELLHOP_PSP_ACCOUNTS"

_AccountId = Annotated[str, Field(pattern=r"^acct_[A-Za-z0-9]{1,64}$")]


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """One account at the PSP."""

    name: str
    api_key: str = field(repr=False)
    """Its own secret key; for a connected account that of the default account."""
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    """Of its own webhook endpoint, `/webhooks/stripe/NAME`; none: it has none."""
    publishable_key: str | None = None
    """For the guest's page; None: the gateway's setting."""
    expected: str | None = None
    """The PSP's id of the account that the key must be of; None: not compared."""
    connected: str | None = None
    """The PSP's id of the account that calls are made for; None: the account of the key."""


class AccountMistakesError(ValueError):
    """The setting has mistakes: all of them, each with the name of its account."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        super().__init__("; ".join(mistakes))


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr | None = None
    api_key_file: str | None = None
    webhook_secret: SecretStr | None = None
    webhook_secret_file: str | None = None
    publishable_key: str | None = None
    account: _AccountId | None = None
    connected: _AccountId | None = None

    def secret(self, field_name: str) -> str:
        """A secret, or the content of its file; empty if there is neither. Raises SecretFileError."""
        value: SecretStr | None = getattr(self, field_name)
        given = {field_name: value.get_secret_value() if value else "", f"{field_name}_FILE": None}
        given[f"{field_name}_FILE"] = getattr(self, f"{field_name}_file")
        return secret_from({name: text for name, text in given.items() if text}, field_name) or ""


def read_accounts(text: str, default_key: str, base: str | None) -> tuple[AccountSettings, ...]:
    """The accounts of the setting, without the default one. Raises AccountMistakesError with all mistakes."""
    mistakes: list[str] = []
    found = [
        account for name, entry in _entries(text).items() if (account := _account(name, entry, default_key, mistakes))
    ]
    mistakes += _repeated("api_key", [default_key, *(each.api_key for each in found if each.connected is None)])
    mistakes += _repeated("connected", [each.connected for each in found if each.connected])
    mistakes += _repeated("webhook_secret", [secret for each in found for secret in each.webhook_secrets])
    for each in found:
        try:
            check_api_base(each.api_key, base)
        except ValueError as error:
            mistakes.append(f"{each.name}: {error}")
    if mistakes:
        raise AccountMistakesError(mistakes)
    return tuple(found)


def _entries(text: str) -> Mapping[str, Any]:
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        written = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:  # its text quotes the line, which may hold a key
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise AccountMistakesError([f"line {line}: not valid YAML"]) from None
    except yaml.YAMLError:
        raise AccountMistakesError(["not valid YAML"]) from None
    if written is None:
        return {}
    if not isinstance(written, dict):
        raise AccountMistakesError(["write one entry per account, by its name"])
    names = Counter(str(key.value) for key, _ in node.value) if node is not None else Counter()
    twice = [f"{name[:40]}: this account is written twice" for name, times in names.items() if times > 1]
    if twice:
        raise AccountMistakesError(twice)
    return {str(name): entry for name, entry in written.items()}


def _account(name: str, entry: object, default_key: str, mistakes: list[str]) -> AccountSettings | None:
    before = len(mistakes)
    if ACCOUNT_NAME.fullmatch(name[:40]) is None:
        mistakes.append(f"{name[:40]!r}: a name has 1 to 32 lower-case letters, digits and hyphens")
    if name == DEFAULT_ACCOUNT:
        mistakes.append(f"{name}: this is the account of STRIPE_API_KEY; choose another name")
    try:
        written = _Written.model_validate(entry)
    except ValidationError as error:
        mistakes += [
            f"{name[:40]}: {'.'.join(map(str, each['loc'])) or 'entry'}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False)
        ]
        return None
    secrets = {}
    for field_name in ("api_key", "webhook_secret"):
        try:
            secrets[field_name] = written.secret(field_name)
        except SecretFileError as error:
            mistakes.append(f"{name[:40]}: {error}")
    if len(mistakes) == before:
        mistakes += [f"{name[:40]}: {mistake}" for mistake in _mistakes_of(written, secrets["api_key"])]
    if len(mistakes) > before:
        return None
    return AccountSettings(
        name=name,
        api_key=secrets["api_key"] or default_key,
        webhook_secrets=secrets_in(secrets["webhook_secret"]),
        publishable_key=written.publishable_key,
        expected=written.account,
        connected=written.connected,
    )


def _mistakes_of(written: _Written, api_key: str) -> Iterator[str]:
    if bool(api_key) == bool(written.connected):
        yield "write either api_key (or api_key_file) or connected"
    elif written.connected and (written.publishable_key or written.account):
        yield "a connected account is paid with the default account's keys: write neither publishable_key nor account"
    elif api_key and not written.publishable_key:
        yield "write its publishable_key: the guest's page pays with it"
    elif api_key and page_livemode_of(written.publishable_key) != livemode_of(api_key):
        yield "publishable_key and api_key are of different modes"


def _repeated(what: str, values: list[str]) -> list[str]:
    twice = [value for value, times in Counter(values).items() if times > 1]
    return [f"two accounts have the same {what}"] if twice else []


def secrets_in(text: str) -> tuple[str, ...]:
    """Webhook secrets, separated by commas: two during rotation."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
