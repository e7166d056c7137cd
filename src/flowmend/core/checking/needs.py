"""What a flow needs from whoever wants to run it."""

from dataclasses import dataclass

from flowmend.core.checking.parameters import missing_parameters
from flowmend.core.checking.secrets import literal_secrets
from flowmend.core.definition.flow import Flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """connectors: short names. connections: keys of connection references. parameters: names without a value.

    secrets: pointers of secrets the file carries in plain text.
    """

    connectors: tuple[str, ...] = ()
    connections: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


def needs(flow: Flow) -> Needs:
    """What `flow` needs, sorted by name, secrets in document order."""
    return Needs(
        connectors=tuple(sorted({reference.connector for reference in flow.connection_references.values()})),
        connections=tuple(sorted(flow.connection_references)),
        parameters=tuple(missing_parameters(flow)),
        secrets=tuple(literal_secrets(flow)),
    )
