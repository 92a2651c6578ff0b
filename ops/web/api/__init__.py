"""What the page asks and orders. Every route is for operators only; those that act need more than a reader."""

from fastapi import APIRouter, Depends

from gateway.tokens import Tokens
from ops.web.api import dead, looking, orders, plans, tracing
from ops.web.api.who import Who
from ops.web.runs import Runs
from ops.web.session import ReconnectingSession

PREFIX = "/ops/api"


def api(desk: ReconnectingSession, runs: Runs, tokens: Tokens, *, may_change_identity: bool) -> APIRouter:
    """All routes. Without `may_change_identity` an edit keeps a letter's kind and ids."""
    who = Who(tokens)
    router = APIRouter(prefix=PREFIX, dependencies=[Depends(who.reader)])
    for routes in (
        looking.routes(desk),
        orders.routes(desk),
        dead.routes(desk, who, may_change_identity=may_change_identity),
        plans.routes(desk, runs, who),
        tracing.routes(desk.places),
    ):
        router.include_router(routes)
    return router
