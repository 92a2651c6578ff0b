"""Stripe's lists, objects and events, read through its SDK."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Self

import stripe

from chassis.runtime.clock import SharedClock
from contracts.psp_accounts import DEFAULT_ACCOUNT
from psp_adapter.errors import PspBrokenError, PspUnavailableError
from psp_adapter.stripe_access import PAGE, StripeAccess
from psp_adapter.stripe_errors import is_silence
from psp_adapter.stripe_http import RecordedHttp
from psp_adapter.stripe_keys import check_api_base, livemode_of
from psp_adapter.translate import EVENT_TYPES

_PAUSES = (1.0, 5.0, 20.0)
"""Delays in seconds before a page of a list is requested again."""


@dataclass(frozen=True, slots=True)
class StripeReader:
    """A connection to Stripe, and what is read over it. Changes nothing."""

    client: stripe.StripeClient
    http: RecordedHttp
    livemode: bool | None = None
    """Whether the key moves real money; None if its prefix does not show it."""
    installation: str = "bellhop"
    """The name of this installation among several on one account."""
    statement_descriptor_suffix: str | None = None
    """The text on card statements after the account's prefix."""
    account: str = DEFAULT_ACCOUNT
    """The name that this installation gives the account."""
    make_client: Callable[..., stripe.StripeClient] = stripe.StripeClient
    """Makes a client of this connection for another account."""

    @property
    def clock(self) -> SharedClock:
        """Stripe's time, by which its reports and webhooks are compared. Until its first answer, this machine's."""
        return self.http.clock

    @property
    def access(self) -> StripeAccess:
        """Translates errors, checks answers, and asks whether this installation is answered at all."""
        return StripeAccess(self.client, self.livemode, self.account)

    @classmethod
    def connect(
        cls,
        api_key: str,
        *,
        base: str | None,
        timeout: float,
        retries: int,
        installation: str = "bellhop",
        statement_descriptor_suffix: str | None = None,
    ) -> Self:
        """Sends nothing yet. `base` is the sandbox's address; None means Stripe itself.

        Raises ValueError for a live key and a `base` that is not Stripe's.
        """
        check_api_base(api_key, base)
        http = RecordedHttp(timeout=timeout)
        http.clock = SharedClock("Stripe")
        make_client = partial(
            stripe.StripeClient,
            http_client=http,
            max_network_retries=retries,
            base_addresses={"api": base} if base else {},
        )
        return cls(
            make_client(api_key),
            http,
            livemode_of(api_key),
            installation,
            statement_descriptor_suffix,
            make_client=make_client,
        )

    def at(self, account: str, api_key: str, connected: str | None = None) -> Self:
        """The same connection for another account: of this key, or connected to it."""
        client = self.make_client(api_key, stripe_account=connected)
        return replace(self, client=client, livemode=livemode_of(api_key), account=account)

    async def answers(self) -> bool:
        """Whether Stripe is available. A refusal counts as an answer."""
        try:
            await self.client.v1.events.list_async({"limit": 1}, {"max_network_retries": 0})
        except stripe.StripeError as error:
            return not is_silence(error)
        return True

    async def events_since(self, since: datetime) -> Sequence[Mapping[str, Any]]:
        """All relevant events since then, oldest first. Stripe keeps 30 days."""
        with self.access.translating("listing recent events", ("get", "/v1/events")):
            page = await self.client.v1.events.list_async(
                {"created": {"gte": int(since.timestamp())}, "limit": PAGE, "types": list(EVENT_TYPES)}
            )
            newest_first = [event.to_dict() async for event in page.auto_paging_iter()]
        return newest_first[::-1]

    async def event(self, event_id: str, *, is_thin: bool = False) -> Mapping[str, Any]:
        """One event. Stripe keeps it for 30 days."""
        return await self._get(f"/{'v2/core' if is_thin else 'v1'}/events/{event_id}", {})

    async def related_object(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Fetch the object of a thin event. Raises KeyError, TypeError or ValueError if it names none.

        Not by the SDK's `fetch_related_object_async`: in 16.1 it sends a parameter `usage`, which the API refuses.
        """
        url = str(event["related_object"]["url"])
        if not url.startswith("/v1/"):
            raise ValueError(f"not a path of Stripe's API: {url[:100]}")
        return await self._get(url, {})

    async def each(self, path: str, **params: Any) -> AsyncIterator[Mapping[str, Any]]:
        """All objects of a list (`/v1/refunds`) as raw JSON, the newest first, read page by page.

        Raw values, so that an unexpected field does no harm. A page is requested several times if need be: a list that
        takes hours must not fail with one time-out. `expand` is relative to the list: `data.charge`.
        """
        params = {"limit": PAGE, **params}
        while True:
            page = await self._page(path, params)
            for item in page["data"]:
                yield item
            if not page["has_more"]:
                return
            params["starting_after"] = page["data"][-1]["id"]

    async def _page(self, path: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        for pause in (*_PAUSES, None):
            try:
                return await self._get(path, params)
            except PspUnavailableError:
                if pause is None:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("unreachable: the last try returns or raises")

    async def page(self, path: str, **params: Any) -> Mapping[str, Any]:
        """One page of a list, requested once: `data`, and `has_more`."""
        return await self._get(path, {"limit": PAGE, **params})

    async def find(self, path: str, **params: Any) -> Mapping[str, Any] | None:
        """One object (`/v1/charges/ch_1`) as raw JSON, or None if the id is unknown."""
        try:
            return await self._get(path, params)
        except PspBrokenError as error:
            if error.code != "resource_missing":
                raise
            return None

    async def _get(self, path: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        with self.access.translating(f"reading {path}", ("get", path)):
            answer = await self.client.raw_request_async("get", path, **params)
        found: Mapping[str, Any] = answer.data
        for each in found["data"] if found.get("object") == "list" else (found,):
            self.access.check_mode(each)
        return found

    async def close(self) -> None:
        await self.http.close_async()  # type: ignore[no-untyped-call]
