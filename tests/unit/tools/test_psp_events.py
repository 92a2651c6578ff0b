"""The page that names the events to subscribe to."""

from psp_adapter.translate import EVENT_TYPES
from tools.psp_events import FILE, page


def test_the_docs_name_every_event_that_the_code_reads() -> None:
    written = FILE.read_text(encoding="utf-8")

    assert written == page()
    assert written.split("```")[1].split() == list(EVENT_TYPES)
