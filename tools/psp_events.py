"""`python -m tools.psp_events --write`: the events to subscribe to, as a page; `--check`: is it current?"""

from psp_adapter.stripe_http import API_VERSION
from psp_adapter.translate import EVENT_TYPES
from tools.generated_file import ROOT, generated_file_command

FILE = ROOT / "docs" / "psp-events.md"

_TEXT = """# Events to subscribe to at Stripe

Written by `python -m tools.psp_events --write` from the code that reads them; `make check` fails when it is stale.

A webhook endpoint for `https://your.host/webhooks/stripe` needs these events, in the API version `{version}`.
A missing one is found by the backfill from Stripe's list instead, up to ten minutes later. Any other event is
answered with 2xx and ignored. `bellhop psp check` compares an endpoint with this list.

An event destination with thin payloads may send to the same address, beside an endpoint or instead of it: the same
events with `v1.` before their names, and its secret beside the others in `STRIPE_WEBHOOK_SECRET`. The object that a
thin event names is fetched and reported in its current state; while it cannot be fetched the answer is 503, so Stripe
repeats the event.

```
{events}
```
"""


def page() -> str:
    """The page, generated from the code."""
    return _TEXT.format(version=API_VERSION, events="\n".join(EVENT_TYPES))


if __name__ == "__main__":
    generated_file_command(FILE, page, "tools.psp_events")
