"""As much of PromQL as deploy/alerts.yaml uses, on samples kept in memory.

Comparisons with a number that filter, `and on ()`, `or`; `sum`, `max` and `min`, also `by`; `increase`, `rate` and
`min_over_time`; `vector`: https://prometheus.io/docs/prometheus/latest/querying/operators. Anything else is an
error. A test runs what promtool runs (tests/alerts/alerts_test.yaml) on it.
"""

import operator
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
Query = Callable[["Samples", float], Vector]
Point = tuple[float, float, float]
"""When, its value, and by how much the series has grown since it began."""

_LOOKBACK, _EVER = 300.0, float("inf")
_TOKEN = re.compile(
    r"\s*(?:(?P<series>[a-z_]\w*)|(?P<labels>\{[^}]*\})|(?P<number>[\d.]+)|\[(?P<range>\w+)\]|(?P<sign>[><=]=?|[(),]))"
)
_LABEL = re.compile(r'(\w+)(=~|!=|=)"([^"]*)"')
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_COMPARES: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    ">=": operator.ge,
    "<=": operator.le,
}
_MATCHES: Mapping[str, Callable[[str, str], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "=~": lambda pattern, value: re.fullmatch(pattern, value) is not None,
}
_AGGREGATES: Mapping[str, Callable[[Iterable[float]], float]] = {"sum": sum, "max": max, "min": min}


@dataclass
class Samples:
    """Series by name and labels, each with its points in time."""

    series: dict[str, dict[Labels, list[Point]]] = field(default_factory=lambda: defaultdict(dict))

    gone: dict[tuple[str, Labels], float] = field(default_factory=dict)
    """Since when a series is not exposed any more: Prometheus's staleness."""

    def add(self, name: str, labels: Labels, at: float, value: float) -> None:
        points = self.series[name].setdefault(labels, [])
        _, before, grown = points[-1] if points else (0.0, value, 0.0)
        points.append((at, value, grown + (value - before if value >= before else value)))

    def between(self, name: str, labels: Labels, since: float, until: float) -> tuple[list[Point], int, int]:
        """Its points, of which those after the first time and up to the second begin and end at these numbers."""
        points = self.series[name][labels]
        return points, bisect_right(points, (since, _EVER, _EVER)), bisect_right(points, (until, _EVER, _EVER))


def seconds(duration: str) -> float:
    """Of a duration such as `10m`."""
    return float(duration[:-1]) * _SECONDS[duration[-1]]


def series_of(expression: str) -> frozenset[str]:
    """Names of the series that it asks for."""
    return frozenset(re.findall(r"\b(?:up|bellhop_\w+|rabbitmq_\w+)\b", expression))


def parsed(expression: str) -> Query:
    """What the expression is at a time. Raises ValueError for what is not known here."""
    words = _Words(re.sub(r"#.*", "", expression))
    query = words.disjunction()
    if words.left:
        raise ValueError(f"not known here: {expression!r} from {words.left[:3]}")
    return query


class _Words:
    """What is left of an expression while it is read."""

    def __init__(self, text: str) -> None:
        self.left: list[tuple[str, str]] = []
        at, text = 0, text.strip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise ValueError(f"not known here: {text[at:]!r}")
            self.left.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()

    def takes(self, *words: str) -> str | None:
        if self.left and self.left[0][1] in words:
            return self.left.pop(0)[1]
        return None

    def want(self, kind: str) -> str:
        if not self.left or self.left[0][0] != kind:
            raise ValueError(f"wanted a {kind}, and there is {self.left[:1]}")
        return self.left.pop(0)[1]

    def disjunction(self) -> Query:
        first = self.conjunction()
        while self.takes("or"):
            first = _either(first, self.conjunction())
        return first

    def conjunction(self) -> Query:
        first = self.comparison()
        while self.takes("and"):
            if [self.takes(word) for word in ("on", "(", ")")] != ["on", "(", ")"]:
                raise ValueError("`and` is known as `and on ()` alone")
            first = _both(first, self.comparison())
        return first

    def comparison(self) -> Query:
        value = self.value()
        sign = self.takes(*_COMPARES)
        if sign is None:
            return value
        compares, bound = _COMPARES[sign], float(self.want("number"))
        return lambda samples, at: {k: v for k, v in value(samples, at).items() if compares(v, bound)}

    def value(self) -> Query:
        if self.takes("("):
            inner = self.disjunction()
            self.close()
            return inner
        name = self.want("series")
        if name in _AGGREGATES:
            return self.aggregate(_AGGREGATES[name])
        if self.takes("("):
            return self.function(name)
        return _instant(name, self.matchers())

    def aggregate(self, how: Callable[[Iterable[float]], float]) -> Query:
        by: list[str] = []
        if self.takes("by"):
            self.takes("(")
            while not self.takes(")"):
                by.append(self.want("series"))
                self.takes(",")
        self.takes("(")
        inner = self.disjunction()
        self.close()
        return _grouped(inner, how, frozenset(by))

    def function(self, name: str) -> Query:
        if name == "vector":
            number = float(self.want("number"))
            self.close()
            return lambda _samples, _at: {frozenset(): number}
        series, matchers, length = self.want("series"), self.matchers(), seconds(self.want("range"))
        self.close()
        return _over_time(_FUNCTIONS[name], series, matchers, length)

    def matchers(self) -> Callable[[Labels], bool]:
        text = self.want("labels") if self.left and self.left[0][0] == "labels" else ""
        wanted = [(name, how, said.replace("\\\\", "\\")) for name, how, said in _LABEL.findall(text)]

        @cache
        def match(labels: Labels) -> bool:
            known = dict(labels)
            return all(_MATCHES[how](said, known.get(name, "")) for name, how, said in wanted)

        return match

    def close(self) -> None:
        if not self.takes(")"):
            raise ValueError(f"wanted a bracket, and there is {self.left[:1]}")


def _either(first: Query, second: Query) -> Query:
    return lambda samples, at: {**second(samples, at), **first(samples, at)}


def _both(first: Query, second: Query) -> Query:
    return lambda samples, at: first(samples, at) if second(samples, at) else {}


def _grouped(inner: Query, how: Callable[[Iterable[float]], float], by: frozenset[str]) -> Query:
    def grouped(samples: Samples, at: float) -> Vector:
        groups = defaultdict[Labels, list[float]](list)
        for labels, value in inner(samples, at).items():
            groups[frozenset(each for each in labels if each[0] in by)].append(value)
        return {labels: how(values) for labels, values in groups.items()}

    return grouped


def _instant(name: str, match: Callable[[Labels], bool]) -> Query:
    def instant(samples: Samples, at: float) -> Vector:
        found = {}
        for labels in samples.series.get(name, ()):
            if match(labels):
                points, begin, end = samples.between(name, labels, at - _LOOKBACK, at)
                if begin < end and samples.gone.get((name, labels), 0.0) <= points[end - 1][0]:
                    found[labels] = points[end - 1][1]
        return found

    return instant


def _over_time(
    function: Callable[[list[Point], int, int, float, float], float],
    name: str,
    match: Callable[[Labels], bool],
    length: float,
) -> Query:
    def over_time(samples: Samples, at: float) -> Vector:
        found = {}
        for labels in samples.series.get(name, ()):
            if match(labels):
                points, begin, end = samples.between(name, labels, at - length, at)
                if end - begin > (function is not _least):
                    found[labels] = function(points, begin, end, at - length, at)
        return found

    return over_time


def _increase(points: list[Point], begin: int, end: int, since: float, until: float) -> float:
    """As Prometheus extrapolates it to the range's ends (promql/functions.go, extrapolatedRate)."""
    (first_at, first, before_it), (last_at, _, in_all) = points[begin], points[end - 1]
    grown, sampled = in_all - before_it, last_at - first_at
    if not grown:
        return 0.0
    step = sampled / (end - begin - 1)
    before = first_at - since if first_at - since < 1.1 * step else step / 2
    after = until - last_at if until - last_at < 1.1 * step else step / 2
    before = min(before, sampled * first / grown)
    return grown * (sampled + before + after) / sampled


def _rate(points: list[Point], begin: int, end: int, since: float, until: float) -> float:
    return _increase(points, begin, end, since, until) / (until - since)


def _least(points: list[Point], begin: int, end: int, _since: float, _until: float) -> float:
    return min(point[1] for point in points[begin:end])


_FUNCTIONS = {"increase": _increase, "rate": _rate, "min_over_time": _least}
