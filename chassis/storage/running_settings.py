"""The settings that decisions depend on, as each running service has written them down at its start.

A tool that forecasts decisions reads them here: the environment it runs in is not the service's. Of several processes
of one service the last that was started counts.
"""

from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter

from chassis.storage.documents import DocumentStore

SettingsT = TypeVar("SettingsT")


class _Written(BaseModel):
    values: dict[str, Any]


class RunningSettings:
    """Of all services, by name. Every method raises StoreUnavailableError."""

    def __init__(self, store: DocumentStore) -> None:
        self._records = store.records("running_settings", _Written)

    async def write(self, service: str, settings: object) -> None:
        """`settings`: a dataclass or model without secrets."""
        values = TypeAdapter(type(settings)).dump_python(settings, mode="json")
        await self._records.put({service: _Written(values=values)})

    async def read(self, service: str, settings_type: type[SettingsT]) -> SettingsT:
        """What the service runs with; the defaults where none has run yet that writes them.

        Values that only another version knows are left out.
        """
        found = await self._records.get([service])
        values = found[service].values if service in found else {}
        return TypeAdapter(settings_type).validate_python(values)
