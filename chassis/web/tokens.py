"""Verifies tokens: signed JWTs that identify guests, staff and operators."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any, TypeVar

import jwt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from chassis.messaging.envelope import utc_now
from chassis.web.problems import ProblemError
from chassis.web.receipt_emails import receipt_email_of
from chassis.web.signing_keys import PublishedKeys, SharedSecret, SigningKeys, jwks_fetcher
from chassis.web.staff_roles import StaffMember, require_role, staff_role_of, wrong_role
from chassis.web.token_settings import TokenSettings
from contracts.ids import GuestId, PropertyId, ReservationId
from contracts.orders import Guest, Staff
from contracts.roles import RankedRole
from contracts.staff_roles import StaffAction

CLOCK_SKEW_SECONDS = 60
_TIMES_CHECKED_HERE: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
LONGEST_TOKEN = 8 * 1024
"""Maximum length in characters; longer tokens are refused unread."""


def _printable(text: str) -> str:
    # Ids go into digests with a separator, into the log and onto the bus: no control characters, no half surrogates.
    if not text.isprintable():
        raise ValueError("must be printable text")
    return text


_Name = Annotated[str, Field(min_length=1, max_length=255, strict=True), AfterValidator(_printable)]


class OperatorRole(RankedRole):
    """An operator's role. Each includes the rights of those before it."""

    READER = "reader"
    """Read everything."""
    REPLAYER = "replayer"
    """Plan and run replays, discard and restore dead letters."""
    EDITOR = "editor"
    """Edit dead letters, delete discarded ones, and decide reviews with `bellhop review`."""


_DEPRECATED_ROLES = {"operator": OperatorRole.EDITOR}
"""Deprecated name, read until version 2.0."""


class Operator(BaseModel):
    """An operator of the system, as the signed token says. Has no property, and may use no route of the gateway."""

    model_config = ConfigDict(frozen=True)

    operator_id: str
    role: OperatorRole


@dataclass(frozen=True, slots=True)
class Payer:
    """A guest and their address for a receipt, as the signed token says."""

    guest: Guest
    receipt_email: str | None = field(repr=False)
    """The e-mail address for the PSP's receipt. It is sealed before it leaves the gateway."""


class _StaffClaims(BaseModel):
    sub: _Name
    property: _Name


class _GuestClaims(_StaffClaims):
    reservation: _Name
    stay_from: date
    stay_to: date


class _OperatorClaims(BaseModel):
    sub: _Name


ClaimsT = TypeVar("ClaimsT", bound=BaseModel)


class Tokens:
    """Checks tokens against the keys of one issuer, for one audience."""

    def __init__(self, keys: SigningKeys, issuer: str, audience: str, clock: Callable[[], datetime] = utc_now) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock

    @classmethod
    def of(cls, settings: TokenSettings, clock: Callable[[], datetime] = utc_now) -> "Tokens":
        keys: SigningKeys = SharedSecret(settings.jwt_secret.get_secret_value())
        if settings.jwt_jwks_url:
            keys = PublishedKeys(jwks_fetcher(settings.jwt_jwks_url), settings.jwt_jwks_cache)
        return cls(keys, settings.jwt_issuer, settings.jwt_audience, clock)

    async def guest(self, authorization: str | None) -> Guest:
        """The guest behind an `Authorization` header. Raises ProblemError 401 or 403, KeysUnavailableError."""
        return _guest_of(await self._claims(authorization))

    async def payer(self, authorization: str | None) -> Payer:
        """The guest behind an `Authorization` header, with the address for a receipt. Raises as `guest` does."""
        claims = await self._claims(authorization)
        return Payer(_guest_of(claims), receipt_email_of(claims))

    async def staff_member(self, authorization: str | None) -> StaffMember:
        """The member of staff behind an `Authorization` header, with their role. Raises as `guest` does."""
        return _staff_of(await self._claims(authorization))

    async def staff(self, authorization: str | None, action: StaffAction = StaffAction.SEE) -> Staff:
        """The member of staff behind an `Authorization` header, who must be allowed this. Raises as `guest` does."""
        return _allowed(await self._claims(authorization), action)

    async def guest_or_staff(self, authorization: str | None, action: StaffAction = StaffAction.SEE) -> Guest | Staff:
        """The guest behind an `Authorization` header, or the member of staff, who must be allowed this.

        Raises as `guest` does.
        """
        claims = await self._claims(authorization)
        return _guest_of(claims) if staff_role_of(claims) is None else _allowed(claims, action)

    async def operator(self, authorization: str | None, needed: OperatorRole = OperatorRole.READER) -> Operator:
        """The operator behind an `Authorization` header, who must have at least that role. Raises as `guest` does."""
        return _operator_of(await self._claims(authorization), needed)

    async def _claims(self, authorization: str | None) -> dict[str, Any]:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized("Send your guest token as `Authorization: Bearer …`.")
        if len(token) > LONGEST_TOKEN:
            raise _not_ours()
        try:
            key = await self._keys.key(_key_id(token))
            if key is None:
                raise _not_ours()
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                issuer=self._issuer,
                audience=self._audience,
                options={"require": ["exp", "iat", "sub", "iss", "aud"]} | _TIMES_CHECKED_HERE,
            )
            _check_times(claims, self._clock().timestamp())
        except jwt.ExpiredSignatureError:
            raise _unauthorized("Your session has expired. Please open the link from your hotel again.") from None
        except jwt.PyJWTError:
            raise _not_ours() from None
        return claims


def _check_times(claims: dict[str, Any], now: float) -> None:
    """Check `exp`, `nbf` and `iat` against `now`: PyJWT would use the machine's clock. Raises jwt.InvalidTokenError."""
    times = {}
    for name in ("exp", "nbf", "iat"):
        try:
            times[name] = int(claims.get(name, now))
        except (TypeError, ValueError, OverflowError):
            raise jwt.DecodeError(f"{name} must be a number") from None
    if "exp" in claims and times["exp"] <= now - CLOCK_SKEW_SECONDS:
        raise jwt.ExpiredSignatureError("the token has expired")
    if max(times["nbf"], times["iat"]) > now + CLOCK_SKEW_SECONDS:
        raise jwt.ImmatureSignatureError("the token is not valid yet")


def _key_id(token: str) -> str | None:
    key_id = jwt.get_unverified_header(token).get("kid")
    return key_id if isinstance(key_id, str) else None


def _guest_of(claims: dict[str, Any]) -> Guest:
    if claims.get("role") != "guest":
        raise wrong_role("Only guests order extras; use a guest token.")
    parsed = _parsed(_GuestClaims, claims)
    return Guest(
        guest_id=GuestId(parsed.sub),
        property_id=PropertyId(parsed.property),
        reservation_id=ReservationId(parsed.reservation),
        stay_from=parsed.stay_from,
        stay_to=parsed.stay_to,
    )


def _staff_of(claims: dict[str, Any]) -> StaffMember:
    role = staff_role_of(claims)
    if role is None:
        raise wrong_role("Only hotel staff may do this; use a staff token.")
    parsed = _parsed(_StaffClaims, claims)
    return StaffMember(staff=Staff(staff_id=parsed.sub, property_id=PropertyId(parsed.property)), role=role)


def _allowed(claims: dict[str, Any], action: StaffAction) -> Staff:
    member = _staff_of(claims)
    member.require(action)
    return member.staff


def _operator_of(claims: dict[str, Any], needed: OperatorRole) -> Operator:
    named = claims.get("role")
    if not isinstance(named, str) or named not in {*OperatorRole, *_DEPRECATED_ROLES}:
        raise wrong_role(f"Only operators may do this; use a token with the role {needed.value}.")
    role = _DEPRECATED_ROLES.get(named) or OperatorRole(named)
    require_role(role, needed)
    return Operator(operator_id=_parsed(_OperatorClaims, claims).sub, role=role)


def _parsed(kind: type[ClaimsT], claims: dict[str, Any]) -> ClaimsT:
    try:
        return kind.model_validate(claims)
    except ValidationError as error:
        missing = ", ".join(str(item["loc"][0]) for item in error.errors())
        raise _unauthorized(f"The token has missing or invalid claims: {missing}.") from None


def _not_ours() -> ProblemError:
    return _unauthorized("This token was not issued for this hotel system.")


def _unauthorized(detail: str) -> ProblemError:
    return ProblemError(401, "unauthorized", "Not signed in", detail, headers={"WWW-Authenticate": "Bearer"})
