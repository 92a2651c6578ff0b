"""Routes that only staff use: an order's extras were given, its money goes back, its review is decided."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from contracts.ids import OrderId
from contracts.orders import FulfilOrder, OrderView, RefundOrder, ResolveReview, Staff
from gateway.api.asking import Asking
from gateway.api.bodies import Accepted, OrderIdPath, RefundRequest, ReviewRequest
from gateway.api.idempotency import IdempotencyKey, checked, refund_id_of
from gateway.api.who import Who

_ACCEPTED: dict[int | str, dict[str, Any]] = {202: {"model": Accepted}}


def routes(asking: Asking, who: Who) -> APIRouter:
    router = APIRouter()
    acts = Annotated[Staff, Depends(who.staff)]

    @router.post("/orders/{order_id}/fulfil", response_model=OrderView, responses=_ACCEPTED)
    async def fulfil(order_id: OrderIdPath, staff: acts, request: Request) -> OrderView | Response:
        """Staff: the guest has what was ordered. Safe to repeat."""
        return await asking.change(FulfilOrder(order_id=OrderId(order_id), staff=staff), request)

    @router.post("/orders/{order_id}/refunds", response_model=OrderView, responses=_ACCEPTED)
    async def refund(
        order_id: OrderIdPath,
        body: RefundRequest,
        staff: acts,
        request: Request,
        idempotency_key: IdempotencyKey = None,
    ) -> OrderView | Response:
        """Staff: give money back, all that is left or a part. Safe to repeat with the same Idempotency-Key."""
        command = RefundOrder(
            order_id=OrderId(order_id),
            staff=staff,
            refund_id=refund_id_of(order_id, checked(idempotency_key)),
            amount=body.amount,
            reason=body.reason,
        )
        return await asking.change(command, request)

    @router.post("/orders/{order_id}/review", response_model=OrderView, responses=_ACCEPTED)
    async def review(order_id: OrderIdPath, body: ReviewRequest, staff: acts, request: Request) -> OrderView | Response:
        """Staff: decide about an order whose money does not match."""
        command = ResolveReview(order_id=OrderId(order_id), staff=staff, resolution=body.resolution, reason=body.reason)
        return await asking.change(command, request)

    return router
