"""The e-mail address in a guest's token, to which the PSP may send a receipt."""

import re
from collections.abc import Mapping
from typing import Any

_LONGEST = 254
"""Maximum length of a mail address (RFC 5321, section 4.5.3.1.3, without its brackets)."""
_LONGEST_MAILBOX = 64
_LONGEST_LABEL = 63
_MAILBOX = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")
_LABEL = re.compile(r"[A-Za-z0-9-]+")


def receipt_email_of(claims: Mapping[str, Any]) -> str | None:
    """The claim `email` (OpenID Connect Core, section 5.1), if it is one plausible ASCII address.

    None if it is missing, if it is anything else, or if `email_verified` says that it is not the guest's. A receipt is
    a courtesy: an invalid address never invalidates the token.
    """
    email = claims.get("email")
    if str(claims.get("email_verified")).lower() == "false":
        return None
    return email if isinstance(email, str) and is_plausible(email) else None


def is_plausible(email: str) -> bool:
    """Whether this is one ASCII address: no name, no comment, no list, nothing that ends a header or a command."""
    if len(email) > _LONGEST:
        return False
    mailbox, _, domain = email.partition("@")
    labels = domain.split(".")
    return (
        len(mailbox) <= _LONGEST_MAILBOX
        and _MAILBOX.fullmatch(mailbox) is not None
        and all(mailbox.split("."))
        and len(labels) > 1
        and all(_is_label(label) for label in labels)
        and not labels[-1].isdecimal()
    )


def _is_label(label: str) -> bool:
    is_plain = _LABEL.fullmatch(label) is not None
    return is_plain and len(label) <= _LONGEST_LABEL and not label.startswith("-") and not label.endswith("-")
