"""What the gateway's routes for catalogue and property would ask of the bus, of the calls of the client library."""

from typing import Any

from client.calls import Call
from contracts.catalogue import (
    CatalogueReply,
    ChangeExtra,
    DefineExtra,
    ExtraReply,
    ListCatalogue,
    ReorderExtras,
    RetireExtra,
)
from contracts.message import Message
from contracts.orders import Staff
from contracts.properties import ChangeProperty, DefineProperty, GetProperty, PropertyReply


def message_of(staff: Staff, call: Call[Any]) -> Message:
    """The message of a call below `/v1/staff`."""
    body, who = call.body or {}, {"property_id": staff.property_id}
    by = {"staff": staff, **body}
    match call.method, *call.path.removeprefix("/v1/staff/").split("/"):
        case "GET", "catalogue":
            return ListCatalogue.model_validate(who)
        case "POST", "catalogue":
            return DefineExtra.model_validate(by)
        case "POST", "catalogue", "order":
            return ReorderExtras.model_validate(by)
        case "PUT", "catalogue", extra_id:
            return ChangeExtra.model_validate({"extra_id": extra_id, **by})
        case "POST", "catalogue", extra_id, "retire":
            return RetireExtra.model_validate({"extra_id": extra_id, **by})
        case "GET", "property":
            return GetProperty.model_validate(who)
        case "PUT", "property":
            kind = DefineProperty if body.get("version") is None else ChangeProperty
            return kind.model_validate({**who, **{name: value for name, value in by.items() if value is not None}})
        case _:
            raise LookupError(f"no message for {call.method} {call.path}")


def result_of(reply: Message) -> Any:
    """What the library returns of such a reply; None: of another one."""
    match reply:
        case CatalogueReply(extras=extras):
            return {"extras": extras}
        case ExtraReply(extra=extra):
            return extra
        case PropertyReply(property=hotel):
            return hotel
        case _:
            return None
