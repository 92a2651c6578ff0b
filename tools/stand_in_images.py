"""Images in the place of Python's, RabbitMQ's and MongoDB's, made of Debian's packages where no registry answers.

    python -m tools.stand_in_images 4.3

prints the variables of deploy/compose.yaml that name them, one a line: BASE_IMAGE is Debian 12 with its Python,
RABBITMQ_IMAGE Debian's RabbitMQ of that series, MONGODB_IMAGE SecantusDB (GPL-2.0) in MongoDB's place. They accept what
the compose file hands the images of those names, and are for tests only: nothing of them is shipped.

It takes a Docker engine, root, Debian's mmdebstrap (installed through apt where we may) and the mirror that this
machine's apt uses; SecantusDB comes from the package index that pip uses, as locked. An image is made once and then
found by what it was made of: `docker image rm` it to have newer packages.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.local import setup
from tools import rabbitmq_root
from tools.debian import DebianError, unpack

FILES = Path(__file__).parent / "stand_in"
SUITES = {"3.10": "bookworm", **rabbitmq_root.SUITES}
"""Debian's suite for each series of RabbitMQ."""
PYTHON = "3.11"
"""That of Debian bookworm, which SecantusDB is installed for."""
OF_THE_IMAGE = {"python_version": PYTHON, "python_full_version": f"{PYTHON}.2"}
RECIPE = "bellhop.made-of"


class StandInError(Exception):
    """The images cannot be made here. Its text is one sentence that says why."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """An image, by what it is made of."""

    name: str
    suite: str
    packages: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    """Paths in the image, by their files below tools/stand_in/."""
    commands: tuple[str, ...] = ()
    """Run in the image by a shell, in the end."""
    changes: tuple[str, ...] = ()
    """Lines of a Dockerfile, as `docker import` takes them."""
    locked: tuple[str, ...] = ()
    """Packages of requirements.txt for /opt/site."""

    @property
    def recipe(self) -> str:
        """A digest of all that."""
        made_of = [self.suite, self.packages, self.commands, self.changes, pins(self.locked)]
        files = {inside: (FILES / file).read_text(encoding="utf-8") for file, inside in self.files.items()}
        return hashlib.sha256(json.dumps([made_of, files], sort_keys=True).encode()).hexdigest()


BASE = StandIn(
    "bellhop-stand-in-python:3.11",
    "bookworm",
    ("python3", "python3-venv", "ca-certificates", "netbase", "tzdata"),
    changes=('CMD ["python3"]',),
)
STORE = StandIn(
    "bellhop-stand-in-mongodb:secantusdb",
    "bookworm",
    ("python3",),
    {
        "mongodb/docker-entrypoint.py": "/usr/local/bin/docker-entrypoint.py",
        "mongodb/mongosh.py": "/usr/local/bin/mongosh",
    },
    commands=(
        "useradd --system --user-group --no-create-home --home-dir /data/db mongodb",
        "install --directory --owner mongodb --group mongodb /data/db /data/configdb",
        "touch /etc/secantusd.toml",
    ),
    changes=(
        "ENV PYTHONPATH=/opt/site LISTEN_ON=0.0.0.0",
        "VOLUME /data/db /data/configdb",
        'ENTRYPOINT ["docker-entrypoint.py"]',
        'CMD ["mongod"]',
    ),
    locked=("secantusdb", "pymongo", "dnspython", "s2sphere", "future", "shapely", "numpy", "python-dateutil", "six"),
)


def broker(series: str) -> StandIn:
    return StandIn(
        f"bellhop-stand-in-rabbitmq:{series}",
        SUITES[series],
        ("rabbitmq-server",),
        {"rabbitmq/docker-entrypoint.sh": "/usr/local/bin/docker-entrypoint.sh"},
        commands=(
            f"test -d /usr/lib/rabbitmq/lib/rabbitmq_server-{series}.*",  # the suite may have a newer one by now
            "rabbitmq-plugins enable --offline rabbitmq_management",
            "chmod 644 /etc/rabbitmq/enabled_plugins",
            "install --directory /etc/rabbitmq/conf.d",
            "echo loopback_users = none > /etc/rabbitmq/conf.d/10-defaults.conf",
        ),
        changes=("VOLUME /var/lib/rabbitmq", 'ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["rabbitmq-server"]'),
    )


def variables(series: str) -> dict[str, str]:
    """The variables of deploy/compose.yaml that name the images of that series, each made now if it is not there yet.

    Raises StandInError.
    """
    images = {"BASE_IMAGE": BASE, "RABBITMQ_IMAGE": broker(series), "MONGODB_IMAGE": STORE}
    return {name: made(image) for name, image in images.items()}


def made(image: StandIn) -> str:
    """The name of that image, made now if the engine does not have it. Raises StandInError."""
    if shutil.which("docker") is None:
        raise StandInError("there is no docker command (Debian: docker.io).")
    if docker("version").returncode:
        raise StandInError("no Docker engine answers.")
    found = docker("image", "inspect", "--format", f'{{{{index .Config.Labels "{RECIPE}"}}}}', image.name)
    if found.returncode == 0 and found.stdout.strip() == image.recipe:
        return image.name
    if os.geteuid() != 0:
        raise StandInError("mmdebstrap makes an image's root file system as root only.")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root.tar"
        hooks = [hook for file, inside in image.files.items() for hook in placed(FILES / file, inside)]
        if image.locked:
            install_locked(Path(folder) / "site", image.locked)
            hooks.append(f"copy-in {Path(folder) / 'site'} /opt")
        hooks += [f"chroot \"$1\" sh -euc '{command}'" for command in image.commands]
        try:
            unpack(image.suite, root, image.packages, variant="minbase", hooks=hooks)
        except DebianError as error:
            raise StandInError(str(error)) from error
        changes = [
            word for change in (*image.changes, f"LABEL {RECIPE}={image.recipe}") for word in ("--change", change)
        ]
        done = docker("import", *changes, str(root), image.name)
    if done.returncode:
        raise StandInError(f"docker import of {image.name} failed: {done.stderr.strip()}.")
    return image.name


def placed(file: Path, inside: str) -> list[str]:
    """Hooks that make a file of this repository a program of the image."""
    return [f"upload {file} {inside}", f'chmod 755 "$1{inside}"']


def install_locked(target: Path, packages: tuple[str, ...]) -> None:
    """Packages as locked, for the image's Python rather than for this one. Raises StandInError."""
    lock = target.with_suffix(".txt")
    lock.write_text(pins(packages))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    exactly = ["--require-hashes", "--only-binary", ":all:", "--python-version", PYTHON]
    command = [*pip, *exactly, "--target", str(target), "-r", str(lock)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StandInError(f"SecantusDB could not be installed by pip: {last}.")


def pins(packages: tuple[str, ...]) -> str:
    """The lock's own lines of those packages, for the image's Python."""
    lines = []
    for found in re.finditer(
        r"^(\S+==.*?)((?: \\\n {4}--hash=\S+)+)", setup.LOCK.read_text(encoding="utf-8"), re.MULTILINE
    ):
        pin = Requirement(found[1])
        if canonicalize_name(pin.name) in packages and (pin.marker is None or pin.marker.evaluate(OF_THE_IMAGE)):
            lines.append(f"{pin.name}{pin.specifier}{found[2]}\n")
    return "".join(lines)


def docker(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *words], check=False, capture_output=True, text=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the images, and print the variables that name them.")
    parser.add_argument("series", choices=SUITES)
    try:
        named = variables(parser.parse_args().series)
    except StandInError as error:
        sys.stderr.write(f"no images for RabbitMQ {sys.argv[1]} here: {error}\n")
        return 1
    sys.stdout.writelines(f"{name}={value}\n" for name, value in named.items())
    return 0


if __name__ == "__main__":
    sys.exit(main())
