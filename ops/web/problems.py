"""Errors of the operator's page, as problem documents like the gateway's."""

import structlog
from aio_pika.exceptions import AMQPError
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from chassis.runtime.redaction import Redaction
from chassis.web import problems
from chassis.web.problems import ProblemError, unavailable
from ops.core.dead_letters.editing import EditError
from ops.core.dead_letters.letters import NoSuchLetterError
from ops.core.message_log.stream import NoLogError
from ops.core.replay.plans import NoSuchPlanError
from ops.core.replay.run import NotRunnableError
from ops.core.trace.collect import UnknownOrderError

log = structlog.get_logger()

_KNOWN: dict[type[Exception], tuple[int, str, str]] = {
    NoSuchLetterError: (404, "no-such-letter", "No such dead letter"),
    NoSuchPlanError: (404, "no-such-plan", "No such plan"),
    UnknownOrderError: (404, "unknown-order", "Unknown order"),
    NotRunnableError: (409, "plan-not-runnable", "Plan not runnable"),
    EditError: (422, "edit-refused", "Edit refused"),
    NoLogError: (503, "no-log", "No log"),
}


def install(app: FastAPI) -> None:
    """Turn every error of this app into a problem document."""
    problems.install(app)
    for kind in _KNOWN:
        app.add_exception_handler(kind, _known)
    for outage in (AMQPError, OSError):
        app.add_exception_handler(outage, _broker_unavailable)


def unreadable(error: ValueError) -> ProblemError:
    """The problem for an unreadable value of a request."""
    return ProblemError(422, "invalid-request", "Invalid request", f"{error}.")


async def _known(request: Request, error: Exception) -> JSONResponse:
    status, name, title = _KNOWN[type(error)]
    return ProblemError(status, name, title, str(error)).response(request)


async def _broker_unavailable(request: Request, error: Exception) -> JSONResponse:
    log.warning("broker.unavailable", error=Redaction()(repr(error)))
    return unavailable("The broker is unavailable.").response(request)
