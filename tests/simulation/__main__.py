"""`python -m tests.simulation --seeds 100 --profile rough --orders 100`: histories, and the laws they break."""

import argparse
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from multiprocessing import Pool
from pathlib import Path

from ops.cli.trace_page import page
from tests.simulation import coverage
from tests.simulation.coverage import Row
from tests.simulation.faults import PROFILES
from tests.simulation.planted import BUGS
from tests.simulation.report import broken_laws, failure
from tests.simulation.shrinking import shrunk
from tests.simulation.world import History, Outcome, run

MIXED = "mixed"
"""All profiles in turn."""


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass
class Sum:
    """What all histories come to."""

    histories: int = 0
    orders: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    operators: Counter[str] = field(default_factory=Counter)
    alarms: Counter[str] = field(default_factory=Counter)
    rows: Counter[Row] = field(default_factory=Counter)
    processor: float = 0.0
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.histories += 1
        self.orders += outcome.orders
        self.statuses += outcome.statuses
        self.faults += outcome.faults
        self.answers += outcome.answers
        self.operators += outcome.operators
        self.alarms += outcome.alarms
        self.rows += outcome.rows
        self.processor += outcome.processor
        if outcome.broken:
            self.failed.append(outcome)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many histories; 0: until a law is broken")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--profile", choices=sorted((*PROFILES, MIXED)), default="rough")
    parser.add_argument("--orders", type=int, default=100, help="orders in each history")
    parser.add_argument("--processes", type=int, default=1, help="how many histories at once")
    parser.add_argument("--minutes", type=float, default=None, help="begin no further history after this time")
    parser.add_argument("--only-orders", type=numbers, default=None, help="as a report of a failure names them")
    parser.add_argument("--only-faults", type=numbers, default=None, help="as a report of a failure names them")
    parser.add_argument("--whole", action="store_true", help="do not make a failing history smaller")
    parser.add_argument("--html", metavar="FOLDER", type=Path, help="draw the orders of a failure into pages there")
    parser.add_argument("--log", metavar="WORDS", default=None, help="show what the services log about these words")
    parser.add_argument("--plant", choices=sorted(BUGS), help="plant this bug, to see how its failure is reported")
    given = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of text are walked through in an order of their own in each interpreter, unless one is set.
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606
    with BUGS[given.plant]() if given.plant else nullcontext():
        return simulate(given)


def simulate(given: argparse.Namespace) -> int:
    """Live through the histories. The exit code."""
    began, total = time.perf_counter(), Sum()
    for outcome in lived(histories(given), given.processes):
        total.add(outcome)
        if outcome.broken:
            report(outcome, given)
        if given.log is not None:
            for line in (line for line in outcome.lines if any(word in line for word in given.log.split(","))):
                say(line)
        is_over = given.minutes is not None and time.perf_counter() - began > given.minutes * 60
        if is_over or (outcome.broken and not given.seeds):
            break
    summary(total, time.perf_counter() - began)
    return 1 if total.failed else 0


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))


def histories(given: argparse.Namespace) -> Iterator[History]:
    seed = given.first
    while not given.seeds or seed < given.first + given.seeds:
        profile = tuple(PROFILES)[seed % len(PROFILES)] if given.profile == MIXED else given.profile
        history = History(seed, profile, given.orders, given.only_orders, given.only_faults)
        yield replace(history, keeps_log=given.log is not None)
        seed += 1


def lived(all_of_them: Iterable[History], processes: int) -> Iterator[Outcome]:
    if processes == 1:
        yield from map(run, all_of_them)
        return
    with Pool(processes) as pool:
        yield from pool.imap_unordered(run, all_of_them)


def report(outcome: Outcome, given: argparse.Namespace) -> None:
    """What was broken, made small, and how to see it again."""
    for line in ("", *broken_laws(outcome)):
        say(line)
    if not given.whole:
        outcome = shrunk(outcome, run)
    for line in failure(outcome):
        say(line)
    for order_id, account in outcome.accounts.items():
        if given.html and account.story:
            page_file = given.html / f"seed-{outcome.history.seed}-{order_id}.html"
            page_file.write_text(page(account.story), encoding="utf-8")
            say(f"drawn: {page_file}")
    planted = f" --plant {given.plant}" if given.plant else ""
    say(f"\nagain: {outcome.history.command}{planted}\n")


def summary(total: Sum, seconds: float) -> None:
    pace = f"{total.orders / seconds:.0f} orders a second"
    each = f"{1000 * total.processor / max(1, total.orders):.2f} ms of processor time an order"
    say(f"{total.orders:,} orders in {total.histories:,} histories, {seconds:.1f} s: {pace}, {each}")
    say("orders: " + ", ".join(f"{number:,} {status}" for status, number in sorted(total.statuses.items())))
    say("faults: " + ", ".join(f"{number:,} {kind}" for kind, number in sorted(total.faults.items())))
    if total.answers:
        say("over HTTP: " + ", ".join(f"{number:,} {kind}" for kind, number in sorted(total.answers.items())))
    if total.operators:
        say("operators: " + ", ".join(f"{number:,} {what}" for what, number in sorted(total.operators.items())))
    if total.alarms:
        say("alarms that rang: " + ", ".join(f"{number:,} {name}" for name, number in sorted(total.alarms.items())))
    known = coverage.known()
    never = known - total.rows.keys()
    say(f"state tables: {len(known) - len(never)} of {len(known)} rows taken; never:")
    for line in coverage.by_status(never):
        say(f"  {line}")
    say(f"{len(total.failed)} of {total.histories} histories break a law")


if __name__ == "__main__":
    sys.exit(main())
