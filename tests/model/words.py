"""A trace as a person reads it: what happened, and what it changed."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from tests.model.steps import Model
from tests.model.world import Step, World


def described(model: Model, way: Iterable[World]) -> Iterator[str]:
    """One sentence for each step on this way."""
    for before, after in pairwise(way):
        step = next(step for step in model.steps(before) if step.world == after)
        yield words(model, before, step)


def words(model: Model, before: World, step: Step) -> str:
    """One step: who did what, and what it changed."""
    name = f" {model.book.messages[step.message].kind.split('.')[1]}" if step.message >= 0 else ""
    changes = tuple(_changes(model, before, step.world))
    return f"{step.what}{name}" + (f"  [{', '.join(changes)}]" if changes else "")


def standing(model: Model, world: World) -> str:
    """Where order and payment stand."""
    return f"order {_order(model, world)}, payment {_payment(model, world)}"


def _changes(model: Model, before: World, after: World) -> Iterator[str]:
    book = model.book
    for what, old, new in (
        ("order", _order(model, before), _order(model, after)),
        ("payment", _payment(model, before), _payment(model, after)),
        ("PSP", _psp(model, before), _psp(model, after)),
    ):
        if old != new:
            yield f"{what}: {old} -> {new}"
    sent = list(after.flight)
    for item in before.flight:
        if item in sent:
            sent.remove(item)
    names = [book.messages[item // 8].kind.split(".")[1] for item in sent]
    if names:
        yield f"sent: {', '.join(names)}"


def _order(model: Model, world: World) -> str:
    order = model.book.orders[world.order]
    return f"{order.status}/{order.payment_status}" if order else "none"


def _payment(model: Model, world: World) -> str:
    payment = model.book.payments[world.payment]
    return str(payment.status) if payment else "none"


def _psp(model: Model, world: World) -> str:
    psp = model.book.psps[world.psp]
    sessions = [session.status for session in psp.sessions]
    refunds = [f"refund {refund.refund_id} {refund.amount} {refund.state}" for refund in psp.refunds]
    return "; ".join([*sessions, *refunds, *([f"dispute {psp.dispute}"] if psp.dispute else [])]) or "nothing"
