"""What a function of the language is: a name, the kinds of its parameters, and what it does."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.conversion.kinds import kind_name
from flowmend.core.json_value import Json

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


class Takes(Enum):
    """What a parameter accepts: its Python types, and how an error says so."""

    ANYTHING = ((), "")
    STRING = ((str,), "to be of type string")
    INTEGER = ((int,), "to be an integer number")
    NUMBER = ((int, float, Decimal), "to be an integer or a decimal number")
    NUMBER_OR_ARRAY = ((int, float, Decimal, list), "to be a number or an array")
    BOOLEAN = ((bool,), "to be of type boolean")
    ARRAY = ((list,), "to be of type array")
    OBJECT = ((dict,), "to be of type object")
    STRING_OR_ARRAY = ((str, list), "to be of type string or array")
    STRING_OR_NUMBER = ((str, int, float, Decimal), "to be of type string or a number")
    STRING_OR_OBJECT = ((str, dict), "to be of type string or object")
    ARRAY_OR_OBJECT = ((list, dict), "to be of type array or object")
    COLLECTION = ((str, list, dict), "to be of type string, array or object")
    COLLECTION_OR_NULL = ((str, list, dict, type(None)), "to be of type string, array, object or null")
    NOT_NULL = ((str, bool, int, float, Decimal, list, dict), "to have a value")

    def __init__(self, types: tuple[type, ...], words: str) -> None:
        self.types = types
        self.words = words

    def accepts(self, value: Json) -> bool:
        if not self.types or type(value) in self.types:
            return True
        return isinstance(value, self.types) and not isinstance(value, bool)


class Kind(StrEnum):
    """What a function needs besides its arguments."""

    PURE = "pure"  # nothing: implementation(*arguments)
    SCOPED = "scoped"  # what the expression can see: implementation(scope, *arguments)
    LAZY = "lazy"  # its arguments unevaluated: implementation(*calls), giving a call


class Refers(StrEnum):
    """What a function's first argument, or the function itself, refers to."""

    NOTHING = ""
    ACTION = "action"
    VARIABLE = "variable"
    PARAMETER = "parameter"
    LOOP = "loop"
    RESULT = "result"
    ITEM = "item"
    TRIGGER = "trigger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function.

    name: its documented spelling; names are matched ignoring case. takes: one entry per parameter; the last
    repeats where `most` is larger. least, most: how many arguments; most None is any number. grows: the
    result may be much larger than the arguments, so its size is counted against the budget.
    """

    name: str
    implementation: Callable[..., Any]
    takes: tuple[Takes, ...] = ()
    least: int
    most: int | None
    kind: Kind = Kind.PURE
    refers: Refers = Refers.NOTHING
    grows: bool = False

    @property
    def is_lazy(self) -> bool:
        return self.kind is Kind.LAZY

    def accepts_count(self, count: int) -> bool:
        return self.least <= count and (self.most is None or count <= self.most)

    def expected_count(self) -> str:
        """`2 parameters`, `1 to 3 parameters`, `at least 1 parameter`, as error texts say it."""
        if self.most is None:
            return f"at least {self.least} parameter{'' if self.least == 1 else 's'}"
        if self.least == self.most:
            return f"{self.least} parameter{'' if self.least == 1 else 's'}"
        return f"{self.least} to {self.most} parameters"

    def takes_at(self, index: int) -> Takes:
        if not self.takes:
            return Takes.ANYTHING
        return self.takes[min(index, len(self.takes) - 1)]


def pure(
    name: str,
    implementation: Callable[..., Json],
    *takes: Takes,
    least: int | None = None,
    repeats: bool = False,
    grows: bool = False,
) -> Function:
    """A function of its arguments alone. least: the first optional parameter. repeats: the last one does."""
    most = None if repeats else len(takes)
    required = len(takes) if least is None else least
    return Function(name=name, implementation=implementation, takes=takes, least=required, most=most, grows=grows)


def wrong_kind(name: str, index: int, takes: Takes, value: Json) -> ExpressionError:
    """The refusal of an argument of the wrong kind, worded as the service words it. index: from 0."""
    return wrong_argument(name, index, f"{takes.words}. The provided value is of type '{kind_name(value)}'")


def wrong_argument(name: str, index: int, expectation: str) -> ExpressionError:
    ordinal = _ORDINALS[index] if index < len(_ORDINALS) else f"{index + 1}th"
    return ExpressionError(
        f"The template language function '{name}' expects its {ordinal} parameter {expectation}. "
        f"Please see https://aka.ms/logicexpressions#{name} for usage details."
    )


def not_convertible(name: str) -> ExpressionError:
    return ExpressionError(
        f"The template language function '{name}' was invoked with a parameter that is not valid. "
        "The value cannot be converted to the target type."
    )
