"""Values of parameters that their declarations do not allow."""

from collections.abc import Iterator

from flowmend.core.checking.expressions import is_literal
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import Flow, Packaging, Parameter
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.definition.parameter_types import is_of_type
from flowmend.core.json_value import Json

#: Source: wdl.md §8.
_MOST_PARAMETERS = 50


def check_parameter_values(flow: Flow, findings: Findings) -> None:
    """Report values the service would refuse. What a template or an app is to fill in is not known yet."""
    definition = flow.definition
    if len(definition.parameters) > _MOST_PARAMETERS and flow.packaging is not Packaging.STANDARD:
        findings.warning(
            "LimitExceeded",
            pointer_to(definition.pointer, "parameters"),
            f"The flow has {len(definition.parameters)} parameters; Microsoft's service allows {_MOST_PARAMETERS}.",
        )
    for parameter, value, pointer in _values(flow):
        if isinstance(value, str) and not is_literal(value):
            continue
        if not is_of_type(value, parameter.type):
            findings.warning(
                "WrongParameterType",
                pointer,
                f"The value of parameter '{parameter.name}' is not of its type {parameter.type}.",
                "Change the value, or the type.",
            )
        elif parameter.allowed_values and value not in parameter.allowed_values:
            findings.warning(
                "ValueNotAllowed",
                pointer,
                f"The value of parameter '{parameter.name}' is none of those that it allows.",
                "Choose one of 'allowedValues', or add it to them.",
            )


def _values(flow: Flow) -> Iterator[tuple[Parameter, Json, str]]:
    """(parameter, value, pointer) of each value that counts: the one that is given, else the default."""
    for name, parameter in flow.definition.parameters.items():
        pointer = pointer_to(flow.definition.pointer, "parameters", name)
        if name in flow.parameter_values:
            yield parameter, flow.parameter_values[name], pointer
        elif parameter.has_default and parameter.default is not None:
            yield parameter, parameter.default, pointer_to(pointer, "defaultValue")
