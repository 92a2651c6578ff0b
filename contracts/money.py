"""Money: an integer of minor units and an ISO 4217 code. Never a float."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field


class CurrencyMismatchError(ValueError):
    """Two amounts in different currencies were added or compared as if they were one."""

    def __init__(self, left: str, right: str) -> None:
        super().__init__(f"cannot combine {left} with {right}: an order is paid in one currency")


class Money(BaseModel):
    """An amount in the currency's minor unit (cents for EUR, yen for JPY, fils for KWD)."""

    model_config = ConfigDict(frozen=True)

    amount: int = Field(description="minor units")
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code")]

    @classmethod
    def zero(cls, currency: str) -> Self:
        return cls(amount=0, currency=currency)

    def __add__(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise CurrencyMismatchError(self.currency, other.currency)
        return Money(amount=self.amount + other.amount, currency=self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return self + Money(amount=-other.amount, currency=other.currency)

    def __mul__(self, times: int) -> "Money":
        return Money(amount=self.amount * times, currency=self.currency)
