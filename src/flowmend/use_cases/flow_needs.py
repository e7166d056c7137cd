"""What a flow lacks before it can be turned on."""

from collections.abc import Collection
from dataclasses import dataclass

from flowmend.core.definition.flow import Flow
from flowmend.core.problem import Problem, Severity
from flowmend.use_cases.loaded_flows import LoadedFlow, missing_parameters

_NEVER_FIRES = frozenset({"UnsupportedTrigger", "MissingTriggerHost", "MissingRecurrenceValue"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowNeeds:
    """What somebody has to add. connectors: ids of those not installed. connections: ids of the installed ones that a
    connection is to be chosen for. values: names of parameters without a value.
    """

    connectors: tuple[str, ...] = ()
    connections: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.connectors or self.connections or self.values)


#: Of a flow that lacks nothing, or of which that is not known.
NO_NEEDS = FlowNeeds()


def needs_of_flow(loaded: LoadedFlow, installed: Collection[str]) -> FlowNeeds:
    """Each named once, in the order the flow has them; what else is wrong with it is not looked for.

    installed: ids of the connectors there are.
    """
    lacking = [
        reference.connector
        for key, reference in loaded.flow.connection_references.items()
        if key not in loaded.mappings
    ]
    return FlowNeeds(
        connectors=tuple(dict.fromkeys(one for one in lacking if one not in installed)),
        connections=tuple(dict.fromkeys(one for one in lacking if one in installed)),
        values=loaded.missing_parameters,
    )


def blocking_problems(flow: Flow, problems: tuple[Problem, ...], connected: Collection[str]) -> tuple[Problem, ...]:
    """Why a flow cannot be on: errors, a trigger nobody waits for, references without connection, missing values.

    connected: the references that mean a connection.
    """
    found = [one for one in problems if one.severity is Severity.ERROR or one.code in _NEVER_FIRES]
    found += [
        _unmapped(key, reference.connector)
        for key, reference in flow.connection_references.items()
        if key not in connected
    ]
    found += [
        Problem(
            severity=Severity.ERROR,
            code="MissingParameterValue",
            pointer=f"/parameters/{name}",
            message=f"The parameter {name!r} has no value.",
            hint="Give it a value in the file's parameters, or a defaultValue in the definition.",
        )
        for name in missing_parameters(flow, connected)
    ]
    return tuple(found)


def _unmapped(key: str, connector: str) -> Problem:
    return Problem(
        severity=Severity.ERROR,
        code="MissingConnection",
        pointer=f"/connectionReferences/{key}",
        message=f"The connection reference {key!r} has no connection to {connector} yet.",
        hint="Choose a connection for it on the flow's page.",
    )
