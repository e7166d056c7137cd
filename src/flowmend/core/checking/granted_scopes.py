"""Steps that their connection's sign-in does not cover: known before the first run is refused for it."""

from collections.abc import Mapping
from dataclasses import dataclass

from flowmend.core.connector.matching import match_operation
from flowmend.core.connector.operation import Connector, Operation
from flowmend.core.connector.scopes import scopes_lacking
from flowmend.core.definition.connection_references import connection_key, find_reference
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import Action, Flow, Trigger
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.json_value import Json
from flowmend.core.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What the sign-in of a connection covers. scopes: as the provider granted them."""

    connection: str
    connector: Connector
    scopes: tuple[str, ...]


def check_granted_scopes(flow: Flow, grants: Mapping[str, Grant]) -> tuple[Problem, ...]:
    """A warning `MissingScope` for each step that its connection's sign-in does not cover.

    grants: by the key of the connection reference; steps of others are not asked about.
    """
    findings = Findings()
    steps: tuple[Action | Trigger, ...] = (*flow.definition.triggers.values(), *flow.definition.walk())
    for step in steps:
        key = connection_key(step.inputs)
        reference = find_reference(key, flow.connection_references) if key else None
        grant = grants.get(reference.key) if reference is not None else None
        operation = _operation(grant.connector, step.inputs) if grant is not None else None
        if grant is None or operation is None:
            continue
        lacking = scopes_lacking(operation, grant.scopes)
        if lacking:
            findings.warning(
                "MissingScope",
                pointer_to(step.pointer, "inputs"),
                f"'{step.name}' calls {operation.operation_id}, which needs the scope {', '.join(lacking)}; the sign-in of "
                f"'{grant.connection}' was not granted it, so the call will be refused.",
                f"Sign in to '{grant.connection}' again and agree to everything it asks for.",
            )
    return findings.problems


def _operation(connector: Connector, inputs: Json) -> Operation | None:
    host = inputs.get("host") if isinstance(inputs, Mapping) else None
    if not isinstance(host, Mapping):
        return None
    named = host.get("operationId")
    if isinstance(named, str) and named:
        return connector.operation(named)
    path = inputs.get("path")
    if not isinstance(path, str):
        return None
    found = match_operation(connector, str(inputs.get("method") or "get"), path.partition("?")[0])
    return found.operation if found is not None else None
