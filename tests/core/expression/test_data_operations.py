from collections.abc import Callable
from typing import Any

import pytest

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.context_scope import evaluate_case
from flowmend.core.expression.data_operations import ValidationFailed, parse_json

ROWS = [{"n": 1, "t": 'a "b", c'}, {"t": None, "extra": "<x> & 'y'\n"}]


@pytest.fixture
def act(moment: Any) -> Callable[..., Any]:
    def run(kind: str, inputs: Any, **context: Any) -> Any:
        return evaluate_case({"mode": "action", "action": {"type": kind, "inputs": inputs}, "context": context}, moment)

    return run


def test_query_keeps_what_the_condition_holds_for(act: Callable[..., Any]) -> None:
    inputs = {"from": "@variables('v')", "where": "@and(not(equals(item(), null)), greater(item(), 1))"}
    assert act("Query", inputs, variables={"v": [1, None, 2, 3]}) == {"body": [2, 3]}


def test_query_needs_a_boolean(act: Callable[..., Any]) -> None:
    with pytest.raises(ExpressionError) as caught:
        act("Query", {"from": [1], "where": "@item()"})
    assert caught.value.code == "ExpressionEvaluationFailed"


def test_select_maps_to_objects_and_to_single_values(act: Callable[..., Any]) -> None:
    assert act("Select", {"from": [1], "select": {"k@{item()}": "@add(item(), 1)"}}) == {"body": [{"k1": 2}]}
    assert act("Select", {"from": [1, 2], "select": "@string(item())"}) == {"body": ["1", "2"]}


@pytest.mark.parametrize(
    ("kind", "rest"), [("Query", {"where": "@true"}), ("Select", {"select": 1}), ("Join", {"joinWith": ""})]
)
def test_a_source_that_is_no_array_is_refused(act: Callable[..., Any], kind: str, rest: dict[str, Any]) -> None:
    with pytest.raises(
        ExpressionError, match=f"'from' property value in the '{kind.lower()}' action inputs is of type 'Null'"
    ):
        act(kind, {"from": None, **rest})


def test_a_csv_table_quotes_only_what_needs_it(act: Callable[..., Any]) -> None:
    table = act("Table", {"format": "csv", "from": ROWS})["body"]
    assert table == 'n,t,extra\r\n1,"a ""b"", c",\r\n,,"<x> & \'y\'\n"\r\n'


def test_an_html_table_escapes_its_cells(act: Callable[..., Any]) -> None:
    columns = [{"header": "E", "value": "@item()?['extra']"}]
    assert act("Table", {"format": "HTML", "from": ROWS, "columns": columns})["body"] == (
        "<table><thead><tr><th>E</th></tr></thead><tbody><tr><td></td></tr>"
        "<tr><td>&lt;x&gt; &amp; &#39;y&#39;\n</td></tr></tbody></table>"
    )


def test_empty_tables(act: Callable[..., Any]) -> None:
    assert act("Table", {"format": "CSV", "from": []})["body"] == ""
    assert act("Table", {"format": "HTML", "from": []})["body"] == "<table><tbody></tbody></table>"


def test_a_table_of_other_things_than_objects_needs_columns(act: Callable[..., Any]) -> None:
    with pytest.raises(ExpressionError, match="without columns"):
        act("Table", {"format": "CSV", "from": [1]})
    assert (
        act("Table", {"format": "CSV", "from": [1], "columns": [{"header": "x", "value": "@item()"}]})["body"]
        == "x\r\n1\r\n"
    )


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "InvalidTemplate"),
        ("", "InvalidTemplate"),
        ("{", "InvalidJSON"),
        ({"$content-type": "a/b", "$content": ""}, "InvalidTemplate"),
    ],
)
def test_what_parse_json_cannot_read(content: Any, code: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_json(content, {})
    assert caught.value.code == code


def test_parse_json_checks_the_schema_without_coercing() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "s": {"type": ["string", "null"], "pattern": "("}},
        "required": ["n"],
    }
    assert parse_json('{"n": 1, "s": null}', schema) == {"n": 1, "s": None}
    with pytest.raises(ValidationFailed) as caught:
        parse_json({"n": "1", "s": 2}, schema)
    assert [error["path"] for error in caught.value.errors] == ["n", "s"]
    assert caught.value.errors[0]["errorType"] == "type"
    with pytest.raises(ValidationFailed):
        parse_json({"n": 1.0}, schema)


def test_a_schema_of_an_older_draft_is_not_refused() -> None:
    assert parse_json({}, {"properties": {"a": {"type": "string", "required": True}}}) == {}


@pytest.mark.parametrize("schema", [{"$ref": "https://example.org/s.json"}, {"type": "nope"}, {"properties": 3}])
def test_a_schema_that_cannot_be_used_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_json({"a": 1}, schema)
    assert "schema is not valid" in caught.value.message


@pytest.mark.parametrize(
    "case",
    [{"expr": None}, {"expr": "1", "mode": "other"}, {"expr": "1", "context": []}, {"mode": "action"},
     {"mode": "action", "action": {"type": "Http", "inputs": {}}}, {"expr": "utcNow()", "context": {"utcNow": "x"}},
     {"expr": "1", "context": {"variables": []}}],
)  # fmt: skip
def test_a_malformed_case_is_refused(case: dict[str, Any], moment: Any) -> None:
    with pytest.raises(ExpressionError):
        evaluate_case(case, moment)
