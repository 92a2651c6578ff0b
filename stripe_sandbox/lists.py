"""Lists as Stripe pages them, newest first, and `expand`."""

from collections.abc import Callable, Iterable
from itertools import dropwhile, islice, takewhile
from typing import Any

from stripe_sandbox.errors import Json, invalid
from stripe_sandbox.forms import integer, only, strings, text
from stripe_sandbox.sandbox import Call, Sandbox, copied

PAGING = ("limit", "starting_after", "ending_before", "created")
EXPANDABLE = (
    *("latest_charge", "payment_method", "charge", "payment_intent", "refund", "refunds"),
    *("balance_transaction", "source"),
)


def page(sandbox: Sandbox, call: Call, prefix: str, url: str, *, filters: Iterable[str] = ()) -> Json:
    """One page of a list, filtered by equality on the named fields and by `created[gt|gte|lt|lte]`."""
    filters = tuple(filters)
    only(call.params, (*PAGING, *filters))
    wanted = {name: value for name in filters if (value := text(call.params, name)) is not None}

    def matches(item: Json) -> bool:
        return all(item.get(name) == value for name, value in wanted.items())

    return cut(sandbox, call, prefix, url, matches)


def cut(sandbox: Sandbox, call: Call, prefix: str, url: str, matches: Callable[[Json], bool]) -> Json:
    limit = integer(call.params, "limit", least=1, most=100) or 10
    after, before = text(call.params, "starting_after"), text(call.params, "ending_before")
    for name, cursor in (("starting_after", after), ("ending_before", before)):
        if cursor is not None:
            sandbox.store.get(cursor, prefix, param=name)
    created = _created(call.params)
    rows = sandbox.store.newest(prefix)
    if after is not None:
        rows = dropwhile(lambda item: item["id"] != after, rows)
        next(rows)
    if before is not None:
        rows = takewhile(lambda item: item["id"] != before, rows)
    found = (item for item in rows if created(item) and matches(item))
    if before is not None:
        newer = list(found)
        data, more = newer[-limit:], len(newer) > limit
    else:
        data = list(islice(found, limit + 1))
        data, more = data[:limit], len(data) > limit
    return {"object": "list", "data": data, "has_more": more, "url": url}


def _created(params: Json) -> Callable[[Json], bool]:
    given = params.get("created")
    if given is None:
        return lambda item: True
    if isinstance(given, str):
        exact = integer(params, "created", least=0, most=10**11)
        return lambda item: bool(item["created"] == exact)
    only(given, ("gt", "gte", "lt", "lte"))
    bounds = {name: integer(given, name, least=0, most=10**11) for name in given}

    def within(item: Json) -> bool:
        at = item["created"]
        tests = {"gt": at.__gt__, "gte": at.__ge__, "lt": at.__lt__, "lte": at.__le__}
        return all(tests[name](bound) for name, bound in bounds.items())

    return within


def expand(sandbox: Sandbox, answer: Json, params: Json) -> Json:
    """The answer with every `expand[]` path replaced by the object its id names. The stored object stays as it is."""
    paths = strings(params, "expand")
    answer = copied(answer) if paths else answer
    for path in paths:
        _expand(sandbox, answer, path.split("."), path)
    return answer


def _expand(sandbox: Sandbox, node: Any, steps: list[str], path: str) -> None:
    if isinstance(node, list):
        for item in node:
            _expand(sandbox, item, steps, path)
        return
    step, *rest = steps
    if step == "refunds" and isinstance(node, dict) and node.get("object") == "charge":
        node[step] = _refunds_of(sandbox, node)
    if not isinstance(node, dict) or step not in node or (step != "data" and step not in EXPANDABLE):
        raise invalid(f"This property cannot be expanded ({path}).", param="expand")
    if isinstance(node[step], str):
        found = sandbox.store.find(node[step])
        node[step] = found and copied(found)
    if rest and node[step] is not None:
        _expand(sandbox, node[step], rest, path)


def _refunds_of(sandbox: Sandbox, charge: Json) -> Json:
    """A charge shows its refunds only when asked to, and no more than ten of them."""
    found = (refund for refund in sandbox.store.newest("re") if refund["charge"] == charge["id"])
    data = [copied(refund) for refund in islice(found, 11)]
    url = f"/v1/charges/{charge['id']}/refunds"
    return {"object": "list", "data": data[:10], "has_more": len(data) > 10, "url": url}
