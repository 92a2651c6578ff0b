"""The stored form of a picture."""

from base64 import b64decode

from pydantic import BaseModel, ConfigDict

from contracts.ids import PropertyId
from contracts.pictures import PictureSize


class PictureRecord(BaseModel):
    """One picture of one property, under its digest. Its bytes are never changed."""

    model_config = ConfigDict(frozen=True)

    property_id: PropertyId
    source: str
    """The digest of the file that was uploaded."""
    uploaded_by: str
    uploaded_at: str
    used_at: str
    """When it was last uploaded, referred to or found in use, in ISO 8601, UTC: the sweep's clock."""
    large: str
    """Base64."""
    small: str

    def content(self, size: PictureSize) -> bytes:
        return b64decode(self.large if size is PictureSize.LARGE else self.small)
