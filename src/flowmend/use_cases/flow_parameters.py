"""Values of a flow's parameters, as they are stored with its version: secret ones sealed, the others as the file has them.

    {"definition": …, "parameters": {name: {"value"}},
     "flowmend": {"given": [names], "sealedParameters": base64 of the sealed {name: value}}}

`given` names the values people gave, which a later version of the flow keeps; the file's own come with each file anew.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from flowmend.core.definition import parts_of
from flowmend.core.definition.document_text import read_document
from flowmend.core.definition.flow import Flow, Parameter
from flowmend.core.definition.parameter_types import is_of_type
from flowmend.core.errors import AskedWrongly, InvalidDocument
from flowmend.core.json_value import Json
from flowmend.store.rows import FlowVersionRow
from flowmend.vault import Binding, Vault

_OURS = "flowmend"
_GIVEN = "given"
_SEALED = "sealedParameters"
_TEXT_TYPES = frozenset({"string", "securestring"})


def holding_definition(document: Json) -> dict[str, Json]:
    """The document with its definition below a key of its own, as every stored one has it."""
    return {"definition": document} if parts_of(document).definition is document else dict(document)


def typed_value(parameter: Parameter, value: Json) -> Json:
    """A given value as the parameter's type wants it; a text is read as JSON where no text is wanted.

    Errors: AskedWrongly `InvalidParameterValue` naming the parameter; the value itself is not shown.
    """
    if isinstance(value, str) and parameter.type not in _TEXT_TYPES:
        try:
            value = read_document(value.encode())
        except InvalidDocument as error:
            raise _unfit(parameter) from error
    if not is_of_type(value, parameter.type):
        raise _unfit(parameter)
    if parameter.allowed_values and value not in parameter.allowed_values:
        allowed = ", ".join(json.dumps(one) for one in parameter.allowed_values)
        raise AskedWrongly(
            f"The parameter {parameter.name!r} takes one of {allowed}.",
            code="InvalidParameterValue",
            target=parameter.name,
        )
    return value


def with_values(
    document: Mapping[str, Json],
    flow: Flow,
    *,
    lifted: Mapping[str, Json],
    given: Mapping[str, Json],
    binding: Binding,
    vault: Vault,
) -> dict[str, Json]:
    """The document with these values: as it is stored.

    lifted: secrets taken out of the file. given: by people, who count before the file. binding: of the version's values.
    """
    secret = {name for name, parameter in flow.definition.parameters.items() if parameter.is_secret}
    sealed = {**lifted, **{name: value for name, value in given.items() if name in secret}}
    shown = {name: {"value": value} for name, value in given.items() if name not in secret}
    # A file's own words under our key are not ours.
    stored = shown_document(_with_shown(document, shown) if shown else dict(document))
    ours: dict[str, Json] = {}
    if given:
        ours[_GIVEN] = sorted(given)
    if sealed:
        ours[_SEALED] = base64.b64encode(vault.seal_json(sealed, bound_to=binding)).decode("ascii")
    return {**stored, _OURS: ours} if ours else stored


def sealed_values(stored: FlowVersionRow, vault: Vault) -> dict[str, Json]:
    """The secret values of a stored version, `{parameter: value}`. Errors: SecretUnreadable."""
    if not has_sealed_values(stored.document):
        return {}
    sealed = sealed_part(stored.document)  # where that is nothing, the vault says that it was altered
    values: dict[str, Json] = vault.open_json(sealed, bound_to=values_binding(stored.flow_id, stored.version))
    return values


def has_sealed_values(document: Json) -> bool:
    """Whether a stored document holds secret values."""
    return isinstance(_ours(document).get(_SEALED), str)


def sealed_part(document: Json) -> bytes:
    """The sealed values of a stored document as they are; b"" where there are none, or they were altered past reading."""
    text = _ours(document).get(_SEALED)
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return b""


def resealed_document(stored: FlowVersionRow, vault: Vault) -> Json:
    """The document of a version that holds sealed values, with these under the newest key. Errors: SecretUnreadable."""
    sealed = vault.reseal(sealed_part(stored.document), bound_to=values_binding(stored.flow_id, stored.version))
    ours = {**_ours(stored.document), _SEALED: base64.b64encode(sealed).decode("ascii")}
    return {**stored.document, _OURS: ours}


def with_sealed(flow: Flow, values: Mapping[str, Json]) -> Flow:
    """The flow with values that are kept sealed for it; they count before what its file carries."""
    if not values:
        return flow
    return replace(
        flow,
        parameter_values={**flow.parameter_values, **values},
        sealed_parameters=frozenset(values) - flow.parameter_values.keys(),
    )


def given_values(stored: FlowVersionRow, flow: Flow, vault: Vault) -> dict[str, Json]:
    """The values people gave a stored version. flow: it, read. Errors: SecretUnreadable."""
    names = _ours(stored.document).get(_GIVEN)
    values = {**flow.parameter_values, **sealed_values(stored, vault)}
    return {name: values[name] for name in (names if isinstance(names, list) else ()) if name in values}


def shown_document(document: Json) -> Json:
    """A stored document as people may read it: without what is sealed."""
    return {key: value for key, value in document.items() if key != _OURS} if isinstance(document, dict) else document


def values_binding(flow_id: str, version: str) -> Binding:
    """What the sealed values of a version are bound to."""
    return Binding(kind="flow_parameters", parts=(flow_id, version))


def values_for(flow: Flow, named: Mapping[str, Json]) -> dict[str, Json]:
    """Of values by name, those for this flow's parameters, typed; an environment variable is also meant by its schema name.

    Errors: AskedWrongly `InvalidParameterValue`.
    """
    folded = {name.casefold(): value for name, value in named.items()}
    return {
        parameter.name: typed_value(parameter, folded[name])
        for parameter in flow.definition.parameters.values()
        for name in _names(parameter, folded)
    }


def _names(parameter: Parameter, known: Mapping[str, Json]) -> Iterable[str]:
    schema_name = parameter.metadata.get("schemaName")
    names = (parameter.name.casefold(), schema_name.casefold() if isinstance(schema_name, str) else "")
    return [name for name in names if name in known][:1]


def _with_shown(document: Mapping[str, Json], shown: Mapping[str, Json]) -> dict[str, Json]:
    properties = document.get("properties")
    if "definition" not in document and isinstance(properties, Mapping):
        return {**document, "properties": _with_shown(properties, shown)}
    values = document.get("parameters")
    return {**document, "parameters": {**(values if isinstance(values, Mapping) else {}), **shown}}


def _ours(document: Json) -> Mapping[str, Json]:
    ours = document.get(_OURS) if isinstance(document, Mapping) else None
    return ours if isinstance(ours, Mapping) else {}


def _unfit(parameter: Parameter) -> AskedWrongly:
    return AskedWrongly(
        f"The value given for parameter {parameter.name!r} is no {parameter.type}.",
        code="InvalidParameterValue",
        target=parameter.name,
    )
