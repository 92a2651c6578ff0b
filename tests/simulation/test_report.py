"""What a person gets to read when a law is broken."""

import re
import subprocess
import sys
from pathlib import Path

COMMAND = (sys.executable, "-m", "tests.simulation", "--seeds", "1", "--profile", "rough", "--orders", "4")


def test_a_failure_is_shown_as_a_trace_with_the_psps_books_the_logs_and_the_command_that_repeats_it(
    tmp_path: Path,
) -> None:
    planted = ("--plant", "confirms_under_two_ids", "--html", str(tmp_path))

    said = subprocess.run([*COMMAND, *planted], capture_output=True, text=True, check=False)

    assert said.returncode == 1, said.stderr
    law, small, story, psp, log, again = parts_of(said.stdout)
    assert "what happens once is published once: " in law
    assert "the same law with 1 orders and 0 faults: what happens once is published once: " in small
    assert re.search(r"\d\d:\d\d:\d\d\.\d{3} +\+0 ms  guest → gateway +POST /", story)
    assert "extras                  ● order: pending_payment / unpaid" in story
    assert re.search(r"payment_intent\.created +pi_\w+ requires_payment_method amount=", psp)
    assert "at the end:" in psp
    assert re.search(r"\d\d:\d\d:\d\d\.\d{3} (extras-service|gateway)-\d\.1 ", log)
    assert re.search(
        r"--first 1 --profile rough --orders 4 --only-orders \d --only-faults none --plant confirms_", again
    )
    assert [page.name for page in tmp_path.glob("*.html")] == [f"seed-1-{story.split(maxsplit=1)[0]}.html"]


def parts_of(said: str) -> list[str]:
    headlines = ("the same law with", "\nord_", "\nord_", "what the services logged:", "again: ")
    parts, rest = [], said
    for headline in headlines:
        before, _, rest = rest.partition(headline)
        parts.append(before)
        rest = headline.strip("\n") + rest
    return [*parts, rest]
