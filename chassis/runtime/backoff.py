"""When to try again what failed, for each of many things, by a clock that never jumps."""

from collections.abc import Callable, Iterable
from time import monotonic


class Backoff:
    """After 1 s, then after twice as long each time."""

    def __init__(self, longest: float, now: Callable[[], float] = monotonic) -> None:
        """`longest` is the longest pause, in seconds."""
        self._longest = longest
        self._now = now
        self._failed: dict[str, tuple[int, float]] = {}

    def waits(self, key: str) -> bool:
        """Whether it is too early to try this again."""
        _, until = self._failed.get(key, (0, self._now()))
        return self._now() < until

    def failed(self, key: str) -> None:
        tries, _ = self._failed.get(key, (0, 0.0))
        self._failed[key] = (tries + 1, self._now() + min(2.0**tries, self._longest))

    def forget_all_but(self, keys: Iterable[str]) -> set[str]:
        """What is not among these has succeeded, here or elsewhere. Returns what is forgotten."""
        forgotten = self._failed.keys() - set(keys)
        for key in forgotten:
            del self._failed[key]
        return forgotten

    def __len__(self) -> int:
        return len(self._failed)
