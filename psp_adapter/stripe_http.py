"""The SDK's transport: every request is captured, and Stripe's clock is read from the answers."""

from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from time import perf_counter
from typing import Any

import stripe

from chassis.messaging.envelope import utc_now
from chassis.runtime import tracing
from chassis.runtime.clock import SharedClock
from psp_adapter.http_trace import call_of, record, span_of

API_VERSION: str = stripe.api_version
"""The version of Stripe's API that the installed SDK speaks."""


class RecordedHttp(stripe.HTTPXClient):
    """The SDK's transport, with every request captured: the SDK repeats some of them by itself."""

    clock: SharedClock
    """Stripe's clock, read from its answers."""

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        began, started, asked_at = utc_now(), perf_counter(), self.clock.steady()
        try:
            with tracing.inside(*span_of(method, url)) as span:
                answer, status, answered = await super().request_async(method, url, headers, post_data)
                if span is not None:
                    span.set("http.response.status_code", status)
        except stripe.APIConnectionError:
            record(call_of(began, method, url, None, (perf_counter() - started) * 1000))
            raise
        record(call_of(began, method, url, status, (perf_counter() - started) * 1000, answer))
        self._set_clock(answered, asked_at)
        return answer, status, answered

    def _set_clock(self, answered: Mapping[str, str], asked_at: float) -> None:
        """Never sets the clock ahead of Stripe's: an answer dated too late would make the next event look overtaken."""
        said = next((value for name, value in answered.items() if name.lower() == "date"), "")
        with suppress(ValueError):
            self.clock.set_by_seconds(parsedate_to_datetime(said), asked_at)
