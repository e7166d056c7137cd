from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.errors import ExpressionError
from flowmend.core.expression import to_text
from flowmend.core.expression.conversion.numerals import read_float
from flowmend.core.expression.cultures import EN_US
from flowmend.core.expression.numbers import format_number


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (1234.5, "C", "$1,234.50"),
        (-1234.5, "C0", "-$1,234"),
        (0.125, "N2", "0.12"),
        (0.135, "N2", "0.14"),
        (2.5, "F0", "2"),
        (1234567, "N0", "1,234,567"),
        (-0.001, "F2", "0.00"),
        (0.1234, "P", "12.34%"),
        (42, "D5", "00042"),
        (-42, "D", "-42"),
        (255, "X", "FF"),
        (255, "x4", "00ff"),
        (-1, "X", "F" * 16),
        (12345.678, "E2", "1.23E+004"),
        (0, "e1", "0.0e+000"),
        (0.00001234, "G2", "1.2E-05"),
        (1234.5678, "G6", "1234.57"),
        (1.5, "R", "1.5"),
        # custom
        (1234.567, "0.00", "1234.57"),
        (0.5, "#.##", ".5"),
        (0.5, "0.##", "0.5"),
        (5, "000", "005"),
        (2.5, "0", "3"),
        (1234567.891, "#,##0.0", "1,234,567.9"),
        (12, "#,##0", "12"),
        (0, "#", ""),
        (1234567, "0,,.0", "1.2"),
        (0.256, "0.0%", "25.6%"),
        (0.256, "0\u2030", "256\u2030"),
        (-5, "0.0", "-5.0"),
        (-5, "0;(0)", "(5)"),
        (0, "0;(0);zero", "zero"),
        (5, "'n'0\\x", "n5x"),
        (123456, "0.00E+00", "1.23E+05"),
        (5551234, "000-0000", "555-1234"),
        (15551234, "000-0000", "1555-1234"),
    ],
)
def test_number_formats(value: float, form: str, text: str) -> None:
    assert format_number(value, form, EN_US) == text


@pytest.mark.parametrize(
    ("locale", "form", "text"),
    [
        ("de-DE", "C", "1.234,50\u00a0\u20ac"),
        ("de-DE", "#,##0.00", "1.234,50"),
        ("en-GB", "C0", "\u00a31,234"),
        ("ja-JP", "N1", "1,234.5"),
    ],
)
def test_number_formats_of_cultures(evaluate: Callable[..., Any], locale: str, form: str, text: str) -> None:
    assert evaluate("formatNumber(1234.5, item().form, item().locale)", item={"form": form, "locale": locale}) == text


@pytest.mark.parametrize(("value", "form"), [(1.5, "D"), (1.5, "X"), (1, "Z2"), (1, "0;0;0;0")])
def test_number_formats_that_do_not_suit_are_refused(value: float, form: str) -> None:
    with pytest.raises(ExpressionError, match="not valid for this number"):
        format_number(value, form, EN_US)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (-0.5, "-0.5"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e16, "10000000000000000"),
        (1e17, "1E+17"),
        (1.5e21, "1.5E+21"),
        (0.00001, "0.00001"),
        (0.000001, "1E-06"),
        (1e100, "1E+100"),
    ],
)
def test_the_text_of_a_float(value: float, text: str) -> None:
    assert to_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_float_reads_back(value: float) -> None:
    assert read_float(to_text(value)) == value


@given(st.integers(-(2**63), 2**63 - 1) | st.floats(-1e300, 1e300), st.text(alphabet="0#.,%;E+'x\\", max_size=12))
def test_any_custom_format_formats_or_is_refused(value: float, form: str) -> None:
    with suppress(ExpressionError):
        assert isinstance(format_number(value, form, EN_US), str)
