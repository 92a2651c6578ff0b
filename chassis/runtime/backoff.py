"""Exponential backoff per key, on the monotonic clock."""

from collections.abc import Callable, Iterable
from time import monotonic


class Backoff:
    """Delays of 1 s, doubled at each failure."""

    def __init__(self, longest: float, now: Callable[[], float] = monotonic) -> None:
        """`longest` is the longest delay, in seconds."""
        self._longest = longest
        self._now = now
        self._failed: dict[str, tuple[int, float]] = {}

    def waits(self, key: str) -> bool:
        """Whether the key's delay has not passed yet."""
        _, until = self._failed.get(key, (0, self._now()))
        return self._now() < until

    def failed(self, key: str) -> None:
        tries, _ = self._failed.get(key, (0, 0.0))
        self._failed[key] = (tries + 1, self._now() + min(2.0**tries, self._longest))

    def succeeded(self, key: str) -> None:
        self._failed.pop(key, None)

    def forget_all_but(self, keys: Iterable[str]) -> set[str]:
        """Forget all other keys, which have succeeded here or in another process. Returns the forgotten ones."""
        forgotten = self._failed.keys() - set(keys)
        for key in forgotten:
            del self._failed[key]
        return forgotten

    def __len__(self) -> int:
        return len(self._failed)
