"""`bellhop mail`: e-mails to guests and reception: which were sent, what they say, and having one sent again."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from chassis.web.tokens import OperatorRole
from contracts.mail import MailCommand, SendMailAgain, SettleMail
from deploy.local.system_env import DATA_DIR
from notifications.letter.wording import WORDS
from notifications.mail.state import Mail, MailStatus, Template
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
    stderr,
    table_of,
    with_session,
)
from ops.core.mails import NoSuchMailError, NotChangedError, Preview, decide, mail_id, mail_named, mails_of, previews

NAME = "mail"
app = typer.Typer(no_args_is_help=True, help="E-mail to guests and reception.")

MailArgument = Annotated[str, typer.Argument(metavar="MAIL", help="The e-mail's id: mail_….")]
Order = Annotated[str | None, typer.Option("--order", help="About this order: ord_….")]


@app.command("list")
@needs(OperatorRole.READER)
def list_mails(
    order_id: Order = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what was sent, is due or was dropped.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List the e-mails that a person should look at: that may have been sent, or were refused. Addresses are not shown.

    Example: `bellhop mail list --order ord_k3v7…`

    Exit code 0 if none may have been sent without an answer, 1 if some may, 2 if the system is unavailable.
    """
    found = with_session(data_dir, lambda desk: mails_of(desk.store, order_id=order_id, everything=everything))
    if as_json:
        print_json([_as_json(mail) for mail in found])
    elif found:
        console.print(_table_of(found))
    else:
        console.print("[green]✓[/] No such e-mail.")
    raise typer.Exit(1 if any(mail.status is MailStatus.UNKNOWN for mail in found) else 0)


@app.command()
@needs(OperatorRole.READER)
def preview(
    order_id: Order = None,
    template: Annotated[
        list[Template] | None, typer.Option("--template", help="Only this one; again for more. Else all that fit.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="en or de; else the recipient's.")] = None,
    html: Annotated[bool, typer.Option("--html", help="Print the HTML instead of the plain text.")] = False,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write each into this folder, as .eml with its attachment.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Print what e-mails about an order would say now; without an order, about an example. Nothing is sent.

    Example: `bellhop mail preview --template confirmed --language de`

    Exit code 0 if there is something to see, 1 if no e-mail would be sent now, 2 if the system is unavailable.
    """
    if language is not None and language not in WORDS:
        raise typer.BadParameter(f"one of {', '.join(WORDS)}", param_hint="--language")
    try:
        shown = with_session(data_dir, lambda desk: previews(desk.store, order_id, tuple(template or ()), language))
    except NoSuchMailError as unknown:
        stderr.print(str(unknown), markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    if as_json:
        print_json([_preview_as_json(one) for one in shown])
    for one in shown:
        if not as_json:
            _show(one, html=html)
        if write is not None and one.letter is not None:
            write.mkdir(parents=True, exist_ok=True)
            (write / f"{one.template}.eml").write_bytes(one.letter.as_bytes(datetime.now(UTC)))
    if not any(one.letter for one in shown):
        stderr.print("No e-mail about this order would be sent now.")
        raise typer.Exit(1)


@app.command("send-again")
@needs(OperatorRole.EDITOR)
def send_again(
    mail: MailArgument,
    why: Reason,
    who: OnBehalfOf = None,
    yes: Yes = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Have an e-mail sent, whatever became of it before: the recipient may get it twice.

    It says what is true now; what the order has overtaken is not sent.

    Example: `bellhop mail send-again mail_k3v7… --why "the guest says that nothing came"`

    Exit code 0 if it is on its way, 1 if that is not known, 2 if nothing was done, 3 without confirmation.
    """
    command = SendMailAgain(mail_id=mail_id(mail), by=acting_as(who), reason=given_reason(why))
    _decide(data_dir, command, "Send it again?", yes=yes, as_json=as_json)


@app.command()
@needs(OperatorRole.EDITOR)
def settle(
    mail: MailArgument,
    why: Reason,
    who: OnBehalfOf = None,
    yes: Yes = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Leave an e-mail that may have been sent, or was refused, at that: nothing is sent.

    Example: `bellhop mail settle mail_k3v7… --why "the mail server's log shows that it went out"`

    Exit code 0 if it is settled, 1 if that is not known, 2 if nothing was done, 3 without confirmation.
    """
    command = SettleMail(mail_id=mail_id(mail), by=acting_as(who), reason=given_reason(why))
    _decide(data_dir, command, "Leave it at that?", yes=yes, as_json=as_json)


def _decide(data_dir: Path, command: MailCommand, question: str, *, yes: bool, as_json: bool) -> None:
    try:
        before = with_session(data_dir, lambda desk: mail_named(desk.store, command.mail_id))
        if not as_json:
            console.print(f"{before.mail_id} about {before.order_id}: {before.summary}", markup=False, soft_wrap=True)
        if before.status in (MailStatus.DUE, MailStatus.SENDING):
            stderr.print("It is being sent without your doing; nothing was done.")
            raise typer.Exit(2)
        if not confirm(question, yes=yes):
            raise typer.Exit(3)
        after = with_session(data_dir, lambda desk: decide(desk.target, desk.store, command))
    except NoSuchMailError as unknown:
        stderr.print(str(unknown), markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    except NotChangedError as unknown:
        stderr.print(str(unknown), markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if as_json:
        print_json(_as_json(after))
    else:
        console.print(f"{after.mail_id} is now {after.summary}.", markup=False, soft_wrap=True)


def _show(one: Preview, *, html: bool) -> None:
    console.rule(f"{one.template} to {one.template.recipient}", align="left")
    letter = one.letter
    if letter is None:
        console.print(f"Not sent: {one.reason}.", markup=False, soft_wrap=True)
        return
    attached = ["Attached: receipt.pdf"] if letter.receipts else []
    head = [f"From: {letter.text.sender_name} <{letter.sender}>", f"Subject: {letter.text.subject}", *attached, ""]
    console.print("\n".join([*head, letter.text.html if html else letter.text.plain]), markup=False, soft_wrap=True)


def _preview_as_json(one: Preview) -> dict[str, object]:
    text = one.letter.text if one.letter else None
    return {
        "template": one.template,
        "to": one.template.recipient,
        "not_sent": one.reason or None,
        "subject": text and text.subject,
        "plain": text and text.plain,
        "html": text and text.html,
        "with_receipts": one.letter is not None and one.letter.receipts is not None,
    }


def _table_of(found: list[Mail]) -> Table:
    columns = ("e-mail", "order", "template", "to", "since", "status")
    rows = (
        (
            mail.mail_id,
            mail.order_id,
            mail.wanted.template,
            mail.wanted.recipient,
            f"{mail.since:%Y-%m-%d %H:%M}",
            f"{mail.status}: {mail.cause}" if mail.cause else str(mail.status),
        )
        for mail in found
    )
    return table_of(columns, rows, whole=("e-mail", "order"))


def _as_json(mail: Mail) -> dict[str, object]:
    shown: dict[str, object] = mail.model_dump(mode="json", exclude={"due_at"})
    return shown
