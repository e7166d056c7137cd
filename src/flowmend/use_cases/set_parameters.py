"""The values of a flow's parameters and environment variables, as people see and set them.

A value set is a new version of the flow: runs under way keep the values they began with, new ones get the new.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from flowmend.core.definition import parts_of, read_flow
from flowmend.core.definition.flow import Packaging, Parameter
from flowmend.core.definition.surroundings import schema_name_of
from flowmend.core.errors import InvalidDocument, NotFound
from flowmend.core.json_value import Json
from flowmend.use_cases.edit_flow import latest_version, refuse_to_turn_off, store_version
from flowmend.use_cases.flow_parameters import given_values, sealed_values, shown_document, typed_value
from flowmend.use_cases.loaded_flows import read_stored_flow
from flowmend.use_cases.ports import Services

#: Parameters the service fills in by itself (wdl.md §1).
_OURS = frozenset({"$connections", "$authentication"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterView:
    """One parameter. shown_name: what people call it. schema_name: of the environment variable behind it, "" for none.

    source: where its value comes from: `given` by people, the `file`, its `default`, or "" where it has none. value:
    None for a secret one, whatever it is.
    """

    name: str
    shown_name: str
    type: str
    is_secret: bool
    schema_name: str
    description: str
    allowed_values: tuple[Json, ...]
    source: str
    value: Json = field(repr=False)


async def read_parameters(services: Services, flow_id: str) -> tuple[ParameterView, ...]:
    """Every parameter of the flow, in the definition's order. Errors: NotFound; SecretUnreadable."""
    row, stored = latest_version(services, flow_id)
    flow = read_stored_flow(row, stored)
    given = given_values(stored, flow, services.vault)
    sealed = sealed_values(stored, services.vault)
    return tuple(
        _view(parameter, given, {**flow.parameter_values, **sealed})
        for parameter in flow.definition.parameters.values()
        if parameter.name not in _OURS
    )


async def set_parameters(
    services: Services, flow_id: str, values: Mapping[str, Json], person_id: str, *, cleared: Collection[str] = ()
) -> str:
    """Give parameters these values, as a new version whose name this is.

    cleared: parameters that are to have no value of their own any more. Errors: NotFound for a flow or parameter;
    AskedWrongly `InvalidParameterValue`; Conflict `FlowChanged`, or `FlowHasProblems` where it is on and lacks a value now.
    """
    row, stored = latest_version(services, flow_id)
    before = read_stored_flow(row, stored)
    declared = before.definition.parameters
    for name in (*values, *cleared):
        if name not in declared or name in _OURS:
            raise NotFound(f"{row.name!r} has no parameter {name!r}.", code="ParameterNotFound", target=name)
    typed = {name: typed_value(declared[name], value) for name, value in values.items()}
    given = {**given_values(stored, before, services.vault), **typed}
    kept = sealed_values(stored, services.vault)
    for name in cleared:
        given.pop(name, None)
        kept.pop(name, None)
    document = _without_values(shown_document(stored.document), cleared)
    flow = read_flow(document, packaging=Packaging(row.packaging), name=row.name, flow_id=flow_id).flow
    if flow is None:
        raise InvalidDocument(f"The stored definition of {row.name!r} does not read.")
    refuse_to_turn_off(services, row, flow, {**kept, **given})
    return await store_version(
        services,
        row,
        document,
        flow,
        lifted=kept,
        given=given,
        fresh=typed.keys(),
        person_id=person_id,
        verb="set_parameters",
    )


def _view(parameter: Parameter, given: Mapping[str, Json], values: Mapping[str, Json]) -> ParameterView:
    name = parameter.name
    has_value = name in values or name in given
    source = "given" if name in given else "file" if has_value else "default" if parameter.has_default else ""
    value = given.get(name, values.get(name, parameter.default))
    return ParameterView(
        name=name,
        shown_name=_text(parameter.metadata.get("displayName")) or name,
        type=parameter.type,
        is_secret=parameter.is_secret,
        schema_name=schema_name_of(parameter),
        description=_text(parameter.metadata.get("description")),
        allowed_values=parameter.allowed_values,
        source=source,
        value=None if parameter.is_secret else value,
    )


def _without_values(document: Json, names: Collection[str]) -> dict[str, Json]:
    """The document without the values that stand for these parameters beside its definition."""
    if "definition" not in document and isinstance(document.get("properties"), Mapping):
        return {**document, "properties": _without_values(document["properties"], names)}
    values = document.get("parameters")
    if not isinstance(values, Mapping) or parts_of(document).definition is document:
        return dict(document)
    return {**document, "parameters": {name: value for name, value in values.items() if name not in names}}


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
