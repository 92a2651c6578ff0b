"""`bellhop webhooks`: the other systems that hear of a property's orders, and what was sent to them."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.table import Table

from chassis.web.tokens import OperatorRole
from contracts.webhooks import OF_ORDERS, WebhookType
from deploy.local.system_env import DATA_DIR
from ops.cli.console import (
    AsJson,
    DataDir,
    OnBehalfOf,
    Reason,
    Yes,
    acting_as,
    confirm,
    console,
    given_reason,
    needs,
    print_json,
    print_line,
    stderr,
    table_of,
    with_session,
)
from ops.cli.filters import Since, Until, moment_of
from ops.core.session import OperatorSession
from ops.core.webhooks import (
    KEPT_FOR,
    Act,
    NotDoneError,
    Plan,
    Secret,
    Webhook,
    add,
    change,
    decide,
    orders_with_receipts,
    plan,
    rotate,
    subscriber_named,
    subscribers_of,
    try_out,
    webhooks_of,
)
from webhooks.addresses import shown
from webhooks.feed.inputs import LeaveIt, SendAgain
from webhooks.feed.state import WebhookEntry, WebhookStatus
from webhooks.subscriber.inputs import DisableSubscriber, EnableSubscriber, RemoveSubscriber, SubscriberInput
from webhooks.subscriber.state import Subscriber, SubscriberStatus

NAME = "webhooks"
app = typer.Typer(no_args_is_help=True, help="Webhooks to the hotel's other systems.")
ResultT = TypeVar("ResultT")

SubscriberArgument = Annotated[str, typer.Argument(metavar="SUBSCRIBER", help="The subscriber's id: whs_….")]
Property = Annotated[str | None, typer.Option("--property", help="Of this property.")]


@app.command("list")
@needs(OperatorRole.READER)
def list_subscribers(
    property_id: Property = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that were removed.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List the subscribers of webhooks, with what each wants to hear of and whether it answers. Secrets are not shown.

    Example: `bellhop webhooks list --property alpenhof`

    Exit code 0 if each answers, 1 if one fails or has disabled itself, 2 if the system is unavailable.
    """
    found = _run(data_dir, lambda desk: subscribers_of(desk.store, property_id, everything=everything))
    if as_json:
        print_json([_as_json(each) for each in found])
    elif found:
        console.print(_table_of(found))
    else:
        console.print("There is no subscriber. `bellhop webhooks add` adds one.", markup=False)
    raise typer.Exit(1 if any(each.needs_attention for each in found) else 0)


@app.command()
@needs(OperatorRole.READER)
def show(subscriber: SubscriberArgument, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Show one subscriber. Its secrets are not shown.

    Example: `bellhop webhooks show whs_9f3c…`

    Exit code 0 if it answers, 1 if it fails or has disabled itself, 2 if there is no such subscriber.
    """
    found = _run(data_dir, lambda desk: subscriber_named(desk.store, subscriber))
    if as_json:
        print_json(_as_json(found))
    else:
        for name, value in _as_json(found).items():
            console.print(f"{name}: {value}", markup=False, soft_wrap=True)
    raise typer.Exit(1 if found.needs_attention else 0)


@app.command("add")
@needs(OperatorRole.EDITOR)
def add_subscriber(
    url: Annotated[str, typer.Argument(help="Where webhooks are sent to: https://….")],
    property_id: Annotated[str, typer.Option("--property", help="Orders of this property.")],
    why: Reason,
    kinds: Annotated[
        list[WebhookType] | None, typer.Option("--kind", help="Only this; again for more. Else all about orders.")
    ] = None,
    who: OnBehalfOf = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Add a subscriber, and print its secret: this once, and never again.

    It hears of what happens from a second later on; `bellhop webhooks test` shows whether it answers.

    Example: `bellhop webhooks add https://pms.example/bellhop --property alpenhof --why "the new PMS"`

    Exit code 0 if it was added, 2 if nothing was done.
    """
    wanted = tuple(dict.fromkeys(kinds or ()))
    if WebhookType.TEST in wanted:
        raise typer.BadParameter(f"one of {', '.join(OF_ORDERS)}: every subscriber gets tests", param_hint="--kind")
    act = Act(acting_as(who), given_reason(why))
    _print_secret(_run(data_dir, lambda desk: add(desk.target, desk.store, property_id, url, wanted, act)), as_json)


@app.command("rotate-secret")
@needs(OperatorRole.EDITOR)
def rotate_secret(
    subscriber: SubscriberArgument,
    why: Reason,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="The old secret is known to others: sign no more with it.")
    ] = False,
    who: OnBehalfOf = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Give a subscriber a new secret, and print it: this once. For a day webhooks are signed with the old one as well.

    Example: `bellhop webhooks rotate-secret whs_9f3c… --why "yearly"`

    Exit code 0 if it was replaced, 2 if nothing was done.
    """
    act = Act(acting_as(who), given_reason(why))
    new = _run(data_dir, lambda desk: rotate(desk.target, desk.store, subscriber, act, at_once=at_once))
    _print_secret(new, as_json)
    if not as_json and not at_once:
        hours = f"{KEPT_FOR.total_seconds() / 3600:g}"
        console.print(f"The old secret counts for {hours} hours more.", markup=False)


@app.command()
@needs(OperatorRole.EDITOR)
def disable(
    subscriber: SubscriberArgument,
    why: Reason,
    who: OnBehalfOf = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Stop webhooks to a subscriber: what happens from now on is not recorded for it, what waits stays.

    Example: `bellhop webhooks disable whs_9f3c… --why "the PMS is moved this week"`

    Exit code 0 if it was disabled, 2 if nothing was done.
    """
    _change(data_dir, subscriber, DisableSubscriber(given_reason(why)), "disable", why, who, as_json=as_json)


@app.command()
@needs(OperatorRole.EDITOR)
def enable(
    subscriber: SubscriberArgument,
    why: Reason,
    who: OnBehalfOf = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Have webhooks sent to a subscriber again: what waits first, each order in its order.

    Example: `bellhop webhooks enable whs_9f3c… --why "the PMS is back"`

    Exit code 0 if it was enabled, 2 if nothing was done.
    """
    _change(data_dir, subscriber, EnableSubscriber(), "enable", why, who, as_json=as_json)


@app.command()
@needs(OperatorRole.EDITOR)
def remove(
    subscriber: SubscriberArgument,
    why: Reason,
    who: OnBehalfOf = None,
    yes: Yes = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Remove a subscriber for good, with its secrets: what waits for it is never sent.

    Example: `bellhop webhooks remove whs_9f3c… --why "the old PMS is switched off"`

    Exit code 0 if it was removed, 2 if nothing was done, 3 without confirmation.
    """
    if not confirm(f"Remove {subscriber} for good?", yes=yes):
        raise typer.Exit(3)
    _change(data_dir, subscriber, RemoveSubscriber(given_reason(why)), "remove", why, who, as_json=as_json)


@app.command("test")
@needs(OperatorRole.EDITOR)
def try_subscriber(
    subscriber: SubscriberArgument,
    why: Reason = "a test",
    who: OnBehalfOf = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Have a `webhook.test` sent to a subscriber, signed as every webhook is, and print what it answers.

    Example: `bellhop webhooks test whs_9f3c…`

    Exit code 0 if the receiver has taken it, 1 if not, 2 if nothing was sent.
    """
    act = Act(acting_as(who), given_reason(why))
    entry = _run(data_dir, lambda desk: try_out(desk.store, subscriber, act))
    _print_outcome(entry, as_json=as_json)
    raise typer.Exit(0 if entry.status is WebhookStatus.DELIVERED else 1)


@app.command()
@needs(OperatorRole.READER)
def deliveries(
    order_id: Annotated[str | None, typer.Option("--order", help="About this order: ord_….")] = None,
    subscriber: Annotated[str | None, typer.Option("--subscriber", help="To this subscriber: whs_….")] = None,
    parked: Annotated[bool, typer.Option("--parked", help="Only those that were given up.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List webhooks and what became of them: of an order, of a subscriber (the newest), else those that were given up.

    Example: `bellhop webhooks deliveries --order ord_k3v7…`

    Exit code 0 if none was given up, 1 if some were, 2 if the system is unavailable.
    """
    found = _run(data_dir, lambda desk: webhooks_of(desk.store, order_id, subscriber, parked=parked))
    if as_json:
        print_json([_webhook_as_json(each) for each in found])
    elif found:
        console.print(_webhooks_table(found))
    else:
        console.print("[green]✓[/] No such webhook.")
    raise typer.Exit(1 if any(each.entry.status is WebhookStatus.PARKED for each in found) else 0)


@app.command()
@needs(OperatorRole.READER)
def export(
    property_id: Annotated[str, typer.Option("--property", help="Orders of this property.")],
    since: Since = None,
    until: Until = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Print the orders that have receipts as webhooks say them, one JSON object on each line, the newest first: for
    another system to compare with what it has, or to catch up. The times are those of an order's first receipt.

    Example: `bellhop webhooks export --property alpenhof --since 30d > orders.jsonl`

    Exit code 0 when all are printed, 2 if the property is unknown or the system unavailable.
    """
    begin, end = moment_of(since, "--since"), moment_of(until, "--until")

    async def print_all(desk: OperatorSession) -> None:
        async for order in orders_with_receipts(desk.store, property_id, begin, end):
            print_line(order.model_dump_json())

    _run(data_dir, print_all)


@app.command("send-again")
@needs(OperatorRole.EDITOR)
def send_again(
    webhook: Annotated[str, typer.Argument(metavar="WEBHOOK", help="The webhook's id: msg_….")],
    order_id: Annotated[str, typer.Option("--order", help="The order it is about: ord_….")],
    why: Reason,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the plan.")] = False,
    who: OnBehalfOf = None,
    yes: Yes = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Have a webhook sent again, under the same id, so that a receiver that knows it ignores it. First the plan is
    printed: what the receiver has had, and what it would get now.

    Example: `bellhop webhooks send-again msg_k3v7… --order ord_k3v7… --why "the PMS was restored"`

    Exit code 0 if the receiver has taken it (or after a plan), 1 if not yet, 2 if nothing was done, 3 if not confirmed.
    """
    act = Act(acting_as(who), given_reason(why))
    planned = _run(data_dir, lambda desk: plan(desk.store, webhook, order_id))
    if as_json and dry_run:
        print_json(_plan_as_json(planned))
    elif not as_json:
        _show_plan(planned)
    if dry_run:
        return
    if not confirm("Send it again?", yes=yes):
        raise typer.Exit(3)
    message = SendAgain(planned.webhook.entry.webhook_id)
    entry = _run(data_dir, lambda desk: decide(desk.store, planned.webhook, message, act))
    _print_outcome(entry, as_json=as_json)
    raise typer.Exit(0 if entry.status is WebhookStatus.DELIVERED else 1)


@app.command()
@needs(OperatorRole.EDITOR)
def settle(
    webhook: Annotated[str, typer.Argument(metavar="WEBHOOK", help="The webhook's id: msg_….")],
    order_id: Annotated[str, typer.Option("--order", help="The order it is about: ord_….")],
    why: Reason,
    who: OnBehalfOf = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Leave a webhook that was given up at that: nothing is sent.

    Example: `bellhop webhooks settle msg_k3v7… --order ord_k3v7… --why "booked by hand"`

    Exit code 0 if it is settled, 2 if nothing was done.
    """
    act = Act(acting_as(who), given_reason(why))
    planned = _run(data_dir, lambda desk: plan(desk.store, webhook, order_id))
    message = LeaveIt(planned.webhook.entry.webhook_id, act.who)
    _print_outcome(_run(data_dir, lambda desk: decide(desk.store, planned.webhook, message, act)), as_json=as_json)


def _show_plan(planned: Plan) -> None:
    entry, subscriber = planned.webhook.entry, planned.subscriber
    had = (
        f"taken {entry.deliveries} times, last at {entry.delivered_at:%Y-%m-%d %H:%M} UTC"
        if entry.delivered_at
        else "never taken"
    )
    lines = [
        f"{entry.type} about {planned.webhook.feed.order_id} to {subscriber.subscriber_id} ({shown(subscriber.url)})",
        f"so far: {entry.status}, {had}; version {entry.order_version or 'none'} of the order",
    ]
    if planned.body is None:
        lines.append("now: nothing would be sent, there is no such order")
    else:
        change = "the same content" if planned.is_as_before else "other content"
        lines.append(f"now: version {planned.body.order_version or 'none'} of the order, {change}")
    if subscriber.status is not SubscriberStatus.ENABLED:
        lines.append(f"it would wait: the subscriber is {subscriber.summary}")
    console.print("\n".join(lines), markup=False, soft_wrap=True)


def _plan_as_json(planned: Plan) -> dict[str, object]:
    return {
        "before": _webhook_as_json(planned.webhook),
        "now": planned.body and json.loads(planned.body.text),
        "is_as_before": planned.is_as_before,
        "subscriber": _as_json(planned.subscriber),
    }


def _print_outcome(entry: WebhookEntry, *, as_json: bool) -> None:
    if as_json:
        print_json(entry.model_dump(mode="json", exclude={"body"}))
        return
    said = entry.said or "no attempt was made yet: does the webhook service run, and is the subscriber enabled?"
    console.print(f"{entry.webhook_id} is {entry.status}: {said}", markup=False, soft_wrap=True)


def _webhooks_table(found: list[Webhook]) -> Table:
    columns = ("webhook", "order", "subscriber", "type", "since", "tries", "status")
    rows = (
        (
            each.entry.webhook_id,
            each.feed.order_id,
            each.feed.subscriber_id,
            each.entry.type,
            f"{each.entry.noted_at:%Y-%m-%d %H:%M}",
            str(each.entry.attempts),
            f"{each.entry.status}: {each.entry.said}" if each.entry.said else str(each.entry.status),
        )
        for each in found
    )
    return table_of(columns, rows, whole=("webhook", "order", "subscriber"))


def _webhook_as_json(webhook: Webhook) -> dict[str, object]:
    fields: dict[str, object] = webhook.entry.model_dump(mode="json", exclude={"body"})
    return {"order_id": webhook.feed.order_id, "subscriber_id": webhook.feed.subscriber_id, **fields}


def _change(
    data_dir: Path, subscriber: str, message: SubscriberInput, action: str, why: str, who: str | None, *, as_json: bool
) -> None:
    act = Act(acting_as(who), given_reason(why))
    after = _run(data_dir, lambda desk: change(desk.store, subscriber, message, f"webhooks {action}", act))
    if as_json:
        print_json(_as_json(after))
    else:
        console.print(f"{after.subscriber_id} is now {after.summary}.", markup=False, soft_wrap=True)


def _run(data_dir: Path, work: Callable[[OperatorSession], Awaitable[ResultT]]) -> ResultT:
    try:
        return with_session(data_dir, work)
    except NotDoneError as reason:
        stderr.print(str(reason), markup=False, soft_wrap=True)
        raise typer.Exit(2) from None


def _print_secret(new: Secret, as_json: bool) -> None:
    if as_json:
        print_json(_as_json(new.subscriber) | {"secret": new.value})
        return
    found = new.subscriber
    console.print(f"{found.subscriber_id} of {found.property_id}: {shown(found.url)}", markup=False, soft_wrap=True)
    console.print("Its secret, shown this once: give it to the receiver.", markup=False)
    typer.echo(new.value)


def _table_of(found: list[Subscriber]) -> Table:
    columns = ("subscriber", "property", "address", "hears of", "status")
    rows = (
        (each.subscriber_id, each.property_id, shown(each.url), ", ".join(each.kinds), each.summary) for each in found
    )
    return table_of(columns, rows, whole=("subscriber",))


def _as_json(subscriber: Subscriber) -> dict[str, object]:
    fields: dict[str, object] = subscriber.model_dump(mode="json", exclude={"due_at", "secrets"})
    return fields | {"url": shown(subscriber.url), "secrets": len(subscriber.secrets)}
