"""Routes for guests: list extras, place an order, list orders, pay."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from chassis.messaging.requests import ReplyTimeoutError
from chassis.runtime.steps import Step
from chassis.seal import Seal
from chassis.web.tokens import Payer
from contracts.answers import Extras, GuestProperty, Orders, PaymentSession
from contracts.ids import OrderId
from contracts.orders import (
    ExtrasReply,
    Guest,
    ListExtras,
    ListOrders,
    OrderReply,
    OrdersReply,
    OrderView,
    PaymentSessionReply,
    PlaceOrder,
    StartPayment,
)
from contracts.properties import GetProperty, PropertyReply
from gateway.admission import AdmissionControl
from gateway.api import examples
from gateway.api.auth import Auth
from gateway.api.bus_gateway import BusGateway, accepted, expected, location_header
from gateway.api.idempotency import IdempotencyKey, checked, order_id_of
from gateway.api.responses import ACCEPTED, OF_AN_ORDER, OF_ANY_REQUEST, WITH_A_BODY, WITH_A_KEY, answers, problems
from gateway.api.schemas import OrderIdPath, OrderRequest
from gateway.contacts import TokenContacts
from gateway.settings import GatewaySettings


def routes(
    bus: BusGateway, auth: Auth, admission: AdmissionControl, contacts: TokenContacts, settings: GatewaySettings
) -> APIRouter:
    router = APIRouter(tags=["guests"])
    seal = Seal(settings.seal_keys)
    guest_of_token = Annotated[Guest, Depends(auth.guest)]
    payer_of_token = Annotated[Payer, Depends(auth.payer)]

    @router.get(
        "/extras",
        responses=answers(200, "What can be ordered.", {"extras": [examples.EXTRA]}) | problems(*OF_ANY_REQUEST),
    )
    async def list_extras(guest: guest_of_token, request: Request) -> Extras:
        """The extras on offer at the guest's hotel."""
        reply = await bus.ask(ListExtras(property_id=guest.property_id), request)
        return Extras(extras=expected(reply, ExtrasReply).extras)

    @router.get(
        "/property",
        responses=answers(200, "The hotel.", examples.GUEST_PROPERTY) | problems(*OF_ANY_REQUEST, "property-not-found"),
    )
    async def get_hotel(guest: guest_of_token, request: Request) -> GuestProperty:
        """Where the guest stays: name, address, contact."""
        hotel = expected(await bus.ask(GetProperty(property_id=guest.property_id), request), PropertyReply).property
        shown = hotel.definition.model_dump(include=set(GuestProperty.model_fields))
        return GuestProperty(property_id=hotel.property_id, **shown)

    @router.post(
        "/orders",
        status_code=201,
        response_model=OrderView,
        responses=answers(201, "The order, to be paid.", examples.ORDER, located=True)
        | ACCEPTED
        | problems(
            *OF_ANY_REQUEST,
            *WITH_A_BODY,
            *WITH_A_KEY,
            "no-lines",
            "extra-unknown",
            "extra-inactive",
            "extra-of-another-property",
            "quantity-not-positive",
            "quantity-over-limit",
            "day-outside-stay",
            "day-gone-by",
            "slot-unknown",
            "lead-time-passed",
            "weekday-closed",
            "day-blacked-out",
            "out-of-season",
            "total-not-payable",
            "mixed-currencies",
            "out-of-stock",
            "guest-limit-reached",
            "too-many-open-orders",
            "idempotency-key-reused",
            "too-many-orders-waiting",
        ),
    )
    async def place_order(
        body: OrderRequest,
        guest: guest_of_token,
        request: Request,
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> OrderView | Response:
        """Place an order. Safe to repeat with the same Idempotency-Key."""
        order_id = order_id_of(guest, checked(idempotency_key))
        try:
            with bus.lasting(Step.ORDER_ANSWERED):
                await admission.admit(order_id)
                with admission.waiting():
                    reply = await bus.ask(PlaceOrder(order_id=order_id, guest=guest, lines=body.lines), request)
        except ReplyTimeoutError:
            return accepted(order_id)
        response.headers.update(location_header(order_id))
        return expected(reply, OrderReply).order

    @router.get(
        "/orders",
        responses=answers(200, "Their orders.", {"orders": [examples.CONFIRMED]}) | problems(*OF_ANY_REQUEST),
    )
    async def list_orders(guest: guest_of_token, request: Request) -> Orders:
        """The guest's orders, newest first."""
        query = ListOrders(guest_id=guest.guest_id, property_id=guest.property_id)
        return Orders(orders=expected(await bus.ask(query, request), OrdersReply).orders)

    @router.post(
        "/orders/{order_id}/payment-session",
        status_code=201,
        response_model=PaymentSession,
        responses=answers(201, "What the PSP's script needs.", examples.SESSION)
        | ACCEPTED
        | problems(*OF_AN_ORDER, "order-not-payable", "payment-session-failed"),
    )
    async def start_payment(
        order_id: OrderIdPath, payer: payer_of_token, request: Request
    ) -> PaymentSession | Response:
        """Open the payment of an order, or return the one that is open. Safe to repeat."""
        await contacts.keep(payer, request.headers.get("accept-language", ""))
        command = StartPayment(
            order_id=OrderId(order_id),
            guest_id=payer.guest.guest_id,
            property_id=payer.guest.property_id,
            sealed_receipt_email=seal.close(payer.receipt_email) if payer.receipt_email else None,
        )
        try:
            with bus.lasting(Step.SESSION_OPENED):
                reply = expected(await bus.ask(command, request), PaymentSessionReply)
        except ReplyTimeoutError:
            return accepted(command.order_id)
        return PaymentSession(
            order_id=reply.order_id,
            payment_id=reply.payment_id,
            amount=reply.amount,
            client_secret=seal.open(reply.sealed_client_secret),
            publishable_key=settings.page_key(reply.page_account),
            script_url=settings.stripe_js_url,
            pay_until=reply.pay_until,
            connected_account=reply.page_account.connected,
        )

    return router
