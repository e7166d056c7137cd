"""Expressions in the values of policies: references to what a connection, a request or an answer holds.

They look like those of flows but are another, smaller language, written in four ways:

    @connectionParameters('site', 'default')   also queryParameters, header, headers
    @body().people.name   @item()['@odata.type']   @triggerBody()[0]
    @{connectionParameters('port')}            the value as text
    {@body().firstName} {@body().lastName}     several in one text

Source: learn.microsoft.com/connectors/custom-connectors/policy-templates, "Use expressions to access runtime values"
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from flowmend.core.connector.draft import text_of
from flowmend.core.expression.conversion.text import LONGEST_TEXT, too_long
from flowmend.core.json_value import Json

#: Property names and list indexes, from the outside in.
Steps: TypeAlias = tuple[str | int, ...]

_STEP = r"\??(?:\.[\w$@-]*[\w$-]|\[\s*'[^']*'\s*\]|\[\s*\d+\s*\])"
_REFERENCE = re.compile(
    r"(?P<outer>\{)?@(?P<inner>\{)?(?:"
    r"(?P<named>connectionParameters|queryParameters|headers?)"
    r"\(\s*'(?P<name>[^']*)'\s*(?:,\s*'(?P<default>[^']*)'\s*)?\)"
    rf"|(?<![\w.]@)(?P<whole>body|item|triggerBody)(?:\(\s*\)|(?![\w(]))(?P<steps>(?:{_STEP})*)"
    r"|(?P<method>Request\.OriginalHTTPMethod)"
    r")(?(inner)\})(?(outer)\})",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(r"@\{?\s*[A-Za-z]\w*\(")
_ONE_STEP = re.compile(r"\.?(?P<plain>[^.\[\]?]+)|\[\s*'(?P<quoted>[^']*)'\s*\]|\[\s*(?P<index>\d+)\s*\]")
_ROOT = re.compile(r"^\{?@\{?(?P<root>body|item|triggerBody)(?:\(\s*\))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyScope:
    """What an expression can see. item: of the list a policy works through, None outside one."""

    connection_parameters: Mapping[str, Json] = field(default_factory=dict, repr=False)
    header: Callable[[str], str | None] = field(default=lambda _name: None, repr=False)
    query: Callable[[str], str | None] = field(default=lambda _name: None, repr=False)
    method: str = ""
    body: Json = field(default=None, repr=False)
    item: Json = field(default=None, repr=False)


def is_understood(template: Json) -> bool:
    """Whether every expression in a policy's value is one of ours; also of a value that holds none."""
    if isinstance(template, Mapping):
        return all(is_understood(value) for value in template.values())
    return not isinstance(template, str) or _UNKNOWN.search(_REFERENCE.sub("", template)) is None


def depends_on_call(template: str) -> bool:
    """Whether a template's value is another for every request rather than one for all of a connection."""
    return any((found["named"] or "").lower() != "connectionparameters" for found in _REFERENCE.finditer(template))


def fill(template: str, scope: PolicyScope, *, encode: Callable[[str], str] = str) -> str:
    """The template with its references replaced by text; one without value or default becomes nothing.

    Errors: ExpressionError where that is too long: a template may name the whole body any number of times.
    """
    left = LONGEST_TEXT

    def text(found: re.Match[str]) -> str:
        nonlocal left
        value = _value(found, scope)
        written = encode("" if value is None else text_of(value))
        left -= len(written)
        if left < 0:
            raise too_long()
        return written

    return _REFERENCE.sub(text, template)


def says_nothing(template: str, scope: PolicyScope) -> bool:
    """Whether a template has references and none of them has a value: `Bearer @connectionParameters('none')`."""
    values = [_value(found, scope) for found in _REFERENCE.finditer(template)]
    return bool(values) and all(value is None or value == "" for value in values)


def value_of(template: Json, scope: PolicyScope) -> Json:
    """What a template means: of a single reference the value as it is, else the text with all of them filled in."""
    if not isinstance(template, str):
        return template
    whole = _REFERENCE.fullmatch(template.strip())
    if whole is None or whole["inner"]:
        return fill(template, scope)
    return _value(whole, scope)


def path_of(text: Json) -> tuple[str, Steps]:
    """(root, steps) of a property path: `body`, `item`, or "" where the path is relative. `null` leads nowhere further."""
    written = text.strip() if isinstance(text, str) else ""
    found = _ROOT.match(written)
    root = found["root"].lower() if found is not None else ""
    rest = written[found.end() :].rstrip("}") if found is not None else written
    return ("body" if root == "triggerbody" else root), () if rest.lower() == "null" else _steps(rest)


def found_at(value: Json, steps: Sequence[str | int]) -> Json:
    """What the steps lead to; None where they lead nowhere."""
    for step in steps:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def parameter_named(parameters: Mapping[str, Json], name: str) -> Json:
    """A connection parameter, its name compared ignoring case where none is exactly so."""
    if name in parameters:
        return parameters[name]
    wanted = name.lower()
    return next((value for key, value in parameters.items() if key.lower() == wanted), None)


def _value(found: re.Match[str], scope: PolicyScope) -> Json:
    if found["method"]:
        return scope.method
    if found["whole"]:
        root = scope.item if found["whole"].lower() == "item" else scope.body
        return found_at(root, _steps(found["steps"]))
    source, name = found["named"].lower(), found["name"]
    value: Json
    if source == "connectionparameters":
        value = parameter_named(scope.connection_parameters, name)
    else:
        value = scope.query(name) if source == "queryparameters" else scope.header(name)
    return found["default"] if value is None or value == "" else value


def _steps(text: str) -> Steps:
    found: list[str | int] = []
    for one in _ONE_STEP.finditer(text):
        if one["index"] is not None:
            found.append(int(one["index"]))
        else:
            found.append(one["quoted"] if one["quoted"] is not None else one["plain"].strip())
    return tuple(step for step in found if step != "")
