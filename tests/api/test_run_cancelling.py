"""Cancelling every run of a flow over the API and in the portal: how many, how far, and only by who may."""

import time
from typing import Any

import pytest

from .conftest import Flowmend, ended, imported

WAIT: dict[str, Any] = {"Wait": {"type": "Wait", "inputs": {"interval": {"count": 3, "unit": "Day"}}, "runAfter": {}}}


@pytest.fixture(scope="module")
def waiting_flow(flowmend: Flowmend) -> str:
    return imported(flowmend, "waits-for-days", WAIT)


def begun(flowmend: Flowmend, flow_id: str, count: int) -> list[str]:
    return [flowmend.api("POST", f"/flows/{flow_id}/run", {}).json["name"] for _ in range(count)]


def cancelled(flowmend: Flowmend, flow_id: str) -> None:
    for _ in range(3_000):
        if not flowmend.api("GET", f"/flows/{flow_id}/cancel_runs").json["runs"]:
            return
        time.sleep(0.02)
    raise AssertionError("they are not cancelled")


def test_one_request_cancels_every_run_of_a_flow(flowmend: Flowmend, waiting_flow: str) -> None:
    names = begun(flowmend, waiting_flow, 3)

    asked = flowmend.api("POST", f"/flows/{waiting_flow}/cancel_runs")

    assert (asked.status, asked.json["runs"]) == (202, 3)
    cancelled(flowmend, waiting_flow)
    assert {ended(flowmend, name)["properties"]["status"] for name in names} == {"Cancelled"}
    again = flowmend.api("POST", f"/flows/{waiting_flow}/cancel_runs")
    assert (again.status, again.json["runs"], again.json["left"]) == (202, 0, 0)


def test_the_portal_says_how_many_before_it_does_so(flowmend: Flowmend, waiting_flow: str) -> None:
    names = begun(flowmend, waiting_flow, 2)
    cookie = {"Cookie": f"flowmend_session={flowmend.cookie}", "Accept-Language": "en"}
    assert "/cancel_runs" in flowmend.ask("GET", f"/flows/{waiting_flow}", headers=cookie).content.decode()

    asked = flowmend.ask("GET", f"/flows/{waiting_flow}/cancel_runs", headers=cookie).content.decode()
    assert "Cancel 2 runs" in asked
    taken = flowmend.ask(
        "POST", f"/flows/{waiting_flow}/cancel_runs", content=b"", headers={**cookie, "Origin": flowmend.origin}
    )

    assert (taken.status, taken.headers["location"]) == (303, f"/flows/{waiting_flow}?done=cancelling")
    cancelled(flowmend, waiting_flow)
    assert {ended(flowmend, name)["properties"]["status"] for name in names} == {"Cancelled"}


def test_nobody_cancels_without_signing_in_or_from_elsewhere(flowmend: Flowmend, waiting_flow: str) -> None:
    (name,) = begun(flowmend, waiting_flow, 1)
    place = f"/flows/{waiting_flow}/cancel_runs"
    cookie = {"Cookie": f"flowmend_session={flowmend.cookie}"}

    wrong = {"Authorization": "Bearer fm_wrong"}
    assert flowmend.ask("POST", f"/api/v1{place}", {}, headers=wrong).status in {401, 403}
    assert flowmend.ask("POST", place, content=b"").status in {303, 401, 403}
    assert flowmend.ask("POST", place, content=b"", headers={**cookie, "Origin": "https://evil.example"}).status == 403
    assert flowmend.api("POST", "/flows/nothing/cancel_runs").error_code == "FlowNotFound"

    assert flowmend.api("GET", f"/runs/{name}").json["properties"]["status"] == "Running"
    flowmend.api("POST", place)
    cancelled(flowmend, waiting_flow)
