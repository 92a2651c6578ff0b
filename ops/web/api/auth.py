"""Dependencies that require an operator's role."""

from typing import Annotated

from fastapi import Header

from chassis.web.tokens import Operator, OperatorRole, Tokens

Authorization = Annotated[str | None, Header()]


class Auth:
    """A dependency for each role, over one token check."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def reader(self, authorization: Authorization = None) -> Operator:
        return await self._tokens.operator(authorization, OperatorRole.READER)

    async def replayer(self, authorization: Authorization = None) -> Operator:
        return await self._tokens.operator(authorization, OperatorRole.REPLAYER)

    async def editor(self, authorization: Authorization = None) -> Operator:
        return await self._tokens.operator(authorization, OperatorRole.EDITOR)
