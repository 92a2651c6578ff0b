"""The index of decisions is made from what each record says of itself."""

from pathlib import Path

import pytest

from tools.decisions import RecordError, page


def test_a_record_stands_in_the_index_with_its_date_and_what_replaced_it(tmp_path: Path) -> None:
    (tmp_path / "0002-a-queue.md").write_text(
        "# 2. A queue\n\nAccepted on 2026-11-22. Replaced in part by\n[decision 3](0003-a-stream.md): a stream.\n"
    )
    (tmp_path / "0003-a-stream.md").write_text("# 3. A stream\n\nAccepted on 2026-11-23.\n\nContext.")

    rows = page(tmp_path).splitlines()[-2:]

    assert rows == [
        "| 2 | [A queue](0002-a-queue.md) | 2026-11-22 | replaced in part by [decision 3](0003-a-stream.md) |",
        "| 3 | [A stream](0003-a-stream.md) | 2026-11-23 | accepted |",
    ]


@pytest.mark.parametrize(
    "beginning",
    ["# 3. A queue\n\nAccepted on 2026-11-22.", "# 2. A queue\n\nContext.", "# 2. A queue\n\nAccepted on Sunday."],
    ids=["another number", "no date", "a date that is none"],
)
def test_a_record_without_its_number_or_date_is_named(tmp_path: Path, beginning: str) -> None:
    (tmp_path / "0002-a-queue.md").write_text(beginning)

    with pytest.raises(RecordError, match=r"0002-a-queue\.md must begin with"):
        page(tmp_path)
