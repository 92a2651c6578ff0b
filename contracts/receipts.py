"""Where the PSP sends the receipt."""

from typing import Annotated

from pydantic import Field

SealedReceiptEmail = Annotated[
    str | None,
    Field(
        max_length=1000,
        description=(
            "the guest's e-mail address for the receipt, sealed for the PSP adapter; "
            "equal in every request for a session"
        ),
    ),
]
