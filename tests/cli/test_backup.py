"""`flowmend backup`, `restore`, `go-on` and `keys`, as people type them, beside a real server."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flowmend.cli.program import app
from flowmend.store import Store, open_store
from flowmend.vault import Binding, key_id_of, open_vault, present_key_ids

from .conftest import StartedServer, started, stopped

runner = CliRunner()
SCHEMA = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"
FLOW = {
    "definition": {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {}}},
        "actions": {"Rest": {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Day"}}}},
    }
}


def flowmend(data: Path, *arguments: str) -> Any:
    return runner.invoke(app, [*arguments, "--data", str(data)])


def told(data: Path, *arguments: str) -> Any:
    result = flowmend(data, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def at_work(tmp_path: Path) -> Any:
    """A server with a flow that is on and a run that rests."""
    server = started(tmp_path / "data")
    path = tmp_path / "rest.json"
    path.write_text(json.dumps(FLOW))
    (flow,) = told(server.data, "import", str(path))
    assert flowmend(server.data, "flows", "turn-on", "rest").exit_code == 0
    assert flowmend(server.data, "flows", "run", "rest").exit_code == 0
    deadline = time.monotonic() + 60
    store = open_store(f"sqlite:///{server.data / 'flowmend.db'}")
    while [row.wake_at is None for row in store.runs.list()[0]] != [False]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    store.close()
    yield server
    if server.process.poll() is None:
        stopped(server)
    assert flow["id"]


def test_a_backup_is_made_verified_and_restored_elsewhere(at_work: StartedServer, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    made = flowmend(at_work.data, "backup", str(folder))
    assert made.exit_code == 0, made.output
    assert str((at_work.data / "flowmend.key").resolve()) in made.stdout
    (path,) = folder.iterdir()
    content = path.read_bytes()
    key = (at_work.data / "flowmend.key").read_text().strip()
    assert key.encode() not in content
    verified = told(at_work.data, "backup", str(path), "--verify")
    assert (verified["rows"]["runs"], verified["missing_keys"]) == (1, [])
    assert flowmend(at_work.data, "backup", str(path)).exit_code == 1  # it replaces no file
    assert path.read_bytes() == content

    fresh = tmp_path / "fresh"
    restored = told(fresh, "restore", str(path))
    assert restored["missing_keys"] == list(present_key_ids(at_work.data))
    assert restored["flows_unreadable"] == ["rest"]
    assert (len(restored["flows_off"]), restored["runs_waiting"], restored["events_held"]) == (1, 1, 0)
    shutil.copy(at_work.data / "flowmend.key", fresh)
    moved = started(fresh)
    try:
        assert [one["state"] for one in told(fresh, "flows", "list")] == ["Off"]
        assert told(fresh, "go-on") == {"flows": 1, "runs": 1, "stay_off": []}
        assert [one["state"] for one in told(fresh, "flows", "list")] == ["On"]
    finally:
        stopped(moved)


def test_what_is_there_is_not_overwritten_nor_taken_from_under_a_server(at_work: StartedServer, tmp_path: Path) -> None:
    path = tmp_path / "a.backup"
    assert flowmend(at_work.data, "backup", str(path)).exit_code == 0

    refused = flowmend(at_work.data, "restore", str(path), "--replace")
    assert refused.exit_code == 1
    assert "Stop it first" in refused.stderr
    stopped(at_work)
    refused = flowmend(at_work.data, "restore", str(path))
    assert refused.exit_code == 1
    assert "--replace" in refused.stderr
    restored = flowmend(at_work.data, "restore", str(path), "--replace", "--go-on")
    assert restored.exit_code == 0, restored.output
    assert "before_restore_" in restored.stdout
    assert [one.name for one in at_work.data.iterdir() if one.name.startswith("before_restore_")] != []
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    refused = flowmend(at_work.data, "backup", str(path), "--verify")
    assert refused.exit_code == 1
    assert "at byte" in refused.stderr


def test_keys_are_shown_by_id_and_rotated_beside_a_server(at_work: StartedServer) -> None:
    (old,) = told(at_work.data, "keys", "show")
    rotated = flowmend(at_work.data, "keys", "rotate")
    assert rotated.exit_code == 0, rotated.output
    shown = told(at_work.data, "keys", "show")
    assert [(one["state"], one["sealed"]) for one in shown] == [("seals", old["sealed"]), ("opens", {})]
    for key in (at_work.data / "flowmend.key").read_text().split():
        assert key not in rotated.output
    assert flowmend(at_work.data, "flows", "run", "rest").exit_code == 0
    assert "nothing, all was" in flowmend(at_work.data, "keys", "reseal").stdout


def test_keys_of_the_environment_are_resealed_but_made_elsewhere(
    at_work: StartedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWMEND_MASTER_KEY", "A" * 43 + "=")
    refused = flowmend(at_work.data, "keys", "rotate")
    assert refused.exit_code == 1
    assert "FLOWMEND_MASTER_KEY" in refused.stderr
    done = told(at_work.data, "keys", "reseal")
    assert done["resealed"]
    assert [one["state"] for one in told(at_work.data, "keys", "show")] == ["seals", "opens"]


def test_a_rotation_that_is_killed_loses_nothing_and_is_finished_later(tmp_path: Path) -> None:
    data = tmp_path / "data"
    flow = tmp_path / "rest.json"
    flow.write_text(json.dumps(FLOW))
    told(data, "import", str(flow))
    url = f"sqlite:///{data / 'flowmend.db'}"
    store, vault = open_store(url), open_vault(data)
    (row,) = store.flows.list()
    version = store.flows.version(row.flow_id)
    assert version is not None
    from msgspec.structs import replace

    for number in range(3000):
        name = f"f{number:05d}"
        sealed = vault.seal(b"key", bound_to=Binding(kind="flow_access_key", parts=(name,)))
        store.flows.add(replace(row, flow_id=name, sealed_access_key=sealed), replace(version, flow_id=name))
    store.close()
    command = [sys.executable, "-m", "flowmend", "keys", "rotate", "--data", str(data)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    store = open_store(url)
    while len(present_key_ids(data)) == 1 or _seals_flow(store, "f00100") in vault.key_ids:
        assert time.monotonic() < deadline
        assert process.poll() is None
    process.kill()
    process.wait()

    rows = store.flows.list()
    under = {key_id_of(one.sealed_access_key) for one in rows}
    assert len(under) == 2, "it was killed too late to tell"
    assert open_vault(data).open(
        rows[1].sealed_access_key, bound_to=Binding(kind="flow_access_key", parts=(rows[1].flow_id,))
    )
    assert flowmend(data, "keys", "reseal").exit_code == 0
    assert {key_id_of(one.sealed_access_key) for one in store.flows.list()} == {open_vault(data).key_ids[0]}
    store.close()


def _seals_flow(store: Store, flow_id: str) -> str:
    """The key under which a flow's own key stands; one row is read, for the rotation is quick."""
    row = store.flows.get(flow_id)
    assert row is not None
    return key_id_of(row.sealed_access_key)
