"""An environment file as docs/docker.md makes it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.compose import EXAMPLE, ROOT


@pytest.fixture(scope="module")
def made_by_the_docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `.env` made with the command of docs/docker.md, in a folder of its own."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, and docs/docker.md makes its secrets with it")
    command = re.search(
        r"^```sh\n(\( umask.*?)^```", (ROOT / "docs" / "docker.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert command
    folder = tmp_path_factory.mktemp("docs")
    (folder / "deploy").mkdir()
    shutil.copy(EXAMPLE, folder / "deploy")
    subprocess.run(["sh", "-euc", command[1]], cwd=folder, check=True)
    return folder / "deploy" / ".env"
