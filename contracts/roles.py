"""Roles of which each includes the rights of those before it."""

from enum import StrEnum
from typing import Self


class RankedRole(StrEnum):
    """The base of such roles: the order of the members is their rank."""

    def allows(self, needed: Self) -> bool:
        ranks = list(type(self))
        return ranks.index(self) >= ranks.index(needed)
