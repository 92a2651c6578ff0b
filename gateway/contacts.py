"""Keeps the address in a guest's token, so that the notification service can write to the guest."""

import hashlib
import json
import uuid
from collections.abc import Callable
from datetime import datetime
from time import monotonic

import structlog

from chassis.errors import TransientError
from chassis.messaging.envelope import Envelope, Publisher
from chassis.seal import Seal
from chassis.storage.keyed import RecentValues
from chassis.web.tokens import Payer
from contracts.mail import ContactSource, KeepContact

log = structlog.get_logger()

_REMEMBERED = 10_000
_AGAIN_AFTER = 3600.0
"""Seconds. A guest who pays for five orders within it costs one message."""


class TokenContacts:
    """Publishes a token's address when it is new to this process, or was last published an hour ago."""

    def __init__(
        self,
        bus: Publisher,
        seal: Seal,
        clock: Callable[[], datetime],
        steady: Callable[[], float] = monotonic,
    ) -> None:
        self._bus = bus
        self._seal = seal
        self._clock = clock
        self._steady = steady
        self._published: RecentValues[float] = RecentValues(_REMEMBERED)

    async def keep(self, payer: Payer, accepted_languages: str) -> None:
        """Best effort: a payment is opened whether an address can be kept or not."""
        if payer.receipt_email is None:
            return
        guest, language = payer.guest, first_language(accepted_languages)
        stay_to = guest.stay_to.isoformat()
        named = json.dumps([guest.property_id, guest.guest_id, stay_to, payer.receipt_email, language])
        key, now = hashlib.sha256(named.encode()).hexdigest(), self._steady()
        last = self._published.get(key)
        if last is not None and now - last < _AGAIN_AFTER:
            return
        command = KeepContact(
            property_id=guest.property_id,
            guest_id=guest.guest_id,
            source=ContactSource.TOKEN,
            at=self._clock(),
            sealed_email=self._seal.close(payer.receipt_email),
            language=language,
            stay_to=guest.stay_to,
        )
        asked = uuid.uuid4().hex
        try:
            await self._bus.publish(Envelope(command, f"contact.{asked}", asked))
        except TransientError as error:
            log.warning("contact.not_kept", error=str(error))
        else:
            self._published.put(key, now)


def first_language(accepted: str) -> str | None:
    """The first language of an Accept-Language header, without its region; None if there is none."""
    primary = accepted[:40].partition(",")[0].partition(";")[0].strip().partition("-")[0].lower()
    return primary if primary.isascii() and primary.isalpha() and len(primary) in (2, 3) else None
