"""The people's browsers, and what they may be answered: the gateway's own app, called above the ASGI interface."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import jwt
from aio_pika.exceptions import AMQPConnectionError
from pydantic import SecretStr

from chassis.messaging.bus import Bus
from chassis.messaging.queue_depth import DepthUnknownError
from chassis.web.headers import SECURITY_HEADERS
from client import GatewayClient
from client.problems import ProblemError
from contracts.orders import Guest, Staff
from contracts.topology import Queue
from gateway.settings import GatewaySettings
from tests.simulation.asgi import Transport
from tests.simulation.broker.bus import BROKER
from tests.simulation.loop import SimulatedLoop
from tests.simulation.mail import address_of
from tests.simulation.owner import OWNER

if TYPE_CHECKING:
    from tests.simulation.instances import Instance

_JWT_SECRET = "a-secret-of-the-simulation-with-more-than-32-bytes"
_ISSUER, _AUDIENCE = "simulation", "bellhop"
_TOKEN_LASTS = 2 * 24 * 3600
_OPENAPI = Path(__file__).parents[2] / "docs" / "openapi.json"
_OUR_MISTAKES = frozenset({400, 401, 403, 405, 408, 413, 431, 500})
"""Documented, and never right here: these browsers send nothing wrong, and nothing is to break."""

Template = tuple[str, re.Pattern[str], Mapping[str, frozenset[str]]]


def settings(**connected: Any) -> GatewaySettings:
    return GatewaySettings(jwt_secret=SecretStr(_JWT_SECRET), jwt_issuer=_ISSUER, jwt_audience=_AUDIENCE, **connected)


async def depth_of(_bus: Bus, queue: Queue, *, timeout: float) -> int:  # noqa: ASYNC109 - as the one it stands for
    """The number of ready messages. Raises DepthUnknownError."""
    broker = BROKER.get()
    await asyncio.sleep(broker.latency.drawn(broker.random) * 2)
    if not broker.is_up:
        raise DepthUnknownError(queue.name, AMQPConnectionError("the broker is down"))
    return len(broker.queues[queue.name].waiting)


class Browsers:
    """Everyone's way to any gateway that runs: the client library of this repository, with signed tokens."""

    def __init__(self, loop: SimulatedLoop, instance: Callable[[], "Instance"]) -> None:
        """`instance` raises ConnectionError when no gateway runs."""
        self._loop = loop
        self.wrong: list[str] = []
        """Answers that docs/openapi.json does not have, or that these requests do not deserve."""
        self.answers: Counter[str] = Counter()
        transport = Transport(instance, "192.0.2.1", self._answered)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://gateway", trust_env=False)
        self._clients: dict[Guest | Staff, GatewayClient] = {}

    def of(self, person: Guest | Staff) -> GatewayClient:
        known = self._clients.get(person)
        if known is None:
            known = self._clients[person] = GatewayClient(self._http, token=self._token(person))
        return known

    def _token(self, person: Guest | Staff) -> str:
        """As the hotel's login signs it."""
        now = int(self._loop.unix_time())
        claims: dict[str, Any] = {"iss": _ISSUER, "aud": _AUDIENCE, "iat": now, "exp": now + _TOKEN_LASTS}
        claims["property"] = person.property_id
        if isinstance(person, Guest):
            stay = {"stay_from": person.stay_from.isoformat(), "stay_to": person.stay_to.isoformat()}
            claims |= {"sub": person.guest_id, "role": "guest", "reservation": person.reservation_id, **stay}
            claims |= {"email": address} if (address := address_of(person.guest_id)) else {}
        else:
            claims |= {"sub": person.staff_id, "role": "owner" if person.staff_id == OWNER.staff_id else "staff"}
        return jwt.encode(claims, _JWT_SECRET, algorithm="HS256")

    def _answered(self, request: httpx.Request, response: httpx.Response) -> None:
        kind = re.sub(r"(ord|ref)_\w+", "…", request.url.path.removeprefix("/v1/"))
        self.answers[f"{response.status_code} {request.method} {kind}"] += 1
        said = f"{request.method} {request.url.path}: {response.status_code}"
        known = _documented(request.method, request.url.path).get(str(response.status_code))
        missing = [name for name in SECURITY_HEADERS if name not in response.headers]
        if missing:
            self.wrong.append(f"{said} without {', '.join(missing)}")
        if known is None:
            self.wrong.append(f"{said} is not documented")
        elif response.status_code in _OUR_MISTAKES:
            self.wrong.append(f"{said} {response.text[:200]}")
        elif response.is_error and ProblemError(response).name not in known:
            self.wrong.append(f"{said} with an undocumented problem: {response.text[:200]}")


@cache
def _templates() -> tuple[Template, ...]:
    paths = json.loads(_OPENAPI.read_text())["paths"]
    return tuple(
        (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), _problems(operation["responses"]))
        for path, operations in paths.items()
        for method, operation in operations.items()
    )


def _problems(responses: Mapping[str, Any]) -> Mapping[str, frozenset[str]]:
    """The names of the problems by status."""
    return {
        status: frozenset(name for media in each.get("content", {}).values() for name in media.get("examples", ()))
        for status, each in responses.items()
    }


def _documented(method: str, path: str) -> Mapping[str, frozenset[str]]:
    return next((each for verb, known, each in _templates() if verb == method and known.fullmatch(path)), {})
