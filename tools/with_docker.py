"""A command with a Docker engine, Docker Compose and images, on a Debian machine that has none of them.

    python -m tools.with_docker 4.3 -- COMMAND

runs the command with DOCKER_HOST naming an engine, Compose on its PATH, and the variables of tools/stand_in_images.py
for RabbitMQ of that series; with several series, once for each. Where an engine answers it is used. Otherwise, as root,
Debian's is installed through apt and started with its data in `.bellhop/docker`, and stopped in the end. Compose comes
from Debian 13, unpacked into `.bellhop/docker` and never installed.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy.local import setup
from deploy.local.process import PartError, Process
from tools.debian import DebianError, install, unpack
from tools.stand_in_images import SUITES, StandInError, docker, variables

HOME = setup.ROOT / ".bellhop" / "docker"
OLDEST_COMPOSE = (2, 20)
"""The first that knows `required` in depends_on."""
COMPOSE_SUITE = "trixie"


class WithDockerError(Exception):
    """This machine cannot have it. Its text is one sentence that says why."""


def compose() -> list[str] | None:
    """The Compose on this machine that is new enough for deploy/compose.yaml, as a command."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is None:
            continue
        answer = subprocess.run([*command, "version", "--short"], check=False, capture_output=True, text=True)
        found = re.search(r"^v?(\d+)\.(\d+)", answer.stdout)
        if answer.returncode == 0 and found and (int(found[1]), int(found[2])) >= OLDEST_COMPOSE:
            return command
    return None


def answers() -> bool:
    """Whether a Docker engine answers at DOCKER_HOST, or where one usually is."""
    return shutil.which("docker") is not None and docker("version").returncode == 0


@contextlib.contextmanager
def engine() -> Iterator[None]:
    """An engine, which DOCKER_HOST names, for the length of a with-block. Raises WithDockerError."""
    if answers():
        yield
        return
    if os.geteuid() != 0:
        raise WithDockerError("no Docker engine answers, and only root can start one.")
    try:
        if shutil.which("dockerd") is None or shutil.which("docker") is None:
            install("docker.io", "Docker's engine")
    except DebianError as error:
        raise WithDockerError(str(error)) from error
    # The paths of sockets are short: at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="bellhop-docker-") as folder:
        os.environ["DOCKER_HOST"] = f"unix://{folder}/docker.sock"
        where = ["--data-root", str(HOME / "data"), "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]
        server = Process(
            "docker",
            ["dockerd", *where, "--host", os.environ["DOCKER_HOST"]],
            log=HOME / "dockerd.log",
            missing=lambda: None if answers() else "it does not answer yet",
            stop_seconds=60,
        )
        try:
            server.start()
            yield
        except PartError as error:
            raise WithDockerError(f"Docker's engine does not start here: {error}") from error
        finally:
            server.stop()


def put_compose_on_the_path() -> None:
    """Raises WithDockerError."""
    if compose() is not None:
        return
    program = HOME / "compose" / "docker-compose"
    if not program.exists():
        try:
            with tempfile.TemporaryDirectory() as folder:
                root = Path(folder) / "root"
                unpack(COMPOSE_SUITE, root, ["docker-compose"])
                program.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / "usr/libexec/docker/cli-plugins/docker-compose", program)
        except (DebianError, OSError) as error:
            raise WithDockerError(f"there is no Compose: {error}") from error
    os.environ["PATH"] = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    if compose() is None:
        raise WithDockerError(f"Debian {COMPOSE_SUITE}'s Compose does not run here, or is older than 2.20.")


def run(command: list[str], variables: Mapping[str, str]) -> int:
    """The command's exit code. It hears what interrupts this process, and has the time to remove its containers."""
    with subprocess.Popen(command, env=os.environ | variables) as child:
        signal.signal(signal.SIGTERM, lambda *_: child.send_signal(signal.SIGINT))
        while True:
            with contextlib.suppress(KeyboardInterrupt):  # the terminal has sent it to the child as well
                return child.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a command with a Docker engine, Compose and stand-in images.")
    parser.add_argument("series", nargs="+", choices=SUITES)
    words = sys.argv[1:]
    split = words.index("--") if "--" in words else len(words)
    wanted, command = parser.parse_args(words[:split]).series, words[split + 1 :]
    if not command:
        parser.error("no command after --")
    codes = []
    try:
        with engine():
            put_compose_on_the_path()
            for series in wanted:
                images = variables(series)
                sys.stdout.write(f"RabbitMQ {series}: {' '.join(images.values())}\n")
                sys.stdout.flush()
                codes.append(run(command, images))
    except (WithDockerError, StandInError) as error:
        sys.stderr.write(f"not run with Docker here: {error}\n")
        return 1
    return next(filter(None, codes), 0)


if __name__ == "__main__":
    sys.exit(main())
