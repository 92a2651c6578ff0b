"""The objects that Kubernetes gets from each overlay. `python -m tools.kubernetes_manifests --write`; `--check`.

Writing needs `kubectl` (kustomize is part of it), and the network once: every object is validated against Kubernetes'
own schemas by `kubernetes-validate`, whose 100 MB are no dependency of this project. Checking needs neither: the first
line of a rendered file is a digest of what it was rendered from and of the rest of it.
"""

import hashlib
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("small", "production")
WITH_COMPONENTS = ("small-apaleo", "production-tls")
"""Overlays that add a component to another one."""
OLDEST = "1.30"
"""The oldest Kubernetes whose schemas the objects are validated against."""
VALIDATOR = "kubernetes-validate==1.37.0"
CUSTOM = frozenset({"keda.sh/v1alpha1", "rabbitmq.com/v1beta1"})
"""Kinds of operators; the validator has no schemas of them. tests/support/custom_resources.py has our reading."""


def rendered_file(overlay: str, sources: Path = SOURCES) -> Path:
    return sources / "rendered" / f"{overlay}.yaml"


def first_line(body: str, sources: Path = SOURCES) -> str:
    """The line that binds a rendered file to all that it may have been rendered from."""
    digest = hashlib.sha256()
    rendered = sources / "rendered"
    for file in sorted(file for file in sources.rglob("*") if file.is_file() and rendered not in file.parents):
        digest.update(f"{file.relative_to(sources).as_posix()}\0{file.read_text(encoding='utf-8')}\0".encode())
    digest.update(body.encode())
    return f"# By python -m tools.kubernetes_manifests --write: {digest.hexdigest()}\n"


def is_current(overlay: str, sources: Path = SOURCES) -> bool:
    """Whether the rendered file is unchanged, and its sources are, since it was written."""
    file = rendered_file(overlay, sources)
    line, _, body = file.read_text(encoding="utf-8").partition("\n") if file.exists() else ("", "", "")
    return f"{line}\n" == first_line(body, sources)


def objects(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


def render(overlay: str) -> str:
    """What kustomize makes of an overlay. Raises CalledProcessError with kustomize's words on standard error."""
    command = ["kubectl", "kustomize", str(SOURCES / "overlays" / overlay)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def validate(text: str) -> None:
    """Validate all objects of kinds that Kubernetes itself has. Raises CalledProcessError."""
    known = [found for found in objects(text) if found["apiVersion"] not in CUSTOM]
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump_all(known, file)
        file.flush()
        command = [str(uv), "tool", "run", VALIDATOR, "--strict", "--kubernetes-version", OLDEST, file.name]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main(
    write: Annotated[bool, typer.Option("--write", help="Render, validate and write.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 when a file is not current.")] = False,
) -> None:
    """Write or check deploy/kubernetes/rendered. Example: python -m tools.kubernetes_manifests --check"""
    if write == check:
        raise typer.BadParameter("pass one of --write and --check", param_hint="--write")
    for overlay in (*OVERLAYS, *WITH_COMPONENTS):
        if write:
            body = render(overlay)
            validate(body)
            rendered_file(overlay).write_text(first_line(body) + body, encoding="utf-8")
        elif not is_current(overlay):
            name = rendered_file(overlay).relative_to(ROOT)
            sys.stderr.write(
                f"{name} is not current: run `python -m tools.kubernetes_manifests --write`, and commit it.\n"
            )
            raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
