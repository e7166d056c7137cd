from collections.abc import Callable
from typing import Any

import pytest

from flowmend.core.errors import ExpressionError

Evaluate = Callable[..., Any]
NAMESPACED = (
    '<?xml version="1.0" encoding="utf-8"?><s:e xmlns:s="urn:s" xmlns="urn:d"><s:b id="1"><x/><x>2</x>t</s:b></s:e>'
)


def test_xml_becomes_json_with_namespaces_attributes_and_arrays(evaluate: Evaluate) -> None:
    assert evaluate("json(xml(item()))", item=NAMESPACED) == {
        "?xml": {"@version": "1.0", "@encoding": "utf-8"},
        "s:e": {
            "@xmlns:s": "urn:s",
            "@xmlns": "urn:d",
            "s:b": {"@id": "1", "x": [None, "2"], "#text": "t"},
        },
    }


def test_json_becomes_xml_and_json_again(evaluate: Evaluate) -> None:
    value = {"r": {"@xmlns:p": "urn:p", "@a": "1", "p:i": [{"#text": "x", "@p:k": "v"}, "y"], "n": None}}
    assert evaluate("json(xml(item()))", item=value) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": None}, "<a/>"),
        ({"a": True}, "<a>true</a>"),
        ({"a": {"b": [1, 2.5]}}, "<a><b>1</b><b>2.5</b></a>"),
        ({"?xml": {"@version": "1.0"}, "a": "<"}, '<?xml version="1.0"?><a>&lt;</a>'),
        ({"a": {"#cdata-section": "<x>"}}, "<a><![CDATA[<x>]]></a>"),
    ],
)
def test_json_becomes_xml(evaluate: Evaluate, value: Any, text: str) -> None:
    assert evaluate("string(xml(item()))", item=value) == text


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("//x/text()", ["2"]),
        ("count(//item)", 2),
        ("string(//item[2]/@id)", "b"),
        ("//item/@id", ["a", "b"]),
        ("boolean(//nope)", False),
        ("1 div 4", 0.25),
        ("number('x')", "NaN"),
        ("//comment()", [" c "]),
    ],
)
def test_xpath(evaluate: Evaluate, path: str, found: Any) -> None:
    document = "<r><!-- c --><item id='a'><x>2</x></item><item id='b'/></r>"
    assert evaluate("xpath(xml(item().xml), item().path)", item={"xml": document, "path": path}) == found


@pytest.mark.parametrize(
    ("expression", "item"),
    [
        ("xml(item())", "<a>"),
        ("xml(item())", {"a": 1, "b": 2}),
        ("xml(item())", {"a": [1, 2]}),
        ("xml(item())", {"a b": 1}),
        ("xml(item())", {"p:a": 1}),
        ("xml(item())", {"a": "\x00"}),
        ("xml(item())", '<!DOCTYPE r [<!ENTITY e "x">]><r>&e;</r>'),
        ("xml(item())", '<!DOCTYPE r SYSTEM "file:///etc/passwd"><r/>'),
        ("xpath('<a/>', item())", "///"),
        ("xpath('<a/>', item())", "nope:x"),
        ("xpath(item(), '//a')", {"a": 1}),
    ],
)
def test_what_is_refused(evaluate: Evaluate, expression: str, item: Any) -> None:
    with pytest.raises(ExpressionError):
        evaluate(expression, item=item)


def test_a_document_type_written_inside_text_is_no_document_type(evaluate: Evaluate) -> None:
    assert evaluate("json(xml('<a><![CDATA[<!DOCTYPE html>]]></a>'))") == {"a": "<!DOCTYPE html>"}
