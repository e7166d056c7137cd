"""`flowmend check` and `flowmend run`, without a server."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.definition.packing import compose, definition, packed, solution, standard_app, tree
from flowmend.cli.program import app

runner = CliRunner()

Write = Callable[..., str]


@pytest.fixture
def flow_file(tmp_path: Path) -> Write:
    def write(actions: dict[str, object], *, name: str = "orders.json", **more: object) -> str:
        definition = {
            "$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
            "contentVersion": "1.0.0.0",
            "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {"schema": {}}}},
            "actions": actions,
            **more,
        }
        path = tmp_path / name
        path.write_text(json.dumps(definition))
        return str(path)

    return write


COMPOSE = {"Compose": {"type": "Compose", "inputs": "@triggerBody()?['order']", "runAfter": {}}}


def test_a_sound_file_has_no_problems(flow_file: Write) -> None:
    path = flow_file(COMPOSE)

    result = runner.invoke(app, ["check", "--json", path])

    assert result.exit_code == 0
    assert json.loads(result.stdout) == [
        {
            "file": path,
            "flow": "orders",
            "problems": [],
            "needs": {"connectors": [], "connections": [], "parameters": [], "secrets": []},
        }
    ]


def test_problems_carry_place_code_and_hint(flow_file: Write) -> None:
    path = flow_file({"A": {"type": "Compose", "inputs": "@nope(", "runAfter": {"Missing": ["Succeeded"]}}})

    result = runner.invoke(app, ["check", "--json", path])

    problems = json.loads(result.stdout)[0]["problems"]
    assert result.exit_code == 1
    assert problems
    assert all(set(one) == {"severity", "code", "pointer", "message", "hint"} for one in problems)
    assert all(one["pointer"].startswith("/") for one in problems)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"", b"[" * 100_000])
def test_a_file_that_is_no_json_is_a_problem_like_others(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)

    result = runner.invoke(app, ["check", "--json", str(path)])

    (problem,) = json.loads(result.stdout)[0]["problems"]
    assert result.exit_code == 1
    assert (problem["severity"], problem["code"]) == ("error", "InvalidJSON")


def test_broken_json_names_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text('{\n  "a": 1,\n  "b" 2\n}')

    result = runner.invoke(app, ["check", str(path)])

    assert "line 3, column 7" in result.stdout


def test_a_folder_is_checked_file_by_file(flow_file: Write, tmp_path: Path) -> None:
    flow_file(COMPOSE, name="b.json")
    flow_file(COMPOSE, name="a.json")
    (tmp_path / "host.json").write_text("{}")

    result = runner.invoke(app, ["check", "--json", str(tmp_path)])

    assert [one["flow"] for one in json.loads(result.stdout)] == ["a", "b"]


def test_every_flow_of_a_package_is_checked_with_its_place_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "shop.zip").write_bytes(packed(solution()))
    workflow = {
        "type": "Microsoft.Logic/workflows",
        "name": "pay",
        "properties": {"definition": definition({"A": compose("[parameters('who')]"), "B": compose("@nope()")})},
    }
    (tmp_path / "b.json").write_text(json.dumps({"contentVersion": "1.0.0.0", "resources": [workflow]}))

    result = runner.invoke(app, ["check", "--json", str(tmp_path)])

    orders, pay = json.loads(result.stdout)
    assert (orders["flow"], orders["problems"]) == ("Orders: take in", [])
    assert orders["file"].startswith(str(tmp_path / "a" / "shop.zip" / "Workflows"))
    assert (pay["flow"], pay["file"], pay["needs"]["parameters"]) == ("pay", str(tmp_path / "b.json"), ["who"])
    assert "/resources/0/properties/definition/actions/B/inputs" in [one["pointer"] for one in pay["problems"]]


def test_what_a_data_folder_lacks_is_a_warning_and_no_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "shop.zip"
    renamed = json.dumps(solution()).replace("shared_office365", "shared_contoso")  # which nothing built in stands for
    path.write_bytes(packed(json.loads(renamed)))
    data = tmp_path / "data"

    without = runner.invoke(app, ["check", "--json", str(path), "--data", str(data)])
    assert not data.exists()
    runner.invoke(app, ["import", str(path), "--data", str(data)])
    within = runner.invoke(app, ["check", "--json", str(path), "--data", str(data)])

    assert (without.exit_code, within.exit_code) == (0, 0)
    assert json.loads(without.stdout)[0]["problems"] == []
    assert [(one["severity"], one["code"]) for one in json.loads(within.stdout)[0]["problems"]] == [
        ("warning", "MissingConnector"),
        ("warning", "MissingConnection"),
    ]


def test_a_flow_of_a_package_runs_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "app.zip"
    path.write_bytes(packed(standard_app()))
    assert runner.invoke(app, ["run", str(path), "--mock"]).exit_code == 2
    result = runner.invoke(app, ["run", str(path), "--mock", "--json", "--flow", "idle"])
    assert json.loads(result.stdout)["properties"]["actions"]["A"]["outputs"] == 1


def test_a_workflow_of_a_standard_app_runs_with_the_files_beside_it(tmp_path: Path) -> None:
    for path, content in tree(standard_app()).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    result = runner.invoke(app, ["run", str(tmp_path / "Greet" / "workflow.json"), "--mock", "--json"])
    actions = json.loads(result.stdout)["properties"]["actions"]
    assert (actions["Say"]["status"], actions["Say"]["outputs"]) == ("Succeeded", "*sanitized*")


def test_a_folder_without_flows_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("No flow here.")

    result = runner.invoke(app, ["check", str(tmp_path)])

    assert result.exit_code == 2
    assert "There is no flow" in " ".join(result.stderr.split())


def test_a_damaged_package_is_named_as_one(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    path.write_bytes(b"PK\x03\x04\x14\x00")

    result = runner.invoke(app, ["check", str(path)])

    assert result.exit_code == 1
    assert "InvalidArchive" in result.stdout


def test_a_mocked_run_is_one_object_with_its_actions(flow_file: Write) -> None:
    path = flow_file(COMPOSE)

    result = runner.invoke(app, ["run", path, "--mock", "--json", "--input", '{"body": {"order": 4711}}'])

    run = json.loads(result.stdout)
    assert result.exit_code == 0
    assert run["type"] == "Microsoft.Logic/workflows/runs"
    assert run["properties"]["status"] == "Succeeded"
    assert run["properties"]["actions"]["Compose"]["outputs"] == 4711
    assert "outputsLink" not in run["properties"]["actions"]["Compose"]


def test_input_may_come_from_a_file(flow_file: Write, tmp_path: Path) -> None:
    given = tmp_path / "input.json"
    given.write_text('{"body": {"order": 1}}')

    result = runner.invoke(app, ["run", flow_file(COMPOSE), "--mock", "--json", "--input", f"@{given}"])

    assert json.loads(result.stdout)["properties"]["actions"]["Compose"]["outputs"] == 1


def test_a_run_that_fails_leaves_with_one(flow_file: Write) -> None:
    path = flow_file(
        {
            "Stop": {
                "type": "Terminate",
                "inputs": {"runStatus": "Failed", "runError": {"code": "Out", "message": "gone"}},
            }
        }
    )

    result = runner.invoke(app, ["run", path, "--mock"])

    assert result.exit_code == 1
    assert "Failed" in result.stdout
    assert "gone" in result.stdout


@pytest.mark.parametrize("arguments", [["--input", "{nope"], ["--parameters", "[1]"]])
def test_what_cannot_start_leaves_with_two(flow_file: Write, arguments: list[str]) -> None:
    result = runner.invoke(app, ["run", flow_file(COMPOSE), "--mock", *arguments])

    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")


def test_broken_input_is_told_from_a_broken_file(flow_file: Write) -> None:
    result = runner.invoke(app, ["run", flow_file(COMPOSE), "--mock", "--input", "{nope"])

    assert "What --input gives is not valid JSON" in result.stderr


def test_a_file_without_a_flow_leaves_with_two(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text("[]")

    assert runner.invoke(app, ["run", str(path), "--mock"]).exit_code == 2


def test_a_missing_file_leaves_with_two() -> None:
    assert runner.invoke(app, ["run", "nowhere.json"]).exit_code == 2


def test_the_tree_shows_each_action_and_how_often_it_ran(flow_file: Write) -> None:
    path = flow_file(
        {
            "Each": {
                "type": "Foreach",
                "foreach": "@createArray(1, 2, 3)",
                "actions": {"Double": {"type": "Compose", "inputs": "@mul(item(), 2)"}},
            }
        }
    )

    result = runner.invoke(app, ["run", path, "--mock", "--trace"])

    assert result.exit_code == 0
    assert "✓ Each" in result.stdout
    assert "✓ Double ×3" in result.stdout
    assert "mul(item(), 2)" in result.stdout


@pytest.fixture
def stock_url() -> Iterator[str]:
    """A real service that knows one article, and refuses to say so without its key."""

    class Stock(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = self.headers["X-Key"] == "open sesame"
            content = b'{"stock": 7}' if is_known else b'{"error": "Unauthorized"}'
            self.send_response(200 if is_known else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Stock)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/stock"
    server.shutdown()
    server.server_close()
    thread.join()


def asks(url: str, key: str) -> dict[str, object]:
    return {"Ask": {"type": "Http", "inputs": {"method": "GET", "uri": url, "headers": {"X-Key": key}}, "runAfter": {}}}


def test_a_live_run_really_calls(
    flow_file: Write, stock_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWMEND_ALLOWED_PRIVATE_HOSTS", stock_url.split("/")[2])
    data = tmp_path / "nothing-here"

    good = runner.invoke(app, ["run", flow_file(asks(stock_url, "open sesame")), "--json", "--data", str(data)])
    bad = runner.invoke(app, ["run", flow_file(asks(stock_url, "wrong")), "--json", "--data", str(data)])

    assert good.exit_code == 0, good.output
    assert json.loads(good.stdout)["properties"]["actions"]["Ask"]["outputs"]["body"] == {"stock": 7}
    assert bad.exit_code == 1
    assert json.loads(bad.stdout)["properties"]["actions"]["Ask"]["code"] == "Unauthorized"
    assert not data.exists()


def test_a_private_address_is_refused_unless_allowed(flow_file: Write, stock_url: str, tmp_path: Path) -> None:
    result = runner.invoke(
        app, ["run", flow_file(asks(stock_url, "open sesame")), "--json", "--data", str(tmp_path / "none")]
    )

    ask = json.loads(result.stdout)["properties"]["actions"]["Ask"]
    assert result.exit_code == 1
    assert ask["status"] == "Failed"
    assert "outputs" not in ask
