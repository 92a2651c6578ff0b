"""docs/security.md says of the accounts what the code gives them, and its links lead somewhere."""

import re
from pathlib import Path

import pytest

from contracts.accounts import ACCOUNTS, OPERATOR, Account
from contracts.topology import COMMANDS, EVENTS
from ops.cli.account_passwords import password_variable
from ops.cli.broker import SERVER, broker

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = {
    row[0].strip("`"): row[1:]
    for row in (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.partition("## Accounts at the broker")[2].partition("```sh")[0].splitlines()
        if line.startswith("| `")
    )
}


def rooms(account: Account, exchange: str) -> str:
    """The kinds an account sends there, by the first part of their names: `orders.*`."""
    names = sorted({kind.partition(".")[0] for kind in account.sends.get(exchange, ())})
    return ", ".join(f"`{name}.*`" for name in names)


def test_every_account_has_its_row() -> None:
    assert set(ROWS) == {OPERATOR, *(account.name for account in ACCOUNTS)}


def test_the_page_and_the_help_name_the_variable_of_every_password() -> None:
    variables = {password_variable(SERVER, account.name) for account in ACCOUNTS}

    for said in (PAGE, broker.__doc__ or ""):
        assert set(re.findall(r"RABBITMQ_\w+_PASSWORD", said)) == variables


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
def test_a_row_says_what_the_account_may_do(account: Account) -> None:
    takes, commands, events, also = ROWS[account.name]

    assert re.findall(r"`([\w.]+)`", takes) == list(account.takes)
    assert account.takes or f"`{account.name}.…`" in takes
    assert (commands, events) == (rooms(account, COMMANDS.name), rooms(account, EVENTS.name))
    assert ("dead-letters" in also, "queries" in also) == ("dead" in account.sends, "queries" in account.sends)


def test_every_link_leads_to_a_page_and_to_a_heading_of_it() -> None:
    for page, heading in re.findall(r"\]\(([\w/.-]*?)(?:#([\w-]+))?\)", PAGE):
        text = (ROOT / "docs" / page).read_text(encoding="utf-8") if page else PAGE
        headings = {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in text.splitlines()}
        assert not heading or heading in headings, f"{page}#{heading}"
