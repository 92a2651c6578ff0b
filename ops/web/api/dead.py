"""Dead letters: grouped, shown one by one, edited, discarded."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from chassis.web.tokens import Operator
from ops.core import dead_letter_actions as actions
from ops.core.dead_letters.letters import DeadLetter, Stage, summary
from ops.core.messages import Filter
from ops.web.api.auth import Auth
from ops.web.api.bodies import Correction, Move, Wanted
from ops.web.session import ReconnectingSession

_MOST = 500
"""Letters shown in a list; its groups count and name all of them."""


class WantedLetters(Wanted):
    stage: Literal["waiting", "replayed", "edited", "discarded", "any"] = "waiting"


def routes(desk: ReconnectingSession, auth: Auth, *, may_change_identity: bool) -> APIRouter:
    router = APIRouter(prefix="/dead")
    replayer, editor = Depends(auth.replayer), Depends(auth.editor)

    @router.get("")
    async def listed(wanted: Annotated[WantedLetters, Query()]) -> dict[str, Any]:
        stage = None if wanted.stage == "any" else Stage(wanted.stage)
        letters = await actions.find(await desk(), wanted.filter(), stage)
        shown = [summary(letter) for letter in letters[:_MOST]]
        return {"count": len(letters), "groups": groups_of(letters), "letters": shown}

    @router.post("/discard")
    async def discard(move: Move, operator: Annotated[Operator, replayer]) -> dict[str, int]:
        return await _moved(move, operator, Stage.WAITING, Stage.DISCARDED, "discard")

    @router.post("/restore")
    async def restore(move: Move, operator: Annotated[Operator, replayer]) -> dict[str, int]:
        return await _moved(move, operator, Stage.DISCARDED, Stage.WAITING, "restore")

    @router.post("/put-back")
    async def put_back(move: Move, operator: Annotated[Operator, replayer]) -> dict[str, int]:
        open_desk = await desk()
        letters = await actions.select(open_desk, move.ids, Filter())
        return {"moved": await actions.put_back(open_desk, letters, who=operator.operator_id, why=move.why)}

    @router.get("/{letter_id}")
    async def letter(letter_id: str) -> dict[str, Any]:
        details = await actions.describe(await desk(), letter_id)
        message = details.letter.message
        return {
            **summary(details.letter),
            "edited_from": details.letter.edited_from,
            "edited_to": details.letter.edited_to,
            "plan_id": details.letter.plan_id,
            "causation_id": message.causation_id,
            "sender": message.sender,
            "sent_at": message.sent_at,
            "body": message.readable_body(),
            "headers": dict(message.headers),
            "forecast": str(details.forecast),
            "sends": details.forecast.sends,
            "timeline": details.timeline,
        }

    @router.post("/{letter_id}/edit", status_code=201)
    async def edit(letter_id: str, correction: Correction, operator: Annotated[Operator, editor]) -> dict[str, Any]:
        fresh = await actions.edit(
            await desk(),
            letter_id,
            who=operator.operator_id,
            why=correction.why,
            assignments=correction.assignments,
            body=None if correction.body is None else correction.body.encode(),
            kind=correction.kind or None,
            may_change_identity=may_change_identity,
        )
        return summary(fresh)

    async def _moved(move: Move, operator: Operator, come_from: Stage, to: Stage, action: str) -> dict[str, int]:
        open_desk = await desk()
        letters = await actions.select(open_desk, move.ids, Filter(), come_from)
        if not letters:
            return {"moved": 0}
        moved = await actions.set_stage(open_desk, letters, to, action, who=operator.operator_id, why=move.why)
        return {"moved": moved}

    return router


def groups_of(letters: Iterable[DeadLetter]) -> list[dict[str, Any]]:
    """Letters grouped by error, kind and queue, the largest group first."""
    alike: dict[tuple[str, str, str], list[DeadLetter]] = {}
    for letter in letters:
        message = letter.message
        alike.setdefault((message.error_type or "", message.kind, letter.queue), []).append(letter)
    groups = [
        {
            "error_type": error_type,
            "kind": kind,
            "queue": queue,
            "count": len(group),
            "oldest": group[0].failed_at,
            "newest": group[-1].failed_at,
            "example": group[-1].message.error,
            "ids": [letter.letter_id for letter in group],
        }
        for (error_type, kind, queue), group in alike.items()
    ]
    return sorted(groups, key=lambda group: -group["count"])
