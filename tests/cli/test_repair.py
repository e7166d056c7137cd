"""`flowmend repair …`, and what incidents tell of plans."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from flowmend.cli.program import app
from flowmend.cli.server_client import find_server

from .conftest import StartedServer

runner = CliRunner()


def flowmend(server: StartedServer, *arguments: str) -> Result:
    return runner.invoke(app, [*arguments, "--data", str(server.data)], env={"COLUMNS": "240"})


def flowmend_json(server: StartedServer, *arguments: str) -> Any:
    result = flowmend(server, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def plan(server: StartedServer, tmp_path: Path) -> Any:
    """Of one chosen run that succeeded, not started."""
    definition = {
        "contentVersion": "1.0.0.0",
        "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {}}},
        "actions": {"Compose": {"type": "Compose", "inputs": 1, "runAfter": {}}},
    }
    file = tmp_path / f"{tmp_path.name}.json"
    file.write_text(json.dumps({"definition": definition}))
    (flow,) = flowmend_json(server, "import", str(file))
    flow_id = flow["id"]
    flowmend(server, "flows", "turn-on", flow_id)
    name = flowmend_json(server, "flows", "run", flow_id)["name"]
    for _ in range(1_000):
        if flowmend_json(server, "runs", "show", name)["properties"]["status"] == "Succeeded":
            break
        time.sleep(0.05)
    matching = ("--flow", flow_id, "--status", "succeeded")
    return flowmend_json(server, "runs", "resubmit", "--all-matching", *matching, "--yes")


def test_a_plan_is_shown_with_its_groups_and_where_it_stands(server: StartedServer, plan: Any) -> None:
    assert flowmend(server, "repair", "status", plan["id"], "--wait").exit_code == 0
    shown = flowmend(server, "repair", "status", plan["id"])
    assert "resubmit from the start" in shown.stdout
    assert "1 of 1" in shown.stdout
    assert "done" in shown.stdout
    listed = flowmend(server, "repair", "list")
    assert plan["id"] in listed.stdout
    assert plan["id"] in {one["id"] for one in flowmend_json(server, "repair", "list")}


@pytest.mark.parametrize("verb", ["run", "pause", "resume", "stop", "dismiss"])
def test_what_is_over_is_not_begun_again(server: StartedServer, plan: Any, verb: str) -> None:
    assert flowmend(server, "repair", "status", plan["id"], "--wait").exit_code == 0
    refused = flowmend(server, "repair", verb, plan["id"])
    assert refused.exit_code == 1
    assert "Plan" in refused.output


@pytest.mark.parametrize("verb", ["plan", "run", "status", "pause", "resume", "stop", "dismiss"])
def test_what_is_not_there_is_one_line(server: StartedServer, verb: str) -> None:
    result = flowmend(server, "repair", verb, "no-such-thing")
    assert result.exit_code == 1
    assert "NotFound" in result.output
    assert "Traceback" not in result.output


def test_a_bad_pace_is_refused_before_anything_is_asked(server: StartedServer) -> None:
    for option in ("--per-minute", "--at-once", "--calls-at-once"):
        assert flowmend(server, "repair", "run", "any", option, "0").exit_code == 2


def test_run_keeps_what_was_chosen_for_the_plan_before(server: StartedServer, plan: Any) -> None:
    assert flowmend(server, "repair", "status", plan["id"], "--wait").exit_code == 0
    names = [flowmend_json(server, "flows", "run", plan["groups"][0]["flow"])["name"] for _ in range(2)]
    client = find_server(None, server.data)
    for _ in range(1_000):
        made = client.send("POST", "/repair_plans", {"runs": names, "mode": "resubmit"})
        if made["counts"]["to_go"] == 2:  # they have ended
            break
        time.sleep(0.05)
    chosen = {"canary": "none", "per_minute": 1, "at_once": 3}
    client.send("POST", f"/repair_plans/{made['id']}/start", {"version": 1, "settings": chosen})
    assert flowmend(server, "repair", "stop", made["id"]).exit_code == 0
    again = flowmend_json(server, "repair", "run", made["id"], "--calls-at-once", "2")
    assert {name: again["settings"][name] for name in chosen} == chosen
    assert again["settings"]["calls_at_once"] == 2
