"""The shipped compose file, run: a project of its own on this machine's Docker engine, on free ports of 127.0.0.1."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.local.ports import HOST, free_port
from tests.support.compose import FILE, ROOT, variables
from tools.with_docker import compose

IMAGES = ("BASE_IMAGE", "RABBITMQ_IMAGE", "MONGODB_IMAGE")
"""Variables that `python -m tools.stand_in_images` prints. Without them the file's own images run."""
OURS = re.compile(r"BELLHOP_|STRIPE_|COMPOSE_|RABBITMQ_|MONGODB_|BUILD_|\w+_(ADDRESS|URL)$|(IMAGE|CATALOGUE)$")
AT_THE_INDEX = ("index-url", "extra-index-url", "proxy", "trusted-host", "timeout", "retries")
"""Settings of pip that say where packages come from, and that mean the same in a container unless they are paths."""
AUTHORITIES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


class Composition:
    """One project of Compose."""

    def __init__(self, folder: Path, project: str, settings: Path) -> None:
        """`settings` is an environment file as docs/docker.md makes it; `folder` takes what is made for the build."""
        found = compose()
        assert found
        self.project = project
        self.settings = variables(settings.read_text())
        self.made_up_word = f"made-up-{os.urandom(8).hex()}"
        self.command = [*found, "--env-file", str(settings), "-f", str(FILE)]
        parts = ("GATEWAY", "WEBHOOK", "OPS_PAGE", "SANDBOX")
        self.addresses = {part: f"{HOST}:{free_port()}" for part in parts}
        kept = {name: value for name, value in os.environ.items() if name in IMAGES or not OURS.match(name)}
        self.environment = {
            **kept,
            **build_secrets(folder, self.made_up_word),
            **{f"{part}_ADDRESS": address for part, address in self.addresses.items()},
            "COMPOSE_PROJECT_NAME": project,
            "IMAGE": f"{project}:test",
            "BELLHOP_STRIPE_JS_URL": f"http://{self.addresses['SANDBOX']}/v3/",
        }

    def url(self, part: str) -> str:
        """Where that part is reached: GATEWAY, WEBHOOK, OPS_PAGE or SANDBOX."""
        return f"http://{self.addresses[part]}"

    def compose(self, *words: str, check: bool = True, **environment: str) -> str:
        """What a command of Compose prints. Fails with all that it said."""
        return run([*self.command, *words], self.environment | environment, check=check)

    def docker(self, *words: str) -> str:
        return run(["docker", *words], self.environment)

    def documented(self, command: str) -> str:
        """What a command of docs/docker.md prints here."""
        command = command.replace("docker compose -f deploy/compose.yaml", shlex.join(self.command))
        command = command.replace("http://127.0.0.1:8080", self.url("GATEWAY"))
        return run(["sh", "-euc", command], self.environment)

    def containers(self) -> dict[str, dict[str, Any]]:
        """What the engine knows of each container of the project, by the name of its service."""
        ids = self.compose("ps", "--all", "--quiet").split()
        known = json.loads(self.docker("inspect", *ids))
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in known}

    def up(self, *words: str) -> None:
        """Start it, until every part is healthy. Fails with the end of the logs of those that are not."""
        try:
            self.compose("up", "--detach", "--wait", *words)
        except AssertionError as failure:
            ill = [name for name, each in self.containers().items() if not is_healthy(each)]
            logs = self.compose("logs", "--tail", "20", *ill, check=False)
            raise AssertionError(f"{failure}\nnot healthy: {', '.join(ill)}\n{logs}") from None


@contextmanager
def composed(folder: Path, settings: Path) -> Iterator[Composition]:
    """The whole stack for the length of a with-block, built from this working tree; nothing of it is left behind."""
    stack = Composition(folder, f"bellhop-test-{os.urandom(4).hex()}", settings)
    try:
        stack.up("--build")
        yield stack
    finally:
        stack.compose("--profile", "*", "down", "--volumes", "--timeout", "10", check=False)
        run(["docker", "image", "rm", "--force", stack.environment["IMAGE"]], stack.environment, check=False)


def is_healthy(container: Mapping[str, Any]) -> bool:
    return bool(container["State"].get("Health", {}).get("Status") == "healthy")


def build_secrets(folder: Path, made_up_word: str) -> dict[str, str]:
    """The package index of this machine and the authorities it is verified with, as the build takes them.

    Both files contain the word, so that it can be looked for in what was built. Files that BUILD_PIP_CONF and
    BUILD_AUTHORITIES name are taken in their place.
    """
    lines = [f"# {made_up_word}", "[global]", *(f"{name} = {value}" for name, value in index_settings().items())]
    named = os.environ.get("BUILD_PIP_CONF")
    configuration = folder / "pip.conf"
    configuration.write_text("\n".join(lines) + "\n" if not named else f"# {made_up_word}\n{Path(named).read_text()}")
    files = {"BUILD_PIP_CONF": str(configuration)}
    bundle = os.environ.get("BUILD_AUTHORITIES") or next(filter(None, map(os.environ.get, AUTHORITIES)), None)
    if bundle:
        authorities = folder / "authorities.pem"
        authorities.write_text(f"# {made_up_word}\n{Path(bundle).read_text()}")
        files["BUILD_AUTHORITIES"] = str(authorities)
    return files


def index_settings() -> dict[str, str]:
    """Those of pip's settings on this machine, variables before files, that lead to its package index."""
    listed = run([sys.executable, "-m", "pip", "config", "list"], dict(os.environ))
    found: dict[str, str] = {}
    for name, value in re.findall(r"^(?:\w+|:env:)\.([\w-]+)='(.*)'$", listed, re.MULTILINE):
        if name in AT_THE_INDEX and "file:" not in value:
            found.setdefault(name, value)
    return found


def run(command: list[str], environment: Mapping[str, str], *, check: bool = True) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=ROOT)
    assert not check or done.returncode == 0, (
        f"`{shlex.join(command)}` ended with code {done.returncode}:\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    )
    return done.stdout
