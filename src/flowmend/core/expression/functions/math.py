"""Arithmetic. Integers stay 64-bit integers; a decimal with a decimal or integer stays exact; a float makes a float."""

import math
from collections.abc import Callable
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.conversion.kinds import Number
from flowmend.core.expression.functions.function import Function, Kind, Takes, pure, wrong_argument, wrong_kind
from flowmend.core.expression.scope import Scope
from flowmend.core.json_value import Json

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_MOST_ITEMS = 100_000
_LARGEST_IN_RANGE = 2**31 - 1
#: .NET's decimal: 28 to 29 significant digits
DECIMAL = Context(prec=28, traps=[InvalidOperation, DivisionByZero, Overflow])


def _out_of_range(name: str) -> ExpressionError:
    return ExpressionError(f"The result of the template language function '{name}' is too large or too small.")


def _checked(name: str, value: Number) -> Number:
    if isinstance(value, int):
        if not _SMALLEST <= value <= _LARGEST:
            raise _out_of_range(name)
    elif isinstance(value, float) and not math.isfinite(value):
        raise _out_of_range(name)
    return value


def _calculate(
    name: str,
    left: Number,
    right: Number,
    on_numbers: Callable[[Number, Number], Number],
    on_decimals: Callable[[Decimal, Decimal], Decimal],
) -> Number:
    try:
        if isinstance(left, float) or isinstance(right, float):
            return _checked(name, on_numbers(float(left), float(right)))
        if isinstance(left, Decimal) or isinstance(right, Decimal):
            return on_decimals(Decimal(left), Decimal(right))
        return _checked(name, on_numbers(left, right))
    except (OverflowError, Overflow, InvalidOperation) as error:
        raise _out_of_range(name) from error


def _add(left: Number, right: Number) -> Number:
    return _calculate("add", left, right, lambda a, b: a + b, DECIMAL.add)  # type: ignore[operator]  # same kind by then


def _sub(left: Number, right: Number) -> Number:
    return _calculate("sub", left, right, lambda a, b: a - b, DECIMAL.subtract)  # type: ignore[operator]  # same kind


def _mul(left: Number, right: Number) -> Number:
    return _calculate("mul", left, right, lambda a, b: a * b, DECIMAL.multiply)  # type: ignore[operator]  # same kind


def _div(left: Number, right: Number) -> Number:
    _refuse_zero("div", right)
    return _calculate("div", left, right, _divide, DECIMAL.divide)


def _divide(left: Number, right: Number) -> Number:
    if isinstance(left, int) and isinstance(right, int):
        quotient = abs(left) // abs(right)
        return quotient if (left < 0) == (right < 0) else -quotient
    return left / right  # type: ignore[operator]  # two floats by then


def _mod(left: Number, right: Number) -> Number:
    _refuse_zero("mod", right)
    return _calculate("mod", left, right, _remainder, DECIMAL.remainder)


def _remainder(left: Number, right: Number) -> Number:
    if isinstance(left, int) and isinstance(right, int):
        rest = abs(left) % abs(right)
        return rest if left >= 0 else -rest
    return math.fmod(left, right)


def _refuse_zero(name: str, divisor: Number) -> None:
    if divisor == 0:
        raise ExpressionError(f"Attempt to divide an integral or decimal value by zero in function '{name}'.")


def _extreme(name: str, choose: Callable[..., Number]) -> Callable[..., Number]:
    def implementation(*arguments: Json) -> Number:
        numbers = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], list) else arguments
        if not numbers:
            raise wrong_argument(name, 0, "to be an array with at least one number. The provided array is empty")
        for index, number in enumerate(numbers):
            if not Takes.NUMBER.accepts(number):
                raise wrong_kind(name, index, Takes.NUMBER, number)
        return choose(numbers)

    return implementation


def _rand(scope: Scope, least: int, below: int) -> int:
    if below <= least:
        raise wrong_argument("rand", 1, f"to be greater than the first, {least}. The provided value is {below}")
    return least + min(int(scope.draw() * (below - least)), below - least - 1)


def _range(start: int, count: int) -> list[int]:
    if not 0 <= count <= _MOST_ITEMS:
        raise wrong_argument("range", 1, f"to be from 0 to {_MOST_ITEMS}. The provided value is {count}")
    if start + count > _LARGEST_IN_RANGE or start < -_LARGEST_IN_RANGE - 1:
        raise wrong_argument("range", 0, f"and count to stay within 32-bit integers. The provided value is {start}")
    return list(range(start, start + count))


def _pow(base: Number, exponent: Number) -> Number:
    try:
        return _checked("pow", math.pow(base, exponent))
    except (ValueError, OverflowError) as error:
        raise _out_of_range("pow") from error


_TWO = (Takes.NUMBER, Takes.NUMBER)

FUNCTIONS = (
    pure("add", _add, *_TWO),
    pure("sub", _sub, *_TWO),
    pure("mul", _mul, *_TWO),
    pure("div", _div, *_TWO),
    pure("mod", _mod, *_TWO),
    pure("pow", _pow, *_TWO),
    pure("min", _extreme("min", min), Takes.NUMBER_OR_ARRAY, Takes.NUMBER, least=1, repeats=True),
    pure("max", _extreme("max", max), Takes.NUMBER_OR_ARRAY, Takes.NUMBER, least=1, repeats=True),
    pure("range", _range, Takes.INTEGER, Takes.INTEGER, grows=True),
    Function(
        name="rand",
        implementation=_rand,
        takes=(Takes.INTEGER, Takes.INTEGER),
        least=2,
        most=2,
        kind=Kind.SCOPED,
    ),
)
