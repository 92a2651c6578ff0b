"""The memory of the store that a local stack starts is bounded by a setting."""

from pathlib import Path

import pytest

from deploy.local.process import PartError
from deploy.local.store import mongod_command, secantus_command


def _option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


@pytest.mark.parametrize(("given", "embedded", "mongod"), [("", "256M", "0.250"), ("1024", "1024M", "1.000")])
def test_either_server_starts_with_the_cache_of_the_setting(
    given: str, embedded: str, mongod: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BELLHOP_STORE_CACHE_MB", given)

    assert _option(secantus_command(tmp_path / "store", 1), "--cache-size") == embedded
    assert _option(mongod_command("mongod", tmp_path, 1), "--wiredTigerCacheSizeGB") == mongod


@pytest.mark.parametrize("given", ["lots", "-1", "255", "1.5"])
def test_a_cache_that_no_server_takes_stops_the_start_with_the_reason(
    given: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BELLHOP_STORE_CACHE_MB", given)

    with pytest.raises(PartError, match=r"BELLHOP_STORE_CACHE_MB .* 256 or more"):
        mongod_command("mongod", tmp_path, 1)
