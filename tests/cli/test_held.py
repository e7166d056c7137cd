"""What flows hold, and what they do while a connection is broken, from the command line."""

import json
from pathlib import Path

import pytest

from .conftest import StartedServer
from .test_server_commands import flowmend, flowmend_json


@pytest.fixture
def flow(server: StartedServer, tmp_path: Path) -> str:
    path = tmp_path / f"{tmp_path.name}.json"
    definition = {
        "contentVersion": "1.0.0.0",
        "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {"schema": {}}}},
        "actions": {"Sum": {"type": "Compose", "inputs": "@add(1, 2)", "runAfter": {}}},
    }
    path.write_text(json.dumps(definition))
    (imported,) = flowmend_json(server, "import", str(path))
    return str(imported["id"])


def test_what_a_flow_does_while_a_connection_is_broken_is_shown_and_set(server: StartedServer, flow: str) -> None:
    shown = flowmend(server, "flows", "settings", flow)
    assert "holdEvents" in shown.stdout
    assert "nobody waits for its answer" in " ".join(shown.stdout.split())

    assert flowmend(server, "flows", "set-on-broken", flow, "holdAtAction").exit_code == 0
    assert flowmend(server, "flows", "set-held-days", flow, "30").exit_code == 0
    assert flowmend(server, "flows", "set-history-days", flow, "90").exit_code == 0

    found = flowmend_json(server, "flows", "settings", flow)
    assert (found["on_broken_connection"], found["on_broken_connection_is_chosen"]) == ("holdAtAction", True)
    assert (found["held_days"], found["history_days"]) == (30, 90)
    exported = json.loads(flowmend(server, "flows", "text", flow).stdout)
    assert exported["definition"]["metadata"] == {"flowmend": {"onBrokenConnection": "holdAtAction"}}

    assert flowmend(server, "flows", "set-on-broken", flow, "default").exit_code == 0
    assert flowmend(server, "flows", "set-held-days", flow, "default").exit_code == 0
    found = flowmend_json(server, "flows", "settings", flow)
    assert (found["on_broken_connection_is_chosen"], found["held_days"]) == (False, 0)


@pytest.mark.parametrize("command", [("set-on-broken", "sometimes"), ("set-held-days", "soon")])
def test_a_setting_that_is_none_is_refused(server: StartedServer, flow: str, command: tuple[str, str]) -> None:
    assert flowmend(server, "flows", command[0], flow, command[1]).exit_code == 2


def test_nothing_is_held_at_first_and_a_discard_says_what_it_wants(server: StartedServer, flow: str) -> None:
    assert "Nothing is held" in flowmend(server, "held", "list").stdout
    assert "Nothing is held" in flowmend(server, "held", "flows").stdout
    assert flowmend(server, "held", "discard").exit_code == 2
    assert "Discarded: 0." in flowmend(server, "held", "discard", "--all-of", flow, "--yes").stdout
