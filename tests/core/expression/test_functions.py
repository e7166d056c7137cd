from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowmend.core.errors import ExpressionError
from flowmend.core.expression import FUNCTIONS, compile_expression, is_known
from flowmend.core.expression.functions.function import Kind, Takes

Evaluate = Callable[..., Any]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        # string
        ("concat('a', 1.5, false, null, createArray(true, null))", "a1.5False[true,null]"),
        ("length('a\U0001f600b')", 4),
        ("substring('a\U0001f600b', 3, 1)", "b"),
        ("indexOf('\U0001f600xyz', 'Y')", 3),
        ("slice('hello', -100, 2)", "he"),
        ("slice('hello', -3, -1)", "ll"),
        ("toUpper('stra\u00dfe')", "STRA\u00dfE"),
        ("trim('\u00a0\t x ')", "x"),
        ("split('a||b|c', '||')", ["a", "b|c"]),
        ("split('', ',')", [""]),
        ("nthIndexOf('aXaxA', 'x', -1)", 3),
        ("nthIndexOf('aXaxA', 'a', -3)", 0),
        ("nthIndexOf('aaaa', 'aa', 2)", 1),
        ("nthIndexOf('abc', '', 1)", -1),
        ("nthIndexOf('abc', 'c', 0)", -1),
        ("lastIndexOf('abc', 'd')", -1),
        ("startsWith('abc', '')", True),
        ("join(createArray(1, null, true), ' ')", "1  True"),
        ("guid('n')", "00112233445566778899aabbccddeeff"),
        ("guid('X')", "{0x00112233,0x4455,0x6677,{0x88,0x99,0xaa,0xbb,0xcc,0xdd,0xee,0xff}}"),
        # collection
        ("contains(json('{\"A\": 1}'), 'a')", True),
        ("contains(createArray('1'), 1)", False),
        ("first('\U0001f600')", "\ufffd"),
        ("last('')", None),
        ("empty(createArray(0))", False),
        ("chunk('abc', 5)", ["abc"]),
        ("union(json('[1, 1.0, true, \"1\"]'), json('[[1], [1], {\"a\": 1}, {\"a\": 1.0}]'))", [1, True, "1", [1], {"a": 1}]),
        ("intersection(json('{\"a\": 1, \"b\": 2}'), json('{\"b\": 2.0, \"A\": 1}'))", {"b": 2}),
        ("sort(json('[\"b\", \"A\", \"a\", \"10\", \"9\"]'))", ["10", "9", "a", "A", "b"]),
        ("sort(json('[true, false]'))", [False, True]),
        ("sort(json('[{\"k\": 2, \"n\": 1}, {\"K\": 1}, {\"k\": 2, \"n\": 0}]'), 'k')", [{"K": 1}, {"k": 2, "n": 1}, {"k": 2, "n": 0}]),
        ("take('abc', 0)", ""),
        ("skip(createArray(1, 2), 9)", []),
        # logical
        ("equals(json('{\"a\": [1, {\"b\": null}]}'), json('{\"a\": [1.0, {\"b\": null}]}'))", True),
        ("equals('', null)", False),
        ("equals(1, 1, 2)", False),
        ("greater('B', 'a')", True),
        ("less(1, 1.5)", True),
        ("greaterOrEquals('a', 'A')", True),
        ("or(false, true, 'never seen')", True),
        ("coalesce('', 1)", ""),
        # math
        ("add(1, 2.5)", 3.5),
        ("div(-7, 2)", -3),
        ("div(7, 2.0)", 3.5),
        ("mod(-7, 3)", -1),
        ("mod(7.5, 2)", 1.5),
        ("string(div(decimal('1'), decimal('3')))", "0." + "3" * 28),
        ("string(mul(decimal('0.1'), 3))", "0.3"),
        ("max(createArray(1, 3.5, 2))", 3.5),
        ("range(3, 0)", []),
        ("rand(1, 3)", 2),
        ("pow(2, 10)", 1024),
        # conversion
        ("int(' -12 ')", -12),
        ("int(true)", 1),
        ("float('1.5E3')", 1500.0),
        ("float('1.234,5', 'de-DE')", 1234.5),
        ("float('1 234,5', 'fr-FR')", 1234.5),
        ("bool(0.0)", False),
        ("bool(' False ')", False),
        ("isInt('9223372036854775808')", False),
        ("isFloat('1e400')", False),
        ("string(createArray('\u00e9', '/'))", '["\u00e9","/"]'),
        ("json('3')", 3),
        ("json('{a: ''x'', /* c */ \"b\": [1,],}')", {"a": "x", "b": [1]}),
        ("json('\"\\ud83d\\ude00\"')", "\U0001f600"),
        ("json(5)", 5),
        ("base64('\u00fc')", "w7w="),
        ("base64ToString(' w7w=\n')", "\u00fc"),
        ("base64(dataUriToBinary('data:image/png;base64,AAEC'))", "AAEC"),
        ("dataUriToString('data:,a\ud83d')", "a?"),
        ("dataUri(binary('x'))", "data:application/octet-stream;base64,eA=="),
        ("decodeDataUri('data:application/json,%7B%22a%22%3A1%7D')", {"a": 1}),
        ("uriComponent('a b&\u00e9!~')", "a%20b%26%C3%A9%21~"),
        ("uriComponent('a', '/')", "a%2F"),
        # uri
        ("uriHost('HTTPS://User@Example.ORG:8443/P?q#f')", "example.org"),
        ("uriPath('https://example.org')", "/"),
        ("uriPathAndQuery('https://example.org/a b?c=d e')", "/a%20b?c=d%20e"),
        ("uriPort('http://example.org')", 80),
        ("uriQuery('https://example.org/a')", ""),
        # manipulation
        ("setProperty(json('{\"Ab\": 1}'), 'aB', 2)", {"Ab": 2}),
        ("mergeObjects(json('{\"a\": 1}'), json('{\"a\": 2, \"b\": 3}'))", {"a": 2, "b": 3}),
        ("encodeXmlName('1 a')", "_x0031__x0020_a"),
        ("decodeXmlName('_x0031__x0020_a')", "1 a"),
        ("decodeXmlValue(encodeXmlValue('<a & \"b\">'))", '<a & "b">'),
    ],
)  # fmt: skip
def test_values(evaluate: Evaluate, expression: str, value: Any) -> None:
    result = evaluate(expression)
    assert result == value
    assert isinstance(result, bool) == isinstance(value, bool)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("toLower(null)", "The template language function 'toLower' expects its first parameter to be of type string. The provided value is of type 'Null'. Please see https://aka.ms/logicexpressions#toLower for usage details."),
        ("substring('abc', 3)", "out of range"),
        ("substring('abc', -1)", "out of range"),
        ("replace('abc', '', 'x')", "not empty"),
        ("concat()", "at least 1 parameter"),
        ("take(createArray(1), -1)", "positive integer"),
        ("union(createArray(1), json('{}'))", "'union' expects its second parameter to be of type array"),
        ("sort(json('[1, \"a\"]'))", "one type"),
        ("greater('a', 1)", "'String' and 'Integer'"),
        ("not('true')", "type boolean"),
        ("and(true, 'x')", "second parameter to be of type boolean"),
        ("div(1, 0)", "Attempt to divide an integral or decimal value by zero in function 'div'."),
        ("div(1.0, 0.0)", "by zero"),
        ("mod(1, 0)", "by zero in function 'mod'"),
        ("add(9223372036854775807, 1)", "too large"),
        ("mul(1e300, 1e300)", "too large"),
        ("pow(-8, 0.5)", "too large or too small"),
        ("max(createArray())", "at least 1"),
        ("max(json('[]'))", "empty"),
        ("range(1, 100001)", "from 0 to 100000"),
        ("int('1.5')", "was invoked with a parameter that is not valid. The value cannot be converted to the target type."),
        ("bool('yes')", "cannot be converted"),
        ("decimal('1e30')", "cannot be converted"),
        ("json(null)", "expects its parameter to be a string or an XML. The provided value is of type 'Null'"),
        ("json('{\"a\": }')", "line 1, position 7"),
        ("base64ToString('%%%')", "valid base64"),
        ("dataUriToString('nope')", "valid data URI"),
        ("uriHost('/relative')", "absolute URI"),
        ("uriPort('http://h:99999')", "absolute URI"),
        ("addProperty(json('{\"A\": null}'), 'a', 1)", "already has"),
        ("guid('Q')", "one of 'N'"),
        ("item()", "no loop"),
        ("variables('V')", "'V' is not defined"),
        ("float('1', 'xx-nope')", "not a known culture"),
    ],
)  # fmt: skip
def test_refusals(evaluate: Evaluate, expression: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(expression)
    assert message in caught.value.message


def test_forms_and_parts_are_read_from_bodies(evaluate: Evaluate) -> None:
    form = {"body": {"$formdata": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}, {"key": "b", "value": "3"}]}}
    parts = {
        "outputs": {
            "body": {"$multipart": [{"headers": {}, "body": {"$content-type": "text/plain", "$content": "aGk="}}]}
        }
    }
    assert evaluate("formDataValue('F', 'a')", actions={"F": {"outputs": form}}) == "1"
    assert evaluate("formDataValue('F', 'z')", actions={"F": {"outputs": form}}) is None
    assert evaluate("triggerFormDataMultiValues('b')", trigger={"outputs": form}) == ["2", "3"]
    assert evaluate("string(triggerMultipartBody(0))", trigger=parts) == "hi"
    with pytest.raises(ExpressionError, match="more than one"):
        evaluate("triggerFormDataValue('b')", trigger={"outputs": form})
    with pytest.raises(ExpressionError, match=r"outside bounds \(0, 0\)"):
        evaluate("triggerMultipartBody(1)", trigger=parts)
    with pytest.raises(ExpressionError, match="not form data"):
        evaluate("triggerFormDataValue('b')", trigger={"outputs": {"body": "x"}})


def test_references_to_the_run_ignore_case(evaluate: Evaluate) -> None:
    actions = {"Get_Items": {"status": "Succeeded", "outputs": {"statusCode": 200}}}
    assert evaluate("actions('get_items').status", actions=actions) == "Succeeded"
    assert evaluate("body('GET_ITEMS')", actions=actions) is None
    assert evaluate("triggerBody()?['x']", trigger={}) is None
    assert evaluate("iterationIndexes('u')", iterationIndexes={"U": 2}) == 2


def test_the_table_of_functions_reads_as_data() -> None:
    assert is_known("FORMATDATETIME")
    assert not is_known("abs")
    substring = FUNCTIONS["substring"]
    assert (substring.name, substring.least, substring.most) == ("substring", 2, 3)
    assert {name for name, function in FUNCTIONS.items() if function.is_lazy} == {"and", "or", "if", "coalesce"}
    assert all(name == function.name.lower() for name, function in FUNCTIONS.items())


_LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
_TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        "2020-02-29",
        "10/20/2014 3 PM",
        "Day",
        "N2",
        "#,##0.0;(0)",
        "de-DE",
        "<a b='1'/>",
        "//a",
        "[1]",
        "data:,x",
        "http://h/p",
        "UTC",
        "dd MMMM yyyy",
    ]
)
_ANYTHING = st.recursive(
    _LEAVES | _TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3), max_leaves=5
)  # fmt: skip


def _suited(takes: Takes) -> st.SearchStrategy[Any]:
    """Mostly what the parameter accepts, so that implementations are reached."""
    texts = _TEXTS if str in takes.types or not takes.types else st.nothing()
    numbers = st.integers(-5, 50) | st.floats(-1e9, 1e9) if int in takes.types else st.nothing()
    lists = st.lists(_ANYTHING, max_size=3) if list in takes.types else st.nothing()
    objects = st.dictionaries(_TEXTS, _ANYTHING, max_size=3) if dict in takes.types else st.nothing()
    return texts | numbers | lists | objects | _ANYTHING


@settings(max_examples=600)
@given(st.data())
def test_no_function_fails_with_anything_but_our_error(data: st.DataObject) -> None:
    pure = sorted(name for name, function in FUNCTIONS.items() if function.kind is not Kind.SCOPED)
    function = FUNCTIONS[data.draw(st.sampled_from(pure))]
    most = function.least + 2 if function.most is None else function.most
    count = data.draw(st.integers(function.least, most))
    arguments = [data.draw(_suited(function.takes_at(index))) for index in range(count)]
    text = f"{function.name}({', '.join(f'item()[{index}]' for index in range(count))})"
    with suppress(ExpressionError):
        compile_expression(text).evaluate(_Item(arguments))  # type: ignore[arg-type]  # item() is all they ask


class _Item:
    def __init__(self, value: Any) -> None:
        self._value = value

    def item(self) -> Any:
        return self._value
