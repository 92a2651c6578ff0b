"""A command that is run with Docker ends as it would alone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.waiting import eventually
from tools.with_docker import run

ROOT = Path(__file__).resolve().parents[3]


def test_the_command_gets_the_images_and_its_exit_code_is_returned() -> None:
    assert run(["sh", "-c", 'test "$RABBITMQ_IMAGE" = ours && exit 3'], {"RABBITMQ_IMAGE": "ours"}) == 3


def test_a_command_that_is_to_end_is_waited_for_until_it_has_cleaned_up(tmp_path: Path) -> None:
    script = (
        f'trap "sleep 1; touch {tmp_path}/cleaned; exit 5" INT; touch {tmp_path}/started; while :; do sleep 0.1; done'
    )
    code = f"import sys; from tools.with_docker import run; sys.exit(run(['bash', '-c', {script!r}], {{}}))"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as process:
        eventually((tmp_path / "started").exists, what="the command runs")
        os.kill(process.pid, signal.SIGTERM)

        assert process.wait(60) == 5
    assert (tmp_path / "cleaned").exists()
