"""The routes of a guest's own address for e-mail about orders."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from chassis.seal import Seal
from contracts.answers import Contact
from contracts.mail import ContactReply, ContactSource, ForgetContact, GetContact, KeepContact
from contracts.message import Message
from contracts.orders import Guest
from gateway.api import examples
from gateway.api.auth import Auth
from gateway.api.bus_gateway import BusGateway, expected
from gateway.api.responses import OF_ANY_REQUEST, WITH_A_BODY, answers, problems
from gateway.api.schemas import ContactRequest


def routes(bus: BusGateway, auth: Auth, seal: Seal, clock: Callable[[], datetime]) -> APIRouter:
    router = APIRouter(tags=["guests"])
    guest_of_token = Annotated[Guest, Depends(auth.guest)]
    known = answers(200, "The address that is known, if there is one.", examples.CONTACT)

    async def contact_after(message: Message, request: Request) -> Contact:
        reply = expected(await bus.ask(message, request), ContactReply)
        email = seal.open(reply.sealed_email) if reply.sealed_email else None
        return Contact(email=email, language=reply.language)

    @router.get("/contact", responses=known | problems(*OF_ANY_REQUEST))
    async def get_contact(guest: guest_of_token, request: Request) -> Contact:
        """Where e-mail about the guest's orders goes."""
        return await contact_after(GetContact(property_id=guest.property_id, guest_id=guest.guest_id), request)

    @router.put("/contact", responses=known | problems(*OF_ANY_REQUEST, *WITH_A_BODY, "mail-off"))
    async def put_contact(body: ContactRequest, guest: guest_of_token, request: Request) -> Contact:
        """Have e-mail sent to this address from now on, whatever later tokens say."""
        command = KeepContact(
            property_id=guest.property_id,
            guest_id=guest.guest_id,
            source=ContactSource.GUEST,
            at=clock(),
            sealed_email=seal.close(body.email),
            language=body.language,
            stay_to=guest.stay_to,
        )
        return await contact_after(command, request)

    @router.delete(
        "/contact",
        responses=answers(200, "No address is known.", {"email": None, "language": None}) | problems(*OF_ANY_REQUEST),
    )
    async def delete_contact(guest: guest_of_token, request: Request) -> Contact:
        """Have no e-mail sent from now on, whatever later tokens say."""
        command = ForgetContact(
            property_id=guest.property_id, guest_id=guest.guest_id, source=ContactSource.GUEST, at=clock()
        )
        return await contact_after(command, request)

    return router
