"""The API of the operator's page. Every route is for operators only; those that act need more than *reader*."""

from fastapi import APIRouter, Depends

from chassis.web.tokens import Tokens
from ops.web.api import dead, orders, plans, queues_and_log, trace
from ops.web.api.auth import Auth
from ops.web.runs import Runs
from ops.web.session import ReconnectingSession

PREFIX = "/ops/api"


def api(desk: ReconnectingSession, runs: Runs, tokens: Tokens, *, may_change_identity: bool) -> APIRouter:
    """All routes. Without `may_change_identity` an edit keeps a letter's kind and ids."""
    auth = Auth(tokens)
    router = APIRouter(prefix=PREFIX, dependencies=[Depends(auth.reader)])
    for routes in (
        queues_and_log.routes(desk),
        orders.routes(desk),
        dead.routes(desk, auth, may_change_identity=may_change_identity),
        plans.routes(desk, runs, auth),
        trace.routes(desk.target),
    ):
        router.include_router(routes)
    return router
