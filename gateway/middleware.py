"""The middleware that every request passes before its route."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from chassis.web import problems
from chassis.web.headers import SecurityHeaders
from chassis.web.http_log import HttpLog
from chassis.web.request_limits import RequestLimits
from chassis.web.request_trace import RequestTrace
from contracts.pictures import LARGEST_FILE
from gateway.api.pictures import UPLOAD_PATH
from gateway.rate_limits import AddressRate, RateLimits
from gateway.settings import GatewaySettings

_ONE_HOUR = 3600


def install(app: FastAPI, settings: GatewaySettings, rates: RateLimits) -> None:
    """Install limits, headers, request logging, and problem documents for errors."""
    problems.install(app)
    # The last one added is the first to see a request.
    app.add_middleware(
        RequestLimits,
        max_body=settings.max_body_bytes,
        seconds=settings.request_timeout,
        max_bodies={UPLOAD_PATH: LARGEST_FILE},
    )
    app.add_middleware(HttpLog)
    app.add_middleware(RequestTrace)
    app.add_middleware(AddressRate, rates=rates)
    if settings.cors_origins:
        # Cookies are not used: tokens travel in a header that a script sets.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "traceparent"],
            expose_headers=["Location", "Retry-After"],
            max_age=_ONE_HOUR,
        )
    app.add_middleware(SecurityHeaders)
