"""Arguments whose type is known because they are written out, and calls that fail whatever a run brings."""

from flowmend.core.definition.findings import Findings
from flowmend.core.errors import ExpressionError
from flowmend.core.expression.conversion.kinds import kind_name
from flowmend.core.expression.functions.function import Function, Kind, wrong_kind
from flowmend.core.expression.syntax import Call, Literal

_DEPRECATED = {
    "decodedatauri": "dataUriToBinary",
    "actionbody": "body",
    "actionoutputs": "outputs",
}


def check_arguments(call: Call, function: Function, pointer: str, findings: Findings) -> None:
    """Report a literal of the wrong type, a constant call that always fails, and a function of old.

    function: takes that many arguments.
    """
    replacement = _DEPRECATED.get(function.name.lower())
    if replacement:
        findings.info(
            "DeprecatedFunction",
            pointer,
            f"The function '{function.name}' is of old; '{replacement}' gives the same.",
            f"Write '{replacement}'.",
        )
    for index, argument in enumerate(call.arguments):
        takes = function.takes_at(index)
        if isinstance(argument, Literal) and not takes.accepts(argument.value):
            error = wrong_kind(function.name, index, takes, argument.value)
            findings.error("WrongArgumentType", pointer, error.message, f"This is a {kind_name(argument.value)}.")
            return
    _check_constant(call, function, pointer, findings)


def _check_constant(call: Call, function: Function, pointer: str, findings: Findings) -> None:
    """The service computes what depends on nothing when a flow is saved, and refuses what fails then (wdl.md §2)."""
    constants = [argument.value for argument in call.arguments if isinstance(argument, Literal)]
    if function.kind is not Kind.PURE or function.grows or not constants or len(constants) != len(call.arguments):
        return
    try:
        function.implementation(*constants)
    except ExpressionError as error:
        findings.error("ConstantExpressionFails", pointer, error.message, "Correct the values it is called with.")
