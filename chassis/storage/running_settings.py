"""The settings that decisions depend on, stored by each service at its start.

Tools that forecast decisions read them here, since their own environment is not the service's. Among several processes
of one service the one started last counts.
"""

from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter

from chassis.storage.documents import DocumentStore

SettingsT = TypeVar("SettingsT")


class _Written(BaseModel):
    values: dict[str, Any]


class RunningSettings:
    """The settings of all services, by name. Every method raises StoreUnavailableError."""

    def __init__(self, store: DocumentStore) -> None:
        self._records = store.records("running_settings", _Written)

    async def write(self, service: str, settings: object) -> None:
        """`settings`: a dataclass or model without secrets."""
        values = TypeAdapter(type(settings)).dump_python(settings, mode="json")
        await self._records.put({service: _Written(values=values)})

    async def read(self, service: str, settings_type: type[SettingsT]) -> SettingsT:
        """The service's settings; defaults if no process has stored any yet.

        Values unknown to this version are left out.
        """
        found = await self._records.get([service])
        values = found[service].values if service in found else {}
        return TypeAdapter(settings_type).validate_python(values)
