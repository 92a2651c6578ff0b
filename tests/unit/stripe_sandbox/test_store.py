"""The sandbox's file has the newest state, whichever thread writes last."""

from pathlib import Path

from stripe_sandbox.store import Store


def test_a_write_that_was_overtaken_does_not_bring_an_older_state_back(tmp_path: Path) -> None:
    store = Store(tmp_path / "sandbox.json", save_every=0.01)
    overtaken = store._snapshot()  # taken for a thread that has not begun to write when the sandbox stops
    store.state.clock_ahead_s = 86_400.0

    store.save()
    store._write(*overtaken)

    again = Store(tmp_path / "sandbox.json", save_every=0.01)
    again.load()
    assert again.state.clock_ahead_s == 86_400.0
    assert [file.name for file in tmp_path.iterdir()] == ["sandbox.json"]
