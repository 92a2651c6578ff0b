"""Authorization: dependencies that turn the `Authorization` header into a guest, staff or an operator."""

from typing import Annotated, TypeVar

from fastapi import Request, Security
from fastapi.security.base import SecurityBase
from fastapi.security.http import HTTPBearer

from chassis.web.tokens import Operator, Payer, Tokens
from contracts.orders import Guest, Staff
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

    async def staff(self, authorization: _Header) -> Staff:
        return await self._counted(await self._tokens.staff(authorization))

    async def guest_or_staff(self, authorization: _Header) -> Guest | Staff:
        return await self._counted(await self._tokens.guest_or_staff(authorization))

    async def operator(self, authorization: _Header) -> Operator:
        return await self._counted(await self._tokens.operator(authorization))

    async def _counted(self, bearer: BearerT) -> BearerT:
        await self._rates.bearer(bearer)
        return bearer
