"""What the benchmarks have measured: figures with their repetitions, as tables, as JSON, and two runs side by side."""

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Self

import psutil
from rich.console import Console
from rich.table import Table

_PACKAGES = (
    "bellhop",
    "aio-pika",
    "faststream",
    "pymongo",
    "motor",
    "fastapi",
    "starlette",
    "stripe",
    "pydantic",
    "secantus",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one part, once per repetition."""

    what: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)


@dataclass(slots=True)
class Measured:
    """The figures of one part, in the order in which they were first noted."""

    _values: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def note(self, what: str, unit: str, *values: float) -> None:
        self._values.setdefault((what, unit), []).extend(values)

    @property
    def figures(self) -> list[Figure]:
        return [Figure(what, unit, tuple(values)) for (what, unit), values in self._values.items() if values]


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the benchmarks: where, with what, and what came of it."""

    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    began: str
    load_before: Sequence[float]
    """What else the machine did: its load averages over 1, 5 and 15 minutes."""
    parts: dict[str, list[Figure]]

    @classmethod
    def here(cls) -> Self:
        machine = {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": psutil.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        }
        versions = {name: version for name in _PACKAGES if (version := _version_of(name))}
        versions |= {"python": platform.python_version(), "commit": _commit()}
        began = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(machine, versions, began, [round(load, 1) for load in os.getloadavg()], {})

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, file: Path) -> Self:
        """Raises OSError, and ValueError for a file that no run has written."""
        said = json.loads(file.read_text())
        try:
            parts = {
                part: [Figure(each["what"], each["unit"], tuple(each["values"])) for each in figures]
                for part, figures in said["parts"].items()
            }
            return cls(said["machine"], said["versions"], said["began"], said["load_before"], parts)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{file} is not the result of `python -m benchmarks`: {error!r}") from error


def show_conditions(console: Console, run: Run) -> None:
    machine = run.machine
    console.print(
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}; "
        f"load before {' '.join(map(str, run.load_before))}; began {run.began}",
        soft_wrap=True,
    )
    console.print(", ".join(f"{name} {version}" for name, version in run.versions.items()), soft_wrap=True)


def show(console: Console, part: str, figures: Iterable[Figure]) -> None:
    """The table of one part."""
    table = Table("", "unit", "min", "median", "max", "n", title=part, title_justify="left")
    for figure in figures:
        values = (min(figure.values), figure.median, max(figure.values))
        table.add_row(figure.what, figure.unit, *map(_short, values), str(len(figure.values)))
    console.print(table)


def show_difference(console: Console, before: Run, now: Run) -> None:
    """Figures that both runs have, pair by pair. `apart`: no value of one lies among those of the other."""
    table = Table("part", "", "unit", "before", "now", "change", "", title=f"against {before.began}")
    for part, figures in now.parts.items():
        earlier = {(figure.what, figure.unit): figure for figure in before.parts.get(part, ())}
        for figure in figures:
            other = earlier.get((figure.what, figure.unit))
            if other is None:
                continue
            change = f"{(figure.median / other.median - 1) * 100:+.0f} %" if other.median else ""
            row = (part, figure.what, figure.unit, _short(other.median), _short(figure.median), change)
            table.add_row(*row, "apart" if are_apart(other.values, figure.values) else "")
    console.print(table)
    for what, earlier_said, said in (
        ("machine", before.machine, now.machine),
        ("versions", before.versions, now.versions),
    ):
        if earlier_said != said:
            console.print(f"other {what} than before: {dict(earlier_said)}", soft_wrap=True)


def are_apart(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether the ranges of two figures do not meet."""
    return max(one) < min(other) or max(other) < min(one)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which so large a share of them lies. Raises ValueError without any."""
    if not values:
        raise ValueError("there is no percentile of nothing")
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _short(value: float) -> str:
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:,.{digits}f}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str:
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607 - the one that the person uses
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip()
