"""Guest tokens: who is asking, as a signed JWT says."""

from datetime import date

import jwt
from pydantic import BaseModel, Field, ValidationError

from contracts.ids import GuestId, PropertyId, ReservationId
from contracts.orders import Guest, Staff
from gateway.problems import ProblemError
from gateway.settings import GatewaySettings

CLOCK_SKEW_SECONDS = 60


class _Claims(BaseModel):
    """What a guest's token must say."""

    sub: GuestId = Field(min_length=1)
    property: PropertyId = Field(min_length=1)
    reservation: ReservationId = Field(min_length=1)
    stay_from: date
    stay_to: date


class Tokens:
    """Checks tokens against one secret, one issuer and one audience."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._secret = settings.jwt_secret.get_secret_value()
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience

    def guest(self, authorization: str | None) -> Guest:
        """The guest behind an `Authorization` header. Raises ProblemError 401 or 403."""
        claims = self._claims(authorization)
        if claims.get("role") != "guest":
            raise ProblemError(403, "wrong-role", "Wrong role", "Only guests order extras; use a guest token.")
        return _guest_of(claims)

    def staff(self, authorization: str | None) -> Staff:
        """The member of staff behind an `Authorization` header. Raises ProblemError 401 or 403."""
        claims = self._claims(authorization)
        if claims.get("role") != "staff":
            raise ProblemError(403, "wrong-role", "Wrong role", "Only hotel staff may do this; use a staff token.")
        return Staff(staff_id=str(claims["sub"]), property_id=_property_of(claims))

    def guest_or_staff(self, authorization: str | None) -> Guest | Staff:
        """Whoever is behind an `Authorization` header. Raises ProblemError 401 or 403."""
        return (
            self.staff(authorization)
            if self._claims(authorization).get("role") == "staff"
            else self.guest(authorization)
        )

    def _claims(self, authorization: str | None) -> dict[str, object]:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized("Send your guest token as `Authorization: Bearer …`.")
        try:
            claims: dict[str, object] = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                issuer=self._issuer,
                audience=self._audience,
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": ["exp", "iat", "sub", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise _unauthorized("Your session has expired. Please open the link from your hotel again.") from None
        except jwt.PyJWTError:
            raise _unauthorized("This token was not issued for this hotel system.") from None
        return claims


def _property_of(claims: dict[str, object]) -> PropertyId:
    name = claims.get("property")
    if not isinstance(name, str) or not name:
        raise _unauthorized("The token lacks or garbles: property.")
    return PropertyId(name)


def _guest_of(claims: dict[str, object]) -> Guest:
    try:
        parsed = _Claims.model_validate(claims)
    except ValidationError as error:
        missing = ", ".join(str(item["loc"][0]) for item in error.errors())
        raise _unauthorized(f"The token lacks or garbles: {missing}.") from None
    return Guest(
        guest_id=parsed.sub,
        property_id=parsed.property,
        reservation_id=parsed.reservation,
        stay_from=parsed.stay_from,
        stay_to=parsed.stay_to,
    )


def _unauthorized(detail: str) -> ProblemError:
    return ProblemError(401, "unauthorized", "Not signed in", detail, headers={"WWW-Authenticate": "Bearer"})
