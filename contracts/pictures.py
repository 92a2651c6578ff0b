"""The messages of pictures. Their bytes travel in queries and replies, which no log, outbox or history keeps.

docs/decisions/0042-pictures-travel-as-queries.md says why.
"""

import hashlib
from enum import IntEnum, StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.ids import PropertyId
from contracts.message import Query, Reply
from contracts.orders import Staff

LARGEST_FILE = 1024 * 1024
"""Bytes of a file that is uploaded."""
PICTURE_ID = r"^[0-9a-f]{64}$"
MEDIA_TYPE = "image/webp"


class PictureSize(IntEnum):
    """Pixels of a picture's longer side, at most."""

    LARGE = 1280
    SMALL = 480


class PictureRefusal(StrEnum):
    """Why a file cannot be a picture of the catalogue."""

    FORMAT = "format"
    DAMAGED = "damaged"
    ANIMATED = "animated"
    TOO_MANY_PIXELS = "too-many-pixels"
    TOO_SMALL = "too-small"
    TOO_DETAILED = "too-detailed"
    TOO_LARGE = "too-large"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    PictureRefusal.FORMAT: "This file is not a JPEG, PNG or WebP picture.",
    PictureRefusal.DAMAGED: "This picture is damaged or incomplete: save it again and upload the new file.",
    PictureRefusal.ANIMATED: "This picture moves: upload a still one.",
    PictureRefusal.TOO_MANY_PIXELS: "This picture has more than 25 million pixels: 2000 in width are enough.",
    PictureRefusal.TOO_SMALL: "This picture is less than 64 pixels wide or high: upload a larger one.",
    PictureRefusal.TOO_DETAILED: "This picture has too much detail to be sent to phones: upload a calmer one.",
    PictureRefusal.TOO_LARGE: "This file has more than 1 MiB: make the picture smaller, 2000 pixels wide is enough.",
}


def picture_digest(property_id: str, content: bytes) -> str:
    """The digest of a file for one property. That of a picture's large size is the picture's id.

    Two properties that upload the same file have two pictures: neither can refer to, or remove, the other's.
    """
    return hashlib.sha256(property_id.encode() + b"\0" + content).hexdigest()


class PictureView(BaseModel):
    """A stored picture of a property."""

    model_config = ConfigDict(frozen=True)

    picture_id: str = Field(description="for an extra's definition, and for the picture's address")


class _WithBytes(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


class FindPicture(Query):
    """The picture that a file of this digest has become, or that it is the large size of."""

    kind: Literal["pictures.find-picture.v1"] = "pictures.find-picture.v1"
    property_id: PropertyId
    digest: str


class StorePicture(Query, _WithBytes):
    """An encoded picture to store. Not a read, but handled as one: never logged or retried; its sender asks again.

    Repeating it changes nothing: a picture is stored under its digest.
    """

    kind: Literal["pictures.store-picture.v1"] = "pictures.store-picture.v1"
    staff: Staff
    source: str = Field(description="the digest of the file that was uploaded")
    large: bytes
    small: bytes


class StoredPictureReply(Reply):
    kind: Literal["pictures.stored-picture-reply.v1"] = "pictures.stored-picture-reply.v1"
    picture: PictureView


class GetPicture(Query):
    """One size of a picture, for any viewer: pictures of a catalogue are public."""

    kind: Literal["pictures.get-picture.v1"] = "pictures.get-picture.v1"
    picture_id: str
    size: PictureSize


class PictureReply(Reply, _WithBytes):
    kind: Literal["pictures.picture-reply.v1"] = "pictures.picture-reply.v1"
    content: bytes
