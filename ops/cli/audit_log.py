"""`bellhop audit-log`."""

from chassis.storage.audit_log import AuditEntry, AuditLog
from chassis.web.tokens import OperatorRole
from deploy.local.system_env import DATA_DIR
from ops.cli.console import AsJson, DataDir, console, needs, print_json, table_of, with_session
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
    rows = (
        (
            f"{entry.at:%Y-%m-%d %H:%M:%S}\n{entry.who}",
            f"{entry.action} {_subjects_of(entry)}\n{entry.detail[:200]}".rstrip(),
            entry.why,
            entry.outcome,
        )
        for entry in entries
    )
    table = table_of(("when (UTC), who", "what", "why", "outcome"), rows)
    console.print(table if entries else "The audit log is empty: nothing was replayed, edited or discarded yet.")


def _subjects_of(entry: AuditEntry) -> str:
    more = f" and {len(entry.subjects) - 3} more" if len(entry.subjects) > 3 else ""
    return ", ".join(entry.subjects[:3]) + more
