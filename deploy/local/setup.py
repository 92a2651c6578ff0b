"""`make setup`: installs everything Bellhop needs into .venv/ and .bellhop/. Requires only the system's Python.

With `--tests`, which `make test` gives, also what only tests need: a Chromium for the pages, promtool for the alarms.
Later runs only compare a stamp. The lock holds no address: uv and pip use the index of this machine.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
STAMP = VENV / "bellhop-setup-stamp"
LOG = ROOT / ".bellhop" / "logs" / "setup.log"
LOCK = ROOT / "requirements.txt"
FLOOR = (3, 11)
POLICY = Path("/usr/sbin/policy-rc.d")
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
RABBITMQ_PLACES = ("/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin", "/opt/rabbitmq/sbin")
APT = threading.Lock()


class SetupError(Exception):
    """Set-up cannot continue. The text says what to do."""


def main() -> int:
    began = time.monotonic()
    for_tests = "--tests" in sys.argv[1:]
    wants_browser = for_tests and may_install_browser()
    wants_promtool = for_tests and may_install_promtool()
    try:
        if sys.version_info < FLOOR:
            raise SetupError(
                f"Python {sys.version.split()[0]} is too old: Bellhop needs {FLOOR[0]}.{FLOOR[1]} or newer. "
                "Name another one: make PYTHON=python3.11"
            )
        LOG.parent.mkdir(parents=True, exist_ok=True)
        with LOG.with_name("setup.lock").open("w") as alone:
            fcntl.flock(alone, fcntl.LOCK_EX)  # two `make` at once: the second waits and finds everything done
            if (
                is_current()
                and not (wants_browser and browser_is_missing())
                and not (wants_promtool and promtool_is_missing())
            ):
                return 0
            say("setting up (details in .bellhop/logs/setup.log)")
            LOG.write_text("")
            steps = [prepare_python, prepare_broker]
            steps += [prepare_browser] if wants_browser else []
            steps += [prepare_promtool] if wants_promtool else []
            with ThreadPoolExecutor(len(steps)) as pool:
                for done in [pool.submit(one) for one in steps]:
                    done.result()
            STAMP.write_text(fingerprint())
    except SetupError as problem:
        sys.stderr.write(f"setup: {problem}\n")
        return 1
    say(f"ready in {time.monotonic() - began:.1f} s")
    return 0


def is_current() -> bool:
    """Whether the last setup was for these very files and this Python, and the broker is still there."""
    stamped = STAMP.exists() and STAMP.read_text() == fingerprint()
    return stamped and PYTHON.exists() and not broker_is_missing()


def fingerprint() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for file in (LOCK, ROOT / "pyproject.toml", Path(__file__)):
        digest.update(file.read_bytes())
    return f"{digest.hexdigest()} {ROOT}\n"  # scripts in a venv contain its path, so a moved tree is set up again


def prepare_python() -> None:
    """The virtual environment, exactly as locked, and Bellhop itself in it, editable."""
    if not has_pip():
        with step("virtual environment"):
            if not has_ensurepip():
                install_with_apt(f"python{sys.version_info[0]}-venv", "Python's venv module (ensurepip)")
            run([sys.executable, "-m", "venv", "--clear", str(VENV)])
    with step("packages"):
        pin_only = VENV / "uv-pin.txt"
        pin_only.write_text(pin_of("uv"))
        run([PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "-r", pin_only])
        if not run([UV, "pip", "sync", "--compile-bytecode", "--python", PYTHON, "--require-hashes", LOCK], must=False):
            # pip follows settings of the machine that uv does not read: pip.conf, keyrings.
            run([PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "-r", LOCK])
    with step("bellhop itself"):
        run([UV, "pip", "install", "--python", PYTHON, "--no-deps", "--no-build-isolation", "--offline", "-e", ROOT])


def prepare_broker() -> None:
    """A rabbitmq-server on this machine, unless BELLHOP_AMQP_URL names one elsewhere."""
    if broker_is_missing():
        with step("rabbitmq-server through apt"):
            install_with_apt(
                "rabbitmq-server",
                "rabbitmq-server",
                otherwise=", or set BELLHOP_AMQP_URL to a broker that runs elsewhere",
            )


def prepare_browser() -> None:
    """A Chromium for the tests of the guest's page. Playwright's own browsers are not needed."""
    if browser_is_missing():
        with step("chromium through apt"):
            install_with_apt("chromium", "Chromium")


def prepare_promtool() -> None:
    """Prometheus's own tool, which tests the alarms. No Prometheus is started."""
    if promtool_is_missing():
        with step("promtool through apt"):
            install_with_apt("prometheus", "promtool")


def may_install_promtool() -> bool:
    """Whether it exists or may be installed; otherwise reports what is missing. Only tests need it."""
    if not promtool_is_missing() or may_use_apt():
        return True
    say("promtool is missing, so the tests of the alarms will be skipped. Install it (Debian: prometheus).")
    return False


def promtool_is_missing() -> bool:
    return shutil.which("promtool") is None


def may_install_browser() -> bool:
    """Whether it exists or may be installed; otherwise reports what is missing. Only tests need it."""
    if not browser_is_missing() or (may_use_apt() and not is_ubuntu()):
        return True
    say(
        "Chromium is missing, so the tests of the guest's page will be skipped. Install it (Debian: "
        "sudo apt-get install chromium; Ubuntu: Google Chrome's package), or set BELLHOP_TEST_CHROMIUM to the program."
    )
    return False


def is_ubuntu() -> bool:
    """Whether the package named chromium is only a pointer to a snap, as on Ubuntu."""
    release = Path("/etc/os-release")
    return release.exists() and re.search(r"^ID=\"?ubuntu", release.read_text(), re.MULTILINE) is not None


def browser_is_missing() -> bool:
    return not os.environ.get("BELLHOP_TEST_CHROMIUM") and not any(map(shutil.which, CHROMIUMS))


def may_use_apt() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def broker_is_missing() -> bool:
    if os.environ.get("BELLHOP_AMQP_URL") or shutil.which("rabbitmq-server"):
        return False
    return not any(os.access(f"{place}/rabbitmq-server", os.X_OK) for place in RABBITMQ_PLACES)


def has_pip() -> bool:
    """Whether the virtual environment is there and whole."""
    if not PYTHON.exists():
        return False
    return subprocess.run([PYTHON, "-c", "import pip"], check=False, capture_output=True).returncode == 0


def has_ensurepip() -> bool:
    with contextlib.suppress(ImportError):
        import ensurepip  # noqa: F401, PLC0415  # Debian ships Python without it

        return True
    return False


def pin_of(package: str) -> str:
    """A package's own lines of the lock: its version and hashes."""
    found = re.search(rf"^{re.escape(package)}==.*(?:\n {{4}}--hash=.*)+", LOCK.read_text(), re.MULTILINE)
    if found is None:
        raise SetupError(f"requirements.txt pins no {package}; run `make lock`.")
    return found[0].rstrip("\\ ") + "\n"


def install_with_apt(package: str, what: str, *, otherwise: str = "") -> None:
    """Install a Debian package if permitted; otherwise raise with what to install."""
    if not may_use_apt():
        brew = "; macOS: brew install rabbitmq" if package.startswith("rabbitmq") else ""
        how = f"Install it (Debian, Ubuntu: sudo apt-get install {package}{brew}){otherwise}, then run make again."
        raise SetupError(f"{what} is missing. {how}")
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    with APT, no_service_starts():
        quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        run([*apt, "update"], env=quiet, must=False)  # an outdated list may still do
        run([*apt, "install", "-y", "--no-install-recommends", package], env=quiet)


@contextlib.contextmanager
def no_service_starts() -> Iterator[None]:
    """Prevent packages from starting their service: ours is an ordinary process. An existing policy is kept."""
    ours = not POLICY.exists() and not POLICY.is_symlink()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)


def run(command: list[object], *, env: dict[str, str] | None = None, must: bool = True) -> bool:
    """Run a command with its output in the log; a failure shows the end of it."""
    words = [str(word) for word in command]
    with LOG.open("a") as log:
        log.write(f"$ {' '.join(words)}\n")
        log.flush()
        code = subprocess.run(words, check=False, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **(env or {})})
    if must and code.returncode:
        tail = "\n".join(f"  | {line}" for line in LOG.read_text(errors="replace").splitlines()[-20:])
        raise SetupError(f"`{' '.join(words)}` ended with code {code.returncode}. The end of {LOG}:\n{tail}")
    return code.returncode == 0


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    say(f"{what:<28} {time.monotonic() - began:6.1f} s")


def say(what: str) -> None:
    sys.stdout.write(f"setup: {what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
