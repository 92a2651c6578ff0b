"""Renders dead letters for terminals and programs."""

from datetime import datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from chassis.messaging.envelope import utc_now
from ops.cli.console import console, table_of
from ops.core import timespec
from ops.core.dead_letters.letters import DeadLetter


def letters_table(letters: list[DeadLetter], title: str) -> Table:
    """A list of letters, for a terminal."""
    now = utc_now()
    return table_of(
        ("letter", "message", "error"), (_row(each, now) for each in letters), whole=("letter",), title=title
    )


def _row(letter: DeadLetter, now: datetime) -> tuple[Text, str, str]:
    message = letter.message
    failed = Text(f"{timespec.relative(letter.failed_at, now)} ago", "dim")
    about = message.order_id or message.correlation_id
    return (
        Text(f"{letter.letter_id}\n").append_text(failed),
        f"{message.kind}\n{_way_of(letter)}\n{about}",
        f"{message.error_type}: {message.error}",
    )


def _way_of(letter: DeadLetter) -> str:
    return f"to {letter.queue}" if letter.outbox_of is None else f"in the outbox of {letter.outbox_of}"


def print_letter(letter: DeadLetter, forecast: str, timeline: list[dict[str, Any]]) -> None:
    """One letter in full, for a terminal."""
    message = letter.message
    facts = {
        "letter": letter.letter_id,
        "stage": letter.stage,
        "edited from": letter.edited_from,
        "edited to": letter.edited_to,
        "replayed by": letter.plan_id,
        "kind": message.kind,
        "message": message.message_id,
        "correlation": message.correlation_id,
        "cause": message.causation_id,
        "order": message.order_id,
        "sent by": message.sent_by,
        "came to": letter.queue,
        "could not leave": letter.outbox_of,
        "parked in": letter.dead_queue,
        "error": f"{message.error_type}: {message.error}",
        "a replay would": forecast,
    }
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        if value:
            table.add_row(f"[bold]{name}[/]", Text(str(value)))
    console.print(table)
    console.print("\n[bold]body[/]")
    body = message.readable_body()
    console.print_json(data=body) if isinstance(body, dict | list) else console.print(str(body), markup=False)
    console.print("\n[bold]headers[/]")
    console.print_json(data=dict(message.headers), default=str)
    if timeline:
        console.print(f"\n[bold]messages about {message.order_id}[/], from the log")
        for entry in timeline:
            when = f"{entry['sent_at']:%Y-%m-%d %H:%M:%S}" if entry["sent_at"] else "-" * 19
            failure = f"  {entry['ended']}: {entry['error']}" if entry["ended"] else ""
            mark = "  ← this one" if entry["message_id"] == message.message_id else ""
            console.print(Text(f"  {when}  {entry['kind']}{failure}{mark}", style="red" if mark else ""))
        console.print(f"[dim]bellhop trace {message.order_id} shows the whole story[/]")
