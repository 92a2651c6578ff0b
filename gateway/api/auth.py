"""Authorization: dependencies that turn the `Authorization` header into a guest, staff or an operator."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Request, Security
from fastapi.security.base import SecurityBase
from fastapi.security.http import HTTPBearer

from chassis.web.staff_roles import StaffMember
from chassis.web.tokens import Operator, Payer, Tokens
from contracts.orders import Guest, Staff
from contracts.staff_roles import StaffAction
from gateway.rate_limits import RateLimits

BearerT = TypeVar("BearerT", bound=Guest | Staff | Operator)


class _BearerToken(SecurityBase):
    """Declares the token in the OpenAPI document. `Tokens` gets the whole header, to explain what is wrong with it."""

    def __init__(self) -> None:
        description = "A JWT of the hotel's login; `role` says whether a guest, staff or an operator asks."
        self.model = HTTPBearer(bearerFormat="JWT", description=description).model
        self.scheme_name = "token"

    async def __call__(self, request: Request) -> str | None:
        return request.headers.get("Authorization")


_Header = Annotated[str | None, Security(_BearerToken())]


class Auth:
    """Dependencies that check a request's token and count it against its bearer's rate limit (429 beyond it)."""

    def __init__(self, tokens: Tokens, rates: RateLimits) -> None:
        self._tokens = tokens
        self._rates = rates

    async def guest(self, authorization: _Header) -> Guest:
        return await self._counted(await self._tokens.guest(authorization))

    async def payer(self, authorization: _Header) -> Payer:
        payer = await self._tokens.payer(authorization)
        await self._counted(payer.guest)
        return payer

    async def staff_member(self, authorization: _Header) -> StaffMember:
        member = await self._tokens.staff_member(authorization)
        await self._counted(member.staff)
        return member

    def staff(self, action: StaffAction) -> Callable[[str | None], Awaitable[Staff]]:
        """A dependency: a member of staff who may do this."""

        async def staff(authorization: _Header) -> Staff:
            return await self._counted(await self._tokens.staff(authorization, action))

        return staff

    async def uploader(self, authorization: _Header) -> Staff:
        """A member of staff who may change the catalogue, also counted against the rate of uploads."""
        staff = await self._counted(await self._tokens.staff(authorization, StaffAction.CATALOGUE))
        await self._rates.uploader(staff)
        return staff

    def guest_or_staff(self, action: StaffAction) -> Callable[[str | None], Awaitable[Guest | Staff]]:
        """A dependency: a guest, or a member of staff who may do this."""

        async def guest_or_staff(authorization: _Header) -> Guest | Staff:
            return await self._counted(await self._tokens.guest_or_staff(authorization, action))

        return guest_or_staff

    async def operator(self, authorization: _Header) -> Operator:
        return await self._counted(await self._tokens.operator(authorization))

    async def _counted(self, bearer: BearerT) -> BearerT:
        await self._rates.bearer(bearer)
        return bearer
