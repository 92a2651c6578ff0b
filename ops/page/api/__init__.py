"""What the page asks and orders. Every route is for operators only."""

from fastapi import APIRouter, Depends

from gateway.tokens import Tokens
from ops.page.api import dead, looking, plans, tracing
from ops.page.api.who import Who
from ops.page.kept_desk import KeptDesk
from ops.page.runs import Runs

PREFIX = "/ops/api"


def api(desk: KeptDesk, runs: Runs, tokens: Tokens) -> APIRouter:
    """All routes."""
    who = Who(tokens)
    router = APIRouter(prefix=PREFIX, dependencies=[Depends(who.operator)])
    for routes in (
        looking.routes(desk),
        dead.routes(desk, who),
        plans.routes(desk, runs, who),
        tracing.routes(desk.places),
    ):
        router.include_router(routes)
    return router
