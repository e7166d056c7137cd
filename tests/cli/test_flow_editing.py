"""A flow edited from the command line."""

import json
from pathlib import Path

import pytest

from .conftest import StartedServer
from .test_server_commands import ended, flowmend, flowmend_json

SECRET = "sesame-4711"


@pytest.fixture
def flow(server: StartedServer, tmp_path: Path) -> str:
    path = tmp_path / f"{tmp_path.name}.json"
    definition = {
        "contentVersion": "1.0.0.0",
        "parameters": {"region": {"type": "String", "defaultValue": "north"}, "password": {"type": "SecureString"}},
        "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {"schema": {}}}},
        "actions": {"Sum": {"type": "Compose", "inputs": "@add(1, 2)", "runAfter": {}}},
    }
    path.write_text(json.dumps(definition))
    (imported,) = flowmend_json(server, "import", str(path))
    return str(imported["id"])


def edited(server: StartedServer, flow: str, folder: Path, old: str, new: str) -> Path:
    text = flowmend(server, "flows", "text", flow)
    assert text.exit_code == 0, text.output
    path = folder / "edited.json"
    path.write_text(text.stdout.replace(old, new))
    return path


def test_a_text_is_checked_saved_compared_and_restored(server: StartedServer, flow: str, tmp_path: Path) -> None:
    broken = edited(server, flow, tmp_path, "add(", "nope(")
    checked = flowmend(server, "flows", "check", flow, str(broken))
    assert checked.exit_code == 1
    assert "nope" in checked.stdout
    assert f"{broken}:" in checked.stdout.replace("\n", "")

    better = edited(server, flow, tmp_path, "add(1, 2)", "add(1, 41)")
    assert flowmend(server, "flows", "check", flow, str(better)).exit_code == 0
    assert "Saved as version" in flowmend(server, "flows", "save", flow, str(better)).stdout
    assert "Nothing was changed" in flowmend(server, "flows", "save", flow, str(better)).stdout

    newest, first = (one["version"] for one in flowmend_json(server, "flows", "versions", flow))
    difference = flowmend(server, "flows", "diff", flow, first).stdout
    assert any(line.startswith("+") and "add(1, 41)" in line for line in difference.splitlines())
    late = flowmend(server, "flows", "save", flow, str(broken), "--base-version", first)
    assert late.exit_code == 1
    assert "Somebody changed this flow" in late.stderr
    assert "Restored" in flowmend(server, "flows", "restore", flow, first).stdout
    assert "They are the same" in flowmend(server, "flows", "diff", flow, first).stdout
    assert newest in flowmend(server, "flows", "versions", flow).stdout


def test_values_are_set_and_secrets_asked_for(server: StartedServer, flow: str) -> None:
    refused = flowmend(server, "flows", "set", flow, f"password={SECRET}")
    assert refused.exit_code == 2
    done = flowmend(server, "flows", "set", flow, "region=south", "--secret", "password", given=f"{SECRET}\n")
    assert done.exit_code == 0, done.output
    shown = flowmend(server, "flows", "parameters", flow).stdout
    assert "south" in shown
    assert "sealed" in shown
    assert SECRET not in shown + json.dumps(flowmend_json(server, "flows", "parameters", flow))
    assert flowmend(server, "flows", "set", flow, "--clear", "region").exit_code == 0
    assert "north" in flowmend(server, "flows", "parameters", flow).stdout
    assert flowmend(server, "flows", "set", flow).exit_code == 2


def test_a_run_is_traced(server: StartedServer, flow: str) -> None:
    flowmend(server, "flows", "set", flow, "--secret", "password", given="x\n")
    assert flowmend(server, "flows", "turn-on", flow).exit_code == 0
    name = flowmend_json(server, "flows", "run", flow, "--input", "{}")["name"]
    ended(server, name)
    assert "@add(1, 2) → 3" in flowmend(server, "runs", "trace", name, "Sum").stdout
    assert flowmend_json(server, "runs", "trace", name, "Sum")[0]["value"] == 3
    assert flowmend(server, "runs", "trace", name, "Nope").exit_code == 1
