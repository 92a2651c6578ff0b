"""Events as Stripe lists them."""

from deploy.local.stripe_sandbox import forms
from deploy.local.stripe_sandbox.errors import Json, invalid
from deploy.local.stripe_sandbox.lists import PAGING, cut
from deploy.local.stripe_sandbox.sandbox import Call, Sandbox


def retrieve(sandbox: Sandbox, call: Call) -> Json:
    return sandbox.store.get(call.path["id"], "evt")


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
