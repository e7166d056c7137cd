"""Signed addresses of Request triggers: what they permit, when they end, and how they are made anew."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .conftest import Flowmend, imported

ANSWER: dict[str, Any] = {
    "Response": {"type": "Response", "kind": "Http", "runAfter": {}, "inputs": {"statusCode": 200, "body": "came"}}
}
TIMED: dict[str, Any] = {"tick": {"type": "Recurrence", "recurrence": {"frequency": "Day", "interval": 1}}}


@pytest.fixture
def flow(flowmend: Flowmend, request: pytest.FixtureRequest) -> str:
    return imported(flowmend, f"called-{request.node.name[:40].strip('[')}", ANSWER)


def address(flowmend: Flowmend, flow_id: str, **wanted: Any) -> dict[str, Any]:
    answer = flowmend.api("POST", f"/flows/{flow_id}/callback_url", wanted or None)
    assert answer.status == 200, answer.content
    return dict(answer.json)


def test_a_rotation_lets_every_earlier_address_die(flowmend: Flowmend, flow: str) -> None:
    old, ending = address(flowmend, flow), address(flowmend, flow, notAfter="2099-01-01T00:00:00Z")
    assert flowmend.ask("POST", old["value"], {}).status == 200

    made = flowmend.api("POST", f"/flows/{flow}/callback_url/rotate").json

    assert address(flowmend, flow)["value"] == made["value"] != old["value"]
    assert flowmend.ask("POST", made["value"], {}).status == 200
    for dead in (old, ending):
        refused = flowmend.ask("POST", dead["value"], {})
        assert (refused.status, refused.error_code) == (401, "DirectApiAuthorizationRequired")
    again = flowmend.api("POST", f"/flows/{flow}/callback_url/rotate").json
    assert flowmend.ask("POST", made["value"], {}).status == 401
    assert flowmend.ask("POST", again["value"], {}).status == 200


def test_what_a_run_gave_out_lives_on(flowmend: Flowmend, flow: str) -> None:
    run = flowmend.ask("POST", address(flowmend, flow)["value"], {}).headers["x-ms-workflow-run-id"]
    link = flowmend.api("GET", f"/runs/{run}").json["properties"]["trigger"]["outputsLink"]["uri"]
    flowmend.api("POST", f"/flows/{flow}/callback_url/rotate")
    assert flowmend.ask("GET", link).status == 200


def test_an_address_may_end(flowmend: Flowmend, flow: str) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=5)
    ending = address(flowmend, flow, notAfter=soon.isoformat())
    assert ending["queries"]["se"] == soon.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert flowmend.ask("POST", ending["value"], {}).status == 200
    later = ending["value"].replace(ending["queries"]["se"].replace(":", "%3A"), "2099-01-01T00%3A00%3A00Z")
    assert later != ending["value"]
    assert flowmend.ask("POST", later, {}).status == 401


@pytest.mark.parametrize("when", ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00", "soon", 5])
def test_an_address_that_ended_before_or_never_is_not_made(flowmend: Flowmend, flow: str, when: Any) -> None:
    assert flowmend.api("POST", f"/flows/{flow}/callback_url", {"notAfter": when}).status == 400


def test_an_address_says_its_method_and_takes_no_other(flowmend: Flowmend) -> None:
    flow_id = imported(flowmend, "by-put", ANSWER, method="PUT", relativePath="/orders/{id}/lines/{line}")
    made = address(flowmend, flow_id)
    assert (made["method"], made["relativePathParameters"]) == ("PUT", ["id", "line"])
    filled = made["value"].replace("{id}", "7").replace("{line}", "2")
    assert flowmend.ask("PUT", filled, {}).status == 200
    refused = flowmend.ask("POST", filled, {})
    assert (refused.status, refused.error_code) == (400, "TriggerRequestMethodNotValid")
    assert flowmend.ask("PUT", made["value"].replace("/orders/{id}/lines/{line}", "/orders/7"), {}).status == 404


def test_a_flow_that_no_request_starts_has_no_address(flowmend: Flowmend) -> None:
    definition = {"contentVersion": "1.0.0.0", "triggers": TIMED, "actions": {}}
    content = json.dumps(definition).encode()
    (made,) = flowmend.api("POST", "/flows?file_name=timed.json", content=content).json["value"]
    for place in ("callback_url", "callback_url/rotate"):
        answer = flowmend.api("POST", f"/flows/{made['id']}/{place}")
        assert (answer.status, answer.error_code) == (400, "TriggerNotRequest")


def test_the_portal_makes_a_new_one_and_nobody_else_does(flowmend: Flowmend, flow: str) -> None:
    old = address(flowmend, flow)["value"]
    place = f"/flows/{flow}/callback_url/rotate"
    cookie = {"Cookie": f"flowmend_session={flowmend.cookie}", "Accept-Language": "en"}
    assert flowmend.ask("POST", place, content=b"", headers={**cookie, "Origin": "https://evil.example"}).status == 403
    assert flowmend.ask("POST", f"/api/v1{place}", {}, headers={"Authorization": "Bearer x"}).status in {401, 403}
    assert flowmend.ask("POST", old, {}).status == 200

    taken = flowmend.ask("POST", place, content=b"", headers={**cookie, "Origin": flowmend.origin})

    assert (taken.status, taken.headers["location"]) == (303, f"/flows/{flow}?done=rotated")
    assert flowmend.ask("POST", old, {}).status == 401
    page = flowmend.ask("GET", f"/flows/{flow}?done=rotated", headers=cookie).content.decode()
    assert "There is a new callback URL" in page
    assert old.partition("sig=")[2] not in page
