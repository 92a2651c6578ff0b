"""Sending calls to the gateway, and following an order's live stream."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from pydantic import ValidationError

from client.calls import Call, ResultT, live_path
from client.models import OrderUpdate
from client.problems import PendingError, ProblemError, UnexpectedAnswerError


class GatewayClient:
    """The gateway as one guest or one member of staff sees it, over an httpx client that the caller owns and closes."""

    def __init__(self, http: httpx.AsyncClient, base_url: str = "", token: str | None = None) -> None:
        """`base_url` and `token` (a JWT of the hotel's login): left out where `http` has them already."""
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def send(self, call: Call[ResultT]) -> ResultT:
        """The result of a call.

        Raises ProblemError for a 4xx or 5xx answer, PendingError for a 202, UnexpectedAnswerError for a body that is
        not the API's, and httpx.TransportError when no answer comes: whether the call had an effect is then unknown,
        and repeating it is safe.
        """
        response = await self.response(call)
        if response.status_code == httpx.codes.ACCEPTED:
            raise PendingError(response)
        if not response.is_success:
            raise ProblemError(response)
        try:
            return call.result.model_validate_json(response.content)
        except ValidationError as error:
            raise UnexpectedAnswerError(response, f"is no {call.result.__name__}: {error}") from error

    async def response(self, call: Call[ResultT]) -> httpx.Response:
        """The answer to a call as it came, whatever its status. Raises httpx.TransportError."""
        headers = self._headers | ({"Idempotency-Key": call.key} if call.key else {})
        return await self._http.request(
            call.method, self._base_url + call.path, json=call.body, content=call.file, headers=headers
        )

    @asynccontextmanager
    async def watch(self, order_id: str, *, idle_timeout: float = 60.0) -> AsyncIterator[AsyncIterator[OrderUpdate]]:
        """The live stream of an order: first its state, then its events, until the gateway ends it.

        `idle_timeout`: seconds without a byte, keep-alives included, after which httpx.ReadTimeout is raised. Raises
        ProblemError when the gateway refuses the stream.
        """
        url = self._base_url + live_path(order_id)
        async with self._http.stream("GET", url, headers=self._headers, timeout=idle_timeout) as response:
            if response.status_code != httpx.codes.OK:
                await response.aread()
                raise ProblemError(response)
            yield _updates(response)


async def _updates(response: httpx.Response) -> AsyncIterator[OrderUpdate]:
    """The data of each server-sent event; its name is in the data, too, as the field `event`."""
    data: list[str] = []
    async for line in _lines(response):
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            yield OrderUpdate.model_validate_json("\n".join(data))
            data.clear()


async def _lines(response: httpx.Response) -> AsyncIterator[str]:
    """Lines as server-sent events end them. httpx's own also end at characters that JSON may contain, as U+2028."""
    rest = ""
    async for text in response.aiter_text():
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            yield line.removesuffix("\r")
