"""`python -m tests.simulation --seeds 100 --profile rough --orders 100`"""

import argparse
import os
import sys
import time
from collections import Counter

from tests.simulation.faults import PROFILES
from tests.simulation.world import History, Outcome, run


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many histories")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="rough")
    parser.add_argument("--orders", type=int, default=100, help="orders in each history")
    arguments = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of text are walked through in an order of their own in each interpreter, unless it is told which.
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606
    began, used, failed = time.perf_counter(), time.process_time(), []
    orders, statuses, faults = 0, Counter[str](), Counter[str]()
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        outcome = run(History(seed, arguments.profile, arguments.orders))
        orders += outcome.orders
        statuses += outcome.statuses
        faults += outcome.faults
        if outcome.broken:
            failed.append(seed)
            report(outcome)
    seconds = time.perf_counter() - began
    processor = time.process_time() - used
    say(
        f"{orders} orders in {arguments.seeds} histories: {seconds:.1f} s, {orders / seconds:.0f} orders a second; "
        f"{1000 * processor / max(1, orders):.2f} ms of processor time an order"
    )
    say("orders: " + ", ".join(f"{number} {status}" for status, number in sorted(statuses.items())))
    say("faults: " + ", ".join(f"{number} {kind}" for kind, number in sorted(faults.items())))
    return 1 if failed else 0


def report(outcome: Outcome) -> None:
    history = outcome.history
    say(f"seed {history.seed} breaks a law:")
    for broken in outcome.broken[:10]:
        say(f"  {broken}")
    say(
        f"again: python -m tests.simulation --first {history.seed} --seeds 1 "
        f"--profile {history.profile} --orders {history.orders}"
    )


if __name__ == "__main__":
    sys.exit(main())
