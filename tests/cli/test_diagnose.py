"""`flowmend diagnose`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flowmend.cli.program import app
from flowmend.core.connection.diagnosis_rules import put_in_force

runner = CliRunner()

LINES: list[dict[str, Any]] = [
    {"id": "a", "provider": "Any", "protocol": "http", "phase": "api_call", "sample": {"status": 429, "headers": {}, "body": {}}},
    {"id": "b", "protocol": "imap", "phase": "connect", "sample": {"raw": "a1 NO [EXPIRED] no"}},
    {"id": 3, "phase": "token_endpoint", "sample": {"status": 400, "headers": None, "body": {"error": "invalid_client"}}},
]  # fmt: skip


@pytest.fixture(autouse=True)
def ours_again() -> Iterator[None]:
    yield
    put_in_force(None)


def test_a_batch_is_answered_line_by_line() -> None:
    result = runner.invoke(app, ["diagnose", "--batch"], input="\n".join(map(json.dumps, LINES)))
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [(one["id"], one["category"], one["connection_status"]) for one in told] == [
        ("a", "rate_limited_not_auth", "Connected"),
        ("b", "expired", "Error"),
        (3, "client_secret_expired", "Error"),
    ]
    assert list(told[0]) == [
        "id", "category", "user_fixable_by", "is_auth_failure", "connection_status", "try_silent_refresh_first", "remedy",
        "rule",
    ]  # fmt: skip
    assert "administrator of the sign-in app" in told[2]["remedy"]


def test_a_file_that_is_one_list_is_read_as_well(tmp_path: Path) -> None:
    (tmp_path / "cases.json").write_text(json.dumps(LINES, indent=1))
    result = runner.invoke(app, ["diagnose", "--batch", str(tmp_path / "cases.json")])
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 3)


def test_a_bad_line_is_told_by_its_number_and_the_rest_goes_on() -> None:
    bad = ['{"id": 1}', "no json", '{"id": 2, "sample": {"headers": {}}}', '{"id": 3, "phase": "soon", "sample": {}}']
    result = runner.invoke(app, ["diagnose", "--batch", "-"], input="\n".join([*bad, "", json.dumps(LINES[0])]))
    assert result.exit_code == 1
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["a"]
    told = result.stderr.splitlines()
    assert [line.partition(":")[0] for line in told] == ["Line 1", "Line 2", "Line 3", "Line 4"]
    assert "missing required field `sample`" in told[0]
    assert "needs a `status`" in told[2]


def test_one_answer_is_told_in_words() -> None:
    arguments = ["diagnose", "--status", "403", "--header", "Retry-After: 60"]
    result = runner.invoke(app, arguments, input='{"message": "easy"}')
    assert result.exit_code == 0
    assert "Connected" in result.stdout
    assert "Too many requests" in result.stdout
    assert "http.retry_after" in result.stdout


def test_one_answer_of_another_protocol_is_told_as_json() -> None:
    result = runner.invoke(app, ["diagnose", "--protocol", "ftp", "--phase", "connect", "--json"], input="530 no")
    assert json.loads(result.stdout)["category"] == "wrong_password"


@pytest.mark.parametrize("arguments", [[], ["--status", "401", "--header", "x"], ["--batch", "no-such-file"]])
def test_what_was_asked_wrongly_is_said(arguments: list[str]) -> None:
    assert runner.invoke(app, ["diagnose", *arguments], input="").exit_code == 2


def test_own_rules_are_checked_with_the_place_of_each_mistake(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '[[rules]]\nname = "a"\nverdict = "old"\ncodes = ["X1"]\n[[rules]]\nverdict = "expired"\ncodes = ["X2"]\n'
    )
    result = runner.invoke(app, ["diagnose", "--check-rules", str(own)])
    assert result.exit_code == 1
    assert f"{own}#/rules/0/verdict: 'old' is no verdict" in result.stderr
    assert f"{own}#/rules/1/name: A rule needs its name." in result.stderr


def test_the_examples_of_own_rules_are_tried(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    rule = '[[rules]]\nname = "a"\nverdict = "expired"\ncodes = ["X1"]\nexamples = [{ status = 403, body = "%s" }]\n'
    own.write_text(rule % "nothing of the sort")
    astray = runner.invoke(app, ["diagnose", "--check-rules", str(own)])
    assert (astray.exit_code, astray.stderr) == (1, "a: an example of it is decided by status.403.\n")
    own.write_text(rule % "<e><code>X1</code></e>")
    assert runner.invoke(app, ["diagnose", "--check-rules", str(own)]).exit_code == 0


def test_own_rules_are_believed_before_ours(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[[rules]]\nname = "own.busy"\nverdict = "out_of_quota"\nstatuses = [429]\n')
    result = runner.invoke(app, ["diagnose", "--batch", "--rules", str(own)], input=json.dumps(LINES[0]))
    assert json.loads(result.stdout)["rule"] == "own.busy"
