"""By which connections a flow works: those its connection references mean, and those its HTTP actions sign in by."""

from collections.abc import Mapping
from dataclasses import dataclass

from flowmend.core.checking.inline_authentication import inline_authentications
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.built_in_connectors import EMBEDDED_CONNECTOR
from flowmend.use_cases.loaded_flows import LoadedFlow


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceState:
    """A connection reference and the connection it means. connection_id, health: "" where it means none yet.

    steps: of an authentication written in the flow, which actions sign in so; () for any other reference.
    """

    key: str
    connector: str
    connection_id: str
    display_name: str
    health: str
    steps: tuple[str, ...] = ()


def references_of(loaded: LoadedFlow, connections: Mapping[str, ConnectionRow]) -> tuple[ReferenceState, ...]:
    """The flow's connection references, then the authentications in it of which connections were made."""
    embedded = embedded_steps(loaded)
    keys = (*loaded.flow.connection_references, *embedded)
    return tuple(_state(loaded, key, connections.get(loaded.mappings.get(key, "")), embedded) for key in keys)


def embedded_steps(loaded: LoadedFlow) -> dict[str, tuple[str, ...]]:
    """`{key: names of the steps}` of the authentications in the flow of which connections were made."""
    steps: dict[str, tuple[str, ...]] = {}
    for inline in inline_authentications(loaded.flow):
        if inline.key in loaded.mappings:
            steps[inline.key] = tuple(dict.fromkeys((*steps.get(inline.key, ()), inline.step)))
    return steps


def connector_wanted(loaded: LoadedFlow, key: str) -> str:
    """The connector that a reference of the flow needs a connection to; "" where there is no such reference."""
    known = loaded.flow.connection_references.get(key)
    if known is not None:
        return known.connector
    return EMBEDDED_CONNECTOR if key in embedded_steps(loaded) else ""


def _state(
    loaded: LoadedFlow, key: str, connection: ConnectionRow | None, embedded: Mapping[str, tuple[str, ...]]
) -> ReferenceState:
    return ReferenceState(
        key=key,
        connector=connector_wanted(loaded, key),
        connection_id=connection.connection_id if connection else "",
        display_name=connection.display_name if connection else "",
        health=connection.health.value if connection else "",
        steps=embedded.get(key, ()),
    )
