"""Inputs that are written out and that their action can do nothing with."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from flowmend.core.checking.expressions import is_literal
from flowmend.core.definition.durations import UNITS
from flowmend.core.definition.expression_kinds import EXPRESSIONS
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import EMPTY, Action, Flow
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.definition.step_settings import whole_number
from flowmend.core.expression import FUNCTIONS
from flowmend.core.json_value import Json

_Inputs = Mapping[str, Json]
_Check = Callable[[Action, _Inputs, str, Findings], None]


def check_literal_inputs(flow: Flow, findings: Findings) -> None:
    """Report values that are the same in every run, and with which the action fails in every run."""
    for trigger in flow.definition.triggers.values():
        if _is_written(trigger.split_on) and not isinstance(trigger.split_on, list | None):
            _refuse(trigger.name, "splitOn", "a list", pointer_to(trigger.pointer, "splitOn"), findings)
    for action in flow.definition.walk():
        if action.type == "Switch" and _is_written(action.condition):
            _check_switched(action, findings)
        check = _CHECKS.get(action.type)
        if check is not None and isinstance(action.inputs, Mapping | None):
            check(action, action.inputs or EMPTY, pointer_to(action.pointer, "inputs"), findings)


def _check_switched(action: Action, findings: Findings) -> None:
    if isinstance(action.condition, bool) or not isinstance(action.condition, str | int):
        pointer = pointer_to(action.pointer, "expression")
        _refuse(action.name, "expression", "a text or a whole number", pointer, findings)


def _check_from(action: Action, inputs: _Inputs, pointer: str, findings: Findings) -> None:
    if "from" in inputs and _is_written(inputs["from"]) and not isinstance(inputs["from"], list):
        _refuse(action.name, "from", "a list", pointer_to(pointer, "from"), findings)


def _check_table(action: Action, inputs: _Inputs, pointer: str, findings: Findings) -> None:
    _check_from(action, inputs, pointer, findings)
    form = inputs.get("format", "CSV")
    if _is_written(form) and str(form).strip().lower() not in {"csv", "html"}:
        _refuse(action.name, "format", "CSV or HTML", pointer_to(pointer, "format"), findings)


def _check_response(action: Action, inputs: _Inputs, pointer: str, findings: Findings) -> None:
    status = inputs.get("statusCode", 200)
    number = whole_number(status)
    is_allowed = number is not None and (200 <= number <= 299 or 400 <= number <= 599)
    if _is_written(status) and not is_allowed:
        _refuse(action.name, "statusCode", "from 200 to 299 or 400 to 599", pointer_to(pointer, "statusCode"), findings)


def _check_wait(action: Action, inputs: _Inputs, pointer: str, findings: Findings) -> None:
    interval, until = inputs.get("interval"), inputs.get("until")
    if interval is None and until is None:
        findings.error(
            "MissingInput",
            pointer,
            f"Action '{action.name}' of type Wait says neither an 'interval' nor 'until' when it waits.",
            "Give it an interval of count and unit, or a timestamp to wait for.",
        )
    elif isinstance(interval, Mapping) and until is None:
        unit = interval.get("unit")
        if _is_written(unit) and str(unit).lower().removesuffix("s") not in UNITS:
            _refuse(action.name, "unit", ", ".join(UNITS), pointer_to(pointer, "interval", "unit"), findings)


def _check_http(action: Action, inputs: _Inputs, pointer: str, findings: Findings) -> None:
    method, uri, authentication = inputs.get("method"), inputs.get("uri"), inputs.get("authentication")
    if isinstance(method, str) and method and is_literal(method) and not method.isalpha():
        _refuse(action.name, "method", "an HTTP method", pointer_to(pointer, "method"), findings)
    if isinstance(uri, str) and is_literal(uri) and not uri.strip().lower().startswith(("http://", "https://")):
        findings.warning(
            "InvalidUri",
            pointer_to(pointer, "uri"),
            f"The 'uri' of '{action.name}' is not an absolute http or https address, so its call fails.",
            "Give the whole address, beginning with https://.",
        )
    if authentication is not None and not isinstance(authentication, str | Mapping):
        _refuse(action.name, "authentication", "an object", pointer_to(pointer, "authentication"), findings)


def _check_terminate(action: Action, inputs: _Inputs, pointer: str, findings: Findings) -> None:
    error = inputs.get("runError")
    if error is not None and _is_written(error) and not isinstance(error, Mapping):
        _refuse(
            action.name, "runError", "an object with 'code' and 'message'", pointer_to(pointer, "runError"), findings
        )


def _check_expression(action: Action, inputs: _Inputs, pointer: str, findings: Findings) -> None:
    function, names = EXPRESSIONS.get(action.kind, ("", ()))
    least = FUNCTIONS[function.lower()].least if function else 0
    for name in names[:least]:
        if inputs.get(name) is None:
            findings.error(
                "MissingInput", pointer, f"Action '{action.name}' of kind {action.kind} has no '{name}' input."
            )


_CHECKS: Mapping[str, _Check] = MappingProxyType(
    {
        "Query": _check_from,
        "Select": _check_from,
        "Join": _check_from,
        "Table": _check_table,
        "Response": _check_response,
        "Wait": _check_wait,
        "Http": _check_http,
        "Terminate": _check_terminate,
        "Expression": _check_expression,
    }
)


def _is_written(value: Json) -> bool:
    """Whether a value is the same in every run; of objects and lists only what they are counts, not what is in them."""
    return not isinstance(value, str) or is_literal(value)


def _refuse(name: str, part: str, wanted: str, pointer: str, findings: Findings) -> None:
    findings.error("WrongType", pointer, f"The '{part}' of '{name}' is not {wanted}.", f"Give {wanted}.")
