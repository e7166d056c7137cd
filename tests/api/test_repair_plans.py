"""Repair plans over the API: what is asked wrongly is refused by name, what was not seen does not start."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .conftest import Flowmend, ended, imported

FAILS: dict[str, Any] = {
    "End": {
        "type": "Terminate",
        "inputs": {"runStatus": "Failed", "runError": {"code": "No", "message": "No."}},
        "runAfter": {},
    }
}


@pytest.fixture(scope="module")
def failing(flowmend: Flowmend) -> str:
    return imported(flowmend, "fails-on-purpose", FAILS)


@pytest.fixture
def runs(flowmend: Flowmend, failing: str) -> list[str]:
    names = [flowmend.api("POST", f"/flows/{failing}/run", {}).json["name"] for _ in range(2)]
    assert {ended(flowmend, name)["properties"]["status"] for name in names} == {"Failed"}
    return names


def made(flowmend: Flowmend, **wanted: Any) -> Any:
    answer = flowmend.api("POST", "/repair_plans", wanted)
    assert answer.status == 201, answer.content
    return answer.json


def reaches(flowmend: Flowmend, plan_id: str, *states: str) -> Any:
    for _ in range(3_000):
        plan = flowmend.api("GET", f"/repair_plans/{plan_id}").json
        if plan["state"] in states:
            return plan
        time.sleep(0.02)
    raise AssertionError(plan)


def test_chosen_runs_are_planned_and_nothing_begins(flowmend: Flowmend, runs: list[str]) -> None:
    plan = made(flowmend, runs=runs, mode="resubmit")
    assert (plan["state"], plan["kind"], plan["version"], plan["can_start"]) == ("draft", "selection", 1, True)
    assert (plan["counts"]["total"], plan["counts"]["to_go"], plan["seconds_left"]) == (2, 2, None)
    (group,) = plan["groups"]
    assert (group["flow_name"], group["mode"], group["count"]) == ("fails-on-purpose", "resubmit", 2)
    items = flowmend.api("GET", f"/repair_plans/{plan['id']}/items?limit=1").json
    assert [one["subject"] for one in items["value"]] == [runs[0]]
    rest = flowmend.ask("GET", items["nextLink"], headers={"Authorization": f"Bearer {flowmend.token}"}).json
    assert [one["subject"] for one in rest["value"]] == [runs[1]]
    assert "nextLink" not in rest
    assert plan["id"] in {one["id"] for one in flowmend.api("GET", "/repair_plans").json["value"]}


def test_started_it_stops_by_itself_where_the_first_one_fails(flowmend: Flowmend, runs: list[str]) -> None:
    plan = made(flowmend, runs=runs, mode="resubmit")
    started = flowmend.api("POST", f"/repair_plans/{plan['id']}/start", {"version": 1})
    assert (started.status, started.json["state"]) in {(200, "canary"), (200, "stopped")}
    stopped = reaches(flowmend, plan["id"], "stopped")
    assert stopped["stop_code"] == "FailuresInARow"
    assert stopped["counts"]["to_go"] == 1
    dismissed = flowmend.api("POST", f"/repair_plans/{plan['id']}/dismiss")
    assert dismissed.json["state"] == "dismissed"


def test_of_many_who_start_it_at_once_one_does(flowmend: Flowmend, runs: list[str]) -> None:
    plan = made(flowmend, runs=runs, mode="resubmit")
    wanted = {"version": 1, "settings": {"canary": "none"}}
    with ThreadPoolExecutor(8) as pool:
        tries = [pool.submit(flowmend.api, "POST", f"/repair_plans/{plan['id']}/start", wanted) for _ in range(8)]
        answers = [one.result() for one in tries]
    assert sorted(one.status for one in answers) == [200] + [409] * 7
    assert {one.error_code for one in answers if one.status == 409} == {"PlanUnderWay"}
    over = reaches(flowmend, plan["id"], "done", "stopped")
    assert over["counts"]["failed"] == 2
    attempts = flowmend.api("GET", f"/runs/{runs[0]}").json["properties"]
    assert attempts is not None


def test_an_old_version_is_refused(flowmend: Flowmend, runs: list[str]) -> None:
    plan = made(flowmend, runs=runs, mode="resubmit")
    chosen = flowmend.api("POST", f"/repair_plans/{plan['id']}/groups", {"version": 1, "groups": []})
    assert (chosen.json["version"], chosen.json["counts"]["left_out"], chosen.json["can_start"]) == (2, 2, False)
    old = flowmend.api("POST", f"/repair_plans/{plan['id']}/start", {"version": 1})
    assert (old.status, old.error_code) == (409, "PlanChanged")


@pytest.mark.parametrize(
    ("path", "body", "refusal"),
    [
        ("/repair_plans", {}, (400, "InvalidPlan")),
        ("/repair_plans", {"runs": ["x"], "incident": "y"}, (400, "InvalidPlan")),
        ("/repair_plans", {"runs": ["x"], "mode": "faster"}, (400, "InvalidRequestContent")),
        ("/repair_plans", {"incident": "nowhere"}, (404, "IncidentNotFound")),
        ("/repair_plans/{plan}/start", {}, (400, "InvalidRequestContent")),
        ("/repair_plans/{plan}/start", {"version": "1"}, (400, "InvalidRequestContent")),
        ("/repair_plans/{plan}/start", {"version": 1, "groups": ["../../etc"]}, (400, "GroupNotFound")),
        ("/repair_plans/{plan}/start", {"version": 1, "settings": {"per_minute": -1}}, (400, "InvalidPlanSettings")),
        ("/repair_plans/{plan}/start", {"version": 1, "settings": {"at_once": 10**9}}, (400, "InvalidPlanSettings")),
        ("/repair_plans/{plan}/groups/none/mode", {"version": 1, "mode": "resume"}, (400, "GroupNotFound")),
        ("/repair_plans/{plan}/pause", None, (409, "PlanNotRunning")),
        ("/repair_plans/{plan}/resume", None, (409, "PlanNotPaused")),
        ("/repair_plans/another/start", {"version": 1}, (404, "RepairPlanNotFound")),
        ("/repair_plans/%27%3B--/stop", None, (404, "RepairPlanNotFound")),
    ],
)
def test_what_is_asked_wrongly_is_refused_by_name(
    flowmend: Flowmend, runs: list[str], path: str, body: Any, refusal: tuple[int, str]
) -> None:
    plan = made(flowmend, runs=runs, mode="resubmit")
    answer = flowmend.api("POST", path.format(plan=plan["id"]), body)
    assert (answer.status, answer.error_code) == refusal
    assert flowmend.api("GET", f"/repair_plans/{plan['id']}").json["state"] == "draft"


def test_a_cursor_that_is_none_of_ours_is_refused(flowmend: Flowmend, runs: list[str]) -> None:
    plan = made(flowmend, runs=runs, mode="resubmit")
    answer = flowmend.api("GET", f"/repair_plans/{plan['id']}/items?cursor=-1%20OR%201")
    assert (answer.status, answer.error_code) == (400, "InvalidCursor")


def test_runs_that_do_not_exist_are_in_no_plan(flowmend: Flowmend) -> None:
    plan = made(flowmend, runs=["no such run"], mode="cancel")
    assert (plan["counts"]["total"], plan["can_start"]) == (0, False)
    start = flowmend.api("POST", f"/repair_plans/{plan['id']}/start", {"version": 1})
    assert (start.status, start.error_code) == (409, "PlanCannotStart")


def test_nobody_acts_on_a_plan_without_signing_in(flowmend: Flowmend, runs: list[str]) -> None:
    plan = made(flowmend, runs=runs, mode="resubmit")
    for verb in ("start", "pause", "resume", "stop", "dismiss"):
        address = f"/api/v1/repair_plans/{plan['id']}/{verb}"
        assert flowmend.ask("POST", address, {"version": 1}).status in {401, 403}
    assert flowmend.ask("GET", f"/api/v1/repair_plans/{plan['id']}").status in {401, 403}
    assert flowmend.api("GET", f"/repair_plans/{plan['id']}").json["state"] == "draft"
