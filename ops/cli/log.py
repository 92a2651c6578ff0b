"""`bellhop log`: follows and searches the message log, and replays parts of it to a queue."""

from contextlib import aclosing
from typing import Annotated

import typer

from chassis.messaging.envelope import utc_now
from chassis.web.tokens import OperatorRole
from contracts.log import LogGap
from deploy.local.system_env import DATA_DIR
from ops.cli.console import (
    AsJson,
    DataDir,
    OnBehalfOf,
    Yes,
    acting_as,
    console,
    needs,
    print_line,
    stderr,
    with_session,
)
from ops.cli.filters import takes_filter
from ops.cli.plans import AcceptChanges, Again, Rate, WhyToRun, carry_out, show_plan
from ops.core import replay_planning as planning
from ops.core.message_log.gaps import Gaps
from ops.core.message_log.search import is_from, matching, offset_of
from ops.core.message_log.stream import Offset
from ops.core.messages import WORK_QUEUES, Filter, RecordedMessage
from ops.core.replay.run import RunOptions
from ops.core.session import OperatorSession

NAME = "log"
app = typer.Typer(no_args_is_help=True, help="Every command and event of the last seven days.")

From = Annotated[
    str, typer.Option("--from", help="Where to begin: first, an offset (1234), or a time (15m, 2h, 12:30).")
]


@app.command()
@needs(OperatorRole.READER)
@takes_filter(without=("since", "until"))
def tail(
    wanted: Filter,
    begin: Annotated[str, typer.Option("--from", help="next, first, an offset, or a time.")] = "next",
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Print messages as they pass, until Ctrl-C.

    Example: `bellhop log tail --kind '*refund*' --from 15m`
    """
    offset = _offset(begin)

    async def work(desk: OperatorSession) -> None:
        async with aclosing(desk.log.follow(offset)) as messages:
            async for seen in messages:
                if wanted.matches(seen) and is_from(seen, offset):
                    _print(seen, as_json=as_json)
                if seen.kind == LogGap.wire_kind():
                    gaps = Gaps()
                    gaps.see(seen)
                    stderr.print(*gaps.sentences(), markup=False, soft_wrap=True)

    try:
        with_session(data_dir, work)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


@app.command()
@needs(OperatorRole.READER)
@takes_filter()
def find(
    wanted: Filter,
    begin: From = "first",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 1000,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Print the messages in the log, the oldest first, and its gaps.

    Example: `bellhop log find --order ord_x5ktwqtz5k33wqfsomqgmo5mhj --json`

    Exit code 1 when nothing fits.
    """
    offset = wanted.since or _offset(begin)
    gaps = Gaps()

    async def work(desk: OperatorSession) -> int:
        found = 0
        async with aclosing(matching(desk.log, offset, wanted, gaps)) as messages:
            async for seen in messages:
                _print(seen, as_json=as_json)
                found += 1
                if found == limit:
                    stderr.print(f"… and perhaps more: --limit is {limit}.", markup=False)
                    break
        return found

    found = with_session(data_dir, work)
    for sentence in gaps.sentences():
        stderr.print(sentence, markup=False, soft_wrap=True)
    if not found:
        stderr.print(f"The log has nothing for {wanted}.", markup=False, soft_wrap=True)
        raise typer.Exit(1)


@app.command()
@needs(OperatorRole.REPLAYER)
@takes_filter(without=("queue", "error"))
def replay(
    to: Annotated[
        list[str], typer.Option(help="The work queue they are sent to, such as extras.payments. May be given again.")
    ],
    wanted: Filter,
    begin: From = "first",
    why: WhyToRun = None,
    who: OnBehalfOf = None,
    rate: Rate = 10.0,
    stop_after: Annotated[int, typer.Option(min=1, help="Stop when so many have failed.")] = 1,
    accept_changes: AcceptChanges = False,
    again: Again = False,
    yes: Yes = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Plan a replay of messages of the log to one service's queues, show the forecasts, and run that plan.

    Only messages that went to these queues are taken, in the log's order; no other queue gets them.

    Examples:

    `bellhop log replay --to extras.payments --since 2h --kind 'payments.*' --why "INC-42"`

    `bellhop log replay --to payments.commands --to payments.psp --since 06:00 --why "payments restored, INC-42"`

    Exit codes as for `bellhop dead replay`.
    """
    names = [queue.name for queue in WORK_QUEUES]
    for queue in to:
        if queue not in names:
            raise typer.BadParameter(f"{queue!r} is none of {', '.join(names)}", param_hint="--to")
    offset = wanted.since or _offset(begin)

    with console.status("reading the log"):
        plan, items = with_session(data_dir, lambda desk: planning.of_log(desk, to, wanted, offset, acting_as(who)))
    if not items:
        stderr.print(f"Nothing to replay: the log has nothing for {plan.description}.", markup=False, soft_wrap=True)
        raise typer.Exit(2)
    if not as_json:
        show_plan(plan, items)
    orders = RunOptions(acting_as(who), why or "", rate, stop_after, accept_changes, again)
    carry_out(data_dir, plan, orders, yes=yes, as_json=as_json)


def _offset(text: str) -> Offset:
    try:
        return offset_of(text, utc_now())
    except ValueError as unreadable:
        raise typer.BadParameter(str(unreadable), param_hint="--from") from None


def _print(seen: RecordedMessage, *, as_json: bool) -> None:
    if as_json:
        print_line(seen.model_dump_json())
        return
    when = f"{seen.sent_at:%m-%d %H:%M:%S}" if seen.sent_at else "-"
    failure = f"  {seen.error_type}: {seen.error}" if seen.error else ""
    line = f"{seen.offset:>8}  {when}  {seen.kind:<38}  {seen.order_id or '-':<32} {seen.message_id}{failure}"
    console.print(line, markup=False, soft_wrap=True, style="red" if failure else None)
