"""The demo and the load driver, as a person who has just cloned the repository runs them: from an empty environment."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from deploy.local.patience import patient
from deploy.local.system_env import FILE

ROOT = Path(__file__).resolve().parents[3]
BELLHOP = str(Path(sys.executable).with_name("bellhop"))
WITHIN = 240
"""Seconds: a whole stack is started."""


def run(home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command without any variable but these; fails with its output when it ends with another code than 0."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home)}
    ran = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=patient(WITHIN), check=False
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    return ran


def test_the_demo_plays_every_case_from_a_clean_environment_and_stops_what_it_started(tmp_path: Path) -> None:
    ran = run(tmp_path, BELLHOP, "demo", "--data-dir", str(tmp_path / "data"))

    assert "✓ Every order is right." in ran.stdout
    assert re.search(r"Private spa +│ 10:00 +│ 1 ", ran.stdout), ran.stdout
    assert re.search(r"Breakfast buffet +│ +│ 27 ", ran.stdout), ran.stdout
    for hotel, account in (("alpenhof", "default"), ("kamogawa", "seaside"), ("harbour-inn", "harbour")):
        assert re.search(rf"a guest of {hotel} +charged at the account {account}", ran.stdout), ran.stdout
    assert "audit: the money of all 35 orders in the store is accounted for" in ran.stdout
    assert not (tmp_path / "data" / FILE).exists()


def test_the_load_driver_drives_what_it_is_asked_for_and_says_what_it_took(tmp_path: Path) -> None:
    sizes = ("--orders", "2", "--guests", "1", "--sessions", "2", "--latency-ms", "0", "--stored", "3")

    ran = run(tmp_path, sys.executable, "-m", "benchmarks.load", *sizes)

    assert "3 settled orders put into the store" in ran.stdout
    assert "2 payment sessions at once" in ran.stdout
    assert "2 paid orders by 1 guests" in ran.stdout
    assert "13.00 bus messages on the write path, 9.00 state writes" in ran.stdout


def test_one_command_measures_a_part_writes_it_and_compares_it_with_an_earlier_run(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    command = (sys.executable, "-m", "benchmarks", "--scale", "0.01", "--repetitions", "1", "--json", str(file))

    first = run(tmp_path, *command, "floor")
    again = run(tmp_path, *command, "log-lines", "--against", str(file))

    assert "processor, services: bellhop / floor" in first.stdout
    assert "a line of a message handled" in again.stdout
    assert set(json.loads(file.read_text())["parts"]) == {"log-lines"}
