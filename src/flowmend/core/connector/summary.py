"""What a gallery shows of a connector and finds it by, so that nobody reads a thousand documents to draw a list."""

from collections.abc import Mapping
from dataclasses import dataclass

from flowmend.core.connector.operation import Connector, Operation
from flowmend.core.json_value import Json

_NEEDS_SCRIPT = "UnsupportedScript"
_LONGEST_DESCRIPTION = 300
_MOST_CHARACTERS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorSummary:
    """operations: all, triggers among them. needs_script, unsupported: how many do not run, for that reason or another.

    sign_in: a `SignInKind` for each way. words: lower case, names and summaries of the connector and its operations.
    """

    operations: int
    triggers: int
    needs_script: int
    unsupported: int
    sign_in: tuple[str, ...]
    description: str
    words: str


def summarise(connector: Connector, definition: Json) -> ConnectorSummary:
    """A connector in a few words. definition: its document, whose `info.description` is shown."""
    operations = connector.operations.values()
    scripted = sum(1 for operation in operations if needs_script(operation))
    description = " ".join(_description(definition).split())
    said = [connector.connector_id, connector.display_name, description]
    said += [f"{operation.operation_id} {operation.summary}" for operation in operations]
    return ConnectorSummary(
        operations=len(connector.operations),
        triggers=sum(1 for operation in operations if operation.is_trigger),
        needs_script=scripted,
        unsupported=sum(1 for operation in operations if operation.unsupported) - scripted,
        sign_in=tuple(dict.fromkeys(method.kind.value for method in connector.sign_in)),
        description=description
        if len(description) <= _LONGEST_DESCRIPTION
        else f"{description[:_LONGEST_DESCRIPTION]}…",
        words="\n".join(said).lower()[:_MOST_CHARACTERS],
    )


def needs_script(operation: Operation) -> bool:
    """Whether it would take the connector's own C# script to perform it."""
    return operation.unsupported.startswith(_NEEDS_SCRIPT)


def _description(definition: Json) -> str:
    info = definition.get("info") if isinstance(definition, Mapping) else None
    text = info.get("description") if isinstance(info, Mapping) else ""
    return text if isinstance(text, str) else ""
