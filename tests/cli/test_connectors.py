"""`flowmend connector`: what folders hold is said without a server; adding goes to one."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.conftest import StartedServer
from flowmend.cli.program import app

runner = CliRunner()
DEFINITION = {
    "swagger": "2.0",
    "info": {"title": "Shop"},
    "host": "shop.example",
    "paths": {"/a": {"get": {"operationId": "A", "x-ms-trigger": "single"}}, "/b": {"get": {"operationId": "B"}}},
}
YAML = "openapi: 3.1.0\ninfo: {title: Pets}\nservers: [{url: 'https://pets.example'}]\npaths: {/me: {get: {operationId: Me}}}\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """One folder that is whole, one with a script, one that is no JSON, and a document."""
    for name, definition in (("Shop", DEFINITION), ("Scripted", DEFINITION), ("Broken", None)):
        folder = tmp_path / "tree" / name
        folder.mkdir(parents=True)
        (folder / "apiDefinition.swagger.json").write_text(json.dumps(definition) if definition else "{")
        scripted = {"properties": {"scriptOperations": ["B"]}} if name == "Scripted" else {}
        (folder / "apiProperties.json").write_text(json.dumps(scripted))
    (tmp_path / "pets.yaml").write_text(YAML)
    return tmp_path


def flowmend(*arguments: str, code: int = 0) -> Any:
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if "--json" in arguments else result.output


def test_check_says_of_each_folder_what_runs(tree: Path) -> None:
    found = flowmend("connector", "check", "--json", str(tree / "tree"), str(tree / "pets.yaml"), code=1)
    told = {Path(one["folder"]).name or "": {key: one[key] for key in one if key != "problems"} for one in found[:3]}
    assert [list(one) for one in found] == [
        ["folder", "name", "operations", "runnable", "needs_script", "problems"]
    ] * 4
    assert (told["Shop"]["operations"], told["Shop"]["runnable"], told["Shop"]["needs_script"]) == (2, 2, 0)
    assert (told["Scripted"]["runnable"], told["Scripted"]["needs_script"]) == (1, 1)
    assert (told["Broken"]["operations"], told["Broken"]["name"]) == (0, "Broken")
    assert (found[3]["name"], found[3]["runnable"]) == ("Pets", 1)
    problems = {(problem["code"], problem["pointer"]) for one in found for problem in one["problems"]}
    assert problems == {("UnsupportedScript", "/paths/~1b/get"), ("InvalidJSON", "")}


def test_check_for_people_names_what_is_wrong(tree: Path) -> None:
    output = flowmend("connector", "check", str(tree / "tree"), code=1)
    assert "1 of 2 operations run, 1 need their script" in output
    assert "InvalidJSON" in output
    assert "3 checked, 2 with every operation" in output


def test_show_lists_operations_and_says_which_do_not_run(tree: Path) -> None:
    (one,) = flowmend("connector", "show", "--json", str(tree / "tree" / "Scripted"))
    assert [(it["id"], it["kind"], it["code"]) for it in one["operations"]] == [
        ("A", "trigger", ""),
        ("B", "action", "UnsupportedScript"),
    ]
    assert "UnsupportedScript" in flowmend("connector", "show", str(tree / "tree" / "Scripted"))


def test_a_folder_without_connectors_says_what_would_be_one(tmp_path: Path) -> None:
    for command in ("check", "show", "add"):
        assert "apiProperties.json" in runner.invoke(app, ["connector", command, str(tmp_path)]).stderr


def test_add_installs_a_tree_and_goes_on_after_one_that_does_not_read(tree: Path, server: StartedServer) -> None:
    arguments = ["connector", "add", str(tree / "tree"), str(tree / "pets.yaml"), "--data", str(server.data)]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 1
    assert "Broken is not installed" in result.stderr
    listed = flowmend("connector", "list", "--json", "--data", str(server.data))
    assert {"shop", "scripted", "pets"} <= {one["id"] for one in listed}
    wanted = next(one for one in listed if one["id"] == "pets")["display_name"].split()
    found = flowmend("connector", "list", *wanted, "--json", "--data", str(server.data))
    assert "pets" in {one["id"] for one in found}
    assert len(found) < len(listed)
    renamed = runner.invoke(app, [*arguments, "--name", "one"])
    assert "--name is for a single connector" in renamed.stderr
