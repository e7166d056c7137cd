"""A flow's document completed from the solution it came in: names of connections, values of environment variables."""

import re
from collections.abc import Mapping

from flowmend.core.definition.flow import EMPTY, Flow, Parameter
from flowmend.core.definition.packages import parts_of
from flowmend.core.definition.solution_files import EnvironmentVariable, Solution
from flowmend.core.json_value import Json

# `Site address (contoso_SiteAddress)`: how a flow names the parameter of an environment variable.
_NAME_WITH_SCHEMA = re.compile(r"(?P<shown>.*?)\s*\([^()]*\)")


def surrounded(document: Mapping[str, Json], solution: Solution) -> Mapping[str, Json]:
    """The document with what its solution brings for it: unchanged where that is nothing."""
    properties = document.get("properties")
    if not isinstance(properties, Mapping):
        return document
    changed = dict(properties)
    references = _references(properties.get("connectionReferences"), solution)
    if references:
        changed["connectionReferences"] = references
    values = _values(parts_of(document).definition, solution)
    if values:
        changed["parameters"] = {**values, **_object(properties.get("parameters"))}
    return {**document, "properties": changed} if references or values else document


def variables_of(flow: Flow, solution: Solution) -> tuple[EnvironmentVariable, ...]:
    """The environment variables a flow reads, as its solution describes them or else as the flow's parameter does."""
    return tuple(
        solution.variables.get(schema_name.lower()) or _described(parameter, schema_name)
        for parameter in flow.definition.parameters.values()
        if (schema_name := schema_name_of(parameter))
    )


def schema_name_of(parameter: Parameter) -> str:
    """The schema name of the environment variable behind a parameter, "" where there is none."""
    schema_name = parameter.metadata.get("schemaName")
    return schema_name if isinstance(schema_name, str) else ""


def _described(parameter: Parameter, schema_name: str) -> EnvironmentVariable:
    match = _NAME_WITH_SCHEMA.fullmatch(parameter.name)
    return EnvironmentVariable(
        schema_name=schema_name,
        display_name=match["shown"] if match else parameter.name,
        type=parameter.type,
        default=parameter.default,
    )


def _references(raw: Json, solution: Solution) -> dict[str, Json]:
    """The references with the names people gave their connections; empty where none has one."""
    named: dict[str, Json] = {}
    for key, entry in _object(raw).items():
        logical_name = _object(_object(entry).get("connection")).get("connectionReferenceLogicalName")
        known = solution.references.get(str(logical_name).lower())
        if known is not None and isinstance(entry, Mapping):
            named[key] = {**entry, "connectionDisplayName": known.display_name}
            if not entry.get("id") and not entry.get("api"):
                named[key]["id"] = known.connector
    return {**_object(raw), **named} if named else {}


def _values(definition: Json, solution: Solution) -> dict[str, Json]:
    """`{parameter: {value}}` of the environment variables whose value the solution brings."""
    values: dict[str, Json] = {}
    for name, parameter in _object(_object(definition).get("parameters")).items():
        schema_name = _object(_object(parameter).get("metadata")).get("schemaName")
        variable = solution.variables.get(str(schema_name).lower()) if schema_name else None
        if variable is None:
            continue
        if variable.value is not None:
            values[name] = {"value": variable.value}
        elif variable.default is not None and "defaultValue" not in parameter:
            values[name] = {"value": variable.default}
    return values


def _object(raw: Json) -> Mapping[str, Json]:
    return raw if isinstance(raw, Mapping) else EMPTY
