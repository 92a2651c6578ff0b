"""Events as Stripe lists them."""

from datetime import UTC, datetime

from stripe_sandbox import forms
from stripe_sandbox.errors import Json, invalid, no_such
from stripe_sandbox.lists import PAGING, cut
from stripe_sandbox.sandbox import Call, Sandbox

_THIN = "evt_test_"
_LISTED_FOR = 30 * 24 * 3600
"""Seconds for which an event can be had. See https://docs.stripe.com/api/events."""


def retrieve(sandbox: Sandbox, call: Call) -> Json:
    return _listed(sandbox, call.path["id"])


def _listed(sandbox: Sandbox, event_id: str) -> Json:
    event = sandbox.store.get(event_id, "evt")
    if not _is_listed(sandbox, event):
        raise no_such("event", event_id)
    return event


def _is_listed(sandbox: Sandbox, event: Json) -> bool:
    return bool(event["created"] > sandbox.seconds() - _LISTED_FOR)


def thin(event: Json) -> Json:
    """The event as an event destination with thin payloads gets it (https://docs.stripe.com/event-destinations)."""
    about = event["data"]["object"]
    kind = about.get("object", "")
    at = datetime.fromtimestamp(event["created"], UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "id": _THIN + event["id"].removeprefix("evt_"),
        "object": "v2.core.event",
        "type": f"v1.{event['type']}",
        "created": at,
        "context": None,
        "livemode": event["livemode"],
        "reason": None,
        "related_object": {"id": about.get("id"), "type": kind, "url": f"/v1/{kind}s/{about.get('id')}"},
        "snapshot_event": event["id"],
    }


def retrieve_thin(sandbox: Sandbox, call: Call) -> Json:
    return thin(_listed(sandbox, "evt_" + call.path["id"].removeprefix(_THIN)))


def list_all(sandbox: Sandbox, call: Call) -> Json:
    """Filtered by `type` (a trailing `*` matches a family) or by `types[]`."""
    forms.only(call.params, (*PAGING, "type", "types"))
    kind, kinds = forms.text(call.params, "type"), forms.strings(call.params, "types")
    if kind is not None and kinds:
        raise invalid("Send type or types, not both.", param="types")
    wanted = [kind] if kind is not None else kinds

    def matches(event: Json) -> bool:
        is_wanted = not wanted or any(_is(event["type"], pattern) for pattern in wanted)
        return is_wanted and _is_listed(sandbox, event)

    return cut(sandbox, call, "evt", "/v1/events", matches)


def _is(kind: str, pattern: str) -> bool:
    return kind.startswith(pattern[:-1]) if pattern.endswith("*") else kind == pattern
