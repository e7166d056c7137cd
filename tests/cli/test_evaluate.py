"""`flowmend eval`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flowmend.cli.program import app

runner = CliRunner()


@pytest.mark.parametrize(
    ("expression", "printed"),
    [
        ("add(1, 2)", "3"),
        ("concat('a', 'b')", "ab"),
        ("@{add(1, 2)} apples", "3 apples"),
        ("@createArray(1, 'x')", '[\n  1,\n  "x"\n]'),
        ("null", "null"),
    ],
)
def test_an_expression_is_evaluated(expression: str, printed: str) -> None:
    result = runner.invoke(app, ["eval", expression])
    assert (result.exit_code, result.stdout) == (0, printed + "\n")


def test_text_is_quoted_on_demand() -> None:
    assert runner.invoke(app, ["eval", "--json", "toUpper('a')"]).stdout == '"A"\n'


def test_the_context_comes_from_a_file(tmp_path: Path) -> None:
    context = tmp_path / "context.json"
    context.write_text('{"variables": {"total": 41}}')

    result = runner.invoke(app, ["eval", "add(variables('total'), 1)", "--context", str(context)])

    assert result.stdout == "42\n"


def test_a_bad_expression_is_one_line_on_standard_error() -> None:
    result = runner.invoke(app, ["eval", "add(1,"])

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert "column" in result.stderr


def test_without_an_expression_usage_is_explained() -> None:
    assert runner.invoke(app, ["eval"]).exit_code == 2


def test_a_batch_answers_each_line_and_stops_at_none() -> None:
    lines = [
        '{"id": "a", "expr": "add(1, 1)"}',
        "this is no JSON",
        "[1]",
        "",
        '{"id": "b", "expr": "nope("}',
        '{"id": "c", "expr": "Hi @{variables(\'who\')}", "mode": "template", "context": {"variables": {"who": "Ada"}}}',
        '{"id": "d", "mode": "action", "action": {"type": "Compose", "inputs": {"x": "@add(1, 2)"}}}',
        '{"id": "e", "expr": "1", "mode": "unheard of"}',
        '{"id": "f", "expr": "' + "not(" * 3000 + '"}',
    ]

    result = runner.invoke(app, ["eval", "--batch"], input="\n".join(lines) + "\n")

    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [one["id"] for one in found] == ["a", None, None, "b", "c", "d", "e", "f"]
    assert [one.get("value") for one in found] == [2, None, None, None, "Hi Ada", {"x": 3}, None, None]
    errors = [one["error"] for one in found if "error" in one]
    assert [error["code"] for error in errors][:2] == ["InvalidJSON", "InvalidCase"]
    assert all(error["message"] for error in errors)
    assert "InternalError" not in [error["code"] for error in errors]
