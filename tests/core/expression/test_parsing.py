from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.parsing import DEEPEST_NESTING, parse
from flowmend.core.expression.syntax import Call, Literal


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'it''s'", "it's"),
        ("'a\\nb'", "a\\nb"),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("-2.50", -2.5),
        ("2E3", 2000.0),
        ("False", False),
        (" \u00a0null\u2003", None),
    ],
)
def test_a_literal_has_its_value(text: str, value: object) -> None:
    node = parse(text)
    assert isinstance(node, Literal)
    assert node.value == value
    assert type(node.value) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "'a' 'b'", "add(1 2)", "add(,1)", "add(1", "a.b()", "'x'.length", "1.", "1.e3", "07x", "trigger())", "f()[1", "f()[]",
        "f()?", "f()?x", "f().", "f().()", "{}", "[1]", "@f()", "f() g()", "9223372036854775808", "1e999", "a$b", "'x",
    ],
)  # fmt: skip
def test_what_the_grammar_does_not_have_is_refused_with_its_column(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"is not valid at column \d+"):
        parse(text)


def test_a_name_after_a_dot_may_begin_with_a_digit() -> None:
    node = parse("body('X').5abc?.$value['k'][0]")
    assert isinstance(node, Call)
    keys = [hop.key.value for hop in node.hops if isinstance(hop.key, Literal)]
    assert keys == ["5abc", "$value", "k", 0]
    assert [hop.is_safe for hop in node.hops] == [False, True, False, False]


def test_nesting_is_bounded() -> None:
    parse("not(" * DEEPEST_NESTING + "true" + ")" * DEEPEST_NESTING)
    with pytest.raises(ExpressionError, match="nested deeper"):
        parse("not(" * (DEEPEST_NESTING + 1) + "true" + ")" * (DEEPEST_NESTING + 1))


def test_a_very_long_expression_is_refused() -> None:
    with pytest.raises(ExpressionError, match="131072"):
        parse("'" + "a" * 131_072 + "'")


@given(st.text(alphabet=st.sampled_from(list("ab1.'()[]?,@{} -+eE\u00e9\U0001f600")), max_size=60))
def test_any_text_parses_or_is_refused(text: str) -> None:
    with suppress(ExpressionError):
        parse(text)


@given(st.text())
def test_a_string_literal_gives_its_text_back(text: str) -> None:
    node = parse("'" + text.replace("'", "''") + "'")
    assert isinstance(node, Literal)
    assert node.value == text


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_integer_literal_gives_its_number_back(number: int) -> None:
    node = parse(str(number))
    assert isinstance(node, Literal)
    assert node.value == number
