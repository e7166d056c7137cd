"""Two runs beside each other, over the API."""

from typing import Any

import pytest

from .conftest import Flowmend, ended, imported

ACTIONS: dict[str, Any] = {
    "Each": {
        "type": "Foreach",
        "foreach": "@triggerBody()['items']",
        "runAfter": {},
        "operationOptions": "Sequential",
        "actions": {"Number": {"type": "Compose", "inputs": "@int(item())", "runAfter": {}}},
    },
}


@pytest.fixture(scope="module")
def runs(flowmend: Flowmend) -> tuple[str, str]:
    """One that succeeded, then one that failed."""
    flow_id = imported(flowmend, "compared", ACTIONS)
    names = [
        flowmend.api("POST", f"/flows/{flow_id}/run", {"items": items}).json["name"]
        for items in (["1", "2", "3"], ["1", "x", "3"])
    ]
    assert [ended(flowmend, name)["properties"]["status"] for name in names] == ["Succeeded", "Failed"]
    return names[0], names[1]


def test_a_run_is_compared_with_the_last_that_succeeded(flowmend: Flowmend, runs: tuple[str, str]) -> None:
    good, failed = runs
    found = flowmend.api("GET", f"/runs/{failed}/compare").json
    assert (found["left"]["name"], found["right"]["name"]) == (failed, good)
    assert found["trigger"]["value"] == [{"path": "/body/items/1", "left": "x", "right": "2"}]
    assert found["passes"] == {"Each": 2}
    loop, number = found["actions"]
    assert loop["loop"] == {"left_passes": 3, "right_passes": 3, "left_failed": 1, "right_failed": 0}
    assert (number["repetition"], number["left"]["status"], number["right"]["status"]) == (
        "000001",
        "Failed",
        "Succeeded",
    )


def test_another_pass_is_compared_when_asked_for(flowmend: Flowmend, runs: tuple[str, str]) -> None:
    good, failed = runs
    found = flowmend.api("GET", f"/runs/{failed}/compare/{good}?passes=Each=1").json
    assert found["actions"][1]["differs"] is False
    assert found["actions"][1]["repetition"] == "000000"
    refused = flowmend.api("GET", f"/runs/{failed}/compare/{good}?passes=Each")
    assert (refused.status, refused.json["error"]["code"]) == (400, "InvalidQuery")


def test_a_run_that_is_not_there_is_not_compared(flowmend: Flowmend, runs: tuple[str, str]) -> None:
    assert flowmend.api("GET", f"/runs/{runs[0]}/compare/nothing").status == 404
