"""RabbitMQ of a series that this machine does not have: a newer Debian, unpacked into a folder and never installed.

    python -m tools.rabbitmq_root 4.3

prints the path of a `rabbitmq-server` that takes the place of the machine's own (set BELLHOP_RABBITMQ_SERVER to it).
The folder is `.bellhop/rabbitmq/<series>`, or `<series>` below BELLHOP_RABBITMQ_ROOTS, about 220 MB, made in seconds
and only once. It needs Debian's `mmdebstrap` (installed through apt where we may), Linux's `unshare`, and the
Debian mirror that this machine's apt uses.
"""

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.local import setup
from tools.debian import DebianError, unpack

SUITES = {"4.0": "trixie", "4.3": "forky"}
"""Debian's suite for each series of RabbitMQ."""

ROOTS = setup.ROOT / ".bellhop" / "rabbitmq"

# The root's /usr lies over the machine's, for this process and its children alone. All other paths stay what they are,
# and so do the process id and the environment.
LAUNCHER = """\
#!/bin/sh
root=$(cd "$(dirname "$0")" && pwd)
[ "$(id -u)" = 0 ] || user=--map-root-user
exec unshare --mount $user /bin/sh -c 'mount --bind "$0/usr" /usr && exec "$@"' \\
    "$root" /usr/lib/rabbitmq/bin/rabbitmq-server "$@"
"""


class RootError(Exception):
    """This machine cannot have that RabbitMQ. Its text is one sentence that says why."""


def rabbitmq_server(series: str) -> Path:
    """The start script of a RabbitMQ of this series, unpacked now if it is not there yet. Raises RootError."""
    roots = Path(os.environ.get("BELLHOP_RABBITMQ_ROOTS") or ROOTS).resolve()
    program = roots / series / "rabbitmq-server"
    roots.mkdir(parents=True, exist_ok=True)
    with (roots / f"{series}.lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        if not program.exists():
            with tempfile.TemporaryDirectory(dir=roots) as unfinished:
                root = Path(unfinished) / series
                _unpack(series, root)
                (root / program.name).write_text(LAUNCHER)
                (root / program.name).chmod(0o755)
                root.rename(program.parent)
    _try_out(program.parent)
    return program


def _unpack(series: str, root: Path) -> None:
    """Debian's packages for that series into a folder; nothing of them is run."""
    suite = SUITES[series]
    try:
        unpack(suite, root, ["?essential", "rabbitmq-server"])
    except DebianError as error:
        raise RootError(str(error)) from error
    versions = [each.name.removeprefix("rabbitmq_server-") for each in root.glob("usr/lib/rabbitmq/lib/*")]
    if [version for version in versions if version.startswith(f"{series}.")] != versions:
        raise RootError(f"Debian {suite} has RabbitMQ {', '.join(versions)} now, no {series}: change SUITES.")


def _try_out(root: Path) -> None:
    """Whether this machine lets a process have its own /usr."""
    if shutil.which("unshare") is None:
        raise RootError("running a newer Debian's RabbitMQ needs Linux's unshare (Debian: util-linux).")
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    mount = ["unshare", "--mount", *user, "mount", "--bind", str(root / "usr"), "/usr"]
    done = subprocess.run(mount, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RootError(f"this machine does not let a process have its own /usr: {done.stderr.strip()}.")


def main() -> int:
    parser = argparse.ArgumentParser(description="Print the path of a rabbitmq-server of that series.")
    parser.add_argument("series", choices=SUITES)
    try:
        program = rabbitmq_server(parser.parse_args().series)
    except RootError as error:
        sys.stderr.write(f"RabbitMQ {sys.argv[1]} is not tested here: {error}\n")
        return 1
    sys.stdout.write(f"{program}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
