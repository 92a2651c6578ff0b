"""What happens at the PSP without this system: refunds made in its dashboard, and disputes that guests' banks open."""

from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

from stripe_sandbox import disputes, intents, refunds
from stripe_sandbox.errors import ApiError, Json
from stripe_sandbox.sandbox import INTERNAL_CALL, Call

if TYPE_CHECKING:
    from tests.simulation.world import World

_FIRST = ("needs_response", "needs_response", "warning_needs_response", "prevented")
_PARTS = (None, None, 100, 500)
"""Minor units; none: all that is left."""


def cancel(world: "World", random: Random) -> None:
    """A payment is cancelled."""
    unpaid = [each for each in world.psp.all("payment_intents") if each["status"] in intents.UNPAID]
    if unpaid:
        chosen = random.choice(unpaid)["id"]
        intents.cancel(world.psp.holder_of(chosen).sandbox, Call(path={"id": chosen}))


def refund(world: "World", random: Random) -> None:
    """A payment is refunded, all or a part: at once, or pending, and then it succeeds or fails."""
    paid, status = _paid(world, random), random.choice(("succeeded", "pending"))
    amount, outcome = random.choice(_PARTS), random.choice(("succeed", "succeed", "fail"))
    after = random.uniform(10.0, 900.0)
    if paid is None:
        return
    sandbox = world.psp.holder_of(paid["id"]).sandbox
    with suppress(ApiError):
        charge = refunds.paid_charge(sandbox, paid)
        details: Any = {"amount": amount, "status": status, "reason": None, "metadata": {}}
        made = refunds.make_refund(sandbox, INTERNAL_CALL, charge, **details)
        if status == "pending":
            _later(world, after, lambda: refunds.settle(sandbox, made, outcome))  # type: ignore[arg-type]


def unrefunded(world: "World") -> Json | None:
    """A payment that was made, and of which nothing was refunded."""
    refunded = {each["payment_intent"] for each in world.psp.all("refunds")}
    paid = (each for each in world.psp.all("payment_intents") if each["status"] == "succeeded")
    return next((each for each in paid if each["id"] not in refunded), None)


def pend(world: "World", *, settles_after: float) -> None:
    """A payment is refunded in part, and that is pending for so many seconds."""
    paid = unrefunded(world)
    assert paid is not None
    sandbox = world.psp.holder_of(paid["id"]).sandbox
    details: Any = {"amount": 100, "status": "pending", "reason": None, "metadata": {}}
    made = refunds.make_refund(sandbox, INTERNAL_CALL, refunds.paid_charge(sandbox, paid), **details)
    _later(world, settles_after, lambda: refunds.settle(sandbox, made, "succeed"))


def dispute(world: "World", random: Random) -> None:
    """A bank asks, or takes the money; it decides, and one side may appeal."""
    paid, first, amount = _paid(world, random), random.choice(_FIRST), random.choice(_PARTS)
    if paid is None:
        return
    with suppress(ApiError):
        sandbox = world.psp.holder_of(paid["id"]).sandbox
        opened = disputes.open_dispute(sandbox, INTERNAL_CALL, paid, amount=amount, status=first)  # type: ignore[arg-type]
        after = 0.0
        for _ in range(random.randrange(4)):
            after += random.uniform(10.0, 600.0)
            _later(world, after, lambda: _proceed(world, random, opened))


def _proceed(world: "World", random: Random, opened: Json) -> None:
    ways = disputes._NEXT.get(opened["status"], ())
    if ways:
        sandbox = world.psp.holder_of(opened["id"]).sandbox
        disputes.proceed(sandbox, opened, random.choice(ways))  # type: ignore[arg-type]


def _paid(world: "World", random: Random) -> Json | None:
    paid = [each for each in world.psp.all("payment_intents") if each["status"] == "succeeded"]
    return random.choice(paid) if paid else None


def _later(world: "World", seconds: float, happen: Any) -> None:
    world.psp.pending += 1

    def then() -> None:
        world.psp.pending -= 1
        with suppress(ApiError):
            happen()

    world.loop.call_at(world.loop.time() + seconds, then, context=world.loop.world.context)
