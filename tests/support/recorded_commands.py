"""What the clients of this process send to a store's server, and whether the server scans for it."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pymongo.database import Database
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent, register


class Recorder(CommandListener):
    """Keeps the commands that clients of this process send to one database."""

    def __init__(self) -> None:
        self.database: str | None = None
        self.everything = False
        self.commands: list[dict[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        if self.everything or event.database_name == self.database:
            self.commands.append(dict(event.command))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing to keep."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing to keep."""

    def named(self, *names: str) -> list[dict[str, Any]]:
        return [command for command in self.commands if next(iter(command)) in names]


RECORDER = Recorder()
register(RECORDER)  # for clients made later; PyMongo has no way to take it back


@contextmanager
def recording() -> Iterator[Recorder]:
    """What is sent to every database from now on."""
    RECORDER.everything, RECORDER.commands = True, []
    yield RECORDER
    RECORDER.everything = False


def queries(sent: Recorder, database: str, *, besides: Collection[str]) -> list[dict[str, Any]]:
    """The queries of one database, one of each form; `besides`: collections that may be read whole."""
    forms: dict[str, dict[str, Any]] = {}
    for command in sent.named("find", "aggregate"):
        collection = next(iter(command.values()))
        if command.get("$db") == database and collection not in besides:
            asked = command.get("filter", command.get("pipeline", ()))
            forms.setdefault(f"{collection} {sorted(map(str, asked))}", command)
    return list(forms.values())


def scans(database: Database[dict[str, Any]], command: dict[str, Any]) -> bool:
    """Whether the server reads the whole collection for this command."""
    kept = ("find", "aggregate", "filter", "sort", "limit", "projection", "pipeline", "cursor")
    asked = {name: value for name, value in command.items() if name in kept}
    # SecantusDB looks one clause up and checks the others, but explains that as a scan.
    clauses = asked.get("filter", {})
    looks = [asked | {"filter": {name: clause}} for name, clause in clauses.items()] if len(clauses) > 1 else []
    return all("COLLSCAN" in set(_stages(explained(database, look))) for look in (asked, *looks))


def explained(database: Database[dict[str, Any]], asked: dict[str, Any]) -> object:
    return database.command({"explain": asked, "verbosity": "queryPlanner"})


def _stages(plan: object) -> Iterator[str]:
    if isinstance(plan, Mapping):
        if isinstance(stage := plan.get("stage"), str):
            yield stage
        for value in plan.values():
            yield from _stages(value)
    elif isinstance(plan, list | tuple):
        for value in plan:
            yield from _stages(value)
