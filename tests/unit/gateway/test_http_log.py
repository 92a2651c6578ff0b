"""The line about a request holds what a stranger wrote only in part."""

from typing import Any

import httpx
from starlette.responses import Response
from structlog.testing import capture_logs

from chassis.web.http_log import LONGEST_PATH, HttpLog


async def test_a_path_is_logged_up_to_a_limit() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await Response()(scope, receive, send)

    with capture_logs() as lines:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(HttpLog(app)), base_url="http://gateway") as client:
            await client.get("/" + "a" * 10_000)

    [line] = lines
    assert line["path"] == "/" + "a" * (LONGEST_PATH - 1) + "… (10001 characters)"
