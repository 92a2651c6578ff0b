"""The route of an order's receipts: JSON, a page to print, or PDF."""

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse

from chassis.receipts.document import document_of
from chassis.receipts.page import POLICY, page_of
from chassis.receipts.pdf import PdfPrinter
from chassis.receipts.printed import printed
from chassis.receipts.wording import language_of
from chassis.web.problems import ProblemError
from contracts.answers import OrderReceiptsAnswer
from contracts.ids import OrderId
from contracts.order_receipts import GetReceipts, ReceiptsReply
from contracts.orders import Guest, Staff
from contracts.staff_roles import StaffAction
from gateway.api import examples
from gateway.api.auth import Auth
from gateway.api.bus_gateway import BusGateway, expected
from gateway.api.responses import OF_AN_ORDER, Responses, problems
from gateway.api.schemas import OrderIdPath

_PDF = "application/pdf"
_HTML = "text/html"


class ReceiptFormat(StrEnum):
    JSON = "json"
    HTML = "html"
    PDF = "pdf"


class ReceiptLanguage(StrEnum):
    ENGLISH = "en"
    GERMAN = "de"


_TEXT: dict[str, Any] = {"schema": {"type": "string"}, "example": "<!doctype html>…"}
_RECEIPTS: Responses = {
    200: {
        "description": "The receipts of the order, with their sums.",
        "content": {
            "application/json": {"example": examples.RECEIPTS},
            _HTML: _TEXT,
            _PDF: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


def routes(bus: BusGateway, auth: Auth) -> APIRouter:
    router = APIRouter(tags=["guests and staff"])
    viewer_of_token = Annotated[Guest | Staff, Depends(auth.guest_or_staff(StaffAction.SEE))]
    printer = PdfPrinter()

    @router.get(
        "/orders/{order_id}/receipt",
        response_model=OrderReceiptsAnswer,
        responses=_RECEIPTS | problems(*OF_AN_ORDER, "receipt-not-found"),
    )
    async def get_receipt(
        order_id: OrderIdPath,
        viewer: viewer_of_token,
        request: Request,
        receipt_format: Annotated[
            ReceiptFormat | None, Query(alias="format", description="by default as `Accept` says, else JSON")
        ] = None,
        language: Annotated[
            ReceiptLanguage | None, Query(description="by default as `Accept-Language` says, else the hotel's first")
        ] = None,
    ) -> OrderReceiptsAnswer | Response:
        """The receipts of an order: payments and refunds, each with its number and the VAT by rates."""
        guest_id = viewer.guest_id if isinstance(viewer, Guest) else None
        query = GetReceipts(order_id=OrderId(order_id), guest_id=guest_id, property_id=viewer.property_id)
        reply = expected(await bus.ask(query, request), ReceiptsReply)
        if not reply.receipts:
            raise ProblemError(
                404, "receipt-not-found", "Receipt not found", "This order has no receipt: nothing was paid for it yet."
            )
        answer = document_of(reply)
        chosen = receipt_format or _accepted(request.headers.get("accept", ""))
        if chosen is ReceiptFormat.JSON:
            return answer
        spoken = language_of(language, request.headers.get("accept-language", ""), answer.receipts[-1].hotel.languages)
        document = printed(answer, spoken)
        headers = {"Content-Language": spoken, "Vary": "Accept, Accept-Language, Authorization"}
        if chosen is ReceiptFormat.HTML:
            return HTMLResponse(page_of(document), headers={**headers, "Content-Security-Policy": POLICY})
        name = f"receipt-{answer.receipts[-1].number}.pdf"
        headers["Content-Disposition"] = f'inline; filename="{name}"'
        return Response(await printer.pdf_of(document), headers=headers, media_type=_PDF)

    return router


def _accepted(accept: str) -> ReceiptFormat:
    types = [part.partition(";")[0].strip() for part in accept[:500].split(",")]
    formats = {_HTML: ReceiptFormat.HTML, _PDF: ReceiptFormat.PDF, "application/json": ReceiptFormat.JSON}
    return next((formats[each] for each in types if each in formats), ReceiptFormat.JSON)
