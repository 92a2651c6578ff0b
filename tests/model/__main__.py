"""`python -m tests.model`: explore what CI does, or further, and say what was seen and how long it took."""

import argparse
import resource
import sys
from pathlib import Path
from time import perf_counter, process_time

from tests.model.bounds import DEEP, SHORT
from tests.model.explore import UnfinishedError, explore


def main() -> int:
    """Exit code 1 when a law is broken, 3 when time or memory did not suffice for all bounds, else 0."""
    asked = _arguments()
    ends = perf_counter() + asked.minutes * 60
    finished = asked.done.read_text().splitlines() if asked.done and asked.done.exists() else []
    broken, unfinished = 0, 0
    for bounds in DEEP if asked.deep else SHORT:
        if str(bounds) in finished or not all(word in str(bounds) for word in asked.words):
            continue
        started = process_time()
        try:
            found = explore(bounds, seconds=max(0.0, ends - perf_counter()))
        except UnfinishedError as error:
            unfinished += 1
            _say(f"NOT FINISHED: {error}")
            continue
        _say(f"{found}; {process_time() - started:.1f} s of processor, {_most_memory()} MB at most")
        for violation in found.violations.values():
            _say(str(violation))
        broken += len(found.violations)
        if asked.done and not found.violations:
            with asked.done.open("a") as done:
                done.write(f"{bounds}\n")
    return 1 if broken else 3 if unfinished else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.model",
        description="Explore every world of one order within bounds, and print each bound with its states and time.",
        epilog="Exit code: 1 when a law is broken, 3 when not all bounds were finished, else 0.",
    )
    parser.add_argument("words", nargs="*", help="only the bounds whose names contain each of these")
    parser.add_argument("--deep", action="store_true", help="the wider bounds after those of CI: minutes, and a few GB")
    parser.add_argument(
        "--minutes",
        type=float,
        default=60.0,
        help="for all bounds; those not finished are named (default: 60)",
    )
    parser.add_argument("--done", type=Path, help="a file of finished bounds, left out and added to: to go on later")
    return parser.parse_args()


def _most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
