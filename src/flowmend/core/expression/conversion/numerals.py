"""Text to numbers, as .NET reads them in a culture."""

import math
import re
from decimal import Context, Decimal, InvalidOperation, Overflow

SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**63 - 1
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,400}\s*")
#: .NET's decimal: 96 bits of digits, 28 to 29 of them significant
_DECIMAL = Context(prec=29, traps=[InvalidOperation, Overflow])
_LARGEST_DECIMAL = Decimal(2**96 - 1)


def read_integer(text: str) -> int | None:
    """A 64-bit integer with an optional sign and blanks around it, else None."""
    if not _INTEGER.fullmatch(text):
        return None
    value = int(text)
    return value if SMALLEST_INTEGER <= value <= LARGEST_INTEGER else None


def read_float(text: str, decimal_sign: str = ".", group_sign: str = ",") -> float | None:
    """A number with groups, a sign on either side and an exponent, else None.

    Groups may have any size: `12,3,4,5678` is 12345678.
    """
    plain = _plain(text, decimal_sign, group_sign)
    if plain is None:
        return None
    value = float(plain)
    return value if math.isfinite(value) else None


def read_decimal(text: str) -> Decimal | None:
    plain = _plain(text, ".", ",")
    if plain is None:
        return None
    try:
        value = _DECIMAL.create_decimal(plain)
    except (InvalidOperation, Overflow):
        return None
    return value if abs(value) <= _LARGEST_DECIMAL and value.adjusted() >= -28 else None


def _plain(text: str, decimal_sign: str, group_sign: str) -> str | None:
    text = text.strip()
    sign = ""
    if text[:1] in {"+", "-"}:
        sign, text = text[0], text[1:].lstrip()
    elif text[-1:] in {"+", "-"}:
        sign, text = text[-1], text[:-1].rstrip()
    whole, point, rest = text.partition(decimal_sign)
    if not point:
        whole, mark, exponent = _split_exponent(text)
        fraction = ""
    else:
        fraction, mark, exponent = _split_exponent(rest)
    blanks = " \u00a0\u202f"
    if group_sign in blanks:
        whole = whole.translate({ord(blank): group_sign for blank in blanks})
    digits = whole.replace(group_sign, "")
    is_number = (
        _are_digits(digits)
        and _are_digits(fraction)
        and bool(digits or fraction)
        and (not whole or whole[0] != group_sign)
        and bool(mark) == bool(exponent)
        and _are_digits(exponent.removeprefix("-").removeprefix("+"))
        and len(digits) + len(fraction) + len(exponent) < 400
    )
    return f"{sign}{digits or '0'}.{fraction or '0'}e{exponent or '0'}" if is_number else None


def _split_exponent(text: str) -> tuple[str, str, str]:
    return text.upper().partition("E")


def _are_digits(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit())
