"""The syntax tree of an expression, as values.

    expression := string | number | null | true | false | call
    call       := identifier '(' [expression {',' expression}] ')' { ['?'] ('.' identifier | '[' expression ']') }

Source: learn.microsoft.com/azure/logic-apps/workflow-definition-language-functions-reference
"""

from dataclasses import dataclass
from typing import TypeAlias

from flowmend.core.json_value import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """A string, number, null, true or false. start, end: where it stands in the expression's text."""

    value: Json
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One step of a selection: `.key`, `[key]`, or either after `?`."""

    key: "Node"
    is_safe: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A function call and the selections behind it. name: as written."""

    name: str
    arguments: tuple["Node", ...]
    hops: tuple[Hop, ...]
    start: int
    end: int


Node: TypeAlias = Literal | Call
