"""Debian suites that this machine does not run, unpacked by mmdebstrap from the mirror that this machine's apt uses."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from deploy.local import setup


class DebianError(Exception):
    """This machine cannot unpack it. Its text is one sentence that says why."""


def unpack(
    suite: str, target: Path, packages: Iterable[str], *, variant: str = "extract", hooks: Iterable[str] = ()
) -> None:
    """A suite's packages into a folder, or into a file that is named `.tar`.

    With the variant `extract` nothing of them is run; the others install them, as root. `hooks` are mmdebstrap's
    customize hooks. Raises DebianError.
    """
    _need_mmdebstrap()
    source = _mirror()
    with tempfile.TemporaryDirectory() as folder:
        # The machine's own ways to its mirror: proxies, and whether an old index is good enough.
        options = Path(folder) / "apt.conf"
        options.write_text(_output(["apt-config", "dump", "Acquire"]))
        included = [f"--include={package}" for package in packages]
        customized = [f"--customize-hook={hook}" for hook in hooks]
        command = ["mmdebstrap", f"--variant={variant}", f"--aptopt={options}", *included, *customized]
        done = subprocess.run([*command, suite, str(target), source], check=False, capture_output=True, text=True)
    if done.returncode:
        error = next((line for line in done.stderr.splitlines() if line.startswith("E: ")), "E: no reason given")
        raise DebianError(f"Debian {suite} could not be unpacked by mmdebstrap: {error.removeprefix('E: ')}.")


def _need_mmdebstrap() -> None:
    if shutil.which("mmdebstrap") is None:
        install("mmdebstrap", "mmdebstrap")


def install(package: str, what: str) -> None:
    """Install a package through apt where we may. Raises DebianError."""
    try:
        setup.LOG.parent.mkdir(parents=True, exist_ok=True)
        setup.install_with_apt(package, what)
    except setup.SetupError as error:
        raise DebianError(str(error).splitlines()[0]) from error


def _mirror() -> str:
    """The Debian mirror among this machine's apt sources. Raises DebianError."""
    if shutil.which("apt-get") is None:
        raise DebianError("unpacking a newer Debian needs a Debian machine: there is no apt-get here.")
    fields = "$(LABEL) $(REPO_URI)"
    for line in _output(["apt-get", "indextargets", "--format", fields, "Created-By: Packages"]).splitlines():
        label, _, uri = line.partition(" ")
        if label == "Debian":
            return uri
    raise DebianError("this machine's apt sources name no Debian mirror.")


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
