"""The accounts at the PSP, each by the short name that the installation gives it."""

import re

from pydantic import BaseModel, ConfigDict, Field

from contracts.message import Message

DEFAULT_ACCOUNT = "default"
"""The account of the installation's own key; that of every property, payment and message that names none."""

ACCOUNT_NAME = re.compile(r"[a-z0-9-]{1,32}")


class PageAccount(BaseModel):
    """What the guest's page needs to pay at an account. Nothing here is secret."""

    model_config = ConfigDict(frozen=True)

    publishable_key: str | None = Field(default=None, description="none: the gateway's own setting")
    connected: str | None = Field(
        default=None, description="the PSP's id of the connected account; none: the account of the key"
    )


class AtPspAccount(Message):
    """A message to or from one account at the PSP."""

    psp_account: str = Field(
        default=DEFAULT_ACCOUNT, description="the name of the account at the PSP; older messages name none"
    )
