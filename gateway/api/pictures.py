"""Routes for pictures: owners upload them, every browser shows them."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request, Response

from chassis.pictures.encoder import PictureEncoder, PictureRefusedError
from chassis.web.problems import ProblemError
from chassis.web.static_assets import IMMUTABLE
from contracts.message import Message
from contracts.orders import Reason, Refusal, Staff
from contracts.pictures import (
    MEDIA_TYPE,
    PICTURE_ID,
    FindPicture,
    GetPicture,
    PictureReply,
    PictureSize,
    PictureView,
    StoredPictureReply,
    StorePicture,
    picture_digest,
)
from gateway.api import examples
from gateway.api.auth import Auth
from gateway.api.bus_gateway import BusGateway, expected
from gateway.api.responses import OF_ANY_REQUEST, Responses, answers, problems
from gateway.picture_cache import PictureCache

UPLOAD_PATH: Final = "/v1/staff/pictures"
_UPLOADED = {"schema": {"type": "string", "format": "binary"}}
_FILE = {
    "requestBody": {
        "description": "The file as it is, at most 1 MiB. Its content decides what it is, not its name or type.",
        "required": True,
        "content": dict.fromkeys(("image/jpeg", "image/png", "image/webp"), _UPLOADED),
    }
}
_IMAGE: Responses = {
    200: {
        "description": "The picture.",
        "headers": {"ETag": {"schema": {"type": "string"}}, "Cache-Control": {"schema": {"type": "string"}}},
        "content": {MEDIA_TYPE: _UPLOADED},
    }
}


def routes(bus: BusGateway, auth: Auth) -> APIRouter:
    router = APIRouter()
    uploader = Annotated[Staff, Depends(auth.uploader)]
    encoder, cache = PictureEncoder(), PictureCache()

    @router.post(
        "/staff/pictures",
        tags=["staff"],
        status_code=201,
        responses=answers(201, "The stored picture.", {"picture_id": examples.PICTURE_ID})
        | problems(*OF_ANY_REQUEST, "picture-invalid", "too-many-pictures"),
        openapi_extra=_FILE,
    )
    async def upload_picture(staff: uploader, request: Request) -> PictureView:
        """Owner: store a picture for an extra's definition: JPEG, PNG or WebP. Safe to repeat.

        It is turned upright, made smaller and encoded again; what a camera adds (place, time, device) is dropped.
        Pictures that no extra refers to are removed after 30 days.
        """
        content = await request.body()
        source = picture_digest(staff.property_id, content)
        known = await bus.ask(FindPicture(property_id=staff.property_id, digest=source), request)
        if isinstance(known, Refusal) and known.reason is Reason.PICTURE_NOT_FOUND:
            known = await _stored(staff, source, content, request)
        return expected(known, StoredPictureReply).picture

    async def _stored(staff: Staff, source: str, content: bytes, request: Request) -> Message:
        try:
            encoded = await encoder.encode(content)
        except PictureRefusedError as refused:
            raise ProblemError(422, "picture-invalid", "Picture invalid", str(refused), reason=refused.why) from None
        command = StorePicture(staff=staff, source=source, large=encoded.large, small=encoded.small)
        return await bus.ask(command, request)

    @router.get(
        "/pictures/{picture_id}/{size}",
        tags=["guests"],
        response_class=Response,
        responses=_IMAGE
        | problems("picture-not-found", "invalid-request", "too-many-requests", "internal-error", "unavailable"),
    )
    async def get_picture(
        picture_id: Annotated[str, Path(pattern=PICTURE_ID)], size: PictureSize, request: Request
    ) -> Response:
        """A picture as WebP, without a token. What an address shows never changes."""
        etag = f'"{picture_id}-{size}"'
        headers = {
            "ETag": etag,
            "Cache-Control": IMMUTABLE,
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)

        async def fetched() -> bytes:
            return expected(await bus.ask(GetPicture(picture_id=picture_id, size=size), request), PictureReply).content

        return Response(await cache.get((picture_id, size), fetched), headers=headers, media_type=MEDIA_TYPE)

    return router
