"""Events as Stripe lists them."""

from datetime import UTC, datetime

from deploy.local.stripe_sandbox import forms
from deploy.local.stripe_sandbox.errors import Json, invalid
from deploy.local.stripe_sandbox.lists import PAGING, cut
from deploy.local.stripe_sandbox.sandbox import Call, Sandbox

_THIN = "evt_test_"


def retrieve(sandbox: Sandbox, call: Call) -> Json:
    return sandbox.store.get(call.path["id"], "evt")


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
    return thin(sandbox.store.get("evt_" + call.path["id"].removeprefix(_THIN), "evt"))


def list_all(sandbox: Sandbox, call: Call) -> Json:
    """Filtered by `type` (a trailing `*` matches a family) or by `types[]`."""
    forms.only(call.params, (*PAGING, "type", "types"))
    kind, kinds = forms.text(call.params, "type"), forms.many(call.params, "types")
    if kind is not None and kinds:
        raise invalid("Send type or types, not both.", param="types")
    wanted = [kind] if kind is not None else kinds

    def matches(event: Json) -> bool:
        return not wanted or any(_is(event["type"], pattern) for pattern in wanted)

    return cut(sandbox, call, "evt", "/v1/events", matches)


def _is(kind: str, pattern: str) -> bool:
    return kind.startswith(pattern[:-1]) if pattern.endswith("*") else kind == pattern
