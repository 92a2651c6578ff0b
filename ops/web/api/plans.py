"""Replay plans: create, show, run, pause."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from chassis.messaging.envelope import utc_now
from chassis.web.problems import ProblemError
from chassis.web.tokens import Operator
from ops.core import replay_planning as planning
from ops.core.message_log.search import offset_of
from ops.core.replay.plans import Plan, Planned, by_forecast, by_kind
from ops.core.replay.run import Report, RunOptions, report_of
from ops.core.session import OperatorSession
from ops.web.api.auth import Auth
from ops.web.api.bodies import Pause, PlanWanted, Run
from ops.web.problems import unreadable
from ops.web.runs import Runs
from ops.web.session import ReconnectingSession

_MOST = 500
"""Messages of a plan that are shown; its counts include all of them."""


def routes(desk: ReconnectingSession, runs: Runs, auth: Auth) -> APIRouter:
    router = APIRouter(prefix="/plans")
    replayer = Depends(auth.replayer)

    @router.get("")
    async def listed() -> dict[str, Any]:
        plans = await (await desk()).plans.all()
        return {"plans": [plan.model_dump(mode="json") for plan in reversed(plans)]}

    @router.post("", status_code=201)
    async def make(asked: PlanWanted, operator: Annotated[Operator, replayer]) -> dict[str, Any]:
        plan, items = await _made(await desk(), asked, operator.operator_id)
        if not items:
            detail = f"There is no message for {plan.description}."
            raise ProblemError(422, "nothing-to-replay", "Nothing to replay", detail)
        return _view(plan, items)

    @router.get("/{plan_id}")
    async def plan(plan_id: str) -> dict[str, Any]:
        return _view(*await (await desk()).plans.named(plan_id))

    @router.post("/{plan_id}/run", status_code=202)
    async def run(plan_id: str, how: Run, operator: Annotated[Operator, replayer]) -> dict[str, Any]:
        """Start a run and answer at once: the plan shows its progress."""
        open_desk = await desk()
        orders = RunOptions(who=operator.operator_id, **how.model_dump())
        await runs.begin(open_desk, plan_id, orders)
        return _view(*await open_desk.plans.named(plan_id))

    @router.post("/{plan_id}/pause")
    async def pause(plan_id: str, how: Pause, operator: Annotated[Operator, replayer]) -> dict[str, bool]:
        is_paused = await planning.pause(await desk(), plan_id, who=operator.operator_id, why=how.why)
        return {"is_paused": is_paused}

    def _view(plan: Plan, items: list[Planned]) -> dict[str, Any]:
        return {
            **plan.model_dump(mode="json"),
            "is_running": (is_running := runs.is_running(plan.plan_id)),
            "last_error": (last_error := runs.last_error(plan.plan_id)),
            # Deprecated names, for a page that was loaded before an update.
            "goes_on": is_running,
            "trouble": last_error,
            "report": _counts(report_of(plan, items)),
            "by_kind": dict(by_kind(items).most_common()),
            "by_forecast": dict(by_forecast(items).most_common()),
            "items": [_item(item) for item in items[:_MOST]],
        }

    return router


async def _made(desk: OperatorSession, asked: PlanWanted, made_by: str) -> tuple[Plan, list[Planned]]:
    wanted = asked.wanted.filter()
    if asked.source == "dead":
        return await planning.of_letters(desk, asked.ids, wanted, made_by)
    try:
        begin = offset_of(asked.wanted.since or asked.begin, utc_now())
    except ValueError as error:
        raise unreadable(error) from None
    return await planning.of_log(desk, (asked.to,), wanted, begin, made_by)


def _counts(report: Report) -> dict[str, int]:
    return {name: count for name, count in asdict(report).items() if name not in ("stage", "reason")}


def _item(item: Planned) -> dict[str, Any]:
    return {
        "number": item.number,
        "kind": item.message.kind,
        "message_id": item.message.message_id,
        "order_id": item.message.order_id,
        "queue": item.queue,
        "letter_id": item.letter_id,
        "forecast": str(item.forecast),
        "outcome": item.forecast.outcome,
        "sends": item.forecast.sends,
        "result": item.result,
        "remark": item.remark,
    }
