"""Where steps call whose address stands in the app's connections: a function, an API behind a gateway."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flowmend.core.definition.flow import Action, Flow, Trigger

# Where a step of the type names its connection, and which field of that says the address.
_ADDRESSES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "Function": ("function", "connectionName", "triggerUrl"),
        "ApiManagement": ("apiManagement", "connection", "baseUrl"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredAddress:
    """called: what the step names, a connection's key or a resource's id. field: which of its fields says the address.

    address: "" where it is nowhere.
    """

    called: str
    field: str
    address: str


def declared_address(flow: Flow, step: Action | Trigger) -> DeclaredAddress | None:
    """None for a step that says its address itself, or has none."""
    place = _ADDRESSES.get(step.type)
    if place is None or not isinstance(step.inputs, Mapping):
        return None
    section, name, field = place
    named = step.inputs.get(section)
    # Consumption names the resource, Standard a connection of the app.
    key = str(named.get(name) or named.get("id") or "") if isinstance(named, Mapping) else ""
    references = flow.connection_references
    declared = references.get(f"{section}Connections/{key}") or references.get(key)
    address = declared.raw.get(field) if declared is not None else None
    is_address = isinstance(address, str) and address.startswith("http")
    return DeclaredAddress(called=key, field=field, address=str(address) if is_address else "")
