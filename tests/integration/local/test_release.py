"""The files of a release, made and tried out as `make release` does, but for what git says of the checkout."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from tools import release


@pytest.mark.timeout(600)
def test_a_release_can_be_built_twice_alike_installed_and_started(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()

    wheel = release.build_wheel(first)
    again = release.build_wheel(second)
    try:
        python = release.environment(tmp_path / "environment")
    except subprocess.CalledProcessError:  # the set-up has compared the same packages with the same hashes
        pytest.skip("NOT TESTED: whether a release can be installed, for no package index can be reached.")
    bill = release.bill_of_materials(python, is_validated=False)
    release.try_out(wheel, python)

    assert wheel.read_bytes() == again.read_bytes()
    assert wheel.name == f"bellhop-{release.version()}-py3-none-any.whl"
    rooms = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert not rooms & {"tests", "tools", "benchmarks", "docs"}
    about = bill["metadata"]["component"]
    assert (about["name"], about["version"]) == ("bellhop", release.version())
    named = {each["name"]: each for each in bill["components"]}
    assert {"pydantic", "stripe", "faststream"} <= set(named)
    assert not {"pytest", "SecantusDB", "bellhop"} & set(named)
    references = {each["bom-ref"] for each in (*bill["components"], about)}
    for dependency in bill["dependencies"]:
        assert {dependency["ref"], *dependency.get("dependsOn", [])} <= references
    assert str(tmp_path) not in str(bill)
