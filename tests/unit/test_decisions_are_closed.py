"""A new message, status or outcome must be listed in every table that decides on it: mypy names the tables that do not
list it. Members are added in a copy."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = (
    "contracts",
    "chassis",
    "extras_service",
    "notifications",
    "payment_service",
    "psp_adapter",
    "webhooks",
    "ops",
)
_CHECKED = (
    "chassis/decision.py",
    "extras_service/order/decide.py",
    "extras_service/stock/decide.py",
    "extras_service/order/replies.py",
    "notifications/mail/decide.py",
    "notifications/letter/text.py",
    "ops/core/psp_forecast.py",
    "payment_service/payment/disputes.py",
    "payment_service/payment/decide.py",
    "payment_service/event_backfill.py",
    "psp_adapter/stripe_access.py",
    "webhooks/feed/decide.py",
    "webhooks/subscriber/decide.py",
    "webhooks/subscriber/state.py",
)

_UNIONS = {
    "OrderFact": ("extras_service/order/inputs.py", "PaymentEvent = (\n"),
    "OrderInput": ("extras_service/order/inputs.py", "OrderInput = (\n"),
    "StockInput": ("extras_service/stock/inputs.py", "StockInput = "),
    "PaymentInput": ("payment_service/payment/inputs.py", "PaymentMessage = (\n"),
    "FeedInput": ("webhooks/feed/inputs.py", "FeedInput = "),
    "SubscriberInput": ("webhooks/subscriber/inputs.py", "SubscriberInput = (\n"),
    "MailInput": ("notifications/mail/inputs.py", "MailInput = "),
    "PspCommand": ("contracts/psp.py", "PspCommand = (\n"),
    "Outcome": ("chassis/decision.py", "Outcome = "),
}
_ENUMS = {
    "OrderStatus": "contracts/orders.py",
    "PaymentStage": "payment_service/payment/state.py",
    "PspDisputeState": "contracts/psp.py",
    "Forbidden": "psp_adapter/errors.py",
    "MailStatus": "notifications/mail/state.py",
    "Answer": "notifications/mail/inputs.py",
    "Template": "notifications/mail/state.py",
    "Verdict": "webhooks/feed/inputs.py",
    "SubscriberStatus": "webhooks/subscriber/state.py",
}
_COMPLAINTS = [
    ("extras_service/order/decide.py", "NewOrderFact"),
    ("extras_service/order/decide.py", "NewOrderInput"),
    ("extras_service/order/decide.py", "OrderStatus.NEW"),
    ("extras_service/order/replies.py", "OrderStatus.NEW"),
    ("extras_service/stock/decide.py", "NewStockInput"),
    ("extras_service/order/replies.py", "NewOutcome"),
    ("chassis/decision.py", "NewOutcome"),
    ("payment_service/payment/decide.py", "NewPaymentInput"),
    ("payment_service/payment/decide.py", "CreatePaymentSession | PspSessionFailed"),  # in a new stage
    ("payment_service/payment/disputes.py", "PspDisputeState.NEW"),
    ("psp_adapter/stripe_access.py", "Forbidden.NEW"),
    ("ops/core/psp_forecast.py", "NewPspCommand"),
    ("notifications/mail/decide.py", "NewMailInput"),
    ("notifications/mail/decide.py", "MailStatus.NEW"),
    ("notifications/mail/decide.py", "Answer.NEW"),
    ("notifications/letter/text.py", "Template.NEW"),
    ("webhooks/feed/decide.py", "NewFeedInput"),
    ("webhooks/feed/decide.py", "Verdict.NEW"),
    ("webhooks/subscriber/decide.py", "NewSubscriberInput"),
    ("webhooks/subscriber/state.py", "SubscriberStatus.NEW"),
]


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What mypy says about the tables of a copy with a new member in every union and enum."""
    project = tmp_path_factory.mktemp("project")
    for package in _PACKAGES:
        shutil.copytree(_ROOT / package, project / package, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(_ROOT / "pyproject.toml", project)
    for name, (file, start) in _UNIONS.items():
        replace(project / file, start, f"class New{name}: ...\n\n\n{start}New{name} | ")
    for name, file in _ENUMS.items():
        start = f"class {name}(StrEnum):\n"
        replace(project / file, start, f'{start}    NEW = "new"\n')
    # mypy compares contents: what it knows of unchanged files, most of them of libraries, holds in the next copy, too.
    cache = f"--cache-dir={_ROOT}/.mypy_cache/decisions"
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", cache, *_CHECKED]
    said = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    return [line for line in said.stdout.splitlines() if 'to "assert_never"' in line]


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} in {path}"
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(("table", "added"), _COMPLAINTS)
def test_a_table_that_does_not_list_a_new_member_is_named(complaints: list[str], table: str, added: str) -> None:
    assert any(line.startswith(table) and added in line for line in complaints), complaints
