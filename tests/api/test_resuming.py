"""Resume over the API: what it would do, then that it does."""

from typing import Any

import pytest

from .conftest import Flowmend, ended, imported

ACTIONS: dict[str, Any] = {
    "Each": {
        "type": "Foreach",
        "foreach": "@triggerBody()['items']",
        "runAfter": {},
        "actions": {
            "Said": {"type": "Compose", "inputs": "@item()", "runAfter": {}},
            "Number": {"type": "Compose", "inputs": "@int(item())", "runAfter": {"Said": ["Succeeded"]}},
        },
    },
}


@pytest.fixture(scope="module")
def failed_run(flowmend: Flowmend) -> dict[str, Any]:
    flow_id = imported(flowmend, "resumed", ACTIONS)
    started = flowmend.api("POST", f"/flows/{flow_id}/run", {"items": ["1", "x", "3"]})
    run = ended(flowmend, started.json["name"])
    assert (run["properties"]["status"], run["properties"]["attempt"]) == ("Failed", 1)
    return run


def test_first_it_says_where_it_would_go_on(flowmend: Flowmend, failed_run: dict[str, Any]) -> None:
    found = flowmend.api("GET", f"/runs/{failed_run['name']}/resume").json
    assert (found["can_resume"], found["from_action"], found["from_repetition"]) == (True, "Number", "000001")
    assert found["passes"] == [{"loop": "Each", "number": 2, "of": 3}]
    assert (found["kept"], found["repeats"], found["later_run"]) == (5, [], "")
    assert flowmend.api("GET", f"/runs/{failed_run['name']}/resubmit").json["can_resubmit"] is True


def test_one_request_makes_one_run_that_says_where_it_comes_from(
    flowmend: Flowmend, failed_run: dict[str, Any]
) -> None:
    headers = {"x-ms-client-request-id": "11111111-2222-4333-8444-666666666666"}
    path = f"/runs/{failed_run['name']}/resume"

    first = flowmend.api("POST", path, {"latest_definition": True}, headers=headers)
    again = flowmend.api("POST", path, headers=headers)

    assert (first.status, again.status) == (202, 202)
    assert first.json["name"] == again.json["name"] == first.headers["x-ms-workflow-run-id"]
    made = ended(flowmend, first.json["name"])["properties"]
    assert (made["originRun"], made["resumedFrom"], made["attempt"]) == (failed_run["name"], failed_run["name"], 2)
    actions = flowmend.api("GET", f"/runs/{first.json['name']}/actions/Said/repetitions").json["value"]
    assert [one["properties"]["fromRun"] for one in actions] == [failed_run["name"]] * 3


def test_a_run_that_went_well_says_why_it_is_not_resumed(flowmend: Flowmend, failed_run: dict[str, Any]) -> None:
    flow_id = failed_run["id"].split("/")[2]
    good = ended(flowmend, flowmend.api("POST", f"/flows/{flow_id}/run", {"items": ["1"]}).json["name"])["name"]
    found = flowmend.api("GET", f"/runs/{good}/resume").json
    answer = flowmend.api("POST", f"/runs/{good}/resume")
    assert (found["can_resume"], found["code"]) == (False, "WorkflowRunSucceeded")
    assert (answer.status, answer.error_code) == (409, "WorkflowRunSucceeded")
    assert flowmend.api("GET", "/runs/08000000000000000000CU00/resume").status == 404
