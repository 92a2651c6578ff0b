"""What a run of chaos did and what came of it, as a small table."""

from dataclasses import dataclass

Rows = dict[str, object]


@dataclass(frozen=True, slots=True)
class Figures:
    """One table, printed at the end of the test session."""

    title: str
    rows: Rows

    def lines(self) -> list[str]:
        width = max(len(name) for name in self.rows)
        return [self.title, *(f"  {name:<{width}}  {value!s:>8}" for name, value in self.rows.items())]
