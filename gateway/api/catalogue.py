"""Routes for staff: the property and its catalogue. All see them; owners change them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from contracts.answers import Catalogue
from contracts.catalogue import (
    CatalogueReply,
    ChangeExtra,
    DefineExtra,
    ExtraReply,
    ListCatalogue,
    ReorderExtras,
    RetireExtra,
    StaffExtraView,
)
from contracts.ids import ExtraId
from contracts.offers import ExtraDefinition
from contracts.orders import Staff
from contracts.properties import (
    ChangeProperty,
    DefineProperty,
    GetProperty,
    PropertyDefinition,
    PropertyReply,
    PropertyView,
)
from contracts.staff_roles import StaffAction
from gateway.api import examples
from gateway.api.auth import Auth
from gateway.api.bus_gateway import BusGateway, expected
from gateway.api.catalogue_bodies import (
    ExtraIdPath,
    ExtraRequest,
    NewExtraRequest,
    OrderOfExtras,
    PropertyRequest,
    RetireRequest,
)
from gateway.api.definitions import KEPT, Definitions
from gateway.api.responses import OF_ANY_REQUEST, WITH_A_BODY, answers, problems

_CHANGE = (*OF_ANY_REQUEST, *WITH_A_BODY, "version-outdated")


def routes(bus: BusGateway, auth: Auth) -> APIRouter:
    router = APIRouter(prefix="/staff", tags=["staff"])
    staff_of_token = Annotated[Staff, Depends(auth.staff(StaffAction.SEE))]
    owner_of_catalogue = Annotated[Staff, Depends(auth.staff(StaffAction.CATALOGUE))]
    owner_of_property = Annotated[Staff, Depends(auth.staff(StaffAction.PROPERTY))]

    extras, hotels = Definitions(bus, ExtraDefinition), Definitions(bus, PropertyDefinition)

    @router.get(
        "/catalogue",
        responses=answers(200, "Every extra of the property.", {"extras": [examples.STAFF_EXTRA]})
        | problems(*OF_ANY_REQUEST),
    )
    async def list_catalogue(staff: staff_of_token, request: Request) -> Catalogue:
        """Staff: the property's extras in their order, the retired ones included."""
        reply = await bus.ask(ListCatalogue(property_id=staff.property_id), request)
        return Catalogue(extras=expected(reply, CatalogueReply).extras)

    @router.post(
        "/catalogue",
        status_code=201,
        responses=answers(201, "The extra.", examples.STAFF_EXTRA)
        | problems(*OF_ANY_REQUEST, *WITH_A_BODY, "extra-exists", "extra-invalid", "property-not-found"),
    )
    async def define_extra(
        body: Annotated[NewExtraRequest, KEPT], staff: owner_of_catalogue, request: Request
    ) -> StaffExtraView:
        """Owner: add an extra, or one again that was retired. Safe to repeat."""
        fit = await extras.fit(body, staff.property_id, request)
        command = DefineExtra(extra_id=ExtraId(fit.extra_id), staff=staff, reason=fit.reason, definition=fit.definition)
        return expected(await bus.ask(command, request), ExtraReply).extra

    @router.put(
        "/catalogue/{extra_id}",
        responses=answers(200, "The extra.", examples.STAFF_EXTRA)
        | problems(*_CHANGE, "extra-not-found", "extra-invalid", "extra-retired"),
    )
    async def change_extra(
        extra_id: ExtraIdPath, body: Annotated[ExtraRequest, KEPT], staff: owner_of_catalogue, request: Request
    ) -> StaffExtraView:
        """Owner: replace the definition of an extra. Orders keep the version they were priced by. Safe to repeat."""
        fit = await extras.fit(body, staff.property_id, request)
        command = ChangeExtra(
            extra_id=ExtraId(extra_id),
            staff=staff,
            reason=fit.reason,
            version=fit.version,
            definition=fit.definition,
        )
        return expected(await bus.ask(command, request), ExtraReply).extra

    @router.post(
        "/catalogue/{extra_id}/retire",
        responses=answers(200, "The extra.", {**examples.STAFF_EXTRA, "status": "retired"})
        | problems(*_CHANGE, "extra-not-found"),
    )
    async def retire_extra(
        extra_id: ExtraIdPath, body: RetireRequest, staff: owner_of_catalogue, request: Request
    ) -> StaffExtraView:
        """Owner: take an extra out of the catalogue. Orders keep it. Safe to repeat."""
        command = RetireExtra(extra_id=ExtraId(extra_id), staff=staff, reason=body.reason, version=body.version)
        return expected(await bus.ask(command, request), ExtraReply).extra

    @router.post(
        "/catalogue/order",
        responses=answers(200, "The extras in their new order.", {"extras": [examples.STAFF_EXTRA]})
        | problems(*OF_ANY_REQUEST, *WITH_A_BODY, "extra-not-found"),
    )
    async def reorder_extras(body: OrderOfExtras, staff: owner_of_catalogue, request: Request) -> Catalogue:
        """Owner: put the extras into this order; those not named follow in theirs. Safe to repeat."""
        command = ReorderExtras(staff=staff, extra_ids=tuple(ExtraId(extra_id) for extra_id in body.extra_ids))
        return Catalogue(extras=expected(await bus.ask(command, request), CatalogueReply).extras)

    @router.get(
        "/property",
        responses=answers(200, "The property.", examples.PROPERTY) | problems(*OF_ANY_REQUEST, "property-not-found"),
    )
    async def get_property(staff: staff_of_token, request: Request) -> PropertyView:
        """Staff: their property."""
        reply = await bus.ask(GetProperty(property_id=staff.property_id), request)
        return expected(reply, PropertyReply).property

    @router.put(
        "/property",
        responses=answers(200, "The property.", examples.PROPERTY)
        | problems(*_CHANGE, "property-not-found", "property-exists", "property-invalid"),
    )
    async def change_property(
        body: Annotated[PropertyRequest, KEPT], staff: owner_of_property, request: Request
    ) -> PropertyView:
        """Owner: replace the definition of the property, or define it. Safe to repeat."""
        fit = await hotels.fit(body, staff.property_id, request)
        known = {"property_id": staff.property_id, "staff": staff, "reason": fit.reason, "definition": fit.definition}
        command = (
            DefineProperty.model_validate(known)
            if fit.version is None
            else ChangeProperty.model_validate(known | {"version": fit.version})
        )
        return expected(await bus.ask(command, request), PropertyReply).property

    return router
