"""Errors as RFC 9457 problem documents: a stable `type` for machines, a `detail` for people."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.status import HTTP_400_BAD_REQUEST

from chassis.errors import TransientError
from chassis.messaging.requests import ReplyTimeoutError
from chassis.text import cut
from chassis.web.headers import SECURITY_HEADERS
from chassis.web.http_log import LONGEST_PATH
from chassis.web.problem_types import MEDIA_TYPE, PREFIX
from chassis.web.request_trace import trace_id_for
from contracts.orders import Reason, Refusal

log = structlog.get_logger()

_STATUS_OF_REASON: Mapping[Reason, int] = {
    Reason.ORDER_NOT_FOUND: 404,
    Reason.TOO_MANY_OPEN_ORDERS: 409,
    Reason.ORDER_NOT_PAYABLE: 409,
    Reason.ORDER_NOT_CANCELLABLE: 409,
    Reason.CANCELLATION_TOO_LATE: 409,
    Reason.ORDER_NOT_APPROVABLE: 409,
    Reason.APPROVED_OTHERWISE: 409,
    Reason.LINE_TAKEN_OUT: 409,
    Reason.ORDER_NOT_FULFILLABLE: 409,
    Reason.ORDER_NOT_REFUNDABLE: 409,
    Reason.REFUND_NOT_FAILED: 409,
    Reason.ORDER_NOT_IN_REVIEW: 409,
    Reason.EXTRA_NOT_FOUND: 404,
    Reason.EXTRA_EXISTS: 409,
    Reason.EXTRA_RETIRED: 409,
    Reason.PICTURE_NOT_FOUND: 404,
    Reason.TOO_MANY_PICTURES: 409,
    Reason.PROPERTY_NOT_FOUND: 404,
    Reason.PROPERTY_EXISTS: 409,
    Reason.VERSION_OUTDATED: 409,
    Reason.MAIL_OFF: 409,
    Reason.PAYMENT_SESSION_FAILED: 502,
}
_UNPROCESSABLE = 422
_LONGEST_DETAIL = 1000
"""Characters."""
_MOST_ERRORS = 200
"""Mistakes of one request that are listed."""


class ProblemError(Exception):
    """An HTTP answer that is a problem. `name` becomes the last part of its stable type."""

    def __init__(
        self, status: int, name: str, title: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        self.status = status
        self.name = name
        self.title = title
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more
        super().__init__(detail)

    @classmethod
    def of(cls, refusal: Refusal) -> "ProblemError":
        """The problem for a refused command."""
        status = _STATUS_OF_REASON.get(refusal.reason, _UNPROCESSABLE)
        name = refusal.reason.replace("_", "-")
        errors = [{"pointer": f"/body/definition{each.pointer}", "detail": each.detail} for each in refusal.mistakes]
        more: dict[str, Any] = {"errors": errors[:_MOST_ERRORS]} if errors else {}
        return cls(status, name, name.replace("-", " ").capitalize(), refusal.detail, **more)

    def response(self, request: Request) -> JSONResponse:
        body = {
            "type": f"{PREFIX}{self.name}",
            "title": self.title,
            "status": self.status,
            "detail": cut(self.detail, _LONGEST_DETAIL),
            "instance": path_of(request),
            **trace_id_for(request.scope),
            **self.more,
        }
        return JSONResponse(body, self.status, self.headers, media_type=MEDIA_TYPE)


def path_of(request: Request) -> str:
    """The requested path, truncated: a path that is not a route may be 16 KiB long."""
    return cut(request.scope["path"], LONGEST_PATH)


def invalid_request(errors: Sequence[Mapping[str, str]]) -> ProblemError:
    """The problem for a request with mistakes, each with its `pointer` and `detail`."""
    listed = list(errors[:_MOST_ERRORS])
    detail = "; ".join(f"{item['pointer']}: {item['detail']}" for item in listed[:5])
    return ProblemError(422, "invalid-request", "Invalid request", detail, errors=listed)


def pointer_of(*parts: object) -> str:
    """The JSON pointer (RFC 6901) of a place."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


def unavailable(detail: str) -> ProblemError:
    return ProblemError(503, "unavailable", "Temporarily unavailable", detail, headers={"Retry-After": "2"})


def install(app: FastAPI) -> None:
    """Turn every error of this app into a problem document."""

    @app.exception_handler(ProblemError)
    async def problem(request: Request, error: ProblemError) -> JSONResponse:
        return error.response(request)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        problems = [
            {"pointer": pointer_of(*item["loc"]), "detail": item["msg"]} for item in error.errors()[:_MOST_ERRORS]
        ]
        if any(item["type"] == "json_invalid" for item in error.errors()):
            detail = "The body is not JSON."
            return ProblemError(400, "malformed-request", "Malformed request", detail, errors=problems).response(
                request
            )
        return invalid_request(problems).response(request)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == HTTP_400_BAD_REQUEST:  # FastAPI's message for a body in an unknown text encoding
            return ProblemError(400, "malformed-request", "Malformed request", "The body is not JSON.").response(
                request
            )
        name = {404: "no-such-page", 405: "method-not-allowed"}.get(error.status_code, "http-error")
        detail = f"{request.method} {path_of(request)}: {error.detail}"
        return ProblemError(error.status_code, name, str(error.detail), detail, headers=error.headers).response(request)

    @app.exception_handler(ReplyTimeoutError)
    async def late(request: Request, error: ReplyTimeoutError) -> JSONResponse:
        log.warning("reply.timeout", error=str(error))
        return unavailable("The answer is taking longer than usual. Please try again in a moment.").response(request)

    @app.exception_handler(TransientError)
    async def away(request: Request, error: TransientError) -> JSONResponse:
        log.error("request.failed", error=str(error))
        detail = "This cannot be done right now. Please try again in a moment; repeating it is safe."
        return unavailable(detail).response(request)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        log.error("request.broke", error=repr(error), exc_info=error)
        detail = "Something went wrong on our side. It has been recorded; please try again."
        # Answered outside all middleware, which would otherwise add them.
        return ProblemError(500, "internal-error", "Internal error", detail, headers=SECURITY_HEADERS).response(request)
