"""Answers that are no result."""

import httpx
from pydantic import ValidationError

from client.models import Problem


class GatewayError(Exception):
    """The gateway answered, and not with the result of the call."""

    def __init__(self, response: httpx.Response, said: str) -> None:
        request = response.request
        super().__init__(f"{request.method} {request.url.path}: {response.status_code} {said}")
        self.status = response.status_code
        self.retry_after = _seconds(response.headers.get("Retry-After"))
        """Seconds after which the call may be repeated, where the gateway names them."""


class ProblemError(GatewayError):
    """The call was refused, or failed: `problem` says why."""

    def __init__(self, response: httpx.Response) -> None:
        self.problem = problem_of(response)
        super().__init__(response, f"{self.problem.title}: {self.problem.detail}")

    @property
    def name(self) -> str:
        """The last part of the problem's type: `order-not-found`."""
        return self.problem.type.rpartition(":")[2]


class PendingError(GatewayError):
    """202: the command is queued and will be carried out; its result is not known yet. Repeating the call is safe."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(response, "accepted, no result yet")
        self.order_id = str(response.json()["order_id"])


class UnexpectedAnswerError(GatewayError):
    """A success whose body is not what the API describes: another server answers at this address."""


def problem_of(response: httpx.Response) -> Problem:
    """The problem an answer states; without a problem document (a proxy's error page), its status and text."""
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        return Problem(title=response.reason_phrase, status=response.status_code, detail=response.text[:500])


def _seconds(said: str | None) -> float | None:
    """RFC 9110 allows a date, too; the gateway sends seconds."""
    return float(said) if said is not None and said.isascii() and said.isdigit() else None
