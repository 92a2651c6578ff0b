"""docs/state-machines.md, made from the code by asking it. `python -m tools.state_machines --write`; `--check`.

Every status meets every message: the page says what the services' own `decide` functions answered.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, assert_never

from chassis.decision import Applied, DeferredReply, Duplicate, Ignored, Refused, Stale, State
from chassis.errors import PermanentError, TransientError
from contracts.catalogue import ExtraStatus
from contracts.message import Message
from contracts.orders import OrderStatus
from payment_service.payment.state import PaymentStage
from tools.generated_file import ROOT, generated_file_command
from tools.state_machine_examples import Machine, machines, when

PAGE = ROOT / "docs" / "state-machines.md"


@dataclass(frozen=True, slots=True)
class Row:
    """How one status answers one message."""

    status: str
    message: str
    becomes: str | None
    outcome: str
    sends: tuple[str, ...] = ()


def rows(machine: Machine) -> Iterator[Row]:
    """Every status meets every message."""
    for status, state in machine.examples.items():
        for name, message in machine.messages.items():
            yield _row(machine, status, state, name, message)


def _row(machine: Machine, status: str, state: State, name: str, message: Any) -> Row:
    try:
        decision = machine.decide(state, message, when(state, message))
    except TransientError as error:
        return Row(status, name, None, f"tried again later: {error}")
    except PermanentError as error:
        return Row(status, name, None, f"parked: {error}")
    match decision:
        case Applied(state=after, messages=messages):
            sent = tuple(_name(each) for each in messages if not isinstance(each, DeferredReply))
            return Row(status, name, _summary(after), "applied", sent)
        case Refused(detail=detail):
            return Row(status, name, None, f"refused: {detail}")
        case Duplicate():
            return Row(status, name, None, "duplicate")
        case Stale(reason=reason) | Ignored(reason=reason):
            return Row(status, name, None, f"{decision.name}: {reason}")
        case _:
            assert_never(decision)


def _name(message: Message) -> str:
    return type(message).__name__


def _summary(state: Any) -> str:
    paid = getattr(state, "payment_status", None)
    return f"{state.status}, {paid}" if paid else str(state.status)


def page() -> str:
    """The whole page, as the code is now. Raises AssertionError for a status without an example: it shows them all."""
    shown = {name.partition(",")[0] for machine in machines() for name in machine.examples}
    if missing := {str(status) for status in (*OrderStatus, *PaymentStage, *ExtraStatus)} - shown:
        raise AssertionError(f"tools/state_machine_examples.py has no example of {', '.join(sorted(missing))}")
    return "\n".join((INTRODUCTION, *(line for machine in machines() for line in _section(machine)), MODEL_CHECK))


def _section(machine: Machine) -> Iterator[str]:
    found = list(rows(machine))
    yield f"## {machine.title}\n"
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {machine.first[1]}: {machine.first[0]}"
    yield from (f"    {line}" for line in dict.fromkeys(_arrows(found)))
    yield "```\n"
    for status in machine.examples:
        yield f"### {status}\n"
        yield "| message | becomes | sends |"
        yield "|---|---|---|"
        here = [row for row in found if row.status == status]
        yield from (_applied(row) for row in here if row.becomes is not None)
        yield from _unchanged([row for row in here if row.becomes is None])
        yield ""


def _arrows(found: Iterable[Row]) -> Iterator[str]:
    """One arrow between two statuses, with everything that leads along it."""
    ways: dict[tuple[str, str], list[str]] = {}
    for row in found:
        source, target = row.status.split(",")[0], (row.becomes or "").split(",")[0]
        if target and target != source:
            ways.setdefault((source, target), []).append(row.message)
    for (source, target), messages in ways.items():
        yield f"{source} --> {target}: {' / '.join(dict.fromkeys(messages))}"


def _applied(row: Row) -> str:
    return f"| {row.message} | {row.becomes} | {', '.join(row.sends) or '-'} |"


def _unchanged(found: list[Row]) -> Iterator[str]:
    """Rows without a change, grouped by reason."""
    why: dict[str, list[str]] = {}
    for row in found:
        why.setdefault(row.outcome, []).append(row.message)
    for outcome, messages in why.items():
        yield f"| {', '.join(messages)} | unchanged; {outcome} | - |"


INTRODUCTION = """# State machines

What every message does to an order and to a payment in every status. This page is generated from the services' own
`decide` functions (`python -m tools.state_machines --write`), and CI fails if it is not current. The diagrams show only
changes of status; the tables show everything.

*Stale* means overtaken by something newer, *ignored* means without effect in this status, *refused* is a reply to the
requester; none of the three changes anything. Statuses with a remark (`cancelled, refund on its way`) are the same
status with other money facts. In the order tables, *becomes* names the status and the payment status.
"""

MODEL_CHECK = """## The model check

The tables have one message at a time. `tests/model/` explores messages that come late, twice, in any order or, for
webhooks about a payment, never: every reachable combination of order, payment, PSP and pending messages for one order,
with the services' own `decide` functions, and the payment service's handlers to find the payment of an event. A crash
between write and publish is a message that comes late. Deliveries, deadlines and polls are not bounded.

**Bounded** are the acts of people, and faults:

- actions of guest and staff;
- events at the PSP: refunds in the dashboard, disputes, failing refunds, changed metadata, lost sessions, a second
  session that is paid, vouchers that are paid for days or expire;
- redeliveries and lost webhooks;
- requests that the PSP leaves unanswered (a refund for weeks) or refuses (a wrong key, a missing permission, an unknown
  id, this object: the adapter's own handlers decide what follows), failures that it stores and repeats, idempotency
  keys that it has forgotten;
- commands for a property with an account of its own that an adapter of an older version handles at the default account,
  and a session of another account that names the payment and is paid;
- messages of any age that an operator replays in any state, after their ids were forgotten;
- one store that is restored from a backup, and then gets its part of the log or, if the log is lost, the corrections
  of `bellhop reconcile`.

Longer random walks through the same model (`test_money_stateful.py`) exceed these bounds.

**In every state**: no order is confirmed without the full amount captured, unless staff accepted it; refunds never
exceed the captures; no refund is made twice; a payment stays at the account of its order, and no money of another
account counts for it; no message is parked; deciding on a handled message again changes
nothing.

**At rest**: a closed order keeps no money without a refund or review; no guest pays twice; no order is stuck; order
and PSP agree about the money; no refund is forgotten, and none is made without a request; a refund that failed or was
made twice is shown on the order (to staff, until it is requested again or settled outside); no refund fails because
our key is refused; no session stays open; no order goes to review because the PSP repeats a failure; a refund that
staff settled outside and the PSP makes later is found; a restored store reaches the same end.

**While no message is pending**: a voucher keeps its order open, a refund without an outcome for two weeks is shown, and
nothing stays authorised on a closed order. Nothing is ever captured without approval where an order needs it.
From every state, deliveries, clocks and the PSP alone lead to a final one. Bugs planted in the decisions, in the
adapter and in the restoring of a store are found, and the real code breaks no law within the same bounds
(`test_planted_bugs.py`).

CI explores 72 bounds when this was written, in two minutes of processor time; with
`BELLHOP_MODEL_DEPTH=deep`, 16 wider ones after them. `python -m tests.model` prints each bound with its number of
states ([figures](testing.md#the-model-of-money)); the bounds are in `tests/model/bounds.py`. The random walks
are the same 500 each time in CI; the deep run takes 5,000 others.
"""


if __name__ == "__main__":
    generated_file_command(PAGE, page, "tools.state_machines")
