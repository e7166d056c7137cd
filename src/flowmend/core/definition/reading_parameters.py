"""Declared parameters, and the values a file carries for them."""

from collections.abc import Mapping

from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import EMPTY, Parameter
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.definition.step_settings import read_object
from flowmend.core.json_value import Json

PARAMETER_TYPES = frozenset({"string", "int", "float", "bool", "array", "object", "securestring", "secureobject"})

_MOST_PARAMETERS = 500  # Standard's limit; Consumption allows 50


def read_parameters(raw: Json, pointer: str, findings: Findings) -> dict[str, Parameter]:
    """`{name: Parameter}`, the declarations of a definition."""
    if raw is not None and not isinstance(raw, Mapping):
        findings.error("InvalidParameters", pointer, "'parameters' is not an object of parameters by name.")
        return {}
    entries = raw or EMPTY
    if len(entries) > _MOST_PARAMETERS:
        findings.warning(
            "LimitExceeded", pointer, f"{len(entries)} parameters are over the limit of {_MOST_PARAMETERS}."
        )
    parameters = {}
    for name, node in entries.items():
        parameter = _read_parameter(name, node, pointer_to(pointer, name), findings)
        if parameter is not None:
            parameters[name] = parameter
    return parameters


def read_parameter_values(raw: Json, pointer: str, findings: Findings) -> dict[str, Json]:
    """The values of `{name: {value}}`; connections are no values and are left out."""
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        findings.error("InvalidParameters", pointer, "'parameters' is not an object of values by name.")
        return {}
    values = {}
    for name, entry in raw.items():
        if name.lower() == "$connections":
            continue
        if isinstance(entry, Mapping) and "value" in entry:
            values[name] = entry["value"]
        else:
            findings.warning(
                "InvalidParameterValue",
                pointer_to(pointer, name),
                f"Parameter '{name}' carries no value here.",
                'Write it as {"value": …}.',
            )
    return values


def _read_parameter(name: str, node: Json, pointer: str, findings: Findings) -> Parameter | None:
    if not isinstance(node, Mapping):
        findings.error("InvalidParameter", pointer, f"Parameter '{name}' is not an object with a 'type'.")
        return None
    written = node.get("type")
    kind = written.lower() if isinstance(written, str) else ""
    if kind not in PARAMETER_TYPES:
        findings.error(
            "InvalidParameter",
            pointer,
            f"Parameter '{name}' has no type Flowmend knows.",
            f"Use one of {', '.join(sorted(PARAMETER_TYPES))}.",
        )
    allowed = node.get("allowedValues")
    return Parameter(
        name=name,
        type=kind,
        default=node.get("defaultValue"),
        has_default="defaultValue" in node,
        allowed_values=tuple(allowed) if isinstance(allowed, list) else (),
        metadata=read_object(node.get("metadata"), pointer_to(pointer, "metadata"), "metadata", findings),
    )
