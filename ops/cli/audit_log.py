"""`bellhop audit-log`."""

from rich.markup import escape
from rich.table import Table

from chassis.storage.audit_log import AuditEntry, AuditLog
from chassis.web.tokens import OperatorRole
from deploy.local.system_env import DATA_DIR
from ops.cli.console import AsJson, DataDir, console, needs, print_json, with_session
from ops.cli.filters import Since, moment_of
from ops.core.session import OperatorSession


@needs(OperatorRole.READER)
def audit_log(since: Since = None, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Show the audit log: who replayed, edited, discarded or restored what, why, and the outcome.

    Example: `bellhop audit-log --since 7d`
    """
    begin = moment_of(since, "--since")

    async def work(desk: OperatorSession) -> list[AuditEntry]:
        return await AuditLog(desk.store).entries(begin)

    entries = with_session(data_dir, work)
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in entries])
        return
    table = Table("when (UTC)", "who", "did", "to", "why", "outcome")
    for entry in entries:
        about = ", ".join(entry.subjects[:3]) + (
            f" and {len(entry.subjects) - 3} more" if len(entry.subjects) > 3 else ""
        )
        about += f"\n[dim]{escape(entry.detail[:200])}[/]" if entry.detail else ""
        at, outcome = f"{entry.at:%Y-%m-%d %H:%M:%S}", escape(entry.outcome)
        table.add_row(at, escape(entry.who), entry.action, about, escape(entry.why), outcome)
    console.print(table if entries else "The audit log is empty: nothing was replayed, edited or discarded yet.")
