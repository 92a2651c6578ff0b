"""Who asks: an operator, or nobody we answer."""

from typing import Annotated

from fastapi import Header

from gateway.tokens import Operator, Tokens


class Who:
    """The dependency of every route, over one token check."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def operator(self, authorization: Annotated[str | None, Header()] = None) -> Operator:
        return await self._tokens.operator(authorization)
