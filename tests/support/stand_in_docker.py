"""A `docker` for tests of what calls it: it writes down what it is asked, and plays engine and containers.

A container answers 200 at each address that its options give it on 127.0.0.1, and ends with SIGTERM. Prometheus's is
the Prometheus of this machine, if REAL_PROMETHEUS is set, with the container's files.
"""

import json
import os
import shutil
import signal
import stat
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RECORD = "DOCKER_RECORD"
"""The file it writes to."""
ENGINE, PULLED = "DOCKER_ENGINE", "DOCKER_PULLED"
"""`down` without an engine; the images that are there, or `refused`."""
CANNOT_RUN, REAL_PROMETHEUS = "DOCKER_CANNOT_RUN", "DOCKER_REAL_PROMETHEUS"
"""An image whose container does not start; `yes`."""
_VALUES = {"--name", "--label", "--tmpfs", "--cap-drop", "--security-opt", "--network", "--entrypoint"}
_LISTS = {"--publish", "--env", "--volume"}
_FLAGS = {"--rm", "--read-only"}
_UNUSABLE = 125
"""What `docker run` ends with for an option that it does not know."""


class Docker:
    """The stand-in of one test, on the PATH of what the test starts."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._record = folder / "docker.jsonl"
        self._patch = patch
        program = folder / "bin" / "docker"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m {__name__} "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        patch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        patch.setenv(RECORD, str(self._record))

    def behaves(self, **environment: str) -> None:
        for name, value in environment.items():
            self._patch.setenv(name, value)

    def asked(self, word: str) -> list[dict[str, Any]]:
        """What it was asked by a command, in order: its `words`, and the `values` of the variables it was given."""
        lines = self._record.read_text().splitlines() if self._record.exists() else []
        return [said for said in map(json.loads, lines) if said["words"][0] == word]


def parsed(words: list[str]) -> dict[str, Any]:
    """The options, image and command of a `docker run`. Ends the process as it does for an unknown option."""
    found: dict[str, Any] = {name: [] for name in _LISTS}
    while words and words[0].startswith("-"):
        name = words.pop(0)
        if name in _LISTS:
            found[name].append(words.pop(0))
        elif name in _VALUES:
            found[name] = words.pop(0)
        elif name not in _FLAGS:
            sys.stderr.write(f"unknown flag: {name}\n")
            sys.exit(_UNUSABLE)
    return found | {"image": words[0], "command": words[1:]}


def note(words: list[str], **more: Any) -> None:
    with Path(os.environ[RECORD]).open("a", encoding="utf-8") as record:
        record.write(json.dumps({"words": words, **more}) + "\n")


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        note(["posted", self.path])
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def run(asked: dict[str, Any]) -> None:
    if asked["image"] == os.environ.get(CANNOT_RUN):
        sys.stderr.write("docker: Error response from daemon: port is already allocated.\n")
        sys.exit(_UNUSABLE)
    listens = [word.rpartition(":")[2] for word in asked["command"] if word.startswith("--web.listen-address=127.")]
    if os.environ.get(REAL_PROMETHEUS) and "/prometheus:" in asked["image"]:
        run_prometheus(asked)
    ports = [int(published.split(":")[1]) for published in asked["--publish"]] + [int(port) for port in listens]
    if "GF_SERVER_HTTP_PORT" in asked["--env"]:
        ports.append(int(os.environ["GF_SERVER_HTTP_PORT"]))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    for port in ports:
        threading.Thread(target=ThreadingHTTPServer(("127.0.0.1", port), Answers).serve_forever).start()


def run_prometheus(asked: dict[str, Any]) -> None:
    """Become this machine's Prometheus, with the mounted files where it looks for them."""
    mounts = {target: source for source, target, *_ in (each.split(":") for each in asked["--volume"] if ":" in each)}
    folder = Path(tempfile.mkdtemp(dir=Path(os.environ[RECORD]).parent))
    options = dict(word.removeprefix("--").split("=", 1) for word in asked["command"])
    config = yaml.safe_load(Path(mounts[options["config.file"]]).read_text(encoding="utf-8"))
    config["rule_files"] = [mounts[file] for file in config["rule_files"]]
    config["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s"}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    options |= {"config.file": str(folder / "prometheus.yaml"), "storage.tsdb.path": str(folder / "data")}
    program = shutil.which("prometheus")
    assert program
    os.execv(program, [program, *(f"--{name}={value}" for name, value in options.items())])  # noqa: S606  # a container


def main(words: list[str]) -> None:
    variables = [words[place + 1] for place, word in enumerate(words) if word == "--env"]
    note(words, values={name: os.environ.get(name) for name in variables})
    match words:
        case ["version", *_] if os.environ.get(ENGINE) == "down":
            sys.exit("Cannot connect to the Docker daemon. Is the docker daemon running?")
        case ["image", "inspect", image]:
            sys.exit(0 if image in os.environ.get(PULLED, "").split() else f"No such image: {image}")
        case ["pull", *_] if os.environ.get(PULLED) == "refused":
            sys.exit("Error response from daemon: no route to the registry")
        case ["run", *options]:
            run(parsed(options))


if __name__ == "__main__":
    main(sys.argv[1:])
