"""The expressions of a flow, each with the pointer of the very string it stands in."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from flowmend.core.checking.argument_types import check_arguments
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.errors import ExpressionError
from flowmend.core.expression import FUNCTIONS
from flowmend.core.expression.functions.function import Function, Refers
from flowmend.core.expression.interpolation import ExpressionText, read_template
from flowmend.core.expression.parsing import parse
from flowmend.core.expression.syntax import Call, Node
from flowmend.core.json_value import Json

_DEEPEST = 200
_TEMPLATE_EXPRESSION = re.compile(r"\[\s*[A-Za-z_.]+\s*\(")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A name that an expression gives as a literal. pointer: of the string. name: "" for `item()`."""

    refers: Refers
    name: str
    pointer: str


def is_template_expression(text: str) -> bool:
    """Whether a string is for Azure Resource Manager to evaluate when it deploys: `[concat(…)]`, `[variables('x')]`."""
    return _TEMPLATE_EXPRESSION.match(text) is not None and text.endswith("]")


def is_literal(text: str) -> bool:
    """Whether a string is the same each time, neither an expression nor a value a template is to fill in."""
    if is_template_expression(text):
        return False
    try:
        return isinstance(read_template(text), str)
    except ExpressionError:
        return False


def read_expressions(
    value: Json, pointer: str, findings: Findings, *, is_template: bool = False
) -> Iterator[Reference]:
    """What the expressions at any depth of `value` refer to; those that are wrong are reported on the way.

    is_template: strings for Azure Resource Manager to evaluate are none of the flow's own expressions.
    """
    for text, place in strings(value, pointer):
        if "@" in text and not (is_template and is_template_expression(text)):
            yield from _read_string(text, place, findings)


def strings(value: Json, pointer: str, *, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Every string with its pointer, object keys too. Deeper than any real value it stops."""
    if isinstance(value, str):
        yield value, pointer
    elif depth > _DEEPEST:
        return
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            below = pointer_to(pointer, key)
            yield key, below
            yield from strings(inner, below, depth=depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from strings(inner, pointer_to(pointer, index), depth=depth + 1)


def _read_string(text: str, pointer: str, findings: Findings) -> Iterator[Reference]:
    try:
        template = read_template(text)
        if isinstance(template, str):
            return
        pieces = (template,) if isinstance(template, ExpressionText) else template.pieces
        nodes = [parse(piece.text) for piece in pieces if isinstance(piece, ExpressionText)]
    except ExpressionError as error:
        findings.error("InvalidExpression", pointer, error.message, "Correct the expression.")
        return
    for node in nodes:
        for call in _calls(node):
            function = _check_call(call, pointer, findings)
            if function is not None:
                yield from _references(call, function, pointer)


def _calls(node: Node) -> Iterator[Call]:
    if isinstance(node, Call):
        yield node
        for argument in node.arguments:
            yield from _calls(argument)
        for hop in node.hops:
            yield from _calls(hop.key)


def _check_call(call: Call, pointer: str, findings: Findings) -> Function | None:
    function = FUNCTIONS.get(call.name.lower())
    if function is None:
        near = get_close_matches(call.name.lower(), FUNCTIONS, n=1)
        findings.error(
            "UnknownFunction",
            pointer,
            f"The template function '{call.name}' is not defined or not valid.",
            f"Did you mean '{FUNCTIONS[near[0]].name}'?" if near else "",
        )
    elif not function.accepts_count(len(call.arguments)):
        findings.error(
            "WrongArgumentCount",
            pointer,
            f"The template function '{function.name}' takes {function.expected_count()}, not {len(call.arguments)}.",
        )
    else:
        check_arguments(call, function, pointer, findings)
    return function


def _references(call: Call, function: Function, pointer: str) -> Iterator[Reference]:
    if function.refers is Refers.NOTHING:
        return
    if not call.arguments:
        yield Reference(refers=function.refers, name="", pointer=pointer)
    elif not isinstance(call.arguments[0], Call) and isinstance(call.arguments[0].value, str):
        yield Reference(refers=function.refers, name=call.arguments[0].value, pointer=pointer)
